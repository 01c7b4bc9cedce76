import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EFAULT, EINVAL, ENOMEM, ENOSPC, ENXIO, EPERM, EBUSY } from "../../../abi/errno.ts";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  O_CREAT,
  O_RDWR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "../../../abi/fcntl.ts";
import { Stat } from "../../../abi/stat.ts";
import { StatFs } from "../../../abi/statfs.ts";
import { Translation } from "../../memmap/memmap.ts";
import type { MappingOwner } from "../../memmap/memmap.ts";
import { DirentBuffer } from "../../vfs/dirent.ts";
import { openAt } from "../../vfs/open.ts";
import { mkdirAt, unlinkAt } from "../../vfs/operations.ts";
import { TestContext, newTmpfs, readText, seqOf, writeText } from "./harness.testing.ts";
import { MemfdFactory, sealable } from "./memfd.ts";
import type { TmpfsRegular } from "./regular.ts";
import { TmpfsFs, parseTmpfsOptions } from "./tmpfs.ts";
import type { TmpfsOptions } from "./tmpfs.ts";

test("property: reads, writes, truncation and holes behave as an array of bytes", () => {
  const SIZE = 6 * 4096;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          op: fc.constantFrom("write", "read", "truncate", "punch", "allocate"),
          at: fc.integer({ min: 0, max: SIZE }),
          len: fc.integer({ min: 1, max: 3 * 4096 }),
        }),
        { maxLength: 40 },
      ),
      (ops) => {
        const c = new TestContext(512);
        const before = c.mem.totalUsage();
        const f = c.open("/f", O_CREAT | O_RDWR);
        let size = 0;
        const model = new Uint8Array(SIZE * 2);
        let fill = 1;
        for (const o of ops) {
          switch (o.op) {
            case "write": {
              fill = (fill + 1) & 0xff;
              const b = new Uint8Array(o.len).fill(fill);
              assert.equal(f.pwrite(seqOf(b), o.at), o.len);
              model.fill(fill, o.at, o.at + o.len);
              size = Math.max(size, o.at + o.len);
              break;
            }
            case "read": {
              const b = new Uint8Array(o.len).fill(0xee);
              const n = f.pread(seqOf(b), o.at);
              assert.equal(n, Math.max(0, Math.min(o.len, size - o.at)));
              assert.deepEqual(b.subarray(0, n), model.subarray(o.at, o.at + n));
              break;
            }
            case "truncate":
              assert.equal(f.truncate(o.at), 0);
              if (o.at < size) model.fill(0, o.at);
              size = o.at;
              break;
            case "punch":
              assert.equal(f.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, o.at, o.len), 0);
              model.fill(0, o.at, o.at + o.len);
              break;
            case "allocate":
              assert.equal(f.allocate(FALLOC_FL_KEEP_SIZE, o.at, o.len), 0);
              break;
          }
          const st = new Stat();
          f.stat(st);
          assert.equal(st.size, size);
        }
        const all = new Uint8Array(size);
        f.pread(seqOf(all), 0);
        assert.deepEqual(all, model.slice(0, size));
        unlinkAt(c, null, "/f");
        f.decRef();
        assert.equal(c.mem.totalUsage(), before);
      },
    ),
    { numRuns: 120 },
  );
});

test("sparse files: huge offsets, data and hole seeking", () => {
  const c = new TestContext();
  const f = c.open("/f", O_CREAT | O_RDWR);
  const far = 2 ** 40;
  assert.equal(f.pwrite(seqOf(new Uint8Array([1, 2, 3])), far), 3);
  assert.equal(f.pwrite(seqOf(new Uint8Array([9])), 5 * 4096 + 7), 1);
  const st = new Stat();
  f.stat(st);
  assert.equal(st.size, far + 3);
  assert.equal(st.blocks, 16);
  assert.equal(f.seek(0, SEEK_DATA), 5 * 4096);
  assert.equal(f.seek(0, SEEK_HOLE), 0);
  assert.equal(f.seek(5 * 4096 + 1, SEEK_DATA), 5 * 4096 + 1);
  assert.equal(f.seek(5 * 4096 + 1, SEEK_HOLE), 6 * 4096);
  assert.equal(f.seek(6 * 4096, SEEK_DATA), far);
  assert.equal(f.seek(far, SEEK_HOLE), far + 3);
  assert.equal(f.seek(far + 3, SEEK_DATA), -ENXIO);
  assert.equal(f.seek(0, SEEK_END), far + 3);
  assert.equal(f.seek(-1, SEEK_SET), -EINVAL);
  assert.equal(f.seek(0, 9), -EINVAL);
  assert.equal(f.truncate(6 * 4096), 0);
  assert.equal(f.seek(6 * 4096 - 1, SEEK_DATA), 6 * 4096 - 1);
  f.decRef();
});

