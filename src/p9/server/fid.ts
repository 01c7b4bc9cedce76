/** What the server knows of each fid of its client. Everything is a host fd: no path is ever kept or built. */
import type { P9Backend } from "./backend.ts";
import type { DirStream } from "./dir-stream.ts";

/** An O_PATH host fd that fids share: it names a file, whatever happens to the file's name. */
export class PathHandle {
  readonly fd: number;
  /** S_IFMT bits; a file never changes its type. */
  readonly type: number;
  /**
   * The directory that the file was found in, and its name there at that time: for Tremove, Trename and "..", which so
   * can never leave the attach point. null: the attach point itself.
   */
  parent: PathHandle | null;
  name: string;
  refs = 1;

  /** Takes a reference on `parent`. */
  constructor(fd: number, type: number, parent: PathHandle | null, name: string) {
    this.fd = fd;
    this.type = type;
    this.parent = parent;
    this.name = name;
    if (parent !== null) parent.refs++;
  }
}

/** An extended attribute being read or written through plain 9P. */
export class XattrState {
  readonly name: string;
  readonly value: Uint8Array;
  /** Being written: set when the fid is clunked. */
  readonly isWrite: boolean;
  readonly flags: number;
  written = 0;

  constructor(name: string, value: Uint8Array, isWrite: boolean, flags: number) {
    this.name = name;
    this.value = value;
    this.isWrite = isWrite;
    this.flags = flags;
  }
}

export class Fid {
  readonly number: number;
  handle: PathHandle;
  /** n_uname of the attach that this fid comes from: owner of what plain 9P creates. */
  readonly uid: number;
  /** Host fd of Tlopen or Tlcreate, or -1. */
  openFd = -1;
  isWritable = false;
  dir: DirStream | null = null;
  xattr: XattrState | null = null;
  hasLocks = false;

  /** Takes over one reference on `handle`. */
  constructor(number: number, handle: PathHandle, uid: number) {
    this.number = number;
    this.handle = handle;
    this.uid = uid;
  }
}

/** Drops one reference; the last closes the fd, and drops the one on the parent. */
export function releaseHandle(host: P9Backend, handle: PathHandle): void {
  for (let h: PathHandle | null = handle; h !== null && --h.refs === 0; h = h.parent) host.close(h.fd);
}

/** Closes what Tlopen opened. */
export function closeOpen(host: P9Backend, fid: Fid): void {
  if (fid.dir !== null) {
    host.close(fid.dir.fd);
    fid.dir = null;
  }
  if (fid.openFd >= 0) {
    host.close(fid.openFd);
    fid.openFd = -1;
  }
  fid.isWritable = false;
}

/** Gives up everything a fid holds. */
export function releaseFid(host: P9Backend, fid: Fid): void {
  closeOpen(host, fid);
  releaseHandle(host, fid.handle);
  fid.xattr = null;
}
