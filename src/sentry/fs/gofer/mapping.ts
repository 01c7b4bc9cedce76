/** mmap of host files: the donated fds are mapped by the stubs themselves. */
import { EFAULT } from "../../../abi/errno.ts";
import { MappingList } from "../../memmap/mapping-list.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { Mappable, MappingOwner, Translation } from "../../memmap/memmap.ts";
import type { GoferInode } from "./inode.ts";

const PROT_READ_EXEC = 5;
const PROT_ALL = 7;

export class GoferMapping implements Mappable {
  private readonly inode: GoferInode;
  private readonly mappings: MappingList = new MappingList();

  constructor(inode: GoferInode) {
    this.inode = inode;
  }

  translate(offset: number, len: number, write: boolean, out: Translation): number {
    const { inode } = this;
    // Pages beyond the end are SIGBUS, also on the host: what is mapped too far does no harm.
    let end = roundUp(inode.attr.size);
    if (inode.isStale || inode.gofer.isShared || offset >= end) {
      const err = inode.refresh();
      if (err < 0) return err;
      end = roundUp(inode.attr.size);
    }
    if (offset >= end) return -EFAULT;
    const handle = inode.getHandle(write);
    if (typeof handle === "number") return handle;
    if (handle.isWritable) inode.isStale = true;
    out.file = handle;
    out.offset = offset;
    out.len = Math.min(Math.max(roundUp(len), PAGE_SIZE), end - offset);
    out.maxProt = handle.isWritable ? PROT_ALL : PROT_READ_EXEC;
    return 0;
  }

  addMapping(owner: MappingOwner, addr: number, len: number, offset: number, isWritable: boolean): void {
    this.mappings.add(owner, addr, len, offset, isWritable);
    this.inode.incUsers();
  }

  removeMapping(owner: MappingOwner, addr: number, len: number, offset: number, isWritable: boolean): void {
    if (this.mappings.remove(owner, addr, len, offset, isWritable)) this.inode.decUsers();
  }

  syncRange(_offset: number, _len: number): number {
    const handle = this.inode.writer;
    return handle === null ? 0 : this.inode.gofer.host.fdatasync(handle.fd);
  }

  /** The file is `size` bytes long now: what lies beyond is no longer mapped (private copies included). */
  truncated(size: number): void {
    this.mappings.invalidate(this, roundUp(size), Infinity);
  }
}

function roundUp(size: number): number {
  return Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
}
