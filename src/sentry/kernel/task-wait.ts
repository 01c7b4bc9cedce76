/** Waiting for children: wait4(2), waitid(2). */
import { ECHILD } from "../../abi/errno.ts";
import { CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, SIGCHLD, SIGCONT } from "../../abi/signal.ts";
import {
  __WALL,
  __WCLONE,
  CONTINUED_STATUS,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  stoppedStatus,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
} from "../../abi/wait.ts";
import { EV_IN } from "../../base/waiter.ts";
import { groupUsage } from "./cpu-time.ts";
import type { Task } from "./task.ts";
import { reap } from "./task-exit.ts";
import type { ThreadGroup } from "./thread-group.ts";
import { Usage } from "./usage.ts";

/** What a wait asks for, and what it found. One per kernel: valid within one attempt. */
export class WaitRequest {
  /** P_* */
  idType: number = P_ALL;
  id = 0;
  /** P_PIDFD: the process. */
  target: ThreadGroup | null = null;
  /** W*, unsigned. */
  options = 0;

  pid = 0;
  uid = 0;
  /** wait4's status word. */
  status = 0;
  /** waitid's si_code and si_status. */
  code = 0;
  siStatus = 0;
  usage: Usage = new Usage();
}

/** An attempt to wait: pid found (> 0), 0 for WNOHANG and nothing there, -ECHILD, or BLOCKED. */
export function waitForChild(t: Task, w: WaitRequest, interruptedResult: number): number {
  const g = t.group;
  const one = w.idType === P_PID ? t.kernel.processes.get(w.id) : w.idType === P_PIDFD ? w.target : null;
  if (one !== null) {
    if (one === undefined || !g.children.has(one) || !awaits(w, one)) return -ECHILD;
    if (collectChild(g, one, w)) return w.pid;
  } else {
    for (let c = g.children.nextChanged(null); c !== null; c = g.children.nextChanged(c)) {
      if (matches(w, c) && collectChild(g, c, w)) return w.pid;
    }
    if (!hasAwaited(g, w)) return -ECHILD;
  }
  if ((w.options & WNOHANG) !== 0) return 0;
  return t.blockOn(g.childQueue, EV_IN, interruptedResult);
}

function hasAwaited(g: ThreadGroup, w: WaitRequest): boolean {
  if (w.idType !== P_PGID) {
    for (const c of g.children) if (awaits(w, c)) return true;
    return false;
  }
  const members = g.kernel.processGroups.get(w.id)?.members;
  if (members === undefined) return false;
  for (const c of members) if (g.children.has(c) && awaits(w, c)) return true;
  return false;
}

/** Whether the child is one to wait for: the dead have nothing left to report to whoever does not ask for deaths. */
function awaits(w: WaitRequest, c: ThreadGroup): boolean {
  return matches(w, c) && (!c.isZombie || (w.options & WEXITED) !== 0);
}

function matches(w: WaitRequest, c: ThreadGroup): boolean {
  switch (w.idType) {
    case P_PID:
      if (c.id !== w.id) return false;
      break;
    case P_PGID:
      if (c.pgrp.id !== w.id) return false;
      break;
    case P_PIDFD:
      if (c !== w.target) return false;
      break;
    default:
  }
  // "Clone" children are those whose exit signal is not SIGCHLD, wait(2) Linux notes.
  if ((w.options & __WALL) !== 0) return true;
  return (c.exitSignal !== SIGCHLD) === ((w.options & __WCLONE) !== 0);
}

/** Whether the child has something to report; if so fills `w` (and reaps, or forgets the event, without WNOWAIT). */
function collectChild(parent: ThreadGroup, c: ThreadGroup, w: WaitRequest): boolean {
  const keep = (w.options & WNOWAIT) !== 0;
  if (c.isZombie) {
    if ((w.options & WEXITED) === 0) return false;
    const s = c.exitStatus;
    const sig = s & 0x7f;
    w.status = s;
    w.code = sig === 0 ? CLD_EXITED : (s & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
    w.siStatus = sig === 0 ? (s >> 8) & 0xff : sig;
    describe(c, w);
    if (!keep) reap(c, parent);
    return true;
  }
  if (c.stopPending && (w.options & WSTOPPED) !== 0) {
    if (!keep) c.stopPending = false;
    w.status = stoppedStatus(c.stopSignal);
    w.code = CLD_STOPPED;
    w.siStatus = c.stopSignal;
    describe(c, w);
    return true;
  }
  if (c.continuePending && (w.options & WCONTINUED) !== 0) {
    if (!keep) c.continuePending = false;
    w.status = CONTINUED_STATUS;
    w.code = CLD_CONTINUED;
    w.siStatus = SIGCONT;
    describe(c, w);
    return true;
  }
  return false;
}

function describe(c: ThreadGroup, w: WaitRequest): void {
  w.pid = c.id;
  w.uid = c.leader.creds.ruid;
  w.usage = new Usage();
  groupUsage(c, w.usage);
  w.usage.add(c.childUsage);
}
