/** unix(7) addresses: unnamed, path names, and the abstract name space. */
import { AF_UNIX, SOCKADDR_UN_SIZE } from "../../../abi/socket.ts";
import { EINVAL } from "../../../abi/errno.ts";
import { InFlight } from "./in-flight.ts";
import type { PeerCred } from "./packet.ts";
import type { UnixSocket } from "./socket.ts";

/** The name of a socket, as getsockname(2) and recvfrom(2) give it. */
export interface SocketName {
  /** Writes the sockaddr into `buf` and returns its true length. */
  encode(buf: Uint8Array): number;
}

/** A bound address. `path` is latin1; abstract names are without their leading NUL. */
export class UnixAddress implements SocketName {
  readonly isAbstract: boolean;
  readonly path: string;
  constructor(isAbstract: boolean, path: string) {
    this.isAbstract = isAbstract;
    this.path = path;
  }

  /** Writes a struct sockaddr_un into `buf` and returns its true length. */
  encode(buf: Uint8Array): number {
    buf[0] = AF_UNIX;
    buf[1] = 0;
    const at = this.isAbstract ? 3 : 2;
    if (this.isAbstract) buf[2] = 0;
    for (let i = 0; i < this.path.length; i++) buf[at + i] = this.path.charCodeAt(i);
    const end = at + this.path.length;
    if (this.isAbstract) return end;
    buf[end] = 0;
    return end + 1;
  }
}

/**
 * Parses a sockaddr_un of `len` bytes. Returns null for an unnamed one (autobind), -EINVAL when malformed. The path of
 * a named one ends at its first NUL.
 */
export function parseUnixAddress(buf: Uint8Array, len: number): UnixAddress | null | number {
  if (len < 2 || len > SOCKADDR_UN_SIZE) return -EINVAL;
  if (buf[0]! + buf[1]! * 256 !== AF_UNIX) return -EINVAL;
  if (len === 2) return null;
  if (buf[2] === 0) {
    let name = "";
    for (let i = 3; i < len; i++) name += String.fromCharCode(buf[i]!);
    return new UnixAddress(true, name);
  }
  let path = "";
  for (let i = 2; i < len && buf[i] !== 0; i++) path += String.fromCharCode(buf[i]!);
  return new UnixAddress(false, path);
}

/** Each type of sockets has abstract names of its own. */
function keyOf(type: number, name: string): string {
  return `${type} ${name}`;
}

/** Sockets by type and abstract name, and by the object of the inode they are bound to. */
export class UnixNames {
  private readonly abstract: Map<string, UnixSocket> = new Map();
  private readonly byInode: WeakMap<object, UnixSocket> = new WeakMap();
  private nextAuto = 0;
  /** Files that were sent and not received yet. */
  readonly inFlight: InFlight;
  /** Most datagrams but one at a socket (net.unix.max_dgram_qlen); counts for those made afterwards. */
  datagramsMax = 10;
  /** For time stamps of messages. */
  readonly realtimeNs: () => number;
  /** Fills in who runs the system call that sends. */
  readonly caller: (cred: PeerCred) => void;

  /** `soon`: see {@link InFlight}. */
  constructor(realtimeNs: () => number, caller: (cred: PeerCred) => void, soon: (collect: () => void) => void) {
    this.realtimeNs = realtimeNs;
    this.caller = caller;
    this.inFlight = new InFlight(soon);
  }

  bindAbstract(name: string, socket: UnixSocket): boolean {
    const key = keyOf(socket.type, name);
    if (this.abstract.has(key)) return false;
    this.abstract.set(key, socket);
    return true;
  }

  /** A free five-digit hexadecimal name, as autobind gives. */
  autoName(type: number): string {
    for (;;) {
      const name = (this.nextAuto++ & 0xfffff).toString(16).padStart(5, "0");
      if (!this.abstract.has(keyOf(type, name))) return name;
    }
  }

  releaseAbstract(name: string, socket: UnixSocket): void {
    const key = keyOf(socket.type, name);
    if (this.abstract.get(key) === socket) this.abstract.delete(key);
  }

  findAbstract(type: number, name: string): UnixSocket | undefined {
    return this.abstract.get(keyOf(type, name));
  }

  bindInode(inode: object, socket: UnixSocket): void {
    this.byInode.set(inode, socket);
  }

  releaseInode(inode: object, socket: UnixSocket): void {
    if (this.byInode.get(inode) === socket) this.byInode.delete(inode);
  }

  findInode(inode: object): UnixSocket | undefined {
    return this.byInode.get(inode);
  }
}

/** What a socket of another family, built on this class, does with addresses. Results: 0 or -errno. */
export interface ForeignAddresses {
  readonly domain: number;
  readonly protocol: number;
  /** bind(2) to the sockaddr in `buf`, for process `pid`. */
  bindTo(buf: Uint8Array, len: number, pid: number): number;
  connectTo(buf: Uint8Array, len: number, pid: number): number;
  localName(): SocketName;
  peerName(): SocketName;
  /** Whether a message may go to the sockaddr in `buf` (`len` 0: where it is connected to). */
  checkTarget(buf: Uint8Array, len: number): number;
}
