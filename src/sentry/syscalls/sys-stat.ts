/** stat(2), statx(2), access(2), statfs(2) and relatives. */
import { EBADF, EFAULT, EINVAL, ENOENT } from "../../abi/errno.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
} from "../../abi/fcntl.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import {
  Stat,
  STAT_SIZE,
  STATX__RESERVED,
  STATX_ATTR_MOUNT_ROOT,
  STATX_SIZE_BYTES,
  writeStat,
  writeStatx,
} from "../../abi/stat.ts";
import { StatFs, STATFS_SIZE, writeStatFs } from "../../abi/statfs.ts";
import type { Task } from "../kernel/task.ts";
import { accessAt, statAt, statfsAt, statfsPath } from "../vfs/attributes.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { namedPathArg, pathArg, startPath } from "./file-util.ts";

const stat: Stat = new Stat();
const statFs: StatFs = new StatFs();

const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

function giveStat(t: Task, addr: number): number {
  const p = t.mm.writablePiece(addr, STAT_SIZE);
  if (p !== null) {
    writeStat(p.mem!.view, p.off + (addr - p.start), stat);
    return 0;
  }
  writeStat(t.kernel.scratchView, 0, stat);
  return t.copyOutStruct(addr, STAT_SIZE) < 0 ? -EFAULT : 0;
}

function statFile(file: FileDescription): number {
  const r = file.stat(stat);
  if (r < 0) return r;
  const path = file.path;
  stat.attributes = path !== null && path.dentry === path.mount.root ? STATX_ATTR_MOUNT_ROOT : 0;
  return 0;
}

/** Fills `stat` for the *at calls. */
function statCommon(t: Task, dirfd: number, addr: number, flags: number): number {
  // With AT_EMPTY_PATH a null path stands for an empty one.
  const path = addr === 0 && (flags & AT_EMPTY_PATH) !== 0 ? "" : t.mm.copyInString(addr, PATH_MAX);
  if ((flags & ~STAT_FLAGS) !== 0) {
    // A descriptor alone is not looked at so closely.
    if (path !== "" || dirfd < 0 || (flags & AT_EMPTY_PATH) === 0) return -EINVAL;
  }
  if (typeof path === "number") return path;
  if (path === "") {
    if ((flags & AT_EMPTY_PATH) === 0) return -ENOENT;
    if (dirfd !== AT_FDCWD) {
      const file = t.fds.get(dirfd);
      return file === undefined ? -EBADF : statFile(file);
    }
  }
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return statAt(t.pathContext, start, path, flags, stat);
}

function statPath(t: Task, a: SyscallArgs, flags: number): number {
  const r = statCommon(t, AT_FDCWD, a.ptr(0), flags);
  return r < 0 ? r : giveStat(t, a.ptr(1));
}

/** int stat(const char *filename, struct stat *statbuf) */
export function sysStat(t: Task, a: SyscallArgs): number {
  return statPath(t, a, 0);
}

/** int lstat(const char *filename, struct stat *statbuf) */
export function lstat(t: Task, a: SyscallArgs): number {
  return statPath(t, a, AT_SYMLINK_NOFOLLOW);
}

/** int fstat(unsigned int fd, struct stat *statbuf) */
export function fstat(t: Task, a: SyscallArgs): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined) return -EBADF;
  const r = file.stat(stat);
  return r < 0 ? r : giveStat(t, a.ptr(1));
}

/** int newfstatat(int dfd, const char *filename, struct stat *statbuf, int flag) */
export function newfstatat(t: Task, a: SyscallArgs): number {
  const r = statCommon(t, a.i32(0), a.ptr(1), a.i32(3));
  return r < 0 ? r : giveStat(t, a.ptr(2));
}

/** int statx(int dfd, const char *filename, unsigned int flags, unsigned int mask, struct statx *buffer) */
export function statx(t: Task, a: SyscallArgs): number {
  const flags = a.i32(2);
  if ((a.u32(3) & STATX__RESERVED) !== 0) return -EINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
  const r = statCommon(t, a.i32(0), a.ptr(1), flags);
  if (r < 0) return r;
  writeStatx(t.kernel.scratchView, 0, stat);
  return t.copyOutStruct(a.ptr(4), STATX_SIZE_BYTES) < 0 ? -EFAULT : 0;
}

// --- access ---

function accessCommon(t: Task, dirfd: number, addr: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0) return -EINVAL;
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const path = (flags & AT_EMPTY_PATH) === 0 ? namedPathArg(t, addr) : pathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return accessAt(t.pathContext, start, path, mode, flags);
}

/** int access(const char *filename, int mode) */
export function access(t: Task, a: SyscallArgs): number {
  return accessCommon(t, AT_FDCWD, a.ptr(0), a.i32(1), 0);
}

/** int faccessat(int dfd, const char *filename, int mode) */
export function faccessat(t: Task, a: SyscallArgs): number {
  return accessCommon(t, a.i32(0), a.ptr(1), a.i32(2), 0);
}

/** int faccessat2(int dfd, const char *filename, int mode, int flags) */
export function faccessat2(t: Task, a: SyscallArgs): number {
  return accessCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.i32(3));
}

// --- file systems ---

function giveStatFs(t: Task, addr: number): number {
  writeStatFs(t.kernel.scratchView, 0, statFs);
  return t.copyOutStruct(addr, STATFS_SIZE) < 0 ? -EFAULT : 0;
}

/** The object is shared by all calls: what the last file system left must not show. */
function resetStatFs(): void {
  statFs.fsidLo = 0;
  statFs.fsidHi = 0;
  statFs.flags = 0;
}

/** int statfs(const char *pathname, struct statfs *buf) */
export function statfs(t: Task, a: SyscallArgs): number {
  const path = t.mm.copyInString(a.ptr(0), PATH_MAX);
  if (typeof path === "number") return path;
  resetStatFs();
  const r = statfsAt(t.pathContext, path, statFs);
  return r < 0 ? r : giveStatFs(t, a.ptr(1));
}

/** int fstatfs(unsigned int fd, struct statfs *buf) */
export function fstatfs(t: Task, a: SyscallArgs): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined || file.path === null || file.inode === null) return -EBADF;
  resetStatFs();
  const r = statfsPath(file.path.mount, file.inode, statFs);
  return r < 0 ? r : giveStatFs(t, a.ptr(1));
}

/** The calls of this file, for the table. */
export const statSyscalls: readonly SyscallEntry[] = [
  full("stat", sysStat),
  full("lstat", lstat),
  full("fstat", fstat),
  full("newfstatat", newfstatat),
  full("statx", statx),
  full("access", access),
  full("faccessat", faccessat),
  full("faccessat2", faccessat2),
  full("statfs", statfs),
  full("fstatfs", fstatfs),
];
