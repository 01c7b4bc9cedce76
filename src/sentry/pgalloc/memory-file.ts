/**
 * MemoryFile: guest memory. One sparse host file (a memfd) whose pages are handed out, counted and given back; all of it
 * is visible to the Sentry through one window, so kernel copies are typed-array copies.
 *
 * A page in use always has a reference count > 0. A page without references goes back to its pool (page-pool.ts): long runs are
 * punched out of the host file at once; short ones wait, with their old contents, for the next request of the same length
 * (copy-on-write copies overwrite them anyway), and are punched in sorted runs when there are too many.
 */
import type { HostBacking } from "../../platform/platform.ts";
import { type MappedFile, PAGE_SIZE } from "../memmap/memmap.ts";
import { copyBytes } from "../usermem/io.ts";
import { PagePool } from "./page-pool.ts";
import { PageRuns, RunTags } from "./page-runs.ts";

/** What a page is used for (accounting). */
export const MEM_ANON = 0;
export const MEM_SHMEM = 1;
export const MEM_PAGE_CACHE = 2;
export const MEM_TMPFS = 3;
export const MEM_SYSTEM = 4;
export const MEM_KINDS = 5;

/** The host side of a memory file. */
export interface MemoryStore {
  readonly backing: HostBacking;
  /** The whole file as bytes; its length (a page multiple) is the file's size. All zeros at first. */
  readonly window: Uint8Array;
  /** Memory of the machine, bytes: no single mapping may want more (overcommit heuristic). Absent: no limit. */
  readonly ram?: number;
  /** Bytes of a large page, if the host gives them to memory files for the asking; 0 or absent: no. */
  readonly hugeSize?: number;
  /** Asks for them, for what is accessed through the window. */
  adviseHuge?(offset: number, len: number): void;
  /** Gives the host's memory of [offset, offset+len) back; it reads as zeros afterwards. 0 or -errno. */
  punch(offset: number, len: number): number;
  /** Fills elements [from, to) of an array with zeros, giving its memory back to the host. Absent: there is no such way. */
  forget?(a: Int32Array | Uint8Array, from: number, to: number): void;
  /** Whether the host has no page of [offset, offset+len): all zeros, cheaply told. Absent: nobody knows. */
  isHole?(offset: number, len: number): boolean;
  /** The first byte from `offset` on in a page that the host has, and in one that it has not; Infinity: none. Absent: all are there. */
  nextData?(offset: number): number;
  nextHole?(offset: number): number;
  /** Bytes of [offset, offset+len) that the host has pages for. Absent: all. */
  committed?(offset: number, len: number): number;
  /** The same for the whole file, cheaply. */
  committedTotal?(): number;
}

/** Below this many pages, decommit fills with zeros instead of punching. */
const ZERO_RUN = 4;

/** Bytes handed out between two measurements while there is a limit. */
const LIMIT_STEP: number = 4 * 1024 * 1024;
/** Largest part of a limit, and most bytes of it, that file pages leave to processes. */
const LIMIT_RESERVE = 1 / 8;
const LIMIT_RESERVE_MAX: number = 64 * 1024 * 1024;

/** Pages of a chunk: what pools are made of. Fewer in a small file. */
const CHUNK_PAGES = 1024;
/** Pools that are kept for their next owner, each with so many chunks at most. */
const SPARE_POOLS = 8;
const SPARE_CHUNKS = 4;

/** When so many chunks have come back, the memory of what was noted about their pages is given back too: 17 bytes a page. */
const FORGET_CHUNKS = 256;

