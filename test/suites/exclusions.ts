/** Reads exclusions.txt: tests that cannot give the same result in the sandbox, each with the reason. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One line of the file. */
export interface Exclusion {
  readonly suite: string;
  /** Matches the whole name of a test. */
  readonly pattern: RegExp;
  readonly text: string;
  readonly reason: string;
  /** Tests that it took out, counted by the runner. */
  used: number;
}

/** Parses "SUITE PATTERN # REASON" lines; `*` in a pattern stands for anything. Throws Error on a line without a reason. */
export function parseExclusions(text: string): Exclusion[] {
  const found: Exclusion[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^(\S+)\s+(.+?)\s+#\s+(.+)$/.exec(line);
    if (match === null) throw new Error(`exclusions.txt:${index + 1}: not "SUITE PATTERN # REASON"`);
    const [, suite, pattern, reason] = match as unknown as [string, string, string, string];
    const source = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    found.push({ suite, pattern: new RegExp(`^${source}$`), text: pattern, reason, used: 0 });
  }
  return found;
}

/** The exclusions of all suites. */
export function loadExclusions(): Exclusion[] {
  return parseExclusions(readFileSync(join(import.meta.dirname, "exclusions.txt"), "utf8"));
}
