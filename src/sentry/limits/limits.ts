/** Resource limits of a process: getrlimit(2). A leaf, so that mm and file systems can ask. */
import {
  NR_OPEN,
  RLIM_INFINITY,
  RLIM_NLIMITS,
  RLIMIT_CORE,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RTPRIO,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from "../../abi/resource.ts";

/** Soft and hard limits by RLIMIT_*; Infinity = RLIM_INFINITY. Shared by the threads of a process. */
export class LimitSet {
  soft: Readonly<Float64Array>;
  hard: Readonly<Float64Array>;
  /** Another set has the same arrays: they do not change. */
  private isShared = false;

  constructor(soft?: Readonly<Float64Array>, hard?: Readonly<Float64Array>) {
    this.soft = soft ?? new Float64Array(RLIM_NLIMITS).fill(RLIM_INFINITY);
    this.hard = hard ?? new Float64Array(RLIM_NLIMITS).fill(RLIM_INFINITY);
  }

  /** The soft limit in force. */
  get(resource: number): number {
    return this.soft[resource]!;
  }

  set(resource: number, soft: number, hard: number): void {
    if (this.isShared) {
      this.soft = this.soft.slice();
      this.hard = this.hard.slice();
      this.isShared = false;
    }
    (this.soft as Float64Array)[resource] = soft;
    (this.hard as Float64Array)[resource] = hard;
  }

  /** fork(2): a child starts with a copy. */
  clone(): LimitSet {
    const c = new LimitSet(this.soft, this.hard);
    c.isShared = this.isShared = true;
    return c;
  }
}

/** What a freshly booted Linux gives init, with the usual distribution's NOFILE and a NPROC that never bites. */
export function defaultLimits(): LimitSet {
  const l = new LimitSet();
  l.set(RLIMIT_STACK, 8 * 1024 * 1024, RLIM_INFINITY);
  l.set(RLIMIT_CORE, 0, RLIM_INFINITY);
  l.set(RLIMIT_NOFILE, 1024, NR_OPEN);
  l.set(RLIMIT_MEMLOCK, 8 * 1024 * 1024, 8 * 1024 * 1024);
  l.set(RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY);
  l.set(RLIMIT_SIGPENDING, 31000, 31000);
  l.set(RLIMIT_MSGQUEUE, 819200, 819200);
  l.set(RLIMIT_NICE, 0, 0);
  l.set(RLIMIT_RTPRIO, 0, 0);
  return l;
}
