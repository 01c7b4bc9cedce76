/** Builds the sandbox's mount tree: the root (overlay over the gofer's tree) and what is mounted on it. */
import { EEXIST, errnoName } from "../abi/errno.ts";
import { MS_RDONLY } from "../abi/mount.ts";
import type { BootConfig, MountConfig } from "../control/config.ts";
import type { Host } from "../host/host.ts";
import type { Platform } from "../platform/platform.ts";
import { rootCredentials } from "../sentry/auth/credentials.ts";
import { populateDev } from "../sentry/fs/dev/dev.ts";
import { connectGofer } from "../sentry/fs/gofer/gofer-fs.ts";
import type { GoferFs } from "../sentry/fs/gofer/gofer-fs.ts";
import { OverlayFs } from "../sentry/fs/overlay/overlay.ts";
import { TmpfsFs, TmpfsOptions } from "../sentry/fs/tmpfs/tmpfs.ts";
import type { MemoryFile } from "../sentry/pgalloc/memory-file.ts";
import type { FileSystem } from "../sentry/vfs/filesystem.ts";
import type { MountNamespace } from "../sentry/vfs/mount.ts";
import { mountFileSystem, newMountNamespace } from "../sentry/vfs/mounting.ts";
import { mkdirAt, mknodAt } from "../sentry/vfs/operations.ts";
import type { PathContext, VfsPath } from "../sentry/vfs/path.ts";
import type { VirtualFileSystem } from "../sentry/vfs/vfs.ts";
import { resolvePath, WALK_FOLLOW } from "../sentry/vfs/walk.ts";
import { S_IFREG } from "../abi/stat.ts";
import type { HostWatch } from "../sentry/kernel/host-watch.ts";
import { BootError } from "./boot-error.ts";
import { parseMountOptions } from "./mount-options.ts";

/** What the builder needs. */
export interface RootEnv {
  readonly host: Host;
  readonly vfs: VirtualFileSystem;
  readonly memory: MemoryFile;
  /** The platform: told when a donated fd goes away. */
  readonly keeper: Platform;
  /** Waits for what the host tells of shared trees. */
  readonly watcher: HostWatch;
}

/** A PathContext at the sandbox's root with all rights, for set-up. */
class SetupContext implements PathContext {
  readonly vfs: VirtualFileSystem;
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  readonly creds: PathContext["creds"] = rootCredentials();
  readonly umask = 0;
  readonly owner: unknown = null;
  constructor(vfs: VirtualFileSystem, root: VfsPath) {
    this.vfs = vfs;
    this.root = root;
    this.cwd = root;
  }
}

/** A context for set-up at the root of `mounts`. */
export function setupContext(vfs: VirtualFileSystem, mounts: MountNamespace): PathContext {
  return new SetupContext(vfs, mounts.root.rootPath);
}

function goferFs(env: RootEnv, ioFd: number, isReadonly: boolean, isShared: boolean): GoferFs {
  const fs = connectGofer(env.vfs, env.host, ioFd, { isReadonly, isShared, keeper: env.keeper, watcher: env.watcher });
  if (typeof fs === "number") throw new BootError(`cannot reach the gofer: ${errnoName(-fs)}`);
  return fs;
}

function upperLayer(env: RootEnv): TmpfsFs {
  const options = new TmpfsOptions();
  options.mode = 0o755;
  return new TmpfsFs(env.vfs, env.memory, options);
}

/** The file system for one configured mount. */
function fileSystem(env: RootEnv, ctx: PathContext, mount: MountConfig, flags: number, data: string): FileSystem {
  if (mount.ioFd >= 0) {
    const gofer = goferFs(env, mount.ioFd, mount.readonly, mount.shared);
    limitNames(env.host, gofer, gofer);
    return gofer;
  }
  const type =
    mount.type === "dev" || mount.type === "mqueue" || mount.type.startsWith("cgroup") ? "tmpfs" : mount.type;
  // mount(8) options that only mean something to the host's implementation are left out.
  const options = type === "tmpfs" || type === "devpts" ? data : "";
  const fs = env.vfs.createFileSystem(ctx, type, type, flags, options);
  if (typeof fs === "number") {
    throw new BootError(`cannot mount ${mount.type} on ${mount.destination}: ${errnoName(-fs)}`);
  }
  if (mount.type === "dev") {
    const r = populateDev(fs.root.inode!);
    if (r < 0) throw new BootError(`cannot fill ${mount.destination}: ${errnoName(-r)}`);
  }
  return fs;
}

/** The directory (or file) to mount on, made when it is missing: a writable root is in memory, so nothing is harmed. */
function mountPoint(ctx: PathContext, mount: MountConfig): VfsPath | number {
  const found = resolvePath(ctx, null, mount.destination, WALK_FOLLOW);
  if (typeof found !== "number") return found;
  const parts = mount.destination.split("/").filter((p) => p !== "");
  let path = "";
  for (const [i, part] of parts.entries()) {
    path += `/${part}`;
    const isLast = i === parts.length - 1;
    const r = isLast && mount.isFile ? mknodAt(ctx, null, path, S_IFREG | 0o644, 0) : mkdirAt(ctx, null, path, 0o755);
    if (r < 0 && r !== -EEXIST) return r;
  }
  return resolvePath(ctx, null, mount.destination, WALK_FOLLOW);
}

/** Bytes of the machine's memory for each name that a tree's cache may hold; one takes about 2 KiB with its inodes. */
const RAM_PER_DENTRY = 65536;
const MIN_DENTRIES = 65536;
const MAX_DENTRIES = 262144;
/** The part of it that the listings of a tree's directories may take. */
const LISTINGS_SHARE = 1 / 128;

/** `cache`: the file system that has the names. */
function limitNames(host: Host, gofer: GoferFs, cache: FileSystem): void {
  const ram = host.sysinfoTotalRam();
  cache.dentryLimit = Math.min(MAX_DENTRIES, Math.max(MIN_DENTRIES, Math.floor(ram / RAM_PER_DENTRY)));
  gofer.listings.limit = ram * LISTINGS_SHARE;
}

/** See the header. Throws BootError. */
export function buildRoot(env: RootEnv, config: BootConfig): MountNamespace {
  const lower = goferFs(env, config.rootIoFd, true, false);
  const rootFs = config.rootOverlay ? new OverlayFs(env.vfs, [lower.root.inode!], upperLayer(env)) : lower;
  limitNames(env.host, lower, rootFs);
  const mounts = newMountNamespace(env.vfs, rootFs, "none", 0);
  const ctx = setupContext(env.vfs, mounts);
  for (const mount of config.mounts) {
    const { flags, data } = parseMountOptions(mount.options);
    const at = mountPoint(ctx, mount);
    if (typeof at === "number") throw new BootError(`cannot mount on ${mount.destination}: ${errnoName(-at)}`);
    const fs = fileSystem(env, ctx, mount, flags, data);
    const r = mountFileSystem(env.vfs, fs, at, flags, mount.type === "bind" ? "none" : mount.type);
    if (r < 0) throw new BootError(`cannot mount on ${mount.destination}: ${errnoName(-r)}`);
  }
  if (config.rootReadonly) mounts.root.flags |= MS_RDONLY;
  return mounts;
}
