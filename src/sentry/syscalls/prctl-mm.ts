/** prctl(2) PR_SET_MM: what /proc says about where a program's parts lie, and which file it is. */
import { AT_NULL } from "../../abi/auxv.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import { EACCES, EBADF, EBUSY, EFAULT, EINVAL, EPERM } from "../../abi/errno.ts";
import { MS_NOEXEC } from "../../abi/mount.ts";
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
import { S_IFMT, S_IFREG } from "../../abi/stat.ts";
import { FileVma } from "../kernel/file-mapping.ts";
import type { Task } from "../kernel/task.ts";
import type { MemoryManager } from "../mm/mm.ts";
import { MAY_EXEC } from "../vfs/inode.ts";
import type { SyscallArgs } from "./args.ts";

/** Bytes of struct prctl_mm_map: eleven addresses, a pointer, two u32. */
const MM_MAP_SIZE = 104;
/** Bytes of the auxiliary vector that the kernel keeps. */
const AUXV_MAX: number = 52 * 8;
/** exe_fd of a struct that leaves the file alone. */
const NO_FILE = 0xffffffff;

/** Where the parts are: the addresses of struct prctl_mm_map, in its order. */
interface Places {
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  brkStart: number;
  brkEnd: number;
  stackStart: number;
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
}

const fields: readonly (keyof Places)[] = [
  "startCode",
  "endCode",
  "startData",
  "endData",
  "brkStart",
  "brkEnd",
  "stackStart",
  "argStart",
  "argEnd",
  "envStart",
  "envEnd",
];

/** The options that set one address. */
const fieldOf: ReadonlyMap<number, keyof Places> = new Map([
  [PR_SET_MM_START_CODE, "startCode"],
  [PR_SET_MM_END_CODE, "endCode"],
  [PR_SET_MM_START_DATA, "startData"],
  [PR_SET_MM_END_DATA, "endData"],
  [PR_SET_MM_START_BRK, "brkStart"],
  [PR_SET_MM_BRK, "brkEnd"],
  [PR_SET_MM_START_STACK, "stackStart"],
  [PR_SET_MM_ARG_START, "argStart"],
  [PR_SET_MM_ARG_END, "argEnd"],
  [PR_SET_MM_ENV_START, "envStart"],
  [PR_SET_MM_ENV_END, "envEnd"],
]);

/** Those that must lie below the end of some mapping. */
const MAPPED: ReadonlySet<keyof Places> = new Set(["stackStart", "argStart", "argEnd", "envStart", "envEnd"]);

function placesOf(mm: MemoryManager): Places {
  const out = {} as Places;
  for (const f of fields) out[f] = mm[f];
  return out;
}

/** Whether the kernel takes them: addresses of programs, parts that begin before they end, RLIMIT_DATA. */
function areValid(mm: MemoryManager, p: Places): boolean {
  for (const f of fields) if (p[f] >= mm.taskSize || p[f] < mm.minAddress) return false;
  if (p.startCode >= p.endCode || p.startData > p.endData || p.brkStart > p.brkEnd) return false;
  if (p.argStart > p.argEnd || p.envStart > p.envEnd) return false;
  return p.brkEnd - p.brkStart + (p.endData - p.startData) <= mm.limits.get(RLIMIT_DATA);
}

function setPlaces(mm: MemoryManager, p: Places): void {
  for (const f of fields) mm[f] = p[f];
}

/** The call, with the option already read. */
export function prctlSetMm(t: Task, a: SyscallArgs): number {
  const option = a.ptr(1);
  const addr = a.ptr(2);
  const hasSize = option === PR_SET_MM_AUXV || option === PR_SET_MM_MAP || option === PR_SET_MM_MAP_SIZE;
  if (a.ptr(4) !== 0 || (a.ptr(3) !== 0 && !hasSize)) return -EINVAL;
  if (option === PR_SET_MM_MAP_SIZE) return t.mm.writeU32(addr, MM_MAP_SIZE);
  if (option === PR_SET_MM_MAP) return setMap(t, addr, a.ptr(3));
  if (!t.creds.hasCap(CAP_SYS_RESOURCE)) return -EPERM;
  if (option === PR_SET_MM_EXE_FILE) return setExeFile(t, a.i32(2));
  if (option === PR_SET_MM_AUXV) return setAuxv(t, addr, a.ptr(3), false);
  return setOne(t.mm, option, addr);
}

