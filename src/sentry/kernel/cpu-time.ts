/**
 * CPU time of threads and processes: getrusage(2), clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID, times(2).
 *
 * User time is the time from each resume to the next stop. The platform does not tell the host's own count for a thread, so
 * this includes waiting for a host CPU when more threads are busy than there are CPUs. System time is the time the
 * kernel's one thread spent on the task's steps.
 */
import { RUN_GUEST } from "./task.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread-group.ts";
import type { Usage } from "./usage.ts";

/** User time of a thread up to now, ns. */
export function taskUserNs(t: Task): number {
  if (t.run !== RUN_GUEST) return t.usage.userNs;
  const running = t.kernel.clock.monotonicNs() - t.resumedNs;
  return t.usage.userNs + (running > 0 ? running : 0);
}

/** CPU time (user and system) of a thread, ns. */
export function taskCpuNs(t: Task): number {
  return taskUserNs(t) + t.usage.systemNs;
}

/** User time of a process: its exited and living threads, ns. */
export function groupUserNs(g: ThreadGroup): number {
  let ns = g.usage.userNs;
  for (const t of g.tasks) ns += taskUserNs(t);
  return ns;
}

export function groupSystemNs(g: ThreadGroup): number {
  let ns = g.usage.systemNs;
  for (const t of g.tasks) ns += t.usage.systemNs;
  return ns;
}

export function groupCpuNs(g: ThreadGroup): number {
  return groupUserNs(g) + groupSystemNs(g);
}

/** All figures of a process so far, into `out` (which starts empty). */
export function groupUsage(g: ThreadGroup, out: Usage): void {
  out.add(g.usage);
  for (const t of g.tasks) {
    out.add(t.usage);
    out.userNs += taskUserNs(t) - t.usage.userNs;
  }
}
