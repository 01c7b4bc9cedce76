/**
 * Messages of the version "9P2000.L.tsvisor1". They do in one round trip what plain 9P needs several for, and hand over
 * host file descriptors: a reply marked "+fd" comes with exactly one SCM_RIGHTS descriptor.
 */
import { EBADMSG } from "../../abi/errno.ts";
import { Stat } from "../../abi/stat.ts";
import { MAX_NUMBERS, MAX_READDIRS, MAX_WALK } from "./constants.ts";
import type { Reader, Writer } from "./cursor.ts";
import type { Message } from "./message.ts";
import { SetAttr, decodeAttr, encodeAttr } from "./records.ts";

/**
 * fid[4] flags[4] nwname[2] nwname*(newfid[4] name[s]): walk, making each file on the way a fid of its own. The walk ends before
 * the first name that is missing and after the first file that is no directory (a symbolic link, say), whichever comes
 * first. With no names it only reads the attributes of fid. Flags: WALK_DIRS_ONLY.
 */
export class Twalkattr implements Message {
  fid = 0;
  flags = 0;
  count = 0;
  readonly newFids: number[] = [];
  readonly names: string[] = [];

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.flags);
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) {
      w.u32(this.newFids[i]!);
      w.str(this.names[i]!);
    }
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.flags = r.u32();
    this.count = r.u16();
    if (this.count > MAX_WALK) return -EBADMSG;
    for (let i = 0; i < this.count; i++) {
      this.newFids[i] = r.u32();
      this.names[i] = r.str();
    }
    return r.finish();
  }
}

/**
 * status[4] target[s] nattr[2] nattr*(attr[108]). `status` is the errno of the first name that could not be reached
 * (ENOENT, ENOTDIR is not reported), or 0. `target` is the last file's, when that is a symbolic link.
 */
export class Rwalkattr implements Message {
  status = 0;
  target = "";
  count = 0;
  readonly attrs: Stat[] = [];

  /** The i-th record, made when missing. */
  attr(i: number): Stat {
    return (this.attrs[i] ??= new Stat());
  }

  encode(w: Writer): void {
    w.u32(this.status);
    w.str(this.target);
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) encodeAttr(w, this.attrs[i]!);
  }

  decode(r: Reader): number {
    this.status = r.u32();
    this.target = r.str();
    this.count = r.u16();
    if (this.count > MAX_WALK) return -EBADMSG;
    for (let i = 0; i < this.count; i++) decodeAttr(r, this.attr(i));
    return r.finish();
  }
}

/**
 * fid[4] newfid[4] flags[4] name[s]: open a regular file and get its descriptor. `name` in directory fid, or fid itself
 * when it is empty; newfid, unless NOFID, becomes a fid of the file. Reply: attr[108] +fd.
 */
export class Topenat implements Message {
  fid = 0;
  newFid = 0;
  flags = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.newFid);
    w.u32(this.flags);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.newFid = r.u32();
    this.flags = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/** attr[108]: Ropenat, Rcreateat, Rmakeat, Rsetattrx, Rallocate, Rlinkattr. */
export class AttrOnly implements Message {
  readonly attr: Stat = new Stat();

  encode(w: Writer): void {
    encodeAttr(w, this.attr);
  }

  decode(r: Reader): number {
    decodeAttr(r, this.attr);
    return r.finish();
  }
}

/**
 * fid[4] newfid[4] flags[4] mode[4] uid[4] gid[4] name[s]: create a regular file in directory fid (always O_EXCL), give
 * it its owner, mode bits included that chown would clear, and open it. newfid may be NOFID. Reply: attr[108] +fd.
 */
export class Tcreateat implements Message {
  fid = 0;
  newFid = 0;
  flags = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.newFid);
    w.u32(this.flags);
    w.u32(this.mode);
    w.u32(this.uid);
    w.u32(this.gid);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.newFid = r.u32();
    this.flags = r.u32();
    this.mode = r.u32();
    this.uid = r.u32();
    this.gid = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/**
 * fid[4] newfid[4] mode[4] uid[4] gid[4] rdev[8] name[s] target[s]: mkdir, mknod or symlink, by the type bits of mode.
 * newfid may be NOFID. Reply: attr[108].
 */
export class Tmakeat implements Message {
  fid = 0;
  newFid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  rdev = 0;
  name = "";
  target = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.newFid);
    w.u32(this.mode);
    w.u32(this.uid);
    w.u32(this.gid);
    w.i64(this.rdev);
    w.str(this.name);
    w.str(this.target);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.newFid = r.u32();
    this.mode = r.u32();
    this.uid = r.u32();
    this.gid = r.u32();
    this.rdev = r.u64();
    this.name = r.str();
    this.target = r.str();
    return r.finish();
  }
}

