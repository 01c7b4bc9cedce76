/*
 * fork: a copy of this process that goes on in new namespaces, set up by a list of steps, with descriptors and an
 * environment of its own. What Node did to start is not done again, and the pages of its heap and code are shared until
 * somebody writes to them.
 *
 * A copy has the calling thread alone. Node's other threads must therefore be idle, without locks and work: V8 is run
 * with --single-threaded. Nothing is left between the copies that one of them could act on the other with: shared
 * mappings are not inherited (the rings of io_uring that libuv makes are such), and descriptors that libuv believes to
 * have become an eventfd that nobody reads.
 */
#include "steps.h"
#include "workers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FDS 256

/* Sorted out before the fork: descriptors that are open, and what the copy gets: from[i] as number to[i], -1: nothing. */
struct descriptors {
  int open[MAX_FDS], open_count;
  int32_t from[MAX_FDS], to[MAX_FDS];
  int count;
};

/*
 * Private memory is inherited, which V8 asks not to be done with its heap (it thinks of children that execute something
 * at once); shared memory is not. 0 or a negative errno.
 */
static int sort_out_memory(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return -errno;
  char line[512];
  int result = 0;
  while (result == 0 && fgets(line, sizeof(line), maps) != NULL) {
    unsigned long start, end;
    char modes[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, modes) != 3) continue;
    if (modes[3] != 's')
      madvise((void *)start, end - start, MADV_DOFORK); /* EINVAL for the kernel's own mappings, which stay as they are */
    else if (modes[1] == 'w' && madvise((void *)start, end - start, MADV_DONTFORK) == -1)
      result = -errno;
  }
  fclose(maps);
  return result;
}

static int list_open(struct descriptors *fds) {
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) return -errno;
  int result = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(dir)) continue;
    if (fds->open_count == MAX_FDS) {
      result = -EMFILE;
      break;
    }
    fds->open[fds->open_count++] = fd;
  }
  closedir(dir);
  return result;
}

static bool is_wanted(const struct descriptors *fds, int fd) {
  for (int i = 0; i < fds->count; i++)
    if (fds->to[i] == fd) return true;
  return false;
}

/* In the copy: see struct descriptors. 0 or a negative errno. */
static int arrange(struct descriptors *fds) {
  int above = 0;
  for (int i = 0; i < fds->count; i++) above = fds->to[i] > above ? fds->to[i] : above;
  for (int i = 0; i < fds->open_count; i++) above = fds->open[i] > above ? fds->open[i] : above;
  above++;
  for (int i = 0; i < fds->count; i++) {
    if (fds->from[i] < 0) continue;
    fds->from[i] = fcntl(fds->from[i], F_DUPFD, above);
    if (fds->from[i] == -1) return -errno;
  }
  int nobody = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (nobody == -1) return -errno;
  for (int i = 0; i < fds->open_count; i++)
    if (!is_wanted(fds, fds->open[i]) && dup3(nobody, fds->open[i], O_CLOEXEC) == -1) return -errno;
  for (int i = 0; i < fds->count; i++)
    if (dup3(fds->from[i] < 0 ? nobody : fds->from[i], fds->to[i], 0) == -1) return -errno;
  return syscall(SYS_close_range, (unsigned)above, ~0U, 0) == -1 ? -errno : 0;
}

/* rt_sigaction's argument as the kernel takes it; libc's function refuses its own signals. */
struct kernel_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

/* Default dispositions, but for SIGPIPE, which Node ignores; nothing is blocked. */
static void reset_signals(void) {
  struct kernel_sigaction action = {NULL, 0, NULL, 0};
  uint64_t none = 0;
  for (int sig = 1; sig <= 64; sig++) {
    action.handler = sig == SIGPIPE ? (void *)SIG_IGN : (void *)SIG_DFL;
    syscall(SYS_rt_sigaction, sig, &action, NULL, sizeof(action.mask));
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* The environment is what the caller was started with: not the copy's business, and legible in its memory. */
static void clear_environment(void) {
  static char *none[1]; /* clearenv leaves NULL, with which libuv cannot do */
  for (char **item = environ; item != NULL && *item != NULL; item++) memset(*item, 0, strlen(*item));
  environ = none;
}

/* In the copy. 0, or a negative errno with *step: the failing one, or the count of steps. */
static int set_up(int flags, const struct steps *steps, struct descriptors *fds, int *step) {
  *step = 0;
  if (unshare(flags & ~CLONE_NEWPID) == -1) return -errno;
  for (size_t i = 0; i < steps->count; i++) {
    *step = (int)i;
    int error = step_perform(&steps->list[i]);
    if (error != 0) return error;
  }
  *step = (int)steps->count;
  return arrange(fds);
}

/*
 * A new pid namespace is one of later children (unshare(2)): the fork's child is its first process, and our later
 * children are to be in the old one again. Returns what fork(2) does, or a negative errno.
 */
static int fork_into(int flags) {
  int own = -1;
  if ((flags & CLONE_NEWPID) != 0) {
    own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own == -1) return -errno;
    if (unshare(CLONE_NEWPID) == -1) {
      int error = -errno;
      close(own);
      return error;
    }
  }
  int pid = fork();
  int error = -errno;
  if (own >= 0) {
    if (pid != 0) setns(own, CLONE_NEWPID);
    close(own);
  }
  return pid == -1 ? error : pid;
}

/*
 * fork(flags, steps, from, to): SpawnResult, twice: pid 0 in the copy, where error and step tell how the steps went (the
 * descriptors are as before when one has failed).
 */
static napi_value js_fork(napi_env env, napi_callback_info info) {
  ARGS(4);
  ARG_U32(flags, 0);
  struct steps steps;
  struct descriptors fds = {.open_count = 0};
  napi_value result = NULL;
  fds.count = get_i32_list(env, argv[2], fds.from, MAX_FDS);
  if (fds.count < 0 || get_i32_list(env, argv[3], fds.to, MAX_FDS) != fds.count)
    return bad_argument(env, 2, "two lists of descriptors");
  if (steps_decode(env, argv[1], &steps)) {
    int error = sort_out_memory();
    if (error == 0) error = list_open(&fds);
    uint64_t all = ~(uint64_t)0, old;
    /* By system call: libc's sigfillset leaves its own signals out. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
    int pid = error < 0 ? error : fork_into((int)flags);
    if (pid == 0) {
      int step;
      reset_signals();
      clear_environment();
      workers_gone();
      error = set_up((int)flags, &steps, &fds, &step);
      result = spawn_result(env, 0, -1, error, step);
    } else {
      int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
      result = pid < 0 ? spawn_result(env, -1, -1, pid, -1) : spawn_result(env, pid, pidfd, 0, -1);
    }
  }
  steps_free(&steps);
  return result;
}

/* exec(argv, envp): execve(2) of argv[0]; returns a negative errno only. */
static napi_value js_exec(napi_env env, napi_callback_info info) {
  ARGS(2);
  char **args = get_strings(env, argv[0]), **envp = get_strings(env, argv[1]);
  napi_value result = NULL;
  if (args == NULL || args[0] == NULL || envp == NULL)
    bad_argument(env, 0, "lists of strings");
  else
    result = ret(env, RESULT(execve(args[0], args, envp)));
  free_strings(args);
  free_strings(envp);
  return result;
}

void fork_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"fork", js_fork},
      {"exec", js_exec},
  };
  DEFINE_METHODS(env, exports, methods);
}
