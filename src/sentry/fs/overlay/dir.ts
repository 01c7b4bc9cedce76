/** Directories of an overlay: lookup through the layers, merged listing, and changes in the upper layer. */
import { ENOENT, ENOTEMPTY, EPERM } from "../../../abi/errno.ts";
import { O_RDONLY, RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { S_IALLUGO, S_IFCHR, S_IFMT, Stat } from "../../../abi/stat.ts";
import { latin1 } from "../../../base/text.ts";
import { DirentList } from "../../vfs/dirent.ts";
import type { DirentRecords, DirentSink } from "../../vfs/dirent.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import { OverlayDirFile, UpperDirFile, WHITEOUT_TYPE, isWhiteout, openReal, readLayer } from "./file.ts";
import { COVERS_LOWER, COVERS_NOTHING, COVERS_UNKNOWN, OverlayLeaf, OverlayNode } from "./node.ts";
import type { OverlayFs } from "./overlay.ts";

/** Marks upper directories whose lower namesakes are hidden. */
const OPAQUE = "trusted.overlay.opaque";
const YES: Uint8Array = new Uint8Array([0x79]);
const st: Stat = new Stat();

/** Finds out whether an upper directory shows anything. */
class AnyEntry implements DirentSink {
  private readonly dir: OverlayDir;
  /** Is given what is visible. */
  private readonly visible: DirentList = new DirentList();

  constructor(dir: OverlayDir) {
    this.dir = dir;
  }

  get isFound(): boolean {
    return this.visible.names.length > 0;
  }

  emit(name: string, _ino: number, type: number, nextOffset: number): boolean {
    return this.dir.emitUpper(this.visible, name, type, nextOffset) && !this.isFound;
  }

  emitBytes(buf: Uint8Array, at: number, len: number, ino: number, type: number, nextOffset: number): boolean {
    return this.emit(latin1(buf, at, at + len), ino, type, nextOffset);
  }

  emitRecords(records: DirentRecords, first: number): number {
    return records.emitEach(this, first);
  }
}

/** A directory: at most one upper, any number of lower ones below it. */
export class OverlayDir extends OverlayNode {
  /** Lower directories merged here, topmost first, with the layers they come from. */
  readonly lowers: Inode[];
  /** Layer number of each of `lowers`, counted from `firstLayer`. */
  readonly layers: number[];

  /** `lowers[i]` comes from layer `firstLayer + i` unless `layers` is given. */
  constructor(
    fs: OverlayFs,
    parent: OverlayDir | null,
    name: string,
    upper: Inode | null,
    lowers: Inode[],
    firstLayer: number,
    layers: number[] | null = null,
  ) {
    super(fs, parent, name, upper);
    this.lowers = lowers;
    this.layers = layers === null ? lowers.map((_, i) => firstLayer + i) : layers;
    this.ino = lowers.length > 0 ? fs.inoOf(lowers[0]!, this.layers[0]!) : fs.inoOf(upper!, -1);
    this.mirror();
    this.canWalkAhead = lowers.length === 1 && lowers[0]!.canWalkAhead;
  }

  override get meta(): Inode {
    return this.upper !== null ? this.upper : this.lowers[0]!;
  }

  setLowerDevice(dev: number): void {
    if (dev !== this.overlayFs.lowerDevs[this.layers[0]!]) this.showDev = dev;
  }

  protected override holdLower(): void {
    for (const l of this.lowers) l.incUsers();
  }
  protected override releaseLower(): void {
    for (const l of this.lowers) l.decUsers();
  }

  override getStat(out: Stat): number {
    const r = super.getStat(out);
    // A merged directory's link count is not known: 1 says so to find(1) and others.
    if (r === 0 && this.upper !== null && this.lowers.length > 0 && out.nlink > 0) out.nlink = 1;
    return r;
  }

  // --- lookup ---

  override lookup(name: string): Inode | number {
    const up = this.upper;
    if (up !== null) {
      const u = up.lookup(name, this.overlayFs.layerCtx);
      if (typeof u !== "number") {
        if (u.overlay !== null) {
          const known = u.overlay as OverlayNode;
          known.hold();
          return known;
        }
        if (isWhiteout(u)) return -ENOENT;
        return this.adoptUpper(name, u);
      }
      if (u !== -ENOENT) return u;
    }
    return this.lookupLower(name, 0);
  }

  /** An upper inode that was there before the overlay was. */
  private adoptUpper(name: string, u: Inode): Inode {
    const fs = this.overlayFs;
    let node: OverlayNode;
    if (u.isDir) {
      const lowers: Inode[] = [];
      const layers: number[] = [];
      if (typeof u.getXattr(OPAQUE) === "number") this.collectLower(name, 0, lowers, layers);
      node = new OverlayDir(fs, this, name, u, lowers, 0, layers);
    } else {
      node = new OverlayLeaf(fs, this, name, u, null, -1);
    }
    node.hold();
    return node;
  }

  /** Lower directories called `name` from the `from`-th lower on, up to the first thing that is not one. */
  private collectLower(name: string, from: number, lowers: Inode[], layers: number[]): void {
    for (let i = from; i < this.lowers.length; i++) {
      const l = this.lowers[i]!.lookup(name, this.overlayFs.layerCtx);
      if (typeof l === "number") continue;
      if (!l.isDir) return;
      lowers.push(l);
      layers.push(this.layers[i]!);
      if (typeof l.getXattr(OPAQUE) !== "number") return;
    }
  }

  private lookupLower(name: string, from: number): Inode | number {
    const ctx = this.overlayFs.layerCtx;
    for (let i = from; i < this.lowers.length; i++) {
      const l = this.lowers[i]!.lookup(name, ctx);
      if (typeof l === "number") {
        if (l === -ENOENT) continue;
        return l;
      }
      if (this.lowers.length > 1 && isWhiteout(l)) return -ENOENT;
      return this.wrapLower(name, l, i);
    }
    return -ENOENT;
  }

  /** The node for lower inode `l`, found in the i-th lower directory. */
  private wrapLower(name: string, l: Inode, i: number): Inode | number {
    const fs = this.overlayFs;
    const layer = this.layers[i]!;
    const r = l.getStat(st);
    if (r < 0) return r;
    const { dev, nlink } = st;
    if (l.isDir) {
      const lowers = [l];
      const layers = [layer];
      if (i + 1 < this.lowers.length && typeof l.getXattr(OPAQUE) === "number") {
        this.collectLower(name, i + 1, lowers, layers);
      }
      const dir = new OverlayDir(fs, this, name, null, lowers, 0, layers);
      dir.covers = COVERS_LOWER;
      dir.setLowerDevice(dev);
      dir.hold();
      return dir;
    }
    const shared = nlink > 1 && dev === fs.lowerDevs[layer];
    if (shared) {
      const known = fs.linked.get(fs.inoOf(l, layer));
      if (known !== undefined) {
        // This name is a lower one, whatever the node's own place is.
        if (known.parent === null && known.upper === null) {
          known.parent = this;
          known.name = name;
        }
        if (known.parent !== this || known.name !== name) known.covers = COVERS_UNKNOWN;
        known.hold();
        return known;
      }
    }
    const leaf = new OverlayLeaf(fs, this, name, null, l, layer);
    leaf.covers = COVERS_LOWER;
    leaf.setLowerDevice(dev);
    if (shared) {
      leaf.links = nlink;
      fs.linked.set(leaf.ino, leaf);
    }
    leaf.hold();
    return leaf;
  }

  override walkAhead(names: readonly string[], count: number, out: (Inode | null)[]): number {
    if (this.upper !== null) {
      const u = this.upper.lookup(names[0]!, this.overlayFs.layerCtx);
      if (u !== -ENOENT) return 0;
    }
    const n = this.lowers[0]!.walkAhead(names, count, out);
    return n > 0 ? this.wrapChain(names, out, 0, n) : n;
  }

  /** Puts nodes in place of the lower inodes out[k..n), found one below the other. Returns how many are good. */
  private wrapChain(names: readonly string[], out: (Inode | null)[], k: number, n: number): number {
    const l = out[k]!;
    if (l === null) return n;
    const node = this.wrapLower(names[k]!, l, 0);
    if (typeof node === "number") return k;
    out[k] = node;
    if (k + 1 >= n || !(node instanceof OverlayDir)) return k + 1;
    return node.wrapChain(names, out, k + 1, n);
  }

  // --- listing ---

  override open(): FileDescription | number {
    if (!this.isPureUpper) return new OverlayDirFile(this);
    const real = openReal(this.upper!, O_RDONLY, this.overlayFs.layerCtx);
    return typeof real === "number" ? real : new UpperDirFile(this, real);
  }

  /** Whether all that is in it lies in the upper layer, now and for ever. */
  private get isPureUpper(): boolean {
    return this.lowers.length === 0 && this.upper !== null;
  }

  /** Hands an entry of the upper directory on, if it is visible. False: `sink` did not take it. */
  emitUpper(sink: DirentSink, name: string, type: number, nextOffset: number): boolean {
    if (name === "." || name === "..") return true;
    const u = this.upper!.lookup(name, this.overlayFs.layerCtx);
    if (typeof u === "number" || isWhiteout(u)) return true;
    return sink.emit(name, u.overlay !== null ? u.overlay.ino : this.inoOfUpper(name, u), type, nextOffset);
  }

  /** Appends all visible entries, without "." and "..". 0 or -errno. */
  merge(out: DirentList): number {
    const fs = this.overlayFs;
    const ctx = fs.layerCtx;
    const raw = new DirentList();
    const seen: Set<string> | null = this.lowers.length + (this.upper === null ? 0 : 1) > 1 ? new Set() : null;
    if (this.upper !== null) {
      const r = readLayer(this.upper, raw, ctx);
      if (r < 0) return r;
      for (let i = 0; i < raw.names.length; i++) {
        if (seen !== null) seen.add(raw.names[i]!);
        this.emitUpper(out, raw.names[i]!, raw.types[i]!, 0);
      }
    }
    for (let l = 0; l < this.lowers.length; l++) {
      raw.clear();
      const lower = this.lowers[l]!;
      const r = readLayer(lower, raw, ctx);
      if (r < 0) return r;
      const layer = this.layers[l]!;
      const isLast = l === this.lowers.length - 1;
      for (let i = 0; i < raw.names.length; i++) {
        const name = raw.names[i]!;
        if (name === "." || name === "..") continue;
        if (seen !== null) {
          if (seen.has(name)) continue;
          if (!isLast) seen.add(name);
        }
        if (raw.types[i] === WHITEOUT_TYPE && this.lowers.length > 1) {
          const w = lower.lookup(name, ctx);
          if (typeof w !== "number" && isWhiteout(w)) continue;
        }
        const ino = raw.inos[i]!;
        out.emit(name, layer === 0 ? ino : fs.inoOf({ ino } as Inode, layer), raw.types[i]!, 0);
      }
    }
    return 0;
  }

  private inoOfUpper(name: string, u: Inode): number {
    return this.adoptUpper(name, u).ino;
  }

  /** Whether nothing is visible in it: 1, 0 or -errno. */
  private isEmpty(): number {
    if (this.isPureUpper) {
      const real = openReal(this.upper!, O_RDONLY, this.overlayFs.layerCtx);
      if (typeof real === "number") return real;
      const any = new AnyEntry(this);
      const r = real.iterate(any);
      real.decRef();
      return r < 0 ? r : any.isFound ? 0 : 1;
    }
    const list = new DirentList();
    const r = this.merge(list);
    if (r < 0) return r;
    return list.names.length === 0 ? 1 : 0;
  }

  // --- changes ---

  protected override makeUpper(dir: Inode, stat: Stat): Inode | number {
    return dir.mkdir(this.name, stat.mode & S_IALLUGO, stat.uid, stat.gid);
  }

  /**
   * Gets the upper directory ready for a new entry: copied up, whiteout of that name removed. Returns COVERS_LOWER when
   * there was one, COVERS_NOTHING, or -errno.
   */
  private prepare(name: string): number {
    if (this.unlinked) return -ENOENT;
    const r = this.copyUp();
    if (r < 0) return r;
    const up = this.upper!;
    const w = up.lookup(name, this.overlayFs.layerCtx);
    if (typeof w === "number" || !isWhiteout(w)) return COVERS_NOTHING;
    const u = up.unlink(name, w);
    return u < 0 ? u : COVERS_LOWER;
  }

  /** Puts a whiteout back when making the entry failed after `prepare`. */
  private restore(name: string, covers: number): void {
    if (covers === COVERS_LOWER) this.upper!.mknod(name, S_IFCHR, 0, 0, 0);
  }

  private adoptLeaf(name: string, made: Inode | number, covers: number): Inode | number {
    if (typeof made === "number") {
      this.restore(name, covers);
      return made;
    }
    const node = new OverlayLeaf(this.overlayFs, this, name, made, null, -1);
    node.covers = covers;
    node.hold();
    return node;
  }

  override create(name: string, mode: number, uid: number, gid: number): Inode | number {
    const covers = this.prepare(name);
    if (covers < 0) return covers;
    return this.adoptLeaf(name, this.upper!.create(name, mode, uid, gid), covers);
  }

  override symlink(name: string, target: string, uid: number, gid: number): Inode | number {
    const covers = this.prepare(name);
    if (covers < 0) return covers;
    return this.adoptLeaf(name, this.upper!.symlink(name, target, uid, gid), covers);
  }

  override mknod(name: string, mode: number, rdev: number, uid: number, gid: number): Inode | number {
    if ((mode & S_IFMT) === S_IFCHR && rdev === 0) return -EPERM;
    const covers = this.prepare(name);
    if (covers < 0) return covers;
    return this.adoptLeaf(name, this.upper!.mknod(name, mode, rdev, uid, gid), covers);
  }

  override mkdir(name: string, mode: number, uid: number, gid: number): Inode | number {
    const covers = this.prepare(name);
    if (covers < 0) return covers;
    const made = this.upper!.mkdir(name, mode, uid, gid);
    if (typeof made === "number") {
      this.restore(name, covers);
      return made;
    }
    if (covers === COVERS_LOWER) made.setXattr(OPAQUE, YES, 0);
    const dir = new OverlayDir(this.overlayFs, this, name, made, [], 0);
    dir.covers = covers;
    dir.hold();
    return dir;
  }

  override tmpfile(mode: number, uid: number, gid: number): Inode | number {
    const r = this.copyUp();
    if (r < 0) return r;
    const made = this.upper!.tmpfile(mode, uid, gid);
    if (typeof made === "number") return made;
    const node = new OverlayLeaf(this.overlayFs, null, "", made, null, -1);
    node.unlinked = true;
    node.hold();
    return node;
  }

  override link(name: string, target: Inode): number {
    const node = target as OverlayLeaf;
    let r = node.copyUp();
    if (r < 0) return r;
    const covers = this.prepare(name);
    if (covers < 0) return covers;
    node.upper!.linkable = node.linkable;
    r = this.upper!.link(name, node.upper!);
    if (r < 0) {
      this.restore(name, covers);
      return r;
    }
    if (node.links >= 0) node.links++;
    if (node.unlinked) {
      node.unlinked = false;
      node.parent = this;
      node.name = name;
      node.covers = covers;
    } else {
      // Several names: what each covers is looked up when it goes.
      node.covers = COVERS_UNKNOWN;
    }
    return 0;
  }

  /** Whether a lower directory has `name`. */
  private lowerHas(name: string): boolean {
    for (const l of this.lowers) {
      const found = l.lookup(name, this.overlayFs.layerCtx);
      if (typeof found !== "number") return !(this.lowers.length > 1 && isWhiteout(found));
    }
    return false;
  }

  /** Whether removing `name`, which shows `node`, must leave a whiteout. */
  private needsWhiteout(name: string, node: OverlayNode): boolean {
    if (this.lowers.length === 0) return false;
    if (node.covers !== COVERS_UNKNOWN && node.parent === this && node.name === name) {
      return node.covers === COVERS_LOWER;
    }
    return this.lowerHas(name);
  }

  /** The upper entry `name`, if there is one. */
  private upperEntry(name: string): Inode | null {
    const u = this.upper!.lookup(name, this.overlayFs.layerCtx);
    return typeof u === "number" ? null : u;
  }

  override unlink(name: string, victim: Inode): number {
    const node = victim as OverlayLeaf;
    let r = this.copyUp();
    if (r < 0) return r;
    const whiteout = this.needsWhiteout(name, node);
    const entry = this.upperEntry(name);
    if (entry !== null) {
      r = this.upper!.unlink(name, entry);
      if (r < 0) return r;
    }
    if (whiteout) {
      const w = this.upper!.mknod(name, S_IFCHR, 0, 0, 0);
      if (typeof w === "number") return w;
    }
    dropName(node, this, name);
    return 0;
  }

  override rmdir(name: string, victim: Inode): number {
    const dir = victim as OverlayDir;
    let r = dir.isEmpty();
    if (r <= 0) return r < 0 ? r : -ENOTEMPTY;
    r = this.copyUp();
    if (r < 0) return r;
    const whiteout = this.needsWhiteout(name, dir);
    r = this.removeUpperDir(name, dir);
    if (r < 0) return r;
    if (whiteout) {
      const w = this.upper!.mknod(name, S_IFCHR, 0, 0, 0);
      if (typeof w === "number") return w;
    }
    dir.unlinked = true;
    return 0;
  }

  /** Removes the upper half of an empty directory, whiteouts in it included. */
  private removeUpperDir(name: string, dir: OverlayDir): number {
    const up = dir.upper;
    if (up === null) return 0;
    const raw = new DirentList();
    const r = readLayer(up, raw, this.overlayFs.layerCtx);
    if (r < 0) return r;
    for (const n of raw.names) {
      if (n === "." || n === "..") continue;
      const w = up.lookup(n, this.overlayFs.layerCtx);
      if (typeof w !== "number") up.unlink(n, w);
    }
    return this.upper!.rmdir(name, up);
  }

  override rename(
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    const to = newDir as OverlayDir;
    const moved = child as OverlayNode;
    const victim = replaced as OverlayNode | null;
    let r = this.copyUp();
    if (r < 0) return r;
    r = to.copyUp();
    if (r < 0) return r;
    r = moved.copyUp();
    if (r < 0) return r;
    // A name of a lower file whose node was copied up under another name gets an upper entry now.
    r = this.ensureEntry(name, moved);
    if (r < 0) return r;
    if ((flags & RENAME_EXCHANGE) !== 0) return this.exchange(name, moved, to, newName, victim!);
    if (victim instanceof OverlayDir) {
      const e = victim.isEmpty();
      if (e <= 0) return e < 0 ? e : -ENOTEMPTY;
    }
    const leaveWhiteout = this.needsWhiteout(name, moved);
    let covers: number;
    if (victim === null) {
      covers = to.prepare(newName);
      if (covers < 0) return covers;
    } else {
      covers = to.needsWhiteout(newName, victim) ? COVERS_LOWER : COVERS_NOTHING;
    }
    let victimUpper: Inode | null = victim === null ? null : to.upperEntry(newName);
    if (victim instanceof OverlayDir && victimUpper !== null) {
      r = to.removeUpperDir(newName, victim);
      if (r < 0) return r;
      victimUpper = null;
    }
    r = this.upper!.rename(name, moved.upper!, to.upper!, newName, victimUpper, 0);
    if (r < 0) {
      if (victim === null) to.restore(newName, covers);
      return r;
    }
    if (leaveWhiteout) this.upper!.mknod(name, S_IFCHR, 0, 0, 0);
    if (victim instanceof OverlayDir) victim.unlinked = true;
    else if (victim !== null) dropName(victim as OverlayLeaf, to, newName);
    moved.parent = to;
    moved.name = newName;
    moved.covers = covers;
    // What lies below that name in lower layers must not shine through.
    if (covers === COVERS_LOWER && moved instanceof OverlayDir) moved.upper!.setXattr(OPAQUE, YES, 0);
    return 0;
  }

  /** Makes sure the upper directory has `name` for `node` (hard links of lower files share one node). */
  private ensureEntry(name: string, node: OverlayNode): number {
    if (this.upperEntry(name) !== null || node instanceof OverlayDir) return 0;
    node.upper!.linkable = true;
    const r = this.upper!.link(name, node.upper!);
    node.upper!.linkable = false;
    return r;
  }

  private exchange(name: string, moved: OverlayNode, to: OverlayDir, newName: string, other: OverlayNode): number {
    let r = other.copyUp();
    if (r < 0) return r;
    r = to.ensureEntry(newName, other);
    if (r < 0) return r;
    const movedCovers = to.needsWhiteout(newName, other) ? COVERS_LOWER : COVERS_NOTHING;
    const otherCovers = this.needsWhiteout(name, moved) ? COVERS_LOWER : COVERS_NOTHING;
    r = this.upper!.rename(name, moved.upper!, to.upper!, newName, other.upper!, RENAME_EXCHANGE);
    if (r < 0) return r;
    moved.parent = to;
    moved.name = newName;
    moved.covers = movedCovers;
    other.parent = this;
    other.name = name;
    other.covers = otherCovers;
    return 0;
  }
}

/** A name of `node` is gone. */
function dropName(node: OverlayLeaf, dir: OverlayDir, name: string): void {
  if (node.links >= 0) node.links--;
  let left = node.links;
  if (left === 0) node.releaseShared();
  if (left < 0) left = node.upper !== null && node.upper.getStat(st) === 0 ? st.nlink : 0;
  if (left > 0) {
    if (node.parent === dir && node.name === name) {
      node.covers = COVERS_UNKNOWN;
      node.parent = null;
    }
    return;
  }
  node.unlinked = true;
}
