/** Directories of tmpfs. */
import { EMLINK, ENOENT, ENOSPC, ENOTEMPTY } from "../../../abi/errno.ts";
import { dirent64Size, modeToDirentType } from "../../../abi/dirent.ts";
import { RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { LINK_MAX } from "../../../abi/limits.ts";
import { S_IFDIR } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { DirentBuffer, DirentRecords } from "../../vfs/dirent.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { DirectoryFile } from "../../vfs/file.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import { TmpfsInode, TmpfsSpecial, TmpfsSymlink } from "./inode.ts";
import { TmpfsRegular } from "./regular.ts";
import type { TmpfsFs } from "./tmpfs.ts";

/** A name. `cookie`: its position for getdents, never used twice in a directory. */
export class TmpfsEntry {
  readonly name: string;
  inode: TmpfsInode;
  cookie = 0;
  constructor(name: string, inode: TmpfsInode, cookie: number) {
    this.name = name;
    this.inode = inode;
    this.cookie = cookie;
  }

  /** False: no room. */
  emit(sink: DirentSink): boolean {
    return sink.emit(this.name, this.inode.ino, modeToDirentType(this.inode.mode), this.cookie);
  }
}

/** First cookies: 1 is behind ".", 2 behind "..". */
const FIRST_COOKIE = 3;
/** Bytes a name adds to the size of a directory, as in Linux. */
const ENTRY_SIZE = 20;

/** Directories with fewer entries are not worth keeping as bytes, those with more would take too long in one call. */
const FEW_ENTRIES = 32;
const MANY_ENTRIES = 65536;

/** A directory: names in the order of their making. */
export class TmpfsDir extends TmpfsInode {
  readonly entries: Map<string, TmpfsEntry> = new Map();
  /** All entries as getdents64(2) gives them, while nothing changes; null: not put together. */
  private records: DirentRecords | null = null;
  /** How often entries have changed, and that when somebody last saw all of them unchanged. */
  changes = 0;
  private listedAt = -1;
  private nextCookie = FIRST_COOKIE;
  /** For "..". */
  parent: TmpfsDir;

  constructor(fs: TmpfsFs, mode: number, uid: number, gid: number, parent: TmpfsDir | null) {
    super(fs, S_IFDIR | mode, uid, gid);
    this.nlink = 2;
    this.parent = parent === null ? this : parent;
  }

  override getStat(out: Stat): number {
    return this.statOf(out, (this.entries.size + 2) * ENTRY_SIZE, 0);
  }

  override lookup(name: string): TmpfsInode | number {
    const e = this.entries.get(name);
    return e === undefined ? -ENOENT : e.inode;
  }

  /** 0, or why nothing can be made here: -ENOENT (removed), -ENOSPC (inode limit). */
  private mayAdd(newInode: boolean): number {
    if (this.nlink === 0) return -ENOENT;
    return newInode && this.tmpfs.inodes >= this.tmpfs.maxInodes ? -ENOSPC : 0;
  }

  private add(name: string, inode: TmpfsInode): void {
    this.entries.set(name, new TmpfsEntry(name, inode, this.nextCookie++));
    this.changed();
    this.touchModified();
  }

  private remove(name: string): void {
    this.entries.delete(name);
    this.changed();
    this.touchModified();
  }

  private changed(): void {
    this.changes++;
    this.records = null;
  }

  /** Somebody has listed all entries, which were the same since the number of changes was `changes`. */
  listed(changes: number): void {
    if (changes === this.changes) this.listedAt = changes;
  }

  /** The entries as bytes, for whoever lists them for the second time; or null. */
  getRecords(): DirentRecords | null {
    const { entries } = this;
    if (this.records !== null || this.listedAt !== this.changes) return this.records;
    if (entries.size < FEW_ENTRIES || entries.size > MANY_ENTRIES) return null;
    let size = 0;
    for (const e of entries.values()) size += dirent64Size(e.name.length);
    const sink = new DirentBuffer(new Uint8Array(size), false);
    sink.reset(size);
    const starts = new Int32Array(entries.size + 1);
    let i = 0;
    for (const e of entries.values()) {
      e.emit(sink);
      starts[++i] = sink.len;
    }
    return (this.records = new DirentRecords(sink.buf, starts));
  }

  override create(name: string, mode: number, uid: number, gid: number): TmpfsInode | number {
    const r = this.mayAdd(true);
    if (r < 0) return r;
    const inode = new TmpfsRegular(this.tmpfs, mode, uid, gid);
    this.add(name, inode);
    return inode;
  }

  override mkdir(name: string, mode: number, uid: number, gid: number): TmpfsInode | number {
    const r = this.mayAdd(true);
    if (r < 0) return r;
    const inode = new TmpfsDir(this.tmpfs, mode, uid, gid, this);
    this.nlink++;
    this.add(name, inode);
    return inode;
  }

  override symlink(name: string, target: string, uid: number, gid: number): TmpfsInode | number {
    const r = this.mayAdd(true);
    if (r < 0) return r;
    const inode = new TmpfsSymlink(this.tmpfs, target, uid, gid);
    this.add(name, inode);
    return inode;
  }

  override mknod(name: string, mode: number, rdev: number, uid: number, gid: number): TmpfsInode | number {
    const r = this.mayAdd(true);
    if (r < 0) return r;
    const inode = new TmpfsSpecial(this.tmpfs, mode, rdev, uid, gid);
    this.add(name, inode);
    return inode;
  }

  override tmpfile(mode: number, uid: number, gid: number): TmpfsInode | number {
    // It gets no name, so that the directory may be a removed one.
    if (this.tmpfs.inodes >= this.tmpfs.maxInodes) return -ENOSPC;
    const inode = new TmpfsRegular(this.tmpfs, mode, uid, gid);
    inode.nlink = 0;
    return inode;
  }

  override link(name: string, target: Inode): number {
    const r = this.mayAdd(false);
    if (r < 0) return r;
    const inode = target as TmpfsInode;
    if (inode.nlink === 0 && !inode.linkable) return -ENOENT;
    if (inode.nlink >= LINK_MAX) return -EMLINK;
    inode.nlink++;
    inode.touchChanged();
    this.add(name, inode);
    return 0;
  }

  override unlink(name: string, victim: Inode): number {
    this.remove(name);
    (victim as TmpfsInode).dropLink();
    return 0;
  }

  override rmdir(name: string, victim: Inode): number {
    const dir = victim as TmpfsDir;
    if (dir.entries.size > 0) return -ENOTEMPTY;
    this.remove(name);
    this.nlink--;
    dir.nlink = 1;
    dir.dropLink();
    return 0;
  }

  override rename(
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    const to = newDir as TmpfsDir;
    const moved = child as TmpfsInode;
    if (to.nlink === 0) return -ENOENT;
    if ((flags & RENAME_EXCHANGE) !== 0) {
      const other = replaced as TmpfsInode;
      this.entries.get(name)!.inode = other;
      to.entries.get(newName)!.inode = moved;
      this.changed();
      to.changed();
      if (this !== to) {
        this.reparent(moved, to);
        to.reparent(other, this);
      }
      this.touchModified();
      to.touchModified();
      moved.touchChanged();
      other.touchChanged();
      return 0;
    }
    if (replaced !== null) {
      const victim = replaced as TmpfsInode;
      if (victim instanceof TmpfsDir) {
        if (victim.entries.size > 0) return -ENOTEMPTY;
        to.nlink--;
        victim.nlink = 1;
      }
      to.entries.delete(newName);
      victim.dropLink();
    }
    this.remove(name);
    to.add(newName, moved);
    if (this !== to) this.reparent(moved, to);
    moved.touchChanged();
    return 0;
  }

  private reparent(moved: TmpfsInode, to: TmpfsDir): void {
    if (!(moved instanceof TmpfsDir)) return;
    moved.parent = to;
    this.nlink--;
    to.nlink++;
  }

  override open(): FileDescription {
    return new TmpfsDirFile(this);
  }
}

/** An open directory: remembers where in the map it is, so that a full listing costs one pass. */
class TmpfsDirFile extends DirectoryFile {
  private readonly dir: TmpfsDir;
  private iterator: Iterator<TmpfsEntry> | null = null;
  /** Fetched from the iterator, not yet taken by a sink. */
  private pending: TmpfsEntry | null = null;
  /** The directory's number of changes when the iterator began with its first entry; -1: it began with another one. */
  private changes = -1;

  constructor(dir: TmpfsDir) {
    super();
    this.dir = dir;
  }

  protected override rewound(): void {
    this.iterator = null;
    this.pending = null;
  }

  override iterate(sink: DirentSink): number {
    const dir = this.dir;
    if (this.offset < 2) {
      const up = this.path === null ? dir.ino : dotDotIno(this, dir);
      if (!this.emitDots(sink, dir.ino, up)) return 0;
    }
    let it = this.iterator;
    if (it === null) {
      const records = dir.getRecords();
      if (records !== null) {
        const first = records.behind(this.offset);
        const next = sink.emitRecords(records, first);
        if (next > first) this.offset = records.nextOffset(next - 1);
        return 0;
      }
      it = this.iterator = dir.entries.values();
      this.changes = this.offset === 2 ? dir.changes : -1;
    }
    for (;;) {
      let e = this.pending;
      if (e === null) {
        const next = it.next();
        if (next.done === true) {
          // A map iterator that reached the end stays there: entries made later are found by a fresh one.
          this.iterator = null;
          dir.listed(this.changes);
          break;
        }
        e = next.value;
        if (e.cookie <= this.offset) continue;
      } else if (dir.entries.get(e.name) !== e) {
        this.pending = null;
        continue;
      }
      if (!e.emit(sink)) {
        this.pending = e;
        break;
      }
      this.pending = null;
      this.offset = e.cookie;
    }
    return 0;
  }
}

function dotDotIno(file: FileDescription, dir: TmpfsDir): number {
  const p = file.path!;
  // At the root of a mount ".." is the directory that holds the mount point.
  const point = p.dentry === p.mount.root ? p.mount.mountpoint : null;
  if (point === null) return dir.parent.ino;
  return point.parent !== null ? point.parent.inode!.ino : point.inode!.ino;
}
