import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import * as e from "../abi/errno.ts";
import {
  AT_REMOVEDIR,
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from "../abi/fcntl.ts";
import { IN_CREATE, IN_MOVED_TO } from "../abi/inotify.ts";
import * as m from "../abi/stat.ts";
import { Stat } from "../abi/stat.ts";
import { StatFs } from "../abi/statfs.ts";
import * as hostContract from "../host/host.ts";
import * as backend from "../p9/server/backend.ts";
import * as c from "../p9/wire/constants.ts";
import { SetAttr } from "../p9/wire/records.ts";
import { Rig } from "./rig.testing.ts";

const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const isRoot = process.getuid!() === 0;
const bytes = (value: Uint8Array | number): string =>
  typeof value === "number" ? `errno ${-value}` : Buffer.from(value).toString("latin1");

test("the server's view of the host interface has the same indices", () => {
  for (const [name, value] of Object.entries(backend)) {
    if (!name.startsWith("ST_")) continue;
    assert.equal(value, (hostContract as unknown as Record<string, number>)[`H${name.replace("ST_", "STAT_")}`], name);
  }
});

function lookup(rig: Rig, ...names: string[]): number {
  const found = rig.client.walk(rig.root, names, names.length);
  if (found < names.length) return -(rig.client.walkStatus || e.ENOTDIR);
  for (let i = 0; i < found - 1; i++) rig.client.clunk(rig.client.walkFids[i]!);
  return rig.client.walkFids[found - 1]!;
}

function list(rig: Rig, fid: number): Map<string, number> {
  const names = new Map<string, number>();
  const err = rig.client.readdir(fid, { entry: (name, attr) => void names.set(name, attr.mode & m.S_IFMT) });
  assert.equal(err, 0);
  return names;
}

for (const hasExtension of [true, false]) {
  describe(hasExtension ? "with the extension" : "plain 9P2000.L", () => {
    const rig = new Rig({ hasExtension });
    const { client, root, path } = rig;
    const stat = new Stat();
    after(() => {
      rig.close();
    });

    test("negotiates the version it was asked for", () => {
      assert.equal(client.isExtended, hasExtension);
      assert.equal(client.msize, c.DEFAULT_MSIZE);
    });

    test("make, walk, getattr, readlink, readdir", () => {
      assert.equal(client.make(root, "dir", m.S_IFDIR | 0o1750, c.NOUID, c.NOUID, 0, "", stat), 0);
      assert.equal(stat.mode, m.S_IFDIR | 0o1750);
      const dir = client.newFid;
      assert.equal(client.make(dir, "link", m.S_IFLNK | 0o777, c.NOUID, c.NOUID, 0, "../else\xffwhere", stat), 0);
      assert.equal(client.readlink(client.newFid), "../else\xffwhere");
      assert.equal(client.make(dir, "fifo", m.S_IFIFO | 0o640, c.NOUID, c.NOUID, 0, "", stat), 0);
      assert.equal(client.make(dir, "sock", m.S_IFSOCK | 0o600, c.NOUID, c.NOUID, 0, "", stat), 0);
      assert.equal(client.make(dir, "fifo", m.S_IFIFO | 0o640, c.NOUID, c.NOUID, 0, "", stat), -e.EEXIST);
      fs.writeFileSync(join(path, "dir/file"), "x".repeat(1000));
      assert.deepEqual(
        new Map([...list(rig, dir)].sort(([a], [b]) => (a < b ? -1 : 1))),
        new Map([
          ["fifo", m.S_IFIFO],
          ["file", m.S_IFREG],
          ["link", m.S_IFLNK],
          ["sock", m.S_IFSOCK],
        ]),
      );
      const names = ["dir", "file", "x"];
      assert.equal(client.walk(root, names, 2), 2);
      assert.equal(client.walkStatus, 0);
      const real = fs.lstatSync(join(path, "dir/file"), { bigint: true });
      const got = client.walkAttrs[1]!;
      assert.equal(got.mode, Number(real.mode));
      assert.equal(got.size, 1000);
      assert.equal(got.ino, Number(real.ino));
      assert.equal(got.uid, Number(real.uid));
      assert.equal(got.nlink, 1);
      assert.equal(got.mtimeSec * 1e9 + got.mtimeNsec, Number(real.mtimeNs));
      const [, file] = client.walkFids;
      assert.equal(client.getattr(file!, stat), 0);
      assert.equal(stat.size, 1000);
      // Behind a file that is no directory, and behind a name that is missing, a walk stops.
      assert.equal(client.walk(root, names, 3), 2);
      assert.equal(client.walk(root, ["dir", "none", "x"], 3), 1);
      assert.equal(client.walkStatus, e.ENOENT);
      assert.equal(client.walk(root, ["dir", "link", "x"], 3), 2);
      if (hasExtension) assert.equal(client.walkTarget, "../else\xffwhere");
      assert.equal(client.walk(root, ["missing"], 1), 0);
      assert.equal(client.walkStatus, e.ENOENT);
    });

    test("names that are no single component are refused everywhere", () => {
      for (const name of ["", ".", "..", "a/b", "/", "dir/", "../x", "a\0b", "x".repeat(256)]) {
        const expected = name.length > 255 ? -e.ENAMETOOLONG : -e.EINVAL;
        if (!hasExtension && (name === "" || name === "." || name === "..")) {
          // walk(5) knows these; from the attach point they lead nowhere else.
          assert.equal(client.walk(root, [name], 1), 1);
          assert.equal(client.walkAttrs[0]!.ino, Number(fs.statSync(path, { bigint: true }).ino));
        } else assert.equal(client.walk(root, [name], 1), 0, JSON.stringify(name));
        assert.equal(client.make(root, name, m.S_IFDIR | 0o755, c.NOUID, c.NOUID, 0, "", stat), expected);
        assert.equal(client.unlink(root, name, 0), expected);
        assert.equal(client.rename(root, name, root, "ok", 0, stat), expected);
        assert.equal(client.rename(root, "dir", root, name, 0, stat), expected);
        const fid = lookup(rig, "dir", "file");
        assert.equal(client.link(root, fid, name, stat), expected);
        client.clunk(fid);
      }
    });

    test("a symbolic link is never followed", () => {
      fs.symlinkSync("/etc", join(path, "escape"));
      fs.symlinkSync("dir/file", join(path, "tofile"));
      const link = lookup(rig, "escape");
      assert.ok(link >= 0);
      assert.equal(client.getattr(link, stat), 0);
      assert.equal(stat.mode & m.S_IFMT, m.S_IFLNK);
      assert.equal(client.walk(link, ["passwd"], 1), 0);
      assert.equal(client.walkStatus, e.ENOTDIR);
      assert.equal(client.readdir(link, { entry() {} }), hasExtension ? -e.ENOTDIR : -e.ELOOP);
      assert.equal(client.lopen(lookup(rig, "tofile"), O_RDONLY), -e.ELOOP);
      assert.equal(client.make(link, "x", m.S_IFDIR | 0o755, c.NOUID, c.NOUID, 0, "", stat), -e.ENOTDIR);
      const set = new SetAttr();
      set.valid = c.SETATTR_MODE;
      set.mode = 0o600;
      assert.equal(client.setattr(link, set, stat), -e.EOPNOTSUPP);
    });

    test("read and write through messages", () => {
      fs.writeFileSync(join(path, "data"), "hello world");
      const fid = lookup(rig, "data");
      assert.equal(client.lopen(fid, O_RDWR), 0);
      const buf = new Uint8Array(300_000);
      assert.equal(client.read(fid, 6, buf, 10, 100), 5);
      assert.equal(bytes(buf.subarray(10, 15)), "world");
      assert.equal(client.read(fid, 11, buf, 0, 100), 0);
      assert.equal(client.write(fid, 5, latin1("-there-"), 0, 7), 7);
      assert.equal(fs.readFileSync(join(path, "data"), "latin1"), "hello-there-");
      // A large write is cut at the message size.
      buf.fill(65);
      const n = client.write(fid, 0, buf, 0, buf.length);
      assert.equal(n, client.msize - c.IO_HEADER_SIZE);
      assert.equal(client.fsync(fid, true), 0);
      assert.equal(client.read(fid, 0, buf, 0, buf.length), client.msize - c.IO_HEADER_SIZE);
      client.clunk(fid);

      const reader = lookup(rig, "data");
      assert.equal(client.lopen(reader, O_RDONLY), 0);
      assert.equal(client.write(reader, 0, buf, 0, 1), -e.EBADF);
      assert.equal(client.lopen(reader, O_RDONLY), -e.EBADF);
      const unopened = lookup(rig, "data");
      assert.equal(client.read(unopened, 0, buf, 0, 1), -e.EBADF);
      const append = lookup(rig, "data");
      assert.equal(client.lopen(append, O_WRONLY | O_APPEND | O_TRUNC), 0);
      assert.equal(client.write(append, 1000, latin1("ab"), 0, 2), 2);
      assert.equal(fs.readFileSync(join(path, "data"), "latin1"), "ab");
    });

    test("devices, FIFOs and sockets are not opened", () => {
      const fifo = lookup(rig, "dir", "fifo");
      assert.equal(client.lopen(fifo, O_RDONLY), -e.ENXIO);
      assert.equal(client.lopen(lookup(rig, "dir", "sock"), O_RDWR), -e.ENXIO);
    });

    test("setattr", () => {
      fs.writeFileSync(join(path, "attrs"), "0123456789");
      const fid = lookup(rig, "attrs");
      const set = new SetAttr();
      set.valid =
        c.SETATTR_MODE | c.SETATTR_SIZE | c.SETATTR_ATIME | c.SETATTR_ATIME_SET | c.SETATTR_MTIME | c.SETATTR_MTIME_SET;
      set.mode = 0o4711;
      set.size = 2 ** 33 + 1;
      set.atime = -5;
      set.atimeNs = 7;
      set.mtime = 2 ** 32 + 9;
      set.mtimeNs = 999_999_999;
      assert.equal(client.setattr(fid, set, stat), 0);
      assert.equal(stat.mode, m.S_IFREG | 0o4711);
      assert.equal(stat.size, 2 ** 33 + 1);
      assert.deepEqual([stat.atimeSec, stat.atimeNsec], [-5, 7]);
      assert.deepEqual([stat.mtimeSec, stat.mtimeNsec], [2 ** 32 + 9, 999_999_999]);
      set.valid = c.SETATTR_MTIME;
      assert.equal(client.setattr(fid, set, stat), 0);
      assert.ok(Math.abs(stat.mtimeSec - Date.now() / 1000) < 60);
      assert.equal(stat.atimeSec, -5);
      set.valid = c.SETATTR_MTIME | c.SETATTR_MTIME_SET;
      set.mtimeNs = 1_000_000_000;
      assert.equal(client.setattr(fid, set, stat), -e.EINVAL);
      set.valid = 0x1000;
      assert.equal(client.setattr(fid, set, stat), -e.EINVAL);
      set.valid = c.SETATTR_SIZE;
      assert.equal(client.setattr(lookup(rig, "dir"), set, stat), -e.EISDIR);
      assert.equal(client.setattr(lookup(rig, "dir", "fifo"), set, stat), -e.EINVAL);
    });

    test("setattr by name", { skip: !hasExtension }, () => {
      fs.writeFileSync(join(path, "named"), "0123456789");
      client.clunk(lookup(rig, "named"));
      const set = new SetAttr();
      set.valid = c.SETATTR_MODE;
      set.mode = 0o640;
      const expected = Object.assign(new Stat(), client.walkAttr(0));
      assert.equal(client.setattrAt(root, "named", set, expected), 0);
      assert.equal(expected.mode, m.S_IFREG | 0o640);
      assert.equal(client.getattr(client.newFid, stat), 0);
      assert.equal(stat.ino, expected.ino);
      // Whose name leads to another file by now, is left alone.
      fs.writeFileSync(join(path, "named2"), "");
      fs.renameSync(join(path, "named2"), join(path, "named"));
      set.mode = 0o777;
      assert.equal(client.setattrAt(root, "named", set, expected), -e.ESTALE);
      assert.equal(fs.lstatSync(join(path, "named")).mode & 0o777, 0o644);
      assert.equal(client.setattrAt(root, "none", set, expected), -e.ENOENT);
      assert.equal(client.setattrAt(root, "..", set, expected), -e.EINVAL);
    });

    test("owners", { skip: isRoot ? false : "needs root" }, () => {
      assert.equal(client.make(root, "owned", m.S_IFDIR | 0o2775, 1234, 5678, 0, "", stat), 0);
      assert.deepEqual([stat.uid, stat.gid, stat.mode], [1234, 5678, m.S_IFDIR | 0o2775]);
      const real = fs.lstatSync(join(path, "owned"));
      assert.deepEqual([real.uid, real.gid], [1234, 5678]);
      const set = new SetAttr();
      set.valid = c.SETATTR_GID;
      set.gid = 99;
      assert.equal(client.setattr(client.newFid, set, stat), 0);
      assert.deepEqual([stat.uid, stat.gid], [1234, 99]);
      const link = lookup(rig, "escape");
      set.valid = c.SETATTR_UID;
      set.uid = 42;
      assert.equal(client.setattr(link, set, stat), 0);
      assert.equal(fs.lstatSync(join(path, "escape")).uid, 42);
      assert.equal(fs.statSync("/etc").uid, 0);
    });

    test("link, rename, unlink, rmdir", () => {
      fs.writeFileSync(join(path, "one"), "1");
      const one = lookup(rig, "one");
      assert.equal(client.link(root, one, "two", stat), 0);
      assert.equal(stat.nlink, 2);
      assert.equal(client.link(root, one, "two", stat), -e.EEXIST);
      assert.equal(client.link(root, lookup(rig, "dir"), "dirlink", stat), -e.EPERM);
      const link = lookup(rig, "escape");
      assert.equal(client.link(root, link, "escape2", stat), 0);
      assert.equal(fs.readlinkSync(join(path, "escape2")), "/etc");
      const dir = lookup(rig, "dir");
      assert.equal(client.rename(root, "two", dir, "moved", 0, stat), 0);
      assert.ok(fs.existsSync(join(path, "dir/moved")));
      assert.equal(client.rename(root, "two", dir, "moved", 0, stat), -e.ENOENT);
      assert.equal(
        client.rename(root, "one", root, "data", RENAME_NOREPLACE, stat),
        hasExtension ? -e.EEXIST : -e.EINVAL,
      );
      if (hasExtension) {
        assert.equal(client.rename(root, "one", root, "dir", RENAME_EXCHANGE, stat), 0);
        assert.ok(fs.statSync(join(path, "one")).isDirectory());
        assert.equal(client.rename(root, "one", root, "dir", RENAME_EXCHANGE, stat), 0);
        assert.equal(client.rename(root, "one", root, "dir", 8, stat), -e.EINVAL);
      }
      assert.equal(client.unlink(root, "dir", 0), -e.EISDIR);
      assert.equal(client.unlink(root, "dir", AT_REMOVEDIR), -e.ENOTEMPTY);
      assert.equal(client.unlink(root, "one", AT_REMOVEDIR), -e.ENOTDIR);
      assert.equal(client.unlink(root, "one", 1), -e.EINVAL);
      assert.equal(client.unlink(root, "one", 0), 0);
      assert.equal(client.unlink(root, "one", 0), -e.ENOENT);
      // The fid still names the file, which has another name.
      assert.equal(client.getattr(one, stat), 0);
      assert.equal(stat.nlink, 1);
    });

    test("extended attributes", () => {
      fs.writeFileSync(join(path, "xattrs"), "");
      const fid = lookup(rig, "xattrs");
      const probe = client.setxattr(fid, "user.one", latin1("value\0\xff"), 0);
      if (probe === -e.EOPNOTSUPP) return;
      assert.equal(probe, 0);
      assert.equal(bytes(client.getxattr(fid, "user.one")), "value\0\xff");
      assert.equal(client.setxattr(fid, "user.one", latin1("x"), 1), -e.EEXIST);
      assert.equal(client.setxattr(fid, "user.two", latin1("x"), 2), -e.ENODATA);
      assert.equal(client.setxattr(fid, "user.empty", latin1(""), 0), 0);
      assert.equal(client.getxattr(fid, "user.none"), -e.ENODATA);
      const names = bytes(client.listxattr(fid)).split("\0").sort();
      assert.deepEqual(names, ["", "user.empty", "user.one"]);
      assert.equal(client.removexattr(fid, "user.one"), 0);
      assert.equal(client.removexattr(fid, "user.one"), -e.ENODATA);
      const big = new Uint8Array(3000).fill(7);
      assert.equal(client.setxattr(fid, "user.big", big, 0), 0);
      assert.deepEqual(client.getxattr(fid, "user.big"), big);
      const dir = lookup(rig, "dir");
      assert.equal(client.setxattr(dir, "user.d", latin1("d"), 0), 0);
      assert.equal(bytes(client.getxattr(dir, "user.d")), "d");
      const link = lookup(rig, "escape");
      assert.equal(client.setxattr(link, "user.d", latin1("d"), 0), -e.EPERM);
      assert.equal(client.getxattr(link, "user.d"), -e.ENODATA);
    });

    test("statfs", () => {
      const out = new StatFs();
      assert.equal(client.statfs(root, out), 0);
      const real = fs.statfsSync(path);
      assert.deepEqual([out.type, out.bsize, out.blocks, out.files], [real.type, real.bsize, real.blocks, real.files]);
      assert.equal(out.namelen, 255);
    });

    test("a directory with thousands of entries is read whole", () => {
      fs.mkdirSync(join(path, "many"));
      for (let i = 0; i < 3000; i++) fs.writeFileSync(join(path, `many/file-with-a-long-name-${i}`), "");
      const fid = lookup(rig, "many");
      const names = list(rig, fid);
      assert.equal(names.size, 3000);
      assert.ok(names.has("file-with-a-long-name-2999"));
      // And again, from the start.
      assert.equal(list(rig, fid).size, 3000);
    });

    test("fids do not leak host descriptors", () => {
      client.flushClunks();
      const open = (): number => fs.readdirSync("/proc/self/fd").length;
      const before = open();
      for (let i = 0; i < 500; i++) {
        const fid = lookup(rig, "dir", "file");
        assert.ok(fid >= 0);
        assert.equal(client.lopen(fid, O_RDONLY), 0);
        client.clunk(fid);
        assert.equal(client.walk(root, ["dir", "none"], 2), 1);
        client.clunk(client.walkFids[0]!);
      }
      client.flushClunks();
      assert.equal(open(), before);
    });
  });
}

describe("descriptors that the server donates", () => {
  const rig = new Rig();
  const { client, root, path, host } = rig;
  const stat = new Stat();
  after(() => {
    rig.close();
  });

  test("open by name and by fid, with and without a new fid", () => {
    fs.writeFileSync(join(path, "file"), "contents");
    const buf = new Uint8Array(100);
    let fd = client.openFd(root, "file", O_RDONLY, true, stat);
    assert.ok(fd >= 0);
    assert.equal(stat.size, 8);
    assert.equal(host.pread(fd, buf, 0, 100, 0), 8);
    assert.equal(host.pwrite(fd, buf, 0, 1, 0), -e.EBADF);
    assert.equal(host.close(fd), 0);
    const fid = client.newFid;
    fs.renameSync(join(path, "file"), join(path, "renamed"));
    fd = client.openFd(fid, "", O_RDWR | O_TRUNC | O_APPEND, false, stat);
    assert.ok(fd >= 0);
    assert.equal(client.newFid, c.NOFID);
    assert.equal(stat.size, 0);
    assert.equal(host.pwrite(fd, latin1("new"), 0, 3, 2), 3);
    assert.equal(host.close(fd), 0);
    assert.equal(fs.readFileSync(join(path, "renamed"), "latin1"), "\0\0new");
    assert.equal(client.openFd(root, "none", O_RDONLY, true, stat), -e.ENOENT);
  });

  test("directories, links and special files are not donated", () => {
    fs.mkdirSync(join(path, "dir"));
    fs.symlinkSync("renamed", join(path, "link"));
    assert.equal(client.openFd(root, "dir", O_RDONLY, true, stat), -e.EISDIR);
    assert.equal(client.openFd(root, "", O_RDONLY, false, stat), -e.EISDIR);
    assert.equal(client.openFd(root, "link", O_RDONLY, true, stat), -e.ELOOP);
    assert.equal(client.openFd(root, "..", O_RDONLY, true, stat), -e.EINVAL);
    assert.equal(client.openFd(root, "renamed", 3, true, stat), -e.EINVAL);
  });

  test("create", () => {
    const fd = client.createFd(root, "created", O_RDWR, 0o4755, isRoot ? 7 : c.NOUID, isRoot ? 8 : c.NOUID, true, stat);
    assert.ok(fd >= 0);
    assert.equal(stat.mode, m.S_IFREG | 0o4755);
    if (isRoot) assert.deepEqual([stat.uid, stat.gid], [7, 8]);
    assert.equal(host.pwrite(fd, latin1("abc"), 0, 3, 0), 3);
    assert.equal(client.getattr(client.newFid, stat), 0);
    assert.equal(stat.size, 3);
    assert.equal(client.allocate(client.newFid, 0, 0, 8192, stat), 0);
    assert.equal(stat.size, 8192);
    host.close(fd);
    assert.equal(client.createFd(root, "created", O_RDWR, 0o644, c.NOUID, c.NOUID, true, stat), -e.EEXIST);
    assert.equal(client.createFd(root, "link", O_RDWR, 0o644, c.NOUID, c.NOUID, true, stat), -e.EEXIST);
    assert.equal(client.createFd(root, "a/b", O_RDWR, 0o644, c.NOUID, c.NOUID, true, stat), -e.EINVAL);
  });

  test("one request does what plain 9P needs several for", () => {
    const { transport } = rig;
    const before = transport.requests;
    const fd = client.openFd(root, "created", O_RDONLY, true, stat);
    host.close(fd);
    client.walk(root, ["dir", "x", "y"], 3);
    list(rig, root);
    assert.equal(transport.requests - before, 3);
  });
});

describe("a read-only attach", () => {
  const rig = new Rig({ isReadonly: true });
  const { client, root, path } = rig;
  const stat = new Stat();
  after(() => {
    rig.close();
  });

  test("refuses every change and nothing else", () => {
    fs.writeFileSync(join(path, "file"), "x");
    const fid = lookup(rig, "file");
    assert.equal(client.make(root, "d", m.S_IFDIR, c.NOUID, c.NOUID, 0, "", stat), -e.EROFS);
    assert.equal(client.createFd(root, "f", O_RDWR, 0o644, c.NOUID, c.NOUID, true, stat), -e.EROFS);
    assert.equal(client.openFd(fid, "", O_RDWR, false, stat), -e.EROFS);
    assert.equal(client.openFd(fid, "", O_TRUNC, false, stat), -e.EROFS);
    assert.equal(client.unlink(root, "file", 0), -e.EROFS);
    assert.equal(client.rename(root, "file", root, "g", 0, stat), -e.EROFS);
    assert.equal(client.link(root, fid, "g", stat), -e.EROFS);
    assert.equal(client.setxattr(fid, "user.x", latin1("x"), 0), -e.EROFS);
    assert.equal(client.removexattr(fid, "user.x"), -e.EROFS);
    assert.equal(client.allocate(fid, 0, 0, 100, stat), -e.EROFS);
    const set = new SetAttr();
    set.valid = c.SETATTR_MODE;
    assert.equal(client.setattr(fid, set, stat), -e.EROFS);
    const fd = client.openFd(fid, "", O_RDONLY, false, stat);
    assert.ok(fd >= 0);
    rig.host.close(fd);
    assert.equal(list(rig, root).size, 1);
  });
});

describe("watches", () => {
  const rig = new Rig();
  const { client, root, server } = rig;
  const stat = new Stat();
  const fd = client.notify();
  /** inotify watches besides that of the server's mark: proc_pid_fdinfo(5). */
  const watched = (): number => fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").split("inotify wd:").length - 2;
  after(() => {
    rig.host.close(fd);
    rig.close();
  });

  test("end when they are given up, many at once", () => {
    const wds: number[] = [];
    for (let i = 0; i < 128; i++) {
      fs.mkdirSync(join(rig.path, `d${i}`));
      wds.push(client.watch(lookup(rig, `d${i}`), IN_CREATE, stat));
    }
    assert.equal(watched(), 128);
    for (const wd of wds.slice(1)) client.unwatch(wd);
    // One that is wanted again before the server has heard of it stays.
    assert.equal(client.watch(lookup(rig, "d5"), IN_CREATE, stat), wds[5]);
    client.unwatch(wds[0]!);
    assert.equal(watched(), 128);
    client.unwatch(9999);
    assert.equal(watched(), 1);
  });

  test("an event of a rename is not merged with that of another rename to the same name", () => {
    const { path, host } = rig;
    fs.mkdirSync(join(path, "watched"));
    fs.writeFileSync(join(path, "watched", "a"), "");
    fs.writeFileSync(join(path, "elsewhere"), "");
    const dir = lookup(rig, "watched");
    const wd = client.watch(dir, IN_MOVED_TO, stat);
    const buf = new Uint8Array(4096);
    host.read(fd, buf, 0, buf.length);
    assert.equal(client.rename(dir, "a", dir, "b", 0, stat), 0);
    assert.equal(stat.ino, fs.statSync(join(path, "watched", "b")).ino);
    fs.renameSync(join(path, "elsewhere"), join(path, "watched", "b"));
    const n = host.read(fd, buf, 0, buf.length);
    const view = new DataView(buf.buffer);
    let moved = 0;
    for (let at = 0; at < n; at += 16 + view.getUint32(at + 12, true)) if (view.getInt32(at, true) === wd) moved++;
    assert.equal(moved, 2);
    client.unwatch(wd);
  });

  test("are not left behind by a request that fails", () => {
    const before = watched();
    server.statFd = () => -e.EIO;
    assert.equal(client.watch(root, IN_CREATE, stat), -e.EIO);
    assert.equal(watched(), before);
  });
});
