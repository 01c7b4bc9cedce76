/** A node:test reporter that hands the totals of the unit tests to summary.ts's file. */
import type { TestEvent } from "node:test/reporters";
import type { Count } from "./summary.ts";

/** Yields one record when the whole run ends. */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    // Each file has a summary of its own; the one without a file is the run's.
    if (event.type !== "test:summary" || event.data.file !== undefined) continue;
    const { counts } = event.data;
    const failed = counts.tests - counts.passed - counts.skipped - counts.todo;
    const count: Count = { suite: "unit tests", passed: counts.passed, failed, skipped: counts.skipped + counts.todo };
    yield `${JSON.stringify(count)}\n`;
  }
}
