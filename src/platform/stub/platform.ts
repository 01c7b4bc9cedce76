/**
 * systrap and ptrace: both run guest code in stub processes (native/stub) and differ only in how guest threads stop. The
 * mechanism is in the addon; here are the queues of mapping operations and the contract's objects.
 */
import type { AddressSpace, CodePatcher, HostBacking, Platform, WaitResult } from "../platform.ts";
import {
  BATCH_MAX,
  BATCH_WORDS,
  COUNT_CALLS,
  COUNT_LEAVE,
  COUNT_RESUME,
  FACT_CALL_ENTRY,
  FACT_FP_SIZE,
  FACT_FSGSBASE,
  FACT_GUEST_MAX,
  FACT_GUEST_MIN,
  FACT_HIDES_CODE,
  FACT_WINDOW,
  FACT_WINDOW_END,
  KIND_PTRACE,
  KIND_SYSTRAP,
  MAP_OP_POPULATE,
  MAP_OP_SHARED,
  OPS_CAPACITY,
  OP_CLEAR,
  OP_CLOSE_WINDOWS,
  OP_HUGE,
  OP_MAP,
  OP_MOVE,
  OP_PROTECT,
  OP_UNMAP,
  OP_WINDOW,
  OP_WORDS,
  TIME_TIMEOUT,
  TUNE_PATCHING,
  WINDOW_CHUNK,
  nativePlatform,
  openStub,
  sharedViews,
} from "./native.unsafe.ts";
import { WIDE } from "../../base/wide.ts";
import type { NativePlatform, SharedViews } from "./native.unsafe.ts";

import { SystrapPatcher } from "./patch.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const NO_MASK: Uint32Array = new Uint32Array(0);
const EINVAL = 22;
/** `guest_spin` of native/addon/poller.c. */
const GUEST_SPIN_NS = 20000;

/** PROT_READ | PROT_WRITE: what a mapping out of a window is at first. */
const PROT_RW = 3;
/** As a number of calls: not to be done by a thread. */
const NO_BATCH: number = 2 ** 16;

/** Writes call number n of a thread's batch; n + 1. */
function putCall(ops: Float64Array, n: number, kind: number, addr: number, len: number, last: number): number {
  const at = n * BATCH_WORDS;
  ops[at] = kind;
  ops[at + 1] = addr;
  ops[at + 2] = len;
  ops[at + 3] = last;
  return n + 1;
}

/** What {@link StubPlatform.start} gives when the platform cannot run here. */
export interface Unusable {
  /** For the log. */
  readonly reason: string;
}

class StubWaitResult implements WaitResult {
  readonly stopped: Int32Array;
  stoppedCount: number = 0;
  readonly ready: Int32Array;
  readyCount: number = 0;
  readonly times: Float64Array;

  constructor(views: SharedViews) {
    this.stopped = views.stopped;
    this.times = views.times;
    this.ready = views.ready;
  }
}

/** A stub process. */
class StubAddressSpace implements AddressSpace {
  owner: unknown = undefined;
  readonly index: number;
  readonly #platform: StubPlatform;
  /** Queued operations, OP_WORDS numbers each. */
  readonly #queue: number[] = [];
  /** Host calls that a thread would make for the queue; more than BATCH_MAX: it cannot do it. */
  #calls: number = 0;
  /** The context that {@link handOver} left the queue to; -1: none. */
  #handedTo: number = -1;
  /** Where chunks of the one backing that has windows are, by their number in it. */
  readonly #windows: Map<number, number> = new Map();
  #windowed: HostBacking | null = null;
  #nextWindow: number = WIDE;
  /** What is queued waits for the resume after the next. */
  #waits: boolean = false;
  /** The first error that queueing itself met (a backing that could not be donated). */
  #error: number = 0;

  constructor(platform: StubPlatform, index: number) {
    this.#platform = platform;
    this.index = index;
    this.#nextWindow = platform.windowStart;
  }

  get dirty(): boolean {
    return this.#queue.length > 0 || this.#error !== 0;
  }

  get queued(): number {
    return this.#queue.length;
  }

  postpone(): void {
    this.#waits = true;
  }

  /** Whether what is queued waits once more. */
  takeWait(): boolean {
    const waits = this.#waits;
    this.#waits = false;
    return waits;
  }

