/** POSIX message queues: mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2). */
import { CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENAMETOOLONG,
  ERESTARTSYS,
  ETIMEDOUT,
} from "../../abi/errno.ts";
import { O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK } from "../../abi/fcntl.ts";
import { NAME_MAX } from "../../abi/limits.ts";
import { RLIMIT_MSGQUEUE } from "../../abi/resource.ts";
import { S_IALLUGO } from "../../abi/stat.ts";
import { NSIG, SI_MESGQ, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SigInfo } from "../../abi/signal.ts";
import { readI64, writeI64 } from "../../abi/time.ts";
import { MqFile } from "../fs/mqueue/mqueue.ts";
import { MQ_PRIO_MAX, MqWaiter } from "../fs/mqueue/queue.ts";
import type { MessageQueue, MqMessage, MqNotification } from "../fs/mqueue/queue.ts";
import { sendToGroup } from "../kernel/task-signals.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import { NetlinkSocket } from "../socket/netlink/netlink.ts";
import { openAt } from "../vfs/open.ts";
import { unlinkAt } from "../vfs/operations.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { namedPathArg } from "./file-util.ts";

/** sizeof(struct mq_attr): flags, maxmsg, msgsize, curmsgs, four reserved longs. */
const MQ_ATTR_SIZE = 64;
const SIGEVENT_SIZE = 64;
/** mq_notify with SIGEV_THREAD: bytes that go back through the netlink socket; the last one says what happened. */
const COOKIE_SIZE = 32;
const NOTIFY_WOKENUP = 1;
const NOTIFY_REMOVED = 2;

/** The name of a queue, without its slash: the C library has taken that off. */
function nameArg(t: Task, addr: number): string | number {
  const name = namedPathArg(t, addr);
  if (typeof name === "number") return name;
  if (name.includes("/") || name === "." || name === "..") return -EACCES;
  return name.length > NAME_MAX ? -ENAMETOOLONG : name;
}

/** mqd_t mq_open(const char *name, int oflag, mode_t mode, struct mq_attr *attr) */
export function mqOpen(t: Task, a: SyscallArgs): number {
  const flags = a.i32(1);
  const attrAt = a.ptr(3);
  const v = t.kernel.scratchView;
  let attr = null;
  if (attrAt !== 0) {
    if (t.copyInStruct(attrAt, MQ_ATTR_SIZE) < 0) return -EFAULT;
    attr = { maxMessages: readI64(v, 8), maxSize: readI64(v, 16) };
  }
  const name = nameArg(t, a.ptr(0));
  if (typeof name === "number") return name;
  if (!t.fds.canAlloc(1)) return -EMFILE;
  const fs = t.kernel.mqueues;
  const exists = typeof fs.top.dentry.inode!.lookup(name, t.pathContext) !== "number";
  // Both modes at once are refused for queues that exist.
  if (exists && (flags & O_ACCMODE) === O_ACCMODE && (flags & O_EXCL) === 0) return -EINVAL;
  fs.request = {
    attr,
    privileged: t.creds.hasCap(CAP_SYS_RESOURCE),
    limit: t.group.limits.get(RLIMIT_MSGQUEUE),
  };
  let kept = flags & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK);
  // What is there is opened, without open(2)'s doubts about files in directories that everybody may write to.
  if (exists && (flags & O_EXCL) === 0) kept &= ~O_CREAT;
  const file = openAt(t.pathContext, fs.top, name, kept, a.i32(2) & S_IALLUGO);
  fs.request = null;
  return typeof file === "number" ? file : t.fds.alloc(file, 0, true);
}

/** int mq_unlink(const char *name) */
export function mqUnlink(t: Task, a: SyscallArgs): number {
  const name = nameArg(t, a.ptr(0));
  return typeof name === "number" ? name : unlinkAt(t.pathContext, t.kernel.mqueues.top, name);
}

/** The absolute timeout at `addr`, by the real-time clock, becomes the call's deadline. 0 or -errno. */
function armTimeout(t: Task, addr: number): number {
  if (addr === 0) return 0;
  const ns = t.readTimespec(addr);
  if (ns < 0) return ns;
  t.state[0] = ns;
  return 0;
}

function startWaiting(t: Task, timeout: number): void {
  if (timeout === 0) return;
  const { clock } = t.kernel;
  t.setDeadline(clock.monotonicNs() + (t.state[0]! - clock.realtimeNs()));
}

