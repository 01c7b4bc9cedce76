/** getsockopt(2) and setsockopt(2) for SOL_SOCKET: socket(7), unix(7). */
import { EDOM, EFAULT, EINVAL, ENOPROTOOPT, EOPNOTSUPP, EPERM, ERANGE } from "../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../abi/capability.ts";
import { SOL_NETLINK } from "../../abi/netlink.ts";
import {
  AF_UNIX,
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_DEBUG,
  SO_DOMAIN,
  SO_DONTROUTE,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PASSSEC,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERSEC,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_TIMESTAMP,
  SO_TYPE,
  SOL_SOCKET,
  UCRED_SIZE,
} from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import type { UnixSocket } from "../socket/unix/socket.ts";
import type { SyscallArgs } from "./args.ts";
import { partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { socketOf } from "./socket-util.ts";

/** net.core.wmem_max, and the least buffer Linux gives (SOCK_MIN_SNDBUF). */
const BUFFER_MAX = 212992;
const BUFFER_MIN = 4608;

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
      return int(t, s.sendBuffer);
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
    case SO_SNDTIMEO: {
      const ns = option === SO_RCVTIMEO ? s.receiveTimeoutNs : s.sendTimeoutNs;
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
    case SO_SNDLOWAT:
      return int(t, s.flatOptions.get(option) ?? 1);
    case SO_PEERGROUPS:
      return room < 0 ? -ERANGE : 0;
    case SO_PEERSEC:
      return -ENOPROTOOPT;
    case SO_DEBUG:
    case SO_REUSEADDR:
    case SO_DONTROUTE:
    case SO_BROADCAST:
    case SO_KEEPALIVE:
    case SO_OOBINLINE:
    case SO_PRIORITY:
    case SO_REUSEPORT:
    case SO_TIMESTAMP:
    case SO_PASSSEC:
      return int(t, s.flatOptions.get(option) ?? 0);
    default:
      return -ENOPROTOOPT;
  }
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

function bufferSize(wanted: number, force: boolean): number {
  const asked = force ? Math.max(wanted, 0) : Math.min(wanted >>> 0, BUFFER_MAX);
  return Math.max(asked * 2, BUFFER_MIN);
}

/** SOL_NETLINK: groups that nothing is ever sent to, and switches for replies that are not made. */
function netlinkOption(t: Task, s: UnixSocket, a: SyscallArgs, len: number): number {
  if (s.foreign === null) return -EOPNOTSUPP;
  if (a.i32(1) !== SOL_NETLINK) return -ENOPROTOOPT;
  if (len >= 4 && t.mm.readU32(a.ptr(3)) < 0) return -EFAULT;
  const option = a.i32(2);
  return option >= 1 && option <= NETLINK_GET_STRICT_CHK ? 0 : -ENOPROTOOPT;
}

function setsockopt(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const len = a.i32(4);
  if (len < 0) return -EINVAL;
  if (a.i32(1) !== SOL_SOCKET) return netlinkOption(t, s, a, len);
  const option = a.i32(2);
  if (len < 4) return -EINVAL;
  const size = option === SO_RCVTIMEO || option === SO_SNDTIMEO ? TIMEVAL_SIZE : option === SO_LINGER ? 8 : 4;
  if (t.copyInStruct(a.ptr(3), Math.min(size, len)) < 0) return -EFAULT;
  const number = t.kernel.scratchView.getInt32(0, true);
  switch (option) {
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
    case SO_SNDBUF:
    case SO_RCVBUF: {
      const force = option === SO_SNDBUFFORCE || option === SO_RCVBUFFORCE;
      if (force && !t.creds.hasCap(CAP_NET_ADMIN)) return -EPERM;
      const bytes = bufferSize(number, force);
      if (option === SO_SNDBUF || option === SO_SNDBUFFORCE) s.sendBuffer = bytes;
      else s.receiveBuffer = bytes;
      return 0;
    }
    case SO_PASSCRED:
      s.passCred = number !== 0;
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      if (len < TIMEVAL_SIZE) return -EINVAL;
      const ns = timeout(t);
      if (ns < 0) return ns;
      if (option === SO_RCVTIMEO) s.receiveTimeoutNs = ns;
      else s.sendTimeoutNs = ns;
      return 0;
    }
    case SO_LINGER:
      if (len < 8) return -EINVAL;
      if (number !== 0) s.flatOptions.set(SO_LINGER, t.kernel.scratchView.getInt32(4, true));
      else s.flatOptions.delete(SO_LINGER);
      return 0;
    case SO_TYPE:
    case SO_DOMAIN:
    case SO_PROTOCOL:
    case SO_ERROR:
    case SO_ACCEPTCONN:
    case SO_SNDLOWAT:
      return -ENOPROTOOPT;
    case SO_RCVLOWAT:
    case SO_PRIORITY:
      s.flatOptions.set(option, number);
      return 0;
    case SO_DEBUG:
    case SO_REUSEADDR:
    case SO_DONTROUTE:
    case SO_BROADCAST:
    case SO_KEEPALIVE:
    case SO_OOBINLINE:
    case SO_REUSEPORT:
    case SO_TIMESTAMP:
    case SO_PASSSEC:
      s.flatOptions.set(option, number !== 0 ? 1 : 0);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

const NOTE = "SOL_SOCKET of AF_UNIX; SO_RCVLOWAT, SO_PRIORITY and the like are kept without effect";

/** The calls of this file. */
export const SOCKOPT_CALLS: readonly SyscallEntry[] = [
  partial("getsockopt", getsockopt, NOTE),
  partial("setsockopt", setsockopt, NOTE),
];
