import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  E2BIG,
  EADDRINUSE,
  EAGAIN,
  EBADF,
  EBADMSG,
  ECONNREFUSED,
  EMSGSIZE,
  ENAMETOOLONG,
  EPIPE,
} from "../abi/errno.ts";
import { AT_EMPTY_PATH } from "../abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT } from "../abi/poll.ts";
import { AF_UNIX, MSG_DONTWAIT, SOCK_SEQPACKET, SOCK_STREAM } from "../abi/socket.ts";
import { FDS_MAX, HSTAT_INO, HSTAT_LEN } from "./host.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { hostPath } from "./spawn-steps.ts";

const host = linuxHost();

function pair(type: number): [number, number] {
  const fds = host.socketpair(AF_UNIX, type);
  assert.ok(typeof fds !== "number");
  return fds;
}

function inode(fd: number): number {
  const out = new Float64Array(HSTAT_LEN);
  assert.equal(host.fstatat(fd, "", AT_EMPTY_PATH, out), 0);
  return out[HSTAT_INO]!;
}

const openFds = (): number => readdirSync("/proc/self/fd").length;

test("messages carry bytes and file descriptors", () => {
  const [a, b] = pair(SOCK_SEQPACKET);
  const memfd = host.memfdCreate("passed", 0);
  const buf = Buffer.from("..message..");
  assert.equal(host.sendmsg(a, buf, 2, 7, [memfd, a], 0), 7);
  assert.equal(host.sendmsg(a, buf, 2, 3, [], 0), 3);
  const into = new Uint8Array(32);
  const fds = new Int32Array(FDS_MAX + 1);
  assert.equal(host.recvmsg(b, into, 4, 28, fds, 0), 7);
  assert.equal(Buffer.from(into.subarray(4, 11)).toString(), "message");
  assert.equal(fds[FDS_MAX], 2);
  assert.equal(inode(fds[0]!), inode(memfd));
  assert.equal(inode(fds[1]!), inode(a));
  host.close(fds[0]!);
  host.close(fds[1]!);
  assert.equal(host.recvmsg(b, into, 0, 32, fds, 0), 3);
  assert.equal(fds[FDS_MAX], 0);
  assert.equal(host.recvmsg(b, into, 0, 32, fds, MSG_DONTWAIT), -EAGAIN);
  host.close(memfd);
  host.close(a);
  assert.equal(host.recvmsg(b, into, 0, 32, fds, 0), 0);
  assert.equal(host.sendmsg(b, buf, 0, 1, [], 0), -EPIPE, "and no SIGPIPE");
  host.close(b);
});

test("one descriptor with one byte, and nothing else", () => {
  const [a, b] = pair(SOCK_STREAM);
  const before = openFds();
  assert.equal(host.sendFd(a, a), 0);
  const fd = host.recvFd(b);
  assert.equal(inode(fd), inode(a));
  assert.equal(host.close(fd), 0);
  const byte = new Uint8Array(1);
  assert.equal(host.sendmsg(a, byte, 0, 1, [], 0), 1);
  assert.equal(host.recvFd(b), -EBADMSG);
  assert.equal(host.sendmsg(a, byte, 0, 1, [a, b], 0), 1);
  assert.equal(host.recvFd(b), -EBADMSG);
  assert.equal(host.sendFd(a, -1), -EBADF);
  assert.equal(openFds(), before);
  host.close(a);
  assert.equal(host.recvFd(b), -EBADMSG);
  assert.equal(host.sendFd(b, b), -EPIPE);
  host.close(b);
});

test("the largest message passes, a larger one is refused without leaking", () => {
  const [a, b] = pair(SOCK_SEQPACKET);
  const before = openFds();
  const into = new Uint8Array(8);
  const fds = new Int32Array(FDS_MAX + 1);
  assert.equal(host.sendmsg(a, into, 0, 1, new Array<number>(FDS_MAX).fill(b), 0), 1);
  assert.equal(host.sendmsg(a, into, 0, 1, new Array<number>(FDS_MAX + 1).fill(b), 0), -E2BIG);
  assert.equal(host.recvmsg(b, into, 0, 8, fds, 0), 1);
  assert.equal(fds[FDS_MAX], FDS_MAX);
  for (let i = 0; i < FDS_MAX; i++) host.close(fds[i]!);
  assert.equal(openFds(), before);
  assert.throws(() => host.recvmsg(b, into, 0, 8, new Int32Array(FDS_MAX), 0), RangeError);
  host.close(a);
  host.close(b);
});

