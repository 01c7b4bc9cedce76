/** More operations of the fuzzer: System V IPC and message queues, /proc, limits, timers, options of sockets, mounts. */
import fc from "fast-check";
import { at, bits, fd, kind, mode, name, number, openFlags, page, path, signal, some, uid, unite } from "./draw.ts";
import type { Argument, Kind } from "./draw.ts";

const slot: Argument = fc.integer({ min: 0, max: 3 });
const key: Argument = some(0, 1, 2, 1);
const create: Argument = some(0o1644, 0o1600, 0o3666, 0o1000, 0, 0o1400, 0o3644, 0o600);
const ipcCommand: Argument = some(2, 0, 1);
const semaphore: Argument = some(0, 1, 2, -1, 3, 20);
const change: Argument = some(1, -1, 0, 2, -3, 32767, 100);
const semFlags: Argument = some(0, 0x1000);

export const ipcOperations: readonly Kind[] = [
  kind("shmget", 4, slot, key, some(4096, 8192, 100, 0, 5000, 65536), create),
  kind("shmat", 5, slot, page, some(0, 0, 0, 100), bits(0o10000, 0o20000, 0o40000, 0o100000)),
  kind("shmdt", 3, page, some(0, 0, 0, 100)),
  kind("shmctl", 4, slot, some(2, 2, 0, 1, 11, 12, 9), mode, uid),
  kind("semget", 4, slot, key, some(3, 1, 0, 20, 250, -1), create),
  kind("semop", 6, slot, semaphore, change, semFlags),
  kind("semop", 4, slot, semaphore, change, semFlags, semaphore, change, semFlags),
  kind("semop", 2, slot, semaphore, change, semFlags, semaphore, change, semFlags, semaphore, change, semFlags),
  kind(
    "semctl",
    8,
    slot,
    semaphore,
    some(12, 13, 16, 17, 11, 14, 15, 2, 0, 1, 9),
    some(1, 0, 5, 32767, 32768, -1),
    mode,
    uid,
  ),
  kind("msgget", 4, slot, key, create),
  kind("msgsnd", 6, slot, some(1, 2, 3, 0, -1), some(10, 0, 100, 8192, 8193, 1), bits(0o4000), number),
  kind("msgrcv", 6, slot, some(8192, 10, 100, 0, 8193), some(0, 1, 2, -2, -1, 3), bits(0o10000, 0o20000, 0o40000)),
  kind("msgctl", 3, slot, ipcCommand, some(1000, 0, 16384, 100), mode, uid),
  kind("mqopen", 4, name, some(0o102, 2, 0, 1, 0o302, 0o100), mode, some(0, 3, 1, 10), some(100, 8192, 1, 0)),
  kind("mqunlink", 1, name),
  kind("mqsend", 5, fd, some(10, 100, 0, 101, 8192), some(0, 1, 2, 32767, 32768), number),
  kind("mqreceive", 4, fd, some(8192, 100, 99, 0)),
  kind("mqattr", 2, fd, some(0, 1), bits(0o4000, 1)),
  kind("mqnotify", 2, fd, some(0, 1, -1, 5), signal),
  kind("fork", 2, some(2, 4, 1), some(0), some(0)),
  kind("setresuid", 1, some(-1), some(1000, 0), some(-1)),
  kind("peek", 2, page, some(1, 2, 4)),
  kind("poke", 2, page, some(0, 100), some(1, 10, 4096), number),
  kind("poll", 1, fd, some(5, 1), fd, some(5, 1)),
  kind("sigpending", 1),
];

