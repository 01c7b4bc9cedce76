/** File descriptions as the memory manager and the loader see them. */
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { IoSequence } from "../usermem/io.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { ExecutableFile } from "../loader/loader.ts";
import { devMajor, devMinor, Stat } from "../../abi/stat.ts";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../abi/fcntl.ts";
import { allowWrites, denyWrites } from "../vfs/open.ts";
import { pathString } from "../vfs/mounting.ts";
import type { VfsPath } from "../vfs/path.ts";

const stat: Stat = new Stat();

/** The open file behind a mapping. Holds one reference on the description as long as a VMA refers to it. */
export class FileVma implements VmaFile {
  readonly file: FileDescription;
  private readonly root: VfsPath;
  private refs = 0;
  /** ETXTBSY counts: it is being executed. */
  private writesDenied = false;

  /** `root`: what mapName is relative to. */
  constructor(file: FileDescription, root: VfsPath) {
    this.file = file;
    this.root = root;
  }

  incRef(): void {
    if (this.refs++ === 0) this.file.incRef();
  }

  decRef(): void {
    if (--this.refs > 0) return;
    const { inode } = this.file;
    if (this.writesDenied && inode !== null) allowWrites(inode);
    this.writesDenied = false;
    this.file.decRef();
  }

  /** No writers while it is mapped. 0 or -ETXTBSY. Precondition: referenced. */
  denyWrites(): number {
    const { inode } = this.file;
    if (inode === null || this.writesDenied) return 0;
    const err = denyWrites(inode);
    if (err === 0) this.writesDenied = true;
    return err;
  }

  mapName(): string {
    const f = this.file;
    return f.anonName ?? (f.path === null ? "" : pathString(f.path, this.root, ""));
  }

  mapDevMajor(): number {
    return this.file.stat(stat) === 0 ? devMajor(stat.dev) : 0;
  }

  mapDevMinor(): number {
    return this.file.stat(stat) === 0 ? devMinor(stat.dev) : 0;
  }

  mapIno(): number {
    return this.file.inode === null ? 0 : this.file.inode.ino;
  }

  punchHole(offset: number, len: number): number {
    return this.file.allocate(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, len);
  }
}

/** A file opened for execution. Owns one reference on the description. */
export class ExecFile implements ExecutableFile {
  readonly file: FileDescription;
  readonly vmaFile: FileVma;
  private readonly seq: IoSequence = new IoSequence();
  private closed = false;

  constructor(file: FileDescription, root: VfsPath) {
    this.file = file;
    this.vmaFile = new FileVma(file, root);
    this.vmaFile.incRef();
  }

  pread(buf: Uint8Array, off: number, len: number, pos: number): number {
    let done = 0;
    while (done < len) {
      this.seq.clear();
      this.seq.push(buf, off + done, len - done);
      const n = this.file.pread(this.seq, pos + done);
      if (n < 0) return done > 0 ? done : n;
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  size(): number {
    const err = this.file.stat(stat);
    return err < 0 ? err : stat.size;
  }

  mappable(): Mappable | number {
    return this.file.mappable();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.vmaFile.decRef();
    this.file.decRef();
  }
}

/** The one FileVma of a description, so that neighbouring mappings of the same file can merge. */
export function fileVma(file: FileDescription, root: VfsPath): VmaFile {
  return (file.vmaFile ??= new FileVma(file, root));
}
