/** Runs many sequences in one process start, natively or in a sandbox, and compares what they print. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../harness/process.ts";
import { cleanEnv, tsvisor } from "../harness/sandbox.ts";
import type { Operation, Sequence } from "./generate.ts";

/** Where a sequence's output differs. */
export interface Difference {
  readonly sequence: Sequence;
  readonly native: readonly string[];
  readonly sandbox: readonly string[];
  /** The first line that differs, as printed natively and in the sandbox. */
  readonly first: readonly [string, string];
}

/** What the runner of batches needs. */
export interface Bench {
  /** The interpreter. */
  readonly executable: string;
  /** A temporary folder that nobody else uses. */
  readonly temporary: string;
  /** A directory for the native runs, on a tmpfs where there is one. */
  readonly nativeCwd: string;
  readonly platform: string;
}

/** A sequence as the interpreter reads it. */
export function sequenceText(sequence: Sequence): string {
  return sequence.map((operation: Operation) => `${operation.join(" ")}\n`).join("");
}

/** Reads what sequenceText() has written; lines that start with `#` are comments. */
export function parseSequence(text: string): Sequence {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" "));
}

/** Runs the command in an empty file system at the working directory. */
const ownFiles = 'mount -t tmpfs -o mode=755 none "$PWD" && cd "$PWD" && exec "$@"';

/** Signals of one user are counted on the whole machine: native runs of several fuzzers take turns. */
const inTurn: readonly string[] = ["flock", join(tmpdir(), "tsvisor-fuzz.lock")];

/** Settings of the machine that decide who may open what: the sandbox gets the same. */
const settings: readonly string[] = [
  "protected_fifos",
  "protected_hardlinks",
  "protected_regular",
  "protected_symlinks",
];
const sameSettings: string = settings
  .map((name) => `/proc/sys/fs/${name}`)
  .map((file) => `echo ${readFileSync(file, "latin1").trim()} >${file};`)
  .join(" ");

/** Runs sequences on one side; gives each one's lines, fewer than sequences when the whole program broke off. */
async function runSide(bench: Bench, sequences: readonly Sequence[], isNative: boolean): Promise<string[][]> {
  const program = join(bench.temporary, "program");
  // The sandbox's files are in memory, so natively they are too: other file systems differ in many errors.
  const cwd = isNative ? bench.nativeCwd : join(bench.temporary, "cwd");
  writeFileSync(program, sequences.map((sequence, i) => `= ${i}\n${sequenceText(sequence)}`).join(""));
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd, { mode: 0o755 });
  // Namespaces of its own, where names of sockets and queues are free, and a file system, which like the sandbox's is mounted
  // with no special flags.
  const before = isNative
    ? [...inTurn, "unshare", "--mount", "--net", "--ipc", "--", "sh", "-c", ownFiles, "sh"]
    : [tsvisor, "do", `--platform=${bench.platform}`, "--", "sh", "-c", `${sameSettings} exec "$@"`, "sh"];
  const command = [...before, bench.executable, program, ...(bench.platform === "ptrace" ? ["unknown"] : [])];
  try {
    const outcome = await run(command[0]!, command.slice(1), {
      cwd,
      env: { ...cleanEnv, PWD: cwd },
      timeout: 300 + 2 * sequences.length,
      maxBytes: 512 * 1024 * 1024,
    });
    const text = outcome.stdout.toString("latin1");
    const parts = text.split(/^= \d+\n/m).slice(1);
    const outputs = parts.map((part) => part.split("\n"));
    if (outcome.status !== 0) {
      const why = `${outcome.isTimedOut ? "timed out" : `status ${outcome.status}`}: ${outcome.stderr.toString("latin1")}${outcome.state}`;
      outputs.push([...(outputs.pop() ?? []), why]);
    }
    return outputs;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** Whether Linux itself has several answers: the sequence's output natively is not always what it was when it differed. */
export async function variesNatively(bench: Bench, difference: Difference): Promise<boolean> {
  const { sequence } = difference;
  const outputs = await runSide(bench, [sequence, sequence, sequence], true);
  const expected = difference.native.join("\n");
  return outputs.some((lines) => lines.join("\n") !== expected);
}

/** Runs sequences on both sides. Gives each one that differs, by its place; those that nobody has run are left out. */
export async function compareBatch(bench: Bench, sequences: readonly Sequence[]): Promise<Map<number, Difference>> {
  const native = await runSide(bench, sequences, true);
  const sandbox = await runSide(bench, sequences, false);
  if (native.length !== sequences.length) {
    throw new Error(`the native run broke off: ${native.at(-1)?.slice(-3).join("\n")}`);
  }
  const differences = new Map<number, Difference>();
  for (const [i, sequence] of sequences.entries()) {
    const expected = native[i]!;
    const got = sandbox[i];
    if (got === undefined) break;
    const at = expected.findIndex((line, k) => line !== got[k]);
    if (at < 0 && expected.length === got.length) continue;
    const first = at < 0 ? expected.length : at;
    differences.set(i, {
      sequence,
      native: expected,
      sandbox: got,
      first: [expected[first] ?? "(end)", got[first] ?? "(end)"],
    });
  }
  return differences;
}
