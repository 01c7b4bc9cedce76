/**
 * Files in messages that nobody has received yet: unix(7), SCM_RIGHTS.
 *
 * Sockets in each other's messages, or in their own, hold each other when nobody else does. As in Linux such are looked for
 * soon after a socket has gone while others are under way, and their messages are thrown away.
 */
import { UserCounts } from "../../limits/user-counts.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { freePackets } from "./packet.ts";
import type { Packet, PacketQueue } from "./packet.ts";

/** A socket that can be under way itself, and has messages with files. */
export interface Carrier extends FileDescription {
  /** What waits at it, and at connections that it has not accepted. */
  readonly carrying: readonly PacketQueue[];
}

/** See the file's comment. */
export class InFlight {
  /** Files that were sent and not received yet, by the sending user. */
  readonly users: UserCounts = new UserCounts();
  /** Sockets among them. */
  private readonly sockets: Set<Carrier> = new Set();
  private readonly soon: (collect: () => void) => void;
  private isDue = false;

  /** `soon` calls what it is given a bit later. */
  constructor(soon: (collect: () => void) => void) {
    this.soon = soon;
  }

  /** `socket` was sent, maybe once more. */
  add(socket: Carrier): void {
    this.sockets.add(socket);
  }

  /** No message has `socket` any more. */
  remove(socket: Carrier): void {
    this.sockets.delete(socket);
  }

  /** A socket has gone. */
  released(): void {
    if (this.sockets.size === 0 || this.isDue) return;
    this.isDue = true;
    this.soon(() => {
      this.isDue = false;
      this.collect();
    });
  }

  /** Throws away the messages, those without files as well, of sockets that only such messages hold. */
  private collect(): void {
    const lost: Packet[] = [];
    for (const socket of this.unreachable()) for (const queue of socket.carrying) lost.push(...queue.takeAll());
    freePackets(lost);
  }

  /** The sockets under way that nobody can get hold of. */
  private unreachable(): Set<Carrier> {
    // Those that nothing but messages holds, and how many references are in each other's messages.
    const left = new Map<Carrier, number>();
    for (const socket of this.sockets) if (socket.refs === socket.inFlight) left.set(socket, 0);
    const each = (socket: Carrier, fn: (held: Carrier, count: number) => void): void => {
      const look = (packet: Packet): void => {
        for (const file of packet.rights!) {
          const count = left.get(file as Carrier);
          if (count !== undefined) fn(file as Carrier, count);
        }
      };
      for (const queue of socket.carrying) queue.forEachCarrying(look);
    };
    for (const socket of left.keys()) each(socket, (held, count) => left.set(held, count + 1));
    // Those in messages of others can be received, and so can what they have.
    const found: Carrier[] = [];
    for (const [socket, count] of left) if (count < socket.refs) found.push(socket);
    for (const socket of found) left.delete(socket);
    for (let socket = found.pop(); socket !== undefined; socket = found.pop()) {
      each(socket, (held) => {
        left.delete(held);
        found.push(held);
      });
    }
    return new Set(left.keys());
  }
}
