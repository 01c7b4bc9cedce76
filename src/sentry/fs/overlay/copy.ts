/** Copying the contents of a lower file into the upper layer. */
import { EIO } from "../../../abi/errno.ts";
import { O_RDONLY, O_WRONLY } from "../../../abi/fcntl.ts";
import { IoSequence } from "../../usermem/io.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { PathContext } from "../../vfs/path.ts";
import { openReal } from "./file.ts";

/** Bytes moved at a time. */
const CHUNK = 1 << 18;
let buffer: Uint8Array | null = null;
const seq: IoSequence = new IoSequence();

/** All of `from` to `to`, which is empty. 0 or -errno; `to` may then hold a part. */
export function copyContents(from: Inode, to: Inode, ctx: PathContext): number {
  const src = openReal(from, O_RDONLY, ctx);
  if (typeof src === "number") return src;
  const dst = openReal(to, O_WRONLY, ctx);
  if (typeof dst === "number") {
    src.decRef();
    return dst;
  }
  if (buffer === null) buffer = new Uint8Array(CHUNK);
  let pos = 0;
  let result = 0;
  for (;;) {
    seq.clear();
    seq.push(buffer, 0, CHUNK);
    const n = src.pread(seq, pos);
    if (n <= 0) {
      result = n;
      break;
    }
    let done = 0;
    while (done < n) {
      seq.clear();
      seq.push(buffer, done, n - done);
      const w = dst.pwrite(seq, pos + done);
      if (w <= 0) {
        result = w < 0 ? w : -EIO;
        break;
      }
      done += w;
    }
    if (result < 0) break;
    pos += n;
  }
  src.decRef();
  dst.decRef();
  if (result < 0) dst.truncate(0);
  return result;
}
