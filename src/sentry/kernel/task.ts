/**
 * A thread of the guest. The class holds state and the blocking primitives; what tasks *do* is in the task-*.ts files
 * (clone, exec, exit, signals, run), functions over this class.
 *
 * Blocking: a system call handler is a synchronous attempt. When it cannot go on, it registers on wait queues
 * (`blockOn`) or for a time (`setDeadline`) and returns BLOCKED. The attempt is run again from the start when one of
 * them fires (`attempt` counts up, `timedOut` tells that the deadline passed). When a signal is to be delivered, one
 * more attempt is made, so that what a waker has already handed over is not lost; if that is BLOCKED again the call ends
 * with `interruptedResult`, or with `progress` when that is > 0.
 *
 * Await points: none.
 */
import { PR_MCE_KILL_DEFAULT } from "../../abi/prctl.ts";
import { WaitEntry, WaitQueue } from "../../base/waiter.ts";
import type { WaitListener } from "../../base/waiter.ts";
import { CTX_PARTIAL, CTX_WORDS } from "../../platform/platform.ts";
import type { Credentials } from "../auth/credentials.ts";
import { readTimespec } from "../../abi/time.ts";
import { EINVAL } from "../../abi/errno.ts";
import type { MemoryManager } from "../mm/mm.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { PathContext, VfsPath } from "../vfs/path.ts";
import type { VirtualFileSystem } from "../vfs/vfs.ts";
import type { FdTable } from "./fd-table.ts";
import type { FsContext } from "./fs-context.ts";
import { FutexWaiter } from "./futex.ts";
import type { Kernel } from "./kernel.ts";
import { PendingSignals } from "./pending-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";
import { Timer } from "./timers.ts";
import type { TimerListener } from "./timers.ts";
import { Usage } from "./usage.ts";
import { WIDE } from "../../base/wide.ts";

/** A handler's answer: registered on wait queues, run the attempt again later. */
export const BLOCKED = -65536;
/** A handler's answer: the registers are as the guest shall find them (execve, rt_sigreturn). */
export const NO_RETURN_VALUE = -65537;
/** A handler's answer: the task has exited or is about to (exit, exit_group). */
export const EXITED = -65538;

/** The context may be executing guest code. */
export const RUN_GUEST = 0;
/** Stopped, queued for the kernel's attention. */
export const RUN_READY = 1;
/** Stopped, in a system call that waits. */
export const RUN_BLOCKED = 2;
/** Stopped by job control. */
export const RUN_STOPPED = 3;
/** Over. */
export const RUN_EXITED = 4;

/** Words of `Task.state`. */
const STATE_WORDS = 8;

/** Ends an interrupted call: given the result so far, returns the final one. A static function, never a closure. */
export type InterruptHandler = (t: Task) => number;

/** A loaded program that waits to replace a task's. */
export interface ExecImage {
  /** The exec will not happen: frees everything. */
  discard(): void;
}

/** A PathContext that always shows its task's current values. */
class TaskPathContext implements PathContext {
  private readonly t: Task;
  constructor(t: Task) {
    this.t = t;
  }
  get vfs(): VirtualFileSystem {
    return this.t.kernel.vfs;
  }
  get owner(): unknown {
    return this.t;
  }
  get root(): VfsPath {
    return this.t.fs.root;
  }
  get cwd(): VfsPath {
    return this.t.fs.cwd;
  }
  get umask(): number {
    return this.t.fs.umask;
  }
  get creds(): Credentials {
    return this.t.creds;
  }
}

/** See the header. */
export class Task implements WaitListener, TimerListener {
  readonly kernel: Kernel;
  /** Thread id. Changes only when a thread that is not the leader performs execve. */
  tid: number;
  /** The platform's context, -1 when given back. */
  ctx = -1;
  group: ThreadGroup;
  mm: MemoryManager;
  fds: FdTable;
  fs: FsContext;
  private currentCreds: Credentials;
  readonly pathContext: PathContext;
  /** Command name, at most 15 bytes, latin1. */
  comm = "";

  // --- running ---
  /** RUN_* */
  run: number = RUN_READY;
  /** In the kernel's ready queue. */
  queued = false;
  /** A system call is in progress: the next step runs its attempt. */
  inSyscall = false;
  /** Its number. */
  sysno = 0;
  /** Attempts of the current call before this one. */
  attempt = 0;
  /** The deadline of `setDeadline` has passed. */
  timedOut = false;
  /** Bytes (or items) that earlier attempts of this call completed. */
  progress = 0;
  /** Free for the handler: survives between the attempts of one call; undefined contents on attempt 0. */
  readonly state: Float64Array = new Float64Array(STATE_WORDS);
  /** The same, for an object; null on attempt 0. */
  stateRef: unknown = null;
  /** The file that the call waits on: the same one on every attempt, and alive, even if its fd is closed meanwhile. */
  heldFile: FileDescription | null = null;
  /** What the call gives when a signal interrupts it. */
  interruptedResult = 0;
  /** When set, called instead to make that result. */
  onInterrupted: InterruptHandler | null = null;
  /** Only a fatal signal may interrupt (vfork). */
  killableOnly = false;
  /** A static function that goes on with the call as restart_syscall(2), after -ERESTART_RESTARTBLOCK; its facts are in `restartState`. */
  restartFn: InterruptHandler | null = null;
  readonly restartState: Float64Array = new Float64Array(4);
  /** The call's result was this -ERESTART*, to be settled before the guest goes on; 0 = none. */
  restartKind = 0;
  private waits: WaitEntry[] = [];
  private waitCount = 0;
  private readonly deadline: Timer;