  mapFile(
    addr: number,
    len: number,
    backing: HostBacking,
    offset: number,
    prot: number,
    shared: boolean,
    populate: boolean,
  ): void {
    if (backing.platformFd < 0) {
      const donated = this.#platform.native.platformDonate(backing.fd);
      if (donated < 0) {
        if (this.#error === 0) this.#error = donated;
        return;
      }
      backing.platformFd = donated;
    }
    const flags = (prot & 7) | (shared ? MAP_OP_SHARED : 0) | (populate ? MAP_OP_POPULATE : 0);
    const calls = !shared || populate || backing !== this.#windowed ? NO_BATCH : this.#callsToMap(offset, len, prot);
    this.#push(OP_MAP, addr, len, backing.platformFd, offset, flags, calls);
  }

  /** `calls`: that a thread would make for it. */
  #push(kind: number, addr: number, len: number, a: number, b: number, c: number, calls: number): void {
    this.#queue.push(kind, addr, len, a, b, c);
    this.#calls += calls;
    // What was handed over, or may wait, is what was queued then.
    this.#handedTo = -1;
    this.#waits = false;
  }

  /** One for each chunk, and one for a protection. */
  #callsToMap(offset: number, len: number, prot: number): number {
    let calls = prot === PROT_RW ? 0 : 1;
    const end = offset + len;
    let chunk = Math.floor(offset / WINDOW_CHUNK);
    for (; chunk * WINDOW_CHUNK < end && calls <= BATCH_MAX; chunk++) {
      if (!this.#windows.has(chunk)) return NO_BATCH;
      calls++;
    }
    return calls;
  }

