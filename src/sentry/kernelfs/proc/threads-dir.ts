/** /proc/PID/task: a directory per thread. */
import { ENOENT } from "../../../abi/errno.ts";
import { DT_DIR } from "../../../abi/dirent.ts";
import { KernfsDir } from "../../fs/kernfs/kernfs.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import type { Task } from "../../kernel/task.ts";
import type { DirentList } from "../../vfs/dirent.ts";
import { ATTR_MODE } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { TaskDirectory } from "./task-dir.ts";

/** See the header. */
export class ThreadsDirectory extends KernfsDir {
  private readonly taskDir: TaskDirectory;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir.procfs, 0o555, ino);
    this.taskDir = dir;
    this.refresh();
  }

  /** "." and ".." and one link from each thread. */
  override refresh(): void {
    this.uid = this.taskDir.task.creds.euid;
    this.gid = this.taskDir.task.creds.egid;
    this.nlink = 2 + this.threads().length;
  }

  protected override get fixedAttributes(): number {
    return ATTR_MODE;
  }

  /** The threads of the process in order of their numbers; a leader that is gone keeps its place. */
  private threads(): Task[] {
    const g = this.taskDir.task.group;
    const list = g.leader.run === RUN_EXITED ? [g.leader, ...g.tasks] : [...g.tasks];
    return list.sort((a, b) => a.tid - b.tid);
  }

  protected override lookupDynamic(name: string): Inode | number {
    const { procfs, task } = this.taskDir;
    const t = procfs.findTask(name);
    return t === null || t.group !== task.group ? -ENOENT : procfs.directoryOf(t, false);
  }

  override listDynamic(out: DirentList): number {
    if (!this.taskDir.isAlive) return 0;
    const { procfs } = this.taskDir;
    for (const t of this.threads()) out.emit(String(t.tid), procfs.directoryOf(t, false).ino, DT_DIR, 0);
    return 0;
  }
}
