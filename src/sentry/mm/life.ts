/** fork(2), the end of an address space, and pages that change place under a mapping. */
import { EFAULT, ENOMEM } from "../../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { type Mappable, PAGE_SIZE, Translation } from "../memmap/memmap.ts";
import { MEM_ANON } from "../pgalloc/memory-file.ts";
import { gatherPieces } from "./gather.ts";
import { populateVma, removeRange } from "./map.ts";
import type { MemoryManager } from "./mm.ts";
import { addPages, dropPages, heat, linkPages, makeCow } from "./pmas.ts";
import { isPatched, type Pma, type Vma, VMF_DONTFORK, VMF_LOCKED, VMF_LOCKONFAULT, VMF_WIPEONFORK } from "./vma.ts";
import { addVma, dropVma } from "./vmas.ts";

/** Bytes that a fork copies at once. */
const HOT_MAX: number = 512 * 1024;
/** After so many forks it is found out anew which pages are hot. */
const HOT_FORKS = 64;
/** Below the page of the stack pointer, bytes that are. */
const HOT_STACK = 4096;

/**
 * Pages that were written soon after an earlier fork, by whichever side, will be so again: copying them in advance is cheaper
 * than a fault or two for each. Only where no other thread can write to them meanwhile. Whether this fork does so.
 */
function copiesHot(mm: MemoryManager): boolean {
  if (mm.users > 1 || ++mm.forks % HOT_FORKS === 0) return false;
  let sum = 0;
  for (let p = mm.pmas.first; p !== null; p = p.next) if (p.hot) sum += p.end - p.start;
  return sum <= HOT_MAX;
}

/** The pages at and below the stack pointer are hot. */
function heatStack(mm: MemoryManager, sp: number): void {
  const page = sp - (sp & (PAGE_SIZE - 1));
  for (let at = page - HOT_STACK; at <= page; at += PAGE_SIZE) {
    const p = mm.pmas.find(at);
    if (p !== null && p.anon && !p.cow && p.mem === mm.memory) heat(mm, at);
  }
}

/**
 * Gives the child its own copies of the hot pages from `first` on, as far as there is no gap and the VMA `c` goes: the last of
 * them, or null when there is no memory for it.
 */
function copyHot(child: MemoryManager, c: Vma, first: Pma): Pma | null {
  let last = first;
  for (let n = last.next; n !== null && isCopied(n) && n.start === last.end && n.start < c.end; n = n.next) last = n;
  const len = last.end - first.start;
  const to = child.pool.allocate(len, MEM_ANON, false, -1);
  if (to < 0) return null;
  const { window } = child.memory;
  for (let p: Pma | null = first; p !== null && p.start < last.end; p = p.next) {
    const at = to + (p.start - first.start);
    const size = p.end - p.start;
    if (p.mem === child.memory) window.copyWithin(at, p.off, p.off + size);
    else {
      const n = Math.max(0, p.file.readAt(window, at, size, p.off));
      if (n < size) window.fill(0, at + n, at + size);
    }
  }
  addPages(child, c, first.start, len, child.memory, to, false, true, 7, false, true);
  return last;
}

function isCopied(p: Pma): boolean {
  return p.hot && !isPatched(p);
}

/**
 * Fills the empty `child` with a copy of `mm`: the same VMAs, the same pages; private pages become copy-on-write on both
 * sides. `mm` is flushed, so that no thread of the parent can write to a shared page any more; the child is the caller's to
 * flush. 0 or -errno (the caller drops the child). `sp`: the stack pointer of the thread that forks.
 */
export function copyAddressSpace(mm: MemoryManager, child: MemoryManager, sp: number): number {
  const hot = copiesHot(mm);
  if (hot) heatStack(mm, sp);
  for (let v = mm.vmas.first; v !== null; v = v.next) {
    if ((v.flags & VMF_DONTFORK) !== 0) continue;
    const flags = v.flags & ~(VMF_LOCKED | VMF_LOCKONFAULT);
    const c = addVma(child, v.start, v.end, v.prot, v.maxProt, flags, v.mappable, v.file, v.offset, v.name);
    if ((v.flags & VMF_WIPEONFORK) !== 0) {
      if (v.prot !== 0) {
        const r = populateVma(child, c, v.start, v.end, false);
        if (r < 0) return r;
      }
      continue;
    }
    const keepHot = hot && (v.prot & PROT_WRITE) !== 0;
    const isLazy = v.mappable !== null && !v.isShared && v.prot === PROT_READ && !v.forkUses && v.name === "";
    if (!v.isShared && (v.prot & PROT_WRITE) !== 0 && mm.users === 1) gatherPieces(mm, v, keepHot);
    if (!v.isShared) makeCow(mm, v.start, v.end, keepHot);
    for (let p: Pma | null = mm.pmas.lowerBound(v.start); p !== null && p.start < v.end; p = p.next) {
      if (keepHot && isCopied(p)) {
        const last = copyHot(child, c, p);
        if (last === null) return -ENOMEM;
        p = last;
        continue;
      }
      // Clean pages of a file that children did not use so far come by a fault, if at all.
      if (isLazy && !p.anon) continue;
      const len = p.end - p.start;
      p.file.incRef(p.off, len);
      if (isPatched(p)) {
        child.as.mapFile(p.start, len, p.file.backing, p.off, p.prot, false, false);
        linkPages(child, c, p.start, len, p.file, p.off, p.prot, false, p.cow, p.anon, p.maxProt);
      } else addPages(child, c, p.start, len, p.file, p.off, p.cow, p.anon, p.maxProt, false);
    }
  }
  mm.patches?.copyTo(child);
  child.origin = mm;
  mm.sharesPool = true;
  return mm.flush();
}

