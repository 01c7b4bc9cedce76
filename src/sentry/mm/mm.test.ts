import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EACCES,
  EAGAIN,
  EEXIST,
  EFAULT,
  EINVAL,
  EIO,
  ENAMETOOLONG,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
} from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK } from "../../abi/resource.ts";
import { IoSequence } from "../usermem/io.ts";
import { checkMm, FakeHostFile, FakeWorld, guestAccess, hostOf } from "./fake.testing.ts";
import { LAZY_CHUNK } from "./fault.ts";
import { FutexLocation, type MemoryManager, MmapOptions } from "./mm.ts";

const P = 4096;
const MB = 1024 * 1024;
const ANON = M.MAP_PRIVATE | M.MAP_ANONYMOUS;
const RW = M.PROT_READ | M.PROT_WRITE;

function mmap(
  mm: MemoryManager,
  addr: number,
  len: number,
  prot: number,
  flags: number,
  f?: FakeHostFile,
  off = 0,
): number {
  const o = new MmapOptions();
  o.addr = addr;
  o.len = len;
  o.prot = prot;
  o.flags = flags;
  if (f !== undefined) {
    o.mappable = f;
    o.file = f;
    o.offset = off;
  }
  return mm.mmap(o);
}

const read = (mm: MemoryManager, a: number): number => guestAccess(mm, a, false, 0);
const write = (mm: MemoryManager, a: number, v: number): number => guestAccess(mm, a, true, v);

function vmas(mm: MemoryManager): string[] {
  const out: string[] = [];
  mm.forEachVma((v) => {
    out.push(`${((v.start - 0x10000000) / P).toString()}+${(v.end - v.start) / P}:${v.prot}`);
    return true;
  });
  return out;
}

test("mmap: arguments", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(P);
  assert.equal(mmap(mm, 0, 0, RW, ANON), -EINVAL);
  assert.equal(mmap(mm, 0, P, RW, M.MAP_ANONYMOUS), -EINVAL);
  assert.equal(mmap(mm, 0, 2 ** 60, RW, ANON), -ENOMEM);
  assert.equal(mmap(mm, 0, 2 ** 47, RW, ANON), -ENOMEM);
  assert.equal(mmap(mm, 0, P, RW, M.MAP_PRIVATE, f, 5), -EINVAL);
  assert.equal(mmap(mm, 0, P, RW, M.MAP_PRIVATE), -EINVAL);
  assert.equal(mmap(mm, 0x10000001, P, RW, ANON | M.MAP_FIXED), -EINVAL);
  assert.equal(mmap(mm, P, P, RW, ANON | M.MAP_FIXED), -EPERM);
  assert.equal(mmap(mm, 2 ** 47, P, RW, ANON | M.MAP_FIXED), -ENOMEM);
  assert.equal(mmap(mm, 0, P, RW, M.MAP_SHARED_VALIDATE | M.MAP_SYNC, f), -EOPNOTSUPP);
  assert.equal(mmap(mm, 0, P, RW, ANON | M.MAP_HUGETLB), -ENOMEM);
  const o = new MmapOptions();
  o.len = P;
  o.prot = RW;
  o.flags = M.MAP_SHARED;
  o.mappable = f;
  o.maxProt = 5;
  assert.equal(mm.mmap(o), -EACCES);
  assert.equal(mm.totalVm, 0);
});

