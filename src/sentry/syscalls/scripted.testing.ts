/**
 * A platform without guest processes: guest threads are generator functions that yield system calls. Signals, restarts and
 * returns from handlers work through the register file as on a real one, so the kernel above is driven unchanged.
 */
import { CTX_EVENT, CTX_WORDS, EV_INTERRUPT, EV_SYSCALL } from "../../platform/platform.ts";
import type { HostBacking, Platform, WaitResult } from "../../platform/platform.ts";
import { syscallNumber } from "../../abi/syscall-nr.ts";
import {
  R_ORIG_RAX,
  R_RAX,
  R_RDI,
  R_RIP,
  R_RSP,
  regI64,
  regU64,
  setReg,
  SYSCALL_ARG_REGS,
} from "../../arch/amd64/registers.ts";
import type { ManualClock } from "../time/clock.ts";
import { FakeAddressSpace } from "../mm/fake.testing.ts";

/** What a guest thread does next: a system call, or (null) computing until something interrupts it. */
export interface Call {
  readonly name: string;
  readonly args: readonly number[];
  /** What a context made by this call (clone, fork) runs. */
  readonly child: Program | undefined;
}

/** A guest thread: yields calls, gets results. */
export type Program = () => Generator<Call | null, void, number>;

/** A system call. */
export function sys(name: string, ...args: number[]): Call {
  return { name, args, child: undefined };
}

/** A system call that makes a thread or process which runs `child`. */
export function spawn(child: Program, name: string, ...args: number[]): Call {
  return { name, args, child };
}

/** Addresses of pretended code: each `syscall` instruction is here. */
const CODE = 0x400000;

interface Frame {
  readonly gen: Generator<Call | null, void, number>;
  /** Pretended address of its current syscall instruction; 0 before the first. */
  pc: number;
  current: Call | null;
  started: boolean;
}

class Context {
  readonly as: ScriptedAddressSpace;
  readonly frames: Frame[] = [];
  running = false;
  interrupted = false;
  /** Spins in user code: stops only when interrupted. */
  computing = false;
  constructor(as: ScriptedAddressSpace) {
    this.as = as;
  }
}

class ScriptedAddressSpace extends FakeAddressSpace {
  private readonly platform: ScriptedPlatform;
  constructor(platform: ScriptedPlatform) {
    super();
    this.platform = platform;
  }
  override newContext(): number {
    return this.platform.makeContext(this);
  }
}

/** See the header. */
export class ScriptedPlatform implements Platform {
  readonly name = "ptrace";
  readonly minAddress: number = 0x10000;
  readonly maxAddress: number = 0x7ffffffff000;
  readonly fpStateSize = 832;
  readonly regs: Uint32Array = new Uint32Array(CTX_WORDS * 256);
  readonly result: WaitResult = {
    stopped: new Int32Array(256),
    stoppedCount: 0,
    ready: new Int32Array(16),
    readyCount: 0,
  };
  readonly contexts: (Context | undefined)[] = [];
  readonly spaces: ScriptedAddressSpace[] = [];
  /** What the next context made runs. */
  next: Program | null = null;
  /** Signal handlers by pretended address. */
  readonly handlers: Map<number, (sig: number) => Generator<Call | null, void, number>> = new Map();
  /** Longest sleep so far, to see that nothing polls. */
  waits = 0;
  private readonly clock: ManualClock;
  private nextPc = CODE;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  newAddressSpace(): ScriptedAddressSpace {
    const as = new ScriptedAddressSpace(this);
    this.spaces.push(as);
    return as;
  }

  makeContext(as: ScriptedAddressSpace): number {
    let id = this.contexts.findIndex((c) => c === undefined);
    if (id < 0) id = this.contexts.length;
    const c = new Context(as);
    this.contexts[id] = c;
    this.regs.fill(0, id * CTX_WORDS, (id + 1) * CTX_WORDS);
    const program = this.next;
    this.next = null;
    if (program !== null) c.frames.push({ gen: program(), pc: 0, current: null, started: false });
    return id;
  }

  resume(id: number): void {
    const c = this.contexts[id];
    if (c === undefined || c.running) throw new Error(`resume of context ${id}`);
    if (c.as.dirty) c.as.flush();
    c.running = true;
  }

  interrupt(id: number): void {
    const c = this.contexts[id];
    if (c !== undefined && c.running) c.interrupted = true;
  }

  releaseContext(id: number): void {
    const c = this.contexts[id];
    if (c === undefined || c.running) throw new Error(`release of context ${id}`);
    this.contexts[id] = undefined;
  }

