/** Figures of the whole sandbox: sysinfo(2), /proc/stat, meminfo, loadavg. */
import { MEM_PAGE_CACHE, MEM_SHMEM, MEM_TMPFS } from "../pgalloc/memory-file.ts";
import type { MemoryFile } from "../pgalloc/memory-file.ts";
import { taskUserNs } from "./cpu-time.ts";
import type { Kernel } from "./kernel.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_STOPPED } from "./task.ts";
import { WIDE } from "../../base/wide.ts";

/** Sums over all tasks. */
export class TaskTotals {
  /** Threads by what they do. */
  running = 0;
  blocked = 0;
  threads = 0;
  /** CPU time since the start, ended threads included, ns. */
  userNs: number = WIDE;
  systemNs: number = WIDE;
}

/** Figures of the sandbox's memory, bytes. */
export class MemoryTotals {
  total: number = WIDE;
  free: number = WIDE;
  cached: number = WIDE;
  shmem: number = WIDE;
  anon: number = WIDE;
}

export function taskTotals(k: Kernel): TaskTotals {
  const out = new TaskTotals();
  out.userNs = k.deadUserNs;
  out.systemNs = k.deadSystemNs;
  for (const t of k.tasks.values()) {
    if (t.run === RUN_EXITED) continue;
    out.threads++;
    out.userNs += taskUserNs(t);
    out.systemNs += t.usage.systemNs;
    if (t.run === RUN_BLOCKED && t.killableOnly) out.blocked++;
    else if (t.run !== RUN_BLOCKED && t.run !== RUN_STOPPED) out.running++;
  }
  return out;
}

export function memoryTotals(k: Kernel): MemoryTotals {
  const { memory } = k.mmEnv;
  const out = new MemoryTotals();
  addFile(memory.privateFile(), out);
  if (memory.sharedFile() !== memory.privateFile()) addFile(memory.sharedFile(), out);
  out.total = k.totalRam;
  out.free = k.freeRam();
  // What files hold is counted by pages given out, of which the host may not have all yet.
  const used = out.total - out.free;
  out.cached = Math.min(out.cached, used);
  out.shmem = Math.min(out.shmem, out.cached);
  out.anon = used - out.cached;
  return out;
}

function addFile(f: MemoryFile, out: MemoryTotals): void {
  const shmem = f.usage(MEM_SHMEM) + f.usage(MEM_TMPFS);
  out.shmem += shmem;
  // Linux counts shared memory as page cache too.
  out.cached += f.usage(MEM_PAGE_CACHE) + shmem;
}

/** The load averages, brought up to date: over one, five and fifteen minutes. */
export function loadAverages(k: Kernel): readonly number[] {
  const now = k.clock.boottimeNs();
  if (k.load.isDue(now)) {
    const t = taskTotals(k);
    k.load.update(now, t.userNs + t.systemNs);
  }
  return k.load.values;
}