/** fid[4] offset[8] count[4]: entries from `offset` (0, or `next` of the last reply) in at most `count` bytes. No prior open. */
export class Treaddirattr implements Message {
  fid = 0;
  /** 0, or `next` of the last reply. */
  offset = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.i64(this.offset);
    w.u32(this.count);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.offset = r.u64();
    this.count = r.u32();
    return r.finish();
  }
}

/** flags[4] next[8] count[4] data[count]: DirEntryAttr records without "." and "..". READDIR_EOF: nothing follows. */
export class Rreaddirattr implements Message {
  flags = 0;
  next = 0;
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.flags);
    w.i64(this.next);
    w.u32(this.count);
    w.bytes(this.buf, this.off, this.count);
  }

  decode(r: Reader): number {
    this.flags = r.u32();
    this.next = r.u64();
    this.count = r.u32();
    this.off = r.take(this.count);
    this.buf = r.buf;
    return r.finish();
  }
}

/** Bytes of Rreaddirattr before its data. */
export const READDIRATTR_OVERHEAD = 16;

/**
 * fid[4] flags[4] depth[2] nname[2] nname*(name[s]): read whole directories. The first `depth` names lead from fid to a directory,
 * the others name the directories in it that are read; when there are none, that directory itself is. No fids are made.
 * Flags: READDIRS_BARE_FILES.
 */
export class Treaddirs implements Message {
  fid = 0;
  flags = 0;
  depth = 0;
  count = 0;
  readonly names: string[] = [];

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.flags);
    w.u16(this.depth);
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) w.str(this.names[i]!);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.flags = r.u32();
    this.depth = r.u16();
    this.count = r.u16();
    if (this.count > MAX_READDIRS) return -EBADMSG;
    for (let i = 0; i < this.count; i++) this.names[i] = r.str();
    return r.finish();
  }
}

/**
 * ndir[2] count[4] data[count]: for each of the first ndir directories that were asked for, as many as fit: status[4]
 * attr[108] size[4] entries[size]. Entries are DirEntryAttr records, all that the directory has, without "." and "..". A
 * status other than 0 is an errno, and nothing follows it in that directory's record; EMSGSIZE: it is too large for one reply.
 *
 * With READDIRS_BELOW each record begins with level[2] name[s]: 0 and "" for those that were asked for, which alone are counted in
 * ndir. One of level n > 0 (at most MAX_LEVELS), with status 0, is the entry called name of the last one of level n - 1.
 */
export class Rreaddirs implements Message {
  dirs = 0;
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  count = 0;

  encode(w: Writer): void {
    w.u16(this.dirs);
    w.u32(this.count);
    w.bytes(this.buf, this.off, this.count);
  }

  decode(r: Reader): number {
    this.dirs = r.u16();
    this.count = r.u32();
    this.off = r.take(this.count);
    this.buf = r.buf;
    return r.finish();
  }
}

/** n[2] n*(number[4]): fids (Tclunkbatch) or watches (Tunwatch) to give up; those that are not there are passed over. */
export class Numbers implements Message {
  count = 0;
  readonly numbers: number[] = [];

  /** Adds one more; how many there are then. */
  add(number: number): number {
    this.numbers[this.count] = number;
    return ++this.count;
  }

  /** Takes one out again, if it is there. */
  remove(number: number): void {
    for (let i = 0; i < this.count; i++) {
      if (this.numbers[i] !== number) continue;
      this.numbers[i] = this.numbers[--this.count]!;
      return;
    }
  }

  encode(w: Writer): void {
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) w.u32(this.numbers[i]!);
  }

  decode(r: Reader): number {
    this.count = r.u16();
    if (this.count > MAX_NUMBERS) return -EBADMSG;
    for (let i = 0; i < this.count; i++) this.numbers[i] = r.u32();
    return r.finish();
  }
}

/** fid[4] mode[4] offset[8] length[8]: fallocate(2). Reply: attr[108]. */
export class Tallocate implements Message {
  fid = 0;
  mode = 0;
  offset = 0;
  length = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.mode);
    w.i64(this.offset);
    w.i64(this.length);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.mode = r.u32();
    this.offset = r.u64();
    this.length = r.u64();
    return r.finish();
  }
}

/** Tsetattr whose reply carries the attributes afterwards: attr[108]. */
export class Tsetattrx implements Message {
  fid = 0;
  set: SetAttr = new SetAttr();

