import assert from "node:assert/strict";
import { test } from "node:test";
import { MEM_ANON, MEM_TMPFS, MemoryFile, type MemoryStore } from "./memory-file.ts";

const P = 4096;

class FakeStore implements MemoryStore {
  readonly backing = { fd: 3, platformFd: -1 };
  readonly window: Uint8Array;
  readonly punches: [number, number][] = [];
  constructor(pages: number) {
    this.window = new Uint8Array(pages * P);
  }
  punch(offset: number, len: number): number {
    this.punches.push([offset / P, len / P]);
    this.window.fill(0, offset, offset + len);
    return 0;
  }
}

test("new pages read as zeros, also when they were used before", () => {
  const store = new FakeStore(64);
  const f = new MemoryFile(store);
  for (const len of [P, 2 * P, 20 * P]) {
    const a = f.allocate(len, MEM_ANON, true, -1);
    f.window.fill(0xaa, a, a + len);
    f.decRef(a, len);
    for (let i = 0; i < 3; i++) {
      const b = f.allocate(len, MEM_ANON, true, -1);
      assert.ok(f.window.subarray(b, b + len).every((x) => x === 0));
      f.window.fill(0xbb, b, b + len);
    }
  }
});

test("references, exclusiveness and accounts by kind", () => {
  const f = new MemoryFile(new FakeStore(64));
  const a = f.allocate(4 * P, MEM_ANON, true, -1);
  const b = f.allocate(P, MEM_TMPFS, true, -1);
  assert.equal(f.usage(MEM_ANON), 4 * P);
  assert.equal(f.usage(MEM_TMPFS), P);
  f.incRef(a + P, P);
  assert.equal(f.isExclusive(a), true);
  assert.equal(f.isExclusive(a + P), false);
  assert.equal(f.exclusiveBytes(a, 4 * P), P);
  f.decRef(a, 4 * P);
  assert.equal(f.usage(MEM_ANON), P);
  assert.equal(f.isExclusive(a + P), true);
  f.decRef(a + P, P);
  f.decRef(b, P);
  assert.equal(f.totalUsage(), 0);
  assert.throws(() => f.decRef(b, P));
});

test("long runs are punched at once, batches in merged runs, short ones on trim", () => {
  const store = new FakeStore(1024);
  const f = new MemoryFile(store);
  const a = f.allocate(140 * P, MEM_ANON, true, -1);
  const c = f.allocate(2 * P, MEM_ANON, true, -1);
  f.beginFree();
  f.decRef(a + 70 * P, 70 * P);
  f.decRef(a, 70 * P);
  assert.equal(store.punches.length, 0);
  f.endFree();
  assert.deepEqual(store.punches, [[a / P, 140]]);
  f.decRef(c, 2 * P);
  assert.equal(store.punches.length, 1);
  f.trim();
  assert.deepEqual(store.punches[1], [c / P, 2]);
});

test("kept runs serve requests of their length, with zeros when those are asked for, and shorter ones", () => {
  const store = new FakeStore(256);
  const f = new MemoryFile(store);
  const a = f.allocate(9 * P, MEM_ANON, true, -1);
  f.window.fill(7, a, a + 9 * P);
  f.decRef(a, 9 * P);
  assert.equal(f.allocate(9 * P, MEM_ANON, true, -1), a);
  assert.ok(f.window.subarray(a, a + 9 * P).every((byte) => byte === 0));
  f.window.fill(7, a, a + 9 * P);
  f.decRef(a, 9 * P);
  // Many pages of a longer run may never have been touched: zeros for more than a few are new ones.
  assert.notEqual(f.allocate(6 * P, MEM_ANON, true, -1), a);
  assert.equal(f.allocate(6 * P, MEM_ANON, false, -1), a);
  assert.equal(f.allocate(2 * P, MEM_ANON, true, -1), a + 6 * P);
  assert.ok(f.window.subarray(a + 6 * P, a + 8 * P).every((byte) => byte === 0));
  assert.equal(f.allocate(P, MEM_ANON, false, -1), a + 8 * P);
  assert.deepEqual(store.punches, []);
});

test("space that only lies on the stack of kept pages is found", () => {
  const f = new MemoryFile(new FakeStore(8));
  const a = f.allocate(8 * P, MEM_ANON, true, -1);
  f.decRef(a, 8 * P);
  assert.equal(f.allocate(8 * P, MEM_ANON, true, -1), 0);
  assert.equal(f.allocate(P, MEM_ANON, true, -1), -12);
});

