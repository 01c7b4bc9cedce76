/**
 * execve(2) after path resolution: from an opened file to a new address space with the program, its interpreter, the vDSO
 * and the initial stack in it. Scripts are followed to their interpreter. Nothing here touches the calling task, so
 * every error can still be returned to it.
 */
import {
  AT_BASE,
  AT_CLKTCK,
  AT_EGID,
  AT_ENTRY,
  AT_EUID,
  AT_FLAGS,
  AT_GID,
  AT_HWCAP,
  AT_HWCAP2,
  AT_MINSIGSTKSZ,
  AT_PAGESZ,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  AT_SECURE,
  AT_SYSINFO_EHDR,
  AT_UID,
} from "../../abi/auxv.ts";
import { ELF64_PHDR_SIZE, ET_DYN, ET_EXEC } from "../../abi/elf.ts";
import { EINVAL, EIO, ELIBBAD, ELOOP, ENOEXEC, ENOMEM } from "../../abi/errno.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../../abi/mman.ts";
import { RLIMIT_STACK } from "../../abi/resource.ts";
import type { Mappable } from "../memmap/memmap.ts";
import type { VmaFile } from "../memmap/vma-file.ts";
import { type MemoryManager, MmapOptions } from "../mm/mm.ts";
import { type ByteSource, type ElfImage, HeadSource, isElf, parseElf, type Segment } from "./elf.ts";
import { HEAD_SIZE, isScript, parseScript } from "./script.ts";
import { argumentBytes, Auxv, buildStack } from "./stack.ts";

const PAGE = 4096;
/** Scripts that may lead to each other before a program must follow. */
const SCRIPT_DEPTH = 5;
/** Ticks per second of times(2) and /proc (USER_HZ). */
const CLOCK_TICKS = 100;
/** Pages of randomness for position-independent programs, and for the heap. */
const PIE_RANDOM_PAGES: number = 2 ** 28;
const BRK_RANDOM_PAGES = 0x2000;

/** An opened executable: what the loader needs of a file. */
export interface ExecutableFile {
  /** Bytes read (short at the end), or -errno. */
  pread(buf: Uint8Array, off: number, len: number, pos: number): number;
  size(): number;
  mappable(): Mappable | number;
  /** What VMAs keep. */
  readonly vmaFile: VmaFile;
  /** Gives the opened file back (mappings have references of their own). */
  close(): void;
}

/** Identity that the new program runs with. */
export class ExecIdentity {
  uid = 0;
  euid = 0;
  gid = 0;
  egid = 0;
  /** AT_SECURE: set-user-ID and the like. */
  secure = false;
}

/** What execve's caller provides. */
export interface LoadEnv {
  /** A fresh, empty address space, or -errno. */
  newMm(): MemoryManager | number;
  /** Opens an interpreter (of a script or an ELF file) for execution, with permission checks; or -errno. */
  openInterpreter(path: string): ExecutableFile | number;
  /** Fills `out` for the file that is finally executed (a script's interpreter counts), before newMm. 0 or -errno. */
  identify(file: ExecutableFile, out: ExecIdentity): number;
  readonly random: { fill(buf: Uint8Array, off: number, len: number): void };
  readonly vdso: Vdso | null;
  /** AT_HWCAP (cpuid 1 edx), AT_HWCAP2, AT_MINSIGSTKSZ. */
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly minSigStackSize: number;
}

/** The vDSO image, ready to be mapped. */
export interface Vdso {
  /** Maps image and parameter page; the address of the ELF header (AT_SYSINFO_EHDR), or -errno. */
  map(mm: MemoryManager): number;
}

/** A loaded program, not yet running. */
export interface LoadedProgram {
  readonly mm: MemoryManager;
  readonly entry: number;
  readonly sp: number;
  readonly identity: ExecIdentity;
  /** The file that is executed; the caller closes it. */
  readonly file: ExecutableFile;
}

/** The first page of the file that is looked at, and what a script says there; loading is never interrupted. */
const beginning: Uint8Array = new Uint8Array(PAGE);
const head: Uint8Array = new Uint8Array(HEAD_SIZE);

/**
 * Loads `file` (opened for execution; taken over, also on failure) named `filename` (latin1) into a new address space.
 * Returns -ENOEXEC, -ELIBBAD, -E2BIG, -ENOMEM, -ELOOP, -EINVAL, -EIO, or what opening an interpreter gave.
 */
