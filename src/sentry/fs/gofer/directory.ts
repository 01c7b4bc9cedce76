/** What is known of a directory's entries, from reading it whole. Exclusive mode only. */
import { DT_DIR, modeToDirentType } from "../../../abi/dirent.ts";
import type { Stat } from "../../../abi/stat.ts";
import type { RecordSink } from "../../../p9/client/client.ts";
import { Reader, Writer } from "../../../p9/wire/cursor.ts";
import { ATTR_SIZE, attrDev, attrIno, attrMode, decodeAttr, encodeAttr } from "../../../p9/wire/records.ts";
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

const NOTHING: Uint8Array = new Uint8Array(0);
const reader: Reader = new Reader();
const writer: Writer = new Writer();

/** Entries by name, in the order in which the host gave them. Complete: a name that is not here does not exist. */
export class DirListing implements RecordSink {
  readonly records: Map<string, DirRecord> = new Map();
  private readonly gofer: GoferFs;
  /** Attributes as the gofer sent them, in `used` bytes; null: they are not kept. Most of them nobody ever asks for. */
  private attrs: Uint8Array | null;
  private used = 0;
  /** What is to be added to a place in the page that is being given. */
  private shift = 0;
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
    this.attrs = keepsAttrs ? NOTHING : null;
  }

  /** Whether it was read at most so long ago. */
  isRecent(ns: number): boolean {
    return this.gofer.vfs.clock.monotonicNs() - this.readAtNs <= ns;
  }

  page(buf: Uint8Array, from: number, to: number): void {
    if (this.attrs === null) return;
    this.shift = this.used - from;
    this.grow(to - from).set(buf.subarray(from, to), this.used - (to - from));
  }

  record(name: string, view: DataView, at: number): void {
    const ino = this.gofer.guestIno(attrDev(view, at), attrIno(view, at));
    const place = this.attrs === null ? -1 : at + this.shift;
    this.records.set(name, new DirRecord(ino, modeToDirentType(attrMode(view, at)), place));
  }

  /** Room for `bytes` more, behind `used`, which then includes them. */
  private grow(bytes: number): Uint8Array {
    const old = this.attrs!;
    this.used += bytes;
    if (this.used <= old.length) return old;
    // The first page is mostly the only one.
    const attrs = new Uint8Array(old.length === 0 ? this.used : Math.max(this.used, 2 * old.length));
    attrs.set(old);
    this.attrs = attrs;
    return attrs;
  }

  /** Nobody uses the entry's inode any more: its attributes, which are current, can be kept here. */
  giveBack(name: string, ino: number, a: Stat): void {
    const record = this.records.get(name);
    if (this.attrs === null || record === undefined || record.at >= 0 || record.ino !== ino) return;
    if (record.slot < 0) {
      this.grow(ATTR_SIZE);
      record.slot = this.used - ATTR_SIZE;
    }
    record.at = record.slot;
    if (writer.buf !== this.attrs) writer.attach(this.attrs);
    writer.pos = record.at;
    encodeAttr(writer, a);
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
    if (reader.buf !== this.attrs) reader.attach(this.attrs!);
    reader.reset(at, at + ATTR_SIZE);
    decodeAttr(reader, out);
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
