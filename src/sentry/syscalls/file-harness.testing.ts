/** A kernel with a tmpfs root and tasks whose system calls are made by hand: no guest process, no host. */
import { errnoName } from "../../abi/errno.ts";
import { AT_FDCWD, O_CREAT, O_RDWR } from "../../abi/fcntl.ts";
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE } from "../../abi/mman.ts";
import { SYSCALL_ARG_REGS } from "../../arch/amd64/registers.ts";
import { nullLogger } from "../../base/log.ts";
import { rootCredentials, userCredentials } from "../auth/credentials.ts";
import { FifoOpener } from "../fs/pipe/pipe-file.ts";
import { newTmpfs } from "../fs/tmpfs/harness.testing.ts";
import { FdTable } from "../kernel/fd-table.ts";
import { FsContext } from "../kernel/fs-context.ts";
import { newSession } from "../kernel/job-control.ts";
import { Kernel } from "../kernel/kernel.ts";
import { SignalHandlers } from "../kernel/sighand.ts";
import { BLOCKED, RUN_BLOCKED, RUN_READY, Task } from "../kernel/task.ts";
import { ThreadGroup } from "../kernel/thread-group.ts";
import { defaultLimits } from "../limits/limits.ts";
import { FakeWorld } from "../mm/fake.testing.ts";
import { MmapOptions } from "../mm/mm.ts";
import { ManualClock } from "../time/clock.ts";
import { newMountNamespace } from "../vfs/mounting.ts";
import type { MountNamespace } from "../vfs/mount.ts";
import { VirtualFileSystem } from "../vfs/vfs.ts";
import { SyscallArgs } from "./args.ts";
import type { Handler } from "./dispatch.ts";
import { openat } from "./sys-open.ts";
import { close } from "./sys-fd.ts";
import { read, write } from "./sys-rw.ts";

/** Where each task has MEMORY bytes of zeroed memory; the page behind is not mapped. */
export const MEM = 0x100000;
export const MEMORY = 0x40000;
/** An address nothing is mapped at. */
export const BAD = 8;

/** A task and its registers. */
export class Caller {
  readonly world: TestKernel;
  readonly t: Task;
  private readonly words: Uint32Array = new Uint32Array(64);
  private readonly args: SyscallArgs = new SyscallArgs();
  private pending: Handler | null = null;
  private next: number;

  constructor(world: TestKernel, t: Task, next: number = MEM + 0x20000) {
    this.next = next;
    this.world = world;
    this.t = t;
    this.args.bind(this.words, 0);
  }

  private attempt(h: Handler): number {
    const k = this.t.kernel;
    k.current = this.t;
    this.t.clearWaits();
    const r = h(this.t, this.args);
    k.current = null;
    if (r === BLOCKED) {
      this.pending = h;
      this.t.attempt++;
      this.t.run = RUN_BLOCKED;
    } else {
      this.pending = null;
      this.t.run = RUN_READY;
      this.t.endCall();
      if (this.t.restoreMask) {
        this.t.restoreMask = false;
        this.t.maskLo = this.t.savedMaskLo;
        this.t.maskHi = this.t.savedMaskHi;
      }
    }
    return r;
  }

  /** Makes a system call; its result, BLOCKED when it waits. */
  call(h: Handler, ...args: number[]): number {
    if (this.pending !== null) throw new Error("still in a call");
    this.words.fill(0);
    for (let i = 0; i < args.length; i++) {
      const at = SYSCALL_ARG_REGS[i]!;
      const v = args[i]!;
      this.words[at] = v >>> 0;
      this.words[at + 1] = Math.floor(v / 4294967296) >>> 0;
    }
    return this.attempt(h);
  }

  /** Whether something woke the blocked call. */
  get woken(): boolean {
    return this.t.queued;
  }

  /** Another attempt of the blocked call. */
  again(): number {
    const h = this.pending;
    if (h === null) throw new Error("not in a call");
    this.t.queued = false;
    return this.attempt(h);
  }

  /** What the blocked call gives when a signal ends it. */
  interrupt(): number {
    const t = this.t;
    const r = t.progress > 0 ? t.progress : t.onInterrupted !== null ? t.onInterrupted(t) : t.interruptedResult;
    t.clearWaits();
    t.run = RUN_READY;
    t.endCall();
    this.pending = null;
    return r;
  }

  // --- guest memory ---

