/*
 * The signal handler of guest threads (systrap). It runs on the thread's alternate stack, which lies in memory shared
 * with the Sentry: the signal frame itself is how registers and FP state travel. Nothing here is trusted by anybody.
 */
#include "layout.h"

#include <linux/audit.h>

#define NR_write 1
#define NR_rt_sigaction 13
#define NR_sched_yield 24
#define NR_getpid 39
#define NR_exit 60
#define NR_getuid 102
#define NR_getgid 104
#define NR_geteuid 107
#define NR_getegid 108
#define NR_getppid 110
#define NR_gettid 186
#define NR_futex 202
#define SIGBUS 7
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGSYS 31

static inline long call4(long nr, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

static inline long call5(const struct batch_op *op) {
  register long r10 __asm__("r10") = (long)op->args[3];
  register long r8 __asm__("r8") = (long)op->args[4];
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(op->nr), "D"(op->args[0]), "S"(op->args[1]), "d"(op->args[2]), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
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

static inline uint32_t *bell_of(uint32_t number) { return (uint32_t *)STUB_BELLS + number % AREA_COUNT; }

/* The FP state of this thread, which is in the processor, to where the Sentry can see it. */
static inline void save_fp(struct area *area, const struct global *global) {
  uint64_t features = global->fp_features;
  __asm__ volatile("xsave64 (%0)"
                   :
                   : "r"((uint8_t *)area + AREA_XSAVE), "a"((uint32_t)features), "d"((uint32_t)(features >> 32))
                   : "memory");
  __atomic_store_n(&area->fp_valid, 1, __ATOMIC_RELEASE);
}

/* Loads what the Sentry wants it to be. */
static inline void restore_fp(const struct area *area, const struct global *global) {
  uint64_t features = global->fp_features;
  const uint8_t *from = area->fp_restore == FP_INITIAL ? global->xinit : (const uint8_t *)area + AREA_XLOAD;
  __asm__ volatile("xrstor64 (%0)"
                   :
                   : "r"(from), "a"((uint32_t)features), "d"((uint32_t)(features >> 32))
                   : "memory");
}

/* Wakes whom the Sentry has left to this thread. */
static inline void ring(struct area *area) {
  uint32_t other = area->nr;
  if (other == 0) return;
  area->nr = 0;
  call4(NR_futex, (long)bell_of(other), 1 /* FUTEX_WAKE */, 0x7fffffff, 0);
}

/*
 * Waits until the Sentry changed the state; the caller has set it to STATE_STOPPED. While the Sentry is awake its answer is
 * near and spinning pays; it writes STATE_ASLEEP itself when the call blocks. Where it needs our CPU to go on (having been woken
 * up, or waiting for its turn here) we leave it that. `call`: the FP state is in the processor; it is saved before we sleep, so
 * that nobody has to wake us for it.
 */
static inline uint32_t park(struct area *area, const struct global *global, int yield, int call) {
  uint64_t start = rdtsc();
  uint32_t state;
  while (!yield) {
    state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);
    if (state == STATE_ASLEEP) {
      ring(area);
      break;
    }
    if (state == STATE_SAVE && call) {
      save_fp(area, global);
      __atomic_compare_exchange_n(&area->state, &state, STATE_STOPPED, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      continue;
    }
    if (state != STATE_STOPPED) return state;
    if (rdtsc() - start > __atomic_load_n(&global->spin, __ATOMIC_RELAXED)) break;
    __asm__ volatile("pause");
  }
  if (call && !area->fp_valid) save_fp(area, global);
  uint32_t *bell = bell_of((uint32_t)(((uintptr_t)area - STUB_AREAS) / AREA_SIZE));
  do {
    /* It changes after the state does. */
    uint32_t heard = __atomic_load_n(bell, __ATOMIC_ACQUIRE);
    uint32_t expected = STATE_STOPPED;
    if (!__atomic_compare_exchange_n(&area->state, &expected, STATE_ASLEEP, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
        expected == STATE_SAVE)
      __atomic_compare_exchange_n(&area->state, &expected, STATE_ASLEEP, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);
    if (state == STATE_ASLEEP) call4(NR_futex, (long)bell, 0 /* FUTEX_WAIT */, heard, 0);
  } while (state == STATE_ASLEEP || state == STATE_SAVE || state == STATE_STOPPED);
  return state;
}

/* Writes only what is new: layout.h, struct area. */
#define CHANGE(place, value)                                                                                           \
  do {                                                                                                                 \
    __typeof__(place) value_ = (value);                                                                                \
    if ((place) != value_) (place) = value_;                                                                           \
  } while (0)

/* Executes the batch that came with the Sentry's answer. 0: it failed, and the Sentry must see to it. */
static inline int execute(struct area *area) {
  uint32_t seq = area->batch_seq;
  uint32_t error = 0;
  for (uint32_t i = 0; i < area->batch_count && i < BATCH_MAX && error == 0; i++) {
    long result = call5(&area->batch[i]);
    if ((unsigned long)result > -4096UL) error = (uint32_t)-result;
  }
  area->batch_error = error;
  __atomic_store_n(&area->batch_done, seq, __ATOMIC_RELEASE);
  return error == 0;
}

/* Tells the Sentry that this thread stopped, and waits for the answer. */
static inline void stop(struct area *area, const struct global *global, int call) {
  uint64_t fs = rdfsbase();
  uint64_t gs = rdgsbase();
  CHANGE(area->fs_base, fs);
  CHANGE(area->gs_base, gs);
  CHANGE(area->entry, call ? ENTRY_CALL : ENTRY_SIGNAL);
  if (call) {
    const uint64_t *regs = (const uint64_t *)((const uint8_t *)area + AREA_REGS);
    area->nr = (uint32_t)regs[REGS_RAX];
    area->args[0] = regs[REGS_RDI];
    area->args[1] = regs[REGS_RSI];
    area->args[2] = regs[REGS_RDX];
    area->args[3] = regs[REGS_R10];
    area->args[4] = regs[REGS_R8];
    area->args[5] = regs[REGS_R9];
  }
  for (;;) {
    CHANGE(area->cpu, cpu_number());
    /*
     * A full barrier: the Sentry sets `sleeping` and then looks at the states, we do it the other way round. A plain store and an
     * atomic operation on our own stack: the cache line is the Sentry's already when that has to wait.
     */
    __atomic_store_n(&area->state, STATE_STOPPED, __ATOMIC_RELEASE);
    __asm__ volatile("lock; orl $0, (%%rsp)" : : : "memory", "cc");
    int woken = __atomic_load_n(&global->sleeping, __ATOMIC_SEQ_CST) != 0;
    if (woken) call4(NR_write, STUB_FD_WAKE, (long)&one, 8, 0);
    if (park(area, global, woken || area->cpu == __atomic_load_n(&global->cpu, __ATOMIC_RELAXED), call) == STATE_EXIT)
      call4(NR_exit, 0, 0, 0, 0);
    ring(area);
    if (area->batch_seq == area->batch_done || execute(area)) break;
    /* As if interrupted, behind the call. */
    area->signo = SIGUSR1;
    if (call) ((uint64_t *)((uint8_t *)area + AREA_REGS))[REGS_RAX] = area->result;
  }
  if (area->fs_base != fs) __asm__ volatile("wrfsbase %0" : : "r"(area->fs_base));
  if (area->gs_base != gs) __asm__ volatile("wrgsbase %0" : : "r"(area->gs_base));
}

/* Answers a system call that needs nobody else: its number in *rax becomes its result. 0: the Sentry must. */
static inline int answer(const struct area *area, uint64_t *rax) {
  const struct facts *facts = &area->facts;
  if (facts->valid == 0) return 0;
  switch ((uint32_t)*rax) {
  case NR_sched_yield:
    call4(NR_sched_yield, 0, 0, 0, 0);
    *rax = 0;
    return 1;
  case NR_getpid:
    *rax = facts->pid;
    return 1;
  case NR_gettid:
    *rax = facts->tid;
    return 1;
  case NR_getppid:
    *rax = facts->ppid;
    return 1;
  case NR_getuid:
    *rax = facts->uid;
    return 1;
  case NR_geteuid:
    *rax = facts->euid;
    return 1;
  case NR_getgid:
    *rax = facts->gid;
    return 1;
  case NR_getegid:
    *rax = facts->egid;
    return 1;
  default:
    return 0;
  }
}

/* entry.S */
extern const uint8_t call_exit[], call_exit_end[], call_again[], put_failed[];
__attribute__((visibility("hidden"))) int put_zeros(uint64_t address);

/*
 * Answers a question for a signal's action: of those that are the default everything is 0. Only on the way through a patched site,
 * since a fault in the signal handler would be the end. 0: the Sentry must.
 */
static inline int answer_action(const struct area *area, uint64_t *regs) {
  const struct facts *facts = &area->facts;
  uint32_t bit = (uint32_t)regs[REGS_RDI] - 1;
  uint64_t to = regs[REGS_RDX];
  if ((uint32_t)regs[REGS_RAX] != NR_rt_sigaction || facts->valid == 0 || bit > 63) return 0;
  if ((facts->defaults[bit >> 5] >> (bit & 31) & 1) == 0) return 0;
  if (regs[REGS_RSI] != 0 || regs[REGS_R10] != 8 || to < GUEST_MIN || to >= GUEST_MAX || !put_zeros(to)) return 0;
  regs[REGS_RAX] = 0;
  return 1;
}

uint32_t stub_call(struct area *area, uint32_t again);

/*
 * A system call through a patched site (entry.S), or (`again`) its continuation that an interrupt stopped. Whether to load all
 * registers instead of going on behind the call.
 */
uint32_t stub_call(struct area *area, uint32_t again) {
  const struct global *global = (const struct global *)STUB_AREAS;
  uint64_t *regs = (uint64_t *)((uint8_t *)area + AREA_REGS);
  if (again == 0 && (answer(area, &regs[REGS_RAX]) || answer_action(area, regs))) return 0;
  CHANGE(area->signo, again == 0 ? SIGSYS : SIGUSR1);
  CHANGE(area->fp_valid, 0);
  CHANGE(area->fp_restore, FP_OWN);
  CHANGE(area->full, 0);
  CHANGE(area->pending, 0);
  stop(area, global, 1);
  regs[REGS_RAX] = area->result;
  /* Being single-stepped, it would stop in here. */
  uint32_t stepped = (uint32_t)regs[REGS_EFLAGS] & 0x100;
  if (stepped) regs[REGS_SS] = 0x2b;
  if (area->fp_restore != FP_OWN) restore_fp(area, global);
  return area->full | stepped;
}

void stub_handler(int signo, const struct host_sigsys *info, struct host_ucontext *uc);

void stub_handler(int signo, const struct host_sigsys *info, struct host_ucontext *uc) {
  struct area *area = (struct area *)((uintptr_t)uc & ~(uintptr_t)(AREA_SIZE - 1));
  const struct global *global = (const struct global *)STUB_AREAS;
  uint64_t rip = uc->gregs[GREG_RIP];
  if (signo == SIGUSR1 && rip - STUB_HANDLER < STUB_HANDLER_SIZE) {
    /* In call_entry's code, which is about to stop, or about to leave: that can be taken back. */
    if (rip - (uintptr_t)call_exit < (uintptr_t)(call_exit_end - call_exit)) {
      uc->gregs[GREG_RBX] = (uintptr_t)area;
      uc->gregs[GREG_RIP] = (uintptr_t)call_again;
    } else {
      area->pending = 1;
    }
    return;
  }
  if ((signo == SIGSEGV || signo == SIGBUS) && rip - (uintptr_t)put_zeros < (uintptr_t)put_failed - (uintptr_t)put_zeros) {
    uc->gregs[GREG_RIP] = (uintptr_t)put_failed;
    return;
  }
  /* Now and then one goes to the Sentry, which may patch the site. */
  if (signo == SIGSYS && info->arch == AUDIT_ARCH_X86_64 && (++area->traps & 15) != 0 && answer(area, &uc->gregs[GREG_RAX])) return;
  CHANGE(area->signo, (uint32_t)signo);
  CHANGE(area->frame, (uintptr_t)uc);
  stop(area, global, 0);
}
