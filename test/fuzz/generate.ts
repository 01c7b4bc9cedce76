/**
 * Random sequences of operations for interp.c, made with fast-check.
 *
 * Arguments are drawn from few values (eight descriptors, five names, thirty pages), so that operations meet the results
 * of others; nothing tracks what is valid, because what is not must fail the same way everywhere.
 *
 * Left out on purpose, because Linux itself has several answers: what depends on the file system below (fallocate modes
 * other than KEEP_SIZE and PUNCH_HOLE, RENAME_WHITEOUT, RWF_NOWAIT, O_DIRECT, leases, link counts, sizes and end positions
 * of directories), on the processor (pages that can be executed and not read), on the kernel's version (mremap of several
 * mappings or to absurd lengths, AT_EMPTY_PATH of linkat, modes and owners of files without a name) or configuration
 * (MSG_OOB of unix sockets, huge pages), how full a nearly full pipe or socket is, when
 * MADV_FREE frees, and which thread takes a signal of its process.
 */
import fc from "fast-check";
import type { Arbitrary } from "fast-check";

/** One line of a sequence: the operation's name and its arguments. */
export type Operation = readonly string[];
/** What one process does. */
export type Sequence = readonly Operation[];

type Argument = Arbitrary<string | number>;

/** A weighted choice of constants; numbers that come first are likelier. */
function some(...values: readonly (string | number)[]): Argument {
  return fc.oneof(
    ...values.map((value, i) => ({ arbitrary: fc.constant(value), weight: 1 + Math.round(4 / (i + 1)) })),
  );
}

/** The union of some of these bits, most often of few. */
function bits(...values: readonly number[]): Argument {
  return fc.oneof(
    { arbitrary: fc.constant(0), weight: 3 },
    { arbitrary: fc.constantFrom(...values), weight: 5 },
    // No bit operators: flags may be beyond 32 bits.
    { arbitrary: fc.subarray([...new Set(values)]).map((set) => set.reduce(unite, 0)), weight: 2 },
  );
}

function unite(a: number, b: number): number {
  return Number(BigInt(a) | BigInt(b));
}

const fd: Argument = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 3 }), weight: 10 },
  { arbitrary: fc.integer({ min: 4, max: 8 }), weight: 6 },
  { arbitrary: fc.constantFrom(-1, 39, 1000), weight: 1 },
);
const at: Argument = fc.oneof({ arbitrary: fc.constant("cwd"), weight: 8 }, { arbitrary: fd, weight: 3 });
const name: Argument = fc.constantFrom("a", "b", "c", "d", "e");
const path: Argument = fc.oneof(
  { arbitrary: name, weight: 14 },
  { arbitrary: fc.tuple(name, name).map(([a, b]) => `${a}/${b}`), weight: 8 },
  { arbitrary: fc.tuple(name, name, name).map((names) => names.join("/")), weight: 2 },
  {
    arbitrary: fc.tuple(name, fc.constantFrom("/", "/.", "/..", "//", "/../a", "/./b")).map((parts) => parts.join("")),
    weight: 2,
  },
  { arbitrary: fc.constantFrom(".", "..", "~", "/", "/a", "/b/c", "./a", "%255", "%256", "%4095", "%4096"), weight: 2 },
);
const mode: Argument = some(0o644, 0o755, 0o600, 0o777, 0o000, 0o400, 0o200, 0o111, 0o4755, 0o2775, 0o1777, 0o10644);
const length: Argument = some(100, 10, 4096, 1, 0, 5000, 8192, 65536, 65537, 200000, -1);
const smallLength: Argument = some(10, 100, 1, 0, 4096, 5000);
const offset: Argument = some(0, 10, 100, 4096, 5000, 8192, 65536, -1, 1048576, -10);
const number: Argument = fc.integer({ min: 0, max: 9 });
const page: Argument = fc.integer({ min: 0, max: 24 });
const pages: Argument = some(1, 2, 3, 4, 8, 0, 16, -1);
const signal: Argument = some(10, 12, 15, 34, 35, 17, 23, 14, 1, 28, 13, 9, 19, 0, 64, 65);
const signals: Argument = fc.oneof(
  fc.constantFrom(0, "0x7fffffff", "0x200", "0x800", "0x4000", "0x200000000", "0x10000", "0x600000000"),
  fc.constantFrom("0xa00", "0x200000a00", "0xffffffffffffffff", "0x400000", "0x12000"),
);
const openFlags: Argument = fc
  .tuple(
    fc.constantFrom(0, 1, 2, 2, 2, 3),
    fc.constantFrom(0, 0o100, 0o100, 0o300, 0o1100, 0o1000, 0o2000, 0o2100),
    bits(0o2000000, 0o200000, 0o400000, 0o10000000, 0o20200000, 0o4010000, 0o1000000),
    fc.integer({ min: 0, max: 4 }),
  )
  .map(([access, create, more, die]) => unite(access | create, die === 0 ? Number(more) : 0));