export function loadExecutable(
  env: LoadEnv,
  file: ExecutableFile,
  filename: string,
  argv: readonly string[],
  envp: readonly string[],
): LoadedProgram | number {
  // A program always has an argv[0].
  let args: readonly string[] = argv.length === 0 ? [""] : argv;
  let at = file;
  let name = filename;
  let source: HeadSource;
  for (let depth = 0; ; depth++) {
    source = new HeadSource(at, beginning);
    const n = depth > SCRIPT_DEPTH ? -ELOOP : source.pread(head, 0, HEAD_SIZE, 0);
    if (n < 0) return closing(at, n);
    head.fill(0, n);
    if (!isScript(head)) break;
    const line = parseScript(head);
    if (typeof line === "number") return closing(at, line);
    args = [line.interpreter, ...(line.argument === null ? [] : [line.argument]), name, ...args.slice(1)];
    const next = env.openInterpreter(line.interpreter);
    at.close();
    if (typeof next === "number") return next;
    at = next;
    name = line.interpreter;
  }
  if (!isElf(head)) return closing(at, -ENOEXEC);
  const r = loadElf(env, at, source, filename, args, envp);
  return typeof r === "number" ? closing(at, r) : r;
}

function closing(file: ExecutableFile, err: number): number {
  file.close();
  return err;
}

function loadElf(
  env: LoadEnv,
  file: ExecutableFile,
  source: ByteSource,
  filename: string,
  argv: readonly string[],
  envp: readonly string[],
): LoadedProgram | number {
  // The largest address that anything may have; the platform's own limit is checked when mapping.
  const limit = 2 ** 47 - PAGE;
  const image = parseElf(source, limit);
  if (typeof image === "number") return image;
  const mappable = file.mappable();
  if (typeof mappable === "number") return -ENOEXEC;
  let interpFile: ExecutableFile | null = null;
  let interp: ElfImage | null = null;
  if (image.interpreter !== "") {
    const f = env.openInterpreter(image.interpreter);
    if (typeof f === "number") return f;
    const i = parseElf(new HeadSource(f, beginning), limit);
    if (typeof i === "number") {
      const short = f.size() < 64;
      f.close();
      return i === -ENOEXEC ? (short ? -EIO : -ELIBBAD) : i;
    }
    interpFile = f;
    interp = i;
  }
  const identity = new ExecIdentity();
  const refused = env.identify(file, identity);
  const mm = refused < 0 ? refused : env.newMm();
  if (typeof mm === "number") {
    if (interpFile !== null) interpFile.close();
    return mm;
  }
  const r = fill(env, mm, identity, file, mappable, image, interpFile, interp, filename, argv, envp);
  if (interpFile !== null) interpFile.close();
  if (typeof r === "number") mm.decUsers();
  return r;
}

/** Maps everything into the empty `mm`. */
function fill(
  env: LoadEnv,
  mm: MemoryManager,
  identity: ExecIdentity,
  file: ExecutableFile,
  mappable: Mappable,
  image: ElfImage,
  interpFile: ExecutableFile | null,
  interp: ElfImage | null,
  filename: string,
  argv: readonly string[],
  envp: readonly string[],
): LoadedProgram | number {
  const strings = argumentBytes(argv, envp, mm.limits.get(RLIMIT_STACK));
  if (strings < 0) return strings;
  mm.setExe(file.vmaFile);

  const pieBase = pageFloor((mm.platform.maxAddress / 3) * 2);
  let bias = 0;
  if (image.type === ET_DYN) {
    if (interp !== null) {
      const base = pieBase + mm.randomPages(Math.min(PIE_RANDOM_PAGES, pieBase / PAGE / 8)) * PAGE;
      bias = alignDown(base, image.align) - image.low;
    } else {
      // Static-PIE, or a dynamic linker run by hand: where mmap would put it.
      const base = reserve(mm, image);
      if (base < 0) return base;
      bias = base - image.low;
    }
  }
  let r = mapImage(mm, image, bias, mappable, file);
  if (r < 0) return r;
  setBounds(mm, image, bias);
  if (image.type === ET_DYN && interp === null) mm.setBrk(pieBase);
  const brk = mm.brkStart + mm.randomPages(BRK_RANDOM_PAGES) * PAGE;
  mm.setBrk(pageFloor(brk));

  let entry = image.entry + bias;
  let interpBase = 0;
  if (interp !== null && interpFile !== null) {
    const m = interpFile.mappable();
    if (typeof m === "number") return -ENOEXEC;
    if (interp.type === ET_EXEC) interpBase = 0;
    else {
      const base = reserve(mm, interp);
      if (base < 0) return base;
      interpBase = base - interp.low;
    }
    r = mapImage(mm, interp, interpBase, m, interpFile);
    if (r < 0) return r;
    entry = interp.entry + interpBase;
  }
  if (entry >= mm.taskSize) return -EINVAL;

  const auxv = new Auxv();
  if (env.vdso !== null) {
    const at = env.vdso.map(mm);
    if (at < 0) return at;
    auxv.add(AT_SYSINFO_EHDR, at);
  }
  auxv.add(AT_MINSIGSTKSZ, env.minSigStackSize);
  auxv.add(AT_HWCAP, env.hwcap);
  auxv.add(AT_PAGESZ, PAGE);
  auxv.add(AT_CLKTCK, CLOCK_TICKS);
  auxv.add(AT_PHDR, image.phdr === 0 ? 0 : image.phdr + bias);
  auxv.add(AT_PHENT, ELF64_PHDR_SIZE);
  auxv.add(AT_PHNUM, image.phnum);
  auxv.add(AT_BASE, interpBase);
  auxv.add(AT_FLAGS, 0);
  auxv.add(AT_ENTRY, image.entry + bias);
  auxv.add(AT_UID, identity.uid);
  auxv.add(AT_EUID, identity.euid);
  auxv.add(AT_GID, identity.gid);
  auxv.add(AT_EGID, identity.egid);
  auxv.add(AT_SECURE, identity.secure ? 1 : 0);
  auxv.add(AT_HWCAP2, env.hwcap2);
  const stackProt = PROT_READ | PROT_WRITE | (image.execStack ? PROT_EXEC : 0);
  const sp = buildStack(mm, stackProt, strings, filename, argv, envp, auxv);
  if (sp < 0) return sp;
  return { mm, entry, sp, identity, file };
}

