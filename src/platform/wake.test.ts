/** Sleeping threads that other threads are to wake (native/addon/wake.c): what a hostile or stopped one makes of it. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { R_RAX, R_RDI, R_RDX, R_RIP, R_RSI } from "../arch/amd64/registers.ts";
import type { Bench } from "./conformance.testing.ts";
import {
  CERTAINLY_MS,
  CODE,
  LOAD_RAX_RSI,
  STORE_RAX_RSI,
  SYSCALL,
  hostileScenarios,
  jmpBack,
  settles,
  tryRun,
} from "./conformance.testing.ts";
import { EV_FAULT, EV_SYSCALL } from "./platform.ts";
import type { AddressSpace } from "./platform.ts";
import { StubPlatform } from "./stub/platform.ts";

const STUB_BASE = 0x7ff000000000;
const STUB_AREAS = 0x7ff010000000;
const AREA_SIZE = 0x8000;
const STUB_BELLS: number = STUB_AREAS + (32768 - 4) * AREA_SIZE;
const NR_FUTEX = 202;
/** Of platformTune: how long stopped threads spin. */
const TUNE_GUEST_SPIN = 1;
const LOOP = [...SYSCALL, ...jmpBack(2)];

describe("threads that are to wake others", () => {
  let platform: StubPlatform;
  let bench: Bench;

  before(() => {
    const started = StubPlatform.start("systrap", -1);
    if (!(started instanceof StubPlatform)) throw new Error(started.reason);
    platform = started;
  });
  after(() => platform.shutdown());

  const scenario = hostileScenarios(
    () => platform,
    (made) => (bench = made),
  );

  /** A thread in a process of its own that has stopped in a call. */
  function caller(code: readonly number[] = LOOP): { as: AddressSpace; id: number } {
    const { as } = bench.space(code);
    const id = bench.context(as);
    bench.set(id, R_RSI, STUB_BELLS);
    assert.equal(bench.run(id), EV_SYSCALL);
    return { as, id };
  }

  /** Where the thread's bell is. */
  function bellOf(as: AddressSpace): number {
    const areas = readFileSync(`/proc/${platform.pidOf(as)}/maps`, "latin1")
      .split("\n")
      .map((line) => parseInt(line, 16))
      .filter((start) => start > STUB_AREAS && start < STUB_BELLS);
    return STUB_BELLS + ((areas.at(-1)! - STUB_AREAS) / AREA_SIZE) * 4;
  }

  /** Resumes both; whoever is awake is to wake the other. */
  function resumeBoth(sleeper: number, awake: number): void {
    platform.leaveWakeUps(true);
    platform.resume(sleeper);
    platform.leaveWakeUps(false);
    platform.resume(awake);
  }

  scenario("two threads wake each other, again and again", () => {
    const a = caller();
    const b = caller();
    const counts = new Map([
      [a.id, 0],
      [b.id, 0],
    ]);
    for (let i = 0; i < 3000; i++) {
      const [sleeper, awake] = i % 2 === 0 ? [a.id, b.id] : [b.id, a.id];
      resumeBoth(sleeper, awake);
      let left = 2;
      bench.until(() => {
        platform.wait(2e7);
        for (let k = 0; k < platform.result.stoppedCount; k++) {
          const id = platform.result.stopped[k]!;
          counts.set(id, counts.get(id)! + 1);
          left--;
        }
        return left === 0;
      });
    }
    assert.deepEqual([...counts.values()], [3000, 3000]);
  });

  scenario("a thread is woken before it is resumed, or is not resumed after all", () => {
    const sleeper = caller();
    const waker = caller();
    for (let i = 0; i < 3000; i++) {
      const left = new Set([waker.id]);
      const collect = (ns: number): boolean => {
        platform.wait(ns);
        for (let k = 0; k < platform.result.stoppedCount; k++) assert.ok(left.delete(platform.result.stopped[k]!));
        return left.size === 0;
      };
      // Whether it does depends on where the two run: both ways must work.
      platform.wakesEarly(waker.id, sleeper.id);
      platform.resume(waker.id);
      if (i % 5 === 0) collect(0);
      if (i % 3 === 0) platform.wakesNot(sleeper.id);
      else {
        left.add(sleeper.id);
        platform.leaveWakeUps(true);
        platform.resume(sleeper.id);
        platform.leaveWakeUps(false);
      }
      bench.until(() => collect(2e7));
    }
  });

  scenario("a thread that does not wake the other one is not waited for", () => {
    platform.native.platformTune(TUNE_GUEST_SPIN, 1e9);
    try {
      const sleeper = caller();
      const awake = caller();
      const pid = platform.pidOf(awake.as);
      for (let i = 0; i < 20; i++) {
        // One of the two is not our CPU, and it spins, unless others need the CPUs or we had to be woken.
        platform.setAffinity(awake.id, Uint32Array.of(1 << (i & 1)));
        for (let k = 0; k < 50; k++) {
          platform.resume(awake.id);
          const end = performance.now() + 0.2;
          while (performance.now() < end) continue;
          assert.equal(bench.waitFor(awake.id), EV_SYSCALL);
          if (platform.describe(awake.id).includes("says it stopped")) break;
        }
        // It spins on, as the Sentry sees it, but does nothing.
        process.kill(pid, "SIGSTOP");
        const isStopped = (tid: string): boolean =>
          /\) T /.test(readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1"));
        bench.until(() => readdirSync(`/proc/${pid}/task`).every(isStopped));
        resumeBoth(sleeper.id, awake.id);
        const wasWoken = settles(platform, sleeper.id, CERTAINLY_MS);
        process.kill(pid, "SIGCONT");
        assert.ok(wasWoken);
        assert.ok(settles(platform, awake.id, CERTAINLY_MS));
      }
    } finally {
      platform.native.platformTune(TUNE_GUEST_SPIN, 20000);
    }
  });

  scenario("bells cannot be rung by writing to them", () => {
    const { as, id } = caller([...SYSCALL, ...STORE_RAX_RSI]);
    for (const address of [STUB_BELLS, bellOf(as), STUB_BELLS + 4 * AREA_SIZE - 8]) {
      bench.set(id, R_RIP, CODE + 2);
      bench.set(id, R_RSI, address);
      assert.equal(bench.run(id), EV_FAULT);
    }
  });

  scenario("a thread that waits for another one's bell does not take its wake-ups", () => {
    const elf = readFileSync(join(import.meta.dirname, "../../build/stub.elf"));
    const sites: number[] = [];
    for (let i = 0x2000; i < 0x2fff; i++) {
      if (elf[i] === 0x0f && elf[i + 1] === 0x05) sites.push(STUB_BASE + i - 0x1000);
    }
    assert.ok(sites.length >= 5);
    const victim = caller();
    const bell = bellOf(victim.as);
    for (const site of sites) {
      const thief = bench.space([...LOAD_RAX_RSI, ...SYSCALL]);
      const id = bench.context(thief.as);
      bench.set(id, R_RSI, bell);
      assert.equal(bench.run(id), EV_SYSCALL);
      const heard = bench.get(id, R_RAX) % 2 ** 32;
      bench.set(id, R_RIP, site);
      bench.set(id, R_RAX, NR_FUTEX);
      bench.set(id, R_RDI, bell);
      bench.set(id, R_RSI, 0); // FUTEX_WAIT
      bench.set(id, R_RDX, heard);
      platform.resume(id);
      settles(platform, id, 2);
      platform.resume(victim.id);
      assert.ok(settles(platform, victim.id, CERTAINLY_MS));
      if (!settles(platform, id, 1)) tryRun(bench, thief.as, id);
    }
  });
});
