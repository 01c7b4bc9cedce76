/**
 * Platform costs: `node bench/micro/platform.ts [systrap|ptrace]`. Prints ns for each operation; the best of several
 * rounds, because the machine is shared.
 */
import { R_RAX, R_RSI } from "../../src/arch/amd64/registers.ts";
import { Bench, CODE, JMP_SELF, PAGE, SYSCALL, jmpBack } from "../../src/platform/conformance.testing.ts";
import type { AddressSpace } from "../../src/platform/platform.ts";
import { CTX_WORDS } from "../../src/platform/platform.ts";
import { StubPlatform } from "../../src/platform/stub/platform.ts";

const name = process.argv[2] === "ptrace" ? "ptrace" : "systrap";
const rounds = Number(process.env.ROUNDS ?? 5);
const started = StubPlatform.start(name, -1);
if (!(started instanceof StubPlatform)) throw new Error(started.reason);
const platform = started;
if (process.env.SPIN !== undefined) platform.native.platformTune(0, Number(process.env.SPIN));
if (process.env.GUEST_SPIN !== undefined) platform.native.platformTune(1, Number(process.env.GUEST_SPIN));
const { result } = platform;

function report(what: string, n: number, body: (bench: Bench) => (n: number) => void): void {
  let best = Infinity;
  let worst = 0;
  let cpu = 0;
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench(platform);
    const run = body(bench);
    run(Math.ceil(n / 20));
    const before = process.cpuUsage();
    const start = process.hrtime.bigint();
    run(n);
    const took = Number(process.hrtime.bigint() - start) / n;
    const used = process.cpuUsage(before);
    if (took < best) {
      best = took;
      cpu = ((used.user + used.system) * 1000) / n;
    }
    worst = Math.max(worst, took);
    bench.end();
  }
  console.log(
    `${what.padEnd(44)} ${best.toFixed(0).padStart(8)} ns  (worst round ${worst.toFixed(0)}, our CPU ${cpu.toFixed(0)})`,
  );
}

const callLoop = [...SYSCALL, ...jmpBack(2)];

report("system call round trip", name === "systrap" ? 200_000 : 20_000, (bench) => {
  const { as } = bench.space(callLoop);
  const id = bench.context(as);
  const rax = id * CTX_WORDS + R_RAX;
  return (n) => {
    for (let i = 0; i < n; i++) {
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
      platform.regs[rax] = 39;
    }
  };
});

if (name === "systrap") {
  platform.enablePatching();
  const patcher = platform.patcher;
  // mov $39,%eax; syscall; jmp back
  const code = [0x90, 0xb8, 39, 0, 0, 0, ...SYSCALL, ...jmpBack(8)];
  const patched = (bench: Bench): AddressSpace => {
    const { as, code: at } = bench.space(code);
    const slot = bench.alloc();
    as.mapFile(0x480000, PAGE, bench.backing, slot, 5, true, false);
    as.flush();
    const window = bench.memory.subarray(at, at + PAGE);
    const plan = patcher?.plan(window, 6, 39) ?? null;
    if (patcher === null || plan === null) throw new Error("the site cannot be patched");
    patcher.writeSlot(plan, window, 6, CODE + 6, 0x480000, bench.memory, slot);
    patcher.writeJump(plan, window, 6, CODE + 6, 0x480000);
    return as;
  };
  report("patched system call round trip", 200_000, (bench) => {
    const id = bench.context(patched(bench));
    return (n) => {
      for (let i = 0; i < n; i++) {
        platform.resume(id);
        while (platform.wait(-1) === 0) continue;
      }
    };
  });
  report("the same, with the FP state read each time", 100_000, (bench) => {
    const id = bench.context(patched(bench));
    const image = new Uint8Array(platform.fpStateSize);
    return (n) => {
      for (let i = 0; i < n; i++) {
        platform.resume(id);
        while (platform.wait(-1) === 0) continue;
        platform.getFpState(id, image, 0);
      }
    };
  });
  platform.native.platformTune(3, 0);
}

