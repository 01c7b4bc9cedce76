/** prctl(2), arch_prctl(2), membarrier(2), personality(2), rseq(2). */
import { EFAULT, EINVAL, ENAMETOOLONG, ENODEV, ENOMEM, ENOSYS, EPERM } from "../../abi/errno.ts";
import { CAP_LAST_CAP, CAP_SETPCAP, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  ARCH_CET_STATUS,
  ARCH_GET_CPUID,
  ARCH_GET_FS,
  ARCH_GET_GS,
  ARCH_SET_CPUID,
  ARCH_SET_FS,
  ARCH_SET_GS,
  MEMBARRIER_CMD_GLOBAL,
  MEMBARRIER_CMD_GET_REGISTRATIONS,
  MEMBARRIER_CMD_GLOBAL_EXPEDITED,
  MEMBARRIER_CMD_PRIVATE_EXPEDITED,
  MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
  MEMBARRIER_CMD_QUERY,
  MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_IS_SET,
  PR_CAP_AMBIENT_LOWER,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_GET_CHILD_SUBREAPER,
  PR_GET_DUMPABLE,
  PR_GET_KEEPCAPS,
  PR_GET_NAME,
  PR_GET_NO_NEW_PRIVS,
  PR_GET_PDEATHSIG,
  PR_GET_SECCOMP,
  PR_GET_SECUREBITS,
  PR_GET_SPECULATION_CTRL,
  PR_GET_THP_DISABLE,
  PR_GET_TID_ADDRESS,
  PR_GET_TIMERSLACK,
  PR_GET_TIMING,
  PR_GET_TSC,
  PR_MCE_KILL,
  PR_MCE_KILL_GET,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
  PR_SET_MM,
  PR_SET_NAME,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  PR_SET_PTRACER,
  PR_SET_SECUREBITS,
  PR_SET_THP_DISABLE,
  PR_SET_TIMERSLACK,
  PR_SET_TIMING,
  PR_SET_TSC,
  PR_SET_VMA,
  PR_TASK_PERF_EVENTS_DISABLE,
  PR_TASK_PERF_EVENTS_ENABLE,
  PR_SET_VMA_ANON_NAME,
  PR_SET_IO_FLUSHER,
  PR_GET_IO_FLUSHER,
  PR_SET_SPECULATION_CTRL,
  PR_MCE_KILL_CLEAR,
  PR_MCE_KILL_SET,
  PR_MCE_KILL_DEFAULT,
  SECBIT_KEEP_CAPS,
  SECBIT_KEEP_CAPS_LOCKED,
  SECBIT_NO_CAP_AMBIENT_RAISE,
} from "../../abi/prctl.ts";
import { NSIG } from "../../abi/signal.ts";
import { R_FS_BASE, R_GS_BASE, regU64, setReg } from "../../arch/amd64/registers.ts";
import { EV_IN } from "../../base/waiter.ts";
import { RUN_GUEST } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { COMM_MAX } from "../kernel/task-exec.ts";
import { prctlSetMm } from "./prctl-mm.ts";
import type { SyscallArgs } from "./args.ts";
import { partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { changeCredentials } from "./sys-cred.ts";

/** PR_TSC_ENABLE */
const TSC_ENABLE = 1;

function sysPrctl(t: Task, a: SyscallArgs): number {
  const g = t.group;
  const arg2 = a.ptr(1);
  const { mm } = t;
  switch (a.i32(0)) {
    case PR_SET_PDEATHSIG:
      if (arg2 > NSIG) return -EINVAL;
      t.pdeathSignal = arg2;
      return 0;
    case PR_GET_PDEATHSIG:
      return mm.writeU32(arg2, t.pdeathSignal);
    case PR_GET_DUMPABLE:
      return g.dumpable;
    case PR_SET_DUMPABLE:
      if (arg2 !== 0 && arg2 !== 1) return -EINVAL;
      if (arg2 === 0 && g.dumpable !== 0 && mm.ownPages() < 0) return -ENOMEM;
      g.dumpable = arg2;
      return 0;
    case PR_GET_KEEPCAPS:
      return (t.creds.securebits & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0;
    case PR_SET_KEEPCAPS:
      return setKeepCaps(t, arg2);
    case PR_GET_TIMING:
      return 0;
    case PR_SET_TIMING:
      return arg2 === 0 ? 0 : -EINVAL;
    case PR_SET_NAME:
      return setName(t, arg2);
    case PR_GET_NAME:
      return getName(t, arg2);
    case PR_GET_SECCOMP:
      return 0;
    case PR_CAPBSET_READ:
      return readBounding(t, arg2);
    case PR_CAPBSET_DROP:
      return dropBounding(t, arg2);
    case PR_GET_TSC:
      return mm.writeU32(arg2, TSC_ENABLE);
    case PR_SET_TSC:
      return arg2 === TSC_ENABLE ? 0 : -EINVAL;
    case PR_GET_SECUREBITS:
      return t.creds.securebits;
    case PR_SET_SECUREBITS:
      return setSecurebits(t, arg2);
    case PR_SET_TIMERSLACK:
      t.timerSlackNs = arg2 === 0 ? t.defaultTimerSlackNs : arg2;
      return 0;
    case PR_GET_TIMERSLACK:
      return t.timerSlackNs;
    case PR_TASK_PERF_EVENTS_DISABLE:
    case PR_TASK_PERF_EVENTS_ENABLE:
      // Of all the counters that the thread has: none.
      return 0;
    case PR_MCE_KILL:
      return setMceKill(t, a);
    case PR_MCE_KILL_GET:
      return hasArguments(a, 1) ? -EINVAL : t.mceKill;
    case PR_SET_MM:
      return prctlSetMm(t, a);
    case PR_SET_CHILD_SUBREAPER:
      g.isSubreaper = arg2 !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      return mm.writeU32(arg2, g.isSubreaper ? 1 : 0);
    case PR_SET_NO_NEW_PRIVS:
      return setNoNewPrivs(t, a);
    case PR_GET_NO_NEW_PRIVS:
      if (arg2 !== 0 || a.ptr(2) !== 0 || a.ptr(3) !== 0 || a.ptr(4) !== 0) return -EINVAL;
      return t.creds.noNewPrivs ? 1 : 0;
    case PR_GET_TID_ADDRESS:
      return mm.writePtr(arg2, t.clearChildTid);
    case PR_SET_THP_DISABLE:
      if (hasArguments(a, 2)) return -EINVAL;
      g.noHugePages = arg2 !== 0;
      return 0;
    case PR_GET_THP_DISABLE:
      if (hasArguments(a, 1)) return -EINVAL;
      return g.noHugePages ? 1 : 0;
    case PR_SET_IO_FLUSHER:
      if (!t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
      if (hasArguments(a, 2) || arg2 > 1) return -EINVAL;
      t.isIoFlusher = arg2 === 1;
      return 0;
    case PR_GET_IO_FLUSHER:
      if (!t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
      return hasArguments(a, 1) ? -EINVAL : t.isIoFlusher ? 1 : 0;
    case PR_CAP_AMBIENT:
      return ambient(t, a);
    case PR_GET_SPECULATION_CTRL:
      return hasArguments(a, 2) ? -EINVAL : -ENODEV;
    case PR_SET_SPECULATION_CTRL:
      return hasArguments(a, 3) ? -EINVAL : -ENODEV;
    case PR_SET_VMA:
      return nameMapping(t, a);
    case PR_SET_PTRACER:
      // Nobody can be traced yet; the number must be one.
      return arg2 === 0 || a.i64(1) === -1 || t.kernel.tasks.has(arg2) ? 0 : -EINVAL;
    default:
      return -EINVAL;
  }
}

/** Whether an argument from number `first` (the option is 0) on is not 0. */
function hasArguments(a: SyscallArgs, first: number): boolean {
  for (let i = first; i <= 4; i++) if (a.lo(i) !== 0 || a.hi(i) !== 0) return true;
  return false;
}

function setMceKill(t: Task, a: SyscallArgs): number {
  if (hasArguments(a, 3)) return -EINVAL;
  if (a.ptr(1) === PR_MCE_KILL_CLEAR) {
    if (a.ptr(2) !== 0) return -EINVAL;
    t.mceKill = PR_MCE_KILL_DEFAULT;
    return 0;
  }
  if (a.ptr(1) !== PR_MCE_KILL_SET || a.ptr(2) > PR_MCE_KILL_DEFAULT) return -EINVAL;
  t.mceKill = a.ptr(2);
  return 0;
}

/** Longest name of an anonymous mapping with its NUL, bytes; what it may not contain. */
const ANON_NAME_MAX = 80;
const ANON_NAME_BAD = /[^ -~]|[\\`$[\]]/;

/** PR_SET_VMA_ANON_NAME: what /proc/PID/maps calls anonymous mappings. */
function nameMapping(t: Task, a: SyscallArgs): number {
  if (a.ptr(1) !== PR_SET_VMA_ANON_NAME) return -EINVAL;
  let name = "";
  if (a.ptr(4) !== 0) {
    const text = t.mm.copyInString(a.ptr(4), ANON_NAME_MAX);
    if (typeof text === "number") return text === -ENAMETOOLONG ? -EINVAL : text;
    if (ANON_NAME_BAD.test(text)) return -EINVAL;
    name = `[anon:${text}]`;
  }
  return t.mm.nameAnon(a.ptr(2), a.ptr(3), name);
}

function setKeepCaps(t: Task, on: number): number {
  if (on > 1) return -EINVAL;
  if ((t.creds.securebits & SECBIT_KEEP_CAPS_LOCKED) !== 0) return -EPERM;
  const c = t.creds.clone();
  c.securebits = on === 1 ? c.securebits | SECBIT_KEEP_CAPS : c.securebits & ~SECBIT_KEEP_CAPS;
  changeCredentials(t, c);
  return 0;
}

function setSecurebits(t: Task, bits: number): number {
  if (!t.creds.hasCap(CAP_SETPCAP)) return -EPERM;
  const old = t.creds.securebits;
  // The odd bits lock their neighbours below, capabilities(7).
  const locked = (old & 0xaa) >> 1;
  if (bits > 0xff || (old & 0xaa & ~bits) !== 0 || ((old ^ bits) & locked) !== 0) return -EPERM;
  const c = t.creds.clone();
  c.securebits = bits;
  changeCredentials(t, c);
  return 0;
}

function setNoNewPrivs(t: Task, a: SyscallArgs): number {
  if (a.ptr(1) !== 1 || a.ptr(2) !== 0 || a.ptr(3) !== 0 || a.ptr(4) !== 0) return -EINVAL;
  const c = t.creds.clone();
  c.noNewPrivs = true;
  changeCredentials(t, c);
  return 0;
}

/** Up to 15 bytes before the NUL; longer names are cut, not refused. */
function setName(t: Task, at: number): number {
  const { scratch } = t.kernel;
  const n = t.mm.copyIn(at, scratch, 0, COMM_MAX);
  if (n < 0) return n;
  let name = "";
  for (let i = 0; i < n && scratch[i] !== 0; i++) name += String.fromCharCode(scratch[i]!);
  // A name that runs into unreadable memory without a NUL is a bad pointer.
  if (n < COMM_MAX && name.length === n) return -EFAULT;
  t.comm = name;
  return 0;
}

function getName(t: Task, at: number): number {
  const { scratch } = t.kernel;
  scratch.fill(0, 0, COMM_MAX + 1);
  for (let i = 0; i < t.comm.length; i++) scratch[i] = t.comm.charCodeAt(i);
  return t.copyOutStruct(at, COMM_MAX + 1);
}

function readBounding(t: Task, cap: number): number {
  if (cap > CAP_LAST_CAP) return -EINVAL;
  return cap < 32 ? (t.creds.boundingLo >>> cap) & 1 : (t.creds.boundingHi >>> (cap - 32)) & 1;
}

function dropBounding(t: Task, cap: number): number {
  if (!t.creds.hasCap(CAP_SETPCAP)) return -EPERM;
  if (cap > CAP_LAST_CAP) return -EINVAL;
  const c = t.creds.clone();
  if (cap < 32) c.boundingLo = (c.boundingLo & ~(1 << cap)) >>> 0;
  else c.boundingHi = (c.boundingHi & ~(1 << (cap - 32))) >>> 0;
  changeCredentials(t, c);
  return 0;
}

function ambient(t: Task, a: SyscallArgs): number {
  const op = a.ptr(1);
  const cap = a.ptr(2);
  if (a.ptr(3) !== 0 || a.ptr(4) !== 0) return -EINVAL;
  if (op === PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0) return -EINVAL;
    const c = t.creds.clone();
    c.ambientLo = c.ambientHi = 0;
    changeCredentials(t, c);
    return 0;
  }
  if (cap > CAP_LAST_CAP) return -EINVAL;
  const isLow = cap < 32;
  const bit = 1 << (isLow ? cap : cap - 32);
  const o = t.creds;
  switch (op) {
    case PR_CAP_AMBIENT_IS_SET:
      return ((isLow ? o.ambientLo : o.ambientHi) & bit) !== 0 ? 1 : 0;
    case PR_CAP_AMBIENT_RAISE: {
      const both = isLow ? o.permittedLo & o.inheritableLo : o.permittedHi & o.inheritableHi;
      if ((both & bit) === 0 || (o.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0) return -EPERM;
      break;
    }
    case PR_CAP_AMBIENT_LOWER:
      break;
    default:
      return -EINVAL;
  }
  const c = o.clone();
  const raise = op === PR_CAP_AMBIENT_RAISE;
  if (isLow) c.ambientLo = (raise ? c.ambientLo | bit : c.ambientLo & ~bit) >>> 0;
  else c.ambientHi = (raise ? c.ambientHi | bit : c.ambientHi & ~bit) >>> 0;
  changeCredentials(t, c);
  return 0;
}

function sysArchPrctl(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(1);
  const { regs, regBase } = t;
  switch (a.i32(0)) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (addr >= t.kernel.platform.maxAddress) return -EPERM;
      setReg(regs, regBase + (a.i32(0) === ARCH_SET_FS ? R_FS_BASE : R_GS_BASE), addr);
      return 0;
    case ARCH_GET_FS:
      return t.mm.writePtr(addr, regU64(regs, regBase + R_FS_BASE));
    case ARCH_GET_GS:
      return t.mm.writePtr(addr, regU64(regs, regBase + R_GS_BASE));
    case ARCH_GET_CPUID:
      return 1;
    case ARCH_SET_CPUID:
      return addr === 0 ? -ENODEV : 0;
    case ARCH_CET_STATUS:
      return -EINVAL;
    default:
      return -EINVAL;
  }
}

/** membarrier(2): every kind is the full one, by making the threads concerned come to the kernel once. */
function sysMembarrier(t: Task, a: SyscallArgs): number {
  const g = t.group;
  if (a.u32(1) !== 0) return -EINVAL;
  switch (a.i32(0)) {
    case MEMBARRIER_CMD_QUERY:
      return (
        MEMBARRIER_CMD_GLOBAL |
        MEMBARRIER_CMD_GLOBAL_EXPEDITED |
        MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
        MEMBARRIER_CMD_PRIVATE_EXPEDITED |
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
        MEMBARRIER_CMD_GET_REGISTRATIONS
      );
    case MEMBARRIER_CMD_GET_REGISTRATIONS:
      return g.membarrier;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
      g.membarrier |= a.i32(0);
      return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
      if ((g.membarrier & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) === 0) return -EPERM;
      return barrier(t, false);
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
      // Who comes back from the kernel has begun to fetch instructions anew.
      if ((g.membarrier & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) === 0) return -EPERM;
      return barrier(t, false);
    case MEMBARRIER_CMD_GLOBAL:
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return barrier(t, true);
    default:
      return -EINVAL;
  }
}

/** A running thread, and how often it had stopped when the barrier was asked for. */
interface Awaited {
  readonly task: Task;
  readonly stops: number;
}

/** Makes every other running thread (of the process, or all) stop once: after that it has seen all earlier writes. */
function barrier(t: Task, everybody: boolean): number {
  const k = t.kernel;
  if (t.attempt === 0) {
    const awaited: Awaited[] = [];
    for (const other of everybody ? k.tasks.values() : t.group.tasks) {
      if (other === t || other.run !== RUN_GUEST) continue;
      awaited.push({ task: other, stops: other.stops });
      k.platform.interrupt(other.ctx);
    }
    t.stateRef = awaited;
  }
  for (const w of t.stateRef as Awaited[]) {
    if (w.task.run === RUN_GUEST && w.task.stops === w.stops) return t.blockKillable(k.stopQueue, EV_IN);
  }
  return 0;
}

const PERSONALITY_QUERY = 0xffffffff;

function sysPersonality(t: Task, a: SyscallArgs): number {
  const old = t.personality;
  const wanted = a.u32(0);
  if (wanted !== PERSONALITY_QUERY) t.personality = wanted;
  return old;
}

/**
 * Refused as by a kernel without CONFIG_RSEQ, which C libraries accept: their sched_getcpu asks the vDSO then (15 ns instead
 * of 2), and allocators with a cache for each CPU have one for each thread.
 *
 * A sequence must be aborted when its thread is preempted or moved, which only the host sees. Nor can the host's own rseq
 * be lent to the guest's area: the host writes there on the way back to user mode, whenever it likes, and sends SIGSEGV
 * where that page cannot be written at that moment; after a fork, no page can, until its first write has been seen here.
 * Numbers of CPUs that no two running threads share would need no abort, but there are not as many as threads.
 */
function sysRseq(_t: Task, _a: SyscallArgs): number {
  return -ENOSYS;
}

/** seccomp(2): not in this kernel; the answer of one built without filters. */
function sysSeccomp(_t: Task, _a: SyscallArgs): number {
  return -EINVAL;
}

export const prctlSyscalls: readonly SyscallEntry[] = [
  partial("prctl", sysPrctl, "No seccomp modes, no speculation control"),
  partial("arch_prctl", sysArchPrctl, "FS and GS bases; cpuid faulting cannot be switched on"),
  partial("membarrier", sysMembarrier, "No RSEQ commands, which MEMBARRIER_CMD_QUERY says"),
  partial("personality", sysPersonality, "MMAP_PAGE_ZERO has no effect, as without CAP_SYS_RAWIO"),
  partial("rseq", sysRseq, "ENOSYS, as on a kernel without CONFIG_RSEQ; C libraries go without"),
  partial("seccomp", sysSeccomp, "EINVAL: no filters inside the sandbox yet"),
];
