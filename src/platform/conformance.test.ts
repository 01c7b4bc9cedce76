/** What every platform must do. Guest code is machine code in a memory file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import {
  REGS_WORDS,
  R_CS,
  R_DS,
  R_EFLAGS,
  R_ES,
  R_FS,
  R_FS_BASE,
  R_GS,
  R_GS_BASE,
  R_ORIG_RAX,
  R_R11,
  R_RAX,
  R_RCX,
  R_RDI,
  R_RIP,
  R_RSI,
  R_SS,
} from "../arch/amd64/registers.ts";
import {
  Bench,
  CODE,
  DATA,
  DIV_ZERO,
  INT3,
  JMP_RSI,
  JMP_SELF,
  LOAD_FS0,
  LOAD_GS0,
  LOAD_RAX_RSI,
  LOAD_XMM0_RSI,
  PAGE,
  STORE_RAX_RSI,
  STORE_XMM0_RDI,
  SYSCALL,
  UD2,
  WRFSBASE_RAX,
  jmpBack,
  movRax,
} from "./conformance.testing.ts";
import type { Platform } from "./platform.ts";
import { CPU_BOTH, CPU_TOTAL, CPU_USER, EV_DIED, EV_FAULT, EV_INTERRUPT, EV_SYSCALL } from "./platform.ts";
import { StubPlatform } from "./stub/platform.ts";

const SIGILL = 4;
const SIGTRAP = 5;
const SIGFPE = 8;
const SIGSEGV = 11;
const SEGV_MAPERR = 1;
const SEGV_ACCERR = 2;
const EPOLLIN = 1;

for (const name of ["systrap", "ptrace"] as const) {
  describe(name, () => {
    let platform: Platform;
    let bench: Bench;

    before(() => {
      const started = StubPlatform.start(name, -1);
      if (!(started instanceof StubPlatform)) throw new Error(started.reason);
      platform = started;
    });
    after(() => platform.shutdown());

    function scenario(title: string, body: () => void): void {
      test(title, () => {
        bench = new Bench(platform);
        try {
          body();
        } finally {
          bench.end();
        }
      });
    }

    scenario("a system call stops with its number, registers travel both ways", () => {
      const { as } = bench.space([...SYSCALL, ...SYSCALL]);
      const id = bench.context(as);
      const plain: number[] = [];
      for (let r = 0; r < REGS_WORDS; r += 2) {
        if (![R_RIP, R_CS, R_SS, R_EFLAGS, R_ORIG_RAX, R_FS_BASE, R_GS_BASE, R_DS, R_ES, R_FS, R_GS].includes(r)) {
          plain.push(r);
        }
      }
      for (const r of plain) bench.set(id, r, 0x123456780000 + r);
      bench.set(id, R_EFLAGS, 0x202 | 0x8d5); // OF SF ZF AF PF CF
      assert.equal(bench.run(id), EV_SYSCALL);
      for (const r of plain) {
        if (r !== R_RCX && r !== R_R11) assert.equal(bench.get(id, r), 0x123456780000 + r, `register ${r}`);
      }
      assert.equal(bench.get(id, R_ORIG_RAX), bench.get(id, R_RAX));
      assert.equal(bench.get(id, R_RIP), CODE + 2);
      assert.equal(bench.get(id, R_RCX), CODE + 2);
      assert.equal(bench.get(id, R_EFLAGS) & 0x8d5, 0x8d5);
      for (const r of plain) bench.set(id, r, 0x7654321 * r);
      assert.equal(bench.run(id), EV_SYSCALL);
      for (const r of plain) {
        if (r !== R_RCX && r !== R_R11) assert.equal(bench.get(id, r), 0x7654321 * r, `register ${r}`);
      }
    });

    scenario("a new address space is empty, whatever was in the one before", () => {
      const pids = new Set<number>();
      for (let i = 0; i < 20; i++) {
        const { as, data } = bench.space([...LOAD_XMM0_RSI, ...SYSCALL, ...STORE_XMM0_RDI, ...SYSCALL]);
        pids.add((platform as StubPlatform).pidOf(as));
        const id = bench.context(as);
        bench.memory.fill(7, data, data + PAGE);
        bench.set(id, R_RSI, DATA);
        assert.equal(bench.run(id), EV_SYSCALL);
        bench.free(as);
        // Without any code; then with code only, which finds the FP state as it is at first.
        const bare = bench.bare();
        const lost = bench.context(bare);
        assert.equal(bench.run(lost), EV_FAULT);
        bench.free(bare);
        const next = bench.space([...STORE_XMM0_RDI, ...SYSCALL]);
        const other = bench.context(next.as);
        bench.set(other, R_RDI, DATA);
        assert.equal(bench.run(other), EV_SYSCALL);
        assert.deepEqual(bench.memory.slice(next.data, next.data + 16), new Uint8Array(16));
        bench.free(next.as);
      }
      if (name === "systrap") assert.ok(pids.size < 20, "processes are used again");
    });

    scenario("all 64 bits of a register arrive", () => {
      const { as } = bench.space([...SYSCALL, ...SYSCALL]);
      const id = bench.context(as);
      bench.set(id, R_RDI, -1);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.word(id, R_RDI), 0xffffffff);
      assert.equal(bench.word(id, R_RDI + 1), 0xffffffff);
    });

    scenario("FP state is kept, read, set, copied and reset", () => {
      const { as, data } = bench.space([...LOAD_XMM0_RSI, ...SYSCALL, ...STORE_XMM0_RDI, ...SYSCALL]);
      const a = bench.context(as);
      const pattern = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
      bench.memory.set(pattern, data);
      bench.set(a, R_RSI, DATA);
      bench.set(a, R_RDI, DATA + 64);
      assert.equal(bench.run(a), EV_SYSCALL);
      const image = new Uint8Array(platform.fpStateSize + 8);
      assert.equal(platform.getFpState(a, image, 8), 0);
      assert.deepEqual(image.slice(8 + 160, 8 + 176), pattern);
      assert.equal(new DataView(image.buffer).getUint32(8 + 24, true), 0x1f80);

      const b = bench.context(as, CODE + 6);
      bench.set(b, R_RDI, DATA + 128);
      platform.copyFpState(a, b);
      assert.equal(bench.run(b), EV_SYSCALL);
      assert.deepEqual(bench.memory.slice(data + 128, data + 144), pattern);

      assert.equal(bench.run(a), EV_SYSCALL);
      assert.deepEqual(bench.memory.slice(data + 64, data + 80), pattern);

      image.fill(0x5c, 8 + 160, 8 + 176);
      assert.equal(platform.setFpState(a, image, 8), 0);
      bench.set(a, R_RIP, CODE + 6);
      assert.equal(bench.run(a), EV_SYSCALL);
      assert.ok(bench.memory.slice(data + 64, data + 80).every((byte) => byte === 0x5c));

      platform.resetFpState(a);
      bench.set(a, R_RIP, CODE + 6);
      assert.equal(bench.run(a), EV_SYSCALL);
      assert.ok(bench.memory.slice(data + 64, data + 80).every((byte) => byte === 0));
    });

    scenario("a new context starts with the initial FP state, a re-used one too", () => {
      const { as, data } = bench.space([...LOAD_XMM0_RSI, ...STORE_XMM0_RDI, ...SYSCALL]);
      bench.memory.fill(0xee, data, data + 32);
      const fresh = bench.context(as);
      const image = new Uint8Array(platform.fpStateSize);
      assert.equal(platform.getFpState(fresh, image, 0), 0);
      assert.equal(new DataView(image.buffer).getUint16(0, true), 0x37f);
      assert.ok(image.subarray(160, 416).every((byte) => byte === 0));
      bench.set(fresh, R_RSI, DATA);
      bench.set(fresh, R_RDI, DATA + 64);
      assert.equal(bench.run(fresh), EV_SYSCALL);
      bench.drop(as, fresh);
      const again = bench.context(as, CODE + 4);
      assert.equal(bench.get(again, R_RSI), 0);
      bench.set(again, R_RDI, DATA + 64);
      assert.equal(bench.run(again), EV_SYSCALL);
      assert.ok(bench.memory.slice(data + 64, data + 80).every((byte) => byte === 0));
    });

    scenario("malformed FP state is refused", () => {
      const { as } = bench.space(SYSCALL);
      const id = bench.context(as);
      assert.equal(bench.run(id), EV_SYSCALL);
      const image = new Uint8Array(platform.fpStateSize);
      assert.equal(platform.getFpState(id, image, 0), 0);
      for (const [at, value] of [
        [25 + 2, 0xff], // MXCSR bits that do not exist
        [512 + 7, 0x40], // components that do not exist
        [520 + 7, 0x80], // compacted format
        [540, 1], // reserved
      ] as const) {
        const bad = image.slice();
        bad[at] = value;
        assert.equal(platform.setFpState(id, bad, 0), -22, `byte ${at}`);
      }
      assert.equal(platform.setFpState(id, image, 0), 0);
    });

    scenario("faults: unmapped, protected, not executable", () => {
      const { as } = bench.space([...LOAD_RAX_RSI, ...STORE_RAX_RSI, ...JMP_RSI]);
      const id = bench.context(as);
      const at = (offset: number, address: number): ReturnType<Bench["fault"]> => {
        bench.set(id, R_RIP, CODE + offset);
        bench.set(id, R_RSI, address);
        assert.equal(bench.run(id), EV_FAULT);
        assert.equal(bench.get(id, R_ORIG_RAX), 2 ** 64);
        return bench.fault(id);
      };
      assert.deepEqual(at(0, 0x600008), { signo: SIGSEGV, code: SEGV_MAPERR, addr: 0x600008, err: 4, trapno: 14 });
      assert.equal(bench.get(id, R_RIP), CODE);
      assert.deepEqual(at(3, CODE + 8), { signo: SIGSEGV, code: SEGV_ACCERR, addr: CODE + 8, err: 7, trapno: 14 });
      assert.equal(bench.get(id, R_RIP), CODE + 3);
      const noExec = at(6, DATA);
      assert.equal(noExec.signo, SIGSEGV);
      assert.equal(noExec.code, SEGV_ACCERR);
      assert.equal(noExec.addr, DATA);
      assert.equal(noExec.err & 16, 16);
      const unmappedWrite = at(3, 0x600010);
      assert.equal(unmappedWrite.code, SEGV_MAPERR);
      assert.equal(unmappedWrite.addr, 0x600010);
      const nullJump = at(6, 0x20);
      assert.equal(nullJump.addr, 0x20);
      assert.equal(nullJump.err & 16, 16);
      assert.equal(bench.get(id, R_RIP), 0x20);
      // Not canonical: a general protection fault without an address.
      bench.set(id, R_RIP, CODE);
      bench.platform.regs[id * 64 + R_RSI] = 0;
      bench.platform.regs[id * 64 + R_RSI + 1] = 0x80000000;
      assert.equal(bench.run(id), EV_FAULT);
      assert.deepEqual({ ...bench.fault(id), err: 0 }, { signo: SIGSEGV, code: 0x80, addr: 0, err: 0, trapno: 13 });
    });

    scenario("processor exceptions: int3, ud2, division by zero, single step, int $0x80", () => {
      const { as } = bench.space([...INT3, ...UD2, ...DIV_ZERO, 0x90, 0x90, 0xcd, 0x80]);
      const id = bench.context(as);
      assert.equal(bench.run(id), EV_FAULT);
      assert.equal(bench.fault(id).signo, SIGTRAP);
      assert.equal(bench.fault(id).code, 0x80);
      assert.equal(bench.get(id, R_RIP), CODE + 1);
      assert.equal(bench.run(id), EV_FAULT);
      assert.equal(bench.fault(id).signo, SIGILL);
      assert.equal(bench.fault(id).trapno, 6);
      assert.equal(bench.fault(id).addr, CODE + 1);
      bench.set(id, R_RIP, CODE + 3);
      assert.equal(bench.run(id), EV_FAULT);
      assert.equal(bench.fault(id).signo, SIGFPE);
      assert.equal(bench.fault(id).code, 1);
      assert.equal(bench.fault(id).addr, CODE + 5);
      bench.set(id, R_RIP, CODE + 7);
      bench.set(id, R_EFLAGS, 0x302);
      assert.equal(bench.run(id), EV_FAULT);
      assert.equal(bench.fault(id).signo, SIGTRAP);
      assert.equal(bench.fault(id).code, 2);
      assert.equal(bench.get(id, R_RIP), CODE + 8);
      bench.set(id, R_EFLAGS, 0x202);
      assert.equal(bench.run(id), EV_FAULT);
      assert.equal(bench.fault(id).signo, SIGSEGV);
      assert.equal(bench.get(id, R_RIP), CODE + 9);
    });

    scenario("an endless loop can be interrupted and goes on", () => {
      const { as } = bench.space(JMP_SELF);
      const id = bench.context(as);
      bench.set(id, R_RAX, 77);
      for (let i = 0; i < 20; i++) {
        platform.resume(id);
        if (i % 2 === 0) assert.equal(platform.wait(1_000_000), 0);
        platform.interrupt(id);
        assert.equal(bench.waitFor(id), EV_INTERRUPT);
        assert.equal(bench.get(id, R_RIP), CODE);
        assert.equal(bench.get(id, R_RAX), 77);
      }
      platform.interrupt(id); // stopped: no effect
      assert.equal(platform.wait(1_000_000), 0);
    });

    scenario("fs and gs bases", () => {
      const { as, data } = bench.space([...LOAD_FS0, ...SYSCALL, ...LOAD_GS0, ...SYSCALL, ...WRFSBASE_RAX, ...SYSCALL]);
      bench.memory.set([0x11, 0x22], data + 0x100);
      bench.memory.set([0x33, 0x44], data + 0x200);
      const id = bench.context(as);
      bench.set(id, R_FS_BASE, DATA + 0x100);
      bench.set(id, R_GS_BASE, DATA + 0x200);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 0x2211);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 0x4433);
      bench.set(id, R_RAX, 0x7f1234567000);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_FS_BASE), 0x7f1234567000);
      assert.equal(bench.get(id, R_GS_BASE), DATA + 0x200);
    });

    scenario("mapping, protection, moving, unmapping", () => {
      const { as, data } = bench.space([...LOAD_RAX_RSI, ...SYSCALL, ...STORE_RAX_RSI, ...SYSCALL]);
      const id = bench.context(as);
      const load = (address: number): number => {
        bench.set(id, R_RIP, CODE);
        bench.set(id, R_RSI, address);
        return bench.run(id);
      };
      const store = (address: number): number => {
        bench.set(id, R_RIP, CODE + 5);
        bench.set(id, R_RSI, address);
        return bench.run(id);
      };
      const two = bench.alloc(2);
      bench.memory[two] = 1;
      bench.memory[two + PAGE] = 2;
      as.mapFile(0x700000, 2 * PAGE, bench.backing, two, 3, true, true);
      assert.equal(as.dirty, true);
      assert.equal(load(0x700000), EV_SYSCALL); // resume flushes
      assert.equal(as.dirty, false);
      assert.equal(bench.get(id, R_RAX), 1);
      assert.equal(load(0x701000), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 2);
      bench.set(id, R_RAX, 99);
      assert.equal(store(0x700000), EV_SYSCALL);
      assert.equal(bench.memory[two], 99);
      as.protect(0x700000, PAGE, 1);
      assert.equal(as.flush(), 0);
      assert.equal(store(0x700000), EV_FAULT);
      assert.equal(bench.fault(id).code, SEGV_ACCERR);
      assert.equal(load(0x700000), EV_SYSCALL);
      as.move(0x701000, PAGE, 0x710000);
      as.unmap(0x700000, PAGE);
      assert.equal(as.flush(), 0);
      assert.equal(load(0x700000), EV_FAULT);
      assert.equal(bench.fault(id).code, SEGV_MAPERR);
      assert.equal(load(0x701000), EV_FAULT);
      assert.equal(load(0x710000), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 2);
      as.mapFile(0x710000, PAGE, bench.backing, data, 1, false, false); // replaces
      bench.memory[data] = 42;
      assert.equal(load(0x710000), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 42);
    });

    scenario("large pages are asked for, also where the memory is moved", () => {
      const { as } = bench.space(SYSCALL);
      const id = bench.context(as);
      as.mapFile(0x700000, 2 * PAGE, bench.backing, bench.alloc(2), 3, true, false);
      as.adviseHuge!(0x700000, 2 * PAGE);
      as.move(0x700000, 2 * PAGE, 0x710000);
      assert.equal(bench.run(id), EV_SYSCALL);
      const smaps = readFileSync(`/proc/${(platform as StubPlatform).pidOf(as)}/smaps`, "latin1");
      assert.match(smaps, /^0*710000-[^]*?^VmFlags:.* hg/m);
    });

    scenario("a failing operation is reported and the others are done", () => {
      const { as } = bench.space([...LOAD_RAX_RSI, ...SYSCALL]);
      as.protect(0x900000, PAGE, 1); // nothing there
      as.unmap(DATA, PAGE);
      assert.equal(as.flush(), -12);
      const id = bench.context(as);
      bench.set(id, R_RSI, DATA);
      assert.equal(bench.run(id), EV_FAULT);
      as.unmap(0, PAGE);
      assert.equal(as.flush(), -22);
      as.unmap(platform.maxAddress, PAGE);
      assert.equal(as.flush(), -22);
      as.mapFile(CODE, PAGE, { fd: -1, platformFd: 2 }, 0, 3, true, false); // the control memory's number
      assert.equal(as.flush(), -22);
    });

    scenario("more operations than one batch holds", () => {
      const as = bench.bare();
      const page = bench.alloc();
      for (let i = 0; i < 5000; i++) as.mapFile(0x10000000 + i * 2 * PAGE, PAGE, bench.backing, page, 1, true, false);
      assert.equal(as.flush(), 0);
      for (let i = 0; i < 5000; i++) as.unmap(0x10000000 + i * 2 * PAGE, PAGE);
      assert.equal(as.flush(), 0);
    });

    scenario("the highest address can be mapped", () => {
      const { as } = bench.space([...LOAD_RAX_RSI, ...SYSCALL]);
      const page = bench.alloc();
      bench.memory[page] = 5;
      as.mapFile(platform.maxAddress - PAGE, PAGE, bench.backing, page, 1, true, false);
      as.mapFile(platform.minAddress, PAGE, bench.backing, page, 1, true, false);
      const id = bench.context(as);
      bench.set(id, R_RSI, platform.maxAddress - PAGE);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RAX), 5);
    });

    scenario("address spaces are separate", () => {
      const code = [...LOAD_RAX_RSI, ...SYSCALL];
      const one = bench.space(code);
      const two = bench.space(code);
      bench.memory[one.data] = 1;
      bench.memory[two.data] = 2;
      const a = bench.context(one.as);
      const b = bench.context(two.as);
      bench.set(a, R_RSI, DATA);
      bench.set(b, R_RSI, DATA);
      assert.equal(bench.run(a), EV_SYSCALL);
      assert.equal(bench.run(b), EV_SYSCALL);
      assert.equal(bench.get(a, R_RAX), 1);
      assert.equal(bench.get(b, R_RAX), 2);
    });

    scenario("32 threads make calls in parallel", () => {
      const { as } = bench.space([...SYSCALL, ...jmpBack(2)]);
      const left = new Map<number, number>();
      for (let i = 0; i < 32; i++) {
        const id = bench.context(as);
        left.set(id, 50);
        bench.set(id, R_RDI, i);
        platform.resume(id);
      }
      while (left.size > 0) {
        assert.ok(platform.wait(5e9) > 0);
        const { stopped, stoppedCount } = platform.result;
        for (let i = 0; i < stoppedCount; i++) {
          const id = stopped[i]!;
          assert.equal(bench.event(id), EV_SYSCALL);
          const n = left.get(id)! - 1;
          assert.ok(n >= 0);
          bench.set(id, R_RAX, n);
          left.set(id, n);
          if (n === 0) left.delete(id);
          else platform.resume(id);
        }
      }
    });

    scenario("a killed stub process gives EV_DIED, and others live on", () => {
      const { as } = bench.space(JMP_SELF);
      const other = bench.space(SYSCALL);
      const id = bench.context(as);
      const parked = bench.context(as);
      platform.resume(id);
      assert.equal(platform.wait(2_000_000), 0);
      process.kill((platform as StubPlatform).pidOf(as), "SIGKILL");
      assert.equal(bench.waitFor(id), EV_DIED);
      assert.equal(bench.run(parked), EV_DIED);
      as.unmap(DATA, PAGE);
      assert.equal(as.flush(), -3);
      assert.ok(as.newContext() < 0);
      const survivor = bench.context(other.as);
      assert.equal(bench.run(survivor), EV_SYSCALL);
    });

    scenario("contexts are re-used", () => {
      const { as } = bench.space([...SYSCALL, ...SYSCALL]);
      const ids = new Set<number>();
      for (let i = 0; i < 50; i++) {
        const id = bench.context(as);
        assert.equal(bench.get(id, R_RDI), 0);
        bench.set(id, R_RDI, i + 1);
        assert.equal(bench.run(id), EV_SYSCALL);
        bench.drop(as, id);
        ids.add(id);
      }
      assert.ok(ids.size <= 2);
    });

    scenario("an address space can be released while its threads run", () => {
      for (let i = 0; i < 5; i++) {
        const as = bench.bare();
        const page = bench.alloc();
        bench.memory.set([0x48, 0xff, 0x06, ...jmpBack(3)], page); // incq (%rsi)
        const data = bench.alloc();
        as.mapFile(CODE, PAGE, bench.backing, page, 5, true, false);
        as.mapFile(DATA, PAGE, bench.backing, data, 3, true, false);
        const ids = [as.newContext(), as.newContext(), as.newContext()];
        for (const id of ids) {
          bench.set(id, R_RIP, CODE);
          bench.set(id, R_RSI, DATA);
          if (id !== ids[2]) platform.resume(id);
        }
        const isCounting = (): boolean => bench.memory.subarray(data, data + 8).some((byte) => byte !== 0);
        bench.until(() => platform.wait(2e6) !== 0 || isCounting());
        assert.ok(isCounting());
        bench.abandon(as);
        const count = bench.memory.slice(data, data + 8);
        assert.equal(platform.wait(2e6), 0);
        assert.deepEqual(bench.memory.slice(data, data + 8), count);
      }
    });

    scenario("an address space begins without CPU time, whatever its process did before", () => {
      for (let i = 0; i < 3; i++) {
        const { as } = bench.space(JMP_SELF);
        const id = bench.context(as);
        assert.ok(platform.cpuTime!(as, CPU_TOTAL) < 10e6, `${platform.cpuTime!(as, CPU_TOTAL)} ns at first`);
        platform.resume(id);
        bench.until(() => platform.wait(2e6) !== 0 || platform.cpuTime!(as, CPU_TOTAL) > 30e6);
        assert.ok(platform.cpuTime!(as, CPU_BOTH) >= 0 && platform.cpuTime!(as, CPU_USER) >= 0);
        platform.interrupt(id);
        assert.equal(bench.waitFor(id), EV_INTERRUPT);
        bench.free(as);
      }
    });

    scenario("address spaces come and go", () => {
      const page = bench.alloc();
      bench.memory.set([...movRax(39), ...SYSCALL], page);
      for (let i = 0; i < 200; i++) {
        const as = bench.bare();
        as.mapFile(CODE, PAGE, bench.backing, page, 5, true, false);
        const id = bench.context(as);
        assert.equal(bench.run(id), EV_SYSCALL);
        assert.equal(bench.get(id, R_RAX), 39);
        bench.free(as);
      }
    });

    scenario("wait: deadlines", () => {
      const { as } = bench.space(JMP_SELF);
      for (const runs of [false, true]) {
        const id = runs ? bench.context(as) : -1;
        if (runs) platform.resume(id);
        for (const ms of [0, 1, 30]) {
          // Never early; late only while others have the CPU.
          bench.until(() => {
            const start = performance.now();
            assert.equal(platform.wait(ms * 1e6), 0);
            const took = performance.now() - start;
            assert.ok(took >= ms * 0.95, `${took} ms for ${ms}`);
            return took < ms + 10;
          });
        }
        if (runs) {
          platform.interrupt(id);
          assert.equal(bench.waitFor(id), EV_INTERRUPT);
        }
      }
    });

    scenario("wait: host fds", () => {
      const pair = bench.host.pipe2(0o2000000);
      assert.ok(typeof pair !== "number");
      const [reader, writer] = pair;
      assert.equal(platform.watch(reader, EPOLLIN, 4321), 0);
      assert.equal(platform.wait(1e6), 0);
      bench.host.write(writer, new Uint8Array([1]), 0, 1);
      assert.equal(platform.wait(1e9), 1);
      assert.equal(platform.result.readyCount, 1);
      assert.equal(platform.result.ready[0], 4321);
      assert.equal(platform.result.ready[1]! & EPOLLIN, EPOLLIN);
      assert.equal(platform.wait(1e9), 1); // level-triggered
      assert.equal(platform.rewatch(reader, 0, 4321), 0);
      assert.equal(platform.wait(1e6), 0);
      assert.equal(platform.rewatch(reader, EPOLLIN, 7), 0);
      assert.equal(platform.wait(0), 1);
      assert.equal(platform.result.ready[0], 7);
      // A busy guest does not starve host fds.
      const { as } = bench.space([...SYSCALL, ...jmpBack(2)]);
      const id = bench.context(as);
      platform.resume(id);
      let seen = false;
      for (let i = 0; i < 20000 && !seen; i++) {
        platform.wait(1e9);
        if (platform.result.readyCount > 0) seen = true;
        for (let k = 0; k < platform.result.stoppedCount; k++) platform.resume(id);
      }
      assert.ok(seen);
      assert.equal(platform.unwatch(reader), 0);
      platform.interrupt(id);
      bench.waitFor(id);
      bench.host.close(reader);
      bench.host.close(writer);
    });

    scenario("a guest that computes on all CPUs is left alone", () => {
      const { as } = bench.space(JMP_SELF);
      const ids = Array.from({ length: bench.host.cpuCount() }, () => bench.context(as));
      for (const id of ids) platform.resume(id);
      assert.equal(platform.wait(50e6), 0);
      const before = process.cpuUsage();
      for (let i = 0; i < 20; i++) assert.equal(platform.wait(10e6), 0);
      const used = process.cpuUsage(before);
      assert.ok(used.user + used.system < 20_000, `${used.user + used.system} us of CPU in 200 ms`);
      for (const id of ids) {
        platform.interrupt(id);
        assert.equal(bench.waitFor(id), EV_INTERRUPT);
      }
    });

    scenario("an idle sandbox uses no CPU", () => {
      const { as } = bench.space([...SYSCALL, ...SYSCALL]);
      const ids = [bench.context(as), bench.context(as)];
      for (const id of ids) assert.equal(bench.run(id), EV_SYSCALL);
      platform.wait(5e6);
      const pid = (platform as StubPlatform).pidOf(as);
      const ticks = (): number => {
        const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(" ");
        return Number(fields[13]) + Number(fields[14]);
      };
      const before = process.cpuUsage();
      const stubBefore = ticks();
      platform.wait(300e6);
      const used = process.cpuUsage(before);
      assert.ok(used.user + used.system < 20_000, `${used.user + used.system} us of CPU in 300 ms`);
      assert.ok(ticks() - stubBefore <= 1);
    });
  });
}
