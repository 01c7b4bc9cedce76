/**
 * PagePool: the pages that one owner may use. The file's page space is cut into chunks of CHUNK_PAGES pages; a chunk belongs to
 * one pool at a time, and what is freed in it goes back to that pool and to nobody else. One pool is shared: the file's own, for page
 * cache, tmpfs, shared memory. Every guest address space has another one for its private memory, so that a guest whose host process
 * still reaches a page that was freed (`AddressSpace.addWindow` in platform.ts) sees only what was its own, and will be.
 *
 * A pool is closed when no host process of its owner can reach its pages any more: unused ones are then free for everybody. If all
 * are unused, the pool is kept with its old pages as a whole for the next owner: a fork finds pages that the host has got already.
 */
import { ENOMEM } from "../../abi/errno.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import type { MemoryFile } from "./memory-file.ts";
import { FreeRuns, type RunTags } from "./page-runs.ts";
import { WIDE } from "../../base/wide.ts";

/** Longest run (pages) that is kept for re-use instead of being punched, and how many pages are kept: shared, owned. */
const KEEP_RUN = 128;
const KEEP_SHARED = 2048;
const KEEP_OWNED = 512;
/** Longest run that is filled with zeros for re-use; for longer ones new pages are cheaper. */
const FILL_RUN = 16;
/** The same, where it would be cut off a longer one: many of that one's pages may never have been touched. */
const FILL_PART = 4;
/** From so many pages on, the host is asked whether a freed run was ever touched. */
const ASK_RUN = 4;
/** Largest request (pages) that an owned pool serves from its own chunks: what is larger costs the same anywhere. */
const OWN_MAX = 4096;
/** Most pages that a pool takes at once without need. */
const GROW_MAX = 8192;

/** See the header. */
export class PagePool extends FreeRuns {
  /** Chunks that belong to it. */
  chunks: number = WIDE;
  /** Not the file's own pool. */
  readonly owned: boolean = false;
  /** Nothing is allocated from it any more: {@link retire}. */
  retired = false;
  /** Pages in `kept`. */
  keptCount: number = WIDE;
  /** Where its chunks are, as pairs (offset, length), in the order in which it got them. */
  readonly extents: number[] = [];
  private readonly file: MemoryFile;
  /** Freed runs with old contents by length: their first pages. */
  private readonly kept: (number[] | undefined)[] = new Array<number[] | undefined>(KEEP_RUN + 1).fill(undefined);

  constructor(file: MemoryFile, tags: RunTags, owned: boolean) {
    super(tags);
    this.file = file;
    this.owned = owned;
  }

  /**
   * A contiguous range of `len` bytes, every page with one reference. `zeroed` false: the contents may be anything (the
   * caller overwrites all of it at once). `hint` >= 0: offset that is taken if it is free; pages that the host
   * does not have yet. The offset, or -ENOMEM.
   * @hot
   */
  allocate(len: number, kind: number, zeroed: boolean, hint: number): number {
    const { file } = this;
    const n = len / PAGE_SIZE;
    let p = this.keptCount >= n && hint < 0 ? this.takeOld(n, zeroed) : -1;
    if (p >= 0) {
      if (zeroed) file.window.fill(0, p * PAGE_SIZE, (p + n) * PAGE_SIZE);
    } else {
      if (n <= 0 || n > file.capacity) return -ENOMEM;
      if (this.owned && n > OWN_MAX) return file.allocate(len, kind, zeroed, hint);
      const at = hint < 0 ? -1 : hint / PAGE_SIZE;
      p = at >= 0 && file.poolOfPage(at) === this && this.takeAt(at, n) ? at : this.takeAny(n);
      if (p < 0) p = this.grow(n);
      if (p < 0) {
        if (!this.owned) return -ENOMEM;
        return file.allocate(len, kind, zeroed, hint);
      }
    }
    file.noteUse(p, n, kind);
    return p * PAGE_SIZE;
  }

  /**
   * A range of zeros to be mapped at `addr`, such that large pages of the file are large pages there: its offset is congruent to the
   * address modulo their size. At `hint` if that is, and is free. The offset, or -ENOMEM.
   */
  allocateHuge(len: number, kind: number, addr: number, hint: number): number {
    const { file } = this;
    const n = len / PAGE_SIZE;
    const unit = file.hugeSize / PAGE_SIZE;
    const want = (addr / PAGE_SIZE) % unit;
    if (this.owned && n + unit > OWN_MAX) return file.allocateHuge(len, kind, addr, hint);
    const at = hint < 0 ? -1 : hint / PAGE_SIZE;
    let p = -1;
    if (at >= 0 && at % unit === want && file.poolOfPage(at) === this && this.takeAt(at, n)) p = at;
    else {
      const more = n + unit - 1;
      let q = this.takeAny(more);
      if (q < 0) q = this.grow(more);
      if (q < 0) return this.allocate(len, kind, true, -1);
      const lead = (want - (q % unit) + unit) % unit;
      p = q + lead;
      if (lead > 0) this.free(q, lead);
      if (lead < unit - 1) this.free(p + n, unit - 1 - lead);
    }
    file.noteUse(p, n, kind);
    file.adviseHuge(p * PAGE_SIZE, len);
    return p * PAGE_SIZE;
  }

