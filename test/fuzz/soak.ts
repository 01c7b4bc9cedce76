/**
 * The soak test: `npm run test:soak -- --help`.
 *
 * One sandbox runs fuzz sequences and stressors, round after round, and is looked at from outside between them, when nothing
 * runs in it: the Sentry must be alive, and its descriptors, the stub processes and the pages of the memory files must not grow.
 * The first third of the rounds is for warming up (tables grow, code is compiled); of the others the least of the second half is
 * compared with the least of the first.
 *
 * Memory is the processes' own (RssAnon): pages of the guest's memory that the Sentry has looked at (RssShmem) are the guest's,
 * and counted in the memory files, and pages of files (RssFile) can be had again. It is compared at rest alone: before that it is
 * what V8 has not collected yet, up and down by a hundred MiB. What is remembered of names is forgotten before
 * (drop_caches), since stressors that walk trees find new ones in every round; then the sandbox rests until it has given back what it does not need.
 * After the warm-up that is done every so often, and the median of the later half must not exceed that of the earlier: one rest may
 * come when tables have just been given up, or doubled.
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
  if [ "$program" = rest ]; then
    echo 2 >/proc/sys/vm/drop_caches
    echo done
    continue
  fi
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

/** A sandbox has given back what it does not need when its memory has been the same for so long; or it never does. */
const REST_MS = 4000;
const REST_LIMIT_MS = 30_000;
/** How often it rests after the warm-up. */
const RESTS = 8;

/** What is measured of the Sentry and its gofer between rounds. */
interface Sample {
  /** KiB of the process's own. */
  readonly sentry: number;
  readonly gofer: number;
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

function memoryOf(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);
}

function sampleOf(pid: number, gofer: number): Sample {
  const descriptors = readdirSync(`/proc/${pid}/fd`);
  let memory = 0;
  for (const fd of descriptors) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (readlinkSync(path).startsWith("/memfd:")) memory += statSync(path).blocks / 2;
  }
  return {
    sentry: memoryOf(pid),
    gofer: memoryOf(gofer),
    descriptors: descriptors.length,
    stubs: childrenOf(pid).length,
    memory,
  };
}

/** What each quantity may grow by from one half of the rounds to the other: a share of it, and so much besides. */
const allowed: Readonly<Record<keyof Sample, readonly [number, number]>> = {
  // Of the collector's and compiled code's liking.
  sentry: [0.1, 8192],
  gofer: [0.1, 2048],
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
/** At rest after the warm-up, and when since the start. */
const rested: (Sample & { readonly minute: number })[] = [];

/** Has the driver do something; false: the sandbox has ended. */
async function order(line: string, when: string): Promise<boolean> {
  sandbox.stdin.write(`${line}\n`);
  for (;;) {
    const answer = await lines.next();
    if (answer.done === true) {
      failures.push(`${when}: the sandbox ended`);
      return false;
    }
    if (answer.value === "done") return true;
    failures.push(`${when}: ${answer.value}`);
  }
}

async function round(n: number): Promise<boolean> {
  const words = hasStressors ? stressors[n % stressors.length]!.join(" ") : "";
  return order(`${n % PROGRAMS} ${words}`, `round ${n}`);
}

/** The Sentry and its gofer; null when one has ended. */
function processes(): readonly [number, number] | null {
  const sentry = find("tsvisor-sentry", sandbox.pid!);
  const gofer = find("tsvisor-gofer", sandbox.pid!);
  return sentry === 0 || gofer === 0 ? null : [sentry, gofer];
}

/** What the sandbox needs now; null when it has ended. */
function look(when: string): Sample | null {
  const found = processes();
  if (found === null) {
    failures.push(`${when}: the sandbox has ended`);
    return null;
  }
  const sample = sampleOf(...found);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0).padStart(5);
  const { sentry, gofer, descriptors, stubs, memory } = sample;
  console.log(
    `${seconds} s ${when}: Sentry ${sentry} KiB, gofer ${gofer} KiB, ${descriptors} descriptors, ${stubs} stubs, memory files ${memory} KiB`,
  );
  return sample;
}

/** Waits in small steps: time in which this and the sandbox were stopped together, as by a frozen cgroup, is then none. */
async function pause(ms: number): Promise<void> {
  for (let i = 0; i < ms / 50; i++) await setTimeout(50);
}

/** Lets the sandbox rest, and looks. */
async function rest(): Promise<void> {
  if (!(await order("rest", "at rest"))) return;
  let before = -1;
  for (let waited = 0; waited < REST_LIMIT_MS; waited += REST_MS) {
    await pause(REST_MS);
    const found = processes();
    const now = found === null ? -1 : memoryOf(found[0]);
    if (now === before) break;
    before = now;
  }
  const sample = look("at rest");
  if (sample !== null) rested.push({ minute: (performance.now() - startMs) / 60_000, ...sample });
}

function least(values: readonly number[]): number {
  return Math.min(...values);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Whether `key` is larger in the later half of `all` than in the earlier one; `typical` is what stands for a half. */
function compare(
  key: keyof Sample,
  all: readonly Sample[],
  typical: (values: readonly number[]) => number,
  when: string,
): void {
  const half = Math.floor(all.length / 2);
  const before = typical(all.slice(0, half).map((sample) => sample[key]));
  const after = typical(all.slice(half).map((sample) => sample[key]));
  const [share, more] = allowed[key];
  console.log(`${key}${when}: ${before} before, ${after} after`);
  if (after > before * (1 + share) + more) failures.push(`${key}${when} grew from ${before} to ${after}`);
}

/** KiB by which the Sentry grew in a minute, from rest to rest: the slope of the line that fits best. */
function growth(): number {
  const minute = rested.reduce((sum, sample) => sum + sample.minute, 0) / rested.length;
  const size = rested.reduce((sum, sample) => sum + sample.sentry, 0) / rested.length;
  let above = 0;
  let below = 0;
  for (const sample of rested) {
    above += (sample.minute - minute) * (sample.sentry - size);
    below += (sample.minute - minute) ** 2;
  }
  return above / below;
}

const startMs = performance.now();
await pause(REST_MS);
look("not yet used");
let n = 0;
let warm = 0;
const endMs = startMs + minutes * 60_000;
const warmMs = startMs + minutes * 20_000;
while (performance.now() < endMs && (await round(n))) {
  const sample = look(`round ${n}`);
  if (sample === null) break;
  samples.push(sample);
  n++;
  if (performance.now() < warmMs) continue;
  if (warm === 0) warm = n;
  if (performance.now() >= warmMs + ((endMs - warmMs) / (RESTS - 1)) * rested.length) await rest();
}
await rest();
sandbox.stdin.end();

const steady = samples.slice(warm);
if (steady.length < 6) failures.push(`only ${samples.length} rounds: too few to compare`);
else for (const key of ["descriptors", "stubs", "memory"] as const) compare(key, steady, least, "");
if (rested.length >= 4) {
  for (const key of ["sentry", "gofer"] as const) compare(key, rested, median, " at rest");
  console.log(`at rest, the Sentry grew by ${growth().toFixed(0)} KiB in a minute`);
  console.log(`most that it had between rounds: ${Math.max(...samples.map((sample) => sample.sentry))} KiB`);
}
for (const failure of failures) console.log(`FAIL ${failure}`);
reportCount({ suite: `soak (${platform})`, passed: samples.length, failed: failures.length, skipped: 0 });
process.exitCode = failures.length > 0 ? 1 : 0;
