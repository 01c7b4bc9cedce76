/** Session requests: version, attach, walks and clunks. Each decodes from `s.r`, writes its reply to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import { O_CLOEXEC, O_PATH } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import { QidOnly, Rwalk, Tattach, Tauth, Tflush, Twalk, Version } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import { Numbers, Rchannel, Rwalkattr, Twalkattr } from "../wire/extension.ts";
import { Empty, FidOnly } from "../wire/message.ts";
import { readStat } from "./backend.ts";
import { Fid, PathHandle, releaseFid, releaseHandle } from "./fid.ts";
import { commitXattr } from "./ops-xattr.ts";
import type { P9Server } from "./server.ts";
import { fillQid } from "./shared.ts";

const versionMsg = new Version();
const authMsg = new Tauth();
const attachMsg = new Tattach();
const flushMsg = new Tflush();
const walkMsg = new Twalk();
const walkReply = new Rwalk();
const walkattrMsg = new Twalkattr();
const walkattrReply = new Rwalkattr();
const clunkbatchMsg = new Numbers();
const channelReply = new Rchannel();
const fidMsg = new FidOnly();
const qidReply = new QidOnly();
const empty = new Empty();

export function version(s: P9Server): number {
  const err = versionMsg.decode(s.r);
  if (err < 0) return err;
  const max = Math.min(s.options.maxMsize, c.MAX_MSIZE);
  if (versionMsg.msize < c.MIN_MSIZE) return -e.EMSGSIZE;
  s.reset();
  const asked = versionMsg.version;
  s.isExtended = asked === c.VERSION_TSVISOR && s.options.hasExtension;
  const isPlain = asked === c.VERSION_L || asked.startsWith(`${c.VERSION_L}.`);
  if (versionMsg.msize > max) versionMsg.msize = max;
  s.msize = isPlain ? versionMsg.msize : 0;
  versionMsg.version = s.isExtended ? c.VERSION_TSVISOR : isPlain ? c.VERSION_L : c.VERSION_UNKNOWN;
  versionMsg.encode(s.w);
  return 0;
}

/** No authentication: who holds the connection may use it. */
export function auth(s: P9Server): number {
  const err = authMsg.decode(s.r);
  return err < 0 ? err : -e.ENOENT;
}

