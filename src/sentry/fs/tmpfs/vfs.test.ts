import assert from "node:assert/strict";
import { makeShared, setPropagation } from "../../vfs/propagation.ts";
import { test } from "node:test";
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ETXTBSY,
  EXDEV,
} from "../../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  R_OK,
  W_OK,
  X_OK,
} from "../../../abi/fcntl.ts";
import { MNT_DETACH, MS_RDONLY, MS_SLAVE } from "../../../abi/mount.ts";
import { Stat } from "../../../abi/stat.ts";
import {
  accessAt,
  chmodAt,
  chownAt,
  getXattr,
  listXattr,
  setXattr,
  statAt,
  truncateAt,
  utimensAt,
} from "../../vfs/attributes.ts";
import { bindMount, copyNamespace, mountFileSystem, pathString, umount } from "../../vfs/mounting.ts";
import { allowWrites, denyWrites, dropPrivileges, openAt } from "../../vfs/open.ts";
import { linkAt, mkdirAt, mknodAt, readlinkAt, renameAt2, rmdirAt, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { KEPT_NAMES } from "../../vfs/name-cache.ts";
import type { VfsPath } from "../../vfs/path.ts";
import { WALK_FOLLOW, resolvePath } from "../../vfs/walk.ts";
import { TestContext, newTmpfs, readText, writeText } from "./harness.testing.ts";

function at(c: TestContext, path: string): VfsPath {
  const p = resolvePath(c, null, path, WALK_FOLLOW);
  if (typeof p === "number") throw new Error(`${path}: ${p}`);
  return p;
}

function status(c: TestContext, path: string, flags: number = 0): number {
  return statAt(c, null, path, flags, new Stat());
}

function openErr(c: TestContext, path: string, flags: number, mode: number = 0o644, resolve: number = 0): number {
  const f = openAt(c, null, path, flags, mode, resolve);
  if (typeof f === "number") return f;
  f.decRef();
  return 0;
}

test("paths: dots, slashes, limits", () => {
  const c = new TestContext();
  assert.equal(mkdirAt(c, null, "/a", 0o755), 0);
  assert.equal(mkdirAt(c, null, "/a/b/", 0o755), 0);
  c.put("/a/f", "x");
  assert.equal(status(c, ""), -ENOENT);
  assert.equal(status(c, "//a///b/.//"), 0);
  assert.equal(status(c, "/../../a/b/.."), 0);
  assert.equal(status(c, "/a/f/"), -ENOTDIR);
  assert.equal(status(c, "/a/f/."), -ENOTDIR);
  assert.equal(status(c, "/a/f/.."), -ENOTDIR);
  assert.equal(status(c, "/a/none"), -ENOENT);
  assert.equal(status(c, "/a/none/x"), -ENOENT);
  assert.equal(status(c, `/${"n".repeat(255)}`), -ENOENT);
  assert.equal(status(c, `/${"n".repeat(256)}`), -ENAMETOOLONG);
  assert.equal(status(c, "/".repeat(4096)), -ENAMETOOLONG);
  assert.equal(status(c, "/".repeat(4095)), 0);
  assert.equal(mkdirAt(c, null, "/", 0o755), -EEXIST);
  assert.equal(mkdirAt(c, null, "/a/.", 0o755), -EEXIST);
  assert.equal(rmdirAt(c, null, "/a/b/."), -EINVAL);
  assert.equal(rmdirAt(c, null, "/a/b/.."), -ENOTEMPTY);
  assert.equal(rmdirAt(c, null, "/"), -EBUSY);
  assert.equal(unlinkAt(c, null, "/a/b"), -EISDIR);
  assert.equal(rmdirAt(c, null, "/a/f"), -ENOTDIR);
  assert.equal(rmdirAt(c, null, "/a"), -ENOTEMPTY);
  assert.equal(unlinkAt(c, null, "/a/f/"), -ENOTDIR);
  // What a path has in common with the one before it is not taken apart again.
  c.put("/a/b/f", "f");
  c.put("/a/b/other", "other");
  for (const path of [
    "/a/b/f",
    "/a/b/other",
    "/a/b//other",
    "/a/b/",
    "/a/b///",
    "/a//b/other",
    "//a/b/other",
    "/a/b/.",
  ]) {
    for (let i = 0; i < 2; i++) {
      c.stat("/a/b/f");
      const isFile = path.endsWith("other") || path.endsWith("f");
      assert.equal(
        c.stat(path).ino,
        c.stat(isFile ? `/a/b/${path.slice(path.lastIndexOf("/") + 1)}` : "/a/b").ino,
        path,
      );
    }
  }
  assert.equal(statAt(c, null, "/a/b/f/", 0, new Stat()), -ENOTDIR);
  assert.equal(statAt(c, null, "/a/b/f/x", 0, new Stat()), -ENOTDIR);
});

test("symbolic links: following, loops, trailing slashes", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  c.put("/d/f", "hello");
  assert.equal(symlinkAt(c, "d", null, "/l"), 0);
  assert.equal(symlinkAt(c, "/d/f", null, "/lf"), 0);
  assert.equal(symlinkAt(c, "loop2", null, "/loop1"), 0);
  assert.equal(symlinkAt(c, "loop1", null, "/loop2"), 0);
  assert.equal(symlinkAt(c, "nowhere", null, "/dangling"), 0);
  assert.equal(c.text("/l/f"), "hello");
  assert.equal(c.text("/lf"), "hello");
  assert.equal(status(c, "/lf/"), -ENOTDIR);
  assert.equal(status(c, "/l/", AT_SYMLINK_NOFOLLOW), 0);
  assert.equal(c.stat("/l/", AT_SYMLINK_NOFOLLOW).mode & 0o170000, 0o040000);
  assert.equal(c.stat("/l", AT_SYMLINK_NOFOLLOW).mode, 0o120777);
  assert.equal(c.stat("/l", AT_SYMLINK_NOFOLLOW).size, 1);
  assert.equal(status(c, "/loop1"), -ELOOP);
  assert.equal(status(c, "/loop1/x"), -ELOOP);
  assert.equal(status(c, "/dangling"), -ENOENT);
  assert.equal(readlinkAt(c, null, "/l"), "d");
  assert.equal(readlinkAt(c, null, "/d"), -EINVAL);
  assert.equal(openErr(c, "/lf", O_NOFOLLOW), -ELOOP);
  assert.equal(openErr(c, "/l", O_NOFOLLOW | O_DIRECTORY), -ENOTDIR);
  assert.equal(openErr(c, "/lf", O_NOFOLLOW | O_PATH), 0);
  assert.equal(openErr(c, "/dangling", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
  assert.equal(openErr(c, "/dangling", O_CREAT | O_WRONLY), 0);
  assert.equal(status(c, "/nowhere"), 0);
  assert.equal(rmdirAt(c, null, "/l/"), -ENOTDIR);
  // 40 links are followed, the 41st is not.
  c.put("/t0", "end");
  for (let i = 1; i <= 41; i++) symlinkAt(c, `t${i - 1}`, null, `/t${i}`);
  assert.equal(status(c, "/t40"), 0);
  assert.equal(status(c, "/t41"), -ELOOP);
  assert.equal(openErr(c, "/t40", O_CREAT | O_RDWR), 0);
  assert.equal(openErr(c, "/t41", O_CREAT | O_RDWR), -ELOOP);
  assert.equal(symlinkAt(c, "", null, "/e"), -ENOENT);
});

test("open: creation, truncation, modes, O_PATH", () => {
  const c = new TestContext();
  assert.equal(openErr(c, "/f", O_RDONLY), -ENOENT);
  const f = c.open("/f", O_CREAT | O_RDWR, 0o666);
  assert.equal(writeText(f, "hello"), 5);
  assert.equal(f.seek(1, 0), 1);
  assert.equal(readText(f, 10), "ello");
  assert.equal(c.stat("/f").mode, 0o100644);
  assert.equal(openErr(c, "/f", O_CREAT | O_EXCL), -EEXIST);
  assert.equal(openErr(c, "/f", O_DIRECTORY), -ENOTDIR);
  assert.equal(openErr(c, "/f/", O_CREAT | O_RDWR), -EISDIR);
  assert.equal(openErr(c, "/new/", O_CREAT | O_RDWR), -EISDIR);
  assert.equal(openErr(c, "/", O_RDWR), -EISDIR);
  assert.equal(openErr(c, "/", O_RDONLY | O_CREAT), -EISDIR);
  assert.equal(openErr(c, "/f", O_CREAT | O_DIRECTORY), -EINVAL);
  const a = c.open("/f", O_WRONLY | O_APPEND);
  assert.equal(writeText(a, " you"), 4);
  assert.equal(c.text("/f"), "hello you");
  a.decRef();
  c.open("/f", O_WRONLY | O_TRUNC).decRef();
  assert.equal(c.stat("/f").size, 0);
  const p = c.open("/f", O_PATH);
  assert.ok(p.isPath && !p.readable && !p.writable);
  const s = new Stat();
  assert.equal(p.stat(s), 0);
  assert.equal(s.ino, c.stat("/f").ino);
  assert.equal(statAt(c, p.path, "", AT_EMPTY_PATH, s), 0);
  assert.equal(statAt(c, p.path, "x", 0, s), -ENOTDIR);
  p.decRef();
  f.decRef();
});

test("unlinked files live while open; memory is freed at the end", () => {
  const c = new TestContext();
  const before = c.mem.totalUsage();
  const f = c.open("/f", O_CREAT | O_RDWR);
  writeText(f, "x".repeat(10000));
  assert.ok(c.mem.totalUsage() > before);
  assert.equal(unlinkAt(c, null, "/f"), 0);
  assert.equal(status(c, "/f"), -ENOENT);
  f.seek(0, 0);
  assert.equal(readText(f, 3), "xxx");
  const s = new Stat();
  f.stat(s);
  assert.equal(s.nlink, 0);
  assert.equal(pathString(f.path!, c.root, ""), "/f (deleted)");
  f.decRef();
  assert.equal(c.mem.totalUsage(), before);
  const t = c.open("/", O_TMPFILE | O_RDWR);
  writeText(t, "y");
  assert.equal(linkAt(c, t.path, "", null, "/named", AT_EMPTY_PATH), 0);
  t.decRef();
  assert.equal(c.text("/named"), "y");
  assert.equal(c.stat("/named").nlink, 1);
});

test("permissions: users, groups, sticky, capabilities", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/tmp", 0o1777);
  chmodAt(c, null, "/tmp", 0o1777, 0);
  mkdirAt(c, null, "/priv", 0o700);
  c.put("/priv/f", "secret");
  c.put("/ro", "r", 0o644);
  c.put("/exec", "x", 0o755);
  c.asUser(1000);
  assert.equal(status(c, "/priv/f"), -EACCES);
  assert.equal(openErr(c, "/ro", O_WRONLY), -EACCES);
  assert.equal(openErr(c, "/ro", O_RDONLY), 0);
  assert.equal(openErr(c, "/new", O_CREAT | O_RDWR), -EACCES);
  assert.equal(accessAt(c, null, "/ro", R_OK, 0), 0);
  assert.equal(accessAt(c, null, "/ro", W_OK, 0), -EACCES);
  assert.equal(accessAt(c, null, "/exec", X_OK, 0), 0);
  assert.equal(accessAt(c, null, "/ro", X_OK, 0), -EACCES);
  c.put("/tmp/mine", "m");
  assert.equal(c.stat("/tmp/mine").uid, 1000);
  assert.equal(chmodAt(c, null, "/ro", 0o777, 0), -EPERM);
  assert.equal(chownAt(c, null, "/tmp/mine", 0, -1, 0), -EPERM);
  assert.equal(chownAt(c, null, "/tmp/mine", -1, 1000, 0), 0);
  c.asUser(1001);
  assert.equal(unlinkAt(c, null, "/tmp/mine"), -EPERM);
  assert.equal(renameAt2(c, null, "/tmp/mine", null, "/tmp/other", 0), -EPERM);
  assert.equal(openErr(c, "/tmp/mine", O_CREAT | O_RDONLY), -EACCES, "protected_regular");
  assert.equal(linkAt(c, null, "/tmp/mine", null, "/tmp/l", 0), -EPERM, "protected_hardlinks");
  assert.equal(mknodAt(c, null, "/tmp/dev", 0o020666, 0x103), -EPERM);
  c.asRoot();
  assert.equal(accessAt(c, null, "/ro", X_OK, 0), -EACCES, "root needs an x bit");
  assert.equal(openErr(c, "/priv/f", O_RDWR), 0);
});

test("set-group-ID directories and clearing of set-id bits", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/g", 0o777);
  chownAt(c, null, "/g", 0, 50, 0);
  chmodAt(c, null, "/g", 0o2777, 0);
  c.asUser(1000, 1000);
  c.put("/g/f", "x");
  assert.equal(c.stat("/g/f").gid, 50);
  mkdirAt(c, null, "/g/sub", 0o755);
  assert.equal(c.stat("/g/sub").mode & 0o7777, 0o2755);
  assert.equal(c.stat("/g/sub").gid, 50);
  c.put("/g/s", "x", 0o644);
  chmodAt(c, null, "/g/s", 0o6755, 0);
  assert.equal(c.stat("/g/s").mode & 0o7777, 0o4755, "not in group 50");
  const f = c.open("/g/s", O_WRONLY);
  dropPrivileges(f.inode!, c.creds);
  f.decRef();
  assert.equal(c.stat("/g/s").mode & 0o7777, 0o755);
  c.asRoot();
  chmodAt(c, null, "/g/s", 0o4755, 0);
  chownAt(c, null, "/g/s", 1000, 1000, 0);
  assert.equal(c.stat("/g/s").mode & 0o7777, 0o755);
});

