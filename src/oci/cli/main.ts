/** `tsvisor`: the command line. A table of commands; each lives in its own file under commands/. */
import { reportCodeCache } from "../../host/code-cache.ts";
import { runProgram, standAlone } from "../../host/image.unsafe.ts";
import { complain, print } from "../../host/output.ts";
import { CliError, EXIT_FAILURE, EXIT_USAGE } from "../errors.ts";
import type { Command } from "./command.ts";
import { debugCommand } from "./commands/debug.ts";
import { doCommand } from "./commands/do.ts";
import { runCommand } from "./commands/run.ts";
import { specCommand } from "./commands/spec.ts";
import { versionCommand } from "./commands/version.ts";
import { describeFlags, FlagValues, parseFlags } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

const COMMANDS: readonly Command[] = [doCommand, runCommand, debugCommand, specCommand, versionCommand];

function overview(): string {
  const width = Math.max(...COMMANDS.map((c) => c.name.length), 4);
  return [
    "usage: tsvisor [global flags] COMMAND [flags] [args]",
    "",
    "Runs unmodified Linux programs under an application kernel of its own.",
    "",
    "commands:",
    ...COMMANDS.map((c) => `  ${c.name.padEnd(width + 2)}${c.summary}`),
    `  ${"help".padEnd(width + 2)}help on a command: tsvisor help COMMAND`,
    "",
    "global flags (before or behind the command's name):",
    describeFlags(GLOBAL_FLAGS),
    "",
    "exit status: the program's own; 128+N when signal N ended it; 127 command not found; 126 cannot be",
    "executed; 128 tsvisor itself failed; 2 wrong usage.",
    "",
  ].join("\n");
}

function commandHelp(command: Command): string {
  const parts = [`usage: tsvisor ${command.name} ${command.usage}`, "", command.summary, ""];
  if (command.flags.length > 0) parts.push("flags:", describeFlags(command.flags), "");
  if (command.details !== undefined) parts.push(command.details, "");
  parts.push("global flags:", describeFlags(GLOBAL_FLAGS), "");
  return parts.join("\n");
}

function findCommand(name: string): Command {
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) {
    throw new CliError(`unknown command '${name}'; see 'tsvisor help'`, EXIT_USAGE);
  }
  return command;
}

function dispatch(argv: readonly string[]): number {
  const flags = new FlagValues();
  const at = parseFlags(argv, 0, GLOBAL_FLAGS, flags, "");
  const name = argv[at];
  if (name === undefined || name === "help" || name === "--help") {
    const topic = name === "help" ? argv[at + 1] : undefined;
    if (name === undefined && !flags.bool("help")) {
      complain(overview());
      return EXIT_USAGE;
    }
    print(topic === undefined ? overview() : commandHelp(findCommand(topic)));
    return 0;
  }
  const command = findCommand(name);
  const rest = parseFlags(argv, at + 1, [...command.flags, ...GLOBAL_FLAGS], flags, command.name);
  if (flags.bool("help")) {
    print(commandHelp(command));
    return 0;
  }
  return command.run(flags, argv.slice(rest));
}

/** Command-line words as latin1 strings of their bytes (Node decodes them as UTF-8). */
function rawArgv(): string[] {
  return process.argv.slice(2).map((word) => Buffer.from(word, "utf8").toString("latin1"));
}

function main(args: readonly string[]): number {
  try {
    return dispatch(args);
  } catch (error) {
    if (error instanceof CliError) {
      complain(`tsvisor: ${Buffer.from(error.message, "latin1").toString()}\n`);
      return error.status;
    }
    const text = error instanceof Error ? error.message : String(error);
    complain(`tsvisor: internal error: ${text}\n`);
    if (process.env["TSVISOR_DEBUG"] !== undefined && error instanceof Error) complain(`${error.stack}\n`);
    return EXIT_FAILURE;
  } finally {
    reportCodeCache("cli");
  }
}

standAlone();
runProgram("cli", rawArgv(), main);