  encode(w: Writer): void {
    w.u32(this.fid);
    this.set.encode(w);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.set.decode(r);
    return r.finish();
  }
}

/**
 * dfid[4] newfid[4] dev[8] ino[8] btime[8] btime_ns[4] name[s] and the body of Tsetattr: of the file called name, which gets newfid, if
 * it is the one with that identity (otherwise ESTALE).
 */
export class Tsetattrat implements Message {
  dirFid = 0;
  newFid = 0;
  dev = 0;
  ino = 0;
  btimeSec = 0;
  btimeNsec = 0;
  name = "";
  set: SetAttr = new SetAttr();

  encode(w: Writer): void {
    w.u32(this.dirFid);
    w.u32(this.newFid);
    w.i64(this.dev);
    w.i64(this.ino);
    w.i64(this.btimeSec);
    w.u32(this.btimeNsec);
    w.str(this.name);
    this.set.encode(w);
  }

  decode(r: Reader): number {
    this.dirFid = r.u32();
    this.newFid = r.u32();
    this.dev = r.id64();
    this.ino = r.id64();
    this.btimeSec = r.i64();
    this.btimeNsec = r.u32();
    this.name = r.str();
    this.set.decode(r);
    return r.finish();
  }
}

/** olddirfid[4] oldname[s] newdirfid[4] newname[s] flags[4]: renameat2(2). */
export class Trename2 implements Message {
  oldDirFid = 0;
  oldName = "";
  newDirFid = 0;
  newName = "";
  flags = 0;

  encode(w: Writer): void {
    w.u32(this.oldDirFid);
    w.str(this.oldName);
    w.u32(this.newDirFid);
    w.str(this.newName);
    w.u32(this.flags);
  }

  decode(r: Reader): number {
    this.oldDirFid = r.u32();
    this.oldName = r.str();
    this.newDirFid = r.u32();
    this.newName = r.str();
    this.flags = r.u32();
    return r.finish();
  }
}

/**
 * dirfid[4] name[s] flags[4] victim[4]: clunk `victim` (NOFID: none), whatever comes of the rest, then unlinkat(2): a file that is
 * still open when its last name goes costs the host more.
 */
export class Tunlinkx implements Message {
  dirFid = 0;
  name = "";
  flags = 0;
  victim = 0;

  encode(w: Writer): void {
    w.u32(this.dirFid);
    w.str(this.name);
    w.u32(this.flags);
    w.u32(this.victim);
  }

  decode(r: Reader): number {
    this.dirFid = r.u32();
    this.name = r.str();
    this.flags = r.u32();
    this.victim = r.u32();
    return r.finish();
  }
}

/** fid[4] name[s]: Tgetxattr (reply: Data, the whole value) and Tremovexattr. */
export class FidName implements Message {
  fid = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/** fid[4] name[s] flags[4] count[4] data[count]. */
export class Tsetxattr implements Message {
  fid = 0;
  name = "";
  flags = 0;
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.u32(this.flags);
    w.u32(this.count);
    w.bytes(this.buf, this.off, this.count);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.flags = r.u32();
    this.count = r.u32();
    this.off = r.take(this.count);
    this.buf = r.buf;
    return r.finish();
  }
}

/**
 * fid[4] mask[4]: add an inotify(7) watch for the events of `mask` (IN_ALL_EVENTS) to the connection's notification
 * descriptor, which Tnotify gives; a second watch of a file replaces the mask of the first. EOPNOTSUPP where not every
 * change of the file would be told (network file systems, say).
 */
export class Twatch implements Message {
  fid = 0;
  mask = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.mask);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.mask = r.u32();
    return r.finish();
  }
}

/** wd[4] attr[108]: the watch's number in events; attributes as they are with the watch in place. */
export class Rwatch implements Message {
  wd = 0;
  /** A client puts its own object here, to be decoded into. */
  attr: Stat = new Stat();

  encode(w: Writer): void {
    w.u32(this.wd);
    encodeAttr(w, this.attr);
  }

  decode(r: Reader): number {
    this.wd = r.u32();
    decodeAttr(r, this.attr);
    return r.finish();
  }
}

/** connection[4] bytes[4]: memory through which requests may go besides, and what they have to say there. */
export class Rchannel implements Message {
  connection = 0;
  bytes = 0;

  encode(w: Writer): void {
    w.u32(this.connection);
    w.u32(this.bytes);
  }

  decode(r: Reader): number {
    this.connection = r.u32();
    this.bytes = r.u32();
    return r.finish();
  }
}
