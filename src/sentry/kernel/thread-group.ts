/** A process: the threads that share a pid, with what they have in common. */
import { Children } from "./children.ts";
import { Timer } from "./timers.ts";
import type { TimerListener } from "./timers.ts";
import { WaitQueue } from "../../base/waiter.ts";
import type { UndoList } from "../ipc/sem.ts";
import type { LimitSet } from "../limits/limits.ts";
import type { Kernel } from "./kernel.ts";
import { PendingSignals } from "./pending-signals.ts";
import type { PosixTimer } from "./posix-timers.ts";
import type { ControllingTerminal, ProcessGroup, Session } from "./sessions.ts";
import type { SignalHandlers } from "./sighand.ts";
import { onCpuTimer, onRealTimer } from "./itimers.ts";
import type { Task } from "./task.ts";
import { Usage } from "./usage.ts";
import { WIDE } from "../../base/wide.ts";

/** An interval timer: setitimer(2). For ITIMER_VIRTUAL and ITIMER_PROF `nextNs` is CPU time, for ITIMER_REAL see `timer`. */
export class IntervalTimer {
  intervalNs = 0;
  /** 0 = off. */
  nextNs = 0;
}

/** See the header. */
export class ThreadGroup implements TimerListener {
  readonly kernel: Kernel;
  /** The pid. */
  readonly id: number;
  leader!: Task;
  /** Live threads (exited ones leave; the leader stays until the process is reaped). */
  tasks: Task[] = [];
  parent: ThreadGroup | null = null;
  /** The parent's thread that made this process, for PR_SET_PDEATHSIG; null once it is gone. */
  creator: Task | null = null;
  readonly children: Children = new Children();
  /** Its place among its parent's children. */
  childPlace = 0;
  pgrp!: ProcessGroup;
  /** The controlling terminal: inherited by fork, given up by setsid(2) and TIOCNOTTY. */
  tty: ControllingTerminal | null = null;
  /** Of a session leader whose terminal has hung up: the foreground group of then, told when the leader ends; 0 = none. */
  hungUpForeground = 0;
  sighand: SignalHandlers;
  readonly pending: PendingSignals;
  limits: LimitSet;

  // --- leaving ---
  /** exit_group or a fatal signal happened: every thread must exit with `exitStatus`. */
  exiting = false;
  /** wait(2) status word. */
  exitStatus = 0;
  /** All threads have exited. */
  isZombie = false;
  /** Waited for (or nobody will): no longer in the pid table. */
  reaped = false;
  /** Sent to the parent when the process ends: SIGCHLD, 0 = none (clone's low byte). */
  exitSignal = 0;
  /** The thread that performs execve and waits for the others to go. */
  execTask: Task | null = null;

  // --- job control ---
  /** A group stop has been asked for; threads stop one by one, each sets its `stopAcknowledged`. */
  stopRequested = false;
  /** All threads have stopped. */
  stopped = false;
  stopSignal = 0;
  /** Stop / continue not yet reported to a waiting parent. */
  stopPending = false;
  continuePending = false;

  // --- waiting ---
  /** wait4 callers of this process: notified (EV_IN) when a child changes state. */
  readonly childQueue: WaitQueue = new WaitQueue();
  /** Notified (EV_IN) when the process has ended (pidfd) and when threads exit (execve, vfork). */
  readonly exitQueue: WaitQueue = new WaitQueue();
  /** signalfd readers. */
  readonly signalQueue: WaitQueue = new WaitQueue();

  // --- figures ---
  /** Of exited threads. */
  readonly usage: Usage = new Usage();
  /** Of waited-for children. */
  readonly childUsage: Usage = new Usage();
  /** Monotonic ns. */
  startNs: number = WIDE;

  // --- timers ---
  readonly realTimer: Timer;
  realIntervalNs = 0;
  readonly virtualTimer: IntervalTimer = new IntervalTimer();
  readonly profTimer: IntervalTimer = new IntervalTimer();
  /** Looks at the CPU-time timers and RLIMIT_CPU again; armed only while they matter (`watchesCpu`) and a thread runs. */
  readonly cpuTimer: Timer;
  watchesCpu = false;
  /** By timer id. */
  readonly posixTimers: Map<number, PosixTimer> = new Map();
  nextTimerId = 0;

  // --- attributes ---
  /** prctl(PR_SET_CHILD_SUBREAPER) */
  isSubreaper = false;
  /** Init: adopts orphans. */
  isReaper = false;
  /** execve has happened since fork: setpgid by the parent gives EACCES. */
  hasExeced = false;
  dumpable = 1;
  oomScoreAdj = 0;
  /** prctl(PR_SET_THP_DISABLE) */
  noHugePages = false;
  /** /proc/PID/loginuid */
  loginUid = 0xffffffff;
  /** SEM_UNDO operations to take back at the end; null until the first. */
  semUndo: UndoList | null = null;
  /** membarrier(2) registrations. */
  membarrier = 0;

  constructor(kernel: Kernel, id: number, sighand: SignalHandlers, limits: LimitSet) {
    this.kernel = kernel;
    this.id = id;
    this.sighand = sighand;
    this.limits = limits;
    this.pending = new PendingSignals(kernel.queuedSignals);
    this.realTimer = new Timer(this);
    this.cpuTimer = new Timer(this);
  }

  /** ITIMER_REAL expired, or CPU time is to be looked at. */
  onTimer(timer: Timer, nowNs: number): void {
    if (timer === this.realTimer) onRealTimer(this, nowNs);
    else onCpuTimer(this);
  }

  /** Whether the parent may be told of an end, a stop or a continuation by wait(2). */
  get hasNews(): boolean {
    return this.isZombie || this.stopPending || this.continuePending;
  }

  get session(): Session {
    return this.pgrp.session;
  }

  /** Number of threads that have not exited. */
  get liveThreads(): number {
    return this.tasks.length;
  }
}
