/** Ids that are never used twice in the life of a sandbox (inode numbers of anonymous files, socket cookies). */
export class UniqueIds {
  next = 1;

  /** The next id: 1, 2, 3 ... */
  take(): number {
    return this.next++;
  }
}
