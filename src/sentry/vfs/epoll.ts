/**
 * epoll(7).
 *
 * An item sits on the ready list from the moment its file notifies until a wait found it not ready (or reported it, for
 * edge-triggered and one-shot ones). A wait looks at ready items only: idle members cost nothing.
 */
import { EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../../abi/errno.ts";
import {
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLWAKEUP,
  EPOLL_EVENT_SIZE,
  EPOLL_MAX_NESTS,
} from "../../abi/epoll.ts";
import { O_RDWR } from "../../abi/fcntl.ts";
import { EV_IN, EV_RDNORM, WaitEntry, WaitQueue } from "../../base/waiter.ts";
import type { WaitListener } from "../../base/waiter.ts";
import { sharedAnonPath } from "./anon.ts";
import { FMODE_READ, FMODE_WRITE, FileDescription } from "./file.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/** Bits of the mask that are options rather than events. */
const PRIVATE_BITS = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP | 0;
const EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/** One registration: a file description under the fd number it was added with. */
export class EpollItem implements WaitListener {
  readonly epoll: Epoll;
  readonly file: FileDescription;
  readonly fd: number;
  /** Asked events and options, int32. */
  events = 0;
  dataLo = 0;
  dataHi = 0;
  readonly entry: WaitEntry;
  ready = false;
  readyPrev: EpollItem | null = null;
  readyNext: EpollItem | null = null;
  /** Next registration of the same description, in any epoll. */
  nextOfFile: EpollItem | null = null;
  /** Next registration of the same description in this epoll (added through another fd). */
  nextSame: EpollItem | null = null;

  constructor(epoll: Epoll, file: FileDescription, fd: number) {
    this.epoll = epoll;
    this.file = file;
    this.fd = fd;
    this.entry = new WaitEntry(this);
  }

  onEvent(events: number, _entry: WaitEntry): void {
    // A one-shot item that has fired has no event bits left.
    if ((this.events & ~PRIVATE_BITS) === 0) return;
    if ((events & (this.events | EPOLLERR | EPOLLHUP)) === 0) return;
    this.epoll.markReady(this);
  }
}

/** An epoll instance. */
export class Epoll extends FileDescription {
  private readonly items: Map<FileDescription, EpollItem> = new Map();
  private readyHead: EpollItem | null = null;
  private readyTail: EpollItem | null = null;
  /** Items that may be ready: the most events that the next collect() can give. */
  readyCount = 0;
  private readonly queue: WaitQueue = new WaitQueue();

  /** epoll_create1(2): the description, not yet in a table. */
  static create(vfs: VirtualFileSystem): Epoll {
    const e = new Epoll();
    vfs.anon.attach(e, sharedAnonPath(vfs, "anon_inode:[eventpoll]"), O_RDWR, FMODE_READ | FMODE_WRITE);
    return e;
  }

  override waitQueue(): WaitQueue {
    return this.queue;
  }

  override readiness(): number {
    for (let n = this.readyCount; n > 0 && this.readyHead !== null; n--) {
      const item: EpollItem = this.readyHead;
      if (this.poll(item) !== 0) return EV_IN | EV_RDNORM;
      this.unready(item);
    }
    return 0;
  }

  protected override release(): void {
    for (let first of this.items.values()) {
      for (;;) {
        const next = first.nextSame;
        this.detach(first);
        if (next === null) break;
        first = next;
      }
    }
    this.items.clear();
  }

  /** EPOLL_CTL_ADD. `events` as int32 or uint32. 0 or -errno. */
  add(file: FileDescription, fd: number, events: number, dataLo: number, dataHi: number): number {
    if (file === this || file.isPath) return -EINVAL;
    if (!file.canPoll) return -EPERM;
    if ((events & EPOLLEXCLUSIVE) !== 0 && (file instanceof Epoll || (events & ~EXCLUSIVE_OK) !== 0)) return -EINVAL;
    if (this.find(file, fd) !== null) return -EEXIST;
    if (file instanceof Epoll && (file.reaches(this, 0) || file.depth() + this.parents(0) > EPOLL_MAX_NESTS)) {
      return -ELOOP;
    }
    const item = new EpollItem(this, file, fd);
    item.events = events | EPOLLERR | EPOLLHUP;
    item.dataLo = dataLo;
    item.dataHi = dataHi;
    item.entry.exclusive = (events & EPOLLEXCLUSIVE) !== 0;
    item.nextOfFile = file.epollItems;
    file.epollItems = item;
    const same = this.items.get(file);
    item.nextSame = same === undefined ? null : same;
    this.items.set(file, item);
    this.arm(item);
    return 0;
  }

  /** EPOLL_CTL_MOD. 0 or -errno. */
  modify(file: FileDescription, fd: number, events: number, dataLo: number, dataHi: number): number {
    if (file === this) return -EINVAL;
    if (!file.canPoll) return -EPERM;
    const item = this.find(file, fd);
    if ((events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
    if (item === null) return -ENOENT;
    if (item.entry.exclusive) return -EINVAL;
    item.events = events | EPOLLERR | EPOLLHUP;
    item.dataLo = dataLo;
    item.dataHi = dataHi;
    if (item.entry.queue !== null) item.entry.queue.remove(item.entry);
    this.arm(item);
    return 0;
  }

  /** EPOLL_CTL_DEL. 0 or -errno. */
  delete(file: FileDescription, fd: number): number {
    if (file === this) return -EINVAL;
    if (!file.canPoll) return -EPERM;
    const item = this.find(file, fd);
    if (item === null) return -ENOENT;
    this.removeItem(item);
    return 0;
  }

  /** Registrations, for /proc/PID/fdinfo. */
  forEach(fn: (item: EpollItem) => void): void {
    for (const first of this.items.values()) for (let i: EpollItem | null = first; i !== null; i = i.nextSame) fn(i);
  }

  override fdInfo(): string {
    let out = "";
    this.forEach((item) => {
      const data = `${(item.dataHi >>> 0).toString(16).padStart(8, "0")}${(item.dataLo >>> 0).toString(16).padStart(8, "0")}`;
      const { inode, offset } = item.file;
      const ino = inode === null ? 0 : inode.ino;
      const dev = inode === null ? 0 : inode.fs.dev;
      out +=
        `tfd: ${String(item.fd).padStart(8)} events: ${(item.events >>> 0).toString(16).padStart(8)} ` +
        `data: ${data.replace(/^0+(?=.)/, "").padStart(16)}  pos:${offset} ino:${ino.toString(16)} sdev:${dev.toString(16)}\n`;
    });
    return out;
  }

  /**
   * epoll_wait(2) without waiting: writes up to `max` packed struct epoll_event at `off`. Returns their number; with 0
   * the caller waits on `waitQueue()` for EV_IN.
   */
  collect(out: DataView, off: number, max: number): number {
    let count = 0;
    let at = off;
    for (let n = this.readyCount; n > 0 && count < max && this.readyHead !== null; n--) {
      const item: EpollItem = this.readyHead;
      this.unready(item);
      const r = this.poll(item);
      if (r === 0) continue;
      out.setUint32(at, r, true);
      out.setUint32(at + 4, item.dataLo, true);
      out.setUint32(at + 8, item.dataHi, true);
      at += EPOLL_EVENT_SIZE;
      count++;
      if ((item.events & EPOLLONESHOT) !== 0) item.events &= PRIVATE_BITS;
      else if ((item.events & EPOLLET) === 0) this.append(item);
    }
    // Other waiters may take what is left.
    if (this.readyHead !== null && count > 0 && !this.queue.isEmpty) this.queue.notify(EV_IN | EV_RDNORM);
    return count;
  }

  /** The item's file says it may be ready. */
  markReady(item: EpollItem): void {
    if (!item.ready) this.append(item);
    if (this.queue.head !== null) this.queue.notify(EV_IN | EV_RDNORM);
  }

  /** Removes a registration; also called when its file is gone. */
  removeItem(item: EpollItem): void {
    const first = this.items.get(item.file);
    if (first === item) {
      if (item.nextSame === null) this.items.delete(item.file);
      else this.items.set(item.file, item.nextSame);
    } else {
      for (let i: EpollItem | null = first ?? null; i !== null; i = i.nextSame) {
        if (i.nextSame === item) i.nextSame = item.nextSame;
      }
    }
    this.detach(item);
  }

  /** Takes the item off the wait queue, the ready list and its file's list. */
  private detach(item: EpollItem): void {
    if (item.entry.queue !== null) item.entry.queue.remove(item.entry);
    this.unready(item);
    const file = item.file;
    if (file.epollItems === item) {
      file.epollItems = item.nextOfFile;
    } else {
      for (let i = file.epollItems; i !== null; i = i.nextOfFile) {
        if (i.nextOfFile === item) {
          i.nextOfFile = item.nextOfFile;
          break;
        }
      }
    }
    item.nextOfFile = null;
  }

  private find(file: FileDescription, fd: number): EpollItem | null {
    for (let i: EpollItem | null = this.items.get(file) ?? null; i !== null; i = i.nextSame) if (i.fd === fd) return i;
    return null;
  }

  /** Registers for events and notes what holds already. */
  private arm(item: EpollItem): void {
    const queue = item.file.waitQueue();
    if (queue !== null) queue.add(item.entry, item.events & ~PRIVATE_BITS);
    if (this.poll(item) !== 0) this.markReady(item);
    else this.unready(item);
  }

  /** Events to report now, 0 for none. */
  private poll(item: EpollItem): number {
    const wanted = item.events & ~PRIVATE_BITS;
    if (wanted === 0) return 0;
    return item.file.readiness() & (wanted | EPOLLERR | EPOLLHUP);
  }

  private append(item: EpollItem): void {
    item.ready = true;
    item.readyNext = null;
    item.readyPrev = this.readyTail;
    if (this.readyTail !== null) this.readyTail.readyNext = item;
    else this.readyHead = item;
    this.readyTail = item;
    this.readyCount++;
  }

  private unready(item: EpollItem): void {
    if (!item.ready) return;
    if (item.readyPrev !== null) item.readyPrev.readyNext = item.readyNext;
    else this.readyHead = item.readyNext;
    if (item.readyNext !== null) item.readyNext.readyPrev = item.readyPrev;
    else this.readyTail = item.readyPrev;
    item.readyPrev = null;
    item.readyNext = null;
    item.ready = false;
    this.readyCount--;
  }

  /** Whether `target` is watched from here, directly or through others. */
  private reaches(target: Epoll, level: number): boolean {
    if (this === target) return true;
    if (level > EPOLL_MAX_NESTS) return true;
    for (const f of this.items.keys()) if (f instanceof Epoll && f.reaches(target, level + 1)) return true;
    return false;
  }

  /** Levels of epoll instances below this one, itself included. */
  private depth(): number {
    let max = 0;
    for (const f of this.items.keys()) {
      if (f instanceof Epoll) {
        const d = f.depth();
        if (d > max) max = d;
      }
    }
    return max + 1;
  }

  /** Levels of epoll instances above this one. */
  private parents(level: number): number {
    if (level > EPOLL_MAX_NESTS) return level;
    let max = 0;
    for (let i = this.epollItems; i !== null; i = i.nextOfFile) {
      const d = i.epoll.parents(level + 1) + 1;
      if (d > max) max = d;
    }
    return max;
  }
}
