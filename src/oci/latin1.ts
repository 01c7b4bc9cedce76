/** Between Node's UTF-8 strings and the kernel's latin1 strings (one char per byte). */

/** The bytes of a Node string as a latin1 string. */
export function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A latin1 string as Node's file functions and messages want it. */
export function native(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
