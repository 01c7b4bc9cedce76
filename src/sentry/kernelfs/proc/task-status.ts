/** /proc/PID/stat, statm, status and their smaller relatives: proc_pid_stat(5), proc_pid_status(5). */
import { R_R10, R_R8, R_R9, R_RDI, R_RDX, R_RIP, R_RSI, R_RSP } from "../../../arch/amd64/registers.ts";
import { rlimitNames, RLIMIT_RSS, RLIMIT_SIGPENDING } from "../../../abi/resource.ts";
import { NSIG, SIG_DFL, SIG_IGN, SIGEV_THREAD_ID } from "../../../abi/signal.ts";
import { syscallName } from "../../../abi/syscall-nr.ts";
import { groupSystemNs, groupUsage, groupUserNs, taskCpuNs, taskUserNs } from "../../kernel/cpu-time.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_STOPPED } from "../../kernel/task.ts";
import type { Task } from "../../kernel/task.ts";
import type { ThreadGroup } from "../../kernel/thread-group.ts";
import { Usage } from "../../kernel/usage.ts";
import type { MemoryManager } from "../../mm/mm.ts";
import { memoryOf } from "./access.ts";
import { cpuList, cpuMask, hex, hex64, left, right, ticks, u64Text } from "./format.ts";
import { residentOf } from "./residency.ts";

const PAGE = 4096;
/** Task flags that tools look at: PF_EXITING, PF_FORKNOEXEC, PF_RANDOMIZE. */
const PF_EXITING = 0x4;
const PF_FORKNOEXEC = 0x40;
const PF_RANDOMIZE = 0x400000;
/** Fewest slots of an fd table (NR_OPEN_DEFAULT). */
const MIN_FD_SLOTS = 64;

const STATE_NAMES: Readonly<Record<string, string>> = {
  R: "running",
  S: "sleeping",
  D: "disk sleep",
  T: "stopped",
  Z: "zombie",
};

/** The letter that ps shows. */
export function stateLetter(t: Task): string {
  if (t.run === RUN_EXITED) return "Z";
  if (t.run === RUN_STOPPED) return "T";
  // A stop of the whole process counts from the moment that all threads have stopped.
  if (t.group.stopped) return "T";
  if (t.run === RUN_BLOCKED) return t.killableOnly ? "D" : "S";
  return "R";
}

/** Threads as Linux counts them: a leader that is gone counts until the process is reaped. */
export function threadCount(g: ThreadGroup): number {
  return g.tasks.length + (g.leader.run === RUN_EXITED ? 1 : 0);
}

/** Bytes of program text. */
function textBytes(mm: MemoryManager): number {
  return Math.ceil(mm.endCode / PAGE) * PAGE - Math.floor(mm.startCode / PAGE) * PAGE;
}

/** The signals of a disposition table that are ignored and that are caught, as hex64 texts. */
function dispositions(t: Task): { ignored: string; caught: string; ignoredLo: number; caughtLo: number } {
  let ignLo = 0;
  let ignHi = 0;
  let catLo = 0;
  let catHi = 0;
  for (let sig = 1; sig <= NSIG; sig++) {
    const { handler } = t.group.sighand.get(sig);
    if (handler === SIG_DFL) continue;
    const bit = 1 << ((sig - 1) & 31);
    if (handler === SIG_IGN) {
      if (sig <= 32) ignLo |= bit;
      else ignHi |= bit;
    } else if (sig <= 32) catLo |= bit;
    else catHi |= bit;
  }
  return { ignored: hex64(ignHi, ignLo), caught: hex64(catHi, catLo), ignoredLo: ignLo, caughtLo: catLo };
}

/** Signal sets in `stat` are obsolete decimals of the first 31 signals. */
function oldSet(lo: number): number {
  return lo & 0x7fffffff;
}

