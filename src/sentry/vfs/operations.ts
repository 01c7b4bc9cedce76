/** Operations on directory entries: mkdir, mknod, symlink, link, unlink, rmdir, rename, readlink (their *at(2) pages). */
import { CAP_DAC_READ_SEARCH, CAP_MKNOD } from "../../abi/capability.ts";
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
  ENAMETOOLONG,
} from "../../abi/errno.ts";
import { AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE } from "../../abi/fcntl.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import {
  S_IALLUGO,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISVTX,
  S_IRWXG,
  S_IRWXO,
  S_IRWXU,
} from "../../abi/stat.ts";
import type { Dentry } from "./dentry.ts";
import { MAY_WRITE } from "./inode.ts";
import type { Inode } from "./inode.ts";
import { insertNew } from "./open.ts";
import { notifyLinked, notifyMoved, notifyUnlinked, watching } from "./notify.ts";
import { VfsPath } from "./path.ts";
import type { PathContext } from "./path.ts";
import { mayChange, mayCreate, mayDelete, mayLink, newGid, newMode } from "./permission.ts";
import { WALK_EMPTY, WALK_FOLLOW, WALK_PARENT, lookupChild, walk, walked } from "./walk.ts";

const PERM_STICKY = S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX;

/** "", "." and "..": not names that can be made or removed. */
function isSpecial(name: string): boolean {
  return name === "" || name === "." || name === "..";
}

/**
 * Prepares making an entry: walks to the directory, refuses existing names. 0, `walked` holding directory and name, or
 * -errno.
 */
function prepareCreate(ctx: PathContext, start: VfsPath | null, path: string, isDir: boolean): number {
  const r = walk(ctx, start, path, WALK_PARENT);
  if (r < 0) return r;
  const name = walked.name;
  if (isSpecial(name)) return -EEXIST;
  const d = walked.dentry!;
  const child = lookupChild(ctx, d, name, "", 0);
  if (typeof child !== "number") return -EEXIST;
  if (child !== -ENOENT) return child;
  if ((!isDir && walked.trailing) || d.inode!.refusesNames) return -ENOENT;
  const ro = mayChange(walked.mount!);
  if (ro < 0) return ro;
  return mayCreate(d, ctx.creds);
}

/** mkdirat(2). `mode` before the umask. */
export function mkdirAt(ctx: PathContext, start: VfsPath | null, path: string, mode: number): number {
  const r = prepareCreate(ctx, start, path, true);
  if (r < 0) return r;
  const d = walked.dentry!;
  const dir = d.inode!;
  const creds = ctx.creds;
  const perm = newMode(dir, S_IFDIR | (mode & PERM_STICKY & ~ctx.umask), creds) & S_IALLUGO;
  const inode = dir.mkdir(walked.name, perm, creds.fsuid, newGid(dir, creds));
  if (typeof inode === "number") return inode;
  insertNew(d, walked.name, inode);
  return 0;
}

/** What mknod(2) says about the file type in `mode`, before it looks at the path: 0, -EPERM (a directory) or -EINVAL. */
export function checkNodeType(mode: number): number {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  if (type === 0 || type === S_IFREG || type === S_IFCHR || type === S_IFBLK || type === S_IFIFO) return 0;
  return type === S_IFSOCK ? 0 : -EINVAL;
}

/** mknodat(2). `mode` with type, before the umask; type 0 means a regular file. */
export function mknodAt(ctx: PathContext, start: VfsPath | null, path: string, mode: number, dev: number): number {
  const creds = ctx.creds;
  const wrong = checkNodeType(mode);
  if (wrong < 0) return wrong;
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  const r = prepareCreate(ctx, start, path, false);
  if (r < 0) return r;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  // 0,0 character devices are overlayfs whiteouts: anybody may make them.
  if (isDevice && !(type === S_IFCHR && dev === 0) && !creds.hasCap(CAP_MKNOD)) return -EPERM;
  const d = walked.dentry!;
  const dir = d.inode!;
  const perm = newMode(dir, type | (mode & S_IALLUGO & ~ctx.umask), creds) & S_IALLUGO;
  const gid = newGid(dir, creds);
  const inode =
    type === S_IFREG
      ? dir.create(walked.name, perm, creds.fsuid, gid)
      : dir.mknod(walked.name, type | perm, isDevice ? dev : 0, creds.fsuid, gid);
  if (typeof inode === "number") return inode;
  insertNew(d, walked.name, inode);
  return 0;
}

/** Makes a socket node and returns its inode (bind(2) on AF_UNIX); -errno (EEXIST: the caller says EADDRINUSE). */
export function mknodSocket(ctx: PathContext, path: string, mode: number): VfsPath | number {
  const r = mknodAt(ctx, null, path, S_IFSOCK | (mode & S_IALLUGO), 0);
  if (r < 0) return r;
  const w = walk(ctx, null, path, 0);
  return w < 0 ? w : new VfsPath(walked.mount!, walked.dentry!);
}

