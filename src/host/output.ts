/** Our processes' words to their user: whole, at once, and without Node's streams, which need its event loop. */
import { EAGAIN, EINTR } from "../abi/errno.ts";
import { POLLOUT } from "../abi/poll.ts";
import { linuxHost } from "./linux.unsafe.ts";

/** Writes all of it, waiting where the descriptor does not; gives up when nobody can be told. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  const host = linuxHost();
  for (let at = 0; at < bytes.length;) {
    const n = host.write(fd, bytes, at, bytes.length - at);
    if (n === -EAGAIN) host.poll(Int32Array.of(fd, POLLOUT, 0), 1, -1);
    else if (n > 0) at += n;
    else if (n !== -EINTR) return;
  }
}

/** To standard output. */
export function print(text: string): void {
  writeAll(1, Buffer.from(text, "utf8"));
}

/** To standard error. */
export function complain(text: string): void {
  writeAll(2, Buffer.from(text, "utf8"));
}
