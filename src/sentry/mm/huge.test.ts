/** Large pages: who gets them, and that file and address fit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EFAULT as M_EFAULT } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { ANON, mmap, P, RW } from "./calls.testing.ts";
import { checkMm, FakeWorld, guestAccess, hostOf } from "./fake.testing.ts";
import type { MemoryManager } from "./mm.ts";

/** A large page of these tests. */
const HUGE: number = 8 * P;

function map(mm: MemoryManager, addr: number, len: number, prot: number = RW, more = 0): number {
  const at = mmap(mm, addr, len, prot, ANON | more);
  assert.ok(at > 0);
  return at;
}

/** Whether large pages were asked for at `addr`, where they must fit then. */
function isHuge(mm: MemoryManager, addr: number): boolean {
  assert.ok(guestAccess(mm, addr, false, 0) >= 0);
  checkMm(mm);
  const page = hostOf(mm).pages.get(addr / P)!;
  if (page.huge) assert.equal(page.offset % HUGE, addr % HUGE);
  return page.huge;
}

test("offsets in the file fit the addresses", () => {
  const w = new FakeWorld(4096, false, HUGE);
  const mm = w.newMm();
  const placed: number[] = [];
  for (let i = 0; i < 24; i++) {
    const len = HUGE * 2 + (i % 5) * P;
    const at = map(mm, 0x20000000 + i * 64 * P + (i % 7) * P, len, 3, M.MAP_FIXED);
    placed.push(at, len);
    for (let a = at; a < at + len; a += P) assert.ok(isHuge(mm, a));
    if (i % 3 === 0) map(mm, 0, P);
    if (i % 4 === 3) assert.equal(mm.munmap(placed[0]!, placed[1]!), 0);
  }
  assert.equal(w.memory.window.length >= w.memory.totalUsage(), true);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("not for small mappings, stacks, code, nor where the guest or the host does not want them", () => {
  const mm = new FakeWorld(4096, false, HUGE).newMm();
  assert.equal(isHuge(mm, map(mm, 0, 2 * HUGE - P)), false);
  assert.equal(isHuge(mm, map(mm, 0, 2 * HUGE)), true);
  assert.equal(isHuge(mm, map(mm, 0, 2 * HUGE, 3, M.MAP_STACK)), false);
  assert.equal(isHuge(mm, map(mm, 0, 2 * HUGE, 7)), false);
  const a = map(mm, 0, 2 * HUGE, 0);
  assert.equal(mm.madvise(a, 2 * HUGE, M.MADV_NOHUGEPAGE), 0);
  assert.equal(mm.mprotect(a, 2 * HUGE, 3), 0);
  assert.equal(isHuge(mm, a), false);
  const none = new FakeWorld(4096).newMm();
  assert.equal(isHuge(none, map(none, 0, 64 * P)), false);
});

test("they go along when they are moved, forked and protected", () => {
  const w = new FakeWorld(4096, false, HUGE);
  const mm = w.newMm();
  const a = map(mm, 0, 4 * HUGE);
  assert.equal(mm.mprotect(a + HUGE, P, 1), 0);
  assert.ok(isHuge(mm, a + HUGE));
  const to = 0x40000000 + 3 * P;
  assert.equal(mm.mremap(a, 4 * HUGE, 4 * HUGE, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, to), -M_EFAULT);
  assert.equal(mm.mprotect(a + HUGE, P, 3), 0);
  assert.equal(mm.mremap(a, 4 * HUGE, 4 * HUGE, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, to), to);
  checkMm(mm);
  const child = mm.fork(w.platform.newAddressSpace() as never, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(child.flush(), 0);
  checkMm(mm);
  checkMm(child);
  child.decUsers();
  mm.partCompany();
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});
