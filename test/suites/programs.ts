/** Programs people use, each driven by a script of programs/ whose output must be the same natively and in the sandbox. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureSource } from "./packages.ts";
import type { Case, Suite } from "./suite.ts";

const dir = join(import.meta.dirname, "programs");

/** "# source: NAME" and "# timeout: N" in a script's first lines. */
function directive(text: string, name: string): string | undefined {
  return new RegExp(`^# ${name}: (.*)$`, "m").exec(text)?.[1];
}

/** See the file's comment. A script finds its source package's directory, when it asks for one, as $1. */
export const programs: Suite = {
  name: "programs",
  title: "Programs: shells, terminal programs, git, builds from source, sqlite, redis, dpkg and apt-get, npm",
  packages: [
    "bash",
    "dash",
    "tmux",
    "vim",
    "less",
    "procps",
    "git",
    "gcc",
    "make",
    "libc6-dev",
    "sqlite3",
    "redis-server",
    "redis-tools",
    "dpkg-dev",
    "apt-utils",
    // Other packages of node than Debian's own have npm in them.
    ...(existsSync("/usr/bin/npm") ? [] : ["nodejs", "npm"]),
  ],
  cases: () =>
    readdirSync(dir)
      .filter((file) => file.endsWith(".sh"))
      .sort()
      .map((file): Case => {
        const text = readFileSync(join(dir, file), "utf8");
        const source = directive(text, "source");
        return {
          name: file.replace(/\.sh$/, ""),
          command: () => ["bash", join(dir, file), ...(source === undefined ? [] : [ensureSource(source)])],
          timeout: Number(directive(text, "timeout") ?? 60),
          complaint: (native) => (/^exit status 0$/m.test([...native.values()][0]!) ? undefined : "failed natively"),
        };
      }),
};
