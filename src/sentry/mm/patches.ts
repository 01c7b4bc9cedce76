/**
 * Patched system call sites of an address space (platform.ts says what a patch is): where they are, and how everything else
 * goes on as if they were not there.
 *
 * - A site is patched when it has trapped {@link HOT} times, in private memory that the guest may read and execute but not
 *   write. The page is never changed under running threads: they get another page in its place.
 * - A patched page is mapped execute-only (PMA protection PROT_EXEC alone, which nothing else has). Whoever reads it, the kernel
 *   on behalf of a guest or, where the processor has protection keys, the guest itself, gets the original bytes: the page is
 *   restored first, for good. Without protection keys a guest that reads its own code sees the jumps.
 * - The page is also restored before mprotect, mremap, MADV_DONTNEED and debuggers touch it; munmap and mmap forget it.
 * - Slots lie in mappings of their own, [usertrap]. They stay until the end, since threads may be on their way through them. A
 *   guest that unmaps one gets all of its code back, and no more patches.
 * - Addresses within slots are never shown: a thread that stops in one gets the address of the instruction it stands for.
 * - A child made by fork has the pages and slots of its parent, and makes new ones in mappings of its own.
 * - Single-stepping into a slot restores everything, and ends patching there.
 */
import { R_RAX, R_RCX, R_RIP, regU64, setReg } from "../../arch/amd64/registers.ts";
import { PROT_EXEC, PROT_READ } from "../../abi/mman.ts";
import type { CodePatcher, PatchPlan } from "../../platform/platform.ts";
import { CTX_ERR, CTX_SIGNO, CTX_TRAPNO } from "../../platform/platform.ts";
import { SIGSEGV } from "../../abi/signal.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { MEM_ANON } from "../pgalloc/memory-file.ts";
import { readPma } from "./access.ts";
import { fillAnon } from "./fault.ts";
import type { MemoryManager } from "./mm.ts";
import { dropPages, linkPages } from "./pmas.ts";
import { hostProt, isPatched, USERTRAP, type Vma } from "./vma.ts";
import { addVma } from "./vmas.ts";

/** Traps of a site until it is patched. */
const HOT = 16;
/** Sites that are counted at a time. */
const COUNTED_MAX = 4096;
/** Patches of one address space at most. */
const SITES_MAX = 2048;
const REGION_SIZE = 65536;
/** Slots lie at least this far below the code they serve, if there is room: what grows there should not meet them. */
const DISTANCE: number = 16 * 1024 * 1024;
/** Slots must be near the code. */
const REACH: number = 2 ** 31 - 64 * 1024 * 1024;
const PROT_CODE: number = PROT_READ | PROT_EXEC;

const TRAP_DEBUG = 1;
const TRAP_INVALID_OPCODE = 6;
const TRAP_PAGE_FAULT = 14;
const PF_FETCH = 16;

/** A patched site; never changes. */
interface Site {
  /** Address of its syscall instruction. */
  readonly call: number;
  readonly plan: PatchPlan;
  readonly slot: number;
  /** What was overwritten. */
  readonly original: Uint8Array;
}

/** A mapping full of slots. */
class Region {
  readonly start: number;
  /** By slot number. Copies have the same one: nobody is in a slot that came later. */
  readonly sites: (Site | null)[];
  /** Inherited: no new ones here. */
  readonly frozen: boolean;
  constructor(start: number, sites: (Site | null)[], frozen: boolean) {
    this.start = start;
    this.sites = sites;
    this.frozen = frozen;
  }
}

const code = new Uint8Array(PAGE_SIZE);

