import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { run } from "./process.ts";
import { cleanEnv } from "./sandbox.ts";

const options = { cwd: "/", env: { PATH: "/usr/bin:/bin" }, timeout: 20 };

test("run() gives output and exit status", async () => {
  const outcome = await run("sh", ["-c", "echo out; echo err >&2; exit 3"], options);
  assert.equal(outcome.status, 3);
  assert.equal(outcome.stdout.toString(), "out\n");
  assert.equal(outcome.stderr.toString(), "err\n");
  assert.equal(outcome.isTimedOut, false);
});

test("run() gives 128 + n after signal n, and 127 when nothing could be started", async () => {
  assert.equal((await run("sh", ["-c", "kill -SEGV $$"], options)).status, 139);
  const missing = await run("/nonexistent", [], options);
  assert.equal(missing.status, 127);
  assert.match(missing.stderr.toString(), /ENOENT/);
});

test("run() hands over input and the environment alone", async () => {
  assert.equal((await run("cat", [], { ...options, input: "text" })).stdout.toString(), "text");
  const env = (await run("env", [], { ...options, env: { PATH: "/usr/bin:/bin", A: "b" } })).stdout.toString();
  assert.equal(env, "PATH=/usr/bin:/bin\nA=b\n");
});

test("tested programs find no start files of whoever runs the tests", async () => {
  const { stdout, stderr } = await run("bash", ["-c", "ls -A ~; alias; declare -F"], { ...options, env: cleanEnv });
  assert.equal(`${stdout}${stderr}`, "");
});

test("run() cuts endless output", async () => {
  const outcome = await run("sh", ["-c", "yes | head -c 1000000"], { ...options, maxBytes: 100_000 });
  assert.equal(outcome.isCut, true);
  assert.ok(outcome.stdout.length <= 100_000);
});

test("run() kills the whole group when its time is over", async () => {
  const outcome = await run("sh", ["-c", "sleep 60 & echo $!; wait"], { ...options, timeout: 0.5 });
  assert.equal(outcome.isTimedOut, true);
  assert.equal(outcome.status, 137);
  assert.ok(outcome.seconds < 20);
  assert.equal(isAlive(outcome.stdout.toString().trim()), false);
});

test("run() does not wait for what is left in the background, and kills it", async () => {
  const outcome = await run("sh", ["-c", "sleep 60 & echo $!"], options);
  assert.equal(outcome.status, 0);
  assert.equal(outcome.isTimedOut, false);
  assert.ok(outcome.seconds < 10);
});

/** Whether a process exists and is no zombie that waits for its parent. */
function isAlive(pid: string): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch {
    return false;
  }
  // Killed and not reaped yet has no memory map.
  return existsSync(`/proc/${pid}/exe`);
}
