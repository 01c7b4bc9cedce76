import assert from "node:assert/strict";
import { test } from "node:test";
import { usageText } from "../../tools/options.ts";
import { forEachParallel, parseSuiteOptions, platforms, suiteUsage } from "./sandbox.ts";
import { countText } from "./summary.ts";

const usage = suiteUsage(
  "npm run test:x",
  "Tests x.",
  ["NAME", "a part of a name"],
  [{ name: "--quick", help: "less" }],
);

test("parseSuiteOptions() covers every platform unless told", () => {
  assert.deepEqual(parseSuiteOptions(usage, []).platforms, platforms);
  const options = parseSuiteOptions(usage, [
    "--platform=ptrace",
    "--jobs=1",
    "--do=--strace",
    "--verbose",
    "futex",
    "mmap",
  ]);
  assert.deepEqual(options.platforms, ["ptrace"]);
  assert.equal(options.jobs, 1);
  assert.deepEqual(options.doFlags, ["--strace"]);
  assert.equal(options.isVerbose, true);
  assert.deepEqual(options.names, ["futex", "mmap"]);
});

test("parseSuiteOptions() refuses what it does not know", () => {
  assert.throws(() => parseSuiteOptions(usage, ["--plattform=ptrace"]), /unknown option/);
  assert.throws(() => parseSuiteOptions(usage, ["-v"]), /unknown option/);
  assert.throws(() => parseSuiteOptions(usage, ["--jobs=0"]), /--jobs=N is needed/);
  assert.throws(() => parseSuiteOptions(usage, ["--jobs"]), /--jobs=N is needed/);
  assert.throws(() => parseSuiteOptions(usage, ["--platform=abacus"]), /--platform=P/);
  assert.throws(() => parseSuiteOptions(usage, ["--verbose=yes"]), /takes no value/);
});

test("a suite's own options are among those given, and in its help", () => {
  const { given } = parseSuiteOptions(usage, ["--quick", "--do=a", "--do=b"]);
  assert.equal(given.has("--quick"), true);
  assert.deepEqual(given.all("--do"), ["a", "b"]);
  const text = usageText(usage);
  assert.match(text, /^usage: npm run test:x -- \[OPTION\.\.\.\] \[NAME\.\.\.\]\n/);
  assert.match(text, /^ {2}--quick +less$/m);
  assert.match(text, /^ {2}NAME +a part of a name$/m);
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
