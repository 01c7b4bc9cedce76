/**
 * Moving data between files inside the kernel: splice(2), tee(2), vmsplice(2), sendfile(2), copy_file_range(2).
 *
 * Data goes through one buffer. What cannot be put back (read from a socket) is only taken once its destination has room;
 * pipes are peeked at first and consumed when the bytes have been taken.
 */
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  EOVERFLOW,
  EPIPE,
  ERESTARTSYS,
  ESPIPE,
  EXDEV,
} from "../../abi/errno.ts";
import {
  O_APPEND,
  O_NONBLOCK,
  SPLICE_F_GIFT,
  SPLICE_F_MORE,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
  SEEK_CUR,
} from "../../abi/fcntl.ts";
import { MAX_FILE_SIZE, MAX_RW_COUNT } from "../../abi/limits.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, Stat } from "../../abi/stat.ts";
import { EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM } from "../../base/waiter.ts";
import { pipeOf, PipeFile } from "../fs/pipe/pipe-file.ts";
import type { Pipe } from "../fs/pipe/pipe.ts";
import type { Task } from "../kernel/task.ts";
import { IoSequence } from "../usermem/io.ts";
import type { FileDescription } from "../vfs/file.ts";
import { notifyAccess, notifyModify, watching } from "../vfs/notify.ts";
import { dropPrivileges } from "../vfs/open.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { brokenPipe, ioFile, limitFileSize, LOFF_LIMIT, waitOr } from "./file-util.ts";

const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
const CHUNK = 131072;
/** Most bytes that one copy_file_range moves: callers go on where it stopped. */
const COPY_MAX = 64 << 20;

const buffer: Uint8Array = new Uint8Array(CHUNK);
const seq: IoSequence = new IoSequence();
const stat: Stat = new Stat();

/** `seq` becomes the first `len` bytes of the buffer. */
function useBuffer(len: number): void {
  seq.clear();
  seq.push(buffer, 0, len < CHUNK ? len : CHUNK);
}

/** Reports that bytes went from one file to another: what was read comes first. */
function moved(from: FileDescription, to: FileDescription): void {
  if (watching.count === 0) return;
  notifyAccess(from);
  notifyModify(to);
}

/** The same of splice, which tells of what was written first. */
function spliced(from: FileDescription, to: FileDescription): void {
  if (watching.count === 0) return;
  notifyModify(to);
  notifyAccess(from);
}

/** Bytes are about to be written to a file. */
function changing(t: Task, to: FileDescription): void {
  if (typeOf(to) === S_IFREG) dropPrivileges(to.inode!, t.creds);
}

function typeOf(file: FileDescription): number {
  return file.inode === null ? 0 : file.inode.mode & S_IFMT;
}

/** Positioned I/O is possible. */
function isSeekable(file: FileDescription): boolean {
  return file.seek(0, SEEK_CUR) >= 0;
}

function room(pipe: Pipe): number {
  return pipe.capacity - pipe.length;
}

/** Waits for a pipe, unless `nonblock`. */
function waitPipe(t: Task, pipe: Pipe, events: number, nonblock: boolean): number {
  return nonblock ? -EAGAIN : t.blockOn(pipe.queue, events, -ERESTARTSYS);
}

/** Reads a loff_t at `addr`: the value (may be negative, then -1 for all), or NaN for -EFAULT. */
function readOffset(t: Task, addr: number): number {
  return t.mm.readI64(addr) < 0 ? NaN : t.mm.value;
}

// --- the pieces ---

/**
 * From a file into a pipe: up to `len` bytes from `pos` (-1: as a stream). Bytes, -errno or BLOCKED; returns after what
 * fits now.
 */
function fileToPipe(t: Task, from: FileDescription, pos: number, pipe: Pipe, len: number, nonblock: boolean): number {
  if (pipe.readers === 0) return brokenPipe(t, 0);
  if (room(pipe) === 0) return waitPipe(t, pipe, EV_OUT | EV_WRNORM, nonblock);
  if (len === 0) return 0;
  if (!givesSplice(from) || pipeOf(from) !== null) return -EINVAL;
  let done = 0;
  while (done < len && room(pipe) > 0) {
    useBuffer(Math.min(len - done, room(pipe)));
    const n = pos < 0 ? from.read(seq) : from.pread(seq, pos + done);
    if (n <= 0) {
      if (done > 0 || n === 0) break;
      if (n !== -EAGAIN || nonblock) return n;
      return waitOr(t, from, EV_IN | EV_RDNORM);
    }
    useBuffer(n);
    // Only write(2) makes packets.
    const w = pipe.write(seq, false);
    if (w <= 0) return done > 0 ? done : w;
    done += w;
    if (w < n || pos < 0) break;
  }
  return done;
}

