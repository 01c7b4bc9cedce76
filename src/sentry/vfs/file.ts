/** Open file descriptions. */
import { DT_DIR } from "../../abi/dirent.ts";
import { EBADF, EFAULT, EINVAL, EISDIR, ENODEV, ENOTDIR, ENOTTY, EOVERFLOW, ESPIPE } from "../../abi/errno.ts";
import { O_APPEND, O_NOATIME, SEEK_CUR, SEEK_END, SEEK_SET, SETFL_MASK } from "../../abi/fcntl.ts";
import { MAX_FILE_SIZE } from "../../abi/limits.ts";
import { Stat } from "../../abi/stat.ts";
import { EV_IN, EV_OUT, EV_PRI, EV_RDNORM, EV_WRNORM } from "../../base/waiter.ts";
import type { WaitQueue } from "../../base/waiter.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import type { IoSequence } from "../usermem/io.ts";
import type { DirentList, DirentSink } from "./dirent.ts";
import type { EpollItem } from "./epoll.ts";
import type { Inode } from "./inode.ts";
import { notifyClose, watching } from "./notify.ts";
import type { PathContext, VfsPath } from "./path.ts";

/** Bits of {@link FileDescription.accessMode}. */
export const FMODE_READ = 1;
export const FMODE_WRITE = 2;
/** O_PATH: names a place, allows no I/O. */
export const FMODE_PATH = 4;

/** Readiness of what never blocks. */
export const ALWAYS_READY: number = EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;

/** The part of a MemoryManager that ioctl handlers use. Results: 0 / value, or -EFAULT. */
export interface UserMemory {
  copyInExact(addr: number, dst: Uint8Array, off: number, len: number): number;
  copyOutExact(addr: number, src: Uint8Array, off: number, len: number): number;
  readU32(addr: number): number;
  writeU32(addr: number, value: number): number;
}

/** The caller of an ioctl(2). */
export interface IoctlContext {
  readonly mm: UserMemory;
  readonly pathContext: PathContext;
  /** The kernel's Task, for terminals and kernelfs. */
  readonly task: unknown;
}

/** Told when a file description with O_ASYNC becomes ready: fcntl(F_SETOWN), in the kernel. */
export interface AsyncOwner {
  /** An urgent byte came to a socket (SIGURG), also without O_ASYNC. */
  onUrgent(): void;
  release(): void;
}

/**
 * An open file. Counted by fd table slots, mappings, messages in flight; `decRef` to 0 releases it.
 *
 * The syscall layer checks `accessMode` (EBADF) before it calls the I/O methods, and lengths and offsets for their range.
 * I/O results: bytes (0 = end of file), -EAGAIN: would block: with O_NONBLOCK the caller gets that, else the task waits
 * on `waitQueue()` and tries again; partial transfers are returned at once.
 */
export abstract class FileDescription {
  refs = 1;
  /** Those of them that messages of unix sockets hold, which nobody has received yet. */
  inFlight = 0;
  /** What F_GETFL returns: access mode and status flags (O_*). */
  statusFlags = 0;
  /** FMODE_* */
  accessMode = 0;
  /** Position of read/write, bytes. For directories an opaque cookie. */
  offset = 0;
  /** Bytes that a read which may wait waits for; less is given when no more come. */
  readsLeast = 1;
  /** Where it was opened; holds a reference. Null only before the VFS filled it in. */
  path: VfsPath | null = null;
  /** path.dentry.inode at open; holds a `users` reference. */
  inode: Inode | null = null;
  /** Who opened it (f_cred). */
  creds: Credentials | null = null;
  /** Epoll registrations of this description: list through EpollItem.nextOfFile. */
  epollItems: EpollItem | null = null;
  asyncOwner: AsyncOwner | null = null;
  /** F_SETSIG */
  asyncSignal = 0;
  /** How its mappings see it (kernel/file-mapping.ts); null: it was not mapped yet. */
  vmaFile: VmaFile | null = null;

