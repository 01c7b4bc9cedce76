import assert from "node:assert/strict";
import { test } from "node:test";
import {
  E2BIG,
  EACCES,
  EBADF,
  EEXIST,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ELOOP,
  EMFILE,
  ENAMETOOLONG,
  ENODATA,
  ENODEV,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  ERESTARTSYS,
  ESPIPE,
  ENXIO,
} from "../../abi/errno.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
} from "../../abi/fcntl.ts";
import { RLIMIT_FSIZE, RLIMIT_NOFILE } from "../../abi/resource.ts";
import { S_IFIFO, S_IFMT, S_IFREG, UTIME_NOW, UTIME_OMIT } from "../../abi/stat.ts";
import { BLOCKED } from "../kernel/task.ts";
import { asUser, BAD, MEM, ok, TestKernel } from "./file-harness.testing.ts";
import type { Caller } from "./file-harness.testing.ts";
import {
  chmod,
  chown,
  fallocate,
  fchmod,
  fchmodat2,
  ftruncate,
  futimesat,
  lchown,
  truncate,
  umask,
  utime,
  utimensat,
  utimes,
} from "./sys-attr.ts";
import { chdir, chroot, fchdir, getcwd, getdents, getdents64, mkdir, mkdirat } from "./sys-dir.ts";
import { fcntl } from "./sys-fd.ts";
import { mount, pivotRootCall, umount2 } from "./sys-mount.ts";
import { creat, open, openat, openat2 } from "./sys-open.ts";
import {
  link,
  linkat,
  mknod,
  readlink,
  readlinkat,
  rename,
  renameat2,
  rmdir,
  symlink,
  unlink,
  unlinkat,
} from "./sys-path.ts";
import { access, faccessat2, fstat, fstatfs, lstat, newfstatat, statfs, statx, sysStat } from "./sys-stat.ts";
import { fadvise64, fsync, readahead, sync, syncFileRange, syncfs } from "./sys-sync.ts";
import { fgetxattr, getxattr, listxattr, removexattr, setxattr } from "./sys-xattr.ts";
import { pipe2 } from "./sys-eventfd.ts";

function mode(c: Caller, path: string, h = sysStat): number {
  const at = c.alloc(144);
  ok(c.call(h, c.str(path), at));
  return c.getI32(at + 24);
}

function how(c: Caller, flags: number, m: number, resolve: number): number {
  return c.i64s(flags, m, resolve);
}

test("open: descriptors, flags, errors", () => {
  const c = new TestKernel().process();
  assert.equal(c.call(open, c.str("/nope"), O_RDONLY, 0), -ENOENT);
  assert.equal(c.call(open, c.str(""), O_RDONLY, 0), -ENOENT);
  assert.equal(c.call(open, BAD, O_RDONLY, 0), -EFAULT);
  assert.equal(c.call(open, c.str("/".repeat(4096)), O_RDONLY, 0), -ENAMETOOLONG);
  assert.equal(c.call(open, c.str(`/${"a".repeat(256)}`), O_RDONLY, 0), -ENAMETOOLONG);
  assert.equal(c.call(creat, c.str("/f"), 0o666), 0);
  assert.equal(mode(c, "/f"), S_IFREG | 0o644);
  assert.equal(c.call(open, c.str("/f"), O_CREAT | O_EXCL, 0), -EEXIST);
  assert.equal(c.call(open, c.str("/f"), O_DIRECTORY, 0), -ENOTDIR);
  assert.equal(c.call(open, c.str("/f/x"), O_RDONLY, 0), -ENOTDIR);
  assert.equal(c.call(open, c.str("/"), O_RDWR, 0), -EISDIR);
  assert.equal(c.call(open, c.str("/d"), O_CREAT | O_DIRECTORY, 0), -EINVAL);
  assert.equal(c.call(open, c.str("/"), O_TMPFILE, 0), -EINVAL);
  assert.equal(c.call(openat, 99, c.str("f"), O_RDONLY, 0), -EBADF);
  assert.equal(c.call(openat, 99, c.str("/f"), O_RDONLY, 0), 1, "absolute: dirfd does not matter");
  assert.equal(c.call(openat, 1, c.str("x"), O_RDONLY, 0), -ENOTDIR);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  assert.equal(c.call(openat, d, c.str("f"), O_CLOEXEC, 0), 3);
  assert.equal(c.call(fcntl, 3, 1), 1);
  ok(c.call(symlink, c.str("/f"), c.str("/l")));
  assert.equal(c.call(open, c.str("/l"), O_NOFOLLOW, 0), -ELOOP);
  ok(c.call(open, c.str("/l"), O_NOFOLLOW | O_PATH, 0));
  c.t.group.limits.set(RLIMIT_NOFILE, c.t.fds.count, 100);
  assert.equal(c.call(open, c.str("/nope"), O_RDONLY, 0), -EMFILE);
  asUser(c, 1000);
  c.t.group.limits.set(RLIMIT_NOFILE, 100, 100);
  assert.equal(c.call(open, c.str("/f"), O_WRONLY, 0), -EACCES);
  assert.equal(c.call(creat, c.str("/g"), 0o666), -EACCES);
});

