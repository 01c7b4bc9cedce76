/** Signal-driven I/O: fcntl(2) F_SETOWN, F_SETSIG, O_ASYNC; SIGURG. */
import { EINVAL, ESRCH } from "../../abi/errno.ts";
import { F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, O_ASYNC } from "../../abi/fcntl.ts";
import {
  POLL_ERR,
  POLL_HUP,
  POLL_IN,
  POLL_OUT,
  POLL_PRI,
  SI_KERNEL,
  SI_SIGIO,
  SIGIO,
  SIGURG,
  SigInfo,
  hasOwnCodes,
} from "../../abi/signal.ts";
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from "../../abi/stat.ts";
import {
  EV_ERR,
  EV_HUP,
  EV_IN,
  EV_MSG,
  EV_OUT,
  EV_PRI,
  EV_QUIET,
  EV_RDBAND,
  EV_RDNORM,
  EV_WRBAND,
  EV_WRNORM,
  WaitEntry,
} from "../../base/waiter.ts";
import type { WaitListener } from "../../base/waiter.ts";
import type { Credentials } from "../auth/credentials.ts";
import { InotifyFile } from "../fs/inotify/inotify.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import { sendToGroup, sendToTask } from "../kernel/task-signals.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import type { AsyncOwner, FileDescription } from "../vfs/file.ts";

/** si_band by si_code, from POLL_IN (1) on: POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP. */
const bands: readonly number[] = [
  0,
  EV_IN | EV_RDNORM,
  EV_OUT | EV_WRNORM | EV_WRBAND,
  EV_IN | EV_RDNORM | EV_MSG,
  EV_ERR,
  EV_PRI | EV_RDBAND,
  EV_HUP | EV_ERR,
];

function codeOf(events: number): number {
  if ((events & EV_HUP) !== 0) return POLL_HUP;
  if ((events & EV_ERR) !== 0) return POLL_ERR;
  if ((events & (EV_IN | EV_RDNORM)) !== 0) return POLL_IN;
  return (events & (EV_OUT | EV_WRNORM)) !== 0 ? POLL_OUT : POLL_PRI;
}

/** Who gets a file's SIGIO, and the watch for readiness while O_ASYNC is on. */
export class FileOwner implements AsyncOwner, WaitListener {
  private readonly kernel: Kernel;
  private readonly file: FileDescription;
  private readonly entry: WaitEntry;
  /** F_OWNER_* */
  type = 1;
  /** Thread, process or process group; 0 = nobody. */
  id = 0;
  /** The fd that O_ASYNC was set through, for si_fd. */
  fd = -1;
  creds: Credentials | null = null;

  constructor(kernel: Kernel, file: FileDescription) {
    this.kernel = kernel;
    this.file = file;
    this.entry = new WaitEntry(this);
  }

  /** `creds`: of the caller of F_SETOWN, whose right to signal counts. */
  set(type: number, id: number, creds: Credentials): void {
    this.type = type;
    this.id = id;
    this.creds = creds;
  }

  /** Starts or stops watching. */
  watch(on: boolean): void {
    const queue = this.entry.queue;
    if (!on) {
      if (queue !== null) queue.remove(this.entry);
    } else if (queue === null) {
      const q = this.file.asyncQueue();
      if (q !== null) q.add(this.entry, this.file.asyncEvents());
    }
  }

  /** F_GETOWN: the thread, process or group, if there still is one; else 0. */
  living(): number {
    const { kernel, id } = this;
    const all =
      this.type === F_OWNER_TID ? kernel.tasks : this.type === F_OWNER_PGRP ? kernel.processGroups : kernel.processes;
    return all.has(id) ? id : 0;
  }

  release(): void {
    this.watch(false);
  }

  onEvent(events: number, _entry: WaitEntry): void {
    if (this.id === 0 || (events & EV_QUIET) !== 0) return;
    this.forEachOwner((t, g) => {
      if (this.file.asyncSignal !== 0 && sendTo(t, g, this.makeInfo(events)) === 0) return;
      // No more of them can wait.
      sendTo(t, g, plainInfo(SIGIO));
    });
  }

  onUrgent(): void {
    this.forEachOwner((t, g) => sendTo(t, g, plainInfo(SIGURG)));
    // Those that have chosen a signal get that as well.
    if (this.entry.queue !== null && this.file.asyncSignal !== 0) this.onEvent(EV_PRI, this.entry);
  }

