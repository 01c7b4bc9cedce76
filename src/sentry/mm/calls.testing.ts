/** Shorthands for tests of memory managers. */
import assert from "node:assert/strict";
import * as M from "../../abi/mman.ts";
import { type FakeHostFile, type FakeWorld, guestAccess } from "./fake.testing.ts";
import { type MemoryManager, MmapOptions } from "./mm.ts";

/** Bytes of a page. */
export const P = 4096;
export const MB: number = 1024 * 1024;
/** Usual flags and protection of mappings. */
export const ANON: number = M.MAP_PRIVATE | M.MAP_ANONYMOUS;
export const RW: number = M.PROT_READ | M.PROT_WRITE;

/** mmap(2). */
export function mmap(
  mm: MemoryManager,
  addr: number,
  len: number,
  prot: number,
  flags: number,
  f?: FakeHostFile,
  off = 0,
): number {
  const o = new MmapOptions();
  o.addr = addr;
  o.len = len;
  o.prot = prot;
  o.flags = flags;
  if (f !== undefined) {
    o.mappable = f;
    o.file = f;
    o.offset = off;
  }
  return mm.mmap(o);
}

/** A child of `mm`, its mappings made. */
export function forkOf(w: FakeWorld, mm: MemoryManager): MemoryManager {
  const as = w.platform.newAddressSpace();
  assert.ok(typeof as !== "number");
  const child = mm.fork(as, w.limits);
  assert.ok(typeof child !== "number");
  assert.equal(child.flush(), 0);
  return child;
}

/** A byte of guest memory as guest code reads and writes it: see {@link guestAccess}. */
export const read: (mm: MemoryManager, a: number) => number = (mm, a) => guestAccess(mm, a, false, 0);
export const write: (mm: MemoryManager, a: number, v: number) => number = (mm, a, v) => guestAccess(mm, a, true, v);

/** All mappings as "page+pages:protection", pages counted from 0x10000000. */
export function vmas(mm: MemoryManager): string[] {
  const out: string[] = [];
  mm.forEachVma((v) => {
    out.push(`${((v.start - 0x10000000) / P).toString()}+${(v.end - v.start) / P}:${v.prot}`);
    return true;
  });
  return out;
}
