/**
 * Checks that every import in src/ goes in a direction that layers.ts allows; type-only imports count.
 *
 * It also fails on a folder that the table does not know, on imports that leave src/, on addon loading outside src/host,
 * and when it saw so few files that it cannot have looked in the right place.
 */
import { readFileSync, readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, posix } from "node:path";
import { findImports } from "./imports.ts";
import { hostileFolders, layers } from "./layers.ts";
import type { Layer } from "./layers.ts";

/** Fewer source files than this means that the checker is looking in the wrong place. */
export const minFiles = 100;

/** A table of units. */
export type LayerTable = Readonly<Record<string, Layer>>;

/** The unit of a file (a path below src/): the longest name in the table that is a folder above it. */
export function unitOf(file: string, table: LayerTable): string | undefined {
  for (let dir = posix.dirname(file); dir !== "."; dir = posix.dirname(dir)) {
    if (Object.hasOwn(table, dir)) return dir;
    // fs/new is not part of fs: where a folder has units below it but is none itself, each folder needs its own row.
    if (Object.keys(table).some((unit) => unit.startsWith(`${dir}/`))) return undefined;
  }
  return undefined;
}

/** Whether a file is a test or a test's helper. */
export function isTest(file: string): boolean {
  return /\.(test|testing)\.ts$/.test(file);
}

function matches(entries: readonly string[], unit: string): boolean {
  return entries.some((entry) => entry === unit || (entry.endsWith("/*") && unit.startsWith(entry.slice(0, -1))));
}

/** Every unit that can be reached from one by the table. */
function reachable(unit: string, table: LayerTable): Set<string> {
  const seen = new Set<string>([unit]);
  for (const from of seen) {
    const layer = table[from]!;
    for (const to of Object.keys(table)) if (matches(layer.may, to)) seen.add(to);
    for (const file of layer.mayFiles ?? []) {
      const owner = unitOf(file, table);
      if (owner !== undefined) seen.add(owner);
    }
  }
  return seen;
}

/** What a test may import besides the modules under test. */
const testPackages = new Set(["fast-check"]);

/** Checks one file; `file` is its path below src/. Returns one line for each violation. */
export function checkFile(file: string, source: string, table: LayerTable): string[] {
  const unit = unitOf(file, table);
  if (unit === undefined) return [`src/${file}: its folder has no row in tools/layers.ts`];
  const layer = table[unit]!;
  const isTestFile = isTest(file);
  const problems: string[] = [];
  for (const { specifier, line } of findImports(source)) {
    const say = (text: string): void => void problems.push(`src/${file}:${line}: ${text}`);
    if (specifier === undefined) {
      if (!isTestFile) say("the name of a dynamic import must be a plain string");
    } else if (specifier.startsWith("node:") || isBuiltin(specifier)) {
      if (!specifier.startsWith("node:")) say(`write "node:${specifier}"`);
      if (!layer.node && !isTestFile) say(`${unit} may not import ${specifier}`);
    } else if (!specifier.startsWith(".")) {
      if (!(isTestFile && testPackages.has(specifier))) say(`packages may not be imported: ${specifier}`);
    } else {
      checkRelative(file, unit, posix.normalize(posix.join(posix.dirname(file), specifier)), table, isTestFile, say);
    }
  }
  if (unit !== "host" && !isTestFile && /process\.dlopen|createRequire|\.node["'`]/.test(source)) {
    problems.push(`src/${file}: only src/host may load the addon`);
  }
  return problems;
}

function checkRelative(
  file: string,
  unit: string,
  target: string,
  table: LayerTable,
  isTestFile: boolean,
  say: (text: string) => void,
): void {
  if (target.startsWith("../")) {
    if (!(isTestFile && /^\.\.\/(test|tools)\//.test(target))) say(`src/ may not import ${target}`);
    return;
  }
  if (!target.endsWith(".ts")) {
    say(`write the file name with .ts: ${target}`);
    return;
  }
  if (isTest(target) && !isTestFile) say(`only tests may import ${target}`);
  for (const { folder, may } of hostileFolders) {
    if (!file.startsWith(`${folder}/`) || isTestFile) continue;
    if (![folder, ...may].some((path) => target === path || target.startsWith(`${path}/`))) {
      say(`${folder} parses hostile bytes and may not import ${target}`);
    }
  }
  const targetUnit = unitOf(target, table);
  const layer = table[unit]!;
  if (targetUnit === undefined) say(`${target} is in a folder that has no row in tools/layers.ts`);
  else if (targetUnit === unit || matches(layer.may, targetUnit) || layer.mayFiles?.includes(target)) return;
  else if (isTestFile && (matches(layer.tests ?? [], targetUnit) || reachable(unit, table).has(targetUnit))) return;
  else say(`${unit} may not import ${targetUnit} (${target})`);
}

/** Mistakes in the table itself: names that are no unit, and circles. */
export function checkTable(table: LayerTable): string[] {
  const problems: string[] = [];
  const units = Object.keys(table);
  for (const unit of units) {
    for (const entry of [...table[unit]!.may, ...(table[unit]!.tests ?? [])]) {
      if (!units.some((other) => matches([entry], other))) problems.push(`layers.ts: ${unit}: no such unit: ${entry}`);
    }
  }
  // A file-wise contract import is not an arrow between units, so only `may` counts for circles.
  const state = new Map<string, "open" | "done">();
  const visit = (unit: string, path: readonly string[]): void => {
    if (state.get(unit) === "done") return;
    if (state.get(unit) === "open") {
      problems.push(`layers.ts: circle: ${[...path.slice(path.indexOf(unit)), unit].join(" -> ")}`);
      return;
    }
    state.set(unit, "open");
    for (const other of units) if (other !== unit && matches(table[unit]!.may, other)) visit(other, [...path, unit]);
    state.set(unit, "done");
  };
  for (const unit of units) visit(unit, []);
  return problems;
}

/** Checks the whole of src/. Returns one line for each problem and the number of files seen. */
export function checkTree(src: string, table: LayerTable, least: number): { problems: string[]; files: number } {
  const files = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => posix.relative(src, join(entry.parentPath, entry.name)))
    .sort();
  const problems = checkTable(table);
  for (const file of files) problems.push(...checkFile(file, readFileSync(join(src, file), "utf8"), table));
  if (files.length < least) problems.push(`only ${files.length} files seen in ${src}, at least ${least} expected`);
  return { problems, files: files.length };
}

if (import.meta.main) {
  const src = join(dirname(import.meta.dirname), "src");
  const { problems, files } = checkTree(src, layers, minFiles);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.stderr.write(`check-layers: ${files} files, ${problems.length} problems\n`);
  if (problems.length > 0) process.exitCode = 1;
}
