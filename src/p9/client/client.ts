/**
 * A synchronous 9P2000.L client.
 *
 * Results are values >= 0 or -errno, the server's own or -EIO when the connection is broken. What a call yields besides
 * is put into objects that the caller passes, or into fields of the client that hold until its next call. With a server
 * that has the extension most calls are one round trip; with any other they are composed of plain messages (plain.ts).
 *
 * The server is trusted no more than the wire: every reply is checked for type, tag and length.
 */
import { EIO, EOPNOTSUPP } from "../../abi/errno.ts";
import { Stat, isDirMode } from "../../abi/stat.ts";
import { StatFs } from "../../abi/statfs.ts";
import { XATTR_REPLACE } from "../../abi/xattr.ts";
import { Data, Rwrite, Tread, Twrite } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import type { Reader } from "../wire/cursor.ts";
import * as x from "../wire/extension.ts";
import * as l from "../wire/linux.ts";
import { Empty, FidOnly } from "../wire/message.ts";
import type { Message } from "../wire/message.ts";
import { DIRENT_ATTR_OVERHEAD, DirEntryAttr, decodeAttr, decodeStatFs } from "../wire/records.ts";
import type { SetAttr } from "../wire/records.ts";
import { BATCH, P9Connection } from "./connection.ts";
import { isName, isNameAt } from "./names.ts";
import * as plain from "./plain.ts";

/** Takes directories as the extension's messages have them, to decode what is needed. */
export interface RecordSink {
  /**
   * DirEntryAttr records (wire/records.ts) in buf[from, to), of which starts[0, count) say where those begin that have a proper
   * name. All that holds until the return.
   */
  records(buf: Uint8Array, from: number, to: number, starts: Int32Array, count: number): void;
}

/** Takes the directories of {@link P9Client.readdirs}. `attr` is reused. */
export interface DirsSink extends RecordSink {
  /** The i-th directory: 0 and its attributes, its entries follow; or its -errno (-EMSGSIZE: read it alone). */
  directory(i: number, status: number, attr: Stat): void;
  /** With READDIRS_BELOW: the directory called `name` in the last one of the level before; its entries follow. */
  below(level: number, name: string, attr: Stat): void;
}

/** Takes the entries of a directory. `attr` is reused; without `isComplete` only its type bits and ino are known. */
export interface DirSink {
  entry(name: string, attr: Stat, isComplete: boolean): void;
}

const walkattrMsg = new x.Twalkattr();
const walkattrReply = new x.Rwalkattr();
const openatMsg = new x.Topenat();
const createatMsg = new x.Tcreateat();
const makeatMsg = new x.Tmakeat();
const readdirattrMsg = new x.Treaddirattr();
const readdirattrReply = new x.Rreaddirattr();
const entryAttr = new DirEntryAttr();
const readdirsMsg = new x.Treaddirs();
const readdirsReply = new x.Rreaddirs();
const dirAttr = new Stat();
const allocateMsg = new x.Tallocate();
const setattrxMsg = new x.Tsetattrx();
const setattratMsg = new x.Tsetattrat();
const rename2Msg = new x.Trename2();
const nameMsg = new x.FidName();
const setxattrMsg = new x.Tsetxattr();
const linkMsg = new l.Tlink();
const unlinkatMsg = new l.Tunlinkat();
const unlinkxMsg = new x.Tunlinkx();
const fsyncMsg = new l.Tfsync();
const readMsg = new Tread();
const writeMsg = new Twrite();
const writeReply = new Rwrite();
const dataReply = new Data();
const fidMsg = new FidOnly();
const readlinkReply = new l.Rreadlink();
const watchMsg = new x.Twatch();
const watchReply = new x.Rwatch();
const empty = new Empty();

class StatFsInto implements Message {
  out: StatFs = new StatFs();

  encode(): void {}

  decode(r: Reader): number {
    decodeStatFs(r, this.out);
    return r.finish();
  }
}

const NO_BYTES = new Uint8Array(0);
const statfsInto = new StatFsInto();

export class P9Client extends P9Connection {
  /** What {@link P9Client.walk} found: fids (or NOFID) and attributes of the first `n` names. */
  readonly walkFids: number[] = [];
  readonly walkAttrs: Stat[] = [];
  /** The errno for the name behind them, or 0. */
  walkStatus = 0;
  /** Target of the last file found, when it is a symbolic link and the server told; else "". */
  walkTarget = "";
  /** The fid that open, create or make made, or NOFID. */
  newFid: number = c.NOFID;

  readonly #unwatched: x.Numbers = new x.Numbers();
  /** Of giveRecords; made when needed. */
  #starts: Int32Array = new Int32Array(0);

