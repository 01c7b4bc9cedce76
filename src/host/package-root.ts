/** Where this package lies: the folder with package.json, from sources (src/host) as from bundles (dist). */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Absolute path of the package's folder. */
export function packageRoot(): string {
  for (let dir = import.meta.dirname; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "package.json"))) return dir;
    if (dir === "/") throw new Error("package.json is missing: the installation is damaged");
  }
}

/** True when the sources themselves run, not the bundles. */
export function runsFromSource(): boolean {
  return import.meta.filename.endsWith(".ts");
}
