import assert from "node:assert/strict";
import { test } from "node:test";
import { EACCES, EINVAL, ENOENT, EPERM } from "../../../abi/errno.ts";
import { AT_SYMLINK_NOFOLLOW, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../../../abi/fcntl.ts";
import { Stat } from "../../../abi/stat.ts";
import { rootCredentials, userCredentials } from "../../auth/credentials.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { statAt } from "../../vfs/attributes.ts";
import { DirentList } from "../../vfs/dirent.ts";
import type { Inode } from "../../vfs/inode.ts";
import { mountFileSystem, newMountNamespace } from "../../vfs/mounting.ts";
import { openAt } from "../../vfs/open.ts";
import { mkdirAt, readlinkAt, renameAt2, unlinkAt } from "../../vfs/operations.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { WALK_FOLLOW, resolvePath } from "../../vfs/walk.ts";
import {
  KernfsDir,
  KernfsFs,
  KernfsFunctionFile,
  KernfsMagicLink,
  KernfsStaticFile,
  latin1Bytes,
  latin1Text,
} from "./kernfs.ts";

class Magic extends KernfsMagicLink {
  target: VfsPath | null = null;
  override readlink(): string {
    return "somewhere:[1]";
  }
  override followLink(): VfsPath | number {
    return this.target === null ? -ENOENT : this.target;
  }
}

/** A directory with entries that come and go. */
class Changing extends KernfsDir {
  readonly live: Map<string, Inode> = new Map();
  constructor(fs: KernfsFs) {
    super(fs, 0o555);
    this.dynamic = true;
  }
  protected override lookupDynamic(name: string): Inode | number {
    return this.live.get(name) ?? -ENOENT;
  }
  override listDynamic(out: DirentList): number {
    for (const [n, i] of this.live) out.emit(n, i.ino, 8, 0);
    return 0;
  }
}

class Context implements PathContext {
  readonly vfs: VirtualFileSystem = new VirtualFileSystem(new ManualClock());
  readonly fs: KernfsFs = new KernfsFs(this.vfs, "test", 0x1234);
  readonly top: KernfsDir = new KernfsDir(this.fs, 0o555);
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  creds: Credentials = rootCredentials();
  readonly umask = 0;
  readonly owner: unknown = null;
  constructor() {
    this.fs.init(this.top);
    this.root = newMountNamespace(this.vfs, this.fs, "test", 0).root.rootPath;
    this.cwd = this.root;
  }
  read(path: string): string | number {
    const f = openAt(this, null, path, O_RDONLY, 0);
    if (typeof f === "number") return f;
    const b = new Uint8Array(100);
    const s = new IoSequence();
    s.push(b, 0, 100);
    const n = f.read(s);
    f.decRef();
    return n < 0 ? n : latin1Text(b, 0, n);
  }
}

test("computed files are made anew from offset 0, and take writes", () => {
  const c = new Context();
  let value = "1\n";
  c.top.add(
    "v",
    new KernfsFunctionFile(
      c.fs,
      0o644,
      () => value,
      (_ctx, data, off) => {
        if (data === "bad") return -EINVAL;
        value = data;
        return off + data.length;
      },
    ),
  );
  const f = openAt(c, null, "/v", O_RDWR | O_TRUNC, 0);
  assert.ok(typeof f !== "number");
  const io = (text: string | null, off: number): string | number => {
    const b = text === null ? new Uint8Array(9) : latin1Bytes(text);
    const s = new IoSequence();
    s.push(b, 0, b.length);
    if (text !== null) return f.pwrite(s, off);
    const n = f.pread(s, off);
    return latin1Text(b, 0, n);
  };
  assert.equal(io(null, 0), "1\n");
  assert.equal(io(null, 1), "\n");
  assert.equal(io("hello", 0), 5);
  assert.equal(io(null, 0), "hello");
  assert.equal(io(null, 2), "llo");
  assert.equal(io("bad", 0), -EINVAL);
  f.decRef();
});

test("directories: fixed and changing entries, no changes by guests, mounts stick", () => {
  const c = new Context();
  const d = new Changing(c.fs);
  c.top.add("d", d).addSymlink("l", "d/x");
  const x = new KernfsStaticFile(c.fs, 0o400, "x text");
  assert.equal(c.read("/d/x"), -ENOENT);
  d.live.set("x", x);
  assert.equal(c.read("/l"), "x text");
  d.live.delete("x");
  assert.equal(c.read("/d/x"), -ENOENT);
  d.live.set("x", x);
  c.creds = userCredentials(5, 5, []);
  assert.equal(c.read("/d/x"), -EACCES);
  c.creds = rootCredentials();
  assert.equal(mkdirAt(c, null, "/d/new", 0o755), -EPERM);
  assert.equal(openAt(c, null, "/d/new", O_CREAT | O_WRONLY, 0o644), -EACCES);
  assert.equal(unlinkAt(c, null, "/d/x"), -EPERM);
  assert.equal(renameAt2(c, null, "/d/x", null, "/d/y", 0), -EPERM);
  const f = openAt(c, null, "/d", O_RDONLY, 0);
  assert.ok(typeof f !== "number");
  const list = new DirentList();
  f.iterate(list);
  assert.deepEqual(list.names, [".", "..", "x"]);
  f.decRef();
  // Something mounted on an entry that is looked up every time.
  const sub = new Changing(c.fs);
  d.live.set("s", sub);
  sub.live.set("m", new KernfsDir(c.fs, 0o555));
  const at = resolvePath(c, null, "/d/s/m", WALK_FOLLOW);
  assert.ok(typeof at !== "number");
  const over = new KernfsFs(c.vfs, "over", 1);
  over.init(new KernfsDir(over, 0o555).add("inside", new KernfsStaticFile(over, 0o444, "in")));
  assert.equal(mountFileSystem(c.vfs, over, at, 0, "over"), 0);
  assert.equal(c.read("/d/s/m/inside"), "in");
});

test("magic links lead to places", () => {
  const c = new Context();
  const dir = c.top.addDir("a").addDir("b");
  dir.add("f", new KernfsStaticFile(c.fs, 0o444, "f"));
  const m = new Magic(c.fs);
  c.top.add("m", m);
  assert.equal(c.read("/m/f"), -ENOENT);
  const place = resolvePath(c, null, "/a/b", 0);
  assert.ok(typeof place !== "number");
  m.target = place;
  assert.equal(c.read("/m/f"), "f");
  assert.equal(c.read("/m/../b/f"), "f");
  assert.equal(readlinkAt(c, null, "/m"), "somewhere:[1]");
  const st = new Stat();
  assert.equal(statAt(c, null, "/m", 0, st), 0);
  assert.equal(st.ino, dir.ino);
  assert.equal(statAt(c, null, "/m", AT_SYMLINK_NOFOLLOW, st), 0);
  assert.equal(st.ino, m.ino);
});
