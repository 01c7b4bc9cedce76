/**
 * Files of the host, served by the gofer over 9P.
 *
 * Names, attributes and missing names are cached: by default the sandbox is the only one who changes the files
 * (*exclusive*), so that only what it has never asked for costs a request. With `isShared` somebody else may change them
 * too: the host tells of changes of names (events.ts), attributes of regular files are read from donated descriptors, and
 * where that cannot be every use asks again. The contents of regular files never pass through here: the gofer donates
 * host fds, and reads, writes and mappings go to those.
 *
 * Everything is synchronous; a request blocks the kernel until the gofer has answered.
 * Nothing here survives a checkpoint but names: fids, handles and host fds are transient.
 */
import { EPROTONOSUPPORT } from "../../../abi/errno.ts";
import { RLIMIT_NOFILE } from "../../../abi/resource.ts";
import { Stat } from "../../../abi/stat.ts";
import type { StatFs } from "../../../abi/statfs.ts";
import type { Host } from "../../../host/host.ts";
import { P9Client } from "../../../p9/client/client.ts";
import { SocketTransport } from "../../../p9/client/socket-transport.ts";
import type { Transport } from "../../../p9/client/transport.ts";
import { NOUID } from "../../../p9/wire/constants.ts";
import { FileSystem } from "../../vfs/filesystem.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";
import { HostEvents } from "./events.ts";
import type { HostWatcher } from "./events.ts";
import type { BackingKeeper } from "./handle.ts";
import { GoferInode } from "./inode.ts";
import { Listings } from "./listings.ts";

export interface GoferOptions {
  /** The VFS refuses changes (EROFS); the gofer does so by its own configuration. */
  readonly isReadonly: boolean;
  /** Others may change the files: revalidate what is cached. */
  readonly isShared: boolean;
  /** Who must hear that a donated fd is closed: the platform, when files are mapped. */
  readonly keeper: BackingKeeper | null;
  /** Waits for what the host tells of a shared tree; null: guests' inotify watches hear of it at their next call. */
  readonly watcher: HostWatcher | null;
}

/** Fids kept at the gofer; each is an open fd there. */
const MAX_FIDS = 2000;
/** Inodes that nobody has open, whose donated fds are kept nevertheless. */
const MAX_IDLE_HANDLES = 512;
/** Donated descriptors of files that nobody has open, by which their attributes are read. */
const MAX_PATH_FDS = 4096;
/** Directories read with their files' attributes after such were asked for. Who only walks a tree needs those of directories. */
const FULL_READS = 256;
/** Inode numbers of further host devices are moved up by multiples of this. */
const INO_SPACE = 2 ** 48;

export class GoferFs extends FileSystem {
  readonly host: Host;
  readonly client: P9Client;
  readonly isShared: boolean;
  readonly keeper: BackingKeeper | null;
  readonly watcher: HostWatcher | null;
  readonly rootFid: number;
  /** Scratch for replies. */
  readonly scratch: Stat = new Stat();
  readonly listings: Listings = new Listings();
  /** Inodes by host device and host inode number: hard links are one inode. */
  private readonly inodes: Map<number, Map<number, GoferInode>> = new Map();
  private readonly devices: Map<number, number> = new Map();
  /** The one with index 0. */
  private firstDevice = -1;
  /** Inodes with a fid that can be dropped, oldest first. */
  private readonly fidOwners: Set<GoferInode> = new Set();
  /** Inodes with handles and no users, oldest first. */
  private readonly idle: Set<GoferInode> = new Set();
  /** Inodes with a descriptor for their attributes, oldest first, and how many there may be. */
  private readonly withPathFd: Set<GoferInode> = new Set();
  private readonly maxPathFds: number;
  /** So many directories more are read with the attributes of all files in them. Exclusive mode only. */
  private fullReads = 0;
  /** Where the host tells of changes; undefined: not asked for yet, null: it does not. Shared mode only. */
  private notification: HostEvents | null | undefined;

  constructor(
    vfs: VirtualFileSystem,
    host: Host,
    client: P9Client,
    rootFid: number,
    rootAttr: Stat,
    options: GoferOptions,
  ) {
    super(vfs, "9p");
    this.host = host;
    this.client = client;
    this.isShared = options.isShared;
    this.keeper = options.keeper;
    this.watcher = options.watcher;
    this.readOnly = options.isReadonly;
    this.cachesNegative = !options.isShared;
    this.rootFid = rootFid;
    this.maxPathFds = options.isShared ? pathFdLimit(host) : 0;
    const root = this.inodeOf(rootAttr, null, "");
    root.adoptFid(rootFid);
    this.setRoot(root);
  }

  override statfs(out: StatFs): number {
    const err = this.client.statfs(this.rootFid, out);
    // fsid tells the host's devices apart: not for the guest.
    out.fsidLo = 0;
    out.fsidHi = 0;
    return err;
  }

  override get options(): string {
    return this.isShared ? "trans=fd,cache=remote_revalidating" : "trans=fd";
  }

  override dropCaches(): void {
    super.dropCaches();
    this.listings.clear();
  }

  override release(): void {
    this.shrink();
    for (const inode of this.idle) inode.closeHandles();
    this.idle.clear();
    for (const inode of this.withPathFd) inode.closePathFd();
    this.withPathFd.clear();
    if (this.notification instanceof HostEvents) this.notification.close();
    this.client.transport.close();
    this.client.isDead = true;
  }

