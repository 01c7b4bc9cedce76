/** What is known of a directory's entries, from reading it whole. */
import { DT_DIR, modeToDirentType } from "../../../abi/dirent.ts";
import type { Stat } from "../../../abi/stat.ts";
import { hashByte } from "../../../base/text.ts";
import type { RecordSink } from "../../../p9/client/client.ts";
import { Reader, Writer, nameText } from "../../../p9/wire/cursor.ts";
import {
  ATTR_SIZE,
  DIRENT_ATTR_OVERHEAD,
  attrDev,
  attrIno,
  attrLinks,
  attrMode,
  decodeAttr,
  encodeAttr,
} from "../../../p9/wire/records.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import type { GoferFs } from "./gofer-fs.ts";
import type { GoferInode } from "./inode.ts";

/** One entry that somebody has looked at. */
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
  /** A directory nobody has looked up yet: all its entries, read in advance. Set by {@link DirListing} alone. */
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

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_VIEW: DataView = new DataView(NO_BYTES.buffer);
const NO_STARTS: Int32Array = new Int32Array(0);
const reader: Reader = new Reader();
const writer: Writer = new Writer();

/** So many entries that came and went keep their place, or as many as half of all: most such names are used again. */
const MANY_GONE = 64;
/** About what a listing takes in memory besides its arrays, and a record. */
const LISTING_WEIGHT = 1024;
const RECORD_WEIGHT = 160;

/**
 * All entries, in the order in which the host gave them: a name that is not here does not exist. They stay the bytes that the
 * gofer sent, because of most of them nobody ever asks for more than what getdents(2) says. Those that somebody has looked
 * up, made or removed have a record besides, which counts.
 */
export class DirListing implements RecordSink {
  /** How many entries there are. */
  size = 0;
  /** DirEntryAttr records, and slots for attributes, in `used` bytes. */
  private bytes: Uint8Array = NO_BYTES;
  private view: DataView = NO_VIEW;
  private used = 0;
  /** Where the first `count` records begin. */
  private starts: Int32Array = NO_STARTS;
  private count = 0;
  /** Hash table of numbers of entries, plus 1, by name; null until one is asked for. */
  private table: Int32Array | null = null;
  /** By name; null: removed. */
  private readonly known: Map<string, DirRecord | null> = new Map();
  /** How many of those were not there when it was read. */
  private added = 0;
  /** And how many of these may have been removed again. */
  private gone = 0;
  /** Entries came or went since it was read. */
  private hasChanged = false;
  private readonly gofer: GoferFs;
  private readonly keepsAttrs: boolean;
  /** How many directories in it have been read. */
  reads = 0;
  /** How many of its files were asked for extended attributes. */
  xattrAsks = 0;
  /** Which of its files have any; null: not known. */
  xattrNames: Set<string> | null = null;
  /** Files' attributes were not read along. */
  readonly isBare: boolean;
  /** About how many bytes of memory it takes, with what was read in advance of directories in it. */
  weight: number = LISTING_WEIGHT;
  /** Somebody asked since it was looked at last whether it is to go (listings.ts). */
  isUsed = true;
  /** A directory has it: its weight counts. */
  isCounted = false;
  /** The listing that has it as read in advance. */
  private outer: DirListing | null = null;

  /** When it was read, monotonic. */
  private readonly readAtNs: number;

  constructor(gofer: GoferFs, keepsAttrs: boolean, isBare: boolean = false) {
    this.gofer = gofer;
    this.isBare = isBare;
    this.readAtNs = gofer.vfs.clock.monotonicNs();
    this.keepsAttrs = keepsAttrs;
  }

  /** Whether it was read at most so long ago. */
  isRecent(ns: number): boolean {
    return this.gofer.vfs.clock.monotonicNs() - this.readAtNs <= ns;
  }

  private weigh(bytes: number): void {
    this.weight += bytes;
    if (this.isCounted) this.gofer.listings.weight += bytes;
    if (this.outer !== null) this.outer.weigh(bytes);
  }

  // --- entries as they were read ---

  records(buf: Uint8Array, from: number, to: number, starts: Int32Array, count: number): void {
    const shift = this.used - from;
    this.grow(to - from);
    this.bytes.set(buf.subarray(from, to), from + shift);
    this.weigh(4 * count);
    const all = new Int32Array(this.count + count);
    all.set(this.starts);
    for (let i = 0; i < count; i++) all[this.count + i] = starts[i]! + shift;
    this.starts = all;
    this.count += count;
    this.size += count;
    this.table = null;
  }

  /** Room for `bytes` more, behind `used`, which then includes them. */
  private grow(bytes: number): void {
    const old = this.bytes;
    this.used += bytes;
    if (this.used <= old.length) return;
    // The first page is mostly the only one.
    this.bytes = new Uint8Array(old.length === 0 ? this.used : Math.max(this.used, 2 * old.length));
    this.weigh(this.bytes.length - old.length);
    this.bytes.set(old);
    this.view = new DataView(this.bytes.buffer);
  }

