/** Regular files of tmpfs. */
import { EBUSY, EFAULT, EFBIG, EINVAL, ENXIO, EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../abi/fcntl.ts";
import { MAX_FILE_SIZE } from "../../../abi/limits.ts";
import { S_IFREG, S_IXUGO } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { MappingList } from "../../memmap/mapping-list.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { Mappable, MappingOwner, Translation } from "../../memmap/memmap.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { SeekableFile } from "../../vfs/file.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { ATTR_MODE, ATTR_SIZE, SetAttr } from "../../vfs/inode.ts";
import { TmpfsInode } from "./inode.ts";
import { FilePages } from "./pages.ts";
import type { TmpfsFs } from "./tmpfs.ts";

/** Pages made present around a fault on a hole. */
const FAULT_PAGES = 64;
const PROT_ALL = 7;

const resizing: SetAttr = new SetAttr();
resizing.mask = ATTR_SIZE;

/** A regular file: size and pages. */
export class TmpfsRegular extends TmpfsInode implements Mappable {
  size = 0;
  readonly pages: FilePages;
  /** F_SEAL_*; F_SEAL_SEAL from the start for everything but memfd_create(MFD_ALLOW_SEALING). */
  seals: number = F_SEAL_SEAL;
  private mappings: MappingList | null = null;
  private writableMappings = 0;

  constructor(fs: TmpfsFs, mode: number, uid: number, gid: number) {
    super(fs, S_IFREG | mode, uid, gid);
    this.pages = new FilePages(fs.mem, fs.budget);
  }

  override getStat(out: Stat): number {
    return this.statOf(out, this.size, this.pages.count * 8);
  }

  override open(_flags: number): FileDescription {
    return new TmpfsFile(this);
  }

  protected override freeContents(): void {
    this.pages.free(0, Infinity);
    this.size = 0;
  }

  // --- data ---

  /** Reads at `off` into `seq`. Bytes, 0 at the end. @hot */
  readAt(seq: IoSequence, off: number): number {
    let left = this.size - off;
    if (left <= 0) return 0;
    if (left > seq.remaining) left = seq.remaining;
    const total = left;
    const pages = this.pages;
    const window = pages.mem.window;
    let pos = off;
    while (left > 0) {
      const page = Math.floor(pos / PAGE_SIZE);
      const within = pos - page * PAGE_SIZE;
      pages.find(page, Math.floor((within + left + PAGE_SIZE - 1) / PAGE_SIZE));
      if (pages.isFoundMapped) pages.settle(page);
      let n = pages.foundPages * PAGE_SIZE - within;
      if (n > left) n = left;
      if (pages.foundOffset < 0) seq.zero(n);
      else seq.write(window, pages.foundOffset + within, n);
      pos += n;
      left -= n;
    }
    return total;
  }

  /** Writes what `seq` holds at `off`. Bytes (short when space runs out), or -errno. @hot */
  writeAt(seq: IoSequence, off: number): number {
    let left = seq.remaining;
    if (left === 0) return 0;
    if (this.seals !== F_SEAL_SEAL) {
      if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
      if ((this.seals & F_SEAL_GROW) !== 0 && off + left > this.size) {
        // Page by page: the one that would make it longer is refused.
        left = this.size - (this.size % PAGE_SIZE) - off;
        if (left <= 0) return -EPERM;
      }
    }
    if (off + left > MAX_FILE_SIZE) return -EFBIG;
    const pages = this.pages;
    const window = pages.mem.window;
    let pos = off;
    let failure = 0;
    while (left > 0) {
      const page = Math.floor(pos / PAGE_SIZE);
      const within = pos - page * PAGE_SIZE;
      const wanted = Math.floor((within + left + PAGE_SIZE - 1) / PAGE_SIZE);
      pages.find(page, wanted);
      if (pages.foundOffset < 0) {
        // Whole pages need not be zeroed first; a partial one at either end does.
        let n = pages.foundPages;
        const startsPartial = within !== 0 || left < PAGE_SIZE;
        if (startsPartial) n = 1;
        else {
          const whole = Math.floor(left / PAGE_SIZE);
          if (n > whole) n = whole;
        }
        const got = pages.ensure(page, n, startsPartial);
        if (got < 0) {
          failure = got;
          break;
        }
        pages.find(page, got);
      }
      let n = pages.foundPages * PAGE_SIZE - within;
      if (n > left) n = left;
      seq.read(window, pages.foundOffset + within, n);
      pos += n;
      left -= n;
    }
    const done = pos - off;
    if (done === 0) return failure;
    if (pos > this.size) this.size = pos;
    this.touchModified();
    return done;
  }

  /** Reads into a plain buffer (overlay copy-up, execve headers). Bytes. */
  readBytes(dst: Uint8Array, dstOff: number, len: number, off: number): number {
    let left = Math.min(len, this.size - off);
    if (left <= 0) return 0;
    const total = left;
    let pos = off;
    let at = dstOff;
    while (left > 0) {
      const page = Math.floor(pos / PAGE_SIZE);
      const within = pos - page * PAGE_SIZE;
      this.pages.find(page, Math.floor((within + left + PAGE_SIZE - 1) / PAGE_SIZE));
      if (this.pages.isFoundMapped) this.pages.settle(page);
      let n = this.pages.foundPages * PAGE_SIZE - within;
      if (n > left) n = left;
      if (this.pages.foundOffset < 0) dst.fill(0, at, at + n);
      else this.pages.mem.readAt(dst, at, n, this.pages.foundOffset + within);
      pos += n;
      at += n;
      left -= n;
    }
    return total;
  }

  protected override resize(size: number): number {
    if (size > MAX_FILE_SIZE) return -EFBIG;
    if (
      (size < this.size && (this.seals & F_SEAL_SHRINK) !== 0) ||
      (size > this.size && (this.seals & F_SEAL_GROW) !== 0)
    ) {
      return -EPERM;
    }
    const old = this.size;
    this.size = size;
    if (size < old) {
      const keep = Math.floor((size + PAGE_SIZE - 1) / PAGE_SIZE);
      this.invalidate(keep * PAGE_SIZE, Infinity);
      this.pages.free(keep, Infinity);
      this.zeroWithin(size, keep * PAGE_SIZE);
    }
    return 0;
  }

  override setAttr(a: SetAttr): number {
    if ((a.mask & ATTR_MODE) !== 0 && (this.seals & F_SEAL_EXEC) !== 0 && ((a.mode ^ this.mode) & S_IXUGO) !== 0) {
      return -EPERM;
    }
    return super.setAttr(a);
  }

  /** Zeroes bytes [from, to) of one page, if it is present. */
  private zeroWithin(from: number, to: number): void {
    if (from >= to) return;
    const page = Math.floor(from / PAGE_SIZE);
    this.pages.find(page, 1);
    if (this.pages.isFoundMapped) this.pages.settle(page);
    if (this.pages.foundOffset < 0) return;
    const base = this.pages.foundOffset - page * PAGE_SIZE;
    this.pages.mem.window.fill(0, base + from, base + to);
  }

  /** fallocate(2). */
  allocate(mode: number, off: number, len: number): number {
    if ((mode & ~ALLOCATE_MODES) !== 0) return -EOPNOTSUPP;
    // Linux's tmpfs cannot do these; what overlays put on top of other file systems usually can.
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0 && this.overlay === null) return -EOPNOTSUPP;
    if (off < 0 || len <= 0) return -EINVAL;
    const end = off + len;
    if (end > MAX_FILE_SIZE) return -EFBIG;
    if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) !== 0) {
      return this.moveRange((mode & FALLOC_FL_INSERT_RANGE) !== 0, off, len);
    }
    if ((mode & FALLOC_FL_ZERO_RANGE) !== 0) {
      if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
      this.punch(off, end);
    }
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0) return -EOPNOTSUPP;
      if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
      this.punch(off, end);
      this.touchModified();
      return 0;
    }
    if (end > this.size && (this.seals & F_SEAL_GROW) !== 0) return -EPERM;
    const first = Math.floor(off / PAGE_SIZE);
    const last = Math.floor((end + PAGE_SIZE - 1) / PAGE_SIZE);
    const r = this.pages.reserve(first, last);
    if (r < 0) return r;
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && end > this.size) this.size = end;
    this.touchModified();
    return 0;
  }

  /** Cuts the range out of the file, or opens a hole there: whole pages, inside of the file. */
  private moveRange(insert: boolean, off: number, len: number): number {
    if (off % PAGE_SIZE !== 0 || len % PAGE_SIZE !== 0) return -EINVAL;
    if (insert ? off >= this.size : off + len >= this.size) return -EINVAL;
    if (insert && this.size + len > MAX_FILE_SIZE) return -EFBIG;
    const sealed = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | (insert ? F_SEAL_GROW : F_SEAL_SHRINK);
    if ((this.seals & sealed) !== 0) return -EPERM;
    this.invalidate(off, Infinity);
    const first = off / PAGE_SIZE;
    const n = len / PAGE_SIZE;
    if (insert) {
      this.pages.shift(first, n);
      this.size += len;
    } else {
      this.pages.free(first, first + n);
      this.pages.shift(first + n, -n);
      this.size -= len;
    }
    this.touchModified();
    return 0;
  }

  private punch(off: number, end: number): void {
    const first = Math.floor((off + PAGE_SIZE - 1) / PAGE_SIZE);
    const last = Math.floor(end / PAGE_SIZE);
    if (first > last) {
      // Within one page.
      this.zeroWithin(off, end);
      return;
    }
    this.zeroWithin(off, first * PAGE_SIZE);
    if (first < last) {
      this.invalidate(first * PAGE_SIZE, (last - first) * PAGE_SIZE);
      this.pages.free(first, last);
    }
    this.zeroWithin(last * PAGE_SIZE, end);
  }

  /** SEEK_DATA / SEEK_HOLE: the offset, or -ENXIO. */
  seekData(off: number, whence: number): number {
    if (off < 0 || off >= this.size) return -ENXIO;
    const page = Math.floor(off / PAGE_SIZE);
    const end = Math.floor((this.size + PAGE_SIZE - 1) / PAGE_SIZE);
    if (whence === SEEK_DATA) {
      const p = this.pages.nextPresent(page, end);
      if (p < 0) return -ENXIO;
      return p === page ? off : p * PAGE_SIZE;
    }
    const p = this.pages.nextHole(page, end);
    const at = p === page ? off : p * PAGE_SIZE;
    return at < this.size ? at : this.size;
  }

  // --- seals (memfd_create(2)) ---

  /** F_ADD_SEALS. */
  addSeals(seals: number): number {
    if (
      (seals & ~(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)) !==
      0
    ) {
      return -EINVAL;
    }
    if ((this.seals & F_SEAL_SEAL) !== 0) return -EPERM;
    // Sealing the x bits of an executable memfd seals its contents too.
    let add = seals;
    if ((seals & F_SEAL_EXEC) !== 0 && (this.mode & S_IXUGO) !== 0) {
      add |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    }
    if ((add & F_SEAL_WRITE) !== 0 && (this.seals & F_SEAL_WRITE) === 0 && this.writableMappings > 0) return -EBUSY;
    this.seals |= add;
    return 0;
  }

  // --- Mappable ---

  translate(offset: number, len: number, _write: boolean, out: Translation): number {
    const pagesInFile = Math.floor((this.size + PAGE_SIZE - 1) / PAGE_SIZE);
    const page = offset / PAGE_SIZE;
    if (page >= pagesInFile) return -EFAULT;
    const pages = this.pages;
    let max = Math.floor((len + PAGE_SIZE - 1) / PAGE_SIZE);
    if (max < 1) max = 1;
    if (max > pagesInFile - page) max = pagesInFile - page;
    pages.find(page, max);
    if (pages.foundOffset < 0) {
      const n = pages.foundPages < FAULT_PAGES ? pages.foundPages : FAULT_PAGES;
      const r = pages.fillMapped(page, n);
      if (r < 0) return r;
      pages.find(page, max);
    }
    out.file = pages.mem;
    out.offset = pages.foundOffset;
    out.len = pages.foundPages * PAGE_SIZE;
    out.maxProt = PROT_ALL;
    return 0;
  }

  addMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void {
    if (this.mappings === null) this.mappings = new MappingList();
    this.mappings.add(owner, addr, len, offset, writable);
    if (writable) this.writableMappings++;
    this.incUsers();
  }

  removeMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void {
    if (this.mappings === null || !this.mappings.remove(owner, addr, len, offset, writable)) return;
    if (writable) this.writableMappings--;
    this.decUsers();
  }

  syncRange(_offset: number, _len: number): number {
    return 0;
  }

  /** Tells every mapping that the pages of [offset, offset+len) are no longer the file's. */
  private invalidate(offset: number, len: number): void {
    this.mappings?.invalidate(this, offset, len);
  }
}

