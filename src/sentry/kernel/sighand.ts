/** Signal dispositions: sigaction(2). Shared by the threads of a process and by clone(CLONE_SIGHAND). */
import { ACT_IGN, defaultAction, NSIG, SIG_DFL, SIG_IGN, sigBitHi, sigBitLo } from "../../abi/signal.ts";
import { WIDE } from "../../base/wide.ts";

/** One disposition. It never changes, so that the tables of a process and its children share it. */
export class SigAction {
  /** Guest address, SIG_DFL or SIG_IGN. */
  readonly handler: number = WIDE;
  /** SA_*, unsigned. */
  readonly flags: number = 0;
  readonly restorer: number = WIDE;
  readonly maskLo: number = 0;
  readonly maskHi: number = 0;

  constructor(handler: number, flags: number, restorer: number, maskLo: number, maskHi: number) {
    this.handler = handler;
    this.flags = flags;
    this.restorer = restorer;
    this.maskLo = maskLo;
    this.maskHi = maskHi;
  }
}

const DEFAULT: SigAction = new SigAction(SIG_DFL, 0, 0, 0, 0);
const IGNORED: SigAction = new SigAction(SIG_IGN, 0, 0, 0, 0);
/** Index = signal number; 0 is unused. */
const ALL_DEFAULT: readonly SigAction[] = new Array<SigAction>(NSIG + 1).fill(DEFAULT);

/** The table of all dispositions. */
export class SignalHandlers {
  private actions: readonly SigAction[];
  /** Nobody else has the array. */
  private isOwn = false;
  refs = 1;
  /** Signals whose action is the default in all respects, with flags and mask: bit n - 1 of the two words for signal n. */
  defaultsLo = -1;
  defaultsHi = -1;

  constructor(actions: readonly SigAction[] = ALL_DEFAULT) {
    this.actions = actions;
  }

  get(sig: number): SigAction {
    return this.actions[sig]!;
  }

  set(sig: number, action: SigAction): void {
    if (!this.isOwn) this.actions = this.actions.slice();
    this.isOwn = true;
    (this.actions as SigAction[])[sig] = action;
    this.defaultsLo &= ~sigBitLo(sig);
    this.defaultsHi &= ~sigBitHi(sig);
    if (action !== DEFAULT) return;
    this.defaultsLo |= sigBitLo(sig);
    this.defaultsHi |= sigBitHi(sig);
  }

  /** The handler goes back to the default; flags and mask stay. */
  dropHandler(sig: number): void {
    const a = this.actions[sig]!;
    this.set(sig, new SigAction(SIG_DFL, a.flags, a.restorer, a.maskLo, a.maskHi));
  }

  /** Whether the signal would be thrown away if it were not blocked. */
  ignores(sig: number): boolean {
    const h = this.actions[sig]!.handler;
    return h === SIG_IGN || (h === SIG_DFL && defaultAction(sig) === ACT_IGN);
  }

  clone(): SignalHandlers {
    this.isOwn = false;
    const c = new SignalHandlers(this.actions);
    c.defaultsLo = this.defaultsLo;
    c.defaultsHi = this.defaultsHi;
    return c;
  }

  /** execve: caught signals go back to their default, ignored ones stay ignored. */
  resetForExec(): void {
    for (let i = 1; i <= NSIG; i++) {
      const a = this.actions[i]!;
      const kept = a.handler === SIG_IGN ? IGNORED : DEFAULT;
      if (a !== kept) this.set(i, kept);
    }
  }
}
