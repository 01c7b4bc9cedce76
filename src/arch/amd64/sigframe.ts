/**
 * The guest's signal frame on amd64: `struct rt_sigframe` as Linux lays it out (sigreturn(2), <asm/ucontext.h>,
 * <asm/sigcontext.h>), for delivering a signal and for rt_sigreturn.
 *
 *     frame + 0     pretcode: return address of the handler (SA_RESTORER's function)
 *     frame + 8     struct ucontext, 304 bytes
 *     frame + 312   siginfo_t, 128 bytes
 *     ...           (frame is 8 modulo 16, as after a call)
 *     fp            XSAVE image, 64-byte aligned, fpSize bytes, then FP_XSTATE_MAGIC2 (4 bytes)
 *
 * When the handler returns, pretcode is popped: at the rt_sigreturn call rsp is frame + 8, the ucontext's address.
 */
import {
  R_CS,
  R_EFLAGS,
  R_ORIG_RAX,
  R_R10,
  R_R11,
  R_R12,
  R_R13,
  R_R14,
  R_R15,
  R_R8,
  R_R9,
  R_RAX,
  R_RBP,
  R_RBX,
  R_RCX,
  R_RDI,
  R_RDX,
  R_RIP,
  R_RSI,
  R_RSP,
  R_SS,
} from "./registers.ts";
import { WIDE } from "../../base/wide.ts";

/** Bytes of the frame without the FP state. */
export const SIGFRAME_SIZE = 440;
/** Offsets of the frame's parts. */
export const SIGFRAME_PRETCODE = 0;
export const SIGFRAME_UC = 8;
export const SIGFRAME_INFO = 312;
/** Bytes of siginfo_t. */
export const SIGINFO_SIZE = 128;
/** Bytes of the ucontext that {@link parseUcontext} needs. */
export const UCONTEXT_SIZE = 304;

/** Offsets in struct ucontext. */
export const UC_FLAGS = 0;
export const UC_LINK = 8;
export const UC_STACK = 16; // ss_sp, ss_flags (4 + 4 pad), ss_size
export const UC_MCONTEXT = 40; // 23 registers, fpstate, 8 reserved words
export const UC_FPSTATE = 224;
export const UC_SIGMASK = 296;

/** uc_flags: FP state is in XSAVE format; ss is saved; ss is restored as saved. */
export const UC_FP_XSTATE = 1;
export const UC_SIGCONTEXT_SS = 2;
export const UC_STRICT_RESTORE_SS = 4;

/** The red zone below rsp, which leaf functions use without moving rsp. */
export const RED_ZONE = 128;

/** Software bytes in the legacy part of an XSAVE image, and the markers around it. */
export const FP_SW_BYTES = 464;
export const FP_XSTATE_MAGIC1 = 0x46505853;
export const FP_XSTATE_MAGIC2 = 0x46505845;
export const FP_XSTATE_MAGIC2_SIZE = 4;
/** Bytes of the FXSAVE part, and where the XSAVE header lies. */
export const FP_LEGACY_SIZE = 512;
export const FP_HEADER = 512;
export const FP_HEADER_SIZE = 64;

/** Selectors of 64-bit user code and stack. */
export const USER_CS = 0x33;
export const USER_SS = 0x2b;

/** eflags bits. */
export const EFLAGS_TF = 0x100;
export const EFLAGS_DF = 0x400;
export const EFLAGS_RF = 0x10000;
/** Bits that sigreturn lets the program change: AC OF DF TF SF ZF AF PF CF RF (Linux's FIX_EFLAGS). */
export const EFLAGS_FIX = 0x50dd5;

const TWO32 = 4294967296;

/** Register file index of each of r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags, sigcontext's order. */
const SIGCONTEXT_REGS: readonly number[] = [
  R_R8,
  R_R9,
  R_R10,
  R_R11,
  R_R12,
  R_R13,
  R_R14,
  R_R15,
  R_RDI,
  R_RSI,
  R_RBP,
  R_RBX,
  R_RDX,
  R_RAX,
  R_RCX,
  R_RSP,
  R_RIP,
  R_EFLAGS,
];

const SC_SEGMENTS = UC_MCONTEXT + 144; // cs gs fs ss, 16 bits each
const SC_ERR = UC_MCONTEXT + 152;
const SC_TRAPNO = UC_MCONTEXT + 160;
const SC_OLDMASK = UC_MCONTEXT + 168;
const SC_CR2 = UC_MCONTEXT + 176;