/** What fallocate(2) may ask for. */
const ALLOCATE_MODES: number =
  FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE;

/** An open regular file. */
export class TmpfsFile extends SeekableFile {
  private readonly node: TmpfsRegular;

  constructor(node: TmpfsRegular) {
    super();
    this.node = node;
  }

  override pread(seq: IoSequence, off: number): number {
    const n = this.node.readAt(seq, off);
    if (n >= 0) this.accessed();
    return n;
  }

  override pwrite(seq: IoSequence, off: number): number {
    const node = this.node;
    if (node.hasFileCaps && seq.remaining > 0) node.dropFileCaps();
    return node.writeAt(seq, off);
  }

  override size(): number {
    return this.node.size;
  }

  protected override seekData(off: number, whence: number): number {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
    const pos = this.node.seekData(off, whence);
    if (pos >= 0) this.offset = pos;
    return pos;
  }

  override truncate(size: number): number {
    resizing.size = size;
    return this.node.setAttr(resizing);
  }

  override get limitsSpace(): boolean {
    return true;
  }

  override allocate(mode: number, off: number, len: number): number {
    return this.node.allocate(mode, off, len);
  }

  override mappable(): Mappable {
    return this.node;
  }

  override get allowsSharedWrites(): boolean {
    return (this.node.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) === 0;
  }

  override bytesReadable(): number {
    const n = this.node.size - this.offset;
    return n > 0 ? n : 0;
  }
}
