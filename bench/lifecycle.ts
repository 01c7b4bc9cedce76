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

/** Idle sandboxes of all kinds at the same time, for `seconds`. */
export async function measureIdle(ground: Ground, only: string, seconds: number, report: Report): Promise<void> {
  if (!Object.values(IDLE_NAMES).some((name) => name.includes(only))) return;
  const sleepers = ground.targets
    .filter((t) => t !== "native")
    .map((target) => ({ target, ...ground.start(target, ["/bin/sleep", "600"], true) }));
  await pause(3000);
  const before = sleepers.map(({ child }) => ticks(tree(child.pid!)));
  await pause(seconds * 1000);
  for (const [i, { target, child }] of sleepers.entries()) {
    const members = tree(child.pid!);
    const used = ticks(members) - before[i]!;
    if (IDLE_NAMES.cpu.includes(only)) report(target, IDLE_NAMES.cpu, "%", (used / TICKS_PER_SECOND / seconds) * 100);
    if (IDLE_NAMES.memory.includes(only)) report(target, IDLE_NAMES.memory, "MiB", pss(members));
  }
  for (const { child, tidy } of sleepers) {
    const ended = new Promise((resolve) => child.once("close", resolve));
    const members = tree(child.pid!);
    // The outermost one tidies up when what it watches is gone.
    for (const pid of members.toReversed()) {
      if (pid === child.pid) continue;
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It went with its parent.
      }
    }
    await ended;
    tidy();
  }
}
