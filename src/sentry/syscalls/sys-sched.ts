/** Scheduling parameters: sched(7), sched_setattr(2), sched_setaffinity(2), ioprio_set(2). */
import { CAP_SYS_ADMIN, CAP_SYS_NICE } from "../../abi/capability.ts";
import { E2BIG, EFAULT, EINVAL, EOPNOTSUPP, EPERM, ESRCH } from "../../abi/errno.ts";
import { PRIO_PGRP, PRIO_PROCESS, PRIO_USER, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME } from "../../abi/resource.ts";
import {
  SCHED_BATCH,
  SCHED_DEADLINE,
  SCHED_FIFO,
  SCHED_FLAG_ALL,
  SCHED_FLAG_KEEP_PARAMS,
  SCHED_FLAG_KEEP_POLICY,
  SCHED_FLAG_RESET_ON_FORK,
  SCHED_FLAG_UTIL_CLAMP,
  SCHED_IDLE,
  SCHED_OTHER,
  SCHED_RESET_ON_FORK,
  SCHED_RR,
} from "../../abi/sched.ts";
import { writeTimespec } from "../../abi/time.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { updateCpuWatch } from "../kernel/itimers.ts";
import { targets } from "./sys-resource.ts";

/** struct sched_attr: its first version, and the one with utilization clamps. */
const ATTR_SIZE_0 = 48;
const ATTR_SIZE_1 = 56;
const PAGE_SIZE = 4096;
const MAX_RT_PRIORITY = 99;

/** The highest priority of a policy, 0 for those without; -EINVAL. */
function maxPriority(policy: number): number {
  switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
      return MAX_RT_PRIORITY;
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
    case SCHED_DEADLINE:
      return 0;
    default:
      return -EINVAL;
  }
}

function schedTarget(t: Task, a: SyscallArgs): Task | number {
  const pid = a.i32(0);
  if (pid < 0) return -EINVAL;
  return pid === 0 ? t : (t.kernel.tasks.get(pid) ?? -ESRCH);
}

/** Whether the caller's effective user is the target's, real or effective. */
function ownsOther(t: Task, target: Task): boolean {
  return t.creds.euid === target.creds.euid || t.creds.euid === target.creds.ruid;
}

/** Whether RLIMIT_NICE lets the thread have that niceness. */
export function mayBeNice(t: Task, nice: number): boolean {
  return 20 - nice <= t.group.limits.get(RLIMIT_NICE);
}

/** Scheduling parameters that are asked for. */
class Wanted {
  policy = 0;
  isReset = false;
  /** Only for SCHED_OTHER and SCHED_BATCH. */
  nice = 0;
  priority = 0;
}

/** Whether the change needs CAP_SYS_NICE. */
function needsPrivilege(t: Task, target: Task, w: Wanted): boolean {
  const { limits } = target.group;
  if (w.policy === SCHED_OTHER || w.policy === SCHED_BATCH) {
    if (w.nice < target.nice && !mayBeNice(target, w.nice)) return true;
  } else if (maxPriority(w.policy) > 0) {
    const limit = limits.get(RLIMIT_RTPRIO);
    if (w.policy !== target.schedPolicy && limit === 0) return true;
    if (w.priority > target.schedPriority && w.priority > limit) return true;
  } else if (w.policy === SCHED_DEADLINE) {
    return true;
  }
  // SCHED_IDLE is like a niceness of 20: leaving it is a rise.
  if (target.schedPolicy === SCHED_IDLE && w.policy !== SCHED_IDLE && !mayBeNice(target, target.nice)) return true;
  return !ownsOther(t, target) || (target.schedReset && !w.isReset);
}

