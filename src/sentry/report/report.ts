/**
 * What the kernel is doing, in words: made when somebody asks (`tsvisor debug`), mostly because something does not go on. Reads only;
 * nothing is kept for it meanwhile.
 *
 * The text shows names, paths and strings of the guest: whoever prints it has to expect anything in it.
 */
import { sigInSet, NSIG, signalName } from "../../abi/signal.ts";
import { syscallName } from "../../abi/syscall-nr.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_PRI, EV_RDHUP, EV_RDNORM, EV_WRBAND, EV_WRNORM } from "../../base/waiter.ts";
import type { WaitQueue } from "../../base/waiter.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_GUEST, RUN_READY, RUN_STOPPED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import { Tracer } from "../strace/strace.ts";
import { SyscallArgs } from "../syscalls/args.ts";
import type { FileDescription } from "../vfs/file.ts";
import { pathString } from "../vfs/mounting.ts";

const runNames: Readonly<Record<number, string>> = {
  [RUN_GUEST]: "in the guest",
  [RUN_READY]: "ready",
  [RUN_BLOCKED]: "blocked",
  [RUN_STOPPED]: "stopped",
  [RUN_EXITED]: "exited",
};

const eventNames: readonly (readonly [number, string])[] = [
  [EV_IN, "IN"],
  [EV_PRI, "PRI"],
  [EV_OUT, "OUT"],
  [EV_ERR, "ERR"],
  [EV_HUP, "HUP"],
  [EV_RDNORM, "RDNORM"],
  [EV_WRNORM, "WRNORM"],
  [EV_WRBAND, "WRBAND"],
  [EV_RDHUP, "RDHUP"],
];

const tracer = new Tracer(() => {});
const args = new SyscallArgs();

/** The report, one line each. */
export function kernelReport(k: Kernel): string[] {
  const now = k.clock.monotonicNs();
  const lines = [
    `up ${seconds(now - k.bootNs)}, ${k.stopCount} stops served, the last turn ${seconds(now - k.nowNs)} ago; ` +
      `${k.tasks.size} threads in ${k.processes.size} processes, ${k.queuedTasks} ready`,
    `memory: ${k.totalRam - k.freeRam()} of ${k.totalRam} bytes in use`,
    `timers: ${k.timers.count} armed${k.timers.count > 0 ? `, the first one ${dueIn(k.timers.nextNs, now)}` : ""}`,
    `host descriptors watched: ${[...k.hostWatch.watched].join(" ") || "none"}`,
  ];
  const platform = k.platform.describe?.(-1) ?? "";
  for (const line of `${k.platform.name}: ${platform}`.split("\n")) lines.push(line);
  for (const g of k.processes.values()) {
    lines.push("", processLine(g));
    for (const t of g.tasks) lines.push(...guarded(() => taskLines(t, now)));
  }
  return lines;
}

/** One part that cannot be told must not cost the others. */
function guarded(part: () => string[]): string[] {
  try {
    return part();
  } catch (e) {
    return [`  (not to be described: ${e instanceof Error ? e.message : String(e)})`];
  }
}

function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

function dueIn(atNs: number, now: number): string {
  return atNs <= now ? `due since ${seconds(now - atNs)}` : `due in ${seconds(atNs - now)}`;
}

function processLine(g: ThreadGroup): string {
  const parent = g.parent === null ? "no parent" : `parent ${g.parent.id}`;
  const parts = [`process ${g.id} ${g.leader.comm}: ${parent}, group ${g.pgrp.id}, session ${g.session.id}`];
  if (g.isZombie) parts.push(`ended with wait status 0x${g.exitStatus.toString(16)}, not waited for`);
  else if (g.exiting) parts.push("exiting");
  if (g.stopRequested) parts.push(g.stopped ? "stopped by job control" : "stopping");
  if (g.execTask !== null) parts.push(`thread ${g.execTask.tid} waits for the others to execute a program`);
  if (!g.pending.empty) parts.push(`pending ${signals(g.pending.lo, g.pending.hi)}`);
  return parts.join(", ");
}

function taskLines(t: Task, now: number): string[] {
  const lines = [`  thread ${t.tid} ${t.comm}: ${doing(t)}`];
  const facts = [`    last resumed ${seconds(now - t.resumedNs)} ago, ${t.stops} stops`];
  if (t.attempt > 0) facts.push(`attempt ${t.attempt + 1}`);
  if (t.queued) facts.push("queued");
  if (t.ctxDied) facts.push("its host thread died");
  if (t.restartKind !== 0) facts.push("to be restarted");
  if (!t.pending.empty) facts.push(`pending ${signals(t.pending.lo, t.pending.hi)}`);
  if ((t.maskLo | t.maskHi) !== 0) facts.push(`blocks ${signals(t.maskLo, t.maskHi)}`);
  if (t.deadlineNs !== Infinity) facts.push(`deadline ${dueIn(t.deadlineNs, now)}`);
  lines.push(facts.join(", "));
  t.forEachWait((queue, mask) => lines.push(`    waits for ${events(mask)} of ${queueName(t, queue)}`));
  if (t.futexWaiter.bucket !== null) lines.push(`    waits for a futex${t.futexWaiter.woken ? ", woken" : ""}`);
  if (t.ctx >= 0) lines.push(`    ${t.kernel.platform.describe?.(t.ctx) ?? `context ${t.ctx}`}`);
  return lines;
}

function doing(t: Task): string {
  const state = runNames[t.run] ?? String(t.run);
  if (t.run === RUN_EXITED) return state;
  if (!t.inSyscall) return `${state}, last call ${syscallName(t.sysno) || t.sysno}`;
  args.bind(t.callRegs, t.regBase);
  return `${state} in ${tracer.describe(t, t.sysno, args)}`;
}

function signals(lo: number, hi: number): string {
  const names: string[] = [];
  for (let sig = 1; sig <= NSIG; sig++) if (sigInSet(sig, lo, hi)) names.push(signalName(sig).replace("SIG", ""));
  return names.length > NSIG / 2 ? `${names.length} signals` : `{${names.join(" ")}}`;
}

function events(mask: number): string {
  const names = eventNames.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name);
  return names.join("|") || "nothing";
}

/** Whose queue that is. What is ready although somebody waits for it was not told. */
function queueName(t: Task, queue: WaitQueue): string {
  const k = t.kernel;
  for (const g of k.processes.values()) {
    if (queue === g.childQueue) return `the children of process ${g.id}`;
    if (queue === g.exitQueue) return `the end of process ${g.id} or a thread of it`;
    if (queue === g.signalQueue) return `signals of process ${g.id}`;
  }
  for (const other of k.tasks.values()) if (queue === other.vforkQueue) return `vfork's child, thread ${other.tid}`;
  if (queue === k.stopQueue) return "guest threads that stop";
  for (let fd = 0; fd < t.fds.end; fd++) {
    const file = t.fds.get(fd);
    if (file !== undefined && file.waitQueue() === queue) return `fd ${fd}, ${fileText(t, file)}`;
  }
  const held = t.heldFile;
  if (held !== null && held.waitQueue() === queue) return `a file that is closed, ${fileText(t, held)}`;
  return "something else";
}

function fileText(t: Task, file: FileDescription): string {
  const { path } = file;
  const name = file.anonName ?? (path === null ? "without a name" : pathString(path, t.fs.root, ""));
  return `${name} (ready: ${events(file.readiness())})`;
}
