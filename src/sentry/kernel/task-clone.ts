/** New threads and processes: clone(2), clone3(2), fork(2), vfork(2). */
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_CLEAR_SIGHAND_HI,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  SCHED_FIFO,
  SCHED_OTHER,
  SCHED_RR,
} from "../../abi/sched.ts";
import { EAGAIN, EINVAL, ENOMEM, EPERM, ERESTARTNOINTR } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import { RLIMIT_NPROC } from "../../abi/resource.ts";
import { SS_DISABLE } from "../../abi/signal.ts";
import { R_FS_BASE, R_RAX, R_RSP, regU64, REGS_WORDS, setReg } from "../../arch/amd64/registers.ts";
import { EV_IN } from "../../base/waiter.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { joinGroup } from "./job-control.ts";
import { openPidFd } from "./pidfd.ts";
import { Task } from "./task.ts";
import { mustLook } from "./task-signals.ts";
import { ThreadGroup } from "./thread-group.ts";
import { WIDE } from "../../base/wide.ts";

/** Flags that ask for new namespaces. */
const CLONE_NEW_ANY: number =
  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/** Arguments of a clone, whichever call it came from. */
export class CloneArgs {
  /** CLONE_*, low 32 bits, without the signal. */
  flags = 0;
  flagsHi = 0;
  exitSignal = 0;
  /** Initial stack pointer; 0 = the parent's. */
  sp: number = WIDE;
  tls: number = WIDE;
  parentTid: number = WIDE;
  childTid: number = WIDE;
  pidfd: number = WIDE;
}

/** Makes a new thread or process that is ready to run. The child, or -errno. vfork's waiting is the caller's. */
export function cloneTask(t: Task, a: CloneArgs): Task | number {
  const err = checkFlags(t, a);
  if (err !== 0) return err;
  const k = t.kernel;
  const g = t.group;
  const { flags } = a;
  // A thread that is told to die or to stop must not multiply first.
  if (mustLook(t)) return -ERESTARTNOINTR;
  const tid = k.allocTid();
  if (tid < 0) return -EAGAIN;
  if (!mayFork(t)) return -EAGAIN;

  const sharesMemory = (flags & CLONE_VM) !== 0;
  const isThread = (flags & CLONE_THREAD) !== 0;
  const limits = isThread ? g.limits : g.limits.clone();
  const mm = sharesMemory ? t.mm : forkMemory(t, limits);
  if (typeof mm === "number") return mm;
  if (sharesMemory) mm.incUsers();
  const ctx = mm.as.newContext();
  if (ctx < 0) {
    mm.decUsers();
    return ctx;
  }
  if (!sharesMemory) {
    // Before the child's mappings are made, with which its thread starts: what is written by then goes with them.
    if ((flags & CLONE_CHILD_SETTID) !== 0) mm.writeU32(a.childTid, tid);
    const failed = mm.flush();
    if (failed < 0) {
      k.platform.releaseContext(ctx);
      mm.decUsers();
      return failed === -ENOMEM ? failed : -EAGAIN;
    }
  }

  const sighand = (flags & CLONE_SIGHAND) !== 0 ? g.sighand : g.sighand.clone();
  const childGroup = isThread ? g : new ThreadGroup(k, tid, sighand, limits);
  if (!isThread && (flags & CLONE_SIGHAND) !== 0) {
    sighand.refs++;
    for (const other of g.tasks) k.tellFacts(other);
  }
  if ((a.flagsHi & CLONE_CLEAR_SIGHAND_HI) !== 0) sighand.resetForExec();
  let { fds, fs } = t;
  if ((flags & CLONE_FILES) !== 0) fds.incRef();
  else fds = fds.fork(limits);
  if ((flags & CLONE_FS) !== 0) fs.incRef();
  else fs = fs.fork();

  const c = new Task(k, tid, childGroup, mm, fds, fs, t.creds);
  c.affinity = t.affinity;
  k.adoptContext(c, ctx);
  copyRegisters(t, c, a);
  c.comm = t.comm;
  c.maskLo = t.maskLo;
  c.maskHi = t.maskHi;
  inheritScheduling(t, c);
  c.ioprio = t.ioprio;
  c.timerSlackNs = c.defaultTimerSlackNs = t.timerSlackNs;
  c.mceKill = t.mceKill;
  c.isIoFlusher = t.isIoFlusher;
  c.personality = t.personality;
  c.startNs = k.clock.monotonicNs();
  // The alternate stack is kept by a copy of the process and lost by whoever shares memory, sigaltstack(2), except vfork.
  if (!sharesMemory || (flags & CLONE_VFORK) !== 0) {
    c.altStackSp = t.altStackSp;
    c.altStackSize = t.altStackSize;
    c.altStackFlags = t.altStackFlags;
  } else {
    c.altStackFlags = SS_DISABLE;
  }
  if ((flags & CLONE_CHILD_CLEARTID) !== 0) c.clearChildTid = a.childTid;

  if (isThread) {
    g.tasks.push(c);
  } else {
    childGroup.leader = c;
    childGroup.tasks.push(c);
    childGroup.startNs = c.startNs;
    childGroup.exitSignal = (flags & CLONE_PARENT) !== 0 ? g.exitSignal : a.exitSignal;
    childGroup.dumpable = g.dumpable;
    childGroup.oomScoreAdj = g.oomScoreAdj;
    childGroup.noHugePages = g.noHugePages;
    childGroup.membarrier = g.membarrier;
    childGroup.loginUid = g.loginUid;
    const parent = (flags & CLONE_PARENT) !== 0 ? g.parent : g;
    childGroup.parent = parent;
    k.tellFacts(c);
    childGroup.creator = (flags & CLONE_PARENT) !== 0 ? null : t;
    if (parent !== null) parent.children.add(childGroup);
    childGroup.tty = g.tty;
    joinGroup(childGroup, g.pgrp);
    k.processes.set(tid, childGroup);
  }
  k.tasks.set(tid, c);
  k.userTasks.change(c.creds.ruid, 1);
  k.forkCount++;

  if ((flags & CLONE_PARENT_SETTID) !== 0) t.mm.writeU32(a.parentTid, tid);
  if (sharesMemory && (flags & CLONE_CHILD_SETTID) !== 0) mm.writeU32(a.childTid, tid);
  if ((flags & CLONE_PIDFD) !== 0) {
    const fd = openPidFd(t, childGroup, 0);
    // Room for it was made sure of before; a bad pointer costs only the number.
    if (fd >= 0) t.mm.writeU32(a.pidfd, fd);
  }
  if ((flags & CLONE_VFORK) !== 0) c.isVforkChild = true;
  k.enqueue(c);
  return c;
}