function setScheduler(t: Task, target: Task, w: Wanted): number {
  const max = maxPriority(w.policy);
  // Deadlines could not be kept.
  if (max < 0 || w.policy === SCHED_DEADLINE) return -EINVAL;
  if (max === 0 ? w.priority !== 0 : w.priority < 1 || w.priority > max) return -EINVAL;
  if (needsPrivilege(t, target, w) && !t.creds.hasCap(CAP_SYS_NICE)) return -EPERM;
  target.schedPolicy = w.policy;
  target.realTimeBlocks = -1;
  if (target.group.limits.get(RLIMIT_RTTIME) !== Infinity) updateCpuWatch(target.group);
  target.schedPriority = w.priority;
  t.kernel.futexes.inherit(target);
  target.schedReset = w.isReset;
  if (w.policy === SCHED_OTHER || w.policy === SCHED_BATCH) target.nice = w.nice;
  return 0;
}

function sysSchedSetscheduler(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  const policy = a.i32(1);
  if (policy < 0 || a.ptr(2) === 0 || a.i32(0) < 0) return -EINVAL;
  const priority = t.mm.readU32(a.ptr(2));
  if (priority < 0) return -EFAULT;
  if (typeof target === "number") return target;
  const w = new Wanted();
  w.policy = policy & ~SCHED_RESET_ON_FORK;
  w.isReset = (policy & SCHED_RESET_ON_FORK) !== 0;
  w.nice = target.nice;
  w.priority = priority | 0;
  return setScheduler(t, target, w);
}

function sysSchedSetparam(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  if (a.ptr(1) === 0 || a.i32(0) < 0) return -EINVAL;
  const priority = t.mm.readU32(a.ptr(1));
  if (priority < 0) return -EFAULT;
  if (typeof target === "number") return target;
  const w = new Wanted();
  w.policy = target.schedPolicy;
  w.isReset = target.schedReset;
  w.nice = target.nice;
  w.priority = priority | 0;
  return setScheduler(t, target, w);
}

function sysSchedGetscheduler(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  if (typeof target === "number") return target;
  return target.schedPolicy | (target.schedReset ? SCHED_RESET_ON_FORK : 0);
}

function sysSchedGetparam(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  if (a.ptr(1) === 0) return -EINVAL;
  if (typeof target === "number") return target;
  return t.mm.writeU32(a.ptr(1), target.schedPriority);
}

/** Copies a struct sched_attr of any known size to scratch, zeros behind it: 0 or -errno. */
function readAttr(t: Task, at: number): number {
  const { scratch } = t.kernel;
  let size = t.mm.readU32(at);
  if (size < 0) return -EFAULT;
  if (size === 0) size = ATTR_SIZE_0;
  let known = size >= ATTR_SIZE_0 && size <= PAGE_SIZE;
  if (known) {
    if (t.copyInStruct(at, size) !== 0) return -EFAULT;
    for (let i = ATTR_SIZE_1; i < size; i++) if (scratch[i] !== 0) known = false;
    if (size < ATTR_SIZE_1) scratch.fill(0, size, ATTR_SIZE_1);
  }
  if (!known) {
    const r = t.mm.writeU32(at, ATTR_SIZE_1);
    return r < 0 ? r : -E2BIG;
  }
  const flags = t.kernel.scratchView.getUint32(8, true);
  return (flags & SCHED_FLAG_UTIL_CLAMP) !== 0 && size < ATTR_SIZE_1 ? -EINVAL : 0;
}

function sysSchedSetattr(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  if (a.ptr(1) === 0 || a.i32(0) < 0 || a.u32(2) !== 0) return -EINVAL;
  const err = readAttr(t, a.ptr(1));
  if (err !== 0) return err;
  const v = t.kernel.scratchView;
  const policy = v.getInt32(4, true);
  const flags = v.getUint32(8, true);
  if (policy < 0) return -EINVAL;
  if (typeof target === "number") return target;
  const keepsPolicy = (flags & SCHED_FLAG_KEEP_POLICY) !== 0;
  const keepsParams = (flags & SCHED_FLAG_KEEP_PARAMS) !== 0;
  const w = new Wanted();
  w.policy = keepsPolicy ? target.schedPolicy : policy;
  w.isReset = keepsPolicy ? target.schedReset : (flags & SCHED_FLAG_RESET_ON_FORK) !== 0;
  w.nice = keepsParams ? target.nice : Math.max(-20, Math.min(19, v.getInt32(16, true)));
  w.priority = keepsParams && maxPriority(target.schedPolicy) > 0 ? target.schedPriority : v.getInt32(20, true);
  if ((flags & ~SCHED_FLAG_ALL) !== 0 || v.getUint32(12, true) !== 0) return -EINVAL;
  if ((flags & SCHED_FLAG_UTIL_CLAMP) !== 0) return -EOPNOTSUPP;
  return setScheduler(t, target, w);
}

