/** Requests on file contents: open, create, read, write, locks. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import * as f from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFREG, S_ISGID, S_ISUID } from "../../abi/stat.ts";
import { Rwrite, Tread, Twrite } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import { Tallocate, Tcreateat, Topenat } from "../wire/extension.ts";
import { Rgetlock, Rlock, Ropen, Tfsync, Tgetlock, Tlcreate, Tlock, Tlopen } from "../wire/linux.ts";
import { DirStream } from "./dir-stream.ts";
import { Fid, PathHandle, releaseHandle } from "./fid.ts";
import type { RecordLock } from "./locks.ts";
import { writeXattr } from "./ops-xattr.ts";
import type { P9Server } from "./server.ts";
import { checkName, fillQid, openDir, replyAttr, replyAttrOf } from "./shared.ts";

const lopenMsg = new Tlopen();
const lcreateMsg = new Tlcreate();
const openReply = new Ropen();
const openatMsg = new Topenat();
const createatMsg = new Tcreateat();
const readMsg = new Tread();
const writeMsg = new Twrite();
const writeReply = new Rwrite();
const fsyncMsg = new Tfsync();
const allocateMsg = new Tallocate();
const lockMsg = new Tlock();
const lockReply = new Rlock();
const getlockMsg = new Tgetlock();
const getlockReply = new Rgetlock();

/** Flags of a client that reach the host's open(2); O_NONBLOCK and O_CLOEXEC are always added. */
const PASSED_FLAGS = f.O_ACCMODE | f.O_TRUNC | f.O_APPEND | f.O_SYNC | f.O_DSYNC | f.O_NOATIME;
/** Without O_APPEND, which would override the offsets of pwrite(2), for descriptors that are given away. */
const DONATED_FLAGS = f.O_ACCMODE | f.O_TRUNC | f.O_SYNC | f.O_DSYNC | f.O_NOATIME;

/** 0 when a file of this type may be opened so on this connection. */
function checkOpen(s: P9Server, type: number, flags: number): number {
  const access = flags & f.O_ACCMODE;
  if (access === f.O_ACCMODE) return -e.EINVAL;
  const isWrite = access !== f.O_RDONLY || (flags & f.O_TRUNC) !== 0;
  if (type === S_IFDIR) return isWrite ? -e.EISDIR : 0;
  if ((flags & f.O_DIRECTORY) !== 0) return -e.ENOTDIR;
  if (type === S_IFLNK) return -e.ELOOP;
  if (type !== S_IFREG) return -e.ENXIO;
  return isWrite && s.options.isReadonly ? -e.EROFS : 0;
}

export function lopen(s: P9Server): number {
  const err = lopenMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(lopenMsg.fid);
  if (fid === undefined || fid.xattr !== null || isOpen(fid)) return -e.EBADF;
  const { flags } = lopenMsg;
  const refused = checkOpen(s, fid.handle.type, flags);
  if (refused < 0) return refused;
  if (fid.handle.type === S_IFDIR) {
    const fd = openDir(s, fid.handle);
    if (fd < 0) return fd;
    fid.dir = new DirStream(fd);
  } else {
    const fd = s.reopen(fid.handle.fd, (flags & PASSED_FLAGS) | f.O_NONBLOCK);
    if (fd < 0) return fd;
    fid.openFd = fd;
    fid.isWritable = (flags & f.O_ACCMODE) !== f.O_RDONLY;
  }
  return replyOpen(s, fid);
}

function isOpen(fid: Fid): boolean {
  return fid.openFd >= 0 || fid.dir !== null;
}

function replyOpen(s: P9Server, fid: Fid): number {
  const failed = s.statFd(fid.handle.fd);
  if (failed < 0) return failed;
  fillQid(s, openReply.qid);
  openReply.iounit = 0;
  openReply.encode(s.w);
  return 0;
}

export function lcreate(s: P9Server): number {
  const err = lcreateMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(lcreateMsg.fid);
  if (fid === undefined || fid.xattr !== null || isOpen(fid)) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  const { name, flags } = lcreateMsg;
  const bad = checkName(name);
  if (bad < 0) return bad;
  const uid = fid.uid;
  let fd = create(s, fid.handle, name, flags & PASSED_FLAGS, lcreateMsg.mode, uid, lcreateMsg.gid);
  let handle: PathHandle | number;
  if (fd >= 0) {
    handle = handleOf(s, fd, fid.handle, name);
  } else {
    // A file that is there already is opened like any other, after a look at what it is.
    if (fd !== -e.EEXIST || (flags & f.O_EXCL) !== 0) return fd;
    handle = s.lookup(fid.handle, name);
    if (typeof handle === "number") return handle;
    const refused = handle.type === S_IFDIR ? -e.EISDIR : checkOpen(s, handle.type, flags);
    fd = refused < 0 ? refused : s.reopen(handle.fd, (flags & PASSED_FLAGS) | f.O_NONBLOCK);
    if (fd < 0) {
      releaseHandle(s.host, handle);
      return fd;
    }
  }
  if (typeof handle === "number") {
    s.host.close(fd);
    return handle;
  }
  releaseHandle(s.host, fid.handle);
  fid.handle = handle;
  fid.openFd = fd;
  fid.isWritable = (flags & f.O_ACCMODE) !== f.O_RDONLY;
  return replyOpen(s, fid);
}

