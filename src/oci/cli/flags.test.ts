import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError, EXIT_USAGE } from "../errors.ts";
import { describeFlags, FlagValues, parseFlags } from "./flags.ts";
import type { FlagSpec } from "./flags.ts";

const SPECS: readonly FlagSpec[] = [
  { name: "strace", kind: "bool", help: "log calls" },
  { name: "platform", kind: "string", value: "NAME", help: "how to run" },
  { name: "env", kind: "list", value: "K=V", help: "environment" },
];

function parse(...argv: string[]): { values: FlagValues; rest: string[] } {
  const values = new FlagValues();
  const at = parseFlags(argv, 0, SPECS, values, "do");
  return { values, rest: argv.slice(at) };
}

test("parseFlags() takes both spellings of a value and stops at the first word", () => {
  const { values, rest } = parse("--platform", "ptrace", "--env=A=1", "-env", "B=2", "cmd", "--strace");
  assert.equal(values.string("platform"), "ptrace");
  assert.deepEqual(values.list("env"), ["A=1", "B=2"]);
  assert.equal(values.bool("strace"), false);
  assert.deepEqual(rest, ["cmd", "--strace"]);
});

test("parseFlags() stops behind --", () => {
  assert.deepEqual(parse("--strace", "--", "--platform").rest, ["--platform"]);
});

test("parseFlags() names an unknown flag and a missing value", () => {
  assert.throws(
    () => parse("--nope"),
    (e) => e instanceof CliError && e.status === EXIT_USAGE && e.message.includes("'--nope'"),
  );
  assert.throws(
    () => parse("--platform"),
    (e) => e instanceof CliError && e.message.includes("needs a value"),
  );
  assert.throws(
    () => parse("--strace=maybe"),
    (e) => e instanceof CliError && e.message.includes("maybe"),
  );
});

test("describeFlags() lists every flag with its help", () => {
  const text = describeFlags(SPECS);
  assert.match(text, /--platform NAME\s+how to run/);
  assert.equal(text.split("\n").length, SPECS.length);
});
