/**
 * The system calls that the gofer needs, each with the reason. The filter is installed on all threads when the code is
 * loaded and the exports are open: what Node needs to start is therefore not here.
 *
 * Its capabilities are GOFER_CAPS of src/host/spawn-steps.ts: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER and FSETID, to
 * act on files of every owner as the guest's root may. SYS_CHROOT is not among them: the root is changed from outside,
 * before the first request.
 *
 * Node is told to be quiet (no inspector, no signal handlers of ours, no file system access of its own), so the list is
 * that of the 9P server plus what V8's own threads do: memory management, futexes, clocks.
 */
import { EPERM } from "../abi/errno.ts";
import { O_NOFOLLOW } from "../abi/fcntl.ts";
import { RET_ERRNO, RET_KILL_PROCESS } from "../host/bpf.ts";
import type { AllowedCall, FilterSpec } from "../host/bpf.ts";
import { RUNTIME_CALLS } from "../host/runtime-policy.ts";

/** The calls of the 9P server on files; the frequent ones first. */
const FILE_CALLS: readonly AllowedCall[] = [
  { call: "close", reason: "fids end" },
  { call: "statx", reason: "attributes of an fd or of a directory's entry" },
  { call: "fstat", reason: "attributes of an fd" },
  { call: "newfstatat", reason: "attributes, where statx is not used" },
  { call: "readlinkat", reason: "targets of symbolic links" },
  { call: "getdents64", reason: "reading directories" },
  { call: "lseek", reason: "rewinding a directory" },
  { call: "pread64", reason: "Tread, for clients without fd passing" },
  { call: "pwrite64", reason: "Twrite, for clients without fd passing" },
  { call: "fcntl", reason: "duplicating descriptors" },
  { call: "fstatfs", reason: "Tstatfs" },
  { call: "ftruncate", reason: "setting sizes" },
  { call: "fallocate", reason: "Tallocate" },
  { call: "fsync", reason: "Tfsync" },
  { call: "fdatasync", reason: "Tfsync of data only" },
  { call: "mkdirat", reason: "making directories" },
  { call: "mknodat", reason: "making FIFOs and sockets; devices fail for want of CAP_MKNOD" },
  { call: "unlinkat", reason: "removing names" },
  { call: "symlinkat", reason: "making symbolic links" },
  { call: "linkat", reason: "making hard links" },
  { call: "renameat", reason: "renaming: the C library's form of renameat2 without flags" },
  { call: "renameat2", reason: "renaming" },
  { call: "fchmod", reason: "mode of a file just made" },
  { call: "fchmodat", reason: "changing modes" },
  { call: "fchmodat2", reason: "the same, of a descriptor" },
  { call: "fchownat", reason: "changing owners" },
  { call: "utimensat", reason: "changing times" },
  { call: "fgetxattr", reason: "extended attributes" },
  { call: "fsetxattr", reason: "extended attributes" },
  { call: "flistxattr", reason: "extended attributes" },
  { call: "listxattr", reason: "whether there are any, by /proc/self/fd/N" },
  { call: "fremovexattr", reason: "extended attributes" },
  { call: "memfd_create", reason: "a file whose reading keeps events apart" },
  { call: "inotify_init1", reason: "a descriptor that tells the Sentry of changes" },
  { call: "inotify_add_watch", reason: "watching directories that the Sentry knows" },
  { call: "inotify_rm_watch", reason: "and no longer" },
];

/** The filter for a server whose /proc/self/fd is `procFd`. */
export function goferFilter(procFd: number): FilterSpec {
  return {
    calls: [
      { call: "ppoll", reason: "waiting for requests" },
      { call: "recvmsg", reason: "requests" },
      { call: "sendmsg", reason: "replies" },
      {
        call: "sched_setaffinity",
        reason: "serving where the Sentry asks",
        when: [[{ arg: 0, is: "eq", value: 0, bits32: true }]],
      },
      {
        call: "openat",
        reason: "lookups, which never follow a link; and /proc/self/fd/N, to open exactly the file that was looked up",
        when: [
          [{ arg: 2, is: "masked", mask: O_NOFOLLOW, value: O_NOFOLLOW, bits32: true }],
          [{ arg: 0, is: "eq", value: procFd, bits32: true }],
        ],
      },
      ...FILE_CALLS,
      ...RUNTIME_CALLS,
    ],
    // An error, not death: V8 tries calls that it can do without.
    otherwise: RET_ERRNO | EPERM,
    wrongArch: RET_KILL_PROCESS,
  };
}