/** See the header. */
export class CodePatches {
  private readonly mm: MemoryManager;
  private readonly patcher: CodePatcher;
  /** Traps by the address behind the instruction; more than HOT: settled. */
  private readonly counts: Map<number, number> = new Map();
  /** Patched pages with their sites. */
  private pages: Map<number, readonly Site[]> = new Map();
  /** Pages that were restored once. */
  private spoilt: Set<number> = new Set();
  /** Sites whose patch covers the instruction behind the call, by that address. */
  private behind: Map<number, Site> = new Map();
  /** A parent or a child has the same three: {@link own}. */
  private isShared = false;
  private readonly regions: Region[] = [];
  private siteCount = 0;
  private disabled = false;

  constructor(mm: MemoryManager, patcher: CodePatcher) {
    this.mm = mm;
    this.patcher = patcher;
  }

  /** The thread whose registers start at regs[base] made a system call by a trap. @hot */
  noteTrap(regs: Uint32Array, base: number): void {
    if (this.fixRip(regs, base) || this.disabled) return;
    const rip = regU64(regs, base + R_RIP);
    const n = (this.counts.get(rip) ?? 0) + 1;
    if (n > HOT) return;
    if (n === 1 && this.counts.size >= COUNTED_MAX) this.counts.clear();
    this.counts.set(rip, n);
    if (n < HOT) return;
    this.counts.set(rip, HOT + 1);
    this.patch(rip - 2, regs[base + R_RAX]!);
  }

  /** Gives a thread that stopped in a slot the address that it stands for. True when it did. */
  fixRip(regs: Uint32Array, base: number): boolean {
    if (this.regions.length === 0) return false;
    const rip = regU64(regs, base + R_RIP);
    const native = this.nativeAddress(rip);
    if (native < 0) return false;
    setReg(regs, base + R_RIP, native);
    if (regU64(regs, base + R_RCX) === rip) setReg(regs, base + R_RCX, native);
    return true;
  }

  /** A thread faulted. True: it was for a patch, and the thread may go on. Otherwise its rip is one that the guest knows. */
  handleFault(regs: Uint32Array, base: number): boolean {
    if (this.regions.length === 0) return false;
    const trap = regs[base + CTX_TRAPNO]!;
    if (trap === TRAP_INVALID_OPCODE) {
      const site = this.behind.get(regU64(regs, base + R_RIP));
      if (site !== undefined && this.isPatchedAt(site.call)) {
        setReg(regs, base + R_RIP, site.slot + site.plan.cont);
        return true;
      }
    }
    if (!this.fixRip(regs, base)) return false;
    if (trap === TRAP_DEBUG) {
      this.disable();
      return true;
    }
    // A slot that is not there any more.
    return trap === TRAP_PAGE_FAULT && regs[base + CTX_SIGNO]! === SIGSEGV && (regs[base + CTX_ERR]! & PF_FETCH) !== 0;
  }

  /** Restores the patched pages in [start, end): they are about to be read, or their mapping is to change. */
  restore(start: number, end: number): void {
    if (this.pages.size === 0) return;
    for (const page of this.pagesIn(start, end)) this.restorePage(page);
    for (const region of this.regions) {
      if (region.start < end && region.start + REGION_SIZE > start) {
        this.disable();
        return;
      }
    }
  }

  /** The mappings of [start, end) go away. */
  forget(start: number, end: number): void {
    if (this.regions.length === 0) {
      if (this.counts.size > 0 && end - start >= PAGE_SIZE) this.counts.clear();
      return;
    }
    for (const page of this.pagesIn(start, end)) this.dropPage(page);
    if (this.spoilt.size > 0) {
      this.own();
      this.spoilt.clear();
    }
    this.counts.clear();
    for (const region of this.regions) {
      if (region.start < end && region.start + REGION_SIZE > start) {
        this.disable();
        return;
      }
    }
  }

  /** For the child of a fork, which has the same pages. */
  copyTo(child: MemoryManager): void {
    if (this.regions.length === 0 || this.disabled) return;
    const copy = new CodePatches(child, this.patcher);
    child.patches = copy;
    for (const r of this.regions) copy.regions.push(new Region(r.start, r.sites, true));
    copy.pages = this.pages;
    copy.behind = this.behind;
    copy.spoilt = this.spoilt;
    copy.isShared = this.isShared = true;
    copy.siteCount = this.siteCount;
  }

