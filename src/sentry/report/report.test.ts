import assert from "node:assert/strict";
import { test } from "node:test";
import { spawn, sys } from "../syscalls/scripted.testing.ts";
import type { Call } from "../syscalls/scripted.testing.ts";
import { MEM, World } from "../syscalls/world.testing.ts";
import { kernelReport } from "./report.ts";

type Script = Generator<Call | null, void, number>;

const SIGCHLD = 17;

test("a report names who waits for what, and since when", () => {
  const w = new World();
  let lines: string[] = [];
  w.run(function* (): Script {
    yield sys("pipe2", MEM, 0);
    const reader = function* (): Script {
      yield sys("read", 0, MEM + 64, 10);
      yield sys("exit_group", 0);
    };
    const sleeper = function* (): Script {
      w.pokeTime(3, MEM + 128, 5e9);
      yield sys("nanosleep", MEM + 128, 0);
      yield sys("exit_group", 0);
    };
    const reporter = function* (): Script {
      // The others have gone to sleep by now.
      for (let i = 0; i < 5; i++) yield sys("sched_yield");
      lines = kernelReport(w.kernel);
      yield sys("write", 1, MEM, 1);
      yield sys("exit_group", 0);
    };
    yield spawn(reader, "clone", SIGCHLD, 0, 0, 0, 0);
    yield spawn(sleeper, "clone", SIGCHLD, 0, 0, 0, 0);
    yield spawn(reporter, "clone", SIGCHLD, 0, 0, 0, 0);
    for (let i = 0; i < 3; i++) yield sys("wait4", -1, 0, 0, 0);
    yield sys("exit_group", 0);
  });
  const text = lines.join("\n");
  assert.match(text, /^up \d/);
  assert.match(text, /^timers: 1 armed, the first one due in \d\.\d{3} s$/m);
  assert.match(text, /^process 2 \w*: parent 1, group 1, session 1$/m);
  assert.match(text, /thread 1 init: blocked in wait4\(-1, NULL, 0, NULL\)/);
  assert.match(text, /waits for IN\|ERR\|HUP of the children of process 1$/m);
  assert.match(text, /thread 2 init: blocked in read\(0, 0x[0-9a-f]+, 10\)/);
  assert.match(text, /waits for IN\S* of fd 0, pipe:\[\d+\] \(ready: nothing\)$/m);
  assert.match(text, /thread 3 init: blocked in nanosleep\(\{tv_sec=5, tv_nsec=0\}, NULL\)/);
  assert.match(text, /attempt 2, deadline due in \d\.\d{3} s$/m);
  assert.match(text, /thread 4 init: in the guest, last call sched_yield/);
});
