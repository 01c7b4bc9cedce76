/** One C program of test/syscalls: what its first lines ask for, and compiling it once. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * What comments in the first 20 lines of a program say:
 *
 * - `// flags: WORDS` more words for the compiler's command line (`-dynamic` keeps it from being linked statically)
 * - `// timeout: SECONDS` for each run, 30 when left out
 * - `// do: FLAG...` for `tsvisor do`
 * - `// skip-platform: NAME... [(why)]`
 * - `// status: N` the exit status that the native run must have; any but the two that mean a broken test when left out
 */
export interface Directives {
  readonly flags: readonly string[];
  readonly timeout: number;
  readonly skipPlatforms: readonly string[];
  readonly doFlags: readonly string[];
  readonly status: number | undefined;
}

/** Reads the directives of a source text. Throws on one it does not know or cannot read. */
export function parseDirectives(source: string): Directives {
  let flags: readonly string[] = [];
  let timeout = 30;
  let skipPlatforms: readonly string[] = [];
  let doFlags: readonly string[] = [];
  let status: number | undefined;
  for (const line of source.split("\n").slice(0, 20)) {
    const match = /^\/\/ (flags|timeout|skip-platform|status|do):\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const text = match[2]!.replace(/\s*\(.*\)$/, "");
    const words = text.split(/\s+/).filter((word) => word !== "");
    if (match[1] === "flags") flags = words;
    else if (match[1] === "do") doFlags = words;
    else if (match[1] === "skip-platform") skipPlatforms = words;
    else if (!/^\d+$/.test(text)) throw new Error(`${match[1]} must be a number: ${line}`);
    else if (match[1] === "timeout") timeout = Number(text);
    else status = Number(text);
  }
  return { flags, timeout, skipPlatforms, status, doFlags };
}

/** A program that is ready to run. */
export interface Program {
  readonly name: string;
  readonly directives: Directives;
  readonly executable: string;
}

/**
 * Compiles `source` (a .c file) into `outDir` unless that was done before with the same sources and flags:
 * statically when it can be, dynamically otherwise.
 * @returns the program, or the compiler's words when it failed.
 */
export function compile(source: string, outDir: string): Program | string {
  const name = basename(source, ".c");
  const text = readFileSync(source, "utf8");
  const directives = parseDirectives(text);
  const dir = dirname(source);
  const hash = createHash("sha256").update(text);
  for (const header of readdirSync(dir).filter((file) => file.endsWith(".h"))) {
    hash.update(header).update(readFileSync(join(dir, header)));
  }
  const executable = join(outDir, `${name}-${hash.digest("hex").slice(0, 12)}`);
  const program: Program = { name, directives, executable };
  if (existsSync(executable)) return program;
  mkdirSync(outDir, { recursive: true });
  for (const old of readdirSync(outDir)) {
    if (old.startsWith(`${name}-`) && /^[0-9a-f]{12}$/.test(old.slice(name.length + 1))) rmSync(join(outDir, old));
  }
  const isDynamic = directives.flags.includes("-dynamic");
  const more = directives.flags.filter((flag) => flag !== "-dynamic");
  const temporary = `${executable}.${process.pid}.tmp`;
  let words = "";
  for (const link of isDynamic ? [[]] : [["-static"], []]) {
    const args = [
      "-O1",
      "-g",
      "-Wall",
      "-D_GNU_SOURCE",
      ...link,
      "-o",
      temporary,
      source,
      ...more,
      "-pthread",
      "-lrt",
      "-lm",
    ];
    const run = spawnSync("gcc", args, { encoding: "utf8" });
    words = run.error?.message ?? run.stderr;
    if (run.status === 0) {
      renameSync(temporary, executable);
      return program;
    }
  }
  rmSync(temporary, { force: true });
  return words;
}
