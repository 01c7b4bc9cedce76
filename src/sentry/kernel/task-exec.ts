/** execve(2), execveat(2): loading a program, getting rid of the other threads, becoming it. */
import { ENOENT, errnoName } from "../../abi/errno.ts";
import { O_RDONLY } from "../../abi/fcntl.ts";
import { PER_CLEAR_ON_SETID, READ_IMPLIES_EXEC } from "../../abi/prctl.ts";
import { SIGCHLD, SIGKILL } from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import { R_CS, R_EFLAGS, R_RIP, R_RSP, R_SS, REGS_WORDS, setReg } from "../../arch/amd64/registers.ts";
import { EV_IN } from "../../base/waiter.ts";
import { rootCredentials } from "../auth/credentials.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { LimitSet } from "../limits/limits.ts";
import { loadExecutable } from "../loader/loader.ts";
import type { ExecIdentity, ExecutableFile, LoadedProgram, LoadEnv, Vdso } from "../loader/loader.ts";
import { MemoryManager } from "../mm/mm.ts";
import { MAY_READ } from "../vfs/inode.ts";
import { mayExecute, openPath } from "../vfs/open.ts";
import type { PathContext, VfsPath } from "../vfs/path.ts";
import { execCredentials, hasGained } from "./exec-creds.ts";
import { resolvePath, WALK_FOLLOW } from "../vfs/walk.ts";
import { updateCpuWatch } from "./itimers.ts";
import { syncCpu } from "./cpu-time.ts";
import type { Kernel } from "./kernel.ts";
import { ExecFile } from "./file-mapping.ts";
import { noteResident } from "./resident.ts";
import { exitPiLocks, exitRobustList } from "./robust-list.ts";
import { NO_RETURN_VALUE } from "./task.ts";
import type { ExecImage, Task } from "./task.ts";
import { clearChildTid, releaseVfork } from "./task-exit.ts";
import { kick, killGroup } from "./task-signals.ts";

/** Segment selectors of 64-bit user code, as Linux has them. */
const USER_CS = 0x33;
const USER_SS = 0x2b;
/** Interrupts enabled, as every user process sees it. */
const USER_EFLAGS = 0x200;
/** TASK_COMM_LEN without the NUL. */
export const COMM_MAX = 15;

/** A program on its way into a task. */
export class PreparedExec implements ExecImage {
  readonly program: LoadedProgram;
  readonly creds: Credentials;
  /** AT_SECURE */
  readonly isSecure: boolean;
  readonly comm: string;
  /** personality(2) of the new program. */
  readonly personality: number;

  constructor(program: LoadedProgram, creds: Credentials, isSecure: boolean, comm: string, personality: number) {
    this.program = program;
    this.creds = creds;
    this.isSecure = isSecure;
    this.comm = comm;
    this.personality = personality;
  }

  discard(): void {
    this.program.file.close();
    this.program.mm.decUsers();
  }
}

/** The surroundings of one load. */
class ExecEnv implements LoadEnv {
  private readonly k: Kernel;
  private readonly ctx: PathContext;
  private readonly limits: LimitSet;
  /** Of the new program: set by identify. */
  creds: Credentials;
  isSecure = false;
  personality: number;

  constructor(k: Kernel, ctx: PathContext, limits: LimitSet, personality: number) {
    this.k = k;
    this.ctx = ctx;
    this.limits = limits;
    // Programs of 64 bits say of each of their parts whether it is code.
    this.personality = personality & ~READ_IMPLIES_EXEC;
    this.creds = ctx.creds;
  }

  get random(): LoadEnv["random"] {
    return this.k.mmEnv.random;
  }
  get vdso(): Vdso | null {
    return this.k.vdso;
  }
  get hwcap(): number {
    return this.k.hwcap;
  }
  get hwcap2(): number {
    return this.k.hwcap2;
  }
  get minSigStackSize(): number {
    return this.k.minSigStackSize;
  }

  newMm(): MemoryManager | number {
    return MemoryManager.createPending(this.k.platform, this.k.mmEnv, this.limits, this.personality);
  }

