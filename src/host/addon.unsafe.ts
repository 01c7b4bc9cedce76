/**
 * Finds and loads the native addon, build/tsvisor.node. Only src/host and src/platform use it.
 *
 * It is found from sources as from bundles; the environment variable TSVISOR_ADDON names another file.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

const ADDON = "build/tsvisor.node";

let loaded: unknown;

/** The addon's path; throws when it has not been built. */
export function addonPath(): string {
  const named = process.env.TSVISOR_ADDON;
  if (named !== undefined && named !== "") return named;
  const path = join(packageRoot(), ADDON);
  if (!existsSync(path)) throw new Error(`${path} is missing: run 'npm run build:native'`);
  return path;
}

/**
 * The addon's functions, loaded once. `T` is the caller's view of them: an interface of the functions it uses, as
 * native/addon/*.c registers them.
 */
export function loadAddon<T>(): T {
  if (loaded === undefined) {
    const module: { exports: unknown } = { exports: {} };
    process.dlopen(module, addonPath());
    loaded = module.exports;
  }
  return loaded as T;
}
