/** Page table of a file in memory: which page of the memory file holds which page of the file. Sparse. */
import { ENOMEM, ENOSPC } from "../../../abi/errno.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import { MEM_TMPFS } from "../../pgalloc/memory-file.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";

/** Pages in one table: 2 MiB of file. */
const CHUNK_PAGES = 512;
const CHUNK_MASK = CHUNK_PAGES - 1;
/** Entries of a table that is just made for a small file. */
const SMALL_TABLE = 4;
/** The page is there because it is mapped: if nobody has touched it so far, it is a hole still. The host knows. */
const MAPPED = 1 << 30;

/** Counts the pages of all files of one file system against its size limit. */
export class PageBudget {
  used = 0;
  /** Infinity: no limit. */
  limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
}

/** See the header. File pages are numbers (offset / 4096); each page present holds one reference in the memory file. */
export class FilePages {
  readonly mem: MemoryFile;
  private readonly budget: PageBudget;
  /** Tables by chunk number; entries are memory page + 1, maybe with MAPPED; 0 = hole. Tables may be shorter than CHUNK_PAGES. */
  private readonly chunks: Map<number, Int32Array> = new Map();
  private lastIndex = -1;
  private lastTable: Int32Array | null = null;
  /** Pages present. */
  count = 0;
  /** Result of {@link find}: offset in the memory file, or -1 for a hole; and how many pages it goes on so. */
  foundOffset = -1;
  foundPages = 0;
  /** Whether they may never have been touched: see {@link settle}. */
  isFoundMapped = false;

  constructor(mem: MemoryFile, budget: PageBudget) {
    this.mem = mem;
    this.budget = budget;
  }

  private table(index: number): Int32Array | null {
    if (index === this.lastIndex) return this.lastTable;
    const t = this.chunks.get(index);
    this.lastIndex = index;
    return (this.lastTable = t === undefined ? null : t);
  }

  /** Looks `page` up: fills foundOffset and foundPages (contiguous in memory or all hole, at most `max`). @hot */
  find(page: number, max: number): void {
    const index = Math.floor(page / CHUNK_PAGES);
    const t = this.table(index);
    const i = page - index * CHUNK_PAGES;
    if (t === null) {
      // A whole missing table; holes may go on, which the caller finds out by asking again.
      const rest = CHUNK_PAGES - i;
      this.foundOffset = -1;
      this.isFoundMapped = false;
      this.foundPages = rest < max ? rest : max;
      return;
    }
    const limit = i + max < CHUNK_PAGES ? i + max : CHUNK_PAGES;
    const first = i < t.length ? t[i]! : 0;
    this.isFoundMapped = (first & MAPPED) !== 0;
    let k = i + 1;
    if (first === 0) {
      while (k < limit && (k >= t.length || t[k] === 0)) k++;
      this.foundOffset = -1;
      this.foundPages = k - i;
      return;
    }
    const end = limit < t.length ? limit : t.length;
    while (k < end && t[k] === first + (k - i)) k++;
    let n = k - i;
    // Runs go on over table borders.
    if (k === CHUNK_PAGES && n < max) n += this.contiguous(index + 1, first - 1 + n, max - n);
    this.foundOffset = ((first & ~MAPPED) - 1) * PAGE_SIZE;
    this.foundPages = n;
  }

  /**
   * After {@link find} of mapped pages: those found that nobody has touched become a hole of so many pages, or those touched
   * are pages like others from now on.
   */
  settle(page: number): void {
    const run = this.mem.committedRun(this.foundOffset, this.foundPages * PAGE_SIZE) / PAGE_SIZE;
    this.isFoundMapped = false;
    if (run < 0) {
      this.foundOffset = -1;
      this.foundPages = -run;
      return;
    }
    this.foundPages = run;
    for (let p = page; p < page + run; p++) {
      const index = Math.floor(p / CHUNK_PAGES);
      this.table(index)![p - index * CHUNK_PAGES]! &= ~MAPPED;
    }
  }

