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
physical id\t: 0
siblings\t: 1
core id\t\t: 0
cpu cores\t: 1
apicid\t\t: 0
initial apicid\t: 0
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

/** Lines whose value depends on which CPU it is and how many there are: all are cores of one package. */
function valueFor(name: string, cpu: number, count: number): number | null {
  switch (name) {
    case "physical id":
      return 0;
    case "siblings":
    case "cpu cores":
      return count;
    case "core id":
    case "apicid":
    case "initial apicid":
      return cpu;
    default:
      return null;
  }
}

/** The whole file: the kernel's description of one CPU, for each. */
export function cpuInfoText(k: Kernel): string {
  const lines = (k.cpuInfo === "" ? PLAIN : k.cpuInfo).split("\n").filter((l) => l.trim() !== "");
  let out = "";
  for (let cpu = 0; cpu < k.cpuCount; cpu++) {
    out += `processor\t: ${cpu}\n`;
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon < 0 ? line.length : colon).trimEnd();
      if (name === "processor") continue;
      const value = valueFor(name, cpu, k.cpuCount);
      out += value === null ? `${line}\n` : `${line.slice(0, colon)}: ${value}\n`;
    }
    out += "\n";
  }
  return out;
}
