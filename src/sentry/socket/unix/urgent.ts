/**
 * Urgent bytes of a stream: send(2) with MSG_OOB, recv(2) with MSG_OOB, sockatmark(3), SO_OOBINLINE.
 *
 * The last byte of such a message is a packet of its own. The latest one can be received with MSG_OOB, which leaves its place
 * empty; a receive ends before it, and the next one passes over it. An older one is like any other byte. With
 * SO_OOBINLINE it comes in its turn, and only there.
 */
import { EINVAL } from "../../../abi/errno.ts";
import { MSG_OOB, MSG_PEEK } from "../../../abi/socket.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { ReceiveInfo } from "./messages.ts";
import type { Packet, PacketQueue } from "./packet.ts";

/** Adds the last byte of a message that was sent with MSG_OOB. */
export function pushUrgent(packets: PacketQueue, p: Packet): void {
  packets.push(p);
  packets.urgent = p;
  packets.hasMarks = true;
}

/** recv(2) with MSG_OOB: 1 or -errno. */
export function receiveUrgent(
  packets: PacketQueue,
  isInline: boolean,
  seq: IoSequence,
  flags: number,
  info: ReceiveInfo,
): number {
  const p = packets.urgent;
  if (p === null || isInline) return -EINVAL;
  seq.write(p.data, p.start, Math.min(seq.remaining, 1));
  info.flags |= MSG_OOB;
  if ((flags & MSG_PEEK) === 0) {
    packets.urgent = null;
    packets.consumeOf(p, 1);
  }
  return 1;
}

/** What the places of urgent bytes depend on. */
interface Marked {
  readonly packets: PacketQueue;
  /** SO_OOBINLINE */
  readonly isUrgentInline: boolean;
}

/**
 * Index of the packet that a receive goes on with, which would have been `at`, after `done` bytes; -1: it ends here. What is
 * passed over is gone, unless it is only looked at.
 */
export function passMark(s: Marked, at: number, done: number, peek: boolean): number {
  const { packets } = s;
  let i = at;
  // The place of one that was received.
  if (packets.at(i)?.length === 0) {
    if (done > 0 && packets.urgent === null) return -1;
    if (peek) i++;
    else packets.shift();
  }
  if (packets.at(i) !== undefined && packets.at(i) === packets.urgent) {
    if (done > 0) return -1;
    if (!peek) packets.urgent = null;
    if (!s.isUrgentInline) {
      if (peek) i++;
      else packets.shift();
    }
  }
  return packets.at(i) === undefined ? -1 : i;
}

/** sockatmark(3): the next byte is the urgent one, or its place is next. */
export function isAtMark(packets: PacketQueue): boolean {
  const { urgent } = packets;
  const first = packets.at(0);
  if (first === undefined) return false;
  return first === urgent || (first.length === 0 && (urgent === null || packets.at(1) === urgent));
}