test("rename: replacement, exchange, ancestors, directories", () => {
  const c = new TestContext();
  for (const d of ["/a", "/a/b", "/e", "/full", "/full/x"]) mkdirAt(c, null, d, 0o755);
  c.put("/f", "f");
  c.put("/g", "g");
  const mv = (o: string, n: string, flags: number = 0): number => renameAt2(c, null, o, null, n, flags);
  assert.equal(mv("/a", "/a/b/c"), -EINVAL);
  assert.equal(mv("/a", "/a"), 0);
  assert.equal(mv("/a/b", "/a"), -ENOTEMPTY);
  assert.equal(mv("/f", "/a"), -EISDIR);
  assert.equal(mv("/a", "/f"), -ENOTDIR);
  assert.equal(mv("/f", "/none/x"), -ENOENT);
  assert.equal(mv("/f", "/new/"), -ENOTDIR);
  assert.equal(mv("/none", "/x"), -ENOENT);
  assert.equal(mv("/f", "/g", RENAME_NOREPLACE), -EEXIST);
  assert.equal(mv("/f", "/h", RENAME_EXCHANGE), -ENOENT);
  assert.equal(mv("/f", "/g", RENAME_EXCHANGE | RENAME_NOREPLACE), -EINVAL);
  assert.equal(mv("/f", "/g", RENAME_EXCHANGE), 0);
  assert.equal(c.text("/f"), "g");
  assert.equal(c.text("/g"), "f");
  assert.equal(mv("/f", "/g"), 0);
  assert.equal(c.text("/g"), "g");
  assert.equal(status(c, "/f"), -ENOENT);
  assert.equal(mv("/a", "/full"), -ENOTEMPTY);
  assert.equal(mv("/a", "/e/"), 0);
  assert.deepEqual(c.list("/e"), ["b"]);
  assert.equal(mv("/e/b", "/bb"), 0);
  assert.equal(c.stat("/e").nlink, 2);
  assert.equal(c.stat("/bb/..").ino, c.stat("/").ino);
  assert.equal(mv("/bb", "/.."), -EBUSY);
  linkAt(c, null, "/g", null, "/g2", 0);
  assert.equal(mv("/g", "/g2"), 0, "same file: nothing happens");
  assert.equal(status(c, "/g"), 0);
  assert.equal(c.stat("/g").nlink, 2);
  // Exchange of a directory and a file.
  assert.equal(mv("/e", "/full/x", RENAME_EXCHANGE), 0);
  assert.equal(mv("/g", "/full", RENAME_EXCHANGE), 0);
  assert.equal(c.text("/full"), "g");
  assert.equal(c.stat("/g").mode & 0o170000, 0o040000);
});

