/**
 * The kernel's own access to guest memory: the same translation as the guest's, with the same faults. Memory files are
 * touched through their window; pages of host files are read and written with file calls (a mapping of them in the Sentry
 * could be truncated under it).
 */
import { EFAULT, ENAMETOOLONG } from "../../abi/errno.ts";
import { PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { KnownStrings, hashByte, latin1 } from "../../base/text.ts";
import { copyBytes } from "../usermem/io.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { faultIn } from "./fault.ts";
import type { MemoryManager } from "./mm.ts";
import { isPatched, type Pma } from "./vma.ts";

const TWO32 = 4294967296;
/** For values that lie in a host file or across two PMAs. */
export const small: Uint8Array = new Uint8Array(16);
const smallView = new DataView(small.buffer);
/** Of a string in a host file so much is read at a time, first and then. */
const STRING_BEGIN = 48;
const STRING_CHUNK = 1024;
/** Longest read that may make a page one that is read often. */
const SMALL_READ = 1024;
const chars = new Uint8Array(STRING_CHUNK);

/**
 * The PMA in which the byte at addr can be read (written), after a fault if need be; null: it cannot. `wish`: how many
 * bytes will be used. @hot
 */
export function locate(mm: MemoryManager, addr: number, write: boolean, wish: number): Pma | null {
  let p: Pma | null = mm.lastPma;
  if (p === null || addr < p.start || addr >= p.end) {
    p = mm.pmas.find(addr);
    if (p !== null) mm.lastPma = p;
  }
  if (p !== null && (p.prot & (write ? PROT_WRITE : PROT_READ)) !== 0) return p;
  return locateSlow(mm, addr, write, wish, false);
}

function locateSlow(mm: MemoryManager, addr: number, write: boolean, wish: number, force: boolean): Pma | null {
  if (faultIn(mm, addr, write ? PROT_WRITE : PROT_READ, wish, force) < 0) return null;
  const p = mm.pmas.find(addr);
  if (p !== null) mm.lastPma = p;
  return p;
}

/** Reads the little-endian u32 (or the low half of a u64) that `readSmall` fetched. */
export function smallU32(i: number): number {
  return smallView.getUint32(i, true);
}

/** Fetches `len` bytes (<= 16) into {@link small}, wherever they lie. 0 or -EFAULT. */
export function readSmall(mm: MemoryManager, addr: number, len: number): number {
  return copyIn(mm, addr, small, 0, len) === len ? 0 : -EFAULT;
}

/** @hot */
export function readU32(mm: MemoryManager, addr: number): number {
  const p = locate(mm, addr, false, 4);
  if (p === null) return -EFAULT;
  if (p.mem !== null && addr + 4 <= p.end) return p.mem.view.getUint32(p.off + (addr - p.start), true);
  return readSmall(mm, addr, 4) < 0 ? -EFAULT : smallView.getUint32(0, true);
}

/** @hot */
export function writeU32(mm: MemoryManager, addr: number, v: number): number {
  const p = locate(mm, addr, true, 4);
  if (p === null) return -EFAULT;
  if (p.mem !== null && addr + 4 <= p.end) {
    p.mem.view.setUint32(p.off + (addr - p.start), v, true);
    return 0;
  }
  smallView.setUint32(0, v, true);
  return copyOut(mm, addr, small, 0, 4) === 4 ? 0 : -EFAULT;
}

/** A u64 as a number. @hot */
export function readPtr(mm: MemoryManager, addr: number): number {
  const p = locate(mm, addr, false, 8);
  if (p === null) return -EFAULT;
  if (p.mem !== null && addr + 8 <= p.end) {
    const o = p.off + (addr - p.start);
    return p.mem.view.getUint32(o + 4, true) * TWO32 + p.mem.view.getUint32(o, true);
  }
  return readSmall(mm, addr, 8) < 0 ? -EFAULT : smallView.getUint32(4, true) * TWO32 + smallView.getUint32(0, true);
}

/** Two u32 halves of a 64-bit word. */
export function writeWords(mm: MemoryManager, addr: number, lo: number, hi: number): number {
  const p = locate(mm, addr, true, 8);
  if (p === null) return -EFAULT;
  if (p.mem !== null && addr + 8 <= p.end) {
    const o = p.off + (addr - p.start);
    p.mem.view.setUint32(o, lo, true);
    p.mem.view.setUint32(o + 4, hi, true);
    return 0;
  }
  smallView.setUint32(0, lo, true);
  smallView.setUint32(4, hi, true);
  return copyOut(mm, addr, small, 0, 8) === 8 ? 0 : -EFAULT;
}

/** Bytes copied from the guest, or -EFAULT when none. @hot */
export function copyIn(mm: MemoryManager, addr: number, dst: Uint8Array, off: number, len: number): number {
  let done = 0;
  while (done < len) {
    const at = addr + done;
    const p = locate(mm, at, false, len - done);
    if (p === null) break;
    const n = p.end - at < len - done ? p.end - at : len - done;
    if (readPma(p, p.off + (at - p.start), dst, off + done, n) < 0) break;
    if (p.mem === null && n <= SMALL_READ) mm.readOften.note(mm, at);
    done += n;
  }
  return done > 0 || len === 0 ? done : -EFAULT;
}

/** Bytes copied to the guest, or -EFAULT when none. @hot */
export function copyOut(mm: MemoryManager, addr: number, src: Uint8Array, off: number, len: number): number {
  let done = 0;
  while (done < len) {
    const at = addr + done;
    const p = locate(mm, at, true, len - done);
    if (p === null) break;
    const n = p.end - at < len - done ? p.end - at : len - done;
    const to = p.off + (at - p.start);
    if (p.mem !== null) copyBytes(p.mem.window, to, src, off + done, n);
    else if (p.file.writeAt(src, off + done, n, to) < n) break;
    done += n;
  }
  return done > 0 || len === 0 ? done : -EFAULT;
}

/**
 * The PMA with all of [addr, addr + len), where the guest may write there and it lies in a memory file, so that a structure can be put
 * together in its place; null: {@link copyOut} does it. @hot
 */
export function writablePiece(mm: MemoryManager, addr: number, len: number): Pma | null {
  const p = locate(mm, addr, true, len);
  return p !== null && p.mem !== null && addr + len <= p.end ? p : null;
}

/** Bytes zeroed, or -EFAULT when none. */
export function zeroOut(mm: MemoryManager, addr: number, len: number): number {
  let done = 0;
  while (done < len) {
    const at = addr + done;
    const p = locate(mm, at, true, len - done);
    if (p === null) break;
    let n = Math.min(p.end - at, len - done);
    const to = p.off + (at - p.start);
    if (p.mem !== null) p.mem.window.fill(0, to, to + n);
    else {
      n = Math.min(n, 65536);
      if (p.file.writeAt(new Uint8Array(n), 0, n, to) < n) break;
    }
    done += n;
  }
  return done > 0 || len === 0 ? done : -EFAULT;
}

/** Debugger's access: bytes copied, or -EFAULT when none. */
export function force(
  mm: MemoryManager,
  addr: number,
  buf: Uint8Array,
  off: number,
  len: number,
  write: boolean,
): number {
  let done = 0;
  while (done < len) {
    const at = addr + done;
    let p = mm.pmas.find(at);
    if (p === null || (write && (p.prot & PROT_WRITE) === 0) || isPatched(p))
      p = locateSlow(mm, at, write, len - done, true);
    if (p === null) break;
    const n = Math.min(p.end - at, len - done);
    const o = p.off + (at - p.start);
    if (!write) {
      if (readPma(p, o, buf, off + done, n) < 0) break;
    } else if (p.mem === null) break;
    else copyBytes(p.mem.window, o, buf, off + done, n);
    done += n;
  }
  return done > 0 || len === 0 ? done : -EFAULT;
}

/**
 * Reads `len` bytes from offset `o` of p's file. The last page of a host file is zeros beyond the end of the file.
 * 0 or -EFAULT.
 */
export function readPma(p: Pma, o: number, dst: Uint8Array, dstOff: number, len: number): number {
  if (p.mem !== null) {
    copyBytes(dst, dstOff, p.mem.window, o, len);
    return 0;
  }
  const n = p.file.readAt(dst, dstOff, len, o);
  if (n === len) return 0;
  if (n < 0) return -EFAULT;
  // Short: what is left of the page in which the file ends is zeros; a further page would be a bus error.
  const fileEnd = o + n;
  if (o + len > fileEnd + 4095 - ((fileEnd + 4095) & 4095)) return -EFAULT;
  dst.fill(0, dstOff + n, dstOff + len);
  return 0;
}

/** Names and paths; longer strings are made anew each time. */
const KNOWN_MAX = 64;
const known = new KnownStrings(512, KNOWN_MAX);

/** A string, latin1; -EFAULT; -ENAMETOOLONG when there is no NUL within maxLen bytes. @hot */
export function copyInString(mm: MemoryManager, addr: number, maxLen: number): string | number {
  let text = "";
  let at = addr;
  let left = maxLen;
  while (left > 0) {
    const p = locate(mm, at, false, 1);
    if (p === null) return -EFAULT;
    let n = p.end - at < left ? p.end - at : left;
    const o = p.off + (at - p.start);
    let buf: Uint8Array = chars;
    let from = 0;
    if (p.mem !== null) {
      buf = p.mem.window;
      from = o;
    } else {
      // Not beyond the page: the file may end in it.
      n = Math.min(n, at === addr ? STRING_BEGIN : STRING_CHUNK, PAGE_SIZE - (o & (PAGE_SIZE - 1)));
      if (readPma(p, o, chars, 0, n) < 0) return -EFAULT;
      mm.readOften.note(mm, at);
    }
    const end = from + n;
    let i = from;
    // Strings are short as a rule: looking ahead with indexOf costs more than it saves below some dozen bytes.
    const near = n > KNOWN_MAX ? from + KNOWN_MAX : end;
    let hash = 0;
    for (; i < near; i++) {
      const c = buf[i]!;
      if (c === 0) break;
      hash = hashByte(hash, c);
    }
    if (i < near && at === addr) return known.get(buf, from, i, hash);
    if (i === near && near < end) {
      const stop = buf.subarray(i, end).indexOf(0);
      i = stop < 0 ? end : i + stop;
    }
    text += latin1(buf, from, i);
    if (i < end) return text;
    at += n;
    left -= n;
  }
  return -ENAMETOOLONG;
}
