/** Memory: mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2), brk(2), mlock(2), memory policies. */
import { EACCES, EBADF, EEXIST, EFAULT, EINVAL, ENOMEM, ENOSPC, EOVERFLOW, EPERM, ESRCH } from "../../abi/errno.ts";
import { CAP_IPC_LOCK, CAP_SYS_NICE } from "../../abi/capability.ts";
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_PAGEOUT,
  MADV_WILLNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_LOCKED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  MLOCK_ONFAULT,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../../abi/mman.ts";
import { MS_NOEXEC } from "../../abi/mount.ts";
import { READ_IMPLIES_EXEC } from "../../abi/prctl.ts";
import { MmapOptions } from "../mm/mm.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { fileVma } from "../kernel/file-mapping.ts";
import { PidFd } from "../kernel/pidfd.ts";
import { mayTrace } from "../kernel/ptrace-access.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread-group.ts";
import { UnixSocket } from "../socket/unix/socket.ts";
import { AnonInode } from "../vfs/anon.ts";
import type { FileDescription } from "../vfs/file.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import { isUserRange, LOFF_LIMIT } from "./file-util.ts";
import type { SyscallEntry } from "./entry.ts";

const options: MmapOptions = new MmapOptions();

function sysMmap(t: Task, a: SyscallArgs): number {
  const o = options;
  const flags = a.i32(3);
  const prot = a.i32(2);
  const offset = a.ptr(5);
  if (!isAligned(a, 5)) return -EINVAL;
  // A hint that is no user address is no hint.
  o.addr = a.ptr(0);
  if (o.addr > t.kernel.platform.maxAddress && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0) o.addr = 0;
  o.len = a.size(1);
  o.prot = prot;
  o.flags = flags;
  o.offset = 0;
  o.maxProt = PROT_READ | PROT_WRITE | PROT_EXEC;
  const implied = impliedProt(t, prot);
  o.mappable = null;
  o.file = null;
  o.name = "";
  if ((flags & MAP_LOCKED) !== 0) t.mm.lockPrivileged = t.creds.hasCap(CAP_IPC_LOCK);
  if ((flags & MAP_ANONYMOUS) !== 0) {
    o.prot |= implied;
    return t.mm.mmap(o);
  }

  const file = t.fds.get(a.i32(4));
  if (file === undefined || file.isPath) return -EBADF;
  if (o.len === 0) return -EINVAL;
  if (o.len > t.kernel.platform.maxAddress) return -ENOMEM;
  if (offset > Number.MAX_SAFE_INTEGER) return -EOVERFLOW;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0) {
    const v = t.mm.vmas.lowerBound(o.addr);
    if (v !== null && v.start < o.addr + o.len) return -EEXIST;
  }
  o.offset = offset;
  const type = flags & MAP_TYPE;
  const isShared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
  if (!isShared && type !== MAP_PRIVATE) return -EINVAL;
  if (!file.readable) return -EACCES;
  if (isShared && !(file.writable && file.allowsSharedWrites)) {
    if ((prot & PROT_WRITE) !== 0) return file.writable ? -EPERM : -EACCES;
    o.maxProt &= ~PROT_WRITE;
  }
  const mount = file.path === null ? null : file.path.mount;
  if (mount !== null && ((mount.flags | mount.fs.flags) & MS_NOEXEC) !== 0) {
    if ((prot & PROT_EXEC) !== 0) return -EPERM;
    o.maxProt &= ~PROT_EXEC;
  }
  o.prot |= implied & o.maxProt;
  const mappable = file.mappable();
  if (typeof mappable === "number") return cannotMap(t, file, mappable);
  o.mappable = mappable;
  o.file = fileVma(file, t.kernel.rootPath ?? t.fs.root);
  const r = t.mm.mmap(o);
  o.mappable = null;
  o.file = null;
  if (r >= 0) file.accessed();
  return r;
}

/** personality(2) READ_IMPLIES_EXEC: what comes with `prot`. */
function impliedProt(t: Task, prot: number): number {
  return (t.personality & READ_IMPLIES_EXEC) !== 0 && (prot & PROT_READ) !== 0 ? PROT_EXEC : 0;
}

