import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuList, cpuMask, escapeOctal, hex64, kbLine, parseNumber } from "./format.ts";
import { LoadAverage } from "../../kernel/load-average.ts";

test("sets of CPUs as masks and lists", () => {
  assert.equal(cpuMask(2, null), "3");
  assert.equal(cpuMask(40, null), "ff,ffffffff");
  assert.equal(cpuMask(8, new Uint32Array([0x1f5])), "f5");
  assert.equal(cpuList(64, null), "0-63");
  assert.equal(cpuList(40, new Uint32Array([0b1011, 0x80])), "0-1,3,39");
  assert.equal(cpuList(4, new Uint32Array(1)), "");
});

test("numbers in and out", () => {
  assert.equal(hex64(-1, 1), "ffffffff00000001");
  assert.equal(kbLine("MemFree", 4096), "MemFree:               4 kB\n");
  assert.equal(escapeOctal("a b\\c\n", " \n\\"), "a\\040b\\134c\\012");
  assert.equal(parseNumber(" -12\n"), -12);
  assert.equal(parseNumber("0x10"), 16);
  assert.equal(parseNumber("010"), 8);
  for (const bad of ["", "x", "1 2", "--1", "1e3", "0x"]) assert.ok(Number.isNaN(parseNumber(bad)), bad);
});

test("the load average nears the number of busy threads and fades", () => {
  const load = new LoadAverage();
  load.update(60e9, 120e9);
  assert.ok(Math.abs(load.values[0] - 2 * (1 - Math.exp(-1))) < 1e-9);
  load.update(600e9, 120e9 + 2 * 540e9);
  assert.ok(load.values[0] > 1.99 && load.values[2] > 0.9);
  load.update(1200e9, 120e9 + 2 * 540e9);
  assert.ok(load.values[0] < 0.01);
});
