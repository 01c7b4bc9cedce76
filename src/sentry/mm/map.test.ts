/** Mappings: mmap, munmap, mprotect, mremap, madvise, brk, limits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EACCES, EAGAIN, EEXIST, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EPERM } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK } from "../../abi/resource.ts";
import { IoSequence } from "../usermem/io.ts";
import { ANON, MB, P, RW, mmap, read, vmas, write } from "./calls.testing.ts";
import { checkMm, FakeHostFile, FakeWorld, hostOf } from "./fake.testing.ts";
import { LAZY_CHUNK } from "./fault.ts";
import { MmapOptions } from "./mm.ts";

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
