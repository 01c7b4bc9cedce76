/** Credentials: setuid(2) and its family, getgroups(2), capget(2), setfsuid(2), umask(2), chroot(2) is with the files. */
import { EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import {
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_LAST_CAP,
  CAP_LINUX_IMMUTABLE,
  CAP_MAC_OVERRIDE,
  CAP_MKNOD,
  CAP_SETGID,
  CAP_SETPCAP,
  CAP_SETUID,
  LINUX_CAPABILITY_VERSION_1,
  LINUX_CAPABILITY_VERSION_2,
  LINUX_CAPABILITY_VERSION_3,
} from "../../abi/capability.ts";
import { SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP } from "../../abi/prctl.ts";
import type { Credentials } from "../auth/credentials.ts";
import { exceedsTaskLimit } from "../kernel/task-clone.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** -1: "leave it" in set*id calls. */
const NO_ID = 0xffffffff;
/** NGROUPS_MAX */
const GROUPS_MAX = 65536;

/** Capabilities that go with the file-system user id. All are in the low word, but for none. */
const FS_CAPS_LO =
  (1 << CAP_CHOWN) |
  (1 << CAP_DAC_OVERRIDE) |
  (1 << CAP_DAC_READ_SEARCH) |
  (1 << CAP_FOWNER) |
  (1 << CAP_FSETID) |
  (1 << CAP_LINUX_IMMUTABLE) |
  (1 << CAP_MKNOD);
const FS_CAPS_HI = 1 << (CAP_MAC_OVERRIDE - 32);

/** Effect of user id changes on capabilities, capabilities(7). `old`: before. */
function fixCapabilities(old: Credentials, c: Credentials): void {
  if ((c.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  const hadRoot = old.ruid === 0 || old.euid === 0 || old.suid === 0;
  const hasRoot = c.ruid === 0 || c.euid === 0 || c.suid === 0;
  if (hadRoot && !hasRoot) {
    if ((c.securebits & SECBIT_KEEP_CAPS) === 0) {
      c.permittedLo = c.permittedHi = 0;
      c.effectiveLo = c.effectiveHi = 0;
    }
    c.ambientLo = c.ambientHi = 0;
  }
  if (old.euid === 0 && c.euid !== 0) c.effectiveLo = c.effectiveHi = 0;
  else if (old.euid !== 0 && c.euid === 0) {
    c.effectiveLo = c.permittedLo;
    c.effectiveHi = c.permittedHi;
  }
}

function fixFsCapabilities(old: Credentials, c: Credentials): void {
  if ((c.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  if (old.fsuid === 0 && c.fsuid !== 0) {
    c.effectiveLo = (c.effectiveLo & ~FS_CAPS_LO) >>> 0;
    c.effectiveHi = (c.effectiveHi & ~FS_CAPS_HI) >>> 0;
  } else if (old.fsuid !== 0 && c.fsuid === 0) {
    c.effectiveLo = (c.effectiveLo | (c.permittedLo & FS_CAPS_LO)) >>> 0;
    c.effectiveHi = (c.effectiveHi | (c.permittedHi & FS_CAPS_HI)) >>> 0;
  }
}

/** The task goes on with other rights. */
export function changeCredentials(t: Task, c: Credentials): void {
  const { ruid } = t.creds;
  t.creds = c;
  if (c.ruid !== ruid) {
    const { userTasks } = t.kernel;
    t.hasTooManyTasks = exceedsTaskLimit(t);
    userTasks.change(ruid, -1);
    userTasks.change(c.ruid, 1);
  }
  t.mm.partCompany();
}

/** The task takes the changed user ids. Programs that changed identity are not for others to look into. */
function commitUid(t: Task, c: Credentials): number {
  const old = t.creds;
  fixCapabilities(old, c);
  if (c.euid !== old.euid || c.fsuid !== old.fsuid) dropDumpable(t);
  changeCredentials(t, c);
  return 0;
}

function commitGid(t: Task, c: Credentials): number {
  if (c.egid !== t.creds.egid || c.fsgid !== t.creds.fsgid) dropDumpable(t);
  changeCredentials(t, c);
  return 0;
}

function dropDumpable(t: Task): void {
  t.group.dumpable = 0;
  t.pdeathSignal = 0;
}

// --- user ids ---

function sysGetuid(t: Task): number {
  return t.creds.ruid;
}

function sysGeteuid(t: Task): number {
  return t.creds.euid;
}

function sysGetgid(t: Task): number {
  return t.creds.rgid;
}

function sysGetegid(t: Task): number {
  return t.creds.egid;
}

function sysGetresuid(t: Task, a: SyscallArgs): number {
  const { creds, mm } = t;
  if (mm.writeU32(a.ptr(0), creds.ruid) !== 0 || mm.writeU32(a.ptr(1), creds.euid) !== 0) return -EFAULT;
  return mm.writeU32(a.ptr(2), creds.suid);
}

function sysGetresgid(t: Task, a: SyscallArgs): number {
  const { creds, mm } = t;
  if (mm.writeU32(a.ptr(0), creds.rgid) !== 0 || mm.writeU32(a.ptr(1), creds.egid) !== 0) return -EFAULT;
  return mm.writeU32(a.ptr(2), creds.sgid);
}

function sysSetuid(t: Task, a: SyscallArgs): number {
  const uid = a.u32(0);
  if (uid === NO_ID) return -EINVAL;
  const c = t.creds.clone();
  if (t.creds.hasCap(CAP_SETUID)) c.ruid = c.suid = uid;
  else if (uid !== c.ruid && uid !== c.suid) return -EPERM;
  c.euid = c.fsuid = uid;
  return commitUid(t, c);
}

function sysSetgid(t: Task, a: SyscallArgs): number {
  const gid = a.u32(0);
  if (gid === NO_ID) return -EINVAL;
  const c = t.creds.clone();
  if (t.creds.hasCap(CAP_SETGID)) c.rgid = c.sgid = gid;
  else if (gid !== c.rgid && gid !== c.sgid) return -EPERM;
  c.egid = c.fsgid = gid;
  return commitGid(t, c);
}

function sysSetreuid(t: Task, a: SyscallArgs): number {
  const ruid = a.u32(0);
  const euid = a.u32(1);
  const old = t.creds;
  const c = old.clone();
  const privileged = old.hasCap(CAP_SETUID);
  if (ruid !== NO_ID) {
    if (!privileged && ruid !== old.ruid && ruid !== old.euid) return -EPERM;
    c.ruid = ruid;
  }
  if (euid !== NO_ID) {
    if (!privileged && euid !== old.ruid && euid !== old.euid && euid !== old.suid) return -EPERM;
    c.euid = euid;
  }
  if (ruid !== NO_ID || (euid !== NO_ID && euid !== old.ruid)) c.suid = c.euid;
  c.fsuid = c.euid;
  return commitUid(t, c);
}

function sysSetregid(t: Task, a: SyscallArgs): number {
  const rgid = a.u32(0);
  const egid = a.u32(1);
  const old = t.creds;
  const c = old.clone();
  const privileged = old.hasCap(CAP_SETGID);
  if (rgid !== NO_ID) {
    if (!privileged && rgid !== old.rgid && rgid !== old.egid) return -EPERM;
    c.rgid = rgid;
  }
  if (egid !== NO_ID) {
    if (!privileged && egid !== old.rgid && egid !== old.egid && egid !== old.sgid) return -EPERM;
    c.egid = egid;
  }
  if (rgid !== NO_ID || (egid !== NO_ID && egid !== old.rgid)) c.sgid = c.egid;
  c.fsgid = c.egid;
  return commitGid(t, c);
}

function sysSetresuid(t: Task, a: SyscallArgs): number {
  const old = t.creds;
  const c = old.clone();
  const privileged = old.hasCap(CAP_SETUID);
  for (let i = 0; i < 3; i++) {
    const id = a.u32(i);
    if (id === NO_ID) continue;
    if (!privileged && id !== old.ruid && id !== old.euid && id !== old.suid) return -EPERM;
    if (i === 0) c.ruid = id;
    else if (i === 1) c.euid = id;
    else c.suid = id;
  }
  // What changes nothing leaves the file-system id alone too, since Linux 6.2.
  const euid = a.u32(1);
  const isSame = c.ruid === old.ruid && c.suid === old.suid && (euid === NO_ID || euid === old.fsuid);
  if (isSame && c.euid === old.euid) return 0;
  c.fsuid = c.euid;
  return commitUid(t, c);
}

function sysSetresgid(t: Task, a: SyscallArgs): number {
  const old = t.creds;
  const c = old.clone();
  const privileged = old.hasCap(CAP_SETGID);
  for (let i = 0; i < 3; i++) {
    const id = a.u32(i);
    if (id === NO_ID) continue;
    if (!privileged && id !== old.rgid && id !== old.egid && id !== old.sgid) return -EPERM;
    if (i === 0) c.rgid = id;
    else if (i === 1) c.egid = id;
    else c.sgid = id;
  }
  const egid = a.u32(1);
  const isSame = c.rgid === old.rgid && c.sgid === old.sgid && (egid === NO_ID || egid === old.fsgid);
  if (isSame && c.egid === old.egid) return 0;
  c.fsgid = c.egid;
  return commitGid(t, c);
}

/** Always gives the old value, setfsuid(2). */
function sysSetfsuid(t: Task, a: SyscallArgs): number {
  const id = a.u32(0);
  const old = t.creds;
  const allowed = id === old.ruid || id === old.euid || id === old.suid || id === old.fsuid || old.hasCap(CAP_SETUID);
  if (id === NO_ID || !allowed || id === old.fsuid) return old.fsuid;
  const c = old.clone();
  c.fsuid = id;
  fixFsCapabilities(old, c);
  dropDumpable(t);
  changeCredentials(t, c);
  return old.fsuid;
}

function sysSetfsgid(t: Task, a: SyscallArgs): number {
  const id = a.u32(0);
  const old = t.creds;
  const allowed = id === old.rgid || id === old.egid || id === old.sgid || id === old.fsgid || old.hasCap(CAP_SETGID);
  if (id === NO_ID || !allowed || id === old.fsgid) return old.fsgid;
  const c = old.clone();
  c.fsgid = id;
  dropDumpable(t);
  changeCredentials(t, c);
  return old.fsgid;
}

// --- groups ---

function sysGetgroups(t: Task, a: SyscallArgs): number {
  const size = a.i32(0);
  const { groups } = t.creds;
  if (size < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (size < groups.length) return -EINVAL;
  const at = a.ptr(1);
  for (let i = 0; i < groups.length; i++) if (t.mm.writeU32(at + 4 * i, groups[i]!) !== 0) return -EFAULT;
  return groups.length;
}

function sysSetgroups(t: Task, a: SyscallArgs): number {
  const size = a.u32(0);
  if (!t.creds.hasCap(CAP_SETGID)) return -EPERM;
  if (size > GROUPS_MAX) return -EINVAL;
  const at = a.ptr(1);
  const groups: number[] = [];
  for (let i = 0; i < size; i++) {
    const id = t.mm.readU32(at + 4 * i);
    if (id < 0) return -EFAULT;
    if (id === NO_ID) return -EINVAL;
    groups.push(id);
  }
  const c = t.creds.clone();
  c.groups = groups.sort((x, y) => x - y);
  changeCredentials(t, c);
  return 0;
}

// --- capabilities ---

/** Words per set for the version in the header: 1 or 2; negative: not a version that is known. */
function capWords(version: number): number {
  switch (version) {
    case LINUX_CAPABILITY_VERSION_1:
      return 1;
    case LINUX_CAPABILITY_VERSION_2:
    case LINUX_CAPABILITY_VERSION_3:
      return 2;
    default:
      return -EINVAL;
  }
}

function sysCapget(t: Task, a: SyscallArgs): number {
  const headAt = a.ptr(0);
  const dataAt = a.ptr(1);
  const version = t.mm.readU32(headAt);
  if (version < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const words = capWords(version);
  if (words < 0) {
    // Tell the version that is preferred; asking for it with no data is fine.
    const err = t.mm.writeU32(headAt, LINUX_CAPABILITY_VERSION_3);
    return err !== 0 ? err : dataAt === 0 ? 0 : -EINVAL;
  }
  const rawPid = t.mm.readU32(headAt + 4);
  if (rawPid < 0) return -EFAULT;
  const pid = rawPid | 0;
  if (pid < 0) return -EINVAL;
  const target = pid === 0 ? t : t.kernel.tasks.get(pid);
  if (target === undefined) return -ESRCH;
  if (dataAt === 0) return 0;
  const c = target.creds;
  v.setUint32(0, c.effectiveLo, true);
  v.setUint32(4, c.permittedLo, true);
  v.setUint32(8, c.inheritableLo, true);
  v.setUint32(12, c.effectiveHi, true);
  v.setUint32(16, c.permittedHi, true);
  v.setUint32(20, c.inheritableHi, true);
  return t.copyOutStruct(dataAt, 12 * words);
}

function sysCapset(t: Task, a: SyscallArgs): number {
  const headAt = a.ptr(0);
  const version = t.mm.readU32(headAt);
  if (version < 0) return -EFAULT;
  const v = t.kernel.scratchView;
  const words = capWords(version);
  if (words < 0) {
    const err = t.mm.writeU32(headAt, LINUX_CAPABILITY_VERSION_3);
    return err !== 0 ? err : -EINVAL;
  }
  const pid = t.mm.readU32(headAt + 4);
  if (pid < 0) return -EFAULT;
  if (pid !== 0 && pid !== t.tid) return -EPERM;
  if (t.copyInStruct(a.ptr(1), 12 * words) !== 0) return -EFAULT;
  const known = (1 << (CAP_LAST_CAP + 1 - 32)) - 1;
  const effLo = v.getUint32(0, true);
  const permLo = v.getUint32(4, true);
  const inhLo = v.getUint32(8, true);
  const effHi = words === 2 ? v.getUint32(12, true) & known : 0;
  const permHi = words === 2 ? v.getUint32(16, true) & known : 0;
  const inhHi = words === 2 ? v.getUint32(20, true) & known : 0;
  const o = t.creds;
  // Permitted may only shrink, effective lies within it, capset(2).
  if ((permLo & ~o.permittedLo) !== 0 || (permHi & ~o.permittedHi) !== 0) return -EPERM;
  if ((effLo & ~permLo) !== 0 || (effHi & ~permHi) !== 0) return -EPERM;
  const inheritableFromLo = o.hasCap(CAP_SETPCAP) ? o.inheritableLo | o.boundingLo : o.inheritableLo | o.permittedLo;
  const inheritableFromHi = o.hasCap(CAP_SETPCAP) ? o.inheritableHi | o.boundingHi : o.inheritableHi | o.permittedHi;
  if ((inhLo & ~inheritableFromLo) !== 0 || (inhHi & ~inheritableFromHi) !== 0) return -EPERM;
  const c = o.clone();
  c.effectiveLo = effLo;
  c.effectiveHi = effHi >>> 0;
  c.permittedLo = permLo;
  c.permittedHi = permHi >>> 0;
  c.inheritableLo = inhLo;
  c.inheritableHi = inhHi >>> 0;
  // Ambient capabilities are always permitted and inheritable.
  c.ambientLo = (c.ambientLo & permLo & inhLo) >>> 0;
  c.ambientHi = (c.ambientHi & permHi & inhHi) >>> 0;
  changeCredentials(t, c);
  return 0;
}

export const credentialSyscalls: readonly SyscallEntry[] = [
  full("getuid", sysGetuid),
  full("geteuid", sysGeteuid),
  full("getgid", sysGetgid),
  full("getegid", sysGetegid),
  full("getresuid", sysGetresuid),
  full("getresgid", sysGetresgid),
  full("setuid", sysSetuid),
  full("setgid", sysSetgid),
  full("setreuid", sysSetreuid),
  full("setregid", sysSetregid),
  full("setresuid", sysSetresuid),
  full("setresgid", sysSetresgid),
  full("setfsuid", sysSetfsuid),
  full("setfsgid", sysSetfsgid),
  full("getgroups", sysGetgroups),
  full("setgroups", sysSetgroups),
  full("capget", sysCapget),
  full("capset", sysCapset),
];