  incRef(): void {
    this.refs++;
  }

  decRef(): void {
    if (--this.refs === 0) this.destroy();
  }

  private destroy(): void {
    if (watching.count !== 0) notifyClose(this);
    for (let e = this.epollItems; e !== null;) {
      const next: EpollItem | null = e.nextOfFile;
      e.epoll.removeItem(e);
      e = next;
    }
    this.epollItems = null;
    if (this.asyncOwner !== null) this.asyncOwner.release();
    const inode = this.inode;
    if (inode !== null && inode.locks !== null) inode.locks.releaseFile(this);
    this.release();
    if (inode !== null) {
      if ((this.accessMode & FMODE_WRITE) !== 0 && this.countsAsWriter) {
        inode.writers--;
        if (this.path !== null) this.path.mount.writers--;
      }
      inode.decUsers();
    }
    if (this.path !== null) this.path.decRef();
  }

  /** Set by the VFS for regular files. */
  countsAsWriter = false;

  /** The last reference is gone: free what the subclass holds. */
  protected release(): void {}

  /**
   * An fd that refers to it was closed by `owner` (the FdTable): POSIX locks of that owner go. Result: that of
   * close(2), 0 or -errno.
   */
  onClose(owner: object): number {
    const inode = this.inode;
    if (inode !== null && inode.locks !== null) inode.locks.releaseOwner(owner);
    return this.flush();
  }

  /** Subclass part of onClose. */
  protected flush(): number {
    return 0;
  }

  get readable(): boolean {
    return (this.accessMode & FMODE_READ) !== 0;
  }
  get writable(): boolean {
    return (this.accessMode & FMODE_WRITE) !== 0;
  }
  get isPath(): boolean {
    return (this.accessMode & FMODE_PATH) !== 0;
  }

  /**
   * open(2) of a FIFO waits for the other end: the queue to wait on (for EV_IN | EV_OUT), or null when the open is
   * complete. The description is already counted as an opened end; whoever gives up waiting drops it with decRef.
   */
  openWait(): WaitQueue | null {
    return null;
  }

  // --- data ---

  /** Most that a read, or a write, waits, ns; 0: as long as it takes. */
  waitLimitNs(_write: boolean): number {
    return 0;
  }