test("openat2", () => {
  const c = new TestKernel().process();
  c.open("/f");
  ok(c.call(mkdir, c.str("/d"), 0o755));
  ok(c.call(symlink, c.str("/f"), c.str("/d/l")));
  const d = c.open("/d", O_RDONLY | O_DIRECTORY);
  const go = (path: string, flags: number, m: number, resolve: number): number =>
    c.call(openat2, d, c.str(path), how(c, flags, m, resolve), 24);
  assert.equal(c.call(openat2, d, c.str("l"), how(c, 0, 0, 0), 23), -EINVAL);
  assert.equal(c.call(openat2, d, c.str("l"), how(c, 0, 0, 0), 5000), -E2BIG);
  assert.equal(c.call(openat2, d, c.str("l"), c.i64s(0, 0, 0, 1), 32), -E2BIG);
  assert.equal(c.call(openat2, d, c.str("l"), BAD, 24), -EFAULT);
  assert.equal(go("l", 2 ** 40, 0, 0), -EINVAL);
  assert.equal(go("l", 0, 0o644, 0), -EINVAL);
  assert.equal(go("l", O_CREAT, 0o100644, 0), -EINVAL);
  assert.equal(go("l", O_PATH | O_RDWR, 0, 0), -EINVAL);
  assert.equal(go("l", 0, 0, 0x40), -EINVAL);
  assert.equal(go("l", 0, 0, 0x18), -EINVAL);
  assert.equal(go("l", 0, 0, 4), -ELOOP);
  assert.equal(go("../f", 0, 0, 8), -18);
  assert.ok(go("l", 0, 0, 0) > 0);
});

test("opening a FIFO waits for the other end", () => {
  const k = new TestKernel();
  const a = k.process();
  ok(a.call(mknod, a.str("/p"), S_IFIFO | 0o666, 0));
  const b = k.process(a);
  assert.equal(a.call(open, a.str("/p"), O_WRONLY | O_NONBLOCK, 0), -ENXIO);
  assert.equal(a.call(open, a.str("/p"), O_RDONLY, 0), BLOCKED);
  const w = b.call(open, b.str("/p"), O_WRONLY, 0);
  assert.ok(w >= 0);
  assert.equal(a.woken, true);
  const r = a.again();
  assert.ok(r >= 0);
  b.write(w, "hi");
  assert.equal(a.read(r, 10), "hi");
  a.close(r);
  b.close(w);
  assert.equal(a.call(open, a.str("/p"), O_RDONLY, 0), BLOCKED);
  assert.equal(a.interrupt(), -ERESTARTSYS);
  assert.equal(b.call(open, b.str("/p"), O_WRONLY | O_NONBLOCK, 0), -ENXIO, "the given-up reader is gone");
});

