import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from "../../../abi/errno.ts";
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, SEEK_SET } from "../../../abi/fcntl.ts";
import { Stat, S_IFDIR, S_IFLNK } from "../../../abi/stat.ts";
import { userCredentials } from "../../auth/credentials.ts";
import { createEventfd } from "../../fs/eventfd/eventfd.ts";
import { exitTask, reap } from "../../kernel/task-exit.ts";
import { statAt } from "../../vfs/attributes.ts";
import { chmodAt } from "../../vfs/attributes.ts";
import { Epoll } from "../../vfs/epoll.ts";
import { DirentBuffer } from "../../vfs/dirent.ts";
import { readlinkAt, unlinkAt } from "../../vfs/operations.ts";
import { ARGS, readAll, sequence, TestKernel } from "../harness.testing.ts";

function stat(k: TestKernel, path: string, follow: boolean = false): Stat {
  const s = new Stat();
  const r = statAt(k.init.pathContext, null, path, follow ? 0 : 0x100, s);
  assert.equal(r, 0, path);
  return s;
}

describe("the root of proc", () => {
  test("lists processes in order of their numbers, behind the fixed files", () => {
    const k = new TestKernel();
    for (let i = 0; i < 11; i++) k.newProcess(k.init, "child");
    const thread = k.newThread(k.init);
    const names = k.list(k.init, "/proc");
    const pids = names.filter((n) => /^[0-9]+$/.test(n)).map(Number);
    assert.deepEqual(
      pids,
      pids.toSorted((a, b) => a - b),
    );
    assert.equal(pids.length, 12);
    assert.ok(!pids.includes(thread.tid));
    // A thread is there all the same.
    assert.match(k.text(k.init, `/proc/${thread.tid}/status`), /^Tgid:\t1$/m);
    for (const n of ["self", "thread-self", "meminfo", "cpuinfo", "stat", "sys", "net", "mounts", "uptime"]) {
      assert.ok(names.includes(n), n);
    }
    assert.equal(k.openError(k.init, "/proc/007"), -ENOENT);
    assert.equal(k.openError(k.init, "/proc/31000"), -ENOENT);
  });

  test("self and thread-self follow the caller", () => {
    const k = new TestKernel();
    const child = k.newProcess(k.init, "child");
    const thread = k.newThread(child);
    assert.equal(readlinkAt(child.pathContext, null, "/proc/self"), String(child.tid));
    assert.equal(readlinkAt(thread.pathContext, null, "/proc/thread-self"), `${child.tid}/task/${thread.tid}`);
    assert.match(k.text(thread, "/proc/thread-self/stat"), new RegExp(`^${thread.tid} \\(child\\) S `));
    assert.match(k.text(thread, "/proc/self/stat"), new RegExp(`^${child.tid} \\(child\\) S 1 `));
  });

  test("meminfo, stat, uptime, loadavg, cpuinfo parse back", () => {
    const k = new TestKernel();
    const meminfo = k.text(k.init, "/proc/meminfo");
    for (const line of meminfo.trimEnd().split("\n")) assert.match(line, /^[\w()]+: +\d+( kB)?$/);
    assert.match(meminfo, /^MemTotal: {8}1048576 kB$/m);
    const free = Number(/^MemFree: +(\d+)/m.exec(meminfo)?.[1]);
    assert.ok(free > 0 && free < 1048576);
    k.clock.nowNs = 120e9;
    k.init.usage.userNs = 3e9;
    const lines = k.text(k.init, "/proc/stat").split("\n");
    assert.equal(lines[0], "cpu  300 0 0 35700 0 0 0 0 0 0");
    assert.equal(lines[3], "cpu2 100 0 0 11900 0 0 0 0 0 0");
    assert.ok(lines.includes("btime 1700000000"));
    assert.equal(k.text(k.init, "/proc/uptime"), "120.00 357.00\n");
    assert.match(k.text(k.init, "/proc/loadavg"), /^\d+\.\d\d \d+\.\d\d \d+\.\d\d 1\/1 1\n$/);
    const cpus = k.text(k.init, "/proc/cpuinfo").trimEnd().split("\n\n");
    assert.equal(cpus.length, 3);
    assert.match(cpus[2]!, /^processor\t: 2\n/);
    assert.match(cpus[2]!, /^core id\t\t: 2$/m);
    assert.match(cpus[2]!, /^flags\t\t: fpu /m);
  });

  test("mounts and filesystems", () => {
    const k = new TestKernel();
    const mounts = k.text(k.init, "/proc/mounts").trimEnd().split("\n");
    assert.equal(mounts.length, 3);
    assert.match(mounts[0]!, /^none \/ tmpfs rw,.* 0 0$/);
    assert.equal(mounts[1], "proc /proc proc rw,relatime 0 0");
    for (const line of k.text(k.init, "/proc/self/mountinfo").trimEnd().split("\n")) {
      assert.match(line, /^\d+ \d+ 0:\d+ \/ \/\w* rw,relatime - \w+ \w+ rw/);
    }
    assert.match(k.text(k.init, "/proc/filesystems"), /^nodev\tproc$/m);
    assert.equal(k.init.kernel.vfs.types.get("proc")?.noDevice, true);
  });
});

