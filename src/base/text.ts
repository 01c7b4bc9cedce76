/** Bytes to strings: one char per byte (latin1), as names and paths are everywhere inside. */

/** buf[from .. to) as a string. The range must lie in the buffer. */
export function latin1(buf: Uint8Array, from: number, to: number): string {
  let s = "";
  let i = from;
  for (; i + 8 <= to; i += 8) {
    s += String.fromCharCode(
      buf[i]!,
      buf[i + 1]!,
      buf[i + 2]!,
      buf[i + 3]!,
      buf[i + 4]!,
      buf[i + 5]!,
      buf[i + 6]!,
      buf[i + 7]!,
    );
  }
  if (i + 4 <= to) {
    s += String.fromCharCode(buf[i]!, buf[i + 1]!, buf[i + 2]!, buf[i + 3]!);
    i += 4;
  }
  if (i + 2 <= to) {
    s += String.fromCharCode(buf[i]!, buf[i + 1]!);
    i += 2;
  }
  return i < to ? s + String.fromCharCode(buf[i]!) : s;
}

/**
 * Short strings that were read lately. Programs ask for the same names again and again; a string that is there already has its
 * hash too, and nobody has to put it together. By a hash of the bytes; a slot holds the last one.
 */
export class KnownStrings {
  readonly #longest: number;
  readonly #mask: number;
  readonly #bytes: Uint8Array;
  readonly #texts: string[];

  /** `slots`: a power of 2. `longest`: most bytes of a string. */
  constructor(slots: number, longest: number) {
    this.#longest = longest;
    this.#mask = slots - 1;
    this.#bytes = new Uint8Array(slots * longest);
    this.#texts = new Array<string>(slots).fill("");
  }

  /** buf[from .. to), at most `longest` bytes with that hash ({@link hashByte}), as a string. @hot */
  get(buf: Uint8Array, from: number, to: number, hash: number): string {
    const bytes = this.#bytes;
    const slot = (hash ^ (hash >>> 9) ^ (hash >>> 18)) & this.#mask;
    const base = slot * this.#longest - from;
    const text = this.#texts[slot]!;
    let i = from;
    if (text.length === to - from) {
      while (i < to && buf[i] === bytes[base + i]) i++;
      if (i === to) return text;
    }
    // Somebody else may write meanwhile: what is compared later is what the string was made of.
    for (i = from; i < to; i++) bytes[base + i] = buf[i]!;
    return (this.#texts[slot] = latin1(bytes, base + from, base + to));
  }
}

/** One byte more in a hash for {@link KnownStrings}, which begins with 0. @hot */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}
