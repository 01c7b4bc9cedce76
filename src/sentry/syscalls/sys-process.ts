/** Making and ending processes: clone(2), fork(2), execve(2), exit(2), wait4(2), waitid(2) and ids of processes. */
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import {
  E2BIG,
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  EPERM,
  ERESTARTSYS,
  ESRCH,
} from "../../abi/errno.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import { RLIMIT_STACK, RUSAGE_SIZE } from "../../abi/resource.ts";
import {
  CLONE_DETACHED,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  CSIGNAL,
} from "../../abi/sched.ts";
import { NSIG, SIGCHLD } from "../../abi/signal.ts";
import { readU64 } from "../../abi/time.ts";
import {
  __WALL,
  __WCLONE,
  __WNOTHREAD,
  exitStatus,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
  WUNTRACED,
} from "../../abi/wait.ts";
import type { VfsPath } from "../vfs/path.ts";
import { resolvePath, WALK_EMPTY, WALK_FOLLOW } from "../vfs/walk.ts";
import { setpgid, setsid, vhangup } from "../kernel/job-control.ts";
import { PidFd } from "../kernel/pidfd.ts";
import { BLOCKED, EXITED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { CloneArgs, cloneTask, exceedsTaskLimit, vforkWait } from "../kernel/task-clone.ts";
import { continueExec, prepareExec } from "../kernel/task-exec.ts";
import type { PreparedExec } from "../kernel/task-exec.ts";
import { exitTask } from "../kernel/task-exit.ts";
import { killGroup } from "../kernel/task-signals.ts";
import { WaitRequest, waitForChild } from "../kernel/task-wait.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { writeRusage } from "./sys-resource.ts";

/** sizeof(struct clone_args): first version, newest known. */
const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE_VER2 = 88;
/** Longest single argument string, execve(2). */
const MAX_ARG_STRLEN = 131072;
/** No more strings than this, whatever the limits. */
const MAX_ARG_STRINGS = 0x7fffffff;

const cloneArgs: CloneArgs = new CloneArgs();

// --- clone ---

/** Runs the clone; on the attempts that follow a vfork's first, only waits. */
function doClone(t: Task): number {
  const vfork = (cloneArgs.flags & CLONE_VFORK) !== 0;
  const child = cloneTask(t, cloneArgs);
  if (typeof child === "number") return child;
  if (!vfork) return child.tid;
  t.stateRef = child;
  return vforkWait(t, child);
}

function resumeVfork(t: Task): number {
  return vforkWait(t, t.stateRef as Task);
}

export function clone(t: Task, a: SyscallArgs): number {
  if (t.attempt > 0) return resumeVfork(t);
  const c = cloneArgs;
  const flags = a.u32(0);
  c.flags = (flags & ~CSIGNAL) | 0;
  c.flagsHi = 0;
  c.exitSignal = flags & CSIGNAL;
  c.sp = a.ptr(1);
  c.parentTid = a.ptr(2);
  c.childTid = a.ptr(3);
  c.tls = a.ptr(4);
  c.pidfd = c.parentTid;
  // The pidfd goes where the parent's tid would.
  if ((flags & CLONE_PIDFD) !== 0 && (flags & CLONE_PARENT_SETTID) !== 0) return -EINVAL;
  return doClone(t);
}

export function fork(t: Task, _a: SyscallArgs): number {
  if (t.attempt > 0) return resumeVfork(t);
  plainClone(0);
  return doClone(t);
}

export function vfork(t: Task, _a: SyscallArgs): number {
  if (t.attempt > 0) return resumeVfork(t);
  plainClone(CLONE_VFORK | CLONE_VM);
  return doClone(t);
}

function plainClone(flags: number): void {
  const c = cloneArgs;
  c.flags = flags;
  c.flagsHi = 0;
  c.exitSignal = SIGCHLD;
  c.sp = c.parentTid = c.childTid = c.tls = c.pidfd = 0;
}

export function clone3(t: Task, a: SyscallArgs): number {
  if (t.attempt > 0) return resumeVfork(t);
  const addr = a.ptr(0);
  const size = a.size(1);
  if (size > 4096) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  const { scratch, scratchView: v } = t.kernel;
  scratch.fill(0, 0, CLONE_ARGS_SIZE_VER2);
  const err = t.copyInStruct(addr, size);
  if (err !== 0) return err;
  // Bytes that this kernel does not know must be zero, clone(2) "extensible".
  for (let i = CLONE_ARGS_SIZE_VER2; i < size; i++) if (scratch[i] !== 0) return -E2BIG;
  const c = cloneArgs;
  c.flags = v.getInt32(0, true);
  c.flagsHi = v.getUint32(4, true);
  c.pidfd = readU64(v, 8);
  c.childTid = readU64(v, 16);
  c.parentTid = readU64(v, 24);
  const exitSignal = readU64(v, 32);
  const stack = readU64(v, 40);
  const stackSize = readU64(v, 48);
  c.tls = readU64(v, 56);
  const setTid = readU64(v, 64);
  const setTidSize = readU64(v, 72);
  if ((c.flags & (CSIGNAL | CLONE_DETACHED)) !== 0 || exitSignal > NSIG) return -EINVAL;
  if ((c.flags & CLONE_THREAD) !== 0 && exitSignal !== 0) return -EINVAL;
  if (setTid !== 0 || setTidSize !== 0)
    return setTidSize > 32 || (setTid === 0) !== (setTidSize === 0) ? -EINVAL : -EPERM;
  if ((stack === 0) !== (stackSize === 0)) return -EINVAL;
  if (stack + stackSize > t.kernel.platform.maxAddress) return -EINVAL;
  c.sp = stack === 0 ? 0 : stack + stackSize;
  c.exitSignal = exitSignal;
  return doClone(t);
}

/** unshare(2): what can be taken apart without namespaces. */
export function unshare(t: Task, a: SyscallArgs): number {
  const flags = a.u32(0);
  const known =
    CLONE_THREAD |
    CLONE_FS |
    CLONE_NEWNS |
    CLONE_SIGHAND |
    CLONE_VM |
    CLONE_FILES |
    CLONE_SYSVSEM |
    CLONE_NEWUTS |
    CLONE_NEWIPC |
    CLONE_NEWNET |
    CLONE_NEWUSER |
    CLONE_NEWPID |
    CLONE_NEWCGROUP |
    CLONE_NEWTIME;
  if ((flags & ~known) !== 0) return -EINVAL;
  if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) !== 0 && t.group.tasks.length > 1) return -EINVAL;
  const namespaces =
    CLONE_NEWNS |
    CLONE_NEWUTS |
    CLONE_NEWIPC |
    CLONE_NEWNET |
    CLONE_NEWUSER |
    CLONE_NEWPID |
    CLONE_NEWCGROUP |
    CLONE_NEWTIME;
  if ((flags & namespaces) !== 0) return -EPERM;
  if ((flags & CLONE_FS) !== 0 && t.fs.refs > 1) {
    const own = t.fs.fork();
    t.fs.decRef();
    t.fs = own;
  }
  if ((flags & CLONE_FILES) !== 0 && t.fds.refs > 1) {
    const own = t.fds.fork(t.group.limits);
    t.fds.decRef();
    t.fds = own;
  }
  return 0;
}

