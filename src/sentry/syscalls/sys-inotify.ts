/** inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2). */
import { EBADF, EINVAL, EMFILE } from "../../abi/errno.ts";
import {
  IN_ALL_EVENTS,
  IN_CLOEXEC,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from "../../abi/inotify.ts";
import { createInotify, InotifyFile } from "../fs/inotify/inotify.ts";
import type { Task } from "../kernel/task.ts";
import { MAY_READ } from "../vfs/inode.ts";
import { resolvePath, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/walk.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile, namedPathArg } from "./file-util.ts";

/** Bits that inotify_add_watch accepts. */
const KNOWN: number =
  IN_ALL_EVENTS |
  IN_UNMOUNT |
  IN_Q_OVERFLOW |
  IN_IGNORED |
  IN_ONLYDIR |
  IN_DONT_FOLLOW |
  IN_EXCL_UNLINK |
  IN_MASK_ADD |
  IN_MASK_CREATE |
  IN_ISDIR |
  IN_ONESHOT;

function initCommon(t: Task, flags: number): number {
  if ((flags & ~(IN_NONBLOCK | IN_CLOEXEC)) !== 0) return -EINVAL;
  const limits = t.kernel.inotify;
  const uid = t.creds.euid;
  if ((limits.instances.get(uid) ?? 0) >= limits.maxInstances) return -EMFILE;
  return t.fds.alloc(createInotify(t.kernel.vfs, limits, uid, flags), 0, (flags & IN_CLOEXEC) !== 0);
}

/** int inotify_init(void) */
export function inotifyInit(t: Task): number {
  return initCommon(t, 0);
}

/** int inotify_init1(int flags) */
export function inotifyInit1(t: Task, a: SyscallArgs): number {
  return initCommon(t, a.i32(0));
}

/** int inotify_add_watch(int fd, const char *pathname, u32 mask) */
export function inotifyAddWatch(t: Task, a: SyscallArgs): number {
  const mask = a.i32(2);
  if ((mask & ~KNOWN) !== 0 || (mask & KNOWN) === 0) return -EINVAL;
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -EINVAL;
  if (!(file instanceof InotifyFile)) return -EINVAL;
  const path = namedPathArg(t, a.ptr(1));
  if (typeof path === "number") return path;
  const how = ((mask & IN_DONT_FOLLOW) === 0 ? WALK_FOLLOW : 0) | ((mask & IN_ONLYDIR) !== 0 ? WALK_DIRECTORY : 0);
  const found = resolvePath(t.pathContext, null, path, how);
  if (typeof found === "number") return found;
  const denied = found.dentry.inode!.permission(t.creds, MAY_READ);
  return denied < 0 ? denied : file.addWatch(found.dentry, mask);
}

/** int inotify_rm_watch(int fd, __s32 wd) */
export function inotifyRmWatch(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  return file instanceof InotifyFile ? file.removeWatch(a.i32(1)) : -EINVAL;
}

/** The calls of this file, for the table. */
export const inotifySyscalls: readonly SyscallEntry[] = [
  full("inotify_init", inotifyInit),
  full("inotify_init1", inotifyInit1),
  full("inotify_add_watch", inotifyAddWatch),
  full("inotify_rm_watch", inotifyRmWatch),
];
