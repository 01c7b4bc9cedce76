/** Bounds what the listings of directories take in memory: those that nobody has asked lately are given up, and read again if need be. */
import type { DirListing } from "./directory.ts";
import type { GoferInode } from "./inode.ts";

/** So many are looked at for each that comes. */
const LOOKS = 16;

export class Listings {
  /** Bytes that they may take. */
  limit: number = Infinity;
  /** Bytes that they take. Changed by {@link DirListing} too, as it grows. */
  weight = 0;
  /** Directories that have one; who is to go is looked for from the first one on. */
  private readonly owners: Set<GoferInode> = new Set();

  /** `owner` has `listing` instead of `before`. */
  replace(owner: GoferInode, before: DirListing | null, listing: DirListing | null): void {
    if (before !== null) {
      this.owners.delete(owner);
      before.isCounted = false;
      this.weight -= before.weight;
    }
    if (listing === null) return;
    this.owners.add(owner);
    listing.isCounted = true;
    this.weight += listing.weight;
    if (this.weight > this.limit) this.evict(owner);
  }

  /** Gives all up. */
  clear(): void {
    for (const owner of this.owners) owner.listing = null;
  }

  /** Makes room, as far as others than `newest` can; those that were asked since the last time get a second chance. */
  private evict(newest: GoferInode): void {
    let looks = Math.min(LOOKS, this.owners.size);
    for (const owner of this.owners) {
      if (this.weight <= this.limit || --looks < 0) return;
      const listing = owner.listing!;
      if (listing.isUsed || owner === newest) {
        listing.isUsed = false;
        this.owners.delete(owner);
        this.owners.add(owner);
      } else owner.listing = null;
    }
  }
}
