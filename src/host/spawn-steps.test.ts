import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CAP_CHOWN } from "../abi/capability.ts";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../abi/errno.ts";
import { SOCK_SEQPACKET } from "../abi/socket.ts";
import { FakeHost } from "./fake.ts";
import type { SpawnResult, SpawnStep } from "./host.ts";
import { HSTAT_INO } from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";
import type { ProcessSetup } from "./spawn-steps.ts";
import {
  GOFER_NAMESPACES,
  SENTRY_NAMESPACES,
  capPair,
  fdSteps,
  finishSetup,
  goferSteps,
  hostPath,
  rootSteps,
  sentrySteps,
} from "./spawn-steps.ts";

const host = linuxHost();
const isRoot = process.getuid!() === 0;
const root = { skip: !isRoot && "needs root" };

let dir = "";
let scratch = "";

before(() => {
  dir = mkdtempSync(join(tmpdir(), "tsvisor-steps-"));
  scratch = hostPath(join(dir, "scratch"));
  mkdirSync(join(dir, "scratch"));
  mkdirSync(join(dir, "rootfs"));
  writeFileSync(join(dir, "rootfs/hello"), "hello");
  writeFileSync(join(dir, "single"), "file");
  // Tells its state, waits, and tells again what it sees.
  writeFileSync(
    join(dir, "child.cjs"),
    `const fs = require("node:fs");
     const attempt = (f) => { try { return f(); } catch (error) { return error.code; } };
     const look = () => ({ list: ["/", "..", "/etc"].map((p) => attempt(() => fs.readdirSync(p).join())),
       file: attempt(() => fs.readFileSync("/mount0", "latin1")),
       writes: ["/x", "/root/new", "/mount0"].map((p) => attempt(() => fs.writeFileSync(p, "z") ?? "written")) });
     const status = fs.readFileSync("/proc/self/status", "latin1");
     fs.writeSync(3, JSON.stringify({ status, pid: process.pid }));
     fs.readSync(3, Buffer.alloc(1));
     fs.writeSync(3, JSON.stringify(look()));
     fs.readSync(3, Buffer.alloc(1));`,
  );
});

after(() => rmSync(dir, { recursive: true }));

interface Started {
  readonly result: SpawnResult;
  readonly socket: number;
}

function setup(socket: number): ProcessSetup {
  return { scratch, fds: [0, 1, 2, socket], uid: -1, gid: -1, diesWithParent: true };
}

function start(cloneFlags: number, steps: (socket: number) => SpawnStep[]): Started {
  const [socket, theirs] = host.socketpair(1, SOCK_SEQPACKET) as [number, number];
  const result = host.spawn({
    cloneFlags,
    steps: steps(theirs),
    exec: hostPath(process.execPath),
    execFd: -1,
    argv: ["node", hostPath(join(dir, "child.cjs"))],
    envp: [],
  });
  host.close(theirs);
  assert.equal(result.error, 0, `step ${result.step}`);
  return { result, socket };
}

function receive(socket: number): Record<string, unknown> {
  const buf = new Uint8Array(65536);
  const n = host.read(socket, buf, 0, buf.length);
  assert.ok(n > 0);
  return JSON.parse(Buffer.from(buf.subarray(0, n)).toString()) as Record<string, unknown>;
}

function go(socket: number): void {
  assert.equal(host.write(socket, new Uint8Array(1), 0, 1), 1);
}

function end({ result, socket }: Started): void {
  host.close(socket);
  host.pidfdSendSignal(result.pidfd, 9);
  host.wait4(result.pid, 0, new Int32Array(1));
  host.close(result.pidfd);
}

const field = (status: unknown, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status as string)?.[1] ?? "";

test("a Sentry has an empty read-only root and no rights", root, () => {
  const started = start(SENTRY_NAMESPACES, (socket) => sentrySteps(setup(socket)));
  const { result, socket } = started;
  const first = receive(socket);
  assert.equal(first["pid"], 1);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    assert.equal(field(first["status"], set), "0000000000000000", set);
  }
  assert.equal(field(first["status"], "NoNewPrivs"), "1");
  assert.equal(finishSetup(host, result.pid, result.pidfd, scratch), 0);
  const mounts = readFileSync(`/proc/${result.pid}/mountinfo`, "latin1").trim().split("\n");
  assert.equal(mounts.length, 1, mounts.join("\n"));
  assert.match(mounts[0]!, / \/ \/ ro,nosuid,nodev,noexec.* tmpfs tsvisor /);
  go(socket);
  const seen = receive(socket);
  assert.deepEqual(seen["list"], ["", "", "ENOENT"]);
  assert.deepEqual(seen["writes"], ["EROFS", "ENOENT", "EROFS"]);
  // Once more: there is nothing to finish.
  assert.notEqual(finishSetup(host, result.pid, result.pidfd, scratch), 0);
  end(started);
});