test("removed directories", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  c.cwd = at(c, "/d");
  assert.equal(rmdirAt(c, null, "/d"), 0);
  assert.equal(openErr(c, "f", O_CREAT | O_RDWR), -ENOENT);
  assert.equal(mkdirAt(c, null, "x", 0o755), -ENOENT);
  assert.equal(status(c, "."), 0);
  assert.equal(c.stat("..").ino, c.stat("/").ino);
  assert.equal(c.stat(".").nlink, 0);
});

test("hard links", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  c.put("/f", "1");
  assert.equal(linkAt(c, null, "/f", null, "/d/g", 0), 0);
  assert.equal(linkAt(c, null, "/d", null, "/d2", 0), -EPERM);
  assert.equal(linkAt(c, null, "/f", null, "/d/g", 0), -EEXIST);
  symlinkAt(c, "f", null, "/s");
  assert.equal(linkAt(c, null, "/s", null, "/s2", 0), 0);
  assert.equal(readlinkAt(c, null, "/s2"), "f");
  assert.equal(linkAt(c, null, "/s", null, "/s3", AT_SYMLINK_FOLLOW), 0);
  assert.equal(c.stat("/s3").ino, c.stat("/f").ino);
  assert.equal(c.stat("/f").nlink, 3);
  unlinkAt(c, null, "/f");
  assert.equal(c.text("/d/g"), "1");
});