  private contiguous(index: number, memPage: number, max: number): number {
    let n = 0;
    let at = index;
    while (n < max) {
      const t = this.chunks.get(at);
      if (t === undefined) return n;
      const end = max - n < t.length ? max - n : t.length;
      let k = 0;
      while (k < end && t[k] === memPage + n + k + 1) k++;
      n += k;
      if (k < CHUNK_PAGES) return n;
      at++;
    }
    return n;
  }

  /**
   * Makes pages [page, page+n) present. `zeroed` false: new ones may hold anything (the caller overwrites them
   * wholly). Returns how many pages from `page` on are present now (at least 1), or -ENOSPC / -ENOMEM.
   */
  ensure(page: number, n: number, zeroed: boolean): number {
    let done = 0;
    while (done < n) {
      this.find(page + done, n - done);
      if (this.foundOffset >= 0) {
        done += this.foundPages;
        continue;
      }
      const r = this.fill(page + done, this.foundPages, zeroed);
      if (r < 0) return done > 0 ? done : r;
      done += r;
    }
    return n;
  }

  /**
   * Makes all pages of [first, end) present, or leaves everything as it was: fallocate(2). 0 or -errno, which is at once
   * when the machine has no such amount of memory.
   */
  reserve(first: number, end: number): number {
    const least = end - first - this.count;
    if (least > this.budget.limit - this.budget.used) return -ENOSPC;
    const most = Math.min(this.mem.ram, this.mem.limit);
    if (least > CHUNK_PAGES && least * PAGE_SIZE > most - this.mem.committedTotal()) return -ENOSPC;
    const made: number[] = [];
    let page = first;
    while (page < end) {
      this.find(page, end - page);
      let n = this.foundPages;
      if (this.foundOffset < 0) {
        n = this.fill(page, n, true);
        if (n < 0) {
          for (let i = 0; i < made.length; i += 2) this.free(made[i]!, made[i + 1]!);
          return n;
        }
        if (made.at(-1) === page) made[made.length - 1] = page + n;
        else made.push(page, page + n);
      }
      page += n;
    }
    return 0;
  }

  /** Allocates for a hole of n pages within one table; pages filled, or -errno. */
  private fill(page: number, n: number, zeroed: boolean, mark = 0): number {
    const room = this.budget.limit - this.budget.used;
    let want = n < room ? n : room;
    if (want <= 0) return -ENOSPC;
    while (!this.mem.admit(want * PAGE_SIZE)) {
      if (want === 1) return -ENOSPC;
      want = want >> 1;
    }
    // With a hint pages are new ones, which the host does not have yet.
    const hint = Math.max(this.hintFor(page), mark === 0 ? -1 : 0);
    let off = this.mem.allocate(want * PAGE_SIZE, MEM_TMPFS, zeroed, hint);
    while (off < 0 && want > 1) {
      want = want >> 1;
      off = this.mem.allocate(want * PAGE_SIZE, MEM_TMPFS, zeroed, mark === 0 ? -1 : 0);
    }
    if (off < 0) return -ENOMEM;
    const index = Math.floor(page / CHUNK_PAGES);
    const i = page - index * CHUNK_PAGES;
    const t = this.tableFor(index, i + want);
    const first = (off / PAGE_SIZE + 1) | mark;
    for (let k = 0; k < want; k++) t[i + k] = first + k;
    this.count += want;
    this.budget.used += want;
    return want;
  }

  /** For a mapping: makes the first pages of the hole of `n` pages at `page` present. How many, or -errno. */
  fillMapped(page: number, n: number): number {
    return this.fill(page, n, true, MAPPED);
  }

  /** Memory offset that would continue the page before, or -1. */
  private hintFor(page: number): number {
    if (page === 0) return -1;
    const index = Math.floor((page - 1) / CHUNK_PAGES);
    const t = this.chunks.get(index);
    const i = (page - 1) & CHUNK_MASK;
    if (t === undefined || i >= t.length || t[i] === 0) return -1;
    return (t[i]! & ~MAPPED) * PAGE_SIZE;
  }