export function setns(t: Task, a: SyscallArgs): number {
  return t.fds.get(a.i32(0)) === undefined ? -EBADF : -EINVAL;
}

// --- execve ---

/** Reads a NULL-terminated array of strings; `room.left` shrinks by what they need on the new stack. */
function readStrings(t: Task, addr: number, room: { left: number }): string[] | number {
  const out: string[] = [];
  // Linux takes a NULL argv or envp for an empty list.
  if (addr === 0) return out;
  for (let i = 0; i < MAX_ARG_STRINGS; i++) {
    const p = t.mm.readPtr(addr + 8 * i);
    if (p < 0) return -EFAULT;
    if (p === 0) return out;
    const s = t.mm.copyInString(p, Math.min(MAX_ARG_STRLEN, Math.max(room.left, 1)));
    if (typeof s === "number") return s === -ENAMETOOLONG ? -E2BIG : s;
    room.left -= s.length + 1 + 8;
    if (room.left < 0) return -E2BIG;
    out.push(s);
  }
  return -E2BIG;
}

function doExec(
  t: Task,
  start: VfsPath | null,
  path: string,
  filename: string,
  argvAt: number,
  envpAt: number,
  walkFlags: number,
): number {
  if (t.hasTooManyTasks && exceedsTaskLimit(t)) return -EAGAIN;
  t.hasTooManyTasks = false;
  const place = resolvePath(t.pathContext, start, path, walkFlags);
  if (typeof place === "number") return place;
  // Arguments and environment: a quarter of the stack limit, at least 32 pages, at most 6 MiB.
  const stack = t.group.limits.get(RLIMIT_STACK);
  const room = { left: Math.max(MAX_ARG_STRLEN, Math.min(stack / 4, 6 * 1024 * 1024)) };
  const argv = readStrings(t, argvAt, room);
  if (typeof argv === "number") return argv;
  const envp = readStrings(t, envpAt, room);
  if (typeof envp === "number") return envp;
  const { inode } = place.dentry;
  if (inode !== null && inode.isSymlink) return -ELOOP;
  if (argv.length === 0) argv.push("");
  const image = prepareExec(t.kernel, t.pathContext, t.group.limits, t.personality, place, filename, argv, envp);
  if (typeof image === "number") return image;
  t.execImage = image;
  return continueExec(t, image);
}

