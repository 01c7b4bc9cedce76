import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CliError } from "../errors.ts";
import { sampleSpec } from "./sample.ts";
import { validateSpec } from "./validate.ts";

function problem(value: unknown): string {
  try {
    validateSpec(value, "config.json");
  } catch (error) {
    assert.ok(error instanceof CliError);
    return error.message;
  }
  return "";
}

test("validateSpec() accepts what `tsvisor spec` writes", () => {
  const spec = validateSpec(JSON.parse(JSON.stringify(sampleSpec(["sh"], "/"))), "config.json");
  assert.deepEqual(spec.process.args, ["sh"]);
  assert.equal(spec.root.path, "rootfs");
  assert.equal(spec.mounts?.[0]?.destination, "/proc");
});

test("validateSpec() names the field that is wrong", () => {
  const good = (): { [k: string]: unknown } =>
    JSON.parse(JSON.stringify(sampleSpec(["sh"], "/"))) as { [k: string]: unknown };
  const cases: [string, (s: ReturnType<typeof good>) => void][] = [
    ["ociVersion", (s) => delete s["ociVersion"]],
    ["ociVersion", (s) => (s["ociVersion"] = "2.0.0")],
    ["process", (s) => delete s["process"]],
    ["process.args", (s) => ((s["process"] as { args: unknown }).args = [])],
    ["process.args[1]", (s) => ((s["process"] as { args: unknown }).args = ["a", 7])],
    ["process.cwd", (s) => ((s["process"] as { cwd: unknown }).cwd = "relative")],
    ["process.user.uid", (s) => ((s["process"] as { user: unknown }).user = { uid: -1, gid: 0 })],
    ["process.env[0]", (s) => ((s["process"] as { env: unknown }).env = [null])],
    [
      "process.rlimits[0].type",
      (s) => ((s["process"] as { rlimits: unknown }).rlimits = [{ type: "X", soft: 1, hard: 1 }]),
    ],
    ["root", (s) => delete s["root"]],
    ["root.path", (s) => (s["root"] = { path: "" })],
    ["mounts[0].destination", (s) => (s["mounts"] = [{ destination: "proc" }])],
    ["hostname", (s) => (s["hostname"] = 5)],
    ["linux.resources.memory.limit", (s) => (s["linux"] = { resources: { memory: { limit: "1g" } } })],
    ["linux.resources.memory.limit", (s) => (s["linux"] = { resources: { memory: { limit: 1024 } } })],
    ["linux.resources.pids", (s) => (s["linux"] = { resources: { pids: 7 } })],
  ];
  for (const [field, spoil] of cases) {
    const spec = good();
    spoil(spec);
    assert.ok(problem(spec).startsWith(`config.json: ${field}: `), `${field}: got '${problem(spec)}'`);
  }
});

test("limits of memory and threads; 0 or less is none", () => {
  const limits = (memory: number, pids: number): unknown => {
    const resources = { memory: { limit: memory }, pids: { limit: pids }, cpu: { shares: 2 } };
    return validateSpec({ ...sampleSpec(["sh"], "/"), linux: { resources } }, "config.json").linux;
  };
  assert.deepEqual(limits(2 ** 26, 100), { resources: { memory: { limit: 2 ** 26 }, pids: { limit: 100 } } });
  assert.deepEqual(limits(-1, 0), { resources: { memory: { limit: -1 }, pids: { limit: -1 } } });
});

test("validateSpec() refuses any JSON with one line, never with another exception", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = problem(value);
      assert.ok(!text.includes("\n"));
    }),
    { numRuns: 300 },
  );
});
