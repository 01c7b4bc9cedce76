/**
 * The kernel's clocks. Monotonic and boot time are nanoseconds as i53 numbers and start near zero when the sandbox
 * starts, so that a guest does not learn the host's uptime. Nanoseconds since the epoch do not fit into 53 bits: read
 * the real-time clock with {@link Clock.realtime}, or with {@link Clock.realtimeNs} where 256 ns of rounding do not matter.
 */
import { WIDE } from "../../base/wide.ts";

export interface Clock {
  /** CLOCK_MONOTONIC: never goes back, agrees with what guests read through the vDSO. */
  monotonicNs(): number;
  /** The same for a reading of the host's monotonic clock that somebody took just now. */
  monotonicAt?(hostNs: number): number;
  /** CLOCK_REALTIME since the epoch, rounded to a multiple of 256 ns. */
  realtimeNs(): number;
  /** CLOCK_REALTIME, exact. */
  realtime(out: TimeValue): void;
  /**
   * CLOCK_REALTIME for the times of files: when the kernel last read a clock, which it does in each turn of its main loop, so after
   * the guest's call began. (Linux takes the time of its last tick.)
   */
  stamp(out: TimeValue): void;
  /** CLOCK_BOOTTIME. */
  boottimeNs(): number;
  /** CPU time of the thread that runs the kernel. Absent: not known. */
  threadCpuNs?(): number;
}

/** Seconds and nanoseconds (0 <= nsec < 1e9); reused by the caller. */
export class TimeValue {
  sec: number = WIDE;
  nsec: number = WIDE;
}

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  /** Monotonic time. */
  nowNs = 1_000_000_000;
  /** Seconds of real time at monotonic time 0. */
  epochSec = 1_700_000_000;

  monotonicNs(): number {
    return this.nowNs;
  }

  realtimeNs(): number {
    return this.epochSec * 1e9 + this.nowNs;
  }

  realtime(out: TimeValue): void {
    const sec = Math.floor(this.nowNs / 1e9);
    out.sec = this.epochSec + sec;
    out.nsec = this.nowNs - sec * 1e9;
  }

  stamp(out: TimeValue): void {
    this.realtime(out);
  }

  boottimeNs(): number {
    return this.nowNs;
  }
}
