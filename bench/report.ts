/** What a run leaves: a table on the terminal, docs/performance.md with charts, the comparison with the baseline. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { figure, ratio, show, showRatio, TARGETS } from "./stats.ts";
import type { Results, Row, TargetName } from "./stats.ts";

/** How much worse than the baseline's a ratio may be: machines are noisy. */
export const TOLERANCE = 3;

const COLOURS: Readonly<Record<TargetName, string>> = {
  native: "#888888",
  runc: "#888888",
  runsc: "#d9822b",
  systrap: "#1f77b4",
  ptrace: "#9ecae1",
};
const LABELS: Readonly<Record<TargetName, string>> = {
  native: "native",
  runc: "runc",
  runsc: "runsc",
  systrap: "tsvisor",
  ptrace: "tsvisor ptrace",
};

/** The kinds that a run measured, in order. */
function measured(results: Results): TargetName[] {
  return TARGETS.filter((t) => results.rows.some((row) => row.values[t] !== undefined));
}

function groups(results: Results): Map<string, Row[]> {
  const map = new Map<string, Row[]>();
  for (const row of results.rows) map.set(row.group, [...(map.get(row.group) ?? []), row]);
  return map;
}

/** What ratios are to: runc when it was measured, else native. */
function baseOf(targets: readonly TargetName[]): TargetName {
  return targets.includes("runc") ? "runc" : "native";
}

/** A Markdown table of some rows: each figure, and behind it how many times worse than the base it is. */
export function table(rows: readonly Row[], targets: readonly TargetName[]): string {
  const base = baseOf(targets);
  const lines = [
    `| operation | ${targets.map((t) => LABELS[t]).join(" | ")} |`,
    `|---|${targets.map(() => "---:|").join("")}`,
  ];
  for (const row of rows) {
    const cells = targets.map((t) => {
      const text = show(figure(row, t), row.unit);
      const times = t === base || t === "native" ? undefined : ratio(row, t, base);
      return times === undefined ? text : `${text} (${showRatio(times)})`;
    });
    lines.push(`| ${row.name} | ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

/** The whole run as Markdown tables. */
export function tables(results: Results): string {
  const targets = measured(results);
  return [...groups(results)].map(([name, rows]) => `## ${name}\n\n${table(rows, targets)}`).join("\n\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** Bars of ratios on a logarithmic scale, the base being the line at 1; "" when there is nothing to draw. */
export function chart(title: string, rows: readonly Row[], targets: readonly TargetName[]): string {
  const base = baseOf(targets);
  const shown = targets.filter((t) => t !== base && t !== "native");
  const drawn = rows.filter((row) => shown.some((t) => ratio(row, t, base) !== undefined));
  if (drawn.length === 0) return "";
  const [left, width, right, bar, gap, top] = [290, 480, 60, 9, 7, 64];
  const [low, high] = [0.1, 1000];
  const x = (value: number): number =>
    left + (width * Math.log(Math.min(high, Math.max(low, value)) / low)) / Math.log(high / low);
  const rowHeight = shown.length * bar + gap;
  const height = top + drawn.length * rowHeight + 12;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + right} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="8" y="18" font-size="14" font-weight="bold">${escape(title)}: times worse than ${LABELS[base]}</text>`,
  ];
  for (const [i, t] of shown.entries()) {
    out.push(`<rect x="${left + i * 120}" y="27" width="10" height="10" fill="${COLOURS[t]}"/>`);
    out.push(`<text x="${left + i * 120 + 14}" y="36">${LABELS[t]}</text>`);
  }
  for (const tick of [0.1, 1, 10, 100, 1000]) {
    const colour = tick === 1 ? "#444" : "#ddd";
    out.push(`<line x1="${x(tick)}" x2="${x(tick)}" y1="${top - 6}" y2="${height - 8}" stroke="${colour}"/>`);
    out.push(`<text x="${x(tick)}" y="${top - 10}" text-anchor="middle" fill="#666">${tick}</text>`);
  }
  for (const [i, row] of drawn.entries()) {
    const y = top + i * rowHeight;
    out.push(
      `<text x="${left - 8}" y="${y + (shown.length * bar) / 2 + 4}" text-anchor="end">${escape(row.name)}</text>`,
    );
    for (const [k, t] of shown.entries()) {
      const value = ratio(row, t, base);
      if (value === undefined) continue;
      const [from, to] = [Math.min(x(1), x(value)), Math.max(x(1), x(value))];
      const at = y + k * bar;
      out.push(
        `<rect x="${from.toFixed(1)}" y="${at}" width="${Math.max(1, to - from).toFixed(1)}" height="${bar - 1}" fill="${COLOURS[t]}"/>`,
        `<text x="${(to + 3).toFixed(1)}" y="${at + bar - 1}" font-size="8" fill="#444">${showRatio(value)}</text>`,
      );
    }
  }
  return `${out.join("\n")}\n</svg>\n`;
}

/** Writes docs/performance.md and its charts. */
export function writeDocs(root: string, results: Results): void {
  const targets = measured(results);
  const dir = join(root, "docs", "performance");
  mkdirSync(dir, { recursive: true });
  const parts = [...groups(results)].map(([name, rows]) => {
    const file = `${name.toLowerCase().replaceAll(/[^a-z]+/g, "-")}.svg`;
    const svg = chart(name, rows, targets);
    if (svg !== "") writeFileSync(join(dir, file), svg);
    const image = svg === "" ? "" : `![${name}](performance/${file})\n\n`;
    return `## ${name}\n\n${image}${table(rows, targets)}`;
  });
  const machine = Object.entries(results.machine).map(([key, value]) => `- ${key}: ${value}`);
  writeFileSync(
    join(root, "docs", "performance.md"),
    `${intro(targets, results.rounds)}\n${machine.join("\n")}\n\n${parts.join("\n\n")}\n`,
  );
}