for (const count of [2, 4, 16]) {
  report(`system calls, ${count} threads, each call`, 50_000, (bench) => {
    const { as } = bench.space(callLoop);
    const ids = Array.from({ length: count }, () => bench.context(as));
    return (n) => {
      for (const id of ids) platform.resume(id);
      let running = count;
      for (let i = 0; running > 0;) {
        platform.wait(-1);
        for (let k = 0; k < result.stoppedCount; k++, i++) {
          if (i < n) platform.resume(result.stopped[k]!);
          else running--;
        }
      }
    };
  });
}

// As in a pipe between two processes: each call of one makes the other run.
for (const apart of [false, true]) {
  report(`ping-pong, two ${apart ? "processes" : "threads"}, each switch`, 10_000, (bench) => {
    const one = bench.space(callLoop).as;
    const two = apart ? bench.space(callLoop).as : one;
    const ids = [bench.context(one), bench.context(two)];
    return (n) => {
      for (let i = 0; i < n; i++) {
        platform.resume(ids[i & 1]!);
        while (platform.wait(-1) === 0) continue;
      }
    };
  });
}

report("call that sleeps 1 ms, overhead included", 100, (bench) => {
  const { as } = bench.space(callLoop);
  const id = bench.context(as);
  return (n) => {
    for (let i = 0; i < n; i++) {
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
      platform.wait(1_000_000);
    }
  };
});

report("flush of one mapping", 20_000, (bench) => {
  const as = bench.bare();
  const page = bench.alloc();
  return (n) => {
    for (let i = 0; i < n; i++) {
      as.mapFile(CODE, PAGE, bench.backing, page, 3, true, false);
      as.flush();
    }
  };
});

report("flush of map + unmap while a thread computes", 20_000, (bench) => {
  const { as } = bench.space(JMP_SELF);
  const page = bench.alloc();
  const id = bench.context(as);
  return (n) => {
    platform.resume(id);
    for (let i = 0; i < n; i++) {
      as.mapFile(0x900000, PAGE, bench.backing, page, 3, true, false);
      as.unmap(0x900000, PAGE);
      as.flush();
    }
    platform.interrupt(id);
    while (platform.wait(-1) === 0) continue;
  };
});

report("system call with map + unmap", 20_000, (bench) => {
  const { as } = bench.space(callLoop);
  const page = bench.alloc();
  const id = bench.context(as);
  return (n) => {
    for (let i = 0; i < n; i++) {
      as.mapFile(0x900000, PAGE, bench.backing, page, 3, true, false);
      as.unmap(0x900000, PAGE);
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
    }
  };
});

report("fault, map, go on", 20_000, (bench) => {
  // mov (%rsi),%rax; jmp back
  const { as } = bench.space([0x48, 0x8b, 0x06, ...jmpBack(3)]);
  const page = bench.alloc();
  const id = bench.context(as);
  bench.set(id, R_RSI, 0x900000);
  return (n) => {
    for (let i = 0; i < n; i++) {
      as.unmap(0x900000, PAGE);
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
      as.mapFile(0x900000, PAGE, bench.backing, page, 3, true, false);
    }
  };
});

report("new context and its first call", 500, (bench) => {
  const { as } = bench.space(callLoop);
  return (n) => {
    for (let i = 0; i < n; i++) {
      const id = bench.context(as);
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
    }
  };
});

report("address space: new, one call, release", 200, (bench) => {
  const page = bench.alloc();
  bench.memory.set(SYSCALL, page);
  return (n) => {
    for (let i = 0; i < n; i++) {
      const as = bench.bare();
      as.mapFile(CODE, PAGE, bench.backing, page, 5, true, false);
      const id = bench.context(as);
      platform.resume(id);
      while (platform.wait(-1) === 0) continue;
      bench.free(as);
    }
  };
});

platform.shutdown();