describe("files of a task", () => {
  test("stat has 52 fields, status its lines", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "a b) c");
    const text = k.text(t, "/proc/self/stat");
    assert.ok(text.endsWith("\n"));
    const rest = text
      .slice(text.lastIndexOf(")") + 2)
      .trimEnd()
      .split(" ");
    assert.equal(rest.length, 50);
    assert.equal(rest[0], "S");
    assert.equal(rest[17], "1");
    assert.equal(Number(rest[20]), t.mm.totalVm);
    const status = k.text(t, "/proc/self/status");
    for (const line of status.trimEnd().split("\n")) assert.match(line, /^\w+:\t/);
    assert.match(status, /^Umask:\t0022$/m);
    assert.match(status, /^VmSize:\t {6,7}\d+ kB$/m);
    assert.match(status, /^CapEff:\t000001ffffffffff$/m);
    assert.match(status, /^Cpus_allowed:\t7$/m);
    assert.match(status, /^Cpus_allowed_list:\t0-2$/m);
    assert.equal(k.text(t, "/proc/self/statm").trimEnd().split(" ").length, 7);
  });

  test("a zombie has a state and no memory", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "child");
    const f = k.open(k.init, `/proc/${t.tid}/maps`);
    const status = k.open(k.init, `/proc/${t.tid}/status`);
    exitTask(t, 0);
    assert.match(k.text(k.init, `/proc/${t.tid}/stat`), /^\d+ \(child\) Z 1 /);
    assert.match(k.text(k.init, `/proc/${t.tid}/status`), /^State:\tZ \(zombie\)$/m);
    assert.doesNotMatch(k.text(k.init, `/proc/${t.tid}/status`), /VmSize/);
    assert.equal(k.text(k.init, `/proc/${t.tid}/cmdline`), "");
    assert.deepEqual(k.list(k.init, `/proc/${t.tid}/fd`), []);
    reap(t.group, k.init.group);
    assert.equal(k.openError(k.init, `/proc/${t.tid}/stat`), -ENOENT);
    assert.equal(readAll(f), "");
    assert.equal(status.read(sequence(new Uint8Array(10))), -ESRCH);
    f.decRef();
    status.decRef();
  });

  test("cmdline, environ, auxv, comm", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    assert.equal(k.text(t, "/proc/self/cmdline"), "prog\0-x\0");
    assert.equal(k.text(t, "/proc/self/environ"), "A=1\0");
    assert.equal(k.text(t, "/proc/self/auxv").length, 32);
    // setproctitle: no NUL at the end of the arguments any more.
    const title = Buffer.from("prog: a longer title\0", "latin1");
    t.mm.copyOutExact(t.mm.argStart, title, 0, title.length);
    t.mm.envEnd = t.mm.argStart + 100;
    assert.equal(k.text(t, "/proc/self/cmdline"), "prog: a longer title\0");
    assert.equal(k.write(t, "/proc/self/comm", "a name that is too long"), 23);
    assert.equal(t.comm, "a name that is ");
    assert.equal(k.text(t, "/proc/self/comm"), "a name that is \n");
    assert.equal(k.write(k.init, `/proc/${t.tid}/comm`, "x"), -EINVAL);
  });

  test("maps has the columns where Linux has them", () => {
    const k = new TestKernel();
    const line = k.text(k.init, "/proc/self/maps").split("\n")[0]!;
    assert.equal(line, "70000000-70002000 rw-p 00000000 00:00 0 ");
    const { mm } = k.init;
    mm.brkStart = ARGS;
    mm.brkEnd = ARGS + 8192;
    const named = k.text(k.init, "/proc/self/maps").split("\n")[0]!;
    assert.equal(named.indexOf("[heap]"), 73);
    const smaps = k.text(k.init, "/proc/self/smaps");
    assert.match(smaps, /^Size: {18}8 kB$/m);
    assert.match(smaps, /^VmFlags: rd wr mr mw me ac $/m);
    assert.match(k.text(k.init, "/proc/self/smaps_rollup"), /\[rollup\]\nRss: /);
  });

  test("mem reads and writes", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    const f = k.open(t, "/proc/self/mem", O_RDWR);
    const b = new Uint8Array(4);
    assert.equal(f.pread(sequence(b), t.mm.argStart), 4);
    assert.equal(Buffer.from(b).toString(), "prog");
    assert.equal(f.seek(t.mm.argStart, SEEK_SET), t.mm.argStart);
    assert.equal(f.write(sequence(Buffer.from("PR"))), 2);
    assert.equal(k.text(t, "/proc/self/cmdline"), "PRog\0-x\0");
    assert.ok(f.pread(sequence(b), 4096) < 0);
    exitTask(t, 0);
    assert.equal(f.pread(sequence(b), t.mm.argStart), 0);
    f.decRef();
  });

  test("small reads see one text, a rewind makes it anew", () => {
    const k = new TestKernel();
    const f = k.open(k.init, "/proc/self/limits");
    const whole = readAll(f, 7);
    assert.equal(whole.split("\n").length, 18);
    assert.match(whole, /^Max open files {12}1024 {17}1048576 {14}files {5}$/m);
    const at = new Uint8Array(5);
    assert.equal(f.pread(sequence(at), 6), 5);
    assert.equal(Buffer.from(at).toString(), whole.slice(6, 11));
    k.init.group.limits.set(7, 99, 100);
    assert.equal(f.seek(0, SEEK_SET), 0);
    assert.match(readAll(f), /^Max open files {12}99 /m);
    f.decRef();
  });

  test("oom_score_adj takes its range", () => {
    const k = new TestKernel();
    assert.equal(k.write(k.init, "/proc/self/oom_score_adj", "500\n"), 4);
    assert.equal(k.text(k.init, "/proc/self/oom_score_adj"), "500\n");
    assert.equal(k.write(k.init, "/proc/self/oom_score_adj", "1001"), -EINVAL);
    assert.equal(k.write(k.init, "/proc/self/oom_score_adj", "x"), -EINVAL);
    k.init.creds = userCredentials(0, 0, []).forAccess();
    k.init.creds.effectiveLo = k.init.creds.effectiveHi = 0;
    assert.equal(k.write(k.init, "/proc/self/oom_score_adj", "100"), -EACCES);
  });

  test("threads have directories", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "multi");
    const thread = k.newThread(t);
    assert.deepEqual(k.list(t, "/proc/self/task"), [String(t.tid), String(thread.tid)]);
    assert.match(k.text(t, `/proc/self/task/${thread.tid}/status`), new RegExp(`^Pid:\t${thread.tid}$`, "m"));
    assert.match(k.text(t, "/proc/self/status"), /^Threads:\t2$/m);
    assert.equal(k.openError(t, `/proc/self/task/${k.init.tid}/stat`), -ENOENT);
    assert.equal(k.openError(t, `/proc/self/task/${thread.tid}/task`), -ENOENT);
    assert.equal(k.text(k.init, `/proc/self/task/${k.init.tid}/children`), `${t.tid} `);
  });
});

