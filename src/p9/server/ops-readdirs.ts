/** Treaddirs, Txattrnames: whole directories in one reply. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import { DT_DIR, DT_REG, DT_UNKNOWN } from "../../abi/dirent.ts";
import * as e from "../../abi/errno.ts";
import { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFDIR, isDirMode } from "../../abi/stat.ts";
import { MAX_LEVELS, NAME_MAX, READDIRS_BARE_FILES, READDIRS_BELOW } from "../wire/constants.ts";
import { Treaddirs } from "../wire/extension.ts";
import { nameText } from "../wire/cursor.ts";
import { ATTR_SIZE, DIRENT_ATTR_OVERHEAD, attrMode, encodeAttr } from "../wire/records.ts";
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
/** Level and name of its own before it, as well. */
const HEAD_SIZE: number = 4 + NAME_MAX + STATUS_SIZE + ATTR_SIZE + 4;

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
  const below = (msg.flags & READDIRS_BELOW) !== 0 ? new Below(s, start) : null;
  let dirs = 0;
  for (let i = first; dirs === 0 || i < count; i++) {
    if (!hasRoom(s, start, dirs)) break;
    const recordAt = w.pos;
    below?.begin(0, "");
    const status = readOne(s, at.fd, first === count ? "" : msg.names[i]!, 0, below);
    dirs++;
    if (status === 0) continue;
    w.pos = recordAt;
    below?.begin(0, "");
    w.u32(-status);
    if (status === -e.EMSGSIZE) break;
  }
  w.view.setUint16(headAt, dirs, true);
  w.view.setUint32(headAt + 2, w.pos - start, true);
  return 0;
}

/** Whether one more directory is tried. Not with little room: what does not fit was read in vain. */
function hasRoom(s: P9Server, start: number, dirs: number): boolean {
  const { limit, pos } = s.w;
  return limit - pos >= HEAD_SIZE && (dirs === 0 || limit - pos >= (limit - start) / 2);
}

/** Most directories of one reply that nobody has asked for by name. */
const MAX_BELOW = 128;

/** Reads what is below the directories that were asked for. */
class Below {
  private readonly s: P9Server;
  private readonly start: number;
  private dirs = 0;

  constructor(s: P9Server, start: number) {
    this.s = s;
    this.start = start;
  }

  begin(level: number, name: string): void {
    this.s.w.u16(level);
    this.s.w.str(name);
  }

  /** Directory `fd` of `level` has the entries in [from, to) of the reply. */
  read(fd: number, level: number, from: number, to: number): void {
    const { s } = this;
    const { w } = s;
    if (level === MAX_LEVELS) return;
    for (let at = from; at < to;) {
      const nameAt = at + DIRENT_ATTR_OVERHEAD;
      const len = w.view.getUint16(nameAt - 2, true);
      if (isDirMode(attrMode(w.view, at))) {
        if (this.dirs === MAX_BELOW || !hasRoom(s, this.start, 1)) return;
        this.dirs++;
        const name = nameText(w.buf, nameAt, len);
        const recordAt = w.pos;
        this.begin(level + 1, name);
        if (readOne(s, fd, name, level + 1, this) < 0) w.pos = recordAt;
      }
      at = nameAt + len;
    }
  }
}

/** One directory's record, with room for its head: the one called `name` in an open one, or that itself. 0 or -errno, with anything written. */
function readOne(s: P9Server, parentFd: number, name: string, level: number, below: Below | null): number {
  const bad = name === "" ? 0 : checkName(name);
  if (bad < 0) return bad;
  const fd = s.host.openat(parentFd, name === "" ? "." : name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  let err = s.statFd(fd);
  if (err === 0) {
    s.w.u32(0);
    encodeAttr(s.w, s.stat);
    err = readEntries(s, fd, level, below);
  }
  s.host.close(fd);
  return err;
}

/** The entries of the directory whose attributes were read last. */
function readEntries(s: P9Server, fd: number, level: number, below: Below | null): number {
  const { w } = s;
  const sizeAt = w.reserve(4);
  const bareDev = (msg.flags & READDIRS_BARE_FILES) !== 0 ? s.stat.dev : ALL_ATTRS;
  const n = s.host.readdirAttrs(fd, w.buf, w.pos, w.limit - w.pos, passed, bareDev);
  if (n < 0) return n;
  if (passed[0] !== 0) return -e.EMSGSIZE;
  const from = w.pos;
  w.pos += n;
  w.view.setUint32(sizeAt, n, true);
  if (below !== null) below.read(fd, level, from, w.pos);
  return 0;
}