test("mounts: crossing, .., busy, detach, read-only, bind", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/m", 0o755);
  mkdirAt(c, null, "/m/hidden", 0o755);
  const under = c.stat("/m").ino;
  const fs2 = newTmpfs(c.vfs, c.mem);
  assert.equal(mountFileSystem(c.vfs, fs2, at(c, "/m"), 0, "two"), 0);
  assert.notEqual(c.stat("/m").dev, c.stat("/").dev);
  assert.deepEqual(c.list("/m"), []);
  c.put("/m/f", "in");
  mkdirAt(c, null, "/m/d", 0o755);
  assert.equal(c.stat("/m/..").ino, c.stat("/").ino);
  assert.equal(c.stat("/m/..").dev, c.stat("/").dev);
  assert.equal(rmdirAt(c, null, "/m"), -EBUSY);
  assert.equal(renameAt2(c, null, "/m", null, "/n", 0), -EBUSY);
  assert.equal(renameAt2(c, null, "/m/f", null, "/f", 0), -EXDEV);
  assert.equal(linkAt(c, null, "/m/f", null, "/f", 0), -EXDEV);
  assert.equal(pathString(at(c, "/m/d"), c.root, ""), "/m/d");
  assert.equal(openErr(c, "/m/f", O_RDONLY, 0, RESOLVE_NO_XDEV), -EXDEV);
  // Bind, read-only.
  mkdirAt(c, null, "/b", 0o755);
  assert.equal(bindMount(c.vfs, at(c, "/m/d"), at(c, "/b"), false), 0);
  c.put("/b/x", "bound");
  assert.equal(c.text("/m/d/x"), "bound");
  assert.equal(renameAt2(c, null, "/m/f", null, "/b/f", 0), -EXDEV, "other mount of the same file system");
  at(c, "/b").mount.flags |= MS_RDONLY;
  assert.equal(openErr(c, "/b/x", O_RDWR), -EROFS);
  assert.equal(openErr(c, "/b/y", O_CREAT | O_RDWR), -EROFS);
  assert.equal(unlinkAt(c, null, "/b/x"), -EROFS);
  assert.equal(chmodAt(c, null, "/b/x", 0o600, 0), -EROFS);
  assert.equal(mkdirAt(c, null, "/b/x", 0o600), -EEXIST);
  assert.equal(openErr(c, "/b/x", O_CREAT | O_RDONLY), 0);
  const f = c.open("/m/f");
  assert.equal(umount(c.vfs, at(c, "/m"), 0), -EBUSY);
  assert.equal(umount(c.vfs, at(c, "/m"), MNT_DETACH), 0);
  assert.equal(c.stat("/m").ino, under);
  assert.equal(readText(f, 9), "in");
  f.decRef();
  assert.equal(umount(c.vfs, at(c, "/b"), 0), 0);
  assert.equal(umount(c.vfs, at(c, "/"), 0), -EINVAL);
  assert.equal(umount(c.vfs, at(c, "/m"), 0), -EINVAL);
});

