/**
 * The gofer process: serves a container's files to its sandbox over 9P.
 *
 * Its namespaces, ids, capabilities and root are set up by the spawner (src/host/spawn-steps.ts). Here it reads its
 * configuration, says when its code is loaded, waits until its root is in place, opens what it exports, installs its
 * system call filter, and serves until the sandbox has closed every connection. Exit status: 0 then, 1 on any failure
 * (one line on stderr).
 */
import process from "node:process";
import { errnoName } from "../abi/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import type { GoferConfig } from "../control/gofer-config.ts";
import { awaitGo } from "../control/handshake.ts";
import { compileFilter } from "../host/bpf.ts";
import type { Host } from "../host/host.ts";
import { reportCodeCache } from "../host/code-cache.ts";
import { runProgram, willFreeze } from "../host/image.unsafe.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import { complain } from "../host/output.ts";
import { DEFAULT_MSIZE } from "../p9/wire/constants.ts";
import { goferFilter } from "./policy.ts";
import { Channel } from "./channel.ts";
import { Connection, serve } from "./serve.ts";

/** Configurations are small: a path for each mount. */
const CONFIG_MAX = 1 << 20;

/** A failure to start, with what to say about it. */
class GoferError extends Error {}

/** Passes a result >= 0 through; a negative errno ends the process. */
function check(result: number, what: string): number {
  if (result < 0) throw new GoferError(`${what}: ${errnoName(-result)}`);
  return result;
}

function readConfig(host: Host, fd: number): GoferConfig {
  const buf = new Uint8Array(CONFIG_MAX);
  let len = 0;
  for (;;) {
    const n = check(host.pread(fd, buf, len, buf.length - len, len), "read the configuration");
    if (n === 0) break;
    len += n;
  }
  host.close(fd);
  const config = JSON.parse(Buffer.from(buf.buffer, 0, len).toString("utf8")) as GoferConfig;
  if (config.version !== 1) throw new GoferError(`configuration of version ${config.version}`);
  return config;
}

function openProc(host: Host, path: string): number {
  return check(host.openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0), `open ${path}`);
}

function start(configFd: number): void {
  const host = linuxHost();
  const config = readConfig(host, configFd);
  // Modes come from the guest, with its own umask applied.
  process.umask(0);
  let procFd = config.procPath === "" ? openProc(host, "/proc/self/fd") : -1;
  if (config.controlFd >= 0) {
    if (!awaitGo(host, config.controlFd)) throw new GoferError("the command line gave up");
    host.close(config.controlFd);
  }
  if (procFd < 0) procFd = openProc(host, config.procPath);
  const channel = Channel.create(host);
  const connections = config.exports.map(
    ({ ioFd, path, readonly }, i) =>
      new Connection(host, ioFd, {
        rootFd: check(host.openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0), `open ${path}`),
        procFd,
        procPath: config.procPath === "" ? "/proc/self/fd" : config.procPath,
        isReadonly: readonly,
        aname: path,
        hasExtension: true,
        channel: channel?.forConnection(i),
        maxMsize: DEFAULT_MSIZE,
      }),
  );
  if (config.seccomp && !willFreeze())
    check(host.seccompTsync(compileFilter(goferFilter(procFd))), "install the system call filter");
  host.trim();
  serve(host, connections, channel);
}

function main(args: readonly string[]): number {
  process.title = "tsvisor-gofer";
  try {
    start(Number(args[0]));
    return 0;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    complain(`gofer: ${text}\n`);
    return 1;
  } finally {
    reportCodeCache("gofer");
  }
}

runProgram("gofer", process.argv.slice(2), main);
