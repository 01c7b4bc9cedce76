/** A connection over a socket that can pass file descriptors (AF_UNIX, SOCK_STREAM or SOCK_SEQPACKET), or over any stream. */
import { EAGAIN, ECONNRESET, EINTR, EMSGSIZE } from "../../abi/errno.ts";
import { DEFAULT_MSIZE } from "../wire/constants.ts";
import type { Transport } from "./transport.ts";

/** The host calls that a {@link SocketTransport} makes; `src/host/host.ts` has them with these shapes. */
export interface SocketHost {
  /** Bytes sent or -errno. */
  sendmsg(fd: number, buf: Uint8Array, off: number, len: number, fds: readonly number[], flags: number): number;
  /** Bytes received, 0 at the end, or -errno; received fds go to fdsOut from 0, their count to its last element. */
  recvmsg(fd: number, buf: Uint8Array, off: number, len: number, fdsOut: Int32Array, flags: number): number;
  close(fd: number): number;
}

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const FDS_MAX = 64;
const NO_FDS: readonly number[] = [];
/** Tries of a receive that does not wait, before one that does: a busy server answers within them (about 20 us). */
const SPIN_TRIES = 40;

export class SocketTransport implements Transport {
  readonly reply: Uint8Array;
  readonly fd: number;
  readonly #host: SocketHost;
  readonly #fds: Int32Array = new Int32Array(FDS_MAX + 1);
  #fd = -1;

  /** Takes over `fd`, a blocking socket. */
  constructor(host: SocketHost, fd: number, msize: number = DEFAULT_MSIZE) {
    this.#host = host;
    this.fd = fd;
    this.reply = new Uint8Array(msize);
  }

  request(buf: Uint8Array, len: number): number {
    this.#dropFd();
    for (let sent = 0; sent < len;) {
      const n = this.#host.sendmsg(this.fd, buf, sent, len - sent, NO_FDS, MSG_NOSIGNAL);
      if (n > 0) sent += n;
      else if (n !== -EINTR) return n < 0 ? n : -ECONNRESET;
    }
    const { reply } = this;
    let tries = 0;
    let have = 0;
    let size = 4;
    while (have < size) {
      // The whole buffer: a packet that is cut short would be lost.
      const flags = tries < SPIN_TRIES ? MSG_DONTWAIT : 0;
      const n = this.#host.recvmsg(this.fd, reply, have, reply.length - have, this.#fds, flags);
      if (n === -EAGAIN || n === -EINTR) {
        tries++;
        continue;
      }
      if (n <= 0) return n < 0 ? n : -ECONNRESET;
      this.#keepFds();
      have += n;
      if (have >= 4) size = (reply[0]! | (reply[1]! << 8) | (reply[2]! << 16) | (reply[3]! << 24)) >>> 0;
      if (size < 7 || size > reply.length) return -EMSGSIZE;
    }
    // One request, one reply: more bytes are nobody's.
    return have === size ? have : -EMSGSIZE;
  }

  takeFd(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  close(): void {
    this.#dropFd();
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
