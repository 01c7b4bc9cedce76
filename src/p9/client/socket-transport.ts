/** A connection over a socket that can pass file descriptors (AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET), or over any stream. */
import { EAGAIN, ECONNRESET, EINTR, EMSGSIZE, ETIMEDOUT } from "../../abi/errno.ts";
import { POLLERR, POLLHUP, POLLNVAL } from "../../abi/poll.ts";
import { DEFAULT_MSIZE } from "../wire/constants.ts";
import type { Transport } from "./transport.ts";

/** The host calls that a {@link SocketTransport} makes; `src/host/host.ts` has them with these shapes. */
export interface SocketHost {
  /** Bytes sent or -errno. */
  sendmsg(fd: number, buf: Uint8Array, off: number, len: number, fds: readonly number[], flags: number): number;
  /** Bytes received, 0 at the end, or -errno; received fds go to fdsOut from 0, their count to its last element. */
  recvmsg(fd: number, buf: Uint8Array, off: number, len: number, fdsOut: Int32Array, flags: number): number;
  /** Takes the descriptor that comes with one byte; or -errno. */
  recvFd(socket: number): number;
  close(fd: number): number;
  poll(set: Int32Array, n: number, timeoutMs: number): number;
  mapWindow(fd: number, len: number): ArrayBuffer | number;
  unmapWindow(window: ArrayBuffer): number;
  channelRequest(
    memory: Uint8Array,
    connection: number,
    request: Uint8Array,
    len: number,
    reply: Uint8Array,
    waitNs: number,
  ): number;
}

const MSG_NOSIGNAL = 0x4000;
const FDS_MAX = 64;
const NO_FDS: readonly number[] = [];
/** Whoever has not answered for so long might be dead: the connection is looked at. */
const PATIENCE_NS = 1_000_000_000;
/** Word of a channel's memory that says whether a descriptor comes on the socket. */
const CHANNEL_HAS_FD = 2;

export class SocketTransport implements Transport {
  readonly reply: Uint8Array;
  readonly fd: number;
  readonly #host: SocketHost;
  readonly #fds: Int32Array = new Int32Array(FDS_MAX + 1);
  #fd = -1;
  #channel: Uint8Array | null = null;
  #header: Int32Array = new Int32Array(0);
  #connection = 0;
  #pollSet: Int32Array = new Int32Array(3);

  /** Takes over `fd`, a blocking socket. */
  constructor(host: SocketHost, fd: number, msize: number = DEFAULT_MSIZE) {
    this.#host = host;
    this.fd = fd;
    this.reply = new Uint8Array(msize);
  }

  request(buf: Uint8Array, len: number): number {
    this.#dropFd();
    if (this.#channel !== null) {
      const n = this.#throughChannel(this.#channel, buf, len);
      if (n !== -EAGAIN) return n;
    }
    for (let sent = 0; sent < len;) {
      const n = this.#host.sendmsg(this.fd, buf, sent, len - sent, NO_FDS, MSG_NOSIGNAL);
      if (n > 0) sent += n;
      else if (n !== -EINTR) return n < 0 ? n : -ECONNRESET;
    }
    const { reply } = this;
    let have = 0;
    let size = 4;
    while (have < size) {
      // The whole buffer: a packet that is cut short would be lost.
      const n = this.#host.recvmsg(this.fd, reply, have, reply.length - have, this.#fds, 0);
      if (n === -EINTR) continue;
      if (n <= 0) return n < 0 ? n : -ECONNRESET;
      this.#keepFds();
      have += n;
      if (have >= 4) size = (reply[0]! | (reply[1]! << 8) | (reply[2]! << 16) | (reply[3]! << 24)) >>> 0;
      if (size < 7 || size > reply.length) return -EMSGSIZE;
    }
    // One request, one reply: more bytes are nobody's.
    return have === size ? have : -EMSGSIZE;
  }

  useChannel(fd: number, size: number, connection: number): number {
    const window = this.#host.mapWindow(fd, size);
    this.#host.close(fd);
    if (typeof window === "number") return window;
    this.#channel = new Uint8Array(window);
    this.#header = new Int32Array(window, 0, CHANNEL_HAS_FD + 1);
    this.#connection = connection;
    return 0;
  }

  /** The reply's length, or -errno; -EAGAIN: the server listens to the socket only. */
  #throughChannel(memory: Uint8Array, buf: Uint8Array, len: number): number {
    let n = this.#host.channelRequest(memory, this.#connection, buf, len, this.reply, PATIENCE_NS);
    while (n === -ETIMEDOUT) {
      if (!this.#isConnected()) return -ECONNRESET;
      n = this.#host.channelRequest(memory, this.#connection, buf, 0, this.reply, PATIENCE_NS);
    }
    if (n > 0 && this.#header[CHANNEL_HAS_FD] !== 0) {
      const fd = this.#host.recvFd(this.fd);
      if (fd < 0) return fd;
      this.#fd = fd;
    }
    return n;
  }

  #isConnected(): boolean {
    const set = this.#pollSet;
    set[0] = this.fd;
    set[1] = 0;
    set[2] = 0;
    this.#host.poll(set, 1, 0);
    return (set[2]! & (POLLERR | POLLHUP | POLLNVAL)) === 0;
  }

  takeFd(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  close(): void {
    this.#dropFd();
    if (this.#channel !== null) this.#host.unmapWindow(this.#channel.buffer as ArrayBuffer);
    this.#channel = null;
    this.#host.close(this.fd);
  }

  /** Keeps the first fd that came; no reply has a second. */
  #keepFds(): void {
    const count = this.#fds[FDS_MAX]!;
    for (let i = 0; i < count; i++) {
      if (this.#fd < 0) this.#fd = this.#fds[i]!;
      else this.#host.close(this.#fds[i]!);
    }
    this.#fds[FDS_MAX] = 0;
  }

  #dropFd(): void {
    if (this.#fd >= 0) this.#host.close(this.#fd);
    this.#fd = -1;
  }
}