  // --- signals ---
  maskLo = 0;
  maskHi = 0;
  /** Mask to go back to after sigsuspend and the like; valid while `restoreMask`. */
  savedMaskLo = 0;
  savedMaskHi = 0;
  restoreMask = false;
  readonly pending: PendingSignals;
  /** The set that rt_sigtimedwait waits for: such signals wake the task although blocked. */
  waitSetLo = 0;
  waitSetHi = 0;
  altStackSp: number = WIDE;
  altStackSize = 0;
  altStackFlags = 0;

  // --- how proc shows it ---
  /** /proc/PID and /proc/PID/task/TID of the instance that showed them first (kernelfs/proc); null: nobody has looked. */
  processDirectory: unknown = null;
  threadDirectory: unknown = null;

  // --- thread attributes ---
  /** CLONE_CHILD_CLEARTID address, 0 = none. */
  clearChildTid: number = WIDE;
  robustList: number = WIDE;
  /** prctl(PR_SET_PDEATHSIG) */
  pdeathSignal = 0;
  /** vfork: this child holds its parent up until it has exec'ed or exited; then `vforkQueue` is notified. */
  isVforkChild = false;
  readonly vforkQueue: WaitQueue = new WaitQueue();
  /** Exit code (wait status) of this thread. */
  exitStatus = 0;
  /** This thread has stopped for the group's stop. */
  stopAcknowledged = false;
  timerSlackNs = 50000;
  /** What it is set back to: the creator's. */
  defaultTimerSlackNs = 50000;
  /** sched_setscheduler and nice: kept, no effect. */
  schedPolicy = 0;
  schedPriority = 0;
  /** SCHED_RESET_ON_FORK */
  schedReset = false;
  nice = 0;
  /** sched_setaffinity mask, low 1024 CPUs. Empty = all. */
  affinity: Uint32Array | null = null;
  ioprio = 0;

  /** The host thread behind the context is gone. */
  ctxDied = false;
  /** A program that execve has loaded and not yet started (while other threads are on their way out). */
  execImage: ExecImage | null = null;
  readonly futexWaiter: FutexWaiter = new FutexWaiter(this);
  /** Of the last fault, for the signal frame: trap number, error code, address. */
  faultTrap = 0;
  faultErr = 0;
  faultAddrLo = 0;
  faultAddrHi = 0;

  // --- figures ---
  readonly usage: Usage = new Usage();
  startNs: number = WIDE;
  /** prctl(PR_MCE_KILL): PR_MCE_KILL_*; prctl(PR_SET_IO_FLUSHER). */
  mceKill: number = PR_MCE_KILL_DEFAULT;
  isIoFlusher = false;
  /** RLIMIT_RTTIME: CPU time when it was last seen to have blocked, and how often it had. */
  realTimeSinceNs: number = WIDE;
  realTimeBlocks = -1;
  /** A change of user went past RLIMIT_NPROC: execve fails as long as it is exceeded. */
  hasTooManyTasks = false;
  /** personality(2) */
  personality = 0;
  /** How often the context has stopped. */
  stops = 0;
  /** Monotonic ns at the last resume. */
  resumedNs: number = WIDE;
  /** Time between resumes and stops, and at most spent spinning while stopped, not yet accounted: cpu-time.ts. ns */
  ranNs: number = WIDE;
  spunNs: number = WIDE;
  /** Time that the kernel's steps for it took, not yet accounted, ns. */
  servedNs: number = WIDE;
  /** It is among its memory's runners: cpu-time.ts. */
  isRunner = false;

  constructor(
    kernel: Kernel,
    tid: number,
    group: ThreadGroup,
    mm: MemoryManager,
    fds: FdTable,
    fs: FsContext,
    creds: Credentials,
  ) {
    this.kernel = kernel;
    this.pending = new PendingSignals(kernel.queuedSignals);
    this.tid = tid;
    this.group = group;
    this.mm = mm;
    this.fds = fds;
    this.fs = fs;
    this.currentCreds = creds;
    this.pathContext = new TaskPathContext(this);
    this.deadline = new Timer(this);
  }

  get creds(): Credentials {
    return this.currentCreds;
  }

  set creds(creds: Credentials) {
    this.currentCreds = creds;
    this.kernel.tellFacts(this);
  }

  /** Word index of this task's registers in `kernel.platform.regs`. */
  get regBase(): number {
    return this.ctx * CTX_WORDS;
  }