/** `whole`: of the process rather than of the one thread. `permitted`: the reader may see addresses. */
export function statText(t: Task, whole: boolean, permitted: boolean): string {
  const g = t.group;
  const k = t.kernel;
  const mm = memoryOf(t);
  const { tty } = g;
  const u = new Usage();
  if (whole) groupUsage(g, u);
  else u.add(t.usage);
  const userNs = whole ? groupUserNs(g) : taskUserNs(t);
  const systemNs = whole ? groupSystemNs(g) : t.usage.systemNs;
  const c = g.childUsage;
  const d = dispositions(t);
  const see = permitted && mm !== null;
  let flags = PF_RANDOMIZE;
  if (!g.hasExeced && g !== k.init) flags |= PF_FORKNOEXEC;
  if (t.run === RUN_EXITED) flags |= PF_EXITING;
  const realtime = t.schedPolicy === 1 || t.schedPolicy === 2;
  const letter = stateLetter(t);
  const fields: (number | string)[] = [
    t.tid,
    `(${t.comm})`,
    letter,
    g.parent === null ? 0 : g.parent.id,
    g.pgrp.id,
    g.session.id,
    tty === null ? 0 : tty.rdev | 0,
    tty === null ? -1 : tty.foregroundPgid,
    flags,
    u.minorFaults,
    c.minorFaults,
    u.majorFaults,
    c.majorFaults,
    ticks(userNs),
    ticks(systemNs),
    ticks(c.userNs),
    ticks(c.systemNs),
    realtime ? -1 - t.schedPriority : 20 + t.nice,
    t.nice,
    threadCount(g),
    0,
    ticks(whole ? g.startNs : t.startNs),
    mm === null ? 0 : mm.totalVm,
    mm === null ? 0 : Math.floor(residentOf(mm).total / PAGE),
    u64Text(g.limits.get(RLIMIT_RSS)),
    mm === null ? 0 : permitted ? mm.startCode : 1,
    mm === null ? 0 : permitted ? mm.endCode : 1,
    see ? mm.stackStart : 0,
    // esp, eip: only of processes that dump core
    0,
    0,
    oldSet(t.pending.lo),
    oldSet(t.maskLo),
    oldSet(d.ignoredLo),
    oldSet(d.caughtLo),
    see && letter !== "R" ? 1 : 0,
    0,
    0,
    t.isLeader ? g.exitSignal : -1,
    0,
    t.schedPriority,
    t.schedPolicy,
    0,
    0,
    0,
    see ? mm.startData : 0,
    see ? mm.endData : 0,
    see ? mm.brkStart : 0,
    see ? mm.argStart : 0,
    see ? mm.argEnd : 0,
    see ? mm.envStart : 0,
    see ? mm.envEnd : 0,
    permitted ? (t.run === RUN_EXITED ? (whole && g.isZombie ? g.exitStatus : t.exitStatus) : 0) : 0,
  ];
  return `${fields.join(" ")}\n`;
}

/** Sizes in pages: total, resident, shared, text, 0, data and stack, 0. */
export function statmText(t: Task): string {
  const mm = memoryOf(t);
  if (mm === null) return "0 0 0 0 0 0 0\n";
  const pages = (bytes: number): number => Math.floor(bytes / PAGE);
  const r = residentOf(mm);
  const fields = [
    pages(mm.totalVm),
    pages(r.total),
    pages(r.file + r.shmem),
    pages(textBytes(mm)),
    0,
    pages(mm.dataVm + mm.stackVm),
    0,
  ];
  return `${fields.join(" ")}\n`;
}

function kb(name: string, bytes: number): string {
  return `${name}:\t${right(Math.floor(bytes / 1024), 8)} kB\n`;
}

function memoryLines(mm: MemoryManager): string {
  const r = residentOf(mm);
  const rss = r.total;
  const text = textBytes(mm);
  // Page tables: a page per 2 MiB in use, and the three levels above.
  const tables = (Math.ceil(rss / (512 * PAGE)) + 3) * PAGE;
  return (
    kb("VmPeak", r.peakVm) +
    kb("VmSize", mm.totalVm) +
    kb("VmLck", mm.lockedVm) +
    kb("VmPin", 0) +
    kb("VmHWM", r.peak) +
    kb("VmRSS", rss) +
    kb("RssAnon", r.anon) +
    kb("RssFile", r.file) +
    kb("RssShmem", r.shmem) +
    kb("VmData", mm.dataVm) +
    kb("VmStk", mm.stackVm) +
    kb("VmExe", text) +
    kb("VmLib", Math.max(0, mm.execVm - text)) +
    kb("VmPTE", tables) +
    kb("VmSwap", 0) +
    kb("HugetlbPages", 0) +
    "CoreDumping:\t0\nTHP_enabled:\t1\n"
  );
}

