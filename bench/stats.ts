/** Figures: what was measured, their medians and ratios. */

/** Where a program is run. */
export const TARGETS = ["native", "runc", "runsc", "systrap", "ptrace"] as const;
export type TargetName = (typeof TARGETS)[number];

/** ns, ms, MiB and % are better when lower; rates are better when higher. */
export type Unit = "ns" | "ms" | "MiB" | "%" | "MiB/s" | "/s";

/** One row: all values measured in each target. */
export interface Row {
  readonly group: string;
  readonly name: string;
  readonly unit: Unit;
  readonly values: Partial<Record<TargetName, number[]>>;
}

/** A whole run. */
export interface Results {
  readonly machine: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly rows: Row[];
}

export function isRate(unit: Unit): boolean {
  return unit === "MiB/s" || unit === "/s";
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of a row in a target, or undefined when it was not measured. */
export function figure(row: Row, target: TargetName): number | undefined {
  const values = row.values[target];
  return values === undefined || values.length === 0 ? undefined : median(values);
}

/** How many times worse than `base` a target is, whatever the unit's direction; undefined when one was not measured. */
export function ratio(row: Row, target: TargetName, base: TargetName): number | undefined {
  const [a, b] = [figure(row, target), figure(row, base)];
  if (a === undefined || b === undefined || a === 0 || b === 0) return undefined;
  return isRate(row.unit) ? b / a : a / b;
}

/** Three digits, and a unit that keeps them short. */
export function show(value: number | undefined, unit: Unit): string {
  if (value === undefined) return "-";
  if (unit === "ns" && value >= 1e6) return `${digits(value / 1e6)} ms`;
  if (unit === "ns" && value >= 1000) return `${digits(value / 1000)} us`;
  if (unit === "ms" && value >= 1000) return `${digits(value / 1000)} s`;
  if (unit === "MiB/s" && value >= 1024) return `${digits(value / 1024)} GiB/s`;
  return unit === "/s" ? `${Math.round(value)}/s` : `${digits(value)} ${unit}`;
}

export function showRatio(value: number | undefined): string {
  return value === undefined ? "-" : digits(value);
}

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