test("mmap: hints, top-down order, FIXED_NOREPLACE, 32BIT", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0, 2 * P, RW, ANON);
  assert.equal(a, mm.mmapBase - 2 * P);
  const b = mmap(mm, 0, P, RW, ANON);
  assert.equal(b, a - P);
  assert.equal(mm.vmas.count, 1, "adjacent and alike: one VMA");
  assert.equal(mmap(mm, 0x20000123, P, RW, ANON), 0x20000000);
  assert.equal(mmap(mm, 0x20000000, P, RW, ANON), b - P, "a hint that is taken");
  assert.equal(mmap(mm, 5, P, RW, ANON), M.MMAP_MIN_ADDR, "a hint below the minimum");
  assert.equal(mmap(mm, 0x20000000, P, RW, ANON | M.MAP_FIXED_NOREPLACE), -EEXIST);
  assert.equal(mmap(mm, 0x20001000, P, RW, ANON | M.MAP_FIXED_NOREPLACE), 0x20001000);
  const low = mmap(mm, 0, P, RW, ANON | M.MAP_32BIT);
  assert.ok(low >= 0x40000000 && low < 0x80000000);
  checkMm(mm);
});

test("anonymous memory is on the host before the first touch, and mprotect changes the host", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 4 * P, RW, ANON);
  mm.flush();
  assert.equal(hostOf(mm).pages.size, 4);
  assert.equal(hostOf(mm).ops, 1);
  assert.equal(mm.mprotect(a + P, P, M.PROT_READ), 0);
  assert.deepEqual(vmas(mm), ["0+1:3", "1+1:1", "2+2:3"]);
  assert.equal(write(mm, a + P, 1), -EACCES);
  assert.equal(mm.mprotect(a + P, P, 0), 0);
  assert.equal(read(mm, a + P), -EACCES);
  assert.equal(mm.mprotect(a, 4 * P, RW), 0);
  assert.deepEqual(vmas(mm), ["0+4:3"]);
  checkMm(mm);
  // No memory for PROT_NONE; it comes with mprotect.
  const b = mmap(mm, 0x11000000, 8 * P, 0, ANON | M.MAP_NORESERVE);
  assert.equal(mm.rssAnon, 4 * P);
  assert.equal(mm.mprotect(b, 2 * P, RW), 0);
  assert.equal(mm.mprotect(b + 2 * P, P, RW), 0);
  assert.equal(mm.rssAnon, 7 * P);
  assert.equal(mm.pmas.count, 2, "grown piece by piece, but one range of the file");
  assert.equal(mm.mprotect(0x30000000, P, RW), -ENOMEM);
  assert.equal(mm.mprotect(a + 1, P, RW), -EINVAL);
  assert.equal(mm.mprotect(a, 0, RW), 0);
  checkMm(mm);
});

test("huge mappings are filled in chunks, by the guest and by the kernel", () => {
  const pages = (3 * LAZY_CHUNK) / P;
  const w = new FakeWorld(pages);
  const mm = w.newMm();
  const a = mmap(mm, 0x4000000000, 2 ** 40, RW, ANON | M.MAP_NORESERVE);
  assert.equal(mm.rssAnon, 0);
  assert.equal(write(mm, a + 5 * LAZY_CHUNK + 5, 7), 7);
  assert.equal(mm.rssAnon, LAZY_CHUNK);
  assert.equal(mm.copyOut(a + 9 * LAZY_CHUNK - 2, Uint8Array.of(1, 2, 3, 4), 0, 4), 4);
  assert.equal(mm.rssAnon, 3 * LAZY_CHUNK);
  assert.equal(read(mm, a), -ENOMEM, "no memory left: SIGBUS");
  assert.equal(mm.munmap(a, 2 ** 40), 0);
  mm.flush();
  assert.equal(w.memory.totalUsage(), 0);
});

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
  const fork = (): MemoryManager => {
    const as = w.platform.newAddressSpace();
    assert.ok(typeof as !== "number");
    const child = mm.fork(as, w.limits);
    assert.ok(typeof child !== "number");
    assert.equal(child.flush(), 0);
    return child;
  };
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
  const fork = (): MemoryManager => {
    const as = w.platform.newAddressSpace();
    assert.ok(typeof as !== "number");
    const child = mm.fork(as, w.limits);
    assert.ok(typeof child !== "number");
    assert.equal(child.flush(), 0);
    return child;
  };
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

