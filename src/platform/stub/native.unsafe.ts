/**
 * The addon's platform functions (native/addon/{stub,systrap,ptrace,poller}.c) as TypeScript sees them. There is one
 * platform at a time for each process. Results are >= 0 or -errno unless said otherwise.
 */
import { addonPath, loadAddon } from "../../host/addon.unsafe.ts";

/** Kinds of {@link NativePlatform.platformStart}. */
export const KIND_SYSTRAP = 0;
export const KIND_PTRACE = 1;

/** Numbers of {@link NativePlatform.platformFact}. */
export const FACT_GUEST_MIN = 0;
export const FACT_GUEST_MAX = 1;
export const FACT_FP_SIZE = 2;
export const FACT_FSGSBASE = 3;
export const FACT_CALL_ENTRY = 5;
export const FACT_WINDOW = 6;
export const FACT_WINDOW_END = 7;
export const FACT_HIDES_CODE = 8;

/** Of {@link NativePlatform.platformTune}. */
export const TUNE_PATCHING = 3;

/** In `counts` and `times`. */
export const COUNT_RESUME = 2;
export const COUNT_CALLS = 3;
export const COUNT_LEAVE = 10;
export const TIME_TIMEOUT = 2;

/** Doubles of one entry in the ops array: kind, addr, len, and three that depend on the kind. */
export const OP_WORDS = 6;
/** Entries that the ops array holds. */
export const OPS_CAPACITY = 4096;
export const OP_MAP = 1; // fd, offset, prot | MAP_OP_*
export const OP_UNMAP = 2;
export const OP_PROTECT = 3; // prot
export const OP_MOVE = 4; // newAddr
export const OP_CLEAR = 5;
export const OP_WINDOW = 6; // fd, offset
export const OP_CLOSE_WINDOWS = 7;
export const OP_HUGE = 8;
export const MAP_OP_SHARED = 8;
export const MAP_OP_POPULATE = 16;
/** Doubles of an operation that a thread gets to execute: kind, addr, len; OP_MAP: address in a window, OP_PROTECT: prot. */
export const BATCH_WORDS = 4;
/** How many of them it can get. */
export const BATCH_MAX = 8;
/** Windows consist of chunks of this size and alignment, in the file and in memory. */
export const WINDOW_CHUNK: number = 4 * 1024 * 1024;

/** The functions. */
export interface NativePlatform {
  platformStart(kind: number, stubFd: number): number;
  platformStop(): number;
  /** ArrayBuffers: regs, stopped, ready, counts, ops. An empty list when asked for a second time. */
  platformShared(): ArrayBuffer[];
  platformFact(n: number): number;
  platformNewSpace(): number;
  platformReleaseSpace(space: number): number;
  platformSpacePid(space: number): number;
  /** CPU time since the address space began, ns. `which`: CPU_*. */
  platformCpuTime(space: number, which: number): number;
  platformFlush(space: number, count: number): number;
  platformNewContext(space: number): number;
  /**
   * Resumes the context in counts[COUNT_RESUME], if it is stopped; its thread first executes the counts[COUNT_CALLS] operations in
   * the ops array, BATCH_WORDS each.
   */
  platformResumeNext(): void;
  platformComplete(id: number): number;
  platformInterrupt(id: number): number;
  platformWakeEarly(ringer: number, id: number): number;
  platformWakeNot(id: number): number;
  platformReleaseContext(id: number): number;
  platformGetFp(id: number, buf: Uint8Array, off: number): number;
  platformSetFp(id: number, buf: Uint8Array, off: number): number;
  platformCopyFp(from: number, to: number): number;
  platformResetFp(id: number): number;
  platformDonate(fd: number): number;
  platformForget(stubFd: number): number;
  /** What the stub may answer for a thread by itself; pid 0: nothing. */
  platformFacts(
    id: number,
    pid: number,
    tid: number,
    ppid: number,
    uid: number,
    euid: number,
    gid: number,
    egid: number,
    defaultsLo: number,
    defaultsHi: number,
  ): number;
  /** Bit n of the mask: the n-th CPU that we may use; empty: all. */
  platformAffinity(id: number, mask: Uint32Array): number;
  /** Waits for times[TIME_TIMEOUT] ns. */
  platformWaitNext(): void;
  /** epoll_ctl with op EPOLL_CTL_ADD (1), DEL (2), MOD (3). */
  platformWatch(fd: number, events: number, token: number, op: number): number;
  platformTune(which: number, ns: number): number;
  /** A context's state in words; -1: the platform's, one or more lines. */
  platformDescribe(id: number): string;
  openat(dirfd: number, path: string, flags: number, mode: number): number;
  close(fd: number): number;
}

/** Views of the memory that the addon shares with us, made once for each process. */
export interface SharedViews {
  readonly regs: Uint32Array;
  readonly stopped: Int32Array;
  readonly ready: Int32Array;
  /** Stopped and ready counts of the last wait; what is resumed next. */
  readonly counts: Int32Array;
  /** When the last wait began and ended; how long the next one may last. */
  readonly times: Float64Array;
  readonly ops: Float64Array;
}

let shared: SharedViews | undefined;

/** The addon's functions; throws when it has not been built. */
export function nativePlatform(): NativePlatform {
  return loadAddon<NativePlatform>();
}

/** The shared views. */
export function sharedViews(native: NativePlatform): SharedViews {
  if (shared === undefined) {
    const [regs, stopped, ready, counts, ops] = native.platformShared();
    if (ops === undefined) throw new Error("the platform's shared memory is taken");
    shared = {
      regs: new Uint32Array(regs!),
      stopped: new Int32Array(stopped!),
      ready: new Int32Array(ready!),
      counts: new Int32Array(counts!),
      times: new Float64Array(counts!, 16, 3),
      ops: new Float64Array(ops),
    };
  }
  return shared;
}

const AT_FDCWD = -100;
const O_RDONLY_CLOEXEC = 0o2000000;

/** Opens the stub executable, which lies beside the addon: an fd or -errno. */
export function openStub(native: NativePlatform): number {
  const path = addonPath();
  return native.openat(AT_FDCWD, `${path.slice(0, path.lastIndexOf("/") + 1)}stub.elf`, O_RDONLY_CLOEXEC, 0);
}
