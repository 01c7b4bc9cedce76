/** What the three kinds of System V objects have in common: keys, identifiers, owners, permissions. sysvipc(7). */
import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from "../../abi/errno.ts";
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from "../../abi/ipc.ts";
import { writeI64 } from "../../abi/time.ts";
import type { Credentials } from "../auth/credentials.ts";

/** Identifiers are `seq * SEQ_STEP + index`. */
const SEQ_STEP = 32768;
/** Indices are handed out in turn over at least so many, so that an identifier is not soon used again. */
const MIN_CYCLE = 64;

/** Permission masks of {@link IpcObject.allows}. */
export const IPC_READ = 0o444;
export const IPC_WRITE = 0o222;
export const IPC_EXEC = 0o111;

/** One segment, semaphore set or message queue. */
export abstract class IpcObject {
  key: number;
  /** Set by the registry. */
  id = 0;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  /** Permission bits, and SHM_DEST, SHM_LOCKED. */
  mode: number;
  /** Seconds. */
  ctime = 0;
  /** IPC_RMID: no longer to be found. */
  removed = false;

  constructor(key: number, mode: number, creds: Credentials) {
    this.key = key;
    this.uid = this.cuid = creds.euid;
    this.gid = this.cgid = creds.egid;
    this.mode = mode & 0o777;
  }

  get seq(): number {
    return Math.floor(this.id / SEQ_STEP);
  }

  get index(): number {
    return this.id % SEQ_STEP;
  }

  /** Whether `creds` may access it as `wanted` (any of the three groups of mode bits) asks. */
  allows(creds: Credentials, wanted: number): boolean {
    const asked = ((wanted >> 6) | (wanted >> 3) | wanted) & 0o7;
    let granted = this.mode;
    if (creds.euid === this.cuid || creds.euid === this.uid) granted >>= 6;
    else if (creds.inEffectiveGroup(this.cgid) || creds.inEffectiveGroup(this.gid)) granted >>= 3;
    return (asked & ~granted) === 0 || creds.hasCap(CAP_IPC_OWNER);
  }

  /** Whether `creds` may change or remove it. 0 or -EPERM. */
  mayControl(creds: Credentials): number {
    if (creds.euid === this.cuid || creds.euid === this.uid || creds.hasCap(CAP_SYS_ADMIN)) return 0;
    return -EPERM;
  }

  /** Writes struct ipc64_perm, and zeroes up to `size`. */
  writePerm(v: DataView, size: number): void {
    for (let i = 0; i < size; i += 4) v.setUint32(i, 0, true);
    v.setInt32(0, this.key, true);
    v.setUint32(4, this.uid, true);
    v.setUint32(8, this.gid, true);
    v.setUint32(12, this.cuid, true);
    v.setUint32(16, this.cgid, true);
    v.setUint32(20, this.mode, true);
    v.setUint16(24, this.seq & 0xffff, true);
  }

  /** IPC_SET: takes owner and permissions from a struct ipc64_perm. 0 or -EINVAL. */
  setPerm(v: DataView): number {
    const uid = v.getUint32(4, true);
    const gid = v.getUint32(8, true);
    if (uid === 0xffffffff || gid === 0xffffffff) return -EINVAL;
    this.uid = uid;
    this.gid = gid;
    this.mode = (this.mode & ~0o777) | (v.getUint32(20, true) & 0o777);
    return 0;
  }
}

/** All objects of one kind. */
export class IpcRegistry<T extends IpcObject> {
  private readonly byIndex: Map<number, T> = new Map();
  private readonly byKey: Map<number, T> = new Map();
  private nextIndex = 0;
  private lastIndex = -1;
  private seq = 0;
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.byIndex.size;
  }

  /** The objects by index. */
  list(): T[] {
    return [...this.byIndex.values()].sort((a, b) => a.index - b.index);
  }

  /** What *_INFO commands return. */
  get highestIndex(): number {
    let max = 0;
    for (const i of this.byIndex.keys()) if (i > max) max = i;
    return max;
  }

  /** The object of a full identifier; -EINVAL, also when the index has an object by another. */
  find(id: number): T | number {
    if (id < 0) return -EINVAL;
    const o = this.byIndex.get(id % SEQ_STEP);
    if (o === undefined) return -EINVAL;
    return o.id === id ? o : -EINVAL;
  }

  /** The object at an index (the *_STAT commands). */
  at(index: number): T | number {
    if (index < 0) return -EINVAL;
    return this.byIndex.get(index % SEQ_STEP) ?? -EINVAL;
  }

  /**
   * The common part of the *get calls: the object that `key` names already, undefined when the caller is to make one, or
   * -errno. Size (the caller's to check) comes before permission: `check`.
   */
  lookup(key: number, flags: number): T | undefined | number {
    const o = key === IPC_PRIVATE ? undefined : this.byKey.get(key);
    if (o === undefined) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
      return undefined;
    }
    return (flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0 ? -EEXIST : o;
  }

  /** The identifier of an existing object for a caller whose mode bits are in `flags`: id or -EACCES. */
  open(o: T, flags: number, creds: Credentials): number {
    return o.allows(creds, flags) ? o.id : -EACCES;
  }

  /** Gives a new object its identifier: id or -ENOSPC. */
  add(o: T): number {
    if (this.byIndex.size >= this.limit) return -ENOSPC;
    const cycle = Math.min(this.limit, Math.max(Math.floor((this.byIndex.size * 3) / 2), MIN_CYCLE));
    let index = this.nextIndex < cycle ? this.nextIndex : 0;
    while (this.byIndex.has(index)) index = index + 1 < cycle ? index + 1 : 0;
    if (index <= this.lastIndex) this.seq = (this.seq + 1) % 65536;
    this.lastIndex = index;
    this.nextIndex = index + 1;
    o.id = this.seq * SEQ_STEP + index;
    this.byIndex.set(index, o);
    if (o.key !== IPC_PRIVATE) this.byKey.set(o.key, o);
    return o.id;
  }

  /** The key names it no longer. */
  hide(o: T): void {
    if (o.key !== IPC_PRIVATE && this.byKey.get(o.key) === o) this.byKey.delete(o.key);
    o.key = IPC_PRIVATE;
  }

  remove(o: T): void {
    o.removed = true;
    if (o.key !== IPC_PRIVATE && this.byKey.get(o.key) === o) this.byKey.delete(o.key);
    this.byIndex.delete(o.index);
  }
}

/** Writes 64-bit numbers one after the other. */
export function putLongs(v: DataView, off: number, ...values: readonly number[]): void {
  for (let i = 0; i < values.length; i++) writeI64(v, off + i * 8, values[i]!);
}

/** Columns of /proc/sysvipc: each text in a field of its width, right-aligned. */
export function columns(...cells: readonly (readonly [value: number | string, width: number])[]): string {
  return `${cells.map(([value, width]) => String(value).padStart(width)).join(" ")}\n`;
}
