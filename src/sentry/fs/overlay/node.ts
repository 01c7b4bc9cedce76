/** Overlay nodes: what all kinds of files have in common, and everything that is not a directory. */
import { EINVAL, ENODATA, EPERM } from "../../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY, O_TRUNC } from "../../../abi/fcntl.ts";
import { S_IALLUGO, S_IFLNK, S_IFMT, S_IFREG, Stat } from "../../../abi/stat.ts";
import { MappingList } from "../../memmap/mapping-list.ts";
import type { Mappable, MappingOwner, Translation } from "../../memmap/memmap.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, ATTR_UID, Inode, SetAttr } from "../../vfs/inode.ts";
import type { PathContext } from "../../vfs/path.ts";
import { copyContents } from "./copy.ts";
import type { OverlayDir } from "./dir.ts";
import { OverlayFile, openReal } from "./file.ts";
import type { OverlayFs } from "./overlay.ts";

const PRIVATE_XATTR = "trusted.overlay.";
const lowerStat: Stat = new Stat();
const timesAttr: SetAttr = new SetAttr();

/** Whether a lower layer has this name in the same directory: removing the upper one then needs a whiteout. */
export const COVERS_NOTHING = 0;
export const COVERS_LOWER = 1;
export const COVERS_UNKNOWN = 2;

/** See the header. */
export abstract class OverlayNode extends Inode {
  readonly overlayFs: OverlayFs;
  /** Where it is: for files with several names, one of the places. Null for the root. */
  parent: OverlayDir | null;
  name: string;
  /** Upper inode: holds attributes and name, once there is one. */
  upper: Inode | null;
  covers: number = COVERS_UNKNOWN;
  /** Its (last) name is gone: copying up needs no place any more. */
  unlinked = false;
  /** st_dev to show. */
  protected showDev = 0;
  protected holding = false;

  constructor(fs: OverlayFs, parent: OverlayDir | null, name: string, upper: Inode | null) {
    super(fs);
    this.overlayFs = fs;
    this.parent = parent;
    this.name = name;
    this.upper = upper;
    this.showDev = fs.dev;
    if (upper !== null) upper.overlay = this;
  }

  /** The inode with the valid attributes. */
  abstract get meta(): Inode;
  /** References on lower inodes. */
  protected abstract holdLower(): void;
  protected abstract releaseLower(): void;

  /** Takes references on the layers' inodes while the VFS uses this one. */
  hold(): void {
    if (this.holding) return;
    this.holding = true;
    if (this.upper !== null) this.upper.incUsers();
    this.holdLower();
  }

  override onUnused(): void {
    if (!this.holding) return;
    this.holding = false;
    this.releaseLower();
    if (this.upper !== null) this.upper.decUsers();
  }

  /** Takes the VFS's fields from the layer. */
  mirror(): void {
    const m = this.meta;
    this.mode = m.mode;
    this.uid = m.uid;
    this.gid = m.gid;
    this.rdev = m.rdev;
  }

  override getStat(out: Stat): number {
    const r = this.meta.getStat(out);
    if (r < 0) return r;
    out.dev = this.showDev;
    out.ino = this.ino;
    return 0;
  }

  override setAttr(a: SetAttr): number {
    let r = this.copyUp();
    if (r < 0) return r;
    r = this.upper!.setAttr(a);
    this.mirror();
    return r;
  }

  override touchModified(): void {
    if (this.upper !== null) this.upper.touchModified();
  }

  /** The host takes those of a file in the lower layer away. */
  override dropFileCaps(): void {
    if (this.upper !== null) this.upper.dropFileCaps();
  }

  override touchAtime(relatime: boolean): void {
    if (this.upper !== null) this.upper.touchAtime(relatime);
  }

  // --- extended attributes ---

