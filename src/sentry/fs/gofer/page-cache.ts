/**
 * Pages of files that nobody writes, for the kernel's own small reads: names of files, texts and tables that lie in a
 * program's file and are given to system calls from there. Without it each costs a call of the host.
 */
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import { copyBytes } from "../../usermem/io.ts";

/** Pages that are kept; each of a file's pages has one place. */
const PAGES = 16;
const PAGE_MASK = PAGE_SIZE - 1;

/** Where pages are read from: as pread(2), with its results. */
export interface PageSource {
  readonly fd: number;
  readHost(dst: Uint8Array, dstOff: number, len: number, offset: number): number;
}

/** See the header. */
export class PageCache {
  private readonly bytes: Uint8Array = new Uint8Array(PAGES * PAGE_SIZE);
  private readonly sources: (PageSource | null)[] = new Array<PageSource | null>(PAGES).fill(null);
  private readonly numbers: Float64Array = new Float64Array(PAGES);
  /** How much of the page the file has. */
  private readonly filled: Int32Array = new Int32Array(PAGES);

  /** Whether these bytes are few, and in one page. */
  serves(len: number, offset: number): boolean {
    return len <= PAGE_SIZE >> 2 && (offset & PAGE_MASK) + len <= PAGE_SIZE;
  }

  /** pread(2) of bytes that it {@link serves}: their number, 0 at the end of the file, or -errno. */
  read(source: PageSource, dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    const within = offset & PAGE_MASK;
    const page = (offset - within) / PAGE_SIZE;
    const place = (page + source.fd) & (PAGES - 1);
    const start = place * PAGE_SIZE;
    if (this.sources[place] !== source || this.numbers[place] !== page) {
      this.sources[place] = null;
      const n = source.readHost(this.bytes, start, PAGE_SIZE, offset - within);
      if (n < 0) return n;
      this.sources[place] = source;
      this.numbers[place] = page;
      this.filled[place] = n;
    }
    const left = this.filled[place]! - within;
    const n = len < left ? len : left;
    if (n <= 0) return 0;
    copyBytes(dst, dstOff, this.bytes, start + within, n);
    return n;
  }

  /** The source's file changes, or its descriptor is closed. */
  forget(source: PageSource): void {
    const { sources } = this;
    for (let i = 0; i < PAGES; i++) if (sources[i] === source) sources[i] = null;
  }
}
