/**
 * The kernel: all state of a sandbox, and the main loop that serves its guest threads.
 *
 * Await points: none. `run()` blocks in `platform.wait` and nowhere else.
 */
import { EAGAIN, ESRCH } from "../../abi/errno.ts";
import { SI_USER, SigInfo, SIGKILL } from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import { EV_IN, WaitQueue } from "../../base/waiter.ts";
import type { Logger } from "../../base/log.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Credentials } from "../auth/credentials.ts";
import { LINUX_BANNER, LINUX_COMMAND_LINE } from "../../abi/utsname.ts";
import type { LimitSet } from "../limits/limits.ts";
import { UserCounts } from "../limits/user-counts.ts";
import type { Vdso } from "../loader/loader.ts";
import type { MmEnv } from "../mm/mm.ts";
import type { Clock } from "../time/clock.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { MountNamespace } from "../vfs/mount.ts";
import type { VfsPath } from "../vfs/path.ts";
import { NetlinkPorts } from "../socket/netlink/netlink.ts";
import { UnixNames } from "../socket/unix/address.ts";
import type { VirtualFileSystem } from "../vfs/vfs.ts";
import { MqueueFs } from "../fs/mqueue/mqueue.ts";
import { InotifyLimits } from "../fs/inotify/inotify.ts";
import { IpcNamespace } from "../ipc/ipc.ts";
import type { IpcEnv } from "../ipc/ipc.ts";
import { addRunner, ServingCpu } from "./cpu-time.ts";
import { FutexTable } from "./futex.ts";
import { HostWatch } from "./host-watch.ts";
import { createInitProcess } from "./init-process.ts";
import { MemoryLimit } from "./memory-limit.ts";
import type { ControllingTerminal, ProcessGroup, Session } from "./sessions.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_GUEST, RUN_READY, RUN_STOPPED } from "./task.ts";
import type { Task } from "./task.ts";
import { exitTask } from "./task-exit.ts";
import { returnToGuest, stepTask, takeEvent } from "./task-run.ts";
import { killGroup, sendToGroup } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";
import { KERN_INFO, KERN_NOTICE, KernelLog } from "./kernel-log.ts";
import { LoadAverage } from "./load-average.ts";
import { Timer, TimerQueue } from "./timers.ts";
import { WIDE } from "../../base/wide.ts";

/** Runs the attempt of a task's current system call (syscalls/dispatch.ts): a result, -errno or BLOCKED and its kin. */
export interface SyscallDispatcher {
  /** The call's number is `t.sysno`. */
  attempt(t: Task): number;
  /** The call is over with `result` (before restart rules): strace. */
  finished(t: Task, result: number): void;
  /** The task is gone. */
  exited(t: Task): void;
}

