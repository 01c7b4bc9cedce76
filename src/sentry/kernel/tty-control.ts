/** Job control of terminals: which processes may read, write and change them. tty_ioctl(4), POSIX 11.1.4, credentials(7). */
import { O_CLOEXEC } from "../../abi/fcntl.ts";
import { EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU } from "../../abi/signal.ts";
import type { Terminal, TtyControl } from "../fs/devpts/terminal.ts";
import type { Kernel } from "./kernel.ts";
import { openAt } from "../vfs/open.ts";
import type { VfsPath } from "../vfs/path.ts";
import type { Session } from "./sessions.ts";
import type { Task } from "./task.ts";
import { kernelSignal, sendToGroup, signalPgid, signalProcessGroup } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** See the header. One for the kernel. */
export class KernelTtyControl implements TtyControl {
  private readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  checkRead(tty: Terminal): number {
    return this.checkBackground(tty, SIGTTIN);
  }

  checkChange(tty: Terminal): number {
    return this.checkBackground(tty, SIGTTOU);
  }

  /** The rules for a process outside the foreground group of its own controlling terminal. */
  private checkBackground(tty: Terminal, sig: number): number {
    const t = this.kernel.current;
    if (t === null) return 0;
    const g = t.group;
    if (g.tty !== tty || tty.foregroundPgid === 0 || g.pgrp.id === tty.foregroundPgid) return 0;
    const ignored = this.isIgnoredOrBlocked(t, sig);
    if (sig === SIGTTIN) {
      if (ignored || g.pgrp.isOrphaned(null)) return -EIO;
    } else {
      if (ignored) return 0;
      if (g.pgrp.isOrphaned(null)) return -EIO;
    }
    signalProcessGroup(g.pgrp, sig);
    return -ERESTARTSYS;
  }

  private isIgnoredOrBlocked(t: Task, sig: number): boolean {
    const bit = sig - 1;
    if (((t.maskLo >>> bit) & 1) !== 0) return true;
    return t.group.sighand.get(sig).handler === SIG_IGN;
  }

  signalForeground(tty: Terminal, signal: number): void {
    signalPgid(this.kernel, tty.foregroundPgid, signal);
  }

  hangup(tty: Terminal): void {
    const session = tty.session as Session | null;
    if (session === null) return;
    const { leader } = session;
    if (leader !== null) {
      leader.hungUpForeground = tty.foregroundPgid;
      sendToGroup(leader, kernelSignal(SIGHUP));
      sendToGroup(leader, kernelSignal(SIGCONT));
    }
    this.release(tty, session);
  }

  private release(tty: Terminal, session: Session): void {
    session.clearTerminal();
    tty.session = null;
    tty.foregroundPgid = 0;
  }

  private acquire(tty: Terminal, g: ThreadGroup): void {
    g.tty = tty;
    g.hungUpForeground = 0;
    tty.session = g.session;
    tty.foregroundPgid = g.pgrp.id;
  }

  opened(tty: Terminal, task: unknown): void {
    const g = (task as Task).group;
    if (g.session.leader === g && g.tty === null && tty.session === null) this.acquire(tty, g);
  }

  setControlling(tty: Terminal, task: unknown, steal: number, isReadable: boolean): number {
    const t = task as Task;
    const g = t.group;
    const isLeader = g.session.leader === g;
    if (isLeader && tty.session === g.session) return 0;
    if (!isLeader || g.tty !== null) return -EPERM;
    const isAdmin = t.creds.hasCap(CAP_SYS_ADMIN);
    const old = tty.session as Session | null;
    if (old !== null) {
      if (steal !== 1 || !isAdmin) return -EPERM;
      this.release(tty, old);
    }
    if (!isReadable && !isAdmin) return -EPERM;
    this.acquire(tty, g);
    return 0;
  }

  giveUpControlling(tty: Terminal, task: unknown): number {
    const g = (task as Task).group;
    if (g.tty !== tty) return -ENOTTY;
    if (g.session.leader === g) {
      signalPgid(this.kernel, tty.foregroundPgid, SIGHUP);
      signalPgid(this.kernel, tty.foregroundPgid, SIGCONT);
      this.release(tty, g.session);
    }
    g.tty = null;
    return 0;
  }

  mayInsert(tty: Terminal, task: unknown): boolean {
    const t = task as Task;
    return t.group.tty === tty || t.creds.hasCap(CAP_SYS_ADMIN);
  }

  isAdmin(task: unknown): boolean {
    return (task as Task).creds.hasCap(CAP_SYS_ADMIN);
  }

  openPeer(task: unknown, start: VfsPath, name: string, flags: number): number {
    const t = task as Task;
    const file = openAt(t.pathContext, start, name, flags & ~O_CLOEXEC, 0);
    if (typeof file === "number") return file;
    return t.fds.alloc(file, 0, (flags & O_CLOEXEC) !== 0);
  }

  getForeground(tty: Terminal, task: unknown, isMaster: boolean): number {
    if (!isMaster && (task as Task).group.tty !== tty) return -ENOTTY;
    return tty.foregroundPgid;
  }

  getSession(tty: Terminal, task: unknown, isMaster: boolean): number {
    if (!isMaster && (task as Task).group.tty !== tty) return -ENOTTY;
    const session = tty.session as Session | null;
    return session === null ? -ENOTTY : session.id;
  }

  setForeground(tty: Terminal, task: unknown, pgid: number): number {
    const t = task as Task;
    const { session } = t.group;
    if (t.group.tty !== tty || tty.session !== session) return -ENOTTY;
    if (pgid < 0) return -EINVAL;
    const pg = this.kernel.processGroups.get(pgid);
    if (pg === undefined) return -ESRCH;
    if (pg.session !== session) return -EPERM;
    tty.foregroundPgid = pgid;
    return 0;
  }

  controlling(task: unknown): Terminal | null {
    return (task as Task).group.tty as Terminal | null;
  }
}
