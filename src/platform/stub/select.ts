/** Chooses the platform. */
import { StubPlatform } from "./platform.ts";

/** What was started, and why not what was asked for. */
export interface Selection {
  readonly platform: StubPlatform;
  /** One line for the log for each platform that was passed over; empty when the first choice runs. */
  readonly passedOver: readonly string[];
}

/**
 * Starts the platform of this name; when that cannot run here, the next one in the order systrap, ptrace.
 * `stubFd`: the stub executable, -1 to find it beside the addon.
 * @returns the selection, or the list of reasons when none runs.
 */
export function selectPlatform(name: "systrap" | "ptrace", stubFd: number): Selection | readonly string[] {
  const passedOver: string[] = [];
  for (const candidate of name === "systrap" ? (["systrap", "ptrace"] as const) : (["ptrace"] as const)) {
    const started = StubPlatform.start(candidate, stubFd);
    if (started instanceof StubPlatform) return { platform: started, passedOver };
    passedOver.push(started.reason);
  }
  return passedOver;
}
