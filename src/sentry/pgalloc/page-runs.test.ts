import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PageRuns } from "./page-runs.ts";

test("free pages coalesce and the top comes back", () => {
  const r = new PageRuns(1000);
  const a = r.allocate(10, -1);
  const b = r.allocate(20, -1);
  const c = r.allocate(30, -1);
  assert.deepEqual([a, b, c, r.top], [0, 10, 30, 60]);
  r.free(a, 10);
  r.free(b, 20);
  assert.equal(r.freeBelow, 30);
  assert.equal(r.allocate(30, -1), 0);
  r.free(c, 30);
  assert.equal(r.top, 30);
  r.free(0, 30);
  assert.equal(r.top, 0);
  assert.equal(r.freeBelow, 0);
});

test("a hint is honoured when that place is free", () => {
  const r = new PageRuns(1000);
  const a = r.allocate(4, -1);
  r.allocate(4, -1);
  const c = r.allocate(4, -1);
  r.free(4, 4);
  assert.equal(r.allocate(2, a + 4), 4);
  assert.equal(r.allocate(2, 6), 6);
  assert.equal(r.allocate(5, c + 4), 12);
});

test("a file as large as 1 TiB costs nothing until it is used", () => {
  const pages = 2 ** 28;
  const r = new PageRuns(pages);
  assert.equal(r.allocate(pages + 1, -1), -1);
  assert.equal(r.allocate(1, -1), 0);
});

test("any sequence of allocations gives disjoint runs, and everything comes back", () => {
  const op = fc.record({ alloc: fc.boolean(), n: fc.integer({ min: 1, max: 40 }), pick: fc.nat(), hint: fc.boolean() });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 200, size: "max" }), (ops) => {
      const cap = 300;
      const r = new PageRuns(cap);
      const used = new Uint8Array(cap);
      const live: [number, number][] = [];
      for (const o of ops) {
        if (o.alloc) {
          const hint = o.hint && live.length > 0 ? live[o.pick % live.length]![0] + live[o.pick % live.length]![1] : -1;
          const p = r.allocate(o.n, hint);
          if (p < 0) continue;
          for (let i = p; i < p + o.n; i++) {
            assert.equal(used[i], 0);
            used[i] = 1;
          }
          live.push([p, o.n]);
        } else if (live.length > 0) {
          const [p, n] = live.splice(o.pick % live.length, 1)[0]!;
          used.fill(0, p, p + n);
          r.free(p, n);
        }
        let inUse = 0;
        for (let i = 0; i < cap; i++) {
          inUse += used[i]!;
          assert.equal(r.isFree(i), used[i] === 0, `page ${i}`);
        }
        assert.equal(r.top - r.freeBelow, inUse);
      }
      for (const [p, n] of live) r.free(p, n);
      assert.equal(r.top, 0);
    }),
    { numRuns: 100 },
  );
});
