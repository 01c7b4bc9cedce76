/** File locks: flock(2), POSIX record locks and open file description locks (fcntl(2)). */
import { EAGAIN, EDEADLK } from "../../abi/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from "../../abi/fcntl.ts";
import { EV_IN, WaitQueue } from "../../base/waiter.ts";

/** One held record lock: bytes [start, end); end is Infinity for "to the end of the file". */
export class RecordLock {
  /** The FdTable (POSIX) or FileDescription (OFD) that owns it. */
  owner: object;
  /** The open file description that it was set through. */
  file: object;
  /** Process id shown by F_GETLK; -1 for OFD locks. */
  pid: number;
  start: number;
  end: number;
  /** F_RDLCK or F_WRLCK. */
  type: number;
  constructor(owner: object, pid: number, type: number, start: number, end: number, file: object) {
    this.owner = owner;
    this.file = file;
    this.pid = pid;
    this.type = type;
    this.start = start;
    this.end = end;
  }
}

/** Who waits for whom with F_SETLKW, for EDEADLK: POSIX owner -> owner of the lock that blocks it. */
const waitingFor: Map<object, object> = new Map();

/** All locks of one inode. */
export class FileLocks {
  /** flock: owner is a FileDescription. */
  private flockOwners: Map<object, number> = new Map();
  /** Record locks, sorted by start within the list of each owner's (all in one list). */
  records: RecordLock[] = [];
  /** Notified whenever a lock goes away: blocked callers try again. */
  readonly queue: WaitQueue = new WaitQueue();

  /** flock(2): op is LOCK_SH, LOCK_EX or LOCK_UN. 0, or -EAGAIN when it would block (an old lock being converted is lost then, as in Linux). */
  flock(owner: object, op: number): number {
    const held = this.flockOwners.get(owner);
    if (op === LOCK_UN) {
      if (held !== undefined) {
        this.flockOwners.delete(owner);
        this.queue.notify(EV_IN);
      }
      return 0;
    }
    if (held === op) return 0;
    if (held !== undefined) {
      this.flockOwners.delete(owner);
      this.queue.notify(EV_IN);
    }
    for (const [o, type] of this.flockOwners) {
      if (o !== owner && (type === LOCK_EX || op === LOCK_EX)) return -EAGAIN;
    }
    this.flockOwners.set(owner, op === LOCK_SH ? LOCK_SH : LOCK_EX);
    return 0;
  }

  /** F_GETLK: the first lock that conflicts, or null. */
  test(owner: object, type: number, start: number, end: number): RecordLock | null {
    for (const l of this.records) {
      if (l.owner === owner || l.start >= end || l.end <= start) continue;
      if (type === F_WRLCK || l.type === F_WRLCK) return l;
    }
    return null;
  }

  /**
   * F_SETLK: sets, changes or removes (F_UNLCK) the owner's lock on [start, end). 0, or -EAGAIN when another owner's lock
   * conflicts: a caller that waits (F_SETLKW) does so on `queue`, after `deadlock` said 0.
   */
  set(owner: object, pid: number, type: number, start: number, end: number, file: object = owner): number {
    if (type !== F_UNLCK && this.test(owner, type, start, end) !== null) return -EAGAIN;
    const old = this.records;
    const kept: RecordLock[] = [];
    let freed = false;
    let newStart = start;
    let newEnd = end;
    for (const l of old) {
      if (l.owner !== owner) {
        kept.push(l);
      } else if (type !== F_UNLCK && l.type === type && l.start <= newEnd && l.end >= newStart) {
        // Adjacent or overlapping with the same type: becomes one.
        if (l.start < newStart) newStart = l.start;
        if (l.end > newEnd) newEnd = l.end;
      } else if (l.start < end && l.end > start) {
        // What sticks out on either side stays.
        freed = true;
        if (l.start < start) kept.push(new RecordLock(owner, l.pid, l.type, l.start, start, l.file));
        if (l.end > end) kept.push(new RecordLock(owner, l.pid, l.type, end, l.end, l.file));
      } else {
        kept.push(l);
      }
    }
    if (type !== F_UNLCK)
      kept.push(new RecordLock(owner, pid, type === F_RDLCK ? F_RDLCK : F_WRLCK, newStart, newEnd, file));
    kept.sort(byStart);
    this.records = kept;
    if (freed) this.queue.notify(EV_IN);
    return 0;
  }

  /**
   * A POSIX owner is about to wait for a lock: notes whom it waits for. -EDEADLK when that one (transitively) waits for
   * it. Whoever stops waiting calls {@link stopWaiting}.
   */
  deadlock(owner: object, type: number, start: number, end: number): number {
    const l = this.test(owner, type, start, end);
    if (l === null) return 0;
    let o: object | undefined = l.owner;
    for (let i = 0; o !== undefined && i < 10000; i++) {
      if (o === owner) return -EDEADLK;
      o = waitingFor.get(o);
    }
    waitingFor.set(owner, l.owner);
    return 0;
  }

  /** Releases everything a closed file description held: its flock and OFD locks. */
  releaseFile(file: object): void {
    const had = this.flockOwners.delete(file);
    if (!this.removeRecords(file) && had) this.queue.notify(EV_IN);
  }

  /** close(2) by a process drops all its POSIX locks on the file. */
  releaseOwner(owner: object): void {
    this.removeRecords(owner);
  }

  private removeRecords(owner: object): boolean {
    let n = 0;
    for (const l of this.records) if (l.owner === owner) n++;
    if (n === 0) return false;
    this.records = this.records.filter((l) => l.owner !== owner);
    this.queue.notify(EV_IN);
    return true;
  }

  /** flock type held by `owner` (LOCK_SH, LOCK_EX) or 0; for /proc/locks. */
  flockHeld(owner: object): number {
    return this.flockOwners.get(owner) ?? 0;
  }
}

/** The owner got its lock or gave up. */
export function stopWaiting(owner: object): void {
  waitingFor.delete(owner);
}

function byStart(a: RecordLock, b: RecordLock): number {
  return a.start - b.start;
}