/** A file of pages. All offsets and lengths are page multiples unless said otherwise. */
export class MemoryFile implements MappedFile {
  readonly backing: HostBacking;
  readonly window: Uint8Array;
  /** The window as other views. */
  readonly view: DataView;
  readonly words: Int32Array;
  /** Memory of the machine, bytes; Infinity: not known. */
  readonly ram: number = Infinity;
  /** Bytes of a large page; 0: the host has none for us. */
  readonly hugeSize: number = 0;
  /** Bytes that the sandbox may use; Infinity: no limit. See {@link admit}. */
  limit: number = Infinity;
  /** Keeps reads for their effect from being left out. */
  private touched = 0;
  /** Bytes that {@link admit} lets pass before it measures. */
  private slack = 0;
  private readonly store: MemoryStore;
  /** Pages in all; pages of a chunk (a power of two). */
  readonly capacity: number;
  readonly chunkPages: number;
  private readonly chunkShift: number;
  /** Which chunks belong to nobody. */
  private readonly freeChunks: PageRuns;
  /** Chunks that came back since {@link forgetFree}. */
  private returned = 0;
  /** The pool of each chunk that has one. */
  private readonly owners: (PagePool | undefined)[] = [];
  private readonly tags: RunTags;
  /** For what has no owner of its own. */
  private readonly common: PagePool;
  /** Pools of address spaces. */
  private readonly owned: Set<PagePool> = new Set();
  /** Closed pools without pages in use. */
  private readonly spare: PagePool[] = [];
  /** References and MEM_* kind of each page that a pool has had. */
  private refs: Int32Array = new Int32Array(4096);
  private kinds: Uint8Array = new Uint8Array(4096);
  private readonly pagesByKind: Float64Array = new Float64Array(MEM_KINDS);
  /** > 0 between beginFree and endFree: freed runs are collected as pairs (page, count). */
  private batchDepth = 0;
  private batch: Float64Array = new Float64Array(256);
  private batchCount = 0;

  constructor(store: MemoryStore) {
    this.store = store;
    this.backing = store.backing;
    const w = store.window;
    this.window = w;
    if (store.ram !== undefined) this.ram = store.ram;
    if (store.hugeSize !== undefined) this.hugeSize = store.hugeSize;
    this.view = new DataView(w.buffer, w.byteOffset, w.byteLength);
    this.words = new Int32Array(w.buffer, w.byteOffset, w.byteLength / 4);
    const pages = w.byteLength / PAGE_SIZE;
    this.chunkShift = Math.min(31 - Math.clz32(CHUNK_PAGES), Math.max(0, Math.floor(Math.log2(pages)) - 3));
    this.chunkPages = 2 ** this.chunkShift;
    this.freeChunks = new PageRuns(Math.floor(pages / this.chunkPages));
    this.capacity = this.freeChunks.capacity * this.chunkPages;
    this.tags = new RunTags(this.chunkPages);
    this.common = new PagePool(this, this.tags, false);
  }

  /** {@link PagePool.allocate} for memory without an owner of its own. */
  allocate(len: number, kind: number, zeroed: boolean, hint: number): number {
    return this.common.allocate(len, kind, zeroed, hint);
  }

  /** {@link PagePool.allocateHuge} for memory without an owner of its own. */
  allocateHuge(len: number, kind: number, addr: number, hint: number): number {
    return this.common.allocateHuge(len, kind, addr, hint);
  }

  /** A pool for one address space; to be closed at its end. */
  openPool(): PagePool {
    const pool = this.spare.pop() ?? new PagePool(this, this.tags, true);
    this.owned.add(pool);
    return pool;
  }

  /** The pool of the page at `offset`, which is in use. */
  poolOf(offset: number): PagePool | undefined {
    return this.owners[(offset / PAGE_SIZE) >>> this.chunkShift];
  }

  /** Whether the page at `offset` belongs to an address space. */
  isOwned(offset: number): boolean {
    const pool = this.poolOf(offset);
    return pool !== undefined && pool.owned;
  }

  /** Whether the pages before and at `offset` belong to the same pool: then they may be parts of one range. */
  joins(offset: number): boolean {
    const p = offset / PAGE_SIZE;
    if ((p & (this.chunkPages - 1)) !== 0) return true;
    return this.owners[(p >>> this.chunkShift) - 1] === this.owners[p >>> this.chunkShift];
  }

  incRef(offset: number, len: number): void {
    const refs = this.refs;
    const end = (offset + len) / PAGE_SIZE;
    for (let p = offset / PAGE_SIZE; p < end; p++) refs[p] = refs[p]! + 1;
  }

