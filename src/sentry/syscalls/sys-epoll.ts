/** epoll(7): epoll_create(2), epoll_ctl(2), epoll_wait(2) and relatives. */
import { EBADF, EFAULT, EINTR, EINVAL, EPERM } from "../../abi/errno.ts";
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_EVENT_SIZE } from "../../abi/epoll.ts";
import { readTimespec } from "../../abi/time.ts";
import { EV_IN } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import { Epoll } from "../vfs/epoll.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { fileArg, ioFile, isUserRange } from "./file-util.ts";
import { useSignalMask } from "./sys-poll.ts";

/** INT_MAX / sizeof(struct epoll_event) */
const MAX_EVENTS = Math.floor(0x7fffffff / EPOLL_EVENT_SIZE);
/** Index into t.state: absolute monotonic deadline, 0 = do not wait. */
const ST_DEADLINE = 0;

function create(t: Task, cloexec: boolean): number {
  return t.fds.alloc(Epoll.create(t.kernel.vfs), 0, cloexec);
}

/** int epoll_create(int size) */
export function epollCreate(t: Task, a: SyscallArgs): number {
  return a.i32(0) <= 0 ? -EINVAL : create(t, false);
}

/** int epoll_create1(int flags) */
export function epollCreate1(t: Task, a: SyscallArgs): number {
  const flags = a.i32(0);
  return (flags & ~EPOLL_CLOEXEC) !== 0 ? -EINVAL : create(t, flags !== 0);
}

/** int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) */
export function epollCtl(t: Task, a: SyscallArgs): number {
  const op = a.i32(1);
  const v = t.kernel.scratchView;
  if (op !== EPOLL_CTL_DEL && t.copyInStruct(a.ptr(3), EPOLL_EVENT_SIZE) < 0) return -EFAULT;
  const epoll = ioFile(t, a.i32(0));
  const fd = a.i32(2);
  const file = ioFile(t, fd);
  if (epoll === undefined || file === undefined) return -EBADF;
  if (!file.canPoll) return -EPERM;
  if (file === epoll || !(epoll instanceof Epoll)) return -EINVAL;
  switch (op) {
    case EPOLL_CTL_ADD:
      return epoll.add(file, fd, v.getInt32(0, true), v.getUint32(4, true), v.getUint32(8, true));
    case EPOLL_CTL_MOD:
      return epoll.modify(file, fd, v.getInt32(0, true), v.getUint32(4, true), v.getUint32(8, true));
    case EPOLL_CTL_DEL:
      return epoll.delete(file, fd);
    default:
      return -EINVAL;
  }
}

/** The attempt proper; the deadline is in the state. */
function waitEvents(t: Task, a: SyscallArgs): number {
  const epoll = fileArg(t, a.i32(0));
  if (epoll === undefined || epoll.isPath) return -EBADF;
  const max = a.i32(2);
  if (max <= 0 || max > MAX_EVENTS) return -EINVAL;
  const addr = a.ptr(1);
  if (!isUserRange(addr, max * EPOLL_EVENT_SIZE)) return -EFAULT;
  if (!(epoll instanceof Epoll)) return -EINVAL;
  const room = Math.floor(t.kernel.scratch.length / EPOLL_EVENT_SIZE);
  if (max > room && epoll.readyCount > room) {
    const many = manyEvents(t, epoll, addr, Math.min(max, epoll.readyCount));
    if (many !== 0) return many;
  }
  const n = epoll.collect(t.kernel.scratchView, 0, max < room ? max : room);
  if (n !== 0) return t.copyOutStruct(addr, n * EPOLL_EVENT_SIZE) < 0 ? -EFAULT : n;
  const deadline = t.state[ST_DEADLINE]!;
  if (deadline === 0 || t.timedOut) return 0;
  if (t.attempt === 0 && deadline !== Infinity) t.setDeadline(deadline);
  t.holdFile(epoll);
  return t.blockOn(epoll.waitQueue(), EV_IN, -EINTR);
}

/** More events than the scratch memory holds. */
function manyEvents(t: Task, epoll: Epoll, addr: number, max: number): number {
  const view = new DataView(new ArrayBuffer(max * EPOLL_EVENT_SIZE));
  const n = epoll.collect(view, 0, max);
  const bytes = n * EPOLL_EVENT_SIZE;
  return t.mm.copyOutExact(addr, new Uint8Array(view.buffer), 0, bytes) < 0 ? -EFAULT : n;
}

function takeMilliseconds(t: Task, ms: number): void {
  t.state[ST_DEADLINE] = ms < 0 ? Infinity : ms === 0 ? 0 : t.kernel.clock.monotonicNs() + ms * 1e6;
}

/** int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout) */
export function epollWait(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) takeMilliseconds(t, a.i32(3));
  return waitEvents(t, a);
}

/** int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout, const sigset_t *mask, size_t size) */
export function epollPwait(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const err = useSignalMask(t, a.ptr(4), a.size(5));
    if (err < 0) return err;
    takeMilliseconds(t, a.i32(3));
  }
  return waitEvents(t, a);
}

/** int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents, const struct timespec *timeout, const sigset_t *mask, size_t size) */
export function epollPwait2(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    const addr = a.ptr(3);
    let deadline = Infinity;
    if (addr !== 0) {
      if (t.copyInStruct(addr, 16) < 0) return -EFAULT;
      const ns = readTimespec(t.kernel.scratchView, 0);
      if (ns < 0) return -EINVAL;
      deadline = ns === 0 ? 0 : t.kernel.clock.monotonicNs() + ns;
    }
    const err = useSignalMask(t, a.ptr(4), a.size(5));
    if (err < 0) return err;
    t.state[ST_DEADLINE] = deadline;
  }
  return waitEvents(t, a);
}

/** The calls of this file, for the table. */
export const epollSyscalls: readonly SyscallEntry[] = [
  full("epoll_create", epollCreate),
  full("epoll_create1", epollCreate1),
  full("epoll_ctl", epollCtl),
  full("epoll_wait", epollWait),
  full("epoll_pwait", epollPwait),
  full("epoll_pwait2", epollPwait2),
];