  /** Before what is known of pages changes. */
  private own(): void {
    if (!this.isShared) return;
    this.pages = new Map(this.pages);
    this.behind = new Map(this.behind);
    this.spoilt = new Set(this.spoilt);
    this.isShared = false;
  }

  private pagesIn(start: number, end: number): number[] {
    const list: number[] = [];
    for (const page of this.pages.keys()) if (page >= start && page < end) list.push(page);
    return list;
  }

  private isPatchedAt(addr: number): boolean {
    const p = this.mm.pmas.find(addr);
    return p !== null && isPatched(p);
  }

  /** Everything as it was, and no more patches. */
  private disable(): void {
    if (this.disabled) return;
    this.disabled = true;
    for (const page of this.pagesIn(0, Infinity)) this.restorePage(page);
  }

  /** The address in the guest's code for one in a slot, -1 when it is in none. */
  private nativeAddress(rip: number): number {
    for (const region of this.regions) {
      const at = rip - region.start;
      if (at < 0 || at >= REGION_SIZE) continue;
      const number = Math.floor(at / this.patcher.slotSize);
      const site = region.sites[number] ?? null;
      if (site === null) return -1;
      const { plan, call } = site;
      const off = at - number * this.patcher.slotSize;
      if (off <= -plan.start) return call + plan.start + off;
      if (off >= plan.cont) return call + 2 + Math.min(off - plan.cont, plan.after);
      return off === plan.trapEnd ? call + 2 : call;
    }
    return -1;
  }

  /** Patches the syscall instruction at `call` if that can be done. */
  private patch(call: number, nr: number): void {
    const { mm, patcher } = this;
    if (this.siteCount >= SITES_MAX) return;
    const at = call & (PAGE_SIZE - 1);
    const page = call - at;
    if (this.spoilt.has(page)) return;
    const vma = mm.vmas.find(page);
    if (vma === null || vma.isShared || vma.prot !== PROT_CODE || vma.name !== "") return;
    const p = mm.pmas.find(page);
    if (p === null || (p.prot & PROT_EXEC) === 0) return;
    if (readPma(p, p.off + (page - p.start), code, 0, PAGE_SIZE) < 0) return;
    const plan = patcher.plan(code, at, nr);
    if (plan === null) return;
    const start = call + plan.start;
    const sites = this.pages.get(page) ?? [];
    for (const s of sites) {
      // Neither what is overwritten nor what is copied may be part of another patch.
      const from = s.call + s.plan.start;
      if (start < from + s.plan.length && from < Math.max(start + plan.length, call + 2 + plan.after)) return;
    }
    const slot = this.takeSlot(vma, plan, call, at);
    if (slot === null) return;
    const first = at + plan.start;
    const original = code.slice(first, first + plan.length);
    patcher.writeJump(plan, code, at, call, slot.address);
    if (!this.replacePage(vma, page, PROT_EXEC)) return;
    const site: Site = { call, plan, slot: slot.address, original };
    slot.region.sites[slot.number] = site;
    this.own();
    this.pages.set(page, [...sites, site]);
    if (plan.after > 0) this.behind.set(call + 2, site);
    this.siteCount++;
  }

  /** Puts a page with the bytes of `code` in place of the one at `page`. */
  private replacePage(vma: Vma, page: number, prot: number): boolean {
    const { mm } = this;
    const off = mm.pool.allocate(PAGE_SIZE, MEM_ANON, false, -1);
    if (off < 0) return false;
    mm.memory.window.set(code, off);
    dropPages(mm, page, page + PAGE_SIZE, false);
    mm.as.mapFile(page, PAGE_SIZE, mm.memory.backing, off, prot, true, false);
    linkPages(mm, vma, page, PAGE_SIZE, mm.memory, off, prot, true, false, true, 7);
    return true;
  }

