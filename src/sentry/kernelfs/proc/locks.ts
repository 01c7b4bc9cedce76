/** File locks as text: proc_locks(5), and the "lock:" lines of fdinfo. */
import { F_WRLCK, LOCK_EX } from "../../../abi/fcntl.ts";
import { devMajor, devMinor } from "../../../abi/stat.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import type { Task } from "../../kernel/task.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import { hex, left } from "./format.ts";

/** What stands behind the number of a lock: kind, mode, process, file, range. */
function describe(kind: string, write: boolean, pid: number, inode: Inode, start: number, end: number): string {
  const { dev } = inode.fs;
  const file = `${hex(devMajor(dev), 2)}:${hex(devMinor(dev), 2)}:${inode.ino}`;
  const last = end === Infinity ? "EOF" : String(end - 1);
  return `${left(kind, 6)} ADVISORY  ${left(write ? "WRITE" : "READ", 5)} ${pid} ${file} ${start} ${last}`;
}

/** The locks that are held through `file`: flock and OFD locks of the description, POSIX locks of the fd table. */
function collect(t: Task, file: FileDescription, out: string[]): void {
  const { inode } = file;
  if (inode === null || inode.locks === null) return;
  const flock = inode.locks.flockHeld(file);
  if (flock !== 0) out.push(describe("FLOCK", flock === LOCK_EX, t.group.id, inode, 0, Infinity));
  for (const r of inode.locks.records) {
    if (r.file !== file || (r.owner !== file && r.owner !== t.fds)) continue;
    const kind = r.owner === file ? "OFDLCK" : "POSIX";
    out.push(describe(kind, r.type === F_WRLCK, r.pid, inode, r.start, r.end));
  }
}

/** Lines of /proc/PID/fdinfo/N. */
export function locksOfFile(t: Task, file: FileDescription): string {
  const found: string[] = [];
  collect(t, file, found);
  return found.map((l, i) => `lock:\t${i + 1}: ${l}\n`).join("");
}

/** /proc/locks: everything held through an open file of some process. */
export function locksText(k: Kernel): string {
  const found: string[] = [];
  const seen = new Set<string>();
  // A description that several processes share holds its locks once.
  const files = new Set<FileDescription>();
  for (const t of k.tasks.values()) {
    if (t.run === RUN_EXITED || !t.isLeader) continue;
    for (let fd = 0; fd < t.fds.end; fd++) {
      const file = t.fds.get(fd);
      if (file === undefined || files.has(file)) continue;
      files.add(file);
      const of: string[] = [];
      collect(t, file, of);
      for (const l of of) {
        if (seen.has(l)) continue;
        seen.add(l);
        found.push(l);
      }
    }
  }
  return found.map((l, i) => `${i + 1}: ${l}\n`).join("");
}
