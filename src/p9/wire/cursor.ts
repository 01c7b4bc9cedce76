/**
 * Checked cursors over message buffers: every codec of this folder goes through them.
 *
 * A {@link Reader} never touches bytes outside [pos, end): a read past the end yields 0 or "" and is remembered, and
 * {@link Reader.finish} says at the end whether the message was well formed. A {@link Writer} drops what does not fit and
 * remembers that too. So codecs are straight-line code with one check, and hostile lengths can do no harm.
 * Integers are little-endian. 64-bit values are i53 numbers; strings are latin1 (one char per byte).
 */
import { EBADMSG, EMSGSIZE, EOVERFLOW } from "../../abi/errno.ts";
import { KnownStrings, hashByte, latin1 } from "../../base/text.ts";
import { HEADER_SIZE } from "./constants.ts";

const TWO32 = 0x100000000;
/** High words of the non-negative i53 numbers are below this. */
const HI_LIMIT = 0x200000;

/** Reads one message. Reusable: {@link Reader.attach} a buffer, then {@link Reader.reset} for each message in it. */
export class Reader {
  buf: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  pos = 0;
  end = 0;
  /** The message is shorter than its fields say. */
  isShort = false;
  /** A 64-bit field does not fit an i53 number. */
  isOverflow = false;

  /** Chooses the buffer, of which `view` shows the whole; no message is readable until {@link Reader.reset}. */
  attach(buf: Uint8Array, view: DataView = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)): void {
    this.buf = buf;
    this.view = view;
    this.pos = 0;
    this.end = 0;
  }

  /** Makes [pos, end) of the buffer readable; both are clamped to the buffer. */
  reset(pos: number, end: number): void {
    this.end = end < this.buf.length ? end : this.buf.length;
    this.pos = pos < this.end ? pos : this.end;
    this.isShort = false;
    this.isOverflow = false;
  }

  /** Moves past `len` bytes and returns where they start, or -1 when they are not there. */
  take(len: number): number {
    const at = this.pos;
    if (len > this.end - at) {
      this.isShort = true;
      this.pos = this.end;
      return -1;
    }
    this.pos = at + len;
    return at;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : this.buf[at]!;
  }

  u16(): number {
    const at = this.take(2);
    return at < 0 ? 0 : this.view.getUint16(at, true);
  }

  u32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : this.view.getUint32(at, true);
  }

  /** Unsigned 64 bits that must be below 2^53 (otherwise 0, and the message fails with EOVERFLOW). */
  u64(): number {
    const at = this.take(8);
    return at < 0 ? 0 : this.u64At(at);
  }

  /** Signed 64 bits that must lie in [-2^53, 2^53). */
  i64(): number {
    const at = this.take(8);
    return at < 0 ? 0 : this.i64At(at);
  }

  /** The low 53 bits of 64: for identities (inode numbers), where a lost high bit is no error. */
  id64(): number {
    const at = this.take(8);
    return at < 0 ? 0 : this.id64At(at);
  }

  /** {@link Reader.u64} at a place that was taken before; so are the next two. */
  u64At(at: number): number {
    const hi = this.view.getUint32(at + 4, true);
    if (hi >= HI_LIMIT) {
      this.isOverflow = true;
      return 0;
    }
    return hi * TWO32 + this.view.getUint32(at, true);
  }

  i64At(at: number): number {
    const hi = this.view.getInt32(at + 4, true);
    if (hi >= HI_LIMIT || hi < -HI_LIMIT) {
      this.isOverflow = true;
      return 0;
    }
    return hi * TWO32 + this.view.getUint32(at, true);
  }

  id64At(at: number): number {
    return (this.view.getUint32(at + 4, true) & (HI_LIMIT - 1)) * TWO32 + this.view.getUint32(at, true);
  }

  /** Sixteen bits of length, then so many bytes. */
  str(): string {
    const len = this.u16();
    const at = this.take(len);
    return at < 0 ? "" : nameText(this.buf, at, len);
  }

  /** 0 when the message was exactly as long as its fields, -EBADMSG, or -EOVERFLOW. */
  finish(): number {
    if (this.isShort || this.pos !== this.end) return -EBADMSG;
    return this.isOverflow ? -EOVERFLOW : 0;
  }
}

/** Writes messages into one buffer, one at a time. Reusable. */
export class Writer {
  buf: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the current message starts. */
  start = 0;
  pos = 0;
  /** End of the space for the current message. */
  limit = 0;
  isFull = false;

  /** Chooses the buffer, of which `view` shows the whole. */
  attach(buf: Uint8Array, view: DataView = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)): void {
    this.buf = buf;
    this.view = view;
    this.start = 0;
    this.pos = 0;
    this.limit = buf.length;
    this.isFull = false;
  }

  /** Starts a message at offset `at` that may take up to `max` bytes. */
  begin(type: number, tag: number, at = 0, max: number = this.buf.length - at): void {
    this.start = at;
    this.pos = at;
    const limit = at + max;
    this.limit = limit < this.buf.length ? limit : this.buf.length;
    this.isFull = false;
    this.u32(0);
    this.u8(type);
    this.u16(tag);
  }

  /** Ends the message: writes its size. Returns its length in bytes, or -EMSGSIZE when it did not fit. */
  end(): number {
    if (this.isFull || this.pos - this.start < HEADER_SIZE) return -EMSGSIZE;
    const len = this.pos - this.start;
    this.view.setUint32(this.start, len, true);
    return len;
  }

  /** Reserves `len` bytes and returns where they start, or -1 when they do not fit. */
  reserve(len: number): number {
    const at = this.pos;
    if (len > this.limit - at) {
      this.isFull = true;
      return -1;
    }
    this.pos = at + len;
    return at;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    if (at >= 0) this.buf[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    if (at >= 0) this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    if (at >= 0) this.view.setUint32(at, value, true);
  }

  /** A number in [-2^53, 2^53] as 64 bits, two's complement. */
  i64(value: number): void {
    const at = this.reserve(8);
    if (at >= 0) this.i64At(at, value);
  }

  /** {@link Writer.i64} at a place that was reserved before. */
  i64At(at: number, value: number): void {
    const lo = value >>> 0;
    this.view.setUint32(at, lo, true);
    this.view.setInt32(at + 4, (value - lo) / TWO32, true);
  }

  /** At most 65535 bytes; a longer string does not fit any message. */
  str(value: string): void {
    const len = value.length;
    if (len > 0xffff) {
      this.isFull = true;
      return;
    }
    const at = this.reserve(2 + len);
    if (at < 0) return;
    this.view.setUint16(at, len, true);
    const buf = this.buf;
    for (let i = 0; i < len; i++) buf[at + 2 + i] = value.charCodeAt(i);
  }

  bytes(src: Uint8Array, srcOff: number, len: number): void {
    const at = this.reserve(len);
    if (at < 0) return;
    if (len <= 48) {
      for (let i = 0; i < len; i++) this.buf[at + i] = src[srcOff + i]!;
    } else {
      this.buf.set(src.subarray(srcOff, srcOff + len), at);
    }
  }
}

const KNOWN_MAX = 64;
const known = new KnownStrings(512, KNOWN_MAX);

/** `len` bytes from `at` as a latin1 string, which for names is there already mostly. The range must lie in the buffer. @hot */
export function nameText(buf: Uint8Array, at: number, len: number): string {
  const end = at + len;
  if (len > KNOWN_MAX) return latin1(buf, at, end);
  let hash = 0;
  for (let i = at; i < end; i++) hash = hashByte(hash, buf[i]!);
  return known.get(buf, at, end, hash);
}
