/**
 * stress-ng: every stressor of the classes below, for 2 seconds, with its own verification. What fails natively is left
 * out. Both runs are those of an ordinary user: as root some stressors would change the machine.
 */
import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import type { Outcome } from "../harness/process.ts";
import type { Case, Results, Suite } from "./suite.ts";

const classes = ["cpu", "memory", "vm", "pipe", "scheduler", "filesystem", "interrupt", "os"];

/** They allocate files of terabytes, which fills the machine's disk before it fails: not natively. */
const fillsDisk = new Set(["forkheavy", "resources"]);

/** Runs a stressor, then says how it ended, so that a dead Sentry (which says nothing) is told from a failed stressor. */
const script = `seconds=$1 stressor=$2
setpriv --reuid=65534 --regid=65534 --clear-groups stress-ng --temp-path . --oomable --verify -t "$seconds" \\
  "--$stressor" 1 >log 2>&1
status=$?
cat log >&2
if grep -q 'skipped: 1' log; then echo skip; elif [ $status = 0 ]; then echo ok; else echo "exit $status"; fi
`;

function parse(name: string): (outcome: Outcome) => Results {
  return (outcome) => {
    const said = outcome.stdout.toString("latin1").trim();
    if (outcome.isTimedOut) return new Map([[name, "timed out"]]);
    return new Map([[name, outcome.status === 0 ? said : `tsvisor ended with ${outcome.status}`]]);
  };
}

function stressors(): string[] {
  const all = new Set<string>();
  for (const name of classes) {
    const run = spawnSync("stress-ng", ["--class", `${name}?`], { encoding: "utf8" });
    const list = /stressors: (.*)/.exec(`${run.stdout}${run.stderr}`)?.[1] ?? "";
    for (const word of list.split(" ")) if (word !== "") all.add(word);
  }
  return [...all].sort();
}

/** See the file's comment. */
export const stressNg: Suite = {
  name: "stress-ng",
  title: "stress-ng: every stressor of the classes cpu, memory, vm, pipe, scheduler, filesystem, interrupt and os",
  packages: ["stress-ng"],
  cases: () =>
    stressors().map((name): Case => ({
      name,
      command: ["sh", "-c", script, "sh", process.env.SUITES_STRESS_SECONDS ?? "2", name],
      timeout: 40,
      parse: parse(name),
      ...(fillsDisk.has(name) ? { assumed: new Map([[name, "ok"]]) } : {}),
      prepare: (cwd) => chmodSync(cwd, 0o777),
      isIgnored: (status) => status !== "ok",
    })),
};
