import assert from "node:assert/strict";
import * as fs from "node:fs";
import { describe } from "node:test";
import * as e from "../../../abi/errno.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../abi/fcntl.ts";
import { S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, Stat } from "../../../abi/stat.ts";
import { StatFs } from "../../../abi/statfs.ts";
import { Translation } from "../../memmap/memmap.ts";
import type { Mappable } from "../../memmap/memmap.ts";
import { IoSequence } from "../../usermem/io.ts";
import {
  chmodAt,
  chownAt,
  getXattr,
  listXattr,
  removeXattr,
  setXattr,
  statfsAt,
  truncateAt,
  utimensAt,
} from "../../vfs/attributes.ts";
import { DirentList } from "../../vfs/dirent.ts";
import { openAt } from "../../vfs/open.ts";
import { linkAt, mkdirAt, mknodAt, readlinkAt, renameAt2, rmdirAt, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { readText, seqOf, writeText } from "../tmpfs/harness.testing.ts";
import { inWorld } from "./world.testing.ts";

/** Takes seven entries. */
class Seven extends DirentList {
  override emit(name: string, ino: number, type: number, nextOffset: number): boolean {
    return this.names.length < 7 && super.emit(name, ino, type, nextOffset);
  }
}

describe("files", () => {
  inWorld("create, write, read, append, truncate", (w) => {
    const { ctx } = w;
    const f = ctx.open("/file", O_CREAT | O_EXCL | O_RDWR, 0o640);
    assert.equal(writeText(f, "hello world"), 11);
    const stat = new Stat();
    assert.equal(f.stat(stat), 0);
    assert.equal(stat.size, 11);
    assert.equal(stat.mode, S_IFREG | 0o640);
    assert.equal(f.seek(6, 0), 6);
    assert.equal(readText(f, 100), "world");
    assert.equal(f.read(seqOf(new Uint8Array(4))), 0);
    assert.equal(f.truncate(5), 0);
    assert.equal(ctx.stat("/file").size, 5);
    f.decRef();
    assert.equal(fs.readFileSync(w.host("file"), "latin1"), "hello");
    const a = ctx.open("/file", O_WRONLY | O_APPEND);
    assert.equal(writeText(a, "!"), 1);
    assert.equal(writeText(a, "?"), 1);
    a.decRef();
    assert.equal(ctx.text("/file"), "hello!?");
    ctx.open("/file", O_WRONLY | O_TRUNC).decRef();
    assert.equal(ctx.stat("/file").size, 0);
    assert.equal(truncateAt(ctx, null, "/file", 100), 0);
    assert.equal(fs.statSync(w.host("file")).size, 100);
    assert.equal(openAt(ctx, null, "/file", O_CREAT | O_EXCL | O_RDWR, 0o644), -e.EEXIST);
    assert.equal(openAt(ctx, null, "/none", O_RDONLY, 0), -e.ENOENT);
    assert.equal(openAt(ctx, null, "/file/x", O_RDONLY, 0), -e.ENOTDIR);
    assert.equal(openAt(ctx, null, "/file", O_DIRECTORY, 0), -e.ENOTDIR);
  });

  inWorld("more ranges than one host call takes", (w) => {
    const { ctx } = w;
    const f = ctx.open("/file", O_CREAT | O_RDWR);
    const out = new IoSequence();
    for (let i = 0; i < 3000; i++) out.push(new Uint8Array([i & 255]), 0, 1);
    assert.equal(f.pwrite(out, 0), 3000);
    const back = new IoSequence();
    const parts = Array.from({ length: 3000 }, () => new Uint8Array(1));
    for (const part of parts) back.push(part, 0, 1);
    assert.equal(f.pread(back, 0), 3000);
    assert.ok(parts.every((part, i) => part[0] === (i & 255)));
    f.decRef();
  });

  inWorld("holes, fallocate, sync", (w) => {
    const f = w.ctx.open("/file", O_CREAT | O_RDWR);
    assert.equal(f.pwrite(seqOf(Buffer.from("x")), 1 << 20), 1);
    assert.equal(f.seek(0, SEEK_HOLE), 0);
    assert.equal(f.seek(0, SEEK_DATA), 1 << 20);
    assert.equal(f.allocate(0, 0, 2 << 20), 0);
    assert.equal(w.ctx.stat("/file").size, 2 << 20);
    assert.equal(f.sync(false), 0);
    assert.equal(f.sync(true), 0);
    f.decRef();
  });

  inWorld("an unlinked file lives as long as it is open", (w) => {
    const { ctx } = w;
    ctx.put("/file", "text");
    const f = ctx.open("/file", O_RDWR);
    assert.equal(unlinkAt(ctx, null, "/file"), 0);
    assert.equal(fs.existsSync(w.host("file")), false);
    const stat = new Stat();
    assert.equal(f.stat(stat), 0);
    assert.equal(stat.nlink, 0);
    assert.equal(readText(f, 10), "text");
    assert.equal(writeText(f, "more"), 4);
    assert.equal(f.stat(stat), 0);
    assert.equal(stat.size, 8);
    assert.equal(
      f.inode!.setAttr(
        Object.assign(
          {},
          { mask: 1, mode: 0o600, uid: 0, gid: 0, size: 0, atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 },
        ),
      ),
      0,
    );
    ctx.put("/file", "other");
    assert.equal(f.stat(stat), 0);
    assert.equal(stat.size, 8);
    assert.equal(stat.mode & 0o777, 0o600);
    f.decRef();
    assert.equal(ctx.text("/file"), "other");
  });

  inWorld("closing the last writer leaves no fd that is open for writing", (w) => {
    const { ctx } = w;
    ctx.put("/prog", "#!/bin/true\n", 0o755);
    const writers = fs.readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return (
          fs.readlinkSync(`/proc/self/fd/${fd}`) === w.host("prog") &&
          /flags:\s+\d*[12]$/m.test(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))
        );
      } catch {
        return false;
      }
    });
    assert.deepEqual(writers, []);
    assert.equal(
      w.cost(() => assert.equal(ctx.stat("/prog").size, 12)),
      0,
    );
  });
});