/** From a pipe into a file at `pos` (-1: as a stream). Bytes, -errno or BLOCKED. */
function pipeToFile(t: Task, pipe: Pipe, to: FileDescription, pos: number, len: number, nonblock: boolean): number {
  if (pipe.length === 0) {
    return pipe.writers === 0 ? 0 : waitPipe(t, pipe, EV_IN | EV_RDNORM, nonblock);
  }
  let done = 0;
  while (done < len && pipe.length > 0) {
    let most = Math.min(len - done, CHUNK);
    if (typeOf(to) === S_IFREG) {
      most = limitFileSize(t, pos < 0 ? to.position() : pos + done, most);
      if (most < 0) return done > 0 ? done : most;
    }
    const n = pipe.peek(buffer, 0, most);
    useBuffer(n);
    if (done === 0) changing(t, to);
    const w = pos < 0 ? to.write(seq) : to.pwrite(seq, pos + done);
    if (w <= 0) {
      if (w === -EPIPE) return brokenPipe(t, done);
      if (done > 0 || w === 0) break;
      if (w !== -EAGAIN || nonblock) return w;
      return waitOr(t, to, EV_OUT | EV_WRNORM);
    }
    pipe.consume(w);
    done += w;
    if (w < n) break;
  }
  return done;
}

/** Pipe to pipe; `keep`: tee. */
function pipeToPipe(t: Task, from: Pipe, to: Pipe, len: number, nonblock: boolean, keep: boolean): number {
  if (from.length === 0 && from.writers > 0) return waitPipe(t, from, EV_IN | EV_RDNORM, nonblock);
  if (to.readers === 0) return brokenPipe(t, 0);
  if (from.length === 0) return 0;
  if (room(to) === 0) return waitPipe(t, to, EV_OUT | EV_WRNORM, nonblock);
  const n = from.peek(buffer, 0, Math.min(len, room(to), CHUNK));
  useBuffer(n);
  const w = to.writeFrom(seq, from);
  if (w > 0 && !keep) from.consume(w);
  return w;
}

// --- the calls ---

/** ssize_t splice(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t len, unsigned int flags) */
export function splice(t: Task, a: SyscallArgs): number {
  const size = a.size(4);
  if (size === 0) return 0;
  const flags = a.i32(5);
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL;
  const from = ioFile(t, a.i32(0));
  const to = ioFile(t, a.i32(2));
  if (from === undefined || to === undefined) return -EBADF;
  const inAddr = a.ptr(1);
  const outAddr = a.ptr(3);
  const inPipe = pipeOf(from);
  const outPipe = pipeOf(to);
  if ((inPipe !== null && inAddr !== 0) || (outPipe !== null && outAddr !== 0)) return -ESPIPE;
  if (from instanceof PipeFile) from.spliced();
  if (to instanceof PipeFile) to.spliced();
  let inPos = -1;
  let outPos = -1;
  if (outAddr !== 0) {
    outPos = readOffset(t, outAddr);
    if (Number.isNaN(outPos)) return -EFAULT;
  }
  if (inAddr !== 0) {
    inPos = readOffset(t, inAddr);
    if (Number.isNaN(inPos)) return -EFAULT;
  }
  if (!from.readable || !to.writable) return -EBADF;
  const len = Math.min(size, MAX_RW_COUNT);
  let nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (inPipe !== null && outPipe !== null) {
    if (inPipe === outPipe) return -EINVAL;
    nonblock ||= ((from.statusFlags | to.statusFlags) & O_NONBLOCK) !== 0;
    const n = pipeToPipe(t, inPipe, outPipe, len, nonblock, false);
    if (n > 0) spliced(from, to);
    return n;
  }
  const isNegative = a.hi(4) > 0x7fffffff;
  if (inPipe !== null) {
    if (outAddr !== 0 && (!isSeekable(to) || outPos < 0)) return -EINVAL;
    if ((to.statusFlags & O_APPEND) !== 0 || !takesSplice(to)) return -EINVAL;
    if (isNegative) return -EINVAL;
    nonblock ||= (from.statusFlags & O_NONBLOCK) !== 0;
    const n = pipeToFile(t, inPipe, to, outPos, len, nonblock);
    if (n > 0) spliced(from, to);
    if (n > 0 && outAddr !== 0 && t.mm.writeI64(outAddr, outPos + n) < 0) return -EFAULT;
    return n;
  }
  if (outPipe === null) return -EINVAL;
  if (inAddr !== 0 && (!isSeekable(from) || inPos < 0)) return -EINVAL;
  if (isNegative) return -EINVAL;
  nonblock ||= (to.statusFlags & O_NONBLOCK) !== 0;
  const n = spliceIn(t, from, inPos, outPipe, len, nonblock);
  if (n > 0) spliced(from, to);
  if (n > 0 && inAddr !== 0 && t.mm.writeI64(inAddr, inPos + n) < 0) return -EFAULT;
  return n;
}

