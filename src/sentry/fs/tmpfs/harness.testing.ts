/** A VFS with a tmpfs root and a caller, for tests: no guest process, no host. */
import { O_CREAT, O_RDWR, O_RDONLY } from "../../../abi/fcntl.ts";
import { Stat } from "../../../abi/stat.ts";
import { rootCredentials, userCredentials } from "../../auth/credentials.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import { MemoryFile } from "../../pgalloc/memory-file.ts";
import type { MemoryStore } from "../../pgalloc/memory-file.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { DirentList } from "../../vfs/dirent.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/filesystem.ts";
import { newMountNamespace } from "../../vfs/mounting.ts";
import { openAt } from "../../vfs/open.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { statAt } from "../../vfs/attributes.ts";
import { TmpfsFs, TmpfsOptions } from "./tmpfs.ts";

/** A memory store in plain memory. */
export function fakeStore(pages: number): MemoryStore {
  const window = new Uint8Array(pages * PAGE_SIZE);
  return {
    backing: { fd: -1, platformFd: -1 },
    window,
    punch: (offset, len) => {
      window.fill(0, offset, offset + len);
      return 0;
    },
  };
}

/** The caller of path operations; fields may be changed. */
export class TestContext implements PathContext {
  readonly vfs: VirtualFileSystem;
  root: VfsPath;
  cwd: VfsPath;
  creds: Credentials = rootCredentials();
  umask = 0o022;
  owner: unknown = null;
  readonly clock: ManualClock;
  readonly mem: MemoryFile;

  constructor(pages: number = 4096, makeRoot?: (vfs: VirtualFileSystem, mem: MemoryFile) => FileSystem) {
    this.clock = new ManualClock();
    this.vfs = new VirtualFileSystem(this.clock);
    this.mem = new MemoryFile(fakeStore(pages));
    const fs = makeRoot === undefined ? newTmpfs(this.vfs, this.mem) : makeRoot(this.vfs, this.mem);
    const ns = newMountNamespace(this.vfs, fs, "none", 0);
    this.root = ns.root.rootPath;
    this.cwd = this.root;
  }

  /** Acts as a plain user from now on. */
  asUser(uid: number, gid: number = uid, groups: readonly number[] = []): this {
    this.creds = userCredentials(uid, gid, groups);
    return this;
  }
  asRoot(): this {
    this.creds = rootCredentials();
    return this;
  }

  open(path: string, flags: number = O_RDONLY, mode: number = 0o644): FileDescription {
    const f = openAt(this, null, path, flags, mode);
    if (typeof f === "number") throw new Error(`open ${path}: ${f}`);
    return f;
  }

  /** Makes a file with contents. */
  put(path: string, text: string, mode: number = 0o644): void {
    const f = this.open(path, O_CREAT | O_RDWR, mode);
    f.truncate(0);
    writeText(f, text);
    f.decRef();
  }

  text(path: string): string {
    const f = this.open(path);
    const s = readText(f, 1 << 20);
    f.decRef();
    return s;
  }

  stat(path: string, flags: number = 0): Stat {
    const s = new Stat();
    const r = statAt(this, null, path, flags, s);
    if (r < 0) throw new Error(`stat ${path}: ${r}`);
    return s;
  }

  /** Names in a directory without . and .., sorted. */
  list(path: string): string[] {
    const f = this.open(path);
    const sink = new DirentList();
    f.iterate(sink);
    f.decRef();
    return sink.names.filter((n) => n !== "." && n !== "..").sort();
  }
}

export function newTmpfs(vfs: VirtualFileSystem, mem: MemoryFile): TmpfsFs {
  const o = new TmpfsOptions();
  o.mode = 0o755;
  return new TmpfsFs(vfs, mem, o);
}

export function seqOf(bytes: Uint8Array): IoSequence {
  const s = new IoSequence();
  s.push(bytes, 0, bytes.length);
  return s;
}

export function writeText(f: FileDescription, text: string): number {
  return f.write(seqOf(Buffer.from(text, "latin1")));
}

export function readText(f: FileDescription, max: number): string {
  const b = new Uint8Array(max);
  const n = f.read(seqOf(b));
  return n < 0 ? `error ${n}` : Buffer.from(b.subarray(0, n)).toString("latin1");
}
