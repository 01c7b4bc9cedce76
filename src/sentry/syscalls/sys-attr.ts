/** Attributes: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2). */
import { EBADF, EFAULT, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, ESPIPE } from "../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  O_LARGEFILE,
} from "../../abi/fcntl.ts";
import { IN_ATTRIB, IN_MODIFY } from "../../abi/inotify.ts";
import { MAX_FILE_SIZE } from "../../abi/limits.ts";
import { RLIM_INFINITY, RLIMIT_FSIZE } from "../../abi/resource.ts";
import { S_IFBLK, S_IFIFO, S_IFMT, S_IFREG, Stat, UTIME_NOW, UTIME_OMIT } from "../../abi/stat.ts";
import { readI64 } from "../../abi/time.ts";
import type { Task } from "../kernel/task.ts";
import {
  chmodAt,
  changed,
  chmodInode,
  chownAt,
  chownInode,
  ownerEvent,
  timesEvent,
  statAt,
  truncateAt,
  utimensAt,
  utimensInode,
} from "../vfs/attributes.ts";
import type { FileDescription } from "../vfs/file.ts";
import { notifyModify, watching } from "../vfs/notify.ts";
import { dropPrivileges } from "../vfs/open.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile, limitFileSize, LOFF_LIMIT, namedPathArg, pathArg, startPath } from "./file-util.ts";

const stat: Stat = new Stat();
/** Files that were not opened as large are truncated to at most this. */
const SMALL_FILE_MAX = 0x7fffffff;

const FALLOC_KNOWN =
  FALLOC_FL_KEEP_SIZE |
  FALLOC_FL_PUNCH_HOLE |
  FALLOC_FL_COLLAPSE_RANGE |
  FALLOC_FL_ZERO_RANGE |
  FALLOC_FL_INSERT_RANGE |
  FALLOC_FL_UNSHARE_RANGE;

// --- mode ---

function chmodCommon(t: Task, dirfd: number, addr: number, mode: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const path = (flags & AT_EMPTY_PATH) !== 0 ? pathArg(t, addr) : namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return chmodAt(t.pathContext, start, path, mode, flags);
}

/** int chmod(const char *filename, umode_t mode) */
export function chmod(t: Task, a: SyscallArgs): number {
  return chmodCommon(t, AT_FDCWD, a.ptr(0), a.i32(1), 0);
}

/** int fchmod(unsigned int fd, umode_t mode) */
export function fchmod(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined || file.path === null || file.inode === null) return -EBADF;
  const r = chmodInode(t.pathContext, file.path.mount, file.inode, a.i32(1));
  return changed(file.path.dentry, r, IN_ATTRIB);
}

/** int fchmodat(int dfd, const char *filename, umode_t mode) */
export function fchmodat(t: Task, a: SyscallArgs): number {
  return chmodCommon(t, a.i32(0), a.ptr(1), a.i32(2), 0);
}

/** int fchmodat2(int dfd, const char *filename, umode_t mode, unsigned int flags) */
export function fchmodat2(t: Task, a: SyscallArgs): number {
  return chmodCommon(t, a.i32(0), a.ptr(1), a.i32(2), a.i32(3));
}

// --- owner ---

/** A user or group id argument: -1 leaves it as it is. */
function idArg(a: SyscallArgs, n: number): number {
  return a.i32(n) === -1 ? -1 : a.u32(n);
}

function chownCommon(t: Task, dirfd: number, addr: number, uid: number, gid: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const path = (flags & AT_EMPTY_PATH) !== 0 ? pathArg(t, addr) : namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return chownAt(t.pathContext, start, path, uid, gid, flags);
}

/** int chown(const char *filename, uid_t user, gid_t group) */
export function chown(t: Task, a: SyscallArgs): number {
  return chownCommon(t, AT_FDCWD, a.ptr(0), idArg(a, 1), idArg(a, 2), 0);
}

/** int lchown(const char *filename, uid_t user, gid_t group) */
export function lchown(t: Task, a: SyscallArgs): number {
  return chownCommon(t, AT_FDCWD, a.ptr(0), idArg(a, 1), idArg(a, 2), AT_SYMLINK_NOFOLLOW);
}

/** int fchown(unsigned int fd, uid_t user, gid_t group) */
export function fchown(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined || file.path === null || file.inode === null) return -EBADF;
  const r = chownInode(t.pathContext, file.path.mount, file.inode, idArg(a, 1), idArg(a, 2));
  return changed(file.path.dentry, r, ownerEvent());
}

/** int fchownat(int dfd, const char *filename, uid_t user, gid_t group, int flag) */
export function fchownat(t: Task, a: SyscallArgs): number {
  return chownCommon(t, a.i32(0), a.ptr(1), idArg(a, 2), idArg(a, 3), a.i32(4));
}

