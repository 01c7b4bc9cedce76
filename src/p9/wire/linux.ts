/** Messages that 9P2000.L adds: Linux's own opens, attributes, directories, locks and links. */
import { Stat } from "../../abi/stat.ts";
import { StatFs } from "../../abi/statfs.ts";
import type { Reader, Writer } from "./cursor.ts";
import type { Message } from "./message.ts";
import { Qid, SetAttr, decodeStatFs, encodeStatFs, qidType } from "./records.ts";
import { GETATTR_BASIC } from "./constants.ts";

/** ecode[4]: a Linux errno, positive. Sent instead of any other reply. */
export class Rlerror implements Message {
  ecode = 0;

  encode(w: Writer): void {
    w.u32(this.ecode);
  }

  decode(r: Reader): number {
    this.ecode = r.u32();
    return r.finish();
  }
}

/** type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4]. */
export class Rstatfs implements Message {
  readonly statfs: StatFs = new StatFs();

  encode(w: Writer): void {
    encodeStatFs(w, this.statfs);
  }

  decode(r: Reader): number {
    decodeStatFs(r, this.statfs);
    return r.finish();
  }
}

/** fid[4] flags[4]: open(2) flags. */
export class Tlopen implements Message {
  fid = 0;
  flags = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.flags);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.flags = r.u32();
    return r.finish();
  }
}

/** qid[13] iounit[4]: Rlopen and Rlcreate. iounit 0 means msize - IO_HEADER_SIZE. */
export class Ropen implements Message {
  readonly qid: Qid = new Qid();
  iounit = 0;

  encode(w: Writer): void {
    this.qid.encode(w);
    w.u32(this.iounit);
  }

  decode(r: Reader): number {
    this.qid.decode(r);
    this.iounit = r.u32();
    return r.finish();
  }
}

/** fid[4] name[s] flags[4] mode[4] gid[4]. */
export class Tlcreate implements Message {
  fid = 0;
  name = "";
  flags = 0;
  mode = 0;
  gid = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.u32(this.flags);
    w.u32(this.mode);
    w.u32(this.gid);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.flags = r.u32();
    this.mode = r.u32();
    this.gid = r.u32();
    return r.finish();
  }
}

/** fid[4] name[s] symtgt[s] gid[4]. */
export class Tsymlink implements Message {
  fid = 0;
  name = "";
  target = "";
  gid = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.str(this.target);
    w.u32(this.gid);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.target = r.str();
    this.gid = r.u32();
    return r.finish();
  }
}

/** dfid[4] name[s] mode[4] major[4] minor[4] gid[4]. */
export class Tmknod implements Message {
  fid = 0;
  name = "";
  mode = 0;
  major = 0;
  minor = 0;
  gid = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.u32(this.mode);
    w.u32(this.major);
    w.u32(this.minor);
    w.u32(this.gid);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.mode = r.u32();
    this.major = r.u32();
    this.minor = r.u32();
    this.gid = r.u32();
    return r.finish();
  }
}

/** fid[4] dfid[4] name[s]. */
export class Trename implements Message {
  fid = 0;
  dirFid = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.dirFid);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.dirFid = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/** target[s]. */
export class Rreadlink implements Message {
  target = "";

  encode(w: Writer): void {
    w.str(this.target);
  }

  decode(r: Reader): number {
    this.target = r.str();
    return r.finish();
  }
}

/** fid[4] request_mask[8]; the high word is unused. */
export class Tgetattr implements Message {
  fid = 0;
  mask = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.mask);
    w.u32(0);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.mask = r.u32();
    r.u32();
    return r.finish();
  }
}

/**
 * valid[8] qid[13] mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8] blksize[8] blocks[8] atime_sec[8] atime_nsec[8]
 * mtime_sec[8] mtime_nsec[8] ctime_sec[8] ctime_nsec[8] btime_sec[8] btime_nsec[8] gen[8] data_version[8].
 * attr.dev is not carried; gen and data_version are 0.
 */
export class Rgetattr implements Message {
  valid: number = GETATTR_BASIC;
  readonly attr: Stat = new Stat();
  readonly qid: Qid = new Qid();

  encode(w: Writer): void {
    const a = this.attr;
    this.qid.type = qidType(a.mode);
    this.qid.path = a.ino;
    w.u32(this.valid);
    w.u32(0);
    this.qid.encode(w);
    w.u32(a.mode);
    w.u32(a.uid);
    w.u32(a.gid);
    w.i64(a.nlink);
    w.i64(a.rdev);
    w.i64(a.size);
    w.i64(a.blksize);
    w.i64(a.blocks);
    w.i64(a.atimeSec);
    w.i64(a.atimeNsec);
    w.i64(a.mtimeSec);
    w.i64(a.mtimeNsec);
    w.i64(a.ctimeSec);
    w.i64(a.ctimeNsec);
    w.i64(a.btimeSec);
    w.i64(a.btimeNsec);
    w.i64(0);
    w.i64(0);
  }

  decode(r: Reader): number {
    const a = this.attr;
    this.valid = r.u32();
    r.u32();
    this.qid.decode(r);
    a.mode = r.u32();
    a.uid = r.u32();
    a.gid = r.u32();
    a.nlink = r.u64();
    a.rdev = r.id64();
    a.size = r.u64();
    a.blksize = r.u64();
    a.blocks = r.u64();
    a.atimeSec = r.i64();
    a.atimeNsec = r.u64();
    a.mtimeSec = r.i64();
    a.mtimeNsec = r.u64();
    a.ctimeSec = r.i64();
    a.ctimeNsec = r.u64();
    a.btimeSec = r.i64();
    a.btimeNsec = r.u64();
    r.id64(); // gen
    r.id64(); // data_version
    a.dev = 0;
    a.ino = this.qid.path;
    return r.finish();
  }
}

