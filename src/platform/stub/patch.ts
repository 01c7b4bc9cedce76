/**
 * Patching of system call sites for systrap: which instruction sequences can be patched, and the machine code for it.
 *
 * A site is overwritten with `jmp rel32` (5 bytes) to a slot within 2 GiB. What is overwritten depends on what stands around
 * the syscall instruction:
 *
 * - *after*: the syscall and the one instruction behind it (`cmp $-4096,%rax` and the like), or `ret` and its padding. The
 *   jump's distance is chosen so that the byte where that instruction began is an invalid opcode: whoever jumps there, or
 *   returns there from a signal handler, faults and is sent to the slot's copy of the instruction.
 * - *before*: the one instruction of at least 5 bytes before it, as a rule `mov $nr,%eax`, with harmless instructions in
 *   between if need be; these and the syscall stay where they are and as they are.
 *
 * So every address at which an instruction began before still works, whoever jumps there, and threads may be anywhere
 * while a site is patched. Only *before* rests on guessing where an instruction begins; it is restricted to shapes that are
 * hardly anything else.
 *
 * A slot executes what was overwritten, and goes to the stub's call_entry with r11 = the thread's area, taken from gs, and
 * rcx = where the slot goes on. Both are lost in a syscall anyway. No flag may change, which is why the code is odd. A thread
 * whose gs is its own makes the system call itself, by a trap.
 */
import type { CodePatcher, PatchPlan } from "../platform.ts";

const SYS_RT_SIGRETURN = 15;
/** Calls that are not worth it: execve, exit_group, execveat. */
const UNPATCHED = new Set([59, 231, 322]);
/** clone, fork, vfork, clone3: the child begins behind the syscall instruction, where the guest's own code should be. */
const RETURNS_TWICE = new Set([56, 57, 58, 435]);
/** Bytes that begin no instruction in 64-bit mode. */
const INVALID = new Set([0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce]);
/** How far back the instruction that sets eax is looked for. */
const BACK_MAX = 32;
const SLOT_SIZE = 128;
/** rel32, with a margin. */
const REACH: number = 2 ** 31 - 4096;
const TWO32 = 4294967296;

/** Sets r11 to gs base, and rcx to 0 if that lies in the stub's areas. */
const CHECK_GS: readonly number[] = [
  // rdgsbase %r11; mov %r11,%rcx; bswap %rcx; lea -bswap32(STUB_HIGH)(%rcx),%ecx
  0xf3, 0x49, 0x0f, 0xae, 0xcb, 0x4c, 0x89, 0xd9, 0x48, 0x0f, 0xc9, 0x8d, 0x89, 0x00, 0x00, 0x81, 0x0f,
];
/** After the check: jrcxz over: syscall; jmp cont; lea cont(%rip),%rcx; jmp *entry(%rip); entry; return address. */
const CALL_LENGTH = 2 + 2 + 2 + 7 + 6 + 8 + 8;
const PAD = 0xcc;

/** Length of the ModRM byte at `i` with what belongs to it; 0: relative to rip. */
function modrmLength(code: Uint8Array, i: number): number {
  const modrm = code[i]!;
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 3) return 1;
  if (mod === 0 && rm === 5) return 0;
  let n = 1;
  if (rm === 4) {
    n = 2;
    if (mod === 0 && (code[i + 1]! & 7) === 5) return 6;
  }
  return n + (mod === 1 ? 1 : mod === 2 ? 4 : 0);
}

/**
 * Length of the instruction at `i` if it does the same at any other address and control goes on behind it; 0 for others and
 * for all that is not known here. Bytes beyond the end of `code` make it 0.
 */
export function movableLength(code: Uint8Array, i: number): number {
  const n = decode(code, i);
  return n > 0 && i + n <= code.length ? n : 0;
}