test("fork: files that are only read are mapped for children that use them", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const f = new FakeHostFile(4 * P);
  const a = mmap(mm, 0x10000000, 4 * P, M.PROT_READ, M.MAP_PRIVATE, f);
  const fork = (): MemoryManager => {
    const as = w.platform.newAddressSpace();
    assert.ok(typeof as !== "number");
    const child = mm.fork(as, w.limits);
    assert.ok(typeof child !== "number");
    assert.equal(child.flush(), 0);
    return child;
  };
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

test("mremap: grow in place, move, DONTUNMAP, errors", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 2 * P, RW, ANON);
  write(mm, a + P, 9);
  assert.equal(mm.mremap(a, 2 * P, 4 * P, 0, 0), a);
  assert.equal(mm.pmas.count, 1);
  mmap(mm, a + 4 * P, P, M.PROT_READ, ANON | M.MAP_FIXED);
  assert.equal(mm.mremap(a, 4 * P, 5 * P, 0, 0), -ENOMEM);
  const b = mm.mremap(a, 4 * P, 8 * P, M.MREMAP_MAYMOVE, 0);
  assert.ok(b > 0 && b !== a);
  assert.equal(read(mm, b + P), 9);
  assert.equal(read(mm, b + 7 * P), 0);
  assert.equal(read(mm, a), -EFAULT);
  checkMm(mm);
  const c = mm.mremap(b, 8 * P, 8 * P, M.MREMAP_MAYMOVE | M.MREMAP_DONTUNMAP, 0);
  assert.ok(c > 0 && c !== b);
  assert.equal(read(mm, c + P), 9);
  assert.equal(read(mm, b + P), 0);
  checkMm(mm);
  assert.equal(mm.mremap(c, 8 * P, 2 * P, 0, 0), c);
  assert.equal(read(mm, c + 2 * P), -EFAULT);
  assert.equal(mm.mremap(c, 2 * P, P, M.MREMAP_FIXED, 0x30000000), -EINVAL);
  assert.equal(mm.mremap(c, 2 * P, 2 * P, M.MREMAP_MAYMOVE | M.MREMAP_FIXED, c + P), -EINVAL);
  assert.equal(mm.mremap(c, 0, P, M.MREMAP_MAYMOVE, 0), -EINVAL);
  assert.equal(mm.mremap(0x50000000, P, 2 * P, 0, 0), -EFAULT);
  assert.equal(mm.mremap(c, 3 * P, 8 * P, M.MREMAP_MAYMOVE, 0), -EFAULT);
  assert.equal(mm.mremap(c + 1, P, P, 0, 0), -EINVAL);
  const f = new FakeHostFile(4 * P);
  const d = mmap(mm, 0, 2 * P, RW, M.MAP_PRIVATE, f);
  write(mm, d, 3);
  const e = mm.mremap(d, 2 * P, 4 * P, M.MREMAP_MAYMOVE, 0);
  assert.ok(e > 0);
  assert.equal(read(mm, e), 3);
  assert.equal(read(mm, e + 3 * P), f.backing.bytes[3 * P]);
  checkMm(mm);
  mm.decUsers();
  assert.deepEqual([f.mappings, f.refs, f.pageRefs, w.memory.totalUsage()], [0, 0, 0, 0]);
});

test("the heap", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  mm.setBrk(0x10000800);
  assert.equal(mm.brk(0), 0x10000800);
  assert.equal(mm.brk(0x10000900), 0x10000900);
  assert.equal(mm.vmas.count, 0, "still on the page of the bss");
  assert.equal(mm.brk(0x10003001), 0x10003001);
  assert.equal(write(mm, 0x10003fff, 4), 4);
  assert.equal(mm.brk(0x10008000), 0x10008000);
  assert.equal(mm.pmas.count, 1);
  assert.equal(mm.vmas.first!.name, "[heap]");
  mmap(mm, 0x10010000, P, RW, ANON | M.MAP_FIXED);
  assert.equal(mm.brk(0x10011000), 0x10008000);
  assert.equal(mm.brk(0x10002000), 0x10002000);
  assert.equal(read(mm, 0x10003fff), -EFAULT);
  assert.equal(mm.brk(0x10004000), 0x10004000);
  assert.equal(read(mm, 0x10003fff), 0, "memory that comes back is zero");
  w.limits.set(RLIMIT_DATA, 0x8000, Infinity);
  assert.equal(mm.brk(0x1000a000), 0x10004000);
  checkMm(mm);
});

