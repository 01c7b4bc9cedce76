/**
 * Unix domain sockets: unix(7), socket(2), socketpair(2). Streams, datagrams and sequenced packets.
 *
 * Every socket has one receive queue; sending appends to the peer's. Calls that would wait give -EAGAIN and the caller
 * waits on `waitQueue()`, except sending to a datagram peer whose queue is full, where it waits on `sendQueue(peer)`.
 */
import {
  EADDRINUSE,
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
import { O_NONBLOCK } from "../../../abi/fcntl.ts";
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
  EV_ERR,
  EV_HUP,
  EV_IN,
  EV_OUT,
  EV_PRI,
  EV_QUIET,
  EV_RDHUP,
  EV_RDNORM,
  EV_WRBAND,
  EV_WRNORM,
  WaitQueue,
} from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { VfsPath } from "../../vfs/path.ts";
import { UnixAddress } from "./address.ts";
import type { ForeignAddresses, UnixNames } from "./address.ts";
import { socketIoctl } from "./ioctl.ts";
import { ReceiveInfo, SendInfo } from "./messages.ts";
import { Packet, PacketQueue, PeerCred } from "./packet.ts";
import { nobody, receivableBytes, receiveMessage, receiveStream } from "./receive.ts";
import { passMark, pushUrgent, receiveUrgent } from "./urgent.ts";

/** net.core.wmem_default, as SO_SNDBUF reports it. */
const DEFAULT_BUFFER = 212992;
/** Longest piece of a stream kept as one packet: as Linux's, 32 KiB and what of a page is left beside the bookkeeping. */
const STREAM_PIECE = 36544;
/** Most datagrams waiting in a queue (net.unix.max_dgram_qlen). */
const DGRAM_QUEUE = 512;

const plainSend = new SendInfo();
const plainReceive = new ReceiveInfo();

