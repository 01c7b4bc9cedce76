/** What the links of /proc/PID/ns lead to: files that stand for namespaces. namespaces(7), ioctl_ns(2). */
import { EPERM } from "../../../abi/errno.ts";
import { NSFS_MAGIC } from "../../../abi/statfs.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../../abi/sched.ts";
import { S_IFREG } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import { AnonFs, AnonInode } from "../../vfs/anon.ts";
import { FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import type { VfsPath } from "../../vfs/path.ts";
import type { VirtualFileSystem } from "../../vfs/vfs.ts";

const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;
const NS_GET_OWNER_UID = 0xb704;

/** Numbers of the namespaces that there is one of, as in Linux (include/linux/proc_ns.h). */
const TIME_INO = 0xeffffffa;
const CGROUP_INO = 0xeffffffb;
const PID_INO = 0xeffffffc;
const USER_INO = 0xeffffffd;
const UTS_INO = 0xeffffffe;
const IPC_INO = 0xefffffff;
const NET_INO = 0xeffffff9;

/** A kind of link: its name in the directory, the name in its text, the CLONE_* flag, the number (0: ask the task). */
export interface NamespaceKind {
  readonly entry: string;
  readonly name: string;
  readonly flag: number;
  readonly ino: number;
}

export const namespaceKinds: readonly NamespaceKind[] = [
  { entry: "cgroup", name: "cgroup", flag: CLONE_NEWCGROUP, ino: CGROUP_INO },
  { entry: "ipc", name: "ipc", flag: CLONE_NEWIPC, ino: IPC_INO },
  { entry: "mnt", name: "mnt", flag: CLONE_NEWNS, ino: 0 },
  { entry: "net", name: "net", flag: CLONE_NEWNET, ino: NET_INO },
  { entry: "pid", name: "pid", flag: CLONE_NEWPID, ino: PID_INO },
  { entry: "pid_for_children", name: "pid", flag: CLONE_NEWPID, ino: PID_INO },
  { entry: "time", name: "time", flag: CLONE_NEWTIME, ino: TIME_INO },
  { entry: "time_for_children", name: "time", flag: CLONE_NEWTIME, ino: TIME_INO },
  { entry: "user", name: "user", flag: CLONE_NEWUSER, ino: USER_INO },
  { entry: "uts", name: "uts", flag: CLONE_NEWUTS, ino: UTS_INO },
];

class NamespaceInode extends AnonInode {
  private readonly flag: number;

  constructor(fs: AnonFs, ino: number, flag: number) {
    super(fs, ino, S_IFREG | 0o444, 0, 0);
    this.flag = flag;
  }

  override open(): FileDescription {
    return new NamespaceFile(this.flag);
  }
}

class NamespaceFile extends FileDescription {
  private readonly flag: number;

  constructor(flag: number) {
    super();
    this.flag = flag;
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    switch (request) {
      case NS_GET_NSTYPE:
        return this.flag;
      case NS_GET_USERNS:
      case NS_GET_PARENT:
        // There are no namespaces above.
        return -EPERM;
      case NS_GET_OWNER_UID:
        return ctx.mm.writeU32(arg, 0);
      default:
        return super.ioctl(ctx, request, arg);
    }
  }
}

/** The file system of namespaces: one for all mounts of proc. */
class NamespaceFs extends AnonFs {
  private readonly paths: Map<number, VfsPath> = new Map();

  constructor(vfs: VirtualFileSystem) {
    super(vfs, "nsfs", NSFS_MAGIC);
  }

  path(kind: NamespaceKind, ino: number): VfsPath {
    let p = this.paths.get(ino);
    if (p === undefined) {
      p = this.newPath(`${kind.name}:[${ino}]`, new NamespaceInode(this, ino, kind.flag));
      p.incRef();
      this.paths.set(ino, p);
    }
    return p;
  }
}

const fileSystems: WeakMap<VirtualFileSystem, NamespaceFs> = new WeakMap();

/** Number of the namespace that the task is in. */
export function namespaceIno(kind: NamespaceKind, t: Task): number {
  if (kind.ino !== 0) return kind.ino;
  const ns = t.fs.root.mount.ns ?? t.kernel.mounts;
  return ns === null ? 0xf0000000 : ns.id;
}

/** The place a link leads to. */
export function namespacePath(kind: NamespaceKind, t: Task): VfsPath {
  const { vfs } = t.kernel;
  let fs = fileSystems.get(vfs);
  if (fs === undefined) {
    fs = new NamespaceFs(vfs);
    fileSystems.set(vfs, fs);
  }
  return fs.path(kind, namespaceIno(kind, t));
}
