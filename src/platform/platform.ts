/**
 * The platform contract: how guest code is run. Implementations: `systrap/`, `ptrace/` (later `kvm/`), all passing
 * `conformance.test.ts`. The kernel above does not know which one runs.
 *
 * Concurrency contract: one Sentry thread calls everything here. Guest threads ("contexts") run in parallel with it;
 * each is either *running* (guest code may execute) or *stopped* (parked; its registers are valid in `regs`).
 * A context is stopped from `newContext` until the first `resume`, and from the moment that `wait` reported it.
 *
 * Trust: all that a stopped context reports was copied once into Sentry-private memory before `wait` returned.
 */

/** Words (u32) of one context's slot in {@link Platform.regs}. */
export const CTX_WORDS = 64;
/** Slot layout: words 0-53 are registers (arch/amd64/registers.ts), then: */
export const CTX_EVENT = 54; // EV_* of the last stop
export const CTX_SIGNO = 55; // EV_FAULT: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP
export const CTX_SICODE = 56; // EV_FAULT: si_code
export const CTX_ADDR = 58; // EV_FAULT: lo/hi of si_addr (cr2 for page faults)
// EV_FAULT: x86 page-fault error code (bit 0 present, 1 write, 4 instruction fetch), when trapno is 14. ptrace cannot see it and
// guesses: nothing mapped = read; mapped but forbidden = write, unless the address is that of the instruction.
export const CTX_ERR = 60;
export const CTX_TRAPNO = 61; // EV_FAULT: x86 trap number

/** EV_SYSCALL: 1 when the call came by a trap, and its site may be patched ({@link Platform.patcher}). */
export const CTX_TRAPPED = 62;
/**
 * EV_SYSCALL: not 0 when of the registers only orig_rax, rax and the six argument registers are there yet, and the segment bases;
 * {@link Platform.completeRegs} fetches the others. Rax may be written before.
 */
export const CTX_PARTIAL = 63;

/** The guest executed a `syscall` instruction: rax (and orig_rax) = number, rip behind the instruction. */
export const EV_SYSCALL = 1;
/** The guest faulted: see CTX_SIGNO and following. */
export const EV_FAULT = 2;
/** {@link Platform.interrupt} took effect (or a spurious stop): nothing else happened. */
export const EV_INTERRUPT = 3;
/** The host thread died (killed from outside, or corrupted itself beyond repair): the context is gone and cannot be resumed. */
export const EV_DIED = 4;

/** Protection bits, as in mmap(2). */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/** Of {@link Platform.cpuTime}; the numbers are those of the kernel's CPU clocks. */
export const CPU_BOTH = 0;
export const CPU_USER = 1;
export const CPU_TOTAL = 2;

/** Something on the host that can be mapped: a memory file or a donated host file. */
export interface HostBacking {
  /** The Sentry's fd; stays open and keeps its meaning until {@link Platform.forgetBacking}. */
  readonly fd: number;
  /** Platform's own book-keeping (its fd number in the stubs' table); -1 until first used. */
  platformFd: number;
}

