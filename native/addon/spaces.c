/* Address spaces: stub processes and their threads from being made to being given back, and used again. */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Threads that are told to exit do so within microseconds; on a busy machine, when they get a CPU. In times of interrupt_retry_ns. */
#define EXIT_LIMIT 4

/* --- areas of the control file --- */

static int32_t take_area(void) {
  if (P.free_area_count > 0) return P.free_areas[--P.free_area_count];
  if (P.area_count == AREA_COUNT - BELL_AREAS) return -EAGAIN;
  return P.area_count++;
}

/* The area's memory goes back to the host; it reads as zeros after. */
static void free_area(int32_t area) {
  fallocate(P.control_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)area * AREA_SIZE, AREA_SIZE);
  P.free_areas[P.free_area_count++] = area;
}

/* --- giving back --- */

static void free_space(int32_t index) {
  struct space *space = &P.spaces[index];
  free_area(space->area);
  if (space->spare >= 0) free_area(space->spare);
  space->used = false;
  P.free_spaces[P.free_space_count++] = index;
}

static void free_context(int32_t id) {
  struct context *c = &P.contexts[id];
  free_area(c->area);
  free(c->early_fp);
  c->early_fp = NULL;
  c->status = CTX_FREE;
  P.free_contexts[P.free_context_count++] = id;
}

static void free_list(int32_t id) {
  while (id >= 0) {
    int32_t next = P.contexts[id].next;
    free_context(id);
    id = next;
  }
}

static void free_space_of_dead(int32_t index) {
  for (int32_t i = 0; i < P.kept_count; i++)
    if (P.kept[i] == index) P.kept[i--] = P.kept[--P.kept_count];
  free_list(P.spaces[index].idle);
  free_list(P.spaces[index].broken);
  free_space(index);
}

/* --- deaths --- */

void doom(struct space *space) {
  if (!space->dead) kill(space->pid, SIGKILL);
}

/* Spaces whose process lives, by its number: lists through `next_by_pid`. */
static int32_t *bucket(pid_t pid) { return &P.by_pid[(uint32_t)pid % PID_BUCKETS]; }

static int32_t space_of(pid_t pid) {
  int32_t index = *bucket(pid);
  while (index >= 0 && P.spaces[index].pid != pid) index = P.spaces[index].next_by_pid;
  return index;
}

void born(int32_t index, pid_t pid) {
  struct space *space = &P.spaces[index];
  space->pid = pid;
  space->dead = false;
  space->next_by_pid = *bucket(pid);
  *bucket(pid) = index;
}

void died(int32_t index) {
  int32_t *link = bucket(P.spaces[index].pid);
  while (*link >= 0 && *link != index) link = &P.spaces[*link].next_by_pid;
  if (*link == index) *link = P.spaces[index].next_by_pid;
  P.spaces[index].dead = true;
}

bool note_exit(pid_t pid) {
  int32_t index = space_of(pid);
  if (index < 0) return false;
  died(index);
  if (P.spaces[index].released) free_space_of_dead(index);
  return true;
}

bool reap_space(const struct space *space) {
  int status;
  if (!space->used || space->dead || waitpid(space->pid, &status, WNOHANG) != space->pid) return false;
  return (WIFEXITED(status) || WIFSIGNALED(status)) && note_exit(space->pid);
}

/*
 * The signal says who died, except for those that die before its handler runs. To ask the host for these makes it look at all our
 * children: we do that less often the longer it takes.
 */
#define REAP_PAUSE 10
/* When there are more of them, or somebody else's child stands in front of the queue, we ask for each of ours. */
#define REAP_FEW 4

static void reap_unknown(void) {
  siginfo_t info = {.si_pid = 0};
  for (int i = 0; i < REAP_FEW; i++) {
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    int32_t index = space_of(info.si_pid);
    if (index < 0 || !reap_space(&P.spaces[index])) break;
    info.si_pid = 0;
  }
  for (int32_t i = 0; i < P.space_count; i++) reap_space(&P.spaces[i]);
}

