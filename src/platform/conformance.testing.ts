/** A bench for platform tests: one memory file, one or more address spaces, guest code as bytes. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { R_RIP, R_RSP, regU64, setReg } from "../arch/amd64/registers.ts";
import type { Host } from "../host/host.ts";
import { linuxHost } from "../host/linux.unsafe.ts";
import type { AddressSpace, HostBacking, Platform } from "./platform.ts";
import {
  CTX_ADDR,
  CTX_ERR,
  CTX_EVENT,
  CTX_PARTIAL,
  CTX_SICODE,
  CTX_SIGNO,
  CTX_TRAPNO,
  CTX_WORDS,
  EV_SYSCALL,
} from "./platform.ts";
import type { StubPlatform } from "./stub/platform.ts";

export const PAGE = 4096;
/** Where guest code and data are mapped by {@link Bench.space}. */
export const CODE = 0x400000;
export const DATA = 0x500000;

/** Machine code. */
export const SYSCALL: readonly number[] = [0x0f, 0x05];
export const JMP_SELF: readonly number[] = [0xeb, 0xfe];
export const INT3: readonly number[] = [0xcc];
export const UD2: readonly number[] = [0x0f, 0x0b];
export const DIV_ZERO: readonly number[] = [0x31, 0xc9, 0xf7, 0xf1]; // xor %ecx,%ecx; div %ecx
export const LOAD_RAX_RSI: readonly number[] = [0x48, 0x8b, 0x06]; // mov (%rsi),%rax
export const STORE_RAX_RSI: readonly number[] = [0x48, 0x89, 0x06]; // mov %rax,(%rsi)
export const JMP_RSI: readonly number[] = [0xff, 0xe6];
export const LOAD_XMM0_RSI: readonly number[] = [0xf3, 0x0f, 0x6f, 0x06]; // movdqu (%rsi),%xmm0
export const STORE_XMM0_RDI: readonly number[] = [0xf3, 0x0f, 0x7f, 0x07]; // movdqu %xmm0,(%rdi)
export const STMXCSR_RDI: readonly number[] = [0x0f, 0xae, 0x1f];
export const LOAD_FS0: readonly number[] = [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0]; // mov %fs:0,%rax
export const LOAD_GS0: readonly number[] = [0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0];
export const WRFSBASE_RAX: readonly number[] = [0xf3, 0x48, 0x0f, 0xae, 0xd0];

/** jmp rel32 back to the start of a code of this length (without the jump). */
export function jmpBack(length: number): number[] {
  const rel = -(length + 5);
  return [0xe9, rel & 255, (rel >> 8) & 255, (rel >> 16) & 255, (rel >> 24) & 255];
}

/** mov $value,%rax (10 bytes). */
export function movRax(value: number): number[] {
  const bytes = [0x48, 0xb8];
  for (let i = 0; i < 8; i++) bytes.push(Math.floor(value / 256 ** i) % 256);
  return bytes;
}

/** What comes for certain comes in that time, ms, however busy the machine is. */
export const CERTAINLY_MS = 20000;

/** Waits up to `ms` for the context to stop; false when it does not. Others that stop are passed over. */
export function settles(platform: Platform, id: number, ms: number): boolean {
  const end = performance.now() + ms;
  do {
    platform.wait(1e6);
    const { stopped, stoppedCount } = platform.result;
    for (let i = 0; i < stoppedCount; i++) if (stopped[i] === id) return true;
  } while (performance.now() < end);
  return false;
}

/** CPU time in clock ticks of all threads of a process, and whether one of them runs or waits for a CPU (or is about to be gone). */
function cpuUse(pid: number): { ticks: number; runs: boolean } {
  let ticks = 0;
  let runs = false;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const stat = existsSync(`/proc/${pid}/task/${tid}/stat`)
      ? readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1")
      : "";
    const fields = stat.replace(/^.*\) /s, "").split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    runs ||= fields[0] === "R" || fields[0] === "";
  }
  return { ticks, runs };
}

/** Whether an interrupted context goes on all the same. One that gets no CPU is waited for. */
function resists(platform: StubPlatform, as: AddressSpace, id: number): boolean {
  const pid = platform.pidOf(as);
  const end = performance.now() + CERTAINLY_MS;
  const before = cpuUse(pid).ticks;
  while (performance.now() < end) {
    if (settles(platform, id, 200)) return false;
    const { ticks, runs } = cpuUse(pid);
    if (!runs || ticks - before >= 10) break;
  }
  return true;
}

/** Resumes whatever a context is about to do; if it neither stops nor can be interrupted, its process is killed. The event. */
export function tryRun(bench: Bench, as: AddressSpace, id: number): number {
  const platform = bench.platform as StubPlatform;
  platform.resume(id);
  if (!settles(platform, id, 20)) {
    platform.interrupt(id);
    if (resists(platform, as, id)) {
      process.kill(platform.pidOf(as), "SIGKILL");
      assert.ok(settles(platform, id, CERTAINLY_MS));
    }
  }
  return bench.event(id);
}

/**
 * Makes tests of hostile guests, each on a bench of its own that `use` is given: afterwards the Sentry and its other guests are
 * well.
 */
export function hostileScenarios(
  platform: () => Platform,
  use: (bench: Bench) => void,
): (title: string, body: () => void) => void {
  return (title, body) => {
    test(title, () => {
      const bench = new Bench(platform());
      use(bench);
      try {
        body();
        const { as } = bench.space(SYSCALL);
        assert.equal(bench.run(bench.context(as)), EV_SYSCALL);
      } finally {
        bench.end();
      }
    });
  };
}

