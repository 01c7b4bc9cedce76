/**
 * The kernel: all state of a sandbox, and the main loop that serves its guest threads.
 *
 * Await points: none. `run()` blocks in `platform.wait` and nowhere else.
 */
import { EINVAL } from "../../abi/errno.ts";
import type { Logger } from "../../base/log.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { LimitSet } from "../limits/limits.ts";
import type { MmEnv } from "../mm/mm.ts";
import type { Clock } from "../time/clock.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { MountNamespace } from "../vfs/mount.ts";
import type { VfsPath } from "../vfs/path.ts";
import type { VirtualFileSystem } from "../vfs/vfs.ts";
import { FutexTable } from "./futex.ts";
import { HostWatch } from "./host-watch.ts";
import type { ControllingTerminal, ProcessGroup, Session } from "./sessions.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread-group.ts";
import { TimerQueue } from "./timers.ts";

/** Runs the attempt of a task's current system call (syscalls/dispatch.ts): a result, -errno or BLOCKED and its kin. */
export interface SyscallDispatcher {
  /** The call's number is `t.sysno`. */
  attempt(t: Task): number;
  /** The call is over with `result` (after restart rules): strace. */
  finished(t: Task, result: number): void;
}

/** What boot gives the kernel. */
export interface KernelOptions {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly vfs: VirtualFileSystem;
  readonly mmEnv: MmEnv;
  readonly log: Logger;
  /** Fills buf[off, off+len) with random bytes. */
  readonly random: (buf: Uint8Array, off: number, len: number) => void;
  readonly dispatcher: SyscallDispatcher;
  readonly cpuCount: number;
  /** Bytes of memory that sysinfo and /proc/meminfo show as total. */
  readonly totalRam: number;
  readonly hostname: string;
}

/** The first process. */
export interface InitOptions {
  /** Path of the program as the guest sees it (no PATH search), latin1. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly cwd: string;
  readonly creds: Credentials;
  readonly limits: LimitSet;
  /** fd -> file; one reference each is taken over. */
  readonly files: ReadonlyMap<number, FileDescription>;
  readonly mounts: MountNamespace;
  readonly root: VfsPath;
  readonly umask: number;
  /** Becomes the controlling terminal of init's session, or null. */
  readonly terminal: ControllingTerminal | null;
}

/** See the header. */
export class Kernel {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly vfs: VirtualFileSystem;
  readonly mmEnv: MmEnv;
  readonly log: Logger;
  readonly random: (buf: Uint8Array, off: number, len: number) => void;
  readonly dispatcher: SyscallDispatcher;
  readonly cpuCount: number;
  readonly totalRam: number;
  readonly timers: TimerQueue = new TimerQueue();
  readonly futexes: FutexTable = new FutexTable();
  readonly hostWatch: HostWatch;
  hostname: string;
  domainname = "(none)";

  /** Every thread that still has a number, by tid (zombies too). */
  readonly tasks: Map<number, Task> = new Map();
  /** Processes by pid (zombies too). */
  readonly processes: Map<number, ThreadGroup> = new Map();
  readonly processGroups: Map<number, ProcessGroup> = new Map();
  readonly sessions: Map<number, Session> = new Map();
  init: ThreadGroup | null = null;

  /** Scratch space for structures on their way to or from guest memory: valid within one attempt only. */
  readonly scratch: Uint8Array = new Uint8Array(65536);
  readonly scratchView: DataView = new DataView(this.scratch.buffer);

  constructor(o: KernelOptions) {
    this.platform = o.platform;
    this.clock = o.clock;
    this.vfs = o.vfs;
    this.mmEnv = o.mmEnv;
    this.log = o.log;
    this.random = o.random;
    this.dispatcher = o.dispatcher;
    this.cpuCount = o.cpuCount;
    this.totalRam = o.totalRam;
    this.hostname = o.hostname;
    this.hostWatch = new HostWatch(o.platform);
  }

  /** Makes process 1 ready to run. Its ThreadGroup, or -errno (ENOENT, EACCES, ENOEXEC ...) when the program cannot be executed. */
  createInit(_o: InitOptions): ThreadGroup | number {
    return -EINVAL;
  }

  /** Serves the sandbox until init has exited; the wait(2) status of init. */
  run(): number {
    return 0;
  }

  /** A signal from outside (the CLI forwards SIGTERM, SIGINT ...) for a process. 0 or -ESRCH. */
  sendExternalSignal(_pid: number, _sig: number): number {
    return -EINVAL;
  }

  /** Queues a task whose context is stopped for the next round of the main loop. */
  enqueue(_t: Task): void {}

  /** struct timespec at scratch[off]: ns, -EINVAL when malformed. Saturates far in the future. */
  decodeTimespec(off: number): number {
    const v = this.scratchView;
    const nsec = v.getUint32(off + 8, true) + v.getUint32(off + 12, true) * 4294967296;
    const sec = v.getInt32(off + 4, true) * 4294967296 + v.getUint32(off, true);
    if (nsec >= 1e9 || sec < 0) return -EINVAL;
    return sec >= 9e6 ? 9e15 : sec * 1e9 + nsec;
  }
}
