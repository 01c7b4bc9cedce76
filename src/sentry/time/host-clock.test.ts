import assert from "node:assert/strict";
import { test } from "node:test";
import { TimeValue } from "./clock.ts";
import { type ClockSource, HostClock } from "./host-clock.ts";
import { ClockParams, P_EPOCH_SEC, P_MODE, P_MONO_BASE, P_SEQ, P_TSC_END, type PageLocation } from "./params.ts";

/** A host whose counter runs at `ghz` while its clock can be disciplined. */
class FakeHost implements ClockSource {
  /** Host monotonic time, real time minus monotonic, counter. */
  mono = 5_000_000_000_000;
  epoch = 1_700_000_000_123_456_789n;
  tsc = 77_000_000_000_000;
  ghz = 2.9;
  /** ns by which a sample's counter is off, alternating. */
  jitter = 0;
  private flip = false;

  pass(ns: number, drift = 0): void {
    this.tsc += Math.round(ns * this.ghz);
    this.mono += Math.round(ns * (1 + drift));
  }
  clockNs(_clock: number): number {
    return this.mono;
  }
  tscSample(out: Uint32Array): number {
    this.flip = !this.flip;
    const tsc = this.tsc + Math.round((this.flip ? this.jitter : -this.jitter) * this.ghz);
    put(out, 0, BigInt(tsc));
    put(out, 2, BigInt(this.mono));
    put(out, 4, this.epoch + BigInt(this.mono));
    return 100;
  }
}

function put(out: Uint32Array, i: number, v: bigint): void {
  out[i] = Number(v & 0xffffffffn);
  out[i + 1] = Number(v >> 32n);
}

function newPage(): PageLocation {
  const buf = new ArrayBuffer(8192);
  return { words: new Int32Array(buf), view: new DataView(buf), offset: 4096 };
}

test("starts near zero, follows the host, and real time is exact", () => {
  const h = new FakeHost();
  const c = new HostClock(h, true);
  assert.equal(c.monotonicNs(), 1e9);
  h.pass(5_000_000);
  assert.equal(c.monotonicNs(), 1.005e9);
  const t = new TimeValue();
  c.realtime(t);
  assert.equal(BigInt(t.sec) * 1000000000n + BigInt(t.nsec), h.epoch + BigInt(h.mono));
  assert.ok(Math.abs(c.realtimeNs() - Number(h.epoch + BigInt(h.mono))) <= 256);
  assert.equal(c.boottimeNs(), c.monotonicNs());
});

test("files get the time of the last reading, whoever took it", () => {
  const h = new FakeHost();
  const c = new HostClock(h, true);
  const t = new TimeValue();
  const stamped = (): bigint => {
    c.stamp(t);
    return BigInt(t.sec) * 1000000000n + BigInt(t.nsec);
  };
  c.monotonicNs();
  const first = h.epoch + BigInt(h.mono);
  assert.equal(stamped(), first);
  h.pass(3_000_000);
  assert.equal(stamped(), first);
  c.monotonicAt(h.mono);
  assert.equal(stamped(), h.epoch + BigInt(h.mono));
});

test("times of files go from one second into another, near and far", () => {
  const h = new FakeHost();
  const c = new HostClock(h, false);
  const t = new TimeValue();
  for (const ns of [0, 600e6, 600e6, 5e9, 1e9]) {
    h.pass(ns);
    c.monotonicAt(h.mono);
    c.stamp(t);
    assert.equal(BigInt(t.sec) * 1000000000n + BigInt(t.nsec), h.epoch + BigInt(h.mono));
    assert.ok(t.nsec >= 0 && t.nsec < 1e9);
  }
});

test("the vDSO's parameters agree with the Sentry, and neither goes back", () => {
  for (const jitter of [0, 40]) {
    const h = new FakeHost();
    h.jitter = jitter;
    const c = new HostClock(h, true);
    const page = newPage();
    c.attach(page, 4);
    assert.equal(page.view.getUint32(4096 + P_MODE, true), 0);
    let last = 0;
    let seed = 1;
    for (let i = 0; i < 3000; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      h.pass(1000 + (seed >>> 12) * (i % 7 === 0 ? 40 : 1), i > 1000 ? 20e-6 : 0);
      const a = c.monotonicNs();
      assert.ok(a >= last, `Sentry went back by ${last - a}`);
      last = a;
      if (c.params.mode === 0) continue;
      const b = c.params.monoAt(h.tsc);
      // Early on the rate is known from a short baseline only; a disciplined host clock is followed within microseconds.
      const slack = 200 + jitter * 12 + (i > 1000 ? 100_000 : 0);
      assert.ok(Math.abs(b - a) <= slack, `step ${i}: vDSO differs by ${b - a}`);
      if (i <= 1000 && jitter === 0) last = Math.max(last, b - 2);
    }
    assert.equal(c.params.mode, 1);
    assert.equal(c.nextCalibrationNs(), Infinity);
  }
});

test("guests that ran ahead are slowed down, not set back; those behind are put right", () => {
  const h = new FakeHost();
  const c = new HostClock(h, true);
  h.pass(20e6);
  c.monotonicNs();
  assert.equal(c.params.mode, 1);
  // The Sentry sleeps for 100 s while the host's clock is slowed by 10 ppm: guests are 1 ms ahead.
  h.pass(100e9, -10e-6);
  const before = c.params.monoAt(h.tsc);
  const old = c.monotonicNs();
  assert.ok(before - old >= 0 && c.params.monoAt(h.tsc) >= before);
  assert.ok(old >= before - 1, "the Sentry's clock follows what guests saw");
  for (let i = 0; i < 100; i++) h.pass(1e6);
  assert.ok(Math.abs(c.params.monoAt(h.tsc) - c.monotonicNs()) < 1000);
  // And the other way.
  h.pass(100e9, 10e-6);
  c.monotonicNs();
  assert.ok(Math.abs(c.params.monoAt(h.tsc) - c.monotonicNs()) < 1000);
});

test("a counter that is not usable leaves guests with system calls; a step of real time is taken over", () => {
  const h = new FakeHost();
  const c = new HostClock(h, false);
  const page = newPage();
  c.attach(page, 2);
  h.pass(50e6);
  c.monotonicNs();
  assert.equal(c.params.mode, 0);
  assert.equal(c.nextCalibrationNs(), Infinity);
  h.epoch += 3_600_000_000_000n;
  h.pass(10e9);
  c.monotonicNs();
  assert.equal(c.params.epochSec * 1e9 + c.params.epochNsec + c.monotonicNs(), Number(h.epoch + BigInt(h.mono)));
});

test("the page has every field at its place, and an even sequence number", () => {
  const page = newPage();
  const p = new ClockParams();
  p.mode = 1;
  p.monoBase = 2 ** 40 + 5;
  p.tscEnd = 2 ** 52 + 1;
  p.epochSec = 1_700_000_000;
  p.publish(page);
  p.publish(page);
  assert.equal(page.view.getUint32(4096 + P_SEQ, true), 4);
  assert.equal(page.view.getUint32(4096 + P_MODE, true), 1);
  assert.equal(page.view.getBigUint64(4096 + P_MONO_BASE, true), 2n ** 40n + 5n);
  assert.equal(page.view.getBigUint64(4096 + P_TSC_END, true), 2n ** 52n + 1n);
  assert.equal(page.view.getBigUint64(4096 + P_EPOCH_SEC, true), 1_700_000_000n);
});
