/**
 * Delivering signals to the guest: dispositions, the frame on the guest's stack, restarting interrupted calls, and
 * rt_sigreturn. signal(7), sigaction(2), sigaltstack(2), sigreturn(2).
 */
import { EINTR, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS } from "../../abi/errno.ts";
import { RLIMIT_CORE } from "../../abi/resource.ts";
import {
  ACT_CONT,
  ACT_CORE,
  ACT_IGN,
  ACT_STOP,
  defaultAction,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SI_KERNEL,
  SIG_DFL,
  SIG_IGN,
  sigBitHi,
  sigBitLo,
  SigInfo,
  SIGSEGV,
  SIGSTOP,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  writeSigInfo,
} from "../../abi/signal.ts";
import { SYS_restart_syscall } from "../../abi/syscall-nr.ts";
import { signalStatus } from "../../abi/wait.ts";
import { R_RAX, R_RIP, R_RSP, regU64, setReg } from "../../arch/amd64/registers.ts";
import {
  acceptFpState,
  buildSigframe,
  enterHandler,
  finishFpState,
  FP_LEGACY_SIZE,
  FP_XSTATE_MAGIC2_SIZE,
  fpStateBytes,
  parseUcontext,
  RED_ZONE,
  sigframeAddress,
  SigframeFields,
  sigframeFpAddress,
  SIGFRAME_SIZE,
  UCONTEXT_SIZE,
} from "../../arch/amd64/sigframe.ts";
import type { SigAction } from "./sighand.ts";
import { NO_RETURN_VALUE } from "./task.ts";
import type { Task } from "./task.ts";
import { forceSignal, hasPendingSignal, setMask, startGroupStop, takeSignal } from "./task-signals.ts";

/** Bytes of a `syscall` instruction. */
const SYSCALL_INSN = 2;

// Places in kernel.scratch.
const AT_FRAME = 0;
const AT_INFO = 512;
const AT_FP = 1024;

const fields: SigframeFields = new SigframeFields();

/**
 * Acts on the pending signals of a task that is about to return to the guest (its context is stopped). Returns -1 to go
 * on (possibly into a handler, or into a group stop that was just requested), or the wait status with which the process dies.
 */
export function deliverSignals(t: Task): number {
  const g = t.group;
  let handled = false;
  while (!g.exiting && hasPendingSignal(t)) {
    if (g.stopRequested) break; // stop first; what is pending waits for SIGCONT
    const info = takeSignal(t, t.maskLo, t.maskHi);
    if (info === null) break;
    const sig = info.signo;
    const a = g.sighand.get(sig);
    if (a.handler === SIG_IGN) continue;
    if (a.handler !== SIG_DFL) {
      if (!handled) settleForHandler(t, a);
      handled = true;
      if (!pushHandler(t, a, info)) forceSegv(t, sig);
      continue;
    }
    switch (defaultAction(sig)) {
      case ACT_IGN:
      case ACT_CONT:
        break;
      case ACT_STOP:
        // Orphaned groups ignore the terminal's stop signals: nobody could continue them.
        if (sig === SIGSTOP || !g.pgrp.isOrphaned(null)) startGroupStop(g, sig);
        break;
      case ACT_CORE:
        return signalStatus(sig, g.dumpable === 1 && g.limits.get(RLIMIT_CORE) > 0);
      default:
        return signalStatus(sig, false);
    }
  }
  if (!handled) settleWithoutHandler(t);
  return -1;
}

/** An interrupted call and a handler: does the call go on afterwards, or give EINTR? signal(7). */
function settleForHandler(t: Task, a: SigAction): void {
  const kind = t.restartKind;
  if (kind === 0) return;
  t.restartKind = 0;
  const eintr =
    kind === -ERESTARTNOHAND ||
    kind === -ERESTART_RESTARTBLOCK ||
    (kind === -ERESTARTSYS && (a.flags & SA_RESTART) === 0);
  if (eintr) setReg(t.regs, t.regBase + R_RAX, -EINTR);
  else rewind(t, t.sysno);
}

