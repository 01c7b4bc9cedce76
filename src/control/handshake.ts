/** The start of a process that the command line set up: say that all code is loaded, wait until the host's root is gone. */
import type { Host } from "../host/host.ts";
import { encodeMessage, messageField, MSG_BOOTED, MSG_GO, MSG_SIZE } from "./messages.ts";

/** Returns false when the command line has gone away instead. */
export function awaitGo(host: Host, controlFd: number): boolean {
  const buf = new Uint8Array(MSG_SIZE);
  encodeMessage(buf, MSG_BOOTED, 0, 0);
  if (host.write(controlFd, buf, 0, MSG_SIZE) !== MSG_SIZE) return false;
  return host.read(controlFd, buf, 0, MSG_SIZE) === MSG_SIZE && messageField(buf, 0) === MSG_GO;
}