  addWindow(backing: HostBacking, offset: number, len: number): boolean {
    if (!this.#platform.batching || (this.#windowed !== null && this.#windowed !== backing)) return false;
    const at = this.#nextWindow;
    if (at + len > this.#platform.windowEnd || backing.platformFd < 0) return false;
    this.#windowed = backing;
    this.#nextWindow += len;
    this.#push(OP_WINDOW, at, len, backing.platformFd, offset, 0, NO_BATCH);
    for (let i = 0; i < len; i += WINDOW_CHUNK) this.#windows.set((offset + i) / WINDOW_CHUNK, at + i);
    return true;
  }

  closeWindows(): void {
    if (this.#windows.size === 0) return;
    this.#forgetWindows();
    this.#push(OP_CLOSE_WINDOWS, 0, 0, 0, 0, 0, NO_BATCH);
  }

  #forgetWindows(): void {
    this.#windows.clear();
    this.#nextWindow = this.#platform.windowStart;
  }

  handOver(id: number): boolean {
    if (this.#calls === 0 || this.#calls > BATCH_MAX || this.#windows.size === 0 || this.#error !== 0) return false;
    this.#handedTo = id;
    return true;
  }

  settle(): void {
    this.#platform.native.platformFlush(this.index, 0);
  }

  /** Puts the queue where the addon takes a thread's batch from, if it was handed over to `id`. The number of calls. */
  takeBatch(id: number): number {
    if (this.#handedTo !== id) return 0;
    this.#handedTo = -1;
    const queue = this.#queue;
    const { ops } = this.#platform;
    let n = 0;
    for (let i = 0; i < queue.length; i += OP_WORDS) {
      const kind = queue[i]!;
      const addr = queue[i + 1]!;
      const len = queue[i + 2]!;
      if (kind !== OP_MAP) {
        n = putCall(ops, n, kind, addr, len, queue[i + 3]!);
        continue;
      }
      const offset = queue[i + 4]!;
      for (let done = 0; done < len;) {
        const inChunk = (offset + done) % WINDOW_CHUNK;
        const m = len - done < WINDOW_CHUNK - inChunk ? len - done : WINDOW_CHUNK - inChunk;
        const window = this.#windows.get((offset + done - inChunk) / WINDOW_CHUNK)!;
        n = putCall(ops, n, OP_MAP, addr + done, m, window + inChunk);
        done += m;
      }
      const prot = queue[i + 5]! & 7;
      if (prot !== PROT_RW) n = putCall(ops, n, OP_PROTECT, addr, len, prot);
    }
    this.#emptied();
    return n;
  }

  #emptied(): void {
    this.#queue.length = 0;
    this.#calls = 0;
    this.#handedTo = -1;
  }

  unmap(addr: number, len: number): void {
    this.#push(OP_UNMAP, addr, len, 0, 0, 0, 1);
  }

  clear(): void {
    this.#forgetWindows();
    this.#push(OP_CLEAR, 0, 0, 0, 0, 0, NO_BATCH);
  }

  protect(addr: number, len: number, prot: number): void {
    this.#push(OP_PROTECT, addr, len, prot, 0, 0, 1);
  }

  adviseHuge(addr: number, len: number): void {
    this.#push(OP_HUGE, addr, len, 0, 0, 0, NO_BATCH);
  }

  move(oldAddr: number, len: number, newAddr: number): void {
    this.#push(OP_MOVE, oldAddr, len, newAddr, 0, 0, NO_BATCH);
  }

  flush(): number {
    const queue = this.#queue;
    const ops = this.#platform.ops;
    let error = this.#error;
    this.#error = 0;
    const total = queue.length / OP_WORDS;
    for (let done = 0; done < total;) {
      const n = Math.min(total - done, OPS_CAPACITY);
      const first = done * OP_WORDS;
      for (let i = 0; i < n * OP_WORDS; i++) ops[i] = queue[first + i]!;
      // The rest is done even when one fails: an unmap must never be forgotten because a mapping was refused.
      const status = this.#platform.native.platformFlush(this.index, n);
      if (status < 0 && error === 0) error = status;
      done += n;
    }
    this.#emptied();
    return error;
  }

  newContext(): number {
    const id = this.#platform.native.platformNewContext(this.index);
    if (id >= 0) this.#platform.spaceOf[id] = this;
    return id;
  }

  release(): void {
    this.#emptied();
    this.#platform.native.platformReleaseSpace(this.index);
  }
}

/** The platform; one at a time for each process. */
export class StubPlatform implements Platform {
  readonly name: "systrap" | "ptrace";
  readonly minAddress: number;
  readonly maxAddress: number;
  readonly fpStateSize: number;
  readonly parkedSpinNs: number;
  readonly regs: Uint32Array;
  readonly result: StubWaitResult;
  /** The addon's functions. */
  readonly native: NativePlatform;
  /** Where a batch is handed over. */
  readonly ops: Float64Array;
  /** Whether threads get batches, and where windows may be: {@link enableBatching}. */
  batching: boolean = false;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly windowChunk: number = WINDOW_CHUNK;
  /** The address space of each context. */
  readonly spaceOf: StubAddressSpace[] = [];
  /** Set by {@link enablePatching}. */
  patcher: CodePatcher | null = null;
  readonly #counts: Int32Array;

  private constructor(name: "systrap" | "ptrace", native: NativePlatform) {
    const views = sharedViews(native);
    this.name = name;
    this.native = native;
    this.minAddress = native.platformFact(FACT_GUEST_MIN);
    this.maxAddress = native.platformFact(FACT_GUEST_MAX);
    this.fpStateSize = native.platformFact(FACT_FP_SIZE);
    this.windowStart = native.platformFact(FACT_WINDOW);
    this.windowEnd = native.platformFact(FACT_WINDOW_END);
    this.parkedSpinNs = name === "systrap" ? GUEST_SPIN_NS : 0;
    this.regs = views.regs;
    this.ops = views.ops;
    this.#counts = views.counts;
    this.result = new StubWaitResult(views);
  }

  /**
   * Starts the platform: the template of all stub processes. `stubFd` is the stub executable, -1 to open it beside the
   * addon; it is not needed any more afterwards and stays the caller's.
   */
  static start(name: "systrap" | "ptrace", stubFd: number): StubPlatform | Unusable {
    const native = nativePlatform();
    if (name === "systrap" && native.platformFact(FACT_FSGSBASE) !== 1) {
      return { reason: "systrap: the processor or the kernel does not allow FSGSBASE instructions" };
    }
    const fd = stubFd >= 0 ? stubFd : openStub(native);
    if (fd < 0) return { reason: `${name}: the stub executable cannot be opened (errno ${-fd})` };
    sharedViews(native);
    const error = native.platformStart(name === "systrap" ? KIND_SYSTRAP : KIND_PTRACE, fd);
    if (stubFd < 0) native.close(fd);
    if (error < 0) return { reason: `${name}: the stub process cannot be started (errno ${-error})` };
    const platform = new StubPlatform(name, native);
    const failure = platform.#probe();
    if (failure < 0) {
      native.platformStop();
      return { reason: `${name}: a guest thread cannot be run here (errno ${-failure})` };
    }
    return platform;
  }

  /** Makes one guest thread and sees it stop. 0 or -errno. */
  #probe(): number {
    const space = this.newAddressSpace();
    if (typeof space === "number") return space;
    const id = space.newContext();
    if (id < 0) return id;
    const error = this.getFpState(id, new Uint8Array(this.fpStateSize), 0);
    this.releaseContext(id);
    space.release();
    return error;
  }

  newAddressSpace(): AddressSpace | number {
    const index = this.native.platformNewSpace();
    return index < 0 ? index : new StubAddressSpace(this, index);
  }

  resume(id: number): void {
    const space = this.spaceOf[id]!;
    let calls = 0;
    if (space.dirty && !space.takeWait()) {
      calls = space.takeBatch(id);
      if (calls === 0) space.flush();
    }
    this.#counts[COUNT_RESUME] = id;
    this.#counts[COUNT_CALLS] = calls;
    this.native.platformResumeNext();
  }

  leaveWakeUps(on: boolean): void {
    this.#counts[COUNT_LEAVE] = on ? 1 : 0;
  }

  wakesEarly(waker: number, id: number): boolean {
    return this.native.platformWakeEarly(waker, id) === 1;
  }

  wakesNot(id: number): void {
    this.native.platformWakeNot(id);
  }

  completeRegs(id: number): void {
    this.native.platformComplete(id);
  }

  interrupt(id: number): void {
    this.native.platformInterrupt(id);
  }

  releaseContext(id: number): void {
    this.native.platformReleaseContext(id);
  }

  getFpState(id: number, buf: Uint8Array, off: number): number {
    return this.native.platformGetFp(id, buf, off);
  }

  setFpState(id: number, buf: Uint8Array, off: number): number {
    return this.native.platformSetFp(id, buf, off);
  }

  copyFpState(src: number, dst: number): void {
    this.native.platformCopyFp(src, dst);
  }

  resetFpState(id: number): void {
    this.native.platformResetFp(id);
  }

  wait(timeoutNs: number): number {
    const { result } = this;
    const counts = this.#counts;
    result.times[TIME_TIMEOUT] = timeoutNs;
    this.native.platformWaitNext();
    const stopped = counts[0]!;
    const ready = counts[1]!;
    result.stoppedCount = stopped;
    result.readyCount = ready;
    return stopped + ready;
  }

  watch(fd: number, events: number, token: number): number {
    return this.native.platformWatch(fd, events, token, EPOLL_CTL_ADD);
  }

  rewatch(fd: number, events: number, token: number): number {
    return this.native.platformWatch(fd, events, token, EPOLL_CTL_MOD);
  }

  unwatch(fd: number): number {
    return this.native.platformWatch(fd, 0, 0, EPOLL_CTL_DEL);
  }

  /** Lets threads make mappings themselves from now on, where that is possible; before the first address space is made. */
  enableBatching(): void {
    this.batching = this.windowStart > 0;
  }

  /** Lets call sites be patched from now on, where that is possible; before the first address space is made. */
  enablePatching(): void {
    const entry = this.native.platformFact(FACT_CALL_ENTRY);
    if (entry === 0) return;
    this.native.platformTune(TUNE_PATCHING, 1);
    this.patcher = new SystrapPatcher(entry, this.native.platformFact(FACT_HIDES_CODE) === 1);
  }

  setFacts(
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
  ): void {
    if (this.name !== "systrap") return;
    this.native.platformFacts(id, pid, tid, ppid, uid, euid, gid, egid, defaultsLo, defaultsHi);
  }

  setAffinity(id: number, mask: Uint32Array | null): number {
    return this.native.platformAffinity(id, mask ?? NO_MASK);
  }

  cpuTime(space: AddressSpace, which: number): number {
    return this.native.platformCpuTime((space as StubAddressSpace).index, which);
  }

  forgetBacking(backing: HostBacking): void {
    if (backing.platformFd < 0) return;
    this.native.platformForget(backing.platformFd);
    backing.platformFd = -1;
  }

  describe(id: number): string {
    return this.native.platformDescribe(id);
  }

  shutdown(): void {
    this.native.platformStop();
  }

  /** Host process of an address space; for tests and accounting. */
  pidOf(space: AddressSpace): number {
    return space instanceof StubAddressSpace ? this.native.platformSpacePid(space.index) : -EINVAL;
  }
}
