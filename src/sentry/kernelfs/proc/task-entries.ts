/** The files of /proc/PID and /proc/PID/task/TID. */
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from "../../../abi/errno.ts";
import { CAP_AUDIT_CONTROL, CAP_SYS_NICE, CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import { OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN } from "../../../abi/resource.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../../abi/stat.ts";
import { EV_ERR, EV_IN, EV_PRI, EV_RDNORM } from "../../../base/waiter.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import { KernfsDir, KernfsFile, KernfsInode, KernfsMagicLink } from "../../fs/kernfs/kernfs.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { FileVma } from "../../kernel/file-mapping.ts";
import { residentMemory } from "../../kernel/resident.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import type { Task } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/mm.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { ATTR_MODE, MAY_EXEC } from "../../vfs/inode.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { MountNamespace } from "../../vfs/mount.ts";
import { pathString } from "../../vfs/mounting.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import { callerOf, followOwner, isAlive, mayInspect, memoryOf } from "./access.ts";
import { hex, parseNumber, right } from "./format.ts";
import { mountinfoText, mountstatsText, mountsText } from "./mounts.ts";
import { namespaceIno, namespaceKinds, namespacePath } from "./namespaces.ts";
import type { NamespaceKind } from "./namespaces.ts";
import type { TaskDirectory } from "./task-dir.ts";
import { FdDirectory, FdInfoDirectory } from "./task-fd.ts";
import {
  auxvText,
  cmdlineText,
  environText,
  mapsText,
  MemFile,
  numaMapsText,
  smapsRollupText,
  smapsText,
} from "./task-memory.ts";
import {
  ioText,
  limitsText,
  schedstatText,
  schedText,
  statmText,
  statText,
  statusText,
  syscallText,
  timersText,
  wchanText,
} from "./task-status.ts";
import { MapFilesDirectory, PagemapFile } from "./task-pages.ts";
import { ThreadsDirectory } from "./threads-dir.ts";

/** One name in a task's directory. */
export interface TaskEntry {
  readonly name: string;
  /** Type and permission bits. */
  readonly mode: number;
  readonly inProcess: boolean;
  readonly inThread: boolean;
  readonly make: (dir: TaskDirectory, ino: number) => Inode;
}

/** What an open file of a task knows since its open. */
class OpenState {
  readonly whole: boolean;
  /** The opener may see addresses. */
  readonly permitted: boolean;
  /** The memory at that time: an execve gives the process another one. */
  readonly mm: MemoryManager | null;
  /** The mounts at that time, and how often they had changed when somebody last asked. */
  readonly mounts: MountNamespace | null;
  private changes: number;

  constructor(whole: boolean, permitted: boolean, mm: MemoryManager | null, mounts: MountNamespace | null) {
    this.whole = whole;
    this.permitted = permitted;
    this.mm = mm;
    this.mounts = mounts;
    this.changes = mounts === null ? 0 : mounts.changes;
  }

  /** Whether mounts have changed since the last question. */
  takeChange(): boolean {
    const { mounts } = this;
    if (mounts === null || mounts.changes === this.changes) return false;
    this.changes = mounts.changes;
    return true;
  }

  /** The memory, unless its last user is gone. */
  get memory(): MemoryManager | null {
    return this.mm === null || this.mm.users <= 0 ? null : this.mm;
  }
}

/** How a text file of a task works. */
interface TextKind {
  readonly read: (t: Task, o: OpenState, ctx: PathContext) => string | number;
  /** Bytes taken (the length of `data`) are the caller's to return: 0 or -errno here. */
  readonly write?: (t: Task, data: string, ctx: PathContext) => number;
  /** Only who may inspect the task can open it. */
  readonly guarded?: boolean;
  /** Shows memory: stays readable (empty) when the task is gone. */
  readonly ofMemory?: boolean;
  readonly canPoll?: boolean;
  /** All threads of the process may read and write those of single threads. */
  readonly ofThreads?: boolean;
}

class TaskFile extends KernfsFile {
  private readonly t: Task;
  private readonly whole: boolean;
  private readonly kind: TextKind;

  constructor(dir: TaskDirectory, perm: number, ino: number, kind: TextKind) {
    super(dir.procfs, perm, ino);
    this.t = dir.task;
    this.whole = dir.whole;
    this.kind = kind;
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  protected override get fixedAttributes(): number {
    return ATTR_MODE;
  }

  /** The name of a thread, in its own directory, is the whole process's to change, whoever owns the file. */
  override permission(creds: Credentials, mask: number): number {
    const r = super.permission(creds, mask);
    if (r === 0 || this.whole || this.kind.ofThreads !== true || (mask & MAY_EXEC) !== 0) return r;
    const caller = this.t.kernel.current;
    return caller !== null && caller.group === this.t.group ? 0 : r;
  }

  override get canPoll(): boolean {
    return this.kind.canPoll === true;
  }

  override get takesIterators(): boolean {
    return this.canPoll;
  }

  /** Lists of mounts: readable, and in an exceptional state once after each change. */
  override readiness(state: unknown): number {
    if (!this.canPoll) return super.readiness(state);
    return EV_IN | EV_RDNORM | ((state as OpenState).takeChange() ? EV_ERR | EV_PRI : 0);
  }

  override waitQueue(state: unknown): WaitQueue | null {
    return this.canPoll ? ((state as OpenState).mounts?.queue ?? null) : null;
  }

  override opened(ctx: PathContext): unknown {
    if (!isAlive(this.t)) return -ESRCH;
    const permitted = mayInspect(ctx, this.t);
    if (!permitted && this.kind.guarded === true) return -EACCES;
    const mounts = this.canPoll && this.t.run !== RUN_EXITED ? this.t.fs.root.mount.ns : null;
    return new OpenState(this.whole, permitted, memoryOf(this.t), mounts);
  }

  override text(ctx: PathContext, state: unknown): string | number {
    if (this.kind.ofMemory !== true && !isAlive(this.t)) return -ESRCH;
    return this.kind.read(this.t, state as OpenState, ctx);
  }

  override writeText(ctx: PathContext, data: string): number {
    const { write } = this.kind;
    if (write === undefined) return -EINVAL;
    if (!isAlive(this.t)) return -ESRCH;
    const r = write(this.t, data, ctx);
    return r < 0 ? r : data.length;
  }
}

/** /proc/PID/mem and pagemap. */
class TaskMemory extends KernfsInode {
  private readonly t: Task;
  private readonly make: (mm: MemoryManager | null) => FileDescription;

  constructor(dir: TaskDirectory, perm: number, ino: number, make: (mm: MemoryManager | null) => FileDescription) {
    super(dir.procfs, S_IFREG | perm, ino);
    this.t = dir.task;
    this.make = make;
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  override open(_flags: number, ctx: PathContext): FileDescription | number {
    if (!isAlive(this.t)) return -ESRCH;
    return mayInspect(ctx, this.t) ? this.make(memoryOf(this.t)) : -EACCES;
  }
}

/** The place a link of a task leads to, or -ENOENT. */
type PlaceOf = (t: Task) => VfsPath | number;

/** cwd, root, exe, and the links to namespaces. */
class TaskLink extends KernfsMagicLink {
  private readonly t: Task;
  private readonly place: PlaceOf;
  private readonly show: ((t: Task) => string) | null;

  /** `show`: the text of the link where it is not the path of its place. */
  constructor(dir: TaskDirectory, ino: number, place: PlaceOf, show: ((t: Task) => string) | null) {
    super(dir.procfs, 0o777, ino);
    this.t = dir.task;
    this.place = place;
    this.show = show;
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  override readlink(ctx: PathContext): string | number {
    const p = this.followLink(ctx);
    if (typeof p === "number") return p;
    return this.show === null ? pathString(p, ctx.root, "") : this.show(this.t);
  }

  override followLink(ctx: PathContext): VfsPath | number {
    if (!isAlive(this.t)) return -ENOENT;
    return mayInspect(ctx, this.t) ? this.place(this.t) : -EACCES;
  }
}

function cwdOf(t: Task): VfsPath | number {
  return t.run === RUN_EXITED ? -ENOENT : t.fs.cwd;
}

function rootOf(t: Task): VfsPath | number {
  return t.run === RUN_EXITED ? -ENOENT : t.fs.root;
}

function exeOf(t: Task): VfsPath | number {
  const exe = memoryOf(t)?.exe;
  return exe instanceof FileVma && exe.file.path !== null ? exe.file.path : -ENOENT;
}

/** /proc/PID/ns. */
class NamespaceDirectory extends KernfsDir {
  private readonly t: Task;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir.procfs, 0o511, ino);
    this.t = dir.task;
    for (const kind of namespaceKinds) this.add(kind.entry, namespaceLink(dir, kind));
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }
}

function namespaceLink(dir: TaskDirectory, kind: NamespaceKind): Inode {
  const place = (t: Task): VfsPath | number => (t.run === RUN_EXITED ? -ENOENT : namespacePath(kind, t));
  return new TaskLink(dir, 0, place, (t) => `${kind.name}:[${namespaceIno(kind, t)}]`);
}

/** /proc/PID/attr: what security modules say. There is none, so there is nothing to be read or set. */
class SecurityDirectory extends KernfsDir {
  private readonly t: Task;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir.procfs, 0o555, ino);
    this.t = dir.task;
    const kind: TextKind = { read: () => -EINVAL };
    for (const name of ["current", "exec", "fscreate", "keycreate", "sockcreate"]) {
      this.add(name, new TaskFile(dir, 0o666, 0, kind));
    }
    this.add("prev", new TaskFile(dir, 0o444, 0, kind));
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }
}

