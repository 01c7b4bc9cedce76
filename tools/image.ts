/**
 * Makes process images (src/host/image.unsafe.ts; native/restore/image.h has their layout): runs sandboxes whose processes freeze when
 * they have ended, and writes the memory of each to a file. The first sandbox starts the usual way, each later one from the
 * images of the one before; what V8 has learned of one kernel alone is so forgotten again.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { release, version } from "node:os";
import { IMAGE_OPTIONS, NODE_OPTIONS, TRAINING, TRAIN_IMAGES } from "../src/host/code-cache.ts";

const PAGE = 4096;
/** As in image.h. */
const MAGIC = 0x31676d4976535421n;
const TABLES_LEN = 256 << 10;
const SPECIAL_MAX = 4;
const FROZEN_LEN = 8 * 8 + 8 + 8 * 6 + 4 * 8 + 8;
const KERNEL_LEN = 256;
const PART_LEN = 32;
const FILE_LEN = 40;
/** Addresses at which native/restore has itself, and the process nothing. */
const RESTORE_START = 0x600000000000;
const RESTORE_END = 0x610000000000;
/** To what a stack may grow. */
const STACK_LEN = 8 << 20;
/** As many pages of zeros are rather written than left to a mapping of their own. */
const GAP = 8;

/** Entries of /proc/PID/pagemap: the page is there; it is a file's. */
const PRESENT = 1n << 63n;
const OF_FILE = 1n << 61n;

/** A line of /proc/PID/maps. `prot`: PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
interface Region {
  readonly start: number;
  end: number;
  readonly prot: number;
  readonly isShared: boolean;
  readonly offset: number;
  readonly path: string;
}

/** struct image_part. */
interface Part {
  readonly address: number;
  len: number;
  readonly offset: number;
  readonly prot: number;
  readonly file: number;
}

function readRegions(pid: number): Region[] {
  const regions: Region[] = [];
  for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
    const match = /^(\w+)-(\w+) (\S+) (\w+) \S+ \d+ *(.*)$/.exec(line);
    if (match === null) continue;
    const [, start, end, modes, offset, path] = match as unknown as [string, string, string, string, string, string];
    regions.push({
      start: parseInt(start, 16),
      end: parseInt(end, 16),
      prot: (modes[0] === "r" ? 1 : 0) | (modes[1] === "w" ? 2 : 0) | (modes[2] === "x" ? 4 : 0),
      isShared: modes[3] === "s",
      offset: parseInt(offset, 16),
      path,
    });
  }
  return regions;
}

function isSpecial(region: Region): boolean {
  return /^\[(vvar.*|vdso)\]$/.test(region.path);
}

/** A mapping of an image that the process itself was made from: its pages are copied. */
function isOfImage(region: Region): boolean {
  return /\.image(\.\d+\.tmp)?( \(deleted\))?$/.test(region.path);
}

/** One image under way. */
class ImageWriter {
  private readonly pid: number;
  private readonly mem: number;
  private readonly pagemap: number;
  private readonly out: number;
  private readonly buffer: Buffer = Buffer.alloc(1 << 20);
  private readonly entries: Buffer = Buffer.alloc((1 << 20) / (PAGE / 8));
  private readonly zeros: Buffer = Buffer.alloc(PAGE);
  private readonly parts: Part[] = [];
  private readonly files: string[] = [];
  /** Of the file, so far. */
  private length: number = TABLES_LEN;

  constructor(pid: number, path: string) {
    this.pid = pid;
    this.mem = openSync(`/proc/${pid}/mem`, "r");
    this.pagemap = openSync(`/proc/${pid}/pagemap`, "r");
    this.out = openSync(path, "w", 0o600);
  }

  close(): void {
    for (const fd of [this.mem, this.pagemap, this.out]) closeSync(fd);
  }

  /** Everything: `frozen` is the address of the process's struct image_frozen, `self` the path that the image will have. */
  write(frozen: number, self: string): void {
    const regions = readRegions(this.pid).filter(
      (r) => !r.isShared && r.path !== "[vsyscall]" && !(r.start >= RESTORE_START && r.end <= RESTORE_END),
    );
    const anonymous: Region[] = [];
    for (const region of regions) {
      if (isSpecial(region)) continue;
      if (region.path.startsWith("/") && !isOfImage(region)) this.addFile(region);
      else {
        const start = region.path === "[stack]" ? Math.min(region.start, region.end - STACK_LEN) : region.start;
        const before = anonymous.at(-1);
        if (before !== undefined && before.end === start && before.prot === region.prot) before.end = region.end;
        else anonymous.push({ ...region, start });
      }
    }
    for (const area of anonymous) this.addAnonymous(area, regions);
    const head = this.tables(frozen, self, regions.filter(isSpecial));
    writeSync(this.out, head, 0, head.length, 0);
    ftruncateSync(this.out, this.length);
  }