void reap(void) {
  if (!P.children_changed) return;
  if (P.kind == PTRACE) {
    P.children_changed = 0;
    ptrace_collect();
    return;
  }
  for (; P.deaths_seen != P.deaths_told; P.deaths_seen++) {
    int32_t index = space_of(P.deaths[P.deaths_seen % DEATHS]);
    if (index >= 0) reap_space(&P.spaces[index]);
  }
  uint64_t start = now_ns();
  if (start < P.reap_ns) return;
  P.children_changed = 0;
  reap_unknown();
  uint64_t end = now_ns();
  P.reap_ns = end + REAP_PAUSE * (end - start);
}

/* --- spaces --- */

int32_t take_space(void) {
  int32_t index;
  if (P.free_space_count > 0)
    index = P.free_spaces[--P.free_space_count];
  else if (P.space_count < MAX_SPACES)
    index = P.space_count++;
  else
    return -EAGAIN;
  int32_t area = take_area();
  if (area < 0) {
    P.free_spaces[P.free_space_count++] = index;
    return area;
  }
  struct space *space = &P.spaces[index];
  *space = (struct space){.used = true, .dead = true, .area = area, .cpu = -1, .idle = -1, .broken = -1, .unborn = -1,
                          .spare = -1, .batch = -1};
  return index;
}

/* --- stub processes that are used again --- */

/*
 * A process is as good as new when nothing is mapped any more and none of the threads that ran guest code is left: what those
 * may call affects them alone. So only what had one thread, which can be told to exit, is kept.
 */
static bool can_keep(const struct space *space) {
  if (P.kind != SYSTRAP || P.kept_count == MAX_KEPT || space->dead || space->broken >= 0) return false;
  if (space->contexts == 0) return space->idle < 0;
  return space->contexts == 1 && space->idle >= 0 && !P.contexts[space->idle].starting;
}

/* The only context goes; its area stays with the process. */
static void forget_thread(struct space *space) {
  int32_t id = space->idle;
  struct context *c = &P.contexts[id];
  space->spare = c->area;
  space->idle = -1;
  space->idle_count = 0;
  space->contexts = 0;
  free(c->early_fp);
  c->early_fp = NULL;
  c->status = CTX_FREE;
  P.free_contexts[P.free_context_count++] = id;
}

/* Its thread is told to exit. */
static void dismiss_thread(struct space *space) {
  int32_t id = space->idle;
  if (id < 0) return;
  struct context *c = &P.contexts[id];
  struct area *area = area_of(c);
  if (__atomic_exchange_n(&area->state, STATE_EXIT, __ATOMIC_SEQ_CST) != STATE_STOPPED) wake_thread(id, false);
  space->spare_tid = c->tid;
  space->kept_ns = now_ns();
  forget_thread(space);
}

