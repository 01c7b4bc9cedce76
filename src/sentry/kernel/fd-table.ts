/** Table of open file descriptors of a process: open(2), dup(2), fcntl(2), close_range(2). */
import { EBADF, EMFILE } from "../../abi/errno.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import type { LimitSet } from "../limits/limits.ts";
import type { FileDescription } from "../vfs/file.ts";

/** Each used slot holds one reference on its file description. */
export class FdTable {
  private files: (FileDescription | undefined)[] = [];
  /** Close-on-exec flags by fd. */
  private cloexec: boolean[] = [];
  /** No free fd below this one. */
  private firstFree = 0;
  /** Used slots. */
  count = 0;
  /** One past the highest fd ever used: select(2) looks no further. */
  everUsed = 0;
  /** Tasks that use the table (CLONE_FILES). */
  refs = 1;
  /** RLIMIT_NOFILE of the process whose system call it is bounds new fds. */
  limits: LimitSet;

  constructor(limits: LimitSet) {
    this.limits = limits;
  }

  /** The file description of `fd` (no reference taken), or undefined: EBADF. */
  get(fd: number): FileDescription | undefined {
    return fd >= 0 ? this.files[fd] : undefined;
  }

  /** One past the highest fd in use. */
  get end(): number {
    return this.files.length;
  }

  /** Puts `file` at the lowest free fd >= minFd, taking over the caller's reference (also dropped on failure). fd or -EMFILE. */
  alloc(file: FileDescription, minFd: number, cloexec: boolean): number {
    const limit = this.limits.get(RLIMIT_NOFILE);
    let fd = minFd > this.firstFree ? minFd : this.firstFree;
    while (fd < this.files.length && this.files[fd] !== undefined) fd++;
    if (fd >= limit) {
      file.decRef();
      return -EMFILE;
    }
    if (minFd <= this.firstFree) this.firstFree = fd + 1;
    this.put(fd, file, cloexec);
    return fd;
  }

  /** Whether `n` more fds fit (for calls that make several and must not fail half-way). */
  canAlloc(n: number): boolean {
    let free = 0;
    const limit = this.limits.get(RLIMIT_NOFILE);
    for (let fd = this.firstFree; fd < limit && free < n; fd++) {
      if (fd >= this.files.length) return limit - fd >= n - free;
      if (this.files[fd] === undefined) free++;
    }
    return free >= n;
  }

  /** dup2/dup3: puts `file` at exactly `fd` (closing what was there), taking over the reference. fd or -EBADF. */
  setAt(fd: number, file: FileDescription, cloexec: boolean): number {
    if (fd < 0 || fd >= this.limits.get(RLIMIT_NOFILE)) {
      file.decRef();
      return -EBADF;
    }
    const old = this.files[fd];
    if (old !== undefined) {
      this.files[fd] = undefined;
      this.count--;
    }
    this.put(fd, file, cloexec);
    if (old !== undefined) this.release(old);
    return fd;
  }

  /** 0 or -EBADF; errors of the file's flush are returned, the fd is gone all the same. */
  close(fd: number): number {
    const file = this.get(fd);
    if (file === undefined) return -EBADF;
    this.files[fd] = undefined;
    this.cloexec[fd] = false;
    this.count--;
    if (fd < this.firstFree) this.firstFree = fd;
    this.trim();
    return this.release(file);
  }

  getCloexec(fd: number): boolean {
    return this.cloexec[fd] === true;
  }

  setCloexec(fd: number, on: boolean): void {
    if (this.get(fd) !== undefined) this.cloexec[fd] = on;
  }

  /** execve: closes what is close-on-exec. */
  closeOnExec(): void {
    this.closeAll(0, this.files.length, true);
  }

  /**
   * Closes those of [first, end) that are open, `onlyCloexec`: and close-on-exec. All are closed, then files that nobody else
   * has end: the last one first, as Linux works its list off.
   */
  closeAll(first: number, end: number, onlyCloexec: boolean): void {
    const ending: FileDescription[] = [];
    for (let fd = first; fd < end; fd++) {
      const file = this.files[fd];
      if (file === undefined || (onlyCloexec && this.cloexec[fd] !== true)) continue;
      if (file.refs === 1) {
        file.incRef();
        ending.push(file);
      }
      this.close(fd);
    }
    for (let i = ending.length - 1; i >= 0; i--) ending[i]!.decRef();
  }

  /** A copy for clone without CLONE_FILES and for unshare. */
  fork(limits: LimitSet): FdTable {
    const t = new FdTable(limits);
    t.firstFree = this.firstFree;
    t.count = this.count;
    t.everUsed = this.files.length;
    for (let fd = 0; fd < this.files.length; fd++) {
      const file = this.files[fd];
      if (file !== undefined) file.incRef();
      t.files.push(file);
      t.cloexec.push(this.cloexec[fd] === true);
    }
    return t;
  }

  incRef(): void {
    this.refs++;
  }

  /** The last user's departure closes everything. */
  decRef(): void {
    if (--this.refs === 0) this.closeAll(0, this.files.length, false);
  }

  private put(fd: number, file: FileDescription, cloexec: boolean): void {
    while (this.files.length < fd) {
      this.files.push(undefined);
      this.cloexec.push(false);
    }
    this.files[fd] = file;
    this.cloexec[fd] = cloexec;
    this.count++;
    if (fd >= this.everUsed) this.everUsed = fd + 1;
  }

  /** Forgets empty slots at the end. (Setting an array's length is a call of V8's runtime, 50 ns.) @hot */
  private trim(): void {
    const { files, cloexec } = this;
    while (files.length > 0 && files[files.length - 1] === undefined) {
      files.pop();
      cloexec.pop();
    }
  }

  private release(file: FileDescription): number {
    const result = file.onClose(this);
    file.decRef();
    return result;
  }
}
