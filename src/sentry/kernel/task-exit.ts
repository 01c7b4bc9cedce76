/** The end of threads and processes: exit(2), exit_group(2), and what wait(2) finds afterwards. */
import { CLD_DUMPED, CLD_EXITED, CLD_KILLED, SA_NOCLDWAIT, SIG_IGN, SIGCHLD, SIGKILL } from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import { EV_HUP, EV_IN } from "../../base/waiter.ts";
import { syncCpu } from "./cpu-time.ts";
import { FdTable } from "./fd-table.ts";
import { exitPiLocks, exitRobustList } from "./robust-list.ts";
import { leaveGroup, leaveSession, signalOrphanedChildren, signalOrphanedGroup } from "./job-control.ts";
import type { Kernel } from "./kernel.ts";
import { noteResident } from "./resident.ts";
import { RUN_EXITED } from "./task.ts";
import type { Task } from "./task.ts";
import { checkGroupStopped, childSignal, killGroup, passOn, sendToGroup, userSignal } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** Ends a thread. Precondition: its context is stopped (or gone). `status`: wait(2) status word. */
export function exitTask(t: Task, status: number): void {
  if (t.run === RUN_EXITED) return;
  const k = t.kernel;
  const g = t.group;
  // A call cut short by death gives back what it holds, as one cut short by a signal.
  if (t.onInterrupted !== null) t.onInterrupted(t);
  t.endCall();
  k.futexes.remove(t.futexWaiter);
  if (t.execImage !== null) {
    t.execImage.discard();
    t.execImage = null;
  }
  if (g.execTask === t) g.execTask = null;
  syncCpu(t);
  t.exitStatus = status;
  t.run = RUN_EXITED;
  releaseMemory(t);
  t.fds.decRef();
  t.fds = new FdTable(g.limits);
  t.usage.voluntarySwitches++;

  const i = g.tasks.indexOf(t);
  if (i >= 0) g.tasks.splice(i, 1);
  g.usage.add(t.usage);
  k.deadUserNs += t.usage.userNs;
  k.deadSystemNs += t.usage.systemNs;
  sendDeathSignals(t);
  k.dispatcher.exited(t);
  if (g.tasks.length > 0) {
    t.fs.decRef();
    if (!t.isLeader) forgetTask(t);
    passOn(t, ~t.maskLo, ~t.maskHi);
    checkGroupStopped(g);
    g.exitQueue.notify(EV_IN);
    return;
  }
  if (!t.isLeader) forgetTask(t);
  exitGroup(k, g, g.exiting ? g.exitStatus : g.leader === t ? status : g.leader.exitStatus);
  t.fs.decRef();
}

/** Removes a thread's number. */
function forgetTask(t: Task): void {
  const { tasks, userTasks } = t.kernel;
  if (tasks.get(t.tid) !== t) return;
  tasks.delete(t.tid);
  userTasks.change(t.creds.ruid, -1);
  t.pending.clear();
}

/** Gives back context and address space: at exit. Order: what needs the memory first, then the context, then the memory. */
function releaseMemory(t: Task): void {
  const k = t.kernel;
  if (t.ctx < 0) return;
  exitRobustList(t);
  if (k.futexes.piWaiters.size > 0) exitPiLocks(t);
  clearChildTid(t);
  releaseVfork(t);
  k.releaseContext(t);
  // What is there counts for the process, when its last thread leaves.
  if (t.group.tasks.length === 1) noteResident(t.usage, t.mm);
  t.mm.decUsers();
}

/** CLONE_CHILD_CLEARTID: whoever joins this thread waits on that word, set_tid_address(2). */
export function clearChildTid(t: Task): void {
  const addr = t.clearChildTid;
  if (addr === 0) return;
  t.clearChildTid = 0;
  if (t.mm.users > 1 && t.mm.writeU32(addr, 0) === 0) t.kernel.futexes.wakeAddr(t.mm, addr, 1);
}

/** The child of a vfork has its own memory now, or none: the parent goes on. */
export function releaseVfork(t: Task): void {
  if (!t.isVforkChild) return;
  t.isVforkChild = false;
  t.vforkQueue.notify(EV_IN);
}

