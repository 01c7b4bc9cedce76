/**
 * Classic BPF programs for seccomp(2): an assembler with labels, and allow lists of system calls compiled to it.
 *
 * An allow list is data that a reader can judge: each entry names the call, which arguments it may have, and the reason
 * why the process needs it. Instruction format: linux/filter.h; input: struct seccomp_data of linux/seccomp.h.
 */

import { syscallNumber } from "../abi/syscall-nr.ts";

/** What a filter answers, SECCOMP_RET_* of linux/seccomp.h. */
export const RET_KILL_PROCESS = 0x80000000;
export const RET_KILL_THREAD = 0;
export const RET_TRAP = 0x00030000;
/** Plus the errno. */
export const RET_ERRNO = 0x00050000;
export const RET_USER_NOTIF = 0x7fc00000;
export const RET_TRACE = 0x7ff00000;
export const RET_LOG = 0x7ffc0000;
export const RET_ALLOW = 0x7fff0000;

/** AUDIT_ARCH_X86_64. */
export const ARCH_X86_64 = 0xc000003e;
/** Numbers from here on are calls of the x32 ABI (__X32_SYSCALL_BIT), on the same architecture value. */
export const X32_BIT = 0x40000000;

/** Offsets in struct seccomp_data. */
export const DATA_NR = 0;
export const DATA_ARCH = 4;
/** Argument i is at DATA_ARGS + 8 * i, low half first. */
export const DATA_ARGS = 16;

// Instruction codes of linux/bpf_common.h.
export const LD_W_ABS = 0x20;
export const JMP_JA = 0x05;
export const JMP_JEQ_K = 0x15;
export const JMP_JGT_K = 0x25;
export const JMP_JGE_K = 0x35;
export const JMP_JSET_K = 0x45;
export const ALU_AND_K = 0x54;
export const RET_K = 0x06;

/** Most instructions in a program (BPF_MAXINSNS). */
export const MAX_INSTRUCTIONS = 4096;
/** Bytes of a struct sock_filter. */
export const INSTRUCTION_LEN = 8;

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Labels; "" falls through to the next instruction. */
  readonly whenTrue: string;
  readonly whenFalse: string;
}

/** Collects instructions and labels; {@link assemble} resolves them. Jumps go forward only, as the kernel demands. */
export class BpfAssembler {
  readonly #code: Instruction[] = [];
  readonly #labels: Map<string, number> = new Map();
  #fresh = 0;

  /** A label that nobody else has. */
  newLabel(): string {
    this.#fresh++;
    return `.${this.#fresh}`;
  }

  /** The next instruction is called `name`. */
  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`label ${name} is defined twice`);
    this.#labels.set(name, this.#code.length);
  }

  /** Loads the 32-bit word at `offset` of the input. */
  load(offset: number): void {
    this.#code.push({ code: LD_W_ABS, k: offset, whenTrue: "", whenFalse: "" });
  }

  /** accumulator &= mask. */
  and(mask: number): void {
    this.#code.push({ code: ALU_AND_K, k: mask, whenTrue: "", whenFalse: "" });
  }

  /** Compares the accumulator with `k` (JMP_J*_K) and goes on at one of the labels; "" is the next instruction. */
  jump(code: number, k: number, whenTrue: string, whenFalse: string): void {
    this.#code.push({ code, k, whenTrue, whenFalse });
  }

  /** Goes on at the label, which may be any distance away. */
  goto(name: string): void {
    this.#code.push({ code: JMP_JA, k: 0, whenTrue: name, whenFalse: "" });
  }

  ret(action: number): void {
    this.#code.push({ code: RET_K, k: action, whenTrue: "", whenFalse: "" });
  }

  #distance(from: number, name: string, max: number): number {
    if (name === "") return 0;
    const target = this.#labels.get(name);
    if (target === undefined) throw new Error(`label ${name} is not defined`);
    const distance = target - from - 1;
    if (distance < 0) throw new Error(`jump back to ${name}`);
    if (distance > max) throw new Error(`label ${name} is ${distance} instructions away, more than ${max}`);
    return distance;
  }

  /** The program as an array of struct sock_filter. Throws on a missing or too distant label, or a program too long. */
  assemble(): Uint8Array {
    const count = this.#code.length;
    if (count === 0 || count > MAX_INSTRUCTIONS) throw new Error(`a filter of ${count} instructions`);
    const bytes = new Uint8Array(count * INSTRUCTION_LEN);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) {
      const { code, k, whenTrue, whenFalse } = this.#code[i]!;
      const isGoto = code === JMP_JA;
      const at = i * INSTRUCTION_LEN;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, isGoto ? 0 : this.#distance(i, whenTrue, 255));
      view.setUint8(at + 3, isGoto ? 0 : this.#distance(i, whenFalse, 255));
      view.setUint32(at + 4, isGoto ? this.#distance(i, whenTrue, MAX_INSTRUCTIONS) : k, true);
    }
    return bytes;
  }
}

