/**
 * The benchmark suite: the same programs natively, under runc, under runsc (RUNSC=/path) and under tsvisor's platforms,
 * interleaved, so that all of them see the same machine. Needs root.
 *
 *     npm run bench                      everything that is there (under 10 minutes on two processors)
 *     npm run bench -- --quick           small rows against native only, compared with baseline.json
 *     npm run bench -- --only=TEXT       rows whose name contains TEXT
 *
 * --rounds=N (3; quick 8)  --targets=native,runc,runsc,systrap,ptrace  --budget=MS for a small row (100; quick 10)
 * --parts=micro,programs,starts,idle measures only these  --into=FILE keeps the other rows of an earlier run
 * --idle=SECONDS (30)  --json=FILE (build/bench.json; bench-quick.json)  --docs writes docs/performance.md, --from=FILE takes its figures
 * from an earlier run  --save-baseline, with --quick
 *
 * A runsc that works: Debian's from bookworm-backports (`apt-get download runsc`, `dpkg-deb -x`); bookworm's own has no
 * systrap.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { apps, appsScript } from "./apps.ts";
import { measureIdle, measureStarts } from "./lifecycle.ts";
import { compare, TOLERANCE, saveBaseline, tables, writeDocs } from "./report.ts";
import { ensureBenchRootfs } from "./rootfs.ts";
import { isRate } from "./stats.ts";
import type { Results, Row, TargetName, Unit } from "./stats.ts";
import { Ground } from "./targets.ts";

const root = join(import.meta.dirname, "..");
const baselineFile = join(import.meta.dirname, "baseline.json");
/** Set in the process that runs in a mount namespace of its own. */
const INSIDE = "TSVISOR_BENCH_INSIDE";
const MANY = 10_000;
/** On the disk, unlike /tmp in many places. */
const WORK_DIR = "/var/tmp/tsvisor-bench";

function option(name: string, fallback: string): string {
  const found = process.argv.find((a) => a.startsWith(`--${name}=`));
  return found === undefined ? fallback : found.slice(name.length + 3);
}

function flag(name: string): boolean {
  return process.argv.includes(`--${name}`);
}

const isQuick = flag("quick");
const only = option("only", "");
const rounds = Number(option("rounds", isQuick ? "8" : "3"));
const budget = Number(option("budget", isQuick ? "10" : "100"));

const parts = option("parts", isQuick ? "micro" : "micro,programs,starts,idle").split(",");

function hasPart(name: string): boolean {
  return parts.includes(name);
}

/** The C groups: heading and what `micro` is asked for. */
const micro: readonly [string, readonly string[]][] = [
  ["System calls", ["calls"]],
  ["Memory", ["memory"]],
  ["Files", ["tmpfs=/tmp", "root", "gofer=/data", "new=/data"]],
  ["Processes and threads", ["processes", "threads"]],
];

class Collection {
  readonly rows: Row[] = [];
  private readonly byName = new Map<string, Row>();

  add(group: string, target: TargetName, name: string, unit: Unit, value: number): void {
    let row = this.byName.get(name);
    if (row === undefined) {
      row = { group, name, unit, values: {} };
      this.byName.set(name, row);
      this.rows.push(row);
    }
    (row.values[target] ??= []).push(value);
  }

  /** Lines "name|unit|value" of a program; a row's group may depend on its name. */
  addLines(group: (name: string) => string, target: TargetName, output: string): void {
    for (const line of output.split("\n")) {
      const [name, unit, value] = line.split("|");
      if (name === undefined || unit === undefined || value === undefined) continue;
      this.add(group(name), target, name, unit as Unit, Number(value));
    }
  }
}

/** The static programs; and the directory with many entries that the file rows list. */
function prepare(ground: Ground): void {
  const dir = join(import.meta.dirname, "programs", "micro");
  const sources = readdirSync(dir).filter((name) => name.endsWith(".c"));
  const out = join(ground.programs, "micro");
  execFileSync("gcc", ["-O2", "-static", "-pthread", "-o", out, ...sources.map((name) => join(dir, name))]);
  const many = join(ground.data, "many");
  mkdirSync(many);
  for (let i = 0; i < MANY; i++) writeFileSync(join(many, `entry-${String(i).padStart(5, "0")}`), "");
}

