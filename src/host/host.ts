/**
 * The host-call interface: everything that TypeScript may ask of the Linux host, with no policy.
 *
 * `linux.unsafe.ts` implements it on the addon; `fake.ts` is the recording double for unit tests.
 * Conventions: every call is synchronous and returns a value >= 0, or a negative errno. Calls are
 * retried on EINTR inside the addon, unless noted. Paths and names are latin1 strings (one char per
 * byte). Offsets and sizes are i53 numbers. `Uint8Array` arguments are used in place, never copied.
 */

/** Indices into the Float64Array that {@link Host.fstatat} and friends fill (statx(2) fields). */
export const HSTAT_DEV = 0; // makedev-encoded (Linux `dev_t` as glibc encodes it)
export const HSTAT_INO = 1;
export const HSTAT_MODE = 2;
export const HSTAT_NLINK = 3;
export const HSTAT_UID = 4;
export const HSTAT_GID = 5;
export const HSTAT_RDEV = 6;
export const HSTAT_SIZE = 7;
export const HSTAT_BLKSIZE = 8;
export const HSTAT_BLOCKS = 9;
export const HSTAT_ATIME = 10; // seconds
export const HSTAT_ATIME_NS = 11;
export const HSTAT_MTIME = 12;
export const HSTAT_MTIME_NS = 13;
export const HSTAT_CTIME = 14;
export const HSTAT_CTIME_NS = 15;
export const HSTAT_BTIME = 16;
export const HSTAT_BTIME_NS = 17;
export const HSTAT_LEN = 18;

/**
 * A list of byte ranges for vectored I/O: `bufs[i]` from `offs[i]`, `lens[i]` bytes, for i < count.
 * `src/sentry/usermem` has the growing implementation.
 */
export interface IoVec {
  readonly bufs: Uint8Array[];
  readonly offs: number[];
  readonly lens: number[];
  readonly count: number;
}

/**
 * One set-up step of {@link Host.spawn}, run in the child between clone and exec, in order. The
 * child shares the parent's memory until exec (CLONE_VM|CLONE_VFORK), so the addon copies all steps
 * to plain C memory beforehand and allocates nothing afterwards.
 */
export type SpawnStep =
  | { op: "mount"; source: string; target: string; fstype: string; flags: number; data: string }
  | { op: "umount"; target: string; flags: number }
  /** mount_setattr(2): `flags` AT_RECURSIVE ..., `set` and `clear` MOUNT_ATTR_*. */
  | { op: "mount_setattr"; path: string; flags: number; set: number; clear: number }
  | { op: "pivot_root"; newRoot: string; putOld: string }
  | { op: "chroot"; path: string }
  | { op: "chdir"; path: string }
  | { op: "mkdir"; path: string; mode: number; ignoreExists: boolean }
  | { op: "sethostname"; name: string }
  | { op: "unshare"; flags: number }
  | { op: "setns"; fd: number; nstype: number }
  | { op: "prctl"; option: number; arg2: number; arg3: number; arg4: number; arg5: number }
  | { op: "setgroups"; groups: readonly number[] }
  | { op: "setresgid"; gid: number }
  | { op: "setresuid"; uid: number }
  /** Drop the bounding set to `bounding`, then capset the three sets; each is a 64-bit set as lo/hi. */
  | { op: "capset"; effective: CapPair; permitted: CapPair; inheritable: CapPair; ambient: CapPair; bounding: CapPair }
  /** Infinity: no limit. */
  | { op: "setrlimit"; resource: number; soft: number; hard: number }
  | { op: "setsid" }
  | { op: "setpgid" }
  | { op: "ioctl"; fd: number; request: number; arg: number }
  /** Move fd `from` to `to` in the child (dup3); `from === to` clears FD_CLOEXEC. */
  | { op: "dup"; from: number; to: number }
  | { op: "close_range"; first: number; last: number }
  /** One write(2); the file is made (0644) when it is missing. */
  | { op: "writefile"; path: string; text: string }
  /** The mask is emptied before exec in any case; this does it earlier. Dispositions are all default from the start. */
  | { op: "sigmask_empty" }
  /** Install a classic BPF seccomp filter (struct sock_filter array, 8 bytes an entry). */
  | { op: "seccomp"; flags: number; program: Uint8Array }
  | { op: "sched_setaffinity"; cpus: readonly number[] };

