/** Emission of directory entries: getdents(2). */
import { dirent64Size, direntSize } from "../../abi/dirent.ts";
import { latin1 } from "../../base/text.ts";

/** Takes directory entries one by one. */
export interface DirentSink {
  /**
   * One entry; `nextOffset` is the position (FileDescription.offset) from which iteration continues behind it.
   * False: no room, the entry was not taken and iteration must stop.
   */
  emit(name: string, ino: number, type: number, nextOffset: number): boolean;
  /** {@link emit} of an entry whose name is the `len` bytes at `at`, which hold until the return. */
  emitBytes(buf: Uint8Array, at: number, len: number, ino: number, type: number, nextOffset: number): boolean;
}

/** Writes `struct linux_dirent64` (or `linux_dirent`) records into a buffer. Reusable: call `reset`. */
export class DirentBuffer implements DirentSink {
  readonly buf: Uint8Array;
  private readonly view: DataView;
  private readonly old: boolean;
  /** Bytes used. */
  len = 0;
  private limit = 0;
  /** An entry was refused for want of room: with len 0 the answer is EINVAL. */
  full = false;

  constructor(buf: Uint8Array, oldFormat: boolean) {
    this.buf = buf;
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
    this.old = oldFormat;
  }

  reset(limit: number): void {
    this.len = 0;
    this.limit = limit < this.buf.length ? limit : this.buf.length;
    this.full = false;
  }

  emit(name: string, ino: number, type: number, nextOffset: number): boolean {
    const len = name.length;
    const at = this.begin(len, ino, type, nextOffset);
    if (at < 0) return false;
    const { buf } = this;
    for (let i = 0; i < len; i++) buf[at + i] = name.charCodeAt(i);
    return true;
  }

  emitBytes(from: Uint8Array, start: number, len: number, ino: number, type: number, nextOffset: number): boolean {
    const at = this.begin(len, ino, type, nextOffset);
    if (at < 0) return false;
    const { buf } = this;
    for (let i = 0; i < len; i++) buf[at + i] = from[start + i]!;
    return true;
  }

  /** Everything of a record but the `n` bytes of its name; where those go, or -1: no room. */
  private begin(n: number, ino: number, type: number, nextOffset: number): number {
    const size = this.old ? direntSize(n) : dirent64Size(n);
    const at = this.len;
    if (at + size > this.limit) {
      this.full = true;
      return -1;
    }
    const v = this.view;
    v.setUint32(at, ino >>> 0, true);
    v.setUint32(at + 4, Math.floor(ino / 0x100000000), true);
    v.setUint32(at + 8, nextOffset >>> 0, true);
    v.setInt32(at + 12, Math.floor(nextOffset / 0x100000000), true);
    v.setUint16(at + 16, size, true);
    const b = this.buf;
    let p = at + 18;
    if (!this.old) b[p++] = type;
    const end = at + size;
    for (let i = p + n; i < end; i++) b[i] = 0;
    if (this.old) b[end - 1] = type;
    this.len = end;
    return p;
  }
}

/** Collects names; for checks such as "is the directory empty" and for merging layers. */
export class DirentList implements DirentSink {
  names: string[] = [];
  inos: number[] = [];
  types: number[] = [];

  emit(name: string, ino: number, type: number, _nextOffset: number): boolean {
    this.names.push(name);
    this.inos.push(ino);
    this.types.push(type);
    return true;
  }

  emitBytes(buf: Uint8Array, at: number, len: number, ino: number, type: number, nextOffset: number): boolean {
    return this.emit(latin1(buf, at, at + len), ino, type, nextOffset);
  }

  clear(): void {
    this.names.length = 0;
    this.inos.length = 0;
    this.types.length = 0;
  }
}