export function attach(s: P9Server): number {
  const err = attachMsg.decode(s.r);
  if (err < 0) return err;
  if (attachMsg.afid !== c.NOFID) return -e.EINVAL;
  const { aname } = attachMsg;
  if (aname !== "" && aname !== "/" && aname !== s.options.aname) return -e.ENOENT;
  const taken = s.checkNewFid(attachMsg.fid);
  if (taken < 0) return taken;
  const failed = s.statFd(s.options.rootFd);
  if (failed < 0) return failed;
  // The root fd stays the caller's: a handle of its own keeps releasing simple.
  const fd = s.host.openat(s.options.procFd, String(s.options.rootFd), O_PATH | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  const handle = new PathHandle(fd, s.stat.mode & S_IFMT, null, "");
  s.addFid(new Fid(attachMsg.fid, handle, attachMsg.nUname));
  fillQid(s, qidReply.qid);
  qidReply.encode(s.w);
  return 0;
}

export function flush(s: P9Server): number {
  return flushMsg.decode(s.r);
}

export function walk(s: P9Server): number {
  const err = walkMsg.decode(s.r);
  if (err < 0) return err;
  const from = s.fids.get(walkMsg.fid);
  if (from === undefined || from.xattr !== null) return -e.EBADF;
  const isMove = walkMsg.newFid === walkMsg.fid;
  if (!isMove) {
    const taken = s.checkNewFid(walkMsg.newFid);
    if (taken < 0) return taken;
  }
  let { handle } = from;
  handle.refs++;
  let done = 0;
  let failed = 0;
  for (; done < walkMsg.count; done++) {
    const next = step(s, handle, walkMsg.names[done]!);
    if (typeof next === "number") {
      failed = next;
      break;
    }
    releaseHandle(s.host, handle);
    handle = next;
    fillQid(s, walkReply.qid(done));
  }
  if (done < walkMsg.count) {
    releaseHandle(s.host, handle);
    // walk(5): only a failure of the first name is an error; a partial walk leaves newfid unset.
    if (done === 0) return failed;
  } else {
    if (isMove) {
      s.fids.delete(from.number);
      releaseFid(s.host, from);
    }
    s.addFid(new Fid(walkMsg.newFid, handle, from.uid));
  }
  walkReply.count = done;
  walkReply.encode(s.w);
  return 0;
}

/**
 * One name of a plain walk: a handle (one reference) whose attributes are in s.raw, or -errno. "." and ".." are not looked
 * up: ".." is the directory that we came from, and the attach point's is itself (walk(5)).
 */
function step(s: P9Server, at: PathHandle, name: string): PathHandle | number {
  if (name !== "." && name !== "..") return s.lookup(at, name);
  if (at.type !== S_IFDIR) return -e.ENOTDIR;
  const to = name === ".." && at.parent !== null ? at.parent : at;
  const err = s.statFd(to.fd);
  if (err < 0) return err;
  to.refs++;
  return to;
}

export function walkattr(s: P9Server): number {
  const err = walkattrMsg.decode(s.r);
  if (err < 0) return err;
  const from = s.fids.get(walkattrMsg.fid);
  if (from === undefined || from.xattr !== null) return -e.EBADF;
  const reply = walkattrReply;
  reply.status = 0;
  reply.target = "";
  reply.count = 0;
  if (walkattrMsg.count === 0) {
    const failed = s.statFd(from.handle.fd);
    if (failed < 0) return failed;
    readStat(s.raw, reply.attr(0));
    reply.count = 1;
    if (from.handle.type === S_IFLNK) readTarget(s, from.handle);
    reply.encode(s.w);
    return 0;
  }
  for (let i = 0; i < walkattrMsg.count; i++) {
    const taken = s.checkNewFid(walkattrMsg.newFids[i]!);
    if (taken < 0) return taken;
    for (let k = 0; k < i; k++) if (walkattrMsg.newFids[k] === walkattrMsg.newFids[i]) return -e.EBADF;
  }
  let at = from.handle;
  for (let i = 0; i < walkattrMsg.count; i++) {
    const name = walkattrMsg.names[i]!;
    const next = s.lookup(at, name);
    if (typeof next === "number") {
      if (i === 0) return next;
      reply.status = -next;
      break;
    }
    readStat(s.raw, reply.attr(i));
    reply.count = i + 1;
    if (next.type === S_IFLNK) readTarget(s, next);
    if (next.type !== S_IFDIR && (walkattrMsg.flags & c.WALK_DIRS_ONLY) !== 0) releaseHandle(s.host, next);
    else s.addFid(new Fid(walkattrMsg.newFids[i]!, next, from.uid));
    if (next.type !== S_IFDIR) break;
    at = next;
  }
  reply.encode(s.w);
  return 0;
}

/** Puts a symbolic link's target into the walkattr reply; a link that cannot be read just has none. */
function readTarget(s: P9Server, link: PathHandle): void {
  const target = s.host.readlinkat(link.fd, "");
  if (typeof target === "string" && target.length <= c.TARGET_MAX) walkattrReply.target = target;
}

export function clunk(s: P9Server): number {
  const err = fidMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fidMsg.fid);
  if (fid === undefined) return -e.EBADF;
  const failed = dropFid(s, fid);
  if (failed < 0) return failed;
  empty.encode(s.w);
  return 0;
}

export function clunkbatch(s: P9Server): number {
  const err = clunkbatchMsg.decode(s.r);
  if (err < 0) return err;
  for (let i = 0; i < clunkbatchMsg.count; i++) {
    const fid = s.fids.get(clunkbatchMsg.numbers[i]!);
    if (fid !== undefined) dropFid(s, fid);
  }
  return 0;
}

/** Ends a fid. 0, or -errno of an extended attribute that was to be set now (the fid is gone nevertheless). */
export function dropFid(s: P9Server, fid: Fid): number {
  const err = fid.xattr !== null && fid.xattr.isWrite ? commitXattr(s, fid, fid.xattr) : 0;
  s.fids.delete(fid.number);
  if (fid.hasLocks) s.locks.dropFid(fid.number);
  releaseFid(s.host, fid);
  return err;
}

/** Memory through which requests may come besides the socket. It stays open here. */
export function channel(s: P9Server): number {
  const err = empty.decode(s.r);
  if (err < 0) return err;
  const { channel: shared } = s.options;
  if (shared === undefined) return -e.EOPNOTSUPP;
  s.hasChannel = true;
  s.donatedFd = shared.fd;
  s.keepsDonated = true;
  channelReply.connection = shared.connection;
  channelReply.bytes = shared.size;
  channelReply.encode(s.w);
  return 0;
}
