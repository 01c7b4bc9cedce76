/** Changing the mount tree: mount(2), umount2(2), pivot_root(2); and paths as text: getcwd(2), /proc. */
import { EAGAIN, EBUSY, EINVAL, ELOOP, ENOENT, ENOSPC, ENOTDIR } from "../../abi/errno.ts";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_NOATIME,
  MS_NODIRATIME,
  MS_PER_MOUNT,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SUPER,
  UMOUNT_NOFOLLOW,
} from "../../abi/mount.ts";
import type { Dentry } from "./dentry.ts";
import type { FileSystem } from "./filesystem.ts";
import { MountNamespace, collect, setNamespace } from "./mount.ts";
import type { Mount } from "./mount.ts";
import { VfsPath } from "./path.ts";
import { COPY_EQUAL, copyMount, copyTree, makePrivate, makeShared, receivers, spread } from "./propagation.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/** What a mount says of access times. */
const MS_ATIME: number = MS_NOATIME | MS_NODIRATIME | MS_RELATIME;

/** The per-mount half of mount(2)'s flags; unless told otherwise, mounts are relatime. */
function mountFlags(flags: number): number {
  const atime = (flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)) === 0 ? MS_RELATIME : 0;
  return (flags & MS_PER_MOUNT) | atime;
}

/** A namespace whose root is `fs`. */
export function newMountNamespace(
  vfs: VirtualFileSystem,
  fs: FileSystem,
  source: string,
  flags: number,
): MountNamespace {
  return new MountNamespace(vfs.newNamespaceId(), vfs.newMount(fs, mountFlags(flags), source));
}

/** Most mounts of a namespace: /proc/sys/fs/mount-max. */
const MOUNT_MAX = 100_000;

/**
 * Hangs `mount` (and what is mounted below it) at `at`, and copies wherever that place is passed on to. 0, or -ENOTDIR
 * (directory on non-directory or the reverse), -ENOENT (either is removed), -ENOSPC (too many mounts).
 */
export function attachMount(vfs: VirtualFileSystem, mount: Mount, at: VfsPath): number {
  if (at.mount.detached) return -EINVAL;
  if (at.dentry.deleted) return -ENOENT;
  const target = at.dentry.inode!;
  if (mount.root.inode!.isDir !== target.isDir) return -ENOTDIR;
  if (mount.root.deleted) return -ENOENT;
  // Later mounts cover earlier ones: the place to hang on is the top of the stack.
  let parent = at.mount;
  let point: Dentry = at.dentry;
  for (let over = parent.childAt(point); over !== null; over = parent.childAt(point)) {
    parent = over;
    point = over.root;
  }
  const all: Mount[] = [];
  collect(mount, all);
  const copies = parent.peers === null ? 0 : receivers(parent).length;
  if (parent.ns !== null && parent.ns.mounts + all.length * (1 + copies) > MOUNT_MAX) return -ENOSPC;
  // Entries that are looked up anew every time stay, up to the root, while something is mounted on them.
  for (let d: Dentry = point; d.parent !== null && !d.cached && d !== parent.root; d = d.parent) d.parent.insert(d);
  if (parent.peers !== null) for (const m of all) makeShared(vfs, m);
  const elsewhere = spread(vfs, parent, point, mount);
  parent.attachChild(mount, point);
  setNamespace(mount, parent.ns);
  for (const { copy, parent: other } of elsewhere) tuckIn(copy, other, point);
  parent.ns?.changed();
  return 0;
}

/** Hangs `copy` below what is mounted at the place already. */
function tuckIn(copy: Mount, parent: Mount, point: Dentry): void {
  const over = parent.childAt(point);
  if (over !== null) {
    over.detachFromParent();
    top(copy).attachChild(over, top(copy).root);
  }
  parent.attachChild(copy, point);
  setNamespace(copy, parent.ns);
}

/** The mount that covers `m` whole, on top of all such. */
function top(m: Mount): Mount {
  let out = m;
  for (let over = m.childAt(m.root); over !== null; over = over.childAt(over.root)) out = over;
  return out;
}

/** Mounts file system `fs` at `at`. `flags`: MS_* of mount(2), the per-mount ones count. 0 or -errno. */
export function mountFileSystem(
  vfs: VirtualFileSystem,
  fs: FileSystem,
  at: VfsPath,
  flags: number,
  source: string,
): number {
  fs.superFlags = flags & MS_SUPER;
  const m = vfs.newMount(fs, mountFlags(flags), source);
  const r = attachMount(vfs, m, at);
  if (r < 0) m.destroy();
  return r;
}

/** mount(2) with MS_BIND: shows `from` at `at` too; `recursive`: with everything mounted below it. 0 or -errno. */
export function bindMount(vfs: VirtualFileSystem, from: VfsPath, at: VfsPath, recursive: boolean): number {
  if (from.mount.isUnbindable) return -EINVAL;
  const copy = copyTree(vfs, from.mount, from.dentry, recursive, COPY_EQUAL);
  const r = attachMount(vfs, copy, at);
  if (r < 0) {
    const all: Mount[] = [];
    collect(copy, all);
    for (let i = all.length - 1; i >= 0; i--) dismantle(vfs, all[i]!);
  }
  return r;
}

