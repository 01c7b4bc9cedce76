/**
 * Files of the host that were donated to the sandbox: standard input, output and error that are pipes, sockets, regular
 * files or devices (a terminal becomes a pty instead, see boot/terminal-pump.ts).
 *
 * The Sentry has one thread, so no call here may wait: transfers are made with RWF_NOWAIT, or, where the host file does
 * not know that, after poll(2) said that they will not block. O_NONBLOCK is never set on the host's side, since the open
 * file description belongs to others too. Waiting goes through the platform's epoll, armed only while somebody waits.
 */
import { EAGAIN, EINVAL, EOPNOTSUPP, EPERM, ESPIPE } from "../../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, O_WRONLY, SEEK_DATA } from "../../../abi/fcntl.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";
import type { Host } from "../../../host/host.ts";
import {
  HSTAT_ATIME,
  HSTAT_ATIME_NS,
  HSTAT_BLKSIZE,
  HSTAT_BLOCKS,
  HSTAT_CTIME,
  HSTAT_CTIME_NS,
  HSTAT_DEV,
  HSTAT_GID,
  HSTAT_INO,
  HSTAT_LEN,
  HSTAT_MODE,
  HSTAT_MTIME,
  HSTAT_MTIME_NS,
  HSTAT_NLINK,
  HSTAT_RDEV,
  HSTAT_SIZE,
  HSTAT_UID,
} from "../../../host/host.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { AnonInode } from "../../vfs/anon.ts";
import { FileDescription, FMODE_READ, FMODE_WRITE } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

const RWF_NOWAIT = 8;
const AT_EMPTY_PATH = 0x1000;
/** What a writable pipe surely takes without blocking (PIPE_BUF). */
const SURE_WRITE = 4096;

const hostStat = new Float64Array(HSTAT_LEN);
const pollSet = new Int32Array(3);
const intBuf = new Uint8Array(4);

/** Readiness of host fds, as the kernel's HostWatch gives it. */
export interface HostFdWatch {
  watch(fd: number, events: number, listener: { onHostReady(events: number): void }): number;
  unwatch(fd: number): void;
}

/** What a donated fd shows: attributes from the host. */
export class HostInode extends AnonInode {
  private readonly host: Host;
  private readonly watch: HostFdWatch;
  readonly fd: number;

  constructor(vfs: VirtualFileSystem, host: Host, watch: HostFdWatch, fd: number, mode: number) {
    super(vfs.anon, vfs.newIno(), mode, 0, 0);
    this.host = host;
    this.watch = watch;
    this.fd = fd;
    if (host.fstatat(fd, "", AT_EMPTY_PATH, hostStat) >= 0) {
      this.uid = hostStat[HSTAT_UID]!;
      this.gid = hostStat[HSTAT_GID]!;
      this.rdev = hostStat[HSTAT_RDEV]!;
    }
  }

  override get opensSpecial(): boolean {
    return true;
  }

  /** Reopening through /proc/self/fd/N: the same host file once more. */
  override open(flags: number, _ctx: PathContext): FileDescription | number {
    const have = this.host.fcntlGetfl(this.fd) & O_ACCMODE;
    const want = flags & O_ACCMODE;
    if ((have === O_RDONLY && want !== O_RDONLY) || (have === O_WRONLY && want !== O_WRONLY)) return -EPERM;
    const fd = this.host.dup(this.fd);
    return fd < 0 ? fd : new HostFile(this.host, this.watch, fd, this.mode & S_IFMT);
  }

  override getStat(out: Stat): number {
    const err = this.host.fstatat(this.fd, "", AT_EMPTY_PATH, hostStat);
    if (err < 0) return err;
    const h = hostStat;
    out.dev = h[HSTAT_DEV]!;
    out.ino = h[HSTAT_INO]!;
    out.mode = h[HSTAT_MODE]!;
    out.nlink = h[HSTAT_NLINK]!;
    out.uid = h[HSTAT_UID]!;
    out.gid = h[HSTAT_GID]!;
    out.rdev = h[HSTAT_RDEV]!;
    out.size = h[HSTAT_SIZE]!;
    out.blksize = h[HSTAT_BLKSIZE]!;
    out.blocks = h[HSTAT_BLOCKS]!;
    out.atimeSec = h[HSTAT_ATIME]!;
    out.atimeNsec = h[HSTAT_ATIME_NS]!;
    out.mtimeSec = h[HSTAT_MTIME]!;
    out.mtimeNsec = h[HSTAT_MTIME_NS]!;
    out.ctimeSec = h[HSTAT_CTIME]!;
    out.ctimeNsec = h[HSTAT_CTIME_NS]!;
    out.btimeSec = out.btimeNsec = 0;
    out.attributes = 0;
    return 0;
  }
}

/** See the header. */
export class HostFile extends FileDescription {
  private readonly host: Host;
  private readonly watch: HostFdWatch;
  private readonly fd: number;
  private readonly isRegular: boolean;
  private readonly queue: WaitQueue = new WaitQueue();
  private armed = false;
  /** The host file refused RWF_NOWAIT. */
  private mustPoll: boolean;

  /** Takes over `fd`. `type`: S_IFMT bits of the host file. */
  constructor(host: Host, watch: HostFdWatch, fd: number, type: number) {
    super();
    this.host = host;
    this.watch = watch;
    this.fd = fd;
    this.isRegular = type === S_IFREG;
    this.mustPoll = type === S_IFCHR;
  }

