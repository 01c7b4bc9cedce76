/**
 * Sockets: socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), getsockname(2), shutdown(2). AF_UNIX
 * only; other families answer EAFNOSUPPORT, as a kernel without them does.
 */
import {
  EAFNOSUPPORT,
  EADDRINUSE,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EEXIST,
  EFAULT,
  EINVAL,
  EMFILE,
  EPROTONOSUPPORT,
  EPROTOTYPE,
  ESOCKTNOSUPPORT,
} from "../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../abi/capability.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { NETLINK_ROUTE } from "../../abi/netlink.ts";
import {
  AF_MAX,
  AF_NETLINK,
  AF_UNIX,
  AF_UNSPEC,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOCK_TYPE_MASK,
  SOMAXCONN,
} from "../../abi/socket.ts";
import { S_IALLUGO, S_IFMT, S_IFSOCK } from "../../abi/stat.ts";
import { EV_IN, EV_OUT } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import { parseUnixAddress } from "../socket/unix/address.ts";
import type { UnixAddress } from "../socket/unix/address.ts";
import { NetlinkSocket } from "../socket/netlink/netlink.ts";
import { UnixSocket } from "../socket/unix/socket.ts";
import { MAY_WRITE } from "../vfs/inode.ts";
import { mknodSocket, unlinkAt } from "../vfs/operations.ts";
import { resolvePath, WALK_FOLLOW } from "../vfs/walk.ts";
import { ioFile } from "./file-util.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import {
  addressBuf,
  addressIn,
  addressOut,
  attachSocket,
  installSocket,
  newUnixSocket,
  socketOf,
  waitSocket,
} from "./socket-util.ts";

/** Number of socket types Linux knows (SOCK_MAX). */
const SOCK_MAX = 11;

