import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, ECHILD, EINTR, ESRCH, ETIMEDOUT } from "../../abi/errno.ts";
import { SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SA_RESTART } from "../../abi/signal.ts";
import { spawn, sys } from "./scripted.testing.ts";
import type { Call } from "./scripted.testing.ts";
import { MEM, World } from "./world.testing.ts";

type Script = Generator<Call | null, void, number>;
const CLONE_THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000;

test("exit_group gives init's wait status", () => {
  const w = new World();
  const status = w.run(function* (): Script {
    yield sys("exit_group", 7);
  });
  assert.equal(status, 7 << 8);
  assert.equal(w.platform.contexts.filter((c) => c !== undefined).length, 0);
  assert.ok(w.platform.spaces.every((s) => s.released));
});

test("fork and wait4 report the child's exit status and reap it", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("exit_group", 3);
    }, "fork");
    assert.ok(pid > 1);
    assert.equal(yield sys("wait4", -1, MEM, 0, 0), pid);
    assert.equal(w.peek32(1, MEM), 3 << 8);
    assert.equal(yield sys("wait4", -1, MEM, 0, 0), -ECHILD);
    assert.equal(w.kernel.processes.size, 1);
  });
});

test("a child's memory is its own after fork", () => {
  const w = new World();
  w.run(function* (): Script {
    w.poke32(1, MEM + 8, 1);
    const pid = yield spawn(function* (): Script {
      const me = yield sys("getpid");
      w.poke32(me, MEM + 8, 2);
      yield sys("exit_group", w.peek32(me, MEM + 8));
    }, "fork");
    yield sys("wait4", pid, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 2 << 8);
    assert.equal(w.peek32(1, MEM + 8), 1);
  });
});

test("wait4 with WNOHANG does not wait", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("pause");
    }, "fork");
    assert.equal(yield sys("wait4", pid, 0, 1, 0), 0);
    assert.equal(yield sys("kill", pid, SIGTERM), 0);
    assert.equal(yield sys("wait4", pid, MEM, 0, 0), pid);
    assert.equal(w.peek32(1, MEM), SIGTERM);
    assert.equal(yield sys("kill", pid, 0), -ESRCH);
  });
});

test("a thread shares memory and ids, CLEARTID wakes the joiner", () => {
  const w = new World();
  w.run(function* (): Script {
    w.poke32(1, MEM, 1);
    const tid = yield spawn(
      function* (): Script {
        assert.equal(yield sys("getpid"), 1);
        w.poke32(1, MEM + 4, 42);
        yield sys("exit", 0);
      },
      "clone",
      CLONE_THREAD_FLAGS | 0x200000,
      0x20000000 - 65536,
      0,
      MEM,
      0,
    );
    assert.ok(tid > 1);
    const r = yield sys("futex", MEM, 0, 1, 0);
    assert.ok(r === 0 || r === -EAGAIN, `${r}`);
    assert.equal(w.peek32(1, MEM), 0);
    assert.equal(w.peek32(1, MEM + 4), 42);
  });
});

test("exit_group ends a computing thread", () => {
  const w = new World();
  const status = w.run(function* (): Script {
    yield spawn(
      function* (): Script {
        yield null;
      },
      "clone",
      CLONE_THREAD_FLAGS,
      0x20000000 - 65536,
      0,
      0,
      0,
    );
    yield sys("exit_group", 5);
  });
  assert.equal(status, 5 << 8);
});

test("vfork holds the parent up until the child exits", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("sched_yield");
      yield sys("sched_yield");
      w.note("child");
      yield sys("exit_group", 0);
    }, "vfork");
    w.note("parent");
    yield sys("wait4", pid, 0, 0, 0);
  });
  assert.deepEqual(w.events, ["child", "parent"]);
});

test("orphans are adopted and reaped through init", () => {
  const w = new World();
  w.run(function* (): Script {
    yield spawn(function* (): Script {
      yield spawn(function* (): Script {
        w.pokeTime(yield sys("getpid"), MEM, 1e9);
        yield sys("nanosleep", MEM, 0);
        assert.equal(yield sys("getppid"), 1);
        yield sys("exit_group", 9);
      }, "fork");
      yield sys("exit_group", 1);
    }, "fork");
    yield sys("wait4", -1, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 1 << 8);
    yield sys("wait4", -1, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 9 << 8);
  });
});