  /** The number of the entry with this name, or -1. */
  private find(name: string): number {
    this.isUsed = true;
    const table = (this.table ??= this.makeTable());
    const { bytes, view, starts } = this;
    const mask = table.length - 1;
    const len = name.length;
    let hash = 0;
    for (let k = 0; k < len; k++) hash = hashByte(hash, name.charCodeAt(k));
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const i = table[slot]! - 1;
      if (i < 0) return -1;
      const at = starts[i]! + DIRENT_ATTR_OVERHEAD;
      if (view.getUint16(at - 2, true) !== len) continue;
      let k = 0;
      while (k < len && bytes[at + k] === name.charCodeAt(k)) k++;
      if (k === len) return i;
    }
  }

  private makeTable(): Int32Array {
    const { bytes, view, starts, count } = this;
    let size = 8;
    while (size < 2 * count) size *= 2;
    const table = new Int32Array(size);
    this.weigh(4 * size);
    for (let i = 0; i < count; i++) {
      const at = starts[i]! + DIRENT_ATTR_OVERHEAD;
      const end = at + view.getUint16(at - 2, true);
      let hash = 0;
      for (let k = at; k < end; k++) hash = hashByte(hash, bytes[k]!);
      let slot = spread(hash) & (size - 1);
      while (table[slot] !== 0) slot = (slot + 1) & (size - 1);
      table[slot] = i + 1;
    }
    return table;
  }

  private nameOf(i: number): string {
    const at = this.starts[i]! + DIRENT_ATTR_OVERHEAD;
    return nameText(this.bytes, at, this.view.getUint16(at - 2, true));
  }

  private typeOf(i: number): number {
    return modeToDirentType(attrMode(this.view, this.starts[i]!));
  }

  private inoOf(i: number): number {
    const at = this.starts[i]!;
    return this.gofer.guestIno(attrDev(this.view, at), attrIno(this.view, at));
  }

  /**
   * Goes on where an earlier listing stands: whatever was looked up since then may have changed, but `name`, of which nobody has
   * been told yet.
   */
  follow(earlier: DirListing, name: string): void {
    this.reads = earlier.reads;
    for (const [other, record] of earlier.known) {
      if (record === null || other === name) continue;
      if (record.at < 0) this.lookedUp(other);
      else if (record.ahead !== null) {
        const ahead = earlier.takeAhead(record);
        const mine = this.get(other);
        if (mine !== null) this.keepAhead(mine, ahead);
      }
    }
  }

  // --- directories in it, read in advance ---

  keepAhead(record: DirRecord, ahead: DirListing | null): void {
    this.takeAhead(record);
    if (ahead === null) return;
    record.ahead = ahead;
    this.weigh(ahead.weight);
    ahead.outer = this;
  }

  takeAhead(record: DirRecord): DirListing | null {
    const { ahead } = record;
    if (ahead === null) return null;
    record.ahead = null;
    ahead.outer = null;
    this.weigh(-ahead.weight);
    return ahead;
  }

  // --- entries by name ---

  get(name: string): DirRecord | null {
    const record = this.known.get(name);
    if (record !== undefined) return record;
    const i = this.find(name);
    return i < 0 ? null : this.know(i, name);
  }

  /** There is certainly no entry `name`; one that has gone may be taken for one that is there. */
  lacks(name: string): boolean {
    return this.find(name) < 0 && (this.added === 0 || !this.known.has(name));
  }

  private know(i: number, name: string): DirRecord {
    const at = this.starts[i]!;
    const record = new DirRecord(this.inoOf(i), this.typeOf(i), this.keepsAttrs ? at : -1);
    if (this.isBare && attrLinks(this.view, at) === 0) record.at = -1;
    this.known.set(name, record);
    this.weigh(RECORD_WEIGHT);
    return record;
  }

  /** Calls `take` for the directories in it, those behind `name` first, until it says that it has enough (false). */
  eachDirectory(name: string, take: (name: string, record: DirRecord) => boolean): void {
    const first = this.find(name);
    for (let k = 1; k <= this.count; k++) {
      const i = (first + k) % this.count;
      if (i === first || this.typeOf(i) !== DT_DIR) continue;
      const other = this.nameOf(i);
      const record = this.get(other);
      if (record !== null && !take(other, record)) return;
    }
  }

  /** Nobody uses the entry's inode any more: its attributes are kept here, in place of what was read. null: they are not current. */
  giveBack(name: string, ino: number, a: Stat | null): void {
    const record = this.get(name);
    if (record === null || record.ino !== ino) return;
    record.at = -1;
    if (!this.keepsAttrs || a === null) return;
    if (record.slot < 0) {
      this.grow(ATTR_SIZE);
      record.slot = this.used - ATTR_SIZE;
    }
    record.at = record.slot;
    writer.attach(this.bytes, this.view);
    writer.pos = record.at;
    encodeAttr(writer, a);
  }

  /** Puts the attributes of an entry into `out` and forgets them. False when they are not known (any more). */
  takeAttr(record: DirRecord, out: Stat): boolean {
    const { at } = record;
    if (at < 0) return false;
    reader.attach(this.bytes, this.view);
    reader.reset(at, at + ATTR_SIZE);
    decodeAttr(reader, out);
    record.at = -1;
    return true;
  }

  /** Somebody looked the entry up in another way: what is known of it may change without notice. */
  lookedUp(name: string): void {
    const record = this.get(name);
    if (record === null) return;
    record.at = -1;
    this.takeAhead(record);
  }

  /** An entry was made or replaced. */
  put(name: string, inode: GoferInode): void {
    const record = this.known.get(name);
    if (record === undefined) {
      this.weigh(RECORD_WEIGHT);
      if (this.find(name) < 0) {
        this.size++;
        this.added++;
      }
    } else if (record === null) this.size++;
    this.xattrNames = null;
    this.hasChanged = true;
    this.known.set(name, new DirRecord(inode.ino, modeToDirentType(inode.mode), -1));
  }

  remove(name: string): void {
    const record = this.get(name);
    if (record === null) return;
    this.takeAhead(record);
    this.size--;
    this.hasChanged = true;
    // Names that are taken out and put in again make a map build itself anew all the time.
    this.known.set(name, null);
    if (this.added > 0 && ++this.gone > Math.max(MANY_GONE, this.known.size / 2)) this.forgetGone();
  }

  /** Forgets the names that were not there when it was read, and are not now. */
  private forgetGone(): void {
    this.gone = 0;
    for (const [name, record] of this.known) {
      if (record !== null || this.find(name) >= 0) continue;
      this.known.delete(name);
      this.weigh(-RECORD_WEIGHT);
      this.added--;
    }
  }

  // --- all entries ---

  /** The entries as they are now, in a form that does not change. */
  snapshot(): DirSnapshot {
    this.isUsed = true;
    if (!this.hasChanged) return new RecordSnapshot(this.gofer, this.bytes, this.view, this.starts, this.count);
    const list = new ListSnapshot();
    for (let i = 0; i < this.count; i++) {
      const name = this.nameOf(i);
      const record = this.known.get(name);
      if (record === undefined) list.add(name, this.inoOf(i), this.typeOf(i));
      else if (record !== null) list.add(name, record.ino, record.type);
    }
    for (const [name, record] of this.known) {
      if (record !== null && this.find(name) < 0) list.add(name, record.ino, record.type);
    }
    return list;
  }
}

