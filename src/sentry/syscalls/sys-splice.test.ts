import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  EMFILE,
  ENOTTY,
  EOVERFLOW,
  ERESTARTSYS,
  ESPIPE,
  EXDEV,
} from "../../abi/errno.ts";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SPLICE_F_NONBLOCK,
} from "../../abi/fcntl.ts";
import { FIOCLEX, FIONBIO, FIONREAD } from "../../abi/ioctl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { BLOCKED } from "../kernel/task.ts";
import { BAD, MEM, ok, TestKernel } from "./file-harness.testing.ts";
import type { Caller } from "./file-harness.testing.ts";
import { eventfd2, memfdCreate, pipe, pipe2 } from "./sys-eventfd.ts";
import { fcntl } from "./sys-fd.ts";
import { ioctl } from "./sys-ioctl.ts";
import { lseek, write } from "./sys-rw.ts";
import { copyFileRange, sendfile, splice, tee, vmsplice } from "./sys-splice.ts";

function makePipe(c: Caller, flags = 0): [number, number] {
  const at = c.alloc(8);
  ok(c.call(pipe2, at, flags));
  return [c.getI32(at), c.getI32(at + 4)];
}

function makeFile(c: Caller, name: string, text: string, flags = O_RDWR | O_CREAT): number {
  const fd = c.open(name, flags);
  if (text !== "") c.write(fd, text);
  if ((flags & O_APPEND) === 0) ok(c.call(lseek, fd, 0, 0));
  return fd;
}

test("pipe2", () => {
  const c = new TestKernel().process();
  assert.equal(c.call(pipe2, MEM, 1), -EINVAL);
  assert.equal(c.call(pipe2, BAD, 0), -EFAULT);
  assert.equal(c.t.fds.count, 0);
  c.t.group.limits.set(RLIMIT_NOFILE, 1, 1);
  assert.equal(c.call(pipe, MEM), -EMFILE);
});

test("splice errors", () => {
  const c = new TestKernel().process();
  const f = makeFile(c, "/f", "hello world");
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  const ro = c.open("/f", O_RDONLY);
  const p = c.open("/f", O_PATH);
  const [r, w] = makePipe(c);
  const [r2, w2] = makePipe(c);
  const ef = ok(c.call(eventfd2, 0, 0));
  const af = makeFile(c, "/a", "", O_RDWR | O_CREAT | O_APPEND);
  const off = c.i64s(0);
  assert.equal(c.call(splice, 99, 0, w, 0, 0, 0), 0);
  assert.equal(c.call(splice, 99, 0, w, 0, 5, 0), -EBADF);
  assert.equal(c.call(splice, f, 0, d, 0, 5, 0), -EBADF);
  assert.equal(c.call(splice, f, 0, w, 0, 5, 0x10), -EINVAL);
  assert.equal(c.call(splice, f, 0, w, off, 5, 0), -ESPIPE);
  assert.equal(c.call(splice, r, off, w2, 0, 5, 0), -ESPIPE);
  assert.equal(c.call(splice, r, 0, w, 0, 5, 0), -EINVAL);
  assert.equal(c.call(splice, w, 0, w2, 0, 5, 0), -EBADF);
  assert.equal(c.call(splice, f, BAD, w, 0, 5, 0), -EFAULT);
  assert.equal(c.call(splice, r, 0, af, 0, 5, 0), -EINVAL);
  assert.equal(c.call(splice, r, 0, ro, 0, 5, 0), -EBADF);
  assert.equal(c.call(splice, f, c.i64s(-1), w, 0, 5, 0), -EINVAL);
  assert.equal(c.call(splice, ef, 0, w, 0, 5, 0), -EINVAL);
  assert.equal(c.call(splice, d, 0, w, 0, 5, 0), -EINVAL);
  assert.equal(c.call(splice, p, 0, w, 0, 5, 0), -EBADF);
  assert.equal(c.call(splice, r2, 0, f, 0, 5, SPLICE_F_NONBLOCK), -EAGAIN);
});

