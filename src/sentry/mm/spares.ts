/**
 * Spare ranges: private memory that was unmapped a moment ago, ready to be mapped again.
 *
 * Programs map and unmap pieces of the same size again and again (buffers, thread stacks, large allocations), and get the same
 * address each time. So a small piece keeps its pages and its host mapping for a while, without access: unmapping it and
 * mapping it again are two changes of protection, its page tables stay, and a touch costs no fault. For the guest nothing is
 * there: no VMA, no PMA, nothing counts, every access faults.
 *
 * One that nobody touched while it was mapped will hardly be touched the next time: it stays without access when it is mapped
 * again, until the first fault. Then the host need not be told of either.
 *
 * A spare range never overlaps a VMA: whatever is mapped there drops it, or takes it over if it is exactly the same range.
 * The pages are the address space's own (`PagePool`), so that nothing rests on the guest's not reaching them.
 */
import { PROT_EXEC } from "../../abi/mman.ts";
import type { MemoryManager } from "./mm.ts";
import { isolate, linkPages, takePma } from "./pmas.ts";
import { hostProt, type Vma } from "./vma.ts";

/** How many one address space has. */
const MAX_COUNT = 8;
/** Longest range; up to FREE_LEN it does not matter how much of it is in memory. */
const MAX_LEN: number = 4 * 1024 * 1024;
const FREE_LEN: number = 64 * 1024;
/** Most bytes in memory of the longer ones together. */
const MAX_BYTES: number = 1024 * 1024;
/** Keeping one costs a credit and taking it over earns two; without credit only every n-th attempt counts. */
const MAX_CREDIT = 16;
const FIRST_CREDIT = 8;
const PROBE = 64;
/** So often a range may be touched that was shown without access, until what the host tells is not believed any more. */
const MAX_HOPE = 8;

/** A spare range. */
export interface Spare {
  readonly start: number;
  readonly end: number;
  /** Offset in the memory file. */
  readonly off: number;
  /** Bytes in memory that count for MAX_BYTES. */
  readonly bytes: number;
  /** Nobody touched it while it was mapped: it is known to be empty. */
  readonly untouched: boolean;
}

/** Those of one address space, oldest first. */
export class SpareRanges {
  readonly list: Spare[] = [];
  private bytes = 0;
  private credit: number = FIRST_CREDIT;
  private refused = 0;
  private hope: number = MAX_HOPE;
  private shown = 0;

  /** [start, end) is being unmapped, its VMAs are gone: keeps it if it is such a piece. False: its pages are to be dropped. @hot */
  keep(mm: MemoryManager, start: number, end: number): boolean {
    const len = end - start;
    if (len > MAX_LEN) return false;
    const p = mm.pmas.find(start);
    if (p === null || p.end < end || !p.anon || p.cow || !p.shared || p.hot || p.huge || (p.prot & PROT_EXEC) !== 0)
      return false;
    const mem = p.mem;
    const off = p.off + (start - p.start);
    if (mem === null || mem !== mm.memory || mem.poolOf(off) !== mm.pool) return false;
    const { untouched } = p;
    if (!untouched && mem.exclusiveBytes(off, len) < len) return false;
    if (!this.mayKeep()) return false;
    if (untouched) this.hope = MAX_HOPE;
    const bytes = len <= FREE_LEN ? 0 : mem.committedBytes(off, len);
    if (bytes > MAX_BYTES) return false;
    while (this.list.length >= MAX_COUNT || this.bytes + bytes > MAX_BYTES) this.dropAt(mm, 0, true);
    const q = isolate(mm, p, start, end);
    const { prot } = q;
    takePma(mm, q);
    if (prot !== 0) mm.as.protect(start, len, 0);
    this.list.push({ start, end, off, bytes, untouched });
    this.bytes += bytes;
    return true;
  }

  private mayKeep(): boolean {
    if (this.credit > 0) this.credit--;
    else if (++this.refused % PROBE !== 0) return false;
    return true;
  }

  /** Takes [start, end) out, if it is a spare range: to be given to {@link show}. @hot */
  claim(start: number, end: number): Spare | null {
    const { list } = this;
    for (let i = list.length - 1; i >= 0; i--) {
      const s = list[i]!;
      if (s.start !== start) continue;
      if (s.end !== end) return null;
      if (i === list.length - 1) list.pop();
      else list.splice(i, 1);
      this.bytes -= s.bytes;
      this.credit = Math.min(this.credit + 2, MAX_CREDIT);
      return s;
    }
    return null;
  }

  /** The new mapping `vma` of its range takes over what was claimed; it reads as zeros. @hot */
  show(mm: MemoryManager, vma: Vma, { start, end, off, untouched }: Spare): void {
    const len = end - start;
    if (untouched || this.empty(mm, off, len)) {
      linkPages(mm, vma, start, len, mm.memory, off, 0, true, false, true, 7).untouched = true;
      return;
    }
    const prot = hostProt(vma.prot, false, 7);
    mm.as.protect(start, len, prot);
    linkPages(mm, vma, start, len, mm.memory, off, prot, true, false, true, 7);
  }

  /** Empties pages; whether nobody is expected to touch them: nobody did so the last time, or that is to be tried. */
  private empty(mm: MemoryManager, off: number, len: number): boolean {
    const wasEmpty = !mm.memory.zero(off, len);
    return (wasEmpty && this.hope > 0) || ++this.shown % PROBE === 0;
  }

  /** A range that was shown without access is accessed. */
  noteTouch(): void {
    if (this.hope > 0) this.hope--;
  }

  /**
   * Drops what overlaps [start, end). `covered`: the caller unmaps or replaces all host mappings of the range itself.
   */
  drop(mm: MemoryManager, start: number, end: number, covered: boolean): void {
    const { list } = this;
    for (let i = list.length - 1; i >= 0; i--) {
      const s = list[i]!;
      if (s.start < end && start < s.end) this.dropAt(mm, i, !covered || s.start < start || s.end > end);
    }
  }

  /** Gives the host its memory back; the ranges stay. */
  trim(mm: MemoryManager): void {
    for (const { off, end, start } of this.list) mm.memory.discard(off, end - start);
  }

  /** The host address space is gone: so are they. */
  release(mm: MemoryManager): void {
    for (const { off, end, start } of this.list) mm.memory.decRef(off, end - start);
    this.list.length = 0;
    this.bytes = 0;
  }

  private dropAt(mm: MemoryManager, i: number, unmap: boolean): void {
    const { start, end, off, bytes } = this.list[i]!;
    this.list.splice(i, 1);
    this.bytes -= bytes;
    if (unmap) mm.as.unmap(start, end - start);
    mm.deferFree(mm.memory, off, end - start);
  }
}
