/**
 * Sending signals: signal(7), kill(2). Delivery to the guest is in task-deliver.ts.
 *
 * A signal goes to the pending queue of a thread or of a process; then some thread that has it unblocked is made to
 * look: a running one is interrupted, a blocked one gets its attempt repeated, a stopped one is left alone unless the
 * signal kills or continues.
 */
import { EAGAIN, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { CAP_KILL } from "../../abi/capability.ts";
import { RLIMIT_SIGPENDING } from "../../abi/resource.ts";
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  NSIG,
  SA_NOCLDSTOP,
  SI_KERNEL,
  SI_TKILL,
  SI_USER,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SigInfo,
  sigBitHi,
  sigBitLo,
  sigInSet,
  SIGKILL,
  SIGRTMIN,
  STOP_SIGNALS_LO,
} from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import { EV_IN } from "../../base/waiter.ts";
import type { Kernel } from "./kernel.ts";
import type { PendingSignals } from "./pending-signals.ts";
import type { ProcessGroup } from "./sessions.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_GUEST, RUN_STOPPED } from "./task.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** A signal that the kernel itself sends. */
export function kernelSignal(sig: number): SigInfo {
  const info = new SigInfo();
  info.signo = sig;
  info.code = SI_KERNEL;
  return info;
}

/** What kill(2) of `from` carries. */
export function userSignal(from: Task, sig: number): SigInfo {
  const info = new SigInfo();
  info.signo = sig;
  info.code = SI_USER;
  info.pid = from.group.id;
  info.uid = from.creds.ruid;
  return info;
}

/** What tkill(2) and tgkill(2) of `from` carry. */
export function threadSignal(from: Task, sig: number): SigInfo {
  const info = userSignal(from, sig);
  info.code = SI_TKILL;
  return info;
}

/** Whether `from` may send `sig` to `to`, kill(2): 0, -EINVAL (no such signal, which is told only where there is a process) or -EPERM. */
export function maySignal(from: Task, to: ThreadGroup, sig: number): number {
  if (sig < 0 || sig > NSIG) return -EINVAL;
  if (from.group === to) return 0;
  const c = from.creds;
  const target = to.leader.creds;
  if (c.euid === target.suid || c.euid === target.ruid || c.ruid === target.suid || c.ruid === target.ruid) return 0;
  if (c.hasCap(CAP_KILL)) return 0;
  if (sig === SIGCONT && from.group.session === to.session) return 0;
  return -EPERM;
}

/** Sends to a process. 0 or -EAGAIN (real-time queue full; only for codes other than SI_USER and SI_KERNEL). */
export function sendToGroup(g: ThreadGroup, info: SigInfo): number {
  if (g.isZombie) return 0;
  const sig = info.signo;
  if (sig === 0) return 0;
  prepare(g, sig);
  if (sig === SIGKILL) {
    killGroup(g, signalStatus(SIGKILL, false));
    return 0;
  }
  if (g.exiting) return 0;
  const t = chooseTask(g, sig);
  if (t === null) {
    // Blocked everywhere: kept, even if ignored, since the disposition may change before it is unblocked.
    const err = enqueueSignal(g.leader, g.pending, info);
    if (err === 0) signalQueued(g);
    return err;
  }
  if (!sigInSet(sig, t.maskLo, t.maskHi) && g.sighand.ignores(sig)) return 0;
  const err = enqueueSignal(t, g.pending, info);
  if (err !== 0) return err;
  signalQueued(g);
  kick(t);
  return 0;
}

/** Sends to one thread. 0 or -EAGAIN. */
export function sendToTask(t: Task, info: SigInfo): number {
  if (t.run === RUN_EXITED) return 0;
  const sig = info.signo;
  if (sig === 0) return 0;
  const g = t.group;
  prepare(g, sig);
  if (sig === SIGKILL) {
    killGroup(g, signalStatus(SIGKILL, false));
    return 0;
  }
  const blocked = sigInSet(sig, t.maskLo, t.maskHi);
  if (!blocked && g.sighand.ignores(sig)) return 0;
  const err = enqueueSignal(t, t.pending, info);
  if (err !== 0) return err;
  signalQueued(g);
  if (!blocked || sigInSet(sig, t.waitSetLo, t.waitSetHi)) kick(t);
  return 0;
}

/** Sends to every member of a process group. 0 when somebody got it, else the last error (-ESRCH when it is empty). */
export function sendToProcessGroup(pg: ProcessGroup, make: (g: ThreadGroup) => SigInfo | number): number {
  let result = -ESRCH;
  let sent = false;
  for (const g of pg.members) {
    if (g.reaped) continue;
    const info = make(g);
    if (typeof info === "number") {
      if (!sent) result = info;
      continue;
    }
    sent = true;
    sendToGroup(g, info);
  }
  return sent ? 0 : result;
}

/** Sends a kernel-made signal to the members of a process group (terminals, orphaned groups). */
export function signalProcessGroup(pg: ProcessGroup, sig: number): void {
  for (const g of pg.members) sendToGroup(g, kernelSignal(sig));
}