/** A 64-bit set as two unsigned 32-bit halves. */
export interface CapPair {
  readonly lo: number;
  readonly hi: number;
}

/** What {@link Host.spawn} starts. */
export interface SpawnProgram {
  /** clone(2) namespace flags (CLONE_NEW*), plus CLONE_PIDFD handled inside. */
  readonly cloneFlags: number;
  readonly steps: readonly SpawnStep[];
  /** Path to execute, or an fd for execveat(AT_EMPTY_PATH) when `execFd >= 0`. */
  readonly exec: string;
  readonly execFd: number;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** Result of {@link Host.spawn}: on failure `error` is a negative errno and `step` the failing step's index (steps.length = exec). */
export interface SpawnResult {
  pid: number;
  pidfd: number;
  error: number;
  step: number;
}

/** Synchronous host calls. All return >= 0 or -errno unless said otherwise. */
export interface Host {
  // --- files ---
  openat(dirfd: number, path: string, flags: number, mode: number): number;
  close(fd: number): number;
  dup(fd: number): number; // F_DUPFD_CLOEXEC
  read(fd: number, buf: Uint8Array, off: number, len: number): number;
  write(fd: number, buf: Uint8Array, off: number, len: number): number;
  pread(fd: number, buf: Uint8Array, off: number, len: number, pos: number): number;
  pwrite(fd: number, buf: Uint8Array, off: number, len: number, pos: number): number;
  /** preadv2/pwritev2; pos -1 = current position; flags RWF_*. */
  readv(fd: number, io: IoVec, pos: number, flags: number): number;
  writev(fd: number, io: IoVec, pos: number, flags: number): number;
  /** statx into `out` (HSTAT_*). flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW ... */
  fstatat(dirfd: number, path: string, flags: number, out: Float64Array): number;
  /** statfs fields into `out`: type bsize blocks bfree bavail files ffree namelen frsize flags. */
  fstatfs(fd: number, out: Float64Array): number;
  readlinkat(dirfd: number, path: string): string | number;
  /** Raw getdents64 records. */
  getdents(fd: number, buf: Uint8Array, off: number, len: number): number;
  /**
   * The next entries of a directory, each but "." and ".." with its attributes as 9P's DirEntryAttr has them. Bytes, or
   * -errno. result[0]: 1 when there was no room for the rest, which the next call gives; result[1]: entries passed.
   * `bareDev` >= 0: only directories have all attributes, other entries have type, that device and inode number.
   */
  readdirAttrs(fd: number, buf: Uint8Array, off: number, len: number, result: Int32Array, bareDev: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  ftruncate(fd: number, size: number): number;
  fallocate(fd: number, mode: number, offset: number, len: number): number;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  syncfs(fd: number): number;
  mkdirat(dirfd: number, path: string, mode: number): number;
  mknodat(dirfd: number, path: string, mode: number, dev: number): number;
  unlinkat(dirfd: number, path: string, flags: number): number;
  symlinkat(target: string, dirfd: number, path: string): number;
  linkat(olddir: number, oldpath: string, newdir: number, newpath: string, flags: number): number;
  renameat2(olddir: number, oldpath: string, newdir: number, newpath: string, flags: number): number;
  /** Attributes as 9P carries them, 108 bytes of `buf` from `off`. flags as fstatat has them. */
  attrAt(dirfd: number, path: string, flags: number, buf: Uint8Array, off: number): number;
  /**
   * renameat2, then the attributes of what has the new name, as attrAt writes them; zeros: nothing has. `mark`: a descriptor from
   * which a byte is read in between, or -1.
   */
  renameAttr(
    olddir: number,
    oldpath: string,
    newdir: number,
    newpath: string,
    flags: number,
    mark: number,
    buf: Uint8Array,
    off: number,
  ): number;
  fchmod(fd: number, mode: number): number;
  /** flags (AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW) need Linux 6.6, else -EOPNOTSUPP. */
  fchmodat(dirfd: number, path: string, mode: number, flags?: number): number;
  fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): number;
  /** nsec may be UTIME_NOW / UTIME_OMIT. */
  utimensat(
    dirfd: number,
    path: string,
    atime: number,
    atimeNs: number,
    mtime: number,
    mtimeNs: number,
    flags: number,
  ): number;
  fgetxattr(fd: number, name: string, buf: Uint8Array): number;
  fsetxattr(fd: number, name: string, buf: Uint8Array, len: number, flags: number): number;
  flistxattr(fd: number, buf: Uint8Array): number;
  listxattr(path: string, buf: Uint8Array): number;
  fremovexattr(fd: number, name: string): number;
  /** inotify_init1(IN_NONBLOCK | IN_CLOEXEC). */
  inotifyInit(): number;
  inotifyAddWatch(fd: number, path: string, mask: number): number;
  inotifyRmWatch(fd: number, wd: number): number;
  flock(fd: number, op: number): number;
  fcntlGetfl(fd: number): number;
  fcntlSetfl(fd: number, flags: number): number;
  setCloexec(fd: number, on: boolean): number;
  /** ioctl whose argument is a buffer. */
  ioctlBuf(fd: number, request: number, buf: Uint8Array): number;
  ioctlInt(fd: number, request: number, arg: number): number;
  memfdCreate(name: string, flags: number): number;
  /** F_ADD_SEALS. */
  addSeals(fd: number, seals: number): number;

