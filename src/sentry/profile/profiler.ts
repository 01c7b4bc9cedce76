/**
 * `--profile`: where the time of system calls goes. Stands before the dispatcher, so that nothing is spent when it is off.
 *
 * A call is *served* while an attempt of it runs: in the Sentry's own code, in calls of the host, or in the gofer. Between
 * two attempts it *waits*. What the kernel does after a call (signals, the host's mappings) and the way from the guest to
 * the Sentry and back are not part of either.
 */
import { ERESTART_RESTARTBLOCK, ERESTARTSYS } from "../../abi/errno.ts";
import { syscallName } from "../../abi/syscall-nr.ts";
import type { SyscallDispatcher } from "../kernel/kernel.ts";
import { BLOCKED } from "../kernel/task.ts";
import type { Task } from "../kernel/task.ts";
import { Histogram } from "./histogram.ts";
import type { Meter } from "./meter.ts";

/** Errors are -1 to this. */
const LAST_ERRNO = -4095;

/** Figures of one system call. */
export class CallFigures {
  readonly name: string;
  /** Calls that have ended, or whose task has. */
  calls = 0;
  errors = 0;
  sentryNs = 0;
  hostNs = 0;
  goferNs = 0;
  goferRequests = 0;
  /** Time served, for each call. */
  readonly served: Histogram = new Histogram();
  /** Time waited, for each call that did. */
  readonly waited: Histogram = new Histogram();

  constructor(name: string) {
    this.name = name;
  }
}

/** The call that a task is in. */
class Pending {
  isActive = false;
  figures: CallFigures;
  startNs = 0;
  servedNs = 0;
  hasWaited = false;

  constructor(figures: CallFigures) {
    this.figures = figures;
  }
}

/** See the header. */
export class Profiler implements SyscallDispatcher {
  private readonly inner: SyscallDispatcher;
  private readonly meter: Meter;
  private readonly calls: Map<number, CallFigures> = new Map();
  private readonly pending: Map<Task, Pending> = new Map();
  private startNs: number;

  constructor(inner: SyscallDispatcher, meter: Meter) {
    this.inner = inner;
    this.meter = meter;
    this.startNs = meter.now();
  }

  /** The report's time begins here. */
  start(): void {
    this.startNs = this.meter.now();
  }

  attempt(t: Task): number {
    const { meter } = this;
    const start = meter.now();
    const p = this.pendingOf(t, start);
    const { figures } = p;
    const [host, gofer, requests] = [meter.hostNs, meter.goferNs, meter.goferRequests];
    const result = this.inner.attempt(t);
    const took = meter.now() - start;
    const hostNs = meter.hostNs - host;
    const goferNs = meter.goferNs - gofer;
    figures.hostNs += hostNs;
    figures.goferNs += goferNs;
    figures.goferRequests += meter.goferRequests - requests;
    figures.sentryNs += Math.max(0, took - hostNs - goferNs);
    p.servedNs += took;
    if (result === BLOCKED) p.hasWaited = true;
    // The attempt was the task's last: `exited` has been here before.
    if (p.isActive && !this.pending.has(t)) this.end(p, start + took, 0);
    return result;
  }

  finished(t: Task, result: number): void {
    this.inner.finished(t, result);
    const p = this.pending.get(t);
    if (p !== undefined && p.isActive) this.end(p, this.meter.now(), result);
  }

  exited(t: Task): void {
    this.inner.exited(t);
    const p = this.pending.get(t);
    this.pending.delete(t);
    // In the middle of an attempt of its own it ends there.
    if (p !== undefined && p.isActive && t.kernel.current !== t) this.end(p, this.meter.now(), 0);
  }

  /** Figures by name. */
  figures(): Map<string, CallFigures> {
    return new Map([...this.calls.values()].map((f) => [f.name, f]));
  }

  /** The report, lines of text without newlines. */
  report(): string[] {
    const all = [...this.calls.values()].filter((f) => f.calls > 0);
    const wallNs = this.meter.now() - this.startNs;
    let [calls, servedNs] = [0, 0];
    for (const f of all) {
      calls += f.calls;
      servedNs += f.served.totalNs;
    }
    const share = wallNs > 0 ? (servedNs / wallNs) * 100 : 0;
    const out = [
      `profile: ${(wallNs / 1e9).toFixed(3)} s, ${calls} system calls, served in ${ms(servedNs)} ms (${share.toFixed(1)} %)`,
    ];
    out.push(
      "",
      "served %  served ms     calls   errors    p50 us    p99 us  Sentry ms   host ms  gofer ms  requests  system call",
    );
    for (const f of all.toSorted((a, b) => b.served.totalNs - a.served.totalNs || b.calls - a.calls)) {
      const { served } = f;
      const part = servedNs > 0 ? (served.totalNs / servedNs) * 100 : 0;
      const cells: [string, number][] = [
        [part.toFixed(1), 8],
        [ms(served.totalNs), 11],
        [String(f.calls), 10],
        [String(f.errors), 9],
        [us(served.percentile(0.5)), 10],
        [us(served.percentile(0.99)), 10],
        [ms(f.sentryNs), 11],
        [ms(f.hostNs), 10],
        [ms(f.goferNs), 10],
        [String(f.goferRequests), 10],
      ];
      out.push(`${line(cells)}  ${f.name}`);
    }
    const waits = all.filter((f) => f.waited.count > 0).toSorted((a, b) => b.waited.totalNs - a.waited.totalNs);
    if (waits.length === 0) return out;
    out.push("", "waited ms     waits    p50 us    p99 us  where the guest waited");
    for (const { name, waited } of waits) {
      const cells: [string, number][] = [
        [ms(waited.totalNs), 9],
        [String(waited.count), 10],
        [us(waited.percentile(0.5)), 10],
        [us(waited.percentile(0.99)), 10],
      ];
      out.push(`${line(cells)}  ${name}`);
    }
    return out;
  }

  /** What is known of the task's call; a new one begins with its first attempt. */
  private pendingOf(t: Task, now: number): Pending {
    let p = this.pending.get(t);
    if (p !== undefined && p.isActive && t.attempt > 0) return p;
    const figures = this.figuresOf(t.sysno);
    if (p === undefined) {
      p = new Pending(figures);
      this.pending.set(t, p);
    }
    p.isActive = true;
    p.figures = figures;
    p.startNs = now;
    p.servedNs = 0;
    p.hasWaited = false;
    return p;
  }

  private figuresOf(nr: number): CallFigures {
    // All numbers that name nothing are one row, however many a guest tries.
    const name = syscallName(nr);
    const key = name === "" ? -1 : nr;
    let figures = this.calls.get(key);
    if (figures === undefined) {
      figures = new CallFigures(name === "" ? "(no such call)" : name);
      this.calls.set(key, figures);
    }
    return figures;
  }

  private end(p: Pending, now: number, result: number): void {
    const { figures } = p;
    p.isActive = false;
    figures.calls++;
    if (isError(result)) figures.errors++;
    figures.served.add(p.servedNs);
    if (p.hasWaited) figures.waited.add(Math.max(0, now - p.startNs - p.servedNs));
  }
}

/** An errno that the guest sees; calls that are restarted are none. */
function isError(result: number): boolean {
  if (result >= 0 || result < LAST_ERRNO) return false;
  return result > -ERESTARTSYS || result < -ERESTART_RESTARTBLOCK;
}

function ms(ns: number): string {
  return (ns / 1e6).toFixed(2);
}

function us(ns: number): string {
  return (ns / 1000).toFixed(1);
}

function line(cells: readonly [string, number][]): string {
  return cells.map(([text, width]) => text.padStart(width)).join("");
}
