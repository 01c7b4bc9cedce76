/** The system call table of Linux/amd64: one row for each number, made from the families. */
import { NR_SYSCALLS, syscallName, syscallNumber } from "../../abi/syscall-nr.ts";
import type { DispatchTable, Handler } from "./dispatch.ts";
import type { SyscallEntry } from "./entry.ts";
import { attrSyscalls } from "./sys-attr.ts";
import { credentialSyscalls } from "./sys-cred.ts";
import { dirSyscalls } from "./sys-dir.ts";
import { epollSyscalls } from "./sys-epoll.ts";
import { fdSyscalls } from "./sys-fd.ts";
import { futexSyscalls } from "./sys-futex.ts";
import { inotifySyscalls } from "./sys-inotify.ts";
import { ioctlSyscalls } from "./sys-ioctl.ts";
import { kcmpSyscalls } from "./sys-kcmp.ts";
import { shmSyscalls } from "./sys-shm.ts";
import { mqueueSyscalls } from "./sys-mqueue.ts";
import { msgSyscalls } from "./sys-msg.ts";
import { semSyscalls } from "./sys-sem.ts";
import { lockSyscalls } from "./sys-lock.ts";
import { memorySyscalls } from "./sys-mm.ts";
import { miscSyscalls } from "./sys-misc.ts";
import { mountSyscalls } from "./sys-mount.ts";
import { openSyscalls } from "./sys-open.ts";
import { pathSyscalls } from "./sys-path.ts";
import { pollSyscalls } from "./sys-poll.ts";
import { prctlSyscalls } from "./sys-prctl.ts";
import { processSyscalls } from "./sys-process.ts";
import { resourceSyscalls } from "./sys-resource.ts";
import { schedSyscalls } from "./sys-sched.ts";
import { rwSyscalls } from "./sys-rw.ts";
import { signalSyscalls } from "./sys-signal.ts";
import { SOCKET_CALLS } from "./sys-socket.ts";
import { SOCKMSG_CALLS } from "./sys-sockmsg.ts";
import { SOCKOPT_CALLS } from "./sys-sockopt.ts";
import { statSyscalls } from "./sys-stat.ts";
import { syncSyscalls } from "./sys-sync.ts";
import { eventfdSyscalls } from "./sys-eventfd.ts";
import { spliceSyscalls } from "./sys-splice.ts";
import { timeSyscalls } from "./sys-time.ts";
import { timerSyscalls } from "./sys-timer.ts";
import { xattrSyscalls } from "./sys-xattr.ts";

/** One row. */
export interface SyscallRow {
  readonly nr: number;
  readonly name: string;
  /** Undefined: ENOSYS. */
  readonly handler: Handler | undefined;
  readonly support: "full" | "partial" | "none";
  readonly note: string;
}

const families: readonly (readonly SyscallEntry[])[] = [
  attrSyscalls,
  credentialSyscalls,
  dirSyscalls,
  epollSyscalls,
  eventfdSyscalls,
  fdSyscalls,
  futexSyscalls,
  inotifySyscalls,
  ioctlSyscalls,
  kcmpSyscalls,
  lockSyscalls,
  memorySyscalls,
  miscSyscalls,
  mountSyscalls,
  mqueueSyscalls,
  msgSyscalls,
  openSyscalls,
  pathSyscalls,
  pollSyscalls,
  prctlSyscalls,
  processSyscalls,
  resourceSyscalls,
  schedSyscalls,
  rwSyscalls,
  semSyscalls,
  shmSyscalls,
  signalSyscalls,
  SOCKET_CALLS,
  SOCKMSG_CALLS,
  SOCKOPT_CALLS,
  spliceSyscalls,
  statSyscalls,
  syncSyscalls,
  timeSyscalls,
  timerSyscalls,
  xattrSyscalls,
];

/** Rows by number. */
export const table: readonly SyscallRow[] = buildTable();

function buildTable(): SyscallRow[] {
  const rows: SyscallRow[] = [];
  for (let nr = 0; nr < NR_SYSCALLS; nr++) {
    rows.push({ nr, name: syscallName(nr), handler: undefined, support: "none", note: "" });
  }
  for (const family of families) {
    for (const e of family) {
      const nr = syscallNumber(e.name);
      if (nr < 0) throw new Error(`no such system call: ${e.name}`);
      if (rows[nr]!.handler !== undefined) throw new Error(`two handlers for ${e.name}`);
      rows[nr] = { nr, name: e.name, handler: e.handler, support: e.support, note: e.note };
    }
  }
  return rows;
}

/** The table as the dispatcher wants it. */
export const amd64: DispatchTable = {
  handlers: table.map((row) => row.handler),
  name: syscallName,
};