/** What boot gives the kernel. */
export interface KernelOptions {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly vfs: VirtualFileSystem;
  readonly mmEnv: MmEnv;
  readonly log: Logger;
  readonly dispatcher: SyscallDispatcher;
  /** What guests see mapped as [vdso], or null. */
  readonly vdso: Vdso | null;
  /** AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ. */
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minSigStackSize: number;
  readonly cpuCount: number;
  /** Lines of /proc/cpuinfo for one CPU, without "processor"; "" for a plain one. */
  readonly cpuInfo?: string;
  /** Bytes of memory that sysinfo and /proc/meminfo show as total. */
  readonly totalRam: number;
  /** Most memory that the sandbox may use, bytes; absent: no limit. */
  readonly memoryLimit?: number;
  /** Most threads (pids cgroup); absent: no limit. */
  readonly maxTasks?: number;
  readonly hostname: string;
  /** Honour set-user-ID and set-group-ID bits at execve. Off by default. */
  readonly allowSetuid?: boolean;
  /** Makes the host collect garbage at the next occasion. */
  readonly collectSoon?: () => void;
  /** Let the platform answer calls like getpid by itself, where it can: nobody here sees them then. Off by default. */
  readonly stubAnswers?: boolean;
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

/** Process and thread numbers: 1 to PID_MAX - 1, /proc/sys/kernel/pid_max. */
export const PID_MAX = 32768;
/** After the numbers have wrapped, low ones stay reserved, as in Linux. */
const RESERVED_PIDS = 300;
/** Sockets that nobody can reach are looked for so long after another one has gone: Linux closes them two ticks later. */
const SOCKETS_SOON_NS = 8_000_000;
/** Steps between two looks at the platform and the timers. */
const STEPS_PER_ROUND = 64;
/** Address spaces of the dead that wait for a turn without work. */
const LATE_MAX = 16;
/** How long run() waits for killed processes after init's end, ns. */
const EXIT_GRACE_NS = 2e9;

/** What System V objects note down. */
class KernelIpcEnv implements IpcEnv {
  private readonly kernel: Kernel;
  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
  seconds(): number {
    return Math.floor(this.kernel.clock.realtimeNs() / 1e9);
  }
  callerPid(): number {
    const { current } = this.kernel;
    return current === null ? 0 : current.group.id;
  }
}

/** See the header. */
export class Kernel {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly vfs: VirtualFileSystem;
  readonly mmEnv: MmEnv;
  readonly log: Logger;
  readonly dispatcher: SyscallDispatcher;
  readonly vdso: Vdso | null;
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minSigStackSize: number;
  readonly cpuCount: number;
  readonly cpuInfo: string;
  readonly totalRam: number;
  readonly memoryLimit: MemoryLimit;
  /** Threads that may exist at a time, dead ones that nobody waited for included. */
  readonly maxTasks: number = Infinity;
  readonly allowSetuid: boolean;
  readonly stubAnswers: boolean;
  readonly timers: TimerQueue = new TimerQueue();
  readonly futexes: FutexTable = new FutexTable();
  readonly hostWatch: HostWatch;
  readonly inotify: InotifyLimits = new InotifyLimits();
  readonly ipc: IpcNamespace;
  /** POSIX message queues. */
  readonly mqueues: MqueueFs;
  /** Addresses of unix sockets. */
  readonly unixNames: UnixNames = new UnixNames(
    () => this.clock.realtimeNs(),
    (cred) => {
      const t = this.current;
      if (t !== null) cred.set(t.group.id, t.creds.ruid, t.creds.rgid);
    },
    (collect) => this.timers.arm(new Timer({ onTimer: collect }), this.clock.monotonicNs() + SOCKETS_SOON_NS),
  );
  readonly netlinkPorts: NetlinkPorts = new NetlinkPorts();
  /** Notified when a guest thread stops, while somebody waits for that (membarrier). */
  readonly stopQueue: WaitQueue = new WaitQueue();
  /** The task whose attempt is running, null between attempts. */
  current: Task | null = null;
  hostname: string;
  domainname = "(none)";

  /** Every thread that still has a number, by tid (zombies too). */
  readonly tasks: Map<number, Task> = new Map();
  /** Processes by pid (zombies too). */
  readonly processes: Map<number, ThreadGroup> = new Map();
  readonly processGroups: Map<number, ProcessGroup> = new Map();
  /** What the guest sees as the kernel's messages; kernel.dmesg_restrict: only with CAP_SYSLOG. */
  readonly messages: KernelLog;
  restrictsMessages = 1;
  readonly load: LoadAverage = new LoadAverage();
  /** How long threads were ready without a CPU of the host, all together, ns. */
  waitedNs: number = WIDE;
  /** Threads of each real user (RLIMIT_NPROC); signals queued for each, and timers (RLIMIT_SIGPENDING). */
  readonly userTasks: UserCounts = new UserCounts();
  readonly queuedSignals: UserCounts = new UserCounts();
  readonly sessions: Map<number, Session> = new Map();
  init: ThreadGroup | null = null;
  /** Root of the first mount namespace: what paths in /proc are shown relative to. Set by createInit. */
  rootPath: VfsPath | null = null;
  mounts: MountNamespace | null = null;

  /** Scratch space for structures on their way to or from guest memory: valid within one attempt only. */
  readonly scratch: Uint8Array = new Uint8Array(65536);
  readonly scratchView: DataView = new DataView(this.scratch.buffer);

  /** Monotonic time when the platform last reported, ns: good enough for accounting. */
  nowNs: number = WIDE;
  /** Monotonic and real time when the sandbox started, ns. */
  readonly bootNs: number;
  readonly bootRealtimeNs: number;
  /** Processes and threads made since start (/proc/stat). */
  forkCount = 0;
  /** Platform stops served (/proc/stat ctxt). */
  stopCount = 0;
  /** Ended processes' CPU time, ns: /proc/stat. */
  deadUserNs: number = WIDE;
  deadSystemNs: number = WIDE;

