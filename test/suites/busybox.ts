/** busybox's testsuite from its Debian source, run against busybox-static. */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../harness/process.ts";
import { ensureSource } from "./packages.ts";
import type { Case, Results, Suite } from "./suite.ts";

/** "PASS: name" lines; a name that comes again gets a number. */
function parse(applet: string): (outcome: Outcome) => Results {
  return (outcome) => {
    const results: Results = new Map();
    for (const line of outcome.stdout.toString("latin1").split("\n")) {
      const match = /^(PASS|FAIL|SKIPPED|UNTESTED): (.*)$/.exec(line);
      if (match === null) continue;
      const [, status, text] = match as unknown as [string, string, string];
      let name = `${applet}: ${text}`;
      for (let n = 2; results.has(name); n++) name = `${applet}: ${text} (${n})`;
      results.set(name, status);
    }
    if (outcome.isTimedOut) results.set(`${applet}: the whole file`, "timed out");
    return results;
  };
}

/** See the file's comment. */
export const busybox: Suite = {
  name: "busybox",
  title: "busybox's testsuite (Debian source) against `busybox-static`",
  packages: ["busybox-static", "gcc", "bzip2", "xz-utils"],
  cases() {
    const source = ensureSource("busybox");
    const testsuite = join(source, "testsuite");
    const applets = new Set<string>();
    const implemented = spawnSync("/bin/busybox", ["--list"], { encoding: "utf8" }).stdout.split("\n");
    for (const entry of readdirSync(testsuite, { withFileTypes: true })) {
      if (entry.name.endsWith(".tests")) applets.add(entry.name.replace(/\.tests$/, ""));
      else if (entry.isDirectory() && implemented.includes(entry.name)) applets.add(entry.name);
    }
    return [...applets].sort().map((applet): Case => ({
      name: applet,
      command: ["sh", "-c", 'cd testsuite && exec ./runtest "$0"', applet],
      timeout: applet === "bc" ? 240 : 60,
      parse: parse(applet),
      prepare(cwd) {
        cpSync(testsuite, join(cwd, "testsuite"), { recursive: true });
        cpSync(join(source, "scripts"), join(cwd, "scripts"), { recursive: true });
        copyFileSync("/bin/busybox", join(cwd, "busybox"));
        copyFileSync(join(source, "debian/config/pkg/static"), join(cwd, ".config"));
      },
    }));
  },
};
