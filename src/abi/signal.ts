/**
 * Signals: numbers, sigaction flags, siginfo codes and the 128-byte siginfo_t. signal(7), sigaction(2), <asm/siginfo.h>.
 *
 * Signal sets are 64-bit masks kept as two 32-bit halves: bit n-1 stands for signal n, `lo` has signals 1-32.
 */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
/** First real-time signal as the kernel counts (libc reserves two or three of them). */
export const SIGRTMIN = 32;
/** Highest signal number. */
export const NSIG = 64;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_UNSUPPORTED = 0x400;
export const SA_EXPOSE_TAGBITS = 0x800;
export const SA_RESTORER = 0x04000000;
export const SA_ONSTACK = 0x08000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000;
export const MINSIGSTKSZ = 2048;

// si_code: who sent it
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_MESGQ = -3;
export const SI_ASYNCIO = -4;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;
// SIGILL, SIGFPE
export const ILL_ILLOPN = 2;
export const FPE_INTDIV = 1;
// SIGSEGV
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
// SIGBUS
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
// SIGTRAP
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
// SIGCHLD
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_TRAPPED = 4;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;
// SIGIO, and what F_SETSIG has in its place
export const POLL_IN = 1;
export const POLL_OUT = 2;
export const POLL_ERR = 4;
export const POLL_PRI = 5;
export const POLL_HUP = 6;

export const SIGEV_SIGNAL = 0;
export const SIGEV_NONE = 1;
export const SIGEV_THREAD = 2;
export const SIGEV_THREAD_ID = 4;

/** sizeof(siginfo_t) */
export const SIGINFO_SIZE = 128;
/** sizeof(kernel_sigset_t): what every rt_sig* call demands as sigsetsize. */
export const SIGSET_SIZE = 8;
/** sizeof(struct kernel_sigaction): handler, flags, restorer, mask. */
export const SIGACTION_SIZE = 32;
/** sizeof(stack_t) */
export const STACK_T_SIZE = 24;

/** The half-word of signal `sig` that is in `lo`, or 0. */
export function sigBitLo(sig: number): number {
  return sig <= 32 ? 1 << (sig - 1) : 0;
}

/** The half-word of signal `sig` that is in `hi`, or 0. */
export function sigBitHi(sig: number): number {
  return sig > 32 ? 1 << (sig - 33) : 0;
}

/** Whether signal `sig` (1-64) is in the set lo/hi. */
export function sigInSet(sig: number, lo: number, hi: number): boolean {
  return sig <= 32 ? (lo & (1 << (sig - 1))) !== 0 : (hi & (1 << (sig - 33))) !== 0;
}

/** SIGKILL and SIGSTOP: cannot be caught, blocked or ignored. Both are in `lo`. */
export const UNBLOCKABLE_LO: number = (1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1));
/** SIGSTOP SIGTSTP SIGTTIN SIGTTOU (all in `lo`). */
export const STOP_SIGNALS_LO: number =
  (1 << (SIGSTOP - 1)) | (1 << (SIGTSTP - 1)) | (1 << (SIGTTIN - 1)) | (1 << (SIGTTOU - 1));
/** Signals that a fault of the thread itself raises; they are delivered first. */
export const SYNCHRONOUS_LO: number =
  (1 << (SIGSEGV - 1)) |
  (1 << (SIGBUS - 1)) |
  (1 << (SIGILL - 1)) |
  (1 << (SIGTRAP - 1)) |
  (1 << (SIGFPE - 1)) |
  (1 << (SIGSYS - 1));

// What a signal does by default, signal(7).
export const ACT_TERM = 0;
export const ACT_CORE = 1;
export const ACT_IGN = 2;
export const ACT_STOP = 3;
export const ACT_CONT = 4;

/** Default action (ACT_*) of a signal. */
export function defaultAction(sig: number): number {
  switch (sig) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return ACT_IGN;
    case SIGCONT:
      return ACT_CONT;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return ACT_STOP;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return ACT_CORE;
    default:
      return ACT_TERM;
  }
}

const names: readonly string[] = (
  "0 SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM " +
  "SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO " +
  "SIGPWR SIGSYS"
).split(" ");

