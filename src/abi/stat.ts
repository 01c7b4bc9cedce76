/**
 * File modes, `struct stat` and `struct statx` (stat(2), statx(2), inode(7)).
 *
 * Device numbers are single u32 values in the kernel's 32-bit encoding (12-bit major, 20-bit minor), the same that
 * mknod(2) takes and `st_dev` carries.
 */
import { WIDE } from "../base/wide.ts";

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IRWXU = 0o700;
export const S_IRUSR = 0o400;
export const S_IWUSR = 0o200;
export const S_IXUSR = 0o100;
export const S_IRWXG = 0o070;
export const S_IRGRP = 0o040;
export const S_IWGRP = 0o020;
export const S_IXGRP = 0o010;
export const S_IRWXO = 0o007;
export const S_IROTH = 0o004;
export const S_IWOTH = 0o002;
export const S_IXOTH = 0o001;
/** All bits chmod(2) can set. */
export const S_IALLUGO = 0o7777;
export const S_IXUGO = 0o111;

export function isDirMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}
export function isRegMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}
export function isLinkMode(mode: number): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

/** A device number from its two halves (new_encode_dev in Linux). */
export function makedev(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export function devMajor(dev: number): number {
  return (dev >>> 8) & 0xfff;
}
export function devMinor(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

/** A file's attributes. One object is reused by its caller; file systems fill every field. Times: seconds + nanoseconds. */
export class Stat {
  dev: number = WIDE;
  ino: number = WIDE;
  mode: number = WIDE;
  nlink: number = WIDE;
  uid: number = WIDE;
  gid: number = WIDE;
  rdev: number = WIDE;
  /** Bytes. */
  size: number = WIDE;
  blksize = 4096;
  /** 512-byte units. */
  blocks: number = WIDE;
  atimeSec: number = WIDE;
  atimeNsec: number = WIDE;
  mtimeSec: number = WIDE;
  mtimeNsec: number = WIDE;
  ctimeSec: number = WIDE;
  ctimeNsec: number = WIDE;
  /** Birth time; both 0 when unknown. */
  btimeSec: number = WIDE;
  btimeNsec: number = WIDE;
  /** STATX_ATTR_* (set by the VFS: mount root). */
  attributes: number = WIDE;
  /** Id of the mount, for statx (set by the VFS). */
  mountId: number = WIDE;
}

/** sizeof(struct stat) on amd64. */
export const STAT_SIZE = 144;

function putU64(v: DataView, off: number, n: number): void {
  v.setUint32(off, n >>> 0, true);
  v.setInt32(off + 4, Math.floor(n / 0x100000000), true);
}

/** 2^32 */
const HIGH = 0x100000000;

/**
 * Writes `struct stat` (amd64 layout) at `off`. Flat, since there is more of it than V8 would inline; only what needs more than 32 bits
 * is written as two words of one number. @hot
 */
export function writeStat(v: DataView, off: number, s: Stat): void {
  const { dev, ino, size, blocks, atimeSec, mtimeSec, ctimeSec } = s;
  v.setUint32(off, dev, true);
  v.setUint32(off + 4, dev / HIGH, true);
  v.setUint32(off + 8, ino, true);
  v.setUint32(off + 12, ino / HIGH, true);
  v.setUint32(off + 16, s.nlink, true);
  v.setUint32(off + 20, 0, true);
  v.setUint32(off + 24, s.mode, true);
  v.setUint32(off + 28, s.uid, true);
  v.setUint32(off + 32, s.gid, true);
  v.setUint32(off + 36, 0, true);
  v.setUint32(off + 40, s.rdev, true);
  v.setUint32(off + 44, s.rdev / HIGH, true);
  v.setUint32(off + 48, size, true);
  v.setUint32(off + 52, size / HIGH, true);
  v.setUint32(off + 56, s.blksize, true);
  v.setUint32(off + 60, 0, true);
  v.setUint32(off + 64, blocks, true);
  v.setUint32(off + 68, blocks / HIGH, true);
  // Times may be before 1970.
  v.setUint32(off + 72, atimeSec, true);
  v.setInt32(off + 76, Math.floor(atimeSec / HIGH), true);
  v.setUint32(off + 80, s.atimeNsec, true);
  v.setUint32(off + 84, 0, true);
  v.setUint32(off + 88, mtimeSec, true);
  v.setInt32(off + 92, Math.floor(mtimeSec / HIGH), true);
  v.setUint32(off + 96, s.mtimeNsec, true);
  v.setUint32(off + 100, 0, true);
  v.setUint32(off + 104, ctimeSec, true);
  v.setInt32(off + 108, Math.floor(ctimeSec / HIGH), true);
  v.setUint32(off + 112, s.ctimeNsec, true);
  for (let at = off + 116; at < off + STAT_SIZE; at += 4) v.setUint32(at, 0, true);
}

export const STATX_TYPE = 0x1;
export const STATX_MODE = 0x2;
export const STATX_NLINK = 0x4;
export const STATX_UID = 0x8;
export const STATX_GID = 0x10;
export const STATX_ATIME = 0x20;
export const STATX_MTIME = 0x40;
export const STATX_CTIME = 0x80;
export const STATX_INO = 0x100;
export const STATX_SIZE = 0x200;
export const STATX_BLOCKS = 0x400;
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;
export const STATX_MNT_ID = 0x1000;
export const STATX__RESERVED = 0x80000000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;

/** sizeof(struct statx). */
export const STATX_SIZE_BYTES = 256;

/** Writes `struct statx` (256 bytes) at `off`. All basic fields are always given, as Linux does. */
export function writeStatx(v: DataView, off: number, s: Stat): void {
  for (let i = 0; i < 256; i += 4) v.setUint32(off + i, 0, true);
  const hasBirth = s.btimeSec !== 0 || s.btimeNsec !== 0;
  v.setUint32(off, STATX_BASIC_STATS | STATX_MNT_ID | (hasBirth ? STATX_BTIME : 0), true);
  v.setUint32(off + 4, s.blksize, true);
  putU64(v, off + 8, s.attributes);
  v.setUint32(off + 16, s.nlink, true);
  v.setUint32(off + 20, s.uid, true);
  v.setUint32(off + 24, s.gid, true);
  v.setUint16(off + 28, s.mode, true);
  putU64(v, off + 32, s.ino);
  putU64(v, off + 40, s.size);
  putU64(v, off + 48, s.blocks);
  putU64(v, off + 56, STATX_ATTR_MOUNT_ROOT);
  putStatxTime(v, off + 64, s.atimeSec, s.atimeNsec);
  putStatxTime(v, off + 80, s.btimeSec, s.btimeNsec);
  putStatxTime(v, off + 96, s.ctimeSec, s.ctimeNsec);
  putStatxTime(v, off + 112, s.mtimeSec, s.mtimeNsec);
  v.setUint32(off + 128, devMajor(s.rdev), true);
  v.setUint32(off + 132, devMinor(s.rdev), true);
  v.setUint32(off + 136, devMajor(s.dev), true);
  v.setUint32(off + 140, devMinor(s.dev), true);
  putU64(v, off + 144, s.mountId);
}

function putStatxTime(v: DataView, off: number, sec: number, nsec: number): void {
  putU64(v, off, sec);
  v.setUint32(off + 8, nsec, true);
}

/** utimensat(2) special tv_nsec values. */
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;
