/** What a sandbox takes over from the process that starts it: environment and resource limits. */
import { rlimitNames } from "../abi/resource.ts";
import type { RlimitConfig } from "../control/config.ts";
import { linuxHost } from "../host/linux.unsafe.ts";

/** The current process's limits. */
export function currentRlimits(): RlimitConfig[] {
  const out = new Float64Array(2);
  const limits: RlimitConfig[] = [];
  for (let i = 0; i < rlimitNames.length; i++) {
    if (linuxHost().getrlimit(i, out) < 0) continue;
    const [soft, hard] = [out[0]!, out[1]!];
    limits.push({
      type: `RLIMIT_${rlimitNames[i]!}`,
      soft: soft === Infinity ? -1 : soft,
      hard: hard === Infinity ? -1 : hard,
    });
  }
  return limits;
}

/** The caller's environment with `extra` NAME=VALUE entries on top, as latin1 strings. */
export function guestEnvironment(extra: readonly string[]): string[] {
  const env = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith("TSVISOR_")) continue;
    env.set(Buffer.from(name, "utf8").toString("latin1"), Buffer.from(value ?? "", "utf8").toString("latin1"));
  }
  // bin/tsvisor hides the user's NODE_OPTIONS from our own node; the guest gets them back.
  const saved = process.env["TSVISOR_SAVED_NODE_OPTIONS"];
  if (saved !== undefined) env.set("NODE_OPTIONS", saved);
  for (const entry of extra) {
    const eq = entry.indexOf("=");
    env.set(entry.slice(0, eq), entry.slice(eq + 1));
  }
  return [...env].map(([name, value]) => `${name}=${value}`);
}
