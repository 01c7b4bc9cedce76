import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EBADF, EEXIST, EILSEQ, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, EPERM } from "../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
} from "../abi/fcntl.ts";
import {
  HSTAT_GID,
  HSTAT_INO,
  HSTAT_LEN,
  HSTAT_MODE,
  HSTAT_MTIME,
  HSTAT_MTIME_NS,
  HSTAT_NLINK,
  HSTAT_SIZE,
  HSTAT_UID,
} from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { hostPath } from "./spawn-steps.ts";

const host = linuxHost();
let path = "";
let dir = -1;

before(() => {
  path = mkdtempSync(join(tmpdir(), "tsvisor-files-"));
  dir = host.openat(AT_FDCWD, hostPath(path), O_RDONLY | O_DIRECTORY, 0);
  assert.ok(dir >= 0);
});

after(() => {
  host.close(dir);
  rmSync(path, { recursive: true });
});

function stat(fd: number, name: string, flags: number): Float64Array {
  const out = new Float64Array(HSTAT_LEN);
  assert.equal(host.fstatat(fd, name, flags, out), 0);
  return out;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

test("open, write, read at positions, attributes", () => {
  const fd = host.openat(dir, "a", O_RDWR | O_CREAT | O_EXCL, 0o640);
  assert.ok(fd >= 0);
  const buf = Buffer.from("..hello world..");
  assert.equal(host.write(fd, buf, 2, 11), 11);
  assert.equal(host.pwrite(fd, buf, 2, 5, 2 ** 33), 5);
  assert.equal(host.lseek(fd, 0, 2), 2 ** 33 + 5);
  assert.equal(host.lseek(fd, 6, 0), 6);
  const got = new Uint8Array(8);
  assert.equal(host.read(fd, got, 1, 5), 5);
  assert.equal(text(got.subarray(1, 6)), "world");
  assert.equal(host.pread(fd, got, 0, 8, 2 ** 33 + 1), 4);
  assert.equal(text(got.subarray(0, 4)), "ello");
  assert.equal(host.ftruncate(fd, 11), 0);
  assert.equal(host.fallocate(fd, 0, 0, 8192), 0);
  assert.equal(host.fsync(fd) + host.fdatasync(fd), 0);
  assert.equal(host.fchmod(fd, 0o600), 0);
  assert.equal(host.utimensat(fd, "", 1, 2, 2 ** 32 + 5, 999_999_999, AT_EMPTY_PATH), 0);
  const st = stat(fd, "", AT_EMPTY_PATH);
  assert.equal(st[HSTAT_MODE], 0o100600);
  assert.equal(st[HSTAT_SIZE], 8192);
  assert.equal(st[HSTAT_NLINK], 1);
  assert.equal(st[HSTAT_UID], process.getuid!());
  assert.equal(st[HSTAT_GID], process.getgid!());
  assert.equal(st[HSTAT_MTIME], 2 ** 32 + 5);
  assert.equal(st[HSTAT_MTIME_NS], 999_999_999);
  assert.equal(stat(dir, "a", 0)[HSTAT_INO], st[HSTAT_INO]);
  const copy = host.dup(fd);
  assert.equal(host.close(fd), 0);
  assert.equal(host.close(fd), -EBADF);
  assert.equal(host.pread(copy, got, 0, 5, 0), 5);
  assert.equal(host.close(copy), 0);
});

test("vectored input and output over one array and over several", () => {
  const fd = host.memfdCreate("vectors", 0);
  const one = Buffer.from("abcdefghij");
  const io = { bufs: [one, one, one], offs: [8, 0, 4], lens: [2, 3, 0], count: 3 };
  assert.equal(host.writev(fd, io, -1, 0), 5);
  assert.equal(host.lseek(fd, 0, 1), 5);
  const [x, y] = [new Uint8Array(3), new Uint8Array(9)];
  assert.equal(host.readv(fd, { bufs: [x, y], offs: [1, 4], lens: [2, 5], count: 2 }, 0, 0), 5);
  assert.equal(text(x.subarray(1)) + text(y.subarray(4, 7)), "ijabc");
  assert.equal(host.readv(fd, { bufs: [x], offs: [0], lens: [3], count: 1 }, 2, 0), 3);
  assert.equal(text(x), "abc");
  assert.equal(host.readv(fd, { bufs: [], offs: [], lens: [], count: 0 }, 0, 0), 0);
  const many = { bufs: [] as Uint8Array[], offs: [] as number[], lens: [] as number[], count: 2000 };
  for (let i = 0; i < 2000; i++) {
    many.bufs.push(one);
    many.offs.push(i % 10);
    many.lens.push(1);
  }
  assert.equal(host.writev(fd, many, 0, 0), 1024, "a long list is a short write");
  host.close(fd);
});

test("attributes as 9P has them, of a file and of what was renamed", () => {
  const size = 108;
  const buf = new Uint8Array(size + 8);
  const fd = host.openat(dir, "attr", O_RDWR | O_CREAT | O_EXCL, 0o640);
  assert.equal(host.attrAt(fd, "", AT_EMPTY_PATH, buf, 3), 0);
  const view = new DataView(buf.buffer);
  assert.equal(view.getUint32(3, true), stat(fd, "", AT_EMPTY_PATH)[HSTAT_MODE]);
  assert.equal(host.attrAt(dir, "missing", 0, buf, 3), -ENOENT);
  assert.throws(() => host.attrAt(fd, "", AT_EMPTY_PATH, buf, 9), RangeError);
  assert.equal(host.renameAttr(dir, "missing", dir, "new", 0, -1, buf, 0), -ENOENT);
  assert.throws(() => host.renameAttr(dir, "attr", dir, "new", 0, -1, buf, 9), RangeError);
  assert.equal(host.renameAttr(dir, "attr", dir, "new", 0, fd, buf, 8), 0);
  assert.equal(view.getUint32(8, true), stat(dir, "new", 0)[HSTAT_MODE]);
  assert.equal(host.unlinkat(dir, "new", 0), 0);
  host.close(fd);
});

test("names: directories, links, rename, unlink", () => {
  assert.equal(host.mkdirat(dir, "d", 0o755), 0);
  assert.equal(host.mkdirat(dir, "d", 0o755), -EEXIST);
  assert.equal(host.symlinkat("some/target", dir, "d/link"), 0);
  assert.equal(host.readlinkat(dir, "d/link"), "some/target");
  assert.equal(host.readlinkat(dir, "d"), -EINVAL);
  assert.equal(host.openat(dir, "d/link", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
  assert.equal(host.mknodat(dir, "d/fifo", 0o010600, 0), 0);
  assert.equal(stat(dir, "d/fifo", 0)[HSTAT_MODE], 0o010600);
  assert.equal(host.linkat(dir, "d/fifo", dir, "d/other", 0), 0);
  assert.equal(stat(dir, "d/other", AT_SYMLINK_NOFOLLOW)[HSTAT_NLINK], 2);
  assert.equal(host.renameat2(dir, "d/other", dir, "d/fifo", 1), -EEXIST);
  assert.equal(host.renameat2(dir, "d/fifo", dir, "d/\xff\xfe", 0), 0);
  const fd = host.openat(dir, "d", O_RDONLY | O_DIRECTORY, 0);
  const buf = new Uint8Array(4096);
  const n = host.getdents(fd, buf, 8, 4000);
  const view = new DataView(buf.buffer);
  const names: string[] = [];
  for (let at = 8; at < 8 + n; at += view.getUint16(at + 16, true)) {
    names.push(text(buf.subarray(at + 19, buf.indexOf(0, at + 19))));
  }
  assert.deepEqual(names.sort(), [".", "..", "link", "other", "\xff\xfe"]);
  assert.equal(host.getdents(fd, buf, 0, 4096), 0);
  host.close(fd);
  for (const name of names.slice(2)) assert.equal(host.unlinkat(dir, `d/${name}`, 0), 0);
  assert.equal(host.unlinkat(dir, "d", AT_REMOVEDIR), 0);
  assert.equal(host.unlinkat(dir, "d", AT_REMOVEDIR), -ENOENT);
});

test("strings that are no latin1 path are refused, not mangled", () => {
  assert.equal(host.openat(dir, "a\0b", 0, 0), -EINVAL);
  assert.equal(host.openat(dir, "..\u012fetc", 0, 0), -EILSEQ);
  assert.equal(host.openat(dir, "x".repeat(4096), 0, 0), -ENAMETOOLONG);
  assert.equal(host.openat(dir, "./".repeat(2047) + "q", 0, 0), -ENOENT);
});

test("wrong types and ranges throw", () => {
  const buf = new Uint8Array(8);
  assert.throws(() => host.read(0, buf, 4, 5), RangeError);
  assert.throws(() => host.read(0, buf, -1, 2), RangeError);
  assert.throws(() => host.write(0, buf, 2 ** 32, 1), RangeError);
  assert.throws(() => host.read(0, new Uint16Array(8) as unknown as Uint8Array, 0, 1), TypeError);
  assert.throws(() => host.close("1" as unknown as number), TypeError);
  assert.throws(() => host.openat(dir, 5 as unknown as string, 0, 0), TypeError);
});

test("status flags, locks, seals, extended attributes, file systems", () => {
  const fd = host.memfdCreate("flags", 2);
  assert.equal(host.fcntlSetfl(fd, O_NONBLOCK), 0);
  assert.equal(host.fcntlGetfl(fd) & O_NONBLOCK, O_NONBLOCK);
  assert.equal(host.flock(fd, 2), 0);
  assert.equal(host.setCloexec(fd, false), 0);
  assert.equal(host.addSeals(fd, 8), 0);
  assert.equal(host.write(fd, new Uint8Array(1), 0, 1), -EPERM);
  host.close(fd);
  const file = host.openat(dir, "x", O_RDWR | O_CREAT, 0o600);
  const value = Buffer.from("value");
  const out = new Uint8Array(64);
  if (host.fsetxattr(file, "user.test", value, 4, 0) === 0) {
    assert.equal(host.fgetxattr(file, "user.test", out), 4);
    assert.equal(text(out.subarray(0, 4)), "valu");
    assert.equal(text(out.subarray(0, host.flistxattr(file, out))), "user.test\0");
    assert.equal(host.fremovexattr(file, "user.test"), 0);
  }
  const fs = new Float64Array(10);
  assert.equal(host.fstatfs(file, fs), 0);
  assert.ok(fs[1]! >= 512 && fs[2]! > 0 && fs[7]! >= 255);
  host.close(file);
});
