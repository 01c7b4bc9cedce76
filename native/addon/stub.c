/* Stub processes: starting the template, forking address spaces from it, executing batches of mapping operations. */
#include "platform.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct platform P;

/* Threads that are told to exit do so within microseconds; on a busy machine, when they get a CPU. In times of interrupt_retry_ns. */
#define EXIT_LIMIT 4

/* Added to the completion eventfd when a child changed state, so that a flush never waits for a dead helper. */
#define CHILD_CHANGED ((uint64_t)1 << 32)

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int futex_wake(uint32_t *word) { return (int)syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); }

static void on_sigchld(int signo) {
  (void)signo;
  int saved = errno;
  uint64_t one = 1, changed = CHILD_CHANGED;
  P.children_changed = 1;
  if (P.up) {
    if (write(P.wake_fd, &one, 8) < 0 || write(P.done_fd, &changed, 8) < 0) {
    }
  }
  errno = saved;
}

/* --- contexts in and out of the running list --- */

void set_running(int32_t id) {
  struct context *c = &P.contexts[id];
  c->status = CTX_RUNNING;
  c->interrupt_ns = 0;
  c->interrupt_tries = 0;
  c->seen = 0;
  c->slot = P.running_count;
  P.running[P.running_count++] = id;
}

void report(int32_t id, uint32_t event) {
  struct context *c = &P.contexts[id];
  int32_t last = P.running[--P.running_count];
  P.running[c->slot] = last;
  P.contexts[last].slot = c->slot;
  c->status = CTX_STOPPED;
  c->fresh = false;
  words_of(id)[CTX_EVENT] = event;
  P.pending[P.pending_count++] = id;
}

/* --- areas of the control file --- */

static int32_t take_area(void) {
  if (P.free_area_count > 0) return P.free_areas[--P.free_area_count];
  if (P.area_count == AREA_COUNT) return -EAGAIN;
  return P.area_count++;
}

/* The area's memory goes back to the host; it reads as zeros after. */
static void free_area(int32_t area) {
  fallocate(P.control_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)area * AREA_SIZE, AREA_SIZE);
  P.free_areas[P.free_area_count++] = area;
}

/* --- batches --- */

static uint8_t *command_page(const struct space *space) { return P.control + (size_t)space->area * AREA_SIZE; }

uint64_t *result_page(const struct space *space) { return (uint64_t *)(command_page(space) + STUB_CMD_SIZE); }

void put_op(struct space *space, int i, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
            uint64_t f) {
  uint64_t *op = (uint64_t *)(command_page(space) + CMD_OPS + (size_t)i * CMD_OP_SIZE);
  op[0] = nr;
  op[1] = a;
  op[2] = b;
  op[3] = c;
  op[4] = d;
  op[5] = e;
  op[6] = f;
}

int stay(void) {
  if (!P.up) return -1;
  if (P.pinned >= 0) return P.pinned;
  int cpu = sched_getcpu();
  if (cpu < 0) return cpu;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) == 0) P.pinned = cpu;
  return P.pinned;
}

/* The helper runs on our CPU. */
static void follow(struct space *space) {
  if (stay() < 0 || P.pinned == space->cpu) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(P.pinned, &set);
  if (sched_setaffinity(space->pid, sizeof(set), &set) == 0) space->cpu = P.pinned;
}

void unpin(void) {
  /* With ptrace, tracer and tracees belong on one CPU always. */
  if (P.pinned < 0 || P.kind == PTRACE) return;
  if (sched_setaffinity(0, sizeof(P.cpu_set), &P.cpu_set) != 0) {
    /* Our CPUs were changed from outside: let the host intersect. */
    memset(&P.cpu_set, 0xff, sizeof(P.cpu_set));
    sched_setaffinity(0, sizeof(P.cpu_set), &P.cpu_set);
  }
  P.pinned = -1;
}