function sysSchedGetattr(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  const size = a.u32(2);
  if (a.ptr(1) === 0 || size < ATTR_SIZE_0 || size > PAGE_SIZE || a.u32(3) !== 0) return -EINVAL;
  if (typeof target === "number") return target;
  const known = Math.min(size, ATTR_SIZE_1);
  const v = t.kernel.scratchView;
  for (let i = 0; i < ATTR_SIZE_1; i += 4) v.setUint32(i, 0, true);
  v.setUint32(0, known, true);
  v.setInt32(4, target.schedPolicy, true);
  v.setUint32(8, target.schedReset ? SCHED_FLAG_RESET_ON_FORK : 0, true);
  const isRealtime = maxPriority(target.schedPolicy) > 0;
  v.setInt32(16, isRealtime ? 0 : target.nice, true);
  v.setInt32(20, target.schedPriority, true);
  return t.copyOutStruct(a.ptr(1), known);
}

function sysSchedRrGetInterval(t: Task, a: SyscallArgs): number {
  const target = schedTarget(t, a);
  if (typeof target === "number") return target;
  writeTimespec(t.kernel.scratchView, 0, target.schedPolicy === SCHED_RR ? 1e8 : 4e6);
  return t.copyOutStruct(a.ptr(1), 16);
}

function sysSchedGetPriorityMax(_t: Task, a: SyscallArgs): number {
  return maxPriority(a.i32(0));
}

function sysSchedGetPriorityMin(_t: Task, a: SyscallArgs): number {
  const max = maxPriority(a.i32(0));
  return max > 0 ? 1 : max;
}

function sysSchedYield(_t: Task): number {
  return 0;
}

/** As schedTarget, but a negative number is just one that nobody has: sched_setaffinity(2). */
function affinityTarget(t: Task, a: SyscallArgs): Task | number {
  return a.i32(0) < 0 ? -ESRCH : schedTarget(t, a);
}

/** Words of an affinity mask that counts the sandbox's CPUs. */
function maskWords(t: Task): number {
  return Math.ceil(t.kernel.cpuCount / 32);
}

function sysSchedSetaffinity(t: Task, a: SyscallArgs): number {
  const len = Math.min(a.u32(1), 1024);
  const { scratch } = t.kernel;
  scratch.fill(0, 0, 1024);
  if (t.copyInStruct(a.ptr(2), len) !== 0) return -EFAULT;
  const target = affinityTarget(t, a);
  if (typeof target === "number") return target;
  if (!ownsOther(t, target) && !t.creds.hasCap(CAP_SYS_NICE)) return -EPERM;
  const mask = new Uint32Array(maskWords(t));
  let any = false;
  let all = true;
  for (let cpu = 0; cpu < t.kernel.cpuCount; cpu++) {
    if ((scratch[cpu >> 3]! & (1 << (cpu & 7))) === 0) {
      all = false;
      continue;
    }
    mask[cpu >> 5] = mask[cpu >> 5]! | (1 << (cpu & 31));
    any = true;
  }
  if (!any) return -EINVAL;
  target.affinity = all ? null : mask;
  if (target.ctx >= 0 && !target.ctxDied) t.kernel.platform.setAffinity?.(target.ctx, target.affinity);
  return 0;
}