test("fallocate: all or nothing", () => {
  const limited = new TestContext(
    4096,
    (vfs, mem) => new TmpfsFs(vfs, mem, parseTmpfsOptions("size=32k", 1 << 30) as TmpfsOptions),
  );
  const f = limited.open("/f", O_CREAT | O_RDWR);
  assert.equal(f.pwrite(seqOf(new Uint8Array(4096)), 8192), 4096);
  assert.equal(f.allocate(0, 0, 9 * 4096), -ENOSPC);
  assert.equal(f.allocate(0, 0, 6_944_915_148_800), -ENOSPC);
  const s = new StatFs();
  limited.root.mount.fs.statfs(s);
  assert.deepEqual([s.blocks, s.bfree], [8, 7]);
  assert.equal(f.allocate(0, 0, 8 * 4096), 0);
  f.decRef();
  // No limit but the memory there is.
  const c = new TestContext(4096);
  const g = c.open("/g", O_CREAT | O_RDWR);
  assert.equal(g.allocate(FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  const used = c.mem.totalUsage();
  assert.equal(g.allocate(0, 0, 5000 * 4096), -ENOMEM);
  assert.equal(c.mem.totalUsage(), used);
  g.decRef();
});

test("size limit: short write, then ENOSPC; freed space can be used again", () => {
  const c = new TestContext(4096, (vfs, mem) => {
    const o = parseTmpfsOptions("size=16k,nr_inodes=4,mode=755", 1 << 30);
    assert.ok(typeof o !== "number");
    return new TmpfsFs(vfs, mem, o);
  });
  const f = c.open("/f", O_CREAT | O_RDWR);
  assert.equal(writeText(f, "x".repeat(20000)), 16384);
  assert.equal(writeText(f, "x"), -ENOSPC);
  const s = new StatFs();
  c.root.mount.fs.statfs(s);
  assert.deepEqual([s.blocks, s.bfree], [4, 0]);
  f.truncate(0);
  assert.equal(f.pwrite(seqOf(new Uint8Array(4096)), 0), 4096);
  assert.equal(mkdirAt(c, null, "/d", 0o755), 0);
  assert.equal(mkdirAt(c, null, "/e", 0o755), 0);
  assert.equal(mkdirAt(c, null, "/g", 0o755), -ENOSPC);
  assert.equal(openAt(c, null, "/h", O_CREAT | O_RDWR, 0o644), -ENOSPC);
  f.decRef();
  for (const bad of ["size=x", "mode=9", "uid=-1", "what=1", "size"])
    assert.equal(parseTmpfsOptions(bad, 1), -EINVAL, bad);
  assert.equal((parseTmpfsOptions("size=50%", 1000) as { size: number }).size, 500);
});

test("mapping: translation, truncation, end of file", () => {
  const c = new TestContext();
  const f = c.open("/f", O_CREAT | O_RDWR);
  writeText(f, "abc");
  f.truncate(3 * 4096 + 1);
  const m = f.mappable();
  assert.ok(typeof m !== "number");
  const t = new Translation();
  assert.equal(m.translate(0, 4096, false, t), 0);
  assert.equal(String.fromCharCode(...t.file!.window!.subarray(t.offset, t.offset + 3)), "abc");
  // What a mapping writes, a read sees, and the other way round.
  t.file!.window![t.offset + 1] = 0x42;
  assert.equal(c.text("/f").slice(0, 3), "aBc");
  assert.equal(m.translate(3 * 4096, 4096, true, t), 0);
  assert.equal(m.translate(4 * 4096, 4096, true, t), -EFAULT);
  const told: [number, number][] = [];
  const owner: MappingOwner = { invalidateMapping: (_m, off, len) => void told.push([off, len]) };
  m.addMapping(owner, 0x1000, 4 * 4096, 0, true);
  f.truncate(4097);
  assert.deepEqual(told, [[8192, 8192]]);
  assert.equal(m.translate(2 * 4096, 4096, false, t), -EFAULT);
  const before = c.mem.totalUsage();
  unlinkAt(c, null, "/f");
  f.decRef();
  assert.equal(c.mem.totalUsage(), before, "the mapping keeps the contents");
  m.removeMapping(owner, 0x1000, 4 * 4096, 0, true);
  assert.ok(c.mem.totalUsage() < before);
});

test("memfd: seals", () => {
  const c = new TestContext();
  const factory = new MemfdFactory(newTmpfs(c.vfs, c.mem));
  const plain = factory.create("p", 0, c.creds);
  assert.equal(sealable(plain)!.addSeals(F_SEAL_GROW), -EPERM);
  const f = factory.create("m", MFD_ALLOW_SEALING, c.creds);
  const node = sealable(f) as TmpfsRegular;
  writeText(f, "12345");
  assert.equal(node.addSeals(F_SEAL_GROW), 0);
  // A page is written as a whole or not at all.
  assert.equal(f.pwrite(seqOf(new Uint8Array(3)), 4), -EPERM);
  assert.equal(f.pwrite(seqOf(new Uint8Array(1)), 4), 1);
  assert.equal(f.pwrite(seqOf(new Uint8Array(3)), 5), -EPERM);
  assert.equal(f.truncate(6), -EPERM);
  assert.equal(f.truncate(4), 0);
  assert.equal(node.addSeals(F_SEAL_SHRINK), 0);
  assert.equal(f.truncate(3), -EPERM);
  const owner: MappingOwner = { invalidateMapping: () => {} };
  node.addMapping(owner, 0, 4096, 0, true);
  assert.equal(node.addSeals(F_SEAL_WRITE), -EBUSY);
  node.removeMapping(owner, 0, 4096, 0, true);
  assert.equal(node.addSeals(F_SEAL_WRITE), 0);
  assert.equal(f.pwrite(seqOf(new Uint8Array(1)), 0), -EPERM);
  f.seek(0, SEEK_SET);
  assert.equal(readText(f, 10).length, 4);
  f.decRef();
  plain.decRef();
});

test("directory listing goes on correctly while entries are removed", () => {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  for (let i = 0; i < 300; i++) c.put(`/d/file${i}`, "");
  const f = c.open("/d");
  const buf = new DirentBuffer(new Uint8Array(512), false);
  const seen = new Set<string>();
  for (;;) {
    buf.reset(512);
    assert.equal(f.iterate(buf), 0);
    if (buf.len === 0) break;
    const v = new DataView(buf.buf.buffer);
    for (let at = 0; at < buf.len; at += v.getUint16(at + 16, true)) {
      let end = at + 19;
      while (buf.buf[end] !== 0) end++;
      const n = Buffer.from(buf.buf.subarray(at + 19, end)).toString();
      assert.ok(!seen.has(n), n);
      seen.add(n);
      if (n.startsWith("file")) unlinkAt(c, null, `/d/${n}`);
    }
  }
  assert.equal(seen.size, 302);
  assert.deepEqual(c.list("/d"), []);
  c.put("/d/late", "");
  assert.equal(f.seek(0, SEEK_SET), 0);
  buf.reset(512);
  f.iterate(buf);
  assert.ok(buf.len > 60);
  buf.reset(10);
  f.seek(0, SEEK_SET);
  f.iterate(buf);
  assert.ok(buf.full && buf.len === 0);
  f.decRef();
});
