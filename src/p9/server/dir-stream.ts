/**
 * An open directory as a stream of entries. Positions are ordinals (0, 1, 2 ...) rather than the host's d_off, which may
 * use all 64 bits: a client that goes on where it stopped costs nothing, any other position is a rewind and a skip.
 */
import { EINVAL } from "../../abi/errno.ts";
import { nameText } from "../wire/cursor.ts";
import type { P9Backend } from "./backend.ts";

const BUFFER_SIZE = 32768;
/** struct linux_dirent64: d_ino[8] d_off[8] d_reclen[2] d_type[1] d_name, NUL-terminated. */
const RECLEN_OFFSET = 16;
const TYPE_OFFSET = 18;
const NAME_OFFSET = 19;

export class DirStream {
  readonly fd: number;
  /** Ordinal of the entry that {@link DirStream.peek} shows. */
  position = 0;
  /** The entry: valid after peek returned 1. */
  ino = 0;
  type = 0;
  name = "";
  #buf: Uint8Array = new Uint8Array(BUFFER_SIZE);
  #view: DataView = new DataView(this.#buf.buffer);
  #pos = 0;
  #end = 0;
  #isEof = false;

  /** Takes over `fd`, a directory opened for reading. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Goes to an ordinal. 0 or -errno. */
  seek(host: P9Backend, position: number): number {
    if (position === this.position) return 0;
    if (position < this.position) {
      const err = host.lseek(this.fd, 0, 0);
      if (err < 0) return err;
      this.#pos = 0;
      this.#end = 0;
      this.#isEof = false;
      this.position = 0;
    }
    while (this.position < position) {
      const more = this.peek(host);
      if (more <= 0) return more;
      this.next();
    }
    return 0;
  }

  /** Goes to 0, or to where it stands, with nothing read ahead: for whoever reads the descriptor itself. 0 or -errno. */
  seekFresh(host: P9Backend, position: number): number {
    if (position !== 0 && (position !== this.position || this.#pos < this.#end)) return -EINVAL;
    if (position === 0 && (this.position !== 0 || this.#pos < this.#end)) {
      const err = host.lseek(this.fd, 0, 0);
      if (err < 0) return err;
      this.#pos = 0;
      this.#end = 0;
      this.position = 0;
    }
    this.#isEof = false;
    return 0;
  }

  /** So many entries were read from the descriptor itself. */
  passed(count: number): void {
    this.position += count;
  }

  /** Reads the current entry into the fields: 1, 0 at the end, or -errno. */
  peek(host: P9Backend): number {
    if (this.#pos >= this.#end) {
      if (this.#isEof) return 0;
      const n = host.getdents(this.fd, this.#buf, 0, BUFFER_SIZE);
      if (n < 0) return n;
      this.#pos = 0;
      this.#end = n;
      if (n === 0) {
        this.#isEof = true;
        return 0;
      }
    }
    const at = this.#pos;
    this.ino = (this.#view.getUint32(at + 4, true) & 0x1fffff) * 0x100000000 + this.#view.getUint32(at, true);
    this.type = this.#buf[at + TYPE_OFFSET]!;
    let end = at + NAME_OFFSET;
    while (this.#buf[end] !== 0) end++;
    this.name = nameText(this.#buf, at + NAME_OFFSET, end - at - NAME_OFFSET);
    return 1;
  }

  /** Moves past the entry that peek showed. */
  next(): void {
    this.#pos += this.#view.getUint16(this.#pos + RECLEN_OFFSET, true);
    this.position++;
  }
}
