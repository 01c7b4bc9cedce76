import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EAGAIN, EDEADLK } from "../../abi/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from "../../abi/fcntl.ts";
import { EV_IN, WaitEntry } from "../../base/waiter.ts";
import { FileLocks, stopWaiting } from "./locks.ts";

test("flock: shared, exclusive, conversion, wake-up", () => {
  const l = new FileLocks();
  const a = {};
  const b = {};
  assert.equal(l.flock(a, LOCK_SH), 0);
  assert.equal(l.flock(b, LOCK_SH), 0);
  assert.equal(l.flock(a, LOCK_EX), -EAGAIN);
  assert.equal(l.flockHeld(a), 0, "a failed conversion loses the lock");
  let woken = 0;
  const e = new WaitEntry({ onEvent: () => void woken++ });
  l.queue.add(e, EV_IN);
  assert.equal(l.flock(b, LOCK_UN), 0);
  assert.equal(woken, 1);
  assert.equal(l.flock(a, LOCK_EX), 0);
  assert.equal(l.flock(b, LOCK_SH), -EAGAIN);
  l.releaseFile(a);
  assert.equal(woken, 2);
  assert.equal(l.flock(b, LOCK_SH), 0);
});

test("record locks: conflicts, deadlock, release by owner", () => {
  const l = new FileLocks();
  const l2 = new FileLocks();
  const a = {};
  const b = {};
  assert.equal(l.set(a, 1, F_WRLCK, 0, 10), 0);
  assert.equal(l.set(b, 2, F_RDLCK, 5, 6), -EAGAIN);
  assert.equal(l.set(b, 2, F_RDLCK, 10, 20), 0);
  assert.equal(l.test(b, F_RDLCK, 0, Infinity)?.pid, 1);
  assert.equal(l2.set(b, 2, F_WRLCK, 0, 1), 0);
  assert.equal(l.deadlock(b, F_RDLCK, 0, 1), 0);
  assert.equal(l2.deadlock(a, F_WRLCK, 0, 1), -EDEADLK);
  stopWaiting(b);
  assert.equal(l2.deadlock(a, F_WRLCK, 0, 1), 0);
  stopWaiting(a);
  l.releaseOwner(a);
  assert.equal(l.set(b, 2, F_WRLCK, 0, Infinity), 0);
  assert.equal(l.records.length, 1);
});

test("property: record locks behave as one type per byte and owner", () => {
  const owners = [{}, {}, {}];
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: 2 }),
          fc.constantFrom(F_RDLCK, F_WRLCK, F_UNLCK),
          fc.integer({ min: 0, max: 15 }),
          fc.integer({ min: 1, max: 8 }),
        ),
        { maxLength: 40 },
      ),
      (ops) => {
        const l = new FileLocks();
        const model = owners.map(() => new Array<number>(24).fill(F_UNLCK));
        for (const [o, type, start, len] of ops) {
          const end = start + len;
          let conflict = false;
          if (type !== F_UNLCK) {
            model.forEach((m, k) => {
              for (let i = start; i < end; i++) {
                if (k !== o && m[i] !== F_UNLCK && (type === F_WRLCK || m[i] === F_WRLCK)) conflict = true;
              }
            });
          }
          assert.equal(l.set(owners[o]!, o, type, start, end), conflict ? -EAGAIN : 0);
          if (!conflict) model[o]!.fill(type, start, end);
          for (const [k, m] of model.entries()) {
            const seen = new Array<number>(24).fill(F_UNLCK);
            for (const r of l.records) if (r.owner === owners[k]) seen.fill(r.type, r.start, r.end);
            assert.deepEqual(seen, m);
          }
        }
        // Adjacent locks of one type are one lock.
        for (const r of l.records) {
          assert.ok(!l.records.some((q) => q !== r && q.owner === r.owner && q.type === r.type && q.start === r.end));
        }
      },
    ),
    { numRuns: 200 },
  );
});
