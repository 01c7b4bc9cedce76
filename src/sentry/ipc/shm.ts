/** Shared memory segments: shmget(2), shmat(2), shmctl(2). */
import { EINVAL, ENOMEM, ENOSPC } from "../../abi/errno.ts";
import { SHM_DEST, SHM_HUGETLB, SHM_LOCKED, SHMID_DS_SIZE } from "../../abi/ipc.ts";
import type { Credentials } from "../auth/credentials.ts";
import { UserCounts } from "../limits/user-counts.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { ShmObject } from "../mm/shm-object.ts";
import type { Vma } from "../mm/vma.ts";
import type { MemoryFile } from "../pgalloc/memory-file.ts";
import { columns, IpcObject, IpcRegistry, putLongs } from "./registry.ts";
import type { IpcEnv } from "./ipc.ts";

/** /proc/sys/kernel/shmmni. shmmax and shmall are ULONG_MAX - 2^24, which limits next to nothing. */
export const SHMMNI = 4096;
const SHMMAX_WORD_LO = 0xfeffffff;
const SHMMAX_WORD_HI = 0xffffffff;
const SHMMAX: number = 2 ** 64 - 2 ** 24;

/** The pages of a segment. Every VMA that shows it counts as one attachment, as in Linux. */
class SegmentMemory extends ShmObject {
  readonly segment: ShmSegment;
  attached = 0;

  constructor(segment: ShmSegment, mem: MemoryFile, size: number) {
    super(mem, size);
    this.segment = segment;
  }

  override incRef(): void {
    super.incRef();
    this.attached++;
    this.segment.opened();
  }

  override decRef(): void {
    this.attached--;
    this.segment.closed();
    super.decRef();
  }

  /** The registry's own hold. */
  hold(): void {
    super.incRef();
  }
  letGo(): void {
    super.decRef();
  }
}

/** See the header. */
export class ShmSegment extends IpcObject {
  readonly size: number;
  readonly memory: SegmentMemory;
  private readonly table: ShmTable;
  readonly cpid: number;
  /** With SHM_LOCKED: whose RLIMIT_MEMLOCK it counts for, by real user id. */
  locker = 0;
  lpid = 0;
  atime = 0;
  dtime = 0;

  constructor(table: ShmTable, key: number, size: number, mode: number, creds: Credentials, mem: MemoryFile) {
    super(key, mode, creds);
    this.table = table;
    this.size = size;
    this.cpid = table.env.callerPid();
    this.ctime = table.env.seconds();
    this.memory = new SegmentMemory(this, mem, pages(size) * PAGE_SIZE);
    this.memory.name = `/SYSV${(key >>> 0).toString(16).padStart(8, "0")} (deleted)`;
    this.memory.hold();
  }

  get attachments(): number {
    return this.memory.attached;
  }

  opened(): void {
    this.atime = this.table.env.seconds();
    this.lpid = this.table.env.callerPid();
  }

  closed(): void {
    this.dtime = this.table.env.seconds();
    this.lpid = this.table.env.callerPid();
    // A VMA that is split or moved is registered anew before its old place goes, so 0 is final.
    if (this.memory.attached === 0 && (this.mode & SHM_DEST) !== 0) this.table.destroy(this);
  }

  /** struct shmid64_ds */
  write(v: DataView): void {
    this.writePerm(v, SHMID_DS_SIZE);
    putLongs(v, 48, this.size, this.atime, this.dtime, this.ctime);
    v.setInt32(80, this.cpid, true);
    v.setInt32(84, this.lpid, true);
    putLongs(v, 88, this.attachments);
  }
}

function pages(size: number): number {
  return Math.ceil(size / PAGE_SIZE);
}

/** All segments. */
export class ShmTable {
  readonly env: IpcEnv;
  readonly ids: IpcRegistry<ShmSegment> = new IpcRegistry(SHMMNI);
  /** Pages of all segments together. */
  totalPages = 0;
  /** Pages of locked segments (user_shm_lock() counts them apart from those that mlock(2) holds). */
  private readonly lockedPages: UserCounts = new UserCounts();

