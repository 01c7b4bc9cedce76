/**
 * MemoryManager: one guest address space. This class is the face of the folder and holds its state; the work is in the
 * files beside it:
 *
 * - `addr-tree.ts` ordered ranges; `vma.ts` the two kinds of them; `vmas.ts`, `pmas.ts` primitive changes
 * - `map.ts` mmap, munmap, mprotect, brk; `remap.ts` mremap; `advise.ts` madvise, msync, mlock, mincore
 * - `fault.ts` bringing pages in, copy-on-write, stack growth
 * - `access.ts`, `io-seq.ts`, `atomic.ts` the kernel's own access
 * - `eagerness.ts` whether pages come with a mapping; `read-often.ts` file pages that the kernel reads again and again
 * - `host-changes.ts` host mappings and freed pages; `spares.ts` what was unmapped a moment ago
 * - `life.ts` fork and the end; `patches.ts` patched call sites
 *
 * Two trees: VMAs say what the guest asked for, PMAs which pages of which file are there. Every PMA is mapped on the host
 * with exactly `pma.prot`; where there is no PMA there is no host mapping. Host mappings change through the operation
 * queue of the platform's address space: before a context is resumed, `flush` must have been called when `needsFlush`.
 * Pages taken out of a mapping keep their reference until then, since guest threads may still reach them.
 */