test("a limit leaves room beside files, and is measured again when it seems reached", () => {
  const store = new FakeStore(64);
  let committed = 0;
  const f = new MemoryFile({
    backing: store.backing,
    window: store.window,
    punch: (offset: number, len: number) => store.punch(offset, len),
    committedTotal: () => committed,
  });
  assert.equal(f.admit(1e12), true);
  assert.equal(f.room(), Infinity);
  f.limit = 800 * P;
  committed = 100 * P;
  assert.equal(f.room(), 700 * P);
  assert.equal(f.admit(601 * P), false);
  assert.equal(f.admit(600 * P), true);
  // Nothing was used after all.
  assert.equal(f.admit(10 * P), true);
  committed = 700 * P;
  assert.equal(f.admit(1000 * P), false);
  assert.equal(f.admit(P), false);
  committed = 900 * P;
  assert.equal(f.room(), 0);
});

test("pages of an address space go back to it alone until its pool is closed", () => {
  const f = new MemoryFile(new FakeStore(1024));
  const one = f.openPool();
  const two = f.openPool();
  const mine: number[] = [];
  for (let i = 0; i < 20; i++) mine.push(one.allocate(3 * P, MEM_ANON, true, -1));
  for (const a of mine) {
    assert.equal(f.poolOf(a), one);
    assert.ok(f.isOwned(a));
  }
  const others = [two.allocate(P, MEM_ANON, true, -1), f.allocate(P, MEM_TMPFS, true, -1)];
  assert.ok(!f.isOwned(others[1]!));
  for (const a of mine) f.decRef(a, 3 * P);
  const taken = new Set(mine);
  for (const pool of [two, f]) {
    for (let i = 0; i < 30; i++) assert.ok(!taken.has(pool.allocate(3 * P, MEM_ANON, true, -1)));
  }
  assert.ok(taken.has(one.allocate(3 * P, MEM_ANON, true, -1)));
});

test("a closed pool's unused pages are there for everybody, used ones when they are freed", () => {
  const f = new MemoryFile(new FakeStore(64));
  const one = f.openPool();
  const held = one.allocate(P, MEM_ANON, true, -1);
  f.window[held] = 5;
  while (one.allocate(4 * P, MEM_ANON, true, -1) >= 0) continue;
  assert.equal(f.allocate(P, MEM_TMPFS, true, -1), -12);
  for (let a = 0; a < 64 * P; a += P) if (a !== held && f.refCount(a) > 0) f.decRef(a, P);
  one.close();
  assert.equal(f.window[held], 5);
  assert.ok(!f.isOwned(held));
  let n = 0;
  while (f.allocate(P, MEM_TMPFS, true, -1) >= 0) n++;
  assert.equal(n, 63);
  f.decRef(held, P);
  assert.equal(f.allocate(P, MEM_TMPFS, true, -1), held);
  assert.equal(f.window[held], 0);
});

test("a retired pool keeps what is freed until it is closed", () => {
  const f = new MemoryFile(new FakeStore(64));
  const one = f.openPool();
  const a = one.allocate(2 * P, MEM_ANON, true, -1);
  one.retire();
  f.decRef(a, 2 * P);
  let n = 0;
  while (f.allocate(P, MEM_TMPFS, true, -1) >= 0) n++;
  assert.equal(n, 64 - f.chunkPages);
  one.close();
  assert.ok(f.allocate(P, MEM_TMPFS, true, -1) >= 0);
});

test("the pool of a space that ended without leaving pages serves the next one", () => {
  const f = new MemoryFile(new FakeStore(1024));
  const one = f.openPool();
  const a = one.allocate(2 * P, MEM_ANON, true, -1);
  f.window.fill(9, a, a + 2 * P);
  f.decRef(a, 2 * P);
  one.close();
  const next = f.openPool();
  const b = next.allocate(2 * P, MEM_ANON, true, -1);
  assert.equal(b, a);
  assert.ok(f.window.subarray(b, b + 2 * P).every((x) => x === 0));
  f.decRef(b, 2 * P);
  next.close();
  f.trim();
  assert.equal(f.totalUsage(), 0);
});

test("what was noted about pages that nobody has any more is forgotten", () => {
  const store = new FakeStore(340 * 1024);
  const forgotten: number[] = [];
  Object.assign(store, {
    // Nobody writes into these pages.
    punch: () => 0,
    forget(a: Int32Array | Uint8Array, from: number, to: number): void {
      forgotten.push((to - from) * a.BYTES_PER_ELEMENT);
      a.fill(0, from, to);
    },
  });
  const f = new MemoryFile(store);
  const pages = 300 * 1024;
  for (let i = 0; i < 3; i++) {
    const low = f.allocate(P, MEM_ANON, true, -1);
    const a = f.allocate(pages * P, MEM_ANON, true, -1);
    const high = f.allocate(P, MEM_ANON, true, -1);
    forgotten.length = 0;
    f.decRef(a, pages * P);
    const sum = forgotten.reduce((x, y) => x + y, 0);
    assert.ok(sum >= 299 * 1024 * 17, `${sum} bytes of the notes of ${pages} pages`);
    assert.equal(f.refCount(low), 1);
    assert.equal(f.refCount(high), 1);
    f.decRef(low, P);
    f.decRef(high, P);
  }
  assert.equal(f.totalUsage(), 0);
});
