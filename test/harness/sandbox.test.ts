import assert from "node:assert/strict";
import { test } from "node:test";
import { forEachParallel, parseSuiteOptions, platforms } from "./sandbox.ts";
import { countText } from "./summary.ts";

test("parseSuiteOptions() covers every platform unless told", () => {
  assert.deepEqual(parseSuiteOptions([]).platforms, platforms);
  const options = parseSuiteOptions(["--platform=ptrace", "--jobs=1", "--do=--strace", "--verbose", "futex", "mmap"]);
  assert.deepEqual(options.platforms, ["ptrace"]);
  assert.equal(options.jobs, 1);
  assert.deepEqual(options.doFlags, ["--strace"]);
  assert.equal(options.isVerbose, true);
  assert.deepEqual(options.names, ["futex", "mmap"]);
});

test("parseSuiteOptions() refuses what it does not know", () => {
  assert.throws(() => parseSuiteOptions(["--plattform=ptrace"]), /unknown option/);
  assert.throws(() => parseSuiteOptions(["--jobs=0"]), /unknown option/);
});

test("forEachParallel() does every item, never more than the given number at once", async () => {
  let now = 0;
  let most = 0;
  const done: number[] = [];
  await forEachParallel([5, 1, 3, 1, 2], 2, async (ms) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, ms));
    now--;
    done.push(ms);
  });
  assert.equal(most, 2);
  assert.equal(done.length, 5);
});

test("countText() tells of skipped ones only when there are any", () => {
  assert.equal(countText({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assert.equal(countText({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});