/** A call that waits, with its queue. */
class Waiting extends MqWaiter {
  readonly queue: MessageQueue;
  constructor(queue: MessageQueue, t: Task, message: MqMessage | null) {
    super(t, message);
    this.queue = queue;
  }
}

/** One more attempt of a call that waits: its result, or BLOCKED. */
function waitOn(t: Task, w: Waiting): number {
  if (t.timedOut) {
    w.queue.leave(w);
    return -ETIMEDOUT;
  }
  t.onInterrupted = interrupted;
  return t.block(-ERESTARTSYS);
}

function interrupted(t: Task): number {
  const w = t.stateRef as Waiting;
  w.queue.leave(w);
  return -ERESTARTSYS;
}

/** int mq_timedsend(mqd_t, const char *msg, size_t len, unsigned int prio, const struct timespec *timeout) */
export function mqTimedsend(t: Task, a: SyscallArgs): number {
  if (t.attempt > 0) {
    const w = t.stateRef as Waiting;
    return w.done ? 0 : waitOn(t, w);
  }
  const err = armTimeout(t, a.ptr(4));
  if (err < 0) return err;
  const priority = a.u32(3);
  if (priority >= MQ_PRIO_MAX) return -EINVAL;
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof MqFile) || !file.writable) return -EBADF;
  const q = file.queue;
  const len = a.size(2);
  if (len > q.maxSize) return -EMSGSIZE;
  const data = new Uint8Array(len);
  if (len > 0 && t.mm.copyInExact(a.ptr(1), data, 0, len) < 0) return -EFAULT;
  const m = { priority, data };
  if (!q.isFull) {
    q.send(m, t.group.id, t.creds.ruid);
    return 0;
  }
  if ((file.statusFlags & O_NONBLOCK) !== 0) return -EAGAIN;
  const w = new Waiting(q, t, m);
  q.waitToSend(w);
  t.stateRef = w;
  startWaiting(t, a.ptr(4));
  return waitOn(t, w);
}

/** ssize_t mq_timedreceive(mqd_t, char *msg, size_t len, unsigned int *prio, const struct timespec *timeout) */
export function mqTimedreceive(t: Task, a: SyscallArgs): number {
  if (t.attempt > 0) {
    const w = t.stateRef as Waiting;
    return w.done ? deliver(t, a, w.message!) : waitOn(t, w);
  }
  const err = armTimeout(t, a.ptr(4));
  if (err < 0) return err;
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof MqFile) || !file.readable) return -EBADF;
  const q = file.queue;
  if (a.size(2) < q.maxSize) return -EMSGSIZE;
  const m = q.receive();
  if (m !== null) return deliver(t, a, m);
  if ((file.statusFlags & O_NONBLOCK) !== 0) return -EAGAIN;
  const w = new Waiting(q, t, null);
  q.waitToReceive(w);
  t.stateRef = w;
  startWaiting(t, a.ptr(4));
  return waitOn(t, w);
}

function deliver(t: Task, a: SyscallArgs, m: MqMessage): number {
  const { data } = m;
  if (a.ptr(3) !== 0 && t.mm.writeU32(a.ptr(3), m.priority) < 0) return -EFAULT;
  if (data.length > 0 && t.mm.copyOutExact(a.ptr(1), data, 0, data.length) < 0) return -EFAULT;
  return data.length;
}

/** Tells by a signal (or, SIGEV_NONE, not at all). */
class SignalNotification implements MqNotification {
  readonly kind: number;
  readonly signo: number;
  readonly owner: object;
  private readonly group: ThreadGroup;
  private readonly info: SigInfo;

  constructor(t: Task, kind: number, info: SigInfo) {
    this.owner = t.fds;
    this.group = t.group;
    this.kind = kind;
    this.signo = info.signo;
    this.info = info;
  }

  get pid(): number {
    return this.group.id;
  }

  fire(pid: number, uid: number): void {
    if (this.kind !== SIGEV_SIGNAL) return;
    this.info.pid = pid;
    this.info.uid = uid;
    sendToGroup(this.group, this.info);
  }

  cancelled(): void {}
}

/** Tells through a socket on which a thread of the C library waits (SIGEV_THREAD). */
class SocketNotification implements MqNotification {
  readonly pid: number;
  readonly owner: object;
  readonly kind: number = SIGEV_THREAD;
  readonly signo = 0;
  private readonly socket: NetlinkSocket;
  private readonly cookie: Uint8Array;