export const procOperations: readonly Kind[] = [
  kind("fdlink", 4, fd),
  kind("placelink", 1, some(0, 1)),
  kind("reopen", 5, fd, openFlags),
  kind("linkfd", 3, fd, path, some(0x400, 0x400, 0)),
  kind("byname", 3, fd, some(0, 1, 2, 3), mode),
  kind("fdinfo", 3, fd),
  kind("status", 2),
  kind("comm", 1, some(0, 1), some("a", "abc", "%20", "aaaaaaaaaaaaaaaaaaaaaaaa", "a(b")),
  kind("execfile", 2, at, path, some(0, 0x100, 0x1000, 0x200)),
  kind("kcmp", 1, some(0, 1, 2, 9), fd, fd),
  kind("chroot", 1, path),
  kind("unshare", 1, bits(0x200, 0x400, 0x10000, 0x800, 0x100)),
  kind("capset", 1, some(-1, 0, 1, 2, 64, 128, 255), some(-1, 255, 1, 0), some(0, 1, -1)),
  kind("prlimit", 1, fc.integer({ min: 0, max: 8 }), some(1, 0, 100, 65536, 4096, -1), some(100, 65536, 1000000, 0)),
  kind("setgid", 1, some(0, 1, 2, 3), uid, uid),
  kind("owner", 3, fd, some(8, 9, 10, 11, 15, 16), some(0, 1, 10, 34)),
  kind("async", 2, fd, some(1, 0)),
  kind("fcntl", 2, fd, fc.constant(4), some(0o20000, 0o24000, 0)),
  kind("sigprocmask", 2, some(0, 1), some("0x200", "0x10000000", "0x200000000", -1)),
  kind("sigpending", 2),
  kind("pidfd", 2, some(-1, 0, 1), some(0, 0, 0o4000, 1)),
  kind("pidfdsignal", 1, fd, some(0, 23, 28, 65, -1), some(0, 0, 8)),
  kind("pidfdget", 1, fd, fd, some(0, 0, 1)),
  kind("pidfdwait", 2, fd, some(4, 2, 8, 14, 0x1000004)),
  kind("spawn", 1, some(0, 1)),
  kind("kill", 1, some(0, 1), some(9, 19, 18, 15)),
  kind("groups", 1, some(-1, 0, 1)),
  kind("schedule", 1, fc.integer({ min: 0, max: 6 }), some(0, 1, 3, 5, 2, 9), some(0, 1, 7, 20)),
];

export const timerOperations: readonly Kind[] = [
  kind("timercreate", 4, slot, some(1, 0, 7, 99, 2), some(0, 1, -1, 2, 9), signal),
  kind("timersettime", 5, slot, some(0, 0, 1, 2), some(0, 5, -1), some(0, 5, 100), some(0, 0, 5, 1000000000, -1)),
  kind("timergettime", 3, some(0, 1, 2, 3, -1)),
  kind("timeroverrun", 2, some(0, 1, 2, 3, -1)),
  kind("timerdelete", 2, some(0, 1, 2, 3, -1)),
  kind("timerfire", 4, slot),
  kind("itimer", 2, some(0, 1, 2, 3), some(0, 5), some(0, 5, 100)),
  kind("getitimer", 1, some(0, 1, 2, 3)),
  kind("alarm", 1, some(0, 1)),
  kind("timerfd", 2, some(1, 0, 7), bits(0o2000000)),
  kind("timerset", 2, fd, bits(1, 2, 4), some(0, 5), some(0, 5, 100)),
  kind("timerget", 2, fd),
  kind("tick", 3, fd),
  kind("read", 3, fd, some(8, 100, 4)),
  kind("sleep", 1, some(0, 1, 7, 99), some(0, 1, 2), some(0, -1, 5), some(0, 100, 1000000000, -1)),
  kind("sigaction", 3, signal, some(2, 1, 0), bits(0x10000000, 0x40000000, 4, 2), some(0, "0x200", -1)),
  kind("sigprocmask", 3, some(0, 1, 2), some("0xffffffffffffffff", 0, "0x200", "0x200000800")),
  kind("sigtimedwait", 3, some("0xffffffffffffffff", "0x200", "0x200000800")),
  kind("sigpending", 2),
  kind("raise", 2, signal, some(0, 1, 2), number),
  kind("exec", 1),
  kind("fork", 1, some(2, 4), some(0), some(0)),
  kind(
    "futex",
    4,
    page,
    some(0, 4, 4092, 1, 4096),
    some(1, 0, 129, 128, 3, 4, 5, 133, 9, 10, 137, 2, 99),
    some(0, 1, 7, -1),
    page,
    some(0, 8),
    some(0, 1, -1, 0x02001003, 0x50001001, 0x30001000),
  ),
  kind("mmap", 2, page, some(1, 2), some(3, 1), some(0x22, 0x21), fc.constant(-1), fc.constant(0)),
  kind("peek", 1, page, some(1, 2)),
];

