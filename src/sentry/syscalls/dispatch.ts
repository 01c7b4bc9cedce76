/** Runs system call attempts: from the number in rax to the handler of the table. */
import { ENOSYS } from "../../abi/errno.ts";
import { SIGSYS } from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import type { Logger } from "../../base/log.ts";
import type { SyscallDispatcher } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import { killGroup } from "../kernel/task-signals.ts";
import { turn } from "../vfs/turn.ts";
import { SyscallArgs } from "./args.ts";

/** A system call attempt: >= 0, -errno, BLOCKED, NO_RETURN_VALUE. */
export type Handler = (t: Task, a: SyscallArgs) => number;

/** What the dispatcher needs of the table. */
export interface DispatchTable {
  /** Handler by number; undefined: ENOSYS. */
  readonly handlers: readonly (Handler | undefined)[];
  /** Name by number, "" when there is none. */
  name(nr: number): string;
}

/** Sees every call: `--strace`. */
export interface SyscallTracer {
  /** Before the first attempt. */
  entered(t: Task, nr: number, a: SyscallArgs): void;
  /** The call gave `result` (an -ERESTART* code when a signal interrupted it). */
  finished(t: Task, nr: number, a: SyscallArgs, result: number): void;
  exited(t: Task): void;
}

/** See the header. */
export class Dispatcher implements SyscallDispatcher {
  private readonly handlers: readonly (Handler | undefined)[];
  private readonly table: DispatchTable;
  private readonly args: SyscallArgs = new SyscallArgs();
  private readonly log: Logger;
  private readonly tracer: SyscallTracer | null;
  /** Numbers already reported as missing. */
  private readonly reported: Set<number> = new Set();
  /** System calls since start, by number: for figures and tests. */
  count = 0;

  constructor(table: DispatchTable, log: Logger, tracer: SyscallTracer | null) {
    this.table = table;
    this.handlers = table.handlers;
    this.log = log;
    this.tracer = tracer;
  }

  attempt(t: Task): number {
    const nr = t.sysno;
    const a = this.args;
    a.bind(t.callRegs, t.regBase);
    turn.now++;
    if (t.attempt === 0) {
      this.count++;
      // A table that several processes share (CLONE_FILES) is bounded by the caller's limits.
      if (t.fds.limits !== t.group.limits) t.fds.limits = t.group.limits;
      if (this.tracer !== null) this.tracer.entered(t, nr, a);
    }
    const handler = nr >= 0 && nr < this.handlers.length ? this.handlers[nr] : undefined;
    if (handler === undefined) return this.missing(nr);
    try {
      return handler(t, a);
    } catch (e) {
      return this.failed(t, nr, e);
    }
  }

  finished(t: Task, result: number): void {
    if (this.tracer === null) return;
    this.args.bind(t.callRegs, t.regBase);
    this.tracer.finished(t, t.sysno, this.args, result);
  }

  exited(t: Task): void {
    if (this.tracer !== null) this.tracer.exited(t);
  }

  private missing(nr: number): number {
    if (!this.reported.has(nr) && this.reported.size < 1024) {
      this.reported.add(nr);
      this.log.warn(`unimplemented system call ${this.table.name(nr) || nr}`);
    }
    return -ENOSYS;
  }

  /** An exception is a bug of ours. The process that met it dies, the sandbox goes on. */
  private failed(t: Task, nr: number, e: unknown): number {
    const text = e instanceof Error ? (e.stack ?? e.message) : String(e);
    this.log.error(`bug in ${this.table.name(nr)} called by pid ${t.group.id} (${t.comm}): ${text}`);
    killGroup(t.group, signalStatus(SIGSYS, false));
    return -ENOSYS;
  }
}
