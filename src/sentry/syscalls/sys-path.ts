/** Names of files: link(2), unlink(2), rename(2), symlink(2), readlink(2), mknod(2). */
import { EFAULT, EINVAL } from "../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from "../../abi/fcntl.ts";
import type { Task } from "../kernel/task.ts";
import {
  checkNodeType,
  linkAt,
  mknodAt,
  readlinkAt,
  renameAt2,
  rmdirAt,
  symlinkAt,
  unlinkAt,
} from "../vfs/operations.ts";
import { walk, WALK_EMPTY, WALK_FOLLOW, WALK_PARENT } from "../vfs/walk.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { namedPathArg, pathArg, startPath } from "./file-util.ts";

function unlinkCommon(t: Task, dirfd: number, addr: number, isDir: boolean): number {
  const path = namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return isDir ? rmdirAt(t.pathContext, start, path) : unlinkAt(t.pathContext, start, path);
}

/** int unlink(const char *pathname) */
export function unlink(t: Task, a: SyscallArgs): number {
  return unlinkCommon(t, AT_FDCWD, a.ptr(0), false);
}

/** int rmdir(const char *pathname) */
export function rmdir(t: Task, a: SyscallArgs): number {
  return unlinkCommon(t, AT_FDCWD, a.ptr(0), true);
}

/** int unlinkat(int dfd, const char *pathname, int flag) */
export function unlinkat(t: Task, a: SyscallArgs): number {
  const flags = a.i32(2);
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
  return unlinkCommon(t, a.i32(0), a.ptr(1), flags !== 0);
}

function renameCommon(
  t: Task,
  oldDir: number,
  oldAddr: number,
  newDir: number,
  newAddr: number,
  flags: number,
): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -EINVAL;
  if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0 && (flags & RENAME_EXCHANGE) !== 0) return -EINVAL;
  const oldPath = namedPathArg(t, oldAddr);
  if (typeof oldPath === "number") return oldPath;
  const oldStart = startPath(t, oldDir, oldPath);
  if (typeof oldStart === "number") return oldStart;
  const newPath = namedPathArg(t, newAddr);
  const newStart = typeof newPath === "number" ? newPath : startPath(t, newDir, newPath);
  if (typeof newPath === "number" || typeof newStart === "number") {
    // The way to the old name is walked first.
    const r = walk(t.pathContext, oldStart, oldPath, WALK_PARENT);
    return r < 0 ? r : (newStart as number);
  }
  return renameAt2(t.pathContext, oldStart, oldPath, newStart, newPath, flags);
}

/** int rename(const char *oldname, const char *newname) */
export function rename(t: Task, a: SyscallArgs): number {
  return renameCommon(t, AT_FDCWD, a.ptr(0), AT_FDCWD, a.ptr(1), 0);
}

/** int renameat(int olddfd, const char *oldname, int newdfd, const char *newname) */
export function renameat(t: Task, a: SyscallArgs): number {
  return renameCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), 0);
}

/** int renameat2(int olddfd, const char *oldname, int newdfd, const char *newname, unsigned int flags) */
export function renameat2(t: Task, a: SyscallArgs): number {
  return renameCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), a.i32(4));
}

function linkCommon(t: Task, oldDir: number, oldAddr: number, newDir: number, newAddr: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const oldPath = (flags & AT_EMPTY_PATH) !== 0 ? pathArg(t, oldAddr) : namedPathArg(t, oldAddr);
  if (typeof oldPath === "number") return oldPath;
  const oldStart = startPath(t, oldDir, oldPath);
  if (typeof oldStart === "number") return oldStart;
  const newPath = namedPathArg(t, newAddr);
  const newStart = typeof newPath === "number" ? newPath : startPath(t, newDir, newPath);
  if (typeof newPath === "number" || typeof newStart === "number") {
    let walkFlags = (flags & AT_EMPTY_PATH) !== 0 ? WALK_EMPTY : 0;
    if ((flags & AT_SYMLINK_FOLLOW) !== 0) walkFlags |= WALK_FOLLOW;
    const r = walk(t.pathContext, oldStart, oldPath, walkFlags);
    return r < 0 ? r : (newStart as number);
  }
  return linkAt(t.pathContext, oldStart, oldPath, newStart, newPath, flags);
}