  read(_seq: IoSequence): number {
    return -EINVAL;
  }
  write(_seq: IoSequence): number {
    return -EINVAL;
  }
  /** Whether there is a read at all. */
  get hasRead(): boolean {
    return this.read !== FileDescription.prototype.read;
  }
  /** Reads take records, and lose those that they cannot put in place: `read` uses IoSequence's room and writeRecord. */
  get hasRecords(): boolean {
    return false;
  }
  /** Whether there is a write at all. */
  get hasWrite(): boolean {
    return this.write !== FileDescription.prototype.write;
  }
  /** Whether `len` bytes can be written: if not, write(2) answers EINVAL, whatever the buffer is. */
  takesWrite(_len: number): boolean {
    return this.hasWrite;
  }
  /** Whether preadv2 and pwritev2 take flags: its reads and writes are not of the simplest kind. */
  get takesRwFlags(): boolean {
    return true;
  }
  /** The same for pwritev2 alone. */
  get takesWriteFlags(): boolean {
    return this.takesRwFlags;
  }
  /** What a write of `len` bytes gives that cannot all be read: most files look at what they are to write. */
  writeUnseen(_len: number): number {
    return -EFAULT;
  }
  /** Whether preadv2 and pwritev2 take RWF_NOWAIT. */
  get takesNoWait(): boolean {
    return false;
  }
  /** Whether splice and sendfile take bytes out of it. */
  get canSplice(): boolean {
    return true;
  }
  /** Whether splice and sendfile put bytes into it. */
  get canSpliceInto(): boolean {
    return this.canSplice;
  }
  pread(_seq: IoSequence, _off: number): number {
    return -ESPIPE;
  }
  pwrite(_seq: IoSequence, _off: number): number {
    return -ESPIPE;
  }
  /** Where read and write go on. Files whose position is kept elsewhere ask there; others have it in {@link offset}. */
  position(): number {
    return this.offset;
  }
  /** Moves the position of a file that has one. */
  setPosition(at: number): void {
    this.offset = at;
  }
  /** New offset or -errno. whence: SEEK_*. */
  seek(_off: number, _whence: number): number {
    return -ESPIPE;
  }
  /** EV_* bits that hold now. */
  readiness(): number {
    return ALWAYS_READY;
  }
  /** How long a read that finds nothing waits, ns; Infinity: for ever. */
  get readTimeoutNs(): number {
    return Infinity;
  }
  /** Whether each new byte starts the timer of {@link readTimeoutNs} anew. */
  get readTimerRestarts(): boolean {
    return false;
  }
  /** The timer ran out: gives what there is. Bytes, 0 when there is nothing. */
  readTimedOut(_seq: IoSequence): number {
    return 0;
  }
  /** Notified when readiness changes; null: never changes (epoll_ctl answers EPERM for such files when {@link canPoll} is false). */
  waitQueue(): WaitQueue | null {
    return null;
  }
  /** Notified when O_ASYNC sends a signal. */
  asyncQueue(): WaitQueue | null {
    return this.waitQueue();
  }
  /** The events of {@link asyncQueue} that concern this description. */
  asyncEvents(): number {
    return EV_IN | EV_OUT | EV_PRI | EV_RDNORM | EV_WRNORM;
  }
  /** Whether epoll accepts it: false for regular files and directories. */
  get canPoll(): boolean {
    return this.waitQueue() !== null;
  }
  truncate(_size: number): number {
    return -EINVAL;
  }
  /** Whether the limit of a file's size holds for space behind its end as well (FALLOC_FL_KEEP_SIZE). */
  get limitsSpace(): boolean {
    return false;
  }
  /** fallocate(2). */
  allocate(_mode: number, _off: number, _len: number): number {
    return -ENODEV;
  }
  sync(_dataOnly: boolean): number {
    return -EINVAL;
  }
  /** What mmap maps, or -ENODEV. */
  mappable(): Mappable | number {
    return -ENODEV;
  }
  /** Whether shared mappings may be writable: no for memory files sealed against writing (fcntl(2), F_SEAL_WRITE). */
  get allowsSharedWrites(): boolean {
    return true;
  }
  ioctl(_ctx: IoctlContext, _request: number, _arg: number): number {
    return -ENOTTY;
  }
  /** Bytes that read would give now (FIONREAD), or -ENOTTY. */
  bytesReadable(): number {
    return -ENOTTY;
  }

  // --- directories ---

  /** getdents(2): gives entries from `offset` on to the sink, moves `offset`. 0 or -errno. */
  iterate(_sink: DirentSink): number {
    return -ENOTDIR;
  }

  // --- attributes ---

  stat(out: Stat): number {
    const inode = this.inode;
    if (inode === null) return -EBADF;
    const r = inode.getStat(out);
    if (r === 0 && this.path !== null) out.mountId = this.path.mount.id;
    return r;
  }

  /** F_SETFL: replaces the changeable flags. 0 or -errno. */
  setStatusFlags(flags: number): number {
    this.statusFlags = (this.statusFlags & ~SETFL_MASK) | (flags & SETFL_MASK);
    return 0;
  }

  get isTty(): boolean {
    return false;
  }
  /** Name shown for files without a path ("pipe:[7]"), else null. */
  get anonName(): string | null {
    return null;
  }

  /** Further lines of /proc/PID/fdinfo/N, each with its newline: proc_pid_fdinfo(5). */
  fdInfo(): string {
    return "";
  }

