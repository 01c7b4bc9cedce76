/**
 * Adds to package-lock.json what a registry without the packages for other systems leaves out: the optional packages
 * that hold binaries for them. `npm ci` refuses a lock file in which they are missing, although it would never install
 * them here. Run it after a change of dependencies; `--check` only says whether it is needed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

interface LockEntry {
  version: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const processors = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

/**
 * The entry for a package whose name says what it is for ("@oxlint/binding-linux-arm64-musl").
 * @returns undefined when the name does not tell, or tells of a system that this project runs on.
 */
export function foreignEntry(name: string, version: string): LockEntry | undefined {
  const words = name.slice(name.lastIndexOf("/") + 1).split("-");
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const isMusl = words.includes("musl") || words.includes("musleabihf");
  if (os === "linux" && cpu === "x64" && !isMusl) return undefined;
  const entry: LockEntry = { version, dev: true, optional: true, os: [os], cpu: [cpu] };
  return isMusl ? { ...entry, libc: ["musl"] } : entry;
}

/** Adds the missing entries to the lock file's `packages`; returns their names. */
export function complete(packages: Record<string, LockEntry>): string[] {
  const added: string[] = [];
  for (const entry of Object.values(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      if (Object.hasOwn(packages, key)) continue;
      const foreign = foreignEntry(name, version);
      if (foreign === undefined) continue;
      packages[key] = foreign;
      added.push(name);
    }
  }
  return added;
}

if (import.meta.main) {
  const path = join(dirname(import.meta.dirname), "package-lock.json");
  const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, LockEntry> };
  const added = complete(lock.packages);
  for (const name of added) console.log(`complete-lockfile: ${name}`);
  if (process.argv.includes("--check")) {
    if (added.length > 0) process.exitCode = 1;
  } else if (added.length > 0) {
    lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  }
}