/** symlinkat(2). */
export function symlinkAt(ctx: PathContext, target: string, start: VfsPath | null, path: string): number {
  if (target.length === 0) return -ENOENT;
  if (target.length >= PATH_MAX) return -ENAMETOOLONG;
  const r = prepareCreate(ctx, start, path, false);
  if (r < 0) return r;
  const d = walked.dentry!;
  const dir = d.inode!;
  const creds = ctx.creds;
  const inode = dir.symlink(walked.name, target, creds.fsuid, newGid(dir, creds));
  if (typeof inode === "number") return inode;
  insertNew(d, walked.name, inode);
  return 0;
}

/** linkat(2). flags: AT_SYMLINK_FOLLOW, AT_EMPTY_PATH. */
export function linkAt(
  ctx: PathContext,
  oldStart: VfsPath | null,
  oldPath: string,
  newStart: VfsPath | null,
  newPath: string,
  flags: number,
): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if ((flags & AT_EMPTY_PATH) !== 0 && oldPath === "" && !ctx.creds.hasCap(CAP_DAC_READ_SEARCH)) return -ENOENT;
  let walkFlags = (flags & AT_EMPTY_PATH) !== 0 ? WALK_EMPTY : 0;
  if ((flags & AT_SYMLINK_FOLLOW) !== 0) walkFlags |= WALK_FOLLOW;
  let r = walk(ctx, oldStart, oldPath, walkFlags);
  if (r < 0) return r;
  const oldMount = walked.mount!;
  const oldDentry = walked.dentry!;
  const inode = oldDentry.inode!;
  r = prepareLink(ctx, newStart, newPath);
  if (r < 0) return r;
  r = mayChange(walked.mount!);
  if (r < 0) return r;
  if (walked.mount !== oldMount) return -EXDEV;
  r = mayLink(ctx.vfs, inode, ctx.creds);
  if (r < 0) return r;
  const d = walked.dentry!;
  r = mayCreate(d, ctx.creds);
  if (r < 0) return r;
  if (inode.fs !== d.fs) return -EXDEV;
  if (inode.isDir) return -EPERM;
  r = d.inode!.link(walked.name, inode);
  if (r < 0) return r;
  inode.linkable = false;
  if (watching.count !== 0) notifyLinked(inode);
  insertNew(d, walked.name, inode);
  return 0;
}

/** The part of prepareCreate that linkat does before it compares mounts. */
function prepareLink(ctx: PathContext, start: VfsPath | null, path: string): number {
  const r = walk(ctx, start, path, WALK_PARENT);
  if (r < 0) return r;
  if (isSpecial(walked.name)) return -EEXIST;
  const child = lookupChild(ctx, walked.dentry!, walked.name, "", 0);
  if (typeof child !== "number") return -EEXIST;
  if (child !== -ENOENT) return child;
  return walked.trailing || walked.dentry!.inode!.refusesNames ? -ENOENT : 0;
}

/** Marks a dentry's name as gone and forgets it. */
function forget(d: Dentry): void {
  d.deleted = true;
  d.drop();
}

/** unlinkat(2) without AT_REMOVEDIR. */
export function unlinkAt(ctx: PathContext, start: VfsPath | null, path: string): number {
  let r = walk(ctx, start, path, WALK_PARENT);
  if (r < 0) return r;
  const name = walked.name;
  if (isSpecial(name)) return -EISDIR;
  const d = walked.dentry!;
  r = mayChange(walked.mount!);
  if (r < 0) return r;
  const child = lookupChild(ctx, d, name, "", 0);
  if (typeof child === "number") return child;
  const inode = child.inode!;
  if (walked.trailing) return inode.isDir ? -EISDIR : -ENOTDIR;
  r = mayDelete(d, inode, false, ctx.creds);
  if (r < 0) return r;
  if (child.mountCount > 0) return -EBUSY;
  r = d.inode!.unlink(name, inode);
  if (r < 0) return r;
  forget(child);
  if (watching.count !== 0) notifyUnlinked(d.inode!, name, child);
  return 0;
}

/** rmdir(2), unlinkat(2) with AT_REMOVEDIR. */
export function rmdirAt(ctx: PathContext, start: VfsPath | null, path: string): number {
  let r = walk(ctx, start, path, WALK_PARENT);
  if (r < 0) return r;
  const name = walked.name;
  if (name === "..") return -ENOTEMPTY;
  if (name === ".") return -EINVAL;
  if (name === "") return -EBUSY;
  const d = walked.dentry!;
  r = mayChange(walked.mount!);
  if (r < 0) return r;
  const child = lookupChild(ctx, d, name, "", 0);
  if (typeof child === "number") return child;
  const inode = child.inode!;
  r = mayDelete(d, inode, true, ctx.creds);
  if (r < 0) return r;
  if (child.mountCount > 0) return -EBUSY;
  r = d.inode!.rmdir(name, inode);
  if (r < 0) return r;
  dropChildren(child);
  forget(child);
  if (watching.count !== 0) notifyUnlinked(d.inode!, name, child);
  return 0;
}

