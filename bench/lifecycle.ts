/** Rows measured from outside: start and end of sandboxes, latency of the first byte, memory and CPU of idle ones. */
import { readdirSync, readFileSync } from "node:fs";
import type { TargetName, Unit } from "./stats.ts";
import type { Ground } from "./targets.ts";

/** What a measurement tells. */
export type Report = (target: TargetName, name: string, unit: Unit, value: number) => void;

const TICKS_PER_SECOND = 100;
const CREATORS = [1, 2, 4, 8];
/** Containers made for each figure of a number of creators. */
const CONTAINERS = 8;
/** By then a start is over, ms. */
const SETTLE_MS = 3000;
const IDLE_NAMES = { cpu: "CPU of an idle sandbox", memory: "memory of an idle sandbox (PSS)" };

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** ms until the first byte of output and until the end; NaN when it failed. */
async function timed(ground: Ground, target: TargetName, argv: readonly string[]): Promise<[number, number]> {
  const begin = performance.now();
  let first = NaN;
  const { child, tidy } = ground.start(target, argv);
  child.stdout!.once("data", () => (first = performance.now() - begin));
  child.stdout!.resume();
  const status = await new Promise((resolve) => child.once("close", resolve));
  const whole = status === 0 ? performance.now() - begin : NaN;
  tidy();
  return [first, whole];
}

/** The rows of start-up and teardown in one target. */
export async function measureStarts(ground: Ground, target: TargetName, only: string, report: Report): Promise<void> {
  const whole = "start and end of /bin/true";
  if (whole.includes(only)) {
    const [, took] = await timed(ground, target, ["/bin/true"]);
    if (!Number.isNaN(took)) report(target, whole, "ms", took);
  }
  const programs: [string, string[]][] = [
    ["first byte of echo", ["/bin/echo", "x"]],
    ["first byte of python", ["/usr/bin/python3", "-c", "print(1)"]],
    ["first byte of node", ["/usr/bin/node", "-e", "console.log(1)"]],
  ];
  for (const [name, argv] of programs) {
    if (!name.includes(only)) continue;
    const [first] = await timed(ground, target, argv);
    if (!Number.isNaN(first)) report(target, name, "ms", first);
  }
  for (const creators of CREATORS) {
    const name = `containers, ${creators} creator${creators === 1 ? "" : "s"}`;
    if (!name.includes(only)) continue;
    let left = CONTAINERS;
    let failed = 0;
    const begin = performance.now();
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const [, took] = await timed(ground, target, ["/bin/true"]);
        if (Number.isNaN(took)) failed++;
      }
    };
    await Promise.all(Array.from({ length: creators }, worker));
    if (failed === 0) report(target, name, "/s", (CONTAINERS / (performance.now() - begin)) * 1000);
  }
}

/** A process and all its descendants. */
function tree(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, "latin1");
      parents.set(Number(entry), Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const members: number[] = [];
  for (const id of parents.keys()) {
    for (let p = id; p > 1; p = parents.get(p) ?? 0) {
      if (p !== pid) continue;
      members.push(id);
      break;
    }
  }
  return members;
}

function ticks(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    total += Number(fields[11]) + Number(fields[12]);
  }
  return total;
}

/** Proportional set size, MiB: pages that several processes map are shared out among them. */
function pss(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    total += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
  }
  return total / 1024;
}

/** A sandbox that sleeps, until it is ended. */
function startSleeper(ground: Ground, target: TargetName): { pid: number; end: () => Promise<void> } {
  const { child, tidy } = ground.start(target, ["/bin/sleep", "600"], true);
  const end = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once("close", resolve));
    // The outermost one tidies up when what it watches is gone.
    for (const pid of tree(child.pid!).toReversed()) {
      if (pid === child.pid) continue;
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It went with its parent.
      }
    }
    await ended;
    tidy();
  };
  return { pid: child.pid!, end };
}

/** Idle sandboxes: memory of each kind while no other runs, with which it could share pages; CPU for `seconds`, all at once. */
export async function measureIdle(ground: Ground, only: string, seconds: number, report: Report): Promise<void> {
  const targets = ground.targets.filter((t) => t !== "native");
  for (const target of IDLE_NAMES.memory.includes(only) ? targets : []) {
    const sleeper = startSleeper(ground, target);
    await pause(SETTLE_MS);
    report(target, IDLE_NAMES.memory, "MiB", pss(tree(sleeper.pid)));
    await sleeper.end();
  }
  if (!IDLE_NAMES.cpu.includes(only)) return;
  const sleepers = targets.map((target) => ({ target, ...startSleeper(ground, target) }));
  await pause(SETTLE_MS);
  const before = sleepers.map(({ pid }) => ticks(tree(pid)));
  await pause(seconds * 1000);
  for (const [i, { target, pid }] of sleepers.entries()) {
    const used = ticks(tree(pid)) - before[i]!;
    report(target, IDLE_NAMES.cpu, "%", (used / TICKS_PER_SECOND / seconds) * 100);
  }
  for (const { end } of sleepers) await end();
}
