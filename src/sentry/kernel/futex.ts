/**
 * Futex wait queues: futex(2), futex(7). A waiter is known by the identity of the word (mm.futexLocate), so a private
 * word of one address space and a shared word seen at two addresses both work.
 *
 * The waiter object is the waiting task's own (one per task): waiting allocates nothing after the first time.
 *
 * A real-time priority (sched(7)) comes before a lower one and before none; among equals the oldest is first. The owner of a
 * lock that itself waits for one does so with the priority of whoever waits for it.
 */
import { EINVAL } from "../../abi/errno.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { FutexLocation } from "../mm/mm.ts";
import type { Task } from "./task.ts";

/** A thread's place in a queue. */
export class FutexWaiter {
  readonly task: Task;
  bucket: FutexBucket | null = null;
  prev: FutexWaiter | null = null;
  next: FutexWaiter | null = null;
  /** Wake-ups must meet it (FUTEX_WAIT_BITSET), unsigned. */
  bitset = 0;
  /** Taken off the queue by a wake-up (as opposed to a time-out or signal). */
  woken = false;
  /** Waits for a lock with an owner (FUTEX_LOCK_PI), which FUTEX_WAKE does not give away. */
  isPi = false;
  /** Who has that lock. */
  piOwner: Task | null = null;
  /** What places it in the queue: the task's real-time priority when it came, 0 for none, or what it has inherited. */
  priority = 0;
  /** The word of that lock as the waiter sees it. */
  piAddr = 0;
  /** FUTEX_WAIT_REQUEUE_PI: identity of the lock it is to be moved to; -1: not such a wait. */
  requeueId = -1;
  requeueOffset = 0;

  constructor(task: Task) {
    this.task = task;
  }
}

/** All waiters of one word, in the order in which they are served. */
export class FutexBucket {
  readonly id: number;
  readonly offset: number;
  head: FutexWaiter | null = null;
  tail: FutexWaiter | null = null;
  nextInChain: FutexBucket | null = null;

  constructor(id: number, offset: number) {
    this.id = id;
    this.offset = offset;
  }
}

/** Size of the hash table; a power of two. */
const HASH_SIZE = 1024;

/** See the header. */
export class FutexTable {
  private readonly chains: (FutexBucket | null)[] = new Array<FutexBucket | null>(HASH_SIZE).fill(null);
  private readonly here: FutexLocation = new FutexLocation();
  private readonly there: FutexLocation = new FutexLocation();
  /** All waiters for locks with an owner: few, and looked at when a thread ends or passes a priority on. */
  readonly piWaiters: Set<FutexWaiter> = new Set();

  /** Queues `w` for the word at `addr`. 0 or -errno. Precondition: `w` is not queued. */
  enqueue(mm: MemoryManager, addr: number, shared: boolean, w: FutexWaiter, bitset: number): number {
    const err = mm.futexLocate(addr, shared, this.here);
    if (err !== 0) return err;
    w.bitset = bitset;
    w.woken = false;
    w.priority = w.task.schedPriority;
    this.insert(this.bucket(this.here.id, this.here.offset), w);
    return 0;
  }

  /** Takes `w` off its queue; no effect when it is on none. */
  remove(w: FutexWaiter): void {
    const b = w.bucket;
    if (b === null) return;
    const owner = w.piOwner;
    if (w.isPi) {
      this.piWaiters.delete(w);
      w.isPi = false;
      w.piOwner = null;
    }
    w.requeueId = -1;
    this.unlink(b, w);
    if (b.head === null) this.drop(b);
    if (owner !== null && w.priority > 0) this.inherit(owner);
  }

  /** FUTEX_WAKE: wakes up to `most` waiters whose bitset meets `bitset`. How many, or -errno. */
  wake(mm: MemoryManager, addr: number, shared: boolean, most: number, bitset: number): number {
    const err = mm.futexLocate(addr, shared, this.here);
    if (err !== 0) return err;
    return this.wakeBucket(this.find(this.here.id, this.here.offset), most, bitset);
  }

  /** Wakes waiters of the word, whether they gave a private or a shared key (thread exit, robust lists). */
  wakeAddr(mm: MemoryManager, addr: number, most: number): void {
    const n = this.wake(mm, addr, false, most, 0xffffffff);
    if (n < most) this.wake(mm, addr, true, most - Math.max(n, 0), 0xffffffff);
  }

