/** What all instances of proc share: identities made once, the load average, memory figures. */
import type { Kernel } from "../../kernel/kernel.ts";
import { RUN_BLOCKED, RUN_EXITED, RUN_STOPPED } from "../../kernel/task.ts";
import { taskUserNs } from "../../kernel/cpu-time.ts";
import { MEM_PAGE_CACHE, MEM_SHMEM, MEM_TMPFS } from "../../pgalloc/memory-file.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";
import { LoadAverage } from "./load-average.ts";

/** Sums over all tasks. */
export class TaskTotals {
  /** Threads by what they do. */
  running = 0;
  blocked = 0;
  threads = 0;
  /** CPU time since the start, ended threads included, ns. */
  userNs = 0;
  systemNs = 0;
}

/** Figures of the sandbox's memory, bytes. */
export class MemoryTotals {
  total = 0;
  free = 0;
  cached = 0;
  shmem = 0;
  anon = 0;
}

/** See the header. One per kernel. */
export class ProcShared {
  readonly kernel: Kernel;
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
  readonly load: LoadAverage = new LoadAverage();
  private readonly uuidBytes: Uint8Array = new Uint8Array(16);

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.bootId = this.newUuid();
  }

  /** A random UUID, version 4 (RFC 9562). */
  newUuid(): string {
    const b = this.uuidBytes;
    this.kernel.random(b, 0, 16);
    b[6] = (b[6]! & 0x0f) | 0x40;
    b[8] = (b[8]! & 0x3f) | 0x80;
    let s = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) s += "-";
      s += b[i]!.toString(16).padStart(2, "0");
    }
    return s;
  }

  taskTotals(): TaskTotals {
    const k = this.kernel;
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

  memoryTotals(): MemoryTotals {
    const k = this.kernel;
    const { memory } = k.mmEnv;
    const out = new MemoryTotals();
    this.addFile(memory.privateFile(), out);
    if (memory.sharedFile() !== memory.privateFile()) this.addFile(memory.sharedFile(), out);
    out.total = k.totalRam;
    out.free = k.freeRam();
    // What files hold is counted by pages given out, of which the host may not have all yet.
    const used = out.total - out.free;
    out.cached = Math.min(out.cached, used);
    out.shmem = Math.min(out.shmem, out.cached);
    out.anon = used - out.cached;
    return out;
  }

  private addFile(f: MemoryFile, out: MemoryTotals): void {
    const shmem = f.usage(MEM_SHMEM) + f.usage(MEM_TMPFS);
    out.shmem += shmem;
    // Linux counts shared memory as page cache too.
    out.cached += f.usage(MEM_PAGE_CACHE) + shmem;
  }
}