/** The combinations that clone(2) refuses. 0 or -errno. */
function checkFlags(t: Task, a: CloneArgs): number {
  const f = a.flags;
  if ((f & CLONE_THREAD) !== 0 && (f & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((f & CLONE_SIGHAND) !== 0 && (f & CLONE_VM) === 0) return -EINVAL;
  if ((f & CLONE_SIGHAND) !== 0 && (a.flagsHi & CLONE_CLEAR_SIGHAND_HI) !== 0) return -EINVAL;
  if ((f & CLONE_FS) !== 0 && (f & (CLONE_NEWNS | CLONE_NEWUSER)) !== 0) return -EINVAL;
  if ((f & CLONE_THREAD) !== 0 && (f & (CLONE_NEWUSER | CLONE_NEWPID)) !== 0) return -EINVAL;
  // init must stay the only process without a parent inside.
  if ((f & CLONE_PARENT) !== 0 && t.group === t.kernel.init) return -EINVAL;
  if ((f & CLONE_PIDFD) !== 0 && (f & CLONE_THREAD) !== 0) return -EINVAL;
  if ((f & CLONE_PIDFD) !== 0 && !t.fds.canAlloc(1)) return -24; // EMFILE
  // Namespaces: as a kernel built without them.
  if ((f & CLONE_NEW_ANY) !== 0) return t.creds.hasCap(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
  if ((a.flagsHi & ~CLONE_CLEAR_SIGHAND_HI) !== 0) return -EINVAL;
  return 0;
}

/** sched(7): what a new thread inherits, and what SCHED_RESET_ON_FORK takes from it. */
function inheritScheduling(t: Task, c: Task): void {
  c.nice = t.nice;
  c.schedPolicy = t.schedPolicy;
  c.schedPriority = t.schedPriority;
  if (!t.schedReset) return;
  if (t.schedPolicy === SCHED_FIFO || t.schedPolicy === SCHED_RR) c.schedPolicy = SCHED_OTHER;
  c.schedPriority = 0;
  if (t.schedPolicy !== c.schedPolicy || t.nice < 0) c.nice = 0;
}

/** RLIMIT_NPROC: counted per real user, not for the privileged. The sandbox's own limit is for everybody. */
function mayFork(t: Task): boolean {
  if (t.kernel.tasks.size >= t.kernel.maxTasks) return false;
  const limit = t.group.limits.get(RLIMIT_NPROC);
  if (limit === Infinity || t.creds.ruid === 0 || t.creds.hasCap(CAP_SYS_RESOURCE) || t.creds.hasCap(CAP_SYS_ADMIN)) {
    return true;
  }
  return t.kernel.userTasks.of(t.creds.ruid) < limit;
}

/** Whether the thread's user has more threads than its RLIMIT_NPROC allows; root may. */
export function exceedsTaskLimit(t: Task): boolean {
  const { ruid } = t.creds;
  return ruid !== 0 && t.kernel.userTasks.of(ruid) > t.group.limits.get(RLIMIT_NPROC);
}

/** A copy-on-write copy of the memory in a new host address space. */
function forkMemory(t: Task, limits: ThreadGroup["limits"]): MemoryManager | number {
  const as = t.kernel.platform.newAddressSpace();
  if (typeof as === "number") return as === -ENOMEM ? -ENOMEM : -EAGAIN;
  const mm = t.mm.fork(as, limits, regU64(t.regs, t.regBase + R_RSP));
  if (typeof mm === "number") as.release();
  // What both share now must be write-protected before any thread of the parent goes on, also when this one waits (vfork).
  if (t.mm.needsFlush) t.mm.flush();
  return mm;
}

/** The child starts with its parent's registers, rax = 0. */
function copyRegisters(t: Task, c: Task, a: CloneArgs): void {
  const regs = t.regs;
  const from = t.regBase;
  const to = c.regBase;
  for (let i = 0; i < REGS_WORDS; i++) regs[to + i] = regs[from + i]!;
  setReg(regs, to + R_RAX, 0);
  if (a.sp !== 0) setReg(regs, to + R_RSP, a.sp);
  if ((a.flags & CLONE_SETTLS) !== 0) setReg(regs, to + R_FS_BASE, a.tls);
  t.kernel.platform.copyFpState(t.ctx, c.ctx);
}

/** vfork: whether the child still holds its parent up; if so the parent waits (only death interrupts). */
export function vforkWait(t: Task, child: Task): number {
  return child.isVforkChild ? t.blockKillable(child.vforkQueue, EV_IN) : child.tid;
}
