/**
 * Starts a sandbox and stays with it until it ends: one gofer and one Sentry process, set up as host/spawn-steps.ts
 * describes, tied to this process's life. Passes signals in and the exit status out.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BootConfig, MountConfig } from "../control/config.ts";
import type { GoferConfig } from "../control/gofer-config.ts";
import {
  encodeMessage,
  messageField,
  MSG_BOOTED,
  MSG_FAILED,
  MSG_GO,
  MSG_SIGNAL,
  MSG_SIZE,
} from "../control/messages.ts";
import { REPORT_FD } from "../control/report.ts";
import type { Host, SpawnResult, SpawnStep } from "../host/host.ts";
import { isTraining, TRAINING } from "../host/code-cache.ts";
import { become } from "../host/become.unsafe.ts";
import { canUseImage, imagePath, restorePath } from "../host/image.unsafe.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { packageRoot } from "../host/package-root.ts";
import {
  finishSetup,
  GOFER_NAMESPACES,
  GOFER_ROOT,
  goferExportName,
  goferSteps,
  PROC_NAME,
  hostPath,
  SENTRY_NAMESPACES,
  sentrySteps,
} from "../host/spawn-steps.ts";
import type { ProcessSetup } from "../host/spawn-steps.ts";
import { complain } from "../host/output.ts";
import { CliError, EXIT_FAILURE } from "./errors.ts";
import { latin1 } from "./latin1.ts";
import type { SandboxRequest } from "./sandbox-request.ts";
import { RawTerminal } from "./terminal.ts";

const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const AF_UNIX = 1;
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_APPEND = 0o2000;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const AT_FDCWD = -100;
const MFD_CLOEXEC = 1;
const POLLIN = 1;
const EFD_CLOEXEC = 0o2000000;
const SIGKILL = 9;
const SIGCONT = 18;
const SIGTSTP = 20;
const SIGWINCH = 28;
/** What is passed on to the sandbox: HUP INT QUIT USR1 USR2 ALRM TERM CONT TSTP WINCH. */
const FORWARDED = [1, 2, 3, 10, 12, 14, 15, SIGCONT, SIGTSTP, SIGWINCH];

/** Numbers of inherited fds in our processes, above those that Node had taken before the fork. */
const CONTROL_FD = 64;
const CONFIG_FD: number = REPORT_FD;
/** In the Sentry; the gofer's sockets follow. */
const STUB_FD = 66;
const VDSO_FD = 67;
const LOG_FD = 68;
const SENTRY_IO_FD = 69;
/** First socket of the gofer. */
const GOFER_IO_FD = 66;

/** A started process and our end of its control socket. */
interface Child {
  readonly name: string;
  readonly steps: readonly SpawnStep[];
  readonly pid: number;
  readonly pidfd: number;
  readonly controlFd: number;
}

/** Calls that must work: the result, or a CliError with the errno. */
function must(what: string, result: number): number {
  if (result < 0) throw new CliError(`cannot ${what}: errno ${-result}`);
  return result;
}

function openOrFail(host: Host, path: string, flags: number, mode: number): number {
  return must(`open ${path}`, host.openat(AT_FDCWD, path, flags | O_CLOEXEC, mode));
}

function socketPair(host: Host, type: number): [number, number] {
  const pair = host.socketpair(AF_UNIX, type);
  if (typeof pair === "number") throw new CliError(`cannot make a socket pair: errno ${-pair}`);
  return pair;
}

/**
 * A directory of the host on which the private mount namespaces build their roots. Any will do that exists and does not
 * contain what is exported; nothing is written to it.
 */
function scratchDirectory(request: SandboxRequest): string {
  const sources = [request.rootPath, ...request.mounts.map((m) => m.exported?.hostPath ?? "")];
  for (const dir of ["/mnt", "/media", "/srv", "/opt", "/home", "/sys/fs/cgroup", "/var/tmp", "/tmp"]) {
    if (existsSync(dir) && !sources.some((s) => s === dir || s.startsWith(`${dir}/`))) return dir;
  }
  throw new CliError("no directory to build the sandbox's root on: one of /mnt, /media, /srv must exist");
}

/** What users call the process of a program. */
function processName(program: "boot" | "gofer"): string {
  return program === "boot" ? "sentry" : "gofer";
}