  override negotiate(hasExtension: boolean): number {
    this.#unwatched.count = 0;
    return super.negotiate(hasExtension);
  }

  // --- lookups ---

  /** The i-th record of {@link P9Client.walkAttrs}, made when missing. */
  walkAttr(i: number): Stat {
    return (this.walkAttrs[i] ??= new Stat());
  }

  /**
   * Looks up names[0..count) one below the other, at most MAX_WALK. Returns how many were found, each with a new fid; the
   * walk stops behind anything that is not a directory. With `dirsOnly`, files of other types get no fid. -errno: the
   * request itself failed.
   */
  walk(fid: number, names: readonly string[], count: number, dirsOnly = false): number {
    this.walkStatus = 0;
    this.walkTarget = "";
    if (!this.isExtended) return plain.walk(this, fid, names, count);
    const m = walkattrMsg;
    m.fid = fid;
    m.flags = dirsOnly ? c.WALK_DIRS_ONLY : 0;
    m.count = count;
    for (let i = 0; i < count; i++) {
      m.names[i] = names[i]!;
      m.newFids[i] = this.allocFid();
    }
    // The reply's records go straight to the caller.
    for (let i = 0; i < count; i++) walkattrReply.attrs[i] = this.walkAttr(i);
    const err = this.call(c.TWALKATTR, m, walkattrReply);
    const found = err < 0 || walkattrReply.count > count ? 0 : walkattrReply.count;
    for (let i = count - 1; i >= found; i--) this.freeFid(m.newFids[i]!);
    if (err < 0) {
      if (this.isDead) return err;
      this.walkStatus = -err;
      return 0;
    }
    for (let i = 0; i < found; i++) {
      const isFid = !dirsOnly || isDirMode(this.walkAttrs[i]!.mode);
      if (!isFid) this.freeFid(m.newFids[i]!);
      this.walkFids[i] = isFid ? m.newFids[i]! : c.NOFID;
    }
    this.walkStatus = walkattrReply.status;
    this.walkTarget = walkattrReply.target;
    return found;
  }

  /** Attributes of a fid's file into `out`. */
  getattr(fid: number, out: Stat): number {
    if (!this.isExtended) return plain.getattr(this, fid, out);
    walkattrMsg.fid = fid;
    walkattrMsg.flags = 0;
    walkattrMsg.count = 0;
    walkattrReply.attrs[0] = out;
    const err = this.call(c.TWALKATTR, walkattrMsg, walkattrReply);
    walkattrReply.attrs[0] = this.walkAttr(0);
    if (err < 0) return err;
    return walkattrReply.count === 1 ? 0 : -EIO;
  }

  readlink(fid: number): string | number {
    fidMsg.fid = fid;
    const err = this.call(c.TREADLINK, fidMsg, readlinkReply);
    return err < 0 ? err : readlinkReply.target;
  }

  statfs(fid: number, out: StatFs): number {
    fidMsg.fid = fid;
    statfsInto.out = out;
    return this.call(c.TSTATFS, fidMsg, statfsInto);
  }

  /** Gives every entry of a directory but "." and ".." to the sink. 0 or -errno (some entries may have been given). */
  readdir(fid: number, sink: DirSink): number {
    if (!this.isExtended) return plain.readdir(this, fid, sink);
    const { r } = this;
    return this.readRecords(fid, {
      records(_buf: Uint8Array, _from: number, to: number, starts: Int32Array, count: number): void {
        for (let i = 0; i < count; i++) {
          r.reset(starts[i]!, to);
          entryAttr.decode(r);
          sink.entry(entryAttr.name, entryAttr.attr, true);
        }
      },
    });
  }

  /** {@link P9Client.readdir} of a server with the extension. */
  readRecords(fid: number, sink: RecordSink): number {
    const m = readdirattrMsg;
    m.fid = fid;
    m.offset = 0;
    m.count = this.msize - c.IO_HEADER_SIZE;
    for (;;) {
      const err = this.call(c.TREADDIRATTR, m, readdirattrReply);
      if (err < 0) return err;
      const { flags, next, off, count } = readdirattrReply;
      if (!this.giveRecords(off, off + count, sink)) return this.broken();
      if ((flags & c.READDIR_EOF) !== 0) return 0;
      // A server that makes no progress would keep us here for ever.
      if (next <= m.offset) return this.broken();
      m.offset = next;
    }
  }

