/**
 * The root file system of the benchmarks: a copy of the tests' one with the applications added, kept beside it. Packages
 * are fetched by this machine's apt and unpacked; nothing of theirs is run.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDir, ensureRootfs } from "../tools/rootfs.ts";

const PACKAGES = ["redis-server", "redis-tools", "sysbench"];
/** Changing what is done below makes a new one. */
const REVISION = 2;

/** Makes the root file system unless it is there; its path. Throws Error. */
export function ensureBenchRootfs(): string {
  const base = ensureRootfs();
  const path = `${base}-bench${REVISION}`;
  if (existsSync(path)) return path;
  const temporary = mkdtempSync(join(cacheDir(), ".new-bench-"));
  const stage = join(temporary, "root");
  const debs = join(temporary, "debs");
  try {
    process.stderr.write(`bench: making ${path} (once)\n`);
    execFileSync("cp", ["-a", "--reflink=auto", base, stage]);
    mkdirSync(join(debs, "partial"), { recursive: true });
    // What the copy has is not fetched again.
    const settings = [
      `Dir::State::status=${join(stage, "var/lib/dpkg/status")}`,
      `Dir::Cache::archives=${debs}`,
      "APT::Sandbox::User=root",
    ];
    const flags = ["-y", "-q", "--no-install-recommends", "--download-only", ...settings.flatMap((o) => ["-o", o])];
    execFileSync("apt-get", [...flags, "install", ...PACKAGES], { stdio: ["ignore", 2, 2] });
    for (const name of readdirSync(debs)) {
      if (!name.endsWith(".deb")) continue;
      // Not dpkg-deb -x: it would put directories in the place of the links /bin, /lib ...
      const tar = execFileSync("dpkg-deb", ["--fsys-tarfile", join(debs, name)], { maxBuffer: 1 << 28 });
      execFileSync("tar", ["-x", "--keep-directory-symlink", "-C", stage], { input: tar });
    }
    for (const dir of ["data", "bench"]) mkdirSync(join(stage, dir));
    execFileSync("ldconfig", ["-r", stage]);
    renameSync(stage, path);
    return path;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
