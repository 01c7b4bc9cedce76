import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EPERM } from "../abi/errno.ts";
import { PR_SET_NO_NEW_PRIVS } from "../abi/prctl.ts";
import { syscallNumber } from "../abi/syscall-nr.ts";
import type { AllowedCall, ArgCheck, FilterSpec } from "./bpf.ts";
import {
  ARCH_X86_64,
  BpfAssembler,
  INSTRUCTION_LEN,
  JMP_JEQ_K,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_PROCESS,
  RET_TRAP,
  X32_BIT,
  compileFilter,
  evaluateFilter,
} from "./bpf.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { fdSteps } from "./spawn-steps.ts";

const DENY = RET_ERRNO | EPERM;

function list(calls: readonly AllowedCall[]): FilterSpec {
  return { calls, otherwise: DENY, wrongArch: RET_KILL_PROCESS };
}

function ask(program: Uint8Array, call: string, args: readonly number[] = []): number {
  return evaluateFilter(program, { nr: syscallNumber(call), arch: ARCH_X86_64, args });
}

test("an allow list lets its calls through and refuses the others", () => {
  const program = compileFilter(
    list([
      { call: "read", reason: "test" },
      { call: "close", reason: "test", action: RET_TRAP },
    ]),
  );
  assert.equal(ask(program, "read"), RET_ALLOW);
  assert.equal(ask(program, "close"), RET_TRAP);
  assert.equal(ask(program, "write"), DENY);
});

test("another ABI is refused before the list is looked at", () => {
  const program = compileFilter(list([{ call: "read", reason: "test" }]));
  assert.equal(evaluateFilter(program, { nr: 0, arch: 0x40000003, args: [] }), RET_KILL_PROCESS);
  assert.equal(evaluateFilter(program, { nr: X32_BIT, arch: ARCH_X86_64, args: [] }), RET_KILL_PROCESS);
});

test("alternatives: all checks of one of them must hold", () => {
  const when: ArgCheck[][] = [
    [
      { arg: 0, is: "eq", value: 1, bits32: true },
      { arg: 2, is: "le", value: 4096 },
    ],
    [{ arg: 0, is: "eq", value: -100, bits32: true }],
  ];
  const program = compileFilter(list([{ call: "write", reason: "test", when }]));
  assert.equal(ask(program, "write", [1, 0, 4096]), RET_ALLOW);
  assert.equal(ask(program, "write", [1, 0, 4097]), DENY);
  assert.equal(ask(program, "write", [1, 0, 0x100000000]), DENY);
  assert.equal(ask(program, "write", [0xffffff9c, 0, 99999]), RET_ALLOW);
  assert.equal(ask(program, "write", [2, 0, 1]), DENY);
});

