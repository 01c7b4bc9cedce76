/**
 * read(2), write(2) and their relatives.
 *
 * Blocking: a read that finds nothing and a write that finds no room wait on the file's queue. A blocking write goes on
 * until everything is written; what earlier attempts have written is in `t.progress`.
 */
import { EAGAIN, EBADF, EFAULT, EFBIG, EINVAL, EOPNOTSUPP, EOVERFLOW, EPIPE, ESPIPE } from "../../abi/errno.ts";
import {
  O_APPEND,
  O_DSYNC,
  O_NONBLOCK,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOWAIT,
  RWF_SYNC,
  SEEK_CUR,
} from "../../abi/fcntl.ts";
import { MAX_FILE_SIZE, MAX_RW_COUNT, PIPE_BUF } from "../../abi/limits.ts";
import { RLIM_INFINITY, RLIMIT_FSIZE } from "../../abi/resource.ts";
import { S_IFMT, S_ISGID, S_ISUID, Stat } from "../../abi/stat.ts";
import { SOCK_STREAM } from "../../abi/socket.ts";
import { EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM } from "../../base/waiter.ts";
import { pipeOf } from "../fs/pipe/pipe-file.ts";
import { BLOCKED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { UnixSocket } from "../socket/unix/socket.ts";
import { IoSequence } from "../usermem/io.ts";
import type { FileDescription } from "../vfs/file.ts";
import { notifyAccess, notifyModify, watching } from "../vfs/notify.ts";
import { dropPrivileges } from "../vfs/open.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { brokenPipe, fileArg, ioFile, isUserRange, limitFileSize, LOFF_LIMIT, waitOr } from "./file-util.ts";

/** The ranges of the call at hand. */
const seq: IoSequence = new IoSequence();
const sizeStat: Stat = new Stat();

/** Position argument that stands for the file's own. */
const AT_POSITION = -1;

const RWF_NOAPPEND = 0x20;
const RWF_ATOMIC = 0x40;
const RWF_DONTCACHE = 0x80;
const RWF_KNOWN: number =
  RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND | RWF_ATOMIC | RWF_DONTCACHE;

// --- the common parts ---

/** Reads into `seq`, at `pos` or AT_POSITION. `noWait`: RWF_NOWAIT. */
function readSeq(t: Task, file: FileDescription, pos: number, noWait: boolean): number {
  if (pos === AT_POSITION && file.readsLeast > 1) return readLeast(t, file);
  const n = pos === AT_POSITION ? file.read(seq) : file.pread(seq, pos);
  if (n > 0) {
    t.usage.readChars += n;
    t.usage.readCalls++;
    if (watching.count !== 0) notifyAccess(file);
    const err = t.mm.finishIo(seq);
    return err < 0 ? err : n;
  }
  if (n === -EAGAIN && !noWait) {
    return file.readTimeoutNs === Infinity ? waitOr(t, file, EV_IN | EV_RDNORM) : readTimed(t, file);
  }
  t.usage.readCalls++;
  return n;
}

/** SO_RCVLOWAT: reading goes on until there is as much, or no more to come. */
function readLeast(t: Task, file: FileDescription): number {
  if (t.progress > 0) seq.advance(t.progress);
  const n = file.read(seq);
  const done = t.progress + (n > 0 ? n : 0);
  const err = t.mm.finishIo(seq);
  if (err < 0) return err;
  if (n > 0 && done < file.readsLeast && seq.remaining > 0) t.progress = done;
  else if (n !== -EAGAIN) return done > 0 ? done : n;
  const wait = waitOr(t, file, EV_IN | EV_RDNORM);
  return wait === BLOCKED || done === 0 ? wait : done;
}

/** A file with a read timer of its own (a terminal with VTIME) had nothing: waits, or ends with what is there. */
function readTimed(t: Task, file: FileDescription): number {
  if (t.timedOut) {
    const n = file.readTimedOut(seq);
    const err = t.mm.finishIo(seq);
    return err < 0 ? err : n;
  }
  if (t.deadlineNs === Infinity || file.readTimerRestarts) {
    t.setDeadline(t.kernel.clock.monotonicNs() + file.readTimeoutNs);
  }
  return waitOr(t, file, EV_IN | EV_RDNORM);
}

/** No byte of the buffer can be accessed: what the file says about a read that finds nothing comes first, then -EFAULT. */
function readFault(t: Task, file: FileDescription, len: number, pos: number): number {
  const inode = file.inode;
  if (pos === AT_POSITION && !file.hasRead) return -EINVAL;
  // Nothing is taken from these.
  if (inode !== null && (inode.isRegular || !file.canPoll)) {
    seq.clear();
    seq.push(t.kernel.scratch, 0, Math.min(len, t.kernel.scratch.length));
    const n = file.pread(seq, pos === AT_POSITION ? file.position() : pos);
    if (n !== -ESPIPE) return n > 0 ? -EFAULT : n;
  }
  if (file instanceof UnixSocket && file.hasPackets) return file.receivable(0, len);
  const isSocket = file instanceof UnixSocket;
  if (inode === null || (!inode.isDir && !isSocket && (file.readiness() & (EV_IN | EV_RDNORM)) !== 0)) {
    pipeOf(file)?.signalWriters();
    return -EFAULT;
  }
  // Nothing to be had: the answer does not depend on the buffer.
  seq.clear();
  seq.push(t.kernel.scratch, 0, len < t.kernel.scratch.length ? len : t.kernel.scratch.length);
  const n = pos === AT_POSITION ? file.read(seq) : file.pread(seq, pos);
  if (n === -EAGAIN) return waitOr(t, file, EV_IN | EV_RDNORM);
  return n > 0 ? -EFAULT : n;
}

/**
 * Writes `seq`, whose first `t.progress` bytes earlier attempts have written, at `pos` (of the call's first byte) or
 * AT_POSITION.
 */
function writeSeq(t: Task, file: FileDescription, pos: number, append: boolean, sync: boolean): number {
  let done = t.progress;
  if (done > 0) {
    if (done >= seq.remaining) return done;
    seq.advance(done);
  }
  let at = pos;
  // Memory files have not been opened.
  const isRegular = file.countsAsWriter || (file.inode !== null && file.inode.isRegular);
  if (
    isRegular &&
    (append || pos !== AT_POSITION || t.group.limits.get(RLIMIT_FSIZE) !== RLIM_INFINITY) &&
    file.hasWrite
  ) {
    const err = prepareRegular(t, file, pos, append);
    if (err < 0) return err;
    if (append && pos !== AT_POSITION) at = sizeStat.size;
  }
  if (isRegular && (file.inode!.mode & (S_ISUID | S_ISGID)) !== 0 && seq.remaining > 0 && file.hasWrite) {
    dropPrivileges(file.inode!, t.creds);
  }
  for (;;) {
    const n = at === AT_POSITION ? file.write(seq) : file.pwrite(seq, at + done);
    if (n < 0) {
      if (n === -EAGAIN) {
        if (done > 0 && ((file.statusFlags & O_NONBLOCK) !== 0 || t.timedOut)) break;
        t.progress = done;
        return waitOr(t, file, EV_OUT | EV_WRNORM);
      }
      if (n === -EPIPE && (!(file instanceof UnixSocket) || file.type === SOCK_STREAM)) return brokenPipe(t, done);
      if (done > 0) break;
      t.usage.writeCalls++;
      return n;
    }
    done += n;
    if (seq.remaining === 0 || n === 0 || (file.statusFlags & O_NONBLOCK) !== 0) break;
  }
  t.usage.writeChars += done;
  t.usage.writeCalls++;
  if (done > 0 && watching.count !== 0) notifyModify(file);
  if (done > 0 && (sync || (file.statusFlags & O_DSYNC) !== 0) && isRegular) {
    const err = file.sync(false);
    if (err < 0) return err;
  }
  return done;
}

/** File size limits for a write of `seq` to a regular file; the file's size goes to `sizeStat` when appending. */
function prepareRegular(t: Task, file: FileDescription, pos: number, append: boolean): number {
  const most = mostToWrite(t, file, pos, append, seq.remaining);
  if (most < 0) return most;
  seq.truncate(most);
  return 0;
}

/** How many of `len` bytes may be written to a regular file under the limits of its size, or -errno. */
function mostToWrite(t: Task, file: FileDescription, pos: number, append: boolean, len: number): number {
  let at = pos === AT_POSITION ? file.position() : pos;
  if (append || (file.statusFlags & O_APPEND) !== 0) {
    const err = file.stat(sizeStat);
    if (err < 0) return err;
    at = sizeStat.size;
  }
  if (len === 0) return 0;
  return at >= MAX_FILE_SIZE ? -EFBIG : limitFileSize(t, at, len);
}

/** Checks `pos` and `len` of a positioned transfer: 0 or -EINVAL when they leave loff_t's range. */
function checkRange(pos: number, len: number): number {
  return pos + len >= LOFF_LIMIT ? -EINVAL : 0;
}

/** What is wrong with a positioned transfer: a file that has no positions says that first. */
function orNoPosition(file: FileDescription, pos: number, err: number): number {
  return hasPosition(file, pos) ? err : -ESPIPE;
}

/** Whether the file can be read or written at `pos`. */
function hasPosition(file: FileDescription, pos: number): boolean {
  return pos === AT_POSITION || file.seek(0, SEEK_CUR) !== -ESPIPE;
}

/**
 * Of the `wanted` bytes of a read only `room` can be put in place: how many it takes, or -EFAULT. Pipes hand out whole pages,
 * sockets what was sent as a piece; of a pipe, what does not fit stays.
 */
function placeable(file: FileDescription, room: number, wanted: number): number {
  if (file instanceof UnixSocket) return file.receivable(room, wanted);
  const pipe = pipeOf(file);
  if (pipe === null || room >= PIPE_BUF || room >= pipe.length) return room;
  pipe.signalWriters();
  return -EFAULT;
}

function readBuffer(t: Task, file: FileDescription, addr: number, size: number, pos: number): number {
  if (!isUserRange(addr, size)) return orNoPosition(file, pos, -EFAULT);
  const len = size > MAX_RW_COUNT ? MAX_RW_COUNT : size;
  seq.clear();
  if (len === 0 && file instanceof UnixSocket && pos === AT_POSITION) return 0;
  if (len > 0) {
    const r = t.mm.ioSequence(addr, len, true, seq);
    if (r < len) {
      // Before anything is taken from it.
      if (!hasPosition(file, pos)) return -ESPIPE;
      if (file.hasRecords) {
        seq.isCut = true;
        seq.wanted = len;
        return readSeq(t, file, pos, false);
      }
      if (r < 0) return readFault(t, file, len, pos);
      const whole = placeable(file, r, len);
      if (whole < 0) return whole;
      seq.truncate(whole);
    }
  }
  return readSeq(t, file, pos, false);
}

/**
 * Only `have` bytes (or -EFAULT) of the `wanted` ones that are to be written can be read: pipes and sockets take whole
 * pieces. 0 when something is left to write, or what the call answers.
 */
function takeWhole(t: Task, file: FileDescription, have: number, wanted: number, pos: number): number {
  if (!hasPosition(file, pos)) return -ESPIPE;
  const isSocket = file instanceof UnixSocket;
  const pipe = pipeOf(file);
  const piece = isSocket ? file.pieceSize : pipe !== null ? PIPE_BUF : 1;
  if (have < piece) {
    if (pos === AT_POSITION ? !file.takesWrite(wanted) : !file.hasWrite) return -EINVAL;
    if (pos === AT_POSITION && pipe !== null && pipe.readers === 0) return brokenPipe(t, 0);
    // Room comes before what is to fill it.
    if (pos === AT_POSITION && pipe !== null && pipe.length >= pipe.capacity)
      return waitOr(t, file, EV_OUT | EV_WRNORM);
    const err = isSocket && pos === AT_POSITION && file.foreign === null ? file.sendError(wanted) : 0;
    if (err === -EPIPE && isSocket && file.type === SOCK_STREAM) return brokenPipe(t, 0);
    if (err < 0) return err;
    if (file.inode !== null && file.inode.isRegular && file.hasWrite) {
      const most = mostToWrite(t, file, pos, false, wanted);
      if (most < 0) return most;
      dropPrivileges(file.inode, t.creds);
      file.inode.touchModified();
    }
    if (pos === AT_POSITION && pipe !== null) pipe.signalReaders();
    return -EFAULT;
  }
  seq.truncate(have - (have % piece));
  return 0;
}

function writeUnseen(file: FileDescription, len: number): number {
  const n = file.writeUnseen(len);
  if (n > 0 && watching.count !== 0) notifyModify(file);
  return n;
}

function writeBuffer(t: Task, file: FileDescription, addr: number, size: number, pos: number): number {
  if (!isUserRange(addr, size)) return orNoPosition(file, pos, -EFAULT);
  const len = size > MAX_RW_COUNT ? MAX_RW_COUNT : size;
  seq.clear();
  if (len > 0) {
    const r = t.mm.ioSequence(addr, len, false, seq);
    if (r < len) {
      const unseen = writeUnseen(file, len);
      if (unseen !== -EFAULT) return unseen;
      const err = takeWhole(t, file, r, len, pos);
      if (err < 0) return err;
    }
  }
  const append = pos !== AT_POSITION && (file.statusFlags & O_APPEND) !== 0;
  return writeSeq(t, file, pos, append, false);
}

function readVector(t: Task, file: FileDescription, addr: number, count: number, pos: number, flags: number): number {
  if (!hasPosition(file, pos)) return -ESPIPE;
  seq.clear();
  const total = t.mm.ioVector(addr, count, true, seq);
  if (seq.isCut && file.hasRecords) return readSeq(t, file, pos, (flags & RWF_NOWAIT) !== 0);
  if (total === -EFAULT && seq.isCut) return readFault(t, file, seq.wanted, pos);
  if (total < 0) return total;
  if (seq.isCut) {
    const whole = placeable(file, total, seq.wanted);
    if (whole < 0) return whole;
    seq.truncate(whole);
  }
  if (!file.hasRead) return -EINVAL;
  if (seq.remaining === 0) return readNothing(file);
  if (pos !== AT_POSITION && checkRange(pos, total) < 0) return -EINVAL;
  const bad = checkRwFlags(file, flags, file.takesRwFlags);
  if (bad < 0) return bad;
  seq.truncate(MAX_RW_COUNT);
  const n = readSeq(t, file, pos, (flags & RWF_NOWAIT) !== 0);
  return n === 0 ? readNothing(file) : n;
}

/** Reads of vectors are told to watches even when they give nothing, unlike those of one buffer. */
function readNothing(file: FileDescription): number {
  if (watching.count !== 0) notifyAccess(file);
  return 0;
}

function writeVector(t: Task, file: FileDescription, addr: number, count: number, pos: number, flags: number): number {
  if (!hasPosition(file, pos)) return -ESPIPE;
  seq.clear();
  const total = t.mm.ioVector(addr, count, false, seq);
  if (seq.isCut) {
    const unseen = writeUnseen(file, seq.wanted);
    if (unseen !== -EFAULT) return unseen;
    const err = takeWhole(t, file, total, seq.wanted, pos);
    if (err < 0) return err;
  } else if (total < 0) return total;
  if (!file.hasWrite) return -EINVAL;
  if (seq.remaining === 0) return 0;
  if (pos !== AT_POSITION && checkRange(pos, total) < 0) return -EINVAL;
  const bad = checkRwFlags(file, flags, file.takesWriteFlags);
  if (bad < 0) return bad;
  seq.truncate(MAX_RW_COUNT);
  let append = (flags & RWF_APPEND) !== 0;
  if ((file.statusFlags & O_APPEND) !== 0) append = pos !== AT_POSITION && (flags & RWF_NOAPPEND) === 0;
  if ((flags & RWF_NOAPPEND) !== 0 && (file.statusFlags & O_APPEND) !== 0 && pos === AT_POSITION) {
    const at = file.position();
    const r = writeSeq(t, file, at, false, (flags & (RWF_SYNC | RWF_DSYNC)) !== 0);
    if (r > 0) file.setPosition(at + r);
    return r;
  }
  if (!append || pos !== AT_POSITION) return writeSeq(t, file, pos, append, (flags & (RWF_SYNC | RWF_DSYNC)) !== 0);
  if (file.inode === null || !file.inode.isRegular) return writeSeq(t, file, AT_POSITION, false, false);
  // RWF_APPEND with the file's own position, which moves to the new end.
  const r = writeSeq(t, file, 0, true, (flags & (RWF_SYNC | RWF_DSYNC)) !== 0);
  if (r > 0) file.setPosition(sizeStat.size + r);
  return r;
}

// --- the calls ---

/** ssize_t read(int fd, void *buf, size_t count) */
export function read(t: Task, a: SyscallArgs): number {
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  return readBuffer(t, file, a.ptr(1), a.size(2), AT_POSITION);
}

/** ssize_t write(int fd, const void *buf, size_t count) */
export function write(t: Task, a: SyscallArgs): number {
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.writable) return -EBADF;
  return writeBuffer(t, file, a.ptr(1), a.size(2), AT_POSITION);
}

