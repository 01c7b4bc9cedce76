import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
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
import { LoopbackTransport, Rig } from "../../../gofer/rig.testing.ts";
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
  statAt,
  statfsAt,
  truncateAt,
  utimensAt,
} from "../../vfs/attributes.ts";
import { DirentList } from "../../vfs/dirent.ts";
import { openAt } from "../../vfs/open.ts";
import { linkAt, mkdirAt, mknodAt, readlinkAt, renameAt2, rmdirAt, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { turn } from "../../vfs/turn.ts";
import { TestContext, readText, seqOf, writeText } from "../tmpfs/harness.testing.ts";
import { attachGofer } from "./gofer-fs.ts";
import type { GoferFs } from "./gofer-fs.ts";

/** Takes seven entries. */
class Seven extends DirentList {
  override emit(name: string, ino: number, type: number, nextOffset: number): boolean {
    return this.names.length < 7 && super.emit(name, ino, type, nextOffset);
  }
}

/** A gofer file system on a temporary directory as the root of a VFS. */
class World {
  readonly rig: Rig = new Rig();
  readonly transport: LoopbackTransport;
  readonly ctx: TestContext;
  readonly path: string;
  gofer!: GoferFs;

  constructor(isShared = false, isReadonly = false, fill: (path: string) => void = () => {}) {
    this.path = this.rig.path;
    fs.chmodSync(this.path, 0o755);
    fill(this.path);
    this.transport = new LoopbackTransport(this.rig.host, this.rig.newServer({ isReadonly }));
    this.ctx = new TestContext(64, (vfs) => {
      const made = attachGofer(vfs, this.rig.host, this.transport, {
        isShared,
        isReadonly,
        keeper: null,
        watcher: null,
      });
      if (typeof made === "number") throw new Error(`attach: ${made}`);
      this.gofer = made;
      return made;
    });
  }

  /** Where a file is on the host. Whoever asks is about to change it there: between two system calls. */
  host(name: string): string {
    turn.now++;
    return join(this.path, name);
  }

  /** Requests that `run` makes. */
  cost(run: () => void): number {
    const before = this.transport.requests;
    run();
    return this.transport.requests - before;
  }

  close(): void {
    this.gofer.release();
    this.rig.close();
  }
}

/** Runs a test in a world of its own, and checks that no host fd is left behind. */
function inWorld(
  name: string,
  run: (w: World) => void,
  isShared = false,
  isReadonly = false,
  fill?: (path: string) => void,
): void {
  test(name, () => {
    // The first use of stdio and timers opens fds of Node's own.
    const before = fs.readdirSync("/proc/self/fd").length;
    const w = new World(isShared, isReadonly, fill);
    try {
      run(w);
    } finally {
      w.close();
    }
    assert.equal(fs.readdirSync("/proc/self/fd").length, before, "host fds");
  });
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

describe("caching when nobody else changes the files", () => {
  const fill = (path: string): void => {
    fs.mkdirSync(join(path, "usr/lib/deep"), { recursive: true });
    fs.writeFileSync(join(path, "usr/lib/deep/file"), "contents");
    fs.symlinkSync("lib", join(path, "usr/lib64"));
  };

  inWorld(
    "a path is walked in one request, and then never again",
    (w) => {
      const { ctx } = w;
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib/deep/file")),
        1,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib/deep/file")),
        0,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib")),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/usr/lib/deep/none", 0, new Stat()), -e.ENOENT)),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/usr/lib/deep/none", 0, new Stat()), -e.ENOENT)),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/x/y/z", 0, new Stat()), -e.ENOENT)),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(statAt(ctx, null, "/x/y", 0, new Stat()), -e.ENOENT)),
        0,
      );
      assert.equal(
        w.cost(() => assert.equal(ctx.text("/usr/lib/deep/file"), "contents")),
        1,
      );
      assert.equal(
        w.cost(() => assert.equal(ctx.text("/usr/lib/deep/file"), "contents")),
        0,
      );
      assert.equal(
        w.cost(() => ctx.stat("/usr/lib64/deep/file")),
        1,
      );
      assert.equal(
        w.cost(() => readlinkAt(ctx, null, "/usr/lib64")),
        0,
      );
    },
    false,
    false,
    fill,
  );

  inWorld("reading a directory answers later lookups in it", (w) => {
    const { ctx } = w;
    for (let i = 0; i < 100; i++) fs.writeFileSync(w.host(`f${i}`), "x".repeat(i));
    assert.equal(
      w.cost(() => ctx.list("/")),
      1,
    );
    assert.equal(
      w.cost(() => {
        assert.equal(statAt(ctx, null, "/missing", 0, new Stat()), -e.ENOENT);
        ctx.list("/");
      }),
      0,
    );
    // One for the first file, one for all others.
    assert.equal(
      w.cost(() => {
        for (let i = 0; i < 100; i++) assert.equal(ctx.stat(`/f${i}`).size, i);
      }),
      2,
    );
    assert.equal(
      w.cost(() => ctx.text("/f7")),
      1,
    );
  });

  inWorld("making files costs one request each", (w) => {
    const { ctx } = w;
    mkdirAt(ctx, null, "/new", 0o755);
    assert.equal(
      w.cost(() => ctx.put("/new/a", "a")),
      1,
    );
    assert.equal(
      w.cost(() => mkdirAt(ctx, null, "/new/d", 0o755)),
      1,
    );
    assert.equal(
      w.cost(() => ctx.stat("/new/a")),
      0,
    );
    assert.equal(
      w.cost(() => assert.deepEqual(ctx.list("/new"), ["a", "d"])),
      0,
    );
    assert.equal(
      w.cost(() => unlinkAt(ctx, null, "/new/a")),
      1,
    );
    assert.equal(
      w.cost(() => assert.equal(statAt(ctx, null, "/new/a", 0, new Stat()), -e.ENOENT)),
      0,
    );
  });

  inWorld("evicted names are found again, and their fids were given back", (w) => {
    const { ctx } = w;
    for (let d = 0; d < 30; d++) {
      fs.mkdirSync(w.host(`d${d}`));
      fs.writeFileSync(w.host(`d${d}/f`), `${d}`);
    }
    w.gofer.dentryLimit = 10;
    for (let round = 0; round < 2; round++) {
      for (let d = 0; d < 30; d++) assert.equal(ctx.text(`/d${d}/f`), `${d}`);
    }
    w.gofer.client.flushClunks();
    assert.ok(w.transport.server.fids.size < 20, `${w.transport.server.fids.size} fids`);
  });

  inWorld("a file that somebody replaced nevertheless is opened as it is now", (w) => {
    const { ctx } = w;
    fs.writeFileSync(w.host("file"), "old");
    assert.equal(ctx.stat("/file").size, 3);
    fs.writeFileSync(w.host("new"), "newer");
    fs.renameSync(w.host("new"), w.host("file"));
    assert.equal(ctx.text("/file"), "newer");
    assert.equal(ctx.stat("/file").size, 5);
    fs.writeFileSync(w.host("gone"), "x");
    ctx.stat("/gone");
    fs.unlinkSync(w.host("gone"));
    assert.equal(openAt(ctx, null, "/gone", O_RDONLY, 0), -e.ENOENT);
  });

  inWorld("more open directories than fids are kept", (w) => {
    const { ctx } = w;
    let deep = "";
    for (let d = 0; d < 60; d++) {
      deep += `/d${d}`;
      fs.mkdirSync(w.host(deep));
    }
    fs.writeFileSync(w.host(`${deep}/f`), "deep");
    assert.equal(ctx.text(`${deep}/f`), "deep");
    // As if there were too many.
    for (let d = ctx.root.dentry.children!.get("d0"); d !== undefined; d = [...(d.children?.values() ?? [])][0]) {
      const inode = d.inode as unknown as { canDropFid: boolean; fid: number; dropFid(): void };
      if (inode.canDropFid && inode.fid !== 0xffffffff) inode.dropFid();
    }
    ctx.put(`${deep}/g`, "new");
    assert.equal(ctx.text(`${deep}/g`), "new");
  });
});

