/* Waiting: for contexts that stop and for host fds that become ready. */
#include "platform.h"
#include "rest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Marks the wake-up eventfd among the tokens. */
#define WAKE_DATA ((uint64_t)1 << 32)
/* And the timer of rest.h. */
#define REST_DATA ((uint64_t)2 << 32)

/* While guest threads keep us busy, host fds are looked at this often. */
#define POLL_EVERY_NS 100000

/* Guest threads under ptrace that run for so long without a stop get every CPU. */
#define SPREAD_AFTER_NS 2000000
/* The same for those that the placement has moved. */
#define LET_GO_AFTER_NS 500000

/* Spinning, in ns. Set by platformTune for measurements. */
static struct {
  uint64_t sentry_spin; /* how long we spin at most for the next stop */
  uint64_t guest_spin;  /* how long a stopped thread spins for its resumption */
} tune = {50000, 20000};

/* At most, when guest threads could use all CPUs; and what a budget of 0 grows to. */
#define BUSY_SPIN_NS 10000
#define SPIN_START_NS 5000
/*
 * How long we spin now. It grows when a stop came soon after we had given up, and shrinks when it came much later: a guest that
 * computes is not disturbed, and one that sleeps costs nothing.
 */
static uint64_t budget;

static uint64_t last_poll_ns;
/* Stops and ready fds so far. */
static uint64_t happened;
static uint64_t tsc_start, ns_start;
static bool calibrated;

/*
 * CLOCK_MONOTONIC by the time-stamp counter, which takes half as long as to ask for it; asked for every millisecond. The rate is
 * a bit low, so that no timer is early.
 */
static struct {
  uint64_t tsc, ns, valid; /* ticks; valid: for how many */
  uint64_t valid_ticks;    /* CLOCK_VALID_NS, once the rate is known */
  double ns_per_tick;
} clock_base;
#define CLOCK_VALID_NS 1000000
/* Two readings that are further apart did not happen together: somebody else had the CPU. */
#define TOGETHER_TICKS 20000

/* Time and time-stamp counter; false: they are not of the same moment. */
static bool sample_clock(uint64_t *tsc, uint64_t *ns) {
  uint64_t before = rdtsc();
  *ns = now_ns();
  *tsc = rdtsc();
  return *tsc - before < TOGETHER_TICKS;
}

static uint64_t quick_ns(void) {
  P.tsc = rdtsc();
  uint64_t ticks = P.tsc - clock_base.tsc;
  if (ticks < clock_base.valid) return clock_base.ns + (uint64_t)((double)ticks * clock_base.ns_per_tick);
  clock_base.valid = sample_clock(&clock_base.tsc, &clock_base.ns) ? clock_base.valid_ticks : 0;
  P.tsc = clock_base.tsc;
  return clock_base.ns;
}

/* Tells the stubs their spin limit in TSC ticks; exact after a few milliseconds of running. */
static void calibrate(uint64_t now) {
  double ticks_per_ns = 2.5;
  uint64_t tsc, ns;
  clock_base.valid = clock_base.valid_ticks = 0;
  if (now - ns_start > 5000000 && sample_clock(&tsc, &ns)) {
    ticks_per_ns = (double)(tsc - tsc_start) / (double)(ns - ns_start);
    calibrated = true;
    clock_base.valid_ticks = (uint64_t)(CLOCK_VALID_NS * ticks_per_ns);
    clock_base.ns_per_tick = 0.99998 / ticks_per_ns;
  }
  placement_tune(ticks_per_ns, tune.guest_spin);
  wake_tune(ticks_per_ns);
}

int poller_start(void);

int poller_start(void) {
  P.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (P.epoll_fd < 0) return -errno;
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_DATA};
  if (epoll_ctl(P.epoll_fd, EPOLL_CTL_ADD, P.wake_fd, &event) != 0) return -errno;
  int rest_fd = rest_start();
  event.data.u64 = REST_DATA;
  if (rest_fd < 0 || epoll_ctl(P.epoll_fd, EPOLL_CTL_ADD, rest_fd, &event) != 0) return rest_fd < 0 ? rest_fd : -errno;
  for (int i = 0; i < 8 && !sample_clock(&tsc_start, &ns_start); i++) continue;
  calibrated = false;
  placement_start();
  wake_start();
  budget = tune.sentry_spin;
  calibrate(ns_start);
  return 0;
}

static void collect(void) {
  if (P.children_changed) reap();
  if (P.kind == SYSTRAP)
    systrap_collect();
  else
    ptrace_collect();
}

