/**
 * An inode of the gofer file system: cached attributes, and how to reach the file again.
 *
 * A file is reached by its fid (an open handle at the gofer), or, when it has none, by its *anchor*: the directory and
 * the name it was last seen under. A file without a name must keep its fid.
 */
import { EIO, ENOENT, ESTALE } from "../../../abi/errno.ts";
import { AT_REMOVEDIR, O_PATH, O_RDONLY, O_RDWR } from "../../../abi/fcntl.ts";
import { IN_ATTRIB } from "../../../abi/inotify.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import * as c from "../../../p9/wire/constants.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { ATTR_SIZE, Inode } from "../../vfs/inode.ts";
import type { SetAttr } from "../../vfs/inode.ts";
import { turn } from "../../vfs/turn.ts";
import { copyStat, sendAttr, statFd } from "./attributes.ts";
import { create, link, make, remove, rename } from "./changes.ts";
import { DirListing } from "./directory.ts";
import { CONTENTS_MASK, DirWatch, FILE_MASK, NAMES_MASK } from "./events.ts";
import { GoferDirectoryFile, GoferFile } from "./file.ts";
import type { GoferFs } from "./gofer-fs.ts";
import { GoferHandle } from "./handle.ts";
import { lookup, revalidate, walkAhead } from "./lookup.ts";
import { GoferMapping } from "./mapping.ts";
import { accept, walkTo } from "./reach.ts";
import { readWithNeighbours } from "./read-ahead.ts";
import { getXattr, listXattr, removeXattr, setXattr } from "./xattr.ts";

export class GoferInode extends Inode {
  readonly gofer: GoferFs;
  /** As the host gave them; dev and ino are the host's. */
  readonly attr: Stat = new Stat();
  /** Something may have changed attributes since: look before they are shown. */
  isStale = false;
  /** In which attempt of a system call they were read. Shared mode only. */
  readAt = -1;
  /** Directory of a shared tree: how the host tells of changes; null: it does not. */
  watch: DirWatch | null = null;
  private isWatchRefused = false;
  /** Names may be cached that were looked up without a watch. */
  hasNames = false;
  /** Entries that were asked for one by one since the directory was read. */
  misses = 0;
  /** A donated descriptor to read attributes from, or -1. Shared mode only. */
  private pathFd = -1;
  fid: number = c.NOFID;
  parent: GoferInode | null;
  name: string;
  isAnchored = true;
  /** Donated fds, kept as long as there is room; null when there is none. */
  reader: GoferHandle | null = null;
  writer: GoferHandle | null = null;
  /** How mm sees it; null until first mapped. */
  mapping: GoferMapping | null = null;
  target: string | null = null;
  private entries: DirListing | null = null;
  /** Values, and -ENODATA for attributes that are not there; null: none asked for. */
  xattrs: Map<string, Uint8Array | number> | null = null;

  constructor(fs: GoferFs, attr: Stat, parent: GoferInode | null, name: string) {
    super(fs);
    this.gofer = fs;
    this.parent = parent;
    this.name = name;
    this.setStat(attr);
    this.ino = fs.guestIno(attr.dev, attr.ino);
    if ((attr.mode & S_IFMT) === S_IFDIR) {
      this.needsRevalidate = fs.isShared;
      this.canWalkAhead = true;
    }
  }

  // --- identity ---

  setStat(attr: Stat): void {
    copyStat(this.attr, attr);
    this.mode = attr.mode;
    this.uid = attr.uid;
    this.gid = attr.gid;
    this.rdev = attr.rdev;
    this.isStale = false;
    this.readAt = turn.now;
  }

  /** Whether the attributes must be read anew before they are used. */
  private get needsRefresh(): boolean {
    if (this.isStale) return true;
    // What the walk to this file has just read is good enough for the system call that made it.
    if (!this.gofer.isShared || this.readAt === turn.now) return false;
    if (this.isDir) return this.syncWatch(this.watch) === null || this.isStale;
    return true;
  }

  // --- events of the host ---

