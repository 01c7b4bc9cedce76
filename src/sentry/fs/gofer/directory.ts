/** What is known of a directory's entries, from reading it whole. Exclusive mode only. */
import { DT_DIR, modeToDirentType } from "../../../abi/dirent.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { DirSink } from "../../../p9/client/client.ts";
import type { GoferFs } from "./gofer-fs.ts";
import type { GoferInode } from "./inode.ts";

/** One entry. */
export class DirRecord {
  /** The guest's inode number and DT_*. */
  readonly ino: number;
  readonly type: number;
  /**
   * Where the listing has the attributes as they were read, until somebody looks the entry up; -1 afterwards: they may have
   * changed.
   */
  at: number;
  /** Room for them, or -1. */
  slot: number;
  /** A directory nobody has looked up yet: all its entries, read in advance. */
  ahead: DirListing | null = null;
  /** It did not fit beside others: to be read alone. */
  isLarge = false;

  constructor(ino: number, type: number, at: number) {
    this.ino = ino;
    this.type = type;
    this.at = at;
    this.slot = at;
  }
}

/** Numbers of one entry's attributes. */
const ATTRS = 18;

/** Entries by name, in the order in which the host gave them. Complete: a name that is not here does not exist. */
export class DirListing implements DirSink {
  readonly records: Map<string, DirRecord> = new Map();
  private readonly gofer: GoferFs;
  /** ATTRS numbers for each entry; null: they are not kept. One flat array of doubles, for the sake of the collector. */
  private attrs: number[] | null;
  /** How many directories in it have been read. */
  reads = 0;
  /** How many of its files were asked for extended attributes. */
  xattrAsks = 0;
  /** Which of its files have any; null: not known. */
  xattrNames: Set<string> | null = null;

  /** When it was read, monotonic. */
  private readonly readAtNs: number;

  constructor(gofer: GoferFs, keepsAttrs: boolean) {
    this.gofer = gofer;
    this.readAtNs = gofer.vfs.clock.monotonicNs();
    this.attrs = keepsAttrs ? [] : null;
  }

  /** Whether it was read at most so long ago. */
  isRecent(ns: number): boolean {
    return this.gofer.vfs.clock.monotonicNs() - this.readAtNs <= ns;
  }

  entry(name: string, a: Stat): void {
    const { attrs } = this;
    const type = modeToDirentType(a.mode);
    if (attrs === null) {
      this.records.set(name, new DirRecord(this.gofer.guestIno(a), type, -1));
      return;
    }
    this.records.set(name, new DirRecord(this.gofer.guestIno(a), type, attrs.length));
    attrs.push(a.dev, a.ino, a.mode, a.nlink, a.uid, a.gid, a.rdev, a.size, a.blksize, a.blocks);
    attrs.push(a.atimeSec, a.atimeNsec, a.mtimeSec, a.mtimeNsec, a.ctimeSec, a.ctimeNsec, a.btimeSec, a.btimeNsec);
  }

  /** Nobody uses the entry's inode any more: its attributes, which are current, can be kept here. */
  giveBack(name: string, ino: number, a: Stat): void {
    const { attrs } = this;
    const record = this.records.get(name);
    if (attrs === null || record === undefined || record.at >= 0 || record.ino !== ino) return;
    if (record.slot < 0) {
      record.slot = attrs.length;
      for (let i = 0; i < ATTRS; i++) attrs.push(0);
    }
    const at = record.slot;
    record.at = at;
    attrs[at] = a.dev;
    attrs[at + 1] = a.ino;
    attrs[at + 2] = a.mode;
    attrs[at + 3] = a.nlink;
    attrs[at + 4] = a.uid;
    attrs[at + 5] = a.gid;
    attrs[at + 6] = a.rdev;
    attrs[at + 7] = a.size;
    attrs[at + 8] = a.blksize;
    attrs[at + 9] = a.blocks;
    attrs[at + 10] = a.atimeSec;
    attrs[at + 11] = a.atimeNsec;
    attrs[at + 12] = a.mtimeSec;
    attrs[at + 13] = a.mtimeNsec;
    attrs[at + 14] = a.ctimeSec;
    attrs[at + 15] = a.ctimeNsec;
    attrs[at + 16] = a.btimeSec;
    attrs[at + ATTRS - 1] = a.btimeNsec;
  }

  /** Puts the attributes of an entry into `out` and forgets them. False when they are not known (any more). */
  takeAttr(record: DirRecord, out: Stat): boolean {
    const { at } = record;
    if (at < 0) return false;
    this.peekAttr(at, out);
    record.at = -1;
    return true;
  }

  private peekAttr(at: number, out: Stat): void {
    const attrs = this.attrs!;
    out.dev = attrs[at]!;
    out.ino = attrs[at + 1]!;
    out.mode = attrs[at + 2]!;
    out.nlink = attrs[at + 3]!;
    out.uid = attrs[at + 4]!;
    out.gid = attrs[at + 5]!;
    out.rdev = attrs[at + 6]!;
    out.size = attrs[at + 7]!;
    out.blksize = attrs[at + 8]!;
    out.blocks = attrs[at + 9]!;
    out.atimeSec = attrs[at + 10]!;
    out.atimeNsec = attrs[at + 11]!;
    out.mtimeSec = attrs[at + 12]!;
    out.mtimeNsec = attrs[at + 13]!;
    out.ctimeSec = attrs[at + 14]!;
    out.ctimeNsec = attrs[at + 15]!;
    out.btimeSec = attrs[at + 16]!;
    out.btimeNsec = attrs[at + ATTRS - 1]!;
  }

  /** Somebody looked the entry up in another way: what is known of it may change without notice. */
  lookedUp(name: string): void {
    const record = this.records.get(name);
    if (record === undefined) return;
    record.at = -1;
    record.ahead = null;
  }

  /** An entry was made or replaced. */
  put(name: string, inode: GoferInode): void {
    this.xattrNames = null;
    this.records.set(name, new DirRecord(inode.ino, modeToDirentType(inode.mode), -1));
  }

  remove(name: string): void {
    this.records.delete(name);
  }
}

/** The names of a directory at one moment, for one open directory: "." and ".." first. */
export class DirSnapshot {
  readonly names: string[] = [".", ".."];
  readonly inos: number[] = [];
  readonly types: number[] = [DT_DIR, DT_DIR];

  constructor(dir: GoferInode, parentIno: number, listing: DirListing) {
    this.inos.push(dir.ino, parentIno);
    for (const [name, record] of listing.records) {
      this.names.push(name);
      this.inos.push(record.ino);
      this.types.push(record.type);
    }
  }
}
