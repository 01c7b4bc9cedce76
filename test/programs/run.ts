/**
 * The program matrix and the fault cases.
 *
 * Each script of this folder runs natively and then in a sandbox on each platform, on the host's root and in a Debian
 * bookworm root file system; stdout and exit status must be equal. Each fault case runs on each platform.
 *
 * `npm run test:programs -- --help` tells of its options. Needs root.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureRootfs } from "../../tools/rootfs.ts";
import type { Outcome } from "../harness/process.ts";
import { ensureBuilt, forEachParallel, optionsText, readSuiteOptions, suiteUsage } from "../harness/sandbox.ts";
import { reportCount } from "../harness/summary.ts";
import { faultGroups } from "./faults.ts";
import type { Fault } from "./faults.ts";
import { isolated } from "./isolated.ts";
import { bundlePlace, hostPlace } from "./places.ts";
import type { Place } from "./places.ts";
import { loadScripts } from "./scripts.ts";
import type { Script } from "./scripts.ts";

const usage = suiteUsage(
  "npm run test:programs",
  "Runs scripts and fault cases natively and in sandboxes; what they print and how they end must be equal.",
  ["TEXT", "a part of the name of a case to run: 'git_repo host', 'fault kill SIGKILL at a stub'"],
  [{ name: "--filter", value: "TEXT", help: "the same" }],
);
const options = readSuiteOptions(usage);
const chosen = [...options.names, ...options.given.all("--filter")];
const temporary = mkdtempSync(join(tmpdir(), "tsvisor-programs-"));
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];

function isChosen(name: string): boolean {
  return chosen.length === 0 || chosen.some((text) => name.includes(text));
}

function pass(platform: string, name: string, seconds: number): void {
  passed++;
  console.log(`ok   ${platform.padEnd(8)} ${name} (${seconds.toFixed(1)} s)`);
}

function fail(platform: string, name: string, why: string): void {
  failed++;
  failures.push(`${platform} ${name}`);
  console.log(`FAIL ${platform.padEnd(8)} ${name}\n${why.trimEnd().replace(/^/gm, "       ")}`);
}

function skip(name: string, why: string): void {
  skipped++;
  console.log(`skip          ${name}: ${why}`);
}

function clip(text: string, maxLines: number): string {
  const lines = text.trimEnd().split("\n");
  if (lines.length <= maxLines) return lines.join("\n");
  return [...lines.slice(0, maxLines), `... ${lines.length - maxLines} more lines`].join("\n");
}

/** Why an outcome differs from the native one, or undefined when it does not. */
function difference(name: string, native: Outcome, other: Outcome): string | undefined {
  const lines: string[] = [];
  if (other.isTimedOut) lines.push(`timed out after ${other.seconds.toFixed(0)} s`);
  if (other.status !== native.status) lines.push(`exit status ${other.status}, natively ${native.status}`);
  if (Buffer.compare(other.stdout, native.stdout) !== 0) {
    const dir = join(temporary, "diff");
    mkdirSync(dir, { recursive: true });
    const files = ["native", "sandbox"].map((side) => join(dir, `${name.replaceAll(/[^\w]/g, "_")}.${side}`));
    writeFileSync(files[0]!, native.stdout);
    writeFileSync(files[1]!, other.stdout);
    const labels = ["--label", "native", "--label", "sandbox"];
    lines.push(clip(spawnSync("diff", ["-a", "-u", ...labels, ...files], { encoding: "latin1" }).stdout ?? "", 70));
  }
  if (lines.length === 0) return undefined;
  if (other.stderr.length > 0) lines.push(`stderr:\n${clip(other.stderr.toString("latin1"), 20)}`);
  if (other.state !== "") lines.push(`when its time was over:\n${other.state}`);
  return lines.join("\n");
}

