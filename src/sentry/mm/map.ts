/** mmap(2), munmap(2), mprotect(2), brk(2) and the choice of addresses. */
import { EACCES, EAGAIN, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } from "../../abi/errno.ts";
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LEGACY_MASK,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  MAX_MAP_COUNT,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_WRITE,
} from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import { type Mappable, PAGE_SIZE } from "../memmap/memmap.ts";
import { EAGER_MAX, faultIn, fillAnon, fillFile, fillSegment } from "./fault.ts";
import type { MemoryManager, MmapOptions } from "./mm.ts";
import { dropPages, mergePages, reprotect } from "./pmas.ts";
import { ShmObject } from "./shm-object.ts";
import { VMF_GROWSDOWN, VMF_LOCKED, VMF_LOCKONFAULT, VMF_NOHUGE, VMF_NORESERVE, VMF_SHARED, type Vma } from "./vma.ts";
import { addVma, dropVma, isData, isolateVma, mergeAround, setVma, splitVma } from "./vmas.ts";

/** Largest length that makes sense anywhere; beyond it, sums would lose bits. */
const HUGE = 2 ** 52;
/** Host mappings that one address space may have; the host's own limit is a little higher (vm.max_map_count). */
const HOST_PIECES = 65000;
/** MAP_32BIT looks here. */
const LOW_START = 0x40000000;
const LOW_END = 0x80000000;

/** n rounded up to pages. */
export function pageUp(n: number): number {
  const rest = n & (PAGE_SIZE - 1);
  return rest === 0 ? n : n - rest + PAGE_SIZE;
}

/** Whether n is a page multiple. */
export function isPageAligned(n: number): boolean {
  return (n & (PAGE_SIZE - 1)) === 0;
}

/**
 * The address for a new mapping of `len` bytes, by hint and flags; -ENOMEM, -EINVAL, -EPERM, -EEXIST. `reserve`: at a fixed
 * place without access.
 */
export function chooseAddress(mm: MemoryManager, addr: number, len: number, flags: number, reserve = false): number {
  const lo = Math.max(mm.minAddress, mm.platform.minAddress);
  // What will never have pages may lie where the platform cannot show any.
  const hi = reserve ? mm.taskSize : mm.platform.maxAddress;
  if (len > hi) return -ENOMEM;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (!isPageAligned(addr)) return -EINVAL;
    if (addr > hi - len) return -ENOMEM;
    if (addr < mm.minAddress) return -EPERM;
    if (addr < lo) return -ENOMEM;
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && !mm.vmas.isFree(addr, addr + len)) return -EEXIST;
    return addr;
  }
  if (addr !== 0) {
    let hint = addr - (addr & (PAGE_SIZE - 1));
    if (hint < lo) hint = lo;
    if (hint <= hi - len && ((flags & MAP_32BIT) === 0 || hint + len <= LOW_END) && roomAt(mm, hint, hint + len)) {
      return hint;
    }
  }
  let at = -1;
  if ((flags & MAP_32BIT) !== 0) at = mm.vmas.gapBottomUp(len, LOW_START, LOW_END);
  else {
    if (!mm.isBottomUp) at = mm.vmas.gapTopDown(len, lo, mm.mmapBase);
    if (at < 0) at = mm.vmas.gapBottomUp(len, mm.mmapBottom, hi);
    if (at < 0) at = mm.vmas.gapBottomUp(len, lo, hi);
  }
  return at < 0 ? -ENOMEM : at;
}

/** Nothing in [start, end), nor would it stand in a stack's guard. */
function roomAt(mm: MemoryManager, start: number, end: number): boolean {
  const n = mm.vmas.lowerBound(start);
  return n === null || end <= n.start - n.guard;
}

/** No more mappings: by the guest's count, or because the host could not show more pieces of memory. */
function isFull(mm: MemoryManager): boolean {
  return mm.vmas.count > MAX_MAP_COUNT || mm.pmas.count > HOST_PIECES;
}

/**
 * Whether a mapping counts as memory that will be needed: the heuristic of vm.overcommit_memory = 0 refuses such a one
 * alone if it is larger than all memory there is.
 */
export function wantsMemory(prot: number, flags: number, anonymous: boolean): boolean {
  if ((flags & VMF_SHARED) !== 0) return anonymous;
  return (prot & PROT_WRITE) !== 0;
}

