/** The opened file behind a mapping, as the mapping's VMA keeps and shows it. */
export interface VmaFile {
  /** A VMA holds one reference. */
  incRef(): void;
  decRef(): void;
  /** Path shown in /proc/PID/maps (latin1), with " (deleted)" where due. */
  mapName(): string;
  /** Device and inode number shown there: major, minor, inode. */
  mapDevMajor(): number;
  mapDevMinor(): number;
  mapIno(): number;
  /** MADV_REMOVE: fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE). 0 or -errno. */
  punchHole(offset: number, len: number): number;
}
