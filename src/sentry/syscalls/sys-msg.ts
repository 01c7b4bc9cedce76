/** Message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
import { CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  E2BIG,
  EACCES,
  EAGAIN,
  EFAULT,
  EIDRM,
  EINVAL,
  ENOMEM,
  ENOMSG,
  EPERM,
  ERESTARTNOHAND,
} from "../../abi/errno.ts";
import {
  IPC_INFO,
  IPC_NOWAIT,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  MSG_COPY,
  MSG_EXCEPT,
  MSG_INFO,
  MSG_NOERROR,
  MSG_STAT,
  MSG_STAT_ANY,
  MSQID_DS_SIZE,
} from "../../abi/ipc.ts";
import { readI64 } from "../../abi/time.ts";
import {
  MSGMAX,
  MSGMNB,
  MsgReceiver,
  SEARCH_ANY,
  SEARCH_EQUAL,
  SEARCH_LESSEQUAL,
  SEARCH_NOTEQUAL,
  SEARCH_NUMBER,
} from "../ipc/msg.ts";
import type { Message, MsgQueue } from "../ipc/msg.ts";
import { IPC_READ, IPC_WRITE } from "../ipc/registry.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** int msgget(key_t key, int msgflg) */
export function msgget(t: Task, a: SyscallArgs): number {
  return t.kernel.ipc.msg.get(a.i32(0), a.i32(1), t.creds);
}

/** A message that waits to be sent. */
class Sending {
  readonly queue: MsgQueue;
  readonly message: Message;
  constructor(queue: MsgQueue, message: Message) {
    this.queue = queue;
    this.message = message;
  }
}

/** int msgsnd(int msqid, struct msgbuf *msgp, size_t msgsz, int msgflg) */
export function msgsnd(t: Task, a: SyscallArgs): number {
  const flags = a.i32(3);
  if (t.attempt > 0) return trySend(t, t.stateRef as Sending, flags);
  const addr = a.ptr(1);
  const size = a.size(2);
  if (t.mm.readI64(addr) < 0) return -EFAULT;
  const type = t.mm.value;
  const id = a.i32(0);
  if (size > MSGMAX || id < 0 || type < 1) return -EINVAL;
  const text = new Uint8Array(size);
  if (size > 0 && t.mm.copyInExact(addr + 8, text, 0, size) < 0) return -EFAULT;
  const q = t.kernel.ipc.msg.ids.find(id);
  if (typeof q === "number") return q;
  return trySend(t, new Sending(q, { type, text }), flags);
}

function trySend(t: Task, s: Sending, flags: number): number {
  const { queue: q, message } = s;
  if (q.removed) return -EIDRM;
  if (!q.allows(t.creds, IPC_WRITE)) {
    q.stopSending(t);
    return -EACCES;
  }
  if (q.fits(message.text.length) && q.mayGoFirst(t)) {
    q.stopSending(t);
    if (!q.hasRoom(message.text.length)) return -ENOMEM;
    q.send(message, t.group.id);
    // There may be room for more.
    q.wakeSenders();
    return 0;
  }
  if ((flags & IPC_NOWAIT) !== 0) return -EAGAIN;
  q.waitToSend(t);
  t.stateRef = s;
  t.onInterrupted = stopSending;
  return t.block(-ERESTARTNOHAND);
}

function stopSending(t: Task): number {
  const s = t.stateRef as Sending;
  s.queue.stopSending(t);
  s.queue.wakeSenders();
  return -ERESTARTNOHAND;
}

/** A msgrcv that waits, with its queue. */
class Receiving extends MsgReceiver {
  readonly queue: MsgQueue;
  constructor(queue: MsgQueue, t: Task, search: number, type: number, size: number, noError: boolean) {
    super(t, search, type, size, noError, t.group.id);
    this.queue = queue;
  }
}