const uid: Argument = some(1000, 0, -1, 1001, 65534);
const whence: Argument = some(0, 1, 2, 3, 4, 5);
const word: Argument = some("user.a", "user.b", "trusted.a", "user.", "system.x", "a", "security.z");
const protection: Argument = some(3, 1, 0, 2, 7, 5);
// No MSG_OOB: out-of-band data of unix sockets depends on the kernel's configuration.
const socketFlags: Argument = bits(0x2, 0x4000, 0x20, 0x100, 0x40000000, 0x80);

/** One operation: its name, how often it comes, what its arguments are. */
interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly args: readonly Argument[];
}

function kind(name: string, weight: number, ...args: readonly Argument[]): Kind {
  return { name, weight, args };
}

const descriptorOperations: readonly Kind[] = [
  kind("open", 14, at, path, openFlags, mode),
  kind("close", 3, fd),
  kind("closerange", 1, fd, fd, bits(2, 4, 1)),
  kind("dup", 2, fd),
  kind("dup2", 2, fd, fd),
  kind("dup3", 1, fd, fd, bits(0o2000000, 1)),
  kind("fcntl", 2, fd, some(1, 3, 0, 1030, 1034, 1032, 9, 11), some(0, 1, 2, 5, 40)),
  kind("fcntl", 2, fd, fc.constant(2), some(1, 0, 3)),
  kind("fcntl", 2, fd, fc.constant(4), bits(0o2000, 0o4000, 0o1000000, 2)),
  kind("fcntl", 1, fd, fc.constant(1031), some(65536, 131072, 100000, -1)),
  kind("fcntl", 1, fd, fc.constant(1033), bits(1, 2, 4, 8, 16, 32)),
  kind("cloexec", 1, fd, some(1, 0)),
  kind("fds", 1),
];

const fileOperations: readonly Kind[] = [
  kind("read", 4, fd, length),
  kind("pread", 2, fd, length, offset),
  kind("readv", 1, fd, length, length, length),
  kind("preadv2", 1, fd, offset, bits(1, 2, 4, 16, 32), length, length),
  kind("write", 8, fd, length, number),
  kind("pwrite", 3, fd, length, offset, number),
  kind("writev", 1, fd, length, length),
  kind("pwritev2", 1, fd, offset, bits(1, 2, 4, 16, 32), length, length),
  kind("lseek", 3, fd, offset, whence),
  kind("ftruncate", 3, fd, offset),
  kind("truncate", 1, path, offset),
  kind("fallocate", 2, fd, bits(1, 2, 3), offset, length),
  kind("fsync", 1, fd),
  kind("fdatasync", 1, fd),
  kind("syncrange", 1, fd, offset, length, bits(1, 2, 4, 8)),
  kind("fadvise", 1, fd, offset, length, some(0, 1, 2, 3, 4, 5, 6)),
  kind("readahead", 1, fd, offset, length),
  kind("fstat", 2, fd),
  kind("copyrange", 2, fd, fd, offset, offset, length, some(0, 0, 0, 1)),
  kind("sendfile", 2, fd, fd, offset, length),
  kind("memfd", 1, name, bits(1, 2, 8, 16)),
  kind("lock", 2, fd, some(6, 37, 5, 36, 7), some(0, 1, 2, 3), some(0, 1, 2, 3), offset, some(0, 10, 1, -5, 100)),
  kind("flock", 2, fd, some(2, 1, 8, 3, 0, 32)),
  kind("fionread", 1, fd),
  kind("fsetxattr", 1, fd, word, smallLength, some(0, 1, 2, 3)),
  kind("fgetxattr", 1, fd, word, length),
];

