/** Files made of nothing: pipe(2), eventfd(2), timerfd_create(2), signalfd(2), memfd_create(2). */
import { CAP_WAKE_ALARM } from "../../abi/capability.ts";
import { EBADF, EFAULT, EINVAL, EMFILE, ENOPKG, EPERM } from "../../abi/errno.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  SFD_CLOEXEC,
  SFD_NONBLOCK,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from "../../abi/eventfd.ts";
import {
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  MFD_HUGETLB,
  MFD_NOEXEC_SEAL,
  O_CLOEXEC,
  O_DIRECT,
  O_EXCL,
  O_NONBLOCK,
} from "../../abi/fcntl.ts";
import { SIGSET_SIZE, UNBLOCKABLE_LO } from "../../abi/signal.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  readI64,
  readTimespec,
  writeTimespec,
} from "../../abi/time.ts";
import { createEventfd } from "../fs/eventfd/eventfd.ts";
import { createPipe } from "../fs/pipe/pipe-file.ts";
import { createSignalfd, SignalFile } from "../fs/signalfd/signalfd.ts";
import { createTimerfd, TimerFile } from "../fs/timerfd/timerfd.ts";
import { MemfdFactory } from "../fs/tmpfs/memfd.ts";
import { TmpfsFs, TmpfsOptions } from "../fs/tmpfs/tmpfs.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { KernelSignalSource, KernelTimers } from "./file-sources.ts";
import { ioFile } from "./file-util.ts";

/** What a kernel needs for these files; made at first use. */
interface Sources {
  readonly timers: KernelTimers;
  readonly signals: KernelSignalSource;
  memfds: MemfdFactory | null;
}
const sources: WeakMap<Kernel, Sources> = new WeakMap();

function sourcesOf(k: Kernel): Sources {
  let s = sources.get(k);
  if (s === undefined) {
    s = { timers: new KernelTimers(k), signals: new KernelSignalSource(k), memfds: null };
    sources.set(k, s);
  }
  return s;
}

// --- pipes ---

const O_NOTIFICATION_PIPE = O_EXCL;

function pipeCommon(t: Task, addr: number, flags: number): number {
  if (!t.fds.canAlloc(2)) return -EMFILE;
  const pair = createPipe(t.kernel.vfs, flags, t.creds);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const r = t.fds.alloc(pair.read, 0, cloexec);
  const w = t.fds.alloc(pair.write, 0, cloexec);
  const v = t.kernel.scratchView;
  v.setInt32(0, r, true);
  v.setInt32(4, w, true);
  if (t.copyOutStruct(addr, 8) < 0) {
    t.fds.close(r);
    t.fds.close(w);
    return -EFAULT;
  }
  return 0;
}

/** int pipe(int *fildes) */
export function pipe(t: Task, a: SyscallArgs): number {
  return pipeCommon(t, a.ptr(0), 0);
}

/** int pipe2(int *fildes, int flags) */
export function pipe2(t: Task, a: SyscallArgs): number {
  const flags = a.i32(1);
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE)) !== 0) return -EINVAL;
  // A kernel without watch queues.
  if ((flags & O_NOTIFICATION_PIPE) !== 0) return -ENOPKG;
  return pipeCommon(t, a.ptr(0), flags);
}

// --- eventfd ---

/** int eventfd2(unsigned int count, int flags) */
export function eventfd2(t: Task, a: SyscallArgs): number {
  const flags = a.i32(1);
  if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) !== 0) return -EINVAL;
  return t.fds.alloc(createEventfd(t.kernel.vfs, a.u32(0), flags), 0, (flags & EFD_CLOEXEC) !== 0);
}

/** int eventfd(unsigned int count) */
export function eventfd(t: Task, a: SyscallArgs): number {
  return t.fds.alloc(createEventfd(t.kernel.vfs, a.u32(0), 0), 0, false);
}

// --- timerfd ---

/** int timerfd_create(int clockid, int flags) */
export function timerfdCreate(t: Task, a: SyscallArgs): number {
  const clock = a.i32(0);
  const flags = a.i32(1);
  if ((flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) !== 0) return -EINVAL;
  const isAlarm = clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM;
  if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME && clock !== CLOCK_BOOTTIME && !isAlarm) return -EINVAL;
  if (isAlarm && !t.creds.hasCap(CAP_WAKE_ALARM)) return -EPERM;
  const realtime = clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_ALARM;
  const file = createTimerfd(t.kernel.vfs, sourcesOf(t.kernel).timers, realtime, flags);
  file.clockId = clock;
  return t.fds.alloc(file, 0, (flags & TFD_CLOEXEC) !== 0);
}

/** The timerfd of `fd`: -EBADF, -EINVAL. */
function timerFile(t: Task, fd: number): TimerFile | number {
  const file = ioFile(t, fd);
  if (file === undefined) return -EBADF;
  return file instanceof TimerFile ? file : -EINVAL;
}

