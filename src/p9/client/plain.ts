/** The client's calls in plain 9P2000.L messages, for servers without the extension. Results as in client.ts. */
import { EINVAL, EIO, EISDIR, ENODATA, ENOENT, ENOTDIR, EOPNOTSUPP, ERANGE } from "../../abi/errno.ts";
import { AT_REMOVEDIR } from "../../abi/fcntl.ts";
import { S_IALLUGO, S_IFDIR, S_IFLNK, S_IFMT, Stat, devMajor, devMinor } from "../../abi/stat.ts";
import { QidOnly, Rwalk, Tread, Twalk, Data } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import * as l from "../wire/linux.ts";
import { Empty, FidOnly } from "../wire/message.ts";
import { DirEntry, SetAttr } from "../wire/records.ts";
import { isName } from "./names.ts";
import type { DirSink, P9Client } from "./client.ts";

const walkMsg = new Twalk();
const walkReply = new Rwalk();
const getattrMsg = new l.Tgetattr();
const getattrReply = new l.Rgetattr();
const setattrMsg = new l.Tsetattr();
const lopenMsg = new l.Tlopen();
const openReply = new l.Ropen();
const readdirMsg = new l.Treaddir();
const dirEntry = new DirEntry();
const entryStat = new Stat();
const mkdirMsg = new l.Tmkdir();
const mknodMsg = new l.Tmknod();
const symlinkMsg = new l.Tsymlink();
const qidReply = new QidOnly();
const renameatMsg = new l.Trenameat();
const renameMsg = new l.Trename();
const xattrwalkMsg = new l.Txattrwalk();
const xattrwalkReply = new l.Rxattrwalk();
const xattrcreateMsg = new l.Txattrcreate();
const readMsg = new Tread();
const dataReply = new Data();
const fidMsg = new FidOnly();
const empty = new Empty();
const ownerAttr = new SetAttr();

/** A new fid for the file `name` below `fid`, or for fid's own file ("" as name). The fid or -errno. */
function walkOne(p: P9Client, fid: number, name: string): number {
  walkMsg.fid = fid;
  walkMsg.newFid = p.allocFid();
  walkMsg.count = name === "" ? 0 : 1;
  walkMsg.names[0] = name;
  let err = p.call(c.TWALK, walkMsg, walkReply);
  // A partial walk of one name: nothing was found, whatever the server meant by it.
  if (err === 0 && walkReply.count !== walkMsg.count) err = -ENOENT;
  if (err === 0) return walkMsg.newFid;
  p.freeFid(walkMsg.newFid);
  return err;
}

/** A Tclunk whose result matters, or whose fid's number is needed at once. */
function clunkNow(p: P9Client, fid: number): number {
  fidMsg.fid = fid;
  const err = p.call(c.TCLUNK, fidMsg, empty);
  p.freeFid(fid);
  return err;
}

export function walk(p: P9Client, fid: number, names: readonly string[], count: number): number {
  let at = fid;
  for (let i = 0; i < count; i++) {
    const next = walkOne(p, at, names[i]!);
    if (next < 0) {
      if (p.isDead) return next;
      p.walkStatus = -next;
      return i;
    }
    const attr = p.walkAttr(i);
    const err = getattr(p, next, attr);
    if (err < 0) {
      clunkNow(p, next);
      if (p.isDead) return err;
      p.walkStatus = -err;
      return i;
    }
    p.walkFids[i] = next;
    at = next;
    if ((attr.mode & S_IFMT) !== S_IFDIR) return i + 1;
  }
  return count;
}

export function getattr(p: P9Client, fid: number, out: Stat): number {
  getattrMsg.fid = fid;
  getattrMsg.mask = c.GETATTR_BASIC | c.GETATTR_BTIME;
  const err = p.call(c.TGETATTR, getattrMsg, getattrReply);
  if (err < 0) return err;
  if ((getattrReply.valid & c.GETATTR_BTIME) === 0) {
    getattrReply.attr.btimeSec = 0;
    getattrReply.attr.btimeNsec = 0;
  }
  Object.assign(out, getattrReply.attr);
  return 0;
}

