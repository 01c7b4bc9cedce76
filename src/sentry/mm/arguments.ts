/** Arguments and results of a memory manager's calls. */
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { WIDE } from "../../base/wide.ts";

/** Arguments of MemoryManager.mmap; reusable. */
export class MmapOptions {
  addr: number = WIDE;
  len: number = WIDE;
  prot = 0;
  /** MAP_* */
  flags = 0;
  /** File mappings: what is mapped, and the opened file that the VMA keeps (a reference is taken). */
  mappable: Mappable | null = null;
  file: VmaFile | null = null;
  offset: number = WIDE;
  /** Most that mprotect may give later: without PROT_WRITE for a shared mapping of a file not open for writing. */
  maxProt = 7;
  /** For [vdso] and the like. */
  name = "";

  /** Back to the defaults. */
  clear(): void {
    this.addr = 0;
    this.len = 0;
    this.prot = 0;
    this.flags = 0;
    this.mappable = null;
    this.file = null;
    this.offset = 0;
    this.maxProt = 7;
    this.name = "";
  }
}

/** Where a futex word lives; equal (id, offset) mean the same word. Filled by MemoryManager.futexLocate. */
export class FutexLocation {
  /** Identity of the address space (private) or of the shared object; both from one number space. */
  id = 0;
  offset: number = WIDE;
}
