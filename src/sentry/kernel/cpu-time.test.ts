import assert from "node:assert/strict";
import { test } from "node:test";
import { CPU_BOTH, CPU_TOTAL, CPU_USER } from "../../platform/platform.ts";
import { ServingCpu, syncCpu } from "./cpu-time.ts";
import { RUN_GUEST, RUN_READY } from "./task.ts";
import type { Task } from "./task.ts";
import { Usage } from "./usage.ts";

/** ns */
const US = 1e3;
const MS = 1e6;

/** A host that tells what the test says it gave, and one thread in an address space of its own. */
class Bench {
  /** What the host gave the guest's process, and what it sampled of it. */
  total = 0;
  sampledUser = 0;
  sampledBoth = 0;
  /** CPU time of the kernel's thread. */
  kernelNs = 0;
  nowNs = 0;
  /** How often the host was asked for the time of the process. */
  asked = 0;
  readonly task: Task;

  constructor() {
    const clocks = new Map([
      [CPU_TOTAL, () => this.total],
      [CPU_USER, () => this.sampledUser],
      [CPU_BOTH, () => this.sampledBoth],
    ]);
    const kernel = {
      platform: { cpuTime: (_space: unknown, which: number) => (this.asked++, clocks.get(which)!()) },
      clock: { monotonicNs: () => this.nowNs, threadCpuNs: () => this.kernelNs },
      serving: new ServingCpu(),
      servedNs: 0,
      waitedNs: 0,
    };
    const task = {
      kernel,
      mm: { users: 1, as: { owner: undefined }, runners: [] },
      usage: new Usage(),
      run: RUN_READY,
      ranNs: 0,
      servedNs: 0,
      spunNs: 0,
      resumedNs: 0,
      isRunner: false,
    };
    this.task = task as unknown as Task;
  }

  get userMs(): number {
    return this.task.usage.userNs / MS;
  }

  get systemMs(): number {
    return this.task.usage.systemNs / MS;
  }

  /**
   * A call: the step lasted `servedNs`, of which our thread ran `kernelNs`; the guest's process had `usedNs`, all in user mode,
   * and was seen to run for `ranNs`.
   */
  call(servedNs: number, kernelNs: number, usedNs: number, ranNs: number, spunNs: number): void {
    const { task } = this;
    (task.kernel as { servedNs: number }).servedNs += servedNs;
    task.servedNs += servedNs;
    task.spunNs += spunNs;
    task.ranNs += ranNs;
    this.nowNs += servedNs + ranNs;
    this.kernelNs += kernelNs;
    this.total += usedNs;
    this.sampledUser += usedNs;
    this.sampledBoth += usedNs;
    syncCpu(task);
  }
}

test("on two CPUs a thread gets what it computed, without what it spun", () => {
  const bench = new Bench();
  for (let i = 0; i < 2000; i++) bench.call(10 * US, 10 * US, 40 * US, 30 * US, 10 * US);
  assert.ok(Math.abs(bench.userMs - 60) < 2, `${bench.userMs} ms of 60`);
  assert.ok(Math.abs(bench.systemMs - 20) < 2, `${bench.systemMs} ms of 20`);
});

test("what the host tells only at its ticks is not lost on who asks more often", () => {
  const bench = new Bench();
  let untold = 0;
  for (let i = 1; i <= 20000; i++) {
    untold += 15 * US;
    const told = i % 266 === 0 ? untold : 0;
    untold -= told;
    bench.call(3 * US, 3 * US, told, 12 * US, 3 * US);
  }
  assert.ok(Math.abs(bench.userMs - 240) < 24, `${bench.userMs} ms of 240`);
  const waitedMs = bench.task.usage.waitedNs / MS;
  assert.ok(waitedMs < 24, `waited ${waitedMs} ms of 0`);
});

test("a thread that takes our CPU as soon as it is woken up has user time", () => {
  const bench = new Bench();
  // Our step lasts until the guest has computed and made its next call.
  for (let i = 0; i < 2000; i++) bench.call(45 * US, 15 * US, 30 * US, 0, 20 * US);
  assert.ok(bench.userMs > 36 && bench.userMs <= 60, `${bench.userMs} ms of 60`);
  assert.ok(Math.abs(bench.systemMs - 30) < 3, `${bench.systemMs} ms of 30`);
  const brief = new Bench();
  for (let i = 0; i < 10000; i++) brief.call(7 * US, 4 * US, 3 * US, 0, 7 * US);
  assert.ok(brief.userMs > 12 && brief.userMs <= 30, `${brief.userMs} ms of 30`);
});

test("few samples in the kernel do not take user time away from who computes", () => {
  const bench = new Bench();
  bench.call(0, 0, 90 * MS, 90 * MS, 0);
  bench.sampledUser = 0;
  bench.sampledBoth = 4 * MS;
  bench.task.usage.userNs = 0;
  for (let i = 0; i < 100; i++) {
    const { sampledUser, sampledBoth } = bench;
    bench.call(0, 0, MS, MS, 0);
    bench.sampledUser = sampledUser;
    bench.sampledBoth = sampledBoth;
  }
  assert.ok(bench.userMs > 85, `${bench.userMs} ms of 100`);
});

test("samples tell what of much time was the host's kernel's", () => {
  const bench = new Bench();
  const run = (): void => {
    const { sampledUser } = bench;
    bench.call(0, 0, MS, MS, 0);
    bench.sampledUser = sampledUser + MS / 4;
  };
  // Nothing is known before the first sample.
  for (let i = 0; i < 110; i++) run();
  const before = bench.userMs;
  for (let i = 0; i < 1000; i++) run();
  const user = bench.userMs - before;
  assert.ok(Math.abs(user - 250) < 10, `${user} ms of 250`);
  assert.ok(Math.abs(bench.userMs + bench.systemMs - 1110) < 1, "nothing is lost");
});

test("a thread that runs is looked at up to now", () => {
  const bench = new Bench();
  bench.task.run = RUN_GUEST;
  bench.task.resumedNs = 0;
  bench.nowNs = 20 * MS;
  bench.total = 20 * MS;
  syncCpu(bench.task);
  assert.equal(bench.userMs, 20);
  assert.equal(bench.task.resumedNs, 20 * MS);
});

test("who shares memory with very many asks the host seldom, and loses nothing", () => {
  const bench = new Bench();
  Object.assign(bench.task.mm, { users: 5000 });
  for (let i = 0; i < 5000; i++) bench.call(5 * US, 5 * US, 10 * US, 10 * US, 0);
  assert.ok(bench.asked < 100, `asked ${bench.asked} times`);
  assert.ok(Math.abs(bench.userMs - 50) < 2, `${bench.userMs} ms of 50`);
  assert.ok(Math.abs(bench.systemMs - 25) < 2, `${bench.systemMs} ms of 25`);
});
