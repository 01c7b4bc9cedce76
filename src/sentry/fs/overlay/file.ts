/** Open files of an overlay: regular files that follow a copy-up, and merged directories. */
import { EINVAL } from "../../../abi/errno.ts";
import { DT_CHR } from "../../../abi/dirent.ts";
import { O_ACCMODE, O_RDONLY, O_WRONLY, SEEK_DATA, SEEK_HOLE, SEEK_SET } from "../../../abi/fcntl.ts";
import { S_IFCHR, S_IFMT } from "../../../abi/stat.ts";
import type { Mappable } from "../../memmap/memmap.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { latin1 } from "../../../base/text.ts";
import { DirentList } from "../../vfs/dirent.ts";
import type { DirentRecords, DirentSink } from "../../vfs/dirent.ts";
import { DirectoryFile, FMODE_READ, FMODE_WRITE, SeekableFile } from "../../vfs/file.ts";
import type { FileDescription, IoctlContext } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { OverlayDir } from "./dir.ts";
import type { OverlayLeaf } from "./node.ts";

/** Whether an inode of a layer marks a deleted name. */
export function isWhiteout(inode: Inode): boolean {
  return inode.rdev === 0 && (inode.mode & S_IFMT) === S_IFCHR;
}

/** Opens an inode of a layer: a description without a path, that holds the inode. */
export function openReal(inode: Inode, flags: number, ctx: PathContext): FileDescription | number {
  const f = inode.open(flags, ctx);
  if (typeof f === "number") return f;
  const acc = flags & O_ACCMODE;
  f.statusFlags = flags;
  f.accessMode = acc === O_RDONLY ? FMODE_READ : acc === O_WRONLY ? FMODE_WRITE : FMODE_READ | FMODE_WRITE;
  f.inode = inode;
  f.creds = ctx.creds;
  inode.incUsers();
  return f;
}

/** An open regular file. Its position is its own; the layer's description is used by offset only. */
export class OverlayFile extends SeekableFile {
  private readonly node: OverlayLeaf;
  /** Layer inode that `real` is open on. */
  private on: Inode;
  private real: FileDescription;

  constructor(node: OverlayLeaf, on: Inode, real: FileDescription) {
    super();
    this.node = node;
    this.on = on;
    this.real = real;
  }

  protected override release(): void {
    this.real.decRef();
  }

  override get takesNoWait(): boolean {
    return this.real.takesNoWait;
  }

  /** Opens the upper file instead, once the contents have moved there. 0 or -errno. */
  private follow(): number {
    const data = this.node.data;
    const f = openReal(data, this.real.statusFlags, this.node.overlayFs.layerCtx);
    if (typeof f === "number") return f;
    f.creds = this.creds;
    this.real.decRef();
    this.real = f;
    this.on = data;
    return 0;
  }

  override pread(seq: IoSequence, off: number): number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    const n = this.real.pread(seq, off);
    if (n >= 0 && this.node.upper !== null) this.accessed();
    return n;
  }

  override pwrite(seq: IoSequence, off: number): number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    const before = this.on.mode;
    const n = this.real.pwrite(seq, off);
    if (this.on.mode !== before) this.node.mirror();
    return n;
  }

  override size(): number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    return this.real instanceof SeekableFile ? this.real.size() : super.size();
  }

  protected override seekData(off: number, whence: number): number {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    const pos = this.real.seek(off, whence);
    if (pos >= 0) this.offset = pos;
    return pos;
  }

  override truncate(size: number): number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    const r = this.real.truncate(size);
    this.node.mirror();
    return r;
  }

  override get limitsSpace(): boolean {
    return this.real.limitsSpace;
  }

  override allocate(mode: number, off: number, len: number): number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    return this.real.allocate(mode, off, len);
  }

  override sync(dataOnly: boolean): number {
    return this.node.lower === null ? this.real.sync(dataOnly) : 0;
  }

  override mappable(): Mappable | number {
    if (this.on !== this.node.data) {
      const r = this.follow();
      if (r < 0) return r;
    }
    return this.node.mappableOf(this.real);
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    return this.real.ioctl(ctx, request, arg);
  }

  override bytesReadable(): number {
    const n = this.size() - this.offset;
    return n > 0 ? n : 0;
  }
}

/** Reads all of a layer's directory. 0 or -errno. */
export function readLayer(dir: Inode, out: DirentList, ctx: PathContext): number {
  const f = openReal(dir, O_RDONLY, ctx);
  if (typeof f === "number") return f;
  let r = 0;
  for (;;) {
    const before = out.names.length;
    r = f.iterate(out);
    if (r < 0 || out.names.length === before) break;
  }
  f.decRef();
  return r < 0 ? r : 0;
}

/** An open directory: lists the layers merged, as they were when the listing began. */
export class OverlayDirFile extends DirectoryFile {
  private readonly dir: OverlayDir;
  private snapshot: DirentList | null = null;

  constructor(dir: OverlayDir) {
    super();
    this.dir = dir;
  }

  protected override rewound(): void {
    if (this.offset === 0) this.snapshot = null;
  }

  override iterate(sink: DirentSink): number {
    let list = this.snapshot;
    if (list === null) {
      list = new DirentList();
      const r = this.dir.merge(list);
      if (r < 0) return r;
      this.snapshot = list;
    }
    const up = this.dir.parent ?? this.dir;
    if (this.emitDots(sink, this.dir.ino, up.ino)) this.emitList(sink, list);
    return 0;
  }
}

/** Hands the entries of an upper directory on as the overlay shows them. */
class UpperSink implements DirentSink {
  private readonly dir: OverlayDir;
  target: DirentSink | null = null;

  constructor(dir: OverlayDir) {
    this.dir = dir;
  }

  emit(name: string, _ino: number, type: number, nextOffset: number): boolean {
    return this.dir.emitUpper(this.target!, name, type, nextOffset);
  }

  emitBytes(buf: Uint8Array, at: number, len: number, ino: number, type: number, nextOffset: number): boolean {
    return this.emit(latin1(buf, at, at + len), ino, type, nextOffset);
  }

  emitRecords(records: DirentRecords, first: number): number {
    return records.emitEach(this, first);
  }
}

/** An open directory that lies in the upper layer alone: positions are the upper directory's. */
export class UpperDirFile extends DirectoryFile {
  private readonly dir: OverlayDir;
  private readonly real: FileDescription;
  private readonly sink: UpperSink;

  constructor(dir: OverlayDir, real: FileDescription) {
    super();
    this.dir = dir;
    this.real = real;
    this.sink = new UpperSink(dir);
  }

  protected override release(): void {
    this.real.decRef();
  }

  protected override rewound(): void {
    this.real.seek(this.offset, SEEK_SET);
  }

  override iterate(sink: DirentSink): number {
    const up = this.dir.parent ?? this.dir;
    if (!this.emitDots(sink, this.dir.ino, up.ino)) return 0;
    this.sink.target = sink;
    const r = this.real.iterate(this.sink);
    this.sink.target = null;
    // The upper directory's own "." and ".." have positions too.
    if (this.real.offset > this.offset) this.offset = this.real.offset;
    return r;
  }
}

/** d_type of whiteouts, among others. */
export const WHITEOUT_TYPE: number = DT_CHR;
