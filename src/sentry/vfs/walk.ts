/**
 * Path resolution, path_resolution(7).
 *
 * The walker leaves its result in {@link walked} (no allocation per walk): take what you need before the next walk.
 */
import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from "../../abi/errno.ts";
import {
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../abi/fcntl.ts";
import { MAXSYMLINKS, NAME_MAX, PATH_MAX } from "../../abi/limits.ts";
import { MS_NOSYMFOLLOW } from "../../abi/mount.ts";
import { S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import { Dentry } from "./dentry.ts";
import { MAY_EXEC } from "./inode.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { VfsPath } from "./path.ts";
import type { PathContext } from "./path.ts";
import { mayFollowLink } from "./permission.ts";

/** Follow a symbolic link in the last component. */
export const WALK_FOLLOW = 1;
/** Stop before the last component: `walked` is its directory, `walked.name` the component. */
export const WALK_PARENT = 2;
/** The result must be a directory. */
export const WALK_DIRECTORY = 4;
/** An empty path means the start itself (AT_EMPTY_PATH). */
export const WALK_EMPTY = 8;
/** The walk goes on after one that was {@link Walked.rooted}. */
export const WALK_ROOTED = 16;
/** openat2's RESOLVE_* bits are given shifted by this. */
export const WALK_RESOLVE_SHIFT = 8;

const SLASH = 47;
const DOT = 46;

/** A path taken apart: for each component its name, where it ends, and where the next one begins. */
class PathParts {
  readonly path: string;
  readonly names: readonly string[];
  readonly ends: readonly number[];
  readonly nexts: readonly number[];
  /** The path up to its last component. */
  readonly directory: string;
  /** From which component on nobody has looked for the names yet: strings without a hash. */
  newFrom: number;

  constructor(path: string, count: number, newFrom: number) {
    this.path = path;
    this.newFrom = newFrom;
    this.names = partNames.slice(0, count);
    this.ends = partEnds.slice(0, count);
    this.nexts = partNexts.slice(0, count);
    this.directory = count < 2 ? "" : path.slice(0, this.nexts[count - 2]!);
  }
}

/** What {@link takeApart} has found. */
const partNames: string[] = [];
const partEnds: number[] = [];
const partNexts: number[] = [];

/** Paths that were asked for lately, and the last one; names in here have their hashes. */
const KNOWN_PATHS = 512;
const KNOWN_LENGTH = 128;
let lastParts: PathParts = new PathParts("", 0, 0);
const knownParts: PathParts[] = Array.from({ length: KNOWN_PATHS }, () => lastParts);

/** Which of the known paths this one would be: paths that differ, do so at their ends. */
function slotOf(path: string, n: number): number {
  if (n < 4) return n;
  const end = path.charCodeAt(n - 1) + 5 * path.charCodeAt(n - 2) + 25 * path.charCodeAt(n - 3);
  return (end + 125 * path.charCodeAt(n >> 1) + 7 * n) & (KNOWN_PATHS - 1);
}

function partsOf(path: string): PathParts {
  const n = path.length;
  const slot = slotOf(path, n);
  const known = knownParts[slot]!;
  if (known.path === path) {
    known.newFrom = KNOWN_LENGTH;
    return known;
  }
  const parts = takeApart(path, n);
  if (n <= KNOWN_LENGTH) {
    knownParts[slot] = parts;
    lastParts = parts;
  }
  return parts;
}

function takeApart(path: string, n: number): PathParts {
  let count = 0;
  let i = 0;
  const { directory } = lastParts;
  if (directory !== "" && path.startsWith(directory)) {
    // Its names are strings that have been looked up before.
    const { names, ends, nexts } = lastParts;
    for (; count < names.length - 1; count++) {
      partNames[count] = names[count]!;
      partEnds[count] = ends[count]!;
      partNexts[count] = nexts[count]!;
    }
    i = directory.length;
  }
  const newFrom = count;
  while (i < n && path.charCodeAt(i) === SLASH) i++;
  // More slashes than there were.
  if (count > 0) partNexts[count - 1] = i;
  while (i < n) {
    let j = path.indexOf("/", i);
    if (j < 0) j = n;
    partNames[count] = path.slice(i, j);
    partEnds[count] = j;
    i = j;
    while (i < n && path.charCodeAt(i) === SLASH) i++;
    partNexts[count++] = i;
  }
  return new PathParts(path, count, newFrom);
}

/** Where the last walk ended. */
export class Walked {
  mount: Mount | null = null;
  dentry: Dentry | null = null;
  /** WALK_PARENT: last component; "." or ".." as they are; "" when the path was the root. */
  name = "";
  /** WALK_PARENT: slashes follow the last component. */
  trailing = false;
  /** Links followed, so that a walk that goes on counts on. */
  links = 0;
  /**
   * It has been at the root or looked upwards, or is confined. With RESOLVE_NO_XDEV only such a walk follows absolute links: for
   * others the root is across a mount, wherever it is.
   */
  rooted = false;

  /** Lets go of the last result. */
  release(): void {
    this.mount = null;
    this.dentry = null;
  }
}

/** See {@link Walked}. */
export const walked: Walked = new Walked();

/** Resolves `path` from `start` (null: the working directory). 0, result in `walked`, or -errno. */
export function walk(ctx: PathContext, start: VfsPath | null, path: string, flags: number): number {
  const from = start === null ? ctx.cwd : start;
  if (path.length === 0) {
    if ((flags & WALK_EMPTY) === 0) return -ENOENT;
    walked.mount = from.mount;
    walked.dentry = from.dentry;
    walked.name = "";
    walked.links = 0;
    if ((flags & WALK_DIRECTORY) !== 0 && !from.dentry.inode!.isDir) return -ENOTDIR;
    return 0;
  }
  if (path.length >= PATH_MAX) return -ENAMETOOLONG;
  return walkFrom(ctx, from.mount, from.dentry, path, flags, 0, null);
}

/**
 * The walk proper, from a given place and with `links` links followed before. `base`: what openat2 confines it to, null:
 * the start.
 */
export function walkFrom(
  ctx: PathContext,
  startMount: Mount,
  startDentry: Dentry,
  fullPath: string,
  flags: number,
  links: number,
  base: VfsPath | null,
): number {
  const resolve = flags >> WALK_RESOLVE_SHIFT;
  let rootMount = ctx.root.mount;
  let rootDentry = ctx.root.dentry;
  if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) {
    rootMount = base === null ? startMount : base.mount;
    rootDentry = base === null ? startDentry : base.dentry;
  }
  let rooted = (flags & WALK_ROOTED) !== 0 || (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0;
  const creds = ctx.creds;
  let path = fullPath;
  let parts = partsOf(path);
  let n = path.length;
  let m = startMount;
  let d = startDentry;
  let at = 0;
  if (path.charCodeAt(0) === SLASH) {
    if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
    if (!rootDentry.inode!.isDir) return -ENOTDIR;
    // What the caller names may be anywhere; what a link names, not.
    if (links > 0 && (resolve & RESOLVE_NO_XDEV) !== 0 && (!rooted || rootMount !== m)) return -EXDEV;
    rooted = true;
    m = rootMount;
    d = rootDentry;
  }
  for (;;) {
    if (at >= parts.names.length) {
      // Only slashes were left.
      walked.name = "";
      walked.trailing = false;
      break;
    }
    const dir: Inode = d.inode!;
    if ((dir.mode & S_IFMT) !== S_IFDIR) return leave(m, -ENOTDIR);
    if ((dir.mode & 0o111) !== 0o111) {
      const denied = dir.permission(creds, MAY_EXEC);
      if (denied < 0) return leave(m, denied);
    }
    const name = parts.names[at]!;
    const j = parts.ends[at]!;
    const k = parts.nexts[at]!;
    const isLast = k === n;
    const len = name.length;
    if (isLast && (flags & WALK_PARENT) !== 0) {
      // How long it is, is seen when it is looked up: after what else may be wrong.
      walked.name = name;
      walked.trailing = k > j;
      break;
    }
    if (len > NAME_MAX) return leave(m, d.deleted ? -ENOENT : -ENAMETOOLONG);
    const isDot = name.charCodeAt(0) === DOT;
    if (isDot && len === 1) {
      at++;
      if (isLast) {
        walked.name = "";
        break;
      }
      continue;
    }
    if (isDot && len === 2 && name.charCodeAt(1) === DOT) {
      rooted = true;
      for (;;) {
        if (d === rootDentry && m === rootMount) {
          if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
          break;
        }
        if (d === m.root) {
          const up: Mount | null = m.parent;
          if (up === null) break;
          if ((resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
          d = m.mountpoint!;
          m = up;
          continue;
        }
        const parent: Dentry | null = d.parent;
        if (parent !== null) d = parent;
        break;
      }
      while (d.mountCount !== 0) {
        const over: Mount | null = m.childAt(d);
        if (over === null) break;
        if ((resolve & RESOLVE_NO_XDEV) !== 0) return leave(over, -EXDEV);
        m = over;
        d = over.root;
      }
      at++;
      if (isLast) {
        walked.name = "";
        break;
      }
      continue;
    }
    // To look for a new string among the cached ones costs more than to ask.
    if (at >= parts.newFrom && dir.lacks(name) && d.mountsBelow === 0) return leave(m, -ENOENT);
    const child = lookupChild(ctx, d, name, path, k);
    if (typeof child === "number") return leave(m, child);
    let cm = m;
    let cd: Dentry = child;
    while (cd.mountCount !== 0) {
      const over: Mount | null = cm.childAt(cd);
      if (over === null) break;
      if ((resolve & RESOLVE_NO_XDEV) !== 0) return leave(over, -EXDEV);
      cm = over;
      cd = over.root;
    }
    const inode: Inode = cd.inode!;
    const type = inode.mode & S_IFMT;
    if (type === S_IFLNK && (!isLast || k > j || (flags & WALK_FOLLOW) !== 0)) {
      if (++links > MAXSYMLINKS) return -ELOOP;
      if ((resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
      if (((cm.flags | cm.fs.flags) & MS_NOSYMFOLLOW) !== 0) return -ELOOP;
      if (isLast) {
        const denied = mayFollowLink(ctx.vfs, dir, inode, creds);
        if (denied < 0) return denied;
      }
      if (inode.isMagicLink && (resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
      cm.accessed(inode);
      const target: VfsPath | string | number = inode.followLink(ctx);
      if (typeof target === "number") return target;
      if (typeof target === "string") {
        if (target.length === 0) return -ENOENT;
        path = j === n ? target : target + path.slice(j);
        parts = partsOf(path);
        n = path.length;
        at = 0;
        if (target.charCodeAt(0) === SLASH) {
          if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
          if ((resolve & RESOLVE_NO_XDEV) !== 0 && (!rooted || rootMount !== m)) return -EXDEV;
          m = rootMount;
          d = rootDentry;
        }
        continue;
      }
      // A magic link: the place itself.
      if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
      if ((resolve & RESOLVE_NO_XDEV) !== 0 && target.mount !== m) return -EXDEV;
      m = target.mount;
      d = target.dentry;
      if (isLast) {
        if (k > j && !d.inode!.isDir) return -ENOTDIR;
        walked.name = "";
        break;
      }
      at++;
      continue;
    }
    m = cm;
    d = cd;
    at++;
    if (isLast) {
      if (k > j && type !== S_IFDIR) return leave(m, -ENOTDIR);
      break;
    }
  }
  if ((flags & WALK_DIRECTORY) !== 0 && (flags & WALK_PARENT) === 0 && !d.inode!.isDir) return leave(m, -ENOTDIR);
  walked.mount = m;
  walked.dentry = d;
  walked.links = links;
  walked.rooted = rooted;
  return leave(m, 0);
}

/** A walk ends in `m`, maybe with an error: `m` is used, as umount2(MNT_EXPIRE) asks. Gives `result`. */
export function leave(m: Mount, result: number): number {
  if (m.expiring !== 0) m.expiring--;
  return result;
}

const aheadNames: string[] = [];
const aheadInodes: (Inode | null)[] = [];
/** Most components asked for at once. */
const AHEAD_MAX = 16;

/**
 * The entry `name` of directory `dir`: its dentry (never a negative one), or -errno (-ENOENT). `path` from `rest` on is
 * what comes behind it, for file systems that can walk several components at once; pass "" and 0 when nothing does.
 */
export function lookupChild(ctx: PathContext, dir: Dentry, name: string, path: string, rest: number): Dentry | number {
  const inode = dir.inode!;
  const children = dir.children;
  let c: Dentry | undefined = children === null ? undefined : children.get(name);
  if (inode.dynamic) return lookupDynamic(ctx, dir, inode, name, c);
  if (c !== undefined) {
    if (!inode.needsRevalidate || c.mountCount !== 0 || inode.revalidate(name, c.inode)) {
      c.referenced = true;
      return c.inode === null ? -ENOENT : c;
    }
    c.drop();
    c = undefined;
  }
  if (dir.deleted) return -ENOENT;
  if (name.length > NAME_MAX) return -ENAMETOOLONG;
  if (rest < path.length && inode.canWalkAhead) {
    const first = walkAhead(dir, inode, name, path, rest);
    if (first !== 0) return first;
  }
  const found = inode.lookup(name, ctx);
  if (typeof found === "number") {
    if (found === -ENOENT && inode.fs.cachesNegative && !inode.lacks(name))
      dir.insert(new Dentry(dir.fs, dir, name, null));
    return found;
  }
  const child = new Dentry(dir.fs, dir, name, found);
  child.referenced = true;
  dir.insert(child);
  return child;
}

/** Directories that are asked every time: a cached dentry lives only while something is mounted on it. */
function lookupDynamic(
  ctx: PathContext,
  dir: Dentry,
  inode: Inode,
  name: string,
  c: Dentry | undefined,
): Dentry | number {
  if (c !== undefined && c.mountCount !== 0) return c;
  const found = inode.lookup(name, ctx);
  if (c !== undefined) {
    if (c.inode === found) return c;
    c.drop();
  }
  return typeof found === "number" ? found : new Dentry(dir.fs, dir, name, found);
}

/** One request for several components. The first one's dentry, -errno for it, or 0: not done. */
function walkAhead(dir: Dentry, inode: Inode, name: string, path: string, rest: number): Dentry | number {
  let count = 0;
  aheadNames[count++] = name;
  let i = rest;
  const n = path.length;
  while (i < n && count < AHEAD_MAX) {
    let j = path.indexOf("/", i);
    if (j < 0) j = n;
    const len = j - i;
    if (len > NAME_MAX) break;
    if (path.charCodeAt(i) === DOT && (len === 1 || (len === 2 && path.charCodeAt(i + 1) === DOT))) break;
    aheadNames[count++] = path.slice(i, j);
    i = j;
    while (i < n && path.charCodeAt(i) === SLASH) i++;
  }
  if (count < 2) return 0;
  const found = inode.walkAhead(aheadNames, count, aheadInodes);
  if (found <= 0) return found;
  let parent = dir;
  let first: Dentry | number = -ENOENT;
  for (let k = 0; k < found; k++) {
    const child = aheadInodes[k]!;
    aheadInodes[k] = null;
    if (child === null && !dir.fs.cachesNegative) break;
    const dentry = new Dentry(dir.fs, parent, aheadNames[k]!, child);
    dentry.referenced = true;
    parent.insert(dentry);
    if (child === null) break;
    if (k === 0) first = dentry;
    parent = dentry;
  }
  return first;
}

/** A resolved path as an object (borrowed, see VfsPath), or -errno. flags: WALK_FOLLOW, WALK_DIRECTORY, WALK_EMPTY. */
export function resolvePath(ctx: PathContext, start: VfsPath | null, path: string, flags: number): VfsPath | number {
  const r = walk(ctx, start, path, flags);
  if (r < 0) return r;
  return takeWalked(ctx, start);
}

/** The place in `walked` as a VfsPath, without a new object where there is one. */
export function takeWalked(ctx: PathContext, start: VfsPath | null): VfsPath {
  const m = walked.mount!;
  const d = walked.dentry!;
  if (start !== null && start.dentry === d && start.mount === m) return start;
  if (d === m.root) return m.rootPath;
  if (ctx.cwd.dentry === d && ctx.cwd.mount === m) return ctx.cwd;
  return new VfsPath(m, d);
}

/** Search permission on a directory given by fd (fchdir, chroot). 0 or -EACCES. */
export function mayEnter(inode: Inode, ctx: PathContext): number {
  if (!inode.isDir) return -ENOTDIR;
  return inode.permission(ctx.creds, MAY_EXEC) < 0 ? -EACCES : 0;
}