test("mounts stack, recursive bind, namespaces are copied", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/m", 0o755);
  mountFileSystem(c.vfs, newTmpfs(c.vfs, c.mem), at(c, "/m"), 0, "one");
  c.put("/m/one", "");
  mkdirAt(c, null, "/m/sub", 0o755);
  mountFileSystem(c.vfs, newTmpfs(c.vfs, c.mem), at(c, "/m/sub"), 0, "sub");
  c.put("/m/sub/s", "");
  mkdirAt(c, null, "/r", 0o755);
  assert.equal(bindMount(c.vfs, at(c, "/m"), at(c, "/r"), true), 0);
  assert.deepEqual(c.list("/r/sub"), ["s"]);
  mountFileSystem(c.vfs, newTmpfs(c.vfs, c.mem), at(c, "/m"), 0, "two");
  c.put("/m/two", "");
  assert.deepEqual(c.list("/m"), ["two"]);
  assert.equal(c.stat("/m/..").ino, c.stat("/").ino);
  const copied = copyNamespace(c.vfs, c.root.mount.ns!);
  const c2root = copied.translate(c.root);
  const oldRoot = c.root;
  c.root = c2root;
  c.cwd = c2root;
  assert.deepEqual(c.list("/m"), ["two"]);
  assert.equal(umount(c.vfs, at(c, "/m"), 0), 0);
  assert.deepEqual(c.list("/m"), ["one", "sub"]);
  c.root = oldRoot;
  c.cwd = oldRoot;
  assert.deepEqual(c.list("/m"), ["two"]);
  copied.ns.decRef();
});

