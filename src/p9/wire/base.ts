/** Messages that 9P2000.L takes from 9P2000 and 9P2000.u: session, walk, I/O on fids. */
import { EBADMSG } from "../../abi/errno.ts";
import { MAX_WALK } from "./constants.ts";
import type { Reader, Writer } from "./cursor.ts";
import type { Message } from "./message.ts";
import { Qid } from "./records.ts";

/** msize[4] version[s]: Tversion and Rversion. */
export class Version implements Message {
  msize = 0;
  version = "";

  encode(w: Writer): void {
    w.u32(this.msize);
    w.str(this.version);
  }

  decode(r: Reader): number {
    this.msize = r.u32();
    this.version = r.str();
    return r.finish();
  }
}

/** afid[4] uname[s] aname[s] n_uname[4]. */
export class Tauth implements Message {
  afid = 0;
  uname = "";
  aname = "";
  nUname = 0;

  encode(w: Writer): void {
    w.u32(this.afid);
    w.str(this.uname);
    w.str(this.aname);
    w.u32(this.nUname);
  }

  decode(r: Reader): number {
    this.afid = r.u32();
    this.uname = r.str();
    this.aname = r.str();
    this.nUname = r.u32();
    return r.finish();
  }
}

/** fid[4] afid[4] uname[s] aname[s] n_uname[4]. */
export class Tattach implements Message {
  fid = 0;
  afid = 0;
  uname = "";
  aname = "";
  nUname = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.afid);
    w.str(this.uname);
    w.str(this.aname);
    w.u32(this.nUname);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.afid = r.u32();
    this.uname = r.str();
    this.aname = r.str();
    this.nUname = r.u32();
    return r.finish();
  }
}

/** qid[13]: Rauth, Rattach, Rsymlink, Rmknod, Rmkdir. */
export class QidOnly implements Message {
  readonly qid: Qid = new Qid();

  encode(w: Writer): void {
    this.qid.encode(w);
  }

  decode(r: Reader): number {
    this.qid.decode(r);
    return r.finish();
  }
}

/** oldtag[2]. */
export class Tflush implements Message {
  oldTag = 0;

  encode(w: Writer): void {
    w.u16(this.oldTag);
  }

  decode(r: Reader): number {
    this.oldTag = r.u16();
    return r.finish();
  }
}

/** fid[4] newfid[4] nwname[2] nwname*(wname[s]); at most {@link MAX_WALK} names. */
export class Twalk implements Message {
  fid = 0;
  newFid = 0;
  count = 0;
  readonly names: string[] = [];

  encode(w: Writer): void {
    w.u32(this.fid);
    w.u32(this.newFid);
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) w.str(this.names[i]!);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.newFid = r.u32();
    this.count = r.u16();
    if (this.count > MAX_WALK) return -EBADMSG;
    for (let i = 0; i < this.count; i++) this.names[i] = r.str();
    return r.finish();
  }
}

/** nwqid[2] nwqid*(wqid[13]). */
export class Rwalk implements Message {
  count = 0;
  readonly qids: Qid[] = [];

  /** The i-th qid, made when missing. */
  qid(i: number): Qid {
    return (this.qids[i] ??= new Qid());
  }

  encode(w: Writer): void {
    w.u16(this.count);
    for (let i = 0; i < this.count; i++) this.qids[i]!.encode(w);
  }

  decode(r: Reader): number {
    this.count = r.u16();
    if (this.count > MAX_WALK) return -EBADMSG;
    for (let i = 0; i < this.count; i++) this.qid(i).decode(r);
    return r.finish();
  }
}

/** fid[4] offset[8] count[4]. */
export class Tread implements Message {
  fid = 0;
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

/** count[4] data[count]: Rread, Rreaddir, Rgetxattr, Rlistxattr. After decode the data lies in the reader's buffer. */
export class Data implements Message {
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.count);
    w.bytes(this.buf, this.off, this.count);
  }

  decode(r: Reader): number {
    this.count = r.u32();
    this.off = r.take(this.count);
    this.buf = r.buf;
    return r.finish();
  }
}

/** fid[4] offset[8] count[4] data[count]. After decode the data lies in the reader's buffer. */
export class Twrite implements Message {
  fid = 0;
  offset = 0;
  buf: Uint8Array = new Uint8Array(0);
  off = 0;
  count = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
    w.i64(this.offset);
    w.u32(this.count);
    w.bytes(this.buf, this.off, this.count);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    this.offset = r.u64();
    this.count = r.u32();
    this.off = r.take(this.count);
    this.buf = r.buf;
    return r.finish();
  }
}

/** count[4]. */
export class Rwrite implements Message {
  count = 0;

  encode(w: Writer): void {
    w.u32(this.count);
  }

  decode(r: Reader): number {
    this.count = r.u32();
    return r.finish();
  }
}
