/**
 * Flag parsing in the manner of runc and gVisor: `--name value`, `--name=value`, `-name` alike; global flags before or
 * after the command's name; parsing stops at `--` or, for commands that run a program, at its first word.
 */
import { CliError, EXIT_USAGE } from "../errors.ts";

/** One flag. */
export interface FlagSpec {
  readonly name: string;
  readonly kind: "bool" | "string" | "list";
  /** Name of the value in help texts. */
  readonly value?: string;
  readonly help: string;
  readonly defaultText?: string;
}

/** The values given; an absent bool is false, an absent string undefined, an absent list empty. */
export class FlagValues {
  private readonly values = new Map<string, string[]>();
  add(name: string, value: string): void {
    const list = this.values.get(name);
    if (list === undefined) this.values.set(name, [value]);
    else list.push(value);
  }
  bool(name: string): boolean {
    const v = this.values.get(name);
    return v !== undefined && v[v.length - 1] !== "false";
  }
  string(name: string): string | undefined {
    const v = this.values.get(name);
    return v === undefined ? undefined : v[v.length - 1];
  }
  list(name: string): readonly string[] {
    return this.values.get(name) ?? [];
  }
}

/**
 * Parses flags from `argv[start]` on into `out` until the first word that is no flag, or behind `--`. Returns the
 * index of the first unparsed word. Throws CliError (EXIT_USAGE) for an unknown flag or a missing value.
 */
export function parseFlags(
  argv: readonly string[],
  start: number,
  specs: readonly FlagSpec[],
  out: FlagValues,
  where: string,
): number {
  let i = start;
  while (i < argv.length) {
    const word = argv[i]!;
    if (word === "--") return i + 1;
    if (word.length < 2 || word[0] !== "-") return i;
    const body = word.startsWith("--") ? word.slice(2) : word.slice(1);
    const eq = body.indexOf("=");
    let name = eq < 0 ? body : body.slice(0, eq);
    if (name === "h") name = "help";
    const spec = specs.find((s) => s.name === name);
    if (spec === undefined) {
      throw new CliError(`unknown flag '${word}'; see 'tsvisor help${where === "" ? "" : ` ${where}`}'`, EXIT_USAGE);
    }
    i++;
    if (spec.kind === "bool") {
      const text = eq < 0 ? "true" : body.slice(eq + 1);
      if (text !== "true" && text !== "false") {
        throw new CliError(`flag '--${name}' takes true or false, not '${text}'`, EXIT_USAGE);
      }
      out.add(name, text);
    } else if (eq >= 0) {
      out.add(name, body.slice(eq + 1));
    } else {
      if (i >= argv.length) throw new CliError(`flag '--${name}' needs a value`, EXIT_USAGE);
      out.add(name, argv[i++]!);
    }
  }
  return i;
}

/** Help lines for a set of flags. */
export function describeFlags(specs: readonly FlagSpec[]): string {
  let width = 0;
  const left = specs.map((s) => {
    const text = `  --${s.name}${s.kind === "bool" ? "" : ` ${s.value ?? "VALUE"}`}`;
    if (text.length > width) width = text.length;
    return text;
  });
  return specs
    .map(
      (s, i) =>
        `${left[i]!.padEnd(width + 2)}${s.help}${s.defaultText === undefined ? "" : ` (default: ${s.defaultText})`}`,
    )
    .join("\n");
}
