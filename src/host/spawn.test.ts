import assert from "node:assert/strict";
import { existsSync, openSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { CAP_CHOWN, CAP_KILL, CAP_SYS_ADMIN } from "../abi/capability.ts";
import { EBADF, EINVAL, ENOENT } from "../abi/errno.ts";
import { AT_FDCWD, O_RDONLY } from "../abi/fcntl.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC } from "../abi/mount.ts";
import { PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS } from "../abi/prctl.ts";
import { RLIMIT_CORE, RLIMIT_NOFILE } from "../abi/resource.ts";
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS } from "../abi/sched.ts";
import type { SpawnResult, SpawnStep } from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { capSteps, fdSteps } from "./spawn-steps.ts";

const host = linuxHost();
const isRoot = process.getuid!() === 0;
const root = { skip: !isRoot && "needs root" };

interface Run {
  readonly result: SpawnResult;
  readonly output: string;
  readonly status: number;
}

/** Runs `argv` behind the steps with its output in a pipe, to its end. */
function run(argv: string[], steps: SpawnStep[] = [], cloneFlags = 0, exec = "/bin/sh", execFd = -1): Run {
  const [readEnd, writeEnd] = host.pipe2(0) as [number, number];
  const devnull = openSync("/dev/null", "r");
  const result = host.spawn({
    cloneFlags,
    steps: [...fdSteps([devnull, writeEnd, writeEnd]), ...steps],
    exec,
    execFd,
    argv,
    envp: ["PATH=/usr/sbin:/usr/bin:/bin", "WORD=w\xc3\xb6rd"],
  });
  host.close(devnull);
  host.close(writeEnd);
  const status = new Int32Array(1);
  let output = "";
  if (result.error === 0) {
    const buf = new Uint8Array(8192);
    for (let n; (n = host.read(readEnd, buf, 0, buf.length)) > 0;) {
      output += Buffer.from(buf.subarray(0, n)).toString("latin1");
    }
    assert.equal(host.wait4(result.pid, 0, status), result.pid);
    host.close(result.pidfd);
  }
  host.close(readEnd);
  return { result, output, status: status[0]! };
}

const sh = (script: string, steps: SpawnStep[] = [], flags = 0): Run => run(["sh", "-c", script], steps, flags);

function statusFields(output: string): Record<string, string> {
  return Object.fromEntries(
    output
      .split("\n")
      .filter((line) => line.includes(":"))
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  );
}

test("a plain program gets its arguments, environment and no fds but those given", () => {
  const { output, status } = sh('echo "$WORD"; ls /proc/self/fd | tr "\\n" " "; exit 7');
  assert.equal(output, "w\xc3\xb6rd\n0 1 2 3 ", "fd 3 is ls's own");
  assert.equal(status, 7 << 8);
});

test("signals are unblocked and have their default action in the child", () => {
  // Node ignores SIGPIPE; SIGUSR1 has a handler here.
  process.on("SIGUSR2", () => undefined);
  const fields = statusFields(run(["cat", "/proc/self/status"], [], 0, "/bin/cat").output);
  process.removeAllListeners("SIGUSR2");
  assert.equal(fields["SigBlk"], "0000000000000000");
  assert.equal(fields["SigIgn"], "0000000000000000");
  assert.equal(fields["SigCgt"], "0000000000000000");
});

test("a program is executed by its descriptor", () => {
  const fd = host.openat(AT_FDCWD, "/bin/echo", O_RDONLY, 0);
  // fdSteps closes all but 0-2, so the program has to be among them: 0 here.
  const [readEnd, writeEnd] = host.pipe2(0) as [number, number];
  const result = host.spawn({
    cloneFlags: 0,
    steps: [{ op: "dup", from: writeEnd, to: 1 }],
    exec: "",
    execFd: fd,
    argv: ["anything", "by", "fd"],
    envp: [],
  });
  host.close(fd);
  host.close(writeEnd);
  const buf = new Uint8Array(64);
  const n = host.read(readEnd, buf, 0, 64);
  assert.equal(Buffer.from(buf.subarray(0, n)).toString(), "by fd\n");
  host.close(readEnd);
  host.wait4(result.pid, 0, new Int32Array(1));
  host.close(result.pidfd);
});

