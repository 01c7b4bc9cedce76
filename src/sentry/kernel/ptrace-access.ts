/** Who may act on whom as a debugger would: the access check of ptrace(2), with real ids. */
import { CAP_SYS_PTRACE } from "../../abi/capability.ts";
import { EPERM } from "../../abi/errno.ts";
import type { Task } from "./task.ts";

/** Only such processes may be touched by others of the same user: prctl(PR_SET_DUMPABLE). */
const DUMP_USER = 1;

/** PTRACE_MODE_REALCREDS: kcmp, pidfd_getfd, process_vm_readv and the like. 0 or -EPERM. */
export function mayTrace(t: Task, target: Task): number {
  if (t.group === target.group || t.creds.hasCap(CAP_SYS_PTRACE)) return 0;
  const c = t.creds;
  const o = target.creds;
  const sameUser = c.ruid === o.euid && c.ruid === o.suid && c.ruid === o.ruid;
  const sameGroup = c.rgid === o.egid && c.rgid === o.sgid && c.rgid === o.rgid;
  if (!sameUser || !sameGroup || target.group.dumpable !== DUMP_USER) return -EPERM;
  // Nobody gets at capabilities that he does not have.
  return (o.permittedLo & ~c.permittedLo) === 0 && (o.permittedHi & ~c.permittedHi) === 0 ? 0 : -EPERM;
}
