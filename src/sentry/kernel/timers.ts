/**
 * Kernel timers: a binary heap of absolute monotonic deadlines. The main loop sleeps until the earliest and fires what
 * is due. Timer objects are embedded in their owners and used again and again, so arming allocates nothing.
 */

/** Who is told that a timer expired. May arm the same timer again; must not run a system call attempt. */
export interface TimerListener {
  onTimer(timer: Timer, nowNs: number): void;
}

/** One deadline. Not armed while `index` < 0. */
export class Timer {
  /** Absolute monotonic ns; valid while armed. */
  deadlineNs = 0;
  /** Place in the heap, -1 when not armed. */
  index = -1;
  readonly listener: TimerListener;

  constructor(listener: TimerListener) {
    this.listener = listener;
  }

  get armed(): boolean {
    return this.index >= 0;
  }
}

/** See the header. */
export class TimerQueue {
  private heap: Timer[] = [];

  /** Arms (or re-arms) `timer` for an absolute monotonic time. */
  arm(timer: Timer, deadlineNs: number): void {
    if (timer.index >= 0) this.cancel(timer);
    timer.deadlineNs = deadlineNs;
    timer.index = this.heap.length;
    this.heap.push(timer);
    this.up(timer.index);
  }

  /** Disarms; no effect when not armed. */
  cancel(timer: Timer): void {
    const i = timer.index;
    if (i < 0) return;
    timer.index = -1;
    const last = this.heap.pop()!;
    if (last === timer) return;
    this.heap[i] = last;
    last.index = i;
    this.up(i);
    this.down(last.index);
  }

  /** Timers that are armed. */
  get count(): number {
    return this.heap.length;
  }

  /** Earliest deadline, Infinity when none is armed. */
  get nextNs(): number {
    return this.heap.length === 0 ? Infinity : this.heap[0]!.deadlineNs;
  }

  /** Fires everything due at `nowNs`; returns how many. A timer that re-arms itself in the past waits for the next call. */
  fire(nowNs: number): number {
    let n = 0;
    const most = this.heap.length;
    while (n < most && this.heap.length > 0) {
      const t = this.heap[0]!;
      if (t.deadlineNs > nowNs) break;
      this.cancel(t);
      t.listener.onTimer(t, nowNs);
      n++;
    }
    return n;
  }

  private up(start: number): void {
    const h = this.heap;
    let i = start;
    const t = h[i]!;
    while (i > 0) {
      const p = (i - 1) >> 1;
      const parent = h[p]!;
      if (parent.deadlineNs <= t.deadlineNs) break;
      h[i] = parent;
      parent.index = i;
      i = p;
    }
    h[i] = t;
    t.index = i;
  }

  private down(start: number): void {
    const h = this.heap;
    const n = h.length;
    let i = start;
    const t = h[i]!;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= n) break;
      if (c + 1 < n && h[c + 1]!.deadlineNs < h[c]!.deadlineNs) c++;
      const child = h[c]!;
      if (child.deadlineNs >= t.deadlineNs) break;
      h[i] = child;
      child.index = i;
      i = c;
    }
    h[i] = t;
    t.index = i;
  }
}
