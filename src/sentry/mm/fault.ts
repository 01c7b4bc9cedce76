/** Bringing pages in: anonymous memory, file pages, copy-on-write, stack growth. */
import { EACCES, EFAULT, EIO, ENOMEM } from "../../abi/errno.ts";
import { MAX_MAP_COUNT, PROT_EXEC, PROT_WRITE } from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_MEMLOCK, RLIMIT_STACK } from "../../abi/resource.ts";
import { PAGE_SIZE, Translation } from "../memmap/memmap.ts";
import { MEM_ANON } from "../pgalloc/memory-file.ts";
import type { MemoryManager } from "./mm.ts";
import { addPages, dropPages, heat, heatShared, isolate, linkPages, mergePages, reprotect, takePma } from "./pmas.ts";
import { hostProt, isPatched, type Pma, STACK_GUARD, VMF_GROWSDOWN, VMF_LOCKED, VMF_NOHUGE, type Vma } from "./vma.ts";
import { growVma } from "./vmas.ts";

/** Anonymous mappings up to this size get all their pages (file space and host mapping) when they are made. */
export const EAGER_MAX: number = 64 * 1024 * 1024;
/** Larger ones get them in aligned chunks of this size, when they are touched. */
export const LAZY_CHUNK: number = 16 * 1024 * 1024;
/** Mappings of at least so many large pages get them. */
const HUGE_PAGES = 2;
/** A stack grows by at least this much where there is room. */
const STACK_STEP = 128 * 1024;
/** Zeroed parts of data segments up to this size are written to soon after a fork. */
const BSS_MAX: number = 8 * 1024;
/** Data segments up to this size are copied at once. */
const SEGMENT_MAX: number = 64 * 1024;
/** Longest run that a copy-on-write fault takes over in place. */
const REUSE_MAX = 64 * 1024 * 1024;
/**
 * Faults in a row on one present page until its host mapping is made anew, and until we give up. Many threads may have
 * faulted on it before it was there.
 */
const STUCK_REMAP = 64;
const STUCK_FAIL = 50000;

const translation = new Translation();

/**
 * Makes the page at `addr` accessible for `access` (one PROT_* bit). `wish`: bytes from addr on that will be used next.
 * `force`: as a debugger, the VMA's protection does not count (shared mappings keep theirs). 0, or -EFAULT (nothing
 * mapped), -EACCES (protection), -EIO (beyond the file's end, unreadable), -ENOMEM.
 */
export function faultIn(mm: MemoryManager, addr: number, access: number, wish: number, force: boolean): number {
  let vma = mm.vmas.find(addr);
  if (vma === null) {
    vma = growStack(mm, addr);
    if (vma === null) return -EFAULT;
  }
  const write = (access & PROT_WRITE) !== 0;
  if (write) {
    if ((vma.prot & PROT_WRITE) === 0 && (!force || vma.isShared)) return -EACCES;
  } else if ((vma.prot & access) === 0 && (vma.prot === 0 || access !== 1)) {
    // Whatever can be written or executed can be read on this architecture.
    if (!force) return -EACCES;
  }
  const page = addr - (addr & (PAGE_SIZE - 1));
  let p = mm.pmas.find(page);
  if (p !== null && isPatched(p) && (write || access !== PROT_EXEC)) {
    mm.patches?.restore(page, page + PAGE_SIZE);
    p = mm.pmas.find(page);
  }
  if (p !== null && p.prot === 0) p = wakePages(mm, vma, p, page);
  if (p === null) {
    if (mm.origin !== null && vma.mappable !== null) {
      const same = mm.origin.vmas.find(page);
      if (same !== null && same.mappable === vma.mappable) same.forkUses = true;
    }
    const r = fillAround(mm, vma, page, wish, write);
    if (r < 0) return r;
    p = mm.pmas.find(page);
    if (p === null) return -EIO;
    if (!write || (p.prot & PROT_WRITE) !== 0) return 0;
  }
  if (write) {
    if (p.cow) return breakCow(mm, vma, p, page, wish);
    if ((p.prot & PROT_WRITE) === 0) {
      if (p.anon) return 0; // a forced write to a private page that the guest may not write
      return upgradeShared(mm, vma, p, page);
    }
  }
  return 0;
}