function intro(targets: readonly TargetName[], rounds: number): string {
  return `# Performance

Written by \`npm run bench -- --docs\`; do not edit. The same static C programs and the same Debian programs run on the same
read-only root file system with the same mounts (tmpfs on \`/tmp\`, a directory of the host on \`/data\`), natively and as OCI
bundles, interleaved in one run of ${rounds} round${rounds === 1 ? "" : "s"}. Figures are medians. In brackets, and in the charts: how many times worse
than ${LABELS[baseOf(targets)]}, so that below 1 is better, also for rates. *tsvisor* is the default platform, systrap.
Programs are timed inside the sandbox; *Start and end* and *Idle* are measured from outside.

\`getppid\`, \`getpid\` and \`sched_yield\` are answered in the guest's own process; \`umask\` is what a call costs that the Sentry
answers by itself, \`pread\` on the gofer's files one that needs the host, and *stat, new files* one that needs the gofer.

A machine with few processors that others use as well gives figures that vary by tens of percent between runs; the
ratios vary less. What is handed from one thread to another, and so every call that the Sentry answers, depends most on
how far apart the processors are, which a virtual machine's host may change at any moment: a group of small rows is
measured again when that changed while it ran, and the list below tells the distance.
[performance-limits.md](performance-limits.md) tells what stands behind the slower rows. Run it on yours: \`RUNSC=/path/to/runsc npm run bench\`.
`;
}

/** Ratios of the quick rows to native, by target and row. */
type Baseline = Record<string, Record<string, number>>;

function ratios(results: Results): Baseline {
  const out: Baseline = {};
  for (const target of measured(results)) {
    if (target === "native") continue;
    const mine: Record<string, number> = {};
    for (const row of results.rows) {
      const value = ratio(row, target, "native");
      if (value !== undefined) mine[row.name] = Number(value.toPrecision(3));
    }
    out[target] = mine;
  }
  return out;
}

export function saveBaseline(file: string, results: Results): void {
  writeFileSync(file, `${JSON.stringify(ratios(results), null, 2)}\n`);
}

/** Lines about rows that are worse than the baseline allows, and about those much better. */
export function compare(file: string, results: Results): { worse: string[]; better: string[] } {
  const baseline = JSON.parse(readFileSync(file, "utf8")) as Baseline;
  const worse: string[] = [];
  const better: string[] = [];
  for (const [target, rows] of Object.entries(ratios(results))) {
    for (const [name, now] of Object.entries(rows)) {
      const before = baseline[target]?.[name];
      if (before === undefined) continue;
      const text = `${LABELS[target as TargetName]}: ${name}: ${showRatio(now)} times native, ${showRatio(before)} in the baseline`;
      if (now > before * TOLERANCE) worse.push(text);
      else if (now * TOLERANCE < before) better.push(text);
    }
  }
  return { worse, better };
}
