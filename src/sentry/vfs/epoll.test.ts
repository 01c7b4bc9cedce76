import assert from "node:assert/strict";
import { test } from "node:test";
import { EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../../abi/errno.ts";
import { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT } from "../../abi/epoll.ts";
import { EV_IN, EV_OUT, WaitEntry, WaitQueue } from "../../base/waiter.ts";
import { ManualClock } from "../time/clock.ts";
import { Epoll } from "./epoll.ts";
import { FileDescription } from "./file.ts";
import { VirtualFileSystem } from "./vfs.ts";

class Fake extends FileDescription {
  readonly queue: WaitQueue = new WaitQueue();
  now = 0;
  polls = 0;
  override waitQueue(): WaitQueue {
    return this.queue;
  }
  override readiness(): number {
    this.polls++;
    return this.now;
  }
  set(events: number): void {
    this.now = events;
    this.queue.notify(events);
  }
}

class Plain extends FileDescription {}

const view: DataView = new DataView(new ArrayBuffer(12 * 64));

function collect(e: Epoll, max: number = 64): [number, number][] {
  const n = e.collect(view, 0, max);
  const out: [number, number][] = [];
  for (let i = 0; i < n; i++) out.push([view.getUint32(i * 12, true), view.getUint32(i * 12 + 4, true)]);
  return out;
}

const vfs: VirtualFileSystem = new VirtualFileSystem(new ManualClock());

test("level-triggered, edge-triggered, one-shot", () => {
  const e = Epoll.create(vfs);
  const f = new Fake();
  assert.equal(e.add(f, 3, EPOLLIN, 77, 0), 0);
  assert.deepEqual(collect(e), []);
  f.set(EV_IN | EV_OUT);
  assert.equal(e.readiness() & EV_IN, EV_IN);
  assert.deepEqual(collect(e), [[EPOLLIN, 77]]);
  assert.deepEqual(collect(e), [[EPOLLIN, 77]], "still ready");
  f.now = 0;
  assert.deepEqual(collect(e), []);
  assert.equal(e.modify(f, 3, EPOLLIN | EPOLLET, 78, 0), 0);
  f.set(EV_IN);
  assert.deepEqual(collect(e), [[EPOLLIN, 78]]);
  assert.deepEqual(collect(e), [], "reported once");
  f.set(EV_IN);
  assert.deepEqual(collect(e), [[EPOLLIN, 78]], "a new event");
  assert.equal(e.modify(f, 3, EPOLLIN | EPOLLONESHOT, 79, 0), 0);
  assert.deepEqual(collect(e), [[EPOLLIN, 79]], "modification looks at what holds now");
  f.set(EV_IN);
  assert.deepEqual(collect(e), []);
  e.modify(f, 3, EPOLLIN | EPOLLONESHOT, 79, 0);
  assert.deepEqual(collect(e), [[EPOLLIN, 79]]);
  e.modify(f, 3, 0, 80, 0);
  f.set(EPOLLHUP | EPOLLERR);
  assert.deepEqual(collect(e), [[(EPOLLHUP | EPOLLERR) >>> 0, 80]], "errors are reported unasked");
  e.decRef();
  assert.equal(f.epollItems, null);
  assert.ok(f.queue.isEmpty);
});

test("errors", () => {
  const e = Epoll.create(vfs);
  const f = new Fake();
  assert.equal(e.add(e, 3, EPOLLIN, 0, 0), -EINVAL);
  assert.equal(e.add(new Plain(), 3, EPOLLIN, 0, 0), -EPERM);
  assert.equal(e.delete(f, 3), -ENOENT);
  assert.equal(e.modify(f, 3, EPOLLIN, 0, 0), -ENOENT);
  assert.equal(e.add(f, 3, EPOLLIN, 0, 0), 0);
  assert.equal(e.add(f, 3, EPOLLIN, 0, 0), -EEXIST);
  assert.equal(e.add(f, 4, EPOLLIN, 0, 0), 0, "the same file under another fd");
  assert.equal(e.delete(f, 3), 0);
  assert.equal(e.delete(f, 3), -ENOENT);
  f.set(EV_IN);
  assert.equal(collect(e).length, 1);
  const g = new Fake();
  assert.equal(e.add(g, 5, (EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT) >>> 0, 0, 0), -EINVAL);
  assert.equal(e.add(g, 5, EPOLLIN | EPOLLEXCLUSIVE, 0, 0), 0);
  assert.equal(e.modify(g, 5, EPOLLIN, 0, 0), -EINVAL);
  e.decRef();
});

test("a closed file leaves", () => {
  const e = Epoll.create(vfs);
  const f = new Fake();
  e.add(f, 3, EPOLLIN | EPOLLOUT, 1, 2);
  f.set(EV_IN);
  f.decRef();
  assert.deepEqual(collect(e), []);
  e.decRef();
});

test("nesting: inner readiness shows, loops and depth are refused", () => {
  const inner = Epoll.create(vfs);
  const outer = Epoll.create(vfs);
  const f = new Fake();
  inner.add(f, 3, EPOLLIN, 1, 0);
  assert.equal(outer.add(inner, 4, EPOLLIN, 2, 0), 0);
  assert.equal(inner.add(outer, 5, EPOLLIN, 3, 0), -ELOOP);
  let woken = 0;
  const w = new WaitEntry({ onEvent: () => void woken++ });
  outer.waitQueue().add(w, EV_IN);
  f.set(EV_IN);
  assert.equal(woken, 1);
  assert.deepEqual(collect(outer), [[EPOLLIN, 2]]);
  assert.deepEqual(collect(inner), [[EPOLLIN, 1]]);
  f.now = 0;
  assert.deepEqual(collect(outer), []);
  let top = outer;
  let r = 0;
  let levels = 0;
  while (r === 0 && levels < 10) {
    const next = Epoll.create(vfs);
    r = next.add(top, 9, EPOLLIN, 0, 0);
    top = next;
    levels++;
  }
  assert.equal(r, -ELOOP);
  assert.ok(levels >= 2 && levels <= 4);
});

test("cost does not grow with idle members; fairness with a small maximum", () => {
  const e = Epoll.create(vfs);
  const files: Fake[] = [];
  for (let i = 0; i < 500; i++) {
    const f = new Fake();
    e.add(f, i, EPOLLIN, i, 0);
    files.push(f);
  }
  for (const f of files) f.polls = 0;
  files[123]!.set(EV_IN);
  files[456]!.set(EV_IN);
  assert.deepEqual(collect(e, 1), [[EPOLLIN, 123]]);
  assert.deepEqual(collect(e, 1), [[EPOLLIN, 456]]);
  assert.deepEqual(collect(e, 1), [[EPOLLIN, 123]]);
  assert.equal(
    files.reduce((n, f) => n + f.polls, 0),
    3,
  );
});
