/** When changes reach the host, and pages are free. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENOMEM } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { ANON, P, RW, mmap, write } from "./calls.testing.ts";
import { checkMm, FakeHostFile, FakeWorld, hostOf } from "./fake.testing.ts";

test("pages are given back only after a flush", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0, 4 * P, RW, ANON);
  write(mm, a, 1);
  assert.equal(mm.needsFlush, false);
  mm.munmap(a, 4 * P);
  mm.spares.drop(mm, a, a + 4 * P, false);
  assert.equal(w.memory.totalUsage(), 4 * P);
  assert.equal(mm.needsFlush, true);
  assert.equal(mm.flush(), 0);
  assert.equal(w.memory.totalUsage(), 0);
  assert.equal(mm.needsFlush, false);
  hostOf(mm).failWith = -ENOMEM;
  assert.equal(mm.flush(), -ENOMEM);
});

test("a thread gets to unmap only what nobody else can get", () => {
  const w = new FakeWorld(4096);
  const mm = w.newMm();
  const host = hostOf(mm);
  const file = new FakeHostFile(4 * P);
  for (let i = 0; i < 4; i++) {
    mmap(mm, 0, P, RW, ANON);
    assert.equal(mm.handOver(0), 0);
  }
  assert.equal(host.handedOver, 0, "no windows at first");
  const a = mmap(mm, 0, 2 * P, RW, ANON);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 1);
  assert.equal(mm.munmap(a, P), 0);
  mm.spares.drop(mm, a, a + P, false);
  const used = w.memory.totalUsage();
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 2);
  assert.equal(w.memory.totalUsage(), used - P);
  // It maps no file, but may unmap one of the host; not what has been shared memory.
  const f = mmap(mm, 0x20000000, 2 * P, RW, M.MAP_SHARED, file);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 2);
  assert.equal(mm.munmap(f, 2 * P), 0);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 3);
  assert.equal(file.pageRefs, 0);
  const s = mmap(mm, 0x20000000, 2 * P, RW, M.MAP_SHARED | M.MAP_ANONYMOUS);
  assert.equal(mm.handOver(0), 0);
  assert.equal(mm.munmap(s, 2 * P), 0);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 3);
  // With other threads, pages wait until the batch is done.
  mm.incUsers();
  assert.equal(mm.munmap(a + P, P), 0);
  mm.spares.drop(mm, a + P, a + 2 * P, false);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.handedOver, 4);
  assert.equal(w.memory.totalUsage(), used - P);
  assert.equal(mm.needsFlush, false);
  mmap(mm, 0, P, RW, ANON);
  assert.equal(mm.handOver(0), 0);
  assert.equal(w.memory.totalUsage(), used - P);
  checkMm(mm);
  mm.decUsers();
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});
