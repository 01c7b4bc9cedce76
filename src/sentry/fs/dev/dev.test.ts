import assert from "node:assert/strict";
import { test } from "node:test";
import { ENOSPC } from "../../../abi/errno.ts";
import { S_IFCHR, makedev } from "../../../abi/stat.ts";
import { rootCredentials } from "../../auth/credentials.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { AnonInode } from "../../vfs/anon.ts";
import { openPath } from "../../vfs/open.ts";
import type { PathContext } from "../../vfs/path.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { populateDev } from "./dev.ts";
import { registerMemDevices } from "./devices.ts";
import { KernfsDir, KernfsFs } from "../kernfs/kernfs.ts";

function context(): PathContext {
  const vfs = new VirtualFileSystem(new ManualClock());
  const root = vfs.anon.mount.rootPath;
  let next = 1;
  registerMemDevices(vfs, { fill: (dst, off, len) => void dst.fill(next++, off, off + len) }, null);
  return { vfs, root, cwd: root, creds: rootCredentials(), umask: 0, owner: null };
}

function seqOf(b: Uint8Array): IoSequence {
  const s = new IoSequence();
  s.push(b, 0, b.length);
  return s;
}

test("memory devices by number", () => {
  const ctx = context();
  const open = (minor: number): ReturnType<typeof openPath> => {
    const inode = new AnonInode(ctx.vfs.anon, 1, S_IFCHR | 0o666, 0, 0);
    inode.rdev = makedev(1, minor);
    return openPath(ctx, ctx.vfs.anon.newPath("dev", inode), 2);
  };
  const io = (minor: number): [number, number, number] => {
    const f = open(minor);
    assert.ok(typeof f !== "number");
    const b = new Uint8Array(10).fill(0xee);
    const r = f.read(seqOf(b));
    const first = b[0]!;
    const w = f.write(seqOf(b));
    f.decRef();
    return [r, first, w];
  };
  assert.deepEqual(io(3), [0, 0xee, 10]);
  assert.deepEqual(io(5), [10, 0, 10]);
  assert.deepEqual(io(7), [10, 0, -ENOSPC]);
  const r1 = io(8);
  const r2 = io(9);
  assert.deepEqual([r1[0], r1[2], r2[0], r2[2]], [10, 10, 10, 10]);
  assert.notEqual(r1[1], r2[1]);
  assert.ok(typeof open(99) === "number", "no such driver");
});

test("populateDev reports what the file system refuses", () => {
  const ctx = context();
  const fs = new KernfsFs(ctx.vfs, "test", 1);
  assert.ok(populateDev(new KernfsDir(fs, 0o755)) < 0);
});
