/** Who maps a file, and where: what a {@link Mappable} keeps of `addMapping`. */
import type { Mappable, MappingOwner } from "./memmap.ts";

/** One mapping; the others of the same owner are behind it. */
interface MappingRecord {
  readonly addr: number;
  readonly len: number;
  readonly offset: number;
  readonly writable: boolean;
  next: MappingRecord | null;
}

/** By owner: thousands of processes map the same libraries, each of them in a few places. */
export class MappingList {
  private readonly byOwner: Map<MappingOwner, MappingRecord> = new Map();

  get isEmpty(): boolean {
    return this.byOwner.size === 0;
  }

  /** Arguments as for {@link Mappable.addMapping}. */
  add(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): void {
    const next = this.byOwner.get(owner) ?? null;
    this.byOwner.set(owner, { addr, len, offset, writable, next });
  }

  /** Takes one out that was added with the same arguments; false: there is none. */
  remove(owner: MappingOwner, addr: number, len: number, offset: number, writable: boolean): boolean {
    let before: MappingRecord | null = null;
    for (let m = this.byOwner.get(owner) ?? null; m !== null; before = m, m = m.next) {
      if (m.addr !== addr || m.len !== len || m.offset !== offset || m.writable !== writable) continue;
      if (before !== null) before.next = m.next;
      else if (m.next !== null) this.byOwner.set(owner, m.next);
      else this.byOwner.delete(owner);
      return true;
    }
    return false;
  }

  /** Tells every mapping's owner that the pages of [offset, offset+len), as far as it maps them, are no longer the file's. */
  invalidate(mappable: Mappable, offset: number, len: number): void {
    const end = offset + len;
    // An owner that is told may change its mappings.
    const owners = Array.from(this.byOwner);
    for (const [owner, first] of owners) {
      for (let m: MappingRecord | null = first; m !== null; m = m.next) {
        const from = Math.max(m.offset, offset);
        const to = Math.min(m.offset + m.len, end);
        if (from < to) owner.invalidateMapping(mappable, from, to - from);
      }
    }
  }
}
