import assert from "node:assert/strict";
import { test } from "node:test";
import { EINVAL, EMFILE, ENOSPC } from "../../../abi/errno.ts";
import { EV_IN, EV_OUT } from "../../../base/waiter.ts";
import { ManualClock } from "../../time/clock.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { MqInode, MqueueFs } from "./mqueue.ts";
import { MessageQueue, MqWaiter } from "./queue.ts";

const data = (n: number): Uint8Array => new Uint8Array(n);

test("queue: priorities, then age", () => {
  const q = new MessageQueue(4, 100);
  for (const [priority, size] of [
    [1, 1],
    [5, 2],
    [1, 3],
    [5, 4],
  ] as const) {
    q.send({ priority, data: data(size) }, 1, 0);
  }
  assert.equal(q.readiness & (EV_IN | EV_OUT), EV_IN);
  assert.equal(q.bytes, 10);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => q.receive()!.data.length),
    [2, 4, 1, 3],
  );
  assert.equal(q.receive(), null);
});

test("queue: who waits is served in order, and tells nobody else", () => {
  const q = new MessageQueue(1, 100);
  let woken = 0;
  const sleeper = { wake: () => void woken++ };
  let fired = 0;
  q.notification = { pid: 1, owner: q, kind: 0, signo: 0, fire: () => void fired++, cancelled: () => {} };
  const r = new MqWaiter(sleeper, null);
  q.waitToReceive(r);
  const m = { priority: 0, data: data(1) };
  q.send(m, 1, 0);
  assert.equal(r.message, m);
  assert.ok(r.done);
  assert.equal(fired, 0);
  q.send(m, 1, 0);
  assert.equal(fired, 1);
  assert.equal(q.notification, null);
  const s = new MqWaiter(sleeper, { priority: 9, data: data(9) });
  q.waitToSend(s);
  assert.equal(q.receive(), m);
  assert.ok(s.done);
  assert.equal(q.count, 1);
  assert.equal(woken, 2);
});

test("mqueue: limits, and what is given back", () => {
  const fs = new MqueueFs(new VirtualFileSystem(new ManualClock()));
  const root = fs.root.inode!;
  fs.request = { attr: { maxMessages: 11, maxSize: 10 }, privileged: false, limit: 1e6 };
  assert.equal(root.create("a", 0o600, 5, 5), -EINVAL);
  fs.request = { attr: { maxMessages: 10, maxSize: 1000 }, privileged: false, limit: 15000 };
  const a = root.create("a", 0o600, 5, 5);
  assert.ok(a instanceof MqInode);
  assert.equal(root.create("b", 0o600, 5, 5), -EMFILE);
  fs.limits.queuesMax = 1;
  assert.equal(root.create("b", 0o600, 6, 6), -ENOSPC);
  assert.equal(root.unlink("a", a), 0);
  assert.equal(fs.queues, 0);
  assert.equal(fs.bytesByUser.of(5), 0);
});