  constructor(env: IpcEnv) {
    this.env = env;
  }

  /** shmget(2): id or -errno. */
  get(key: number, size: number, flags: number, creds: Credentials, mm: MemoryManager): number {
    const found = this.ids.lookup(key, flags);
    if (typeof found === "number") return found;
    if (found !== undefined) return size > found.size ? -EINVAL : this.ids.open(found, flags, creds);
    if (size < 1 || size > SHMMAX) return -EINVAL;
    // No huge pages in the pool.
    if ((flags & SHM_HUGETLB) !== 0) return -ENOMEM;
    const n = pages(size);
    const mem = mm.env.memory.sharedFile();
    // The heuristic of vm.overcommit_memory = 0: not more than all there is.
    if (n * PAGE_SIZE > mem.ram) return -ENOMEM;
    if (this.ids.size >= SHMMNI) return -ENOSPC;
    const s = new ShmSegment(this, key, size, flags & 0o777, creds, mem);
    const id = this.ids.add(s);
    s.memory.ino = id;
    this.totalPages += n;
    return id;
  }

  /** IPC_RMID: at once, or when the last attachment goes; until then its key is free. */
  markRemoved(s: ShmSegment): void {
    if (s.attachments === 0) {
      this.destroy(s);
      return;
    }
    s.mode |= SHM_DEST;
    this.ids.hide(s);
  }

  destroy(s: ShmSegment): void {
    if (s.removed) return;
    this.unlock(s);
    this.ids.remove(s);
    this.totalPages -= pages(s.size);
    s.memory.letGo();
  }

  /** SHM_LOCK by a user who may lock `limit` bytes. 0 or -ENOMEM. */
  lock(s: ShmSegment, uid: number, limit: number): number {
    if ((s.mode & SHM_LOCKED) !== 0) return 0;
    const n = pages(s.size);
    if (this.lockedPages.of(uid) + n > Math.floor(limit / PAGE_SIZE)) return -ENOMEM;
    this.lockedPages.change(uid, n);
    s.locker = uid;
    s.mode |= SHM_LOCKED;
    return 0;
  }

  unlock(s: ShmSegment): void {
    if ((s.mode & SHM_LOCKED) === 0) return;
    this.lockedPages.change(s.locker, -pages(s.size));
    s.mode &= ~SHM_LOCKED;
  }

  /** struct shminfo64: 72 bytes. */
  writeLimits(v: DataView): void {
    putLongs(v, 0, 0, 1, SHMMNI, SHMMNI, 0, 0, 0, 0, 0);
    for (const off of [0, 32]) {
      v.setUint32(off, SHMMAX_WORD_LO, true);
      v.setUint32(off + 4, SHMMAX_WORD_HI, true);
    }
  }

  /** struct shm_info: 48 bytes. */
  writeInfo(v: DataView): void {
    putLongs(v, 0, this.ids.size, this.totalPages, this.totalPages, 0, 0, 0);
  }

  /** /proc/sysvipc/shm, without its first line. */
  text(): string {
    let out = "";
    for (const s of this.ids.list()) {
      out += columns(
        [s.key, 10],
        [s.id, 10],
        [` ${(s.mode & 0o7777).toString(8).padStart(4)}`, 4],
        [s.size, 21],
        [s.cpid, 5],
        [s.lpid, 5],
        [` ${String(s.attachments).padStart(5)}`, 5],
        [s.uid, 5],
        [s.gid, 5],
        [s.cuid, 5],
        [s.cgid, 5],
        [s.atime, 10],
        [s.dtime, 10],
        [s.ctime, 10],
        [pages(s.size) * PAGE_SIZE, 21],
        [0, 21],
      );
    }
    return out;
  }
}

/** The segment that a mapping shows, or null. */
export function segmentOf(v: Vma): ShmSegment | null {
  return v.mappable instanceof SegmentMemory ? v.mappable.segment : null;
}
