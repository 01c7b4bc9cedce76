/** What the suites that start sandboxes share: where the command is, which platforms there are, a clean environment. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildNative } from "../../tools/build-native.ts";
import { build } from "../../tools/build.ts";
import { parseOptions, POSITIVE, POSITIVE_INTEGER, readOptions } from "../../tools/options.ts";
import type { Options, OptionSpec, Usage } from "../../tools/options.ts";

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

/**
 * An empty home. With a socket as its standard input, which is what the harness gives, bash takes itself for a remote shell and
 * reads ~/.bashrc; those of people's machines start programs and take locks, which on the host's root a sandbox sees as well, and
 * for ever.
 */
const home = mkdtempSync(join(tmpdir(), "tsvisor-home-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

/** The environment of tested programs, the same natively and in the sandbox. */
export const cleanEnv: Readonly<Record<string, string>> = {
  ...(process.env.TSVISOR_SOURCE ? { TSVISOR_SOURCE: process.env.TSVISOR_SOURCE } : {}),
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: home,
  LANG: "C.UTF-8",
  TZ: "UTC",
};

/** Options that all suites take; {@link suiteOptionSpecs} says what each means. */
export interface SuiteOptions {
  readonly platforms: readonly string[];
  readonly isVerbose: boolean;
  readonly jobs: number;
  readonly timeoutFactor: number;
  readonly names: readonly string[];
  /** More flags for tsvisor, each given as `--do=FLAG`. */
  readonly doFlags: readonly string[];
  /** Everything that was given, the suite's own options too. */
  readonly given: Options;
}

/** A list of platforms, as an option has it. */
export const PLATFORM_LIST: RegExp = /^(systrap|ptrace|native)(,(systrap|ptrace|native))*$/;

const suiteOptionSpecs: readonly OptionSpec[] = [
  {
    name: "--platform",
    value: "P[,P]",
    pattern: PLATFORM_LIST,
    help: `where to run: ${platforms.join(", ")} (both when left out); native compares two native runs`,
  },
  { name: "--jobs", value: "N", pattern: POSITIVE_INTEGER, help: "how many at a time, 2 when left out" },
  { name: "--timeout-factor", value: "N", pattern: POSITIVE, help: "time limits in the sandbox, times this" },
  { name: "--do", value: "WORD", help: "one more word for 'tsvisor do' (repeatable)" },
  { name: "--verbose", help: "show what the programs print" },
];

/** What a suite takes besides the options of all suites. */
export function suiteUsage(
  command: string,
  about: string,
  words: readonly [string, string],
  more: readonly OptionSpec[] = [],
): Usage {
  return { command, about, words, options: [...suiteOptionSpecs, ...more] };
}

/** Reads a suite's command line. Throws Error with one line about what is wrong. */
export function parseSuiteOptions(usage: Usage, args: readonly string[]): SuiteOptions {
  const given = parseOptions(usage, args);
  return {
    platforms: given.value("--platform", platforms.join(",")).split(","),
    isVerbose: given.has("--verbose"),
    jobs: given.number("--jobs", 2),
    timeoutFactor: given.number("--timeout-factor", 1),
    names: given.words,
    doFlags: given.all("--do"),
    given,
  };
}

/** Reads this process's command line; on `--help` or a mistake it ends here. */
export function readSuiteOptions(usage: Usage): SuiteOptions {
  return readOptions(usage, (args) => parseSuiteOptions(usage, args));
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