  openInterpreter(path: string): ExecutableFile | number {
    const p = resolvePath(this.ctx, null, path, WALK_FOLLOW);
    return typeof p === "number" ? p : openExecutable(this.k, this.ctx, p);
  }

  identify(file: ExecutableFile, out: ExecIdentity): number {
    const old = this.ctx.creds;
    const made = execCredentials(old, (file as ExecFile).file, this.k.allowSetuid);
    if (typeof made === "number") return made;
    const c = made.creds;
    this.creds = c;
    out.uid = c.ruid;
    out.euid = c.euid;
    out.gid = c.rgid;
    out.egid = c.egid;
    out.secure = made.isSecure;
    this.isSecure = made.isSecure;
    if (made.isPrivileged) this.personality &= ~PER_CLEAR_ON_SETID;
    return 0;
  }
}

/** Opens a resolved place for execution. */
export function openExecutable(k: Kernel, ctx: PathContext, p: VfsPath): ExecFile | number {
  const inode = p.dentry.inode;
  if (inode === null) return -ENOENT;
  const err = mayExecute(ctx, p);
  if (err !== 0) return err;
  // A program may be executable without being readable: the kernel reads it all the same.
  const readable = inode.permission(ctx.creds, MAY_READ) === 0;
  const file = openPath(readable ? ctx : new KernelContext(ctx), p, O_RDONLY);
  if (typeof file === "number") return file;
  const exec = new ExecFile(file, k.rootPath ?? p);
  const busy = exec.vmaFile.denyWrites();
  if (busy === 0) return exec;
  exec.close();
  return busy;
}

/** The caller's view of the files with the kernel's rights. */
class KernelContext implements PathContext {
  readonly vfs: PathContext["vfs"];
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  readonly creds: Credentials = rootCredentials();
  readonly umask = 0;
  readonly owner: unknown;
  constructor(ctx: PathContext) {
    this.vfs = ctx.vfs;
    this.root = ctx.root;
    this.cwd = ctx.cwd;
    this.owner = ctx.owner;
  }
}