test("stat family", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  c.write(fd, "hello");
  ok(c.call(symlink, c.str("f"), c.str("/l")));
  const at = c.alloc(256);
  ok(c.call(fstat, fd, at));
  assert.equal(c.getI64(at + 48), 5);
  assert.equal(mode(c, "/l"), S_IFREG | 0o644);
  assert.equal(mode(c, "/l", lstat), 0o120777);
  assert.equal(c.call(newfstatat, fd, c.str(""), at, AT_EMPTY_PATH), 0);
  assert.equal(c.call(newfstatat, fd, 0, at, AT_EMPTY_PATH), 0);
  assert.equal(c.call(newfstatat, fd, c.str(""), at, 0), -ENOENT);
  assert.equal(c.call(newfstatat, 99, c.str(""), at, AT_EMPTY_PATH), -EBADF);
  assert.equal(c.call(newfstatat, AT_FDCWD, c.str("/l"), at, 0x10000), -EINVAL);
  assert.equal(c.call(newfstatat, AT_FDCWD, c.str("/l"), BAD, AT_SYMLINK_NOFOLLOW), -EFAULT);
  assert.equal(c.call(fstat, 99, at), -EBADF);
  assert.equal(c.call(statx, AT_FDCWD, c.str("/f"), 0x6000, 0x7ff, at), -EINVAL);
  assert.equal(c.call(statx, AT_FDCWD, c.str("/f"), 0, 0x80000000, at), -EINVAL);
  assert.equal(c.call(statx, AT_FDCWD, c.str("/f"), 0, 0x7ff, at), 0);
  assert.equal(c.getI64(at + 40), 5);
  assert.equal(c.call(statfs, c.str("/"), at), 0);
  assert.equal(c.getI64(at), 0x01021994);
  assert.equal(c.call(fstatfs, fd, at), 0);
  assert.equal(c.call(fstatfs, 99, at), -EBADF);
  assert.equal(c.call(statfs, c.str("/nope"), at), -ENOENT);
});

test("access", () => {
  const c = new TestKernel().process();
  c.open("/f", O_RDWR | O_CREAT, 0o600);
  assert.equal(c.call(access, c.str("/f"), 8), -EINVAL);
  assert.equal(c.call(access, c.str("/f"), 6), 0);
  assert.equal(c.call(access, c.str("/f"), 1), -EACCES);
  assert.equal(c.call(faccessat2, AT_FDCWD, c.str("/f"), 4, 0x8000), -EINVAL);
  const creds = c.t.creds.clone();
  creds.ruid = 1000;
  c.t.creds = creds;
  assert.equal(c.call(access, c.str("/f"), 4), -EACCES, "the real id counts");
  assert.equal(c.call(faccessat2, AT_FDCWD, c.str("/f"), 4, AT_EACCESS), 0);
});