function rejectFailedStep(name: string, steps: readonly SpawnStep[], step: number, error: number): never {
  const op = steps[step];
  const what =
    op === undefined
      ? "descriptors"
      : `${op.op}${"target" in op ? ` ${op.target}` : "path" in op ? ` ${op.path}` : ""}`;
  const hint = error === -1 ? " (tsvisor needs root)" : "";
  throw new CliError(`cannot set up the ${name}: ${what}: errno ${-error}${hint}`);
}

class Sandbox {
  private readonly host: Host = linuxHost();
  private readonly request: SandboxRequest;
  private readonly scratch: string;
  private readonly children: Child[] = [];
  /** Children that have their final root. */
  private finished = 0;
  private readonly message: Uint8Array = new Uint8Array(MSG_SIZE);

  constructor(request: SandboxRequest) {
    this.request = request;
    this.scratch = latin1(scratchDirectory(request));
  }

  /** Runs it; the exit status for the user. */
  run(): number {
    const { host, request } = this;
    // From here on these signals no longer end this process: they are the sandbox's.
    const signals = must("watch signals", host.signalPipe(FORWARDED));
    const log = this.openLog();
    const exports = request.mounts.filter((m) => m.exported !== null).length;
    const sockets = Array.from({ length: 1 + exports }, () => socketPair(host, SOCK_STREAM));
    try {
      const gofer = this.startGofer(sockets.map((s) => s[0]));
      const sentry = this.startSentry(
        sockets.map((s) => s[1]),
        log,
      );
      for (const [a, b] of sockets) {
        host.close(a);
        host.close(b);
      }
      const terminal = new RawTerminal(host);
      try {
        const status = this.wait(sentry, gofer, signals, terminal);
        // A training run's processes write their caches as they end: they get the time.
        if (isTraining()) for (const child of this.children.slice()) this.exitStatus(child);
        return status;
      } finally {
        terminal.restore();
      }
    } finally {
      for (const child of this.children) this.end(child);
    }
  }

  private openLog(): number {
    const { debugLog, strace, debug } = this.request;
    if (debugLog !== undefined) return openOrFail(this.host, debugLog, O_WRONLY | O_CREAT | O_APPEND, 0o600);
    return strace || debug ? 2 : -1;
  }

  /** fds 0-2 as they are; closed ones (native/restore has put O_PATH descriptors there) stay closed. */
  private stdio(): number[] {
    return [0, 1, 2].map((fd) => {
      const flags = this.host.fcntlGetfl(fd);
      return flags < 0 || (flags & O_PATH) !== 0 ? -1 : fd;
    });
  }

  /** A process made from the image of `program`, after the steps. */
  private spawnImage(program: "boot" | "gofer", namespaces: number, steps: readonly SpawnStep[]): SpawnResult {
    const training = process.env[TRAINING];
    return this.host.spawn({
      cloneFlags: namespaces,
      steps,
      exec: hostPath(restorePath()),
      execFd: -1,
      argv: [`tsvisor-${processName(program)}`, hostPath(imagePath(program)), "0", String(CONFIG_FD)],
      envp: training === undefined ? [] : [`${TRAINING}=${training}`],
    });
  }

  /**
   * A process that runs `program` with `fds[i]` as descriptor {@link CONTROL_FD} + 1 + i behind our end of `control` and the standard
   * ones, those of them that are closed being an eventfd that nobody reads: made from its image, or as a copy of this one.
   */
  private start(
    program: "boot" | "gofer",
    namespaces: number,
    stepsFor: (fds: readonly number[] | null) => readonly SpawnStep[],
    stdio: readonly number[],
    fds: readonly number[],
    control: readonly [number, number],
  ): Child {
    const { host } = this;
    const given = [control[1], ...fds];
    let steps: readonly SpawnStep[];
    let result: SpawnResult;
    if (canUseImage(program)) {
      const nobody = must("make an eventfd", host.eventfd(0, EFD_CLOEXEC));
      const low = Array.from({ length: CONTROL_FD }, (_, i) => stdio[i] ?? -1);
      for (const i of stdio.keys()) if (low[i]! < 0) low[i] = nobody;
      steps = stepsFor([...low, ...given]);
      result = this.spawnImage(program, namespaces, steps);
      host.close(nobody);
    } else {
      const training = process.env[TRAINING];
      steps = stepsFor(null);
      const to = [...stdio.keys(), ...given.map((_, i) => CONTROL_FD + i)];
      result = host.fork(namespaces, steps, [...stdio, ...given], to);
      if (result.pid === 0) {
        if (result.error < 0) {
          encodeMessage(this.message, MSG_FAILED, result.step, -result.error);
          host.write(control[1], this.message, 0, MSG_SIZE);
          host.exitNow(EXIT_FAILURE);
        }
        if (training !== undefined) process.env[TRAINING] = training;
        become(program, CONFIG_FD, EXIT_FAILURE);
      }
    }
    host.close(control[1]);
    const name = processName(program);
    if (result.error < 0 && result.step >= 0) rejectFailedStep(name, steps, result.step, result.error);
    if (result.error < 0) throw new CliError(`cannot start the ${name}: errno ${-result.error}`);
    const child = { name, steps, pid: result.pid, pidfd: result.pidfd, controlFd: control[0] };
    this.children.push(child);
    return child;
  }

