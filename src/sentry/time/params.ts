/** The vDSO's parameter page: the Sentry's side of native/vdso/params.h. */
import { WIDE } from "../../base/wide.ts";

/** Byte offsets in the page. */
export const P_SEQ = 0; // u32
export const P_MODE = 4; // u32
export const P_TSC_BASE = 8;
export const P_MONO_BASE = 16;
export const P_SLEW_MULT = 24;
export const P_TSC_END = 32;
export const P_MONO_END = 40;
export const P_MULT = 48;
export const P_EPOCH_SEC = 56;
export const P_EPOCH_NSEC = 64;
export const P_BOOT_OFFSET = 72;
export const P_CPUS = 80; // u32

const TWO32 = 4294967296;

/** Where a page is: all of the memory that it lies in, as two views, and its offset. */
export interface PageLocation {
  readonly words: Int32Array;
  readonly view: DataView;
  readonly offset: number;
}

/** What the page says; the same fields, as numbers. */
export class ClockParams {
  /** 0: make system calls, 1: use the time-stamp counter. */
  mode = 0;
  tscBase: number = WIDE;
  monoBase: number = WIDE;
  /** Nanoseconds per tick, times 2^32. */
  slewMult: number = WIDE;
  tscEnd: number = WIDE;
  monoEnd: number = WIDE;
  mult: number = WIDE;
  epochSec: number = WIDE;
  epochNsec: number = WIDE;
  bootOffset: number = WIDE;
  cpus = 0;

  /** Monotonic time at a counter value, as the vDSO computes it (to a nanosecond). */
  monoAt(tsc: number): number {
    if (tsc >= this.tscEnd) return this.monoEnd + Math.floor(((tsc - this.tscEnd) * this.mult) / TWO32);
    const ticks = tsc - this.tscBase;
    return this.monoBase + (ticks > 0 ? Math.floor((ticks * this.slewMult) / TWO32) : 0);
  }

  /** Writes the page so that a guest that reads it meanwhile notices. */
  publish(page: PageLocation): void {
    const { words, view, offset } = page;
    const seq = Atomics.add(words, (offset + P_SEQ) / 4, 1);
    view.setUint32(offset + P_MODE, this.mode, true);
    putU64(view, offset + P_TSC_BASE, this.tscBase);
    putU64(view, offset + P_MONO_BASE, this.monoBase);
    putU64(view, offset + P_SLEW_MULT, this.slewMult);
    putU64(view, offset + P_TSC_END, this.tscEnd);
    putU64(view, offset + P_MONO_END, this.monoEnd);
    putU64(view, offset + P_MULT, this.mult);
    putU64(view, offset + P_EPOCH_SEC, this.epochSec);
    putU64(view, offset + P_EPOCH_NSEC, this.epochNsec);
    putU64(view, offset + P_BOOT_OFFSET, this.bootOffset);
    view.setUint32(offset + P_CPUS, this.cpus, true);
    Atomics.store(words, (offset + P_SEQ) / 4, seq + 2);
  }
}

function putU64(view: DataView, at: number, v: number): void {
  view.setUint32(at, v % TWO32, true);
  view.setUint32(at + 4, Math.floor(v / TWO32), true);
}