  /** Room for `len` bytes; never given out twice. */
  alloc(len: number): number {
    const at = this.next;
    this.next += (len + 15) & ~15;
    if (this.next > MEM + MEMORY) throw new Error("out of test memory");
    return at;
  }
  bytes(text: string): number {
    const b = Buffer.from(text, "latin1");
    const at = this.alloc(b.length === 0 ? 1 : b.length);
    this.put(at, b);
    return at;
  }
  str(text: string): number {
    return this.bytes(`${text}\0`);
  }
  put(addr: number, b: Uint8Array): void {
    if (b.length > 0 && this.t.mm.copyOutExact(addr, b, 0, b.length) < 0) throw new Error("bad address");
  }
  get(addr: number, len: number): Buffer {
    const b = Buffer.alloc(len);
    if (len > 0 && this.t.mm.copyInExact(addr, b, 0, len) < 0) throw new Error("bad address");
    return b;
  }
  text(addr: number, len: number): string {
    return this.get(addr, len).toString("latin1");
  }
  i32s(...v: number[]): number {
    const b = Buffer.alloc(v.length * 4);
    v.forEach((x, i) => b.writeInt32LE(x | 0, i * 4));
    const at = this.alloc(b.length);
    this.put(at, b);
    return at;
  }
  i64s(...v: number[]): number {
    const b = Buffer.alloc(v.length * 8);
    v.forEach((x, i) => b.writeBigInt64LE(BigInt(x), i * 8));
    const at = this.alloc(b.length);
    this.put(at, b);
    return at;
  }
  getI32(addr: number): number {
    return this.get(addr, 4).readInt32LE(0);
  }
  getI64(addr: number): number {
    return Number(this.get(addr, 8).readBigInt64LE(0));
  }

  // --- common calls, that must succeed ---

  open(path: string, flags: number = O_RDWR | O_CREAT, mode: number = 0o644): number {
    return ok(this.call(openat, AT_FDCWD, this.str(path), flags, mode));
  }
  close(fd: number): void {
    ok(this.call(close, fd));
  }
  write(fd: number, text: string): number {
    return ok(this.call(write, fd, this.bytes(text), text.length));
  }
  read(fd: number, len: number): string {
    const at = this.alloc(len);
    return this.text(at, ok(this.call(read, fd, at, len)));
  }
}

/** `r` unless it is an error. */
export function ok(r: number): number {
  if (r < 0) throw new Error(`failed: ${r === BLOCKED ? "blocked" : errnoName(-r)}`);
  return r;
}

/** See the header. */
export class TestKernel {
  readonly clock: ManualClock = new ManualClock();
  readonly world: FakeWorld = new FakeWorld(2048);
  readonly vfs: VirtualFileSystem;
  readonly kernel: Kernel;
  readonly ns: MountNamespace;
  private nextPid = 1;

  constructor() {
    this.vfs = new VirtualFileSystem(this.clock);
    this.vfs.fifoOpener = new FifoOpener();
    const fs = newTmpfs(this.vfs, this.world.memory);
    this.ns = newMountNamespace(this.vfs, fs, "none", 0);
    this.kernel = new Kernel({
      platform: this.world.platform,
      clock: this.clock,
      vfs: this.vfs,
      mmEnv: this.world.env,
      log: nullLogger(),
      dispatcher: { attempt: () => 0, finished: () => {}, exited: () => {} },
      vdso: null,
      hwcap: 0,
      hwcap2: 0,
      minSigStackSize: 2048,
      cpuCount: 1,
      totalRam: 1 << 30,
      hostname: "test",
    });
    this.kernel.mounts = this.ns;
    this.kernel.rootPath = this.ns.root.rootPath;
  }

  /** A new process. With `like`: its files and file system context are copies, as after fork. */
  process(like?: Caller): Caller {
    const k = this.kernel;
    const pid = this.nextPid++;
    const limits = defaultLimits();
    const g = new ThreadGroup(k, pid, new SignalHandlers(), limits);
    const root = this.ns.root.rootPath;
    root.incRef();
    root.incRef();
    const fds = like === undefined ? new FdTable(limits) : like.t.fds.fork(limits);
    const fs = like === undefined ? new FsContext(root, root, 0o022) : like.t.fs.fork();
    const mm = this.world.newMm();
    const t = new Task(k, pid, g, mm, fds, fs, rootCredentials());
    g.leader = t;
    g.tasks.push(t);
    k.tasks.set(pid, t);
    k.processes.set(pid, g);
    newSession(k, g);
    const o = new MmapOptions();
    o.addr = MEM;
    o.len = MEMORY;
    o.prot = 3;
    o.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    ok(mm.mmap(o));
    return new Caller(this, t);
  }

  /** Another thread of `c`'s process. */
  thread(c: Caller): Caller {
    const k = this.kernel;
    const pid = this.nextPid++;
    const t = new Task(k, pid, c.t.group, c.t.mm, c.t.fds, c.t.fs, c.t.creds);
    c.t.fds.incRef();
    c.t.fs.incRef();
    c.t.group.tasks.push(t);
    k.tasks.set(pid, t);
    // Its own part of the shared memory.
    return new Caller(this, t, MEM + 0x38000);
  }

  /** Lets time pass and fires timers. */
  advance(ns: number): void {
    this.clock.nowNs += ns;
    this.kernel.timers.fire(this.clock.nowNs);
  }
}

/** Makes the caller a plain user. */
export function asUser(c: Caller, uid: number): void {
  c.t.creds = userCredentials(uid, uid, []);
}
