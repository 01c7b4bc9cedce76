/** Requests that change directories: make, link, rename, unlink. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import * as f from "../../abi/fcntl.ts";
import * as m from "../../abi/stat.ts";
import { QidOnly } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import { Tmakeat, Trename2, Tunlinkx } from "../wire/extension.ts";
import { Tlink, Tmkdir, Tmknod, Trename, Trenameat, Tsymlink, Tunlinkat } from "../wire/linux.ts";
import { FidOnly } from "../wire/message.ts";
import { ATTR_SIZE } from "../wire/records.ts";
import { Fid, releaseHandle } from "./fid.ts";
import type { PathHandle } from "./fid.ts";
import { dropFid } from "./ops-session.ts";
import type { P9Server } from "./server.ts";
import { checkName, fillQid, replyAttr, replyAttrOf } from "./shared.ts";

const fidMsg = new FidOnly();
const mkdirMsg = new Tmkdir();
const mknodMsg = new Tmknod();
const symlinkMsg = new Tsymlink();
const makeatMsg = new Tmakeat();
const linkMsg = new Tlink();
const renameMsg = new Trename();
const renameatMsg = new Trenameat();
const rename2Msg = new Trename2();
const unlinkatMsg = new Tunlinkat();
const unlinkxMsg = new Tunlinkx();
const qidReply = new QidOnly();

/** The fid of a directory in which names may be changed, or -errno. */
function writableDir(s: P9Server, number: number): Fid | number {
  const fid = s.fids.get(number);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (fid.handle.type !== m.S_IFDIR) return -e.ENOTDIR;
  return s.options.isReadonly ? -e.EROFS : fid;
}

/**
 * Makes a directory, symbolic link, FIFO, socket, device or empty file, and gives it its owner. Leaves its attributes in
 * s.stat. Returns a handle (one reference) or -errno.
 */
function makeNode(
  s: P9Server,
  dir: PathHandle,
  name: string,
  mode: number,
  uid: number,
  gid: number,
  rdev: number,
  target: string,
): PathHandle | number {
  const bad = checkName(name);
  if (bad < 0) return bad;
  const type = mode & m.S_IFMT;
  const bits = mode & m.S_IALLUGO;
  let err = 0;
  if (type === m.S_IFDIR) err = s.host.mkdirat(dir.fd, name, bits);
  else if (type === m.S_IFLNK) {
    if (target.includes("\0")) return -e.EINVAL;
    if (target.length > c.TARGET_MAX) return -e.ENAMETOOLONG;
    err = s.host.symlinkat(target, dir.fd, name);
  } else err = s.host.mknodat(dir.fd, name, mode & (m.S_IFMT | m.S_IALLUGO), rdev);
  if (err < 0) return err;
  const handle = s.lookup(dir, name);
  if (typeof handle === "number") return handle;
  // Somebody else's file may have taken the name meanwhile: it must not change hands.
  if (handle.type === (type === 0 ? m.S_IFREG : type)) err = settle(s, handle, bits, uid, gid);
  if (err < 0) {
    s.host.unlinkat(dir.fd, name, type === m.S_IFDIR ? f.AT_REMOVEDIR : 0);
    releaseHandle(s.host, handle);
    return err;
  }
  return handle;
}

/** Owner, and the mode bits that a change of owner or mkdir(2) drops. */
function settle(s: P9Server, handle: PathHandle, bits: number, uid: number, gid: number): number {
  const { stat } = s;
  let hasChanged = false;
  if ((uid !== c.NOUID && uid !== stat.uid) || (gid !== c.NOUID && gid !== stat.gid)) {
    const err = s.host.fchownat(handle.fd, "", uid, gid, f.AT_EMPTY_PATH);
    if (err < 0) return err;
    hasChanged = true;
  }
  const special = bits & (m.S_ISUID | m.S_ISGID | m.S_ISVTX);
  if (special !== 0 && handle.type !== m.S_IFLNK && (hasChanged || (stat.mode & special) !== special)) {
    const err = s.host.fchmodat(s.options.procFd, String(handle.fd), bits);
    if (err < 0) return err;
    hasChanged = true;
  }
  return hasChanged ? s.statFd(handle.fd) : 0;
}

