/** Extended attributes, by fids (plain 9P) and in one message. Each request decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import { O_NONBLOCK, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/xattr.ts";
import * as c from "../wire/constants.ts";
import { FidName, Tsetxattr } from "../wire/extension.ts";
import { Rxattrwalk, Txattrcreate, Txattrwalk } from "../wire/linux.ts";
import { FidOnly } from "../wire/message.ts";
import { Fid, XattrState } from "./fid.ts";
import type { PathHandle } from "./fid.ts";
import type { P9Server } from "./server.ts";
import { openDir } from "./shared.ts";

const xattrwalkMsg = new Txattrwalk();
const xattrwalkReply = new Rxattrwalk();
const xattrcreateMsg = new Txattrcreate();
const nameMsg = new FidName();
const setMsg = new Tsetxattr();
const fidMsg = new FidOnly();

const scratch = new Uint8Array(c.XATTR_MAX);
/** For asking how long a list is: ERANGE says that there is one. */
const NO_ROOM = new Uint8Array(1);

function checkXattrName(name: string): number {
  if (name === "" || name.includes("\0")) return -e.EINVAL;
  return name.length > c.NAME_MAX ? -e.ERANGE : 0;
}

/** An fd on which f*xattr(2) works: O_PATH fds do not. Regular files and directories only; -EPERM for the rest (xattr(7)). */
function openForXattr(s: P9Server, handle: PathHandle): number {
  const { type, fd } = handle;
  if (type === S_IFDIR) return openDir(s, handle);
  return type === S_IFREG ? s.reopen(fd, O_RDONLY | O_NONBLOCK) : -e.EPERM;
}

/** Whether a file, as an O_PATH fd, has any extended attributes that can be seen. Its magic link saves opening it for reading. */
export function hasXattrs(s: P9Server, fd: number): boolean {
  const n = s.host.listxattr(`${s.options.procPath}/${fd}`, NO_ROOM);
  return n > 0 || (n < 0 && n !== -e.EOPNOTSUPP);
}

/** Reads an attribute (or the list, for "") into the scratch buffer. Its length or -errno. */
function readValue(s: P9Server, fid: Fid, name: string): number {
  const fd = openForXattr(s, fid.handle);
  if (fd === -e.EPERM) return name === "" ? 0 : -e.ENODATA;
  if (fd < 0) return fd;
  const n = name === "" ? s.host.flistxattr(fd, scratch) : s.host.fgetxattr(fd, name, scratch);
  s.host.close(fd);
  return n;
}

function setValue(s: P9Server, fid: Fid, name: string, value: Uint8Array, len: number, flags: number): number {
  const fd = openForXattr(s, fid.handle);
  if (fd < 0) return fd;
  const result = s.host.fsetxattr(fd, name, value, len, flags);
  s.host.close(fd);
  return result;
}

function removeValue(s: P9Server, fid: Fid, name: string): number {
  const fd = openForXattr(s, fid.handle);
  if (fd < 0) return fd;
  const result = s.host.fremovexattr(fd, name);
  s.host.close(fd);
  return result;
}

export function xattrwalk(s: P9Server): number {
  const m = xattrwalkMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const taken = s.checkNewFid(m.newFid);
  if (taken < 0) return taken;
  const bad = m.name === "" ? 0 : checkXattrName(m.name);
  if (bad < 0) return bad;
  const n = readValue(s, fid, m.name);
  if (n < 0) return n;
  fid.handle.refs++;
  const made = new Fid(m.newFid, fid.handle, fid.uid);
  made.xattr = new XattrState(m.name, scratch.slice(0, n), false, 0);
  s.addFid(made);
  xattrwalkReply.size = n;
  xattrwalkReply.encode(s.w);
  return 0;
}

export function xattrcreate(s: P9Server): number {
  const m = xattrcreateMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null || fid.openFd >= 0 || fid.dir !== null) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  const bad = checkXattrName(m.name);
  if (bad < 0) return bad;
  if (m.size > c.XATTR_MAX) return -e.E2BIG;
  if ((m.flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -e.EINVAL;
  fid.xattr = new XattrState(m.name, new Uint8Array(m.size), true, m.flags);
  return 0;
}

/** Twrite on an attribute's fid: bytes or -errno. */
export function writeXattr(x: XattrState, buf: Uint8Array, off: number, len: number, at: number): number {
  if (!x.isWrite) return -e.EBADF;
  // In order and without gaps, so that the count of bytes tells when the value is complete.
  if (at !== x.written || at + len > x.value.length) return -e.EINVAL;
  x.value.set(buf.subarray(off, off + len), at);
  x.written += len;
  return len;
}

/** The clunk of an attribute's fid is what sets it. An empty value with XATTR_REPLACE is how v9fs says "remove". */
export function commitXattr(s: P9Server, fid: Fid, x: XattrState): number {
  if (x.written !== x.value.length) return -e.EINVAL;
  if (x.value.length === 0 && x.flags === XATTR_REPLACE) return removeValue(s, fid, x.name);
  return setValue(s, fid, x.name, x.value, x.value.length, x.flags);
}

/** Writes `n` bytes of the scratch buffer as the reply. */
function replyScratch(s: P9Server, n: number): number {
  s.w.u32(n);
  s.w.bytes(scratch, 0, n);
  return 0;
}

export function getxattr(s: P9Server): number {
  const err = nameMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(nameMsg.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const bad = checkXattrName(nameMsg.name);
  if (bad < 0) return bad;
  const n = readValue(s, fid, nameMsg.name);
  return n < 0 ? n : replyScratch(s, n);
}

export function listxattr(s: P9Server): number {
  const err = fidMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(fidMsg.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  const n = readValue(s, fid, "");
  return n < 0 ? n : replyScratch(s, n);
}

export function setxattr(s: P9Server): number {
  const m = setMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  const bad = checkXattrName(m.name);
  if (bad < 0) return bad;
  if (m.count > c.XATTR_MAX) return -e.E2BIG;
  scratch.set(m.buf.subarray(m.off, m.off + m.count));
  return setValue(s, fid, m.name, scratch, m.count, m.flags);
}

export function removexattr(s: P9Server): number {
  const err = nameMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(nameMsg.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (s.options.isReadonly) return -e.EROFS;
  const bad = checkXattrName(nameMsg.name);
  return bad < 0 ? bad : removeValue(s, fid, nameMsg.name);
}