  override getXattr(name: string): Uint8Array | number {
    return name.startsWith(PRIVATE_XATTR) ? -ENODATA : this.meta.getXattr(name);
  }
  override setXattr(name: string, value: Uint8Array, flags: number): number {
    if (name.startsWith(PRIVATE_XATTR)) return -EPERM;
    const r = this.copyUp();
    return r < 0 ? r : this.upper!.setXattr(name, value, flags);
  }
  override removeXattr(name: string): number {
    if (name.startsWith(PRIVATE_XATTR)) return -EPERM;
    const r = this.copyUp();
    return r < 0 ? r : this.upper!.removeXattr(name);
  }
  override listXattr(): readonly string[] | number {
    const all = this.meta.listXattr();
    return typeof all === "number" ? all : all.filter((n) => !n.startsWith(PRIVATE_XATTR));
  }

  // --- copying up ---

  /** Makes the upper inode (for regular files without contents). 0 or -errno. */
  copyUp(): number {
    if (this.upper !== null) return 0;
    const lower = this.meta;
    let r = lower.getStat(lowerStat);
    if (r < 0) return r;
    let made: Inode | number;
    if (this.unlinked || this.parent === null) {
      made = this.makeNameless(lowerStat);
    } else {
      const parent: OverlayDir = this.parent;
      r = parent.copyUp();
      if (r < 0) return r;
      const up: Inode = parent.upper!;
      // Making the entry must not show in the directory's times: nothing changed there.
      r = lower.getStat(lowerStat);
      if (r < 0) return r;
      parentTimes.mask = 0;
      if (up.getStat(parentStat) === 0) keepTimes(parentTimes, parentStat);
      made = this.makeUpper(up, lowerStat);
      if (parentTimes.mask !== 0) up.setAttr(parentTimes);
    }
    if (typeof made === "number") return made;
    copyXattrs(lower, made);
    keepTimes(timesAttr, lowerStat);
    timesAttr.mask |= ATTR_MODE | ATTR_UID | ATTR_GID;
    timesAttr.mode = lowerStat.mode & S_IALLUGO;
    timesAttr.uid = lowerStat.uid;
    timesAttr.gid = lowerStat.gid;
    if ((lowerStat.mode & S_IFMT) === S_IFLNK) timesAttr.mask &= ~ATTR_MODE;
    made.setAttr(timesAttr);
    this.setUpper(made);
    this.covers = COVERS_LOWER;
    return 0;
  }

  /** Adopts a fresh upper inode. */
  protected setUpper(made: Inode): void {
    this.upper = made;
    made.overlay = this;
    if (this.holding) made.incUsers();
    this.mirror();
  }

  /** Makes the inode in upper directory `dir` from the lower attributes. */
  protected abstract makeUpper(dir: Inode, st: Stat): Inode | number;

  /** An upper inode for a file that has no name any more. */
  protected makeNameless(_st: Stat): Inode | number {
    return -EPERM;
  }
}

const parentStat: Stat = new Stat();
const parentTimes: SetAttr = new SetAttr();

/** Our one mapping of the layer's file: longer than any. */
const WHOLE_FILE = 2 ** 52;

function keepTimes(a: SetAttr, st: Stat): void {
  a.mask = ATTR_ATIME | ATTR_MTIME;
  a.atimeSec = st.atimeSec;
  a.atimeNsec = st.atimeNsec;
  a.mtimeSec = st.mtimeSec;
  a.mtimeNsec = st.mtimeNsec;
}

function copyXattrs(from: Inode, to: Inode): void {
  const names = from.listXattr();
  if (typeof names === "number") return;
  for (const n of names) {
    if (n.startsWith(PRIVATE_XATTR)) continue;
    const v = from.getXattr(n);
    if (typeof v !== "number") to.setXattr(n, v.slice(), 0);
  }
}

/** Anything that is not a directory: one lower inode at most. */
export class OverlayLeaf extends OverlayNode implements Mappable, MappingOwner {
  /** Source of contents while `upper` has none; null once it has. */
  lower: Inode | null;
  /** Names, for lower files with several; -1: the layer knows. */
  links = -1;
  private readonly layer: number;
  /** Mappings: who is told when contents move. */
  private mappings: MappingList | null = null;
  /** What the mappings map, and the file that keeps it there. */
  private mapSource: FileDescription | null = null;
  private mapped: Mappable | null = null;
  /** {@link mapped} knows that it is: of one mapping by us, whatever others do with ours. */
  private isTold = false;

