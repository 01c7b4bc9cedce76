/** When changes reach the host, and pages are free. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EFAULT, ENOMEM } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { ANON, P, RW, mmap, read, write } from "./calls.testing.ts";
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

test("the pieces of a library are mapped together, when something else happens", () => {
  const w = new FakeWorld(4096);
  const mm = w.newMm();
  const host = hostOf(mm);
  const file = new FakeHostFile(8 * P);
  file.backing.bytes.fill(5);
  const image = M.MAP_PRIVATE | M.MAP_DENYWRITE;
  const library = (): number => {
    const a = mmap(mm, 0, 8 * P, M.PROT_READ, image, file);
    assert.equal(mm.handOver(0), 0);
    assert.equal(mmap(mm, a + 2 * P, 3 * P, 5, image | M.MAP_FIXED, file, 2 * P), a + 2 * P);
    assert.equal(mm.handOver(0), 0);
    assert.equal(mmap(mm, a + 6 * P, 2 * P, RW, image | M.MAP_FIXED, file, 6 * P), a + 6 * P);
    assert.equal(mm.handOver(0), 0);
    return a;
  };
  // It reads there at once.
  const one = library();
  assert.equal(host.postponed, 3);
  assert.equal(host.flushes, 0);
  assert.equal(read(mm, one + 2 * P), 5);
  assert.equal(host.flushes, 1);
  // Nothing else waits with them: here what a munmap left.
  const two = library();
  assert.equal(host.postponed, 6);
  mm.munmap(one, 8 * P);
  mmap(mm, two + 5 * P, P, RW, image | M.MAP_FIXED, file, 0);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.postponed, 6);
  assert.equal(read(mm, one), -EFAULT);
  // A piece over one that is there: the old one could be read.
  mmap(mm, two + 2 * P, P, RW, image | M.MAP_FIXED, file, 0);
  assert.equal(mm.handOver(0), 0);
  assert.equal(host.postponed, 6);
  // Others could reach the place already.
  mm.incUsers();
  library();
  assert.equal(host.postponed, 6);
  checkMm(mm);
});

test("what is mapped over a longer mapping leaves nothing of it", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const long = new FakeHostFile(8 * P);
  const short = new FakeHostFile(2 * P);
  const a = mmap(mm, 0, 8 * P, M.PROT_READ, M.MAP_PRIVATE, long);
  assert.equal(mm.flush(), 0);
  assert.equal(mmap(mm, a, 6 * P, M.PROT_READ, M.MAP_PRIVATE | M.MAP_FIXED, short), a);
  assert.equal(mm.flush(), 0);
  assert.equal(hostOf(mm).access(a + 2 * P, 1), null);
  assert.notEqual(hostOf(mm).access(a + 6 * P, 1), null);
  checkMm(mm);
});