/** fileToPipe from the given or the file's own position, which then moves. */
function spliceIn(t: Task, from: FileDescription, pos: number, pipe: Pipe, len: number, nonblock: boolean): number {
  if (pos >= 0 || typeOf(from) !== S_IFREG) return fileToPipe(t, from, pos, pipe, len, nonblock);
  const at = from.position();
  const n = fileToPipe(t, from, at, pipe, len, nonblock);
  if (n > 0) from.setPosition(at + n);
  return n;
}

/** Files that splice reads from. */
function givesSplice(file: FileDescription): boolean {
  return file.canSplice && hasBytes(file);
}

/** Files that splice and sendfile write to. */
function takesSplice(file: FileDescription): boolean {
  return file.canSpliceInto && hasBytes(file);
}

/** Of a type that has bytes: eventfd and the like have none. */
function hasBytes(file: FileDescription): boolean {
  const type = typeOf(file);
  return type === S_IFREG || type === S_IFBLK || type === S_IFCHR || type === S_IFSOCK || type === S_IFIFO;
}

/** ssize_t tee(int fdin, int fdout, size_t len, unsigned int flags) */
export function tee(t: Task, a: SyscallArgs): number {
  const flags = a.i32(3);
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL;
  const size = a.size(2);
  if (size === 0) return 0;
  const from = ioFile(t, a.i32(0));
  const to = ioFile(t, a.i32(1));
  if (from === undefined || to === undefined || !from.readable || !to.writable) return -EBADF;
  const inPipe = pipeOf(from);
  const outPipe = pipeOf(to);
  if (inPipe === null || outPipe === null || inPipe === outPipe) return -EINVAL;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0 || ((from.statusFlags | to.statusFlags) & O_NONBLOCK) !== 0;
  const n = pipeToPipe(t, inPipe, outPipe, Math.min(size, MAX_RW_COUNT), nonblock, true);
  if (n > 0) moved(from, to);
  return n;
}

/** ssize_t vmsplice(int fd, const struct iovec *iov, unsigned long nr_segs, unsigned int flags): copies. */
export function vmsplice(t: Task, a: SyscallArgs): number {
  const flags = a.i32(3);
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL;
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  const write = file.writable;
  if (!write && !file.readable) return -EBADF;
  seq.clear();
  const total = t.mm.ioVector(a.ptr(1), a.size(2), !write, seq);
  if (total < 0) return total;
  if (seq.remaining === 0) return 0;
  const pipe = pipeOf(file);
  if (pipe === null) return -EBADF;
  if (file instanceof PipeFile) file.spliced();
  seq.truncate(MAX_RW_COUNT);
  // O_NONBLOCK of the file does not count.
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (write) {
    if (pipe.readers === 0) return brokenPipe(t, 0);
    if (room(pipe) === 0) return waitPipe(t, pipe, EV_OUT | EV_WRNORM, nonblock);
    // Unlike write, it takes what fits.
    seq.truncate(room(pipe));
    const n = pipe.write(seq, false);
    if (n > 0 && watching.count !== 0) notifyModify(file);
    return n;
  }
  const n = pipe.readThrough(seq);
  if (n === -EAGAIN) return waitPipe(t, pipe, EV_IN | EV_RDNORM, nonblock);
  if (n <= 0) return n;
  if (watching.count !== 0) notifyAccess(file);
  const err = t.mm.finishIo(seq);
  return err < 0 ? err : n;
}

