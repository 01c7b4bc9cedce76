/** Reading directories, plain and with attributes. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import { DT_DIR, DT_LNK } from "../../abi/dirent.ts";
import * as c from "../wire/constants.ts";
import { READDIRATTR_OVERHEAD, Treaddirattr } from "../wire/extension.ts";
import { Treaddir } from "../wire/linux.ts";
import { DIRENT_OVERHEAD, DirEntry } from "../wire/records.ts";
import { DirStream } from "./dir-stream.ts";
import { closeOpen } from "./fid.ts";
import type { P9Server } from "./server.ts";
import { ALL_ATTRS, openDir } from "./shared.ts";

const readdirMsg = new Treaddir();
const readdirattrMsg = new Treaddirattr();
const entry = new DirEntry();
const passed = new Int32Array(2);

export function readdir(s: P9Server): number {
  const m = readdirMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined) return -e.EBADF;
  const { dir } = fid;
  if (dir === null) return fid.openFd >= 0 ? -e.ENOTDIR : -e.EBADF;
  if (m.offsetHi !== 0) return -e.EINVAL;
  const failed = dir.seek(s.host, m.offsetLo);
  if (failed < 0) return failed;
  const { w } = s;
  const countAt = w.pos;
  w.u32(0);
  const room = Math.min(m.count, w.limit - w.pos);
  const start = w.pos;
  for (;;) {
    const more = dir.peek(s.host);
    if (more < 0 && w.pos === start) return more;
    if (more <= 0) break;
    if (w.pos - start + DIRENT_OVERHEAD + dir.name.length > room) {
      // No room for a single entry: an empty reply would mean the end.
      if (w.pos === start) return -e.EINVAL;
      break;
    }
    // What lies above the attach point is none of the client's business, its inode number included.
    if (dir.name === ".." && fid.handle.parent === null) {
      const lost = s.statFd(fid.handle.fd);
      entry.qid.path = lost < 0 ? 0 : s.stat.ino;
    } else entry.qid.path = dir.ino;
    entry.qid.type = dir.type === DT_DIR ? c.QT_DIR : dir.type === DT_LNK ? c.QT_SYMLINK : c.QT_FILE;
    entry.offsetLo = dir.position + 1;
    entry.type = dir.type;
    entry.name = dir.name;
    entry.encode(w);
    dir.next();
  }
  w.view.setUint32(countAt, w.pos - start, true);
  return 0;
}

export function readdirattr(s: P9Server): number {
  const m = readdirattrMsg;
  const err = m.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(m.fid);
  if (fid === undefined || fid.xattr !== null) return -e.EBADF;
  if (fid.handle.type !== S_IFDIR) return -e.ENOTDIR;
  if (fid.dir === null) {
    const fd = openDir(s, fid.handle);
    if (fd < 0) return fd;
    fid.dir = new DirStream(fd);
  }
  const { dir } = fid;
  const failed = dir.seekFresh(s.host, m.offset);
  if (failed < 0) return failed;
  const { w } = s;
  const headAt = w.reserve(READDIRATTR_OVERHEAD);
  if (headAt < 0) return -e.EMSGSIZE;
  const room = Math.min(m.count, w.limit - w.pos);
  const n = s.host.readdirAttrs(dir.fd, w.buf, w.pos, room, passed, ALL_ATTRS);
  if (n < 0) return n;
  const flags = passed[0] !== 0 ? 0 : c.READDIR_EOF;
  if (n === 0 && flags === 0) return -e.EINVAL;
  dir.passed(passed[1]!);
  w.view.setUint32(headAt, flags, true);
  w.view.setUint32(headAt + 4, dir.position, true);
  w.view.setUint32(headAt + 8, 0, true);
  w.view.setUint32(headAt + 12, n, true);
  w.reserve(n);
  // Most directories are read once, whole: nothing stays open for them.
  if (flags === c.READDIR_EOF) closeOpen(s.host, fid);
  return 0;
}
