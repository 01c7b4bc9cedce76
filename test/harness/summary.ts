/** Counts passed and failed tests of a suite, and hands them to whoever runs all suites. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** What one suite counted. */
export interface Count {
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Says a suite's result: one line on stdout, and a record in the file that TSVISOR_SUMMARY names (when it is set).
 * Call it exactly once for each suite, at its end; set the exit status from `failed` as well.
 */
export function reportCount(count: Count): void {
  console.log(`${count.suite}: ${countText(count)}`);
  const file = process.env.TSVISOR_SUMMARY;
  if (file) appendFileSync(file, `${JSON.stringify(count)}\n`);
}

/** "N passed, N failed", with ", N skipped" when there are such. */
export function countText(count: Omit<Count, "suite">): string {
  const text = `${count.passed} passed, ${count.failed} failed`;
  return count.skipped > 0 ? `${text}, ${count.skipped} skipped` : text;
}

/** Reads the records that suites have written. */
export function readCounts(file: string): Count[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Count);
}
