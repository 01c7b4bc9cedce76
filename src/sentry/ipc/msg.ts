/**
 * Message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
 *
 * A receiver that waits is handed its message by the sender, in the order in which receivers came. Senders that wait for
 * room try again in order when some was made.
 */
import { E2BIG, EIDRM } from "../../abi/errno.ts";
import { MSQID_DS_SIZE } from "../../abi/ipc.ts";
import type { Credentials } from "../auth/credentials.ts";
import { columns, IpcObject, IpcRegistry, putLongs } from "./registry.ts";
import type { IpcEnv } from "./ipc.ts";

/** /proc/sys/kernel/msgmax, msgmnb, msgmni. */
export const MSGMAX = 8192;
export const MSGMNB = 16384;
export const MSGMNI = 32000;

/** Bytes that all queues together may hold in the Sentry, and what a message counts besides its text; beyond: ENOMEM. */
const HELD_MAX = 128 * 1024 * 1024;
const MESSAGE_OVERHEAD = 256;

/** How msgrcv chooses. */
export const SEARCH_ANY = 0;
export const SEARCH_EQUAL = 1;
export const SEARCH_NOTEQUAL = 2;
export const SEARCH_LESSEQUAL = 3;
/** MSG_COPY: by number. */
export const SEARCH_NUMBER = 4;

/** One message. */
export interface Message {
  readonly type: number;
  readonly text: Uint8Array;
}

/** Who waits; the kernel's Task. */
export interface MsgSleeper {
  wake(): void;
}

/** A msgrcv that waits. */
export class MsgReceiver {
  readonly sleeper: MsgSleeper;
  readonly search: number;
  readonly type: number;
  readonly maxSize: number;
  readonly noError: boolean;
  readonly pid: number;
  /** What it got: a message, or -errno. */
  result: Message | number | null = null;

  constructor(sleeper: MsgSleeper, search: number, type: number, maxSize: number, noError: boolean, pid: number) {
    this.sleeper = sleeper;
    this.search = search;
    this.type = type;
    this.maxSize = maxSize;
    this.noError = noError;
    this.pid = pid;
  }
}

function matches(m: Message, search: number, type: number): boolean {
  switch (search) {
    case SEARCH_EQUAL:
      return m.type === type;
    case SEARCH_NOTEQUAL:
      return m.type !== type;
    case SEARCH_LESSEQUAL:
      return m.type <= type;
    default:
      return true;
  }
}

/** See the header. */
export class MsgQueue extends IpcObject {
  private readonly messages: Message[] = [];
  bytes = 0;
  maxBytes: number = MSGMNB;
  stime = 0;
  rtime = 0;
  lspid = 0;
  lrpid = 0;
  private receivers: MsgReceiver[] = [];
  private senders: MsgSleeper[] = [];
  private readonly table: MsgTable;
  private readonly env: IpcEnv;

  constructor(table: MsgTable, key: number, mode: number, creds: Credentials) {
    super(key, mode, creds);
    this.table = table;
    const { env } = table;
    this.env = env;
    this.ctime = env.seconds();
  }

  get count(): number {
    return this.messages.length;
  }

  /** Whether a message of `size` bytes may be queued now. */
  fits(size: number): boolean {
    return this.bytes + size <= this.maxBytes && this.messages.length + 1 <= this.maxBytes;
  }

  /** Whether the Sentry has room for a message of `size` bytes. */
  hasRoom(size: number): boolean {
    return this.table.held + size + MESSAGE_OVERHEAD <= HELD_MAX;
  }

  /** Gives a message to who waits for such a one, or queues it. */
  send(m: Message, pid: number): void {
    this.lspid = pid;
    this.stime = this.env.seconds();
    for (let i = 0; i < this.receivers.length; i++) {
      const r = this.receivers[i]!;
      if (!matches(m, r.search, r.type)) continue;
      this.receivers.splice(i, 1);
      i--;
      if (m.text.length > r.maxSize && !r.noError) {
        r.result = -E2BIG;
        r.sleeper.wake();
        continue;
      }
      this.lrpid = r.pid;
      this.rtime = this.env.seconds();
      r.result = m;
      r.sleeper.wake();
      return;
    }
    this.messages.push(m);
    this.bytes += m.text.length;
    this.table.held += m.text.length + MESSAGE_OVERHEAD;
  }

  /** The message that msgrcv would take, or null. `type` is its number with SEARCH_NUMBER. */
  find(search: number, type: number): Message | null {
    if (search === SEARCH_NUMBER) return this.messages[type] ?? null;
    let best: Message | null = null;
    for (const m of this.messages) {
      if (!matches(m, search, type)) continue;
      if (search !== SEARCH_LESSEQUAL) return m;
      if (best === null || m.type < best.type) best = m;
    }
    return best;
  }

