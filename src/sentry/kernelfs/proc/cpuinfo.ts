/** /proc/cpuinfo: proc_cpuinfo(5). */
import type { Kernel } from "../../kernel/kernel.ts";

/** Lines for a CPU of which nothing is known but its instruction set. */
const PLAIN = `vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 0
model name\t: x86-64 processor
stepping\t: 0
cpu MHz\t\t: 2000.000
cache size\t: 1024 KB
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 13
wp\t\t: yes
flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht syscall nx lm
bogomips\t: 4000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 46 bits physical, 48 bits virtual
power management:
`;

/** Lines that tell one CPU from another: all are cores of one package. */
const OWN_LINES = /^(processor|physical id|siblings|core id|cpu cores|apicid|initial apicid)\b/;

function ownLines(cpu: number, count: number): string {
  return (
    `physical id\t: 0\nsiblings\t: ${count}\ncore id\t\t: ${cpu}\ncpu cores\t: ${count}\n` +
    `apicid\t\t: ${cpu}\ninitial apicid\t: ${cpu}\n`
  );
}

/** The whole file: the kernel's description of one CPU, for each. */
export function cpuInfoText(k: Kernel): string {
  const text = k.cpuInfo === "" ? PLAIN : k.cpuInfo;
  const lines = text.split("\n").filter((l) => l.trim() !== "" && !OWN_LINES.test(l));
  // Where they stand on Linux: behind the size of the cache.
  const cache = lines.findIndex((l) => l.startsWith("cache size"));
  const before = lines.slice(0, cache + 1).map((l) => `${l}\n`);
  const after = lines.slice(cache + 1).map((l) => `${l}\n`);
  const [head, tail] = [before.join(""), after.join("")];
  let out = "";
  for (let cpu = 0; cpu < k.cpuCount; cpu++) {
    out += `processor\t: ${cpu}\n${head}${ownLines(cpu, k.cpuCount)}${tail}\n`;
  }
  return out;
}