/** What the frame holds besides registers, siginfo and FP state. All fields are plain numbers; 64-bit sets are lo/hi. */
export class SigframeFields {
  /** Build only: the handler's return address (sa_restorer). */
  restorer: number = WIDE;
  /** Address of the FP state, 0 for none. */
  fpState: number = WIDE;
  /** The signal mask that rt_sigreturn puts back. */
  maskLo = 0;
  maskHi = 0;
  /** The alternate stack (sigaltstack(2)) as it is at delivery. */
  stackSp: number = WIDE;
  stackFlags = 0;
  stackSize: number = WIDE;
  /** Of the fault that the signal reports (or the last one): page-fault error code, trap number, faulting address. */
  err = 0;
  trapno = 0;
  cr2Lo = 0;
  cr2Hi = 0;
}

/**
 * Where the FP state goes, for a stack pointer that is free below (rsp - RED_ZONE, or the top of the alternate stack).
 * `fpSize`: the platform's fpStateSize.
 */
export function sigframeFpAddress(sp: number, fpSize: number): number {
  const top = sp - fpSize - FP_XSTATE_MAGIC2_SIZE;
  return top - (top & 63);
}

/** Where the frame goes, below the FP state at this address. This is the handler's rsp. */
export function sigframeAddress(fpAddress: number): number {
  const top = fpAddress - SIGFRAME_SIZE;
  return top - (top & 15) - 8;
}

function put64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO32), true);
}

/** An unsigned 64-bit field; exact below 2^53. */
function get64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO32 + view.getUint32(at, true);
}

/**
 * Writes SIGFRAME_SIZE bytes at view offset `at`. `regs`/`base`: the interrupted context's registers in the platform's
 * register file. `info`/`infoOff`: SIGINFO_SIZE bytes of siginfo_t.
 */
export function buildSigframe(
  view: DataView,
  at: number,
  regs: Uint32Array,
  base: number,
  fields: SigframeFields,
  info: Uint8Array,
  infoOff: number,
): void {
  put64(view, at + SIGFRAME_PRETCODE, fields.restorer);
  const uc = at + SIGFRAME_UC;
  put64(view, uc + UC_FLAGS, UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS);
  put64(view, uc + UC_LINK, 0);
  put64(view, uc + UC_STACK, fields.stackSp);
  view.setUint32(uc + UC_STACK + 8, fields.stackFlags, true);
  view.setUint32(uc + UC_STACK + 12, 0, true);
  put64(view, uc + UC_STACK + 16, fields.stackSize);
  for (let i = 0; i < SIGCONTEXT_REGS.length; i++) {
    const r = base + SIGCONTEXT_REGS[i]!;
    view.setUint32(uc + UC_MCONTEXT + 8 * i, regs[r]!, true);
    view.setUint32(uc + UC_MCONTEXT + 8 * i + 4, regs[r + 1]!, true);
  }
  view.setUint32(uc + SC_SEGMENTS, USER_CS, true); // cs, gs
  view.setUint32(uc + SC_SEGMENTS + 4, USER_SS * 65536, true); // fs, ss
  put64(view, uc + SC_ERR, fields.err);
  put64(view, uc + SC_TRAPNO, fields.trapno);
  view.setUint32(uc + SC_OLDMASK, fields.maskLo, true);
  view.setUint32(uc + SC_OLDMASK + 4, fields.maskHi, true);
  view.setUint32(uc + SC_CR2, fields.cr2Lo, true);
  view.setUint32(uc + SC_CR2 + 4, fields.cr2Hi, true);
  put64(view, uc + UC_FPSTATE, fields.fpState);
  for (let i = 0; i < 8; i++) put64(view, uc + UC_FPSTATE + 8 + 8 * i, 0);
  view.setUint32(uc + UC_SIGMASK, fields.maskLo, true);
  view.setUint32(uc + UC_SIGMASK + 4, fields.maskHi, true);
  for (let i = 0; i < SIGINFO_SIZE; i++) view.setUint8(at + SIGFRAME_INFO + i, info[infoOff + i]!);
}

/**
 * Sets the registers as a handler starts with: rdi = signal number, rsi = siginfo, rdx = ucontext, rax = 0,
 * rsp = frame, rip = handler; direction, trap and resume flags clear.
 */
export function enterHandler(
  regs: Uint32Array,
  base: number,
  handler: number,
  frameAddress: number,
  signo: number,
): void {
  const set = (r: number, value: number): void => {
    regs[base + r] = value;
    regs[base + r + 1] = Math.floor(value / TWO32);
  };
  set(R_RDI, signo);
  set(R_RSI, frameAddress + SIGFRAME_INFO);
  set(R_RDX, frameAddress + SIGFRAME_UC);
  set(R_RAX, 0);
  set(R_RSP, frameAddress);
  set(R_RIP, handler);
  regs[base + R_EFLAGS] = regs[base + R_EFLAGS]! & ~(EFLAGS_DF | EFLAGS_TF | EFLAGS_RF);
  regs[base + R_ORIG_RAX] = 0xffffffff;
  regs[base + R_ORIG_RAX + 1] = 0xffffffff;
}