  constructor(t: Task, socket: NetlinkSocket, cookie: Uint8Array) {
    this.pid = t.group.id;
    this.owner = t.fds;
    this.socket = socket;
    this.cookie = cookie;
    socket.incRef();
  }

  fire(_pid: number, _uid: number): void {
    this.tell(NOTIFY_WOKENUP);
  }

  cancelled(): void {
    this.tell(NOTIFY_REMOVED);
  }

  private tell(what: number): void {
    this.cookie[COOKIE_SIZE - 1] = what;
    this.socket.give(this.cookie);
    this.socket.decRef();
  }
}

/** int mq_notify(mqd_t, const struct sigevent *notification) */
export function mqNotify(t: Task, a: SyscallArgs): number {
  const at = a.ptr(1);
  let n: MqNotification | null = null;
  if (at !== 0) {
    const made = makeNotification(t, at);
    if (typeof made === "number") return made;
    n = made;
  }
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof MqFile)) return drop(n, -EBADF);
  const q = file.queue;
  if (n === null) {
    q.unregister(t.fds);
    return 0;
  }
  if (q.notification !== null) return drop(n, -EBUSY);
  q.notification = n;
  return 0;
}

function drop(n: MqNotification | null, err: number): number {
  if (n instanceof SocketNotification) n.cancelled();
  return err;
}

function makeNotification(t: Task, at: number): MqNotification | number {
  if (t.copyInStruct(at, SIGEVENT_SIZE) < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const signo = v.getInt32(8, true);
  const kind = v.getInt32(12, true);
  if (kind !== SIGEV_NONE && kind !== SIGEV_SIGNAL && kind !== SIGEV_THREAD) return -EINVAL;
  if (kind === SIGEV_SIGNAL && (signo < 0 || signo > NSIG)) return -EINVAL;
  if (kind !== SIGEV_THREAD) {
    const info = new SigInfo();
    info.signo = signo;
    info.code = SI_MESGQ;
    info.valueLo = v.getUint32(0, true);
    info.valueHi = v.getUint32(4, true);
    return new SignalNotification(t, kind, info);
  }
  const cookieAt = v.getUint32(4, true) * 4294967296 + v.getUint32(0, true);
  const cookie = new Uint8Array(COOKIE_SIZE);
  if (t.mm.copyInExact(cookieAt, cookie, 0, COOKIE_SIZE) < 0) return -EFAULT;
  const socket = t.fds.get(signo);
  if (socket === undefined) return -EBADF;
  return socket instanceof NetlinkSocket ? new SocketNotification(t, socket, cookie) : -EINVAL;
}

/** int mq_getsetattr(mqd_t, const struct mq_attr *new, struct mq_attr *old) */
export function mqGetsetattr(t: Task, a: SyscallArgs): number {
  const v = t.kernel.scratchView;
  const newAt = a.ptr(1);
  let flags = -1;
  if (newAt !== 0) {
    if (t.copyInStruct(newAt, MQ_ATTR_SIZE) < 0) return -EFAULT;
    flags = readI64(v, 0);
    if (flags !== 0 && flags !== O_NONBLOCK) return -EINVAL;
  }
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof MqFile)) return -EBADF;
  const old = file.statusFlags & O_NONBLOCK;
  if (flags >= 0) file.statusFlags = (file.statusFlags & ~O_NONBLOCK) | flags;
  if (a.ptr(2) === 0) return 0;
  const q = file.queue;
  t.kernel.scratch.fill(0, 0, MQ_ATTR_SIZE);
  writeI64(v, 0, old);
  writeI64(v, 8, q.maxMessages);
  writeI64(v, 16, q.maxSize);
  writeI64(v, 24, q.count);
  return t.copyOutStruct(a.ptr(2), MQ_ATTR_SIZE) < 0 ? -EFAULT : 0;
}

/** The calls of this file, for the table. */
export const mqueueSyscalls: readonly SyscallEntry[] = [
  full("mq_open", mqOpen),
  full("mq_unlink", mqUnlink),
  full("mq_timedsend", mqTimedsend),
  full("mq_timedreceive", mqTimedreceive),
  full("mq_notify", mqNotify),
  full("mq_getsetattr", mqGetsetattr),
];