/** No handler ran: the call goes on as if nothing had happened, and a temporary mask ends. */
function settleWithoutHandler(t: Task): void {
  const kind = t.restartKind;
  if (kind !== 0) {
    t.restartKind = 0;
    rewind(t, kind === -ERESTART_RESTARTBLOCK ? SYS_restart_syscall : t.sysno);
  }
  if (t.restoreMask) {
    t.restoreMask = false;
    setMask(t, t.savedMaskLo, t.savedMaskHi);
  }
}

/** Back to the `syscall` instruction. The argument registers still hold what they held. */
function rewind(t: Task, nr: number): void {
  const regs = t.regs;
  const base = t.regBase;
  setReg(regs, base + R_RIP, regU64(regs, base + R_RIP) - SYSCALL_INSN);
  setReg(regs, base + R_RAX, nr);
}

/** Whether `sp` lies on the alternate stack. */
export function onAltStack(t: Task, sp: number): boolean {
  if ((t.altStackFlags & SS_AUTODISARM) !== 0) return false;
  return sp > t.altStackSp && sp - t.altStackSp <= t.altStackSize;
}

/** sigaltstack's view of the flags. */
export function altStackStatus(t: Task, sp: number): number {
  if (t.altStackSize === 0) return SS_DISABLE;
  return onAltStack(t, sp) ? SS_ONSTACK : 0;
}

/** Puts a frame on the guest's stack and enters the handler. False: the stack cannot take it. */
function pushHandler(t: Task, a: SigAction, info: SigInfo): boolean {
  t.mm.patches?.fixRip(t.regs, t.regBase);
  const k = t.kernel;
  const { mm } = t;
  const { platform, scratch, scratchView: view } = k;
  const base = t.regBase;
  const fpSize = platform.fpStateSize;
  const { regs } = t;
  // Linux/amd64 cannot return from a handler without a restorer.
  if ((a.flags & SA_RESTORER) === 0) return false;
  let sp = regU64(regs, base + R_RSP);
  const wasOnAlt = onAltStack(t, sp);
  sp -= RED_ZONE;
  if ((a.flags & SA_ONSTACK) !== 0 && t.altStackSize > 0 && !wasOnAlt) {
    sp = t.altStackSp + t.altStackSize;
  }
  if (sp < fpSize + SIGFRAME_SIZE + 256 || sp > platform.maxAddress) return false;
  const fpAt = sigframeFpAddress(sp, fpSize);
  const frameAt = sigframeAddress(fpAt);
  // An overflow of the alternate stack is a fault, not silent corruption.
  const onAlt = wasOnAlt || sp === t.altStackSp + t.altStackSize;
  if (onAlt && t.altStackSize > 0 && (a.flags & SA_ONSTACK) !== 0 && frameAt < t.altStackSp) return false;

  if (platform.getFpState(t.ctx, scratch, AT_FP) !== 0) return false;
  finishFpState(view, AT_FP, fpSize);
  if (mm.copyOutExact(fpAt, scratch, AT_FP, fpSize + FP_XSTATE_MAGIC2_SIZE) !== 0) return false;

  writeSigInfo(view, AT_INFO, info);
  const saved = t.restoreMask;
  fields.restorer = a.restorer;
  fields.fpState = fpAt;
  fields.maskLo = (saved ? t.savedMaskLo : t.maskLo) >>> 0;
  fields.maskHi = (saved ? t.savedMaskHi : t.maskHi) >>> 0;
  fields.stackSp = t.altStackSp;
  fields.stackSize = t.altStackSize;
  fields.stackFlags =
    (t.altStackFlags & SS_AUTODISARM) !== 0 ? t.altStackFlags : altStackStatus(t, regU64(regs, base + R_RSP));
  fields.err = t.faultErr;
  fields.trapno = t.faultTrap;
  fields.cr2Lo = t.faultAddrLo;
  fields.cr2Hi = t.faultAddrHi;
  buildSigframe(view, AT_FRAME, regs, base, fields, scratch, AT_INFO);
  if (mm.copyOutExact(frameAt, scratch, AT_FRAME, SIGFRAME_SIZE) !== 0) return false;
  enterHandler(regs, base, a.handler, frameAt, info.signo);
  platform.resetFpState(t.ctx);

  t.restoreMask = false;
  let lo = t.maskLo | a.maskLo;
  let hi = t.maskHi | a.maskHi;
  if ((a.flags & SA_NODEFER) === 0) {
    lo |= sigBitLo(info.signo);
    hi |= sigBitHi(info.signo);
  }
  setMask(t, lo, hi);
  if ((a.flags & SA_RESETHAND) !== 0) t.group.sighand.dropHandler(info.signo);
  if ((t.altStackFlags & SS_AUTODISARM) !== 0) {
    t.altStackSp = 0;
    t.altStackSize = 0;
    t.altStackFlags = SS_DISABLE;
  }
  return true;
}

