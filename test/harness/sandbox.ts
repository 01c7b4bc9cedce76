/** What the suites that start sandboxes share: where the command is, which platforms there are, a clean environment. */
import { dirname, join } from "node:path";
import { buildNative } from "../../tools/build-native.ts";
import { build } from "../../tools/build.ts";

/** The repository's root. */
export const root: string = dirname(dirname(import.meta.dirname));

/** The command under test. */
export const tsvisor: string = join(root, "bin/tsvisor");

/**
 * Brings what bin/tsvisor runs up to date: the native parts and the bundles, or the native parts alone when
 * TSVISOR_SOURCE makes it run the sources. Throws Error when that fails; the reasons have been told on stderr.
 */
export async function ensureBuilt(): Promise<void> {
  const isBuilt = process.env.TSVISOR_SOURCE ? buildNative() : await build();
  if (!isBuilt) throw new Error("the build failed");
}

/** Platforms that every suite covers. */
export const platforms: readonly string[] = ["systrap", "ptrace"];

/** The environment of tested programs, the same natively and in the sandbox. */
export const cleanEnv: Readonly<Record<string, string>> = {
  ...(process.env.TSVISOR_SOURCE ? { TSVISOR_SOURCE: process.env.TSVISOR_SOURCE } : {}),
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
  TZ: "UTC",
};

/** Options that suites take: `--platform=P[,P]`, `--verbose`, `--jobs=N`, `--timeout-factor=N`; the rest are names. */
export interface SuiteOptions {
  readonly platforms: readonly string[];
  readonly isVerbose: boolean;
  readonly jobs: number;
  readonly timeoutFactor: number;
  readonly names: readonly string[];
  /** More flags for tsvisor, each given as `--do=FLAG`. */
  readonly doFlags: readonly string[];
}

/** Reads a suite's command line. Throws Error with one line on an unknown option. */
export function parseSuiteOptions(args: readonly string[]): SuiteOptions {
  let chosen = platforms;
  let isVerbose = false;
  let jobs = 2;
  let timeoutFactor = 1;
  const names: string[] = [];
  const doFlags: string[] = [];
  for (const arg of args) {
    const [name, value] = arg.startsWith("--") ? splitOption(arg) : ["", arg];
    if (name === "") names.push(value);
    else if (name === "--platform") chosen = value.split(",").filter((word) => word !== "");
    else if (name === "--verbose") isVerbose = true;
    else if (name === "--do") doFlags.push(value);
    else if (name === "--jobs" && Number(value) >= 1) jobs = Number(value);
    else if (name === "--timeout-factor" && Number(value) > 0) timeoutFactor = Number(value);
    else throw new Error(`unknown option: ${arg}`);
  }
  return { platforms: chosen, isVerbose, jobs, timeoutFactor, names, doFlags };
}

function splitOption(arg: string): [string, string] {
  const at = arg.indexOf("=");
  return at < 0 ? [arg, ""] : [arg.slice(0, at), arg.slice(at + 1)];
}

/** Runs `work` on each item, at most `jobs` at a time, started in order. */
export async function forEachParallel<T>(
  items: readonly T[],
  jobs: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

/** How the summary names what was tested: platforms, and flags. */
export function optionsText(options: SuiteOptions): string {
  return [options.platforms.join(", "), ...options.doFlags].join(" ");
}
