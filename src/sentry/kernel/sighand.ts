/** Signal dispositions: sigaction(2). Shared by the threads of a process and by clone(CLONE_SIGHAND). */
import { ACT_IGN, defaultAction, NSIG, SIG_DFL, SIG_IGN } from "../../abi/signal.ts";
import { WIDE } from "../../base/wide.ts";

/** One disposition. */
export class SigAction {
  /** Guest address, SIG_DFL or SIG_IGN. */
  handler: number = WIDE;
  /** SA_*, unsigned. */
  flags = 0;
  restorer: number = WIDE;
  maskLo = 0;
  maskHi = 0;

  copyFrom(a: SigAction): void {
    this.handler = a.handler;
    this.flags = a.flags;
    this.restorer = a.restorer;
    this.maskLo = a.maskLo;
    this.maskHi = a.maskHi;
  }
}

/** The table of all dispositions. */
export class SignalHandlers {
  /** Index = signal number; 0 is unused. */
  readonly actions: SigAction[] = [];
  refs = 1;

  constructor() {
    for (let i = 0; i <= NSIG; i++) this.actions.push(new SigAction());
  }

  get(sig: number): SigAction {
    return this.actions[sig]!;
  }

  /** Whether the signal would be thrown away if it were not blocked. */
  ignores(sig: number): boolean {
    const h = this.actions[sig]!.handler;
    return h === SIG_IGN || (h === SIG_DFL && defaultAction(sig) === ACT_IGN);
  }

  clone(): SignalHandlers {
    const c = new SignalHandlers();
    for (let i = 1; i <= NSIG; i++) c.actions[i]!.copyFrom(this.actions[i]!);
    return c;
  }

  /** execve: caught signals go back to their default, ignored ones stay ignored. */
  resetForExec(): void {
    for (let i = 1; i <= NSIG; i++) {
      const a = this.actions[i]!;
      if (a.handler !== SIG_IGN) a.handler = SIG_DFL;
      a.flags = 0;
      a.restorer = 0;
      a.maskLo = 0;
      a.maskHi = 0;
    }
  }
}