/** False: taking [start, end) out would cut one VMA in two, and there are too many already. */
function maySplit(mm: MemoryManager, start: number, end: number): boolean {
  if (mm.vmas.count < MAX_MAP_COUNT) return true;
  const v = mm.vmas.find(start);
  return v === null || v.start >= start || v.end <= end;
}

/** mmap(2). */
export function mmap(mm: MemoryManager, o: MmapOptions): number {
  if (o.len <= 0 || Number.isNaN(o.len)) return -EINVAL;
  if (o.len > HUGE) return -ENOMEM;
  const len = pageUp(o.len);
  if (!isPageAligned(o.offset) || o.offset < 0) return -EINVAL;
  if (o.offset + len > Number.MAX_SAFE_INTEGER) return -EOVERFLOW;
  const prot = o.prot & 7;
  const anonymous = (o.flags & MAP_ANONYMOUS) !== 0;
  let flags = 0;
  switch (o.flags & MAP_TYPE) {
    case MAP_SHARED_VALIDATE:
      if ((o.flags & ~(MAP_LEGACY_MASK | MAP_FIXED_NOREPLACE)) !== 0) return -EOPNOTSUPP;
      flags = VMF_SHARED;
      break;
    case MAP_SHARED:
      flags = VMF_SHARED;
      break;
    case MAP_PRIVATE:
      break;
    default:
      return -EINVAL;
  }
  // There are no huge pages in the pool, as on most machines.
  if ((o.flags & MAP_HUGETLB) !== 0) return anonymous ? -ENOMEM : -EINVAL;
  if ((o.flags & MAP_GROWSDOWN) !== 0) {
    if (!anonymous || (flags & VMF_SHARED) !== 0) return -EINVAL;
    flags |= VMF_GROWSDOWN;
  }
  if ((o.flags & MAP_NORESERVE) !== 0) flags |= VMF_NORESERVE;
  if ((o.flags & MAP_STACK) !== 0) flags |= VMF_NOHUGE;
  if ((o.flags & MAP_LOCKED) !== 0 || mm.lockFuture !== 0) flags |= VMF_LOCKED | mm.lockFuture;
  if ((prot & ~o.maxProt) !== 0) return -EACCES;

  const reserve = prot === 0 && anonymous && (o.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  const at = chooseAddress(mm, o.addr, len, o.flags, reserve);
  if (at < 0) return at;
  if ((flags & VMF_LOCKED) !== 0 && !mm.lockPrivileged) {
    const most = mm.limits.get(RLIMIT_MEMLOCK);
    if (most === 0 && (o.flags & MAP_LOCKED) !== 0) return -EPERM;
    if (mm.lockedVm + len > most) return -EAGAIN;
  }
  const end = at + len;
  const replaced = (o.flags & MAP_FIXED) !== 0 && (o.flags & MAP_FIXED_NOREPLACE) === 0 ? mappedBytes(mm, at, end) : 0;
  if (mm.totalVm + len - replaced > mm.limits.get(RLIMIT_AS)) return -ENOMEM;
  if (isData(prot, flags) && mm.dataVm + len > mm.limits.get(RLIMIT_DATA)) return -ENOMEM;
  if (len > mm.memory.ram && (flags & VMF_NORESERVE) === 0 && wantsMemory(prot, flags, anonymous)) return -ENOMEM;
  if (isFull(mm) || !maySplit(mm, at, end)) return -ENOMEM;

  let mappable: Mappable | null = anonymous ? null : o.mappable;
  let file = anonymous ? null : o.file;
  let offset = anonymous ? 0 : o.offset;
  let maxProt = o.maxProt;
  if (anonymous) {
    maxProt = 7;
    if ((flags & VMF_SHARED) !== 0) {
      const shm = new ShmObject(mm.env.memory.sharedFile(), len);
      mappable = shm;
      file = shm;
      offset = 0;
    }
  } else if (mappable === null) return -EINVAL;

  const before = mm.as.queued ?? 0;
  // What is mapped over at once need not be unmapped first.
  const covers = replaced > 0 && prot !== 0 && (!anonymous || len <= EAGER_MAX);
  if (replaced > 0) removeRange(mm, at, end, !covers);
  const populate =
    (o.flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE ||
    (flags & (VMF_LOCKED | VMF_LOCKONFAULT)) === VMF_LOCKED;
  const spare = mappable === null && prot !== 0 && !populate ? mm.spares.claim(at, end) : null;
  const vma = addVma(mm, at, end, prot, maxProt, flags, mappable, file, offset, o.name);
  if (spare !== null) {
    mm.spares.show(mm, vma, spare);
    return at;
  }
  const mayWait = mappable === null && prot !== 0 && !populate && len <= EAGER_MAX;
  if (mayWait && !mm.eagerness.wantsPages(mm, at)) {
    if (covers) mm.as.unmap(at, len);
    return at;
  }
  if (prot !== 0) {
    const r = populateVma(mm, vma, at, end, populate);
    if (r < 0) {
      removeRange(mm, at, end, true);
      if (covers) mm.as.unmap(at, len);
      return r;
    }
    if (covers && !anonymous) unmapGaps(mm, at, end);
  }
  if (!anonymous && (o.flags & MAP_DENYWRITE) !== 0) mm.changes.noteImage(mm, at, end, replaced === 0, before);
  return at;
}

/** Unmaps on the host what of [start, end) has no pages: there may be old ones. */
function unmapGaps(mm: MemoryManager, start: number, end: number): void {
  let pos = start;
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
    if (p.start > pos) mm.as.unmap(pos, p.start - pos);
    pos = p.end;
  }
  if (pos < end) mm.as.unmap(pos, end - pos);
}

/**
 * Brings in what a new (or newly accessible) mapping should have from the start. `all`: huge ones too, with the host asked
 * to touch the pages. 0 or -ENOMEM.
 */
export function populateVma(mm: MemoryManager, vma: Vma, start: number, end: number, all: boolean): number {
  if (vma.mappable === null) {
    // A stack is filled where it is; other large ranges wait for their first use.
    if (!all && end - start > EAGER_MAX) return 0;
    return fillAnon(mm, vma, start, end, all);
  }
  if (fillSegment(mm, vma, start, end)) return 0;
  const r = fillFile(mm, vma, start, end, false, -1, all);
  if (r === -ENOMEM) return r;
  return all && !vma.isShared && (vma.prot & PROT_WRITE) !== 0 ? makeOwn(mm, start, end) : 0;
}

/** Private pages that can be written are populated with copies of their own. Ends with the file. 0 or -ENOMEM. */
function makeOwn(mm: MemoryManager, start: number, end: number): number {
  let pos = start;
  while (pos < end) {
    const r = faultIn(mm, pos, PROT_WRITE, end - pos, false);
    if (r < 0) return r === -ENOMEM ? r : 0;
    pos = Math.max(pos + PAGE_SIZE, mm.pmas.find(pos)?.end ?? 0);
  }
  return 0;
}

/** Bytes of [start, end) that are mapped. */
export function mappedBytes(mm: MemoryManager, start: number, end: number): number {
  let n = 0;
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    n += Math.min(v.end, end) - Math.max(v.start, start);
  }
  return n;
}

