/** Timers that send signals: alarm(2), setitimer(2), timer_create(2). */
import { EAGAIN, EFAULT, EINVAL, EOPNOTSUPP } from "../../abi/errno.ts";
import { NSIG, SIGALRM, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID } from "../../abi/signal.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  ITIMER_PROF,
  ITIMER_REAL,
  readTimespec,
  readTimeval,
  TIMER_ABSTIME,
  writeTimespec,
  writeTimeval,
} from "../../abi/time.ts";
import { getItimer, setItimer, updateCpuWatch } from "../kernel/itimers.ts";
import {
  PosixTimer,
  TIMER_CLOCK_MONOTONIC,
  TIMER_CLOCK_PROCESS_CPU,
  TIMER_CLOCK_REALTIME,
  TIMER_CLOCK_THREAD_CPU,
} from "../kernel/posix-timers.ts";
import { mayNotQueue } from "../kernel/task-signals.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** sizeof(struct sigevent), sizeof(struct itimerspec), sizeof(struct itimerval) */
const SIGEVENT_SIZE = 64;
const ITIMERSPEC_SIZE = 32;
const ITIMERVAL_SIZE = 32;
/** Most timers of one process, whatever its RLIMIT_SIGPENDING. */
const TIMERS_MAX = 4096;

const now: Float64Array = new Float64Array(2);

function sysAlarm(t: Task, a: SyscallArgs): number {
  const sec = a.u32(0);
  const k = t.kernel;
  getItimer(k, t.group, ITIMER_REAL, now);
  const left = now[0]!;
  setItimer(k, t.group, ITIMER_REAL, Math.min(sec, 0x7fffffff) * 1e9, 0);
  // Rounded, but never to 0 while something is left, alarm(2) as Linux does it.
  if (left === 0) return 0;
  return Math.max(1, Math.round(left / 1e9));
}

function putItimer(t: Task, at: number): number {
  const v = t.kernel.scratchView;
  writeTimeval(v, 0, now[1]!);
  writeTimeval(v, 16, now[0]!);
  return t.copyOutStruct(at, ITIMERVAL_SIZE);
}

function sysGetitimer(t: Task, a: SyscallArgs): number {
  const which = a.u32(0);
  if (which > ITIMER_PROF) return -EINVAL;
  getItimer(t.kernel, t.group, which, now);
  return putItimer(t, a.ptr(1));
}

function sysSetitimer(t: Task, a: SyscallArgs): number {
  const which = a.u32(0);
  const newAt = a.ptr(1);
  const oldAt = a.ptr(2);
  let interval = 0;
  let value = 0;
  if (newAt !== 0) {
    if (t.copyInStruct(newAt, ITIMERVAL_SIZE) !== 0) return -EFAULT;
    interval = readTimeval(t.kernel.scratchView, 0);
    value = readTimeval(t.kernel.scratchView, 16);
    if (interval < 0 || value < 0) return -EINVAL;
  }
  if (which > ITIMER_PROF) return -EINVAL;
  getItimer(t.kernel, t.group, which, now);
  setItimer(t.kernel, t.group, which, value, interval);
  return oldAt !== 0 ? putItimer(t, oldAt) : 0;
}

// --- POSIX timers ---

/** TIMER_CLOCK_* of a clock id, or -EINVAL. */
function timerClock(id: number): number {
  switch (id) {
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
      return TIMER_CLOCK_MONOTONIC;
    case CLOCK_REALTIME:
    case CLOCK_TAI:
      return TIMER_CLOCK_REALTIME;
    case CLOCK_PROCESS_CPUTIME_ID:
      return TIMER_CLOCK_PROCESS_CPU;
    case CLOCK_THREAD_CPUTIME_ID:
      return TIMER_CLOCK_THREAD_CPU;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
      return -EOPNOTSUPP;
    default:
      // Dynamic ids: the caller's own CPU clocks only; 3 is no kind of them.
      if (id < 0 && (id & 3) !== 3 && ~(id >> 3) === 0)
        return (id & 4) !== 0 ? TIMER_CLOCK_THREAD_CPU : TIMER_CLOCK_PROCESS_CPU;
      return -EINVAL;
  }
}