// --- times ---

/** Times as utimensat wants them; read by the functions below. */
const times = { atime: 0, atimeNsec: UTIME_NOW, mtime: 0, mtimeNsec: UTIME_NOW };

function timesNow(): void {
  times.atimeNsec = UTIME_NOW;
  times.mtimeNsec = UTIME_NOW;
}

/** A tv_nsec field: anything that is no valid number of nanoseconds becomes -1. */
function nsecAt(v: DataView, off: number): number {
  return v.getUint32(off + 4, true) === 0 ? v.getUint32(off, true) : -1;
}

function utimesPath(t: Task, dirfd: number, addr: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const path = (flags & AT_EMPTY_PATH) !== 0 ? pathArg(t, addr) : namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return utimensAt(t.pathContext, start, path, times.atime, times.atimeNsec, times.mtime, times.mtimeNsec, flags);
}

/** With a null path the fd itself is meant, for utimensat and futimesat alike. */
function utimesCommon(t: Task, dirfd: number, addr: number, flags: number): number {
  if (addr !== 0 || dirfd === AT_FDCWD) return utimesPath(t, dirfd, addr, flags);
  if (flags !== 0) return -EINVAL;
  const file = ioFile(t, dirfd);
  if (file === undefined || file.path === null || file.inode === null) return -EBADF;
  const m = file.path.mount;
  const { atime, atimeNsec, mtime, mtimeNsec } = times;
  const r = utimensInode(t.pathContext, m, file.inode, atime, atimeNsec, mtime, mtimeNsec);
  return changed(file.path.dentry, r, timesEvent(atimeNsec, mtimeNsec));
}

/** int utimensat(int dfd, const char *filename, struct timespec *utimes, int flags) */
export function utimensat(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(2);
  if (addr === 0) {
    timesNow();
  } else {
    if (t.copyInStruct(addr, 32) < 0) return -EFAULT;
    const v = t.kernel.scratchView;
    times.atime = readI64(v, 0);
    times.atimeNsec = nsecAt(v, 8);
    times.mtime = readI64(v, 16);
    times.mtimeNsec = nsecAt(v, 24);
    if (times.atimeNsec === UTIME_OMIT && times.mtimeNsec === UTIME_OMIT) return 0;
  }
  return utimesCommon(t, a.i32(0), a.ptr(1), a.i32(3));
}

