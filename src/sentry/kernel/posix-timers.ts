/** POSIX interval timers: timer_create(2), timer_settime(2), timer_getoverrun(2). */
import { SI_TIMER, SIGEV_NONE, SIGEV_THREAD_ID, SigInfo } from "../../abi/signal.ts";
import type { SignalOrigin } from "../../abi/signal.ts";
import { taskCpuNs, groupCpuNs } from "./cpu-time.ts";
import { Timer } from "./timers.ts";
import type { TimerListener } from "./timers.ts";
import type { Task } from "./task.ts";
import { sendToGroup, sendToTask } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** What a timer counts. */
export const TIMER_CLOCK_MONOTONIC = 0;
export const TIMER_CLOCK_REALTIME = 1;
export const TIMER_CLOCK_PROCESS_CPU = 2;
export const TIMER_CLOCK_THREAD_CPU = 3;

/** Most overruns that are told (DELAYTIMER_MAX). */
const DELAYTIMER_MAX = 0x7fffffff;

/** One timer of a process. Not inherited by fork, deleted by execve. */
export class PosixTimer implements TimerListener, SignalOrigin {
  readonly id: number;
  /** CLOCK_* as the program said. */
  readonly clockId: number;
  readonly group: ThreadGroup;
  /** TIMER_CLOCK_* */
  readonly clock: number;
  /** The thread of TIMER_CLOCK_THREAD_CPU. */
  readonly cpuTask: Task;
  /** SIGEV_* */
  readonly notify: number;
  readonly signo: number;
  readonly valueLo: number;
  readonly valueHi: number;
  /** SIGEV_THREAD_ID */
  readonly target: Task | null;
  readonly timer: Timer;
  intervalNs = 0;
  /** CPU-time clocks: the CPU time at which it expires; 0 = off. */
  cpuDeadlineNs = 0;
  /** Expirations since the signal was queued; what the last delivered signal of one that repeats carried. */
  pendingOverrun = 0;
  lastOverrun = 0;
  /** The real user whose queue it has a place in. */
  readonly owner: number;
  /** The queued, undelivered signal. */
  queued: SigInfo | null = null;
  /** The timer was set since that was queued: unless it expires anew, nobody gets it. */
  private isStale = false;

  constructor(
    id: number,
    group: ThreadGroup,
    clockId: number,
    clock: number,
    cpuTask: Task,
    notify: number,
    signo: number,
    valueLo: number,
    valueHi: number,
    target: Task | null,
  ) {
    this.id = id;
    this.group = group;
    this.clockId = clockId;
    this.clock = clock;
    this.cpuTask = cpuTask;
    this.notify = notify;
    this.signo = signo;
    this.valueLo = valueLo;
    this.valueHi = valueHi;
    this.target = target;
    this.timer = new Timer(this);
    this.owner = cpuTask.creds.ruid;
    group.kernel.queuedSignals.change(this.owner, 1);
  }

  get isCpuTimer(): boolean {
    return this.clock >= TIMER_CLOCK_PROCESS_CPU;
  }

  /** CPU time that a CPU timer counts, ns. */
  cpuNs(): number {
    return this.clock === TIMER_CLOCK_PROCESS_CPU ? groupCpuNs(this.group) : taskCpuNs(this.cpuTask);
  }

  /** Arms for an absolute time of its clock (monotonic ns, or CPU ns); the caller arms the group's CPU timer for the latter. */
  arm(deadlineNs: number, intervalNs: number): void {
    this.intervalNs = intervalNs;
    if (this.isCpuTimer) {
      this.cpuDeadlineNs = deadlineNs;
      // No time may be used from now on, and it is over already.
      this.checkCpu();
    } else if (this.notify === SIGEV_NONE) this.timer.deadlineNs = deadlineNs;
    else this.group.kernel.timers.arm(this.timer, deadlineNs);
  }

  /** Takes it out of its process, with a signal that was not delivered yet. */
  delete(): void {
    const g = this.group;
    this.disarm();
    g.posixTimers.delete(this.id);
    g.kernel.queuedSignals.change(this.owner, -1);
    if (this.queued === null) return;
    g.pending.remove(this.signo, this.queued);
    if (this.target !== null) this.target.pending.remove(this.signo, this.queued);
  }