test("the stack grows down to its limit and keeps its distance", () => {
  const w = new FakeWorld(4096);
  w.limits.set(RLIMIT_STACK, 1 * MB, Infinity);
  const mm = w.newMm();
  const top = mm.stackTop;
  assert.equal(mm.mapStack(64 * 1024, RW), 0);
  assert.equal(write(mm, top - 200 * 1024, 1), 1);
  assert.ok(mm.stackVm >= 200 * 1024);
  assert.equal(mm.copyOut(top - 900 * 1024, Uint8Array.of(5), 0, 1), 1, "the kernel's accesses grow it too");
  assert.equal(write(mm, top - MB, 1), 1);
  assert.equal(write(mm, top - MB - 1, 1), -EFAULT);
  assert.equal(mm.dataVm, 0);
  checkMm(mm);
  // Another mapping below: 1 MiB stays free.
  const mm2 = w.newMm();
  w.limits.set(RLIMIT_STACK, 64 * MB, Infinity);
  assert.equal(mm2.mapStack(64 * 1024, RW), 0);
  mmap(mm2, mm2.stackTop - 3 * MB, P, RW, ANON | M.MAP_FIXED);
  assert.equal(write(mm2, mm2.stackTop - 1 * MB, 1), 1);
  assert.equal(write(mm2, mm2.stackTop - 2 * MB + 8 * P, 1), 1);
  assert.equal(write(mm2, mm2.stackTop - 2 * MB - P, 1), -EFAULT);
  assert.equal(
    mmap(mm2, mm2.vmas.last!.start - P, P, RW, ANON) === mm2.vmas.last!.start - P,
    false,
    "not in the guard",
  );
});

test("limits: address space, data, locked memory, number of mappings", () => {
  const w = new FakeWorld(512);
  const mm = w.newMm();
  w.limits.set(RLIMIT_AS, 100 * P, Infinity);
  const a = mmap(mm, 0x10000000, 60 * P, RW, ANON);
  assert.equal(mmap(mm, 0, 41 * P, RW, ANON), -ENOMEM);
  assert.equal(mmap(mm, a, 80 * P, RW, ANON | M.MAP_FIXED), a, "what is replaced does not count");
  assert.equal(mm.mremap(a, 80 * P, 101 * P, M.MREMAP_MAYMOVE, 0), -ENOMEM);
  w.limits.set(RLIMIT_AS, Infinity, Infinity);
  w.limits.set(RLIMIT_DATA, 90 * P, Infinity);
  assert.equal(mmap(mm, 0, 11 * P, RW, ANON), -ENOMEM);
  const b = mmap(mm, 0, 11 * P, M.PROT_READ, ANON);
  assert.ok(b > 0);
  assert.equal(mm.mprotect(b, 11 * P, RW), -ENOMEM);
  assert.equal(mm.mprotect(b, 10 * P, RW), 0);
  w.limits.set(RLIMIT_DATA, Infinity, Infinity);
  w.limits.set(RLIMIT_MEMLOCK, 4 * P, Infinity);
  assert.equal(mm.mlock(a, 5 * P, 0, false), -ENOMEM);
  assert.equal(mm.mlock(a, 4 * P, 0, false), 0);
  assert.equal(mm.mlock(a, 4 * P, 0, false), 0, "twice the same costs once");
  assert.equal(mmap(mm, 0, P, RW, ANON | M.MAP_LOCKED), -EAGAIN);
  assert.equal(mm.mlock(a, 50 * P, 0, true), 0);
  assert.equal(mm.lockedVm, 50 * P);
  assert.equal(mm.madvise(a, P, M.MADV_DONTNEED), -EINVAL);
  assert.equal(mm.munlockall(), 0);
  assert.equal(mm.lockedVm, 0);
  assert.equal(mm.mlockall(0, true), -EINVAL);
  assert.equal(mm.mlockall(M.MCL_FUTURE, true), 0);
  mmap(mm, 0, P, RW, ANON);
  assert.equal(mm.lockedVm, P);
  checkMm(mm);
});

