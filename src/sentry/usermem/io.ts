/**
 * IoSequence: a cursor over a list of byte ranges, the one currency in which data moves between guest memory, files,
 * pipes and sockets. The ranges are usually windows onto guest memory, so that a host read lands there directly.
 */
import { EFAULT } from "../../abi/errno.ts";
import type { IoVec } from "../../host/host.ts";
import { WIDE } from "../../base/wide.ts";

/** Called when a sequence with bounce buffers was written: puts the bytes where they belong. */
export interface BounceSink {
  /** `seq`'s bytes up to `seq.done` are valid; returns 0 or -errno. */
  writeBack(seq: IoSequence): number;
}

/** Byte ranges bufs[i][offs[i] .. +lens[i]) for i < count; `first` is the first with bytes left. Reusable: `clear` it. */
export class IoSequence implements IoVec {
  bufs: Uint8Array[] = [];
  offs: number[] = [];
  lens: number[] = [];
  count = 0;
  /** Bytes not yet consumed. */
  remaining: number = WIDE;
  /** Bytes consumed so far. */
  done: number = WIDE;
  /** Set by mm when what was asked for goes on in memory that cannot be accessed. */
  isCut = false;
  /** With isCut: all bytes that were asked for. */
  wanted = 0;
  /** Set by mm when a range is a bounce buffer for memory the Sentry cannot write in place. */
  sink: BounceSink | null = null;
  sinkData: unknown = null;

  clear(): void {
    this.count = 0;
    this.remaining = 0;
    this.done = 0;
    this.isCut = false;
    this.sink = null;
    this.sinkData = null;
  }

  /** Appends a range (merging with the previous one when contiguous in the same buffer). */
  push(buf: Uint8Array, off: number, len: number): void {
    if (len <= 0) return;
    const n = this.count;
    if (n > 0 && this.bufs[n - 1] === buf && this.offs[n - 1]! + this.lens[n - 1]! === off) {
      this.lens[n - 1] = this.lens[n - 1]! + len;
    } else {
      this.bufs[n] = buf;
      this.offs[n] = off;
      this.lens[n] = len;
      this.count = n + 1;
    }
    this.remaining += len;
  }

  /** Bytes that were asked for and are not consumed, including those that cannot be accessed. */
  get room(): number {
    return this.isCut ? this.wanted - this.done : this.remaining;
  }

  /** Writes `len` bytes (<= room) as far as they can be: `len`, or -EFAULT when not all could. */
  writeRecord(src: Uint8Array, len: number): number {
    return this.write(src, 0, len) === len ? len : -EFAULT;
  }

  /** Consumes `len` bytes (<= remaining) without copying: after a host call moved them. */
  advance(len: number): void {
    let left = len;
    let i = 0;
    while (i < this.count && left >= this.lens[i]!) left -= this.lens[i++]!;
    if (i > 0) {
      const n = this.count - i;
      for (let k = 0; k < n; k++) {
        this.bufs[k] = this.bufs[k + i]!;
        this.offs[k] = this.offs[k + i]!;
        this.lens[k] = this.lens[k + i]!;
      }
      this.count = n;
    }
    if (left > 0 && this.count > 0) {
      this.offs[0] = this.offs[0]! + left;
      this.lens[0] = this.lens[0]! - left;
    }
    this.remaining -= len;
    this.done += len;
  }

  /** Shortens the sequence so that at most `len` bytes remain. */
  truncate(len: number): void {
    if (len >= this.remaining) return;
    let left = len;
    let i = 0;
    while (i < this.count && left > this.lens[i]!) left -= this.lens[i++]!;
    if (left > 0) this.lens[i++] = left;
    this.count = i;
    this.remaining = len;
  }

  /** Copies up to `len` bytes of `src` into the ranges and consumes them. Returns the bytes copied. */
  write(src: Uint8Array, srcOff: number, len: number): number {
    const total = len < this.remaining ? len : this.remaining;
    let left = total;
    let i = 0;
    let from = srcOff;
    while (left > 0) {
      const n = this.lens[i]! < left ? this.lens[i]! : left;
      copyBytes(this.bufs[i]!, this.offs[i]!, src, from, n);
      from += n;
      left -= n;
      i++;
    }
    this.advance(total);
    return total;
  }

  /** Copies up to `len` bytes out of the ranges into `dst` and consumes them. Returns the bytes copied. */
  read(dst: Uint8Array, dstOff: number, len: number): number {
    const total = len < this.remaining ? len : this.remaining;
    let left = total;
    let i = 0;
    let to = dstOff;
    while (left > 0) {
      const n = this.lens[i]! < left ? this.lens[i]! : left;
      copyBytes(dst, to, this.bufs[i]!, this.offs[i]!, n);
      to += n;
      left -= n;
      i++;
    }
    this.advance(total);
    return total;
  }

  /** Writes `len` zero bytes (at most remaining). */
  zero(len: number): number {
    const total = len < this.remaining ? len : this.remaining;
    let left = total;
    let i = 0;
    while (left > 0) {
      const n = this.lens[i]! < left ? this.lens[i]! : left;
      this.bufs[i]!.fill(0, this.offs[i]!, this.offs[i]! + n);
      left -= n;
      i++;
    }
    this.advance(total);
    return total;
  }
}

/** From so many bytes on a call of the host's is worth it, and two such pieces do not fit into the nearer caches. */
const LONG = 256 * 1024;

type Copier = (dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number, len: number) => void;

let copyLong: Copier | null = null;

/** {@link copyBytes} takes this for long copies. */
export function useCopier(copier: Copier): void {
  copyLong = copier;
}

/** memmove between arrays; short copies by loop, since `subarray` allocates. */
export function copyBytes(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number, len: number): void {
  if (len <= 48) {
    for (let i = 0; i < len; i++) dst[dstOff + i] = src[srcOff + i]!;
  } else if (len >= LONG && copyLong !== null) {
    copyLong(dst, dstOff, src, srcOff, len);
  } else {
    dst.set(src.subarray(srcOff, srcOff + len), dstOff);
  }
}