test("names: link, rename, unlink, readlink", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  ok(c.call(mkdir, c.str("/d"), 0o777));
  assert.equal(mode(c, "/d"), 0o040755);
  assert.equal(c.call(mkdir, c.str("/d"), 0o777), -EEXIST);
  assert.equal(c.call(mkdirat, fd, c.str("x"), 0o777), -ENOTDIR);
  assert.equal(c.call(link, c.str("/f"), c.str("/d/g")), 0);
  assert.equal(c.call(linkat, fd, c.str(""), AT_FDCWD, c.str("/h"), AT_EMPTY_PATH), 0);
  assert.equal(c.call(linkat, AT_FDCWD, c.str("/f"), AT_FDCWD, c.str("/i"), 1), -EINVAL);
  assert.equal(c.call(link, c.str("/d"), c.str("/e")), -EPERM);
  assert.equal(c.call(rmdir, c.str("/d")), -ENOTEMPTY);
  assert.equal(c.call(unlink, c.str("/d")), -EISDIR);
  assert.equal(c.call(unlinkat, AT_FDCWD, c.str("/d/g"), 1), -EINVAL);
  assert.equal(c.call(rename, c.str("/d/g"), c.str("/k")), 0);
  assert.equal(c.call(renameat2, AT_FDCWD, c.str("/k"), AT_FDCWD, c.str("/f"), 1), -EEXIST);
  assert.equal(c.call(renameat2, AT_FDCWD, BAD, AT_FDCWD, c.str("/f"), 3), -EINVAL);
  assert.equal(c.call(unlinkat, AT_FDCWD, c.str("/d"), AT_REMOVEDIR), 0);
  assert.equal(c.call(unlink, c.str("")), -ENOENT);
  ok(c.call(symlink, c.str("target"), c.str("/l")));
  assert.equal(c.call(symlink, c.str(""), c.str("/m")), -ENOENT);
  const buf = c.alloc(16);
  assert.equal(c.call(readlink, c.str("/l"), buf, 16), 6);
  assert.equal(c.text(buf, 6), "target");
  assert.equal(c.call(readlink, c.str("/l"), buf, 3), 3);
  assert.equal(c.call(readlink, c.str("/l"), buf, 0), -EINVAL);
  assert.equal(c.call(readlink, c.str("/f"), buf, 3), -EINVAL);
  const l = c.open("/l", O_PATH | O_NOFOLLOW);
  assert.equal(c.call(readlinkat, l, c.str(""), buf, 16), 6);
  assert.equal(c.call(readlinkat, fd, c.str(""), buf, 16), -ENOENT);
});

test("working directory and root", () => {
  const c = new TestKernel().process();
  ok(c.call(mkdir, c.str("/d"), 0o755));
  const f = c.open("/f");
  assert.equal(c.call(chdir, c.str("/f")), -ENOTDIR);
  assert.equal(c.call(chdir, c.str("/d")), 0);
  const buf = c.alloc(64);
  assert.equal(c.call(getcwd, buf, 64), 3);
  assert.equal(c.text(buf, 3), "/d\0");
  assert.equal(c.call(getcwd, buf, 2), -ERANGE);
  assert.equal(c.call(getcwd, BAD, 64), -EFAULT);
  assert.equal(c.call(fchdir, f), -ENOTDIR);
  assert.equal(c.call(fchdir, 99), -EBADF);
  const d = c.open("/", O_PATH | O_DIRECTORY);
  ok(c.call(fchdir, d));
  assert.equal(c.call(getcwd, buf, 64), 2);
  ok(c.call(chdir, c.str("/d")));
  assert.equal(c.call(rmdir, c.str("/d")), 0);
  assert.equal(c.call(getcwd, buf, 64), -ENOENT);
  ok(c.call(mkdir, c.str("/jail"), 0o755));
  ok(c.call(chdir, c.str("/jail")));
  ok(c.call(chroot, c.str("/jail")));
  assert.equal(c.call(getcwd, buf, 64), 2);
  assert.equal(c.call(open, c.str("/f"), O_RDONLY, 0), -ENOENT);
  asUser(c, 1000);
  assert.equal(c.call(chroot, c.str("/")), -EPERM);
});

test("getdents", () => {
  const c = new TestKernel().process();
  for (const n of ["a", "bb", "ccc"]) c.open(`/${n}`);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  const buf = c.alloc(512);
  const names = (n: number, old: boolean): string[] => {
    const b = c.get(buf, n);
    const out: string[] = [];
    for (let at = 0; at < n; at += b.readUInt16LE(at + 16)) {
      const start = at + (old ? 18 : 19);
      out.push(b.toString("latin1", start, b.indexOf(0, start)));
    }
    return out;
  };
  assert.equal(c.call(getdents64, d, buf, 10), -EINVAL);
  assert.equal(c.call(getdents64, d, BAD, 512), -EFAULT);
  const n = c.call(getdents64, d, buf, 512);
  assert.deepEqual(names(n, false), [".", "..", "a", "bb", "ccc"]);
  assert.equal(c.call(getdents64, d, buf, 512), 0);
  const e = c.open("/", O_RDONLY | O_DIRECTORY);
  const m = c.call(getdents, e, buf, 60);
  assert.deepEqual(names(m, true), [".", ".."]);
  assert.equal(c.call(getdents64, c.open("/a", O_RDONLY), buf, 512), -ENOTDIR);
  assert.equal(c.call(getdents64, 99, buf, 512), -EBADF);
});

