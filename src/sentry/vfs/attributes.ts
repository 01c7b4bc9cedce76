/** Attributes: stat, access, chmod, chown, utimensat, truncate, statfs, extended attributes. */
import { CAP_FSETID, CAP_SETFCAP, CAP_SYS_ADMIN, XATTR_CAPABILITY } from "../../abi/capability.ts";
import { EACCES, EINVAL, EISDIR, ENODATA, EOPNOTSUPP, EPERM, ERANGE, EROFS, ETXTBSY, E2BIG } from "../../abi/errno.ts";
import { AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, R_OK, W_OK, X_OK } from "../../abi/fcntl.ts";
import { IN_ATTRIB, IN_MODIFY } from "../../abi/inotify.ts";
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from "../../abi/limits.ts";
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  ST_NOATIME,
  ST_NODEV,
  ST_NODIRATIME,
  ST_NOEXEC,
  ST_NOSUID,
  ST_RDONLY,
  ST_RELATIME,
  ST_VALID,
} from "../../abi/mount.ts";
import {
  STATX_ATTR_MOUNT_ROOT,
  S_IALLUGO,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
  S_IXGRP,
  UTIME_NOW,
  UTIME_OMIT,
} from "../../abi/stat.ts";
import type { Stat } from "../../abi/stat.ts";
import type { StatFs } from "../../abi/statfs.ts";
import {
  XATTR_SECURITY_PREFIX,
  XATTR_SYSTEM_PREFIX,
  XATTR_TRUSTED_PREFIX,
  XATTR_USER_PREFIX,
} from "../../abi/xattr.ts";
import type { Credentials } from "../auth/credentials.ts";
import { mayBeFileCaps } from "../auth/file-caps.ts";
import { TimeValue } from "../time/clock.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_UID, MAY_READ, MAY_WRITE, SetAttr } from "./inode.ts";
import type { Inode } from "./inode.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import { attributeEvent, notifyDentry, watching } from "./notify.ts";
import { truncateInode } from "./open.ts";
import type { PathContext, VfsPath } from "./path.ts";
import { isOwnerOrCapable, mayChange, mayChown } from "./permission.ts";
import { WALK_EMPTY, WALK_FOLLOW, walk, walked } from "./walk.ts";

const attr: SetAttr = new SetAttr();
const now: TimeValue = new TimeValue();

/** Reports a change of `d` that ended with `result`, and gives that back. */
export function changed(d: Dentry, result: number, mask: number): number {
  if (watching.count !== 0 && result >= 0 && mask !== 0) notifyDentry(d, mask);
  return result;
}

/** The event of utimensat(2), 0 when it changes nothing. */
export function timesEvent(atimeNsec: number, mtimeNsec: number): number {
  const atime = atimeNsec !== UTIME_OMIT;
  const mtime = mtimeNsec !== UTIME_OMIT;
  return atime || mtime ? attributeEvent(atime, mtime) : 0;
}

