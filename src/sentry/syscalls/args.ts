/**
 * Arguments of the system call at hand, read from the register file: one object for the whole kernel, bound to the
 * context of the task whose attempt runs. Everything is hostile; these accessors only convert.
 */
import { SYSCALL_ARG_REGS } from "../../arch/amd64/registers.ts";
import { WIDE } from "../../base/wide.ts";

const TWO32 = 4294967296;

/** `n` is the argument's number, 0-5. */
export class SyscallArgs {
  words: Uint32Array = new Uint32Array(0);
  base: number = WIDE;

  bind(words: Uint32Array, base: number): void {
    this.words = words;
    this.base = base;
  }

  /** Low 32 bits, signed: int arguments, fds, flags. */
  i32(n: number): number {
    return this.words[this.base + SYSCALL_ARG_REGS[n]!]! | 0;
  }

  /** Low 32 bits, unsigned. */
  u32(n: number): number {
    return this.words[this.base + SYSCALL_ARG_REGS[n]!]!;
  }

  /** 64 bits, unsigned, as a number: rounded above 2^53, where no address or size is valid anyway. */
  ptr(n: number): number {
    const i = this.base + SYSCALL_ARG_REGS[n]!;
    return this.words[i + 1]! * TWO32 + this.words[i]!;
  }

  /** The same, for size_t arguments. */
  size(n: number): number {
    return this.ptr(n);
  }

  /** 64 bits, signed (loff_t, long): exact within +-2^53. */
  i64(n: number): number {
    const i = this.base + SYSCALL_ARG_REGS[n]!;
    return (this.words[i + 1]! | 0) * TWO32 + this.words[i]!;
  }

  /** Low word, unsigned. */
  lo(n: number): number {
    return this.words[this.base + SYSCALL_ARG_REGS[n]!]!;
  }

  /** High word, unsigned. */
  hi(n: number): number {
    return this.words[this.base + SYSCALL_ARG_REGS[n]! + 1]!;
  }
}
