/** How a file whose fid was given up is reached again: by the names of its directories and its own. */
import { ESTALE } from "../../../abi/errno.ts";
import { S_IFMT } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { MAX_WALK, NOFID } from "../../../p9/wire/constants.ts";
import type { GoferInode } from "./inode.ts";

/** Inodes without fid on the way, from the bottom, and their names, from the top. */
const chain: (GoferInode | null)[] = [];
const names: string[] = [];

/** A new fid for `inode`; or -errno (-ESTALE: see {@link accept}). */
export function walkTo(inode: GoferInode): number {
  // From the nearest directory above that has one, all in one request.
  if (!inode.isAnchored) return -ESTALE;
  let count = 1;
  chain[0] = inode;
  let base = inode.parent;
  while (base !== null && base.fid === NOFID && count < MAX_WALK) {
    if (!base.isAnchored) return -ESTALE;
    chain[count++] = base;
    base = base.parent;
  }
  if (base === null) return -ESTALE;
  if (base.fid === NOFID) {
    const fid = walkTo(base);
    return fid < 0 ? fid : walkTo(inode);
  }
  const { client } = inode.gofer;
  for (let i = 0; i < count; i++) names[i] = chain[count - 1 - i]!.name;
  const found = client.walk(base.fid, names, count);
  if (found < 0) return found;
  let err = found < count ? (client.walkStatus === 0 ? -ESTALE : -client.walkStatus) : 0;
  for (let i = 0; i < found; i++) {
    const fid = client.walkFids[i]!;
    const node = chain[count - 1 - i]!;
    chain[count - 1 - i] = null;
    if (err !== -ESTALE && accept(node, client.walkAttrs[i]!)) node.adoptFid(fid);
    else {
      err = -ESTALE;
      client.clunk(fid);
    }
  }
  return err < 0 ? err : inode.fid;
}

/**
 * Takes the attributes of the file that the inode's name leads to. False: it is another file now, although nobody else should
 * change the tree. One that nobody uses is simply replaced, as a new lookup would.
 */
export function accept(inode: GoferInode, attr: Stat): boolean {
  if (inode.isSameFile(attr)) {
    inode.setStat(attr);
    return true;
  }
  const isFree = inode.users === 0 && inode.handle === null && inode.fid === NOFID;
  if (!isFree || inode.isDir || ((inode.mode ^ attr.mode) & S_IFMT) !== 0) return false;
  const { gofer } = inode;
  gofer.forget(inode);
  inode.target = null;
  inode.xattrs = null;
  inode.ino = gofer.guestIno(attr.dev, attr.ino);
  inode.setStat(attr);
  gofer.remember(inode);
  return true;
}
