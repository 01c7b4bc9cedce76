import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EAGAIN,
  EBADF,
  EBUSY,
  EDEADLK,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOTDIR,
  EOVERFLOW,
  EPERM,
  ERESTARTSYS,
  ESRCH,
} from "../../abi/errno.ts";
import {
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETPIPE_SZ,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SEAL_GROW,
  F_SETFD,
  F_SETFL,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from "../../abi/fcntl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { SIGIO } from "../../abi/signal.ts";
import { BLOCKED } from "../kernel/task.ts";
import { BAD, MEM, ok, TestKernel } from "./file-harness.testing.ts";
import type { Caller } from "./file-harness.testing.ts";
import { ftruncate } from "./sys-attr.ts";
import { memfdCreate, pipe2 } from "./sys-eventfd.ts";
import { close, closeRange, dup, dup2, dup3, fcntl } from "./sys-fd.ts";
import { flock } from "./sys-lock.ts";
import { write } from "./sys-rw.ts";

/** struct flock in guest memory. */
function lock(c: Caller, type: number, start: number, len: number, whence = 0, pid = 0): number {
  const b = Buffer.alloc(32);
  b.writeInt16LE(type, 0);
  b.writeInt16LE(whence, 2);
  b.writeBigInt64LE(BigInt(start), 8);
  b.writeBigInt64LE(BigInt(len), 16);
  b.writeInt32LE(pid, 24);
  const at = c.alloc(32);
  c.put(at, b);
  return at;
}

test("dup, dup2, dup3", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  assert.equal(fd, 0);
  assert.equal(c.call(dup, fd), 1);
  assert.equal(c.call(dup2, fd, 10), 10);
  assert.equal(c.call(dup2, fd, fd), fd);
  assert.equal(c.call(dup2, 99, 99), -EBADF);
  assert.equal(c.call(dup2, fd, -1), -EBADF);
  assert.equal(c.call(dup2, fd, 100_000_000), -EBADF);
  assert.equal(c.call(dup3, fd, fd, 0), -EINVAL);
  assert.equal(c.call(dup3, fd, 20, 1), -EINVAL);
  assert.equal(c.call(dup3, fd, 20, O_CLOEXEC), 20);
  assert.equal(c.call(fcntl, 20, F_GETFD), 1);
  assert.equal(c.call(fcntl, 10, F_GETFD), 0);
  assert.equal(c.call(close, 20), 0);
  assert.equal(c.call(close, 20), -EBADF);
  // Duplicates share flags and position.
  ok(c.call(fcntl, fd, F_SETFL, O_APPEND));
  assert.equal(c.call(fcntl, 10, F_GETFL) & O_APPEND, O_APPEND);
});

test("F_DUPFD and the fd limit", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  c.t.group.limits.set(RLIMIT_NOFILE, 5, 5);
  assert.equal(c.call(fcntl, fd, F_DUPFD, 3), 3);
  assert.equal(c.call(fcntl, fd, F_DUPFD_CLOEXEC, 3), 4);
  assert.equal(c.call(fcntl, 4, F_GETFD), 1);
  assert.equal(c.call(fcntl, fd, F_DUPFD, 3), -EMFILE);
  assert.equal(c.call(fcntl, fd, F_DUPFD, 5), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_DUPFD_QUERY, 3), 1);
  assert.equal(c.call(fcntl, fd, F_DUPFD_QUERY, 99), -EBADF);
  const file = c.t.fds.get(fd)!;
  assert.equal(file.refs, 3);
});

test("close_range", () => {
  const k = new TestKernel();
  const c = k.process();
  for (let i = 0; i < 6; i++) c.open("/f");
  assert.equal(c.call(closeRange, 5, 4, 0), -EINVAL);
  assert.equal(c.call(closeRange, 2, 3, 8), -EINVAL);
  assert.equal(c.call(closeRange, 2, 3, 0), 0);
  assert.equal(c.t.fds.get(2), undefined);
  assert.notEqual(c.t.fds.get(4), undefined);
  assert.equal(c.call(closeRange, 4, 0xffffffff, 4), 0);
  assert.equal(c.call(fcntl, 5, F_GETFD), 1);
  const d = k.thread(c);
  assert.equal(d.call(closeRange, 0, 0xffffffff, 2), 0);
  assert.equal(d.t.fds.count, 0);
  assert.equal(c.t.fds.count, 4, "an unshared table leaves the other one alone");
});