// --- writable files ---

/** Longest command name, bytes. */
const COMM_MAX = 15;

function writeComm(t: Task, data: string, ctx: PathContext): number {
  const caller = callerOf(ctx);
  if (caller === null || caller.group !== t.group) return -EINVAL;
  const nul = data.indexOf("\0");
  t.comm = (nul < 0 ? data : data.slice(0, nul)).slice(0, COMM_MAX);
  return 0;
}

function writeOomScoreAdj(t: Task, data: string, ctx: PathContext): number {
  const v = parseNumber(data);
  if (Number.isNaN(v) || v < OOM_SCORE_ADJ_MIN || v > OOM_SCORE_ADJ_MAX) return -EINVAL;
  if (v < t.group.oomScoreAdj && !ctx.creds.hasCap(CAP_SYS_RESOURCE)) return -EACCES;
  t.group.oomScoreAdj = v;
  return 0;
}

/** The old scale, -17 to 15. */
function writeOomAdj(t: Task, data: string, ctx: PathContext): number {
  const v = parseNumber(data);
  if (Number.isNaN(v) || v < -17 || v > 15) return -EINVAL;
  return writeOomScoreAdj(t, String(v === 15 ? 1000 : Math.trunc((v * 1000) / 17)), ctx);
}

/** How likely the process is to be killed for lack of memory, 0 to 2000. */
function oomScore(t: Task): string {
  const mm = memoryOf(t);
  const adj = t.group.oomScoreAdj;
  if (mm === null || adj === OOM_SCORE_ADJ_MIN) return "0\n";
  const points = adj + (residentMemory(mm) * 1000) / t.kernel.totalRam;
  return `${Math.max(0, Math.floor(((1000 + points) * 2) / 3))}\n`;
}