/* clock_getcpuclockid(3) with the kind of clock in the low bits. */
int64_t cpu_clock(const struct space *space, int which) {
  struct timespec t;
  if (clock_gettime((clockid_t)(~(unsigned)space->pid << 3 | (unsigned)which), &t) != 0) return -errno;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A kept process whose thread has exited, with nothing in its shared memory; -1: there is none. */
static int32_t take_kept(void) {
  for (int32_t i = P.kept_count - 1; i >= 0; i--) {
    int32_t index = P.kept[i];
    struct space *space = &P.spaces[index];
    if (space->spare_tid != 0 && syscall(SYS_tgkill, space->pid, space->spare_tid, 0) == 0) continue;
    space->spare_tid = 0;
    P.kept_count--;
    memmove(&P.kept[i], &P.kept[i + 1], (size_t)(P.kept_count - i) * sizeof(P.kept[0]));
    /* What the last program's calls and registers were is nobody else's business. */
    if (space->spare >= 0) memset(P.control + (size_t)space->spare * AREA_SIZE, 0, AREA_SIZE);
    memset(command_page(space) + CMD_OPS, 0, STUB_CMD_SIZE - CMD_OPS);
    memset(result_page(space), 0, STUB_RES_SIZE);
    for (int k = 0; k < CPU_CLOCKS; k++) space->cpu_before[k] = cpu_clock(space, k);
    space->released = false;
    return index;
  }
  return -1;
}

/* A kept process, or one forked off the template, whose results nobody else can write. */
int fork_space(void) {
  if (P.children_changed) reap();
  int32_t index = take_kept();
  if (index >= 0) return index;
  index = take_space();
  if (index < 0) return index;
  struct space *space = &P.spaces[index], *template = &P.spaces[0];
  put_op(template, 0, SYS_clone, PROCESS_CLONE_FLAGS, 0, 0, 0, 0, (uint64_t)space->area * AREA_SIZE);
  int error = run_batch(template, 1);
  if (error == 0) {
    born(index, (pid_t)result_page(template)[0]);
    space->cpu = template->cpu;
    return index;
  }
  free_space(index);
  return error;
}

void make_idle(int32_t id) {
  struct context *c = &P.contexts[id];
  struct space *space = &P.spaces[c->space];
  c->status = CTX_IDLE;
  c->call_rip = UINT64_MAX;
  area_of(c)->facts.valid = 0;
  c->next = space->idle;
  space->idle = id;
  space->idle_count++;
}

void wait_dead(struct space *space) {
  if (P.kind == PTRACE) ptrace_wait_dead(space);
  while (!space->dead) {
    int status;
    pid_t pid = waitpid(space->pid, &status, __WALL);
    bool ended = pid == space->pid && (WIFEXITED(status) || WIFSIGNALED(status));
    if (ended || (pid < 0 && errno != EINTR)) died((int32_t)(space - P.spaces));
  }
}

/* Takes back contexts that were not released. */
static void disown(int32_t index) {
  struct space *space = &P.spaces[index];
  for (int32_t id = 0; id < P.context_count && space->idle_count < space->contexts; id++) {
    struct context *c = &P.contexts[id];
    if (c->space != index || c->status == CTX_FREE || c->status == CTX_IDLE) continue;
    if (c->status == CTX_RUNNING) report(id, EV_DIED);
    for (int32_t i = 0; i < P.pending_count; i++)
      if (P.pending[i] == id) P.pending[i--] = P.pending[--P.pending_count];
    make_idle(id);
  }
}

/*
 * The helper unmaps all guest memory, so that nothing of it is left whatever the guest threads do. The process is kept, or killed
 * and reaped later; its areas are used again when it is dead.
 */
void release_space(int32_t index) {
  struct space *space = &P.spaces[index];
  int error = -ESRCH;
  disown(index);
  if (space->unborn >= 0) {
    /* Its only thread was never started. */
    bool mapped = P.contexts[space->unborn].mapped;
    space->unborn = -1;
    forget_thread(space);
    if (!mapped) {
      free_area(space->spare);
      space->spare = -1;
    }
  }
  bool keep = can_keep(space);
  if (keep) dismiss_thread(space);
  /* A thread that still has one finds nothing to map any more: windows go together with everything else. */
  space->batch = -1;
  if (!space->dead) {
    put_op(space, 0, SYS_munmap, 0, STUB_BASE, 0, 0, 0, 0);
    error = run_batch(space, 1);
  }
  if (keep && error == 0 && !space->dead) {
    space->released = true;
    P.kept[P.kept_count++] = index;
    return;
  }
  doom(space);
  if (error != 0) wait_dead(space);
  if (space->dead)
    free_space_of_dead(index);
  else
    space->released = true;
}

int batch_start(struct space *space) {
  if (space->unborn < 0) return 0;
  const struct context *c = &P.contexts[space->unborn];
  uint64_t address = area_address(c->area);
  int n = 0;
  if (!c->mapped)
    put_op(space, n++, SYS_mmap, address, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, STUB_FD_CONTROL,
           (uint64_t)c->area * AREA_SIZE);
  put_op(space, n++, SYS_clone, THREAD_CLONE_FLAGS, address + AREA_SIZE, 0, 0,
         P.kind == PTRACE ? THREAD_PTRACE : THREAD_SYSTRAP, address);
  return n;
}

int thread_started(struct space *space, int error) {
  int32_t id = space->unborn;
  if (id < 0) return 0;
  struct context *c = &P.contexts[id];
  space->unborn = -1;
  c->unborn = false;
  const uint64_t *results = result_page(space);
  /* Any guest thread can write the result page: believe no number that is not a thread of this process. */
  uint64_t tid = results[c->mapped ? 0 : 1];
  bool started = tid <= INT32_MAX && (c->mapped || results[0] == area_address(c->area));
  c->tid = started ? (pid_t)tid : 0;
  if (!started)
    error = error != 0 ? error : -EAGAIN;
  else if (c->tid == space->pid || syscall(SYS_tgkill, space->pid, c->tid, 0) != 0)
    error = -ESRCH;
  else
    error = P.kind == PTRACE ? ptrace_start(id) : 0;
  if (error != 0) doom(space);
  return error;
}

int start_thread(struct space *space) {
  if (space->unborn < 0) return 0;
  int count = batch_start(space);
  return thread_started(space, run_batch(space, count));
}

int use_every_cpu(struct context *c) {
  if (sched_setaffinity(c->tid, sizeof(P.cpu_set), &P.cpu_set) != 0) return -errno;
  c->own_cpus = false;
  if (P.kind == PTRACE) c->spread = true;
  return 0;
}

int reset_fp(int32_t id) {
  if (P.kind == SYSTRAP) return systrap_reset_fp(id);
  uint8_t image[AREA_SIZE];
  xstate_initial(image);
  return ptrace_set_fp(id, image);
}

int new_context(int32_t index) {
  struct space *space = &P.spaces[index];
  if (space->dead) return -EAGAIN;
  int32_t id = space->idle;
  if (id >= 0) {
    struct context *c = &P.contexts[id];
    space->idle = c->next;
    space->idle_count--;
    c->status = CTX_STOPPED;
    if (c->own_cpus) use_every_cpu(c);
    reset_fp(id);
  } else {
    int error = start_thread(space);
    if (error != 0) return error == -ENOMEM ? error : -EAGAIN;
    if (P.free_context_count > 0)
      id = P.free_contexts[--P.free_context_count];
    else if (P.context_count < MAX_CONTEXTS)
      id = P.context_count++;
    else
      return -EAGAIN;
    bool mapped = space->spare >= 0;
    int32_t number = mapped ? space->spare : take_area();
    if (number < 0) {
      P.free_contexts[P.free_context_count++] = id;
      return number;
    }
    space->spare = -1;
    struct context *c = &P.contexts[id];
    *c = (struct context){.status = CTX_STOPPED, .starting = true, .fresh = true, .unborn = true, .mapped = mapped,
                          .space = index, .area = number};
    placement_new(c, space->contexts == 0);
    struct area *area = area_of(c);
    memset(area, 0, sizeof(*area));
    area->stack_sp = area_address(number) + AREA_ALTSTACK;
    area->stack_size = AREA_SIZE - AREA_ALTSTACK;
    space->unborn = id;
    space->contexts++;
    /* In a process without any it can wait for the first mappings. */
    if (P.kind == PTRACE || space->contexts > 1) error = start_thread(space);
    if (error != 0) {
      /* Its area may be mapped in the process: it can be used again when that is gone. */
      space->contexts--;
      c->status = CTX_IDLE;
      c->next = space->broken;
      space->broken = id;
      return error == -ENOMEM ? error : -EAGAIN;
    }
  }
  uint64_t *regs = regs_of(id);
  memset(regs, 0, CTX_WORDS * 4);
  regs[CS] = USER_CS;
  regs[SS] = USER_SS;
  regs[EFLAGS] = 0x202;
  regs[ORIG_RAX] = UINT64_MAX;
  return id;
}

bool check_kept(uint64_t now) {
  bool waiting = false;
  for (int32_t i = 0; i < P.kept_count; i++) {
    struct space *space = &P.spaces[P.kept[i]];
    if (space->spare_tid == 0) continue;
    if (syscall(SYS_tgkill, space->pid, space->spare_tid, 0) != 0) {
      space->spare_tid = 0;
    } else if (now - space->kept_ns > EXIT_LIMIT * P.interrupt_retry_ns) {
      doom(space);
      P.kept[i--] = P.kept[--P.kept_count];
    } else {
      waiting = true;
    }
  }
  return waiting;
}
