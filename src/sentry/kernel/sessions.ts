/** Sessions and process groups: credentials(7), setsid(2), setpgid(2). */
import type { ThreadGroup } from "./thread-group.ts";

/** What the kernel needs to know about a terminal that controls a session (implemented by fs/devpts). */
export interface ControllingTerminal {
  /** Device number (st_rdev) for /proc/PID/stat. */
  readonly rdev: number;
  /** Foreground process group, 0 = none. */
  foregroundPgid: number;
  /** The session that it controls, or null. */
  session: unknown;
  /** vhangup(2): those who have it open are cut off. */
  hangUp(): void;
}

/** A session: its id is the pid of the process that made it. */
export class Session {
  readonly id: number;
  /** The leader, null after it exited. */
  leader: ThreadGroup | null;
  readonly groups: Map<number, ProcessGroup> = new Map();

  constructor(leader: ThreadGroup, id: number) {
    this.leader = leader;
    this.id = id;
  }

  /** Takes the terminal from all processes. */
  clearTerminal(): void {
    for (const pg of this.groups.values()) for (const g of pg.members) g.tty = null;
  }
}

/** A process group of a session. */
export class ProcessGroup {
  readonly id: number;
  readonly session: Session;
  readonly members: Set<ThreadGroup> = new Set();

  constructor(id: number, session: Session) {
    this.id = id;
    this.session = session;
    session.groups.set(id, this);
  }

  /**
   * Orphaned: no member has a parent in another group of the same session, setpgid(2). `leaving` counts as gone already.
   */
  isOrphaned(leaving: ThreadGroup | null): boolean {
    for (const g of this.members) {
      if (g === leaving || g.isZombie) continue;
      const p = g.parent;
      if (p !== null && p.pgrp !== this && p.pgrp.session === this.session) return false;
    }
    return true;
  }

  /** Whether a member is in a job-control stop. */
  hasStopped(): boolean {
    for (const g of this.members) if (g.stopped) return true;
    return false;
  }
}
