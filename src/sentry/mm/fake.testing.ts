/** Doubles for tests: a platform whose address spaces record their mappings and can be read and written like guests do. */
import { ENOMEM } from "../../abi/errno.ts";
import type { AddressSpace, HostBacking, Platform, WaitResult } from "../../platform/platform.ts";
import { defaultLimits, type LimitSet } from "../limits/limits.ts";
import { type Mappable, type MappedFile, type MappingOwner, PAGE_SIZE, type Translation } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { MemoryFile, type MemoryStore, SingleFileProvider } from "../pgalloc/memory-file.ts";
import { MemoryManager, type MmEnv } from "./mm.ts";
import type { Pma } from "./vma.ts";

/** What one host page shows. */
export interface HostPage {
  backing: FakeBacking;
  offset: number;
  prot: number;
  shared: boolean;
  /** Large pages were asked for. */
  huge: boolean;
}

/** Bytes that can be mapped. */
export class FakeBacking implements HostBacking {
  readonly fd: number;
  platformFd = -1;
  bytes: Uint8Array;
  constructor(fd: number, bytes: Uint8Array) {
    this.fd = fd;
    this.bytes = bytes;
  }
}

/** Records operations; performs them on `pages` (by page number) at flush. */
export class FakeAddressSpace implements AddressSpace {
  readonly pages: Map<number, HostPage> = new Map();
  private queue: (() => void)[] = [];
  released = false;
  flushes = 0;
  /** Operations performed. */
  ops = 0;
  /** File pages of one backing that the guest can map by itself. */
  private windowed: HostBacking | null = null;
  readonly windows: Set<number> = new Set();
  /** What is queued is not for a guest thread. */
  private onlyHelper = false;
  /** How often the queue was left as it is while the guest runs. */
  postponed = 0;
  /** How often a thread got the queue. */
  handedOver = 0;
  /** When set, the next flush fails with it. */
  failWith = 0;
  owner: unknown = null;

  mapFile(
    addr: number,
    len: number,
    backing: HostBacking,
    offset: number,
    prot: number,
    shared: boolean,
    _populate: boolean,
  ): void {
    aligned(addr, len, offset);
    if (!shared && (prot & 2) !== 0) throw new Error("writable private host mapping");
    if (!shared || backing !== this.windowed || !this.windows.has(offset / PAGE_SIZE)) this.onlyHelper = true;
    this.queue.push(() => {
      for (let i = 0; i < len; i += PAGE_SIZE) {
        this.pages.set((addr + i) / PAGE_SIZE, {
          backing: backing as FakeBacking,
          offset: offset + i,
          prot,
          shared,
          huge: false,
        });
      }
    });
  }

  unmap(addr: number, len: number): void {
    aligned(addr, len, 0);
    const first = addr / PAGE_SIZE;
    const end = first + len / PAGE_SIZE;
    this.queue.push(() => {
      if (end - first > this.pages.size) {
        for (const p of this.pages.keys()) if (p >= first && p < end) this.pages.delete(p);
      } else for (let p = first; p < end; p++) this.pages.delete(p);
    });
  }

  clear(): void {
    this.closeWindows();
    this.queue.push(() => this.pages.clear());
  }

  addWindow(backing: HostBacking, offset: number, len: number): boolean {
    this.windowed = backing;
    for (let i = 0; i < len; i += PAGE_SIZE) this.windows.add((offset + i) / PAGE_SIZE);
    this.onlyHelper = true;
    return true;
  }

  closeWindows(): void {
    this.windows.clear();
    this.onlyHelper = true;
  }

  /** The thread is resumed at once. */
  handOver(_id: number): boolean {
    if (this.onlyHelper || this.windows.size === 0 || this.queue.length === 0) return false;
    this.handedOver++;
    this.perform();
    return true;
  }

  private perform(): void {
    const q = this.queue;
    this.queue = [];
    this.onlyHelper = false;
    for (const f of q) f();
    this.ops += q.length;
  }

  protect(addr: number, len: number, prot: number): void {
    aligned(addr, len, 0);
    this.queue.push(() => {
      for (let i = 0; i < len; i += PAGE_SIZE) {
        const p = this.pages.get((addr + i) / PAGE_SIZE);
        if (p === undefined) throw new Error("protect of a page that is not mapped");
        if (!p.shared && (prot & 2) !== 0) throw new Error("writable private host mapping");
        p.prot = prot;
      }
    });
  }

