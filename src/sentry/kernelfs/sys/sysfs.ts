/**
 * The file system "sysfs": a minimal /sys, with what the C library, language runtimes and tools look for: CPUs, memory
 * nodes, huge pages, network interfaces. Documentation/ABI/stable/sysfs-devices-*.
 */
import { SYSFS_MAGIC } from "../../../abi/statfs.ts";
import type { Stat } from "../../../abi/stat.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID } from "../../../abi/mount.ts";
import { KernfsDir, KernfsFs, KernfsStaticFile } from "../../fs/kernfs/kernfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { cpuList, cpuMask, kbLine, left, right } from "../proc/format.ts";

/** NR_CPUS - 1 of the usual kernels. */
const KERNEL_MAX = 8191;
const DIR_PERM = 0o755;

/** See the header. */
export class SysFs extends KernfsFs {
  constructor(kernel: Kernel) {
    super(kernel.vfs, "sysfs", SYSFS_MAGIC);
    this.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const root = new KernfsDir(this, 0o555);
    this.init(root);
    for (const name of ["block", "bus", "class", "dev", "devices", "firmware", "fs", "kernel", "module", "power"]) {
      root.addDir(name, DIR_PERM);
    }
    const sub = (name: string): KernfsDir => root.entries.get(name) as KernfsDir;
    sub("bus").addDir("cpu", DIR_PERM);
    sub("dev").addDir("block", DIR_PERM);
    sub("dev").addDir("char", DIR_PERM);
    addDevices(sub("devices"), kernel);
    addClasses(sub("class"));
    const fs = sub("fs");
    // Mount points: nothing is in them before something is mounted there.
    fs.addDir("cgroup", DIR_PERM);
    fs.addDir("fuse", DIR_PERM).addDir("connections", DIR_PERM);
    addKernel(sub("kernel"));
  }
}

/** An attribute: shows one page as its size, as sysfs does. */
class Attribute extends KernfsStaticFile {
  override getStat(out: Stat): number {
    const r = super.getStat(out);
    out.size = 4096;
    return r;
  }
}

function attribute(dir: KernfsDir, name: string, value: string | number, perm: number = 0o444): void {
  dir.add(name, new Attribute(dir.kernfs, perm, `${value}\n`));
}

function addDevices(devices: KernfsDir, k: Kernel): void {
  const n = k.cpuCount;
  const system = devices.addDir("system", DIR_PERM);
  const cpus = system.addDir("cpu", DIR_PERM);
  const all = cpuList(n, null);
  attribute(cpus, "isolated", "");
  attribute(cpus, "kernel_max", KERNEL_MAX);
  attribute(cpus, "offline", "");
  attribute(cpus, "online", all);
  attribute(cpus, "possible", all);
  attribute(cpus, "present", all);
  const smt = cpus.addDir("smt", DIR_PERM);
  attribute(smt, "active", 0);
  attribute(smt, "control", "notsupported");
  for (let i = 0; i < n; i++) addCpu(cpus.addDir(`cpu${i}`, DIR_PERM), i, n);

  const nodes = system.addDir("node", DIR_PERM);
  for (const name of ["has_cpu", "has_memory", "has_normal_memory", "online", "possible"]) attribute(nodes, name, 0);
  const node = nodes.addDir("node0", DIR_PERM);
  for (let i = 0; i < n; i++) node.addSymlink(`cpu${i}`, `../../cpu/cpu${i}`);
  attribute(node, "cpulist", all);
  attribute(node, "cpumap", cpuMask(n, null));
  attribute(node, "distance", 10);
  node.addFunction("meminfo", () => nodeMeminfo(k));
  attribute(node, "numastat", "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\nother_node 0");
  const source = system.addDir("clocksource", DIR_PERM).addDir("clocksource0", DIR_PERM);
  attribute(source, "available_clocksource", "tsc");
  attribute(source, "current_clocksource", "tsc");

  const lo = devices.addDir("virtual", DIR_PERM).addDir("net", DIR_PERM).addDir("lo", DIR_PERM);
  addLoopback(lo);
}

/** The node's part of /proc/meminfo: everything, since it is the only one. */
function nodeMeminfo(k: Kernel): string {
  const free = k.freeRam();
  const lines: readonly (readonly [string, number])[] = [
    ["MemTotal", k.totalRam],
    ["MemFree", free],
    ["MemUsed", k.totalRam - free],
    ["SwapCached", 0],
    ["Active", k.totalRam - free],
    ["Inactive", 0],
    ["Dirty", 0],
    ["Writeback", 0],
    ["FilePages", 0],
    ["Mapped", 0],
    ["AnonPages", k.totalRam - free],
    ["Shmem", 0],
    ["KernelStack", 0],
    ["PageTables", 0],
    ["Slab", 0],
    ["SReclaimable", 0],
    ["SUnreclaim", 0],
    ["AnonHugePages", 0],
  ];
  let out = "";
  for (const [name, bytes] of lines) out += `Node 0 ${kbLine(name, bytes)}`;
  for (const name of ["Total", "Free", "Surp"]) out += `Node 0 ${left(`HugePages_${name}:`, 16)}${right(0, 6)}\n`;
  return out;
}

