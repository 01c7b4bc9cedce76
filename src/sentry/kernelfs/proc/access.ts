/** Who may look at whom: the ptrace access check of ptrace(2), and the owners of files in /proc/PID. */
import { CAP_SYS_PTRACE } from "../../../abi/capability.ts";
import { RUN_EXITED, Task } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/mm.ts";
import type { KernfsInode } from "../../fs/kernfs/kernfs.ts";
import type { PathContext } from "../../vfs/path.ts";

/** Only such processes may be inspected by others of the same user: prctl(PR_SET_DUMPABLE). */
const DUMP_USER = 1;

/** The task behind a path operation, or null (boot itself). */
export function callerOf(ctx: PathContext): Task | null {
  return ctx.owner instanceof Task ? ctx.owner : null;
}

/** PTRACE_MODE_READ_FSCREDS: whether the caller may see what only debuggers of `target` see. */
export function mayInspect(ctx: PathContext, target: Task): boolean {
  const caller = callerOf(ctx);
  if (caller !== null && caller.group === target.group) return true;
  const c = ctx.creds;
  if (c.hasCap(CAP_SYS_PTRACE)) return true;
  const t = target.creds;
  const sameUser = c.fsuid === t.euid && c.fsuid === t.suid && c.fsuid === t.ruid;
  const sameGroup = c.fsgid === t.egid && c.fsgid === t.sgid && c.fsgid === t.rgid;
  if (!sameUser || !sameGroup) return false;
  if (target.group.dumpable !== DUMP_USER) return false;
  // Nobody gets at capabilities that he does not have.
  return (t.permittedLo & ~c.effectiveLo) === 0 && (t.permittedHi & ~c.effectiveHi) === 0;
}

/** Whether the task is still there: it has its number. */
export function isAlive(t: Task): boolean {
  return t.kernel.tasks.get(t.tid) === t;
}

/** The task's memory, or null when it has none any more. */
export function memoryOf(t: Task): MemoryManager | null {
  return t.run === RUN_EXITED || t.mm.users <= 0 ? null : t.mm;
}

/** Files of a task belong to its effective user, those of an undumpable or dead one to root. */
export function followOwner(inode: KernfsInode, t: Task): void {
  const own = t.run !== RUN_EXITED && t.group.dumpable === DUMP_USER;
  inode.uid = own ? t.creds.euid : 0;
  inode.gid = own ? t.creds.egid : 0;
}