/** Two struct timeval at `addr` (0: now) into `times`. */
function readTimevals(t: Task, addr: number): number {
  if (addr === 0) {
    timesNow();
    return 0;
  }
  if (t.copyInStruct(addr, 32) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const aUsec = nsecAt(v, 8);
  const mUsec = nsecAt(v, 24);
  if (aUsec < 0 || aUsec >= 1e6 || mUsec < 0 || mUsec >= 1e6) return -EINVAL;
  times.atime = readI64(v, 0);
  times.atimeNsec = aUsec * 1000;
  times.mtime = readI64(v, 16);
  times.mtimeNsec = mUsec * 1000;
  return 0;
}

/** int utimes(char *filename, struct timeval *utimes) */
export function utimes(t: Task, a: SyscallArgs): number {
  const err = readTimevals(t, a.ptr(1));
  return err < 0 ? err : utimesPath(t, AT_FDCWD, a.ptr(0), 0);
}

/** int futimesat(int dfd, const char *filename, struct timeval *utimes) */
export function futimesat(t: Task, a: SyscallArgs): number {
  const err = readTimevals(t, a.ptr(2));
  return err < 0 ? err : utimesCommon(t, a.i32(0), a.ptr(1), 0);
}

/** int utime(char *filename, struct utimbuf *times) */
export function utime(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(1);
  if (addr === 0) {
    timesNow();
  } else {
    if (t.copyInStruct(addr, 16) < 0) return -EFAULT;
    const v = t.kernel.scratchView;
    times.atime = readI64(v, 0);
    times.mtime = readI64(v, 8);
    times.atimeNsec = 0;
    times.mtimeNsec = 0;
  }
  return utimesPath(t, AT_FDCWD, a.ptr(0), 0);
}

// --- size ---

/** A file of `old` bytes is to get `size`: RLIMIT_FSIZE and the largest size. 0 or -EFBIG. */
function checkNewSize(t: Task, old: number, size: number): number {
  if (size <= old) return 0;
  if (size > t.group.limits.get(RLIMIT_FSIZE)) return limitFileSize(t, size, 1);
  return size > MAX_FILE_SIZE ? -EFBIG : 0;
}

function mayLimit(t: Task, size: number): boolean {
  return size > MAX_FILE_SIZE || t.group.limits.get(RLIMIT_FSIZE) !== RLIM_INFINITY;
}

/** int truncate(const char *path, long length) */
export function truncate(t: Task, a: SyscallArgs): number {
  const size = a.i64(1);
  if (size < 0) return -EINVAL;
  const path = namedPathArg(t, a.ptr(0));
  if (typeof path === "number") return path;
  if (mayLimit(t, size) && statAt(t.pathContext, null, path, 0, stat) === 0 && (stat.mode & S_IFMT) === S_IFREG) {
    const err = checkNewSize(t, stat.size, size);
    if (err < 0) return err;
  }
  return truncateAt(t.pathContext, null, path, size);
}

/** int ftruncate(unsigned int fd, unsigned long length) */
export function ftruncate(t: Task, a: SyscallArgs): number {
  const size = a.i64(1);
  if (size < 0) return -EINVAL;
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  if (!file.writable || file.inode === null || !file.inode.isRegular) return -EINVAL;
  if (size > SMALL_FILE_MAX && (file.statusFlags & O_LARGEFILE) === 0) return -EINVAL;
  if (mayLimit(t, size)) {
    const err = file.stat(stat);
    if (err < 0) return err;
    const bad = checkNewSize(t, stat.size, size);
    if (bad < 0) return bad;
  }
  const r = file.truncate(size);
  if (r >= 0) dropPrivileges(file.inode, t.creds);
  return file.path === null ? r : changed(file.path.dentry, r, IN_MODIFY);
}

/** Combinations of mode bits that fallocate refuses. 0 or -errno. */
function checkAllocateMode(mode: number): number {
  if ((mode & ~FALLOC_KNOWN) !== 0) return -EOPNOTSUPP;
  // At most one of the operations.
  const op = mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_UNSHARE_RANGE);
  if ((op & (op - 1)) !== 0) return -EOPNOTSUPP;
  if (op === FALLOC_FL_PUNCH_HOLE && (mode & FALLOC_FL_KEEP_SIZE) === 0) return -EOPNOTSUPP;
  if (op === FALLOC_FL_COLLAPSE_RANGE || op === FALLOC_FL_INSERT_RANGE) {
    if ((mode & FALLOC_FL_KEEP_SIZE) !== 0) return -EOPNOTSUPP;
  }
  return 0;
}

/** int fallocate(int fd, int mode, loff_t offset, loff_t len) */
export function fallocate(t: Task, a: SyscallArgs): number {
  const file: FileDescription | undefined = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  const mode = a.i32(1);
  const off = a.i64(2);
  const len = a.i64(3);
  if (off < 0 || len <= 0) return -EINVAL;
  const bad = checkAllocateMode(mode);
  if (bad < 0) return bad;
  if (!file.writable) return -EBADF;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (type === S_IFIFO) return -ESPIPE;
  if (file.inode !== null && file.inode.isDir) return -EISDIR;
  if (type !== S_IFREG && type !== S_IFBLK) return -ENODEV;
  if (off + len >= LOFF_LIMIT || off + len > MAX_FILE_SIZE) return -EFBIG;
  const unlimited = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE;
  const keeps = (mode & FALLOC_FL_KEEP_SIZE) !== 0 && !file.limitsSpace;
  if ((mode & unlimited) === 0 && !keeps) {
    const err = file.stat(stat);
    if (err < 0) return err;
    const grown = (mode & FALLOC_FL_INSERT_RANGE) !== 0 ? stat.size + len : off + len;
    const limited = checkNewSize(t, stat.size, grown);
    if (limited < 0) return limited;
  }
  const r = file.allocate(mode, off, len);
  if (r >= 0 && file.inode !== null) dropPrivileges(file.inode, t.creds);
  if (r >= 0 && watching.count !== 0) notifyModify(file);
  return r;
}

/** mode_t umask(mode_t mask) */
export function umask(t: Task, a: SyscallArgs): number {
  const old = t.fs.umask;
  t.fs.umask = a.i32(0) & 0o777;
  return old;
}

/** The calls of this file, for the table. */
export const attrSyscalls: readonly SyscallEntry[] = [
  full("chmod", chmod),
  full("fchmod", fchmod),
  full("fchmodat", fchmodat),
  full("fchmodat2", fchmodat2),
  full("chown", chown),
  full("lchown", lchown),
  full("fchown", fchown),
  full("fchownat", fchownat),
  full("utime", utime),
  full("utimes", utimes),
  full("futimesat", futimesat),
  full("utimensat", utimensat),
  full("umask", umask),
  full("truncate", truncate),
  full("ftruncate", ftruncate),
  full("fallocate", fallocate),
];