/** See the header. */
export class UnixSocket extends FileDescription {
  readonly type: number;
  private readonly names: UnixNames;
  private readonly queue: WaitQueue = new WaitQueue();
  readonly packets: PacketQueue = new PacketQueue();
  peer: UnixSocket | null = null;
  address: UnixAddress | null = null;
  /** Accepted sockets and connecting clients share their listener's address. */
  private ownsAddress = false;
  /** The file that was made when it, or the listener that it comes from, was bound to a path; one reference. */
  private boundPath: VfsPath | null = null;
  listening = false;
  private backlog = 0;
  /** Connections not yet accepted: server-side sockets. */
  private readonly incoming: UnixSocket[] = [];
  /** Datagram sockets connected to this one. */
  private readonly senders: Set<UnixSocket> = new Set();
  private readShut = false;
  private writeShut = false;
  /** The stream's peer went away (its `peer` pointer is null by then). */
  private peerGone = false;
  /** The name of the peer that went away. */
  private goneAddress: UnixAddress | null = null;
  /** ECONNRESET to be told once. */
  private pendingError = 0;
  passCred = false;
  /** The option of SO_TIMESTAMP's kind that was set last, by which messages come with the time; 0: none. */
  stampOption = 0;
  sendBuffer: number = DEFAULT_BUFFER;
  receiveBuffer: number = DEFAULT_BUFFER;
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
  }

  setReceiveLeast(bytes: number): void {
    this.receiveLeast = bytes;
    if (this.type === SOCK_STREAM) this.readsLeast = bytes;
  }

  get isConnectionBased(): boolean {
    return this.type !== SOCK_DGRAM;
  }

  /** Null: a unix socket. */
  get foreign(): ForeignAddresses | null {
    return null;
  }

  /** Joins two fresh sockets (socketpair). */
  static pair(a: UnixSocket, b: UnixSocket): void {
    a.peer = b;
    b.peer = a;
    a.peerCred.set(b.ownCred.pid, b.ownCred.uid, b.ownCred.gid, b.ownCred.groups);
    b.peerCred.set(a.ownCred.pid, a.ownCred.uid, a.ownCred.gid, a.ownCred.groups);
    if (a.type === SOCK_DGRAM) {
      a.senders.add(b);
      b.senders.add(a);
    }
  }

  // --- names ---

  /** Binds to an abstract name. 0 or -errno. */
  bindAbstract(address: UnixAddress): number {
    if (this.address !== null) return -EINVAL;
    if (!this.names.bindAbstract(address.path, this)) return -EADDRINUSE;
    this.address = address;
    this.ownsAddress = true;
    return 0;
  }

  /** Binds to a free abstract name. 0 or -errno. */
  autobind(): number {
    return this.bindAbstract(new UnixAddress(true, this.names.autoName(this.type)));
  }

  /** With SO_PASSCRED it gets a name when it connects or sends messages, so that it can be answered. */
  nameSender(): void {
    if (this.passCred && this.address === null && this.foreign === null) this.autobind();
  }

  /** Binds to a socket file that the caller just made. */
  bindPath(address: UnixAddress, made: VfsPath): void {
    this.address = address;
    this.boundPath = made;
    made.incRef();
    this.names.bindInode(made.dentry.inode!, this);
  }

  /** listen(2), by {@link ownCred}. */
  listen(backlog: number): number {
    if (!this.isConnectionBased) return -EOPNOTSUPP;
    if (this.address === null) return -EINVAL;
    if (this.peer !== null || this.peerGone) return -EINVAL;
    const hasMoreRoom = this.listening && backlog > this.backlog;
    this.listening = true;
    this.backlog = backlog;
    // Of a listener SO_PEERCRED tells who listens.
    this.peerCred.set(this.ownCred.pid, this.ownCred.uid, this.ownCred.gid, this.ownCred.groups);
    if (hasMoreRoom) this.queue.notify(EV_OUT | EV_WRNORM);
    return 0;
  }

  /**
   * connect(2) to the socket that the address led to. -EAGAIN: the backlog is full; wait on the listener's queue
   * (EV_OUT).
   */
  connect(target: UnixSocket): number {
    if (target.type !== this.type) return -EPROTOTYPE;
    if (!this.isConnectionBased) {
      if (!target.hears(this)) return -EPERM;
      if (this.peer !== target) this.disconnect();
      this.peer = target;
      target.senders.add(this);
      this.queue.notify(EV_OUT | EV_WRNORM);
      return 0;
    }
    if (!target.listening || target.readShut) return -ECONNREFUSED;
    if (target.incoming.length > target.backlog) return -EAGAIN;
    if (this.listening) return -EINVAL;
    if (this.peer !== null || this.peerGone) return -EISCONN;
    const server = new UnixSocket(this.type, this.names);
    server.address = target.address;
    server.boundPath = target.boundPath;
    server.boundPath?.incRef();
    server.ownCred.set(target.ownCred.pid, target.ownCred.uid, target.ownCred.gid, target.ownCred.groups);
    server.passCred = target.passCred;
    UnixSocket.pair(this, server);
    target.incoming.push(server);
    target.queue.notify(EV_IN | EV_RDNORM);
    this.queue.notify(EV_OUT | EV_WRNORM);
    return 0;
  }

  /** Whether this datagram socket takes messages from `other`: connected ones only from where they are connected to. */
  private hears(other: UnixSocket): boolean {
    return this.peer === null ? !this.peerGone : this.peer === other;
  }

  /** getpeername(2): the peer's name (null: none), also when it has gone; -ENOTCONN. */
  peerAddress(): UnixAddress | null | number {
    if (this.peer !== null) return this.peer.address;
    return this.peerGone ? this.goneAddress : -ENOTCONN;
  }

  /** connect(2) with AF_UNSPEC on a datagram socket. What its peer had sent is lost, which the peer is told. */
  disconnect(): void {
    const old = this.peer;
    old?.senders.delete(this);
    const wasConnected = this.isConnected;
    this.peer = null;
    this.peerGone = false;
    if (!wasConnected || this.packets.count === 0) return;
    this.packets.clear();
    this.tellSenders();
    if (old !== null && old.peer === this) {
      old.pendingError = ECONNRESET;
      old.queue.notify(EV_ERR);
    }
  }

  /** accept(2): a connected socket (without path yet), or -errno. */
  accept(): UnixSocket | number {
    if (!this.listening) return this.isConnectionBased ? -EINVAL : -EOPNOTSUPP;
    const s = this.incoming.shift();
    if (s === undefined) return this.readShut ? -EINVAL : -EAGAIN;
    this.queue.notify(EV_OUT | EV_WRNORM);
    return s;
  }

  // --- sending ---

  /** Where a sender waits when `send` gave -EAGAIN. */
  sendQueue(target: UnixSocket | null): WaitQueue {
    return (target ?? this.peer)?.type === SOCK_DGRAM ? (target ?? this.peer)!.queue : this.queue;
  }

  /** Whether `to` has room for a message: what was sent and not received counts against the sender's buffer. */
  private hasRoom(to: UnixSocket, len: number): boolean {
    if (to.type === SOCK_DGRAM && to.packets.count >= DGRAM_QUEUE) return false;
    const before = this.unreceived(to);
    return before === 0 || before + len <= this.sendBuffer;
  }

  /** Whether a sender is told that there is room at `to`: at most a quarter of it is used. */
  private isWritableTo(to: UnixSocket): boolean {
    if (to.type === SOCK_DGRAM && to.packets.count >= DGRAM_QUEUE) return false;
    return 4 * this.unreceived(to) <= this.sendBuffer;
  }

  /** What `to` has not received of this socket's sending; messages take some more than their bytes. */
  private unreceived(to: UnixSocket): number {
    return this.type === SOCK_DGRAM ? to.packets.bytesFrom(this) : to.packets.bytes;
  }

  /** Bytes sent or -errno; -EAGAIN: no room. `target`: datagram destination, null: the connected peer. */
  send(seq: IoSequence, target: UnixSocket | null, info: SendInfo): number {
    const err = this.sendError(seq.remaining);
    if (err < 0) return err;
    const to = target ?? this.peer;
    if (to === null && !this.peerGone) return -ENOTCONN;
    if (to === null) {
      if (this.type !== SOCK_DGRAM) return -EPIPE;
      // Told once; from then on it is not connected.
      this.disconnect();
      return -ECONNREFUSED;
    }
    if (info.isOverLimit && (this.type !== SOCK_STREAM || seq.remaining > 0)) return -ETOOMANYREFS;
    if (this.type === SOCK_DGRAM && !to.hears(this)) return -EPERM;
    if (to.readShut) return -EPIPE;
    if (this.type === SOCK_STREAM) return this.sendStream(seq, to, info);
    const len = seq.remaining;
    if (!this.hasRoom(to, len)) return -EAGAIN;
    const data = new Uint8Array(len);
    seq.read(data, 0, len);
    const p = this.packet(data, len, to, info);
    this.load(p, info);
    to.deliver(p);
    return len;
  }

  /** Puts the files of `info` into a packet. */
  private load(p: Packet, info: SendInfo): void {
    if (info.rights !== null) p.carry(info.rights, this.names.inFlight, info.uid);
  }

  private sendStream(seq: IoSequence, to: UnixSocket, info: SendInfo): number {
    let sent = 0;
    let first = true;
    while (seq.remaining > 0) {
      const room = this.sendBuffer - to.packets.bytes;
      if (room <= 0) break;
      const isUrgent = info.isUrgent && seq.remaining === 1;
      const len = Math.min(info.isUrgent && !isUrgent ? seq.remaining - 1 : seq.remaining, room, STREAM_PIECE);
      const data = new Uint8Array(len);
      seq.read(data, 0, len);
      const p = this.packet(data, len, to, info);
      if (first) this.load(p, info);
      first = false;
      sent += len;
      if (isUrgent) to.takeUrgent(p);
      else to.packets.push(p);
    }
    if (sent > 0) to.queue.notify(EV_IN | EV_RDNORM);
    else if (seq.remaining > 0) return -EAGAIN;
    return sent;
  }

  /** What is sent at once or not at all, bytes. */
  get pieceSize(): number {
    return this.type === SOCK_STREAM ? STREAM_PIECE : Infinity;
  }

  /** Connected, even if the peer has gone since. */
  get isConnected(): boolean {
    return this.peer !== null || this.peerGone;
  }

  /** Something can be received. */
  get hasPackets(): boolean {
    return !this.listening && this.packets.count > 0;
  }

  /** An error that messages wait behind, or not connected, which a socket with connections must be to send: 0 or -errno. */
  connectionError(): number {
    if (this.type === SOCK_SEQPACKET && this.pendingError !== 0) return -this.takeError();
    return this.isConnectionBased && !this.isConnected ? -ENOTCONN : 0;
  }

  /** What send(2) of `len` bytes says before it looks at them: 0 or -errno. */
  sendError(len: number): number {
    const err = this.connectionError();
    if (err < 0) return err;
    if (this.type !== SOCK_STREAM && len > this.sendBuffer - 32) return -EMSGSIZE;
    if (this.type === SOCK_DGRAM && this.pendingError !== 0) return -this.takeError();
    return this.writeShut || (this.peer === null && this.isConnectionBased) ? -EPIPE : 0;
  }

  private packet(data: Uint8Array, len: number, to: UnixSocket, info: SendInfo): Packet {
    const p = new Packet(data, len);
    p.cred.set(info.cred.pid, info.cred.uid, info.cred.gid);
    p.hasCred = info.explicitCred || this.passCred || to.passCred;
    p.sender = this;
    if (to.stampOption !== 0) p.stampNs = this.names.realtimeNs();
    return p;
  }

  private takeUrgent(p: Packet): void {
    pushUrgent(this.packets, p);
    this.queue.notify(EV_PRI);
    this.asyncOwner?.onUrgent();
  }

  private deliver(p: Packet): void {
    this.packets.push(p);
    this.queue.notify(EV_IN | EV_RDNORM);
  }

  // --- receiving ---

  /** Bytes received (0: end of file), or -errno. flags: MSG_PEEK, MSG_TRUNC. */
  receive(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
    if (this.listening) return this.type === SOCK_STREAM ? -EINVAL : -ENOTCONN;
    const { packets } = this;
    const first = packets.hasMarks ? passMark(this, 0, 0, (flags & MSG_PEEK) !== 0) : 0;
    const p = first < 0 ? undefined : packets.at(first);
    // What has come is read first in a stream; messages wait behind the error.
    if (this.pendingError !== 0 && (p === undefined || this.type !== SOCK_STREAM)) return -this.takeError();
    if (p === undefined) {
      if (this.isConnectionBased && this.peer === null && !this.peerGone) {
        return this.type === SOCK_STREAM ? -EINVAL : -ENOTCONN;
      }
      if (!this.isConnectionBased || !(this.readShut || this.peerGone)) return -EAGAIN;
      // The end of a stream comes with credentials too, of nobody.
      if (this.type === SOCK_STREAM && this.passCred) info.cred = nobody;
      return 0;
    }
    const isStream = this.type === SOCK_STREAM;
    const n = isStream ? receiveStream(this, seq, flags, info) : receiveMessage(this, seq, flags, info);
    if (n === -EAGAIN) return n;
    if ((flags & MSG_PEEK) === 0 && (n > 0 || !isStream)) this.tellSenders();
    return n;
  }

  /** recv(2) with MSG_OOB: 1 or -errno. */
  receiveUrgent(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
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
    if (n < 0 && !isStream) this.tellSenders();
    return n;
  }

  /** Nothing more will come to a datagram socket shut for reading: calls that would wait give 0 instead. */
  get endsWaiting(): boolean {
    return this.type === SOCK_DGRAM && this.readShut;
  }

  /** Room came up in the receive queue. */
  private tellSenders(): void {
    if (this.type === SOCK_DGRAM) {
      this.queue.notify(EV_OUT | EV_WRNORM);
      for (const s of this.senders) s.queue.notify(EV_OUT | EV_WRNORM);
    } else {
      this.peer?.queue.notify(EV_OUT | EV_WRNORM);
    }
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
    plainSend.cred.set(this.ownCred.pid, this.ownCred.uid, this.ownCred.gid);
    if (this.type !== SOCK_STREAM) this.nameSender();
    return this.send(seq, null, plainSend);
  }

  override readiness(): number {
    let r = 0;
    if (this.listening) {
      const shut = this.readShut ? EV_IN | EV_RDNORM | EV_RDHUP : 0;
      return this.incoming.length > 0 ? EV_IN | EV_RDNORM | shut : shut;
    }
    if (this.pendingError !== 0) r |= EV_ERR;
    const readEnd =
      this.readShut || (this.isConnectionBased && (this.peerGone || (this.peer !== null && this.peer.writeShut)));
    if (this.packets.count > 0 || readEnd) r |= EV_IN | EV_RDNORM;
    if (this.packets.urgent !== null) r |= EV_PRI;
    if (readEnd) r |= EV_RDHUP;
    if (this.readShut && this.writeShut) r |= EV_HUP;
    if (this.isConnectionBased) {
      if (this.peerGone) r |= EV_HUP;
      if (this.peer === null && !this.peerGone) r |= EV_HUP;
    }
    const to = this.peer;
    if (to === null || this.writeShut || this.isWritableTo(to)) r |= EV_OUT | EV_WRNORM | EV_WRBAND;
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

  /** Bytes sent that the peer has not received (SIOCOUTQ). */
  get unsent(): number {
    return this.peer === null ? 0 : this.unreceived(this.peer);
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL;
    if (this.listening) {
      if (how !== SHUT_WR) this.readShut = true;
      this.queue.notify(EV_IN | EV_HUP | EV_RDHUP);
      return 0;
    }
    const peer = this.peer;
    if (how !== SHUT_WR) this.readShut = true;
    if (how !== SHUT_RD) this.writeShut = true;
    if (peer !== null && this.isConnectionBased) {
      // The other side sees the mirror image.
      if (how !== SHUT_RD) peer.readShut = true;
      if (how !== SHUT_WR) peer.writeShut = true;
      // Only who has nothing more to read is signalled.
      const quiet = how === SHUT_RD ? EV_QUIET : 0;
      peer.queue.notify(EV_IN | EV_OUT | EV_RDHUP | (how === SHUT_RDWR ? EV_HUP : 0) | quiet);
    }
    this.queue.notify(EV_IN | EV_OUT | EV_RDHUP | (how === SHUT_RDWR ? EV_HUP : 0) | EV_QUIET);
    return 0;
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
    if (this.ownsAddress && this.address !== null && this.address.isAbstract) {
      this.names.releaseAbstract(this.address.path, this);
    }
    this.leavePath();
    // An empty packet in front is taken for what is left of urgent data that was read.
    const unread = this.packets.count > (this.packets.at(0)?.length === 0 ? 1 : 0);
    this.packets.clear();
    for (const s of this.incoming) s.abandon();
    this.incoming.length = 0;
    this.listening = false;
    this.readShut = true;
    const peer = this.peer;
    this.peer = null;
    if (peer !== null && peer.peer === this && this.isConnectionBased) {
      peer.peer = null;
      peer.peerGone = true;
      peer.goneAddress = this.address;
      if (unread) peer.pendingError = ECONNRESET;
      peer.queue.notify(EV_IN | EV_OUT | EV_HUP | EV_RDHUP | (unread ? EV_ERR : 0));
    }
    peer?.senders.delete(this);
    for (const s of this.senders) {
      if (s.peer === this) {
        s.peer = null;
        s.peerGone = true;
        s.goneAddress = this.address;
        s.queue.notify(EV_OUT | EV_ERR);
      }
    }
    this.senders.clear();
    this.names.inFlight.released();
  }

  private leavePath(): void {
    const bound = this.boundPath;
    if (bound === null) return;
    this.boundPath = null;
    this.names.releaseInode(bound.dentry.inode!, this);
    bound.decRef();
  }

  /** See {@link InFlight}. */
  get carrying(): readonly PacketQueue[] {
    return [this.packets, ...this.incoming.map((s) => s.packets)];
  }

  /** A connection that nobody accepted: its listener is gone. */
  private abandon(): void {
    this.leavePath();
    const client = this.peer;
    this.peer = null;
    if (client !== null) {
      client.peer = null;
      client.peerGone = true;
      client.goneAddress = this.address;
      client.pendingError = ECONNRESET;
      client.queue.notify(EV_IN | EV_OUT | EV_HUP | EV_ERR);
    }
    this.packets.clear();
  }
}