  /** Takes a message off; senders that wait try again. */
  take(m: Message, pid: number): void {
    this.messages.splice(this.messages.indexOf(m), 1);
    this.bytes -= m.text.length;
    this.table.held -= m.text.length + MESSAGE_OVERHEAD;
    this.lrpid = pid;
    this.rtime = this.env.seconds();
    this.wakeSenders();
  }

  waitToSend(s: MsgSleeper): void {
    if (!this.senders.includes(s)) this.senders.push(s);
  }

  stopSending(s: MsgSleeper): void {
    const i = this.senders.indexOf(s);
    if (i >= 0) this.senders.splice(i, 1);
  }

  waitToReceive(r: MsgReceiver): void {
    this.receivers.push(r);
  }

  stopReceiving(r: MsgReceiver): void {
    const i = this.receivers.indexOf(r);
    if (i >= 0) this.receivers.splice(i, 1);
  }

  /** Whether `s` is the first of those that wait to send (or nobody waits). */
  mayGoFirst(s: MsgSleeper): boolean {
    return this.senders.length === 0 || this.senders[0] === s;
  }

  /** Room was made, or the limit raised. */
  wakeSenders(): void {
    for (const s of this.senders) s.wake();
  }

  /** IPC_SET may have changed who may receive: everybody looks again. */
  retryReceivers(): void {
    for (const r of this.receivers) r.sleeper.wake();
  }

  /** IPC_RMID */
  dismantle(): void {
    const { receivers } = this;
    this.receivers = [];
    for (const r of receivers) {
      r.result = -EIDRM;
      r.sleeper.wake();
    }
    this.wakeSenders();
    this.table.held -= this.bytes + this.messages.length * MESSAGE_OVERHEAD;
    this.bytes = 0;
    this.messages.length = 0;
  }

  /** struct msqid64_ds */
  write(v: DataView): void {
    this.writePerm(v, MSQID_DS_SIZE);
    putLongs(v, 48, this.stime, this.rtime, this.ctime, this.bytes, this.messages.length, this.maxBytes);
    v.setInt32(96, this.lspid, true);
    v.setInt32(100, this.lrpid, true);
  }
}

/** All queues. */
export class MsgTable {
  readonly env: IpcEnv;
  readonly ids: IpcRegistry<MsgQueue> = new IpcRegistry(MSGMNI);
  /** What the messages of all queues take. */
  held = 0;

  constructor(env: IpcEnv) {
    this.env = env;
  }

  /** msgget(2): id or -errno. */
  get(key: number, flags: number, creds: Credentials): number {
    const found = this.ids.lookup(key, flags);
    if (typeof found === "number") return found;
    if (found !== undefined) return this.ids.open(found, flags, creds);
    return this.ids.add(new MsgQueue(this, key, flags & 0o777, creds));
  }

  remove(q: MsgQueue): void {
    this.ids.remove(q);
    q.dismantle();
  }

  /** struct msginfo: 32 bytes. `used`: MSG_INFO. */
  writeInfo(v: DataView, used: boolean): void {
    let messages = 0;
    let bytes = 0;
    for (const q of this.ids.list()) {
      messages += q.count;
      bytes += q.bytes;
    }
    const pool = Math.floor((MSGMNI * MSGMNB) / 1024);
    const fields = used
      ? [this.ids.size, messages, MSGMAX, MSGMNB, MSGMNI, 16, bytes]
      : [pool, MSGMNB, MSGMAX, MSGMNB, MSGMNI, 16, MSGMNB];
    for (let i = 0; i < fields.length; i++) v.setInt32(i * 4, fields[i]!, true);
    v.setUint32(28, 0xffff, true);
  }

  /** /proc/sysvipc/msg, without its first line. */
  text(): string {
    let out = "";
    for (const q of this.ids.list()) {
      out += columns(
        [q.key, 10],
        [q.id, 10],
        [` ${(q.mode & 0o7777).toString(8).padStart(4)}`, 4],
        [` ${String(q.bytes).padStart(10)}`, 10],
        [q.count, 10],
        [q.lspid, 5],
        [q.lrpid, 5],
        [q.uid, 5],
        [q.gid, 5],
        [q.cuid, 5],
        [q.cgid, 5],
        [q.stime, 10],
        [q.rtime, 10],
        [q.ctime, 10],
      );
    }
    return out;
  }
}
