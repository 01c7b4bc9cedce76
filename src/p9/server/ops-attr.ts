/** Requests for attributes: getattr, setattr, statfs, readlink. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import { AT_EMPTY_PATH, O_NONBLOCK, O_WRONLY } from "../../abi/fcntl.ts";
import { S_IALLUGO, S_IFDIR, S_IFLNK, S_IFREG, UTIME_NOW, UTIME_OMIT } from "../../abi/stat.ts";
import * as c from "../wire/constants.ts";
import { Tsetattrat, Tsetattrx } from "../wire/extension.ts";
import { Rgetattr, Rreadlink, Rstatfs, Tgetattr, Tsetattr } from "../wire/linux.ts";
import { FidOnly } from "../wire/message.ts";
import type { SetAttr } from "../wire/records.ts";
import { readStat } from "./backend.ts";
import { Fid, releaseHandle } from "./fid.ts";
import type { P9Server } from "./server.ts";
import { replyAttrOf } from "./shared.ts";

const fidMsg = new FidOnly();
const getattrMsg = new Tgetattr();
const getattrReply = new Rgetattr();
const setattrMsg = new Tsetattr();
const setattrxMsg = new Tsetattrx();
const setattratMsg = new Tsetattrat();
const statfsReply = new Rstatfs();
const readlinkReply = new Rreadlink();
const statfsRaw = new Float64Array(16);

export function getattr(s: P9Server): number {
  const err = getattrMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(getattrMsg.fid);
  if (fid === undefined) return -e.EBADF;
  const failed = s.statFd(fid.handle.fd);
  if (failed < 0) return failed;
  const reply = getattrReply;
  readStat(s.raw, reply.attr);
  const hasBirth = reply.attr.btimeSec !== 0 || reply.attr.btimeNsec !== 0;
  reply.valid = (c.GETATTR_BASIC | (hasBirth ? c.GETATTR_BTIME : 0)) & (getattrMsg.mask | c.GETATTR_BASIC);
  reply.encode(s.w);
  return 0;
}

export function setattr(s: P9Server): number {
  const err = setattrMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(setattrMsg.fid);
  return fid === undefined ? -e.EBADF : apply(s, fid, setattrMsg.set);
}

export function setattrx(s: P9Server): number {
  const err = setattrxMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(setattrxMsg.fid);
  if (fid === undefined) return -e.EBADF;
  const failed = apply(s, fid, setattrxMsg.set);
  return failed < 0 ? failed : replyAttrOf(s, fid.handle.fd);
}

export function setattrat(s: P9Server): number {
  const q = setattratMsg;
  const err = q.decode(s.r);
  if (err < 0) return err;
  const dir = s.fids.get(q.dirFid);
  if (dir === undefined || dir.xattr !== null) return -e.EBADF;
  const taken = s.checkNewFid(q.newFid);
  if (taken < 0) return taken;
  const handle = s.lookup(dir.handle, q.name);
  if (typeof handle === "number") return handle;
  const fid = new Fid(q.newFid, handle, dir.uid);
  const { stat } = s;
  const isSame =
    stat.dev === q.dev && stat.ino === q.ino && stat.btimeSec === q.btimeSec && stat.btimeNsec === q.btimeNsec;
  let failed = isSame ? apply(s, fid, q.set) : -e.ESTALE;
  if (failed === 0) failed = replyAttrOf(s, handle.fd);
  if (failed < 0) releaseHandle(s.host, handle);
  else s.addFid(fid);
  return failed;
}

/**
 * Owner before mode (chown clears set-id bits), size before times (truncation sets them). Not atomic: an error half way
 * leaves the earlier changes, as a sequence of system calls would.
 */
function apply(s: P9Server, fid: Fid, set: SetAttr): number {
  if (s.options.isReadonly) return -e.EROFS;
  const { valid } = set;
  if ((valid & ~c.SETATTR_ALL) !== 0) return -e.EINVAL;
  const { handle } = fid;
  if ((valid & (c.SETATTR_UID | c.SETATTR_GID)) !== 0) {
    const uid = (valid & c.SETATTR_UID) !== 0 ? set.uid : c.NOUID;
    const gid = (valid & c.SETATTR_GID) !== 0 ? set.gid : c.NOUID;
    const err = s.host.fchownat(handle.fd, "", uid, gid, AT_EMPTY_PATH);
    if (err < 0) return err;
  }
  if ((valid & c.SETATTR_MODE) !== 0) {
    // Before Linux 6.6 some file systems would change a symbolic link's mode here.
    if (handle.type === S_IFLNK) return -e.EOPNOTSUPP;
    const err = setMode(s, handle.fd, set.mode & S_IALLUGO);
    if (err < 0) return err;
  }
  if ((valid & c.SETATTR_SIZE) !== 0) {
    const err = truncate(s, fid, set.size);
    if (err < 0) return err;
  }
  if ((valid & (c.SETATTR_ATIME | c.SETATTR_MTIME)) !== 0) {
    return setTimes(s, handle.fd, set);
  }
  return 0;
}