export function setattr(p: P9Client, fid: number, set: SetAttr, out: Stat): number {
  setattrMsg.fid = fid;
  setattrMsg.set = set;
  const err = p.call(c.TSETATTR, setattrMsg, empty);
  return err < 0 ? err : getattr(p, fid, out);
}

export function lopen(p: P9Client, fid: number, flags: number): number {
  lopenMsg.fid = fid;
  lopenMsg.flags = flags;
  return p.call(c.TLOPEN, lopenMsg, openReply);
}

export function readdir(p: P9Client, fid: number, sink: DirSink): number {
  const dir = walkOne(p, fid, "");
  if (dir < 0) return dir;
  let err = lopen(p, dir, 0);
  if (err === 0) err = readAll(p, dir, sink);
  const closed = clunkNow(p, dir);
  return err < 0 ? err : closed;
}

function readAll(p: P9Client, fid: number, sink: DirSink): number {
  const m = readdirMsg;
  m.fid = fid;
  m.offsetLo = 0;
  m.offsetHi = 0;
  m.count = p.msize - c.IO_HEADER_SIZE;
  for (;;) {
    const err = p.call(c.TREADDIR, m, dataReply);
    if (err < 0) return err;
    if (dataReply.count === 0) return 0;
    const { r } = p;
    r.reset(dataReply.off, dataReply.off + dataReply.count);
    const { offsetLo, offsetHi } = m;
    while (r.pos < r.end) {
      dirEntry.decode(r);
      if (r.isShort) return -EIO;
      m.offsetLo = dirEntry.offsetLo;
      m.offsetHi = dirEntry.offsetHi;
      if (!isName(dirEntry.name)) continue;
      entryStat.ino = dirEntry.qid.path;
      entryStat.mode = (dirEntry.type & 15) << 12;
      sink.entry(dirEntry.name, entryStat, false);
    }
    // A server that makes no progress would keep us here for ever.
    if (m.offsetLo === offsetLo && m.offsetHi === offsetHi) return -EIO;
  }
}

export function make(
  p: P9Client,
  dirFid: number,
  name: string,
  mode: number,
  uid: number,
  gid: number,
  rdev: number,
  target: string,
  out: Stat,
): number {
  const type = mode & S_IFMT;
  let err = 0;
  if (type === S_IFDIR) {
    mkdirMsg.fid = dirFid;
    mkdirMsg.name = name;
    mkdirMsg.mode = mode & S_IALLUGO;
    mkdirMsg.gid = gid;
    err = p.call(c.TMKDIR, mkdirMsg, qidReply);
  } else if (type === S_IFLNK) {
    symlinkMsg.fid = dirFid;
    symlinkMsg.name = name;
    symlinkMsg.target = target;
    symlinkMsg.gid = gid;
    err = p.call(c.TSYMLINK, symlinkMsg, qidReply);
  } else {
    mknodMsg.fid = dirFid;
    mknodMsg.name = name;
    mknodMsg.mode = mode;
    mknodMsg.major = devMajor(rdev);
    mknodMsg.minor = devMinor(rdev);
    mknodMsg.gid = gid;
    err = p.call(c.TMKNOD, mknodMsg, qidReply);
  }
  if (err < 0) return err;
  const fid = walkOne(p, dirFid, name);
  if (fid < 0) return fid;
  err = getattr(p, fid, out);
  if (err === 0 && uid !== c.NOUID && out.uid !== uid) {
    ownerAttr.valid = c.SETATTR_UID;
    ownerAttr.uid = uid;
    err = setattr(p, fid, ownerAttr, out);
  }
  if (err < 0) {
    clunkNow(p, fid);
    return err;
  }
  p.newFid = fid;
  return 0;
}

