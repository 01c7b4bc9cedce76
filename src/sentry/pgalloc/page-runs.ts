/**
 * Which pages of a file's page space are free: page-range allocators.
 *
 * Boundary tags in page-indexed arrays: the first page of a free run holds its length, the last page the negated length
 * (a run of one page just 1), every other page 0. So both neighbours of a freed range are found, and merged, without
 * searching. Free runs are kept in doubly linked bins by power of two.
 */
import { WIDE } from "../../base/wide.ts";

const BINS = 32;
/** Runs of the same bin as the request that are looked at before a larger bin is taken. */
const FIT_TRIES = 16;

/** The tags and links of all pages that some allocator was ever given. */
export class RunTags {
  tag: Int32Array;
  next: Int32Array;
  prev: Int32Array;

  constructor(size: number) {
    this.tag = new Int32Array(size);
    this.next = new Int32Array(size);
    this.prev = new Int32Array(size);
  }

  /** Makes room for pages below `need`. */
  grow(need: number): void {
    let n = Math.max(this.tag.length, 1);
    if (need <= n) return;
    while (n < need) n *= 2;
    this.tag = grown(this.tag, n);
    this.next = grown(this.next, n);
    this.prev = grown(this.prev, n);
  }
}

/** Free runs; all pages are in use until they are freed for the first time. Several may share one set of tags. */
export class FreeRuns {
  /** Free pages. */
  count: number = WIDE;
  protected readonly tags: RunTags;
  /** First run of each bin, -1: none; `binMask` has the bit of every bin that is not empty. */
  protected readonly bins: Int32Array = new Int32Array(BINS).fill(-1);
  private binMask = 0;

  constructor(tags: RunTags) {
    this.tags = tags;
  }

  /** Whether a free page p - 1 and a free page p may be one run. */
  protected joins(_p: number): boolean {
    return true;
  }

  /** Takes `n` pages at `hint` if they are free there. */
  protected takeAt(hint: number, n: number): boolean {
    // Only a run's first page can be taken by hint: enough to grow a range that was allocated piece by piece.
    const have = this.tags.tag[hint]!;
    if (have < n) return false;
    this.take(hint, have, n);
    return true;
  }

  /** The first page of a run of `n` pages, now in use; -1: none is free. */
  protected takeAny(n: number): number {
    const { tag, next } = this.tags;
    const bin = 31 - Math.clz32(n);
    let p = this.bins[bin]!;
    for (let tries = 0; p >= 0 && tries < FIT_TRIES; tries++) {
      const have = tag[p]!;
      if (have >= n) {
        this.take(p, have, n);
        return p;
      }
      p = next[p]!;
    }
    const larger = bin >= 30 ? 0 : (this.binMask >>> (bin + 1)) << (bin + 1);
    if (larger === 0) return -1;
    p = this.bins[31 - Math.clz32(larger & -larger)]!;
    this.take(p, tag[p]!, n);
    return p;
  }

  /** Gives pages [p, p+n) back; the run they are part of now starts at the result and is `tags.tag[result]` long. */
  protected put(p: number, n: number): number {
    const { tag } = this.tags;
    let start = p;
    let len = n;
    if (start > 0) {
      const before = tag[start - 1]!;
      if (before !== 0 && this.joins(start)) {
        const k = before < 0 ? -before : before;
        tag[start - 1] = 0;
        start -= k;
        len += k;
        this.unlink(start, k);
      }
    }
    const end = p + n;
    const after = end < tag.length ? tag[end]! : 0;
    if (after > 0 && this.joins(end)) {
      this.unlink(end, after);
      tag[end + after - 1] = 0;
      len += after;
    }
    this.link(start, len);
    return start;
  }

