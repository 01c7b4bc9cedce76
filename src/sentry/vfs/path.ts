/** Where a path resolution ended, and what it starts from. */
import type { Credentials } from "../auth/credentials.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/**
 * A place in the mount tree: a dentry seen through a mount. Immutable.
 *
 * A VfsPath that a function returns is *borrowed*: good until control leaves the current system call attempt. Whoever
 * keeps one (working directory, root, open file, exe link) takes a reference with `incRef` and gives it back with
 * `decRef`; references keep the dentry cached and make umount(2) answer EBUSY.
 */
export class VfsPath {
  readonly mount: Mount;
  readonly dentry: Dentry;

  constructor(mount: Mount, dentry: Dentry) {
    this.mount = mount;
    this.dentry = dentry;
  }

  incRef(): void {
    this.mount.users++;
    this.dentry.pins++;
  }

  decRef(): void {
    this.dentry.unpin();
    const m = this.mount;
    if (--m.users === 0 && m.detached) m.destroy();
  }

  equals(p: VfsPath): boolean {
    return this.mount === p.mount && this.dentry === p.dentry;
  }
}

/** What every path-based operation needs to know about its caller. A task has one and keeps it up to date. */
export interface PathContext {
  readonly vfs: VirtualFileSystem;
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  readonly creds: Credentials;
  readonly umask: number;
  /** The kernel's Task; only kernelfs looks at it (/proc/self, magic links). */
  readonly owner: unknown;
}