test("mounts go deeper than a stack of calls", () => {
  const many = 4000;
  const c = new TestContext();
  for (const d of ["/m", "/b"]) mkdirAt(c, null, d, 0o755);
  const ns = c.root.mount.ns!;
  for (let i = 0; i < many; i++) assert.equal(bindMount(c.vfs, at(c, "/b"), at(c, "/m"), false), 0);
  assert.equal(ns.list().length, many + 1);
  const copied = copyNamespace(c.vfs, ns);
  assert.equal(copied.ns.mounts, many + 1);
  copied.ns.decRef();
  assert.equal(ns.mounts, many + 1);
  // Each one a slave of the one before, and shared.
  const shared = new TestContext();
  mkdirAt(shared, null, "/0", 0o755);
  mountFileSystem(shared.vfs, newTmpfs(shared.vfs, shared.mem), at(shared, "/0"), 0, "first");
  makeShared(shared.vfs, at(shared, "/0").mount);
  mkdirAt(shared, null, "/0/in", 0o755);
  for (let i = 1; i < many; i++) {
    mkdirAt(shared, null, `/${i}`, 0o755);
    assert.equal(bindMount(shared.vfs, at(shared, `/${i - 1}`), at(shared, `/${i}`), false), 0);
    const { mount } = at(shared, `/${i}`);
    setPropagation(shared.vfs, mount, MS_SLAVE);
    makeShared(shared.vfs, mount);
  }
  mountFileSystem(shared.vfs, newTmpfs(shared.vfs, shared.mem), at(shared, "/0/in"), 0, "spread");
  assert.equal(shared.root.mount.ns!.mounts, 2 * many + 1);
  assert.equal(at(shared, `/${many - 1}/in`).mount.source, "spread");
  assert.equal(umount(shared.vfs, at(shared, "/0/in"), 0), 0);
  assert.equal(shared.root.mount.ns!.mounts, many + 1);
});

test("chroot: .. stops at the root; paths outside are unreachable", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/jail", 0o755);
  c.put("/jail/in", "in");
  c.put("/out", "out");
  const real = c.root;
  c.root = at(c, "/jail");
  c.cwd = c.root;
  assert.equal(c.text("/../../in"), "in");
  assert.equal(status(c, "/../out"), -ENOENT);
  symlinkAt(c, "/in", null, "/abs");
  assert.equal(c.text("abs"), "in");
  assert.equal(pathString(real, c.root, "(unreachable)"), "(unreachable)/");
});

