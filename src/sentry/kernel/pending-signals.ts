/** A queue of pending signals: one per thread and one per thread group. signal(7), sigqueue(3). */
import { NSIG, SIGRTMIN, sigBitHi, sigBitLo, SYNCHRONOUS_LO } from "../../abi/signal.ts";
import type { SigInfo } from "../../abi/signal.ts";
import type { UserCounts } from "../limits/user-counts.ts";

/** Standard signals are kept once, real-time ones as often as sent, each in order of arrival. */
export class PendingSignals {
  /** Which signals are pending. */
  lo = 0;
  hi = 0;
  /** How many signals each user has queued, here and elsewhere. */
  private readonly counts: UserCounts;
  /** Arrivals by signal number; undefined until first used. */
  private queues: (SigInfo[] | undefined)[] = [];

  constructor(counts: UserCounts) {
    this.counts = counts;
  }

  /**
   * Queues a signal, which counts for `owner` (-1: for nobody). False when a standard one was pending already (it is then
   * dropped). RLIMIT_SIGPENDING is the caller's business.
   */
  add(info: SigInfo, owner: number): boolean {
    const sig = info.signo;
    // A timer's signal has a place of its own.
    if (sig < SIGRTMIN && info.timer === null && this.has(sig)) return false;
    info.owner = owner;
    if (owner >= 0) this.counts.change(owner, 1);
    const q = this.queues[sig];
    if (q === undefined) this.queues[sig] = [info];
    else q.push(info);
    this.lo |= sigBitLo(sig);
    this.hi |= sigBitHi(sig);
    return true;
  }

  has(sig: number): boolean {
    return (this.lo & sigBitLo(sig)) !== 0 || (this.hi & sigBitHi(sig)) !== 0;
  }

  /** Whether this very signal is among them. */
  contains(info: SigInfo): boolean {
    return this.queues[info.signo]?.includes(info) === true;
  }

  get empty(): boolean {
    return (this.lo | this.hi) === 0;
  }

  /** Removes and returns the next signal in the set lo/hi: synchronous ones first, then by number; null if none. */
  take(lo: number, hi: number): SigInfo | null {
    const a = this.lo & lo;
    if (a !== 0) {
      const sync = a & SYNCHRONOUS_LO;
      return this.takeSignal(lowestBit(sync !== 0 ? sync : a));
    }
    const b = this.hi & hi;
    return b !== 0 ? this.takeSignal(lowestBit(b) + 32) : null;
  }

  /** Removes and returns the oldest `sig`. Precondition: it is pending. */
  takeSignal(sig: number): SigInfo | null {
    const q = this.queues[sig];
    const info = (q?.length === 1 ? q.pop() : q?.shift()) ?? null;
    if (info !== null) this.left(info);
    if (q === undefined || q.length === 0) {
      this.lo &= ~sigBitLo(sig);
      this.hi &= ~sigBitHi(sig);
    }
    return info;
  }

  private left(info: SigInfo): void {
    if (info.owner >= 0) this.counts.change(info.owner, -1);
    info.owner = -1;
  }

  /** Throws away everything. */
  clear(): void {
    if (!this.empty) this.discard(-1, -1);
  }

  /** Throws away all pending signals of the set; returns how many. */
  discard(lo: number, hi: number): number {
    let n = 0;
    for (let sig = 1; sig <= NSIG; sig++) {
      if ((sigBitLo(sig) & lo) === 0 && (sigBitHi(sig) & hi) === 0) continue;
      const q = this.queues[sig];
      if (q !== undefined) {
        n += q.length;
        for (const info of q) {
          this.left(info);
          info.timer?.dropped(info);
        }
        q.length = 0;
      }
    }
    this.lo &= ~lo;
    this.hi &= ~hi;
    return n;
  }

  /** Removes what `match` picks (a deleted POSIX timer's signal). */
  remove(sig: number, info: SigInfo): void {
    const q = this.queues[sig];
    const i = q === undefined ? -1 : q.indexOf(info);
    if (q === undefined || i < 0) return;
    q.splice(i, 1);
    this.left(info);
    if (q.length === 0) {
      this.lo &= ~sigBitLo(sig);
      this.hi &= ~sigBitHi(sig);
    }
  }
}

/** 1-based index of the lowest set bit of a non-zero word. */
function lowestBit(word: number): number {
  return 32 - Math.clz32(word & -word);
}