/** All CPUs are cores of one package, one thread each. */
function addCpu(cpu: KernfsDir, i: number, n: number): void {
  const one = new Uint32Array(Math.ceil(n / 32));
  one[i >>> 5] = 2 ** (i & 31);
  const self = cpuMask(n, one);
  const everybody = cpuMask(n, null);
  const t = cpu.addDir("topology", DIR_PERM);
  attribute(t, "core_id", i);
  attribute(t, "physical_package_id", 0);
  attribute(t, "die_id", 0);
  attribute(t, "cluster_id", 65535);
  for (const name of ["thread_siblings", "core_cpus", "cluster_cpus"]) {
    attribute(t, name, self);
    attribute(t, `${name}_list`, i);
  }
  for (const name of ["core_siblings", "package_cpus", "die_cpus"]) {
    attribute(t, name, everybody);
    attribute(t, `${name}_list`, cpuList(n, null));
  }
  cpu.addSymlink("node0", "../../node/node0").addSymlink("subsystem", "../../../../bus/cpu");
  // CPU 0 cannot be taken off line.
  if (i > 0) attribute(cpu, "online", 1);
}

/** Classes that tools list; all empty but for the network interfaces. */
function addClasses(classes: KernfsDir): void {
  for (const name of ["block", "bdi", "input", "mem", "misc", "power_supply", "thermal", "tty"]) {
    classes.addDir(name, DIR_PERM);
  }
  classes.addDir("net", DIR_PERM).addSymlink("lo", "../../devices/virtual/net/lo");
}

function addLoopback(lo: KernfsDir): void {
  const values: readonly (readonly [string, string | number])[] = [
    ["addr_assign_type", 0],
    ["addr_len", 6],
    ["address", "00:00:00:00:00:00"],
    ["broadcast", "00:00:00:00:00:00"],
    ["carrier", 1],
    ["carrier_changes", 0],
    ["dev_id", "0x0"],
    ["dev_port", 0],
    ["dormant", 0],
    ["flags", "0x9"],
    ["ifalias", ""],
    ["ifindex", 1],
    ["iflink", 1],
    ["link_mode", 0],
    ["mtu", 65536],
    ["netdev_group", 0],
    ["operstate", "unknown"],
    ["proto_down", 0],
    ["tx_queue_len", 1000],
    ["type", 772],
    ["uevent", "INTERFACE=lo\nIFINDEX=1"],
  ];
  for (const [name, value] of values) attribute(lo, name, value);
  const statistics = lo.addDir("statistics", DIR_PERM);
  for (const side of ["rx", "tx"]) {
    for (const what of ["bytes", "packets", "errors", "dropped", "fifo_errors", "compressed"]) {
      attribute(statistics, `${side}_${what}`, 0);
    }
  }
  for (const name of ["rx_crc_errors", "rx_frame_errors", "rx_length_errors", "rx_missed_errors", "rx_over_errors"]) {
    attribute(statistics, name, 0);
  }
  for (const name of ["collisions", "multicast", "tx_aborted_errors", "tx_carrier_errors", "tx_window_errors"]) {
    attribute(statistics, name, 0);
  }
  lo.addSymlink("subsystem", "../../../../class/net");
}

function addKernel(kernel: KernfsDir): void {
  const mm = kernel.addDir("mm", DIR_PERM);
  const thp = mm.addDir("transparent_hugepage", DIR_PERM);
  attribute(thp, "defrag", "always defer defer+madvise [madvise] never");
  // Pages of guests come from a memory file of the host, which decides about their size.
  attribute(thp, "enabled", "always [madvise] never");
  attribute(thp, "hpage_pmd_size", 2097152);
  attribute(thp, "shmem_enabled", "always within_size advise [never] deny force");
  attribute(thp, "use_zero_page", 1);
  const huge = mm.addDir("hugepages", DIR_PERM).addDir("hugepages-2048kB", DIR_PERM);
  for (const name of [
    "free_hugepages",
    "nr_hugepages",
    "nr_overcommit_hugepages",
    "resv_hugepages",
    "surplus_hugepages",
  ]) {
    attribute(huge, name, 0);
  }
  for (const name of ["debug", "security", "tracing"]) kernel.addDir(name, 0o700);
}
