/** A connection to a 9P server: requests and replies, the session, and the numbers of fids. */
import { EIO, EPROTONOSUPPORT } from "../../abi/errno.ts";
import { Stat } from "../../abi/stat.ts";
import { Data, QidOnly, Tattach, Version } from "../wire/base.ts";
import * as c from "../wire/constants.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { Numbers, Rchannel } from "../wire/extension.ts";
import { Rlerror } from "../wire/linux.ts";
import { Empty, FidOnly } from "../wire/message.ts";
import type { Message } from "../wire/message.ts";
import { decodeAttr } from "../wire/records.ts";
import type { Transport } from "./transport.ts";

const TAG = 1;
/** What is given up is told when there is so much. */
export const BATCH = 128;

const versionMsg = new Version();
const attachMsg = new Tattach();
const qidReply = new QidOnly();
const rlerror = new Rlerror();
const dataReply = new Data();
const fidMsg = new FidOnly();
const channelReply = new Rchannel();
const empty = new Empty();

/** A reply whose attributes go straight to the caller's object. */
class AttrInto implements Message {
  out: Stat = new Stat();

  encode(): void {}

  decode(r: Reader): number {
    decodeAttr(r, this.out);
    return r.finish();
  }
}

const attrInto = new AttrInto();

/** One request at a time. Results are values >= 0 or -errno. */
export class P9Connection {
  readonly transport: Transport;
  readonly w: Writer = new Writer();
  readonly r: Reader = new Reader();
  /** Negotiated message size in bytes. */
  msize = 0;
  isExtended = false;
  /** The connection failed: every call answers -EIO. */
  isDead = false;

  #nextFid = 0;
  #freeFids: number[] = [];
  readonly #clunks: Numbers = new Numbers();

  constructor(transport: Transport) {
    this.transport = transport;
    this.w.attach(new Uint8Array(transport.reply.length));
    this.r.attach(transport.reply);
  }

  // --- messages ---

  /** Sends one request, waits, and decodes its reply. 0, or -errno. */
  call(type: number, request: Message, reply: Message): number {
    if (this.isDead) return -EIO;
    const { w } = this;
    w.begin(type, type === c.TVERSION ? c.NOTAG : TAG, 0, this.msize > 0 ? this.msize : w.buf.length);
    request.encode(w);
    const len = w.end();
    if (len < 0) return len;
    const n = this.transport.request(w.buf, len);
    const { r } = this;
    r.reset(0, n < 0 ? 0 : n);
    const size = r.u32();
    const got = r.u8();
    const tag = r.u16();
    if (size === n && tag === (type === c.TVERSION ? c.NOTAG : TAG)) {
      if (got === type + 1) {
        const result = reply.decode(r);
        if (result === 0) return 0;
      } else if (got === c.RLERROR && rlerror.decode(r) === 0) {
        const code = rlerror.ecode;
        return code > 0 && code < 4096 ? -code : -EIO;
      }
    }
    return this.broken();
  }

  /** A request whose reply has attributes, which go to `out`. */
  protected callForAttr(type: number, request: Message, out: Stat): number {
    attrInto.out = out;
    return this.call(type, request, attrInto);
  }

  /** A request whose reply is data, which is copied. */
  protected callForData(type: number, request: Message): Uint8Array | number {
    const err = this.call(type, request, dataReply);
    return err < 0 ? err : this.r.buf.slice(dataReply.off, dataReply.off + dataReply.count);
  }

  /** The server does not keep to the protocol: nothing it says later can be relied on. */
  protected broken(): number {
    this.isDead = true;
    return -EIO;
  }

  // --- session ---

  /** Negotiates version and message size. 0, -EPROTONOSUPPORT, or -errno. */
  negotiate(hasExtension: boolean): number {
    this.msize = 0;
    this.isExtended = false;
    this.#nextFid = 0;
    this.#freeFids = [];
    this.#clunks.count = 0;
    if (hasExtension && this.tryVersion(c.VERSION_TSVISOR)) return 0;
    if (this.isDead) return -EIO;
    return this.tryVersion(c.VERSION_L) ? 0 : this.isDead ? -EIO : -EPROTONOSUPPORT;
  }

  private tryVersion(version: string): boolean {
    const offered = Math.min(c.DEFAULT_MSIZE, this.transport.reply.length);
    versionMsg.msize = offered;
    versionMsg.version = version;
    if (this.call(c.TVERSION, versionMsg, versionMsg) < 0) return false;
    const { msize, version: answer } = versionMsg;
    if (answer !== c.VERSION_L && answer !== version) return false;
    if (msize > offered || msize < c.MIN_MSIZE) return false;
    this.msize = msize;
    this.isExtended = answer === c.VERSION_TSVISOR;
    return true;
  }

  /** Makes requests go through shared memory, where server and transport can do that. */
  openChannel(): void {
    const { transport } = this;
    if (!this.isExtended || transport.useChannel === undefined) return;
    if (this.call(c.TCHANNEL, empty, channelReply) < 0) return;
    const fd = transport.takeFd();
    if (fd >= 0) transport.useChannel(fd, channelReply.bytes, channelReply.connection);
  }

  /** Attaches to the tree `aname`. Its root's fid or -errno. */
  attach(aname: string, uname: string, nUname: number): number {
    attachMsg.fid = this.allocFid();
    attachMsg.afid = c.NOFID;
    attachMsg.uname = uname;
    attachMsg.aname = aname;
    attachMsg.nUname = nUname;
    const { fid } = attachMsg;
    const err = this.call(c.TATTACH, attachMsg, qidReply);
    if (err === 0) return fid;
    this.freeFid(fid);
    return err;
  }

  allocFid(): number {
    const fid = this.#freeFids.pop();
    return fid === undefined ? this.#nextFid++ : fid;
  }

  /** Makes a number usable again: the server does not know it (any more). */
  freeFid(fid: number): void {
    if (fid !== c.NOFID) this.#freeFids.push(fid);
  }

  /** Gives up a fid; the server hears of it later, together with others. */
  clunk(fid: number): void {
    if (fid !== c.NOFID && this.#clunks.add(fid) >= BATCH) this.flushClunks();
  }

  flushClunks(): void {
    const { count, numbers } = this.#clunks;
    if (count === 0) return;
    if (this.isExtended) this.call(c.TCLUNKBATCH, this.#clunks, empty);
    else {
      for (let i = 0; i < count; i++) {
        fidMsg.fid = numbers[i]!;
        this.call(c.TCLUNK, fidMsg, empty);
      }
    }
    for (let i = 0; i < count; i++) this.#freeFids.push(numbers[i]!);
    this.#clunks.count = 0;
  }
}
