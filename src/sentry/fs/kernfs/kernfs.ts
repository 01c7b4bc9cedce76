/**
 * Building blocks of synthetic file systems (/proc, /sys, /dev/pts ...): directories with fixed or computed entries, files
 * whose text is made when they are read, symbolic links and magic links.
 */
import { EACCES, EINVAL, EIO, ENOENT, EPERM } from "../../../abi/errno.ts";
import { modeToDirentType } from "../../../abi/dirent.ts";
import { SEEK_END } from "../../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { DirentList } from "../../vfs/dirent.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { ALWAYS_READY, DirectoryFile, SeekableFile } from "../../vfs/file.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import type { Inode, SetAttr } from "../../vfs/inode.ts";
import { MemInode } from "../../vfs/meminode.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

/** Base of synthetic file systems. The subclass (or its maker) calls `init` with the root directory. */
export class KernfsFs extends FileSystem {
  private readonly magic: number;
  /**
   * Something in the tree comes and goes by itself, so no directory is cached: below a directory that is looked up anew
   * every time, cached entries would never be found again.
   */
  readonly dynamic: boolean;
  private nextIno = 1;

  constructor(vfs: VirtualFileSystem, typeName: string, magic: number, dynamic: boolean = false) {
    super(vfs, typeName);
    this.magic = magic;
    this.dynamic = dynamic;
  }

  init(root: Inode): void {
    this.setRoot(root);
  }

  newIno(): number {
    return this.nextIno++;
  }

  override statfs(out: StatFs): number {
    out.type = this.magic;
    out.bsize = 4096;
    out.blocks = out.bfree = out.bavail = out.files = out.ffree = 0;
    out.fsidLo = this.dev;
    out.fsidHi = 0;
    out.namelen = 255;
    out.frsize = 4096;
    return 0;
  }
}

/** Base of all kernfs inodes. */
export abstract class KernfsInode extends MemInode {
  readonly kernfs: KernfsFs;

  /** `ino`: 0 for a fresh one. */
  constructor(fs: KernfsFs, mode: number, ino: number = 0) {
    super(fs, ino === 0 ? fs.newIno() : ino, mode, 0, 0);
    this.kernfs = fs;
  }

  /** Brings mode, uid and gid up to date where they follow something else (a process). */
  refresh(): void {}

  override getStat(out: Stat): number {
    this.refresh();
    return super.getStat(out);
  }

  /** ATTR_* that cannot be changed: EPERM. */
  protected get fixedAttributes(): number {
    return 0;
  }

  override setAttr(a: SetAttr): number {
    if ((a.mask & this.fixedAttributes) !== 0) return -EPERM;
    return super.setAttr(a);
  }

  /** Opening with O_TRUNC and truncate(2) do nothing. */
  protected override resize(_size: number): number {
    return 0;
  }
}

/** A directory with fixed entries; subclasses add computed ones. */
export class KernfsDir extends KernfsInode {
  readonly entries: Map<string, Inode> = new Map();

  constructor(fs: KernfsFs, perm: number = 0o555, ino: number = 0) {
    super(fs, S_IFDIR | perm, ino);
    this.nlink = 2;
    this.dynamic = fs.dynamic;
    this.refusesNames = fs.dynamic;
  }

  /** Adds a fixed entry. */
  add(name: string, inode: Inode): this {
    this.entries.set(name, inode);
    if (inode.isDir) this.nlink++;
    return this;
  }

  /** Adds a file with fixed text. */
  addText(name: string, text: string, perm: number = 0o444): this {
    return this.add(name, new KernfsStaticFile(this.kernfs, perm, text));
  }

  /** Adds a file whose text is computed. */
  addFunction(name: string, make: (ctx: PathContext) => string | number, perm: number = 0o444): this {
    return this.add(name, new KernfsFunctionFile(this.kernfs, perm, make));
  }

  /** Adds a directory and returns it. */
  addDir(name: string, perm: number = 0o555): KernfsDir {
    const d = new KernfsDir(this.kernfs, perm);
    this.add(name, d);
    return d;
  }

  addSymlink(name: string, target: string): this {
    return this.add(name, new KernfsSymlink(this.kernfs, target));
  }

