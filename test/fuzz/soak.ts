/**
 * The soak test: `npm run test:soak -- --help`.
 *
 * One sandbox runs fuzz sequences and stressors, round after round, and is looked at from outside between them, when nothing
 * runs in it: the Sentry must be alive, and its memory, its descriptors, the stub processes and the pages of the memory files
 * must not grow. The first third of the rounds is for warming up (caches fill, code is compiled); of the others the second half is
 * compared with the first: medians of the processes' memory, which goes up and down with garbage, the least of the rest. After that
 * third and in the end the sandbox rests, and must be as small in the end as it was then.
 */
import fc from "fast-check";
import { spawn, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { compile } from "../harness/program.ts";
import { parseOptions, POSITIVE, POSITIVE_INTEGER, readOptions } from "../../tools/options.ts";
import type { Usage } from "../../tools/options.ts";
import { cleanEnv, ensureBuilt, root, tsvisor } from "../harness/sandbox.ts";
import { reportCount } from "../harness/summary.ts";
import { sequenceText } from "./batch.ts";
import { sequences } from "./generate.ts";

/** Programs of this many sequences each, run in turn. */
const PROGRAMS = 6;
const SEQUENCES = 100;

/** One second each; left out when stress-ng is not installed. */
const stressors = [
  "fork vfork clone pthread exec",
  "mmap vm mremap mmapfork brk stack shm",
  "pipe sockpair fifo splice eventfd poll",
  "dentry dir rename link symlink open file-ioctl",
  "signal sigq timer timerfd itimer kill",
  "futex sem-sysv shm-sysv msg mq sem",
  "inotify epoll dup fcntl flock lockf",
  "procfs getdent chmod utime fallocate copy-file",
].map((words) => words.split(" "));

/** Runs in the sandbox: a line on standard input is a round, a line on standard output its end. */
const driver = `interp=$1 programs=$2
while read -r program words; do
  mkdir work && cd work || exit 1
  "$interp" "$programs/$program" >/dev/null 2>&1 || echo "interp ended with $?"
  for word in $words; do
    output=$(stress-ng --temp-path . --oomable -t 1 "--$word" 1 2>&1)
    status=$?
    # 3 and 4: no resources, not implemented.
    case $status in 0 | 3 | 4) ;; *) echo "$word ended with $status:" $output ;; esac
  done
  cd .. && rm -rf work
  ipcrm -a
  echo done
done
`;

/** How long it takes until a sandbox at rest has given back what it does not need. */
const REST_MS = 4000;

/** What is measured of the Sentry and its gofer between rounds. */
interface Sample {
  /** KiB */
  readonly rss: number;
  readonly goferRss: number;
  readonly descriptors: number;
  readonly stubs: number;
  /** KiB of memory files. */
  readonly memory: number;
}

function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid) children.push(Number(name));
    } catch {
      // It has ended in between.
    }
  }
  return children;
}

/** The process called `name` below the command line's. */
function find(name: string, pid: number): number {
  for (const child of childrenOf(pid)) {
    if (readFileSync(`/proc/${child}/cmdline`, "latin1").startsWith(name)) return child;
    const below = find(name, child);
    if (below > 0) return below;
  }
  return 0;
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);
}

function sampleOf(pid: number, gofer: number): Sample {
  const descriptors = readdirSync(`/proc/${pid}/fd`);
  let memory = 0;
  for (const fd of descriptors) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (readlinkSync(path).startsWith("/memfd:")) memory += statSync(path).blocks / 2;
  }
  return {
    rss: rssOf(pid),
    goferRss: rssOf(gofer),
    descriptors: descriptors.length,
    stubs: childrenOf(pid).length,
    memory,
  };
}

/** What each quantity may grow by from one half of the rounds to the other: a share of it, and so much besides. */
const allowed: Readonly<Record<keyof Sample, readonly [number, number]>> = {
  // Of the collector's and compiled code's liking.
  rss: [0.1, 16384],
  goferRss: [0.1, 4096],
  descriptors: [0, 2],
  stubs: [0, 2],
  memory: [0.05, 4096],
};

