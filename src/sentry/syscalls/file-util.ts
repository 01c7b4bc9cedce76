/** What the file system calls share: fd and path arguments, user ranges, waiting for files, file limits. */
import { EAGAIN, EBADF, EFAULT, EFBIG, EINTR, ENOENT, ENOTDIR, EPIPE, ERESTARTSYS } from "../../abi/errno.ts";
import { AT_FDCWD, O_NONBLOCK } from "../../abi/fcntl.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import { RLIMIT_FSIZE } from "../../abi/resource.ts";
import { SIGPIPE, SIGXFSZ } from "../../abi/signal.ts";
import { EV_OUT } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import { sendToTask, userSignal } from "../kernel/task-signals.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { VfsPath } from "../vfs/path.ts";

/** One past the highest user address (TASK_SIZE_MAX on amd64 with 4-level paging). */
export const TASK_SIZE_MAX = 0x7ffffffff000;
/** Loff_t's range, as a number (exact: a power of two). */
export const LOFF_LIMIT = 9223372036854775808;

/** Linux's access_ok: the range lies in user space. */
export function isUserRange(addr: number, len: number): boolean {
  return addr + len <= TASK_SIZE_MAX;
}

/** The open file of `fd`, O_PATH included, or undefined: EBADF. Repeated attempts get the file they wait on. @hot */
export function fileArg(t: Task, fd: number): FileDescription | undefined {
  return t.heldFile === null ? t.fds.get(fd) : t.heldFile;
}

/** The open file of `fd` that I/O may be done on (not O_PATH), or undefined: EBADF. */
export function ioFile(t: Task, fd: number): FileDescription | undefined {
  const file = t.fds.get(fd);
  return file === undefined || file.isPath ? undefined : file;
}

/**
 * The place a relative path starts from: null for the working directory, also for absolute paths, whose dirfd is not
 * looked at; -EBADF. Whether it is a directory is the walk's to check.
 */
export function startPath(t: Task, dirfd: number, path: string): VfsPath | null | number {
  if (dirfd === AT_FDCWD || (path.length > 0 && path.charCodeAt(0) === 47)) return null;
  const file = t.fds.get(dirfd);
  return file === undefined ? -EBADF : (file.path ?? -ENOTDIR);
}

/** A path argument: -EFAULT, -ENAMETOOLONG. May be empty. */
export function pathArg(t: Task, addr: number): string | number {
  return t.mm.copyInString(addr, PATH_MAX);
}

/** A path argument that must not be empty: -ENOENT too. */
export function namedPathArg(t: Task, addr: number): string | number {
  const path = t.mm.copyInString(addr, PATH_MAX);
  return path === "" ? -ENOENT : path;
}

/**
 * The file gave -EAGAIN: with O_NONBLOCK (or nothing to wait on, or after the time that the file says) that is the answer;
 * otherwise the task waits for `events` and tries again.
 */
export function waitOr(t: Task, file: FileDescription, events: number): number {
  if ((file.statusFlags & O_NONBLOCK) !== 0) return -EAGAIN;
  const queue = file.waitQueue();
  if (queue === null) return -EAGAIN;
  const limitNs = file.waitLimitNs((events & EV_OUT) !== 0);
  if (limitNs > 0 && t.timedOut) return -EAGAIN;
  t.holdFile(file);
  if (limitNs === 0) return t.blockOn(queue, events, -ERESTARTSYS);
  if (t.deadlineNs === Infinity) t.setDeadline(t.kernel.clock.monotonicNs() + limitNs);
  return t.blockOn(queue, events, -EINTR);
}

/** Sends SIGPIPE and gives the result of a write that got -EPIPE: what was written before, or -EPIPE. */
export function brokenPipe(t: Task, done: number): number {
  sendToTask(t, userSignal(t, SIGPIPE));
  return done > 0 ? done : -EPIPE;
}

/**
 * RLIMIT_FSIZE for a write or extension of a regular file at `pos`: bytes (at most `len`) that may be written; -EFBIG and
 * SIGXFSZ when none. setrlimit(2).
 */
export function limitFileSize(t: Task, pos: number, len: number): number {
  const limit = t.group.limits.get(RLIMIT_FSIZE);
  if (pos + len <= limit) return len;
  if (pos >= limit) {
    sendToTask(t, userSignal(t, SIGXFSZ));
    return -EFBIG;
  }
  return limit - pos;
}

/** Copies `len` bytes of `src` out. 0 or -EFAULT. */
export function copyOutBytes(t: Task, addr: number, src: Uint8Array, len: number): number {
  return len === 0 ? 0 : t.mm.copyOutExact(addr, src, 0, len) < 0 ? -EFAULT : 0;
}