describe("names", () => {
  inWorld("mkdir, rmdir, readdir", (w) => {
    const { ctx } = w;
    assert.equal(mkdirAt(ctx, null, "/d", 0o755), 0);
    assert.equal(mkdirAt(ctx, null, "/d", 0o755), -e.EEXIST);
    assert.equal(mkdirAt(ctx, null, "/d/sub", 0o755), 0);
    ctx.put("/d/file", "x");
    assert.deepEqual(ctx.list("/d"), ["file", "sub"]);
    assert.equal(rmdirAt(ctx, null, "/d"), -e.ENOTEMPTY);
    assert.equal(rmdirAt(ctx, null, "/d/sub"), 0);
    assert.deepEqual(ctx.list("/d"), ["file"]);
    assert.equal(unlinkAt(ctx, null, "/d/file"), 0);
    assert.equal(rmdirAt(ctx, null, "/d"), 0);
    assert.deepEqual(ctx.list("/"), []);
    assert.deepEqual(fs.readdirSync(w.path), []);
  });

  inWorld("files' attributes are read with their directory when somebody asks for them", (w) => {
    const { ctx } = w;
    for (const dir of ["a", "b"]) {
      fs.mkdirSync(w.host(dir));
      for (let i = 0; i < 200; i++) fs.writeFileSync(w.host(`${dir}/f${i}`), "x".repeat(i));
      fs.mkdirSync(w.host(`${dir}/sub`));
    }
    fs.symlinkSync("f1", w.host("a/link"));
    assert.equal(ctx.list("/a").length, 202);
    assert.equal(
      w.cost(() => ctx.stat("/a/sub")),
      0,
    );
    assert.equal(
      w.cost(() => ctx.stat("/a/f3", 0)),
      1,
    );
    assert.equal(ctx.stat("/a/f3").size, 3);
    // What was looked up before the others' attributes are read is not believed to be as it was read.
    const file = ctx.open("/a/f3", O_RDWR | O_APPEND);
    assert.equal(writeText(file, "more"), 4);
    assert.equal(
      w.cost(() => assert.equal(ctx.stat("/a/link", AT_SYMLINK_NOFOLLOW).size, 2)),
      1,
    );
    assert.ok(
      w.cost(() => {
        for (let i = 5; i < 60; i++) assert.equal(ctx.stat(`/a/f${i}`).size, i);
      }) <= 3,
    );
    file.decRef();
    ctx.root.mount.fs.shrink();
    assert.equal(ctx.stat("/a/f3").size, 7);
    assert.equal(ctx.stat("/a/f4").size, 4);
    // The next directory is read with everything at once.
    assert.equal(ctx.list("/b").length, 201);
    assert.equal(
      w.cost(() => {
        for (let i = 0; i < 200; i++) assert.equal(ctx.stat(`/b/f${i}`).size, i);
      }),
      0,
    );
  });

  inWorld("a directory that is emptied while it is read", (w) => {
    const { ctx } = w;
    for (let i = 0; i < 50; i++) fs.writeFileSync(w.host(`f${i}`), "");
    const dir = ctx.open("/");
    const seen: string[] = [];
    for (let more = true; more;) {
      more = false;
      const batch = new Seven();
      assert.equal(dir.iterate(batch), 0);
      for (const name of batch.names) {
        more = true;
        if (name === "." || name === "..") continue;
        seen.push(name);
        assert.equal(unlinkAt(ctx, null, `/${name}`), 0);
      }
    }
    assert.equal(new Set(seen).size, 50);
    assert.equal(dir.seek(0, 0), 0);
    const left = new DirentList();
    dir.iterate(left);
    assert.deepEqual(left.names, [".", ".."]);
    dir.decRef();
  });

  inWorld("links, symbolic links, special files", (w) => {
    const { ctx } = w;
    ctx.put("/one", "1");
    assert.equal(linkAt(ctx, null, "/one", null, "/two", 0), 0);
    assert.equal(ctx.stat("/two").nlink, 2);
    assert.equal(ctx.stat("/one").ino, ctx.stat("/two").ino);
    assert.equal(chmodAt(ctx, null, "/two", 0o600, 0), 0);
    assert.equal(ctx.stat("/one").mode & 0o777, 0o600);
    assert.equal(unlinkAt(ctx, null, "/one"), 0);
    assert.equal(ctx.stat("/two").nlink, 1);
    assert.equal(chmodAt(ctx, null, "/two", 0o644, 0), 0);
    assert.equal(symlinkAt(ctx, "two", null, "/link"), 0);
    assert.equal(readlinkAt(ctx, null, "/link"), "two");
    assert.equal(ctx.text("/link"), "1");
    assert.equal(ctx.stat("/link", AT_SYMLINK_NOFOLLOW).mode & S_IFMT, S_IFLNK);
    assert.equal(symlinkAt(ctx, "/no/such", null, "/dangling"), 0);
    assert.equal(openAt(ctx, null, "/dangling", O_RDONLY, 0), -e.ENOENT);
    assert.equal(mknodAt(ctx, null, "/fifo", S_IFIFO | 0o600, 0), 0);
    assert.equal(ctx.stat("/fifo").mode & S_IFMT, S_IFIFO);
    assert.equal(mknodAt(ctx, null, "/sock", S_IFSOCK | 0o600, 0), 0);
    assert.equal(mknodAt(ctx, null, "/plain", S_IFREG | 0o600, 0), 0);
    assert.equal(fs.lstatSync(w.host("fifo")).isFIFO(), true);
  });

  inWorld("a symbolic link stays inside the sandbox's root", (w) => {
    const { ctx } = w;
    fs.symlinkSync("/etc/passwd", w.host("escape"));
    fs.symlinkSync("../../../../../etc", w.host("up"));
    assert.equal(openAt(ctx, null, "/escape", O_RDONLY, 0), -e.ENOENT);
    assert.equal(openAt(ctx, null, "/up/passwd", O_RDONLY, 0), -e.ENOENT);
  });

  inWorld("rename", (w) => {
    const { ctx } = w;
    mkdirAt(ctx, null, "/a", 0o755);
    mkdirAt(ctx, null, "/b", 0o755);
    ctx.put("/a/x", "x");
    ctx.put("/b/y", "y");
    const f = ctx.open("/b/y", O_RDWR);
    assert.equal(renameAt2(ctx, null, "/a/x", null, "/b/y", RENAME_NOREPLACE), -e.EEXIST);
    assert.equal(renameAt2(ctx, null, "/a/x", null, "/b/y", 0), 0);
    assert.equal(ctx.text("/b/y"), "x");
    assert.equal(readText(f, 9), "y");
    f.decRef();
    assert.deepEqual(ctx.list("/a"), []);
    ctx.put("/a/z", "z");
    assert.equal(renameAt2(ctx, null, "/a/z", null, "/b", RENAME_EXCHANGE), 0);
    assert.equal(ctx.text("/b"), "z");
    assert.equal(ctx.text("/a/z/y"), "x");
    assert.equal(renameAt2(ctx, null, "/a", null, "/c", 0), 0);
    assert.equal(ctx.text("/c/z/y"), "x");
    ctx.put("/c/z/new", "n");
    assert.equal(fs.readFileSync(w.host("c/z/new"), "latin1"), "n");
    assert.equal(openAt(ctx, null, "/a/z/y", O_RDONLY, 0), -e.ENOENT);
    // A file found by reading its directory, never looked up, then renamed, then opened.
    fs.mkdirSync(w.host("d"));
    fs.writeFileSync(w.host("d/q"), "q");
    assert.deepEqual(ctx.list("/d"), ["q"]);
    assert.equal(renameAt2(ctx, null, "/d/q", null, "/d/r", 0), 0);
    assert.equal(ctx.text("/d/r"), "q");
  });

  inWorld("names are bytes", (w) => {
    const { ctx } = w;
    ctx.put("/\xff\xc3\xa9", "bytes");
    assert.ok(fs.readdirSync(w.path, { encoding: "buffer" }).some((name) => name.equals(Buffer.from("ffc3a9", "hex"))));
    assert.deepEqual(ctx.list("/"), ["\xff\xc3\xa9"]);
    assert.equal(ctx.text("/\xff\xc3\xa9"), "bytes");
    assert.equal(openAt(ctx, null, `/${"n".repeat(256)}`, O_RDONLY, 0), -e.ENAMETOOLONG);
  });
});

