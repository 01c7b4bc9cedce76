import type { VmaFile } from "../memmap/vma-file.ts";
import type { Mappable } from "../memmap/memmap.ts";

/** One mapping as the guest asked for it. */
export class Vma {
  start = 0;
  end = 0;
  /** PROT_* now, and the most that mprotect may give. */
  prot = 0;
  maxProt = 7;
  /** VMF_* */
  flags = 0;
  /** Offset in the mappable of `start`. */
  offset = 0;
  mappable: Mappable | null = null;
  file: VmaFile | null = null;
  /** "[heap]", "[stack]", "[vdso]", "[vvar]" or "". */
  name = "";
}
export const VMF_SHARED = 1;
export const VMF_GROWSDOWN = 2;
export const VMF_NORESERVE = 4;
export const VMF_LOCKED = 8;
export const VMF_DONTFORK = 16;
export const VMF_WIPEONFORK = 32;
