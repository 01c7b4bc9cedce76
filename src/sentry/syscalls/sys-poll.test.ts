import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EBADF,
  EEXIST,
  EFAULT,
  EINTR,
  EINVAL,
  ELOOP,
  ENOENT,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
} from "../../abi/errno.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY } from "../../abi/fcntl.ts";
import { BLOCKED } from "../kernel/task.ts";
import { BAD, ok, TestKernel } from "./file-harness.testing.ts";
import type { Caller } from "./file-harness.testing.ts";
import { epollCreate, epollCreate1, epollCtl, epollPwait, epollPwait2, epollWait } from "./sys-epoll.ts";
import { eventfd2, pipe2, signalfd4, timerfdCreate, timerfdGettime, timerfdSettime } from "./sys-eventfd.ts";
import { poll, ppoll, pselect6, select } from "./sys-poll.ts";
import { read } from "./sys-rw.ts";
import { kernelSignal, sendToGroup } from "../kernel/task-signals.ts";
import { SIGUSR1 } from "../../abi/signal.ts";

const MS = 1e6;

function makePipe(c: Caller): [number, number] {
  const at = c.alloc(8);
  ok(c.call(pipe2, at, 0));
  return [c.getI32(at), c.getI32(at + 4)];
}

function pollfds(c: Caller, ...list: [number, number][]): number {
  return c.i32s(...list.flatMap(([fd, events]) => [fd, events]));
}

function revents(c: Caller, at: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => c.get(at + i * 8 + 6, 2).readUInt16LE(0));
}

function event(c: Caller, events: number, data: number): number {
  const b = Buffer.alloc(12);
  b.writeUInt32LE(events >>> 0, 0);
  b.writeUInt32LE(data, 4);
  const at = c.alloc(12);
  c.put(at, b);
  return at;
}

test("poll reports what Linux reports", () => {
  const c = new TestKernel().process();
  const [r, w] = makePipe(c);
  const f = c.open("/f");
  const d = c.open("/", O_RDONLY | O_DIRECTORY);
  const p = c.open("/f", O_PATH);
  const ep = c.call(epollCreate1, 0);
  const at = pollfds(c, [f, 0x145], [r, 1], [w, 0x304], [p, 1], [99, 1], [-1, 1], [d, 1], [ep, 5]);
  assert.equal(c.call(poll, at, 8, 0), 5);
  assert.deepEqual(revents(c, at, 8), [0x145, 0, 0x104, 0x20, 0x20, 0, 1, 0]);
  assert.equal(c.call(poll, BAD, 1, 0), -EFAULT);
  assert.equal(c.call(poll, BAD, 0, 0), 0);
  assert.equal(c.call(poll, at, 1_000_000_000, 0), -EINVAL);
});

test("poll waits, wakes and times out", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const d = k.thread(c);
  const at = pollfds(c, [r, 1]);
  assert.equal(c.call(poll, at, 1, -1), BLOCKED);
  d.write(w, "x");
  assert.equal(c.woken, true);
  assert.equal(c.again(), 1);
  assert.deepEqual(revents(c, at, 1), [1]);
  d.read(r, 1);
  assert.equal(c.call(poll, at, 1, 50), BLOCKED);
  k.advance(49 * MS);
  assert.equal(c.woken, false);
  k.advance(1 * MS);
  assert.equal(c.woken, true);
  assert.equal(c.again(), 0);
  assert.equal(c.call(poll, 0, 0, 10), BLOCKED);
  k.advance(10 * MS);
  assert.equal(c.again(), 0);
});

test("an interrupted poll goes on with its old deadline", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r] = makePipe(c);
  const at = pollfds(c, [r, 1]);
  assert.equal(c.call(poll, at, 1, 100), BLOCKED);
  k.advance(60 * MS);
  assert.equal(c.interrupt(), -ERESTART_RESTARTBLOCK);
  const restart = c.t.restartFn!;
  assert.equal(
    c.call((t) => restart(t)),
    BLOCKED,
  );
  k.advance(39 * MS);
  assert.equal(c.woken, false);
  k.advance(1 * MS);
  assert.equal(c.again(), 0);
});

