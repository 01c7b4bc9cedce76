/*
 * The signal handler of guest threads (systrap). It runs on the thread's alternate stack, which lies in memory shared
 * with the Sentry: the signal frame itself is how registers and FP state travel. Nothing here is trusted by anybody.
 */
#include "layout.h"

#define NR_write 1
#define NR_exit 60
#define NR_futex 202

static inline long call4(long nr, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

static inline uint64_t rdfsbase(void) {
  uint64_t value;
  __asm__ volatile("rdfsbase %0" : "=r"(value));
  return value;
}

static inline uint64_t rdgsbase(void) {
  uint64_t value;
  __asm__ volatile("rdgsbase %0" : "=r"(value));
  return value;
}

static inline uint64_t rdtsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return (uint64_t)hi << 32 | lo;
}

/* The CPU's number: Linux keeps it in the limit of a segment of its own, for getcpu in the vdso. */
static inline uint32_t cpu_number(void) {
  uint32_t limit;
  __asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x7b));
  return limit & 0xfff;
}

static const uint64_t one = 1;

/*
 * Waits until the Sentry changed the state; the caller has set it to STATE_STOPPED. While the Sentry is awake its answer is
 * near and spinning pays; it writes STATE_ASLEEP itself when the call blocks. Where it needs our CPU to go on (having been woken
 * up, or waiting for its turn here) we leave it that.
 */
static inline uint32_t park(struct area *area, const struct global *global, int yield) {
  uint64_t start = rdtsc();
  uint32_t state;
  while (!yield) {
    state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);
    if (state == STATE_ASLEEP) break;
    if (state != STATE_STOPPED) return state;
    if (rdtsc() - start > __atomic_load_n(&global->spin, __ATOMIC_RELAXED)) break;
    __asm__ volatile("pause");
  }
  uint32_t expected = STATE_STOPPED;
  __atomic_compare_exchange_n(&area->state, &expected, STATE_ASLEEP, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  while ((state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE)) == STATE_ASLEEP)
    call4(NR_futex, (long)&area->state, 0 /* FUTEX_WAIT */, STATE_ASLEEP, 0);
  return state;
}

void stub_handler(int signo, void *info, struct host_ucontext *uc);

void stub_handler(int signo, void *info, struct host_ucontext *uc) {
  struct area *area = (struct area *)((uintptr_t)uc & ~(uintptr_t)(AREA_SIZE - 1));
  const struct global *global = (const struct global *)STUB_AREAS;
  uint64_t fs = rdfsbase();
  uint64_t gs = rdgsbase();
  (void)info;
  area->signo = (uint32_t)signo;
  area->frame = (uintptr_t)uc;
  area->fs_base = fs;
  area->gs_base = gs;
  area->cpu = cpu_number();
  /* A full barrier: the Sentry sets `sleeping` and then looks at the states, we do it the other way round. */
  __atomic_exchange_n(&area->state, STATE_STOPPED, __ATOMIC_SEQ_CST);
  int woken = __atomic_load_n(&global->sleeping, __ATOMIC_SEQ_CST) != 0;
  if (woken) call4(NR_write, STUB_FD_WAKE, (long)&one, 8, 0);
  if (park(area, global, woken || area->cpu == __atomic_load_n(&global->cpu, __ATOMIC_RELAXED)) == STATE_EXIT) call4(NR_exit, 0, 0, 0, 0);
  if (area->fs_base != fs) __asm__ volatile("wrfsbase %0" : : "r"(area->fs_base));
  if (area->gs_base != gs) __asm__ volatile("wrgsbase %0" : : "r"(area->gs_base));
}