test("comparisons agree with the arithmetic on 53 bits", () => {
  const value = fc.oneof(
    fc.maxSafeNat(),
    fc.constantFrom(0, 1, 0xffffffff, 0x100000000, 0x100000001, 2 ** 53 - 1),
    fc.nat(0xffff),
  );
  const kinds = ["eq", "ne", "lt", "le", "gt", "ge"] as const;
  fc.assert(
    fc.property(value, value, fc.constantFrom(...kinds), fc.nat(5), (a, b, is, arg) => {
      const program = compileFilter(list([{ call: "read", reason: "test", when: [[{ arg, is, value: b }]] }]));
      const args = [0, 0, 0, 0, 0, 0];
      args[arg] = a;
      const expected = { eq: a === b, ne: a !== b, lt: a < b, le: a <= b, gt: a > b, ge: a >= b }[is];
      assert.equal(ask(program, "read", args), expected ? RET_ALLOW : DENY);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(value, value, (a, mask) => {
      const wanted = Number(BigInt(a) & BigInt(mask));
      const check = (v: number): Uint8Array =>
        compileFilter(list([{ call: "read", reason: "test", when: [[{ arg: 3, is: "masked", mask, value: v }]] }]));
      assert.equal(ask(check(wanted), "read", [0, 0, 0, a]), RET_ALLOW);
      const other = wanted === 0 ? 1 : 0;
      assert.equal(ask(check(other), "read", [0, 0, 0, a]), DENY);
    }),
    { numRuns: 100 },
  );
});

test("mistakes in a list are found", () => {
  const read = { call: "read", reason: "test" };
  assert.throws(() => compileFilter(list([read, read])), /listed twice/);
  assert.throws(() => compileFilter(list([{ call: "read", reason: "" }])), /no reason/);
  assert.throws(() => compileFilter(list([{ call: "raed", reason: "test" }])), /no system call/);
  assert.throws(() => compileFilter(list([{ ...read, when: [[{ arg: 6, is: "eq", value: 0 }]] }])), /argument 6/);
  assert.throws(() => compileFilter(list([{ ...read, when: [[{ arg: 0, is: "eq", value: -1 }]] }])), /value -1/);
});

test("the assembler checks its labels", () => {
  const asm = new BpfAssembler();
  asm.jump(JMP_JEQ_K, 0, "nowhere", "");
  asm.ret(0);
  assert.throws(() => asm.assemble(), /nowhere is not defined/);
  const far = new BpfAssembler();
  far.jump(JMP_JEQ_K, 0, "end", "");
  for (let i = 0; i < 300; i++) far.load(0);
  far.label("end");
  far.ret(0);
  assert.throws(() => far.assemble(), /300 instructions away/);
  const gone = new BpfAssembler();
  gone.goto("end");
  for (let i = 0; i < 300; i++) gone.load(0);
  gone.label("end");
  gone.ret(7);
  const program = gone.assemble();
  assert.equal(program.length, 302 * INSTRUCTION_LEN);
  assert.equal(evaluateFilter(program, { nr: 0, arch: 0, args: [] }), 7);
});

test("the kernel takes a filter and enforces it in a spawned child", () => {
  const host = linuxHost();
  // Everything but the call that is tried; what a shell needs differs from libc to libc.
  const asm = new BpfAssembler();
  asm.load(0);
  asm.jump(JMP_JEQ_K, syscallNumber("umask"), "", "allow");
  asm.ret(DENY);
  asm.label("allow");
  asm.ret(RET_ALLOW);
  const mkdir = compileFilter({
    calls: [{ call: "chdir", reason: "test", action: RET_ERRNO | 77 }],
    otherwise: RET_ALLOW,
    wrongArch: RET_KILL_PROCESS,
  });
  const [readEnd, writeEnd] = host.pipe2(0) as [number, number];
  const result = host.spawn({
    cloneFlags: 0,
    steps: [
      ...fdSteps([0, writeEnd, 2]),
      { op: "prctl", option: PR_SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 },
      { op: "seccomp", flags: 0, program: asm.assemble() },
      { op: "seccomp", flags: 0, program: mkdir },
    ],
    exec: "/bin/sh",
    execFd: -1,
    argv: ["sh", "-c", "grep -E '^Seccomp(_filters)?:' /proc/self/status; cd / 2>/dev/null || echo refused"],
    envp: ["PATH=/usr/bin:/bin"],
  });
  host.close(writeEnd);
  assert.equal(result.error, 0);
  const buf = new Uint8Array(4096);
  let text = "";
  for (;;) {
    const n = host.read(readEnd, buf, 0, buf.length);
    if (n <= 0) break;
    text += Buffer.from(buf.subarray(0, n)).toString("latin1");
  }
  host.close(readEnd);
  host.wait4(result.pid, 0, new Int32Array(1));
  host.close(result.pidfd);
  assert.equal(text.replace(/\s+/g, " "), "Seccomp: 2 Seccomp_filters: 2 refused ");
});

test("a filter step that the kernel refuses is reported", () => {
  const host = linuxHost();
  const bad = new Uint8Array(INSTRUCTION_LEN);
  bad[0] = 0xff;
  const result = host.runSteps(0, [
    { op: "prctl", option: PR_SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 },
    { op: "seccomp", flags: 0, program: bad },
  ]);
  assert.equal(result.error, -22);
  assert.equal(result.step, 1);
});