/** Writes a struct itimerspec: what getTime left in `file`. 0 or -EFAULT. */
function giveTimes(t: Task, addr: number, periodNs: number, remainingNs: number): number {
  const v = t.kernel.scratchView;
  writeTimespec(v, 0, periodNs);
  writeTimespec(v, 16, remainingNs);
  return t.copyOutStruct(addr, 32) < 0 ? -EFAULT : 0;
}

/** int timerfd_settime(int ufd, int flags, const struct itimerspec *utmr, struct itimerspec *otmr) */
export function timerfdSettime(t: Task, a: SyscallArgs): number {
  if (t.copyInStruct(a.ptr(2), 32) < 0) return -EFAULT;
  const flags = a.i32(1);
  const v = t.kernel.scratchView;
  const intervalNs = readTimespec(v, 0);
  const valueNs = readTimespec(v, 16);
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0 || intervalNs < 0 || valueNs < 0) return -EINVAL;
  const sec = readI64(v, 16);
  const nsec = v.getUint32(24, true);
  const file = timerFile(t, a.i32(0));
  if (typeof file === "number") return file;
  file.getTime();
  const oldPeriod = file.periodNs;
  const oldRemaining = file.remainingNs;
  file.setTime(flags, sec, nsec, intervalNs);
  const old = a.ptr(3);
  return old === 0 ? 0 : giveTimes(t, old, oldPeriod, oldRemaining);
}

/** int timerfd_gettime(int ufd, struct itimerspec *otmr) */
export function timerfdGettime(t: Task, a: SyscallArgs): number {
  const file = timerFile(t, a.i32(0));
  if (typeof file === "number") return file;
  file.getTime();
  return giveTimes(t, a.ptr(1), file.periodNs, file.remainingNs);
}

// --- signalfd ---

function signalfdCommon(t: Task, fd: number, maskAddr: number, size: number, flags: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  if (t.copyInStruct(maskAddr, SIGSET_SIZE) < 0) return -EFAULT;
  if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) !== 0) return -EINVAL;
  const v = t.kernel.scratchView;
  const lo = v.getInt32(0, true) & ~UNBLOCKABLE_LO;
  const hi = v.getInt32(4, true);
  if (fd === -1) {
    const file = createSignalfd(t.kernel.vfs, sourcesOf(t.kernel).signals, lo, hi, flags);
    return t.fds.alloc(file, 0, (flags & SFD_CLOEXEC) !== 0);
  }
  const file = ioFile(t, fd);
  if (file === undefined) return -EBADF;
  if (!(file instanceof SignalFile)) return -EINVAL;
  file.setMask(lo, hi);
  return fd;
}

/** int signalfd(int ufd, sigset_t *user_mask, size_t sizemask) */
export function signalfd(t: Task, a: SyscallArgs): number {
  return signalfdCommon(t, a.i32(0), a.ptr(1), a.size(2), 0);
}

/** int signalfd4(int ufd, sigset_t *user_mask, size_t sizemask, int flags) */
export function signalfd4(t: Task, a: SyscallArgs): number {
  return signalfdCommon(t, a.i32(0), a.ptr(1), a.size(2), a.i32(3));
}

// --- memfd ---

/** Longest name, bytes. */
const MFD_NAME_MAX = 249;
const MFD_KNOWN = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC | MFD_NOEXEC_SEAL;

/** int memfd_create(const char *uname, unsigned int flags) */
export function memfdCreate(t: Task, a: SyscallArgs): number {
  const flags = a.u32(1);
  if ((flags & MFD_HUGETLB) !== 0 || (flags & ~MFD_KNOWN) !== 0) return -EINVAL;
  if ((flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) === (MFD_EXEC | MFD_NOEXEC_SEAL)) return -EINVAL;
  const name = t.mm.copyInString(a.ptr(0), MFD_NAME_MAX + 1);
  if (typeof name === "number") return name === -EFAULT ? -EFAULT : -EINVAL;
  const s = sourcesOf(t.kernel);
  let factory = s.memfds;
  if (factory === null) {
    const k = t.kernel;
    factory = new MemfdFactory(new TmpfsFs(k.vfs, k.mmEnv.memory.sharedFile(), new TmpfsOptions()));
    s.memfds = factory;
  }
  return t.fds.alloc(factory.create(name, flags, t.creds), 0, (flags & MFD_CLOEXEC) !== 0);
}

/** The calls of this file, for the table. */
export const eventfdSyscalls: readonly SyscallEntry[] = [
  full("pipe", pipe),
  full("pipe2", pipe2),
  full("eventfd", eventfd),
  full("eventfd2", eventfd2),
  partial("timerfd_create", timerfdCreate, "alarm clocks do not wake the machine"),
  partial("timerfd_settime", timerfdSettime, "TFD_TIMER_CANCEL_ON_SET has no effect: the clock is never set"),
  full("timerfd_gettime", timerfdGettime),
  full("signalfd", signalfd),
  full("signalfd4", signalfd4),
  partial("memfd_create", memfdCreate, "no MFD_HUGETLB"),
];