/** ssize_t pread64(int fd, void *buf, size_t count, loff_t pos) */
export function pread64(t: Task, a: SyscallArgs): number {
  const pos = a.i64(3);
  if (pos < 0) return -EINVAL;
  const file = fileArg(t, a.i32(0));
  if (file === undefined || file.isPath) return -EBADF;
  if (!file.readable) return orNoPosition(file, pos, -EBADF);
  const size = a.size(2);
  if (checkRange(pos, size) < 0 && isUserRange(a.ptr(1), size)) return orNoPosition(file, pos, -EINVAL);
  return readBuffer(t, file, a.ptr(1), size, pos);
}

/** ssize_t pwrite64(int fd, const void *buf, size_t count, loff_t pos) */
export function pwrite64(t: Task, a: SyscallArgs): number {
  const pos = a.i64(3);
  if (pos < 0) return -EINVAL;
  const file = fileArg(t, a.i32(0));
  if (file === undefined || file.isPath) return -EBADF;
  if (!file.writable) return orNoPosition(file, pos, -EBADF);
  const size = a.size(2);
  if (checkRange(pos, size) < 0 && isUserRange(a.ptr(1), size)) return orNoPosition(file, pos, -EINVAL);
  return writeBuffer(t, file, a.ptr(1), size, pos);
}