  adviseHuge(addr: number, len: number): void {
    aligned(addr, len, 0);
    this.onlyHelper = true;
    this.queue.push(() => {
      for (let i = 0; i < len; i += PAGE_SIZE) this.pages.get((addr + i) / PAGE_SIZE)!.huge = true;
    });
  }

  move(oldAddr: number, len: number, newAddr: number): void {
    aligned(oldAddr, len, newAddr);
    this.onlyHelper = true;
    if (oldAddr < newAddr + len && newAddr < oldAddr + len) throw new Error("move onto itself");
    this.queue.push(() => {
      const first = this.pages.get(oldAddr / PAGE_SIZE);
      for (let i = 0; i < len; i += PAGE_SIZE) {
        const p = this.pages.get((oldAddr + i) / PAGE_SIZE);
        if (p === undefined || first === undefined) throw new Error("move of a page that is not mapped");
        if (
          p.backing !== first.backing ||
          p.prot !== first.prot ||
          p.huge !== first.huge ||
          p.offset !== first.offset + i
        ) {
          throw new Error("move of more than one host mapping");
        }
        this.pages.delete((oldAddr + i) / PAGE_SIZE);
        this.pages.set((newAddr + i) / PAGE_SIZE, p);
      }
    });
  }

  flush(): number {
    this.flushes++;
    this.perform();
    const r = this.failWith;
    this.failWith = 0;
    return r;
  }

  get dirty(): boolean {
    return this.queue.length > 0;
  }

  get queued(): number {
    return this.queue.length;
  }

  postpone(): void {
    this.postponed++;
  }

  newContext(): number {
    return 0;
  }

  release(): void {
    this.released = true;
    this.queue = [];
    this.windows.clear();
    this.pages.clear();
  }

  /** What an access by guest code finds at once: the page, or null when it faults. */
  access(addr: number, prot: number): HostPage | null {
    const p = this.pages.get(Math.floor(addr / PAGE_SIZE));
    return p !== undefined && (p.prot & prot) === prot ? p : null;
  }
}

function aligned(...values: number[]): void {
  for (const v of values) if (v % PAGE_SIZE !== 0) throw new Error(`${v} is not page-aligned`);
}

/** Only address spaces. */
export class FakePlatform implements Platform {
  readonly name = "ptrace";
  readonly minAddress: number = 0x10000;
  readonly maxAddress: number = 0x7ffffffff000;
  readonly fpStateSize = 512;
  readonly regs: Uint32Array = new Uint32Array(64);
  readonly result: WaitResult = {
    stopped: new Int32Array(0),
    stoppedCount: 0,
    ready: new Int32Array(0),
    readyCount: 0,
  };
  readonly spaces: FakeAddressSpace[] = [];
  windowChunk = 0;
  failNew = false;
  newAddressSpace(): FakeAddressSpace | number {
    if (this.failNew) return -ENOMEM;
    const as = new FakeAddressSpace();
    this.spaces.push(as);
    return as;
  }
  resume(_id: number): void {}
  interrupt(_id: number): void {}
  releaseContext(_id: number): void {}
  getFpState(_id: number, _buf: Uint8Array, _off: number): number {
    return 0;
  }
  setFpState(_id: number, _buf: Uint8Array, _off: number): number {
    return 0;
  }
  copyFpState(_src: number, _dst: number): void {}
  resetFpState(_id: number): void {}
  wait(_timeoutNs: number): number {
    return 0;
  }
  watch(_fd: number, _events: number, _token: number): number {
    return 0;
  }
  rewatch(_fd: number, _events: number, _token: number): number {
    return 0;
  }
  unwatch(_fd: number): number {
    return 0;
  }
  forgetBacking(_backing: HostBacking): void {}
  shutdown(): void {}
}

/** A memory store in ordinary memory. */
export class FakeStore implements MemoryStore {
  readonly backing: FakeBacking;
  readonly window: Uint8Array;
  punches = 0;
  readonly hugeSize: number = 0;
  constructor(pages: number, hugeSize = 0) {
    this.hugeSize = hugeSize;
    this.window = new Uint8Array(pages * PAGE_SIZE);
    this.backing = new FakeBacking(3, this.window);
  }
  punch(offset: number, len: number): number {
    this.punches++;
    this.window.fill(0, offset, offset + len);
    return 0;
  }
}

