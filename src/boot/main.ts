/**
 * The sandbox process: reads its configuration, wires platform, memory, files and kernel together, runs the first
 * program and ends with its exit status. One line on stderr and a documented status for every failure before that.
 */
import process from "node:process";
import { EACCES, EAGAIN, ENOENT, ENOEXEC, errnoName } from "../abi/errno.ts";
import { SIGWINCH } from "../abi/signal.ts";
import { EV_IN } from "../base/waiter.ts";
import { levelLetter, LOG_DEBUG, LOG_INFO, LOG_WARN, Logger } from "../base/log.ts";
import type { BootConfig } from "../control/config.ts";
import { awaitGo } from "../control/handshake.ts";
import { messageField, MSG_SIGNAL, MSG_SIZE } from "../control/messages.ts";
import { encodeReport, REPORT_FD, REPORT_SIGNAL } from "../control/report.ts";
import type { Host } from "../host/host.ts";
import { compileFilter } from "../host/bpf.ts";
import { reportCodeCache } from "../host/code-cache.ts";
import { runProgram, willFreeze } from "../host/image.unsafe.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { complain, writeAll } from "../host/output.ts";
import { Meter, meteredHost } from "../sentry/profile/meter.ts";
import type { Kernel } from "../sentry/kernel/kernel.ts";
import { kernelReport } from "../sentry/report/report.ts";
import { walked } from "../sentry/vfs/walk.ts";
import { BootError } from "./boot-error.ts";
import { findProgram } from "./find-program.ts";
import { hostFacts } from "./host-facts.ts";
import { processCredentials, processLimits } from "./identity.ts";
import { sentryFilter } from "./policy.ts";
import { buildRoot, setupContext } from "./root.ts";
import { openStdio } from "./stdio.ts";
import type { Stdio } from "./stdio.ts";
import { buildKernel } from "./wiring.ts";

const CLOCK_MONOTONIC = 1;
const CONFIG_MAX = 16 * 1024 * 1024;

function readConfig(host: Host, fd: number): BootConfig {
  let buf = new Uint8Array(65536);
  let len = 0;
  for (;;) {
    const n = host.pread(fd, buf, len, buf.length - len, len);
    if (n < 0) throw new BootError(`cannot read the configuration: ${errnoName(-n)}`);
    if (n === 0) break;
    len += n;
    if (len > CONFIG_MAX) throw new BootError("the configuration is too long");
    if (len === buf.length) {
      const next = new Uint8Array(buf.length * 2);
      next.set(buf);
      buf = next;
    }
  }
  // From here on the file is where reports go.
  host.ftruncate(fd, 0);
  return JSON.parse(Buffer.from(buf.buffer, 0, len).toString("utf8")) as BootConfig;
}

function makeLogger(host: Host, config: BootConfig): Logger {
  const fd = config.logFd;
  const level = config.debug ? LOG_DEBUG : config.strace ? LOG_INFO : LOG_WARN;
  return new Logger((severity, text) => {
    const target = fd >= 0 ? fd : 2;
    // Without a log of its own only errors reach the user's terminal.
    if (fd < 0 && severity > 0) return;
    const line = Buffer.from(fd >= 0 ? `${levelLetter(severity)} ${text}\n` : `tsvisor: ${text}\n`, "latin1");
    host.write(target, line, 0, line.length);
  }, level);
}

/** Signals and window sizes from the command line. */
function listenToControl(host: Host, kernel: Kernel, controlFd: number, stdio: Stdio): void {
  const buf = new Uint8Array(MSG_SIZE);
  kernel.hostWatch.watch(controlFd, EV_IN, {
    onHostReady(): void {
      const n = host.read(controlFd, buf, 0, MSG_SIZE);
      if (n === -EAGAIN) return;
      if (n !== MSG_SIZE) {
        // The command line is gone, and we should be too; until then, do not spin on the hang-up.
        kernel.hostWatch.unwatch(controlFd);
        return;
      }
      if (messageField(buf, 0) !== MSG_SIGNAL) return;
      const sig = messageField(buf, 1);
      if (sig === SIGWINCH && stdio.pump !== null) stdio.pump.resize();
      else kernel.sendExternalSignal(1, sig);
    },
  });
}

/**
 * Signals sent to this process itself mean the sandbox: they go to its init. HUP INT QUIT TERM; and the one that asks what it is
 * doing.
 */