const pathOperations: readonly Kind[] = [
  kind("mkdir", 8, at, path, mode),
  kind("open", 8, at, path, openFlags, mode),
  kind("openat2", 2, at, path, openFlags, some(0, 0o644, 0o10000), bits(1, 2, 4, 8, 16, 64)),
  kind("unlink", 3, at, path, some(0, 0x200, 0x100)),
  kind("rmdir", 2, path),
  kind("rename", 5, at, path, at, path, some(0, 0, 1, 2, 3, 8)),
  kind("link", 4, at, path, at, path, some(0, 0x400, 1)),
  kind("symlink", 5, path, at, path),
  kind("readlink", 1, at, path, length),
  kind("mknod", 2, at, path, some(0o10644, 0o100644, 0o140644, 0, 0o40755, 0o120777, 0o170000)),
  kind("chmod", 2, at, path, mode),
  kind("fchmodat2", 1, at, path, mode, some(0, 0x100, 0x1000, 1)),
  kind("fchmod", 1, fd, mode),
  kind("chown", 2, at, path, uid, uid, some(0, 0x100, 0x1000, 0x200)),
  kind("fchown", 1, fd, uid, uid),
  kind(
    "utimens",
    2,
    at,
    some("a", "null", "b", "c", "~"),
    some(1000, 0, -5),
    some(0, 0x3fffffff, 0x3ffffffe, 1000000000, 500),
    some(2000, 0, -3),
    some(0, 0x3fffffff, 0x3ffffffe, 1000000000, 700),
    some(0, 0x100, 0x1000, 4),
  ),
  kind("access", 1, at, path, some(4, 2, 1, 0, 7, 8), some(0, 0x200, 0x100, 0x1000, 0x300, 1)),
  kind("chdir", 2, path),
  kind("fchdir", 1, fd),
  kind("getcwd", 1, some(100, 4096, 1, 0, 2, 5)),
  kind("umask", 1, mode),
  kind("stat", 2, at, path, some(0, 0x100, 0x1000, 0x1100, 0x200, 0x800)),
  kind("statx", 1, at, path, some(0, 0x100, 0x1000, 0x2000, 0x4000, 0x6000, 1), some(0x7ff, 0xfff, 0, "0x80000000")),
  kind("same", 1, path, path),
  kind("getdents", 2, fd, some(4096, 200, 100, 24, 20, 0)),
  kind("setxattr", 1, path, word, smallLength, some(0, 1, 2)),
  kind("getxattr", 1, path, word, length),
  kind("listxattr", 1, path, length),
  kind("removexattr", 1, path, word),
];

const memoryOperations: readonly Kind[] = [
  kind("mmap", 8, page, pages, protection, some(0x22, 0x21, 0x100022, 0x8022, 0x2022), fc.constant(-1), fc.constant(0)),
  kind("mmap", 5, page, pages, protection, some(0x1, 0x2, 0x3, 0x100001, 0x8002, 0), fd, some(0, 1, 2, 3)),
  kind("munmap", 3, page, pages),
  kind("mprotect", 4, page, pages, protection),
  kind("mremap", 4, page, some(1, 2, 3, 4, 8, 0, 16), some(1, 2, 3, 4, 8, 0, 16), some(3, 1, 0, 7, 5, 2, 4, 8), page),
  kind("madvise", 3, page, pages, some(4, 0, 3, 9, 10, 11, 18, 19, 20, 21, 22, 23, 12, 13, 99)),
  kind("msync", 1, page, pages, some(4, 1, 2, 0, 5, 8)),
  kind("mlock", 1, page, pages, some(0, 1, 2)),
  kind("munlock", 1, page, pages),
  kind("mincore", 1, page, pages),
  kind("poke", 8, page, some(0, 100, 4090, 4095), some(1, 10, 100, 4096, 9000), number),
  kind("peek", 4, page, some(1, 2, 4, 8)),
  kind("mread", 2, fd, page, some(0, 100, 4090), length),
  kind("mwrite", 2, fd, page, some(0, 100, 4090), length),
  kind("mpread", 1, fd, page, some(0, 100, 4090), length, offset),
  kind("mpwrite", 1, fd, page, some(0, 100, 4090), length, offset),
  kind("mreadv", 1, fd, page, some(0, 100, 4090), length, page, some(0, 4090), length),
  kind("mwritev", 1, fd, page, some(0, 100, 4090), length, page, some(0, 4090), length),
  kind("mstat", 1, fd, page, some(0, 4000)),
  kind("mcopy", 2, page, some(0, 4090), length, page, some(0, 4090), some(0, 1)),
  kind("maps", 2),
];

