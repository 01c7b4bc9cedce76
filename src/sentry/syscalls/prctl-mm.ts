/** prctl(2) PR_SET_MM: what /proc says about where a program's parts lie. */
import { CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import { EFAULT, EINVAL, EPERM } from "../../abi/errno.ts";
import {
  PR_SET_MM_ARG_END,
  PR_SET_MM_ARG_START,
  PR_SET_MM_AUXV,
  PR_SET_MM_BRK,
  PR_SET_MM_END_CODE,
  PR_SET_MM_END_DATA,
  PR_SET_MM_ENV_END,
  PR_SET_MM_ENV_START,
  PR_SET_MM_EXE_FILE,
  PR_SET_MM_MAP,
  PR_SET_MM_MAP_SIZE,
  PR_SET_MM_START_BRK,
  PR_SET_MM_START_CODE,
  PR_SET_MM_START_DATA,
  PR_SET_MM_START_STACK,
} from "../../abi/prctl.ts";
import { RLIMIT_DATA } from "../../abi/resource.ts";
import type { Task } from "../kernel/task.ts";
import type { MemoryManager } from "../mm/mm.ts";
import type { SyscallArgs } from "./args.ts";

/** sizeof(struct prctl_mm_map). */
const MM_MAP_SIZE = 104;
/** Words of an auxiliary vector that a process may set. */
const AUXV_MAX = 64 * 8;

/** The call, with the option already read. */
export function prctlSetMm(t: Task, a: SyscallArgs): number {
  const option = a.ptr(1);
  const addr = a.ptr(2);
  const hasSize = option === PR_SET_MM_AUXV || option === PR_SET_MM_MAP || option === PR_SET_MM_MAP_SIZE;
  if (a.ptr(4) !== 0 || (a.ptr(3) !== 0 && !hasSize)) return -EINVAL;
  if (option === PR_SET_MM_MAP_SIZE) return t.mm.writeU32(addr, MM_MAP_SIZE);
  if (option === PR_SET_MM_MAP) return -EINVAL;
  if (!t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
  if (option === PR_SET_MM_EXE_FILE) return -EINVAL;
  if (option === PR_SET_MM_AUXV) return setAuxv(t, addr, a.ptr(3));
  const { mm } = t;
  if (addr >= mm.taskSize || addr < mm.minAddress) return -EINVAL;
  return setPlace(mm, option, addr);
}

function setAuxv(t: Task, addr: number, size: number): number {
  if (size === 0 || size > AUXV_MAX) return -EINVAL;
  const bytes = new Uint8Array(size);
  if (t.mm.copyInExact(addr, bytes, 0, size) !== 0) return -EFAULT;
  // The vector ends with AT_NULL, whatever the caller wrote.
  const vector = new Uint8Array(AUXV_MAX);
  vector.set(bytes);
  vector.fill(0, AUXV_MAX - 16);
  t.mm.auxv = vector;
  return 0;
}

/** The place must lie in a mapping where that matters, and begin before it ends. */
function setPlace(mm: MemoryManager, option: number, addr: number): number {
  const isMapped = mm.vmas.find(addr) !== null;
  switch (option) {
    case PR_SET_MM_START_CODE:
      if (addr > mm.endCode) return -EINVAL;
      mm.startCode = addr;
      return 0;
    case PR_SET_MM_END_CODE:
      if (addr < mm.startCode) return -EINVAL;
      mm.endCode = addr;
      return 0;
    case PR_SET_MM_START_DATA:
      if (addr > mm.endData) return -EINVAL;
      mm.startData = addr;
      return 0;
    case PR_SET_MM_END_DATA:
      if (addr < mm.startData) return -EINVAL;
      mm.endData = addr;
      return 0;
    case PR_SET_MM_START_BRK:
      if (addr > mm.brkEnd || addr <= mm.endData || mm.brkEnd - addr > mm.limits.get(RLIMIT_DATA)) return -EINVAL;
      mm.brkStart = addr;
      return 0;
    case PR_SET_MM_BRK:
      if (addr < mm.brkStart || addr <= mm.endData || addr - mm.brkStart > mm.limits.get(RLIMIT_DATA)) return -EINVAL;
      mm.brkEnd = addr;
      return 0;
    case PR_SET_MM_START_STACK:
      if (!isMapped) return -EFAULT;
      mm.stackStart = addr;
      return 0;
    case PR_SET_MM_ARG_START:
      if (!isMapped) return -EFAULT;
      if (addr > mm.argEnd) return -EINVAL;
      mm.argStart = addr;
      return 0;
    case PR_SET_MM_ARG_END:
      if (!isMapped) return -EFAULT;
      if (addr < mm.argStart) return -EINVAL;
      mm.argEnd = addr;
      return 0;
    case PR_SET_MM_ENV_START:
      if (!isMapped) return -EFAULT;
      if (addr > mm.envEnd) return -EINVAL;
      mm.envStart = addr;
      return 0;
    case PR_SET_MM_ENV_END:
      if (!isMapped) return -EFAULT;
      if (addr < mm.envStart) return -EINVAL;
      mm.envEnd = addr;
      return 0;
    default:
      return -EINVAL;
  }
}
