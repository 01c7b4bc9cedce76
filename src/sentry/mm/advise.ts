/** madvise(2), msync(2), mlock(2) and friends, mincore(2). */
import { EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EINVAL, EIO, ENOMEM, EPERM } from "../../abi/errno.ts";
import * as A from "../../abi/mman.ts";
import { RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { EAGER_MAX, faultIn, fillAnon } from "./fault.ts";
import { isPageAligned, pageUp, populateVma } from "./map.ts";
import type { MemoryManager } from "./mm.ts";
import { dropPages, splitPagesAt } from "./pmas.ts";
import {
  type Pma,
  USERTRAP,
  VMF_DONTDUMP,
  VMF_NOHUGE,
  VMF_DONTFORK,
  VMF_LOCKED,
  VMF_LOCKONFAULT,
  VMF_WIPEONFORK,
  type Vma,
} from "./vma.ts";
import { isolateVma, mergeAround, setVma } from "./vmas.ts";

const HUGE = 2 ** 52;
/** What ends behind it wraps around when it is rounded up to pages. */
const LAST_PAGE = 2 ** 64 - 4096;
/** Largest vector piece that mincore writes at once. */
const CORE_CHUNK = 4096;
/** Of more than so many bytes the host is asked whether there is anything to be emptied. */
const ASK_MIN: number = 4 * PAGE_SIZE;
const coreBytes = new Uint8Array(CORE_CHUNK);

/** madvise(2). */
export function madvise(mm: MemoryManager, addr: number, length: number, advice: number): number {
  if (!isKnown(advice)) return -EINVAL;
  if (!isPageAligned(addr) || !(length >= 0) || addr + length > LAST_PAGE) return -EINVAL;
  if (length === 0) return 0;
  if (addr > HUGE || length > HUGE) return -ENOMEM;
  const end = addr + pageUp(length);
  if (advice === A.MADV_HWPOISON || advice === A.MADV_SOFT_OFFLINE) return -EPERM;
  if (advice === A.MADV_POPULATE_READ || advice === A.MADV_POPULATE_WRITE) {
    const r = populate(mm, addr, end, advice === A.MADV_POPULATE_WRITE, false);
    if (r === 0) commitPages(mm, addr, end);
    return r;
  }
  // Holes are skipped, and reported at the end.
  let hole = false;
  let pos = addr;
  let v = mm.vmas.lowerBound(addr);
  while (pos < end) {
    if (v === null || v.start >= end) return -ENOMEM;
    if (v.start > pos) {
      hole = true;
      pos = v.start;
    }
    const to = Math.min(v.end, end);
    const r = adviseVma(mm, v, pos, to, advice);
    if (r < 0) return r;
    pos = to;
    v = mm.vmas.lowerBound(pos);
  }
  return hole ? -ENOMEM : 0;
}

function isKnown(advice: number): boolean {
  return (
    (advice >= A.MADV_NORMAL && advice <= A.MADV_DONTNEED) ||
    (advice >= A.MADV_FREE && advice <= A.MADV_COLLAPSE) ||
    advice === A.MADV_HWPOISON ||
    advice === A.MADV_SOFT_OFFLINE
  );
}

function adviseVma(mm: MemoryManager, v: Vma, start: number, end: number, advice: number): number {
  switch (advice) {
    case A.MADV_DONTNEED:
      if ((v.flags & VMF_LOCKED) !== 0 || v.name === "[vvar]" || v.name === USERTRAP) return -EINVAL;
      discard(mm, v, start, end);
      return 0;
    case A.MADV_DONTNEED_LOCKED:
      if (v.name === USERTRAP) return -EINVAL;
      discard(mm, v, start, end);
      return 0;
    case A.MADV_FREE:
      if (v.mappable !== null || (v.flags & VMF_LOCKED) !== 0 || v.name === USERTRAP) return -EINVAL;
      discard(mm, v, start, end);
      return 0;
    case A.MADV_COLD:
    case A.MADV_PAGEOUT:
      return (v.flags & VMF_LOCKED) !== 0 ? -EINVAL : 0;
    case A.MADV_REMOVE: {
      if ((v.flags & VMF_LOCKED) !== 0) return -EINVAL;
      if (v.mappable === null || v.file === null) return -EINVAL;
      if (!v.isShared || (v.maxProt & A.PROT_WRITE) === 0) return -EACCES;
      return v.file.punchHole(v.offset + (start - v.start), end - start);
    }
    case A.MADV_DONTFORK:
      return setFlags(mm, v, start, end, v.flags | VMF_DONTFORK);
    case A.MADV_DOFORK:
      return setFlags(mm, v, start, end, v.flags & ~VMF_DONTFORK);
    case A.MADV_WIPEONFORK:
      if (v.mappable !== null) return -EINVAL;
      return setFlags(mm, v, start, end, v.flags | VMF_WIPEONFORK);
    case A.MADV_KEEPONFORK:
      return setFlags(mm, v, start, end, v.flags & ~VMF_WIPEONFORK);
    case A.MADV_DONTDUMP:
      return setFlags(mm, v, start, end, v.flags | VMF_DONTDUMP);
    case A.MADV_DODUMP:
      return setFlags(mm, v, start, end, v.flags & ~VMF_DONTDUMP);
    case A.MADV_HUGEPAGE:
      return setFlags(mm, v, start, end, v.flags & ~VMF_NOHUGE);
    case A.MADV_NOHUGEPAGE:
      return setFlags(mm, v, start, end, v.flags | VMF_NOHUGE);
    default:
      return 0; // hints
  }
}

function setFlags(mm: MemoryManager, v: Vma, start: number, end: number, flags: number): number {
  if (v.flags === flags) return 0;
  const cuts = (start > v.start ? 1 : 0) + (end < v.end ? 1 : 0);
  if (cuts > 0 && mm.vmas.count + cuts > A.MAX_MAP_COUNT + 1) return -ENOMEM;
  const u = isolateVma(mm, v, start, end);
  setVma(mm, u, u.prot, flags);
  mergeAround(mm, u);
  return 0;
}

/**
 * MADV_DONTNEED: private pages read as zeros (or as the file) again. Pages that nobody else has are emptied in the memory
 * file itself, where every host mapping sees it; the rest are replaced.
 */
function discard(mm: MemoryManager, v: Vma, start: number, end: number): void {
  if (v.isShared) return;
  if ((v.prot & A.PROT_EXEC) !== 0) mm.patches?.restore(start, end);
  splitPagesAt(mm, start);
  splitPagesAt(mm, end);
  let holes = false;
  let p = mm.pmas.lowerBound(start);
  while (p !== null && p.start < end) {
    const next: Pma | null = p.next;
    if (!p.anon) {
      // Unmodified pages of the file stay.
    } else if (v.mappable !== null || p.mem === null) {
      dropPages(mm, p.start, p.end, true);
      holes = true;
    } else if (discardAnon(mm, p)) holes = true;
    p = next;
  }
  if (holes && v.prot !== 0) populateVma(mm, v, start, end, false);
}

/** Empties the pages of p that are its own, and drops the others; true when some were dropped. */
function discardAnon(mm: MemoryManager, p: Pma): boolean {
  const mem = p.mem!;
  const { start, end, off } = p;
  // Stacks of threads that end are emptied, and were never touched for the most part: asking costs less than looking at each page.
  if (end - start > ASK_MIN && mem.isHole(off, end - start)) return false;
  let dropped = false;
  let pos = start;
  while (pos < end) {
    const own = mem.exclusiveBytes(off + (pos - start), end - pos);
    if (own > 0) {
      mem.decommit(off + (pos - start), own);
      pos += own;
      continue;
    }
    let to = pos + PAGE_SIZE;
    while (to < end && !mem.isExclusive(off + (to - start))) to += PAGE_SIZE;
    dropPages(mm, pos, to, true);
    dropped = true;
    pos = to;
  }
  return dropped;
}

/** MADV_POPULATE_READ / WRITE; `force`: whatever can be accessed at all can be read. */
function populate(mm: MemoryManager, start: number, end: number, write: boolean, force: boolean): number {
  const access = write ? A.PROT_WRITE : A.PROT_READ;
  let pos = start;
  while (pos < end) {
    const v = mm.vmas.find(pos);
    if (v === null) return -ENOMEM;
    if (!force && (v.prot & access) === 0) return -EINVAL;
    const p = mm.pmas.find(pos);
    if (p !== null && (p.prot & (write ? A.PROT_WRITE : 5)) !== 0) {
      pos = p.end;
      continue;
    }
    const r = faultIn(mm, pos, access, Math.min(end - pos, EAGER_MAX), false);
    // Not permitted; beyond a file's end.
    if (r < 0) return r === -EACCES ? -EINVAL : r === -EIO ? -EFAULT : r;
  }
  return 0;
}

/** msync(2). */
export function msync(mm: MemoryManager, addr: number, length: number, flags: number): number {
  if ((flags & ~(A.MS_ASYNC | A.MS_INVALIDATE | A.MS_SYNC)) !== 0) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  if ((flags & A.MS_ASYNC) !== 0 && (flags & A.MS_SYNC) !== 0) return -EINVAL;
  if (!(length >= 0) || length > HUGE || addr > HUGE) return -ENOMEM;
  const end = addr + pageUp(length);
  let hole = false;
  let pos = addr;
  while (pos < end) {
    const v = mm.vmas.lowerBound(pos);
    if (v === null || v.start >= end) return -ENOMEM;
    if (v.start > pos) {
      hole = true;
      pos = v.start;
    }
    const to = Math.min(v.end, end);
    if ((flags & A.MS_INVALIDATE) !== 0 && (v.flags & VMF_LOCKED) !== 0) return -EBUSY;
    if ((flags & A.MS_SYNC) !== 0 && v.mappable !== null && v.isShared) {
      const r = v.mappable.syncRange(v.offset + (pos - v.start), to - pos);
      if (r < 0) return r;
    }
    pos = to;
  }
  return hole ? -ENOMEM : 0;
}

/** mlock(2), mlock2(2): accounting only, with the pages brought in. */
export function mlock(mm: MemoryManager, addr: number, length: number, flags: number, privileged: boolean): number {
  if ((flags & ~A.MLOCK_ONFAULT) !== 0) return -EINVAL;
  const limit = mm.limits.get(RLIMIT_MEMLOCK);
  if (!privileged && limit === 0) return -EPERM;
  if (!(length >= 0)) return -EINVAL;
  const start = addr - (addr & (PAGE_SIZE - 1));
  const end = pageUp(addr + length);
  if (!privileged && mm.lockedVm + (end - start) > limit) {
    if (mm.lockedVm + (end - start) - lockedBytes(mm, start, end) > limit) return -ENOMEM;
  }
  if (addr + length > LAST_PAGE) return -EINVAL;
  if (addr > HUGE || length > HUGE) return -ENOMEM;
  const onFault = (flags & A.MLOCK_ONFAULT) !== 0 ? VMF_LOCKONFAULT : 0;
  return lockRange(mm, start, end, VMF_LOCKED | onFault);
}

/** munlock(2). */
export function munlock(mm: MemoryManager, addr: number, length: number): number {
  // Rounded up to pages, such a length is nothing.
  if (length > LAST_PAGE) return 0;
  if (!(length >= 0) || addr + length > LAST_PAGE) return -EINVAL;
  if (addr > HUGE || length > HUGE) return -ENOMEM;
  return lockRange(mm, addr - (addr & (PAGE_SIZE - 1)), pageUp(addr + length), 0);
}

/** mlockall(2). */
export function mlockall(mm: MemoryManager, flags: number, privileged: boolean): number {
  if (flags === 0 || (flags & ~(A.MCL_CURRENT | A.MCL_FUTURE | A.MCL_ONFAULT)) !== 0 || flags === A.MCL_ONFAULT) {
    return -EINVAL;
  }
  const limit = mm.limits.get(RLIMIT_MEMLOCK);
  if (!privileged) {
    if (limit === 0) return -EPERM;
    if ((flags & A.MCL_CURRENT) !== 0 && mm.totalVm > limit) return -ENOMEM;
  }
  const lock = VMF_LOCKED | ((flags & A.MCL_ONFAULT) !== 0 ? VMF_LOCKONFAULT : 0);
  mm.lockFuture = (flags & A.MCL_FUTURE) !== 0 ? lock : 0;
  mm.lockPrivileged = privileged;
  if ((flags & A.MCL_CURRENT) !== 0) lockAll(mm, lock);
  return 0;
}

/** munlockall(2). */
export function munlockall(mm: MemoryManager): number {
  mm.lockFuture = 0;
  lockAll(mm, 0);
  return 0;
}

function lockAll(mm: MemoryManager, lock: number): void {
  for (let v = mm.vmas.first; v !== null; v = v.next) {
    setVma(mm, v, v.prot, (v.flags & ~(VMF_LOCKED | VMF_LOCKONFAULT)) | lock);
    v = mergeAround(mm, v);
    if (lock === VMF_LOCKED && v.prot !== 0) {
      populateVma(mm, v, v.start, v.end, true);
      commitPages(mm, v.start, v.end);
    }
  }
}

/** Has the host bring in what lies in memory files. */
function commitPages(mm: MemoryManager, start: number, end: number): void {
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
    if (p.mem === null) continue;
    const from = Math.max(p.start, start);
    p.mem.commit(p.off + (from - p.start), Math.min(p.end, end) - from);
  }
}

