/**
 * One POSIX message queue: mq_overview(7).
 *
 * Who waits is served directly: a sender hands its message to the longest waiting receiver, a receiver that makes room
 * lets the longest waiting sender's message in. So nobody overtakes by being scheduled earlier.
 */
import { EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";

/** Priorities are below this (MQ_PRIO_MAX). */
export const MQ_PRIO_MAX = 32768;

/** One message. */
export interface MqMessage {
  readonly priority: number;
  readonly data: Uint8Array;
}

/** Who waits; the kernel's Task. */
export interface MqSleeper {
  wake(): void;
}

/** A call that waits, to send `message` or (null) to get one. */
export class MqWaiter {
  readonly sleeper: MqSleeper;
  message: MqMessage | null;
  /** The message was let in, or one was given. */
  done = false;

  constructor(sleeper: MqSleeper, message: MqMessage | null) {
    this.sleeper = sleeper;
    this.message = message;
  }
}

/** A registration by mq_notify(3). */
export interface MqNotification {
  /** Pid of who registered, and its fd table: closing the queue there withdraws the registration. */
  readonly pid: number;
  readonly owner: object;
  /** How it is told: SIGEV_*, and the signal. */
  readonly kind: number;
  readonly signo: number;
  /** A message came into the empty queue, from process `pid` of user `uid`. */
  fire(pid: number, uid: number): void;
  /** The registration is withdrawn. */
  cancelled(): void;
}

/** See the header. */
export class MessageQueue {
  readonly maxMessages: number;
  readonly maxSize: number;
  /** Highest priority first, then oldest first. */
  private readonly messages: MqMessage[] = [];
  private readonly senders: MqWaiter[] = [];
  private readonly receivers: MqWaiter[] = [];
  readonly waitQueue: WaitQueue = new WaitQueue();
  notification: MqNotification | null = null;

  constructor(maxMessages: number, maxSize: number) {
    this.maxMessages = maxMessages;
    this.maxSize = maxSize;
  }

  get count(): number {
    return this.messages.length;
  }

  get isFull(): boolean {
    return this.messages.length >= this.maxMessages;
  }

  /** Bytes of all messages. */
  get bytes(): number {
    let n = 0;
    for (const m of this.messages) n += m.data.length;
    return n;
  }

  get readiness(): number {
    return (this.messages.length > 0 ? EV_IN | EV_RDNORM : 0) | (this.isFull ? 0 : EV_OUT | EV_WRNORM);
  }

  /** Precondition: not full, or somebody waits to receive. `pid`, `uid`: of the sender. */
  send(m: MqMessage, pid: number, uid: number): void {
    const r = this.receivers.shift();
    if (r !== undefined) {
      r.message = m;
      r.done = true;
      r.sleeper.wake();
      return;
    }
    this.insert(m);
    const n = this.notification;
    if (this.messages.length === 1 && n !== null) {
      this.notification = null;
      n.fire(pid, uid);
    }
    this.waitQueue.notify(EV_IN | EV_RDNORM);
  }

  private insert(m: MqMessage): void {
    const list = this.messages;
    let at = list.length;
    while (at > 0 && list[at - 1]!.priority < m.priority) at--;
    list.splice(at, 0, m);
  }

  /** The next message, or null. */
  receive(): MqMessage | null {
    const m = this.messages.shift();
    if (m === undefined) return null;
    const s = this.senders.shift();
    if (s !== undefined) {
      this.insert(s.message!);
      s.done = true;
      s.sleeper.wake();
    }
    this.waitQueue.notify(EV_OUT | EV_WRNORM);
    return m;
  }

  waitToSend(w: MqWaiter): void {
    this.senders.push(w);
  }

  waitToReceive(w: MqWaiter): void {
    this.receivers.push(w);
  }

  /** The wait ends without success. */
  leave(w: MqWaiter): void {
    for (const list of [this.senders, this.receivers]) {
      const i = list.indexOf(w);
      if (i >= 0) list.splice(i, 1);
    }
  }

  /** Withdraws the registration made through the fd table `owner`. */
  unregister(owner: object): void {
    const n = this.notification;
    if (n === null || n.owner !== owner) return;
    this.notification = null;
    n.cancelled();
  }
}
