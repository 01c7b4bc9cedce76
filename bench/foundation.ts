/**
 * The figures that the foundation promises, each beside a native run of the same program, interleaved so that both see
 * the same machine: cost of a system call, start of a sandbox, CPU use while the guest sleeps, cost for a guest that
 * computes on two CPUs.
 *
 * `npm run bench` (root). `-- --rounds=N` (default 7), `-- --json=FILE` writes the figures too.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsvisor = join(root, "bin", "tsvisor");
const TICKS_PER_SECOND = 100;
const SLEEP_SECONDS = 5;

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly native: number[];
  readonly systrap: number[];
  readonly ptrace: number[];
}

function option(name: string, fallback: string): string {
  const found = process.argv.find((a) => a.startsWith(`--${name}=`));
  return found === undefined ? fallback : found.slice(name.length + 3);
}

function compile(name: string, dir: string): string {
  const out = join(dir, name);
  execFileSync("gcc", ["-O2", "-static", "-pthread", "-o", out, join(import.meta.dirname, "programs", `${name}.c`)]);
  return out;
}

/** Runs a command natively or in a sandbox and returns its standard output. */
function run(where: "native" | "systrap" | "ptrace", argv: readonly string[]): string {
  const command = where === "native" ? [...argv] : [tsvisor, "do", `--platform=${where}`, "--", ...argv];
  return execFileSync(command[0]!, command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

function seconds(action: () => void): number {
  const start = process.hrtime.bigint();
  action();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** Clock ticks of CPU that a process and all its descendants have used. */
function treeTicks(pid: number): number {
  const stats = new Map<number, { parent: number; ticks: number }>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, "latin1");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      stats.set(Number(entry), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It has ended meanwhile.
    }
  }
  let total = 0;
  for (const [id, { ticks }] of stats) {
    for (let p = id; p > 1; p = stats.get(p)?.parent ?? 0) {
      if (p !== pid) continue;
      total += ticks;
      break;
    }
  }
  return total;
}

/** Percent of one CPU that a sandbox uses while its guest sleeps, start-up excluded. */
async function idlePercent(platform: string): Promise<number> {
  const child = spawn(tsvisor, ["do", `--platform=${platform}`, "--", "sleep", "100"], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(2000);
  const before = treeTicks(child.pid!);
  await pause(SLEEP_SECONDS * 1000);
  const used = treeTicks(child.pid!) - before;
  child.kill("SIGTERM");
  await ended;
  return (used / TICKS_PER_SECOND / SLEEP_SECONDS) * 100;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function show(value: number): string {
  return Number.isNaN(value) ? "-" : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

async function main(): Promise<void> {
  const rounds = Number(option("rounds", "7"));
  const dir = mkdtempSync(join(tmpdir(), "tsvisor-bench-"));
  try {
    const syscalls = compile("syscalls", dir);
    const compute = compile("compute", dir);
    const measures: { name: string; unit: string; once: (where: "native" | "systrap" | "ptrace") => number }[] = [
      {
        name: "getppid",
        unit: "ns",
        once: (where) => Number(run(where, [syscalls, where === "ptrace" ? "20000" : "200000"])),
      },
      {
        name: "start and end of /bin/true",
        unit: "ms",
        once: (where) => seconds(() => run(where, ["/bin/true"])) * 1000,
      },
      { name: "computing on two CPUs", unit: "s", once: (where) => Number(run(where, [compute, "500000000"])) },
    ];
    const rows: Row[] = [];
    for (const { name, unit, once } of measures) {
      const row: Row = { name, unit, native: [], systrap: [], ptrace: [] };
      for (let i = 0; i < rounds; i++) {
        for (const where of ["native", "systrap", "ptrace"] as const) row[where].push(once(where));
        process.stderr.write(`${name}: round ${i + 1} of ${rounds}\r`);
      }
      rows.push(row);
    }
    const idle: Row = { name: "CPU while the guest sleeps", unit: "%", native: [0], systrap: [], ptrace: [] };
    for (const where of ["systrap", "ptrace"] as const) idle[where].push(await idlePercent(where));
    rows.push(idle);
    process.stderr.write(`${" ".repeat(60)}\r`);
    console.log("| figure (median) | unit | native | systrap | ratio | ptrace | ratio |");
    console.log("|---|---|---|---|---|---|---|");
    for (const row of rows) {
      const [n, s, p] = [median(row.native), median(row.systrap), median(row.ptrace)];
      const ratio = (v: number): string => (n === 0 ? "-" : show(v / n));
      console.log(`| ${row.name} | ${row.unit} | ${show(n)} | ${show(s)} | ${ratio(s)} | ${show(p)} | ${ratio(p)} |`);
    }
    const json = option("json", "");
    if (json !== "") writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
