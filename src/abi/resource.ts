/** Resource limits and usage: getrlimit(2), getrusage(2). */
export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;

/** /proc/PID/oom_score_adj: never killed for lack of memory; the range's other end. */
export const OOM_SCORE_ADJ_MIN: number = -1000;
export const OOM_SCORE_ADJ_MAX = 1000;

/** RLIM_INFINITY inside the kernel (all ones in the ABI). */
export const RLIM_INFINITY: number = Infinity;

/** "RLIMIT_NOFILE"[...]: names without the prefix, as OCI specs (with it) and prlimit(1) print them. */
export const rlimitNames: readonly string[] = [
  "CPU",
  "FSIZE",
  "DATA",
  "STACK",
  "CORE",
  "RSS",
  "NPROC",
  "NOFILE",
  "MEMLOCK",
  "AS",
  "LOCKS",
  "SIGPENDING",
  "MSGQUEUE",
  "NICE",
  "RTPRIO",
  "RTTIME",
];

/** NR_OPEN: no process may raise RLIMIT_NOFILE above it (/proc/sys/fs/nr_open). */
export const NR_OPEN = 1048576;

export const RUSAGE_SELF = 0;
export const RUSAGE_CHILDREN = -1;
export const RUSAGE_THREAD = 1;
/** sizeof(struct rusage) */
export const RUSAGE_SIZE = 144;

export const PRIO_PROCESS = 0;
export const PRIO_PGRP = 1;
export const PRIO_USER = 2;