  /** Whether both words can be waited for, before anything is done with them. 0 or -errno. */
  check(mm: MemoryManager, addr: number, addr2: number, shared: boolean): number {
    const err = mm.futexLocate(addr, shared, this.here);
    return err !== 0 ? err : mm.futexLocate(addr2, shared, this.there);
  }

  /** FUTEX_REQUEUE: wakes `nrWake`, moves up to `nrMove` of the rest to addr2. Woken + moved, or -errno. */
  requeue(mm: MemoryManager, addr: number, addr2: number, shared: boolean, nrWake: number, nrMove: number): number {
    let err = mm.futexLocate(addr, shared, this.here);
    if (err !== 0) return err;
    err = mm.futexLocate(addr2, shared, this.there);
    if (err !== 0) return err;
    const from = this.find(this.here.id, this.here.offset);
    if (from === null) return 0;
    let n = this.wakeBucket(from, nrWake, 0xffffffff);
    if (n < 0) return n;
    if (this.here.id === this.there.id && this.here.offset === this.there.offset) {
      // The same word: counted, not moved.
      for (let w = from.head, i = 0; w !== null && i < nrMove; w = w.next, i++) n++;
      return n;
    }
    let moved = 0;
    for (let w = from.head; w !== null && moved < nrMove; moved++) {
      const next: FutexWaiter | null = w.next;
      if (w.isPi || w.requeueId >= 0) return -EINVAL;
      this.remove(w);
      this.insert(this.bucket(this.there.id, this.there.offset), w);
      w = next;
    }
    return n + moved;
  }

  private wakeBucket(b: FutexBucket | null, most: number, bitset: number): number {
    if (b === null) return 0;
    let n = 0;
    for (let w = b.head; w !== null && n < most;) {
      const next: FutexWaiter | null = w.next;
      // Whoever waits for ownership is not to be woken without.
      if (w.isPi || w.requeueId >= 0) return -EINVAL;
      if ((w.bitset & bitset) !== 0) {
        this.remove(w);
        w.woken = true;
        w.task.wake();
        n++;
      }
      w = next;
    }
    return n;
  }

  /** A queued waiter waits for a lock of `owner` whose word it sees at `addr`. */
  markPi(w: FutexWaiter, owner: Task, addr: number): void {
    w.isPi = true;
    w.piOwner = owner;
    w.piAddr = addr;
    this.piWaiters.add(w);
    if (w.priority > 0) this.inherit(owner);
  }

  /** Whether `task`, or whoever has the lock that it waits for, and so on, waits for a lock of `owner`. */
  isWaitingFor(task: Task, owner: Task): boolean {
    let at: Task | null = task;
    while (at !== null && at !== owner) at = at.futexWaiter.piOwner;
    return at === owner;
  }

  /** A task's priority may be another: its place among those that wait for a lock, and that of the lock's owner, follow. */
  inherit(task: Task): void {
    for (let at: Task | null = task; at !== null;) {
      const w: FutexWaiter = at.futexWaiter;
      const b = w.bucket;
      if (b === null || !w.isPi) return;
      let priority = at.schedPriority;
      for (const o of this.piWaiters) if (o.piOwner === at && o.priority > priority) priority = o.priority;
      if (priority === w.priority) return;
      w.priority = priority;
      this.unlink(b, w);
      this.insert(b, w);
      at = w.piOwner;
    }
  }

  /** Wakes a waiter for a lock, which is its from now on; the others of the word wait for the new owner. */
  handOver(w: FutexWaiter): void {
    for (let o = w.bucket === null ? null : w.bucket.head; o !== null; o = o.next) if (o.isPi) o.piOwner = w.task;
    w.piOwner = null;
    this.remove(w);
    w.woken = true;
    w.task.wake();
  }

