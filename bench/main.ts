/**
 * The benchmark suite: the same programs natively, under runc, under runsc (RUNSC=/path) and under tsvisor's platforms,
 * interleaved, so that all of them see the same machine. Needs root.
 *
 * A runsc that works: Debian's from bookworm-backports (`apt-get download runsc`, `dpkg-deb -x`); bookworm's own has no
 * systrap.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseOptions, POSITIVE, POSITIVE_INTEGER, readOptions } from "../tools/options.ts";
import type { Options, Usage } from "../tools/options.ts";
import { measure, PARTS } from "./measure.ts";
import type { Findings, Plan } from "./measure.ts";
import { compare, TOLERANCE, saveBaseline, tables, writeDocs } from "./report.ts";
import { ensureBenchRootfs } from "./rootfs.ts";
import { isRate, median, TARGETS } from "./stats.ts";
import type { Results, Row } from "./stats.ts";
import { Ground } from "./targets.ts";

const root = join(import.meta.dirname, "..");
const baselineFile = join(import.meta.dirname, "baseline.json");
/** Set in the process that runs in a mount namespace of its own. */
const INSIDE = "TSVISOR_BENCH_INSIDE";
const MANY = 10_000;
/** On the disk, unlike /tmp in many places. */
const WORK_DIR = "/var/tmp/tsvisor-bench";

/** What matches a list of some of these names. */
function listOf(names: readonly string[]): RegExp {
  const one = `(${names.join("|")})`;
  return new RegExp(`^${one}(,${one})*$`);
}

const USAGE: Usage = {
  command: "npm run bench",
  about:
    "Measures small operations, programs, starts and idle sandboxes natively, under runc and tsvisor, and under runsc when\n" +
    "RUNSC=/path is set; about 10 minutes on two processors. Needs root.",
  options: [
    { name: "--quick", help: "small rows against native only, compared with bench/baseline.json (under a minute)" },
    { name: "--save-baseline", help: "with --quick: these are the figures to compare with" },
    { name: "--only", value: "TEXT", help: "rows whose name contains TEXT" },
    { name: "--parts", value: "LIST", pattern: listOf(PARTS), help: `some of ${PARTS.join(",")}` },
    { name: "--targets", value: "LIST", pattern: listOf(TARGETS), help: `some of ${TARGETS.join(",")}` },
    { name: "--rounds", value: "N", pattern: POSITIVE_INTEGER, help: "how often everything is measured (3; quick 8)" },
    { name: "--budget", value: "MS", pattern: POSITIVE, help: "time for a small row (100; quick 10)" },
    { name: "--idle", value: "SECONDS", pattern: POSITIVE, help: "how long idle sandboxes are watched (30)" },
    {
      name: "--json",
      value: "FILE",
      help: "where the figures go, also while it runs (build/bench.json; quick build/bench-quick.json)",
    },
    {
      name: "--into",
      value: "FILE",
      help: "keep the other rows of an earlier run's figures, which this run goes into",
    },
    { name: "--docs", help: "write docs/performance.md and its charts" },
    { name: "--from", value: "FILE", help: "only that, from an earlier run's figures" },
  ],
};

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

function machine(versions: Record<string, string>, distances: readonly number[]): Record<string, string> {
  const all = cpus();
  const apart = [Math.min(...distances), median(distances), Math.max(...distances)].map((ns) => ns.toFixed(0));
  return {
    processor: `${all[0]?.model ?? "?"}, ${all.length} CPUs`,
    ...(distances.length > 0 && {
      "a word of memory from CPU to CPU and back": `${apart[1]} ns (${apart[0]} to ${apart[2]} over the run)`,
    }),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    "host kernel": release().split("-")[0]!,
    ...versions,
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
  const options = readOptions(USAGE, (args) => parseOptions(USAGE, args));
  const isQuick = options.has("--quick");
  const plan: Plan = {
    rounds: options.number("--rounds", isQuick ? 8 : 3),
    only: options.value("--only", ""),
    budget: options.number("--budget", isQuick ? 10 : 100),
    parts: options.value("--parts", isQuick ? "micro" : PARTS.join(",")).split(","),
    idle: options.number("--idle", 30),
  };
  const from = options.value("--from", "");
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
    const ground = new Ground(dir, rootfs, options.value("--targets", wanted).split(",").filter(Boolean));
    await ground.train();
    try {
      prepare(ground);
      progress(`measuring ${ground.targets.join(", ")}`);
      const store = new Store(options, plan.rounds, ground);
      const findings = await measure(ground, plan, { progress, keep: (so) => store.write(so) });
      return finish(options, store.write(findings));
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

/** The file of figures, written again and again: what was measured when a run is ended is not lost. */
class Store {
  private readonly options: Options;
  private readonly rounds: number;
  private readonly versions: Record<string, string>;
  private readonly earlier: Results | null;
  private readonly file: string;

  constructor(options: Options, rounds: number, ground: Ground) {
    this.options = options;
    this.rounds = rounds;
    this.versions = ground.versions();
    const into = options.value("--into", "");
    this.earlier = into === "" ? null : (JSON.parse(readFileSync(into, "utf8")) as Results);
    const usual = join(root, "build", options.has("--quick") ? "bench-quick.json" : "bench.json");
    this.file = options.value("--json", into === "" ? usual : into);
    mkdirSync(dirname(this.file), { recursive: true });
  }

  /** Returns what the file has now. */
  write({ rows, distances }: Findings): Results {
    const measured: Results = {
      machine: machine(this.versions, distances),
      rounds: this.rounds,
      rows: this.options.has("--quick") ? rows.map(best) : rows,
    };
    const results = this.earlier === null ? measured : merge(this.earlier, measured);
    writeFileSync(this.file, `${JSON.stringify(results, null, 1)}\n`);
    return results;
  }
}

function finish(options: Options, results: Results): number {
  const isQuick = options.has("--quick");
  console.log(tables(results));
  if (options.has("--docs")) writeDocs(root, results);
  if (!isQuick) return 0;
  if (options.has("--save-baseline")) saveBaseline(baselineFile, results);
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
