/** Base of inodes whose attributes live in the Sentry: tmpfs, kernfs, anonymous files. */
import { XATTR_CAPABILITY } from "../../abi/capability.ts";
import { EEXIST, EINVAL, ENODATA, ENOSPC } from "../../abi/errno.ts";
import { S_IALLUGO } from "../../abi/stat.ts";
import type { Stat } from "../../abi/stat.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/xattr.ts";
import { TimeValue } from "../time/clock.ts";
import type { FileSystem } from "./filesystem.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, ATTR_UID, Inode } from "./inode.ts";
import type { SetAttr } from "./inode.ts";
import { WIDE } from "../../base/wide.ts";

const now: TimeValue = new TimeValue();
/** relatime also updates an atime older than this, seconds. */
const DAY_SEC = 86400;
/** Bytes of extended attributes one file may have. */
const XATTR_TOTAL_MAX = 1 << 20;

/** See the header. */
export abstract class MemInode extends Inode {
  nlink = 1;
  atimeSec: number = WIDE;
  atimeNsec: number = WIDE;
  mtimeSec: number = WIDE;
  mtimeNsec: number = WIDE;
  ctimeSec: number = WIDE;
  ctimeNsec: number = WIDE;
  btimeSec: number = WIDE;
  btimeNsec: number = WIDE;
  private xattrs: Map<string, Uint8Array> | null = null;
  /** There is a security.capability attribute; writes, truncations and changes of the owner take it away. */
  hasFileCaps = false;
  private xattrBytes = 0;

  constructor(fs: FileSystem, ino: number, mode: number, uid: number, gid: number) {
    super(fs);
    this.ino = ino;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    fs.vfs.clock.stamp(now);
    this.atimeSec = this.mtimeSec = this.ctimeSec = this.btimeSec = now.sec;
    this.atimeNsec = this.mtimeNsec = this.ctimeNsec = this.btimeNsec = now.nsec;
  }

  override getStat(out: Stat): number {
    return this.statOf(out, 0, 0);
  }

  /**
   * The {@link getStat} of a file with `size` bytes in `blocks` blocks of 512. Classes whose files are asked for often have a getStat
   * of their own for it: V8 knows their fields' places there, and not in code for all classes.
   */
  protected statOf(out: Stat, size: number, blocks: number): number {
    out.dev = this.fs.dev;
    out.ino = this.ino;
    out.mode = this.mode;
    out.nlink = this.nlink;
    out.uid = this.uid;
    out.gid = this.gid;
    out.rdev = this.rdev;
    out.size = size;
    out.blksize = 4096;
    out.blocks = blocks;
    out.atimeSec = this.atimeSec;
    out.atimeNsec = this.atimeNsec;
    out.mtimeSec = this.mtimeSec;
    out.mtimeNsec = this.mtimeNsec;
    out.ctimeSec = this.ctimeSec;
    out.ctimeNsec = this.ctimeNsec;
    out.btimeSec = this.btimeSec;
    out.btimeNsec = this.btimeNsec;
    out.attributes = 0;
    return 0;
  }

  /** Part of setAttr with ATTR_SIZE. */
  protected resize(_size: number): number {
    return -EINVAL;
  }

  override setAttr(a: SetAttr): number {
    const mask = a.mask;
    if ((mask & ATTR_SIZE) !== 0) {
      const r = this.resize(a.size);
      if (r < 0) return r;
    }
    if ((mask & ATTR_MODE) !== 0) this.mode = (this.mode & ~S_IALLUGO) | (a.mode & S_IALLUGO);
    if ((mask & (ATTR_UID | ATTR_GID | ATTR_SIZE)) !== 0) this.dropFileCaps();
    if ((mask & ATTR_UID) !== 0) this.uid = a.uid;
    if ((mask & ATTR_GID) !== 0) this.gid = a.gid;
    this.fs.vfs.clock.stamp(now);
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
    if ((mask & ATTR_SIZE) !== 0) {
      this.mtimeSec = now.sec;
      this.mtimeNsec = now.nsec;
    }
    if ((mask & ATTR_ATIME) !== 0) {
      this.atimeSec = a.atimeSec;
      this.atimeNsec = a.atimeNsec;
    }
    if ((mask & ATTR_MTIME) !== 0) {
      this.mtimeSec = a.mtimeSec;
      this.mtimeNsec = a.mtimeNsec;
    }
    return 0;
  }

  /** Content or entries changed: mtime and ctime. */
  override touchModified(): void {
    this.fs.vfs.clock.stamp(now);
    this.mtimeSec = this.ctimeSec = now.sec;
    this.mtimeNsec = this.ctimeNsec = now.nsec;
  }

  /** Attributes changed: ctime. */
  touchChanged(): void {
    this.fs.vfs.clock.stamp(now);
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
  }

  override touchAtime(relatime: boolean): void {
    if (relatime) {
      const older =
        this.atimeSec < this.mtimeSec ||
        (this.atimeSec === this.mtimeSec && this.atimeNsec <= this.mtimeNsec) ||
        this.atimeSec < this.ctimeSec ||
        (this.atimeSec === this.ctimeSec && this.atimeNsec <= this.ctimeNsec);
      this.fs.vfs.clock.stamp(now);
      if (!older && now.sec - this.atimeSec < DAY_SEC) return;
    } else {
      this.fs.vfs.clock.stamp(now);
    }
    this.atimeSec = now.sec;
    this.atimeNsec = now.nsec;
  }

  // --- extended attributes, for subclasses that keep them ---

  protected memGetXattr(name: string): Uint8Array | number {
    const v = this.xattrs === null ? undefined : this.xattrs.get(name);
    return v === undefined ? -ENODATA : v;
  }

  protected memSetXattr(name: string, value: Uint8Array, flags: number): number {
    let map = this.xattrs;
    const old = map === null ? undefined : map.get(name);
    if ((flags & XATTR_CREATE) !== 0 && old !== undefined) return -EEXIST;
    if ((flags & XATTR_REPLACE) !== 0 && old === undefined) return -ENODATA;
    const grow = value.length - (old === undefined ? -name.length : old.length);
    if (this.xattrBytes + grow > XATTR_TOTAL_MAX) return -ENOSPC;
    if (map === null) map = this.xattrs = new Map();
    map.set(name, value);
    if (name === XATTR_CAPABILITY) this.hasFileCaps = true;
    this.xattrBytes += grow;
    this.touchChanged();
    return 0;
  }

  protected memRemoveXattr(name: string): number {
    const map = this.xattrs;
    const old = map === null ? undefined : map.get(name);
    if (map === null || old === undefined) return -ENODATA;
    map.delete(name);
    if (name === XATTR_CAPABILITY) this.hasFileCaps = false;
    this.xattrBytes -= old.length + name.length;
    this.touchChanged();
    return 0;
  }

  override dropFileCaps(): void {
    if (this.hasFileCaps) this.memRemoveXattr(XATTR_CAPABILITY);
  }

  protected memListXattr(): readonly string[] {
    return this.xattrs === null ? [] : [...this.xattrs.keys()];
  }
}