  /** Gives the records in [from, to) of the reply to the sink. False: they are no records. @hot */
  private giveRecords(from: number, to: number, sink: RecordSink): boolean {
    const { buf, view } = this.r;
    if (this.#starts.length === 0) this.#starts = new Int32Array(Math.ceil(buf.length / DIRENT_ATTR_OVERHEAD));
    const starts = this.#starts;
    let count = 0;
    for (let at = from; at < to;) {
      const nameAt = at + DIRENT_ATTR_OVERHEAD;
      if (nameAt > to) return false;
      const len = view.getUint16(nameAt - 2, true);
      if (len > to - nameAt) return false;
      if (isNameAt(buf, nameAt, len)) starts[count++] = at;
      at = nameAt + len;
    }
    sink.records(buf, from, to, starts, count);
    return true;
  }

  /**
   * Reads whole directories, as many as fit into one reply: those called names[depth..count) in the directory to which
   * names[0..depth) lead from fid; that one itself when depth = count. flags: READDIRS_*. How many were read (at least one), or
   * -errno.
   */
  readdirs(fid: number, names: readonly string[], depth: number, count: number, flags: number, sink: DirsSink): number {
    const m = readdirsMsg;
    m.fid = fid;
    m.flags = flags;
    m.depth = depth;
    m.count = count;
    for (let i = 0; i < count; i++) m.names[i] = names[i]!;
    const err = this.call(c.TREADDIRS, m, readdirsReply);
    if (err < 0) return err;
    const { dirs, off, count: length } = readdirsReply;
    const { r } = this;
    const end = off + length;
    if (dirs < 1 || dirs > Math.max(1, count - depth)) return this.broken();
    const hasLevels = (flags & c.READDIRS_BELOW) !== 0;
    let last = 0;
    r.reset(off, end);
    for (let i = 0; i < dirs || r.pos < end;) {
      const level = hasLevels ? r.u16() : 0;
      const name = hasLevels ? r.str() : "";
      const status = r.u32();
      const isProper = level === 0 ? i < dirs : level <= last + 1 && level <= c.MAX_LEVELS && i > 0 && status === 0;
      if (r.isShort || status > 4095 || !isProper || (level > 0 && !isName(name))) return this.broken();
      last = level;
      if (status !== 0) {
        sink.directory(i++, -status, dirAttr);
        continue;
      }
      decodeAttr(r, dirAttr);
      const size = r.u32();
      if (r.isShort || size > end - r.pos) return this.broken();
      if (level > 0) sink.below(level, name, dirAttr);
      else sink.directory(i++, 0, dirAttr);
      const from = r.pos;
      if (!this.giveRecords(from, from + size, sink)) return this.broken();
      r.reset(from + size, end);
    }
    return dirs;
  }

  /**
   * Which entries of the directory to which names[0..count) lead from fid have extended attributes: their names, each with a
   * NUL behind it; or -errno.
   */
  xattrNames(fid: number, names: readonly string[], count: number): Uint8Array | number {
    const m = readdirsMsg;
    m.fid = fid;
    m.flags = 0;
    m.depth = 0;
    m.count = count;
    for (let i = 0; i < count; i++) m.names[i] = names[i]!;
    return this.callForData(c.TXATTRNAMES, m);
  }

  // --- changes ---

  /** Applies `set` and reads the attributes afterwards. */
  setattr(fid: number, set: SetAttr, out: Stat): number {
    if (!this.isExtended) return plain.setattr(this, fid, set, out);
    setattrxMsg.fid = fid;
    setattrxMsg.set = set;
    return this.callForAttr(c.TSETATTRX, setattrxMsg, out);
  }

  /**
   * The same of the file called `name` in a directory, whose attributes `out` has had before: -ESTALE if it is another one by now.
   * Its fid is in newFid. -EOPNOTSUPP from a server without the extension.
   */
  setattrAt(dirFid: number, name: string, set: SetAttr, out: Stat): number {
    this.newFid = c.NOFID;
    if (!this.isExtended) return -EOPNOTSUPP;
    const m = setattratMsg;
    m.dirFid = dirFid;
    m.newFid = this.allocFid();
    m.dev = out.dev;
    m.ino = out.ino;
    m.btimeSec = out.btimeSec;
    m.btimeNsec = out.btimeNsec;
    m.name = name;
    m.set = set;
    const err = this.callForAttr(c.TSETATTRAT, m, out);
    if (err < 0) this.freeFid(m.newFid);
    else this.newFid = m.newFid;
    return err;
  }

  /** Makes a directory, symbolic link, FIFO, socket or device (by mode's type); its fid in newFid, attributes in `out`. */
  make(
    dirFid: number,
    name: string,
    mode: number,
    uid: number,
    gid: number,
    rdev: number,
    target: string,
    out: Stat,
  ): number {
    this.newFid = c.NOFID;
    if (!this.isExtended) return plain.make(this, dirFid, name, mode, uid, gid, rdev, target, out);
    const m = makeatMsg;
    m.fid = dirFid;
    m.newFid = this.allocFid();
    m.mode = mode;
    m.uid = uid;
    m.gid = gid;
    m.rdev = rdev;
    m.name = name;
    m.target = target;
    const err = this.callForAttr(c.TMAKEAT, m, out);
    if (err < 0) this.freeFid(m.newFid);
    else this.newFid = m.newFid;
    return err;
  }

  /** A further name for fid's file; attributes afterwards in `out`. */
  link(dirFid: number, fid: number, name: string, out: Stat): number {
    linkMsg.dirFid = dirFid;
    linkMsg.fid = fid;
    linkMsg.name = name;
    if (this.isExtended) return this.callForAttr(c.TLINKATTR, linkMsg, out);
    const err = this.call(c.TLINK, linkMsg, empty);
    return err < 0 ? err : plain.getattr(this, fid, out);
  }

  /** flags: 0 or AT_REMOVEDIR. `victim`, the file's fid or NOFID, is given up, whatever the result. */
  unlink(dirFid: number, name: string, flags: number, victim: number = c.NOFID): number {
    if (this.isExtended) {
      unlinkxMsg.dirFid = dirFid;
      unlinkxMsg.name = name;
      unlinkxMsg.flags = flags;
      unlinkxMsg.victim = victim;
      const result = this.call(c.TUNLINKX, unlinkxMsg, empty);
      this.freeFid(victim);
      return result;
    }
    this.clunk(victim);
    unlinkatMsg.dirFid = dirFid;
    unlinkatMsg.name = name;
    unlinkatMsg.flags = flags;
    const err = this.call(c.TUNLINKAT, unlinkatMsg, empty);
    return err === -EOPNOTSUPP ? plain.remove(this, dirFid, name, flags) : err;
  }

  /**
   * flags: RENAME_*; a plain server knows none. One with the extension puts into `out` the attributes of what had the new
   * name afterwards; if that is another file, somebody else has renamed it there meanwhile.
   */
  rename(oldDir: number, oldName: string, newDir: number, newName: string, flags: number, out: Stat): number {
    if (!this.isExtended) return plain.rename(this, oldDir, oldName, newDir, newName, flags);
    rename2Msg.oldDirFid = oldDir;
    rename2Msg.oldName = oldName;
    rename2Msg.newDirFid = newDir;
    rename2Msg.newName = newName;
    rename2Msg.flags = flags;
    return this.callForAttr(c.TRENAME2, rename2Msg, out);
  }

  // --- contents ---

  /**
   * Opens the regular file `name` in directory `fid` (or fid itself, for "") with open(2) flags and returns a host fd.
   * With `wantFid`, the file's fid is in newFid; attributes in `out`. -EOPNOTSUPP from a server without the extension:
   * use lopen and read/write.
   */
  openFd(fid: number, name: string, flags: number, wantFid: boolean, out: Stat): number {
    this.newFid = c.NOFID;
    if (!this.isExtended) return -EOPNOTSUPP;
    const m = openatMsg;
    m.fid = fid;
    m.newFid = wantFid ? this.allocFid() : c.NOFID;
    m.flags = flags;
    m.name = name;
    return this.finishOpen(this.callForAttr(c.TOPENAT, m, out), m.newFid);
  }

  /** Creates (always anew) and opens a regular file; like {@link P9Client.openFd}. */
  createFd(
    dirFid: number,
    name: string,
    flags: number,
    mode: number,
    uid: number,
    gid: number,
    wantFid: boolean,
    out: Stat,
  ): number {
    this.newFid = c.NOFID;
    if (!this.isExtended) return -EOPNOTSUPP;
    const m = createatMsg;
    m.fid = dirFid;
    m.newFid = wantFid ? this.allocFid() : c.NOFID;
    m.flags = flags;
    m.mode = mode;
    m.uid = uid;
    m.gid = gid;
    m.name = name;
    return this.finishOpen(this.callForAttr(c.TCREATEAT, m, out), m.newFid);
  }

  private finishOpen(err: number, fid: number): number {
    if (err < 0) {
      this.freeFid(fid);
      return err;
    }
    const fd = this.transport.takeFd();
    if (fd >= 0) {
      this.newFid = fid;
      return fd;
    }
    // It opened the file but passed nothing on (our fd table may be full).
    this.clunk(fid);
    return -EIO;
  }

  /** Opens a fid for read, write or readdir through messages (plain 9P). */
  lopen(fid: number, flags: number): number {
    return plain.lopen(this, fid, flags);
  }

  /** Bytes read through messages, at most one message's worth; 0 at the end. */
  read(fid: number, offset: number, buf: Uint8Array, off: number, len: number): number {
    readMsg.fid = fid;
    readMsg.offset = offset;
    readMsg.count = Math.min(len, this.msize - c.IO_HEADER_SIZE);
    const err = this.call(c.TREAD, readMsg, dataReply);
    if (err < 0) return err;
    if (dataReply.count > readMsg.count) return -EIO;
    const { off: from, count } = dataReply;
    buf.set(this.r.buf.subarray(from, from + count), off);
    return count;
  }

  /** Bytes written through messages, at most one message's worth. */
  write(fid: number, offset: number, buf: Uint8Array, off: number, len: number): number {
    writeMsg.fid = fid;
    writeMsg.offset = offset;
    writeMsg.buf = buf;
    writeMsg.off = off;
    writeMsg.count = Math.min(len, this.msize - c.IO_HEADER_SIZE);
    const err = this.call(c.TWRITE, writeMsg, writeReply);
    if (err < 0) return err;
    return writeReply.count > writeMsg.count ? -EIO : writeReply.count;
  }

  fsync(fid: number, isDataOnly: boolean): number {
    fsyncMsg.fid = fid;
    fsyncMsg.datasync = isDataOnly ? 1 : 0;
    return this.call(c.TFSYNC, fsyncMsg, empty);
  }

  /** fallocate(2); attributes afterwards in `out`. */
  allocate(fid: number, mode: number, offset: number, length: number, out: Stat): number {
    if (!this.isExtended) return -EOPNOTSUPP;
    allocateMsg.fid = fid;
    allocateMsg.mode = mode;
    allocateMsg.offset = offset;
    allocateMsg.length = length;
    return this.callForAttr(c.TALLOCATE, allocateMsg, out);
  }

  // --- notification ---

  /** A host fd from which struct inotify_event can be read, for the watches of this connection; or -errno. */
  notify(): number {
    if (!this.isExtended) return -EOPNOTSUPP;
    const err = this.call(c.TNOTIFY, empty, empty);
    if (err < 0) return err;
    const fd = this.transport.takeFd();
    return fd >= 0 ? fd : -EIO;
  }

  /** Watches fid's file for events (IN_*). The watch's number, and attributes as of then in `out`; or -errno. */
  watch(fid: number, mask: number, out: Stat): number {
    watchMsg.fid = fid;
    watchMsg.mask = mask;
    watchReply.attr = out;
    const err = this.call(c.TWATCH, watchMsg, watchReply);
    if (err < 0) return err;
    if (watchReply.wd > 0x7fffffff) return this.broken();
    // The server has not heard yet that an earlier one was given up: it is the same.
    this.#unwatched.remove(watchReply.wd);
    return watchReply.wd;
  }

  /** Ends watches; the server hears of it later, together with others. */
  unwatch(wd: number): void {
    if (this.#unwatched.add(wd) < BATCH) return;
    this.call(c.TUNWATCH, this.#unwatched, empty);
    this.#unwatched.count = 0;
  }

  // --- extended attributes ---

  /** The value, copied; or -errno. */
  getxattr(fid: number, name: string): Uint8Array | number {
    if (!this.isExtended) return plain.readXattr(this, fid, name);
    nameMsg.fid = fid;
    nameMsg.name = name;
    return this.callForData(c.TGETXATTR, nameMsg);
  }

  /** NUL-terminated names, copied; or -errno. */
  listxattr(fid: number): Uint8Array | number {
    if (!this.isExtended) return plain.readXattr(this, fid, "");
    fidMsg.fid = fid;
    return this.callForData(c.TLISTXATTR, fidMsg);
  }

  /** flags: XATTR_CREATE, XATTR_REPLACE. */
  setxattr(fid: number, name: string, value: Uint8Array, flags: number): number {
    if (!this.isExtended) return plain.writeXattr(this, fid, name, value, flags);
    setxattrMsg.fid = fid;
    setxattrMsg.name = name;
    setxattrMsg.flags = flags;
    setxattrMsg.buf = value;
    setxattrMsg.off = 0;
    setxattrMsg.count = value.length;
    return this.call(c.TSETXATTR, setxattrMsg, empty);
  }

  removexattr(fid: number, name: string): number {
    if (!this.isExtended) return plain.writeXattr(this, fid, name, NO_BYTES, XATTR_REPLACE);
    nameMsg.fid = fid;
    nameMsg.name = name;
    return this.call(c.TREMOVEXATTR, nameMsg, empty);
  }
}
