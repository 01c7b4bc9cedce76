/* Processes and the own process: wait, signals, limits, seccomp, mounts, CPUs. */
#include "addon.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static napi_value js_wait4(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(pid, 0);
  ARG_I32(options, 1);
  ARG_I32S(out, 2);
  if (out_len < 1) return bad_range(env);
  int status = 0;
  int64_t result = RETRY(wait4(pid, &status, options, NULL));
  out[0] = status;
  return ret(env, result);
}

static napi_value js_kill(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(pid, 0);
  ARG_I32(sig, 1);
  return ret(env, RESULT(kill(pid, sig)));
}

static napi_value js_pidfd_send_signal(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(pidfd, 0);
  ARG_I32(sig, 1);
  return ret(env, RESULT(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0)));
}

static napi_value js_pidfd_open(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(pid, 0);
  return ret(env, RESULT(syscall(SYS_pidfd_open, pid, 0)));
}

static napi_value js_getpid(napi_env env, napi_callback_info info) {
  (void)info;
  return ret(env, getpid());
}

/* _exit(2): at once, without Node's teardown, which may make system calls that a filter no longer allows. */
static napi_value js_exit_now(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_I32(status, 0);
  _exit(status);
}

static napi_value js_prctl(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_I32(option, 0);
  ARG_I64(arg2, 1);
  ARG_I64(arg3, 2);
  ARG_I64(arg4, 3);
  ARG_I64(arg5, 4);
  return ret(env, RESULT(prctl(option, (unsigned long)arg2, (unsigned long)arg3, (unsigned long)arg4,
                               (unsigned long)arg5)));
}

/* Infinity is RLIM_INFINITY, both ways. */
static rlim_t limit_of(double value) { return isfinite(value) && value < 0x1p63 ? (rlim_t)value : RLIM_INFINITY; }

static napi_value js_setrlimit(napi_env env, napi_callback_info info) {
  ARGS(3);
  ARG_I32(resource, 0);
  ARG_F64(soft, 1);
  ARG_F64(hard, 2);
  if (!(soft >= 0 && hard >= 0)) return ret(env, -EINVAL);
  struct rlimit limit = {.rlim_cur = limit_of(soft), .rlim_max = limit_of(hard)};
  return ret(env, RESULT(setrlimit((__rlimit_resource_t)resource, &limit)));
}

static napi_value js_getrlimit(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(resource, 0);
  ARG_F64S(out, 1);
  if (out_len < 2) return bad_range(env);
  struct rlimit limit;
  int64_t result = RESULT(getrlimit((__rlimit_resource_t)resource, &limit));
  if (result < 0) return ret(env, result);
  out[0] = limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
  out[1] = limit.rlim_max == RLIM_INFINITY ? INFINITY : (double)limit.rlim_max;
  return ret(env, 0);
}

/*
 * Puts the filter on all threads. Needs no_new_privs or CAP_SYS_ADMIN. When a thread cannot take it (it has a filter
 * that is no ancestor of the caller's), nothing is changed and the result is -ESRCH.
 */
static napi_value js_seccomp_tsync(napi_env env, napi_callback_info info) {
  ARGS(1);
  ARG_U8S(program, 0);
  size_t count = program_len / sizeof(struct sock_filter);
  if (count == 0 || program_len % sizeof(struct sock_filter) != 0 || count > BPF_MAXINSNS) return ret(env, -EINVAL);
  struct sock_fprog filter = {.len = (unsigned short)count, .filter = (struct sock_filter *)program};
  int64_t result = RESULT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter));
  return ret(env, result > 0 ? -ESRCH : result);
}

/* --- signals through a pipe --- */

/* Write end for each signal, plus one; 0: not observed. Never closed: a handler may be about to use it. */
static volatile int signal_fds[65];

static void on_signal(int sig) {
  int error = errno;
  unsigned char byte = (unsigned char)sig;
  /* A full pipe loses the signal; the reader has 64 Ki others to look at. */
  if (write(signal_fds[sig] - 1, &byte, 1) == -1) errno = error;
  errno = error;
}