/** Sends a kernel-made signal to process group `pgid`. 0 or -ESRCH. */
export function signalPgid(k: Kernel, pgid: number, sig: number): number {
  const pg = k.processGroups.get(pgid);
  if (pg === undefined) return -ESRCH;
  signalProcessGroup(pg, sig);
  return 0;
}

/**
 * A signal that the thread brought upon itself (a fault): cannot be blocked or ignored. If it is, its disposition goes
 * back to the default first, so it kills.
 */
export function forceSignal(t: Task, info: SigInfo): void {
  const sig = info.signo;
  const a = t.group.sighand.get(sig);
  const blocked = sigInSet(sig, t.maskLo, t.maskHi);
  if (blocked || a.handler === SIG_IGN) {
    t.group.sighand.dropHandler(sig);
    if (blocked) {
      t.maskLo &= ~sigBitLo(sig);
      t.maskHi &= ~sigBitHi(sig);
    }
  }
  // A pending one of the same number must not swallow this one's information.
  t.pending.discard(sigBitLo(sig), sigBitHi(sig));
  t.pending.add(info, t.creds.ruid);
}

/** Whether something is pending that the thread would act on. */
export function hasPendingSignal(t: Task): boolean {
  const g = t.group;
  return ((t.pending.lo | g.pending.lo) & ~t.maskLo) !== 0 || ((t.pending.hi | g.pending.hi) & ~t.maskHi) !== 0;
}

/** Whether the thread has to look at something before it goes on: a signal, a stop, the end. */
export function mustLook(t: Task): boolean {
  const g = t.group;
  if (g.exiting || (g.execTask !== null && g.execTask !== t)) return true;
  if (t.killableOnly) return false;
  return hasPendingSignal(t) || (g.stopRequested && !t.stopAcknowledged);
}

/** Takes the next signal that the thread would act on or be told of: its own first, then the process's. Null if none. */
export function takeSignal(t: Task, maskLo: number, maskHi: number): SigInfo | null {
  for (;;) {
    const info = t.pending.take(~maskLo, ~maskHi) ?? t.group.pending.take(~maskLo, ~maskHi);
    if (info === null || info.timer === null || info.timer.taken(info)) return info;
  }
}

/** Everything must exit with wait status `status`. The first call decides the status. */
export function killGroup(g: ThreadGroup, status: number): void {
  if (g.isZombie) return;
  if (!g.exiting) {
    g.exiting = true;
    g.exitStatus = status;
  }
  g.stopRequested = false;
  g.stopped = false;
  for (const t of g.tasks) kick(t);
}

/** Makes a thread come to the kernel and look around. */
export function kick(t: Task): void {
  switch (t.run) {
    case RUN_GUEST:
      t.kernel.platform.interrupt(t.ctx);
      break;
    case RUN_BLOCKED:
      if (mustLook(t) || t.waitSetLo !== 0 || t.waitSetHi !== 0) t.kernel.enqueue(t);
      break;
    case RUN_STOPPED:
      if (!t.group.stopRequested) t.kernel.enqueue(t);
      break;
    default:
  }
}

/** A thread's blocked set changes. What it would have taken of the process's pending signals, and blocks now, others may take. */
export function setMask(t: Task, lo: number, hi: number): void {
  const { pending } = t.group;
  const lostLo = pending.lo & lo & ~t.maskLo;
  const lostHi = pending.hi & hi & ~t.maskHi;
  // SIGKILL and SIGSTOP cannot be blocked.
  t.maskLo = lo & ~((1 << 8) | (1 << 18));
  t.maskHi = hi | 0;
  if ((lostLo | lostHi) !== 0) passOn(t, lostLo, lostHi);
}

/** The thread takes no signals of these numbers any more: those that are pending for the process are for other threads to see. */
export function passOn(t: Task, lo: number, hi: number): void {
  const { pending, tasks } = t.group;
  let restLo = pending.lo & lo;
  let restHi = pending.hi & hi;
  for (const other of tasks) {
    if ((restLo | restHi) === 0) return;
    if (other === t || other.run === RUN_EXITED) continue;
    const deafLo = other.maskLo & ~other.waitSetLo;
    const deafHi = other.maskHi & ~other.waitSetHi;
    if (((restLo & ~deafLo) | (restHi & ~deafHi)) === 0) continue;
    restLo &= deafLo;
    restHi &= deafHi;
    kick(other);
  }
}

/** sigaction made `sig` ignored: pending ones are thrown away. */
export function discardIgnored(g: ThreadGroup, sig: number): void {
  g.pending.discard(sigBitLo(sig), sigBitHi(sig));
  for (const t of g.tasks) t.pending.discard(sigBitLo(sig), sigBitHi(sig));
}

/** Wakes readers of signalfds. */
function signalQueued(g: ThreadGroup): void {
  g.signalQueue.notify(EV_IN);
}

