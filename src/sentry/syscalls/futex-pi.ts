/** Futexes with an owner: FUTEX_LOCK_PI and its relatives, futex(2). Who is next: kernel/futex.ts. */
import {
  EAGAIN,
  EDEADLK,
  EFAULT,
  EINVAL,
  EPERM,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ESRCH,
  ETIMEDOUT,
} from "../../abi/errno.ts";
import { FUTEX_BITSET_MATCH_ANY, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from "../../abi/futex.ts";
import type { FutexWaiter } from "../kernel/futex.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";

/** Sets the deadline from the timeout argument: relative, or absolute on one of two clocks. 0 or -errno. */
export function armTimeout(t: Task, at: number, absolute: boolean, realtime: boolean): number {
  if (at === 0) return 0;
  const ns = t.readTimespec(at);
  if (ns < 0) return ns;
  const { clock } = t.kernel;
  const now = clock.monotonicNs();
  if (!absolute) t.setDeadline(now + ns);
  else t.setDeadline(realtime ? now + (ns - clock.realtimeNs()) : ns);
  return 0;
}

/** FUTEX_TRYLOCK_PI: who fails is not queued, and still the owner's unlock comes to the kernel. */
export function tryLockPi(t: Task, addr: number, shared: boolean): number {
  for (;;) {
    const got = takeFree(t, addr, shared);
    if (got !== undefined) return got;
    const owner = announce(t, addr);
    if (owner !== 0) return typeof owner === "number" ? owner : -EAGAIN;
  }
}

/** Takes the lock if it is free: 0, -errno, or undefined when somebody else has it. */
function takeFree(t: Task, addr: number, shared: boolean): number | undefined {
  const { mm } = t;
  if (addr % 4 !== 0) return -EINVAL;
  for (;;) {
    if (mm.atomicLoad32(addr) !== 0) return -EFAULT;
    const word = mm.value;
    const owner = word & FUTEX_TID_MASK;
    if (owner === t.tid) return -EDEADLK;
    if (owner !== 0) return undefined;
    const hasWaiters = (word & FUTEX_WAITERS) !== 0 && t.kernel.futexes.firstPi(mm, addr, shared) !== null;
    const desired = ((word & FUTEX_OWNER_DIED) | t.tid | (hasWaiters ? FUTEX_WAITERS : 0)) >>> 0;
    if (mm.atomicCas32(addr, word, desired) !== 0) return -EFAULT;
    if (mm.value === word) return 0;
  }
}

/** FUTEX_LOCK_PI, FUTEX_LOCK_PI2: `realtime` says what the absolute timeout counts by. */
export function lockPi(t: Task, a: SyscallArgs, addr: number, shared: boolean, realtime: boolean): number {
  const w = t.futexWaiter;
  if (t.attempt > 0) {
    // Who unlocked it has written our tid.
    if (w.woken) return 0;
    return t.timedOut ? leave(t, -ETIMEDOUT) : blockPi(t);
  }
  const err = armTimeout(t, a.ptr(3), true, realtime);
  if (err !== 0) return err;
  for (;;) {
    const got = takeFree(t, addr, shared);
    if (got !== undefined) return got;
    const owner = announce(t, addr);
    if (owner === 0) continue;
    if (typeof owner === "number") return owner;
    if (t.kernel.futexes.isWaitingFor(owner, t)) return -EDEADLK;
    const queued = t.kernel.futexes.enqueue(t.mm, addr, shared, w, FUTEX_BITSET_MATCH_ANY);
    if (queued !== 0) return queued;
    t.kernel.futexes.markPi(w, owner, addr);
    return blockPi(t);
  }
}

/**
 * Sets FUTEX_WAITERS, so that the owner's unlock must come to the kernel (which runs nothing else before the waiter is
 * queued). The owner; 0: there is none any more; -errno.
 */
function announce(t: Task, addr: number): Task | number {
  const { mm } = t;
  for (;;) {
    if (mm.atomicLoad32(addr) !== 0) return -EFAULT;
    const word = mm.value;
    const tid = word & FUTEX_TID_MASK;
    if (tid === 0) return 0;
    const owner = t.kernel.tasks.get(tid);
    if (owner === undefined || owner.exited) return -ESRCH;
    if ((word & FUTEX_WAITERS) !== 0) return owner;
    if (mm.atomicCas32(addr, word, (word | FUTEX_WAITERS) >>> 0) !== 0) return -EFAULT;
    if (mm.value === word) return owner;
  }
}

function blockPi(t: Task): number {
  t.onInterrupted = interruptPi;
  return t.block(-ERESTARTSYS);
}

function leave(t: Task, result: number): number {
  t.kernel.futexes.remove(t.futexWaiter);
  return result;
}

function interruptPi(t: Task): number {
  return leave(t, -ERESTARTSYS);
}

/** FUTEX_UNLOCK_PI */
export function unlockPi(t: Task, addr: number, shared: boolean): number {
  const { mm } = t;
  const { futexes } = t.kernel;
  if (addr % 4 !== 0) return -EINVAL;
  for (;;) {
    if (mm.atomicLoad32(addr) !== 0) return -EFAULT;
    const word = mm.value;
    if ((word & FUTEX_TID_MASK) !== t.tid) return -EPERM;
    const next = futexes.firstPi(mm, addr, shared);
    const desired = next === null ? 0 : (next.task.tid | FUTEX_WAITERS) >>> 0;
    if (mm.atomicCas32(addr, word, desired) !== 0) return -EFAULT;
    if (mm.value !== word) continue;
    if (next !== null) futexes.handOver(next);
    return 0;
  }
}

/** FUTEX_WAIT_REQUEUE_PI: waits at `addr` to be given the lock at uaddr2. */
export function waitRequeuePi(
  t: Task,
  a: SyscallArgs,
  addr: number,
  shared: boolean,
  val: number,
  realtime: boolean,
): number {
  const w = t.futexWaiter;
  const { futexes } = t.kernel;
  if (t.attempt === 0) {
    const addr2 = a.ptr(4);
    if (addr === addr2) return -EINVAL;
    let err = armTimeout(t, a.ptr(3), true, realtime);
    if (err !== 0) return err;
    err = futexes.enqueue(t.mm, addr, shared, w, FUTEX_BITSET_MATCH_ANY);
    if (err !== 0) return err;
    err = futexes.markRequeue(w, t.mm, addr2, shared);
    if (err !== 0) return leave(t, err);
    if (t.mm.atomicLoad32(addr) !== 0) return leave(t, -EFAULT);
    if (t.mm.value !== val) return leave(t, -EAGAIN);
  } else {
    if (w.woken) return 0;
    if (t.timedOut) return leave(t, -ETIMEDOUT);
  }
  t.onInterrupted = interruptRequeue;
  return t.block(-ERESTARTNOINTR);
}

/** Before it was moved the wait starts anew; after that the caller has to. */
function interruptRequeue(t: Task): number {
  return leave(t, t.futexWaiter.isPi ? -EAGAIN : -ERESTARTNOINTR);
}

/** FUTEX_CMP_REQUEUE_PI: the lock at uaddr2 for the first waiter if it is free, the queue there for the others. */
export function cmpRequeuePi(t: Task, a: SyscallArgs, addr: number, shared: boolean, nrWake: number): number {
  const nrMove = a.i32(3);
  const addr2 = a.ptr(4);
  const { mm } = t;
  const { futexes } = t.kernel;
  if (nrWake < 0 || nrMove < 0 || addr === addr2 || nrWake !== 1) return -EINVAL;
  if (mm.atomicLoad32(addr) !== 0) return -EFAULT;
  if (mm.value !== a.u32(5)) return -EAGAIN;
  let n = 0;
  for (;;) {
    if (n - nrWake >= nrMove) return n;
    const w = futexes.firstForLock(mm, addr, addr2, shared);
    if (w === null) return n;
    if (typeof w === "number") return n > 0 ? n : w;
    const r = n === 0 ? giveTo(t, w, addr2, nrMove > 0) : 0;
    if (r < 0) return r;
    if (r === 0) {
      const owner = announce(t, addr2);
      if (owner === 0) continue;
      if (typeof owner === "number") return n > 0 ? n : owner;
      if (futexes.isWaitingFor(owner, w.task)) return -EDEADLK;
      futexes.moveToLock(w, owner);
    }
    n++;
  }
}

/** Makes the waiter the owner of a free lock: 1, 0 when it is not free, -errno. */
function giveTo(t: Task, w: FutexWaiter, addr: number, more: boolean): number {
  const { mm } = t;
  const isAlone = w.next === null || !more;
  for (;;) {
    if (mm.atomicLoad32(addr) !== 0) return -EFAULT;
    const word = mm.value;
    if ((word & FUTEX_TID_MASK) !== 0) return 0;
    const desired = ((word & FUTEX_OWNER_DIED) | w.task.tid | (isAlone ? 0 : FUTEX_WAITERS)) >>> 0;
    if (mm.atomicCas32(addr, word, desired) !== 0) return -EFAULT;
    if (mm.value !== word) continue;
    t.kernel.futexes.handOver(w);
    return 1;
  }
}
