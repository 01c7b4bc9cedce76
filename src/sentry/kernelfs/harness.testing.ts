/** A kernel without guest code, for tests: a tmpfs root with /proc and /sys, and processes that only have memory. */
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { Logger } from "../../base/log.ts";
import { rootCredentials } from "../auth/credentials.ts";
import { TmpfsFs, TmpfsOptions } from "../fs/tmpfs/tmpfs.ts";
import { FdTable } from "../kernel/fd-table.ts";
import { FsContext } from "../kernel/fs-context.ts";
import { newSession } from "../kernel/job-control.ts";
import { Kernel } from "../kernel/kernel.ts";
import { ProcessGroup } from "../kernel/sessions.ts";
import { SignalHandlers } from "../kernel/sighand.ts";
import { RUN_BLOCKED, Task } from "../kernel/task.ts";
import { ThreadGroup } from "../kernel/thread-group.ts";
import { FakeWorld } from "../mm/fake.testing.ts";
import { MmapOptions } from "../mm/mm.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { ManualClock } from "../time/clock.ts";
import { IoSequence } from "../usermem/io.ts";
import { DirentList } from "../vfs/dirent.ts";
import type { FileDescription } from "../vfs/file.ts";
import { mountFileSystem, newMountNamespace } from "../vfs/mounting.ts";
import { openAt } from "../vfs/open.ts";
import { mkdirAt } from "../vfs/operations.ts";
import type { VfsPath } from "../vfs/path.ts";
import { VirtualFileSystem } from "../vfs/vfs.ts";
import { resolvePath } from "../vfs/walk.ts";
import { registerKernelFileSystems } from "./register.ts";

/** Where the arguments of test processes are. */
export const ARGS = 0x7000_0000;

/** See the header. */
export class TestKernel {
  readonly clock: ManualClock = new ManualClock();
  readonly world: FakeWorld = new FakeWorld(2048);
  readonly vfs: VirtualFileSystem = new VirtualFileSystem(this.clock);
  readonly kernel: Kernel;
  readonly init: Task;
  private readonly root: VfsPath;

  constructor() {
    this.kernel = new Kernel({
      platform: this.world.platform,
      clock: this.clock,
      vfs: this.vfs,
      mmEnv: this.world.env,
      log: new Logger(() => {}),
      dispatcher: { attempt: () => 0, finished: () => {}, exited: () => {} },
      vdso: null,
      hwcap: 0,
      hwcap2: 0,
      minSigStackSize: 2048,
      cpuCount: 3,
      totalRam: 1 << 30,
      hostname: "box",
    });
    const options = new TmpfsOptions();
    options.mode = 0o755;
    const fs = new TmpfsFs(this.vfs, this.world.memory, options);
    const ns = newMountNamespace(this.vfs, fs, "none", 0);
    this.root = ns.root.rootPath;
    this.kernel.mounts = ns;
    this.kernel.rootPath = this.root;
    registerKernelFileSystems(this.kernel);
    this.init = this.newProcess(null, "init");
    this.kernel.init = this.init.group;
    this.mount("proc", "/proc");
    this.mount("sysfs", "/sys");
  }

  /** A new file system of a type, at a new directory. */
  mount(type: string, at: string): void {
    const ctx = this.init.pathContext;
    mkdirAt(ctx, null, at, 0o755);
    const place = resolvePath(ctx, null, at, 0);
    const fs = this.vfs.createFileSystem(ctx, type, type, 0, "");
    if (typeof place === "number" || typeof fs === "number") throw new Error(`mount ${type}`);
    mountFileSystem(this.vfs, fs, place, 0, type);
  }

  /** A process with arguments in memory, waiting for something. */
  newProcess(parent: Task | null, name: string): Task {
    const k = this.kernel;
    const pid = k.allocTid();
    const g = new ThreadGroup(k, pid, new SignalHandlers(), this.world.limits.clone());
    const t = this.addTask(g, pid, parent === null ? rootCredentials() : parent.creds);
    g.leader = t;
    g.parent = parent === null ? null : parent.group;
    g.startNs = this.clock.nowNs;
    g.hasExeced = true;
    g.exitSignal = 17;
    k.processes.set(pid, g);
    t.comm = name;
    if (parent === null) newSession(k, g);
    else {
      parent.group.children.add(g);
      g.pgrp = new ProcessGroup(pid, parent.group.session);
      g.pgrp.members.add(g);
      k.processGroups.set(pid, g.pgrp);
    }
    putArgs(t.mm, [name, "-x"], ["A=1"]);
    return t;
  }

