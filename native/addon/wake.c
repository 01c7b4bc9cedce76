/*
 * Waking guest threads that sleep (systrap). To wake a thread on another CPU interrupts that CPU, which costs us more than serving a
 * call; and the thread that called while the other one slept is there already. So the wake-up of a thread may be left to the next
 * one that goes on (JavaScript says when: COUNT_LEAVE), if that spins on another CPU: it rings the other one's bell, on its own CPU.
 * Where the sleeper is only about to be served, the other thread may ring meanwhile (wake_early): it takes longer than we do. A sleeper
 * that finds itself not served yet goes back to sleep, and is one of those that are woken late.
 * It might not do it, being hostile, or not for long, having lost its CPU: whoever was left to somebody else and has not
 * stopped since is woken by us as well, soon and at the latest before we sleep.
 */
#include "platform.h"

/* A thread that was left to another one is woken by us after this time. */
#define LEFT_NS 10000
#define LEFT_MOST 16

static struct {
  int32_t next; /* whom the next thread that goes on may wake; -1: nobody */
  /* Who is about to go on and then to be woken, and the thread that goes on before and may ring already; -1: nobody. */
  int32_t early;
  const struct context *ringer;
  struct {
    int32_t id;
    uint64_t since; /* ticks */
  } left[LEFT_MOST]; /* who was left to others; those that have stopped since are to be dropped */
  int32_t count;
  uint64_t limit; /* LEFT_NS, ticks */
} W = {.next = -1, .early = -1};

void wake_start(void) {
  W.next = W.early = -1;
  W.count = 0;
}

void wake_tune(double ticks_per_ns) { W.limit = (uint64_t)(LEFT_NS * ticks_per_ns); }

static uint32_t *bell_of(const struct context *c) { return (uint32_t *)(P.control + (STUB_BELLS - STUB_AREAS)) + c->area; }

static void wake_next(void) {
  int32_t id = W.next;
  W.next = -1;
  if (id >= 0) futex_wake(bell_of(&P.contexts[id]));
}

void wake_thread(int32_t id, bool leave) {
  struct context *c = &P.contexts[id];
  wake_next();
  __atomic_add_fetch(bell_of(c), 1, __ATOMIC_SEQ_CST);
  if (!leave) {
    futex_wake(bell_of(c));
    return;
  }
  if (c->left) return; /* wake_early */
  c->left = true;
  W.next = id;
}

static bool may_ring(const struct context *c) { return W.count < LEFT_MOST && area_of(c)->cpu != P.global->cpu; }

bool wake_early(int32_t ringer, int32_t id) {
  W.early = -1;
  struct context *c = &P.contexts[id], *r = &P.contexts[ringer];
  if (P.kind != SYSTRAP || W.next >= 0 || !may_ring(r)) return false;
  if (__atomic_load_n(&area_of(r)->state, __ATOMIC_RELAXED) != STATE_STOPPED) return false;
  if (__atomic_load_n(&area_of(c)->state, __ATOMIC_RELAXED) != STATE_ASLEEP) return false;
  W.early = id;
  W.ringer = r;
  return true;
}

void wake_not(int32_t id) {
  W.early = -1;
  P.contexts[id].left = false;
}

int32_t wake_by(const struct context *c) {
  int32_t id = W.next;
  bool is_early = id < 0 && W.early >= 0 && W.ringer == c;
  if (is_early) id = W.early;
  if (id < 0 || !may_ring(c)) return -1;
  if (is_early) P.contexts[id].left = true;
  W.next = W.early = -1;
  W.left[W.count].id = id;
  W.left[W.count++].since = rdtsc();
  return id;
}

/* Drops who has stopped since, and wakes who was left before a time. */
static void wake_left(uint64_t before) {
  int32_t kept = 0;
  for (int32_t i = 0; i < W.count; i++) {
    struct context *c = &P.contexts[W.left[i].id];
    if (!c->left) continue;
    if (W.left[i].since > before) {
      W.left[kept++] = W.left[i];
    } else {
      futex_wake(bell_of(c));
      c->left = false;
    }
  }
  W.count = kept;
}

void wake_late(uint64_t tsc) {
  wake_next();
  if (W.count > 0) wake_left(tsc - W.limit);
}

void wake_all(void) {
  wake_next();
  wake_left(UINT64_MAX);
}
