/** What the socket calls share: finding sockets, addresses in and out, waiting, new descriptors. */
import { EAGAIN, EBADF, EFAULT, EINTR, EINVAL, ENOTSOCK, ERESTARTSYS } from "../../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../../abi/fcntl.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCKADDR_STORAGE_SIZE } from "../../abi/socket.ts";
import { S_IFSOCK } from "../../abi/stat.ts";
import type { WaitQueue } from "../../base/waiter.ts";
import type { Task } from "../kernel/task.ts";
import type { SocketName } from "../socket/unix/address.ts";
import { UnixSocket } from "../socket/unix/socket.ts";
import { AnonInode } from "../vfs/anon.ts";
import { FMODE_READ, FMODE_WRITE } from "../vfs/file.ts";
import { fileArg } from "./file-util.ts";

/** A struct sockaddr_storage on its way in or out. */
export const addressBuf: Uint8Array = new Uint8Array(SOCKADDR_STORAGE_SIZE);

/** The socket behind `fd`: -EBADF, -ENOTSOCK. */
export function socketOf(t: Task, fd: number): UnixSocket | number {
  const file = fileArg(t, fd);
  if (file === undefined || file.isPath) return -EBADF;
  return file instanceof UnixSocket ? file : -ENOTSOCK;
}

/** Gives a fresh socket its place on sockfs and its flags (SOCK_NONBLOCK). */
export function attachSocket(t: Task, socket: UnixSocket, flags: number): void {
  const vfs = t.kernel.vfs;
  const ino = vfs.newIno();
  const inode = new AnonInode(vfs.sockfs, ino, S_IFSOCK | 0o777, t.creds.fsuid, t.creds.fsgid);
  const status = O_RDWR | ((flags & SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0);
  vfs.sockfs.attach(socket, vfs.sockfs.newPath(`socket:[${ino}]`, inode), status, FMODE_READ | FMODE_WRITE);
}

/** A new, unconnected socket owned by the task. */
export function newUnixSocket(t: Task, type: number, flags: number): UnixSocket {
  const socket = new UnixSocket(type, t.kernel.unixNames);
  socket.ownCred.set(t.group.id, t.creds.euid, t.creds.egid, t.creds.groups);
  attachSocket(t, socket, flags);
  return socket;
}

/** Puts a socket into the fd table (taking over the reference). fd or -EMFILE. */
export function installSocket(t: Task, socket: UnixSocket, flags: number): number {
  return t.fds.alloc(socket, 0, (flags & SOCK_CLOEXEC) !== 0);
}

/** Copies a sockaddr of `len` bytes into addressBuf. 0, -EINVAL, -EFAULT. */
export function addressIn(t: Task, addr: number, len: number): number {
  if (len < 0 || len > SOCKADDR_STORAGE_SIZE) return -EINVAL;
  if (len === 0) return 0;
  return t.mm.copyInExact(addr, addressBuf, 0, len);
}

/**
 * Writes a socket's address (null: unnamed) to `addr`, as much as the length at `lenAddr` allows, and its true length to
 * `lenAddr`. 0, -EFAULT, -EINVAL.
 */
export function addressOut(t: Task, address: SocketName | null, addr: number, lenAddr: number): number {
  const room = t.mm.readU32(lenAddr);
  if (room < 0) return -EFAULT;
  if ((room | 0) < 0) return -EINVAL;
  const len = encodeAddress(address);
  const n = Math.min(len, room);
  if (n > 0 && t.mm.copyOutExact(addr, addressBuf, 0, n) < 0) return -EFAULT;
  return t.mm.writeU32(lenAddr, len);
}

/** The sockaddr_un of an address in addressBuf; its length. */
export function encodeAddress(address: SocketName | null): number {
  if (address !== null) return address.encode(addressBuf);
  addressBuf[0] = AF_UNIX;
  addressBuf[1] = 0;
  return 2;
}

/**
 * The socket could not go on: -EAGAIN for non-blocking callers and after the socket's timeout (ns, 0 = none), else waits
 * for `mask` on `queue`.
 */
export function waitSocket(
  t: Task,
  socket: UnixSocket,
  queue: WaitQueue,
  mask: number,
  timeoutNs: number,
  dontWait: boolean,
): number {
  if (dontWait || (socket.statusFlags & O_NONBLOCK) !== 0 || t.timedOut) return -EAGAIN;
  t.holdFile(socket);
  if (timeoutNs === 0) return t.blockOn(queue, mask, -ERESTARTSYS);
  if (t.deadlineNs === Infinity) t.setDeadline(t.kernel.clock.monotonicNs() + timeoutNs);
  return t.blockOn(queue, mask, -EINTR);
}
