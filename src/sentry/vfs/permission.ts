/** Permission rules of directories and files beyond the mode bits: sticky directories, capabilities, protected links. */
import { CAP_CHOWN, CAP_FOWNER, CAP_FSETID } from "../../abi/capability.ts";
import { EACCES, EISDIR, ENOENT, ENOTDIR, EPERM, EROFS } from "../../abi/errno.ts";
import { MS_RDONLY } from "../../abi/mount.ts";
import { S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP } from "../../abi/stat.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { Dentry } from "./dentry.ts";
import { MAY_EXEC, MAY_READ, MAY_WRITE } from "./inode.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/** -EROFS for a read-only mount or file system, else 0. */
export function mayChange(mount: Mount): number {
  return (mount.flags & MS_RDONLY) !== 0 || mount.fs.readOnly ? -EROFS : 0;
}

/** Whether `creds` owns the file or may act as its owner. */
export function isOwnerOrCapable(inode: Inode, creds: Credentials): boolean {
  return creds.fsuid === inode.uid || creds.hasCap(CAP_FOWNER);
}

/** Adding an entry to `dir`: 0, -ENOENT (the directory was removed) or -EACCES. */
export function mayCreate(dir: Dentry, creds: Credentials): number {
  if (dir.deleted) return -ENOENT;
  return dir.inode!.permission(creds, MAY_WRITE | MAY_EXEC);
}

/** Sticky directory: only the owner of the file or of the directory removes or renames entries. */
export function isStickyDenied(dir: Inode, victim: Inode, creds: Credentials): boolean {
  if ((dir.mode & S_ISVTX) === 0) return false;
  return creds.fsuid !== victim.uid && creds.fsuid !== dir.uid && !creds.hasCap(CAP_FOWNER);
}

/** Removing `victim` from `dir`; isDir: as a directory (rmdir). unlink(2), rmdir(2), rename(2). */
export function mayDelete(dir: Dentry, victim: Inode, isDir: boolean, creds: Credentials): number {
  const d = dir.inode!;
  const r = d.permission(creds, MAY_WRITE | MAY_EXEC);
  if (r < 0) return r;
  if (isStickyDenied(d, victim, creds)) return -EPERM;
  if (isDir) {
    if (!victim.isDir) return -ENOTDIR;
  } else if (victim.isDir) {
    return -EISDIR;
  }
  if (dir.deleted) return -ENOENT;
  return 0;
}

/** Owner group of a new file in `dir`: the directory's with set-group-ID, else the creator's. inode(7). */
export function newGid(dir: Inode, creds: Credentials): number {
  return (dir.mode & S_ISGID) !== 0 ? dir.gid : creds.fsgid;
}

/** Mode of a new file: directories inherit S_ISGID; others lose it when the creator is not in the group. */
export function newMode(dir: Inode, mode: number, creds: Credentials): number {
  if ((dir.mode & S_ISGID) === 0) return mode;
  if ((mode & S_IFMT) === S_IFDIR) return mode | S_ISGID;
  if ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) && !creds.inGroup(dir.gid) && !creds.hasCap(CAP_FSETID)) {
    return mode & ~S_ISGID;
  }
  return mode;
}

/** chown(2): whether the ids may be set so (-1: unchanged). 0 or -EPERM. */
export function mayChown(inode: Inode, uid: number, gid: number, creds: Credentials): number {
  if (creds.hasCap(CAP_CHOWN)) return 0;
  if (uid !== -1 && (creds.fsuid !== inode.uid || uid !== inode.uid)) return -EPERM;
  if (gid !== -1 && (creds.fsuid !== inode.uid || !(gid === inode.gid || creds.inGroup(gid)))) return -EPERM;
  return 0;
}

/** The set-ID bits that give rights: those that a write takes away from whoever is not in the group; 0 for none. */
export function privBitsToDrop(mode: number): number {
  let kill = 0;
  if ((mode & S_ISUID) !== 0) kill |= S_ISUID;
  if ((mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) kill |= S_ISGID;
  return kill;
}

/** protected_symlinks: following a link in a sticky world-writable directory needs matching owners. proc_sys_fs(5). */
export function mayFollowLink(vfs: VirtualFileSystem, dir: Inode, link: Inode, creds: Credentials): number {
  if (vfs.protectedSymlinks === 0) return 0;
  if (link.uid === creds.fsuid) return 0;
  if ((dir.mode & 0o1002) !== 0o1002) return 0;
  return dir.uid === link.uid ? 0 : -EACCES;
}

/** protected_hardlinks: who does not own a file links it only if it is regular, not set-id, and readable and writable. */
export function mayLink(vfs: VirtualFileSystem, inode: Inode, creds: Credentials): number {
  if (vfs.protectedHardlinks === 0 || isOwnerOrCapable(inode, creds)) return 0;
  const mode = inode.mode;
  if ((mode & S_IFMT) !== S_IFREG || privBitsToDrop(mode) !== 0) return -EPERM;
  return inode.permission(creds, MAY_READ | MAY_WRITE) < 0 ? -EPERM : 0;
}

/** protected_fifos/_regular: O_CREAT opens of other people's files in sticky directories. 0 or -EACCES. */
export function mayCreateInSticky(vfs: VirtualFileSystem, dir: Inode, inode: Inode, creds: Credentials): number {
  const type = inode.mode & S_IFMT;
  const level = type === S_IFIFO ? vfs.protectedFifos : type === S_IFREG ? vfs.protectedRegular : 0;
  if (level === 0 || (dir.mode & S_ISVTX) === 0) return 0;
  if (inode.uid === dir.uid || inode.uid === creds.fsuid) return 0;
  if ((dir.mode & 0o002) !== 0 || ((dir.mode & 0o020) !== 0 && level >= 2)) return -EACCES;
  return 0;
}