  /** A mapping of a file, and over it what the process has written there. */
  private addFile(region: Region): void {
    let file = this.files.indexOf(region.path);
    if (file < 0) file = this.files.push(region.path) - 1;
    const { start, end, offset, prot } = region;
    this.parts.push({ address: start, len: end - start, offset, prot, file: file + 1 });
    this.addPages(region, false, (entry) => (entry & PRESENT) !== 0n && (entry & OF_FILE) === 0n);
  }

  /** Memory without a file, and over it what is not zero. */
  private addAnonymous(area: Region, regions: readonly Region[]): void {
    const at = this.parts.length;
    this.parts.push({ address: area.start, len: area.end - area.start, offset: 0, prot: area.prot, file: -1 });
    for (const region of regions) {
      if (region.prot === 0 || region.start >= area.end || region.end <= area.start) continue;
      const isImage = isOfImage(region);
      this.addPages(region, true, (entry) => isImage || (entry & PRESENT) !== 0n);
    }
    const [under, over] = this.parts.slice(at);
    if (over !== undefined && over.address === under!.address && over.len === under!.len) this.parts.splice(at, 1);
  }

  /** The pages of a region that `isWanted`, in runs; `skipsZeros`: where there is none, there are zeros. */
  private addPages(region: Region, skipsZeros: boolean, isWanted: (entry: bigint) => boolean): void {
    const { buffer, entries } = this;
    const gap = skipsZeros ? GAP * PAGE : 0;
    let run: Part | null = null;
    for (let at = region.start; at < region.end; at += buffer.length) {
      const count = Math.min(buffer.length, region.end - at) / PAGE;
      readSync(this.pagemap, entries, 0, count * 8, (at / PAGE) * 8);
      for (let i = 0; i < count; i++) {
        if (!isWanted(entries.readBigUInt64LE(i * 8))) continue;
        const address = at + i * PAGE;
        const page = buffer.subarray(i * PAGE, (i + 1) * PAGE);
        if (readSync(this.mem, page, 0, PAGE, address) !== PAGE) throw new Error(`no page at ${address.toString(16)}`);
        if (skipsZeros && page.equals(this.zeros)) continue;
        if (run === null || address > run.address + run.len + gap) {
          run = { address, len: 0, offset: this.length, prot: region.prot, file: 0 };
          this.parts.push(run);
        }
        writeSync(this.out, page, 0, PAGE, run.offset + address - run.address);
        run.len = address + PAGE - run.address;
        this.length = run.offset + run.len;
      }
    }
  }