describe("shared with others", () => {
  const shared = true;

  inWorld(
    "changes made outside are seen",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      assert.equal(statAt(ctx, null, "/late", 0, stat), -e.ENOENT);
      fs.writeFileSync(w.host("late"), "one");
      assert.equal(ctx.stat("/late").size, 3);
      assert.equal(ctx.text("/late"), "one");
      fs.writeFileSync(w.host("late"), "longer");
      assert.equal(ctx.stat("/late").size, 6);
      assert.equal(ctx.text("/late"), "longer");
      // Another file under the same name.
      fs.writeFileSync(w.host("other"), "replaced");
      fs.renameSync(w.host("other"), w.host("late"));
      assert.equal(ctx.text("/late"), "replaced");
      fs.unlinkSync(w.host("late"));
      assert.equal(statAt(ctx, null, "/late", 0, stat), -e.ENOENT);
      fs.mkdirSync(w.host("dir"));
      assert.deepEqual(ctx.list("/dir"), []);
      fs.writeFileSync(w.host("dir/new"), "");
      assert.deepEqual(ctx.list("/dir"), ["new"]);
      fs.symlinkSync("dir", w.host("link"));
      assert.deepEqual(ctx.list("/link"), ["new"]);
      fs.unlinkSync(w.host("link"));
      fs.symlinkSync("/nowhere", w.host("link"));
      assert.equal(openAt(ctx, null, "/link", O_RDONLY, 0), -e.ENOENT);
    },
    shared,
  );

  inWorld(
    "whatever is changed outside, the next call sees it",
    (w) => {
      const { ctx } = w;
      const names = ["a", "b", "c", "d"];
      const dirs = ["", "sub/", "sub/deep/"];
      fs.mkdirSync(w.host("sub/deep"), { recursive: true });
      // A fixed sequence that looks random (a linear congruential generator): a failure comes again.
      let state = 12345;
      const pick = (n: number): number => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 8) % n;
      };
      const change = (step: number): void => {
        const one = w.host(dirs[pick(3)]! + names[pick(4)]!);
        const two = w.host(dirs[pick(3)]! + names[pick(4)]!);
        const kinds = [
          () => fs.writeFileSync(one, `${step}`),
          () => fs.appendFileSync(one, "more"),
          () => fs.unlinkSync(one),
          () => fs.renameSync(one, two),
          () => fs.linkSync(one, two),
          () => fs.symlinkSync(`target ${step}`, one),
          () => fs.mkdirSync(one),
          () => fs.rmdirSync(one),
          () => fs.chmodSync(one, 0o600 + pick(64)),
          () => fs.truncateSync(one, pick(100)),
        ];
        try {
          kinds[pick(kinds.length)]!();
        } catch {
          // Impossible as things are: nothing changed.
        }
      };
      for (let step = 0; step < 1500; step++) {
        change(step);
        const dir = dirs[pick(3)]!;
        if (step % 3 === 0)
          assert.deepEqual(ctx.list(`/${dir}`), fs.readdirSync(w.host(dir)).sort(), `step ${step}: /${dir}`);
        for (const name of names) {
          const stat = new Stat();
          const got = statAt(ctx, null, `/${dir}${name}`, AT_SYMLINK_NOFOLLOW, stat);
          const there = fs.lstatSync(join(w.path, dir, name), { throwIfNoEntry: false });
          const what = `step ${step}: /${dir}${name}`;
          assert.equal(got, there === undefined ? -e.ENOENT : 0, what);
          if (there === undefined) continue;
          assert.deepEqual(
            [stat.mode, stat.size, stat.nlink, stat.mtimeSec],
            [there.mode, there.size, there.nlink, Math.floor(there.mtimeMs / 1000)],
            what,
          );
          if (there.isFile())
            assert.equal(ctx.text(`/${dir}${name}`), fs.readFileSync(join(w.path, dir, name), "latin1"), what);
          if (there.isSymbolicLink())
            assert.equal(readlinkAt(ctx, null, `/${dir}${name}`), fs.readlinkSync(join(w.path, dir, name)), what);
        }
      }
    },
    shared,
  );

  inWorld(
    "a growing file is read on",
    (w) => {
      const { ctx } = w;
      fs.writeFileSync(w.host("log"), "a\n");
      const f = ctx.open("/log");
      assert.equal(readText(f, 100), "a\n");
      assert.equal(readText(f, 100), "");
      fs.appendFileSync(w.host("log"), "b\n");
      const stat = new Stat();
      f.stat(stat);
      assert.equal(stat.size, 4);
      assert.equal(readText(f, 100), "b\n");
      f.decRef();
    },
    shared,
  );

  /** Runs a change outside; what comes behind it is another system call. */
  const outside = (change: () => void): void => {
    change();
    turn.now++;
  };

  inWorld(
    "what did not change is not asked for again",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      fs.mkdirSync(w.host("d"));
      for (let i = 0; i < 100; i++) fs.writeFileSync(w.host(`d/f${i}`), "x");
      for (let i = 0; i < 2; i++) {
        turn.now++;
        ctx.stat("/d/f0");
        ctx.stat("/d");
        assert.equal(statAt(ctx, null, "/d/none", 0, stat), -e.ENOENT);
      }
      assert.equal(
        w.cost(() => {
          for (let i = 0; i < 3; i++) {
            turn.now++;
            ctx.stat("/d/f0");
            ctx.stat("/d");
            assert.equal(statAt(ctx, null, "/d/none", 0, stat), -e.ENOENT);
          }
        }),
        0,
      );
      // Who asks for many names has the directory read.
      const cost = w.cost(() => {
        for (let i = 1; i < 100; i++) {
          turn.now++;
          assert.equal(ctx.stat(`/d/f${i}`).size, 1);
          assert.equal(statAt(ctx, null, `/d/none${i}`, 0, stat), -e.ENOENT);
        }
      });
      assert.ok(cost < 25, `${cost} requests`);
      // The guest's own changes do not make it forget.
      turn.now++;
      ctx.put("/d/own", "1");
      turn.now++;
      assert.equal(
        w.cost(() => {
          assert.equal(statAt(ctx, null, "/d/none5", 0, stat), -e.ENOENT);
          turn.now++;
          assert.equal(unlinkAt(ctx, null, "/d/own"), 0);
          turn.now++;
          assert.equal(statAt(ctx, null, "/d/own", 0, stat), -e.ENOENT);
        }),
        1,
      );
    },
    shared,
  );

  inWorld(
    "a change through another name of the file, or of its mode, is seen",
    (w) => {
      const { ctx } = w;
      fs.mkdirSync(w.host("d"));
      fs.writeFileSync(w.host("f"), "1");
      turn.now++;
      assert.equal(ctx.stat("/f").nlink, 1);
      outside(() => fs.linkSync(w.host("f"), w.host("d/g")));
      assert.equal(ctx.stat("/f").nlink, 2);
      outside(() => fs.appendFileSync(w.host("d/g"), "23"));
      assert.equal(ctx.stat("/f").size, 3);
      outside(() => fs.chmodSync(w.host("d/g"), 0o400));
      assert.equal(ctx.stat("/f").mode & 0o777, 0o400);
      outside(() => fs.chmodSync(w.host("d"), 0o700));
      assert.equal(ctx.stat("/d").mode & 0o777, 0o700);
    },
    shared,
  );

  inWorld(
    "lost events: everything is asked for once more",
    (w) => {
      const { ctx } = w;
      const stat = new Stat();
      fs.mkdirSync(w.host("d"));
      fs.writeFileSync(w.host("d/a"), "1");
      turn.now++;
      ctx.list("/d");
      ctx.stat("/d/a");
      assert.equal(statAt(ctx, null, "/d/b", 0, stat), -e.ENOENT);
      const most = Number(fs.readFileSync("/proc/sys/fs/inotify/max_queued_events", "latin1"));
      outside(() => {
        for (let i = 0; i <= most / 2; i++) {
          fs.writeFileSync(w.host(`d/x${i & 7}`), "");
          fs.unlinkSync(w.host(`d/x${i & 7}`));
        }
        fs.unlinkSync(w.host("d/a"));
        fs.writeFileSync(w.host("d/b"), "12");
      });
      assert.equal(statAt(ctx, null, "/d/a", 0, stat), -e.ENOENT);
      assert.equal(ctx.stat("/d/b").size, 2);
      assert.deepEqual(ctx.list("/d"), ["b"]);
    },
    shared,
  );

  inWorld(
    "a thousand random changes on both sides, compared after each",
    (w) => {
      const { ctx } = w;
      let seed = 12345;
      const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
      const dirs = ["", "/p", "/p/q"];
      fs.mkdirSync(w.host("p/q"), { recursive: true });
      const pick = (): string => `${dirs[random(3)]!}/${"abcdef"[random(6)]!}`;
      const attempt = (run: () => unknown): void => {
        try {
          run();
        } catch {
          // The name is not there, or is a directory: the same for both sides.
        }
      };
      const hostShape = (path: string): string => {
        const s = fs.lstatSync(path);
        const target = s.isSymbolicLink() ? fs.readlinkSync(path) : "";
        return `${s.mode} ${s.nlink} ${s.isFile() ? s.size : 0} ${Math.floor(s.mtimeMs)} ${target}`;
      };
      const guestShape = (path: string): string => {
        const stat = new Stat();
        const err = statAt(ctx, null, path, AT_SYMLINK_NOFOLLOW, stat);
        if (err < 0) return `error ${-err}`;
        const isLink = (stat.mode & S_IFMT) === S_IFLNK;
        const target = isLink ? readlinkAt(ctx, null, path) : "";
        const mtime = Math.floor(stat.mtimeSec * 1000 + stat.mtimeNsec / 1e6);
        return `${stat.mode} ${stat.nlink} ${(stat.mode & S_IFMT) === S_IFREG ? stat.size : 0} ${mtime} ${target}`;
      };
      for (let i = 0; i < 1000; i++) {
        const a = pick();
        const b = pick();
        const inside = random(3) === 0;
        turn.now++;
        switch (random(9)) {
          case 0:
          case 1:
            attempt(() =>
              inside ? ctx.put(a, "x".repeat(random(50))) : fs.writeFileSync(w.path + a, "y".repeat(random(50))),
            );
            break;
          case 2:
            attempt(() => (inside ? unlinkAt(ctx, null, a) : fs.unlinkSync(w.path + a)));
            break;
          case 3:
          case 4:
            attempt(() => (inside ? renameAt2(ctx, null, a, null, b, 0) : fs.renameSync(w.path + a, w.path + b)));
            break;
          case 5:
            attempt(() => (inside ? linkAt(ctx, null, a, null, b, 0) : fs.linkSync(w.path + a, w.path + b)));
            break;
          case 6:
            attempt(() => (inside ? symlinkAt(ctx, b, null, a) : fs.symlinkSync(b, w.path + a)));
            break;
          case 7:
            attempt(() =>
              inside ? chmodAt(ctx, null, a, 0o600 + random(64), 0) : fs.chmodSync(w.path + a, 0o600 + random(64)),
            );
            break;
          default:
            attempt(() => fs.appendFileSync(w.path + a, "more"));
        }
        turn.now++;
        const dir = dirs[random(3)]!;
        for (const name of "abcdef") {
          const path = `${dir}/${name}`;
          turn.now++;
          let there = "error 2";
          attempt(() => (there = hostShape(w.path + path)));
          assert.equal(guestShape(path), there, `step ${i}: ${path}`);
        }
        if (random(4) === 0)
          assert.deepEqual(ctx.list(dir === "" ? "/" : dir), fs.readdirSync(w.path + dir).toSorted(), `step ${i}`);
      }
    },
    shared,
  );
});

