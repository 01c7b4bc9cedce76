/**
 * Makes the Debian root file system that tests run programs in: `node tools/rootfs.ts` prints its path.
 *
 * It is made once by debootstrap (needs root), kept outside the tree under a name that is a hash of the recipe, and
 * appears there only when complete. The mirror is the machine's own, taken from its apt sources;
 * TSVISOR_DEBIAN_MIRROR names another. Tests must not write to it: they run over it as a read-only lower layer.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What is in the root file system. Changing anything here makes a new one. */
export const recipe: Readonly<{ suite: string; variant: string; packages: readonly string[]; revision: number }> = {
  suite: "bookworm",
  variant: "minbase",
  packages: [
    "bash",
    "busybox-static",
    "coreutils",
    "findutils",
    "gawk",
    "gcc",
    "git",
    "grep",
    "gzip",
    "libc6-dev",
    "make",
    "nodejs",
    "perl",
    "procps",
    "python3",
    "sed",
    "sqlite3",
    "tar",
    "xz-utils",
  ],
  revision: 1,
};

/** The cache folder outside the tree, $XDG_CACHE_HOME/tsvisor or ~/.cache/tsvisor. */
export function cacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tsvisor");
}

/** Where the root file system of this recipe lies, whether or not it is there. */
export function rootfsPath(): string {
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  return join(cacheDir(), `rootfs-${hash}`);
}

/** The Debian mirror that this machine's apt uses for the recipe's release, or undefined when it uses none. */
export function machineMirror(): string | undefined {
  const given = process.env.TSVISOR_DEBIAN_MIRROR;
  if (given) return given;
  const format = "$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)";
  const run = spawnSync("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], { encoding: "utf8" });
  for (const line of (run.stdout ?? "").split("\n")) {
    const [codename, release, component, uri] = line.split("|");
    if (codename === recipe.suite && release === recipe.suite && component === "main" && uri) return uri;
  }
  return undefined;
}

function note(text: string): void {
  process.stderr.write(`rootfs: ${text}\n`);
}

/**
 * Makes the root file system unless it is there. Progress goes to stderr.
 * @returns its path.
 * @throws Error with one line that says what to do.
 */
export function ensureRootfs(): string {
  const path = rootfsPath();
  if (existsSync(path)) return path;
  if (process.getuid?.() !== 0) throw new Error("making the test root file system needs root (debootstrap)");
  const mirror = machineMirror();
  if (mirror === undefined) {
    throw new Error(`apt has no source for Debian ${recipe.suite}: set TSVISOR_DEBIAN_MIRROR to a mirror`);
  }
  mkdirSync(cacheDir(), { recursive: true });
  // Left by a run that was killed.
  for (const name of readdirSync(cacheDir())) {
    const pid = /^\.new-rootfs-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(cacheDir(), name), { recursive: true, force: true });
  }
  const temporary = mkdtempSync(join(cacheDir(), `.new-rootfs-${process.pid}-`));
  const stage = join(temporary, "root");
  note(`making ${path} with debootstrap (a few minutes, once)`);
  try {
    const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    const args = [`--variant=${recipe.variant}`, `--include=${recipe.packages.join(",")}`, "--merged-usr"];
    if (existsSync(keyring)) args.push(`--keyring=${keyring}`);
    const run = spawnSync("debootstrap", [...args, recipe.suite, stage, mirror], {
      stdio: ["ignore", 2, 2],
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        DEBIAN_FRONTEND: "noninteractive",
        LC_ALL: "C",
      },
    });
    if (run.error !== undefined) throw new Error(`debootstrap: ${run.error.message}`);
    if (run.status !== 0) throw new Error(`debootstrap failed with status ${run.status}`);
    for (const waste of ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]) {
      const dir = join(stage, waste);
      if (!existsSync(dir)) continue;
      for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true });
    }
    try {
      renameSync(stage, path);
    } catch (error) {
      // Another run was quicker.
      if (!existsSync(path)) throw error;
    }
    return path;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  try {
    console.log(ensureRootfs());
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
