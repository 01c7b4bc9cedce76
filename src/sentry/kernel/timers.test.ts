import assert from "node:assert/strict";
import { test } from "node:test";
import { Timer, TimerQueue } from "./timers.ts";

function recorder(log: number[]): { onTimer(t: Timer, now: number): void } {
  return {
    onTimer(t): void {
      log.push(t.deadlineNs);
    },
  };
}

test("fire() calls timers in order of their deadlines, once", () => {
  const log: number[] = [];
  const q = new TimerQueue();
  const l = recorder(log);
  for (const ns of [50, 10, 40, 20, 30]) q.arm(new Timer(l), ns);
  assert.equal(q.nextNs, 10);
  assert.equal(q.fire(30), 3);
  assert.deepEqual(log, [10, 20, 30]);
  assert.equal(q.fire(30), 0);
  assert.equal(q.nextNs, 40);
});

test("cancel() and re-arming keep the heap in order", () => {
  const q = new TimerQueue();
  const log: number[] = [];
  const l = recorder(log);
  const timers: Timer[] = [];
  let seed = 1;
  for (let i = 0; i < 500; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const t = new Timer(l);
    timers.push(t);
    q.arm(t, seed % 1000);
  }
  const expected: number[] = [];
  timers.forEach((t, i) => {
    if (i % 3 === 0) q.cancel(t);
    else if (i % 3 === 1) q.arm(t, t.deadlineNs + 7);
    if (i % 3 !== 0) expected.push(t.deadlineNs);
  });
  while (q.nextNs !== Infinity) q.fire(q.nextNs);
  assert.deepEqual(
    log,
    expected.sort((a, b) => a - b),
  );
  assert.ok(timers.every((t) => !t.armed));
});

test("a timer that re-arms itself in the past waits for the next fire()", () => {
  const q = new TimerQueue();
  let n = 0;
  const t = new Timer({
    onTimer(timer): void {
      if (++n < 100) q.arm(timer, 0);
    },
  });
  q.arm(t, 0);
  assert.equal(q.fire(1), 1);
  assert.equal(n, 1);
  assert.equal(q.fire(1), 1);
});
