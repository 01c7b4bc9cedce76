/** Command lines of the suites and the benchmarks: one table for each says what it takes, what `--help` prints, and what is wrong. */

/** One option: `--name` or `--name=VALUE`. */
export interface OptionSpec {
  readonly name: string;
  /** What stands behind "=", for the help; left out: it takes no value. */
  readonly value?: string;
  /** What the value must match; anything but nothing when left out. */
  readonly pattern?: RegExp;
  readonly help: string;
}

/** What a suite takes. */
export interface Usage {
  /** How it is called: "npm run test:syscalls". */
  readonly command: string;
  readonly about: string;
  /** What words that are no options mean: a name for the usage line and its explanation; left out: there are none. */
  readonly words?: readonly [string, string];
  readonly options: readonly OptionSpec[];
}

/** A whole number above 0. */
export const POSITIVE_INTEGER: RegExp = /^[1-9]\d{0,8}$/;
/** A number above 0. */
export const POSITIVE: RegExp = /^(?=.*[1-9])\d{1,9}(\.\d+)?$/;

/** A command line that was read. */
export class Options {
  private readonly given: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];

  constructor(given: ReadonlyMap<string, readonly string[]>, words: readonly string[]) {
    this.given = given;
    this.words = words;
  }

  has(name: string): boolean {
    return this.given.has(name);
  }

  /** Every value that an option was given. */
  all(name: string): readonly string[] {
    return this.given.get(name) ?? [];
  }

  /** The last one, or `otherwise`. */
  value(name: string, otherwise: string): string {
    return this.all(name).at(-1) ?? otherwise;
  }

  number(name: string, otherwise: number): number {
    const text = this.all(name).at(-1);
    return text === undefined ? otherwise : Number(text);
  }
}

/** Reads a command line. Throws Error with one line about the first word that is wrong. */
export function parseOptions(usage: Usage, args: readonly string[]): Options {
  const given = new Map<string, string[]>();
  const words: string[] = [];
  for (const arg of args) {
    if (!arg.startsWith("-") || arg === "-") {
      if (usage.words === undefined) throw new Error(`unexpected word: ${arg}`);
      words.push(arg);
      continue;
    }
    const at = arg.indexOf("=");
    const name = at < 0 ? arg : arg.slice(0, at);
    const spec = usage.options.find((option) => option.name === name);
    if (spec === undefined) throw new Error(`unknown option: ${arg}`);
    if (spec.value === undefined && at >= 0) throw new Error(`${name} takes no value`);
    const value = at < 0 ? "" : arg.slice(at + 1);
    if (spec.value !== undefined && !(spec.pattern ?? /./s).test(value)) {
      throw new Error(`${name}=${spec.value} is needed, not '${arg}'`);
    }
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  return new Options(given, words);
}

/** What `--help` prints. */
export function usageText(usage: Usage): string {
  const shown = usage.options.map(
    ({ name, value, help }) => [value === undefined ? name : `${name}=${value}`, help] as const,
  );
  if (usage.words !== undefined) shown.push(usage.words);
  const width = Math.max(...shown.map(([name]) => name.length));
  const words = usage.words === undefined ? "" : ` [${usage.words[0]}...]`;
  return [
    `usage: ${usage.command} -- [OPTION...]${words}`,
    "",
    usage.about,
    "",
    ...shown.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`),
    "",
  ].join("\n");
}

/** Reads this process's command line with `parse`; on `--help` or a mistake it ends here, with status 0 or 2. */
export function readOptions<T>(usage: Usage, parse: (args: readonly string[]) => T): T {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usageText(usage));
    process.exit(0);
  }
  try {
    return parse(args);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${usage.command}: ${text}; see ${usage.command} -- --help\n`);
    process.exit(2);
  }
}
