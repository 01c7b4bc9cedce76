/** What /proc/PID shows of a process's memory: cmdline, environ, maps, smaps, mem. proc_pid_maps(5) and its neighbours. */
import { EINVAL, EIO } from "../../../abi/errno.ts";
import { SEEK_CUR, SEEK_SET } from "../../../abi/fcntl.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../../abi/mman.ts";
import { latin1Text } from "../../fs/kernfs/kernfs.ts";
import type { MemoryManager } from "../../mm/mm.ts";
import {
  VMF_DONTDUMP,
  VMF_DONTFORK,
  VMF_GROWSDOWN,
  VMF_LOCKED,
  VMF_LOCKONFAULT,
  VMF_NOHUGE,
  VMF_NORESERVE,
  VMF_WIPEONFORK,
} from "../../mm/vma.ts";
import type { Pma, Vma } from "../../mm/vma.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import { escapeOctal, hex, left, right } from "./format.ts";

/** Pieces in which guest memory is read. */
const CHUNK = 4096;
const chunk = new Uint8Array(CHUNK);
/** Most bytes of arguments or environment shown. */
const MAX_STRINGS = 1 << 23;

/** Up to `len` bytes of guest memory as latin1 text; what cannot be read is missing at the end. */
function readGuest(mm: MemoryManager, addr: number, len: number): string {
  let out = "";
  let left = Math.min(len, MAX_STRINGS);
  let at = addr;
  while (left > 0) {
    const want = Math.min(left, CHUNK - (at & (CHUNK - 1)));
    const n = mm.forceRead(at, chunk, 0, want);
    if (n <= 0) break;
    out += latin1Text(chunk, 0, n);
    if (n < want) break;
    at += n;
    left -= n;
  }
  return out;
}

/** The arguments, each with its NUL; or the one string that setproctitle put over arguments and environment. */
export function cmdlineText(mm: MemoryManager | null): string {
  if (mm === null || mm.argEnd <= mm.argStart) return "";
  const args = readGuest(mm, mm.argStart, mm.argEnd - mm.argStart);
  if (args.endsWith("\0") || args.length < mm.argEnd - mm.argStart || mm.envStart !== mm.argEnd) return args;
  const nul = args.indexOf("\0");
  if (nul >= 0) return args.slice(0, nul + 1);
  const more = readGuest(mm, mm.envStart, mm.envEnd - mm.envStart);
  const end = more.indexOf("\0");
  return args + (end < 0 ? more : more.slice(0, end + 1));
}

export function environText(mm: MemoryManager | null): string {
  return mm === null ? "" : readGuest(mm, mm.envStart, mm.envEnd - mm.envStart);
}

export function auxvText(mm: MemoryManager | null): string {
  return mm === null ? "" : latin1Text(mm.auxv, 0, mm.auxv.length);
}

/** Column at which the names in maps begin. */
const NAME_COLUMN = 73;

/** What is behind the mapping, as the last column shows it. */
function vmaName(mm: MemoryManager, v: Vma): string {
  if (v.file !== null) return escapeOctal(v.file.mapName(), "\n");
  if (v.name !== "") return v.name;
  if (v.start <= mm.brkEnd && v.end >= mm.brkStart && mm.brkEnd > mm.brkStart) return "[heap]";
  if (v.start <= mm.stackStart && v.end >= mm.stackStart && mm.stackStart > 0) return "[stack]";
  return "";
}

/** One line of maps. */
function mapsLine(mm: MemoryManager, v: Vma): string {
  const f = v.file;
  const perms =
    ((v.prot & PROT_READ) !== 0 ? "r" : "-") +
    ((v.prot & PROT_WRITE) !== 0 ? "w" : "-") +
    ((v.prot & PROT_EXEC) !== 0 ? "x" : "-") +
    (v.isShared ? "s" : "p");
  const dev = f === null ? "00:00" : `${hex(f.mapDevMajor(), 2)}:${hex(f.mapDevMinor(), 2)}`;
  const offset = f === null ? 0 : v.offset;
  const head = `${hex(v.start, 8)}-${hex(v.end, 8)} ${perms} ${hex(offset, 8)} ${dev} ${f === null ? 0 : f.mapIno()} `;
  const name = vmaName(mm, v);
  return name === "" ? `${head}\n` : `${left(head, NAME_COLUMN)}${name}\n`;
}

