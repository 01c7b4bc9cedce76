/** Shared memory segments: shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { CAP_IPC_LOCK } from "../../abi/capability.ts";
import { EACCES, EEXIST, EFAULT, EINVAL, EPERM } from "../../abi/errno.ts";
import {
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_EXEC,
  SHM_INFO,
  SHM_LOCK,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
  SHMID_DS_SIZE,
} from "../../abi/ipc.ts";
import { MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { READ_IMPLIES_EXEC } from "../../abi/prctl.ts";
import { RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import { IPC_EXEC, IPC_READ, IPC_WRITE } from "../ipc/registry.ts";
import { segmentOf } from "../ipc/shm.ts";
import type { ShmSegment } from "../ipc/shm.ts";
import type { Task } from "../kernel/task.ts";
import { PAGE_SIZE } from "../memmap/memmap.ts";
import { MmapOptions } from "../mm/mm.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

const options: MmapOptions = new MmapOptions();

/** int shmget(key_t key, size_t size, int shmflg) */
export function shmget(t: Task, a: SyscallArgs): number {
  return t.kernel.ipc.shm.get(a.i32(0), a.size(1), a.i32(2), t.creds, t.mm);
}

/** void *shmat(int shmid, char *shmaddr, int shmflg) */
export function shmat(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const flags = a.i32(2);
  let addr = a.ptr(1);
  if (id < 0) return -EINVAL;
  let fixed = 0;
  const rest = addr % PAGE_SIZE;
  if (addr !== 0) {
    if (rest !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL;
      addr -= rest;
      if (addr === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL;
    }
    fixed = (flags & SHM_REMAP) !== 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  } else if ((flags & SHM_REMAP) !== 0) {
    return -EINVAL;
  }
  let prot = PROT_READ;
  let wanted = IPC_READ;
  let maxProt = PROT_READ | PROT_EXEC;
  if ((flags & SHM_RDONLY) === 0) {
    prot |= PROT_WRITE;
    maxProt |= PROT_WRITE;
    wanted |= IPC_WRITE;
  }
  if ((flags & SHM_EXEC) !== 0) {
    prot |= PROT_EXEC;
    wanted |= IPC_EXEC;
  }
  if ((t.personality & READ_IMPLIES_EXEC) !== 0) prot |= PROT_EXEC;
  const s = t.kernel.ipc.shm.ids.find(id);
  if (typeof s === "number") return s;
  if (!s.allows(t.creds, wanted)) return -EACCES;
  const o = options;
  o.clear();
  o.addr = addr;
  o.len = s.size;
  o.prot = prot;
  o.maxProt = maxProt;
  o.flags = MAP_SHARED | fixed;
  o.mappable = s.memory;
  o.file = s.memory;
  const r = t.mm.mmap(o);
  o.clear();
  return r === -EEXIST ? -EINVAL : r;
}

/** int shmdt(char *shmaddr): what is still there of the attachment that was made at this address. */
export function shmdt(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(0);
  if (addr % PAGE_SIZE !== 0) return -EINVAL;
  const { mm } = t;
  let v = mm.vmas.lowerBound(addr);
  let segment: ShmSegment | null = null;
  let end = Infinity;
  while (v !== null && v.start < end) {
    const { next } = v;
    const of = segmentOf(v);
    // Pieces of the same attachment lie as far from the address as from the segment's start.
    if (of !== null && v.start - addr === v.offset && (segment === null || of === segment)) {
      segment = of;
      end = addr + of.memory.size;
      const err = mm.munmap(v.start, v.end - v.start);
      if (err < 0) return err;
    }
    v = next;
  }
  return segment === null ? -EINVAL : 0;
}

/** int shmctl(int shmid, int cmd, struct shmid_ds *buf) */
export function shmctl(t: Task, a: SyscallArgs): number {
  const id = a.i32(0);
  const cmd = a.i32(1);
  const addr = a.ptr(2);
  if (cmd < 0 || id < 0) return -EINVAL;
  const table = t.kernel.ipc.shm;
  const v = t.kernel.scratchView;
  switch (cmd) {
    case IPC_INFO:
      table.writeLimits(v);
      return t.copyOutStruct(addr, 72) < 0 ? -EFAULT : table.ids.highestIndex;
    case SHM_INFO:
      table.writeInfo(v);
      return t.copyOutStruct(addr, 48) < 0 ? -EFAULT : table.ids.highestIndex;
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const s = cmd === IPC_STAT ? table.ids.find(id) : table.ids.at(id);
      if (typeof s === "number") return s;
      if (cmd !== SHM_STAT_ANY && !s.allows(t.creds, IPC_READ)) return -EACCES;
      s.write(v);
      if (t.copyOutStruct(addr, SHMID_DS_SIZE) < 0) return -EFAULT;
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case IPC_SET:
    case IPC_RMID: {
      if (cmd === IPC_SET && t.copyInStruct(addr, SHMID_DS_SIZE) < 0) return -EFAULT;
      const s = table.ids.find(id);
      if (typeof s === "number") return s;
      const denied = s.mayControl(t.creds);
      if (denied < 0) return denied;
      if (cmd === IPC_RMID) {
        table.markRemoved(s);
        return 0;
      }
      const err = s.setPerm(v);
      if (err === 0) s.ctime = table.env.seconds();
      return err;
    }
    case SHM_LOCK:
    case SHM_UNLOCK: {
      const s = table.ids.find(id);
      if (typeof s === "number") return s;
      const isPrivileged = t.creds.hasCap(CAP_IPC_LOCK);
      const limit = isPrivileged ? Infinity : t.group.limits.get(RLIMIT_MEMLOCK);
      if (!isPrivileged) {
        if (t.creds.euid !== s.uid && t.creds.euid !== s.cuid) return -EPERM;
        if (cmd === SHM_LOCK && limit === 0) return -EPERM;
      }
      if (cmd === SHM_LOCK) return table.lock(s, t.creds.ruid, limit);
      table.unlock(s);
      return 0;
    }
    default:
      return -EINVAL;
  }
}

/** The calls of this file, for the table. */
export const shmSyscalls: readonly SyscallEntry[] = [
  partial("shmget", shmget, "No SHM_HUGETLB; segments come out of the sandbox's memory"),
  full("shmat", shmat),
  full("shmdt", shmdt),
  partial("shmctl", shmctl, "SHM_LOCK is noted; the host may still page"),
];
