/** File pages that the kernel reads again and again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as M from "../../abi/mman.ts";
import { forkOf, mmap, P, read } from "./calls.testing.ts";
import { checkMm, FakeHostFile, FakeWorld, hostOf } from "./fake.testing.ts";
import type { MemoryManager } from "./mm.ts";

const AT = 0x10000000;
const RX = 5;

/** How many of `n` reads of a few bytes at `addr` ask the host. */
function asks(mm: MemoryManager, f: FakeHostFile, addr: number, n: number): number {
  const before = f.reads;
  for (let i = 0; i < n; i++) {
    assert.equal(mm.copyIn(addr, new Uint8Array(8), 0, 8), 8);
    if (mm.needsFlush) mm.handOver(0);
  }
  return f.reads - before;
}

test("pages of a program that the kernel reads often become its own", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const f = new FakeHostFile(8 * P - 100);
  f.backing.bytes.set(Buffer.from("name\0"), 6 * P + 16);
  mmap(mm, AT, 4 * P, RX, M.MAP_PRIVATE, f);
  mmap(mm, AT + 4 * P, 4 * P, M.PROT_READ, M.MAP_PRIVATE | M.MAP_FIXED, f, 4 * P);
  for (let i = 0; i < 100; i++) assert.equal(mm.copyInString(AT + 6 * P + 16, 100), "name");
  assert.ok(f.reads < 40, `${f.reads} reads`);
  checkMm(mm);
  assert.equal(asks(mm, f, AT + 6 * P, 10), 0);
  assert.equal(read(mm, AT + 6 * P + 17), "a".charCodeAt(0));
  assert.ok(hostOf(mm).access(AT + 6 * P, 2) === null, "as little writable as before");
  // In code, and in the page in which the file ends.
  asks(mm, f, AT + P, 100);
  asks(mm, f, AT + 7 * P, 100);
  checkMm(mm);
  assert.equal(asks(mm, f, AT + P, 10) + asks(mm, f, AT + 7 * P, 10), 0);
  assert.equal(read(mm, AT + 8 * P - 1), 0);
  assert.ok(hostOf(mm).access(AT + P, RX) !== null);
  // Children have them, too.
  const child = forkOf(w, mm);
  assert.equal(asks(child, f, AT + 6 * P, 10), 0);
  checkMm(child);
  child.decUsers();
  // Whoever changes the mapping finds it as it was.
  assert.equal(mm.mprotect(AT + 4 * P, 4 * P, 3), 0);
  assert.equal(mm.copyOut(AT + 6 * P + 16, Uint8Array.of(1), 0, 1), 1);
  assert.equal(mm.munmap(AT + 5 * P, 2 * P), 0);
  checkMm(mm);
  mm.decUsers();
  assert.deepEqual([f.mappings, f.refs, f.pageRefs], [0, 0, 0]);
  assert.equal(w.memory.totalUsage(), 0);
});

test("other files show what others write to them", () => {
  const w = new FakeWorld(256);
  const mm = w.newMm();
  const f = new FakeHostFile(4 * P);
  mmap(mm, AT, 4 * P, M.PROT_READ, M.MAP_PRIVATE, f);
  assert.equal(asks(mm, f, AT + P, 100), 100);
  f.backing.bytes[P] = 99;
  assert.equal(read(mm, AT + P), 99);
  const g = new FakeHostFile(4 * P);
  mmap(mm, AT + 8 * P, 2 * P, M.PROT_READ, M.MAP_SHARED, g);
  mmap(mm, AT + 10 * P, 2 * P, M.PROT_READ, M.MAP_SHARED | M.MAP_FIXED, g, 2 * P);
  assert.equal(asks(mm, g, AT + 8 * P, 100), 100);
  checkMm(mm);
  mm.decUsers();
});