/** The first access to pages that the host was not to show before (unless it is a debugger's): the PMA of `page` then. */
function wakePages(mm: MemoryManager, vma: Vma, p: Pma, page: number): Pma | null {
  if (p.untouched) mm.spares.noteTouch();
  p.untouched = false;
  if (vma.prot === 0) return p;
  const { start, end } = p;
  reprotect(mm, vma, start, end);
  mergePages(mm, vma, start, end);
  return mm.pmas.find(page);
}

/** A fault of the guest on a page that was there already: another thread's fault brought it in; or the host lost it. */
export function noteStuck(mm: MemoryManager, p: Pma, page: number): number {
  if (mm.stuckPage !== page) {
    mm.stuckPage = page;
    mm.stuckCount = 0;
    return 0;
  }
  if (++mm.stuckCount >= STUCK_FAIL) return -EFAULT;
  if (mm.stuckCount % STUCK_REMAP === 0) {
    const off = p.off + (page - p.start);
    mm.as.mapFile(page, PAGE_SIZE, p.file.backing, off, p.prot, p.shared, false);
    if (p.huge) mm.as.adviseHuge?.(page, PAGE_SIZE);
  }
  return 0;
}

/** Brings in the missing page at `page` and as much around it as is cheap. */
function fillAround(mm: MemoryManager, vma: Vma, page: number, wish: number, write: boolean): number {
  if (vma.mappable !== null) return fillFile(mm, vma, page, vma.end, write && vma.isShared, page, false);
  mm.eagerness.noteFault();
  if (vma.end - vma.start <= EAGER_MAX) return fillAnon(mm, vma, vma.start, vma.end, false);
  const start = page - chunkOffset(page);
  let end = start + LAZY_CHUNK;
  if (page + wish > end) end = Math.min(page + wish + PAGE_SIZE - 1 - ((page + wish - 1) & (PAGE_SIZE - 1)), vma.end);
  return fillAnon(mm, vma, Math.max(start, vma.start), Math.min(end, vma.end), false);
}

/** addr modulo LAZY_CHUNK (a power of two below 2^31). */
function chunkOffset(addr: number): number {
  return addr & (LAZY_CHUNK - 1);
}

/** Gives every missing page of a private anonymous VMA in [start, end) zeroed memory. 0 or -ENOMEM. */
export function fillAnon(mm: MemoryManager, vma: Vma, start: number, end: number, populate: boolean): number {
  const hot = isBss(vma);
  let pos = start;
  let p = mm.pmas.lowerBound(start);
  while (pos < end) {
    if (p !== null && p.start <= pos) {
      pos = p.end;
      p = p.next;
      continue;
    }
    const to = p !== null && p.start < end ? p.start : end;
    const below = p === null ? mm.pmas.last : p.prev;
    // Continue in the file where the neighbour ends, so that both stay one range, here and on the host.
    const hint = below !== null && below.end === pos && below.anon ? below.off + (below.end - below.start) : -1;
    const huge = wantsHuge(mm, vma, to - pos);
    const off = huge
      ? mm.pool.allocateHuge(to - pos, MEM_ANON, pos, hint)
      : mm.pool.allocate(to - pos, MEM_ANON, true, hint);
    if (off < 0) return off;
    // What would go past the limit at once is left to be touched piece by piece: somebody may have to die for it.
    const touch = populate && to - pos <= mm.memory.room();
    addPages(mm, vma, pos, to - pos, mm.memory, off, false, true, 7, touch, hot, huge);
    // addPages may have joined p's neighbours: find the place again.
    pos = to;
    p = mm.pmas.lowerBound(pos);
  }
  return 0;
}

