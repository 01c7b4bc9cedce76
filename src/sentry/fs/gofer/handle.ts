/** Host fds that the gofer donated for regular files. */
import type { Host } from "../../../host/host.ts";
import { PAGE_SIZE } from "../../memmap/memmap.ts";
import type { MappedFile } from "../../memmap/memmap.ts";
import { PageCache } from "./page-cache.ts";
import type { PageSource } from "./page-cache.ts";

const pages = new PageCache();

/** Told before the fd of a mapped file is closed, so that the platform forgets it. */
export interface BackingKeeper {
  forgetBacking(backing: MappedFile["backing"]): void;
}

/**
 * One donated fd. It is the inode's as long as that keeps it, and the mappings' as long as they refer to pages of it; the
 * last one to go closes it. All transfers name their offset, so that every open of the file can share it.
 */
export class GoferHandle implements MappedFile, PageSource {
  readonly host: Host;
  readonly keeper: BackingKeeper | null;
  readonly backing: { readonly fd: number; platformFd: number };
  readonly isWritable: boolean;
  readonly window: Uint8Array | null = null;
  /** The inode's reference, and one for each mapped page (ranges are split and dropped piecemeal). */
  refs = 1;
  /** Nobody writes to the file for now: its pages may be kept. */
  private isSteady: boolean;

  /** `isSteady`: the caller says when that ends ({@link unsettle}). */
  constructor(host: Host, keeper: BackingKeeper | null, fd: number, isWritable: boolean, isSteady: boolean = false) {
    this.isSteady = isSteady;
    this.host = host;
    this.keeper = keeper;
    this.backing = { fd, platformFd: -1 };
    this.isWritable = isWritable;
  }

  get fd(): number {
    return this.backing.fd;
  }

  readAt(dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    if (this.isSteady && pages.serves(len, offset)) return pages.read(this, dst, dstOff, len, offset);
    return this.readHost(dst, dstOff, len, offset);
  }

  readHost(dst: Uint8Array, dstOff: number, len: number, offset: number): number {
    let done = 0;
    while (done < len) {
      const n = this.host.pread(this.fd, dst, dstOff + done, len - done, offset + done);
      if (n < 0) return done > 0 ? done : n;
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  /** Somebody may write to the file from now on. */
  unsettle(): void {
    if (!this.isSteady) return;
    this.isSteady = false;
    pages.forget(this);
  }

  writeAt(src: Uint8Array, srcOff: number, len: number, offset: number): number {
    return this.host.pwrite(this.fd, src, srcOff, len, offset);
  }

  incRef(_offset: number = 0, len: number = PAGE_SIZE): void {
    this.refs += len / PAGE_SIZE;
  }

  decRef(_offset: number = 0, len: number = PAGE_SIZE): void {
    this.refs -= len / PAGE_SIZE;
    if (this.refs > 0) return;
    this.unsettle();
    if (this.backing.platformFd >= 0 && this.keeper !== null) this.keeper.forgetBacking(this.backing);
    this.host.close(this.fd);
  }

  isExclusive(): boolean {
    return false;
  }
}
