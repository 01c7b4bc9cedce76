/**
 * What every message class offers. A message is a reusable holder of its fields; `encode` writes them after the header
 * that {@link Writer.begin} wrote, `decode` reads them and returns 0 or -errno ({@link Reader.finish}). After a failed
 * decode the fields hold no meaning.
 */
import type { Reader, Writer } from "./cursor.ts";

export interface Message {
  encode(w: Writer): void;
  decode(r: Reader): number;
}

/** A message without fields: most replies of requests that only change something. */
export class Empty implements Message {
  encode(_w: Writer): void {}

  decode(r: Reader): number {
    return r.finish();
  }
}

/** fid[4]: Tclunk, Tremove, Tstatfs, Treadlink, Tlistxattr. */
export class FidOnly implements Message {
  fid = 0;

  encode(w: Writer): void {
    w.u32(this.fid);
  }

  decode(r: Reader): number {
    this.fid = r.u32();
    return r.finish();
  }
}
