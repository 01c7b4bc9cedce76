/** The directories /proc/PID and /proc/PID/task/TID: proc_pid(5). What is in them is listed in task-entries.ts. */
import { ENOENT } from "../../../abi/errno.ts";
import { modeToDirentType } from "../../../abi/dirent.ts";
import { KernfsDir, KernfsInode } from "../../fs/kernfs/kernfs.ts";
import type { Task } from "../../kernel/task.ts";
import type { DirentList } from "../../vfs/dirent.ts";
import { ATTR_MODE } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import { isAlive } from "./access.ts";
import { taskEntries, taskEntryIndex } from "./task-entries.ts";
import type { ProcFs } from "./procfs.ts";

/**
 * Inode numbers of one task's files: a block of 2^22 per directory, so that they stay the same without anything being
 * remembered: the directory is 1, entry i is 16 + i, fd N is 2^20 + N, fdinfo N is 2^21 + N.
 */
const INO_BLOCK: number = 2 ** 22;
const INO_ENTRIES = 16;
const INO_FD: number = 2 ** 20;
const INO_FDINFO: number = 2 ** 21;

/** One task as a directory. */
export class TaskDirectory extends KernfsDir {
  readonly procfs: ProcFs;
  readonly task: Task;
  /** /proc/PID, which speaks for the process, as opposed to /proc/PID/task/TID. */
  readonly whole: boolean;
  private readonly inodes: (Inode | undefined)[] = [];

  constructor(fs: ProcFs, task: Task, whole: boolean) {
    super(fs, 0o555, fs.newSerial() * INO_BLOCK + 1);
    this.procfs = fs;
    this.task = task;
    this.whole = whole;
    this.nlink = 9;
    this.refresh();
  }

  get isAlive(): boolean {
    return isAlive(this.task);
  }

  fdIno(fd: number): number {
    return this.ino - 1 + INO_FD + fd;
  }
  fdInfoIno(fd: number): number {
    return this.ino - 1 + INO_FDINFO + fd;
  }

  /** The directory itself always belongs to the effective user. */
  override refresh(): void {
    this.uid = this.task.creds.euid;
    this.gid = this.task.creds.egid;
  }

  protected override get fixedAttributes(): number {
    return ATTR_MODE;
  }

  protected override lookupDynamic(name: string): Inode | number {
    if (!this.isAlive) return -ENOENT;
    const index = taskEntryIndex(name);
    const entry = index < 0 ? undefined : taskEntries[index];
    if (entry === undefined || !(this.whole ? entry.inProcess : entry.inThread)) return -ENOENT;
    let inode = this.inodes[index];
    if (inode === undefined) {
      inode = entry.make(this, this.ino - 1 + INO_ENTRIES + index);
      this.inodes[index] = inode;
    }
    if (inode instanceof KernfsInode) inode.refresh();
    return inode;
  }

  override listDynamic(out: DirentList): number {
    if (!this.isAlive) return -ENOENT;
    for (let i = 0; i < taskEntries.length; i++) {
      const e = taskEntries[i]!;
      if (!(this.whole ? e.inProcess : e.inThread)) continue;
      out.emit(e.name, this.ino - 1 + INO_ENTRIES + i, modeToDirentType(e.mode), 0);
    }
    return 0;
  }
}