describe("attributes", () => {
  inWorld("chmod, chown, times, statfs", (w) => {
    const { ctx } = w;
    ctx.put("/file", "x");
    assert.equal(chmodAt(ctx, null, "/file", 0o4751, 0), 0);
    assert.equal(ctx.stat("/file").mode, S_IFREG | 0o4751);
    assert.equal(utimensAt(ctx, null, "/file", 1, 2, 3, 4, 0), 0);
    const s = ctx.stat("/file");
    assert.deepEqual([s.atimeSec, s.atimeNsec, s.mtimeSec, s.mtimeNsec], [1, 2, 3, 4]);
    if (process.getuid!() === 0) {
      assert.equal(chownAt(ctx, null, "/file", 12, 34, 0), 0);
      assert.deepEqual([ctx.stat("/file").uid, ctx.stat("/file").gid], [12, 34]);
      assert.equal(fs.statSync(w.host("file")).gid, 34);
      assert.equal(ctx.stat("/file").mode, S_IFREG | 0o751);
      ctx.asUser(12, 34);
      assert.equal(mkdirAt(ctx, null, "/no", 0o755), -e.EACCES);
      ctx.asRoot();
      mkdirAt(ctx, null, "/tmp", 0o777);
      chmodAt(ctx, null, "/tmp", 0o1777, 0);
      ctx.asUser(55, 66);
      ctx.put("/tmp/mine", "m");
      const real = fs.statSync(w.host("tmp/mine"));
      assert.deepEqual([real.uid, real.gid], [55, 66]);
      ctx.asRoot();
    }
    const out = new StatFs();
    assert.equal(statfsAt(ctx, "/", out), 0);
    assert.ok(out.blocks > 0);
  });

  inWorld("a write shows in size and mtime at once", (w) => {
    const { ctx } = w;
    const f = ctx.open("/file", O_CREAT | O_RDWR);
    const stat = new Stat();
    f.stat(stat);
    const before = stat.mtimeSec * 1e9 + stat.mtimeNsec;
    writeText(f, "12345");
    const s = ctx.stat("/file");
    assert.equal(s.size, 5);
    assert.ok(s.mtimeSec * 1e9 + s.mtimeNsec >= before);
    const real = fs.statSync(w.host("file"), { bigint: true });
    assert.equal(BigInt(s.mtimeSec) * 1_000_000_000n + BigInt(s.mtimeNsec), real.mtimeNs);
    f.decRef();
  });

  inWorld("extended attributes", (w) => {
    const { ctx } = w;
    ctx.put("/file", "x");
    const path = ctx.open("/file").path!;
    const value = new Uint8Array([1, 0, 255]);
    if (setXattr(ctx, path, "user.a", value, 0) === -e.EOPNOTSUPP) return;
    assert.deepEqual(getXattr(ctx, path, "user.a"), value);
    assert.equal(getXattr(ctx, path, "user.b"), -e.ENODATA);
    assert.equal(
      w.cost(() => getXattr(ctx, path, "user.b")),
      0,
    );
    assert.equal(setXattr(ctx, path, "user.b", value, 0), 0);
    assert.deepEqual(getXattr(ctx, path, "user.b"), value);
    assert.deepEqual(listXattr(ctx, path), ["user.a", "user.b"]);
    assert.equal(removeXattr(ctx, path, "user.a"), 0);
    assert.equal(getXattr(ctx, path, "user.a"), -e.ENODATA);
    path.dentry.inode!.decUsers();
  });
});

