/** A platform on which nothing happens gives the pages of this process's program back. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Bench, jmpBack, SYSCALL } from "./conformance.testing.ts";
import { StubPlatform } from "./stub/platform.ts";

function programPages(): number {
  return Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))![1]);
}

test("program pages are given back when nothing has happened for a second", () => {
  const platform = StubPlatform.start("ptrace", -1);
  if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
  const bench = new Bench(platform);
  try {
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
  } finally {
    bench.end();
    platform.shutdown();
  }
});