  override lookup(name: string, ctx: PathContext): Inode | number {
    const e = this.entries.get(name);
    return e === undefined ? this.lookupDynamic(name, ctx) : e;
  }

  /** A computed entry. Set `dynamic` when entries may come and go; give the same inode while the thing lives. */
  protected lookupDynamic(_name: string, _ctx: PathContext): Inode | number {
    return -ENOENT;
  }

  /** Computed entries for getdents, behind the fixed ones; `owner`: PathContext.owner of the opener. 0 or -errno. */
  listDynamic(_out: DirentList, _owner: unknown): number {
    return 0;
  }

  /** All entries. 0 or -errno. */
  list(out: DirentList, owner: unknown): number {
    for (const [name, inode] of this.entries) out.emit(name, inode.ino, modeToDirentType(inode.mode), 0);
    return this.listDynamic(out, owner);
  }

  override open(_flags: number, ctx: PathContext): FileDescription | number {
    return new KernfsDirFile(this, ctx.owner);
  }

  // Entries cannot be made or removed.
  override create(): Inode | number {
    return -EACCES;
  }
}

/** An open directory: lists what was there when the listing began. */
class KernfsDirFile extends DirectoryFile {
  private readonly dir: KernfsDir;
  private readonly owner: unknown;
  private snapshot: DirentList | null = null;

  constructor(dir: KernfsDir, owner: unknown) {
    super();
    this.dir = dir;
    this.owner = owner;
  }

  protected override rewound(): void {
    if (this.offset === 0) this.snapshot = null;
  }

  override iterate(sink: DirentSink): number {
    let list = this.snapshot;
    if (list === null) {
      list = new DirentList();
      const r = this.dir.list(list, this.owner);
      if (r < 0) return r;
      this.snapshot = list;
    }
    if (this.offset < 2 && !this.emitDots(sink, this.dir.ino, this.parentIno())) return 0;
    this.emitList(sink, list);
    return 0;
  }

  private parentIno(): number {
    const p = this.path;
    if (p === null) return this.dir.ino;
    // At the root of a mount ".." is the directory that holds the mount point.
    const at = p.dentry === p.mount.root && p.mount.mountpoint !== null ? p.mount.mountpoint : p.dentry;
    return (at.parent ?? at).inode!.ino;
  }
}

/** A file whose text is computed. */
export abstract class KernfsFile extends KernfsInode {
  constructor(fs: KernfsFs, perm: number, ino: number = 0) {
    super(fs, S_IFREG | perm, ino);
  }

  /**
   * What a file description needs to remember (any object, or null), or the -errno of an open that is refused for other
   * reasons than the mode.
   */
  opened(_ctx: PathContext): unknown {
    return null;
  }

  /**
   * The contents (latin1), made anew whenever a read starts at offset 0; or -errno. `ctx`: the opener's; `state`: what
   * {@link opened} gave.
   */
  abstract text(ctx: PathContext, state: unknown): string | number;

  /** A write of the whole text `data` at `offset`. Bytes taken or -errno. */
  writeText(_ctx: PathContext, _data: string, _offset: number, _state: unknown): number {
    return -EINVAL;
  }

  /** Whether epoll(7) takes it. */
  get canPoll(): boolean {
    return false;
  }

  /** Whether it can be spliced, and read with flags: Linux has files with nothing but the simplest read and write. */
  get takesIterators(): boolean {
    return true;
  }

  /** What poll(2) finds; `state`: what {@link opened} gave. */
  readiness(_state: unknown): number {
    return ALWAYS_READY;
  }

  /** Told when that changes; null: it never does. */
  waitQueue(_state: unknown): WaitQueue | null {
    return null;
  }

  override open(_flags: number, ctx: PathContext): FileDescription | number {
    const state = this.opened(ctx);
    return typeof state === "number" ? state : new KernfsTextFile(this, ctx, state);
  }
}

/** Longest write that is taken as one text. */
const WRITE_MAX = 65536;
const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * An open computed file. Like Linux's seq_file: the text is made by the first read and by every read at offset 0; other
 * reads go on in the text that is there, so that a reader in pieces sees one state.
 */
export class KernfsTextFile extends SeekableFile {
  private readonly node: KernfsFile;
  private readonly ctx: PathContext;
  private readonly state: unknown;
  private data: Uint8Array = EMPTY;
  private made = false;