test("flags by fcntl", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const path = c.open("/f", O_PATH);
  assert.equal(c.call(fcntl, fd, F_GETFL), O_RDWR | 0o100000);
  assert.equal(c.call(fcntl, path, F_GETFL), O_PATH);
  assert.equal(c.call(fcntl, fd, F_SETFD, 1), 0);
  assert.equal(c.call(fcntl, fd, F_GETFD), 1);
  assert.equal(c.call(fcntl, fd, F_SETFL, O_NONBLOCK | O_CREAT), 0);
  assert.equal(c.call(fcntl, fd, F_GETFL), O_RDWR | O_NONBLOCK | 0o100000);
  assert.equal(c.call(fcntl, path, F_SETFL, 0), -EBADF);
  assert.equal(c.call(fcntl, path, 9999), -EBADF);
  assert.equal(c.call(fcntl, fd, 9999), -EINVAL);
  assert.equal(c.call(fcntl, 99, F_GETFL), -EBADF);
  assert.equal(c.call(fcntl, fd, F_GETLEASE), 2);
  assert.equal(c.call(fcntl, fd, F_NOTIFY, 1), -ENOTDIR);
});

test("pipe sizes and seals", () => {
  const c = new TestKernel().process();
  const at = c.alloc(8);
  ok(c.call(pipe2, at, 0));
  const [r, w] = [c.getI32(at), c.getI32(at + 4)];
  const fd = c.open("/f");
  assert.equal(c.call(fcntl, r, F_GETPIPE_SZ), 65536);
  assert.equal(c.call(fcntl, fd, F_GETPIPE_SZ), -EBADF);
  assert.equal(c.call(fcntl, r, F_SETPIPE_SZ, 5000), 8192);
  assert.equal(c.call(fcntl, r, F_SETPIPE_SZ, 0), 4096);
  assert.equal(c.call(fcntl, r, F_SETPIPE_SZ, -1), -EINVAL);
  ok(c.call(fcntl, w, F_SETPIPE_SZ, 8192));
  ok(c.call(write, w, MEM, 8000));
  assert.equal(c.call(fcntl, w, F_SETPIPE_SZ, 4096), -EBUSY);

  const m = ok(c.call(memfdCreate, c.str("x"), 2));
  assert.equal(c.call(fcntl, m, F_GET_SEALS), 0);
  assert.equal(c.call(fcntl, m, F_ADD_SEALS, 0x100), -EINVAL);
  assert.equal(c.call(fcntl, m, F_ADD_SEALS, F_SEAL_GROW), 0);
  assert.equal(c.call(ftruncate, m, 5), -EPERM);
  assert.equal(c.call(write, m, MEM, 1), -EPERM);
  assert.equal(c.call(memfdCreate, BAD, 0), -EFAULT);
  assert.equal(c.call(memfdCreate, c.str("x"), 0x100), -EINVAL);
  assert.equal(c.call(memfdCreate, c.str("a".repeat(250)), 0), -EINVAL);
  ok(c.call(memfdCreate, c.str("a".repeat(249)), 0));
});

test("record locks of two processes", () => {
  const k = new TestKernel();
  const a = k.process();
  const fd = a.open("/f");
  const b = k.process(a);
  assert.equal(a.call(fcntl, fd, F_SETLK, lock(a, F_WRLCK, 10, 10)), 0);
  assert.equal(b.call(fcntl, fd, F_SETLK, lock(b, F_RDLCK, 15, 1)), -EAGAIN);
  assert.equal(b.call(fcntl, fd, F_SETLK, lock(b, F_RDLCK, 20, 1)), 0);
  const q = lock(b, F_WRLCK, 0, 0);
  assert.equal(b.call(fcntl, fd, F_GETLK, q), 0);
  assert.deepEqual(
    [b.get(q, 2).readInt16LE(0), b.getI64(q + 8), b.getI64(q + 16), b.getI32(q + 24)],
    [F_WRLCK, 10, 10, a.t.group.id],
  );
  const free = lock(b, F_RDLCK, 100, 1);
  ok(b.call(fcntl, fd, F_GETLK, free));
  assert.equal(b.get(free, 2).readInt16LE(0), F_UNLCK);

  assert.equal(b.call(fcntl, fd, F_SETLKW, lock(b, F_WRLCK, 0, 0)), BLOCKED);
  // Waiting for each other is refused.
  assert.equal(a.call(fcntl, fd, F_SETLKW, lock(a, F_WRLCK, 20, 1)), -EDEADLK);
  assert.equal(a.call(fcntl, fd, F_SETLK, lock(a, F_UNLCK, 0, 0)), 0);
  assert.equal(b.woken, true);
  assert.equal(b.again(), 0);
  assert.equal(a.call(fcntl, fd, F_SETLKW, lock(a, F_WRLCK, 0, 0)), BLOCKED);
  assert.equal(a.interrupt(), -ERESTARTSYS);
  // Closing any descriptor of the file drops the process's locks.
  const other = b.open("/f", O_RDONLY);
  b.close(other);
  assert.equal(a.call(fcntl, fd, F_SETLK, lock(a, F_WRLCK, 0, 0)), 0);
});