  /** The table of a chunk, with at least `len` entries. */
  private tableFor(index: number, len: number): Int32Array {
    let t = this.chunks.get(index);
    if (t !== undefined && t.length >= len) return t;
    let size = t === undefined ? SMALL_TABLE : t.length;
    while (size < len) size *= 2;
    const bigger = new Int32Array(size);
    if (t !== undefined) bigger.set(t);
    t = bigger;
    this.chunks.set(index, t);
    this.lastIndex = index;
    this.lastTable = t;
    return t;
  }

  /** Frees the pages present in [page, end); end may be Infinity. */
  free(page: number, end: number): void {
    if (this.count === 0) return;
    const mem = this.mem;
    mem.beginFree();
    const firstChunk = Math.floor(page / CHUNK_PAGES);
    const lastChunk = Math.floor((end - 1) / CHUNK_PAGES);
    for (const [index, t] of this.chunks) {
      if (index < firstChunk || index > lastChunk) continue;
      const from = index === firstChunk ? page - index * CHUNK_PAGES : 0;
      const to = index === lastChunk ? Math.min(end - index * CHUNK_PAGES, t.length) : t.length;
      let i = from;
      while (i < to) {
        const p = t[i]!;
        if (p === 0) {
          i++;
          continue;
        }
        let k = i + 1;
        while (k < to && t[k] === p + (k - i)) k++;
        const n = k - i;
        t.fill(0, i, k);
        mem.decRef(((p & ~MAPPED) - 1) * PAGE_SIZE, n * PAGE_SIZE);
        this.count -= n;
        this.budget.used -= n;
        i = k;
      }
      if (from === 0 && to === t.length) {
        this.chunks.delete(index);
        this.lastIndex = -1;
        this.lastTable = null;
      }
    }
    mem.endFree();
  }

  /** Moves every page from `from` on by `by` (negative: down), to where nothing is. Takes time with the file's size. */
  shift(from: number, by: number): void {
    const old = [...this.chunks];
    this.chunks.clear();
    this.lastIndex = -1;
    this.lastTable = null;
    for (const [index, t] of old) {
      for (let i = 0; i < t.length; i++) {
        const memPage = t[i]!;
        if (memPage === 0) continue;
        const page = index * CHUNK_PAGES + i;
        const to = page >= from ? page + by : page;
        const chunk = Math.floor(to / CHUNK_PAGES);
        const at = to - chunk * CHUNK_PAGES;
        this.tableFor(chunk, at + 1)[at] = memPage;
      }
    }
  }

  /** First present page >= `page` and < `end` with something in it, or -1. */
  nextPresent(page: number, end: number): number {
    for (let p = this.nextEntry(page, end); p >= 0; p = this.nextEntry(p + this.foundPages, end)) {
      this.find(p, end - p);
      if (this.isFoundMapped) this.settle(p);
      if (this.foundOffset >= 0) return p;
    }
    return -1;
  }

  /** First page with an entry >= `page` and < `end`, or -1. */
  private nextEntry(page: number, end: number): number {
    let p = page;
    while (p < end) {
      const index = Math.floor(p / CHUNK_PAGES);
      const t = this.chunks.get(index);
      if (t !== undefined) {
        for (let i = p - index * CHUNK_PAGES; i < t.length; i++) {
          if (t[i] !== 0) {
            const found = index * CHUNK_PAGES + i;
            return found < end ? found : -1;
          }
        }
      } else if (this.chunks.size === 0 || end - p > CHUNK_PAGES * this.chunks.size * 4) {
        // Very sparse: look at the tables there are instead of counting through the holes.
        let best = Infinity;
        for (const other of this.chunks.keys()) if (other > index && other < best) best = other;
        if (best === Infinity) return -1;
        p = best * CHUNK_PAGES;
        continue;
      }
      p = (index + 1) * CHUNK_PAGES;
    }
    return -1;
  }

  /** First hole >= `page`; at most `end`. */
  nextHole(page: number, end: number): number {
    let p = page;
    while (p < end) {
      this.find(p, end - p < 0x40000000 ? end - p : 0x40000000);
      if (this.isFoundMapped) this.settle(p);
      if (this.foundOffset < 0) return p;
      p += this.foundPages;
    }
    return end;
  }
}
