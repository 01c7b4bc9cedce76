/** Process groups and sessions: setpgid(2), setsid(2), tty_ioctl(4). */
import { CAP_SYS_TTY_CONFIG } from "../../abi/capability.ts";
import { EACCES, EPERM, ESRCH } from "../../abi/errno.ts";
import { SIGCONT, SIGHUP } from "../../abi/signal.ts";
import type { Kernel } from "./kernel.ts";
import { ProcessGroup, Session } from "./sessions.ts";
import type { Task } from "./task.ts";
import { kernelSignal, sendToGroup, signalPgid } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** Puts a process (new or moving) into a group. */
export function joinGroup(g: ThreadGroup, pg: ProcessGroup): void {
  const old = g.pgrp as ProcessGroup | undefined;
  g.pgrp = pg;
  pg.members.add(g);
  if (old !== undefined && old !== pg) leaveGroup(g, old);
}

/** Takes a process out of its group; empty groups and sessions disappear. */
export function leaveGroup(g: ThreadGroup, pg: ProcessGroup): void {
  pg.members.delete(g);
  if (pg.members.size > 0) return;
  const k = g.kernel;
  k.processGroups.delete(pg.id);
  pg.session.groups.delete(pg.id);
  if (pg.session.groups.size === 0) k.sessions.delete(pg.session.id);
}

/** A new session with one new group for `g`. */
export function newSession(k: Kernel, g: ThreadGroup): Session {
  const s = new Session(g, g.id);
  k.sessions.set(s.id, s);
  const pg = new ProcessGroup(g.id, s);
  k.processGroups.set(pg.id, pg);
  joinGroup(g, pg);
  return s;
}

/** setsid(2): the new session's id, or -EPERM for a group leader. */
export function setsid(t: Task): number {
  const g = t.group;
  if (t.kernel.processGroups.has(g.id)) return -EPERM;
  newSession(t.kernel, g);
  g.tty = null;
  return g.id;
}

/** setpgid(2). 0 or -errno. */
export function setpgid(t: Task, pid: number, pgid: number): number {
  const k = t.kernel;
  const self = t.group;
  const g = pid === 0 ? self : k.processes.get(pid);
  if (g === undefined || (g !== self && g.parent !== self)) return -ESRCH;
  const id = pgid === 0 ? g.id : pgid;
  if (g !== self) {
    if (g.session !== self.session) return -EPERM;
    if (g.hasExeced) return -EACCES;
  }
  if (g.session.leader === g) return -EPERM;
  let pg: ProcessGroup | undefined;
  if (id === g.id) {
    pg = k.processGroups.get(id);
    if (pg === undefined) {
      pg = new ProcessGroup(id, g.session);
      k.processGroups.set(id, pg);
    } else if (pg.session !== g.session) {
      return -EPERM;
    }
  } else {
    pg = k.processGroups.get(id);
    if (pg === undefined || pg.session !== self.session) return -EPERM;
  }
  if (pg !== g.pgrp) joinGroup(g, pg);
  return 0;
}

/**
 * `g` is about to leave (or to lose its parent): process groups that become orphaned by that and have stopped members
 * get SIGHUP and SIGCONT, setpgid(2). `parent`: the parent it had.
 */
export function signalOrphanedGroup(g: ThreadGroup, parent: ThreadGroup | null): void {
  const pg = g.pgrp;
  const inSession = parent !== null && parent.pgrp !== pg && parent.session === pg.session;
  if (!inSession) return;
  if (!pg.isOrphaned(g) || !pg.hasStopped()) return;
  hangUp(pg);
}

/** The same for the children that a dying process leaves behind. */
export function signalOrphanedChildren(dying: ThreadGroup): void {
  const seen = new Set<ProcessGroup>([dying.pgrp]);
  for (const c of dying.children) {
    const pg = c.pgrp;
    if (seen.has(pg) || pg.session !== dying.session) continue;
    seen.add(pg);
    let orphaned = true;
    for (const m of pg.members) {
      const p = m.parent;
      if (m.isZombie || p === null || p === dying) continue;
      if (p.pgrp !== pg && p.session === pg.session) orphaned = false;
    }
    if (orphaned && pg.hasStopped()) hangUp(pg);
  }
}

function hangUp(pg: ProcessGroup): void {
  for (const m of pg.members) {
    sendToGroup(m, kernelSignal(SIGHUP));
    sendToGroup(m, kernelSignal(SIGCONT));
  }
}

/** A session leader exits: its terminal's foreground group is told, and it controls nothing any more. credentials(7). */
export function leaveSession(g: ThreadGroup): void {
  const s = g.session;
  if (s.leader !== g) return;
  s.leader = null;
  const { tty } = g;
  const k = g.kernel;
  if (tty !== null) {
    signalPgid(k, tty.foregroundPgid, SIGHUP);
    tty.session = null;
    tty.foregroundPgid = 0;
    s.clearTerminal();
  } else if (g.hungUpForeground !== 0) {
    signalPgid(k, g.hungUpForeground, SIGHUP);
    signalPgid(k, g.hungUpForeground, SIGCONT);
  }
}

/** vhangup(2). 0 or -EPERM. */
export function vhangup(t: Task): number {
  if (!t.creds.hasCap(CAP_SYS_TTY_CONFIG)) return -EPERM;
  t.group.tty?.hangUp();
  return 0;
}