/** Loads a program for a task (or for init, which has none yet). The caller owns the result, or gets -errno. */
export function prepareExec(
  k: Kernel,
  ctx: PathContext,
  limits: LimitSet,
  personality: number,
  place: VfsPath,
  filename: string,
  argv: readonly string[],
  envp: readonly string[],
): PreparedExec | number {
  const file = openExecutable(k, ctx, place);
  if (typeof file === "number") return file;
  const env = new ExecEnv(k, ctx, limits, personality);
  const program = loadExecutable(env, file, filename, argv, envp);
  if (typeof program === "number") return program;
  const comm = baseName(filename).slice(0, COMM_MAX);
  return new PreparedExec(program, env.creds, env.isSecure, comm, env.personality);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Second half of execve: everything was loaded into `image`. Waits until the other threads are gone, then becomes the
 * new program. BLOCKED or NO_RETURN_VALUE.
 */
export function continueExec(t: Task, image: PreparedExec): number {
  const g = t.group;
  if (g.tasks.length > 1) {
    if (g.execTask === null) {
      g.execTask = t;
      for (const other of g.tasks) if (other !== t) kick(other);
    }
    return t.blockKillable(g.exitQueue, EV_IN);
  }
  g.execTask = null;
  t.execImage = null;
  commit(t, image);
  return NO_RETURN_VALUE;
}

/** The point of no return. */
function commit(t: Task, image: PreparedExec): void {
  const k = t.kernel;
  const g = t.group;
  const { program } = image;
  if (g.leader !== t) becomeLeader(t);

  exitRobustList(t);
  if (t.kernel.futexes.piWaiters.size > 0) exitPiLocks(t);
  clearChildTid(t);
  const moved = moveIn(t, image);
  program.file.close();
  if (moved < 0) {
    killGroup(g, signalStatus(SIGKILL, false));
    k.log.warn(`pid ${g.id}: no address space for the new program (${errnoName(-moved)})`);
    return;
  }
  startProgram(t, image);
  releaseVfork(t);

  if (t.fds.refs > 1) {
    const own = t.fds.fork(g.limits);
    t.fds.decRef();
    t.fds = own;
  }
  t.fds.closeOnExec();
  if (t.fs.refs > 1) {
    const own = t.fs.fork();
    t.fs.decRef();
    t.fs = own;
  }
  if (g.sighand.refs > 1) {
    g.sighand.refs--;
    g.sighand = g.sighand.clone();
  }
  g.sighand.resetForExec();
  k.tellFacts(t);
  for (const pt of g.posixTimers.values()) pt.delete();
  updateCpuWatch(g);
  g.exitSignal = SIGCHLD;
  g.hasExeced = true;
  g.membarrier = 0;
}

/**
 * The task leaves its memory for the program's. Whoever was alone in an address space keeps its host process, emptied: no
 * thread of the old program can be left in it. 0 or -errno: the task is without memory or context.
 */
function moveIn(t: Task, image: PreparedExec): number {
  const k = t.kernel;
  const { mm } = image.program;
  const oldMm = t.mm;
  syncCpu(t);
  noteResident(t.usage, oldMm);
  t.mm = mm;
  if (!oldMm.wasShared && isSameIdentity(t.creds, image.creds)) {
    mm.settle(oldMm.giveUpSpace());
    const flushed = mm.flush();
    if (flushed !== 0) {
      // What was there before may still be: it goes after the host process.
      k.releaseContext(t);
      mm.decUsers();
      oldMm.decUsers();
      return flushed;
    }
    oldMm.decUsers();
    k.platform.resetFpState(t.ctx);
    return 0;
  }
  const as = k.platform.newAddressSpace();
  if (typeof as === "number") {
    k.releaseContext(t);
    oldMm.decUsers();
    mm.decUsers();
    return as;
  }
  mm.settle(as);
  const ctx = as.newContext();
  k.releaseContext(t);
  oldMm.decUsers();
  if (ctx < 0) {
    mm.decUsers();
    return ctx;
  }
  k.adoptContext(t, ctx);
  return 0;
}

/** Whether a thread of the old program that did not stop could gain nothing in the new one. */
function isSameIdentity(a: Credentials, b: Credentials): boolean {
  if (a.ruid !== b.ruid || a.euid !== b.euid || a.suid !== b.suid) return false;
  if (a.rgid !== b.rgid || a.egid !== b.egid || a.sgid !== b.sgid) return false;
  return a.permittedLo === b.permittedLo && a.permittedHi === b.permittedHi;
}

/** A thread that is not the leader takes the process's number over from the (dead) leader. */
function becomeLeader(t: Task): void {
  const k = t.kernel;
  const g = t.group;
  // The old leader's place is given back with its number.
  k.userTasks.change(g.leader.creds.ruid, -1);
  k.tasks.delete(t.tid);
  t.tid = g.id;
  k.tellFacts(t);
  g.leader = t;
  k.tasks.set(t.tid, t);
  t.startNs = g.startNs;
}

/** Registers and per-thread state of a fresh program. The context is the task's own, new. */
export function startProgram(t: Task, image: PreparedExec): void {
  const { program } = image;
  const regs = t.regs;
  const base = t.regBase;
  for (let i = 0; i < REGS_WORDS; i++) regs[base + i] = 0;
  setReg(regs, base + R_RIP, program.entry);
  setReg(regs, base + R_RSP, program.sp);
  setReg(regs, base + R_CS, USER_CS);
  setReg(regs, base + R_SS, USER_SS);
  setReg(regs, base + R_EFLAGS, USER_EFLAGS);
  const old = t.creds;
  t.creds = image.creds;
  t.personality = image.personality;
  const gained = hasGained(old, image.creds);
  if (gained || image.isSecure) t.pdeathSignal = 0;
  t.group.dumpable = gained || old.euid !== old.ruid || old.egid !== old.rgid ? 0 : 1;
  t.comm = image.comm;
  t.altStackSp = 0;
  t.altStackSize = 0;
  t.clearChildTid = 0;
  t.robustList = 0;
  t.restartFn = null;
  t.restartKind = 0;
}
