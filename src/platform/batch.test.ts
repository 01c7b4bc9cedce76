/** Mappings that guest threads make themselves: that they happen, and what a hostile thread makes of the calls for it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { R_R10, R_R8, R_R9, R_RAX, R_RBX, R_RDI, R_RDX, R_RIP, R_RSI, R_RSP } from "../arch/amd64/registers.ts";
import type { Bench } from "./conformance.testing.ts";
import {
  CODE,
  DATA,
  JMP_SELF,
  LOAD_RAX_RSI,
  PAGE,
  STORE_RAX_RSI,
  SYSCALL,
  hostileScenarios,
  tryRun,
} from "./conformance.testing.ts";
import { EV_DIED, EV_FAULT, EV_SYSCALL } from "./platform.ts";
import { WINDOW_CHUNK } from "./stub/native.unsafe.ts";
import { StubPlatform } from "./stub/platform.ts";

type Space = ReturnType<StubPlatform["newAddressSpace"]> & object;

const STUB_BASE = 0x7ff000000000;
const STUB_AREAS = 0x7ff010000000;
const STUB_BELLS = 0x7ff04ffe0000;
const PLACE = 0x10000000;
const NR_MPROTECT = 10;
const NR_MUNMAP = 11;
const NR_MREMAP = 25;
const FIXED_MOVE = 3;
const RW = 3;

describe("batches", () => {
  let platform: StubPlatform;
  let bench: Bench;
  /** Every syscall instruction in the stub that guest threads may use. */
  const sites: number[] = [];

  before(() => {
    const started = StubPlatform.start("systrap", -1);
    if (!(started instanceof StubPlatform)) throw new Error(started.reason);
    platform = started;
    platform.enableBatching();
    const elf = readFileSync(join(import.meta.dirname, "../../build/stub.elf"));
    for (let i = 0x2000; i < 0x2fff; i++) {
      if (elf[i] === 0x0f && elf[i + 1] === 0x05) sites.push(STUB_BASE + i - 0x1000);
    }
    assert.ok(sites.length >= 5);
  });
  after(() => platform.shutdown());

  const scenario = hostileScenarios(
    () => platform,
    (made) => (bench = made),
  );

  /** An address space with a window onto the whole bench file, and a stopped context in it. */
  function windowed(code: readonly number[]): { as: Space; id: number; code: number; data: number } {
    const { as, code: at, data } = bench.space(code);
    assert.ok(as.addWindow!(bench.backing, 0, WINDOW_CHUNK));
    assert.equal(as.flush(), 0);
    const id = bench.context(as);
    return { as, id, code: at, data };
  }

  function maps(as: Space): string {
    return readFileSync(`/proc/${platform.pidOf(as)}/maps`, "latin1");
  }

  /** Guest mappings as `start-end access offset`. */
  function guestMaps(as: Space): string[] {
    return maps(as)
      .split("\n")
      .filter((line) => line !== "" && parseInt(line, 16) < platform.maxAddress)
      .map((line) => line.split(" ").slice(0, 3).join(" "));
  }

  /** Resumes with what is queued left to the thread. */
  function runBatch(as: Space, id: number): number {
    assert.equal(as.handOver!(id), true);
    const event = bench.run(id);
    assert.equal(as.dirty, false);
    return event;
  }

  /** Goes on and stops again, one way or the other; false: it died. */
  function survives(as: Space, id: number): boolean {
    return tryRun(bench, as, id) !== EV_DIED;
  }

  /** A hostile thread jumps to the stub's syscall instruction at `site`. */
  function call(id: number, site: number, nr: number, args: readonly number[]): void {
    bench.set(id, R_RIP, site);
    bench.set(id, R_RAX, nr);
    [R_RDI, R_RSI, R_RDX, R_R10, R_R8, R_R9].forEach((r, i) => bench.set(id, r, args[i] ?? 0));
    bench.set(id, R_RSP, DATA + PAGE - 512);
    bench.set(id, R_RBX, DATA + 512);
  }

  scenario("a resumed thread maps, protects and unmaps before it runs on", () => {
    const { as, id } = windowed([...LOAD_RAX_RSI, ...SYSCALL, ...STORE_RAX_RSI, ...SYSCALL]);
    const off = bench.alloc(4);
    bench.memory[off + 2 * PAGE] = 77;
    as.mapFile(PLACE, 4 * PAGE, bench.backing, off, RW, true, false);
    as.unmap(PLACE + 3 * PAGE, PAGE);
    as.protect(PLACE, PAGE, 1);
    bench.set(id, R_RSI, PLACE + 2 * PAGE);
    assert.equal(runBatch(as, id), EV_SYSCALL);
    assert.equal(bench.get(id, R_RAX), 77);
    assert.equal(guestMaps(as).filter((line) => line.startsWith("1000")).length, 2);
    // The write meets what the next batch did.
    as.mapFile(PLACE, PAGE, bench.backing, off, 1, true, false);
    bench.set(id, R_RSI, PLACE);
    assert.equal(runBatch(as, id), EV_FAULT);
    as.protect(PLACE, PAGE, RW);
    assert.equal(runBatch(as, id), EV_SYSCALL);
    assert.equal(bench.memory[off], 77);
  });

  scenario("what a thread cannot do is not handed over, and done by the next flush", () => {
    const { as, id } = windowed(SYSCALL);
    const off = bench.alloc(2);
    as.mapFile(PLACE, PAGE, bench.backing, off, 1, false, false);
    assert.equal(as.handOver!(id), false);
    assert.equal(as.flush(), 0);
    as.move(PLACE, PAGE, PLACE + PAGE);
    assert.equal(as.handOver!(id), false);
    assert.equal(as.flush(), 0);
    for (let i = 0; i < 20; i++) as.mapFile(PLACE + 0x10000 + i * PAGE, PAGE, bench.backing, off, RW, true, false);
    assert.equal(as.handOver!(id), false);
    assert.equal(as.flush(), 0);
    // Handed over, but something else came first.
    as.unmap(PLACE + PAGE, PAGE);
    assert.equal(as.handOver!(id), true);
    as.mapFile(PLACE, PAGE, bench.backing, off, 1, false, false);
    assert.equal(bench.run(id), EV_SYSCALL);
    assert.ok(guestMaps(as).some((line) => line.startsWith("10000000-10001000 r--p")));
    as.closeWindows!();
    as.mapFile(PLACE, PAGE, bench.backing, off, RW, true, false);
    assert.equal(as.handOver!(id), false);
    assert.equal(as.flush(), 0);
    assert.ok(!maps(as).includes("7fe1"));
  });

  scenario("other operations come after a running thread's batch", () => {
    const { as, id } = windowed(JMP_SELF);
    const off = bench.alloc(2);
    as.mapFile(PLACE, 2 * PAGE, bench.backing, off, RW, true, false);
    assert.equal(as.handOver!(id), true);
    platform.resume(id);
    as.protect(PLACE, PAGE, 1);
    as.unmap(PLACE + PAGE, PAGE);
    assert.equal(as.flush(), 0);
    assert.ok(guestMaps(as).some((line) => line.startsWith("10000000-10001000 r--s")));
    const second = bench.context(as);
    as.unmap(PLACE, PAGE);
    assert.equal(as.handOver!(second), true); // not parked yet: the helper does it
    platform.resume(second);
    as.settle!();
    assert.ok(!guestMaps(as).some((line) => line.startsWith("1000")));
    for (const each of [id, second]) {
      platform.interrupt(each);
      bench.waitFor(each);
    }
  });

  scenario("a process whose death was told together with another one's batch", () => {
    for (let i = 0; i < 20; i++) {
      const { as } = bench.space(SYSCALL);
      const other = bench.space(SYSCALL).as;
      const pid = platform.pidOf(as);
      process.kill(pid, "SIGKILL");
      while (!readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ")) continue;
      other.unmap(PLACE, PAGE);
      assert.equal(other.flush(), 0);
      as.unmap(PLACE, PAGE);
      assert.equal(as.flush(), -3);
      bench.free(as);
      bench.free(other);
    }
  });

  scenario("a batch that cannot be done ends the process", () => {
    const { as, id } = windowed(SYSCALL);
    assert.equal(bench.run(id), EV_SYSCALL);
    as.protect(PLACE, PAGE, 1); // nothing is mapped there
    assert.equal(as.handOver!(id), true);
    platform.resume(id);
    let event = bench.waitFor(id);
    while (event !== EV_DIED) event = bench.run(id);
  });

  scenario("a thread that does not execute its batch loses its process", () => {
    // Says for ever that it has stopped.
    const store = [0x41, 0xc7, 0x00, 1, 0, 0, 0, 0xeb, 0xf7]; // 1: movl $1,(%r8); jmp 1b
    const { as, id, code } = windowed(SYSCALL);
    bench.memory.set(store, code + 64);
    assert.equal(bench.run(id), EV_SYSCALL);
    const area = maps(as)
      .split("\n")
      .map((line) => parseInt(line, 16))
      .filter((start) => start > STUB_AREAS && start < STUB_BELLS)
      .at(-1)!;
    bench.set(id, R_R8, area);
    bench.set(id, R_RIP, CODE + 64);
    bench.run(id);
    as.unmap(PLACE, PAGE);
    assert.equal(as.handOver!(id), true);
    platform.resume(id);
    assert.equal(bench.waitFor(id), EV_DIED);
  });

  scenario("calls that a thread may not make", () => {
    let { as, id } = windowed(JMP_SELF);
    const window = platform.windowStart;
    const top = platform.maxAddress;
    const calls: (readonly [number, readonly number[]])[] = [];
    for (const nr of [NR_MUNMAP, NR_MPROTECT]) {
      for (const [addr, len] of [
        [STUB_BASE, PAGE], // the stub
        [STUB_BASE + PAGE, PAGE],
        [0x7ff001000000, 0x4000], // the helper's page
        [STUB_AREAS, PAGE],
        [STUB_AREAS + 0x10000, PAGE], // this thread's area
        [STUB_BELLS, PAGE],
        [window, PAGE],
        [top, PAGE],
        [top - PAGE, 2 ** 32],
        [0x10000, top],
        [0x10000, 2 ** 47],
        [0x10000, -0x10000],
        [0x7fdf00000000, 0x200000000],
        [0x400000000000, 0x400000000000],
        [-PAGE, 2 * PAGE],
        [0, -1],
      ] as const) {
        calls.push([nr, [addr, len, nr === NR_MPROTECT ? 7 : 0]]);
      }
    }
    calls.push([NR_MPROTECT, [DATA, PAGE, 0x1000003]], [NR_MPROTECT, [DATA, PAGE, 8]]);
    const good = [window, 0, PAGE, FIXED_MOVE, PLACE];
    for (const [i, value] of [
      [0, CODE], // guest memory
      [0, 0],
      [0, top],
      [0, window - PAGE],
      [0, STUB_BASE],
      [0, STUB_AREAS + 0x8000],
      [0, 0x7ff001000000],
      [0, -PAGE],
      [1, PAGE], // moves
      [1, 2 ** 32],
      [2, WINDOW_CHUNK + PAGE], // beyond the chunk
      [2, WINDOW_CHUNK + 1],
      [2, 2 ** 32],
      [2, 2 ** 32 + PAGE],
      [2, -PAGE],
      [3, 1],
      [3, 2],
      [3, 7],
      [3, 2 ** 32 + FIXED_MOVE],
      [4, top],
      [4, window],
      [4, STUB_BASE],
      [4, STUB_AREAS],
      [4, -PAGE],
    ] as const) {
      calls.push([NR_MREMAP, good.with(i, value)]);
    }
    calls.push([NR_MREMAP, [window + WINDOW_CHUNK - PAGE, 0, 2 * PAGE, FIXED_MOVE, PLACE]]);
    calls.push([NR_MREMAP, [window + PAGE, 0, WINDOW_CHUNK, FIXED_MOVE, PLACE]]);
    calls.push([9, [PLACE, PAGE, 3, 0x32, -1, 0]], [9, [PLACE, PAGE, 3, 0x11, 0, 0]]);
    calls.push([28, [DATA, PAGE, 4]], [329, [DATA, PAGE, 7, 0]], [216, [DATA, PAGE, 0, 0, 0]], [12, [0]]);
    assert.ok(survives(as, id));
    const before = maps(as);
    for (const site of sites) {
      for (const [nr, args] of calls) {
        call(id, site, nr, args);
        const what = `call ${nr} ${args.map((a) => a.toString(16)).join(" ")} at ${site.toString(16)}`;
        assert.equal(bench.run(id), EV_SYSCALL, what);
        assert.equal(bench.get(id, R_RIP), site + 2, what);
        assert.equal(bench.get(id, R_RAX), nr, what);
      }
    }
    assert.equal(maps(as), before);
    // The same for numbers with bits that the kernel does not look at.
    for (const nr of [NR_MUNMAP, NR_MPROTECT, NR_MREMAP]) {
      call(id, sites.at(-1)!, 0x40000000 + nr, good);
      if (survives(as, id)) continue;
      bench.free(as);
      ({ as, id } = windowed(JMP_SELF));
    }
  });

  scenario("calls that it may make: its own chunk, its own addresses, and no more", () => {
    const window = platform.windowStart;
    for (const site of sites) {
      for (const [nr, args] of [
        [NR_MREMAP, [window, 0, WINDOW_CHUNK, FIXED_MOVE, PLACE]],
        [NR_MREMAP, [window + WINDOW_CHUNK - PAGE, 0, PAGE, FIXED_MOVE, platform.maxAddress - PAGE]],
        [NR_MREMAP, [window + WINDOW_CHUNK, 0, PAGE, FIXED_MOVE, PLACE]], // no window there
        [NR_MREMAP, [window + 1, 0, PAGE, FIXED_MOVE, PLACE]],
        [NR_MREMAP, [window, 0, 0, FIXED_MOVE, PLACE]],
        [NR_MUNMAP, [platform.maxAddress - PAGE, 0xffffffff, 0]],
        [NR_MUNMAP, [0x10000, 0x7fdeffff0000, 0]],
        [NR_MPROTECT, [DATA, PAGE, 0]],
      ] as const) {
        const { as, id } = windowed(JMP_SELF);
        assert.ok(survives(as, id));
        const others = (): string =>
          maps(as)
            .split("\n")
            .filter((line) => parseInt(line, 16) >= platform.maxAddress)
            .map((line) => line.split(" ").slice(0, 3).join(" "))
            .join("\n");
        const before = others();
        call(id, site, nr, args);
        if (survives(as, id)) assert.equal(others(), before);
        bench.free(as);
      }
    }
  });

  scenario("mprotect does not make writable what the guest may only read", () => {
    const { as, id } = windowed([...STORE_RAX_RSI, ...SYSCALL]);
    const off = bench.alloc();
    bench.memory.fill(5, off, off + PAGE);
    as.mapFile(PLACE, PAGE, bench.backing, off, 1, false, false);
    assert.equal(as.flush(), 0);
    let written = 0;
    for (const site of sites) {
      call(id, site, NR_MPROTECT, [PLACE, PAGE, RW]);
      if (!survives(as, id)) break;
      bench.set(id, R_RIP, CODE);
      bench.set(id, R_RSI, PLACE);
      bench.set(id, R_RAX, 0x09090909);
      if (bench.run(id) === EV_SYSCALL) written++;
    }
    assert.ok(written > 0, "the attack itself works");
    assert.ok(bench.memory.subarray(off, off + PAGE).every((x) => x === 5));
  });

  scenario("nothing of a window or its aliases is left after clear and release", () => {
    const { as, id } = windowed([...STORE_RAX_RSI, ...SYSCALL]);
    const off = bench.alloc();
    for (const site of sites) {
      call(id, site, NR_MREMAP, [platform.windowStart, 0, WINDOW_CHUNK, FIXED_MOVE, PLACE]);
      if (guestMaps(as).some((line) => line.startsWith("10000000")) || !survives(as, id)) break;
    }
    assert.ok(guestMaps(as).some((line) => line.startsWith("10000000-10400000 rw-s")));
    as.clear();
    assert.equal(as.flush(), 0);
    assert.equal(
      maps(as)
        .split("\n")
        .filter((line) => line !== "" && parseInt(line, 16) < STUB_BASE).length,
      0,
    );
    as.mapFile(CODE, PAGE, bench.backing, off, 5, true, false);
    assert.equal(as.handOver!(id), false);
    assert.equal(as.flush(), 0);
  });
});
