/**
 * MemoryFile: guest memory. One sparse host file (a memfd) whose pages are handed out, counted and given back; all of it
 * is visible to the Sentry through one window, so kernel copies are typed-array copies.
 *
 * A page in use always has a reference count > 0. A page without references goes back: long runs are punched out of the
 * host file at once; short ones wait, with their old contents, for the next request of the same length (copy-on-write
 * copies overwrite them anyway), and are punched in sorted runs when there are too many.
 */
import { ENOMEM } from "../../abi/errno.ts";
import type { HostBacking } from "../../platform/platform.ts";
import { type MappedFile, PAGE_SIZE } from "../memmap/memmap.ts";
import { copyBytes } from "../usermem/io.ts";
import { PageRuns } from "./page-runs.ts";

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
  /** Gives the host's memory of [offset, offset+len) back; it reads as zeros afterwards. 0 or -errno. */
  punch(offset: number, len: number): number;
  /** Bytes of [offset, offset+len) that the host has pages for. Absent: all. */
  committed?(offset: number, len: number): number;
  /** The same for the whole file, cheaply. */
  committedTotal?(): number;
}

/** Longest run (pages) that is kept for re-use instead of being punched, and how many pages are kept. */
const KEEP_RUN = 64;
const KEEP_PAGES = 2048;
/** Longest run that is filled with zeros for re-use; for longer ones new pages are cheaper. */
const FILL_RUN = 16;
/** Below this many pages, decommit fills with zeros instead of punching. */
const ZERO_RUN = 4;

/** Bytes handed out between two measurements while there is a limit. */
const LIMIT_STEP: number = 4 * 1024 * 1024;
/** Largest part of a limit, and most bytes of it, that file pages leave to processes. */
const LIMIT_RESERVE = 1 / 8;
const LIMIT_RESERVE_MAX: number = 64 * 1024 * 1024;

/** A file of pages. All offsets and lengths are page multiples unless said otherwise. */
export class MemoryFile implements MappedFile {
  readonly backing: HostBacking;
  readonly window: Uint8Array;
  /** The window as other views. */
  readonly view: DataView;
  readonly words: Int32Array;
  /** Memory of the machine, bytes; Infinity: not known. */
  readonly ram: number = Infinity;
  /** Bytes that the sandbox may use; Infinity: no limit. See {@link admit}. */
  limit: number = Infinity;
  /** Bytes that {@link admit} lets pass before it measures. */
  private slack = 0;
  private readonly store: MemoryStore;
  private readonly runs: PageRuns;
  /** References and MEM_* kind of each page below `runs.top`. */
  private refs: Int32Array = new Int32Array(4096);
  private kinds: Uint8Array = new Uint8Array(4096);
  private readonly pagesByKind: Float64Array = new Float64Array(MEM_KINDS);
  /** Freed runs with old contents by length: their first pages. */
  private readonly kept: number[][] = Array.from({ length: KEEP_RUN + 1 }, () => []);
  /** Pages in `kept`. */
  private keptCount = 0;
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
    this.view = new DataView(w.buffer, w.byteOffset, w.byteLength);
    this.words = new Int32Array(w.buffer, w.byteOffset, w.byteLength / 4);
    this.runs = new PageRuns(w.byteLength / PAGE_SIZE);
  }

  /**
   * A contiguous range of `len` bytes, every page with one reference. `zeroed` false: the contents may be anything (the
   * caller overwrites all of it at once). `hint` >= 0: offset that is taken if it is free. The offset, or -ENOMEM.
   * @hot
   */
  allocate(len: number, kind: number, zeroed: boolean, hint: number): number {
    const n = len / PAGE_SIZE;
    let p = -1;
    if (this.keptCount > 0 && hint < 0 && n <= (zeroed ? FILL_RUN : KEEP_RUN) && this.kept[n]!.length > 0) {
      p = this.kept[n]!.pop()!;
      this.keptCount -= n;
      if (zeroed) this.window.fill(0, p * PAGE_SIZE, (p + n) * PAGE_SIZE);
    } else {
      if (n <= 0 || n > this.runs.capacity) return -ENOMEM;
      p = this.runs.allocate(n, hint < 0 ? -1 : hint / PAGE_SIZE);
      if (p < 0 && this.keptCount > 0) {
        this.trim();
        p = this.runs.allocate(n, -1);
      }
      if (p < 0) return -ENOMEM;
      if (p + n > this.refs.length) this.growRefs(p + n);
    }
    if (n === 1) {
      this.refs[p] = 1;
      this.kinds[p] = kind;
    } else {
      this.refs.fill(1, p, p + n);
      this.kinds.fill(kind, p, p + n);
    }
    this.pagesByKind[kind] = this.pagesByKind[kind]! + n;
    return p * PAGE_SIZE;
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

  /** Gives kept pages back to the host: when the sandbox becomes idle. */
  trim(): void {
    if (this.keptCount === 0) return;
    this.keptCount = 0;
    const runs: { start: number; count: number }[] = [];
    for (const [count, starts] of this.kept.entries()) {
      for (const start of starts) runs.push({ start, count });
      starts.length = 0;
    }
    runs.sort((a, b) => a.start - b.start);
    let { start, count } = runs[0]!;
    for (const run of runs.slice(1)) {
      if (run.start === start + count) count += run.count;
      else {
        this.punchAndFree(start, count);
        start = run.start;
        count = run.count;
      }
    }
    this.punchAndFree(start, count);
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
    if (room < bytes && this.keptCount > 0) {
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
    if (n > KEEP_RUN) {
      this.punchAndFree(p, n);
      return;
    }
    if (this.keptCount + n > KEEP_PAGES) this.trim();
    this.kept[n]!.push(p);
    this.keptCount += n;
  }

  private punchAndFree(p: number, n: number): void {
    const off = p * PAGE_SIZE;
    if (this.store.punch(off, n * PAGE_SIZE) < 0) this.window.fill(0, off, off + n * PAGE_SIZE);
    this.runs.free(p, n);
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
