/** Work on the pages of an address space: adding, splitting, dropping and reprotecting PMAs with their host mappings. */
import { PROT_WRITE } from "../../abi/mman.ts";
import { type MappedFile, PAGE_SIZE } from "../memmap/memmap.ts";
import type { MemoryManager } from "./mm.ts";
import { hostProt, isPatched, memoryOf, Pma, sharesPages, type Vma } from "./vma.ts";

/**
 * Adds pages [start, start+len) = file from `off` and queues their host mapping. The caller holds the page references,
 * which pass over, and nothing else is there (in the PMA tree; host mappings are replaced).
 */
export function addPages(
  mm: MemoryManager,
  vma: Vma,
  start: number,
  len: number,
  file: MappedFile,
  off: number,
  cow: boolean,
  anon: boolean,
  maxProt: number,
  populate: boolean,
  hot = false,
  huge = false,
): Pma {
  const prot = hostProt(vma.prot, cow, maxProt);
  const shared = sharesPages(mm, vma, file, off, cow, maxProt);
  // Touched in advance, they would be small pages.
  mm.as.mapFile(start, len, file.backing, off, prot, shared, populate && !huge);
  if (huge) mm.as.adviseHuge?.(start, len);
  return linkPages(mm, vma, start, len, file, off, prot, shared, cow, anon, maxProt, hot, huge);
}

/** Like {@link addPages} for pages that the host shows already. */
export function linkPages(
  mm: MemoryManager,
  vma: Vma,
  start: number,
  len: number,
  file: MappedFile,
  off: number,
  prot: number,
  shared: boolean,
  cow: boolean,
  anon: boolean,
  maxProt: number,
  hot = false,
  huge = false,
): Pma {
  countPages(mm, file, anon, len);
  const end = start + len;
  const next = mm.pmas.lowerBound(start);
  const prev = next === null ? mm.pmas.last : next.prev;
  const joinsPrev =
    prev !== null &&
    prev.end === start &&
    start > vma.start &&
    !prev.untouched &&
    alike(prev, file, prot, shared, cow, anon, maxProt, hot, huge) &&
    follows(prev, off);
  const joinsNext =
    next !== null &&
    next.start === end &&
    end < vma.end &&
    !next.untouched &&
    alike(next, file, prot, shared, cow, anon, maxProt, hot, huge) &&
    off + len === next.off &&
    (next.mem === null || next.mem.joins(next.off));
  if (joinsPrev) {
    const to = joinsNext ? next.end : end;
    if (joinsNext) forget(mm, next);
    mm.pmas.resize(prev, prev.start, to);
    return prev;
  }
  if (joinsNext) {
    next.off = off;
    mm.pmas.resize(next, start, next.end);
    return next;
  }
  const p = new Pma(file, memoryOf(file));
  p.start = start;
  p.end = end;
  p.off = off;
  p.prot = prot;
  p.shared = shared;
  p.cow = cow;
  p.anon = anon;
  p.maxProt = maxProt;
  p.hot = hot;
  p.huge = huge;
  mm.pmas.insert(p);
  return p;
}

/** Whether file offset `off` directly follows p's pages; all pages of a PMA belong to one pool. */
function follows(p: Pma, off: number): boolean {
  return p.off + (p.end - p.start) === off && (p.mem === null || p.mem.joins(off));
}

function alike(
  p: Pma,
  file: MappedFile,
  prot: number,
  shared: boolean,
  cow: boolean,
  anon: boolean,
  maxProt: number,
  hot: boolean,
  huge: boolean,
): boolean {
  return (
    p.file === file &&
    p.prot === prot &&
    p.shared === shared &&
    p.cow === cow &&
    p.anon === anon &&
    p.maxProt === maxProt &&
    p.hot === hot &&
    p.huge === huge
  );
}

/** Resident-set accounting. */
function countPages(mm: MemoryManager, file: MappedFile, anon: boolean, len: number): void {
  if (anon) mm.rssAnon += len;
  else if (file.window === null) mm.rssFile += len;
  else mm.rssShmem += len;
}

/** Takes a PMA out of the tree, and makes sure that no cached pointer finds it. */
function forget(mm: MemoryManager, p: Pma): void {
  mm.pmas.remove(p);
  p.start = 0;
  p.end = 0;
}

/** Makes `addr` a PMA boundary. */
export function splitPagesAt(mm: MemoryManager, addr: number): void {
  const p = mm.pmas.find(addr);
  if (p !== null && p.start < addr) splitPma(mm, p, addr);
}

/** Splits p at addr (inside it); returns the upper part. */
export function splitPma(mm: MemoryManager, p: Pma, addr: number): Pma {
  const q = new Pma(p.file, p.mem);
  q.start = addr;
  q.end = p.end;
  q.off = p.off + (addr - p.start);
  q.prot = p.prot;
  q.shared = p.shared;
  q.cow = p.cow;
  q.anon = p.anon;
  q.maxProt = p.maxProt;
  q.hot = p.hot;
  q.huge = p.huge;
  q.untouched = p.untouched;
  mm.pmas.resize(p, p.start, addr);
  mm.pmas.insert(q);
  return q;
}

/** Cuts [start, end) out of p, so that p is exactly that range; returns it. */
export function isolate(mm: MemoryManager, p: Pma, start: number, end: number): Pma {
  let q = p;
  if (start > q.start) q = splitPma(mm, q, start);
  if (end < q.end) splitPma(mm, q, end);
  return q;
}

/**
 * Drops all pages of [start, end) (page references are given back after the next flush). `unmap`: also queue the removal
 * of the host mappings; false when the caller replaces them. True when there were any.
 */