  constructor(
    fs: OverlayFs,
    parent: OverlayDir | null,
    name: string,
    upper: Inode | null,
    lower: Inode | null,
    layer: number,
  ) {
    super(fs, parent, name, upper);
    this.lower = lower;
    this.layer = layer;
    this.ino = fs.inoOf(lower !== null ? lower : upper!, lower !== null ? layer : -1);
    this.mirror();
  }

  override get meta(): Inode {
    return this.upper !== null ? this.upper : this.lower!;
  }

  /** The inode with the contents. */
  get data(): Inode {
    return this.lower !== null ? this.lower : this.upper!;
  }

  /** A lower file on another device than its layer's root keeps its device; call once after construction. */
  setLowerDevice(dev: number): void {
    if (dev !== this.overlayFs.lowerDevs[this.layer]) this.showDev = dev;
  }

  protected override holdLower(): void {
    if (this.lower !== null) this.lower.incUsers();
  }

  protected override releaseLower(): void {
    if (this.lower === null) return;
    // What the lower layer does not know is remembered: that names of the file were removed.
    const isAsBelow = this.links >= 0 && this.lower.getStat(lowerStat) === 0 && this.links === lowerStat.nlink;
    this.lower.decUsers();
    if (isAsBelow && this.upper === null) this.overlayFs.linked.delete(this.ino);
  }

  override getStat(out: Stat): number {
    const r = this.meta.getStat(out);
    if (r < 0) return r;
    if (this.lower !== null && this.upper !== null) {
      const l = this.lower.getStat(lowerStat);
      if (l < 0) return l;
      out.size = lowerStat.size;
      out.blocks = lowerStat.blocks;
    }
    out.dev = this.showDev;
    out.ino = this.ino;
    if (this.links >= 0) out.nlink = this.links;
    return 0;
  }

  override setAttr(a: SetAttr): number {
    if ((a.mask & ATTR_SIZE) !== 0) {
      const r = a.size === 0 ? this.copyUpEmpty() : this.copyUpData();
      if (r < 0) return r;
    }
    return super.setAttr(a);
  }

  override readlink(ctx: PathContext): string | number {
    return this.meta.readlink(ctx);
  }

  override get opensSpecial(): boolean {
    return false;
  }

  override open(flags: number, ctx: PathContext): FileDescription | number {
    if ((flags & O_ACCMODE) !== O_RDONLY && this.lower !== null) {
      const r = this.copyUpData();
      if (r < 0) return r;
    }
    const data = this.data;
    const real = openReal(data, flags & ~O_TRUNC, ctx);
    return typeof real === "number" ? real : new OverlayFile(this, data, real);
  }

  // --- copying up ---

  protected override makeUpper(dir: Inode, st: Stat): Inode | number {
    switch (st.mode & S_IFMT) {
      case S_IFREG:
        return dir.create(this.name, st.mode & S_IALLUGO, st.uid, st.gid);
      case S_IFLNK: {
        const target = this.lower!.readlink(this.overlayFs.layerCtx);
        return typeof target === "number" ? target : dir.symlink(this.name, target, st.uid, st.gid);
      }
      default:
        return dir.mknod(this.name, st.mode, st.rdev, st.uid, st.gid);
    }
  }

  protected override makeNameless(st: Stat): Inode | number {
    if ((st.mode & S_IFMT) !== S_IFREG) return -EINVAL;
    return this.overlayFs.upper.root.inode!.tmpfile(st.mode & S_IALLUGO, st.uid, st.gid);
  }

  override onUnused(): void {
    if (this.mappings === null || this.mappings.isEmpty) this.forgetMappable();
    super.onUnused();
  }

  /** The last of several names is gone. */
  releaseShared(): void {
    this.overlayFs.linked.delete(this.ino);
    if (this.upper !== null) this.upper.decUsers();
  }