test("ppoll: masks, and the time that is left", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r] = makePipe(c);
  const at = pollfds(c, [r, 1]);
  const mask = c.i64s(0x10);
  assert.equal(c.call(ppoll, at, 1, c.i64s(-1, 0), 0, 8), -EINVAL);
  assert.equal(c.call(ppoll, at, 1, c.i64s(0, 1e9), 0, 8), -EINVAL);
  assert.equal(c.call(ppoll, at, 1, BAD, 0, 8), -EFAULT);
  assert.equal(c.call(ppoll, at, 1, c.i64s(1, 0), mask, 7), -EINVAL);
  assert.equal(c.call(ppoll, at, 1, c.i64s(1, 0), BAD, 8), -EFAULT);
  assert.equal(c.call(ppoll, at, 1, c.i64s(0, 0), 0, 8), 0);
  const ts = c.i64s(1, 0);
  c.t.maskLo = 1;
  assert.equal(c.call(ppoll, at, 1, ts, mask, 8), BLOCKED);
  assert.equal(c.t.maskLo, 0x10);
  assert.equal(c.t.restoreMask, true);
  assert.equal(c.t.savedMaskLo, 1);
  k.advance(400 * MS);
  assert.equal(c.interrupt(), -ERESTARTNOHAND);
  assert.deepEqual([c.getI64(ts), c.getI64(ts + 8)], [0, 600 * MS]);
  c.t.restoreMask = false;
  assert.equal(c.call(ppoll, at, 1, ts, 0, 8), BLOCKED);
  k.advance(600 * MS);
  assert.equal(c.again(), 0);
  assert.deepEqual([c.getI64(ts), c.getI64(ts + 8)], [0, 0]);
});

test("select", () => {
  const k = new TestKernel();
  const c = k.process();
  const [r, w] = makePipe(c);
  const f = c.open("/f");
  const zero = c.i64s(0, 0);
  const set = (...fds: number[]): number => c.i64s(fds.reduce((m, fd) => m + 2 ** fd, 0));
  const rd = set(r, f);
  const wr = set(w, f);
  const ex = set(f);
  assert.equal(c.call(select, f + 1, rd, wr, ex, zero), 3);
  assert.deepEqual([c.getI64(rd), c.getI64(wr), c.getI64(ex)], [2 ** f, 2 ** w + 2 ** f, 0]);
  assert.equal(c.call(select, 40, set(33), 0, 0, zero), -EBADF);
  assert.equal(c.call(select, -1, 0, 0, 0, zero), -EINVAL);
  assert.equal(c.call(select, 10, BAD, 0, 0, zero), -EFAULT);
  assert.equal(c.call(select, 0, BAD, 0, 0, zero), 0);
  assert.equal(c.call(select, 0, 0, 0, 0, c.i64s(-1, 0)), -EINVAL);
  assert.equal(c.call(select, 0, 0, 0, 0, c.i64s(0, -1)), -EINVAL);
  const wait = set(r);
  const tv = c.i64s(1, 500_000);
  assert.equal(c.call(select, r + 1, wait, 0, 0, tv), BLOCKED);
  k.advance(1000 * MS);
  k.thread(c).write(w, "x");
  assert.equal(c.again(), 1);
  assert.deepEqual([c.getI64(tv), c.getI64(tv + 8)], [0, 500_000]);
  const ts = c.i64s(0, 5 * MS);
  const sig = c.i64s(c.i64s(0x20), 8);
  assert.equal(c.call(pselect6, 0, 0, 0, 0, ts, sig), BLOCKED);
  assert.equal(c.t.maskLo, 0x20);
  k.advance(5 * MS);
  assert.equal(c.again(), 0);
  assert.equal(c.t.maskLo, 0);
});

