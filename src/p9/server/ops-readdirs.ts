/** Treaddirs, Txattrnames: whole directories in one reply. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import { DT_DIR, DT_REG, DT_UNKNOWN } from "../../abi/dirent.ts";
import * as e from "../../abi/errno.ts";
import { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import { READDIRS_BARE_FILES } from "../wire/constants.ts";
import { Treaddirs } from "../wire/extension.ts";
import { ATTR_SIZE, encodeAttr } from "../wire/records.ts";
import { DirStream } from "./dir-stream.ts";
import { releaseHandle } from "./fid.ts";
import { hasXattrs } from "./ops-xattr.ts";
import type { PathHandle } from "./fid.ts";
import type { P9Server } from "./server.ts";
import { ALL_ATTRS, checkName, openDir } from "./shared.ts";

const msg = new Treaddirs();
const passed = new Int32Array(2);
/** Of one directory's record: status, attributes, size. */
const STATUS_SIZE = 4;
const HEAD_SIZE: number = STATUS_SIZE + ATTR_SIZE + 4;

export function readdirs(s: P9Server): number {
  const err = msg.decode(s.r);
  if (err < 0) return err;
  const { depth, count } = msg;
  if (depth > count) return s.fids.has(msg.fid) ? -e.EINVAL : -e.EBADF;
  const at = walkDown(s, msg.fid, depth);
  if (typeof at === "number") return at;
  const result = readAll(s, at, depth, count);
  releaseHandle(s.host, at);
  return result;
}

/** The directory to which the first `depth` names lead from a fid, with a reference; or -errno. */
function walkDown(s: P9Server, number: number, depth: number): PathHandle | number {
  const fid = s.fids.get(number);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  let at = fid.handle;
  at.refs++;
  for (let i = 0; i < depth; i++) {
    const next = s.lookup(at, msg.names[i]!);
    releaseHandle(s.host, at);
    if (typeof next === "number") return next;
    at = next;
  }
  if (at.type === S_IFDIR) return at;
  releaseHandle(s.host, at);
  return -e.ENOTDIR;
}

/** The names, each with a NUL behind it, of a directory's files and directories that have extended attributes. */
export function xattrNames(s: P9Server): number {
  const err = msg.decode(s.r);
  if (err < 0) return err;
  const at = walkDown(s, msg.fid, msg.count);
  if (typeof at === "number") return at;
  const fd = openDir(s, at);
  const result = fd < 0 ? fd : writeNames(s, at, new DirStream(fd));
  if (fd >= 0) s.host.close(fd);
  releaseHandle(s.host, at);
  return result;
}

function writeNames(s: P9Server, at: PathHandle, dir: DirStream): number {
  const { w } = s;
  const countAt = w.pos;
  w.u32(0);
  for (;;) {
    const more = dir.peek(s.host);
    if (more < 0) return more;
    if (more === 0) break;
    const { name } = dir;
    if (name !== "." && name !== ".." && (dir.type === DT_REG || dir.type === DT_DIR || dir.type === DT_UNKNOWN)) {
      const fd = s.host.openat(at.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
      const isFound = fd >= 0 && hasXattrs(s, fd);
      if (fd >= 0) s.host.close(fd);
      if (isFound) {
        const to = w.reserve(name.length + 1);
        if (to < 0) return -e.EMSGSIZE;
        for (let i = 0; i < name.length; i++) w.buf[to + i] = name.charCodeAt(i);
        w.buf[to + name.length] = 0;
      }
    }
    dir.next();
  }
  w.view.setUint32(countAt, w.pos - countAt - 4, true);
  return 0;
}

/** Reads directory `at` itself, or those in it that names[first..count) say, into the reply. */
function readAll(s: P9Server, at: PathHandle, first: number, count: number): number {
  const { w } = s;
  const headAt = w.reserve(6);
  if (headAt < 0) return -e.EMSGSIZE;
  const start = w.pos;
  let dirs = 0;
  for (let i = first; dirs === 0 || i < count; i++) {
    // Not with little room: what does not fit was read in vain.
    if (w.limit - w.pos < HEAD_SIZE || (dirs > 0 && w.limit - w.pos < (w.limit - start) / 2)) break;
    const recordAt = w.pos;
    const status = first === count ? readOne(s, at, "") : readOne(s, at, msg.names[i]!);
    if (status < 0) {
      w.pos = recordAt;
      // What does not fit is tried again in a message of its own.
      if (status === -e.EMSGSIZE && dirs > 0) break;
      w.u32(-status);
    }
    dirs++;
  }
  w.view.setUint16(headAt, dirs, true);
  w.view.setUint32(headAt + 2, w.pos - start, true);
  return 0;
}

/** One directory's record, with room for its head. 0 or -errno, with anything written behind the start. */
function readOne(s: P9Server, parent: PathHandle, name: string): number {
  let fd: number;
  if (name === "") fd = openDir(s, parent);
  else {
    const bad = checkName(name);
    if (bad < 0) return bad;
    fd = s.host.openat(parent.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  }
  if (fd < 0) return fd;
  let err = s.statFd(fd);
  if (err === 0) {
    s.w.u32(0);
    encodeAttr(s.w, s.stat);
    err = readEntries(s, fd);
  }
  s.host.close(fd);
  return err;
}

/** The entries of the directory whose attributes were read last. */
function readEntries(s: P9Server, fd: number): number {
  const { w } = s;
  const sizeAt = w.reserve(4);
  const bareDev = (msg.flags & READDIRS_BARE_FILES) !== 0 ? s.stat.dev : ALL_ATTRS;
  const n = s.host.readdirAttrs(fd, w.buf, w.pos, w.limit - w.pos, passed, bareDev);
  if (n < 0) return n;
  if (passed[0] !== 0) return -e.EMSGSIZE;
  w.pos += n;
  w.view.setUint32(sizeAt, n, true);
  return 0;
}
