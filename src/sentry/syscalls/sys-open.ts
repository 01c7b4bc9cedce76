/** open(2), openat(2), openat2(2), creat(2). */
import { E2BIG, EAGAIN, EFAULT, EINVAL, EMFILE, ENOENT, ERESTARTSYS, EXDEV } from "../../abi/errno.ts";
import {
  __O_TMPFILE,
  AT_FDCWD,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_LARGEFILE,
  O_NOFOLLOW,
  O_PATH,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  VALID_OPEN_FLAGS,
} from "../../abi/fcntl.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { S_IALLUGO } from "../../abi/stat.ts";
import { EV_IN, EV_OUT } from "../../base/waiter.ts";
import type { WaitQueue } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import type { FileDescription } from "../vfs/file.ts";
import { openAt } from "../vfs/open.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { startPath } from "./file-util.ts";

const O_PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
const RESOLVE_KNOWN =
  RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
/** sizeof(struct open_how): flags u64, mode u64, resolve u64. */
const OPEN_HOW_SIZE = 24;
const PAGE_SIZE = 4096;
const SLASH = 47;

/** Flags that make no sense together: 0 or -EINVAL. */
function checkFlags(flags: number): number {
  if ((flags & __O_TMPFILE) !== 0) {
    if ((flags & (O_TMPFILE | O_CREAT)) !== O_TMPFILE || (flags & O_ACCMODE) === 0) return -EINVAL;
  } else if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) {
    return -EINVAL;
  }
  return 0;
}

/** The common part. `resolve`: RESOLVE_*. */
function openCommon(t: Task, dirfd: number, addr: number, flags: number, mode: number, resolve: number): number {
  const waiting = t.stateRef;
  if (waiting !== null) return finishOpen(t, waiting as FileDescription, flags);
  const path = t.mm.copyInString(addr, PATH_MAX);
  if (typeof path === "number") return path;
  if (path.length === 0) return -ENOENT;
  const fds = t.fds;
  // While fewer are open than allowed, a number is free.
  if (fds.count >= fds.limits.get(RLIMIT_NOFILE) && !fds.canAlloc(1)) return -EMFILE;
  if ((resolve & RESOLVE_BENEATH) !== 0 && path.charCodeAt(0) === SLASH) return -EXDEV;
  // A confined walk starts from the directory even when the path is absolute.
  const start = startPath(t, dirfd, (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0 ? "" : path);
  if (typeof start === "number") return start;
  // Whoever waits for data and all that belongs to it waits for data.
  const sync = (flags & O_SYNC) > O_DSYNC ? O_SYNC : 0;
  const file = openAt(t.pathContext, start, path, flags | sync | O_LARGEFILE, mode, resolve);
  if (typeof file === "number") return file;
  return finishOpen(t, file, flags);
}

/** Installs the description, once the other end of a FIFO is there too. */
function finishOpen(t: Task, file: FileDescription, flags: number): number {
  const queue: WaitQueue | null = file.openWait();
  if (queue !== null) {
    t.stateRef = file;
    t.onInterrupted = openInterrupted;
    return t.blockOn(queue, EV_IN | EV_OUT, -ERESTARTSYS);
  }
  t.stateRef = null;
  return t.fds.alloc(file, 0, (flags & O_CLOEXEC) !== 0);
}

function openInterrupted(t: Task): number {
  (t.stateRef as FileDescription).decRef();
  t.stateRef = null;
  return -ERESTARTSYS;
}

/** Flags and mode of open and openat: unknown ones are ignored. */
function openLegacy(t: Task, dirfd: number, addr: number, rawFlags: number, rawMode: number): number {
  let flags = rawFlags & VALID_OPEN_FLAGS;
  if ((flags & O_PATH) !== 0) flags &= O_PATH_FLAGS;
  const bad = checkFlags(flags);
  if (bad < 0) return bad;
  return openCommon(t, dirfd, addr, flags, rawMode & S_IALLUGO, 0);
}

/** int open(const char *filename, int flags, umode_t mode) */
export function open(t: Task, a: SyscallArgs): number {
  return openLegacy(t, AT_FDCWD, a.ptr(0), a.i32(1), a.i32(2));
}

/** int openat(int dfd, const char *filename, int flags, umode_t mode) */
export function openat(t: Task, a: SyscallArgs): number {
  return openLegacy(t, a.i32(0), a.ptr(1), a.i32(2), a.i32(3));
}

/** int creat(const char *pathname, umode_t mode) */
export function creat(t: Task, a: SyscallArgs): number {
  return openLegacy(t, AT_FDCWD, a.ptr(0), O_CREAT | O_WRONLY | O_TRUNC, a.i32(1));
}

/** int openat2(int dfd, const char *filename, struct open_how *how, size_t usize) */
export function openat2(t: Task, a: SyscallArgs): number {
  const size = a.size(3);
  if (size < OPEN_HOW_SIZE) return -EINVAL;
  if (size > PAGE_SIZE) return -E2BIG;
  if (t.copyInStruct(a.ptr(2), size) < 0) return -EFAULT;
  const buf = t.kernel.scratch;
  for (let i = OPEN_HOW_SIZE; i < size; i++) if (buf[i] !== 0) return -E2BIG;
  const v = t.kernel.scratchView;
  const flags = v.getInt32(0, true);
  const mode = v.getUint32(8, true);
  const resolve = v.getUint32(16, true);
  if (v.getUint32(4, true) !== 0 || (flags & ~VALID_OPEN_FLAGS) !== 0) return -EINVAL;
  if (v.getUint32(20, true) !== 0 || (resolve & ~RESOLVE_KNOWN) !== 0) return -EINVAL;
  if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) === (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return -EINVAL;
  if ((flags & (O_CREAT | __O_TMPFILE)) !== 0) {
    if (v.getUint32(12, true) !== 0 || (mode & ~S_IALLUGO) !== 0) return -EINVAL;
  } else if (mode !== 0 || v.getUint32(12, true) !== 0) {
    return -EINVAL;
  }
  const bad = checkFlags(flags);
  if (bad < 0) return bad;
  if ((flags & O_PATH) !== 0 && (flags & ~O_PATH_FLAGS) !== 0) return -EINVAL;
  // What may change the file system is never answered from the cache alone.
  if ((resolve & RESOLVE_CACHED) !== 0 && (flags & (O_CREAT | O_TRUNC | __O_TMPFILE)) !== 0) return -EAGAIN;
  return openCommon(t, a.i32(0), a.ptr(1), flags, mode, resolve & ~RESOLVE_CACHED);
}

/** The calls of this file, for the table. */
export const openSyscalls: readonly SyscallEntry[] = [
  full("open", open),
  full("openat", openat),
  partial("openat2", openat2, "RESOLVE_CACHED is not honoured"),
  full("creat", creat),
];
