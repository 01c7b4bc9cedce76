/** File system instances (super blocks). */
import type { StatFs } from "../../abi/statfs.ts";
import { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { KEPT_NAMES } from "./name-cache.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/**
 * One file system instance: a tree of dentries, shown at any number of mounts.
 *
 * It bounds its dentry cache: beyond `dentryLimit` cached entries, those that nobody uses leave in second-chance
 * order. What cannot be found again through `Inode.lookup` must be pinned.
 */
export abstract class FileSystem {
  readonly vfs: VirtualFileSystem;
  /** As in /proc/filesystems and the third column of /proc/mounts. */
  readonly typeName: string;
  /** st_dev of its files. */
  readonly dev: number;
  /** Remounted or made read-only as a whole: EROFS. */
  readOnly = false;
  /** MS_* flags that come with the type (MS_NOEXEC ...), or-ed with each mount's. */
  flags = 0;
  /** MS_SYNCHRONOUS, MS_DIRSYNC, MS_MANDLOCK, MS_LAZYTIME as asked: shown. */
  superFlags = 0;
  /** Remember names that do not exist. Off where lookups are as cheap as the cache. */
  cachesNegative = false;
  /** Most cached dentries (evictable ones; those in use may exceed it). */
  dentryLimit = 65536;
  /** Mounts that show it. */
  mounts = 0;
  /** inotify watches on its files, see notify.ts. */
  watched: Set<unknown> | null = null;
  /** Cached dentries, ring through ringPrev/ringNext with a clock hand. */
  dentryCount = 0;
  private hand: Dentry | null = null;
  private rootDentry: Dentry | null = null;

  constructor(vfs: VirtualFileSystem, typeName: string) {
    this.vfs = vfs;
    this.typeName = typeName;
    this.dev = vfs.newDevice();
  }

  /** The root dentry; `setRoot` must have been called. */
  get root(): Dentry {
    return this.rootDentry!;
  }

  /** To be called once by the constructor of the file system. */
  protected setRoot(inode: Inode): Dentry {
    const d = new Dentry(this, null, "", inode);
    d.pins = 1;
    this.rootDentry = d;
    return d;
  }

  /** statfs(2); every field but `flags`. 0 or -errno. */
  abstract statfs(out: StatFs): number;

  /** sync(2)/syncfs(2). 0 or -errno. */
  sync(): number {
    return 0;
  }

  /** Options for /proc/mounts, without the per-mount ones: "size=64k,mode=755" or "". */
  get options(): string {
    return "";
  }

  /** mount(MS_REMOUNT) data. 0 or -errno. */
  remount(_readOnly: boolean, _data: string): number {
    this.readOnly = _readOnly;
    return 0;
  }

  /** The last mount is gone. */
  release(): void {}

  /** Adds a dentry to the ring of evictable ones, making room first. */
  cacheDentry(d: Dentry): void {
    if (this.dentryCount >= this.dentryLimit) this.evict();
    const h = this.hand;
    if (h === null) {
      d.ringPrev = d;
      d.ringNext = d;
      this.hand = d;
      this.vfs.names.add(this);
    } else {
      // Just behind the hand: looked at last.
      d.ringNext = h;
      d.ringPrev = h.ringPrev;
      h.ringPrev!.ringNext = d;
      h.ringPrev = d;
    }
    if (++this.dentryCount > KEPT_NAMES) this.vfs.names.age();
  }

  /** Takes a dentry out of the ring; no effect when it is not in it. */
  uncacheDentry(d: Dentry): void {
    if (d.ringNext === null) return;
    if (d.ringNext === d) {
      this.hand = null;
      this.vfs.names.remove(this);
    } else {
      d.ringPrev!.ringNext = d.ringNext;
      d.ringNext.ringPrev = d.ringPrev;
      if (this.hand === d) this.hand = d.ringNext;
    }
    d.ringPrev = null;
    d.ringNext = null;
    this.dentryCount--;
  }

  /** Frees up to two unused dentries, looking at a bounded number. */
  private evict(): void {
    let freed = 0;
    for (let i = 0; i < 64 && freed < 2 && this.hand !== null; i++) {
      const d: Dentry = this.hand;
      if (d.isEvictable) {
        if (!d.referenced) {
          d.drop();
          freed++;
          continue;
        }
        d.referenced = false;
      }
      this.hand = d.ringNext;
    }
  }

  /** Looks at `count` dentries, and drops those that nobody has used since the last time; returns how many. */
  ageNames(count: number): number {
    let freed = 0;
    for (let i = 0; i < count && this.hand !== null; i++) {
      const d: Dentry = this.hand;
      if (d.isEvictable && !d.referenced) freed += dropWithParents(d);
      else {
        d.referenced = false;
        this.hand = d.ringNext;
      }
    }
    return freed;
  }

  /** Forgets whatever can be had again. */
  dropCaches(): void {
    this.shrink();
  }

  /** Drops every dentry nobody uses. */
  shrink(): void {
    for (let n = this.dentryCount; n > 0; n--) {
      this.hand!.referenced = false;
      this.hand = this.hand!.ringNext;
    }
    for (let n = this.dentryCount; n > 0 && this.hand !== null; n--) {
      const d: Dentry = this.hand;
      if (d.isEvictable) dropWithParents(d);
      else this.hand = d.ringNext;
    }
  }
}

/** Drops an unused dentry, and the directories above that had only that; how many. */
function dropWithParents(dentry: Dentry): number {
  let dropped = 0;
  for (let d: Dentry | null = dentry; d !== null && d.cached && d.isEvictable && !d.referenced; d = d.parent) {
    d.drop();
    dropped++;
  }
  return dropped;
}
