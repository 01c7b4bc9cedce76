/** About the machine and its name: uname(2), sysinfo(2), sethostname(2), getrandom(2), getcpu(2), syslog(2). */
import { EFAULT, EINVAL, EPERM, ERESTARTSYS } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYSLOG } from "../../abi/capability.ts";
import { PER_LINUX32, PER_MASK, UNAME26 } from "../../abi/prctl.ts";
import { SYSINFO_SIZE, writeSysInfo } from "../../abi/sysinfo.ts";
import {
  LINUX_MACHINE,
  LINUX_RELEASE,
  LINUX_SYSNAME,
  LINUX_VERSION,
  UTS_FIELD,
  UTS_NAME_MAX,
  UTSNAME_SIZE,
} from "../../abi/utsname.ts";
import { EV_IN } from "../../base/waiter.ts";
import { LOG_SIZE } from "../kernel/kernel-log.ts";
import { loadAverages, memoryTotals } from "../kernel/totals.ts";
import type { Task } from "../kernel/task.ts";
import type { SyscallArgs } from "./args.ts";
import { full, partial } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";

/** getrandom's flags: GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE. */
const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
/** Most bytes of one getrandom call that are produced at once. */
const RANDOM_CHUNK = 4096;
/** LINUX_RELEASE for programs that do not know versions above 2.6.x, personality(2) UNAME26: 6.y is 2.6.60+y. */
const OLD_RELEASE: string = LINUX_RELEASE.replace(/^\d+\.(\d+)[.\d]*/, (_all, y: string) => `2.6.${60 + Number(y)}`);

function sysUname(t: Task, a: SyscallArgs): number {
  const k = t.kernel;
  const { scratch } = k;
  scratch.fill(0, 0, UTSNAME_SIZE);
  const release = (t.personality & UNAME26) !== 0 ? OLD_RELEASE : LINUX_RELEASE;
  const machine = (t.personality & PER_MASK) === PER_LINUX32 ? "i686" : LINUX_MACHINE;
  const values = [LINUX_SYSNAME, k.hostname, release, LINUX_VERSION, machine, k.domainname];
  for (let i = 0; i < values.length; i++) {
    const s = values[i]!;
    for (let j = 0; j < s.length && j < UTS_FIELD - 1; j++) scratch[i * UTS_FIELD + j] = s.charCodeAt(j);
  }
  return t.copyOutStruct(a.ptr(0), UTSNAME_SIZE);
}

/** The new name as a string, or -errno. */
function nameIn(t: Task, a: SyscallArgs): string | number {
  if (!t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  const len = a.i32(1);
  if (len < 0 || len > UTS_NAME_MAX) return -EINVAL;
  if (t.copyInStruct(a.ptr(0), len) !== 0) return -EFAULT;
  let s = "";
  for (let i = 0; i < len && t.kernel.scratch[i] !== 0; i++) s += String.fromCharCode(t.kernel.scratch[i]!);
  return s;
}

function sysSethostname(t: Task, a: SyscallArgs): number {
  const name = nameIn(t, a);
  if (typeof name === "number") return name;
  t.kernel.hostname = name;
  return 0;
}

function sysSetdomainname(t: Task, a: SyscallArgs): number {
  const name = nameIn(t, a);
  if (typeof name === "number") return name;
  t.kernel.domainname = name;
  return 0;
}

function sysSysinfo(t: Task, a: SyscallArgs): number {
  const k = t.kernel;
  writeSysInfo(k.scratchView, 0, {
    uptime: Math.floor(k.clock.boottimeNs() / 1e9),
    loads: loadAverages(k),
    totalram: k.totalRam,
    freeram: k.freeRam(),
    sharedram: memoryTotals(k).shmem,
    bufferram: 0,
    procs: Math.min(k.tasks.size, 65535),
  });
  return t.copyOutStruct(a.ptr(0), SYSINFO_SIZE);
}

function sysGetrandom(t: Task, a: SyscallArgs): number {
  const flags = a.u32(2);
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) return -EINVAL;
  if ((flags & (GRND_RANDOM | GRND_INSECURE)) === (GRND_RANDOM | GRND_INSECURE)) return -EINVAL;
  const k = t.kernel;
  const at = a.ptr(0);
  const len = Math.min(a.size(1), 0x1ffffff);
  let done = 0;
  while (done < len) {
    const n = Math.min(len - done, RANDOM_CHUNK);
    k.random(k.scratch, 0, n);
    const copied = t.mm.copyOut(at + done, k.scratch, 0, n);
    if (copied < 0) break;
    done += copied;
    if (copied < n) break;
  }
  return done === 0 && len > 0 ? -EFAULT : done;
}

