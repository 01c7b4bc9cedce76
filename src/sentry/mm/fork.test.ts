/** What processes share after a fork. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EFAULT, ENOMEM } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { ANON, P, RW, forkOf, mmap, read, write } from "./calls.testing.ts";
import { checkMm, FakeWorld, hostOf } from "./fake.testing.ts";
import { type MemoryManager, FutexLocation } from "./mm.ts";

test("fork: copy on write on both sides, taken over in place when the other is gone", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 16 * P, RW, ANON);
  write(mm, a, 1);
  const as = w.platform.newAddressSpace();
  assert.ok(typeof as !== "number");
  const child = mm.fork(as, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(hostOf(mm).access(a, 2), null, "the parent's threads cannot write any more");
  assert.equal(w.memory.totalUsage(), 16 * P);
  assert.equal(write(child, a, 2), 2);
  assert.equal(read(mm, a), 1);
  assert.equal(w.memory.totalUsage(), 20 * P, "a window around the page is copied");
  child.decUsers();
  assert.equal(w.memory.totalUsage(), 16 * P);
  const ops = hostOf(mm).ops;
  assert.equal(write(mm, a + 9 * P, 3), 3);
  assert.equal(hostOf(mm).ops, ops + 1, "one mprotect for everything that the child did not write to");
  assert.equal(write(mm, a, 4), 4);
  assert.equal(hostOf(mm).ops, ops + 2);
  assert.equal(w.memory.totalUsage(), 16 * P);
  checkMm(mm);
});

test("fork: pages written after an earlier fork are copied by the next one", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 16 * P, RW, ANON);
  const fork = (): MemoryManager => forkOf(w, mm);
  write(mm, a, 1);
  const first = fork();
  write(mm, a, 2);
  first.decUsers();
  const second = fork();
  checkMm(mm);
  checkMm(second);
  assert.ok(hostOf(mm).access(a, 2) !== null && hostOf(second).access(a, 2) !== null, "both may write at once");
  assert.equal(hostOf(mm).access(a + 8 * P, 2), null, "other pages are shared");
  write(mm, a, 3);
  assert.equal(read(second, a), 2);
  write(second, a, 4);
  assert.equal(read(mm, a), 3);
  second.decUsers();
  mm.incUsers();
  const third = fork();
  assert.equal(hostOf(mm).access(a, 2), null, "another thread might write while pages are copied");
  third.decUsers();
  mm.decUsers();
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("fork: pages that a child wrote to are copied for the next one", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 64 * P, RW, ANON);
  const fork = (): MemoryManager => forkOf(w, mm);
  write(mm, a + 32 * P, 1);
  const first = fork();
  write(first, a + 32 * P, 2);
  first.decUsers();
  const second = fork();
  checkMm(mm);
  checkMm(second);
  assert.ok(hostOf(second).access(a + 32 * P, 2) !== null, "the child may write at once");
  assert.equal(hostOf(mm).access(a + 32 * P, 2), null, "the parent has not asked to");
  assert.equal(read(second, a + 32 * P), 1);
  assert.equal(hostOf(second).access(a, 2), null);
  // A read-only part is shared again, whoever wrote to it earlier.
  assert.equal(mm.mprotect(a + 32 * P, P, 1), 0);
  const third = fork();
  assert.equal(mm.mprotect(a + 32 * P, P, RW), 0);
  write(mm, a + 32 * P, 3);
  assert.equal(read(third, a + 32 * P), 1);
  assert.equal(read(mm, a + 32 * P), 3);
  for (const m of [mm, second, third]) {
    checkMm(m);
    m.decUsers();
  }
  assert.equal(w.memory.totalUsage(), 0);
});

test("fork: memory that copies on a write have left in pieces is put together again", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 64 * P, RW, ANON);
  for (let i = 0; i < 64; i++) write(mm, a + i * P, i);
  // From above, so that no copy follows the one before it in the file.
  for (let i = 60; i >= 0; i -= 20) {
    const child = forkOf(w, mm);
    write(mm, a + i * P, 100 + i);
    child.decUsers();
  }
  const pieces = mm.pmas.count;
  assert.ok(pieces > 8, `${pieces}`);
  const child = forkOf(w, mm);
  const { count } = mm.pmas;
  assert.ok(count < pieces, `${count} of ${pieces}`);
  checkMm(mm);
  checkMm(child);
  // What the child has as well stays where it is.
  const at = mm.pmas.find(a + 50 * P)?.off;
  const second = forkOf(w, mm);
  assert.equal(mm.pmas.find(a + 50 * P)?.off, at);
  second.decUsers();
  for (let i = 0; i < 64; i++) {
    const want = i % 20 === 0 ? 100 + i : i;
    assert.equal(read(mm, a + i * P), want);
    assert.equal(read(child, a + i * P), want);
  }
  write(child, a + 62 * P, 1);
  write(mm, a + 2 * P, 1);
  assert.equal(read(mm, a + 62 * P), 62);
  assert.equal(read(child, a + 2 * P), 2);
  for (const m of [mm, child]) {
    checkMm(m);
    m.decUsers();
  }
  assert.equal(w.memory.totalUsage(), 0);
});

test("fork: DONTFORK, WIPEONFORK, locks, failure", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 6 * P, RW, ANON);
  for (let i = 0; i < 6; i++) write(mm, a + i * P, 10 + i);
  assert.equal(mm.madvise(a + P, P, M.MADV_DONTFORK), 0);
  assert.equal(mm.madvise(a + 2 * P, P, M.MADV_WIPEONFORK), 0);
  assert.equal(mm.mlock(a + 4 * P, P, 0, false), 0);
  const child = mm.fork(w.platform.newAddressSpace() as never, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(read(child, a), 10);
  assert.equal(read(child, a + P), -EFAULT);
  assert.equal(read(child, a + 2 * P), 0);
  assert.equal(child.lockedVm, 0);
  assert.equal(mm.lockedVm, P);
  child.decUsers();
  // No memory for the wiped page: the parent is as before, the caller still has the host address space.
  const b = mmap(mm, 0x20000000, 50 * P, RW, ANON);
  assert.equal(mm.madvise(b, 50 * P, M.MADV_WIPEONFORK), 0);
  const as = w.platform.newAddressSpace();
  assert.ok(typeof as !== "number");
  assert.equal(mm.fork(as, w.limits), -ENOMEM);
  assert.equal(as.released, false);
  assert.equal(as.pages.size, 0);
  assert.equal(write(mm, a, 1), 1);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("shared anonymous memory is shared with the child; mremap of length 0 maps it twice", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0, 2 * P, RW, M.MAP_SHARED | M.MAP_ANONYMOUS);
  const child = mm.fork(w.platform.newAddressSpace() as never, w.limits);
  assert.ok(typeof child !== "number");
  write(child, a, 5);
  assert.equal(read(mm, a), 5);
  const b = mm.mremap(a, 0, 2 * P, M.MREMAP_MAYMOVE, 0);
  assert.ok(b > 0 && b !== a);
  write(mm, b + P, 6);
  assert.equal(read(child, a + P), 6);
  const l1 = new FutexLocation();
  const l2 = new FutexLocation();
  assert.equal(mm.futexLocate(a + P, true, l1), 0);
  assert.equal(child.futexLocate(a + P, true, l2), 0);
  assert.deepEqual(l1, l2);
  assert.equal(mm.futexLocate(b + P, true, l2), 0);
  assert.deepEqual(l1, l2);
  assert.equal(mm.futexLocate(a + P, false, l2), 0);
  assert.notEqual(l1.id, l2.id);
  assert.equal(mm.madvise(a, P, M.MADV_REMOVE), 0);
  assert.equal(read(child, a), 0);
  child.decUsers();
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("after a change of rights, nothing that a fork shared can be written by its first owner", () => {
  const w = new FakeWorld(4096);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 4 * P, RW, ANON);
  for (let i = 0; i < 6; i++) {
    mmap(mm, 0, P, RW, ANON);
    mm.flush();
  }
  write(mm, a, 1);
  const host = hostOf(mm);
  assert.ok(host.windows.size > 0);
  mm.partCompany();
  assert.ok(host.windows.size > 0, "nobody shares anything yet");
  const child = mm.fork(w.platform.newAddressSpace() as never, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(child.flush(), 0);
  assert.ok(host.access(a, 1)?.shared);
  assert.equal(hostOf(child).access(a, 1)?.shared, false);
  mm.partCompany();
  assert.equal(host.windows.size, 0);
  assert.equal(host.access(a, 1)?.shared, false);
  // What is written from now on is in other memory.
  write(mm, a, 2);
  const b = mmap(mm, 0, P, RW, ANON);
  write(mm, b, 3);
  assert.equal(read(child, a), 1);
  const page = hostOf(child).access(a, 1)?.offset;
  assert.equal(child.ownPages(), 0);
  assert.equal(child.flush(), 0);
  assert.notEqual(hostOf(child).access(a, 1)?.offset, page);
  assert.equal(read(child, a), 1);
  for (const m of [mm, child]) {
    checkMm(m);
    m.decUsers();
  }
  assert.equal(w.memory.totalUsage(), 0);
});