  private setup(fds: readonly number[] | null): ProcessSetup {
    return { scratch: this.scratch, fds, uid: -1, gid: -1, diesWithParent: true };
  }

  private startGofer(sockets: readonly number[]): Child {
    const { request } = this;
    const control = socketPair(this.host, SOCK_SEQPACKET);
    const trees = request.mounts.flatMap((m) => (m.exported === null ? [] : [m.exported]));
    const root = { hostPath: request.rootPath, readonly: true, isFile: false };
    const config: GoferConfig = {
      version: 1,
      controlFd: CONTROL_FD,
      procPath: `/${PROC_NAME}/self/fd`,
      exports: [
        { ioFd: GOFER_IO_FD, path: `/${GOFER_ROOT}`, readonly: true },
        ...trees.map((tree, i) => ({
          ioFd: GOFER_IO_FD + 1 + i,
          path: `/${goferExportName(i)}`,
          readonly: tree.readonly,
        })),
      ],
      seccomp: true,
    };
    const configFd = this.memoryFile("tsvisor-gofer", config);
    const steps = (fds: readonly number[] | null): SpawnStep[] => goferSteps(this.setup(fds), root, trees);
    const child = this.start("gofer", GOFER_NAMESPACES, steps, [-1, -1, 2], [configFd, ...sockets], control);
    this.host.close(configFd);
    return child;
  }

  private startSentry(sockets: readonly number[], log: number): Child {
    const { host } = this;
    const control = socketPair(host, SOCK_SEQPACKET);
    const build = join(packageRoot(), "build");
    const stub = openOrFail(host, hostPath(join(build, "stub.elf")), O_RDONLY, 0);
    const vdso = openOrFail(host, hostPath(join(build, "vdso.so")), O_RDONLY, 0);
    const config = this.writeConfig(log >= 0);
    const steps = (fds: readonly number[] | null): SpawnStep[] => sentrySteps(this.setup(fds));
    const fds = [config, stub, vdso, log, ...sockets];
    const child = this.start("boot", SENTRY_NAMESPACES, steps, this.stdio(), fds, control);
    for (const fd of [config, stub, vdso]) host.close(fd);
    if (log > 2) host.close(log);
    return child;
  }

  private writeConfig(hasLog: boolean): number {
    const { host, request } = this;
    let ioFd = SENTRY_IO_FD + 1;
    const mounts = request.mounts.map((m): MountConfig => ({
      destination: m.destination,
      type: m.type,
      options: m.options,
      readonly: m.readonly,
      ioFd: m.exported === null ? -1 : ioFd++,
      isFile: m.exported?.isFile ?? false,
      shared: m.exported !== null,
    }));
    const config: BootConfig = {
      version: 1,
      id: request.id,
      platform: request.platform ?? "systrap",
      hostname: request.hostname,
      process: request.process,
      rootIoFd: SENTRY_IO_FD,
      rootOverlay: true,
      rootReadonly: request.rootReadonly,
      mounts,
      controlFd: CONTROL_FD,
      stubFd: STUB_FD,
      vdsoFd: VDSO_FD,
      logFd: hasLog ? LOG_FD : -1,
      debug: request.debug,
      memoryLimit: request.memoryLimit,
      pidsLimit: request.pidsLimit,
      allowSetuid: request.allowSetuid,
      systrapDisable: request.systrapDisable,
      strace: request.strace,
      profile: request.profile,
      open: this.stdio().map((fd) => fd >= 0),
      tty: [0, 1, 2].map((fd) => host.isatty(fd)),
      startedAtNs: Math.floor(process.hrtime()[0] * 1e9 + process.hrtime()[1]),
    };
    return this.memoryFile("tsvisor-config", config);
  }

