/**
 * Record locks of plain 9P clients (Tlock, Tgetlock), among the clients of one server. They are not host locks: the server is the only way to the files that its clients have.
 * Semantics of fcntl(2) POSIX locks; the owner is the pair (proc_id, client_id).
 */
import { EINVAL, ENOLCK } from "../../abi/errno.ts";
import { LOCK_TYPE_UNLCK, LOCK_TYPE_WRLCK } from "../wire/constants.ts";

/** A lock on bytes [start, end) of file `key`. */
export interface RecordLock {
  readonly key: string;
  readonly fid: number;
  readonly type: number;
  readonly start: number;
  readonly end: number;
  readonly procId: number;
  readonly clientId: string;
}

/** Most locks one server keeps. */
const MAX_LOCKS = 4096;

export class LockTable {
  #locks: RecordLock[] = [];

  /** The first lock of another owner that conflicts with `want`. */
  conflict(want: RecordLock): RecordLock | undefined {
    for (const lock of this.#locks) {
      if (lock.key !== want.key || isSameOwner(lock, want)) continue;
      if (lock.start >= want.end || want.start >= lock.end) continue;
      if (lock.type === LOCK_TYPE_WRLCK || want.type === LOCK_TYPE_WRLCK) return lock;
    }
    return undefined;
  }

  /** Sets or, with LOCK_TYPE_UNLCK, removes a lock, replacing what its owner had on the range. 0 or -errno; conflicts were ruled out. */
  set(want: RecordLock): number {
    if (want.end <= want.start) return -EINVAL;
    const kept: RecordLock[] = [];
    for (const lock of this.#locks) {
      if (lock.key !== want.key || !isSameOwner(lock, want) || lock.start >= want.end || want.start >= lock.end) {
        kept.push(lock);
        continue;
      }
      if (lock.start < want.start) kept.push({ ...lock, end: want.start });
      if (lock.end > want.end) kept.push({ ...lock, start: want.end });
    }
    if (want.type !== LOCK_TYPE_UNLCK) kept.push(want);
    if (kept.length > MAX_LOCKS) return -ENOLCK;
    this.#locks = kept;
    return 0;
  }

  /** Removes the locks that were taken through a fid: its client closed it. */
  dropFid(fid: number): void {
    this.#locks = this.#locks.filter((lock) => lock.fid !== fid);
  }

  clear(): void {
    this.#locks = [];
  }
}

function isSameOwner(a: RecordLock, b: RecordLock): boolean {
  return a.procId === b.procId && a.clientId === b.clientId;
}
