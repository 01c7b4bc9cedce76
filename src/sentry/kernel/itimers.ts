/** setitimer(2), alarm(2), CPU-time timers and RLIMIT_CPU. */
import { ITIMER_PROF, ITIMER_REAL } from "../../abi/time.ts";
import { RLIMIT_CPU } from "../../abi/resource.ts";
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../../abi/signal.ts";
import { groupCpuNs, groupUserNs } from "./cpu-time.ts";
import type { Kernel } from "./kernel.ts";
import { RUN_GUEST } from "./task.ts";
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
  if (limit !== Infinity) next = Math.min(next, nextCpuLimit(g, limit) - cpu);
  for (const pt of g.posixTimers.values())
    if (pt.cpuDeadlineNs > 0) next = Math.min(next, pt.cpuDeadlineNs - pt.cpuNs());
  if (next === Infinity) return;
  const perCpu = next / Math.max(1, Math.min(g.tasks.length, g.kernel.cpuCount));
  g.kernel.timers.arm(g.cpuTimer, g.kernel.clock.monotonicNs() + Math.max(perCpu, CPU_TICK_NS));
}

/** CPU ns at which RLIMIT_CPU bites next. */
function nextCpuLimit(g: ThreadGroup, softSec: number): number {
  return Math.max(softSec * 1e9, g.cpuLimitNextNs);
}

function checkCpuTimers(g: ThreadGroup): void {
  checkInterval(g, g.virtualTimer, groupUserNs(g), SIGVTALRM);
  const cpu = groupCpuNs(g);
  checkInterval(g, g.profTimer, cpu, SIGPROF);
  for (const pt of g.posixTimers.values()) if (pt.isCpuTimer) pt.checkCpu();
  const soft = g.limits.get(RLIMIT_CPU);
  if (soft === Infinity) return;
  if (cpu >= g.limits.hard[RLIMIT_CPU]! * 1e9) {
    sendToGroup(g, kernelSignal(SIGKILL));
  } else if (cpu >= nextCpuLimit(g, soft)) {
    // SIGXCPU once a second from then on, getrlimit(2).
    g.cpuLimitNextNs = cpu + 1e9;
    sendToGroup(g, kernelSignal(SIGXCPU));
  }
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
    g.realIntervalNs = intervalNs;
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