test("modes, owners, umask", () => {
  const c = new TestKernel().process();
  assert.equal(c.call(umask, 0o7027), 0o022);
  const fd = c.open("/f", O_RDWR | O_CREAT, 0o666);
  assert.equal(mode(c, "/f") & 0o777, 0o640);
  ok(c.call(chmod, c.str("/f"), 0o4755));
  assert.equal(mode(c, "/f") & 0o7777, 0o4755);
  ok(c.call(fchmod, fd, 0o600));
  assert.equal(c.call(fchmod, c.open("/f", O_PATH), 0o600), -EBADF);
  ok(c.call(symlink, c.str("f"), c.str("/l")));
  assert.equal(c.call(fchmodat2, AT_FDCWD, c.str("/l"), 0o600, AT_SYMLINK_NOFOLLOW), -EOPNOTSUPP);
  assert.equal(c.call(fchmodat2, AT_FDCWD, c.str("/l"), 0o600, 1), -EINVAL);
  ok(c.call(chown, c.str("/f"), 5, -1));
  ok(c.call(lchown, c.str("/l"), 7, 8));
  const at = c.alloc(144);
  ok(c.call(fstat, fd, at));
  assert.deepEqual([c.getI32(at + 28), c.getI32(at + 32)], [5, 0]);
  asUser(c, 1000);
  assert.equal(c.call(chmod, c.str("/f"), 0o777), -EPERM);
  assert.equal(c.call(chown, c.str("/f"), 1000, -1), -EPERM);
});

test("times", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const at = c.alloc(144);
  const both = (): number[] => {
    ok(c.call(fstat, fd, at));
    return [c.getI64(at + 72), c.getI64(at + 80), c.getI64(at + 88), c.getI64(at + 96)];
  };
  ok(c.call(utimensat, AT_FDCWD, c.str("/f"), c.i64s(1, 2, 3, 4), 0));
  assert.deepEqual(both(), [1, 2, 3, 4]);
  ok(c.call(utimensat, fd, 0, c.i64s(9, UTIME_OMIT, 5, 6), 0));
  assert.deepEqual(both(), [1, 2, 5, 6]);
  ok(c.call(utimensat, fd, 0, c.i64s(9, UTIME_NOW, 5, UTIME_OMIT), 0));
  assert.ok(both()[0]! > 1_000_000);
  assert.equal(c.call(utimensat, fd, 0, c.i64s(0, 1e9, 0, 0), 0), -EINVAL);
  assert.equal(c.call(utimensat, fd, 0, c.i64s(0, -1, 0, 0), 0), -EINVAL);
  assert.equal(c.call(utimensat, fd, 0, BAD, 0), -EFAULT);
  assert.equal(c.call(utimensat, fd, 0, 0, AT_SYMLINK_NOFOLLOW), -EINVAL);
  assert.equal(c.call(utimensat, AT_FDCWD, 0, 0, 0), -EFAULT);
  assert.equal(c.call(utimensat, AT_FDCWD, c.str("/x"), c.i64s(0, UTIME_OMIT, 0, UTIME_OMIT), 0), 0);
  ok(c.call(utimes, c.str("/f"), c.i64s(7, 8, 9, 10)));
  assert.deepEqual(both(), [7, 8000, 9, 10000]);
  assert.equal(c.call(utimes, c.str("/f"), c.i64s(7, 1e6, 9, 10)), -EINVAL);
  ok(c.call(futimesat, fd, 0, c.i64s(1, 0, 2, 0)));
  ok(c.call(utime, c.str("/f"), c.i64s(100, 200)));
  assert.deepEqual(both(), [100, 0, 200, 0]);
  ok(c.call(utime, c.str("/f"), 0));
});