  /** All registers of this task. */
  get regs(): Uint32Array {
    const { platform } = this.kernel;
    if (platform.regs[this.ctx * CTX_WORDS + CTX_PARTIAL]! !== 0) platform.completeRegs!(this.ctx);
    return platform.regs;
  }

  /** The same where only the number and the arguments of a system call are read, and rax is written. */
  get callRegs(): Uint32Array {
    return this.kernel.platform.regs;
  }

  get isLeader(): boolean {
    return this.group.leader === this;
  }

  /** IoctlContext's view. */
  get task(): this {
    return this;
  }

  get exited(): boolean {
    return this.run === RUN_EXITED;
  }

  // --- blocking ---

  /** Waits for `mask` (EV_*) on `queue`. A signal ends the call with `interruptedResult` (-EINTR, -ERESTARTSYS ...). */
  blockOn(queue: WaitQueue, mask: number, interruptedResult: number): number {
    this.alsoBlockOn(queue, mask);
    this.interruptedResult = interruptedResult;
    return BLOCKED;
  }

  /** Adds one more queue to wait on (before the `return t.blockOn(...)` or `return t.blockUntil(...)`). */
  alsoBlockOn(queue: WaitQueue, mask: number): void {
    const n = this.waitCount++;
    let entry = this.waits[n];
    if (entry === undefined) {
      entry = new WaitEntry(this);
      this.waits.push(entry);
    }
    queue.add(entry, mask);
  }

  /** Waits for nothing but the deadline (if set), a signal, and the queues added by `alsoBlockOn`. */
  block(interruptedResult: number): number {
    this.interruptedResult = interruptedResult;
    return BLOCKED;
  }

  /** Waits on `queue`; only a fatal signal interrupts. */
  blockKillable(queue: WaitQueue, mask: number): number {
    this.alsoBlockOn(queue, mask);
    this.killableOnly = true;
    return BLOCKED;
  }

  /** Bounds the current call: at absolute monotonic `ns` the attempt is repeated with `timedOut`. Infinity = no bound. */
  setDeadline(ns: number): void {
    if (ns === Infinity) this.kernel.timers.cancel(this.deadline);
    else this.kernel.timers.arm(this.deadline, ns);
  }

  /** The deadline in force, Infinity when none. */
  get deadlineNs(): number {
    return this.deadline.armed ? this.deadline.deadlineNs : Infinity;
  }

  /** A wait queue fired. */
  onEvent(_events: number, _entry: WaitEntry): void {
    this.wake();
  }

  /** The deadline passed. */
  onTimer(_timer: Timer, _nowNs: number): void {
    this.timedOut = true;
    this.wake();
  }

  /** Makes a blocked task try again. No effect on one that is not blocked. */
  wake(): void {
    if (this.run === RUN_BLOCKED) this.kernel.enqueue(this);
  }

  /** Takes the task off all wait queues. */
  clearWaits(): void {
    for (let i = 0; i < this.waitCount; i++) {
      const e = this.waits[i]!;
      if (e.queue !== null) e.queue.remove(e);
    }
    this.waitCount = 0;
  }

  /** Shows every queue that the task is on, and the events it wants of it. */
  forEachWait(show: (queue: WaitQueue, mask: number) => void): void {
    for (let i = 0; i < this.waitCount; i++) {
      const e = this.waits[i]!;
      if (e.queue !== null) show(e.queue, e.mask);
    }
  }

  /** Keeps `file` for the further attempts of the current call. */
  holdFile(file: FileDescription): void {
    if (this.heldFile !== null) return;
    file.incRef();
    this.heldFile = file;
  }

  /** Forgets everything about the current call. */
  endCall(): void {
    this.clearWaits();
    this.inSyscall = false;
    if (this.attempt > 0 || this.deadline.armed) {
      this.kernel.timers.cancel(this.deadline);
      this.attempt = 0;
      this.timedOut = false;
    }
    this.progress = 0;
    this.stateRef = null;
    this.onInterrupted = null;
    this.killableOnly = false;
    const held = this.heldFile;
    if (held !== null) {
      this.heldFile = null;
      held.decRef();
    }
  }

  // --- guest memory, small structures ---

  /** Copies `len` (<= 4096) bytes into `kernel.scratch` (read them through `kernel.scratchView`). 0 or -EFAULT. */
  copyInStruct(addr: number, len: number): number {
    return this.mm.copyInExact(addr, this.kernel.scratch, 0, len);
  }

  /** Copies the first `len` bytes of `kernel.scratch` out. 0 or -EFAULT. */
  copyOutStruct(addr: number, len: number): number {
    return this.mm.copyOutExact(addr, this.kernel.scratch, 0, len);
  }

  /** An interval or time of `struct timespec` at `addr` in ns; -EFAULT, -EINVAL when malformed; saturates at 2^53. */
  readTimespec(addr: number): number {
    const err = this.mm.copyInExact(addr, this.kernel.scratch, 0, 16);
    if (err !== 0) return err;
    const ns = readTimespec(this.kernel.scratchView, 0);
    return ns < 0 ? -EINVAL : ns;
  }
}
