/** Signals: kill(2), tgkill(2), sigaction(2), sigprocmask(2), sigsuspend(2), sigtimedwait(2), sigaltstack(2), pidfds. */
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EMFILE, ENOMEM, EPERM, ERESTARTNOHAND, ESRCH } from "../../abi/errno.ts";
import {
  MINSIGSTKSZ,
  SI_TKILL,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGACTION_SIZE,
  SIGINFO_SIZE,
  SigInfo,
  SIGKILL,
  SIGSET_SIZE,
  SIGSTOP,
  SA_EXPOSE_TAGBITS,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SA_SIGINFO,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  STACK_T_SIZE,
  UNBLOCKABLE_LO,
  writeSigInfo,
} from "../../abi/signal.ts";
import { readU64, writeI64 } from "../../abi/time.ts";
import { R_RSP, regU64 } from "../../arch/amd64/registers.ts";
import { openPidFd, PidFd } from "../kernel/pidfd.ts";
import { mayTrace } from "../kernel/ptrace-access.ts";
import { SigAction } from "../kernel/sighand.ts";
import type { Task } from "../kernel/task.ts";
import { TaskDirectory } from "../kernelfs/proc/task-dir.ts";
import { altStackStatus, onAltStack, setAltStack, sigreturn } from "../kernel/task-deliver.ts";
import {
  discardIgnored,
  isSignal,
  maySignal,
  passOn,
  sendToGroup,
  sendToProcessGroup,
  sendToTask,
  setMask,
  takeSignal,
  threadSignal,
  userSignal,
} from "../kernel/task-signals.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** sa_flags that the kernel knows; others are dropped, so that a program can find out, sigaction(2). */
const KNOWN_SA_FLAGS =
  SA_NOCLDSTOP |
  SA_NOCLDWAIT |
  SA_SIGINFO |
  SA_ONSTACK |
  SA_RESTART |
  SA_NODEFER |
  SA_RESETHAND |
  SA_RESTORER |
  SA_EXPOSE_TAGBITS;

// --- sending ---

function sysKill(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  const sig = a.i32(1);
  const k = t.kernel;
  if (pid > 0) {
    const target = k.tasks.get(pid)?.group;
    if (target === undefined) return -ESRCH;
    return killOne(t, target, sig);
  }
  if (pid === -2147483648) return -ESRCH;
  if (pid === -1) {
    let result = -ESRCH;
    for (const g of k.processes.values()) {
      if (g === t.group || g === k.init || g.isZombie) continue;
      const err = maySignal(t, g, sig);
      // Those that may not be signalled do not count.
      if (err !== -EPERM) result = err;
      else if (result === -ESRCH) result = 0;
      if (err === 0 && sig !== 0) sendToGroup(g, userSignal(t, sig));
    }
    return result;
  }
  const pg = pid === 0 ? t.group.pgrp : k.processGroups.get(-pid);
  if (pg === undefined) return -ESRCH;
  return sendToProcessGroup(pg, (g) => {
    const err = maySignal(t, g, sig);
    return err !== 0 ? err : userSignal(t, sig);
  });
}

function killOne(t: Task, g: ThreadGroup, sig: number): number {
  const err = maySignal(t, g, sig);
  if (err !== 0 || sig === 0) return err;
  return sendToGroup(g, userSignal(t, sig));
}

function toThread(t: Task, tgid: number, tid: number, sig: number): number {
  const target = t.kernel.tasks.get(tid);
  if (target === undefined || (tgid >= 0 && target.group.id !== tgid)) return -ESRCH;
  const err = maySignal(t, target.group, sig);
  if (err !== 0 || sig === 0) return err;
  return sendToTask(target, threadSignal(t, sig));
}

function sysTkill(t: Task, a: SyscallArgs): number {
  const tid = a.i32(0);
  const sig = a.i32(1);
  if (tid <= 0) return -EINVAL;
  return toThread(t, -1, tid, sig);
}

function sysTgkill(t: Task, a: SyscallArgs): number {
  const tgid = a.i32(0);
  const tid = a.i32(1);
  const sig = a.i32(2);
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  return toThread(t, tgid, tid, sig);
}

/** Reads a siginfo_t that a program made. */
function infoIn(t: Task, addr: number, sig: number): SigInfo | number {
  const { scratch, scratchView: v } = t.kernel;
  if (t.copyInStruct(addr, SIGINFO_SIZE) !== 0) return -EFAULT;
  const info = new SigInfo();
  info.signo = sig;
  info.errno = v.getInt32(4, true);
  info.code = v.getInt32(8, true);
  info.pid = v.getInt32(16, true);
  info.uid = v.getUint32(20, true);
  info.valueLo = v.getUint32(24, true);
  info.valueHi = v.getUint32(28, true);
  info.raw = scratch.slice(0, SIGINFO_SIZE);
  return info;
}

