/** Open files and directories of the gofer file system. */
import { EINVAL } from "../../../abi/errno.ts";
import { O_DSYNC, O_SYNC, RWF_DSYNC, RWF_SYNC } from "../../../abi/fcntl.ts";
import { IOV_MAX } from "../../../abi/limits.ts";
import type { Mappable } from "../../memmap/memmap.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { DirentSink } from "../../vfs/dirent.ts";
import { DirectoryFile, SeekableFile } from "../../vfs/file.ts";
import type { DirSnapshot } from "./directory.ts";
import type { GoferInode } from "./inode.ts";
import type { GoferHandle } from "./handle.ts";

/**
 * Moves bytes between the file and `seq`: as many as there are, in several host calls when the sequence has more ranges
 * than one takes. Bytes or -errno.
 */
function transfer(handle: GoferHandle, seq: IoSequence, off: number, isWrite: boolean, flags: number): number {
  const { host, fd } = handle;
  let done = 0;
  for (;;) {
    const isPart = seq.count > IOV_MAX;
    const n = isWrite ? host.writev(fd, seq, off + done, flags) : host.readv(fd, seq, off + done, flags);
    if (n <= 0) return done > 0 ? done : n;
    seq.advance(n);
    done += n;
    if (!isPart || seq.remaining === 0) return done;
  }
}

/** An open regular file: all transfers go to the inode's donated fds. */
export class GoferFile extends SeekableFile {
  private readonly node: GoferInode;
  /** RWF_* that each write carries. */
  private readonly writeFlags: number;

  constructor(node: GoferInode, flags: number) {
    super();
    this.node = node;
    this.writeFlags = (flags & O_SYNC) === O_SYNC ? RWF_SYNC : (flags & O_DSYNC) !== 0 ? RWF_DSYNC : 0;
  }

  override get takesNoWait(): boolean {
    return true;
  }

  /** @hot */
  override pread(seq: IoSequence, off: number): number {
    if (seq.remaining === 0) return 0;
    const handle = this.node.getHandle(false);
    if (typeof handle === "number") return handle;
    const n = transfer(handle, seq, off, false, 0);
    if (n > 0) this.accessed();
    return n;
  }

  /** @hot */
  override pwrite(seq: IoSequence, off: number): number {
    if (seq.remaining === 0) return 0;
    const handle = this.node.getHandle(true);
    if (typeof handle === "number") return handle;
    const n = transfer(handle, seq, off, true, this.writeFlags);
    if (n > 0) this.node.isStale = true;
    return n;
  }

  override size(): number {
    return this.node.currentSize();
  }

  override truncate(size: number): number {
    return this.node.resize(size);
  }

  override allocate(mode: number, off: number, len: number): number {
    const handle = this.node.getHandle(true);
    if (typeof handle === "number") return handle;
    this.node.isStale = true;
    return handle.host.fallocate(handle.fd, mode, off, len);
  }

  override sync(dataOnly: boolean): number {
    const handle = this.node.getHandle(false);
    if (typeof handle === "number") return handle;
    return dataOnly ? handle.host.fdatasync(handle.fd) : handle.host.fsync(handle.fd);
  }

  override mappable(): Mappable | number {
    return this.node.getMapping();
  }

  override bytesReadable(): number {
    const size = this.node.currentSize();
    if (size < 0) return size;
    return size > this.offset ? size - this.offset : 0;
  }

  /** The fd's own position is nobody's: asking moves it, which does not matter. */
  protected override seekData(off: number, whence: number): number {
    const handle = this.node.getHandle(false);
    if (typeof handle === "number") return handle;
    const pos = handle.host.lseek(handle.fd, off, whence);
    if (pos >= 0) this.offset = pos;
    return pos;
  }
}

/** An open directory. Its entries are those at its first read, or at the last rewind. */
export class GoferDirectoryFile extends DirectoryFile {
  private readonly node: GoferInode;
  private snapshot: DirSnapshot | null = null;

  constructor(node: GoferInode) {
    super();
    this.node = node;
  }

  protected override rewound(): void {
    if (this.offset === 0) this.snapshot = null;
  }

  override iterate(sink: DirentSink): number {
    if (this.offset < 0) return -EINVAL;
    let { snapshot } = this;
    if (snapshot === null) {
      const listing = this.node.readEntries();
      if (typeof listing === "number") return listing;
      snapshot = listing.snapshot();
      this.snapshot = snapshot;
    }
    // As a layer of an overlay it is opened without a path, and nobody looks at "..".
    const above = this.path?.dentry.parent?.inode ?? this.node;
    if (this.emitDots(sink, this.node.ino, above.ino)) {
      const { count } = snapshot;
      let i = this.offset - 2;
      while (i < count && snapshot.emit(i, sink, i + 3)) i++;
      this.offset = i + 2;
    }
    return 0;
  }

  override sync(_dataOnly: boolean): number {
    const fid = this.node.getFid();
    return fid < 0 ? fid : this.node.gofer.client.fsync(fid, false);
  }
}
