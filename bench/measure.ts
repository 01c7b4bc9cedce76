/** A run: the same rows in every target, interleaved by groups, in rounds. */
import { apps, appsScript } from "./apps.ts";
import { measureIdle, measureStarts } from "./lifecycle.ts";
import type { Row, TargetName, Unit } from "./stats.ts";
import type { Ground } from "./targets.ts";

/** What is measured. */
export const PARTS: readonly string[] = ["micro", "programs", "starts", "idle"];

/** How much is measured. */
export interface Plan {
  readonly rounds: number;
  /** Only rows whose name contains this. */
  readonly only: string;
  /** For a small row, ms. */
  readonly budget: number;
  /** Some of {@link PARTS}. */
  readonly parts: readonly string[];
  /** How long idle sandboxes are watched, s. */
  readonly idle: number;
}

/** The C groups: heading and what `micro` is asked for. */
const MICRO: readonly [string, readonly string[]][] = [
  ["System calls", ["calls"]],
  ["Memory", ["memory"]],
  ["Files", ["tmpfs=/tmp", "root", "gofer=/data", "new=/data"]],
  ["Processes and threads", ["processes", "threads"]],
];

/**
 * Two CPUs pass a word of memory between them: in a virtual machine whose CPUs are moved about, that takes up to twenty
 * times as long at one moment as at another, and with it everything that hands over between two threads.
 */
const DISTANCE_ROW = "a word of memory passed between threads";
/** Distances that differ less are one state. */
const SAME_STATE = 2;
/** So often a group is measured again when the state changed under it. */
const MOST_REPEATS = 2;

class Collection {
  readonly rows: Row[] = [];
  private readonly byName = new Map<string, Row>();

  add(group: string, target: TargetName, name: string, unit: Unit, value: number): void {
    let row = this.byName.get(name);
    if (row === undefined) {
      row = { group, name, unit, values: {} };
      this.byName.set(name, row);
      this.rows.push(row);
    }
    (row.values[target] ??= []).push(value);
  }

  /** Lines "name|unit|value" of a program; a row's group may depend on its name. */
  addLines(group: (name: string) => string, target: TargetName, output: string): void {
    for (const line of output.split("\n")) {
      const [name, unit, value] = line.split("|");
      if (name === undefined || unit === undefined || value === undefined) continue;
      this.add(group(name), target, name, unit as Unit, Number(value));
    }
  }
}

/** What was found: rows, and how far apart the CPUs were, ns there and back, each time that was looked at. */
export interface Findings {
  readonly rows: Row[];
  readonly distances: readonly number[];
}

function isOneState(distances: readonly number[]): boolean {
  return Math.max(...distances) <= SAME_STATE * Math.min(...distances);
}

/** Who follows a run. */
export interface Follower {
  /** What comes next. */
  progress(text: string): void;
  /** All that was found so far. */
  keep(findings: Findings): void;
}

/** Measures a plan. */
export async function measure(ground: Ground, plan: Plan, follower: Follower): Promise<Findings> {
  const { rounds, only, parts } = plan;
  const found = new Collection();
  const distances: number[] = [];
  const findings: Findings = { rows: found.rows, distances };
  const chosen = apps.filter((row) => row.name.includes(only));
  const script = appsScript(chosen);
  const groupOf = new Map(chosen.map((row) => [row.name, row.group]));

  const distance = (): number => {
    const output = ground.run("native", ["/bench/micro", "--budget=10", `--only=${DISTANCE_ROW}`, "threads"]);
    return Number(output.split("|")[2]);
  };
  const microGroup = (order: readonly TargetName[], words: readonly string[]): ReadonlyMap<TargetName, string> => {
    const argv = ["/bench/micro", `--budget=${plan.budget}`, `--only=${only}`, ...words];
    for (let repeats = 0; ; repeats++) {
      const outputs = new Map<TargetName, string>();
      const seen = [distance()];
      for (const target of order) {
        outputs.set(target, ground.run(target, argv));
        seen.push(distance());
      }
      // With `only` there may be no rows in it.
      if ([...outputs.values()].every((output) => output === "")) return outputs;
      if (isOneState(seen) || repeats === MOST_REPEATS) {
        distances.push(...seen);
        return outputs;
      }
      follower.progress(
        `the machine changed meanwhile (${seen.map(Math.round).join(", ")} ns between two CPUs): once more`,
      );
    }
  };

  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one: nobody always finds the caches warm.
    const order = ground.targets.map((_, i) => ground.targets[(i + round) % ground.targets.length]!);
    for (const [group, words] of parts.includes("micro") ? MICRO : []) {
      follower.progress(`round ${round + 1} of ${rounds}: ${group}`);
      for (const [target, output] of microGroup(order, words)) found.addLines(() => group, target, output);
      follower.keep(findings);
    }
    if (chosen.length > 0 && parts.includes("programs")) {
      follower.progress(`round ${round + 1} of ${rounds}: programs`);
      for (const target of order) {
        // The slow platform's ratios are large: one round tells them.
        if (target === "ptrace" && round > 0) continue;
        found.addLines((name) => groupOf.get(name)!, target, ground.run(target, ["/bin/bash", "-c", script]));
      }
      follower.keep(findings);
    }
    if (!parts.includes("starts")) continue;
    follower.progress(`round ${round + 1} of ${rounds}: start and end`);
    for (const target of order) {
      await measureStarts(ground, target, only, (t, name, unit, value) =>
        found.add("Start and end", t, name, unit, value),
      );
    }
    follower.keep(findings);
  }
  if (parts.includes("idle")) {
    follower.progress("idle sandboxes");
    await measureIdle(ground, only, plan.idle, (t, name, unit, value) => found.add("Idle", t, name, unit, value));
  }
  return findings;
}
