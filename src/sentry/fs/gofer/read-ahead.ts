/**
 * Reading directories in few requests. Whoever reads a second directory of one parent is walking a tree: the next ones are
 * then fetched along, with what is below them, and wait in the parent's listing until somebody looks them up. Exclusive mode only.
 */
import { EMSGSIZE } from "../../../abi/errno.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { DirsSink } from "../../../p9/client/client.ts";
import { latin1 } from "../../../base/text.ts";
import { MAX_READDIRS, MAX_WALK, NOFID, READDIRS_BARE_FILES, READDIRS_BELOW } from "../../../p9/wire/constants.ts";
import { DirListing } from "./directory.ts";
import type { DirRecord } from "./directory.ts";
import type { GoferInode } from "./inode.ts";

const names: string[] = [];
const records: DirRecord[] = [];
/** Directories fetched with one request. */
const AHEAD = 64;

/** Takes the reply: the first directory is the one that was asked for, the others are parts of `records`, or of what was read. */
class Taker implements DirsSink {
  dir: GoferInode | null = null;
  /** That of the directory's parent, which has `records`; null: none. */
  above: DirListing | null = null;
  first: DirListing | null = null;
  isBare = false;
  private current: DirListing | null = null;
  /** The last directory of each level; null: not to be had. */
  private readonly path: (DirListing | null)[] = [];

  directory(i: number, status: number, attr: Stat): void {
    const dir = this.dir!;
    const record = i === 0 ? null : records[i - 1]!;
    if (status === -EMSGSIZE && record !== null) record.isLarge = true;
    const isFound = status === 0 && (record === null ? dir.isSameFile(attr) : this.isOf(record, attr));
    this.begin(0, isFound ? new DirListing(dir.gofer, true, this.isBare) : null);
    if (record === null) this.first = this.current;
    else this.above!.keepAhead(record, this.current);
  }

  below(level: number, name: string, attr: Stat): void {
    const outer = this.path[level - 1] ?? null;
    const record = outer === null ? null : outer.get(name);
    const isFound = record !== null && isWanted(record) && this.isOf(record, attr);
    this.begin(level, isFound ? new DirListing(this.dir!.gofer, true, this.isBare) : null);
    if (isFound) outer!.keepAhead(record, this.current);
  }

  private isOf(record: DirRecord, attr: Stat): boolean {
    return this.dir!.gofer.guestIno(attr.dev, attr.ino) === record.ino;
  }

  private begin(level: number, listing: DirListing | null): void {
    this.current = listing;
    this.path.length = level;
    this.path.push(listing);
    // Who comes here is walking the tree.
    if (listing !== null && this.first !== null) listing.reads = 1;
  }

  records(buf: Uint8Array, from: number, to: number, starts: Int32Array, count: number): void {
    if (this.current !== null) this.current.records(buf, from, to, starts, count);
  }

  end(): DirListing | null {
    const { first } = this;
    this.dir = null;
    this.above = null;
    this.first = null;
    this.current = null;
    this.path.length = 0;
    return first;
  }
}

const taker = new Taker();

/** Length of the path that {@link pathTo} left in `names`. */
let pathLength = 0;

/** The nearest directory from `dir` upwards that the gofer knows; the names from there to `dir` are in `names`. Or null. */
function pathTo(dir: GoferInode): GoferInode | null {
  let base = dir;
  let depth = 0;
  while (base.fid === NOFID) {
    const { parent } = base;
    if (parent === null || !base.isAnchored || depth === MAX_WALK) return null;
    names[depth++] = base.name;
    base = parent;
  }
  for (let i = 0, k = depth - 1; i < k; i++, k--) {
    const name = names[i]!;
    names[i] = names[k]!;
    names[k] = name;
  }
  pathLength = depth;
  return base;
}

/** Directories with more entries are not searched for extended attributes as a whole: it takes some us for each. */
const XATTR_ENTRIES = 2048;

/**
 * Whether it is known that `inode` has no extended attributes. Who asks for those of a second file in a directory asks for
 * all of them: one request finds out which files have any.
 */
export function hasNoXattrs(inode: GoferInode): boolean {
  const { parent } = inode;
  if (parent === null || !inode.isAnchored || parent.gofer.isShared) return false;
  // Attributes of a file with several names may be changed through another one.
  if (!inode.isDir && inode.attr.nlink !== 1) return false;
  const listing = parent.listing;
  if (listing === null || listing.size > XATTR_ENTRIES) return false;
  if (listing.xattrNames === null) {
    if (++listing.xattrAsks < 2) return false;
    // Where that does not work, it is not tried for every file.
    listing.xattrAsks = -listing.size;
    const base = pathTo(parent);
    const found = base === null ? 0 : parent.gofer.client.xattrNames(base.fid, names, pathLength);
    if (typeof found === "number") return false;
    listing.xattrNames = new Set(latin1(found, 0, found.length).split("\0"));
  }
  return !listing.xattrNames.has(inode.name);
}

/** The entries of `dir`; null when one reply cannot have them, or anything is out of the ordinary: read it by its fid. */
export function readWithNeighbours(dir: GoferInode): DirListing | null {
  const base = pathTo(dir);
  if (base === null) return null;
  const depth = pathLength;
  let count = depth;
  const above = depth > 0 ? dir.parent!.listing : null;
  const isWalk = above !== null && ++above.reads > 1;
  if (isWalk) count = addNeighbours(dir.name, above, count);
  taker.dir = dir;
  taker.above = above;
  const { client } = dir.gofer;
  taker.isBare = !dir.gofer.readsFiles(1 + records.length);
  const flags = (taker.isBare ? READDIRS_BARE_FILES : 0) | (isWalk ? READDIRS_BELOW : 0);
  client.readdirs(base.fid, names, depth > 0 ? depth - 1 : 0, count, flags, taker);
  records.length = 0;
  return taker.end();
}

/** A directory's entry: nobody has looked it up or read it. */
function isWanted(record: DirRecord): boolean {
  return record.at >= 0 && record.ahead === null && !record.isLarge;
}

/** Adds the names of directories that nobody has looked up: those behind `name` first, then those before it. */
function addNeighbours(name: string, listing: DirListing, from: number): number {
  let count = from;
  listing.eachDirectory(name, (other, record) => {
    if (!isWanted(record)) return true;
    records.push(record);
    names[count++] = other;
    return records.length < AHEAD && count < MAX_READDIRS;
  });
  return count;
}
