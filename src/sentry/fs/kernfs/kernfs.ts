/**
 * Base of file systems whose files exist only in the kernel (proc, sysfs): static and dynamic directories, files whose
 * text is made when it is read, control files, symbolic and magic links.
 */
import { EACCES, EINVAL, EIO, ENOENT, ENOTDIR } from "../../../abi/errno.ts";
import { DT_DIR, modeToDirentType } from "../../../abi/dirent.ts";
import { O_TRUNC, SEEK_CUR, SEEK_SET } from "../../../abi/fcntl.ts";
import { MAX_FILE_SIZE } from "../../../abi/limits.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { ALWAYS_READY, DirectoryFile, FileDescription } from "../../vfs/file.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import { ATTR_GID, ATTR_MODE, ATTR_SIZE, ATTR_UID } from "../../vfs/inode.ts";
import type { Inode, SetAttr } from "../../vfs/inode.ts";
import { MemInode } from "../../vfs/meminode.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

/** A synthetic file system: numbers its inodes, has no blocks. */
export abstract class KernFileSystem extends FileSystem {
  private readonly magic: number;
  private inoCount = 0;

  /** `magic`: f_type of statfs(2). */
  constructor(vfs: VirtualFileSystem, typeName: string, magic: number) {
    super(vfs, typeName);
    this.magic = magic;
  }

  newIno(): number {
    return ++this.inoCount;
  }

  override statfs(out: StatFs): number {
    out.type = this.magic;
    out.bsize = out.frsize = 4096;
    out.blocks = out.bfree = out.bavail = out.files = out.ffree = 0;
    out.fsidLo = out.fsidHi = 0;
    out.namelen = 255;
    return 0;
  }
}

/** Base of all inodes here. Attributes may be changed by subclasses only (see {@link mayChangeAttributes}). */
export abstract class KernInode extends MemInode {
  readonly kernfs: KernFileSystem;

  constructor(fs: KernFileSystem, mode: number, uid: number = 0, gid: number = 0) {
    super(fs, fs.newIno(), mode, uid, gid);
    this.kernfs = fs;
  }

  /** Brings mode, uid and gid up to date, when they follow something (the task it shows). */
  refresh(): void {}

  override getStat(out: Stat): number {
    this.refresh();
    return super.getStat(out);
  }

  /** proc answers chmod with EPERM in the directories of tasks, elsewhere changes stick. */
  override setAttr(a: SetAttr): number {
    // Truncation of a control file is accepted and does nothing: "echo 1 > file" opens with O_TRUNC.
    const mask = a.mask;
    const r = super.setAttr(a);
    return r < 0 && (mask & (ATTR_MODE | ATTR_UID | ATTR_GID)) === 0 && (mask & ATTR_SIZE) !== 0 ? 0 : r;
  }

  protected override resize(_size: number): number {
    return 0;
  }
}

/** A directory. Subclasses say what is in it. */
export abstract class KernDirectory extends KernInode {
  constructor(fs: KernFileSystem, mode: number = 0o555, uid: number = 0, gid: number = 0) {
    super(fs, S_IFDIR | mode, uid, gid);
    this.nlink = 2;
  }

  abstract override lookup(name: string, ctx: PathContext): Inode | number;

  /**
   * Gives the entries behind position `from` (0: all) to `emit` in ascending order of their positions (> 0), until it
   * answers false. 0 or -errno.
   */
  abstract list(from: number, out: EntrySink): number;

  override open(_flags: number, _ctx: PathContext): FileDescription | number {
    return new KernDirectoryFile(this);
  }
}

/** Takes the entries of a directory. */
export interface EntrySink {
  /** False: stop. `position`: ascending within the directory, > 0. */
  entry(name: string, ino: number, type: number, position: number): boolean;
}

/** A directory whose entries are made once. */
export class StaticDirectory extends KernDirectory {
  private readonly entries: Map<string, KernInode> = new Map();

  /** Adds an entry (builder style: gives the entry back). */
  add<T extends KernInode>(name: string, inode: T): T {
    this.entries.set(name, inode);
    if (inode.isDir) this.nlink++;
    return inode;
  }

  /** A directory below, made if it is missing. */
  dir(name: string): StaticDirectory {
    const found = this.entries.get(name);
    if (found !== undefined) return found as StaticDirectory;
    return this.add(name, new StaticDirectory(this.kernfs));
  }

  override lookup(name: string, _ctx: PathContext): Inode | number {
    return this.entries.get(name) ?? -ENOENT;
  }

  override list(from: number, out: EntrySink): number {
    let position = 0;
    for (const [name, inode] of this.entries) {
      if (++position <= from) continue;
      if (!out.entry(name, inode.ino, modeToDirentType(inode.mode), position)) break;
    }
    return 0;
  }
}

/** getdents offsets: 1 behind ".", 2 behind "..", then 2 + position. */
const DOTS = 2;

class KernDirectoryFile extends DirectoryFile implements EntrySink {
  private readonly dir: KernDirectory;
  private sink: DirentSink | null = null;

  constructor(dir: KernDirectory) {
    super();
    this.dir = dir;
  }

  override iterate(sink: DirentSink): number {
    const dir = this.dir;
    if (this.offset < 1) {
      if (!sink.emit(".", dir.ino, DT_DIR, 1)) return 0;
      this.offset = 1;
    }
    if (this.offset < DOTS) {
      if (!sink.emit("..", this.parentIno(), DT_DIR, DOTS)) return 0;
      this.offset = DOTS;
    }
    this.sink = sink;
    const r = dir.list(this.offset - DOTS, this);
    this.sink = null;
    return r;
  }

