/*
 * The parameter page: lies right below the image (one page), is written by the Sentry alone and mapped read-only into
 * every guest. src/sentry/time/params.ts has the same offsets.
 */
#ifndef TSVISOR_VDSO_PARAMS_H
#define TSVISOR_VDSO_PARAMS_H

#include <stdint.h>

struct params {
  /* Even: stable. The Sentry makes it odd, writes, makes it even again. */
  uint32_t seq;
  /* 0: the time-stamp counter is not usable (yet), make the system call. 1: as below. */
  uint32_t mode;
  /*
   * Monotonic time in ns: from tsc_base on mono_base + (tsc - tsc_base) * slew_mult / 2^32; from tsc_end on
   * mono_end + (tsc - tsc_end) * mult / 2^32.
   */
  uint64_t tsc_base;
  uint64_t mono_base;
  uint64_t slew_mult;
  uint64_t tsc_end;
  uint64_t mono_end;
  uint64_t mult;
  /* Real time = epoch_sec s + epoch_nsec ns (below 1e9) + monotonic time. */
  uint64_t epoch_sec;
  uint64_t epoch_nsec;
  /* Boot time = monotonic time + this, ns. */
  uint64_t boot_offset;
  /* CPUs that the guest knows of; 0: getcpu makes the system call. */
  uint32_t cpus;
};

#endif
