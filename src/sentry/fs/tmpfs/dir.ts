/** Directories of tmpfs. */
import { EMLINK, ENOENT, ENOSPC, ENOTEMPTY } from "../../../abi/errno.ts";
import { modeToDirentType } from "../../../abi/dirent.ts";
import { RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { LINK_MAX } from "../../../abi/limits.ts";
import { S_IFDIR } from "../../../abi/stat.ts";
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
}

/** First cookies: 1 is behind ".", 2 behind "..". */
const FIRST_COOKIE = 3;
/** Bytes a name adds to the size of a directory, as in Linux. */
const ENTRY_SIZE = 20;

/** A directory: names in the order of their making. */
export class TmpfsDir extends TmpfsInode {
  readonly entries: Map<string, TmpfsEntry> = new Map();
  private nextCookie = FIRST_COOKIE;
  /** For "..". */
  parent: TmpfsDir;

  constructor(fs: TmpfsFs, mode: number, uid: number, gid: number, parent: TmpfsDir | null) {
    super(fs, S_IFDIR | mode, uid, gid);
    this.nlink = 2;
    this.parent = parent === null ? this : parent;
  }

  protected override statSize(): number {
    return (this.entries.size + 2) * ENTRY_SIZE;
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
    this.touchModified();
  }

  private remove(name: string): void {
    this.entries.delete(name);
    this.touchModified();
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
    const r = this.mayAdd(true);
    if (r < 0) return r;
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
    if (it === null) it = this.iterator = dir.entries.values();
    for (;;) {
      let e = this.pending;
      if (e === null) {
        const next = it.next();
        if (next.done === true) {
          // A map iterator that reached the end stays there: entries made later are found by a fresh one.
          this.iterator = null;
          break;
        }
        e = next.value;
        if (e.cookie <= this.offset) continue;
      } else if (dir.entries.get(e.name) !== e) {
        this.pending = null;
        continue;
      }
      if (!sink.emit(e.name, e.inode.ino, modeToDirentType(e.inode.mode), e.cookie)) {
        this.pending = e;
        break;
      }
      this.pending = null;
      this.offset = e.cookie;
    }
    this.accessed();
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
