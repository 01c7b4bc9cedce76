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
  const store = new FakeStore(256);
  const f = new MemoryFile(store);
  const a = f.allocate(40 * P, MEM_ANON, true, -1);
  const b = f.allocate(40 * P, MEM_ANON, true, -1);
  const c = f.allocate(2 * P, MEM_ANON, true, -1);
  f.beginFree();
  f.decRef(b, 40 * P);
  f.decRef(a, 40 * P);
  assert.equal(store.punches.length, 0);
  f.endFree();
  assert.deepEqual(store.punches, [[a / P, 80]]);
  f.decRef(c, 2 * P);
  assert.equal(store.punches.length, 1);
  f.trim();
  assert.deepEqual(store.punches[1], [c / P, 2]);
});

test("kept runs serve requests of their length, with zeros when those are asked for", () => {
  const f = new MemoryFile(new FakeStore(256));
  const a = f.allocate(5 * P, MEM_ANON, true, -1);
  f.window.fill(7, a, a + 5 * P);
  f.decRef(a, 5 * P);
  assert.notEqual(f.allocate(P, MEM_ANON, true, -1), a);
  assert.equal(f.allocate(5 * P, MEM_ANON, true, -1), a);
  assert.ok(f.window.subarray(a, a + 5 * P).every((byte) => byte === 0));
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
