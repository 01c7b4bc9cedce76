/** The kernel's timers and pending signals as timerfd and signalfd want them. */
import { SI_KERNEL, SI_TIMER, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, isOfPoll } from "../../abi/signal.ts";
import type { SigInfo } from "../../abi/signal.ts";
import { WaitQueue } from "../../base/waiter.ts";
import type { SignalSource } from "../fs/signalfd/signalfd.ts";
import type { TimerFactory, TimerHandle, TimerSink } from "../fs/timerfd/timerfd.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { takeSignal } from "../kernel/task-signals.ts";
import { Timer } from "../kernel/timers.ts";
import type { TimerListener } from "../kernel/timers.ts";

/** sizeof(struct signalfd_siginfo) */
const RECORD_SIZE = 128;

/** One timerfd's timer. */
class FileTimer implements TimerHandle, TimerListener {
  private readonly kernel: Kernel;
  private readonly sink: TimerSink;
  private readonly timer: Timer;

  constructor(kernel: Kernel, sink: TimerSink) {
    this.kernel = kernel;
    this.sink = sink;
    this.timer = new Timer(this);
  }

  arm(deadlineNs: number): void {
    this.kernel.timers.arm(this.timer, deadlineNs);
  }

  cancel(): void {
    this.kernel.timers.cancel(this.timer);
  }

  onTimer(_timer: Timer, nowNs: number): void {
    this.sink.onExpire(nowNs);
  }
}

/** See the header. */
export class KernelTimers implements TimerFactory {
  private readonly kernel: Kernel;
  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
  newTimer(sink: TimerSink): TimerHandle {
    return new FileTimer(this.kernel, sink);
  }
}

/** Pending signals of the task whose attempt runs. */
export class KernelSignalSource implements SignalSource {
  private readonly kernel: Kernel;
  /** For calls outside of any attempt: never notified. */
  private readonly nobody: WaitQueue = new WaitQueue();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  isPending(lo: number, hi: number): boolean {
    const t = this.kernel.current;
    if (t === null) return false;
    const g = t.group;
    return ((t.pending.lo | g.pending.lo) & lo) !== 0 || ((t.pending.hi | g.pending.hi) & hi) !== 0;
  }

  take(lo: number, hi: number, out: DataView, off: number): boolean {
    const t = this.kernel.current;
    if (t === null) return false;
    const info = takeSignal(t, ~lo, ~hi);
    if (info === null) return false;
    writeSignalfdInfo(out, off, info);
    return true;
  }

  queue(): WaitQueue {
    const t = this.kernel.current;
    return t === null ? this.nobody : t.group.signalQueue;
  }
}

/** Writes `info` as a struct signalfd_siginfo, signalfd(2). */
export function writeSignalfdInfo(v: DataView, off: number, info: SigInfo): void {
  for (let i = 0; i < RECORD_SIZE; i += 4) v.setUint32(off + i, 0, true);
  v.setUint32(off, info.signo, true);
  v.setInt32(off + 4, info.errno, true);
  v.setInt32(off + 8, info.code, true);
  const raw = info.raw;
  if (raw !== null) {
    // rt_sigqueueinfo: pid, uid and value lie at the places of a user signal.
    const r = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    v.setInt32(off + 4, r.getInt32(4, true), true);
    v.setInt32(off + 8, r.getInt32(8, true), true);
    v.setUint32(off + 12, r.getUint32(16, true), true);
    v.setUint32(off + 16, r.getUint32(20, true), true);
    writeValue(v, off, r.getUint32(24, true), r.getUint32(28, true));
    return;
  }
  const code = info.code;
  if (code === SI_TIMER) {
    v.setInt32(off + 24, info.timerId, true);
    v.setInt32(off + 32, info.overrun, true);
    writeValue(v, off, info.valueLo, info.valueHi);
    return;
  }
  if (code > 0 && code !== SI_KERNEL) {
    switch (info.signo) {
      case SIGILL:
      case SIGFPE:
      case SIGSEGV:
      case SIGBUS:
      case SIGTRAP:
        v.setUint32(off + 72, info.addrLo, true);
        v.setUint32(off + 76, info.addrHi, true);
        return;
      case SIGCHLD:
        v.setUint32(off + 12, info.pid, true);
        v.setUint32(off + 16, info.uid, true);
        v.setInt32(off + 40, info.status, true);
        v.setUint32(off + 56, info.utime, true);
        v.setUint32(off + 64, info.stime, true);
        return;
      default:
    }
  }
  if (isOfPoll(info.signo, code)) {
    v.setUint32(off + 28, info.band, true);
    v.setInt32(off + 20, info.fd, true);
    return;
  }
  v.setUint32(off + 12, info.pid, true);
  v.setUint32(off + 16, info.uid, true);
  writeValue(v, off, info.valueLo, info.valueHi);
}

function writeValue(v: DataView, off: number, lo: number, hi: number): void {
  v.setUint32(off + 44, lo, true);
  v.setUint32(off + 48, lo, true);
  v.setUint32(off + 52, hi, true);
}