function lockedBytes(mm: MemoryManager, start: number, end: number): number {
  let n = 0;
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    if ((v.flags & VMF_LOCKED) !== 0) n += Math.min(v.end, end) - Math.max(v.start, start);
  }
  return n;
}

function lockRange(mm: MemoryManager, start: number, end: number, lock: number): number {
  let pos = start;
  while (pos < end) {
    const v = mm.vmas.find(pos);
    if (v === null) return -ENOMEM;
    const to = Math.min(v.end, end);
    const r = setFlags(mm, v, pos, to, (v.flags & ~(VMF_LOCKED | VMF_LOCKONFAULT)) | lock);
    if (r < 0) return r;
    if (lock === VMF_LOCKED) {
      const u = mm.vmas.find(pos)!;
      if (u.prot === 0) return -ENOMEM;
      if (u.mappable === null) {
        if (fillAnon(mm, u, pos, to, true) < 0) return -EAGAIN;
      } else {
        const got = populate(mm, pos, to, !u.isShared && (u.prot & A.PROT_WRITE) !== 0, true);
        if (got === -EFAULT) return -ENOMEM;
        if (got === -ENOMEM) return -EAGAIN;
      }
      commitPages(mm, pos, to);
    }
    pos = to;
  }
  return 0;
}

/** mincore(2). Pages of host files that may be mapped count as resident: what the host has of them is not asked. */
export function mincore(mm: MemoryManager, addr: number, length: number, vec: number): number {
  if (!isPageAligned(addr)) return -EINVAL;
  if (!(length >= 0) || length > HUGE || addr > mm.taskSize - length) return -ENOMEM;
  const end = addr + pageUp(length);
  let out = vec;
  let pos = addr;
  while (pos < end) {
    let n = 0;
    while (n < CORE_CHUNK && pos < end) {
      const most = Math.min(end - pos, (CORE_CHUNK - n) * PAGE_SIZE);
      const pages = residence(mm, pos, most, n) / PAGE_SIZE;
      if (pages === 0) return -ENOMEM;
      n += pages;
      pos += pages * PAGE_SIZE;
    }
    if (mm.copyOutExact(out, coreBytes, 0, n) < 0) return -EFAULT;
    out += n;
  }
  return 0;
}

