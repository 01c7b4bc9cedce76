/** Patched call sites: which are patched and how, and that guests cannot tell. */
import assert from "node:assert/strict";
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
  R_R10,
  R_R11,
  R_R12,
  R_R13,
  R_R14,
  R_R15,
  R_RAX,
  R_RBP,
  R_RBX,
  R_RCX,
  R_RDI,
  R_RDX,
  R_RIP,
  R_RSI,
  R_RSP,
  R_SS,
  regI64,
  regU64,
  setReg,
} from "../../arch/amd64/registers.ts";
import {
  CERTAINLY_MS,
  Bench,
  CODE,
  DATA,
  JMP_SELF,
  LOAD_GS0,
  LOAD_XMM0_RSI,
  PAGE,
  STORE_XMM0_RDI,
  SYSCALL,
  jmpBack,
} from "../conformance.testing.ts";
import type { AddressSpace, CodePatcher } from "../platform.ts";
import { CTX_PARTIAL, CTX_TRAPPED, CTX_WORDS, EV_DIED, EV_FAULT, EV_INTERRUPT, EV_SYSCALL } from "../platform.ts";
import { SystrapPatcher, movableLength } from "./patch.ts";
import { StubPlatform } from "./platform.ts";

const SLOTS = 0x480000;
const SIGILL = 4;
const STUB_HANDLER = 0x7ff000001000;
const MOV_39 = [0xb8, 39, 0, 0, 0]; // mov $39,%eax
const CMP = [0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff]; // cmp $-4096,%rax
const NOP8 = [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
const DEC_RAX = [0x48, 0xff, 0xc8];

/** What may be patched before a call must have something before it. */
function behindNop(shape: Shape): Shape {
  return { title: shape.title, code: [0x90, ...shape.code], at: shape.at + 1 };
}

/** Code, where its syscall is, where it goes on. */
interface Shape {
  readonly title: string;
  readonly code: readonly number[];
  readonly at: number;
}

const shapes: readonly Shape[] = [
  { title: "mov $nr,%eax; syscall", code: [...MOV_39, ...SYSCALL, 0xc3, 0xe8], at: 5 },
  { title: "mov $nr,%rax; syscall", code: [0x48, 0xc7, 0xc0, 39, 0, 0, 0, ...SYSCALL, 0xc3, 0xe8], at: 7 },
  {
    title: "mov $nr,%eax; mov; xor; syscall",
    code: [...MOV_39, 0x49, 0x89, 0xca, 0x31, 0xd2, ...SYSCALL, 0xc3, 0xe8],
    at: 10,
  },
  { title: "syscall; cmp", code: [...SYSCALL, ...CMP, 0xc3], at: 0 },
  { title: "xor %eax,%eax; syscall; cmp", code: [0x31, 0xc0, ...SYSCALL, ...CMP, 0xc3], at: 2 },
  { title: "syscall; mov %rax,%rdi", code: [...SYSCALL, 0x48, 0x89, 0xc7, 0xc3], at: 0 },
  { title: "syscall; ret, padding", code: [...SYSCALL, 0xc3, ...NOP8], at: 0 },
  { title: "mov 8(%rsp),%r9; syscall", code: [0x4c, 0x8b, 0x4c, 0x24, 8, ...SYSCALL, 0xc3, 0xe8], at: 5 },
  { title: "mov %rdi,%rdi; mov $nr,%eax; syscall", code: [0x48, 0x89, 0xff, ...MOV_39, ...SYSCALL, 0xc3, 0xe8], at: 8 },
];

test("lengths of instructions that can be moved", () => {
  const length = (...bytes: number[]): number => movableLength(Uint8Array.from(bytes), 0);
  for (const code of [
    [0x90],
    [0x57],
    [0x41, 0x57],
    [0x89, 0xc2],
    [0x48, 0x89, 0xc7],
    [0x48, 0x8b, 0x44, 0x24, 8],
    [0x48, 0x8b, 0x84, 0x24, 1, 2, 3, 4],
    [0x8b, 0x04, 0x25, 1, 2, 3, 4], // absolute
    [0x48, 0x8b, 0x43, 1],
    [0x83, 0xf8, 0xda],
    [0x3d, 0, 0xf0, 0xff, 0xff],
    [0x48, 0x3d, 0, 0xf0, 0xff, 0xff],
    [0xb8, 1, 0, 0, 0],
    [0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8],
    [0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    [0x48, 0x0f, 0x44, 0xc2],
    [0x0f, 0xb6, 0xc0],
    [0x81, 0x7c, 0x24, 8, 1, 2, 3, 4],
    [0xc7, 0x44, 0x24, 8, 1, 2, 3, 4],
    [0xf7, 0xd8],
  ]) {
    assert.equal(length(...code, 0xcc, 0xcc), code.length, code.map((b) => b.toString(16)).join(" "));
    if (code.length > 1) assert.equal(length(...code.slice(0, -1)), 0, "cut off");
  }
  for (const code of [
    [0x48, 0x8b, 0x05, 1, 2, 3, 4], // relative to rip
    [0xeb, 0],
    [0x74, 0],
    [0xe8, 0, 0, 0, 0],
    [0xc3],
    [0xff, 0xe0],
    [0x66, 0x90],
    [0xf3, 0xaa],
    [0x0f, 0x05],
    [0x0f, 0x84, 0, 0, 0, 0],
    [0x62, 0xf1, 0x7c, 0x48],
    [0xc5, 0xf8, 0x77],
    [0x06],
  ]) {
    assert.equal(length(...code, 0, 0, 0, 0, 0, 0), 0, code.map((b) => b.toString(16)).join(" "));
  }
});

describe("systrap", () => {
  let platform: StubPlatform;
  let patcher: CodePatcher;
  let bench: Bench;

  before(() => {
    const started = StubPlatform.start("systrap", -1);
    if (!(started instanceof StubPlatform)) throw new Error(started.reason);
    platform = started;
    platform.enablePatching();
    assert.ok(platform.patcher !== null);
    patcher = platform.patcher;
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

  /** An address space with a shape's code, patched; the code calls with rsp = DATA + 2048 and then jumps to a trap. */
  function patched(given: Shape): { as: AddressSpace; slot: number; data: number } {
    const shape = behindNop(given);
    const end = shape.code.length;
    const { as, code, data } = bench.space([...shape.code, ...NOP8, ...SYSCALL]);
    // What follows a ret: where the stack says.
    new DataView(bench.memory.buffer, data, PAGE).setUint32(2048, CODE + end + 8, true);
    const slots = bench.alloc(16);
    as.mapFile(SLOTS, 16 * PAGE, bench.backing, slots, 5, true, false);
    assert.equal(as.flush(), 0);
    const window = bench.memory.subarray(code, code + PAGE);
    const plan = patcher.plan(window, shape.at, 39);
    assert.ok(plan !== null, shape.title);
    const callAddr = CODE + shape.at;
    let slot = SLOTS;
    while (!patcher.suits(plan, callAddr, slot)) slot += patcher.slotSize;
    assert.ok(slot < SLOTS + 16 * PAGE);
    patcher.writeSlot(plan, window, shape.at, callAddr, slot, bench.memory, slots + (slot - SLOTS));
    patcher.writeJump(plan, window, shape.at, callAddr, slot);
    return { as, slot, data };
  }

  function start(as: AddressSpace, rip: number = CODE): number {
    const id = bench.context(as, rip);
    bench.set(id, R_RSP, DATA + 2048);
    bench.set(id, R_RAX, 39);
    return id;
  }

  for (const shape of shapes) {
    scenario(`${shape.title}: registers travel both ways, no trap`, () => {
      const { as } = patched(shape);
      const id = start(as);
      const plain: number[] = [];
      for (let r = 0; r < REGS_WORDS; r += 2) {
        const other = [R_RIP, R_CS, R_SS, R_EFLAGS, R_ORIG_RAX, R_FS_BASE, R_GS_BASE, R_DS, R_ES, R_FS, R_GS];
        if (![...other, R_RAX, R_RSP, R_RCX, R_R11].includes(r)) plain.push(r);
      }
      for (const r of plain) bench.set(id, r, 0x123456780000 + r);
      bench.set(id, R_FS_BASE, 0x7000);
      bench.set(id, R_EFLAGS, 0x202 | 0x8d5);
      assert.equal(bench.run(id), EV_SYSCALL);
      const after = CODE + shape.at + 3;
      assert.equal(bench.word(id, CTX_TRAPPED), 0);
      assert.equal(bench.get(id, R_RIP), after);
      assert.equal(bench.get(id, R_RCX), after);
      assert.equal(bench.get(id, R_R11), bench.get(id, R_EFLAGS));
      assert.equal(bench.get(id, R_ORIG_RAX), bench.get(id, R_RAX));
      assert.equal(bench.get(id, R_FS_BASE), 0x7000);
      assert.equal(bench.get(id, R_GS_BASE), 0);
      assert.equal(bench.get(id, R_RSP), DATA + 2048);
      const moved = [0x49, 0x89, 0xca].every((b, i) => shape.code[5 + i] === b);
      if (!moved) {
        if (shape.code[0] !== 0x31) assert.equal(bench.get(id, R_EFLAGS) & 0x8d5, 0x8d5);
        for (const r of plain) {
          if (r !== 16 || shape.code[0] !== 0x4c) assert.equal(bench.get(id, r), 0x123456780000 + r, `register ${r}`);
        }
      }
      for (const r of plain) bench.set(id, r, 0x7654321 * (r + 1));
      bench.set(id, R_RAX, 7);
      bench.set(id, R_FS_BASE, 0x8000);
      // Behind the call: all as given, up to the trap at the end.
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.word(id, CTX_TRAPPED), 1);
      assert.equal(bench.get(id, R_RIP), CODE + shape.code.length + 11);
      assert.equal(bench.get(id, R_RAX), 7);
      assert.equal(bench.get(id, R_FS_BASE), 0x8000);
      const setsRdi = shape.code[4] === 0xc7;
      for (const r of plain) {
        if (r !== R_RDI || !setsRdi) assert.equal(bench.get(id, r), 0x7654321 * (r + 1), `register ${r}`);
      }
    });

    scenario(`${shape.title}: goes elsewhere when told to, with all registers`, () => {
      const { as } = patched(shape);
      const id = start(as);
      assert.equal(bench.run(id), EV_SYSCALL);
      bench.set(id, R_RIP, CODE + shape.code.length + 9);
      bench.set(id, R_RSP, DATA + 512);
      bench.set(id, R_RCX, 0x1111);
      bench.set(id, R_R11, 0x2222);
      bench.set(id, R_RSI, 0x3333);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RIP), CODE + shape.code.length + 11);
      assert.equal(bench.get(id, R_RSP), DATA + 512);
      assert.equal(bench.get(id, R_RSI), 0x3333);
    });
  }

  scenario("registers that nobody asks for stay with the thread; number, arguments and result travel", () => {
    for (const shape of shapes) {
      const { as } = patched(shape);
      const id = start(as);
      const kept = [R_R15, R_R14, R_R13, R_R12, R_RBP, R_RBX];
      for (const r of kept) bench.set(id, r, 0x123456780000 + r);
      bench.set(id, R_RSI, 0x7fff12345678);
      bench.set(id, R_EFLAGS, 0x202 | 0x8d5);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.notEqual(bench.word(id, CTX_PARTIAL), 0);
      const { regs } = platform;
      const base = id * CTX_WORDS;
      assert.equal(regs[base + R_ORIG_RAX], shape.code[0] === 0x31 ? 0 : 39);
      assert.equal(regU64(regs, base + R_RSI), 0x7fff12345678);
      setReg(regs, base + R_RAX, -38);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.word(id, CTX_TRAPPED), 1);
      assert.equal(bench.word(id, CTX_PARTIAL), 0);
      assert.equal(bench.get(id, R_RIP), CODE + shape.code.length + 11);
      assert.equal(regI64(regs, base + R_RAX), -38);
      assert.equal(bench.get(id, R_RSI), 0x7fff12345678);
      for (const r of kept) assert.equal(bench.get(id, r), 0x123456780000 + r, `register ${r}`);
    }
  });

  scenario("every instruction boundary works, or is an invalid opcode", () => {
    for (const shape of shapes) {
      const { as } = patched(shape);
      const id = start(as, CODE + shape.at + 3);
      const event = bench.run(id);
      if (event === EV_FAULT) {
        assert.equal(bench.fault(id).signo, SIGILL);
        assert.equal(bench.get(id, R_RIP), CODE + shape.at + 3);
      } else assert.equal(bench.get(id, R_RIP), CODE + shape.code.length + 11);
      // The syscall itself.
      bench.set(id, R_RIP, CODE + shape.at + 1);
      bench.set(id, R_RAX, 39);
      bench.set(id, R_RSP, DATA + 2048);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RIP), CODE + shape.at + 3);
      assert.equal(bench.get(id, R_RAX), 39);
    }
  });

  scenario("what is not patched", () => {
    const plan = (code: readonly number[], at: number, nr: number = 39): unknown =>
      patcher.plan(Uint8Array.from([0x90, ...code]), at + 1, nr);
    assert.equal(plan([...SYSCALL, 0xc3, 0xe9, 0, 0], 0), null); // ret, then code
    assert.equal(plan([...SYSCALL, 0x74, 5, 0, 0], 0), null); // je
    assert.equal(plan([...SYSCALL, 0x48, 0x8b, 0x05, 0, 0, 0, 0], 0), null); // relative to rip
    assert.equal(plan([0x41, ...MOV_39, ...SYSCALL, 0xc3, 0xe8], 6), null); // mov $39,%r8d
    assert.equal(plan([...MOV_39, ...SYSCALL, 0xc3, 0xe8], 5, 40), null); // another number
    assert.equal(plan([0x8d, ...MOV_39, ...SYSCALL, 0xc3, 0xe8], 6), null); // lea 39(%rax),%edi
    assert.equal(new SystrapPatcher(0).plan(Uint8Array.from([...SYSCALL, ...CMP]), 0, 15), null); // rt_sigreturn
    assert.notEqual(new SystrapPatcher(0, true).plan(Uint8Array.from([...SYSCALL, ...CMP]), 0, 15), null);
    assert.equal(plan([...SYSCALL, 0x48, 0x3d], 0), null); // cut off
    assert.equal(plan(SYSCALL, 0), null);
  });

  scenario("FP state is read, set, copied and reset in a patched call", () => {
    const { as, code, data } = bench.space([]);
    const text = [...LOAD_XMM0_RSI, ...MOV_39, ...SYSCALL, ...CMP, ...STORE_XMM0_RDI, ...SYSCALL, ...jmpBack(23)];
    bench.memory.set(text, code);
    const slots = bench.alloc(16);
    as.mapFile(SLOTS, 16 * PAGE, bench.backing, slots, 5, true, false);
    const window = bench.memory.subarray(code, code + PAGE);
    const plan = patcher.plan(window, 9, 39)!;
    let slot = SLOTS;
    while (!patcher.suits(plan, CODE + 9, slot)) slot += patcher.slotSize;
    patcher.writeSlot(plan, window, 9, CODE + 9, slot, bench.memory, slots + (slot - SLOTS));
    patcher.writeJump(plan, window, 9, CODE + 9, slot);
    assert.equal(as.flush(), 0);
    const a = start(as);
    const image = new Uint8Array(platform.fpStateSize);
    const pattern = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
    bench.memory.set(pattern, data);
    const stored = (): Uint8Array => bench.memory.slice(data + 64, data + 80);
    for (const asleep of [false, true]) {
      bench.set(a, R_RIP, CODE);
      bench.set(a, R_RSI, DATA);
      bench.set(a, R_RDI, DATA + 64);
      const run = (): void => {
        assert.equal(bench.run(a), EV_SYSCALL);
        if (asleep) platform.wait(3_000_000);
      };
      run();
      assert.equal(bench.word(a, CTX_TRAPPED), 0);
      assert.equal(platform.getFpState(a, image, 0), 0);
      assert.deepEqual(image.slice(160, 176), pattern);
      assert.equal(new DataView(image.buffer).getUint32(24, true), 0x1f80);
      run();
      assert.deepEqual(stored(), pattern, "kept");

      bench.set(a, R_RIP, CODE);
      run();
      image.fill(0x5c, 160, 176);
      assert.equal(platform.setFpState(a, image, 0), 0);
      run();
      assert.ok(stored().every((b) => b === 0x5c));

      bench.set(a, R_RIP, CODE);
      run();
      platform.resetFpState(a);
      run();
      assert.ok(stored().every((b) => b === 0));

      bench.set(a, R_RIP, CODE);
      run();
      const b = start(as, CODE + 17);
      platform.copyFpState(a, b);
      bench.set(b, R_RDI, DATA + 128);
      assert.equal(bench.run(b), EV_SYSCALL);
      assert.deepEqual(bench.memory.slice(data + 128, data + 144), pattern);
      bench.drop(as, b);
      run();
    }
  });

  scenario("a guest that uses gs itself traps", () => {
    for (const shape of shapes) {
      const { as, slot } = patched(shape);
      const id = start(as);
      bench.set(id, R_GS_BASE, DATA);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.word(id, CTX_TRAPPED), 1);
      assert.equal(bench.get(id, R_GS_BASE), DATA);
      assert.ok(bench.get(id, R_RIP) > slot && bench.get(id, R_RIP) < slot + patcher.slotSize);
      bench.set(id, R_GS_BASE, 0);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_RIP), CODE + shape.code.length + 11);
      // gs given to it while it is in a patched call.
      bench.set(id, R_RIP, CODE);
      bench.set(id, R_RAX, 39);
      bench.set(id, R_RSP, DATA + 2048);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.word(id, CTX_TRAPPED), 0);
      bench.set(id, R_GS_BASE, DATA);
      bench.set(id, R_RIP, CODE + shape.code.length + 9);
      assert.equal(bench.run(id), EV_SYSCALL);
      assert.equal(bench.get(id, R_GS_BASE), DATA);
    }
    const { as, data } = bench.space([...LOAD_GS0, ...SYSCALL]);
    bench.memory[data] = 77;
    const id = bench.context(as);
    bench.set(id, R_GS_BASE, DATA);
    assert.equal(bench.run(id), EV_SYSCALL);
    assert.equal(bench.get(id, R_RAX), 77);
  });

  scenario("interrupts at any moment of a patched call", () => {
    // mov $39,%eax; syscall; dec %rdx; jnz back; syscall that traps
    const text = [...MOV_39, ...SYSCALL, 0x48, 0xff, 0xca, 0x75, 0xf4, ...SYSCALL];
    const { as } = patched({ title: "loop", code: text, at: 5 });
    const id = start(as);
    platform.setFacts(id, 39, 39, 39, 39, 39, 39, 39, 0, 0); // answered in the stub: all its time is spent there
    bench.set(id, R_RDX, 2 ** 40);
    let interrupts = 0;
    const codes = new Set<number>();
    for (let round = 0; round < 3000; round++) {
      platform.resume(id);
      if (round % 3 === 0) platform.wait(1000 * (round % 7));
      platform.interrupt(id);
      const event = bench.waitFor(id);
      const rip = bench.get(id, R_RIP);
      codes.add(rip);
      assert.equal(event, EV_INTERRUPT);
      interrupts++;
      assert.ok(rip < STUB_HANDLER, rip.toString(16));
      assert.ok(bench.get(id, R_RSP) === DATA + 2048);
      assert.ok([39].includes(bench.get(id, R_RAX)));
    }
    assert.equal(interrupts, 3000);
    assert.ok(codes.size > 1);
    bench.set(id, R_RDX, 1);
    if (codes.has(bench.get(id, R_RIP))) platform.setFacts(id, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  });

  scenario("answers without the Sentry, from the facts of the thread", () => {
    const numbers = [39, 186, 110, 102, 107, 104, 108, 24];
    for (const byTrap of [false, true]) {
      for (const [i, nr] of numbers.entries()) {
        const code = [0xb8, nr, 0, 0, 0, ...SYSCALL, ...CMP, 0x0f, 0x0b];
        const { as } = byTrap ? bench.space(code) : patched({ title: "answer", code, at: 5 });
        const id = start(as);
        platform.setFacts(id, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 0, 0);
        assert.equal(bench.run(id), EV_FAULT, `call ${nr}`);
        assert.equal(bench.get(id, R_RAX), [1001, 1002, 1003, 1004, 1005, 1006, 1007, 0][i]);
        platform.setFacts(id, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        bench.set(id, R_RIP, CODE);
        assert.equal(bench.run(id), EV_SYSCALL);
        bench.drop(as, id);
        const again = start(as);
        assert.equal(bench.run(again), EV_SYSCALL, "facts do not outlive the context");
      }
    }
    // 32-bit numbers mean other calls: int $0x80 is a fault.
    const { as } = bench.space([0xb8, 24, 0, 0, 0, 0xcd, 0x80]);
    const id = bench.context(as);
    platform.setFacts(id, 1, 1, 1, 1, 1, 1, 1, 0, 0);
    assert.equal(bench.run(id), EV_FAULT);
  });

  scenario("answers what the action of a signal is, where it is the default and the answer has a place", () => {
    const code = [0xb8, 13, 0, 0, 0, ...SYSCALL, ...CMP, 0x0f, 0x0b];
    const { as, data } = patched({ title: "action", code, at: 5 });
    const id = start(as);
    platform.setFacts(id, 1, 1, 1, 1, 1, 1, 1, 1 << 1, 1 << 31);
    const answer = bench.memory.subarray(data, data + 64);
    /** rt_sigaction(sig, act, old, size): whether the stub answered. */
    const asks = (sig: number, act: number, old: number, size: number): boolean => {
      answer.fill(0xff);
      bench.set(id, R_RIP, CODE);
      bench.set(id, R_RDI, sig);
      bench.set(id, R_RSI, act);
      bench.set(id, R_RDX, old);
      bench.set(id, R_R10, size);
      const event = bench.run(id);
      if (event === EV_FAULT) {
        assert.equal(bench.get(id, R_RAX), 0);
        assert.deepEqual([...answer], [...new Array<number>(32).fill(0), ...new Array<number>(32).fill(0xff)]);
        return true;
      }
      assert.equal(event, EV_SYSCALL);
      assert.equal(bench.get(id, R_ORIG_RAX), 13);
      assert.equal(bench.get(id, R_RDX), old);
      assert.equal(bench.get(id, R_RSP), DATA + 2048);
      assert.ok(answer[32] === 0xff);
      return false;
    };
    assert.ok(asks(2, 0, DATA, 8) && asks(64, 0, DATA, 8));
    for (const sig of [0, 1, 3, 34, 63, 65, -1]) assert.ok(!asks(sig, 0, DATA, 8), `signal ${sig}`);
    assert.ok(!asks(2, DATA, DATA, 8) && !asks(2, 0, DATA, 4) && !asks(2, 0, 0, 8));
    // Nothing there, read-only, the end of what is there, memory of the stub, above all addresses.
    const bad = [0x10000, CODE, DATA + PAGE - 24, DATA - 8, 0x7ff010000000, 0x7ff000000000, 0x7fe100000000, 2 ** 47];
    for (const old of bad) assert.ok(!asks(2, 0, old, 8), old.toString(16));
    assert.ok(asks(2, 0, DATA, 8));
    platform.setFacts(id, 1, 1, 1, 1, 1, 1, 1, 0, 0);
    assert.ok(!asks(2, 0, DATA, 8));
  });

  scenario("a guest that jumps into the stub's code with registers of its choice", () => {
    let { as, data } = bench.space(JMP_SELF);
    let id = bench.context(as);
    const settle = (ms: number): boolean => {
      const end = performance.now() + ms;
      do {
        platform.wait(1e6);
        for (let i = 0; i < platform.result.stoppedCount; i++) if (platform.result.stopped[i] === id) return true;
      } while (performance.now() < end);
      return false;
    };
    let died = 0;
    for (let offset = 0; offset < 0x800; offset += 3) {
      for (const base of [DATA, 0, 0x7ff010010000, 0x7ff000000000]) {
        bench.set(id, R_RIP, STUB_HANDLER + offset);
        for (const r of [R_RAX, R_RCX, R_RDX, R_RSI, R_RDI, R_R11, 10, 8]) bench.set(id, r, base);
        bench.set(id, R_RAX, 39);
        bench.set(id, R_RSP, DATA + 2048);
        bench.set(id, R_GS_BASE, base === DATA ? DATA : 0);
        platform.resume(id);
        if (!settle(3)) {
          platform.interrupt(id);
          if (!settle(20)) {
            process.kill(platform.pidOf(as), "SIGKILL");
            assert.ok(settle(CERTAINLY_MS));
          }
        }
        if (bench.event(id) !== EV_DIED) continue;
        died++;
        bench.free(as);
        ({ as, data } = bench.space(JMP_SELF));
        id = bench.context(as);
      }
    }
    assert.ok(died < 3000);
    assert.ok(data >= 0);
    const other = bench.space(SYSCALL);
    const well = bench.context(other.as);
    assert.equal(bench.run(well), EV_SYSCALL);
  });

  scenario("a sibling that scribbles over the area of a thread in patched calls", () => {
    const shape = shapes[3]!;
    const loop = { ...shape, code: [...SYSCALL, ...CMP, ...jmpBack(8)] };
    const { as } = patched(loop);
    const scribble = [0x4c, 0x89, 0xc7, 0x4c, 0x89, 0xc9, 0x48, 0x8d, 0x80, 0xb1, 0x79, 0x37, 0x1e, 0xf3, 0xaa];
    const attack = bench.alloc();
    bench.memory.set([...scribble, ...jmpBack(scribble.length)], attack);
    as.mapFile(0x600000, PAGE, bench.backing, attack, 5, true, false);
    assert.equal(as.flush(), 0);
    const victim = start(as);
    assert.equal(bench.run(victim), EV_SYSCALL);
    const attacker = bench.context(as, 0x600000);
    bench.set(attacker, 18, 0x7ff010010000); // r8; areas are handed out from below
    bench.set(attacker, 16, 0x20000); // r9
    platform.resume(attacker);
    platform.resume(victim);
    const image = new Uint8Array(platform.fpStateSize);
    const end = performance.now() + 300;
    let over = false;
    while (!over && performance.now() < end) {
      platform.wait(1e6);
      const { stopped, stoppedCount } = platform.result;
      for (let i = 0; i < stoppedCount; i++) {
        const id = stopped[i]!;
        platform.getFpState(id, image, 0);
        platform.setFpState(id, image, 0);
        if (bench.event(id) === EV_DIED) over = true;
        else platform.resume(id);
      }
    }
    try {
      process.kill(platform.pidOf(as), "SIGKILL");
    } catch {
      // It broke the rules and is dead already.
    }
    while (platform.wait(100e6) > 0) continue;
    const well = bench.space([...DEC_RAX, ...SYSCALL]);
    assert.equal(bench.run(bench.context(well.as)), EV_SYSCALL);
  });
});
