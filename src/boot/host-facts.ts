/** What the sandbox shows of the machine: read from the host's /proc before the old root goes away. */
import { AT_FDCWD, O_CLOEXEC, O_RDONLY } from "../abi/fcntl.ts";
import type { Host } from "../host/host.ts";

/** Auxiliary vector keys (getauxval(3)). */
const AT_HWCAP = 16;
const AT_HWCAP2 = 26;
const AT_MINSIGSTKSZ = 51;

/** See the header. */
export interface HostFacts {
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minSigStackSize: number;
  /** Lines of /proc/cpuinfo for one CPU, without "processor". */
  readonly cpuInfo: string;
  /** The time-stamp counter is good enough for the host's own clock. */
  readonly tscUsable: boolean;
  /** Bytes of a large page that memory files get for the asking (MADV_HUGEPAGE), 0 where they get none. */
  readonly hugeSize: number;
}

/** A whole small file of the host; empty when it cannot be read. */
function readFile(host: Host, path: string): Uint8Array {
  const fd = host.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return new Uint8Array(0);
  const buf = new Uint8Array(65536);
  let len = 0;
  for (;;) {
    const n = host.read(fd, buf, len, buf.length - len);
    if (n <= 0) break;
    len += n;
  }
  host.close(fd);
  return buf.subarray(0, len);
}

/** The first processor's block of /proc/cpuinfo, without lines that belong to one CPU. */
function firstCpu(text: string): string {
  const block = text.split("\n\n")[0] ?? "";
  return block
    .split("\n")
    .filter((line) => !/^(processor|apicid|initial apicid|core id|physical id|siblings|cpu cores)\b/.test(line))
    .join("\n");
}

const THP = "/sys/kernel/mm/transparent_hugepage";

/** What is chosen in a file like "always [madvise] never"; "" without one. */
export function chosenWord(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? "";
}

/**
 * The size of large pages for memory files, by the contents of shmem_enabled, of the same file for that one size ("" where the
 * kernel has none) and of hpage_pmd_size (the kernel's Documentation/admin-guide/mm/transhuge.rst).
 */
export function hugeSizeOf(enabled: string, ofSize: string, size: string): number {
  const all = chosenWord(enabled);
  const one = chosenWord(ofSize);
  const bytes = Number(size.trim());
  if (all === "deny" || !Number.isSafeInteger(bytes) || bytes <= 0) return 0;
  const word = all === "force" || one === "" || one === "inherit" ? all : one;
  return ["always", "within_size", "advise", "force"].includes(word) ? bytes : 0;
}

function hugeSize(host: Host): number {
  const text = (path: string): string => Buffer.from(readFile(host, path)).toString("latin1");
  const enabled = text(`${THP}/shmem_enabled`);
  if (["", "deny"].includes(chosenWord(enabled))) return 0;
  const size = text(`${THP}/hpage_pmd_size`);
  return hugeSizeOf(enabled, text(`${THP}/hugepages-${Number(size.trim()) / 1024}kB/shmem_enabled`), size);
}

export function hostFacts(host: Host): HostFacts {
  const auxv = readFile(host, "/proc/self/auxv");
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.length);
  const values = new Map<number, number>();
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    values.set(view.getUint32(at, true), view.getUint32(at + 12, true) * 4294967296 + view.getUint32(at + 8, true));
  }
  const clockSource = Buffer.from(readFile(host, "/sys/devices/system/clocksource/clocksource0/current_clocksource"));
  return {
    hwcap: values.get(AT_HWCAP) ?? 0,
    hwcap2: values.get(AT_HWCAP2) ?? 0,
    minSigStackSize: values.get(AT_MINSIGSTKSZ) ?? 2048,
    cpuInfo: firstCpu(Buffer.from(readFile(host, "/proc/cpuinfo")).toString("latin1")),
    // kvm-clock is computed from a counter that the hypervisor keeps in step.
    hugeSize: hugeSize(host),
    tscUsable: ["tsc", "kvm-clock"].includes(clockSource.toString("latin1").trim()),
  };
}