/* epoll_wait for at most `timeout` ns (< 0: for ever), ready fds into P.ready. */
static void poll_host(int64_t timeout) {
  struct epoll_event events[MAX_READY];
  struct timespec limit = {timeout / 1000000000, timeout % 1000000000};
  int n = (int)syscall(SYS_epoll_pwait2, P.epoll_fd, events, MAX_READY, timeout < 0 ? NULL : &limit, NULL, 8);
  for (int i = 0; i < n; i++) {
    if (events[i].data.u64 == WAKE_DATA) {
      uint64_t value;
      if (read(P.wake_fd, &value, 8) < 0) continue;
    } else if (events[i].data.u64 == REST_DATA) {
      rest_look(happened);
    } else {
      P.ready[2 * P.counts[1]] = (int32_t)events[i].data.u32;
      P.ready[2 * P.counts[1] + 1] = (int32_t)events[i].events;
      P.counts[1]++;
    }
  }
}

/* The clock is read after so many turns of spinning. */
#define TURNS 16
/* What a turn takes, in ticks, as short as it was found lately; 0: not known. */
static double turn_ticks;

static void learn_turn(uint64_t ticks) {
  double each = (double)ticks / TURNS;
  if (turn_ticks == 0 || each < turn_ticks)
    turn_ticks = each;
  else
    turn_ticks += (each < 2 * turn_ticks ? each - turn_ticks : turn_ticks) / 64;
}

/*
 * The time after some turns since `now`. Reading the counter takes a tenth of what a simple call takes in all, and a stop is found
 * some turns after a reading as a rule: their number tells the time as well.
 */
static uint64_t after_turns(uint64_t now, int turns) {
  if (turn_ticks == 0 || clock_base.valid == 0) return quick_ns();
  double ticks = turn_ticks * turns;
  P.tsc += (uint64_t)ticks;
  return now + (uint64_t)(ticks * clock_base.ns_per_tick);
}

/* Looks for stops until `end`; the time it then is. */
static uint64_t spin(uint64_t now, uint64_t end) {
  do {
    for (int i = 0; i < TURNS; i++) {
      collect();
      if (P.pending_count > 0) return after_turns(now, i);
      __asm__ volatile("pause");
    }
    uint64_t before = P.tsc;
    now = quick_ns();
    learn_turn(P.tsc - before);
    wake_late(P.tsc);
  } while (now < end);
  return now;
}

/* Hands the stopped contexts over to JavaScript. */
static void deliver(uint64_t now) {
  memcpy(P.stopped, P.pending, (size_t)P.pending_count * sizeof(*P.stopped));
  P.counts[0] = P.pending_count;
  P.pending_count = 0;
  P.times[1] = (double)now;
  happened += (uint64_t)(P.counts[0] + P.counts[1]);
  rest_over(happened);
}

/* The same while guest threads keep us busy. */
static void deliver_busy(uint64_t now) {
  if (now - last_poll_ns > POLL_EVERY_NS) {
    last_poll_ns = now;
    poll_host(0);
  }
  deliver(now);
}

/*
 * What was delivered last time and not resumed is blocked, or its thread is not needed any more, and need not spin any longer. Before
 * it sleeps it wakes who is left to be woken.
 */