  /** What timer_settime(2) begins with. */
  disarm(): void {
    this.group.kernel.timers.cancel(this.timer);
    this.cpuDeadlineNs = 0;
    this.intervalNs = 0;
    this.pendingOverrun = 0;
    this.lastOverrun = 0;
    this.isStale = this.queued !== null;
  }

  /** ns until the next expiration, 0 when disarmed. */
  remainingNs(): number {
    if (this.isCpuTimer) {
      return this.cpuDeadlineNs === 0 ? 0 : Math.max(this.cpuDeadlineNs - this.cpuNs(), 1);
    }
    const now = this.group.kernel.clock.monotonicNs();
    if (this.notify === SIGEV_NONE) return this.untilDue(now);
    if (!this.timer.armed) return 0;
    return Math.max(this.timer.deadlineNs - now, 1);
  }

  /**
   * ns until a SIGEV_NONE timer is due. It is never armed, only reckoned with when somebody asks; that it was disarmed does
   * not show in Linux until the time it was last set to is over.
   */
  private untilDue(nowNs: number): number {
    const { timer, intervalNs } = this;
    if (intervalNs > 0 && timer.deadlineNs <= nowNs) {
      timer.deadlineNs += (Math.floor((nowNs - timer.deadlineNs) / intervalNs) + 1) * intervalNs;
    }
    return Math.max(timer.deadlineNs - nowNs, 0);
  }

  onTimer(timer: Timer, nowNs: number): void {
    let missed = 0;
    if (this.intervalNs > 0) {
      const due = timer.deadlineNs;
      missed = Math.floor((nowNs - due) / this.intervalNs);
      this.group.kernel.timers.arm(timer, due + (missed + 1) * this.intervalNs);
    }
    this.expire(missed);
  }

  /** The group's CPU timer looks at it. */
  checkCpu(): void {
    if (this.cpuDeadlineNs === 0) return;
    const now = this.cpuNs();
    if (now < this.cpuDeadlineNs) return;
    let missed = 0;
    if (this.intervalNs > 0) {
      missed = Math.floor((now - this.cpuDeadlineNs) / this.intervalNs);
      this.cpuDeadlineNs += (missed + 1) * this.intervalNs;
    } else {
      this.cpuDeadlineNs = 0;
    }
    this.expire(missed);
  }

  private expire(missed: number): void {
    if (this.notify === SIGEV_NONE) return;
    if (this.queued !== null) {
      const before = this.isStale ? 0 : this.pendingOverrun + 1;
      this.pendingOverrun = Math.min(before + missed, DELAYTIMER_MAX);
      this.isStale = false;
      return;
    }
    const info = new SigInfo();
    info.signo = this.signo;
    info.code = SI_TIMER;
    info.timerId = this.id;
    info.valueLo = this.valueLo;
    info.valueHi = this.valueHi;
    info.timer = this;
    this.pendingOverrun = missed;
    this.queued = info;
    const toThread = this.notify === SIGEV_THREAD_ID && this.target !== null && !this.target.exited;
    const err = toThread ? sendToTask(this.target, info) : sendToGroup(this.group, info);
    // An ignored one is not kept, and the next expiration is told again.
    if (err !== 0 || !this.isPending(info)) this.queued = null;
  }

  private isPending(info: SigInfo): boolean {
    return this.group.pending.contains(info) || (this.target !== null && this.target.pending.contains(info));
  }

  /** The signal is thrown away: it became an ignored one. */
  dropped(info: SigInfo): void {
    if (this.queued === info) this.queued = null;
  }

  /** See {@link SignalOrigin}. Fills si_overrun, which one that does not repeat has none of. */
  taken(info: SigInfo): boolean {
    if (this.queued !== info) return true;
    this.queued = null;
    if (this.isStale) {
      this.isStale = false;
      return false;
    }
    if (this.intervalNs > 0) {
      this.lastOverrun = this.pendingOverrun;
      this.pendingOverrun = 0;
      info.overrun = this.lastOverrun;
    }
    return true;
  }
}