export function dropPages(mm: MemoryManager, start: number, end: number, unmap: boolean): boolean {
  splitPagesAt(mm, start);
  splitPagesAt(mm, end);
  let p = mm.pmas.lowerBound(start);
  if (p === null || p.start >= end) return false;
  // Only what is mapped: the range may well go beyond what the platform can have.
  const first = p.start;
  let last = p.end;
  while (p !== null && p.start < end) {
    const next: Pma | null = p.next;
    last = p.end;
    mm.deferFree(p.file, p.off, p.end - p.start);
    countPages(mm, p.file, p.anon, p.start - p.end);
    forget(mm, p);
    p = next;
  }
  if (unmap) {
    mm.as.unmap(first, last - first);
    if (mm.spares.list.length > 0) mm.spares.drop(mm, first, last, true);
  }
  return true;
}

/** Takes p out (of tree and accounting) without giving its pages back: it is about to be put elsewhere. */
export function takePma(mm: MemoryManager, p: Pma): void {
  countPages(mm, p.file, p.anon, p.start - p.end);
  forget(mm, p);
}

/**
 * Brings the host protection of all pages of a VMA in [start, end) in line with its `prot`; neighbours that change to the
 * same protection go in one operation. PMAs do not cross start or end.
 */
export function reprotect(mm: MemoryManager, vma: Vma, start: number, end: number): void {
  let from = 0;
  let to = 0;
  let prot = -1;
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
    const want = hostProt(vma.prot, p.cow, p.maxProt);
    if (want === p.prot) continue;
    p.prot = want;
    p.untouched = false;
    if (!p.shared && (want & PROT_WRITE) !== 0) {
      showShared(mm, p);
      continue;
    }
    if (prot === want && to === p.start) {
      to = p.end;
      continue;
    }
    if (prot >= 0) mm.as.protect(from, to - from, prot);
    from = p.start;
    to = p.end;
    prot = want;
  }
  if (prot >= 0) mm.as.protect(from, to - from, prot);
}

/** Maps a PMA anew, so that it can be written. */
export function showShared(mm: MemoryManager, p: Pma): void {
  p.shared = true;
  p.huge = false;
  mm.as.mapFile(p.start, p.end - p.start, p.file.backing, p.off, p.prot, true, false);
}

/** Joins the PMAs of a VMA in [start, end), and with their neighbours, where they have become alike. */
export function mergePages(mm: MemoryManager, vma: Vma, start: number, end: number): void {
  let p = mm.pmas.lowerBound(start);
  if (p !== null && p.prev !== null && p.prev.start >= vma.start) p = p.prev;
  while (p !== null && p.start < end) {
    const next: Pma | null = p.next;
    if (
      next !== null &&
      next.start === p.end &&
      next.start < vma.end &&
      !p.untouched &&
      !next.untouched &&
      follows(p, next.off) &&
      alike(p, next.file, next.prot, next.shared, next.cow, next.anon, next.maxProt, next.hot, next.huge)
    ) {
      const to = next.end;
      forget(mm, next);
      mm.pmas.resize(p, p.start, to);
    } else p = next;
  }
}

/**
 * fork: takes the write bit from all private pages in [start, end) and marks them copy-on-write. `keepHot`: hot ones stay as
 * they are, since the child gets copies; else they must show anew that they are.
 */
export function makeCow(mm: MemoryManager, start: number, end: number, keepHot: boolean): void {
  let from = 0;
  let to = 0;
  let prot = -1;
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
    if (p.hot && keepHot && !isPatched(p)) continue;
    p.hot = false;
    p.cow = true;
    if ((p.prot & PROT_WRITE) === 0) continue;
    p.prot &= ~PROT_WRITE;
    if (prot === p.prot && to === p.start) {
      to = p.end;
      continue;
    }
    if (prot >= 0) mm.as.protect(from, to - from, prot);
    from = p.start;
    to = p.end;
    prot = p.prot;
  }
  if (prot >= 0) mm.as.protect(from, to - from, prot);
}

/** Longest gap between hot pages that is hot as well: copying it costs less than two mappings and the faults on them. */
const HOT_GAP: number = 8 * PAGE_SIZE;

/** The private page at `page` was written soon after a fork, or will be: forks copy it, see {@link Pma.hot}. */
export function heat(mm: MemoryManager, page: number): void {
  const p = mm.pmas.find(page);
  if (p === null || p.hot) return;
  let q = isolate(mm, p, page, page + PAGE_SIZE);
  q.hot = true;
  // Towards the hot neighbours.
  while (q.prev !== null && q.prev.end === q.start && isGap(q.prev) && isShortGap(q.prev.prev, q.prev.start, q.start)) {
    q = q.prev;
    q.hot = true;
  }
  q = mm.pmas.find(page) ?? q;
  while (q.next !== null && q.next.start === q.end && isGap(q.next) && isShortGap(q.next.next, q.end, q.next.end)) {
    q = q.next;
    q.hot = true;
  }
}

/** Whether private pages may become hot because their neighbours are. */
function isGap(p: Pma): boolean {
  return !p.hot && p.anon;
}

/** Whether [start, end) is short, and its neighbour `beyond` hot. */
export function isShortGap(beyond: Pma | null, start: number, end: number): boolean {
  if (beyond === null || !beyond.hot || end - start > HOT_GAP) return false;
  return beyond.end === start || beyond.start === end;
}

/** A child was the first to write to `page`, which it shares with `mm`, at `off` of `file`. */
export function heatShared(mm: MemoryManager, page: number, file: MappedFile, off: number): void {
  const p = mm.pmas.find(page);
  if (p !== null && p.cow && p.file === file && p.off + (page - p.start) === off) heat(mm, page);
}