  /** Calls `send` for each owner that may be signalled: thread `t`, or all of the process `g` that it leads. */
  private forEachOwner(send: (t: Task, g: ThreadGroup | null) => void): void {
    const k = this.kernel;
    const { id } = this;
    if (this.type === F_OWNER_TID) {
      const t = k.tasks.get(id);
      if (t !== undefined && this.may(t.creds)) send(t, null);
      return;
    }
    const groups = this.type === F_OWNER_PGRP ? (k.processGroups.get(id)?.members ?? []) : [k.processes.get(id)];
    for (const g of groups) if (g !== undefined && this.may(g.leader.creds)) send(g.leader, g);
  }

  /** sigio_perm: the owner's setter may signal such a process. */
  private may(target: Credentials): boolean {
    const c = this.creds;
    if (c === null || c.euid === 0) return true;
    return c.euid === target.suid || c.euid === target.ruid || c.ruid === target.suid || c.ruid === target.ruid;
  }

  /** The signal of F_SETSIG. */
  private makeInfo(events: number): SigInfo {
    const info = new SigInfo();
    info.signo = this.file.asyncSignal;
    const code = codeOf(events);
    info.code = info.signo !== SIGIO && hasOwnCodes(info.signo) ? SI_SIGIO : code;
    info.band = bands[code]!;
    info.fd = this.fd;
    return info;
  }
}

function sendTo(t: Task, g: ThreadGroup | null, info: SigInfo): number {
  return g === null ? sendToTask(t, info) : sendToGroup(g, info);
}

function plainInfo(signo: number): SigInfo {
  const info = new SigInfo();
  info.signo = signo;
  info.code = SI_KERNEL;
  return info;
}

/** Files that send SIGIO: pipes, sockets, terminals, inotify. */
export function hasAsync(file: FileDescription): boolean {
  const type = file.inode === null ? 0 : file.inode.mode & S_IFMT;
  if (file instanceof InotifyFile) return true;
  return (type === S_IFIFO || type === S_IFSOCK || type === S_IFCHR) && file.waitQueue() !== null;
}

/** F_SETFL's O_ASYNC and FIOASYNC. Other files do not show the flag. */
export function setAsync(k: Kernel, file: FileDescription, fd: number, on: boolean): void {
  if (((file.statusFlags & O_ASYNC) !== 0) === on) return;
  if (on && !hasAsync(file)) return;
  let owner = file.asyncOwner;
  if (!(owner instanceof FileOwner)) {
    if (!on) {
      file.statusFlags &= ~O_ASYNC;
      return;
    }
    owner = new FileOwner(k, file);
    file.asyncOwner = owner;
  }
  const o = owner as FileOwner;
  if (on) {
    file.statusFlags |= O_ASYNC;
    o.fd = fd;
  } else {
    file.statusFlags &= ~O_ASYNC;
  }
  o.watch(on);
}

/** F_GETOWN: a process, a thread, or negated a group; 0: nobody. */
export function ownerOf(file: FileDescription): number {
  const owner = file.asyncOwner;
  if (!(owner instanceof FileOwner)) return 0;
  return owner.type === F_OWNER_PGRP ? 0 - owner.living() : owner.living();
}

/** F_SETOWN: a process, a process group when negative, nobody when 0. */
export function setOwner(t: Task, file: FileDescription, who: number): number {
  if (who === 0) return replaceOwner(t, file, F_OWNER_PID, 0);
  if (who === -0x80000000) return -EINVAL;
  if (who < 0) {
    return t.kernel.processGroups.has(-who) ? replaceOwner(t, file, F_OWNER_PGRP, -who) : -ESRCH;
  }
  return t.kernel.processes.has(who) ? replaceOwner(t, file, F_OWNER_PID, who) : -ESRCH;
}

/** Makes the thread, process or group (`type`) the one that is signalled. 0. */
export function replaceOwner(t: Task, file: FileDescription, type: number, id: number): number {
  let owner = file.asyncOwner;
  if (!(owner instanceof FileOwner)) {
    owner = new FileOwner(t.kernel, file);
    file.asyncOwner = owner;
  }
  (owner as FileOwner).set(type, id, t.creds);
  return 0;
}