/**
 * Removes all mappings of [start, end) with their pages. `unmap` false: the caller maps all of it anew at once. `keep`: it may
 * be mapped again soon (spares.ts).
 */
export function removeRange(mm: MemoryManager, start: number, end: number, unmap: boolean, keep = false): void {
  let v = mm.vmas.lowerBound(start);
  if (v === null || v.start >= end) return;
  if (v.start < start) v = splitVma(mm, v, start);
  while (v !== null && v.start < end) {
    if (v.end > end) splitVma(mm, v, end);
    const next: Vma | null = v.next;
    if ((v.prot & PROT_EXEC) !== 0) mm.patches?.forget(v.start, v.end);
    dropVma(mm, v);
    v = next;
  }
  if (!keep || !mm.spares.keep(mm, start, end)) dropPages(mm, start, end, unmap);
}

/** munmap(2). */
export function munmap(mm: MemoryManager, addr: number, length: number): number {
  if (!isPageAligned(addr) || !(length > 0) || length > HUGE || addr > HUGE) return -EINVAL;
  const end = addr + pageUp(length);
  if (end > mm.taskSize) return -EINVAL;
  if (!maySplit(mm, addr, end)) return -ENOMEM;
  removeRange(mm, addr, end, true, true);
  return 0;
}

/** mprotect(2). `implied`: added where the mapping allows it. */
export function mprotect(mm: MemoryManager, addr: number, length: number, protFlags: number, implied: number): number {
  const grows = protFlags & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if (!isPageAligned(addr)) return -EINVAL;
  if (length === 0) return 0;
  if (!(length > 0) || length > HUGE || addr > HUGE) return -ENOMEM;
  if ((protFlags & ~(7 | grows | 8)) !== 0) return -EINVAL;
  const prot = protFlags & 7;
  const end = addr + pageUp(length);
  let start = addr;
  let v = mm.vmas.lowerBound(start);
  if (v === null || v.start >= end) return -ENOMEM;
  if ((grows & PROT_GROWSDOWN) !== 0) {
    if ((v.flags & VMF_GROWSDOWN) === 0) return -EINVAL;
    start = v.start;
  } else {
    if (v.start > start) return -ENOMEM;
    if ((grows & PROT_GROWSUP) !== 0) return -EINVAL;
  }
  // Linux changes the mappings before a hole, or before one that refuses, and then fails.
  let pos = start;
  while (v !== null && pos < end) {
    if (v.start > pos) return -ENOMEM;
    const to = Math.min(v.end, end);
    const r = protectVma(mm, v, pos, to, prot | (implied & v.maxProt));
    if (r < 0) return r;
    pos = to;
    v = mm.vmas.find(pos);
  }
  return pos < end ? -ENOMEM : 0;
}