  /** Takes back pages [p, p+n) of its chunks, which have no references left. */
  giveBack(p: number, n: number): void {
    if (n > KEEP_RUN || this.retired) {
      this.clear(p, n);
      return;
    }
    // What nobody ever touched is as good as new.
    if (n > ASK_RUN && this.file.isHole(p * PAGE_SIZE, n * PAGE_SIZE)) {
      this.free(p, n);
      return;
    }
    if (this.keptCount + n > (this.owned ? KEEP_OWNED : KEEP_SHARED)) this.trim();
    this.keep(p, n);
  }

  private keep(p: number, n: number): void {
    const list = this.kept[n];
    if (list === undefined) this.kept[n] = [p];
    else list.push(p);
    this.keptCount += n;
  }

  /** The first page of n kept ones, which may be the beginning of a longer run; -1: none, or new ones cost less. */
  private takeOld(n: number, zeroed: boolean): number {
    if (n > (zeroed ? FILL_RUN : KEEP_RUN)) return -1;
    const most = zeroed && n > FILL_PART ? n : KEEP_RUN;
    for (let m = n; m <= most; m++) {
      const list = this.kept[m];
      if (list === undefined || list.length === 0) continue;
      const p = list.pop()!;
      this.keptCount -= m;
      if (m > n) this.keep(p + n, m - n);
      return p;
    }
    return -1;
  }

  /** Gives kept pages back to the host. */
  trim(): void {
    const runs = this.takeKept();
    if (runs.length === 0) return;
    let { start, count } = runs[0]!;
    for (const run of runs.slice(1)) {
      if (run.start === start + count) count += run.count;
      else {
        this.clear(start, count);
        start = run.start;
        count = run.count;
      }
    }
    this.clear(start, count);
  }

  /** Nothing in it is in use. */
  get isUnused(): boolean {
    return this.count + this.keptCount === this.chunks * this.file.chunkPages;
  }

  /** No new pages come from it; its owner can still reach those it has. */
  retire(): void {
    this.trim();
    this.retired = true;
  }

  /** No host process of its owner reaches its pages any more. It is not to be used again by the caller. */
  close(): void {
    this.file.closePool(this);
  }

  /** Gives everything to another pool. */
  moveTo(to: PagePool): void {
    const kept = this.takeKept();
    const runs = this.takeAll();
    this.file.giveChunks(this, to);
    this.extents.length = 0;
    for (let i = 0; i < runs.length; i += 2) to.free(runs[i]!, runs[i + 1]!);
    for (const run of kept) to.giveBack(run.start, run.count);
  }

  protected override joins(p: number): boolean {
    return this.file.joins(p * PAGE_SIZE);
  }

  /** Free pages, clean ones, become free. */
  private free(p: number, n: number): void {
    const start = this.put(p, n);
    if (this.owned) return;
    // Whole chunks are there for everybody again.
    const { chunkPages } = this.file;
    const len = this.tags.tag[start]!;
    const from = Math.ceil(start / chunkPages) * chunkPages;
    const to = Math.floor((start + len) / chunkPages) * chunkPages;
    if (to <= from) return;
    this.take(start, len, len);
    if (from > start) this.put(start, from - start);
    if (start + len > to) this.put(to, start + len - to);
    this.file.returnChunks(this, from, to - from);
  }

  /** A run of n pages out of new chunks, or -1. */
  private grow(n: number): number {
    const { chunkPages } = this.file;
    const want = this.owned ? Math.max(n, Math.min(this.chunks * chunkPages, GROW_MAX)) : n;
    let size = Math.ceil(want / chunkPages) * chunkPages;
    let p = this.file.takeChunks(this, size);
    if (p < 0 && size > n) {
      size = Math.ceil(n / chunkPages) * chunkPages;
      p = this.file.takeChunks(this, size);
    }
    if (p < 0 && this.keptCount > 0) {
      this.trim();
      return this.takeAny(n);
    }
    if (p < 0) return -1;
    if (this.owned) this.extents.push(p * PAGE_SIZE, size * PAGE_SIZE);
    if (size > n) this.put(p + n, size - n);
    return p;
  }

  /** All kept runs, sorted. */
  private takeKept(): { start: number; count: number }[] {
    const runs: { start: number; count: number }[] = [];
    if (this.keptCount === 0) return runs;
    this.keptCount = 0;
    for (const [count, starts] of this.kept.entries()) {
      if (starts === undefined) continue;
      for (const start of starts) runs.push({ start, count });
      starts.length = 0;
    }
    return runs.sort((a, b) => a.start - b.start);
  }

  /** Frees pages whose contents do not matter. */
  private clear(p: number, n: number): void {
    this.file.punchPages(p, n);
    this.free(p, n);
  }
}
