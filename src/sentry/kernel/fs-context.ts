/** Root directory, working directory and umask of a task; shared by clone(CLONE_FS). */
import type { VfsPath } from "../vfs/path.ts";

/** Holds one reference on each path. */
export class FsContext {
  root: VfsPath;
  cwd: VfsPath;
  umask = 0o022;
  /** Tasks that use it. */
  refs = 1;

  /** Takes over one reference of each path from the caller. */
  constructor(root: VfsPath, cwd: VfsPath, umask: number) {
    this.root = root;
    this.cwd = cwd;
    this.umask = umask;
  }

  /** A copy with references of its own, for clone without CLONE_FS and unshare(CLONE_FS). */
  fork(): FsContext {
    this.root.incRef();
    this.cwd.incRef();
    return new FsContext(this.root, this.cwd, this.umask);
  }

  /** Replaces the working directory, taking over the caller's reference. */
  setCwd(path: VfsPath): void {
    const old = this.cwd;
    this.cwd = path;
    old.decRef();
  }

  /** Replaces the root, taking over the caller's reference. */
  setRoot(path: VfsPath): void {
    const old = this.root;
    this.root = path;
    old.decRef();
  }

  incRef(): void {
    this.refs++;
  }

  decRef(): void {
    if (--this.refs > 0) return;
    this.root.decRef();
    this.cwd.decRef();
  }
}
