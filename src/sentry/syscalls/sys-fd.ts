/** File descriptors: close(2), dup(2), fcntl(2), close_range(2). */
import { EAGAIN, EBADF, EFAULT, EINVAL, EMFILE, ENOTDIR, EPERM, ESRCH } from "../../abi/errno.ts";
import {
  DN_MULTISHOT,
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETOWNER_UIDS,
  F_GET_RW_HINT,
  F_SET_RW_HINT,
  F_RDLCK,
  RWH_MAX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_OWNER_PGRP,
  F_OWNER_PID,
  F_OWNER_TID,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  FD_CLOEXEC,
  O_ASYNC,
  O_CLOEXEC,
  O_NOATIME,
} from "../../abi/fcntl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { NSIG } from "../../abi/signal.ts";
import { pipeOf } from "../fs/pipe/pipe-file.ts";
import { sealable } from "../fs/tmpfs/memfd.ts";
import type { Task } from "../kernel/task.ts";
import type { FileDescription } from "../vfs/file.ts";
import { isOwnerOrCapable } from "../vfs/permission.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { FileOwner, setAsync, ownerOf, replaceOwner, setOwner } from "./async-io.ts";
import { fcntlGetLock, fcntlSetLock } from "./sys-lock.ts";

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** int close(unsigned int fd) */
export function close(t: Task, a: SyscallArgs): number {
  return t.fds.close(a.i32(0));
}

/** int close_range(unsigned int first, unsigned int last, unsigned int flags) */
export function closeRange(t: Task, a: SyscallArgs): number {
  const first = a.u32(0);
  const last = a.u32(1);
  const flags = a.u32(2);
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return -EINVAL;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && t.fds.refs > 1) {
    const own = t.fds.fork(t.group.limits);
    t.fds.decRef();
    t.fds = own;
  }
  const fds = t.fds;
  const end = Math.min(last + 1, fds.end);
  if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) {
    for (let fd = first; fd < end; fd++) fds.setCloexec(fd, true);
    return 0;
  }
  fds.closeAll(first, end, false);
  return 0;
}

function duplicate(t: Task, file: FileDescription, minFd: number, cloexec: boolean): number {
  file.incRef();
  return t.fds.alloc(file, minFd, cloexec);
}

/** int dup(unsigned int fd) */
export function dup(t: Task, a: SyscallArgs): number {
  const file = t.fds.get(a.i32(0));
  return file === undefined ? -EBADF : duplicate(t, file, 0, false);
}

function dupTo(t: Task, oldFd: number, newFd: number, cloexec: boolean): number {
  // The new number is checked before the old one.
  if (newFd < 0 || newFd >= t.group.limits.get(RLIMIT_NOFILE)) return -EBADF;
  const file = t.fds.get(oldFd);
  if (file === undefined) return -EBADF;
  file.incRef();
  return t.fds.setAt(newFd, file, cloexec);
}

/** int dup2(unsigned int oldfd, unsigned int newfd) */
export function dup2(t: Task, a: SyscallArgs): number {
  const oldFd = a.i32(0);
  const newFd = a.i32(1);
  if (oldFd === newFd) return t.fds.get(oldFd) === undefined ? -EBADF : oldFd;
  return dupTo(t, oldFd, newFd, false);
}

/** int dup3(unsigned int oldfd, unsigned int newfd, int flags) */
export function dup3(t: Task, a: SyscallArgs): number {
  const flags = a.i32(2);
  if ((flags & ~O_CLOEXEC) !== 0) return -EINVAL;
  if (a.i32(0) === a.i32(1)) return -EINVAL;
  return dupTo(t, a.i32(0), a.i32(1), (flags & O_CLOEXEC) !== 0);
}

/** int fcntl(unsigned int fd, unsigned int cmd, unsigned long arg) */
export function fcntl(t: Task, a: SyscallArgs): number {
  const fd = a.i32(0);
  const file = t.fds.get(fd);
  if (file === undefined) return -EBADF;
  const cmd = a.i32(1);
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      const min = a.u32(2);
      if (min >= t.group.limits.get(RLIMIT_NOFILE)) return -EINVAL;
      return duplicate(t, file, min, cmd === F_DUPFD_CLOEXEC);
    }
    case F_GETFD:
      return t.fds.getCloexec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      t.fds.setCloexec(fd, (a.u32(2) & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.statusFlags;
    case F_DUPFD_QUERY: {
      const other = t.fds.get(a.i32(2));
      return other === undefined ? -EBADF : other === file ? 1 : 0;
    }
    default:
      return file.isPath ? -EBADF : fcntlFile(t, file, fd, cmd, a);
  }
}