export function statusText(t: Task): string {
  const g = t.group;
  const k = t.kernel;
  const c = t.creds;
  const mm = memoryOf(t);
  const exited = t.run === RUN_EXITED;
  const letter = stateLetter(t);
  const d = dispositions(t);
  const groups = c.groups.toSorted((a, b) => a - b).join(" ");
  let slots = 0;
  if (!exited) for (slots = MIN_FD_SLOTS; slots < t.fds.end;) slots *= 2;
  const set = (hi: number, lo: number): string => hex64(hi, lo);
  return (
    `Name:\t${t.comm.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n` +
    (exited ? "" : `Umask:\t${t.fs.umask.toString(8).padStart(4, "0")}\n`) +
    `State:\t${letter} (${STATE_NAMES[letter]!})\n` +
    `Tgid:\t${g.id}\n` +
    `Ngid:\t0\n` +
    `Pid:\t${t.tid}\n` +
    `PPid:\t${g.parent === null ? 0 : g.parent.id}\n` +
    `TracerPid:\t0\n` +
    `Uid:\t${c.ruid}\t${c.euid}\t${c.suid}\t${c.fsuid}\n` +
    `Gid:\t${c.rgid}\t${c.egid}\t${c.sgid}\t${c.fsgid}\n` +
    `FDSize:\t${slots}\n` +
    `Groups:\t${groups} \n` +
    `NStgid:\t${g.id}\n` +
    `NSpid:\t${t.tid}\n` +
    `NSpgid:\t${g.pgrp.id}\n` +
    `NSsid:\t${g.session.id}\n` +
    (mm === null ? "" : memoryLines(mm)) +
    `Threads:\t${threadCount(g)}\n` +
    `SigQ:\t${t.kernel.queuedSignals.of(t.creds.ruid)}/${u64Text(g.limits.get(RLIMIT_SIGPENDING))}\n` +
    `SigPnd:\t${set(t.pending.hi, t.pending.lo)}\n` +
    `ShdPnd:\t${set(g.pending.hi, g.pending.lo)}\n` +
    `SigBlk:\t${set(t.maskHi, t.maskLo)}\n` +
    `SigIgn:\t${d.ignored}\n` +
    `SigCgt:\t${d.caught}\n` +
    `CapInh:\t${set(c.inheritableHi, c.inheritableLo)}\n` +
    `CapPrm:\t${set(c.permittedHi, c.permittedLo)}\n` +
    `CapEff:\t${set(c.effectiveHi, c.effectiveLo)}\n` +
    `CapBnd:\t${set(c.boundingHi, c.boundingLo)}\n` +
    `CapAmb:\t${set(c.ambientHi, c.ambientLo)}\n` +
    `NoNewPrivs:\t${c.noNewPrivs ? 1 : 0}\n` +
    "Seccomp:\t0\n" +
    "Seccomp_filters:\t0\n" +
    "Speculation_Store_Bypass:\tthread vulnerable\n" +
    "SpeculationIndirectBranch:\tconditional enabled\n" +
    `Cpus_allowed:\t${cpuMask(k.cpuCount, t.affinity)}\n` +
    `Cpus_allowed_list:\t${cpuList(k.cpuCount, t.affinity)}\n` +
    "Mems_allowed:\t00000000,00000001\n" +
    "Mems_allowed_list:\t0\n" +
    `voluntary_ctxt_switches:\t${t.usage.voluntarySwitches}\n` +
    `nonvoluntary_ctxt_switches:\t${t.usage.involuntarySwitches}\n`
  );
}

/** Titles and units of /proc/PID/limits, by RLIMIT_*. */
const LIMIT_TITLES: readonly (readonly [string, string])[] = [
  ["Max cpu time", "seconds"],
  ["Max file size", "bytes"],
  ["Max data size", "bytes"],
  ["Max stack size", "bytes"],
  ["Max core file size", "bytes"],
  ["Max resident set", "bytes"],
  ["Max processes", "processes"],
  ["Max open files", "files"],
  ["Max locked memory", "bytes"],
  ["Max address space", "bytes"],
  ["Max file locks", "locks"],
  ["Max pending signals", "signals"],
  ["Max msgqueue size", "bytes"],
  ["Max nice priority", ""],
  ["Max realtime priority", ""],
  ["Max realtime timeout", "us"],
];

export function limitsText(t: Task): string {
  const { limits } = t.group;
  const show = (n: number | undefined): string => left(n === undefined || n === Infinity ? "unlimited" : n, 20);
  let out = `${left("Limit", 25)} ${left("Soft Limit", 20)} ${left("Hard Limit", 20)} ${left("Units", 10)}\n`;
  for (let i = 0; i < rlimitNames.length; i++) {
    const [title, unit] = LIMIT_TITLES[i]!;
    out += `${left(title, 25)} ${show(limits.soft[i])} ${show(limits.hard[i])} ${unit === "" ? "" : left(unit, 10)}\n`;
  }
  return out;
}

