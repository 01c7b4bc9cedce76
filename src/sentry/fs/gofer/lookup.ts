/** Finding the entries of a directory: in what is known of it, or by a request. */
import { DT_DIR, DT_REG } from "../../../abi/dirent.ts";
import { ENOENT } from "../../../abi/errno.ts";
import { S_IFDIR, S_IFMT } from "../../../abi/stat.ts";
import type { Inode } from "../../vfs/inode.ts";
import { turn } from "../../vfs/turn.ts";
import type { DirListing } from "./directory.ts";
import { NAMES_MASK } from "./events.ts";
import type { DirWatch } from "./events.ts";
import type { GoferInode } from "./inode.ts";
import { readWithNeighbours } from "./read-ahead.ts";

const oneName: string[] = [""];
/** Attributes that a shared directory was read with are used for so long. */
const LISTED_NS = 1_000_000_000;
/** How many entries of a directory are worth reading when one was asked for; and bytes of a directory for each. */
const ENTRIES_PER_MISS = 64;
const BYTES_PER_ENTRY = 16;

/** The inode for the i-th file of the client's last walk, found under `name` in `dir`. */
function walked(dir: GoferInode, i: number, name: string): GoferInode {
  const { client } = dir.gofer;
  const inode = dir.gofer.inodeOf(client.walkAttrs[i]!, dir, name);
  inode.adoptFid(client.walkFids[i]!);
  if (dir.listing !== null) dir.listing.lookedUp(name);
  return inode;
}

function takeTarget(inode: GoferInode): void {
  const { walkTarget } = inode.gofer.client;
  if (walkTarget !== "" && inode.isSymlink) inode.target = walkTarget;
}

/** Prepares a lookup in a shared directory: who asks for many names one by one had better have it read whole. */
function prepareLookup(dir: GoferInode, name: string): void {
  const watch = dir.ensureWatch(NAMES_MASK);
  if (watch === null) {
    dir.hasNames = true;
    return;
  }
  watch.confirm(name);
  if (dir.listing !== null) return;
  dir.misses++;
  if (dir.misses * ENTRIES_PER_MISS >= dir.attr.size / BYTES_PER_ENTRY) dir.readEntries();
}

/** The entry `name` is looked up in a listing without files' attributes: who asks for many of those gets all at once. */
function completeListing(dir: GoferInode, listing: DirListing, name: string): void {
  const record = listing.get(name);
  if (record === null || record.type === DT_DIR || record.at >= 0) return;
  dir.gofer.fileWanted();
  if (++dir.misses * ENTRIES_PER_MISS < listing.size) return;
  const complete = readWithNeighbours(dir);
  if (complete === null) return;
  complete.follow(listing, name);
  dir.listing = complete;
}

/** What the listing tells of `name`: an inode, -ENOENT, or null when its attributes are not known. */
function lookupListed(dir: GoferInode, listing: DirListing, name: string): GoferInode | number | null {
  const record = listing.get(name);
  if (record === null) return -ENOENT;
  const { gofer } = dir;
  const { scratch } = gofer;
  const ahead = listing.takeAhead(record);
  if (gofer.isShared && record.type === DT_REG && !listing.isRecent(LISTED_NS)) record.at = -1;
  if (!listing.takeAttr(record, scratch)) return null;
  // Attributes of a file with several names may have been changed through another one.
  if (scratch.nlink !== 1 && (scratch.mode & S_IFMT) !== S_IFDIR) return null;
  if (record.type !== DT_DIR) gofer.fileWanted();
  const known = gofer.find(scratch);
  if (known !== undefined) return known;
  const inode = gofer.addInode(scratch, dir, name);
  inode.listing = ahead;
  // What happens inside of a directory is not told where it is listed.
  if (inode.isDir) inode.readAt = -1;
  return inode;
}

/** Inode.lookup of `dir`. */
export function lookup(dir: GoferInode, name: string): Inode | number {
  if (dir.gofer.isShared) prepareLookup(dir, name);
  if (dir.listing !== null && dir.listing.isBare) completeListing(dir, dir.listing, name);
  if (dir.listing !== null) {
    const listed = lookupListed(dir, dir.listing, name);
    if (listed !== null) return listed;
  }
  const fid = dir.getFid();
  if (fid < 0) return fid;
  const { client } = dir.gofer;
  oneName[0] = name;
  const found = client.walk(fid, oneName, 1, true);
  if (found < 0) return found;
  if (found === 0) return -client.walkStatus;
  const inode = walked(dir, 0, name);
  takeTarget(inode);
  return inode;
}

/** Inode.walkAhead of `dir`. */
export function walkAhead(dir: GoferInode, names: readonly string[], count: number, out: (Inode | null)[]): number {
  // A directory that has been read whole answers by itself. A shared one is watched before anything in it is believed.
  if (dir.listing !== null || (dir.gofer.isShared && dir.ensureWatch(NAMES_MASK) !== null)) return 0;
  dir.hasNames = true;
  const fid = dir.getFid();
  if (fid < 0) return fid;
  const { client } = dir.gofer;
  const found = client.walk(fid, names, count, true);
  if (found < 0) return found;
  if (found === 0) {
    if (client.walkStatus !== ENOENT) return -client.walkStatus;
    out[0] = null;
    return 1;
  }
  let last = dir;
  for (let i = 0; i < found; i++) {
    last = walked(last, i, names[i]!);
    out[i] = last;
  }
  takeTarget(last);
  if (found < count && client.walkStatus === ENOENT && last.isDir) {
    out[found] = null;
    return found + 1;
  }
  return found;
}

/** Inode.revalidate of `dir`. */
export function revalidate(dir: GoferInode, name: string, cached: Inode | null): boolean {
  const node = cached as GoferInode | null;
  const watch = dir.ensureWatch(NAMES_MASK);
  if (watch !== null) {
    if (watch.isCertain(name)) {
      if (node === null) return true;
      if (!node.isAnchored) node.anchor(dir, name);
      if (isEntryCurrent(watch, name, node)) return true;
    }
    watch.confirm(name);
  }
  const fid = dir.getFid();
  if (fid < 0) return false;
  const { client } = dir.gofer;
  oneName[0] = name;
  const found = client.walk(fid, oneName, 1, true);
  if (found <= 0) return found === 0 && client.walkStatus === ENOENT && node === null;
  const attr = client.walkAttrs[0]!;
  if (node === null || !node.isSameFile(attr)) {
    if (dir.gofer.isShared) dir.listing = null;
    client.clunk(client.walkFids[0]!);
    return false;
  }
  node.anchor(dir, name);
  node.setStat(attr);
  node.target = null;
  takeTarget(node);
  node.adoptFid(client.walkFids[0]!);
  return true;
}

/** Makes mode and owner of an entry current, which is certainly the one of this name. False: ask for it. */
function isEntryCurrent(watch: DirWatch, name: string, node: GoferInode): boolean {
  if (watch.takeChanged(name) || (node.attr.nlink > 1 && !node.isDir && node.readAt !== turn.now)) {
    return node.refresh() === 0;
  }
  return true;
}
