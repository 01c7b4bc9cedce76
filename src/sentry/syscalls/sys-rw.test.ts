import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  EOPNOTSUPP,
  EPIPE,
  ERESTARTSYS,
  ESPIPE,
} from "../../abi/errno.ts";
import { O_APPEND, O_CREAT, O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from "../../abi/fcntl.ts";
import { RLIMIT_FSIZE } from "../../abi/resource.ts";
import { SIGPIPE, SIGXFSZ } from "../../abi/signal.ts";
import { BLOCKED } from "../kernel/task.ts";
import { BAD, MEM, MEMORY, ok, TestKernel } from "./file-harness.testing.ts";
import type { Caller } from "./file-harness.testing.ts";
import { eventfd2, pipe2 } from "./sys-eventfd.ts";
import { close } from "./sys-fd.ts";
import { lseek, pread64, preadv, preadv2, pwrite64, pwritev2, read, readv, write, writev } from "./sys-rw.ts";

function makePipe(c: Caller, flags = 0): [number, number] {
  const at = c.alloc(8);
  ok(c.call(pipe2, at, flags));
  return [c.getI32(at), c.getI32(at + 4)];
}

function iov(c: Caller, ...parts: [number, number][]): number {
  return c.i64s(...parts.flat());
}

test("read, write and lseek on a regular file", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  assert.equal(c.write(fd, "hello world"), 11);
  assert.equal(c.call(lseek, fd, 0, 0), 0);
  assert.equal(c.read(fd, 5), "hello");
  assert.equal(c.call(lseek, fd, 0, 1), 5);
  assert.equal(c.call(lseek, fd, -5, 2), 6);
  assert.equal(c.read(fd, 100), "world");
  assert.equal(c.read(fd, 100), "");
  assert.equal(c.call(lseek, fd, -1, 0), -EINVAL);
  assert.equal(c.call(lseek, fd, 0, 99), -EINVAL);
});

test("errors of read and write come in Linux' order", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const ro = c.open("/f", O_RDONLY);
  const wo = c.open("/f", O_WRONLY);
  const dir = c.open("/", O_RDONLY | O_DIRECTORY);
  const path = c.open("/f", O_PATH);
  const [r, w] = makePipe(c);
  const ef = c.call(eventfd2, 0, O_NONBLOCK);
  const buf = c.alloc(16);
  c.write(fd, "hello world");
  assert.equal(c.call(read, 99, buf, 1), -EBADF);
  assert.equal(c.call(read, wo, buf, 1), -EBADF);
  assert.equal(c.call(write, ro, buf, 1), -EBADF);
  assert.equal(c.call(read, path, buf, 1), -EBADF);
  assert.equal(c.call(lseek, path, 0, 0), -EBADF);
  assert.equal(c.call(read, dir, buf, 1), -EISDIR);
  assert.equal(c.call(read, dir, BAD, 1), -EISDIR);
  assert.equal(c.call(pread64, w, buf, 1, 0), -ESPIPE);
  assert.equal(c.call(pread64, w, buf, 1, -1), -EINVAL);
  assert.equal(c.call(pread64, 99, buf, 1, -1), -EINVAL);
  assert.equal(c.call(pwrite64, r, buf, 1, 0), -ESPIPE);
  assert.equal(c.call(read, ef, buf, 4), -EINVAL);
  assert.equal(c.call(read, ef, BAD, 8), -EAGAIN);
  assert.equal(c.call(read, fd, BAD, 5), 0, "at the end the buffer does not matter");
  ok(c.call(lseek, fd, 0, 0));
  assert.equal(c.call(read, fd, BAD, 5), -EFAULT);
  assert.equal(c.call(read, fd, BAD, 0), 0);
  assert.equal(c.call(read, fd, buf, 2 ** 63), -EFAULT);
  assert.equal(c.call(write, fd, BAD, 5), -EFAULT);
  assert.equal(c.call(readv, w, BAD, 5), -EBADF);
  assert.equal(c.call(readv, r, iov(c, [buf, 1]), 1025), -EINVAL);
  assert.equal(c.call(readv, fd, 0, 0), 0);
  assert.equal(c.call(preadv2, fd, iov(c, [buf, 1]), 1, -2, 0, 0), -EINVAL);
  assert.equal(c.call(preadv2, fd, iov(c, [buf, 1]), 1, 0, 0, 0x4000), -EOPNOTSUPP);
  assert.equal(c.call(pwritev2, w, iov(c, [buf, 1]), 1, 0, 0, 0), -ESPIPE);
  assert.equal(c.call(pwritev2, fd, iov(c, [buf, 1]), 1, 0, 0, 0x30), -EINVAL);
  assert.equal(c.call(pread64, fd, buf, 1, 2 ** 62), 0);
  assert.equal(c.call(pwrite64, fd, buf, 1, 2 ** 62), -EFBIG);
});

test("a transfer stops where memory ends", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const edge = MEM + MEMORY - 3;
  c.put(edge, Buffer.from("abc"));
  assert.equal(c.call(write, fd, edge, 10), 3);
  assert.equal(c.call(pread64, fd, edge, 10, 0), 3);
});

