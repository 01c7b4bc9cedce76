import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DT_DIR, DT_REG, modeToDirentType } from "../../../abi/dirent.ts";
import { S_IFDIR, S_IFREG, Stat } from "../../../abi/stat.ts";
import { Writer } from "../../../p9/wire/cursor.ts";
import { DirEntryAttr } from "../../../p9/wire/records.ts";
import { DirentBuffer, DirentList } from "../../vfs/dirent.ts";
import { DirListing } from "./directory.ts";
import type { GoferFs } from "./gofer-fs.ts";
import type { GoferInode } from "./inode.ts";

const gofer = {
  vfs: { clock: { monotonicNs: () => 0 } },
  guestIno: (_dev: number, ino: number) => ino,
} as unknown as GoferFs;

/** A listing of these names: those that begin with "d" are directories; the i-th has the inode number i + 1. */
function listingOf(names: readonly string[], keepsAttrs = true): DirListing {
  const listing = new DirListing(gofer, keepsAttrs);
  const buf = new Uint8Array(65536);
  const w = new Writer();
  w.attach(buf);
  const entry = new DirEntryAttr();
  // In pages of three, none of which begins at 0.
  for (let from = 0; from < names.length; from += 3) {
    w.begin(0, 0);
    const starts = new Int32Array(3);
    const page = names.slice(from, from + 3);
    const begin = w.pos;
    for (const [i, name] of page.entries()) {
      starts[i] = w.pos;
      entry.name = name;
      entry.attr.mode = name.startsWith("d") ? S_IFDIR : S_IFREG;
      entry.attr.ino = from + i + 1;
      entry.attr.size = 1000 * (from + i);
      entry.encode(w);
    }
    listing.records(buf, begin, w.pos, starts, page.length);
  }
  return listing;
}

function shown(listing: DirListing): [string, number, number][] {
  const snapshot = listing.snapshot();
  const list = new DirentList();
  for (let i = 0; i < snapshot.count; i++) assert.equal(snapshot.emit(i, list, i + 3), true);
  return list.names.map((name, i) => [name, list.inos[i]!, list.types[i]!]);
}

function inode(ino: number, mode: number): GoferInode {
  return { ino, mode } as GoferInode;
}

test("entries are found by name and shown in their order", () => {
  const names = ["b", "a", "d1", "name", "eman", "x".repeat(255), "d2", "\xff\x80"];
  const listing = listingOf(names);
  assert.equal(listing.size, names.length);
  assert.deepEqual(
    shown(listing),
    names.map((name, i) => [name, i + 1, name.startsWith("d") ? DT_DIR : DT_REG]),
  );
  const stat = new Stat();
  for (const [i, name] of names.entries()) {
    const record = listing.get(name)!;
    assert.equal(record.ino, i + 1);
    assert.equal(listing.takeAttr(record, stat), true);
    assert.equal(stat.size, 1000 * i);
    assert.equal(listing.takeAttr(record, stat), false);
  }
  for (const name of ["", "c", "names", "nam", "x".repeat(254)]) assert.equal(listing.get(name), null);
});

test("attributes come back", () => {
  const listing = listingOf(["a", "b"]);
  const stat = new Stat();
  listing.takeAttr(listing.get("b")!, stat);
  const before = listing.snapshot();
  stat.size = 77;
  listing.giveBack("b", 3, stat);
  assert.equal(listing.takeAttr(listing.get("b")!, stat), false);
  listing.giveBack("b", 2, stat);
  listing.put("new", inode(9, S_IFREG));
  listing.giveBack("new", 9, stat);
  stat.size = 0;
  for (const name of ["b", "new"]) {
    assert.equal(listing.takeAttr(listing.get(name)!, stat), true);
    assert.equal(stat.size, 77);
  }
  const list = new DirentList();
  for (let i = 0; i < before.count; i++) before.emit(i, list, i);
  assert.deepEqual(list.names, ["a", "b"]);
  const other = listingOf(["a"], false);
  assert.equal(other.takeAttr(other.get("a")!, stat), false);
});

test("directories: those behind a name first", () => {
  const listing = listingOf(["d1", "f", "d2", "d3", "d4"]);
  const names: string[] = [];
  const take = (name: string): boolean => names.push(name) < 3;
  listing.eachDirectory("d2", take);
  assert.deepEqual(names, ["d3", "d4", "d1"]);
  names.length = 0;
  listing.remove("d3");
  listing.eachDirectory("no such name", take);
  assert.deepEqual(names, ["d1", "d2", "d4"]);
});

test("getdents takes the bytes as they are, in both formats", () => {
  const names = ["a", "long name of a file", "\xe4"];
  for (const old of [false, true]) {
    const fromBytes = new DirentBuffer(new Uint8Array(200).fill(1), old);
    const fromNames = new DirentBuffer(new Uint8Array(200).fill(2), old);
    fromBytes.reset(200);
    fromNames.reset(200);
    const snapshot = listingOf(names).snapshot();
    for (const [i, name] of names.entries()) {
      assert.equal(snapshot.emit(i, fromBytes, 5 + i), true);
      assert.equal(fromNames.emit(name, i + 1, DT_REG, 5 + i), true);
    }
    assert.deepEqual(fromBytes.buf.subarray(0, fromBytes.len), fromNames.buf.subarray(0, fromNames.len));
    fromBytes.reset(fromBytes.len - 1);
    assert.equal(
      snapshot.emit(0, fromBytes, 1) && snapshot.emit(1, fromBytes, 2) && snapshot.emit(2, fromBytes, 3),
      false,
    );
    assert.equal(fromBytes.full, true);
  }
});

test("property: what comes and goes is shown as a map shows it", () => {
  const name = fc.constantFrom("a", "b", "c", "d", "da", "db", "x1", "x2", "x3");
  const change = fc.record({ name, kind: fc.constantFrom("put", "remove", "look", "get") });
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.array(change), (names, changes) => {
      const listing = listingOf(names);
      const model = new Map(names.map((n, i) => [n, [i + 1, n.startsWith("d") ? DT_DIR : DT_REG]]));
      let ino = 100;
      for (const c of changes) {
        if (c.kind === "put") {
          ino++;
          listing.put(c.name, inode(ino, S_IFREG));
          model.set(c.name, [ino, modeToDirentType(S_IFREG)]);
        } else if (c.kind === "remove") {
          listing.remove(c.name);
          model.delete(c.name);
        } else if (c.kind === "look") listing.lookedUp(c.name);
        else assert.equal(listing.get(c.name)?.ino, model.get(c.name)?.[0]);
      }
      assert.equal(listing.size, model.size);
      const sorted = (all: [string, ...number[]][]): [string, ...number[]][] =>
        all.sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(sorted(shown(listing)), sorted([...model].map(([n, rest]) => [n, ...rest])));
    }),
  );
});

test("names that came and went do not pile up", () => {
  const listing = listingOf(["a", "b"]);
  listing.remove("a");
  const { weight } = listing;
  for (let i = 0; i < 10_000; i++) {
    listing.put(`temporary-${i}`, inode(100 + i, S_IFREG));
    listing.remove(`temporary-${i}`);
  }
  assert.equal(listing.size, 1);
  assert.equal(listing.get("a"), null);
  assert.equal(listing.get("temporary-9999"), null);
  assert.ok(listing.weight < weight + 100_000, `${listing.weight - weight} bytes for nothing`);
  listing.put("temporary-9999", inode(7, S_IFREG));
  assert.equal(listing.lacks("temporary-9999"), false);
  assert.deepEqual(shown(listing), [
    ["b", 2, DT_REG],
    ["temporary-9999", 7, DT_REG],
  ]);
});