/** Changes [start, end) of one VMA. */
function protectVma(mm: MemoryManager, v: Vma, start: number, end: number, prot: number): number {
  if (v.prot === prot) return 0;
  if ((prot & ~v.maxProt) !== 0) return -EACCES;
  if (isData(prot, v.flags) && !isData(v.prot, v.flags)) {
    if (mm.dataVm + (end - start) > mm.limits.get(RLIMIT_DATA)) return -ENOMEM;
    if (end - start > mm.memory.ram && (v.flags & VMF_NORESERVE) === 0) return -ENOMEM;
  }
  if (prot !== 0 && end > mm.platform.maxAddress) return -ENOMEM;
  const cuts = (start > v.start ? 1 : 0) + (end < v.end ? 1 : 0);
  if (cuts > 0 && (mm.vmas.count + cuts > MAX_MAP_COUNT + 1 || isFull(mm))) return -ENOMEM;
  if ((v.prot & PROT_EXEC) !== 0) mm.patches?.restore(start, end);
  const before = v.prot;
  const u = isolateVma(mm, v, start, end);
  setVma(mm, u, prot, u.flags);
  reprotect(mm, u, start, end);
  const merged = mergeAround(mm, u);
  mergePages(mm, merged, start, end);
  if (before === 0 && prot !== 0) return populateVma(mm, merged, start, end, false);
  return 0;
}

/** brk(2): the break after the call. `implied`: what new memory allows besides reading and writing. */
export function brk(mm: MemoryManager, addr: number, implied: number): number {
  const old = mm.brkEnd;
  if (addr < mm.brkStart || addr > mm.platform.maxAddress) return old;
  const limit = mm.limits.get(RLIMIT_DATA);
  if (addr - mm.brkStart + (mm.endData - mm.startData) > limit) return old;
  const oldTop = pageUp(old);
  const newTop = pageUp(addr);
  if (newTop === oldTop) {
    mm.brkEnd = addr;
    return addr;
  }
  if (newTop < oldTop) {
    removeRange(mm, newTop, oldTop, true);
    mm.brkEnd = addr;
    return addr;
  }
  const len = newTop - oldTop;
  const flags = mm.lockFuture === 0 ? 0 : VMF_LOCKED | mm.lockFuture;
  if (mm.totalVm + len > mm.limits.get(RLIMIT_AS) || mm.dataVm + len > limit || len > mm.memory.ram) return old;
  if (flags !== 0 && mm.lockedVm + len > mm.limits.get(RLIMIT_MEMLOCK) && !mm.lockPrivileged) return old;
  const next = mm.vmas.lowerBound(oldTop);
  if (next !== null && next.start - next.guard < newTop) return old;
  if (isFull(mm)) return old;
  const vma = addVma(mm, oldTop, newTop, 3 | implied, 7, flags, null, null, 0, "[heap]");
  if (populateVma(mm, vma, oldTop, newTop, flags !== 0) < 0) {
    removeRange(mm, oldTop, newTop, true);
    return old;
  }
  mm.brkEnd = addr;
  return addr;
}

/** The initial stack: [top - size, top), growing down. 0 or -errno. */
export function mapStack(mm: MemoryManager, top: number, size: number, prot: number): number {
  if (mm.totalVm + size > mm.limits.get(RLIMIT_AS)) return -ENOMEM;
  const vma = addVma(mm, top - size, top, prot, 7, VMF_GROWSDOWN, null, null, 0, "[stack]");
  mm.stackStart = top;
  return fillAnon(mm, vma, top - size, top, false);
}