export const optionOperations: readonly Kind[] = [
  kind(
    "setopt",
    6,
    fd,
    // How much fits into SO_SNDBUF (7) depends on how pieces are counted.
    some(16, 18, 20, 21, 2, 5, 6, 9, 10, 12, 13, 29, 34, 8),
    some(1, 0, -1, 5),
    some(0, 1, 1000000, -1),
    some(4, 16, 8, 3, 0, 1),
  ),
  kind(
    "getopt",
    6,
    fd,
    some(16, 18, 20, 21, 2, 5, 6, 9, 10, 12, 13, 29, 34, 3, 4, 30, 38, 39),
    some(4, 16, 8, 3, 0, 1, -1),
  ),
  kind("outq", 2, fd),
  kind("sendmmsg", 3, fd, some(0, 0, 0x4000, 0x8000), some(10, 100, 0), some(20, 0), some(5, 1000)),
  kind("recvmmsg", 3, fd, some(0, 0, 2, 0x20, 0x10000), some(100, 10, 0), some(100, 5), some(2000, 0)),
  kind("recv", 4, fd, some(5, 10, 100, 1, 0), some(2, 0, 2, 0x20, 0x22, 0x100)),
  kind("readv", 2, fd, some(20, 100), some(40, 8)),
  kind("send", 2, fd, some(10, 20, 100), some(0, 0, 0x80), number),
];

/** Binds, with all below; remounts; places of mounts among each other. */
const mountFlags: Argument = fc.oneof(
  { arbitrary: some(0x1000, 0x5000, 0x1000), weight: 6 },
  { arbitrary: bits(1, 2, 4, 8, 0x400), weight: 3 },
  { arbitrary: bits(1, 2, 4, 8, 0x400, 0x800, 0x100).map((flags) => Number(flags) + 0x1020), weight: 4 },
  { arbitrary: bits(1, 2, 0x20).map((flags) => unite(Number(flags), 0x20)), weight: 2 },
  { arbitrary: some(0x2000, 0x3000, 0x2020), weight: 3 },
  {
    arbitrary: fc
      .tuple(some(1 << 20, 1 << 19, 1 << 18, 1 << 17, 3 << 19), some(0, 0x4000, 1))
      .map(([kind, more]) => Number(kind) + Number(more)),
    weight: 8,
  },
);
const mountPath: Argument = fc.oneof({ arbitrary: name, weight: 3 }, { arbitrary: path, weight: 2 });

export const mountOperations: readonly Kind[] = [
  kind("mount", 20, mountPath, mountPath, mountFlags),
  kind("umount", 6, mountPath, some(0, 2, 8, 4, 1, 10, 16)),
  kind("mounts", 3),
  kind("mkdir", 6, at, path, mode),
  kind("open", 6, at, path, openFlags, mode),
  kind("close", 3, fd),
  kind("rename", 3, at, path, at, path, some(0, 2, 1)),
  kind("link", 2, at, path, at, path, some(0)),
  kind("rmdir", 2, path),
  kind("unlink", 2, at, path, some(0, 0x200)),
  kind("symlink", 2, path, at, path),
  kind("chdir", 2, path),
  kind("fchdir", 1, fd),
  kind("getcwd", 1, some(100)),
  kind("execfile", 1, at, path, some(0)),
  kind("openat2", 2, at, path, openFlags, some(0), bits(1, 8, 16)),
  kind("fdlink", 1, fd),
  kind("fork", 1, some(3, 5), some(0), some(0)),
  kind("chmod", 1, at, path, mode),
  kind("utimens", 1, at, some("a", "b", "c"), some(1000), some(0), some(2000), some(0), some(0)),
  kind("setresuid", 1, some(-1), some(1000, 0), some(-1)),
];
