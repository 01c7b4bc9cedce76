/**
 * HostChanges: how changes of an address space get to the host. Operations wait in the queue of the platform's address space, and
 * page references here until nobody can reach the pages any more: until they were performed by the platform (`flush`), or, where
 * the pages are such that nobody else gets them, until a guest thread was told to perform them (`handOver`).
 */
import { type MappedFile, PAGE_SIZE } from "../memmap/memmap.ts";
import type { MemoryManager } from "./mm.ts";
import { PendingSpace } from "./pending-space.ts";
import { WIDE } from "../../base/wide.ts";

/** Bytes that may wait for a thread's batch before they are free. */
const HAND_OVER_MAX: number = 1024 * 1024;
/** How often an address space must have been flushed before its threads get windows. */
const WINDOW_FLUSHES = 4;

/** Those of one address space. */
export class HostChanges {
  /** Page references to give back. */
  private readonly files: MappedFile[] = [];
  private readonly offs: number[] = [];
  private readonly lens: number[] = [];
  private count = 0;
  /** How many of them wait for a thread to execute its batch: the first ones. */
  private handed = 0;
  /** How many numbers of the pool's extents have windows; flushes so far. */
  private windowed = 0;
  private flushes = 0;
  /** The error of a flush that failed. */
  private broken = 0;
  /** The last program or library that was mapped where nothing was; operations queued since; whether they may wait. */
  private imageStart: number = WIDE;
  private imageEnd: number = WIDE;
  private imageOps = 0;
  private mayWait = false;

  /** Something must be flushed before a thread runs. */
  waits(mm: MemoryManager): boolean {
    return this.count > this.handed || mm.as.dirty || this.broken !== 0;
  }

  /** Notes page references that are given back after the next flush. */
  deferFree(file: MappedFile, off: number, len: number): void {
    const n = this.count++;
    this.files[n] = file;
    this.offs[n] = off;
    this.lens[n] = len;
  }

  /** A program has begun: it will map more soon. */
  expectMore(): void {
    this.flushes = WINDOW_FLUSHES;
  }

  /**
   * A piece of a program or library has been mapped at [start, end); `before`: {@link AddressSpace.queued} before that. Such come one
   * after another, the first for all of it, the others over that: they may wait for each other, as long as nothing else is
   * queued. A guest that reads there at once faults, and all is done before it goes on. `fresh`: nothing was there.
   */
  noteImage(mm: MemoryManager, start: number, end: number, fresh: boolean, before: number): void {
    const { queued } = mm.as;
    if (queued === undefined || mm.users > 1) return;
    if (fresh && before === 0) {
      this.imageStart = start;
      this.imageEnd = end;
    } else if (before === 0 || before !== this.imageOps || start < this.imageStart || end > this.imageEnd) return;
    this.imageOps = queued;
    this.mayWait = true;
  }

  /** See MemoryManager.handOver. @hot */
  handOver(mm: MemoryManager, ctx: number): number {
    const { as } = mm;
    if (this.mayWait) {
      this.mayWait = false;
      if (as.queued === this.imageOps && as.postpone !== undefined) {
        as.postpone();
        return 0;
      }
    }
    if (this.broken !== 0 || as.handOver === undefined) return this.flush(mm);
    if (this.handed > 0) this.flushHanded(mm);
    if (!this.freesOwn(mm) || !as.handOver(ctx)) return this.flush(mm);
    // Other threads reach the pages until this one has done its batch, and must not find them in another place meanwhile.
    if (mm.users > 1) this.handed = this.count;
    else if (this.count > 0) this.free();
    return 0;
  }

  /** Whether no page that is to be freed may go to somebody else. */
  private freesOwn(mm: MemoryManager): boolean {
    const { memory, pool } = mm;
    let bytes = 0;
    for (let i = 0; i < this.count; i++) {
      const file = this.files[i]!;
      // Nobody else gets pages of host files: to keep them is as good as not to unmap them.
      if (file.window === null) continue;
      if (file !== memory || memory.poolOf(this.offs[i]!) !== pool) return false;
      bytes += this.lens[i]!;
    }
    return bytes <= HAND_OVER_MAX || mm.users === 1;
  }

  /** Frees what waits for a thread's batch. */
  private flushHanded(mm: MemoryManager): void {
    mm.as.settle?.();
    mm.memory.beginFree();
    this.free(this.handed);
    mm.memory.endFree();
  }

  /** See MemoryManager.flush. */
  flush(mm: MemoryManager): number {
    const { as } = mm;
    // While there is no host address space, the queue refers to all pages.
    if (as instanceof PendingSpace) return 0;
    if (!as.dirty) {
      if (this.handed > 0) as.settle?.();
    } else if (this.windowed < mm.pool.extents.length) this.openWindows(mm);
    const r = as.flush();
    // Who knows what is still mapped: then nothing is freed before the host address space is gone.
    if (r < 0) this.broken = r;
    if (this.broken !== 0) return this.broken;
    if (this.count > 0) {
      mm.memory.beginFree();
      this.free();
      mm.memory.endFree();
    }
    return r;
  }

  /** Opens windows for the memory that only this address space gets, once it has shown that it maps more. */
  private openWindows(mm: MemoryManager): void {
    const { as, pool, memory } = mm;
    if (as.addWindow === undefined || pool.retired || ++this.flushes < WINDOW_FLUSHES) return;
    if (mm.platform.windowChunk !== memory.chunkPages * PAGE_SIZE) return;
    const { extents } = pool;
    while (this.windowed < extents.length) {
      if (!as.addWindow(memory.backing, extents[this.windowed]!, extents[this.windowed + 1]!)) return;
      this.windowed += 2;
    }
  }

  closeWindows(mm: MemoryManager): void {
    mm.as.closeWindows?.();
    this.windowed = 0;
  }

  /** Gives the first `n` noted page references back; no host mapping may show the pages. */
  free(n: number = this.count): void {
    this.handed = 0;
    const { files, offs, lens } = this;
    for (let i = 0; i < n; i++) files[i]!.decRef(offs[i]!, lens[i]!);
    const rest = this.count - n;
    this.count = rest;
    for (let i = 0; i < rest; i++) {
      files[i] = files[n + i]!;
      offs[i] = offs[n + i]!;
      lens[i] = lens[n + i]!;
    }
    // Do not keep files alive; a long list does not come back soon.
    files.length = rest;
  }
}
