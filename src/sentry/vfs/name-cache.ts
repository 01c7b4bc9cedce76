/**
 * Names that nobody has used for a minute or two leave memory, where there are many. Linux keeps them until memory runs
 * short; nobody tells us when it does on the host, where others want it too.
 */
import type { FileSystem } from "./filesystem.ts";

/** One file system may keep so many for ever. */
export const KEPT_NAMES = 16384;
/** A part of the names is looked at so often, */
const TICK_NS = 1e9;
/** and so all of them. Those that were not used since the last time go. */
const TICKS_PER_CYCLE = 60;
/** Garbage of so many names is worth a collection. */
const MANY_NAMES = 4096;

/** Runs `tick` once, after `ns`. */
export type Later = (ns: number, tick: () => void) => void;

export class NameCache {
  /** Set by whoever has timers. */
  later: Later | null = null;
  /** Told that much of what was remembered is garbage now. */
  onGarbage: (() => void) | null = null;
  /** File systems that have names. */
  private readonly caches: Set<FileSystem> = new Set();
  private isAging = false;
  private dropped = 0;

  add(fs: FileSystem): void {
    this.caches.add(fs);
  }

  remove(fs: FileSystem): void {
    this.caches.delete(fs);
  }

  /** A file system has more names than are kept for ever. */
  age(): void {
    if (this.isAging || this.later === null) return;
    this.isAging = true;
    this.later(TICK_NS, this.tick);
  }

  /** Drops what nobody has in use. */
  dropAll(): void {
    for (const fs of this.caches) fs.dropCaches();
    this.onGarbage?.();
  }

  private readonly tick = (): void => {
    this.isAging = false;
    let isMore = false;
    for (const fs of this.caches) {
      if (fs.dentryCount <= KEPT_NAMES) continue;
      isMore = true;
      this.dropped += fs.ageNames(Math.ceil(fs.dentryCount / TICKS_PER_CYCLE));
    }
    if (isMore) this.age();
    if (this.dropped < MANY_NAMES || isMore) return;
    this.dropped = 0;
    this.onGarbage?.();
  };
}