  private restorePage(page: number): void {
    const { mm } = this;
    const sites = this.pages.get(page)!;
    this.dropPage(page);
    this.spoilt.add(page);
    const vma = mm.vmas.find(page);
    const p = mm.pmas.find(page);
    if (vma === null || p === null || !isPatched(p)) return;
    if (readPma(p, p.off + (page - p.start), code, 0, PAGE_SIZE) < 0) return;
    for (const s of sites) code.set(s.original, s.call + s.plan.start - page);
    if (this.replacePage(vma, page, hostProt(vma.prot, false, 7))) return;
    // No memory for a second page: in the one there is, if it is ours alone; else the guest will see the jumps.
    if (p.mem !== null && p.mem.isExclusive(p.off + (page - p.start))) {
      p.mem.window.set(code, p.off + (page - p.start));
    }
    const off = p.off + (page - p.start);
    const { file, shared } = p;
    file.incRef(off, PAGE_SIZE);
    const prot = hostProt(vma.prot, false, 7);
    dropPages(mm, page, page + PAGE_SIZE, false);
    mm.as.mapFile(page, PAGE_SIZE, file.backing, off, prot, shared, false);
    linkPages(mm, vma, page, PAGE_SIZE, file, off, prot, shared, false, true, 7);
  }

  /** Forgets the sites of a page. Their slots stay, for threads that are in them. */
  private dropPage(page: number): void {
    this.own();
    for (const s of this.pages.get(page) ?? []) {
      if (this.behind.get(s.call + 2) === s) this.behind.delete(s.call + 2);
    }
    this.pages.delete(page);
  }

  /** A written slot for the site at `call`, whose code is around code[at]. */
  private takeSlot(
    vma: Vma,
    plan: PatchPlan,
    call: number,
    at: number,
  ): { region: Region; number: number; address: number } | null {
    const { patcher } = this;
    for (let made = false; ; made = true) {
      for (const region of this.regions) {
        if (region.frozen || Math.abs(region.start - call) > REACH) continue;
        for (let number = 0; number < region.sites.length; number++) {
          const address = region.start + number * patcher.slotSize;
          if (region.sites[number] !== null || !patcher.suits(plan, call, address)) continue;
          const p = this.mm.pmas.find(address);
          if (p === null || p.mem === null || !p.anon || p.end < address + patcher.slotSize) return null;
          patcher.writeSlot(plan, code, at, call, address, p.mem.window, p.off + (address - p.start));
          return { region, number, address };
        }
      }
      if (made || !this.addRegion(vma)) return null;
    }
  }

  /** Maps a new region near the code. */
  private addRegion(near: Vma): boolean {
    const { mm } = this;
    const lowest = Math.max(mm.minAddress, mm.platform.minAddress);
    const lo = Math.max(lowest, near.start - REACH);
    let start = mm.vmas.gapTopDown(REGION_SIZE, lo, Math.max(lo + REGION_SIZE, near.start - DISTANCE));
    if (start < 0) start = mm.vmas.gapTopDown(REGION_SIZE, lo, near.start);
    const hi = Math.min(mm.platform.maxAddress, near.start + REACH);
    if (start < 0) start = mm.vmas.gapBottomUp(REGION_SIZE, Math.min(near.end + DISTANCE, hi), hi);
    if (start < 0 || start + REGION_SIZE > hi || !mm.vmas.isFree(start, start + REGION_SIZE)) return false;
    const vma = addVma(mm, start, start + REGION_SIZE, PROT_CODE, PROT_CODE, 0, null, null, 0, USERTRAP);
    if (fillAnon(mm, vma, start, start + REGION_SIZE, false) < 0) return false;
    const count = REGION_SIZE / this.patcher.slotSize;
    this.regions.push(new Region(start, new Array<Site | null>(count).fill(null), false));
    return true;
  }
}
