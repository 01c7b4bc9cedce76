/** eventfd(2). */
import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { EFD_NONBLOCK, EFD_SEMAPHORE } from "../../../abi/eventfd.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { EV_ERR, EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { sharedAnonPath } from "../../vfs/anon.ts";
import { FMODE_READ, FMODE_WRITE, FileDescription } from "../../vfs/file.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

const word: Uint8Array = new Uint8Array(8);
const wordView: DataView = new DataView(word.buffer);
const MAX = 0xffffffff;

/** A 64-bit counter, kept as two unsigned halves; the largest value is 2^64-2. */
export class EventFile extends FileDescription {
  private lo = 0;
  private hi = 0;
  private readonly semaphore: boolean;
  private readonly queue: WaitQueue = new WaitQueue();

  constructor(initial: number, semaphore: boolean) {
    super();
    this.lo = initial >>> 0;
    this.semaphore = semaphore;
  }

  override get hasRecords(): boolean {
    return true;
  }

  override get takesNoWait(): boolean {
    return true;
  }

  override get takesWriteFlags(): boolean {
    return false;
  }

  override read(seq: IoSequence): number {
    if (seq.room < 8) return -EINVAL;
    if (this.lo === 0 && this.hi === 0) return -EAGAIN;
    if (this.semaphore) {
      wordView.setUint32(0, 1, true);
      wordView.setUint32(4, 0, true);
      if (this.lo === 0) {
        this.lo = MAX;
        this.hi--;
      } else {
        this.lo--;
      }
    } else {
      wordView.setUint32(0, this.lo, true);
      wordView.setUint32(4, this.hi, true);
      this.lo = 0;
      this.hi = 0;
    }
    this.queue.notify(EV_OUT | EV_WRNORM);
    return seq.writeRecord(word, 8);
  }

  override takesWrite(len: number): boolean {
    return len === 8;
  }

  override write(seq: IoSequence): number {
    if (seq.remaining !== 8) return -EINVAL;
    seq.read(word, 0, 8);
    const r = this.add(wordView.getUint32(0, true), wordView.getUint32(4, true));
    return r < 0 ? r : 8;
  }

  /** Adds to the counter (also for kernel users such as aio). 0, -EINVAL for 2^64-1, -EAGAIN when it would overflow. */
  add(lo: number, hi: number): number {
    if (lo === MAX && hi === MAX) return -EINVAL;
    const sumLo = this.lo + lo;
    const sumHi = this.hi + hi + (sumLo > MAX ? 1 : 0);
    if (sumHi > MAX || (sumHi === MAX && sumLo >>> 0 === MAX)) return -EAGAIN;
    this.lo = sumLo >>> 0;
    this.hi = sumHi;
    this.queue.notify(EV_IN | EV_RDNORM);
    return 0;
  }

  override readiness(): number {
    let ev = 0;
    if (this.lo !== 0 || this.hi !== 0) ev |= EV_IN;
    if (this.hi === MAX && this.lo === MAX) ev |= EV_ERR;
    if (this.hi < MAX || this.lo < MAX - 1) ev |= EV_OUT;
    return ev;
  }

  override waitQueue(): WaitQueue {
    return this.queue;
  }

  override fdInfo(): string {
    return `eventfd-count: ${this.countText().padStart(16)}\neventfd-semaphore: ${this.semaphore ? 1 : 0}\n`;
  }

  /** The count, hexadecimal. */
  countText(): string {
    return this.hi === 0 ? this.lo.toString(16) : this.hi.toString(16) + this.lo.toString(16).padStart(8, "0");
  }
}

/** eventfd2(2): flags EFD_SEMAPHORE, EFD_NONBLOCK (EFD_CLOEXEC is the fd table's). */
export function createEventfd(vfs: VirtualFileSystem, initial: number, flags: number): EventFile {
  const f = new EventFile(initial, (flags & EFD_SEMAPHORE) !== 0);
  vfs.anon.attach(
    f,
    sharedAnonPath(vfs, "anon_inode:[eventfd]"),
    O_RDWR | (flags & EFD_NONBLOCK),
    FMODE_READ | FMODE_WRITE,
  );
  return f;
}
