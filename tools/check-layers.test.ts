import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkFile, checkTable, checkTree, unitOf } from "./check-layers.ts";
import type { LayerTable } from "./check-layers.ts";
import { layers } from "./layers.ts";

const table: LayerTable = {
  base: { may: [] },
  low: { may: ["base"] },
  "low/part": { may: ["low"] },
  "fs/a": { may: ["base"] },
  "fs/b": { may: ["base"], mayFiles: ["low/contract.ts"] },
  top: { may: ["fs/*", "low"], node: true },
  host: { may: ["base"], node: true },
};

const check = (file: string, source: string): string[] => checkFile(file, source, table);

test("unitOf() takes the longest folder and knows no folder between units", () => {
  assert.equal(unitOf("low/x.ts", table), "low");
  assert.equal(unitOf("low/other/x.ts", table), "low");
  assert.equal(unitOf("low/part/deep/x.ts", table), "low/part");
  assert.equal(unitOf("fs/a/x.ts", table), "fs/a");
  assert.equal(unitOf("fs/new/x.ts", table), undefined);
  assert.equal(unitOf("fs/x.ts", table), undefined);
  assert.equal(unitOf("x.ts", table), undefined);
});

test("checkFile() allows what the table lists", () => {
  assert.deepEqual(check("low/x.ts", 'import { a } from "../base/a.ts"; import { b } from "./b.ts";'), []);
  assert.deepEqual(check("top/x.ts", 'import "../fs/a/x.ts"; import "node:fs";'), []);
  assert.deepEqual(check("fs/b/x.ts", 'import type { C } from "../../low/contract.ts";'), []);
});

test("checkFile() refuses every other direction, types too", () => {
  assert.match(check("base/x.ts", 'import type { T } from "../low/t.ts";')[0]!, /base may not import low/);
  assert.match(check("fs/a/x.ts", 'import "../b/x.ts";')[0]!, /fs\/a may not import fs\/b/);
  assert.match(check("fs/b/x.ts", 'import "../../low/other.ts";')[0]!, /fs\/b may not import low/);
  assert.match(check("low/x.ts", 'export * from "../top/x.ts";')[0]!, /low may not import top/);
  assert.match(check("low/x.ts", 'import "../fs/new/x.ts";')[0]!, /has no row/);
  assert.match(check("fs/new/x.ts", "")[0]!, /has no row/);
});

test("checkFile() refuses node modules, packages, outside files, computed names and missing endings", () => {
  assert.match(check("low/x.ts", 'import "node:fs";')[0]!, /may not import node:fs/);
  assert.match(check("top/x.ts", 'import "fs";')[0]!, /write "node:fs"/);
  assert.match(check("top/x.ts", 'import "left-pad";')[0]!, /packages may not/);
  assert.match(check("top/x.ts", 'import "../../tools/x.ts";')[0]!, /may not import \.\.\/tools/);
  assert.match(check("top/x.ts", "await import(name);")[0]!, /plain string/);
  assert.match(check("top/x.ts", 'import "../low/x";')[0]!, /with \.ts/);
});

test("checkFile() lets only host load the addon", () => {
  assert.match(check("top/x.ts", 'process.dlopen(m, "build/tsvisor.node");')[0]!, /only src\/host/);
  assert.deepEqual(check("host/x.ts", 'process.dlopen(m, "build/tsvisor.node");'), []);
});

test("checkFile() gives tests node modules and what is reachable, but not what lies above", () => {
  assert.deepEqual(
    check("fs/b/x.test.ts", 'import "node:test"; import "fast-check"; import "../../low/other.ts";'),
    [],
  );
  assert.match(check("fs/b/x.test.ts", 'import "../../top/x.ts";')[0]!, /may not import top/);
  assert.match(check("low/x.ts", 'import "./x.testing.ts";')[0]!, /only tests/);
});

test("checkTable() finds circles and unknown names", () => {
  assert.deepEqual(checkTable(table), []);
  assert.match(checkTable({ a: { may: ["b"] }, b: { may: ["a"] } })[0]!, /circle: a -> b -> a/);
  assert.match(checkTable({ a: { may: ["c"] } })[0]!, /no such unit: c/);
});

test("the project's own table has no circle", () => {
  assert.deepEqual(checkTable(layers), []);
});

test("checkTree() fails when it sees too few files", () => {
  const dir = mkdtempSync(join(tmpdir(), "layers-"));
  try {
    mkdirSync(join(dir, "base"));
    writeFileSync(join(dir, "base/a.ts"), "");
    assert.deepEqual(checkTree(dir, table, 1), { problems: [], files: 1 });
    assert.match(checkTree(dir, table, 2).problems[0]!, /only 1 files seen/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