  newThread(of: Task): Task {
    const t = this.addTask(of.group, this.kernel.allocTid(), of.creds);
    t.comm = of.comm;
    return t;
  }

  private addTask(g: ThreadGroup, tid: number, creds: Task["creds"]): Task {
    this.root.incRef();
    this.root.incRef();
    const fs = new FsContext(this.root, this.root, 0o022);
    const first = g.tasks[0];
    const mm = first === undefined ? this.world.newMm() : first.mm;
    if (first !== undefined) mm.incUsers();
    const fds = first === undefined ? new FdTable(g.limits) : first.fds;
    if (first !== undefined) fds.incRef();
    const t = new Task(this.kernel, tid, g, mm, fds, fs, creds);
    // exitTask gives memory back only together with a context.
    t.ctx = 0;
    t.run = RUN_BLOCKED;
    t.startNs = this.clock.nowNs;
    g.tasks.push(t);
    this.kernel.tasks.set(tid, t);
    return t;
  }

  /** Opens as `t`; throws on errors. */
  open(t: Task, path: string, flags: number = 0): FileDescription {
    const f = openAt(t.pathContext, null, path, flags, 0o644);
    if (typeof f === "number") throw new Error(`open ${path}: ${f}`);
    return f;
  }

  /** The -errno of an open that must fail, or 0. */
  openError(t: Task, path: string, flags: number = 0): number {
    this.kernel.current = t;
    const f = openAt(t.pathContext, null, path, flags, 0o644);
    this.kernel.current = null;
    if (typeof f === "number") return f;
    f.decRef();
    return 0;
  }

  /** What `t` reads from a file. */
  text(t: Task, path: string): string {
    const f = this.open(t, path);
    const s = readAll(f);
    f.decRef();
    return s;
  }

  /** Writes a text: bytes or -errno. */
  write(t: Task, path: string, text: string): number {
    const f = this.open(t, path, 1);
    const r = f.write(sequence(Buffer.from(text, "latin1")));
    f.decRef();
    return r;
  }

  /** Names in a directory, without . and .. */
  list(t: Task, path: string): string[] {
    const f = this.open(t, path);
    const sink = new DirentList();
    const r = f.iterate(sink);
    f.decRef();
    if (r < 0) throw new Error(`list ${path}: ${r}`);
    return sink.names.slice(2);
  }
}

export function sequence(bytes: Uint8Array): IoSequence {
  const s = new IoSequence();
  s.push(bytes, 0, bytes.length);
  return s;
}

/** Everything from the position on, in pieces of `piece` bytes. */
export function readAll(f: FileDescription, piece: number = 1000): string {
  let out = "";
  for (;;) {
    const b = new Uint8Array(piece);
    const n = f.read(sequence(b));
    if (n < 0) throw new Error(`read: ${n}`);
    if (n === 0) return out;
    out += Buffer.from(b.subarray(0, n)).toString("latin1");
  }
}

function putArgs(mm: MemoryManager, argv: readonly string[], envp: readonly string[]): void {
  const o = new MmapOptions();
  o.addr = ARGS;
  o.len = 8192;
  o.prot = PROT_READ | PROT_WRITE;
  o.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  mm.mmap(o);
  const args = Buffer.from(argv.map((a) => `${a}\0`).join(""), "latin1");
  const env = Buffer.from(envp.map((a) => `${a}\0`).join(""), "latin1");
  mm.argStart = ARGS + 100;
  mm.argEnd = mm.envStart = mm.argStart + args.length;
  mm.envEnd = mm.envStart + env.length;
  mm.copyOutExact(mm.argStart, args, 0, args.length);
  mm.copyOutExact(mm.envStart, env, 0, env.length);
  mm.auxv = new Uint8Array(32);
}