test("the number of mappings is limited", () => {
  const w = new FakeWorld(16);
  const mm = w.newMm();
  const n = M.MAX_MAP_COUNT;
  const base = 0x100000000;
  for (let i = 0; i <= n; i++) assert.equal(mmap(mm, base + i * 4 * P, 3 * P, 0, ANON | M.MAP_FIXED), base + i * 4 * P);
  assert.equal(mm.vmas.count, n + 1);
  assert.equal(mmap(mm, 0, P, 0, ANON), -ENOMEM);
  assert.equal(mm.munmap(base + P, P), -ENOMEM, "would be one more");
  assert.equal(mm.munmap(base, P), 0);
  assert.equal(mm.munmap(base, 3 * P), 0);
  assert.ok(mmap(mm, 0, P, 0, ANON) > 0);
});

test("madvise and mincore", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 32 * P, RW, ANON);
  for (let i = 0; i < 32; i++) write(mm, a + i * P, 1);
  const ops = hostOf(mm).ops;
  const punches = w.store.punches;
  assert.equal(mm.madvise(a, 16 * P, M.MADV_DONTNEED), 0);
  assert.equal(w.store.punches, punches + 1, "emptied in the memory file");
  assert.equal(read(mm, a), 0);
  assert.equal(read(mm, a + 16 * P), 1);
  assert.equal(hostOf(mm).ops, ops, "without any change of mappings");
  assert.equal(mm.madvise(a, P, 77), -EINVAL);
  assert.equal(mm.madvise(a + 1, P, M.MADV_NORMAL), -EINVAL);
  assert.equal(mm.madvise(a, 33 * P, M.MADV_WILLNEED), -ENOMEM);
  assert.equal(mm.madvise(a, 0, M.MADV_WILLNEED), 0);
  const f = new FakeHostFile(2 * P);
  const b = mmap(mm, 0, 4 * P, RW, M.MAP_PRIVATE, f);
  write(mm, b, 99);
  assert.equal(mm.madvise(b, P, M.MADV_FREE), -EINVAL);
  assert.equal(mm.madvise(b, P, M.MADV_DONTNEED), 0);
  assert.equal(read(mm, b), f.backing.bytes[0]);
  assert.equal(mm.madvise(b, 2 * P, M.MADV_POPULATE_WRITE), 0);
  assert.equal(hostOf(mm).access(b, 2), null);
  mm.flush();
  assert.notEqual(hostOf(mm).access(b, 2), null);
  assert.equal(mm.madvise(b, 4 * P, M.MADV_POPULATE_READ), -EFAULT);
  const vec = mmap(mm, 0x60000000, P, RW, ANON);
  assert.equal(mm.mincore(b, 4 * P, vec), 0);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => read(mm, vec + i)),
    [1, 1, 0, 0],
  );
  assert.equal(mm.mincore(0x70000000, P, vec), -ENOMEM);
  assert.equal(mm.mincore(b, P, 0x70000000), -EFAULT);
  checkMm(mm);
});

