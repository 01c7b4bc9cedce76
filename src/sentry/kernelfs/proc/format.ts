/** How numbers and names look in /proc. */

/** A 64-bit mask given as two unsigned halves: 16 hexadecimal digits (signal sets, capability sets). */
export function hex64(hi: number, lo: number): string {
  return hex(hi >>> 0, 8) + hex(lo >>> 0, 8);
}

/** At least `width` hexadecimal digits. */
export function hex(n: number, width: number): string {
  return n.toString(16).padStart(width, "0");
}

/** `n` right-aligned in `width`. */
export function right(n: number | string, width: number): string {
  return String(n).padStart(width);
}

/** `s` left-aligned in `width`. */
export function left(s: string | number, width: number): string {
  return String(s).padEnd(width);
}

/** "Name:          1234 kB" as in /proc/meminfo: the name with its colon in 16 columns, the number in 8. */
export function kbLine(name: string, bytes: number): string {
  return `${left(`${name}:`, 16)}${right(Math.floor(bytes / 1024), 8)} kB\n`;
}

/** USER_HZ: what "clock ticks" in /proc are, ns per tick. */
const TICK_NS = 1e7;

/** ns as clock ticks (1/100 s). */
export function ticks(ns: number): number {
  return Math.floor(ns / TICK_NS);
}

/** A set of CPUs 0 .. count-1 as the kernel prints masks: groups of 32 bits, the first one short ("3", "ff,ffffffff"). */
export function cpuMask(count: number, words: Uint32Array | null): string {
  const groups: string[] = [];
  for (let g = 0; g * 32 < count; g++) {
    const bits = Math.min(32, count - g * 32);
    const all = bits === 32 ? 0xffffffff : 2 ** bits - 1;
    const word = words === null ? all : ((words[g] ?? 0) & all) >>> 0;
    groups.unshift(hex(word, Math.ceil(bits / 4)));
  }
  return groups.join(",");
}

/** The same as a list of ranges ("0-3,5"); "" for the empty set. */
export function cpuList(count: number, words: Uint32Array | null): string {
  const parts: string[] = [];
  let start = -1;
  for (let i = 0; i <= count; i++) {
    const on = i < count && (words === null || (((words[i >>> 5] ?? 0) >>> (i & 31)) & 1) !== 0);
    if (on && start < 0) start = i;
    else if (!on && start >= 0) {
      parts.push(i - 1 === start ? String(start) : `${start}-${i - 1}`);
      start = -1;
    }
  }
  return parts.join(",");
}

/** Replaces each of the characters `special` by a backslash and three octal digits (seq_escape). */
export function escapeOctal(s: string, special: string): string {
  let out = "";
  for (let i = 0; i < s.length; i++) {
    const c = s[i]!;
    out += special.includes(c) ? `\\${s.charCodeAt(i).toString(8).padStart(3, "0")}` : c;
  }
  return out;
}

/**
 * The number at the start of what somebody wrote to a control file: decimal, octal (0...) or hexadecimal (0x...), with
 * optional sign and white space around it. NaN when it is none or when other text follows.
 */
export function parseNumber(text: string): number {
  const m = /^[\s\0]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)[\s\0]*$/.exec(text);
  if (m === null) return Number.NaN;
  const digits = m[2]!;
  const value =
    digits.length > 1 && digits[0] === "0" && digits[1] !== "x" && digits[1] !== "X"
      ? Number.parseInt(digits, 8)
      : Number(digits);
  return m[1] === "-" ? -value : value;
}

/** A limit or size in which Infinity stands for RLIM_INFINITY. */
export function u64Text(n: number): string {
  return n === Infinity ? "18446744073709551615" : String(n);
}