export function rename(
  p: P9Client,
  oldDir: number,
  oldName: string,
  newDir: number,
  newName: string,
  flags: number,
): number {
  if (flags !== 0) return -EINVAL;
  renameatMsg.oldDirFid = oldDir;
  renameatMsg.oldName = oldName;
  renameatMsg.newDirFid = newDir;
  renameatMsg.newName = newName;
  const err = p.call(c.TRENAMEAT, renameatMsg, empty);
  if (err !== -EOPNOTSUPP) return err;
  // Old servers: the fid of the file itself is renamed.
  const fid = walkOne(p, oldDir, oldName);
  if (fid < 0) return fid;
  renameMsg.fid = fid;
  renameMsg.dirFid = newDir;
  renameMsg.name = newName;
  const result = p.call(c.TRENAME, renameMsg, empty);
  clunkNow(p, fid);
  return result;
}

/** unlinkat for old servers, by the fid of the file itself. */
export function remove(p: P9Client, dirFid: number, name: string, flags: number): number {
  const fid = walkOne(p, dirFid, name);
  if (fid < 0) return fid;
  let err = getattr(p, fid, entryStat);
  const isDir = (entryStat.mode & S_IFMT) === S_IFDIR;
  if (err === 0 && isDir !== (flags === AT_REMOVEDIR)) err = isDir ? -EISDIR : -ENOTDIR;
  if (err < 0) {
    clunkNow(p, fid);
    return err;
  }
  fidMsg.fid = fid;
  // remove(5) ends the fid in any case.
  err = p.call(c.TREMOVE, fidMsg, empty);
  p.freeFid(fid);
  return err;
}

/** An attribute's value, or the list of names for "". */
export function readXattr(p: P9Client, fid: number, name: string): Uint8Array | number {
  xattrwalkMsg.fid = fid;
  xattrwalkMsg.newFid = p.allocFid();
  xattrwalkMsg.name = name;
  const xfid = xattrwalkMsg.newFid;
  const err = p.call(c.TXATTRWALK, xattrwalkMsg, xattrwalkReply);
  if (err < 0) {
    p.freeFid(xfid);
    return err;
  }
  const { size } = xattrwalkReply;
  const value = size > c.XATTR_MAX ? -ERANGE : readValue(p, xfid, new Uint8Array(size));
  clunkNow(p, xfid);
  return value;
}

function readValue(p: P9Client, xfid: number, value: Uint8Array): Uint8Array | number {
  let done = 0;
  while (done < value.length) {
    readMsg.fid = xfid;
    readMsg.offset = done;
    readMsg.count = Math.min(value.length - done, p.msize - c.IO_HEADER_SIZE);
    const err = p.call(c.TREAD, readMsg, dataReply);
    if (err < 0) return err;
    const { off, count } = dataReply;
    if (count === 0 || count > readMsg.count) return -ENODATA;
    value.set(p.r.buf.subarray(off, off + count), done);
    done += count;
  }
  return value;
}

/** Sets an attribute; the clunk of its fid carries the result. An empty value with XATTR_REPLACE removes it. */
export function writeXattr(p: P9Client, fid: number, name: string, value: Uint8Array, flags: number): number {
  const xfid = walkOne(p, fid, "");
  if (xfid < 0) return xfid;
  xattrcreateMsg.fid = xfid;
  xattrcreateMsg.name = name;
  xattrcreateMsg.size = value.length;
  xattrcreateMsg.flags = flags;
  let err = p.call(c.TXATTRCREATE, xattrcreateMsg, empty);
  for (let done = 0; err === 0 && done < value.length;) {
    const n = p.write(xfid, done, value, done, value.length - done);
    if (n <= 0) err = n < 0 ? n : -EIO;
    else done += n;
  }
  const closed = clunkNow(p, xfid);
  return err < 0 ? err : closed;
}
