/**
 * `--strace`: one line for each system call, in strace(1)'s manner. Arguments that the guest gives are decoded when the
 * call begins, those that the kernel fills when it is over.
 */
import { errnoName } from "../../abi/errno.ts";
import { signalName, sigInSet, NSIG } from "../../abi/signal.ts";
import { syscallName } from "../../abi/syscall-nr.ts";
import type { Task } from "../kernel/task.ts";
import { NO_RETURN_VALUE } from "../kernel/task.ts";
import type { SyscallArgs } from "../syscalls/args.ts";
import type { SyscallTracer } from "../syscalls/dispatch.ts";
import * as flags from "./flags.ts";
import type { FlagTable } from "./flags.ts";
import { signatures } from "./signatures.ts";

/** Bytes of a string or buffer that are shown. */
const SHOWN = 32;
/** Strings of argv that are shown. */
const SHOWN_STRINGS = 32;
const AT_FDCWD = -100;

const flagKinds: Readonly<Record<string, FlagTable>> = {
  prot: flags.protFlags,
  map: flags.mapFlags,
  at: flags.atFlags,
  access: flags.accessChecks,
  wait: flags.waitOptions,
  mremap: flags.mremapFlags,
};
const valueKinds: Readonly<Record<string, FlagTable>> = {
  whence: flags.whences,
  clock: flags.clocks,
  how: flags.maskHows,
  madvice: flags.madvices,
  fcntl: flags.fcntlCommands,
  rlimit: flags.rlimits,
  prctl: flags.prctls,
  archprctl: flags.archPrctls,
  itimer: flags.itimers,
  family: flags.families,
  epollop: flags.epollOps,
};

/** -ERESTART* as strace shows them. */
const restartNames: Readonly<Record<number, string>> = {
  512: "ERESTARTSYS",
  513: "ERESTARTNOINTR",
  514: "ERESTARTNOHAND",
  516: "ERESTART_RESTARTBLOCK",
};

interface Pending {
  readonly nr: number;
  readonly shown: string[];
  /** Argument values as the guest gave them (registers may change until the end). */
  readonly values: number[];
}

/** See the header. Lines go to `sink`, without a newline. */
export class Tracer implements SyscallTracer {
  private readonly sink: (line: string) => void;
  private readonly pending: Map<Task, Pending> = new Map();
  private readonly buf: Uint8Array = new Uint8Array(512);
  private readonly view: DataView = new DataView(this.buf.buffer);

  constructor(sink: (line: string) => void) {
    this.sink = sink;
  }

  entered(t: Task, nr: number, a: SyscallArgs): void {
    this.pending.set(t, this.begin(t, nr, a));
  }

  /** A call as it looks before it is over. */
  describe(t: Task, nr: number, a: SyscallArgs): string {
    return this.call(this.begin(t, nr, a));
  }

  private begin(t: Task, nr: number, a: SyscallArgs): Pending {
    const kinds = signatures.get(syscallName(nr));
    const n = kinds === undefined ? 6 : kinds.length;
    const shown: string[] = [];
    const values: number[] = [];
    for (let i = 0; i < n; i++) {
      values.push(a.ptr(i));
      shown.push(kinds === undefined ? hex(a.ptr(i)) : this.before(t, kinds, i, a));
    }
    return { nr, shown, values };
  }

  finished(t: Task, nr: number, _a: SyscallArgs, result: number): void {
    const p = this.pending.get(t);
    if (p === undefined || p.nr !== nr) return;
    this.pending.delete(t);
    const kinds = signatures.get(syscallName(nr));
    if (kinds !== undefined) {
      for (let i = 0; i < kinds.length; i++) {
        const shown = this.after(t, kinds[i]!, p.values[i]!, result);
        if (shown !== null) p.shown[i] = shown;
      }
    }
    this.line(t, `${this.call(p)} = ${formatResult(nr, result)}`);
  }

  exited(t: Task): void {
    const p = this.pending.get(t);
    if (p !== undefined) {
      this.pending.delete(t);
      this.line(t, `${this.call(p)} = ?`);
    }
    const sig = t.exitStatus & 0x7f;
    this.line(
      t,
      sig === 0 ? `+++ exited with ${(t.exitStatus >> 8) & 0xff} +++` : `+++ killed by ${signalName(sig)} +++`,
    );
  }

  private line(t: Task, text: string): void {
    this.sink(`[${t.tid}] ${text}`);
  }

  private call(p: Pending): string {
    return `${syscallName(p.nr) || `syscall_${p.nr}`}(${p.shown.join(", ")})`;
  }