export function execve(t: Task, a: SyscallArgs): number {
  if (t.execImage !== null) return continueExec(t, t.execImage as PreparedExec);
  if (t.group.execTask !== null) return -EAGAIN;
  const path = t.mm.copyInString(a.ptr(0), PATH_MAX);
  if (typeof path === "number") return path;
  return doExec(t, null, path, path, a.ptr(1), a.ptr(2), WALK_FOLLOW);
}

export function execveat(t: Task, a: SyscallArgs): number {
  if (t.execImage !== null) return continueExec(t, t.execImage as PreparedExec);
  if (t.group.execTask !== null) return -EAGAIN;
  const dirfd = a.i32(0);
  const flags = a.i32(4);
  const path = t.mm.copyInString(a.ptr(1), PATH_MAX);
  if (typeof path === "number") return path;
  if (path === "" && (flags & AT_EMPTY_PATH) === 0) return -ENOENT;
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -EINVAL;
  let walkFlags = (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW;
  if ((flags & AT_EMPTY_PATH) !== 0) walkFlags |= WALK_EMPTY;
  let start: VfsPath | null = null;
  let filename = path;
  if (!path.startsWith("/") && dirfd !== AT_FDCWD) {
    const file = t.fds.get(dirfd);
    if (file === undefined) return -EBADF;
    start = file.path;
    filename = path === "" ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${path}`;
    // A script's interpreter could not open a descriptor that execve closes.
    if (path === "" && (walkFlags & WALK_EMPTY) === 0) return -ENOENT;
  }
  return doExec(t, start, path, filename, a.ptr(2), a.ptr(3), walkFlags);
}

// --- exit ---

export function exit(t: Task, a: SyscallArgs): number {
  exitTask(t, exitStatus(a.i32(0)));
  return EXITED;
}

export function exitGroup(t: Task, a: SyscallArgs): number {
  const status = exitStatus(a.i32(0));
  killGroup(t.group, status);
  exitTask(t, status);
  return EXITED;
}

// --- wait ---

const request: WaitRequest = new WaitRequest();

export function wait4(t: Task, a: SyscallArgs): number {
  const options = a.u32(2);
  if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !== 0) return -EINVAL;
  const pid = a.i32(0);
  const w = request;
  w.options = (options | WEXITED) >>> 0;
  w.target = null;
  if (pid === -2147483648) return -ESRCH;
  if (pid === -1) {
    w.idType = P_ALL;
  } else if (pid > 0) {
    w.idType = P_PID;
    w.id = pid;
  } else {
    w.idType = P_PGID;
    w.id = pid === 0 ? t.group.pgrp.id : -pid;
  }
  const r = waitForChild(t, w, -ERESTARTSYS);
  if (r <= 0) return r;
  const statusAt = a.ptr(1);
  if (statusAt !== 0 && t.mm.writeU32(statusAt, w.status) !== 0) return -EFAULT;
  const usageAt = a.ptr(3);
  if (usageAt !== 0) {
    writeRusage(t.kernel.scratchView, 0, w.usage);
    if (t.copyOutStruct(usageAt, RUSAGE_SIZE) !== 0) return -EFAULT;
  }
  return r;
}

/** The part of waitid that waits: pid, 0, -errno or BLOCKED. */
function waitidRequest(t: Task, a: SyscallArgs): number {
  const which = a.i32(0);
  const id = a.i32(1);
  const options = a.u32(3);
  if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) !== 0) {
    return -EINVAL;
  }
  if ((options & (WEXITED | WSTOPPED | WCONTINUED)) === 0) return -EINVAL;
  const w = request;
  w.options = options;
  w.target = null;
  w.idType = which;
  w.id = id;
  let nonBlocking = 0;
  switch (which) {
    case P_ALL:
      break;
    case P_PID:
      if (id <= 0) return -EINVAL;
      break;
    case P_PGID:
      if (id < 0) return -EINVAL;
      if (id === 0) w.id = t.group.pgrp.id;
      break;
    case P_PIDFD: {
      if (id < 0) return -EINVAL;
      const file = t.fds.get(id);
      if (!(file instanceof PidFd)) return -EBADF;
      w.target = file.target;
      nonBlocking = file.wouldBlock;
      if (nonBlocking !== 0) w.options = (options | WNOHANG) >>> 0;
      break;
    }
    default:
      return -EINVAL;
  }
  const r = waitForChild(t, w, -ERESTARTSYS);
  return r === 0 && nonBlocking !== 0 && (options & WNOHANG) === 0 ? nonBlocking : r;
}

export function waitid(t: Task, a: SyscallArgs): number {
  const r = waitidRequest(t, a);
  if (r === BLOCKED) return r;
  const w = request;
  const found = r > 0;
  const usageAt = a.ptr(4);
  if (usageAt !== 0 && found) {
    writeRusage(t.kernel.scratchView, 0, w.usage);
    if (t.copyOutStruct(usageAt, RUSAGE_SIZE) !== 0) return -EFAULT;
  }
  const result = found ? 0 : r;
  const infoAt = a.ptr(2);
  if (infoAt === 0) return result;
  // Only these fields are written, and on errors too, as Linux does.
  const v = t.kernel.scratchView;
  v.setInt32(0, found ? SIGCHLD : 0, true);
  v.setInt32(4, 0, true);
  v.setInt32(8, found ? w.code : 0, true);
  v.setInt32(12, found ? w.pid : 0, true);
  v.setUint32(16, found ? w.uid : 0, true);
  v.setInt32(20, found ? w.siStatus : 0, true);
  const { mm } = t;
  const scratch = t.kernel.scratch;
  if (mm.copyOutExact(infoAt, scratch, 0, 12) !== 0) return -EFAULT;
  return mm.copyOutExact(infoAt + 16, scratch, 12, 12) !== 0 ? -EFAULT : result;
}

// --- ids ---

export function getpid(t: Task): number {
  return t.group.id;
}

export function gettid(t: Task): number {
  return t.tid;
}

export function getppid(t: Task): number {
  return t.group.parent === null ? 0 : t.group.parent.id;
}

export function getpgrp(t: Task): number {
  return t.group.pgrp.id;
}

export function getpgid(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  if (pid === 0) return t.group.pgrp.id;
  const other = t.kernel.tasks.get(pid);
  return other === undefined ? -ESRCH : other.group.pgrp.id;
}

export function getsid(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  if (pid === 0) return t.group.session.id;
  const other = t.kernel.tasks.get(pid);
  return other === undefined ? -ESRCH : other.group.session.id;
}

function sysSetpgid(t: Task, a: SyscallArgs): number {
  const pid = a.i32(0);
  const pgid = a.i32(1);
  if (pgid < 0 || (pgid === 0 && pid < 0)) return -EINVAL;
  return setpgid(t, pid, pgid);
}

export function setTidAddress(t: Task, a: SyscallArgs): number {
  t.clearChildTid = a.ptr(0);
  return t.tid;
}

export const processSyscalls: readonly SyscallEntry[] = [
  partial("clone", clone, "No namespaces: CLONE_NEW* gives EPERM or EINVAL"),
  partial("clone3", clone3, "No namespaces, set_tid or CLONE_INTO_CGROUP"),
  full("fork", fork),
  full("vfork", vfork),
  partial("unshare", unshare, "CLONE_FS and CLONE_FILES only"),
  partial("setns", setns, "No namespace files yet"),
  partial("execve", execve, "Set-user-ID bits and file capabilities count only with --allow-suid"),
  partial("execveat", execveat, "As execve"),
  full("exit", exit),
  full("exit_group", exitGroup),
  full("wait4", wait4),
  full("waitid", waitid),
  full("getpid", getpid),
  full("gettid", gettid),
  full("getppid", getppid),
  full("getpgrp", getpgrp),
  full("getpgid", getpgid),
  full("getsid", getsid),
  full("setpgid", sysSetpgid),
  full("setsid", setsid),
  full("vhangup", vhangup),
  full("set_tid_address", setTidAddress),
];
