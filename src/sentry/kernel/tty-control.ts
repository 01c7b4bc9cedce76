/** Job control of terminals: which processes may read, write and change them. tty_ioctl(4), POSIX 11.1.4, credentials(7). */
import { EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU } from "../../abi/signal.ts";
import type { Terminal, TtyControl } from "../fs/devpts/terminal.ts";
import type { Kernel } from "./kernel.ts";
import type { Session } from "./sessions.ts";
import type { Task } from "./task.ts";
import { kernelSignal, sendToGroup, signalPgid, signalProcessGroup } from "./task-signals.ts";

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
    if (g.session.tty !== tty || tty.foregroundPgid === 0 || g.pgrp.id === tty.foregroundPgid) return 0;
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
    if (tty.foregroundPgid !== 0) signalPgid(this.kernel, tty.foregroundPgid, signal);
  }

  hangup(tty: Terminal): void {
    const session = tty.session as Session | null;
    if (session === null) return;
    const leader = session.leader;
    if (leader !== null) {
      sendToGroup(leader, kernelSignal(SIGHUP));
      sendToGroup(leader, kernelSignal(SIGCONT));
    }
    if (tty.foregroundPgid !== 0 && tty.foregroundPgid !== leader?.pgrp.id) {
      signalPgid(this.kernel, tty.foregroundPgid, SIGHUP);
      signalPgid(this.kernel, tty.foregroundPgid, SIGCONT);
    }
    this.release(tty, session);
  }

  private release(tty: Terminal, session: Session): void {
    session.tty = null;
    tty.session = null;
    tty.foregroundPgid = 0;
  }

  private acquire(tty: Terminal, session: Session, pgid: number): void {
    session.tty = tty;
    tty.session = session;
    tty.foregroundPgid = pgid;
  }

  opened(tty: Terminal, task: unknown): void {
    const g = (task as Task).group;
    const session = g.session;
    if (session.leader !== g || session.tty !== null || tty.session !== null) return;
    this.acquire(tty, session, g.pgrp.id);
  }

  setControlling(tty: Terminal, task: unknown, steal: number): number {
    const t = task as Task;
    const g = t.group;
    const session = g.session;
    if (session.leader === g && session.tty === tty) return 0;
    if (session.leader !== g || session.tty !== null) return -EPERM;
    const old = tty.session as Session | null;
    if (old !== null) {
      if (steal !== 1 || !t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
      this.release(tty, old);
    }
    this.acquire(tty, session, g.pgrp.id);
    return 0;
  }

  giveUpControlling(tty: Terminal, task: unknown): number {
    const g = (task as Task).group;
    if (g.session.tty !== tty) return -ENOTTY;
    if (g.session.leader === g) {
      if (tty.foregroundPgid !== 0) {
        signalPgid(this.kernel, tty.foregroundPgid, SIGHUP);
        signalPgid(this.kernel, tty.foregroundPgid, SIGCONT);
      }
      this.release(tty, g.session);
    }
    return 0;
  }

  getForeground(tty: Terminal, task: unknown, isMaster: boolean): number {
    if (!isMaster && (task as Task).group.session.tty !== tty) return -ENOTTY;
    return tty.foregroundPgid;
  }

  getSession(tty: Terminal, task: unknown, isMaster: boolean): number {
    if (!isMaster && (task as Task).group.session.tty !== tty) return -ENOTTY;
    const session = tty.session as Session | null;
    return session === null ? -ENOTTY : session.id;
  }

  setForeground(tty: Terminal, task: unknown, pgid: number): number {
    const t = task as Task;
    const session = t.group.session;
    if (session.tty !== tty) return -ENOTTY;
    if (pgid < 0) return -EINVAL;
    const pg = this.kernel.processGroups.get(pgid);
    if (pg === undefined) return -ESRCH;
    if (pg.session !== session) return -EPERM;
    tty.foregroundPgid = pgid;
    return 0;
  }

  controlling(task: unknown): Terminal | null {
    return (task as Task).group.session.tty as Terminal | null;
  }
}
