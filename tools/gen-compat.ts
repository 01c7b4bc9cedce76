/** Writes docs/compatibility.md from the system call table. `--check` only tells whether it is up to date (exit 1 if not). */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { table } from "../src/sentry/syscalls/table-amd64.ts";

const target = fileURLToPath(new URL("../docs/compatibility.md", import.meta.url));

const marks = { full: "full", partial: "partial", none: "no" } as const;

/** The page's text. */
function page(): string {
  const named = table.filter((row) => row.name !== "");
  const count = (support: string): number => named.filter((row) => row.support === support).length;
  const lines = [
    "# System calls",
    "",
    "<!-- Made by tools/gen-compat.ts from src/sentry/syscalls/table-amd64.ts. Do not edit. -->",
    "",
    `Of ${named.length} Linux/amd64 system calls, ${count("full")} behave as their man pages say, ${count("partial")} do so with the ` +
      `gaps noted, and ${count("none")} give ENOSYS (logged once by name).`,
    "",
    "| nr | call | support | note |",
    "| ---: | --- | --- | --- |",
  ];
  for (const row of named) lines.push(`| ${row.nr} | ${row.name} | ${marks[row.support]} | ${row.note} |`);
  return `${lines.join("\n")}\n`;
}

const text = page();
if (process.argv.includes("--check")) {
  let old = "";
  try {
    old = readFileSync(target, "utf8");
  } catch {
    // Not there: not up to date.
  }
  if (old !== text) {
    console.error("docs/compatibility.md is not up to date: run `npm run gen`");
    process.exitCode = 1;
  }
} else {
  mkdirSync(fileURLToPath(new URL("../docs", import.meta.url)), { recursive: true });
  writeFileSync(target, text);
}
