/** What the host's /proc tells of processes and their threads: proc(5). Whatever cannot be read is left out. */
import { readdirSync, readFileSync } from "node:fs";

/** One process. */
export interface HostProcess {
  readonly pid: number;
  readonly parent: number;
  /** What it calls itself: "sentry", "gofer"; "" for others. */
  readonly role: string;
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function list(path: string): number[] {
  try {
    return readdirSync(path)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Fields of a stat file behind the command's name, from the state on. */
function statFields(path: string): string[] {
  const text = read(path);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** All processes of the machine, as far as this one's namespace shows them. */
export function hostProcesses(): HostProcess[] {
  const processes: HostProcess[] = [];
  for (const pid of list("/proc")) {
    const parent = Number(statFields(`/proc/${pid}/stat`)[1]);
    if (!Number.isInteger(parent)) continue;
    const role = /^tsvisor-(sentry|gofer)\b/.exec(read(`/proc/${pid}/cmdline`));
    processes.push({ pid, parent, role: role === null ? "" : role[1]! });
  }
  return processes;
}

/** `top` and everything that descends from it, parents first. */
export function withDescendants(processes: readonly HostProcess[], top: number): HostProcess[] {
  const found = processes.filter((p) => p.pid === top);
  for (const p of found) found.push(...processes.filter((other) => other.parent === p.pid && other.pid !== p.pid));
  return found;
}

/** CPU time of each thread of some processes, in clock ticks. */
export function threadTicks(processes: readonly HostProcess[]): Map<number, number> {
  const ticks = new Map<number, number>();
  for (const { pid } of processes) {
    for (const tid of list(`/proc/${pid}/task`)) {
      const fields = statFields(`/proc/${pid}/task/${tid}/stat`);
      ticks.set(tid, Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
    }
  }
  return ticks;
}

/** Lines of /proc/PID/status that are shown. */
const statusFields: ReadonlySet<string> = new Set([
  "TracerPid",
  "NSpid",
  "SigPnd",
  "ShdPnd",
  "SigBlk",
  "Cpus_allowed_list",
  "voluntary_ctxt_switches",
  "nonvoluntary_ctxt_switches",
]);
/** Where threads of Node wait that have nothing to do. */
const idleAt: ReadonlySet<string> = new Set(["futex_do_wait", "do_epoll_wait", "ep_poll"]);

/**
 * A process and its threads: state, where they wait in the host's kernel, the system call they are in. `ticks`: their CPU
 * time some time ago, what they used since is shown.
 */
export function describeProcess(p: HostProcess, ticks: ReadonlyMap<number, number>): string[] {
  const { pid } = p;
  const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim().slice(0, 200);
  const role = p.role === "" ? "" : `, the ${p.role}`;
  const lines = [`host process ${pid}, parent ${p.parent}${role}: ${command || "(no command line)"}`];
  let idle = 0;
  for (const tid of list(`/proc/${pid}/task`)) {
    const dir = `/proc/${pid}/task/${tid}`;
    const fields = statFields(`${dir}/stat`);
    const now = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    const used = now - (ticks.get(tid) ?? now);
    const wchan = read(`${dir}/wchan`) || "?";
    if (p.role !== "" && tid !== pid && fields[0] === "S" && used === 0 && idleAt.has(wchan)) {
      idle++;
      continue;
    }
    const parts = [
      `  thread ${tid} ${read(`${dir}/comm`).trim()}: state ${fields[0] ?? "?"}`,
      `CPU ${fields[36] ?? "?"}`,
      `${now} ticks of CPU time (${used} of them since the look before)`,
      `wchan ${wchan}`,
      `syscall ${read(`${dir}/syscall`).trim() || "?"}`,
    ];
    lines.push(parts.join(", "));
    const status = read(`${dir}/status`)
      .split("\n")
      .filter((line) => statusFields.has(line.slice(0, line.indexOf(":"))))
      .map((line) => line.replace(/:\s+/, " ").replaceAll(/\s+/g, " "));
    if (status.length > 0) lines.push(`    ${status.join(", ")}`);
    const stack = read(`${dir}/stack`)
      .trim()
      .split("\n")
      .map((frame) => frame.replace(/^\[<0>\] |\/0x[0-9a-f]+$/g, ""));
    if (stack.length > 1) lines.push(`    ${stack.join(" < ")}`);
  }
  if (idle > 0) lines.push(`  and ${idle} threads with nothing to do`);
  return lines;
}
