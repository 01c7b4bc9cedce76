/** What of an address space is in memory. */
import type { MemoryManager } from "../mm/mm.ts";
import type { MemoryFile } from "../pgalloc/memory-file.ts";
import type { Usage } from "./usage.ts";

/** Memory up to this size is taken to be in memory as a whole: asking the host would cost more than it tells. */
const SMALL: number = 4 * 1024 * 1024;

/** Resident bytes of an address space: pages of memory files that the host has, all of them. */
export function residentMemory(mm: MemoryManager): number {
  let sum = 0;
  let file: MemoryFile | null = null;
  let off = 0;
  let len = 0;
  // Neighbours in the same memory file are counted together.
  for (let p = mm.pmas.first; p !== null; p = p.next) {
    if (p.mem === null) continue;
    const size = p.end - p.start;
    if (p.mem === file && p.off === off + len) {
      len += size;
      continue;
    }
    if (file !== null) sum += file.committedBytes(off, len);
    file = p.mem;
    off = p.off;
    len = size;
  }
  return file === null ? sum : sum + file.committedBytes(off, len);
}

/**
 * Where more than so many threads share the memory (a chain of vforks), each of them a process of its own that ends, a measurement holds
 * for some of them.
 */
const CROWD = 64;
const CROWD_SHARE = 8;
const measured: { mm: MemoryManager | null; bytes: number; uses: number } = { mm: null, bytes: 0, uses: 0 };

function residentOf(mm: MemoryManager): number {
  if (mm.users <= CROWD) {
    measured.mm = null;
    return residentMemory(mm);
  }
  if (measured.mm !== mm || measured.uses-- === 0) {
    measured.mm = mm;
    measured.bytes = residentMemory(mm);
    measured.uses = Math.floor(mm.users / CROWD_SHARE);
  }
  return measured.bytes;
}

/** Notes how much of the memory is there now, if it is more than before: ru_maxrss. */
export function noteResident(u: Usage, mm: MemoryManager): void {
  if (mm.residentBytes() <= u.maxRssKb * 1024) return;
  const own = mm.rssAnon + mm.rssShmem;
  const there = mm.rssFile + (own <= SMALL ? own : residentOf(mm));
  u.maxRssKb = Math.max(u.maxRssKb, Math.floor(there / 1024));
}