test("failures name the step and the error, and leave no process", () => {
  const chdir = (path: string): SpawnStep => ({ op: "chdir", path });
  const program = { cloneFlags: 0, exec: "/bin/sh", execFd: -1, argv: ["sh"], envp: [] };
  const failed = host.spawn({ ...program, steps: [chdir("/"), chdir("/nonexistent"), chdir("/")] });
  assert.deepEqual(failed, { pid: -1, pidfd: -1, error: -ENOENT, step: 1 });
  const missing = host.spawn({ ...program, steps: [chdir("/")], exec: "/nonexistent" });
  assert.deepEqual(missing, { pid: -1, pidfd: -1, error: -ENOENT, step: 1 });
  const badFd = host.spawn({ ...program, steps: [{ op: "dup", from: 9999, to: 3 }] });
  assert.deepEqual([badFd.error, badFd.step], [-EBADF, 0]);
  const noClone = host.spawn({ ...program, steps: [], cloneFlags: 0x00010000 });
  assert.deepEqual([noClone.error, noClone.step], [-EINVAL, -1], "CLONE_THREAD without CLONE_SIGHAND");
  assert.equal(host.wait4(-1, 1, new Int32Array(1)), -10, "no children are left");
  assert.equal(process.cwd() === "/", false, "the child's directory is its own");
});

test("malformed steps throw before anything is started", () => {
  const steps = [{ op: "chdir" }] as unknown as SpawnStep[];
  assert.throws(() => host.runSteps(0, steps), /step 0 is malformed/);
  assert.throws(() => host.runSteps(0, [{ op: "fly" }] as unknown as SpawnStep[]), TypeError);
  assert.throws(() => host.runSteps(0, [{ op: "chdir", path: "a\0b" }]), TypeError);
  assert.throws(() => host.runSteps(0, [{ op: "seccomp", flags: 0, program: new Uint8Array(9) }]), TypeError);
});

test("runSteps performs the steps and waits", () => {
  assert.deepEqual(host.runSteps(0, [{ op: "chdir", path: "/" }]), { pid: -1, pidfd: -1, error: 0, step: 1 });
  const failed = host.runSteps(0, [{ op: "setns", fd: 9999, nstype: 0 }]);
  assert.deepEqual([failed.error, failed.step], [-EBADF, 0]);
});

test("fds change places without losing one another", () => {
  const fds = [0, 1, 2].map((i) => {
    const fd = host.memfdCreate("f", 0);
    host.write(fd, Buffer.from(`file${i}`), 0, 5);
    return fd;
  });
  const [readEnd, out] = host.pipe2(0) as [number, number];
  // First the files become 3, 4 and 5, then 3 and 4 swap, 5 is twice there, and 6 stays free.
  const steps: SpawnStep[] = [
    ...fdSteps([0, out, 2, fds[0]!, fds[1]!, fds[2]!]),
    ...fdSteps([0, 1, 2, 4, 3, 5, -1, 5]),
  ];
  const script = "for i in 3 4 5 7; do cat /proc/self/fd/$i; echo; done; ls /proc/self/fd | tr '\\n' ' '";
  const result = host.spawn({
    cloneFlags: 0,
    steps,
    exec: "/bin/sh",
    execFd: -1,
    argv: ["sh", "-c", script],
    envp: ["PATH=/usr/bin:/bin"],
  });
  assert.equal(result.error, 0);
  host.close(out);
  let output = "";
  const buf = new Uint8Array(256);
  for (let n; (n = host.read(readEnd, buf, 0, 256)) > 0;) output += Buffer.from(buf.subarray(0, n)).toString();
  host.wait4(result.pid, 0, new Int32Array(1));
  for (const fd of [...fds, readEnd, result.pidfd]) host.close(fd);
  assert.equal(output, "file1\nfile0\nfile2\nfile2\n0 1 2 3 4 5 6 7 ", "6 is ls's own");
});

