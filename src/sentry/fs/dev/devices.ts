/** Drivers of the memory devices: null(4), full(4), random(4). */
import { CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import { EFAULT, EINVAL, ENOSPC, EPERM } from "../../../abi/errno.ts";
import {
  RNDADDENTROPY,
  RNDADDTOENTCNT,
  RNDCLEARPOOL,
  RNDGETENTCNT,
  RNDRESEEDCRNG,
  RNDZAPENTCNT,
} from "../../../abi/ioctl.ts";
import { makedev } from "../../../abi/stat.ts";
import { EV_IN, EV_OUT, EV_RDNORM, EV_WRNORM } from "../../../base/waiter.ts";
import type { Mappable } from "../../memmap/memmap.ts";
import type { MemoryFile } from "../../pgalloc/memory-file.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { SpecialOpener, VirtualFileSystem } from "../../vfs/vfs.ts";
import { ZeroMemory } from "./zero-memory.ts";

export const MEM_MAJOR = 1;
export const NULL_MINOR = 3;
export const ZERO_MINOR = 5;
export const FULL_MINOR = 7;
export const RANDOM_MINOR = 8;
export const URANDOM_MINOR = 9;
export const TTY_MAJOR = 5;
export const PTMX_MINOR = 2;

/** Where random bytes come from. */
export interface RandomSource {
  /** Fills dst[off, off+len). */
  fill(dst: Uint8Array, off: number, len: number): void;
}

/** What the null, zero and full devices have in common: no position worth speaking of. */
abstract class MemDeviceFile extends FileDescription {
  override pread(seq: IoSequence, _off: number): number {
    return this.read(seq);
  }
  override pwrite(seq: IoSequence, _off: number): number {
    return this.write(seq);
  }
  override seek(_off: number, _whence: number): number {
    this.offset = 0;
    return 0;
  }
  override write(seq: IoSequence): number {
    const n = seq.remaining;
    seq.advance(n);
    return n;
  }
  /** All but the random devices never look at it. */
  override writeUnseen(len: number): number {
    return len;
  }
  override get canPoll(): boolean {
    return false;
  }
  override get takesNoWait(): boolean {
    return true;
  }
  override sync(): number {
    return -EINVAL;
  }
}

class NullFile extends MemDeviceFile {
  override get canSplice(): boolean {
    return false;
  }
  override get canSpliceInto(): boolean {
    return true;
  }
  override read(_seq: IoSequence): number {
    return 0;
  }
}

class ZeroFile extends MemDeviceFile {
  private readonly mem: MemoryFile | null;
  constructor(mem: MemoryFile | null) {
    super();
    this.mem = mem;
  }
  override read(seq: IoSequence): number {
    return seq.zero(seq.remaining);
  }
  override mappable(): Mappable | number {
    return this.mem === null ? super.mappable() : new ZeroMemory(this.mem);
  }
}

class FullFile extends MemDeviceFile {
  override get takesNoWait(): boolean {
    return false;
  }
  override get takesWriteFlags(): boolean {
    return false;
  }
  override get canSpliceInto(): boolean {
    return false;
  }
  override read(seq: IoSequence): number {
    return seq.zero(seq.remaining);
  }
  override write(_seq: IoSequence): number {
    return -ENOSPC;
  }
  override writeUnseen(_len: number): number {
    return -ENOSPC;
  }
}

const chunk: Uint8Array = new Uint8Array(4096);
/** Most bytes one read of a random device gives (32 MiB - 1, as in Linux). */
const RANDOM_MAX = 33554431;

class RandomFile extends MemDeviceFile {
  private readonly source: RandomSource;
  constructor(source: RandomSource) {
    super();
    this.source = source;
  }
  override read(seq: IoSequence): number {
    let left = seq.remaining < RANDOM_MAX ? seq.remaining : RANDOM_MAX;
    const total = left;
    while (left > 0) {
      const n = left < chunk.length ? left : chunk.length;
      this.source.fill(chunk, 0, n);
      seq.write(chunk, 0, n);
      left -= n;
    }
    return total;
  }
  override writeUnseen(_len: number): number {
    return -EFAULT;
  }
  override readiness(): number {
    return EV_IN | EV_OUT | EV_RDNORM | EV_WRNORM;
  }
  override get canPoll(): boolean {
    return true;
  }
  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    switch (request) {
      case RNDGETENTCNT:
        return ctx.mm.writeU32(arg, 256) < 0 ? -EFAULT : 0;
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDZAPENTCNT:
      case RNDCLEARPOOL:
      case RNDRESEEDCRNG:
        return ctx.pathContext.creds.hasCap(CAP_SYS_ADMIN) ? 0 : -EPERM;
      default:
        return -EINVAL;
    }
  }
}

/** One driver for all memory devices, told apart by the minor number. */
class MemDevices implements SpecialOpener {
  private readonly random: RandomSource;
  private readonly mem: MemoryFile | null;
  constructor(random: RandomSource, mem: MemoryFile | null) {
    this.random = random;
    this.mem = mem;
  }
  open(inode: Inode): FileDescription {
    switch (inode.rdev) {
      case makedev(MEM_MAJOR, ZERO_MINOR):
        return new ZeroFile(this.mem);
      case makedev(MEM_MAJOR, FULL_MINOR):
        return new FullFile();
      case makedev(MEM_MAJOR, RANDOM_MINOR):
      case makedev(MEM_MAJOR, URANDOM_MINOR):
        return new RandomFile(this.random);
      default:
        return new NullFile();
    }
  }
}

/** Registers null, zero, full, random and urandom, for device nodes on any file system. `mem`: for mappings of zero. */
export function registerMemDevices(vfs: VirtualFileSystem, random: RandomSource, mem: MemoryFile | null): void {
  const driver = new MemDevices(random, mem);
  for (const minor of [NULL_MINOR, ZERO_MINOR, FULL_MINOR, RANDOM_MINOR, URANDOM_MINOR]) {
    vfs.registerDevice(false, MEM_MAJOR, minor, driver);
  }
}