test("sizes", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const ro = c.open("/f", O_RDONLY);
  const p = c.open("/f", O_PATH);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  ok(c.call(pipe2, MEM, 0));
  const [r, w] = [c.getI32(MEM), c.getI32(MEM + 4)];
  const at = c.alloc(144);
  const size = (): number => {
    ok(c.call(fstat, fd, at));
    return c.getI64(at + 48);
  };
  ok(c.call(ftruncate, fd, 100));
  assert.equal(size(), 100);
  ok(c.call(truncate, c.str("/f"), 10));
  assert.equal(size(), 10);
  assert.equal(c.call(ftruncate, fd, -1), -EINVAL);
  assert.equal(c.call(ftruncate, 99, 0), -EBADF);
  assert.equal(c.call(ftruncate, p, 0), -EBADF);
  assert.equal(c.call(ftruncate, ro, 0), -EINVAL);
  assert.equal(c.call(ftruncate, w, 0), -EINVAL);
  assert.equal(c.call(truncate, c.str("/"), 0), -EISDIR);
  assert.equal(c.call(truncate, c.str("/nope"), -1), -EINVAL);
  assert.equal(c.call(fallocate, fd, 0, 0, 0), -EINVAL);
  assert.equal(c.call(fallocate, fd, 0x100, 0, 1), -EOPNOTSUPP);
  assert.equal(c.call(fallocate, fd, 2, 0, 1), -EOPNOTSUPP);
  assert.equal(c.call(fallocate, ro, 0, 0, 1), -EBADF);
  assert.equal(c.call(fallocate, ro, 0, -1, 1), -EINVAL);
  assert.equal(c.call(fallocate, 99, 0, -1, 1), -EBADF);
  assert.equal(c.call(fallocate, w, 0, 0, 1), -ESPIPE);
  assert.equal(c.call(fallocate, r, 0, 0, 1), -EBADF);
  assert.equal(c.call(fallocate, d, 0, 0, 1), -EBADF);
  assert.equal(c.call(fallocate, fd, 0, 2 ** 62, 2 ** 62), -EFBIG);
  assert.equal(c.call(fallocate, fd, 1, 0, 100), 0);
  assert.equal(size(), 10);
  assert.equal(c.call(fallocate, fd, 0, 0, 50), 0);
  assert.equal(size(), 50);
  c.t.group.limits.set(RLIMIT_FSIZE, 60, 60);
  assert.equal(c.call(ftruncate, fd, 61), -EFBIG);
  assert.equal(c.call(truncate, c.str("/f"), 61), -EFBIG);
  assert.equal(c.call(fallocate, fd, 0, 0, 61), -EFBIG);
  assert.equal(c.call(ftruncate, fd, 60), 0);
});

test("sync calls and advice", () => {
  const c = new TestKernel().process();
  const f = c.open("/f");
  const p = c.open("/f", O_PATH);
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  ok(c.call(pipe2, MEM, 0));
  const r = c.getI32(MEM);
  assert.equal(c.call(sync), 0);
  assert.equal(c.call(fsync, f), 0);
  assert.equal(c.call(fsync, d), 0);
  assert.equal(c.call(fsync, r), -EINVAL);
  assert.equal(c.call(fsync, p), -EBADF);
  assert.equal(c.call(syncfs, f), 0);
  assert.equal(c.call(syncfs, p), -EBADF);
  assert.equal(c.call(syncFileRange, f, 0, 0, 0), 0);
  assert.equal(c.call(syncFileRange, f, -1, 0, 0), -EINVAL);
  assert.equal(c.call(syncFileRange, f, 0, 0, 8), -EINVAL);
  assert.equal(c.call(syncFileRange, r, 0, 0, 0), -ESPIPE);
  assert.equal(c.call(fadvise64, f, 0, 0, 6), -EINVAL);
  assert.equal(c.call(fadvise64, r, 0, 0, 9), -ESPIPE);
  assert.equal(c.call(fadvise64, f, 0, -1, 0), -EINVAL);
  assert.equal(c.call(fadvise64, f, 0, 0, 3), 0);
  assert.equal(c.call(readahead, f, 0, 10), 0);
  assert.equal(c.call(readahead, r, 0, 10), -EINVAL);
});