/** "SIGINT", "SIGRT_3" (strace's way), or the number as text. */
export function signalName(sig: number): string {
  if (sig >= SIGRTMIN && sig <= NSIG) return `SIGRT_${sig - SIGRTMIN}`;
  return names[sig] ?? String(sig);
}

/**
 * One signal's information, before it becomes a siginfo_t. Which fields count depends on signo and code, as in
 * sigaction(2); `raw` (128 bytes) wins over all when the sender gave its own (rt_sigqueueinfo).
 */
export class SigInfo {
  signo = 0;
  errno = 0;
  code = 0;
  pid = 0;
  uid = 0;
  /** SIGCHLD: exit status or signal. */
  status = 0;
  /** SIGCHLD: clock ticks (1/100 s). */
  utime = 0;
  stime = 0;
  /** sigval, 64 bits opaque. */
  valueLo = 0;
  valueHi = 0;
  /** Faults: the address, 64 bits. */
  addrLo = 0;
  addrHi = 0;
  /** SI_TIMER */
  timerId = 0;
  overrun = 0;
  /** SIGIO */
  band = 0;
  fd = 0;
  raw: Uint8Array | null = null;
  /** The POSIX timer that sent it, told when it is delivered. */
  timer: SignalOrigin | null = null;
  /** While it is queued: whose place it takes, a real user id; -1: nobody's. */
  owner = -1;
}

/** Who wants to know that a signal is about to be delivered; may still change its `overrun`. */
export interface SignalOrigin {
  /** It is no longer pending but about to be acted on or told. False: it is no longer true, and is thrown away. */
  taken(info: SigInfo): boolean;
  /** It was pending and is thrown away. */
  dropped(info: SigInfo): void;
}

/** Whether a signal's positive codes have meanings of its own. */
export function hasOwnCodes(signo: number): boolean {
  switch (signo) {
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
    case SIGCHLD:
    case SIGIO:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

/** Whether what is known of a signal is a descriptor and its events (F_SETSIG). */
export function isOfPoll(signo: number, code: number): boolean {
  if (code === SI_SIGIO) return true;
  return code > 0 && code <= POLL_HUP && (signo === SIGIO || !hasOwnCodes(signo));
}

/** Writes `info` as a siginfo_t (128 bytes, zero padded) at `off`. Source: sigaction(2), <asm-generic/siginfo.h>. */
export function writeSigInfo(view: DataView, off: number, info: SigInfo): void {
  const raw = info.raw;
  if (raw !== null) {
    for (let i = 0; i < SIGINFO_SIZE; i++) view.setUint8(off + i, raw[i]!);
    view.setInt32(off, info.signo, true);
    return;
  }
  for (let i = 0; i < SIGINFO_SIZE; i += 4) view.setUint32(off + i, 0, true);
  view.setInt32(off, info.signo, true);
  view.setInt32(off + 4, info.errno, true);
  view.setInt32(off + 8, info.code, true);
  if (info.code === SI_TIMER) {
    view.setInt32(off + 16, info.timerId, true);
    view.setInt32(off + 20, info.overrun, true);
    view.setUint32(off + 24, info.valueLo, true);
    view.setUint32(off + 28, info.valueHi, true);
    return;
  }
  if (info.code > 0 && info.code !== SI_KERNEL) {
    switch (info.signo) {
      case SIGILL:
      case SIGFPE:
      case SIGSEGV:
      case SIGBUS:
      case SIGTRAP:
        view.setUint32(off + 16, info.addrLo, true);
        view.setUint32(off + 20, info.addrHi, true);
        return;
      case SIGCHLD:
        view.setInt32(off + 16, info.pid, true);
        view.setUint32(off + 20, info.uid, true);
        view.setInt32(off + 24, info.status, true);
        view.setInt32(off + 32, info.utime, true);
        view.setInt32(off + 40, info.stime, true);
        return;
      default:
    }
  }
  if (isOfPoll(info.signo, info.code)) {
    view.setInt32(off + 16, info.band, true);
    view.setInt32(off + 24, info.fd, true);
    return;
  }
  view.setInt32(off + 16, info.pid, true);
  view.setUint32(off + 20, info.uid, true);
  view.setUint32(off + 24, info.valueLo, true);
  view.setUint32(off + 28, info.valueHi, true);
}
