/** Limits, usage and niceness: getrlimit(2), getrusage(2), setpriority(2). */
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { CAP_SYS_NICE, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  NR_OPEN,
  PRIO_PGRP,
  PRIO_PROCESS,
  PRIO_USER,
  RLIM_INFINITY,
  RLIM_NLIMITS,
  RLIMIT_CPU,
  RLIMIT_NICE,
  RLIMIT_RTTIME,
  RLIMIT_NOFILE,
  RUSAGE_CHILDREN,
  RUSAGE_SELF,
  RUSAGE_SIZE,
  RUSAGE_THREAD,
} from "../../abi/resource.ts";
import { readU64, writeI64, writeTimeval } from "../../abi/time.ts";
import { groupUsage, syncCpu } from "../kernel/cpu-time.ts";
import { updateCpuWatch } from "../kernel/itimers.ts";
import { noteResident } from "../kernel/resident.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import { Usage } from "../kernel/usage.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** Values from here on mean "unlimited" on the wire (all ones). */
const INFINITY_FROM = 2 ** 63;

// --- limits ---

function writeLimit(v: DataView, off: number, value: number): void {
  if (value === RLIM_INFINITY) {
    v.setUint32(off, 0xffffffff, true);
    v.setUint32(off + 4, 0xffffffff, true);
  } else {
    writeI64(v, off, value);
  }
}

function readLimit(v: DataView, off: number): number {
  const value = readU64(v, off);
  return value >= INFINITY_FROM ? RLIM_INFINITY : value;
}

function putLimits(t: Task, g: ThreadGroup, resource: number, at: number): number {
  const v = t.kernel.scratchView;
  writeLimit(v, 0, g.limits.soft[resource]!);
  writeLimit(v, 8, g.limits.hard[resource]!);
  return t.copyOutStruct(at, 16);
}