test("nanosleep takes the time it is asked for and leaves the CPU alone", () => {
  const w = new World();
  w.run(function* (): Script {
    const before = w.files.clock.nowNs;
    w.pokeTime(1, MEM, 5e9);
    const waits = w.platform.waits;
    assert.equal(yield sys("nanosleep", MEM, 0), 0);
    assert.ok(w.files.clock.nowNs - before >= 5e9);
    assert.ok(w.platform.waits - waits < 6);
  });
});

test("a signal with a handler interrupts nanosleep with EINTR and the remaining time", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, SA_RESTART);
    assert.equal(yield sys("rt_sigaction", SIGUSR1, MEM + 256, 0, 8), 0);
    yield spawn(function* (): Script {
      const me = yield sys("getpid");
      w.pokeTime(me, MEM, 2e9);
      yield sys("nanosleep", MEM, 0);
      yield sys("kill", 1, SIGUSR1);
    }, "fork");
    w.pokeTime(1, MEM, 10e9);
    assert.equal(yield sys("nanosleep", MEM, MEM + 64), -EINTR);
    const left = w.peek32(1, MEM + 64);
    assert.ok(left === 7 || left === 8, `${left}`);
    assert.deepEqual(w.events, [`handler ${SIGUSR1}`]);
  });
});

test("SA_RESTART makes a blocked read go on after the handler", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, SA_RESTART);
    yield sys("rt_sigaction", SIGUSR1, MEM + 256, 0, 8);
    assert.equal(yield sys("pipe2", MEM, 0), 0);
    const r = w.peek32(1, MEM);
    const wr = w.peek32(1, MEM + 4);
    yield spawn(function* (): Script {
      yield sys("kill", 1, SIGUSR1);
      const me = yield sys("getpid");
      w.pokeTime(me, MEM + 512, 1e6);
      yield sys("nanosleep", MEM + 512, 0);
      w.note("write");
      yield sys("write", wr, MEM + 600, 5);
    }, "fork");
    assert.equal(yield sys("read", r, MEM + 700, 100), 5);
    assert.deepEqual(w.events, [`handler ${SIGUSR1}`, "write"]);
  });
});

test("without SA_RESTART the read gives EINTR", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, 0);
    yield sys("rt_sigaction", SIGUSR1, MEM + 256, 0, 8);
    yield sys("pipe2", MEM, 0);
    const r = w.peek32(1, MEM);
    yield spawn(function* (): Script {
      yield sys("kill", 1, SIGUSR1);
    }, "fork");
    assert.equal(yield sys("read", r, MEM + 700, 100), -EINTR);
    assert.deepEqual(w.events, [`handler ${SIGUSR1}`]);
  });
});

test("an ignored signal does not disturb a blocked call", () => {
  const w = new World();
  w.run(function* (): Script {
    yield sys("pipe2", MEM, 0);
    const r = w.peek32(1, MEM);
    const wr = w.peek32(1, MEM + 4);
    yield spawn(function* (): Script {
      yield sys("kill", 1, SIGCHLD);
      yield sys("write", wr, MEM + 600, 3);
    }, "fork");
    assert.equal(yield sys("read", r, MEM + 700, 100), 3);
  });
});

test("stop and continue are reported to the parent", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield null;
    }, "fork");
    yield sys("kill", pid, SIGSTOP);
    assert.equal(yield sys("wait4", pid, MEM, 2, 0), pid);
    assert.equal(w.peek32(1, MEM), (SIGSTOP << 8) | 0x7f);
    yield sys("kill", pid, SIGCONT);
    assert.equal(yield sys("wait4", pid, MEM, 8, 0), pid);
    assert.equal(w.peek32(1, MEM), 0xffff);
    yield sys("kill", pid, SIGKILL);
    assert.equal(yield sys("wait4", pid, MEM, 0, 0), pid);
    assert.equal(w.peek32(1, MEM), SIGKILL);
  });
});