/**
 * rt_sigreturn: reads UCONTEXT_SIZE bytes (the caller's private copy of what lies at the guest's rsp) at view offset `at`
 * into the register file and `fields`. Flags that user code may not change keep their value, segment selectors are forced
 * to the user's, orig_rax becomes -1 (no restart). fs_base and gs_base are not part of a frame and stay.
 */
export function parseUcontext(
  view: DataView,
  at: number,
  regs: Uint32Array,
  base: number,
  fields: SigframeFields,
): void {
  const oldFlags = regs[base + R_EFLAGS]!;
  for (let i = 0; i < SIGCONTEXT_REGS.length; i++) {
    const r = base + SIGCONTEXT_REGS[i]!;
    regs[r] = view.getUint32(at + UC_MCONTEXT + 8 * i, true);
    regs[r + 1] = view.getUint32(at + UC_MCONTEXT + 8 * i + 4, true);
  }
  regs[base + R_EFLAGS] = (regs[base + R_EFLAGS]! & EFLAGS_FIX) | (oldFlags & ~EFLAGS_FIX);
  regs[base + R_EFLAGS + 1] = 0;
  regs[base + R_CS] = USER_CS;
  regs[base + R_SS] = USER_SS;
  regs[base + R_ORIG_RAX] = 0xffffffff;
  regs[base + R_ORIG_RAX + 1] = 0xffffffff;
  fields.fpState = get64(view, at + UC_FPSTATE);
  fields.maskLo = view.getUint32(at + UC_SIGMASK, true);
  fields.maskHi = view.getUint32(at + UC_SIGMASK + 4, true);
  fields.stackSp = get64(view, at + UC_STACK);
  fields.stackFlags = view.getUint32(at + UC_STACK + 8, true);
  fields.stackSize = get64(view, at + UC_STACK + 16);
}

/**
 * Makes an image that Platform.getFpState gave (fpSize bytes at `at`) fit for a frame: software bytes in the legacy part are
 * there already; this appends FP_XSTATE_MAGIC2. The frame needs fpSize + FP_XSTATE_MAGIC2_SIZE bytes.
 */
export function finishFpState(view: DataView, at: number, fpSize: number): void {
  view.setUint32(at + fpSize, FP_XSTATE_MAGIC2, true);
}

/**
 * rt_sigreturn: how many bytes of FP state lie in a frame, from a private copy of its first FP_LEGACY_SIZE bytes:
 * `fpSize` (plus the trailing magic, to be checked by {@link acceptFpState}), or FP_LEGACY_SIZE when the program made a plain
 * FXSAVE image.
 */
export function fpStateBytes(view: DataView, at: number, fpSize: number): number {
  const sw = at + FP_SW_BYTES;
  if (
    view.getUint32(sw, true) !== FP_XSTATE_MAGIC1 ||
    view.getUint32(sw + 4, true) !== fpSize + FP_XSTATE_MAGIC2_SIZE ||
    view.getUint32(sw + 16, true) !== fpSize
  ) {
    return FP_LEGACY_SIZE;
  }
  return fpSize;
}

/**
 * Turns a private copy of a frame's FP state into an image for Platform.setFpState (which checks it further and refuses
 * what the processor would). `size`: what {@link fpStateBytes} gave; the view holds fpSize + FP_XSTATE_MAGIC2_SIZE bytes.
 * An image without its second magic, or a legacy one, sets x87 and SSE state and puts the rest in its initial state, as Linux does.
 */
export function acceptFpState(view: DataView, at: number, fpSize: number, size: number): void {
  if (size === fpSize && view.getUint32(at + fpSize, true) === FP_XSTATE_MAGIC2) {
    // Only components that the program's own mask names count.
    const lo = view.getUint32(at + FP_SW_BYTES + 8, true);
    const hi = view.getUint32(at + FP_SW_BYTES + 12, true);
    view.setUint32(at + FP_HEADER, view.getUint32(at + FP_HEADER, true) & lo, true);
    view.setUint32(at + FP_HEADER + 4, view.getUint32(at + FP_HEADER + 4, true) & hi, true);
    return;
  }
  for (let i = FP_HEADER; i < fpSize; i++) view.setUint8(at + i, 0);
  view.setUint32(at + FP_HEADER, 3, true);
}