/** One that tells which pages have something in them. */
export class SparseFakeStore extends FakeStore {
  nextData(offset: number): number {
    return this.next(offset, true);
  }
  nextHole(offset: number): number {
    return this.next(offset, false);
  }
  private next(offset: number, isData: boolean): number {
    const words = new Int32Array(this.window.buffer);
    for (let at = offset; at < this.window.length; at += PAGE_SIZE) {
      let all = 0;
      for (let i = at / 4; i < (at + PAGE_SIZE) / 4; i++) all |= words[i]!;
      if ((all !== 0) === isData) return at;
    }
    return Infinity;
  }
}

/** A host file: no window; mapped by its own fd. Also a Mappable of itself and the file that VMAs keep. */
export class FakeHostFile implements MappedFile, Mappable, VmaFile {
  readonly backing: FakeBacking;
  readonly window = null;
  size: number;
  /** Pages referenced by PMAs, mappings registered, references by VMAs. */
  pageRefs = 0;
  mappings = 0;
  mappedBytes = 0;
  refs = 0;
  reads = 0;
  syncs = 0;
  path = "/some/file";
  owner: MappingOwner | null = null;

  constructor(size: number) {
    this.size = size;
    const bytes = new Uint8Array(Math.ceil(size / PAGE_SIZE) * PAGE_SIZE);
    for (let i = 0; i < size; i++) bytes[i] = (i * 7 + Math.floor(i / PAGE_SIZE)) & 255;
    this.backing = new FakeBacking(10, bytes);
  }
  readAt(dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    this.reads++;
    const n = Math.max(0, Math.min(len, this.size - offset));
    dst.set(this.backing.bytes.subarray(offset, offset + n), dstOff);
    return n;
  }
  writeAt(src: Uint8Array, srcOff: number, len: number, offset: number): number {
    const n = Math.max(0, Math.min(len, this.size - offset));
    this.backing.bytes.set(src.subarray(srcOff, srcOff + n), offset);
    return n;
  }
  incRef(offset?: number, len?: number): void {
    if (offset === undefined || len === undefined) this.refs++;
    else this.pageRefs += len / PAGE_SIZE;
  }
  decRef(offset?: number, len?: number): void {
    if (offset === undefined || len === undefined) this.refs--;
    else this.pageRefs -= len / PAGE_SIZE;
  }
  isExclusive(_offset: number): boolean {
    return false;
  }
  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    const end = Math.ceil(this.size / PAGE_SIZE) * PAGE_SIZE;
    if (offset >= end) return -14;
    out.file = this;
    out.offset = offset;
    out.len = Math.min(len, end - offset);
    out.maxProt = 7;
    return 0;
  }
  addMapping(owner: MappingOwner, _addr: number, len: number, _offset: number, _writable: boolean): void {
    this.owner = owner;
    this.mappings++;
    this.mappedBytes += len;
  }
  removeMapping(_owner: MappingOwner, _addr: number, len: number, _offset: number, _writable: boolean): void {
    this.mappings--;
    this.mappedBytes -= len;
  }
  syncRange(_offset: number, _len: number): number {
    this.syncs++;
    return 0;
  }
  mapName(): string {
    return this.path;
  }
  mapDevMajor(): number {
    return 8;
  }
  mapDevMinor(): number {
    return 1;
  }
  mapIno(): number {
    return 42;
  }
  punchHole(_offset: number, _len: number): number {
    return 0;
  }
}

/** Everything that a memory manager needs, on `pages` pages of memory. */
export class FakeWorld {
  readonly platform: FakePlatform = new FakePlatform();
  readonly store: FakeStore;
  readonly memory: MemoryFile;
  readonly env: MmEnv;
  readonly limits: LimitSet = defaultLimits();

  constructor(pages: number, aslr = false, hugeSize = 0, isSparse = false) {
    this.store = isSparse ? new SparseFakeStore(pages, hugeSize) : new FakeStore(pages, hugeSize);
    this.memory = new MemoryFile(this.store);
    this.platform.windowChunk = this.memory.chunkPages * PAGE_SIZE;
    let seed = 12345;
    this.env = {
      memory: new SingleFileProvider(this.memory),
      aslr,
      random: {
        fill(buf: Uint8Array, off: number, len: number): void {
          for (let i = 0; i < len; i++) {
            seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
            buf[off + i] = seed >>> 16;
          }
        },
      },
    };
  }