  /** Takes all runs out, as pairs (page, count). */
  protected takeAll(): number[] {
    const { tag, next } = this.tags;
    const list: number[] = [];
    for (let bin = 0; bin < BINS; bin++) {
      for (let p = this.bins[bin]!; p >= 0; p = next[p]!) list.push(p, tag[p]!);
      this.bins[bin] = -1;
    }
    this.binMask = 0;
    this.count = 0;
    for (let i = 0; i < list.length; i += 2) {
      tag[list[i]!] = 0;
      tag[list[i]! + list[i + 1]! - 1] = 0;
    }
    return list;
  }

  /** Takes the first n pages of the free run of `have` pages at p. */
  protected take(p: number, have: number, n: number): void {
    this.unlink(p, have);
    this.tags.tag[p + have - 1] = 0;
    if (have > n) this.link(p + n, have - n);
  }

  private link(p: number, n: number): void {
    const { tag, next, prev } = this.tags;
    tag[p + n - 1] = -n;
    tag[p] = n;
    this.count += n;
    const bin = 31 - Math.clz32(n);
    const head = this.bins[bin]!;
    next[p] = head;
    prev[p] = -1;
    if (head >= 0) prev[head] = p;
    this.bins[bin] = p;
    this.binMask |= 1 << bin;
  }

  /** Takes the run off its bin and clears the tag of its first page; the caller clears the one of its last. */
  private unlink(p: number, n: number): void {
    const t = this.tags;
    const next = t.next[p]!;
    const prev = t.prev[p]!;
    if (next >= 0) t.prev[next] = prev;
    if (prev >= 0) t.next[prev] = next;
    else {
      const bin = 31 - Math.clz32(n);
      this.bins[bin] = next;
      if (next < 0) this.binMask &= ~(1 << bin);
    }
    t.tag[p] = 0;
    this.count -= n;
  }
}

/**
 * An allocator for all of a page space. Pages from `top` up were never used (or came back) and are handed out by moving `top`: the
 * tags only cover what was ever in use, and a range of any size costs the same.
 */
export class PageRuns extends FreeRuns {
  /** Pages in all. */
  readonly capacity: number = 0;
  /** Pages from here on are free and in no bin. */
  top: number = WIDE;

  constructor(capacity: number) {
    super(new RunTags(Math.min(capacity, 1024)));
    this.capacity = capacity;
  }

  /** Free pages below `top`. */
  get freeBelow(): number {
    return this.count;
  }

  /** The first page of a run of `n` pages, now in use; -1: none is free. `hint` >= 0: the page to start at if it can be. */
  allocate(n: number, hint: number): number {
    if (hint >= 0) {
      if (hint === this.top) {
        if (this.top + n <= this.capacity) return this.fromTop(n);
      } else if (hint < this.top && this.takeAt(hint, n)) return hint;
    }
    const p = this.takeAny(n);
    if (p >= 0) return p;
    return this.top + n <= this.capacity ? this.fromTop(n) : -1;
  }

  /** Gives pages [p, p+n) back. */
  free(p: number, n: number): void {
    const start = this.put(p, n);
    const len = this.tags.tag[start]!;
    if (start + len !== this.top) return;
    this.take(start, len, len);
    this.top = start;
  }

  /** Tells all free runs but the pages from `top` on. */
  eachFree(visit: (p: number, n: number) => void): void {
    const { tag, next } = this.tags;
    for (let bin = 0; bin < BINS; bin++) {
      for (let p = this.bins[bin]!; p >= 0; p = next[p]!) visit(p, tag[p]!);
    }
  }

  /** Whether page `p` lies in a free run (for tests and assertions: it walks). */
  isFree(p: number): boolean {
    if (p >= this.top) return true;
    const { tag } = this.tags;
    for (let q = p; q >= 0; q--) {
      const t = tag[q]!;
      if (t > 0) return q + t > p;
      if (t < 0) return q === p;
    }
    return false;
  }

  private fromTop(n: number): number {
    const p = this.top;
    this.top += n;
    this.tags.grow(this.top);
    return p;
  }
}

/** A copy of `old` with `n` elements. */
function grown(old: Int32Array, n: number): Int32Array {
  const a = new Int32Array(n);
  a.set(old);
  return a;
}
