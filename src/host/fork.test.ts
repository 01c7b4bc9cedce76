import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ENOENT } from "../abi/errno.ts";

const skip = process.getuid!() !== 0 && "needs root";

interface Told {
  readonly isReaped: boolean;
  readonly later: number;
  readonly shared: number;
  readonly copy: {
    readonly error?: number;
    readonly step?: number;
    readonly growth: number;
    readonly pid: number;
    readonly cwd: string;
    readonly environment: string;
    readonly variables: string[];
    readonly open: Record<string, string>;
    readonly sharedMappings: string[];
    readonly status: string;
  };
}

function run(...args: string[]): Told {
  const script = join(import.meta.dirname, "fork.testing.ts");
  const options = ["--single-threaded", "--expose-gc", "--disable-warning=ExperimentalWarning", script, ...args];
  const ran = spawnSync(process.execPath, options, {
    env: { ...process.env, SECRET: "hunter2" },
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  assert.equal(ran.stderr, "");
  assert.equal(ran.status, 0);
  return JSON.parse(ran.stdout) as Told;
}

test("a forked copy has its own namespaces, descriptors and environment, and shares no memory", { skip }, () => {
  const { copy, isReaped, later, shared } = run();
  assert.equal(copy.pid, 1);
  assert.equal(copy.cwd, "/proc");
  assert.equal(copy.environment, "");
  assert.deepEqual(copy.variables, []);
  assert.deepEqual(copy.sharedMappings, []);
  assert.equal(shared, 1);
  assert.ok(isReaped);
  assert.equal(later, 7 << 8, "a later child has a number of the old pid namespace");
  const given = new Set(["0", "2", "70"]);
  for (const [fd, what] of Object.entries(copy.open)) {
    if (!given.has(fd)) assert.equal(what, "anon_inode:[eventfd]", `descriptor ${fd}`);
  }
  assert.match(copy.open["70"]!, /^pipe:/);
  assert.match(copy.status, /^Threads:\t1$/m);
  assert.match(copy.status, /^SigCgt:\t0+$/m);
  assert.match(copy.status, /^SigBlk:\t0+$/m);
  assert.match(copy.status, /^SigIgn:\t0*1000$/m, "SIGPIPE alone");
});

test("a step that fails is told to the copy, with its descriptors as they were", { skip }, () => {
  const { copy } = run("fail");
  assert.deepEqual(copy, { error: -ENOENT, step: 0 });
});

test("what V8 hands to the threads that a copy does not have does not gather", { skip }, () => {
  const { copy } = run("collect", "40000");
  assert.ok(copy.growth < 1024, `${copy.growth} KiB more after so many collections of young objects`);
});
