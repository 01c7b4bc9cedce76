/** Credentials and resource limits of the first process, from its configuration. */
import { CAP_ALL_HI, CAP_ALL_LO, capabilityNames } from "../abi/capability.ts";
import { RLIM_INFINITY, rlimitNames } from "../abi/resource.ts";
import type { ProcessConfig } from "../control/config.ts";
import { userCredentials } from "../sentry/auth/credentials.ts";
import type { Credentials } from "../sentry/auth/credentials.ts";
import { defaultLimits } from "../sentry/limits/limits.ts";
import type { LimitSet } from "../sentry/limits/limits.ts";

/** Capability names as a 64-bit set; unknown names are passed over, as runc does for capabilities the kernel lacks. */
function capabilitySet(names: readonly string[]): { lo: number; hi: number } {
  let lo = 0;
  let hi = 0;
  for (const name of names) {
    const bit = capabilityNames.indexOf(name.toUpperCase());
    if (bit < 0) continue;
    if (bit < 32) lo = (lo | (1 << bit)) >>> 0;
    else hi = (hi | (1 << (bit - 32))) >>> 0;
  }
  return { lo: lo & CAP_ALL_LO, hi: hi & CAP_ALL_HI };
}

/** See the header. */
export function processCredentials(config: ProcessConfig): Credentials {
  const c = userCredentials(config.uid, config.gid, config.additionalGids);
  c.noNewPrivs = config.noNewPrivileges;
  const sets = config.capabilities;
  if (sets === null) return c;
  const put = (set: "bounding" | "effective" | "permitted" | "inheritable" | "ambient"): void => {
    const { lo, hi } = capabilitySet(sets[set]);
    c[`${set}Lo`] = lo >>> 0;
    c[`${set}Hi`] = hi >>> 0;
  };
  for (const set of ["bounding", "effective", "permitted", "inheritable", "ambient"] as const) put(set);
  return c;
}

/** See the header. Limits that the configuration does not name are Linux's defaults. */
export function processLimits(config: ProcessConfig): LimitSet {
  const limits = defaultLimits();
  for (const { type, soft, hard } of config.rlimits) {
    const resource = rlimitNames.indexOf(type.replace(/^RLIMIT_/, ""));
    if (resource < 0) continue;
    limits.set(resource, soft < 0 ? RLIM_INFINITY : soft, hard < 0 ? RLIM_INFINITY : hard);
  }
  return limits;
}
