/**
 * The differential system call tests: each C program of test/syscalls runs natively and then in a sandbox on each
 * platform; stdout and exit status must be equal.
 *
 * `npm run test:syscalls -- --help` tells of its options; program.ts says what a program may ask for in its first lines.
 * Needs root, as sandboxes do.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./process.ts";
import type { Outcome } from "./process.ts";
import { compile } from "./program.ts";
import type { Program } from "./program.ts";
import {
  cleanEnv,
  ensureBuilt,
  forEachParallel,
  optionsText,
  readSuiteOptions,
  root,
  suiteUsage,
  tsvisor,
} from "./sandbox.ts";
import type { SuiteOptions } from "./sandbox.ts";
import { reportCount } from "./summary.ts";

const sourceDir = join(root, "test/syscalls");

class Suite {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly failures: string[] = [];
  readonly options: SuiteOptions;
  /** A temporary folder; each program has its working directories in a folder of its own there. */
  readonly temporary: string;

  constructor(options: SuiteOptions, temporary: string) {
    this.options = options;
    this.temporary = temporary;
  }

  /** Compiles and runs one program everywhere. */
  async test(source: string): Promise<void> {
    const name = source.replace(/\.c$/, "");
    const compiled = compile(join(sourceDir, source), join(root, "build/test/syscalls"));
    if (typeof compiled === "string") {
      this.fail("compile", name, compiled);
      return;
    }
    const native = await this.runIn(compiled, [compiled.executable], 1);
    const complaint = nativeComplaint(compiled, native);
    if (complaint !== undefined) {
      this.fail("native", name, `${complaint}\n${native.stdout}${native.stderr}`);
      return;
    }
    if (this.options.isVerbose) process.stdout.write(`--- ${name} natively ---\n${native.stdout}${native.stderr}`);
    for (const platform of this.options.platforms) await this.compare(compiled, native, platform);
  }

  /** Runs a program on one platform and compares with its native run. */
  private async compare(program: Program, native: Outcome, platform: string): Promise<void> {
    if (platform === "native") {
      this.pass(platform, program.name, native.seconds);
      return;
    }
    if (program.directives.skipPlatforms.includes(platform)) {
      this.skipped++;
      console.log(`skip ${platform.padEnd(8)} ${program.name}`);
      return;
    }
    const command = [
      tsvisor,
      "do",
      `--platform=${platform}`,
      ...this.options.doFlags,
      ...program.directives.doFlags,
      "--",
      program.executable,
    ];
    const sandboxed = await this.runIn(program, command, this.options.timeoutFactor);
    if (
      !sandboxed.isTimedOut &&
      sandboxed.status === native.status &&
      Buffer.compare(sandboxed.stdout, native.stdout) === 0
    ) {
      this.pass(platform, program.name, sandboxed.seconds);
      if (this.options.isVerbose) process.stdout.write(sandboxed.stderr);
      return;
    }
    const again = await this.runIn(program, [program.executable], 1);
    const isStable = again.status === native.status && Buffer.compare(again.stdout, native.stdout) === 0;
    this.fail(platform, program.name, this.describe(program.name, native, sandboxed, isStable));
  }

  /** Runs a command in a fresh working directory, whose path is the same for each run of a program. */
  private async runIn(program: Program, command: readonly string[], factor: number): Promise<Outcome> {
    const cwd = join(this.temporary, program.name);
    rmSync(cwd, { recursive: true, force: true });
    mkdirSync(cwd);
    try {
      const options = { cwd, env: { ...cleanEnv, PWD: cwd }, timeout: program.directives.timeout * factor };
      return await run(command[0]!, command.slice(1), options);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  }

  /** What differs, in words and as a diff. */
  private describe(name: string, native: Outcome, sandboxed: Outcome, isStable: boolean): string {
    const lines: string[] = [];
    if (sandboxed.isTimedOut) lines.push("timed out");
    if (!isStable) lines.push("a second native run gave other output: the program itself is not deterministic");
    if (sandboxed.status !== native.status) lines.push(`exit status ${sandboxed.status}, natively ${native.status}`);
    if (Buffer.compare(sandboxed.stdout, native.stdout) !== 0) {
      const files = [join(this.temporary, `${name}.native`), join(this.temporary, `${name}.sandbox`)] as const;
      writeFileSync(files[0], native.stdout);
      writeFileSync(files[1], sandboxed.stdout);
      const labels = ["--label", "native", "--label", "sandbox"];
      const diff = spawnSync("diff", ["-a", "-u", ...labels, ...files], { encoding: "latin1" });
      lines.push(clip(diff.stdout ?? "", 60));
    }
    if (sandboxed.stderr.length > 0) lines.push(`stderr:\n${clip(sandboxed.stderr.toString("latin1"), 30)}`);
    if (sandboxed.state !== "") lines.push(`when its time was over:\n${sandboxed.state}`);
    return lines.join("\n");
  }

  private pass(platform: string, name: string, seconds: number): void {
    this.passed++;
    console.log(`ok   ${platform.padEnd(8)} ${name} (${seconds.toFixed(1)} s)`);
  }

  private fail(platform: string, name: string, why: string): void {
    this.failed++;
    this.failures.push(`${platform} ${name}`);
    console.log(`FAIL ${platform.padEnd(8)} ${name}\n${why.trimEnd().replace(/^/gm, "       ")}`);
  }
}

/** Why a native run cannot be a reference, or undefined. */
function nativeComplaint(program: Program, native: Outcome): string | undefined {
  if (native.isTimedOut) return "timed out natively";
  if (native.isCut) return "prints too much";
  const expected = program.directives.status;
  if (expected !== undefined && native.status !== expected) {
    return `natively exit status ${native.status}, expected ${expected}`;
  }
  // What check.h uses when a program's own preconditions do not hold.
  if (native.status === 98 || native.status === 99)
    return `natively exit status ${native.status}: cannot be tested here`;
  return native.stdout.length === 0 ? "printed nothing natively" : undefined;
}

function clip(text: string, maxLines: number): string {
  const lines = text.trimEnd().split("\n");
  if (lines.length <= maxLines) return lines.join("\n");
  return [...lines.slice(0, maxLines), `... ${lines.length - maxLines} more lines`].join("\n");
}

const options = readSuiteOptions(
  suiteUsage(
    "npm run test:syscalls",
    "Runs the C programs of test/syscalls natively and in sandboxes; what they print and how they end must be equal.",
    ["NAME", "a part of the name of a program to run"],
  ),
);
if (options.platforms.some((platform) => platform !== "native")) await ensureBuilt();
const sources = readdirSync(sourceDir)
  .filter((file) => file.endsWith(".c"))
  .filter((file) => options.names.length === 0 || options.names.some((name) => file.includes(name)))
  .sort();
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-syscalls-"));
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
const suite = new Suite(options, temporary);
await forEachParallel(sources, options.jobs, (source) => suite.test(source));
if (sources.length === 0) console.log(`no program in test/syscalls is named ${options.names.join(" or ")}`);
if (suite.failures.length > 0) console.log(`failed:\n  ${suite.failures.join("\n  ")}`);
reportCount({
  suite: `system calls (${optionsText(options)})`,
  passed: suite.passed,
  failed: suite.failed,
  skipped: suite.skipped,
});
if (suite.failed > 0 || sources.length === 0) process.exitCode = 1;