/** Free room for all of a position-independent image, where mmap would put it: its base, or -ENOMEM. */
function reserve(mm: MemoryManager, image: ElfImage): number {
  const span = image.high - image.low;
  const extra = image.align > PAGE ? image.align : 0;
  const at = mm.findRoom(span + extra);
  return at < 0 ? at : alignUp(at, image.align);
}

const options = new MmapOptions();

/** Maps the segments at their addresses plus `bias`. 0 or -errno. */
function mapImage(mm: MemoryManager, image: ElfImage, bias: number, mappable: Mappable, file: ExecutableFile): number {
  if (image.low + bias < mm.minAddress || image.high + bias > mm.platform.maxAddress) return -ENOMEM;
  let first = true;
  for (const s of image.segments) {
    // The first segment must not hit anything that is there already (the program, for an interpreter at a fixed place).
    const fixed = first ? MAP_FIXED_NOREPLACE : MAP_FIXED;
    first = false;
    const r = mapSegment(mm, s, bias, mappable, file, fixed);
    if (r < 0) return r;
  }
  return 0;
}

function mapSegment(
  mm: MemoryManager,
  s: Segment,
  bias: number,
  mappable: Mappable,
  file: ExecutableFile,
  fixed: number,
): number {
  const o = options;
  const start = pageFloor(s.vaddr + bias);
  const fileEnd = s.fileEnd + bias;
  const end = s.end + bias;
  const mapped = s.fileEnd > s.vaddr ? pageCeil(fileEnd) : start;
  if (mapped > start) {
    o.clear();
    o.addr = start;
    o.len = mapped - start;
    o.prot = s.prot;
    o.flags = MAP_PRIVATE | fixed;
    o.mappable = mappable;
    o.file = file.vmaFile;
    o.offset = s.offset;
    const r = mm.mmap(o);
    o.clear();
    if (r < 0) return r;
  }
  if (end > fileEnd) {
    // The rest of the last page of the file; a read-only one keeps what the file has there, as on Linux.
    const tail = Math.min(mapped, end) - fileEnd;
    if (mapped > start && tail > 0 && (s.prot & PROT_WRITE) !== 0) {
      const rest = mapped - fileEnd;
      if (rest > 0 && mm.zeroOut(fileEnd, rest) !== rest) return -EINVAL;
    }
    const zeroEnd = pageCeil(end);
    if (zeroEnd > mapped) {
      o.clear();
      o.addr = mapped;
      o.len = zeroEnd - mapped;
      o.prot = s.prot;
      o.flags = MAP_PRIVATE | MAP_ANONYMOUS | fixed;
      const r = mm.mmap(o);
      if (r < 0) return r;
    }
  }
  return 0;
}

/** start_code and the like, for /proc/PID/stat; the heap begins behind everything. */
function setBounds(mm: MemoryManager, image: ElfImage, bias: number): void {
  let startCode = Infinity;
  let endCode = 0;
  let startData = 0;
  let endData = 0;
  let brk = 0;
  for (const s of image.segments) {
    if ((s.prot & PROT_EXEC) !== 0) {
      startCode = Math.min(startCode, s.vaddr);
      endCode = Math.max(endCode, s.fileEnd);
    }
    startData = Math.max(startData, s.vaddr);
    endData = Math.max(endData, s.fileEnd);
    brk = Math.max(brk, s.end);
  }
  mm.startCode = startCode === Infinity ? 0 : startCode + bias;
  mm.endCode = endCode === 0 ? 0 : endCode + bias;
  mm.startData = startData + bias;
  mm.endData = endData + bias;
  mm.setBrk(pageCeil(brk + bias));
}

function pageFloor(n: number): number {
  const whole = Math.floor(n);
  return whole - (whole & (PAGE - 1));
}

function pageCeil(n: number): number {
  return pageFloor(n + PAGE - 1);
}

/** `align`: a power of two up to 2^40. */
function alignDown(n: number, align: number): number {
  return Math.floor(n / align) * align;
}

function alignUp(n: number, align: number): number {
  return Math.ceil(n / align) * align;
}