  /** `watch` after a look at what has happened, which may end it. */
  private syncWatch(watch: DirWatch | null): DirWatch | null {
    if (watch === null) return null;
    this.gofer.events!.sync();
    return this.watch;
  }

  /** Makes the host tell of a shared directory's changes, with events of `mask` at least. null: it does not. */
  ensureWatch(mask: number): DirWatch | null {
    const had = this.watch;
    if (had !== null && (mask & ~had.mask) === 0) return this.syncWatch(had);
    const { events, client, scratch } = this.gofer;
    if (events === null || this.isWatchRefused) return had;
    const fid = this.getFid();
    if (fid < 0) return had;
    const all = had === null ? mask : mask | had.mask;
    const wd = client.watch(fid, all, scratch);
    if (wd < 0 || !this.isSameFile(scratch)) {
      this.isWatchRefused = true;
      return had;
    }
    this.setStat(scratch);
    if (had !== null && had.wd === wd) {
      had.mask = all;
      return this.syncWatch(had);
    }
    const watch = new DirWatch(wd, all);
    // Names that were learned without it are asked for once more.
    if (this.hasNames) watch.suspectAll();
    this.watch = watch;
    events.add(wd, this);
    return watch;
  }

  /** inotify inside the sandbox: the host tells all changes, ours too, where it tells any. */
  override onWatched(isWatched: boolean): void {
    const { events, client } = this.gofer;
    if (events === null) return;
    if (isWatched) {
      if (this.ensureWatch(this.isDir ? CONTENTS_MASK : FILE_MASK) === null) return;
      this.reporter = events;
      events.report(this);
    } else if (this.reporter !== null) {
      this.reporter = null;
      events.cease(this);
      if (this.isDir || this.watch === null) return;
      events.remove(this.watch.wd);
      client.unwatch(this.watch.wd);
      this.watch = null;
    }
  }

  /** Lets the host forget the file if its last name is gone: nothing that can be had again by its name is kept open. */
  letGo(): void {
    if (this.users > 0 || (!this.canDropFid && (this.parent === null || this.attr.nlink > 0))) return;
    const fid = this.releaseForUnlink();
    if (fid === c.NOFID) return;
    this.gofer.client.clunk(fid);
    this.gofer.client.flushClunks();
  }

  /** The host has no more to tell. */
  watchEnded(): void {
    this.watch = null;
    if (this.reporter !== null) {
      this.gofer.events!.cease(this);
      this.reporter = null;
    }
    this.hasNames = true;
    this.listing = null;
    this.isStale = true;
  }

  /** Events were lost. */
  eventsLost(): void {
    if (this.watch !== null) this.watch.suspectAll();
    this.listing = null;
    this.isStale = true;
  }

  /** Something happened to the directory itself. */
  selfEvent(): void {
    this.isStale = true;
    // Nobody confirms the root's name before its mode is used.
    if (this.parent === null) this.refresh();
  }

  /** An entry came, went, or became another file. */
  nameEvent(name: string, isOwn: boolean): void {
    this.isStale = true;
    if (isOwn) return;
    this.listing = null;
    this.misses = 0;
    if (this.watch !== null) this.watch.suspect(name);
  }

  /** An entry's file was changed. */
  entryEvent(name: string, mask: number): void {
    if (this.listing !== null) this.listing.lookedUp(name);
    if ((mask & IN_ATTRIB) !== 0 && this.watch !== null) this.watch.noteChanged(name);
  }

  get handle(): GoferHandle | null {
    return this.writer ?? this.reader;
  }

  isSameFile(attr: Stat): boolean {
    const mine = this.attr;
    return (
      mine.ino === attr.ino &&
      mine.dev === attr.dev &&
      ((mine.mode ^ attr.mode) & S_IFMT) === 0 &&
      mine.btimeSec === attr.btimeSec &&
      mine.btimeNsec === attr.btimeNsec
    );
  }

  /** It was seen under this name. */
  anchor(parent: GoferInode | null, name: string): void {
    if (parent === null) return;
    this.parent = parent;
    this.name = name;
    this.isAnchored = true;
  }

  get canDropFid(): boolean {
    return this.isAnchored && this.parent !== null;
  }

