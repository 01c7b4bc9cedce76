import assert from "node:assert/strict";
import { test } from "node:test";
import { MappingList } from "./mapping-list.ts";
import type { Mappable, MappingOwner } from "./memmap.ts";

const file = {} as Mappable;

class Owner implements MappingOwner {
  readonly told: [number, number][] = [];
  invalidateMapping(mappable: Mappable, offset: number, len: number): void {
    assert.equal(mappable, file);
    this.told.push([offset, len]);
  }
}

test("every mapping of a range is told of its part, and only as long as it is there", () => {
  const list = new MappingList();
  const a = new Owner();
  const b = new Owner();
  assert.equal(list.isEmpty, true);
  list.add(a, 0x1000, 0x2000, 0, false);
  list.add(a, 0x8000, 0x1000, 0x2000, true);
  list.add(a, 0xa000, 0x1000, 0x9000, false);
  list.add(b, 0x1000, 0x3000, 0x1000, false);
  list.invalidate(file, 0x1000, 0x2000);
  assert.deepEqual(a.told, [
    [0x2000, 0x1000],
    [0x1000, 0x1000],
  ]);
  assert.deepEqual(b.told, [[0x1000, 0x2000]]);
  assert.equal(list.remove(a, 0x1000, 0x2000, 0, true), false, "not with these arguments");
  assert.equal(list.remove(a, 0x8000, 0x1000, 0x2000, true), true);
  assert.equal(list.remove(a, 0x8000, 0x1000, 0x2000, true), false, "only once");
  list.invalidate(file, 0, Infinity);
  assert.deepEqual(a.told.slice(2), [
    [0x9000, 0x1000],
    [0, 0x2000],
  ]);
  assert.equal(list.remove(a, 0xa000, 0x1000, 0x9000, false), true);
  assert.equal(list.remove(b, 0x1000, 0x3000, 0x1000, false), true);
  assert.equal(list.isEmpty, false);
  assert.equal(list.remove(a, 0x1000, 0x2000, 0, false), true);
  assert.equal(list.isEmpty, true);
});

test("who is told may change the mappings", () => {
  const list = new MappingList();
  const owners: Owner[] = [];
  const told: Owner[] = [];
  for (let i = 0; i < 3; i++) {
    const owner = new Owner();
    owner.invalidateMapping = () => {
      told.push(owner);
      list.remove(owner, 0, 0x1000, 0, false);
      list.add(owner, 0x5000, 0x1000, 0, false);
    };
    owners.push(owner);
    list.add(owner, 0, 0x1000, 0, false);
  }
  list.invalidate(file, 0, 0x1000);
  assert.deepEqual(told, owners);
});