test("kernel copies: partial, across mappings, protections, values", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 2 * P, RW, ANON);
  const b = mmap(mm, a + 2 * P, P, M.PROT_READ, ANON | M.MAP_FIXED);
  const src = new Uint8Array(3 * P).fill(7);
  assert.equal(mm.copyOut(a + P, src, 0, 2 * P), P);
  assert.equal(mm.copyOutExact(a + P, src, 0, 2 * P), -EFAULT);
  assert.equal(mm.copyOut(b, src, 0, 1), -EFAULT);
  assert.equal(mm.copyIn(b, src, 0, P), P);
  assert.equal(mm.copyIn(a, src, 0, 0), 0);
  assert.equal(mm.copyIn(2 ** 63, src, 0, 1), -EFAULT);
  assert.equal(mm.forceWrite(b, Uint8Array.of(1, 2), 0, 2), 2);
  assert.equal(read(mm, b + 1), 2);
  assert.equal(write(mm, b, 1), -EACCES);
  assert.equal(mm.mprotect(b, P, 0), 0);
  assert.equal(mm.forceRead(b, src, 0, 2), 2);
  assert.deepEqual([src[0], src[1]], [1, 2]);
  assert.equal(mm.copyIn(b, src, 0, 1), -EFAULT);
  checkMm(mm);

  assert.equal(mm.writeU32(a + P - 2, 0x89abcdef), 0);
  assert.equal(mm.readU32(a + P - 2), 0x89abcdef);
  assert.equal(mm.writePtr(a, 0x7fff_1234_5678), 0);
  assert.equal(mm.readPtr(a), 0x7fff_1234_5678);
  assert.equal(mm.writeI64(a, -5), 0);
  assert.equal(mm.readI64(a), 0);
  assert.equal(mm.value, -5);
  assert.equal(mm.readU32(a), 0xfffffffb);
  assert.equal(mm.writeI64(a, -(2 ** 40) - 1), 0);
  assert.equal(mm.readI64(a), 0);
  assert.equal(mm.value, -(2 ** 40) - 1);
  assert.equal(mm.readU32(a + 2 * P - 3), -EFAULT);
  assert.equal(mm.atomicCas32(a, 0, 1), 0);
  assert.equal(mm.value, 0xffffffff);
  assert.equal(mm.atomicRmw32(a, 0, 12), 0);
  assert.equal(mm.atomicRmw32(a, 1, 30), 0);
  assert.equal(mm.atomicRmw32(a, 2, 5), 0);
  assert.equal(mm.atomicRmw32(a, 3, 8), 0);
  assert.equal(mm.atomicRmw32(a, 4, 1), 0);
  assert.equal(mm.atomicLoad32(a), 0);
  assert.equal(mm.value, (((12 + 30) | 5) & ~8) ^ 1);
  assert.equal(mm.atomicRmw32(a, 9, 1), -EINVAL);
  assert.equal(mm.futexLocate(a + 2, false, new FutexLocation()), -EINVAL);
  assert.equal(mm.futexLocate(0x55550000, true, new FutexLocation()), -EFAULT);
});

test("strings", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 2 * P, RW, ANON);
  const put = (at: number, s: string): void => {
    assert.equal(mm.copyOutExact(at, Buffer.from(s, "latin1"), 0, s.length), 0);
  };
  put(a + P - 3, "h\xe9llo\0");
  assert.equal(mm.copyInString(a + P - 3, 100), "h\xe9llo");
  assert.equal(mm.copyInString(a + P - 3, 6), "h\xe9llo");
  assert.equal(mm.copyInString(a + P - 3, 5), -ENAMETOOLONG);
  put(a + 2 * P - 3, "abc");
  assert.equal(mm.copyInString(a + 2 * P - 3, 100), -EFAULT);
  assert.equal(mm.copyInString(a + 2 * P - 3, 3), -ENAMETOOLONG);
  const long = "x".repeat(5000);
  put(a, `${long}\0`);
  assert.equal(mm.copyInString(a, 8192), long);
  const f = new FakeHostFile(P + 10);
  f.backing.bytes.fill(65, 0, P + 10);
  const b = mmap(mm, 0, 2 * P, M.PROT_READ, M.MAP_PRIVATE, f);
  assert.equal(mm.copyInString(b + P - 2, 100), "A".repeat(12));
});