/** What cannot be mapped: the protection is looked at before. */
function cannotMap(t: Task, file: FileDescription, err: number): number {
  if ((options.prot & PROT_EXEC) !== 0 && file.inode instanceof AnonInode) return -EPERM;
  // Sockets refuse only when the place has been cleared for them.
  if (file instanceof UnixSocket && (options.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === MAP_FIXED) {
    t.mm.munmap(options.addr, options.len);
  }
  return err;
}

function sysMunmap(t: Task, a: SyscallArgs): number {
  const addr = a.ptr(0);
  const len = a.size(1);
  const { minAddress, maxAddress } = t.kernel.platform;
  // Nothing of the guest's lies below the platform's first address, and nothing there may be asked of the host.
  if (addr < minAddress && (addr & 4095) === 0 && len > 0 && addr + len <= maxAddress) {
    const end = addr + len;
    return end <= minAddress ? 0 : t.mm.munmap(minAddress, end - minAddress);
  }
  return t.mm.munmap(addr, len);
}

/** Whether argument `n` is a multiple of the page size, which a number beyond 2^53 cannot tell. */
function isAligned(a: SyscallArgs, n: number): boolean {
  return (a.lo(n) & 4095) === 0;
}

function sysMprotect(t: Task, a: SyscallArgs): number {
  if (!isAligned(a, 0)) return -EINVAL;
  return t.mm.mprotect(a.ptr(0), a.size(1), a.i32(2), impliedProt(t, a.i32(2)));
}

function sysMremap(t: Task, a: SyscallArgs): number {
  if (!isAligned(a, 0)) return -EINVAL;
  t.mm.lockPrivileged = t.creds.hasCap(CAP_IPC_LOCK);
  return t.mm.mremap(a.ptr(0), a.size(1), a.size(2), a.i32(3), a.ptr(4));
}

function sysMadvise(t: Task, a: SyscallArgs): number {
  if (!isAligned(a, 0)) return -EINVAL;
  return t.mm.madvise(a.ptr(0), a.size(1), a.i32(2));
}

function sysBrk(t: Task, a: SyscallArgs): number {
  return t.mm.brk(a.ptr(0), impliedProt(t, PROT_READ));
}

function sysMsync(t: Task, a: SyscallArgs): number {
  if (!isAligned(a, 0)) return -EINVAL;
  return t.mm.msync(a.ptr(0), a.size(1), a.i32(2));
}

/** The length of mlock and mlock2. Rounding up to pages makes the largest ones 0. */
function lockLength(a: SyscallArgs): number {
  return a.hi(1) === 0xffffffff && a.lo(1) > 0xfffff000 ? 0 : a.size(1);
}

function sysMlock(t: Task, a: SyscallArgs): number {
  return t.mm.mlock(a.ptr(0), lockLength(a), 0, t.creds.hasCap(CAP_IPC_LOCK));
}

function sysMlock2(t: Task, a: SyscallArgs): number {
  const flags = a.i32(2);
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
  return t.mm.mlock(a.ptr(0), lockLength(a), flags, t.creds.hasCap(CAP_IPC_LOCK));
}

function sysMunlock(t: Task, a: SyscallArgs): number {
  return t.mm.munlock(a.ptr(0), a.size(1));
}

function sysMlockall(t: Task, a: SyscallArgs): number {
  return t.mm.mlockall(a.i32(0), t.creds.hasCap(CAP_IPC_LOCK));
}

function sysMunlockall(t: Task): number {
  return t.mm.munlockall();
}

function sysMincore(t: Task, a: SyscallArgs): number {
  return t.mm.mincore(a.ptr(0), a.size(1), a.ptr(2));
}

// --- protection keys: none, as on a processor without them ---

function sysPkeyMprotect(t: Task, a: SyscallArgs): number {
  return a.i32(3) === -1 ? sysMprotect(t, a) : -EINVAL;
}

function sysPkeyAlloc(_t: Task, a: SyscallArgs): number {
  if (a.ptr(0) !== 0 || a.ptr(1) > 3) return -EINVAL;
  return -ENOSPC;
}

function sysPkeyFree(_t: Task, _a: SyscallArgs): number {
  return -EINVAL;
}

// --- memory policies: one node ---

/** MPOL_* */
const MPOL_MAX = 6;
const MPOL_FLAGS = 0xe000;
const MPOL_F_NODE = 1;
const MPOL_F_ADDR = 2;
const MPOL_F_MEMS_ALLOWED = 4;

/** MPOL_MF_* */
const MPOL_MF_MOVE_ALL = 4;
const MPOL_MF_VALID = 7;

function sysMbind(t: Task, a: SyscallArgs): number {
  const mode = a.u32(2);
  const flags = a.u32(5);
  if ((mode & ~MPOL_FLAGS) >= MPOL_MAX || (flags & ~MPOL_MF_VALID) !== 0) return -EINVAL;
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !t.creds.hasCap(CAP_SYS_NICE)) return -EPERM;
  if ((a.ptr(0) & 4095) !== 0) return -EINVAL;
  return 0;
}

