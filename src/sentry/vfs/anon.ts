/** File systems without names: what pipes, sockets and event files live on. */
import type { StatFs } from "../../abi/statfs.ts";
import { Dentry } from "./dentry.ts";
import type { FileDescription } from "./file.ts";
import { FileSystem } from "./filesystem.ts";
import { MemInode } from "./meminode.ts";
import type { Inode } from "./inode.ts";
import { Mount } from "./mount.ts";
import { VfsPath } from "./path.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/** Inode of an anonymous file; subclass it to add `open` (reopening through /proc/self/fd) or attributes. */
export class AnonInode extends MemInode {
  constructor(fs: FileSystem, ino: number, mode: number, uid: number, gid: number) {
    super(fs, ino, mode, uid, gid);
  }
}

/** pipefs, sockfs, anon_inodefs. */
export class AnonFs extends FileSystem {
  private readonly magic: number;
  readonly mount: Mount;

  constructor(vfs: VirtualFileSystem, typeName: string, magic: number) {
    super(vfs, typeName);
    this.magic = magic;
    const root = this.setRoot(new AnonInode(this, 1, 0, 0, 0));
    this.mount = new Mount(0, this, root, 0, typeName);
  }

  override statfs(out: StatFs): number {
    out.type = this.magic;
    out.bsize = 4096;
    out.blocks = out.bfree = out.bavail = out.files = out.ffree = 0;
    out.fsidLo = out.fsidHi = 0;
    out.namelen = 255;
    out.frsize = 4096;
    return 0;
  }

  /** A place for an anonymous inode; `name` is what readlink(/proc/self/fd/N) shows, e.g. "pipe:[12]". */
  newPath(name: string, inode: Inode): VfsPath {
    return new VfsPath(this.mount, new Dentry(this, null, name, inode));
  }

  /**
   * Makes `file` (fresh, without path) a file of this file system at `path`: takes the references, sets flags and access.
   */
  attach(file: FileDescription, path: VfsPath, statusFlags: number, accessMode: number): void {
    file.statusFlags = statusFlags;
    file.accessMode = accessMode;
    file.path = path;
    file.inode = path.dentry.inode;
    path.incRef();
    file.inode!.incUsers();
  }
}

/** Path shared by all files of one anonymous kind ("anon_inode:[eventpoll]"), as in Linux. */
export function sharedAnonPath(vfs: VirtualFileSystem, name: string): VfsPath {
  let p = vfs.anonPaths.get(name);
  if (p === undefined) {
    p = vfs.anon.newPath(name, new AnonInode(vfs.anon, vfs.newIno(), 0o600, 0, 0));
    p.incRef();
    vfs.anonPaths.set(name, p);
  }
  return p;
}
