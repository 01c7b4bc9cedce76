/**
 * The system calls of Node itself, for the filters of our processes: what V8's threads and libuv do in a process whose
 * code is loaded and that runs one synchronous loop.
 */
import type { AllowedCall } from "./bpf.ts";

/** Each with its reason. */
export const RUNTIME_CALLS: readonly AllowedCall[] = [
  { call: "futex", reason: "V8's worker threads" },
  { call: "rseq", reason: "a worker thread that is just starting" },
  { call: "set_robust_list", reason: "a worker thread that is just starting" },
  { call: "prctl", reason: "a worker thread that is just starting sets its name" },
  { call: "sched_getaffinity", reason: "a worker thread that is just starting asks for its stack" },
  { call: "mmap", reason: "V8's heap and code" },
  { call: "munmap", reason: "V8's heap and code" },
  { call: "mprotect", reason: "V8's code" },
  { call: "madvise", reason: "V8 gives free pages back" },
  { call: "mremap", reason: "realloc of large blocks" },
  { call: "brk", reason: "malloc" },
  { call: "pkey_mprotect", reason: "V8's code" },
  { call: "clock_gettime", reason: "when the vDSO cannot answer" },
  { call: "gettimeofday", reason: "when the vDSO cannot answer" },
  { call: "clock_nanosleep", reason: "V8's worker threads" },
  { call: "sched_yield", reason: "V8's locks" },
  { call: "sched_getscheduler", reason: "V8's locks, before they sleep" },
  { call: "sched_getparam", reason: "V8's locks, before they sleep" },
  { call: "getpid", reason: "libuv" },
  { call: "gettid", reason: "libuv" },
  { call: "getrandom", reason: "hash seeds" },
  { call: "rt_sigprocmask", reason: "threads and exit" },
  { call: "rt_sigreturn", reason: "return from a signal handler" },
  { call: "rt_sigaction", reason: "restoring handlers at exit" },
  { call: "sigaltstack", reason: "exit" },
  { call: "restart_syscall", reason: "sleeps that a signal interrupted" },
  { call: "epoll_pwait", reason: "libuv's loop, before and after serving" },
  { call: "epoll_ctl", reason: "libuv's loop" },
  { call: "epoll_wait", reason: "libuv's loop" },
  { call: "read", reason: "libuv's wake-up descriptors" },
  { call: "write", reason: "libuv's wake-up descriptors, and messages on stderr" },
  { call: "writev", reason: "messages on stderr" },
  { call: "tgkill", reason: "abort; interrupting a guest thread" },
  { call: "exit", reason: "end of a thread" },
  { call: "exit_group", reason: "end of the process" },
];
