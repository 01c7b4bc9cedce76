/** The buffer and the two ends of a pipe or FIFO: pipe(7). */
import { EAGAIN, EBUSY, EINVAL, EPERM, EPIPE } from "../../../abi/errno.ts";
import { CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import { PIPE_BUF } from "../../../abi/limits.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";
import type { Credentials } from "../../auth/credentials.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FMODE_READ, FMODE_WRITE } from "../../vfs/file.ts";
import { WIDE } from "../../../base/wide.ts";

/** Capacity of a new pipe, bytes. */
export const PIPE_DEFAULT_SIZE = 65536;
const PAGE = 4096;
const EV_READABLE = EV_IN | EV_RDNORM;
const EV_WRITABLE = EV_OUT | EV_WRNORM;

/** fs.pipe-max-size (proc_sys_fs(5)): how far the unprivileged may grow a pipe. */
export const pipeLimits: { maxSize: number } = { maxSize: 1 << 20 };

/**
 * A byte queue with writers and readers. The ring grows with its contents up to the capacity, so that the many pipes that
 * carry little stay small.
 */
export class Pipe {
  /** Bytes it may hold; F_GETPIPE_SZ. */
  capacity: number = PIPE_DEFAULT_SIZE;
  private ring: Uint8Array = new Uint8Array(0);
  private head = 0;
  /** Bytes held. */
  length: number = WIDE;
  /**
   * Boundaries once a packet was written (O_DIRECT): lengths in order; a packet is stored as its length, a stretch of
   * plain bytes as the negated length. Null: plain bytes only.
   */
  private segments: number[] | null = null;
  /** Open ends. */
  readers = 0;
  writers = 0;
  /** Opens so far, for FIFO opens that wait for the other end. */
  readerOpens = 0;
  writerOpens = 0;
  /** For both ends: readers wait for EV_IN, writers for EV_OUT. */
  readonly queue: WaitQueue = new WaitQueue();
  /** Ends that send signals (O_ASYNC): reading ones listen for EV_IN, writing ones for EV_OUT; null: there was none so far. */
  private signalled: WaitQueue | null = null;

  /** Reads into `seq`. Bytes, 0: no writers left, -EAGAIN: empty. @hot */
  read(seq: IoSequence): number {
    if (seq.remaining === 0) return 0;
    if (this.length === 0) return this.writers === 0 ? 0 : -EAGAIN;
    let n = seq.remaining < this.length ? seq.remaining : this.length;
    if (this.segments !== null) return this.readSegments(seq);
    n = this.take(seq, n);
    this.queue.notify(EV_WRITABLE);
    this.signalWriters();
    return n;
  }

  /** Plain bytes, and then one packet. */
  private readSegments(seq: IoSequence): number {
    const s = this.segments!;
    let done = 0;
    while (s.length > 0 && seq.remaining > 0) {
      const first = s[0]!;
      const size = first < 0 ? -first : first;
      const n = this.take(seq, size < seq.remaining ? size : seq.remaining);
      done += n;
      if (first >= 0) {
        // What does not fit of a packet is lost (pipe(2), O_DIRECT).
        this.skip(size - n);
        s.shift();
        break;
      }
      if (n === size) s.shift();
      else s[0] = first + n;
    }
    if (s.length === 0) this.segments = null;
    this.queue.notify(EV_WRITABLE);
    this.signalWriters();
    return done;
  }

  /** Reads into `seq`, also from one packet into the next: vmsplice(2). As {@link read}. */
  readThrough(seq: IoSequence): number {
    if (this.length === 0) return this.writers === 0 ? 0 : -EAGAIN;
    const n = seq.remaining < this.length ? seq.remaining : this.length;
    this.trimSegments(n);
    this.take(seq, n);
    this.queue.notify(EV_WRITABLE);
    this.signalWriters();
    return n;
  }

  /** The next `n` bytes go, whatever packets they are of. */
  private trimSegments(n: number): void {
    const s = this.segments;
    if (s === null) return;
    for (let left = n; left > 0;) {
      const first = s[0]!;
      const size = first < 0 ? -first : first;
      if (size > left) s[0] = first < 0 ? first + left : first - left;
      else s.shift();
      left -= size;
    }
    if (s.length === 0) this.segments = null;
  }

  /** Throws away the next `n` bytes, which are there: somebody has peeked at them. */
  consume(n: number): void {
    this.trimSegments(n);
    this.skip(n);
    this.queue.notify(EV_WRITABLE);
    // Who takes part of a page says nothing.
    if (n >= PAGE || this.length === 0) this.signalWriters();
  }

  /** Writes from `seq`. Bytes, -EPIPE: no readers, -EAGAIN: no room. Up to PIPE_BUF bytes go whole or not at all. @hot */
  write(seq: IoSequence, packets: boolean): number {
    const want = seq.remaining;
    if (want === 0) return 0;
    if (this.readers === 0) return -EPIPE;
    if (packets || this.segments !== null) return this.writeSegments(seq, packets);
    const room = this.capacity - this.length;
    if (room === 0 || (want <= PIPE_BUF && room < want)) return -EAGAIN;
    const n = want < room ? want : room;
    this.put(seq, n);
    this.queue.notify(EV_READABLE);
    this.signalReaders();
    return n;
  }

  private writeSegments(seq: IoSequence, packets: boolean): number {
    const s = this.makeSegments();
    let done = 0;
    while (seq.remaining > 0) {
      const n = seq.remaining < PIPE_BUF ? seq.remaining : PIPE_BUF;
      // A packet takes a page's worth of room, as in Linux.
      if (this.capacity - this.length < n) break;
      if (packets && s.length >= this.capacity / PAGE) break;
      this.put(seq, n);
      this.mark(n, packets);
      done += n;
    }
    if (done === 0) return -EAGAIN;
    this.queue.notify(EV_READABLE);
    this.signalReaders();
    return done;
  }

  /**
   * Writes `seq`, which has the first bytes of `from`; there is room for all of them. Its packets stay packets: splice(2),
   * tee(2). Bytes, -EPIPE: no readers.
   */
  writeFrom(seq: IoSequence, from: Pipe): number {
    if (from.segments === null) return this.write(seq, false);
    if (this.readers === 0) return -EPIPE;
    this.makeSegments();
    const total = seq.remaining;
    for (const segment of from.segments) {
      if (seq.remaining === 0) break;
      const n = Math.min(Math.abs(segment), seq.remaining);
      this.put(seq, n);
      this.mark(n, segment >= 0);
    }
    this.queue.notify(EV_READABLE);
    this.signalReaders();
    return total;
  }

  /** The boundaries, from now on. */
  private makeSegments(): number[] {
    if (this.segments === null) this.segments = this.length > 0 ? [-this.length] : [];
    return this.segments;
  }

  /** `n` bytes more have been put: a packet, or plain ones. */
  private mark(n: number, isPacket: boolean): void {
    const s = this.segments!;
    if (isPacket) s.push(n);
    else if (s.length > 0 && s[s.length - 1]! < 0) s[s.length - 1]! -= n;
    else s.push(-n);
  }

  /** Where the ends that send signals listen. */
  signals(): WaitQueue {
    this.signalled ??= new WaitQueue();
    return this.signalled;
  }

  /** Somebody has written, or has tried to without having to wait. */
  signalReaders(): void {
    if (this.signalled !== null) this.signalled.notify(EV_READABLE);
  }

  /** Somebody has read, or has tried to without having to wait. */
  signalWriters(): void {
    if (this.signalled !== null) this.signalled.notify(EV_WRITABLE);
  }

  /** Copies up to `n` bytes out without consuming them (tee(2)). Returns the bytes copied. */
  peek(dst: Uint8Array, dstOff: number, n: number): number {
    const total = n < this.length ? n : this.length;
    const mask = this.ring.length - 1;
    for (let i = 0; i < total; i++) dst[dstOff + i] = this.ring[(this.head + i) & mask]!;
    return total;
  }

  private take(seq: IoSequence, n: number): number {
    const ring = this.ring;
    const first = ring.length - this.head;
    if (n <= first) {
      seq.write(ring, this.head, n);
    } else {
      seq.write(ring, this.head, first);
      seq.write(ring, 0, n - first);
    }
    this.skip(n);
    return n;
  }

  private skip(n: number): void {
    this.length -= n;
    this.head = this.length === 0 ? 0 : (this.head + n) & (this.ring.length - 1);
  }

  private put(seq: IoSequence, n: number): void {
    if (this.length + n > this.ring.length) this.grow(this.length + n);
    const ring = this.ring;
    const tail = (this.head + this.length) & (ring.length - 1);
    const first = ring.length - tail;
    if (n <= first) {
      seq.read(ring, tail, n);
    } else {
      seq.read(ring, tail, first);
      seq.read(ring, 0, n - first);
    }
    this.length += n;
  }

  /** A ring of at least `need` bytes; sizes are powers of two. */
  private grow(need: number): void {
    let size = this.ring.length < PAGE ? PAGE : this.ring.length;
    while (size < need) size *= 2;
    const bigger = new Uint8Array(size);
    this.peek(bigger, 0, this.length);
    this.ring = bigger;
    this.head = 0;
  }

  /** EV_* for a reading end that was opened when `writerOpens` was `seenWriters`. */
  readEvents(seenWriters: number): number {
    let ev = 0;
    if (this.length > 0) ev |= EV_READABLE;
    if (this.writers === 0 && this.writerOpens !== seenWriters) ev |= EV_HUP;
    return ev;
  }

  writeEvents(): number {
    let ev = 0;
    if (this.capacity - this.length >= PIPE_BUF) ev |= EV_WRITABLE;
    if (this.readers === 0) ev |= EV_ERR;
    return ev;
  }

  /** F_SETPIPE_SZ: the new size, or -errno. */
  resize(bytes: number, creds: Credentials): number {
    if (bytes < 0 || bytes > 0x7fffffff) return -EINVAL;
    let size = PAGE;
    while (size < bytes) size *= 2;
    if (size > this.capacity && size > pipeLimits.maxSize && !creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
    if (size < this.length) return -EBUSY;
    this.capacity = size;
    if (this.ring.length > size) {
      const smaller = new Uint8Array(size);
      this.peek(smaller, 0, this.length);
      this.ring = smaller;
      this.head = 0;
    }
    this.queue.notify(EV_WRITABLE);
    return size;
  }

  openReader(): void {
    this.readers++;
    this.readerOpens++;
    this.queue.notify(EV_IN | EV_OUT);
  }

  openWriter(): void {
    this.writers++;
    this.writerOpens++;
    this.queue.notify(EV_IN | EV_OUT);
  }

  /** Takes one opening of `ends` (FMODE_READ, FMODE_WRITE) away. */
  close(ends: number): void {
    if ((ends & FMODE_READ) !== 0) this.readers--;
    if ((ends & FMODE_WRITE) !== 0) this.writers--;
    if (this.readers > 0 && this.writers > 0) return;
    if (this.readers === 0 && this.writers === 0) {
      this.discard();
      return;
    }
    // Every end that goes is told to those on the one side that is left.
    this.queue.notify(this.readers === 0 ? EV_ERR | EV_WRITABLE : EV_HUP | EV_READABLE);
    this.signalReaders();
    this.signalWriters();
  }

  /** Nobody has it open any more. */
  private discard(): void {
    this.ring = new Uint8Array(0);
    this.head = 0;
    this.length = 0;
    this.segments = null;
    this.capacity = PIPE_DEFAULT_SIZE;
  }
}