test("epoll_ctl errors", () => {
  const c = new TestKernel().process();
  const [r] = makePipe(c);
  const f = c.open("/f");
  const p = c.open("/f", O_PATH);
  const ep = ok(c.call(epollCreate1, 0));
  const ev = event(c, 1, 7);
  assert.equal(c.call(epollCreate, 0), -EINVAL);
  assert.equal(c.call(epollCreate1, 1), -EINVAL);
  assert.equal(c.call(epollCtl, ep, 9, r, ev), -EINVAL);
  assert.equal(c.call(epollCtl, ep, 9, f, ev), -EPERM);
  assert.equal(c.call(epollCtl, ep, 1, r, BAD), -EFAULT);
  assert.equal(c.call(epollCtl, 99, 1, r, BAD), -EFAULT);
  assert.equal(c.call(epollCtl, 99, 1, 98, ev), -EBADF);
  assert.equal(c.call(epollCtl, f, 1, r, ev), -EINVAL);
  assert.equal(c.call(epollCtl, ep, 1, ep, ev), -EINVAL);
  assert.equal(c.call(epollCtl, ep, 1, p, ev), -EBADF);
  assert.equal(c.call(epollCtl, ep, 3, r, ev), -ENOENT);
  assert.equal(c.call(epollCtl, ep, 2, r, 0), -ENOENT);
  assert.equal(c.call(epollCtl, ep, 1, r, ev), 0);
  assert.equal(c.call(epollCtl, ep, 1, r, ev), -EEXIST);
  const ep2 = ok(c.call(epollCreate1, 0));
  assert.equal(c.call(epollCtl, ep2, 1, ep, ev), 0);
  assert.equal(c.call(epollCtl, ep, 1, ep2, ev), -ELOOP);
  const out = c.alloc(120);
  assert.equal(c.call(epollWait, ep, out, 0, 0), -EINVAL);
  assert.equal(c.call(epollWait, 99, out, 0, 0), -EBADF);
  assert.equal(c.call(epollWait, f, out, 1, 0), -EINVAL);
  assert.equal(c.call(epollWait, ep, 2 ** 63, 1, 0), -EFAULT);
  assert.equal(c.call(epollWait, ep, BAD, 1, 0), 0);
  assert.equal(c.call(epollPwait, ep, out, 1, 0, c.i64s(0), 7), -EINVAL);
  assert.equal(c.call(epollPwait2, ep, out, 1, c.i64s(-1, 0), 0, 8), -EINVAL);
});

test("epoll_wait: level, edge, one-shot; waking and timing out", () => {
  const k = new TestKernel();
  const c = k.process();
  const d = k.thread(c);
  const [r, w] = makePipe(c);
  const ep = ok(c.call(epollCreate1, 0));
  const out = c.alloc(120);
  ok(c.call(epollCtl, ep, 1, r, event(c, 1, 42)));
  assert.equal(c.call(epollWait, ep, out, 10, -1), BLOCKED);
  d.write(w, "x");
  assert.equal(c.woken, true);
  assert.equal(c.again(), 1);
  assert.deepEqual([c.getI32(out), c.getI32(out + 4)], [1, 42]);
  assert.equal(c.call(epollWait, ep, out, 10, 0), 1, "level-triggered: again");
  ok(c.call(epollCtl, ep, 3, r, event(c, 0x80000001, 43)));
  assert.equal(c.call(epollWait, ep, out, 10, 0), 1);
  assert.equal(c.call(epollWait, ep, out, 10, 0), 0, "edge-triggered: once");
  d.write(w, "y");
  assert.equal(c.call(epollWait, ep, out, 10, 0), 1);
  ok(c.call(epollCtl, ep, 3, r, event(c, 0x40000001, 44)));
  assert.equal(c.call(epollWait, ep, out, 10, 0), 1);
  d.write(w, "z");
  assert.equal(c.call(epollWait, ep, out, 10, 0), 0, "one-shot: disarmed");
  assert.equal(c.call(epollWait, ep, out, 10, 20), BLOCKED);
  k.advance(20 * MS);
  assert.equal(c.again(), 0);
  assert.equal(c.call(epollWait, ep, out, 10, -1), BLOCKED);
  assert.equal(c.interrupt(), -EINTR);
});