export function ioText(t: Task, whole: boolean): string {
  const u = new Usage();
  if (whole) groupUsage(t.group, u);
  else u.add(t.usage);
  return (
    `rchar: ${u.readChars}\nwchar: ${u.writeChars}\nsyscr: ${u.readCalls}\nsyscw: ${u.writeCalls}\n` +
    "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
  );
}

/** proc_pid_timers(5): the POSIX timers of a process. */
export function timersText(t: Task): string {
  let out = "";
  // The latest comes first.
  for (const timer of [...t.group.posixTimers.values()].reverse()) {
    const isThread = timer.notify === SIGEV_THREAD_ID;
    const kind = NOTIFY_NAMES[timer.notify & ~SIGEV_THREAD_ID] ?? "signal";
    out +=
      `ID: ${timer.id}\nsignal: ${timer.signo}/${hex64(timer.valueHi, timer.valueLo)}\n` +
      `notify: ${kind}/${isThread ? "tid" : "pid"}.${isThread && timer.target !== null ? timer.target.tid : t.group.id}\n` +
      `ClockID: ${timer.clockId}\n`;
  }
  return out;
}

/** SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD. */
const NOTIFY_NAMES: readonly string[] = ["signal", "none", "thread"];

/** Time on the CPU, time waited for it, time slices. */
export function schedstatText(t: Task): string {
  return `${Math.floor(taskCpuNs(t))} ${Math.floor(t.usage.waitedNs)} ${t.usage.voluntarySwitches + t.usage.involuntarySwitches + 1}\n`;
}

export function schedText(t: Task): string {
  const u = t.usage;
  const head = `${t.comm} (${t.tid}, #threads: ${threadCount(t.group)})\n`;
  const line = (name: string, value: string | number): string => `${left(name, 45)}:${right(value, 21)}\n`;
  const ms = (ns: number): string => (ns / 1e6).toFixed(6);
  return (
    `${head}${"-".repeat(67)}\n` +
    line("se.exec_start", ms(t.resumedNs)) +
    line("se.vruntime", ms(taskCpuNs(t))) +
    line("se.sum_exec_runtime", ms(taskCpuNs(t))) +
    line("se.nr_migrations", 0) +
    line("nr_switches", u.voluntarySwitches + u.involuntarySwitches) +
    line("nr_voluntary_switches", u.voluntarySwitches) +
    line("nr_involuntary_switches", u.involuntarySwitches) +
    line("policy", t.schedPolicy) +
    line("prio", 120 + t.nice)
  );
}

/** Where Linux waits in the calls that usually wait; the names that ps shows. */
const WAIT_CHANNELS: ReadonlyMap<string, string> = new Map([
  ["read", "wait_woken"],
  ["readv", "wait_woken"],
  ["poll", "do_sys_poll"],
  ["ppoll", "do_sys_poll"],
  ["select", "do_select"],
  ["pselect6", "do_select"],
  ["epoll_wait", "ep_poll"],
  ["epoll_pwait", "ep_poll"],
  ["futex", "futex_wait_queue"],
  ["nanosleep", "hrtimer_nanosleep"],
  ["clock_nanosleep", "hrtimer_nanosleep"],
  ["wait4", "do_wait"],
  ["waitid", "do_wait"],
  ["pause", "sys_pause"],
  ["rt_sigsuspend", "sigsuspend"],
  ["rt_sigtimedwait", "do_sigtimedwait"],
  ["accept", "inet_csk_accept"],
  ["accept4", "inet_csk_accept"],
  ["recvfrom", "unix_stream_read_generic"],
  ["recvmsg", "unix_stream_read_generic"],
]);

/** What a thread waits for, as the name of a kernel function; "0" when it does not wait. */
export function wchanText(t: Task, permitted: boolean): string {
  if (!permitted || t.run !== RUN_BLOCKED || !t.inSyscall) return "0";
  return WAIT_CHANNELS.get(syscallName(t.sysno)) ?? "schedule";
}

const SYSCALL_REGS: readonly number[] = [R_RDI, R_RSI, R_RDX, R_R10, R_R8, R_R9, R_RSP, R_RIP];

/** Number and arguments of the system call the task waits in, stack pointer and program counter. */
export function syscallText(t: Task): string {
  if (t.run !== RUN_BLOCKED || !t.inSyscall) return "running\n";
  const { regs } = t;
  const word = (index: number): string => {
    const at = t.regBase + index;
    const hi = regs[at + 1]!;
    const lo = regs[at]!;
    return `0x${hi === 0 ? lo.toString(16) : hi.toString(16) + hex(lo, 8)}`;
  };
  return `${t.sysno} ${SYSCALL_REGS.map(word).join(" ")}\n`;
}