/** An O_PATH handle of the regular file that `fd` has open, just made as `name` in `parent`. */
function handleOf(s: P9Server, fd: number, parent: PathHandle, name: string): PathHandle | number {
  const path = s.reopen(fd, f.O_PATH);
  return path < 0 ? path : new PathHandle(path, S_IFREG, parent, name);
}

/** Creates a regular file, gives it its owner and mode, leaves its attributes in s.stat. An open fd or -errno. */
function create(
  s: P9Server,
  dir: PathHandle,
  name: string,
  flags: number,
  mode: number,
  uid: number,
  gid: number,
): number {
  const always = f.O_CREAT | f.O_EXCL | f.O_NOFOLLOW | f.O_NONBLOCK | f.O_CLOEXEC;
  const fd = s.host.openat(dir.fd, name, (flags & ~f.O_TRUNC) | always, mode & 0o7777);
  if (fd < 0) return fd;
  const err = settle(s, fd, mode, uid, gid);
  if (err < 0) {
    s.host.close(fd);
    s.host.unlinkat(dir.fd, name, 0);
    return err;
  }
  return fd;
}

function settle(s: P9Server, fd: number, mode: number, uid: number, gid: number): number {
  let err = s.statFd(fd);
  if (err < 0) return err;
  const isOwned = (uid === c.NOUID || uid === s.stat.uid) && (gid === c.NOUID || gid === s.stat.gid);
  if (isOwned) return 0;
  err = s.host.fchownat(fd, "", uid, gid, f.AT_EMPTY_PATH);
  if (err < 0) return err;
  if ((mode & (S_ISUID | S_ISGID)) !== 0) {
    err = s.host.fchmod(fd, mode & 0o7777);
    if (err < 0) return err;
  }
  return s.statFd(fd);
}

export function createat(s: P9Server): number {
  const m = createatMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  if ((m.flags & f.O_ACCMODE) === f.O_ACCMODE) return -e.EINVAL;
  const bad = checkName(m.name);
  if (bad < 0) return bad;
  if (m.newFid !== c.NOFID) {
    const taken = s.checkNewFid(m.newFid);
    if (taken < 0) return taken;
  }
  const fd = create(s, fid.handle, m.name, m.flags & DONATED_FLAGS, m.mode, m.uid, m.gid);
  if (fd < 0) return fd;
  if (m.newFid !== c.NOFID) {
    const handle = handleOf(s, fd, fid.handle, m.name);
    if (typeof handle === "number") {
      s.host.close(fd);
      s.host.unlinkat(fid.handle.fd, m.name, 0);
      return handle;
    }
    s.addFid(new Fid(m.newFid, handle, fid.uid));
  }
  s.donatedFd = fd;
  return replyAttr(s);
}

export function openat(s: P9Server): number {
  const m = openatMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (m.newFid !== c.NOFID) {
    const taken = s.checkNewFid(m.newFid);
    if (taken < 0) return taken;
  }
  let handle: PathHandle | number = fid.handle;
  if (m.name === "") handle.refs++;
  else handle = s.lookup(fid.handle, m.name);
  if (typeof handle === "number") return handle;
  if ((m.flags & f.O_PATH) !== 0) return donatePath(s, handle);
  // A directory's descriptor would let its holder look up any path below it: those stay here.
  const refused = handle.type === S_IFDIR ? -e.EISDIR : checkOpen(s, handle.type, m.flags);
  const fd = refused < 0 ? refused : s.reopen(handle.fd, (m.flags & DONATED_FLAGS) | f.O_NONBLOCK);
  const failed = fd < 0 ? fd : s.statFd(fd);
  if (failed < 0) {
    if (fd >= 0) s.host.close(fd);
    releaseHandle(s.host, handle);
    return failed;
  }
  s.donatedFd = fd;
  if (m.newFid === c.NOFID) releaseHandle(s.host, handle);
  else s.addFid(new Fid(m.newFid, handle, fid.uid));
  return replyAttr(s);
}

/** Donates the O_PATH descriptor of a regular file or a link, by which its holder can do no more than read its attributes. */
function donatePath(s: P9Server, handle: PathHandle): number {
  let err = (handle.type === S_IFREG || handle.type === S_IFLNK) && openatMsg.newFid === c.NOFID ? 0 : -e.EINVAL;
  if (err === 0 && openatMsg.name === "") err = s.statFd(handle.fd);
  if (err < 0) {
    releaseHandle(s.host, handle);
    return err;
  }
  s.donatedFd = handle.fd;
  if (handle.refs > 1) {
    s.keepsDonated = true;
    handle.refs--;
  } else if (handle.parent !== null) releaseHandle(s.host, handle.parent);
  return replyAttr(s);
}

