import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AddrNode, AddrTree } from "./addr-tree.ts";

const SPAN = 200;

/** Structure and augmentation of the whole tree. */
function check(t: AddrTree<AddrNode>): void {
  let count = 0;
  let prevEnd = 0;
  let prev: AddrNode | null = null;
  for (let n = t.first; n !== null; n = n.next) {
    assert.equal(n.prev, prev);
    assert.ok(n.start >= prevEnd && n.end > n.start);
    assert.equal(n.gap, n.start - n.guard - prevEnd);
    prevEnd = n.end;
    prev = n;
    count++;
  }
  assert.equal(t.last, prev);
  assert.equal(t.count, count);
  const walk = (n: AddrNode | null, parent: AddrNode | null): number => {
    if (n === null) return -Infinity;
    assert.equal(n.parent, parent);
    if (parent !== null) assert.ok(parent.priority <= n.priority);
    const m = Math.max(n.gap, walk(n.left, n), walk(n.right, n));
    assert.equal(n.maxGap, m);
    return m;
  };
  walk(t.root, null);
}

test("agrees with a bitmap: lookups, gaps both ways, changes", () => {
  const op = fc.record({
    kind: fc.constantFrom("insert", "insert", "insert", "remove", "resize", "down", "up"),
    a: fc.integer({ min: 0, max: SPAN - 1 }),
    n: fc.integer({ min: 1, max: 12 }),
    guard: fc.constantFrom(0, 0, 0, 3),
    lo: fc.integer({ min: 0, max: SPAN }),
    hi: fc.integer({ min: 0, max: SPAN }),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120, size: "max" }), (ops) => {
      const t = new AddrTree<AddrNode>();
      const map: (AddrNode | null)[] = new Array<AddrNode | null>(SPAN + 20).fill(null);
      const blocked = (i: number): boolean => {
        for (let k = 0; k <= 3; k++) {
          const n = map[i + k];
          if (n !== null && n !== undefined) return i >= n.start - n.guard; // a guard ends at the next node below
        }
        return false;
      };
      for (const o of ops) {
        const at = map[o.a] ?? null;
        switch (o.kind) {
          case "insert": {
            const end = o.a + o.n;
            const free = map.slice(o.a, end).every((x) => x === null);
            assert.equal(t.isFree(o.a, end), free);
            if (!free) break;
            const n = new AddrNode();
            n.start = o.a;
            n.end = end;
            n.guard = o.guard;
            t.insert(n);
            map.fill(n, o.a, end);
            break;
          }
          case "remove":
            if (at === null) break;
            t.remove(at);
            map.fill(null, at.start, at.end);
            break;
          case "resize": {
            if (at === null) break;
            const start = Math.max(at.prev === null ? 0 : at.prev.end, at.start - 1);
            const end = at.end - at.start > 1 ? at.end - 1 : at.end;
            map.fill(null, at.start, at.end);
            t.resize(at, start, end);
            map.fill(at, start, end);
            break;
          }
          case "down":
          case "up": {
            const fits: number[] = [];
            for (let a = o.lo; a + o.n <= o.hi; a++) {
              let ok = true;
              for (let i = a; i < a + o.n; i++) if (map[i] !== null || blocked(i)) ok = false;
              if (ok) fits.push(a);
            }
            const want = fits.length === 0 ? -1 : o.kind === "up" ? fits[0]! : fits[fits.length - 1]!;
            const got = o.kind === "up" ? t.gapBottomUp(o.n, o.lo, o.hi) : t.gapTopDown(o.n, o.lo, o.hi);
            assert.equal(got, want);
          }
        }
        assert.equal(t.find(o.a), map[o.a] ?? null);
        let lb: AddrNode | null = null;
        for (let i = o.a; i < map.length && lb === null; i++) lb = map[i]!;
        assert.equal(t.lowerBound(o.a), lb);
        check(t);
      }
    }),
    { numRuns: 200 },
  );
});

test("overlap is refused", () => {
  const t = new AddrTree<AddrNode>();
  const make = (s: number, e: number): AddrNode => {
    const n = new AddrNode();
    n.start = s;
    n.end = e;
    return n;
  };
  t.insert(make(10, 20));
  assert.throws(() => t.insert(make(19, 21)));
  assert.throws(() => t.insert(make(5, 11)));
});