/** int link(const char *oldname, const char *newname) */
export function link(t: Task, a: SyscallArgs): number {
  return linkCommon(t, AT_FDCWD, a.ptr(0), AT_FDCWD, a.ptr(1), 0);
}

/** int linkat(int olddfd, const char *oldname, int newdfd, const char *newname, int flags) */
export function linkat(t: Task, a: SyscallArgs): number {
  return linkCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.ptr(3), a.i32(4));
}

function symlinkCommon(t: Task, targetAddr: number, dirfd: number, addr: number): number {
  const target = namedPathArg(t, targetAddr);
  if (typeof target === "number") return target;
  const path = namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return symlinkAt(t.pathContext, target, start, path);
}

/** int symlink(const char *oldname, const char *newname) */
export function symlink(t: Task, a: SyscallArgs): number {
  return symlinkCommon(t, a.ptr(0), AT_FDCWD, a.ptr(1));
}

/** int symlinkat(const char *oldname, int newdfd, const char *newname) */
export function symlinkat(t: Task, a: SyscallArgs): number {
  return symlinkCommon(t, a.ptr(0), a.i32(1), a.ptr(2));
}

function readlinkCommon(t: Task, dirfd: number, addr: number, bufAddr: number, size: number): number {
  if (size <= 0) return -EINVAL;
  const path = pathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  const target = readlinkAt(t.pathContext, start, path);
  if (typeof target === "number") return target;
  const n = target.length < size ? target.length : size;
  const buf = t.kernel.scratch;
  for (let i = 0; i < n; i++) buf[i] = target.charCodeAt(i);
  return t.mm.copyOutExact(bufAddr, buf, 0, n) < 0 ? -EFAULT : n;
}

/** ssize_t readlink(const char *path, char *buf, int bufsiz) */
export function readlink(t: Task, a: SyscallArgs): number {
  return readlinkCommon(t, AT_FDCWD, a.ptr(0), a.ptr(1), a.i32(2));
}

/** ssize_t readlinkat(int dfd, const char *path, char *buf, int bufsiz) */
export function readlinkat(t: Task, a: SyscallArgs): number {
  return readlinkCommon(t, a.i32(0), a.ptr(1), a.ptr(2), a.i32(3));
}

function mknodCommon(t: Task, dirfd: number, addr: number, mode: number, dev: number): number {
  const wrong = checkNodeType(mode);
  if (wrong < 0) return wrong;
  const path = namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return mknodAt(t.pathContext, start, path, mode & 0xffff, dev);
}

/** int mknod(const char *filename, umode_t mode, unsigned dev) */
export function mknod(t: Task, a: SyscallArgs): number {
  return mknodCommon(t, AT_FDCWD, a.ptr(0), a.i32(1), a.u32(2));
}

/** int mknodat(int dfd, const char *filename, umode_t mode, unsigned dev) */
export function mknodat(t: Task, a: SyscallArgs): number {
  return mknodCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.u32(3));
}

/** The calls of this file, for the table. */
export const pathSyscalls: readonly SyscallEntry[] = [
  full("unlink", unlink),
  full("unlinkat", unlinkat),
  full("rmdir", rmdir),
  full("rename", rename),
  full("renameat", renameat),
  partial("renameat2", renameat2, "no RENAME_WHITEOUT"),
  full("link", link),
  full("linkat", linkat),
  full("symlink", symlink),
  full("symlinkat", symlinkat),
  full("readlink", readlink),
  full("readlinkat", readlinkat),
  full("mknod", mknod),
  full("mknodat", mknodat),
];