test("SIGKILL ends a stopped process", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("pause");
    }, "fork");
    yield sys("kill", pid, SIGSTOP);
    yield sys("wait4", pid, MEM, 2, 0);
    yield sys("kill", pid, SIGKILL);
    assert.equal(yield sys("wait4", pid, MEM, 0, 0), pid);
    assert.equal(w.peek32(1, MEM), SIGKILL);
  });
});

test("futex wait times out, and compares the value", () => {
  const w = new World();
  w.run(function* (): Script {
    w.poke32(1, MEM, 5);
    assert.equal(yield sys("futex", MEM, 128, 6, 0), -EAGAIN);
    w.pokeTime(1, MEM + 64, 1e6);
    assert.equal(yield sys("futex", MEM, 128, 5, MEM + 64), -ETIMEDOUT);
    assert.equal(yield sys("futex", MEM, 129, 1, 0), 0);
  });
});

test("futex wake between threads", () => {
  const w = new World();
  w.run(function* (): Script {
    yield spawn(
      function* (): Script {
        w.note(`waiter ${yield sys("futex", MEM, 128, 0, 0)}`);
        yield sys("exit", 0);
      },
      "clone",
      CLONE_THREAD_FLAGS,
      0x20000000 - 65536,
      0,
      0,
      0,
    );
    for (let i = 0; i < 5; i++) yield sys("sched_yield");
    assert.equal(yield sys("futex", MEM, 129, 10, 0), 1);
    for (let i = 0; i < 5; i++) yield sys("sched_yield");
    assert.deepEqual(w.events, ["waiter 0"]);
  });
});

test("rt_sigtimedwait takes a blocked signal, or times out", () => {
  const w = new World();
  w.run(function* (): Script {
    w.poke32(1, MEM, 1 << (SIGUSR1 - 1));
    w.poke32(1, MEM + 4, 0);
    yield sys("rt_sigprocmask", 0, MEM, 0, 8);
    w.pokeTime(1, MEM + 64, 1e9);
    assert.equal(yield sys("rt_sigtimedwait", MEM, 0, MEM + 64, 8), -EAGAIN);
    yield spawn(function* (): Script {
      yield sys("kill", 1, SIGUSR1);
    }, "fork");
    assert.equal(yield sys("rt_sigtimedwait", MEM, MEM + 128, 0, 8), SIGUSR1);
    assert.equal(w.peek32(1, MEM + 128), SIGUSR1);
  });
});

test("sigsuspend restores the mask after the handler", () => {
  const w = new World();
  w.noteSignals(0x7000);
  w.run(function* (): Script {
    w.pokeAction(1, MEM + 256, 0x7000, 0);
    yield sys("rt_sigaction", SIGUSR1, MEM + 256, 0, 8);
    w.poke32(1, MEM, 1 << (SIGUSR1 - 1));
    w.poke32(1, MEM + 4, 0);
    yield sys("rt_sigprocmask", 0, MEM, 0, 8);
    yield sys("kill", 1, SIGUSR1);
    assert.deepEqual(w.events, []);
    w.poke32(1, MEM + 8, 0);
    w.poke32(1, MEM + 12, 0);
    assert.equal(yield sys("rt_sigsuspend", MEM + 8, 8), -EINTR);
    assert.deepEqual(w.events, [`handler ${SIGUSR1}`]);
    yield sys("rt_sigprocmask", 0, 0, MEM + 16, 8);
    assert.equal(w.peek32(1, MEM + 16), 1 << (SIGUSR1 - 1));
  });
});

test("alarm kills with SIGALRM at its time", () => {
  const w = new World();
  w.run(function* (): Script {
    const pid = yield spawn(function* (): Script {
      yield sys("alarm", 2);
      yield null;
    }, "fork");
    const before = w.files.clock.nowNs;
    yield sys("wait4", pid, MEM, 0, 0);
    assert.equal(w.peek32(1, MEM), 14);
    assert.ok(w.files.clock.nowNs - before >= 2e9);
  });
});