  /** Time that steps of tasks have taken, ns. */
  servedNs: number = WIDE;
  readonly serving: ServingCpu = new ServingCpu();

  private readonly parkedSpinNs: number = 0;
  private readonly byContext: (Task | undefined)[] = [];
  /** Queued tasks, the first `readyCount` of the array: V8 is slow where arrays shrink. */
  private ready: Task[] = [];
  private readyCount = 0;
  /** Those of the last turn, when it began, and how many are still to be accounted. */
  private stepped: Task[] = [];
  private steppedCount = 0;
  private steppedNs: number = WIDE;
  private lastTid = 0;
  /** Queued tasks when the step that is being taken began; the task that goes on after those that it has woken. */
  private readyBefore = 0;
  private held: Task | null = null;
  private stepsWoken = false;
  /** The task that the current step has woken is woken by its thread before it is stepped. */
  private wokenEarly = false;

  constructor(o: KernelOptions) {
    this.platform = o.platform;
    this.parkedSpinNs = o.platform.parkedSpinNs ?? 0;
    this.clock = o.clock;
    this.vfs = o.vfs;
    this.vfs.names.later = (ns, tick) => this.timers.arm(new Timer({ onTimer: tick }), this.clock.monotonicNs() + ns);
    this.vfs.names.onGarbage = o.collectSoon ?? null;
    this.messages = new KernelLog(o.clock);
    this.messages.add(KERN_NOTICE, LINUX_BANNER);
    this.messages.add(KERN_INFO, `Command line: ${LINUX_COMMAND_LINE}`);
    this.mmEnv = o.mmEnv;
    this.log = o.log;
    this.dispatcher = o.dispatcher;
    this.vdso = o.vdso;
    this.hwcap = o.hwcap;
    this.hwcap2 = o.hwcap2;
    this.minSigStackSize = o.minSigStackSize;
    this.cpuCount = o.cpuCount;
    this.cpuInfo = o.cpuInfo ?? "";
    this.totalRam = o.totalRam;
    this.memoryLimit = new MemoryLimit(this, o.memoryLimit ?? Infinity);
    this.maxTasks = o.maxTasks ?? Infinity;
    this.hostname = o.hostname;
    this.allowSetuid = o.allowSetuid ?? false;
    this.stubAnswers = o.stubAnswers ?? false;
    this.hostWatch = new HostWatch(o.platform);
    this.mqueues = new MqueueFs(o.vfs);
    this.ipc = new IpcNamespace(new KernelIpcEnv(this));
    this.bootNs = o.clock.monotonicNs();
    this.bootRealtimeNs = o.clock.realtimeNs();
    this.nowNs = this.bootNs;
  }

  /** Fills buf[off, off+len) with random bytes. */
  random(buf: Uint8Array, off: number, len: number): void {
    this.mmEnv.random.fill(buf, off, len);
  }

  /** Makes process 1 ready to run. Its ThreadGroup, or -errno (ENOENT, EACCES, ENOEXEC ...) when the program cannot be executed. */
  createInit(o: InitOptions): ThreadGroup | number {
    return createInitProcess(this, o);
  }

  /** Serves the sandbox until init has exited; the wait(2) status of init. */
  run(): number {
    const { init } = this;
    if (init === null) return 0;
    while (!init.isZombie) this.round();
    // Init is gone and everybody else has been killed: let them leave in order.
    const deadline = this.clock.monotonicNs() + EXIT_GRACE_NS;
    while (this.liveTasks() > 0 && this.clock.monotonicNs() < deadline) this.round(deadline);
    return init.exitStatus;
  }

