import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF, EINVAL } from "../abi/errno.ts";
import { linuxHost } from "./linux.unsafe.ts";

const host = linuxHost();
const TIB = 2 ** 40;
const GIB = 2 ** 30;

test("a window of 1 TiB on a sparse memfd works at high offsets", () => {
  const fd = host.memfdCreate("window", 0);
  assert.equal(host.ftruncate(fd, TIB), 0);
  const window = host.mapWindow(fd, TIB);
  assert.ok(typeof window !== "number");
  assert.equal(window.byteLength, TIB);
  const bytes = new Uint8Array(window);
  const view = new DataView(window);
  const at = 900 * GIB;
  bytes[at] = 7;
  view.setUint32(at + 4, 0xdeadbeef, true);
  assert.equal(bytes[at]! + bytes[at + 4]!, 7 + 0xef);
  assert.equal(view.getUint32(at + 4, true), 0xdeadbeef);
  bytes.set([1, 2, 3], at + 100);
  assert.deepEqual([...bytes.subarray(at + 99, at + 104)], [0, 1, 2, 3, 0]);
  bytes.copyWithin(at + 200, at + 100, at + 103);
  bytes.fill(9, at + 203, at + 205);
  const small = new Uint8Array(6);
  small.set(bytes.subarray(at + 200, at + 206));
  assert.deepEqual([...small], [1, 2, 3, 9, 9, 0]);
  assert.equal(bytes.indexOf(9, at), at + 203);
  // Host calls take ranges of it in place, and the file is what the window shows.
  assert.equal(host.pwrite(fd, bytes, at + 200, 3, 5 * GIB), 3);
  assert.deepEqual([...bytes.subarray(5 * GIB, 5 * GIB + 3)], [1, 2, 3]);
  assert.equal(host.pread(fd, bytes, TIB - 3, 3, 5 * GIB), 3);
  assert.equal(bytes[TIB - 1], 3);
  const io = { bufs: [bytes, bytes], offs: [at + 100, TIB - 2], lens: [2, 2], count: 2 };
  assert.equal(host.writev(fd, io, 600 * GIB, 0), 4);
  assert.deepEqual([...bytes.subarray(600 * GIB, 600 * GIB + 4)], [1, 2, 2, 3]);
  // Large pages are a hint for whole pages of it.
  assert.equal(host.adviseHuge(window, 5 * GIB, 2 * 1024 ** 2), 0);
  assert.equal(host.adviseHuge(window, 5 * GIB + 1, 4096), -EINVAL);
  assert.equal(host.adviseHuge(window, TIB - 4096, 8192), -EINVAL);
  // Holes made in the file read as zero.
  assert.equal(host.fallocate(fd, 3, at, 4096), 0);
  assert.equal(bytes[at + 100], 0);
  assert.equal(host.unmapWindow(window), 0);
  assert.equal(bytes.length, 0);
  assert.equal(host.unmapWindow(window), -EINVAL);
  host.close(fd);
});

test("windows cost no garbage collection and their address space comes back", () => {
  const fd = host.memfdCreate("window", 0);
  assert.equal(host.ftruncate(fd, TIB), 0);
  const before = process.memoryUsage().external;
  // Twice what fits into the address space at once.
  for (let i = 0; i < 256; i++) {
    const window = host.mapWindow(fd, TIB);
    assert.ok(typeof window !== "number", `window ${i}`);
    new Uint8Array(window)[i * 4096] = 1;
    assert.ok(process.memoryUsage().external - before < GIB);
    assert.equal(host.unmapWindow(window), 0);
  }
  host.close(fd);
});

test("a forgotten part of a buffer is zeros, the rest stays", () => {
  const bytes = new Uint8Array(1 << 20).fill(7);
  for (const [from, to] of [
    [100, 200],
    [5000, 5000],
    [4000, 300_000],
    [500_000, 1 << 20],
  ] as const) {
    assert.equal(host.forget(bytes.buffer, from, to - from), 0);
    assert.ok(bytes.subarray(from, to).every((byte) => byte === 0));
    assert.equal(bytes[from - 1], 7);
    assert.equal(to === bytes.length ? 7 : bytes[to], 7);
    bytes.fill(7);
  }
  assert.equal(host.forget(bytes.buffer, 1, bytes.length), -EINVAL);
});

test("impossible windows are errors", () => {
  const fd = host.memfdCreate("window", 0);
  assert.equal(host.mapWindow(fd, 0), -EINVAL);
  assert.equal(host.mapWindow(fd, TIB + 4096), -EINVAL);
  host.close(fd);
  assert.equal(host.mapWindow(fd, 4096), -EBADF);
  assert.equal(host.unmapWindow(new ArrayBuffer(8)), -EINVAL);
});

test("bytes are copied as memmove does, also where both ranges overlap", () => {
  const bytes = new Uint8Array(1000);
  const fresh = (): Uint8Array => bytes.map((_, i) => i % 251);
  for (const [to, from, len] of [
    [0, 500, 500],
    [500, 0, 500],
    [10, 0, 700],
    [0, 10, 700],
    [3, 3, 900],
    [1000, 0, 0],
  ] as const) {
    const got = fresh();
    host.copyBytes(got, to, got, from, len);
    const want = fresh();
    want.copyWithin(to, from, from + len);
    assert.deepEqual(got, want, `${len} from ${from} to ${to}`);
  }
  assert.throws(() => host.copyBytes(bytes, 1, bytes, 0, 1000), RangeError);
  assert.throws(() => host.copyBytes(bytes, 0, bytes, -1, 5), RangeError);
});
