/** tmpfs(5): files in memory. */
import { EINVAL } from "../../../abi/errno.ts";
import { TMPFS_MAGIC } from "../../../abi/statfs.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { FileSystemType, VirtualFileSystem } from "../../vfs/vfs.ts";
import { TmpfsDir } from "./dir.ts";
import { PageBudget } from "./pages.ts";

/** What mount options set. */
export class TmpfsOptions {
  /** Bytes; Infinity: no limit. */
  size: number = Infinity;
  inodes: number = Infinity;
  mode = 0o1777;
  uid = 0;
  gid = 0;
}

/** What statfs says of a tmpfs without a limit. */
const NOMINAL_SIZE = 8 * 1024 * 1024 * 1024;

/** A tmpfs instance. */
export class TmpfsFs extends FileSystem {
  readonly mem: MemoryFile;
  readonly budget: PageBudget;
  inodes = 0;
  maxInodes: number;
  readonly rootDir: TmpfsDir;
  private readonly opts: TmpfsOptions;
  private nextIno = 1;

  constructor(vfs: VirtualFileSystem, mem: MemoryFile, options: TmpfsOptions, typeName: string = "tmpfs") {
    super(vfs, typeName);
    this.mem = mem;
    this.opts = options;
    this.budget = new PageBudget(Math.ceil(options.size / PAGE_SIZE));
    this.maxInodes = options.inodes;
    this.rootDir = new TmpfsDir(this, options.mode, options.uid, options.gid, null);
    this.setRoot(this.rootDir);
  }

  newIno(): number {
    return this.nextIno++;
  }

  override statfs(out: StatFs): number {
    const limit = this.budget.limit;
    const nominal = this.mem.limit === Infinity ? NOMINAL_SIZE : this.mem.limit;
    const blocks = limit === Infinity ? Math.floor(nominal / PAGE_SIZE) : limit;
    const free = Math.max(0, blocks - this.budget.used);
    const files = this.maxInodes === Infinity ? 1 << 20 : this.maxInodes;
    out.type = TMPFS_MAGIC;
    out.bsize = PAGE_SIZE;
    out.blocks = blocks;
    out.bfree = out.bavail = free;
    out.files = files;
    out.ffree = Math.max(0, files - this.inodes);
    out.fsidLo = this.dev;
    out.fsidHi = 0;
    out.namelen = 255;
    out.frsize = PAGE_SIZE;
    return 0;
  }

  override get options(): string {
    const o = this.opts;
    const parts: string[] = [];
    if (o.size !== Infinity) parts.push(`size=${Math.ceil(o.size / 1024)}k`);
    if (o.inodes !== Infinity) parts.push(`nr_inodes=${o.inodes}`);
    if (o.mode !== 0o1777) parts.push(`mode=${o.mode.toString(8)}`);
    if (o.uid !== 0) parts.push(`uid=${o.uid}`);
    if (o.gid !== 0) parts.push(`gid=${o.gid}`);
    return parts.join(",");
  }

  override remount(readOnly: boolean, data: string): number {
    const o = parseTmpfsOptions(data, Infinity);
    if (typeof o === "number") return o;
    if (o.size !== Infinity) {
      const pages = Math.ceil(o.size / PAGE_SIZE);
      if (pages < this.budget.used) return -EINVAL;
      this.budget.limit = pages;
      this.opts.size = o.size;
    }
    if (o.inodes !== Infinity) {
      if (o.inodes < this.inodes) return -EINVAL;
      this.maxInodes = o.inodes;
      this.opts.inodes = o.inodes;
    }
    this.readOnly = readOnly;
    return 0;
  }

  /** The last mount is gone: what has no open file goes too. */
  override release(): void {
    freeTree(this.rootDir);
  }
}

/** Drops the links of everything below `dir`. */
function freeTree(dir: TmpfsDir): void {
  for (const e of dir.entries.values()) {
    if (e.inode instanceof TmpfsDir) freeTree(e.inode);
    else e.inode.dropLink();
  }
  dir.entries.clear();
}

/** "64k", "1G", "50%" in bytes, or NaN. `total`: what 100 % is. */
function parseSize(s: string, total: number): number {
  const m = /^(\d+)([kKmMgGtT%]?)$/.exec(s);
  if (m === null) return NaN;
  const n = Number(m[1]);
  switch (m[2]!.toLowerCase()) {
    case "%":
      return Math.floor((total * n) / 100);
    case "k":
      return n * 1024;
    case "m":
      return n * 1024 ** 2;
    case "g":
      return n * 1024 ** 3;
    case "t":
      return n * 1024 ** 4;
    default:
      return n;
  }
}

/** Mount options of tmpfs(5); unknown ones are errors. `totalRam`: bytes that "%" refers to. -EINVAL when malformed. */
export function parseTmpfsOptions(data: string, totalRam: number): TmpfsOptions | number {
  const o = new TmpfsOptions();
  for (const item of data.split(",")) {
    if (item === "") continue;
    const eq = item.indexOf("=");
    const key = eq < 0 ? item : item.slice(0, eq);
    const value = eq < 0 ? "" : item.slice(eq + 1);
    switch (key) {
      case "size": {
        const n = parseSize(value, totalRam);
        if (Number.isNaN(n)) return -EINVAL;
        // 0 means no limit.
        o.size = n === 0 ? Infinity : n;
        break;
      }
      case "nr_blocks": {
        const n = parseSize(value, NaN);
        if (Number.isNaN(n)) return -EINVAL;
        o.size = n === 0 ? Infinity : n * PAGE_SIZE;
        break;
      }
      case "nr_inodes": {
        const n = parseSize(value, NaN);
        if (Number.isNaN(n)) return -EINVAL;
        o.inodes = n === 0 ? Infinity : n;
        break;
      }
      case "mode": {
        if (!/^[0-7]{1,5}$/.test(value)) return -EINVAL;
        o.mode = parseInt(value, 8) & 0o7777;
        break;
      }
      case "uid":
      case "gid": {
        if (!/^\d{1,10}$/.test(value)) return -EINVAL;
        o[key] = Number(value) >>> 0;
        break;
      }
      case "huge":
      case "mpol":
      case "inode32":
      case "inode64":
      case "noswap":
        break;
      default:
        return -EINVAL;
    }
  }
  return o;
}

/** "tmpfs" for mount(2). */
export class TmpfsType implements FileSystemType {
  readonly name: string;
  readonly noDevice = true;
  private readonly mem: MemoryFile;
  private readonly totalRam: number;

  constructor(mem: MemoryFile, totalRam: number, name: string = "tmpfs") {
    this.mem = mem;
    this.totalRam = totalRam;
    this.name = name;
  }

  create(ctx: PathContext, _source: string, _flags: number, data: string): TmpfsFs | number {
    const o = parseTmpfsOptions(data, this.totalRam);
    return typeof o === "number" ? o : new TmpfsFs(ctx.vfs, this.mem, o, this.name);
  }
}