  dropFid(): void {
    this.gofer.client.clunk(this.fid);
    this.fid = c.NOFID;
  }

  /** Takes over a fid of the file; a second one is given back. */
  adoptFid(fid: number): void {
    if (fid === c.NOFID) return;
    if (this.fid !== c.NOFID) {
      this.gofer.client.clunk(fid);
      return;
    }
    this.fid = fid;
    this.gofer.noteFid(this);
  }

  /** The file's fid, looked up again when it was given up; or -errno (-ESTALE: see {@link accept}). */
  getFid(): number {
    return this.fid !== c.NOFID ? this.fid : walkTo(this);
  }

  override decUsers(): void {
    super.decUsers();
    if (this.users > 0) return;
    const { writer } = this;
    if (writer !== null) {
      // An fd open for writing would keep the host from running the file (ETXTBSY).
      if (this.isStale) this.refreshFrom(writer.fd);
      this.writer = null;
      writer.decRef();
    }
    if (this.reporter !== null) this.letGo();
    else if (this.reader !== null) this.gofer.noteIdle(this);
  }

  override onUnused(): void {
    const { parent } = this;
    if (parent === null) return;
    this.gofer.forget(this);
    this.closePathFd();
    if (this.watch !== null) {
      this.gofer.events!.remove(this.watch.wd);
      this.gofer.client.unwatch(this.watch.wd);
      this.watch = null;
    }
    if (parent.listing !== null && !this.gofer.isShared) {
      const isCurrent = !this.isStale && this.isAnchored && this.writer === null && this.mapping === null;
      parent.listing.giveBack(this.name, this.ino, isCurrent ? this.attr : null);
    }
    if (this.fid !== c.NOFID) this.dropFid();
    this.closeHandles();
    this.listing = null;
    this.xattrs = null;
  }

  // --- attributes ---

  override getStat(out: Stat): number {
    if (this.needsRefresh) {
      const err = this.refresh();
      if (err < 0) return err;
    }
    copyStat(out, this.attr);
    out.dev = this.gofer.dev;
    out.ino = this.ino;
    out.attributes = 0;
    return 0;
  }

  /** Reads the attributes anew: from a donated fd when there is one, which costs no request. 0 or -errno. */
  refresh(): number {
    const { handle } = this;
    if (handle !== null) return this.refreshFrom(handle.fd);
    if (this.gofer.isShared) {
      if (this.pathFd >= 0) return this.refreshFrom(this.pathFd);
      if (this.isRegular || this.isSymlink) return this.openPathFd();
      if (this.isDir && this.watch === null && this.ensureWatch(NAMES_MASK) !== null) return 0;
    }
    if (this.fid === c.NOFID) {
      this.isStale = false;
      const fid = this.getFid();
      return fid < 0 ? fid : 0;
    }
    const { scratch, client } = this.gofer;
    const err = client.getattr(this.fid, scratch);
    if (err < 0) return err;
    if (((scratch.mode ^ this.attr.mode) & S_IFMT) !== 0) return -EIO;
    this.setStat(scratch);
    return 0;
  }

  private refreshFrom(fd: number): number {
    const { attr } = this;
    const err = statFd(this.gofer.host, fd, attr);
    if (err < 0) return err;
    this.mode = attr.mode;
    this.uid = attr.uid;
    this.gid = attr.gid;
    this.isStale = false;
    this.readAt = turn.now;
    return 0;
  }

  /** Gets attributes, and a descriptor by which they are read without the gofer from now on. 0 or -errno. */
  private openPathFd(): number {
    const fd = this.donated(O_PATH);
    if (fd < 0) return fd;
    this.pathFd = fd;
    this.gofer.notePathFd(this);
    return 0;
  }

  closePathFd(): void {
    if (this.pathFd < 0) return;
    this.gofer.host.close(this.pathFd);
    this.pathFd = -1;
  }

  /** The size in bytes, current; or -errno. */
  currentSize(): number {
    if (this.needsRefresh) {
      const err = this.refresh();
      if (err < 0) return err;
    }
    return this.attr.size;
  }