/** The new limits are in scratch[0..16). 0 or -errno. */
function changeLimits(t: Task, g: ThreadGroup, resource: number, soft: number, hard: number): number {
  if (soft > hard) return -EINVAL;
  if (resource === RLIMIT_NOFILE && hard > NR_OPEN) return -EPERM;
  if (hard > g.limits.hard[resource]! && !t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
  g.limits.set(resource, soft, hard);
  if (resource === RLIMIT_CPU || resource === RLIMIT_RTTIME) updateCpuWatch(g);
  return 0;
}

function sysGetrlimit(t: Task, a: SyscallArgs): number {
  const resource = a.u32(0);
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  return putLimits(t, t.group, resource, a.ptr(1));
}

function sysSetrlimit(t: Task, a: SyscallArgs): number {
  const resource = a.u32(0);
  if (t.copyInStruct(a.ptr(1), 16) !== 0) return -EFAULT;
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  const v = t.kernel.scratchView;
  return changeLimits(t, t.group, resource, readLimit(v, 0), readLimit(v, 8));
}

function sysPrlimit64(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  const resource = a.u32(1);
  const newAt = a.ptr(2);
  const oldAt = a.ptr(3);
  if (newAt !== 0 && t.copyInStruct(newAt, 16) !== 0) return -EFAULT;
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  const target = pid === 0 ? t : t.kernel.tasks.get(pid);
  const v = t.kernel.scratchView;
  const soft = newAt === 0 ? 0 : readLimit(v, 0);
  const hard = newAt === 0 ? 0 : readLimit(v, 8);
  if (target === undefined) return -ESRCH;
  if (target.group !== t.group && !mayChangeLimits(t, target)) return -EPERM;
  const g = target.group;
  const oldSoft = g.limits.soft[resource]!;
  const oldHard = g.limits.hard[resource]!;
  if (newAt !== 0) {
    const err = changeLimits(t, g, resource, soft, hard);
    if (err !== 0) return err;
  }
  if (oldAt === 0) return 0;
  writeLimit(v, 0, oldSoft);
  writeLimit(v, 8, oldHard);
  return t.copyOutStruct(oldAt, 16);
}

/** prlimit(2): the caller's real ids are all of the target's ids, or CAP_SYS_RESOURCE. */
function mayChangeLimits(t: Task, target: Task): boolean {
  const c = t.creds;
  const o = target.creds;
  if (c.hasCap(CAP_SYS_RESOURCE)) return true;
  return (
    c.ruid === o.ruid &&
    c.ruid === o.euid &&
    c.ruid === o.suid &&
    c.rgid === o.rgid &&
    c.rgid === o.egid &&
    c.rgid === o.sgid
  );
}

// --- usage ---

/** Writes a struct rusage (144 bytes). */
export function writeRusage(v: DataView, off: number, u: Usage): void {
  for (let i = 0; i < RUSAGE_SIZE; i += 4) v.setUint32(off + i, 0, true);
  writeTimeval(v, off, u.userNs);
  writeTimeval(v, off + 16, u.systemNs);
  writeI64(v, off + 32, u.maxRssKb);
  writeI64(v, off + 64, u.minorFaults);
  writeI64(v, off + 72, u.majorFaults);
  writeI64(v, off + 128, u.voluntarySwitches);
  writeI64(v, off + 136, u.involuntarySwitches);
}

function sysGetrusage(t: Task, a: SyscallArgs): number {
  const u = new Usage();
  switch (a.i32(0)) {
    case RUSAGE_SELF:
      groupUsage(t.group, u);
      noteResident(u, t.mm);
      break;
    case RUSAGE_CHILDREN:
      u.add(t.group.childUsage);
      break;
    case RUSAGE_THREAD:
      syncCpu(t);
      u.add(t.usage);
      noteResident(u, t.mm);
      break;
    default:
      return -EINVAL;
  }
  writeRusage(t.kernel.scratchView, 0, u);
  return t.copyOutStruct(a.ptr(1), RUSAGE_SIZE);
}

// --- nice values ---

/** The threads that PRIO_* `which` and `who` mean: setpriority(2). */
export function* targets(t: Task, which: number, who: number): Iterable<Task> {
  const k = t.kernel;
  if (which === PRIO_PROCESS) {
    const target = who === 0 ? t : k.tasks.get(who);
    if (target !== undefined) yield target;
  } else if (which === PRIO_PGRP) {
    const pg = who === 0 ? t.group.pgrp : k.processGroups.get(who);
    if (pg !== undefined) for (const g of pg.members) yield* g.tasks;
  } else {
    const uid = who === 0 ? t.creds.ruid : who;
    for (const other of k.tasks.values()) if (!other.exited && other.creds.ruid === uid) yield other;
  }
}

function sysGetpriority(t: Task, a: SyscallArgs): number {
  const which = a.i32(0);
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  let best = -1;
  for (const target of targets(t, which, a.i32(1))) best = Math.max(best, 20 - target.nice);
  return best < 0 ? -ESRCH : best;
}

function sysSetpriority(t: Task, a: SyscallArgs): number {
  const which = a.i32(0);
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  const nice = Math.max(-20, Math.min(19, a.i32(2)));
  let result = -ESRCH;
  for (const target of targets(t, which, a.i32(1))) {
    if (result === -ESRCH) result = 0;
    if (target.creds.ruid !== t.creds.euid && target.creds.euid !== t.creds.euid && !t.creds.hasCap(CAP_SYS_NICE)) {
      result = -EPERM;
    } else if (
      nice < target.nice &&
      20 - nice > target.group.limits.get(RLIMIT_NICE) &&
      !t.creds.hasCap(CAP_SYS_NICE)
    ) {
      result = -EACCES;
    } else {
      target.nice = nice;
    }
  }
  return result;
}

const KEPT = "Kept and reported, no effect on the host's scheduling";

export const resourceSyscalls: readonly SyscallEntry[] = [
  full("getrlimit", sysGetrlimit),
  full("setrlimit", sysSetrlimit),
  full("prlimit64", sysPrlimit64),
  partial("getrusage", sysGetrusage, "No block I/O, signal or page reclaim counts"),
  full("getpriority", sysGetpriority),
  partial("setpriority", sysSetpriority, KEPT),
];
