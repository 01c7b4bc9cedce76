/** open(2), openat(2), openat2(2). */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  ETXTBSY,
  EXDEV,
} from "../../abi/errno.ts";
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  __O_TMPFILE,
} from "../../abi/fcntl.ts";
import { CAP_FSETID } from "../../abi/capability.ts";
import { IN_OPEN } from "../../abi/inotify.ts";
import { MAXSYMLINKS } from "../../abi/limits.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSYMFOLLOW } from "../../abi/mount.ts";
import {
  S_IALLUGO,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
} from "../../abi/stat.ts";
import type { Credentials } from "../auth/credentials.ts";
import { Dentry } from "./dentry.ts";
import { FMODE_PATH, FMODE_READ, FMODE_WRITE, PathFile } from "./file.ts";
import type { FileDescription } from "./file.ts";
import { ATTR_MODE, ATTR_SIZE, MAY_EXEC, MAY_READ, MAY_WRITE, SetAttr } from "./inode.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { notifyCreated, notifyFile, notifyModify, watching } from "./notify.ts";
import { VfsPath } from "./path.ts";
import type { PathContext } from "./path.ts";
import {
  isOwnerOrCapable,
  mayChange,
  mayCreate,
  mayCreateInSticky,
  mayFollowLink,
  newGid,
  newMode,
  privBitsToDrop,
} from "./permission.ts";
import {
  WALK_DIRECTORY,
  WALK_FOLLOW,
  WALK_PARENT,
  WALK_RESOLVE_SHIFT,
  WALK_ROOTED,
  leave,
  lookupChild,
  walk,
  walkFrom,
  walked,
} from "./walk.ts";

/** Flags that open consumes: F_GETFL does not show them. */
const OPEN_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

const change: SetAttr = new SetAttr();

/**
 * Opens `path` relative to `start` (null: working directory). `mode`: for O_CREAT/O_TMPFILE, before the umask.
 * `resolve`: RESOLVE_* of openat2. The result has one reference, the caller's. See FileDescription.openWait for FIFOs.
 */
export function openAt(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  flags: number,
  mode: number,
  resolve: number = 0,
): FileDescription | number {
  const how = resolve << WALK_RESOLVE_SHIFT;
  if ((flags & O_PATH) !== 0) return openPathOnly(ctx, start, path, flags, how);
  if ((flags & __O_TMPFILE) !== 0) return openTmpfile(ctx, start, path, flags, mode, how);
  if ((flags & O_CREAT) !== 0) {
    if ((flags & O_DIRECTORY) !== 0) return -EINVAL;
    return openCreate(ctx, start, path, flags, mode, how);
  }
  let walkFlags = how;
  if ((flags & O_NOFOLLOW) === 0) walkFlags |= WALK_FOLLOW;
  if ((flags & O_DIRECTORY) !== 0) walkFlags |= WALK_DIRECTORY;
  const r = walk(ctx, start, path, walkFlags);
  if (r < 0) return r;
  return openFound(ctx, walked.mount!, walked.dentry!, flags, false);
}

/** Opens an already resolved place (execve, reopening through /proc/self/fd). O_CREAT has no effect. */
export function openPath(ctx: PathContext, path: VfsPath, flags: number): FileDescription | number {
  if ((flags & O_PATH) !== 0) return finish(new PathFile(), ctx, path.mount, path.dentry, flags, FMODE_PATH);
  return openFound(ctx, path.mount, path.dentry, flags, false);
}

function openPathOnly(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  flags: number,
  how: number,
): FileDescription | number {
  const kept = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
  let walkFlags = how;
  if ((flags & O_NOFOLLOW) === 0) walkFlags |= WALK_FOLLOW;
  if ((flags & O_DIRECTORY) !== 0) walkFlags |= WALK_DIRECTORY;
  const r = walk(ctx, start, path, walkFlags);
  if (r < 0) return r;
  return finish(new PathFile(), ctx, walked.mount!, walked.dentry!, kept, FMODE_PATH);
}