static void put_to_sleep(void) {
  if (P.kind != SYSTRAP) return;
  P.falling = 0;
  for (int32_t i = 0; i < P.counts[0]; i++) {
    int32_t id = P.stopped[i];
    struct context *c = &P.contexts[id];
    if (c->status != CTX_STOPPED && c->status != CTX_IDLE) continue;
    struct area *area = area_of(c);
    uint32_t expected = STATE_STOPPED;
    if (__atomic_load_n(&area->state, __ATOMIC_RELAXED) != expected) continue;
    int32_t other = wake_by(c);
    area->nr = other < 0 ? 0 : (uint32_t)P.contexts[other].area;
    if (__atomic_compare_exchange_n(&area->state, &expected, STATE_ASLEEP, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      P.falling++;
    else if (other >= 0)
      wake_thread(other, false);
  }
  P.counts[0] = 0;
}

/* A new thread starts on our CPU, which we had better leave to it. */
static bool any_fresh(void) {
  for (int32_t i = 0; i < P.running_count; i++)
    if (P.contexts[P.running[i]].fresh) return true;
  return false;
}

/* Whether all guest threads were last seen on our CPU: they do not run while we spin. */
static bool all_here(void) {
  if (P.kind != SYSTRAP) return false;
  for (int32_t i = 0; i < P.running_count; i++)
    if (area_of(&P.contexts[P.running[i]])->cpu != P.global->cpu) return false;
  return true;
}

/* How long spinning can make sense now. */
static uint64_t spin_limit(void) {
  if (P.running_count == 0 || P.cpus < 2) return 0;
  if (P.kind == SYSTRAP && placement_crowded(P.tsc)) return 0;
  if (any_fresh() || all_here()) return 0;
  return P.running_count < P.cpus ? tune.sentry_spin : tune.sentry_spin < BUSY_SPIN_NS ? tune.sentry_spin : BUSY_SPIN_NS;
}

/* Written only when it is new: every thread that stops reads this cache line. */
static void tell_cpu(void) {
  uint32_t cpu = (uint32_t)sched_getcpu();
  if (P.global->cpu != cpu) P.global->cpu = cpu;
}

static void wait_any(double timeout) {
  tell_cpu();
  put_to_sleep();
  P.counts[1] = 0;
  uint64_t now = quick_ns();
  P.times[0] = (double)now;
  wake_late(P.tsc);
  collect();
  if (!calibrated) calibrate(now);
  if (timeout == 0) last_poll_ns = 0;
  if (P.pending_count > 0 || timeout == 0) {
    deliver_busy(now);
    return;
  }
  uint64_t deadline = timeout < 0 || timeout > 9e18 ? UINT64_MAX : now + (uint64_t)timeout;
  uint64_t begin = now;
  uint64_t most = spin_limit();
  if (most > 0 && budget > 0) {
    uint64_t end = now + (budget < most ? budget : most);
    now = spin(now, end < deadline ? end : deadline);
    if (P.pending_count > 0) {
      deliver_busy(now);
      return;
    }
  }
  wake_all();
  if (!any_fresh()) unpin();
  __atomic_store_n(&P.global->sleeping, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    collect();
    uint64_t limit = deadline;
    if (check_interrupts(now) && limit > now + P.interrupt_retry_ns) limit = now + P.interrupt_retry_ns;
    if (P.children_changed && limit > P.reap_ns) limit = P.reap_ns;
    bool crowded = ptrace_crowded();
    if (crowded && limit > now + SPREAD_AFTER_NS) limit = now + SPREAD_AFTER_NS;
    bool moved = P.kind == SYSTRAP && placement_moved();
    if (moved && limit > now + LET_GO_AFTER_NS) limit = now + LET_GO_AFTER_NS;
    poll_host(P.pending_count > 0 || now >= limit ? 0 : limit == UINT64_MAX ? -1 : (int64_t)(limit - now));
    collect();
    now = now_ns();
    /* A wake-up may be left over from a stop that was found already. */
    if (P.pending_count > 0 || P.counts[1] > 0 || now >= deadline) break;
    if (crowded) ptrace_spread();
    if (moved && now - begin >= LET_GO_AFTER_NS) placement_idle();
  }
  __atomic_store_n(&P.global->sleeping, 0, __ATOMIC_SEQ_CST);
  tell_cpu();
  last_poll_ns = now;
  if (most > 0) {
    if (P.pending_count == 0 || now - begin > tune.sentry_spin)
      budget = budget < 2000 ? 0 : budget / 2;
    else
      budget = budget == 0 ? SPIN_START_NS : budget * 2 > tune.sentry_spin ? tune.sentry_spin : budget * 2;
  }
  deliver(now);
}

/* platformWaitNext(): waits for times[2] ns; how many stopped and became ready is in counts[0] and [1]. */
static napi_value js_wait_next(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  if (P.up) {
    wait_any(P.times[2]);
  } else if (P.counts != NULL) {
    P.counts[0] = P.counts[1] = 0;
  }
  return NULL;
}

/* platformWatch(fd, events, token, op): op is EPOLL_CTL_ADD, DEL or MOD. */
static napi_value js_watch(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_I32(fd, 0);
  ARG_U32(events, 1);
  ARG_U32(token, 2);
  ARG_I32(op, 3);
  struct epoll_event event = {.events = events, .data.u64 = token};
  return ret(env, RESULT(epoll_ctl(P.epoll_fd, op, fd, &event)));
}

/* platformTune(which, ns), for measurements and tests: 0 our spinning, 1 the guest threads', 2 between two interrupts;
 * 3: whether call sites may be patched. */
static napi_value js_tune(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(which, 0);
  ARG_I64(ns, 1);
  if (which == 0) tune.sentry_spin = (uint64_t)ns;
  if (which == 1) tune.guest_spin = (uint64_t)ns;
  if (which == 2) P.interrupt_retry_ns = (uint64_t)ns;
  if (which == 3) P.patching = ns != 0 && P.kind == SYSTRAP && P.xsave;
  calibrated = false;
  return ret(env, 0);
}

void poller_register(napi_env env, napi_value exports);

void poller_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"platformWaitNext", js_wait_next},
      {"platformWatch", js_watch},
      {"platformTune", js_tune},
  };
  DEFINE_METHODS(env, exports, methods);
}
