/**
 * Wait queues: how anything that can become ready tells whoever waits for it.
 *
 * Await points: none; everything is synchronous. `notify` calls the listeners at once, so a listener must only take
 * notes (mark a task runnable, an epoll item ready), never run a system call attempt.
 */

/** Event bits, equal to poll(2)/epoll(7). */
export const EV_IN = 0x001;
export const EV_PRI = 0x002;
export const EV_OUT = 0x004;
export const EV_ERR = 0x008;
export const EV_HUP = 0x010;
export const EV_RDNORM = 0x040;
export const EV_RDBAND = 0x080;
export const EV_WRNORM = 0x100;
export const EV_WRBAND = 0x200;
export const EV_MSG = 0x400;
export const EV_RDHUP = 0x2000;
/** With other bits: whoever sleeps is to look again, but nobody gets a signal (O_ASYNC). */
export const EV_QUIET = 0x8000000;
export const EV_ALL = 0x7fffffff;

/** Who is told. */
export interface WaitListener {
  /** `events`: what happened (EV_*), `entry`: through which registration. */
  onEvent(events: number, entry: WaitEntry): void;
}

/** One registration of a listener on a queue: an intrusive list node, reusable after `remove`. */
export class WaitEntry {
  queue: WaitQueue | null = null;
  prev: WaitEntry | null = null;
  next: WaitEntry | null = null;
  mask = 0;
  listener: WaitListener;
  /** For the owner's use. */
  data: unknown = null;
  /** Exclusive entries are woken one at a time by notifyOne (EPOLLEXCLUSIVE, futex-like). */
  exclusive = false;
  constructor(listener: WaitListener) {
    this.listener = listener;
  }
}

/** A list of registrations. */
export class WaitQueue {
  head: WaitEntry | null = null;
  tail: WaitEntry | null = null;

  /** Appends an unregistered entry. */
  add(entry: WaitEntry, mask: number): void {
    entry.queue = this;
    entry.mask = mask | EV_ERR | EV_HUP;
    entry.prev = this.tail;
    entry.next = null;
    if (this.tail !== null) this.tail.next = entry;
    else this.head = entry;
    this.tail = entry;
  }

  /** Removes an entry; no effect when it is not on this queue. */
  remove(entry: WaitEntry): void {
    if (entry.queue !== this) return;
    if (entry.prev !== null) entry.prev.next = entry.next;
    else this.head = entry.next;
    if (entry.next !== null) entry.next.prev = entry.prev;
    else this.tail = entry.prev;
    entry.queue = null;
    entry.prev = null;
    entry.next = null;
  }

  get isEmpty(): boolean {
    return this.head === null;
  }

  /** Tells every listener whose mask meets `events`. Listeners may remove themselves (only themselves) meanwhile. */
  notify(events: number): void {
    let e = this.head;
    while (e !== null) {
      const next = e.next;
      if ((e.mask & events) !== 0) e.listener.onEvent(events, e);
      e = next;
    }
  }
}