/** Only the kernel, and a process towards itself, may claim the codes of kill and tkill or those of the kernel. */
function mayClaim(t: Task, id: number, info: SigInfo): boolean {
  return id === t.group.id || id === t.tid || (info.code < 0 && info.code !== SI_TKILL);
}

function sysRtSigqueueinfo(t: Task, a: SyscallArgs): number {
  const info = infoIn(t, a.ptr(2), a.i32(1));
  if (typeof info === "number") return info;
  if (!mayClaim(t, a.i32(0), info)) return -EPERM;
  const target = t.kernel.tasks.get(a.i32(0))?.group;
  if (target === undefined) return -ESRCH;
  return queueInfo(t, target, null, info);
}

function sysRtTgsigqueueinfo(t: Task, a: SyscallArgs): number {
  const tgid = a.i32(0);
  const tid = a.i32(1);
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  const info = infoIn(t, a.ptr(3), a.i32(2));
  if (typeof info === "number") return info;
  if (!mayClaim(t, tid, info)) return -EPERM;
  const target = t.kernel.tasks.get(tid);
  if (target === undefined || target.group.id !== tgid) return -ESRCH;
  return queueInfo(t, target.group, target, info);
}

function queueInfo(t: Task, g: ThreadGroup, thread: Task | null, info: SigInfo): number {
  const err = maySignal(t, g, info.signo);
  if (err !== 0 || info.signo === 0) return err;
  return thread !== null ? sendToTask(thread, info) : sendToGroup(g, info);
}

function sysPidfdOpen(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  const flags = a.u32(1);
  if ((flags & ~O_NONBLOCK) !== 0 || pid <= 0) return -EINVAL;
  const target = t.kernel.tasks.get(pid);
  if (target === undefined) return -ESRCH;
  if (!target.isLeader) return -EINVAL;
  if (!t.fds.canAlloc(1)) return -EMFILE;
  return openPidFd(t, target.group, flags);
}

/** The process that a descriptor refers to: a pidfd, or an open /proc/PID; null when it is neither. */
function processOf(file: FileDescription | undefined): ThreadGroup | null {
  if (file instanceof PidFd) return file.target;
  if (file === undefined || file.isPath) return null;
  const { inode } = file;
  return inode instanceof TaskDirectory && inode.whole ? inode.task.group : null;
}

function sysPidfdSendSignal(t: Task, a: SyscallArgs): number {
  const sig = a.i32(1);
  const infoAt = a.ptr(2);
  if (a.u32(3) !== 0) return -EINVAL;
  const target = processOf(t.fds.get(a.i32(0)));
  if (target === null) return -EBADF;
  let info: SigInfo | null = null;
  if (infoAt !== 0) {
    const given = infoIn(t, infoAt, sig);
    if (typeof given === "number") return given;
    if (t.kernel.scratchView.getInt32(0, true) !== sig) return -EINVAL;
    if (!mayClaim(t, target.id, given)) return -EPERM;
    info = given;
  }
  // Of a process that is gone nothing else is told.
  if (target.reaped) return -ESRCH;
  if (target.isZombie) return maySignal(t, target, sig);
  return info === null ? killOne(t, target, sig) : queueInfo(t, target, null, info);
}

function sysPidfdGetfd(t: Task, a: SyscallArgs): number {
  if (a.u32(2) !== 0) return -EINVAL;
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof PidFd)) return -EBADF;
  const target = file.target;
  if (target.isZombie) return -ESRCH;
  if (mayTrace(t, target.leader) < 0) return -EPERM;
  const wanted = target.leader.fds.get(a.i32(1));
  if (wanted === undefined) return -EBADF;
  wanted.incRef();
  return t.fds.alloc(wanted, 0, true);
}

// --- dispositions and masks ---