/** The commands that O_PATH descriptions refuse. */
function fcntlFile(t: Task, file: FileDescription, fd: number, cmd: number, a: SyscallArgs): number {
  switch (cmd) {
    case F_SETFL:
      return setFlags(t, file, fd, a.i32(2));
    case F_GETLK:
      return fcntlGetLock(t, file, a.ptr(2), false);
    case F_SETLK:
    case F_SETLKW:
      return fcntlSetLock(t, file, a.ptr(2), false, cmd === F_SETLKW);
    case F_OFD_GETLK:
      return fcntlGetLock(t, file, a.ptr(2), true);
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return fcntlSetLock(t, file, a.ptr(2), true, cmd === F_OFD_SETLKW);
    case F_GETOWN:
      return ownerOf(file);
    case F_SETOWN:
      return setOwner(t, file, a.i32(2));
    case F_GETOWN_EX:
      return getOwnerEx(t, file, a.ptr(2));
    case F_SETOWN_EX:
      return setOwnerEx(t, file, a.ptr(2));
    case F_GETSIG:
      return file.asyncSignal;
    case F_SETSIG: {
      const sig = a.i32(2);
      if (sig < 0 || sig > NSIG) return -EINVAL;
      file.asyncSignal = sig;
      return 0;
    }
    case F_GETLEASE:
      return F_UNLCK;
    case F_SETLEASE:
      if (file.inode === null || !file.inode.isRegular) return -EINVAL;
      if (a.i32(2) < F_RDLCK || a.i32(2) > F_UNLCK) return -EINVAL;
      // Leases are never given, as if somebody else always had the file open; so there is none to give back.
      return -EAGAIN;
    case F_GETOWNER_UIDS: {
      const creds = file.asyncOwner instanceof FileOwner ? file.asyncOwner.creds : null;
      const v = t.kernel.scratchView;
      v.setUint32(0, creds === null ? 0 : creds.ruid, true);
      v.setUint32(4, creds === null ? 0 : creds.euid, true);
      return t.copyOutStruct(a.ptr(2), 8) < 0 ? -EFAULT : 0;
    }
    case F_GET_RW_HINT:
      return t.mm.writePtr(a.ptr(2), file.inode === null ? 0 : file.inode.writeHint);
    case F_SET_RW_HINT: {
      const hint = t.mm.readPtr(a.ptr(2));
      if (hint < 0 || hint > RWH_MAX) return hint < 0 ? hint : -EINVAL;
      const { inode } = file;
      if (inode !== null && !isOwnerOrCapable(inode, t.creds)) return -EPERM;
      if (inode !== null) inode.writeHint = hint;
      return 0;
    }
    case F_NOTIFY:
      if (a.i32(2) === 0) return 0;
      if (file.inode === null || !file.inode.isDir) return -ENOTDIR;
      // Without events this takes notifications away; there are none.
      return (a.u32(2) & ~DN_MULTISHOT) === 0 ? 0 : -EINVAL;
    case F_SETPIPE_SZ: {
      const pipe = pipeOf(file);
      return pipe === null ? -EBADF : pipe.resize(a.u32(2), t.creds);
    }
    case F_GETPIPE_SZ: {
      const pipe = pipeOf(file);
      return pipe === null ? -EBADF : pipe.capacity;
    }
    case F_ADD_SEALS: {
      if (!file.writable) return -EPERM;
      const node = sealable(file);
      return node === null ? -EINVAL : node.addSeals(a.u32(2));
    }
    case F_GET_SEALS: {
      const node = sealable(file);
      return node === null ? -EINVAL : node.seals;
    }
    default:
      return -EINVAL;
  }
}

function setFlags(t: Task, file: FileDescription, fd: number, flags: number): number {
  if ((flags & O_NOATIME) !== 0 && (file.statusFlags & O_NOATIME) === 0) {
    const inode = file.inode;
    if (inode !== null && !isOwnerOrCapable(inode, t.creds)) return -EPERM;
  }
  const err = file.setStatusFlags((flags & ~O_ASYNC) | (file.statusFlags & O_ASYNC));
  if (err < 0) return err;
  setAsync(t.kernel, file, fd, (flags & O_ASYNC) !== 0);
  return 0;
}

/** struct f_owner_ex: type i32, pid i32. */
function getOwnerEx(t: Task, file: FileDescription, addr: number): number {
  const v = t.kernel.scratchView;
  const owner = file.asyncOwner;
  v.setInt32(0, owner instanceof FileOwner ? owner.type : F_OWNER_TID, true);
  v.setInt32(4, owner instanceof FileOwner ? owner.living() : 0, true);
  return t.copyOutStruct(addr, 8) < 0 ? -EFAULT : 0;
}

function setOwnerEx(t: Task, file: FileDescription, addr: number): number {
  if (t.copyInStruct(addr, 8) < 0) return -EFAULT;
  const type = t.kernel.scratchView.getInt32(0, true);
  const id = t.kernel.scratchView.getInt32(4, true);
  if (type < F_OWNER_TID || type > F_OWNER_PGRP) return -EINVAL;
  if (id !== 0) {
    const k = t.kernel;
    const found =
      type === F_OWNER_TID ? k.tasks.has(id) : type === F_OWNER_PID ? k.processes.has(id) : k.processGroups.has(id);
    if (!found) return -ESRCH;
  }
  return replaceOwner(t, file, type, id);
}

/** Whether `n` more descriptors fit: -EMFILE comes before most other errors of calls that make them. */
export function roomFor(t: Task, n: number): number {
  return t.fds.canAlloc(n) ? 0 : -EMFILE;
}

/** The calls of this file, for the table. */
export const fdSyscalls: readonly SyscallEntry[] = [
  full("close", close),
  full("close_range", closeRange),
  full("dup", dup),
  full("dup2", dup2),
  full("dup3", dup3),
  partial("fcntl", fcntl, "no leases (F_SETLEASE), no F_NOTIFY"),
];
