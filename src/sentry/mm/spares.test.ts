/** Memory that is unmapped and mapped again: what is kept for it, and that nobody can tell. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EACCES, EFAULT } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { ANON, mmap, P, RW } from "./calls.testing.ts";
import { checkMm, FakeWorld, guestAccess, hostOf } from "./fake.testing.ts";
import type { MemoryManager } from "./mm.ts";

function map(mm: MemoryManager, addr: number, len: number, prot: number = RW, more = 0): number {
  const at = mmap(mm, addr, len, prot, ANON | more);
  assert.ok(at > 0);
  return at;
}

function world(): { w: FakeWorld; mm: MemoryManager } {
  const w = new FakeWorld(4096);
  return { w, mm: w.newMm() };
}

test("a piece that is mapped again has its old page, empty; in between nothing is there", () => {
  const { w, mm } = world();
  const a = map(mm, 0, 2 * P);
  guestAccess(mm, a + P, true, 77);
  const page = hostOf(mm).access(a, 1)?.offset;
  const before = [mm.totalVm, mm.dataVm, mm.rssAnon];
  assert.equal(mm.munmap(a, 2 * P), 0);
  checkMm(mm);
  assert.deepEqual([mm.totalVm, mm.dataVm, mm.rssAnon], [0, 0, 0]);
  assert.equal(guestAccess(mm, a, false, 0), -EFAULT);
  assert.equal(mm.copyIn(a, new Uint8Array(1), 0, 1), -EFAULT);
  assert.equal(map(mm, 0, 2 * P), a);
  checkMm(mm);
  assert.deepEqual([mm.totalVm, mm.dataVm, mm.rssAnon], before);
  assert.equal(hostOf(mm).access(a, 1)?.offset, page);
  assert.equal(guestAccess(mm, a + P, false, 0), 0);
  // Another protection is as good.
  mm.munmap(a, 2 * P);
  assert.equal(map(mm, 0, 2 * P, 1), a);
  checkMm(mm);
  assert.ok(hostOf(mm).access(a, 2) === null);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("whatever else comes to its place drops it", () => {
  const at = 0x20000000;
  const cases: [string, (mm: MemoryManager) => void][] = [
    ["a longer mapping", (mm) => map(mm, at, 5 * P, 3, M.MAP_FIXED)],
    ["a shorter one", (mm) => map(mm, at + P, P, 3, M.MAP_FIXED)],
    ["one without access", (mm) => map(mm, at, 4 * P, 0, M.MAP_FIXED)],
    ["one that is populated", (mm) => map(mm, at, 4 * P, 3, M.MAP_FIXED | M.MAP_POPULATE)],
    [
      "one that is moved there",
      (mm) => {
        const b = map(mm, 0, 4 * P);
        assert.equal(mm.mremap(b, 4 * P, 4 * P, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, at), at);
      },
    ],
    [
      "one below that grows",
      (mm) => {
        map(mm, at - P, P, 3, M.MAP_FIXED);
        assert.equal(mm.mremap(at - P, P, 3 * P, 0, 0), at - P);
      },
    ],
    [
      "a range around it that is unmapped",
      (mm) => {
        map(mm, at - P, P, 3, M.MAP_FIXED);
        map(mm, at + 4 * P, P, 3, M.MAP_FIXED);
        assert.equal(mm.munmap(at - 2 * P, 8 * P), 0);
      },
    ],
    ["another pool", (mm) => mm.changePool()],
  ];
  for (const [what, change] of cases) {
    const { w, mm } = world();
    map(mm, at, 4 * P, 3, M.MAP_FIXED);
    guestAccess(mm, at + 2 * P, true, 9);
    mm.munmap(at, 4 * P);
    assert.equal(mm.spares.list.length, 1, what);
    change(mm);
    assert.equal(mm.spares.list.length, 0, what);
    checkMm(mm);
    mm.munmap(at - 16 * P, 64 * P);
    map(mm, at, 4 * P, 3, M.MAP_FIXED);
    assert.equal(guestAccess(mm, at + 2 * P, false, 0), 0, what);
    mm.decUsers();
    assert.equal(w.memory.totalUsage(), 0);
  }
});

test("only what nobody else has is kept, not for a child, and not without limit", () => {
  const { w, mm } = world();
  const a = map(mm, 0, P);
  guestAccess(mm, a, true, 1);
  const child = mm.fork(w.platform.newAddressSpace() as never, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(child.flush(), 0);
  mm.munmap(a, P);
  assert.equal(mm.spares.list.length, 0, "the child has it");
  assert.equal(guestAccess(child, a, false, 0), 1);
  child.decUsers();
  const x = map(mm, 0, P, 7);
  mm.munmap(x, P);
  assert.equal(mm.spares.list.length, 0, "it was code");
  const many: number[] = [];
  for (let i = 0; i < 200; i++) many.push(map(mm, 0x30000000 + i * 4 * P, P, 3, M.MAP_FIXED));
  for (const at of many) mm.munmap(at, P);
  assert.ok(mm.spares.list.length <= 8);
  checkMm(mm);
  assert.ok(w.memory.totalUsage() <= 8 * P);
  mm.spares.trim(mm);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("bytes in memory of longer pieces are limited", () => {
  const { w, mm } = world();
  // All of this store's pages are in memory.
  for (const len of [64, 128, 128, 64, 256, 300]) {
    const a = map(mm, 0, len * P);
    mm.munmap(a, len * P);
    let bytes = 0;
    for (const s of mm.spares.list) if (s.end - s.start > 16 * P) bytes += s.end - s.start;
    assert.ok(bytes <= 256 * P, `${bytes}`);
    checkMm(mm);
  }
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("what nobody touched is shown at its first use only, the next time", () => {
  const w = new FakeWorld(4096, false, 0, true);
  const mm = w.newMm();
  const host = hostOf(mm);
  const a = map(mm, 0, 32 * P);
  mm.munmap(a, 32 * P);
  checkMm(mm);
  const ops = host.ops;
  for (let i = 0; i < 3; i++) {
    assert.equal(map(mm, 0, 32 * P), a);
    assert.equal(mm.munmap(a, 32 * P), 0);
  }
  checkMm(mm);
  assert.equal(host.ops, ops, "the host was told nothing");
  assert.equal(map(mm, 0, 32 * P), a);
  assert.equal(guestAccess(mm, a + 5 * P, false, 0), 0);
  assert.equal(guestAccess(mm, a + 6 * P, true, 4), 4);
  checkMm(mm);
  mm.munmap(a, 32 * P);
  assert.equal(map(mm, 0, 32 * P), a);
  mm.flush();
  assert.ok(host.access(a + 6 * P, 3) !== null, "this time at once");
  assert.equal(guestAccess(mm, a + 6 * P, false, 0), 0);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
});

test("what was shown without access is what it was, however it is accessed", () => {
  const one = Uint8Array.of(1);
  const cases: [string, (mm: MemoryManager, a: number) => void][] = [
    ["the kernel", (mm, a) => assert.equal(mm.copyOut(a, one, 0, 1), 1)],
    ["a debugger", (mm, a) => assert.equal(mm.forceWrite(a, one, 0, 1), 1)],
    [
      "a debugger, without access",
      (mm, a) => {
        assert.equal(mm.mprotect(a, 32 * P, 0), 0);
        assert.equal(mm.forceWrite(a, one, 0, 1), 1);
      },
    ],
    [
      "the guest, after a change of protection",
      (mm, a) => {
        assert.equal(mm.mprotect(a, P, 1), 0);
        assert.equal(mm.mprotect(a, P, 3), 0);
        assert.equal(guestAccess(mm, a, true, 1), 1);
      },
    ],
    [
      "the guest, after a fork",
      (mm, a) => {
        const child = mm.fork(mm.platform.newAddressSpace() as never, mm.limits);
        assert.ok(typeof child !== "number");
        assert.equal(guestAccess(child, a, true, 7), 7);
        checkMm(child);
        assert.equal(guestAccess(mm, a, true, 1), 1);
        child.decUsers();
      },
    ],
    [
      "the guest, after it was moved",
      (mm, a) => {
        const b = a + 64 * P;
        assert.equal(mm.mremap(a, 32 * P, 40 * P, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, b), b);
        assert.equal(guestAccess(mm, b, true, 1), 1);
        assert.equal(mm.mremap(b, 40 * P, 32 * P, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, a), a);
      },
    ],
    [
      "the guest, beside a mapping without access",
      (mm, a) => {
        assert.equal(mm.mprotect(a + 16 * P, 16 * P, 0), 0);
        assert.equal(guestAccess(mm, a, true, 1), 1);
        assert.equal(guestAccess(mm, a + 16 * P, true, 1), -EACCES);
      },
    ],
  ];
  for (const [who, access] of cases) {
    const w = new FakeWorld(4096, false, 0, true);
    const mm = w.newMm();
    const at = 0x20000000;
    for (let i = 0; i < 2; i++) {
      map(mm, at, 32 * P, 3, M.MAP_FIXED);
      mm.munmap(at, 32 * P);
    }
    map(mm, at, 32 * P, 3, M.MAP_FIXED);
    checkMm(mm);
    assert.ok(hostOf(mm).access(at, 1) === null, "no access at first");
    access(mm, at);
    checkMm(mm);
    const found = new Uint8Array(1);
    assert.equal(mm.forceRead(at, found, 0, 1), 1);
    assert.equal(found[0], 1, who);
    mm.munmap(at, 32 * P);
    map(mm, at, 32 * P, 3, M.MAP_FIXED);
    assert.equal(guestAccess(mm, at, false, 0), 0, who);
    checkMm(mm);
    mm.decUsers();
    assert.equal(w.memory.totalUsage(), 0);
  }
});
