/** The end of {@link Host.fork}'s road: the copy becomes another program of ours. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { NODE_OPTIONS } from "./code-cache.ts";
import { linuxHost } from "./linux.unsafe.ts";
import { packageRoot, runsFromSource } from "./package-root.ts";
import { hostPath } from "./spawn-steps.ts";

/**
 * Runs a program, its bundle or in development its source file, with descriptor `configFd` as its argument, in a process that was forked
 * for it. The program ends the process; with `failure` when it cannot be run.
 */
export function become(program: "boot" | "gofer", configFd: number, failure: number): never {
  const root = packageRoot();
  if (runsFromSource()) {
    // Modules are loaded with the help of threads, which a copy has not got.
    const script = join(root, "src", program, "main.ts");
    const options = ["--disable-warning=ExperimentalWarning", ...NODE_OPTIONS];
    linuxHost().exec([process.execPath, ...options, script, String(configFd)].map(hostPath), []);
  } else {
    process.argv[2] = String(configFd);
    createRequire(join(root, "package.json"))(join(root, "dist", `${program}.cjs`));
  }
  return linuxHost().exitNow(failure);
}