  getFpState(_id: number, buf: Uint8Array, off: number): number {
    buf.fill(0, off, off + this.fpStateSize);
    return 0;
  }
  setFpState(_id: number, _buf: Uint8Array, _off: number): number {
    return 0;
  }
  copyFpState(_src: number, _dst: number): void {}
  resetFpState(_id: number): void {}

  wait(timeoutNs: number): number {
    const r = this.result;
    r.stoppedCount = 0;
    r.readyCount = 0;
    this.waits++;
    for (let id = 0; id < this.contexts.length; id++) {
      const c = this.contexts[id];
      if (c === undefined || !c.running) continue;
      if (this.advance(id, c)) {
        c.running = false;
        c.interrupted = false;
        r.stopped[r.stoppedCount++] = id;
      }
    }
    if (r.stoppedCount === 0) {
      if (timeoutNs < 0) {
        throw new Error("deadlock: nothing runs, nothing is due");
      }
      this.clock.nowNs += timeoutNs;
    } else {
      this.clock.nowNs += 1000;
    }
    return r.stoppedCount;
  }

  /** Runs a context's script until it stops. False: it computes on. */
  private advance(id: number, c: Context): boolean {
    const base = id * CTX_WORDS;
    const { regs } = this;
    if (c.computing && !c.interrupted) return false;
    const rip = regU64(regs, base + R_RIP);
    const handler = this.handlers.get(rip);
    if (handler !== undefined) {
      const sig = regU64(regs, base + R_RDI);
      c.computing = false;
      c.frames.push({ gen: handler(sig), pc: 0, current: null, started: false });
      // From here on the handler's own calls set rip.
      setReg(regs, base + R_RIP, 1);
    }
    let frame = c.frames[c.frames.length - 1];
    if (frame === undefined) throw new Error("a context without a script runs");
    if (c.interrupted && handler === undefined) {
      c.computing = false;
      regs[base + CTX_EVENT] = EV_INTERRUPT;
      return true;
    }
    if (frame.current !== null && rip === frame.pc && handler === undefined) {
      // The kernel wants the call made again, perhaps under another number.
      return this.trap(base, regU64(regs, base + R_RAX), frame);
    }
    for (;;) {
      const step = frame.started ? frame.gen.next(regI64(regs, base + R_RAX)) : frame.gen.next(0);
      frame.started = true;
      if (step.done !== true) {
        frame.current = step.value;
        if (step.value === null) {
          c.computing = true;
          return false;
        }
        frame.pc = this.nextPc;
        this.nextPc += 16;
        return this.issue(base, step.value, frame);
      }
      if (c.frames.length === 1) {
        // Falling off the end of main.
        const end = sys("exit_group", 0);
        frame.current = end;
        frame.pc = this.nextPc;
        return this.issue(base, end, frame);
      }
      // A handler returns: its frame's return address leads to rt_sigreturn.
      c.frames.pop();
      setReg(regs, base + R_RSP, regU64(regs, base + R_RSP) + 8);
      frame = c.frames[c.frames.length - 1]!;
      return this.trapReturn(base);
    }
  }

  private issue(base: number, call: Call, frame: Frame): boolean {
    const { regs } = this;
    for (let i = 0; i < 6; i++) setReg(regs, base + SYSCALL_ARG_REGS[i]!, call.args[i] ?? 0);
    if (call.child !== undefined) this.next = call.child;
    return this.trap(base, syscallNumber(call.name), frame);
  }

  private trap(base: number, nr: number, frame: Frame): boolean {
    const { regs } = this;
    setReg(regs, base + R_RAX, nr);
    setReg(regs, base + R_ORIG_RAX, nr);
    setReg(regs, base + R_RIP, frame.pc + 2);
    regs[base + CTX_EVENT] = EV_SYSCALL;
    return true;
  }

  private trapReturn(base: number): boolean {
    const { regs } = this;
    setReg(regs, base + R_RAX, syscallNumber("rt_sigreturn"));
    setReg(regs, base + R_ORIG_RAX, syscallNumber("rt_sigreturn"));
    setReg(regs, base + R_RIP, 3);
    regs[base + CTX_EVENT] = EV_SYSCALL;
    return true;
  }

  watch(_fd: number, _events: number, _token: number): number {
    return 0;
  }
  rewatch(_fd: number, _events: number, _token: number): number {
    return 0;
  }
  unwatch(_fd: number): number {
    return 0;
  }
  forgetBacking(_backing: HostBacking): void {}
  shutdown(): void {}
}