/** The best of all rounds: what a comparison with another day's run can trust most on a machine that others use too. */
function best(row: Row): Row {
  const pick = isRate(row.unit) ? Math.max : Math.min;
  const values = Object.fromEntries(Object.entries(row.values).map(([target, all]) => [target, [pick(...all)]]));
  return { ...row, values };
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function measure(ground: Ground): Promise<Row[]> {
  const found = new Collection();
  const chosen = apps.filter((row) => row.name.includes(only));
  const script = appsScript(chosen);
  const groupOf = new Map(chosen.map((row) => [row.name, row.group]));
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one: nobody always finds the caches warm.
    const order = ground.targets.map((_, i) => ground.targets[(i + round) % ground.targets.length]!);
    for (const [group, words] of hasPart("micro") ? micro : []) {
      progress(`round ${round + 1} of ${rounds}: ${group}`);
      for (const target of order) {
        const argv = ["/bench/micro", `--budget=${budget}`, `--only=${only}`, ...words];
        found.addLines(() => group, target, ground.run(target, argv));
      }
    }
    if (chosen.length > 0 && hasPart("programs")) {
      progress(`round ${round + 1} of ${rounds}: programs`);
      for (const target of order) {
        // The slow platform's ratios are large: one round tells them.
        if (target === "ptrace" && round > 0) continue;
        found.addLines((name) => groupOf.get(name)!, target, ground.run(target, ["/bin/bash", "-c", script]));
      }
    }
    if (!hasPart("starts")) continue;
    progress(`round ${round + 1} of ${rounds}: start and end`);
    for (const target of order) {
      await measureStarts(ground, target, only, (t, name, unit, value) =>
        found.add("Start and end", t, name, unit, value),
      );
    }
  }
  if (hasPart("idle")) {
    progress("idle sandboxes");
    await measureIdle(ground, only, Number(option("idle", "30")), (t, name, unit, value) =>
      found.add("Idle", t, name, unit, value),
    );
  }
  return found.rows;
}

function machine(ground: Ground): Record<string, string> {
  const all = cpus();
  return {
    processor: `${all[0]?.model ?? "?"}, ${all.length} CPUs`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    "host kernel": release().split("-")[0]!,
    ...ground.versions(),
  };
}

/** Directories of runs that were killed. */
function removeLeftovers(): void {
  for (const name of readdirSync(dirname(WORK_DIR))) {
    const pid = name.startsWith(`${basename(WORK_DIR)}-`) ? name.split("-")[2] : undefined;
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      rmSync(join(dirname(WORK_DIR), name), { recursive: true, force: true });
    }
  }
}

async function main(): Promise<number> {
  const from = option("from", "");
  if (from !== "") {
    writeDocs(root, JSON.parse(readFileSync(from, "utf8")) as Results);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new Error("root is needed, for the sandboxes and for chroot");
  if (process.env[INSIDE] === undefined) {
    // What is mounted for the native runs goes with this namespace.
    const args = ["-m", "--propagation", "private", process.execPath, ...process.argv.slice(1)];
    const result = spawnSync("unshare", args, { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } });
    return result.status ?? 1;
  }
  const rootfs = ensureBenchRootfs();
  removeLeftovers();
  const dir = mkdtempSync(`${WORK_DIR}-${process.pid}-`);
  try {
    const wanted = isQuick ? "native,systrap" : "";
    const ground = new Ground(dir, rootfs, option("targets", wanted).split(",").filter(Boolean));
    try {
      prepare(ground);
      progress(`measuring ${ground.targets.join(", ")}`);
      const rows = await measure(ground);
      const results: Results = { machine: machine(ground), rounds, rows: isQuick ? rows.map(best) : rows };
      return finish(results);
    } finally {
      ground.unmount();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** An earlier run's rows, those that `now` has replaced by them. */
function merge(earlier: Results, now: Results): Results {
  const fresh = new Map(now.rows.map((row) => [row.name, row]));
  const rows = earlier.rows.map((row) => {
    const again = fresh.get(row.name);
    fresh.delete(row.name);
    return again === undefined ? row : { ...row, values: { ...row.values, ...again.values } };
  });
  return { ...now, rows: [...rows, ...fresh.values()] };
}

function finish(measured: Results): number {
  const into = option("into", "");
  const results = into === "" ? measured : merge(JSON.parse(readFileSync(into, "utf8")) as Results, measured);
  console.log(tables(results));
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(
    option("json", into !== "" ? into : join(root, "build", isQuick ? "bench-quick.json" : "bench.json")),
    `${JSON.stringify(results, null, 1)}\n`,
  );
  if (flag("docs")) writeDocs(root, results);
  if (!isQuick) return 0;
  if (flag("save-baseline")) saveBaseline(baselineFile, results);
  else if (existsSync(baselineFile)) {
    const { worse, better } = compare(baselineFile, results);
    console.log(`\n${worse.length} rows are more than ${TOLERANCE} times as far from native as in the baseline`);
    for (const line of worse) console.log(`  ${line}`);
    if (better.length > 0)
      console.log(`${better.length} rows are less than 1/${TOLERANCE} as far (--save-baseline keeps that)`);
    for (const line of better) console.log(`  ${line}`);
    return worse.length === 0 ? 0 : 1;
  }
  return 0;
}

process.exitCode = await main();
