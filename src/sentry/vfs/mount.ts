/** Mounts and mount namespaces: mount(2), umount(2), mount_namespaces(7). */
import { MS_NOATIME, MS_NODIRATIME, MS_RELATIME } from "../../abi/mount.ts";
import { EV_ERR, EV_PRI, WaitQueue } from "../../base/waiter.ts";
import type { Dentry } from "./dentry.ts";
import type { FileSystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import { notifyUnmount } from "./notify.ts";
import { VfsPath } from "./path.ts";
import { makePrivate } from "./propagation.ts";
import type { PeerGroup } from "./propagation.ts";

/** A file system (or a part of it) shown at a place of a mount tree. */
export class Mount {
  readonly id: number;
  readonly fs: FileSystem;
  /** The dentry shown at the mount point (the file system's root, or any for bind mounts). */
  readonly root: Dentry;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, MS_RELATIME, MS_NOSYMFOLLOW. */
  flags = 0;
  /** First column of /proc/mounts. */
  source: string;
  ns: MountNamespace | null = null;
  /** Where it hangs; null for a namespace's root and for detached mounts. */
  parent: Mount | null = null;
  mountpoint: Dentry | null = null;
  /** Mounts that hang on this one, by mount point. */
  children: Map<Dentry, Mount> | null = null;
  /** Files opened for writing through it. */
  writers = 0;
  /** References: working directories, roots, open files. */
  users = 0;
  /** Taken out of the tree while in use: destroyed by the last user. */
  detached = false;
  /** Above 0: umount2(MNT_EXPIRE) was called once, and walks that may still end here before that is forgotten. */
  expiring = 0;
  /** MS_SHARED: those with which it shares mounts and unmounts; see propagation.ts. */
  peers: PeerGroup | null = null;
  /** MS_SLAVE: whose mounts and unmounts it takes part in. */
  master: PeerGroup | null = null;
  /** MS_UNBINDABLE */
  isUnbindable = false;
  /** VfsPath of its root, made once. */
  readonly rootPath: VfsPath;

  constructor(id: number, fs: FileSystem, root: Dentry, flags: number, source: string) {
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.flags = flags;
    this.source = source;
    this.rootPath = new VfsPath(this, root);
    root.pins++;
    fs.mounts++;
  }

  /** An inode was read through this mount: its atime by the rules of both. */
  accessed(inode: Inode): void {
    const flags = this.flags | this.fs.flags;
    if ((flags & MS_NOATIME) !== 0) return;
    if ((flags & MS_NODIRATIME) !== 0 && inode.isDir) return;
    inode.touchAtime((flags & MS_RELATIME) !== 0);
  }

  /** The mount on `d` as seen through this mount, or null. Only the top one of a stack hangs there. */
  childAt(d: Dentry): Mount | null {
    const c = this.children;
    if (c === null) return null;
    const m = c.get(d);
    return m === undefined ? null : m;
  }

  /** Hangs `child` on dentry `at` (nothing may hang there yet). */
  attachChild(child: Mount, at: Dentry): void {
    let c = this.children;
    if (c === null) c = this.children = new Map();
    c.set(at, child);
    child.parent = this;
    child.mountpoint = at;
    at.mountCount++;
    if (at.parent !== null) at.parent.mountsBelow++;
    at.pins++;
  }

  /** Takes it off its mount point. */
  detachFromParent(): void {
    const parent = this.parent;
    const at = this.mountpoint;
    if (parent === null || at === null) return;
    parent.children!.delete(at);
    at.mountCount--;
    if (at.parent !== null) at.parent.mountsBelow--;
    at.unpin();
    this.parent = null;
    this.mountpoint = null;
  }

  /** Gives its hold on the file system back; once, when it left the tree. */
  destroy(): void {
    this.root.unpin();
    if (--this.fs.mounts === 0) {
      if (this.fs.watched !== null) notifyUnmount(this.fs);
      this.fs.shrink();
      this.fs.release();
    }
  }
}

/** A tree of mounts. Tasks share it; CLONE_NEWNS copies it. */
export class MountNamespace {
  readonly id: number;
  root: Mount;
  refs = 1;
  /** How many there are. */
  mounts = 0;
  /** How often the tree or a mount's flags have changed, and who is told (proc_pid_mounts(5)). */
  changes = 0;
  readonly queue: WaitQueue = new WaitQueue();

  constructor(id: number, root: Mount) {
    this.id = id;
    this.root = root;
    setNamespace(root, this);
  }

  incRef(): void {
    this.refs++;
  }

  changed(): void {
    this.changes++;
    this.queue.notify(EV_ERR | EV_PRI);
  }

  /** The last task left: every mount goes. */
  decRef(): void {
    if (--this.refs > 0) return;
    const all = this.list();
    for (let i = all.length - 1; i >= 0; i--) {
      const m = all[i]!;
      m.detachFromParent();
      makePrivate(m.fs.vfs, m);
      m.ns = null;
      m.destroy();
    }
  }

  /** All mounts, parents before children, in order of mounting below each parent. */
  list(): Mount[] {
    const out: Mount[] = [];
    collect(this.root, out);
    return out;
  }
}

/** Appends `m` and everything mounted below it, parents before children. Trees may be deeper than a stack of calls. */
export function collect(m: Mount, out: Mount[]): void {
  const todo = [m];
  for (let x = todo.pop(); x !== undefined; x = todo.pop()) {
    out.push(x);
    if (x.children === null) continue;
    const children = [...x.children.values()];
    for (let i = children.length - 1; i >= 0; i--) todo.push(children[i]!);
  }
}

/** Makes `m` and everything mounted below it belong to a namespace, or to none. */
export function setNamespace(m: Mount, ns: MountNamespace | null): void {
  const all: Mount[] = [];
  collect(m, all);
  for (const x of all) {
    if (x.ns === ns) continue;
    if (x.ns !== null) x.ns.mounts--;
    if (ns !== null) ns.mounts++;
    x.ns = ns;
  }
}
