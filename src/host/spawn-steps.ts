/**
 * The set-up programs of our own processes (policy; the mechanisms are {@link Host.fork} and {@link Host.spawn}).
 *
 * How a process of ours gets an empty root although its bundle comes from the host's:
 *
 * 1. {@link sentrySteps} / {@link goferSteps} run in the new process (the copy that fork makes, or before the exec of what restores an image), before any JavaScript does. In a new mount
 *    namespace they build the later root, a tmpfs over a scratch directory with the exports bind-mounted into it, and drop
 *    all privileges. The process loads its bundle while it still sees the host's root; it has no capabilities by then.
 * 2. When the process has loaded all its code it says so, and waits before it touches anything hostile.
 * 3. The spawner calls {@link finishSetup}: a short-lived child joins the mount namespace and does the pivot_root from
 *    outside. pivot_root(2) moves the root and the working directory of every process that has the old root as its own,
 *    then the old root is detached. The process cannot do that itself: it would need CAP_SYS_ADMIN in a thread of V8.
 *
 * What step 3 cannot reach is a working directory or an open fd elsewhere below the old root. The steps therefore set the
 * working directory to "/" and close all fds that are not handed over; finishSetup checks root and working directory.
 *
 * Paths are latin1 strings, one char per byte: see {@link hostPath}.
 */
import { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID } from "../abi/capability.ts";
import { EOPNOTSUPP } from "../abi/errno.ts";
import { AT_FDCWD, AT_RECURSIVE } from "../abi/fcntl.ts";
import { MNT_DETACH, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC } from "../abi/mount.ts";
import { PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG } from "../abi/prctl.ts";
import { RLIMIT_CORE } from "../abi/resource.ts";
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS } from "../abi/sched.ts";
import { SIGKILL } from "../abi/signal.ts";
import { ENOSYS } from "../abi/errno.ts";
import { BpfAssembler, DATA_NR, JMP_JEQ_K, RET_ALLOW, RET_ERRNO } from "./bpf.ts";
import type { CapPair, Host, SpawnStep } from "./host.ts";
import { HSTAT_DEV, HSTAT_INO, HSTAT_LEN } from "./host.ts";

// mount_setattr(2).
const MOUNT_ATTR_RDONLY = 1;
const MOUNT_ATTR_NOSUID = 2;
const MOUNT_ATTR_NODEV = 4;

/** Last fd number that close_range(2) takes. */
const LAST_FD = 0xffffffff;

/** No capability. */
export const CAPS_NONE: CapPair = { lo: 0, hi: 0 };

/** What the gofer keeps: to act on files of every owner, as the guest's root may. */
export const GOFER_CAPS: readonly number[] = [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID];

/** A set from capability numbers. */
export function capPair(caps: readonly number[]): CapPair {
  let lo = 0;
  let hi = 0;
  for (const cap of caps) {
    if (cap < 32) lo = (lo | (1 << cap)) >>> 0;
    else hi = (hi | (1 << (cap - 32))) >>> 0;
  }
  return { lo, hi };
}