test("strings: many short ones, again and again", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, P, RW, ANON);
  const texts = [""];
  // All of the same few lengths, among them those at which the lookup of known ones begins and ends.
  for (let i = 0; i < 3000; i++) texts.push(`${i}`, `${i}/`.padEnd(62 + (i % 4), "y"));
  for (let round = 0; round < 2; round++) {
    for (const text of texts) {
      assert.equal(mm.copyOutExact(a, Buffer.from(`${text}\0`, "latin1"), 0, text.length + 1), 0);
      assert.equal(mm.copyInString(a, 100), text);
      assert.equal(mm.writeU32(a + text.length, 0), 0);
      assert.equal(mm.copyInString(a + text.length, 100), "");
    }
  }
});

test("iovecs: rules of readv(2)", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0x10000000, 2 * P, RW, ANON);
  const iov = a + P;
  const set = (i: number, base: number, len: number): void => {
    mm.writePtr(iov + i * 16, base);
    mm.writeI64(iov + i * 16 + 8, len);
  };
  const seq = new IoSequence();
  set(0, a, 10);
  set(1, 0, 0);
  set(2, a + 100, 20);
  assert.equal(mm.ioVector(iov, 3, true, seq), 30);
  assert.equal(seq.count, 2);
  seq.clear();
  set(1, 0x90000000, 5);
  assert.equal(mm.ioVector(iov, 3, true, seq), 10, "ends where memory does");
  seq.clear();
  assert.equal(mm.ioVector(iov + 16, 2, true, seq), -EFAULT);
  set(1, a, -1);
  assert.equal(mm.ioVector(iov, 3, true, seq), -EINVAL);
  assert.equal(mm.ioVector(iov, -1, true, seq), -EINVAL);
  assert.equal(mm.ioVector(iov, 1025, true, seq), -EINVAL);
  assert.equal(mm.ioVector(0x90000000, 1, true, seq), -EFAULT);
  assert.equal(mm.ioVector(iov, 0, true, seq), 0);
  assert.equal(seq.remaining, 0);
});

test("a fault that does not go away is an error in the end", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const a = mmap(mm, 0, P, RW, ANON);
  let r = 0;
  let n = 0;
  while (r === 0 && n < 100000) {
    r = mm.handleFault(a, M.PROT_WRITE);
    n++;
  }
  assert.equal(r, -EFAULT);
  assert.ok(n > 100);
});

test("addresses are random with ASLR, and stay in the platform's range", () => {
  const w = new FakeWorld(64, true);
  const seen = new Set<number>();
  for (let i = 0; i < 20; i++) {
    const mm = w.newMm();
    assert.ok(mm.stackTop <= w.platform.maxAddress && mm.stackTop % P === 0);
    assert.ok(mm.mmapBase < mm.stackTop && mm.mmapBase % P === 0);
    seen.add(mm.stackTop).add(mm.mmapBase);
  }
  assert.ok(seen.size > 35);
});