function sysTimerCreate(t: Task, a: SyscallArgs): number {
  const g = t.group;
  const eventAt = a.ptr(1);
  if (eventAt !== 0 && t.copyInStruct(eventAt, SIGEVENT_SIZE) !== 0) return -EFAULT;
  const clock = timerClock(a.i32(0));
  if (clock < 0) return clock;
  if (g.posixTimers.size >= TIMERS_MAX || mayNotQueue(t)) return -EAGAIN;
  let notify = SIGEV_SIGNAL;
  let signo = SIGALRM;
  const id = freeTimerId(t);
  let valueLo = id;
  let valueHi = 0;
  let target: Task | null = null;
  if (eventAt !== 0) {
    const v = t.kernel.scratchView;
    valueLo = v.getUint32(0, true);
    valueHi = v.getUint32(4, true);
    signo = v.getInt32(8, true);
    notify = v.getInt32(12, true);
    const tid = v.getInt32(16, true);
    switch (notify) {
      case SIGEV_NONE:
        break;
      case SIGEV_THREAD_ID: {
        const found = t.kernel.tasks.get(tid);
        if (found === undefined || found.group !== g) return -EINVAL;
        target = found;
        break;
      }
      case SIGEV_SIGNAL:
      case SIGEV_THREAD:
        break;
      default:
        return -EINVAL;
    }
    if (notify !== SIGEV_NONE && (signo < 1 || signo > NSIG)) return -EINVAL;
  }
  if (t.mm.writeU32(a.ptr(2), id) !== 0) return -EFAULT;
  g.posixTimers.set(id, new PosixTimer(id, g, a.i32(0), clock, t, notify, signo, valueLo, valueHi, target));
  return 0;
}

function freeTimerId(t: Task): number {
  const g = t.group;
  let id = g.nextTimerId;
  while (g.posixTimers.has(id)) id = (id + 1) & 0x7fffffff;
  g.nextTimerId = (id + 1) & 0x7fffffff;
  return id;
}

function putTimer(t: Task, intervalNs: number, remainingNs: number, at: number): number {
  const v = t.kernel.scratchView;
  writeTimespec(v, 0, intervalNs);
  writeTimespec(v, 16, Math.floor(remainingNs));
  return t.copyOutStruct(at, ITIMERSPEC_SIZE);
}

function sysTimerSettime(t: Task, a: SyscallArgs): number {
  const newAt = a.ptr(2);
  const oldAt = a.ptr(3);
  if (newAt === 0) return -EINVAL;
  if (t.copyInStruct(newAt, ITIMERSPEC_SIZE) !== 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const interval = readTimespec(v, 0);
  const value = readTimespec(v, 16);
  if (interval < 0 || value < 0) return -EINVAL;
  const timer = t.group.posixTimers.get(a.i32(0));
  if (timer === undefined) return -EINVAL;
  const isAbsolute = (a.i32(1) & TIMER_ABSTIME) !== 0;
  const oldInterval = timer.intervalNs;
  const oldRemaining = oldAt === 0 ? 0 : timer.remainingNs();
  timer.disarm();
  if (value > 0) {
    const { clock } = t.kernel;
    let deadline = value;
    if (timer.isCpuTimer) {
      if (!isAbsolute) deadline = timer.cpuNs() + value;
    } else if (!isAbsolute) {
      deadline = clock.monotonicNs() + value;
    } else if (timer.clock === TIMER_CLOCK_REALTIME) {
      deadline = clock.monotonicNs() + (value - clock.realtimeNs());
    }
    timer.arm(deadline, interval);
  }
  if (timer.isCpuTimer) updateCpuWatch(t.group);
  return oldAt === 0 ? 0 : putTimer(t, oldInterval, oldRemaining, oldAt);
}

function sysTimerGettime(t: Task, a: SyscallArgs): number {
  const timer = t.group.posixTimers.get(a.i32(0));
  return timer === undefined ? -EINVAL : putTimer(t, timer.intervalNs, timer.remainingNs(), a.ptr(1));
}

function sysTimerGetoverrun(t: Task, a: SyscallArgs): number {
  const timer = t.group.posixTimers.get(a.i32(0));
  return timer === undefined ? -EINVAL : timer.lastOverrun;
}

function sysTimerDelete(t: Task, a: SyscallArgs): number {
  const g = t.group;
  const timer = g.posixTimers.get(a.i32(0));
  if (timer === undefined) return -EINVAL;
  timer.delete();
  if (timer.isCpuTimer) updateCpuWatch(g);
  return 0;
}

export const timerSyscalls: readonly SyscallEntry[] = [
  full("alarm", sysAlarm),
  full("getitimer", sysGetitimer),
  full("setitimer", sysSetitimer),
  full("timer_create", sysTimerCreate),
  full("timer_settime", sysTimerSettime),
  full("timer_gettime", sysTimerGettime),
  full("timer_getoverrun", sysTimerGetoverrun),
  full("timer_delete", sysTimerDelete),
];
