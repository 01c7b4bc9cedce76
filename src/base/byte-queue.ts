/** A growing ring buffer of bytes. */
export class ByteQueue {
  private buf: Uint8Array = new Uint8Array(256);
  private head = 0;
  /** Bytes held. */
  length = 0;
  /** Bytes ever pushed and ever taken (or cleared): positions in the stream. */
  written = 0;
  consumed = 0;

  private grow(need: number): void {
    let size = this.buf.length;
    while (size < need) size *= 2;
    const next = new Uint8Array(size);
    this.copyOut(next, 0, this.length);
    this.buf = next;
    this.head = 0;
  }

  private copyOut(dst: Uint8Array, off: number, len: number): void {
    const first = Math.min(len, this.buf.length - this.head);
    dst.set(this.buf.subarray(this.head, this.head + first), off);
    if (len > first) dst.set(this.buf.subarray(0, len - first), off + first);
  }

  pushByte(byte: number): void {
    if (this.length === this.buf.length) this.grow(this.length + 1);
    this.buf[(this.head + this.length) & (this.buf.length - 1)] = byte;
    this.length++;
    this.written++;
  }

  push(src: Uint8Array, off: number, len: number): void {
    if (this.length + len > this.buf.length) this.grow(this.length + len);
    const at = (this.head + this.length) & (this.buf.length - 1);
    const first = Math.min(len, this.buf.length - at);
    this.buf.set(src.subarray(off, off + first), at);
    if (len > first) this.buf.set(src.subarray(off + first, off + len), 0);
    this.length += len;
    this.written += len;
  }

  /** Moves up to `len` bytes to `dst`; returns how many. */
  pull(dst: Uint8Array, off: number, len: number): number {
    const n = len < this.length ? len : this.length;
    this.copyOut(dst, off, n);
    this.head = (this.head + n) & (this.buf.length - 1);
    this.length -= n;
    this.consumed += n;
    return n;
  }

  /** Takes the oldest byte; there must be one. */
  pullByte(): number {
    const byte = this.buf[this.head]!;
    this.head = (this.head + 1) & (this.buf.length - 1);
    this.length--;
    this.consumed++;
    return byte;
  }

  /** Forgets up to `n` of the oldest bytes. */
  drop(n: number): void {
    const count = n < this.length ? n : this.length;
    this.head = (this.head + count) & (this.buf.length - 1);
    this.length -= count;
    this.consumed += count;
  }

  /** Forgets all but the `n` oldest bytes, as if the others had never been pushed. */
  truncate(n: number): void {
    if (this.length <= n) return;
    this.written -= this.length - n;
    this.length = n;
  }

  /** Forgets the newest byte if it is `byte`; whether it was. */
  dropLast(byte: number): boolean {
    if (this.length === 0 || this.buf[(this.head + this.length - 1) & (this.buf.length - 1)] !== byte) return false;
    this.truncate(this.length - 1);
    return true;
  }

  clear(): void {
    this.consumed += this.length;
    this.length = 0;
    this.head = 0;
  }
}