function dismantle(vfs: VirtualFileSystem, m: Mount): void {
  const parent = m.parent;
  const point = m.mountpoint;
  const over = m.childAt(m.root);
  m.detachFromParent();
  // What covered it covers its place now.
  if (over !== null && parent !== null && point !== null) {
    over.detachFromParent();
    parent.attachChild(over, point);
  }
  makePrivate(vfs, m);
  if (m.ns !== null) {
    m.ns.mounts--;
    m.ns.changed();
    m.ns = null;
  }
  // Who still uses it keeps it; the last one destroys it.
  if (m.users > 0) m.detached = true;
  else m.destroy();
}

/** MS_REMOUNT|MS_BIND: changes a mount's own flags. */
export function remountBind(at: VfsPath, flags: number): number {
  const m = at.mount;
  if (at.dentry !== m.root) return -EINVAL;
  if ((flags & MS_RDONLY) !== 0 && (m.flags & MS_RDONLY) === 0 && m.writers > 0) return -EBUSY;
  m.flags = remountFlags(m, flags);
  m.ns?.changed();
  return 0;
}

/** MS_REMOUNT alone: the file system's options, then the mount's flags. 0 or -errno. */
export function remountFileSystem(at: VfsPath, flags: number, data: string, changesMount = true): number {
  const m = at.mount;
  if (at.dentry !== m.root) return -EINVAL;
  const readOnly = (flags & MS_RDONLY) !== 0;
  if (readOnly && !m.fs.readOnly && hasWriters(m)) return -EBUSY;
  const r = m.fs.remount(readOnly, data);
  if (r < 0) return r;
  if (changesMount) m.flags = remountFlags(m, flags);
  m.fs.superFlags = flags & MS_SUPER;
  m.ns?.changed();
  return r;
}

/** Whether files of the file system are open for writing, through any mount of the namespace. */
function hasWriters(m: Mount): boolean {
  if (m.writers > 0) return true;
  return m.ns !== null && m.ns.list().some((other) => other.fs === m.fs && other.writers > 0);
}

/** What a remount makes of a mount's flags: those of access times stay unless some are given. */
function remountFlags(m: Mount, flags: number): number {
  const given = flags & MS_PER_MOUNT;
  if ((flags & (MS_ATIME | MS_STRICTATIME)) === 0) return given | (m.flags & MS_ATIME);
  return (flags & (MS_NOATIME | MS_STRICTATIME)) === 0 ? given | MS_RELATIME : given;
}

/** MS_MOVE. 0 or -errno. */
export function moveMount(vfs: VirtualFileSystem, from: VfsPath, at: VfsPath): number {
  const m = from.mount;
  if (from.dentry !== m.root || at.dentry.inode!.isDir !== m.root.inode!.isDir) return -EINVAL;
  if (at.dentry.deleted) return -ENOENT;
  if (at.mount.detached || m.parent === null) return -EINVAL;
  // Those with whom the place is shared would not see it go.
  if (m.parent.peers !== null) return -EINVAL;
  if (at.mount.peers !== null && hasUnbindable(m)) return -EINVAL;
  for (let x: Mount | null = at.mount; x !== null; x = x.parent) if (x === m) return -ELOOP;
  const old = m.parent;
  const point = m.mountpoint!;
  m.detachFromParent();
  const r = attachMount(vfs, m, at);
  if (r < 0) old.attachChild(m, point);
  return r;
}

function hasUnbindable(m: Mount): boolean {
  const all: Mount[] = [];
  collect(m, all);
  return all.some((x) => x.isUnbindable);
}

/**
 * umount2(2) of the mount whose root `at` is. Busy (EBUSY) while open files, working directories or mounts below use it,
 * unless MNT_DETACH: then it leaves the tree at once and its users keep what they have. What it was passed on to goes too,
 * unless more is mounted there.
 */
export function umount(vfs: VirtualFileSystem, at: VfsPath, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  if ((flags & MNT_EXPIRE) !== 0 && (flags & (MNT_FORCE | MNT_DETACH)) !== 0) return -EINVAL;
  const m = at.mount;
  if (at.dentry !== m.root) return -EINVAL;
  if (m.parent === null || m.ns === null) return -EINVAL;
  if ((flags & MNT_DETACH) === 0) {
    if (m.users > 0 || (m.children !== null && m.children.size > 0)) return -EBUSY;
    for (const r of receivers(m.parent)) {
      const c = r.childAt(m.mountpoint!);
      if (c !== null && isBare(c, null) && c.users > 0) return -EBUSY;
    }
    // The walk to it by this very call counts as a use, too.
    if ((flags & MNT_EXPIRE) !== 0 && m.expiring === 0) {
      m.expiring = 2;
      return -EAGAIN;
    }
  }
  const all: Mount[] = [];
  collect(m, all);
  const going = new Set(all.reverse());
  for (const x of all) {
    for (const r of receivers(x.parent!)) {
      const c = r.childAt(x.mountpoint!);
      if (c !== null && isBare(c, going)) going.add(c);
    }
  }
  for (const x of going) dismantle(vfs, x);
  return 0;
}

