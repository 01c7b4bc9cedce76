import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import {
  IN_ACCESS,
  IN_CREATE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_MODIFY,
  IN_ONESHOT,
  IN_OPEN,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from "../../../abi/inotify.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { AnonInode } from "../../vfs/anon.ts";
import { Dentry } from "../../vfs/dentry.ts";
import { notifyCreated, notifyDentry, notifyUnlinked, notifyUnmount, watching } from "../../vfs/notify.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { createInotify, InotifyLimits } from "./inotify.ts";
import type { InotifyFile } from "./inotify.ts";

interface Seen {
  wd: number;
  mask: number;
  name: string;
}

function readAll(f: InotifyFile): Seen[] {
  const out: Seen[] = [];
  const b = new Uint8Array(4096);
  const v = new DataView(b.buffer);
  for (;;) {
    const s = new IoSequence();
    s.push(b, 0, b.length);
    const n = f.read(s);
    if (n === -EAGAIN) return out;
    assert.ok(n > 0);
    for (let at = 0; at < n;) {
      const len = v.getUint32(at + 12, true);
      assert.equal(len % 16, 0);
      let name = "";
      for (let i = at + 16; i < at + 16 + len && b[i] !== 0; i++) name += String.fromCharCode(b[i]!);
      out.push({ wd: v.getInt32(at, true), mask: v.getUint32(at + 4, true), name });
      at += 16 + len;
    }
  }
}

function world(): { vfs: VirtualFileSystem; limits: InotifyLimits; f: InotifyFile; dir: Dentry; child: Dentry } {
  const vfs = new VirtualFileSystem(new ManualClock());
  const limits = new InotifyLimits();
  const f = createInotify(vfs, limits, 7, 0);
  const dir = new Dentry(vfs.anon, null, "", new AnonInode(vfs.anon, 10, 0o040755, 0, 0));
  const child = new Dentry(vfs.anon, dir, "child", new AnonInode(vfs.anon, 11, 0o100644, 0, 0));
  return { vfs, limits, f, dir, child };
}

test("inotify: directory and file hear of it, equal neighbours are one event", () => {
  const { f, dir, child, limits } = world();
  const before = watching.count;
  assert.equal(f.addWatch(dir, IN_MODIFY | IN_CREATE), 1);
  assert.equal(f.addWatch(child, IN_MODIFY), 2);
  assert.equal(limits.watches.get(7), 2);
  notifyDentry(child, IN_MODIFY);
  notifyDentry(child, IN_ACCESS);
  notifyCreated(dir.inode!, "child", child.inode!);
  notifyCreated(dir.inode!, "child", child.inode!);
  assert.deepEqual(readAll(f), [
    { wd: 1, mask: IN_MODIFY, name: "child" },
    { wd: 2, mask: IN_MODIFY, name: "" },
    { wd: 1, mask: IN_CREATE, name: "child" },
  ]);
  f.decRef();
  assert.equal(watching.count, before);
  assert.equal(limits.watches.size, 0);
  assert.equal(limits.instances.size, 0);
  assert.equal(dir.inode!.watches, null);
});

test("inotify: one shot, deletion with open files, unmount", () => {
  const { f, dir, child, vfs } = world();
  f.addWatch(child, IN_OPEN | IN_ONESHOT);
  notifyDentry(child, IN_OPEN);
  notifyDentry(child, IN_OPEN);
  assert.deepEqual(readAll(f), [
    { wd: 1, mask: IN_OPEN, name: "" },
    { wd: 1, mask: IN_IGNORED, name: "" },
  ]);
  assert.equal(f.removeWatch(1), -EINVAL);

  assert.equal(f.addWatch(child, IN_DELETE_SELF), 2);
  (child.inode as AnonInode).nlink = 0;
  notifyUnlinked(dir.inode!, "child", child);
  assert.deepEqual(readAll(f), [
    { wd: 2, mask: IN_DELETE_SELF, name: "" },
    { wd: 2, mask: IN_IGNORED, name: "" },
  ]);

  assert.equal(f.addWatch(dir, IN_CREATE), 3);
  notifyUnmount(vfs.anon);
  assert.deepEqual(readAll(f), [
    { wd: 3, mask: IN_UNMOUNT, name: "" },
    { wd: 3, mask: IN_IGNORED, name: "" },
  ]);
  f.decRef();
});

test("inotify: the queue is bounded", () => {
  const { f, dir, limits, child } = world();
  limits.maxQueuedEvents = 3;
  f.addWatch(dir, IN_CREATE);
  for (let i = 0; i < 10; i++) notifyCreated(dir.inode!, `n${i}`, child.inode!);
  const seen = readAll(f);
  assert.deepEqual(
    seen.map((e) => e.mask),
    [IN_CREATE, IN_CREATE, IN_CREATE, IN_Q_OVERFLOW],
  );
  assert.equal(seen[3]!.wd, -1);
  notifyCreated(dir.inode!, "again", child.inode!);
  assert.equal(readAll(f).length, 1);
  f.decRef();
});
