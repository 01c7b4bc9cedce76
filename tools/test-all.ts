/**
 * Runs every suite in turn and adds up what they counted: `npm test [-- SUITE...]`, where SUITE is one of the names in
 * `suites` below. Set-up that tools/test.mjs cannot do without the pinned Node happens here: the build and the test root
 * file system, whose path the suites find in TSVISOR_ROOTFS.
 *
 * A suite is a command that reports its counts through test/harness/summary.ts. One that fails without having counted a
 * failure counts as one failed test, and so does one that ran no test at all.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { countText, readCounts } from "../test/harness/summary.ts";
import type { Count } from "../test/harness/summary.ts";
import { build } from "./build.ts";
import { ensureRootfs } from "./rootfs.ts";

const root: string = dirname(import.meta.dirname);

interface Suite {
  readonly name: string;
  /** Script for the pinned Node, from the root. */
  readonly script: string;
  readonly args: readonly string[];
  /** Most minutes it may take. */
  readonly minutes: number;
}

/** Programs of test/syscalls that look at their code, their mappings, their identity and what they inherit. */
const disabledCases = [
  "patch_sites",
  "answers_",
  "mm_c",
  "mm_mprotect",
  "mm_mremap",
  "fork_basic",
  "sig_context",
  "thread_basic",
];

const suites: Suite[] = [
  { name: "ok", script: "tools/ok.ts", args: [], minutes: 6 },
  { name: "syscalls", script: "test/harness/syscalls.ts", args: [], minutes: 10 },
  { name: "arguments", script: "test/fuzz/arguments.ts", args: [], minutes: 10 },
  { name: "fuzz", script: "test/fuzz/run.ts", args: [], minutes: 10 },
  { name: "programs", script: "test/programs/run.ts", args: [], minutes: 12 },
  { name: "suites", script: "test/suites/run.ts", args: ["--quick", "--jobs=2"], minutes: 5 },
];

/** Each of systrap's means turned off, on what it may change. */
for (const means of ["patching", "answers", "batching", "patching,answers,batching"]) {
  suites.push({
    name: "disabled",
    script: "test/harness/syscalls.ts",
    args: ["--platform=systrap", `--do=--systrap-disable=${means}`, ...disabledCases],
    minutes: 3,
  });
}

/** Runs one suite; returns what it counted, made to agree with how it ended. */
function runSuite(suite: Suite, env: NodeJS.ProcessEnv, summary: string): Count[] {
  if (!existsSync(join(root, suite.script))) {
    return [{ suite: `${suite.name}: there is no ${suite.script}`, passed: 0, failed: 1, skipped: 0 }];
  }
  const run = spawnSync(process.execPath, [join(root, suite.script), ...suite.args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...env, TSVISOR_SUMMARY: summary },
    timeout: suite.minutes * 60_000,
  });
  // Unit tests write theirs beside it: node:test truncates a reporter's file.
  const counts = [...readCounts(`${summary}.unit`), ...readCounts(summary)];
  const total = counts.reduce((sum, count) => sum + count.passed + count.failed, 0);
  if (total === 0) counts.push({ suite: `${suite.name}: ran no test`, passed: 0, failed: 1, skipped: 0 });
  else if (run.status !== 0 && counts.every((count) => count.failed === 0)) {
    const how = run.signal === null ? `status ${run.status}` : `${run.signal} (over ${suite.minutes} minutes?)`;
    counts.push({ suite: `${suite.name}: ended with ${how}`, passed: 0, failed: 1, skipped: 0 });
  }
  return counts;
}

async function main(chosen: readonly string[]): Promise<Count[]> {
  const unknown = chosen.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) throw new Error(`no such suite: ${unknown.join(" ")}`);
  const counts: Count[] = [];
  const env: NodeJS.ProcessEnv = { ...process.env, TSVISOR_ROOTFS: ensureRootfs() };
  const isBuilt = await build();
  if (!isBuilt) counts.push({ suite: "build", passed: 0, failed: 1, skipped: 0 });
  const temporary = mkdtempSync(join(tmpdir(), "tsvisor-test-"));
  try {
    for (const [i, suite] of suites.entries()) {
      if (chosen.length > 0 && !chosen.includes(suite.name)) continue;
      // Only the checks make sense when there is nothing to start.
      if (!isBuilt && suite.name !== "ok") continue;
      const startedMs = performance.now();
      console.log(`\n== ${suite.name}`);
      const found = runSuite(suite, env, join(temporary, `${i}`));
      console.log(`== ${suite.name}: ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
      counts.push(...found);
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return counts;
}

let counts: Count[];
try {
  counts = await main(process.argv.slice(2));
} catch (error) {
  console.log(`npm test: ${error instanceof Error ? error.message : String(error)}`);
  counts = [{ suite: "set-up", passed: 0, failed: 1, skipped: 0 }];
}
const sum = { passed: 0, failed: 0, skipped: 0 };
console.log("");
for (const count of counts) {
  console.log(`${count.suite}: ${countText(count)}`);
  sum.passed += count.passed;
  sum.failed += count.failed;
  sum.skipped += count.skipped;
}
console.log(countText(sum));
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
