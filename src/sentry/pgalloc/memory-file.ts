/** skeleton; filled in next */
import type { HostBacking } from "../../platform/platform.ts";
import type { MappedFile } from "../memmap/memmap.ts";

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
  /** The whole file as bytes; its length (a page multiple) is the file's size. */
  readonly window: Uint8Array;
  /** Gives the host's memory of [offset, offset+len) back; it reads as zeros afterwards. 0 or -errno. */
  punch(offset: number, len: number): number;
}

/** A file of pages. Offsets and lengths are page multiples. */
export class MemoryFile implements MappedFile {
  readonly store: MemoryStore;
  readonly backing: HostBacking;
  readonly window: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
  constructor(store: MemoryStore) {
    this.store = store;
    this.backing = store.backing;
    this.window = store.window;
    this.view = new DataView(store.window.buffer, store.window.byteOffset, store.window.byteLength);
    this.words = new Int32Array(store.window.buffer, store.window.byteOffset, store.window.byteLength / 4);
  }
  /**
   * A contiguous range of `len` bytes, every page with one reference. `zeroed` false: the contents may be anything (the
   * caller overwrites them at once). `hint` >= 0: preferred offset. Returns the offset or -ENOMEM.
   */
  allocate(_len: number, _kind: number, _zeroed: boolean, _hint: number): number {
    return -12;
  }
  incRef(_offset: number, _len: number): void {}
  /** Drops one reference on each page; pages without references are freed at once. */
  decRef(_offset: number, _len: number): void {}
  isExclusive(_offset: number): boolean {
    return false;
  }
  /** Makes a range that the caller owns read as zeros, giving its memory back to the host. */
  decommit(_offset: number, _len: number): void {}
  readAt(_dst: Uint8Array, _dstOff: number, _len: number, _offset: number): number {
    return 0;
  }
  writeAt(_src: Uint8Array, _srcOff: number, _len: number, _offset: number): number {
    return 0;
  }
  /** Bytes allocated, by MEM_* kind. */
  usage(_kind: number): number {
    return 0;
  }
}