function oomAdj(t: Task): string {
  const v = t.group.oomScoreAdj;
  return `${v === 1000 ? 15 : Math.trunc((v * 17) / 1000)}\n`;
}

function writeLoginUid(t: Task, data: string, ctx: PathContext): number {
  const v = parseNumber(data);
  const caller = callerOf(ctx);
  if (caller === null || caller.group !== t.group) return -EPERM;
  if (Number.isNaN(v) || v < 0 || v > 0xffffffff) return -EINVAL;
  if (t.group.loginUid !== 0xffffffff && !ctx.creds.hasCap(CAP_AUDIT_CONTROL)) return -EPERM;
  t.group.loginUid = v;
  return 0;
}

function writeTimerSlack(t: Task, data: string, ctx: PathContext): number {
  const v = parseNumber(data);
  if (Number.isNaN(v) || v < 0) return -EINVAL;
  if (callerOf(ctx) !== t && !ctx.creds.hasCap(CAP_SYS_NICE)) return -EPERM;
  t.timerSlackNs = v === 0 ? t.defaultTimerSlackNs : v;
  return 0;
}

/** Takes any number; what it sets does not exist here. */
function acceptNumber(_t: Task, data: string): number {
  return Number.isNaN(parseNumber(data)) ? -EINVAL : 0;
}

