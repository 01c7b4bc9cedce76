/** How much of a process is in memory. */
import type { MemoryManager } from "../../mm/mm.ts";
import type { Pma } from "../../mm/vma.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";

/** Resident bytes by kind. */
export class Resident {
  anon = 0;
  file = 0;
  shmem = 0;
  /** Most that `total` has been when somebody asked. */
  peak = 0;
  /** Most that the address space has been when somebody asked. */
  peakVm = 0;

  get total(): number {
    return this.anon + this.file + this.shmem;
  }

  /** Counts again. */
  update(mm: MemoryManager): void {
    this.count(mm);
    this.peak = Math.max(this.peak, this.total);
    this.peakVm = Math.max(this.peakVm, mm.totalVm);
  }

  private count(mm: MemoryManager): void {
    this.anon = 0;
    this.shmem = 0;
    // Which pages of its files the host has mapped is not known: all that may be mapped without a fault.
    this.file = mm.rssFile;
    let file: MemoryFile | null = null;
    let anon = false;
    let off = 0;
    let len = 0;
    // Neighbours in the same memory file are counted together.
    for (let p: Pma | null = mm.pmas.first; p !== null; p = p.next) {
      if (p.mem === null) continue;
      const size = p.end - p.start;
      if (p.mem === file && p.anon === anon && p.off === off + len) {
        len += size;
        continue;
      }
      this.add(file, anon, off, len);
      file = p.mem;
      anon = p.anon;
      off = p.off;
      len = size;
    }
    this.add(file, anon, off, len);
  }

  private add(file: MemoryFile | null, anon: boolean, off: number, len: number): void {
    if (file === null) return;
    const n = file.committedBytes(off, len);
    if (anon) this.anon += n;
    else this.shmem += n;
  }
}

const known: WeakMap<MemoryManager, Resident> = new WeakMap();

/** The figures of an address space, now. */
export function residentOf(mm: MemoryManager): Resident {
  let r = known.get(mm);
  if (r === undefined) {
    r = new Resident();
    known.set(mm, r);
  }
  r.update(mm);
  return r;
}
