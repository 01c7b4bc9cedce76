/**
 * `npm test`: installs what is missing (npm and Debian packages, the test root file system), builds and runs every test.
 * Its last line is "N passed, N failed" over all suites. Options: see tools/test-all.ts. Needs root.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { SetupError, ensureCompiler, ensureDebianPackages, ensureModules, note, pinnedNode, root } from "./setup.mjs";

/** Debian packages that the tests use on this machine; tools/rootfs.ts names those of the test root file system. */
const packages = [
  "busybox-static",
  "debootstrap",
  "diffutils",
  "diod",
  "gcc",
  "git",
  "less",
  "libc6-dev",
  "libpython3.11-testsuite",
  "make",
  "perl",
  "procps",
  "python3",
  "python3.11",
  "sqlite3",
  "tmux",
  "vim-tiny",
  "wget",
  "xz-utils",
];

try {
  ensureModules();
  ensureCompiler();
  ensureDebianPackages(packages);
  const run = spawnSync(pinnedNode, [join(root, "tools/test-all.ts"), ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
  });
  process.exitCode = run.status ?? 1;
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  note(error.message);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
}