/** Ends a plain 9P request that made something: the reply is its qid. */
function replyQid(s: P9Server, made: PathHandle | number): number {
  if (typeof made === "number") return made;
  fillQid(s, qidReply.qid);
  releaseHandle(s.host, made);
  qidReply.encode(s.w);
  return 0;
}

export function mkdir(s: P9Server): number {
  const err = mkdirMsg.decode(s.r);
  if (err < 0) return err;
  const dir = writableDir(s, mkdirMsg.fid);
  if (typeof dir === "number") return dir;
  const mode = m.S_IFDIR | (mkdirMsg.mode & m.S_IALLUGO);
  return replyQid(s, makeNode(s, dir.handle, mkdirMsg.name, mode, dir.uid, mkdirMsg.gid, 0, ""));
}

export function mknod(s: P9Server): number {
  const err = mknodMsg.decode(s.r);
  if (err < 0) return err;
  const dir = writableDir(s, mknodMsg.fid);
  if (typeof dir === "number") return dir;
  const { mode, name, gid } = mknodMsg;
  const type = mode & m.S_IFMT;
  if (type === m.S_IFDIR || type === m.S_IFLNK) return -e.EINVAL;
  const rdev = m.makedev(mknodMsg.major, mknodMsg.minor);
  return replyQid(s, makeNode(s, dir.handle, name, mode, dir.uid, gid, rdev, ""));
}

export function symlink(s: P9Server): number {
  const err = symlinkMsg.decode(s.r);
  if (err < 0) return err;
  const dir = writableDir(s, symlinkMsg.fid);
  if (typeof dir === "number") return dir;
  const { name, target, gid } = symlinkMsg;
  return replyQid(s, makeNode(s, dir.handle, name, m.S_IFLNK | 0o777, dir.uid, gid, 0, target));
}

export function makeat(s: P9Server): number {
  const q = makeatMsg;
  const err = q.decode(s.r);
  if (err < 0) return err;
  const dir = writableDir(s, q.fid);
  if (typeof dir === "number") return dir;
  if (q.newFid !== c.NOFID) {
    const taken = s.checkNewFid(q.newFid);
    if (taken < 0) return taken;
  }
  const made = makeNode(s, dir.handle, q.name, q.mode, q.uid, q.gid, q.rdev, q.target);
  if (typeof made === "number") return made;
  if (q.newFid === c.NOFID) releaseHandle(s.host, made);
  else s.addFid(new Fid(q.newFid, made, dir.uid));
  return replyAttr(s);
}