/** `t`: who gets it; its user's queue grows. */
function enqueueSignal(t: Task, queue: PendingSignals, info: SigInfo): number {
  // A timer has had its place since it was made.
  const owner = info.timer === null ? t.creds.ruid : -1;
  const isRealTime = info.signo >= SIGRTMIN;
  if ((isRealTime || info.code < 0) && owner >= 0 && mayNotQueue(t)) {
    // kill(2) of a real-time signal is never refused, standard ones neither: kept once, and nothing is known of it.
    if (isRealTime && info.code !== SI_USER && info.code !== SI_KERNEL) return -EAGAIN;
    if (queue.has(info.signo)) return 0;
    const bare = new SigInfo();
    bare.signo = info.signo;
    queue.add(bare, -1);
    return 0;
  }
  queue.add(info, owner);
  return 0;
}

/** RLIMIT_SIGPENDING: the thread's user has as many signals and timers as it allows. */
export function mayNotQueue(t: Task): boolean {
  return t.kernel.queuedSignals.of(t.creds.ruid) >= t.group.limits.get(RLIMIT_SIGPENDING);
}

/** Side effects of generating a signal, whatever happens to it: SIGCONT and stop signals cancel each other. */
function prepare(g: ThreadGroup, sig: number): void {
  if (sig === SIGCONT) {
    discardFromAll(g, STOP_SIGNALS_LO);
    continueGroup(g);
  } else if (sig <= 32 && (STOP_SIGNALS_LO & sigBitLo(sig)) !== 0) {
    discardFromAll(g, sigBitLo(SIGCONT));
  }
}

function discardFromAll(g: ThreadGroup, lo: number): void {
  if ((g.pending.lo & lo) !== 0) g.pending.discard(lo, 0);
  for (const t of g.tasks) if ((t.pending.lo & lo) !== 0) t.pending.discard(lo, 0);
}

/** Which thread shall handle a signal of the process: the leader if it can, else any that has it unblocked or waits for it. */
function chooseTask(g: ThreadGroup, sig: number): Task | null {
  const leader = g.leader;
  if (wants(leader, sig)) return leader;
  for (const t of g.tasks) if (wants(t, sig)) return t;
  return null;
}

function wants(t: Task, sig: number): boolean {
  if (t.run === RUN_EXITED) return false;
  return !sigInSet(sig, t.maskLo, t.maskHi) || sigInSet(sig, t.waitSetLo, t.waitSetHi);
}

/** Whether a number is a signal's (0, the probe, is not). */
export function isSignal(sig: number): boolean {
  return sig >= 1 && sig <= NSIG;
}

// --- stop and continue ---

/** A stop signal was delivered with its default action: every thread of the process shall stop. */
export function startGroupStop(g: ThreadGroup, sig: number): void {
  if (g.exiting || g.stopRequested) return;
  g.stopRequested = true;
  g.stopSignal = sig;
  for (const t of g.tasks) {
    t.stopAcknowledged = false;
    kick(t);
  }
}

/** The thread (whose context is stopped) takes part in the stop. */
export function acknowledgeStop(t: Task): void {
  t.stopAcknowledged = true;
  t.run = RUN_STOPPED;
  checkGroupStopped(t.group);
}

/** When the last thread has stopped (or has gone), the parent is told. */
export function checkGroupStopped(g: ThreadGroup): void {
  if (!g.stopRequested || g.stopped || g.tasks.length === 0) return;
  for (const t of g.tasks) if (!t.stopAcknowledged) return;
  g.stopped = true;
  g.stopPending = true;
  g.continuePending = false;
  notifyParentOfChange(g, CLD_STOPPED, g.stopSignal);
}

/** SIGCONT was sent: ends a stop, whether or not the signal itself is blocked or ignored. */
export function continueGroup(g: ThreadGroup): void {
  if (!g.stopRequested) return;
  const wasStopped = g.stopped;
  g.stopRequested = false;
  g.stopped = false;
  g.stopPending = false;
  for (const t of g.tasks) {
    t.stopAcknowledged = false;
    kick(t);
  }
  if (wasStopped) {
    g.continuePending = true;
    notifyParentOfChange(g, CLD_CONTINUED, SIGCONT);
  }
}

function notifyParentOfChange(g: ThreadGroup, code: number, sig: number): void {
  const p = g.parent;
  if (p === null) return;
  p.children.note(g);
  p.childQueue.notify(EV_IN);
  const a = p.sighand.get(SIGCHLD);
  if (a.handler === SIG_IGN || (a.flags & SA_NOCLDSTOP) !== 0) return;
  sendToGroup(p, childSignal(g, code, sig));
}

/** SIGCHLD information about `g`. `status`: exit code or signal. */
export function childSignal(g: ThreadGroup, code: number, status: number): SigInfo {
  const info = new SigInfo();
  info.signo = SIGCHLD;
  info.code = code;
  info.pid = g.id;
  info.uid = g.leader.creds.ruid;
  info.status = status;
  info.utime = Math.floor(g.usage.userNs / 1e7);
  info.stime = Math.floor(g.usage.systemNs / 1e7);
  return info;
}
