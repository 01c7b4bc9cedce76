/**
 * ELF64 headers of a program file (elf(5)). The bytes are hostile: every number is checked here, and what leaves this
 * file is a page-aligned plan of mappings below the limit that the caller gave.
 */
import {
  EH_ENTRY,
  EH_MACHINE,
  EH_PHENTSIZE,
  EH_PHNUM,
  EH_PHOFF,
  EH_TYPE,
  EI_CLASS,
  ELF64_EHDR_SIZE,
  ELF64_PHDR_SIZE,
  ELFCLASS64,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  PF_R,
  PF_W,
  PF_X,
  PH_ALIGN,
  PH_FILESZ,
  PH_FLAGS,
  PH_MEMSZ,
  PH_OFFSET,
  PH_TYPE,
  PH_VADDR,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from "../../abi/elf.ts";
import { EINVAL, EIO, ENOEXEC } from "../../abi/errno.ts";
import { PATH_MAX } from "../../abi/limits.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";

const PAGE = 4096;
/** Largest program header table that Linux reads. */
const PHDRS_MAX = 65536;
/** Largest alignment that is honoured. */
const ALIGN_MAX = 2 ** 40;

/** Reads a file: bytes (short at its end), or -errno. */
export interface ByteSource {
  pread(buf: Uint8Array, off: number, len: number, pos: number): number;
}

/**
 * A file whose beginning is read once: there lies nearly everything that loading looks at before it maps. `head` is the
 * caller's, and holds the beginning until it is used for another file.
 */
export class HeadSource implements ByteSource {
  private readonly file: ByteSource;
  private readonly head: Uint8Array;
  /** Bytes there, or -errno. */
  private readonly got: number;

  constructor(file: ByteSource, head: Uint8Array) {
    this.file = file;
    this.head = head;
    this.got = file.pread(head, 0, head.length, 0);
  }

  pread(buf: Uint8Array, off: number, len: number, pos: number): number {
    const { got } = this;
    if (got < 0) return got;
    const isWhole = got < this.head.length;
    if (pos + len > got && !isWhole) return this.file.pread(buf, off, len, pos);
    const n = Math.max(0, Math.min(len, got - pos));
    // Headers are small: a loop is faster than a view and a copy.
    for (let i = 0; i < n; i++) buf[off + i] = this.head[pos + i]!;
    return n;
  }
}

/** A PT_LOAD segment. Addresses are as in the file (without load bias). */
export interface Segment {
  /** First and one past the last byte in memory. */
  readonly vaddr: number;
  readonly end: number;
  /** First byte past what comes from the file; the rest is zeros. */
  readonly fileEnd: number;
  /** Page-aligned file offset for the page of vaddr. */
  readonly offset: number;
  readonly prot: number;
}

/** What loading needs to know of an ELF file. */
export interface ElfImage {
  readonly type: number;
  readonly entry: number;
  /** Address of the program headers in memory, 0: not mapped. */
  readonly phdr: number;
  readonly phnum: number;
  readonly segments: readonly Segment[];
  /** Lowest address (page-aligned) and highest (page-aligned up) of all segments. */
  readonly low: number;
  readonly high: number;
  /** Largest p_align (a power of two, at least a page). */
  readonly align: number;
  /** Path of PT_INTERP (latin1), or "". */
  readonly interpreter: string;
  /** PT_GNU_STACK asks for an executable stack. */
  readonly execStack: boolean;
}

/** Whether the first bytes of a file are those of an ELF file. */
export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** The headers of the file that is looked at; loading is never interrupted. */
const head: Uint8Array = new Uint8Array(ELF64_EHDR_SIZE);
const headView: DataView = new DataView(head.buffer);
const table: Uint8Array = new Uint8Array(PHDRS_MAX);
const tableView: DataView = new DataView(table.buffer);

/**
 * Reads and checks the headers. `limit`: addresses end here. Errors as Linux has them before the point of no return:
 * -ENOEXEC, -EIO; and -EINVAL for segments that cannot be mapped.
 */
export function parseElf(src: ByteSource, limit: number): ElfImage | number {
  const got = src.pread(head, 0, ELF64_EHDR_SIZE, 0);
  if (got < 0) return got;
  if (got < ELF64_EHDR_SIZE || !isElf(head) || head[EI_CLASS] !== ELFCLASS64) return -ENOEXEC;
  const type = headView.getUint16(EH_TYPE, true);
  if (type !== ET_EXEC && type !== ET_DYN) return -ENOEXEC;
  if (headView.getUint16(EH_MACHINE, true) !== EM_X86_64) return -ENOEXEC;
  if (headView.getUint16(EH_PHENTSIZE, true) !== ELF64_PHDR_SIZE) return -ENOEXEC;
  const phnum = headView.getUint16(EH_PHNUM, true);
  const size = phnum * ELF64_PHDR_SIZE;
  const phoff = u64(headView, EH_PHOFF);
  if (size === 0 || size > PHDRS_MAX || phoff > Number.MAX_SAFE_INTEGER - size) return -ENOEXEC;
  if (src.pread(table, 0, size, phoff) !== size) return -ENOEXEC;

  let interpreter = "";
  let haveInterp = false;
  let execStack = false;
  let align = PAGE;
  let phdr = 0;
  const segments: Segment[] = [];
  let low = Infinity;
  let high = 0;
  for (let at = 0; at < size; at += ELF64_PHDR_SIZE) {
    switch (tableView.getUint32(at + PH_TYPE, true)) {
      case PT_INTERP: {
        if (haveInterp) break;
        haveInterp = true;
        const path = readInterpreter(src, u64(tableView, at + PH_OFFSET), u64(tableView, at + PH_FILESZ));
        if (typeof path === "number") return path;
        interpreter = path;
        break;
      }
      case PT_GNU_STACK:
        execStack = (tableView.getUint32(at + PH_FLAGS, true) & PF_X) !== 0;
        break;
      case PT_LOAD: {
        const s = segment(at, limit);
        if (typeof s === "number") return s;
        if (s === null) break;
        segments.push(s);
        low = Math.min(low, floor(s.vaddr));
        high = Math.max(high, ceil(s.end));
        const a = u64(tableView, at + PH_ALIGN);
        if (isPowerOfTwo(a) && a <= ALIGN_MAX) align = Math.max(align, a);
        const offset = u64(tableView, at + PH_OFFSET);
        if (phdr === 0 && offset <= phoff && phoff < offset + u64(tableView, at + PH_FILESZ))
          phdr = phoff - offset + s.vaddr;
        break;
      }
      default:
    }
  }
  if (segments.length === 0) return -ENOEXEC;
  return {
    type,
    entry: u64(headView, EH_ENTRY),
    phdr,
    phnum,
    segments,
    low,
    high,
    align,
    interpreter,
    execStack,
  };
}

/** A checked PT_LOAD; null: empty. */
function segment(at: number, limit: number): Segment | number | null {
  const vaddr = u64(tableView, at + PH_VADDR);
  const offset = u64(tableView, at + PH_OFFSET);
  const filesz = u64(tableView, at + PH_FILESZ);
  const memsz = u64(tableView, at + PH_MEMSZ);
  const flags = tableView.getUint32(at + PH_FLAGS, true);
  if (filesz > memsz || memsz > limit || vaddr > limit - memsz) return -EINVAL;
  if (offset > Number.MAX_SAFE_INTEGER - filesz - PAGE) return -EINVAL;
  if (memsz === 0) return null;
  // A page of the file must become a page of memory.
  if (filesz > 0 && (vaddr & (PAGE - 1)) !== (offset & (PAGE - 1))) return -EINVAL;
  return {
    vaddr,
    end: vaddr + memsz,
    fileEnd: vaddr + filesz,
    offset: floor(offset),
    prot:
      ((flags & PF_R) !== 0 ? PROT_READ : 0) |
      ((flags & PF_W) !== 0 ? PROT_WRITE : 0) |
      ((flags & PF_X) !== 0 ? PROT_EXEC : 0),
  };
}

/** The path of PT_INTERP, up to its first NUL. */
function readInterpreter(src: ByteSource, offset: number, len: number): string | number {
  if (len > PATH_MAX || len < 2 || offset > Number.MAX_SAFE_INTEGER - len) return -ENOEXEC;
  const b = new Uint8Array(len);
  const n = src.pread(b, 0, len, offset);
  if (n !== len) return n < 0 ? n : -EIO;
  if (b[len - 1] !== 0) return -ENOEXEC;
  let s = "";
  for (let i = 0; b[i] !== 0; i++) s += String.fromCharCode(b[i]!);
  return s;
}

function u64(v: DataView, at: number): number {
  return v.getUint32(at + 4, true) * 4294967296 + v.getUint32(at, true);
}

function floor(n: number): number {
  return n - (n & (PAGE - 1));
}

function ceil(n: number): number {
  return floor(n + PAGE - 1);
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && Number.isInteger(Math.log2(n));
}
