/** Where there is one CPU, nobody may spin: whoever waits would keep the other one from working. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const CALLS = 2000;

/** Makes CALLS calls of a guest thread, and tells how much CPU time Sentry and guest took, us. */
const script = `
import { Bench, CODE, SYSCALL, jmpBack } from ${JSON.stringify(join(import.meta.dirname, "conformance.testing.ts"))};
import { StubPlatform } from ${JSON.stringify(join(import.meta.dirname, "stub/platform.ts"))};
const platform = StubPlatform.start("systrap", -1);
if (!(platform instanceof StubPlatform)) throw new Error(platform.reason);
const bench = new Bench(platform);
const { as } = bench.space([...SYSCALL, ...jmpBack(2)]);
const id = bench.context(as);
const turn = (n) => { for (let i = 0; i < n; i++) bench.run(id); };
turn(${CALLS});
const guest = platform.cpuTime(as, 2);
const sentry = process.cpuUsage();
turn(${CALLS});
const used = process.cpuUsage(sentry);
console.log((platform.cpuTime(as, 2) - guest) / 1000, used.user + used.system);
bench.end();
platform.shutdown();
`;

test("with one CPU nobody spins", { skip: spawnSync("taskset", ["--version"]).status !== 0 && "no taskset" }, () => {
  const node = [process.execPath, "--input-type=module", "-e", script];
  const run = spawnSync("taskset", ["-c", "0", ...node], { encoding: "utf8", timeout: 60_000 });
  assert.equal(run.status, 0, run.stderr);
  const [guest, sentry] = run.stdout.trim().split(" ").map(Number);
  // A stopped thread would spin for 20 us, and the Sentry for as long as that helps.
  assert.ok(guest! / CALLS < 12, `the guest took ${guest! / CALLS} us for each call`);
  assert.ok(sentry! / CALLS < 25, `the Sentry took ${sentry! / CALLS} us for each call`);
});