  /** FUTEX_WAIT_REQUEUE_PI: marks a queued waiter as one for the lock at `addr`. 0 or -errno. */
  markRequeue(w: FutexWaiter, mm: MemoryManager, addr: number, shared: boolean): number {
    const err = mm.futexLocate(addr, shared, this.there);
    if (err !== 0) return err;
    if (w.bucket !== null && w.bucket.id === this.there.id && w.bucket.offset === this.there.offset) return -EINVAL;
    w.requeueId = this.there.id;
    w.requeueOffset = this.there.offset;
    w.piAddr = addr;
    return 0;
  }

  /** The first waiter at `addr`, if all there are for the lock at `addr2`; null: none; -EINVAL. */
  firstForLock(mm: MemoryManager, addr: number, addr2: number, shared: boolean): FutexWaiter | null | number {
    let err = mm.futexLocate(addr, shared, this.here);
    if (err !== 0) return err;
    err = mm.futexLocate(addr2, shared, this.there);
    if (err !== 0) return err;
    if (this.here.id === this.there.id && this.here.offset === this.there.offset) return -EINVAL;
    const b = this.find(this.here.id, this.here.offset);
    const w = b === null ? null : b.head;
    if (w === null) return null;
    return w.requeueId === this.there.id && w.requeueOffset === this.there.offset ? w : -EINVAL;
  }

  /** Moves a waiter found by firstForLock to that lock, which `owner` has. */
  moveToLock(w: FutexWaiter, owner: Task): void {
    const { requeueId, requeueOffset, piAddr } = w;
    this.remove(w);
    this.insert(this.bucket(requeueId, requeueOffset), w);
    this.markPi(w, owner, piAddr);
  }

  /** The first PI waiter of a word, or null. */
  firstPi(mm: MemoryManager, addr: number, shared: boolean): FutexWaiter | null {
    if (mm.futexLocate(addr, shared, this.here) !== 0) return null;
    const b = this.find(this.here.id, this.here.offset);
    for (let w = b === null ? null : b.head; w !== null; w = w.next) if (w.isPi) return w;
    return null;
  }

  /** Whether nobody is served before it among those who wait for its lock. */
  isFirst(w: FutexWaiter): boolean {
    let before = w.prev;
    while (before !== null && !before.isPi) before = before.prev;
    return before === null;
  }

  /** Behind those of its priority. */
  private insert(b: FutexBucket, w: FutexWaiter): void {
    let before = b.tail;
    while (before !== null && before.priority < w.priority) before = before.prev;
    const after = before === null ? b.head : before.next;
    w.bucket = b;
    w.prev = before;
    w.next = after;
    if (before !== null) before.next = w;
    else b.head = w;
    if (after !== null) after.prev = w;
    else b.tail = w;
  }

  private unlink(b: FutexBucket, w: FutexWaiter): void {
    if (w.prev !== null) w.prev.next = w.next;
    else b.head = w.next;
    if (w.next !== null) w.next.prev = w.prev;
    else b.tail = w.prev;
    w.bucket = null;
    w.prev = null;
    w.next = null;
  }

  private slot(id: number, offset: number): number {
    // Offsets are multiples of 4 up to 2^47: both halves count.
    const hi = Math.floor(offset / 4294967296);
    let h = Math.imul((offset >>> 2) ^ Math.imul(hi, 0x9e3779b1) ^ Math.imul(id, 0x85ebca6b), 0x9e3779b1);
    h ^= h >>> 15;
    return h & (HASH_SIZE - 1);
  }

  private find(id: number, offset: number): FutexBucket | null {
    for (let b: FutexBucket | null = this.chains[this.slot(id, offset)]!; b !== null; b = b.nextInChain) {
      if (b.id === id && b.offset === offset) return b;
    }
    return null;
  }

  private bucket(id: number, offset: number): FutexBucket {
    const found = this.find(id, offset);
    if (found !== null) return found;
    const b = new FutexBucket(id, offset);
    const i = this.slot(id, offset);
    b.nextInChain = this.chains[i]!;
    this.chains[i] = b;
    return b;
  }

  private drop(b: FutexBucket): void {
    const i = this.slot(b.id, b.offset);
    let p: FutexBucket | null = this.chains[i]!;
    if (p === b) {
      this.chains[i] = b.nextInChain;
      return;
    }
    while (p !== null && p.nextInChain !== b) p = p.nextInChain;
    if (p !== null) p.nextInChain = b.nextInChain;
  }
}