  /** A memory file with a JSON document. */
  private memoryFile(name: string, document: object): number {
    const bytes = Buffer.from(JSON.stringify(document), "utf8");
    const fd = must("make a memory file", this.host.memfdCreate(name, MFD_CLOEXEC));
    must(`write ${name}`, this.host.pwrite(fd, bytes, 0, bytes.length, 0));
    return fd;
  }

  /** A child has loaded its code: take the host's root from it and let it go on. */
  private finish(child: Child): void {
    const error = finishSetup(this.host, child.pid, child.pidfd, this.scratch);
    if (error < 0) throw new CliError(`cannot finish the set-up of the ${child.name}: errno ${-error}`);
    this.send(child, MSG_GO, 0);
    if (++this.finished === this.children.length) this.host.trim();
  }

  private send(child: Child, kind: number, argument: number): void {
    encodeMessage(this.message, kind, argument, 0);
    this.host.write(child.controlFd, this.message, 0, MSG_SIZE);
  }

  private wait(sentry: Child, gofer: Child, signals: number, terminal: RawTerminal): number {
    const { host, message } = this;
    const set = Int32Array.from(
      [sentry.pidfd, gofer.pidfd, sentry.controlFd, gofer.controlFd, signals].flatMap((fd) => [fd, POLLIN, 0]),
    );
    for (;;) {
      host.poll(set, 5, -1);
      for (const [i, child] of [
        [2, sentry],
        [3, gofer],
      ] as const) {
        if (set[i * 3 + 2] === 0) continue;
        const n = host.read(child.controlFd, message, 0, MSG_SIZE);
        if (n <= 0) set[i * 3] = -1;
        else if (messageField(message, 0) === MSG_BOOTED) this.finish(child);
        else if (messageField(message, 0) === MSG_FAILED) {
          rejectFailedStep(child.name, child.steps, messageField(message, 1), -messageField(message, 2));
        }
      }
      if (set[2] !== 0) return this.exitStatus(sentry);
      if (set[5] !== 0) {
        // It ends with 0 when the Sentry has closed its connection, that is, ends too: which, with all the memory that
        // there is to free, may take some time longer. Else, without files, the guest cannot go on.
        if (this.exitStatus(gofer) !== 0) throw new CliError("the gofer died, the sandbox was ended");
        set[3] = -1;
        set[5] = 0;
      }
      if (set[14] !== 0) this.forwardSignals(sentry, signals, terminal);
    }
  }

  private forwardSignals(sentry: Child, pipe: number, terminal: RawTerminal): void {
    const n = this.host.read(pipe, this.message, 0, MSG_SIZE);
    for (const sig of this.message.slice(0, Math.max(0, n))) {
      if (sig === SIGTSTP) continue; // the terminal is raw; a stop from elsewhere is not passed on
      if (sig === SIGCONT) terminal.makeRaw();
      this.send(sentry, MSG_SIGNAL, sig);
    }
  }

  /** Reaps a child that has ended. */
  private exitStatus(child: Child): number {
    const status = new Int32Array(1);
    if (this.host.wait4(child.pid, 0, status) < 0) return 128;
    const at = this.children.indexOf(child);
    if (at >= 0) this.children.splice(at, 1);
    const sig = status[0]! & 0x7f;
    if (sig === 0) return (status[0]! >> 8) & 0xff;
    if (child.name === "sentry") complain(`tsvisor: the sandbox was ended by signal ${sig}\n`);
    return 128 + sig;
  }

  /** Ends a child that still runs, and waits until it is gone. */
  private end(child: Child): void {
    this.host.pidfdSendSignal(child.pidfd, SIGKILL);
    this.host.wait4(child.pid, 0, new Int32Array(1));
  }
}

/** Starts the sandbox, waits for its end and returns the exit status. Throws CliError. */
export function runSandbox(request: SandboxRequest): number {
  if (process.getuid?.() !== 0) {
    throw new CliError(`root is needed to set up the sandbox (run as uid ${process.getuid?.() ?? "?"}); try sudo`);
  }
  return new Sandbox(request).run();
}
