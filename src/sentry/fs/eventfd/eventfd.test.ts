import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { EFD_SEMAPHORE } from "../../../abi/eventfd.ts";
import { EV_IN, EV_OUT } from "../../../base/waiter.ts";
import { ManualClock } from "../../time/clock.ts";
import { IoSequence } from "../../usermem/io.ts";
import { VirtualFileSystem } from "../../vfs/vfs.ts";
import { createEventfd } from "./eventfd.ts";
import type { EventFile } from "./eventfd.ts";

function io(f: EventFile, value?: bigint): bigint | number {
  const b = new Uint8Array(8);
  const v = new DataView(b.buffer);
  const s = new IoSequence();
  s.push(b, 0, 8);
  if (value !== undefined) {
    v.setBigUint64(0, value, true);
    return f.write(s);
  }
  const n = f.read(s);
  return n < 0 ? n : v.getBigUint64(0, true);
}

test("eventfd: counting, overflow, semaphore", () => {
  const vfs = new VirtualFileSystem(new ManualClock());
  const f = createEventfd(vfs, 3, 0);
  assert.equal(io(f), 3n);
  assert.equal(io(f), -EAGAIN);
  assert.equal(f.readiness() & (EV_IN | EV_OUT), EV_OUT);
  assert.equal(io(f, 0xffffffffn), 8);
  assert.equal(io(f, 2n), 8);
  assert.equal(io(f), 0x100000001n);
  assert.equal(io(f, 0xffffffffffffffffn), -EINVAL);
  assert.equal(io(f, 0xfffffffffffffffen), 8);
  assert.equal(f.readiness() & (EV_IN | EV_OUT), EV_IN);
  assert.equal(io(f, 1n), -EAGAIN);
  assert.equal(io(f), 0xfffffffffffffffen);
  const s = createEventfd(vfs, 0, EFD_SEMAPHORE);
  io(s, 0x100000001n);
  assert.equal(io(s), 1n);
  assert.equal(io(s), 1n);
  assert.match(s.fdInfo(), /ffffffff/);
  const short = new IoSequence();
  short.push(new Uint8Array(4), 0, 4);
  assert.equal(f.read(short), -EINVAL);
});