function sysSchedGetaffinity(t: Task, a: SyscallArgs): number {
  const len = a.u32(1);
  const bytes = Math.ceil(maskWords(t) / 2) * 8;
  if (len < Math.ceil(t.kernel.cpuCount / 8) || (len & 7) !== 0) return -EINVAL;
  const target = affinityTarget(t, a);
  if (typeof target === "number") return target;
  const { scratch } = t.kernel;
  scratch.fill(0, 0, bytes);
  for (let cpu = 0; cpu < t.kernel.cpuCount; cpu++) {
    const m = target.affinity;
    if (m === null || (m[cpu >> 5]! & (1 << (cpu & 31))) !== 0)
      scratch[cpu >> 3] = scratch[cpu >> 3]! | (1 << (cpu & 7));
  }
  const n = Math.min(len, bytes);
  return t.copyOutStruct(a.ptr(2), n) !== 0 ? -EFAULT : n;
}

// --- I/O priorities ---

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_WHO_USER = 3;
const IOPRIO_CLASS_NONE = 0;
const IOPRIO_CLASS_RT = 1;
const IOPRIO_CLASS_BE = 2;
const IOPRIO_CLASS_IDLE = 3;

/** Those meant by `which` and `who`; null for a bad `which`. */
function ioprioTargets(t: Task, a: SyscallArgs): Iterable<Task> | null {
  const which = a.i32(0);
  if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER) return null;
  return targets(t, [PRIO_PROCESS, PRIO_PGRP, PRIO_USER][which - 1]!, a.i32(1));
}

function sysIoprioGet(t: Task, a: SyscallArgs): number {
  const list = ioprioTargets(t, a);
  if (list === null) return -EINVAL;
  let best = -ESRCH;
  for (const target of list) best = best < 0 ? target.ioprio : Math.min(best, target.ioprio);
  return best;
}

/** 0, -EINVAL, or -EPERM for a class that is not for everybody. */
function checkIoprio(t: Task, value: number): number {
  const level = value & 7;
  switch ((value >>> 13) & 7) {
    case IOPRIO_CLASS_RT:
      return t.creds.hasCap(CAP_SYS_ADMIN) || t.creds.hasCap(CAP_SYS_NICE) ? 0 : -EPERM;
    case IOPRIO_CLASS_BE:
    case IOPRIO_CLASS_IDLE:
      return 0;
    case IOPRIO_CLASS_NONE:
      return level === 0 ? 0 : -EINVAL;
    default:
      return -EINVAL;
  }
}

function sysIoprioSet(t: Task, a: SyscallArgs): number {
  const value = a.u32(2) & 0xffff;
  const err = checkIoprio(t, value);
  if (err !== 0) return err;
  const list = ioprioTargets(t, a);
  if (list === null) return -EINVAL;
  let result = -ESRCH;
  for (const target of list) {
    const { ruid } = target.creds;
    if (ruid !== t.creds.euid && ruid !== t.creds.ruid && !t.creds.hasCap(CAP_SYS_NICE)) return -EPERM;
    target.ioprio = value;
    result = 0;
  }
  return result;
}

const KEPT = "Kept and reported, no effect on the host's scheduling";

export const schedSyscalls: readonly SyscallEntry[] = [
  partial("sched_setscheduler", sysSchedSetscheduler, KEPT),
  full("sched_getscheduler", sysSchedGetscheduler),
  partial("sched_setparam", sysSchedSetparam, KEPT),
  full("sched_getparam", sysSchedGetparam),
  partial("sched_setattr", sysSchedSetattr, KEPT),
  full("sched_getattr", sysSchedGetattr),
  partial("sched_rr_get_interval", sysSchedRrGetInterval, "The usual interval, whatever the host's"),
  full("sched_get_priority_max", sysSchedGetPriorityMax),
  full("sched_get_priority_min", sysSchedGetPriorityMin),
  full("sched_yield", sysSchedYield),
  full("sched_setaffinity", sysSchedSetaffinity),
  full("sched_getaffinity", sysSchedGetaffinity),
  partial("ioprio_get", sysIoprioGet, KEPT),
  partial("ioprio_set", sysIoprioSet, KEPT),
];
