/**
 * The 9P server: one {@link P9Server} per connection turns request messages into replies over a {@link P9Backend}.
 *
 * The client is hostile. Its names are single components and are only ever looked up with O_NOFOLLOW below a directory
 * fd that came the same way from the attach point, so neither "..", nor a symbolic link, nor renaming a directory during
 * a lookup leads out. Symbolic links are never followed here: the client reads and walks them itself.
 * Only regular files and directories are ever opened; devices, FIFOs and sockets exist as names and attributes.
 * The server acts with its own credentials: who may do what is decided by the client's kernel.
 *
 * Everything is synchronous, and requests are answered in order, so a flush never finds anything to abort.
 */
import * as e from "../../abi/errno.ts";
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, O_CLOEXEC, O_NOFOLLOW, O_PATH } from "../../abi/fcntl.ts";
import { S_IFMT, Stat } from "../../abi/stat.ts";
import * as c from "../wire/constants.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { ST_LEN, readStat } from "./backend.ts";
import type { P9Backend } from "./backend.ts";
import type { Fid } from "./fid.ts";
import { PathHandle, releaseFid } from "./fid.ts";
import { LockTable } from "./locks.ts";
import * as attr from "./ops-attr.ts";
import * as dir from "./ops-dir.ts";
import { readdirs, xattrNames } from "./ops-readdirs.ts";
import * as file from "./ops-file.ts";
import * as make from "./ops-make.ts";
import * as session from "./ops-session.ts";
import * as watch from "./ops-watch.ts";
import * as xattr from "./ops-xattr.ts";
import { checkName } from "./shared.ts";

export interface P9ServerOptions {
  /** O_PATH (or other) host fd of the directory or file that clients attach to. Owned by the caller. */
  readonly rootFd: number;
  /**
   * Host fd of /proc/self/fd, by which an O_PATH fd is opened for real: the one way to open exactly the file that was
   * looked up, whatever its name means by now. Owned by the caller.
   */
  readonly procFd: number;
  /** The path of that directory, for inotify_add_watch(2), which takes no descriptor. */
  readonly procPath: string;
  /** Refuse everything that changes a file. */
  readonly isReadonly: boolean;
  /** Name that an attach may use besides "" and "/". */
  readonly aname: string;
  /** Speak the extension when asked to. */
  readonly hasExtension: boolean;
  /** Memory through which the connection's requests may come besides: a descriptor, its size, the connection's number there. */
  readonly channel?: { readonly fd: number; readonly size: number; readonly connection: number } | undefined;
  /** Largest message, at most MAX_MSIZE. Request and reply buffers must have this size. */
  readonly maxMsize: number;
}

/** Most fids of one connection; in practice the limit on open files comes first. */
const MAX_FIDS = 1 << 20;

export class P9Server {
  readonly host: P9Backend;
  readonly options: P9ServerOptions;
  readonly fids: Map<number, Fid> = new Map();
  readonly locks: LockTable = new LockTable();
  readonly r: Reader = new Reader();
  readonly w: Writer = new Writer();
  /** Scratch for fstatat, and its decoded form. */
  readonly raw: Float64Array = new Float64Array(ST_LEN);
  readonly stat: Stat = new Stat();
  msize = 0;
  isExtended = false;
  /** Host fd that the sender of the reply passes along and then closes, or -1. */
  donatedFd = -1;
  /** {@link donatedFd} stays open here. */
  keepsDonated = false;
  /** The client has asked for the channel. */
  hasChannel = false;
  /** The connection's notification descriptor, or -1. */
  notifyFd = -1;
  /** A file that is watched too, or -1: reading it makes an event that keeps those before and behind it from being merged. */
  markFd = -1;

  constructor(host: P9Backend, options: P9ServerOptions) {
    this.host = host;
    this.options = options;
  }

  /**
   * Handles the request in `request[0, len)`, exactly one whole message, and writes the reply to `reply`. Returns the
   * reply's length, or -EBADMSG when the bytes are no message at all: the connection is then of no more use. When
   * {@link P9Server.donatedFd} is >= 0 afterwards, send it with the reply and call {@link P9Server.closeDonated}.
   */
  handle(request: Uint8Array, len: number, reply: Uint8Array): number {
    const { r, w } = this;
    if (r.buf !== request) r.attach(request);
    if (w.buf !== reply) w.attach(reply);
    r.reset(0, len);
    const size = r.u32();
    const type = r.u8();
    const tag = r.u16();
    if (r.isShort || size !== len) return -e.EBADMSG;
    const limit = this.msize > 0 ? this.msize : reply.length;
    w.begin(type + 1, tag, 0, limit);
    let result = this.dispatch(type);
    if (result === 0) {
      result = w.end();
      if (result > 0) return result;
    }
    this.closeDonated();
    w.begin(c.RLERROR, tag, 0, limit);
    w.u32(-result);
    return w.end();
  }

  /** Closes the fd that the last reply passed on. */
  closeDonated(): void {
    if (this.donatedFd >= 0 && !this.keepsDonated) this.host.close(this.donatedFd);
    this.donatedFd = -1;
    this.keepsDonated = false;
  }