/** ssize_t readv(int fd, const struct iovec *vec, unsigned long vlen) */
export function readv(t: Task, a: SyscallArgs): number {
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  return readVector(t, file, a.ptr(1), a.size(2), AT_POSITION, 0);
}

/** ssize_t writev(int fd, const struct iovec *vec, unsigned long vlen) */
export function writev(t: Task, a: SyscallArgs): number {
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.writable) return -EBADF;
  return writeVector(t, file, a.ptr(1), a.size(2), AT_POSITION, 0);
}

/** ssize_t preadv(int fd, const struct iovec *vec, unsigned long vlen, unsigned long pos_l, unsigned long pos_h) */
export function preadv(t: Task, a: SyscallArgs): number {
  return positionedRead(t, a, a.i64(3), 0);
}

/** ssize_t pwritev(...): as preadv. The position is in pos_l alone on 64-bit systems. */
export function pwritev(t: Task, a: SyscallArgs): number {
  return positionedWrite(t, a, a.i64(3), 0);
}

/** ssize_t preadv2(..., rwf_t flags): position -1 is the file's own. */
export function preadv2(t: Task, a: SyscallArgs): number {
  const pos = a.i64(3);
  const flags = a.i32(5);
  if (pos !== -1) return positionedRead(t, a, pos, flags);
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.readable) return -EBADF;
  return readVector(t, file, a.ptr(1), a.size(2), AT_POSITION, flags);
}

