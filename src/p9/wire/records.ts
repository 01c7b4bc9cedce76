/** Records that several messages carry: qids, attributes, directory entries. All are reusable value holders. */
import { S_IFDIR, S_IFLNK, S_IFMT, Stat } from "../../abi/stat.ts";
import type { StatFs } from "../../abi/statfs.ts";
import type { Reader, Writer } from "./cursor.ts";
import { QT_DIR, QT_FILE, QT_SYMLINK } from "./constants.ts";
import { WIDE } from "../../base/wide.ts";

/** type[1] version[4] path[8]. The path is an inode number folded to 53 bits. */
export class Qid {
  type = 0;
  version = 0;
  path: number = WIDE;

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

/** Bytes of a file's attributes on the wire. */
export const ATTR_SIZE = 108;

/**
 * Writes attributes as the replies of the extension carry them, all that statx(2) gives:
 * mode[4] uid[4] gid[4] nlink[4] blksize[4] atime_ns[4] mtime_ns[4] ctime_ns[4] btime_ns[4]
 * dev[8] ino[8] rdev[8] size[8] blocks[8] atime[8] mtime[8] ctime[8] btime[8]
 * Times are seconds (signed) and nanoseconds; blocks are 512 bytes; the birth time is 0 where it is not known.
 */
export function encodeAttr(w: Writer, s: Stat): void {
  const at = w.reserve(ATTR_SIZE);
  if (at < 0) return;
  const { view } = w;
  view.setUint32(at, s.mode, true);
  view.setUint32(at + 4, s.uid, true);
  view.setUint32(at + 8, s.gid, true);
  view.setUint32(at + 12, s.nlink, true);
  view.setUint32(at + 16, s.blksize, true);
  view.setUint32(at + 20, s.atimeNsec, true);
  view.setUint32(at + 24, s.mtimeNsec, true);
  view.setUint32(at + 28, s.ctimeNsec, true);
  view.setUint32(at + 32, s.btimeNsec, true);
  w.i64At(at + 36, s.dev);
  w.i64At(at + 44, s.ino);
  w.i64At(at + 52, s.rdev);
  w.i64At(at + 60, s.size);
  w.i64At(at + 68, s.blocks);
  w.i64At(at + 76, s.atimeSec);
  w.i64At(at + 84, s.mtimeSec);
  w.i64At(at + 92, s.ctimeSec);
  w.i64At(at + 100, s.btimeSec);
}

/** Reads what {@link encodeAttr} wrote; `attributes` and `mountId` are left alone. */
export function decodeAttr(r: Reader, s: Stat): void {
  const at = r.take(ATTR_SIZE);
  if (at < 0) return;
  const { view } = r;
  s.mode = view.getUint32(at, true);
  s.uid = view.getUint32(at + 4, true);
  s.gid = view.getUint32(at + 8, true);
  s.nlink = view.getUint32(at + 12, true);
  s.blksize = view.getUint32(at + 16, true);
  s.atimeNsec = view.getUint32(at + 20, true);
  s.mtimeNsec = view.getUint32(at + 24, true);
  s.ctimeNsec = view.getUint32(at + 28, true);
  s.btimeNsec = view.getUint32(at + 32, true);
  s.dev = r.id64At(at + 36);
  s.ino = r.id64At(at + 44);
  s.rdev = r.id64At(at + 52);
  s.size = r.u64At(at + 60);
  s.blocks = r.u64At(at + 68);
  s.atimeSec = r.i64At(at + 76);
  s.mtimeSec = r.i64At(at + 84);
  s.ctimeSec = r.i64At(at + 92);
  s.btimeSec = r.i64At(at + 100);
}

/** The mode of attributes as {@link encodeAttr} writes them, at `at`. */
export function attrMode(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

/** The same of the number of links. */
export function attrLinks(view: DataView, at: number): number {
  return view.getUint32(at + 12, true);
}

/** The same of the device. */
export function attrDev(view: DataView, at: number): number {
  return id64(view, at + 36);
}

/** The same of the inode number. */
export function attrIno(view: DataView, at: number): number {
  return id64(view, at + 44);
}

/** An identifier, of which the low 53 bits count. */
function id64(view: DataView, at: number): number {
  return (view.getUint32(at + 4, true) & 0x1fffff) * 0x100000000 + view.getUint32(at, true);
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
  readonly attr: Stat = new Stat();
  name = "";

  encode(w: Writer): void {
    encodeAttr(w, this.attr);
    w.str(this.name);
  }

  decode(r: Reader): void {
    decodeAttr(r, this.attr);
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

/** type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4]: the body of Rstatfs. */
export function encodeStatFs(w: Writer, s: StatFs): void {
  w.u32(s.type);
  w.u32(s.bsize);
  w.i64(s.blocks);
  w.i64(s.bfree);
  w.i64(s.bavail);
  w.i64(s.files);
  w.i64(s.ffree);
  w.u32(s.fsidLo);
  w.u32(s.fsidHi);
  w.u32(s.namelen);
}

/** Reads what {@link encodeStatFs} wrote. frsize becomes bsize; flags are left alone. */
export function decodeStatFs(r: Reader, s: StatFs): void {
  s.type = r.u32();
  s.bsize = r.u32();
  s.blocks = r.u64();
  s.bfree = r.u64();
  s.bavail = r.u64();
  s.files = r.u64();
  s.ffree = r.u64();
  s.fsidLo = r.u32();
  s.fsidHi = r.u32();
  s.namelen = r.u32();
  s.frsize = s.bsize;
}
