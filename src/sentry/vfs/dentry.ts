/** Dentries: the cache of names. */
import type { FileSystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import { notifyLeft, watching } from "./notify.ts";

/**
 * A name in a directory, as far as the VFS has seen it. `inode === null`: known not to exist (negative). Several
 * dentries may have the same inode (hard links).
 *
 * Life: made by a lookup, held in its parent's `children` until it is dropped (evicted, unlinked, replaced). A dropped
 * one stays usable for those who hold it, but is no longer found.
 */
export class Dentry {
  readonly fs: FileSystem;
  parent: Dentry | null;
  name: string;
  inode: Inode | null;
  /** Cached entries of a directory. */
  children: Map<string, Dentry> | null = null;
  /** References that keep it cached: see VfsPath.incRef. */
  pins = 0;
  /** Those of {@link pins} that are watches: they do not keep a removed file. */
  watches = 0;
  /** Children that are held and no longer found. */
  private lost = 0;
  /** It is one of its parent's {@link lost}. */
  private holdsParent = false;
  /** How many mounts have it as their mount point. */
  mountCount = 0;
  /** And how many its children are. */
  mountsBelow = 0;
  /** Its name was removed (unlink, rmdir, replaced by rename). */
  deleted = false;
  /** In its parent's `children`. */
  cached = false;
  /** Second chance for the eviction clock. */
  referenced = false;
  ringPrev: Dentry | null = null;
  ringNext: Dentry | null = null;

  constructor(fs: FileSystem, parent: Dentry | null, name: string, inode: Inode | null) {
    this.fs = fs;
    this.parent = parent;
    this.name = name;
    this.inode = inode;
    if (inode !== null) inode.dentries++;
  }

  /** Nobody holds it, nothing hangs below it. */
  get isEvictable(): boolean {
    return !this.isHeld && this.watches === 0 && (this.children === null || this.children.size === 0);
  }

  /** Somebody has it: an open file, a working directory, a mount, a removed file in it. */
  get isHeld(): boolean {
    return this.pins > this.watches || this.lost > 0 || this.mountCount > 0;
  }

  /** Puts a dentry made for this directory into the cache. */
  insert(child: Dentry): void {
    (this.children ??= new Map()).set(child.name, child);
    child.cached = true;
    this.fs.cacheDentry(child);
  }

  /** Gives it another name (rename), in place of what may have that. */
  move(dir: Dentry, name: string): void {
    const old = dir.children === null ? undefined : dir.children.get(name);
    if (old !== undefined && old !== this) old.drop();
    const before = this.name;
    const from = this.cached ? this.parent!.children! : null;
    this.parent = dir;
    this.name = name;
    if (from === null) {
      dir.insert(this);
      return;
    }
    // First in, then out: a map that loses its last entry would shrink.
    const to = (dir.children ??= new Map());
    to.set(name, this);
    if ((from !== to || before !== name) && from.get(before) === this) from.delete(before);
  }

  /** Takes it out of its parent; tells the inode when it has no other name left here. */
  drop(): void {
    this.unhash();
    if (this.isHeld) this.holdParent();
    this.releaseInode();
  }

  /** It is held and cannot be found: so is its parent, then. */
  holdParent(): void {
    if (this.holdsParent || this.parent === null) return;
    this.holdsParent = true;
    this.parent.lost++;
  }

  /** Somebody has let go of what cannot be found. */
  private leave(): void {
    if (this.cached || this.isHeld) return;
    if (this.deleted && watching.count !== 0) notifyLeft(this);
    if (!this.holdsParent) return;
    this.holdsParent = false;
    this.parent!.lost--;
    this.parent!.leave();
  }

  /** Takes it out of its parent and the eviction ring, keeping the inode. */
  unhash(): void {
    if (!this.cached) return;
    this.cached = false;
    const siblings = this.parent!.children;
    if (siblings !== null && siblings.get(this.name) === this) siblings.delete(this.name);
    this.fs.uncacheDentry(this);
  }

  unpin(): void {
    this.pins--;
    if (this.cached) return;
    this.leave();
    if (this.pins === 0) this.releaseInode();
  }

  /** Gives up the inode's dentry reference, once nobody can reach the inode through here any more. */
  private releaseInode(): void {
    const inode = this.inode;
    if (inode === null || this.pins > 0 || this.released) return;
    this.released = true;
    inode.decDentry();
  }

  private released = false;
}
