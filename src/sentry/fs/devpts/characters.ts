/** Kinds of characters in line editing: bytes, as in Latin-1. */

/** Letters and digits of Latin-1, as the kernel's own ctype has them. */
export function isAlnum(c: number): boolean {
  if (c >= 0xc0) return c !== 0xd7 && c !== 0xf7;
  return (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
}

/** In Latin-1. */
export function toUpper(c: number): number {
  return (c >= 97 && c <= 122) || (c >= 0xdf && c !== 0xf7) ? c - 32 : c;
}

/** In Latin-1. */
export function toLower(c: number): number {
  return (c >= 65 && c <= 90) || (c >= 0xc0 && c <= 0xde && c !== 0xd7) ? c + 32 : c;
}

/** Characters without a shape of their own. */
export function isControlCharacter(c: number): boolean {
  return c < 0x20 || c === 0x7f;
}
