/** Clocks, timers and their structures: clock_gettime(2), timer_create(2), setitimer(2). Times are ns in i53 numbers. */
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

/** clock_nanosleep, timer_settime, timerfd_settime */
export const TIMER_ABSTIME = 1;

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

/** Ticks per second of times(2), clock_t and /proc (sysconf(_SC_CLK_TCK)). */
export const USER_HZ = 100;

export const NS_PER_SEC = 1e9;
export const NS_PER_USEC = 1000;

/** Longest time the kernel counts, ns: about 104 days beyond which i53 loses no more than it must. */
export const TIME_MAX_NS = 9e15;

const TWO32 = 4294967296;

/** Writes ns as a struct timespec (16 bytes). Negative values are written normalised. */
export function writeTimespec(view: DataView, off: number, ns: number): void {
  const sec = Math.floor(ns / 1e9);
  writeI64(view, off, sec);
  view.setUint32(off + 8, ns - sec * 1e9, true);
  view.setUint32(off + 12, 0, true);
}

/** Writes ns as a struct timeval (16 bytes). */
export function writeTimeval(view: DataView, off: number, ns: number): void {
  const sec = Math.floor(ns / 1e9);
  writeI64(view, off, sec);
  view.setUint32(off + 8, Math.floor((ns - sec * 1e9) / 1000), true);
  view.setUint32(off + 12, 0, true);
}

/** ns of a struct timespec; -1 when malformed (negative seconds, nanoseconds out of range). Saturates at TIME_MAX_NS. */
export function readTimespec(view: DataView, off: number): number {
  const sec = view.getInt32(off + 4, true) * TWO32 + view.getUint32(off, true);
  const nsec = view.getUint32(off + 12, true) * TWO32 + view.getUint32(off + 8, true);
  if (sec < 0 || nsec >= 1e9) return -1;
  const ns = sec * 1e9 + nsec;
  return ns > TIME_MAX_NS && sec > 4e9 ? 4e18 : ns;
}

/** ns of a struct timeval; -1 when malformed. */
export function readTimeval(view: DataView, off: number): number {
  const sec = view.getInt32(off + 4, true) * TWO32 + view.getUint32(off, true);
  const usec = view.getUint32(off + 12, true) * TWO32 + view.getUint32(off + 8, true);
  if (sec < 0 || usec >= 1e6) return -1;
  return sec > 4e9 ? 4e18 : sec * 1e9 + usec * 1000;
}

/** A 64-bit two's complement value from an i53 number. */
export function writeI64(view: DataView, off: number, value: number): void {
  view.setUint32(off, value, true);
  view.setInt32(off + 4, Math.floor(value / TWO32), true);
}

/** A signed 64-bit value as a number, exact within +-2^53. */
export function readI64(view: DataView, off: number): number {
  return view.getInt32(off + 4, true) * TWO32 + view.getUint32(off, true);
}

/** An unsigned 64-bit value as a number. */
export function readU64(view: DataView, off: number): number {
  return view.getUint32(off + 4, true) * TWO32 + view.getUint32(off, true);
}
