/** `tsvisor debug`: what running sandboxes are doing. */
import { describeSandboxes } from "../../debug.ts";
import { CliError, EXIT_USAGE } from "../../errors.ts";
import type { Command } from "../command.ts";
import { print } from "../../../host/output.ts";
import type { FlagValues } from "../flags.ts";

function run(_flags: FlagValues, args: readonly string[]): number {
  const [text] = args;
  if (args.length > 1 || (text !== undefined && !/^[1-9]\d{0,8}$/.test(text))) {
    throw new CliError("debug: expected one process number, or none", EXIT_USAGE);
  }
  const lines = describeSandboxes(text === undefined ? undefined : Number(text));
  if (lines === undefined) {
    throw new CliError(text === undefined ? "debug: no sandbox runs here" : `debug: process ${text} runs no sandbox`);
  }
  print(`${lines.join("\n")}\n`);
  return 0;
}

export const debugCommand: Command = {
  name: "debug",
  summary: "show what running sandboxes are doing",
  usage: "[PID]",
  flags: [],
  details:
    "PID: a running tsvisor command, or any process that started some; without it, all sandboxes of this machine. Shows\n" +
    "each process and thread inside with what it waits for, timers, the platform's state; and for each process of the\n" +
    "sandbox on the host where its threads are. The sandbox goes on meanwhile.",
  run,
};
