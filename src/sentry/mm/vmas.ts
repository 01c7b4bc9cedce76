/** Work on the mappings of an address space: adding, splitting, merging, resizing and removing VMAs, with their accounts. */
import { PROT_EXEC, PROT_WRITE } from "../../abi/mman.ts";
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import type { MemoryManager } from "./mm.ts";
import { splitPagesAt } from "./pmas.ts";
import { STACK_GUARD, Vma, VMF_GROWSDOWN, VMF_LOCKED, VMF_SHARED } from "./vma.ts";

/** True for what RLIMIT_DATA counts: private, writable, no stack. */
export function isData(prot: number, flags: number): boolean {
  return (prot & PROT_WRITE) !== 0 && (flags & (VMF_SHARED | VMF_GROWSDOWN)) === 0;
}

/** Adds `delta` bytes of a VMA's kind to the accounts. */
export function account(mm: MemoryManager, prot: number, flags: number, hasFile: boolean, delta: number): void {
  mm.totalVm += delta;
  if (isData(prot, flags)) mm.dataVm += delta;
  if ((flags & VMF_GROWSDOWN) !== 0) mm.stackVm += delta;
  else if (hasFile && (prot & (PROT_EXEC | PROT_WRITE)) === PROT_EXEC) mm.execVm += delta;
  if ((flags & VMF_LOCKED) !== 0) mm.lockedVm += delta;
}

function accountVma(mm: MemoryManager, v: Vma, delta: number): void {
  account(mm, v.prot, v.flags, v.mappable !== null, delta);
}

function attach(mm: MemoryManager, v: Vma): void {
  if (v.mappable !== null) v.mappable.addMapping(mm, v.start, v.end - v.start, v.offset, v.mayWriteShared);
}

function detach(mm: MemoryManager, v: Vma, start: number, end: number, offset: number): void {
  if (v.mappable !== null) v.mappable.removeMapping(mm, start, end - start, offset, v.mayWriteShared);
}

/**
 * Adds a mapping where nothing is, joined with its neighbours where they are alike. Takes a reference on `file`.
 * Returns the VMA that covers it now.
 */
export function addVma(
  mm: MemoryManager,
  start: number,
  end: number,
  prot: number,
  maxProt: number,
  flags: number,
  mappable: Mappable | null,
  file: VmaFile | null,
  offset: number,
  name: string,
): Vma {
  if (mm.spares.list.length > 0) mm.spares.drop(mm, start, end, false);
  const v = new Vma();
  v.start = start;
  v.end = end;
  v.prot = prot;
  v.maxProt = maxProt;
  v.flags = flags;
  v.mappable = mappable;
  v.file = file;
  v.offset = offset;
  v.name = name;
  v.guard = (flags & VMF_GROWSDOWN) !== 0 ? STACK_GUARD : 0;
  const next = mm.vmas.lowerBound(start);
  const prev = next === null ? mm.vmas.last : next.prev;
  if (prev !== null && canJoin(prev, v)) {
    resizeVma(mm, prev, prev.start, end);
    return next !== null && canJoin(prev, next) ? join(mm, prev, next) : prev;
  }
  if (next !== null && canJoin(v, next)) {
    resizeVma(mm, next, start, next.end);
    return next;
  }
  if (file !== null) file.incRef();
  mm.vmas.insert(v);
  attach(mm, v);
  accountVma(mm, v, end - start);
  return v;
}

/** Whether b, directly above a, can be one VMA with it. */
function canJoin(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.prot === b.prot &&
    a.flags === b.flags &&
    a.maxProt === b.maxProt &&
    a.mappable === b.mappable &&
    a.file === b.file &&
    a.name === b.name &&
    (a.flags & VMF_GROWSDOWN) === 0 &&
    (a.mappable === null || a.offset + (a.end - a.start) === b.offset)
  );
}

/** Makes b part of a. */
function join(mm: MemoryManager, a: Vma, b: Vma): Vma {
  const end = b.end;
  dropVma(mm, b);
  resizeVma(mm, a, a.start, end);
  return a;
}

/** Joins v with its neighbours where they have become alike; the VMA that covers v's range now. */
export function mergeAround(mm: MemoryManager, v: Vma): Vma {
  let at = v;
  const prev = at.prev;
  if (prev !== null && canJoin(prev, at)) at = join(mm, prev, at);
  const next = at.next;
  if (next !== null && canJoin(at, next)) at = join(mm, at, next);
  return at;
}

/** Moves the bounds of a VMA outwards, to where nothing is. */
export function growVma(mm: MemoryManager, v: Vma, start: number, end: number): void {
  if (mm.spares.list.length > 0) mm.spares.drop(mm, start, end, false);
  resizeVma(mm, v, start, end);
}

/** Moves the bounds of a VMA (offset follows the start). Pages are not touched. */
function resizeVma(mm: MemoryManager, v: Vma, start: number, end: number): void {
  const oldStart = v.start;
  const oldEnd = v.end;
  const oldOffset = v.offset;
  if (v.mappable !== null) v.offset += start - oldStart;
  mm.vmas.resize(v, start, end);
  attach(mm, v);
  detach(mm, v, oldStart, oldEnd, oldOffset);
  accountVma(mm, v, end - start - (oldEnd - oldStart));
}

/** Splits v at addr (inside it), pages included; returns the upper part. */
export function splitVma(mm: MemoryManager, v: Vma, addr: number): Vma {
  splitPagesAt(mm, addr);
  const u = new Vma();
  u.start = addr;
  u.end = v.end;
  u.prot = v.prot;
  u.maxProt = v.maxProt;
  u.flags = v.flags;
  u.mappable = v.mappable;
  u.file = v.file;
  u.offset = v.mappable === null ? v.offset : v.offset + (addr - v.start);
  u.name = v.name;
  if (u.file !== null) u.file.incRef();
  resizeVma(mm, v, v.start, addr);
  mm.vmas.insert(u);
  attach(mm, u);
  accountVma(mm, u, u.end - u.start);
  return u;
}

/** Takes a VMA out, with its accounts and references; its pages are not touched. */
export function dropVma(mm: MemoryManager, v: Vma): void {
  mm.vmas.remove(v);
  accountVma(mm, v, v.start - v.end);
  detach(mm, v, v.start, v.end, v.offset);
  if (v.file !== null) v.file.decRef();
}

/** Cuts [start, end) out of v, so that a VMA is exactly that range; returns it. */
export function isolateVma(mm: MemoryManager, v: Vma, start: number, end: number): Vma {
  let u = v;
  if (start > u.start) u = splitVma(mm, u, start);
  if (end < u.end) splitVma(mm, u, end);
  return u;
}

/** Sets prot and flags of a whole VMA, keeping the accounts. */
export function setVma(mm: MemoryManager, v: Vma, prot: number, flags: number): void {
  const len = v.end - v.start;
  accountVma(mm, v, -len);
  v.prot = prot;
  v.flags = flags;
  accountVma(mm, v, len);
}