export function mapsText(mm: MemoryManager | null): string {
  if (mm === null) return "";
  let out = "";
  mm.forEachVma((v) => {
    out += mapsLine(mm, v);
    return true;
  });
  return out;
}

/** Bytes of a mapping by kind. */
class Residency {
  rss = 0;
  privateDirty = 0;
  sharedDirty = 0;
  privateClean = 0;
  anon = 0;
  pss = 0;
  pssAnon = 0;
  pssShmem = 0;
  locked = 0;
  size = 0;

  /** Adds the pages that are there of a mapping. */
  addVma(mm: MemoryManager, v: Vma): void {
    this.size += v.end - v.start;
    for (let p: Pma | null = mm.pmas.lowerBound(v.start); p !== null && p.start < v.end; p = p.next) this.addPma(p);
    if ((v.flags & (VMF_LOCKED | VMF_LOCKONFAULT)) !== 0) this.locked = this.pss;
  }

  private addPma(p: Pma): void {
    const len = p.mem === null ? p.end - p.start : p.mem.committedBytes(p.off, p.end - p.start);
    this.rss += len;
    if (p.anon) {
      const own = p.cow && p.mem !== null ? Math.min(len, p.mem.exclusiveBytes(p.off, p.end - p.start)) : len;
      this.anon += len;
      this.privateDirty += own;
      this.sharedDirty += len - own;
      // Pages that a fork left with both: how many share each is not counted, two is the usual number.
      this.pss += own + (len - own) / 2;
      this.pssAnon += own + (len - own) / 2;
    } else if (p.mem !== null) {
      this.sharedDirty += len;
      this.pss += len;
      this.pssShmem += len;
    } else {
      this.privateClean += len;
      this.pss += len;
    }
  }

  text(rollup: boolean): string {
    const kb = (name: string, bytes: number): string =>
      `${left(`${name}:`, 16)}${right(Math.floor(bytes / 1024), 8)} kB\n`;
    const dirty = this.privateDirty + this.sharedDirty;
    return (
      (rollup ? "" : kb("Size", this.size) + kb("KernelPageSize", CHUNK) + kb("MMUPageSize", CHUNK)) +
      kb("Rss", this.rss) +
      kb("Pss", this.pss) +
      kb("Pss_Dirty", dirty > this.pss ? this.pss : dirty) +
      (rollup
        ? kb("Pss_Anon", this.pssAnon) +
          kb("Pss_File", this.pss - this.pssAnon - this.pssShmem) +
          kb("Pss_Shmem", this.pssShmem)
        : "") +
      kb("Shared_Clean", 0) +
      kb("Shared_Dirty", this.sharedDirty) +
      kb("Private_Clean", this.privateClean) +
      kb("Private_Dirty", this.privateDirty) +
      kb("Referenced", this.rss) +
      kb("Anonymous", this.anon) +
      kb("LazyFree", 0) +
      kb("AnonHugePages", 0) +
      kb("ShmemPmdMapped", 0) +
      kb("FilePmdMapped", 0) +
      kb("Shared_Hugetlb", 0) +
      kb("Private_Hugetlb", 0) +
      kb("Swap", 0) +
      kb("SwapPss", 0) +
      kb("Locked", this.locked)
    );
  }
}

/** Two-letter flags of a mapping in the order of proc_pid_smaps(5). */
function vmFlags(v: Vma): string {
  const shared = v.isShared;
  const flags: (string | false)[] = [
    (v.prot & PROT_READ) !== 0 && "rd",
    (v.prot & PROT_WRITE) !== 0 && "wr",
    (v.prot & PROT_EXEC) !== 0 && "ex",
    shared && "sh",
    (v.maxProt & PROT_READ) !== 0 && "mr",
    (v.maxProt & PROT_WRITE) !== 0 && "mw",
    (v.maxProt & PROT_EXEC) !== 0 && "me",
    shared && "ms",
    (v.flags & VMF_GROWSDOWN) !== 0 && "gd",
    (v.flags & VMF_LOCKED) !== 0 && "lo",
    (v.flags & VMF_DONTFORK) !== 0 && "dc",
    !shared && (v.prot & PROT_WRITE) !== 0 && (v.flags & VMF_NORESERVE) === 0 && "ac",
    (v.flags & VMF_NORESERVE) !== 0 && "nr",
    (v.flags & VMF_WIPEONFORK) !== 0 && "wf",
    (v.flags & VMF_DONTDUMP) !== 0 && "dd",
    (v.flags & VMF_NOHUGE) !== 0 && "nh",
  ];
  return flags.filter((f) => f !== false).join(" ");
}