describe("mapping", () => {
  inWorld("translates to donated fds, and hears of truncation", (w) => {
    const { ctx } = w;
    ctx.put("/file", "m".repeat(10_000));
    const f = ctx.open("/file", O_RDWR);
    const m = f.mappable() as Mappable;
    const t = new Translation();
    const dropped: number[][] = [];
    const owner = { invalidateMapping: (_m: Mappable, off: number, len: number) => void dropped.push([off, len]) };
    m.addMapping(owner, 0x1000, 0x5000, 0, true);
    assert.equal(m.translate(4096, 100, false, t), 0);
    assert.deepEqual([t.offset, t.len], [4096, 4096]);
    const buf = new Uint8Array(20);
    assert.equal(t.file!.readAt(buf, 0, 20, 9990), 10);
    assert.equal(m.translate(0, 1 << 20, true, t), 0);
    assert.deepEqual([t.len, t.maxProt], [12288, 7]);
    t.file!.incRef(0, 4096);
    const { file } = t;
    assert.equal(m.translate(12288, 4096, false, t), -e.EFAULT);
    assert.equal(f.truncate(5000), 0);
    assert.deepEqual(dropped, [[8192, 0x5000 - 8192]]);
    assert.equal(m.translate(8192, 4096, false, t), -e.EFAULT);
    assert.equal(f.truncate(20_000), 0);
    assert.equal(m.translate(16384, 4096, false, t), 0);
    assert.equal(m.syncRange(0, 4096), 0);
    m.removeMapping(owner, 0x1000, 0x5000, 0, true);
    file!.decRef(0, 4096);
    f.decRef();
  });

  inWorld("small reads of mapped pages cost one call of the host until somebody writes", (w) => {
    const { ctx } = w;
    const { host } = w.rig;
    fs.writeFileSync(w.host("file"), `${"a".repeat(4100)}old`);
    const reader = ctx.open("/file");
    const m = reader.mappable() as Mappable;
    const t = new Translation();
    const owner = { invalidateMapping: (): void => {} };
    m.addMapping(owner, 0x1000, 0x2000, 0, false);
    assert.equal(m.translate(0, 8192, false, t), 0);
    const file = t.file!;
    file.incRef(0, 8192);
    let calls = 0;
    const pread = host.pread.bind(host);
    host.pread = (...args): number => {
      calls++;
      return pread(...args);
    };
    const look = (off: number, len: number): string => {
      const buf = new Uint8Array(len);
      return Buffer.from(buf.subarray(0, file.readAt(buf, 0, len, off))).toString();
    };
    assert.equal(look(4099, 100), "aold");
    assert.equal(look(4102, 1), "d");
    assert.equal(look(4103, 1), "");
    assert.equal(look(4095, 2), "aa");
    assert.equal(calls, 3, "two for the page, of which one finds the end of the file, and one across pages");
    const writer = ctx.open("/file", O_RDWR);
    assert.equal(writer.seek(4100, 0), 4100);
    assert.equal(writeText(writer, "new"), 3);
    assert.equal(look(4100, 3), "new");
    writer.decRef();
    // A reader of its own time: the mapping's descriptor is still the old one.
    assert.equal(ctx.text("/file").length, 4103);
    assert.equal(truncateAt(ctx, null, "/file", 4101), 0);
    assert.equal(look(4100, 3), "n");
    m.removeMapping(owner, 0x1000, 0x2000, 0, false);
    file.decRef(0, 8192);
    reader.decRef();
    host.pread = pread;
  });

  inWorld(
    "nothing is kept of a shared tree's files",
    (w) => {
      const { ctx } = w;
      fs.writeFileSync(w.host("file"), "old");
      const f = ctx.open("/file");
      const t = new Translation();
      assert.equal((f.mappable() as Mappable).translate(0, 4096, false, t), 0);
      const buf = new Uint8Array(3);
      assert.equal(t.file!.readAt(buf, 0, 3, 0), 3);
      fs.writeFileSync(w.host("file"), "new");
      assert.equal(t.file!.readAt(buf, 0, 3, 0), 3);
      assert.equal(Buffer.from(buf).toString(), "new");
      f.decRef();
    },
    true,
  );

  inWorld("a file opened for reading is mapped read-only until somebody writes", (w) => {
    const { ctx } = w;
    fs.writeFileSync(w.host("file"), "x".repeat(5000));
    const f = ctx.open("/file");
    const t = new Translation();
    const m = f.mappable() as Mappable;
    assert.equal(m.translate(0, 8192, false, t), 0);
    assert.deepEqual([t.len, t.maxProt], [8192, 5]);
    f.decRef();
  });
});
