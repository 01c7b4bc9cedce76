/*
 * spawn: a new process in new namespaces, set up by a list of steps, then exec.
 *
 * The child is made with CLONE_VM|CLONE_VFORK: it runs on a stack of its own in the parent's memory while the calling
 * thread waits, so that nothing is copied however large the parent is, and it can tell its failure by writing to
 * memory. The parent's other threads run on; therefore the child makes system calls only (steps.c) and touches nothing
 * else. Signals are blocked around it, so that no handler of the parent runs in the child.
 */
#include "steps.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* execveat's small needs, glibc's prctl and mount wrappers, and room. */
#define STACK_LEN (64 << 10)

struct child {
  const struct steps *steps;
  const char *exec; /* NULL: execute exec_fd */
  int exec_fd;      /* -1 with exec NULL: do not execute, exit */
  char **argv;
  char **envp;
  volatile int error; /* negative errno of the step that failed */
  volatile int step;  /* the step under way; steps->count: exec */
};

/* rt_sigaction's argument as the kernel takes it; all zero is SIG_DFL. */
struct kernel_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

static int child_main(void *arg) {
  struct child *child = arg;
  /* Every disposition to its default, the ignored ones as well; the table is the child's own (no CLONE_SIGHAND). */
  struct kernel_sigaction fresh;
  memset(&fresh, 0, sizeof(fresh));
  for (int sig = 1; sig <= 64; sig++) syscall(SYS_rt_sigaction, sig, &fresh, NULL, sizeof(fresh.mask));
  for (size_t i = 0; i < child->steps->count; i++) {
    child->step = (int)i;
    int error = step_perform(&child->steps->list[i]);
    if (error != 0) {
      child->error = error;
      _exit(127);
    }
  }
  child->step = (int)child->steps->count;
  if (child->exec == NULL && child->exec_fd < 0) _exit(0);
  uint64_t none = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
  if (child->exec != NULL)
    syscall(SYS_execve, child->exec, child->argv, child->envp);
  else
    syscall(SYS_execveat, child->exec_fd, "", child->argv, child->envp, AT_EMPTY_PATH);
  child->error = -errno;
  _exit(127);
}

/* Clones and runs `child`; returns the pid and sets *pidfd, or a negative errno (then nothing was made). */
static int run_child(struct child *child, int flags, int exit_signal, int *pidfd) {
  void *stack = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  /* By system call: libc's sigfillset leaves its own signals out. */
  uint64_t all = ~(uint64_t)0, old;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
  int pid = clone(child_main, (char *)stack + STACK_LEN, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | flags | exit_signal,
                  child, pidfd);
  int error = pid < 0 ? -errno : 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
  munmap(stack, STACK_LEN);
  return pid < 0 ? error : pid;
}

static void reap(int pid) {
  while (waitpid(pid, NULL, __WALL) == -1 && errno == EINTR) continue;
}

static char **member_strings(napi_env env, napi_value object, const char *name) {
  napi_value array;
  return member(env, object, name, &array) ? get_strings(env, array) : NULL;
}

/* spawn(program): SpawnResult. Returns when the child has executed its program or failed. */
static napi_value js_spawn(napi_env env, napi_callback_info info) {
  ARGS(1);
  napi_value program = argv[0], value;
  uint32_t flags;
  struct child child = {.exec_fd = -1};
  struct steps steps = {NULL, 0};
  char *exec = NULL;
  napi_value result = NULL;
  if (!member_u32(env, program, "cloneFlags", &flags) || !member_i32(env, program, "execFd", &child.exec_fd) ||
      !member(env, program, "exec", &value) || get_latin1_alloc(env, value, &exec) < 0)
    return bad_argument(env, 0, "a SpawnProgram (cloneFlags, exec, execFd)");
  child.argv = member_strings(env, program, "argv");
  child.envp = member_strings(env, program, "envp");
  child.steps = &steps;
  child.exec = child.exec_fd >= 0 ? NULL : exec;
  if (child.argv == NULL || child.envp == NULL) {
    bad_argument(env, 0, "a SpawnProgram (argv, envp)");
  } else if (member(env, program, "steps", &value) && steps_decode(env, value, &steps)) {
    int pidfd = -1;
    int pid = run_child(&child, (int)flags, SIGCHLD, &pidfd);
    if (pid < 0) {
      result = spawn_result(env, -1, -1, pid, -1);
    } else if (child.error != 0) {
      reap(pid);
      close(pidfd);
      result = spawn_result(env, -1, -1, child.error, child.step);
    } else {
      result = spawn_result(env, pid, pidfd, 0, (int)steps.count);
    }
  }
  steps_free(&steps);
  free_strings(child.argv);
  free_strings(child.envp);
  free(exec);
  return result;
}

/*
 * runSteps(cloneFlags, steps): SpawnResult with pid and pidfd -1. Performs the steps in a child that exits after them,
 * and waits for its end.
 */
static napi_value js_run_steps(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_U32(flags, 0);
  struct steps steps;
  napi_value result = NULL;
  if (steps_decode(env, argv[1], &steps)) {
    struct child child = {.steps = &steps, .exec_fd = -1};
    int pidfd = -1;
    int pid = run_child(&child, (int)flags, 0, &pidfd);
    if (pid < 0) {
      result = spawn_result(env, -1, -1, pid, -1);
    } else {
      reap(pid);
      close(pidfd);
      result = spawn_result(env, -1, -1, child.error, child.step);
    }
  }
  steps_free(&steps);
  return result;
}

void spawn_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"spawn", js_spawn},
      {"runSteps", js_run_steps},
  };
  DEFINE_METHODS(env, exports, methods);
}
