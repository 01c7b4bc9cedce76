/** kcmp(2): whether two processes share something. */
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESRCH } from "../../abi/errno.ts";
import { mayTrace } from "../kernel/ptrace-access.ts";
import type { Task } from "../kernel/task.ts";
import { Epoll } from "../vfs/epoll.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

const KCMP_FILE = 0;
const KCMP_VM = 1;
const KCMP_FILES = 2;
const KCMP_FS = 3;
const KCMP_SIGHAND = 4;
const KCMP_IO = 5;
const KCMP_SYSVSEM = 6;
const KCMP_EPOLL_TFD = 7;

/** Numbers of objects in the order in which they were first compared: any order will do, as long as it stays. */
const numbers: WeakMap<object, number> = new WeakMap();
let lastNumber = 0;

function numberOf(o: object | null): number {
  if (o === null) return 0;
  let n = numbers.get(o);
  if (n === undefined) {
    n = ++lastNumber;
    numbers.set(o, n);
  }
  return n;
}

/** 0: the same; 1, 2: the first is less, greater. */
function compare(a: object | null, b: object | null): number {
  if (a === b) return 0;
  return numberOf(a) < numberOf(b) ? 1 : 2;
}

/** int kcmp(pid_t pid1, pid_t pid2, int type, unsigned long idx1, unsigned long idx2) */
export function kcmp(t: Task, a: SyscallArgs): number {
  const { tasks } = t.kernel;
  const first = tasks.get(a.i32(0));
  const second = tasks.get(a.i32(1));
  if (first === undefined || second === undefined) return -ESRCH;
  if (mayTrace(t, first) < 0 || mayTrace(t, second) < 0) return -EPERM;
  switch (a.i32(2)) {
    case KCMP_FILE: {
      const one = first.fds.get(a.i32(3));
      const two = second.fds.get(a.i32(4));
      return one === undefined || two === undefined ? -EBADF : compare(one, two);
    }
    case KCMP_VM:
      return compare(first.exited ? null : first.mm, second.exited ? null : second.mm);
    case KCMP_FILES:
      return compare(first.exited ? null : first.fds, second.exited ? null : second.fds);
    case KCMP_FS:
      return compare(first.exited ? null : first.fs, second.exited ? null : second.fs);
    case KCMP_SIGHAND:
      return compare(first.group.sighand, second.group.sighand);
    case KCMP_IO:
      // Nobody has an I/O context.
      return 0;
    case KCMP_SYSVSEM:
      return compare(first.group.semUndo, second.group.semUndo);
    case KCMP_EPOLL_TFD:
      return compareTarget(t, first, second, a.i32(3), a.ptr(4));
    default:
      return -EINVAL;
  }
}

/** KCMP_EPOLL_TFD: a file with the target of an epoll instance; struct kcmp_epoll_slot { u32 efd, tfd, toff }. */
function compareTarget(t: Task, first: Task, second: Task, fd: number, slotAt: number): number {
  if (t.copyInStruct(slotAt, 12) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const efd = v.getInt32(0, true);
  const tfd = v.getInt32(4, true);
  let skip = v.getUint32(8, true);
  const file = first.fds.get(fd);
  const epoll = second.fds.get(efd);
  if (file === undefined || epoll === undefined) return -EBADF;
  if (!(epoll instanceof Epoll)) return -EINVAL;
  let found: object | null = null;
  epoll.forEach((item) => {
    if (item.fd === tfd && skip-- === 0) found = item.file;
  });
  return found === null ? -ENOENT : compare(file, found);
}

/** The calls of this file, for the table. */
export const kcmpSyscalls: readonly SyscallEntry[] = [full("kcmp", kcmp)];
