/** Clocks and sleeping: clock_gettime(2), nanosleep(2), clock_nanosleep(2), gettimeofday(2), times(2). */
import { EFAULT, EINTR, EINVAL, EOPNOTSUPP, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from "../../abi/errno.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  readTimespec,
  TIMER_ABSTIME,
  USER_HZ,
  writeI64,
  writeTimespec,
  writeTimeval,
} from "../../abi/time.ts";
import { groupCpuNs, groupSystemNs, groupUserNs, taskCpuNs } from "../kernel/cpu-time.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** ns per tick of the coarse clocks (a 250 Hz kernel). */
const COARSE_NS = 4e6;
const NS_PER_TICK = 1e9 / USER_HZ;

/** Bits of a negative (dynamic) clock id: CPU clocks of a thread or process, clock_getcpuclockid(3). */
const CPUCLOCK_PERTHREAD = 4;
const CPUCLOCK_MASK = 3;
const CPUCLOCK_MAX = 3;

/** ns of a clock now, or -EINVAL. */
export function readClock(t: Task, id: number): number {
  const { clock } = t.kernel;
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return clock.realtimeNs();
    case CLOCK_REALTIME_COARSE: {
      const now = clock.realtimeNs();
      return now - (now % COARSE_NS);
    }
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
      return clock.monotonicNs();
    case CLOCK_MONOTONIC_COARSE: {
      const now = clock.monotonicNs();
      return now - (now % COARSE_NS);
    }
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return clock.boottimeNs();
    case CLOCK_PROCESS_CPUTIME_ID:
      return Math.floor(groupCpuNs(t.group));
    case CLOCK_THREAD_CPUTIME_ID:
      return Math.floor(taskCpuNs(t));
    default:
      return id < 0 ? readCpuClock(t, id) : -EINVAL;
  }
}

/** A dynamic id: ~pid shifted left by 3, kind below. */
function readCpuClock(t: Task, id: number): number {
  const pid = ~(id >> 3);
  if ((id & CPUCLOCK_MASK) >= CPUCLOCK_MAX) return -EINVAL;
  if ((id & CPUCLOCK_PERTHREAD) !== 0) {
    const target = pid === 0 ? t : t.kernel.tasks.get(pid);
    if (target === undefined || target.group !== t.group) return -EINVAL;
    return Math.floor(taskCpuNs(target));
  }
  const g = pid === 0 ? t.group : t.kernel.processes.get(pid);
  return g === undefined ? -EINVAL : Math.floor(groupCpuNs(g));
}

function sysClockGettime(t: Task, a: SyscallArgs): number {
  const ns = readClock(t, a.i32(0));
  if (ns < 0) return ns;
  writeTimespec(t.kernel.scratchView, 0, ns);
  return t.copyOutStruct(a.ptr(1), 16);
}

function sysClockGetres(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const now = readClock(t, id);
  if (now < 0) return now;
  const at = a.ptr(1);
  if (at === 0) return 0;
  const coarse = id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE;
  writeTimespec(t.kernel.scratchView, 0, coarse ? COARSE_NS : 1);
  return t.copyOutStruct(at, 16);
}

/** Nobody inside may set a clock: as without CAP_SYS_TIME. */
function sysClockSettime(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const err = t.copyInStruct(a.ptr(1), 16);
  if (err !== 0) return err;
  if (readTimespec(t.kernel.scratchView, 0) < 0) return -EINVAL;
  return id === CLOCK_REALTIME ? -EPERM : -EINVAL;
}

function sysSettimeofday(_t: Task, _a: SyscallArgs): number {
  return -EPERM;
}

function sysGettimeofday(t: Task, a: SyscallArgs): number {
  const tvAt = a.ptr(0);
  const tzAt = a.ptr(1);
  const v = t.kernel.scratchView;
  if (tvAt !== 0) {
    writeTimeval(v, 0, t.kernel.clock.realtimeNs());
    if (t.copyOutStruct(tvAt, 16) !== 0) return -EFAULT;
  }
  if (tzAt !== 0) {
    v.setUint32(0, 0, true);
    v.setUint32(4, 0, true);
    if (t.copyOutStruct(tzAt, 8) !== 0) return -EFAULT;
  }
  return 0;
}

function sysTime(t: Task, a: SyscallArgs): number {
  const sec = Math.floor(t.kernel.clock.realtimeNs() / 1e9);
  const at = a.ptr(0);
  if (at !== 0 && t.mm.writeI64(at, sec) !== 0) return -EFAULT;
  return sec;
}

function sysTimes(t: Task, a: SyscallArgs): number {
  const at = a.ptr(0);
  const g = t.group;
  if (at !== 0) {
    const v = t.kernel.scratchView;
    writeI64(v, 0, Math.floor(groupUserNs(g) / NS_PER_TICK));
    writeI64(v, 8, Math.floor(groupSystemNs(g) / NS_PER_TICK));
    writeI64(v, 16, Math.floor(g.childUsage.userNs / NS_PER_TICK));
    writeI64(v, 24, Math.floor(g.childUsage.systemNs / NS_PER_TICK));
    if (t.copyOutStruct(at, 32) !== 0) return -EFAULT;
  }
  return Math.floor(t.kernel.clock.monotonicNs() / NS_PER_TICK);
}

