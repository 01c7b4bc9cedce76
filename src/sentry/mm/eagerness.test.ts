/** When new private memory gets its pages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as M from "../../abi/mman.ts";
import { ANON, mmap, P, RW, read, write } from "./calls.testing.ts";
import { checkMm, FakeWorld, hostOf } from "./fake.testing.ts";
import type { MemoryManager } from "./mm.ts";

const AT = 0x20000000;

/** Maps n pages one by one, a page between two; those that have something on the host then. */
function mapMany(mm: MemoryManager, from: number, n: number, use: (at: number) => void): number {
  let eager = 0;
  for (let i = 0; i < n; i++) {
    const at = mmap(mm, from + 2 * i * P, P, RW, ANON | M.MAP_FIXED);
    mm.flush();
    if (hostOf(mm).access(at, 3) !== null) eager++;
    use(at);
  }
  return eager;
}

test("a program that touches what it maps gets pages at once, but for a few trials", () => {
  const w = new FakeWorld(8192);
  const mm = w.newMm();
  const n = 1000;
  const eager = mapMany(mm, AT, n, (at) => assert.equal(write(mm, at, 1), 1));
  assert.ok(eager >= n - 8, `${eager}`);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("one that maps more than it touches gets them at the first touch, until it touches what it maps", () => {
  const w = new FakeWorld(8192);
  const mm = w.newMm();
  assert.equal(mapMany(mm, AT, 100, () => undefined) < 70, true);
  assert.equal(
    mapMany(mm, AT + 1000 * P, 200, () => undefined),
    0,
  );
  checkMm(mm);
  assert.equal(read(mm, AT + 1000 * P), 0);
  assert.equal(mmap(mm, AT + 2000 * P, P, RW, ANON | M.MAP_FIXED | M.MAP_POPULATE), AT + 2000 * P);
  mm.flush();
  assert.ok(hostOf(mm).access(AT + 2000 * P, 3) !== null, "populated");
  const eager = mapMany(mm, AT + 3000 * P, 100, (at) => assert.equal(write(mm, at, 1), 1));
  assert.ok(eager > 80, `${eager}`);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("what is mapped over another mapping shows nothing of it", () => {
  const w = new FakeWorld(8192);
  const mm = w.newMm();
  mapMany(mm, AT, 200, () => undefined);
  const at = AT + 1000 * P;
  mmap(mm, at, 4 * P, RW, ANON | M.MAP_FIXED | M.MAP_POPULATE);
  assert.equal(write(mm, at + P, 7), 7);
  mmap(mm, at + P, 2 * P, RW, ANON | M.MAP_FIXED);
  checkMm(mm);
  assert.equal(read(mm, at + P), 0);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});