/** Links the fid's very file, by its magic link in /proc; linkat with an empty path would need a capability. */
function linkFid(s: P9Server): Fid | number {
  const dir = writableDir(s, linkMsg.dirFid);
  if (typeof dir === "number") return dir;
  const fid = s.fids.get(linkMsg.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const bad = checkName(linkMsg.name);
  if (bad < 0) return bad;
  const { procFd } = s.options;
  const err = s.host.linkat(procFd, String(fid.handle.fd), dir.handle.fd, linkMsg.name, f.AT_SYMLINK_FOLLOW);
  return err < 0 ? err : fid;
}

export function link(s: P9Server): number {
  const err = linkMsg.decode(s.r);
  if (err < 0) return err;
  const linked = linkFid(s);
  return typeof linked === "number" ? linked : 0;
}

export function linkattr(s: P9Server): number {
  const err = linkMsg.decode(s.r);
  if (err < 0) return err;
  const linked = linkFid(s);
  if (typeof linked === "number") return linked;
  return replyAttrOf(s, linked.handle.fd);
}

/** Where a rename leads from. */
let fromFd = -1;

/** Checks a rename and leaves its first directory in {@link fromFd}. The second one's fd, or -errno. */
function renameDirs(s: P9Server, q: Trenameat | Trename2): number {
  const from = writableDir(s, q.oldDirFid);
  if (typeof from === "number") return from;
  const to = writableDir(s, q.newDirFid);
  if (typeof to === "number") return to;
  let bad = checkName(q.oldName);
  if (bad === 0) bad = checkName(q.newName);
  fromFd = from.handle.fd;
  return bad < 0 ? bad : to.handle.fd;
}

export function renameat(s: P9Server): number {
  const q = renameatMsg;
  const err = q.decode(s.r);
  if (err < 0) return err;
  const toFd = renameDirs(s, q);
  return toFd < 0 ? toFd : s.host.renameat2(fromFd, q.oldName, toFd, q.newName, 0);
}

export function rename2(s: P9Server): number {
  const q = rename2Msg;
  const err = q.decode(s.r);
  if (err < 0) return err;
  if ((q.flags & ~(f.RENAME_NOREPLACE | f.RENAME_EXCHANGE | f.RENAME_WHITEOUT)) !== 0) return -e.EINVAL;
  const toFd = renameDirs(s, q);
  if (toFd < 0) return toFd;
  const at = s.w.reserve(ATTR_SIZE);
  if (at < 0) return -e.EMSGSIZE;
  // Who renames another file to the name after the mark makes an event of its own; who did before has left it there.
  return s.host.renameAttr(fromFd, q.oldName, toFd, q.newName, q.flags, s.markFd, s.w.buf, at);
}

/** 0 when the remembered name still leads to the file. The host offers no way to check and act in one step. */
function checkStillThere(s: P9Server, handle: PathHandle, parent: PathHandle): number {
  let err = s.statFd(handle.fd);
  if (err < 0) return err;
  const { dev, ino } = s.stat;
  const now = s.lookup(parent, handle.name);
  if (typeof now === "number") return now;
  err = s.stat.dev === dev && s.stat.ino === ino ? 0 : -e.ENOENT;
  releaseHandle(s.host, now);
  return err;
}

export function rename(s: P9Server): number {
  const q = renameMsg;
  const err = q.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(q.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const to = writableDir(s, q.dirFid);
  if (typeof to === "number") return to;
  const { handle } = fid;
  const { parent } = handle;
  if (parent === null) return -e.EBUSY;
  const bad = checkName(q.name);
  if (bad < 0) return bad;
  const moved = checkStillThere(s, handle, parent);
  if (moved < 0) return moved;
  const failed = s.host.renameat2(parent.fd, handle.name, to.handle.fd, q.name, 0);
  if (failed < 0) return failed;
  to.handle.refs++;
  handle.parent = to.handle;
  handle.name = q.name;
  releaseHandle(s.host, parent);
  return 0;
}

export function unlinkat(s: P9Server): number {
  const err = unlinkatMsg.decode(s.r);
  return err < 0 ? err : unlinkName(s, unlinkatMsg);
}

export function unlinkx(s: P9Server): number {
  const err = unlinkxMsg.decode(s.r);
  if (err < 0) return err;
  const victim = s.fids.get(unlinkxMsg.victim);
  if (victim !== undefined) dropFid(s, victim);
  return unlinkName(s, unlinkxMsg);
}

function unlinkName(s: P9Server, q: Tunlinkat | Tunlinkx): number {
  const dir = writableDir(s, q.dirFid);
  if (typeof dir === "number") return dir;
  if ((q.flags & ~f.AT_REMOVEDIR) !== 0) return -e.EINVAL;
  const bad = checkName(q.name);
  return bad < 0 ? bad : s.host.unlinkat(dir.handle.fd, q.name, q.flags);
}

/** remove(5): the fid is clunked even when the removal fails. */
export function remove(s: P9Server): number {
  const err = fidMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fidMsg.fid);
  if (fid === undefined) return -e.EBADF;
  let result = 0;
  if (s.options.isReadonly) result = -e.EROFS;
  else if (fid.handle.parent === null) result = -e.EBUSY;
  else {
    const { parent, name, type } = fid.handle;
    result = checkStillThere(s, fid.handle, parent);
    if (result === 0) result = s.host.unlinkat(parent.fd, name, type === m.S_IFDIR ? f.AT_REMOVEDIR : 0);
  }
  dropFid(s, fid);
  return result;
}
