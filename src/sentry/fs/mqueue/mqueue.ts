/** The mqueue file system: POSIX message queues as files, mq_overview(7). One instance for all mounts of a sandbox. */
import { EFBIG, EINVAL, EMFILE, ENOENT, ENOMEM, ENOSPC, ENXIO, EOPNOTSUPP } from "../../../abi/errno.ts";
import { SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from "../../../abi/fcntl.ts";
import { DT_DIR, DT_REG } from "../../../abi/dirent.ts";
import { MS_NODEV, MS_NOEXEC } from "../../../abi/mount.ts";
import { S_IFDIR, S_IFREG } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { UserCounts } from "../../limits/user-counts.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { DirectoryFile, FileDescription } from "../../vfs/file.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import { ATTR_SIZE, SetAttr } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import { MemInode } from "../../vfs/meminode.ts";
import { Mount } from "../../vfs/mount.ts";
import { VfsPath } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";
import { MessageQueue } from "./queue.ts";

const MQUEUE_MAGIC = 0x19800202;
/** Size of a new queue's file, whatever is in it. */
const FILE_SIZE = 80;
/** Truncation sets the size to at most this; it means nothing. */
const FILE_SIZE_MAX = 0x7fffffff;
/** What the kernel's own structures take per message, for RLIMIT_MSGQUEUE. */
const MESSAGE_OVERHEAD = 96;
/** Bytes that all queues together may be made for: they are the Sentry's. */
const TOTAL_BYTES = 128 * 1024 * 1024;
/** Limits of the privileged. */
const HARD_MESSAGES = 65536;
const HARD_SIZE = 16 * 1024 * 1024;

/** /proc/sys/fs/mqueue. */
export class MqueueLimits {
  queuesMax = 256;
  messagesMax = 10;
  messagesDefault = 10;
  sizeMax = 8192;
  sizeDefault = 8192;
}

/** Who makes a queue, and how; set by mq_open(2) around the open. Null: open(2) in a mounted mqueue. */
export interface MqRequest {
  /** Null: the defaults. */
  readonly attr: { readonly maxMessages: number; readonly maxSize: number } | null;
  /** CAP_SYS_RESOURCE */
  readonly privileged: boolean;
  /** RLIMIT_MSGQUEUE, bytes. */
  readonly limit: number;
}

const sizeAttr: SetAttr = new SetAttr();
const PLAIN: MqRequest = { attr: null, privileged: false, limit: Infinity };

/** See the header. */
export class MqueueFs extends FileSystem {
  readonly limits: MqueueLimits = new MqueueLimits();
  /** Where mq_open looks. */
  readonly top: VfsPath;
  request: MqRequest | null = null;
  queues = 0;
  /** Bytes of all queues. */
  totalBytes = 0;
  /** Bytes of all queues by their maker. */
  readonly bytesByUser: UserCounts = new UserCounts();

  constructor(vfs: VirtualFileSystem) {
    super(vfs, "mqueue");
    this.flags = MS_NODEV | MS_NOEXEC;
    const root = this.setRoot(new MqDirectory(this));
    this.top = new VfsPath(new Mount(0, this, root, 0, "mqueue"), root);
    this.top.incRef();
  }

  override statfs(out: StatFs): number {
    out.type = MQUEUE_MAGIC;
    out.bsize = 4096;
    out.blocks = out.bfree = out.bavail = out.files = out.ffree = 0;
    out.fsidLo = out.fsidHi = 0;
    out.namelen = 255;
    out.frsize = 4096;
    return 0;
  }

  /** A new queue within the limits, or -errno. */
  make(mode: number, uid: number, gid: number): MqInode | number {
    const { attr, privileged, limit } = this.request ?? PLAIN;
    const l = this.limits;
    if (this.queues >= l.queuesMax && !privileged) return -ENOSPC;
    const maxMessages = attr === null ? Math.min(l.messagesDefault, l.messagesMax) : attr.maxMessages;
    const maxSize = attr === null ? Math.min(l.sizeDefault, l.sizeMax) : attr.maxSize;
    if (maxMessages <= 0 || maxSize <= 0) return -EINVAL;
    if (maxMessages > (privileged ? HARD_MESSAGES : l.messagesMax)) return -EINVAL;
    if (maxSize > (privileged ? HARD_SIZE : l.sizeMax)) return -EINVAL;
    const bytes = maxMessages * (maxSize + MESSAGE_OVERHEAD);
    if (this.bytesByUser.of(uid) + bytes > limit) return -EMFILE;
    if (this.totalBytes + bytes > TOTAL_BYTES) return -ENOMEM;
    this.totalBytes += bytes;
    this.bytesByUser.change(uid, bytes);
    this.queues++;
    return new MqInode(this, S_IFREG | mode, uid, gid, new MessageQueue(maxMessages, maxSize), bytes);
  }
}

/** A queue as a file. */
export class MqInode extends MemInode {
  readonly queue: MessageQueue;
  private readonly mqueue: MqueueFs;
  private readonly maker: number;
  private bytes: number;
  private size: number = FILE_SIZE;

  constructor(fs: MqueueFs, mode: number, uid: number, gid: number, queue: MessageQueue, bytes: number) {
    super(fs, fs.vfs.newIno(), mode, uid, gid);
    this.mqueue = fs;
    this.queue = queue;
    this.maker = uid;
    this.bytes = bytes;
  }

  override getStat(out: Stat): number {
    return this.statOf(out, this.size, 0);
  }

  /** Bytes, as stat(2) says. */
  get fileSize(): number {
    return this.size;
  }

  protected override resize(size: number): number {
    if (size > this.size && size > FILE_SIZE_MAX) return -EFBIG;
    this.size = size;
    return 0;
  }

  /** ftruncate(2). */
  truncate(size: number): number {
    sizeAttr.mask = ATTR_SIZE;
    sizeAttr.size = size;
    return this.setAttr(sizeAttr);
  }

  override open(_flags: number): FileDescription {
    return new MqFile(this);
  }

  override onUnused(): void {
    if (this.nlink > 0 || this.bytes === 0) return;
    this.mqueue.totalBytes -= this.bytes;
    this.mqueue.bytesByUser.change(this.maker, -this.bytes);
    this.bytes = 0;
    this.mqueue.queues--;
  }
}

/** An open queue. As a file it gives a line of text. */
export class MqFile extends FileDescription {
  readonly queue: MessageQueue;
  private readonly node: MqInode;

  constructor(inode: MqInode) {
    super();
    this.node = inode;
    this.queue = inode.queue;
  }

  override onClose(owner: object): number {
    this.queue.unregister(owner);
    return super.onClose(owner);
  }

  override read(seq: IoSequence): number {
    const n = this.pread(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override pread(seq: IoSequence, off: number): number {
    const q = this.queue;
    const n = q.notification;
    const line =
      `QSIZE:${String(q.bytes).padEnd(10)} NOTIFY:${String(n === null ? 0 : n.kind).padEnd(5)} ` +
      `SIGNO:${String(n === null || n.kind !== 0 ? 0 : n.signo).padEnd(5)} NOTIFY_PID:${String(n === null ? 0 : n.pid).padEnd(6)}\n`;
    const bytes = new Uint8Array(line.length);
    for (let i = 0; i < line.length; i++) bytes[i] = line.charCodeAt(i);
    const len = Math.min(seq.remaining, Math.max(0, bytes.length - off));
    if (len > 0) seq.write(bytes, off, len);
    return len;
  }

  /** There is no write, but positions. */
  override pwrite(): number {
    return -EINVAL;
  }

  override get takesRwFlags(): boolean {
    return false;
  }

  override get canSplice(): boolean {
    return false;
  }

  override truncate(size: number): number {
    return this.node.truncate(size);
  }

  override allocate(): number {
    return -EOPNOTSUPP;
  }

  override seek(off: number, whence: number): number {
    const size = this.node.fileSize;
    if ((whence === SEEK_DATA || whence === SEEK_HOLE) && off >= size) return -ENXIO;
    const pos =
      whence === SEEK_CUR ? this.offset + off : whence === SEEK_END ? size + off : whence === SEEK_HOLE ? size : off;
    if (whence < SEEK_SET || whence > SEEK_HOLE) return -EINVAL;
    if (pos < 0) return -EINVAL;
    this.offset = pos;
    return pos;
  }

  override readiness(): number {
    return this.queue.readiness;
  }

  override waitQueue(): WaitQueue {
    return this.queue.waitQueue;
  }
}

/** The only directory. */
class MqDirectory extends MemInode {
  private readonly mqueue: MqueueFs;
  private readonly entries: Map<string, MqInode> = new Map();

  constructor(fs: MqueueFs) {
    super(fs, fs.vfs.newIno(), S_IFDIR | 0o1777, 0, 0);
    this.mqueue = fs;
    this.nlink = 2;
  }

  override lookup(name: string): Inode | number {
    return this.entries.get(name) ?? -ENOENT;
  }

  override create(name: string, mode: number, uid: number, gid: number): Inode | number {
    const q = this.mqueue.make(mode, uid, gid);
    if (typeof q !== "number") this.entries.set(name, q);
    return q;
  }

  override unlink(name: string, victim: Inode): number {
    this.entries.delete(name);
    (victim as MqInode).nlink = 0;
    if (victim.users === 0 && victim.dentries === 0) victim.onUnused();
    return 0;
  }

  /** Entries by position. */
  list(): [string, MqInode][] {
    return [...this.entries];
  }

  override open(): FileDescription {
    return new MqDirectoryFile(this);
  }
}

class MqDirectoryFile extends DirectoryFile {
  private readonly dir: MqDirectory;

  constructor(dir: MqDirectory) {
    super();
    this.dir = dir;
  }

  override iterate(sink: DirentSink): number {
    const list = this.dir.list();
    for (;;) {
      const i = this.offset - 2;
      if (i >= list.length) return 0;
      const name = i === -2 ? "." : i === -1 ? ".." : list[i]![0];
      const ino = i < 0 ? this.dir.ino : list[i]![1].ino;
      if (!sink.emit(name, ino, i < 0 ? DT_DIR : DT_REG, this.offset + 1)) return 0;
      this.offset++;
    }
  }
}