/** Undoes a copy that failed half-way: everything unmapped, the host address space kept. */
export function abandon(child: MemoryManager): void {
  removeRange(child, 0, child.taskSize, true);
  if (child.flush() >= 0) child.pool.close();
  else child.pool.retire();
}

/** Parts with files and with what counts the mappings. No thread is left. */
export function leaveFiles(mm: MemoryManager): void {
  for (let v = mm.vmas.first; v !== null; v = mm.vmas.first) dropVma(mm, v);
  mm.setExe(null);
}

/** Gives everything back: first the host address space, then the pages, which no guest can reach any more. */
export function releaseAddressSpace(mm: MemoryManager): void {
  mm.as.release();
  const files = mm.filesOfPages();
  for (const f of files) f.beginFree();
  mm.changes.free();
  for (let p = mm.pmas.first; p !== null; p = p.next) p.file.decRef(p.off, p.end - p.start);
  mm.spares.release(mm);
  mm.pmas.clear();
  mm.lastPma = null;
  mm.origin = null;
  mm.rssAnon = 0;
  mm.rssFile = 0;
  mm.rssShmem = 0;
  for (const f of files) f.endFree();
  mm.pool.close();
  for (const pool of mm.oldPools) pool.close();
  mm.oldPools.length = 0;
}

/** See MemoryManager.partCompany. */
export function partCompany(mm: MemoryManager): void {
  mm.changePool();
  for (let p = mm.pmas.first; p !== null; p = p.next) {
    if (!p.cow || !p.shared || p.mem === null) continue;
    p.shared = false;
    p.huge = false;
    mm.as.mapFile(p.start, p.end - p.start, p.file.backing, p.off, p.prot, false, false);
  }
  mm.flush();
}

/** Address spaces without users whose host side and pages are given back a little later, when nobody waits for the kernel. */
export class LateReleases {
  private readonly list: MemoryManager[] = [];

  get count(): number {
    return this.list.length;
  }

  add(mm: MemoryManager): void {
    this.list.push(mm);
  }

  run(): void {
    for (const mm of this.list) releaseAddressSpace(mm);
    this.list.length = 0;
  }
}

const translation = new Translation();

/**
 * Pages of `mappable` for file offsets [offset, offset+len) go away: drops all translations to them. Copies in private
 * mappings stay, unless the file ends before them.
 */
export function invalidate(mm: MemoryManager, mappable: Mappable, offset: number, len: number): void {
  let any = false;
  const end = offset + len;
  for (let v = mm.vmas.first; v !== null; v = v.next) {
    if (v.mappable !== mappable) continue;
    const from = Math.max(offset, v.offset);
    const to = Math.min(end, v.offset + (v.end - v.start));
    if (from >= to) continue;
    const stop = v.start + (to - v.offset);
    let p = mm.pmas.lowerBound(v.start + (from - v.offset));
    while (p !== null && p.start < stop) {
      const next = p.next;
      const a = Math.max(p.start, v.start + (from - v.offset));
      const b = Math.min(p.end, stop);
      if (!p.anon) {
        if (dropPages(mm, a, b, true)) any = true;
      } else if (dropBeyondEnd(mm, v, mappable, a, b)) any = true;
      p = next;
    }
  }
  // A running thread would go on with the old pages for as long as it pleases.
  if (any) mm.flush();
}

/** Drops copies in [start, end) of a VMA for which the file has no page any more; true when there were any. */
function dropBeyondEnd(mm: MemoryManager, v: Vma, mappable: Mappable, start: number, end: number): boolean {
  let pos = start;
  while (pos < end) {
    const r = mappable.translate(v.offset + (pos - v.start), end - pos, false, translation);
    translation.file = null;
    if (r === -EFAULT) return dropPages(mm, pos, end, true);
    pos += r < 0 ? PAGE_SIZE : Math.max(translation.len, PAGE_SIZE);
  }
  return false;
}