  protected override setUpper(made: Inode): void {
    super.setUpper(made);
    // Lower names lead here as long as there are any, whatever becomes of the upper one.
    if (this.links > 0) made.incUsers();
    // Only regular files go on using the lower one, for their contents.
    if (!this.isRegular) this.dropLower();
  }

  /** The contents are in the upper layer from here on. */
  private dropLower(): void {
    const lower = this.lower;
    if (lower === null) return;
    this.lower = null;
    if (this.holding) lower.decUsers();
    this.moveMappings();
  }

  /** Contents to the upper layer, and attributes. 0 or -errno. */
  copyUpData(): number {
    if (this.lower === null) return 0;
    let r = this.copyUp();
    if (r < 0 || this.lower === null) return r;
    const upper = this.upper!;
    r = upper.getStat(parentStat);
    if (r < 0) return r;
    keepTimes(timesAttr, parentStat);
    r = copyContents(this.lower, upper, this.overlayFs.layerCtx);
    if (r < 0) return r;
    upper.setAttr(timesAttr);
    this.dropLower();
    this.mirror();
    return 0;
  }

  /** The contents are about to be thrown away: nothing to copy. */
  private copyUpEmpty(): number {
    if (this.lower === null) return 0;
    const r = this.copyUp();
    if (r < 0) return r;
    this.dropLower();
    return 0;
  }

  // --- mapping: the layers' mappable behind one that never changes ---

  /** What can be mapped of `real`, an open file on the current contents. */
  mappableOf(real: FileDescription): Mappable | number {
    if (this.mapped === null) {
      const m = real.mappable();
      if (typeof m === "number") return m;
      real.incRef();
      this.mapSource = real;
      this.mapped = m;
    }
    return this;
  }

  /** Finds the layer's mappable again after the contents moved. */
  private currentMappable(): Mappable | number {
    if (this.mapped !== null) return this.mapped;
    const real = openReal(this.data, O_RDONLY, this.overlayFs.layerCtx);
    if (typeof real === "number") return real;
    const m = real.mappable();
    if (typeof m === "number") {
      real.decRef();
      return m;
    }
    this.mapSource = real;
    return (this.mapped = m);
  }

  private forgetMappable(): void {
    const source = this.mapSource;
    this.mapped = null;
    this.mapSource = null;
    if (source !== null) source.decRef();
  }

  /** After copy-up: mappings show the upper file from their next fault on. */
  private moveMappings(): void {
    if (this.mapped === null) return;
    this.untell();
    this.mappings?.invalidate(this, 0, WHOLE_FILE);
    this.forgetMappable();
    if (this.mappings !== null && !this.mappings.isEmpty) this.tell();
  }

  /** The layer's file is mapped now. */
  private tell(): void {
    if (this.isTold) return;
    const m = this.currentMappable();
    if (typeof m === "number") return;
    m.addMapping(this, 0, WHOLE_FILE, 0, false);
    this.isTold = true;
  }

  private untell(): void {
    if (!this.isTold) return;
    this.isTold = false;
    this.mapped!.removeMapping(this, 0, WHOLE_FILE, 0, false);
  }

  translate(offset: number, len: number, write: boolean, out: Translation): number {
    const m = this.currentMappable();
    return typeof m === "number" ? m : m.translate(offset, len, write, out);
  }

  addMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void {
    if (this.mappings === null) this.mappings = new MappingList();
    this.mappings.add(owner, addr, len, offset, writable);
    this.tell();
    this.incUsers();
  }

  removeMapping(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void {
    const { mappings } = this;
    if (mappings === null || !mappings.remove(owner, addr, len, offset, writable)) return;
    if (mappings.isEmpty) {
      this.untell();
      this.forgetMappable();
    }
    this.decUsers();
  }

  syncRange(offset: number, len: number): number {
    const m = this.currentMappable();
    return typeof m === "number" ? m : m.syncRange(offset, len);
  }

  /** The layer's file lost pages: pass it on under our own name. */
  invalidateMapping(_mappable: Mappable, offset: number, len: number): void {
    this.mappings?.invalidate(this, offset, len);
  }
}
