/**
 * Overlay file system: read-only lower layers, a writable upper layer in memory.
 *
 * An overlay inode ("node") stands for what one name shows: an upper inode, a lower one, or for directories one of each
 * and more (merged). Deleted lower names are hidden by whiteouts (character device 0,0) in the upper layer. Changing
 * attributes or the name of a lower file copies it up without its contents (the node goes on reading the lower file);
 * contents follow when the file is opened for writing. A node with an upper inode lives as long as that (Inode.overlay),
 * so inode numbers, hard links and renamed lower directories stay what they are whatever the dentry cache does.
 *
 * Lower layers must not change behind our back.
 */
import { OVERLAYFS_SUPER_MAGIC } from "../../../abi/statfs.ts";
import { StatFs } from "../../../abi/statfs.ts";
import { S_IALLUGO, Stat } from "../../../abi/stat.ts";
import { rootCredentials } from "../../auth/credentials.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_UID, SetAttr } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";
import { OverlayDir } from "./dir.ts";
import type { OverlayNode } from "./node.ts";

/** Inode numbers of files made in the upper layer start here; those from lower layers keep their own. */
const UPPER_INO_BASE = 2 ** 48;
/** Distance between the inode numbers of two lower layers. */
const LAYER_INO_STEP = 2 ** 44;

/** The overlay as a caller of its layers: all-powerful. */
class LayerContext implements PathContext {
  readonly vfs: VirtualFileSystem;
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  readonly creds: Credentials = rootCredentials();
  readonly umask = 0;
  readonly owner: unknown = null;
  constructor(vfs: VirtualFileSystem) {
    this.vfs = vfs;
    this.root = vfs.anon.mount.rootPath;
    this.cwd = this.root;
  }
}

/** One overlay. */
export class OverlayFs extends FileSystem {
  readonly upper: FileSystem;
  readonly layerCtx: PathContext;
  /** st_dev of each lower layer's root: files elsewhere (submounts) keep their own. */
  readonly lowerDevs: number[] = [];
  /** Nodes of lower files with several names, by inode number: all names lead to one node. */
  readonly linked: Map<number, OverlayNode> = new Map();
  private readonly lowerFs: readonly FileSystem[];
  private readonly optionText: string;

  /**
   * `lowers`: root directories, topmost first. `upper`: a file system that supports everything (tmpfs), not mounted
   * anywhere else.
   */
  constructor(vfs: VirtualFileSystem, lowers: readonly Inode[], upper: FileSystem, optionText: string = "") {
    super(vfs, "overlay");
    this.upper = upper;
    this.lowerFs = lowers.map((l) => l.fs);
    this.optionText = optionText;
    this.layerCtx = new LayerContext(vfs);
    this.cachesNegative = true;
    const st = new Stat();
    for (const l of lowers) this.lowerDevs.push(l.getStat(st) < 0 ? -1 : st.dev);
    // The layers are used as if mounted.
    upper.mounts++;
    for (const fs of this.lowerFs) fs.mounts++;
    const upperRoot = upper.root.inode!;
    this.copyRootAttributes(lowers[0], upperRoot);
    const root = new OverlayDir(this, null, "", upperRoot, lowers.slice(), 0);
    root.hold();
    this.setRoot(root);
  }

  /** The root looks as in the topmost lower layer. */
  private copyRootAttributes(lower: Inode | undefined, upperRoot: Inode): void {
    const st = new Stat();
    if (lower === undefined || lower.getStat(st) < 0) return;
    const a = new SetAttr();
    a.mask = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME;
    a.mode = st.mode & S_IALLUGO;
    a.uid = st.uid;
    a.gid = st.gid;
    a.atimeSec = st.atimeSec;
    a.atimeNsec = st.atimeNsec;
    a.mtimeSec = st.mtimeSec;
    a.mtimeNsec = st.mtimeNsec;
    upperRoot.setAttr(a);
  }

  /** Stable number of a file: that of its lower inode, or one above all of those. */
  inoOf(inode: Inode, layer: number): number {
    if (layer < 0) return UPPER_INO_BASE + inode.ino;
    return layer === 0 ? inode.ino : inode.ino + layer * LAYER_INO_STEP;
  }

  override statfs(out: StatFs): number {
    const r = this.upper.statfs(out);
    // What the layers below hold is used as well, so that the sum is what df(1) should say of this root.
    for (const fs of this.lowerFs) {
      const below = new StatFs();
      if (r !== 0 || fs.statfs(below) !== 0 || below.bsize === 0 || out.bsize === 0) continue;
      out.blocks += Math.floor(((below.blocks - below.bfree) * below.bsize) / out.bsize);
      out.files += below.files - below.ffree;
    }
    out.type = OVERLAYFS_SUPER_MAGIC;
    out.fsidLo = this.dev;
    return r;
  }

  override sync(): number {
    return this.upper.sync();
  }

  override get options(): string {
    return this.optionText;
  }

  override dropCaches(): void {
    super.dropCaches();
    for (const fs of this.lowerFs) fs.dropCaches();
  }

  override release(): void {
    for (const fs of [this.upper, ...this.lowerFs]) {
      if (--fs.mounts === 0) {
        fs.shrink();
        fs.release();
      }
    }
  }
}