inWorld(
  "a read-only tree refuses changes",
  (w) => {
    const { ctx } = w;
    assert.equal(ctx.text("/file"), "x");
    assert.equal(openAt(ctx, null, "/file", O_RDWR, 0), -e.EROFS);
    assert.equal(openAt(ctx, null, "/new", O_CREAT | O_RDWR, 0o644), -e.EROFS);
    assert.equal(mkdirAt(ctx, null, "/d", 0o755), -e.EROFS);
    assert.equal(unlinkAt(ctx, null, "/file"), -e.EROFS);
    assert.equal(chmodAt(ctx, null, "/file", 0o600, 0), -e.EROFS);
  },
  false,
  true,
  (path) => fs.writeFileSync(join(path, "file"), "x"),
);

describe("reading trees", () => {
  const fillTree = (path: string): void => {
    for (let d = 0; d < 20; d++) {
      fs.mkdirSync(join(path, `d${d}`, "sub"), { recursive: true });
      for (let f = 0; f < 5; f++) fs.writeFileSync(join(path, `d${d}`, `f${f}`), "x".repeat(f));
    }
    fs.mkdirSync(join(path, "large"));
    for (let f = 0; f < 1500; f++) fs.writeFileSync(join(path, "large", `file with a name that takes room ${f}`), "");
  };
  inWorld(
    "the directories beside one that was read come along, and changes show",
    (w) => {
      const { ctx } = w;
      const top = ctx.list("/").filter((name) => name.startsWith("d"));
      assert.equal(top.length, 20);
      const cost = w.cost(() => {
        for (const name of top) {
          assert.deepEqual(ctx.list(`/${name}`), ["f0", "f1", "f2", "f3", "f4", "sub"]);
          assert.equal(ctx.stat(`/${name}/f3`).size, 3);
        }
      });
      assert.ok(cost <= 3, `${cost} requests`);
      assert.equal(ctx.list("/large").length, 1500);
      const [first, , third] = top;
      assert.equal(mkdirAt(ctx, null, `/${third}/new`, 0o755), 0);
      assert.equal(unlinkAt(ctx, null, `/${third}/f0`), 0);
      assert.equal(renameAt2(ctx, null, `/${first}`, null, `/${third}/moved`, 0), 0);
      w.gofer.shrink();
      assert.deepEqual(ctx.list(`/${third}`), ["f1", "f2", "f3", "f4", "moved", "new", "sub"]);
      assert.deepEqual(ctx.list(`/${third}/moved`), ["f0", "f1", "f2", "f3", "f4", "sub"]);
      // Deep in, with no fid on the way.
      assert.equal(ctx.text(`/${third}/moved/f2`), "xx");
    },
    false,
    false,
    fillTree,
  );
  inWorld(
    "attributes of files that left the cache are remembered, and changes before that, too",
    (w) => {
      const { ctx } = w;
      assert.equal(ctx.list("/d3").length, 6);
      for (let f = 0; f < 5; f++) assert.equal(ctx.stat(`/d3/f${f}`).size, f);
      const before = ctx.stat("/d3/f1");
      assert.equal(truncateAt(ctx, null, "/d3/f2", 100), 0);
      assert.equal(chmodAt(ctx, null, "/d3/f4", 0o600, 0), 0);
      assert.equal(unlinkAt(ctx, null, "/d3/f3"), 0);
      ctx.put("/d3/f3", "new");
      // The directory itself stays.
      const open = ctx.open("/d3", O_RDONLY | O_DIRECTORY);
      w.gofer.shrink();
      const cost = w.cost(() => {
        assert.deepEqual(ctx.stat("/d3/f1"), before);
        assert.equal(ctx.stat("/d3/f4").mode & 0o777, 0o600);
      });
      assert.equal(cost, 0);
      assert.equal(ctx.stat("/d3/f2").size, 100);
      assert.equal(ctx.text("/d3/f3"), "new");
      open.decRef();
    },
    false,
    false,
    fillTree,
  );
});
