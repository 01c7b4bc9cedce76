/** Tells the time that the Sentry spends in calls of the host, and waiting for the gofer, from its own. */
import type { Host } from "../../host/host.ts";

/** What has been spent since the start. */
export class Meter {
  /** Monotonic ns. */
  readonly now: () => number;
  hostNs = 0;
  hostCalls = 0;
  goferNs = 0;
  /** Requests sent to the gofer. */
  goferRequests = 0;

  constructor(now: () => number) {
    this.now = now;
  }
}

/** Cheaper than what measures them, or without an end, or the Sentry's own work. */
const UNMEASURED: ReadonlySet<string> = new Set(["clockNs", "tscSample", "getpid", "exitNow", "copyBytes"]);

/**
 * The host, with the time of each call added to `meter`. Sending and receiving on one of `goferFds`, and requests
 * through a channel, are the gofer's time, everything else the host's.
 */
export function meteredHost(host: Host, meter: Meter, goferFds: ReadonlySet<number>): Host {
  const measured: Record<string, unknown> = { ...host };
  for (const [name, method] of Object.entries(host) as [string, unknown][]) {
    if (UNMEASURED.has(name) || typeof method !== "function") continue;
    const isAnswer = name === "recvmsg" || name === "recvFd";
    const talks = name === "sendmsg" || isAnswer;
    const isRequest = name === "channelRequest";
    const call = method as (...args: unknown[]) => unknown;
    measured[name] = (...args: unknown[]): unknown => {
      const start = meter.now();
      const result = call(...args);
      const took = meter.now() - start;
      if (isRequest ? (result as number) >= 0 : talks && goferFds.has(args[0] as number)) {
        meter.goferNs += took;
        if (!isAnswer) meter.goferRequests++;
      } else {
        meter.hostNs += took;
        meter.hostCalls++;
      }
      return result;
    };
  }
  return measured as unknown as Host;
}