  /** The inode with these attributes, made when it is not known; `parent` and `name`: where it was found. */
  inodeOf(attr: Stat, parent: GoferInode | null, name: string): GoferInode {
    const known = this.find(attr);
    if (known !== undefined) {
      known.anchor(parent, name);
      known.setStat(attr);
      return known;
    }
    return this.addInode(attr, parent, name);
  }

  /** A new inode for a file that is not known. */
  addInode(attr: Stat, parent: GoferInode | null, name: string): GoferInode {
    const inode = new GoferInode(this, attr, parent, name);
    this.remember(inode);
    return inode;
  }

  /** Makes an inode findable by its host identity. */
  remember(inode: GoferInode): void {
    const { dev, ino } = inode.attr;
    let ofDevice = this.inodes.get(dev);
    if (ofDevice === undefined) {
      ofDevice = new Map();
      this.inodes.set(dev, ofDevice);
    }
    ofDevice.set(ino, inode);
  }

  /** The cached inode of a file; the type is compared too, for inode numbers that the host used again. */
  find(attr: Stat): GoferInode | undefined {
    const inode = this.inodes.get(attr.dev)?.get(attr.ino);
    return inode !== undefined && inode.isSameFile(attr) ? inode : undefined;
  }

  /** The file is gone, or nobody needs it. */
  forget(inode: GoferInode): void {
    const ofDevice = this.inodes.get(inode.attr.dev);
    if (ofDevice !== undefined && ofDevice.get(inode.attr.ino) === inode) ofDevice.delete(inode.attr.ino);
    this.fidOwners.delete(inode);
    this.idle.delete(inode);
    this.withPathFd.delete(inode);
  }

  /** Where the host tells of changes, or null. */
  get events(): HostEvents | null {
    if (this.notification !== undefined) return this.notification;
    const fd = this.isShared ? this.client.notify() : -1;
    this.notification = fd < 0 ? null : new HostEvents(this.host, fd, this.watcher);
    // What is known not to exist is as certain as what exists.
    if (fd >= 0) this.cachesNegative = true;
    return this.notification;
  }

  /** An inode number for the guest: unique although the tree may span several host devices. */
  guestIno(dev: number, ino: number): number {
    let index = dev === this.firstDevice ? 0 : this.devices.get(dev);
    if (index === undefined) {
      index = this.devices.size;
      if (index === 0) this.firstDevice = dev;
      this.devices.set(dev, index);
    }
    return index === 0 ? ino : (ino % INO_SPACE) + (index % 31) * INO_SPACE;
  }

  /** `inode` has a fid now; the oldest one that can be had again is given up when there are too many. */
  noteFid(inode: GoferInode): void {
    this.fidOwners.add(inode);
    if (this.fidOwners.size <= MAX_FIDS) return;
    let looked = 0;
    for (const old of this.fidOwners) {
      this.fidOwners.delete(old);
      if (old !== inode && old.canDropFid) {
        old.dropFid();
        return;
      }
      this.fidOwners.add(old);
      if (++looked === 64) return;
    }
  }

  /** A file was looked up in a directory that has been read: that may go on. */
  fileWanted(): void {
    this.fullReads = FULL_READS;
  }

  /** `count` directories are read: whether with their files' attributes, because somebody has lately asked for such. */
  readsFiles(count: number): boolean {
    if (this.fullReads <= 0) return false;
    this.fullReads -= count;
    return true;
  }

  dropFidOwner(inode: GoferInode): void {
    this.fidOwners.delete(inode);
  }

  /** `inode` has a descriptor for its attributes now. */
  notePathFd(inode: GoferInode): void {
    this.withPathFd.add(inode);
    if (this.withPathFd.size <= this.maxPathFds) return;
    for (const old of this.withPathFd) {
      this.withPathFd.delete(old);
      old.closePathFd();
      return;
    }
  }

  dropPathFd(inode: GoferInode): void {
    this.withPathFd.delete(inode);
  }

  /** `inode` was closed by its last user; its handles are kept for the next one. */
  noteIdle(inode: GoferInode): void {
    this.idle.delete(inode);
    this.idle.add(inode);
    if (this.idle.size <= MAX_IDLE_HANDLES) return;
    for (const old of this.idle) {
      this.idle.delete(old);
      if (old.users === 0) {
        old.closeHandles();
        return;
      }
    }
  }
}

/** A part of what this process may open, which is the guest's mappings' and open files' in the first place. */
function pathFdLimit(host: Host): number {
  const limits = new Float64Array(2);
  const err = host.getrlimit(RLIMIT_NOFILE, limits);
  return err < 0 ? 0 : Math.min(MAX_PATH_FDS, Math.floor(limits[0]! / 8));
}

/** Attaches to the gofer on socket `ioFd` (taken over). The file system, to be mounted, or -errno. */
export function connectGofer(
  vfs: VirtualFileSystem,
  host: Host,
  ioFd: number,
  options: GoferOptions,
): GoferFs | number {
  return attachGofer(vfs, host, new SocketTransport(host, ioFd), options);
}

/** {@link connectGofer} over any transport. The server must have the extension. */
export function attachGofer(
  vfs: VirtualFileSystem,
  host: Host,
  transport: Transport,
  options: GoferOptions,
): GoferFs | number {
  const client = new P9Client(transport);
  const err = client.negotiate(true);
  if (err < 0) return err;
  if (!client.isExtended) return -EPROTONOSUPPORT;
  client.openChannel();
  const rootFid = client.attach("", "", NOUID);
  if (rootFid < 0) return rootFid;
  const attr = new Stat();
  const failed = client.getattr(rootFid, attr);
  return failed < 0 ? failed : new GoferFs(vfs, host, client, rootFid, attr, options);
}