function decode(code: Uint8Array, i: number): number {
  let at = i;
  let wide = false;
  if ((code[at]! & 0xf0) === 0x40) {
    wide = (code[at]! & 8) !== 0;
    at++;
  }
  const op = code[at++]!;
  const head = at - i;
  let immediate = 0;
  if (op === 0x0f) {
    const second = code[at++]!;
    // nopl, cmovcc, setcc, movzx, movsx.
    const known =
      second === 0x1f ||
      (second & 0xf0) === 0x40 ||
      (second & 0xf0) === 0x90 ||
      second === 0xb6 ||
      second === 0xb7 ||
      second === 0xbe ||
      second === 0xbf;
    const m = known ? modrmLength(code, at) : 0;
    return m === 0 ? 0 : head + 1 + m;
  }
  if ((op & 0xf8) === 0xb8) return head + (wide ? 8 : 4);
  if ((op & 0xf0) === 0x50) return head;
  if (op < 0x40 && (op & 7) === 5) return head + 4; // add, or, adc ... imm32,%eax
  if (op === 0x90) return head;
  if (op === 0xa9) return head + 4;
  if (op < 0x40 && (op & 7) === 4) return head + 1;
  if (op === 0xa8) return head + 1;
  const reg = (code[at]! >> 3) & 7;
  if (op < 0x40 && (op & 7) < 4) immediate = 0;
  else if (op === 0x63 || op === 0x84 || op === 0x85 || (op >= 0x88 && op <= 0x8b) || op === 0x8d) immediate = 0;
  else if (op === 0x80 || op === 0x83 || op === 0xc0 || op === 0xc1) immediate = 1;
  else if (op === 0x81) immediate = 4;
  else if (op === 0xc6 && reg === 0) immediate = 1;
  else if (op === 0xc7 && reg === 0) immediate = 4;
  else if (op === 0xf7 && (reg === 2 || reg === 3)) immediate = 0;
  else return 0;
  const m = modrmLength(code, at);
  return m === 0 ? 0 : head + m + immediate;
}

/** Whether at least two bytes of padding stand at `i`, behind a ret. */
function isPadding(code: Uint8Array, i: number): boolean {
  const a = code[i];
  const b = code[i + 1];
  if (b === undefined) return false;
  if (a === 0xcc && b === 0xcc) return true;
  if (a === 0x90) return b === 0x90 || b === 0x66 || b === 0x0f;
  if (a === 0x66) return b === 0x90 || b === 0x66 || b === 0x2e || (b === 0x0f && code[i + 2] === 0x1f);
  return a === 0x0f && b === 0x1f;
}

/** Offsets in the slot, from what it does before and after the call. */
function makePlan(start: number, length: number, after: number): PatchPlan | null {
  const trap = -start + CHECK_GS.length + 2;
  const cont = -start + CHECK_GS.length + CALL_LENGTH;
  if (cont + after + 5 > SLOT_SIZE) return null;
  return { start, length, after, cont, trapEnd: trap + 2 };
}

/** The syscall and what stands behind it. */
function planAfter(code: Uint8Array, at: number): PatchPlan | null {
  if (code[at + 2] === 0xc3) return isPadding(code, at + 3) ? makePlan(0, 5, 1) : null;
  const n = movableLength(code, at + 2);
  return n >= 3 ? makePlan(0, 2 + n, n) : null;
}

function isImmediate(code: Uint8Array, i: number, value: number): boolean {
  return (
    code[i]! + code[i + 1]! * 256 === value &&
    value < 65536 &&
    code[i + 2] === 0 &&
    code[i + 3] === 0 &&
    i + 4 <= code.length
  );
}

/** Whether the byte may be the end of an instruction, so that the next one begins an instruction of its own: neither a prefix nor an opcode that takes it as ModRM. */
function mayEnd(code: Uint8Array, i: number): boolean {
  if (i < 0) return false;
  const b = code[i]!;
  if ((b & 0xf0) === 0x40 || b === 0x66 || b === 0xf2 || b === 0xf3 || b === 0x0f) return false;
  return !(
    (b >= 0x80 && b <= 0x8f) ||
    b === 0x63 ||
    b === 0x69 ||
    b === 0xc7 ||
    b === 0xf7 ||
    b === 0xff ||
    (b < 0x40 && (b & 7) < 4 && b !== 0)
  );
}

