/**
 * Pages of programs and libraries that the kernel reads again and again: names, formats and tables that lie in a program's file, and
 * are given to system calls from there. Each such read costs a call of the host, as much as the rest of a simple call.
 *
 * A page that was read often enough becomes a private copy of the mapping, in memory that the kernel sees. Whether a private mapping
 * shows later changes of its file is unspecified (mmap(2)); programs that rely on it map data, whose pages are left alone. The
 * file of a running program does not change: Linux does not let it be written.
 */
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { MEM_ANON } from "../pgalloc/memory-file.ts";
import { isSegment } from "./fault.ts";
import type { MemoryManager } from "./mm.ts";
import { addPages, dropPages } from "./pmas.ts";
import { isPatched } from "./vma.ts";

/** Reads until a page is copied. */
const OFTEN = 32;
/** Pages that are counted at a time, and that one address space copies. */
const COUNTED_MAX = 64;
const COPIES_MAX = 256;

/** Those of one address space. */
export class ReadOften {
  private readonly counts: Map<number, number> = new Map();
  private copies = 0;

  /** The kernel has read a few bytes at `addr`, which is in a page of a file of the host. */
  note(mm: MemoryManager, addr: number): void {
    const page = addr - (addr & (PAGE_SIZE - 1));
    const n = (this.counts.get(page) ?? 0) + 1;
    if (n > OFTEN) return;
    if (n === 1 && this.counts.size >= COUNTED_MAX) this.counts.clear();
    this.counts.set(page, n);
    if (n === OFTEN && this.copies < COPIES_MAX && copyPage(mm, page)) this.copies++;
  }
}

/** Makes the page at `page` a private copy, if it is part of a program or library. */
function copyPage(mm: MemoryManager, page: number): boolean {
  const vma = mm.vmas.find(page);
  const p = mm.pmas.find(page);
  if (vma === null || p === null || p.mem !== null || vma.isShared || isPatched(p) || !isSegment(vma)) return false;
  const { memory } = mm;
  const to = mm.pool.allocate(PAGE_SIZE, MEM_ANON, false, -1);
  if (to < 0) return false;
  const n = p.file.readAt(memory.window, to, PAGE_SIZE, p.off + (page - p.start));
  if (n <= 0) {
    memory.decRef(to, PAGE_SIZE);
    return false;
  }
  memory.window.fill(0, to + n, to + PAGE_SIZE);
  dropPages(mm, page, page + PAGE_SIZE, false);
  addPages(mm, vma, page, PAGE_SIZE, memory, to, false, true, 7, false);
  return true;
}