test("timerfd", () => {
  const k = new TestKernel();
  const c = k.process();
  assert.equal(c.call(timerfdCreate, 77, 0), -EINVAL);
  assert.equal(c.call(timerfdCreate, 2, 0), -EINVAL);
  assert.equal(c.call(timerfdCreate, 1, 1), -EINVAL);
  const tf = ok(c.call(timerfdCreate, 1, 0));
  const f = c.open("/f");
  const its = c.i64s(0, 10 * MS, 0, 5 * MS);
  const old = c.alloc(32);
  assert.equal(c.call(timerfdSettime, tf, 8, its, 0), -EINVAL);
  assert.equal(c.call(timerfdSettime, tf, 0, c.i64s(0, 0, 0, 2e9), 0), -EINVAL);
  assert.equal(c.call(timerfdSettime, 99, 0, its, 0), -EBADF);
  assert.equal(c.call(timerfdSettime, f, 0, its, 0), -EINVAL);
  assert.equal(c.call(timerfdSettime, tf, 0, BAD, 0), -EFAULT);
  assert.equal(c.call(timerfdSettime, tf, 0, its, old), 0);
  assert.equal(c.getI64(old + 24), 0);
  const at = c.alloc(8);
  assert.equal(c.call(read, tf, at, 8), BLOCKED);
  k.advance(26 * MS);
  assert.equal(c.woken, true);
  assert.equal(c.again(), 8);
  assert.equal(c.getI64(at), 3);
  ok(c.call(timerfdGettime, tf, old));
  assert.deepEqual([c.getI64(old + 8), c.getI64(old + 24)], [10 * MS, 9 * MS]);
  c.close(tf);
  assert.equal(k.kernel.timers.nextNs, Infinity);
});

test("signalfd reads what is blocked", () => {
  const k = new TestKernel();
  const c = k.process();
  const bit = 1 << (SIGUSR1 - 1);
  const mask = c.i64s(bit);
  assert.equal(c.call(signalfd4, -1, mask, 7, 0), -EINVAL);
  assert.equal(c.call(signalfd4, -1, BAD, 8, 0), -EFAULT);
  assert.equal(c.call(signalfd4, -1, mask, 8, 1), -EINVAL);
  assert.equal(c.call(signalfd4, -2, mask, 8, 0), -EBADF);
  assert.equal(c.call(signalfd4, c.open("/f"), mask, 8, 0), -EINVAL);
  const fd = ok(c.call(signalfd4, -1, mask, 8, 0));
  c.t.maskLo = bit;
  const at = c.alloc(128);
  assert.equal(c.call(read, fd, at, 127), -EINVAL);
  assert.equal(c.call(read, fd, at, 128), BLOCKED);
  sendToGroup(c.t.group, kernelSignal(SIGUSR1));
  assert.equal(c.woken, true);
  assert.equal(c.again(), 128);
  assert.equal(c.getI32(at), SIGUSR1);
  assert.equal(c.t.group.pending.has(SIGUSR1), false);
  assert.equal(c.call(signalfd4, fd, mask, 8, 0), fd);
});

test("eventfd blocks readers and writers", () => {
  const k = new TestKernel();
  const c = k.process();
  const d = k.thread(c);
  const fd = ok(c.call(eventfd2, 0, 0));
  const at = c.alloc(8);
  assert.equal(c.call(eventfd2, 0, 0x10), -EINVAL);
  assert.equal(c.call(read, fd, at, 8), BLOCKED);
  d.write(fd, "\x05\0\0\0\0\0\0\0");
  assert.equal(c.woken, true);
  assert.equal(c.again(), 8);
  assert.equal(c.getI64(at), 5);
});