function sysSetMempolicy(_t: Task, a: SyscallArgs): number {
  return (a.u32(0) & ~MPOL_FLAGS) >= MPOL_MAX ? -EINVAL : 0;
}

function sysGetMempolicy(t: Task, a: SyscallArgs): number {
  const flags = a.u32(4);
  if ((flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) !== 0) return -EINVAL;
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0 && (flags & (MPOL_F_NODE | MPOL_F_ADDR)) !== 0) return -EINVAL;
  if ((flags & MPOL_F_ADDR) === 0 && a.ptr(3) !== 0) return -EINVAL;
  if (a.ptr(0) !== 0 && t.mm.writeU32(a.ptr(0), 0) !== 0) return -EFAULT;
  const maskAt = a.ptr(1);
  if (maskAt === 0) return 0;
  const bits = a.size(2);
  if (bits < 1) return -EINVAL;
  const bytes = Math.min(Math.ceil(bits / 64) * 8, 4096);
  t.kernel.scratch.fill(0, 0, bytes);
  if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) t.kernel.scratch[0] = 1;
  return t.copyOutStruct(maskAt, bytes);
}

// --- other processes' memory ---

/** Most ranges on one side, as for readv. */
const IOV_MAX = 1024;

/** struct iovec arrays of process_vm_readv(2), read once: addresses and lengths. */
const local: Float64Array = new Float64Array(2 * IOV_MAX);
const remote: Float64Array = new Float64Array(2 * IOV_MAX);

/** Reads `count` ranges into `to`; all their bytes, or -errno. `own`: they must lie in user space. */
function readRanges(t: Task, addr: number, count: number, to: Float64Array, own: boolean): number {
  if (count > IOV_MAX) return -EINVAL;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const at = t.mm.readPtr(addr + 16 * i);
    const len = t.mm.readPtr(addr + 16 * i + 8);
    if (at < 0 || len < 0) return -EFAULT;
    if (len >= LOFF_LIMIT) return -EINVAL;
    if (own && !isUserRange(at, len)) return -EFAULT;
    to[2 * i] = at;
    to[2 * i + 1] = len;
    total += len;
  }
  return total;
}

/** process_vm_readv(2), process_vm_writev(2): copies through the kernel's scratch space, piece by piece. */
function processVm(t: Task, a: SyscallArgs, write: boolean): number {
  if (a.ptr(5) !== 0) return -EINVAL;
  const localCount = a.size(2);
  const remoteCount = a.size(4);
  const room = readRanges(t, a.ptr(1), localCount, local, true);
  if (room <= 0) return room;
  const wanted = readRanges(t, a.ptr(3), remoteCount, remote, false);
  if (wanted <= 0) return wanted;
  const target = t.kernel.tasks.get(a.i32(0));
  if (target === undefined || target.exited) return -ESRCH;
  if (mayTrace(t, target) < 0) return -EPERM;
  const { scratch } = t.kernel;
  let done = 0;
  let li = 0;
  let lAddr = 0;
  let lLeft = 0;
  for (let ri = 0; ri < remoteCount; ri++) {
    let rAddr = remote[2 * ri]!;
    let rLeft = remote[2 * ri + 1]!;
    while (rLeft > 0) {
      while (lLeft === 0) {
        if (li >= localCount) return done;
        lAddr = local[2 * li]!;
        lLeft = local[2 * li + 1]!;
        li++;
      }
      let want = Math.min(rLeft, lLeft, 65536);
      // The protection that was asked for counts, not what the processor makes of it: writable is not readable.
      const v = target.mm.vmas.find(rAddr);
      if (v !== null) {
        if ((v.prot & (write ? PROT_WRITE : PROT_READ)) === 0) return done > 0 ? done : -EFAULT;
        want = Math.min(want, v.end - rAddr);
      }
      const got = write ? t.mm.copyIn(lAddr, scratch, 0, want) : target.mm.copyIn(rAddr, scratch, 0, want);
      if (got <= 0) return done > 0 ? done : -EFAULT;
      const put = write ? target.mm.copyOut(rAddr, scratch, 0, got) : t.mm.copyOut(lAddr, scratch, 0, got);
      if (put <= 0) return done > 0 ? done : -EFAULT;
      done += put;
      rAddr += put;
      rLeft -= put;
      lAddr += put;
      lLeft -= put;
      if (put < want) return done;
    }
  }
  return done;
}