  /** Drops one reference on each page; pages without references are freed. */
  decRef(offset: number, len: number): void {
    const refs = this.refs;
    const end = (offset + len) / PAGE_SIZE;
    let runStart = -1;
    for (let p = offset / PAGE_SIZE; p < end; p++) {
      const r = refs[p]! - 1;
      refs[p] = r;
      if (r === 0) {
        if (runStart < 0) runStart = p;
        const k = this.kinds[p]!;
        this.pagesByKind[k] = this.pagesByKind[k]! - 1;
      } else {
        if (r < 0) throw new Error("page reference count below zero");
        if (runStart >= 0) {
          this.freeRun(runStart, p - runStart);
          runStart = -1;
        }
      }
    }
    if (runStart >= 0) this.freeRun(runStart, end - runStart);
  }

  /** References on the page at `offset`. */
  refCount(offset: number): number {
    return this.refs[offset / PAGE_SIZE]!;
  }

  isExclusive(offset: number): boolean {
    return this.refs[offset / PAGE_SIZE] === 1;
  }

  /** How many bytes from `offset` on, at most len, lie on pages with exactly one reference. */
  exclusiveBytes(offset: number, len: number): number {
    const refs = this.refs;
    const first = offset / PAGE_SIZE;
    const end = first + len / PAGE_SIZE;
    let p = first;
    while (p < end && refs[p] === 1) p++;
    return (p - first) * PAGE_SIZE;
  }

  /** Makes a range in use read as zeros, giving its memory back to the host. */
  decommit(offset: number, len: number): void {
    if (len <= ZERO_RUN * PAGE_SIZE || this.store.punch(offset, len) < 0) this.window.fill(0, offset, offset + len);
  }

  /** Makes a range in use read as zeros; what is in memory stays there. False: it is long, and nothing of it was there. */
  zero(offset: number, len: number): boolean {
    const { store, window } = this;
    const end = offset + len;
    if (len <= ZERO_RUN * PAGE_SIZE || store.nextData === undefined || store.nextHole === undefined) {
      window.fill(0, offset, end);
      return true;
    }
    let isThere = false;
    for (let at = store.nextData(offset); at < end; at = store.nextData(at)) {
      const to = Math.min(store.nextHole(at), end);
      window.fill(0, at, to);
      isThere = true;
      at = to;
      if (at === end) break;
    }
    return isThere;
  }

  /** Gives the host's memory of a range in use back. */
  discard(offset: number, len: number): void {
    if (this.store.punch(offset, len) < 0) this.window.fill(0, offset, offset + len);
  }

  /** Between the two, freed ranges are collected; then sorted, merged and given back in few host calls. */
  beginFree(): void {
    this.batchDepth++;
  }

  endFree(): void {
    if (--this.batchDepth > 0 || this.batchCount === 0) return;
    const n = this.batchCount;
    const b = this.batch;
    this.batchCount = 0;
    if (n === 1) {
      this.giveBack(b[0]!, b[1]!);
      return;
    }
    const order = new Float64Array(n);
    const counts = new Map<number, number>();
    for (let i = 0; i < n; i++) {
      order[i] = b[i * 2]!;
      counts.set(b[i * 2]!, b[i * 2 + 1]!);
    }
    order.sort();
    let start = order[0]!;
    let count = counts.get(start)!;
    for (let i = 1; i < n; i++) {
      const p = order[i]!;
      if (p === start + count) count += counts.get(p)!;
      else {
        this.giveBack(start, count);
        start = p;
        count = counts.get(p)!;
      }
    }
    this.giveBack(start, count);
  }

  /** Gives pages that are kept for re-use back to the host. */
  trim(): void {
    this.dropSpare();
    for (const pool of this.owned) pool.trim();
    this.common.trim();
  }

  private dropSpare(): void {
    for (const pool of this.spare.splice(0)) {
      pool.trim();
      pool.moveTo(this.common);
    }
  }

  /** Any offset and length; bytes read. */
  readAt(dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    const n = Math.min(len, this.window.byteLength - offset);
    if (n <= 0) return 0;
    copyBytes(dst, dstOff, this.window, offset, n);
    return n;
  }

  /** Any offset and length; bytes written. */
  writeAt(src: Uint8Array, srcOff: number, len: number, offset: number): number {
    const n = Math.min(len, this.window.byteLength - offset);
    if (n <= 0) return 0;
    copyBytes(this.window, offset, src, srcOff, n);
    return n;
  }

