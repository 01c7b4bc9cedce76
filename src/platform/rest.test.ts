/** A platform on which nothing happens gives the pages of this process's program back, and garbage. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { Bench, jmpBack, SYSCALL } from "./conformance.testing.ts";
import { StubPlatform } from "./stub/platform.ts";

function programPages(): number {
  return Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))![1]);
}

/** A test with a platform, and programs on it. */
function withPlatform(body: (platform: StubPlatform, bench: Bench) => void): () => void {
  return () => {
    const platform = StubPlatform.start("ptrace", -1);
    if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
    const bench = new Bench(platform);
    try {
      body(platform, bench);
    } finally {
      bench.end();
      platform.shutdown();
    }
  };
}

test(
  "program pages are given back when nothing has happened for a second",
  withPlatform((platform, bench) => {
    const id = bench.context(bench.space([...SYSCALL, ...jmpBack(2)]).as);
    bench.run(id);
    const before = programPages();
    let after = before;
    for (let i = 0; i < 10 && after > before / 2; i++) {
      assert.equal(platform.wait(2.2e9), 0, "nothing happens");
      after = programPages();
    }
    assert.ok(after <= before / 2, `${before} KiB before, ${after} now`);
    bench.run(id);
  }),
);

/** Live until it is dropped: `heap` objects, old by then, and `buffers` MiB outside of the heap. */
function ballast(heap: number, buffers: number): unknown[] {
  const all: unknown[] = [];
  for (let i = 0; i < heap; i++) all.push({ i });
  for (let i = 0; i < buffers; i++) all.push(new Uint8Array(1 << 20));
  return all;
}

/** Bytes that garbage takes, measured before and after it. */
const kinds = [
  { name: "objects", make: () => ballast(1e6, 0), bytes: () => getHeapStatistics().total_heap_size },
  { name: "buffers", make: () => ballast(0, 32), bytes: () => process.memoryUsage().arrayBuffers },
];

for (const { name, make, bytes } of kinds) {
  test(`garbage is collected when nothing has happened for a second: ${name}`, () => {
    const platform = StubPlatform.start("ptrace", -1);
    if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
    try {
      platform.wait(2.2e9);
      const before = bytes();
      let live = make();
      const most = bytes();
      assert.ok(most - before > 30e6, `only ${most - before} bytes are used`);
      assert.equal(live.length > 0, true);
      live = [];
      platform.wait(2.2e9);
      const after = bytes();
      assert.ok(after - before < 10e6, `${before} before, ${most} with garbage, ${after} at rest`);
    } finally {
      platform.shutdown();
    }
  });
}

test("what lives in many pages is moved into few, although nothing happens meanwhile", () => {
  const platform = StubPlatform.start("ptrace", -1);
  if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
  try {
    // The first look is what the next ones compare with.
    platform.wait(1.2e9);
    // With these a collection takes longer than those that V8 makes two of at a time.
    const others = ballast(3e6, 0);
    platform.wait(2.2e9);
    const before = getHeapStatistics().total_heap_size;
    const live = ballast(1e6, 0);
    platform.wait(2.2e9);
    const most = getHeapStatistics().total_heap_size;
    assert.ok(most - before > 30e6, `only ${most - before} bytes are used`);
    for (let i = 0; i < live.length; i++) if (i % 64 !== 0) live[i] = null;
    ballast(0, 16);
    platform.wait(5.5e9);
    assert.equal(others.length, 3e6);
    const after = getHeapStatistics().total_heap_size;
    assert.ok(after < before + live.length * 8 + 10e6, `${before} before, ${most} with garbage, ${after} at rest`);
  } finally {
    platform.shutdown();
  }
});

test(
  "what was alive at the last collection is collected after much was done, although nothing has grown",
  withPlatform((platform, bench) => {
    const id = bench.context(bench.space([...SYSCALL, ...jmpBack(2)]).as);
    let live = ballast(1e6, 0);
    platform.wait(2.2e9);
    const most = getHeapStatistics().total_heap_size;
    assert.equal(live.length, 1e6);
    live = [];
    for (let i = 0; i < 300_000; i++) bench.run(id);
    platform.wait(2.2e9);
    const after = getHeapStatistics().total_heap_size;
    assert.ok(after < most - 30e6, `${most} when all was alive, ${after} at rest`);
  }),
);

for (const [when, calls] of [
  ["little was done", 12],
  ["nothing was done but by a program itself", 1],
] as const) {
  test(
    `what was alive while ${when} is collected once nothing is`,
    withPlatform((platform, bench) => {
      const id = bench.context(bench.space([...SYSCALL, ...jmpBack(2)]).as);
      platform.wait(1.2e9);
      let live = ballast(1e6, 0);
      for (let i = 0; i < calls; i++) {
        bench.run(id);
        platform.wait(2.4e9 / calls);
      }
      const most = getHeapStatistics().total_heap_size;
      assert.equal(live.length, 1e6);
      live = [];
      bench.run(id);
      platform.wait(2.2e9);
      const after = getHeapStatistics().total_heap_size;
      assert.ok(after < most - 30e6, `${most} when all was alive, ${after} at rest`);
    }),
  );
}

test("the pages of young objects are given back when nothing happens", () => {
  const young = (): number => getHeapSpaceStatistics().find((space) => space.space_name === "new_space")!.space_size;
  const platform = StubPlatform.start("ptrace", -1);
  if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
  try {
    platform.wait(2.2e9);
    // Some live long enough for V8 to want more pages for them: as many as it allows on this machine.
    const live: unknown[][] = [];
    for (let i = 0; i < 1000 && young() < 40e6; i++) live[i % 4] = ballast(2e4, 0);
    const most = young();
    platform.wait(3.2e9);
    assert.ok(young() < 16e6, `${most} bytes for young objects, ${young()} at rest`);
  } finally {
    platform.shutdown();
  }
});

test(
  "what died after a busy process began to mark is collected at rest",
  withPlatform((platform, bench) => {
    const id = bench.context(bench.space([...SYSCALL, ...jmpBack(2)]).as);
    platform.wait(1.2e9);
    const before = getHeapStatistics().used_heap_size;
    let live = ballast(5e6, 0);
    const end = performance.now() + 2500;
    while (performance.now() < end) {
      bench.run(id);
      ballast(200, 0);
    }
    const most = getHeapStatistics().used_heap_size;
    assert.equal(live.length, 5e6);
    live = [];
    platform.wait(4.5e9);
    const after = getHeapStatistics().used_heap_size;
    assert.ok(after < before + 10e6, `${before} before, ${most} when all was alive, ${after} at rest`);
  }),
);
