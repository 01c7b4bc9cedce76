/** The plain files of /proc: meminfo, cpuinfo, stat, uptime and so on; each named in proc(5). */
import { LINUX_BANNER, LINUX_COMMAND_LINE } from "../../../abi/utsname.ts";
import { groupUsage } from "../../kernel/cpu-time.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { loadAverages, memoryTotals, taskTotals } from "../../kernel/totals.ts";
import { Usage } from "../../kernel/usage.ts";
import type { KernfsDir } from "../../fs/kernfs/kernfs.ts";
import { cpuInfoText } from "./cpuinfo.ts";
import { kbLine, left, right, ticks } from "./format.ts";
import { KmsgNode } from "./kmsg.ts";
import { locksText } from "./locks.ts";
import { PressureFile } from "./pressure.ts";
import type { ProcShared } from "./shared.ts";
import { buddyinfoText, nodeCounters, pagetypeinfoText, zoneinfoText } from "./zones.ts";

function meminfoText(s: ProcShared): string {
  const m = memoryTotals(s.kernel);
  const fileCache = m.cached - m.shmem;
  const commit = Math.floor(m.total / 2);
  const lines: readonly (readonly [string, number])[] = [
    ["MemTotal", m.total],
    ["MemFree", m.free],
    ["MemAvailable", Math.min(m.total, m.free + fileCache)],
    ["Buffers", 0],
    ["Cached", m.cached],
    ["SwapCached", 0],
    ["Active", m.anon + Math.floor(fileCache / 2)],
    ["Inactive", fileCache - Math.floor(fileCache / 2) + m.shmem],
    ["Active(anon)", m.anon],
    ["Inactive(anon)", m.shmem],
    ["Active(file)", Math.floor(fileCache / 2)],
    ["Inactive(file)", fileCache - Math.floor(fileCache / 2)],
    ["Unevictable", 0],
    ["Mlocked", 0],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Zswap", 0],
    ["Zswapped", 0],
    ["Dirty", 0],
    ["Writeback", 0],
    ["AnonPages", m.anon],
    ["Mapped", fileCache],
    ["Shmem", m.shmem],
    ["KReclaimable", 0],
    ["Slab", 0],
    ["SReclaimable", 0],
    ["SUnreclaim", 0],
    ["KernelStack", 0],
    ["PageTables", 0],
    ["SecPageTables", 0],
    ["NFS_Unstable", 0],
    ["Bounce", 0],
    ["WritebackTmp", 0],
    ["CommitLimit", commit],
    ["Committed_AS", m.anon + m.shmem],
  ];
  let out = "";
  for (const [name, bytes] of lines) out += kbLine(name, bytes);
  out += "VmallocTotal:   34359738367 kB\n";
  for (const name of ["VmallocUsed", "VmallocChunk", "Percpu", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped"]) {
    out += kbLine(name, 0);
  }
  out += kbLine("FileHugePages", 0) + kbLine("FilePmdMapped", 0);
  for (const name of ["Total", "Free", "Rsvd", "Surp"]) out += `${left(`HugePages_${name}:`, 16)}${right(0, 8)}\n`;
  out += kbLine("Hugepagesize", 2 * 1024 * 1024) + kbLine("Hugetlb", 0);
  out += kbLine("DirectMap4k", 0) + kbLine("DirectMap2M", m.total);
  return out;
}

function uptimeText(s: ProcShared): string {
  const k = s.kernel;
  const up = k.clock.boottimeNs();
  const t = taskTotals(s.kernel);
  const idle = Math.max(0, up * k.cpuCount - t.userNs - t.systemNs);
  return `${(up / 1e9).toFixed(2)} ${(idle / 1e9).toFixed(2)}\n`;
}

/** user nice system idle iowait irq softirq steal guest guest_nice, in clock ticks; `n` CPUs' share of the time. */
function cpuLine(name: string, userNs: number, systemNs: number, upNs: number): string {
  const idle = Math.max(0, upNs - userNs - systemNs);
  return `${name} ${ticks(userNs)} 0 ${ticks(systemNs)} ${ticks(idle)} 0 0 0 0 0 0\n`;
}

function statText(s: ProcShared): string {
  const k = s.kernel;
  const up = k.clock.boottimeNs();
  const t = taskTotals(s.kernel);
  const n = k.cpuCount;
  let out = cpuLine("cpu ", t.userNs, t.systemNs, up * n);
  // Which CPU a thread ran on is the host's business: each gets its share.
  for (let i = 0; i < n; i++) out += cpuLine(`cpu${i}`, t.userNs / n, t.systemNs / n, up);
  const boot = Math.floor((k.clock.realtimeNs() - up) / 1e9);
  return (
    `${out}intr 0\nctxt ${k.stopCount}\nbtime ${boot}\nprocesses ${k.forkCount + 1}\n` +
    `procs_running ${Math.max(1, t.running)}\nprocs_blocked ${t.blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`
  );
}

function loadavgText(s: ProcShared): string {
  const k = s.kernel;
  const t = taskTotals(s.kernel);
  const figures = loadAverages(k)
    .map((v) => v.toFixed(2))
    .join(" ");
  return `${figures} ${Math.max(1, t.running)}/${t.threads} ${k.lastPid}\n`;
}

function filesystemsText(k: Kernel): string {
  let out = "";
  for (const t of k.vfs.types.values()) out += `${t.noDevice ? "nodev" : ""}\t${t.name}\n`;
  for (const name of ["sockfs", "pipefs"]) out += `nodev\t${name}\n`;
  return out;
}

function vmstatText(s: ProcShared): string {
  const m = memoryTotals(s.kernel);
  const u = new Usage();
  for (const g of s.kernel.processes.values()) groupUsage(g, u);
  const pages = (bytes: number): number => Math.floor(bytes / 4096);
  const lines: readonly (readonly [string, number])[] = [
    ["nr_free_pages", pages(m.free)],
    ...nodeCounters(m),
    ["pgpgin", 0],
    ["pgpgout", 0],
    ["pswpin", 0],
    ["pswpout", 0],
    ["pgalloc_normal", 0],
    ["pgfree", 0],
    ["pgactivate", 0],
    ["pgdeactivate", 0],
    ["pgfault", u.minorFaults + u.majorFaults],
    ["pgmajfault", u.majorFaults],
    ["oom_kill", s.kernel.memoryLimit.kills],
  ];
  return lines.map(([name, n]) => `${name} ${n}\n`).join("");
}

/** Head line of a table with a column per CPU. */
function cpuColumns(k: Kernel, indent: number): string {
  let out = " ".repeat(indent);
  for (let i = 0; i < k.cpuCount; i++) out += left(`CPU${i}`, 11);
  return `${out}\n`;
}

function softirqsText(k: Kernel): string {
  let out = cpuColumns(k, 20);
  for (const name of "HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED HRTIMER RCU".split(" ")) {
    out += `${right(name, 12)}:${` ${right(0, 10)}`.repeat(k.cpuCount)}\n`;
  }
  return out;
}

const DEVICES = `Character devices:
  1 mem
  5 /dev/tty
  5 /dev/console
  5 /dev/ptmx
 10 misc
128 ptm
136 pts

Block devices:
`;

const CGROUPS = "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio hugetlb pids rdma misc";

const SLABINFO =
  "slabinfo - version: 2.1\n" +
  "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>" +
  " : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n";

/** Heads of the System V IPC tables; the objects are not shown. */
const SHM_HEAD =
  "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n";
const MSG_HEAD =
  "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n";
const SEM_HEAD = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";

/** Fills the root directory of proc, but for what names tasks. */
export function addRootFiles(root: KernfsDir, s: ProcShared): void {
  const k = s.kernel;
  root
    .addText(
      "cgroups",
      `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${CGROUPS.replace(/(\w+) ?/g, "$1\t0\t1\t1\n")}`,
    )
    .addText("cmdline", `${LINUX_COMMAND_LINE}\n`)
    .addFunction("buddyinfo", () => buddyinfoText(s))
    .addText("consoles", "")
    .addFunction("cpuinfo", () => cpuInfoText(k))
    .addText("crypto", "")
    .addText("devices", DEVICES)
    .addText("diskstats", "")
    .addText("dma", " 4: cascade\n")
    .addText("execdomains", "0-0\tLinux           \t[kernel]\n")
    .addText("fb", "")
    .addFunction("filesystems", () => filesystemsText(k))
    .addFunction("interrupts", () => cpuColumns(k, 11))
    .addText("iomem", "")
    .addText("ioports", "")
    .addText("kallsyms", "")
    .add("kmsg", new KmsgNode(root.kernfs, k.messages))
    .addText("key-users", "")
    .addText("keys", "")
    .addFunction("loadavg", () => loadavgText(s))
    .addFunction("locks", () => locksText(k))
    .addFunction("meminfo", () => meminfoText(s))
    .addText("misc", "")
    .addFunction("pagetypeinfo", () => pagetypeinfoText(s), 0o400)
    .addText("modules", "")
    .addSymlink("mounts", "self/mounts")
    .addSymlink("net", "self/net")
    .addText("partitions", "major minor  #blocks  name\n\n")
    .addText("slabinfo", SLABINFO, 0o400)
    .addFunction("softirqs", () => softirqsText(k))
    .addFunction("stat", () => statText(s))
    .addText("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
    .addFunction("uptime", () => uptimeText(s))
    .addText("version", `${LINUX_BANNER}\n`)
    .addFunction("vmstat", () => vmstatText(s))
    .addFunction("zoneinfo", () => zoneinfoText(s));
  const pressure = root.addDir("pressure");
  for (const name of ["cpu", "io", "memory"]) pressure.add(name, new PressureFile(root.kernfs, s, name === "cpu"));
  root.addDir("bus");
  root.addDir("driver");
  root.addDir("fs");
  root.addDir("irq");
  const { ipc } = s.kernel;
  root
    .addDir("sysvipc")
    .addFunction("msg", () => MSG_HEAD + ipc.msg.text())
    .addFunction("sem", () => SEM_HEAD + ipc.sem.text())
    .addFunction("shm", () => SHM_HEAD + ipc.shm.text());
  root
    .addDir("tty")
    .addText(
      "drivers",
      "/dev/tty             /dev/tty        5       0 system:/dev/tty\n" +
        "/dev/ptmx            /dev/ptmx       5       2 system\n" +
        "pty_slave            /dev/pts      136 0-1048575 pty:slave\n" +
        "pty_master           /dev/ptm      128 0-1048575 pty:master\n",
    );
}
