/** Counts of durations, fine enough for percentiles: each bucket is 4 % wide. */

/** Buckets for each doubling. */
const STEPS = 16;
/** 2^44 ns are five hours; what is longer falls into the last bucket. */
const DOUBLINGS = 44;

export class Histogram {
  count = 0;
  totalNs = 0;
  private maxNs = 0;
  private readonly buckets: Uint32Array = new Uint32Array(STEPS * DOUBLINGS);

  add(ns: number): void {
    const at = ns < 1 ? 0 : Math.min(STEPS * DOUBLINGS - 1, Math.floor(Math.log2(ns) * STEPS));
    this.buckets[at]!++;
    this.count++;
    this.totalNs += ns;
    if (ns > this.maxNs) this.maxNs = ns;
  }

  /** The duration, within 4 %, that a part of them does not exceed (0.5: the median); 0 when there are none. */
  percentile(part: number): number {
    let left = Math.ceil(this.count * part);
    if (left === 0) return 0;
    for (let i = 0; i < this.buckets.length; i++) {
      left -= this.buckets[i]!;
      if (left <= 0) return Math.min(this.maxNs, 2 ** ((i + 0.5) / STEPS));
    }
    return 0;
  }
}
