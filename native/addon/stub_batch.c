/*
 * Batches of mapping operations that a guest thread executes itself when it is resumed (systrap). It can leave them undone: they only
 * ever concern memory that its address space has for itself (src/platform/platform.ts, addWindow). An address space has one
 * batch at a time; whatever else is done to it first waits until that one is.
 */
#include "platform.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

/* Spins (20 in one) before we give up our CPU, which the thread may need. */
#define SPINS 10
#define PAUSE_NS 20000
/* A thread that has not executed its batch by then is not going to. */
#define LIMIT_NS 10000000000

/* Has the helper do what a thread was to do. */
static int by_helper(struct space *space, const struct context *c) {
  int n = batch_start(space);
  for (int32_t i = 0; i < c->batch_count; i++) {
    const struct batch_op *op = &c->batch[i];
    put_op(space, n++, op->nr, op->args[0], op->args[1], op->args[2], op->args[3], op->args[4], 0);
  }
  int error = run_batch(space, n);
  int failed = thread_started(space, error);
  return failed != 0 ? failed : error;
}

bool batch_settle(struct space *space) {
  if (space->batch < 0) return true;
  wake_all();
  const struct context *c = &P.contexts[space->batch];
  struct area *area = area_of(c);
  uint64_t start = 0;
  for (int i = 0; !space->dead; i++) {
    uint32_t state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&area->batch_done, __ATOMIC_ACQUIRE) == c->batch_seq) break;
    uint64_t now = i < SPINS ? 0 : now_ns();
    if (start == 0) start = now;
    /* It stopped, and has not done what it was to do before. */
    if (state != STATE_RUN || now - start > LIMIT_NS) {
      doom(space);
      space->batch = -1;
      return false;
    }
    if (i < SPINS) {
      for (int k = 0; k < 20; k++) __asm__ volatile("pause");
    } else if (i < 2 * SPINS) {
      sched_yield();
    } else {
      struct timespec pause = {0, PAUSE_NS};
      nanosleep(&pause, NULL);
      reap_space(space);
    }
  }
  space->batch = -1;
  if (space->dead || __atomic_load_n(&area->batch_error, __ATOMIC_RELAXED) == 0) return true;
  /* All of it can be done twice. What the helper cannot do either leaves an address space that is not what it should be. */
  if (by_helper(space, c) == 0) return true;
  doom(space);
  return false;
}

/* Translates and checks an operation from JavaScript. */
static bool translate(struct batch_op *to, const double *op) {
  int kind = (int)op[0];
  uint64_t addr = (uint64_t)op[1], len = (uint64_t)op[2], last = (uint64_t)op[3];
  if (((addr | len) & 4095) != 0 || len == 0 || addr < GUEST_MIN || len > GUEST_MAX || addr > GUEST_MAX - len) return false;
  switch (kind) {
  case OP_MAP:
    if (last < STUB_WINDOW || last >= STUB_WINDOW_END || (last & (WINDOW_CHUNK - 1)) + len > WINDOW_CHUNK) return false;
    *to = (struct batch_op){SYS_mremap, {last, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, addr}};
    return true;
  case OP_UNMAP:
    *to = (struct batch_op){SYS_munmap, {addr, len, 0, 0, 0}};
    return true;
  case OP_PROTECT:
    *to = (struct batch_op){SYS_mprotect, {addr, len, last & 7, 0, 0}};
    return true;
  default:
    return false;
  }
}

int batch_give(int32_t id, const double *ops, int32_t count) {
  struct context *c = &P.contexts[id];
  struct space *space = &P.spaces[c->space];
  batch_settle(space);
  if (space->dead) return 0;
  for (int32_t i = 0; i < count; i++)
    if (!translate(&c->batch[i], ops + (size_t)i * BATCH_WORDS)) return -EINVAL;
  c->batch_count = count;
  if (P.kind != SYSTRAP || c->starting) return by_helper(space, c);
  struct area *area = area_of(c);
  memcpy(area->batch, c->batch, (size_t)count * sizeof(*c->batch));
  area->batch_count = (uint32_t)count;
  if (area->batch_error != 0) area->batch_error = 0;
  area->batch_seq = ++c->batch_seq;
  space->batch = id;
  return 0;
}
