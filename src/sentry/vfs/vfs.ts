/**
 * The virtual file system: state shared by all tasks of a sandbox. Operations are functions over a PathContext, in
 * walk.ts, open.ts, operations.ts, attributes.ts and mounting.ts; `index.ts` lists them.
 *
 * Await points: none, everything is synchronous.
 */
import { ENODEV, ENXIO } from "../../abi/errno.ts";
import { S_IFBLK, S_IFMT, makedev } from "../../abi/stat.ts";
import type { Clock } from "../time/clock.ts";
import { AnonFs } from "./anon.ts";
import type { FileDescription } from "./file.ts";
import type { FileSystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import { NameCache } from "./name-cache.ts";
import { Mount } from "./mount.ts";
import type { PathContext, VfsPath } from "./path.ts";
import { PeerGroup } from "./propagation.ts";

/** Opens special files: a device driver, or the FIFO implementation. */
export interface SpecialOpener {
  open(inode: Inode, flags: number, ctx: PathContext): FileDescription | number;
}

/** A file system type that mount(2) knows. */
export interface FileSystemType {
  readonly name: string;
  /** Whether /proc/filesystems says "nodev". */
  readonly noDevice: boolean;
  /** A new instance, or -errno. `data`: the option string of mount(2), without the generic options. */
  create(ctx: PathContext, source: string, flags: number, data: string): FileSystem | number;
}

/** See the header. */
export class VirtualFileSystem {
  readonly clock: Clock;
  /** fs.protected_symlinks, _hardlinks, _fifos, _regular (proc_sys_fs(5)). */
  protectedSymlinks = 1;
  protectedHardlinks = 1;
  protectedFifos = 1;
  protectedRegular = 2;
  /** Opens FIFOs; set by whoever assembles the kernel. */
  fifoOpener: SpecialOpener | null = null;
  readonly types: Map<string, FileSystemType> = new Map();
  private readonly charDevices: Map<number, SpecialOpener> = new Map();
  private readonly blockDevices: Map<number, SpecialOpener> = new Map();
  private nextMountId = 1;
  private nextAnonDevice = 1;
  private nextNamespaceId = 0xf0000000;
  private nextIno = 1;
  /** Peer groups of mounts, by id. */
  private readonly peerGroups: Map<number, PeerGroup> = new Map();
  /** No lower number is free. */
  private lowestPeerGroup = 1;
  readonly names: NameCache = new NameCache();
  /** One place per kind of anonymous file, see sharedAnonPath. */
  readonly anonPaths: Map<string, VfsPath> = new Map();
  /** Mounts of nothing: pipes, sockets, event files. */
  readonly anon: AnonFs;
  readonly pipefs: AnonFs;
  readonly sockfs: AnonFs;

  constructor(clock: Clock) {
    this.clock = clock;
    this.anon = new AnonFs(this, "anon_inodefs", 0x09041934);
    this.pipefs = new AnonFs(this, "pipefs", 0x50495045);
    this.sockfs = new AnonFs(this, "sockfs", 0x534f434b);
  }

  /** A fresh st_dev for a file system without a device (major 0). */
  newDevice(): number {
    return makedev(0, this.nextAnonDevice++);
  }

  newMount(fs: FileSystem, flags: number, source: string): Mount {
    return new Mount(this.nextMountId++, fs, fs.root, flags, source);
  }

  newBindMount(at: VfsPath, flags: number): Mount {
    return new Mount(this.nextMountId++, at.mount.fs, at.dentry, flags, at.mount.source);
  }

  /** With the lowest number that is free. */
  newPeerGroup(): PeerGroup {
    while (this.peerGroups.has(this.lowestPeerGroup)) this.lowestPeerGroup++;
    const g = new PeerGroup(this.lowestPeerGroup++);
    this.peerGroups.set(g.id, g);
    return g;
  }

  dropPeerGroup(g: PeerGroup): void {
    this.peerGroups.delete(g.id);
    this.lowestPeerGroup = Math.min(this.lowestPeerGroup, g.id);
  }

  newNamespaceId(): number {
    return this.nextNamespaceId++;
  }

  /** Inode numbers of anonymous files (unique in the sandbox). */
  newIno(): number {
    return this.nextIno++;
  }

  registerType(t: FileSystemType): void {
    this.types.set(t.name, t);
  }

  /** Minor -1: every minor that has no registration of its own. */
  registerDevice(isBlock: boolean, major: number, minor: number, opener: SpecialOpener): void {
    (isBlock ? this.blockDevices : this.charDevices).set(minor < 0 ? -1 - major : makedev(major, minor), opener);
  }

  /** Opens a device node. -ENXIO when there is no driver. */
  openDevice(inode: Inode, flags: number, ctx: PathContext): FileDescription | number {
    const table = (inode.mode & S_IFMT) === S_IFBLK ? this.blockDevices : this.charDevices;
    let opener = table.get(inode.rdev);
    if (opener === undefined) opener = table.get(-1 - ((inode.rdev >>> 8) & 0xfff));
    if (opener === undefined) return -ENXIO;
    return opener.open(inode, flags, ctx);
  }

  /** A new file system of a registered type, or -ENODEV. */
  createFileSystem(ctx: PathContext, type: string, source: string, flags: number, data: string): FileSystem | number {
    const t = this.types.get(type);
    return t === undefined ? -ENODEV : t.create(ctx, source, flags, data);
  }
}