function walkFlags(flags: number): number {
  let w = (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW;
  if ((flags & AT_EMPTY_PATH) !== 0) w |= WALK_EMPTY;
  return w;
}

/** newfstatat(2), statx(2): flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. Fills every field of `out`. @hot */
export function statAt(ctx: PathContext, start: VfsPath | null, path: string, flags: number, out: Stat): number {
  const r = walk(ctx, start, path, walkFlags(flags));
  if (r < 0) return r;
  const m = walked.mount!;
  const d = walked.dentry!;
  const s = d.inode!.getStat(out);
  if (s < 0) return s;
  out.mountId = m.id;
  out.attributes = d === m.root ? STATX_ATTR_MOUNT_ROOT : 0;
  return 0;
}

/** A caller with other credentials, for access(2). */
class OtherContext implements PathContext {
  readonly vfs;
  readonly root;
  readonly cwd;
  readonly creds: Credentials;
  readonly umask: number;
  readonly owner: unknown;
  constructor(ctx: PathContext, creds: Credentials) {
    this.vfs = ctx.vfs;
    this.root = ctx.root;
    this.cwd = ctx.cwd;
    this.creds = creds;
    this.umask = ctx.umask;
    this.owner = ctx.owner;
  }
}

/** Whether access(2) with real ids decides as with the effective ones. */
function isPlain(c: Credentials): boolean {
  if (c.ruid !== c.fsuid || c.rgid !== c.fsgid) return false;
  if (c.ruid === 0) return c.effectiveLo === c.permittedLo && c.effectiveHi === c.permittedHi;
  return c.effectiveLo === 0 && c.effectiveHi === 0;
}

/** faccessat2(2). mode: F_OK or R_OK|W_OK|X_OK; flags: AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
export function accessAt(
  caller: PathContext,
  start: VfsPath | null,
  path: string,
  mode: number,
  flags: number,
): number {
  if ((mode & ~(R_OK | W_OK | X_OK)) !== 0) return -EINVAL;
  const ctx =
    (flags & AT_EACCESS) !== 0 || isPlain(caller.creds) ? caller : new OtherContext(caller, caller.creds.forAccess());
  const r = walk(ctx, start, path, walkFlags(flags));
  if (r < 0) return r;
  if (mode === 0) return 0;
  const m = walked.mount!;
  const inode = walked.dentry!.inode!;
  const type = inode.mode & S_IFMT;
  if ((mode & X_OK) !== 0 && type === S_IFREG && ((m.flags | m.fs.flags) & MS_NOEXEC) !== 0) return -EACCES;
  const isPlainType = type === S_IFREG || type === S_IFDIR || type === S_IFLNK;
  if ((mode & W_OK) !== 0 && isPlainType && m.fs.readOnly) return -EROFS;
  const denied = inode.permission(ctx.creds, mode);
  if (denied < 0) return denied;
  if ((mode & W_OK) !== 0 && isPlainType && (m.flags & MS_RDONLY) !== 0) return -EROFS;
  return 0;
}

/** fchmodat2(2). */
export function chmodAt(ctx: PathContext, start: VfsPath | null, path: string, mode: number, flags: number): number {
  const r = walk(ctx, start, path, walkFlags(flags));
  if (r < 0) return r;
  const d = walked.dentry!;
  return changed(d, chmodInode(ctx, walked.mount!, d.inode!, mode), IN_ATTRIB);
}

/** fchmod(2) and the end of chmodAt. */
export function chmodInode(ctx: PathContext, mount: Mount, inode: Inode, mode: number): number {
  const ro = mayChange(mount);
  if (ro < 0) return ro;
  if (inode.isSymlink) return -EOPNOTSUPP;
  const creds = ctx.creds;
  if (!isOwnerOrCapable(inode, creds)) return -EPERM;
  let bits = mode & S_IALLUGO;
  if ((bits & S_ISGID) !== 0 && !creds.inGroup(inode.gid) && !creds.hasCap(CAP_FSETID)) bits &= ~S_ISGID;
  attr.mask = ATTR_MODE;
  attr.mode = bits;
  return inode.setAttr(attr);
}

/** fchownat(2); -1 leaves an id. */
export function chownAt(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  uid: number,
  gid: number,
  flags: number,
): number {
  const r = walk(ctx, start, path, walkFlags(flags));
  if (r < 0) return r;
  const d = walked.dentry!;
  return changed(d, chownInode(ctx, walked.mount!, d.inode!, uid, gid), ownerEvent());
}

/** The event of the latest {@link chownInode}: none when both ids stayed. */
export function ownerEvent(): number {
  return attr.mask === 0 ? 0 : IN_ATTRIB;
}

/** fchown(2) and the end of chownAt. Set-id bits of non-directories go, whoever asks (chown(2)). */
export function chownInode(ctx: PathContext, mount: Mount, inode: Inode, uid: number, gid: number): number {
  const ro = mayChange(mount);
  if (ro < 0) return ro;
  const denied = mayChown(inode, uid, gid, ctx.creds);
  if (denied < 0) return denied;
  attr.mask = 0;
  if (uid !== -1) {
    attr.mask |= ATTR_UID;
    attr.uid = uid;
  }
  if (gid !== -1) {
    attr.mask |= ATTR_GID;
    attr.gid = gid;
  }
  const mode = inode.mode;
  if ((mode & S_IFMT) !== S_IFDIR && (mode & (S_ISUID | S_ISGID)) !== 0) {
    let bits = mode & S_IALLUGO & ~S_ISUID;
    // S_ISGID without group execution once meant mandatory locking: it stays for members of the group.
    if ((mode & S_IXGRP) !== 0 || !(ctx.creds.inGroup(inode.gid) || ctx.creds.hasCap(CAP_FSETID))) bits &= ~S_ISGID;
    attr.mask |= ATTR_MODE;
    attr.mode = bits;
  }
  const r = inode.setAttr(attr);
  // Even when it stays whose it is.
  if (r === 0 && (mode & S_IFMT) !== S_IFDIR) inode.dropFileCaps();
  return r;
}

/**
 * utimensat(2). Seconds and nanoseconds; nsec may be UTIME_NOW or UTIME_OMIT. `isNull`: the times pointer was null.
 */
export function utimensAt(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  atime: number,
  atimeNsec: number,
  mtime: number,
  mtimeNsec: number,
  flags: number,
): number {
  const r = walk(ctx, start, path, walkFlags(flags));
  if (r < 0) return r;
  const d = walked.dentry!;
  const result = utimensInode(ctx, walked.mount!, d.inode!, atime, atimeNsec, mtime, mtimeNsec);
  return changed(d, result, timesEvent(atimeNsec, mtimeNsec));
}

function isNsec(n: number): boolean {
  return (n >= 0 && n < 1_000_000_000) || n === UTIME_NOW || n === UTIME_OMIT;
}

/** futimens(3) and the end of utimensAt. */
export function utimensInode(
  ctx: PathContext,
  mount: Mount,
  inode: Inode,
  atime: number,
  atimeNsec: number,
  mtime: number,
  mtimeNsec: number,
): number {
  if (!isNsec(atimeNsec) || !isNsec(mtimeNsec)) return -EINVAL;
  if (atimeNsec === UTIME_OMIT && mtimeNsec === UTIME_OMIT) return 0;
  const ro = mayChange(mount);
  if (ro < 0) return ro;
  const creds = ctx.creds;
  if (!isOwnerOrCapable(inode, creds)) {
    // "Now" for both needs write access only; anything else needs the owner.
    if (atimeNsec !== UTIME_NOW || mtimeNsec !== UTIME_NOW) return -EPERM;
    const denied = inode.permission(creds, MAY_WRITE);
    if (denied < 0) return denied;
  }
  ctx.vfs.clock.realtime(now);
  attr.mask = 0;
  if (atimeNsec !== UTIME_OMIT) {
    attr.mask |= ATTR_ATIME;
    attr.atimeSec = atimeNsec === UTIME_NOW ? now.sec : atime;
    attr.atimeNsec = atimeNsec === UTIME_NOW ? now.nsec : atimeNsec;
  }
  if (mtimeNsec !== UTIME_OMIT) {
    attr.mask |= ATTR_MTIME;
    attr.mtimeSec = mtimeNsec === UTIME_NOW ? now.sec : mtime;
    attr.mtimeNsec = mtimeNsec === UTIME_NOW ? now.nsec : mtimeNsec;
  }
  return inode.setAttr(attr);
}

/** truncate(2). The caller checked `size` >= 0 and RLIMIT_FSIZE. */
export function truncateAt(ctx: PathContext, start: VfsPath | null, path: string, size: number): number {
  const r = walk(ctx, start, path, WALK_FOLLOW);
  if (r < 0) return r;
  const m = walked.mount!;
  const d = walked.dentry!;
  const inode = d.inode!;
  if (inode.isDir) return -EISDIR;
  if (!inode.isRegular) return -EINVAL;
  const ro = mayChange(m);
  if (ro < 0) return ro;
  const denied = inode.permission(ctx.creds, MAY_WRITE);
  if (denied < 0) return denied;
  if (inode.writers < 0) return -ETXTBSY;
  return changed(d, truncateInode(inode, size, ctx.creds), IN_MODIFY);
}

/** statfs(2). */
export function statfsAt(ctx: PathContext, path: string, out: StatFs): number {
  const r = walk(ctx, null, path, WALK_FOLLOW);
  if (r < 0) return r;
  return statfsPath(walked.mount!, walked.dentry!.inode!, out);
}

/** fstatfs(2) and the end of statfsAt. */
export function statfsPath(m: Mount, inode: Inode, out: StatFs): number {
  const r = inode.statfs(out);
  if (r < 0) return r;
  const f = m.flags | m.fs.flags;
  let flags = ST_VALID;
  if ((f & MS_RDONLY) !== 0 || m.fs.readOnly) flags |= ST_RDONLY;
  if ((f & MS_NOSUID) !== 0) flags |= ST_NOSUID;
  if ((f & MS_NODEV) !== 0) flags |= ST_NODEV;
  if ((f & MS_NOEXEC) !== 0) flags |= ST_NOEXEC;
  if ((f & MS_NOATIME) !== 0) flags |= ST_NOATIME;
  if ((f & MS_NODIRATIME) !== 0) flags |= ST_NODIRATIME;
  if ((f & MS_RELATIME) !== 0) flags |= ST_RELATIME;
  out.flags = flags;
  if (out.fsidLo === 0 && out.fsidHi === 0) out.fsidLo = m.fs.dev;
  return 0;
}

// --- extended attributes, xattr(7) ---

/** Whether it belongs to no file system, so that security modules do not look at it (S_PRIVATE). */
function isPrivate(ctx: PathContext, inode: Inode): boolean {
  return inode.fs === ctx.vfs.anon;
}

/** Rights of the name space. `write`: set or remove. 0 or -errno. */
function xattrAllowed(ctx: PathContext, m: Mount, inode: Inode, name: string, write: boolean): number {
  if (name.length === 0 || name.length > XATTR_NAME_MAX) return -ERANGE;
  if (write) {
    const ro = mayChange(m);
    if (ro < 0) return ro;
  }
  const creds = ctx.creds;
  if (name.startsWith(XATTR_SECURITY_PREFIX)) {
    // Capabilities have a rule of their own, which depends on what is done: below.
    const isFree = !write || name === XATTR_CAPABILITY || isPrivate(ctx, inode);
    return isFree || creds.hasCap(CAP_SYS_ADMIN) ? 0 : -EPERM;
  }
  if (name.startsWith(XATTR_SYSTEM_PREFIX)) return -EOPNOTSUPP;
  if (name.startsWith(XATTR_TRUSTED_PREFIX)) {
    return creds.hasCap(CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
  }
  if (!name.startsWith(XATTR_USER_PREFIX)) {
    const denied = inode.permission(creds, write ? MAY_WRITE : MAY_READ);
    return denied < 0 ? denied : -EOPNOTSUPP;
  }
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return write ? -EPERM : -ENODATA;
  if (write && type === S_IFDIR && (inode.mode & S_ISVTX) !== 0 && !isOwnerOrCapable(inode, creds)) return -EPERM;
  return inode.permission(creds, write ? MAY_WRITE : MAY_READ);
}

/** -errno for a name space without a name in it, else 0. Files without attributes say that first. */
function checkName(inode: Inode, name: string): number {
  const isPrefix = name === XATTR_USER_PREFIX || name === XATTR_TRUSTED_PREFIX || name === XATTR_SECURITY_PREFIX;
  if (!isPrefix) return 0;
  return inode.getXattr(name) === -EOPNOTSUPP ? -EOPNOTSUPP : -EINVAL;
}

/** getxattr(2): the value, or -errno. The caller checks its buffer (ERANGE). */
export function getXattr(ctx: PathContext, path: VfsPath, name: string): Uint8Array | number {
  const inode = path.dentry.inode!;
  let r = xattrAllowed(ctx, path.mount, inode, name, false);
  if (r === 0) r = checkName(inode, name);
  if (r < 0) return r;
  const value = inode.getXattr(name);
  // An empty one can be set.
  return name === XATTR_CAPABILITY && typeof value !== "number" && !mayBeFileCaps(value) ? -EINVAL : value;
}

/** setxattr(2). `value` is kept. */
export function setXattr(ctx: PathContext, path: VfsPath, name: string, value: Uint8Array, flags: number): number {
  if ((flags & ~3) !== 0) return -EINVAL;
  if (value.length > XATTR_SIZE_MAX) return -E2BIG;
  if (name === XATTR_CAPABILITY && value.length > 0 && !mayBeFileCaps(value)) return -EINVAL;
  const inode = path.dentry.inode!;
  let r = xattrAllowed(ctx, path.mount, inode, name, true);
  // Without a value it says nothing.
  if (r === 0 && name === XATTR_CAPABILITY && value.length > 0 && !ctx.creds.hasCap(CAP_SETFCAP)) r = -EPERM;
  if (r === 0) r = checkName(inode, name);
  return r < 0 ? r : changed(path.dentry, inode.setXattr(name, value, flags), IN_ATTRIB);
}

/** removexattr(2). */
export function removeXattr(ctx: PathContext, path: VfsPath, name: string): number {
  const inode = path.dentry.inode!;
  let r = xattrAllowed(ctx, path.mount, inode, name, true);
  if (r === 0 && name === XATTR_CAPABILITY && !isPrivate(ctx, inode) && !ctx.creds.hasCap(CAP_SETFCAP)) r = -EPERM;
  if (r === 0) r = checkName(inode, name);
  return r < 0 ? r : changed(path.dentry, inode.removeXattr(name), IN_ATTRIB);
}

/** listxattr(2): the names the caller may see, or -errno (E2BIG). */
export function listXattr(ctx: PathContext, path: VfsPath): string[] | number {
  const all = path.dentry.inode!.listXattr();
  if (typeof all === "number") return all;
  const trusted = ctx.creds.hasCap(CAP_SYS_ADMIN);
  const out: string[] = [];
  let bytes = 0;
  for (const n of all) {
    if (!trusted && n.startsWith(XATTR_TRUSTED_PREFIX)) continue;
    out.push(n);
    bytes += n.length + 1;
  }
  return bytes > XATTR_LIST_MAX ? -E2BIG : out;
}
