import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compile, parseDirectives } from "./program.ts";

test("parseDirectives() reads each comment, and has defaults", () => {
  assert.deepEqual(parseDirectives("int main(){}"), {
    flags: [],
    timeout: 30,
    skipPlatforms: [],
    status: undefined,
    doFlags: [],
  });
  const source = [
    "// What this tests.",
    "// flags: -dynamic  -ldl",
    "// timeout: 60",
    "// skip-platform: ptrace kvm (no such event there)",
    "// status: 3",
    "// do: --allow-suid",
  ].join("\n");
  const expected = {
    flags: ["-dynamic", "-ldl"],
    timeout: 60,
    skipPlatforms: ["ptrace", "kvm"],
    status: 3,
    doFlags: ["--allow-suid"],
  };
  assert.deepEqual(parseDirectives(source), expected);
});

test("parseDirectives() refuses what is no number and ignores later lines", () => {
  assert.throws(() => parseDirectives("// timeout: long"), /must be a number/);
  assert.equal(parseDirectives(`${"\n".repeat(20)}// timeout: 60`).timeout, 30);
});

test("compile() makes a program once for each source, and gives the compiler's words on a mistake", () => {
  const dir = mkdtempSync(join(tmpdir(), "program-test-"));
  try {
    const source = join(dir, "a.c");
    const out = join(dir, "out");
    writeFileSync(source, "// status: 4\nint main(void) { return 4; }\n");
    const first = compile(source, out);
    assert.ok(typeof first !== "string");
    assert.equal(spawnSync(first.executable).status, 4);
    const madeMs = statSync(first.executable).mtimeMs;
    const second = compile(source, out);
    assert.ok(typeof second !== "string");
    assert.equal(statSync(second.executable).mtimeMs, madeMs);
    writeFileSync(source, "int main(void) { return 5; }\n");
    const third = compile(source, out);
    assert.ok(typeof third !== "string");
    assert.notEqual(third.executable, first.executable);
    assert.equal(readdirSync(out).length, 1, "the old one is gone");
    writeFileSync(source, "int main(void) { return x; }\n");
    const words = compile(source, out);
    assert.ok(typeof words === "string");
    assert.match(words, /undeclared/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
