/** The initial stack of a program: System V ABI for AMD64, "Initial Stack and Register State"; execve(2) on the limits. */
import { E2BIG, EFAULT } from "../../abi/errno.ts";
import { AT_EXECFN, AT_NULL, AT_PLATFORM, AT_RANDOM } from "../../abi/auxv.ts";
import type { MemoryManager } from "../mm/mm.ts";

/** Longest argument or environment string, with its NUL (MAX_ARG_STRLEN). */
export const ARG_STRLEN_MAX = 131072;
/** ARG_MAX: what is always allowed for strings and pointers; and what is never exceeded (3/4 of 8 MiB). */
export const ARG_MIN_TOTAL = 131072;
export const ARG_MAX_TOTAL: number = 6 * 1024 * 1024;
/** Room on the stack beyond the arguments, at first. */
const STACK_EXTRA = 132 * 1024;
const PLATFORM = "x86_64";
/** Randomness between the strings and the rest. */
const ALIGN_RANDOM = 8192;

/** What is put together for the stack, one piece at a time; longer pieces get memory of their own. */
const assembled: Uint8Array = new Uint8Array(16384);
const assembledView: DataView = new DataView(assembled.buffer);

/** Pairs of an auxiliary vector under construction. */
export class Auxv {
  readonly keys: number[] = [];
  readonly values: number[] = [];
  add(key: number, value: number): void {
    this.keys.push(key);
    this.values.push(value);
  }
}

/** Bytes of the strings with their NULs; -E2BIG when they and their pointers are more than `stackLimit` allows. */
export function argumentBytes(argv: readonly string[], envp: readonly string[], stackLimit: number): number {
  let bytes = 0;
  for (const list of [argv, envp]) {
    for (const s of list) {
      if (s.length >= ARG_STRLEN_MAX) return -E2BIG;
      bytes += s.length + 1;
    }
  }
  const pointers = (argv.length + envp.length) * 8;
  const limit = Math.max(Math.min(stackLimit / 4, ARG_MAX_TOTAL), ARG_MIN_TOTAL);
  return bytes + pointers > limit ? -E2BIG : bytes;
}

/**
 * Maps the stack of `mm` and fills it. `auxv` lacks AT_RANDOM, AT_EXECFN, AT_PLATFORM and AT_NULL, which are added.
 * Sets argStart ... auxv of mm. The stack pointer, or -errno.
 */
export function buildStack(
  mm: MemoryManager,
  prot: number,
  strings: number,
  filename: string,
  argv: readonly string[],
  envp: readonly string[],
  auxv: Auxv,
): number {
  const top = mm.stackTop;
  const entries = auxv.keys.length + 4;
  const words = 1 + argv.length + 1 + envp.length + 1 + entries * 2;
  const fixed = 8 + filename.length + 1 + strings + ALIGN_RANDOM + PLATFORM.length + 1 + 16 + words * 8 + 64;
  const size = pageUp(fixed) + STACK_EXTRA;
  const r = mm.mapStack(size, prot);
  if (r < 0) return r;

  // Strings, from the top: filename, environment, arguments; each list in ascending order.
  const length = strings + filename.length + 1;
  const block = length > assembled.length ? new Uint8Array(length) : assembled;
  let at = 0;
  const base = top - 8 - length;
  const pointers: number[] = [];
  for (const list of [argv, envp]) {
    for (const s of list) {
      pointers.push(base + at);
      at = putString(block, at, s);
    }
    if (list === argv) {
      mm.argStart = base;
      mm.argEnd = base + at;
      mm.envStart = base + at;
    }
  }
  mm.envEnd = base + at;
  const execfn = base + at;
  putString(block, at, filename);
  if (mm.copyOutExact(base, block, 0, length) < 0) return -EFAULT;

  // Platform name and random bytes, then the words.
  let sp = base - mm.randomPages(ALIGN_RANDOM);
  sp -= sp & 15;
  sp -= putString(assembled, 0, PLATFORM);
  const platform = sp;
  if (mm.copyOutExact(platform, assembled, 0, PLATFORM.length + 1) < 0) return -EFAULT;
  mm.env.random.fill(assembled, 0, 16);
  sp -= 16;
  const randomAt = sp;
  if (mm.copyOutExact(randomAt, assembled, 0, 16) < 0) return -EFAULT;
  auxv.add(AT_RANDOM, randomAt);
  auxv.add(AT_EXECFN, execfn);
  auxv.add(AT_PLATFORM, platform);
  auxv.add(AT_NULL, 0);

  sp -= words * 8;
  sp -= sp & 15;
  const bytes = words * 8;
  const out = bytes > assembled.length ? new Uint8Array(bytes) : assembled;
  const v = out === assembled ? assembledView : new DataView(out.buffer);
  let w = putWord(v, 0, argv.length);
  for (let i = 0; i < argv.length; i++) w = putWord(v, w, pointers[i]!);
  w = putWord(v, w, 0);
  for (let i = 0; i < envp.length; i++) w = putWord(v, w, pointers[argv.length + i]!);
  w = putWord(v, w, 0);
  const auxStart = w;
  for (let i = 0; i < auxv.keys.length; i++) {
    w = putWord(v, w, auxv.keys[i]!);
    w = putWord(v, w, auxv.values[i]!);
  }
  mm.auxv = out.slice(auxStart, w);
  mm.stackStart = sp;
  return mm.copyOutExact(sp, out, 0, bytes) < 0 ? -EFAULT : sp;
}

function putWord(v: DataView, at: number, value: number): number {
  v.setUint32(at, value % 4294967296, true);
  v.setUint32(at + 4, Math.floor(value / 4294967296), true);
  return at + 8;
}

/** Latin1 bytes and a NUL; the offset behind it. */
function putString(b: Uint8Array, at: number, s: string): number {
  for (let i = 0; i < s.length; i++) b[at + i] = s.charCodeAt(i);
  b[at + s.length] = 0;
  return at + s.length + 1;
}

function pageUp(n: number): number {
  return n + 4095 - ((n + 4095) & 4095);
}