const usage: Usage = {
  command: "npm run test:soak",
  about: "Runs fuzz sequences and stressors in one sandbox for a long time; it must not grow.",
  options: [
    { name: "--minutes", value: "N", pattern: POSITIVE, help: "how long, 3 when left out" },
    { name: "--platform", value: "P", pattern: /^(systrap|ptrace)$/, help: "systrap (when left out) or ptrace" },
    { name: "--seed", value: "S", pattern: POSITIVE_INTEGER, help: "of the sequences, 1 when left out" },
  ],
};
const options = readOptions(usage, (args) => parseOptions(usage, args));
const minutes = options.number("--minutes", 3);
const platform = options.value("--platform", "systrap");
const seed = options.number("--seed", 1);
await ensureBuilt();
const compiled = compile(join(root, "test/fuzz/interp.c"), join(root, "build/test/fuzz"));
if (typeof compiled === "string") throw new Error(compiled);
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-soak-"));
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
const cwd = join(temporary, "cwd");
mkdirSync(cwd);
for (let i = 0; i < PROGRAMS; i++) {
  const batch = fc.sample(sequences, { seed: seed + i, numRuns: SEQUENCES });
  writeFileSync(join(temporary, `${i}`), batch.map((sequence, k) => `= ${k}\n${sequenceText(sequence)}`).join(""));
}
const hasStressors = spawnSync("stress-ng", ["--version"]).status === 0;
if (!hasStressors) console.log("stress-ng is not there: fuzz sequences only");

const words = ["do", `--platform=${platform}`, "--", "sh", "-c", driver, "sh", compiled.executable, temporary];
const sandbox = spawn(tsvisor, words, { cwd, env: { ...cleanEnv, PWD: cwd }, stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: sandbox.stdout })[Symbol.asyncIterator]();
const failures: string[] = [];
const samples: Sample[] = [];

/** One round; false: the sandbox has ended. */
async function round(n: number): Promise<boolean> {
  sandbox.stdin.write(`${n % PROGRAMS} ${hasStressors ? stressors[n % stressors.length]!.join(" ") : ""}\n`);
  for (;;) {
    const line = await lines.next();
    if (line.done === true) {
      failures.push(`the sandbox ended in round ${n}`);
      return false;
    }
    if (line.value === "done") return true;
    failures.push(`round ${n}: ${line.value}`);
  }
}

/** What the sandbox needs now; null when it has ended. */
function look(when: string): Sample | null {
  const sentry = find("tsvisor-sentry", sandbox.pid!);
  const gofer = find("tsvisor-gofer", sandbox.pid!);
  if (sentry === 0 || gofer === 0) {
    failures.push(`${when}: the sandbox has ended`);
    return null;
  }
  const sample = sampleOf(sentry, gofer);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0).padStart(5);
  const { rss, goferRss, descriptors, stubs, memory } = sample;
  console.log(
    `${seconds} s ${when}: RSS ${rss} KiB, gofer ${goferRss} KiB, ${descriptors} descriptors, ${stubs} stubs, memory files ${memory} KiB`,
  );
  return sample;
}

async function lookAtRest(): Promise<Sample | null> {
  await setTimeout(REST_MS);
  return look("at rest");
}

function least(values: readonly number[]): number {
  return Math.min(...values);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** What of several samples stands for all. */
const typical: Readonly<Record<keyof Sample, (values: readonly number[]) => number>> = {
  rss: median,
  goferRss: median,
  descriptors: least,
  stubs: least,
  memory: least,
};

/** Whether `key` has grown. */
function compare(key: keyof Sample, early: readonly Sample[], late: readonly Sample[], when: string): void {
  const before = typical[key](early.map((sample) => sample[key]));
  const after = typical[key](late.map((sample) => sample[key]));
  const [share, more] = allowed[key];
  console.log(`${key}${when}: ${before} before, ${after} after`);
  if (after > before * (1 + share) + more) failures.push(`${key}${when} grew from ${before} to ${after}`);
}

const startMs = performance.now();
await setTimeout(REST_MS);
look("not yet used");
let n = 0;
let warm = 0;
let rested: Sample | null = null;
while (performance.now() - startMs < minutes * 60_000 && (await round(n))) {
  const sample = look(`round ${n}`);
  if (sample === null) break;
  samples.push(sample);
  n++;
  if (warm > 0 || performance.now() - startMs < minutes * 20_000) continue;
  warm = n;
  rested = await lookAtRest();
}
const restedLast = await lookAtRest();
sandbox.stdin.end();

const steady = samples.slice(warm);
const half = Math.floor(steady.length / 2);
if (half < 3) failures.push(`only ${samples.length} rounds: too few to compare`);
for (const key of half < 3 ? [] : (["rss", "goferRss", "descriptors", "stubs", "memory"] as const)) {
  compare(key, steady.slice(0, half), steady.slice(half), "");
}
if (rested !== null && restedLast !== null) {
  for (const key of ["rss", "goferRss"] as const) compare(key, [rested], [restedLast], " at rest");
}
for (const failure of failures) console.log(`FAIL ${failure}`);
reportCount({ suite: `soak (${platform})`, passed: samples.length, failed: failures.length, skipped: 0 });
process.exitCode = failures.length > 0 ? 1 : 0;