function takeOwnSignals(host: Host, kernel: Kernel): void {
  const pipe = host.signalPipe([1, 2, 3, 15, REPORT_SIGNAL]);
  if (pipe < 0) return;
  const buf = new Uint8Array(16);
  let reports = 0;
  kernel.hostWatch.watch(pipe, EV_IN, {
    onHostReady(): void {
      const n = host.read(pipe, buf, 0, buf.length);
      for (let i = 0; i < n; i++) {
        if (buf[i] === REPORT_SIGNAL) writeKernelReport(host, kernel, ++reports);
        else kernel.sendExternalSignal(1, buf[i]!);
      }
    },
  });
}

/** src/control/report.ts */
function writeKernelReport(host: Host, kernel: Kernel, number: number): void {
  const bytes = encodeReport(number, kernelReport(kernel));
  host.ftruncate(REPORT_FD, 0);
  host.pwrite(REPORT_FD, bytes, 0, bytes.length, 0);
}

/** The user's view of a program that cannot be started, as shells have it. */
function cannotStart(name: string, error: number): BootError {
  const errno = -error;
  if (errno === ENOENT) return new BootError(`${name}: command not found`, 127);
  if (errno === EACCES) return new BootError(`${name}: permission denied`, 126);
  if (errno === ENOEXEC) return new BootError(`${name}: not an executable file (exec format error)`, 126);
  return new BootError(`${name}: cannot be executed: ${errnoName(errno)}`, 126);
}

/** wait(2) status -> exit status for the user. */
function exitStatus(status: number): number {
  const sig = status & 0x7f;
  return sig === 0 ? (status >> 8) & 0xff : 128 + sig;
}

/** `--profile`: lines go to the debug log, or to stderr behind everything that the guest wrote there. */
function writeReport(config: BootConfig, lines: readonly string[]): void {
  const fd = config.logFd >= 0 ? config.logFd : 2;
  // The terminal is still raw.
  const end = fd === 2 && config.tty[2] === true ? "\r\n" : "\n";
  writeAll(fd, Buffer.from(lines.map((line) => line + end).join(""), "latin1"));
}

function boot(configFd: number): number {
  const plainHost = linuxHost();
  const config = readConfig(plainHost, configFd);
  const meter = config.profile ? new Meter(() => plainHost.clockNs(CLOCK_MONOTONIC)) : null;
  const gofers = new Set([config.rootIoFd, ...config.mounts.map((m) => m.ioFd)]);
  const host = meter === null ? plainHost : meteredHost(plainHost, meter, gofers);
  const log = makeLogger(host, config);
  const facts = hostFacts(host);
  const wired = buildKernel(host, config, log, facts, meter);
  const { kernel, memory } = wired;
  if (!awaitGo(host, config.controlFd)) return 128;
  const mounts = buildRoot(
    { host, vfs: kernel.vfs, memory, keeper: kernel.platform, watcher: kernel.hostWatch },
    config,
  );
  const ctx = setupContext(kernel.vfs, mounts);
  const stdio = openStdio(host, kernel, wired.devpts(mounts), config, ctx);
  const p = config.process;
  const creds = processCredentials(p);
  const name = p.args[0]!;
  const path = findProgram(ctx, creds, name, p.env, p.cwd);
  if (typeof path === "number") throw cannotStart(name, path);
  const init = kernel.createInit({
    path,
    argv: p.args,
    envp: p.env,
    cwd: p.cwd,
    creds,
    limits: processLimits(p),
    files: stdio.files,
    mounts,
    root: mounts.root.rootPath,
    umask: p.umask < 0 ? 0o022 : p.umask,
    terminal: stdio.terminal,
  });
  if (typeof init === "number") throw cannotStart(name, init);
  listenToControl(host, kernel, config.controlFd, stdio);
  takeOwnSignals(host, kernel);
  const filtered = willFreeze() ? 0 : host.seccompTsync(compileFilter(sentryFilter(kernel.platform.name)));
  if (filtered < 0) throw new BootError(`cannot install the system call filter: ${errnoName(-filtered)}`);
  wired.profiler?.start();
  host.trim();
  const status = kernel.run();
  stdio.pump?.drain();
  if (wired.profiler !== null) writeReport(config, wired.profiler.report());
  kernel.platform.shutdown();
  // The only result of a call that is kept for the next one: this process may be frozen, and its kernel is over.
  walked.release();
  return exitStatus(status);
}

function main(args: readonly string[]): number {
  process.title = "tsvisor-sentry";
  try {
    return boot(Number(args[0]));
  } catch (error) {
    if (error instanceof BootError) {
      complain(`tsvisor: ${Buffer.from(error.message, "latin1").toString()}\n`);
      return error.status;
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    complain(`tsvisor: the Sentry failed: ${text}\n`);
    return 128;
  } finally {
    reportCodeCache("boot");
  }
}

runProgram("boot", process.argv.slice(2), main);
