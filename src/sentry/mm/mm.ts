/** MemoryManager: skeleton of the public face; filled in next. */
import type { AddressSpace, Platform } from "../../platform/platform.ts";
import type { LimitSet } from "../limits/limits.ts";
import type { Mappable, MappingOwner } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import type { MemoryFile } from "../pgalloc/memory-file.ts";
import type { IoSequence } from "../usermem/io.ts";
import type { Vma } from "./vma.ts";

/** Where memory files come from. */
export interface MemoryProvider {
  /** For private anonymous memory of one address space. */
  privateFile(): MemoryFile;
  /** For memory that several address spaces share, page cache, tmpfs. */
  sharedFile(): MemoryFile;
}

/** What a memory manager takes from its surroundings. */
export interface MmEnv {
  readonly memory: MemoryProvider;
  /** getrandom(2) for address space layout: fills buf[off .. off+len). */
  readonly random: { fill(buf: Uint8Array, off: number, len: number): void };
  /** False: addresses are the same every time (personality ADDR_NO_RANDOMIZE). */
  readonly aslr: boolean;
}

/** Arguments of {@link MemoryManager.mmap}; reusable. */
export class MmapOptions {
  addr = 0;
  len = 0;
  prot = 0;
  /** MAP_* */
  flags = 0;
  /** File mappings: what is mapped, and the opened file that the VMA keeps (a reference is taken). */
  mappable: Mappable | null = null;
  file: VmaFile | null = null;
  offset = 0;
  /** Most that mprotect may give later: PROT_WRITE is absent for a shared mapping of a file not open for writing. */
  maxProt = 7;
  /** For [vdso] and the like. */
  name = "";
}

/** Where a futex word lives; equal (id, offset) mean the same word. Filled by {@link MemoryManager.futexLocate}. */
export class FutexLocation {
  /** Identity of the address space (private) or of the shared object; both from one number space. */
  id = 0;
  offset = 0;
}

/** One guest address space. */
export class MemoryManager implements MappingOwner {
  readonly platform: Platform;
  readonly as: AddressSpace;
  readonly env: MmEnv;
  /** Limits in force (RLIMIT_AS, DATA, STACK, MEMLOCK): the process's own set; the kernel may replace it. */
  limits: LimitSet;
  /** Unique number. */
  readonly id: number = 0;
  users = 1;

  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  brkStart = 0;
  brkEnd = 0;
  stackStart = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** The auxiliary vector as the program got it (/proc/PID/auxv). */
  auxv: Uint8Array = new Uint8Array(0);
  /** The executable: holds a reference. */
  exe: VmaFile | null = null;
  /** Bytes: mapped / private writable / stack / executable / locked / file-backed. */
  totalVm = 0;
  dataVm = 0;
  stackVm = 0;
  execVm = 0;
  lockedVm = 0;
  /** MLOCK state for later mappings: mlockall(MCL_FUTURE). */
  lockFuture = false;

  /** Use {@link MemoryManager.create} unless an address space is at hand. */
  constructor(platform: Platform, as: AddressSpace, env: MmEnv, limits: LimitSet) {
    this.platform = platform;
    this.as = as;
    this.env = env;
    this.limits = limits;
  }
  /** A new, empty one in a new host address space, or -errno. */
  static create(_platform: Platform, _env: MmEnv, _limits: LimitSet): MemoryManager | number {
    return -12;
  }

