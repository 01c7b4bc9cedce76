/**
 * What travels through a unix socket: packets of bytes with their ancillary data, in a queue with a byte limit.
 * Stream sockets use the same queue; neighbouring packets without ancillary data are read as one.
 */
import { WIDE } from "../../../base/wide.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { UnixAddress } from "./address.ts";
import type { Carrier, InFlight } from "./in-flight.ts";

const NO_GROUPS: readonly number[] = [];

/** Sender's identity (SCM_CREDENTIALS). */
export class PeerCred {
  pid = 0;
  uid = 65534;
  gid = 65534;
  /** Supplementary groups: of processes that made sockets, not of messages. */
  groups: readonly number[] = NO_GROUPS;

  set(pid: number, uid: number, gid: number, groups: readonly number[] = NO_GROUPS): void {
    this.pid = pid;
    this.uid = uid;
    this.gid = gid;
    this.groups = groups;
  }
}

/** Whose message it is. */
export interface Sender {
  readonly address: UnixAddress | null;
  /** A packet of its own is gone; the memory that it took. */
  freed(bytes: number): void;
}

function isCarrier(file: FileDescription): file is Carrier {
  return "carrying" in file;
}

/** One message, or a piece of a stream. Owns one reference on each file in `rights`. */
export class Packet {
  data: Uint8Array;
  /** First byte not yet read, and one past the last. */
  start = 0;
  end: number;
  rights: FileDescription[] | null = null;
  /** Where `rights` are counted, as whose. */
  private flight: InFlight | null = null;
  private flightUid = 0;
  readonly cred: PeerCred = new PeerCred();
  /** Credentials were sent explicitly, or either end had SO_PASSCRED. */
  hasCred = false;
  /** When it came, real time, if the receiver wanted to know then; 0: not noted. */
  stampNs: number = WIDE;
  /** Who sent it: receivers are told the address that it is bound to when they read. */
  sender: Sender | null = null;
  /** What it takes of the sender's buffer, bytes. */
  memory = 0;

  constructor(data: Uint8Array, end: number) {
    this.data = data;
    this.end = end;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Sends files along, which count as user `uid`'s until they are taken. */
  carry(rights: FileDescription[], flight: InFlight, uid: number): void {
    this.rights = rights;
    this.flight = flight;
    this.flightUid = uid;
    flight.users.change(uid, rights.length);
    for (const file of rights) if (file.inFlight++ === 0 && isCarrier(file)) flight.add(file);
  }

  /** The files, which are the caller's from now on. */
  takeRights(): FileDescription[] | null {
    const rights = this.rights;
    this.rights = null;
    const flight = this.flight;
    if (rights === null || flight === null) return rights;
    flight.users.change(this.flightUid, -rights.length);
    for (const file of rights) if (--file.inFlight === 0 && isCarrier(file)) flight.remove(file);
    return rights;
  }

  /** Whether bytes of `next` may be read together with this packet's in a stream: the sender must be the same. */
  gluesWith(next: Packet): boolean {
    if (this.hasCred !== next.hasCred) return false;
    if (!this.hasCred) return true;
    return this.cred.pid === next.cred.pid && this.cred.uid === next.cred.uid && this.cred.gid === next.cred.gid;
  }
}

/** Packets are out of their queues: their senders have the memory again, and files that nobody received are closed then. */
export function freePackets(packets: readonly Packet[]): void {
  const lost: FileDescription[] = [];
  for (const p of packets) {
    const rights = p.takeRights();
    if (rights !== null) lost.push(...rights);
    if (p.sender !== null) p.sender.freed(p.memory);
  }
  for (const file of lost) file.decRef();
}

/** FIFO of packets: an array with a moving head, compacted now and then. */
export class PacketQueue {
  private packets: (Packet | undefined)[] = [];
  private head = 0;
  /** Unread bytes. */
  bytes = 0;
  /** See urgent.ts: the byte that can be received with MSG_OOB, and whether there ever was one. */
  urgent: Packet | null = null;
  hasMarks = false;

  get count(): number {
    return this.packets.length - this.head;
  }

  /** The i-th unread packet. */
  at(i: number): Packet | undefined {
    return this.packets[this.head + i];
  }

  push(p: Packet): void {
    this.packets.push(p);
    this.bytes += p.length;
  }

  /** `n` bytes of the first packet were read. */
  consume(n: number): void {
    const p = this.packets[this.head];
    if (p !== undefined) this.consumeOf(p, n);
  }

  /** `n` bytes of a packet of this queue were read. */
  consumeOf(p: Packet, n: number): void {
    p.start += n;
    this.bytes -= n;
  }

  /** Removes the first packet with whatever is left of it. */
  shift(): void {
    const p = this.packets[this.head];
    if (p === undefined) return;
    this.bytes -= p.length;
    this.packets[this.head++] = undefined;
    if (this.head === this.packets.length) {
      this.packets.length = 0;
      this.head = 0;
    } else if (this.head >= 64 && this.head * 2 >= this.packets.length) {
      this.packets.splice(0, this.head);
      this.head = 0;
    }
    if (p.rights !== null) freePackets([p]);
    else if (p.sender !== null) p.sender.freed(p.memory);
  }

  /** Calls `fn` for each packet with files. */
  forEachCarrying(fn: (packet: Packet) => void): void {
    for (let i = this.head; i < this.packets.length; i++) if (this.packets[i]!.rights !== null) fn(this.packets[i]!);
  }

  /** Takes all packets out. */
  takeAll(): Packet[] {
    const all = this.packets.slice(this.head) as Packet[];
    this.packets.length = 0;
    this.head = 0;
    this.bytes = 0;
    this.urgent = null;
    return all;
  }

  /** Throws everything away. */
  clear(): void {
    if (this.count > 0) freePackets(this.takeAll());
  }
}
