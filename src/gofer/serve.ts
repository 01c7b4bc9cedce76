/**
 * The gofer's loop: 9P connections on sockets, served in turn by one thread, with no event loop of Node in the way.
 *
 * Requests on one connection are answered in order. Works on AF_UNIX sockets (stream or seqpacket), where descriptors can
 * be passed along, and for plain 9P on any stream.
 */
import { EAGAIN, ECONNRESET, EINTR } from "../abi/errno.ts";
import { POLLERR, POLLHUP, POLLIN, POLLNVAL } from "../abi/poll.ts";
import { FDS_MAX } from "../host/host.ts";
import type { Host } from "../host/host.ts";
import { P9Server } from "../p9/server/server.ts";
import type { P9ServerOptions } from "../p9/server/server.ts";
import { HEADER_SIZE } from "../p9/wire/constants.ts";
import type { Channel } from "./channel.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const NO_FDS: readonly number[] = [];

/** One connected socket and its server. */
export class Connection {
  readonly fd: number;
  readonly server: P9Server;
  /** A descriptor went with the last reply. */
  hasPassed = false;
  isClosed = false;
  #request: Uint8Array;
  #reply: Uint8Array;
  #have = 0;
  #fdsOut: Int32Array = new Int32Array(FDS_MAX + 1);
  readonly #donated: number[] = [0];

  constructor(host: Host, fd: number, options: P9ServerOptions) {
    this.fd = fd;
    this.server = new P9Server(host, options);
    this.#request = new Uint8Array(options.maxMsize);
    this.#reply = new Uint8Array(options.maxMsize);
  }

  /** Reads what has arrived and answers all whole requests; the next ones may come through `channel`. False: the connection has ended. */
  onReadable(host: Host, channel: Channel | null): boolean {
    const request = this.#request;
    const n = host.recvmsg(this.fd, request, this.#have, request.length - this.#have, this.#fdsOut, MSG_DONTWAIT);
    if (n === -EAGAIN || n === -EINTR) return true;
    if (n <= 0) return false;
    // Clients pass nothing; what comes nevertheless must not stay open.
    for (let i = 0; i < this.#fdsOut[FDS_MAX]!; i++) host.close(this.#fdsOut[i]!);
    this.#have += n;
    while (this.#have >= 4) {
      const size = (request[0]! | (request[1]! << 8) | (request[2]! << 16) | (request[3]! << 24)) >>> 0;
      if (size < HEADER_SIZE || size > request.length) return false;
      if (size > this.#have) break;
      const len = this.server.handle(request, size, this.#reply);
      // Before the reply: the next request may come there.
      channel?.open();
      if (len < 0 || !this.#send(host, len)) return false;
      if (size < this.#have) request.copyWithin(0, size, this.#have);
      this.#have -= size;
    }
    return true;
  }

  /** Answers a request that came through the channel; the reply's length, or -errno. Descriptors go by the socket. */
  answer(host: Host, request: Uint8Array, len: number, reply: Uint8Array): number {
    const n = this.server.handle(request, len, reply);
    this.hasPassed = false;
    if (this.server.donatedFd < 0) return n;
    const failed = n < 0 ? n : host.sendFd(this.fd, this.server.donatedFd);
    this.server.closeDonated();
    this.hasPassed = failed === 0;
    return failed === 0 ? n : -ECONNRESET;
  }

  #send(host: Host, len: number): boolean {
    const { server } = this;
    this.#donated[0] = server.donatedFd;
    let fds = server.donatedFd >= 0 ? this.#donated : NO_FDS;
    let sent = 0;
    while (sent < len) {
      const n = host.sendmsg(this.fd, this.#reply, sent, len - sent, fds, MSG_NOSIGNAL);
      if (n > 0) {
        sent += n;
        // Descriptors go with the first byte, once.
        fds = NO_FDS;
      } else if (n !== -EINTR) break;
    }
    server.closeDonated();
    return sent === len;
  }

  /** Gives up everything the connection holds. */
  close(host: Host): void {
    this.isClosed = true;
    this.server.reset();
    host.close(this.fd);
  }
}

/** Who was not asked for so long rests. */
const REST_MS = 1000;

/** Serves until every connection is closed. */
export function serve(host: Host, connections: readonly Connection[], channel: Channel | null = null): void {
  let live = connections;
  let pollSet = makePollSet(live);
  let isResting = false;
  while (live.length > 0) {
    const ready = host.poll(pollSet, live.length, isResting ? -1 : REST_MS);
    if (ready < 0 && ready !== -EINTR && ready !== -EAGAIN) break;
    // The pages of the program that were used last are more than all else, and the host has them.
    if (ready === 0) host.trim();
    isResting = ready === 0;
    if (ready <= 0) continue;
    let hasEnded = false;
    for (let i = 0; i < live.length; i++) {
      const revents = pollSet[3 * i + 2]!;
      if (revents === 0) continue;
      const connection = live[i]!;
      const isLive = (revents & POLLIN) !== 0 && connection.onReadable(host, haveChannel(live) ? channel : null);
      if (isLive && (revents & (POLLERR | POLLHUP | POLLNVAL)) === 0) continue;
      connection.close(host);
      hasEnded = true;
      pollSet[3 * i] = -1;
    }
    if (hasEnded) {
      live = live.filter((_connection, i) => pollSet[3 * i]! >= 0);
      pollSet = makePollSet(live);
    }
    if (channel !== null && channel.isOpen && !channel.serve(connections)) break;
  }
  for (const connection of live) connection.close(host);
}

/** Whether all use the channel: who waits there does not look at sockets for a while, and would let the others wait. */
function haveChannel(connections: readonly Connection[]): boolean {
  for (const { server } of connections) if (!server.hasChannel) return false;
  return true;
}

function makePollSet(connections: readonly Connection[]): Int32Array {
  const set = new Int32Array(Math.max(1, connections.length * 3));
  for (const [i, connection] of connections.entries()) {
    set[3 * i] = connection.fd;
    set[3 * i + 1] = POLLIN;
  }
  return set;
}