function openTmpfile(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  flags: number,
  mode: number,
  how: number,
): FileDescription | number {
  if ((flags & O_TMPFILE) !== O_TMPFILE || (flags & O_CREAT) !== 0) return -EINVAL;
  if ((flags & O_ACCMODE) === 0) return -EINVAL;
  const follow = (flags & O_NOFOLLOW) === 0 ? WALK_FOLLOW : 0;
  const r = walk(ctx, start, path, how | follow | WALK_DIRECTORY);
  if (r < 0) return r;
  const m = walked.mount!;
  const d = walked.dentry!;
  const dir = d.inode!;
  const ro = mayChange(m);
  if (ro < 0) return ro;
  const denied = dir.permission(ctx.creds, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  const creds = ctx.creds;
  const perm = newMode(dir, S_IFREG | (mode & S_IALLUGO & ~ctx.umask), creds) & S_IALLUGO;
  const inode = dir.tmpfile(perm, creds.fsuid, newGid(dir, creds));
  if (typeof inode === "number") return inode;
  inode.linkable = (flags & O_EXCL) === 0;
  const dentry = new Dentry(d.fs, d, `#${inode.ino}`, inode);
  dentry.deleted = true;
  const file = openFound(ctx, m, dentry, flags & ~(O_DIRECTORY | __O_TMPFILE | O_TRUNC), true);
  // The dentry is not cached: only the file holds the inode from here on.
  if (typeof file === "number") inode.decDentry();
  else {
    dentry.holdParent();
    file.statusFlags |= flags & O_TMPFILE;
  }
  return file;
}

function openCreate(
  ctx: PathContext,
  start: VfsPath | null,
  path: string,
  flags: number,
  mode: number,
  how: number,
): FileDescription | number {
  const resolve = how >> WALK_RESOLVE_SHIFT;
  let r = walk(ctx, start, path, how | WALK_PARENT);
  for (;;) {
    if (r < 0) return r;
    const m: Mount = walked.mount!;
    const d: Dentry = walked.dentry!;
    const name: string = walked.name;
    if (name === "" || name === "." || name === "..") {
      if (name === ".." && resolve !== 0) {
        // openat2 may forbid this last step.
        r = walkFrom(ctx, m, d, name, how, walked.links, start ?? ctx.cwd);
        if (r < 0) return r;
      }
      return (flags & O_EXCL) !== 0 ? -EEXIST : -EISDIR;
    }
    if (walked.trailing) return -EISDIR;
    const dir: Inode = d.inode!;
    const child = lookupChild(ctx, d, name, "", 0);
    if (typeof child === "number") {
      if (child !== -ENOENT) return child;
      return create(ctx, m, d, dir, name, flags, mode);
    }
    let cm = m;
    let cd: Dentry = child;
    while (cd.mountCount !== 0) {
      const over: Mount | null = cm.childAt(cd);
      if (over === null) break;
      if ((resolve & RESOLVE_NO_XDEV) !== 0) return leave(over, -EXDEV);
      cm = over;
      cd = over.root;
    }
    if (cm !== m) leave(cm, 0);
    if ((flags & O_EXCL) !== 0) return -EEXIST;
    const inode: Inode = cd.inode!;
    const type = inode.mode & S_IFMT;
    if (type !== S_IFLNK) {
      if (type === S_IFDIR) return -EISDIR;
      const sticky = mayCreateInSticky(ctx.vfs, dir, inode, ctx.creds);
      if (sticky < 0) return sticky;
      return openFound(ctx, cm, cd, flags, false);
    }
    if ((flags & O_NOFOLLOW) !== 0 || (resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
    if (walked.links >= MAXSYMLINKS || ((cm.flags | cm.fs.flags) & MS_NOSYMFOLLOW) !== 0) return -ELOOP;
    const denied = mayFollowLink(ctx.vfs, dir, inode, ctx.creds);
    if (denied < 0) return denied;
    if (inode.isMagicLink && (resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
    cm.accessed(inode);
    const target: VfsPath | string | number = inode.followLink(ctx);
    if (typeof target === "number") return target;
    if (typeof target !== "string") {
      if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
      if ((resolve & RESOLVE_NO_XDEV) !== 0 && target.mount !== m) return -EXDEV;
      if (target.dentry.inode!.isDir) return -EISDIR;
      return openFound(ctx, target.mount, target.dentry, flags, false);
    }
    if (target.length === 0) return -ENOENT;
    const rooted = walked.rooted ? WALK_ROOTED : 0;
    r = walkFrom(ctx, m, d, target, how | WALK_PARENT | rooted, walked.links + 1, start ?? ctx.cwd);
  }
}

/** Makes the file and opens it: the mode does not limit this first open. */
function create(
  ctx: PathContext,
  m: Mount,
  d: Dentry,
  dir: Inode,
  name: string,
  flags: number,
  mode: number,
): FileDescription | number {
  if (dir.refusesNames) return -ENOENT;
  const ro = mayChange(m);
  if (ro < 0) return ro;
  const creds = ctx.creds;
  const denied = mayCreate(d, creds);
  if (denied < 0) return denied;
  const perm = newMode(dir, S_IFREG | (mode & S_IALLUGO & ~ctx.umask), creds) & S_IALLUGO;
  const inode = dir.create(name, perm, creds.fsuid, newGid(dir, creds));
  if (typeof inode === "number") return inode;
  const child = insertNew(d, name, inode);
  return openFound(ctx, m, child, flags & ~O_TRUNC, true);
}

/** Caches the dentry of a file just made, replacing a negative one. */
export function insertNew(dir: Dentry, name: string, inode: Inode): Dentry {
  const old = dir.children === null ? undefined : dir.children.get(name);
  if (old !== undefined) old.drop();
  const child = new Dentry(dir.fs, dir, name, inode);
  child.referenced = true;
  dir.insert(child);
  if (watching.count !== 0) notifyCreated(dir.inode!, name, inode);
  return child;
}

/** Access checks, truncation and the open itself. `created`: no permission check. */
function openFound(ctx: PathContext, m: Mount, d: Dentry, flags: number, created: boolean): FileDescription | number {
  const inode = d.inode!;
  const type = inode.mode & S_IFMT;
  const acc = flags & O_ACCMODE;
  let mask = acc === 0 ? MAY_READ : acc === 1 ? MAY_WRITE : MAY_READ | MAY_WRITE;
  let truncate = (flags & O_TRUNC) !== 0;
  if (truncate) mask |= MAY_WRITE;
  const wantsWrite = (mask & MAY_WRITE) !== 0;
  if (type === S_IFLNK) return -ELOOP;
  if (type === S_IFDIR) {
    if (wantsWrite) return -EISDIR;
  } else if ((flags & O_DIRECTORY) !== 0) {
    return -ENOTDIR;
  }
  if (type === S_IFREG || type === S_IFDIR) {
    if (wantsWrite && m.fs.readOnly) return -EROFS;
  } else {
    truncate = false;
    if ((type === S_IFCHR || type === S_IFBLK) && ((m.flags | m.fs.flags) & MS_NODEV) !== 0) return -EACCES;
  }
  if (!created) {
    const denied = inode.permission(ctx.creds, mask);
    if (denied < 0) return denied;
  }
  if ((flags & O_NOATIME) !== 0 && !isOwnerOrCapable(inode, ctx.creds)) return -EPERM;
  // Access mode 3 asks for both permissions and gives neither.
  if (type === S_IFREG && wantsWrite && (acc !== O_ACCMODE || truncate)) {
    const ro = mayChange(m);
    if (ro < 0) return ro;
    if (inode.writers < 0) return -ETXTBSY;
    if (truncate) {
      const r = truncateInode(inode, 0, ctx.creds);
      if (r < 0) return r;
    }
  }
  let file: FileDescription | number;
  if (type === S_IFREG || type === S_IFDIR || inode.opensSpecial) {
    file = inode.open(flags, ctx);
  } else if (type === S_IFIFO) {
    const opener = ctx.vfs.fifoOpener;
    file = opener === null ? -ENXIO : opener.open(inode, flags, ctx);
  } else if (type === S_IFSOCK) {
    file = -ENXIO;
  } else if (type === S_IFCHR || type === S_IFBLK) {
    file = ctx.vfs.openDevice(inode, flags, ctx);
  } else {
    file = -ENXIO;
  }
  if (typeof file === "number") return file;
  const access = acc === 0 ? FMODE_READ : acc === 1 ? FMODE_WRITE : acc === 2 ? FMODE_READ | FMODE_WRITE : 0;
  finish(file, ctx, m, d, flags & ~OPEN_ONLY, access);
  if (watching.count !== 0) {
    notifyFile(file, IN_OPEN);
    if (truncate) notifyModify(file);
  }
  return file;
}

/** Fills a fresh description in. */
function finish(
  file: FileDescription,
  ctx: PathContext,
  m: Mount,
  d: Dentry,
  statusFlags: number,
  access: number,
): FileDescription {
  // An opener may give a description that already is a file of its own (a terminal, a donated one).
  if (file.path !== null) return file;
  const path = d === m.root ? m.rootPath : new VfsPath(m, d);
  const inode = d.inode!;
  file.path = path;
  file.inode = inode;
  file.creds = ctx.creds;
  file.statusFlags = statusFlags;
  file.accessMode = access;
  path.incRef();
  inode.users++;
  if ((access & FMODE_WRITE) !== 0 && (inode.mode & S_IFMT) === S_IFREG) {
    inode.writers++;
    m.writers++;
    file.countsAsWriter = true;
  }
  return file;
}

/** The set-ID bits that a change of the file's contents by `creds` takes away. */
function setIdToDrop(inode: Inode, creds: Credentials): number {
  const { mode } = inode;
  if ((mode & (S_ISUID | S_ISGID)) === 0 || creds.hasCap(CAP_FSETID)) return 0;
  const drop = privBitsToDrop(mode);
  // S_ISGID without group execution stays for members of the group.
  return (mode & S_ISGID) !== 0 && !creds.inGroup(inode.gid) ? drop | S_ISGID : drop;
}

/**
 * Who changes the contents of a file takes its capabilities and set-ID bits away; the latter not when it (not who opened the
 * file) may keep them.
 */
export function dropPrivileges(inode: Inode, creds: Credentials): void {
  inode.dropFileCaps();
  const drop = setIdToDrop(inode, creds);
  if (drop === 0) return;
  change.mask = ATTR_MODE;
  change.mode = inode.mode & S_IALLUGO & ~drop;
  inode.setAttr(change);
}

/** Sets the size of a regular file, dropping set-ID bits as a write by `creds` does. Checks were made before. */
export function truncateInode(inode: Inode, size: number, creds: Credentials): number {
  const drop = setIdToDrop(inode, creds);
  change.mask = ATTR_SIZE;
  change.size = size;
  if (drop !== 0) {
    change.mask |= ATTR_MODE;
    change.mode = inode.mode & S_IALLUGO & ~drop;
  }
  return inode.setAttr(change);
}

/** The mount and the file allow execve(2): a regular file, not noexec, an x bit for the caller. 0 or -EACCES. */
export function mayExecute(ctx: PathContext, path: VfsPath): number {
  const inode = path.dentry.inode!;
  if (!inode.isRegular) return -EACCES;
  if (((path.mount.flags | path.mount.fs.flags) & MS_NOEXEC) !== 0) return -EACCES;
  return inode.permission(ctx.creds, MAY_EXEC);
}

/** A program starts running from it: no writers from now on, or -ETXTBSY when there are. Undone by allowWrites. */
export function denyWrites(inode: Inode): number {
  if (inode.writers > 0) return -ETXTBSY;
  inode.writers--;
  return 0;
}

/** See {@link denyWrites}. */
export function allowWrites(inode: Inode): void {
  inode.writers++;
}
