/**
 * Where the scripts run: on the host's own root (`tsvisor do` against a plain process) and in a Debian bookworm root file
 * system (`tsvisor run` of an OCI bundle against a chroot).
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../harness/process.ts";
import type { Outcome } from "../harness/process.ts";
import { cleanEnv, tsvisor } from "../harness/sandbox.ts";
import type { Script } from "./scripts.ts";

/** A root file system to run scripts in. `platform` is "native" or one of tsvisor's. */
export interface Place {
  readonly name: string;
  /** Whether a command is installed there. */
  has(command: string): boolean;
  run(script: Script, platform: string, timeoutFactor: number): Promise<Outcome>;
}

const binDirs = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

function hasCommand(root: string, command: string): boolean {
  return binDirs.some((dir) => existsSync(join(root, dir, command)));
}

/**
 * The host's root. Every run of a script has the same working directory, made anew below `temporary`. `flags`: more of
 * them for every command of tsvisor.
 */
export function hostPlace(temporary: string, flags: readonly string[]): Place {
  return {
    name: "host",
    has: (command) => hasCommand("/", command),
    async run(script, platform, timeoutFactor) {
      const cwd = join(temporary, "host", script.name);
      rmSync(cwd, { recursive: true, force: true });
      mkdirSync(cwd, { recursive: true });
      const command = ["bash", "-c", script.text, script.name];
      const sandboxed = [tsvisor, "do", `--platform=${platform}`, ...flags, "--", ...command];
      const [file, ...args] = platform === "native" ? command : sandboxed;
      try {
        const options = { cwd, env: { ...cleanEnv, PWD: cwd }, timeout: script.timeout * timeoutFactor };
        return await run(file!, args, options);
      } finally {
        rmSync(cwd, { recursive: true, force: true });
      }
    },
  };
}

/** The environment inside the bookworm root. */
const bundleEnv: readonly string[] = Object.entries({ ...cleanEnv, HOME: "/root", PWD: "/case" })
  .filter(([name]) => name !== "TSVISOR_SOURCE")
  .map(([name, value]) => `${name}=${value}`);

/** What a script finds in both runs: an empty directory of its own. */
const prologue = "mkdir /case && cd /case || exit 98\n";

/**
 * A native run that leaves the root file system alone: an overlay of it in namespaces of its own, with the mounts that
 * the bundle has. Arguments: the root, a directory for mount points, then the command.
 */
const nativeBundle = `set -e
root=$1 at=$2; shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$at"
mkdir "$at/upper" "$at/work" "$at/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$at/upper,workdir=$at/work" "$at/root"
mount -t proc proc "$at/root/proc"
mount -t sysfs -o ro sysfs "$at/root/sys"
mount --rbind /dev "$at/root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$at/root/dev/shm"
hostname bookworm
ulimit -n 1024
exec chroot "$at/root" "$@"`;

const kernelMounts = [
  { destination: "/proc", type: "proc", source: "proc" },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
];

const capabilityNames =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_CHROOT SYS_PTRACE SYS_ADMIN SYS_NICE SYS_RESOURCE " +
  "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE SETFCAP";
const capabilities = capabilityNames.split(" ").map((name) => `CAP_${name}`);

/** A config.json as runc's users write them. */
export function bundleConfig(rootfs: string, args: readonly string[]): object {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: bundleEnv,
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    },
    root: { path: rootfs, readonly: false },
    hostname: "bookworm",
    mounts: kernelMounts,
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }, { type: "network" }] },
  };
}

/** The bookworm root at `rootfs`; bundles and mount points are made below `temporary`. `flags`: as {@link hostPlace}. */
export function bundlePlace(rootfs: string, temporary: string, flags: readonly string[]): Place {
  return {
    name: "bookworm",
    has: (command) => hasCommand(rootfs, command),
    async run(script, platform, timeoutFactor) {
      const dir = join(temporary, "bookworm", `${script.name}-${platform}`);
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir, { recursive: true });
      const command = ["bash", "-c", prologue + script.text, script.name];
      const options = { cwd: dir, env: cleanEnv, timeout: script.timeout * timeoutFactor };
      try {
        if (platform === "native") {
          const inside = ["/usr/bin/env", "-i", ...bundleEnv, ...command];
          const namespaces = ["--mount", "--pid", "--uts", "--fork", "--kill-child"];
          return await run("unshare", [...namespaces, "sh", "-c", nativeBundle, "sh", rootfs, dir, ...inside], options);
        }
        writeFileSync(join(dir, "config.json"), JSON.stringify(bundleConfig(rootfs, command), null, 2));
        const id = `test-${process.pid}-${script.name}`;
        return await run(tsvisor, ["run", `--platform=${platform}`, ...flags, "--bundle", dir, id], options);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}