/** fid[4] and what to set. */
export class Tsetattr implements Message {
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

/** fid[4] newfid[4] name[s]; an empty name stands for the list of attributes. */
export class Txattrwalk implements Message {
  fid = 0;
  newFid = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.newFid);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.newFid = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/** size[8]. */
export class Rxattrwalk implements Message {
  size = 0;

  encode(w: Writer): void {
    w.i64(this.size);
  }

  decode(r: Reader): number {
    this.size = r.u64();
    return r.finish();
  }
}

/** fid[4] name[s] attr_size[8] flags[4]; flags are those of setxattr(2). */
export class Txattrcreate implements Message {
  fid = 0;
  name = "";
  size = 0;
  flags = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.i64(this.size);
    w.u32(this.flags);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.size = r.u64();
    this.flags = r.u32();
    return r.finish();
  }
}

/** fid[4] offset[8] count[4]. The offset is 0 or the opaque cookie of an entry. */
export class Treaddir implements Message {
  fid = 0;
  offsetLo = 0;
  offsetHi = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.offsetLo);
    w.u32(this.offsetHi);
    w.u32(this.count);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.offsetLo = r.u32();
    this.offsetHi = r.u32();
    this.count = r.u32();
    return r.finish();
  }
}

/** fid[4] datasync[4]. Old clients leave datasync out; decode takes both forms. */
export class Tfsync implements Message {
  fid = 0;
  datasync = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.datasync);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.datasync = r.pos < r.end ? r.u32() : 0;
    return r.finish();
  }
}

/** fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]; length 0 means to the end of the file. */
export class Tlock implements Message {
  fid = 0;
  type = 0;
  flags = 0;
  start = 0;
  length = 0;
  procId = 0;
  clientId = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u8(this.type);
    w.u32(this.flags);
    w.i64(this.start);
    w.i64(this.length);
    w.u32(this.procId);
    w.str(this.clientId);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.type = r.u8();
    this.flags = r.u32();
    this.start = r.u64();
    this.length = r.u64();
    this.procId = r.u32();
    this.clientId = r.str();
    return r.finish();
  }
}

/** status[1]: LOCK_*. */
export class Rlock implements Message {
  status = 0;

  encode(w: Writer): void {
    w.u8(this.status);
  }

  decode(r: Reader): number {
    this.status = r.u8();
    return r.finish();
  }
}

/** fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]. */
export class Tgetlock implements Message {
  fid = 0;
  type = 0;
  start = 0;
  length = 0;
  procId = 0;
  clientId = "";

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u8(this.type);
    w.i64(this.start);
    w.i64(this.length);
    w.u32(this.procId);
    w.str(this.clientId);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.type = r.u8();
    this.start = r.u64();
    this.length = r.u64();
    this.procId = r.u32();
    this.clientId = r.str();
    return r.finish();
  }
}

/** type[1] start[8] length[8] proc_id[4] client_id[s]: the lock in the way, or type LOCK_TYPE_UNLCK. */
export class Rgetlock implements Message {
  type = 0;
  start = 0;
  length = 0;
  procId = 0;
  clientId = "";

  encode(w: Writer): void {
    w.u8(this.type);
    w.i64(this.start);
    w.i64(this.length);
    w.u32(this.procId);
    w.str(this.clientId);
  }

  decode(r: Reader): number {
    this.type = r.u8();
    this.start = r.u64();
    this.length = r.u64();
    this.procId = r.u32();
    this.clientId = r.str();
    return r.finish();
  }
}

/** dfid[4] fid[4] name[s]: Tlink, and Tlinkattr of the extension. */
export class Tlink implements Message {
  dirFid = 0;
  fid = 0;
  name = "";

  encode(w: Writer): void {
    w.u32(this.dirFid);
    w.u32(this.fid);
    w.str(this.name);
  }

  decode(r: Reader): number {
    this.dirFid = r.u32();
    this.fid = r.u32();
    this.name = r.str();
    return r.finish();
  }
}

/** dfid[4] name[s] mode[4] gid[4]. */
export class Tmkdir implements Message {
  fid = 0;
  name = "";
  mode = 0;
  gid = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.str(this.name);
    w.u32(this.mode);
    w.u32(this.gid);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.name = r.str();
    this.mode = r.u32();
    this.gid = r.u32();
    return r.finish();
  }
}

/** olddirfid[4] oldname[s] newdirfid[4] newname[s]. */
export class Trenameat implements Message {
  oldDirFid = 0;
  oldName = "";
  newDirFid = 0;
  newName = "";

  encode(w: Writer): void {
    w.u32(this.oldDirFid);
    w.str(this.oldName);
    w.u32(this.newDirFid);
    w.str(this.newName);
  }

  decode(r: Reader): number {
    this.oldDirFid = r.u32();
    this.oldName = r.str();
    this.newDirFid = r.u32();
    this.newName = r.str();
    return r.finish();
  }
}

/** dirfd[4] name[s] flags[4]; flags are 0 or AT_REMOVEDIR. */
export class Tunlinkat implements Message {
  dirFid = 0;
  name = "";
  flags = 0;

  encode(w: Writer): void {
    w.u32(this.dirFid);
    w.str(this.name);
    w.u32(this.flags);
  }

  decode(r: Reader): number {
    this.dirFid = r.u32();
    this.name = r.str();
    this.flags = r.u32();
    return r.finish();
  }
}
