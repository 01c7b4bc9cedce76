/** sync(2), fsync(2), sync_file_range(2), posix_fadvise(2), readahead(2). */
import { EBADF, EINVAL, ESPIPE } from "../../abi/errno.ts";
import { POSIX_FADV_NOREUSE } from "../../abi/fcntl.ts";
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Task } from "../kernel/task.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile } from "./file-util.ts";

const SYNC_FILE_RANGE_KNOWN = 7;

/** int sync(void) */
export function sync(t: Task, _a: SyscallArgs): number {
  const ns = t.kernel.mounts;
  if (ns === null) return 0;
  const seen: Set<FileSystem> = new Set();
  for (const m of ns.list()) {
    if (seen.has(m.fs)) continue;
    seen.add(m.fs);
    m.fs.sync();
  }
  return 0;
}

/** int syncfs(int fd) */
export function syncfs(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined || file.inode === null) return -EBADF;
  return file.inode.fs.sync();
}

/** int fsync(unsigned int fd) */
export function fsync(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  return file === undefined ? -EBADF : file.sync(false);
}

/** int fdatasync(unsigned int fd) */
export function fdatasync(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  return file === undefined ? -EBADF : file.sync(true);
}

/** int sync_file_range(int fd, loff_t offset, loff_t nbytes, unsigned int flags) */
export function syncFileRange(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  if ((a.i32(3) & ~SYNC_FILE_RANGE_KNOWN) !== 0) return -EINVAL;
  const off = a.i64(1);
  const len = a.i64(2);
  if (off < 0 || len < 0 || off + len < off) return -EINVAL;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK && type !== S_IFDIR && type !== S_IFLNK) return -ESPIPE;
  if (a.i32(3) === 0) return 0;
  // It concerns pages: whether there is an fsync at all makes no difference.
  const r = file.sync(true);
  return r === -EINVAL ? 0 : r;
}

/** int fadvise64(int fd, loff_t offset, size_t len, int advice): checked and otherwise ignored. */
export function fadvise64(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  if (file.inode !== null && (file.inode.mode & S_IFMT) === S_IFIFO) return -ESPIPE;
  if (a.i64(2) < 0) return -EINVAL;
  const advice = a.i32(3);
  return advice < 0 || advice > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

/** ssize_t readahead(int fd, loff_t offset, size_t count): checked and otherwise ignored. */
export function readahead(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  return (type === S_IFREG || type === S_IFBLK) && a.i64(2) >= 0 ? 0 : -EINVAL;
}

/** The calls of this file, for the table. */
export const syncSyscalls: readonly SyscallEntry[] = [
  full("sync", sync),
  full("syncfs", syncfs),
  full("fsync", fsync),
  full("fdatasync", fdatasync),
  full("sync_file_range", syncFileRange),
  partial("fadvise64", fadvise64, "no effect"),
  partial("readahead", readahead, "no effect"),
];
