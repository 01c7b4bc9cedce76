/** What a mapping of /dev/zero maps: fresh zeroed memory, shared by those who inherit the mapping. zero(4). */
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { Mappable, MappingOwner, Translation } from "../../memmap/memmap.ts";
import { MEM_SHMEM } from "../../pgalloc/memory-file.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";

/** Bytes allocated at a time. */
const PIECE = 64 * PAGE_SIZE;

/** Memory of one mmap call, allocated where it is touched, freed with the last mapping. */
export class ZeroMemory implements Mappable {
  private readonly mem: MemoryFile;
  /** Offset in the memory file of each piece that was touched, by piece number. */
  private readonly pieces: Map<number, number> = new Map();
  private mappings = 0;

  constructor(mem: MemoryFile) {
    this.mem = mem;
  }

  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    const index = Math.floor(offset / PIECE);
    let base = this.pieces.get(index);
    if (base === undefined) {
      base = this.mem.allocate(PIECE, MEM_SHMEM, true, -1);
      if (base < 0) return base;
      this.pieces.set(index, base);
    }
    const into = offset - index * PIECE;
    const rest = PIECE - into;
    out.file = this.mem;
    out.offset = base + into;
    out.len = len < PAGE_SIZE ? PAGE_SIZE : len < rest ? len : rest;
    out.maxProt = 7;
    return 0;
  }

  addMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {
    this.mappings++;
  }

  removeMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {
    if (--this.mappings > 0) return;
    this.mem.beginFree();
    for (const base of this.pieces.values()) this.mem.decRef(base, PIECE);
    this.mem.endFree();
    this.pieces.clear();
  }

  syncRange(_offset: number, _len: number): number {
    return 0;
  }
}
