import assert from "node:assert/strict";
import { test } from "node:test";
import { RENAME_EXCHANGE, SEEK_SET } from "../../../abi/fcntl.ts";
import { DirentBuffer, DirentList } from "../../vfs/dirent.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { mkdirAt, renameAt2, unlinkAt } from "../../vfs/operations.ts";
import { TestContext } from "./harness.testing.ts";

const COUNT = 200;
const bytes = new Uint8Array(1000);
const view = new DataView(bytes.buffer);

interface Entry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
  readonly offset: number;
}

/** One getdents64 (or getdents) of `size` bytes. */
function getdents(file: FileDescription, size: number, isOld: boolean = false): Entry[] {
  const sink = new DirentBuffer(bytes, isOld);
  sink.reset(size);
  assert.equal(file.iterate(sink), 0);
  const entries: Entry[] = [];
  for (let at = 0; at < sink.len;) {
    const length = view.getUint16(at + 16, true);
    const end = at + length;
    const name = bytes.subarray(isOld ? at + 18 : at + 19, end);
    entries.push({
      name: Buffer.from(name.subarray(0, name.indexOf(0))).toString("latin1"),
      ino: Number(view.getBigUint64(at, true)),
      type: isOld ? bytes[end - 1]! : bytes[at + 18]!,
      offset: Number(view.getBigUint64(at + 8, true)),
    });
    at = end;
  }
  return entries;
}

function listAll(file: FileDescription, size: number, isOld: boolean = false): Entry[] {
  const all: Entry[] = [];
  for (;;) {
    const some = getdents(file, size, isOld);
    if (some.length === 0) return all;
    all.push(...some);
  }
}

function makeMany(): TestContext {
  const c = new TestContext();
  mkdirAt(c, null, "/d", 0o755);
  for (let i = 0; i < COUNT; i++) {
    if (i % 7 === 0) mkdirAt(c, null, `/d/dir-${i}`, 0o755);
    else c.put(`/d/${"x".repeat(i % 20)}-${i}`, "");
  }
  return c;
}

test("a directory that is listed again and again gives the same entries", () => {
  const c = makeMany();
  const expected = listAll(c.open("/d"), 1000);
  assert.equal(expected.length, COUNT + 2);
  for (const entry of expected.slice(2)) assert.equal(c.stat(`/d/${entry.name}`).ino, entry.ino);
  for (const size of [1000, 333, 64]) {
    assert.deepEqual(listAll(c.open("/d"), size), expected);
    assert.deepEqual(listAll(c.open("/d"), size, true), expected);
  }
  const list = new DirentList();
  c.open("/d").iterate(list);
  assert.deepEqual(
    list.names,
    expected.map((e) => e.name),
  );
  assert.deepEqual(
    list.types,
    expected.map((e) => e.type),
  );
});

test("every position that an entry names can be gone back to", () => {
  const c = makeMany();
  const expected = listAll(c.open("/d"), 1000);
  const file = c.open("/d");
  for (const i of [0, 1, 2, 50, COUNT, COUNT + 1]) {
    assert.equal(file.seek(expected[i]!.offset, SEEK_SET), expected[i]!.offset);
    assert.deepEqual(listAll(file, 500), expected.slice(i + 1));
  }
  file.seek(1e9, SEEK_SET);
  assert.deepEqual(listAll(file, 500), []);
});

test("what is removed while a directory is listed does not hide anything else", () => {
  const c = makeMany();
  const names = listAll(c.open("/d"), 1000).map((e) => e.name);
  const file = c.open("/d");
  const seen: string[] = [];
  for (;;) {
    const some = getdents(file, 400);
    if (some.length === 0) break;
    for (const { name } of some) {
      seen.push(name);
      if (!name.startsWith("dir") && !name.startsWith(".")) assert.equal(unlinkAt(c, null, `/d/${name}`), 0);
    }
  }
  assert.deepEqual(seen, names);
  assert.equal(listAll(c.open("/d"), 1000).length, names.filter((name) => /^(dir|\.)/.test(name)).length);
});

test("what is made, renamed and exchanged shows in the next listing", () => {
  const c = makeMany();
  const names = (): string[] => listAll(c.open("/d"), 1000).map((e) => e.name);
  const before = names();
  assert.deepEqual(names(), before);
  const file = c.open("/d");
  getdents(file, 100);
  c.put("/d/late", "");
  // What is made meanwhile comes last.
  assert.equal(listAll(file, 100).at(-1)!.name, "late");
  assert.deepEqual(names(), [...before, "late"]);
  assert.deepEqual(names(), [...before, "late"]);
  assert.equal(renameAt2(c, null, "/d/late", null, "/d/later", 0), 0);
  assert.deepEqual(names(), [...before, "later"]);
  assert.deepEqual(names(), [...before, "later"]);
  assert.equal(renameAt2(c, null, "/d/later", null, "/d/dir-0", RENAME_EXCHANGE), 0);
  for (const entry of listAll(c.open("/d"), 1000).slice(2)) {
    assert.equal(c.stat(`/d/${entry.name}`).ino, entry.ino);
    assert.equal(c.stat(`/d/${entry.name}`).mode >> 12, entry.type);
  }
});
