/**
 * `npm run ok`: everything that must hold before a commit, in well under a minute: format, lint (type-aware), types,
 * import directions, unit tests. All of it runs even when a part fails. Arguments choose parts by name.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { reportCount } from "../test/harness/summary.ts";

const root: string = dirname(import.meta.dirname);
const bin = (name: string): string => join(root, "node_modules/.bin", name);

/** Where unit tests are. */
const unitTests: readonly string[] = ["src/**/*.test.ts", "tools/**/*.test.ts", "test/harness/**/*.test.ts"];

function unitTestCommand(): readonly string[] {
  const files = unitTests.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  const summary = process.env.TSVISOR_SUMMARY;
  const reporters = ["--test-reporter=dot", "--test-reporter-destination=stdout"];
  if (summary) {
    reporters.push("--test-reporter=./test/harness/unit-reporter.ts", `--test-reporter-destination=${summary}.unit`);
  }
  return [process.execPath, "--test", "--test-concurrency=2", "--test-timeout=60000", ...reporters, ...files];
}

const parts: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "format", command: [bin("oxfmt"), "--check"] },
  { name: "lint", command: [bin("oxlint"), "--type-aware", "--deny-warnings"] },
  { name: "types", command: [bin("tsc"), "--noEmit", "-p", "."] },
  { name: "layers", command: [process.execPath, "tools/check-layers.ts"] },
  { name: "unit", command: unitTestCommand() },
];

const chosen = process.argv.slice(2);
const failed: string[] = [];
let passed = 0;
for (const { name, command } of parts) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const startedMs = performance.now();
  const run = spawnSync(command[0]!, command.slice(1), { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const isOk = run.status === 0;
  console.log(`${isOk ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (!isOk) failed.push(name);
  else if (name !== "unit") passed++;
}
const failedChecks = failed.filter((name) => name !== "unit").length;
reportCount({ suite: "checks", passed, failed: failedChecks, skipped: 0 });
if (failed.length > 0) {
  console.log(`not ok: ${failed.join(", ")}`);
  process.exitCode = 1;
}
