/** What a family of system calls tells the table about each of its calls. */
import type { Handler } from "./dispatch.ts";

/** One call. The table adds the number. */
export interface SyscallEntry {
  readonly name: string;
  readonly handler: Handler;
  readonly support: "full" | "partial";
  /** What is missing or different; "" when nothing is. */
  readonly note: string;
}

/** A call that behaves as its man page says. */
export function full(name: string, handler: Handler): SyscallEntry {
  return { name, handler, support: "full", note: "" };
}

/** A call with a gap, described by `note`. */
export function partial(name: string, handler: Handler, note: string): SyscallEntry {
  return { name, handler, support: "partial", note };
}
