/** Guests that attack the platform: nothing they do may hurt the Sentry, the host or another address space. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  R_EFLAGS,
  R_R10,
  R_R8,
  R_R9,
  R_RAX,
  R_RBX,
  R_RCX,
  R_RDI,
  R_RDX,
  R_RIP,
  R_RSI,
  R_RSP,
} from "../arch/amd64/registers.ts";
import {
  CERTAINLY_MS,
  CODE,
  DATA,
  JMP_SELF,
  PAGE,
  SYSCALL,
  hostileScenarios,
  jmpBack,
  settles,
  tryRun,
} from "./conformance.testing.ts";
import type { Bench } from "./conformance.testing.ts";
import { EV_DIED, EV_FAULT, EV_INTERRUPT, EV_SYSCALL } from "./platform.ts";
import { StubPlatform } from "./stub/platform.ts";

const STUB_BASE = 0x7ff000000000;
const NR_EXIT = 60;
const NR_RT_SIGRETURN = 15;
const FILL = [0xf3, 0xaa]; // rep stosb

/** A mapping of a stub process. */
interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly access: string;
  readonly line: string;
}

function mappings(pid: number): Mapping[] {
  return readFileSync(`/proc/${pid}/maps`, "latin1")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [range, access] = line.split(" ");
      const [start, end] = range!.split("-");
      return { start: parseInt(start!, 16), end: parseInt(end!, 16), access: access!, line };
    });
}

