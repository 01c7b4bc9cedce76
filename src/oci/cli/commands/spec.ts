/** `tsvisor spec`: writes a sample config.json. */
import { existsSync, writeFileSync } from "node:fs";
import { CliError } from "../../errors.ts";
import { sampleSpec } from "../../spec/sample.ts";
import type { Command } from "../command.ts";

export const specCommand: Command = {
  name: "spec",
  summary: "write a sample config.json for an OCI bundle",
  usage: "[--bundle DIR]",
  flags: [
    { name: "bundle", kind: "string", value: "DIR", help: "the bundle to write to", defaultText: "." },
    { name: "cwd", kind: "string", value: "DIR", help: "working directory of the process", defaultText: "/" },
  ],
  run(flags, args): number {
    const file = `${flags.string("bundle") ?? "."}/config.json`;
    if (existsSync(file)) throw new CliError(`${file} exists already; remove it first`);
    const spec = sampleSpec(args.length > 0 ? args : ["sh"], flags.string("cwd") ?? "/");
    try {
      writeFileSync(file, `${JSON.stringify(spec, null, 2)}\n`, { flag: "wx" });
    } catch (error) {
      throw new CliError(`cannot write ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
    return 0;
  },
};
