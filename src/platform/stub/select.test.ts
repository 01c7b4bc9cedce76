import assert from "node:assert/strict";
import { openSync, closeSync } from "node:fs";
import { test } from "node:test";
import { selectPlatform } from "./select.ts";

test("each platform can be had by name", () => {
  for (const name of ["systrap", "ptrace"] as const) {
    const selection = selectPlatform(name, -1);
    assert.ok("platform" in selection);
    assert.equal(selection.platform.name, name);
    assert.deepEqual(selection.passedOver, []);
    selection.platform.shutdown();
  }
});

test("reasons are given when none runs", () => {
  const fd = openSync("/dev/null", "r"); // no executable
  const selection = selectPlatform("systrap", fd);
  closeSync(fd);
  assert.ok(!("platform" in selection));
  assert.equal(selection.length, 2);
  assert.match(selection[0]!, /^systrap: /);
  assert.match(selection[1]!, /^ptrace: /);
});
