/** What a command of the command line is. */
import type { FlagSpec, FlagValues } from "./flags.ts";

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Words behind the command's name in the usage line. */
  readonly usage: string;
  readonly flags: readonly FlagSpec[];
  /** More help, shown under the flags. */
  readonly details?: string;
  /** Runs the command with its positional words; returns the exit status. */
  run(flags: FlagValues, args: readonly string[]): number;
}