/** ssize_t pwritev2(..., rwf_t flags) */
export function pwritev2(t: Task, a: SyscallArgs): number {
  const pos = a.i64(3);
  const flags = a.i32(5);
  if (pos !== -1) return positionedWrite(t, a, pos, flags);
  const file = fileArg(t, a.i32(0));
  if (file === undefined || !file.writable) return -EBADF;
  return writeVector(t, file, a.ptr(1), a.size(2), AT_POSITION, flags);
}

function positionedRead(t: Task, a: SyscallArgs, pos: number, flags: number): number {
  if (pos < 0) return -EINVAL;
  const file = fileArg(t, a.i32(0));
  if (file === undefined || file.isPath) return -EBADF;
  if (!file.readable) return orNoPosition(file, pos, -EBADF);
  return readVector(t, file, a.ptr(1), a.size(2), pos, flags);
}

function positionedWrite(t: Task, a: SyscallArgs, pos: number, flags: number): number {
  if (pos < 0) return -EINVAL;
  const file = fileArg(t, a.i32(0));
  if (file === undefined || file.isPath) return -EBADF;
  if (!file.writable) return orNoPosition(file, pos, -EBADF);
  return writeVector(t, file, a.ptr(1), a.size(2), pos, flags);
}

function checkRwFlags(file: FileDescription, flags: number, takes: boolean): number {
  if ((flags & ~RWF_KNOWN) !== 0) return -EOPNOTSUPP;
  // Directories have no read with flags; without, they say EISDIR.
  const takesFlags = takes && (file.inode === null || !file.inode.isDir);
  if ((flags & ~RWF_HIPRI) !== 0 && !takesFlags) return -EOPNOTSUPP;
  if ((flags & RWF_APPEND) !== 0 && (flags & RWF_NOAPPEND) !== 0) return -EINVAL;
  if ((flags & RWF_NOWAIT) !== 0 && !file.takesNoWait) return -EOPNOTSUPP;
  if ((flags & RWF_ATOMIC) !== 0) return -EOPNOTSUPP;
  return 0;
}

/** off_t lseek(int fd, off_t offset, int whence) */
export function lseek(t: Task, a: SyscallArgs): number {
  const file = ioFile(t, a.i32(0));
  if (file === undefined) return -EBADF;
  const whence = a.u32(2);
  if (whence > 4) return -EINVAL;
  const r = file.seek(a.i64(1), whence);
  // The limit of a file system shows as EINVAL.
  if (r !== -ESPIPE) return r === -EOVERFLOW ? -EINVAL : r;
  // Files without a type (eventfd, epoll ...) take any seek and stay at 0.
  return file.inode !== null && (file.inode.mode & S_IFMT) === 0 ? 0 : r;
}

/** The calls of this file, for the table. */
export const rwSyscalls: readonly SyscallEntry[] = [
  full("read", read),
  full("write", write),
  full("pread64", pread64),
  full("pwrite64", pwrite64),
  full("readv", readv),
  full("writev", writev),
  full("preadv", preadv),
  full("pwritev", pwritev),
  partial("preadv2", preadv2, "RWF_NOWAIT may read from the host's disk; RWF_ATOMIC is refused"),
  partial("pwritev2", pwritev2, "RWF_ATOMIC is refused"),
  full("lseek", lseek),
];
