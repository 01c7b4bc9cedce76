import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ECHILD, EINTR, EINVAL, ENOTTY, ESRCH } from "../abi/errno.ts";
import { AT_FDCWD, O_NOCTTY, O_RDWR } from "../abi/fcntl.ts";
import { POLLIN } from "../abi/poll.ts";
import { RLIMIT_NOFILE } from "../abi/resource.ts";
import { SIGCHLD, SIGUSR1, SIGWINCH } from "../abi/signal.ts";
import { TIOCGPTN, TIOCGWINSZ, TIOCSPTLCK, TIOCSWINSZ } from "../abi/termios.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from "../abi/time.ts";
import { TERMIOS_LEN } from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";

const host = linuxHost();
const isRoot = process.getuid!() === 0;

test("signals arrive in the pipe, and poll returns for them", () => {
  const fd = host.signalPipe([SIGUSR1, SIGWINCH]);
  assert.ok(fd >= 0);
  const buf = new Uint8Array(8);
  assert.equal(host.kill(host.getpid(), SIGUSR1), 0);
  const set = new Int32Array([fd, POLLIN, 0]);
  // The kernel may hand the signal to another thread of ours: then poll sees the byte instead of EINTR.
  let n = host.poll(set, 1, 1000);
  if (n === -EINTR) n = host.poll(set, 1, 1000);
  assert.equal(n, 1);
  assert.equal(host.read(fd, buf, 0, 8), 1);
  assert.equal(buf[0], SIGUSR1);
  assert.equal(host.ignoreSignal(SIGUSR1, true), 0);
  assert.equal(host.kill(host.getpid(), SIGUSR1), 0);
  assert.equal(host.poll(set, 1, 10), 0);
  assert.equal(host.ignoreSignal(SIGUSR1, false), 0);
  assert.equal(host.ignoreSignal(SIGWINCH, false), 0);
  assert.equal(host.signalPipe([9]), -EINVAL);
  host.close(fd);
});

test("children: wait, kill, process descriptors", () => {
  const status = new Int32Array(1);
  const child = host.spawn({
    cloneFlags: 0,
    steps: [],
    exec: "/bin/sleep",
    execFd: -1,
    argv: ["sleep", "100"],
    envp: [],
  });
  assert.equal(child.error, 0);
  assert.equal(host.wait4(child.pid, 1, status), 0);
  const set = new Int32Array([child.pidfd, POLLIN, 0]);
  assert.equal(host.poll(set, 1, 0), 0);
  const other = host.pidfdOpen(child.pid);
  assert.equal(host.pidfdSendSignal(other, 15), 0);
  assert.equal(host.poll(set, 1, 5000), 1);
  assert.equal(host.wait4(child.pid, 0, status), child.pid);
  assert.equal(status[0], 15);
  assert.equal(host.wait4(child.pid, 0, status), -ECHILD);
  assert.equal(host.pidfdSendSignal(child.pidfd, 15), -ESRCH);
  host.close(other);
  host.close(child.pidfd);
});

test("limits, CPUs and memory", () => {
  const limits = new Float64Array(2);
  assert.equal(host.getrlimit(RLIMIT_NOFILE, limits), 0);
  const [soft, hard] = limits as unknown as [number, number];
  assert.equal(host.setrlimit(RLIMIT_NOFILE, 500, hard), 0);
  assert.equal(host.getrlimit(RLIMIT_NOFILE, limits), 0);
  assert.equal(limits[0], 500);
  assert.equal(host.setrlimit(RLIMIT_NOFILE, soft, hard), 0);
  assert.equal(host.getrlimit(999, limits), -EINVAL);
  // RLIMIT_RTTIME: without a limit unless somebody set one.
  assert.equal(host.getrlimit(15, limits), 0);
  assert.ok(limits[0] === Infinity || limits[0]! > 0);
  const cpus = host.cpuCount();
  assert.ok(cpus >= 1);
  assert.equal(host.schedSetaffinity(0, [-1]), -EINVAL);
  assert.ok(host.sysinfoTotalRam() > 2 ** 26);
});

test("clocks and the time-stamp counter advance together", () => {
  const a = new Uint32Array(6);
  const b = new Uint32Array(6);
  const at = (words: Uint32Array, i: number): number => words[i]! + words[i + 1]! * 0x100000000;
  assert.ok(host.tscSample(a) >= 0);
  const before = host.clockNs(CLOCK_MONOTONIC);
  host.poll(new Int32Array(3), 0, 20);
  const after = host.clockNs(CLOCK_MONOTONIC);
  assert.ok(host.tscSample(b) >= 0);
  assert.ok(after - before >= 20e6);
  assert.ok(at(a, 2) <= before && after <= at(b, 2));
  const elapsed = at(b, 2) - at(a, 2);
  assert.ok(at(b, 0) > at(a, 0), "the counter runs");
  const hertz = ((at(b, 0) - at(a, 0)) / elapsed) * 1e9;
  assert.ok(hertz > 1e8 && hertz < 1e11, `${hertz} ticks a second`);
  assert.ok(Math.abs(at(b, 4) / 1e6 - Date.now()) < 1000);
  assert.ok(Math.abs(host.clockNs(CLOCK_REALTIME) / 1e6 - Date.now()) < 1000);
  assert.equal(host.clockNs(999), -EINVAL);
});