  /** Head and tables. */
  private tables(frozen: number, self: string, specials: readonly Region[]): Buffer {
    const { parts, files } = this;
    const vdso = specials.find((r) => r.path === "[vdso]");
    if (vdso === undefined || specials.length > SPECIAL_MAX) throw new Error("a vDSO unlike any other");
    const bytes = Buffer.alloc(TABLES_LEN);
    let at = 0;
    const u64 = (value: number | bigint): void => {
      at = bytes.writeBigUInt64LE(BigInt(value), at);
    };
    const names = [...files, self].map((path) => Buffer.from(`${path}\0`));
    const nameAt = names.map((_, i) => names.slice(0, i).reduce((sum, name) => sum + name.length, 0));
    for (const value of [MAGIC, parts.length, files.length, nameAt[files.length]!, vdso.start, specials.length])
      u64(value);
    for (let i = 0; i < SPECIAL_MAX; i++) {
      const special = specials[i];
      u64(special?.start ?? 0);
      u64(special === undefined ? 0 : special.end - special.start);
    }
    const stat = readFileSync(`/proc/${this.pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    /** Field `n` as proc_pid_stat(5) counts: 26 startcode, 27 endcode, 28 startstack, 45 start_data, 46 end_data, 47 start_brk. */
    const field = (n: number): bigint => BigInt(fields[n - 3]!);
    for (const n of [26, 27, 45, 46, 47, 28]) u64(field(n));
    if (readSync(this.mem, bytes, at, FROZEN_LEN, frozen) !== FROZEN_LEN) throw new Error("the process is not frozen");
    at += FROZEN_LEN;
    bytes.write(`${release()}\n${version()}`, at, KERNEL_LEN - 1, "latin1");
    at += KERNEL_LEN;
    const nameLength = names.reduce((sum, name) => sum + name.length, 0);
    if (at + parts.length * PART_LEN + files.length * FILE_LEN + nameLength > TABLES_LEN)
      throw new Error("too many parts");
    for (const part of parts) {
      u64(part.address);
      u64(part.len);
      u64(part.offset);
      at = bytes.writeInt32LE(part.file, bytes.writeUInt32LE(part.prot, at));
    }
    for (const [i, file] of files.entries()) {
      const { ino, size, mtimeNs } = statSync(file, { bigint: true });
      for (const value of [ino, size, mtimeNs / 1_000_000_000n, mtimeNs % 1_000_000_000n, nameAt[i]!]) u64(value);
    }
    Buffer.concat(names).copy(bytes, at);
    return bytes;
  }
}

/** Writes the image of the frozen process `pid` to `path`, which it replaces at once. */
function writeImage(pid: number, frozen: number, path: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const writer = new ImageWriter(pid, temporary);
  try {
    writer.write(frozen, path);
    renameSync(temporary, path);
  } finally {
    writer.close();
    rmSync(temporary, { force: true });
  }
}

/** The descendants of a process, itself included. */
function descendants(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "latin1")
      .split(" ")
      .filter((word) => word !== ""),
  );
  return [pid, ...children.map(Number).flatMap(descendants)];
}

/** The process of `program` below `pid`, the youngest of several; each has its name as the kernel knows it. */
function findProcess(pid: number, program: string): number {
  const wanted = program === "boot" ? "tsvisor-sentry" : `tsvisor-${program}`;
  const others = ["tsvisor-sentry", "tsvisor-gofer"];
  const found = descendants(pid).findLast((p) => {
    const comm = readFileSync(`/proc/${p}/comm`, "latin1").trim();
    return program === "cli" ? !others.includes(comm) : comm === wanted;
  });
  if (found === undefined) throw new Error(`no process of ${program}`);
  return found;
}

/** Writes the image of the process of `program` below `pid` and ends that process; whether there is one now. */
function keep(pid: number, program: string, frozen: number, path: string): boolean {
  let frozenPid = -1;
  try {
    frozenPid = findProcess(pid, program);
    writeImage(frozenPid, frozen, path);
    return true;
  } catch (error) {
    process.stderr.write(`build: ${path}: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  } finally {
    if (frozenPid > 0) process.kill(frozenPid, "SIGKILL");
  }
}

/** Runs `command`, and replaces the image of each program whose process freezes. Returns their names. */
async function runAndFreeze(command: readonly string[], path: (program: string) => string): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const child = spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", [TRAINING]: TRAIN_IMAGES },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const programs: string[] = [];
  let text = "";
  child.stdout.resume();
  child.stderr.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const match = /^tsvisor-image (\w+) (\w+)$/.exec(text.slice(0, end));
      text = text.slice(end + 1);
      if (match === null) continue;
      const [, program, frozen] = match as unknown as [string, string, string];
      if (keep(child.pid!, program, parseInt(frozen, 16), path(program))) programs.push(program);
    }
  });
  child.on("close", () => resolve());
  await promise;
  return programs;
}

/** What the guests of the sandboxes do, one after the other, as arguments of `tsvisor`. */
export type Lessons = readonly (readonly string[])[];

/**
 * Makes the images of `programs` in the folder `dist`, with the bundle of the command line that lies there. The last lesson should be
 * a short one: what its sandbox needed is in the images. Returns whether there is one of each; if not, there is none.
 */
export async function makeImages(
  dist: string,
  restore: string,
  programs: readonly string[],
  lessons: Lessons,
): Promise<boolean> {
  const path = (program: string): string => `${dist}/${program}.image`;
  let made: string[] = [];
  for (const [i, lesson] of lessons.entries()) {
    const start =
      i === 0 ? [process.execPath, ...NODE_OPTIONS, ...IMAGE_OPTIONS, `${dist}/cli.cjs`] : [restore, path("cli"), "0"];
    // oxlint-disable-next-line no-await-in-loop -- each goes on from the one before
    made = await runAndFreeze([...start, ...lesson], path);
    if (programs.some((program) => !made.includes(program))) break;
  }
  if (programs.every((program) => made.includes(program))) return true;
  for (const program of programs) rmSync(path(program), { force: true });
  return false;
}
