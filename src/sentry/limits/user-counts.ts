/** What resource limits count for each user, not for each process: getrlimit(2) RLIMIT_NPROC, SIGPENDING, MSGQUEUE. */

/** So many users with nothing are remembered: an entry that comes and goes costs more than all else. */
const KEPT = 16;

/** Amounts by (real) user id. */
export class UserCounts {
  private readonly byUid: Map<number, number> = new Map();

  of(uid: number): number {
    return this.byUid.get(uid) ?? 0;
  }

  /** Adds `by`, which may be negative. */
  change(uid: number, by: number): void {
    const n = this.of(uid) + by;
    if (n > 0 || this.byUid.size <= KEPT) this.byUid.set(uid, n > 0 ? n : 0);
    else this.byUid.delete(uid);
  }
}