test("vectors", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const v = iov(c, [c.bytes("one"), 3], [0, 0], [c.bytes("two"), 3]);
  assert.equal(c.call(writev, fd, v, 3), 6);
  const a = c.alloc(4);
  const b = c.alloc(8);
  assert.equal(c.call(preadv, fd, iov(c, [a, 2], [b, 8]), 2, 1, 0), 5);
  assert.equal(c.text(a, 2) + c.text(b, 3), "netwo");
  assert.equal(c.call(preadv2, fd, iov(c, [a, 2]), 1, -1, 0, 0), 0);
  assert.equal(c.call(lseek, fd, 0, 1), 6);
  assert.equal(c.call(pwritev2, fd, iov(c, [c.bytes("!"), 1]), 1, 0, 0, 0x10), 1, "RWF_APPEND");
  ok(c.call(lseek, fd, 0, 0));
  assert.equal(c.read(fd, 100), "onetwo!");
});

test("O_APPEND wins over positions", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f", O_RDWR | O_CREAT | O_APPEND);
  c.write(fd, "abc");
  ok(c.call(lseek, fd, 0, 0));
  c.write(fd, "def");
  assert.equal(c.call(pwrite64, fd, c.bytes("ghi"), 3, 0), 3);
  assert.equal(c.call(lseek, fd, 0, 1), 6);
  assert.equal(c.call(pread64, fd, MEM, 100, 0), 9);
  assert.equal(c.text(MEM, 9), "abcdefghi");
});

test("RLIMIT_FSIZE cuts writes, then sends SIGXFSZ", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  c.t.group.limits.set(RLIMIT_FSIZE, 4, 100);
  assert.equal(c.call(write, fd, c.bytes("abcdef"), 6), 4);
  assert.equal(c.t.pending.has(SIGXFSZ), false);
  assert.equal(c.call(write, fd, c.bytes("x"), 1), -EFBIG);
  assert.equal(c.t.pending.has(SIGXFSZ), true);
});

test("a pipe read waits for data and for the last writer", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const d = k.thread(c);
  const buf = c.alloc(16);
  assert.equal(c.call(read, r, buf, 16), BLOCKED);
  assert.equal(c.woken, false);
  d.write(w, "hi");
  assert.equal(c.woken, true);
  assert.equal(c.again(), 2);
  assert.equal(c.text(buf, 2), "hi");
  assert.equal(c.call(read, r, buf, 16), BLOCKED);
  assert.equal(c.interrupt(), -ERESTARTSYS);
  assert.equal(c.call(read, r, buf, 16), BLOCKED);
  d.close(w);
  assert.equal(c.again(), 0);
});

test("a blocking pipe write goes on until all is written", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const d = k.thread(c);
  const big = 100_000;
  assert.equal(c.call(write, w, MEM, big), BLOCKED);
  assert.equal(c.t.progress, 65536);
  const got = d.call(read, r, MEM + 0x1c000, 4096);
  assert.equal(got, 4096);
  assert.equal(c.woken, true);
  assert.equal(c.again(), BLOCKED);
  assert.equal(c.t.progress, 65536 + 4096);
  assert.equal(d.call(read, r, MEM, 65536), 65536);
  assert.equal(c.again(), big);
});

test("an interrupted write gives what was written", () => {
  const k = new TestKernel();
  const c = k.process();
  const [, w] = makePipe(c);
  assert.equal(c.call(write, w, MEM, 100_000), BLOCKED);
  assert.equal(c.interrupt(), 65536);
});

test("O_NONBLOCK: short writes and EAGAIN", () => {
  const c = new TestKernel().process();
  const [r, w] = makePipe(c, O_NONBLOCK);
  assert.equal(c.call(read, r, MEM, 1), -EAGAIN);
  assert.equal(c.call(read, r, BAD, 1), -EAGAIN);
  assert.equal(c.call(write, w, MEM, 100_000), 65536);
  assert.equal(c.call(write, w, MEM, 1), -EAGAIN);
  assert.equal(c.call(read, r, BAD, 1), -EFAULT);
});

test("EPIPE sends SIGPIPE, also in the middle of a write", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const d = k.thread(c);
  assert.equal(c.call(write, w, MEM, 100_000), BLOCKED);
  d.close(r);
  assert.equal(c.again(), 65536);
  assert.equal(c.t.pending.has(SIGPIPE), true);
  c.t.pending.discard(-1, -1);
  assert.equal(c.call(write, w, MEM, 1), -EPIPE);
  assert.equal(c.t.pending.has(SIGPIPE), true);
  assert.equal(c.call(close, w), 0);
});

test("a blocked call keeps its file when another thread closes the descriptor", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const d = k.thread(c);
  const buf = c.alloc(16);
  assert.equal(c.call(read, r, buf, 16), BLOCKED);
  d.close(r);
  const other = d.open("/other");
  assert.equal(other, r, "the number is in use again");
  d.write(w, "mine");
  assert.equal(c.woken, true);
  assert.equal(c.again(), 4);
  assert.equal(c.text(buf, 4), "mine");
  assert.equal(d.call(write, w, buf, 1), -EPIPE, "now the reading end is gone");
});