/** The frame could not be written or read: SIGSEGV, which kills if it was SIGSEGV's own handler. */
function forceSegv(t: Task, sig: number): void {
  if (sig === SIGSEGV) t.group.sighand.dropHandler(SIGSEGV);
  const info = new SigInfo();
  info.signo = SIGSEGV;
  info.code = SI_KERNEL;
  forceSignal(t, info);
}

/** rt_sigreturn(2): back to what the frame says. NO_RETURN_VALUE, also when the frame is bad (SIGSEGV follows). */
export function sigreturn(t: Task): number {
  const k = t.kernel;
  const { mm } = t;
  const { platform, scratch, scratchView: view } = k;
  const base = t.regBase;
  const { regs } = t;
  const ucAt = regU64(regs, base + R_RSP);
  t.restartKind = 0;
  if (mm.copyInExact(ucAt, scratch, AT_FRAME, UCONTEXT_SIZE) !== 0) {
    forceSegv(t, 0);
    return NO_RETURN_VALUE;
  }
  parseUcontext(view, AT_FRAME, regs, base, fields);
  setMask(t, fields.maskLo, fields.maskHi);
  const fpAt = fields.fpState;
  if (fpAt === 0) {
    platform.resetFpState(t.ctx);
  } else if (!restoreFpState(t, fpAt)) {
    forceSegv(t, 0);
    return NO_RETURN_VALUE;
  }
  // The alternate stack as it was, unless that is nonsense or in use; errors do not matter here.
  setAltStack(t, fields.stackSp, fields.stackSize, fields.stackFlags, regU64(regs, base + R_RSP));
  return NO_RETURN_VALUE;
}

function restoreFpState(t: Task, fpAt: number): boolean {
  const { platform, scratch, scratchView: view } = t.kernel;
  const { mm } = t;
  const fpSize = platform.fpStateSize;
  if (mm.copyInExact(fpAt, scratch, AT_FP, FP_LEGACY_SIZE) !== 0) return false;
  const size = fpStateBytes(view, AT_FP, fpSize);
  if (size === fpSize) {
    const rest = fpSize + FP_XSTATE_MAGIC2_SIZE - FP_LEGACY_SIZE;
    if (mm.copyInExact(fpAt + FP_LEGACY_SIZE, scratch, AT_FP + FP_LEGACY_SIZE, rest) !== 0) return false;
  }
  acceptFpState(view, AT_FP, fpSize, size);
  return platform.setFpState(t.ctx, scratch, AT_FP) === 0;
}

/** Sets the alternate stack: true, or false when the flags are not valid or `sp` is on it. Sizes are checked by sigaltstack. */
export function setAltStack(t: Task, ssSp: number, ssSize: number, ssFlags: number, sp: number): boolean {
  if (onAltStack(t, sp)) return false;
  const mode = (ssFlags & ~SS_AUTODISARM) >>> 0;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return false;
  if (mode === SS_DISABLE) {
    t.altStackSp = 0;
    t.altStackSize = 0;
    t.altStackFlags = ssFlags >>> 0;
    return true;
  }
  t.altStackSp = ssSp;
  t.altStackSize = ssSize;
  t.altStackFlags = ssFlags >>> 0;
  return true;
}
