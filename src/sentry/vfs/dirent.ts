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
  /** As many of `records`, from the `first` one on, as there is room for. The number of the first that was not taken. */
  emitRecords(records: DirentRecords, first: number): number;
}

/** Entries that do not change, as `struct linux_dirent64`, by ascending offsets. */
export class DirentRecords {
  readonly bytes: Uint8Array;
  /** Where each begins, and where the last one ends. */
  readonly starts: Int32Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, starts: Int32Array) {
    this.bytes = bytes;
    this.starts = starts;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get count(): number {
    return this.starts.length - 1;
  }

  /** The position behind the i-th. */
  nextOffset(i: number): number {
    const at = this.starts[i]! + 8;
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x100000000;
  }

  /** The number of the first one behind position `offset`. */
  behind(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.nextOffset(middle) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many of those from the `first` one on fit into `room` bytes. */
  fitting(first: number, room: number): number {
    const limit = this.starts[first]! + room;
    let low = first;
    let high = this.count;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.starts[middle]! <= limit) low = middle;
      else high = middle - 1;
    }
    return low - first;
  }

  /** {@link DirentSink.emitRecords} for sinks that take entries one by one. */
  emitEach(sink: DirentSink, first: number): number {
    const { bytes, view, starts, count } = this;
    let i = first;
    for (; i < count; i++) {
      const at = starts[i]!;
      const name = at + 19;
      const ino = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x100000000;
      const len = bytes.indexOf(0, name) - name;
      if (!sink.emitBytes(bytes, name, len, ino, bytes[at + 18]!, this.nextOffset(i))) break;
    }
    return i;
  }
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

  emitRecords(records: DirentRecords, first: number): number {
    if (this.old) return records.emitEach(this, first);
    const next = first + records.fitting(first, this.limit - this.len);
    const { starts } = records;
    this.buf.set(records.bytes.subarray(starts[first]!, starts[next]!), this.len);
    this.len += starts[next]! - starts[first]!;
    if (next < records.count) this.full = true;
    return next;
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

  emitRecords(records: DirentRecords, first: number): number {
    return records.emitEach(this, first);
  }

  clear(): void {
    this.names.length = 0;
    this.inos.length = 0;
    this.types.length = 0;
  }
}
