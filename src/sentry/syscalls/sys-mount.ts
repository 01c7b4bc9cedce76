/** mount(2), umount2(2), pivot_root(2). */
import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { EINVAL, ENAMETOOLONG, ENODEV, EPERM } from "../../abi/errno.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MGC_MSK,
  MS_MGC_VAL,
  MS_MOVE,
  MS_PER_MOUNT,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_NOATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from "../../abi/mount.ts";
import type { Task } from "../kernel/task.ts";
import { collect } from "../vfs/mount.ts";
import type { Mount } from "../vfs/mount.ts";
import {
  bindMount,
  mountFileSystem,
  moveMount,
  pivotRoot,
  remountBind,
  remountFileSystem,
  umount,
} from "../vfs/mounting.ts";
import type { VfsPath } from "../vfs/path.ts";
import { setPropagation } from "../vfs/propagation.ts";
import { resolvePath, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/walk.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { namedPathArg } from "./file-util.ts";

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
/** Most bytes of mount data: a page. */
const DATA_MAX = 4096;

/** An optional string argument: "" when null. */
function optionalString(t: Task, addr: number, max: number): string | number {
  return addr === 0 ? "" : t.mm.copyInString(addr, max);
}

/** Mount data: up to a page, whether or not a NUL ends it. */
function dataArg(t: Task, addr: number): string | number {
  if (addr === 0) return "";
  const s = t.mm.copyInString(addr, DATA_MAX);
  return s === -ENAMETOOLONG ? -EINVAL : s;
}

/** int mount(char *dev_name, char *dir_name, char *type, unsigned long flags, void *data) */
export function mount(t: Task, a: SyscallArgs): number {
  const type = optionalString(t, a.ptr(2), PATH_MAX);
  if (typeof type === "number") return type === -ENAMETOOLONG ? -EINVAL : type;
  const source = optionalString(t, a.ptr(0), PATH_MAX);
  if (typeof source === "number") return source === -ENAMETOOLONG ? -EINVAL : source;
  const data = dataArg(t, a.ptr(4));
  if (typeof data === "number") return data;
  const dir = namedPathArg(t, a.ptr(1));
  if (typeof dir === "number") return dir;
  const at = resolvePath(t.pathContext, null, dir, WALK_FOLLOW);
  if (typeof at === "number") return at;
  if (!t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  let flags = a.i32(3);
  if ((flags & MS_MGC_MSK) === (MS_MGC_VAL | 0)) flags &= ~MS_MGC_MSK;
  if ((flags & MS_REMOUNT) !== 0) {
    return (flags & MS_BIND) !== 0 ? remountBind(at, flags) : remountFileSystem(at, flags, data);
  }
  // Unless told otherwise, mounts are relatime.
  if ((flags & (MS_NOATIME | MS_STRICTATIME)) === 0) flags |= MS_RELATIME;
  if ((flags & MS_BIND) !== 0) return bind(t, source, at, (flags & MS_REC) !== 0);
  if ((flags & PROPAGATION) !== 0) return changePropagation(t, at, flags);
  if ((flags & MS_MOVE) !== 0) return move(t, source, at);
  if (a.ptr(2) === 0) return -EINVAL;
  if (!t.kernel.vfs.types.has(type)) return -ENODEV;
  const fs = t.kernel.vfs.createFileSystem(t.pathContext, type, source, flags, data);
  if (typeof fs === "number") return fs;
  // Read-only as a whole, unless it is one that is there already.
  if ((flags & MS_RDONLY) !== 0 && fs.mounts === 0) fs.readOnly = true;
  return mountFileSystem(t.kernel.vfs, fs, at, flags, source === "" ? "none" : source);
}

function bind(t: Task, source: string, at: VfsPath, recursive: boolean): number {
  if (source === "") return -EINVAL;
  const from = resolvePath(t.pathContext, null, source, WALK_FOLLOW);
  return typeof from === "number" ? from : bindMount(t.kernel.vfs, from, at, recursive);
}

function move(t: Task, source: string, at: VfsPath): number {
  if (source === "") return -EINVAL;
  const from = resolvePath(t.pathContext, null, source, WALK_FOLLOW);
  return typeof from === "number" ? from : moveMount(t.kernel.vfs, from, at);
}

/** Shared subtrees: mount_namespaces(7). */
function changePropagation(t: Task, at: VfsPath, flags: number): number {
  const kind = flags & PROPAGATION;
  if ((kind & (kind - 1)) !== 0 || (flags & ~(PROPAGATION | MS_REC | MS_SILENT | MS_RELATIME)) !== 0) return -EINVAL;
  if (at.dentry !== at.mount.root) return -EINVAL;
  const all: Mount[] = [];
  if ((flags & MS_REC) === 0) all.push(at.mount);
  else collect(at.mount, all);
  for (const m of all) setPropagation(t.kernel.vfs, m, kind);
  return 0;
}

/** The root of what is mounted at a place, on top: "." may be covered, as after pivot_root(".", "."). */
function topmost(at: VfsPath): VfsPath {
  let p = at;
  for (let m = p.mount.childAt(p.dentry); m !== null; m = p.mount.childAt(p.dentry)) p = m.rootPath;
  return p;
}

/** int umount2(char *name, int flags) */
export function umount2(t: Task, a: SyscallArgs): number {
  const flags = a.i32(1);
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  const path = namedPathArg(t, a.ptr(0));
  if (typeof path === "number") return path;
  const at = resolvePath(t.pathContext, null, path, (flags & UMOUNT_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW);
  if (typeof at === "number") return at;
  if (!t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  const top = topmost(at);
  if (top.mount !== t.fs.root.mount || top.dentry !== top.mount.root || (flags & MNT_DETACH) !== 0)
    return umount(t.kernel.vfs, top, flags);
  if ((flags & MNT_EXPIRE) !== 0) return -EINVAL;
  // The root stays; its file system becomes read-only.
  return remountFileSystem(top, (top.mount.flags & MS_PER_MOUNT) | top.mount.fs.superFlags | MS_RDONLY, "", false);
}

/** int pivot_root(const char *new_root, const char *put_old) */
export function pivotRootCall(t: Task, a: SyscallArgs): number {
  if (!t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  const newPath = namedPathArg(t, a.ptr(0));
  if (typeof newPath === "number") return newPath;
  const newRoot = resolvePath(t.pathContext, null, newPath, WALK_FOLLOW | WALK_DIRECTORY);
  if (typeof newRoot === "number") return newRoot;
  const oldPath = namedPathArg(t, a.ptr(1));
  if (typeof oldPath === "number") return oldPath;
  const putOld = resolvePath(t.pathContext, null, oldPath, WALK_FOLLOW | WALK_DIRECTORY);
  if (typeof putOld === "number") return putOld;
  const oldRoot = t.fs.root;
  const err = pivotRoot(t.kernel.vfs, oldRoot, newRoot, putOld);
  if (err < 0) return err;
  // Whoever was at the old root moves to the new one.
  for (const other of t.kernel.tasks.values()) {
    if (other.exited) continue;
    const fs = other.fs;
    if (fs.root.equals(oldRoot)) {
      newRoot.incRef();
      fs.setRoot(newRoot);
    }
    if (fs.cwd.equals(oldRoot)) {
      newRoot.incRef();
      fs.setCwd(newRoot);
    }
  }
  return 0;
}

/** The calls of this file, for the table. */
export const mountSyscalls: readonly SyscallEntry[] = [
  partial("mount", mount, "no file systems on block devices"),
  full("umount2", umount2),
  full("pivot_root", pivotRootCall),
];