test("random bytes fill the range and nothing else", () => {
  const buf = new Uint8Array(1000);
  assert.equal(host.getrandom(buf, 100, 800), 800);
  assert.ok(buf.subarray(0, 100).every((byte) => byte === 0));
  assert.ok(buf.subarray(900).every((byte) => byte === 0));
  assert.ok(new Set(buf.subarray(100, 900)).size > 50);
});

test("terminals: attributes and window size", () => {
  const master = host.openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY, 0);
  assert.ok(master >= 0);
  const number = new Int32Array(1);
  assert.equal(host.ioctlBuf(master, TIOCGPTN, new Uint8Array(number.buffer)), 0);
  assert.equal(host.ioctlBuf(master, TIOCSPTLCK, new Uint8Array(4)), 0);
  const slave = host.openat(AT_FDCWD, `/dev/pts/${number[0]!}`, O_RDWR | O_NOCTTY, 0);
  assert.ok(slave >= 0);
  assert.equal(host.isatty(slave), true);
  const pipe = host.pipe2(0) as [number, number];
  assert.equal(host.isatty(pipe[0]), false);
  const termios = new Uint8Array(TERMIOS_LEN);
  assert.equal(host.tcgets(pipe[0], termios), -ENOTTY);
  assert.equal(host.tcgets(slave, termios), 0);
  const flags = new Uint32Array(termios.buffer, 0, 4);
  const echo = 8;
  const canonical = 2;
  assert.equal(flags[3]! & (echo | canonical), echo | canonical);
  flags[3] = flags[3]! & ~(echo | canonical);
  assert.equal(host.tcsets(slave, termios), 0);
  const again = new Uint8Array(TERMIOS_LEN);
  assert.equal(host.tcgets(master, again), 0);
  assert.deepEqual(again, termios);
  // Raw: one byte comes through at once.
  assert.equal(host.write(master, Buffer.from("q"), 0, 1), 1);
  const byte = new Uint8Array(4);
  assert.equal(host.read(slave, byte, 0, 4), 1);
  assert.equal(byte[0], 0x71);
  const size = new Uint16Array([40, 120, 0, 0]);
  assert.equal(host.ioctlBuf(master, TIOCSWINSZ, new Uint8Array(size.buffer)), 0);
  const got = new Uint16Array(4);
  assert.equal(host.ioctlBuf(slave, TIOCGWINSZ, new Uint8Array(got.buffer)), 0);
  assert.deepEqual([...got], [40, 120, 0, 0]);
  assert.throws(() => host.tcgets(slave, new Uint8Array(43)), RangeError);
  for (const fd of [slave, master, ...pipe]) host.close(fd);
});

test("a seccomp filter reaches every thread of the process", () => {
  // In a Node of its own, which cannot be used afterwards.
  const script = `
    import { readFileSync, readdirSync } from "node:fs";
    import { linuxHost } from "${join(import.meta.dirname, "linux.unsafe.ts")}";
    import * as bpf from "${join(import.meta.dirname, "bpf.ts")}";
    const host = linuxHost();
    host.prctl(38, 1, 0, 0, 0);
    const result = host.seccompTsync(bpf.compileFilter({
      calls: [{ call: "syncfs", reason: "test", action: bpf.RET_ERRNO | 77 }],
      otherwise: bpf.RET_ALLOW, wrongArch: bpf.RET_KILL_PROCESS }));
    const tasks = readdirSync("/proc/self/task");
    const filtered = tasks.filter((t) => /Seccomp:\\s*2/.test(readFileSync("/proc/self/task/" + t + "/status", "latin1")));
    console.log(result, host.syncfs(0), tasks.length > 1, filtered.length === tasks.length, host.seccompTsync(new Uint8Array(7)));
  `;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(run.stdout, "0 -77 true true -22\n", run.stderr);
});

test("mounts need rights, and the errors come through", { skip: !isRoot && "needs root" }, () => {
  assert.equal(host.umount2("/nonexistent", 0), -2);
  assert.equal(host.mount("none", "/nonexistent", "tmpfs", 0, ""), -2);
});

test("SIGCHLD is not needed to see a child's end", () => {
  const fd = host.signalPipe([SIGCHLD]);
  const child = host.spawn({
    cloneFlags: 0,
    steps: [],
    exec: "/bin/sh",
    execFd: -1,
    argv: ["sh", "-c", "exit 3"],
    envp: [],
  });
  const status = new Int32Array(1);
  assert.equal(host.wait4(child.pid, 0, status), child.pid);
  assert.equal(status[0], 3 << 8);
  const buf = new Uint8Array(8);
  assert.equal(host.read(fd, buf, 0, 8), 1);
  assert.equal(buf[0], SIGCHLD);
  host.ignoreSignal(SIGCHLD, false);
  host.close(child.pidfd);
  host.close(fd);
});