function refuse(): number {
  return -EPERM;
}

/** The identity map: there is one user namespace. */
function idMap(): string {
  return `${right(0, 10)} ${right(0, 10)} ${right(4294967295, 10)}\n`;
}

/** Pids of the processes that this thread made. */
function childrenText(t: Task): string {
  let out = "";
  for (const c of t.group.children) if (c.creator === t || (c.creator === null && t.isLeader)) out += `${c.id} `;
  return out;
}

// --- the table ---

const BOTH = 0;
const PROCESS = 1;
const THREAD = 2;

function text(name: string, perm: number, kind: TextKind, where: number = BOTH): TaskEntry {
  return entry(name, S_IFREG | perm, where, (dir, ino) => new TaskFile(dir, perm, ino, kind));
}

function entry(name: string, mode: number, where: number, make: TaskEntry["make"]): TaskEntry {
  return { name, mode, inProcess: where !== THREAD, inThread: where !== PROCESS, make };
}

function link(name: string, place: PlaceOf): TaskEntry {
  return entry(name, S_IFLNK | 0o777, BOTH, (dir, ino) => new TaskLink(dir, ino, place, null));
}

/** In the order of listing. */
export const taskEntries: readonly TaskEntry[] = [
  entry("task", S_IFDIR | 0o555, PROCESS, (dir, ino) => new ThreadsDirectory(dir, ino)),
  entry("fd", S_IFDIR | 0o500, BOTH, (dir, ino) => new FdDirectory(dir, ino)),
  entry("fdinfo", S_IFDIR | 0o555, BOTH, (dir, ino) => new FdInfoDirectory(dir, ino)),
  entry("map_files", S_IFDIR | 0o500, PROCESS, (dir, ino) => new MapFilesDirectory(dir, ino)),
  entry("ns", S_IFDIR | 0o511, BOTH, (dir, ino) => new NamespaceDirectory(dir, ino)),
  entry("attr", S_IFDIR | 0o555, BOTH, (dir, ino) => new SecurityDirectory(dir, ino)),
  entry("net", S_IFDIR | 0o555, BOTH, (dir) => dir.procfs.netDirectory),
  text("environ", 0o400, { read: (_t, o) => environText(o.memory), guarded: true, ofMemory: true }),
  text("auxv", 0o400, { read: (_t, o) => auxvText(o.memory), guarded: true, ofMemory: true }),
  text("status", 0o444, { read: statusText }),
  text("personality", 0o400, { read: (t) => `${hex(t.personality >>> 0, 8)}\n`, guarded: true }),
  text("limits", 0o444, { read: limitsText }),
  text("sched", 0o644, { read: schedText, write: acceptNumber }),
  text("autogroup", 0o644, { read: (t) => `/autogroup-${t.group.session.id} nice 0\n`, write: acceptNumber }, PROCESS),
  text("comm", 0o644, { read: (t) => `${t.comm}\n`, write: writeComm, ofThreads: true }),
  text("syscall", 0o400, { read: syscallText, guarded: true }),
  text("cmdline", 0o444, { read: (t) => cmdlineText(memoryOf(t)) }),
  text("stat", 0o444, { read: (t, o) => statText(t, o.whole, o.permitted) }),
  text("statm", 0o444, { read: statmText }),
  text("maps", 0o444, { read: (_t, o) => mapsText(o.memory), guarded: true, ofMemory: true }),
  text("children", 0o444, { read: childrenText }, THREAD),
  text("numa_maps", 0o444, { read: (_t, o) => numaMapsText(o.memory), guarded: true, ofMemory: true }),
  entry("mem", S_IFREG | 0o600, BOTH, (dir, ino) => new TaskMemory(dir, 0o600, ino, (mm) => new MemFile(mm))),
  link("cwd", cwdOf),
  link("root", rootOf),
  link("exe", exeOf),
  text("mounts", 0o444, { read: mountsText, canPoll: true }),
  text("mountinfo", 0o444, { read: mountinfoText, canPoll: true }),
  text("mountstats", 0o400, { read: mountstatsText }, PROCESS),
  text("clear_refs", 0o200, { read: () => -EINVAL, write: acceptNumber }),
  text("smaps", 0o444, { read: (_t, o) => smapsText(o.memory), guarded: true, ofMemory: true }),
  text("smaps_rollup", 0o444, { read: (_t, o) => smapsRollupText(o.memory), guarded: true, ofMemory: true }),
  entry("pagemap", S_IFREG | 0o400, BOTH, (dir, ino) => new TaskMemory(dir, 0o400, ino, (mm) => new PagemapFile(mm))),
  text("wchan", 0o444, { read: (t, o) => wchanText(t, o.permitted) }),
  text("stack", 0o400, { read: () => "", guarded: true }),
  text("schedstat", 0o444, { read: schedstatText }),
  text("cpuset", 0o444, { read: () => "/\n" }),
  text("cgroup", 0o444, { read: () => "0::/\n" }),
  text("oom_score", 0o444, { read: oomScore }),
  text("oom_adj", 0o644, { read: oomAdj, write: writeOomAdj }),
  text("oom_score_adj", 0o644, { read: (t) => `${t.group.oomScoreAdj}\n`, write: writeOomScoreAdj }),
  text("loginuid", 0o644, { read: (t) => String(t.group.loginUid), write: writeLoginUid }),
  text("sessionid", 0o444, { read: () => "4294967295" }),
  text("coredump_filter", 0o644, { read: () => "00000033\n", write: acceptNumber }, PROCESS),
  text("io", 0o400, { read: (t, o) => ioText(t, o.whole), guarded: true }),
  text("uid_map", 0o644, { read: idMap, write: refuse }),
  text("gid_map", 0o644, { read: idMap, write: refuse }),
  text("projid_map", 0o644, { read: idMap, write: refuse }),
  text("setgroups", 0o644, { read: () => "allow\n", write: refuse }),
  text(
    "timens_offsets",
    0o644,
    { read: () => "monotonic           0         0\nboottime            0         0\n", write: refuse },
    PROCESS,
  ),
  text("timers", 0o444, { read: timersText }, PROCESS),
  text("timerslack_ns", 0o666, { read: (t) => `${t.timerSlackNs}\n`, write: writeTimerSlack }, PROCESS),
];

const indices: Map<string, number> = new Map(taskEntries.map((e, i) => [e.name, i]));

/** Position of a name in {@link taskEntries}, or -1. */
export function taskEntryIndex(name: string): number {
  return indices.get(name) ?? -1;
}
