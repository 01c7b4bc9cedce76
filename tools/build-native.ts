/**
 * Compiles the targets of native-targets.ts with the machine's own C compiler: `node tools/build-native.ts [NAME...]`.
 *
 * A target is built again when its command line, its sources or its headers changed (a hash of all of them lies beside
 * the result), and replaced by rename, so that a process that has the old file open keeps it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { commonFlags, nativeTargets } from "./native-targets.ts";
import type { NativeTarget } from "./native-targets.ts";

const root: string = dirname(import.meta.dirname);

/** What became of one target. */
export type NativeResult = "built" | "fresh" | "absent" | "failed";

function filesOf(dir: string): string[] {
  const path = join(root, dir);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The folder of node_api.h. */
export function nodeApiInclude(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve("node-api-headers/package.json")), "include");
}

/** The compiler's arguments for a target, without the output; sources are paths below the root. */
export function compileArgs(target: NativeTarget, sources: readonly string[]): string[] {
  const flags = target.flags.map((flag) =>
    flag.replace("{node-api}", nodeApiInclude()).replace("{src}", join(root, target.dir)),
  );
  return [...commonFlags, ...flags, ...sources, ...(target.libs ?? [])];
}

function buildTarget(target: NativeTarget): NativeResult {
  const sources = readdirTop(target);
  if (sources.length === 0) return "absent";
  const cc = process.env.CC ?? "cc";
  const args = compileArgs(target, sources);
  const hash = createHash("sha256").update(JSON.stringify([cc, args]));
  for (const dir of [target.dir, ...(target.watch ?? [])]) {
    for (const file of filesOf(dir)) hash.update(file).update(readFileSync(file));
  }
  const digest = hash.digest("hex");
  const out = join(root, target.out);
  const stamp = `${out}.stamp`;
  if (existsSync(out) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return "fresh";
  mkdirSync(dirname(out), { recursive: true });
  const temporary = `${out}.${process.pid}.tmp`;
  const run = spawnSync(cc, [...args, "-o", temporary], { stdio: ["ignore", 2, 2] });
  if (run.error !== undefined || run.status !== 0) {
    rmSync(temporary, { force: true });
    process.stderr.write(`build-native: ${target.name}: ${run.error?.message ?? `${cc} failed`}\n`);
    return "failed";
  }
  renameSync(temporary, out);
  writeFileSync(stamp, digest);
  return "built";
}

function readdirTop(target: NativeTarget): string[] {
  const dir = join(root, target.dir);
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((name) => target.extensions.some((extension) => name.endsWith(extension)))
    .sort()
    .map((name) => join(dir, name));
}

/**
 * Builds the named targets, all of them when no name is given.
 * @returns whether every one that has sources is up to date now; what was done is told on stderr.
 */
export function buildNative(names: readonly string[] = []): boolean {
  let ok = true;
  for (const target of nativeTargets) {
    if (names.length > 0 && !names.includes(target.name)) continue;
    const result = buildTarget(target);
    if (result === "failed") ok = false;
    if (result === "built") process.stderr.write(`build-native: built ${target.out}\n`);
    if (result === "absent")
      process.stderr.write(`build-native: ${target.name}: no sources in ${target.dir}, skipped\n`);
  }
  return ok;
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !nativeTargets.some((target) => target.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`build-native: no such target: ${unknown.join(" ")}\n`);
    process.exitCode = 2;
  } else if (!buildNative(names)) {
    process.exitCode = 1;
  }
}
