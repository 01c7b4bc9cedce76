/**
 * Donated host file descriptors as files: stdin, stdout, stderr, and what a caller passes in.
 *
 * The Sentry must never block on them and must not change their flags (the file description is shared with processes
 * outside). So each transfer asks for "no wait" (RWF_NOWAIT) and, where the host refuses that flag, polls first and moves
 * no more than is certain not to block. Await points: none.
 */
import { EACCES, EAGAIN, EFAULT, EINVAL, ENXIO, EOPNOTSUPP, EPERM, ESPIPE } from "../../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  O_ACCMODE,
  O_APPEND,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  RWF_NOWAIT,
  SEEK_CUR,
  SEEK_SET,
} from "../../../abi/fcntl.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import { PIPE_BUF } from "../../../abi/limits.ts";
import { MSG_DONTWAIT, MSG_PEEK } from "../../../abi/socket.ts";
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";
import type { WaitEntry } from "../../../base/waiter.ts";
import {
  FDS_MAX,
  HSTAT_ATIME,
  HSTAT_ATIME_NS,
  HSTAT_BLKSIZE,
  HSTAT_BLOCKS,
  HSTAT_CTIME,
  HSTAT_CTIME_NS,
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
import type { Host } from "../../../host/host.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { Mappable, MappedFile, MappingOwner, Translation } from "../../memmap/memmap.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { AnonFs } from "../../vfs/anon.ts";
import { ALWAYS_READY, FMODE_READ, FMODE_WRITE, FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import { ATTR_SIZE, Inode } from "../../vfs/inode.ts";
import type { SetAttr } from "../../vfs/inode.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";
import { ReopenedHostFile } from "./reopened-file.ts";

/** Told that a host fd is ready. */
export interface HostReadyListener {
  onHostReady(events: number): void;
}

/** Readiness of host fds, level-triggered, by the main loop. */
export interface HostWatcher {
  /** 0, or -errno: -EPERM for files that are always ready. */
  watch(fd: number, events: number, listener: HostReadyListener): number;
  unwatch(fd: number): void;
}

const pollSet: Int32Array = new Int32Array(3);
const hostStat: Float64Array = new Float64Array(HSTAT_LEN);

/**
 * Wait queue of a host fd. The host is asked to watch only while somebody waits and nothing was reported since the last
 * look: a level-triggered watch that nobody answers would keep the main loop awake.
 */
class HostQueue extends WaitQueue implements HostReadyListener {
  private readonly fd: number;
  private readonly watcher: HostWatcher;
  private isWatched = false;

  constructor(fd: number, watcher: HostWatcher) {
    super();
    this.fd = fd;
    this.watcher = watcher;
  }

  override add(entry: WaitEntry, mask: number): void {
    super.add(entry, mask);
    this.disarm();
    this.arm();
  }

  override remove(entry: WaitEntry): void {
    super.remove(entry);
    if (this.head === null) this.disarm();
  }

  /** Watches for what the waiters want. */
  arm(): void {
    if (this.isWatched || this.head === null) return;
    let mask = 0;
    for (let e: WaitEntry | null = this.head; e !== null; e = e.next) mask |= e.mask;
    this.isWatched = this.watcher.watch(this.fd, mask & (EV_IN | EV_OUT), this) === 0;
  }

  disarm(): void {
    if (!this.isWatched) return;
    this.isWatched = false;
    this.watcher.unwatch(this.fd);
  }

  onHostReady(events: number): void {
    this.disarm();
    let ev = events;
    if ((ev & EV_IN) !== 0) ev |= EV_RDNORM;
    if ((ev & EV_OUT) !== 0) ev |= EV_WRNORM;
    this.notify(ev);
  }
}

/** The inode: attributes are the host file's; one host fd, kept until the last user is gone. */
export class HostInode extends Inode implements Mappable, MappedFile {
  readonly host: Host;
  readonly fd: number;
  readonly queue: WaitQueue;
  private readonly hostQueue: HostQueue;
  /** The host accepts RWF_NOWAIT for reads / writes. */
  canReadNoWait = true;
  canWriteNoWait = true;
  readonly backing: { readonly fd: number; platformFd: number };
  readonly window: Uint8Array | null = null;

  constructor(fs: AnonFs, host: Host, watcher: HostWatcher, fd: number) {
    super(fs);
    this.host = host;
    this.fd = fd;
    this.backing = { fd, platformFd: -1 };
    this.hostQueue = new HostQueue(fd, watcher);
    this.queue = this.hostQueue;
    if (host.fstatat(fd, "", AT_EMPTY_PATH, hostStat) === 0) {
      this.ino = hostStat[HSTAT_INO]!;
      this.mode = hostStat[HSTAT_MODE]!;
      this.uid = hostStat[HSTAT_UID]!;
      this.gid = hostStat[HSTAT_GID]!;
      this.rdev = hostStat[HSTAT_RDEV]!;
    }
  }

  override onUnused(): void {
    this.hostQueue.disarm();
    this.host.close(this.fd);
  }

  override getStat(out: Stat): number {
    const r = this.host.fstatat(this.fd, "", AT_EMPTY_PATH, hostStat);
    if (r < 0) return r;
    out.dev = this.fs.dev;
    out.ino = this.ino;
    out.mode = hostStat[HSTAT_MODE]!;
    out.nlink = hostStat[HSTAT_NLINK]!;
    out.uid = hostStat[HSTAT_UID]!;
    out.gid = hostStat[HSTAT_GID]!;
    out.rdev = this.rdev;
    out.size = hostStat[HSTAT_SIZE]!;
    out.blksize = hostStat[HSTAT_BLKSIZE]! | 0;
    out.blocks = hostStat[HSTAT_BLOCKS]!;
    out.atimeSec = hostStat[HSTAT_ATIME]!;
    out.atimeNsec = hostStat[HSTAT_ATIME_NS]!;
    out.mtimeSec = hostStat[HSTAT_MTIME]!;
    out.mtimeNsec = hostStat[HSTAT_MTIME_NS]!;
    out.ctimeSec = hostStat[HSTAT_CTIME]!;
    out.ctimeNsec = hostStat[HSTAT_CTIME_NS]!;
    out.btimeSec = out.btimeNsec = out.attributes = 0;
    return 0;
  }

  /** Only the size of a regular file; the rest belongs to somebody outside. */
  override setAttr(a: SetAttr): number {
    if ((a.mask & ATTR_SIZE) === 0) return -EPERM;
    return this.isRegular ? this.host.ftruncate(this.fd, a.size) : -EINVAL;
  }

  override get opensSpecial(): boolean {
    return true;
  }

  /** Reopening through /proc/self/fd: the same host description, as far as its mode allows; regular files have a position of their own. */
  override open(flags: number): FileDescription | number {
    if ((this.mode & S_IFMT) === S_IFSOCK) return -ENXIO;
    const have = this.host.fcntlGetfl(this.fd) & O_ACCMODE;
    const want = flags & O_ACCMODE;
    if ((want !== O_WRONLY && have === O_WRONLY) || (want !== O_RDONLY && have === O_RDONLY)) return -EACCES;
    return this.isRegular ? new ReopenedHostFile(this) : new HostFile(this);
  }

  /** fallocate(2) of the donated file. */
  allocate(mode: number, off: number, len: number): number {
    return this.host.fallocate(this.fd, mode, off, len);
  }

  /** fsync(2) or fdatasync(2) of it. */
  sync(dataOnly: boolean): number {
    return dataOnly ? this.host.fdatasync(this.fd) : this.host.fsync(this.fd);
  }

  /** EV_* that hold now, without blocking. */
  poll(events: number): number {
    if (this.isRegular) return ALWAYS_READY & events;
    pollSet[0] = this.fd;
    pollSet[1] = events;
    pollSet[2] = 0;
    if (this.host.poll(pollSet, 1, 0) <= 0) return 0;
    return pollSet[2]!;
  }

  /** Waiters are served again by the host's next event. */
  rearm(): void {
    this.hostQueue.arm();
  }

  // --- mapping regular files ---

  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    const r = this.host.fstatat(this.fd, "", AT_EMPTY_PATH, hostStat);
    if (r < 0) return r;
    const end = Math.ceil(hostStat[HSTAT_SIZE]! / PAGE_SIZE) * PAGE_SIZE;
    if (offset >= end) return -EFAULT;
    out.file = this;
    out.offset = offset;
    out.len = len < PAGE_SIZE ? PAGE_SIZE : Math.min(Math.ceil(len / PAGE_SIZE) * PAGE_SIZE, end - offset);
    out.maxProt = 7;
    return 0;
  }
  addMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {
    this.incUsers();
  }
  removeMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {
    this.decUsers();
  }
  syncRange(_offset: number, _len: number): number {
    return this.host.fdatasync(this.fd);
  }
  readAt(dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    return this.host.pread(this.fd, dst, dstOff, len, offset);
  }
  writeAt(src: Uint8Array, srcOff: number, len: number, offset: number): number {
    return this.host.pwrite(this.fd, src, srcOff, len, offset);
  }
  /** A user for each page: what was referred to as one range may be given back in parts. */
  incRef(_offset: number, len: number): void {
    this.users += len / PAGE_SIZE;
  }
  decRef(_offset: number, len: number): void {
    this.users -= len / PAGE_SIZE - 1;
    this.decUsers();
  }
  isExclusive(): boolean {
    return false;
  }
}

/** An open donated file. Its position is the host's, shared with whoever else has the description. */
export class HostFile extends FileDescription {
  private readonly node: HostInode;

  constructor(node: HostInode) {
    super();
    this.node = node;
  }

  override get takesNoWait(): boolean {
    return this.node.isRegular;
  }

  override read(seq: IoSequence): number {
    if (seq.remaining === 0) return 0;
    const node = this.node;
    let n: number;
    if (node.isRegular) {
      n = node.host.readv(node.fd, seq, -1, 0);
    } else {
      n = this.readStream(seq);
      node.rearm();
    }
    if (n > 0) seq.advance(n);
    return n;
  }

  private readStream(seq: IoSequence): number {
    const node = this.node;
    if (node.canReadNoWait) {
      const n = node.host.readv(node.fd, seq, -1, RWF_NOWAIT);
      if (n !== -EOPNOTSUPP) return n;
      node.canReadNoWait = false;
    }
    if (node.poll(EV_IN) === 0) return -EAGAIN;
    return node.host.readv(node.fd, seq, -1, 0);
  }

  /** Of a socket: what read would give next, which stays there. Bytes or -errno. */
  peek(seq: IoSequence): number {
    const node = this.node;
    const n = node.host.recvmsg(
      node.fd,
      piece,
      0,
      Math.min(seq.remaining, PIPE_BUF),
      peekedFds,
      MSG_PEEK | MSG_DONTWAIT,
    );
    for (let i = 0; i < peekedFds[FDS_MAX]!; i++) node.host.close(peekedFds[i]!);
    node.rearm();
    return n > 0 ? seq.write(piece, 0, n) : n;
  }

  /** shutdown(2) of a socket. 0 or -errno. */
  shutdown(how: number): number {
    return this.node.host.shutdown(this.node.fd, how);
  }

  override write(seq: IoSequence): number {
    if (seq.remaining === 0) return 0;
    const node = this.node;
    let n: number;
    if (node.isRegular) {
      n = node.host.writev(node.fd, seq, -1, 0);
      if (n > 0) seq.advance(n);
    } else {
      n = this.writeStream(seq);
      node.rearm();
    }
    return n;
  }

  private writeStream(seq: IoSequence): number {
    const node = this.node;
    if (node.canWriteNoWait) {
      const n = node.host.writev(node.fd, seq, -1, RWF_NOWAIT);
      if (n > 0) seq.advance(n);
      if (n !== -EOPNOTSUPP) return n;
      node.canWriteNoWait = false;
    }
    // Room for PIPE_BUF bytes is what POLLOUT promises.
    let done = 0;
    while (seq.remaining > 0) {
      if ((node.poll(EV_OUT) & (EV_OUT | EV_ERR | EV_HUP)) === 0) return done > 0 ? done : -EAGAIN;
      const n = this.writePiece(seq);
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    return done;
  }

  private writePiece(seq: IoSequence): number {
    const node = this.node;
    const len = seq.remaining < PIPE_BUF ? seq.remaining : PIPE_BUF;
    const first = seq.lens[0]!;
    if (len <= first) {
      const n = node.host.write(node.fd, seq.bufs[0]!, seq.offs[0]!, len);
      if (n > 0) seq.advance(n);
      return n;
    }
    // Several small ranges: gathered, so that a line stays one write.
    const n = seq.read(piece, 0, len);
    let done = 0;
    while (done < n) {
      const w = node.host.write(node.fd, piece, done, n - done);
      if (w < 0) return done > 0 ? n : w;
      done += w;
    }
    return n;
  }

  override pread(seq: IoSequence, off: number): number {
    const node = this.node;
    if (!node.isRegular) return (node.mode & S_IFMT) === S_IFCHR ? this.read(seq) : -ESPIPE;
    const n = node.host.readv(node.fd, seq, off, 0);
    if (n > 0) seq.advance(n);
    return n;
  }

  override pwrite(seq: IoSequence, off: number): number {
    const node = this.node;
    if (!node.isRegular) return (node.mode & S_IFMT) === S_IFCHR ? this.write(seq) : -ESPIPE;
    const n = node.host.writev(node.fd, seq, off, 0);
    if (n > 0) seq.advance(n);
    return n;
  }

  override position(): number {
    const at = this.node.isRegular ? this.node.host.lseek(this.node.fd, 0, SEEK_CUR) : 0;
    return at < 0 ? 0 : at;
  }

  override setPosition(at: number): void {
    if (this.node.isRegular) this.node.host.lseek(this.node.fd, at, SEEK_SET);
  }

  override seek(off: number, whence: number): number {
    const type = this.node.mode & S_IFMT;
    if (type === S_IFIFO || type === S_IFSOCK) return -ESPIPE;
    return this.node.host.lseek(this.node.fd, off, whence);
  }

  override readiness(): number {
    const node = this.node;
    const r = node.poll(EV_IN | EV_OUT);
    let ev = r;
    if ((r & EV_IN) !== 0) ev |= EV_RDNORM;
    if ((r & EV_OUT) !== 0) ev |= EV_WRNORM;
    if (r === 0) node.rearm();
    return ev;
  }

  override waitQueue(): WaitQueue | null {
    return this.node.isRegular ? null : this.node.queue;
  }

  override truncate(size: number): number {
    return this.node.isRegular ? this.node.host.ftruncate(this.node.fd, size) : -EINVAL;
  }

  override allocate(mode: number, off: number, len: number): number {
    return this.node.allocate(mode, off, len);
  }

  override sync(dataOnly: boolean): number {
    return this.node.sync(dataOnly);
  }

  override mappable(): Mappable | number {
    return (this.node.mode & S_IFMT) === S_IFREG ? this.node : super.mappable();
  }

  override bytesReadable(): number {
    fourBytes.fill(0);
    const r = this.node.host.ioctlBuf(this.node.fd, FIONREAD, fourBytes);
    return r < 0 ? r : new DataView(fourBytes.buffer).getInt32(0, true);
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    if (request !== FIONREAD) return super.ioctl(ctx, request, arg);
    const n = this.bytesReadable();
    return n < 0 ? n : ctx.mm.writeU32(arg, n);
  }
}

const piece: Uint8Array = new Uint8Array(PIPE_BUF);
const fourBytes: Uint8Array = new Uint8Array(4);
const peekedFds: Int32Array = new Int32Array(FDS_MAX + 1);

/** What /proc/self/fd shows for it. */
function hostName(inode: HostInode): string {
  switch (inode.mode & S_IFMT) {
    case S_IFIFO:
      return `pipe:[${inode.ino}]`;
    case S_IFSOCK:
      return `socket:[${inode.ino}]`;
    case S_IFCHR:
      return inode.rdev === 0x103 ? "/dev/null" : `host:[${inode.ino}]`;
    default:
      return `host:[${inode.ino}]`;
  }
}

/**
 * Takes over host fd `fd` (closed with the last user) as a file with one reference. Access mode and O_APPEND are those of
 * the host's description; guest O_NONBLOCK is the guest's own business.
 */
export function importHostFd(vfs: VirtualFileSystem, host: Host, watcher: HostWatcher, fd: number): HostFile {
  const fs = vfs.anon;
  const node = new HostInode(fs, host, watcher, fd);
  const hostFlags = host.fcntlGetfl(fd);
  const acc = hostFlags & O_ACCMODE;
  const mode = acc === O_RDONLY ? FMODE_READ : acc === O_WRONLY ? FMODE_WRITE : FMODE_READ | FMODE_WRITE;
  const file = new HostFile(node);
  fs.attach(file, fs.newPath(hostName(node), node), hostFlags & (O_ACCMODE | O_APPEND) & ~O_NONBLOCK, mode);
  return file;
}