test("splice file to pipe to file", () => {
  const k = new TestKernel();
  const c = k.process();
  const f = makeFile(c, "/f", "hello world");
  const g = makeFile(c, "/g", "");
  const [r, w] = makePipe(c);
  const off = c.i64s(6);
  assert.equal(c.call(splice, f, off, w, 0, 100, 0), 5);
  assert.equal(c.getI64(off), 11);
  assert.equal(c.call(splice, f, 0, w, 0, 5, 0), 5);
  assert.equal(c.call(lseek, f, 0, 1), 5);
  assert.equal(c.call(splice, r, 0, g, 0, 7, 0), 7);
  assert.equal(c.call(splice, r, 0, g, c.i64s(20), 100, 0), 3);
  ok(c.call(lseek, g, 0, 0));
  assert.equal(c.read(g, 100), `worldhe${"\0".repeat(13)}llo`);
  assert.equal(c.call(splice, r, 0, g, 0, 7, 0), BLOCKED);
  assert.equal(c.interrupt(), -ERESTARTSYS);
});

test("splice and tee between pipes", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const [r2, w2] = makePipe(c);
  c.write(w, "abcdef");
  assert.equal(c.call(tee, r, w2, 3, 0), 3);
  assert.equal(c.call(splice, r, 0, w2, 0, 100, 0), 6);
  assert.equal(c.read(r2, 100), "abcabcdef");
  assert.equal(c.call(tee, r, w, 3, 0), -EINVAL);
  assert.equal(c.call(tee, r, w2, 0, 0), 0);
  assert.equal(c.call(tee, r, w2, 3, 0x10), -EINVAL);
  assert.equal(c.call(tee, w, w2, 3, 0), -EBADF);
  assert.equal(c.call(tee, r, w2, 3, SPLICE_F_NONBLOCK), -EAGAIN);
  assert.equal(c.call(tee, r, w2, 3, 0), BLOCKED);
  k.thread(c).write(w, "xy");
  assert.equal(c.again(), 2);
  assert.equal(c.read(r, 10), "xy");
});

test("splice into a full pipe waits for room", () => {
  const k = new TestKernel();
  const c = k.process();
  const f = makeFile(c, "/f", "hello");
  const [r, w] = makePipe(c);
  assert.equal(c.call(write, w, MEM, 65536), 65536);
  assert.equal(c.call(splice, f, 0, w, 0, 5, SPLICE_F_NONBLOCK), -EAGAIN);
  assert.equal(c.call(splice, f, 0, w, 0, 5, 0), BLOCKED);
  k.thread(c).read(r, 4096);
  assert.equal(c.woken, true);
  assert.equal(c.again(), 5);
});

test("vmsplice copies both ways", () => {
  const c = new TestKernel().process();
  const [r, w] = makePipe(c);
  const f = makeFile(c, "/f", "");
  const v = c.i64s(c.bytes("hey"), 3);
  assert.equal(c.call(vmsplice, w, v, 1, 0), 3);
  const at = c.alloc(10);
  assert.equal(c.call(vmsplice, r, c.i64s(at, 10), 1, 0), 3);
  assert.equal(c.text(at, 3), "hey");
  assert.equal(c.call(vmsplice, f, v, 1, 0), -EBADF);
});

test("sendfile", () => {
  const k = new TestKernel();
  const c = k.process();
  const f = makeFile(c, "/f", "hello world");
  const g = makeFile(c, "/g", "");
  const af = makeFile(c, "/a", "", O_RDWR | O_CREAT | O_APPEND);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  const [r, w] = makePipe(c);
  const off = c.i64s(6);
  assert.equal(c.call(sendfile, g, f, off, 100), 5);
  assert.equal(c.getI64(off), 11);
  assert.equal(c.call(lseek, f, 0, 1), 0);
  assert.equal(c.call(sendfile, g, f, 0, 5), 5);
  assert.equal(c.call(lseek, f, 0, 1), 5);
  ok(c.call(lseek, g, 0, 0));
  assert.equal(c.read(g, 100), "worldhello");
  assert.equal(c.call(sendfile, f, 99, 0, 5), -EBADF);
  assert.equal(c.call(sendfile, 99, f, 0, 5), -EBADF);
  assert.equal(c.call(sendfile, f, r, 0, 5), -EINVAL);
  assert.equal(c.call(sendfile, f, r, off, 5), -ESPIPE);
  assert.equal(c.call(sendfile, af, f, off, 5), -EINVAL);
  assert.equal(c.call(sendfile, w, f, BAD, 5), -EFAULT);
  assert.equal(c.call(sendfile, w, f, c.i64s(-1), 5), -EINVAL);
  assert.equal(c.call(sendfile, f, d, 0, 5), -EINVAL);
  assert.equal(c.call(sendfile, d, f, 0, 5), -EBADF);
  assert.equal(c.call(sendfile, w, f, 0, 100), 6);
  assert.equal(c.read(r, 100), " world");
});

