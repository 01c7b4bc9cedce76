/** /proc/PID/pagemap and map_files: which pages are there, and what files are mapped. proc_pid_pagemap(5), proc_pid_map_files(5). */
import { DT_LNK } from "../../../abi/dirent.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import { EACCES, EINVAL, ENOENT, EPERM, ESRCH } from "../../../abi/errno.ts";
import { PROT_WRITE } from "../../../abi/mman.ts";
import { S_IFLNK } from "../../../abi/stat.ts";
import type { Stat } from "../../../abi/stat.ts";
import { KernfsDir, KernfsMagicLink } from "../../fs/kernfs/kernfs.ts";
import { FileVma } from "../../kernel/file-mapping.ts";
import type { Task } from "../../kernel/task.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { MemoryManager } from "../../mm/mm.ts";
import type { Pma, Vma } from "../../mm/vma.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { DirentList } from "../../vfs/dirent.ts";
import { SeekableFile } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext, VfsPath } from "../../vfs/path.ts";
import { followOwner, mayInspect, memoryOf } from "./access.ts";
import { hex } from "./format.ts";
import type { TaskDirectory } from "./task-dir.ts";

/** Bytes of a page's entry. */
const ENTRY = 8;
/** Entries made at a time. */
const CHUNK = 512;

/** The upper words of an entry's bits: there; a file's or shared; mapped here only. */
const PRESENT: number = 1 << 31;
const FILE_OR_SHARED: number = 1 << 29;
const EXCLUSIVE: number = 1 << 24;

/** An open /proc/PID/pagemap. Page numbers of the host's are nobody's business: they are 0, as for the unprivileged. */
export class PagemapFile extends SeekableFile {
  private readonly mm: MemoryManager | null;
  private readonly words: Uint32Array = new Uint32Array(CHUNK * 2);
  private readonly bytes: Uint8Array = new Uint8Array(this.words.buffer);

  /** The memory is looked at as long as it exists. Null: that of a dead process. */
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

  override pread(seq: IoSequence, off: number): number {
    const { mm } = this;
    if (mm === null || mm.users <= 0) return 0;
    if (off % ENTRY !== 0 || seq.remaining % ENTRY !== 0) return -EINVAL;
    let page = off / ENTRY;
    const pages = mm.taskSize / PAGE_SIZE;
    let done = 0;
    while (seq.remaining > 0 && page < pages) {
      const n = Math.min(seq.remaining / ENTRY, CHUNK, pages - page);
      this.fill(mm, page * PAGE_SIZE, n);
      const put = seq.write(this.bytes, 0, n * ENTRY);
      done += put;
      if (put < n * ENTRY) break;
      page += n;
    }
    return done;
  }

  /** Entries of `n` pages from `start` on. */
  private fill(mm: MemoryManager, start: number, n: number): void {
    this.words.fill(0, 0, n * 2);
    const end = start + n * PAGE_SIZE;
    for (let p: Pma | null = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
      const from = Math.max(p.start, start);
      const to = Math.min(p.end, end);
      for (let at = from; at < to; at += PAGE_SIZE) {
        this.words[((at - start) / PAGE_SIZE) * 2 + 1] = entryOf(p, p.off + (at - p.start));
      }
    }
  }

  override size(): number {
    return 0;
  }
}

/** The upper word for the page at `off` of a range's file. */
function entryOf(p: Pma, off: number): number {
  // Of a file of the host's it is not known which pages are there: all that may be had without a fault.
  if (p.mem !== null && p.mem.committedBytes(off, PAGE_SIZE) === 0) return 0;
  if (!p.anon) return PRESENT | FILE_OR_SHARED;
  return !p.cow || p.mem === null || p.mem.exclusiveBytes(off, PAGE_SIZE) > 0 ? PRESENT | EXCLUSIVE : PRESENT;
}

/** The mapping with exactly the range that a name like "7f00-8000" says, if it is of a file that has a place; or null. */
function mappingOf(t: Task, name: string): Vma | null {
  const range = /^(0|[1-9a-f][0-9a-f]{0,12})-(0|[1-9a-f][0-9a-f]{0,12})$/.exec(name);
  const mm = memoryOf(t);
  if (range === null || mm === null) return null;
  const start = Number.parseInt(range[1]!, 16);
  const v = mm.vmas.find(start);
  return v !== null && v.start === start && v.end === Number.parseInt(range[2]!, 16) && placeOf(v) !== null ? v : null;
}

function placeOf(v: Vma): VfsPath | null {
  return v.file instanceof FileVma ? v.file.file.path : null;
}

/** An entry of map_files: the file that is mapped there, whatever became of its name. */
class MappedFileLink extends KernfsMagicLink {
  private readonly t: Task;
  private readonly range: string;

  constructor(dir: TaskDirectory, v: Vma, range: string) {
    super(dir.procfs, 0);
    this.t = dir.task;
    this.range = range;
    const writable = v.isShared && (v.maxProt & PROT_WRITE) !== 0;
    this.mode = S_IFLNK | (writable ? 0o600 : 0o400);
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.t);
  }

  override getStat(out: Stat): number {
    this.refresh();
    return this.statOf(out, 64, 0);
  }

  override readlink(ctx: PathContext): string | number {
    if (!mayInspect(ctx, this.t)) return -EACCES;
    const v = mappingOf(this.t, this.range);
    return v === null ? -ENOENT : v.file!.mapName();
  }

  override followLink(ctx: PathContext): VfsPath | number {
    if (!ctx.creds.hasCap(CAP_CHECKPOINT_RESTORE) && !ctx.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
    if (!mayInspect(ctx, this.t)) return -EACCES;
    const v = mappingOf(this.t, this.range);
    return v === null ? -ENOENT : (placeOf(v) ?? -ENOENT);
  }
}

/** /proc/PID/map_files. */
export class MapFilesDirectory extends KernfsDir {
  private readonly taskDir: TaskDirectory;

  constructor(dir: TaskDirectory, ino: number) {
    super(dir.procfs, 0o500, ino);
    this.taskDir = dir;
    this.dynamic = true;
    this.refresh();
  }

  override refresh(): void {
    followOwner(this, this.taskDir.task);
  }

  protected override lookupDynamic(name: string, ctx: PathContext): Inode | number {
    const t = this.taskDir.task;
    if (!mayInspect(ctx, t)) return -EACCES;
    const v = mappingOf(t, name);
    return v === null ? -ENOENT : new MappedFileLink(this.taskDir, v, name);
  }

  override listDynamic(out: DirentList): number {
    if (!this.taskDir.isAlive) return -ENOENT;
    const mm = memoryOf(this.taskDir.task);
    if (mm === null) return -ESRCH;
    for (let v = mm.vmas.first; v !== null; v = v.next) {
      if (placeOf(v) !== null) out.emit(`${hex(v.start, 1)}-${hex(v.end, 1)}`, this.ino, DT_LNK, 0);
    }
    return 0;
  }
}