  /** Called after data was read: atime by the mount's and the file's rules. */
  accessed(): void {
    const inode = this.inode;
    const path = this.path;
    if (inode === null || path === null || (this.statusFlags & O_NOATIME) !== 0) return;
    path.mount.accessed(inode);
  }
}

const seekStat: Stat = new Stat();

/** A file with a position: read/write in terms of pread/pwrite. */
export abstract class SeekableFile extends FileDescription {
  override read(seq: IoSequence): number {
    const n = this.pread(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override write(seq: IoSequence): number {
    if ((this.statusFlags & O_APPEND) !== 0) {
      const size = this.size();
      if (size < 0) return size;
      const n = this.pwrite(seq, size);
      if (n > 0) this.offset = size + n;
      return n;
    }
    const n = this.pwrite(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  /** Current size in bytes or -errno. */
  size(): number {
    const r = this.inode!.getStat(seekStat);
    return r < 0 ? r : seekStat.size;
  }

  override seek(off: number, whence: number): number {
    let base = 0;
    if (whence === SEEK_CUR) base = this.offset;
    else if (whence === SEEK_END) {
      base = this.size();
      if (base < 0) return base;
    } else if (whence !== SEEK_SET) {
      return this.seekData(off, whence);
    }
    const pos = base + off;
    if (pos < 0) return -EINVAL;
    if (pos > MAX_FILE_SIZE) return -EOVERFLOW;
    this.offset = pos;
    return pos;
  }

  /** SEEK_DATA / SEEK_HOLE; whoever overrides it sets the offset. */
  protected seekData(_off: number, _whence: number): number {
    return -EINVAL;
  }

  override sync(_dataOnly: boolean): number {
    return 0;
  }

  override get canPoll(): boolean {
    return false;
  }
}

/** Base of open directories: everything but getdents is refused as Linux does. */
export abstract class DirectoryFile extends FileDescription {
  override read(_seq: IoSequence): number {
    return -EISDIR;
  }
  override pread(_seq: IoSequence, _off: number): number {
    return -EISDIR;
  }
  override seek(off: number, whence: number): number {
    let pos = off;
    if (whence === SEEK_CUR) pos = this.offset + off;
    else if (whence !== SEEK_SET) return -EINVAL;
    if (pos < 0) return -EINVAL;
    if (pos !== this.offset) {
      this.offset = pos;
      this.rewound();
    }
    return pos;
  }
  /** The position was changed by lseek. */
  protected rewound(): void {}

  override sync(_dataOnly: boolean): number {
    return 0;
  }
  override get canPoll(): boolean {
    return false;
  }
  abstract override iterate(sink: DirentSink): number;

  /** Emits `.` and `..`, at the offsets 1 and 2, as far as they have not been; false when the sink is full. */
  protected emitDots(sink: DirentSink, ino: number, parentIno: number): boolean {
    if (this.offset < 1) {
      if (!sink.emit(".", ino, DT_DIR, 1)) return false;
      this.offset = 1;
    }
    if (this.offset < 2) {
      if (!sink.emit("..", parentIno, DT_DIR, 2)) return false;
      this.offset = 2;
    }
    return true;
  }

  /** Emits the entries of a list that has neither `.` nor `..`, from the offset on; false when the sink is full. */
  protected emitList(sink: DirentSink, list: DirentList): boolean {
    for (let i = this.offset - 2; i < list.names.length; i++) {
      if (!sink.emit(list.names[i]!, list.inos[i]!, list.types[i]!, i + 3)) return false;
      this.offset = i + 3;
    }
    return true;
  }
}

/** An O_PATH description: only its path counts. */
export class PathFile extends FileDescription {
  override readiness(): number {
    return 0;
  }
  override mappable(): number {
    return -EBADF;
  }
  override allocate(_mode: number, _off: number, _len: number): number {
    return -EBADF;
  }
  override sync(_dataOnly: boolean): number {
    return -EBADF;
  }
  override get canPoll(): boolean {
    return false;
  }
}
