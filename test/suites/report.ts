/** Keeps docs/compatibility-suites.md: one row for each suite and platform, and the exclusions with their reasons. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../harness/sandbox.ts";
import type { Exclusion } from "./exclusions.ts";
import { cacheDir } from "./packages.ts";
import type { Case, Suite } from "./suite.ts";

/** What one suite counted on one platform. */
export interface SuiteCount {
  readonly suite: Suite;
  readonly platform: string;
  /** Tests with the native result. */
  same: number;
  different: number;
  excluded: number;
}

/** A count of nothing. */
export function newCount(suite: Suite, platform: string): SuiteCount {
  return { suite, platform, same: 0, different: 0, excluded: 0 };
}

/** Adds `more` to `sum`. */
export function addCount(sum: SuiteCount, more: Readonly<Record<"same" | "different" | "excluded", number>>): void {
  sum.same += more.same;
  sum.different += more.different;
  sum.excluded += more.excluded;
}

/** What a case counted in its latest run on each platform: "SUITE PLATFORM CASE" to its counts. */
type Kept = Record<string, { same: number; different: number; excluded: number }>;

const keptFile = join(cacheDir, "results.json");

function readKept(): Kept {
  return existsSync(keptFile) ? (JSON.parse(readFileSync(keptFile, "utf8")) as Kept) : {};
}

/** Remembers what a case counted. */
export function keepCounts(name: string, counts: readonly SuiteCount[]): void {
  const kept = readKept();
  for (const { suite, platform, same, different, excluded } of counts) {
    kept[`${suite.name} ${platform} ${name}`] = { same, different, excluded };
  }
  mkdirSync(cacheDir, { recursive: true });
  writeFileSync(keptFile, JSON.stringify(kept, undefined, 1));
}

/** The sum of what all cases counted in their latest runs; undefined when one has never run. */
export function keptCount(suite: Suite, platform: string, cases: readonly Case[]): SuiteCount | undefined {
  const kept = readKept();
  const sum = newCount(suite, platform);
  for (const { name } of cases) {
    const count = kept[`${suite.name} ${platform} ${name}`];
    if (count === undefined) return undefined;
    addCount(sum, count);
  }
  return sum;
}

const file = join(root, "docs/compatibility-suites.md");

const head = `# Other projects' test suites

<!-- Written by \`npm run test:suites\` (test/suites/report.ts). Do not edit. -->

\`npm run test:suites\` runs each suite natively and in a sandbox and compares test by test: "same" counts the tests with
the native result (a test that is skipped or fails natively must do so in the sandbox as well), "different" the others.
"Excluded" are those of [exclusions.txt](../test/suites/exclusions.txt), where each has its reason.

| suite | platform | same | different | excluded |
| --- | --- | ---: | ---: | ---: |
`;

function row(count: SuiteCount): string {
  return `| ${count.suite.title} | ${count.platform} | ${count.same} | ${count.different} | ${count.excluded} |`;
}

/** Replaces the rows of these counts; rows of other suites and platforms stay. */
export function writeReport(counts: readonly SuiteCount[], exclusions: readonly Exclusion[]): void {
  if (counts.length === 0) return;
  const key = (line: string): string => line.split("|").slice(1, 3).join("|");
  const rows = new Map<string, string>();
  if (existsSync(file)) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      if (/^\| .*\| \d+ \| \d+ \| \d+ \|$/.test(line)) rows.set(key(line), line);
    }
  }
  for (const count of counts) rows.set(key(row(count)), row(count));
  const reasons = new Map<string, number>();
  for (const { suite, reason } of exclusions) {
    const where = `${suite}: ${reason}`;
    reasons.set(where, (reasons.get(where) ?? 0) + 1);
  }
  const lines = [...reasons].map(([where, count]) => `- ${where} (${count} ${count === 1 ? "pattern" : "patterns"})`);
  writeFileSync(file, `${head}${[...rows.values()].join("\n")}\n\n## Exclusions\n\n${lines.join("\n")}\n`);
}
