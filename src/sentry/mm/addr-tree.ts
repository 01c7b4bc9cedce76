/**
 * AddrTree: disjoint address ranges in order. An intrusive treap: nodes are also linked to their neighbours, and every
 * node knows the largest gap in front of a node of its subtree, so lookups, insertions, removals and the search for free
 * space all take logarithmic time and allocate nothing.
 */
import { WIDE } from "../../base/wide.ts";

/** A range [start, end) in one tree at a time. The tree owns the link fields. */
export class AddrNode {
  start: number = WIDE;
  end: number = WIDE;
  /** Bytes below `start` that must stay free (a stack's guard). */
  guard = 0;
  left: this | null = null;
  right: this | null = null;
  parent: this | null = null;
  prev: this | null = null;
  next: this | null = null;
  priority = 0;
  /** Free bytes between the previous node and this one, less the guard; and the largest such in this subtree. */
  gap: number = WIDE;
  maxGap: number = WIDE;
}

export class AddrTree<T extends AddrNode> {
  root: T | null = null;
  first: T | null = null;
  last: T | null = null;
  count = 0;
  private seed = 0x2545f491;

  /** The node that contains addr, or null. @hot */
  find(addr: number): T | null {
    let n: T | null = this.root;
    while (n !== null) {
      if (addr < n.start) n = n.left;
      else if (addr >= n.end) n = n.right;
      else return n;
    }
    return null;
  }

  /** The first node that ends above addr (contains it or lies above it), or null. */
  lowerBound(addr: number): T | null {
    let n: T | null = this.root;
    let best: T | null = null;
    while (n !== null) {
      if (n.end > addr) {
        best = n;
        n = n.left;
      } else n = n.right;
    }
    return best;
  }

  /** Whether nothing lies in [start, end). */
  isFree(start: number, end: number): boolean {
    const n = this.lowerBound(start);
    return n === null || n.start >= end;
  }

  /** Adds a node whose start, end and guard are set; it must not overlap another. */
  insert(node: T): void {
    this.seed ^= this.seed << 13;
    this.seed ^= this.seed >>> 17;
    this.seed ^= this.seed << 5;
    node.priority = this.seed;
    node.left = null;
    node.right = null;
    let parent: T | null = null;
    let n: T | null = this.root;
    let goLeft = false;
    let before: T | null = null;
    let after: T | null = null;
    while (n !== null) {
      parent = n;
      goLeft = node.start < n.start;
      if (goLeft) {
        after = n;
        n = n.left;
      } else {
        before = n;
        n = n.right;
      }
    }
    if ((before !== null && before.end > node.start) || (after !== null && after.start < node.end)) {
      throw new Error("overlapping ranges in an address tree");
    }
    node.parent = parent;
    node.prev = before;
    node.next = after;
    if (before !== null) before.next = node;
    else this.first = node;
    if (after !== null) after.prev = node;
    else this.last = node;
    if (parent === null) this.root = node;
    else if (goLeft) parent.left = node;
    else parent.right = node;
    this.count++;
    node.gap = gapBefore(node);
    node.maxGap = node.gap;
    // Rotations keep subtree values right for the two nodes they turn; what is above is brought up to date afterwards.
    while (node.parent !== null && node.priority < node.parent.priority) this.rotateUp(node);
    updatePath(node);
    if (after !== null) {
      after.gap = gapBefore(after);
      updatePath(after);
    }
  }

  remove(node: T): void {
    while (node.left !== null || node.right !== null) {
      const l = node.left;
      const r = node.right;
      this.rotateUp(l === null ? r! : r === null ? l : l.priority < r.priority ? l : r);
    }
    const parent = node.parent;
    if (parent === null) this.root = null;
    else if (parent.left === node) parent.left = null;
    else parent.right = null;
    const { prev, next } = node;
    if (prev !== null) prev.next = next;
    else this.first = next;
    if (next !== null) next.prev = prev;
    else this.last = prev;
    this.count--;
    node.parent = null;
    node.prev = null;
    node.next = null;
    if (parent !== null) updatePath(parent);
    if (next !== null) {
      next.gap = gapBefore(next);
      updatePath(next);
    }
  }

  /** Forgets all nodes at once; those are dead. */
  clear(): void {
    for (let n = this.first; n !== null; n = n.next) {
      n.start = 0;
      n.end = 0;
    }
    this.root = null;
    this.first = null;
    this.last = null;
    this.count = 0;
  }

  /** Moves a node's bounds in place; order and disjointness must be kept. */
  resize(node: T, start: number, end: number): void {
    if (start !== node.start) {
      node.start = start;
      node.gap = gapBefore(node);
      updatePath(node);
    }
    if (end !== node.end) {
      node.end = end;
      const next = node.next;
      if (next !== null) {
        next.gap = gapBefore(next);
        updatePath(next);
      }
    }
  }

