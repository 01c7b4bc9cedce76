import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN } from "../../../abi/errno.ts";
import { TFD_TIMER_ABSTIME } from "../../../abi/eventfd.ts";
import { EV_IN } from "../../../base/waiter.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { createTimerfd } from "./timerfd.ts";
import type { TimerFactory, TimerFile, TimerHandle, TimerSink } from "./timerfd.ts";

class FakeTimer implements TimerHandle {
  deadline = Infinity;
  readonly sink: TimerSink;
  constructor(sink: TimerSink) {
    this.sink = sink;
  }
  arm(d: number): void {
    this.deadline = d;
  }
  cancel(): void {
    this.deadline = Infinity;
  }
}

class Timers implements TimerFactory {
  readonly all: FakeTimer[] = [];
  newTimer(sink: TimerSink): TimerHandle {
    const t = new FakeTimer(sink);
    this.all.push(t);
    return t;
  }
  advance(clock: ManualClock, ns: number): void {
    clock.nowNs += ns;
    for (const t of this.all) {
      if (t.deadline > clock.nowNs) continue;
      t.deadline = Infinity;
      t.sink.onExpire(clock.nowNs);
    }
  }
}

function read(f: TimerFile): number {
  const b = new Uint8Array(8);
  const s = new IoSequence();
  s.push(b, 0, 8);
  const n = f.read(s);
  return n < 0 ? n : new DataView(b.buffer).getUint32(0, true);
}

test("timerfd: one shot, periodic with missed periods, absolute times", () => {
  const clock = new ManualClock();
  const timers = new Timers();
  const vfs = new VirtualFileSystem(clock);
  const f = createTimerfd(vfs, timers, false, 0);
  assert.equal(read(f), -EAGAIN);
  f.setTime(0, 0, 1000, 0);
  f.getTime();
  assert.equal(f.remainingNs, 1000);
  timers.advance(clock, 999);
  assert.equal(f.readiness(), 0);
  timers.advance(clock, 1);
  assert.equal(f.readiness() & EV_IN, EV_IN);
  assert.equal(read(f), 1);
  assert.equal(read(f), -EAGAIN);
  f.getTime();
  assert.equal(f.remainingNs, 0);

  f.setTime(0, 0, 100, 100);
  timers.advance(clock, 350);
  assert.equal(read(f), 3);
  f.getTime();
  assert.deepEqual([f.remainingNs, f.periodNs], [50, 100]);
  timers.advance(clock, 50);
  assert.equal(read(f), 1);

  const r = createTimerfd(vfs, timers, true, 0);
  r.setTime(TFD_TIMER_ABSTIME, clock.epochSec + 5, 0, 0);
  r.getTime();
  assert.equal(r.remainingNs, 5e9 - clock.nowNs);
  r.setTime(TFD_TIMER_ABSTIME, 1, 0, 0);
  timers.advance(clock, 0);
  assert.equal(read(r), 1, "a time in the past expires at once");
  f.decRef();
  assert.equal(timers.all[0]!.deadline, Infinity);
});
