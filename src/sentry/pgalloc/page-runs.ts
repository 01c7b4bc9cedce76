/**
 * Which pages of a file's page space are free: a page-range allocator.
 *
 * Boundary tags in page-indexed arrays: the first page of a free run holds its length, the last page the negated length
 * (a run of one page just 1), every other page 0. So both neighbours of a freed range are found, and merged, without
 * searching. Free runs are kept in doubly linked bins by power of two. Pages from `top` up were never used (or came back)
 * and are handed out by moving `top`: the arrays only cover what was ever in use, and a range of any size costs the same.
 */

const BINS = 32;
/** Runs of the same bin as the request that are looked at before a larger bin is taken. */
const FIT_TRIES = 16;

export class PageRuns {
  /** Pages in all. */
  readonly capacity: number = 0;
  /** Pages from here on are free and in no bin. */
  top = 0;
  /** Free pages below `top`. */
  freeBelow = 0;

  private tag: Int32Array;
  private next: Int32Array;
  private prev: Int32Array;
  /** First run of each bin, -1: none; `binMask` has the bit of every bin that is not empty. */
  private readonly bins: Int32Array = new Int32Array(BINS).fill(-1);
  private binMask = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    const n = Math.min(capacity, 4096);
    this.tag = new Int32Array(n);
    this.next = new Int32Array(n);
    this.prev = new Int32Array(n);
  }

  /** The first page of a run of `n` pages, now in use; -1: none is free. `hint` >= 0: the page to start at if it can be. */
  allocate(n: number, hint: number): number {
    if (hint >= 0) {
      if (hint === this.top) {
        if (this.top + n <= this.capacity) return this.fromTop(n);
      } else if (hint < this.top) {
        // Only a run's first page can be taken by hint: enough to grow a range that was allocated piece by piece.
        const have = this.tag[hint]!;
        if (have >= n) {
          this.take(hint, have, n);
          return hint;
        }
      }
    }
    const bin = 31 - Math.clz32(n);
    let p = this.bins[bin]!;
    for (let tries = 0; p >= 0 && tries < FIT_TRIES; tries++) {
      const have = this.tag[p]!;
      if (have >= n) {
        this.take(p, have, n);
        return p;
      }
      p = this.next[p]!;
    }
    const larger = bin >= 30 ? 0 : (this.binMask >>> (bin + 1)) << (bin + 1);
    if (larger !== 0) {
      p = this.bins[31 - Math.clz32(larger & -larger)]!;
      this.take(p, this.tag[p]!, n);
      return p;
    }
    return this.top + n <= this.capacity ? this.fromTop(n) : -1;
  }

  /** Gives pages [p, p+n) back. */
  free(p: number, n: number): void {
    let start = p;
    let len = n;
    if (start > 0) {
      const before = this.tag[start - 1]!;
      if (before !== 0) {
        const k = before < 0 ? -before : before;
        this.tag[start - 1] = 0;
        start -= k;
        len += k;
        this.unlink(start, k);
      }
    }
    const end = p + n;
    if (end < this.top) {
      const after = this.tag[end]!;
      if (after > 0) {
        this.unlink(end, after);
        this.tag[end + after - 1] = 0;
        len += after;
      }
    }
    if (start + len === this.top) {
      this.top = start;
      return;
    }
    this.link(start, len);
  }

  /** Whether page `p` lies in a free run (for tests and assertions: it walks). */
  isFree(p: number): boolean {
    if (p >= this.top) return true;
    for (let q = p; q >= 0; q--) {
      const t = this.tag[q]!;
      if (t > 0) return q + t > p;
      if (t < 0) return q === p;
    }
    return false;
  }

  private fromTop(n: number): number {
    const p = this.top;
    this.top += n;
    if (this.top > this.tag.length) this.grow(this.top);
    return p;
  }

  private grow(need: number): void {
    let n = this.tag.length;
    while (n < need) n *= 2;
    if (n > this.capacity) n = this.capacity;
    this.tag = grown(this.tag, n);
    this.next = grown(this.next, n);
    this.prev = grown(this.prev, n);
  }

  /** Takes the first n pages of the free run of `have` pages at p. */
  private take(p: number, have: number, n: number): void {
    this.unlink(p, have);
    this.tag[p + have - 1] = 0;
    if (have > n) this.link(p + n, have - n);
  }

  private link(p: number, n: number): void {
    this.tag[p + n - 1] = -n;
    this.tag[p] = n;
    this.freeBelow += n;
    const bin = 31 - Math.clz32(n);
    const head = this.bins[bin]!;
    this.next[p] = head;
    this.prev[p] = -1;
    if (head >= 0) this.prev[head] = p;
    this.bins[bin] = p;
    this.binMask |= 1 << bin;
  }

  /** Takes the run off its bin and clears the tag of its first page; the caller clears the one of its last. */
  private unlink(p: number, n: number): void {
    const next = this.next[p]!;
    const prev = this.prev[p]!;
    if (next >= 0) this.prev[next] = prev;
    if (prev >= 0) this.next[prev] = next;
    else {
      const bin = 31 - Math.clz32(n);
      this.bins[bin] = next;
      if (next < 0) this.binMask &= ~(1 << bin);
    }
    this.tag[p] = 0;
    this.freeBelow -= n;
  }
}

/** A copy of `old` with `n` elements. */
function grown(old: Int32Array, n: number): Int32Array {
  const a = new Int32Array(n);
  a.set(old);
  return a;
}