const watchOperations: readonly Kind[] = [
  kind("inotify", 3, bits(0o2000000, 1)),
  kind(
    "watch",
    8,
    fd,
    path,
    some(0xfff, "0x2000000", 0x3c0, 0x2, 0x8, 0x1000fff, "0x20000fff", "0x4000fff", "0x80000fff", "0x10000100", 0),
  ),
  kind("unwatch", 1, fd, some(1, 2, 3, 0, -1)),
  kind("events", 5, fd, some(4096, 4096, 64, 16, 10, 0)),
  kind("fionread", 1, fd),
  kind("poll", 1, fd, some(1, 5), fd, some(5, 1)),
  kind("write", 3, fd, smallLength, number),
  kind("read", 2, fd, smallLength),
  kind("ftruncate", 1, fd, offset),
  kind("close", 3, fd),
];

const socketOperations: readonly Kind[] = [
  kind("pipe", 5, bits(0o2000000, 0o40000, 1)),
  kind("socketpair", 6, fc.constant(1), some(1, 2, 5, 0x80001, 3), some(0, 0, 0, 1)),
  kind("socket", 3, some(1, 2, 5), some(0, 0, 1)),
  kind("bind", 3, fd, some("a", "@x", "b", "@y", "c/d", "~", "%107", "%108", "%200")),
  kind("connect", 4, fd, some("a", "@x", "b", "@y", "c/d", "~", "%108")),
  kind("listen", 2, fd, some(1, 0, 5, -1)),
  kind("accept", 3, fd, bits(0o2000000, 1)),
  kind("names", 1, fd),
  kind("shutdown", 2, fd, some(0, 1, 2, 3)),
  kind("send", 4, fd, length, socketFlags, number),
  kind("sendto", 2, fd, some("a", "@x", "b", "@y"), length, socketFlags),
  kind("recv", 4, fd, length, socketFlags),
  kind("sendmsg", 4, fd, smallLength, socketFlags, fd),
  kind("sendmsg", 2, fd, smallLength, socketFlags, fd, fd, some("creds", 0, 1)),
  kind("sendmsg", 1, fd, smallLength, socketFlags),
  kind("sendmsg", 1, fd, smallLength, socketFlags, fc.constant("creds")),
  kind("recvmsg", 5, fd, length, socketFlags, some(200, 24, 20, 0, 100, 16, 32)),
  kind("getsockopt", 1, fd, some(3, 4, 16, 38, 39, 30, 100)),
  kind("setsockopt", 2, fd, some(16, 9, 2, 30, 100), some(1, 0)),
  kind("peercred", 1, fd),
  kind("write", 4, fd, length, number),
  kind("read", 4, fd, length),
  kind("splice", 3, fd, fd, some(-1, 0, 10), some(-1, 0, 10), length, bits(1, 4, 8)),
  kind("tee", 2, fd, fd, length),
  kind("vmsplice", 1, fd, length),
  kind("fionread", 1, fd),
  kind("eventfd", 2, some(0, 1, 5), bits(1, 0o2000000, 2)),
  kind("evwrite", 2, fd, some(1, 5, 0, "0xfffffffffffffffe", "0xffffffffffffffff")),
  kind("timerfd", 1, some(1, 0, 7, 2, 99), bits(0o2000000, 1)),
  kind("timerset", 1, fd, bits(1, 2, 4), some(0, 5), some(0, 5, 100)),
  kind("epoll", 3, bits(0o2000000, 1)),
  kind(
    "epollctl",
    6,
    fd,
    some(1, 1, 3, 2, 4),
    fd,
    some(1, 4, 5, 0x2005, "0x80000005", "0x40000005", "0x10000001", 0),
    number,
  ),
  kind("epollwait", 4, fd, some(8, 8, 0, -1)),
  kind("poll", 3, fd, some(1, 4, 5, 0x2fff, 0), fd, some(5, 1)),
  kind("select", 1, some(9, 3, 0, -1, 40), fd, fd, fd),
];

