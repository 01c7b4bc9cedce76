/**
 * Builds what users run: the native targets, then one bundle for each process, dist/{cli,boot,gofer}.js.
 *
 * Everything that is up to date is left alone. Usage: `node tools/build.ts [--force]`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build as esbuild } from "esbuild";
import { buildNative } from "./build-native.ts";

const root: string = dirname(import.meta.dirname);

/** The processes that users start (or that those start), each with its entry module. */
export const entryPoints: Readonly<Record<string, string>> = {
  cli: "src/oci/cli/main.ts",
  boot: "src/boot/main.ts",
  gofer: "src/gofer/main.ts",
};

/** A hash over everything that goes into the bundles: each source's path and content, and the tools themselves. */
export function sourceHash(): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name) && !entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of [...files, "package-lock.json", "tools/build.ts"]) {
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file.replace(`${root}/`, ""))))
      .update("\0");
  }
  return hash.digest("hex");
}

async function bundle(force: boolean): Promise<boolean> {
  const entries = Object.entries(entryPoints).filter(([, source]) => existsSync(join(root, source)));
  for (const [name, source] of Object.entries(entryPoints)) {
    if (!existsSync(join(root, source))) process.stderr.write(`build: ${name}: no ${source} yet, skipped\n`);
  }
  if (entries.length === 0) return true;
  const dist = join(root, "dist");
  const stamp = join(dist, "stamp");
  const digest = sourceHash();
  const isFresh =
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === digest &&
    entries.every(([name]) => existsSync(join(dist, `${name}.js`)));
  if (isFresh && !force) return true;
  const temporary = join(root, `dist/.new-${process.pid}`);
  mkdirSync(temporary, { recursive: true });
  try {
    await esbuild({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(entries),
      outdir: temporary,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node26",
      // Names stay: they are what a stack trace and a CPU profile show.
      minify: false,
      sourcemap: false,
      legalComments: "none",
      // The addon is loaded at run time by its path.
      external: ["*.node"],
      logLevel: "warning",
    });
    for (const [name] of entries) renameSync(join(temporary, `${name}.js`), join(dist, `${name}.js`));
    writeFileSync(stamp, digest);
    process.stderr.write(`build: bundled ${entries.map(([name]) => `dist/${name}.js`).join(" ")}\n`);
    return true;
  } catch {
    // esbuild has told the errors itself.
    process.stderr.write("build: the bundles could not be made\n");
    return false;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Brings build/ and dist/ up to date; returns whether that worked. What was done is told on stderr. */
export async function build(force = false): Promise<boolean> {
  const isNativeOk = buildNative();
  return (await bundle(force)) && isNativeOk;
}

if (import.meta.main && !(await build(process.argv.includes("--force")))) process.exitCode = 1;
