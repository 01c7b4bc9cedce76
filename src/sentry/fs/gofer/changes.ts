/** Changes of directories: names that come, go and move. */
import { EIO, EPERM } from "../../../abi/errno.ts";
import { O_RDWR, RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO } from "../../../abi/inotify.ts";
import { NOFID } from "../../../p9/wire/constants.ts";
import type { Inode } from "../../vfs/inode.ts";
import { DirListing } from "./directory.ts";
import { GoferHandle } from "./handle.ts";
import type { GoferInode } from "./inode.ts";

/** An inode of the same tree, or null. */
function sameTree(dir: GoferInode, inode: Inode | null): GoferInode | null {
  return inode !== null && inode.fs === dir.fs ? (inode as GoferInode) : null;
}

/** An entry appeared, of which the host tells with `event` (0: never mind). */
function added(dir: GoferInode, name: string, inode: GoferInode, event: number): GoferInode {
  dir.isStale = true;
  if (dir.watch !== null && event !== 0) dir.gofer.events!.expect(dir.watch, event, name);
  if (dir.listing !== null) dir.listing.put(name, inode);
  return inode;
}

function removed(dir: GoferInode, name: string, event: number): void {
  dir.isStale = true;
  if (dir.watch !== null && event !== 0) dir.gofer.events!.expect(dir.watch, event, name);
  if (dir.listing !== null) dir.listing.remove(name);
}

/** Inode.create of `dir`. */
export function create(dir: GoferInode, name: string, mode: number, uid: number, gid: number): Inode | number {
  const fid = dir.getFid();
  if (fid < 0) return fid;
  const { client, scratch, host, keeper } = dir.gofer;
  const fd = client.createFd(fid, name, O_RDWR, mode, uid, gid, false, scratch);
  if (fd < 0) return fd;
  const inode = dir.gofer.inodeOf(scratch, dir, name);
  inode.closeHandles();
  inode.writer = new GoferHandle(host, keeper, fd, true);
  return added(dir, name, inode, IN_CREATE);
}

/** Inode.mkdir, symlink and mknod of `dir`, by the type bits of mode. */
export function make(
  dir: GoferInode,
  name: string,
  mode: number,
  uid: number,
  gid: number,
  rdev: number,
  target: string,
): Inode | number {
  const fid = dir.getFid();
  if (fid < 0) return fid;
  const { client, scratch } = dir.gofer;
  const err = client.make(fid, name, mode, uid, gid, rdev, target, scratch);
  if (err < 0) return err;
  const inode = dir.gofer.inodeOf(scratch, dir, name);
  inode.adoptFid(client.newFid);
  if (inode.isSymlink) inode.target = target;
  // A new directory is empty: what is not made in it does not exist.
  if (inode.isDir && !dir.gofer.isShared) inode.listing = new DirListing(dir.gofer, true);
  return added(dir, name, inode, IN_CREATE);
}

/** Inode.link of `dir`. */
export function link(dir: GoferInode, name: string, target: Inode): number {
  const node = sameTree(dir, target);
  if (node === null) return -EPERM;
  const dirFid = dir.getFid();
  if (dirFid < 0) return dirFid;
  const fid = node.getFid();
  if (fid < 0) return fid;
  const { client, scratch } = dir.gofer;
  const err = client.link(dirFid, fid, name, scratch);
  if (err < 0) return err;
  node.setStat(scratch);
  node.anchor(dir, name);
  added(dir, name, node, IN_CREATE);
  return 0;
}

/** Inode.unlink of `dir`; with AT_REMOVEDIR, rmdir. */
export function remove(dir: GoferInode, name: string, inode: Inode, flags: number): number {
  const dirFid = dir.getFid();
  if (dirFid < 0) return dirFid;
  const victim = sameTree(dir, inode);
  if (victim === null) return -EIO;
  const held = victim.holdForUnlink();
  if (held < 0) return held;
  let fid: number = NOFID;
  if (victim.users === 0 && (victim.isDir || victim.attr.nlink <= 1)) fid = victim.releaseForUnlink();
  const err = dir.gofer.client.unlink(dirFid, name, flags, fid);
  if (err < 0) return err;
  removed(dir, name, IN_DELETE);
  victim.lostName(dir, name);
  return 0;
}

/** Inode.rename of `dir`. */
export function rename(
  dir: GoferInode,
  name: string,
  child: Inode,
  newDir: Inode,
  newName: string,
  replaced: Inode | null,
  flags: number,
): number {
  const to = sameTree(dir, newDir);
  const node = sameTree(dir, child);
  if (to === null || node === null) return -EIO;
  const oldFid = dir.getFid();
  if (oldFid < 0) return oldFid;
  const newFid = to.getFid();
  if (newFid < 0) return newFid;
  const victim = sameTree(dir, replaced);
  const isExchange = (flags & RENAME_EXCHANGE) !== 0;
  if (victim !== null && !isExchange) {
    const held = victim.holdForUnlink();
    if (held < 0) return held;
  }
  const { client, scratch } = dir.gofer;
  const err = client.rename(oldFid, name, newFid, newName, flags, scratch);
  if (err < 0) return err;
  if (victim !== null && !isExchange) victim.lostName(to, newName);
  removed(dir, name, isExchange ? 0 : IN_MOVED_FROM);
  added(to, newName, node, isExchange ? 0 : IN_MOVED_TO);
  node.anchor(to, newName);
  if (node.isSameFile(scratch)) node.setStat(scratch);
  else {
    // The host may have merged its event with that of somebody else's rename to the same name.
    if (to.watch !== null) to.watch.suspect(newName);
    node.isStale = true;
  }
  if (victim !== null && isExchange) {
    added(dir, name, victim, 0);
    victim.anchor(dir, name);
    victim.isStale = true;
  }
  return 0;
}