test("malformed locks", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const ro = c.open("/f", O_RDONLY);
  assert.equal(c.call(fcntl, ro, F_SETLK, lock(c, F_WRLCK, 0, 0)), -EBADF);
  assert.equal(c.call(fcntl, fd, F_SETLK, BAD), -EFAULT);
  assert.equal(c.call(fcntl, fd, F_SETLK, lock(c, F_WRLCK, 0, 0, 9)), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_SETLK, lock(c, 77, 0, 0)), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_SETLK, lock(c, F_WRLCK, -1, 0)), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_SETLK, lock(c, F_WRLCK, 5, -10)), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_GETLK, lock(c, F_UNLCK, 0, 0)), -EINVAL);
  assert.equal(c.call(fcntl, fd, F_OFD_SETLK, lock(c, F_WRLCK, 0, 0, 0, 5)), -EINVAL);
  const at = c.alloc(32);
  const b = Buffer.alloc(32);
  b.writeInt16LE(F_WRLCK, 0);
  b.writeBigInt64LE(0x7fffffffffffffffn, 8);
  b.writeBigInt64LE(2n, 16);
  c.put(at, b);
  assert.equal(c.call(fcntl, fd, F_SETLK, at), -EOVERFLOW);
});

test("open file description locks", () => {
  const k = new TestKernel();
  const c = k.process();
  const a = c.open("/f");
  const b = c.open("/f");
  assert.equal(c.call(fcntl, a, F_OFD_SETLK, lock(c, F_WRLCK, 0, 10)), 0);
  assert.equal(c.call(fcntl, b, F_OFD_SETLK, lock(c, F_WRLCK, 5, 10)), -EAGAIN);
  assert.equal(c.call(fcntl, b, F_SETLK, lock(c, F_WRLCK, 5, 10)), -EAGAIN);
  const q = lock(c, F_RDLCK, 0, 0);
  ok(c.call(fcntl, b, F_OFD_GETLK, q));
  assert.equal(c.getI32(q + 24), -1);
  assert.equal(c.call(fcntl, b, F_OFD_SETLKW, lock(c, F_WRLCK, 5, 10)), BLOCKED);
  const d = k.thread(c);
  d.close(a);
  assert.equal(c.woken, true);
  assert.equal(c.again(), 0);
});

test("flock", () => {
  const k = new TestKernel();
  const c = k.process();
  const a = c.open("/f");
  const b = c.open("/f");
  assert.equal(c.call(flock, a, 77), -EINVAL);
  assert.equal(c.call(flock, 99, LOCK_SH), -EBADF);
  assert.equal(c.call(flock, a, LOCK_SH), 0);
  assert.equal(c.call(flock, b, LOCK_SH), 0);
  assert.equal(c.call(flock, b, LOCK_EX | LOCK_NB), -EAGAIN);
  assert.equal(c.call(flock, b, LOCK_SH), 0);
  assert.equal(c.call(flock, b, LOCK_EX), BLOCKED);
  const d = k.thread(c);
  assert.equal(d.call(flock, a, LOCK_UN), 0);
  assert.equal(c.woken, true);
  assert.equal(c.again(), 0);
  assert.equal(d.call(flock, a, LOCK_SH | LOCK_NB), -EAGAIN);
  d.close(b);
  assert.equal(d.call(flock, a, LOCK_SH | LOCK_NB), 0);
});

test("signal-driven I/O", () => {
  const k = new TestKernel();
  const c = k.process();
  const at = c.alloc(8);
  ok(c.call(pipe2, at, 0));
  const [r, w] = [c.getI32(at), c.getI32(at + 4)];
  assert.equal(c.call(fcntl, r, F_GETOWN), 0);
  assert.equal(c.call(fcntl, r, F_SETOWN, 9999), -ESRCH);
  assert.equal(c.call(fcntl, r, F_SETOWN, c.t.group.id), 0);
  assert.equal(c.call(fcntl, r, F_GETOWN), c.t.group.id);
  assert.equal(c.call(fcntl, r, F_SETSIG, 100), -EINVAL);
  assert.equal(c.call(fcntl, r, F_SETFL, O_ASYNC), 0);
  assert.equal(c.call(fcntl, r, F_GETFL), O_ASYNC);
  // Blocked, so that it stays pending.
  c.t.maskLo = 1 << (SIGIO - 1);
  c.write(w, "x");
  assert.equal(c.t.group.pending.has(SIGIO), true);
  c.t.group.pending.discard(-1, -1);
  ok(c.call(fcntl, r, F_SETFL, 0));
  c.write(w, "x");
  assert.equal(c.t.group.pending.has(SIGIO), false);
  // A regular file never shows it.
  const fd = c.open("/f");
  ok(c.call(fcntl, fd, F_SETFL, O_ASYNC));
  assert.equal(c.call(fcntl, fd, F_GETFL) & O_ASYNC, 0);
});
