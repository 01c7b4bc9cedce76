/**
 * The load average of proc_loadavg(5), worked out when somebody asks: the CPU time that threads used since the last
 * question tells how many were running on average. Nothing runs while nobody asks.
 */
import { WIDE } from "../../base/wide.ts";

/** Seconds over which the three figures fade. */
const PERIODS: readonly [number, number, number] = [60, 300, 900];
/** Questions closer together than this do not count, ns. */
const MIN_INTERVAL_NS = 1e8;

/** See the header. */
export class LoadAverage {
  /** Over one, five and fifteen minutes. */
  readonly values: [number, number, number] = [0, 0, 0];
  private lastNs: number = WIDE;
  private lastCpuNs: number = WIDE;

  /** Whether a question now would count. */
  isDue(nowNs: number): boolean {
    return nowNs - this.lastNs >= MIN_INTERVAL_NS;
  }

  /** `nowNs`: time since boot; `cpuNs`: CPU time used by all threads since boot. */
  update(nowNs: number, cpuNs: number): void {
    const elapsed = nowNs - this.lastNs;
    if (elapsed < MIN_INTERVAL_NS) return;
    const busy = Math.max(0, (cpuNs - this.lastCpuNs) / elapsed);
    for (let i = 0; i < PERIODS.length; i++) {
      const keep = Math.exp(-elapsed / 1e9 / PERIODS[i]!);
      this.values[i] = this.values[i]! * keep + busy * (1 - keep);
    }
    this.lastNs = nowNs;
    this.lastCpuNs = cpuNs;
  }
}
