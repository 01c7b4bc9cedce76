/**
 * Builds what users run: the native targets, then for each process a bundle, dist/{cli,boot,gofer}.code.cjs, a loader for it,
 * .cjs, and V8's code cache for it, .cache (src/host/code-cache.ts). Without the cache, which needs root to be made, everything
 * works and starts more slowly.
 *
 * Everything that is up to date is left alone. Usage: `node tools/build.ts [--force]`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build as esbuild } from "esbuild";
import { CACHE_LINE, NODE_OPTIONS, TRAIN_CACHES, TRAINING } from "../src/host/code-cache.ts";
import { buildNative } from "./build-native.ts";
import { makeImages } from "./image.ts";
import type { Lessons } from "./image.ts";

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

/** What runs a bundle with its code cache. */
function loader(name: string): string {
  return `"use strict";
const { readFileSync } = require("node:fs");
const { Script } = require("node:vm");
const filename = __dirname + "/${name}.code.cjs";
let cachedData;
try {
  cachedData = readFileSync(__dirname + "/${name}.cache");
} catch {}
const script = new Script(readFileSync(filename, "latin1"), { filename, cachedData });
cachedData = undefined;
if (process.env.${TRAINING} === "${TRAIN_CACHES}") globalThis.tsvisorCodeCache = () => script.createCachedData();
script.runInThisContext()(require, module, exports, __dirname, filename);
`;
}

/** A bundle with a function that lists its classes: src/host/image.unsafe.ts. */
function withClassList(code: string): string {
  const names = [...code.matchAll(/^(?:var|let|const) (\w+) = class\b/gm)].map((match) => match[1]);
  const end = code.lastIndexOf("})");
  return `${code.slice(0, end)}function tsvisorClasses() { return [${names.join(", ")}]; }\n${code.slice(end)}`;
}

/** What the processes do in training: what every sandbox does at its start, and what programs do most. */
const TRAINING_SCRIPT =
  "ls -l /usr >/dev/null; (:); /bin/true; echo x >/tmp/x; cat /tmp/x | wc -c >/dev/null; rm /tmp/x";

/** Runs a sandbox to make the code caches. */
function train(dist: string, names: readonly string[]): void {
  const command = [...NODE_OPTIONS, join(dist, "cli.cjs"), "do", "--", "/bin/sh", "-c", TRAINING_SCRIPT];
  const ran = spawnSync(process.execPath, command, {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", [TRAINING]: TRAIN_CACHES },
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "latin1",
    timeout: 20_000,
    // The command line passes SIGTERM on to its sandbox.
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024 * 1024,
  });
  const caches = new Map<string, Buffer>();
  for (const line of (ran.stderr ?? "").split("\n")) {
    const [mark, name, data] = line.split(" ");
    if (mark === CACHE_LINE && name !== undefined && data !== undefined) caches.set(name, Buffer.from(data, "base64"));
  }
  for (const name of names) {
    const cache = caches.get(name);
    if (cache !== undefined) writeFileSync(join(dist, `${name}.cache`), cache);
  }
  if (ran.status !== 0 || names.some((name) => !caches.has(name))) {
    process.stderr.write("build: no code cache, since no sandbox could be run here; starts will be slower\n");
  }
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
    entries.every(([name]) => existsSync(join(dist, `${name}.cjs`)) && existsSync(join(dist, `${name}.code.cjs`)));
  if (isFresh && !force) return true;
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist)) {
    // Of a build that was killed.
    const pid = /^\.new-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(dist, name), { recursive: true, force: true });
  }
  const temporary = join(dist, `.new-${process.pid}`);
  mkdirSync(temporary);
  try {
    await esbuild({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(entries),
      outdir: temporary,
      bundle: true,
      format: "cjs",
      outExtension: { ".js": ".code.cjs" },
      banner: { js: "(function (require, module, exports, __dirname, __filename) {" },
      footer: { js: "})" },
      define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
      platform: "node",
      target: "node26",
      // Fields become assignments in constructors: V8 does not inline a constructor whose base class has fields of its own, and
      // defines these one by one, by their names.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
      // Names stay: they are what a stack trace and a CPU profile show.
      minify: false,
      sourcemap: false,
      legalComments: "none",
      // The addon is loaded at run time by its path.
      external: ["*.node"],
      logLevel: "warning",
    });
    rmSync(join(dist, "images.stamp"), { force: true });
    for (const [name] of entries) {
      // The cache is the old code's: V8 looks at the length alone.
      rmSync(join(dist, `${name}.cache`), { force: true });
      rmSync(join(dist, `${name}.image`), { force: true });
      writeFileSync(
        join(dist, `${name}.code.cjs`),
        withClassList(readFileSync(join(temporary, `${name}.code.cjs`), "utf8")),
      );
      writeFileSync(join(dist, `${name}.cjs`), loader(name));
    }
    train(
      dist,
      entries.map(([name]) => name),
    );
    writeFileSync(stamp, digest);
    process.stderr.write(`build: bundled ${entries.map(([name]) => `dist/${name}.cjs`).join(" ")}\n`);
    return true;
  } catch {
    // esbuild has told the errors itself.
    process.stderr.write("build: the bundles could not be made\n");
    return false;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** The programs that have images, and what the sandboxes do that make them. */
const IMAGES = ["cli", "boot", "gofer"];
/** With a directory of the host for the time being. */
function lessons(directory: string): Lessons {
  const programs = existsSync("/usr/bin") ? "/usr/bin" : "/bin";
  const volumes = ["--volume", `${directory}:/training/data`, "--volume", `${programs}:/training/bin:ro`];
  const long = ["do", ...volumes, "--", "/bin/sh", join(root, "tools/training.sh")];
  const short = ["do", "--", "/bin/true"];
  return [long, long, long, short, short, short];
}

/** Makes the process images of the package in folder `dir`, which holds what was built. What was done is told on stderr. */
export async function trainImages(dir: string): Promise<void> {
  process.stderr.write("build: training the process images, some 45 seconds\n");
  const directory = mkdtempSync(join(tmpdir(), "tsvisor-training-"));
  let made = false;
  try {
    made = await makeImages(join(dir, "dist"), join(dir, "build/tsvisor"), IMAGES, lessons(directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stderr.write(
    made
      ? `build: made ${IMAGES.map((name) => `dist/${name}.image`).join(" ")}\n`
      : "build: no process images, since no sandbox could be run here; starts will be slower\n",
  );
}

/** Brings the process images up to date, where sandboxes can be run. */
async function images(): Promise<void> {
  const stamp = join(root, "dist/images.stamp");
  const hash = createHash("sha256").update(sourceHash()).update(process.version).update(release());
  const files = [
    "build/tsvisor",
    "build/tsvisor.node",
    "build/stub.elf",
    "build/vdso.so",
    "tools/training.sh",
    "tools/image.ts",
  ];
  for (const file of files) hash.update(readFileSync(join(root, file)));
  const digest = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  rmSync(stamp, { force: true });
  await trainImages(root);
  // Where it does not work, it is not tried each time.
  writeFileSync(stamp, digest);
}

/** Brings build/ and dist/ up to date; returns whether that worked. What was done is told on stderr. */
export async function build(force = false): Promise<boolean> {
  const isNativeOk = buildNative();
  const isOk = (await bundle(force)) && isNativeOk;
  if (isOk) await images();
  return isOk;
}

if (import.meta.main && !(await build(process.argv.includes("--force")))) process.exitCode = 1;
