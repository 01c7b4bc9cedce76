/** Runs one command to its end: output collected, a time limit, and nothing left of it afterwards. */
import { execFile, spawn } from "node:child_process";
import { constants } from "node:os";
import { cleanEnv, tsvisor } from "./sandbox.ts";

/** How a command ended. */
export interface Outcome {
  /** Exit status as a shell gives it: 128 + n after signal n. */
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Whether it was killed because its time was over. */
  readonly isTimedOut: boolean;
  /** What the sandboxes that it had started were doing when its time was over; "" when there were none. */
  readonly state: string;
  /** Whether its output was cut because it exceeded `maxBytes`. */
  readonly isCut: boolean;
  readonly seconds: number;
}

/** What `run()` needs besides the command. */
export interface RunOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Time limit in seconds. */
  readonly timeout: number;
  /** What stdin gives; nothing when left out. */
  readonly input?: string | Buffer;
  /** Most bytes kept of each output stream, 16 MiB when left out. */
  readonly maxBytes?: number;
}

/** Process groups of the commands that run now, killed when we are. */
const running = new Set<number>();

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    for (const pid of running) killGroup(pid);
    process.exit(128 + constants.signals[signal]);
  });
}

/** How long a sandbox's state may take, ms. */
const STATE_LIMIT = 20_000;

/** What the sandboxes below a process are doing: `tsvisor debug`. "" when there are none. */
function stateOf(pid: number): Promise<string> {
  return new Promise((resolve) => {
    const options = { env: cleanEnv, timeout: STATE_LIMIT, killSignal: "SIGKILL", maxBuffer: 16 << 20 } as const;
    execFile(tsvisor, ["debug", String(pid)], options, (_error, stdout) => resolve(stdout));
  });
}

/**
 * Runs a command in a process group of its own. The group is killed when the command has ended or its time is over.
 * A command that cannot be started has status 127 and the reason as its stderr.
 */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<Outcome> {
  const startedMs = performance.now();
  const maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const pid = child.pid;
    if (pid !== undefined) running.add(pid);
    let isTimedOut = false;
    let state = "";
    let isCut = false;
    let startError: Error | undefined;
    const collect = (stream: NodeJS.ReadableStream): Buffer[] => {
      const chunks: Buffer[] = [];
      let size = 0;
      stream.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBytes) chunks.push(chunk);
        else isCut = true;
      });
      return chunks;
    };
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    const end = (): void => {
      if (pid !== undefined) killGroup(pid);
      // Someone outside the group may still hold the pipes.
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, 2000).unref();
    };
    const timer = setTimeout(() => {
      isTimedOut = true;
      if (pid === undefined) return end();
      void stateOf(pid).then((text) => {
        state = text;
        end();
      });
    }, options.timeout * 1000);
    child.on("error", (error) => {
      startError = error;
      if (pid === undefined) finish(127, null);
    });
    // What was started in the background must not keep the pipes open for ever.
    child.on("exit", () => void setTimeout(() => pid !== undefined && killGroup(pid), 500).unref());
    child.on("close", (code, signal) => finish(code, signal));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    let isDone = false;
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      if (pid !== undefined) {
        running.delete(pid);
        killGroup(pid);
      }
      resolve({
        status: signal === null ? (code ?? 127) : 128 + constants.signals[signal],
        stdout: Buffer.concat(out),
        stderr: startError === undefined ? Buffer.concat(err) : Buffer.from(`${startError.message}\n`),
        isTimedOut,
        state,
        isCut,
        seconds: (performance.now() - startedMs) / 1000,
      });
    };
  });
}
