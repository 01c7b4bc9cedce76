/** The kernel's own access to guest memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EACCES, EFAULT, EINVAL, ENAMETOOLONG } from "../../abi/errno.ts";
import * as M from "../../abi/mman.ts";
import { IoSequence } from "../usermem/io.ts";
import { ANON, P, RW, mmap, read, write } from "./calls.testing.ts";
import { checkMm, FakeHostFile, FakeWorld } from "./fake.testing.ts";
import { FutexLocation } from "./mm.ts";

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