test("a gofer sees its exports and nothing else", root, () => {
  const tree = { hostPath: hostPath(join(dir, "rootfs")), readonly: false, isFile: false };
  const single = { hostPath: hostPath(join(dir, "single")), readonly: true, isFile: true };
  const steps = (socket: number): SpawnStep[] => goferSteps(setup(socket), tree, [single], [CAP_CHOWN]);
  const started = start(GOFER_NAMESPACES, steps);
  const { result, socket } = started;
  assert.equal(field(receive(socket)["status"], "CapEff"), "0000000000000001");
  assert.equal(finishSetup(host, result.pid, result.pidfd, scratch), 0);
  const mounts = readFileSync(`/proc/${result.pid}/mountinfo`, "latin1").trim().split("\n");
  assert.equal(mounts.length, 4, mounts.join("\n"));
  assert.ok(mounts.slice(1).every((line) => line.includes("nosuid,nodev")));
  go(socket);
  const seen = receive(socket);
  assert.deepEqual(seen["list"], ["mount0,proc,root", "mount0,proc,root", "ENOENT"]);
  assert.equal(seen["file"], "file");
  assert.deepEqual(seen["writes"], ["EROFS", "written", "EROFS"]);
  assert.equal(readFileSync(join(dir, "rootfs/new"), "latin1"), "z");
  end(started);
});

test("an export that contains the scratch directory does not contain what is built there", root, () => {
  const tree = { hostPath: hostPath(dir), readonly: true, isFile: false };
  const started = start(GOFER_NAMESPACES, (socket) => goferSteps(setup(socket), tree, []));
  const { result, socket } = started;
  receive(socket);
  assert.equal(finishSetup(host, result.pid, result.pidfd, scratch), 0);
  assert.deepEqual(readdirSync(`/proc/${result.pid}/root/root/scratch`), []);
  const names = readdirSync(`/proc/${result.pid}/root/root`).sort();
  assert.deepEqual(names, ["child.cjs", "rootfs", "scratch", "single"]);
  assert.throws(() => writeFileSync(`/proc/${result.pid}/root/root/single`, "x"), /EROFS/);
  end(started);
});

test("a process dies with the one that spawned it", root, () => {
  const script = `
    import { linuxHost } from "${join(import.meta.dirname, "linux.unsafe.ts")}";
    import { SENTRY_NAMESPACES, sentrySteps } from "${join(import.meta.dirname, "spawn-steps.ts")}";
    const setup = { scratch: ${JSON.stringify(scratch)}, fds: [0, 1, 2], uid: -1, gid: -1, diesWithParent: true };
    const result = linuxHost().spawn({ cloneFlags: SENTRY_NAMESPACES, steps: sentrySteps(setup), exec: "/bin/sleep",
      execFd: -1, argv: ["sleep", "100"], envp: [] });
    process.stdout.write(String(result.pid));
    process.kill(process.pid, "SIGKILL");`;
  const [readEnd, writeEnd] = host.pipe2(0) as [number, number];
  const parent = host.spawn({
    cloneFlags: 0,
    steps: fdSteps([0, writeEnd, 2]),
    exec: hostPath(process.execPath),
    execFd: -1,
    argv: ["node", "--input-type=module", "-e", script],
    envp: [],
  });
  host.close(writeEnd);
  const status = new Int32Array(1);
  host.wait4(parent.pid, 0, status);
  host.close(parent.pidfd);
  assert.equal(status[0], 9);
  const buf = new Uint8Array(16);
  const pid = Number(Buffer.from(buf.subarray(0, host.read(readEnd, buf, 0, 16))).toString());
  assert.ok(pid > 1);
  // The sleeper holds the pipe's other end: its end of file is the proof.
  const set = new Int32Array([readEnd, 1, 0]);
  assert.equal(host.poll(set, 1, 10_000), 1);
  assert.equal(host.read(readEnd, buf, 0, 16), 0);
  host.close(readEnd);
});

test("finishSetup reports a root that did not move", () => {
  const fake = new FakeHost();
  let inode = 1;
  fake.always("fstatat", (_dirfd, _path, _flags, out) => {
    out[HSTAT_INO] = inode++;
    return 0;
  });
  assert.equal(finishSetup(fake.host, 42, 7, "/scratch"), -EOPNOTSUPP);
  assert.equal(fake.callsOf("fstatat")[0]!.args[1], "/proc/42/root/scratch");
  const steps = fake.callsOf("runSteps")[0]!.args[1] as SpawnStep[];
  assert.deepEqual(
    steps.map((step) => step.op),
    ["setns", "chdir", "pivot_root", "umount"],
  );
  fake.once("runSteps", { pid: -1, pidfd: -1, error: -EINVAL, step: 2 });
  assert.equal(finishSetup(fake.host, 42, 7, "/scratch"), -EINVAL);
  fake.once("fstatat", -ENOENT);
  assert.equal(finishSetup(fake.host, 42, 7, "/scratch"), -ENOENT);
});

test("the root is read-only last, after all its entries were made", () => {
  const bind = { source: "/a", name: "x", readonly: true, isFile: true, recursive: true };
  const ops = rootSteps("/s", [bind, { ...bind, name: "y", isFile: false }]).map((step) => step.op);
  assert.equal(ops.join(" "), "mount mount writefile mount mount_setattr mkdir mount mount_setattr mount_setattr");
});

test("capability sets cover 64 bits", () => {
  assert.deepEqual(capPair([0, 31, 32, 40]), { lo: 0x80000001, hi: 0x101 });
  assert.deepEqual(capPair([]), { lo: 0, hi: 0 });
});
