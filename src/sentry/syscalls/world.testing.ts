/** A whole kernel on a scripted platform, for tests. */
import { userCredentials } from "../auth/credentials.ts";
import { nullLogger } from "../../base/log.ts";
import { PROT_READ, PROT_WRITE, MAP_ANONYMOUS, MAP_PRIVATE } from "../../abi/mman.ts";
import { R_CS, R_RSP, R_SS, setReg } from "../../arch/amd64/registers.ts";
import { TestContext } from "../fs/tmpfs/harness.testing.ts";
import { FdTable } from "../kernel/fd-table.ts";
import { FsContext } from "../kernel/fs-context.ts";
import { newSession } from "../kernel/job-control.ts";
import { Kernel } from "../kernel/kernel.ts";
import { SignalHandlers } from "../kernel/sighand.ts";
import { Task } from "../kernel/task.ts";
import { ThreadGroup } from "../kernel/thread-group.ts";
import { defaultLimits } from "../limits/limits.ts";
import { MemoryManager, MmapOptions } from "../mm/mm.ts";
import { SingleFileProvider } from "../pgalloc/memory-file.ts";
import { Dispatcher } from "./dispatch.ts";
import type { SyscallTracer } from "./dispatch.ts";
import { ScriptedPlatform, sys } from "./scripted.testing.ts";
import type { Call, Program } from "./scripted.testing.ts";
import { amd64 } from "./table-amd64.ts";

/** Where guests have memory: `MEM` is the start of 16 pages, the stack begins at STACK. */
export const MEM = 0x10000000;
const MEM_LEN = 65536;
export const STACK: number = 0x20000000;
const STACK_LEN = 262144;

/** See the header. */
export class World {
  readonly files: TestContext = new TestContext(65536);
  readonly platform: ScriptedPlatform;
  readonly kernel: Kernel;
  readonly log: string[] = [];
  /** Set by scripts: what happened, in order. */
  readonly events: string[] = [];
  init!: Task;

  constructor(tracer: SyscallTracer | null = null) {
    this.platform = new ScriptedPlatform(this.files.clock);
    const log = nullLogger();
    log.level = 3;
    log.sink = (_level, text) => this.log.push(text);
    this.kernel = new Kernel({
      platform: this.platform,
      clock: this.files.clock,
      vfs: this.files.vfs,
      mmEnv: {
        memory: new SingleFileProvider(this.files.mem),
        aslr: false,
        random: {
          fill(buf, off, len) {
            buf.fill(7, off, off + len);
          },
        },
      },
      log,
      dispatcher: new Dispatcher(amd64, log, tracer),
      vdso: null,
      hwcap: 0,
      hwcap2: 0,
      minSigStackSize: 2048,
      cpuCount: 2,
      totalRam: 1 << 30,
      hostname: "test",
    });
  }

  /** Makes process 1 with `program` and runs the sandbox until it has exited. The wait status. */
  run(program: Program): number {
    this.start(program);
    const status = this.kernel.run();
    for (const line of this.log) if (line.startsWith("bug")) throw new Error(line);
    return status;
  }

  start(program: Program): void {
    const k = this.kernel;
    const limits = defaultLimits();
    const mm = MemoryManager.create(this.platform, k.mmEnv, limits);
    if (typeof mm === "number") throw new Error("no memory manager");
    for (const [addr, len] of [
      [MEM, MEM_LEN],
      [STACK - STACK_LEN, STACK_LEN],
    ] as const) {
      const o = new MmapOptions();
      o.addr = addr;
      o.len = len;
      o.prot = PROT_READ | PROT_WRITE;
      o.flags = MAP_PRIVATE | MAP_ANONYMOUS;
      if (mm.mmap(o) !== addr) throw new Error("mmap");
    }
    const creds = this.files.creds;
    const pid = k.allocTid();
    const g = new ThreadGroup(k, pid, new SignalHandlers(), limits);
    const { root } = this.files;
    root.incRef();
    root.incRef();
    root.incRef();
    k.rootPath = root;
    const t = new Task(k, pid, g, mm, new FdTable(limits), new FsContext(root, root, 0o022), creds);
    t.comm = "init";
    g.leader = t;
    g.tasks.push(t);
    g.isReaper = true;
    k.tasks.set(pid, t);
    k.processes.set(pid, g);
    newSession(k, g);
    this.platform.next = program;
    k.adoptContext(t, mm.as.newContext());
    setReg(t.regs, t.regBase + R_RSP, STACK - 4096);
    setReg(t.regs, t.regBase + R_CS, 0x33);
    setReg(t.regs, t.regBase + R_SS, 0x2b);
    k.init = g;
    k.enqueue(t);
    this.init = t;
  }

  /** Guest memory of a process, as a script's own loads and stores would see it. */
  poke32(pid: number, addr: number, value: number): void {
    if (this.task(pid).mm.writeU32(addr, value) !== 0) throw new Error("poke");
  }

  peek32(pid: number, addr: number): number {
    return this.task(pid).mm.readU32(addr);
  }

  pokeString(pid: number, addr: number, text: string): void {
    const bytes = Buffer.from(`${text}\0`, "latin1");
    if (this.task(pid).mm.copyOutExact(addr, bytes, 0, bytes.length) !== 0) throw new Error("poke");
  }

  /** struct timespec */
  pokeTime(pid: number, addr: number, ns: number): void {
    const { mm } = this.task(pid);
    mm.writeI64(addr, Math.floor(ns / 1e9));
    mm.writeI64(addr + 8, ns % 1e9);
  }

  /** struct sigaction for a script's handler at `address`. */
  pokeAction(pid: number, addr: number, handler: number, flags: number): void {
    const { mm } = this.task(pid);
    mm.writePtr(addr, handler);
    mm.writeI64(addr + 8, flags | 0x04000000);
    mm.writePtr(addr + 16, 0x5000);
    mm.writeI64(addr + 24, 0);
  }

  task(tid: number): Task {
    const t = this.kernel.tasks.get(tid);
    if (t === undefined) throw new Error(`no task ${tid}`);
    return t;
  }

  /** Pretended code at `address`: a handler that notes "handler SIG". */
  noteSignals(address: number): void {
    this.platform.handlers.set(address, (sig) => this.noting(sig));
  }

  private *noting(sig: number): Generator<Call | null, void, number> {
    this.note(`handler ${sig}`);
    yield sys("gettid");
  }

  note(text: string): void {
    this.events.push(text);
  }
}

/** Credentials of a plain user, for tests. */
export const USER: ReturnType<typeof userCredentials> = userCredentials(1000, 1000, []);