  // --- memory ---
  /**
   * mmap `len` bytes of `fd` shared, read-write, as one ArrayBuffer (MAP_NORESERVE); up to 1 TiB. The mapping lives
   * until {@link Host.unmapWindow} detaches it.
   */
  mapWindow(fd: number, len: number): ArrayBuffer | number;
  unmapWindow(window: ArrayBuffer): number;
  /** MADV_HUGEPAGE for part of a window. */
  adviseHuge(window: ArrayBuffer, offset: number, len: number): number;
  /** memmove between arrays, for long ones. */
  copyBytes(dst: Uint8Array, dstOff: number, src: Uint8Array, srcOff: number, len: number): void;
  /** Fills part of an ArrayBuffer that is no window with zeros, giving its memory back as far as it covers whole pages. 0 or -errno. */
  forget(buffer: ArrayBuffer, offset: number, len: number): number;

  // --- sockets, pipes, events ---
  socketpair(domain: number, type: number): [number, number] | number;
  pipe2(flags: number): [number, number] | number;
  eventfd(initial: number, flags: number): number;
  /** Connect/bind/listen/accept on AF_UNIX path sockets. */
  unixConnect(path: string, type: number): number;
  unixListen(path: string, type: number, backlog: number): number;
  accept(fd: number, flags: number): number;
  /** sendmsg with SCM_RIGHTS `fds`; returns bytes sent. */
  sendmsg(fd: number, buf: Uint8Array, off: number, len: number, fds: readonly number[], flags: number): number;
  /**
   * recvmsg; received fds (CLOEXEC) are put into `fdsOut` from 0, its [FDS_MAX] element gets the count. -EMSGSIZE: there
   * were more than FDS_MAX, all of them were closed.
   */
  recvmsg(fd: number, buf: Uint8Array, off: number, len: number, fdsOut: Int32Array, flags: number): number;
  /** Sends a byte, and a descriptor with it. 0 or -errno. */
  sendFd(socket: number, fd: number): number;
  /** Takes what sendFd sent: the descriptor (CLOEXEC). -EBADMSG: it was something else. */
  recvFd(socket: number): number;
  shutdown(fd: number, how: number): number;
  /**
   * Sends a request through shared memory and waits for the reply, its length; `CHANNEL_HAS_FD` of the header then tells
   * whether a descriptor comes on the connection's socket. -EAGAIN: nobody waits for requests here; -ETIMEDOUT: no reply
   * within `waitNs`, a call with `len` 0 waits on. native/addon/channel.c says more.
   */
  channelRequest(
    memory: Uint8Array,
    connection: number,
    request: Uint8Array,
    len: number,
    reply: Uint8Array,
    waitNs: number,
  ): number;
  /** From now on requests may come through `memory`: who says so waits for them by channelNext. 0 or -errno. */
  channelOpen(memory: Uint8Array): number;
  /** Gives `len` bytes of reply, if any, and waits for the next request: its length, or 0: none came. */
  channelNext(memory: Uint8Array, reply: Uint8Array, len: number, request: Uint8Array, waitNs: number): number;
  /** poll(2) over `n` triples fd,events,revents in `set`. timeoutMs -1 = for ever. EINTR is returned. */
  poll(set: Int32Array, n: number, timeoutMs: number): number;

