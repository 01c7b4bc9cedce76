/*
 * Who runs where, and whether waiting by spinning can pay.
 *
 * A guest thread and the Sentry that share a CPU hand it over by sleeping, twice for each system call; on two CPUs they can
 * both spin, which is several times as fast. Neither ever leaves the other's CPU by itself: only one of them is runnable
 * at any time, so that no scheduler sees a reason. So a thread that often stops where we are is woken up elsewhere when there is
 * a CPU that nobody uses. Where there is none, spinning takes time from somebody who works: nobody spins then, and threads
 * that call are brought to our CPU, because a wake-up across CPUs costs more than a switch. A thread that has been moved and does
 * not stop for a while computes, and may use every CPU.
 */
#include "platform.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/*
 * A thread that runs since it was seen for the first time so long ago computes. Where more threads want to run than there are
 * CPUs, it may have waited for its turn: so long for each of them.
 */
#define COMPUTING_NS 100000
#define TURN_NS 4000000
/*
 * A thread is moved after so many stops, no two of which are further apart than this; the thread of a new process, which will call a lot,
 * before it begins; another new thread, which may have little to do, later.
 */
#define MOVE_AFTER 4
#define MOVE_THREAD_AFTER 32
#define MOVE_AFTER_MOST (1 << 16)
#define MOVE_WINDOW_NS 20000
/* Moved threads that come back within this time had better stayed. */
#define MOVE_PAYS_NS 4000000
/* How many threads the host runs is looked at this often, and believed when it says the same so many times. */
#define SAMPLE_NS 1000000
#define CROWDED_SAMPLES 3
#define ROOM_SAMPLES 2

static struct {
  uint64_t computing, turn, window, pays, sample; /* in TSC ticks */
  uint32_t guest_spin;
  int load_fd;     /* /proc/loadavg, or -1 */
  int online;      /* the host's CPUs */
  bool crowded;    /* fewer than two CPUs are left for us */
  int same;        /* samples in a row that say the opposite */
  uint64_t sampled; /* ticks */
} L;

void placement_start(void) {
  memset(&L, 0, sizeof(L));
  L.online = (int)sysconf(_SC_NPROCESSORS_ONLN);
  /* Our root still has it; what it tells of others is how many threads are runnable. */
  L.load_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

void placement_stop(void) {
  if (L.load_fd >= 0) close(L.load_fd);
  L.load_fd = -1;
}

static void tell_stubs(void) { P.global->spin = P.cpus > 1 && !L.crowded ? L.guest_spin : 0; }

void placement_tune(double ticks_per_ns, uint64_t guest_spin_ns) {
  L.computing = (uint64_t)(COMPUTING_NS * ticks_per_ns);
  L.turn = (uint64_t)(TURN_NS * ticks_per_ns);
  L.window = (uint64_t)(MOVE_WINDOW_NS * ticks_per_ns);
  L.pays = (uint64_t)(MOVE_PAYS_NS * ticks_per_ns);
  L.sample = (uint64_t)(SAMPLE_NS * ticks_per_ns);
  L.guest_spin = (uint32_t)((double)guest_spin_ns * ticks_per_ns);
  tell_stubs();
}

/* Threads that the host runs or could run now, or -1: the fourth figure of /proc/loadavg, before the slash. */
static int host_runnable(void) {
  char text[64];
  ssize_t n = L.load_fd < 0 ? -1 : pread(L.load_fd, text, sizeof(text) - 1, 0);
  if (n <= 0) return -1;
  text[n] = 0;
  const char *slash = strchr(text, '/');
  if (slash == NULL) return -1;
  int value = 0, factor = 1;
  while (--slash >= text && *slash >= '0' && *slash <= '9' && factor < 1000000000) {
    value += (*slash - '0') * factor;
    factor *= 10;
  }
  return value;
}

static void set_cpus(const struct context *c, const cpu_set_t *set) { sched_setaffinity(c->tid, sizeof(*set), set); }

/* A thread that was moved may use every CPU again. */
static void let_go(struct context *c) {
  if (!c->moved) return;
  c->moved = false;
  if (!c->own_cpus) set_cpus(c, &P.cpu_set);
}

bool placement_moved(void) {
  for (int32_t i = 0; i < P.running_count; i++)
    if (P.contexts[P.running[i]].moved) return true;
  return false;
}

void placement_idle(void) {
  for (int32_t i = 0; i < P.running_count; i++) let_go(&P.contexts[P.running[i]]);
}

/* Looks whether there are two CPUs for us: one for us, and one for a thread that calls. */
static void sample(uint64_t tsc) {
  int own = 1 + P.falling, computing = 0;
  uint64_t computes = P.running_count < P.cpus ? L.computing : L.turn * (uint64_t)P.running_count;
  for (int32_t i = 0; i < P.running_count; i++) {
    struct context *c = &P.contexts[P.running[i]];
    if (c->seen == 0) {
      c->seen = tsc;
    } else if (tsc - c->seen > computes) {
      computing++;
      let_go(c);
    }
    own++;
  }
  for (int32_t i = 0; i < P.pending_count; i++)
    if (__atomic_load_n(&area_of(&P.contexts[P.pending[i]])->state, __ATOMIC_RELAXED) == STATE_STOPPED) own++;
  int runnable = host_runnable();
  int others = runnable < own ? 0 : runnable - own;
  int left = (P.cpus < L.online - others ? P.cpus : L.online - others) - computing;
  bool crowded = left < 2;
  L.same = crowded == L.crowded ? 0 : L.same + 1;
  if (L.sampled == 0 || L.same >= (crowded ? CROWDED_SAMPLES : ROOM_SAMPLES)) {
    L.crowded = crowded;
    L.same = 0;
    tell_stubs();
  }
  L.sampled = tsc;
}

bool placement_crowded(uint64_t tsc) {
  if (P.cpus < 2) return true;
  if (tsc - L.sampled > L.sample) sample(tsc);
  return L.crowded;
}

void placement_stopped(struct context *c, uint32_t cpu) {
  if (P.cpus < 2) return;
  let_go(c);
  bool here = cpu == P.global->cpu;
  if (here != c->here || P.tsc - c->stopped > L.window) c->stops = 0;
  c->here = here;
  c->stopped = P.tsc;
  c->stops++;
}

void placement_new(struct context *c, bool alone) {
  c->move_after = alone ? 0 : MOVE_THREAD_AFTER;
  /* It begins on the CPU of its helper, which is ours. */
  c->here = true;
}

void placement_wake(struct context *c) {
  if (c->stops < c->move_after || c->own_cpus) return;
  uint64_t tsc = rdtsc();
  c->stops = 0;
  if (c->move_after == 0) c->move_after = MOVE_AFTER;
  cpu_set_t set;
  if (c->here) {
    if (placement_crowded(tsc)) return;
    if (tsc - c->moved_at > L.pays)
      c->move_after = MOVE_AFTER;
    else if (c->move_after < MOVE_AFTER_MOST)
      c->move_after *= 2;
    c->moved_at = tsc;
    set = P.cpu_set;
    CPU_CLR(P.global->cpu, &set);
    if (CPU_COUNT(&set) == 0) return;
    /* Where it will be is not known, but not here: the next wait may spin. */
    area_of(c)->cpu = UINT32_MAX;
  } else {
    if (!placement_crowded(tsc)) return;
    CPU_ZERO(&set);
    CPU_SET(P.global->cpu, &set);
  }
  c->moved = true;
  set_cpus(c, &set);
}
