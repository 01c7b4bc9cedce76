/** Guest memory as IoSequences: readv(2)-like calls, with bounce buffers for pages of host files. */
import { EFAULT, EINVAL } from "../../abi/errno.ts";
import type { MappedFile } from "../memmap/memmap.ts";
import type { BounceSink, IoSequence } from "../usermem/io.ts";
import { copyIn, locate, readPma } from "./access.ts";
import type { MemoryManager } from "./mm.ts";

/** Most that one call moves (MAX_RW_COUNT), and most iovecs (IOV_MAX). */
export const MAX_RW_COUNT = 0x7ffff000;
export const IOV_MAX = 1024;
/** Most bytes that one sequence bounces; what is behind is left to the next call. */
const BOUNCE_MAX = 64 * 1024 * 1024;
/** Largest buffer of one piece. */
const BOUNCE_PIECE = 1024 * 1024;

/** Near the sandbox's memory limit, a call fills at most this much more than is left: it is short, and looked at after. */
const LIMITED_PIECE = 1024 * 1024;

const iovecs = new Uint8Array(IOV_MAX * 16);
const iovecView = new DataView(iovecs.buffer);

/** One buffer that stands for `len` bytes of `file` at `offset`, `at` bytes into the sequence. */
class Bounce {
  buf: Uint8Array;
  file: MappedFile;
  offset = 0;
  at = 0;
  constructor(buf: Uint8Array, file: MappedFile, offset: number, at: number) {
    this.buf = buf;
    this.file = file;
    this.offset = offset;
    this.at = at;
  }
}

/** Writes bounced bytes to their files. */
class FileSink implements BounceSink {
  writeBack(seq: IoSequence): number {
    const list = seq.sinkData as Bounce[];
    for (const b of list) {
      const n = Math.min(b.buf.length, seq.done - b.at);
      if (n <= 0) continue;
      const r = b.file.writeAt(b.buf, 0, n, b.offset);
      if (r < n) return r < 0 ? r : -EFAULT;
    }
    return 0;
  }
}

const fileSink = new FileSink();

/** Appends the accessible prefix of [addr, addr+len): bytes appended, or -EFAULT if none (0 when len is 0). @hot */
export function ioSequence(mm: MemoryManager, addr: number, len: number, write: boolean, seq: IoSequence): number {
  const room = MAX_RW_COUNT - (seq.remaining + seq.done);
  let want = len < room ? len : room;
  if (write && want > LIMITED_PIECE) want = Math.min(want, LIMITED_PIECE + mm.memory.room());
  let done = 0;
  let bounced = 0;
  while (done < want) {
    const at = addr + done;
    const p = locate(mm, at, write, want - done);
    if (p === null) break;
    let n = p.end - at < want - done ? p.end - at : want - done;
    const o = p.off + (at - p.start);
    if (p.mem !== null) seq.push(p.mem.window, o, n);
    else {
      n = Math.min(n, BOUNCE_PIECE);
      if (bounced + n > BOUNCE_MAX) break;
      const buf = new Uint8Array(n);
      if (write) {
        if (seq.sink === null) {
          seq.sink = fileSink;
          seq.sinkData = [];
        }
        (seq.sinkData as Bounce[]).push(new Bounce(buf, p.file, o, seq.remaining + seq.done));
      } else if (readPma(p, o, buf, 0, n) < 0) break;
      seq.push(buf, 0, n);
      bounced += n;
    }
    done += n;
  }
  return done > 0 || len === 0 ? done : -EFAULT;
}

function iovecBase(i: number): number {
  return iovecView.getUint32(i * 16 + 4, true) * 4294967296 + iovecView.getUint32(i * 16, true);
}

function iovecLength(i: number): number {
  return iovecView.getUint32(i * 16 + 12, true) * 4294967296 + iovecView.getUint32(i * 16 + 8, true);
}

/** Reads a struct iovec array and appends its ranges. Bytes appended, -EINVAL (count, negative length) or -EFAULT. */
export function ioVector(
  mm: MemoryManager,
  iovAddr: number,
  iovCount: number,
  write: boolean,
  seq: IoSequence,
): number {
  if (iovCount < 0 || iovCount > IOV_MAX) return -EINVAL;
  if (iovCount === 0) return 0;
  if (copyIn(mm, iovAddr, iovecs, 0, iovCount * 16) !== iovCount * 16) return -EFAULT;
  for (let i = 0; i < iovCount; i++) {
    if (iovecView.getInt32(i * 16 + 12, true) < 0) return -EINVAL;
  }
  // Pieces outside of user space refuse the whole call; those that merely have no memory end the transfer.
  for (let i = 0; i < iovCount; i++) {
    if (iovecBase(i) + iovecLength(i) > mm.taskSize) return -EFAULT;
  }
  let total = 0;
  for (let i = 0; i < iovCount; i++) {
    const base = iovecBase(i);
    const len = iovecLength(i);
    if (len === 0) continue;
    const n = ioSequence(mm, base, len, write, seq);
    if (n > 0) total += n;
    if (n < len) {
      seq.isCut = true;
      seq.wanted = 0;
      for (let k = 0; k < iovCount; k++) seq.wanted += iovecLength(k);
      if (total === 0) return n;
      break;
    }
  }
  return total;
}

/** Puts bounced bytes in place. 0 or -errno. */
export function finishIo(seq: IoSequence): number {
  const sink = seq.sink;
  if (sink === null) return 0;
  const r = sink.writeBack(seq);
  seq.sink = null;
  seq.sinkData = null;
  return r;
}
