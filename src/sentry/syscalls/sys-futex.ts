/** futex(2), set_robust_list(2). */
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOSYS,
  EPERM,
  ERESTARTSYS,
  ESRCH,
  ETIMEDOUT,
  ERESTART_RESTARTBLOCK,
} from "../../abi/errno.ts";
import {
  FUTEX_BITSET_MATCH_ANY,
  FUTEX_CLOCK_REALTIME,
  FUTEX_CMD_MASK,
  FUTEX_CMP_REQUEUE,
  FUTEX_CMP_REQUEUE_PI,
  FUTEX_LOCK_PI,
  FUTEX_LOCK_PI2,
  FUTEX_OP_ADD,
  FUTEX_OP_CMP_EQ,
  FUTEX_OP_CMP_GE,
  FUTEX_OP_CMP_GT,
  FUTEX_OP_CMP_LE,
  FUTEX_OP_CMP_LT,
  FUTEX_OP_CMP_NE,
  FUTEX_OP_OPARG_SHIFT,
  FUTEX_OP_XOR,
  FUTEX_PRIVATE_FLAG,
  FUTEX_REQUEUE,
  FUTEX_TRYLOCK_PI,
  FUTEX_UNLOCK_PI,
  FUTEX_WAIT,
  FUTEX_WAIT_BITSET,
  FUTEX_WAIT_REQUEUE_PI,
  FUTEX_WAKE,
  FUTEX_WAKE_BITSET,
  FUTEX_WAKE_OP,
  ROBUST_LIST_HEAD_SIZE,
} from "../../abi/futex.ts";
import { PROT_WRITE } from "../../abi/mman.ts";
import { mayTrace } from "../kernel/ptrace-access.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import { armTimeout } from "./futex-pi.ts";
import { futexWaitv } from "./futex-waitv.ts";
import { cmpRequeuePi, lockPi, tryLockPi, unlockPi, waitRequeuePi } from "./futex-pi.ts";
import type { SyscallEntry } from "./entry.ts";

/** A word's address; what is not aligned stays so, which a number beyond 2^53 could not tell. */
function wordAddress(a: SyscallArgs, n: number): number {
  return (a.lo(n) & 3) === 0 ? a.ptr(n) : (a.lo(n) & 3) + 4;
}

function sysFutex(t: Task, a: SyscallArgs): number {
  const op = a.i32(1);
  const cmd = op & FUTEX_CMD_MASK;
  const shared = (op & FUTEX_PRIVATE_FLAG) === 0;
  const addr = wordAddress(a, 0);
  const val = a.u32(2);
  if ((op & FUTEX_CLOCK_REALTIME) !== 0) {
    // FUTEX_WAIT has been without it again since Linux 5.14.
    const allowed = cmd === FUTEX_WAIT_BITSET || cmd === FUTEX_WAIT_REQUEUE_PI || cmd === FUTEX_LOCK_PI2;
    if (!allowed) return -ENOSYS;
  }
  switch (cmd) {
    case FUTEX_WAIT:
      return wait(t, a, addr, shared, val, FUTEX_BITSET_MATCH_ANY, false, op);
    case FUTEX_WAIT_BITSET:
      return wait(t, a, addr, shared, val, a.u32(5), true, op);
    case FUTEX_WAKE:
      return t.kernel.futexes.wake(t.mm, addr, shared, Math.max(1, val | 0), FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
      if (a.u32(5) === 0) return -EINVAL;
      return t.kernel.futexes.wake(t.mm, addr, shared, Math.max(1, val | 0), a.u32(5));
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
      return requeue(t, a, addr, shared, val | 0, cmd === FUTEX_CMP_REQUEUE);
    case FUTEX_WAKE_OP:
      return wakeOp(t, a, addr, shared, val | 0);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
      return lockPi(t, a, addr, shared, cmd === FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME) !== 0);
    case FUTEX_TRYLOCK_PI:
      return tryLockPi(t, addr, shared);
    case FUTEX_WAIT_REQUEUE_PI:
      return waitRequeuePi(t, a, addr, shared, val, (op & FUTEX_CLOCK_REALTIME) !== 0);
    case FUTEX_CMP_REQUEUE_PI:
      return cmpRequeuePi(t, a, addr, shared, val | 0);
    case FUTEX_UNLOCK_PI:
      return unlockPi(t, addr, shared);
    default:
      return -ENOSYS;
  }
}

function wait(
  t: Task,
  a: SyscallArgs,
  addr: number,
  shared: boolean,
  val: number,
  bitset: number,
  absolute: boolean,
  op: number,
): number {
  if (t.attempt === 0) {
    if (bitset === 0) return -EINVAL;
    const err = armTimeout(t, a.ptr(3), absolute, (op & FUTEX_CLOCK_REALTIME) !== 0);
    if (err !== 0) return err;
    const st = t.restartState;
    st[0] = addr;
    st[1] = shared ? 1 : 0;
    st[2] = val;
    st[3] = t.deadlineNs;
    // Absolute and endless waits are simply made again; the rest of a relative one goes on through restart_syscall.
    return startWait(t, addr, shared, val, bitset, absolute || a.ptr(3) === 0 ? -ERESTARTSYS : -ERESTART_RESTARTBLOCK);
  }
  return endWait(t);
}

