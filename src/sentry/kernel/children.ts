/** The children of a process, so that waiting for one of many does not mean looking at all: wait(2). */
import type { ThreadGroup } from "./thread-group.ts";

/** Children in the order in which they came, and apart from that those that have something to report. */
export class Children {
  private readonly all: Set<ThreadGroup> = new Set();
  /** Those that ended, stopped or went on, by `childPlace`; some may have nothing to report any more. */
  private readonly changed: ThreadGroup[] = [];
  private lastPlace = 0;

  get size(): number {
    return this.all.size;
  }

  has(c: ThreadGroup): boolean {
    return this.all.has(c);
  }

  [Symbol.iterator](): SetIterator<ThreadGroup> {
    return this.all.values();
  }

  /** A new child, or one that lost its parent: behind the others. */
  add(c: ThreadGroup): void {
    c.childPlace = ++this.lastPlace;
    this.all.add(c);
    if (c.hasNews) this.changed.push(c);
  }

  delete(c: ThreadGroup): void {
    if (!this.all.delete(c)) return;
    const i = this.indexOf(c);
    if (this.changed[i] === c) this.changed.splice(i, 1);
  }

  /** The child has something to report now. */
  note(c: ThreadGroup): void {
    const i = this.indexOf(c);
    if (this.changed[i] !== c) this.changed.splice(i, 0, c);
  }

  /** The first child behind `after` (null: of all) that has something to report, or null. */
  nextChanged(after: ThreadGroup | null): ThreadGroup | null {
    const { changed } = this;
    let i = 0;
    if (after !== null) {
      i = this.indexOf(after);
      if (changed[i] === after) i++;
    }
    while (i < changed.length) {
      const c = changed[i]!;
      if (c.hasNews) return c;
      changed.splice(i, 1);
    }
    return null;
  }

  /** Where `c` is among the changed, or would be. */
  private indexOf(c: ThreadGroup): number {
    const { changed } = this;
    let low = 0;
    let high = changed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (changed[middle]!.childPlace < c.childPlace) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