/** The hash table takes low bits. */
function spread(hash: number): number {
  return hash ^ (hash >>> 9) ^ (hash >>> 18);
}

/** The entries of a directory at one moment, for one open directory. */
export interface DirSnapshot {
  readonly count: number;
  /** Gives the i-th entry to the sink, which goes on at offset `next`. False: no room. */
  emit(i: number, sink: DirentSink, next: number): boolean;
}

/** Entries as the gofer sent them. Their type and number stay, whatever else is written into the bytes. */
class RecordSnapshot implements DirSnapshot {
  readonly count: number;
  private readonly gofer: GoferFs;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly starts: Int32Array;

  constructor(gofer: GoferFs, bytes: Uint8Array, view: DataView, starts: Int32Array, count: number) {
    this.gofer = gofer;
    this.bytes = bytes;
    this.view = view;
    this.starts = starts;
    this.count = count;
  }

  emit(i: number, sink: DirentSink, next: number): boolean {
    const { view } = this;
    const at = this.starts[i]!;
    const ino = this.gofer.guestIno(attrDev(view, at), attrIno(view, at));
    const nameAt = at + DIRENT_ATTR_OVERHEAD;
    const len = view.getUint16(nameAt - 2, true);
    return sink.emitBytes(this.bytes, nameAt, len, ino, modeToDirentType(attrMode(view, at)), next);
  }
}

class ListSnapshot implements DirSnapshot {
  private readonly names: string[] = [];
  private readonly inos: number[] = [];
  private readonly types: number[] = [];

  get count(): number {
    return this.names.length;
  }

  add(name: string, ino: number, type: number): void {
    this.names.push(name);
    this.inos.push(ino);
    this.types.push(type);
  }

  emit(i: number, sink: DirentSink, next: number): boolean {
    return sink.emit(this.names[i]!, this.inos[i]!, this.types[i]!, next);
  }
}