  override setAttr(a: SetAttr): number {
    if (a.mask === ATTR_SIZE) return this.resize(a.size);
    if ((a.mask & ATTR_SIZE) !== 0) this.reader?.unsettle();
    const { scratch } = this.gofer;
    const err = sendAttr(this, a, scratch);
    // Some changes may have been made before the one that failed.
    this.isStale = true;
    if (err < 0) return err;
    this.setStat(scratch);
    if ((a.mask & ATTR_SIZE) !== 0 && this.mapping !== null) this.mapping.truncated(a.size);
    return 0;
  }

  /** ftruncate: on the donated fd, without a request. 0 or -errno. */
  resize(size: number): number {
    const handle = this.getHandle(true);
    if (typeof handle === "number") return handle;
    const err = this.gofer.host.ftruncate(handle.fd, size);
    if (err < 0) return err;
    this.isStale = true;
    if (this.users === 0) this.gofer.noteIdle(this);
    if (this.mapping !== null) this.mapping.truncated(size);
    return 0;
  }

  override touchAtime(): void {
    // The host keeps the atime, by its own mount's rules; it shows at the next look.
    if (!this.gofer.readOnly && this.isRegular) this.isStale = true;
  }

  override statfs(out: StatFs): number {
    return this.gofer.statfs(out);
  }

  // --- extended attributes ---

  override getXattr(name: string): Uint8Array | number {
    return getXattr(this, name);
  }

  override setXattr(name: string, value: Uint8Array, flags: number): number {
    return setXattr(this, name, value, flags);
  }

  override removeXattr(name: string): number {
    return removeXattr(this, name);
  }

  override listXattr(): readonly string[] | number {
    return listXattr(this);
  }

  // --- contents ---

  /** A donated fd with the access asked for (a writable one serves both), or -errno. */
  getHandle(write: boolean): GoferHandle | number {
    if (this.writer !== null) return this.writer;
    if (!write && this.reader !== null) return this.reader;
    const fd = this.donated(write ? O_RDWR : O_RDONLY);
    if (fd < 0) return fd;
    const { host, keeper } = this.gofer;
    const handle = new GoferHandle(host, keeper, fd, write, !write && !this.gofer.isShared);
    if (write) {
      this.reader?.unsettle();
      this.writer = handle;
    } else this.reader = handle;
    if (this.pathFd >= 0) {
      this.gofer.dropPathFd(this);
      this.closePathFd();
    }
    return handle;
  }

  /** A host fd of the file, opened with `flags`; its attributes are then current. Or -errno. */
  private donated(flags: number): number {
    const { client, host, scratch } = this.gofer;
    let fd: number;
    if (this.fid !== c.NOFID || this.parent === null || !this.isAnchored) {
      const fid = this.getFid();
      if (fid < 0) return fid;
      fd = client.openFd(fid, "", flags, false, scratch);
    } else {
      const dirFid = this.parent.getFid();
      if (dirFid < 0) return dirFid;
      fd = client.openFd(dirFid, this.name, flags, false, scratch);
    }
    if (fd < 0 || accept(this, scratch)) return fd;
    host.close(fd);
    return -ESTALE;
  }

  /** Gives back what is kept for the next user. */
  closeHandles(): void {
    if (this.reader !== null) {
      // Mappings may keep it, and nobody would tell it of a writer.
      this.reader.unsettle();
      this.reader.decRef();
    }
    if (this.writer !== null) this.writer.decRef();
    this.reader = null;
    this.writer = null;
  }

  getMapping(): GoferMapping {
    return (this.mapping ??= new GoferMapping(this));
  }

  override open(flags: number): FileDescription | number {
    if (this.isDir) return new GoferDirectoryFile(this);
    const handle = this.getHandle((flags & 3) !== O_RDONLY);
    return typeof handle === "number" ? handle : new GoferFile(this, flags);
  }

  override readlink(): string | number {
    if (this.target !== null) return this.target;
    const fid = this.getFid();
    if (fid < 0) return fid;
    const target = this.gofer.client.readlink(fid);
    if (typeof target === "string") this.target = target;
    return target;
  }

