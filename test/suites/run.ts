/**
 * Other projects' test suites: each runs natively and in a sandbox on each platform, and each single test must have the
 * same result. What cannot be the same is listed, with the reason, in exclusions.txt.
 *
 * `npm run test:suites -- --help` tells of its options. Installs the Debian packages it needs. Counts of each case's latest run stay in build/suites; once all
 * cases of a suite have some, their sums go into docs/compatibility-suites.md. Needs root.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../harness/process.ts";
import type { Outcome } from "../harness/process.ts";
import { cleanEnv, ensureBuilt, forEachParallel, readSuiteOptions, suiteUsage, tsvisor } from "../harness/sandbox.ts";
import { reportCount } from "../harness/summary.ts";
import { busybox } from "./busybox.ts";
import { cpython } from "./cpython.ts";
import { loadExclusions } from "./exclusions.ts";
import { ensurePackages } from "./packages.ts";
import { programs } from "./programs.ts";
import { addCount, keepCounts, keptCount, newCount, writeReport } from "./report.ts";
import type { SuiteCount } from "./report.ts";
import { stressNg } from "./stress-ng.ts";
import type { Case, Results, Suite } from "./suite.ts";

const suites: readonly Suite[] = [cpython, busybox, stressNg, programs];

const suiteNames = suites.map((suite) => suite.name).join("|");
const options = readSuiteOptions(
  suiteUsage(
    "npm run test:suites",
    "Runs other projects' test suites natively and in sandboxes; each single test must have the same result.",
    ["TEXT", "a part of a case's name, or with = before it the name"],
    [
      {
        name: "--only",
        value: "SUITE[,SUITE]",
        pattern: new RegExp(`^(${suiteNames})(,(${suiteNames}))*$`),
        help: `these suites: ${suiteNames.replaceAll("|", ", ")}`,
      },
      { name: "--quick", help: "a cross-section that takes seconds" },
    ],
  ),
);
const only = options.given.all("--only").flatMap((list) => list.split(","));
const isQuick = options.given.has("--quick");
const jobs = options.given.number("--jobs", 1);
const exclusions = loadExclusions();
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-suites-"));
// Some cases are an ordinary user's.
chmodSync(temporary, 0o755);
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));

/** Runs a case's command in a fresh directory, whose path is the same for each run of a case. */
async function runCase(suite: Suite, test: Case, platform: string): Promise<Outcome> {
  const cwd = join(temporary, suite.name, test.name);
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd, { recursive: true });
  try {
    test.prepare?.(cwd);
    const isNative = platform === "native";
    const before = isNative
      ? []
      : [tsvisor, "do", `--platform=${platform}`, ...options.doFlags, ...(test.doFlags ?? []), "--"];
    const words = typeof test.command === "function" ? test.command() : test.command;
    const [command, ...args] = [...before, ...words];
    const timeout = test.timeout * (isNative ? 1 : 2 * options.timeoutFactor);
    const outcome = await run(command!, args, { cwd, env: { ...cleanEnv, PWD: cwd, TERM: "dumb" }, timeout });
    if (outcome.state !== "") console.log(`${suite.name} ${test.name} when its time was over:\n${outcome.state}`);
    return outcome;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

function resultsOf(test: Case, outcome: Outcome): Results {
  if (test.parse !== undefined) return test.parse(outcome);
  const how = outcome.isTimedOut ? "timed out" : `exit status ${outcome.status}`;
  return new Map([[test.name, `${how}\n${outcome.stdout.toString("latin1")}`]]);
}

function isExcluded(suite: Suite, name: string): boolean {
  let found = false;
  for (const exclusion of exclusions) {
    if (exclusion.suite !== suite.name || !exclusion.pattern.test(name)) continue;
    exclusion.used++;
    found = true;
  }
  return found;
}

function say(platform: string, name: string, results: readonly string[]): void {
  const what = results.length === 0 ? "ok  " : "FAIL";
  console.log(`${what} ${platform.padEnd(8)} ${name}`);
  for (const line of results.slice(0, 40)) console.log(line.replace(/^/gm, "       "));
  if (results.length > 40) console.log(`       ... ${results.length - 40} more`);
}

/** What is different in one test, in a line; undefined when nothing is. */
function difference(name: string, native: string | undefined, sandboxed: string | undefined): string | undefined {
  if (native === sandboxed) return undefined;
  if (native === undefined) return `${name}: only in the sandbox (${sandboxed})`;
  if (!native.includes("\n")) return `${name}: ${sandboxed ?? "missing"}, natively ${native}`;
  const files = [join(temporary, "native"), join(temporary, "sandbox")];
  writeFileSync(files[0]!, native);
  writeFileSync(files[1]!, sandboxed ?? "");
  return spawnSync("diff", ["-a", "-u", "--label", `${name} natively`, "--label", "in the sandbox", ...files], {
    encoding: "latin1",
  }).stdout.trimEnd();
}

/** Runs the chosen cases of a suite; none is chosen of one that has no part in the cross-section. */
async function runSuite(suite: Suite): Promise<SuiteCount[]> {
  if (isQuick && suite.hasQuick !== true) return [];
  ensurePackages(suite.packages);
  const all = suite.cases();
  const isChosen = (name: string): boolean =>
    options.names.some((text) => (text.startsWith("=") ? name === text.slice(1) : name.includes(text)));
  const chosen = all.filter(
    (test) => (options.names.length === 0 || isChosen(test.name)) && (!isQuick || test.isQuick === true),
  );
  const sums = options.platforms.map((platform) => newCount(suite, platform));
  const runOne = async (test: Case, counts: readonly SuiteCount[]): Promise<void> => {
    if (isExcluded(suite, test.name)) {
      for (const count of counts) count.excluded++;
      return;
    }
    const startedMs = performance.now();
    const nativeOutcome = test.assumed === undefined ? await runCase(suite, test, "native") : undefined;
    const native = test.assumed ?? resultsOf(test, nativeOutcome!);
    const nativeSeconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    if (options.isVerbose && nativeOutcome !== undefined) {
      process.stdout.write(`--- ${test.name} natively\n${nativeOutcome.stdout}${nativeOutcome.stderr}`);
    }
    const complaint = test.complaint?.(native);
    if (complaint !== undefined) {
      for (const count of counts) count.different++;
      say("native", `${suite.name} ${test.name}`, [complaint, nativeOutcome!.stderr.toString("latin1").slice(-2000)]);
      return;
    }
    for (const count of counts) {
      const outcome = await runCase(suite, test, count.platform);
      const sandboxed = resultsOf(test, outcome);
      if (options.isVerbose)
        process.stdout.write(`--- ${test.name} on ${count.platform}\n${outcome.stdout}${outcome.stderr}`);
      const lines: string[] = [];
      for (const name of new Set([...native.keys(), ...sandboxed.keys()])) {
        const expected = native.get(name);
        if (expected !== undefined && test.isIgnored?.(expected)) continue;
        const line = difference(name, expected, sandboxed.get(name));
        if (isExcluded(suite, name)) count.excluded++;
        else if (line === undefined) count.same++;
        else {
          count.different++;
          lines.push(line);
        }
      }
      const seconds = `${outcome.seconds.toFixed(1)} s, natively ${nativeSeconds} s`;
      if (lines.length > 0) lines.push(outcome.stderr.toString("latin1").slice(-2000));
      say(count.platform, `${suite.name} ${test.name} (${seconds})`, lines);
    }
  };
  await forEachParallel(chosen, jobs, async (test) => {
    const counts = options.platforms.map((platform) => newCount(suite, platform));
    await runOne(test, counts);
    for (const [i, count] of counts.entries()) addCount(sums[i]!, count);
    keepCounts(test.name, counts);
  });
  writeReport(
    sums.flatMap(({ platform }) => keptCount(suite, platform, all) ?? []),
    exclusions,
  );
  return sums;
}

await ensureBuilt();
let failed = 0;
for (const suite of suites) {
  if (only.length > 0 && !only.includes(suite.name)) continue;
  for (const count of await runSuite(suite)) {
    failed += count.different;
    reportCount({
      suite: `${suite.name} (${count.platform})`,
      passed: count.same,
      failed: count.different,
      skipped: count.excluded,
    });
  }
}
if (failed > 0) process.exitCode = 1;