  /** The highest address a with [a, a+len) free, guards respected, lo <= a and a+len <= hi; or -1. */
  gapTopDown(len: number, lo: number, hi: number): number {
    const last = this.last;
    const top = last === null ? lo : Math.max(lo, last.end);
    if (hi - len >= top) return hi - len;
    let n: T | null = this.root;
    while (n !== null) {
      // Down to the highest gap that is large enough and begins below hi.
      if (n.right !== null && n.right.maxGap >= len && n.end + len <= hi) {
        n = n.right;
        continue;
      }
      // Nothing above: this gap, then the left subtree, then up.
      let up: T | null = n;
      n = null;
      while (up !== null) {
        const a = gapTop(up, len, lo, hi);
        if (a >= 0) return a;
        if (up.start <= lo) return -1;
        if (up.left !== null && up.left.maxGap >= len) {
          n = up.left;
          break;
        }
        up = ancestorBelow(up);
      }
    }
    return -1;
  }

  /** The lowest address a with [a, a+len) free, guards respected, lo <= a and a+len <= hi; or -1. */
  gapBottomUp(len: number, lo: number, hi: number): number {
    let n = this.lowerBound(lo);
    // The ordinary case is short; long runs of small gaps are skipped by subtree.
    while (n !== null) {
      const from = n.prev === null ? lo : Math.max(lo, n.prev.end);
      if (from + len > hi) return -1;
      if (from + len <= n.start - n.guard) return from;
      if (n.right !== null && n.right.maxGap >= len) n = leftmostFit(n.right, len);
      else n = ancestorAbove(n, len);
    }
    const last: T | null = this.last;
    const from = last === null ? lo : Math.max(lo, last.end);
    return from + len <= hi ? from : -1;
  }

  /** Turns `node` up over its parent. */
  private rotateUp(node: T): void {
    const p = node.parent!;
    const g = p.parent;
    if (p.left === node) {
      p.left = node.right;
      if (node.right !== null) node.right.parent = p;
      node.right = p;
    } else {
      p.right = node.left;
      if (node.left !== null) node.left.parent = p;
      node.left = p;
    }
    p.parent = node;
    node.parent = g;
    if (g === null) this.root = node;
    else if (g.left === p) g.left = node;
    else g.right = node;
    p.maxGap = subtreeGap(p);
    node.maxGap = subtreeGap(node);
  }
}

function gapBefore(n: AddrNode): number {
  return n.start - n.guard - (n.prev === null ? 0 : n.prev.end);
}

function subtreeGap(n: AddrNode): number {
  let m = n.gap;
  const { left, right } = n;
  if (left !== null && left.maxGap > m) m = left.maxGap;
  if (right !== null && right.maxGap > m) m = right.maxGap;
  return m;
}

/** Brings maxGap up to date from n to the root, as far as it changes. */
function updatePath(n: AddrNode): void {
  let at: AddrNode | null = n;
  while (at !== null) {
    const m = subtreeGap(at);
    // The first node is always looked past: its own value may have been set before.
    if (m === at.maxGap && at !== n) return;
    at.maxGap = m;
    at = at.parent;
  }
}

/** Highest fitting address in the gap before n, or -1. */
function gapTop(n: AddrNode, len: number, lo: number, hi: number): number {
  if (n.gap < len) return -1;
  const from = Math.max(lo, n.prev === null ? 0 : n.prev.end);
  const to = Math.min(hi, n.start - n.guard);
  return to - len >= from ? to - len : -1;
}

/** The nearest ancestor below n in order (of which n lies in the right subtree). */
function ancestorBelow<T extends AddrNode>(n: T): T | null {
  let at: T = n;
  let p: T | null = at.parent;
  while (p !== null && p.left === at) {
    at = p;
    p = at.parent;
  }
  return p;
}

/** The next candidate above n's right subtree: an ancestor that lies above (any gap; the caller checks it). */
function ancestorAbove<T extends AddrNode>(n: T, len: number): T | null {
  let at: T = n;
  for (;;) {
    let p: T | null = at.parent;
    while (p !== null && p.right === at) {
      at = p;
      p = at.parent;
    }
    if (p === null) return null;
    if (p.gap >= len || (p.right !== null && p.right.maxGap >= len)) return p;
    at = p;
  }
}

/** The lowest node of the subtree whose gap fits; its maxGap must. */
function leftmostFit<T extends AddrNode>(root: T, len: number): T {
  let n: T = root;
  for (;;) {
    if (n.left !== null && n.left.maxGap >= len) n = n.left;
    else if (n.gap >= len) return n;
    else n = n.right!;
  }
}