/** Whether nothing is mounted below `m` but what covers it whole, or goes as well. */
function isBare(m: Mount, going: Set<Mount> | null): boolean {
  if (m.children === null) return true;
  for (const [point, c] of m.children) if (point !== m.root && !(going !== null && going.has(c))) return false;
  return true;
}

/**
 * pivot_root(2): `newRoot` (a mount's root) becomes the namespace's root, the old root hangs at `putOld` below it. The
 * caller moves the roots and working directories of tasks that were at the old root. 0 or -errno.
 */
export function pivotRoot(vfs: VirtualFileSystem, root: VfsPath, newRoot: VfsPath, putOld: VfsPath): number {
  const oldMount = root.mount;
  const m = newRoot.mount;
  const ns = oldMount.ns;
  if (isShared(putOld.mount) || isShared(m.parent) || isShared(oldMount.parent)) return -EINVAL;
  if (m === oldMount || putOld.mount === oldMount) return -EBUSY;
  if (newRoot.dentry !== m.root || root.dentry !== oldMount.root || m.parent === null) return -EINVAL;
  if (ns === null || m.ns !== ns) return -EINVAL;
  if (!isReachable(putOld, newRoot) || !isReachable(newRoot, root)) return -EINVAL;
  const upper = oldMount.parent;
  const point = oldMount.mountpoint;
  m.detachFromParent();
  oldMount.detachFromParent();
  if (upper !== null && point !== null) upper.attachChild(m, point);
  if (ns.root === oldMount) ns.root = m;
  return attachMount(vfs, oldMount, putOld);
}

function isShared(m: Mount | null): boolean {
  return m !== null && m.peers !== null;
}

/** Whether `p` is at or below `top`. */
export function isReachable(p: VfsPath, top: VfsPath): boolean {
  let m: Mount | null = p.mount;
  let d: Dentry | null = p.dentry;
  while (m !== null && d !== null) {
    if (m === top.mount && d === top.dentry) return true;
    if (d === m.root) {
      d = m.mountpoint;
      m = m.parent;
    } else {
      d = d.parent;
    }
  }
  return false;
}

/** CLONE_NEWNS: a copy of the namespace. `translate` gives the copy's place for places of the original. */
export function copyNamespace(
  vfs: VirtualFileSystem,
  ns: MountNamespace,
): { ns: MountNamespace; translate: (p: VfsPath) => VfsPath } {
  const map = new Map<Mount, Mount>();
  for (const m of ns.list()) {
    const c = copyMount(vfs, m, m.root, COPY_EQUAL);
    c.isUnbindable = m.isUnbindable;
    map.set(m, c);
    if (m.parent !== null) map.get(m.parent)?.attachChild(c, m.mountpoint!);
  }
  const out = new MountNamespace(vfs.newNamespaceId(), map.get(ns.root)!);
  return {
    ns: out,
    translate: (p) => {
      const m = map.get(p.mount);
      return m === undefined ? p : new VfsPath(m, p.dentry);
    },
  };
}

/**
 * The path of `p` as seen from `root`, as /proc/PID/fd shows it: absolute; " (deleted)" behind names that are gone;
 * anonymous files by their own names ("pipe:[3]"). `unreachablePrefix` goes before paths that do not lead up to `root`
 * ("(unreachable)" for getcwd, "" for /proc).
 */
export function pathString(p: VfsPath, root: VfsPath, unreachablePrefix: string): string {
  const out = placeString(p, root, unreachablePrefix);
  return p.dentry.deleted && p.dentry.parent !== null ? `${out} (deleted)` : out;
}

/** The same without a word on whether it is gone. */
export function placeString(p: VfsPath, root: VfsPath, unreachablePrefix: string): string {
  let m: Mount = p.mount;
  let d: Dentry = p.dentry;
  let out = "";
  for (;;) {
    if (m === root.mount && d === root.dentry) break;
    if (d === m.root) {
      const up: Mount | null = m.parent;
      if (up === null) {
        out = unreachablePrefix + (out === "" ? "/" : out);
        break;
      }
      d = m.mountpoint!;
      m = up;
      continue;
    }
    const parent: Dentry | null = d.parent;
    if (parent === null) return d.name;
    out = `/${d.name}${out}`;
    d = parent;
  }
  return out === "" ? "/" : out;
}

/** getcwd(2): the path, or -ENOENT when the directory was removed. */
export function cwdString(cwd: VfsPath, root: VfsPath): string | number {
  return cwd.dentry.deleted ? -ENOENT : pathString(cwd, root, "(unreachable)");
}
