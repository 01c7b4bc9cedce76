/**
 * Unix domain sockets: unix(7), socket(2), socketpair(2). Streams, datagrams and sequenced packets.
 *
 * Every socket has one receive queue; sending appends to the peer's. Calls that would wait give -EAGAIN and the caller
 * waits on `waitQueue()`, except where somebody else's queue is full: on `sendQueue(target)`, or a listener's `roomQueue`.
 * A peer that was closed stays the peer, so that its name can be told and the next call finds out.
 */
import {
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EFAULT,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  EPROTOTYPE,
  ETOOMANYREFS,
} from "../../../abi/errno.ts";
import { O_ASYNC, O_NONBLOCK } from "../../../abi/fcntl.ts";
import {
  MSG_PEEK,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_OOBINLINE,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../../abi/socket.ts";
import {
  EV_ALL,
  EV_ERR,
  EV_HUP,
  EV_IN,
  EV_OUT,
  EV_PRI,
  EV_QUIET,
  EV_RDBAND,
  EV_RDHUP,
  EV_RDNORM,
  EV_WRBAND,
  EV_WRNORM,
  WaitQueue,
} from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { ForeignAddresses, UnixAddress, UnixNames } from "./address.ts";
import { Binding } from "./binding.ts";
import { socketIoctl } from "./ioctl.ts";
import { ReceiveInfo, SendInfo } from "./messages.ts";
import { Packet, PacketQueue, PeerCred } from "./packet.ts";
import { nobody, receivableBytes, receiveMessage, receiveStream } from "./receive.ts";
import { messageMemory, pieceMemory, SendMemory } from "./send-memory.ts";
import { passMark, pushUrgent, receiveUrgent } from "./urgent.ts";

const EV_INPUT = EV_IN | EV_PRI | EV_RDNORM | EV_RDBAND;
const EV_ROOM = EV_OUT | EV_WRNORM | EV_WRBAND;

const plainSend = new SendInfo();
const plainReceive = new ReceiveInfo();

/** See the header. */
export class UnixSocket extends FileDescription {
  readonly type: number;
  readonly names: UnixNames;
  readonly binding: Binding;
  private readonly queue: WaitQueue = new WaitQueue();
  /** Where senders and connecting clients wait for room; readers of this socket are on {@link waitQueue}. */
  readonly roomQueue: WaitQueue = new WaitQueue();
  /** Sockets connected to this one that have found its queue full, and are told when it is not. */
  private readonly waitingForRoom: Set<UnixSocket> = new Set();
  readonly packets: PacketQueue = new PacketQueue();
  peer: UnixSocket | null = null;
  listening = false;
  private backlog = 0;
  /** Most datagrams, but one, that others may have waiting here. */
  private readonly datagrams: number;
  /** Connections not yet accepted: server-side sockets. */
  private readonly incoming: UnixSocket[] = [];
  private readShut = false;
  private writeShut = false;
  private isClosed = false;
  /** ECONNRESET to be told once. */
  private pendingError = 0;
  passCred = false;
  /** The option of SO_TIMESTAMP's kind that was set last, by which messages come with the time; 0: none. */
  stampOption = 0;
  /** What it has sent and nobody has received. */
  readonly memory: SendMemory = new SendMemory();
  /** It was found without room while O_ASYNC was on: a signal tells when there is some. */
  private signalsRoom = false;
  receiveBuffer: number = new SendMemory().limit;
  /** SO_RCVTIMEO, SO_SNDTIMEO in ns; 0 = none. */
  receiveTimeoutNs = 0;
  sendTimeoutNs = 0;
  /** Who made or connected it: SO_PEERCRED of the other side. */
  readonly ownCred: PeerCred = new PeerCred();
  readonly peerCred: PeerCred = new PeerCred();
  /** SO_RCVLOWAT: a receive from a stream that may wait does so until there is as much; see {@link setReceiveLeast}. */
  receiveLeast = 1;
  /** SO_PEEK_OFF: where the next look with MSG_PEEK begins; negative: at the start, always. */
  peekOffset = -1;
  /** Other SOL_SOCKET integer options, which are kept: by option. */
  readonly flatOptions: Map<number, number> = new Map();

  constructor(type: number, names: UnixNames) {
    super();
    this.type = type;
    this.names = names;
    this.binding = new Binding(this, names);
    this.datagrams = names.datagramsMax;
  }

  setReceiveLeast(bytes: number): void {
    this.receiveLeast = bytes;
    if (this.type === SOCK_STREAM) this.readsLeast = bytes;
  }

  /** SO_SNDBUF, bytes. */
  setSendBuffer(bytes: number): void {
    this.memory.limit = bytes;
    this.tellRoom();
  }

  get isConnectionBased(): boolean {
    return this.type !== SOCK_DGRAM;
  }

  /** Null: a unix socket. */
  get foreign(): ForeignAddresses | null {
    return null;
  }

  get address(): UnixAddress | null {
    return this.binding.address;
  }

  // --- connections ---

  /** Joins two fresh sockets (socketpair). */
  static pair(a: UnixSocket, b: UnixSocket): void {
    a.peer = b;
    b.peer = a;
    a.peerCred.set(b.ownCred.pid, b.ownCred.uid, b.ownCred.gid, b.ownCred.groups);
    b.peerCred.set(a.ownCred.pid, a.ownCred.uid, a.ownCred.gid, a.ownCred.groups);
  }

  /** With SO_PASSCRED it gets a name when it connects or sends messages, so that it can be answered. */
  nameSender(): void {
    if (this.passCred && this.address === null && this.foreign === null) this.binding.toAnyName();
  }

  /** listen(2), by {@link ownCred}. */
  listen(backlog: number): number {
    if (!this.isConnectionBased) return -EOPNOTSUPP;
    if (this.address === null || this.isConnected) return -EINVAL;
    const hasMoreRoom = this.listening && backlog > this.backlog;
    this.listening = true;
    this.backlog = backlog;
    // Of a listener SO_PEERCRED tells who listens.
    this.peerCred.set(this.ownCred.pid, this.ownCred.uid, this.ownCred.gid, this.ownCred.groups);
    if (hasMoreRoom) this.roomQueue.notify(EV_ROOM);
    return 0;
  }

  /** connect(2) to the socket that the address led to. -EAGAIN: the backlog is full; wait on its {@link roomQueue}. */
  connect(target: UnixSocket): number {
    if (target.type !== this.type) return -EPROTOTYPE;
    if (!this.isConnectionBased) {
      if (!target.hears(this)) return -EPERM;
      this.leavePeer(target);
      return 0;
    }
    if (!target.listening || target.readShut) return -ECONNREFUSED;
    if (target.incoming.length > target.backlog) return -EAGAIN;
    if (this.listening) return -EINVAL;
    if (this.isConnected) return -EISCONN;
    const server = new UnixSocket(this.type, this.names);
    server.binding.share(target.binding);
    server.ownCred.set(target.ownCred.pid, target.ownCred.uid, target.ownCred.gid, target.ownCred.groups);
    server.passCred = target.passCred;
    UnixSocket.pair(this, server);
    target.incoming.push(server);
    target.queue.notify(EV_INPUT);
    return 0;
  }

  /** Whether this datagram socket takes messages from `other`: connected ones only from where they are connected to. */
  private hears(other: UnixSocket): boolean {
    return this.peer === null || this.peer === other;
  }

  /** Connected, even if the peer has gone since. */
  get isConnected(): boolean {
    return this.peer !== null;
  }

  /** getpeername(2): the peer's name (null: none), also when it has gone; -ENOTCONN. */
  peerAddress(): UnixAddress | null | number {
    return this.peer === null ? -ENOTCONN : this.peer.address;
  }

  /** connect(2) with AF_UNSPEC on a datagram socket. */
  disconnect(): void {
    this.leavePeer(null);
  }

  /** Connects a datagram socket anew. What its old peer had sent is lost, which that is told. */
  private leavePeer(next: UnixSocket | null): void {
    const old = this.peer;
    this.peer = next;
    if (old === null) return;
    old.waitingForRoom.delete(this);
    this.queue.notify(EV_ROOM | EV_QUIET);
    if (old === next || this.packets.count === 0) return;
    this.packets.clear();
    this.tellSenders(EV_ALL);
    if (!old.isClosed && old.peer === this) {
      old.pendingError = ECONNRESET;
      old.queue.notify(EV_ERR);
    }
  }

  /** accept(2): a connected socket (without path yet), or -errno; `mayWait`: the caller waits when it gets -EAGAIN. */
  accept(mayWait: boolean): UnixSocket | number {
    if (!this.listening) return this.isConnectionBased ? -EINVAL : -EOPNOTSUPP;
    const s = this.incoming.shift();
    if (s === undefined) return this.readShut && mayWait ? -EINVAL : -EAGAIN;
    this.roomQueue.notify(EV_ROOM);
    return s;
  }

  // --- room ---

  /** Where a sender waits when `send` gave -EAGAIN. */
  sendQueue(target: UnixSocket | null): WaitQueue {
    const to = target ?? this.peer;
    return to !== null && this.memory.hasRoom ? to.roomQueue : this.queue;
  }

  /** Whether it takes no more datagrams of sockets that it is not connected to itself. */
  private isFullFor(sender: UnixSocket): boolean {
    return this.type === SOCK_DGRAM && this.peer !== sender && this.packets.count > this.datagrams;
  }

  /** There may be room for what this socket sends. */
  private tellRoom(): void {
    if (this.listening || !this.memory.isWritable) return;
    this.queue.notify(this.signalsRoom ? EV_ROOM : EV_ROOM | EV_QUIET);
    this.signalsRoom = false;
  }

  /** There is room in the receive queue. */
  private tellSenders(events: number): void {
    this.roomQueue.notify(events);
    if (this.waitingForRoom.size === 0) return;
    const waiting = [...this.waitingForRoom];
    this.waitingForRoom.clear();
    for (const s of waiting) s.queue.notify(events);
  }

  /** A packet of this socket's, which took so much memory, is gone. */
  freed(bytes: number): void {
    this.memory.used -= bytes;
    this.tellRoom();
  }

  private isWritable(): boolean {
    if (this.listening) return false;
    const isRoom = this.memory.isWritable && !this.waitsForPeer();
    if (!isRoom && this.type !== SOCK_STREAM) this.noteFull();
    return isRoom;
  }

  /** Whether the peer is full; it then tells when it is not. */
  private waitsForPeer(): boolean {
    const to = this.peer;
    if (to === null || !to.isFullFor(this)) return false;
    to.waitingForRoom.add(this);
    return true;
  }

  private noteFull(): void {
    if ((this.statusFlags & O_ASYNC) !== 0) this.signalsRoom = true;
  }

  // --- sending ---

  /** An error that messages wait behind, or not connected, which a socket with connections must be to send: 0 or -errno. */
  connectionError(): number {
    if (this.type === SOCK_SEQPACKET && this.pendingError !== 0) return -this.takeError();
    return this.isConnectionBased && !this.isConnected ? -ENOTCONN : 0;
  }

  /** What send(2) of `len` bytes says before it looks at them, or for whom they are: 0 or -errno. */
  sendError(len: number): number {
    const err = this.connectionError();
    if (err < 0) return err;
    if (this.type !== SOCK_STREAM) {
      this.nameSender();
      if (len > this.memory.limit - 32) return -EMSGSIZE;
    } else if (this.writeShut) return -EPIPE;
    return this.memoryError();
  }

  /** Whether there is memory for something more: 0 or -errno. */
  private memoryError(): number {
    if (this.pendingError !== 0) return -this.takeError();
    if (this.writeShut) return -EPIPE;
    if (this.memory.hasRoom) return 0;
    this.noteFull();
    return -EAGAIN;
  }

  /** A send fails that had memory already: `err`. */
  sendFailed(err: number): number {
    this.tellRoom();
    return err;
  }

  /** Bytes sent to the peer or -errno; -EAGAIN: no room. */
  send(seq: IoSequence, info: SendInfo): number {
    if (this.type === SOCK_STREAM) return this.sendStream(seq, info);
    const err = this.sendError(seq.remaining);
    return err < 0 ? err : this.sendMessage(seq, this.peer, info);
  }

  /** Sends a message, for which {@link sendError} had no objection; `to`: null when it is not connected. Bytes or -errno. */
  sendMessage(seq: IoSequence, to: UnixSocket | null, info: SendInfo): number {
    const err = this.targetError(to, info);
    if (err < 0) return this.sendFailed(err);
    const len = seq.remaining;
    const data = new Uint8Array(len);
    seq.read(data, 0, len);
    const p = this.packet(data, messageMemory(len), to!, info);
    this.load(p, info);
    to!.packets.push(p);
    to!.queue.notify(EV_INPUT);
    return len;
  }

  private targetError(to: UnixSocket | null, info: SendInfo): number {
    if (info.isOverLimit) return -ETOOMANYREFS;
    if (to === null) return -ENOTCONN;
    if (!to.hears(this)) return -EPERM;
    if (to.isClosed) {
      if (this.peer !== to) return -ECONNRESET;
      // Told once; from then on it is not connected.
      this.leavePeer(null);
      return -ECONNREFUSED;
    }
    if (to.readShut) return -EPIPE;
    if (to === this || !to.isFullFor(this)) return 0;
    this.waitsForPeer();
    return -EAGAIN;
  }

  /** Puts the files of `info` into a packet. */
  private load(p: Packet, info: SendInfo): void {
    if (info.rights !== null) p.carry(info.rights, this.names.inFlight, info.uid);
  }

  private sendStream(seq: IoSequence, info: SendInfo): number {
    const to = this.peer;
    if (to === null) return -ENOTCONN;
    if (this.writeShut) return -EPIPE;
    let sent = 0;
    while (seq.remaining > 0) {
      const err = this.memoryError();
      if (err < 0) return sent > 0 ? sent : err;
      if (info.isOverLimit) return this.sendFailed(-ETOOMANYREFS);
      const isUrgent = info.isUrgent && seq.remaining === 1;
      const most = isUrgent || !info.isUrgent ? seq.remaining : seq.remaining - 1;
      const len = Math.min(most, this.memory.pieceSize);
      const data = new Uint8Array(len);
      seq.read(data, 0, len);
      const p = this.packet(data, pieceMemory(len), to, info);
      if (sent === 0) this.load(p, info);
      sent += len;
      if (isUrgent) to.takeUrgent(p);
      else to.packets.push(p);
      to.queue.notify(EV_INPUT);
    }
    return sent;
  }

  /** What is sent at once or not at all, bytes. */
  get pieceSize(): number {
    return this.type === SOCK_STREAM ? this.memory.pieceSize : Infinity;
  }

  private packet(data: Uint8Array, memory: number, to: UnixSocket, info: SendInfo): Packet {
    const p = new Packet(data, data.length);
    p.cred.set(info.cred.pid, info.cred.uid, info.cred.gid);
    p.hasCred = info.explicitCred || this.passCred || to.passCred;
    p.sender = this;
    p.memory = memory;
    this.memory.used += memory;
    if (to.stampOption !== 0) p.stampNs = this.names.realtimeNs();
    return p;
  }

  private takeUrgent(p: Packet): void {
    pushUrgent(this.packets, p);
    this.asyncOwner?.onUrgent();
  }

  // --- receiving ---

  /** Something can be received. */
  get hasPackets(): boolean {
    return !this.listening && this.packets.count > 0;
  }

  /** Bytes received (0: end of file), or -errno. flags: MSG_PEEK, MSG_TRUNC. */
  receive(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
    if (this.isConnectionBased && !this.isConnected) return this.type === SOCK_STREAM ? -EINVAL : -ENOTCONN;
    const { packets } = this;
    const first = packets.hasMarks ? passMark(this, 0, 0, (flags & MSG_PEEK) !== 0) : 0;
    // What has come is read first in a stream; messages wait behind the error.
    if (this.pendingError !== 0 && this.type !== SOCK_STREAM) return -this.takeError();
    if (first >= 0 && packets.at(first) !== undefined) {
      const n =
        this.type === SOCK_STREAM ? receiveStream(this, seq, flags, info) : receiveMessage(this, seq, flags, info);
      if (n !== -EAGAIN && this.type !== SOCK_STREAM) this.tellSenders(EV_ROOM);
      if (n !== -EAGAIN) return n;
    }
    if (this.pendingError !== 0) return -this.takeError();
    if (!this.isConnectionBased || !this.readShut) return -EAGAIN;
    // The end of a stream comes with credentials too, of nobody.
    if (this.type === SOCK_STREAM && this.passCred) info.cred = nobody;
    return 0;
  }

  /** recv(2) with MSG_OOB: 1 or -errno. */
  receiveUrgent(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
    if (this.type === SOCK_SEQPACKET && !this.isConnected) return -ENOTCONN;
    if (this.type !== SOCK_STREAM) return -EOPNOTSUPP;
    return this.isConnected ? receiveUrgent(this.packets, this.isUrgentInline, seq, flags, info) : -EINVAL;
  }

  /** SO_OOBINLINE */
  get isUrgentInline(): boolean {
    return this.flatOptions.get(SO_OOBINLINE) === 1;
  }

  /**
   * Of the `wanted` bytes of a receive only `room` can be put in place: how many it takes, or -EFAULT when the first piece
   * does not fit; a message is lost then.
   */
  receivable(room: number, wanted: number): number {
    if (!this.hasPackets) return room > 0 ? room : -EFAULT;
    const isStream = this.type === SOCK_STREAM;
    const n = receivableBytes(this.packets, isStream, room, wanted);
    if (n < 0 && !isStream) this.tellSenders(EV_ROOM);
    return n;
  }

  /** Nothing more will come to a datagram socket shut for reading: calls that would wait give 0 instead. */
  get endsWaiting(): boolean {
    return this.type === SOCK_DGRAM && this.readShut;
  }

  // --- FileDescription ---

  override waitLimitNs(write: boolean): number {
    return write ? this.sendTimeoutNs : this.receiveTimeoutNs;
  }

  override get takesNoWait(): boolean {
    return true;
  }

  override read(seq: IoSequence): number {
    const n = this.receive(seq, 0, plainReceive);
    // read(2) has nowhere to put files: they are closed.
    if (plainReceive.rights !== null) for (const f of plainReceive.rights) f.decRef();
    return n === -EAGAIN && this.endsWaiting && (this.statusFlags & O_NONBLOCK) === 0 ? 0 : n;
  }

  override write(seq: IoSequence): number {
    plainSend.clear();
    this.names.caller(plainSend.cred);
    return this.send(seq, plainSend);
  }

  override readiness(): number {
    let r = 0;
    if (this.pendingError !== 0) r |= EV_ERR;
    if (this.readShut) r |= EV_IN | EV_RDNORM | EV_RDHUP;
    if (this.readShut && this.writeShut) r |= EV_HUP;
    if (this.packets.count > 0 || this.incoming.length > 0) r |= EV_IN | EV_RDNORM;
    if (this.packets.urgent !== null) r |= EV_PRI;
    if (this.isConnectionBased && !this.isConnected && !this.listening) r |= EV_HUP;
    if (this.isWritable()) r |= EV_ROOM;
    return r;
  }

  override waitQueue(): WaitQueue {
    return this.queue;
  }

  override bytesReadable(): number {
    if (this.listening) return -EINVAL;
    if (this.isConnectionBased) return this.packets.bytes;
    return this.packets.at(0)?.length ?? 0;
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    return socketIoctl(this, ctx, request, arg);
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL;
    this.shut(how !== SHUT_WR, how !== SHUT_RD);
    this.queue.notify(EV_ALL);
    const { peer } = this;
    if (peer === null || !this.isConnectionBased) return 0;
    // The other side sees the mirror image. Only who has nothing more to read is signalled.
    peer.shut(how !== SHUT_RD, how !== SHUT_WR);
    const quiet = how === SHUT_RD ? EV_QUIET : 0;
    const end = how === SHUT_WR ? EV_HUP | EV_ERR : 0;
    peer.queue.notify((EV_ALL & ~EV_QUIET & ~end) | quiet);
    return 0;
  }

  private shut(read: boolean, write: boolean): void {
    if (read) this.readShut = true;
    if (write) this.writeShut = true;
  }

  /** The next call that looks for errors finds this one (a positive errno number). */
  failNext(error: number): void {
    this.pendingError = error;
  }

  /** SO_ERROR: reads and clears. */
  takeError(): number {
    const e = this.pendingError;
    this.pendingError = 0;
    return e;
  }

  protected override release(): void {
    this.close(false);
    this.names.inFlight.released();
  }

  /** `isRefused`: a connection that nobody accepted, whose listener has gone. */
  private close(isRefused: boolean): void {
    this.binding.release();
    this.isClosed = true;
    this.listening = false;
    this.shut(true, true);
    const { peer } = this;
    this.peer = null;
    this.tellSenders(EV_ALL);
    // An empty packet in front is taken for what is left of urgent data that was read.
    const unread = this.packets.count > (this.packets.at(0)?.length === 0 ? 1 : 0);
    if (peer !== null) {
      if (this.isConnectionBased) {
        peer.shut(true, true);
        if (unread || isRefused) peer.pendingError = ECONNRESET;
        peer.queue.notify(EV_ALL & ~EV_QUIET);
      }
      peer.waitingForRoom.delete(this);
    }
    this.packets.clear();
    for (const s of this.incoming) s.close(true);
    this.incoming.length = 0;
  }

  /** See {@link InFlight}. */
  get carrying(): readonly PacketQueue[] {
    return [this.packets, ...this.incoming.map((s) => s.packets)];
  }
}
