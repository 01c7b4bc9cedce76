/** File locks: flock(2) and the lock commands of fcntl(2). */
import { EAGAIN, EBADF, EFAULT, EINVAL, EOVERFLOW, ERESTARTSYS } from "../../abi/errno.ts";
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  FLOCK_SIZE,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../../abi/fcntl.ts";
import { Stat } from "../../abi/stat.ts";
import { readI64, writeI64 } from "../../abi/time.ts";
import { EV_IN } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import type { FileDescription } from "../vfs/file.ts";
import { FileLocks, stopWaiting } from "../vfs/locks.ts";
import type { RecordLock } from "../vfs/locks.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile, LOFF_LIMIT } from "./file-util.ts";

const LOCK_MAND = 32;
/** Offsets up to here are exact as numbers, and so are their sums. */
const EXACT = 2 ** 52;
const LOFF_MAX = 0x7fffffffffffffffn;

/** struct flock as read by {@link readFlock}: bytes [start, end), end Infinity for "to the end of the file". */
const lock = { type: 0, start: 0, end: 0, pid: 0 };
const stat: Stat = new Stat();

/** int flock(unsigned int fd, unsigned int cmd) */
export function flock(t: Task, a: SyscallArgs): number {
  const cmd = a.u32(1);
  // Without effect in recent kernels.
  if ((cmd & LOCK_MAND) !== 0) return 0;
  const op = cmd & ~LOCK_NB;
  if (op !== LOCK_SH && op !== LOCK_EX && op !== LOCK_UN) return -EINVAL;
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  if (op !== LOCK_UN && file.accessMode === 0) return -EBADF;
  const inode = file.inode;
  if (inode === null) return -EBADF;
  if (inode.locks === null) {
    if (op === LOCK_UN) return 0;
    inode.locks = new FileLocks();
  }
  const locks = inode.locks;
  const r = locks.flock(file, op);
  if (r !== -EAGAIN || (cmd & LOCK_NB) !== 0) return r;
  return t.blockOn(locks.queue, EV_IN, -ERESTARTSYS);
}

/** Reads and checks a struct flock at `addr` into `lock`. 0 or -errno. */
function readFlock(t: Task, file: FileDescription, addr: number): number {
  if (t.copyInStruct(addr, FLOCK_SIZE) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  lock.type = v.getInt16(0, true);
  const whence = v.getInt16(2, true);
  const off = readI64(v, 8);
  const len = readI64(v, 16);
  lock.pid = v.getInt32(24, true);
  let base = 0;
  if (whence === SEEK_CUR) {
    base = file.position();
  } else if (whence === SEEK_END) {
    const err = file.stat(stat);
    if (err < 0) return err;
    base = stat.size;
  } else if (whence !== SEEK_SET) {
    return -EINVAL;
  }
  if (Math.abs(off) > EXACT || Math.abs(len) > EXACT) {
    const bad = checkFar(base, v.getBigInt64(8, true), v.getBigInt64(16, true));
    if (bad < 0) return bad;
  }
  let start = base + off;
  if (start < 0) return -EINVAL;
  let end = Infinity;
  if (len > 0) {
    end = start + len;
  } else if (len < 0) {
    if (start + len < 0) return -EINVAL;
    end = start;
    start += len;
  }
  lock.start = start;
  lock.end = end >= LOFF_LIMIT ? Infinity : end;
  if (lock.type !== F_RDLCK && lock.type !== F_WRLCK && lock.type !== F_UNLCK) return -EINVAL;
  return 0;
}

/** Ranges near the end of loff_t, where numbers are not exact: -EOVERFLOW when they leave it, else 0. */
function checkFar(base: number, off: bigint, len: bigint): number {
  const start = BigInt(base) + off;
  const last = len > 0n ? start + len - 1n : start;
  return start > LOFF_MAX || last > LOFF_MAX ? -EOVERFLOW : 0;
}

/** F_GETLK, F_OFD_GETLK */
export function fcntlGetLock(t: Task, file: FileDescription, addr: number, ofd: boolean): number {
  const err = readFlock(t, file, addr);
  if (err < 0) return err;
  // An OFD query for F_UNLCK asks for the description's own locks; POSIX ones may not ask that.
  if (ofd ? lock.pid !== 0 : lock.type === F_UNLCK) return -EINVAL;
  const locks = file.inode === null ? null : file.inode.locks;
  const found =
    locks === null
      ? null
      : lock.type === F_UNLCK
        ? ownLock(locks, file)
        : locks.test(ofd ? file : t.fds, lock.type, lock.start, lock.end);
  const v = t.kernel.scratchView;
  if (found === null) {
    v.setInt16(0, F_UNLCK, true);
  } else {
    v.setInt16(0, found.type, true);
    v.setInt16(2, SEEK_SET, true);
    writeI64(v, 8, found.start);
    writeI64(v, 16, found.end === Infinity ? 0 : found.end - found.start);
    v.setInt32(24, found.pid, true);
  }
  return t.copyOutStruct(addr, FLOCK_SIZE) < 0 ? -EFAULT : 0;
}

/** The first lock of `file` itself that overlaps `lock`. */
function ownLock(locks: FileLocks, file: FileDescription): RecordLock | null {
  for (const l of locks.records) if (l.owner === file && l.start < lock.end && l.end > lock.start) return l;
  return null;
}

/** F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW */
export function fcntlSetLock(t: Task, file: FileDescription, addr: number, ofd: boolean, wait: boolean): number {
  const err = readFlock(t, file, addr);
  if (err < 0) return err;
  const type = lock.type;
  if ((type === F_RDLCK && !file.readable) || (type === F_WRLCK && !file.writable)) return -EBADF;
  if (ofd && lock.pid !== 0) return -EINVAL;
  const inode = file.inode;
  if (inode === null) return -EBADF;
  if (inode.locks === null) {
    if (type === F_UNLCK) return 0;
    inode.locks = new FileLocks();
  }
  const locks = inode.locks;
  const owner: object = ofd ? file : t.fds;
  if (wait && t.attempt > 0 && !ofd) stopWaiting(owner);
  const r = locks.set(owner, ofd ? -1 : t.group.id, type, lock.start, lock.end, file);
  if (r !== -EAGAIN || !wait) return r;
  if (!ofd) {
    const dead = locks.deadlock(owner, type, lock.start, lock.end);
    if (dead < 0) return dead;
    t.onInterrupted = lockInterrupted;
  }
  return t.blockOn(locks.queue, EV_IN, -ERESTARTSYS);
}

function lockInterrupted(t: Task): number {
  stopWaiting(t.fds);
  return -ERESTARTSYS;
}

/** The calls of this file, for the table. */
export const lockSyscalls: readonly SyscallEntry[] = [full("flock", flock)];