/** Whether `len` bytes that are mapped at once get large pages, where the host has them: not stacks, not code. */
function wantsHuge(mm: MemoryManager, vma: Vma, len: number): boolean {
  const size = mm.memory.hugeSize;
  if (size === 0 || len < HUGE_PAGES * size) return false;
  return (vma.flags & (VMF_NOHUGE | VMF_GROWSDOWN)) === 0 && (vma.prot & PROT_EXEC) === 0;
}

/**
 * Asks the mappable for the missing pages of [start, end). `need`: the address that must become present, or -1 when this
 * is only in advance (then errors do not matter). 0 or -EIO, -ENOMEM.
 */
export function fillFile(
  mm: MemoryManager,
  vma: Vma,
  start: number,
  end: number,
  write: boolean,
  need: number,
  populate: boolean,
): number {
  const t = translation;
  const m = vma.mappable!;
  const cow = !vma.isShared;
  let pos = start;
  let p = mm.pmas.lowerBound(start);
  while (pos < end) {
    if (p !== null && p.start <= pos) {
      pos = p.end;
      p = p.next;
      continue;
    }
    const to = p !== null && p.start < end ? p.start : end;
    const r = m.translate(vma.offset + (pos - vma.start), to - pos, write, t);
    if (r < 0 || t.file === null) {
      t.file = null;
      if (need < 0 || pos > need) return 0;
      return r === -ENOMEM ? -ENOMEM : -EIO;
    }
    const file = t.file;
    t.file = null;
    const len = t.len < to - pos ? t.len : to - pos;
    file.incRef(t.offset, len);
    addPages(mm, vma, pos, len, file, t.offset, cow, false, t.maxProt, populate);
    pos += len;
    p = mm.pmas.lowerBound(pos);
    // A host file is one piece: what is short ends with the file, and asking again would only ask the host.
    if (need < 0 && file.window === null && pos < to) return 0;
    // One translation that covers the needed page is enough for a fault of a file in pieces.
    if (need >= 0 && pos > need && pos - start >= LAZY_CHUNK) return 0;
  }
  return 0;
}

/**
 * The data segment of a program or library will be written to, mostly all over (relocations, variables): its pages are copied
 * when it is mapped, instead of by a fault or two. False: it is none, or must be mapped as any other file.
 */
export function fillSegment(mm: MemoryManager, vma: Vma, start: number, end: number): boolean {
  const len = end - start;
  const kind = vma.prot & (PROT_WRITE | PROT_EXEC);
  if (len > SEGMENT_MAX || kind !== PROT_WRITE || vma.isShared || !isSegment(vma)) return false;
  if (vma.prev?.end !== vma.start && vma.next?.start !== vma.end) return false;
  const there = mm.pmas.lowerBound(start);
  if (there !== null && there.start < end) return false;
  const t = translation;
  const r = vma.mappable!.translate(vma.offset + (start - vma.start), len, false, t);
  const file = t.file;
  t.file = null;
  if (r < 0 || file === null || t.len < len) return false;
  const to = mm.pool.allocate(len, MEM_ANON, false, -1);
  if (to < 0) return false;
  const n = file.readAt(mm.memory.window, to, len, t.offset);
  if (n <= 0) {
    mm.memory.decRef(to, len);
    return false;
  }
  mm.memory.window.fill(0, to + n, to + len);
  addPages(mm, vma, start, len, mm.memory, to, false, true, 7, false);
  return true;
}

