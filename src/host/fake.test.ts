import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ENOENT } from "../abi/errno.ts";
import { FakeHost } from "./fake.ts";
import { linuxHost } from "./linux.unsafe.ts";

test("calls are recorded and answered from the script, once before always", () => {
  const fake = new FakeHost();
  fake.once("openat", 5, -ENOENT);
  fake.always("openat", 9);
  fake.always("read", (_fd, buf, off, len) => {
    buf.fill(7, off, off + len);
    return len;
  });
  const { host } = fake;
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => host.openat(-100, `/f${i}`, 0, 0)),
    [5, -ENOENT, 9, 9],
  );
  const buf = new Uint8Array(4);
  assert.equal(host.read(5, buf, 1, 2), 2);
  assert.deepEqual([...buf], [0, 7, 7, 0]);
  assert.equal(host.close(5), 0);
  assert.equal(host.isatty(0), false);
  assert.deepEqual(fake.callsOf("openat")[1], { name: "openat", args: [-100, "/f1", 0, 0] });
  assert.deepEqual(
    fake.calls.map((call) => call.name),
    ["openat", "openat", "openat", "openat", "read", "close", "isatty"],
  );
});

test("the real host has every function that the interface names", () => {
  const source = readFileSync(join(import.meta.dirname, "host.ts"), "utf8");
  const body = source.slice(source.indexOf("export interface Host {"));
  const names = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]!);
  assert.ok(names.length > 70, `${names.length} names`);
  const host = linuxHost() as unknown as Record<string, unknown>;
  for (const name of names) assert.equal(typeof host[name], "function", name);
});
