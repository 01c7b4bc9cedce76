/**
 * /proc/pressure: how much time was lost to waiting for a processor. The figures are made when somebody asks, as those of
 * the load average. Nobody waits for memory: pages are never taken back by this kernel. What is waited for of disks is the
 * host's and not known here.
 */
import { EINVAL } from "../../../abi/errno.ts";
import { KernfsFile } from "../../fs/kernfs/kernfs.ts";
import type { KernfsFs } from "../../fs/kernfs/kernfs.ts";
import { taskTotals } from "../../kernel/totals.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { ProcShared } from "./shared.ts";

/** Seconds over which the averages fade. */
const PERIODS: readonly [number, number, number] = [10, 60, 300];
/** Questions closer together than this do not count, ns. */
const MIN_INTERVAL_NS = 1e8;

/** Time lost, as shares of the time that passed. */
export class StallAverage {
  private readonly shares: [number, number, number] = [0, 0, 0];
  private totalNs = 0;
  private lastNs = 0;
  private lastWaitedNs = 0;

  /** `nowNs`: time since boot; `waitedNs`: what all threads together have waited since boot. */
  update(nowNs: number, waitedNs: number): void {
    const elapsed = nowNs - this.lastNs;
    if (elapsed < MIN_INTERVAL_NS) return;
    // How much of it was at the same time is not known: at most all of the time that passed was lost.
    const lost = Math.min(Math.max(0, waitedNs - this.lastWaitedNs), elapsed);
    for (let i = 0; i < PERIODS.length; i++) {
      const keep = Math.exp(-elapsed / 1e9 / PERIODS[i]!);
      this.shares[i] = this.shares[i]! * keep + (lost / elapsed) * (1 - keep);
    }
    this.totalNs += lost;
    this.lastNs = nowNs;
    this.lastWaitedNs = waitedNs;
  }

  line(kind: string): string {
    const [a, b, c] = this.shares.map((share) => (share * 100).toFixed(2));
    return `${kind} avg10=${a} avg60=${b} avg300=${c} total=${Math.floor(this.totalNs / 1000)}\n`;
  }
}

const never = new StallAverage();

/** The most and the least time that a trigger may look at, us. */
const WINDOW_MIN = 500_000;
const WINDOW_MAX = 10_000_000;

/** One file of the directory. */
export class PressureFile extends KernfsFile {
  private readonly shared: ProcShared;
  private readonly isCpu: boolean;

  constructor(fs: KernfsFs, shared: ProcShared, isCpu: boolean) {
    super(fs, 0o666);
    this.shared = shared;
    this.isCpu = isCpu;
  }

  override text(): string {
    if (!this.isCpu) return never.line("some") + never.line("full");
    const { kernel, stalls } = this.shared;
    taskTotals(kernel);
    stalls.update(kernel.clock.boottimeNs(), kernel.waitedNs);
    return stalls.line("some") + never.line("full");
  }

  /** A trigger, "some 150000 1000000": taken when it is one. Whoever polls is not told of processors. */
  override writeText(_ctx: PathContext, data: string): number {
    const words = /^(some|full) (\d+) (\d+)[\n\0]*$/.exec(data);
    if (words === null) return -EINVAL;
    const threshold = Number(words[2]);
    const window = Number(words[3]);
    const bad = window < WINDOW_MIN || window > WINDOW_MAX || threshold === 0 || threshold > window;
    return bad ? -EINVAL : data.length;
  }

  override get canPoll(): boolean {
    return true;
  }

  override readiness(): number {
    return 0;
  }
}
