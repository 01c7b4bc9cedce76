/**
 * Types shared by mm, file systems and the page allocator: what can be mapped, and where its pages are.
 */
import type { HostBacking } from "../../platform/platform.ts";
import { WIDE } from "../../base/wide.ts";

export const PAGE_SIZE = 4096;

/**
 * A file whose pages guests can have mapped. Two kinds: memory files (with a window in the Sentry: kernel copies go
 * through it) and host files (window === null: the Sentry must use readAt/writeAt, since touching a mapping of a file
 * that somebody truncates is a fatal SIGBUS).
 */
export interface MappedFile {
  readonly backing: HostBacking;
  /** All of the file's address space as bytes, or null. */
  readonly window: Uint8Array | null;
  /** Reads/writes at a file offset; for windowless files. Bytes, 0 at the end, or -errno. */
  readAt(dst: Uint8Array, dstOff: number, len: number, offset: number): number;
  writeAt(src: Uint8Array, srcOff: number, len: number, offset: number): number;
  /** Page references: a mapping holds one on every page it maps, and may give back parts of a range. offset, len page-aligned. */
  incRef(offset: number, len: number): void;
  decRef(offset: number, len: number): void;
  /** True when exactly one reference is held on the page at `offset` (COW may then write in place). Host files: false. */
  isExclusive(offset: number): boolean;
}

/** Result holder of {@link Mappable.translate}: reused by the caller, so no allocation per call. */
export class Translation {
  file: MappedFile | null = null;
  /** Offset in `file` that corresponds to the asked offset. */
  offset: number = WIDE;
  /** Contiguous bytes available from there (>= PAGE_SIZE, page multiple). */
  len: number = WIDE;
  /** Highest protection with which the pages may be mapped (PROT_*): without PROT_WRITE a write fault asks again with write = true. */
  maxProt = 0;
}

/** Something mmap(2) can map: a regular file, shared memory, a device. Kept by a VMA with one reference. */
export interface Mappable {
  /**
   * Where the pages for file offsets [offset, offset+len) are (page-aligned; len is a wish: translate as much
   * contiguous range as is cheap). `write`: the mapping will be written (shared mappings only): allocate / mark dirty.
   * Returns 0, or -errno: EFAULT stands for "beyond the end of the file" (SIGBUS), ENOMEM, EIO.
   * Takes no page reference; the caller does (incRef) when it keeps the range.
   */
  translate(offset: number, len: number, write: boolean, out: Translation): number;
  /** A VMA covering [offset, offset+len) was added / removed; `writable` = shared and may be written (for msync, seals, ETXTBSY). */
  addMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void;
  removeMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void;
  /** msync(MS_SYNC) / final writeback. 0 or -errno. */
  syncRange(offset: number, len: number): number;
}

/** The mm side of a mapping: told when a file's pages change place or go away (truncate, copy-up). */
export interface MappingOwner {
  /** Drop all translations of the mappable for file offsets [offset, offset+len): they will be asked for again at the next fault. */
  invalidateMapping(mappable: Mappable, offset: number, len: number): void;
}
