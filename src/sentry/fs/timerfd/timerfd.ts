/** timerfd_create(2). */
import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { TFD_NONBLOCK, TFD_TIMER_ABSTIME } from "../../../abi/eventfd.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { EV_IN, EV_RDNORM, WaitQueue } from "../../../base/waiter.ts";
import { TimeValue } from "../../time/clock.ts";
import type { Clock } from "../../time/clock.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { sharedAnonPath } from "../../vfs/anon.ts";
import { FMODE_READ, FMODE_WRITE, FileDescription } from "../../vfs/file.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

/** One kernel timer. */
export interface TimerHandle {
  /** (Re-)arms it for an absolute monotonic time. */
  arm(deadlineNs: number): void;
  cancel(): void;
}

/** Who hears of it. */
export interface TimerSink {
  onExpire(nowNs: number): void;
}

/** The kernel's timers. */
export interface TimerFactory {
  newTimer(sink: TimerSink): TimerHandle;
}

const word: Uint8Array = new Uint8Array(8);
const wordView: DataView = new DataView(word.buffer);
const now: TimeValue = new TimeValue();

/**
 * A timer read through a file. After an expiration it is re-armed only when somebody reads (the missed periods are
 * counted then): a fast timer that nobody reads costs nothing.
 */
export class TimerFile extends FileDescription implements TimerSink {
  private readonly clock: Clock;
  private readonly realtime: boolean;
  private readonly timer: TimerHandle;
  private readonly queue: WaitQueue = new WaitQueue();
  /** As given to timerfd_create: shown. */
  clockId = 1;
  private setFlags = 0;
  /** Next expiration, monotonic; 0 when disarmed. */
  private deadlineNs = 0;
  private intervalNs = 0;
  /** The deadline passed and was not read yet. */
  private expired = false;
  /** Result of {@link getTime}. */
  remainingNs = 0;
  periodNs = 0;

  constructor(clock: Clock, timers: TimerFactory, realtime: boolean) {
    super();
    this.clock = clock;
    this.realtime = realtime;
    this.timer = timers.newTimer(this);
  }

  /**
   * timerfd_settime(2). Value as seconds and nanoseconds (both 0 disarms), relative or, with TFD_TIMER_ABSTIME, on its
   * clock. Fill `remainingNs`/`periodNs` by getTime before, for the old value.
   */
  setTime(flags: number, sec: number, nsec: number, intervalNs: number): void {
    this.timer.cancel();
    this.setFlags = flags;
    this.expired = false;
    this.intervalNs = intervalNs;
    if (sec === 0 && nsec === 0) {
      this.deadlineNs = 0;
      return;
    }
    const mono = this.clock.monotonicNs();
    let deadline: number;
    if ((flags & TFD_TIMER_ABSTIME) === 0) {
      deadline = mono + sec * 1e9 + nsec;
    } else if (this.realtime) {
      this.clock.realtime(now);
      deadline = mono + (sec - now.sec) * 1e9 + (nsec - now.nsec);
    } else {
      deadline = sec * 1e9 + nsec;
    }
    // 0 means disarmed: a deadline in the distant past is as good as one just past.
    this.deadlineNs = deadline < 1 ? 1 : deadline;
    this.timer.arm(this.deadlineNs);
  }

  /** timerfd_gettime(2): fills remainingNs (0: disarmed) and periodNs. */
  getTime(): void {
    this.periodNs = this.intervalNs;
    this.remainingNs = 0;
    if (this.deadlineNs === 0) return;
    const mono = this.clock.monotonicNs();
    let next = this.deadlineNs;
    if (next <= mono) {
      if (this.intervalNs === 0) return;
      next += (Math.floor((mono - next) / this.intervalNs) + 1) * this.intervalNs;
    }
    this.remainingNs = next - mono;
  }

  onExpire(_nowNs: number): void {
    this.expired = true;
    this.queue.notify(EV_IN | EV_RDNORM);
  }

  /** Expirations that a read would report. */
  ticks(): number {
    if (!this.expired || this.deadlineNs === 0) return 0;
    if (this.intervalNs === 0) return 1;
    return Math.max(0, Math.floor((this.clock.monotonicNs() - this.deadlineNs) / this.intervalNs)) + 1;
  }

  override get takesNoWait(): boolean {
    return true;
  }

  override get hasRecords(): boolean {
    return true;
  }

  override read(seq: IoSequence): number {
    if (seq.room < 8) return -EINVAL;
    const n = this.ticks();
    if (n === 0) return -EAGAIN;
    this.expired = false;
    if (this.intervalNs === 0) {
      this.deadlineNs = 0;
    } else {
      this.deadlineNs += n * this.intervalNs;
      this.timer.arm(this.deadlineNs);
    }
    wordView.setUint32(0, n >>> 0, true);
    wordView.setUint32(4, Math.floor(n / 0x100000000), true);
    return seq.writeRecord(word, 8);
  }

  override fdInfo(): string {
    this.getTime();
    const pair = (ns: number): string => `(${Math.floor(ns / 1e9)}, ${Math.floor(ns % 1e9)})`;
    return (
      `clockid: ${this.clockId}\nticks: ${this.ticks()}\nsettime flags: 0${this.setFlags.toString(8)}\n` +
      `it_value: ${pair(this.remainingNs)}\nit_interval: ${pair(this.periodNs)}\n`
    );
  }

  override readiness(): number {
    return this.expired ? EV_IN : 0;
  }

  override waitQueue(): WaitQueue {
    return this.queue;
  }

  protected override release(): void {
    this.timer.cancel();
  }
}

/** timerfd_create(2): `realtime` for CLOCK_REALTIME(_ALARM), else a monotonic clock. flags: TFD_NONBLOCK counts. */
export function createTimerfd(
  vfs: VirtualFileSystem,
  timers: TimerFactory,
  realtime: boolean,
  flags: number,
): TimerFile {
  const f = new TimerFile(vfs.clock, timers, realtime);
  vfs.anon.attach(
    f,
    sharedAnonPath(vfs, "anon_inode:[timerfd]"),
    O_RDWR | (flags & TFD_NONBLOCK),
    FMODE_READ | FMODE_WRITE,
  );
  return f;
}
