import assert from "node:assert/strict";
import { test } from "node:test";
import { complete, foreignEntry } from "./complete-lockfile.ts";

test("foreignEntry() reads system, processor and C library from the name", () => {
  const common = { version: "1.0.0", dev: true, optional: true };
  assert.deepEqual(foreignEntry("@x/binding-darwin-arm64", "1.0.0"), { ...common, os: ["darwin"], cpu: ["arm64"] });
  assert.deepEqual(foreignEntry("@x/win32-ia32-msvc", "1.0.0"), { ...common, os: ["win32"], cpu: ["ia32"] });
  const musl = { ...common, os: ["linux"], cpu: ["x64"], libc: ["musl"] };
  assert.deepEqual(foreignEntry("@x/binding-linux-x64-musl", "1.0.0"), musl);
});

test("foreignEntry() leaves alone what runs here and what it cannot tell", () => {
  assert.equal(foreignEntry("@x/binding-linux-x64-gnu", "1.0.0"), undefined);
  assert.equal(foreignEntry("fsevents", "1.0.0"), undefined);
});

test("complete() adds only what is missing", () => {
  const there = { version: "1.0.0", optional: true };
  const packages = {
    "node_modules/a": { version: "1.0.0", optionalDependencies: { "a-darwin-x64": "1.0.0", "a-aix-ppc64": "1.0.0" } },
    "node_modules/a-aix-ppc64": there,
  };
  assert.deepEqual(complete(packages), ["a-darwin-x64"]);
  assert.equal((packages as Record<string, unknown>)["node_modules/a-aix-ppc64"], there);
  assert.deepEqual(complete(packages), []);
});
