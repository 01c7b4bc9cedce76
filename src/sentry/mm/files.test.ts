/** Mappings of files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EFAULT, EINVAL, EIO, ENOMEM } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { IoSequence } from "../usermem/io.ts";
import { P, RW, mmap, read, write, forkOf } from "./calls.testing.ts";
import { checkMm, FakeHostFile, FakeWorld, guestAccess, hostOf } from "./fake.testing.ts";
import type { MemoryManager } from "./mm.ts";

test("host file: mapped when mmapped, copied on write, bus error beyond the end, zeros in the last page", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const f = new FakeHostFile(3 * P + 100);
  const a = mmap(mm, 0x10000000, 6 * P, RW, M.MAP_PRIVATE, f);
  mm.flush();
  assert.equal(hostOf(mm).pages.size, 4);
  assert.equal(f.refs, 1);
  assert.equal(f.reads, 0);
  const before = f.backing.bytes[P + 5]!;
  assert.equal(read(mm, a + P + 5), before);
  assert.equal(write(mm, a + P + 5, 200), 200);
  assert.equal(f.backing.bytes[P + 5], before);
  assert.equal(read(mm, a + 3 * P + 100), 0);
  assert.equal(read(mm, a + 4 * P), -EIO);
  assert.equal(mm.handleFault(a + 5 * P, M.PROT_WRITE), -EIO);
  const buf = new Uint8Array(8 * P);
  assert.equal(mm.copyIn(a, buf, 0, 6 * P), 4 * P, "the kernel gets what there is");
  assert.equal(buf[P + 5], 200);
  assert.ok(buf.subarray(3 * P + 100, 4 * P).every((x) => x === 0));
  assert.equal(mm.copyIn(a + 4 * P, buf, 0, 1), -EFAULT);
  checkMm(mm);
  assert.equal(mm.munmap(a + P, P), 0);
  assert.equal(f.mappings, 2);
  assert.equal(f.mappedBytes, 5 * P);
  mm.decUsers();
  assert.deepEqual([f.mappings, f.mappedBytes, f.refs, f.pageRefs], [0, 0, 0, 0]);
  assert.equal(w.memory.totalUsage(), 0);
});

test("shared host file: kernel writes go through bounce buffers", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(2 * P);
  const a = mmap(mm, 0, 2 * P, RW, M.MAP_SHARED, f);
  const seq = new IoSequence();
  assert.equal(mm.ioSequence(a + P - 2, 4, true, seq), 4);
  assert.equal(seq.write(Uint8Array.of(1, 2, 3), 0, 3), 3);
  const fourth = f.backing.bytes[P + 1];
  assert.equal(mm.finishIo(seq), 0);
  assert.deepEqual([...f.backing.bytes.subarray(P - 2, P + 2)], [1, 2, 3, fourth]);
  assert.equal(mm.copyOut(a, Uint8Array.of(9), 0, 1), 1);
  assert.equal(f.backing.bytes[0], 9);
  assert.equal(mm.zeroOut(a, 2 * P), 2 * P);
  assert.equal(f.backing.bytes[P], 0);
  assert.equal(mm.msync(a, 2 * P, M.MS_SYNC), 0);
  assert.equal(f.syncs, 1);
  assert.equal(mm.msync(a, P, M.MS_SYNC | M.MS_ASYNC), -EINVAL);
  assert.equal(mm.msync(a + 4 * P, P, M.MS_SYNC), -ENOMEM);
  // Futex words in it.
  mm.writeU32(a + 8, 5);
  assert.equal(mm.atomicCas32(a + 8, 5, 6), 0);
  assert.equal(mm.value, 5);
  assert.equal(mm.readU32(a + 8), 6);
});

test("invalidateMapping drops translations and tells the host at once", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(4 * P);
  const a = mmap(mm, 0, 4 * P, RW, M.MAP_PRIVATE, f);
  write(mm, a, 77);
  f.size = 2 * P;
  mm.invalidateMapping(f, 2 * P, 2 * P);
  assert.equal(hostOf(mm).pages.has((a + 2 * P) / P), false);
  assert.equal(read(mm, a + 2 * P), -EIO);
  assert.equal(read(mm, a), 77);
  f.size = 3 * P;
  assert.equal(read(mm, a + 2 * P), f.backing.bytes[2 * P]);
  checkMm(mm);
});

test("data segments beside other segments of their file are copied when they are mapped", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(5 * P + 100);
  const a = mmap(mm, 0x10000000, 4 * P, M.PROT_READ, M.MAP_PRIVATE, f);
  const b = mmap(mm, a + 4 * P, 2 * P, RW, M.MAP_PRIVATE | M.MAP_FIXED, f, 4 * P);
  assert.equal(b, a + 4 * P);
  mm.flush();
  assert.equal(w.memory.totalUsage(), 2 * P);
  assert.ok(hostOf(mm).access(b, 2) !== null && hostOf(mm).access(b + P, 2) !== null, "no fault is needed");
  assert.equal(read(mm, b + P), f.backing.bytes[5 * P]);
  assert.equal(read(mm, b + P + 200), 0);
  // Not a mapping for itself, nor one that goes beyond the file.
  const c = mmap(mm, 0x20000000, P, RW, M.MAP_PRIVATE, f);
  const d = mmap(mm, c + P, 6 * P, RW, M.MAP_PRIVATE | M.MAP_FIXED, f, P);
  mm.flush();
  assert.equal(hostOf(mm).access(c, 2), null);
  assert.equal(hostOf(mm).access(d, 2), null);
  checkMm(mm);
  mm.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
  assert.equal(f.pageRefs, 0);
});

test("fork: files that are only read are mapped for children that use them", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(4 * P);
  const a = mmap(mm, 0x10000000, 4 * P, M.PROT_READ, M.MAP_PRIVATE, f);
  const fork = (): MemoryManager => forkOf(w, mm);
  const first = fork();
  assert.equal(hostOf(first).access(a, 1), null);
  assert.equal(guestAccess(first, a + P, false, 0), f.backing.bytes[P]);
  checkMm(first);
  const second = fork();
  assert.ok(hostOf(second).access(a, 1) !== null);
  checkMm(second);
  // A page that was written to is not the file's any more.
  const third = w.newMm();
  const b = mmap(third, 0x10000000, 2 * P, RW, M.MAP_PRIVATE, f);
  write(third, b, 99);
  assert.equal(third.mprotect(b, 2 * P, M.PROT_READ), 0);
  const as = w.platform.newAddressSpace();
  assert.ok(typeof as !== "number");
  const fourth = third.fork(as, w.limits);
  assert.ok(typeof fourth !== "number");
  assert.equal(read(fourth, b), 99);
  assert.equal(read(fourth, b + P), f.backing.bytes[P]);
  for (const m of [mm, first, second, third, fourth]) m.decUsers();
  assert.equal(w.memory.totalUsage(), 0);
  assert.equal(f.pageRefs, 0);
});
