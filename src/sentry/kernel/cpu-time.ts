/**
 * CPU time of threads and processes: getrusage(2), clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID, times(2).
 *
 * On the way of system calls only the time from each resume to the next stop is added up (`ranNs`), which includes waiting
 * for a CPU of the host. When somebody asks, or a thread ends, the host's own count for the guest's process is read and what
 * was gathered since the last time is brought in line with it: the host's count less the part in which threads spun while
 * they were stopped, and never more than there was (since then, or before and not told of by the host), is shared out among the threads of the address space in proportion to
 * their `ranNs`. So figures of processes are the host's; those of threads are exact while one of them runs at a time, and
 * a fair share otherwise.
 *
 * What the host spent in its kernel for the guest (page faults, traps) is system time, and so is the time that our one
 * thread spent on the task's steps. Where that thread gets less CPU time than its steps last (it waits for a CPU, or for
 * the gofer), they count less by as much.
 */
import { CPU_BOTH, CPU_TOTAL, CPU_USER } from "../../platform/platform.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { RUN_EXITED, RUN_GUEST } from "./task.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread-group.ts";
import type { Usage } from "./usage.ts";
import { WIDE } from "../../base/wide.ts";

/** The host samples at its ticks (some ms) where time goes; over shorter times than this the samples say little, ns. */
const SAMPLE_NS = 1e8;

/** Most user time that is taken back later, ns. */
const TAKEN_BACK_NS = 1e6;

/**
 * The host counts a running thread's time at its ticks and when it stops running: what it has not told of yet may be so much, ns. Without
 * this, somebody who asks more often than the host counts would be told of next to nothing.
 */
const LATE_NS = 1e7;

/** Shortest time of steps that is compared with CPU time, ns. */
const SERVED_LEAST_NS = 1e6;

/** What of an address space's time on the host has been accounted; ns. Lives as the address space's owner. */
class CpuAccount {
  total: number = WIDE;
  /** The last samples of user mode and all, and the part of user mode then. */
  user = 0;
  both = 0;
  userPart = 1;
  /** User time not given yet, or given too early: over a short time the figures do not match. */
  owedUser = 0;
  /** `total` at the last sample. */
  sampled = 0;
  /** Time in which threads may have run that the host has not told of, at most {@link LATE_NS}. */
  late: number = WIDE;
  /** When the host was asked for `total`, while there is a {@link CROWD}. Monotonic, ns. */
  askedNs: number = WIDE;
}

/**
 * The host adds up the time of all threads of a process. When more than so many share the memory, it is asked at most once in so
 * many ns for each of them: a thousand threads that end cost a thousand times one of them.
 */
const CROWD = 64;
const CROWD_NS = 5000;

/** Relation of the kernel thread's CPU time to the time that its steps lasted. */
export class ServingCpu {
  private cpuNs = 0;
  private servedNs: number = WIDE;
  private lastPart = 1;

  /** At most 1, for the time since the last question (or longer, when that was very short). */
  part(t: Task): number {
    const { clock, servedNs } = t.kernel;
    const lasted = servedNs - this.servedNs;
    if (lasted < SERVED_LEAST_NS || clock.threadCpuNs === undefined) return this.lastPart;
    const cpu = clock.threadCpuNs();
    this.lastPart = Math.min(1, (cpu - this.cpuNs) / lasted);
    this.cpuNs = cpu;
    this.servedNs = servedNs;
    return this.lastPart;
  }
}

/** The thread has time that is not accounted yet, or will have: it runs. */
export function addRunner(t: Task): void {
  if (t.run === RUN_EXITED) return;
  t.isRunner = true;
  t.mm.runners.push(t);
}

/** Brings the figures of the threads that share the task's memory up to date. */
export function syncCpu(t: Task): void {
  if (t.run === RUN_EXITED) return;
  if (!t.isRunner) addRunner(t);
  const { mm } = t;
  const runners = mm.runners as Task[];
  account(t, mm, runners);
  // Who does not run has nothing more until its next step; of many sharing the memory that is nearly everybody.
  let n = 0;
  for (const other of runners) {
    if (other.mm !== mm) continue;
    if (other.run === RUN_GUEST) runners[n++] = other;
    else other.isRunner = false;
  }
  runners.length = n;
}

/**
 * How long a thread may have spun at most, ns: while our own thread ran for it. The rest of the time that steps lasted, ours
 * waited, maybe for the very CPU that it had given to the guest by waking it up.
 */
function spinOf(t: Task, servedPart: number): number {
  return Math.min(t.spunNs, t.servedNs * servedPart);
}

