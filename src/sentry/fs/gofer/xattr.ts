/** Extended attributes of gofer files. */
import { ENODATA, EOPNOTSUPP } from "../../../abi/errno.ts";
import { latin1 } from "../../../base/text.ts";
import { hasNoXattrs } from "./read-ahead.ts";
import type { GoferInode } from "./inode.ts";

/** Most attributes of one file that are remembered. */
const MAX_CACHED = 64;

/** The value, or -errno. */
export function getXattr(inode: GoferInode, name: string): Uint8Array | number {
  const cached = inode.xattrs?.get(name);
  if (cached !== undefined) return cached;
  if (!inode.isRegular && !inode.isDir) return -ENODATA;
  if (hasNoXattrs(inode)) return -ENODATA;
  const fid = inode.getFid();
  if (fid < 0) return fid;
  const value = inode.gofer.client.getxattr(fid, name);
  // execve(2) asks for file capabilities each time: that there are none is worth knowing.
  if (!inode.gofer.isShared && (typeof value !== "number" || value === -ENODATA || value === -EOPNOTSUPP)) {
    inode.xattrs ??= new Map();
    if (inode.xattrs.size < MAX_CACHED) inode.xattrs.set(name, value);
  }
  return value;
}

export function setXattr(inode: GoferInode, name: string, value: Uint8Array, flags: number): number {
  const fid = inode.getFid();
  return fid < 0 ? fid : changed(inode, inode.gofer.client.setxattr(fid, name, value, flags));
}

export function removeXattr(inode: GoferInode, name: string): number {
  const fid = inode.getFid();
  return fid < 0 ? fid : changed(inode, inode.gofer.client.removexattr(fid, name));
}

function changed(inode: GoferInode, result: number): number {
  inode.xattrs = null;
  const listing = inode.parent?.listing ?? null;
  if (listing !== null) listing.xattrNames = null;
  inode.isStale = true;
  return result;
}

export function listXattr(inode: GoferInode): readonly string[] | number {
  if (hasNoXattrs(inode)) return [];
  const fid = inode.getFid();
  if (fid < 0) return fid;
  const bytes = inode.gofer.client.listxattr(fid);
  if (typeof bytes === "number") return bytes === -EOPNOTSUPP ? [] : bytes;
  return latin1(bytes, 0, bytes.length).split("\0").slice(0, -1);
}
