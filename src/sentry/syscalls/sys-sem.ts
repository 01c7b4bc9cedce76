/** Semaphores: semget(2), semop(2), semtimedop(2), semctl(2). */
import { E2BIG, EACCES, EAGAIN, EFAULT, EFBIG, EINTR, EINVAL, ENOMEM, ERANGE } from "../../abi/errno.ts";
import {
  GETALL,
  GETNCNT,
  GETPID,
  GETVAL,
  GETZCNT,
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SEM_INFO,
  SEM_STAT,
  SEM_STAT_ANY,
  SEM_UNDO,
  SEMID_DS_SIZE,
  SEMVMX,
  SETALL,
  SETVAL,
} from "../../abi/ipc.ts";
import { IPC_READ, IPC_WRITE } from "../ipc/registry.ts";
import { MUST_WAIT, SEMOPM, SemWaiter, UndoList } from "../ipc/sem.ts";
import type { SemOp, SemSet } from "../ipc/sem.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** sizeof(struct sembuf) */
const SEMBUF_SIZE = 6;

/** int semget(key_t key, int nsems, int semflg) */
export function semget(t: Task, a: SyscallArgs): number {
  return t.kernel.ipc.sem.get(a.i32(0), a.i32(1), a.i32(2), t.creds);
}

/** A call that waits, with the set it waits at. */
class SemWait extends SemWaiter {
  readonly set: SemSet;
  constructor(set: SemSet, t: Task, ops: readonly SemOp[], undo: UndoList | null, blockedOn: SemOp) {
    super(t, ops, undo, t.group.id, blockedOn);
    this.set = set;
  }
}

function semopCommon(t: Task, a: SyscallArgs, timeout: number): number {
  if (t.attempt > 0) return semopAgain(t);
  const n = a.u32(2);
  if (timeout !== 0) {
    const ns = t.readTimespec(timeout);
    if (ns < 0) return ns;
    t.state[0] = ns;
  }
  const id = a.i32(0);
  if (n < 1 || id < 0) return -EINVAL;
  if (n > SEMOPM) return -E2BIG;
  const { scratch, scratchView: v } = t.kernel;
  if (t.mm.copyInExact(a.ptr(1), scratch, 0, n * SEMBUF_SIZE) < 0) return -EFAULT;
  const ops: SemOp[] = [];
  let highest = 0;
  let alters = false;
  let undoes = false;
  for (let i = 0; i < n; i++) {
    const at = i * SEMBUF_SIZE;
    const o = { num: v.getUint16(at, true), op: v.getInt16(at + 2, true), flags: v.getInt16(at + 4, true) };
    ops.push(o);
    if (o.num > highest) highest = o.num;
    alters ||= o.op !== 0;
    undoes ||= (o.flags & SEM_UNDO) !== 0;
  }
  const set = t.kernel.ipc.sem.ids.find(id);
  if (typeof set === "number") return set;
  let undo: UndoList | null = null;
  if (undoes) {
    undo = t.group.semUndo ??= new UndoList();
    // From here on the process's end is an operation on the set, whatever comes of this one.
    if (undo.adjustments(set) === null) return -ENOMEM;
  }
  if (highest >= set.values.length) return -EFBIG;
  if (!set.allows(t.creds, alters ? IPC_WRITE : IPC_READ)) return -EACCES;
  const r = set.perform(ops, undo, t.group.id);
  if (r === 0) {
    set.otime = t.kernel.ipc.sem.env.seconds();
    if (alters) set.update();
    return 0;
  }
  if (r !== MUST_WAIT) return r;
  if (timeout !== 0) {
    const ns = t.state[0]!;
    t.setDeadline(t.kernel.clock.monotonicNs() + ns);
  }
  const w = new SemWait(set, t, ops, undo, set.blocking!);
  set.queue(w);
  t.stateRef = w;
  t.onInterrupted = leave;
  return t.block(-EINTR);
}

function semopAgain(t: Task): number {
  const w = t.stateRef as SemWait;
  if (w.result !== null) return w.result;
  if (t.timedOut) {
    w.set.unqueue(w);
    return -EAGAIN;
  }
  t.onInterrupted = leave;
  return t.block(-EINTR);
}