  /** Bytes in use, by MEM_* kind. */
  usage(kind: number): number {
    return this.pagesByKind[kind]! * PAGE_SIZE;
  }

  /** Bytes in use, all kinds. */
  totalUsage(): number {
    let n = 0;
    for (let k = 0; k < MEM_KINDS; k++) n += this.pagesByKind[k]!;
    return n * PAGE_SIZE;
  }

  /** Bytes of a range that are in the host's memory: a page comes there with the first access to it. */
  committedBytes(offset: number, len: number): number {
    return this.store.committed === undefined ? len : this.store.committed(offset, len);
  }

  /** Whether the host has nothing of a range: all zeros. */
  isHole(offset: number, len: number): boolean {
    return this.store.isHole !== undefined && this.store.isHole(offset, len);
  }

  /** How many bytes from `offset` on, `len` at most, the host has; negated: how many it does not have, which are zeros. */
  committedRun(offset: number, len: number): number {
    const { store } = this;
    if (store.nextData === undefined || store.nextHole === undefined) return len;
    const data = store.nextData(offset);
    return data > offset ? -Math.min(data - offset, len) : Math.min(store.nextHole(offset) - offset, len);
  }

  /** Has the host bring a range in use into memory now, unless the limit is in the way. */
  commit(offset: number, len: number): void {
    if (len > this.room()) return;
    // A touch is enough, and unlike fallocate it makes a page that SEEK_DATA finds.
    let all = 0;
    for (let at = offset; at < offset + len; at += PAGE_SIZE) all |= this.window[at]!;
    this.touched = all;
  }

  /** Bytes that are in the host's memory. */
  committedTotal(): number {
    return this.store.committedTotal === undefined ? this.totalUsage() : this.store.committedTotal();
  }

  /**
   * Whether `bytes` more may go into pages that the kernel fills itself: files, above all. Part of the limit stays free, so
   * that a full file system does not cost a process its life. (Memory that guests touch is not asked for:
   * kernel/memory-limit.ts.)
   */
  admit(bytes: number): boolean {
    if (this.limit === Infinity) return true;
    if (bytes <= this.slack) {
      this.slack -= bytes;
      return true;
    }
    let room = this.fileRoom();
    if (room < bytes) {
      this.trim();
      room = this.fileRoom();
    }
    if (room < bytes) {
      this.slack = 0;
      return false;
    }
    this.slack = Math.min(room - bytes, LIMIT_STEP);
    return true;
  }

  /** Bytes below the limit, measured now: at least 0, Infinity without one. */
  room(): number {
    return this.limit === Infinity ? Infinity : Math.max(0, this.limit - this.committedTotal());
  }

  private fileRoom(): number {
    const reserve = Math.min(this.limit * LIMIT_RESERVE, LIMIT_RESERVE_MAX);
    return this.limit - reserve - this.committedTotal();
  }

  private freeRun(p: number, n: number): void {
    if (this.batchDepth === 0) {
      this.giveBack(p, n);
      return;
    }
    const i = this.batchCount * 2;
    if (i + 2 > this.batch.length) {
      const b = new Float64Array(this.batch.length * 2);
      b.set(this.batch);
      this.batch = b;
    }
    this.batch[i] = p;
    this.batch[i + 1] = n;
    this.batchCount++;
  }

  private giveBack(p: number, n: number): void {
    const shift = this.chunkShift;
    for (let at = p; at < p + n;) {
      const pool = this.owners[at >>> shift]!;
      let end = ((at >>> shift) + 1) << shift;
      while (end < p + n && this.owners[end >>> shift] === pool) end += this.chunkPages;
      if (end > p + n) end = p + n;
      pool.giveBack(at, end - at);
      at = end;
    }
  }

  // --- for pools ---

  /** The pool of a page. */
  poolOfPage(p: number): PagePool | undefined {
    return this.owners[p >>> this.chunkShift];
  }

