/**
 * Whether new private memory gets its pages with the mapping or at its first touch.
 *
 * Most programs touch what they map: then pages at once save a fault, which costs half as much again. Those that map more than
 * they use save the host's share of each mapping, most of what it costs, and one fault brings all neighbours. So now and then
 * a mapping is left without, and looked at when the next one's turn comes.
 */
import type { MemoryManager } from "./mm.ts";
import { WIDE } from "../../base/wide.ts";

/** Mappings from one trial to the next: at first, and at most, when trials find memory touched. */
const INTERVAL = 16;
const MOST_INTERVAL = 1024;
/** So many trials in a row must find it untouched. */
const TRIALS = 3;
/** Faults between two looks until pages come with the mapping again. */
const FAULTS = 3;

/** That of one address space. */
export class Eagerness {
  private isLazy = false;
  /** Mappings until the next look, and the interval of looks. */
  private left: number = INTERVAL;
  private interval: number = INTERVAL;
  /** The mapping that was left without pages. */
  private trial: number = WIDE;
  private hasTrial = false;
  private untouched = 0;
  private faults = 0;

  /** Whether the mapping that begins at `start` gets its pages now. @hot */
  wantsPages(mm: MemoryManager, start: number): boolean {
    if (--this.left > 0) return !this.isLazy;
    this.faults = 0;
    if (this.isLazy) {
      this.left = INTERVAL;
      return false;
    }
    if (this.hasTrial && mm.vmas.find(this.trial) !== null) this.judge(mm.pmas.find(this.trial) !== null);
    this.left = this.interval;
    this.trial = start;
    this.hasTrial = true;
    return false;
  }

  private judge(isTouched: boolean): void {
    if (isTouched) {
      this.untouched = 0;
      this.interval = Math.min(2 * this.interval, MOST_INTERVAL);
      return;
    }
    this.interval = INTERVAL;
    this.isLazy = ++this.untouched >= TRIALS;
  }

  /** Memory without pages is touched. */
  noteFault(): void {
    if (!this.isLazy || ++this.faults < FAULTS) return;
    this.isLazy = false;
    this.untouched = 0;
    this.hasTrial = false;
  }
}