test("sendfile into a full pipe", () => {
  const k = new TestKernel();
  const c = k.process();
  const f = c.open("/f");
  for (let i = 0; i < 2; i++) assert.equal(c.call(write, f, MEM, 65536), 65536);
  ok(c.call(lseek, f, 0, 0));
  const [r, w] = makePipe(c);
  assert.equal(c.call(sendfile, w, f, 0, 131072), 65536);
  assert.equal(c.call(sendfile, w, f, 0, 131072), BLOCKED);
  k.thread(c).read(r, 8192);
  assert.equal(c.again(), 8192);
  assert.equal(c.call(lseek, f, 0, 1), 65536 + 8192);
  ok(c.call(fcntl, w, 4, O_NONBLOCK));
  assert.equal(c.call(sendfile, w, f, 0, 1), -EAGAIN);
});

test("copy_file_range", () => {
  const c = new TestKernel().process();
  const f = makeFile(c, "/f", "hello world");
  const g = makeFile(c, "/g", "");
  const wo = c.open("/h", O_WRONLY | O_CREAT);
  const ro = c.open("/f", O_RDONLY);
  const af = makeFile(c, "/a", "", O_RDWR | O_CREAT | O_APPEND);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  const [r, w] = makePipe(c);
  const m = ok(c.call(memfdCreate, c.str("m"), 0));
  assert.equal(c.call(copyFileRange, f, 0, g, 0, 100, 0), 11);
  assert.equal(c.call(copyFileRange, f, 0, g, 0, 100, 0), 0);
  const i = c.i64s(0);
  const o = c.i64s(20);
  assert.equal(c.call(copyFileRange, f, i, f, o, 5, 0), 5);
  assert.deepEqual([c.getI64(i), c.getI64(o)], [5, 25]);
  assert.equal(c.call(copyFileRange, f, c.i64s(0), f, c.i64s(2), 5, 0), -EINVAL);
  assert.equal(c.call(copyFileRange, f, i, af, 0, 5, 0), -EBADF);
  assert.equal(c.call(copyFileRange, f, i, ro, 0, 5, 0), -EBADF);
  assert.equal(c.call(copyFileRange, wo, 0, f, 0, 5, 0), -EBADF);
  assert.equal(c.call(copyFileRange, f, i, w, 0, 5, 0), -EINVAL);
  assert.equal(c.call(copyFileRange, r, 0, f, 0, 5, 0), -EINVAL);
  assert.equal(c.call(copyFileRange, d, 0, f, 0, 5, 0), -EISDIR);
  assert.equal(c.call(copyFileRange, f, 0, f, 0, 5, 1), -EINVAL);
  assert.equal(c.call(copyFileRange, f, 0, 99, 0, 5, 1), -EBADF);
  assert.equal(c.call(copyFileRange, f, c.i64s(-1), f, 0, 5, 0), -EOVERFLOW);
  assert.equal(c.call(copyFileRange, f, BAD, f, 0, 5, 0), -EFAULT);
  assert.equal(c.call(copyFileRange, ro, 0, m, 0, 5, 0), -EXDEV);
});

test("ioctl requests of all files", () => {
  const c = new TestKernel().process();
  const f = makeFile(c, "/f", "hello");
  const p = c.open("/f", O_PATH);
  const [r, w] = makePipe(c);
  const at = c.alloc(8);
  c.write(w, "abc");
  assert.equal(c.call(ioctl, r, FIONREAD, at), 0);
  assert.equal(c.getI32(at), 3);
  assert.equal(c.call(ioctl, f, FIONREAD, at), 0);
  assert.equal(c.getI32(at), 5);
  assert.equal(c.call(ioctl, f, FIONREAD, BAD), -EFAULT);
  assert.equal(c.call(ioctl, p, FIONREAD, at), -EBADF);
  assert.equal(c.call(ioctl, f, 0x1234, 0), -ENOTTY);
  assert.equal(c.call(ioctl, f, 0x5401, at), -ENOTTY);
  assert.equal(c.call(ioctl, r, FIONBIO, at), 0);
  assert.equal(c.call(fcntl, r, 3) & O_NONBLOCK, O_NONBLOCK);
  assert.equal(c.call(ioctl, r, FIONBIO, c.i32s(0)), 0);
  assert.equal(c.call(fcntl, r, 3), 0);
  assert.equal(c.call(ioctl, f, FIOCLEX, 0), 0);
  assert.equal(c.call(fcntl, f, 1), 1);
  assert.equal(c.call(ioctl, c.open("/", O_RDONLY | O_DIRECTORY), FIONREAD, at), -ENOTTY);
});
