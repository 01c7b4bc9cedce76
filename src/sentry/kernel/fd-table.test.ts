import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF, EMFILE } from "../../abi/errno.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { defaultLimits } from "../limits/limits.ts";
import { FileDescription } from "../vfs/file.ts";
import { FdTable } from "./fd-table.ts";

class Plain extends FileDescription {
  released = false;
  protected override release(): void {
    this.released = true;
  }
}

test("alloc() gives the lowest free fd from the minimum on", () => {
  const t = new FdTable(defaultLimits());
  for (let i = 0; i < 5; i++) assert.equal(t.alloc(new Plain(), 0, false), i);
  t.close(1);
  t.close(3);
  assert.equal(t.alloc(new Plain(), 2, false), 3);
  assert.equal(t.alloc(new Plain(), 0, false), 1);
  assert.equal(t.alloc(new Plain(), 10, false), 10);
  assert.equal(t.alloc(new Plain(), 0, false), 5);
  assert.equal(t.count, 7);
});

test("alloc() beyond RLIMIT_NOFILE gives EMFILE and drops the file", () => {
  const limits = defaultLimits();
  limits.set(RLIMIT_NOFILE, 2, 2);
  const t = new FdTable(limits);
  t.alloc(new Plain(), 0, false);
  assert.ok(t.canAlloc(1));
  assert.ok(!t.canAlloc(2));
  t.alloc(new Plain(), 0, false);
  const f = new Plain();
  assert.equal(t.alloc(f, 0, false), -EMFILE);
  assert.ok(f.released);
});

test("setAt() replaces, close() and decRef() release", () => {
  const t = new FdTable(defaultLimits());
  const a = new Plain();
  const b = new Plain();
  t.alloc(a, 0, false);
  assert.equal(t.setAt(0, b, true), 0);
  assert.ok(a.released && !b.released);
  assert.ok(t.getCloexec(0));
  assert.equal(t.close(7), -EBADF);
  const copy = t.fork(defaultLimits());
  t.decRef();
  assert.ok(!b.released);
  copy.closeOnExec();
  assert.ok(b.released);
  assert.equal(copy.count, 0);
});

test("setAt() far above grows the table, closing shrinks it", () => {
  const t = new FdTable(defaultLimits());
  assert.equal(t.setAt(500, new Plain(), false), 500);
  assert.equal(t.end, 501);
  assert.equal(t.alloc(new Plain(), 0, false), 0);
  t.close(500);
  assert.equal(t.end, 1);
});
