/** /proc/zoneinfo, buddyinfo and pagetypeinfo: the sandbox's memory as one zone of one node. proc_zoneinfo(5), proc_buddyinfo(5). */
import { memoryTotals } from "../../kernel/totals.ts";
import type { MemoryTotals } from "../../kernel/totals.ts";
import { left, right } from "./format.ts";
import type { ProcShared } from "./shared.ts";

const PAGE = 4096;
/** Sizes of blocks: 2^0 to 2^10 pages. */
const ORDERS = 11;
const TYPES: readonly string[] = ["Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate"];

function pages(bytes: number): number {
  return Math.floor(bytes / PAGE);
}

/** Free blocks by order: memory is handed out in pages, so what is free is whole but for the rest of the largest size. */
function freeBlocks(m: MemoryTotals): number[] {
  let left = pages(m.free);
  const out = new Array<number>(ORDERS).fill(0);
  for (let order = ORDERS - 1; order >= 0; order--) {
    out[order] = Math.floor(left / 2 ** order);
    left -= out[order]! * 2 ** order;
  }
  return out;
}

export function buddyinfoText(s: ProcShared): string {
  return `Node 0, zone ${right("Normal", 8)} ${freeBlocks(memoryTotals(s.kernel))
    .map((n) => `${right(n, 6)} `)
    .join("")}\n`;
}

export function pagetypeinfoText(s: ProcShared): string {
  const free = freeBlocks(memoryTotals(s.kernel));
  const none = new Array<number>(ORDERS).fill(0);
  let out = `Page block order: 9\nPages per block:  512\n\n${left("Free pages count per migrate type at order", 43)}`;
  for (let order = 0; order < ORDERS; order++) out += `${right(order, 6)} `;
  out += "\n";
  for (const type of TYPES) {
    const counts = type === "Movable" ? free : none;
    out += `Node ${right(0, 4)}, zone ${right("Normal", 8)}, type ${right(type, 12)} ${counts.map((n) => `${right(n, 6)} `).join("")}\n`;
  }
  out += `\n${left("Number of blocks type", 23)}${TYPES.map((type) => `${right(type, 12)} `).join("")}\n`;
  const blocks = Math.floor(s.kernel.totalRam / (512 * PAGE));
  return `${out}Node 0, zone ${right("Normal", 8)} ${TYPES.map((type) => `${right(type === "Movable" ? blocks : 0, 12)} `).join("")}\n`;
}

/** Counters of the machine's only node, in pages: /proc/zoneinfo and /proc/vmstat have them. */
export function nodeCounters(m: MemoryTotals): (readonly [string, number])[] {
  const fileCache = m.cached - m.shmem;
  return [
    ["nr_inactive_anon", pages(m.shmem)],
    ["nr_active_anon", pages(m.anon)],
    ["nr_inactive_file", pages(fileCache)],
    ["nr_active_file", 0],
    ["nr_unevictable", 0],
    ["nr_slab_reclaimable", 0],
    ["nr_slab_unreclaimable", 0],
    ["nr_isolated_anon", 0],
    ["nr_isolated_file", 0],
    ["nr_anon_pages", pages(m.anon)],
    ["nr_mapped", pages(fileCache)],
    ["nr_file_pages", pages(m.cached)],
    ["nr_dirty", 0],
    ["nr_writeback", 0],
    ["nr_shmem", pages(m.shmem)],
    ["nr_kernel_stack", 0],
    ["nr_page_table_pages", 0],
  ];
}

export function zoneinfoText(s: ProcShared): string {
  const m = memoryTotals(s.kernel);
  const total = pages(m.total);
  // What Linux keeps free, min_free_kbytes: 4 * sqrt(kB), and the marks above it.
  const min = Math.floor(Math.sqrt((m.total / 1024) * 16) / 4);
  const low = min + Math.max(Math.floor(min / 4), Math.floor(total / 1000));
  const high = low + (low - min);
  let out = "Node 0, zone   Normal\n  per-node stats\n";
  for (const [name, n] of nodeCounters(m)) out += `      ${left(name, 12)} ${n}\n`;
  const zone: readonly (readonly [string, number])[] = [
    ["boost", 0],
    ["min", min],
    ["low", low],
    ["high", high],
    ["promo", high + (low - min)],
    ["spanned", total],
    ["present", total],
    ["managed", total],
    ["cma", 0],
  ];
  out += `  pages free     ${pages(m.free)}\n`;
  for (const [name, n] of zone) out += `        ${left(name, 8)} ${n}\n`;
  out += "        protection: (0, 0)\n";
  out += `      ${left("nr_free_pages", 12)} ${pages(m.free)}\n      ${left("nr_mlock", 12)} 0\n  pagesets\n`;
  for (let cpu = 0; cpu < s.kernel.cpuCount; cpu++) {
    out += `    cpu: ${cpu}\n              count:    0\n              high:     0\n              batch:    63\n  vm stats threshold: 20\n`;
  }
  return `${out}  node_unreclaimable:  0\n  start_pfn:           0\n`;
}
