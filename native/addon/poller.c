/* Waiting: for contexts that stop and for host fds that become ready. */
#include "platform.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Marks the wake-up eventfd among the tokens. */
#define WAKE_DATA ((uint64_t)1 << 32)

/* While guest threads keep us busy, host fds are looked at this often. */
#define POLL_EVERY_NS 100000

/* Spinning, in ns. Set by platformTune for measurements. */
static struct {
  uint64_t sentry_spin; /* how long we spin for the next stop */
  uint64_t guest_spin;  /* how long a stopped thread spins for its resumption */
} tune = {50000, 20000};

static uint64_t last_poll_ns;
static uint64_t tsc_start, ns_start;
static bool calibrated;

static uint64_t rdtsc(void) {
  uint32_t lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return (uint64_t)hi << 32 | lo;
}

/* Tells the stubs their spin limit in TSC ticks; exact after a few milliseconds of running. */
static void calibrate(uint64_t now) {
  double ticks_per_ns = 2.5;
  if (now - ns_start > 5000000) {
    ticks_per_ns = (double)(rdtsc() - tsc_start) / (double)(now - ns_start);
    calibrated = true;
  }
  P.global->spin = P.cpus > 1 ? (uint32_t)((double)tune.guest_spin * ticks_per_ns) : 0;
}

int poller_start(void);

int poller_start(void) {
  P.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (P.epoll_fd < 0) return -errno;
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_DATA};
  if (epoll_ctl(P.epoll_fd, EPOLL_CTL_ADD, P.wake_fd, &event) != 0) return -errno;
  tsc_start = rdtsc();
  ns_start = now_ns();
  calibrated = false;
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
    } else {
      P.ready[2 * P.counts[1]] = (int32_t)events[i].data.u32;
      P.ready[2 * P.counts[1] + 1] = (int32_t)events[i].events;
      P.counts[1]++;
    }
  }
}

/* Looks for stops until `end`; the time it then is. */
static uint64_t spin(uint64_t now, uint64_t end) {
  while (now < end) {
    for (int i = 0; i < 20; i++) {
      collect();
      if (P.pending_count > 0) return now;
      __asm__ volatile("pause");
    }
    now = now_ns();
  }
  return now;
}

/* Hands the stopped contexts over to JavaScript. */
static int deliver(void) {
  memcpy(P.stopped, P.pending, (size_t)P.pending_count * sizeof(*P.stopped));
  P.counts[0] = P.pending_count;
  P.pending_count = 0;
  return P.counts[0] + P.counts[1];
}

static int wait_any(double timeout) {
  P.counts[1] = 0;
  collect();
  uint64_t now = now_ns();
  if (!calibrated) calibrate(now);
  if (P.pending_count > 0 || timeout == 0) {
    if (timeout == 0 || now - last_poll_ns > POLL_EVERY_NS) {
      last_poll_ns = now;
      poll_host(0);
    }
    return deliver();
  }
  uint64_t deadline = timeout < 0 || timeout > 9e18 ? UINT64_MAX : now + (uint64_t)timeout;
  if (P.running_count > 0 && P.running_count < P.cpus) {
    uint64_t end = now + tune.sentry_spin;
    now = spin(now, end < deadline ? end : deadline);
    if (P.pending_count > 0) return deliver();
  }
  __atomic_store_n(&P.global->sleeping, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    collect();
    uint64_t limit = deadline;
    if (check_interrupts(now) && limit > now + INTERRUPT_RETRY_NS) limit = now + INTERRUPT_RETRY_NS;
    poll_host(P.pending_count > 0 || now >= limit ? 0 : limit == UINT64_MAX ? -1 : (int64_t)(limit - now));
    collect();
    now = now_ns();
    /* A wake-up may be left over from a stop that was found already. */
    if (P.pending_count > 0 || P.counts[1] > 0 || now >= deadline) break;
  }
  __atomic_store_n(&P.global->sleeping, 0, __ATOMIC_SEQ_CST);
  last_poll_ns = now;
  return deliver();
}

/* platformWait(timeoutNs): how many stopped and ready; the numbers of each are in the counts array. */
static napi_value js_wait(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_F64(timeout, 0);
  if (!P.up) return ret(env, 0);
  return ret(env, wait_any(timeout));
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

/* platformTune(which, ns): 0 our spinning, 1 the guest threads' spinning. */
static napi_value js_tune(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(which, 0);
  ARG_I64(ns, 1);
  if (which == 0) tune.sentry_spin = (uint64_t)ns;
  if (which == 1) tune.guest_spin = (uint64_t)ns;
  calibrated = false;
  return ret(env, 0);
}

void poller_register(napi_env env, napi_value exports);

void poller_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"platformWait", js_wait},
      {"platformWatch", js_watch},
      {"platformTune", js_tune},
  };
  DEFINE_METHODS(env, exports, methods);
}