/** ssize_t sendfile(int out_fd, int in_fd, off_t *offset, size_t count) */
export function sendfile(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(2);
  let pos = -1;
  if (addr !== 0) {
    pos = readOffset(t, addr);
    if (Number.isNaN(pos)) return -EFAULT;
  }
  const from = ioFile(t, a.i32(1));
  if (from === undefined || !from.readable) return -EBADF;
  if (addr !== 0) {
    if (!isSeekable(from)) return -ESPIPE;
    if (pos < 0) return -EINVAL;
  }
  const count = a.size(3);
  if (a.hi(3) > 0x7fffffff || (addr !== 0 && pos > 0 && pos + count >= LOFF_LIMIT)) return -EINVAL;
  const to = ioFile(t, a.i32(0));
  if (to === undefined || !to.writable) return -EBADF;
  let len = Math.min(count, MAX_RW_COUNT);
  const type = typeOf(from);
  const outPipe = pipeOf(to);
  if (outPipe !== null) {
    const n = spliceIn(t, from, pos, outPipe, len, (to.statusFlags & O_NONBLOCK) !== 0);
    if (n > 0) moved(from, to);
    if (n > 0 && addr !== 0 && t.mm.writeI64(addr, pos + n) < 0) return -EFAULT;
    return n;
  }
  if ((to.statusFlags & O_APPEND) !== 0 || (type !== 0 && !isSeekable(from))) return -EINVAL;
  if (len === 0) {
    from.accessed();
    return 0;
  }
  if ((type !== S_IFREG && type !== S_IFBLK && type !== S_IFCHR) || !from.canSplice) return -EINVAL;
  // Earlier attempts have moved the position already.
  let done = t.progress;
  const before = done;
  len -= done;
  if (pos < 0) pos = from.position();
  let r = 0;
  while (len > 0) {
    useBuffer(len);
    let n = from.pread(seq, pos);
    if (n <= 0) {
      r = n;
      break;
    }
    // Only now: at the end of its source, sendfile into anything gives 0.
    if (!takesSplice(to)) {
      r = -EINVAL;
      break;
    }
    if (typeOf(to) === S_IFREG && to.hasWrite) {
      const most = limitFileSize(t, to.position(), n);
      if (most < 0) {
        r = most;
        break;
      }
      n = most;
    }
    useBuffer(n);
    changing(t, to);
    const w = to.write(seq);
    if (w <= 0) {
      r = w;
      break;
    }
    pos += w;
    done += w;
    len -= w;
  }
  if (done > before) {
    moved(from, to);
    if (addr === 0) from.setPosition(pos);
    else if (t.mm.writeI64(addr, pos) < 0) return -EFAULT;
  }
  if (r === -EAGAIN && (to.statusFlags & O_NONBLOCK) === 0) {
    t.progress = done;
    return waitOr(t, to, EV_OUT | EV_WRNORM);
  }
  if (r === -EPIPE) return brokenPipe(t, done);
  return done > 0 ? done : r;
}

/** ssize_t copy_file_range(int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t len, unsigned int flags) */
export function copyFileRange(t: Task, a: SyscallArgs): number {
  const from = ioFile(t, a.i32(0));
  const to = ioFile(t, a.i32(2));
  if (from === undefined || to === undefined) return -EBADF;
  const inAddr = a.ptr(1);
  const outAddr = a.ptr(3);
  const inPos = inAddr === 0 ? from.position() : readOffset(t, inAddr);
  const outPos = outAddr === 0 ? to.position() : readOffset(t, outAddr);
  if (Number.isNaN(inPos) || Number.isNaN(outPos)) return -EFAULT;
  if (a.i32(5) !== 0) return -EINVAL;
  if (typeOf(from) === S_IFDIR || typeOf(to) === S_IFDIR) return -EISDIR;
  if (typeOf(from) !== S_IFREG || typeOf(to) !== S_IFREG) return -EINVAL;
  if (!from.readable || !to.writable || (to.statusFlags & O_APPEND) !== 0) return -EBADF;
  // As Linux since 5.19: callers copy themselves then.
  if (from.inode!.fs !== to.inode!.fs) return -EXDEV;
  const size = a.size(4);
  if (inPos < 0 || outPos < 0) return -EOVERFLOW;
  if (inPos + size >= LOFF_LIMIT || outPos + size >= LOFF_LIMIT) return -EOVERFLOW;
  const err = from.stat(stat);
  if (err < 0) return err;
  let len = Math.min(size, Math.max(0, stat.size - inPos));
  if (len > 0) {
    if (outPos >= MAX_FILE_SIZE) return -EFBIG;
    len = limitFileSize(t, outPos, len);
    if (len < 0) return len;
  }
  if (from.inode === to.inode && outPos + len > inPos && outPos < inPos + len) return -EINVAL;
  if (len > 0 && (!from.canSplice || !to.canSpliceInto)) return -EINVAL;
  len = Math.min(len, COPY_MAX);
  let done = 0;
  while (done < len) {
    useBuffer(len - done);
    const n = from.pread(seq, inPos + done);
    if (n <= 0) {
      if (done === 0) return n;
      break;
    }
    useBuffer(n);
    if (done === 0) changing(t, to);
    const w = to.pwrite(seq, outPos + done);
    if (w <= 0) {
      if (done === 0) return w;
      break;
    }
    done += w;
  }
  if (done === 0) return 0;
  moved(from, to);
  if (inAddr === 0) from.setPosition(inPos + done);
  else if (t.mm.writeI64(inAddr, inPos + done) < 0) return -EFAULT;
  if (outAddr === 0) to.setPosition(outPos + done);
  else if (t.mm.writeI64(outAddr, outPos + done) < 0) return -EFAULT;
  return done;
}

/** The calls of this file, for the table. */
export const spliceSyscalls: readonly SyscallEntry[] = [
  full("splice", splice),
  full("tee", tee),
  partial("vmsplice", vmsplice, "copies; SPLICE_F_GIFT has no effect"),
  full("sendfile", sendfile),
  full("copy_file_range", copyFileRange),
];