  /** Pages [p, p+n) are in use now, with one reference each. */
  noteUse(p: number, n: number, kind: number): void {
    if (n === 1) {
      this.refs[p] = 1;
      this.kinds[p] = kind;
    } else {
      this.refs.fill(1, p, p + n);
      this.kinds.fill(kind, p, p + n);
    }
    this.pagesByKind[kind] = this.pagesByKind[kind]! + n;
  }

  /** The host may use large pages for a range in use. */
  adviseHuge(offset: number, len: number): void {
    this.store.adviseHuge?.(offset, len);
  }

  punchPages(p: number, n: number): void {
    const off = p * PAGE_SIZE;
    const len = n * PAGE_SIZE;
    if (this.isHole(off, len)) return;
    if (this.store.punch(off, len) < 0) this.window.fill(0, off, off + len);
  }

  /** Chunks of `n` pages together for a pool: the first page, or -1. */
  takeChunks(pool: PagePool, n: number): number {
    const count = n / this.chunkPages;
    let first = this.freeChunks.allocate(count, -1);
    if (first < 0 && this.spare.length > 0) {
      this.dropSpare();
      first = this.freeChunks.allocate(count, -1);
    }
    if (first < 0) return -1;
    for (let i = first; i < first + count; i++) this.owners[i] = pool;
    pool.chunks += count;
    const end = (first + count) * this.chunkPages;
    this.tags.grow(end);
    if (end > this.refs.length) this.growRefs(end);
    return first * this.chunkPages;
  }

  /** The chunks of pages [p, p+n), all of them clean, belong to nobody. */
  returnChunks(pool: PagePool, p: number, n: number): void {
    const first = p / this.chunkPages;
    const count = n / this.chunkPages;
    this.owners.fill(undefined, first, first + count);
    pool.chunks -= count;
    this.freeChunks.free(first, count);
    this.returned += count;
    if (this.returned >= FORGET_CHUNKS) this.forgetFree();
  }

  /** Nothing needs to be known about pages of chunks that belong to nobody: all of it is zeros, or does not matter. */
  private forgetFree(): void {
    this.returned = 0;
    if (this.store.forget === undefined) return;
    const { freeChunks } = this;
    freeChunks.eachFree((first, count) => this.forgetChunks(first, count));
    this.forgetChunks(freeChunks.top, freeChunks.capacity - freeChunks.top);
  }

  private forgetChunks(first: number, count: number): void {
    const { tag, next, prev } = this.tags;
    for (const a of [this.refs, this.kinds, tag, next, prev]) {
      const from = first * this.chunkPages;
      const to = Math.min(from + count * this.chunkPages, a.length);
      if (from < to) this.store.forget!(a, from, to);
    }
  }

  /** All chunks of one pool become another's. */
  giveChunks(from: PagePool, to: PagePool): void {
    for (let i = 0; from.chunks > 0; i++) {
      if (this.owners[i] !== from) continue;
      this.owners[i] = to;
      from.chunks--;
      to.chunks++;
    }
  }

  /** See {@link PagePool.close}. */
  closePool(pool: PagePool): void {
    this.owned.delete(pool);
    if (!pool.retired && pool.chunks <= SPARE_CHUNKS && this.spare.length < SPARE_POOLS && pool.isUnused) {
      this.spare.push(pool);
    } else pool.moveTo(this.common);
  }

  private growRefs(need: number): void {
    let n = this.refs.length;
    while (n < need) n *= 2;
    const refs = new Int32Array(n);
    refs.set(this.refs);
    this.refs = refs;
    const kinds = new Uint8Array(n);
    kinds.set(this.kinds);
    this.kinds = kinds;
  }
}

/** Where memory files come from: the seam for one file per address space. */
export interface MemoryProvider {
  /** For the private anonymous memory of one address space. */
  privateFile(): MemoryFile;
  /** For memory that several address spaces share, page cache, tmpfs. */
  sharedFile(): MemoryFile;
}

/** One file for everything. */
export class SingleFileProvider implements MemoryProvider {
  readonly file: MemoryFile;
  constructor(file: MemoryFile) {
    this.file = file;
  }
  privateFile(): MemoryFile {
    return this.file;
  }
  sharedFile(): MemoryFile {
    return this.file;
  }
}
