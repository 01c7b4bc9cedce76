/** Starts a real gofer process on a directory, for tests, and connects to it. */
import { join } from "node:path";
import type { GoferConfig } from "../control/gofer-config.ts";
import { PR_SET_NO_NEW_PRIVS } from "../abi/prctl.ts";
import { SIGKILL } from "../abi/signal.ts";
import type { Host } from "../host/host.ts";
import { SocketTransport } from "../p9/client/socket-transport.ts";

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_SEQPACKET = 5;

/** A gofer and this end of its connection. */
export interface GoferProcess {
  readonly pid: number;
  readonly transport: SocketTransport;
  /** Another one, for the same directory, when that was wanted. */
  readonly second: SocketTransport | null;
  /** Closes the connections and waits for the process's end; its status as wait(2) gives it. */
  stop(): number;
  /** Kills it and waits; the connection stays to be closed. */
  kill(): void;
}

export interface GoferOptions {
  readonly socketType?: number;
  readonly readonly?: boolean;
  readonly seccomp?: boolean;
  readonly hasSecond?: boolean;
  /** Words before the command: strace, say. */
  readonly wrapper?: readonly string[];
}

export function startGofer(host: Host, path: string, options: GoferOptions = {}): GoferProcess {
  const pair = host.socketpair(AF_UNIX, (options.socketType ?? SOCK_SEQPACKET) | 0o2000000);
  if (typeof pair === "number") throw new Error(`socketpair: ${pair}`);
  const other = options.hasSecond === true ? host.socketpair(AF_UNIX, SOCK_SEQPACKET | 0o2000000) : null;
  if (typeof other === "number") throw new Error(`socketpair: ${other}`);
  const ioFds = other === null ? [3] : [3, 5];
  const config: GoferConfig = {
    version: 1,
    controlFd: -1,
    procPath: "",
    exports: ioFds.map((ioFd) => ({ ioFd, path, readonly: options.readonly ?? false })),
    seccomp: options.seccomp ?? true,
  };
  const configFd = host.memfdCreate("gofer-config", 1);
  const text = new Uint8Array(Buffer.from(JSON.stringify(config), "utf8"));
  host.write(configFd, text, 0, text.length);
  const main = join(import.meta.dirname, "main.ts");
  const words = [...(options.wrapper ?? []), process.execPath, main, "4"];
  const spawned = host.spawn({
    cloneFlags: 0,
    steps: [
      // Above the range of fds in use, then to their places.
      { op: "dup", from: pair[1], to: 1003 },
      { op: "dup", from: configFd, to: 1004 },
      { op: "dup", from: other === null ? configFd : other[1], to: 1005 },
      { op: "dup", from: 1003, to: 3 },
      { op: "dup", from: 1004, to: 4 },
      { op: "dup", from: 1005, to: 5 },
      { op: "close_range", first: 4 + ioFds.length, last: 0xffffffff },
      { op: "prctl", option: PR_SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 },
    ],
    exec: words[0]!,
    execFd: -1,
    argv: words,
    envp: Object.entries(process.env).map(([key, value]) => `${key}=${value}`),
  });
  if (spawned.error < 0) throw new Error(`spawn: ${spawned.error} at step ${spawned.step}`);
  host.close(pair[1]);
  host.close(configFd);
  const transport = new SocketTransport(host, pair[0]);
  if (other !== null) host.close(other[1]);
  const second = other === null ? null : new SocketTransport(host, other[0]);
  let isReaped = false;
  const reap = (): number => {
    const status = new Int32Array(1);
    if (!isReaped) host.wait4(spawned.pid, 0, status);
    isReaped = true;
    host.close(spawned.pidfd);
    return status[0]!;
  };
  return {
    pid: spawned.pid,
    transport,
    second,
    stop(): number {
      transport.close();
      second?.close();
      return reap();
    },
    kill(): void {
      host.kill(spawned.pid, SIGKILL);
      reap();
    },
  };
}