  /** A file for donated fd `fd` (taken over), ready for an fd table, or -errno. */
  static donated(vfs: VirtualFileSystem, host: Host, watch: HostFdWatch, fd: number): HostFile | number {
    const err = host.fstatat(fd, "", AT_EMPTY_PATH, hostStat);
    if (err < 0) return err;
    const mode = hostStat[HSTAT_MODE]!;
    const flags = host.fcntlGetfl(fd);
    if (flags < 0) return flags;
    const inode = new HostInode(vfs, host, watch, fd, mode);
    const type = mode & S_IFMT;
    const kind = type === S_IFIFO ? "pipe" : type === S_IFSOCK ? "socket" : type === S_IFREG ? "host-file" : "host";
    const file = new HostFile(host, watch, fd, type);
    const access = flags & O_ACCMODE;
    const fmode = (access === O_WRONLY ? 0 : FMODE_READ) | (access === O_RDONLY ? 0 : FMODE_WRITE);
    vfs.anon.attach(file, vfs.anon.newPath(`${kind}:[${inode.ino}]`, inode), flags, fmode);
    return file;
  }

  /** poll(2) without waiting. */
  private poll(events: number): number {
    pollSet[0] = this.fd;
    pollSet[1] = events;
    pollSet[2] = 0;
    return this.host.poll(pollSet, 1, 0) > 0 ? pollSet[2] : 0;
  }

  override read(seq: IoSequence): number {
    let flags = 0;
    if (!this.isRegular) {
      if (this.mustPoll) {
        if (this.poll(EV_IN) === 0) return this.again();
      } else flags = RWF_NOWAIT;
    }
    const n = this.host.readv(this.fd, seq, -1, flags);
    if (n === -EOPNOTSUPP && flags !== 0) {
      this.mustPoll = true;
      return this.read(seq);
    }
    if (n === -EAGAIN) return this.again();
    if (n > 0) seq.advance(n);
    return n;
  }

  override write(seq: IoSequence): number {
    if (seq.remaining === 0) return 0;
    if (this.isRegular) return this.transferred(seq, this.host.writev(this.fd, seq, -1, 0));
    if (!this.mustPoll) {
      const n = this.host.writev(this.fd, seq, -1, RWF_NOWAIT);
      if (n !== -EOPNOTSUPP) return n === -EAGAIN ? this.again() : this.transferred(seq, n);
      this.mustPoll = true;
    }
    let done = 0;
    while (seq.remaining > 0) {
      if ((this.poll(EV_OUT) & (EV_OUT | EV_ERR | EV_HUP)) === 0) break;
      const len = Math.min(seq.lens[0]!, SURE_WRITE);
      const n = this.host.write(this.fd, seq.bufs[0]!, seq.offs[0]!, len);
      if (n <= 0) {
        if (done === 0 && n !== -EAGAIN) return n;
        break;
      }
      seq.advance(n);
      done += n;
    }
    return done > 0 ? done : this.again();
  }

  private transferred(seq: IoSequence, n: number): number {
    if (n > 0) seq.advance(n);
    return n;
  }

  private again(): number {
    if (!this.queue.isEmpty) this.arm();
    return -EAGAIN;
  }

  override pread(seq: IoSequence, off: number): number {
    return this.isRegular ? this.transferred(seq, this.host.readv(this.fd, seq, off, 0)) : -ESPIPE;
  }

  override pwrite(seq: IoSequence, off: number): number {
    return this.isRegular ? this.transferred(seq, this.host.writev(this.fd, seq, off, 0)) : -ESPIPE;
  }

  /** The position is the host's, shared with whoever else has the file open. */
  override seek(off: number, whence: number): number {
    if (whence >= SEEK_DATA && !this.isRegular) return -EINVAL;
    const r = this.host.lseek(this.fd, off, whence);
    if (r >= 0) this.offset = r;
    return r;
  }

  override truncate(size: number): number {
    return this.isRegular ? this.host.ftruncate(this.fd, size) : -EINVAL;
  }

  override sync(dataOnly: boolean): number {
    return dataOnly ? this.host.fdatasync(this.fd) : this.host.fsync(this.fd);
  }

  override readiness(): number {
    if (this.isRegular) return EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
    const want = (this.readable ? EV_IN | EV_RDNORM : 0) | (this.writable ? EV_OUT | EV_WRNORM : 0);
    const have = this.poll(want);
    if ((have & want) !== want && !this.queue.isEmpty) this.arm();
    return have;
  }

  override waitQueue(): WaitQueue | null {
    if (this.isRegular) return null;
    this.arm();
    return this.queue;
  }

  private arm(): void {
    if (this.armed) return;
    const events = (this.readable ? EV_IN : 0) | (this.writable ? EV_OUT : 0);
    const have = this.readable && this.writable ? this.poll(EV_IN | EV_OUT) : 0;
    // A socket that can be written would wake the sandbox over and over for somebody who waits to read.
    const missing = have === 0 ? events : events & ~have;
    this.armed = this.watch.watch(this.fd, missing === 0 ? events : missing, this) === 0;
  }

  /** The host file is ready: tell, and watch again only when somebody still waits. */
  onHostReady(events: number): void {
    this.watch.unwatch(this.fd);
    this.armed = false;
    this.queue.notify(events);
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    if (request !== FIONREAD) return super.ioctl(ctx, request, arg);
    const n = this.bytesReadable();
    return n < 0 ? n : ctx.mm.writeU32(arg, n);
  }

  override bytesReadable(): number {
    const err = this.host.ioctlBuf(this.fd, FIONREAD, intBuf);
    return err < 0 ? err : new DataView(intBuf.buffer).getInt32(0, true);
  }

  protected override release(): void {
    if (this.armed) this.watch.unwatch(this.fd);
    this.host.close(this.fd);
  }
}