function sysRtSigaction(t: Task, a: SyscallArgs): number {
  const sig = a.i32(0);
  const newAt = a.ptr(1);
  const oldAt = a.ptr(2);
  if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
  const v = t.kernel.scratchView;
  let handler = 0;
  let flags = 0;
  let restorer = 0;
  let maskLo = 0;
  let maskHi = 0;
  if (newAt !== 0) {
    if (t.copyInStruct(newAt, SIGACTION_SIZE) !== 0) return -EFAULT;
    handler = readU64(v, 0);
    flags = v.getUint32(8, true);
    restorer = readU64(v, 16);
    maskLo = v.getInt32(24, true);
    maskHi = v.getInt32(28, true);
  }
  if (!isSignal(sig) || (newAt !== 0 && (sig === SIGKILL || sig === SIGSTOP))) return -EINVAL;
  const act = t.group.sighand.get(sig);
  if (oldAt !== 0) {
    // Written from the values before the change; the change stands even if this fails, as in Linux.
    writeI64(v, 0, act.handler);
    v.setUint32(8, act.flags, true);
    v.setUint32(12, 0, true);
    writeI64(v, 16, act.restorer);
    v.setInt32(24, act.maskLo, true);
    v.setInt32(28, act.maskHi, true);
  }
  if (newAt !== 0) {
    const known = (flags & KNOWN_SA_FLAGS) >>> 0;
    const { sighand } = t.group;
    const { defaultsLo, defaultsHi } = sighand;
    sighand.set(sig, new SigAction(handler, known, restorer, maskLo & ~UNBLOCKABLE_LO, maskHi));
    if (defaultsLo !== sighand.defaultsLo || defaultsHi !== sighand.defaultsHi) {
      for (const other of t.group.tasks) t.kernel.tellFacts(other);
    }
    if ((handler === SIG_IGN || handler === SIG_DFL) && t.group.sighand.ignores(sig)) discardIgnored(t.group, sig);
  }
  if (oldAt !== 0 && t.copyOutStruct(oldAt, SIGACTION_SIZE) !== 0) return -EFAULT;
  return 0;
}

function sysRtSigprocmask(t: Task, a: SyscallArgs): number {
  if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
  const newAt = a.ptr(1);
  const oldAt = a.ptr(2);
  const v = t.kernel.scratchView;
  const oldLo = t.maskLo;
  const oldHi = t.maskHi;
  if (newAt !== 0) {
    if (t.copyInStruct(newAt, SIGSET_SIZE) !== 0) return -EFAULT;
    const lo = v.getInt32(0, true);
    const hi = v.getInt32(4, true);
    switch (a.i32(0)) {
      case SIG_BLOCK:
        setMask(t, oldLo | lo, oldHi | hi);
        break;
      case SIG_UNBLOCK:
        setMask(t, oldLo & ~lo, oldHi & ~hi);
        break;
      case SIG_SETMASK:
        setMask(t, lo, hi);
        break;
      default:
        return -EINVAL;
    }
  }
  if (oldAt !== 0) {
    v.setInt32(0, oldLo, true);
    v.setInt32(4, oldHi, true);
    if (t.copyOutStruct(oldAt, SIGSET_SIZE) !== 0) return -EFAULT;
  }
  return 0;
}

function sysRtSigpending(t: Task, a: SyscallArgs): number {
  if (a.size(1) > SIGSET_SIZE) return -EINVAL;
  const v = t.kernel.scratchView;
  v.setInt32(0, (t.pending.lo | t.group.pending.lo) & t.maskLo, true);
  v.setInt32(4, (t.pending.hi | t.group.pending.hi) & t.maskHi, true);
  return t.copyOutStruct(a.ptr(0), a.size(1));
}

/**
 * For sigsuspend, ppoll, pselect and epoll_pwait: the set at `addr` becomes the mask until the call is over (or until the
 * handler that interrupts it has been entered). Call on attempt 0 only. `addr` 0: nothing. 0 or -errno.
 */
export function useTemporaryMask(t: Task, addr: number, size: number): number {
  if (addr === 0) return 0;
  if (size !== SIGSET_SIZE) return -EINVAL;
  if (t.copyInStruct(addr, SIGSET_SIZE) !== 0) return -EFAULT;
  const v = t.kernel.scratchView;
  t.savedMaskLo = t.maskLo;
  t.savedMaskHi = t.maskHi;
  t.restoreMask = true;
  setMask(t, v.getInt32(0, true), v.getInt32(4, true));
  return 0;
}

function sysRtSigsuspend(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    if (a.size(1) !== SIGSET_SIZE) return -EINVAL;
    if (a.ptr(0) === 0) return -EFAULT;
    const err = useTemporaryMask(t, a.ptr(0), SIGSET_SIZE);
    if (err !== 0) return err;
  }
  return t.block(-ERESTARTNOHAND);
}

function sysPause(t: Task): number {
  return t.block(-ERESTARTNOHAND);
}

