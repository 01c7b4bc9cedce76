import assert from "node:assert/strict";
import { test } from "node:test";
import {
  REGS_WORDS,
  R_CS,
  R_EFLAGS,
  R_FS_BASE,
  R_RDI,
  R_RDX,
  R_RIP,
  R_RSI,
  R_RSP,
  R_SS,
  regU64,
  setReg,
} from "./registers.ts";
import {
  EFLAGS_DF,
  FP_HEADER,
  FP_LEGACY_SIZE,
  FP_SW_BYTES,
  FP_XSTATE_MAGIC1,
  FP_XSTATE_MAGIC2,
  SIGFRAME_INFO,
  SIGFRAME_SIZE,
  SIGFRAME_UC,
  SIGINFO_SIZE,
  SigframeFields,
  UCONTEXT_SIZE,
  acceptFpState,
  buildSigframe,
  enterHandler,
  finishFpState,
  fpStateBytes,
  parseUcontext,
  sigframeAddress,
  sigframeFpAddress,
} from "./sigframe.ts";

const BASE = 10;

function someRegs(): Uint32Array {
  const regs = new Uint32Array(BASE + REGS_WORDS + 10);
  for (let i = 0; i < REGS_WORDS; i++) regs[BASE + i] = 0x10000 + i;
  setReg(regs, BASE + R_EFLAGS, 0x246);
  setReg(regs, BASE + R_CS, 0x33);
  setReg(regs, BASE + R_SS, 0x2b);
  return regs;
}

test("a frame gives back the registers that it was built from", () => {
  const regs = someRegs();
  const view = new DataView(new ArrayBuffer(SIGFRAME_SIZE + 16));
  const fields = new SigframeFields();
  fields.restorer = 0x7f0012345678;
  fields.fpState = 0x7ffff000;
  fields.maskLo = 0x80000001;
  fields.maskHi = 0xf0000000;
  fields.stackSp = 0x123456789000;
  fields.stackFlags = 2;
  fields.stackSize = 8192;
  const info = new Uint8Array(SIGINFO_SIZE).fill(0xab);
  buildSigframe(view, 16, regs, BASE, fields, info, 0);
  assert.equal(view.getUint32(16, true), 0x12345678);
  assert.equal(view.getUint32(20, true), 0x7f00);
  assert.equal(view.getUint8(16 + SIGFRAME_INFO + 127), 0xab);

  const expected = regs.slice();
  const read = new SigframeFields();
  const other = new Uint32Array(regs.length);
  setReg(other, BASE + R_FS_BASE, 0x5555);
  setReg(other, BASE + R_EFLAGS, 0x202);
  parseUcontext(view, 16 + SIGFRAME_UC, other, BASE, read);
  for (const r of [R_RDI, R_RSI, R_RDX, R_RIP, R_RSP, R_CS, R_SS, R_EFLAGS]) {
    assert.equal(regU64(other, BASE + r), regU64(expected, BASE + r), `register ${r}`);
  }
  assert.equal(regU64(other, BASE + R_FS_BASE), 0x5555);
  fields.restorer = 0;
  assert.deepEqual(read, fields);
});

test("a frame cannot set privileged flags or selectors", () => {
  const view = new DataView(new ArrayBuffer(UCONTEXT_SIZE));
  for (let i = 0; i < UCONTEXT_SIZE; i++) view.setUint8(i, 0xff);
  const regs = someRegs();
  parseUcontext(view, 0, regs, BASE, new SigframeFields());
  assert.equal(regs[BASE + R_EFLAGS], 0x50dd5 | 0x202);
  assert.equal(regs[BASE + R_EFLAGS + 1], 0);
  assert.equal(regs[BASE + R_CS], 0x33);
  assert.equal(regs[BASE + R_SS], 0x2b);
});

test("addresses are aligned as the ABI wants", () => {
  for (let sp = 0x7fff00001000; sp < 0x7fff00001100; sp += 7) {
    const fp = sigframeFpAddress(sp, 2440);
    assert.equal(fp % 64, 0);
    assert.ok(fp + 2444 <= sp);
    const frame = sigframeAddress(fp);
    assert.equal(frame % 16, 8);
    assert.ok(frame + SIGFRAME_SIZE <= fp);
  }
});

test("enterHandler passes the three arguments", () => {
  const regs = someRegs();
  regs[BASE + R_EFLAGS]! |= EFLAGS_DF;
  enterHandler(regs, BASE, 0x7f0000001234, 0x7ffe00000008, 11);
  assert.equal(regU64(regs, BASE + R_RIP), 0x7f0000001234);
  assert.equal(regU64(regs, BASE + R_RSP), 0x7ffe00000008);
  assert.equal(regU64(regs, BASE + R_RDI), 11);
  assert.equal(regU64(regs, BASE + R_RSI), 0x7ffe00000008 + SIGFRAME_INFO);
  assert.equal(regU64(regs, BASE + R_RDX), 0x7ffe00000008 + SIGFRAME_UC);
  assert.equal(regs[BASE + R_EFLAGS]! & EFLAGS_DF, 0);
});

test("FP state: full, without its second magic, legacy", () => {
  const size = 1024;
  const image = (): DataView => {
    const view = new DataView(new ArrayBuffer(size + 4));
    for (let i = 0; i < size; i++) view.setUint8(i, 0x11);
    view.setUint32(FP_SW_BYTES, FP_XSTATE_MAGIC1, true);
    view.setUint32(FP_SW_BYTES + 4, size + 4, true);
    view.setUint32(FP_SW_BYTES + 8, 7, true);
    view.setUint32(FP_SW_BYTES + 12, 0, true);
    view.setUint32(FP_SW_BYTES + 16, size, true);
    view.setUint32(FP_HEADER, 0xf, true);
    finishFpState(view, 0, size);
    return view;
  };
  const full = image();
  assert.equal(full.getUint32(size, true), FP_XSTATE_MAGIC2);
  assert.equal(fpStateBytes(full, 0, size), size);
  acceptFpState(full, 0, size, size);
  assert.equal(full.getUint32(FP_HEADER, true), 7);
  assert.equal(full.getUint8(600), 0x11);

  const torn = image();
  torn.setUint32(size, 0, true);
  acceptFpState(torn, 0, size, fpStateBytes(torn, 0, size));
  assert.equal(torn.getUint32(FP_HEADER, true), 3);
  assert.equal(torn.getUint8(600), 0);
  assert.equal(torn.getUint8(100), 0x11);

  const legacy = image();
  legacy.setUint32(FP_SW_BYTES, 0, true);
  assert.equal(fpStateBytes(legacy, 0, size), FP_LEGACY_SIZE);
});
