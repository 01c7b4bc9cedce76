import { NAME_MAX } from "../wire/constants.ts";

const SLASH = 47;
const DOT = 46;

/** Whether a name from a server may be shown: one component, not too long. */
export function isName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.length > NAME_MAX) return false;
  return !name.includes("/") && !name.includes("\0");
}

/** {@link isName} of the `len` bytes at `at`. */
export function isNameAt(buf: Uint8Array, at: number, len: number): boolean {
  if (len === 0 || len > NAME_MAX) return false;
  if (len <= 2 && buf[at] === DOT && (len === 1 || buf[at + 1] === DOT)) return false;
  for (let i = at, end = at + len; i < end; i++) if (buf[i] === SLASH || buf[i] === 0) return false;
  return true;
}
