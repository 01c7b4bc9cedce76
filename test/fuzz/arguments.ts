/**
 * The argument tests: `npm run test:arguments -- --help`. arguments.c prints what each call answers
 * to bad arguments; every line must be the same natively and in the sandbox, but for those of exclusions.txt.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../harness/process.ts";
import { compile } from "../harness/program.ts";
import { cleanEnv, ensureBuilt, optionsText, readSuiteOptions, root, suiteUsage, tsvisor } from "../harness/sandbox.ts";
import { reportCount } from "../harness/summary.ts";

/** Answers by case: a label that comes several times is numbered. */
function parseAnswers(text: string): Map<string, string> {
  const answers = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(": ");
    if (at < 0) continue;
    const label = line.slice(0, at);
    let key = label;
    for (let n = 2; answers.has(key); n++) key = `${label} #${n}`;
    answers.set(key, line.slice(at + 2));
  }
  return answers;
}

function readExclusions(): RegExp[] {
  return readFileSync(join(root, "test/fuzz/exclusions.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => new RegExp(`^${line}( #\\d+)?$`));
}

const options = readSuiteOptions(
  suiteUsage(
    "npm run test:arguments",
    "Compares what each system call answers to bad arguments, natively and in sandboxes.",
    ["CALL", "a system call to test"],
  ),
);
await ensureBuilt();
const compiled = compile(join(root, "test/fuzz/arguments.c"), join(root, "build/test/fuzz"));
if (typeof compiled === "string") throw new Error(compiled);
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-arguments-"));
const nativeBase = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tsvisor-arguments-"));
for (const dir of [temporary, nativeBase]) chmodSync(dir, 0o755);
process.on("exit", () => {
  for (const dir of [temporary, nativeBase]) rmSync(dir, { recursive: true, force: true });
});

/** Runs the program on one side, in an empty directory; natively on a tmpfs, because the sandbox's files are in memory. */
async function answersOf(platform: string): Promise<Map<string, string>> {
  const isNative = platform === "native";
  const cwd = join(isNative ? nativeBase : temporary, "cwd");
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd);
  // Namespaces of its own: nothing of the machine's sockets and System V objects is there.
  const before = isNative
    ? ["unshare", "--net", "--ipc", "--"]
    : [tsvisor, "do", `--platform=${platform}`, ...options.doFlags, "--"];
  const command = [...before, compiledExecutable, ...options.names];
  const outcome = await run(command[0]!, command.slice(1), { cwd, env: { ...cleanEnv, PWD: cwd }, timeout: 400 });
  if (outcome.status !== 0) console.log(`${platform}: status ${outcome.status}\n${outcome.stderr.toString("latin1")}`);
  return parseAnswers(outcome.stdout.toString("latin1"));
}

const compiledExecutable = compiled.executable;
const exclusions = readExclusions();
const native = await answersOf("native");
let passed = 0;
let failed = native.size === 0 ? 1 : 0;
let skipped = 0;
for (const platform of options.platforms) {
  const sandbox = await answersOf(platform);
  for (const [label, expected] of native) {
    const got = sandbox.get(label) ?? "nothing";
    if (got === expected) passed++;
    else if (exclusions.some((pattern) => pattern.test(label))) skipped++;
    else {
      failed++;
      console.log(`FAIL ${platform.padEnd(8)} ${label}: natively ${expected}, in the sandbox ${got}`);
    }
  }
}
reportCount({ suite: `arguments (${optionsText(options)})`, passed, failed, skipped });
if (failed > 0) process.exitCode = 1;