/** ssize_t msgrcv(int msqid, struct msgbuf *msgp, size_t msgsz, long msgtyp, int msgflg) */
export function msgrcv(t: Task, a: SyscallArgs): number {
  const flags = a.i32(4);
  const size = a.size(2);
  const addr = a.ptr(1);
  const noError = (flags & MSG_NOERROR) !== 0;
  if (t.attempt > 0) return receiveAgain(t, addr, size);
  const id = a.i32(0);
  if (id < 0 || size > Number.MAX_SAFE_INTEGER) return -EINVAL;
  const copy = (flags & MSG_COPY) !== 0;
  if (copy && ((flags & MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0)) return -EINVAL;
  let type = a.i64(3);
  let search = SEARCH_EQUAL;
  if (copy) search = SEARCH_NUMBER;
  else if (type === 0) search = SEARCH_ANY;
  else if (type < 0) {
    search = SEARCH_LESSEQUAL;
    type = -type;
  } else if ((flags & MSG_EXCEPT) !== 0) search = SEARCH_NOTEQUAL;
  const q = t.kernel.ipc.msg.ids.find(id);
  if (typeof q === "number") return q;
  if (!q.allows(t.creds, IPC_READ)) return -EACCES;
  const m = q.find(search, type);
  if (m !== null) {
    if (m.text.length > size && !noError) return -E2BIG;
    // A copy is never a part.
    if (m.text.length > size && copy) return -EINVAL;
    if (!copy) q.take(m, t.group.id);
    return deliver(t, m, addr, size);
  }
  if ((flags & IPC_NOWAIT) !== 0) return -ENOMSG;
  const r = new Receiving(q, t, search, type, size, noError);
  q.waitToReceive(r);
  t.stateRef = r;
  t.onInterrupted = stopReceiving;
  return t.block(-ERESTARTNOHAND);
}

function receiveAgain(t: Task, addr: number, size: number): number {
  const r = t.stateRef as Receiving;
  const { result } = r;
  if (typeof result === "number") return result;
  if (result !== null) return deliver(t, result, addr, size);
  if (!r.queue.allows(t.creds, IPC_READ)) {
    r.queue.stopReceiving(r);
    return -EACCES;
  }
  t.onInterrupted = stopReceiving;
  return t.block(-ERESTARTNOHAND);
}

function stopReceiving(t: Task): number {
  const r = t.stateRef as Receiving;
  r.queue.stopReceiving(r);
  return -ERESTARTNOHAND;
}

/** Copies a message out: bytes of text, or -EFAULT (the message is lost). */
function deliver(t: Task, m: Message, addr: number, size: number): number {
  const n = Math.min(m.text.length, size);
  if (t.mm.writeI64(addr, m.type) < 0) return -EFAULT;
  if (n > 0 && t.mm.copyOutExact(addr + 8, m.text, 0, n) < 0) return -EFAULT;
  return n;
}

/** int msgctl(int msqid, int cmd, struct msqid_ds *buf) */
export function msgctl(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const cmd = a.i32(1);
  const addr = a.ptr(2);
  if (id < 0 || cmd < 0) return -EINVAL;
  const table = t.kernel.ipc.msg;
  const v = t.kernel.scratchView;
  switch (cmd) {
    case IPC_INFO:
    case MSG_INFO:
      table.writeInfo(v, cmd === MSG_INFO);
      return t.copyOutStruct(addr, 32) < 0 ? -EFAULT : table.ids.highestIndex;
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY: {
      const q = cmd === IPC_STAT ? table.ids.find(id) : table.ids.at(id);
      if (typeof q === "number") return q;
      if (cmd !== MSG_STAT_ANY && !q.allows(t.creds, IPC_READ)) return -EACCES;
      q.write(v);
      if (t.copyOutStruct(addr, MSQID_DS_SIZE) < 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : q.id;
    }
    case IPC_SET:
    case IPC_RMID: {
      if (cmd === IPC_SET && t.copyInStruct(addr, MSQID_DS_SIZE) < 0) return -EFAULT;
      const q = table.ids.find(id);
      if (typeof q === "number") return q;
      const denied = q.mayControl(t.creds);
      if (denied < 0) return denied;
      if (cmd === IPC_RMID) {
        table.remove(q);
        return 0;
      }
      const bytes = readI64(v, 88);
      if ((bytes < 0 || bytes > MSGMNB) && !t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
      const err = q.setPerm(v);
      if (err < 0) return err;
      q.maxBytes = bytes < 0 ? Number.MAX_SAFE_INTEGER : bytes;
      q.ctime = table.env.seconds();
      q.retryReceivers();
      q.wakeSenders();
      return 0;
    }
    default:
      return -EINVAL;
  }
}

/** The calls of this file, for the table. */
export const msgSyscalls: readonly SyscallEntry[] = [
  full("msgget", msgget),
  full("msgsnd", msgsnd),
  full("msgrcv", msgrcv),
  full("msgctl", msgctl),
];