  // --- directories ---

  /** All its entries, when it has been read whole and nobody else needed the memory. */
  get listing(): DirListing | null {
    return this.entries;
  }

  set listing(listing: DirListing | null) {
    const before = this.entries;
    this.entries = listing;
    this.gofer.listings.replace(this, before, listing);
  }

  override lacks(name: string): boolean {
    if (this.listing === null || (this.gofer.isShared && this.ensureWatch(NAMES_MASK) === null)) return false;
    return this.listing !== null && this.listing.lacks(name);
  }

  override lookup(name: string): Inode | number {
    return lookup(this, name);
  }

  override walkAhead(names: readonly string[], count: number, out: (Inode | null)[]): number {
    return walkAhead(this, names, count, out);
  }

  override revalidate(name: string, cached: Inode | null): boolean {
    return revalidate(this, name, cached);
  }

  /** All entries; read from the gofer, or from memory when they are there. */
  readEntries(): DirListing | number {
    const { isShared } = this.gofer;
    const isKept = !isShared || this.ensureWatch(CONTENTS_MASK) !== null;
    if (this.listing !== null) return this.listing;
    this.misses = 0;
    if (!isShared) {
      const known = readWithNeighbours(this);
      if (known !== null) return (this.listing = known);
    }
    const fid = this.getFid();
    if (fid < 0) return fid;
    const listing = new DirListing(this.gofer, isKept);
    const err = this.gofer.client.readRecords(fid, listing);
    if (err < 0) return err;
    if (isKept) this.listing = listing;
    return listing;
  }

  override create(name: string, mode: number, uid: number, gid: number): Inode | number {
    return create(this, name, mode, uid, gid);
  }

  override mkdir(name: string, mode: number, uid: number, gid: number): Inode | number {
    return make(this, name, S_IFDIR | mode, uid, gid, 0, "");
  }

  override symlink(name: string, target: string, uid: number, gid: number): Inode | number {
    return make(this, name, S_IFLNK | 0o777, uid, gid, 0, target);
  }

  override mknod(name: string, mode: number, rdev: number, uid: number, gid: number): Inode | number {
    if ((mode & S_IFMT) === S_IFREG) return create(this, name, mode & ~S_IFMT, uid, gid);
    return make(this, name, mode, uid, gid, rdev, "");
  }

  override link(name: string, target: Inode): number {
    return link(this, name, target);
  }

  override unlink(name: string, victim: Inode): number {
    return remove(this, name, victim, 0);
  }

  override rmdir(name: string, victim: Inode): number {
    return remove(this, name, victim, AT_REMOVEDIR);
  }

  override rename(
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    return rename(this, name, child, newDir, newName, replaced, flags);
  }

  // --- losing its name ---

  /** Its name is about to go: whoever still uses it needs another way to it. 0 or -errno. */
  holdForUnlink(): number {
    if (this.users === 0 && (this.isDir || this.attr.nlink <= 1)) return 0;
    const fid = this.getFid();
    return fid < 0 && fid !== -ESTALE && fid !== -ENOENT ? fid : 0;
  }

  /** Its last name is about to go, and nobody uses it: nothing is to keep it open. Its fid, to be given up. */
  releaseForUnlink(): number {
    this.closeHandles();
    if (this.pathFd >= 0) {
      this.gofer.dropPathFd(this);
      this.closePathFd();
    }
    const { fid } = this;
    if (fid !== c.NOFID) this.gofer.dropFidOwner(this);
    this.fid = c.NOFID;
    return fid;
  }

  lostName(dir: GoferInode, name: string): void {
    if (this.parent === dir && this.name === name) this.isAnchored = false;
    this.isStale = true;
    if (this.isDir || this.attr.nlink <= 1) {
      this.attr.nlink = 0;
      this.gofer.forget(this);
      this.listing = null;
      // Only the fid is left: it must not be given up for another.
      if (this.fid !== c.NOFID && this.users > 0) this.gofer.dropFidOwner(this);
    } else {
      this.attr.nlink--;
    }
  }
}