/** Which host CPU runs the caller is not told; a thread always sees the same one of its set. */
function sysGetcpu(t: Task, a: SyscallArgs): number {
  let cpu = t.tid % t.kernel.cpuCount;
  const m = t.affinity;
  if (m !== null) for (cpu = 0; cpu < t.kernel.cpuCount && (m[cpu >> 5]! & (1 << (cpu & 31))) === 0; cpu++);
  if (a.ptr(0) !== 0 && t.mm.writeU32(a.ptr(0), cpu) !== 0) return -EFAULT;
  return a.ptr(1) !== 0 ? t.mm.writeU32(a.ptr(1), 0) : 0;
}

/** SYSLOG_ACTION_* */
const LOG_READ = 2;
const LOG_READ_ALL = 3;
const LOG_READ_CLEAR = 4;
const LOG_CLEAR = 5;
const LOG_CONSOLE_LEVEL = 8;
const LOG_SIZE_UNREAD = 9;
const LOG_SIZE_BUFFER = 10;
/** Most levels of a console. */
const CONSOLE_LEVELS = 8;

/** syslog(2): the sandbox's own messages. */
function sysSyslog(t: Task, a: SyscallArgs): number {
  const type = a.i32(0);
  const { messages, restrictsMessages } = t.kernel;
  const isOpen = (type === LOG_READ_ALL || type === LOG_SIZE_BUFFER) && restrictsMessages === 0;
  if (!isOpen && !t.creds.hasCap(CAP_SYSLOG) && !t.creds.hasCap(CAP_SYS_ADMIN)) return -EPERM;
  const buf = a.ptr(1);
  const len = a.i32(2);
  switch (type) {
    case LOG_READ:
      if (buf === 0 || len < 0) return -EINVAL;
      if (len === 0) return 0;
      if (!messages.hasUnread) return t.blockOn(messages.queue, EV_IN, -ERESTARTSYS);
      return putText(t, buf, messages.read(len));
    case LOG_READ_ALL:
    case LOG_READ_CLEAR: {
      if (buf === 0 || len < 0) return -EINVAL;
      const n = len === 0 ? 0 : putText(t, buf, messages.tail(len));
      if (n >= 0 && type === LOG_READ_CLEAR) messages.clear();
      return n;
    }
    case LOG_CLEAR:
      messages.clear();
      return 0;
    case LOG_CONSOLE_LEVEL:
      return len < 1 || len > CONSOLE_LEVELS ? -EINVAL : 0;
    case LOG_SIZE_UNREAD:
      return messages.unread();
    case LOG_SIZE_BUFFER:
      return LOG_SIZE;
    default:
      return type >= 0 && type < LOG_SIZE_BUFFER ? 0 : -EINVAL;
  }
}

function putText(t: Task, at: number, text: string): number {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return t.mm.copyOutExact(at, bytes, 0, bytes.length) === 0 ? bytes.length : -EFAULT;
}

/** reboot(2): needs a capability that a container rarely has; magic numbers as the man page says. */
function sysReboot(t: Task, a: SyscallArgs): number {
  if (!t.creds.hasCap(CAP_SYS_BOOT)) return -EPERM;
  if (a.u32(0) !== 0xfee1dead) return -EINVAL;
  return -EPERM;
}

export const miscSyscalls: readonly SyscallEntry[] = [
  full("uname", sysUname),
  full("sethostname", sysSethostname),
  full("setdomainname", sysSetdomainname),
  full("sysinfo", sysSysinfo),
  full("getrandom", sysGetrandom),
  partial("getcpu", sysGetcpu, "A fixed CPU for each thread, whatever the host does"),
  full("syslog", sysSyslog),
  partial("reboot", sysReboot, "EPERM"),
];