function sysProcessVmReadv(t: Task, a: SyscallArgs): number {
  return processVm(t, a, false);
}

function sysProcessVmWritev(t: Task, a: SyscallArgs): number {
  return processVm(t, a, true);
}

/** What one process may advise for another: nothing that changes what the memory holds. */
const REMOTE_ADVICE: ReadonlySet<number> = new Set([MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE]);

/** The memory that a process_madvise call of `t` may be about, or -errno. */
function advisedMemory(t: Task, target: ThreadGroup, advice: number): MemoryManager | number {
  if (target === t.group) return t.mm;
  if (!REMOTE_ADVICE.has(advice)) return -EINVAL;
  const other = target.tasks.find((each) => !each.exited);
  if (other === undefined) return -ESRCH;
  if (mayTrace(t, other) < 0) return -EACCES;
  return t.creds.hasCap(CAP_SYS_NICE) ? other.mm : -EPERM;
}

/** process_madvise(2). */
function sysProcessMadvise(t: Task, a: SyscallArgs): number {
  if (a.u32(4) !== 0) return -EINVAL;
  const file = t.fds.get(a.i32(0));
  if (!(file instanceof PidFd)) return -EBADF;
  const mm = advisedMemory(t, file.target, a.i32(3));
  if (typeof mm === "number") return mm;
  const count = a.size(2);
  if (count > IOV_MAX) return -EINVAL;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const addr = t.mm.readPtr(a.ptr(1) + 16 * i);
    const len = t.mm.readPtr(a.ptr(1) + 16 * i + 8);
    if (addr < 0 || len < 0) return done > 0 ? done : -EFAULT;
    const r = mm.madvise(addr, len, a.i32(3));
    if (r < 0) return done > 0 ? done : r;
    done += len;
  }
  return done;
}

const ONE_NODE = "One memory node: accepted, no effect";

export const memorySyscalls: readonly SyscallEntry[] = [
  full("mmap", sysMmap),
  full("munmap", sysMunmap),
  full("mprotect", sysMprotect),
  full("mremap", sysMremap),
  partial("madvise", sysMadvise, "Advice about paging, huge pages and dumps is accepted without effect"),
  full("brk", sysBrk),
  full("msync", sysMsync),
  partial("mlock", sysMlock, "Counted and limited; the host may still page"),
  partial("mlock2", sysMlock2, "As mlock"),
  full("munlock", sysMunlock),
  partial("mlockall", sysMlockall, "As mlock"),
  full("munlockall", sysMunlockall),
  full("mincore", sysMincore),
  partial("pkey_mprotect", sysPkeyMprotect, "No protection keys: only key -1"),
  partial("pkey_alloc", sysPkeyAlloc, "ENOSPC: no protection keys"),
  partial("pkey_free", sysPkeyFree, "EINVAL: no protection keys"),
  partial("mbind", sysMbind, ONE_NODE),
  partial("set_mempolicy", sysSetMempolicy, ONE_NODE),
  partial("get_mempolicy", sysGetMempolicy, ONE_NODE),
  full("process_vm_readv", sysProcessVmReadv),
  full("process_vm_writev", sysProcessVmWritev),
  full("process_madvise", sysProcessMadvise),
];