test("openat2 resolve flags", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  c.put("/d/f", "f");
  c.put("/f", "root");
  symlinkAt(c, "/f", null, "/d/abs");
  symlinkAt(c, "../f", null, "/d/up");
  const d = at(c, "/d");
  const open = (path: string, resolve: number): number | string => {
    const f = openAt(c, d, path, O_RDONLY, 0, resolve);
    if (typeof f === "number") return f;
    const s = readText(f, 10);
    f.decRef();
    return s;
  };
  assert.equal(open("f", RESOLVE_BENEATH), "f");
  assert.equal(open("../f", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("/f", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("up", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("abs", RESOLVE_BENEATH), -EXDEV);
  assert.equal(open("abs", RESOLVE_IN_ROOT), "f");
  assert.equal(open("up", RESOLVE_IN_ROOT), "f");
  assert.equal(open("../../f", RESOLVE_IN_ROOT), "f");
  assert.equal(open("abs", RESOLVE_NO_SYMLINKS), -ELOOP);
  assert.equal(open("abs", 0), "root");
});

test("times, truncate, text busy", () => {
  const c = new TestContext();
  c.put("/f", "12345");
  const t0 = c.stat("/f");
  c.clock.nowNs += 5e9;
  c.text("/f");
  const t1 = c.stat("/f");
  assert.equal(t1.atimeSec, t0.atimeSec + 5);
  assert.equal(t1.mtimeSec, t0.mtimeSec);
  assert.equal(utimensAt(c, null, "/f", 10, 5, 20, 6, 0), 0);
  const t2 = c.stat("/f");
  assert.deepEqual([t2.atimeSec, t2.atimeNsec, t2.mtimeSec, t2.mtimeNsec], [10, 5, 20, 6]);
  assert.equal(truncateAt(c, null, "/f", 2), 0);
  assert.equal(c.text("/f"), "12");
  assert.equal(truncateAt(c, null, "/f", 4), 0);
  assert.equal(c.text("/f"), "12\0\0");
  assert.equal(truncateAt(c, null, "/", 0), -EISDIR);
  const inode = at(c, "/f").dentry.inode!;
  assert.equal(denyWrites(inode), 0);
  assert.equal(openErr(c, "/f", O_RDWR), -ETXTBSY);
  assert.equal(truncateAt(c, null, "/f", 0), -ETXTBSY);
  allowWrites(inode);
  const f = c.open("/f", O_WRONLY);
  assert.equal(denyWrites(inode), -ETXTBSY);
  f.decRef();
  assert.equal(denyWrites(inode), 0);
});

test("extended attributes", () => {
  const c = new TestContext();
  c.put("/f", "");
  const p = at(c, "/f");
  assert.equal(setXattr(c, p, "user.a", Buffer.from("v"), 0), 0);
  assert.equal(setXattr(c, p, "user.a", Buffer.from("w"), 1), -EEXIST);
  assert.equal(setXattr(c, p, "trusted.t", Buffer.from("w"), 0), 0);
  assert.equal(Buffer.from(getXattr(c, p, "user.a") as Uint8Array).toString(), "v");
  assert.deepEqual(listXattr(c, p), ["user.a", "trusted.t"]);
  assert.equal(setXattr(c, p, "bogus", Buffer.from("v"), 0), -EOPNOTSUPP);
  c.asUser(7);
  assert.deepEqual(listXattr(c, p), ["user.a"]);
  assert.equal(setXattr(c, p, "user.b", Buffer.from("v"), 0), -EACCES);
  // Rights come before name spaces that nobody knows.
  assert.equal(setXattr(c, p, "bogus", Buffer.from("v"), 0), -EACCES);
});

test("the dentry cache stays bounded and keeps what is in use", () => {
  const c = new TestContext();
  const fs = c.root.mount.fs;
  fs.dentryLimit = 100;
  mkdirAt(c, null, "/keep", 0o755);
  const kept = at(c, "/keep");
  kept.incRef();
  for (let i = 0; i < 2000; i++) c.put(`/f${i}`, `${i}`);
  assert.ok(fs.dentryCount <= 200, `${fs.dentryCount} dentries`);
  assert.equal(at(c, "/keep").dentry, kept.dentry);
  for (let i = 0; i < 2000; i += 97) assert.equal(c.text(`/f${i}`), `${i}`);
  kept.decRef();
});

test("of many names those go that nobody has used for a while", () => {
  const c = new TestContext();
  const fs = c.root.mount.fs;
  const { names } = fs.vfs;
  let next: (() => void) | null = null;
  let garbage = 0;
  names.later = (_ns, tick) => (next = tick);
  names.onGarbage = () => garbage++;
  mkdirAt(c, null, "/dir", 0o755);
  c.put("/dir/held", "h");
  const held = at(c, "/dir/held");
  held.incRef();
  const open = c.open("/dir", O_RDONLY);
  const many = KEPT_NAMES + 10_000;
  for (let i = 0; i < many; i++) c.put(`/n${i}`, "");
  assert.ok(fs.dentryCount > many);
  const used = at(c, "/n7").dentry;
  for (let ticks = 0; next !== null; ticks++) {
    assert.ok(ticks < 1000);
    const tick: () => void = next;
    next = null;
    at(c, "/n7");
    tick();
  }
  assert.ok(fs.dentryCount <= KEPT_NAMES && fs.dentryCount > KEPT_NAMES / 2, `${fs.dentryCount} dentries`);
  assert.equal(garbage, 1);
  assert.equal(at(c, "/n7").dentry, used);
  assert.equal(at(c, "/dir/held").dentry, held.dentry);
  assert.equal(c.text("/dir/held"), "h");
  open.decRef();
  held.decRef();
});