/** Negative entries below a removed directory go with it. */
function dropChildren(d: Dentry): void {
  const children = d.children;
  if (children === null) return;
  for (const c of children.values()) c.drop();
}

/** Whether `a` is `d` or above it in the same file system. */
function isAncestor(a: Dentry, d: Dentry): boolean {
  for (let x: Dentry | null = d; x !== null; x = x.parent) if (x === a) return true;
  return false;
}

/** renameat2(2). */
export function renameAt2(
  ctx: PathContext,
  oldStart: VfsPath | null,
  oldPath: string,
  newStart: VfsPath | null,
  newPath: string,
  flags: number,
): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) return -EINVAL;
  if (flags === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  let r = walk(ctx, oldStart, oldPath, WALK_PARENT);
  if (r < 0) return r;
  const oldMount = walked.mount!;
  const oldDir = walked.dentry!;
  const oldName = walked.name;
  const oldTrailing = walked.trailing;
  r = walk(ctx, newStart, newPath, WALK_PARENT);
  if (r < 0) return r;
  const newDir = walked.dentry!;
  const newName = walked.name;
  const newTrailing = walked.trailing;
  if (walked.mount !== oldMount) return -EXDEV;
  if (isSpecial(oldName)) return -EBUSY;
  if (isSpecial(newName)) return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  r = mayChange(oldMount);
  if (r < 0) return r;
  const source = lookupChild(ctx, oldDir, oldName, "", 0);
  if (typeof source === "number") return source;
  const found = lookupChild(ctx, newDir, newName, "", 0);
  if (typeof found === "number" && found !== -ENOENT) return found;
  const target: Dentry | null = typeof found === "number" ? null : found;
  if (target === null && newDir.inode!.refusesNames) return -ENOENT;
  if ((flags & RENAME_NOREPLACE) !== 0 && target !== null) return -EEXIST;
  if (exchange && target === null) return -ENOENT;
  const inode = source.inode!;
  const replaced: Inode | null = target === null ? null : target.inode;
  const sourceIsDir = inode.isDir;
  if (exchange && newTrailing && !replaced!.isDir) return -ENOTDIR;
  if (!sourceIsDir && (oldTrailing || (!exchange && newTrailing))) return -ENOTDIR;
  if (isAncestor(source, newDir)) return -EINVAL;
  if (target !== null && isAncestor(target, oldDir)) return exchange ? -EINVAL : -ENOTEMPTY;
  if (inode === replaced) return 0;
  const creds = ctx.creds;
  r = mayDelete(oldDir, inode, sourceIsDir, creds);
  if (r < 0) return r;
  r =
    replaced === null
      ? mayCreate(newDir, creds)
      : mayDelete(newDir, replaced, exchange ? replaced.isDir : sourceIsDir, creds);
  if (r < 0) return r;
  if (oldDir !== newDir) {
    // Its ".." changes.
    if (sourceIsDir) {
      r = inode.permission(creds, MAY_WRITE);
      if (r < 0) return r;
    }
    if (exchange && replaced!.isDir) {
      r = replaced!.permission(creds, MAY_WRITE);
      if (r < 0) return r;
    }
  }
  if (source.mountCount > 0 || (target !== null && target.mountCount > 0)) return -EBUSY;
  r = oldDir.inode!.rename(oldName, inode, newDir.inode!, newName, replaced, flags & RENAME_EXCHANGE);
  if (r < 0) return r;
  moveDentry(source, target, oldDir, oldName, newDir, newName, exchange);
  if (watching.count !== 0) {
    notifyMoved(oldDir.inode!, oldName, newDir.inode!, newName, inode, exchange ? null : target);
    if (exchange) notifyMoved(newDir.inode!, newName, oldDir.inode!, oldName, replaced!, null);
  }
  return 0;
}

/** Makes the cache say what the file system now says. */
function moveDentry(
  source: Dentry,
  target: Dentry | null,
  oldDir: Dentry,
  oldName: string,
  newDir: Dentry,
  newName: string,
  exchange: boolean,
): void {
  if (target !== null) {
    if (exchange) {
      target.unhash();
    } else {
      dropChildren(target);
      forget(target);
    }
  }
  source.move(newDir, newName);
  if (exchange) target!.move(oldDir, oldName);
}

/** readlinkat(2): the target, or -errno (EINVAL: not a link). An empty path reads the link `start` itself is. */
export function readlinkAt(ctx: PathContext, start: VfsPath | null, path: string): string | number {
  const empty = path === "";
  const r = walk(ctx, start, path, start !== null ? WALK_EMPTY : 0);
  if (r < 0) return r;
  const inode = walked.dentry!.inode!;
  if (!inode.isSymlink) return empty ? -ENOENT : -EINVAL;
  walked.mount!.accessed(inode);
  return inode.readlink(ctx);
}
