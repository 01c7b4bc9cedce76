/**
 * Datagrams on the control socket between the command line and the sandbox: `kind` and up to two unsigned 32-bit
 * arguments, little-endian, 12 bytes.
 */

/** Command line -> sandbox: a signal arrived; a = signal number. */
export const MSG_SIGNAL = 1;
/** Command line -> sandbox: the terminal's size; a = rows, b = columns. */
export const MSG_WINSIZE = 2;
/** Sandbox -> command line: the process table is up; set-up can be finished (old root detached). */
export const MSG_BOOTED = 3;
/** Sandbox -> command line: the guest stopped (Ctrl-Z of the init process): a = signal. */
export const MSG_STOPPED = 4;
/** Command line -> sandbox: the answer to MSG_BOOTED: go on. */
export const MSG_GO = 5;

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