const processOperations: readonly Kind[] = [
  kind("fork", 6, some(3, 5, 2, 8, 1), some(0, 3, 255, 256), some(0, 0x400, 0x200, 0x600)),
  kind("thread", 3, some(3, 5, 2, 8)),
  kind("exec", 2),
  kind("spawn", 3, some(0, 1, 2, 3)),
  kind("kill", 4, some(0, 1, 2, 3), some(9, 19, 18, 15, 10, 34, 23, 17, 0, 65)),
  kind("waitany", 2, some(0, 1, 2), some(4, 2, 8, 14, 0x1000004, 0)),
  kind("exit", 1, some(0, 1, 200)),
  kind("setpgid", 1, some(-1, 0, 1), some(0, 1)),
  kind("setsid", 1),
  kind("ids", 1),
  kind(
    "sigaction",
    8,
    signal,
    some(2, 1, 0),
    bits(0x10000000, 0x40000000, "0x80000000" as unknown as number, 0x8000000, 1, 2),
    signals,
  ),
  kind("sigprocmask", 5, some(0, 2, 1, 3), signals),
  kind("sigpending", 2),
  kind("raise", 6, signal, some(0, 1, 2), number),
  kind("sigtimedwait", 2, signals),
  kind("sigaltstack", 2, some(0, 1), some(0, 2, "0x80000000", 1, 4), some(16384, 1000, 2048, 65536, 0)),
  kind("signalfd", 2, some(-1, 0, 1, 2, 3), signals, bits(0o2000000, 1)),
  kind("sigread", 2, fd),
  kind("setresuid", 1, uid, uid, uid),
  kind("setresgid", 1, uid, uid, uid),
  kind("setreuid", 1, uid, uid),
  kind("setfsuid", 1, uid),
  kind("setgroups", 1, some(1, 0, 2), uid, uid),
  kind("creds", 1),
  kind("prctl", 1, some(3, 4, 7, 8, 39, 38, 2, 21, 999, 0, -1), some(0, 1, 2, 65, -1), some(0, 1)),
  kind("setrlimit", 1, some(0, 1), some(8192, 5, 0, 30, 100000)),
  kind("priority", 1, some(1, 0), some(5, -5, 30, -30)),
];

/** Makes a word of the mixed types above: hexadecimal text stays text. */
function operation(kinds: readonly Kind[]): Arbitrary<Operation> {
  return fc.oneof(
    ...kinds.map(({ name, weight, args }) => ({
      weight,
      arbitrary: fc.tuple(...args).map((values) => [name, ...values.map(String)]),
    })),
  );
}

/** What a sequence is mainly about: some families, in sequences of this many operations. */
function theme(most: number, ...families: readonly (readonly Kind[])[]): Arbitrary<Sequence> {
  return fc.array(operation(families.flat()), { minLength: 3, maxLength: most, size: "max" });
}

/** Starts with files, directories and pipes there, so that fewer operations find nothing. */
const prelude: Arbitrary<Sequence> = fc.subarray<Operation>(
  [
    ["open", "cwd", "a", "0102", "0644"],
    ["write", "0", "10000", "1"],
    ["mkdir", "cwd", "b", "0755"],
    ["open", "cwd", "b", "0200000", "0"],
    ["open", "cwd", "b/a", "02102", "0600"],
    ["pipe", "0"],
    ["socketpair", "1", "1", "0"],
    ["mmap", "0", "8", "3", "0x22", "-1", "0"],
    ["memfd", "m", "2"],
    ["symlink", "b", "cwd", "c"],
  ],
  { minLength: 2 },
);

/** Something watches from the start, and is read at the end. */
const watched: Arbitrary<Sequence> = fc
  .tuple(prelude, theme(60, watchOperations, pathOperations, pathOperations, descriptorOperations))
  .map(([start, rest]) => [
    ["inotify", "0"],
    ["watch", "0", ".", "0xfff"],
    ...start,
    ["watch", "0", "b", "0xfff"],
    ["watch", "0", "a", "0xfff"],
    ...rest,
    ["events", "0", "200000"],
  ]);

const unwatched: Arbitrary<Sequence> = fc
  .tuple(
    prelude,
    fc.oneof(
      theme(60, descriptorOperations, fileOperations),
      theme(60, pathOperations, descriptorOperations),
      theme(50, memoryOperations, memoryOperations, fileOperations, descriptorOperations),
      theme(60, socketOperations, descriptorOperations),
      theme(40, processOperations, processOperations, descriptorOperations),
      theme(
        80,
        descriptorOperations,
        fileOperations,
        pathOperations,
        memoryOperations,
        watchOperations,
        socketOperations,
        processOperations,
      ),
    ),
  )
  .map(([start, rest]) => [...start, ...rest]);

/** Sequences of every kind. */
export const sequences: Arbitrary<Sequence> = fc.oneof(
  { arbitrary: unwatched, weight: 6 },
  { arbitrary: watched, weight: 1 },
);
