/**
 * An address space that is not there yet: execve loads the new program into one, and gives it the old program's host
 * address space (or a new one) when nothing can fail any more.
 */
import { EAGAIN } from "../../abi/errno.ts";
import type { AddressSpace, HostBacking } from "../../platform/platform.ts";

const MAP = 1;
const UNMAP = 2;
const PROTECT = 3;
const MOVE = 4;
const HUGE = 5;
const WORDS = 6;

/** Collects operations for {@link replay}; none takes effect. */
export class PendingSpace implements AddressSpace {
  owner: unknown = null;
  /** WORDS numbers for each operation: kind, address, length and up to three more. */
  private readonly ops: number[] = [];
  /** Of each operation; null for those without. */
  private readonly backings: (HostBacking | null)[] = [];

  get dirty(): boolean {
    return this.ops.length > 0;
  }

  mapFile(
    addr: number,
    len: number,
    backing: HostBacking,
    offset: number,
    prot: number,
    shared: boolean,
    populate: boolean,
  ): void {
    this.ops.push(MAP, addr, len, offset, prot, (shared ? 1 : 0) | (populate ? 2 : 0));
    this.backings.push(backing);
  }

  unmap(addr: number, len: number): void {
    this.ops.push(UNMAP, addr, len, 0, 0, 0);
    this.backings.push(null);
  }

  clear(): void {
    this.ops.length = 0;
    this.backings.length = 0;
  }

  protect(addr: number, len: number, prot: number): void {
    this.ops.push(PROTECT, addr, len, prot, 0, 0);
    this.backings.push(null);
  }

  adviseHuge(addr: number, len: number): void {
    this.ops.push(HUGE, addr, len, 0, 0, 0);
    this.backings.push(null);
  }

  move(oldAddr: number, len: number, newAddr: number): void {
    this.ops.push(MOVE, oldAddr, len, newAddr, 0, 0);
    this.backings.push(null);
  }

  /** Queues everything in a real address space, in order. */
  replay(to: AddressSpace): void {
    const { ops, backings } = this;
    for (let i = 0, k = 0; i < ops.length; i += WORDS, k++) {
      const addr = ops[i + 1]!;
      const len = ops[i + 2]!;
      switch (ops[i]!) {
        case MAP: {
          const flags = ops[i + 5]!;
          to.mapFile(addr, len, backings[k]!, ops[i + 3]!, ops[i + 4]!, (flags & 1) !== 0, (flags & 2) !== 0);
          break;
        }
        case UNMAP:
          to.unmap(addr, len);
          break;
        case HUGE:
          to.adviseHuge?.(addr, len);
          break;
        case PROTECT:
          to.protect(addr, len, ops[i + 3]!);
          break;
        default:
          to.move(addr, len, ops[i + 3]!);
      }
    }
  }

  flush(): number {
    return 0;
  }

  newContext(): number {
    return -EAGAIN;
  }

  release(): void {
    this.ops.length = 0;
    this.backings.length = 0;
  }
}
