/*
 * The vDSO: clock reads and getcpu without a system call. Everything it knows comes from the parameter page; whatever
 * it cannot answer from there becomes the system call. Freestanding, no relocations, no writable data.
 */
#include "params.h"

#include <stddef.h>

#define NSEC 1000000000ul
/* A tick of the coarse clocks: 250 Hz, as clock_getres says. A second is a whole number of them. */
#define COARSE_NSEC 4000000ul

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define CLOCK_TAI 11

#define SYS_gettimeofday 96
#define SYS_time 201
#define SYS_clock_gettime 228
#define SYS_clock_getres 229
#define SYS_getcpu 309

#define EXPORT __attribute__((visibility("default")))

/* Members are volatile: the first one is written first, so that a bad pointer faults where Linux's vDSO does. */
struct timespec {
  volatile int64_t sec;
  volatile int64_t nsec;
};

struct timeval {
  volatile int64_t sec;
  volatile int64_t usec;
};

struct timezone {
  volatile int32_t minuteswest;
  volatile int32_t dsttime;
};

/* Placed by the linker script: one page below the image. */
extern const volatile struct params params_page __attribute__((visibility("hidden")));

static inline int64_t syscall3(int64_t nr, int64_t a, int64_t b, int64_t c) {
  int64_t result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

/* Not before what stands ahead of it in the program. */
static inline uint64_t read_tsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
  return (uint64_t)hi << 32 | lo;
}

static inline uint64_t scale(uint64_t ticks, uint64_t mult) {
  return (uint64_t)(((unsigned __int128)ticks * mult) >> 32);
}

/*
 * Monotonic time at one moment, in ns. With `added`, a parameter: that much more; with `sec`: and what goes with it.
 * 0: the page cannot say. Inlined, so that each caller reads what it wants and no more.
 */
__attribute__((always_inline)) static inline int read_now(uint64_t *ns, const volatile uint64_t *added, uint64_t *sec) {
  const volatile struct params *p = &params_page;
  for (;;) {
    uint32_t seq = p->seq;
    if (__builtin_expect(seq & 1, 0)) {
      __asm__ volatile("pause");
      continue;
    }
    /* Loads are not reordered with loads on this architecture; volatile keeps the compiler in line. */
    if (__builtin_expect(p->mode != 1, 0)) return 0;
    uint64_t offset = added == NULL ? 0 : *added;
    if (sec != NULL) *sec = p->epoch_sec;
    uint64_t tsc_end = p->tsc_end;
    uint64_t tsc = read_tsc();
    if (__builtin_expect(tsc >= tsc_end, 1)) {
      offset += p->mono_end + scale(tsc - tsc_end, p->mult);
    } else {
      uint64_t base = p->tsc_base;
      offset += p->mono_base + (tsc > base ? scale(tsc - base, p->slew_mult) : 0);
    }
    *ns = offset;
    if (__builtin_expect(p->seq == seq, 1)) return 1;
  }
}

static inline void give(struct timespec *ts, uint64_t sec, uint64_t ns) {
  uint64_t whole = ns / NSEC;
  ts->sec = (int64_t)(sec + whole);
  ts->nsec = (int64_t)(ns - whole * NSEC);
}

EXPORT int __vdso_clock_gettime(int clock, struct timespec *ts) {
  uint64_t ns, sec = 0;
  switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
      if (!read_now(&ns, NULL, NULL)) break;
      give(ts, 0, ns);
      return 0;
    case CLOCK_REALTIME:
      if (!read_now(&ns, &params_page.epoch_nsec, &sec)) break;
      give(ts, sec, ns);
      return 0;
    case CLOCK_BOOTTIME:
      if (!read_now(&ns, &params_page.boot_offset, NULL)) break;
      give(ts, 0, ns);
      return 0;
    case CLOCK_MONOTONIC_COARSE:
      if (!read_now(&ns, NULL, NULL)) break;
      give(ts, 0, ns - ns % COARSE_NSEC);
      return 0;
    case CLOCK_REALTIME_COARSE:
      if (!read_now(&ns, &params_page.epoch_nsec, &sec)) break;
      give(ts, sec, ns - ns % COARSE_NSEC);
      return 0;
    default:
      break;
  }
  return (int)syscall3(SYS_clock_gettime, clock, (int64_t)ts, 0);
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz) {
  uint64_t ns, sec;
  if (!read_now(&ns, &params_page.epoch_nsec, &sec)) return (int)syscall3(SYS_gettimeofday, (int64_t)tv, (int64_t)tz, 0);
  if (tv != NULL) {
    tv->sec = (int64_t)(sec + ns / NSEC);
    tv->usec = (int64_t)(ns % NSEC / 1000);
  }
  if (tz != NULL) {
    tz->minuteswest = 0;
    tz->dsttime = 0;
  }
  return 0;
}

EXPORT int64_t __vdso_time(int64_t *t) {
  uint64_t ns, sec;
  if (!read_now(&ns, &params_page.epoch_nsec, &sec)) return syscall3(SYS_time, (int64_t)t, 0, 0);
  int64_t now = (int64_t)(sec + ns / NSEC);
  if (t != NULL) *t = now;
  return now;
}

EXPORT int __vdso_clock_getres(int clock, struct timespec *res) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
      if (res != NULL) {
        res->sec = 0;
        res->nsec = 1;
      }
      return 0;
    default:
      return (int)syscall3(SYS_clock_getres, clock, (int64_t)res, 0);
  }
}

/* The segment whose limit holds node << 12 | cpu: the host keeps it for its own vDSO in every process. */
#define CPU_NODE_SELECTOR 0x7b

EXPORT long __vdso_getcpu(uint32_t *cpu, uint32_t *node, void *unused) {
  uint32_t cpus = params_page.cpus;
  uint32_t limit;
  if (cpus == 0) return syscall3(SYS_getcpu, (int64_t)cpu, (int64_t)node, (int64_t)unused);
  __asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(CPU_NODE_SELECTOR) : "cc");
  if (cpu != NULL) *cpu = (limit & 0xfff) % cpus;
  if (node != NULL) *node = 0;
  return 0;
}

/* The names without prefix, as Linux's vDSO has them. */
int clock_gettime(int, struct timespec *) __attribute__((weak, alias("__vdso_clock_gettime"), visibility("default")));
int gettimeofday(struct timeval *, struct timezone *)
    __attribute__((weak, alias("__vdso_gettimeofday"), visibility("default")));
int64_t time(int64_t *) __attribute__((weak, alias("__vdso_time"), visibility("default")));
int clock_getres(int, struct timespec *) __attribute__((weak, alias("__vdso_clock_getres"), visibility("default")));
long getcpu(uint32_t *, uint32_t *, void *) __attribute__((weak, alias("__vdso_getcpu"), visibility("default")));
