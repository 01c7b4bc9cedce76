/**
 * The kernel's clock in production: follows the host's monotonic clock, and keeps the vDSO's parameters in step with it.
 *
 * Guests compute the time from the time-stamp counter (ClockParams), the Sentry from the host's clock; `calibrate` ties
 * the two together. It compares a simultaneous sample of both with what guests see, and lets them approach the host's
 * time within a bounded interval (the parameters have two legs: until `tscEnd` at the corrected rate, then at the true
 * one), so that a Sentry that sleeps for long does no harm. The Sentry's own reads follow the same two legs. Until the
 * counter's rate is known (some milliseconds), guests make system calls.
 */
import type { Clock, TimeValue } from "./clock.ts";
import { ClockParams, type PageLocation } from "./params.ts";
import { WIDE } from "../../base/wide.ts";

/** What the host must offer; a part of the Host interface. */
export interface ClockSource {
  /** Nanoseconds of a host clock. */
  clockNs(clock: number): number;
  /** [tsc lo, hi, monotonic ns lo, hi, realtime ns lo, hi], taken together. */
  tscSample(out: Uint32Array): number;
}

const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;
const TWO32 = 4294967296;
/** Guest time when the clock is made. */
const START_NS = 1e9;
/** First calibration; then intervals grow threefold up to the last. */
const FIRST_NS = 10e6;
const LAST_NS = 4e9;
/** Guests that are behind by more are put right at once (going forward is allowed); less is slewed. */
const STEP_NS = 1000;
/** Slewing takes at least this long, and changes the rate by at most 1/20. */
const SLEW_NS = 100e6;
const SLEW_PART = 20;
/** Real time is taken over from the host when it differs by more. */
const EPOCH_SLACK_NS = 2000;
/** The rate is measured over at most about twice this. */
const BASELINE_NS = 300e9;

/** See the head of the file. */
export class HostClock implements Clock {
  readonly params: ClockParams = new ClockParams();
  private readonly source: ClockSource;
  private readonly tscUsable: boolean;
  private page: PageLocation | null = null;
  private readonly sample: Uint32Array = new Uint32Array(6);
  /** Host minus guest time, after slewing. */
  private offset: number = WIDE;
  /** First leg of the Sentry's own reads: host time, guest time there, guest ns per host ns, its end. */
  private legHost: number = WIDE;
  private legGuest: number = WIDE;
  private legRate = 1;
  private legEnd: number = WIDE;
  private lastNs: number = WIDE;
  /** Start of the baseline over which the rate is measured, and of the next one. */
  private anchorTsc: number = WIDE;
  private anchorHost: number = WIDE;
  private nextTsc: number = WIDE;
  private nextHost: number = WIDE;
  private interval: number = WIDE;
  /** Host time from which on the next read calibrates. */
  private due: number = WIDE;
  /** The second of the last stamp, counted from epochSec: most others are in it too, and need no division. */
  private second: number = WIDE;

  /** `tscUsable`: the counter runs at a constant rate, in step on all CPUs (the host's own clock uses it). */
  constructor(source: ClockSource, tscUsable: boolean) {
    this.source = source;
    this.tscUsable = tscUsable;
    source.tscSample(this.sample);
    const host = this.sampleHost();
    this.interval = FIRST_NS;
    this.offset = host - START_NS;
    this.anchorTsc = this.nextTsc = this.sampleTsc();
    this.anchorHost = this.nextHost = host;
    this.lastNs = START_NS;
    this.due = host + FIRST_NS;
    this.takeEpoch(START_NS);
  }

  /** Gives the clock the page that guests read, and the number of CPUs that they know of. */
  attach(page: PageLocation, cpus: number): void {
    this.page = page;
    this.params.cpus = cpus;
    this.params.publish(page);
  }

  monotonicNs(): number {
    return this.monotonicAt(this.source.clockNs(CLOCK_MONOTONIC));
  }

  monotonicAt(host: number): number {
    if (host >= this.due) this.calibrate();
    const now = this.guestAt(host);
    if (now > this.lastNs) this.lastNs = now;
    return this.lastNs;
  }

  realtimeNs(): number {
    return this.params.epochSec * 1e9 + this.params.epochNsec + this.monotonicNs();
  }

