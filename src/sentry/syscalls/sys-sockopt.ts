/** getsockopt(2) and setsockopt(2) for SOL_SOCKET: socket(7), unix(7). */
import {
  EBADF,
  EDOM,
  EFAULT,
  EINVAL,
  ENODATA,
  ENODEV,
  ENOENT,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
} from "../../abi/errno.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../abi/capability.ts";
import { SOL_NETLINK } from "../../abi/netlink.ts";
import {
  AF_UNIX,
  SO_ACCEPTCONN,
  SO_ATTACH_BPF,
  SO_ATTACH_FILTER,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_ATTACH_REUSEPORT_EBPF,
  SO_BINDTODEVICE,
  SO_BINDTOIFINDEX,
  SO_BPF_EXTENSIONS,
  SO_BSDCOMPAT,
  SO_BUF_LOCK,
  SO_BUSY_POLL_BUDGET,
  SO_CNX_ADVICE,
  SO_COOKIE,
  SO_DETACH_FILTER,
  SO_DETACH_REUSEPORT_BPF,
  SO_DOMAIN,
  SO_ERROR,
  SO_INCOMING_NAPI_ID,
  SO_LINGER,
  SO_LOCK_FILTER,
  SO_MAX_PACING_RATE,
  SO_MEMINFO,
  SO_NETNS_COOKIE,
  SO_PASSCRED,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERNAME,
  SO_PEERSEC,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_RESERVE_MEM,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPING,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SO_TXREHASH,
  SO_TXTIME,
  SO_TYPE,
  SO_ZEROCOPY,
  SOL_SOCKET,
  UCRED_SIZE,
} from "../../abi/socket.ts";
import { CLOCK_MONOTONIC } from "../../abi/time.ts";
import type { Task } from "../kernel/task.ts";
import { LO_INDEX } from "../socket/netlink/interface.ts";
import type { UnixSocket } from "../socket/unix/socket.ts";
import type { SyscallArgs } from "./args.ts";
import { partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { numberOptions } from "./socket-options.ts";
import { socketOf } from "./socket-util.ts";

/** net.core.wmem_max, and the least buffers Linux gives (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF). */
const BUFFER_MAX = 212992;
const SEND_BUFFER_MIN = 4608;
const RECEIVE_BUFFER_MIN = 2304;
/** SO_BUF_LOCK: who set a buffer's size keeps it. */
const SNDBUF_LOCK = 1;
const RCVBUF_LOCK = 2;
/** SO_BPF_EXTENSIONS: how many there are of those that filters may ask (SKF_AD_MAX). */
const BPF_EXTENSIONS = 64;
/** struct sock_fprog; struct sock_txtime. */
const FPROG_SIZE = 16;
const TXTIME_SIZE = 8;
const TXTIME_FLAGS = 3;
const TWO32 = 4294967296;
/** SOF_TIMESTAMPING_* without those for clocks of network cards; two of them. */
const TIMESTAMPING_MASK = 0x7fff;
const TIMESTAMPING_OPT_TSONLY = 0x800;
const TIMESTAMPING_OPT_STATS = 0x1000;
const IFNAMSIZ = 16;
const LO_NAME = "lo";
const INT_MAX = 0x7fffffff;
/** What the one network namespace is called (SO_NETNS_COOKIE). */
const NETNS_COOKIE = 1;

/** The last of the options of SOL_NETLINK. */
const NETLINK_GET_STRICT_CHK = 12;

/** Bytes of the struct timeval options. */
const TIMEVAL_SIZE = 16;

/** Puts an int into the scratch page; its size. */
function int(t: Task, value: number): number {
  t.kernel.scratchView.setInt32(0, value, true);
  return 4;
}

/** Puts the option's value into the scratch page: its size, or -errno. */
function value(t: Task, s: UnixSocket, option: number, room: number): number {
  const v = t.kernel.scratchView;
  switch (option) {
    case SO_TYPE:
      return int(t, s.type);
    case SO_DOMAIN:
      return int(t, s.foreign === null ? AF_UNIX : s.foreign.domain);
    case SO_PROTOCOL:
      return int(t, s.foreign === null ? 0 : s.foreign.protocol);
    case SO_ERROR:
      return int(t, s.takeError());
    case SO_ACCEPTCONN:
      return int(t, s.listening ? 1 : 0);
    case SO_SNDBUF:
      return int(t, s.memory.limit);
    case SO_RCVBUF:
      return int(t, s.receiveBuffer);
    case SO_PASSCRED:
      return int(t, s.passCred ? 1 : 0);
    case SO_PEERCRED:
      v.setInt32(0, s.peerCred.pid, true);
      v.setUint32(4, s.peerCred.pid === 0 ? 0xffffffff : s.peerCred.uid, true);
      v.setUint32(8, s.peerCred.pid === 0 ? 0xffffffff : s.peerCred.gid, true);
      return UCRED_SIZE;
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW: {
      const ns = option === SO_RCVTIMEO || option === SO_RCVTIMEO_NEW ? s.receiveTimeoutNs : s.sendTimeoutNs;
      const sec = Math.floor(ns / 1e9);
      v.setUint32(0, sec, true);
      v.setUint32(4, 0, true);
      v.setUint32(8, Math.floor((ns - sec * 1e9) / 1000), true);
      v.setUint32(12, 0, true);
      return TIMEVAL_SIZE;
    }
    case SO_LINGER:
      v.setInt32(0, s.flatOptions.get(SO_LINGER) === undefined ? 0 : 1, true);
      v.setInt32(4, s.flatOptions.get(SO_LINGER) ?? 0, true);
      return 8;
    case SO_RCVLOWAT:
      return int(t, s.receiveLeast);
    case SO_SNDLOWAT:
      return int(t, 1);
    case SO_PEEK_OFF:
      return int(t, s.peekOffset);
    case SO_PEERGROUPS:
      return peerGroups(t, s, room);
    case SO_PEERSEC:
      return -ENOPROTOOPT;
    case SO_PEERNAME:
      return peerName(t, s, room);
    case SO_BINDTODEVICE:
      return boundDevice(t, s, room);
    case SO_BSDCOMPAT:
    case SO_ZEROCOPY:
    case SO_INCOMING_NAPI_ID:
    case SO_RESERVE_MEM:
      return int(t, 0);
    case SO_ATTACH_FILTER:
      return 0;
    case SO_BPF_EXTENSIONS:
      return int(t, BPF_EXTENSIONS);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
      return int(t, s.stampOption === option ? 1 : 0);
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
      return words(t, s.flatOptions.get(option) ?? 0, 0);
    case SO_TXTIME: {
      const both = s.flatOptions.get(SO_TXTIME) ?? 0;
      return words(t, both % TWO32, Math.floor(both / TWO32));
    }
    case SO_MAX_PACING_RATE: {
      const rate = s.flatOptions.get(option);
      if (room < 8) return int(t, rate ?? -1);
      return rate === undefined ? words(t, 0xffffffff, 0xffffffff) : words(t, rate, 0);
    }
    case SO_MEMINFO:
      for (let i = 0; i < 9; i++) v.setUint32(i * 4, 0, true);
      v.setUint32(4, s.receiveBuffer, true);
      v.setUint32(12, s.memory.limit, true);
      return 36;
    case SO_COOKIE:
      // Any number that no other socket has.
      return room < 8 ? -EINVAL : words(t, s.inode === null ? 0 : s.inode.ino, 0);
    case SO_NETNS_COOKIE:
      return room === 8 ? words(t, NETNS_COOKIE, 0) : -EINVAL;
    case SO_TXREHASH:
      return -EOPNOTSUPP;
    default: {
      const kept = numberOptions.get(option);
      return kept === undefined ? -ENOPROTOOPT : int(t, s.flatOptions.get(option) ?? kept.initial);
    }
  }
}

/** Puts 64 bits into the scratch page; their size. */
function words(t: Task, lo: number, hi: number): number {
  t.kernel.scratchView.setUint32(0, lo, true);
  t.kernel.scratchView.setUint32(4, hi, true);
  return 8;
}

function peerGroups(t: Task, s: UnixSocket, room: number): number {
  if (s.peerCred.pid === 0) return -ENODATA;
  const { groups } = s.peerCred;
  if (room < groups.length * 4) return -ERANGE;
  for (const [i, gid] of groups.entries()) t.kernel.scratchView.setUint32(i * 4, gid, true);
  return groups.length * 4;
}

/** The whole name must not be longer than what is asked for. */
function peerName(t: Task, s: UnixSocket, room: number): number {
  const name = s.foreign === null ? s.peerAddress() : s.foreign.peerName();
  if (typeof name === "number") return -ENOTCONN;
  const size = name === null ? 2 : name.encode(t.kernel.scratch);
  if (name === null) t.kernel.scratchView.setUint16(0, AF_UNIX, true);
  return size < room ? -EINVAL : size;
}

function boundDevice(t: Task, s: UnixSocket, room: number): number {
  const index = s.flatOptions.get(SO_BINDTOIFINDEX) ?? 0;
  if (index === 0) return 0;
  if (room < IFNAMSIZ) return -EINVAL;
  if (index !== LO_INDEX) return -ENODEV;
  for (let i = 0; i <= LO_NAME.length; i++) t.kernel.scratch[i] = i < LO_NAME.length ? LO_NAME.charCodeAt(i) : 0;
  return LO_NAME.length + 1;
}

function getsockopt(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  if (a.i32(1) !== SOL_SOCKET) return -EOPNOTSUPP;
  const raw = t.mm.readU32(a.ptr(4));
  if (raw < 0) return -EFAULT;
  const room = raw | 0;
  if (room < 0) return -EINVAL;
  const size = value(t, s, a.i32(2), room);
  if (size === -ERANGE) return t.mm.writeU32(a.ptr(4), s.peerCred.groups.length * 4) < 0 ? -EFAULT : size;
  if (size < 0) return size;
  const n = Math.min(size, room);
  if (n > 0 && t.copyOutStruct(a.ptr(3), n) < 0) return -EFAULT;
  return t.mm.writeU32(a.ptr(4), n);
}

/** A struct timeval in the scratch page as ns; -EDOM when malformed. Zero means no timeout. */
function timeout(t: Task): number {
  const v = t.kernel.scratchView;
  const sec = v.getInt32(4, true) * 4294967296 + v.getUint32(0, true);
  const usec = v.getInt32(12, true) * 4294967296 + v.getUint32(8, true);
  if (usec < 0 || usec >= 1e6) return -EDOM;
  if (sec < 0) return 0;
  return sec >= 9e6 ? 0 : sec * 1e9 + usec * 1000;
}

/** SO_SNDBUF, SO_RCVBUF and their forcing twins. */
function setBuffer(t: Task, s: UnixSocket, option: number, wanted: number): number {
  const force = option === SO_SNDBUFFORCE || option === SO_RCVBUFFORCE;
  if (force && !t.creds.hasCap(CAP_NET_ADMIN)) return -EPERM;
  const asked = force ? Math.max(wanted, 0) : Math.min(wanted >>> 0, BUFFER_MAX);
  const isSend = option === SO_SNDBUF || option === SO_SNDBUFFORCE;
  if (isSend) s.setSendBuffer(Math.max(asked * 2, SEND_BUFFER_MIN));
  else s.receiveBuffer = Math.max(asked * 2, RECEIVE_BUFFER_MIN);
  s.flatOptions.set(SO_BUF_LOCK, (s.flatOptions.get(SO_BUF_LOCK) ?? 0) | (isSend ? SNDBUF_LOCK : RCVBUF_LOCK));
  return 0;
}

/** SO_BINDTODEVICE: to a device by name, or to none. */
function bindToDevice(t: Task, s: UnixSocket, addr: number, len: number): number {
  const n = Math.min(len, IFNAMSIZ - 1);
  const { scratch } = t.kernel;
  if (n > 0 && t.copyInStruct(addr, n) < 0) return -EFAULT;
  let name = "";
  for (let i = 0; i < n && scratch[i] !== 0; i++) name += String.fromCharCode(scratch[i]!);
  if (name !== "" && name !== LO_NAME) return -ENODEV;
  if ((s.flatOptions.get(SO_BINDTOIFINDEX) ?? 0) !== 0 && !t.creds.hasCap(CAP_NET_RAW)) return -EPERM;
  s.flatOptions.set(SO_BINDTOIFINDEX, name === "" ? 0 : LO_INDEX);
  return 0;
}

/** SOL_NETLINK: groups that nothing is ever sent to, and switches for replies that are not made. */
function netlinkOption(t: Task, s: UnixSocket, a: SyscallArgs, len: number): number {
  if (s.foreign === null) return -EOPNOTSUPP;
  if (a.i32(1) !== SOL_NETLINK) return -ENOPROTOOPT;
  if (len >= 4 && t.mm.readU32(a.ptr(3)) < 0) return -EFAULT;
  const option = a.i32(2);
  return option >= 1 && option <= NETLINK_GET_STRICT_CHK ? 0 : -ENOPROTOOPT;
}

/** Bytes of an option's value that are looked at. */
function sizeOf(option: number): number {
  switch (option) {
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
      return TIMEVAL_SIZE;
    case SO_ATTACH_FILTER:
    case SO_ATTACH_REUSEPORT_CBPF:
      return FPROG_SIZE;
    case SO_LINGER:
    case SO_TXTIME:
      return 8;
    default:
      return 4;
  }
}

function setsockopt(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const len = a.i32(4);
  if (len < 0) return -EINVAL;
  if (a.i32(1) !== SOL_SOCKET) return netlinkOption(t, s, a, len);
  const option = a.i32(2);
  if (option === SO_BINDTODEVICE) return bindToDevice(t, s, a.ptr(3), len);
  if (len < 4) return -EINVAL;
  if (t.copyInStruct(a.ptr(3), Math.min(sizeOf(option), len)) < 0) return -EFAULT;
  const number = t.kernel.scratchView.getInt32(0, true);
  switch (option) {
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
    case SO_SNDBUF:
    case SO_RCVBUF:
      return setBuffer(t, s, option, number);
    case SO_PASSCRED:
      s.passCred = number !== 0;
      return 0;
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW: {
      if (len < TIMEVAL_SIZE) return -EINVAL;
      const ns = timeout(t);
      if (ns < 0) return ns;
      if (option === SO_RCVTIMEO || option === SO_RCVTIMEO_NEW) s.receiveTimeoutNs = ns;
      else s.sendTimeoutNs = ns;
      return 0;
    }
    case SO_LINGER:
      if (len < 8) return -EINVAL;
      if (number !== 0) s.flatOptions.set(SO_LINGER, t.kernel.scratchView.getInt32(4, true));
      else s.flatOptions.delete(SO_LINGER);
      return 0;
    case SO_RCVLOWAT:
      s.setReceiveLeast(number < 0 ? INT_MAX : Math.max(number, 1));
      return 0;
    case SO_PEEK_OFF:
      s.peekOffset = number;
      return 0;
    case SO_BSDCOMPAT:
    case SO_CNX_ADVICE:
      return 0;
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
      s.stampOption = number === 0 ? 0 : option;
      return 0;
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
      if ((number & ~TIMESTAMPING_MASK) !== 0) return -EINVAL;
      if ((number & TIMESTAMPING_OPT_STATS) !== 0 && (number & TIMESTAMPING_OPT_TSONLY) === 0) return -EINVAL;
      s.flatOptions.set(option, number);
      return 0;
    case SO_MAX_PACING_RATE:
      if (number === -1) s.flatOptions.delete(option);
      else s.flatOptions.set(option, number >>> 0);
      return 0;
    case SO_TXTIME: {
      const flags = t.kernel.scratchView.getUint32(4, true);
      if (len !== TXTIME_SIZE || (flags & ~TXTIME_FLAGS) !== 0 || number < 0) return -EINVAL;
      // Other clocks are for network cards.
      if (number !== CLOCK_MONOTONIC && !t.creds.hasCap(CAP_NET_ADMIN)) return -EPERM;
      s.flatOptions.set(option, number + flags * TWO32);
      return 0;
    }
    case SO_BUSY_POLL_BUDGET:
      return number < 0 || number > 0xffff ? -EINVAL : 0;
    case SO_RESERVE_MEM:
      return number < 0 ? -EINVAL : -EOPNOTSUPP;
    case SO_ZEROCOPY:
    case SO_TXREHASH:
      return -EOPNOTSUPP;
    case SO_ATTACH_FILTER:
      return attachFilter(t, len);
    case SO_ATTACH_REUSEPORT_CBPF:
      return len === FPROG_SIZE ? attachFilter(t, len) : -EINVAL;
    case SO_DETACH_FILTER:
      return (s.flatOptions.get(SO_LOCK_FILTER) ?? 0) !== 0 ? -EPERM : -ENOENT;
    case SO_ATTACH_BPF:
    case SO_ATTACH_REUSEPORT_EBPF:
      // No program can have been loaded.
      return len === 4 && t.fds.get(number) === undefined ? -EBADF : -EINVAL;
    case SO_DETACH_REUSEPORT_BPF:
      return -EINVAL;
    default:
      return setNumber(t, s, option, number);
  }
}

/** Filters are looked at as far as to refuse nonsense; there is nothing that runs them. */
function attachFilter(t: Task, len: number): number {
  const v = t.kernel.scratchView;
  const isEmpty = v.getUint32(8, true) === 0 && v.getUint32(12, true) === 0;
  return len !== FPROG_SIZE || v.getUint16(0, true) === 0 || isEmpty ? -EINVAL : -ENOPROTOOPT;
}

/** The options that are a number; those that can only be read, and those that do not exist: -ENOPROTOOPT. */
function setNumber(t: Task, s: UnixSocket, option: number, number: number): number {
  const kept = numberOptions.get(option);
  if (kept === undefined) return -ENOPROTOOPT;
  const value = kept.isFlag && number !== 0 ? 1 : number;
  const err = kept.check(value, s.flatOptions.get(option) ?? kept.initial, t.creds);
  if (err === 0) s.flatOptions.set(option, value);
  return err;
}

const NOTE = "SOL_SOCKET of AF_UNIX; no filters; what concerns networks and devices is kept without effect";

/** The calls of this file. */
export const SOCKOPT_CALLS: readonly SyscallEntry[] = [
  partial("getsockopt", getsockopt, NOTE),
  partial("setsockopt", setsockopt, NOTE),
];
