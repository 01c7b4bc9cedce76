/** `struct linux_dirent64` / `struct linux_dirent` (getdents(2)) and d_type values. */

export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;
export const DT_WHT = 14;

/** d_type of a mode: the S_IFMT bits shifted. */
export function modeToDirentType(mode: number): number {
  return (mode & 0o170000) >> 12;
}

/** Bytes of a linux_dirent64 record whose name has `nameLen` bytes: ino 8, off 8, reclen 2, type 1, name, NUL, padded to 8. */
export function dirent64Size(nameLen: number): number {
  return (19 + nameLen + 1 + 7) & ~7;
}

/** Bytes of a linux_dirent record: ino 8, off 8, reclen 2, name, NUL, type in the last byte, padded to 8. */
export function direntSize(nameLen: number): number {
  return (18 + nameLen + 2 + 7) & ~7;
}
