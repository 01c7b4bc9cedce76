/**
 * Semaphore sets: semget(2), semop(2), semctl(2).
 *
 * A call that cannot go on is queued as a waiter; whoever changes the set performs on behalf of the waiters what has
 * become possible, in the order in which they came, waits for zero first. So nobody overtakes by being scheduled earlier.
 */
import { EAGAIN, EFBIG, EIDRM, EINVAL, ENOMEM, ENOSPC, ERANGE } from "../../abi/errno.ts";
import { IPC_NOWAIT, SEM_UNDO, SEMAEM, SEMID_DS_SIZE, SEMVMX } from "../../abi/ipc.ts";
import type { Credentials } from "../auth/credentials.ts";
import { columns, IpcObject, IpcRegistry, putLongs } from "./registry.ts";
import type { IpcEnv } from "./ipc.ts";

/** /proc/sys/kernel/sem: semaphores per set, of all sets, operations per call, sets. */
export const SEMMSL = 32000;
export const SEMMNS = 1024000000;
export const SEMOPM = 500;
export const SEMMNI = 32000;

/** Semaphores and undo entries that the Sentry keeps at most, of all sets and processes; beyond: ENOMEM. */
const KEPT_MAX = 8 * 1024 * 1024;

/** One struct sembuf. */
export interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

/** Who waits; the kernel's Task. */
export interface SemSleeper {
  wake(): void;
}

/** A call that waits. */
export class SemWaiter {
  readonly sleeper: SemSleeper;
  readonly ops: readonly SemOp[];
  readonly undo: UndoList | null;
  readonly pid: number;
  readonly alters: boolean;
  /** Which operation holds it up. */
  blockedOn: SemOp;
  /** Null: still waiting; else the call's result. */
  result: number | null = null;

  constructor(sleeper: SemSleeper, ops: readonly SemOp[], undo: UndoList | null, pid: number, blockedOn: SemOp) {
    this.sleeper = sleeper;
    this.ops = ops;
    this.undo = undo;
    this.pid = pid;
    this.alters = ops.some((o) => o.op !== 0);
    this.blockedOn = blockedOn;
  }
}

/** What SEM_UNDO will add when the process ends: per set, one adjustment per semaphore. */
export class UndoList {
  readonly bySet: Map<SemSet, Int32Array> = new Map();

  /** The entries for a set, or null when there is no room for more. */
  adjustments(set: SemSet): Int32Array | null {
    let a = this.bySet.get(set);
    if (a === undefined) {
      if (!set.table.keep(set.values.length)) return null;
      a = new Int32Array(set.values.length);
      this.bySet.set(set, a);
      set.undos.add(this);
    }
    return a;
  }
}

/** Result of an attempt that must wait; {@link SemSet.blocking} says what for. */
export const MUST_WAIT = 1;

/** See the header. */
export class SemSet extends IpcObject {
  readonly values: Int32Array;
  readonly pids: Int32Array;
  otime = 0;
  readonly undos: Set<UndoList> = new Set();
  private waiters: SemWaiter[] = [];
  /** Of the last attempt that gave MUST_WAIT. */
  blocking: SemOp | null = null;
  readonly table: SemTable;
  private readonly env: IpcEnv;

  constructor(table: SemTable, key: number, n: number, mode: number, creds: Credentials) {
    super(key, mode, creds);
    this.table = table;
    const { env } = table;
    this.env = env;
    this.values = new Int32Array(n);
    this.pids = new Int32Array(n);
    this.ctime = env.seconds();
  }

  /** Performs all of `ops` or none: 0, MUST_WAIT, -EAGAIN (IPC_NOWAIT), -ERANGE, -EFBIG, -ENOMEM. */
  perform(ops: readonly SemOp[], undo: UndoList | null, pid: number): number {
    const { values } = this;
    const adjust = undo === null ? null : undo.adjustments(this);
    if (undo !== null && adjust === null) return -ENOMEM;
    let r = 0;
    let done = 0;
    for (; done < ops.length; done++) {
      const o = ops[done]!;
      if (o.num >= values.length) {
        r = -EFBIG;
        break;
      }
      const now = values[o.num]!;
      if ((o.op === 0 && now !== 0) || now + o.op < 0) {
        this.blocking = o;
        r = (o.flags & IPC_NOWAIT) !== 0 ? -EAGAIN : MUST_WAIT;
        break;
      }
      if (now + o.op > SEMVMX) {
        r = -ERANGE;
        break;
      }
      if ((o.flags & SEM_UNDO) !== 0) {
        const back = adjust![o.num]! - o.op;
        if (back < -SEMAEM - 1 || back > SEMAEM) {
          r = -ERANGE;
          break;
        }
        adjust![o.num] = back;
      }
      values[o.num] = now + o.op;
    }
    if (r === 0) {
      for (const o of ops) this.pids[o.num] = pid;
      return 0;
    }
    while (done-- > 0) {
      const o = ops[done]!;
      values[o.num] = values[o.num]! - o.op;
      if ((o.flags & SEM_UNDO) !== 0) adjust![o.num] = adjust![o.num]! + o.op;
    }
    return r;
  }

