/** The command line's words to its user: whole, at once, and without Node's streams, which need its event loop. */
import { EAGAIN, EINTR } from "../../abi/errno.ts";
import { POLLOUT } from "../../abi/poll.ts";
import { linuxHost } from "../../host/linux.unsafe.ts";

function writeAll(fd: number, text: string): void {
  const host = linuxHost();
  const bytes = Buffer.from(text, "utf8");
  for (let at = 0; at < bytes.length;) {
    const n = host.write(fd, bytes, at, bytes.length - at);
    if (n === -EAGAIN) host.poll(Int32Array.of(fd, POLLOUT, 0), 1, -1);
    else if (n > 0) at += n;
    else if (n !== -EINTR) return; // nobody can be told
  }
}

/** To standard output. */
export function print(text: string): void {
  writeAll(1, text);
}

/** To standard error. */
export function complain(text: string): void {
  writeAll(2, text);
}