function setOne(mm: MemoryManager, option: number, addr: number): number {
  if (addr >= mm.taskSize || addr < mm.minAddress) return -EINVAL;
  const field = fieldOf.get(option);
  if (field === undefined) return -EINVAL;
  const places = placesOf(mm);
  places[field] = addr;
  if (!areValid(mm, places)) return -EINVAL;
  if (MAPPED.has(field) && mm.vmas.lowerBound(addr) === null) return -EFAULT;
  mm[field] = addr;
  return 0;
}

/** PR_SET_MM_MAP: everything at once, for anybody; the file needs CAP_CHECKPOINT_RESTORE. */
function setMap(t: Task, addr: number, size: number): number {
  if (size !== MM_MAP_SIZE) return -EINVAL;
  const { mm } = t;
  if (t.copyInStruct(addr, MM_MAP_SIZE) < 0) return -EFAULT;
  const view = t.kernel.scratchView;
  const at = (n: number): number => view.getUint32(n * 8, true) + view.getUint32(n * 8 + 4, true) * 2 ** 32;
  const places = {} as Places;
  for (const [i, f] of fields.entries()) places[f] = at(i);
  const auxv = at(fields.length);
  const auxvSize = view.getUint32(96, true);
  const exe = view.getUint32(100, true);
  if (!areValid(mm, places)) return -EINVAL;
  const old = mm.auxv;
  if (auxvSize !== 0) {
    if (auxv === 0 || auxvSize > AUXV_MAX) return -EINVAL;
    const err = setAuxv(t, auxv, auxvSize, true);
    if (err < 0) return err;
  }
  if (exe !== NO_FILE) {
    const may = t.creds.hasCap(CAP_CHECKPOINT_RESTORE) || t.creds.hasCap(CAP_SYS_ADMIN);
    const err = may ? setExeFile(t, exe | 0) : -EPERM;
    if (err < 0) {
      mm.auxv = old;
      return err;
    }
  }
  setPlaces(mm, places);
  return 0;
}

/** The vector ends with AT_NULL, whatever is given. `whole`: what is not given is zero, otherwise it stays. */
function setAuxv(t: Task, addr: number, size: number, whole: boolean): number {
  if (size > AUXV_MAX) return -EINVAL;
  const vector = new Uint8Array(AUXV_MAX);
  if (!whole) vector.set(t.mm.auxv.subarray(0, AUXV_MAX));
  if (size > 0 && t.mm.copyInExact(addr, vector, 0, size) !== 0) return -EFAULT;
  vector.fill(0, AUXV_MAX - 16);
  t.mm.auxv = vector.subarray(0, lengthOf(vector));
  return 0;
}

/** Bytes up to AT_NULL and its value. */
function lengthOf(vector: Uint8Array): number {
  const words = new DataView(vector.buffer);
  let end = 0;
  while (words.getUint32(end, true) !== AT_NULL || words.getUint32(end + 4, true) !== 0) end += 16;
  return end + 16;
}

/** /proc/PID/exe: an executable file, once nothing of the present one is mapped any more. */
function setExeFile(t: Task, fd: number): number {
  const file = t.fds.get(fd);
  if (file === undefined || file.isPath) return -EBADF;
  const { inode, path } = file;
  if (inode === null || path === null || (inode.mode & S_IFMT) !== S_IFREG) return -EACCES;
  if (((path.mount.flags | path.mount.fs.flags) & MS_NOEXEC) !== 0) return -EACCES;
  const err = inode.permission(t.creds, MAY_EXEC);
  if (err < 0) return err;
  const { exe } = t.mm;
  const old = exe instanceof FileVma ? exe.file.path : null;
  for (let v = t.mm.vmas.first; v !== null && old !== null; v = v.next) {
    const mapped = v.file instanceof FileVma ? v.file.file.path : null;
    if (mapped !== null && mapped.equals(old)) return -EBUSY;
  }
  const next = new FileVma(file, t.kernel.rootPath ?? t.fs.root);
  next.incRef();
  const denied = next.denyWrites();
  if (denied === 0) t.mm.setExe(next);
  next.decRef();
  return denied === 0 ? 0 : -EACCES;
}