for (const name of ["systrap", "ptrace"] as const) {
  describe(name, () => {
    let platform: StubPlatform;
    let bench: Bench;

    before(() => {
      const started = StubPlatform.start(name, -1);
      if (!(started instanceof StubPlatform)) throw new Error(started.reason);
      platform = started;
    });
    after(() => platform.shutdown());

    const scenario = hostileScenarios(
      () => platform,
      (made) => (bench = made),
    );

    const settle = (id: number, ms: number): boolean => settles(platform, id, ms);

    scenario("no address but the guest's own memory is writable and executable, the stub's code is read-only", () => {
      const { as } = bench.space(SYSCALL);
      const id = bench.context(as);
      assert.equal(bench.run(id), EV_SYSCALL);
      for (const mapping of mappings(platform.pidOf(as))) {
        if (mapping.start < platform.maxAddress || mapping.line.endsWith("[vsyscall]")) continue;
        assert.ok(mapping.start >= STUB_BASE, mapping.line);
        assert.ok(!/wx/.test(mapping.access), mapping.line);
        assert.ok(mapping.start < STUB_BASE + 0x60000000, mapping.line);
      }
    });

    scenario("a guest thread holds no fd but the wake-up eventfd", () => {
      const { as } = bench.space(SYSCALL);
      const id = bench.context(as);
      assert.equal(bench.run(id), EV_SYSCALL);
      const pid = platform.pidOf(as);
      for (const tid of readdirSync(`/proc/${pid}/task`)) {
        const fds = readdirSync(`/proc/${pid}/task/${tid}/fd`);
        if (Number(tid) !== pid) assert.deepEqual(fds, ["0"]);
      }
    });

    scenario("every system call number from the guest's code is only reported", () => {
      const { as } = bench.space([...SYSCALL, ...jmpBack(2)]);
      const id = bench.context(as);
      const before = mappings(platform.pidOf(as)).length;
      for (const high of [0, 0x40000000, 0x7fffff00]) {
        for (let nr = 0; nr < 600; nr++) {
          bench.set(id, R_RAX, high + nr);
          bench.set(id, R_RDI, STUB_BASE);
          bench.set(id, R_RSI, PAGE);
          bench.set(id, R_RDX, 3);
          bench.set(id, R_R10, 0x32);
          assert.equal(bench.run(id), EV_SYSCALL);
          assert.equal(bench.get(id, R_RAX), high + nr);
          assert.equal(bench.get(id, R_RIP), CODE + 2);
        }
      }
      assert.ok(mappings(platform.pidOf(as)).length <= before + 1);
    });

    scenario("the stub's own call sites give a guest nothing", () => {
      const elf = readFileSync(join(import.meta.dirname, "../../build/stub.elf"));
      const text = elf.subarray(0x1000, 0x3000);
      const sites: number[] = [];
      for (let i = 0; i + 1 < text.length; i++) if (text[i] === 0x0f && text[i + 1] === 0x05) sites.push(i);
      assert.ok(sites.length > 15);
      // What could hurt: memory, fds, other processes, filters. And what a thread's filter lets through.
      const dangerous = [
        0, 2, 9, 10, 11, 12, 14, 25, 28, 47, 56, 57, 58, 59, 62, 101, 157, 200, 203, 231, 257, 310, 317, 321, 425, 434,
        435, 436,
      ];
      const args: readonly (readonly number[])[] = [
        [0x600000, PAGE, 7, 0x11, 2, 0], // mmap of the control memory
        [STUB_BASE, PAGE, 7, 0, 0, 0], // mprotect of the stub
        [0x50f00, DATA, 0, 0, 0, DATA], // clone with the helper's flags
        [0x8411, 0, 0, 0, 0, 0x8000],
      ];
      let { as } = bench.space(JMP_SELF);
      let id = bench.context(as);
      const threads = (): number => readdirSync(`/proc/${platform.pidOf(as)}/task`).length;
      const spaceLines = (): string =>
        mappings(platform.pidOf(as))
          .map((mapping) => mapping.line)
          .join("\n");
      platform.resume(id);
      assert.equal(settle(id, 1), false);
      platform.interrupt(id);
      assert.ok(settle(id, CERTAINLY_MS));
      const before = spaceLines();
      for (const site of [sites[0]!, sites[8]!, sites.at(-3)!, sites.at(-2)!, sites.at(-1)!]) {
        for (const nr of dangerous) {
          for (const arg of args) {
            // A thread may unmap and protect guest memory: batch.test.ts.
            if ((nr === 10 || nr === 11) && arg[0]! < platform.maxAddress) continue;
            bench.set(id, R_RIP, STUB_BASE + site);
            bench.set(id, R_RAX, nr);
            [R_RDI, R_RSI, R_RDX, R_R10, R_R8, R_R9].forEach((r, i) => bench.set(id, r, arg[i]!));
            bench.set(id, R_RSP, DATA + PAGE - 512);
            assert.equal(bench.run(id), EV_SYSCALL, `call ${nr} at ${site}`);
            assert.equal(bench.get(id, R_RIP), STUB_BASE + site + 2);
          }
        }
      }
      assert.equal(spaceLines(), before);
      assert.equal(threads(), 2);
      // Calls that the filter allows, with arguments that it does not.
      for (const [nr, a, b, c] of [
        [1, 1, STUB_BASE + 0x1000, 8], // the completion eventfd
        [1, 2, STUB_BASE + 0x1000, 8],
        [1, 0, STUB_BASE + 0x1000, 16],
        [202, DATA, 0, 0],
        [202, STUB_BASE + 0x10008000, 6, 0], // FUTEX_LOCK_PI
        [202, STUB_BASE + 0x10008000, 3, 0], // FUTEX_REQUEUE
        [202, STUB_BASE + 0x1000000, 0, 1], // FUTEX_WAIT on the command page: the helper would miss its wake-up
      ] as const) {
        for (const site of [sites[3]!, sites.at(-4)!, sites.at(-1)!]) {
          bench.set(id, R_RIP, STUB_BASE + site);
          bench.set(id, R_RAX, nr);
          bench.set(id, R_RDI, a);
          bench.set(id, R_RSI, b);
          bench.set(id, R_RDX, c);
          assert.equal(bench.run(id), EV_SYSCALL, `call ${nr}`);
        }
      }
      // Calls that it allows: whatever becomes of the thread, nothing else happens.
      for (const nr of [1, NR_RT_SIGRETURN, 202, NR_EXIT]) {
        for (const site of sites) {
          bench.set(id, R_RIP, STUB_BASE + site);
          bench.set(id, R_RAX, nr);
          bench.set(id, R_RDI, nr === 202 ? STUB_BASE + 0x10008000 : 0);
          bench.set(id, R_RSI, nr === 202 ? 1 : STUB_BASE + 0x1000);
          bench.set(id, R_RDX, 8);
          bench.set(id, R_RSP, DATA + 1024);
          if (tryRun(bench, as, id) === EV_DIED) {
            ({ as } = bench.space(JMP_SELF));
            id = bench.context(as);
          }
        }
      }
    });

    scenario("jumping to every address of the stub's code", () => {
      const text = readFileSync(join(import.meta.dirname, "../../build/stub.elf")).subarray(0x1000, 0x3000);
      const bystander = bench.space(SYSCALL);
      const witness = bench.context(bystander.as);
      const lines = (): string[] => mappings(platform.pidOf(bystander.as)).map((mapping) => mapping.line);
      assert.equal(bench.run(witness), EV_SYSCALL);
      const before = lines();
      let { as } = bench.space(JMP_SELF);
      let id = bench.context(as);
      let died = 0;
      for (let offset = 0; offset < text.length; offset++) {
        // Padding between the pages' code is like the byte before.
        if (offset > 8 && text.subarray(offset - 8, offset + 1).every((byte) => byte === 0)) continue;
        bench.set(id, R_RIP, STUB_BASE + offset);
        bench.set(id, R_RSP, DATA + 2048);
        bench.set(id, R_EFLAGS, 0x202);
        // Its own memory, what it shares with the Sentry, and what is the stub's.
        const value = [DATA + 512, STUB_BASE + 0x10008000, STUB_BASE + 0x1000000][offset % 3]!;
        for (const r of [R_RDI, R_RSI, R_RDX, R_RBX]) bench.set(id, r, value);
        bench.set(id, R_RAX, [202, 11, 10, 25, 1, 15][offset % 6]!);
        if (tryRun(bench, as, id) !== EV_DIED) continue;
        died++;
        bench.free(as);
        ({ as } = bench.space(JMP_SELF));
        id = bench.context(as);
      }
      assert.ok(died < 0x400, `${died}`);
      assert.deepEqual(lines(), before);
      assert.equal(bench.run(witness), EV_FAULT);
      assert.equal(bench.get(witness, R_RIP), CODE + 2);
    });

    scenario("a guest that fills the memory it shares with the Sentry", () => {
      for (const value of [0xff, 0, 1, 2, 3, 0x7f]) {
        const { as } = bench.space([...FILL, ...SYSCALL]);
        const id = bench.context(as);
        bench.set(id, R_RCX, 0);
        assert.equal(bench.run(id), EV_SYSCALL);
        for (const mapping of mappings(platform.pidOf(as))) {
          if (mapping.start < STUB_BASE || mapping.access[1] !== "w") continue;
          for (const size of [4, 64, 128, mapping.end - mapping.start]) {
            bench.set(id, R_RIP, CODE);
            bench.set(id, R_RAX, value);
            bench.set(id, R_RDI, mapping.start);
            bench.set(id, R_RCX, size);
            const event = tryRun(bench, as, id);
            if (event === EV_DIED) break;
          }
          if (bench.event(id) === EV_DIED) break;
        }
      }
    });

    scenario("a guest that blocks every signal loses its process when it must be interrupted", () => {
      if (name === "ptrace") return; // it has no call that changes its mask
      platform.native.platformTune(2, 20e6);
      const { as, data } = bench.space(JMP_SELF);
      const id = bench.context(as);
      // A ucontext of its own for the rt_sigreturn in the stub's second page: all signals blocked, back to the endless loop.
      const view = new DataView(bench.memory.buffer, data, PAGE);
      view.setUint32(40 + 8 * 16, CODE, true); // rip
      view.setUint32(40 + 8 * 15, DATA + 2048, true); // rsp
      view.setUint32(40 + 8 * 17, 0x202, true);
      view.setUint16(40 + 8 * 18, 0x33, true);
      view.setUint16(40 + 8 * 18 + 6, 0x2b, true);
      view.setUint32(0, 6, true); // uc_flags
      view.setUint32(16 + 8, 2, true); // SS_DISABLE
      for (let i = 0; i < 8; i++) view.setUint8(296 + i, 0xff);
      bench.set(id, R_RIP, STUB_BASE + 0x1000);
      bench.set(id, R_RSP, DATA);
      platform.resume(id);
      assert.equal(settle(id, 10), false);
      platform.interrupt(id);
      assert.ok(settle(id, CERTAINLY_MS));
      assert.equal(bench.event(id), EV_DIED);
      platform.native.platformTune(2, 500e6);
    });

    scenario("a thread that runs on while it says that it stopped does not get into the next program", () => {
      if (name === "ptrace") return; // it cannot say so
      platform.native.platformTune(2, 20e6);
      // syscall; movl $1,(%rdi); jmp self: STATE_STOPPED, in the frame of the call before.
      const { as } = bench.space([...SYSCALL, 0xc7, 0x07, 1, 0, 0, 0, ...JMP_SELF]);
      const id = bench.context(as);
      const pid = platform.pidOf(as);
      assert.equal(bench.run(id), EV_SYSCALL);
      const area = mappings(pid).find((m) => m.start > STUB_BASE + 0x10000000 && m.access.startsWith("rw"));
      assert.ok(area !== undefined);
      bench.set(id, R_RDI, area.start);
      platform.resume(id);
      assert.ok(settle(id, CERTAINLY_MS));
      bench.free(as);
      const next = bench.space(SYSCALL).as;
      assert.notEqual(platform.pidOf(next), pid);
      const end = performance.now() + CERTAINLY_MS;
      while (existsSync(`/proc/${pid}`)) {
        platform.wait(10e6);
        assert.ok(performance.now() < end, "it lives on");
      }
      platform.native.platformTune(2, 500e6);
    });

    scenario("a sibling that scribbles while a thread makes calls", () => {
      // The scribbler stores a changing value over the victim's area for ever.
      const { as, code } = bench.space([...SYSCALL, ...jmpBack(2)]);
      // mov %r8,%rdi; mov %r9,%rcx; lea 0x9e3779b1(%rax),%rax; rep stosb; jmp back
      const scribble = [0x4c, 0x89, 0xc7, 0x4c, 0x89, 0xc9, 0x48, 0x8d, 0x80, 0xb1, 0x79, 0x37, 0x1e, 0xf3, 0xaa];
      bench.memory.set([...scribble, ...jmpBack(scribble.length)], code + 256);
      const victim = bench.context(as);
      bench.set(victim, R_RAX, 39);
      assert.equal(bench.run(victim), EV_SYSCALL);
      const area = mappings(platform.pidOf(as)).find(
        (mapping) => mapping.start >= STUB_BASE + 0x10000000 && mapping.access.startsWith("rw"),
      );
      assert.ok(area !== undefined);
      const attacker = bench.context(as, CODE + 256);
      bench.set(attacker, R_R8, area.start);
      bench.set(attacker, R_R9, 128);
      platform.resume(attacker);
      platform.resume(victim);
      let victimStopped = false;
      const end = performance.now() + 300;
      // A victim under ptrace stops sooner or later, whatever is in its area.
      const isOver = (now: number): boolean =>
        now >= end && (name === "systrap" || victimStopped || now >= end + CERTAINLY_MS);
      while (!isOver(performance.now())) {
        platform.wait(1e6);
        const { stopped, stoppedCount } = platform.result;
        let died = false;
        for (let i = 0; i < stoppedCount; i++) {
          const id = stopped[i]!;
          if (bench.event(id) === EV_DIED) died = true;
          else if (bench.event(id) === EV_SYSCALL || bench.event(id) === EV_INTERRUPT) platform.resume(id);
          else assert.equal(bench.event(id), EV_FAULT);
          victimStopped = true;
        }
        if (died) break;
      }
      assert.ok(victimStopped || name === "systrap");
      try {
        process.kill(platform.pidOf(as), "SIGKILL");
      } catch {
        // It broke the rules and is dead already.
      }
      while (platform.wait(100e6) > 0) continue; // the rest dies
    });

    test("stub processes do not outlive the Sentry", async () => {
      const script = `
        import { StubPlatform } from ${JSON.stringify(join(import.meta.dirname, "stub/platform.ts"))};
        const platform = StubPlatform.start(${JSON.stringify(name)}, -1);
        const as = platform.newAddressSpace();
        as.newContext();
        console.log(platform.pidOf(as));
        platform.wait(-1);
      `;
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const pid = Number(line.toString());
      assert.ok(pid > 1);
      assert.doesNotThrow(() => process.kill(pid, 0));
      child.kill("SIGKILL");
      await once(child, "exit");
      const alive = (): boolean => {
        try {
          return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
        } catch {
          return false;
        }
      };
      for (let i = 0; i < 100 && alive(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(alive(), false);
    });
  });
}