  constructor(node: KernfsFile, ctx: PathContext, state: unknown) {
    super();
    this.node = node;
    this.ctx = ctx;
    this.state = state;
  }

  override pread(seq: IoSequence, off: number): number {
    if (off === 0 || !this.made) {
      const t = this.node.text(this.ctx, this.state);
      if (typeof t === "number") return t;
      this.data = latin1Bytes(t);
      this.made = true;
    }
    const n = this.data.length - off;
    return n <= 0 ? 0 : seq.write(this.data, off, n);
  }

  override pwrite(seq: IoSequence, off: number): number {
    const n = seq.remaining < WRITE_MAX ? seq.remaining : WRITE_MAX;
    const buf = new Uint8Array(n);
    seq.read(buf, 0, n);
    this.made = false;
    return this.node.writeText(this.ctx, latin1Text(buf, 0, n), off, this.state);
  }

  override size(): number {
    return 0;
  }

  override truncate(_size: number): number {
    return 0;
  }

  /** There is no end to seek from. */
  override seek(off: number, whence: number): number {
    return whence === SEEK_END ? -EINVAL : super.seek(off, whence);
  }

  override readiness(): number {
    return this.node.readiness(this.state);
  }

  override waitQueue(): WaitQueue | null {
    return this.node.waitQueue(this.state);
  }

  override get canPoll(): boolean {
    return this.node.canPoll;
  }

  override get takesRwFlags(): boolean {
    return this.node.takesIterators;
  }

  override get canSplice(): boolean {
    return this.node.takesIterators;
  }
}

/** One byte per char. */
export function latin1Bytes(s: string): Uint8Array {
  const n = s.length;
  const b = new Uint8Array(n);
  for (let i = 0; i < n; i++) b[i] = s.charCodeAt(i);
  return b;
}

/** One char per byte. */
export function latin1Text(b: Uint8Array, from: number, to: number): string {
  let s = "";
  for (let i = from; i < to; i += 4096) {
    s += String.fromCharCode(...b.subarray(i, i + 4096 < to ? i + 4096 : to));
  }
  return s;
}

/** A file with fixed text. */
export class KernfsStaticFile extends KernfsFile {
  private readonly contents: string;

  constructor(fs: KernfsFs, perm: number, contents: string) {
    super(fs, perm);
    this.contents = contents;
  }

  override text(): string {
    return this.contents;
  }
}

/** A file whose text a function gives; for the many small files of /proc and /sys. */
export class KernfsFunctionFile extends KernfsFile {
  private readonly make: (ctx: PathContext) => string | number;
  private readonly take: ((ctx: PathContext, data: string, offset: number) => number) | null;

  constructor(
    fs: KernfsFs,
    perm: number,
    make: (ctx: PathContext) => string | number,
    take: ((ctx: PathContext, data: string, offset: number) => number) | null = null,
  ) {
    super(fs, perm);
    this.make = make;
    this.take = take;
  }

  override text(ctx: PathContext): string | number {
    return this.make(ctx);
  }

  override writeText(ctx: PathContext, data: string, offset: number): number {
    return this.take === null ? -EIO : this.take(ctx, data, offset);
  }
}

/** A symbolic link with a fixed target. */
export class KernfsSymlink extends KernfsInode {
  private readonly target: string;

  constructor(fs: KernfsFs, target: string) {
    super(fs, S_IFLNK | 0o777);
    this.target = target;
  }

  override getStat(out: Stat): number {
    return this.statOf(out, this.target.length, 0);
  }

  override readlink(): string | number {
    return this.target;
  }
}

/** A link whose target is computed: /proc/self. */
export abstract class KernfsLink extends KernfsInode {
  constructor(fs: KernfsFs, perm: number = 0o777, ino: number = 0) {
    super(fs, S_IFLNK | perm, ino);
  }
  abstract override readlink(ctx: PathContext): string | number;
}

/** A magic link: leads to a place rather than to a path (/proc/PID/fd/N, exe, cwd, root). */
export abstract class KernfsMagicLink extends KernfsLink {
  override get isMagicLink(): boolean {
    return true;
  }
  /** The place (borrowed), or -errno. */
  abstract override followLink(ctx: PathContext): VfsPath | number;
}
