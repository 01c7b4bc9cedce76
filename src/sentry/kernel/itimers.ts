/** setitimer(2), alarm(2), CPU-time timers, RLIMIT_CPU and RLIMIT_RTTIME. */
import { ITIMER_PROF, ITIMER_REAL } from "../../abi/time.ts";
import { RLIMIT_CPU, RLIMIT_RTTIME } from "../../abi/resource.ts";
import { SCHED_FIFO, SCHED_RR } from "../../abi/sched.ts";
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../../abi/signal.ts";
import { groupCpuNs, groupUserNs, taskCpuNs } from "./cpu-time.ts";
import type { Kernel } from "./kernel.ts";
import { RUN_GUEST } from "./task.ts";
import type { Task } from "./task.ts";
import { kernelSignal, sendToGroup } from "./task-signals.ts";
import type { IntervalTimer, ThreadGroup } from "./thread-group.ts";

/** CPU-time timers are looked at this often at most while the process runs, ns (as a 250 Hz kernel tick). */
const CPU_TICK_NS = 4e6;

/** ITIMER_REAL expired. */
export function onRealTimer(g: ThreadGroup, nowNs: number): void {
  const timer = g.realTimer;
  if (g.realIntervalNs > 0) {
    const missed = Math.floor((nowNs - timer.deadlineNs) / g.realIntervalNs);
    g.kernel.timers.arm(timer, timer.deadlineNs + (missed + 1) * g.realIntervalNs);
  }
  sendToGroup(g, kernelSignal(SIGALRM));
}

/** Time to look at the process's CPU time. */
export function onCpuTimer(g: ThreadGroup): void {
  checkCpuTimers(g);
  if (g.watchesCpu && isRunning(g)) armCpuTimer(g);
}

function isRunning(g: ThreadGroup): boolean {
  for (const t of g.tasks) if (t.run === RUN_GUEST) return true;
  return false;
}

/** Whether anything of the process depends on its CPU time; sets `watchesCpu` and arms the check. */
export function updateCpuWatch(g: ThreadGroup): void {
  let on = g.virtualTimer.nextNs > 0 || g.profTimer.nextNs > 0 || g.limits.get(RLIMIT_CPU) !== Infinity;
  if (!on) for (const pt of g.posixTimers.values()) if (pt.cpuDeadlineNs > 0) on = true;
  if (g.limits.get(RLIMIT_RTTIME) !== Infinity) for (const t of g.tasks) if (isRealTime(t)) on = true;
  g.watchesCpu = on;
  if (on) armCpuTimer(g);
  else g.kernel.timers.cancel(g.cpuTimer);
}

/** Arms the next look at the process's CPU time. */
export function armCpuTimer(g: ThreadGroup): void {
  let next = Infinity;
  const user = groupUserNs(g);
  const cpu = groupCpuNs(g);
  if (g.virtualTimer.nextNs > 0) next = Math.min(next, g.virtualTimer.nextNs - user);
  if (g.profTimer.nextNs > 0) next = Math.min(next, g.profTimer.nextNs - cpu);
  const limit = g.limits.get(RLIMIT_CPU);
  if (limit !== Infinity) next = Math.min(next, limit * 1e9 - cpu);
  const unblocked = g.limits.get(RLIMIT_RTTIME);
  if (unblocked !== Infinity) {
    for (const t of g.tasks) if (isRealTime(t)) next = Math.min(next, unblocked * 1e3 - unblockedNs(t));
  }
  for (const pt of g.posixTimers.values())
    if (pt.cpuDeadlineNs > 0) next = Math.min(next, pt.cpuDeadlineNs - pt.cpuNs());
  if (next === Infinity) return;
  const perCpu = next / Math.max(1, Math.min(g.tasks.length, g.kernel.cpuCount));
  g.kernel.timers.arm(g.cpuTimer, g.kernel.clock.monotonicNs() + Math.max(perCpu, CPU_TICK_NS));
}