/*
 * A handler for each of the signals, and the read end of the pipe it writes the signal's number to, one byte a signal.
 * Both ends are non-blocking. The signals are unblocked for the calling thread. (Not a signalfd: that needs the signals
 * blocked in every thread, and Node empties the mask at its start.)
 */
static napi_value js_signal_pipe(napi_env env, napi_callback_info info) {
  ARGS(1);
  int32_t signals[64];
  int count = get_i32_list(env, argv[0], signals, 64);
  if (count == -EFAULT) return bad_argument(env, 0, "an array of numbers");
  if (count < 0) return ret(env, count);
  for (int i = 0; i < count; i++)
    if (signals[i] < 1 || signals[i] > 64 || signals[i] == SIGKILL || signals[i] == SIGSTOP) return ret(env, -EINVAL);
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) return ret(env, -errno);
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) {
    signal_fds[signals[i]] = fds[1] + 1;
    sigaction(signals[i], &action, NULL);
    sigaddset(&set, signals[i]);
  }
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return ret(env, fds[0]);
}

/* Ignores a signal (true) or gives it its default action (false). */
static napi_value js_ignore_signal(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(sig, 0);
  ARG_BOOL(ignore, 1);
  return ret(env, signal(sig, ignore ? SIG_IGN : SIG_DFL) == SIG_ERR ? -errno : 0);
}

/* --- mounts --- */

static const char *or_null(const char *string) { return string[0] == 0 ? NULL : string; }

static napi_value js_mount(napi_env env, napi_callback_info info) {
  ARGS(5);
  ARG_PATH(source, 0);
  ARG_PATH(target, 1);
  ARG_PATH(fstype, 2);
  ARG_I64(flags, 3);
  ARG_PATH(data, 4);
  return ret(env, RESULT(mount(or_null(source), target, or_null(fstype), (unsigned long)flags, or_null(data))));
}

static napi_value js_umount2(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_PATH(target, 0);
  ARG_I32(flags, 1);
  return ret(env, RESULT(umount2(target, flags)));
}

/* --- CPUs and memory --- */

static napi_value js_sched_setaffinity(napi_env env, napi_callback_info info) {
  ARGS(2);
  ARG_I32(tid, 0);
  int32_t cpus[CPU_SETSIZE];
  int count = get_i32_list(env, argv[1], cpus, CPU_SETSIZE);
  if (count == -EFAULT) return bad_argument(env, 1, "an array of numbers");
  if (count < 0) return ret(env, count);
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; i++) {
    if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE) return ret(env, -EINVAL);
    CPU_SET(cpus[i], &set);
  }
  return ret(env, RESULT(sched_setaffinity(tid, sizeof(set), &set)));
}

/* How many CPUs this thread may run on. */
static napi_value js_cpu_count(napi_env env, napi_callback_info info) {
  (void)info;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == -1) return ret(env, sysconf(_SC_NPROCESSORS_ONLN));
  return ret(env, CPU_COUNT(&set));
}

static napi_value js_sysinfo_total_ram(napi_env env, napi_callback_info info) {
  (void)info;
  struct sysinfo si;
  if (sysinfo(&si) == -1) return ret(env, -errno);
  return ret(env, (int64_t)si.totalram * si.mem_unit);
}

void proc_register(napi_env env, napi_value exports) {
  static const struct method methods[] = {
      {"wait4", js_wait4},
      {"kill", js_kill},
      {"pidfdSendSignal", js_pidfd_send_signal},
      {"pidfdOpen", js_pidfd_open},
      {"exitNow", js_exit_now},
      {"getpid", js_getpid},
      {"prctl", js_prctl},
      {"setrlimit", js_setrlimit},
      {"getrlimit", js_getrlimit},
      {"seccompTsync", js_seccomp_tsync},
      {"signalPipe", js_signal_pipe},
      {"ignoreSignal", js_ignore_signal},
      {"mount", js_mount},
      {"umount2", js_umount2},
      {"schedSetaffinity", js_sched_setaffinity},
      {"cpuCount", js_cpu_count},
      {"sysinfoTotalRam", js_sysinfo_total_ram},
  };
  DEFINE_METHODS(env, exports, methods);
}