test("a message with more descriptors than we take is dropped, and they are closed", (t) => {
  // The sender is another program: our own sendmsg does not make such messages.
  const [a, b] = pair(SOCK_SEQPACKET);
  const script =
    "import socket,array; s=socket.socket(fileno=3);" +
    "s.sendmsg([b'x'],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array('i',[1]*100))])";
  const sent = host.spawn({
    cloneFlags: 0,
    steps: [
      { op: "dup", from: 1, to: 1 },
      { op: "dup", from: a, to: 3 },
    ],
    exec: "/usr/bin/python3",
    execFd: -1,
    argv: ["python3", "-c", script],
    envp: [],
  });
  if (sent.error < 0) {
    host.close(a);
    host.close(b);
    t.skip("needs /usr/bin/python3");
    return;
  }
  const status = new Int32Array(1);
  host.wait4(sent.pid, 0, status);
  host.close(sent.pidfd);
  assert.equal(status[0], 0);
  const before = openFds();
  const fds = new Int32Array(FDS_MAX + 1);
  assert.equal(host.recvmsg(b, new Uint8Array(8), 0, 8, fds, 0), -EMSGSIZE);
  assert.equal(fds[FDS_MAX], 0);
  assert.equal(openFds(), before);
  host.close(a);
  host.close(b);
});

test("poll reports what is ready, and waits no longer than told", () => {
  const pipe = host.pipe2(0);
  assert.ok(typeof pipe !== "number");
  const [r, w] = pipe;
  const set = new Int32Array([r, POLLIN, -1, w, POLLOUT, -1]);
  assert.equal(host.poll(set, 2, 0), 1);
  assert.deepEqual([set[2], set[5]], [0, POLLOUT]);
  const started = performance.now();
  assert.equal(host.poll(set, 1, 20.5), 0);
  assert.ok(performance.now() - started >= 20);
  assert.equal(host.write(w, Buffer.from("x"), 0, 1), 1);
  assert.equal(host.poll(set, 1, -1), 1);
  assert.equal(set[2], POLLIN);
  host.close(w);
  assert.equal(host.poll(set, 1, -1), 1);
  assert.equal(set[2], POLLIN | POLLHUP);
  const many = new Int32Array(3 * 100).fill(-1);
  many.set([r, POLLIN, 0], 3 * 99);
  assert.equal(host.poll(many, 100, 0), 1);
  assert.equal(many[3 * 99 + 2], POLLIN | POLLHUP);
  assert.throws(() => host.poll(set, 3, 0), RangeError);
  host.close(r);
});

test("event counters", () => {
  const fd = host.eventfd(5, 0o4000);
  const buf = new Uint8Array(8);
  assert.equal(host.read(fd, buf, 0, 8), 8);
  assert.equal(buf[0], 5);
  assert.equal(host.read(fd, buf, 0, 8), -EAGAIN);
  host.close(fd);
});

test("sockets at paths: listen, connect, accept", () => {
  const dir = mkdtempSync(join(tmpdir(), "tsvisor-sock-"));
  const path = hostPath(join(dir, "s"));
  const server = host.unixListen(path, SOCK_STREAM, 4);
  assert.ok(server >= 0);
  assert.equal(host.unixListen(path, SOCK_STREAM, 4), -EADDRINUSE);
  const client = host.unixConnect(path, SOCK_STREAM);
  const peer = host.accept(server, 0);
  assert.ok(client >= 0 && peer >= 0);
  assert.equal(host.write(client, Buffer.from("hi"), 0, 2), 2);
  assert.equal(host.shutdown(client, 1), 0);
  const buf = new Uint8Array(8);
  assert.equal(host.read(peer, buf, 0, 8), 2);
  assert.equal(host.read(peer, buf, 0, 8), 0);
  for (const fd of [client, peer, server]) host.close(fd);
  assert.equal(host.unixConnect(path, SOCK_STREAM), -ECONNREFUSED);
  assert.equal(host.unixConnect("/" + "x".repeat(107), SOCK_STREAM), -ENAMETOOLONG);
  rmSync(dir, { recursive: true });
});