  /** One turn of the main loop: waits unless something is to be done. `untilNs` bounds the wait. */
  round(untilNs: number = Infinity): void {
    const { platform, timers, clock } = this;
    let timeout = 0;
    if (this.readyCount === 0) {
      const next = Math.min(timers.nextNs, this.memoryLimit.dueNs, untilNs);
      timeout = next === Infinity ? -1 : Math.max(0, next - clock.monotonicNs());
    }
    platform.wait(timeout);
    const r = platform.result;
    const { times } = r;
    let now = 0;
    if (times === undefined || clock.monotonicAt === undefined) {
      now = clock.monotonicNs();
      this.account(now);
    } else {
      this.account(clock.monotonicAt(times[0]!));
      now = clock.monotonicAt(times[1]!);
    }
    this.nowNs = now;
    const stopped = r.stoppedCount;
    for (let i = 0; i < stopped; i++) {
      const t = this.byContext[r.stopped[i]!];
      if (t === undefined) continue;
      const ran = now - t.resumedNs;
      if (t.run === RUN_GUEST && ran > 0) t.ranNs += ran;
      this.stopCount++;
      takeEvent(t);
      if (!this.stopQueue.isEmpty) this.stopQueue.notify(EV_IN);
      if (!t.queued) {
        t.queued = true;
        this.ready[this.readyCount++] = t;
      }
    }
    for (let i = 0; i < r.readyCount; i++) this.hostWatch.ready(r.ready[2 * i]!, r.ready[2 * i + 1]!);
    if (timers.nextNs <= now) timers.fire(clock.monotonicNs());
    if (this.memoryLimit.dueNs <= now) this.memoryLimit.check(now);
    if (this.readyCount > 0) this.runReady(now);
    const { late } = this.mmEnv;
    if (late !== undefined && late.count > 0 && (this.readyCount === 0 || late.count > LATE_MAX)) late.run();
  }

  /** Steps the tasks that are ready now; those that become ready meanwhile wait for the next round. */
  private runReady(startNs: number): void {
    const { platform } = this;
    const list = this.ready;
    const count = this.readyCount;
    this.ready = this.stepped;
    this.readyCount = 0;
    this.stepped = list;
    let n = count;
    if (count > STEPS_PER_ROUND) {
      n = STEPS_PER_ROUND;
      for (let i = n; i < count; i++) this.ready[this.readyCount++] = list[i]!;
    }
    this.steppedCount = n;
    this.steppedNs = startNs;
    for (let i = 0; i < n; i++) {
      const t = list[i]!;
      t.queued = false;
      this.readyBefore = this.readyCount;
      this.wokenEarly = false;
      this.step(t, stepTask);
      const { held } = this;
      if (this.readyCount === this.readyBefore + 1 && platform.leaveWakeUps !== undefined) this.stepWoken();
      if (held !== null) {
        this.held = null;
        held.queued = false;
        this.step(held, returnToGuest);
      }
    }
  }

  /**
   * Whether a task whose call is done is to go on a bit later: the call has made one task ready, which is stepped first, so that
   * this one's thread can wake that one's. Where that one sleeps already it is woken while it is stepped.
   */
  holds(t: Task): boolean {
    if (
      this.readyCount !== this.readyBefore + 1 ||
      this.stepsWoken ||
      t.queued ||
      this.platform.leaveWakeUps === undefined
    ) {
      return false;
    }
    this.wokenEarly = this.platform.wakesEarly?.(t.ctx, this.ready[this.readyBefore]!.ctx) ?? false;
    if (this.wokenEarly) return false;
    this.held = t;
    // Nobody can queue it meanwhile: it will look at everything when it goes on.
    t.queued = true;
    return true;
  }

  /** Steps the one task that the last step has made ready. */
  private stepWoken(): void {
    const woken = this.ready[--this.readyCount]!;
    woken.queued = false;
    this.stepped[this.steppedCount++] = woken;
    this.stepsWoken = true;
    this.platform.leaveWakeUps!(true);
    this.step(woken, stepTask);
    this.platform.leaveWakeUps!(false);
    this.stepsWoken = false;
    if (this.wokenEarly && woken.run !== RUN_GUEST && woken.ctx >= 0) this.platform.wakesNot!(woken.ctx);
  }

  /**
   * One clock reading, when the platform began to wait again, serves all tasks of the last turn: what that took is system time,
   * shared evenly; from there on the guests ran.
   */
  private account(endNs: number): void {
    const n = this.steppedCount;
    if (n === 0) return;
    this.steppedCount = 0;
    const took = endNs > this.steppedNs ? endNs - this.steppedNs : 0;
    const each = took / n;
    const spun = took < this.parkedSpinNs ? took : this.parkedSpinNs;
    this.servedNs += took;
    const list = this.stepped;
    for (let i = 0; i < n; i++) {
      const t = list[i]!;
      t.servedNs += each;
      t.spunNs += spun;
      if (!t.isRunner) addRunner(t);
      if (t.run === RUN_GUEST) t.resumedNs = endNs;
    }
    // Nobody is to be kept in memory for long.
    if (n > 8) list.length = 0;
    if (this.memoryLimit.isDormant) this.memoryLimit.wake(endNs);
  }