function account(asker: Task, mm: MemoryManager, tasks: readonly Task[]): void {
  const k = asker.kernel;
  let now = -1;
  let ran = 0;
  let spun = 0;
  let served = 0;
  for (const t of tasks) {
    if (t.mm !== mm) continue;
    if (t.run === RUN_GUEST) {
      if (now < 0) now = k.clock.monotonicNs();
      const running = now - t.resumedNs;
      if (running > 0) {
        t.ranNs += running;
        t.resumedNs = now;
      }
    }
    ran += t.ranNs;
    spun += t.spunNs;
    served += t.servedNs;
  }
  if (ran === 0 && served === 0) return;
  const servedPart = k.serving.part(asker);
  if (spun > 0) {
    spun = 0;
    for (const t of tasks) if (t.mm === mm) spun += spinOf(t, servedPart);
  }
  // Where threads may have had the host: also while their steps went on, when the platform let them run before the steps' end
  // was noted.
  const room = ran + served - spun;
  let given = ran;
  let userPart = 1;
  let acc = mm.as.owner as CpuAccount | undefined;
  const isCrowd = acc !== undefined && mm.users > CROWD && k.clock.monotonicNs() - acc.askedNs < mm.users * CROWD_NS;
  const total = isCrowd || k.platform.cpuTime === undefined ? -1 : k.platform.cpuTime(mm.as, CPU_TOTAL);
  if (isCrowd) {
    // Taken for what the host gave, until it is asked again.
    given = Math.min(ran, room);
    acc!.total += given;
    userPart = acc!.userPart;
  } else if (total >= 0) {
    if (acc === undefined) {
      acc = new CpuAccount();
      mm.as.owner = acc;
    }
    if (mm.users > CROWD) acc.askedNs = k.clock.monotonicNs();
    const used = Math.max(0, total - acc.total);
    acc.total = Math.max(total, acc.total);
    // A thread that spins waits for a CPU as one that runs does.
    const spinning = spun === 0 ? 0 : (used * spun) / (ran + served * (1 - servedPart) + spun);
    given = Math.min(used - spinning, room + acc.late);
    acc.late = Math.min(room + acc.late - given, LATE_NS);
    if (total - acc.sampled >= SAMPLE_NS) sample(asker, mm, acc);
    // Spinning is user mode too, so the kernel's part of the rest is larger; but what it took of a CPU that is not idle is a
    // guess, and less that: nobody who computes is to be left without user time.
    const user = given * acc.userPart + acc.owedUser;
    userPart = given === 0 ? 1 : Math.min(Math.max(0, user / given), 1);
    acc.owedUser = Math.min(Math.max(-TAKEN_BACK_NS, user - userPart * given), SAMPLE_NS);
  }
  for (const t of tasks) {
    if (t.mm !== mm) continue;
    const ns = room === 0 ? 0 : (given * (t.ranNs + t.servedNs - spinOf(t, servedPart))) / room;
    t.usage.userNs += ns * userPart;
    t.usage.systemNs += ns * (1 - userPart) + t.servedNs * servedPart;
    if (total >= 0 && (t.ranNs > ns || given > room)) {
      // What is told late was taken for waiting before.
      const waited = Math.max(t.ranNs - ns, -t.usage.waitedNs);
      t.usage.waitedNs += waited;
      k.waitedNs += waited;
    }
    t.servedNs = 0;
    t.ranNs = 0;
    t.spunNs = 0;
  }
}

/** Looks at how the host's time divides into user and kernel mode. */
function sample(t: Task, mm: MemoryManager, acc: CpuAccount): void {
  const { platform } = t.kernel;
  const since = acc.total - acc.sampled;
  acc.sampled = acc.total;
  const user = platform.cpuTime!(mm.as, CPU_USER);
  const both = platform.cpuTime!(mm.as, CPU_BOTH);
  const sampled = both - acc.both;
  if (user < 0 || sampled <= 0) return;
  const inUser = Math.min(Math.max(0, user - acc.user), sampled);
  // Time without samples goes as before: few of them say little.
  const part = (inUser + Math.max(0, since - sampled) * acc.userPart) / Math.max(since, sampled);
  // What was given in the meantime went by the sample before.
  acc.owedUser += (part - acc.userPart) * since;
  acc.userPart = part;
  acc.user = user;
  acc.both = both;
}

/** Up-to-date user time of a thread, ns. */
export function taskUserNs(t: Task): number {
  syncCpu(t);
  return t.usage.userNs;
}

/** CPU time (user and system) of a thread, ns. */
export function taskCpuNs(t: Task): number {
  syncCpu(t);
  return t.usage.userNs + t.usage.systemNs;
}

function syncGroup(g: ThreadGroup): void {
  const t = g.tasks[0];
  if (t !== undefined) syncCpu(t);
}

/** User time of a process: its exited and living threads, ns. */
export function groupUserNs(g: ThreadGroup): number {
  syncGroup(g);
  let ns = g.usage.userNs;
  for (const t of g.tasks) ns += t.usage.userNs;
  return ns;
}

/** System time of a process, ns. */
export function groupSystemNs(g: ThreadGroup): number {
  syncGroup(g);
  let ns = g.usage.systemNs;
  for (const t of g.tasks) ns += t.usage.systemNs;
  return ns;
}

/** CPU time of a process, ns. */
export function groupCpuNs(g: ThreadGroup): number {
  syncGroup(g);
  let ns = g.usage.userNs + g.usage.systemNs;
  for (const t of g.tasks) ns += t.usage.userNs + t.usage.systemNs;
  return ns;
}

/** All figures of a process so far, into `out` (which starts empty). */
export function groupUsage(g: ThreadGroup, out: Usage): void {
  syncGroup(g);
  out.add(g.usage);
  for (const t of g.tasks) out.add(t.usage);
}
