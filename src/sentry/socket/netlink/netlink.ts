/** AF_NETLINK sockets to the kernel: netlink(7). Only NETLINK_ROUTE; nobody sends between processes, nothing is multicast. */
import { EADDRINUSE, EAGAIN, ECONNREFUSED, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP } from "../../../abi/errno.ts";
import { NETLINK_ROUTE, SOCKADDR_NL_SIZE } from "../../../abi/netlink.ts";
import { AF_NETLINK, AF_UNSPEC, MSG_PEEK, MSG_TRUNC } from "../../../abi/socket.ts";
import { EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { ReceiveInfo } from "../unix/messages.ts";
import { UnixSocket } from "../unix/socket.ts";
import type { SendInfo } from "../unix/messages.ts";
import type { ForeignAddresses } from "../unix/address.ts";
import type { SocketName, UnixNames } from "../unix/address.ts";
import { handleRoute } from "./route.ts";

/** A struct sockaddr_nl. */
export class NetlinkAddress implements SocketName {
  pid: number;
  groups: number;
  constructor(pid: number, groups: number) {
    this.pid = pid;
    this.groups = groups;
  }

  encode(buf: Uint8Array): number {
    const v = new DataView(buf.buffer, buf.byteOffset, SOCKADDR_NL_SIZE);
    v.setUint16(0, AF_NETLINK, true);
    v.setUint16(2, 0, true);
    v.setUint32(4, this.pid, true);
    v.setUint32(8, this.groups, true);
    return SOCKADDR_NL_SIZE;
  }
}

function parse(buf: Uint8Array, len: number): NetlinkAddress | number {
  if (len < SOCKADDR_NL_SIZE) return -EINVAL;
  const v = new DataView(buf.buffer, buf.byteOffset, SOCKADDR_NL_SIZE);
  if (v.getUint16(0, true) !== AF_NETLINK) return -EINVAL;
  return new NetlinkAddress(v.getUint32(4, true), v.getUint32(8, true));
}

/** Addresses in use: one per sandbox. */
export class NetlinkPorts {
  private readonly used: Set<number> = new Set();
  private next = 0xfffff000;

  take(pid: number): boolean {
    if (this.used.has(pid)) return false;
    this.used.add(pid);
    return true;
  }

  /** The process's own number if nobody has it, else one that no process has. */
  autobind(pid: number): number {
    if (this.take(pid)) return pid;
    while (!this.take(this.next)) this.next--;
    return this.next--;
  }

  release(pid: number): void {
    this.used.delete(pid);
  }
}

const THE_KERNEL: NetlinkAddress = new NetlinkAddress(0, 0);
const plain: ReceiveInfo = new ReceiveInfo();

/** See the header. Shares with unix sockets what all sockets have: options, timeouts, readiness, waiting. */
export class NetlinkSocket extends UnixSocket implements ForeignAddresses {
  private readonly ports: NetlinkPorts;
  private readonly own: NetlinkAddress = new NetlinkAddress(0, 0);
  private readonly connected: NetlinkAddress = new NetlinkAddress(0, 0);
  private readonly replies: Uint8Array[] = [];
  private queued = 0;
  /** The maker had CAP_NET_ADMIN. */
  private readonly mayChange: boolean;

  constructor(type: number, names: UnixNames, ports: NetlinkPorts, mayChange: boolean) {
    super(type, names);
    this.ports = ports;
    this.mayChange = mayChange;
  }

  override get foreign(): ForeignAddresses {
    return this;
  }

  get domain(): number {
    return AF_NETLINK;
  }
  get protocol(): number {
    return NETLINK_ROUTE;
  }

  // --- addresses ---

  bindTo(buf: Uint8Array, len: number, pid: number): number {
    const a = parse(buf, len);
    if (typeof a === "number") return a;
    if (this.own.pid !== 0) {
      if (a.pid !== this.own.pid) return -EINVAL;
    } else if (a.pid === 0) {
      this.own.pid = this.ports.autobind(pid);
    } else {
      if (!this.ports.take(a.pid)) return -EADDRINUSE;
      this.own.pid = a.pid;
    }
    this.own.groups = a.groups;
    return 0;
  }

  connectTo(buf: Uint8Array, len: number, pid: number): number {
    if (len < 2) return -EINVAL;
    if (buf[0]! + buf[1]! * 256 === AF_UNSPEC) {
      this.connected.pid = 0;
      this.connected.groups = 0;
      return 0;
    }
    const a = parse(buf, len);
    if (typeof a === "number") return a;
    if (this.own.pid === 0) this.own.pid = this.ports.autobind(pid);
    this.connected.pid = a.pid;
    this.connected.groups = a.groups;
    return 0;
  }

  localName(): SocketName {
    return this.own;
  }

  peerName(): SocketName {
    return this.connected;
  }

  checkTarget(buf: Uint8Array, len: number): number {
    const a = len === 0 ? this.connected : parse(buf, len);
    if (typeof a === "number") return a;
    return a.pid === 0 ? 0 : -ECONNREFUSED;
  }

  // --- data ---

  override send(seq: IoSequence, info: SendInfo): number {
    const len = seq.remaining;
    if (len > this.memory.limit - 32) return -EMSGSIZE;
    if (info.rights !== null) return -EOPNOTSUPP;
    if (this.own.pid === 0) this.own.pid = this.ports.autobind(info.cred.pid);
    const data = new Uint8Array(len);
    seq.read(data, 0, len);
    // A requester that reads nothing gets no more answers.
    if (this.queued > this.receiveBuffer) return -ENOBUFS;
    handleRoute(data, this.own.pid, this.mayChange, (d) => {
      this.replies.push(d);
      this.queued += d.length;
    });
    if (this.replies.length > 0) this.waitQueue().notify(EV_IN | EV_RDNORM);
    return len;
  }

  /** A message of the kernel's own (mq_notify). */
  give(d: Uint8Array): void {
    this.replies.push(d);
    this.queued += d.length;
    this.waitQueue().notify(EV_IN | EV_RDNORM);
  }

  override receive(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
    const d = this.replies[0];
    if (d === undefined) return -EAGAIN;
    const n = Math.min(seq.remaining, d.length);
    seq.write(d, 0, n);
    if (n < d.length) info.flags |= MSG_TRUNC;
    info.from = THE_KERNEL;
    if ((flags & MSG_PEEK) === 0) {
      this.replies.shift();
      this.queued -= d.length;
    }
    return (flags & MSG_TRUNC) !== 0 ? d.length : n;
  }

  override read(seq: IoSequence): number {
    return this.receive(seq, 0, plain);
  }

  override readiness(): number {
    return (this.replies.length > 0 ? EV_IN | EV_RDNORM : 0) | EV_OUT | EV_WRNORM;
  }

  override bytesReadable(): number {
    return this.replies[0]?.length ?? 0;
  }

  override get isConnectionBased(): boolean {
    return false;
  }
  override listen(_backlog: number): number {
    return -EOPNOTSUPP;
  }
  override accept(): number {
    return -EOPNOTSUPP;
  }
  override shutdown(_how: number): number {
    return -EOPNOTSUPP;
  }

  protected override release(): void {
    if (this.own.pid !== 0) this.ports.release(this.own.pid);
    super.release();
  }
}