/** A signal ends the wait. */
function leave(t: Task): number {
  const w = t.stateRef as SemWait;
  w.set.unqueue(w);
  return w.result ?? -EINTR;
}

/** int semop(int semid, struct sembuf *sops, unsigned nsops) */
export function semop(t: Task, a: SyscallArgs): number {
  return semopCommon(t, a, 0);
}

/** int semtimedop(int semid, struct sembuf *sops, unsigned nsops, const struct timespec *timeout) */
export function semtimedop(t: Task, a: SyscallArgs): number {
  return semopCommon(t, a, a.ptr(3));
}

/** int semctl(int semid, int semnum, int cmd, unsigned long arg) */
export function semctl(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const num = a.i32(1);
  const cmd = a.i32(2);
  const arg = a.ptr(3);
  if (id < 0) return -EINVAL;
  const table = t.kernel.ipc.sem;
  const v = t.kernel.scratchView;
  switch (cmd) {
    case IPC_INFO:
    case SEM_INFO:
      table.writeInfo(v, cmd === SEM_INFO);
      return t.copyOutStruct(arg, 40) < 0 ? -EFAULT : table.ids.highestIndex;
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const s = cmd === IPC_STAT ? table.ids.find(id) : table.ids.at(id);
      if (typeof s === "number") return s;
      if (cmd !== SEM_STAT_ANY && !s.allows(t.creds, IPC_READ)) return -EACCES;
      s.write(v);
      if (t.copyOutStruct(arg, SEMID_DS_SIZE) < 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case GETALL:
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
    case SETALL:
      return semctlValues(t, id, num, cmd, arg);
    case SETVAL: {
      const value = a.i32(3);
      if (value < 0 || value > SEMVMX) return -ERANGE;
      const s = table.ids.find(id);
      if (typeof s === "number") return s;
      if (num < 0 || num >= s.values.length) return -EINVAL;
      if (!s.allows(t.creds, IPC_WRITE)) return -EACCES;
      s.set(num, value, t.group.id);
      s.ctime = table.env.seconds();
      s.update();
      return 0;
    }
    case IPC_SET:
    case IPC_RMID: {
      if (cmd === IPC_SET && t.copyInStruct(arg, SEMID_DS_SIZE) < 0) return -EFAULT;
      const s = table.ids.find(id);
      if (typeof s === "number") return s;
      const denied = s.mayControl(t.creds);
      if (denied < 0) return denied;
      if (cmd === IPC_RMID) {
        table.remove(s);
        return 0;
      }
      const err = s.setPerm(v);
      if (err === 0) s.ctime = table.env.seconds();
      return err;
    }
    default:
      return -EINVAL;
  }
}

/** The commands that look at values, and SETALL. */
function semctlValues(t: Task, id: number, num: number, cmd: number, arg: number): number {
  const { scratch, scratchView: v } = t.kernel;
  const s = t.kernel.ipc.sem.ids.find(id);
  if (typeof s === "number") return s;
  if (!s.allows(t.creds, cmd === SETALL ? IPC_WRITE : IPC_READ)) return -EACCES;
  const n = s.values.length;
  if (n * 2 > scratch.length) return -ENOMEM;
  if (cmd === GETALL) {
    for (let i = 0; i < n; i++) v.setUint16(i * 2, s.values[i]!, true);
    return t.mm.copyOutExact(arg, scratch, 0, n * 2) < 0 ? -EFAULT : 0;
  }
  if (cmd === SETALL) {
    if (t.mm.copyInExact(arg, scratch, 0, n * 2) < 0) return -EFAULT;
    for (let i = 0; i < n; i++) if (v.getUint16(i * 2, true) > SEMVMX) return -ERANGE;
    for (let i = 0; i < n; i++) s.set(i, v.getUint16(i * 2, true), t.group.id);
    s.ctime = t.kernel.ipc.sem.env.seconds();
    s.update();
    return 0;
  }
  if (num < 0 || num >= n) return -EINVAL;
  if (cmd === GETVAL) return s.values[num]!;
  if (cmd === GETPID) return s.pids[num]!;
  return s.countWaiters(num, cmd === GETZCNT);
}

/** The calls of this file, for the table. */
export const semSyscalls: readonly SyscallEntry[] = [
  full("semget", semget),
  full("semop", semop),
  full("semtimedop", semtimedop),
  full("semctl", semctl),
];
