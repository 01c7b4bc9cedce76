/** `struct statfs` (statfs(2)) and file system magic numbers. */

/** File system statistics; sizes in blocks of `bsize` bytes. */
export class StatFs {
  type = 0;
  bsize = 4096;
  blocks = 0;
  bfree = 0;
  bavail = 0;
  files = 0;
  ffree = 0;
  /** f_fsid, two words. */
  fsidLo = 0;
  fsidHi = 0;
  namelen = 255;
  frsize = 4096;
  /** ST_* (set by the VFS from the mount). */
  flags = 0;
}

/** sizeof(struct statfs) on amd64. */
export const STATFS_SIZE = 120;

function putU64(v: DataView, off: number, n: number): void {
  v.setUint32(off, n >>> 0, true);
  v.setInt32(off + 4, Math.floor(n / 0x100000000), true);
}

/** Writes `struct statfs` at `off`. */
export function writeStatFs(v: DataView, off: number, s: StatFs): void {
  putU64(v, off, s.type);
  putU64(v, off + 8, s.bsize);
  putU64(v, off + 16, s.blocks);
  putU64(v, off + 24, s.bfree);
  putU64(v, off + 32, s.bavail);
  putU64(v, off + 40, s.files);
  putU64(v, off + 48, s.ffree);
  v.setUint32(off + 56, s.fsidLo, true);
  v.setUint32(off + 60, s.fsidHi, true);
  putU64(v, off + 64, s.namelen);
  putU64(v, off + 72, s.frsize);
  putU64(v, off + 80, s.flags);
  for (let i = 88; i < STATFS_SIZE; i += 4) v.setUint32(off + i, 0, true);
}

export const TMPFS_MAGIC = 0x01021994;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const SYSFS_MAGIC = 0x62656572;
export const DEVPTS_SUPER_MAGIC = 0x1cd1;
export const PIPEFS_MAGIC = 0x50495045;
export const SOCKFS_MAGIC = 0x534f434b;
export const ANON_INODE_FS_MAGIC = 0x09041934;
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
export const V9FS_MAGIC = 0x01021997;
export const EXT4_SUPER_MAGIC = 0xef53;
export const MQUEUE_MAGIC = 0x19800202;
export const NSFS_MAGIC = 0x6e736673;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
