/**
 * The host interface on Linux: the addon's functions, which follow the conventions of host.ts already. Only what is
 * cheaper to prepare in TypeScript is wrapped here.
 */
import { loadAddon } from "./addon.unsafe.ts";
import type { Host, IoVec } from "./host.ts";

/** The functions whose signature in the addon differs from the one in {@link Host}. */
interface NativeDifferences {
  /** `ranges`: off,len pairs; `bufs`: one array that all of them lie in, or one for each. */
  readv(
    fd: number,
    bufs: Uint8Array | Uint8Array[],
    ranges: Float64Array,
    count: number,
    pos: number,
    flags: number,
  ): number;
  writev(
    fd: number,
    bufs: Uint8Array | Uint8Array[],
    ranges: Float64Array,
    count: number,
    pos: number,
    flags: number,
  ): number;
}

type Native = Omit<Host, keyof NativeDifferences> & NativeDifferences;

/** UIO_MAXIOV: more ranges than this are left for the next call, as a short transfer. */
const IOV_MAX = 1024;

/** Ranges of the call under way; no call is re-entered. */
const ranges: Float64Array = new Float64Array(2 * IOV_MAX);

/** Fills {@link ranges}; returns the buffers as the addon wants them. */
function prepare(io: IoVec, count: number): Uint8Array | Uint8Array[] {
  const bufs = io.bufs;
  const first = bufs[0]!;
  let isOne = true;
  for (let i = 0; i < count; i++) {
    ranges[2 * i] = io.offs[i]!;
    ranges[2 * i + 1] = io.lens[i]!;
    if (bufs[i] !== first) isOne = false;
  }
  return isOne ? first : bufs;
}

function makeHost(): Host {
  const native = loadAddon<Native>();
  return {
    ...native,
    readv(fd: number, io: IoVec, pos: number, flags: number): number {
      const count = Math.min(io.count, IOV_MAX);
      if (count === 0) return 0;
      if (count === 1 && flags === 0) {
        if (pos === -1) return native.read(fd, io.bufs[0]!, io.offs[0]!, io.lens[0]!);
        return native.pread(fd, io.bufs[0]!, io.offs[0]!, io.lens[0]!, pos);
      }
      return native.readv(fd, prepare(io, count), ranges, count, pos, flags);
    },
    writev(fd: number, io: IoVec, pos: number, flags: number): number {
      const count = Math.min(io.count, IOV_MAX);
      if (count === 0) return 0;
      if (count === 1 && flags === 0) {
        if (pos === -1) return native.write(fd, io.bufs[0]!, io.offs[0]!, io.lens[0]!);
        return native.pwrite(fd, io.bufs[0]!, io.offs[0]!, io.lens[0]!, pos);
      }
      return native.writev(fd, prepare(io, count), ranges, count, pos, flags);
    },
  };
}

let host: Host | undefined;

/** The host; the addon is loaded at the first call. */
export function linuxHost(): Host {
  host ??= makeHost();
  return host;
}
