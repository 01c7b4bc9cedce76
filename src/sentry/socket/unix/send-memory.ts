/**
 * The memory of what was sent: socket(7) SO_SNDBUF, unix(7).
 *
 * A message belongs to the socket that sent it, wherever it lies, until it is received or thrown away: only then the sender gets
 * its memory back. It takes more than its bytes: the kernel's bookkeeping, and pages that are not full. The sizes are Linux's,
 * so that as much fits as there.
 */

/** net.core.wmem_default. */
const DEFAULT_BUFFER = 212992;
const PAGE = 4096;
/** What is kept about a message beside its bytes, and behind the bytes that lie in one piece. */
const HEAD = 256;
const TAIL = 320;
/** Most bytes of a message in one piece, beyond which pages are taken for the rest; most bytes in pages. */
const MESSAGE_WHOLE = 4 * PAGE - TAIL;
const MESSAGE_PAGES = 17 * PAGE;
/** The same for a piece of a stream. */
const STREAM_WHOLE = PAGE - TAIL;
const STREAM_PAGES = 8 * PAGE;

/** Longest piece of a stream. */
export const STREAM_PIECE: number = STREAM_WHOLE + STREAM_PAGES;

function pagesOf(len: number): number {
  return Math.ceil(len / PAGE) * PAGE;
}

/** Memory for `whole` bytes in one piece and `paged` bytes in pages. */
function memoryFor(whole: number, paged: number): number {
  let size = 512;
  while (size < whole + TAIL) size *= 2;
  return HEAD + size + pagesOf(paged);
}

/** Memory of a message of `len` bytes. */
export function messageMemory(len: number): number {
  const paged = len <= MESSAGE_WHOLE ? 0 : pagesOf(Math.min(len - MESSAGE_WHOLE, MESSAGE_PAGES));
  return memoryFor(len - paged, paged);
}

/** Memory of a piece of a stream, which has at most {@link STREAM_PIECE} bytes. */
export function pieceMemory(len: number): number {
  const paged = len <= STREAM_WHOLE ? 0 : Math.min(len, pagesOf(len - STREAM_WHOLE));
  return memoryFor(len - paged, paged);
}

/** How much of its send buffer a socket uses. */
export class SendMemory {
  /** As SO_SNDBUF reports it. */
  limit: number = DEFAULT_BUFFER;
  used = 0;

  /** Whether something more is taken, which may then be over the limit. */
  get hasRoom(): boolean {
    return this.used < this.limit;
  }

  /** Whether poll(2) says that there is room: at most a quarter is used. */
  get isWritable(): boolean {
    return 4 * this.used <= this.limit;
  }

  /** Longest piece of a stream: two of them always fit. */
  get pieceSize(): number {
    return Math.min(STREAM_PIECE, (this.limit >> 1) - 64);
  }
}