  entry(name: string, ino: number, type: number, position: number): boolean {
    if (!this.sink!.emit(name, ino, type, DOTS + position)) return false;
    this.offset = DOTS + position;
    return true;
  }

  private parentIno(): number {
    const p = this.path;
    if (p === null) return this.dir.ino;
    // At the root of a mount ".." is the directory that holds the mount point.
    const at = p.dentry === p.mount.root && p.mount.mountpoint !== null ? p.mount.mountpoint : p.dentry;
    return at.parent === null ? at.inode!.ino : at.parent.inode!.ino;
  }
}

/** A file whose text is made when it is read. */
export abstract class TextFile extends KernInode {
  constructor(fs: KernFileSystem, mode: number = 0o444, uid: number = 0, gid: number = 0) {
    super(fs, S_IFREG | mode, uid, gid);
  }

  /**
   * The whole content as a latin1 string, or -errno. `state` is what {@link opened} gave for this description, `ctx`
   * there the opener.
   */
  abstract text(state: unknown): string | number;

  /** Checks beyond the mode and what reads of this description need; a negative number is the error of open. */
  opened(_ctx: PathContext): unknown {
    return null;
  }
  /** The description that {@link opened} was called for is closed. */
  closed(_state: unknown): void {}

  /** A write of `value` (the whole write, latin1) at offset 0 or any. 0 or -errno; EIO: not writable. */
  store(_value: string, _state: unknown): number {
    return -EIO;
  }

  override open(flags: number, ctx: PathContext): FileDescription | number {
    if ((flags & O_TRUNC) !== 0 && (this.mode & 0o222) === 0) return -EACCES;
    const state = this.opened(ctx);
    if (typeof state === "number" && state < 0) return state;
    return new GeneratedFile(this, state);
  }
}

/** A text that never changes. */
export class ConstFile extends TextFile {
  private readonly content: string;
  constructor(fs: KernFileSystem, content: string, mode: number = 0o444) {
    super(fs, mode);
    this.content = content;
  }
  override text(): string {
    return this.content;
  }
}

/** Longest write to a control file, bytes. */
const MAX_STORE = 65536;

/**
 * An open generated file. Like a seq_file: the text is made by the first read and by every read at offset 0; other reads
 * go on in the text that is there, so that a reader sees one consistent state.
 */
export class GeneratedFile extends FileDescription {
  private readonly source: TextFile;
  private readonly state: unknown;
  private content: Uint8Array | null = null;

  constructor(source: TextFile, state: unknown) {
    super();
    this.source = source;
    this.state = state;
  }

  protected override release(): void {
    this.source.closed(this.state);
  }

  override read(seq: IoSequence): number {
    const n = this.pread(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override pread(seq: IoSequence, off: number): number {
    let content = this.content;
    if (content === null || off === 0) {
      const made = this.source.text(this.state);
      if (typeof made === "number") return made;
      content = this.content = latin1Bytes(made);
    }
    if (off >= content.length) return 0;
    return seq.write(content, off, content.length - off);
  }

  override write(seq: IoSequence): number {
    const n = this.pwrite(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override pwrite(seq: IoSequence, _off: number): number {
    const len = seq.remaining;
    if (len > MAX_STORE) return -EINVAL;
    const bytes = new Uint8Array(len);
    seq.read(bytes, 0, len);
    const r = this.source.store(latin1String(bytes, len), this.state);
    if (r < 0) return r;
    this.content = null;
    return len;
  }

  override seek(off: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return -EINVAL;
    const pos = whence === SEEK_CUR ? this.offset + off : off;
    if (pos < 0 || pos > MAX_FILE_SIZE) return -EINVAL;
    this.offset = pos;
    return pos;
  }

  override truncate(_size: number): number {
    return 0;
  }

  override readiness(): number {
    return ALWAYS_READY;
  }

  override get canPoll(): boolean {
    return false;
  }
}

/** A symbolic link with a fixed target. */
export class KernSymlink extends KernInode {
  private readonly target: string;
  constructor(fs: KernFileSystem, target: string) {
    super(fs, S_IFLNK | 0o777);
    this.target = target;
  }
  protected override statSize(): number {
    return this.target.length;
  }
  override readlink(_ctx: PathContext): string | number {
    return this.target;
  }
}

/** A symbolic link whose text is made when it is read. */
export abstract class DynamicSymlink extends KernInode {
  constructor(fs: KernFileSystem, mode: number = 0o777, uid: number = 0, gid: number = 0) {
    super(fs, S_IFLNK | mode, uid, gid);
  }
  abstract override readlink(ctx: PathContext): string | number;
}

/** A link that leads to a place, whatever its text says. */
export abstract class MagicLink extends DynamicSymlink {
  abstract override followLink(ctx: PathContext): VfsPath | number;
  override get isMagicLink(): boolean {
    return true;
  }
}

/** Bytes of a latin1 string. */
export function latin1Bytes(s: string): Uint8Array {
  const n = s.length;
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = s.charCodeAt(i);
  return out;
}

/** Characters per String.fromCharCode call: its arguments go on the stack. */
const CHUNK = 4096;

/** The first `len` bytes as a latin1 string. */
export function latin1String(b: Uint8Array, len: number): string {
  let s = "";
  for (let i = 0; i < len; i += CHUNK) s += String.fromCharCode(...b.subarray(i, Math.min(i + CHUNK, len)));
  return s;
}

/** For directories that are asked about a name which cannot be below them. */
export const NOT_HERE: number = -ENOENT;
export const NOT_A_DIRECTORY: number = -ENOTDIR;
