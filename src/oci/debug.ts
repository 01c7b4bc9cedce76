/** What sandboxes are doing: the Sentry's own report, and what the host knows of the processes. */
import { closeSync, openSync, readSync } from "node:fs";
import { decodeReport, printable, REPORT_FD, REPORT_MAX, REPORT_SIGNAL } from "../control/report.ts";
import { describeProcess, hostProcesses, threadTicks, withDescendants } from "./host-processes.ts";
import type { HostProcess } from "./host-processes.ts";

/** How long a Sentry has to answer; one that serves its guest needs a millisecond. */
const ANSWER_MS = 3000;
const POLL_MS = 20;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function sleep(ms: number): void {
  Atomics.wait(sleeper, 0, 0, ms);
}

function readReport(fd: number): ReturnType<typeof decodeReport> {
  const buf = new Uint8Array(REPORT_MAX + 256);
  try {
    return decodeReport(buf.subarray(0, readSync(fd, buf, 0, buf.length, 0)));
  } catch {
    return undefined;
  }
}

/** Asks a Sentry for its report; undefined: it does not answer. Throws Error when it cannot be asked. */
function askSentry(pid: number): string | undefined {
  const fd = openSync(`/proc/${pid}/fd/${REPORT_FD}`, "r");
  try {
    const before = readReport(fd)?.number ?? 0;
    process.kill(pid, REPORT_SIGNAL);
    for (let waited = 0; waited < ANSWER_MS; waited += POLL_MS) {
      sleep(POLL_MS);
      const report = readReport(fd);
      if (report !== undefined && report.number > before) return report.text;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function sentryLines(pid: number): string[] {
  const lines = [`sandbox of host process ${pid}:`];
  try {
    const text = askSentry(pid);
    if (text !== undefined) lines.push(...text.split("\n"));
    else
      lines.push(`the Sentry has not answered for ${ANSWER_MS / 1000} s: its thread below is busy, waits, or starts`);
  } catch (error) {
    lines.push(`the Sentry cannot be asked: ${error instanceof Error ? error.message : String(error)}`);
  }
  lines.push("");
  return lines;
}

/**
 * Describes the sandboxes that `top` or what descends from it runs, or (undefined) all of this machine. Lines without control
 * characters; undefined: there is none.
 */
export function describeSandboxes(top: number | undefined): string[] | undefined {
  const all = hostProcesses();
  const shown: HostProcess[] = [];
  const roots =
    top === undefined ? all.filter((p) => p.role === "sentry" || p.role === "gofer").map((p) => p.parent) : [top];
  for (const root of new Set(roots)) shown.push(...withDescendants(all, root));
  const sentries = shown.filter(
    (p) => p.role === "sentry" && !shown.some((q) => q.pid === p.parent && q.role === "sentry"),
  );
  if (!shown.some((p) => p.role !== "")) return undefined;
  const ticks = threadTicks(shown);
  sleep(200);
  const lines = sentries.flatMap((p) => sentryLines(p.pid));
  for (const p of shown) lines.push(...describeProcess(p, ticks));
  return lines.map(printable);
}
