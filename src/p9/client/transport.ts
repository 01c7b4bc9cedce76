/** How a client reaches its server. */

/**
 * A connection on which one request at a time is under way. Everything is synchronous: `request` returns when the reply
 * is there.
 */
export interface Transport {
  /** Where replies are put; its length bounds the message size that the client offers. */
  readonly reply: Uint8Array;
  /**
   * Sends the message in `buf[0, len)` and waits for one whole reply message, put at the start of {@link reply}. Returns
   * the reply's length, or -errno: then the connection is of no more use. File descriptors of an earlier reply that
   * nobody took are closed.
   */
  request(buf: Uint8Array, len: number): number;
  /** The host fd that came with the last reply, now the caller's; -1 when there is none. */
  takeFd(): number;
  /**
   * Requests may go through shared memory: `size` bytes of host fd `fd`, which is taken over; `connection` is what the
   * server calls this connection there. 0 or -errno. Not there: this transport has no use for it.
   */
  useChannel?(fd: number, size: number, connection: number): number;
  /** Ends the connection. */
  close(): void;
}
