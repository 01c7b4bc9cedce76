/** `tsvisor do`: one command in a sandbox whose root is the host's own, read-only below and in memory above. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { defaultMounts } from "../../default-mounts.ts";
import { CliError, EXIT_USAGE } from "../../errors.ts";
import { currentRlimits, guestEnvironment } from "../../inherit.ts";
import { latin1, native } from "../../latin1.ts";
import type { MountRequest } from "../../sandbox-request.ts";
import { linuxHost } from "../../../host/linux.unsafe.ts";
import { runSandbox } from "../../sandbox.ts";
import type { Command } from "../command.ts";
import type { FlagValues } from "../flags.ts";
import { memoryFlag, pidsFlag, platformFlag, systrapDisableFlag } from "../global-flags.ts";

/** The machine's name, latin1; not by node:os, which is another half millisecond of start. */
function hostname(): string {
  return readFileSync("/proc/sys/kernel/hostname", "latin1").trimEnd();
}

/** `SRC:DST[:ro]`, both absolute (SRC may be relative to the current directory). */
function parseVolume(text: string): MountRequest {
  const parts = text.split(":");
  const [source, destination, mode] = parts;
  if (parts.length < 2 || parts.length > 3 || source === "" || source === undefined || !destination?.startsWith("/")) {
    throw new CliError(`--volume '${text}': expected SRC:DST[:ro] with an absolute DST`, EXIT_USAGE);
  }
  if (mode !== undefined && mode !== "ro" && mode !== "rw") {
    throw new CliError(`--volume '${text}': the third part must be ro or rw`, EXIT_USAGE);
  }
  const hostPath = latin1(resolve(native(source)));
  const stat = statSync(native(hostPath), { throwIfNoEntry: false });
  if (stat === undefined) throw new CliError(`--volume '${text}': ${source}: no such file or directory`);
  const readonly = mode === "ro";
  return {
    destination,
    type: "bind",
    options: readonly ? ["ro"] : [],
    readonly,
    exported: { hostPath, readonly, isFile: !stat.isDirectory() },
  };
}

function run(flags: FlagValues, args: readonly string[]): number {
  if (args.length === 0) throw new CliError("do: no command given; see 'tsvisor help do'", EXIT_USAGE);
  const rootPath = latin1(resolve(native(flags.string("rootfs") ?? "/")));
  const rootStat = statSync(native(rootPath), { throwIfNoEntry: false });
  if (rootStat === undefined) throw new CliError(`root file system ${rootPath}: no such directory`);
  if (!rootStat.isDirectory()) throw new CliError(`root file system ${rootPath}: not a directory`);
  const cwd = flags.string("cwd") ?? (rootPath === "/" ? latin1(process.cwd()) : "/");
  if (!cwd.startsWith("/")) throw new CliError(`--cwd '${cwd}': must be absolute`, EXIT_USAGE);
  const extraEnv = flags.list("env");
  for (const entry of extraEnv) {
    if (entry.indexOf("=") < 1) throw new CliError(`--env '${entry}': expected NAME=VALUE`, EXIT_USAGE);
  }
  const oldUmask = process.umask();
  return runSandbox({
    id: `do-${linuxHost().getpid()}`,
    hostname: hostname(),
    process: {
      args,
      env: guestEnvironment(extraEnv),
      cwd,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      additionalGids: process.getgroups?.() ?? [],
      umask: oldUmask,
      rlimits: currentRlimits(),
      noNewPrivileges: false,
      capabilities: null,
    },
    rootPath,
    rootReadonly: false,
    mounts: [...defaultMounts(), ...flags.list("volume").map(parseVolume)],
    platform: platformFlag(flags),
    systrapDisable: systrapDisableFlag(flags),
    strace: flags.bool("strace"),
    profile: flags.bool("profile"),
    debug: flags.bool("debug"),
    memoryLimit: memoryFlag(flags),
    pidsLimit: pidsFlag(flags),
    allowSetuid: flags.bool("allow-suid"),
    debugLog: flags.string("debug-log"),
  });
}

export const doCommand: Command = {
  name: "do",
  summary: "run one command in a sandbox over this machine's own root, which stays untouched",
  usage: "[flags] [--] CMD [ARGS...]",
  flags: [
    { name: "rootfs", kind: "string", value: "DIR", help: "root file system, read-only below", defaultText: "/" },
    {
      name: "cwd",
      kind: "string",
      value: "DIR",
      help: "working directory inside",
      defaultText: "the current one, or / with --rootfs",
    },
    { name: "env", kind: "list", value: "K=V", help: "set an environment variable (repeatable)" },
    {
      name: "memory",
      kind: "string",
      value: "SIZE",
      help: "memory that the sandbox may use, files in memory included: bytes, or with k, m, g",
      defaultText: "no limit",
    },
    { name: "pids-limit", kind: "string", value: "N", help: "threads that may exist inside", defaultText: "no limit" },
    {
      name: "volume",
      kind: "list",
      value: "SRC:DST[:ro]",
      help: "mount a host directory or file; without ro, writes reach the host (repeatable)",
    },
  ],
  details:
    "Nothing that the command writes reaches the host, except through a --volume without ro. Standard input, output\n" +
    "and error, signals and the exit status pass through. Example: tsvisor do -- sh -c 'rm -rf /usr; ls /usr'",
  run,
};
