/** Names of flag bits and constants, for strace lines. */

/** A set of flags: [bit or value, name]; composed ones first. */
export type FlagTable = readonly (readonly [number, string])[];

/** "A|B|0x100"; `zero` when nothing is set. All arithmetic on unsigned 32 bits. */
export function flagNames(value: number, table: FlagTable, zero: string = "0"): string {
  let rest = value >>> 0;
  if (rest === 0) return zero;
  let out = "";
  for (const [bit, name] of table) {
    const b = bit >>> 0;
    if (b === 0 || (rest & b) >>> 0 !== b) continue;
    out += out === "" ? name : `|${name}`;
    rest = (rest & ~b) >>> 0;
  }
  if (rest !== 0) out += `${out === "" ? "" : "|"}0x${rest.toString(16)}`;
  return out;
}

/** The name of a value, or its number. */
export function valueName(value: number, table: FlagTable): string {
  for (const [v, name] of table) if (v === value) return name;
  return String(value);
}

/** "PREFIX_A=1 B=2" -> table. */
function list(prefix: string, text: string): FlagTable {
  return text.split(" ").map((part) => {
    const eq = part.indexOf("=");
    return [Number(part.slice(eq + 1)), prefix + part.slice(0, eq)] as const;
  });
}

export const openFlags: FlagTable = list(
  "O_",
  "TMPFILE=0x410000 SYNC=0x101000 CREAT=0x40 EXCL=0x80 NOCTTY=0x100 TRUNC=0x200 APPEND=0x400 NONBLOCK=0x800 DSYNC=0x1000 " +
    "ASYNC=0x2000 DIRECT=0x4000 LARGEFILE=0x8000 DIRECTORY=0x10000 NOFOLLOW=0x20000 NOATIME=0x40000 CLOEXEC=0x80000 PATH=0x200000",
);
export const accessModes: FlagTable = list("O_", "RDONLY=0 WRONLY=1 RDWR=2");
export const protFlags: FlagTable = list("PROT_", "READ=1 WRITE=2 EXEC=4 GROWSDOWN=0x1000000 GROWSUP=0x2000000");
export const mapFlags: FlagTable = list(
  "MAP_",
  "SHARED_VALIDATE=3 SHARED=1 PRIVATE=2 FIXED=0x10 ANONYMOUS=0x20 32BIT=0x40 GROWSDOWN=0x100 DENYWRITE=0x800 " +
    "EXECUTABLE=0x1000 LOCKED=0x2000 NORESERVE=0x4000 POPULATE=0x8000 NONBLOCK=0x10000 STACK=0x20000 HUGETLB=0x40000 " +
    "FIXED_NOREPLACE=0x100000",
);
export const cloneFlags: FlagTable = list(
  "CLONE_",
  "VM=0x100 FS=0x200 FILES=0x400 SIGHAND=0x800 PIDFD=0x1000 PTRACE=0x2000 VFORK=0x4000 PARENT=0x8000 THREAD=0x10000 " +
    "NEWNS=0x20000 SYSVSEM=0x40000 SETTLS=0x80000 PARENT_SETTID=0x100000 CHILD_CLEARTID=0x200000 DETACHED=0x400000 " +
    "UNTRACED=0x800000 CHILD_SETTID=0x1000000 NEWCGROUP=0x2000000 NEWUTS=0x4000000 NEWIPC=0x8000000 NEWUSER=0x10000000 " +
    "NEWPID=0x20000000 NEWNET=0x40000000 IO=0x80000000",
);
export const atFlags: FlagTable = list(
  "AT_",
  "SYMLINK_NOFOLLOW=0x100 REMOVEDIR=0x200 SYMLINK_FOLLOW=0x400 NO_AUTOMOUNT=0x800 EMPTY_PATH=0x1000",
);
export const accessChecks: FlagTable = list("", "R_OK=4 W_OK=2 X_OK=1");
export const whences: FlagTable = list("SEEK_", "SET=0 CUR=1 END=2 DATA=3 HOLE=4");
export const waitOptions: FlagTable = list(
  "",
  "WNOHANG=1 WUNTRACED=2 WEXITED=4 WCONTINUED=8 WNOWAIT=0x1000000 __WNOTHREAD=0x20000000 __WALL=0x40000000 __WCLONE=0x80000000",
);
export const futexOps: FlagTable = list(
  "FUTEX_",
  "WAIT=0 WAKE=1 FD=2 REQUEUE=3 CMP_REQUEUE=4 WAKE_OP=5 LOCK_PI=6 UNLOCK_PI=7 TRYLOCK_PI=8 WAIT_BITSET=9 WAKE_BITSET=10 " +
    "WAIT_REQUEUE_PI=11 CMP_REQUEUE_PI=12 LOCK_PI2=13",
);
export const clocks: FlagTable = list(
  "CLOCK_",
  "REALTIME=0 MONOTONIC=1 PROCESS_CPUTIME_ID=2 THREAD_CPUTIME_ID=3 MONOTONIC_RAW=4 REALTIME_COARSE=5 MONOTONIC_COARSE=6 " +
    "BOOTTIME=7 REALTIME_ALARM=8 BOOTTIME_ALARM=9 TAI=11",
);
export const maskHows: FlagTable = list("SIG_", "BLOCK=0 UNBLOCK=1 SETMASK=2");
export const madvices: FlagTable = list(
  "MADV_",
  "NORMAL=0 RANDOM=1 SEQUENTIAL=2 WILLNEED=3 DONTNEED=4 FREE=8 REMOVE=9 DONTFORK=10 DOFORK=11 MERGEABLE=12 UNMERGEABLE=13 " +
    "HUGEPAGE=14 NOHUGEPAGE=15 DONTDUMP=16 DODUMP=17 WIPEONFORK=18 KEEPONFORK=19 COLD=20 PAGEOUT=21 POPULATE_READ=22 POPULATE_WRITE=23",
);
export const fcntlCommands: FlagTable = list(
  "F_",
  "DUPFD=0 GETFD=1 SETFD=2 GETFL=3 SETFL=4 GETLK=5 SETLK=6 SETLKW=7 SETOWN=8 GETOWN=9 SETSIG=10 GETSIG=11 SETOWN_EX=15 " +
    "GETOWN_EX=16 OFD_GETLK=36 OFD_SETLK=37 OFD_SETLKW=38 DUPFD_CLOEXEC=1030 SETPIPE_SZ=1031 GETPIPE_SZ=1032 ADD_SEALS=1033 GET_SEALS=1034",
);
export const rlimits: FlagTable = list(
  "RLIMIT_",
  "CPU=0 FSIZE=1 DATA=2 STACK=3 CORE=4 RSS=5 NPROC=6 NOFILE=7 MEMLOCK=8 AS=9 LOCKS=10 SIGPENDING=11 MSGQUEUE=12 NICE=13 RTPRIO=14 RTTIME=15",
);
export const prctls: FlagTable = list(
  "PR_",
  "SET_PDEATHSIG=1 GET_PDEATHSIG=2 GET_DUMPABLE=3 SET_DUMPABLE=4 GET_KEEPCAPS=7 SET_KEEPCAPS=8 SET_NAME=15 GET_NAME=16 " +
    "GET_SECCOMP=21 SET_SECCOMP=22 CAPBSET_READ=23 CAPBSET_DROP=24 GET_SECUREBITS=27 SET_SECUREBITS=28 SET_TIMERSLACK=29 " +
    "GET_TIMERSLACK=30 SET_CHILD_SUBREAPER=36 GET_CHILD_SUBREAPER=37 SET_NO_NEW_PRIVS=38 GET_NO_NEW_PRIVS=39 GET_TID_ADDRESS=40 CAP_AMBIENT=47 SET_VMA=0x53564d41",
);
export const archPrctls: FlagTable = list(
  "ARCH_",
  "SET_GS=0x1001 SET_FS=0x1002 GET_FS=0x1003 GET_GS=0x1004 GET_CPUID=0x1011 SET_CPUID=0x1012",
);
export const itimers: FlagTable = list("ITIMER_", "REAL=0 VIRTUAL=1 PROF=2");
export const families: FlagTable = list("AF_", "UNSPEC=0 UNIX=1 INET=2 INET6=10 NETLINK=16 PACKET=17 VSOCK=40");
export const socketTypes: FlagTable = list("SOCK_", "STREAM=1 DGRAM=2 RAW=3 RDM=4 SEQPACKET=5");
export const epollOps: FlagTable = list("EPOLL_CTL_", "ADD=1 DEL=2 MOD=3");
export const ioctls: FlagTable = list(
  "",
  "TCGETS=0x5401 TCSETS=0x5402 TCSETSW=0x5403 TCSETSF=0x5404 TIOCSCTTY=0x540e TIOCGPGRP=0x540f TIOCSPGRP=0x5410 TIOCGWINSZ=0x5413 " +
    "TIOCSWINSZ=0x5414 FIONREAD=0x541b FIONBIO=0x5421 TIOCNOTTY=0x5422 TIOCGSID=0x5429 FIOCLEX=0x5451 FIONCLEX=0x5450 " +
    "TIOCGPTN=0x80045430 TIOCSPTLCK=0x40045431",
);
export const mremapFlags: FlagTable = list("MREMAP_", "MAYMOVE=1 FIXED=2 DONTUNMAP=4");
