/** Writes netlink messages: headers, attributes. */
import { NLMSG_HDRLEN } from "../../../abi/netlink.ts";

/** One datagram of messages in the making. */
export class NetlinkWriter {
  private buf: Uint8Array = new Uint8Array(2048);
  private view: DataView = new DataView(this.buf.buffer);
  private len = 0;
  private start = 0;

  private reserve(n: number): number {
    const at = this.len;
    const end = at + ((n + 3) & ~3);
    if (end > this.buf.length) {
      const bigger = new Uint8Array(end * 2);
      bigger.set(this.buf);
      this.buf = bigger;
      this.view = new DataView(bigger.buffer);
    }
    this.buf.fill(0, at, end);
    this.len = end;
    return at;
  }

  /** Begins a message whose fixed part is `fixed` bytes; where that starts in `view`. */
  begin(type: number, flags: number, seq: number, pid: number, fixed: number): number {
    const at = this.reserve(NLMSG_HDRLEN);
    this.start = at;
    this.view.setUint16(at + 4, type, true);
    this.view.setUint16(at + 6, flags, true);
    this.view.setUint32(at + 8, seq, true);
    this.view.setUint32(at + 12, pid, true);
    return this.reserve(fixed);
  }

  /** Ends it. */
  end(): void {
    this.view.setUint32(this.start, this.len - this.start, true);
  }

  u8(at: number, v: number): void {
    this.view.setUint8(at, v);
  }
  u16(at: number, v: number): void {
    this.view.setUint16(at, v, true);
  }
  u32(at: number, v: number): void {
    this.view.setUint32(at, v, true);
  }

  /** An attribute of `n` bytes, zero; where they are. */
  attribute(type: number, n: number): number {
    const at = this.reserve(4);
    this.view.setUint16(at, n + 4, true);
    this.view.setUint16(at + 2, type, true);
    return this.reserve(n);
  }
  attributeU8(type: number, v: number): void {
    this.u8(this.attribute(type, 1), v);
  }
  attributeU32(type: number, v: number): void {
    this.u32(this.attribute(type, 4), v);
  }
  attributeBytes(type: number, bytes: readonly number[]): void {
    const at = this.attribute(type, bytes.length);
    for (let i = 0; i < bytes.length; i++) this.u8(at + i, bytes[i]!);
  }
  /** A string with its NUL. */
  attributeText(type: number, text: string): void {
    const at = this.attribute(type, text.length + 1);
    for (let i = 0; i < text.length; i++) this.u8(at + i, text.charCodeAt(i));
  }

  /** Copies bytes as they are. */
  bytes(src: Uint8Array, off: number, n: number): void {
    const at = this.reserve(n);
    this.buf.set(src.subarray(off, off + n), at);
  }

  /** What was written; starts anew. */
  take(): Uint8Array {
    const out = this.buf.slice(0, this.len);
    this.len = 0;
    return out;
  }

  get isEmpty(): boolean {
    return this.len === 0;
  }
}
