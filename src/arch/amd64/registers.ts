/**
 * The amd64 register file as the Sentry sees it: `struct user_regs_struct` of <sys/user.h>, 27 fields
 * of 8 bytes, each as two unsigned 32-bit words (little-endian lo, hi). A register number R_x below
 * is the index of its low word relative to the context's base word.
 */
export const R_R15 = 0;
export const R_R14 = 2;
export const R_R13 = 4;
export const R_R12 = 6;
export const R_RBP = 8;
export const R_RBX = 10;
export const R_R11 = 12;
export const R_R10 = 14;
export const R_R9 = 16;
export const R_R8 = 18;
export const R_RAX = 20;
export const R_RCX = 22;
export const R_RDX = 24;
export const R_RSI = 26;
export const R_RDI = 28;
export const R_ORIG_RAX = 30;
export const R_RIP = 32;
export const R_CS = 34;
export const R_EFLAGS = 36;
export const R_RSP = 38;
export const R_SS = 40;
export const R_FS_BASE = 42;
export const R_GS_BASE = 44;
export const R_DS = 46;
export const R_ES = 48;
export const R_FS = 50;
export const R_GS = 52;
/** Words in the register part of a context's slot. */
export const REGS_WORDS = 54;

/** Low-word index of system call argument n (0-5): rdi rsi rdx r10 r8 r9. */
export const SYSCALL_ARG_REGS: readonly number[] = [R_RDI, R_RSI, R_RDX, R_R10, R_R8, R_R9];

const TWO32 = 4294967296;

/**
 * The 64-bit register at word index `i` as an unsigned number. Exact below 2^53; above, rounded (such a value is no
 * valid user address or size, so every range check refuses it).
 */
export function regU64(words: Uint32Array, i: number): number {
  return words[i + 1]! * TWO32 + words[i]!;
}

/** The 64-bit register as a signed number (two's complement); exact within +-2^53. */
export function regI64(words: Uint32Array, i: number): number {
  return (words[i + 1]! | 0) * TWO32 + words[i]!;
}

/** Stores a number (integer within +-2^53) as a 64-bit two's complement register. */
export function setReg(words: Uint32Array, i: number, value: number): void {
  words[i] = value; // ToUint32 keeps the low 32 bits, also of negative numbers
  words[i + 1] = Math.floor(value / TWO32);
}