int run_batch(struct space *space, int count) {
  /* A death that was told together with the end of an earlier batch would not be told again. */
  reap();
  if (space->dead) return -ESRCH;
  uint32_t *command = (uint32_t *)command_page(space);
  command[CMD_COUNT / 4] = (uint32_t)count;
  follow(space);
  __atomic_store_n(&command[CMD_SEQ / 4], ++space->seq, __ATOMIC_SEQ_CST);
  futex_wake(&command[CMD_SEQ / 4]);
  for (;;) {
    uint64_t value;
    if (read(P.done_fd, &value, 8) != 8) {
      if (errno == EINTR) continue;
      return -errno;
    }
    if ((uint32_t)value != 0) return 1 - (int)(uint32_t)value;
    reap();
    if (!space->dead) continue;
    /* It may have finished before it died. */
    value = CHILD_CHANGED;
    if (write(P.done_fd, &value, 8) == 8 && read(P.done_fd, &value, 8) == 8 && (uint32_t)value != 0)
      return 1 - (int)(uint32_t)value;
    return -ESRCH;
  }
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

bool note_exit(pid_t pid) {
  for (int32_t i = 0; i < P.space_count; i++)
    if (P.spaces[i].used && !P.spaces[i].dead && P.spaces[i].pid == pid) {
      P.spaces[i].dead = true;
      if (P.spaces[i].released) free_space_of_dead(i);
      return true;
    }
  return false;
}

/* Whether a stub process ended; it is reaped and noted then. */
static bool reap_space(int32_t index) {
  struct space *space = &P.spaces[index];
  int status;
  if (!space->used || space->dead || waitpid(space->pid, &status, WNOHANG) != space->pid) return false;
  return (WIFEXITED(status) || WIFSIGNALED(status)) && note_exit(space->pid);
}

void reap(void) {
  if (!P.children_changed) return;
  P.children_changed = 0;
  if (P.kind == PTRACE) {
    ptrace_collect();
    return;
  }
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    int32_t i = 0;
    while (i < P.space_count && !(P.spaces[i].used && !P.spaces[i].dead && P.spaces[i].pid == info.si_pid)) i++;
    if (i < P.space_count) {
      if (!reap_space(i)) return;
      continue;
    }
    /* Somebody else's child stands in front of the queue, and is not ours to reap. */
    for (i = 0; i < P.space_count; i++) reap_space(i);
    return;
  }
}

/* --- spaces --- */