  // --- processes ---
  /**
   * Gives memory back that a resting process does not need: pages of code, which can be read again, and, from the second call on,
   * garbage. A collection takes some 50 ms, and is made when there may be 8 MiB of it.
   */
  trim(): void;
  /** Much of what was alive is garbage now: collects it soon, however little has been added. */
  collectSoon(): void;
  spawn(program: SpawnProgram): SpawnResult;
  /**
   * fork(2) into new namespaces (`flags`: CLONE_NEW*), returning twice: with pid 0 in the copy, after the steps and with
   * `from[i]` as descriptor `to[i]` (-1: one that is good for nothing) and no other, an empty environment and default signals; `error` and `step`
   * tell of the step that failed (then descriptors are as before). At once in the parent. For a process without threads at
   * work: Node with --single-threaded.
   */
  fork(flags: number, steps: readonly SpawnStep[], from: readonly number[], to: readonly number[]): SpawnResult;
  /** execve(2) of `argv[0]`. Returns only when that failed: -errno. */
  exec(argv: readonly string[], envp: readonly string[]): number;
  /** Performs the steps in a child that exits after them; waits for that. `pid` and `pidfd` of the result are -1. */
  runSteps(cloneFlags: number, steps: readonly SpawnStep[]): SpawnResult;
  /** waitid(P_PIDFD/P_PID...) wrapper: wait4(pid, options). Returns pid (0 with WNOHANG and none); status in out[0]. */
  wait4(pid: number, options: number, out: Int32Array): number;
  kill(pid: number, sig: number): number;
  pidfdSendSignal(pidfd: number, sig: number): number;
  pidfdOpen(pid: number): number;
  getpid(): number;
  /** _exit(2): ends the process at once, without Node's teardown. */
  exitNow(status: number): never;
  /** Self: prctl(2) with integer arguments. */
  prctl(option: number, arg2: number, arg3: number, arg4: number, arg5: number): number;
  setrlimit(resource: number, soft: number, hard: number): number;
  getrlimit(resource: number, out: Float64Array): number; // Infinity for RLIM_INFINITY
  /** Install a seccomp filter on every thread of this process (SECCOMP_FILTER_FLAG_TSYNC). */
  seccompTsync(program: Uint8Array): number;
  /** Block or observe signals: fd that reads as one byte per arrived signal (self-pipe, async-signal-safe handler). */
  signalPipe(signals: readonly number[]): number;
  /** Ignore a signal, or give it its default action. */
  ignoreSignal(sig: number, ignore: boolean): number;
  mount(source: string, target: string, fstype: string, flags: number, data: string): number;
  umount2(target: string, flags: number): number;
  schedSetaffinity(tid: number, cpus: readonly number[]): number;
  sysinfoTotalRam(): number;
  cpuCount(): number;

  // --- clocks ---
  /** Nanoseconds of a host clock, i53; the real-time clock's are rounded to 256 (tscSample has them exactly). */
  clockNs(clock: number): number;
  /**
   * [tsc lo, tsc hi, monotonic ns lo, hi, realtime ns lo, hi] taken together, for calibration. Returns how many TSC ticks
   * they may be apart.
   */
  tscSample(out: Uint32Array): number;
  getrandom(buf: Uint8Array, off: number, len: number): number;

  // --- terminals ---
  /** termios as the kernel's struct termios2 (TCGETS2/TCSETS2): {@link TERMIOS_LEN} bytes. */
  tcgets(fd: number, buf: Uint8Array): number;
  tcsets(fd: number, buf: Uint8Array): number;
  isatty(fd: number): boolean;
}

/** Bytes of struct termios2. */
export const TERMIOS_LEN = 44;

/** Most fds one message carries (SCM_MAX_FD is 253; ours is smaller). */
export const FDS_MAX = 64;

/** Indices into the 32-bit words of a channel's memory: which connection a request is for; whether a descriptor comes along. */
export const CHANNEL_CONNECTION = 1;
export const CHANNEL_HAS_FD = 2;
/** Bytes in front of a channel's message. */
export const CHANNEL_HEADER = 64;
