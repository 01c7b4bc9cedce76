/**
 * One step of a task whose context is stopped: the attempt of its system call, then signals, then back to the guest.
 */
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../platform/platform.ts";
import {
  CTX_ADDR,
  CTX_ERR,
  CTX_EVENT,
  CTX_SICODE,
  CTX_SIGNO,
  CTX_TRAPNO,
  CTX_TRAPPED,
  EV_DIED,
  EV_FAULT,
  EV_SYSCALL,
} from "../../platform/platform.ts";
import { R_ORIG_RAX, R_RAX, regU64, setReg } from "../../arch/amd64/registers.ts";
import {
  EACCES,
  EFAULT,
  errnoName,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
} from "../../abi/errno.ts";
import {
  BUS_ADRERR,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SigInfo,
  SIGKILL,
  SIGSEGV,
} from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import { armCpuTimer } from "./itimers.ts";
import { BLOCKED, NO_RETURN_VALUE, RUN_BLOCKED, RUN_EXITED, RUN_GUEST, RUN_READY } from "./task.ts";
import type { Task } from "./task.ts";
import { deliverSignals } from "./task-deliver.ts";
import { exitTask } from "./task-exit.ts";
import { acknowledgeStop, forceSignal, killGroup, mustLook, setMask } from "./task-signals.ts";

/** x86 trap number of a page fault. */
const TRAP_PAGE_FAULT = 14;
/** Bits of the page-fault error code. */
const PF_WRITE = 2;
const PF_FETCH = 16;

/** The platform reported the task's context: takes note of why. The task is then ready for `stepTask`. */
export function takeEvent(t: Task): void {
  const regs = t.callRegs;
  const base = t.regBase;
  t.run = RUN_READY;
  t.stops++;
  switch (regs[base + CTX_EVENT]!) {
    case EV_SYSCALL:
      t.inSyscall = true;
      t.sysno = regs[base + R_ORIG_RAX]! | 0;
      if (regs[base + CTX_TRAPPED]! !== 0) t.mm.noteTrap(regs, base);
      // Numbers are ints; a guest that fills the upper half gets the call that the lower half names, as Linux does.
      break;
    case EV_FAULT:
      takeFault(t, regs, base);
      break;
    case EV_DIED:
      t.ctxDied = true;
      killGroup(t.group, signalStatus(SIGKILL, false));
      break;
    default:
      if (t.mm.patches !== null) t.mm.patches.fixRip(regs, base);
  }
}

function takeFault(t: Task, regs: Uint32Array, base: number): void {
  if (t.mm.patches !== null && t.mm.patches.handleFault(regs, base)) return;
  let sig = regs[base + CTX_SIGNO]!;
  let code = regs[base + CTX_SICODE]! | 0;
  if (regs[base + CTX_TRAPNO]! === TRAP_PAGE_FAULT && sig === SIGSEGV) {
    const err = regs[base + CTX_ERR]!;
    const access = (err & PF_FETCH) !== 0 ? PROT_EXEC : (err & PF_WRITE) !== 0 ? PROT_WRITE : PROT_READ;
    const r = t.mm.handleFault(regU64(regs, base + CTX_ADDR), access);
    if (r === 0) {
      t.usage.minorFaults++;
      return;
    }
    if (r === -EFAULT) code = SEGV_MAPERR;
    else if (r === -EACCES) code = SEGV_ACCERR;
    else {
      sig = SIGBUS;
      code = BUS_ADRERR;
    }
  }
  if (sig < 1 || sig > 31) {
    sig = SIGSEGV;
    code = SI_KERNEL;
  }
  const info = new SigInfo();
  info.signo = sig;
  info.code = code;
  if (code !== SI_KERNEL) {
    info.addrLo = regs[base + CTX_ADDR]!;
    info.addrHi = regs[base + CTX_ADDR + 1]!;
  }
  t.faultTrap = regs[base + CTX_TRAPNO]!;
  t.faultErr = regs[base + CTX_ERR]!;
  t.faultAddrLo = regs[base + CTX_ADDR]!;
  t.faultAddrHi = regs[base + CTX_ADDR + 1]!;
  forceSignal(t, info);
}

/** Runs a ready task until its context runs again or it has to wait. */
export function stepTask(t: Task): void {
  if (t.run === RUN_EXITED) return;
  t.run = RUN_READY;
  const g = t.group;
  if (g.exiting || (g.execTask !== null && g.execTask !== t)) {
    exitTask(t, g.exitStatus);
    return;
  }
  if (t.inSyscall) {
    t.clearWaits();
    t.kernel.current = t;
    let r = t.kernel.dispatcher.attempt(t);
    t.kernel.current = null;
    if ((t.run as number) === RUN_EXITED) return;
    if (r === BLOCKED) {
      if (!mustLook(t)) {
        if (t.attempt === 0) t.usage.voluntarySwitches++;
        t.attempt++;
        t.run = RUN_BLOCKED;
        return;
      }
      r = interruptCall(t);
    }
    finishCall(t, r);
    if (t.kernel.holds(t)) return;
  }
  returnToGuest(t);
}

/** The blocked call ends because of a signal: what it gives. */
function interruptCall(t: Task): number {
  t.clearWaits();
  if (t.progress > 0) return t.progress;
  return t.onInterrupted !== null ? t.onInterrupted(t) : t.interruptedResult;
}

function finishCall(t: Task, r: number): void {
  t.endCall();
  const restart = r === -ERESTARTSYS || r === -ERESTARTNOINTR || r === -ERESTARTNOHAND || r === -ERESTART_RESTARTBLOCK;
  t.restartKind = restart ? r : 0;
  if (r !== -ERESTART_RESTARTBLOCK) t.restartFn = null;
  if (r !== NO_RETURN_VALUE) setReg(t.callRegs, t.regBase + R_RAX, r);
  // Interrupted sigsuspend, ppoll ...: the temporary mask stays until the signal has been delivered.
  if (t.restoreMask && !restart && !(r === -4 && mustLook(t))) {
    t.restoreMask = false;
    setMask(t, t.savedMaskLo, t.savedMaskHi);
  }
  t.kernel.dispatcher.finished(t, r);
}

/** Signals, stops, mapping changes; then the context runs. */
export function returnToGuest(t: Task): void {
  const g = t.group;
  const status = deliverSignals(t);
  if (status >= 0) killGroup(g, status);
  if (g.exiting || (g.execTask !== null && g.execTask !== t)) {
    exitTask(t, g.exitStatus);
    return;
  }
  if (g.stopRequested) {
    acknowledgeStop(t);
    return;
  }
  const k = t.kernel;
  const failed = t.mm.needsFlush ? t.mm.handOver(t.ctx) : 0;
  if (failed !== 0) {
    // The host cannot hold the mappings that the guest was promised: nothing sane is left to run.
    k.log.warn(`pid ${g.id} (${t.comm}): mapping operations failed with ${errnoName(-failed)}, killed`);
    killGroup(g, signalStatus(SIGKILL, false));
    exitTask(t, g.exitStatus);
    return;
  }
  if (g.watchesCpu && !g.cpuTimer.armed) armCpuTimer(g);
  t.resumedNs = k.nowNs;
  t.run = RUN_GUEST;
  k.platform.resume(t.ctx);
}
