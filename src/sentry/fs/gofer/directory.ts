/** What is known of a directory's entries, from reading it whole. Exclusive mode only. */
import { DT_DIR, modeToDirentType } from "../../../abi/dirent.ts";
import { Stat } from "../../../abi/stat.ts";
import type { DirSink } from "../../../p9/client/client.ts";
import { copyStat } from "./attributes.ts";
import type { GoferInode } from "./inode.ts";

/** One entry. */
export class DirRecord {
  /** The guest's inode number and DT_*. */
  ino = 0;
  type = 0;
  /** Attributes as they were read, until somebody looks the entry up; null afterwards: they may have changed. */
  attr: Stat | null = null;
}

/** Entries by name, in the order in which the host gave them. Complete: a name that is not here does not exist. */
export class DirListing implements DirSink {
  readonly records: Map<string, DirRecord> = new Map();
  private readonly dir: GoferInode;
  private readonly keepsAttrs: boolean;

  constructor(dir: GoferInode, keepsAttrs: boolean) {
    this.dir = dir;
    this.keepsAttrs = keepsAttrs;
  }

  entry(name: string, attr: Stat): void {
    const record = new DirRecord();
    record.ino = this.dir.gofer.guestIno(attr);
    record.type = modeToDirentType(attr.mode);
    if (this.keepsAttrs) {
      record.attr = new Stat();
      copyStat(record.attr, attr);
    }
    this.records.set(name, record);
  }

  /** An entry was made or replaced. */
  put(name: string, inode: GoferInode): void {
    const record = new DirRecord();
    record.ino = inode.ino;
    record.type = modeToDirentType(inode.mode);
    this.records.set(name, record);
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
