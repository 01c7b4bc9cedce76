/** ioctl(2): what concerns all files; the rest is the file's own. */
import { EBADF, EFAULT, EINVAL, ENOTTY, EOPNOTSUPP } from "../../abi/errno.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import {
  FICLONE,
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIOGETOWN,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOQSIZE,
  FIOSETOWN,
  SIOCGPGRP,
  SIOCSPGRP,
} from "../../abi/ioctl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Stat } from "../../abi/stat.ts";
import { StatFs } from "../../abi/statfs.ts";
import { writeI64 } from "../../abi/time.ts";
import type { Task } from "../kernel/task.ts";
import { UnixSocket } from "../socket/unix/socket.ts";
import type { FileDescription, IoctlContext } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { hasAsync, ownerOf, setAsync, setOwner } from "./async-io.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile } from "./file-util.ts";

const FICLONERANGE = 0x4020940d;
const FIDEDUPERANGE = 0xc0189436;

const stat: Stat = new Stat();
const statFs: StatFs = new StatFs();

/** int ioctl(unsigned int fd, unsigned int cmd, unsigned long arg) */
export function ioctl(t: Task, a: SyscallArgs): number {
  const fd = a.i32(0);
  const file = ioFile(t, fd);
  if (file === undefined) return -EBADF;
  const request = a.u32(1);
  const arg = a.ptr(2);
  switch (request) {
    case FIOCLEX:
      t.fds.setCloexec(fd, true);
      return 0;
    case FIONCLEX:
      t.fds.setCloexec(fd, false);
      return 0;
    case FIONBIO: {
      const on = t.mm.readU32(arg);
      if (on < 0) return -EFAULT;
      return file.setStatusFlags(on !== 0 ? file.statusFlags | O_NONBLOCK : file.statusFlags & ~O_NONBLOCK);
    }
    case FIOASYNC: {
      const on = t.mm.readU32(arg);
      if (on < 0) return -EFAULT;
      if (on !== 0 && !hasAsync(file)) return -ENOTTY;
      setAsync(t.kernel, file, fd, on !== 0);
      return 0;
    }
    case FIOQSIZE:
      return sizeOf(t, file, arg);
    case FIGETBSZ:
      return blockSize(t, file, arg);
    case FIONREAD:
      if (file.inode !== null && file.inode.isRegular) return bytesLeft(t, file, arg);
      break;
    case FICLONE:
    case FICLONERANGE:
    case FIDEDUPERANGE:
      return file.inode !== null && file.inode.isRegular ? -EOPNOTSUPP : -EINVAL;
    case FIOSETOWN:
    case SIOCSPGRP: {
      if (!(file instanceof UnixSocket)) break;
      const who = t.mm.readU32(arg);
      return who < 0 ? -EFAULT : setOwner(t, file, who | 0);
    }
    case FIOGETOWN:
    case SIOCGPGRP:
      if (!(file instanceof UnixSocket)) break;
      return t.mm.writeU32(arg, ownerOf(file) >>> 0) < 0 ? -EFAULT : 0;
    default:
  }
  const context: IoctlContext = { mm: t.mm, pathContext: t.pathContext, task: t };
  const r = file.ioctl(context, request, arg);
  if (r !== -ENOTTY || request !== FIONREAD) return r;
  const n = file.bytesReadable();
  return n < 0 ? n : t.mm.writeU32(arg, n);
}

function bytesLeft(t: Task, file: FileDescription, arg: number): number {
  const err = file.stat(stat);
  if (err < 0) return err;
  return t.mm.writeU32(arg, (stat.size - file.position()) >>> 0) < 0 ? -EFAULT : 0;
}

function sizeOf(t: Task, file: FileDescription, arg: number): number {
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return -ENOTTY;
  const err = file.stat(stat);
  if (err < 0) return err;
  writeI64(t.kernel.scratchView, 0, stat.blocks * 512);
  return t.copyOutStruct(arg, 8) < 0 ? -EFAULT : 0;
}

function blockSize(t: Task, file: FileDescription, arg: number): number {
  if (file.inode === null) return -EINVAL;
  const err = file.inode.statfs(statFs);
  if (err < 0) return err;
  return t.mm.writeU32(arg, statFs.bsize) < 0 ? -EFAULT : 0;
}

/** The calls of this file, for the table. */
export const ioctlSyscalls: readonly SyscallEntry[] = [full("ioctl", ioctl)];
