/** The program matrix's scripts: test/programs/*.sh, and what their first lines say about them. */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * One script, run by bash in a fresh directory. Comments in its first 10 lines:
 *
 * - `# timeout: SECONDS` for each run, 60 when left out
 * - `# status: N` the exit status that every run must have; only equality with the native run counts when left out
 * - `# places: NAME...` where it runs, everywhere when left out
 * - `# needs: COMMAND...` it is skipped in a place that has not all of them
 */
export interface Script {
  readonly name: string;
  readonly text: string;
  readonly timeout: number;
  readonly status: number | undefined;
  readonly places: readonly string[] | undefined;
  readonly needs: readonly string[];
}

/** Reads a script's directives. Throws Error on one that cannot be read. */
export function parseScript(name: string, text: string): Script {
  let timeout = 60;
  let status: number | undefined;
  let places: readonly string[] | undefined;
  let needs: readonly string[] = [];
  for (const line of text.split("\n").slice(0, 10)) {
    const match = /^# (timeout|status|places|needs):\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const value = match[2]!;
    const words = value.split(/\s+/).filter((word) => word !== "");
    if (match[1] === "places") places = words;
    else if (match[1] === "needs") needs = words;
    else if (!/^\d+$/.test(value)) throw new Error(`${name}: ${match[1]} must be a number: ${line}`);
    else if (match[1] === "timeout") timeout = Number(value);
    else status = Number(value);
  }
  return { name, text, timeout, status, places, needs };
}

/** All scripts of this folder, by name. */
export function loadScripts(): Script[] {
  const dir = import.meta.dirname;
  return readdirSync(dir)
    .filter((file) => file.endsWith(".sh"))
    .sort()
    .map((file) => parseScript(basename(file, ".sh"), readFileSync(join(dir, file), "utf8")));
}