  /** Values have changed: lets go on who can. */
  update(): void {
    for (;;) {
      let progress = false;
      for (const alters of [false, true]) {
        for (let i = 0; i < this.waiters.length; i++) {
          const w = this.waiters[i]!;
          if (w.alters !== alters) continue;
          const r = this.perform(w.ops, w.undo, w.pid);
          if (r === MUST_WAIT) {
            w.blockedOn = this.blocking!;
            continue;
          }
          this.waiters.splice(i, 1);
          i--;
          this.finish(w, r);
          if (r === 0 && alters) {
            progress = true;
            break;
          }
        }
        if (progress) break;
      }
      if (!progress) return;
    }
  }

  private finish(w: SemWaiter, r: number): void {
    if (r === 0) this.otime = this.env.seconds();
    w.result = r;
    w.sleeper.wake();
  }

  queue(w: SemWaiter): void {
    this.waiters.push(w);
  }

  /** The wait ends without success. */
  unqueue(w: SemWaiter): void {
    const i = this.waiters.indexOf(w);
    if (i >= 0) this.waiters.splice(i, 1);
  }

  /** GETNCNT, GETZCNT: how many calls semaphore `num` holds up by being too low, by not being zero. */
  countWaiters(num: number, zero: boolean): number {
    let n = 0;
    for (const w of this.waiters) if (w.blockedOn.num === num && (w.blockedOn.op === 0) === zero) n++;
    return n;
  }

  /** SETVAL and SETALL forget what was to be undone. */
  set(num: number, value: number, pid: number): void {
    this.values[num] = value;
    this.pids[num] = pid;
    for (const u of this.undos) u.bySet.get(this)![num] = 0;
  }

  /** IPC_RMID */
  dismantle(): void {
    for (const u of this.undos) {
      u.bySet.delete(this);
      this.table.forget(this.values.length);
    }
    this.undos.clear();
    const waiters = this.waiters;
    this.waiters = [];
    for (const w of waiters) this.finish(w, -EIDRM);
  }

  /** struct semid64_ds */
  write(v: DataView): void {
    this.writePerm(v, SEMID_DS_SIZE);
    putLongs(v, 48, this.otime, 0, this.ctime, 0, this.values.length);
  }
}

/** All sets. */
export class SemTable {
  readonly env: IpcEnv;
  readonly ids: IpcRegistry<SemSet> = new IpcRegistry(SEMMNI);
  /** Semaphores of all sets together. */
  total = 0;
  /** Numbers kept: semaphores and undo entries. */
  private kept = 0;

  constructor(env: IpcEnv) {
    this.env = env;
  }

  /** semget(2): id or -errno. */
  get(key: number, n: number, flags: number, creds: Credentials): number {
    if (n < 0 || n > SEMMSL) return -EINVAL;
    const found = this.ids.lookup(key, flags);
    if (typeof found === "number") return found;
    if (found !== undefined) return n > found.values.length ? -EINVAL : this.ids.open(found, flags, creds);
    if (n === 0) return -EINVAL;
    if (this.total + n > SEMMNS) return -ENOSPC;
    if (!this.keep(n)) return -ENOMEM;
    const id = this.ids.add(new SemSet(this, key, n, flags & 0o777, creds));
    if (id >= 0) this.total += n;
    else this.forget(n);
    return id;
  }

  /** Makes room for `n` numbers: whether there is any. */
  keep(n: number): boolean {
    if (this.kept + n > KEPT_MAX) return false;
    this.kept += n;
    return true;
  }

  forget(n: number): void {
    this.kept -= n;
  }

  remove(s: SemSet): void {
    this.ids.remove(s);
    this.total -= s.values.length;
    this.forget(s.values.length);
    s.dismantle();
  }

  /** A process ends: its SEM_UNDO operations are taken back, as far as values may go. */
  exit(undo: UndoList, pid: number): void {
    for (const [set, adjust] of undo.bySet) {
      set.undos.delete(undo);
      this.forget(adjust.length);
      for (let i = 0; i < adjust.length; i++) {
        if (adjust[i] === 0) continue;
        set.values[i] = Math.max(0, Math.min(SEMVMX, set.values[i]! + adjust[i]!));
        set.pids[i] = pid;
      }
      set.otime = this.env.seconds();
      set.update();
    }
    undo.bySet.clear();
  }

  /** struct seminfo: 40 bytes. `used`: SEM_INFO. */
  writeInfo(v: DataView, used: boolean): void {
    const fields = [SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, 20, SEMVMX, SEMAEM];
    if (used) {
      fields[7] = this.ids.size;
      fields[9] = this.total;
    }
    for (let i = 0; i < fields.length; i++) v.setInt32(i * 4, fields[i]!, true);
  }

  /** /proc/sysvipc/sem, without its first line. */
  text(): string {
    let out = "";
    for (const s of this.ids.list()) {
      out += columns(
        [s.key, 10],
        [s.id, 10],
        [` ${(s.mode & 0o7777).toString(8).padStart(4)}`, 4],
        [s.values.length, 10],
        [s.uid, 5],
        [s.gid, 5],
        [s.cuid, 5],
        [s.cgid, 5],
        [s.otime, 10],
        [s.ctime, 10],
      );
    }
    return out;
  }
}
