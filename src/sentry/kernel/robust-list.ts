/** Robust futexes of a thread that exits: get_robust_list(2). The list lives in guest memory and may be anything. */
import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, ROBUST_LIST_LIMIT } from "../../abi/futex.ts";
import type { Task } from "./task.ts";

/** Marks every lock that the thread holds as left by a dead owner and wakes one waiter of each. */
export function exitRobustList(t: Task): void {
  const head = t.robustList;
  if (head === 0) return;
  t.robustList = 0;
  const mm = t.mm;
  let entry = mm.readPtr(head);
  if (entry < 0 || mm.readI64(head + 8) !== 0) return;
  const offset = mm.value;
  const pendingEntry = mm.readPtr(head + 16);
  if (pendingEntry < 0) return;
  for (let i = 0; i < ROBUST_LIST_LIMIT; i++) {
    const addr = untag(entry);
    if (addr === head) break;
    const next = mm.readPtr(addr);
    // The pending entry is dealt with below, once.
    if (addr !== untag(pendingEntry)) markDead(t, addr + offset, isPi(entry));
    if (next < 0) break;
    entry = next;
  }
  if (pendingEntry !== 0) markDead(t, untag(pendingEntry) + offset, isPi(pendingEntry));
}

/**
 * Locks with an owner that others wait for: the first waiter of each has it now, and learns from FUTEX_OWNER_DIED that
 * nobody unlocked it.
 */
export function exitPiLocks(t: Task): void {
  const { futexes } = t.kernel;
  for (const w of futexes.piWaiters) {
    if (w.piOwner !== t || !futexes.isFirst(w)) continue;
    const { mm } = w.task;
    for (let i = 0; i < 16; i++) {
      if (mm.atomicLoad32(w.piAddr) !== 0) break;
      const word = mm.value;
      const owner = word & FUTEX_TID_MASK;
      if (owner !== t.tid && owner !== 0) break;
      const desired = (w.task.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED) >>> 0;
      if (mm.atomicCas32(w.piAddr, word, desired) !== 0) break;
      if (mm.value !== word) continue;
      futexes.handOver(w);
      break;
    }
  }
}

/** Bit 0 of an entry's address says that the futex is a PI one. */
function untag(entry: number): number {
  return entry % 2 === 1 ? entry - 1 : entry;
}

function isPi(entry: number): boolean {
  return entry % 2 === 1;
}

/** A PI lock keeps its waiters: {@link exitPiLocks} gives it to one of them. */
function markDead(t: Task, addr: number, pi: boolean): void {
  const mm = t.mm;
  if (!(addr > 0) || addr % 4 !== 0) return;
  for (let i = 0; i < 16; i++) {
    if (mm.atomicLoad32(addr) !== 0) return;
    const word = mm.value;
    if ((word & FUTEX_TID_MASK) !== t.tid) return;
    const desired = ((word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0;
    if (mm.atomicCas32(addr, word, desired) !== 0) return;
    if (mm.value === word) {
      if (!pi && (word & FUTEX_WAITERS) !== 0) t.kernel.futexes.wakeAddr(mm, addr, 1);
      return;
    }
  }
}
