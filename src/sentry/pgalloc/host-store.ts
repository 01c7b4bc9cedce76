/** The memory store of production: a memfd and one window onto all of it. */
import { ENOMEM } from "../../abi/errno.ts";
import type { Host } from "../../host/host.ts";
import type { HostBacking } from "../../platform/platform.ts";
import type { MemoryStore } from "./memory-file.ts";

const MFD_CLOEXEC = 1;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/** A memfd of a fixed, sparse size, mapped as a whole. */
export class HostMemoryStore implements MemoryStore {
  readonly backing: HostBacking;
  readonly window: Uint8Array;
  private readonly host: Host;

  private constructor(host: Host, fd: number, window: ArrayBuffer) {
    this.host = host;
    this.backing = { fd, platformFd: -1 };
    this.window = new Uint8Array(window);
  }

  /** `size`: a page multiple, up to 1 TiB. Or -errno. */
  static create(host: Host, name: string, size: number): HostMemoryStore | number {
    const fd = host.memfdCreate(name, MFD_CLOEXEC);
    if (fd < 0) return fd;
    const r = host.ftruncate(fd, size);
    const window = r < 0 ? r : host.mapWindow(fd, size);
    if (typeof window === "number") {
      host.close(fd);
      return window < 0 ? window : -ENOMEM;
    }
    return new HostMemoryStore(host, fd, window);
  }

  punch(offset: number, len: number): number {
    return this.host.fallocate(this.backing.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
  }
}
