/**
 * Datagrams on a control socket between the command line and a process it started (sandbox or gofer): `kind` and up to
 * two unsigned 32-bit arguments, little-endian, 12 bytes.
 */

/** Process -> command line: all code is loaded; set-up can be finished (the host's root detached). */
export const MSG_BOOTED = 1;
/** Command line -> process: set-up is finished, go on. */
export const MSG_GO = 2;
/** Command line -> sandbox: a signal arrived; a is its number. SIGWINCH: read the terminal's size anew. */
export const MSG_SIGNAL = 3;
/** Process -> command line: step a of its set-up failed with errno b. */
export const MSG_FAILED = 4;

export const MSG_SIZE = 12;

/** Writes a message into `buf` (at least MSG_SIZE bytes). */
export function encodeMessage(buf: Uint8Array, kind: number, a: number, b: number): void {
  const view = new DataView(buf.buffer, buf.byteOffset, MSG_SIZE);
  view.setUint32(0, kind, true);
  view.setUint32(4, a, true);
  view.setUint32(8, b, true);
}

/** Field `i` (0 kind, 1 a, 2 b) of a received message. */
export function messageField(buf: Uint8Array, i: number): number {
  return new DataView(buf.buffer, buf.byteOffset, MSG_SIZE).getUint32(i * 4, true);
}
