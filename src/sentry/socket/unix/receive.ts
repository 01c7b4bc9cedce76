/** Taking messages and bytes of streams out of a receive queue: recv(2), unix(7). */
import { EAGAIN, EFAULT } from "../../../abi/errno.ts";
import { MSG_PEEK, MSG_TRUNC } from "../../../abi/socket.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { ReceiveInfo } from "./messages.ts";
import { PeerCred } from "./packet.ts";
import type { Packet, PacketQueue } from "./packet.ts";
import { passMark } from "./urgent.ts";

/** /proc/sys/kernel/overflowuid and overflowgid. */
const OVERFLOW_ID = 65534;

/** The sender of nothing. */
export const nobody: PeerCred = new PeerCred();
nobody.set(0, 0, 0);
/** The sender of what was sent when neither side asked for credentials: no process, and the overflow ids. */
const unknown: PeerCred = new PeerCred();
unknown.set(0, OVERFLOW_ID, OVERFLOW_ID);

/**
 * How much of the `wanted` bytes of a receive is taken when only `room` can be put in place: whole pieces as they were sent, or
 * -EFAULT when the first does not fit; a message is lost then. Precondition: something has come.
 */
export function receivableBytes(packets: PacketQueue, isStream: boolean, room: number, wanted: number): number {
  let whole = 0;
  for (let i = 0; i < packets.count && whole < wanted; i++) {
    const next = whole + Math.min(packets.at(i)!.length, wanted - whole);
    if (next > room) break;
    whole = next;
    if (!isStream) return room;
  }
  if (whole > 0) return whole;
  if (isStream) return -EFAULT;
  packets.shift();
  return -EFAULT;
}

/** What receiving looks at of a socket. */
export interface Receiver {
  readonly packets: PacketQueue;
  readonly passCred: boolean;
  /** SO_TIMESTAMP or its like; 0: none. */
  readonly stampOption: number;
  /** SO_OOBINLINE */
  readonly isUrgentInline: boolean;
  peekOffset: number;
}

/** SO_PEEK_OFF: `n` bytes were looked at, or taken from the front. */
function movePeekOffset(s: Receiver, peek: boolean, n: number): void {
  if (s.peekOffset < 0) return;
  s.peekOffset = peek ? s.peekOffset + n : Math.max(0, s.peekOffset - n);
}

/**
 * The first message (with MSG_PEEK: the one at the peek offset): its bytes as far as there is room (with MSG_TRUNC, how long it
 * was). -EAGAIN: none lies that far. Precondition: there is one.
 */
export function receiveMessage(s: Receiver, seq: IoSequence, flags: number, info: ReceiveInfo): number {
  const { packets } = s;
  const peek = (flags & MSG_PEEK) !== 0;
  let skip = peek ? Math.max(0, s.peekOffset) : 0;
  let i = 0;
  let p = packets.at(0);
  while (p !== undefined && skip > 0 && skip >= p.length) {
    skip -= p.length;
    p = packets.at(++i);
  }
  if (p === undefined) return -EAGAIN;
  const full = p.length - skip;
  const n = Math.min(seq.remaining, full);
  seq.write(p.data, p.start + skip, n);
  takeAncillary(p, flags, info, s.passCred);
  if (s.stampOption !== 0) info.stampNs = p.stampNs;
  info.from = p.sender?.address ?? null;
  if (n < full) info.flags |= MSG_TRUNC;
  movePeekOffset(s, peek, peek ? n : p.length);
  if (!peek) packets.shift();
  return (flags & MSG_TRUNC) !== 0 ? full : n;
}

/** Bytes of a stream, with MSG_PEEK from the peek offset on; -EAGAIN: none lie that far. Precondition: there are some. */
export function receiveStream(s: Receiver, seq: IoSequence, flags: number, info: ReceiveInfo): number {
  const { packets, passCred } = s;
  const peek = (flags & MSG_PEEK) !== 0;
  let skip = peek ? Math.max(0, s.peekOffset) : 0;
  let done = 0;
  let peeked = packets.hasMarks ? passMark(s, 0, 0, peek) : 0;
  if (peeked < 0) return -EAGAIN;
  let head = packets.at(peeked)!;
  while (skip > 0 && skip >= head.length) {
    skip -= head.length;
    const next = packets.at(++peeked);
    if (next === undefined) return -EAGAIN;
    head = next;
  }
  info.from = head.sender?.address ?? null;
  let p = head;
  do {
    // Reading goes on into a packet with files, and stops behind it.
    takeAncillary(p, flags, info, passCred);
    const n = Math.min(seq.remaining, p.length - skip);
    seq.write(p.data, p.start + skip, n);
    skip = 0;
    done += n;
    if (peek) peeked++;
    else {
      packets.consume(n);
      if (p.length > 0) break;
      packets.shift();
    }
    if (packets.hasMarks) peeked = passMark(s, peeked, done, peek);
    const next = peeked < 0 ? undefined : packets.at(peeked);
    if (info.rights !== null || next === undefined || (passCred && !head.gluesWith(next))) break;
    p = next;
    // Peeking goes on to the next files even when no more bytes are wanted, as Linux's does.
  } while (peek || seq.remaining > 0);
  movePeekOffset(s, peek, done);
  return done;
}

function takeAncillary(p: Packet, flags: number, info: ReceiveInfo, passCred: boolean): void {
  if (passCred) info.cred = p.hasCred ? p.cred : unknown;
  if (p.rights === null) return;
  if ((flags & MSG_PEEK) !== 0) {
    for (const f of p.rights) f.incRef();
    info.rights = p.rights.slice();
  } else {
    info.rights = p.takeRights();
  }
}