/** The instruction before the syscall, or the one that sets eax. */
function planBefore(code: Uint8Array, at: number, nr: number): PatchPlan | null {
  // mov $nr,%eax, with other instructions in between.
  for (let back = 5; back <= BACK_MAX && back <= at; back++) {
    const i = at - back;
    let length = 0;
    // As ModRM, 0xb8 has the operation 7, which 0xc7 and 0xff do not know: mov %eax,%edi may well stand before.
    const before = i > 0 ? code[i - 1]! : 0;
    const isFirst = mayEnd(code, i - 1) || before === 0xc7 || before === 0xff;
    if (code[i] === 0xb8 && isImmediate(code, i + 1, nr) && isFirst) length = 5;
    else if (code[i] === 0x48 && code[i + 1] === 0xc7 && code[i + 2] === 0xc0 && isImmediate(code, i + 3, nr))
      length = 7;
    if (length === 0) continue;
    let end = i + length;
    while (end < at) {
      const n = movableLength(code, end);
      if (n === 0) break;
      end += n;
    }
    if (end === at) return makePlan(-back, length, 0);
  }
  // Numbers in variables: what glibc's and musl's cancellable calls do last, mov ..(%rsp),%r9 and mov %r11,..(%rsp).
  const i = at - 5;
  if (i < 0 || code[i + 3] !== 0x24 || !mayEnd(code, i - 1)) return null;
  if (code[i] === 0x4c && code[i + 1] === 0x8b && code[i + 2] === 0x4c) return makePlan(-5, 5, 0);
  if (code[i] === 0x4c && code[i + 1] === 0x89 && code[i + 2] === 0x5c) return makePlan(-5, 5, 0);
  return null;
}

function putRel32(out: Uint8Array, at: number, rel: number): void {
  out[at] = rel & 255;
  out[at + 1] = (rel >> 8) & 255;
  out[at + 2] = (rel >> 16) & 255;
  out[at + 3] = (rel >> 24) & 255;
}

function putAddress(out: Uint8Array, at: number, address: number): void {
  putRel32(out, at, address | 0);
  putRel32(out, at + 4, Math.floor(address / TWO32));
}

/** See the header. */
export class SystrapPatcher implements CodePatcher {
  readonly slotSize: number = SLOT_SIZE;
  readonly #entry: number;
  readonly #isHidden: boolean;

  /**
   * `entry`: address of the stub's call_entry. `isHidden`: who reads patched code sees the original. Unwinders know signal frames by the
   * code that returns from them.
   */
  constructor(entry: number, isHidden: boolean = false) {
    this.#entry = entry;
    this.#isHidden = isHidden;
  }

  plan(code: Uint8Array, at: number, nr: number): PatchPlan | null {
    if (code[at] !== 0x0f || code[at + 1] !== 0x05 || UNPATCHED.has(nr)) return null;
    if (nr === SYS_RT_SIGRETURN && !this.#isHidden) return null;
    const after = RETURNS_TWICE.has(nr) ? null : planAfter(code, at);
    return after ?? planBefore(code, at, nr);
  }

  suits(plan: PatchPlan, callAddr: number, slotAddr: number): boolean {
    const rel = slotAddr - (callAddr + plan.start + 5);
    if (rel > REACH || rel < -REACH) return false;
    return plan.after === 0 || INVALID.has((rel >> 8) & 255);
  }

  writeSlot(
    plan: PatchPlan,
    code: Uint8Array,
    at: number,
    callAddr: number,
    slotAddr: number,
    out: Uint8Array,
    off: number,
  ): void {
    out.fill(PAD, off, off + SLOT_SIZE);
    out.set(code.subarray(at + plan.start, at), off);
    let pos = off - plan.start;
    out.set(CHECK_GS, pos);
    pos += CHECK_GS.length;
    const cont = off + plan.cont;
    out.set([0xe3, 4, 0x0f, 0x05, 0xeb, cont - (pos + 6)], pos);
    pos += 6;
    out.set([0x48, 0x8d, 0x0d], pos);
    putRel32(out, pos + 3, cont - (pos + 7));
    pos += 7;
    out.set([0xff, 0x25], pos);
    putRel32(out, pos + 2, 0);
    putAddress(out, pos + 6, this.#entry);
    putAddress(out, pos + 14, callAddr + 2);
    out.set(code.subarray(at + 2, at + 2 + plan.after), cont);
    const jump = cont + plan.after;
    out[jump] = 0xe9;
    putRel32(out, jump + 1, callAddr + 2 + plan.after - (slotAddr + (jump - off) + 5));
  }

  writeJump(plan: PatchPlan, code: Uint8Array, at: number, callAddr: number, slotAddr: number): void {
    const start = at + plan.start;
    code.fill(PAD, start + 5, start + plan.length);
    code[start] = 0xe9;
    putRel32(code, start + 1, slotAddr - (callAddr + plan.start + 5));
  }
}
