/** A donated regular file that the guest opened again, through /dev/stdin or /proc/self/fd: proc(5). */
import { SEEK_CUR, SEEK_SET } from "../../../abi/fcntl.ts";
import type { Mappable } from "../../memmap/memmap.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { SeekableFile } from "../../vfs/file.ts";
import type { HostInode } from "./host-file.ts";

/** Unlike the donated description, its position is its own. */
export class ReopenedHostFile extends SeekableFile {
  private readonly node: HostInode;

  constructor(node: HostInode) {
    super();
    this.node = node;
  }

  override get takesNoWait(): boolean {
    return true;
  }

  override pread(seq: IoSequence, off: number): number {
    if (seq.remaining === 0) return 0;
    const n = this.node.host.readv(this.node.fd, seq, off, 0);
    if (n > 0) seq.advance(n);
    return n;
  }

  override pwrite(seq: IoSequence, off: number): number {
    if (seq.remaining === 0) return 0;
    const n = this.node.host.writev(this.node.fd, seq, off, 0);
    if (n > 0) seq.advance(n);
    return n;
  }

  /** The position of the donated description is others' too: it stays. */
  protected override seekData(off: number, whence: number): number {
    const { host, fd } = this.node;
    const was = host.lseek(fd, 0, SEEK_CUR);
    const pos = host.lseek(fd, off, whence);
    if (was >= 0) host.lseek(fd, was, SEEK_SET);
    if (pos >= 0) this.offset = pos;
    return pos;
  }

  override truncate(size: number): number {
    return this.node.host.ftruncate(this.node.fd, size);
  }

  override allocate(mode: number, off: number, len: number): number {
    return this.node.allocate(mode, off, len);
  }

  override sync(dataOnly: boolean): number {
    return this.node.sync(dataOnly);
  }

  override mappable(): Mappable | number {
    return this.node;
  }
}
