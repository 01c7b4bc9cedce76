/** Debian packages and sources that the suites need. What they print goes to stderr. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../harness/sandbox.ts";

/** Where sources and what is built of them stay between runs. */
export const cacheDir: string = join(root, "build/suites");

function runOrThrow(command: string, args: readonly string[], cwd: string = root): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const run = spawnSync(command, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (run.status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(" ")} ... failed`);
}

function isInstalled(name: string): boolean {
  const run = spawnSync("dpkg-query", ["-W", "-f=${Status}", name], { encoding: "utf8" });
  return run.status === 0 && run.stdout.includes("ok installed");
}

/** Installs what is missing of `packages`. */
export function ensurePackages(packages: readonly string[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  console.error(`suites: installing ${missing.join(" ")}`);
  const args = ["install", "-y", "--no-install-recommends", ...missing];
  const run = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2] });
  if (run.status === 0) return;
  runOrThrow("apt-get", ["update"]);
  runOrThrow("apt-get", args);
}

/** The machine's own package sources with deb-src in place of deb, as one deb822 or one-line file each. */
function sourceLists(): Map<string, string> {
  const lists = new Map<string, string>();
  const add = (file: string, name: string): void => {
    if (!existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".sources")) lists.set(name, text.replaceAll(/^Types:.*$/gm, "Types: deb-src"));
    else if (file.endsWith(".list")) lists.set(name, text.replaceAll(/^deb /gm, "deb-src "));
  };
  add("/etc/apt/sources.list", "main.list");
  const parts = "/etc/apt/sources.list.d";
  // Other sources than Debian's own often have no source packages.
  if (existsSync(parts)) {
    for (const file of readdirSync(parts)) {
      const text = readFileSync(join(parts, file), "utf8");
      if (/\bbookworm main\b|Suites: bookworm\b|Suites: bookworm-/.test(text)) add(join(parts, file), file);
    }
  }
  return lists;
}

/** Fetches with apt-get and package lists of our own below `cacheDir`: the machine's stay as they are. */
function fetchSource(name: string, words: readonly string[], dir: string): void {
  ensurePackages(["dpkg-dev", "xz-utils", "patch"]);
  const apt = join(cacheDir, "apt");
  rmSync(apt, { recursive: true, force: true });
  for (const sub of ["parts", "lists/partial"]) mkdirSync(join(apt, sub), { recursive: true });
  for (const [file, text] of sourceLists()) writeFileSync(join(apt, "parts", file), text);
  const options = [
    `-oDir::Etc::sourcelist=/dev/null`,
    `-oDir::Etc::sourceparts=${join(apt, "parts")}`,
    `-oDir::State::lists=${join(apt, "lists")}`,
    "-oAPT::Sandbox::User=root",
  ];
  runOrThrow("apt-get", [...options, "update"]);
  runOrThrow("apt-get", [...options, "source", "--allow-unauthenticated", ...words, name], dir);
}

/** The directory in `cacheDir/dirName`, which `make` makes when it is not there yet. */
function ensureDirectory(dirName: string, make: (dir: string) => void): string {
  const dir = join(cacheDir, dirName);
  const found = (): string | undefined =>
    existsSync(dir) ? readdirSync(dir, { withFileTypes: true }).find((entry) => entry.isDirectory())?.name : undefined;
  const there = found();
  if (there !== undefined) return join(dir, there);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  try {
    make(dir);
    const made = found();
    if (made === undefined) throw new Error(`apt-get source for ${dirName}: nothing unpacked`);
    return join(dir, made);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** The unpacked source of a Debian source package (with Debian's changes), fetched once; returns its directory. */
export function ensureSource(name: string): string {
  return ensureDirectory(name, (dir) => fetchSource(name, [], dir));
}

/** A part of a Debian source package as its authors published it: what `glob` matches in the archive; returns the top directory. */
export function ensureUpstream(name: string, glob: string): string {
  return ensureDirectory(`${name}-upstream`, (dir) => {
    fetchSource(name, ["--tar-only", "--download-only"], dir);
    const archive = readdirSync(dir).find((file) => file.includes(".orig.tar."));
    if (archive === undefined) throw new Error(`apt-get source ${name}: no archive`);
    runOrThrow("tar", ["-xf", archive, "--wildcards", glob], dir);
    rmSync(join(dir, archive));
  });
}