// --- sleeping ---

// Words of restartState while a relative sleep waits to be restarted.
const RS_DEADLINE = 0;
const RS_REMAIN_AT = 1;

/** A signal ended a relative sleep: tells what is left, and how to go on. */
function interruptedSleep(t: Task): number {
  const rs = t.restartState;
  rs[RS_DEADLINE] = t.state[0]!;
  rs[RS_REMAIN_AT] = t.state[1]!;
  t.restartFn = restartSleep;
  const at = rs[RS_REMAIN_AT]!;
  if (at !== 0) {
    const left = Math.max(0, rs[RS_DEADLINE]! - t.kernel.clock.monotonicNs());
    writeTimespec(t.kernel.scratchView, 0, left);
    if (t.copyOutStruct(at, 16) !== 0) return -EFAULT;
  }
  return -ERESTART_RESTARTBLOCK;
}

function restartSleep(t: Task): number {
  if (t.attempt === 0) {
    t.state[0] = t.restartState[RS_DEADLINE]!;
    t.state[1] = t.restartState[RS_REMAIN_AT]!;
    t.setDeadline(t.state[0]!);
  }
  return sleepAttempt(t);
}

function sleepAttempt(t: Task): number {
  if (t.timedOut) return 0;
  t.onInterrupted = interruptedSleep;
  return t.block(-EINTR);
}

function sysNanosleep(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const ns = t.readTimespec(a.ptr(0));
    if (ns < 0) return ns;
    if (ns === 0) return 0;
    startRelative(t, ns, a.ptr(1));
  }
  return sleepAttempt(t);
}

function startRelative(t: Task, ns: number, remainAt: number): void {
  t.state[0] = t.kernel.clock.monotonicNs() + ns;
  t.state[1] = remainAt;
  t.setDeadline(t.state[0]!);
}

/** state[2]: 1 while an absolute sleep waits, whose interruption leaves nothing to tell. */
function sysClockNanosleep(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const id = a.i32(0);
    const isAbsolute = (a.i32(1) & TIMER_ABSTIME) !== 0;
    switch (id) {
      case CLOCK_REALTIME:
      case CLOCK_MONOTONIC:
      case CLOCK_BOOTTIME:
      case CLOCK_TAI:
      case CLOCK_PROCESS_CPUTIME_ID:
        break;
      case CLOCK_THREAD_CPUTIME_ID:
      case CLOCK_MONOTONIC_RAW:
      case CLOCK_REALTIME_COARSE:
      case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
      case CLOCK_REALTIME_ALARM:
      case CLOCK_BOOTTIME_ALARM:
        return -EPERM;
      default:
        return -EINVAL;
    }
    const ns = t.readTimespec(a.ptr(2));
    if (ns < 0) return ns;
    // A sleep on the process's CPU time is over when that has passed: looked at again when the wall clock says it may be.
    const now = readClock(t, id);
    const left = isAbsolute ? ns - now : ns;
    if (left <= 0) return 0;
    t.state[2] = isAbsolute ? 1 : 0;
    t.state[3] = id === CLOCK_PROCESS_CPUTIME_ID ? now + left : 0;
    startRelative(t, left, isAbsolute ? 0 : a.ptr(3));
  }
  if (t.timedOut && t.state[3]! > 0) {
    const left = t.state[3]! - groupCpuNs(t.group);
    if (left > 0) {
      t.timedOut = false;
      t.setDeadline(t.kernel.clock.monotonicNs() + Math.max(left, COARSE_NS));
    }
  }
  if (t.timedOut) return 0;
  if (t.state[2] === 1) return t.block(-ERESTARTNOHAND);
  return sleepAttempt(t);
}

/** adjtimex(2), clock_adjtime(2): reading only (modes 0) would show nothing of use. */
function sysAdjtimex(_t: Task, _a: SyscallArgs): number {
  return -EPERM;
}

export const timeSyscalls: readonly SyscallEntry[] = [
  full("clock_gettime", sysClockGettime),
  full("clock_getres", sysClockGetres),
  partial("clock_settime", sysClockSettime, "EPERM: the sandbox's clocks cannot be set"),
  full("gettimeofday", sysGettimeofday),
  partial("settimeofday", sysSettimeofday, "EPERM: the sandbox's clocks cannot be set"),
  full("time", sysTime),
  full("times", sysTimes),
  full("nanosleep", sysNanosleep),
  full("clock_nanosleep", sysClockNanosleep),
  partial("adjtimex", sysAdjtimex, "EPERM"),
  partial("clock_adjtime", sysAdjtimex, "EPERM"),
];