test("addresses and lengths of the kernel's half and beyond", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  const kernel = 2 ** 63 + 2 ** 62;
  assert.ok(mmap(mm, kernel, P, RW, ANON) > 0, "a hint that cannot be is no hint");
  assert.equal(mmap(mm, kernel, P, RW, ANON | M.MAP_FIXED), -ENOMEM);
  assert.equal(mmap(mm, 0, 2 ** 64, RW, ANON), -ENOMEM);
  assert.equal(mm.munmap(kernel, P), -EINVAL);
  assert.equal(mm.munmap(0, 2 ** 64), -EINVAL);
  assert.equal(mm.mprotect(kernel, P, 1), -ENOMEM);
  assert.equal(mm.madvise(kernel, P, M.MADV_DONTNEED), -ENOMEM);
  assert.equal(mm.msync(kernel, P, M.MS_SYNC), -ENOMEM);
  assert.equal(mm.mlock(kernel, P, 0, true), -ENOMEM);
  assert.equal(mm.mincore(kernel, P, 0), -ENOMEM);
  assert.equal(mm.mremap(kernel, P, P, 0, 0), -EFAULT);
  assert.equal(mm.brk(kernel), mm.brkEnd);
  assert.equal(mm.handleFault(kernel, 1), -EFAULT);
  assert.equal(mm.readU32(kernel), -EFAULT);
  assert.equal(mm.copyInString(kernel, 10), -EFAULT);
  const seq = new IoSequence();
  assert.equal(mm.ioSequence(kernel, 10, true, seq), -EFAULT);
  assert.equal(mm.ioSequence(2 ** 64 - 4, 10, true, seq), -EFAULT);
  checkMm(mm);
  // A reservation may reach where the platform cannot show pages.
  const top = w.platform.maxAddress;
  (w.platform as { maxAddress: number }).maxAddress = top - 16 * MB;
  assert.equal(mmap(mm, top - 32 * MB, 32 * MB, 0, ANON | M.MAP_FIXED | M.MAP_NORESERVE), top - 32 * MB);
  assert.equal(mm.mprotect(top - 8 * MB, P, RW), -ENOMEM);
  assert.equal(mmap(mm, top - 8 * MB, P, RW, ANON | M.MAP_FIXED), -ENOMEM);
  assert.equal(mm.munmap(0, mm.taskSize), 0);
  assert.equal(mm.totalVm, 0);
});

test("no single mapping may want more memory than there is", () => {
  const w = new FakeWorld(64);
  const mm = w.newMm();
  (mm.memory as { ram: number }).ram = 4096 * MB;
  assert.equal(mmap(mm, 0, 4097 * MB, RW, ANON), -ENOMEM);
  assert.ok(mmap(mm, 0, 4097 * MB, RW, ANON | M.MAP_NORESERVE) > 0);
  assert.ok(mmap(mm, 0, 4097 * MB, M.PROT_READ, ANON) > 0);
  const a = mmap(mm, 0, 4097 * MB, 0, ANON);
  assert.equal(mm.mprotect(a, 4097 * MB, RW), -ENOMEM);
  assert.equal(mm.mprotect(a, 4096 * MB, RW), 0);
  mm.setBrk(0x10000000);
  assert.equal(mm.brk(0x10000000 + 4097 * MB), 0x10000000);
});

test("names of anonymous mappings split and join them", () => {
  const mm = new FakeWorld(64).newMm();
  const base = 0x10000000;
  mmap(mm, base, 8 * P, RW, ANON | M.MAP_FIXED);
  const names = (): string => {
    let out = "";
    mm.forEachVma((v) => {
      out += `${(v.start - base) / P}-${(v.end - base) / P}:${v.name} `;
      return true;
    });
    return out.trim();
  };
  assert.equal(mm.nameAnon(base + 2 * P, 3 * P, "[anon:a]"), 0);
  assert.equal(names(), "0-2: 2-5:[anon:a] 5-8:");
  assert.equal(mm.nameAnon(base, 2 * P, "[anon:a]"), 0);
  assert.equal(names(), "0-5:[anon:a] 5-8:");
  assert.equal(mm.nameAnon(base + P, P, ""), 0);
  assert.equal(names(), "0-1:[anon:a] 1-2: 2-5:[anon:a] 5-8:");
  assert.equal(mm.nameAnon(base, 8 * P, ""), 0);
  assert.equal(names(), "0-8:");
  assert.equal(mm.nameAnon(base, 9 * P, "[anon:b]"), -ENOMEM);
  assert.equal(names(), "0-8:[anon:b]");
  assert.equal(mm.nameAnon(base + 1, P, "[anon:b]"), -EINVAL);
  checkMm(mm);
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
