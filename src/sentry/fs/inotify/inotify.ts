/** inotify(7): instances, their watches and their queues of events. */
import { EAGAIN, EEXIST, EINVAL, ENOSPC } from "../../../abi/errno.ts";
import {
  IN_ALL_EVENTS,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
} from "../../../abi/inotify.ts";
import { EV_IN, EV_RDNORM, WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { sharedAnonPath } from "../../vfs/anon.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import { FMODE_READ, FileDescription } from "../../vfs/file.ts";
import { Watch } from "../../vfs/notify.ts";
import type { Reporter, WatchOwner } from "../../vfs/notify.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

/** Events that all instances together may have waiting: they are the Sentry's memory. */
const EVENTS_TOTAL = 1 << 20;

/** /proc/sys/fs/inotify, and what each user has of it. */
export class InotifyLimits {
  maxQueuedEvents = 16384;
  maxInstances = 128;
  maxWatches = 65536;
  /** Events that wait, of all instances. */
  queued = 0;
  /** By user id. */
  readonly instances: Map<number, number> = new Map();
  readonly watches: Map<number, number> = new Map();
}

function change(m: Map<number, number>, uid: number, by: number): void {
  const n = (m.get(uid) ?? 0) + by;
  if (n === 0) m.delete(uid);
  else m.set(uid, n);
}

/** Bytes of `struct inotify_event` without the name. */
const HEADER = 16;

interface QueuedEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

const buffer: Uint8Array = new Uint8Array(HEADER + 256);
const view: DataView = new DataView(buffer.buffer);

/** Bytes that an event takes: the name with its NUL fills whole headers. */
function sizeOf(e: QueuedEvent): number {
  return e.name === "" ? HEADER : HEADER + (Math.floor(e.name.length / HEADER) + 1) * HEADER;
}

/** An inotify instance. */
export class InotifyFile extends FileDescription implements WatchOwner {
  private readonly limits: InotifyLimits;
  private readonly uid: number;
  private readonly byWd: Map<number, Watch> = new Map();
  private readonly byInode: Map<Inode, Watch> = new Map();
  private lastWd = 0;
  /** Events from `first` on are waiting. */
  private events: QueuedEvent[] = [];
  private first = 0;
  private bytes = 0;
  private overflowed = false;
  /** Of watched inodes, past ones included: what they know is asked for before the queue is looked at. */
  private readonly reporters: Set<Reporter> = new Set();
  private readonly queue: WaitQueue = new WaitQueue();

  /** `uid`: whose limits count. */
  constructor(limits: InotifyLimits, uid: number) {
    super();
    this.limits = limits;
    this.uid = uid;
    change(limits.instances, uid, 1);
  }

  /** inotify_add_watch(2) of the file at `dentry`; flags were checked. The watch descriptor, -EEXIST or -ENOSPC. */
  addWatch(dentry: Dentry, mask: number): number {
    const old = this.byInode.get(dentry.inode!);
    const events = (mask & (IN_ALL_EVENTS | IN_ONESHOT)) >>> 0;
    if (old !== undefined) {
      if ((mask & IN_MASK_CREATE) !== 0) return -EEXIST;
      if ((mask & IN_MASK_ADD) !== 0) {
        old.mask = (old.mask | events) >>> 0;
        old.exclUnlinked ||= (mask & IN_EXCL_UNLINK) !== 0;
      } else {
        old.mask = events;
        old.exclUnlinked = (mask & IN_EXCL_UNLINK) !== 0;
      }
      return old.wd;
    }
    if ((this.limits.watches.get(this.uid) ?? 0) >= this.limits.maxWatches) return -ENOSPC;
    const w = new Watch(this, ++this.lastWd, dentry);
    w.mask = events;
    w.exclUnlinked = (mask & IN_EXCL_UNLINK) !== 0;
    this.byWd.set(w.wd, w);
    this.byInode.set(w.inode, w);
    change(this.limits.watches, this.uid, 1);
    w.attach();
    if (w.inode.reporter !== null) this.reporters.add(w.inode.reporter);
    return w.wd;
  }

  /** inotify_rm_watch(2). 0 or -EINVAL. */
  removeWatch(wd: number): number {
    const w = this.byWd.get(wd);
    if (w === undefined) return -EINVAL;
    w.detach();
    this.onNotify(w, IN_IGNORED, 0, "");
    this.onRemoved(w);
    return 0;
  }

  onRemoved(w: Watch): void {
    this.byWd.delete(w.wd);
    this.byInode.delete(w.inode);
    change(this.limits.watches, this.uid, -1);
  }

  onNotify(w: Watch, mask: number, cookie: number, name: string): void {
    const waiting = this.events.length - this.first;
    if (waiting >= this.limits.maxQueuedEvents || this.limits.queued >= EVENTS_TOTAL) {
      this.onLost();
      return;
    }
    const bits = mask >>> 0;
    if (waiting > 0 && (bits & IN_IGNORED) === 0) {
      // The same as the last one: it says nothing new.
      const last = this.events[this.events.length - 1]!;
      if (last.mask === bits && last.wd === w.wd && last.name === name) return;
    }
    this.push({ wd: w.wd, mask: bits, cookie, name });
  }

  /** Some of its events are not among those to be read. */
  onLost(): void {
    if (this.overflowed) return;
    this.overflowed = true;
    this.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: "" });
  }

  private askReporters(): void {
    for (const reporter of this.reporters) reporter.drain();
  }

  private push(e: QueuedEvent): void {
    this.events.push(e);
    this.limits.queued++;
    this.bytes += sizeOf(e);
    this.queue.notify(EV_IN | EV_RDNORM);
  }

  override get hasRecords(): boolean {
    return true;
  }

  override get takesRwFlags(): boolean {
    return false;
  }

  override read(seq: IoSequence): number {
    let done = 0;
    this.askReporters();
    for (;;) {
      if (this.first === this.events.length) return done > 0 ? done : -EAGAIN;
      const e = this.events[this.first]!;
      const size = sizeOf(e);
      if (size > seq.room) return done > 0 ? done : -EINVAL;
      view.setInt32(0, e.wd, true);
      view.setUint32(4, e.mask, true);
      view.setUint32(8, e.cookie, true);
      view.setUint32(12, size - HEADER, true);
      buffer.fill(0, HEADER, size);
      for (let i = 0; i < e.name.length; i++) buffer[HEADER + i] = e.name.charCodeAt(i);
      const n = seq.writeRecord(buffer, size);
      done += size;
      this.bytes -= size;
      if (e.wd === -1) this.overflowed = false;
      this.first++;
      this.limits.queued--;
      if (this.first === this.events.length) {
        this.events = [];
        this.first = 0;
      } else if (this.first === 1024) {
        this.events.splice(0, this.first);
        this.first = 0;
      }
      // The event is lost, and so are those before.
      if (n < 0) return n;
    }
  }

  override readiness(): number {
    this.askReporters();
    return this.first < this.events.length ? EV_IN | EV_RDNORM : 0;
  }

  override waitQueue(): WaitQueue {
    return this.queue;
  }

  override bytesReadable(): number {
    this.askReporters();
    return this.bytes;
  }

  override fdInfo(): string {
    let out = "";
    for (const w of this.byWd.values()) {
      const ino = w.inode.ino.toString(16);
      const mask = (w.mask & IN_ALL_EVENTS).toString(16);
      out += `inotify wd:${w.wd.toString(16)} ino:${ino} sdev:${w.inode.fs.dev.toString(16)} mask:${mask} ignored_mask:0 \n`;
    }
    return out;
  }

  protected override release(): void {
    for (const w of this.byWd.values()) {
      w.detach();
      change(this.limits.watches, this.uid, -1);
    }
    this.limits.queued -= this.events.length - this.first;
    this.byWd.clear();
    this.byInode.clear();
    change(this.limits.instances, this.uid, -1);
  }
}

/** inotify_init1(2) for user `uid`; flags: IN_NONBLOCK counts. The caller checked the number of instances. */
export function createInotify(vfs: VirtualFileSystem, limits: InotifyLimits, uid: number, flags: number): InotifyFile {
  const f = new InotifyFile(limits, uid);
  vfs.anon.attach(f, sharedAnonPath(vfs, "anon_inode:inotify"), flags & IN_NONBLOCK, FMODE_READ);
  return f;
}
