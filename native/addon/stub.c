/* The platform's start and end, the template of all stub processes, batches of host calls for their helpers. */
#include "platform.h"
#include "rest.h"

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
#include <time.h>
#include <unistd.h>

struct platform P;

/* Added to the completion eventfd when a child changed state, so that a flush never waits for a dead helper. */
#define CHILD_CHANGED ((uint64_t)1 << 32)

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int futex_wake(uint32_t *word) { return (int)syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0); }

static void on_sigchld(int signo, siginfo_t *info, void *context) {
  (void)signo;
  (void)context;
  int saved = errno;
  uint64_t one = 1, changed = CHILD_CHANGED;
  P.deaths[P.deaths_told % DEATHS] = info->si_pid;
  P.deaths_told = P.deaths_told + 1;
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
  c->left = false;
  words_of(id)[CTX_EVENT] = event;
  P.pending[P.pending_count++] = id;
}

/* --- batches --- */

uint8_t *command_page(const struct space *space) { return P.control + (size_t)space->area * AREA_SIZE; }

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
  wake_all();
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
    if (P.kind == SYSTRAP) reap_space(space);
    if (!space->dead) continue;
    /* It may have finished before it died. */
    value = CHILD_CHANGED;
    if (write(P.done_fd, &value, 8) == 8 && read(P.done_fd, &value, 8) == 8 && (uint32_t)value != 0)
      return 1 - (int)(uint32_t)value;
    return -ESRCH;
  }
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
  born(index, pid);
  if (error != 0) return -error;
  return run_batch(space, 0);
}

/* A table of zeros, most of which is never touched: a mapping of its own, since calloc may have to clear what it gives. */
static void *map_table(size_t size) {
  void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return table == MAP_FAILED ? NULL : table;
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
  rest_stop();
  int fds[5] = {P.wake_fd, P.done_fd, P.control_fd, P.socket_fd, P.epoll_fd};
  for (int i = 0; i < 5; i++)
    if (fds[i] >= 0) close(fds[i]);
  if (P.control != NULL) munmap(P.control, (size_t)AREA_COUNT * AREA_SIZE);
  if (P.spaces != NULL) munmap(P.spaces, sizeof(*P.spaces) * MAX_SPACES);
  if (P.contexts != NULL) munmap(P.contexts, sizeof(*P.contexts) * MAX_CONTEXTS);
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
  memset(P.by_pid, -1, sizeof(P.by_pid));
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
  P.spaces = map_table(sizeof(*P.spaces) * MAX_SPACES);
  P.contexts = map_table(sizeof(*P.contexts) * MAX_CONTEXTS);
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
    if (P.fp_size <= sizeof(P.global->xinit)) xstate_initial(P.global->xinit);
    sched_getaffinity(0, sizeof(P.cpu_set), &P.cpu_set);
    memcpy(P.global->cpus, &P.cpu_set, sizeof(P.global->cpus));
    P.cpus = CPU_COUNT(&P.cpu_set);
    /* Deadlines of guests are ours: the usual slack of 50 us would show in each. */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    error = poller_start();
  }
  if (error == 0) {
    struct sigaction action = {.sa_sigaction = on_sigchld, .sa_flags = SA_RESTART | SA_SIGINFO};
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