/** A shared page that was translated for reading is to be written: ask again. */
function upgradeShared(mm: MemoryManager, vma: Vma, p: Pma, page: number): number {
  const t = translation;
  const wish = Math.min(p.end - page, 64 * 1024);
  const r = vma.mappable!.translate(vma.offset + (page - vma.start), wish, true, t);
  const file = t.file;
  t.file = null;
  if (r < 0 || file === null) return r === -ENOMEM ? -ENOMEM : -EIO;
  if ((t.maxProt & PROT_WRITE) === 0) return -EACCES;
  const len = Math.min(t.len, wish);
  if (file === p.file && t.offset === p.off + (page - p.start)) {
    const q = isolate(mm, p, page, page + len);
    const prot = hostProt(vma.prot, false, t.maxProt);
    takePma(mm, q);
    if (q.shared) mm.as.protect(page, len, prot);
    else mm.as.mapFile(page, len, file.backing, t.offset, prot, true, false);
    linkPages(mm, vma, page, len, file, t.offset, prot, true, false, false, t.maxProt);
    return 0;
  }
  file.incRef(t.offset, len);
  dropPages(mm, page, page + len, false);
  addPages(mm, vma, page, len, file, t.offset, false, false, t.maxProt, false);
  return 0;
}

/** Makes the private page at `page` (and neighbours) writable: in place when nobody else has it, else by a copy. */
function breakCow(mm: MemoryManager, vma: Vma, p: Pma, page: number, wish: number): number {
  const mem = p.mem;
  const pageOff = p.off + (page - p.start);
  // What lies in the memory of somebody else who is there stays there: that one may see it for as long as it likes.
  if (mem !== null && mem.isExclusive(pageOff) && (!mem.isOwned(pageOff) || mem.poolOf(pageOff) === mm.pool)) {
    const up = mem.exclusiveBytes(pageOff, Math.min(p.end - page, REUSE_MAX));
    let start = page;
    while (start > p.start && page - start < REUSE_MAX && mem.isExclusive(p.off + (start - PAGE_SIZE - p.start))) {
      start -= PAGE_SIZE;
    }
    const off = p.off + (start - p.start);
    const len = page + up - start;
    const q = isolate(mm, p, start, start + len);
    const prot = hostProt(vma.prot, false, 7);
    const huge = q.huge && q.shared;
    if (!q.shared) mm.as.mapFile(start, len, mem.backing, off, prot, true, false);
    else if (prot !== q.prot) mm.as.protect(start, len, prot);
    takePma(mm, q);
    linkPages(mm, vma, start, len, mem, off, prot, true, false, true, 7, false, huge);
    heat(mm, page);
    return 0;
  }
  const size = cowWindow(mm, vma, p, page);
  let start = Math.max(p.start, page - (page & (size - 1)));
  let end = Math.min(p.end, page - (page & (size - 1)) + size);
  if (page + wish > end) {
    const wanted = page + wish + (PAGE_SIZE - 1);
    end = Math.min(p.end, wanted - (wanted & (PAGE_SIZE - 1)));
  }
  const below = p.start === start ? p.prev : null;
  const hint =
    below !== null && below.end === start && below.anon && !below.cow ? below.off + (below.end - below.start) : -1;
  let to = mm.pool.allocate(end - start, MEM_ANON, false, hint);
  if (to < 0 && end - start > PAGE_SIZE) {
    start = page;
    end = page + PAGE_SIZE;
    to = mm.pool.allocate(PAGE_SIZE, MEM_ANON, false, -1);
  }
  if (to < 0) return to;
  const len = end - start;
  const from = p.off + (start - p.start);
  if (mem !== null && mem === mm.memory) mem.window.copyWithin(to, from, from + len);
  else {
    const n = p.file.readAt(mm.memory.window, to, len, from);
    if (n < len) {
      if (n < 0) {
        mm.memory.decRef(to, len);
        return -EIO;
      }
      mm.memory.window.fill(0, to + n, to + len);
    }
  }
  if (mm.origin !== null) heatShared(mm.origin, page, p.file, pageOff);
  dropPages(mm, start, end, false);
  addPages(mm, vma, start, len, mm.memory, to, false, true, 7, false);
  heat(mm, page);
  mm.lastCowStart = start;
  mm.lastCowEnd = end;
  return 0;
}

