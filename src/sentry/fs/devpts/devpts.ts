/** devpts: the file system of pty slaves, with /dev/ptmx and /dev/tty. pts(4), Documentation/filesystems/devpts. */
import { EBUSY, EIO, ENOENT, ENOSPC, ENXIO } from "../../../abi/errno.ts";
import { DT_CHR, DT_DIR } from "../../../abi/dirent.ts";
import { O_ACCMODE, O_NOCTTY, O_WRONLY } from "../../../abi/fcntl.ts";
import { makedev, S_IFCHR, S_IFDIR } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { DirectoryFile } from "../../vfs/file.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import type { Inode } from "../../vfs/inode.ts";
import { MemInode } from "../../vfs/meminode.ts";
import type { PathContext } from "../../vfs/path.ts";
import type { FileSystemType, SpecialOpener, VirtualFileSystem } from "../../vfs/vfs.ts";
import { PtyMaster, PtySlave } from "./files.ts";
import { Terminal } from "./terminal.ts";
import type { TtyControl } from "./terminal.ts";

/** UNIX98 pty slaves (Documentation/admin-guide/devices.txt). */
const PTS_MAJOR = 136;
/** TTYAUX: /dev/tty is minor 0, /dev/ptmx minor 2. */
const TTYAUX_MAJOR = 5;
const DEVPTS_MAGIC = 0x1cd1;
/** kernel.pty.max */
const MAX_PTYS = 4096;
const ROOT_INO = 1;
const PTMX_INO = 2;
const FIRST_SLAVE_INO = 3;

/** One slave's node. */
class SlaveInode extends MemInode {
  readonly tty: Terminal;

  constructor(fs: Devpts, tty: Terminal, uid: number, gid: number) {
    super(fs, FIRST_SLAVE_INO + tty.index, S_IFCHR | fs.slaveMode, uid, gid);
    this.tty = tty;
    this.rdev = tty.rdev;
  }

  override get opensSpecial(): boolean {
    return true;
  }

  override open(flags: number, ctx: PathContext): FileDescription | number {
    const tty = this.tty;
    if (tty.locked || tty.hungUp) return -EIO;
    if (tty.exclusive && !tty.control.isAdmin(ctx.owner)) return -EBUSY;
    const file = new PtySlave(tty);
    if ((flags & O_NOCTTY) === 0 && (flags & O_ACCMODE) !== O_WRONLY) tty.control.opened(tty, ctx.owner);
    return file;
  }
}

/** The ptmx node inside devpts. */
class PtmxInode extends MemInode {
  private readonly pts: Devpts;

  constructor(fs: Devpts, mode: number) {
    super(fs, PTMX_INO, S_IFCHR | mode, 0, 0);
    this.pts = fs;
    this.rdev = makedev(TTYAUX_MAJOR, 2);
  }

  override get opensSpecial(): boolean {
    return true;
  }

  override open(_flags: number, ctx: PathContext): FileDescription | number {
    return this.pts.openMaster(ctx);
  }
}

class RootInode extends MemInode {
  private readonly pts: Devpts;

  constructor(fs: Devpts) {
    super(fs, ROOT_INO, S_IFDIR | 0o755, 0, 0);
    this.pts = fs;
    this.nlink = 2;
    this.dynamic = true;
  }

  override lookup(name: string, _ctx: PathContext): Inode | number {
    return this.pts.find(name) ?? -ENOENT;
  }

  override open(_flags: number, _ctx: PathContext): FileDescription | number {
    return new RootDirectory(this.pts);
  }
}

class RootDirectory extends DirectoryFile {
  private readonly pts: Devpts;
  constructor(pts: Devpts) {
    super();
    this.pts = pts;
  }

  override iterate(sink: DirentSink): number {
    // Offsets: 0 ".", 1 "..", 2 "ptmx", 3 + index: slaves.
    if (this.offset === 0 && this.take(sink, ".", ROOT_INO, DT_DIR, 1) === false) return 0;
    if (this.offset === 1 && this.take(sink, "..", ROOT_INO, DT_DIR, 2) === false) return 0;
    if (this.offset === 2 && this.take(sink, "ptmx", PTMX_INO, DT_CHR, 3) === false) return 0;
    const indices = this.pts.indices().filter((i) => i + 3 >= this.offset);
    for (const i of indices) {
      if (this.take(sink, String(i), FIRST_SLAVE_INO + i, DT_CHR, i + 4) === false) return 0;
    }
    return 0;
  }