/** Checks family, type and protocol as __sock_create and unix_create do. The unix socket type, or -errno. */
function checkKind(domain: number, type: number, protocol: number): number {
  if ((type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  if (domain < 0 || domain >= AF_MAX) return -EAFNOSUPPORT;
  const kind = type & SOCK_TYPE_MASK;
  if (kind >= SOCK_MAX) return -EINVAL;
  if (domain !== AF_UNIX) return -EAFNOSUPPORT;
  if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
  if (kind === SOCK_RAW) return SOCK_DGRAM;
  return kind === SOCK_STREAM || kind === SOCK_DGRAM || kind === SOCK_SEQPACKET ? kind : -ESOCKTNOSUPPORT;
}

/** NETLINK_ROUTE, the only protocol. fd or -errno. */
function netlinkSocket(t: Task, type: number, protocol: number): number {
  if ((type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const kind = type & SOCK_TYPE_MASK;
  if (kind >= SOCK_MAX) return -EINVAL;
  if (kind !== SOCK_RAW && kind !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  if (protocol !== NETLINK_ROUTE) return -EPROTONOSUPPORT;
  const k = t.kernel;
  const s = new NetlinkSocket(kind, k.unixNames, k.netlinkPorts, t.creds.hasCap(CAP_NET_ADMIN));
  s.ownCred.set(t.group.id, t.creds.euid, t.creds.egid, t.creds.groups);
  attachSocket(t, s, type);
  return installSocket(t, s, type);
}

function socket(t: Task, a: SyscallArgs): number {
  if (a.i32(0) === AF_NETLINK) return netlinkSocket(t, a.i32(1), a.i32(2));
  const kind = checkKind(a.i32(0), a.i32(1), a.i32(2));
  if (kind < 0) return kind;
  const flags = a.i32(1);
  return installSocket(t, newUnixSocket(t, kind, flags), flags);
}

function socketpair(t: Task, a: SyscallArgs): number {
  const flags = a.i32(1);
  if ((flags & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  if (!t.fds.canAlloc(2)) return -EMFILE;
  // The numbers are written before the sockets are made: a failing call leaves them behind.
  const low = lowestFree(t, 0);
  t.kernel.scratchView.setInt32(0, low, true);
  t.kernel.scratchView.setInt32(4, lowestFree(t, low + 1), true);
  if (t.copyOutStruct(a.ptr(3), 8) < 0) return -EFAULT;
  const kind = checkKind(a.i32(0), flags, a.i32(2));
  if (kind < 0) return kind;
  const first = newUnixSocket(t, kind, flags);
  const second = newUnixSocket(t, kind, flags);
  UnixSocket.pair(first, second);
  installSocket(t, first, flags);
  installSocket(t, second, flags);
  return 0;
}

/** The lowest free fd from `from` on. */
function lowestFree(t: Task, from: number): number {
  let fd = from;
  while (t.fds.get(fd) !== undefined) fd++;
  return fd;
}

function bind(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const len = a.i32(2);
  const err = addressIn(t, a.ptr(1), len);
  if (err < 0) return err;
  if (s.foreign !== null) return s.foreign.bindTo(addressBuf, len, t.group.id);
  const address = parseUnixAddress(addressBuf, len);
  if (typeof address === "number") return address;
  if (address === null) {
    if (s.address !== null) return 0;
    return s.binding.toAnyName();
  }
  if (address.isAbstract) return s.binding.toName(address);
  const own = s.inode === null ? 0o777 : s.inode.mode & S_IALLUGO;
  const made = mknodSocket(t.pathContext, address.path, own & ~t.pathContext.umask);
  if (typeof made === "number") return made === -EEXIST ? -EADDRINUSE : made;
  // Linux looks only now whether the socket has a name already, and takes the node back.
  if (s.address !== null) {
    unlinkAt(t.pathContext, null, address.path);
    return -EINVAL;
  }
  s.binding.toPath(address, made);
  return 0;
}

function listen(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const wanted = a.i32(1);
  s.ownCred.set(t.group.id, t.creds.euid, t.creds.egid, t.creds.groups);
  return s.listen(wanted < 0 || wanted > SOMAXCONN ? SOMAXCONN : wanted);
}

/** The socket of that type bound to an address, or -errno as connect(2) gives it. */
export function findSocket(t: Task, address: UnixAddress, type: number): UnixSocket | number {
  if (address.isAbstract) {
    return t.kernel.unixNames.findAbstract(type, address.path) ?? -ECONNREFUSED;
  }
  const where = resolvePath(t.pathContext, null, address.path, WALK_FOLLOW);
  if (typeof where === "number") return where;
  const inode = where.dentry.inode!;
  const denied = inode.permission(t.creds, MAY_WRITE);
  if (denied < 0) return denied;
  if ((inode.mode & S_IFMT) !== S_IFSOCK) return -ECONNREFUSED;
  const found = t.kernel.unixNames.findInode(inode);
  if (found === undefined) return -ECONNREFUSED;
  return found.type === type ? found : -EPROTOTYPE;
}

function connect(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  const len = a.i32(2);
  const err = addressIn(t, a.ptr(1), len);
  if (err < 0) return err;
  if (s.foreign !== null) return s.foreign.connectTo(addressBuf, len, t.group.id);
  if (len >= 2 && addressBuf[0] === AF_UNSPEC && addressBuf[1] === 0 && s.type === SOCK_DGRAM) {
    s.disconnect();
    return 0;
  }
  const address = parseUnixAddress(addressBuf, len);
  if (typeof address === "number") return address;
  if (address === null) return -EINVAL;
  s.nameSender();
  const target = findSocket(t, address, s.type);
  if (typeof target === "number") return target;
  s.ownCred.set(t.group.id, t.creds.euid, t.creds.egid, t.creds.groups);
  const r = s.connect(target);
  if (r !== -EAGAIN) return r;
  return waitSocket(t, s, target.roomQueue, EV_OUT, s.sendTimeoutNs, false);
}

function acceptWith(t: Task, fd: number, addr: number, lenAddr: number, flags: number): number {
  if (ioFile(t, fd) === undefined) return -EBADF;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  if (!t.fds.canAlloc(1)) return -EMFILE;
  const s = socketOf(t, fd);
  if (typeof s === "number") return s;
  const peer = s.accept((s.statusFlags & O_NONBLOCK) === 0);
  if (typeof peer === "number") {
    if (peer !== -EAGAIN) return peer;
    return waitSocket(t, s, s.waitQueue(), EV_IN, s.receiveTimeoutNs, false);
  }
  attachSocket(t, peer, flags);
  if (addr !== 0) {
    const err = addressOut(t, peer.peer?.address ?? null, addr, lenAddr);
    if (err < 0) {
      peer.decRef();
      return err;
    }
  }
  return installSocket(t, peer, flags);
}

function accept(t: Task, a: SyscallArgs): number {
  return acceptWith(t, a.i32(0), a.ptr(1), a.ptr(2), 0);
}

function accept4(t: Task, a: SyscallArgs): number {
  return acceptWith(t, a.i32(0), a.ptr(1), a.ptr(2), a.i32(3));
}

function getsockname(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  return addressOut(t, s.foreign === null ? s.address : s.foreign.localName(), a.ptr(1), a.ptr(2));
}

function getpeername(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  if (typeof s === "number") return s;
  if (s.foreign !== null) return addressOut(t, s.foreign.peerName(), a.ptr(1), a.ptr(2));
  const name = s.peerAddress();
  return typeof name === "number" ? name : addressOut(t, name, a.ptr(1), a.ptr(2));
}

function shutdown(t: Task, a: SyscallArgs): number {
  const s = socketOf(t, a.i32(0));
  return typeof s === "number" ? s : s.shutdown(a.i32(1));
}

/** The calls of this file. */
export const SOCKET_CALLS: readonly SyscallEntry[] = [
  partial("socket", socket, "AF_UNIX, and AF_NETLINK for questions about the loopback interface"),
  partial("socketpair", socketpair, "AF_UNIX only"),
  full("bind", bind),
  full("listen", listen),
  full("accept", accept),
  full("accept4", accept4),
  full("connect", connect),
  full("getsockname", getsockname),
  full("getpeername", getpeername),
  full("shutdown", shutdown),
];
