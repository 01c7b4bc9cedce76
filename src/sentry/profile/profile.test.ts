import assert from "node:assert/strict";
import { test } from "node:test";
import type { Host } from "../../host/host.ts";
import type { SyscallDispatcher } from "../kernel/kernel.ts";
import type { Task } from "../kernel/task.ts";
import { spawn, sys } from "../syscalls/scripted.testing.ts";
import type { Call } from "../syscalls/scripted.testing.ts";
import { MEM, World } from "../syscalls/world.testing.ts";
import { Histogram } from "./histogram.ts";
import { Meter, meteredHost } from "./meter.ts";
import { Profiler } from "./profiler.ts";
import type { CallFigures } from "./profiler.ts";

type Script = Generator<Call | null, void, number>;

/** Each attempt takes 10 us, 3 of them in the host and 2 in the gofer. */
class SlowDispatcher implements SyscallDispatcher {
  private readonly inner: SyscallDispatcher;
  private readonly meter: Meter;
  private readonly advance: (ns: number) => void;

  constructor(inner: SyscallDispatcher, meter: Meter, advance: (ns: number) => void) {
    this.inner = inner;
    this.meter = meter;
    this.advance = advance;
  }
  attempt(t: Task): number {
    this.advance(10_000);
    this.meter.hostNs += 3000;
    this.meter.goferNs += 2000;
    return this.inner.attempt(t);
  }
  finished(t: Task, result: number): void {
    this.inner.finished(t, result);
  }
  exited(t: Task): void {
    this.inner.exited(t);
  }
}

function profiled(program: (w: World, advance: (ns: number) => void) => Script): Profiler {
  const w = new World();
  const { clock } = w.files;
  let now = 0;
  const advance = (ns: number): void => {
    now += ns;
    clock.nowNs += ns;
  };
  const meter = new Meter(() => now);
  const profiler = new Profiler(new SlowDispatcher(w.kernel.dispatcher, meter, advance), meter);
  Object.assign(w.kernel, { dispatcher: profiler });
  w.run(() => program(w, advance));
  return profiler;
}

function figures(p: Profiler, name: string): CallFigures {
  const found = p.figures().get(name);
  assert.ok(found !== undefined, `${name} was profiled`);
  return found;
}

test("percentiles are within a bucket of the truth", () => {
  const h = new Histogram();
  for (let i = 1; i <= 1000; i++) h.add(i * 1000);
  assert.equal(h.count, 1000);
  assert.equal(h.totalNs, 500_500_000);
  assert.ok(Math.abs(h.percentile(0.5) / 500_000 - 1) < 0.05);
  assert.ok(Math.abs(h.percentile(0.99) / 990_000 - 1) < 0.05);
  assert.equal(new Histogram().percentile(0.5), 0);
});

test("durations without measure stay in the table", () => {
  const h = new Histogram();
  for (const ns of [0, -5, 1e30]) h.add(ns);
  assert.equal(h.count, 3);
  assert.ok(h.percentile(1) > 1e13);
});

test("the host is told from the gofer by the descriptor, and clocks are free", () => {
  let now = 0;
  const host = {
    pread: (_fd: number, _buf: Uint8Array, _off: number, len: number) => ((now += 100), len),
    sendmsg: () => ((now += 20), 1),
    recvmsg: () => ((now += 7), 2),
    clockNs: () => ((now += 1000), now),
  } as unknown as Host;
  const meter = new Meter(() => now);
  const measured = meteredHost(host, meter, new Set([9]));
  const buf = new Uint8Array(8);
  assert.equal(measured.pread(3, buf, 0, 8, 0), 8);
  assert.equal(measured.sendmsg(9, buf, 0, 8, [], 0), 1);
  assert.equal(measured.recvmsg(9, buf, 0, 8, new Int32Array(1), 0), 2);
  assert.equal(measured.recvmsg(4, buf, 0, 8, new Int32Array(1), 0), 2);
  measured.clockNs(1);
  assert.deepEqual([meter.hostNs, meter.hostCalls, meter.goferNs, meter.goferRequests], [107, 2, 27, 1]);
});

test("calls are counted with their errors and the parts of their time", () => {
  const p = profiled(function* (): Script {
    for (let i = 0; i < 5; i++) yield sys("getppid");
    yield sys("close", 77);
    yield sys("exit_group", 0);
  });
  const getppid = figures(p, "getppid");
  assert.equal(getppid.calls, 5);
  assert.equal(getppid.errors, 0);
  assert.deepEqual([getppid.sentryNs, getppid.hostNs, getppid.goferNs], [25_000, 15_000, 10_000]);
  assert.equal(getppid.served.totalNs, 50_000);
  assert.equal(getppid.waited.count, 0);
  assert.equal(figures(p, "close").errors, 1);
  assert.equal(figures(p, "exit_group").calls, 1);
});

test("waiting is not service: the child's time passes in the parent's wait4", () => {
  const p = profiled(function* (_w, advance): Script {
    yield spawn(function* (): Script {
      yield sys("getpid");
      advance(1_000_000);
      yield sys("exit_group", 2);
    }, "fork");
    yield sys("wait4", -1, MEM, 0, 0);
    yield sys("exit_group", 0);
  });
  const wait4 = figures(p, "wait4");
  assert.equal(wait4.calls, 1);
  assert.equal(wait4.waited.count, 1);
  assert.ok(wait4.waited.totalNs >= 1_000_000, `waited ${wait4.waited.totalNs}`);
  assert.equal(wait4.served.totalNs, 20_000, "two attempts");
  assert.equal(figures(p, "exit_group").calls, 2);
});

test("a guest that tries every number makes one row", () => {
  const meter = new Meter(() => 0);
  const p = new Profiler({ attempt: () => -38, finished: () => {}, exited: () => {} }, meter);
  for (let sysno = 1000; sysno < 1100; sysno++) {
    const task = { sysno, attempt: 0 } as unknown as Task;
    p.attempt(task);
    p.finished(task, -38);
  }
  assert.equal(figures(p, "(no such call)").errors, 100);
  assert.equal(p.figures().size, 1);
});

test("the report has the costly calls first and the waits below", () => {
  const p = profiled(function* (_w, advance): Script {
    yield spawn(function* (): Script {
      advance(2_000_000);
      yield sys("exit_group", 0);
    }, "fork");
    yield sys("wait4", -1, 0, 0, 0);
    for (let i = 0; i < 20; i++) yield sys("getppid");
    yield sys("exit_group", 0);
  });
  const lines = p.report();
  assert.match(lines[0]!, /^profile: [\d.]+ s, 24 system calls, served in 0\.25 ms/);
  assert.match(lines[2]!, /^served % .* system call$/);
  assert.match(lines[3]!, /^ {4}80\.0 {7}0\.20 {8}20 {8}0 {6}.* getppid$/);
  const waits = lines.findIndex((l) => l.includes("where the guest waited"));
  assert.match(lines[waits + 1]!, / wait4$/);
  assert.equal(lines.length, waits + 2);
});
