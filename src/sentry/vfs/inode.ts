/** Inodes: what file systems implement. */
import { EACCES, EINVAL, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IXUGO } from "../../abi/stat.ts";
import type { Stat } from "../../abi/stat.ts";
import type { StatFs } from "../../abi/statfs.ts";
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH } from "../../abi/capability.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { FileDescription } from "./file.ts";
import type { FileSystem } from "./filesystem.ts";
import type { FileLocks } from "./locks.ts";
import type { Reporter } from "./notify.ts";
import type { PathContext, VfsPath } from "./path.ts";
import { WIDE } from "../../base/wide.ts";

/** Permission masks, as in access(2). */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Bits of {@link SetAttr.mask}: which fields to change. The ctime changes with any of them. */
export const ATTR_MODE = 1;
export const ATTR_UID = 2;
export const ATTR_GID = 4;
export const ATTR_SIZE = 8;
export const ATTR_ATIME = 16;
export const ATTR_MTIME = 32;

/** Attribute changes; already checked against the caller's rights. Reused by the VFS. */
export class SetAttr {
  mask = 0;
  /** Permission bits only (S_IALLUGO). */
  mode: number = WIDE;
  uid: number = WIDE;
  gid: number = WIDE;
  size: number = WIDE;
  atimeSec: number = WIDE;
  atimeNsec: number = WIDE;
  mtimeSec: number = WIDE;
  mtimeNsec: number = WIDE;
}

/**
 * A file. Methods on directories take names that the VFS has checked: not empty, not `.` or `..`, no slash, at most
 * 255 bytes. The VFS also checks permissions, read-only mounts, and (from its cache or by `lookup`) that names exist or
 * do not; file systems answer only for what they alone know. All results: >= 0 or -errno.
 *
 * `mode`, `uid`, `gid`, `rdev` must be current whenever control is outside the file system: the VFS reads them.
 */
export abstract class Inode {
  readonly fs: FileSystem;
  ino: number = WIDE;
  /** File type and permission bits. */
  mode: number = WIDE;
  uid: number = WIDE;
  gid: number = WIDE;
  /** Device number of a device node. */
  rdev: number = WIDE;
  /** Dentries that show it. */
  dentries = 0;
  /** Open file descriptions, mappings and upper-layer inodes that use it. */
  users = 0;
  /** Open for writing (ETXTBSY counts, copy-up). Executables being run count negative. */
  writers = 0;
  /** flock, POSIX and OFD locks; null until the first. */
  locks: FileLocks | null = null;
  /** fcntl(F_SET_RW_HINT): how long what is written will live; kept. */
  writeHint = 0;
  /** State of a FIFO (fs/pipe) or the endpoint bound to a socket node; null until first used. */
  special: unknown = null;
  /** Has no name but may be given one by linkat(2) (O_TMPFILE without O_EXCL). */
  linkable = false;
  /** The inode of an overlay whose upper layer holds this one; keeps what the upper layer alone does not say. */
  overlay: Inode | null = null;
  /** inotify watches, see notify.ts. */
  watches: unknown = null;
  /** Tells of changes of this inode in the VFS's stead, while it is watched; see notify.ts. */
  reporter: Reporter | null = null;
  /** A directory whose entries change behind the VFS's back: `lookup` is asked every time. */
  dynamic = false;
  /** A directory where making any entry fails with ENOENT, as if the name could not be (/proc). */
  refusesNames = false;
  /** Cached entries below must be confirmed by {@link revalidate} (shared remote files). */
  needsRevalidate = false;
  /** {@link walkAhead} is worth calling. */
  canWalkAhead = false;

  constructor(fs: FileSystem) {
    this.fs = fs;
  }

