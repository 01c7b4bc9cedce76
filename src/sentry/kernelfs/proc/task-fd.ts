/** /proc/PID/fd and fdinfo: proc_pid_fd(5), proc_pid_fdinfo(5). */
import { EACCES, ENOENT, ESRCH } from "../../../abi/errno.ts";
import { DT_LNK, DT_REG } from "../../../abi/dirent.ts";
import { O_CLOEXEC } from "../../../abi/fcntl.ts";
import { S_IFLNK } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { KernfsDir, KernfsFile, KernfsMagicLink } from "../../fs/kernfs/kernfs.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import type { Task } from "../../kernel/task.ts";
import type { Credentials } from "../../auth/credentials.ts";
import type { DirentList } from "../../vfs/dirent.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { pathString } from "../../vfs/mounting.ts";
import { ATTR_MODE } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import { followOwner, mayInspect } from "./access.ts";
import { locksOfFile } from "./locks.ts";
import type { TaskDirectory } from "./task-dir.ts";

/** What readlink shows of an open file, as seen from `ctx`'s root. */
export function fileName(file: FileDescription, ctx: PathContext): string {
  const { path } = file;
  return file.anonName ?? (path === null ? "anon_inode:[file]" : pathString(path, ctx.root, ""));
}

/** The open file of a number, or null. */
function fileOf(t: Task, fd: number): FileDescription | null {
  return t.run === RUN_EXITED ? null : (t.fds.get(fd) ?? null);
}

/** "0" or digits without leading zeros; -1 for other names. */
export function parseFdName(name: string): number {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(name) ? Number(name) : -1;
}

/** /proc/PID/fd/N: leads to the open file's place, whatever became of its name. */
class FdLink extends KernfsMagicLink {
  private readonly t: Task;
  private readonly fd: number;

  constructor(dir: TaskDirectory, t: Task, fd: number) {
    super(dir.procfs, 0, dir.fdIno(fd));
    this.t = t;
    this.fd = fd;
    this.refresh();
  }

  /** The mode bits tell how the file is open. */
  override refresh(): void {
    followOwner(this, this.t);
    const file = fileOf(this.t, this.fd);
    let perm = 0;
    if (file !== null) perm = (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0);
    this.mode = S_IFLNK | perm;
  }

  override getStat(out: Stat): number {
    this.refresh();
    return this.statOf(out, 64, 0);
  }

  override readlink(ctx: PathContext): string | number {
    if (!mayInspect(ctx, this.t)) return -EACCES;
    const file = fileOf(this.t, this.fd);
    return file === null ? -ENOENT : fileName(file, ctx);
  }

  override followLink(ctx: PathContext): VfsPath | number {
    if (!mayInspect(ctx, this.t)) return -EACCES;
    const file = fileOf(this.t, this.fd);
    return file === null || file.path === null ? -ENOENT : file.path;
  }
}

/** /proc/PID/fdinfo/N. */
class FdInfoFile extends KernfsFile {
  private readonly t: Task;
  private readonly fd: number;

  constructor(dir: TaskDirectory, t: Task, fd: number) {
    super(dir.procfs, 0o444, dir.fdInfoIno(fd));
    this.t = t;
    this.fd = fd;
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  override get takesIterators(): boolean {
    return false;
  }

  override opened(ctx: PathContext): unknown {
    return mayInspect(ctx, this.t) ? null : -EACCES;
  }

  override text(): string | number {
    const { t } = this;
    const file = fileOf(t, this.fd);
    if (file === null) return -ENOENT;
    const flags = file.statusFlags | (t.fds.getCloexec(this.fd) ? O_CLOEXEC : 0);
    return (
      `pos:\t${file.position()}\nflags:\t0${(flags >>> 0).toString(8)}\n` +
      `mnt_id:\t${file.path === null ? 0 : file.path.mount.id}\nino:\t${file.inode === null ? 0 : file.inode.ino}\n` +
      locksOfFile(t, file) +
      file.fdInfo()
    );
  }
}

/** Base of the two directories: an entry per open file. */
abstract class FdDirectoryBase extends KernfsDir {
  protected readonly taskDir: TaskDirectory;
  protected readonly t: Task;

  constructor(dir: TaskDirectory, perm: number, ino: number) {
    super(dir.procfs, perm, ino);
    this.taskDir = dir;
    this.t = dir.task;
    this.dynamic = true;
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  protected override get fixedAttributes(): number {
    return ATTR_MODE;
  }

  protected abstract makeEntry(fd: number): Inode;
  protected abstract entryIno(fd: number): number;
  protected abstract readonly entryType: number;

  protected override lookupDynamic(name: string): Inode | number {
    const fd = parseFdName(name);
    return fd < 0 || fileOf(this.t, fd) === null ? -ENOENT : this.makeEntry(fd);
  }

  override listDynamic(out: DirentList): number {
    const { t } = this;
    if (!this.taskDir.isAlive) return -ESRCH;
    if (t.run === RUN_EXITED) return 0;
    const { end } = t.fds;
    for (let fd = 0; fd < end; fd++) {
      if (t.fds.get(fd) !== undefined) out.emit(String(fd), this.entryIno(fd), this.entryType, 0);
    }
    return 0;
  }
}

/** /proc/PID/fd. */
export class FdDirectory extends FdDirectoryBase {
  protected readonly entryType: number = DT_LNK;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir, 0o500, ino);
  }

  /** A process may always look at its own, also after it changed its user. */
  override permission(creds: Credentials, mask: number): number {
    const r = super.permission(creds, mask);
    if (r === 0) return 0;
    const caller = this.t.kernel.current;
    return caller !== null && caller.group === this.t.group ? 0 : r;
  }

  protected override makeEntry(fd: number): Inode {
    return new FdLink(this.taskDir, this.t, fd);
  }

  protected override entryIno(fd: number): number {
    return this.taskDir.fdIno(fd);
  }
}

/** /proc/PID/fdinfo. */
export class FdInfoDirectory extends FdDirectoryBase {
  protected readonly entryType: number = DT_REG;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir, 0o555, ino);
  }

  protected override makeEntry(fd: number): Inode {
    return new FdInfoFile(this.taskDir, this.t, fd);
  }

  protected override entryIno(fd: number): number {
    return this.taskDir.fdInfoIno(fd);
  }
}