/** An ordinary JavaScript string (a path of Node's, say) as the host interface wants it: its UTF-8 bytes, a char each. */
export function hostPath(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** `parent` and `name` with one slash between. */
function below(parent: string, name: string): string {
  return `${parent === "/" ? "" : parent}/${name}`;
}

/**
 * Gives the child the fds of `fds`, `fds[i]` as number i, and closes all others. -1 leaves a number unused. Sources that
 * lie among the targets are moved out of the way first.
 */
export function fdSteps(fds: readonly number[]): SpawnStep[] {
  const steps: SpawnStep[] = [];
  const count = fds.length;
  const sources = [...fds];
  let spare = Math.max(count, ...fds) + 1;
  for (let i = 0; i < count; i++) {
    const from = sources[i]!;
    if (from < 0 || from >= count || from === i) continue;
    steps.push({ op: "dup", from, to: spare });
    for (let j = i; j < count; j++) if (fds[j] === from && j !== from) sources[j] = spare;
    spare++;
  }
  for (let i = 0; i < count; i++) {
    const from = sources[i]!;
    if (from >= 0) {
      steps.push({ op: "dup", from, to: i });
      continue;
    }
    const first = i;
    while (i + 1 < count && sources[i + 1]! < 0) i++;
    steps.push({ op: "close_range", first, last: i });
  }
  steps.push({ op: "close_range", first: count, last: LAST_FD });
  return steps;
}

/** Drops all capabilities but `keep` from every set; with `ambient`, `keep` survives exec of a user other than root. */
export function capSteps(keep: readonly number[], ambient: boolean): SpawnStep[] {
  const kept = capPair(keep);
  return [
    {
      op: "capset",
      effective: kept,
      permitted: kept,
      inheritable: ambient ? kept : CAPS_NONE,
      ambient: ambient ? kept : CAPS_NONE,
      bounding: kept,
    },
  ];
}

/** Name of the procfs in a root that has one. */
export const PROC_NAME = "proc";

/** One tree (or file) of the host in a process's later root. */
export interface BindMount {
  /** Absolute path on the host. */
  readonly source: string;
  /** Name directly below the later root, without a slash. */
  readonly name: string;
  readonly readonly: boolean;
  readonly isFile: boolean;
  /** Mounts below `source` come along. */
  readonly recursive: boolean;
}

/**
 * Makes all mounts private and builds the later root on `scratch`, an existing directory that no bind source lies below:
 * a small tmpfs, read-only in the end, with one entry for each bind. Binds are nosuid and nodev; not noexec, because the
 * guest's code is mapped from them. `hasProc`: with a procfs of the process's own pid namespace as {@link PROC_NAME}.
 */
export function rootSteps(scratch: string, binds: readonly BindMount[], hasProc: boolean = false): SpawnStep[] {
  const steps: SpawnStep[] = [
    { op: "mount", source: "", target: "/", fstype: "", flags: MS_REC | MS_PRIVATE, data: "" },
    {
      op: "mount",
      source: "tsvisor",
      target: scratch,
      fstype: "tmpfs",
      flags: MS_NOSUID | MS_NODEV | MS_NOEXEC,
      data: `mode=0755,size=64k,nr_inodes=${binds.length + 3}`,
    },
  ];
  for (const bind of binds) {
    const target = below(scratch, bind.name);
    const flags = bind.recursive ? AT_RECURSIVE : 0;
    if (bind.isFile) steps.push({ op: "writefile", path: target, text: "" });
    else steps.push({ op: "mkdir", path: target, mode: 0o755, ignoreExists: false });
    steps.push(
      { op: "mount", source: bind.source, target, fstype: "", flags: MS_BIND | (flags === 0 ? 0 : MS_REC), data: "" },
      {
        op: "mount_setattr",
        path: target,
        flags,
        set: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (bind.readonly ? MOUNT_ATTR_RDONLY : 0),
        clear: 0,
      },
    );
    // A tree that contains the scratch directory has brought the tmpfs along.
    if (bind.recursive && scratch.startsWith(below(bind.source, ""))) {
      const copy = below(target, scratch.slice(below(bind.source, "").length));
      steps.push({ op: "umount", target: copy, flags: MNT_DETACH });
    }
  }
  if (hasProc) {
    const target = below(scratch, PROC_NAME);
    steps.push(
      { op: "mkdir", path: target, mode: 0o555, ignoreExists: false },
      { op: "mount", source: "proc", target, fstype: "proc", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data: "" },
    );
  }
  steps.push({ op: "mount_setattr", path: scratch, flags: 0, set: MOUNT_ATTR_RDONLY, clear: 0 });
  return steps;
}

/** What the set-up of every process of ours has in common. */
export interface ProcessSetup {
  /**
   * Existing empty directory of the host, an absolute path without symbolic links; only the private mount namespace sees what is mounted on it.
   */
  readonly scratch: string;
  /** The child's fds, `fds[i]` as number i; see {@link fdSteps}. Null: the caller gives them otherwise. */
  readonly fds: readonly number[] | null;
  /** Ids to run with; -1: the spawner's. Node, the bundle and the addon must be readable for them. */
  readonly uid: number;
  readonly gid: number;
  /** Die (SIGKILL) with the thread that spawns; not for a detached sandbox. */
  readonly diesWithParent: boolean;
}

/** io_uring_setup(2), amd64. */
const SYS_IO_URING_SETUP = 425;

/**
 * A filter under which io_uring does not exist. libuv makes a ring for every event loop, V8's background one included,
 * and a ring would go around the filters that our processes install later; without one it uses plain epoll_ctl.
 */
function withoutIoUring(): Uint8Array {
  const bpf = new BpfAssembler();
  bpf.load(DATA_NR);
  bpf.jump(JMP_JEQ_K, SYS_IO_URING_SETUP, "refuse", "");
  bpf.ret(RET_ALLOW);
  bpf.label("refuse");
  bpf.ret(RET_ERRNO | ENOSYS);
  return bpf.assemble();
}

/** Ids, session, limits, capabilities and fds: what comes after the mounts. */
function privilegeSteps(setup: ProcessSetup, caps: readonly number[]): SpawnStep[] {
  const steps: SpawnStep[] = [
    { op: "chdir", path: "/" },
    // Keyboard signals of the terminal go to the command line alone.
    { op: "setsid" },
    // A core file would hold the guest's memory.
    { op: "setrlimit", resource: RLIMIT_CORE, soft: 0, hard: 0 },
    ...(setup.fds === null ? [] : fdSteps(setup.fds)),
  ];
  const changesUser = setup.uid >= 0;
  // Across setresuid the permitted set is kept only with this; exec clears it.
  if (changesUser) steps.push({ op: "prctl", option: PR_SET_KEEPCAPS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 });
  if (setup.gid >= 0) steps.push({ op: "setgroups", groups: [] }, { op: "setresgid", gid: setup.gid });
  if (changesUser) steps.push({ op: "setresuid", uid: setup.uid });
  steps.push(...capSteps(caps, changesUser && caps.length > 0));
  // After the changes of ids and capabilities, which clear it.
  if (setup.diesWithParent) {
    steps.push({ op: "prctl", option: PR_SET_PDEATHSIG, arg2: SIGKILL, arg3: 0, arg4: 0, arg5: 0 });
  }
  steps.push({ op: "prctl", option: PR_SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 });
  steps.push({ op: "seccomp", flags: 0, program: withoutIoUring() });
  return steps;
}

/**
 * Namespaces of the Sentry: own pids (its stubs die with it, and it cannot signal others), no network, an empty root, no
 * System V objects, an own host name.
 */
export const SENTRY_NAMESPACES: number = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

/** Steps of the Sentry process, for clone flags {@link SENTRY_NAMESPACES}: an empty root and no capabilities. */
export function sentrySteps(setup: ProcessSetup): SpawnStep[] {
  return [...rootSteps(setup.scratch, []), ...privilegeSteps(setup, [])];
}

/** Namespaces of the gofer; the same, since it needs files only. */
export const GOFER_NAMESPACES: number = SENTRY_NAMESPACES;

/** The container's root file system in the gofer's root. */
export const GOFER_ROOT = "root";

/** Name of export i (a bind mount of the container) in the gofer's root. */
export function goferExportName(i: number): string {
  return `mount${i}`;
}

/** A tree (or file) that the gofer serves. */
export interface GoferTree {
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly isFile: boolean;
}

/**
 * Steps of a gofer, for clone flags {@link GOFER_NAMESPACES}. After {@link finishSetup} its root directory holds
 * {@link GOFER_ROOT} and, for each of `mounts`, {@link goferExportName}, and nothing else; before that they are found
 * below `setup.scratch`. They lie side by side and not at their places inside the container's root, because nobody
 * trusts the symbolic links in there; the Sentry mounts them where they belong.
 */
export function goferSteps(
  setup: ProcessSetup,
  root: GoferTree,
  mounts: readonly GoferTree[],
  caps: readonly number[] = GOFER_CAPS,
): SpawnStep[] {
  const bind = (tree: GoferTree, name: string): BindMount => ({
    source: tree.hostPath,
    name,
    readonly: tree.readonly,
    isFile: tree.isFile,
    recursive: true,
  });
  const binds = [bind(root, GOFER_ROOT), ...mounts.map((mount, i) => bind(mount, goferExportName(i)))];
  // The gofer reopens what it has looked up through /proc/self/fd; the host's /proc would show every process.
  return [...rootSteps(setup.scratch, binds, true), ...privilegeSteps(setup, caps)];
}

/** Device and inode of what `path` leads to; a negative errno on failure. */
function identity(host: Host, path: string): string | number {
  const out = new Float64Array(HSTAT_LEN);
  const result = host.fstatat(AT_FDCWD, path, 0, out);
  return result < 0 ? result : `${out[HSTAT_DEV]!}:${out[HSTAT_INO]!}`;
}

/**
 * Gives a process that was spawned with {@link sentrySteps} or {@link goferSteps}, and has loaded all its code, its final
 * root, and detaches the host's. `scratch` is the directory of the set-up.
 * @returns 0 or a negative errno. -EOPNOTSUPP: the root or the working directory did not move, because the spawner itself
 * runs in a chroot whose root is no mount. On any error the process must be killed.
 */
export function finishSetup(host: Host, pid: number, pidfd: number, scratch: string): number {
  const expected = identity(host, `/proc/${pid}/root${scratch}`);
  if (typeof expected === "number") return expected;
  const result = host.runSteps(0, [
    { op: "setns", fd: pidfd, nstype: CLONE_NEWNS },
    { op: "chdir", path: scratch },
    // The old root ends up mounted over the new one, at the same place; there it is detached.
    { op: "pivot_root", newRoot: ".", putOld: "." },
    { op: "umount", target: ".", flags: MNT_DETACH },
  ]);
  if (result.error < 0) return result.error;
  for (const link of ["root", "cwd"]) {
    const actual = identity(host, `/proc/${pid}/${link}`);
    if (typeof actual === "number") return actual;
    if (actual !== expected) return -EOPNOTSUPP;
  }
  return 0;
}