  /** An exception is a bug of ours: the process that met it dies, the sandbox goes on. */
  private step(t: Task, how: (t: Task) => void): void {
    try {
      how(t);
    } catch (e) {
      const text = e instanceof Error ? (e.stack ?? e.message) : String(e);
      this.log.error(`bug while pid ${t.group.id} (${t.comm}) was served: ${text}`);
      killGroup(t.group, signalStatus(SIGKILL, false));
      if (t.run !== RUN_GUEST) exitTask(t, signalStatus(SIGKILL, false));
    }
  }

  /** Queues a task whose context is stopped for the next turn of the main loop. */
  enqueue(t: Task): void {
    if (t.queued || t.run === RUN_EXITED || t.run === RUN_GUEST) return;
    if (t.run === RUN_BLOCKED || t.run === RUN_STOPPED) t.run = RUN_READY;
    t.queued = true;
    this.ready[this.readyCount++] = t;
  }

  /** A free thread id, or -EAGAIN. */
  allocTid(): number {
    for (let i = 0; i < PID_MAX; i++) {
      this.lastTid++;
      if (this.lastTid >= PID_MAX) this.lastTid = RESERVED_PIDS;
      const id = this.lastTid;
      // A number stays taken while a process group or session is named after it.
      if (!this.tasks.has(id) && !this.processes.has(id) && !this.processGroups.has(id) && !this.sessions.has(id)) {
        return id;
      }
    }
    return -EAGAIN;
  }

  /** Tasks that wait for their turn. */
  get queuedTasks(): number {
    return this.readyCount;
  }

  /** The number given out last, /proc/loadavg. */
  get lastPid(): number {
    return this.lastTid;
  }

  /** The task owns this (stopped) context from now on. */
  adoptContext(t: Task, ctx: number): void {
    t.ctx = ctx;
    t.ctxDied = false;
    this.byContext[ctx] = t;
    if (t.affinity !== null) this.platform.setAffinity?.(ctx, t.affinity);
    this.tellFacts(t);
  }

  /** Something that the platform may tell a thread by itself is new: its numbers, parent, credentials, or the actions of signals. */
  tellFacts(t: Task): void {
    if (!this.stubAnswers || t.ctx < 0 || t.ctxDied) return;
    const { group, creds } = t;
    const ppid = group.parent === null ? 0 : group.parent.id;
    const { sighand } = group;
    // Who shares them may be in another process, and would have to be told, too.
    const lo = sighand.refs > 1 ? 0 : sighand.defaultsLo;
    const hi = sighand.refs > 1 ? 0 : sighand.defaultsHi;
    this.platform.setFacts?.(t.ctx, group.id, t.tid, ppid, creds.ruid, creds.euid, creds.rgid, creds.egid, lo, hi);
  }

  /** Gives a task's stopped or died context back. */
  releaseContext(t: Task): void {
    if (t.ctx < 0) return;
    this.byContext[t.ctx] = undefined;
    this.platform.releaseContext(t.ctx);
    t.ctx = -1;
  }

  /** A signal from outside (the CLI forwards SIGTERM, SIGINT ...) for a process. 0 or -ESRCH. */
  sendExternalSignal(pid: number, sig: number): number {
    const g = this.processes.get(pid);
    if (g === undefined) return -ESRCH;
    const info = new SigInfo();
    info.signo = sig;
    info.code = SI_USER;
    return sendToGroup(g, info);
  }

  /** Bytes of guest memory that are not in use, as sysinfo and /proc/meminfo tell. */
  freeRam(): number {
    const least = this.memoryLimit.bytes === Infinity ? Math.floor(this.totalRam / 64) : 0;
    return Math.max(this.totalRam - this.memoryLimit.used(), least);
  }

  /** Kills everything. `run` then returns once init is gone. */
  killAll(): void {
    for (const g of this.processes.values()) killGroup(g, signalStatus(SIGKILL, false));
  }

  private liveTasks(): number {
    let n = 0;
    for (const t of this.tasks.values()) if (t.run !== RUN_EXITED) n++;
    return n;
  }
}