  /** Gives up every fid and the watches: the connection ended or starts anew. */
  reset(): void {
    this.closeDonated();
    if (this.notifyFd >= 0) this.host.close(this.notifyFd);
    if (this.markFd >= 0) this.host.close(this.markFd);
    this.notifyFd = -1;
    this.markFd = -1;
    this.hasChannel = false;
    for (const fid of this.fids.values()) releaseFid(this.host, fid);
    this.fids.clear();
    this.locks.clear();
  }

  private dispatch(type: number): number {
    if (type === c.TVERSION) return session.version(this);
    if (this.msize === 0) return -e.EPROTO;
    if (type >= c.FIRST_EXTENSION) return this.isExtended ? this.dispatchExtension(type) : -e.EOPNOTSUPP;
    switch (type) {
      case c.TAUTH:
        return session.auth(this);
      case c.TATTACH:
        return session.attach(this);
      case c.TFLUSH:
        return session.flush(this);
      case c.TWALK:
        return session.walk(this);
      case c.TCLUNK:
        return session.clunk(this);
      case c.TGETATTR:
        return attr.getattr(this);
      case c.TSETATTR:
        return attr.setattr(this);
      case c.TSTATFS:
        return attr.statfs(this);
      case c.TREADLINK:
        return attr.readlink(this);
      case c.TLOPEN:
        return file.lopen(this);
      case c.TLCREATE:
        return file.lcreate(this);
      case c.TREAD:
        return file.read(this);
      case c.TWRITE:
        return file.write(this);
      case c.TFSYNC:
        return file.fsync(this);
      case c.TLOCK:
        return file.lock(this);
      case c.TGETLOCK:
        return file.getlock(this);
      case c.TREADDIR:
        return dir.readdir(this);
      case c.TMKDIR:
        return make.mkdir(this);
      case c.TMKNOD:
        return make.mknod(this);
      case c.TSYMLINK:
        return make.symlink(this);
      case c.TLINK:
        return make.link(this);
      case c.TRENAME:
        return make.rename(this);
      case c.TRENAMEAT:
        return make.renameat(this);
      case c.TUNLINKAT:
        return make.unlinkat(this);
      case c.TREMOVE:
        return make.remove(this);
      case c.TXATTRWALK:
        return xattr.xattrwalk(this);
      case c.TXATTRCREATE:
        return xattr.xattrcreate(this);
      default:
        return -e.EOPNOTSUPP;
    }
  }

  private dispatchExtension(type: number): number {
    switch (type) {
      case c.TWALKATTR:
        return session.walkattr(this);
      case c.TOPENAT:
        return file.openat(this);
      case c.TCREATEAT:
        return file.createat(this);
      case c.TMAKEAT:
        return make.makeat(this);
      case c.TREADDIRATTR:
        return dir.readdirattr(this);
      case c.TXATTRNAMES:
        return xattrNames(this);
      case c.TNOTIFY:
        return watch.notify(this);
      case c.TWATCH:
        return watch.watch(this);
      case c.TUNWATCH:
        return watch.unwatch(this);
      case c.TUNLINKX:
        return make.unlinkx(this);
      case c.TCHANNEL:
        return session.channel(this);
      case c.TREADDIRS:
        return readdirs(this);
      case c.TCLUNKBATCH:
        return session.clunkbatch(this);
      case c.TALLOCATE:
        return file.allocate(this);
      case c.TSETATTRX:
        return attr.setattrx(this);
      case c.TSETATTRAT:
        return attr.setattrat(this);
      case c.TRENAME2:
        return make.rename2(this);
      case c.TLINKATTR:
        return make.linkattr(this);
      case c.TGETXATTR:
        return xattr.getxattr(this);
      case c.TLISTXATTR:
        return xattr.listxattr(this);
      case c.TSETXATTR:
        return xattr.setxattr(this);
      case c.TREMOVEXATTR:
        return xattr.removexattr(this);
      default:
        return -e.EOPNOTSUPP;
    }
  }

  /** Adds a fid. 0, -EBADF when its number is in use or no number, or -EMFILE. Takes no reference on failure. */
  addFid(fid: Fid): number {
    const err = this.checkNewFid(fid.number);
    if (err < 0) return err;
    this.fids.set(fid.number, fid);
    return 0;
  }

  checkNewFid(number: number): number {
    if (number === c.NOFID || this.fids.has(number)) return -e.EBADF;
    return this.fids.size >= MAX_FIDS ? -e.EMFILE : 0;
  }

  /** Attributes of an open or O_PATH fd, into {@link P9Server.stat}. 0 or -errno. */
  statFd(fd: number): number {
    const err = this.host.fstatat(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, this.raw);
    if (err < 0) return err;
    readStat(this.raw, this.stat);
    return 0;
  }

  /** Finds one name in a directory; leaves its attributes in {@link P9Server.stat}. A handle (one reference) or -errno. */
  lookup(parent: PathHandle, name: string): PathHandle | number {
    const err = checkName(name);
    if (err < 0) return err;
    const fd = this.host.openat(parent.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    const failed = this.statFd(fd);
    if (failed < 0) {
      this.host.close(fd);
      return failed;
    }
    return new PathHandle(fd, this.stat.mode & S_IFMT, parent, name);
  }

  /** Opens the very file that an fd names, with plain open(2) flags. An fd or -errno. */
  reopen(fd: number, flags: number): number {
    return this.host.openat(this.options.procFd, String(fd), flags | O_CLOEXEC, 0);
  }
}
