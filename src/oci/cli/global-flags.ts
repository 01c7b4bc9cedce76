/** Flags that every command accepts, before or after the command's name. */
import { CliError, EXIT_USAGE } from "../errors.ts";
import { MIN_MEMORY } from "../spec/validate.ts";
import type { FlagSpec, FlagValues } from "./flags.ts";

export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    name: "platform",
    kind: "string",
    value: "NAME",
    help: "how guest code is run: systrap or ptrace",
    defaultText: "systrap, or ptrace where systrap cannot work",
  },
  {
    name: "systrap-disable",
    kind: "string",
    value: "LIST",
    help: "turn off means of systrap to make system calls faster: patching, answers, batching",
  },
  { name: "strace", kind: "bool", help: "log every system call of the guest to the debug log (or stderr)" },
  {
    name: "profile",
    kind: "bool",
    help: "report at the end where the time of system calls went, to the debug log (or stderr)",
  },
  {
    name: "allow-suid",
    kind: "bool",
    help: "honour set-user-ID and set-group-ID bits and capabilities of executables inside",
  },
  { name: "debug", kind: "bool", help: "log what the Sentry does" },
  { name: "debug-log", kind: "string", value: "FILE", help: "append logs to FILE instead of stderr" },
  { name: "help", kind: "bool", help: "show help" },
];

/** What of systrap is turned off. */
export function systrapDisableFlag(flags: FlagValues): readonly string[] {
  const words = (flags.string("systrap-disable") ?? "").split(",").filter((word) => word !== "");
  for (const word of words) {
    if (word !== "patching" && word !== "answers" && word !== "batching") {
      throw new CliError(
        `--systrap-disable: unknown '${word}': patching, answers and batching can be turned off`,
        EXIT_USAGE,
      );
    }
  }
  return words;
}

/** `--memory`: bytes, -1 when not given. */
export function memoryFlag(flags: FlagValues): number {
  const text = flags.string("memory");
  if (text === undefined) return -1;
  const m = /^(\d+)([kmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = m === null ? NaN : Number(m[1]) * 1024 ** "_kmgt".indexOf(m[2] === "" ? "_" : m[2]!.toLowerCase());
  if (!Number.isSafeInteger(bytes)) {
    throw new CliError(`--memory '${text}': expected a size like 512m or 2g`, EXIT_USAGE);
  }
  if (bytes < MIN_MEMORY) throw new CliError(`--memory '${text}': at least 4m`, EXIT_USAGE);
  return bytes;
}

/** `--pids-limit`: a number above 0, -1 when not given. */
export function pidsFlag(flags: FlagValues): number {
  const text = flags.string("pids-limit");
  if (text === undefined) return -1;
  const n = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (n === 0) throw new CliError(`--pids-limit '${text}': expected a number from 1 on`, EXIT_USAGE);
  return n;
}

/** The platform asked for; null: not given (fallback allowed). */
export function platformFlag(flags: FlagValues): "systrap" | "ptrace" | null {
  const name = flags.string("platform");
  if (name === undefined) return null;
  if (name === "systrap" || name === "ptrace") return name;
  throw new CliError(`unknown platform '${name}': systrap and ptrace are available`, EXIT_USAGE);
}