test("namespaces, mounts and host name", root, () => {
  const steps: SpawnStep[] = [
    { op: "sethostname", name: "inside" },
    { op: "mount", source: "", target: "/", fstype: "", flags: MS_REC | MS_PRIVATE, data: "" },
    { op: "mount", source: "proc", target: "/proc", fstype: "proc", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data: "" },
    { op: "mount", source: "t", target: "/mnt", fstype: "tmpfs", flags: 0, data: "size=1m,mode=0700" },
    { op: "mkdir", path: "/mnt/d", mode: 0o700, ignoreExists: false },
    { op: "mkdir", path: "/mnt/d", mode: 0o700, ignoreExists: true },
    { op: "writefile", path: "/mnt/d/f", text: "written" },
    { op: "mount_setattr", path: "/mnt", flags: 0, set: 1, clear: 0 },
    { op: "chdir", path: "/mnt/d" },
  ];
  const script = "hostname; echo $$; ls /proc | grep -c '^[0-9]'; cat f; echo; touch g || wc -l </proc/net/dev";
  const flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET;
  const { output, result } = sh(`exec 2>/dev/null; ${script}`, steps, flags);
  assert.equal(result.error, 0);
  const lines = output.split("\n");
  assert.equal(lines[0], "inside");
  assert.equal(lines[1], "1");
  assert.ok(Number(lines[2]) <= 4, "only its own processes");
  assert.equal(lines[3], "written");
  assert.equal(lines[4], "3", "loopback alone; and the mount was read-only");
  assert.equal(existsSync("/mnt/d"), false);
});

test("capabilities: what is dropped is gone from every set", root, () => {
  const none = statusFields(sh("cat /proc/self/status", capSteps([], false)).output);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    assert.equal(none[set], "0000000000000000", set);
  const some = statusFields(sh("cat /proc/self/status", capSteps([CAP_CHOWN, CAP_KILL], false)).output);
  assert.equal(some["CapEff"], "0000000000000021");
  assert.equal(some["CapBnd"], "0000000000000021");
  assert.equal(some["CapInh"], "0000000000000000");
});

test("another user keeps ambient capabilities only", root, () => {
  const steps: SpawnStep[] = [
    { op: "prctl", option: PR_SET_KEEPCAPS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 },
    { op: "setgroups", groups: [7, 8] },
    { op: "setresgid", gid: 65533 },
    { op: "setresuid", uid: 65534 },
    ...capSteps([CAP_SYS_ADMIN], true),
    { op: "prctl", option: PR_SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 },
  ];
  const fields = statusFields(sh("cat /proc/self/status", steps).output);
  assert.equal(fields["Uid"], "65534\t65534\t65534\t65534");
  assert.equal(fields["Gid"], "65533\t65533\t65533\t65533");
  assert.equal(fields["Groups"], "7 8");
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    assert.equal(fields[set], "0000000000200000", set);
  assert.equal(fields["NoNewPrivs"], "1");
  assert.equal(process.getuid!(), 0, "the parent is who it was");
});

test("sessions, limits, CPUs", () => {
  const steps: SpawnStep[] = [
    { op: "setsid" },
    { op: "setrlimit", resource: RLIMIT_NOFILE, soft: 77, hard: 99 },
    { op: "setrlimit", resource: RLIMIT_CORE, soft: 0, hard: 0 },
    { op: "sched_setaffinity", cpus: [0] },
    { op: "sigmask_empty" },
  ];
  const { output } = sh("ulimit -Sn; ulimit -Hn; ulimit -c; cut -d' ' -f1,6 /proc/$$/stat; nproc", steps);
  const [soft, hard, core, ids, cpus] = output.split("\n");
  assert.deepEqual([soft, hard, core, cpus], ["77", "99", "0", "1"]);
  const [pid, session] = ids!.split(" ");
  assert.equal(pid, session);
});

test("spawning works while other threads of this process are busy", async () => {
  const workers = [0, 1].map(
    () => new Worker("let s = []; for (;;) { s.push('x'.repeat(1000)); if (s.length > 1000) s = []; }", { eval: true }),
  );
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("online", resolve))));
  for (let i = 0; i < 20; i++) {
    const { output, status } = sh(`echo ${i}`);
    assert.equal(output, `${i}\n`);
    assert.equal(status, 0);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
});