test("extended attributes", () => {
  const c = new TestKernel().process();
  const fd = c.open("/f");
  const f = c.str("/f");
  const name = c.str("user.x");
  assert.equal(c.call(setxattr, f, name, c.bytes("value"), 5, 4), -EINVAL);
  assert.equal(c.call(setxattr, f, c.str(""), c.bytes("value"), 5, 0), -ERANGE);
  assert.equal(c.call(setxattr, f, c.str("a".repeat(256)), c.bytes("value"), 5, 0), -ERANGE);
  assert.equal(c.call(setxattr, f, name, 0, 65537, 0), -E2BIG);
  assert.equal(c.call(setxattr, f, name, BAD, 5, 0), -EFAULT);
  assert.equal(c.call(setxattr, f, name, c.bytes("value"), 5, 2), -ENODATA);
  assert.equal(c.call(setxattr, f, name, c.bytes("value"), 5, 0), 0);
  assert.equal(c.call(setxattr, f, name, c.bytes("value"), 5, 1), -EEXIST);
  const buf = c.alloc(16);
  assert.equal(c.call(getxattr, f, name, 0, 0), 5);
  assert.equal(c.call(getxattr, f, name, buf, 4), -ERANGE);
  assert.equal(c.call(fgetxattr, fd, name, buf, 16), 5);
  assert.equal(c.text(buf, 5), "value");
  assert.equal(c.call(getxattr, f, c.str("user.y"), buf, 16), -ENODATA);
  assert.equal(c.call(listxattr, f, buf, 16), 7);
  assert.equal(c.text(buf, 7), "user.x\0");
  assert.equal(c.call(listxattr, f, buf, 3), -ERANGE);
  assert.equal(c.call(removexattr, f, name), 0);
  assert.equal(c.call(removexattr, f, name), -ENODATA);
});

test("mount, umount, pivot_root", () => {
  const k = new TestKernel();
  const c = k.process();
  ok(c.call(mkdir, c.str("/m"), 0o755));
  ok(c.call(mkdir, c.str("/n"), 0o755));
  c.open("/m/inside");
  assert.equal(c.call(mount, 0, c.str("/nope"), c.str("tmpfs"), 0, 0), -ENOENT);
  assert.equal(c.call(mount, 0, c.str("/m"), c.str("nofs"), 0, 0), -ENODEV);
  assert.equal(c.call(mount, 0, c.str("/m"), 0, 0, 0), -EINVAL);
  assert.equal(c.call(mount, c.str("/m"), c.str("/n"), 0, 4096, 0), 0, "bind");
  assert.equal(mode(c, "/n/inside") & S_IFMT, S_IFREG);
  assert.equal(c.call(umount2, c.str("/n"), 0x100), -EINVAL);
  assert.equal(c.call(umount2, c.str("/m"), 0), -EINVAL);
  assert.equal(c.call(umount2, c.str("/n"), 0), 0);
  assert.equal(c.call(sysStat, c.str("/n/inside"), MEM), -ENOENT);
  assert.equal(c.call(pivotRootCall, c.str("/m"), c.str("/n")), -16);
  asUser(c, 1000);
  assert.equal(c.call(mount, c.str("/m"), c.str("/n"), 0, 4096, 0), -EPERM);
  assert.equal(c.call(umount2, c.str("/n"), 0), -EPERM);
  assert.equal(c.call(pivotRootCall, c.str("/m"), c.str("/n")), -EPERM);
});