describe("open files", () => {
  test("links can be read, followed and reopened after the name is gone", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    const file = k.open(t, "/data", O_CREAT | O_RDWR);
    file.write(sequence(Buffer.from("hello")));
    const fd = t.fds.alloc(file, 5, true);
    assert.equal(fd, 5);
    assert.deepEqual(k.list(t, "/proc/self/fd"), ["5"]);
    assert.equal(readlinkAt(t.pathContext, null, "/proc/self/fd/5"), "/data");
    unlinkAt(t.pathContext, null, "/data");
    assert.equal(readlinkAt(t.pathContext, null, "/proc/self/fd/5"), "/data (deleted)");
    assert.equal(k.text(t, "/proc/self/fd/5"), "hello");
    const again = k.open(t, "/proc/self/fd/5", O_WRONLY);
    assert.equal(again.offset, 0);
    again.write(sequence(Buffer.from("J")));
    again.decRef();
    assert.equal(k.text(t, `/proc/${t.tid}/fd/5`), "Jello");
    const s = stat(k, `/proc/${t.tid}/fd/5`);
    assert.equal(s.mode, S_IFLNK | 0o700);
    assert.equal(s.size, 64);
    assert.equal(stat(k, `/proc/${t.tid}/fd/5`, true).size, 5);
    assert.equal(k.openError(t, "/proc/self/fd/6"), -ENOENT);
    assert.equal(k.openError(t, "/proc/self/fd/05"), -ENOENT);
    assert.match(k.text(t, "/proc/self/fdinfo/5"), /^pos:\t5\nflags:\t02000002\nmnt_id:\t\d+\nino:\t\d+\n$/);
  });

  test("anonymous files show their kind", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    const event = createEventfd(k.vfs, 5, 0);
    const epoll = Epoll.create(k.vfs);
    const fd = t.fds.alloc(event, 0, false);
    t.fds.alloc(epoll, 0, false);
    epoll.add(event, fd, 1, 0xabc, 0);
    assert.equal(readlinkAt(t.pathContext, null, "/proc/self/fd/0"), "anon_inode:[eventfd]");
    assert.equal(readlinkAt(t.pathContext, null, "/proc/self/fd/1"), "anon_inode:[eventpoll]");
    assert.match(k.text(t, "/proc/self/fdinfo/0"), /\neventfd-count: {16}5\n/);
    assert.match(
      k.text(t, "/proc/self/fdinfo/1"),
      /\ntfd: {8}0 events: {7}19 data: {14}abc {2}pos:0 ino:\w+ sdev:\w+\n/,
    );
    t.fds.close(0);
    t.fds.close(1);
  });

  test("a process's links are for itself, its user and root", () => {
    const k = new TestKernel();
    const a = k.newProcess(k.init, "a");
    const b = k.newProcess(k.init, "b");
    a.creds = userCredentials(1000, 1000, []);
    b.creds = userCredentials(1001, 1001, []);
    a.fds.alloc(k.open(k.init, "/x", O_CREAT | O_RDWR), 0, false);
    assert.equal(k.openError(b, `/proc/${a.tid}/fd`), -EACCES);
    assert.equal(k.openError(a, `/proc/${a.tid}/fd`), 0);
    assert.equal(k.openError(b, `/proc/${a.tid}/maps`), -EACCES);
    assert.equal(k.openError(b, `/proc/${a.tid}/environ`), -EACCES);
    assert.equal(k.openError(b, `/proc/${a.tid}/stat`), 0);
    assert.equal(readlinkAt(b.pathContext, null, `/proc/${a.tid}/cwd`), -EACCES);
    assert.equal(readlinkAt(k.init.pathContext, null, `/proc/${a.tid}/cwd`), "/");
    // Addresses are hidden from others.
    const fields = k.text(b, `/proc/${a.tid}/stat`).split(" ");
    assert.equal(fields[25], "1");
    b.creds = userCredentials(1000, 1000, []);
    assert.equal(k.openError(b, `/proc/${a.tid}/fd`), 0);
    a.group.dumpable = 0;
    assert.equal(k.openError(b, `/proc/${a.tid}/fd`), -EACCES);
    assert.equal(k.openError(a, "/proc/self/fd"), 0);
    assert.equal(stat(k, `/proc/${a.tid}/maps`).uid, 0);
    assert.equal(stat(k, `/proc/${a.tid}`).uid, 1000);
  });

  test("an interrupted listing goes on where it stopped", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    const file = k.open(t, "/x", O_CREAT | O_RDWR);
    for (let i = 0; i < 40; i++) {
      file.incRef();
      t.fds.alloc(file, 0, false);
    }
    const dir = k.open(t, "/proc/self/fd", O_RDONLY);
    let entries = 0;
    const view = new DataView(new ArrayBuffer(200));
    const small = new DirentBuffer(new Uint8Array(view.buffer), false);
    for (;;) {
      small.reset(200);
      assert.equal(dir.iterate(small), 0);
      if (small.len === 0) break;
      for (let at = 0; at < small.len; at += view.getUint16(at + 16, true)) entries++;
    }
    assert.equal(entries, 42);
    dir.decRef();
    file.decRef();
  });
});