/** See MemoryManager.ownPages. */
export function ownPages(mm: MemoryManager): number {
  let pos = 0;
  for (;;) {
    const p = mm.pmas.lowerBound(pos);
    if (p === null) return 0;
    pos = p.end;
    const { mem, start } = p;
    if (!p.cow || !p.anon || mem === null || mem.poolOf(p.off) === mm.pool) continue;
    if (isPatched(p)) {
      mm.patches?.restore(start, pos);
      pos = start;
      continue;
    }
    const vma = mm.vmas.find(start);
    if (vma === null) continue;
    const r = breakCow(mm, vma, p, start, pos - start);
    if (r < 0) return r;
    // It may have taken over less than all.
    const q = mm.pmas.find(start);
    if (q !== null && !q.cow) pos = Math.min(pos, q.end);
  }
}

/**
 * How much to copy at once (a power of two): a little around a single fault, more for faults in a row, and more when the
 * address space is already cut into many pieces (the host limits their number).
 */
function cowWindow(mm: MemoryManager, vma: Vma, p: Pma, page: number): number {
  const count = mm.pmas.count;
  let size = 16 * 1024;
  if (!p.anon) {
    // Pages of the file show later writes to the file until they are written to themselves; programs may rely on it (it
    // is unspecified), so copies take no neighbours along. Except in the data segments of programs and libraries.
    if (!isSegment(vma) || (vma.prot & PROT_EXEC) !== 0) return PAGE_SIZE;
    size = 64 * 1024;
  }
  if (count > 2048) size = count > 24576 ? 2 * 1024 * 1024 : count > 8192 ? 256 * 1024 : 64 * 1024;
  if (page === mm.lastCowEnd || page + PAGE_SIZE === mm.lastCowStart) {
    mm.cowRun = Math.min(mm.cowRun + 1, 4);
    size = Math.min(size << mm.cowRun, 2 * 1024 * 1024);
  } else mm.cowRun = 0;
  return size;
}

/** Whether the mapping lies beside another one of the same file, as the segments of a loaded ELF file do. */
export function isSegment(vma: Vma): boolean {
  const { prev, next } = vma;
  return (prev !== null && prev.mappable === vma.mappable) || (next !== null && next.mappable === vma.mappable);
}

/** Whether the anonymous mapping looks like the zeroed rest of a data segment. */
function isBss(vma: Vma): boolean {
  const { prev } = vma;
  return (
    vma.end - vma.start <= BSS_MAX &&
    prev !== null &&
    prev.end === vma.start &&
    prev.mappable !== null &&
    (prev.prot & PROT_WRITE) !== 0 &&
    !prev.isShared
  );
}

/** Extends the stack above `addr` down to it; the grown VMA, or null. */
function growStack(mm: MemoryManager, addr: number): Vma | null {
  const vma = mm.vmas.lowerBound(addr);
  if (vma === null || (vma.flags & VMF_GROWSDOWN) === 0) return null;
  const page = addr - (addr & (PAGE_SIZE - 1));
  const below = vma.prev;
  let floor = Math.max(mm.minAddress, mm.platform.minAddress);
  if (below !== null) {
    const gap = (below.flags & VMF_GROWSDOWN) !== 0 || below.prot === 0 ? 0 : STACK_GUARD;
    floor = Math.max(floor, below.end + gap);
  }
  const limit = mm.limits.get(RLIMIT_STACK);
  if (limit !== Infinity) floor = Math.max(floor, vma.end - (limit - (limit & (PAGE_SIZE - 1))));
  if (page < floor) return null;
  const start = Math.max(floor, Math.min(page, vma.start - STACK_STEP));
  const grow = vma.start - start;
  if (mm.totalVm + grow > mm.limits.get(RLIMIT_AS)) return null;
  if ((vma.flags & VMF_LOCKED) !== 0 && mm.lockedVm + grow > mm.limits.get(RLIMIT_MEMLOCK)) return null;
  if (mm.vmas.count > MAX_MAP_COUNT) return null;
  growVma(mm, vma, start, vma.end);
  return vma;
}
