/** `tsvisor version`. */
import { readFileSync } from "node:fs";
import { packageRoot } from "../../../host/package-root.ts";
import type { Command } from "../command.ts";
import { print } from "../../../host/output.ts";

export const versionCommand: Command = {
  name: "version",
  summary: "print the version",
  usage: "",
  flags: [],
  run(): number {
    const text = readFileSync(`${packageRoot()}/package.json`, "utf8");
    const { version } = JSON.parse(text) as { version: string };
    print(`tsvisor version ${version}\nspec: 1.2.0\n`);
    return 0;
  },
};