/** fchmodat2(2) came with Linux 6.6, and utimensat(2) with an empty path with 5.8: where they fail and /proc does not, it is asked first. */
let lacksEmptyMode = false;
let lacksEmptyTimes = false;

function setMode(s: P9Server, fd: number, mode: number): number {
  if (!lacksEmptyMode) {
    const err = s.host.fchmodat(fd, "", mode, AT_EMPTY_PATH);
    // Filters that do not know the call say EPERM.
    if (err !== -e.EOPNOTSUPP && err !== -e.EPERM) return err;
  }
  const err = s.host.fchmodat(s.options.procFd, String(fd), mode);
  if (err === 0) lacksEmptyMode = true;
  return err;
}

function truncate(s: P9Server, fid: Fid, size: number): number {
  if (fid.handle.type === S_IFDIR) return -e.EISDIR;
  if (fid.handle.type !== S_IFREG) return -e.EINVAL;
  if (fid.openFd >= 0 && fid.isWritable) return s.host.ftruncate(fid.openFd, size);
  const fd = s.reopen(fid.handle.fd, O_WRONLY | O_NONBLOCK);
  if (fd < 0) return fd;
  const err = s.host.ftruncate(fd, size);
  s.host.close(fd);
  return err;
}

const NSEC_PER_SEC = 1_000_000_000;

function setTimes(s: P9Server, fd: number, set: SetAttr): number {
  const { valid } = set;
  let atimeNs = UTIME_OMIT;
  let mtimeNs = UTIME_OMIT;
  if ((valid & c.SETATTR_ATIME) !== 0) atimeNs = (valid & c.SETATTR_ATIME_SET) !== 0 ? set.atimeNs : UTIME_NOW;
  if ((valid & c.SETATTR_MTIME) !== 0) mtimeNs = (valid & c.SETATTR_MTIME_SET) !== 0 ? set.mtimeNs : UTIME_NOW;
  if ((valid & c.SETATTR_ATIME_SET) !== 0 && set.atimeNs >= NSEC_PER_SEC) return -e.EINVAL;
  if ((valid & c.SETATTR_MTIME_SET) !== 0 && set.mtimeNs >= NSEC_PER_SEC) return -e.EINVAL;
  const { host, options } = s;
  if (!lacksEmptyTimes) {
    const err = host.utimensat(fd, "", set.atime, atimeNs, set.mtime, mtimeNs, AT_EMPTY_PATH);
    if (err !== -e.EINVAL) return err;
  }
  // The jump of /proc ends at the file itself, be it a symbolic link.
  const err = host.utimensat(options.procFd, String(fd), set.atime, atimeNs, set.mtime, mtimeNs, 0);
  if (err === 0) lacksEmptyTimes = true;
  return err;
}

export function statfs(s: P9Server): number {
  const err = fidMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fidMsg.fid);
  if (fid === undefined) return -e.EBADF;
  const failed = s.host.fstatfs(fid.handle.fd, statfsRaw);
  if (failed < 0) return failed;
  const out = statfsReply.statfs;
  out.type = statfsRaw[0]!;
  out.bsize = statfsRaw[1]!;
  out.blocks = statfsRaw[2]!;
  out.bfree = statfsRaw[3]!;
  out.bavail = statfsRaw[4]!;
  out.files = statfsRaw[5]!;
  out.ffree = statfsRaw[6]!;
  out.namelen = statfsRaw[7]!;
  statfsReply.encode(s.w);
  return 0;
}

export function readlink(s: P9Server): number {
  const err = fidMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fidMsg.fid);
  if (fid === undefined) return -e.EBADF;
  if (fid.handle.type !== S_IFLNK) return -e.EINVAL;
  const target = s.host.readlinkat(fid.handle.fd, "");
  if (typeof target === "number") return target;
  readlinkReply.target = target;
  readlinkReply.encode(s.w);
  return 0;
}
