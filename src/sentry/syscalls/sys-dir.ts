/** Directories: getdents(2), mkdir(2), chdir(2), getcwd(2), chroot(2). */
import { CAP_SYS_CHROOT } from "../../abi/capability.ts";
import { EBADF, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, ERANGE } from "../../abi/errno.ts";
import { AT_FDCWD, SEEK_SET } from "../../abi/fcntl.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import type { Task } from "../kernel/task.ts";
import { DirentBuffer } from "../vfs/dirent.ts";
import { cwdString } from "../vfs/mounting.ts";
import { mkdirAt } from "../vfs/operations.ts";
import { notifyAccess, watching } from "../vfs/notify.ts";
import type { VfsPath } from "../vfs/path.ts";
import { mayEnter, resolvePath, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/walk.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile, isUserRange, namedPathArg, startPath } from "./file-util.ts";

/** Most bytes of entries that one call gives. */
const DIRENT_BYTES = 32768;

const entryBytes: Uint8Array = new Uint8Array(DIRENT_BYTES);
const entries64: DirentBuffer = new DirentBuffer(entryBytes, false);
const entriesOld: DirentBuffer = new DirentBuffer(entryBytes, true);

function getdentsCommon(t: Task, a: SyscallArgs, sink: DirentBuffer): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  const inode = file.inode;
  if (inode === null || !inode.isDir) return -ENOTDIR;
  const addr = a.ptr(1);
  const size = a.u32(2);
  if (file.path !== null && file.path.dentry.deleted) return -ENOENT;
  sink.reset(size);
  const before = file.offset;
  const r = file.iterate(sink);
  // Whatever came of it.
  file.accessed();
  if (watching.count !== 0) notifyAccess(file);
  if (sink.len === 0) {
    if (r < 0) return r;
    return sink.full ? -EINVAL : 0;
  }
  if (!isUserRange(addr, sink.len) || t.mm.copyOutExact(addr, entryBytes, 0, sink.len) < 0) {
    file.seek(before, SEEK_SET);
    return -EFAULT;
  }
  return sink.len;
}

/** ssize_t getdents64(unsigned int fd, struct linux_dirent64 *dirent, unsigned int count) */
export function getdents64(t: Task, a: SyscallArgs): number {
  return getdentsCommon(t, a, entries64);
}

/** int getdents(unsigned int fd, struct linux_dirent *dirent, unsigned int count) */
export function getdents(t: Task, a: SyscallArgs): number {
  return getdentsCommon(t, a, entriesOld);
}

function mkdirCommon(t: Task, dirfd: number, addr: number, mode: number): number {
  const path = namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const start = startPath(t, dirfd, path);
  if (typeof start === "number") return start;
  return mkdirAt(t.pathContext, start, path, mode);
}

/** int mkdir(const char *pathname, umode_t mode) */
export function mkdir(t: Task, a: SyscallArgs): number {
  return mkdirCommon(t, AT_FDCWD, a.ptr(0), a.i32(1));
}

/** int mkdirat(int dfd, const char *pathname, umode_t mode) */
export function mkdirat(t: Task, a: SyscallArgs): number {
  return mkdirCommon(t, a.i32(0), a.ptr(1), a.i32(2));
}

/** A directory that the task may enter, by path. */
function directoryArg(t: Task, addr: number): VfsPath | number {
  const path = namedPathArg(t, addr);
  if (typeof path === "number") return path;
  const found = resolvePath(t.pathContext, null, path, WALK_FOLLOW | WALK_DIRECTORY);
  if (typeof found === "number") return found;
  const denied = mayEnter(found.dentry.inode!, t.pathContext);
  return denied < 0 ? denied : found;
}

/** int chdir(const char *filename) */
export function chdir(t: Task, a: SyscallArgs): number {
  const path = directoryArg(t, a.ptr(0));
  if (typeof path === "number") return path;
  path.incRef();
  t.fs.setCwd(path);
  return 0;
}

/** int fchdir(unsigned int fd) */
export function fchdir(t: Task, a: SyscallArgs): number {
  const file = t.fds.get(a.i32(0));
  if (file === undefined) return -EBADF;
  const path = file.path;
  if (path === null || file.inode === null || !file.inode.isDir) return -ENOTDIR;
  const denied = mayEnter(file.inode, t.pathContext);
  if (denied < 0) return denied;
  path.incRef();
  t.fs.setCwd(path);
  return 0;
}

/** int chroot(const char *filename) */
export function chroot(t: Task, a: SyscallArgs): number {
  const path = directoryArg(t, a.ptr(0));
  if (typeof path === "number") return path;
  if (!t.creds.hasCap(CAP_SYS_CHROOT)) return -EPERM;
  path.incRef();
  t.fs.setRoot(path);
  return 0;
}

/** int getcwd(char *buf, unsigned long size): the length, its NUL included. */
export function getcwd(t: Task, a: SyscallArgs): number {
  const path = cwdString(t.fs.cwd, t.fs.root);
  if (typeof path === "number") return path;
  const len = path.length + 1;
  if (len > PATH_MAX) return -ENAMETOOLONG;
  if (len > a.size(1)) return -ERANGE;
  const buf = t.kernel.scratch;
  for (let i = 0; i < path.length; i++) buf[i] = path.charCodeAt(i);
  buf[path.length] = 0;
  return t.mm.copyOutExact(a.ptr(0), buf, 0, len) < 0 ? -EFAULT : len;
}

/** The calls of this file, for the table. */
export const dirSyscalls: readonly SyscallEntry[] = [
  full("getdents", getdents),
  full("getdents64", getdents64),
  full("mkdir", mkdir),
  full("mkdirat", mkdirat),
  full("chdir", chdir),
  full("fchdir", fchdir),
  full("chroot", chroot),
  full("getcwd", getcwd),
];