function isRealTime(t: Task): boolean {
  return t.schedPolicy === SCHED_FIFO || t.schedPolicy === SCHED_RR;
}

/** CPU time since the thread was last seen to have blocked. */
function unblockedNs(t: Task): number {
  const cpu = taskCpuNs(t);
  if (t.realTimeBlocks !== t.usage.voluntarySwitches) {
    t.realTimeBlocks = t.usage.voluntarySwitches;
    t.realTimeSinceNs = cpu;
  }
  return cpu - t.realTimeSinceNs;
}

/** RLIMIT_RTTIME, in us. */
function checkRealTime(g: ThreadGroup): void {
  for (const t of g.tasks) {
    const soft = g.limits.get(RLIMIT_RTTIME);
    if (soft === Infinity) return;
    if (isRealTime(t)) checkLimit(g, RLIMIT_RTTIME, unblockedNs(t) / 1e3, 1e6);
  }
}

/** Past the hard limit the process ends; past the soft one it is told, again whenever it has used `more`. getrlimit(2) */
function checkLimit(g: ThreadGroup, resource: number, used: number, more: number): void {
  const { limits } = g;
  const hard = limits.hard[resource]!;
  if (used >= hard) {
    sendToGroup(g, kernelSignal(SIGKILL));
  } else if (used >= limits.get(resource)) {
    // As on Linux the limit itself goes up.
    limits.set(resource, limits.get(resource) + more, hard);
    sendToGroup(g, kernelSignal(SIGXCPU));
  }
}

function checkCpuTimers(g: ThreadGroup): void {
  checkInterval(g, g.virtualTimer, groupUserNs(g), SIGVTALRM);
  const cpu = groupCpuNs(g);
  checkInterval(g, g.profTimer, cpu, SIGPROF);
  for (const pt of g.posixTimers.values()) if (pt.isCpuTimer) pt.checkCpu();
  checkRealTime(g);
  if (g.limits.get(RLIMIT_CPU) !== Infinity) checkLimit(g, RLIMIT_CPU, cpu / 1e9, 1);
}

function checkInterval(g: ThreadGroup, it: IntervalTimer, now: number, sig: number): void {
  if (it.nextNs === 0 || now < it.nextNs) return;
  if (it.intervalNs > 0) it.nextNs += (Math.floor((now - it.nextNs) / it.intervalNs) + 1) * it.intervalNs;
  else it.nextNs = 0;
  sendToGroup(g, kernelSignal(sig));
}

/** getitimer(2): [ns to the next expiration (0 = off), interval] into `out`. */
export function getItimer(k: Kernel, g: ThreadGroup, which: number, out: Float64Array): void {
  if (which === ITIMER_REAL) {
    out[0] = g.realTimer.armed ? Math.max(g.realTimer.deadlineNs - k.clock.monotonicNs(), 1000) : 0;
    out[1] = g.realIntervalNs;
    return;
  }
  const it = which === ITIMER_PROF ? g.profTimer : g.virtualTimer;
  const now = which === ITIMER_PROF ? groupCpuNs(g) : groupUserNs(g);
  out[0] = it.nextNs === 0 ? 0 : Math.max(it.nextNs - now, 1000);
  out[1] = it.intervalNs;
}

/** setitimer(2). */
export function setItimer(k: Kernel, g: ThreadGroup, which: number, valueNs: number, intervalNs: number): void {
  if (which === ITIMER_REAL) {
    g.realIntervalNs = valueNs === 0 ? 0 : intervalNs;
    if (valueNs === 0) k.timers.cancel(g.realTimer);
    else k.timers.arm(g.realTimer, k.clock.monotonicNs() + valueNs);
    return;
  }
  const it = which === ITIMER_PROF ? g.profTimer : g.virtualTimer;
  const now = which === ITIMER_PROF ? groupCpuNs(g) : groupUserNs(g);
  it.nextNs = valueNs === 0 ? 0 : now + valueNs;
  it.intervalNs = intervalNs;
  updateCpuWatch(g);
}
