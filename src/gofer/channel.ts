/**
 * The gofer's end of the channel: memory shared with the Sentry, through which requests of all connections come one at a
 * time, without the cost of sockets (native/addon/channel.c). Only after some time without any does the gofer wait for
 * its sockets, where it notices as well that the Sentry has gone.
 */
import { CHANNEL_CONNECTION, CHANNEL_HAS_FD, CHANNEL_HEADER } from "../host/host.ts";
import type { Host } from "../host/host.ts";
import { DEFAULT_MSIZE, HEADER_SIZE } from "../p9/wire/constants.ts";
import type { Connection } from "./serve.ts";

const MFD_ALLOW_SEALING = 2;
/** F_SEAL_SEAL, SHRINK, GROW: nobody can make the other one's accesses fail. */
const SEALS = 1 | 2 | 4;
const PAGE = 4096;
const SIZE: number = Math.ceil((CHANNEL_HEADER + DEFAULT_MSIZE) / PAGE) * PAGE;
/** So long it waits for the next request here. */
const WARM_NS = 50_000_000;

export class Channel {
  /** A request may come: {@link Channel.serve} must be called soon. */
  isOpen = false;
  readonly #host: Host;
  readonly #fd: number;
  readonly #memory: Uint8Array;
  readonly #header: Int32Array;
  readonly #request: Uint8Array = new Uint8Array(DEFAULT_MSIZE);
  readonly #reply: Uint8Array = new Uint8Array(DEFAULT_MSIZE);

  private constructor(host: Host, fd: number, window: ArrayBuffer) {
    this.#host = host;
    this.#fd = fd;
    this.#memory = new Uint8Array(window);
    this.#header = new Int32Array(window, 0, CHANNEL_HEADER / 4);
  }

  /** null: it works without. */
  static create(host: Host): Channel | null {
    const fd = host.memfdCreate("tsvisor-channel", MFD_ALLOW_SEALING);
    if (fd < 0) return null;
    const isSized = host.ftruncate(fd, SIZE) === 0 && host.addSeals(fd, SEALS) === 0;
    const window = isSized ? host.mapWindow(fd, SIZE) : -1;
    if (typeof window !== "number") return new Channel(host, fd, window);
    host.close(fd);
    return null;
  }

  /** What the server of the `connection`-th connection tells its client. */
  forConnection(connection: number): { fd: number; size: number; connection: number } {
    return { fd: this.#fd, size: SIZE, connection };
  }

  open(): void {
    if (!this.isOpen) this.isOpen = this.#host.channelOpen(this.#memory) === 0;
  }

  /** Serves requests until none has come for some time. False: the client does not keep to the rules. */
  serve(connections: readonly Connection[]): boolean {
    const host = this.#host;
    let len = 0;
    for (;;) {
      const n = host.channelNext(this.#memory, this.#reply, len, this.#request, WARM_NS);
      if (n === 0) {
        this.isOpen = false;
        return true;
      }
      const connection = connections[this.#header[CHANNEL_CONNECTION]!];
      if (n < HEADER_SIZE || connection === undefined || connection.isClosed) return false;
      len = connection.answer(host, this.#request, n, this.#reply);
      if (len < 0) return false;
      this.#header[CHANNEL_HAS_FD] = connection.hasPassed ? 1 : 0;
    }
  }
}
