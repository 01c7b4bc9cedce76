/**
 * The host calls that the 9P server makes. `src/host/host.ts` offers them with the same shapes, so its `Host` is a
 * backend as it stands; tests bring their own.
 *
 * Every call is synchronous and returns a value >= 0 or -errno. Names are latin1 strings without "/": the server never
 * passes a path, except "" (AT_EMPTY_PATH), "." and the decimal number of one of its own fds in /proc/self/fd.
 */
import type { Stat } from "../../abi/stat.ts";

/** Indices into the array that {@link P9Backend.fstatat} fills. */
export const ST_DEV = 0;
export const ST_INO = 1;
export const ST_MODE = 2;
export const ST_NLINK = 3;
export const ST_UID = 4;
export const ST_GID = 5;
export const ST_RDEV = 6;
export const ST_SIZE = 7;
export const ST_BLKSIZE = 8;
export const ST_BLOCKS = 9;
export const ST_ATIME = 10;
export const ST_ATIME_NS = 11;
export const ST_MTIME = 12;
export const ST_MTIME_NS = 13;
export const ST_CTIME = 14;
export const ST_CTIME_NS = 15;
export const ST_BTIME = 16;
export const ST_BTIME_NS = 17;
export const ST_LEN = 18;

export interface P9Backend {
  openat(dirfd: number, path: string, flags: number, mode: number): number;
  close(fd: number): number;
  pread(fd: number, buf: Uint8Array, off: number, len: number, pos: number): number;
  pwrite(fd: number, buf: Uint8Array, off: number, len: number, pos: number): number;
  fstatat(dirfd: number, path: string, flags: number, out: Float64Array): number;
  /** type bsize blocks bfree bavail files ffree namelen frsize flags. */
  fstatfs(fd: number, out: Float64Array): number;
  readlinkat(dirfd: number, path: string): string | number;
  /** Raw getdents64 records. */
  getdents(fd: number, buf: Uint8Array, off: number, len: number): number;
  /**
   * The next entries of a directory as DirEntryAttr, without "." and "..": bytes, or -errno. result[0]: there was no room for
   * the rest, which the next call gives; result[1]: entries passed. `bareDev` >= 0: only directories have all attributes, other
   * entries have type, that device and inode number.
   */
  readdirAttrs(fd: number, buf: Uint8Array, off: number, len: number, result: Int32Array, bareDev: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  ftruncate(fd: number, size: number): number;
  fallocate(fd: number, mode: number, offset: number, len: number): number;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  mkdirat(dirfd: number, path: string, mode: number): number;
  mknodat(dirfd: number, path: string, mode: number, dev: number): number;
  unlinkat(dirfd: number, path: string, flags: number): number;
  symlinkat(target: string, dirfd: number, path: string): number;
  linkat(olddir: number, oldpath: string, newdir: number, newpath: string, flags: number): number;
  renameat2(olddir: number, oldpath: string, newdir: number, newpath: string, flags: number): number;
  /** Attributes as encodeAttr writes them, ATTR_SIZE bytes of `buf` from `off`. flags as fstatat has them. */
  attrAt(dirfd: number, path: string, flags: number, buf: Uint8Array, off: number): number;
  /**
   * renameat2, then the attributes of what has the new name, as attrAt writes them; zeros: nothing has. `mark`: an fd from which a
   * byte is read in between, or -1.
   */
  renameAttr(
    olddir: number,
    oldpath: string,
    newdir: number,
    newpath: string,
    flags: number,
    mark: number,
    buf: Uint8Array,
    off: number,
  ): number;
  fchmod(fd: number, mode: number): number;
  /** Follows the last component, as fchmodat(2) without flags does. Flags (AT_EMPTY_PATH) need Linux 6.6, else -EOPNOTSUPP. */
  fchmodat(dirfd: number, path: string, mode: number, flags?: number): number;
  fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): number;
  utimensat(
    dirfd: number,
    path: string,
    atime: number,
    atimeNs: number,
    mtime: number,
    mtimeNs: number,
    flags: number,
  ): number;
  fgetxattr(fd: number, name: string, buf: Uint8Array): number;
  fsetxattr(fd: number, name: string, buf: Uint8Array, len: number, flags: number): number;
  flistxattr(fd: number, buf: Uint8Array): number;
  /** Of what a path of /proc/self/fd leads to. */
  listxattr(path: string, buf: Uint8Array): number;
  fremovexattr(fd: number, name: string): number;
  memfdCreate(name: string, flags: number): number;
  /** A notification descriptor that does not block. */
  inotifyInit(): number;
  /** Watches what a path of /proc/self/fd leads to; the watch's number. mask: IN_*. */
  inotifyAddWatch(fd: number, path: string, mask: number): number;
  inotifyRmWatch(fd: number, wd: number): number;
}

/** Copies what fstatat wrote. */
export function readStat(raw: Float64Array, out: Stat): void {
  out.dev = raw[ST_DEV]!;
  out.ino = raw[ST_INO]!;
  out.mode = raw[ST_MODE]!;
  out.nlink = raw[ST_NLINK]!;
  out.uid = raw[ST_UID]!;
  out.gid = raw[ST_GID]!;
  out.rdev = raw[ST_RDEV]!;
  out.size = raw[ST_SIZE]!;
  out.blksize = raw[ST_BLKSIZE]!;
  out.blocks = raw[ST_BLOCKS]!;
  out.atimeSec = raw[ST_ATIME]!;
  out.atimeNsec = raw[ST_ATIME_NS]!;
  out.mtimeSec = raw[ST_MTIME]!;
  out.mtimeNsec = raw[ST_MTIME_NS]!;
  out.ctimeSec = raw[ST_CTIME]!;
  out.ctimeNsec = raw[ST_CTIME_NS]!;
  out.btimeSec = raw[ST_BTIME]!;
  out.btimeNsec = raw[ST_BTIME_NS]!;
}
