/** The memory store of production: a memfd and one window onto all of it. */
import { ENOMEM } from "../../abi/errno.ts";
import { HSTAT_BLOCKS, HSTAT_LEN } from "../../host/host.ts";
import type { Host } from "../../host/host.ts";
import type { HostBacking } from "../../platform/platform.ts";
import type { MemoryStore } from "./memory-file.ts";
import { WIDE } from "../../base/wide.ts";

const MFD_CLOEXEC = 1;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const AT_EMPTY_PATH = 0x1000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Most pieces of a range that are looked at one by one. */
const MAX_PIECES = 256;

const stat = new Float64Array(HSTAT_LEN);

/** A memfd of a fixed, sparse size, mapped as a whole. */
export class HostMemoryStore implements MemoryStore {
  readonly backing: HostBacking;
  readonly window: Uint8Array;
  readonly ram: number = WIDE;
  readonly hugeSize: number = 0;
  private readonly host: Host;
  private readonly buffer: ArrayBuffer;

  private constructor(host: Host, fd: number, window: ArrayBuffer, hugeSize: number) {
    this.host = host;
    this.buffer = window;
    this.hugeSize = hugeSize;
    this.backing = { fd, platformFd: -1 };
    this.window = new Uint8Array(window);
    this.ram = host.sysinfoTotalRam();
  }

  /** `size`: a page multiple, up to 1 TiB. `hugeSize`: {@link MemoryStore.hugeSize}. Or -errno. */
  static create(host: Host, name: string, size: number, hugeSize = 0): HostMemoryStore | number {
    const fd = host.memfdCreate(name, MFD_CLOEXEC);
    if (fd < 0) return fd;
    const r = host.ftruncate(fd, size);
    const window = r < 0 ? r : host.mapWindow(fd, size);
    if (typeof window === "number") {
      host.close(fd);
      return window < 0 ? window : -ENOMEM;
    }
    return new HostMemoryStore(host, fd, window, hugeSize);
  }

  punch(offset: number, len: number): number {
    return this.host.fallocate(this.backing.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
  }

  adviseHuge(offset: number, len: number): void {
    // A hint: that it cannot be had does not matter.
    this.host.adviseHuge(this.buffer, offset, len);
  }

  forget(a: Int32Array | Uint8Array, from: number, to: number): void {
    const size = a.BYTES_PER_ELEMENT;
    if (this.host.forget(a.buffer as ArrayBuffer, a.byteOffset + from * size, (to - from) * size) < 0)
      a.fill(0, from, to);
  }

  isHole(offset: number, len: number): boolean {
    return this.nextData(offset) >= offset + len;
  }

  nextData(offset: number): number {
    // Without data behind `offset` it is an error.
    const data = this.host.lseek(this.backing.fd, offset, SEEK_DATA);
    return data < 0 ? Infinity : data;
  }

  nextHole(offset: number): number {
    const hole = this.host.lseek(this.backing.fd, offset, SEEK_HOLE);
    return hole < 0 ? Infinity : hole;
  }

  /** Of a range in very many pieces the rest is estimated from its beginning. */
  committed(offset: number, len: number): number {
    const { fd } = this.backing;
    const end = offset + len;
    let sum = 0;
    let pos = offset;
    for (let i = 0; pos < end; i++) {
      if (i === MAX_PIECES) return sum + Math.round((end - pos) * (sum / (pos - offset)));
      const data = this.host.lseek(fd, pos, SEEK_DATA);
      if (data < 0 || data >= end) break;
      const hole = this.host.lseek(fd, data, SEEK_HOLE);
      if (hole < 0) break;
      sum += Math.min(hole, end) - data;
      pos = hole;
    }
    return sum;
  }

  committedTotal(): number {
    return this.host.fstatat(this.backing.fd, "", AT_EMPTY_PATH, stat) < 0 ? 0 : stat[HSTAT_BLOCKS]! * 512;
  }
}
