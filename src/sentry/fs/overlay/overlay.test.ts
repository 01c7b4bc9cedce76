import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EEXIST, ENOENT, ENOTEMPTY, EPERM } from "../../../abi/errno.ts";
import { AT_SYMLINK_NOFOLLOW, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../../../abi/fcntl.ts";
import { Stat } from "../../../abi/stat.ts";
import type { MappingOwner } from "../../memmap/memmap.ts";
import { Translation } from "../../memmap/memmap.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";
import { chmodAt, statAt, truncateAt, utimensAt } from "../../vfs/attributes.ts";
import { newMountNamespace } from "../../vfs/mounting.ts";
import { linkAt, mkdirAt, mknodAt, renameAt2, rmdirAt, symlinkAt, unlinkAt } from "../../vfs/operations.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";
import { TestContext, newTmpfs, readText, writeText } from "../tmpfs/harness.testing.ts";
import { Model, dumpReal, operations, runReal } from "./model.testing.ts";
import type { Op } from "./model.testing.ts";
import { OverlayFs } from "./overlay.ts";

/** A context whose root is an overlay on tmpfs layers that `fill` made (bottom layer first). */
function overlayOn(...fill: ((c: TestContext) => void)[]): TestContext {
  let layers: ((vfs: VirtualFileSystem, mem: MemoryFile) => OverlayFs) | null = null;
  const c = new TestContext(8192, (vfs, mem) => {
    const lowers = fill.map(() => newTmpfs(vfs, mem));
    layers = () => {
      fill.forEach((f, i) => {
        const ns = newMountNamespace(vfs, lowers[i]!, "lower", 0);
        c2.root = ns.root.rootPath;
        c2.cwd = c2.root;
        f(c2);
      });
      return new OverlayFs(vfs, lowers.map((l) => l.root.inode!).reverse(), newTmpfs(vfs, mem));
    };
    return newTmpfs(vfs, mem);
  });
  const c2 = c;
  const fs = layers!(c.vfs, c.mem);
  const ns = newMountNamespace(c.vfs, fs, "overlay", 0);
  c.root = ns.root.rootPath;
  c.cwd = c.root;
  return c;
}

function lower(c: TestContext): void {
  mkdirAt(c, null, "/d", 0o755);
  mkdirAt(c, null, "/d/sub", 0o755);
  c.put("/d/f", "lower");
  c.put("/d/sub/deep", "deep");
  c.put("/top", "top");
  symlinkAt(c, "d/f", null, "/s");
  linkAt(c, null, "/d/f", null, "/d/hard", 0);
}

test("overlay: reads through, writes copy up, numbers stay", () => {
  const c = overlayOn(lower);
  const ino = c.stat("/top").ino;
  const dev = c.stat("/top").dev;
  assert.equal(c.text("/s"), "lower");
  const old = c.open("/top");
  c.clock.nowNs += 1e9;
  const mtime = c.stat("/top").mtimeSec;
  const rootTime = c.stat("/").mtimeSec;
  const f = c.open("/top", O_RDWR);
  assert.equal(c.stat("/top").mtimeSec, mtime, "opening for writing changes no time");
  assert.equal(writeText(f, "TOP"), 3);
  f.decRef();
  assert.equal(c.text("/top"), "TOP");
  assert.equal(readText(old, 9), "TOP", "descriptions opened before the copy-up follow");
  old.decRef();
  assert.equal(c.stat("/top").ino, ino);
  assert.equal(c.stat("/top").dev, dev);
  assert.equal(c.stat("/").mtimeSec, rootTime);
  c.root.mount.fs.shrink();
  assert.equal(c.stat("/top").ino, ino, "also when nothing is cached");
  assert.equal(c.text("/top"), "TOP");
});

test("overlay: attributes and renames copy no contents", () => {
  const c = overlayOn(lower);
  const used = c.mem.totalUsage();
  assert.equal(chmodAt(c, null, "/top", 0o600, 0), 0);
  assert.equal(renameAt2(c, null, "/top", null, "/d/moved", 0), 0);
  assert.equal(utimensAt(c, null, "/d/moved", 1, 2, 3, 4, 0), 0);
  assert.equal(c.mem.totalUsage(), used);
  const st = c.stat("/d/moved");
  assert.deepEqual([st.mode, st.size, st.mtimeSec, st.atimeSec], [0o100600, 3, 3, 1]);
  assert.equal(c.text("/d/moved"), "top");
  c.root.mount.fs.shrink();
  assert.equal(c.text("/d/moved"), "top");
  assert.equal(statAt(c, null, "/top", 0, new Stat()), -ENOENT);
  c.open("/d/moved", O_WRONLY | O_TRUNC).decRef();
  assert.equal(c.stat("/d/moved").size, 0);
});

test("overlay: whiteouts, opaque directories, merged listing", () => {
  const c = overlayOn(lower);
  assert.deepEqual(c.list("/d"), ["f", "hard", "sub"]);
  assert.equal(unlinkAt(c, null, "/d/f"), 0);
  assert.deepEqual(c.list("/d"), ["hard", "sub"]);
  c.put("/d/new", "n");
  assert.deepEqual(c.list("/d"), ["hard", "new", "sub"]);
  assert.equal(rmdirAt(c, null, "/d/sub"), -ENOTEMPTY);
  assert.equal(unlinkAt(c, null, "/d/sub/deep"), 0);
  assert.equal(rmdirAt(c, null, "/d/sub"), 0);
  assert.equal(mkdirAt(c, null, "/d/sub", 0o755), 0);
  assert.deepEqual(c.list("/d/sub"), [], "a new directory is opaque");
  c.root.mount.fs.shrink();
  assert.deepEqual(c.list("/d/sub"), []);
  assert.equal(statAt(c, null, "/d/sub/deep", 0, new Stat()), -ENOENT);
  c.put("/d/f", "again");
  assert.equal(c.text("/d/f"), "again");
  unlinkAt(c, null, "/d/f");
  assert.equal(statAt(c, null, "/d/f", 0, new Stat()), -ENOENT);
  assert.equal(mknodAt(c, null, "/w", 0o020000, 0), -EPERM);
  for (const n of ["hard", "new"]) unlinkAt(c, null, `/d/${n}`);
  rmdirAt(c, null, "/d/sub");
  assert.equal(rmdirAt(c, null, "/d"), 0);
  assert.deepEqual(c.list("/"), ["s", "top"]);
});

test("overlay: lower directories are renamed with what is in them", () => {
  const c = overlayOn(lower);
  assert.equal(renameAt2(c, null, "/d", null, "/e", 0), 0);
  assert.equal(c.text("/e/sub/deep"), "deep");
  c.root.mount.fs.shrink();
  assert.equal(c.text("/e/sub/deep"), "deep");
  assert.deepEqual(c.list("/e"), ["f", "hard", "sub"]);
  assert.equal(mkdirAt(c, null, "/d", 0o755), 0);
  assert.deepEqual(c.list("/d"), []);
  assert.equal(renameAt2(c, null, "/e/sub", null, "/d/sub", 0), 0);
  c.put("/d/sub/x", "x");
  assert.deepEqual(c.list("/d/sub"), ["deep", "x"]);
  assert.equal(unlinkAt(c, null, "/d/sub/deep"), 0);
  assert.deepEqual(c.list("/d/sub"), ["x"]);
});

test("overlay: hard links of lower files stay one file", () => {
  const c = overlayOn(lower);
  assert.equal(c.stat("/d/f").ino, c.stat("/d/hard").ino);
  assert.equal(c.stat("/d/f").nlink, 2);
  const f = c.open("/d/f", O_WRONLY);
  writeText(f, "WRITE");
  f.decRef();
  assert.equal(c.text("/d/hard"), "WRITE");
  assert.equal(unlinkAt(c, null, "/d/f"), 0);
  c.root.mount.fs.shrink();
  assert.equal(c.text("/d/hard"), "WRITE");
  assert.equal(c.stat("/d/hard").nlink, 1);
  assert.equal(renameAt2(c, null, "/d/hard", null, "/kept", 0), 0);
  assert.equal(c.text("/kept"), "WRITE");
  assert.equal(linkAt(c, null, "/kept", null, "/kept2", 0), 0);
  assert.equal(linkAt(c, null, "/kept", null, "/kept2", 0), -EEXIST);
  assert.equal(c.stat("/kept2").ino, c.stat("/kept").ino);
  assert.equal(c.stat("/kept2").nlink, 2);
});

test("overlay: a removed lower file lives on while open, and can be changed", () => {
  const c = overlayOn(lower);
  const f = c.open("/top", O_RDONLY);
  const w = c.open("/d/sub/deep", O_RDWR);
  unlinkAt(c, null, "/top");
  unlinkAt(c, null, "/d/sub/deep");
  assert.equal(readText(f, 9), "top");
  writeText(w, "DD");
  w.seek(0, 0);
  assert.equal(readText(w, 9), "DDep");
  const st = new Stat();
  w.stat(st);
  assert.equal(st.nlink, 0);
  f.decRef();
  w.decRef();
});

test("overlay: three layers", () => {
  const c = overlayOn(
    (b) => {
      mkdirAt(b, null, "/d", 0o755);
      b.put("/d/one", "1");
      b.put("/d/both", "low");
      b.put("/gone", "g");
    },
    (b) => {
      mkdirAt(b, null, "/d", 0o700);
      b.put("/d/two", "2");
      b.put("/d/both", "high");
      mknodAt(b, null, "/gone", 0o020000, 0);
    },
  );
  assert.deepEqual(c.list("/d"), ["both", "one", "two"]);
  assert.equal(c.text("/d/both"), "high");
  assert.equal(c.stat("/d").mode & 0o777, 0o700);
  assert.deepEqual(c.list("/"), ["d"]);
  assert.equal(statAt(c, null, "/gone", 0, new Stat()), -ENOENT);
  unlinkAt(c, null, "/d/both");
  assert.deepEqual(c.list("/d"), ["one", "two"]);
  assert.notEqual(c.stat("/d/one").ino, c.stat("/d/two").ino);
});

test("overlay: mappings follow a copy-up", () => {
  const c = overlayOn(lower);
  const f = c.open("/top");
  const map = f.mappable();
  assert.ok(typeof map !== "number");
  const told: number[][] = [];
  const owner: MappingOwner = { invalidateMapping: (m, off, len) => void (m === map && told.push([off, len])) };
  map.addMapping(owner, 0x10000, 4096, 0, false);
  const t = new Translation();
  assert.equal(map.translate(0, 4096, false, t), 0);
  const before = t.offset;
  const w = c.open("/top", O_RDWR);
  assert.deepEqual(told, [[0, 4096]]);
  writeText(w, "new");
  assert.equal(map.translate(0, 4096, false, t), 0);
  assert.notEqual(t.offset, before);
  assert.equal(String.fromCharCode(...t.file!.window!.subarray(t.offset, t.offset + 3)), "new");
  assert.equal(truncateAt(c, null, "/top", 0), 0);
  assert.equal(told.length, 2, "truncation is passed on");
  map.removeMapping(owner, 0x10000, 4096, 0, false);
  f.decRef();
  w.decRef();
});

test("overlay: sockets and other special files keep their inode", () => {
  const c = overlayOn(lower);
  mknodAt(c, null, "/sock", 0o140666, 0);
  c.open("/d", O_RDONLY).decRef();
  const d1 = c.stat("/sock", AT_SYMLINK_NOFOLLOW).ino;
  c.root.mount.fs.shrink();
  assert.equal(c.stat("/sock", AT_SYMLINK_NOFOLLOW).ino, d1);
});

/** Operations on tmpfs itself. */
test("property: tmpfs behaves as the model", () => {
  fc.assert(
    fc.property(operations, (ops) => {
      const c = new TestContext(2048);
      const model = new Model();
      for (const o of ops) assert.deepEqual([o.op, runReal(c, o)], [o.op, model.run(o)]);
      assert.deepEqual(dumpReal(c, true), model.dump(true));
    }),
    { numRuns: 150 },
  );
});

/** The first half of the operations makes the lower layer, the second half runs on the overlay. */
function checkOverlay(below: Op[], above: Op[], tiny: boolean): void {
  const model = new Model();
  const c = overlayOn((b) => {
    for (const o of below) assert.deepEqual([o.op, runReal(b, o)], [o.op, model.run(o)]);
  });
  if (tiny) c.root.mount.fs.dentryLimit = 4;
  for (const o of above) assert.deepEqual([o, runReal(c, o)], [o, model.run(o)]);
  assert.deepEqual(dumpReal(c, true), model.dump(true));
  c.root.mount.fs.shrink();
  assert.deepEqual(dumpReal(c, true), model.dump(true));
}

test("property: an overlay behaves as the model, whatever is cached", () => {
  fc.assert(fc.property(operations, operations, fc.boolean(), checkOverlay), { numRuns: 300 });
});

test("property: overlay inode numbers do not change", () => {
  fc.assert(
    fc.property(operations, operations, (below, above) => {
      const c = overlayOn((b) => {
        for (const o of below) runReal(b, o);
      });
      for (const o of above) {
        runReal(c, o);
        const inos = new Map<string, number>();
        const note = (at: string, first: boolean): void => {
          for (const n of c.list(at === "" ? "/" : at)) {
            const p = `${at}/${n}`;
            const st = c.stat(p, AT_SYMLINK_NOFOLLOW);
            if (first) inos.set(p, st.ino);
            else assert.equal(st.ino, inos.get(p), p);
            if ((st.mode & 0o170000) === 0o040000) note(p, first);
          }
        };
        note("", true);
        c.root.mount.fs.shrink();
        note("", false);
      }
    }),
    { numRuns: 60 },
  );
});

test("property: nothing leaks: removing everything frees all memory of the upper layer", () => {
  fc.assert(
    fc.property(operations, (ops) => {
      const c = new TestContext(2048);
      const before = c.mem.totalUsage();
      for (const o of ops) runReal(c, o);
      const clear = (at: string): void => {
        for (const n of c.list(at === "" ? "/" : at)) {
          const p = `${at}/${n}`;
          if ((c.stat(p, AT_SYMLINK_NOFOLLOW).mode & 0o170000) === 0o040000) {
            chmodAt(c, null, p, 0o755, 0);
            clear(p);
            assert.equal(rmdirAt(c, null, p), 0);
          } else assert.equal(unlinkAt(c, null, p), 0);
        }
      };
      clear("");
      assert.equal(c.mem.totalUsage(), before);
    }),
    { numRuns: 60 },
  );
});

test("overlay: a lower file with several names stays without those that were removed", () => {
  const c = overlayOn(lower);
  unlinkAt(c, null, "/d/hard");
  assert.equal(c.stat("/d/f").nlink, 1);
  c.root.mount.fs.shrink();
  assert.equal(c.stat("/d/f").nlink, 1);
  c.root.mount.fs.shrink();
  assert.equal(linkAt(c, null, "/d/f", null, "/again", 0), 0);
  c.root.mount.fs.shrink();
  assert.equal(c.stat("/again").nlink, 2);
  assert.equal(c.stat("/d/f").ino, c.stat("/again").ino);
});

test("overlay: creating over a whiteout, then removing, hides the lower file again", () => {
  const c = overlayOn(lower);
  unlinkAt(c, null, "/top");
  c.open("/top", O_CREAT | O_RDWR).decRef();
  renameAt2(c, null, "/top", null, "/elsewhere", 0);
  assert.equal(statAt(c, null, "/top", 0, new Stat()), -ENOENT);
  c.root.mount.fs.shrink();
  assert.equal(statAt(c, null, "/top", 0, new Stat()), -ENOENT);
});
