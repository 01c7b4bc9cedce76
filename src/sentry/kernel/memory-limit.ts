/**
 * The sandbox's memory limit: what is in use is measured, and past the limit one process is killed.
 *
 * Guest memory is paged in by the host when it is touched, without a visit to the kernel, so there is nothing to charge
 * at that moment. What is there instead is the host's own count of the memory file's blocks, which one call reads. It is
 * read whenever the time has passed in which the guest could at most have used up what was left (`FILL_RATE`), and never
 * while no guest thread runs. `src/sentry/mm/README.md` says how fine that is.
 *
 * Who is killed is chosen as in Linux, proc(5) oom_score_adj: the process with the most resident private and shared
 * memory, plus oom_score_adj thousandths of the limit; never one with -1000.
 */
import { OOM_SCORE_ADJ_MIN } from "../../abi/resource.ts";
import { SIGKILL } from "../../abi/signal.ts";
import { signalStatus } from "../../abi/wait.ts";
import type { MemoryFile } from "../pgalloc/memory-file.ts";
import { KERN_ERR } from "./kernel-log.ts";
import type { Kernel } from "./kernel.ts";
import { residentMemory } from "./resident.ts";
import { RUN_EXITED, RUN_GUEST } from "./task.ts";
import { killGroup } from "./task-signals.ts";
import type { ThreadGroup } from "./thread-group.ts";

/** Bytes a second that all guests together can page in at most, near enough. */
const FILL_RATE: number = 4 * 1024 ** 3;
/** Shortest and longest time between two looks, ns. */
const MIN_PERIOD_NS = 1e6;
const MAX_PERIOD_NS = 1e8;
/** How long a killed process may take to give its memory back before another one is killed, ns. */
const PATIENCE_NS = 5e8;

/** One kill for lack of memory. */
export interface OomEvent {
  readonly pid: number;
  readonly comm: string;
  /** Resident bytes of the killed process, and its oom_score_adj. */
  readonly resident: number;
  readonly scoreAdj: number;
  /** Bytes in use, and the limit. */
  readonly used: number;
  readonly limit: number;
}

/** See the header. One per kernel. */
export class MemoryLimit {
  /** Bytes; Infinity: none. */
  readonly bytes: number;
  /** Monotonic time of the next look, ns; Infinity: none is planned. */
  dueNs: number = Infinity;
  /** No look is planned because no guest ran at the last one: {@link wake} when one does. */
  isDormant = false;
  /** Told of each kill. */
  onOom: ((e: OomEvent) => void) | null = null;
  /** Kills so far (/proc/vmstat oom_kill). */
  kills = 0;
  private readonly kernel: Kernel;
  private victim: ThreadGroup | null = null;
  private victimNs = 0;
  private hasComplained = false;

  constructor(kernel: Kernel, bytes: number) {
    this.kernel = kernel;
    this.bytes = bytes;
    this.isDormant = bytes !== Infinity;
  }

  /** A guest runs (again). */
  wake(nowNs: number): void {
    this.isDormant = false;
    this.dueNs = nowNs + MIN_PERIOD_NS;
  }

  /** Measures, kills if needed, and plans the next look. */
  check(nowNs: number): void {
    let used = this.used();
    if (used > this.bytes) {
      for (const f of this.files()) f.trim();
      for (const t of this.kernel.tasks.values()) t.mm.spares.trim(t.mm);
      used = this.used();
    }
    if (used > this.bytes) {
      this.relieve(nowNs, used);
      this.dueNs = nowNs + MIN_PERIOD_NS;
      return;
    }
    this.victim = null;
    this.hasComplained = false;
    if (!this.isGuestRunning()) {
      this.isDormant = true;
      this.dueNs = Infinity;
      return;
    }
    const period = ((this.bytes - used) / FILL_RATE) * 1e9;
    this.dueNs = nowNs + Math.min(Math.max(period, MIN_PERIOD_NS), MAX_PERIOD_NS);
  }

  /** Bytes in use. */
  used(): number {
    // What the dead had is free.
    this.kernel.mmEnv.late?.run();
    let n = 0;
    for (const f of this.files()) n += f.committedTotal();
    return n;
  }

  private files(): MemoryFile[] {
    const { memory } = this.kernel.mmEnv;
    const [own, shared] = [memory.privateFile(), memory.sharedFile()];
    return own === shared ? [own] : [own, shared];
  }

  private isGuestRunning(): boolean {
    for (const t of this.kernel.tasks.values()) if (t.run === RUN_GUEST) return true;
    return false;
  }

  /** Too much is in use: somebody must go, unless somebody is going. */
  private relieve(nowNs: number, used: number): void {
    const { victim } = this;
    if (victim !== null && !victim.isZombie && nowNs - this.victimNs < PATIENCE_NS) return;
    const { log } = this.kernel;
    const chosen = this.choose();
    if (chosen === null) {
      if (!this.hasComplained) log.warn(`out of memory (${kib(used)} of ${kib(this.bytes)}) and nothing to kill`);
      this.hasComplained = true;
      return;
    }
    const { group, resident } = chosen;
    const { comm } = group.leader;
    this.victim = group;
    this.victimNs = nowNs;
    this.kills++;
    log.warn(
      `out of memory (${kib(used)} of ${kib(this.bytes)}): killed pid ${group.id} (${comm}), ` +
        `resident ${kib(resident)}, oom_score_adj ${group.oomScoreAdj}`,
    );
    this.kernel.messages.add(
      KERN_ERR,
      `Out of memory: Killed process ${group.id} (${comm}) anon-rss:${Math.floor(resident / 1024)}kB, ` +
        `UID:${group.leader.creds.ruid} oom_score_adj:${group.oomScoreAdj}`,
    );
    const { mm } = group.tasks[0] ?? group.leader;
    // Whoever shares the memory would keep it.
    for (const other of this.kernel.processes.values()) {
      if (other === group || other.tasks.some((t) => t.mm === mm)) killGroup(other, signalStatus(SIGKILL, false));
    }
    this.onOom?.({
      pid: group.id,
      comm,
      resident,
      scoreAdj: group.oomScoreAdj,
      used,
      limit: this.bytes,
    });
  }

  /** The process to kill, or null. */
  private choose(): { group: ThreadGroup; resident: number } | null {
    let best: { group: ThreadGroup; resident: number } | null = null;
    let bestPoints = -Infinity;
    for (const group of this.kernel.processes.values()) {
      if (group.exiting || group.isZombie || group.oomScoreAdj === OOM_SCORE_ADJ_MIN) continue;
      const t = group.tasks.find((each) => each.run !== RUN_EXITED);
      if (t === undefined) continue;
      const resident = residentMemory(t.mm);
      const points = resident + (group.oomScoreAdj / 1000) * this.bytes;
      if (points > bestPoints) {
        bestPoints = points;
        best = { group, resident };
      }
    }
    return best;
  }
}

function kib(bytes: number): string {
  return `${Math.floor(bytes / 1024)} KiB`;
}
