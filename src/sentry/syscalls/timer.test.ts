import assert from "node:assert/strict";
import { test } from "node:test";
import { EINVAL } from "../../abi/errno.ts";
import { SIGALRM, SIGTSTP, SIGUSR1, SIGUSR2 } from "../../abi/signal.ts";
import { spawn, sys } from "./scripted.testing.ts";
import type { Call } from "./scripted.testing.ts";
import { MEM, World } from "./world.testing.ts";

type Script = Generator<Call | null, void, number>;

test("a POSIX timer sends its signal and counts overruns while it is blocked", () => {
  const w = new World();
  w.run(function* (): Script {
    // SIGUSR1 is blocked, so that expirations pile up.
    w.poke32(1, MEM, 1 << (SIGUSR1 - 1));
    w.poke32(1, MEM + 4, 0);
    yield sys("rt_sigprocmask", 0, MEM, 0, 8);
    w.poke32(1, MEM + 64, 77);
    w.poke32(1, MEM + 68, 0);
    w.poke32(1, MEM + 72, SIGUSR1);
    w.poke32(1, MEM + 76, 0);
    assert.equal(yield sys("timer_create", 1, MEM + 64, MEM + 128), 0);
    const id = w.peek32(1, MEM + 128);
    w.pokeTime(1, MEM + 200, 10e6);
    w.pokeTime(1, MEM + 216, 10e6);
    assert.equal(yield sys("timer_settime", id, 0, MEM + 200, 0), 0);
    w.pokeTime(1, MEM + 300, 55e6);
    yield sys("nanosleep", MEM + 300, 0);
    assert.equal(yield sys("rt_sigtimedwait", MEM, MEM + 400, 0, 8), SIGUSR1);
    assert.equal(w.peek32(1, MEM + 408), 0xfffffffe); // SI_TIMER
    assert.equal(w.peek32(1, MEM + 420), 4);
    assert.equal(w.peek32(1, MEM + 424), 77);
    assert.equal(yield sys("timer_getoverrun", id), 4);
    assert.equal(yield sys("timer_delete", id), 0);
    assert.equal(yield sys("timer_delete", id), -EINVAL);
  });
});

test("setitimer repeats and getitimer tells the rest", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, 0);
    yield sys("rt_sigaction", SIGALRM, MEM + 256, 0, 8);
    const start = w.files.clock.nowNs;
    // struct itimerval: interval 1 s, value 2 s
    w.pokeTime(1, MEM, 1e9);
    w.pokeTime(1, MEM + 16, 2e9);
    assert.equal(yield sys("setitimer", 0, MEM, 0), 0);
    assert.equal(yield sys("getitimer", 0, MEM + 64), 0);
    assert.equal(w.peek32(1, MEM + 80), 1);
    for (let i = 0; i < 3; i++) yield sys("pause");
    assert.equal(w.events.length, 3);
    const took = w.files.clock.nowNs - start;
    assert.ok(took >= 4e9 && took < 4.1e9, `${took}`);
  });
});

test("a CPU timer counts only running time", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      const me = yield sys("getpid");
      w.pokeTime(me, MEM, 0);
      w.pokeTime(me, MEM + 16, 1e9);
      yield sys("setitimer", 1, MEM, 0);
      w.pokeTime(me, MEM + 32, 5e9);
      yield sys("nanosleep", MEM + 32, 0);
      w.note("slept");
      yield null;
    }, "fork");
    yield sys("wait4", pid, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 26);
    assert.deepEqual(w.events, ["slept"]);
  });
});

test("terminal stop signals do not stop an orphaned process group", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("setsid");
      yield sys("kill", 0, SIGTSTP);
      yield sys("exit_group", 6);
    }, "fork");
    assert.equal(yield sys("wait4", pid, MEM, 2, 0), pid);
    assert.equal(w.peek32(1, MEM), 6 << 8);
  });
});

test("real-time signals queue and keep their order, standard ones coalesce", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, 0x40000000);
    for (const sig of [40, SIGUSR2]) yield sys("rt_sigaction", sig, MEM + 256, 0, 8);
    w.poke32(1, MEM, 0xffffffff);
    w.poke32(1, MEM + 4, 0xffffffff);
    yield sys("rt_sigprocmask", 2, MEM, 0, 8);
    for (const sig of [40, SIGUSR2, 40, SIGUSR2, 40]) yield sys("kill", 1, sig);
    w.poke32(1, MEM, 0);
    w.poke32(1, MEM + 4, 0);
    yield sys("rt_sigprocmask", 2, MEM, 0, 8);
    assert.deepEqual(w.events.sort(), [`handler ${SIGUSR2}`, "handler 40", "handler 40", "handler 40"].sort());
  });
});

test("PR_SET_PDEATHSIG and subreapers", () => {
  const w = new World();
  w.run(function* (): Script {
    yield sys("prctl", 36, 1);
    yield spawn(function* (): Script {
      yield spawn(function* (): Script {
        yield sys("prctl", 1, 15);
        yield null;
      }, "fork");
      for (let i = 0; i < 4; i++) yield sys("sched_yield");
      yield sys("exit_group", 0);
    }, "fork");
    yield sys("wait4", -1, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 0);
    yield sys("wait4", -1, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 15);
  });
});