  /** An argument as it is known before the call. */
  private before(t: Task, kinds: readonly string[], i: number, a: SyscallArgs): string {
    const kind = kinds[i]!;
    const value = a.ptr(i);
    const table = flagKinds[kind];
    if (table !== undefined) return flags.flagNames(a.u32(i), table);
    const values = valueKinds[kind];
    if (values !== undefined) return flags.valueName(a.i32(i), values);
    switch (kind) {
      case "fd":
      case "i":
        return String(a.i32(i));
      case "u":
        return String(a.u32(i));
      case "dirfd":
        return a.i32(i) === AT_FDCWD ? "AT_FDCWD" : String(a.i32(i));
      case "l":
        return String(a.i64(i));
      case "z":
        return String(value);
      case "x":
        return hex(value);
      case "o":
        return `0${(a.u32(i) & 0o177777).toString(8)}`;
      case "path":
      case "str":
        return this.string(t, value);
      case "in":
        return this.bytes(t, value, a.size(i + 1));
      case "argv":
        return this.strings(t, value);
      case "envp":
        return this.count(t, value);
      case "sig":
        return signalName(a.i32(i));
      case "open":
        return openNames(a.u32(i));
      case "clone":
        return cloneNames(a.u32(i));
      case "futex":
        return futexName(a.u32(i));
      case "socktype":
        return socketType(a.u32(i));
      case "ioctl":
        return ioctlName(a.u32(i));
      case "set":
        return this.sigset(t, value);
      case "act":
        return this.action(t, value);
      case "ts":
        return this.timespec(t, value);
      case "iov":
        return this.vector(t, value, a.u32(i + 1));
      default:
        return pointer(value);
    }
  }

  /** An argument that the kernel filled, or null when it is shown as before. */
  private after(t: Task, kind: string, value: number, result: number): string | null {
    if (kind !== "out" && !kind.endsWith(">")) return null;
    if (result < 0 || value === 0) return null;
    switch (kind) {
      case "out":
        return this.bytes(t, value, result);
      case "u32>": {
        const v = t.mm.readU32(value);
        return v < 0 ? null : `[${v}]`;
      }
      case "fds>":
        return this.read(t, value, 8) ? `[${this.view.getInt32(0, true)}, ${this.view.getInt32(4, true)}]` : null;
      case "wait>":
        return result > 0 ? waitStatus(t.mm.readU32(value)) : null;
      case "set>":
        return this.sigset(t, value);
      case "act>":
        return this.action(t, value);
      case "ts>":
        return this.timespec(t, value);
      case "stat>":
        if (!this.read(t, value, 56)) return null;
        return `{st_mode=0${this.view.getUint32(24, true).toString(8)}, st_size=${this.view.getUint32(48, true)}, ...}`;
      default:
        return null;
    }
  }

  private read(t: Task, addr: number, len: number): boolean {
    return t.mm.copyInExact(addr, this.buf, 0, len) === 0;
  }

  private string(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    const s = t.mm.copyInString(addr, 4096);
    return typeof s === "number" ? pointer(addr) : quote(s.length > 256 ? s.slice(0, 256) : s, s.length > 256);
  }

  private bytes(t: Task, addr: number, len: number): string {
    const n = Math.min(len, SHOWN);
    if (n > 0 && !this.read(t, addr, n)) return pointer(addr);
    let s = "";
    for (let i = 0; i < n; i++) s += String.fromCharCode(this.buf[i]!);
    return quote(s, len > n);
  }

  private strings(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    const out: string[] = [];
    for (let i = 0; i < SHOWN_STRINGS; i++) {
      const p = t.mm.readPtr(addr + 8 * i);
      if (p < 0) return pointer(addr);
      if (p === 0) return `[${out.join(", ")}]`;
      out.push(this.string(t, p));
    }
    return `[${out.join(", ")}, ...]`;
  }

  private count(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    let n = 0;
    while (n < 4096 && t.mm.readPtr(addr + 8 * n) > 0) n++;
    return `${pointer(addr)} /* ${n} vars */`;
  }

  private sigset(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    if (!this.read(t, addr, 8)) return pointer(addr);
    const lo = this.view.getInt32(0, true);
    const hi = this.view.getInt32(4, true);
    if (lo === -1 && hi === -1) return "~[]";
    const members: string[] = [];
    const others: string[] = [];
    for (let sig = 1; sig <= NSIG; sig++) {
      (sigInSet(sig, lo, hi) ? members : others).push(signalName(sig).replace("SIG", ""));
    }
    return members.length <= others.length ? `[${members.join(" ")}]` : `~[${others.join(" ")}]`;
  }

