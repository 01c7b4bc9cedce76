/** futex_waitv(2): waits for any of several words. */
import { EAGAIN, EFAULT, EINVAL, ERESTARTSYS, ETIMEDOUT } from "../../abi/errno.ts";
import {
  FUTEX_32,
  FUTEX_BITSET_MATCH_ANY,
  FUTEX_PRIVATE_FLAG,
  FUTEX_WAITV_MAX,
  FUTEX_WAITV_SIZE,
} from "../../abi/futex.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, readU64 } from "../../abi/time.ts";
import { FutexWaiter } from "../kernel/futex.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";

/** int futex_waitv(struct futex_waitv *waiters, unsigned int n, unsigned int flags, struct timespec *timeout, clockid_t) */
export function futexWaitv(t: Task, a: SyscallArgs): number {
  if (t.attempt > 0) return again(t);
  const n = a.u32(1);
  if (a.u32(2) !== 0) return -EINVAL;
  if (n === 0 || n > FUTEX_WAITV_MAX || a.ptr(0) === 0) return -EINVAL;
  const timeout = a.ptr(3);
  if (timeout !== 0) {
    const clock = a.i32(4);
    if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL;
    const ns = t.readTimespec(timeout);
    if (ns < 0) return ns;
    const { clock: c } = t.kernel;
    t.setDeadline(clock === CLOCK_MONOTONIC ? ns : c.monotonicNs() + (ns - c.realtimeNs()));
  }
  const { scratch, scratchView: v, futexes } = t.kernel;
  if (t.mm.copyInExact(a.ptr(0), scratch, 0, n * FUTEX_WAITV_SIZE) < 0) return -EFAULT;
  for (let i = 0; i < n; i++) {
    const at = i * FUTEX_WAITV_SIZE;
    const flags = v.getUint32(at + 16, true);
    if ((flags & ~(FUTEX_32 | FUTEX_PRIVATE_FLAG)) !== 0 || (flags & FUTEX_32) === 0) return -EINVAL;
    if (v.getUint32(at + 20, true) !== 0 || v.getUint32(at + 4, true) !== 0) return -EINVAL;
  }
  const waiters: FutexWaiter[] = [];
  t.stateRef = waiters;
  for (let i = 0; i < n; i++) {
    const at = i * FUTEX_WAITV_SIZE;
    const value = v.getUint32(at, true);
    const addr = readU64(v, at + 8);
    const w = new FutexWaiter(t);
    const shared = (v.getUint32(at + 16, true) & FUTEX_PRIVATE_FLAG) === 0;
    const err = futexes.enqueue(t.mm, addr, shared, w, FUTEX_BITSET_MATCH_ANY);
    if (err !== 0) return leave(t, err);
    waiters.push(w);
    if (t.mm.atomicLoad32(addr) !== 0) return leave(t, -EFAULT);
    if (t.mm.value !== value) return leave(t, -EAGAIN);
  }
  t.onInterrupted = interrupted;
  return t.block(-ERESTARTSYS);
}

function again(t: Task): number {
  const waiters = t.stateRef as FutexWaiter[];
  for (let i = waiters.length - 1; i >= 0; i--) if (waiters[i]!.woken) return leave(t, i);
  if (t.timedOut) return leave(t, -ETIMEDOUT);
  t.onInterrupted = interrupted;
  return t.block(-ERESTARTSYS);
}

function leave(t: Task, result: number): number {
  for (const w of t.stateRef as FutexWaiter[]) t.kernel.futexes.remove(w);
  return result;
}

function interrupted(t: Task): number {
  return leave(t, -ERESTARTSYS);
}