async function testScript(script: Script, place: Place): Promise<void> {
  const name = `${script.name} ${place.name}`;
  const missing = script.needs.filter((command) => !place.has(command));
  if (missing.length > 0) return skip(name, `no ${missing.join(", ")}`);
  const native = await place.run(script, "native", 1);
  if (options.isVerbose) process.stdout.write(`--- ${name} natively ---\n${native.stdout}${native.stderr}`);
  if (native.isTimedOut || (script.status !== undefined && native.status !== script.status)) {
    const expected = script.status === undefined ? "" : `, expected ${script.status}`;
    const how = native.isTimedOut ? "timed out" : `exit status ${native.status}${expected}`;
    return fail("native", name, `${how}\n${native.stderr.toString("latin1")}`);
  }
  for (const platform of options.platforms) {
    const sandboxed = await place.run(script, platform, platform === "native" ? 1 : options.timeoutFactor);
    const why = difference(name, native, sandboxed);
    if (why === undefined) pass(platform, name, sandboxed.seconds);
    else fail(platform, name, why);
  }
}

/** What is wrong with a fault case's outcome, or undefined. */
async function checkFault(fault: Fault, platform: string): Promise<{ why: string | undefined; seconds: number }> {
  const timeout = (fault.timeout ?? 30) * options.timeoutFactor;
  const result = await isolated(`platform=${platform}\n${fault.body}`, timeout);
  const complaints: string[] = [];
  const stderr = result.stderr.trimEnd();
  if (result.status === undefined) complaints.push("no exit status");
  else if (!fault.status.includes(result.status)) {
    complaints.push(`exit status ${result.status}, expected ${fault.status.join(" or ")}`);
  }
  if (/^\s+at .*[:(]/m.test(stderr)) complaints.push("a stack trace on stderr");
  if (fault.stderr === null && stderr !== "") complaints.push("something on stderr");
  if (fault.stderr instanceof RegExp) {
    if (stderr.split("\n").length !== 1) complaints.push("not exactly one line on stderr");
    if (!fault.stderr.test(stderr)) complaints.push(`stderr does not match ${fault.stderr.source}`);
  }
  if (result.stdout !== (fault.stdout ?? "")) complaints.push(`stdout: ${JSON.stringify(result.stdout)}`);
  for (const leftover of result.leftovers) complaints.push(`left over: ${leftover}`);
  if (complaints.length > 0) complaints.push(`stderr:\n${stderr}`, `the shell said:\n${result.shellStderr}`);
  return { why: complaints.length === 0 ? undefined : complaints.join("\n"), seconds: result.seconds };
}

async function testFault(fault: Fault, group: string, platforms: readonly string[]): Promise<void> {
  const name = `fault ${group} ${fault.name}`;
  for (const platform of platforms) {
    const { why, seconds } = await checkFault(fault, platform);
    if (why === undefined) pass(platform, name, seconds);
    else fail(platform, name, why);
  }
}

const sandboxPlatforms = options.platforms.filter((platform) => platform !== "native");
if (sandboxPlatforms.length > 0) await ensureBuilt();
const jobs: (() => Promise<void>)[] = [];
const scripts = loadScripts();
const places = [hostPlace(temporary, options.doFlags)];
if (scripts.some((script) => isChosen(`${script.name} bookworm`))) {
  places.push(bundlePlace(process.env.TSVISOR_ROOTFS ?? ensureRootfs(), temporary, options.doFlags));
}
for (const script of scripts) {
  for (const place of places) {
    if (script.places !== undefined && !script.places.includes(place.name)) continue;
    if (isChosen(`${script.name} ${place.name}`)) jobs.push(() => testScript(script, place));
  }
}
for (const group of faultGroups) {
  // Without a sandbox all platforms are one.
  const platforms = group.isStarted ? sandboxPlatforms : sandboxPlatforms.slice(0, 1);
  for (const fault of group.faults) {
    if (platforms.length > 0 && isChosen(`fault ${group.name} ${fault.name}`)) {
      jobs.push(() => testFault(fault, group.name, platforms));
    }
  }
}
await forEachParallel(jobs, options.jobs, (job) => job());
if (jobs.length === 0) console.log(`no case is named ${chosen.join(" or ")}`);
if (failures.length > 0) console.log(`failed:\n  ${failures.join("\n  ")}`);
reportCount({ suite: `programs (${optionsText(options)})`, passed, failed, skipped });
if (failed > 0 || jobs.length === 0) process.exitCode = 1;