/** A memory file with a window, and the address spaces of a test. */
export class Bench {
  readonly host: Host = linuxHost();
  readonly platform: Platform;
  readonly memory: Uint8Array;
  readonly backing: HostBacking;
  #next = 0;
  #spaces: AddressSpace[] = [];
  #contexts = new Map<AddressSpace, number[]>();
  #window: ArrayBuffer;

  constructor(platform: Platform, pages: number = 1024) {
    this.platform = platform;
    const fd = this.host.memfdCreate("bench", 1);
    assert.ok(fd >= 0);
    assert.equal(this.host.ftruncate(fd, pages * PAGE), 0);
    const window = this.host.mapWindow(fd, pages * PAGE);
    assert.ok(typeof window !== "number");
    this.#window = window;
    this.memory = new Uint8Array(window);
    this.backing = { fd, platformFd: -1 };
  }

  /** File offset of fresh pages. */
  alloc(pages: number = 1): number {
    const at = this.#next;
    this.#next += pages * PAGE;
    assert.ok(this.#next <= this.memory.length, "bench is full");
    return at;
  }

  /** An address space with `code` (read-execute) at CODE and one page of data at DATA; file offsets of both. */
  space(code: readonly number[]): { as: AddressSpace; code: number; data: number } {
    const as = this.bare();
    const at = this.alloc();
    const data = this.alloc();
    this.memory.set(code, at);
    as.mapFile(CODE, PAGE, this.backing, at, 5, true, false);
    as.mapFile(DATA, PAGE, this.backing, data, 3, true, false);
    assert.equal(as.flush(), 0);
    return { as, code: at, data };
  }

  /** An empty address space. */
  bare(): AddressSpace {
    const as = this.platform.newAddressSpace();
    assert.ok(typeof as !== "number", "newAddressSpace");
    this.#spaces.push(as);
    this.#contexts.set(as, []);
    return as;
  }

  /** A context about to run at `rip`. */
  context(as: AddressSpace, rip: number = CODE): number {
    const id = as.newContext();
    assert.ok(id >= 0, `newContext: ${id}`);
    this.#contexts.get(as)!.push(id);
    this.set(id, R_RIP, rip);
    this.set(id, R_RSP, DATA + PAGE - 256);
    return id;
  }

  get(id: number, r: number): number {
    this.#complete(id);
    return regU64(this.platform.regs, id * CTX_WORDS + r);
  }
  set(id: number, r: number, value: number): void {
    this.#complete(id);
    setReg(this.platform.regs, id * CTX_WORDS + r, value);
  }
  #complete(id: number): void {
    if (this.word(id, CTX_PARTIAL) !== 0) this.platform.completeRegs!(id);
  }
  word(id: number, w: number): number {
    return this.platform.regs[id * CTX_WORDS + w]!;
  }
  event(id: number): number {
    return this.word(id, CTX_EVENT);
  }

  /** Asks again and again until it is so; an error when it is not for long. */
  until(isSo: () => boolean, timeoutMs: number = CERTAINLY_MS): void {
    const end = performance.now() + timeoutMs;
    while (!isSo()) assert.ok(performance.now() < end, "it does not come true");
  }

  /** Waits for one context to stop; others that stop meanwhile are an error. */
  waitFor(id: number, timeoutMs: number = CERTAINLY_MS): number {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const n = this.platform.wait(20_000_000);
      const { stopped, stoppedCount } = this.platform.result;
      for (let i = 0; i < stoppedCount; i++) assert.equal(stopped[i], id);
      if (n > 0 && stoppedCount > 0) return this.event(id);
      assert.ok(performance.now() < end, `context ${id} did not stop`);
    }
  }

  /** Resumes and waits; the event. */
  run(id: number): number {
    this.platform.resume(id);
    return this.waitFor(id);
  }

  fault(id: number): { signo: number; code: number; addr: number; err: number; trapno: number } {
    return {
      signo: this.word(id, CTX_SIGNO),
      code: this.word(id, CTX_SICODE),
      addr: regU64(this.platform.regs, id * CTX_WORDS + CTX_ADDR),
      err: this.word(id, CTX_ERR),
      trapno: this.word(id, CTX_TRAPNO),
    };
  }

  /** Releases a context now. */
  drop(as: AddressSpace, id: number): void {
    this.platform.releaseContext(id);
    const list = this.#contexts.get(as)!;
    list.splice(list.indexOf(id), 1);
  }

  /** Releases an address space and its contexts, all stopped. */
  free(as: AddressSpace): void {
    for (const id of this.#contexts.get(as) ?? []) this.platform.releaseContext(id);
    this.#contexts.delete(as);
    this.#spaces.splice(this.#spaces.indexOf(as), 1);
    as.release();
  }

  /** Releases an address space whose contexts were not. */
  abandon(as: AddressSpace): void {
    this.#contexts.delete(as);
    this.#spaces.splice(this.#spaces.indexOf(as), 1);
    as.release();
  }

  /** Gives everything back. */
  end(): void {
    for (let as = this.#spaces.at(-1); as !== undefined; as = this.#spaces.at(-1)) this.free(as);
    this.platform.forgetBacking(this.backing);
    this.host.unmapWindow(this.#window);
    this.host.close(this.backing.fd);
  }
}
