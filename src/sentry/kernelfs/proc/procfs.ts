/** The file system "proc": proc(5). One instance per mount; what instances share is in {@link ProcShared}. */
import { ENOENT } from "../../../abi/errno.ts";
import { DT_DIR } from "../../../abi/dirent.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../../abi/mount.ts";
import { PROC_SUPER_MAGIC } from "../../../abi/statfs.ts";
import { KernfsDir, KernfsFs, KernfsLink } from "../../fs/kernfs/kernfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/task.ts";
import type { DirentList } from "../../vfs/dirent.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext } from "../../vfs/path.ts";
import { callerOf } from "./access.ts";
import { addNetFiles } from "./net.ts";
import { addRootFiles } from "./root-files.ts";
import type { ProcShared } from "./shared.ts";
import { addSysctls } from "./sysctl-tree.ts";
import { TaskDirectory } from "./task-dir.ts";

/** See the header. */
export class ProcFs extends KernfsFs {
  readonly kernel: Kernel;
  readonly shared: ProcShared;
  /** /proc/PID/net: the same for all, since there is one network. */
  readonly netDirectory: KernfsDir;
  /** Of tasks that another instance shows as well: {@link directoryOf}. */
  private readonly otherProcessDirs: WeakMap<Task, TaskDirectory> = new WeakMap();
  private readonly otherThreadDirs: WeakMap<Task, TaskDirectory> = new WeakMap();
  private lastSerial = 0;

  constructor(shared: ProcShared) {
    super(shared.kernel.vfs, "proc", PROC_SUPER_MAGIC, true);
    this.shared = shared;
    this.kernel = shared.kernel;
    this.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const root = new RootDirectory(this);
    this.init(root);
    this.netDirectory = new KernfsDir(this);
    addNetFiles(this.netDirectory, shared.kernel);
    root.add("self", new SelfLink(this, false));
    root.add("thread-self", new SelfLink(this, true));
    addRootFiles(root, shared);
    addSysctls(root.addDir("sys"), shared);
  }

  /** A number for a block of inode numbers. */
  newSerial(): number {
    return ++this.lastSerial;
  }

  /** The task with the number that `name` is, or null. */
  findTask(name: string): Task | null {
    if (!/^[1-9][0-9]{0,8}$/.test(name)) return null;
    return this.kernel.tasks.get(Number(name)) ?? null;
  }

  /**
   * The directory of a task: the same as long as the task lives. The task has it itself: what is in a WeakMap outlives the collections
   * of young garbage, and with a directory all that its task had.
   */
  directoryOf(t: Task, whole: boolean): TaskDirectory {
    const own = whole ? t.processDirectory : t.threadDirectory;
    let d = own instanceof TaskDirectory && own.procfs === this ? own : undefined;
    if (own === null) {
      d = new TaskDirectory(this, t, whole);
      if (whole) t.processDirectory = d;
      else t.threadDirectory = d;
    } else if (d === undefined) {
      const dirs = whole ? this.otherProcessDirs : this.otherThreadDirs;
      d = dirs.get(t);
      if (d === undefined) {
        d = new TaskDirectory(this, t, whole);
        dirs.set(t, d);
      }
    }
    d.refresh();
    return d;
  }
}

/** /proc: fixed files, and a directory per process. */
class RootDirectory extends KernfsDir {
  private readonly procfs: ProcFs;

  constructor(fs: ProcFs) {
    super(fs);
    this.procfs = fs;
  }

  /** A thread that is not the leader is found here too, though not listed. */
  protected override lookupDynamic(name: string): Inode | number {
    const t = this.procfs.findTask(name);
    return t === null ? -ENOENT : this.procfs.directoryOf(t, true);
  }

  override listDynamic(out: DirentList): number {
    const groups = [...this.procfs.kernel.processes.values()].sort((a, b) => a.id - b.id);
    for (const g of groups) out.emit(String(g.id), this.procfs.directoryOf(g.leader, true).ino, DT_DIR, 0);
    return 0;
  }

  override refresh(): void {
    this.nlink = 2 + this.procfs.kernel.processes.size;
  }
}

/** /proc/self and /proc/thread-self: whoever asks. */
class SelfLink extends KernfsLink {
  private readonly thread: boolean;

  constructor(fs: ProcFs, thread: boolean) {
    super(fs);
    this.thread = thread;
  }

  override readlink(ctx: PathContext): string | number {
    const t = callerOf(ctx);
    if (t === null) return -ENOENT;
    return this.thread ? `${t.group.id}/task/${t.tid}` : String(t.group.id);
  }
}