function startWait(t: Task, addr: number, shared: boolean, val: number, bitset: number, interrupted: number): number {
  const { mm } = t;
  const k = t.kernel;
  const w = t.futexWaiter;
  const err = k.futexes.enqueue(mm, addr, shared, w, bitset);
  if (err !== 0) return err;
  // The word may be changed by running threads at any moment: it is read after the waiter is in place.
  if (mm.atomicLoad32(addr) !== 0) {
    k.futexes.remove(w);
    return -EFAULT;
  }
  if (mm.value !== val) {
    k.futexes.remove(w);
    return -EAGAIN;
  }
  t.onInterrupted = leaveWait;
  return t.block(interrupted);
}

function endWait(t: Task): number {
  const w = t.futexWaiter;
  if (w.woken) return 0;
  if (t.timedOut) {
    t.kernel.futexes.remove(w);
    return -ETIMEDOUT;
  }
  t.onInterrupted = leaveWait;
  return t.block(t.interruptedResult);
}

/** A signal ends the wait. */
function leaveWait(t: Task): number {
  t.kernel.futexes.remove(t.futexWaiter);
  if (t.interruptedResult === -ERESTART_RESTARTBLOCK) t.restartFn = restartWait;
  return t.interruptedResult;
}

/** restart_syscall for a relative wait: the same word and value, until the original deadline. */
function restartWait(t: Task): number {
  if (t.attempt > 0) return endWait(t);
  const st = t.restartState;
  t.setDeadline(st[3]!);
  return startWait(t, st[0]!, st[1] === 1, st[2]!, FUTEX_BITSET_MATCH_ANY, -ERESTART_RESTARTBLOCK);
}

function requeue(t: Task, a: SyscallArgs, addr: number, shared: boolean, nrWake: number, compare: boolean): number {
  const nrMove = a.i32(3);
  const addr2 = wordAddress(a, 4);
  if (nrWake < 0 || nrMove < 0) return -EINVAL;
  if (compare) {
    const err = t.kernel.futexes.check(t.mm, addr, addr2, shared);
    if (err !== 0) return err;
    if (t.mm.atomicLoad32(addr) !== 0) return -EFAULT;
    if (t.mm.value !== a.u32(5)) return -EAGAIN;
  }
  return t.kernel.futexes.requeue(t.mm, addr, addr2, shared, nrWake, nrMove);
}

function wakeOp(t: Task, a: SyscallArgs, addr: number, shared: boolean, nrWake: number): number {
  const nrWake2 = a.i32(3);
  const addr2 = wordAddress(a, 4);
  const encoded = a.u32(5);
  const opField = (encoded >>> 28) & 0xf;
  const op = opField & 7;
  const cmp = (encoded >>> 24) & 0xf;
  let oparg = ((encoded << 8) | 0) >> 20; // sign-extended 12 bits
  const cmparg = ((encoded << 20) | 0) >> 20;
  if ((opField & FUTEX_OP_OPARG_SHIFT) !== 0) oparg = 1 << (oparg & 31);
  const { mm } = t;
  const err = t.kernel.futexes.check(mm, addr, addr2, shared);
  if (err !== 0) return err;
  // A word that others may share is looked for as one to be written.
  const target = shared ? mm.vmas.find(addr2) : null;
  if (target !== null && (target.prot & PROT_WRITE) === 0) return -EFAULT;
  if (op < FUTEX_OP_ADD - 1 || op > FUTEX_OP_XOR) return -ENOSYS;
  if (mm.atomicRmw32(addr2, op, oparg >>> 0) !== 0) return -EFAULT;
  const old = mm.value | 0;
  let hit: boolean;
  switch (cmp) {
    case FUTEX_OP_CMP_EQ:
      hit = old === cmparg;
      break;
    case FUTEX_OP_CMP_NE:
      hit = old !== cmparg;
      break;
    case FUTEX_OP_CMP_LT:
      hit = old < cmparg;
      break;
    case FUTEX_OP_CMP_LE:
      hit = old <= cmparg;
      break;
    case FUTEX_OP_CMP_GT:
      hit = old > cmparg;
      break;
    case FUTEX_OP_CMP_GE:
      hit = old >= cmparg;
      break;
    default:
      return -ENOSYS;
  }
  const { futexes } = t.kernel;
  const n = futexes.wake(mm, addr, shared, Math.max(1, nrWake), FUTEX_BITSET_MATCH_ANY);
  if (n < 0 || !hit) return n;
  const m = futexes.wake(mm, addr2, shared, Math.max(1, nrWake2), FUTEX_BITSET_MATCH_ANY);
  return m < 0 ? m : n + m;
}

function sysSetRobustList(t: Task, a: SyscallArgs): number {
  if (a.size(1) !== ROBUST_LIST_HEAD_SIZE) return -EINVAL;
  t.robustList = a.ptr(0);
  return 0;
}

function sysGetRobustList(t: Task, a: SyscallArgs): number {
  const tid = a.i32(0);
  const target = tid === 0 ? t : t.kernel.tasks.get(tid);
  if (target === undefined) return -ESRCH;
  if (mayTrace(t, target) < 0) return -EPERM;
  const err = t.mm.writePtr(a.ptr(2), ROBUST_LIST_HEAD_SIZE);
  return err !== 0 ? err : t.mm.writePtr(a.ptr(1), target.robustList);
}

export const futexSyscalls: readonly SyscallEntry[] = [
  full("futex", sysFutex),
  full("futex_waitv", futexWaitv),
  full("set_robust_list", sysSetRobustList),
  full("get_robust_list", sysGetRobustList),
];
