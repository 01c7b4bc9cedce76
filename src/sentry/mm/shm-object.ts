/** Shared memory without a file: MAP_SHARED | MAP_ANONYMOUS, /dev/zero mapped shared, System V segments. */
import { EFAULT } from "../../abi/errno.ts";
import { type Mappable, type MappingOwner, PAGE_SIZE, type Translation } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { MEM_SHMEM, type MemoryFile } from "../pgalloc/memory-file.ts";

/** Pages are allocated in pieces of this size. */
const CHUNK = 16 * 1024 * 1024;

/** Inode numbers that /proc/PID/maps shows. */
let lastIno = 0;

/**
 * `size` bytes of zeroed memory that several address spaces can map. It lives as long as it is mapped or referenced
 * (VMAs count as both).
 */
export class ShmObject implements Mappable, VmaFile {
  readonly size: number = 0;
  /** Name in /proc/PID/maps. */
  name = "/dev/zero (deleted)";
  ino: number = ++lastIno;
  private readonly mem: MemoryFile;
  /** Offset in `mem` of each chunk, -1 where not allocated yet. */
  private readonly chunks: Float64Array;
  private refs = 0;

  /** `size`: a page multiple. */
  constructor(mem: MemoryFile, size: number) {
    this.mem = mem;
    this.size = size;
    this.chunks = new Float64Array(Math.ceil(size / CHUNK)).fill(-1);
  }

  incRef(): void {
    this.refs++;
  }

  /** The last reference gone: the pages are given back (those that are still mapped somewhere when that ends). */
  decRef(): void {
    if (--this.refs > 0) return;
    this.mem.beginFree();
    for (let i = 0; i < this.chunks.length; i++) {
      const off = this.chunks[i]!;
      if (off >= 0) this.mem.decRef(off, this.chunkLen(i));
      this.chunks[i] = -1;
    }
    this.mem.endFree();
  }

  private chunkLen(i: number): number {
    return Math.min(CHUNK, this.size - i * CHUNK);
  }

  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    if (offset >= this.size) return -EFAULT;
    const i = Math.floor(offset / CHUNK);
    let base = this.chunks[i]!;
    if (base < 0) {
      const below = i > 0 ? this.chunks[i - 1]! : -1;
      base = this.mem.allocate(this.chunkLen(i), MEM_SHMEM, true, below < 0 ? -1 : below + CHUNK);
      if (base < 0) return base;
      this.chunks[i] = base;
    }
    const into = offset - i * CHUNK;
    out.file = this.mem;
    out.offset = base + into;
    out.len = Math.min(this.chunkLen(i) - into, len < PAGE_SIZE ? PAGE_SIZE : len);
    out.maxProt = 7;
    return 0;
  }

  addMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {}
  removeMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {}

  syncRange(_offset: number, _len: number): number {
    return 0;
  }

  mapName(): string {
    return this.name;
  }
  mapDevMajor(): number {
    return 0;
  }
  mapDevMinor(): number {
    return 1;
  }
  mapIno(): number {
    return this.ino;
  }

  /** Pages in the hole read as zeros again, in every address space. */
  punchHole(offset: number, len: number): number {
    let pos = offset;
    const end = Math.min(offset + len, this.size);
    while (pos < end) {
      const i = Math.floor(pos / CHUNK);
      const n = Math.min(i * CHUNK + this.chunkLen(i), end) - pos;
      const base = this.chunks[i]!;
      if (base >= 0) this.mem.decommit(base + (pos - i * CHUNK), n);
      pos += n;
    }
    return 0;
  }
}
