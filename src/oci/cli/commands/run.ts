/** `tsvisor run`: an OCI bundle in the foreground. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { defaultMounts } from "../../default-mounts.ts";
import { CliError, EXIT_USAGE } from "../../errors.ts";
import { mountRequests } from "../../bundle-mounts.ts";
import { latin1, native } from "../../latin1.ts";
import { runSandbox } from "../../sandbox.ts";
import type { OciSpec } from "../../spec/types.ts";
import { validateSpec } from "../../spec/validate.ts";
import type { Command } from "../command.ts";
import type { FlagValues } from "../flags.ts";
import { platformFlag, systrapDisableFlag } from "../global-flags.ts";

/** Reads and checks BUNDLE/config.json. */
export function loadSpec(bundle: string): OciSpec {
  const file = `${bundle}/config.json`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new CliError(`${file}: no such file; 'tsvisor spec' writes a sample`);
    throw new CliError(`${file}: cannot be read: ${code ?? String(error)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${file}: not valid JSON: ${(error as Error).message.split("\n")[0]!}`);
  }
  return validateSpec(value, file);
}

function run(flags: FlagValues, args: readonly string[]): number {
  if (args.length !== 1) throw new CliError("run: exactly one container ID is needed", EXIT_USAGE);
  const id = args[0]!;
  if (!/^[A-Za-z0-9_.+-]{1,1024}$/.test(id) || id === "." || id === "..") {
    throw new CliError(`container ID '${id}': only letters, digits and _ + - . are allowed`, EXIT_USAGE);
  }
  const bundle = resolve(native(flags.string("bundle") ?? "."));
  const spec = loadSpec(bundle);
  const rootPath = latin1(resolve(bundle, native(spec.root.path)));
  const rootStat = statSync(native(rootPath), { throwIfNoEntry: false });
  if (rootStat === undefined) throw new CliError(`${bundle}/config.json: root.path: ${rootPath} does not exist`);
  if (!rootStat.isDirectory()) throw new CliError(`${bundle}/config.json: root.path: ${rootPath} is not a directory`);
  const p = spec.process;
  return runSandbox({
    id,
    hostname: spec.hostname ?? "tsvisor",
    process: {
      args: p.args,
      env: p.env ?? [],
      cwd: p.cwd,
      uid: p.user.uid,
      gid: p.user.gid,
      additionalGids: p.user.additionalGids ?? [],
      umask: p.user.umask ?? -1,
      rlimits: (p.rlimits ?? []).map((r) => ({
        type: r.type,
        soft: r.soft === Infinity ? -1 : r.soft,
        hard: r.hard === Infinity ? -1 : r.hard,
      })),
      noNewPrivileges: p.noNewPrivileges ?? false,
      capabilities:
        p.capabilities === undefined
          ? null
          : {
              bounding: p.capabilities.bounding ?? [],
              effective: p.capabilities.effective ?? [],
              inheritable: p.capabilities.inheritable ?? [],
              permitted: p.capabilities.permitted ?? [],
              ambient: p.capabilities.ambient ?? [],
            },
    },
    rootPath,
    rootReadonly: spec.root.readonly ?? false,
    mounts:
      spec.mounts === undefined || spec.mounts.length === 0 ? defaultMounts() : mountRequests(spec.mounts, bundle),
    platform: platformFlag(flags),
    systrapDisable: systrapDisableFlag(flags),
    strace: flags.bool("strace"),
    profile: flags.bool("profile"),
    debug: flags.bool("debug"),
    memoryLimit: spec.linux?.resources?.memory?.limit ?? -1,
    pidsLimit: spec.linux?.resources?.pids?.limit ?? -1,
    allowSetuid: flags.bool("allow-suid"),
    debugLog: flags.string("debug-log"),
  });
}

export const runCommand: Command = {
  name: "run",
  summary: "run an OCI bundle in the foreground",
  usage: "[--bundle DIR] ID",
  flags: [
    { name: "bundle", kind: "string", value: "DIR", help: "directory with config.json", defaultText: "." },
    { name: "b", kind: "string", value: "DIR", help: "short for --bundle" },
  ],
  details: "Writes to the root file system stay in memory; the bundle is not changed.",
  run(flags, args): number {
    const short = flags.string("b");
    if (short !== undefined && flags.string("bundle") === undefined) flags.add("bundle", short);
    return run(flags, args);
  },
};