  // --- kernel access to guest memory ---
  /** Bytes copied (may be fewer than len), or -EFAULT when none. */
  copyIn(_addr: number, _dst: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  copyOut(_addr: number, _src: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  /** 0 or -EFAULT. */
  copyInExact(_addr: number, _dst: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  copyOutExact(_addr: number, _src: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  /** As ptrace(2) and /proc/PID/mem access memory: protection does not matter (private mappings are copied on write). */
  forceRead(_addr: number, _dst: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  forceWrite(_addr: number, _src: Uint8Array, _off: number, _len: number): number {
    return -14;
  }
  /** Bytes zeroed, or -EFAULT when none. */
  zeroOut(_addr: number, _len: number): number {
    return -14;
  }
  /** A NUL-terminated latin1 string; -EFAULT; -ENAMETOOLONG when there is no NUL within maxLen bytes. */
  copyInString(_addr: number, _maxLen: number): string | number {
    return -14;
  }
  /** Little-endian values; reads give the value, or -EFAULT. readI64/readPtr: see implementation for the range. */
  readU32(_addr: number): number {
    return -14;
  }
  writeU32(_addr: number, _v: number): number {
    return -14;
  }
  /** A u64 as number (rounded above 2^53), or -EFAULT. */
  readPtr(_addr: number): number {
    return -14;
  }
  writePtr(_addr: number, _v: number): number {
    return -14;
  }
  /** A signed 64-bit value into {@link value}: 0 or -EFAULT. */
  readI64(_addr: number): number {
    return -14;
  }
  writeI64(_addr: number, _v: number): number {
    return -14;
  }
  /** Result of {@link readI64}. */
  value = 0;
  /** Appends the accessible prefix of [addr, addr+len) to seq: bytes appended, or -EFAULT if none. `write`: guest memory will be written. */
  ioSequence(_addr: number, _len: number, _write: boolean, _seq: IoSequence): number {
    return -14;
  }
  /** Reads a struct iovec array (readv(2) rules: -EINVAL) and appends its ranges. Bytes appended or -errno. */
  ioVector(_iovAddr: number, _iovCount: number, _write: boolean, _seq: IoSequence): number {
    return -14;
  }
  /** Puts bounced bytes in place; 0 or -errno. Call after every sequence obtained with write = true. */
  finishIo(_seq: IoSequence): number {
    return 0;
  }

  // --- futexes ---
  /** Finds the identity of the word at addr. `shared`: no FUTEX_PRIVATE_FLAG. 0, -EINVAL (unaligned) or -EFAULT. */
  futexLocate(_addr: number, _shared: boolean, _out: FutexLocation): number {
    return -14;
  }
  /** The word into {@link value} as u32: 0 or -EFAULT. */
  atomicLoad32(_addr: number): number {
    return -14;
  }
  /** Compare and exchange; the old word into {@link value} (u32). 0 or -EFAULT. */
  atomicCas32(_addr: number, _expected: number, _desired: number): number {
    return -14;
  }
  /** FUTEX_OP_* (0 set, 1 add, 2 or, 3 andn, 4 xor); the old word into {@link value} (u32). 0 or -EFAULT. */
  atomicRmw32(_addr: number, _op: number, _operand: number): number {
    return -14;
  }

  // --- faults ---
  /**
   * A page fault of the guest (trapno 14 only) at addr; access: the PROT_* bit that was wanted. 0: resume.
   * -EFAULT: SIGSEGV/SEGV_MAPERR, -EACCES: SIGSEGV/SEGV_ACCERR, -EIO or -ENOMEM: SIGBUS/BUS_ADRERR.
   */
  handleFault(_addr: number, _access: number): number {
    return -14;
  }

  // --- mappings: address / 0, or -errno ---
  mmap(_o: MmapOptions): number {
    return -38;
  }
  munmap(_addr: number, _len: number): number {
    return -38;
  }
  mprotect(_addr: number, _len: number, _prot: number): number {
    return -38;
  }
  mremap(_addr: number, _oldLen: number, _newLen: number, _flags: number, _newAddr: number): number {
    return -38;
  }
  madvise(_addr: number, _len: number, _advice: number): number {
    return -38;
  }
  /** brk(2) as the system call: the new (or unchanged) break. */
  brk(_addr: number): number {
    return 0;
  }
  msync(_addr: number, _len: number, _flags: number): number {
    return -38;
  }
  /** `privileged`: CAP_IPC_LOCK. flags: MLOCK_ONFAULT. */
  mlock(_addr: number, _len: number, _flags: number, _privileged: boolean): number {
    return -38;
  }
  munlock(_addr: number, _len: number): number {
    return -38;
  }
  mlockall(_flags: number, _privileged: boolean): number {
    return -38;
  }
  munlockall(): number {
    return -38;
  }
  /** One byte per page into guest memory at vec. */
  mincore(_addr: number, _len: number, _vec: number): number {
    return -38;
  }

  // --- life ---
  /** fork(2): a copy in `childAs`, everything private copy-on-write on both sides. */
  fork(_childAs: AddressSpace, _childLimits: LimitSet): MemoryManager | number {
    return -38;
  }
  /** Something must be flushed before a context of this address space is resumed. */
  get needsFlush(): boolean {
    return this.as.dirty;
  }
  /** Performs the queued mapping operations, then frees pages that no host mapping shows any more. 0 or -errno. */
  flush(): number {
    return 0;
  }
  incUsers(): void {
    this.users++;
  }
  /** Last user gone: everything is unmapped, the host address space released (its contexts must have been released). */
  decUsers(): void {}
  invalidateMapping(_mappable: Mappable, _offset: number, _len: number): void {}

  // --- for /proc ---
  /** Calls fn for every mapping, lowest first, until it returns false. fn must not change mappings. */
  forEachVma(_fn: (vma: Vma) => boolean): void {}
  /** Resident bytes: all, anonymous, file, shared memory. */
  residentBytes(): number {
    return 0;
  }
}