/**
 * One condition on an argument. All comparisons are unsigned. `bits32` looks at the low half only: for arguments that the
 * kernel takes as `int`, whose high half user code may leave as it likes.
 */
export interface ArgCheck {
  /** 0 to 5. */
  readonly arg: number;
  /** masked: (argument & mask) === value. */
  readonly is: "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "masked";
  /** A non-negative i53 number; with `bits32`, also a negative int32. */
  readonly value: number;
  /** For masked: a non-negative i53 number; bits above 2^53 are not looked at. */
  readonly mask?: number;
  readonly bits32?: boolean;
}

/** One allowed system call. */
export interface AllowedCall {
  /** Name, as in syscalls(2). */
  readonly call: string;
  /** Why the process needs it. */
  readonly reason: string;
  /** Allowed when all checks of at least one list hold; absent: always. */
  readonly when?: readonly (readonly ArgCheck[])[];
  /** What such a call gets; absent: RET_ALLOW. */
  readonly action?: number;
}

/** A whole filter. */
export interface FilterSpec {
  /** In the order in which they are tried: the frequent ones first. */
  readonly calls: readonly AllowedCall[];
  /** What every other call gets. */
  readonly otherwise: number;
  /** What a call of another ABI (i386, x32) gets. */
  readonly wrongArch: number;
}

function halves(value: number): [number, number] {
  return [value >>> 0, Math.floor(value / 0x100000000) >>> 0];
}

/** Falls through when the check holds, else goes on at `fail`. */
function emitCheck(asm: BpfAssembler, check: ArgCheck, fail: string): void {
  const { arg, is, bits32 = false, value, mask = 0 } = check;
  if (!Number.isInteger(arg) || arg < 0 || arg > 5) throw new Error(`argument ${arg}`);
  if (!Number.isSafeInteger(value) || (value < 0 && !bits32)) throw new Error(`value ${value}`);
  if (!Number.isSafeInteger(mask) || mask < 0) throw new Error(`mask ${mask}`);
  const low = DATA_ARGS + 8 * arg;
  const [lo, hi] = halves(value);
  const ok = asm.newLabel();
  if (is === "masked") {
    const [maskLo, maskHi] = halves(mask);
    if (!bits32 && maskHi !== 0) {
      asm.load(low + 4);
      asm.and(maskHi);
      asm.jump(JMP_JEQ_K, hi, "", fail);
    }
    asm.load(low);
    asm.and(maskLo);
    asm.jump(JMP_JEQ_K, lo, "", fail);
    return;
  }
  // The high halves decide unless they are equal.
  if (!bits32) {
    asm.load(low + 4);
    if (is === "eq") {
      asm.jump(JMP_JEQ_K, hi, "", fail);
    } else if (is === "ne") {
      asm.jump(JMP_JEQ_K, hi, "", ok);
    } else {
      const above = is === "gt" || is === "ge";
      asm.jump(JMP_JGT_K, hi, above ? ok : fail, "");
      asm.jump(JMP_JEQ_K, hi, "", above ? fail : ok);
    }
  }
  asm.load(low);
  if (is === "eq") asm.jump(JMP_JEQ_K, lo, "", fail);
  else if (is === "ne") asm.jump(JMP_JEQ_K, lo, fail, "");
  else if (is === "gt") asm.jump(JMP_JGT_K, lo, "", fail);
  else if (is === "ge") asm.jump(JMP_JGE_K, lo, "", fail);
  else if (is === "lt") asm.jump(JMP_JGE_K, lo, fail, "");
  else asm.jump(JMP_JGT_K, lo, fail, "");
  asm.label(ok);
}