/** Fills coreBytes from index `at` for pages from `pos` on; bytes covered (at most `most`), 0 where nothing is mapped. */
function residence(mm: MemoryManager, pos: number, most: number, at: number): number {
  const p = mm.pmas.find(pos);
  if (p === null) {
    if (mm.vmas.find(pos) === null) return 0;
    coreBytes[at] = 0;
    return PAGE_SIZE;
  }
  const len = Math.min(p.end - pos, most);
  const pages = len / PAGE_SIZE;
  const off = p.off + (pos - p.start);
  const there = p.mem === null ? len : p.mem.committedBytes(off, len);
  const isMixed = there > 0 && there < len;
  for (let i = 0; i < pages; i++) {
    const isThere = isMixed ? p.mem!.committedBytes(off + i * PAGE_SIZE, PAGE_SIZE) > 0 : there > 0;
    coreBytes[at + i] = isThere ? 1 : 0;
  }
  return len;
}

/** prctl(PR_SET_VMA_ANON_NAME): a name for the anonymous mappings of a range ("": none). 0 or -errno. */
export function nameAnon(mm: MemoryManager, addr: number, length: number, name: string): number {
  if (!isPageAligned(addr) || length > HUGE || addr > HUGE) return -EINVAL;
  const end = addr + pageUp(length);
  let pos = addr;
  let hole = false;
  for (let v = mm.vmas.lowerBound(addr); v !== null && v.start < end; v = v.next) {
    if (v.start > pos) hole = true;
    if (v.mappable !== null) return -EBADF;
    pos = v.end;
    // The heap, the stack and the kernel's own mappings keep theirs.
    if (v.name !== "" && !v.name.startsWith("[anon:")) continue;
    if (v.name === name) continue;
    const start = Math.max(v.start, addr);
    const to = Math.min(v.end, end);
    const cuts = (start > v.start ? 1 : 0) + (to < v.end ? 1 : 0);
    if (cuts > 0 && mm.vmas.count + cuts > A.MAX_MAP_COUNT + 1) return -ENOMEM;
    const u = isolateVma(mm, v, start, to);
    u.name = name;
    v = mergeAround(mm, u);
    pos = v.end;
  }
  return hole || pos < end ? -ENOMEM : 0;
}
