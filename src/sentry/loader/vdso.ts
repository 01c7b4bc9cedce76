/** The vDSO: the image of native/vdso and its parameter page in sandbox memory, mapped into every program. */
import { EFAULT } from "../../abi/errno.ts";
import { MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ } from "../../abi/mman.ts";
import { type Mappable, type MappingOwner, PAGE_SIZE, type Translation } from "../memmap/memmap.ts";
import { type MemoryFile, MEM_SYSTEM, type MemoryManager, MmapOptions } from "../mm/mm.ts";
import type { PageLocation } from "../time/params.ts";
import type { Vdso } from "./loader.ts";
import { WIDE } from "../../base/wide.ts";

/** One page of parameters, then the image: the distance that the image was linked for. */
export class VdsoImage implements Vdso, Mappable {
  private readonly memory: MemoryFile;
  private readonly base: number = WIDE;
  private readonly len: number = WIDE;
  private readonly options: MmapOptions = new MmapOptions();

  private constructor(memory: MemoryFile, base: number, len: number) {
    this.memory = memory;
    this.base = base;
    this.len = len;
  }

  /** Puts the image (the bytes of build/vdso.so) into sandbox memory, or -ENOMEM. */
  static create(memory: MemoryFile, elf: Uint8Array): VdsoImage | number {
    const pages = 1 + Math.ceil(elf.length / PAGE_SIZE);
    const base = memory.allocate(pages * PAGE_SIZE, MEM_SYSTEM, true, -1);
    if (base < 0) return base;
    memory.window.set(elf, base + PAGE_SIZE);
    return new VdsoImage(memory, base, pages * PAGE_SIZE);
  }

  /** The parameter page, for HostClock.attach. */
  get paramsPage(): PageLocation {
    return { words: this.memory.words, view: this.memory.view, offset: this.base };
  }

  map(mm: MemoryManager): number {
    const at = mm.findRoom(this.len);
    if (at < 0) return at;
    let r = this.mapPart(mm, at, PAGE_SIZE, 0, PROT_READ, PROT_READ, "[vvar]");
    if (r < 0) return r;
    // Debuggers may write to their private copy of the code.
    r = this.mapPart(mm, at + PAGE_SIZE, this.len - PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_EXEC, 7, "[vdso]");
    return r < 0 ? r : at + PAGE_SIZE;
  }

  private mapPart(
    mm: MemoryManager,
    addr: number,
    len: number,
    offset: number,
    prot: number,
    maxProt: number,
    name: string,
  ): number {
    const o = this.options;
    o.clear();
    o.addr = addr;
    o.len = len;
    o.prot = prot;
    o.flags = MAP_PRIVATE | MAP_FIXED;
    o.mappable = this;
    o.offset = offset;
    o.maxProt = maxProt;
    o.name = name;
    return mm.mmap(o);
  }

  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    if (offset >= this.len) return -EFAULT;
    out.file = this.memory;
    out.offset = this.base + offset;
    out.len = Math.min(this.len - offset, Math.max(len, PAGE_SIZE));
    out.maxProt = PROT_READ | PROT_EXEC;
    return 0;
  }

  addMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {}
  removeMapping(_owner: MappingOwner, _addr: number, _len: number, _offset: number, _writable: boolean): void {}
  syncRange(_offset: number, _len: number): number {
    return 0;
  }
}