/** prctl(PR_SET_PDEATHSIG): children made by this thread are told. */
function sendDeathSignals(t: Task): void {
  for (const c of t.group.children) {
    if (c.creator !== t) continue;
    c.creator = null;
    for (const ct of c.tasks) if (ct.pdeathSignal !== 0) sendToGroup(c, userSignal(t, ct.pdeathSignal));
  }
}

/** The last thread is gone. */
function exitGroup(k: Kernel, g: ThreadGroup, status: number): void {
  g.exiting = true;
  g.exitStatus = status;
  g.stopRequested = false;
  g.stopped = false;
  k.timers.cancel(g.realTimer);
  k.timers.cancel(g.cpuTimer);
  g.watchesCpu = false;
  for (const pt of g.posixTimers.values()) pt.delete();
  if (g.semUndo !== null) k.ipc.sem.exit(g.semUndo, g.id);

  leaveSession(g);
  signalOrphanedGroup(g, g.parent);
  signalOrphanedChildren(g);
  g.isZombie = true;
  g.parent?.children.note(g);
  reparentChildren(k, g);
  g.exitQueue.notify(EV_IN | EV_HUP);

  if (g === k.init) {
    for (const other of k.processes.values()) if (other !== g) killGroup(other, signalStatus(SIGKILL, false));
    return;
  }
  notifyParent(g);
}

/** Tells the parent of a dead process; without interest on its side, the process is reaped at once. */
function notifyParent(g: ThreadGroup): void {
  const p = g.parent;
  if (p === null || p.isZombie) {
    reap(g, null);
    return;
  }
  let autoReap = false;
  const sig = g.exitSignal;
  if (sig !== 0) {
    const a = p.sighand.get(sig);
    let send = true;
    if (sig === SIGCHLD) {
      if (a.handler === SIG_IGN) {
        autoReap = true;
        send = false;
      } else if ((a.flags & SA_NOCLDWAIT) !== 0) {
        autoReap = true;
      }
    }
    if (send) {
      const info = exitSignalInfo(g);
      info.signo = sig;
      sendToGroup(p, info);
    }
  }
  if (autoReap) reap(g, p);
  p.childQueue.notify(EV_IN);
}

/** SIGCHLD information for a dead process. */
function exitSignalInfo(g: ThreadGroup): ReturnType<typeof childSignal> {
  const s = g.exitStatus;
  const sig = s & 0x7f;
  if (sig === 0) return childSignal(g, CLD_EXITED, (s >> 8) & 0xff);
  return childSignal(g, (s & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED, sig);
}

/** Children go to the nearest living subreaper above, or to init: prctl(2) PR_SET_CHILD_SUBREAPER. */
function reparentChildren(k: Kernel, g: ThreadGroup): void {
  if (g.children.size === 0) return;
  let heir: ThreadGroup | null = null;
  for (let p = g.parent; p !== null; p = p.parent) {
    if (p.isSubreaper && !p.isZombie && !p.exiting) {
      heir = p;
      break;
    }
  }
  if (heir === null && k.init !== null && !k.init.isZombie && k.init !== g) heir = k.init;
  for (const c of g.children) {
    g.children.delete(c);
    c.parent = heir;
    for (const t of c.tasks) k.tellFacts(t);
    c.creator = null;
    if (heir !== null) heir.children.add(c);
    // The new parent expects SIGCHLD, whatever clone asked for.
    c.exitSignal = SIGCHLD;
    if (c.isZombie) notifyParent(c);
  }
}

/** Removes a dead process for good. `parent`: who waited for it (its children's figures grow), or null. */
export function reap(g: ThreadGroup, parent: ThreadGroup | null): void {
  if (g.reaped) return;
  g.reaped = true;
  const k = g.kernel;
  if (parent !== null) {
    const u = parent.childUsage;
    u.add(g.usage);
    u.add(g.childUsage);
  }
  if (g.parent !== null) g.parent.children.delete(g);
  leaveGroup(g, g.pgrp);
  k.processes.delete(g.id);
  g.pending.clear();
  forgetTask(g.leader);
}