  get isDir(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }
  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }
  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  // --- life ---

  incUsers(): void {
    this.users++;
  }
  decUsers(): void {
    if (--this.users === 0 && this.dentries === 0) this.onUnused();
  }
  /** A dentry that showed it is gone. */
  decDentry(): void {
    if (--this.dentries === 0 && this.users === 0) this.onUnused();
  }
  /** No dentry and no user left: free what it holds (if it has no links, for ever). It may be looked up again. */
  onUnused(): void {}
  /** Directory: it is known, without much ado, that there is no entry `name`. */
  lacks(_name: string): boolean {
    return false;
  }
  /** The first inotify watch came, or the last one went: time to find, or dismiss, a {@link reporter}. */
  onWatched(_isWatched: boolean): void {}

  // --- all files ---

  /** Fills every field of `out` except `attributes` and `mountId`. */
  abstract getStat(out: Stat): number;

  /** Applies `a`. Truncation of directories etc. was refused before. */
  setAttr(_a: SetAttr): number {
    return -EPERM;
  }

  /** Whether `creds` may access it as `mask` (MAY_*) asks: 0 or -EACCES. path_resolution(7), capabilities(7). */
  permission(creds: Credentials, mask: number): number {
    return checkMode(this.mode, this.uid, this.gid, creds, mask);
  }

  /**
   * A file description for flags (O_*) and access already checked; the VFS sets its path, flags and access mode. Called
   * for regular files and directories; device nodes, FIFOs and sockets are opened by the VFS unless
   * {@link opensSpecial}.
   */
  open(_flags: number, _ctx: PathContext): FileDescription | number {
    return -ENXIO;
  }
  /** Device nodes, FIFOs and sockets of this inode are opened by its own `open`. */
  get opensSpecial(): boolean {
    return false;
  }

  /** Reading changed the atime; `relatime`: only if the rule of mount(8) says so. */
  touchAtime(_relatime: boolean): void {}
  /** A write began: times of change become now, where the file system does not see that itself. */
  touchModified(): void {}
  /** Takes the file's capabilities (security.capability) away, if it has any. */
  dropFileCaps(): void {}

  statfs(out: StatFs): number {
    return this.fs.statfs(out);
  }

  getXattr(_name: string): Uint8Array | number {
    return -EOPNOTSUPP;
  }
  /** flags: XATTR_CREATE, XATTR_REPLACE. `value` is the callee's to keep. */
  setXattr(_name: string, _value: Uint8Array, _flags: number): number {
    return -EOPNOTSUPP;
  }
  removeXattr(_name: string): number {
    return -EOPNOTSUPP;
  }
  listXattr(): readonly string[] | number {
    return NO_NAMES;
  }

  // --- symbolic links ---

  readlink(_ctx: PathContext): string | number {
    return -EINVAL;
  }
  /** What following it means: a target path, or for magic links the place itself. */
  followLink(ctx: PathContext): VfsPath | string | number {
    return this.readlink(ctx);
  }
  /** True for links whose followLink gives a place rather than a path (RESOLVE_NO_MAGICLINKS). */
  get isMagicLink(): boolean {
    return false;
  }

  // --- directories ---

  /** The entry, or -ENOENT. Should return the same object while the file lives. */
  lookup(_name: string, _ctx: PathContext): Inode | number {
    return -ENOTDIR;
  }
  /**
   * Hint that the path goes on: look up names[0..count) one below the other, as far as that is cheap (one request).
   * Puts the inodes found into `out` (null for a name that is known not to exist, which ends the list) and returns how
   * many. Stops behind anything that is not a directory.
   */
  walkAhead(_names: readonly string[], _count: number, _out: (Inode | null)[]): number {
    return 0;
  }
  /** With needsRevalidate: whether the cached entry still holds. */
  revalidate(_name: string, _cached: Inode | null): boolean {
    return true;
  }
  /** A new regular file. mode: permission bits with the umask applied. */
  create(_name: string, _mode: number, _uid: number, _gid: number): Inode | number {
    return -EACCES;
  }
  mkdir(_name: string, _mode: number, _uid: number, _gid: number): Inode | number {
    return -EPERM;
  }
  symlink(_name: string, _target: string, _uid: number, _gid: number): Inode | number {
    return -EPERM;
  }
  /** mode includes the type: FIFO, socket, device, or regular. */
  mknod(_name: string, _mode: number, _rdev: number, _uid: number, _gid: number): Inode | number {
    return -EPERM;
  }
  /** A file without a name (O_TMPFILE). */
  tmpfile(_mode: number, _uid: number, _gid: number): Inode | number {
    return -EOPNOTSUPP;
  }
  /** A further name for `target`, an inode of the same file system. */
  link(_name: string, _target: Inode): number {
    return -EPERM;
  }
  unlink(_name: string, _victim: Inode): number {
    return -EPERM;
  }
  /** -ENOTEMPTY is the file system's to find. */
  rmdir(_name: string, _victim: Inode): number {
    return -EPERM;
  }
  /** Moves `child` to `newDir`/newName, replacing `replaced` (types already compatible). flags: RENAME_EXCHANGE. */
  rename(
    _name: string,
    _child: Inode,
    _newDir: Inode,
    _newName: string,
    _replaced: Inode | null,
    _flags: number,
  ): number {
    return -EPERM;
  }
}

const NO_NAMES: readonly string[] = [];

/** The classic mode-bits check, with CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH. 0 or -EACCES. */
export function checkMode(mode: number, uid: number, gid: number, creds: Credentials, mask: number): number {
  let bits = mode;
  if (creds.fsuid === uid) bits = mode >> 6;
  else if ((mode & 0o070) >> 3 !== (mode & 0o007) && creds.inGroup(gid)) bits = mode >> 3;
  if ((bits & mask) === mask) return 0;
  if ((mode & S_IFMT) === S_IFDIR) {
    if ((mask & MAY_WRITE) === 0 && creds.hasCap(CAP_DAC_READ_SEARCH)) return 0;
    return creds.hasCap(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
  }
  if (mask === MAY_READ && creds.hasCap(CAP_DAC_READ_SEARCH)) return 0;
  // Execution needs at least one x bit, whoever asks.
  if (((mask & MAY_EXEC) === 0 || (mode & S_IXUGO) !== 0) && creds.hasCap(CAP_DAC_OVERRIDE)) return 0;
  return -EACCES;
}
