/** Process file descriptors: pidfd_open(2), clone(CLONE_PIDFD), waitid(P_PIDFD). */
import { EAGAIN, ESPIPE } from "../../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../../abi/fcntl.ts";
import { EV_HUP, EV_IN, EV_RDNORM } from "../../base/waiter.ts";
import type { WaitQueue } from "../../base/waiter.ts";
import { sharedAnonPath } from "../vfs/anon.ts";
import { FileDescription, FMODE_READ, FMODE_WRITE } from "../vfs/file.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** Refers to a process, also after its number was given to another. Readable once the process has ended. */
export class PidFd extends FileDescription {
  readonly target: ThreadGroup;

  constructor(target: ThreadGroup) {
    super();
    this.target = target;
  }

  override readiness(): number {
    const { isZombie, reaped } = this.target;
    return reaped ? EV_IN | EV_RDNORM | EV_HUP : isZombie ? EV_IN | EV_RDNORM : 0;
  }

  override waitQueue(): WaitQueue {
    return this.target.exitQueue;
  }

  override seek(): number {
    return -ESPIPE;
  }

  override get anonName(): string {
    return "anon_inode:[pidfd]";
  }

  override fdInfo(): string {
    const pid = this.target.reaped ? -1 : this.target.id;
    return `Pid:\t${pid}\nNSpid:\t${pid}\n`;
  }

  /** waitid on a non-blocking pidfd does not wait. */
  get wouldBlock(): number {
    return (this.statusFlags & O_NONBLOCK) !== 0 ? -EAGAIN : 0;
  }
}

/** A new pidfd of `t` for `target`; always close-on-exec. fd or -EMFILE. flags: O_NONBLOCK or 0. */
export function openPidFd(t: Task, target: ThreadGroup, flags: number): number {
  const file = new PidFd(target);
  const { vfs } = t.kernel;
  vfs.anon.attach(file, sharedAnonPath(vfs, "anon_inode:[pidfd]"), O_RDWR | flags, FMODE_READ | FMODE_WRITE);
  return t.fds.alloc(file, 0, true);
}