  private action(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    if (!this.read(t, addr, 32)) return pointer(addr);
    const handler = this.view.getUint32(0, true) + this.view.getUint32(4, true) * 4294967296;
    const name = handler === 0 ? "SIG_DFL" : handler === 1 ? "SIG_IGN" : pointer(handler);
    return `{sa_handler=${name}, sa_flags=0x${this.view.getUint32(8, true).toString(16)}}`;
  }

  private timespec(t: Task, addr: number): string {
    if (addr === 0) return "NULL";
    if (!this.read(t, addr, 16)) return pointer(addr);
    const sec = this.view.getInt32(4, true) * 4294967296 + this.view.getUint32(0, true);
    const nsec = this.view.getInt32(12, true) * 4294967296 + this.view.getUint32(8, true);
    return `{tv_sec=${sec}, tv_nsec=${nsec}}`;
  }

  private vector(t: Task, addr: number, count: number): string {
    const out: string[] = [];
    for (let i = 0; i < Math.min(count, 4); i++) {
      if (!this.read(t, addr + 16 * i, 16)) return pointer(addr);
      const base = this.view.getUint32(0, true) + this.view.getUint32(4, true) * 4294967296;
      const len = this.view.getUint32(8, true) + this.view.getUint32(12, true) * 4294967296;
      out.push(`{iov_base=${this.bytes(t, base, len)}, iov_len=${len}}`);
    }
    return `[${out.join(", ")}${count > 4 ? ", ..." : ""}]`;
  }
}

function hex(value: number): string {
  return value === 0 ? "0" : `0x${value.toString(16)}`;
}

function pointer(value: number): string {
  return value === 0 ? "NULL" : `0x${value.toString(16)}`;
}

/** A latin1 string in C's notation. */
function quote(s: string, isCut: boolean): string {
  let out = '"';
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c === 10) out += "\\n";
    else if (c === 9) out += "\\t";
    else if (c === 13) out += "\\r";
    else if (c === 34 || c === 92) out += `\\${s[i]}`;
    else if (c < 32 || c > 126) out += `\\${c.toString(8)}`;
    else out += s[i];
  }
  return `${out}"${isCut ? "..." : ""}`;
}

function openNames(value: number): string {
  const mode = flags.valueName(value & 3, flags.accessModes);
  const rest = flags.flagNames((value & ~3) >>> 0, flags.openFlags, "");
  return rest === "" ? mode : `${mode}|${rest}`;
}

function cloneNames(value: number): string {
  const sig = value & 0xff;
  const names = flags.flagNames((value & ~0xff) >>> 0, flags.cloneFlags, "");
  const signal = sig === 0 ? "" : signalName(sig);
  return names === "" ? signal || "0" : signal === "" ? names : `${names}|${signal}`;
}

function futexName(value: number): string {
  let name = flags.valueName(value & 127, flags.futexOps);
  if ((value & 128) !== 0) name += "_PRIVATE";
  if ((value & 256) !== 0) name += "|FUTEX_CLOCK_REALTIME";
  return name;
}

function socketType(value: number): string {
  let name = flags.valueName(value & 15, flags.socketTypes);
  if ((value & 0x80000) !== 0) name += "|SOCK_CLOEXEC";
  if ((value & 0x800) !== 0) name += "|SOCK_NONBLOCK";
  return name;
}

function ioctlName(value: number): string {
  const name = flags.valueName(value, flags.ioctls);
  return name === String(value) ? hex(value) : name;
}

function waitStatus(status: number): string {
  if (status < 0) return "?";
  if (status === 0xffff) return "[{WIFCONTINUED(s)}]";
  if ((status & 0xff) === 0x7f) return `[{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName((status >> 8) & 0xff)}}]`;
  const sig = status & 0x7f;
  if (sig === 0) return `[{WIFEXITED(s) && WEXITSTATUS(s) == ${(status >> 8) & 0xff}}]`;
  return `[{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(sig)}${(status & 0x80) !== 0 ? " && WCOREDUMP(s)" : ""}}]`;
}

/** Calls whose result is an address. */
const addressCalls: ReadonlySet<string> = new Set(["mmap", "brk", "mremap", "shmat"]);

function formatResult(nr: number, result: number): string {
  if (result === NO_RETURN_VALUE) return "0";
  if (result >= 0) return addressCalls.has(syscallName(nr)) ? pointer(result) : String(result);
  const restart = restartNames[-result];
  if (restart !== undefined) return `? ${restart}`;
  return `-1 ${errnoName(-result)}`;
}