  private take(sink: DirentSink, name: string, ino: number, type: number, next: number): boolean {
    if (!sink.emit(name, ino, type, next)) return false;
    this.offset = next;
    return true;
  }
}

/** See the header. */
export class Devpts extends FileSystem {
  readonly control: TtyControl;
  readonly slaveMode: number;
  private readonly slaveGid: number;
  private readonly slaves: Map<number, SlaveInode> = new Map();
  private readonly ptmx: PtmxInode;

  constructor(vfs: VirtualFileSystem, control: TtyControl, data: string) {
    super(vfs, "devpts");
    this.control = control;
    const options = new Map(
      data
        .split(",")
        .filter((o) => o !== "")
        .map((o) => o.split("=", 2) as [string, string | undefined]),
    );
    const octal = (name: string, fallback: number): number => {
      const v = Number.parseInt(options.get(name) ?? "", 8);
      return Number.isNaN(v) ? fallback : v & 0o777;
    };
    this.slaveMode = octal("mode", 0o600);
    const gid = Number.parseInt(options.get("gid") ?? "", 10);
    this.slaveGid = Number.isNaN(gid) ? -1 : gid;
    this.ptmx = new PtmxInode(this, octal("ptmxmode", 0o666));
    this.setRoot(new RootInode(this));
  }

  override statfs(out: StatFs): number {
    out.type = DEVPTS_MAGIC;
    out.bsize = out.frsize = 4096;
    out.blocks = out.bfree = out.bavail = out.files = out.ffree = 0;
    out.fsidLo = out.fsidHi = 0;
    out.namelen = 255;
    return 0;
  }

  override get options(): string {
    return `${this.slaveGid < 0 ? "" : `gid=${this.slaveGid},`}mode=${this.slaveMode.toString(8).padStart(3, "0")},ptmxmode=${(this.ptmx.mode & 0o777).toString(8).padStart(3, "0")}`;
  }

  find(name: string): Inode | undefined {
    if (name === "ptmx") return this.ptmx;
    return /^(0|[1-9][0-9]{0,4})$/.test(name) ? this.slaves.get(Number(name)) : undefined;
  }

  indices(): number[] {
    return [...this.slaves.keys()].sort((a, b) => a - b);
  }

  /** A new pair, owned by `uid`; -ENOSPC when there are too many. */
  newTerminal(uid: number, gid: number): Terminal | number {
    let index = 0;
    while (this.slaves.has(index)) index++;
    if (index >= MAX_PTYS) return -ENOSPC;
    const tty = new Terminal(index, makedev(PTS_MAJOR + (index >> 8), index & 255), this.control);
    this.slaves.set(index, new SlaveInode(this, tty, uid, this.slaveGid < 0 ? gid : this.slaveGid));
    return tty;
  }

  /** Opens /dev/ptmx: a new pair's master. */
  openMaster(ctx: PathContext): FileDescription | number {
    const tty = this.newTerminal(ctx.creds.fsuid, ctx.creds.fsgid);
    return typeof tty === "number" ? tty : new PtyMaster(this, tty);
  }

  /** The master was closed: the name goes (open slaves live on, hung up). */
  masterGone(tty: Terminal): void {
    this.slaves.delete(tty.index);
  }
}

/** Registers devpts and the devices /dev/ptmx and /dev/tty; `main` gives the instance that a ptmx device node opens. */
export function registerDevpts(vfs: VirtualFileSystem, control: TtyControl, main: () => Devpts | null): void {
  const type: FileSystemType = {
    name: "devpts",
    noDevice: true,
    create: (_ctx, _source, _flags, data) => new Devpts(vfs, control, data),
  };
  vfs.registerType(type);
  const ptmx: SpecialOpener = {
    open: (_inode, _flags, ctx) => main()?.openMaster(ctx) ?? -ENXIO,
  };
  vfs.registerDevice(false, TTYAUX_MAJOR, 2, ptmx);
  const tty: SpecialOpener = {
    open(_inode, _flags, ctx) {
      const t = control.controlling(ctx.owner);
      return t === null ? -ENXIO : new PtySlave(t);
    },
  };
  vfs.registerDevice(false, TTYAUX_MAJOR, 0, tty);
}