describe("attributes", () => {
  test("modes and identities", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    t.creds = userCredentials(7, 8, []);
    const s = stat(k, `/proc/${t.tid}/environ`);
    assert.equal(s.mode & 0o777, 0o400);
    assert.equal(s.uid, 7);
    assert.equal(s.gid, 8);
    assert.equal(stat(k, `/proc/${t.tid}/fd`).mode, S_IFDIR | 0o500);
    assert.equal(stat(k, `/proc/${t.tid}/environ`).ino, s.ino);
    assert.equal(chmodAt(t.pathContext, null, "/proc/self/comm", 0o777, 0), -EPERM);
  });

  test("namespaces are the same for all", () => {
    const k = new TestKernel();
    const t = k.newProcess(k.init, "prog");
    assert.equal(readlinkAt(t.pathContext, null, "/proc/self/ns/pid"), "pid:[4026531836]");
    assert.equal(stat(k, `/proc/${t.tid}/ns/pid`, true).ino, 4026531836);
    assert.equal(stat(k, `/proc/${t.tid}/ns/mnt`, true).ino, stat(k, "/proc/1/ns/mnt", true).ino);
    assert.equal(k.openError(t, "/proc/self/ns/uts"), 0);
  });
});

describe("sysctls", () => {
  test("numbers, texts and their limits", () => {
    const k = new TestKernel();
    assert.equal(k.text(k.init, "/proc/sys/kernel/pid_max"), "32768\n");
    assert.equal(k.text(k.init, "/proc/sys/kernel/hostname"), "box\n");
    assert.equal(k.write(k.init, "/proc/sys/kernel/hostname", "other\nrest"), 10);
    assert.equal(k.kernel.hostname, "other");
    assert.equal(k.write(k.init, "/proc/sys/vm/overcommit_memory", "1\n"), 2);
    assert.equal(k.text(k.init, "/proc/sys/vm/overcommit_memory"), "1\n");
    assert.equal(k.write(k.init, "/proc/sys/vm/swappiness", "many"), -EINVAL);
    const { names } = k.kernel.vfs;
    let dropped = 0;
    names.onGarbage = () => dropped++;
    assert.equal(k.write(k.init, "/proc/sys/vm/drop_caches", "5\n"), -EINVAL);
    assert.equal(k.write(k.init, "/proc/sys/vm/drop_caches", "1\n"), 2);
    assert.equal(dropped, 0);
    assert.equal(k.write(k.init, "/proc/sys/vm/drop_caches", "3\n"), 2);
    assert.equal(dropped, 1);
    assert.equal(k.text(k.init, "/proc/sys/kernel/sem"), "32000\t1024000000\t500\t32000\n");
    assert.equal(k.write(k.init, "/proc/sys/fs/protected_hardlinks", "0"), 1);
    assert.equal(k.vfs.protectedHardlinks, 0);
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/;
    assert.match(k.text(k.init, "/proc/sys/kernel/random/uuid"), uuid);
    const boot = k.text(k.init, "/proc/sys/kernel/random/boot_id");
    assert.match(boot, uuid);
    assert.equal(k.text(k.init, "/proc/sys/kernel/random/boot_id"), boot);
    const user = k.newProcess(k.init, "user");
    user.creds = userCredentials(5, 5, []);
    assert.ok(k.openError(user, "/proc/sys/vm/swappiness", O_WRONLY) < 0);
    assert.equal(k.openError(user, "/proc/sys/vm/swappiness"), 0);
    assert.ok(k.openError(k.init, "/proc/sys/kernel/osrelease", O_WRONLY) < 0);
  });
});

describe("sysfs", () => {
  test("CPUs, nodes, network", () => {
    const k = new TestKernel();
    const cpus = k.list(k.init, "/sys/devices/system/cpu").filter((n) => /^cpu\d+$/.test(n));
    assert.deepEqual(cpus, ["cpu0", "cpu1", "cpu2"]);
    assert.equal(k.text(k.init, "/sys/devices/system/cpu/online"), "0-2\n");
    assert.equal(k.text(k.init, "/sys/devices/system/cpu/cpu1/topology/thread_siblings"), "2\n");
    assert.equal(k.text(k.init, "/sys/devices/system/cpu/cpu1/topology/core_siblings_list"), "0-2\n");
    assert.equal(k.text(k.init, "/sys/devices/system/node/node0/cpulist"), "0-2\n");
    assert.equal(k.text(k.init, "/sys/class/net/lo/ifindex"), "1\n");
    assert.match(k.text(k.init, "/sys/kernel/mm/transparent_hugepage/enabled"), /\[\w+\]/);
    assert.deepEqual(k.list(k.init, "/sys/fs/cgroup"), []);
    assert.equal(stat(k, "/sys/devices/system/cpu/online").size, 4096);
  });
});