/** One guest address space: a host process. */
export interface AddressSpace {
  /**
   * Queue: map [addr, addr+len) to `backing` from `offset`, replacing what is there.
   * `shared`: host MAP_SHARED (memory files, shared file mappings), else MAP_PRIVATE (only ever used read-only).
   * All page-aligned. `populate` asks the host to fault pages in.
   */
  mapFile(
    addr: number,
    len: number,
    backing: HostBacking,
    offset: number,
    prot: number,
    shared: boolean,
    populate: boolean,
  ): void;
  /** Queue: remove all host mappings of the range. */
  unmap(addr: number, len: number): void;
  /** Queue: remove all that {@link mapFile} and others mapped. */
  clear(): void;
  /** Queue: host mprotect of a range that is wholly mapped. */
  protect(addr: number, len: number, prot: number): void;
  /** Queue: the host may use large pages for a mapped range of a memory file. It keeps that wherever it is moved, until it is mapped anew. */
  adviseHuge?(addr: number, len: number): void;
  /** Queue: host mremap of a mapped range (MREMAP_MAYMOVE|MREMAP_FIXED) to newAddr, same length. */
  move(oldAddr: number, len: number, newAddr: number): void;
  /**
   * Perform all queued operations now, all of them even when one fails. 0, or the -errno of the first that failed (ENOMEM
   * for the map count limit, ESRCH when the process died).
   * `resume` flushes by itself, but pages may be freed for other use only after an explicit flush.
   */
  flush(): number;
  /**
   * Queue: let threads of this address space map [offset, offset+len) of `backing` by themselves, anywhere and at any time. All of
   * it must be memory that nobody else gets before {@link clear} or {@link release}, or has under other credentials:
   * `closeWindows` ends it (what was mapped until then stays mapped). Offset and length are multiples of
   * {@link Platform.windowChunk}. False: there is no room for it.
   */
  addWindow?(backing: HostBacking, offset: number, len: number): boolean;
  closeWindows?(): void;
  /**
   * Leave what is queued to the thread of the stopped context `id`, if that is resumed next (otherwise the next flush does it).
   * The thread executes it before it runs guest code, unless it is hostile: nothing may be queued that anybody else must be able to
   * rely on. False: it cannot do it; flush.
   */
  handOver?(id: number): boolean;
  /** Waits until a thread has done what was handed over. */
  settle?(): void;
  /** True when operations are queued. */
  readonly dirty: boolean;
  /** How many are queued, as a number that grows with each; 0 is none. */
  readonly queued?: number;
  /** What is queued waits while the next context that is resumed runs. It concerns nothing that this or another one can reach. */
  postpone?(): void;
  /** A new stopped context in this address space with cleared registers and initial FP state: id >= 0, or -errno (EAGAIN). */
  newContext(): number;
  /**
   * Give the address space back. All its contexts must have been released. After this returns no guest code of it
   * runs and none of its mappings exist.
   */
  release(): void;
  /** Owner's tag (the kernel's object); the platform never looks at it. */
  owner: unknown;
}

/**
 * How a `syscall` instruction in guest code is made to jump instead of to trap: which instructions are overwritten, and which are
 * executed in the trampoline ("slot") instead. Offsets are bytes.
 */
export interface PatchPlan {
  /** First byte that is overwritten, from the syscall instruction on: 0, or negative. */
  readonly start: number;
  /** Bytes overwritten; always whole instructions, and none but the first begins with a byte that can be executed. */
  readonly length: number;
  /** Bytes behind the syscall instruction that the slot executes. */
  readonly after: number;
  /** Offset in the slot where it goes on behind the call. */
  readonly cont: number;
  /** Offset in the slot behind its own syscall instruction (for threads that use gs themselves). */
  readonly trapEnd: number;
}

/**
 * Patching of call sites. The platform knows instructions and what a slot must do, the memory manager where code and slots
 * lie, when they go, and how threads that stop in a slot get back to addresses that the guest knows.
 */
export interface CodePatcher {
  /** Bytes of one slot. */
  readonly slotSize: number;
  /** Plans the patch of the syscall instruction at code[at]; rax was `nr` there. Only bytes of `code` are used. null: leave it. */
  plan(code: Uint8Array, at: number, nr: number): PatchPlan | null;
  /** Whether a slot at slotAddr can serve the syscall instruction at callAddr. */
  suits(plan: PatchPlan, callAddr: number, slotAddr: number): boolean;
  /** Writes a slot to out[off ...]; the original code is around code[at]. */
  writeSlot(
    plan: PatchPlan,
    code: Uint8Array,
    at: number,
    callAddr: number,
    slotAddr: number,
    out: Uint8Array,
    off: number,
  ): void;
  /** Overwrites the site in code[at + plan.start ...]. */
  writeJump(plan: PatchPlan, code: Uint8Array, at: number, callAddr: number, slotAddr: number): void;
}

/** How {@link Platform.wait} found things. */
export interface WaitResult {
  /** Ids of contexts that stopped, for i < stoppedCount. */
  readonly stopped: Int32Array;
  stoppedCount: number;
  /** Tokens and event masks (EPOLLIN ...) of ready host fds: pairs token, mask for i < readyCount. */
  readonly ready: Int32Array;
  readyCount: number;
  /** The host's monotonic clock when the last wait began and when it ended, ns; absent: ask the clock. */
  readonly times?: Float64Array;
}

