/** What all files of tmpfs have in common. */
import { EOPNOTSUPP } from "../../../abi/errno.ts";
import { S_IFLNK } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { XATTR_SECURITY_PREFIX, XATTR_TRUSTED_PREFIX, XATTR_USER_PREFIX } from "../../../abi/xattr.ts";
import { MemInode } from "../../vfs/meminode.ts";
import type { TmpfsFs } from "./tmpfs.ts";

/** Base of tmpfs files: counted against the inode limit, freed with the last link, user and mapping. */
export abstract class TmpfsInode extends MemInode {
  readonly tmpfs: TmpfsFs;
  private freed = false;

  constructor(fs: TmpfsFs, mode: number, uid: number, gid: number) {
    super(fs, fs.newIno(), mode, uid, gid);
    this.tmpfs = fs;
    fs.inodes++;
  }

  /** Gives pages back. */
  protected freeContents(): void {}

  override onUnused(): void {
    this.maybeFree();
  }

  /** Frees everything once there is no link, no dentry and no user. */
  maybeFree(): void {
    if (this.freed || this.nlink > 0 || this.users > 0 || this.dentries > 0) return;
    this.freed = true;
    this.freeContents();
    this.tmpfs.inodes--;
  }

  dropLink(): void {
    this.nlink--;
    this.touchChanged();
    this.maybeFree();
  }

  override getXattr(name: string): Uint8Array | number {
    return isKept(name) ? this.memGetXattr(name) : -EOPNOTSUPP;
  }
  override setXattr(name: string, value: Uint8Array, flags: number): number {
    return isKept(name) ? this.memSetXattr(name, value, flags) : -EOPNOTSUPP;
  }
  override removeXattr(name: string): number {
    return isKept(name) ? this.memRemoveXattr(name) : -EOPNOTSUPP;
  }
  override listXattr(): readonly string[] {
    return this.memListXattr();
  }
}

function isKept(name: string): boolean {
  return (
    name.startsWith(XATTR_USER_PREFIX) ||
    name.startsWith(XATTR_TRUSTED_PREFIX) ||
    name.startsWith(XATTR_SECURITY_PREFIX)
  );
}

/** A symbolic link. */
export class TmpfsSymlink extends TmpfsInode {
  readonly target: string;

  constructor(fs: TmpfsFs, target: string, uid: number, gid: number) {
    super(fs, S_IFLNK | 0o777, uid, gid);
    this.target = target;
  }

  override getStat(out: Stat): number {
    return this.statOf(out, this.target.length, 0);
  }

  override readlink(): string {
    return this.target;
  }
}

/** FIFOs, sockets and device nodes: the VFS opens them. */
export class TmpfsSpecial extends TmpfsInode {
  constructor(fs: TmpfsFs, mode: number, rdev: number, uid: number, gid: number) {
    super(fs, mode, uid, gid);
    this.rdev = rdev;
  }
}