import { EFAULT } from "../../abi/errno.ts";
import { MMAP_MIN_ADDR, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { ADDR_COMPAT_LAYOUT, ADDR_NO_RANDOMIZE } from "../../abi/prctl.ts";
import { RLIMIT_STACK } from "../../abi/resource.ts";
import type { AddressSpace, Platform } from "../../platform/platform.ts";
import type { LimitSet } from "../limits/limits.ts";
import { type Mappable, type MappedFile, type MappingOwner, PAGE_SIZE } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { MEM_SYSTEM, MemoryFile, type MemoryProvider } from "../pgalloc/memory-file.ts";
import type { PagePool } from "../pgalloc/page-pool.ts";
import type { IoSequence } from "../usermem/io.ts";
import * as access from "./access.ts";
import { AddrTree } from "./addr-tree.ts";
import * as advise from "./advise.ts";
import { FutexLocation, MmapOptions } from "./arguments.ts";
import * as atomic from "./atomic.ts";
import { Eagerness } from "./eagerness.ts";
import { faultIn, noteStuck, ownPages } from "./fault.ts";
import { HostChanges } from "./host-changes.ts";
import * as ioSeq from "./io-seq.ts";
import {
  abandon,
  copyAddressSpace,
  invalidate,
  LateReleases,
  leaveFiles,
  partCompany,
  releaseAddressSpace,
} from "./life.ts";
import * as map from "./map.ts";
import { PendingSpace } from "./pending-space.ts";
import { CodePatches } from "./patches.ts";
import { mremap } from "./remap.ts";
import { ReadOften } from "./read-often.ts";
import { SpareRanges } from "./spares.ts";
import { type Pma, STACK_GUARD, type Vma } from "./vma.ts";
import { WIDE } from "../../base/wide.ts";

const TWO32 = 4294967296;
/** TASK_SIZE of amd64 with four-level page tables. */
const TASK_SIZE: number = 2 ** 47 - PAGE_SIZE;
/** The space below the stack that mmap leaves free: at least, and at most as a part of everything. */
const MIN_STACK_GAP = 128 * 1024 * 1024;
/** Pages of randomness: mmap (28 bits), stack (22), brk (13). */
const MMAP_RANDOM_PAGES: number = 2 ** 28;
const STACK_RANDOM_PAGES: number = 2 ** 22;

/** What a memory manager takes from its surroundings. */
export interface MmEnv {
  readonly memory: MemoryProvider;
  /** Randomness for address space layout: fills buf[off .. off+len). */
  readonly random: { fill(buf: Uint8Array, off: number, len: number): void };
  /** Takes address spaces without users, if they need not be gone at once. */
  readonly late?: LateReleases;
  /** False: addresses are the same every time. */
  readonly aslr: boolean;
}

/** One guest address space. */
export class MemoryManager implements MappingOwner {
  readonly platform: Platform;
  as: AddressSpace;
  readonly env: MmEnv;
  /** Limits in force (RLIMIT_AS, DATA, STACK, MEMLOCK): the process's own set; the kernel may replace it. */
  limits: LimitSet;
  /** Unique number. */
  readonly id: number = atomic.newId();
  users = 1;
  /** Somebody else used it, too, now or earlier. */
  wasShared = false;

  startCode: number = WIDE;
  endCode: number = WIDE;
  startData: number = WIDE;
  endData: number = WIDE;
  brkStart: number = WIDE;
  brkEnd: number = WIDE;
  stackStart: number = WIDE;
  argStart: number = WIDE;
  argEnd: number = WIDE;
  envStart: number = WIDE;
  envEnd: number = WIDE;
  /** The auxiliary vector as the program got it (/proc/PID/auxv). */
  auxv: Uint8Array = new Uint8Array(0);
  /** Threads whose CPU time is not yet accounted: kernel/cpu-time.ts. */
  runners: unknown[] = [];
  /** The executable: one reference, see {@link setExe}. */
  exe: VmaFile | null = null;

  /** Bytes: all mappings / private writable / stack / executable files / locked. */
  totalVm: number = WIDE;
  dataVm: number = WIDE;
  stackVm: number = WIDE;
  execVm: number = WIDE;
  lockedVm = 0;
  /** Resident bytes by kind: private, host files, shared memory and page cache. */
  rssAnon: number = WIDE;
  rssFile: number = WIDE;
  rssShmem: number = WIDE;

  // --- internal state, for the files of this folder ---
  readonly vmas: AddrTree<Vma> = new AddrTree<Vma>();
  readonly pmas: AddrTree<Pma> = new AddrTree<Pma>();
  /** Where private memory comes from. */
  readonly memory: MemoryFile;
  /** The pages of it that only this address space gets; and earlier ones, of which it still has some: {@link partCompany}. */
  pool: PagePool;
  readonly oldPools: PagePool[] = [];
  /** What was unmapped a moment ago. */
  readonly spares: SpareRanges = new SpareRanges();
  /** Whether new private memory gets its pages at once. */
  readonly eagerness: Eagerness = new Eagerness();
  /** Pages of files that system calls take names and tables from. */
  readonly readOften: ReadOften = new ReadOften();
  /** It has been forked, so that others may have pages of its pool. */
  sharesPool = false;
  readonly taskSize: number = TASK_SIZE;
  /** Nothing is mapped below; top of the top-down area; bottom of the area used when that is full. */
  minAddress: number = MMAP_MIN_ADDR;
  mmapBase: number = WIDE;
  mmapBottom: number = WIDE;
  /** mmap looks from `mmapBottom` up in the first place (personality ADDR_COMPAT_LAYOUT). */
  isBottomUp: boolean;
  /** Places are chosen at random. */
  private readonly isRandom: boolean;
  /** Highest address of the stack. */
  stackTop: number = WIDE;
  /** VMF_LOCKED and VMF_LOCKONFAULT for coming mappings (mlockall(MCL_FUTURE)); RLIMIT_MEMLOCK does not count. */
  lockFuture = 0;
  lockPrivileged = false;
  /** Patched call sites; null where the platform has no use for them, or none were seen yet. */
  patches: CodePatches | null = null;
  /** The PMA that the kernel used last; one that left the tree has start = end = 0. */
  lastPma: Pma | null = null;
  /** Last copy-on-write window, and how many in a row were neighbours. */
  lastCowStart: number = WIDE;
  lastCowEnd: number = WIDE;
  cowRun = 0;
  /** How often it was forked. */
  forks = 0;
  /** What it is a copy of, as long as it lives. */
  origin: MemoryManager | null = null;
  /** Guest faults in a row on a page that is there. */
  stuckPage = -1;
  stuckCount = 0;
  /** Page references to give back, and windows. */
  readonly changes: HostChanges = new HostChanges();
  /** Result of readI64, atomicLoad32, atomicCas32, atomicRmw32. */
  value: number = WIDE;

  /** Takes over `as`. See also {@link MemoryManager.create}. `personality`: personality(2), whose ADDR_* flags count. */
  constructor(platform: Platform, as: AddressSpace, env: MmEnv, limits: LimitSet, personality = 0) {
    this.platform = platform;
    this.as = as;
    this.env = env;
    this.limits = limits;
    this.isBottomUp = (personality & ADDR_COMPAT_LAYOUT) !== 0;
    this.isRandom = env.aslr && (personality & ADDR_NO_RANDOMIZE) === 0;
    this.memory = env.memory.privateFile();
    this.pool = this.memory.openPool();
    this.layOut();
  }

  /** A new, empty one in a new host address space, or -errno. */
  static create(platform: Platform, env: MmEnv, limits: LimitSet): MemoryManager | number {
    const as = platform.newAddressSpace();
    return typeof as === "number" ? as : new MemoryManager(platform, as, env, limits);
  }

  /** One without a host address space yet, for a program that is being loaded: {@link settle}. */
  static createPending(platform: Platform, env: MmEnv, limits: LimitSet, personality: number): MemoryManager {
    return new MemoryManager(platform, new PendingSpace(), env, limits, personality);
  }

  /** A pending one gets its (empty) host address space; what was mapped so far is queued. */
  settle(as: AddressSpace): void {
    if (this.as instanceof PendingSpace) this.as.replay(as);
    this.as = as;
    this.changes.expectMore();
  }

  /** Parts with the host address space; everything will be unmapped in it by its next flush, before pages are freed here. */
  giveUpSpace(): AddressSpace {
    const { as } = this;
    as.clear();
    this.as = new PendingSpace();
    return as;
  }

  /** Chooses where the stack ends and where mmap starts (mmap_base, randomize_stack_top). */
  private layOut(): void {
    const hi = this.platform.maxAddress;
    const lo = Math.max(this.minAddress, this.platform.minAddress);
    // A platform with little room gets less randomness.
    const shrink = Math.min(1, (hi - lo) / TASK_SIZE);
    const stackRandom = Math.floor(STACK_RANDOM_PAGES * shrink);
    const mmapRandom = Math.floor(MMAP_RANDOM_PAGES * shrink);
    this.stackTop = hi - this.randomPages(stackRandom) * PAGE_SIZE;
    const limit = this.limits.get(RLIMIT_STACK);
    let gap = (limit === Infinity ? 0 : map.pageUp(limit)) + STACK_GUARD + (hi - this.stackTop);
    gap = Math.min(Math.max(gap, Math.floor(MIN_STACK_GAP * shrink)), Math.floor((hi / 6) * 5));
    const base = hi - gap - this.randomPages(mmapRandom) * PAGE_SIZE;
    this.mmapBase = Math.max(lo, base - (base & (PAGE_SIZE - 1)));
    const bottom = Math.floor(hi / 3) + (this.isBottomUp ? this.randomPages(mmapRandom) * PAGE_SIZE : 0);
    this.mmapBottom = Math.max(lo, bottom - (bottom & (PAGE_SIZE - 1)));
  }

  /** A random number below n (<= 2^28), 0 without ASLR. */
  randomPages(n: number): number {
    if (!this.isRandom || n < 1) return 0;
    this.env.random.fill(access.small, 0, 4);
    return Math.floor((access.smallU32(0) / TWO32) * n);
  }

  /** Sets the executable, taking a reference. */
  setExe(file: VmaFile | null): void {
    if (file !== null) file.incRef();
    if (this.exe !== null) this.exe.decRef();
    this.exe = file;
  }

  // --- kernel access to guest memory ---

  /** Bytes copied (may be fewer than len), or -EFAULT when none. */
  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number {
    return access.copyIn(this, addr, dst, off, len);
  }
  copyOut(addr: number, src: Uint8Array, off: number, len: number): number {
    return access.copyOut(this, addr, src, off, len);
  }
  /** 0 or -EFAULT. */
  copyInExact(addr: number, dst: Uint8Array, off: number, len: number): number {
    return access.copyIn(this, addr, dst, off, len) === len ? 0 : -EFAULT;
  }
  copyOutExact(addr: number, src: Uint8Array, off: number, len: number): number {
    return access.copyOut(this, addr, src, off, len) === len ? 0 : -EFAULT;
  }
  /** As ptrace(2) and /proc/PID/mem access memory: protection does not matter; private mappings are copied on write. */
  forceRead(addr: number, dst: Uint8Array, off: number, len: number): number {
    return access.force(this, addr, dst, off, len, false);
  }
  forceWrite(addr: number, src: Uint8Array, off: number, len: number): number {
    return access.force(this, addr, src, off, len, true);
  }
  /** Bytes zeroed, or -EFAULT when none. */
  zeroOut(addr: number, len: number): number {
    return access.zeroOut(this, addr, len);
  }
  /** A NUL-terminated latin1 string; -EFAULT; -ENAMETOOLONG when there is no NUL within maxLen bytes. */
  writablePiece(addr: number, len: number): Pma | null {
    return access.writablePiece(this, addr, len);
  }
  copyInString(addr: number, maxLen: number): string | number {
    return access.copyInString(this, addr, maxLen);
  }
  /** Little-endian values: the value (>= 0), or -EFAULT. A u64 is rounded above 2^53. */
  readU32(addr: number): number {
    return access.readU32(this, addr);
  }
  readPtr(addr: number): number {
    return access.readPtr(this, addr);
  }
  /** 0 or -EFAULT. `v`: below 2^53 for pointers, within +-2^53 for i64. */
  writeU32(addr: number, v: number): number {
    return access.writeU32(this, addr, v);
  }
  writePtr(addr: number, v: number): number {
    return access.writeWords(this, addr, v % TWO32, Math.floor(v / TWO32));
  }
  writeI64(addr: number, v: number): number {
    const hi = Math.floor(v / TWO32);
    return access.writeWords(this, addr, v - hi * TWO32, hi);
  }
  /** A signed 64-bit value into {@link value} (rounded beyond +-2^53): 0 or -EFAULT. */
  readI64(addr: number): number {
    if (access.readSmall(this, addr, 8) < 0) return -EFAULT;
    this.value = (access.smallU32(4) | 0) * TWO32 + access.smallU32(0);
    return 0;
  }
  /** Appends the accessible prefix of the range to seq: bytes appended, or -EFAULT if none. `write`: guest memory will be written. */
  ioSequence(addr: number, len: number, write: boolean, seq: IoSequence): number {
    return ioSeq.ioSequence(this, addr, len, write, seq);
  }
  /** Reads a struct iovec array (readv(2) rules: -EINVAL) and appends its ranges. Bytes appended or -errno. */
  ioVector(iovAddr: number, iovCount: number, write: boolean, seq: IoSequence): number {
    return ioSeq.ioVector(this, iovAddr, iovCount, write, seq);
  }
  /** Puts bounced bytes in place; 0 or -errno. Call after the I/O on every sequence obtained with write = true. */
  finishIo(seq: IoSequence): number {
    return ioSeq.finishIo(seq);
  }

  // --- futexes ---

  /** Finds the identity of the word at addr. `shared`: no FUTEX_PRIVATE_FLAG. 0, -EINVAL (unaligned) or -EFAULT. */
  futexLocate(addr: number, shared: boolean, out: FutexLocation): number {
    return atomic.futexLocate(this, addr, shared, out);
  }
  /** The 4-aligned word into {@link value} as u32: 0 or -EFAULT. */
  atomicLoad32(addr: number): number {
    return atomic.atomicLoad32(this, addr);
  }
  /** Compare and exchange; the old word into {@link value} (u32). 0 or -EFAULT. */
  atomicCas32(addr: number, expected: number, desired: number): number {
    return atomic.atomicCas32(this, addr, expected, desired);
  }
  /** FUTEX_OP_* (0 set, 1 add, 2 or, 3 andn, 4 xor); the old word into {@link value} (u32). 0, -EINVAL or -EFAULT. */
  atomicRmw32(addr: number, op: number, operand: number): number {
    return atomic.atomicRmw32(this, addr, op, operand);
  }

  // --- faults ---

  /**
   * A page fault of the guest (trapno 14 only) at addr; access: the PROT_* bit that was wanted. 0: resume.
   * -EFAULT: SIGSEGV/SEGV_MAPERR, -EACCES: SIGSEGV/SEGV_ACCERR, -EIO or -ENOMEM: SIGBUS/BUS_ADRERR.
   * @hot
   */
  handleFault(addr: number, wanted: number): number {
    const page = addr - (addr & (PAGE_SIZE - 1));
    const p = this.pmas.find(page);
    if (p !== null && (p.prot & wanted) !== 0) return noteStuck(this, p, page);
    this.stuckPage = -1;
    // Where the host was not to show pages (spares.ts), ptrace takes every access for a write; a real one faults again.
    const isGuess = wanted === PROT_WRITE && p !== null && p.prot === 0 && !this.isWritable(addr);
    return faultIn(this, addr, isGuess ? PROT_READ : wanted, 1, false);
  }

  private isWritable(addr: number): boolean {
    const vma = this.vmas.find(addr);
    return vma !== null && (vma.prot & PROT_WRITE) !== 0;
  }

  /** A thread with its registers at regs[base] made a system call by a trap that could be patched. @hot */
  noteTrap(regs: Uint32Array, base: number): void {
    if (this.patches === null) {
      const { patcher } = this.platform;
      if (patcher === null || patcher === undefined) return;
      this.patches = new CodePatches(this, patcher);
    }
    this.patches.noteTrap(regs, base);
  }

  // --- mappings: address / 0, or -errno ---

  mmap(o: MmapOptions): number {
    return map.mmap(this, o);
  }
  munmap(addr: number, len: number): number {
    return map.munmap(this, addr, len);
  }
  mprotect(addr: number, len: number, prot: number, implied = 0): number {
    return map.mprotect(this, addr, len, prot, implied);
  }
  mremap(addr: number, oldLen: number, newLen: number, flags: number, newAddr: number): number {
    return mremap(this, addr, oldLen, newLen, flags, newAddr);
  }
  madvise(addr: number, len: number, advice: number): number {
    return advise.madvise(this, addr, len, advice);
  }
  /** Gives the anonymous mappings of a range a name in /proc/PID/maps, "" for none. 0 or -errno. */
  nameAnon(addr: number, len: number, name: string): number {
    return advise.nameAnon(this, addr, len, name);
  }
  /** brk(2) as the system call: the new (or unchanged) break. */
  brk(addr: number, implied = 0): number {
    return map.brk(this, addr, implied);
  }
  msync(addr: number, len: number, flags: number): number {
    return advise.msync(this, addr, len, flags);
  }
  /** `privileged`: CAP_IPC_LOCK. flags: MLOCK_ONFAULT. */
  mlock(addr: number, len: number, flags: number, privileged: boolean): number {
    return advise.mlock(this, addr, len, flags, privileged);
  }
  munlock(addr: number, len: number): number {
    return advise.munlock(this, addr, len);
  }
  mlockall(flags: number, privileged: boolean): number {
    return advise.mlockall(this, flags, privileged);
  }
  munlockall(): number {
    return advise.munlockall(this);
  }
  /** One byte per page into guest memory at vec. */
  mincore(addr: number, len: number, vec: number): number {
    return advise.mincore(this, addr, len, vec);
  }
  /** The initial stack: `size` bytes below {@link stackTop}. 0 or -errno. */
  mapStack(size: number, prot: number): number {
    return map.mapStack(this, this.stackTop, size, prot);
  }
  /** Free room of `len` bytes where mmap would put it (nothing is mapped there yet): its address, or -ENOMEM. */
  findRoom(len: number): number {
    return map.chooseAddress(this, 0, map.pageUp(len), 0);
  }
  /** Sets where the heap begins (end of the program's bss). */
  setBrk(start: number): void {
    this.brkStart = start;
    this.brkEnd = start;
  }

  // --- life ---

  /**
   * fork(2): a copy in `childAs`, everything private copy-on-write on both sides. The child is to be flushed before it runs. On
   * failure the caller still has `childAs`, with nothing in it. `sp`: the caller's stack pointer, a hint.
   */
  fork(childAs: AddressSpace, childLimits: LimitSet, sp = 0): MemoryManager | number {
    const child = new MemoryManager(this.platform, childAs, this.env, childLimits);
    child.startCode = this.startCode;
    child.endCode = this.endCode;
    child.startData = this.startData;
    child.endData = this.endData;
    child.brkStart = this.brkStart;
    child.brkEnd = this.brkEnd;
    child.stackStart = this.stackStart;
    child.argStart = this.argStart;
    child.argEnd = this.argEnd;
    child.envStart = this.envStart;
    child.envEnd = this.envEnd;
    child.auxv = this.auxv;
    child.minAddress = this.minAddress;
    child.mmapBase = this.mmapBase;
    child.mmapBottom = this.mmapBottom;
    child.isBottomUp = this.isBottomUp;
    child.stackTop = this.stackTop;
    child.setExe(this.exe);
    const r = copyAddressSpace(this, child, sp);
    if (r < 0) {
      abandon(child);
      child.setExe(null);
      return r;
    }
    return child;
  }

  /** Something must be flushed before a context of this address space is resumed. */
  get needsFlush(): boolean {
    return this.changes.waits(this);
  }

  /**
   * As {@link flush}, but leaves the queue to the thread of context `ctx`, which is about to be resumed, where that is safe: when
   * no page is freed that somebody else could get. 0, or -errno as flush gives it.
   * @hot
   */
  handOver(ctx: number): number {
    return this.changes.handOver(this, ctx);
  }

  /**
   * Performs the queued mapping operations, then frees pages that no host mapping shows any more. 0, or -errno: the host
   * could not do one of them, so that the address space is not what it should be and its processes must be killed.
   */
  flush(): number {
    return this.changes.flush(this);
  }

  /**
   * The rights of a task with this address space changed. What its threads could do to pages that others got by fork must not
   * rest on rights from before: windows onto them are closed, and their mappings become such that nobody can make them writable.
   */
  partCompany(): void {
    if (this.sharesPool) partCompany(this);
  }

  /** Gets copies of its own of all pages that another address space could still write to. 0 or -ENOMEM. */
  ownPages(): number {
    return ownPages(this);
  }

  /** Goes on with another pool and no windows. */
  changePool(): void {
    this.spares.drop(this, 0, Infinity, false);
    this.changes.closeWindows(this);
    this.pool.retire();
    this.oldPools.push(this.pool);
    this.pool = this.memory.openPool();
    this.sharesPool = false;
  }

  incUsers(): void {
    this.wasShared = true;
    this.users++;
  }

  /**
   * Last user gone: files are given back, everything is unmapped, the host address space released (its contexts must have been
   * released); late, if the environment has a list for that.
   */
  decUsers(): void {
    if (--this.users > 0) return;
    leaveFiles(this);
    const { late } = this.env;
    if (late === undefined) releaseAddressSpace(this);
    else late.add(this);
  }

  invalidateMapping(mappable: Mappable, offset: number, len: number): void {
    invalidate(this, mappable, offset, len);
  }

  /** Notes page references that are given back after the next flush. */
  deferFree(file: MappedFile, off: number, len: number): void {
    this.changes.deferFree(file, off, len);
  }

  /** The memory files that pages of this address space come from. */
  filesOfPages(): MemoryFile[] {
    const shared = this.env.memory.sharedFile();
    return shared === this.memory ? [this.memory] : [this.memory, shared];
  }

  // --- for /proc ---

  /** Calls fn for every mapping, lowest first, until it returns false. fn must not change mappings. */
  forEachVma(fn: (vma: Vma) => boolean): void {
    for (let v = this.vmas.first; v !== null; v = v.next) if (!fn(v)) return;
  }

  /** Resident bytes of all kinds. */
  residentBytes(): number {
    return this.rssAnon + this.rssFile + this.rssShmem;
  }
}

export { FutexLocation, LateReleases, MEM_SYSTEM, MemoryFile, type MemoryProvider, MmapOptions };