static int32_t take_space(void) {
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
  if (__atomic_exchange_n(&area->state, STATE_EXIT, __ATOMIC_SEQ_CST) != STATE_STOPPED) futex_wake(&area->state);
  space->spare_tid = c->tid;
  space->kept_ns = now_ns();
  forget_thread(space);
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
    space->pid = (pid_t)result_page(template)[0];
    space->dead = false;
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

static void wait_dead(struct space *space) {
  if (P.kind == PTRACE) ptrace_wait_dead(space);
  while (!space->dead) {
    int status;
    pid_t pid = waitpid(space->pid, &status, __WALL);
    if (pid == space->pid && (WIFEXITED(status) || WIFSIGNALED(status))) space->dead = true;
    if (pid < 0 && errno != EINTR) space->dead = true;
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
    uint8_t image[AREA_SIZE];
    xstate_initial(image);
    if (P.kind == SYSTRAP)
      systrap_set_fp(id, image);
    else
      ptrace_set_fp(id, image);
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

/* --- start and end --- */

/* In the vfork child: only plain calls, nothing that allocates. Returns errno. */
static int exec_stub(int stub_fd) {
  static char name[] = "tsvisor-stub";
  char *argv[] = {name, NULL}, *envp[] = {NULL};
  int from[5] = {P.wake_fd, P.done_fd, P.control_fd, P.socket_fd, stub_fd};
  for (int i = 0; i < 5; i++)
    if ((from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16)) < 0) return errno;
  for (int i = 0; i < 4; i++)
    if (dup3(from[i], i, O_CLOEXEC) < 0 || fcntl(i, F_SETFD, 0) < 0) return errno;
  if (dup3(from[4], 4, O_CLOEXEC) < 0) return errno;
  syscall(SYS_close_range, 5, ~0U, 0);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  syscall(SYS_execveat, 4, "", argv, envp, AT_EMPTY_PATH);
  if (errno != EACCES) return errno;
  /* A file without execute permission, or on a file system mounted noexec: run a copy. */
  int copy = memfd_create("tsvisor-stub", MFD_CLOEXEC);
  struct stat stat;
  if (copy < 0 || fstat(4, &stat) != 0) return errno;
  off_t offset = 0;
  if (sendfile(copy, 4, &offset, (size_t)stat.st_size) != stat.st_size) return EACCES;
  syscall(SYS_execveat, copy, "", argv, envp, AT_EMPTY_PATH);
  return errno;
}

static int start_template(int stub_fd, int stub_socket) {
  int32_t index = take_space(); /* 0, with area 1 */
  struct space *space = &P.spaces[index];
  sigset_t all, old;
  volatile int error = 0;
  int saved_socket = P.socket_fd;
  P.socket_fd = stub_socket;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pid_t pid = vfork();
  if (pid == 0) {
    error = exec_stub(stub_fd);
    _exit(127);
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  P.socket_fd = saved_socket;
  if (pid < 0) return -errno;
  space->pid = pid;
  space->dead = false;
  if (error != 0) return -error;
  return run_batch(space, 0);
}

void stub_stop(void) {
  for (int32_t i = 0; i < P.space_count; i++)
    if (P.spaces[i].used) doom(&P.spaces[i]);
  for (int32_t i = 0; i < P.space_count; i++)
    if (P.spaces[i].used) wait_dead(&P.spaces[i]);
  P.up = false;
  if (P.pinned >= 0) sched_setaffinity(0, sizeof(P.cpu_set), &P.cpu_set);
  P.pinned = -1;
  if (P.old_sigchld.sa_handler != NULL || (P.old_sigchld.sa_flags & SA_SIGINFO) != 0)
    sigaction(SIGCHLD, &P.old_sigchld, NULL);
  else
    signal(SIGCHLD, SIG_DFL);
  placement_stop();
  int fds[5] = {P.wake_fd, P.done_fd, P.control_fd, P.socket_fd, P.epoll_fd};
  for (int i = 0; i < 5; i++)
    if (fds[i] >= 0) close(fds[i]);
  if (P.control != NULL) munmap(P.control, (size_t)AREA_COUNT * AREA_SIZE);
  free(P.spaces);
  free(P.contexts);
  P.control = NULL;
  P.spaces = NULL;
  P.contexts = NULL;
}

int poller_start(void);

int stub_start(enum kind kind, int stub_fd) {
  /* What JavaScript holds views of lives as long as the process. */
  uint32_t *regs = P.regs;
  int32_t *stopped = P.stopped, *ready = P.ready, *counts = P.counts;
  double *ops = P.ops;
  memset(&P, 0, sizeof(P));
  P.regs = regs;
  P.stopped = stopped;
  P.ready = ready;
  P.counts = counts;
  P.times = counts == NULL ? NULL : (double *)(counts + 4);
  P.ops = ops;
  P.kind = kind;
  P.pinned = -1;
  P.interrupt_retry_ns = INTERRUPT_RETRY_NS;
  P.wake_fd = P.done_fd = P.control_fd = P.socket_fd = P.epoll_fd = -1;
  xstate_probe();
  if (P.fp_size + 4096 > AREA_SIZE - AREA_ALTSTACK || P.fp_size + 4 > AREA_XSAVE_SIZE) return -EOVERFLOW;
  int pair[2];
  if ((P.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0 || (P.done_fd = eventfd(0, EFD_CLOEXEC)) < 0 ||
      (P.control_fd = memfd_create("tsvisor-control", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0 ||
      ftruncate(P.control_fd, (off_t)AREA_COUNT * AREA_SIZE) != 0 ||
      fcntl(P.control_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return -errno;
  P.socket_fd = pair[0];
  P.control =
      mmap(NULL, (size_t)AREA_COUNT * AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, P.control_fd, 0);
  P.spaces = calloc(MAX_SPACES, sizeof(*P.spaces));
  P.contexts = calloc(MAX_CONTEXTS, sizeof(*P.contexts));
  int error = 0;
  if (P.control == MAP_FAILED) {
    error = -errno;
    P.control = NULL;
  } else if (P.spaces == NULL || P.contexts == NULL) {
    error = -ENOMEM;
  }
  if (error == 0) {
    P.area_count = 1;
    P.global = (struct global *)P.control;
    P.global->fp_features = P.xsave ? P.fp_features : 0;
    sched_getaffinity(0, sizeof(P.cpu_set), &P.cpu_set);
    memcpy(P.global->cpus, &P.cpu_set, sizeof(P.global->cpus));
    P.cpus = CPU_COUNT(&P.cpu_set);
    /* Deadlines of guests are ours: the usual slack of 50 us would show in each. */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    error = poller_start();
  }
  if (error == 0) {
    struct sigaction action = {.sa_handler = on_sigchld, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, &P.old_sigchld);
    P.up = true;
    error = start_template(stub_fd, pair[1]);
  }
  close(pair[1]);
  return error;
}

void send_interrupt(int32_t id) {
  if (P.kind == SYSTRAP)
    systrap_interrupt(id);
  else
    ptrace_interrupt(id);
}

/* Threads of kept processes that do not exit, as they were told, lose their process. Whether there are any left to wait for. */
static bool check_kept(uint64_t now) {
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

bool check_interrupts(uint64_t now) {
  bool waiting = P.kept_count > 0 && check_kept(now);
  for (int32_t i = P.running_count - 1; i >= 0; i--) {
    struct context *c = &P.contexts[P.running[i]];
    if (c->interrupt_ns == 0) continue;
    waiting = true;
    if (now - c->interrupt_ns < P.interrupt_retry_ns) continue;
    c->interrupt_ns = now;
    if (++c->interrupt_tries >= INTERRUPT_TRIES)
      doom(&P.spaces[c->space]);
    else
      send_interrupt(P.running[i]);
  }
  return waiting;
}