  newMm(): MemoryManager {
    const mm = MemoryManager.create(this.platform, this.env, this.limits);
    if (typeof mm === "number") throw new Error(`no address space: ${mm}`);
    return mm;
  }
}

/** The host side of a memory manager of a {@link FakeWorld}. */
export function hostOf(mm: MemoryManager): FakeAddressSpace {
  return mm.as as FakeAddressSpace;
}

/**
 * A byte access by guest code, with faults as the kernel would serve them. The byte read (or written), or the -errno of
 * the fault.
 */
export function guestAccess(mm: MemoryManager, addr: number, write: boolean, value: number): number {
  const prot = write ? 2 : 1;
  for (let tries = 0; tries < 5; tries++) {
    if (mm.needsFlush) mm.handOver(0);
    const p = hostOf(mm).access(addr, prot);
    if (p !== null) {
      const at = p.offset + (addr % PAGE_SIZE);
      if (write) p.backing.bytes[at] = value;
      return p.backing.bytes[at]!;
    }
    const r = mm.handleFault(addr, prot);
    if (r < 0) return r;
  }
  throw new Error(`fault at ${addr.toString(16)} does not end`);
}

/**
 * That no page in which an address space has written since it was forked, and nothing that is shared, can be reached through
 * the windows of another one.
 */
function checkWindows(mm: MemoryManager, p: Pma): void {
  if (p.mem === null || (p.cow && !p.shared)) return;
  for (const space of (mm.platform as FakePlatform).spaces) {
    if (space === mm.as) continue;
    for (let a = p.off; a < p.off + (p.end - p.start); a += PAGE_SIZE) {
      if (space.windows.has(a / PAGE_SIZE)) throw new Error("memory in a window of another address space");
    }
  }
}

/** That PMAs, VMAs and (after a flush) host mappings agree. */
export function checkMm(mm: MemoryManager): void {
  mm.flush();
  const host = hostOf(mm);
  let pages = 0;
  for (let p = mm.pmas.first; p !== null; p = p.next) {
    checkWindows(mm, p);
    const v = mm.vmas.find(p.start);
    if (v === null || v.end < p.end) throw new Error("pages outside of a mapping");
    for (let a = p.start; a < p.end; a += PAGE_SIZE) {
      const h = host.pages.get(a / PAGE_SIZE);
      if (h === undefined) throw new Error(`page ${a.toString(16)} is not mapped on the host`);
      if (h.backing !== p.file.backing || h.offset !== p.off + (a - p.start))
        throw new Error("host shows another page");
      if (h.prot !== p.prot) throw new Error(`host protection ${h.prot}, ours ${p.prot}`);
      if (h.huge !== p.huge) throw new Error("large pages on the host, or not, unlike ours");
      if (h.shared !== p.shared) throw new Error("shared on the host, or not, unlike ours");
      // Guest code could make what is shared on the host writable.
      const pool = p.mem?.poolOf(h.offset);
      if (p.shared && p.cow && pool?.owned === true && pool !== mm.pool && !mm.oldPools.includes(pool)) {
        throw new Error("memory of another address space could be written");
      }
      if (!p.shared && (p.prot & 2) !== 0) throw new Error("writable private host mapping");
      if ((p.prot & 2) !== 0 && (p.cow || (v.prot & 2) === 0)) throw new Error("writable, but should not be");
      pages++;
    }
  }
  for (const { start, end, off } of mm.spares.list) {
    if (!mm.vmas.isFree(start, end) || !mm.pmas.isFree(start, end)) throw new Error("a spare range is in use");
    for (let a = start; a < end; a += PAGE_SIZE) {
      const h = host.pages.get(a / PAGE_SIZE);
      if (h === undefined || h.prot !== 0 || h.backing !== mm.memory.backing || h.offset !== off + (a - start)) {
        throw new Error("a spare range is not what it should be");
      }
      pages++;
    }
  }
  if (pages !== host.pages.size) throw new Error(`${host.pages.size} host pages, ${pages} of ours`);
  let total = 0;
  let data = 0;
  for (let v = mm.vmas.first; v !== null; v = v.next) {
    total += v.end - v.start;
    if ((v.prot & 2) !== 0 && (v.flags & 3) === 0) data += v.end - v.start;
  }
  if (total !== mm.totalVm || data !== mm.dataVm) throw new Error("accounts are wrong");
}