/** A way of running guest code. */
export interface Platform {
  readonly name: "systrap" | "ptrace" | "kvm";
  /** Lowest and one-past-highest guest address that may be mapped. */
  readonly minAddress: number;
  readonly maxAddress: number;
  /**
   * Bytes of one context's xsave area as {@link Platform.getFpState} gives it (standard, non-compacted XSAVE format; bytes
   * 464-511 hold the software bytes that Linux puts into signal frames, ignored by {@link Platform.setFpState}).
   */
  readonly fpStateSize: number;
  /** The register file: CTX_WORDS words per context, at id * CTX_WORDS. Sentry-private. May be replaced by a larger one inside newContext: read it anew after. */
  readonly regs: Uint32Array;
  readonly result: WaitResult;
  /** Fetches the registers that {@link CTX_PARTIAL} says are missing, which is 0 then. Absent: it always is. */
  completeRegs?(id: number): void;
  newAddressSpace(): AddressSpace | number;
  /** Continue a stopped context with the registers in its slot. Flushes its address space first. */
  resume(id: number): void;
  /**
   * From now on (or no longer), a context that is resumed may be left asleep until the next one is resumed or the platform
   * waits: the thread of that one wakes it. Absent: no effect.
   */
  leaveWakeUps?(on: boolean): void;
  /**
   * Context `id` is going to be resumed while wake-ups are left, and `waker` is resumed now: whether its thread wakes that of the other one,
   * which need not be served by then. {@link wakesNot}: it is not resumed after all.
   */
  wakesEarly?(waker: number, id: number): boolean;
  wakesNot?(id: number): void;
  /** Make a running context stop soon (EV_INTERRUPT, or whatever else happens first). No effect on a stopped one. Never blocks. */
  interrupt(id: number): void;
  /** End a stopped (or died) context's host thread, or keep it for re-use. */
  releaseContext(id: number): void;
  /** Copy out / in the xsave area of a stopped context. 0 or -errno (EINVAL: malformed state, refused). */
  getFpState(id: number, buf: Uint8Array, off: number): number;
  setFpState(id: number, buf: Uint8Array, off: number): number;
  /** dst gets src's FP state (both stopped). */
  copyFpState(src: number, dst: number): void;
  /** dst gets the initial FP state (execve). */
  resetFpState(id: number): void;
  /**
   * Collect stopped contexts and ready host fds into `result`; block until there is at least one, a wake-up, or the
   * deadline. `timeoutNs` < 0: for ever, 0: do not block. Returns stoppedCount + readyCount. Spins for a bounded time
   * first while the sandbox is hot.
   */
  wait(timeoutNs: number): number;
  /** Watch a host fd (epoll, level-triggered EPOLL* mask); token is given back in result.ready. 0 or -errno (EPERM: always-ready regular file). */
  watch(fd: number, events: number, token: number): number;
  rewatch(fd: number, events: number, token: number): number;
  unwatch(fd: number): number;
  /** Present and not null: call sites can be patched, and are reported by CTX_TRAPPED. */
  readonly patcher?: CodePatcher | null;
  /**
   * What the thread of a context may be told without asking the kernel (getpid, gettid, getppid, get[e]uid, get[e]gid, and
   * by rt_sigaction of signals whose action is all zeros: bit n - 1 of `defaultsLo` and `defaultsHi`, 32 bits each, for signal n;
   * sched_yield is then done on the host). To be called again when one of them changes, also while the context runs; gone
   * after releaseContext. Absent: nothing is answered.
   */
  setFacts?(
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
  ): void;
  /**
   * Restricts the thread of a context to some of the CPUs that the sandbox sees: bit n of `mask` is the n-th; null: all again.
   * Also while it runs; gone after releaseContext. 0 or -errno. Absent: no effect.
   */
  setAffinity?(id: number, mask: Uint32Array | null): number;
  /**
   * CPU time that the host has given to the process of an address space since that began, ns: guest threads, whatever they
   * spend parked and not asleep, and the work on mappings. `which`: CPU_TOTAL, exact; CPU_USER and CPU_BOTH, samples of the
   * part in user mode and of all. -errno when the process is gone. Absent: not known.
   */
  cpuTime?(space: AddressSpace, which: number): number;
  /** How long a stopped guest thread stays awake at most, waiting for its resumption, ns. Absent: not at all. */
  readonly parkedSpinNs?: number;
  /** Above 0: address spaces have windows of this size and alignment ({@link AddressSpace.addWindow}). */
  readonly windowChunk?: number;
  /** What is known of a context, in words, for people; -1: of the platform as a whole, one or more lines. */
  describe?(id: number): string;
  /** The backing's fd will be closed: drop the stubs' copy of it. */
  forgetBacking(backing: HostBacking): void;
  /** End every stub process and free everything. */
  shutdown(): void;
}
