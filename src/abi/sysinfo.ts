/** struct sysinfo of amd64, sysinfo(2). */
import { writeI64 } from "./time.ts";

export const SYSINFO_SIZE = 112;

/** Load averages in sysinfo are fixed point with 16 fraction bits. */
export const SI_LOAD_SHIFT = 16;

/** The fields, in bytes (mem_unit is 1) and seconds. */
export interface SysInfo {
  uptime: number;
  /** Over one, five and fifteen minutes. */
  loads: readonly number[];
  totalram: number;
  freeram: number;
  sharedram: number;
  bufferram: number;
  procs: number;
}

/** Writes the structure, 112 bytes. */
export function writeSysInfo(view: DataView, off: number, s: SysInfo): void {
  for (let i = 0; i < SYSINFO_SIZE; i += 4) view.setUint32(off + i, 0, true);
  writeI64(view, off, s.uptime);
  for (const [i, load] of s.loads.entries()) writeI64(view, off + 8 + i * 8, Math.round(load * 2 ** SI_LOAD_SHIFT));
  writeI64(view, off + 32, s.totalram);
  writeI64(view, off + 40, s.freeram);
  writeI64(view, off + 48, s.sharedram);
  writeI64(view, off + 56, s.bufferram);
  view.setUint16(off + 80, s.procs, true);
  view.setUint32(off + 104, 1, true);
}
