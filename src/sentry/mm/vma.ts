/** The two kinds of ranges of an address space: Vma (what the guest asked for) and Pma (which pages are there). */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import type { Mappable, MappedFile } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { MemoryFile } from "../pgalloc/memory-file.ts";
import { AddrNode } from "./addr-tree.ts";
import type { MemoryManager } from "./mm.ts";
import { WIDE } from "../../base/wide.ts";

/** MAP_SHARED. */
export const VMF_SHARED = 1;
/** Grows towards lower addresses on faults (the stack). */
export const VMF_GROWSDOWN = 2;
export const VMF_NORESERVE = 4;
/** mlock(2); ONFAULT: mlock2(MLOCK_ONFAULT). */
export const VMF_LOCKED = 8;
export const VMF_LOCKONFAULT = 16;
/** MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP. */
export const VMF_DONTFORK = 32;
export const VMF_WIPEONFORK = 64;
export const VMF_DONTDUMP = 128;
/** No large pages: MADV_NOHUGEPAGE, stacks. */
export const VMF_NOHUGE = 256;

/** Name of mappings with trampolines of patched call sites (patches.ts). */
export const USERTRAP = "[usertrap]";

/** A stack keeps this distance from the mapping below it (stack_guard_gap). */
export const STACK_GUARD: number = 256 * 4096;

/** One mapping as the guest asked for it (a line of /proc/PID/maps). */
export class Vma extends AddrNode {
  /** PROT_* now, and the most that mprotect may give. */
  prot = 0;
  maxProt = 7;
  /** VMF_* */
  flags = 0;
  /** Offset in the mappable of `start`. */
  offset: number = WIDE;
  /** What is mapped; null: private anonymous memory. The VMA is registered with it (addMapping) exactly once. */
  mappable: Mappable | null = null;
  /** The opened file, for show; one reference. */
  file: VmaFile | null = null;
  /** "[heap]", "[stack]", "[vdso]", "[vvar]" or "". */
  name = "";
  /** A file that is only read: a child of a fork asked for pages of it, so that children get them at once from then on. */
  forkUses = false;

  get isShared(): boolean {
    return (this.flags & VMF_SHARED) !== 0;
  }

  /** What a write to the mapping may do to the mappable. */
  get mayWriteShared(): boolean {
    return (this.flags & VMF_SHARED) !== 0 && (this.maxProt & PROT_WRITE) !== 0;
  }
}

/**
 * Pages that are there: guest [start, end) is `file` from `off` on, and the host mapping shows it with `prot`. Never
 * crosses a VMA boundary. Holds a reference on every page.
 */
export class Pma extends AddrNode {
  file: MappedFile;
  /** `file` when it is memory that the Sentry can touch, else null (a host file). */
  mem: MemoryFile | null;
  off: number = WIDE;
  /** Protection of the host mapping: what the guest can do without a fault. 0 also for PROT_NONE, and before the first use. */
  prot = 0;
  /** A write must copy first (or find that nobody else has the page). */
  cow = false;
  /** Private pages (anonymous, or copied from a file) as opposed to pages of the mappable. */
  anon = false;
  /** Shared mappings: what Mappable.translate allows so far. */
  maxProt = 7;
  /**
   * The host mapping is MAP_SHARED: guest code could give itself write permission there. Otherwise it is MAP_PRIVATE, and never
   * writable: nothing that a guest does to it reaches the pages. See {@link sharesPages}.
   */
  shared = false;
  /** Private pages that are likely to be written soon after a fork: that copies them at once. */
  hot = false;
  /** The host was asked for large pages here ({@link AddressSpace.adviseHuge}), as for all of it or for nothing. */
  huge = false;
  /** Nobody has accessed these pages, which are zeros, and the host does not show them yet: prot is 0. */
  untouched = false;

  constructor(file: MappedFile, mem: MemoryFile | null) {
    super();
    this.file = file;
    this.mem = mem;
  }
}

/** Whether pages are execute-only, as nothing but patched code is (patches.ts). */
export function isPatched(p: Pma): boolean {
  return p.prot === PROT_EXEC;
}

/** The memory file behind a mapped file, if the Sentry can touch it. */
export function memoryOf(file: MappedFile): MemoryFile | null {
  return file instanceof MemoryFile ? file : null;
}

/**
 * Protection of the host mapping of pages in a VMA with `vmaProt`. Writable and executable pages are readable on this
 * architecture, which has to be said: once the write bit is held back, and where the host could do otherwise.
 */
export function hostProt(vmaProt: number, cow: boolean, maxProt: number): number {
  let p = vmaProt & 7;
  if (p !== 0) p |= PROT_READ;
  if (cow || (maxProt & PROT_WRITE) === 0) p &= ~PROT_WRITE;
  return p;
}

/**
 * Whether the host mapping of pages may be MAP_SHARED: memory that the guest may write there now or after an mprotect, and all
 * memory of its own. What others have too, or what it may only read, must not depend on protections that guest code could change.
 */
export function sharesPages(
  mm: MemoryManager,
  vma: Vma,
  file: MappedFile,
  off: number,
  cow: boolean,
  maxProt: number,
): boolean {
  if (!cow && (maxProt & vma.maxProt & PROT_WRITE) !== 0) return true;
  return file === mm.memory && mm.memory.poolOf(off) === mm.pool;
}