export function read(s: P9Server): number {
  const err = readMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(readMsg.fid);
  if (fid === undefined) return -e.EBADF;
  const { w } = s;
  const count = Math.min(readMsg.count, w.limit - w.pos - 4);
  if (fid.xattr !== null) {
    const { value, isWrite } = fid.xattr;
    if (isWrite) return -e.EBADF;
    const at = Math.min(readMsg.offset, value.length);
    const n = Math.min(count, value.length - at);
    w.u32(n);
    w.bytes(value, at, n);
    return 0;
  }
  if (fid.dir !== null) return -e.EISDIR;
  if (fid.openFd < 0) return -e.EBADF;
  const at = w.pos + 4;
  const n = s.host.pread(fid.openFd, w.buf, at, count, readMsg.offset);
  if (n < 0) return n;
  w.u32(n);
  w.reserve(n);
  return 0;
}

export function write(s: P9Server): number {
  const m = writeMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined) return -e.EBADF;
  let n = -e.EBADF;
  if (fid.xattr !== null) n = writeXattr(fid.xattr, m.buf, m.off, m.count, m.offset);
  else if (fid.openFd >= 0 && fid.isWritable) n = s.host.pwrite(fid.openFd, m.buf, m.off, m.count, m.offset);
  if (n < 0) return n;
  writeReply.count = n;
  writeReply.encode(s.w);
  return 0;
}

export function fsync(s: P9Server): number {
  const err = fsyncMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fsyncMsg.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const { type } = fid.handle;
  if (type !== S_IFREG && type !== S_IFDIR) return -e.EINVAL;
  let fd = fid.dir !== null ? fid.dir.fd : fid.openFd;
  const isOwn = fd < 0;
  if (isOwn) fd = type === S_IFDIR ? openDir(s, fid.handle) : s.reopen(fid.handle.fd, f.O_RDONLY | f.O_NONBLOCK);
  if (fd < 0) return fd;
  const result = fsyncMsg.datasync !== 0 ? s.host.fdatasync(fd) : s.host.fsync(fd);
  if (isOwn) s.host.close(fd);
  return result;
}

export function allocate(s: P9Server): number {
  const m = allocateMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  if (fid.handle.type !== S_IFREG) return fid.handle.type === S_IFDIR ? -e.EISDIR : -e.ENODEV;
  const isOwn = fid.openFd < 0 || !fid.isWritable;
  const fd = isOwn ? s.reopen(fid.handle.fd, f.O_WRONLY | f.O_NONBLOCK) : fid.openFd;
  if (fd < 0) return fd;
  let result = s.host.fallocate(fd, m.mode, m.offset, m.length);
  if (result >= 0) result = replyAttrOf(s, fd);
  if (isOwn) s.host.close(fd);
  return result;
}

/** The request's lock with its file's identity, or -errno. */
function toLock(s: P9Server, m: Tlock | Tgetlock): RecordLock | number {
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.openFd < 0) return -e.EBADF;
  if (m.type > c.LOCK_TYPE_UNLCK) return -e.EINVAL;
  const err = s.statFd(fid.handle.fd);
  if (err < 0) return err;
  return {
    key: `${s.stat.dev}:${s.stat.ino}`,
    fid: m.fid,
    type: m.type,
    start: m.start,
    end: m.length === 0 ? Infinity : m.start + m.length,
    procId: m.procId,
    clientId: m.clientId,
  };
}

export function lock(s: P9Server): number {
  const err = lockMsg.decode(s.r);
  if (err < 0) return err;
  const want = toLock(s, lockMsg);
  if (typeof want === "number") return want;
  lockReply.status = c.LOCK_SUCCESS;
  if (want.type !== c.LOCK_TYPE_UNLCK && s.locks.conflict(want) !== undefined) lockReply.status = c.LOCK_BLOCKED;
  else {
    const failed = s.locks.set(want);
    if (failed < 0) return failed;
    s.fids.get(lockMsg.fid)!.hasLocks = true;
  }
  lockReply.encode(s.w);
  return 0;
}

export function getlock(s: P9Server): number {
  const err = getlockMsg.decode(s.r);
  if (err < 0) return err;
  const want = toLock(s, getlockMsg);
  if (typeof want === "number") return want;
  const other = s.locks.conflict(want);
  const reply = getlockReply;
  reply.type = other === undefined ? c.LOCK_TYPE_UNLCK : other.type;
  reply.start = other === undefined ? getlockMsg.start : other.start;
  reply.length = other === undefined ? getlockMsg.length : other.end === Infinity ? 0 : other.end - other.start;
  reply.procId = other === undefined ? getlockMsg.procId : other.procId;
  reply.clientId = other === undefined ? getlockMsg.clientId : other.clientId;
  reply.encode(s.w);
  return 0;
}
