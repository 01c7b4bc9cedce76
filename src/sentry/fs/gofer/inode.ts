/**
 * An inode of the gofer file system: cached attributes, and how to reach the file again.
 *
 * A file is reached by its fid (an open handle at the gofer), or, when it has none, by its *anchor*: the directory and
 * the name it was last seen under. A file without a name must keep its fid.
 */
import { EIO, ENOENT, EPERM, ESTALE } from "../../../abi/errno.ts";
import { AT_REMOVEDIR, O_RDONLY, O_RDWR, RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import * as c from "../../../p9/wire/constants.ts";
import { SetAttr as WireSetAttr } from "../../../p9/wire/records.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { ATTR_SIZE, Inode } from "../../vfs/inode.ts";
import type { SetAttr } from "../../vfs/inode.ts";
import { copyStat, statFd, toWire } from "./attributes.ts";
import { DirListing } from "./directory.ts";
import { GoferDirectoryFile, GoferFile } from "./file.ts";
import type { GoferFs } from "./gofer-fs.ts";
import { GoferHandle } from "./handle.ts";
import { GoferMapping } from "./mapping.ts";
import { readWithNeighbours } from "./read-ahead.ts";
import { getXattr, listXattr, removeXattr, setXattr } from "./xattr.ts";

const wireSet: WireSetAttr = new WireSetAttr();
const oneName: string[] = [""];
/** Of getFid: inodes without fid on the way, from the top, and their names. */
const chain: GoferInode[] = [];
const chainNames: string[] = [];
/** Attributes of a shared file hold for so long. */
const FRESH_NS = 1_000_000;

export class GoferInode extends Inode {
  readonly gofer: GoferFs;
  /** As the host gave them; dev and ino are the host's. */
  readonly attr: Stat = new Stat();
  /** Something may have changed attributes since: look before they are shown. */
  isStale = false;
  /** When they were read, monotonic. Shared mode only. */
  private readAtNs = 0;
  fid: number = c.NOFID;
  parent: GoferInode | null;
  name: string;
  isAnchored = true;
  /** Donated fds, kept as long as there is room; null when there is none. */
  reader: GoferHandle | null = null;
  writer: GoferHandle | null = null;
  /** How mm sees it; null until first mapped. */
  mapping: GoferMapping | null = null;
  private target: string | null = null;
  /** Directory: all its entries, when it has been read whole. */
  private listing: DirListing | null = null;
  /** Values, and -ENODATA for attributes that are not there; null: none asked for. */
  xattrs: Map<string, Uint8Array | number> | null = null;

  constructor(fs: GoferFs, attr: Stat, parent: GoferInode | null, name: string) {
    super(fs);
    this.gofer = fs;
    this.parent = parent;
    this.name = name;
    this.setStat(attr);
    this.ino = fs.guestIno(attr);
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
    if (this.gofer.isShared) this.readAtNs = this.gofer.vfs.clock.monotonicNs();
  }

  /** Whether the attributes must be read anew before they are used. */
  private get needsRefresh(): boolean {
    if (this.isStale) return true;
    if (!this.gofer.isShared) return false;
    // What the walk to this file has just read is good enough for the system call that made it.
    return this.handle !== null || this.gofer.vfs.clock.monotonicNs() - this.readAtNs > FRESH_NS;
  }

  private get handle(): GoferHandle | null {
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
    if (this.fid !== c.NOFID) return this.fid;
    // From the nearest directory above that has one, all in one request.
    if (!this.isAnchored) return -ESTALE;
    chain.length = 1;
    chain[0] = this;
    let base = this.parent;
    while (base !== null && base.fid === c.NOFID && chain.length < c.MAX_WALK) {
      if (!base.isAnchored) return -ESTALE;
      chain.push(base);
      base = base.parent;
    }
    if (base === null) return -ESTALE;
    if (base.fid === c.NOFID) {
      const fid = base.getFid();
      return fid < 0 ? fid : this.getFid();
    }
    const { client } = this.gofer;
    const count = chain.length;
    chain.reverse();
    for (let i = 0; i < count; i++) chainNames[i] = chain[i]!.name;
    const found = client.walk(base.fid, chainNames, count);
    if (found < 0) return found;
    let err = found < count ? (client.walkStatus === 0 ? -ESTALE : -client.walkStatus) : 0;
    for (let i = 0; i < found; i++) {
      const fid = client.walkFids[i]!;
      if (err !== -ESTALE && chain[i]!.accept(client.walkAttrs[i]!)) chain[i]!.adoptFid(fid);
      else {
        err = -ESTALE;
        client.clunk(fid);
      }
    }
    return err < 0 ? err : this.fid;
  }

  /**
   * Takes the attributes of the file that our name leads to. False: it is another file now, although nobody else should
   * change the tree. One that nobody uses is simply replaced, as a new lookup would.
   */
  private accept(attr: Stat): boolean {
    if (!this.isSameFile(attr)) {
      const isFree = this.users === 0 && this.handle === null && this.fid === c.NOFID;
      if (!isFree || this.isDir || ((this.mode ^ attr.mode) & S_IFMT) !== 0) return false;
      this.gofer.forget(this);
      this.target = null;
      this.xattrs = null;
      this.ino = this.gofer.guestIno(attr);
      this.setStat(attr);
      this.gofer.remember(this);
      return true;
    }
    this.setStat(attr);
    return true;
  }

  override decUsers(): void {
    super.decUsers();
    if (this.users > 0) return;
    const { writer } = this;
    if (writer !== null) {
      // An fd open for writing would keep the host from running the file (ETXTBSY).
      if (this.isStale) this.refreshFrom(writer);
      this.writer = null;
      writer.decRef();
    }
    if (this.reader !== null) this.gofer.noteIdle(this);
  }

  override onUnused(): void {
    const { parent } = this;
    if (parent === null) return;
    this.gofer.forget(this);
    const isCurrent = !this.isStale && this.isAnchored && this.writer === null && this.mapping === null;
    if (isCurrent && parent.listing !== null) parent.listing.giveBack(this.name, this.ino, this.attr);
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
    if (handle !== null) return this.refreshFrom(handle);
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

  private refreshFrom(handle: GoferHandle): number {
    const { attr } = this;
    const err = statFd(this.gofer.host, handle.fd, attr);
    if (err < 0) return err;
    this.mode = attr.mode;
    this.uid = attr.uid;
    this.gid = attr.gid;
    this.isStale = false;
    return 0;
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
    const fid = this.getFid();
    if (fid < 0) return fid;
    toWire(a, wireSet);
    const { scratch, client } = this.gofer;
    const err = client.setattr(fid, wireSet, scratch);
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
    const { client, host, keeper, scratch } = this.gofer;
    const flags = write ? O_RDWR : O_RDONLY;
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
    if (fd < 0) return fd;
    if (!this.accept(scratch)) {
      host.close(fd);
      return -ESTALE;
    }
    const handle = new GoferHandle(host, keeper, fd, write);
    if (write) this.writer = handle;
    else this.reader = handle;
    return handle;
  }

  closeHandles(): void {
    if (this.reader !== null) this.reader.decRef();
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

  // --- lookups ---

  /** The inode for the i-th file of the client's last walk, found under `name` in this directory. */
  private walked(i: number, name: string, dir: GoferInode): GoferInode {
    const { client } = this.gofer;
    const inode = this.gofer.inodeOf(client.walkAttrs[i]!, dir, name);
    inode.adoptFid(client.walkFids[i]!);
    if (dir.listing !== null) dir.listing.lookedUp(name);
    return inode;
  }

  private takeTarget(inode: GoferInode): void {
    const { walkTarget } = this.gofer.client;
    if (walkTarget !== "" && inode.isSymlink) inode.target = walkTarget;
  }

  override lookup(name: string): Inode | number {
    if (this.listing !== null) {
      const record = this.listing.records.get(name);
      if (record === undefined) return -ENOENT;
      const { scratch } = this.gofer;
      const { ahead } = record;
      record.ahead = null;
      // Attributes of a file with several names may have been changed through another one.
      if (this.listing.takeAttr(record, scratch) && (scratch.nlink === 1 || (scratch.mode & S_IFMT) === S_IFDIR)) {
        const known = this.gofer.find(scratch);
        if (known !== undefined) return known;
        const inode = this.gofer.inodeOf(scratch, this, name);
        inode.listing = ahead;
        return inode;
      }
    }
    const fid = this.getFid();
    if (fid < 0) return fid;
    const { client } = this.gofer;
    oneName[0] = name;
    const found = client.walk(fid, oneName, 1, true);
    if (found < 0) return found;
    if (found === 0) return -client.walkStatus;
    const inode = this.walked(0, name, this);
    this.takeTarget(inode);
    return inode;
  }

  override walkAhead(names: readonly string[], count: number, out: (Inode | null)[]): number {
    // A directory that has been read whole answers by itself.
    if (this.listing !== null) return 0;
    const fid = this.getFid();
    if (fid < 0) return fid;
    const { client } = this.gofer;
    const found = client.walk(fid, names, count, true);
    if (found < 0) return found;
    if (found === 0) {
      if (client.walkStatus !== ENOENT) return -client.walkStatus;
      out[0] = null;
      return 1;
    }
    let last: GoferInode = this.walked(0, names[0]!, this);
    out[0] = last;
    for (let i = 1; i < found; i++) {
      last = this.walked(i, names[i]!, last);
      out[i] = last;
    }
    this.takeTarget(last);
    if (found < count && client.walkStatus === ENOENT && last.isDir) {
      out[found] = null;
      return found + 1;
    }
    return found;
  }

  override revalidate(name: string, cached: Inode | null): boolean {
    const fid = this.getFid();
    if (fid < 0) return false;
    const { client } = this.gofer;
    oneName[0] = name;
    const found = client.walk(fid, oneName, 1, true);
    if (found <= 0) return found === 0 && client.walkStatus === ENOENT && cached === null;
    const attr = client.walkAttrs[0]!;
    if (!(cached instanceof GoferInode) || !cached.isSameFile(attr)) {
      client.clunk(client.walkFids[0]!);
      return false;
    }
    cached.anchor(this, name);
    cached.setStat(attr);
    cached.target = null;
    this.takeTarget(cached);
    cached.adoptFid(client.walkFids[0]!);
    return true;
  }

  /** All entries, if they are in memory. */
  get knownEntries(): DirListing | null {
    return this.listing;
  }

  /** All entries; read from the gofer, or from memory when they are there. */
  readEntries(): DirListing | number {
    if (this.listing !== null) return this.listing;
    const isKept = !this.gofer.isShared;
    if (isKept) {
      const known = readWithNeighbours(this);
      if (known !== null) return (this.listing = known);
    }
    const fid = this.getFid();
    if (fid < 0) return fid;
    const listing = new DirListing(this.gofer, isKept);
    const err = this.gofer.client.readdir(fid, listing);
    if (err < 0) return err;
    if (isKept) this.listing = listing;
    return listing;
  }

  // --- changes of directories ---

  /** An entry appeared. */
  private added(name: string, inode: GoferInode): GoferInode {
    this.isStale = true;
    if (this.listing !== null) this.listing.put(name, inode);
    return inode;
  }

  private removed(name: string): void {
    this.isStale = true;
    if (this.listing !== null) this.listing.remove(name);
  }

  override create(name: string, mode: number, uid: number, gid: number): Inode | number {
    const fid = this.getFid();
    if (fid < 0) return fid;
    const { client, scratch, host, keeper } = this.gofer;
    const fd = client.createFd(fid, name, O_RDWR, mode, uid, gid, scratch);
    if (fd < 0) return fd;
    const inode = this.gofer.inodeOf(scratch, this, name);
    inode.adoptFid(client.newFid);
    inode.closeHandles();
    inode.writer = new GoferHandle(host, keeper, fd, true);
    return this.added(name, inode);
  }

  private make(name: string, mode: number, uid: number, gid: number, rdev: number, target: string): Inode | number {
    const fid = this.getFid();
    if (fid < 0) return fid;
    const { client, scratch } = this.gofer;
    const err = client.make(fid, name, mode, uid, gid, rdev, target, scratch);
    if (err < 0) return err;
    const inode = this.gofer.inodeOf(scratch, this, name);
    inode.adoptFid(client.newFid);
    if (inode.isSymlink) inode.target = target;
    // A new directory is empty: what is not made in it does not exist.
    if (inode.isDir && !this.gofer.isShared) inode.listing = new DirListing(this.gofer, true);
    return this.added(name, inode);
  }

  override mkdir(name: string, mode: number, uid: number, gid: number): Inode | number {
    return this.make(name, S_IFDIR | mode, uid, gid, 0, "");
  }

  override symlink(name: string, target: string, uid: number, gid: number): Inode | number {
    return this.make(name, S_IFLNK | 0o777, uid, gid, 0, target);
  }

  override mknod(name: string, mode: number, rdev: number, uid: number, gid: number): Inode | number {
    if ((mode & S_IFMT) === S_IFREG) return this.create(name, mode & ~S_IFMT, uid, gid);
    return this.make(name, mode, uid, gid, rdev, "");
  }

  override link(name: string, target: Inode): number {
    if (!(target instanceof GoferInode)) return -EPERM;
    const dirFid = this.getFid();
    if (dirFid < 0) return dirFid;
    const fid = target.getFid();
    if (fid < 0) return fid;
    const { client, scratch } = this.gofer;
    const err = client.link(dirFid, fid, name, scratch);
    if (err < 0) return err;
    target.setStat(scratch);
    target.anchor(this, name);
    this.added(name, target);
    return 0;
  }

  override unlink(name: string, victim: Inode): number {
    return this.removeEntry(name, victim, 0);
  }

  override rmdir(name: string, victim: Inode): number {
    return this.removeEntry(name, victim, AT_REMOVEDIR);
  }

  private removeEntry(name: string, victim: Inode, flags: number): number {
    const dirFid = this.getFid();
    if (dirFid < 0) return dirFid;
    if (!(victim instanceof GoferInode)) return -EIO;
    const held = victim.holdForUnlink();
    if (held < 0) return held;
    const err = this.gofer.client.unlink(dirFid, name, flags);
    if (err < 0) return err;
    this.removed(name);
    victim.lostName(this, name);
    return 0;
  }

  /** Its name is about to go: whoever still uses it needs another way to it. 0 or -errno. */
  private holdForUnlink(): number {
    if (this.users === 0 && (this.isDir || this.attr.nlink <= 1)) return 0;
    const fid = this.getFid();
    return fid < 0 && fid !== -ESTALE && fid !== -ENOENT ? fid : 0;
  }

  private lostName(dir: GoferInode, name: string): void {
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

  override rename(
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    if (!(newDir instanceof GoferInode) || !(child instanceof GoferInode)) return -EIO;
    const oldFid = this.getFid();
    if (oldFid < 0) return oldFid;
    const newFid = newDir.getFid();
    if (newFid < 0) return newFid;
    const victim = replaced instanceof GoferInode ? replaced : null;
    const isExchange = (flags & RENAME_EXCHANGE) !== 0;
    if (victim !== null && !isExchange) {
      const held = victim.holdForUnlink();
      if (held < 0) return held;
    }
    const err = this.gofer.client.rename(oldFid, name, newFid, newName, flags);
    if (err < 0) return err;
    if (victim !== null && !isExchange) victim.lostName(newDir, newName);
    this.removed(name);
    newDir.added(newName, child);
    child.anchor(newDir, newName);
    child.isStale = true;
    if (victim !== null && isExchange) {
      this.added(name, victim);
      victim.anchor(this, name);
      victim.isStale = true;
    }
    return 0;
  }
}