function emitCall(asm: BpfAssembler, nr: number, call: AllowedCall, otherwise: number): void {
  const next = asm.newLabel();
  const action = call.action ?? RET_ALLOW;
  asm.jump(JMP_JEQ_K, nr, "", next);
  if (call.when === undefined) {
    asm.ret(action);
  } else {
    // The accumulator is overwritten by the checks, but this block returns in any case.
    for (const checks of call.when) {
      const fail = asm.newLabel();
      for (const check of checks) emitCheck(asm, check, fail);
      asm.ret(action);
      asm.label(fail);
    }
    asm.ret(otherwise);
  }
  asm.label(next);
}

/** Compiles an allow list. Throws when a call is listed twice, has no reason, or the program becomes too long. */
export function compileFilter(spec: FilterSpec): Uint8Array {
  const asm = new BpfAssembler();
  const wrong = "wrong-arch";
  const start = "start";
  asm.load(DATA_ARCH);
  asm.jump(JMP_JEQ_K, ARCH_X86_64, "", wrong);
  asm.load(DATA_NR);
  asm.jump(JMP_JGE_K, X32_BIT, wrong, start);
  asm.label(wrong);
  asm.ret(spec.wrongArch);
  asm.label(start);
  const seen = new Set<number>();
  for (const call of spec.calls) {
    const nr = syscallNumber(call.call);
    if (nr < 0) throw new Error(`${call.call} is no system call`);
    if (seen.has(nr)) throw new Error(`${call.call} is listed twice`);
    if (call.reason === "") throw new Error(`${call.call} has no reason`);
    seen.add(nr);
    emitCall(asm, nr, call, spec.otherwise);
  }
  asm.ret(spec.otherwise);
  return asm.assemble();
}

/** What a filter is asked about: struct seccomp_data without the instruction pointer. Arguments are below 2^53. */
export interface SyscallData {
  readonly nr: number;
  readonly arch: number;
  readonly args: readonly number[];
}

/** What the program answers to a call: for tests and for tools that explain a filter. */
export function evaluateFilter(program: Uint8Array, data: SyscallData): number {
  const input = new DataView(new ArrayBuffer(64));
  input.setUint32(DATA_NR, data.nr, true);
  input.setUint32(DATA_ARCH, data.arch, true);
  for (let i = 0; i < data.args.length; i++) {
    const [lo, hi] = halves(data.args[i]!);
    input.setUint32(DATA_ARGS + 8 * i, lo, true);
    input.setUint32(DATA_ARGS + 8 * i + 4, hi, true);
  }
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  let accumulator = 0;
  for (let pc = 0; pc * INSTRUCTION_LEN < program.length; pc++) {
    const at = pc * INSTRUCTION_LEN;
    const code = view.getUint16(at, true);
    const k = view.getUint32(at + 4, true);
    let isTrue = false;
    if (code === LD_W_ABS) accumulator = input.getUint32(k, true);
    else if (code === ALU_AND_K) accumulator = (accumulator & k) >>> 0;
    else if (code === RET_K) return k;
    else if (code === JMP_JA) pc += k;
    else {
      if (code === JMP_JEQ_K) isTrue = accumulator === k;
      else if (code === JMP_JGT_K) isTrue = accumulator > k;
      else if (code === JMP_JGE_K) isTrue = accumulator >= k;
      else if (code === JMP_JSET_K) isTrue = (accumulator & k) !== 0;
      else throw new Error(`instruction ${pc}: code ${code}`);
      pc += view.getUint8(at + (isTrue ? 2 : 3));
    }
  }
  throw new Error("the program does not return");
}
