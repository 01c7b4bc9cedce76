/**
 * What the Sentry may ask of the host once its code is loaded, the platform runs and its files are connected: each call
 * with its reason. Nothing here opens a path, makes a socket or starts a program.
 */
import { EPERM } from "../abi/errno.ts";
import { RET_ERRNO, RET_KILL_PROCESS } from "../host/bpf.ts";
import type { AllowedCall, FilterSpec } from "../host/bpf.ts";
import { RUNTIME_CALLS } from "../host/runtime-policy.ts";

/** Running guest threads. */
const PLATFORM_CALLS: readonly AllowedCall[] = [
  { call: "epoll_pwait2", reason: "waiting for guest threads and host fds" },
  { call: "timerfd_settime", reason: "noticing that nothing happens" },
  { call: "kill", reason: "ending a stub process" },
  { call: "wait4", reason: "reaping stub processes" },
  { call: "waitid", reason: "reaping stub processes" },
  { call: "sched_setaffinity", reason: "keeping Sentry and helper on one CPU" },
  { call: "nanosleep", reason: "waiting for a stub that is being ended" },
];

/** Only with the ptrace platform. */
const PTRACE_CALLS: readonly AllowedCall[] = [{ call: "ptrace", reason: "guest threads are traced" }];

/** Files: those the gofer donated, standard streams, the memory file. */
const FILE_CALLS: readonly AllowedCall[] = [
  { call: "sendmsg", reason: "requests to the gofer; donating fds to the stubs" },
  { call: "recvmsg", reason: "replies of the gofer, with fds" },
  { call: "shutdown", reason: "standard streams that are sockets" },
  { call: "close", reason: "donated fds end" },
  { call: "preadv2", reason: "reading donated files and standard input" },
  { call: "pwritev2", reason: "writing donated files and standard output" },
  { call: "preadv", reason: "the same" },
  { call: "pwritev", reason: "the same" },
  { call: "readv", reason: "the same" },
  { call: "pread64", reason: "pages of donated files" },
  { call: "pwrite64", reason: "pages of shared mappings" },
  { call: "fallocate", reason: "memory given back; fallocate(2) of the guest" },
  { call: "ftruncate", reason: "truncate(2) of the guest" },
  { call: "lseek", reason: "holes of files; the position of standard streams" },
  { call: "fsync", reason: "fsync(2) of the guest" },
  { call: "fdatasync", reason: "fdatasync(2) of the guest" },
  {
    call: "statx",
    reason: "attributes of donated fds",
    when: [[{ arg: 2, is: "masked", mask: 0x1000, value: 0x1000, bits32: true }]],
  },
  { call: "fcntl", reason: "flags and duplicates of donated fds" },
  { call: "ioctl", reason: "FIONREAD; size and settings of the host's terminal" },
  { call: "ppoll", reason: "readiness of standard streams" },
  { call: "poll", reason: "readiness of standard streams" },
];

/** See the header. */
export function sentryFilter(platform: "systrap" | "ptrace" | "kvm"): FilterSpec {
  return {
    calls: [...PLATFORM_CALLS, ...FILE_CALLS, ...(platform === "ptrace" ? PTRACE_CALLS : []), ...RUNTIME_CALLS],
    // An error, not death: V8 tries calls that it can do without.
    otherwise: RET_ERRNO | EPERM,
    wrongArch: RET_KILL_PROCESS,
  };
}