export function smapsText(mm: MemoryManager | null): string {
  if (mm === null) return "";
  let out = "";
  mm.forEachVma((v) => {
    const r = new Residency();
    r.addVma(mm, v);
    out += `${mapsLine(mm, v)}${r.text(false)}THPeligible:    ${right(0, 8)}\nVmFlags: ${vmFlags(v)} \n`;
    return true;
  });
  return out;
}

export function smapsRollupText(mm: MemoryManager | null): string {
  if (mm === null) return "";
  const total = new Residency();
  let first = 0;
  let last = 0;
  mm.forEachVma((v) => {
    if (first === 0) first = v.start;
    last = v.end;
    const locked = total.locked;
    total.locked = 0;
    const before = total.pss;
    total.addVma(mm, v);
    total.locked = locked + (total.locked > 0 ? total.pss - before : 0);
    return true;
  });
  const head = `${hex(first, 8)}-${hex(last, 8)} ---p 00000000 00:00 0 `;
  return `${left(head, NAME_COLUMN)}[rollup]\n${total.text(true)}`;
}

/** Every page is on node 0, the only one: numa(7). */
export function numaMapsText(mm: MemoryManager | null): string {
  if (mm === null) return "";
  let out = "";
  mm.forEachVma((v) => {
    const r = new Residency();
    r.addVma(mm, v);
    const name = vmaName(mm, v);
    const kind = v.file !== null ? `file=${escapeOctal(name, " \t\n\\")}` : name.replace(/^\[(heap|stack)\]$/, "$1");
    const anon = Math.floor(r.anon / CHUNK);
    const mapped = Math.floor((r.rss - r.anon) / CHUNK);
    const words = [hex(v.start, 8), "default"];
    if (v.file !== null || kind === "heap" || kind === "stack") words.push(kind);
    if (anon > 0) words.push(`anon=${anon}`, `dirty=${anon}`);
    if (mapped > 0) words.push(`mapped=${mapped}`);
    if (anon + mapped > 0) words.push(`N0=${anon + mapped}`, "kernelpagesize_kB=4");
    out += `${words.join(" ")}\n`;
    return true;
  });
  return out;
}

/** /proc/PID/mem: reads and writes memory as a debugger does. */
export class MemFile extends FileDescription {
  private readonly mm: MemoryManager | null;

  /** The memory is looked at as long as it exists, not kept alive. Null: that of a dead process, which is empty. */
  constructor(mm: MemoryManager | null) {
    super();
    this.mm = mm;
  }

  override get takesRwFlags(): boolean {
    return false;
  }

  override get canSplice(): boolean {
    return false;
  }

  override read(seq: IoSequence): number {
    const n = this.pread(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override write(seq: IoSequence): number {
    const n = this.pwrite(seq, this.offset);
    if (n > 0) this.offset += n;
    return n;
  }

  override pread(seq: IoSequence, off: number): number {
    const { mm } = this;
    if (mm === null || mm.users <= 0) return 0;
    let done = 0;
    while (seq.remaining > 0) {
      const want = Math.min(seq.remaining, CHUNK);
      const n = mm.forceRead(off + done, chunk, 0, want);
      if (n <= 0) break;
      seq.write(chunk, 0, n);
      done += n;
      if (n < want) break;
    }
    // Threads of the process may be running: they shall see pages that changed places at once.
    if (mm.needsFlush) mm.flush();
    return done > 0 || seq.remaining === 0 ? done : -EIO;
  }

  override pwrite(seq: IoSequence, off: number): number {
    const { mm } = this;
    if (mm === null || mm.users <= 0) return 0;
    let done = 0;
    while (seq.remaining > 0) {
      const want = seq.read(chunk, 0, Math.min(seq.remaining, CHUNK));
      const n = mm.forceWrite(off + done, chunk, 0, want);
      if (n <= 0) break;
      done += n;
      if (n < want) break;
    }
    if (mm.needsFlush) mm.flush();
    return done > 0 ? done : -EIO;
  }

  override seek(off: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return -EINVAL;
    const pos = whence === SEEK_CUR ? this.offset + off : off;
    if (pos < 0) return -EINVAL;
    this.offset = pos;
    return pos;
  }

  override get canPoll(): boolean {
    return false;
  }
}
