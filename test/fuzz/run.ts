/**
 * The differential fuzzer: `npm run test:fuzz -- --help`.
 *
 * Random sequences of system calls run natively and in a sandbox; what differs is made small and, with --keep, stored as
 * regressions/NAME.txt. First the stored ones (or the given FILEs alone) run. Without --minutes it is the short run of
 * `npm test`: fixed seeds and two batches on each platform, however long they take; what differs there once and not again
 * is told and not counted, because it may be the machine's load. Where the native runs of a sequence differ among themselves,
 * that is told and counted apart.
 */
import fc from "fast-check";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { compile } from "../harness/program.ts";
import { parseOptions, POSITIVE, POSITIVE_INTEGER, readOptions } from "../../tools/options.ts";
import type { Usage } from "../../tools/options.ts";
import { ensureBuilt, PLATFORM_LIST, root } from "../harness/sandbox.ts";
import { reportCount } from "../harness/summary.ts";
import { compareBatch, parseSequence, sequenceText, variesNatively } from "./batch.ts";
import type { Bench, Difference } from "./batch.ts";
import { sequences } from "./generate.ts";
import { shrink } from "./shrink.ts";

const regressions = join(root, "test/fuzz/regressions");

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly platforms: readonly string[];
  readonly batch: number;
  readonly isKeeping: boolean;
  /** Stop after this many different failures on a platform. */
  readonly most: number;
  readonly files: readonly string[];
}

const usage: Usage = {
  command: "npm run test:fuzz",
  about: "Runs random sequences of system calls natively and in sandboxes; each call must give the same.",
  words: ["FILE", "stored sequences to run, and nothing else"],
  options: [
    { name: "--minutes", value: "N", pattern: POSITIVE, help: "how long; the short run of 'npm test' when left out" },
    { name: "--seed", value: "S", pattern: POSITIVE_INTEGER, help: "of the first batch, 1 when left out" },
    { name: "--platform", value: "P[,P]", pattern: PLATFORM_LIST, help: "systrap, ptrace; both when left out" },
    { name: "--batch", value: "N", pattern: POSITIVE_INTEGER, help: "sequences of one run, 100 when left out" },
    {
      name: "--most",
      value: "N",
      pattern: POSITIVE_INTEGER,
      help: "failures on a platform that end it, 5 when left out",
    },
    { name: "--keep", help: "store what differs as test/fuzz/regressions/NAME.txt" },
  ],
};

function parse(args: readonly string[]): Options {
  const given = parseOptions(usage, args);
  return {
    minutes: given.number("--minutes", 0),
    seed: given.number("--seed", 1),
    platforms: given.value("--platform", "systrap,ptrace").split(","),
    batch: given.number("--batch", 100),
    isKeeping: given.has("--keep"),
    most: given.number("--most", 5),
    files: given.words,
  };
}

function describe(difference: Difference): string {
  const [native, sandbox] = difference.first;
  return `${sequenceText(difference.sequence)}natively: ${native}\nsandbox:  ${sandbox}`.replace(/^/gm, "       ");
}

/** Runs the stored sequences. */
async function runStored(bench: Bench, files: readonly string[]): Promise<Counts> {
  if (files.length === 0) return { passed: 0, failed: 0, varying: 0 };
  const found = await compareBatch(
    bench,
    files.map((file) => parseSequence(readFileSync(file, "utf8"))),
  );
  let varying = 0;
  for (const [i, difference] of found) {
    const isVarying = await variesNatively(bench, difference);
    if (isVarying) varying++;
    const how = isVarying ? "VARY" : "FAIL";
    console.log(`${how} ${bench.platform.padEnd(8)} ${basename(files[i]!, ".txt")}\n${describe(difference)}`);
  }
  return { passed: files.length - found.size, failed: found.size - varying, varying };
}

function keep(difference: Difference, seed: number): void {
  const name = `${difference.first[0].split(" ")[1] ?? "end"}-${seed}`;
  writeFileSync(join(regressions, `${name}.txt`), sequenceText(difference.sequence));
  console.log(`     stored as test/fuzz/regressions/${name}.txt`);
}

interface Counts {
  passed: number;
  /** Kinds of failure. */
  failed: number;
  /** Sequences that Linux itself answers differently from time to time. */
  varying: number;
}

/** Random sequences until the time is over. */
async function fuzz(bench: Bench, options: Options, deadlineMs: number, batches: number): Promise<Counts> {
  let passed = 0;
  let failed = 0;
  let varying = 0;
  for (let i = 0; i < batches && performance.now() < deadlineMs && failed < options.most; i++) {
    // Each platform has sequences of its own.
    const seed = options.seed + i + 1_000_000 * options.platforms.indexOf(bench.platform);
    const batch = fc.sample(sequences, { seed, numRuns: options.batch });
    const found = await compareBatch(bench, batch);
    passed += batch.length - found.size;
    const seen = new Set<string>();
    for (const difference of found.values()) {
      if (await variesNatively(bench, difference)) {
        varying++;
        console.log(`VARY ${bench.platform.padEnd(8)} seed ${seed}, natively too\n${describe(difference)}`);
        continue;
      }
      // Again alone: what hangs on the load is not stored.
      let same: Difference | undefined;
      for (let k = 0; k < 3; k++) same ??= (await compareBatch(bench, [difference.sequence])).get(0);
      if (same === undefined) {
        if (options.minutes > 0) failed++;
        console.log(`FAIL ${bench.platform.padEnd(8)} seed ${seed}, but not again\n${describe(difference)}`);
        continue;
      }
      const small = await shrink(bench, same);
      const text = `${small.first.join("\n")}`.replace(/\d+/g, "N");
      if (seen.has(text)) continue;
      seen.add(text);
      failed++;
      console.log(`FAIL ${bench.platform.padEnd(8)} seed ${seed}\n${describe(small)}`);
      if (options.isKeeping) keep(small, seed);
      if (failed >= options.most) break;
    }
  }
  return { passed, failed, varying };
}

const options = readOptions(usage, parse);
await ensureBuilt();
const compiled = compile(join(root, "test/fuzz/interp.c"), join(root, "build/test/fuzz"));
if (typeof compiled === "string") throw new Error(compiled);
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-fuzz-"));
const nativeBase = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tsvisor-fuzz-"));
chmodSync(nativeBase, 0o755);
process.on("exit", () => {
  rmSync(temporary, { recursive: true, force: true });
  rmSync(nativeBase, { recursive: true, force: true });
});
const stored = readdirSync(regressions)
  .filter((file) => file.endsWith(".txt"))
  .sort()
  .map((file) => join(regressions, file));
const total: Counts = { passed: 0, failed: 0, varying: 0 };
const add = (more: Counts): void => {
  total.passed += more.passed;
  total.failed += more.failed;
  total.varying += more.varying;
};
for (const platform of options.platforms) {
  const bench: Bench = { executable: compiled.executable, temporary, nativeCwd: join(nativeBase, "cwd"), platform };
  add(await runStored(bench, options.files.length > 0 ? options.files : stored));
  if (options.files.length > 0) continue;
  const isShort = options.minutes === 0;
  const seconds = isShort ? Infinity : (options.minutes * 60) / options.platforms.length;
  const deadlineMs = performance.now() + seconds * 1000;
  add(await fuzz(bench, options, deadlineMs, isShort ? 2 : Infinity));
}
reportCount({
  suite: `fuzz (${options.platforms.join(", ")})`,
  passed: total.passed,
  failed: total.failed,
  skipped: total.varying,
});
if (total.failed > 0) process.exitCode = 1;
