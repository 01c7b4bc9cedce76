/** Messages on sockets: send(2), recv(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2), cmsg(3). */
import { MAX_RW_COUNT } from "../../abi/limits.ts";
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EISCONN,
  EMFILE,
  EMSGSIZE,
  ENOBUFS,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  ESRCH,
} from "../../abi/errno.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { SIGPIPE } from "../../abi/signal.ts";
import {
  CMSGHDR_SIZE,
  cmsgSpace,
  MMSGHDR_SIZE,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  MSG_WAITFORONE,
  MSGHDR_SIZE,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SO_PASSSEC,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  UCRED_SIZE,
} from "../../abi/socket.ts";
import { writeI64 } from "../../abi/time.ts";
import { EV_IN, EV_OUT } from "../../base/waiter.ts";
import { BLOCKED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { sendToTask, userSignal } from "../kernel/task-signals.ts";
import { parseUnixAddress } from "../socket/unix/address.ts";
import { ReceiveInfo, SendInfo } from "../socket/unix/messages.ts";
import type { UnixSocket } from "../socket/unix/socket.ts";
import { IoSequence } from "../usermem/io.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { isUserRange } from "./file-util.ts";
import { addressBuf, addressIn, addressOut, encodeAddress, socketOf, waitSocket } from "./socket-util.ts";
import { findSocket } from "./sys-socket.ts";

/** Longest control buffer (net.core.optmem_max). */
const CONTROL_MAX = 20480;
/** Most messages of one sendmmsg/recvmmsg (UIO_MAXIOV). */
const MMSG_MAX = 1024;

/** (uid_t)-1, which nobody has. */
const NO_ID = 0xffffffff;

/** A struct timeval or timespec. */
const TIME_SIZE = 16;

const seq = new IoSequence();
const sendInfo = new SendInfo();
const receiveInfo = new ReceiveInfo();
const control = new Uint8Array(CONTROL_MAX);
const controlView = new DataView(control.buffer);

/** A struct msghdr, copied in once. */
class MsgHdr {
  name = 0;
  nameLen = 0;
  iov = 0;
  iovLen = 0;
  control = 0;
  controlLen = 0;

  /** 0 or -errno. */
  read(t: Task, addr: number): number {
    if (t.copyInStruct(addr, MSGHDR_SIZE) < 0) return -EFAULT;
    const v = t.kernel.scratchView;
    const u64 = (at: number): number => v.getUint32(at + 4, true) * 4294967296 + v.getUint32(at, true);
    this.name = u64(0);
    this.nameLen = v.getInt32(8, true);
    this.iov = u64(16);
    this.iovLen = u64(24);
    this.control = u64(32);
    this.controlLen = u64(40);
    if (this.nameLen < 0) return -EINVAL;
    if (this.iovLen > MMSG_MAX) return -EMSGSIZE;
    return 0;
  }
}

const hdr = new MsgHdr();

// --- control messages in ---

function dropRights(rights: FileDescription[] | null): void {
  if (rights !== null) for (const f of rights) f.decRef();
}

function readRights(t: Task, at: number, len: number): number {
  const n = Math.floor(len / 4);
  const rights = sendInfo.rights ?? [];
  sendInfo.rights = rights;
  if (rights.length + n > SCM_MAX_FD) return -EINVAL;
  for (let i = 0; i < n; i++) {
    const file = t.fds.get(controlView.getInt32(at + i * 4, true));
    if (file === undefined) return -EBADF;
    file.incRef();
    rights.push(file);
  }
  const { creds } = t;
  sendInfo.uid = creds.ruid;
  sendInfo.isOverLimit =
    t.kernel.unixNames.inFlight.users.of(creds.ruid) > t.group.limits.get(RLIMIT_NOFILE) &&
    !creds.hasCap(CAP_SYS_RESOURCE) &&
    !creds.hasCap(CAP_SYS_ADMIN);
  return 0;
}

function readCredentials(t: Task, at: number, len: number): number {
  if (len !== UCRED_SIZE) return -EINVAL;
  const pid = controlView.getInt32(at, true);
  const uid = controlView.getUint32(at + 4, true);
  const gid = controlView.getUint32(at + 8, true);
  const c = t.creds;
  if (pid !== t.group.id && !c.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  if (uid !== c.ruid && uid !== c.euid && uid !== c.suid && !c.hasCap(CAP_SETUID)) return -EPERM;
  if (gid !== c.rgid && gid !== c.egid && gid !== c.sgid && !c.hasCap(CAP_SETGID)) return -EPERM;
  if (pid !== t.group.id && !t.kernel.tasks.has(pid) && !t.kernel.processGroups.has(pid)) return -ESRCH;
  if (uid === NO_ID || gid === NO_ID) return -EINVAL;
  sendInfo.cred.set(pid, uid, gid);
  sendInfo.explicitCred = true;
  return 0;
}

/** Parses the control buffer of `hdr` into sendInfo. 0 or -errno (no references kept then). */
function readControl(t: Task): number {
  sendInfo.clear();
  sendInfo.cred.set(t.group.id, t.creds.ruid, t.creds.rgid);
  const total = hdr.controlLen;
  if (total === 0) return 0;
  if (total > CONTROL_MAX) return -ENOBUFS;
  if (t.mm.copyInExact(hdr.control, control, 0, total) < 0) return -EFAULT;
  let at = 0;
  let err = 0;
  while (err === 0 && at + CMSGHDR_SIZE <= total) {
    const len = controlView.getUint32(at + 4, true) === 0 ? controlView.getUint32(at, true) : Infinity;
    if (len < CMSGHDR_SIZE || at + len > total) {
      err = -EINVAL;
      break;
    }
    if (controlView.getInt32(at + 8, true) === SOL_SOCKET) {
      const type = controlView.getInt32(at + 12, true);
      const data = at + CMSGHDR_SIZE;
      if (type === SCM_RIGHTS) err = readRights(t, data, len - CMSGHDR_SIZE);
      else if (type === SCM_CREDENTIALS) err = readCredentials(t, data, len - CMSGHDR_SIZE);
      else err = -EINVAL;
    }
    at += (len + 7) & ~7;
  }
  if (err < 0) {
    dropRights(sendInfo.rights);
    sendInfo.clear();
  }
  return err;
}

// --- sending ---

/** One attempt with seq, sendInfo and an optional address in addressBuf. Consumes sendInfo's references. */
function sendAttempt(t: Task, s: UnixSocket, nameLen: number, flags: number): number {
  const r = sendOrWait(t, s, nameLen, flags);
  // A stream takes nothing along with no bytes.
  const sent = r > 0 || (r === 0 && s.type !== SOCK_STREAM) || (r === BLOCKED && seq.done > t.progress);
  if (!sent) dropRights(sendInfo.rights);
  return withSignal(t, s, r, flags);
}

/** Sends SIGPIPE when the result of a send asks for it. */
function withSignal(t: Task, s: UnixSocket, r: number, flags: number): number {
  if (r === -EPIPE && s.type === SOCK_STREAM && (flags & MSG_NOSIGNAL) === 0) sendToTask(t, userSignal(t, SIGPIPE));
  return r;
}

/** Where a datagram goes whose address is in addressBuf, when it can be sent at all: -errno. */
function targetOf(t: Task, s: UnixSocket, nameLen: number): UnixSocket | number {
  const address = parseUnixAddress(addressBuf, nameLen);
  if (typeof address === "number") return address;
  if (address === null) return -EINVAL;
  const err = s.sendError(seq.remaining);
  if (err < 0) return err;
  const found = findSocket(t, address, s.type);
  return typeof found === "number" ? s.sendFailed(found) : found;
}

function sendOrWait(t: Task, s: UnixSocket, nameLen: number, flags: number): number {
  sendInfo.isUrgent = (flags & MSG_OOB) !== 0;
  if (sendInfo.isUrgent && (s.type !== SOCK_STREAM || seq.remaining === 0)) {
    const err = s.type === SOCK_SEQPACKET ? s.connectionError() : 0;
    return err < 0 ? err : -EOPNOTSUPP;
  }
  if (t.progress > 0) seq.advance(t.progress);
  let target: UnixSocket | null = null;
  let r: number;
  if (s.foreign !== null) {
    const err = s.foreign.checkTarget(addressBuf, nameLen);
    r = err < 0 ? err : s.send(seq, sendInfo);
  } else if (nameLen > 0 && s.type === SOCK_STREAM) {
    return s.isConnected ? -EISCONN : -EOPNOTSUPP;
  } else if (nameLen > 0 && s.type === SOCK_DGRAM) {
    const found = targetOf(t, s, nameLen);
    if (typeof found !== "number") target = found;
    r = typeof found === "number" ? found : s.sendMessage(seq, found, sendInfo);
  } else {
    r = s.send(seq, sendInfo);
  }
  if (r < 0 && r !== -EAGAIN) return t.progress > 0 ? t.progress : r;
  const done = t.progress + (r > 0 ? r : 0);
  if (r >= 0 && (s.type !== SOCK_STREAM || seq.remaining === 0)) return s.type === SOCK_STREAM ? done : r;
  const wait = waitSocket(t, s, s.sendQueue(target), EV_OUT, s.sendTimeoutNs, (flags & MSG_DONTWAIT) !== 0);
  if (wait !== BLOCKED) return done > 0 ? done : wait;
  if (r > 0) t.mm.finishIo(seq);
  t.progress = done;
  return BLOCKED;
}

/**
 * Only `have` bytes (or -EFAULT) of the `wanted` ones that are to be sent can be read. 0 when something is left to send, or
 * the answer.
 */
function takeWhole(t: Task, s: UnixSocket, have: number, wanted: number, nameLen: number, flags: number): number {
  const piece = s.pieceSize;
  if (have < piece) {
    const err = s.foreign === null && nameLen === 0 ? s.sendError(wanted) : 0;
    return err < 0 ? withSignal(t, s, err, flags) : -EFAULT;
  }
  seq.truncate(have - (have % piece));
  return 0;
}

function sendto(t: Task, a: SyscallArgs): number {
  if (!isUserRange(a.ptr(1), Math.min(a.size(2), MAX_RW_COUNT))) return -EFAULT;
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const nameLen = a.ptr(4) === 0 ? 0 : a.i32(5);
  const err = addressIn(t, a.ptr(4), nameLen);
  if (err < 0) return err;
  seq.clear();
  const wanted = Math.min(a.size(2), MAX_RW_COUNT);
  const n = t.mm.ioSequence(a.ptr(1), wanted, false, seq);
  if (n < wanted) {
    const short = takeWhole(t, s, n, wanted, nameLen, a.i32(3));
    if (short < 0) return short;
  }
  sendInfo.clear();
  sendInfo.cred.set(t.group.id, t.creds.ruid, t.creds.rgid);
  return sendAttempt(t, s, nameLen, a.i32(3));
}

/** sendmsg with the header at `addr`. */
function sendHeader(t: Task, s: UnixSocket, addr: number, flags: number): number {
  let err = hdr.read(t, addr);
  if (err < 0) return err;
  const nameLen = hdr.name === 0 ? 0 : hdr.nameLen;
  err = addressIn(t, hdr.name, nameLen);
  if (err < 0) return err;
  if (s.type === SOCK_SEQPACKET && s.foreign === null) {
    err = s.connectionError();
    if (err < 0) return err;
  }
  seq.clear();
  const n = t.mm.ioVector(hdr.iov, hdr.iovLen, false, seq);
  if (n < 0 && !seq.isCut) return n;
  if (seq.isCut) {
    const short = takeWhole(t, s, n, seq.wanted, nameLen, flags);
    if (short < 0) return short;
  }
  err = readControl(t);
  if (err < 0) return err;
  // The ancillary data went with the first bytes.
  if (t.progress > 0) {
    dropRights(sendInfo.rights);
    sendInfo.rights = null;
  }
  return sendAttempt(t, s, nameLen, flags);
}

function sendmsg(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  return typeof s === "number" ? s : sendHeader(t, s, a.ptr(1), a.i32(2));
}

function sendmmsg(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const count = Math.min(a.u32(2), MMSG_MAX);
  // state[0]: messages sent in earlier attempts.
  let i = t.attempt === 0 ? 0 : t.state[0]!;
  for (; i < count; i++) {
    const at = a.ptr(1) + i * MMSGHDR_SIZE;
    const r = sendHeader(t, s, at, a.i32(3) | (i > 0 ? MSG_DONTWAIT : 0));
    t.state[0] = i;
    if (r === BLOCKED) return r;
    if (r < 0) return i > 0 ? i : r;
    if (t.mm.writeU32(at + MSGHDR_SIZE, r) < 0) return i > 0 ? i : -EFAULT;
    t.progress = 0;
  }
  return count;
}

// --- receiving ---

/** One attempt into seq; MSG_WAITALL and SO_RCVLOWAT go on until there is as much. Result in receiveInfo. */
function receiveAttempt(t: Task, s: UnixSocket, flags: number): number {
  if ((flags & MSG_OOB) !== 0) return s.receiveUrgent(seq, flags, receiveInfo);
  if (t.progress > 0) seq.advance(t.progress);
  const r = s.receive(seq, flags, receiveInfo);
  const goesOn = s.type === SOCK_STREAM && (flags & MSG_PEEK) === 0;
  const least = !goesOn ? 0 : (flags & MSG_WAITALL) !== 0 ? Infinity : s.receiveLeast;
  if (r < 0 && r !== -EAGAIN) return t.progress > 0 ? t.progress : r;
  const done = t.progress + (r > 0 ? r : 0);
  if (r >= 0 && (done >= least || r === 0 || seq.remaining === 0 || receiveInfo.rights !== null)) return done;
  const mayWait = ((flags & MSG_DONTWAIT) | (s.statusFlags & O_NONBLOCK)) === 0;
  if (r === -EAGAIN && mayWait && s.endsWaiting) return done;
  const wait = waitSocket(t, s, s.waitQueue(), EV_IN, s.receiveTimeoutNs, (flags & MSG_DONTWAIT) !== 0);
  if (wait !== BLOCKED) return done > 0 ? done : wait;
  t.progress = done;
  return BLOCKED;
}

function recvfrom(t: Task, a: SyscallArgs): number {
  if (!isUserRange(a.ptr(1), Math.min(a.size(2), MAX_RW_COUNT))) return -EFAULT;
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  seq.clear();
  const n = t.mm.ioSequence(a.ptr(1), Math.min(a.size(2), MAX_RW_COUNT), true, seq);
  // Nothing to be had: the answer does not depend on the buffer.
  if (n < 0 && (s.readiness() & EV_IN) !== 0) return n;
  const wanted = Math.min(a.size(2), MAX_RW_COUNT);
  if (n >= 0 && n < wanted && s.hasPackets) {
    const whole = s.receivable(n, wanted);
    if (whole < 0) return whole;
    seq.truncate(whole);
  }
  const r = receiveAttempt(t, s, a.i32(3));
  if (r < 0) return r;
  dropRights(receiveInfo.rights);
  const err = t.mm.finishIo(seq);
  if (err < 0) return err;
  if (a.ptr(4) === 0) return r;
  if (receiveInfo.from === null) return t.mm.writeU32(a.ptr(5), 0) < 0 ? -EFAULT : r;
  const e = addressOut(t, receiveInfo.from, a.ptr(4), a.ptr(5));
  return e < 0 ? e : r;
}

/** Writes a cmsghdr at `at` of the control buffer. */
function putHeader(at: number, dataLen: number, type: number): void {
  controlView.setUint32(at, CMSGHDR_SIZE + dataLen, true);
  controlView.setUint32(at + 4, 0, true);
  controlView.setInt32(at + 8, SOL_SOCKET, true);
  controlView.setInt32(at + 12, type, true);
}

/** A message of `len` bytes at `at` is complete: cut to the room that there is. Where the next one begins. */
function endMessage(at: number, room: number, len: number, type: number): number {
  const fits = Math.min(len, room - at - CMSGHDR_SIZE);
  if (fits < len) receiveInfo.flags |= MSG_CTRUNC;
  if (fits < 0) return at;
  putHeader(at, fits, type);
  return Math.min(at + cmsgSpace(len), room);
}

/** Fills the control buffer from receiveInfo, at most `room` bytes; its length. Installs received files as fds. */
function writeControl(t: Task, s: UnixSocket, room: number, flags: number): number {
  let at = 0;
  const { cred, stampNs } = receiveInfo;
  if (stampNs >= 0) {
    // Where the option came after the message, Linux gives the time now.
    const ns = stampNs === 0 ? t.kernel.clock.realtimeNs() : stampNs;
    const isFine = s.stampOption === SO_TIMESTAMPNS || s.stampOption === SO_TIMESTAMPNS_NEW;
    writeI64(controlView, CMSGHDR_SIZE, Math.floor(ns / 1e9));
    writeI64(controlView, CMSGHDR_SIZE + 8, isFine ? ns % 1e9 : Math.floor((ns % 1e9) / 1e3));
    at = endMessage(at, room, TIME_SIZE, s.stampOption);
  }
  if (cred !== null) {
    const data = at + CMSGHDR_SIZE;
    controlView.setInt32(data, cred.pid, true);
    controlView.setUint32(data + 4, cred.uid, true);
    controlView.setUint32(data + 8, cred.gid, true);
    at = endMessage(at, room, UCRED_SIZE, SCM_CREDENTIALS);
  }
  const rights = receiveInfo.rights;
  receiveInfo.rights = null;
  if (rights === null) return at;
  const fits = Math.max(0, Math.min(rights.length, Math.floor((room - at - CMSGHDR_SIZE) / 4)));
  let n = 0;
  for (const file of rights) {
    if (n >= fits) {
      file.decRef();
      receiveInfo.flags |= MSG_CTRUNC;
      continue;
    }
    const fd = t.fds.alloc(file, 0, (flags & MSG_CMSG_CLOEXEC) !== 0);
    if (fd === -EMFILE) {
      receiveInfo.flags |= MSG_CTRUNC;
      continue;
    }
    controlView.setInt32(at + CMSGHDR_SIZE + n * 4, fd, true);
    n++;
  }
  if (n === 0) return at;
  putHeader(at, n * 4, SCM_RIGHTS);
  return Math.min(at + cmsgSpace(n * 4), room);
}

/** recvmsg with the header at `addr`. */
function receiveHeader(t: Task, s: UnixSocket, addr: number, flags: number): number {
  const err = hdr.read(t, addr);
  if (err < 0) return err;
  seq.clear();
  const n = t.mm.ioVector(hdr.iov, hdr.iovLen, true, seq);
  if (n < 0 && (!seq.isCut || (s.readiness() & EV_IN) !== 0)) return n;
  const r = receiveAttempt(t, s, flags);
  if (r < 0) return r;
  if (t.mm.finishIo(seq) < 0) return -EFAULT;
  const controlLen = writeControl(t, s, Math.min(hdr.controlLen, CONTROL_MAX), flags);
  // Security labels are announced where there is no room for one at all, even though there are none.
  if (hdr.control === 0 && (s.flatOptions.get(SO_PASSSEC) ?? 0) !== 0) receiveInfo.flags |= MSG_CTRUNC;
  if (controlLen > 0 && t.mm.copyOutExact(hdr.control, control, 0, controlLen) < 0) return -EFAULT;
  let nameLen = 0;
  if (hdr.name !== 0 && receiveInfo.from !== null) {
    nameLen = encodeAddress(receiveInfo.from);
    if (t.mm.copyOutExact(hdr.name, addressBuf, 0, Math.min(nameLen, hdr.nameLen)) < 0) return -EFAULT;
  }
  if (hdr.name !== 0 && t.mm.writeU32(addr + 8, nameLen) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  v.setUint32(0, controlLen, true);
  v.setUint32(4, 0, true);
  v.setInt32(8, receiveInfo.flags | (flags & MSG_CMSG_CLOEXEC), true);
  return t.copyOutStruct(addr + 40, 12) < 0 ? -EFAULT : r;
}

function recvmsg(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  return typeof s === "number" ? s : receiveHeader(t, s, a.ptr(1), a.i32(2));
}

function recvmmsg(t: Task, a: SyscallArgs): number {
  if (t.attempt === 0) {
    t.state[0] = 0;
    if (a.ptr(4) !== 0) {
      const ns = t.readTimespec(a.ptr(4));
      if (ns < 0) return ns;
      t.setDeadline(t.kernel.clock.monotonicNs() + ns);
    }
  }
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  if (t.attempt === 0 && (a.i32(3) & MSG_ERRQUEUE) === 0) {
    // Before any message, also before those that are there.
    const error = s.takeError();
    if (error !== 0) return -error;
  }
  const count = Math.min(a.u32(2), MMSG_MAX);
  let flags = a.i32(3) & ~MSG_WAITFORONE;
  for (let i = t.state[0]!; i < count; i++) {
    const at = a.ptr(1) + i * MMSGHDR_SIZE;
    if (i > 0 && (a.i32(3) & MSG_WAITFORONE) !== 0) flags |= MSG_DONTWAIT;
    const r = receiveHeader(t, s, at, flags);
    t.state[0] = i;
    if (r === BLOCKED) return r;
    if (r < 0) return endReceiving(s, i, r);
    if (t.mm.writeU32(at + MSGHDR_SIZE, r) < 0) return endReceiving(s, i, -EFAULT);
    t.progress = 0;
  }
  return count;
}

/** An error after `count` messages: they count, and the next call tells the error. */
function endReceiving(s: UnixSocket, count: number, error: number): number {
  if (count === 0) return error;
  if (error !== -EAGAIN) s.failNext(-error);
  return count;
}

/** The calls of this file. */
export const SOCKMSG_CALLS: readonly SyscallEntry[] = [
  full("sendto", sendto),
  full("recvfrom", recvfrom),
  full("sendmsg", sendmsg),
  full("recvmsg", recvmsg),
  full("sendmmsg", sendmmsg),
  full("recvmmsg", recvmmsg),
];