function endSigtimedwait(t: Task): number {
  const lo = t.waitSetLo & t.maskLo;
  const hi = t.waitSetHi & t.maskHi;
  t.waitSetLo = 0;
  t.waitSetHi = 0;
  passOn(t, lo, hi);
  return -EINTR;
}

function sysRtSigtimedwait(t: Task, a: SyscallArgs): number {
  const st = t.state;
  if (t.attempt === 0) {
    if (a.size(3) !== SIGSET_SIZE) return -EINVAL;
    if (t.copyInStruct(a.ptr(0), SIGSET_SIZE) !== 0) return -EFAULT;
    const v = t.kernel.scratchView;
    st[0] = v.getInt32(0, true) & ~UNBLOCKABLE_LO;
    st[1] = v.getInt32(4, true);
    st[2] = Infinity;
    const timeoutAt = a.ptr(2);
    if (timeoutAt !== 0) {
      const ns = t.readTimespec(timeoutAt);
      if (ns < 0) return ns;
      st[2] = ns;
      if (ns > 0) t.setDeadline(t.kernel.clock.monotonicNs() + ns);
    }
  }
  const lo = st[0]! | 0;
  const hi = st[1]! | 0;
  const info = takeSignal(t, ~lo, ~hi);
  if (info !== null) {
    endSigtimedwait(t);
    const infoAt = a.ptr(1);
    if (infoAt !== 0) {
      writeSigInfo(t.kernel.scratchView, 0, info);
      if (t.copyOutStruct(infoAt, SIGINFO_SIZE) !== 0) return -EFAULT;
    }
    return info.signo;
  }
  if (t.timedOut || st[2] === 0) {
    endSigtimedwait(t);
    return -EAGAIN;
  }
  t.waitSetLo = lo;
  t.waitSetHi = hi;
  t.onInterrupted = endSigtimedwait;
  return t.block(-EINTR);
}

// --- alternate stack ---

function sysSigaltstack(t: Task, a: SyscallArgs): number {
  const newAt = a.ptr(0);
  const oldAt = a.ptr(1);
  const v = t.kernel.scratchView;
  const sp = regU64(t.regs, t.regBase + R_RSP);
  const oldSp = t.altStackSp;
  const oldSize = t.altStackSize;
  const oldFlags = (altStackStatus(t, sp) | (t.altStackFlags & SS_AUTODISARM)) >>> 0;
  if (newAt !== 0) {
    if (t.copyInStruct(newAt, STACK_T_SIZE) !== 0) return -EFAULT;
    const ssSp = readU64(v, 0);
    const flags = v.getUint32(8, true);
    const size = readU64(v, 16);
    if (onAltStack(t, sp)) return -EPERM;
    const mode = (flags & ~SS_AUTODISARM) >>> 0;
    if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -EINVAL;
    // What it is already is not looked at again.
    const isSame = ssSp === oldSp && size === oldSize && flags === t.altStackFlags;
    if (!isSame) {
      if (mode !== SS_DISABLE && size < MINSIGSTKSZ) return -ENOMEM;
      setAltStack(t, ssSp, size, flags, sp);
    }
  }
  if (oldAt !== 0) {
    writeI64(v, 0, oldSp);
    v.setUint32(8, oldFlags, true);
    v.setUint32(12, 0, true);
    writeI64(v, 16, oldSize);
    if (t.copyOutStruct(oldAt, STACK_T_SIZE) !== 0) return -EFAULT;
  }
  return 0;
}

function sysRestartSyscall(t: Task): number {
  const fn = t.restartFn;
  return fn === null ? -EINTR : fn(t);
}

export const signalSyscalls: readonly SyscallEntry[] = [
  full("kill", sysKill),
  full("tkill", sysTkill),
  full("tgkill", sysTgkill),
  full("rt_sigqueueinfo", sysRtSigqueueinfo),
  full("rt_tgsigqueueinfo", sysRtTgsigqueueinfo),
  full("pidfd_open", sysPidfdOpen),
  full("pidfd_send_signal", sysPidfdSendSignal),
  full("pidfd_getfd", sysPidfdGetfd),
  full("rt_sigaction", sysRtSigaction),
  full("rt_sigprocmask", sysRtSigprocmask),
  full("rt_sigpending", sysRtSigpending),
  full("rt_sigsuspend", sysRtSigsuspend),
  full("rt_sigtimedwait", sysRtSigtimedwait),
  full("rt_sigreturn", sigreturn),
  full("pause", sysPause),
  full("sigaltstack", sysSigaltstack),
  full("restart_syscall", sysRestartSyscall),
];
