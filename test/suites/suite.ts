/** What a suite is: cases, each a command whose results are compared test by test with those of its native run. */
import type { Outcome } from "../harness/process.ts";

/** Results by test name: a word that must be the same natively and in the sandbox ("ok", "fail", "skip", ...). */
export type Results = Map<string, string>;

/** One command. */
export interface Case {
  readonly name: string;
  /** The command, run in a fresh directory of the case's own; a function may fetch first what it needs. */
  readonly command: readonly string[] | (() => readonly string[]);
  /** Seconds, natively; the sandbox gets twice that. */
  readonly timeout: number;
  /** What it printed, as results; left out, its exit status and standard output are one result. */
  readonly parse?: (outcome: Outcome) => Results;
  /** Part of the cross-section that `npm test` runs. */
  readonly isQuick?: boolean;
  /** Makes what the command needs in its directory. */
  readonly prepare?: (cwd: string) => void;
  /** Further words for `tsvisor do`. */
  readonly doFlags?: readonly string[];
  /** What the native run would give, for a command that the machine itself must not run. */
  readonly assumed?: Results;
  /** What is wrong with the native results, if they measure nothing at all. */
  readonly complaint?: (native: Results) => string | undefined;
  /** Native results that need no counterpart: what does not work outside is no measure. Default: none. */
  readonly isIgnored?: (status: string) => boolean;
}

/** A family of cases. */
export interface Suite {
  readonly name: string;
  /** One line for the report. */
  readonly title: string;
  /** Debian packages that must be installed. */
  readonly packages: readonly string[];
  /** Some of the cases are `isQuick`. */
  readonly hasQuick?: boolean;
  /** The cases; called after the packages are there. */
  cases(): readonly Case[];
}
