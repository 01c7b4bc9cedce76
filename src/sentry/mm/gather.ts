/**
 * Private memory in pieces: what is copied on a write after a fork goes elsewhere in the memory file than its neighbours, and from
 * then on it and what is left on both sides are mappings of their own, on the host as well, for each later child anew. A shell that
 * has forked some dozen times has most of its heap in pieces of one to four pages. Copying a page once costs less than two such
 * mappings in one child.
 */
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { MEM_ANON } from "../pgalloc/memory-file.ts";
import type { MemoryManager } from "./mm.ts";
import { addPages, dropPages, isShortGap } from "./pmas.ts";
import { isPatched, type Pma, type Vma } from "./vma.ts";

/** Longest piece that is copied, and most that are put together. */
const PIECE_MAX: number = 16 * PAGE_SIZE;
const RUN_MAX: number = 256 * PAGE_SIZE;

/**
 * Puts neighbouring small pieces of `vma` that nobody else has together, before a fork (pages become copy-on-write). No other thread may
 * be able to write to them before the next flush. `keepHot`: hot pages stay apart from others, else none are hot any more. Where there
 * is no memory for it, pieces stay what they are.
 */
export function gatherPieces(mm: MemoryManager, vma: Vma, keepHot: boolean): void {
  let p = mm.pmas.lowerBound(vma.start);
  while (p !== null && p.start < vma.end) {
    let last = p;
    if (isPiece(mm, p)) {
      for (let n = p.next; n !== null && n.start === last.end && n.end <= vma.end; n = n.next) {
        if ((keepHot && n.hot !== p.hot) || n.end - p.start > RUN_MAX || !isPiece(mm, n)) break;
        last = n;
      }
    }
    const { next } = last;
    if (last !== p) join(mm, vma, p, last, keepHot);
    p = next;
  }
}

function isPiece(mm: MemoryManager, p: Pma): boolean {
  const len = p.end - p.start;
  const mem = p.mem;
  if (len > PIECE_MAX || !p.anon || p.huge || mem === null || mem !== mm.memory || isPatched(p)) return false;
  return mem.poolOf(p.off) === mm.pool && mem.exclusiveBytes(p.off, len) === len;
}

function join(mm: MemoryManager, vma: Vma, first: Pma, last: Pma, keepHot: boolean): void {
  const { start } = first;
  const { end } = last;
  const to = mm.pool.allocate(end - start, MEM_ANON, false, -1);
  if (to < 0) return;
  // As a whole it may be too little to be worth mappings of its own.
  const isGap = isShortGap(first.prev, start, end) && isShortGap(last.next, start, end);
  const hot = keepHot && (first.hot || isGap);
  const { window } = mm.memory;
  for (let p: Pma | null = first; p !== null && p.start < end; p = p.next) {
    window.copyWithin(to + (p.start - start), p.off, p.off + (p.end - p.start));
  }
  dropPages(mm, start, end, false);
  addPages(mm, vma, start, end - start, mm.memory, to, !hot, true, 7, false, hot);
}
