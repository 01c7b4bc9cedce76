/** Records that several messages carry: qids, attributes, directory entries. All are reusable value holders. */
import type { Reader, Writer } from "./cursor.ts";
import { QT_DIR, QT_FILE, QT_SYMLINK } from "./constants.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** type[1] version[4] path[8]. The path is an inode number folded to 53 bits. */
export class Qid {
  type = 0;
  version = 0;
  path = 0;

  encode(w: Writer): void {
    w.u8(this.type);
    w.u32(this.version);
    w.i64(this.path);
  }

  decode(r: Reader): void {
    this.type = r.u8();
    this.version = r.u32();
    this.path = r.id64();
  }
}

/** The qid.type of a file mode. */
export function qidType(mode: number): number {
  const type = mode & S_IFMT;
  return type === S_IFDIR ? QT_DIR : type === S_IFLNK ? QT_SYMLINK : QT_FILE;
}

/** Bytes of an {@link Attr} on the wire. */
export const ATTR_SIZE = 108;

/**
 * Attributes of a file as statx(2) gives them; the record of the extension's replies.
 * mode[4] uid[4] gid[4] nlink[4] blksize[4] atime_ns[4] mtime_ns[4] ctime_ns[4] btime_ns[4]
 * dev[8] ino[8] rdev[8] size[8] blocks[8] atime[8] mtime[8] ctime[8] btime[8]
 * Times are seconds (signed) and nanoseconds; blocks are 512 bytes; btime is 0 where it is not known.
 */
export class Attr {
  mode = 0;
  uid = 0;
  gid = 0;
  nlink = 0;
  blksize = 0;
  atimeNs = 0;
  mtimeNs = 0;
  ctimeNs = 0;
  btimeNs = 0;
  dev = 0;
  ino = 0;
  rdev = 0;
  size = 0;
  blocks = 0;
  atime = 0;
  mtime = 0;
  ctime = 0;
  btime = 0;

  encode(w: Writer): void {
    w.u32(this.mode);
    w.u32(this.uid);
    w.u32(this.gid);
    w.u32(this.nlink);
    w.u32(this.blksize);
    w.u32(this.atimeNs);
    w.u32(this.mtimeNs);
    w.u32(this.ctimeNs);
    w.u32(this.btimeNs);
    w.i64(this.dev);
    w.i64(this.ino);
    w.i64(this.rdev);
    w.i64(this.size);
    w.i64(this.blocks);
    w.i64(this.atime);
    w.i64(this.mtime);
    w.i64(this.ctime);
    w.i64(this.btime);
  }

  decode(r: Reader): void {
    this.mode = r.u32();
    this.uid = r.u32();
    this.gid = r.u32();
    this.nlink = r.u32();
    this.blksize = r.u32();
    this.atimeNs = r.u32();
    this.mtimeNs = r.u32();
    this.ctimeNs = r.u32();
    this.btimeNs = r.u32();
    this.dev = r.id64();
    this.ino = r.id64();
    this.rdev = r.id64();
    this.size = r.u64();
    this.blocks = r.u64();
    this.atime = r.i64();
    this.mtime = r.i64();
    this.ctime = r.i64();
    this.btime = r.i64();
  }

  copyFrom(from: Attr): void {
    this.mode = from.mode;
    this.uid = from.uid;
    this.gid = from.gid;
    this.nlink = from.nlink;
    this.blksize = from.blksize;
    this.atimeNs = from.atimeNs;
    this.mtimeNs = from.mtimeNs;
    this.ctimeNs = from.ctimeNs;
    this.btimeNs = from.btimeNs;
    this.dev = from.dev;
    this.ino = from.ino;
    this.rdev = from.rdev;
    this.size = from.size;
    this.blocks = from.blocks;
    this.atime = from.atime;
    this.mtime = from.mtime;
    this.ctime = from.ctime;
    this.btime = from.btime;
  }
}

/** One entry of Rreaddir: qid[13] offset[8] type[1] name[s]. The offset is an opaque cookie of 64 bits. */
export class DirEntry {
  readonly qid: Qid = new Qid();
  offsetLo = 0;
  offsetHi = 0;
  /** DT_* of readdir(3). */
  type = 0;
  name = "";

  encode(w: Writer): void {
    this.qid.encode(w);
    w.u32(this.offsetLo);
    w.u32(this.offsetHi);
    w.u8(this.type);
    w.str(this.name);
  }

  decode(r: Reader): void {
    this.qid.decode(r);
    this.offsetLo = r.u32();
    this.offsetHi = r.u32();
    this.type = r.u8();
    this.name = r.str();
  }
}

/** Bytes of a {@link DirEntry} besides its name. */
export const DIRENT_OVERHEAD = 24;

/** One entry of Rreaddirattr: attr[108] name[s]. */
export class DirEntryAttr {
  readonly attr: Attr = new Attr();
  name = "";

  encode(w: Writer): void {
    this.attr.encode(w);
    w.str(this.name);
  }

  decode(r: Reader): void {
    this.attr.decode(r);
    this.name = r.str();
  }
}

/** Bytes of a {@link DirEntryAttr} besides its name. */
export const DIRENT_ATTR_OVERHEAD = 110;

/** Attributes to set; `valid` (SETATTR_*) says which. The body of Tsetattr and Tsetattrx after the fid. */
export class SetAttr {
  valid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  size = 0;
  atime = 0;
  atimeNs = 0;
  mtime = 0;
  mtimeNs = 0;

  encode(w: Writer): void {
    w.u32(this.valid);
    w.u32(this.mode);
    w.u32(this.uid);
    w.u32(this.gid);
    w.i64(this.size);
    w.i64(this.atime);
    w.i64(this.atimeNs);
    w.i64(this.mtime);
    w.i64(this.mtimeNs);
  }

  decode(r: Reader): void {
    this.valid = r.u32();
    this.mode = r.u32();
    this.uid = r.u32();
    this.gid = r.u32();
    this.size = r.u64();
    this.atime = r.i64();
    this.atimeNs = r.u64();
    this.mtime = r.i64();
    this.mtimeNs = r.u64();
  }
}

/** statfs(2) as Rstatfs carries it. Blocks are `bsize` bytes. */
export class StatFs {
  type = 0;
  bsize = 0;
  blocks = 0;
  bfree = 0;
  bavail = 0;
  files = 0;
  ffree = 0;
  fsid = 0;
  namelen = 0;

  encode(w: Writer): void {
    w.u32(this.type);
    w.u32(this.bsize);
    w.i64(this.blocks);
    w.i64(this.bfree);
    w.i64(this.bavail);
    w.i64(this.files);
    w.i64(this.ffree);
    w.i64(this.fsid);
    w.u32(this.namelen);
  }

  decode(r: Reader): void {
    this.type = r.u32();
    this.bsize = r.u32();
    this.blocks = r.u64();
    this.bfree = r.u64();
    this.bavail = r.u64();
    this.files = r.u64();
    this.ffree = r.u64();
    this.fsid = r.id64();
    this.namelen = r.u32();
  }
}