  realtime(out: TimeValue): void {
    this.monotonicNs();
    this.stamp(out);
  }

  stamp(out: TimeValue): void {
    const ns = this.lastNs + this.params.epochNsec;
    let within = ns - this.second * 1e9;
    if (within < 0 || within >= 1e9) {
      this.second = Math.floor(ns / 1e9);
      within = ns - this.second * 1e9;
    }
    out.sec = this.params.epochSec + this.second;
    out.nsec = within;
  }

  boottimeNs(): number {
    return this.monotonicNs() + this.params.bootOffset;
  }

  threadCpuNs(): number {
    return this.source.clockNs(CLOCK_THREAD_CPUTIME_ID);
  }

  /**
   * Monotonic time at which the clock would like to be read next, so that the vDSO stays exact while guests compute and
   * the Sentry sleeps. Only the first second matters; later the rate is known well enough to sleep for ever.
   */
  nextCalibrationNs(): number {
    return this.tscUsable && this.interval < LAST_NS ? this.due - this.offset : Infinity;
  }

  /** Compares with the host and corrects the parameters. Reads call it when it is due. */
  calibrate(): void {
    this.source.tscSample(this.sample);
    const tsc = this.sampleTsc();
    const host = this.sampleHost();
    const target = host - this.offset;
    this.due = host + this.interval;
    this.interval = Math.min(this.interval * 3, LAST_NS);
    const p = this.params;
    if (!this.tscUsable || tsc <= this.anchorTsc || host <= this.anchorHost) {
      this.takeEpoch(target);
      if (this.page !== null) p.publish(this.page);
      return;
    }
    const perTick = (host - this.anchorHost) / (tsc - this.anchorTsc);
    if (host - this.anchorHost > 2 * BASELINE_NS) {
      this.anchorTsc = this.nextTsc;
      this.anchorHost = this.nextHost;
    }
    if (host - this.nextHost > BASELINE_NS) {
      this.nextTsc = tsc;
      this.nextHost = host;
    }
    const seen = p.mode === 1 ? p.monoAt(tsc) : target;
    const error = target - seen;
    p.mode = 1;
    p.tscBase = tsc;
    p.mult = Math.round(perTick * TWO32);
    if (error > STEP_NS || error === 0) {
      this.setLeg(host, target, 1, host);
      p.monoBase = p.monoEnd = target;
      p.tscEnd = tsc;
      p.slewMult = p.mult;
    } else {
      const span = Math.max(SLEW_NS, Math.abs(error) * SLEW_PART);
      const ticks = Math.round(span / perTick);
      p.monoBase = seen;
      p.tscEnd = tsc + ticks;
      p.monoEnd = Math.round(target + span);
      p.slewMult = Math.floor(((p.monoEnd - seen) / ticks) * TWO32);
      this.setLeg(host, seen, (p.monoEnd - seen) / span, host + span);
    }
    this.takeEpoch(target);
    if (this.page !== null) p.publish(this.page);
  }

  private setLeg(host: number, guest: number, rate: number, end: number): void {
    this.legHost = host;
    this.legGuest = guest;
    this.legRate = rate;
    this.legEnd = end;
  }

  /** Guest monotonic time at a host time. */
  private guestAt(host: number): number {
    if (host >= this.legEnd) return host - this.offset;
    return this.legGuest + Math.floor(Math.max(0, host - this.legHost) * this.legRate);
  }

  private sampleTsc(): number {
    return this.sample[1]! * TWO32 + this.sample[0]!;
  }

  private sampleHost(): number {
    return this.sample[3]! * TWO32 + this.sample[2]!;
  }

  /** Sets real time at guest time `mono` from the sample, unless it is right already. */
  private takeEpoch(mono: number): void {
    // Nanoseconds since 1970 need 61 bits; this is rare enough for BigInt.
    const real = (BigInt(this.sample[5]!) << 32n) | BigInt(this.sample[4]!);
    const epoch = real - BigInt(Math.round(mono));
    const p = this.params;
    const old = BigInt(p.epochSec) * 1000000000n + BigInt(p.epochNsec);
    const diff = Number(epoch - old);
    if (Math.abs(diff) <= EPOCH_SLACK_NS) return;
    p.epochSec = Number(epoch / 1000000000n);
    p.epochNsec = Number(epoch % 1000000000n);
  }
}
