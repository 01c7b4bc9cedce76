/** The system call table of Linux/amd64. */
import type { Handler } from "./dispatch.ts";

/** One row. */
export interface SyscallRow {
  readonly nr: number;
  readonly name: string;
  readonly handler: Handler | null;
  readonly support: "full" | "partial" | "none";
  readonly note: string;
  /** Argument kinds for strace. */
  readonly args: string;
}
