/**
 * Shared subtrees: mount_namespaces(7). Mounts of a peer group pass mounts and unmounts below them on to each other and to
 * the group's slaves, which pass nothing back.
 */
import { MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "../../abi/mount.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import { VfsPath } from "./path.ts";
import type { VirtualFileSystem } from "./vfs.ts";

/** Mounts that are equals, and those that only listen to them. */
export class PeerGroup {
  /** The number in mountinfo: "shared:N", "master:N". */
  readonly id: number;
  readonly members: Set<Mount> = new Set();
  readonly slaves: Set<Mount> = new Set();

  constructor(id: number) {
    this.id = id;
  }
}

/** MS_SHARED: keeps the master it has. */
export function makeShared(vfs: VirtualFileSystem, m: Mount): void {
  m.isUnbindable = false;
  if (m.peers === null) join(m, vfs.newPeerGroup());
}

function join(m: Mount, g: PeerGroup): void {
  m.peers = g;
  g.members.add(m);
}

function follow(m: Mount, master: PeerGroup | null): void {
  if (m.master !== null) m.master.slaves.delete(m);
  m.master = master;
  if (master !== null) master.slaves.add(m);
}

/** MS_SLAVE: of the group that it leaves; the last one to leave bequeaths its own master to the group's slaves. */
function makeSlave(vfs: VirtualFileSystem, m: Mount): void {
  const g = m.peers;
  if (g === null) return;
  m.peers = null;
  g.members.delete(m);
  if (g.members.size > 0) {
    follow(m, g);
    return;
  }
  for (const s of g.slaves) follow(s, m.master);
  vfs.dropPeerGroup(g);
}

/** MS_PRIVATE: also what becomes of a mount that leaves the tree. */
export function makePrivate(vfs: VirtualFileSystem, m: Mount): void {
  makeSlave(vfs, m);
  follow(m, null);
  m.isUnbindable = false;
}

/** mount(2) with one of MS_SHARED, MS_SLAVE, MS_PRIVATE and MS_UNBINDABLE. */
export function setPropagation(vfs: VirtualFileSystem, m: Mount, kind: number): void {
  switch (kind) {
    case MS_SHARED:
      makeShared(vfs, m);
      break;
    case MS_SLAVE:
      makeSlave(vfs, m);
      break;
    case MS_PRIVATE:
    case MS_UNBINDABLE:
      makePrivate(vfs, m);
      m.isUnbindable = kind === MS_UNBINDABLE;
      break;
    default:
  }
}

/** How a copy of a mount stands to it. */
export const COPY_EQUAL = 0;
/** It listens to the original. */
export const COPY_SLAVE = 1;
/** The same, and it has listeners of its own. */
export const COPY_SHARED_SLAVE = 2;

/** A copy of mount `m` that shows `root`, in no namespace yet. */
export function copyMount(vfs: VirtualFileSystem, m: Mount, root: Dentry, how: number): Mount {
  const copy = vfs.newBindMount(new VfsPath(m, root), m.flags);
  if (how === COPY_EQUAL || m.peers === null) {
    if (m.peers !== null) join(copy, m.peers);
    follow(copy, m.master);
  } else {
    follow(copy, m.peers);
  }
  if (how === COPY_SHARED_SLAVE) makeShared(vfs, copy);
  return copy;
}

/** A copy of `m`, starting at dentry `root`; `recursive`: with copies of the mounts below it that may be copied. */
export function copyTree(vfs: VirtualFileSystem, m: Mount, root: Dentry, recursive: boolean, how: number): Mount {
  const top = copyMount(vfs, m, root, how);
  if (!recursive) return top;
  const todo: { readonly from: Mount; readonly below: Mount }[] = [];
  const addChildren = (from: Mount, copy: Mount): void => {
    if (from.children === null) return;
    for (const child of [...from.children.values()].reverse()) {
      if (!child.isUnbindable && isBelow(child.mountpoint!, copy.root)) todo.push({ from: child, below: copy });
    }
  };
  addChildren(m, top);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const copy = copyMount(vfs, next.from, next.from.root, how);
    next.below.attachChild(copy, next.from.mountpoint!);
    addChildren(next.from, copy);
  }
  return top;
}

/** Whether `d` is `top` or below it in their file system. */
export function isBelow(d: Dentry, top: Dentry): boolean {
  for (let x: Dentry | null = d; x !== null; x = x.parent) if (x === top) return true;
  return false;
}

/** A copy that a mount makes elsewhere. */
export interface SpreadCopy {
  readonly copy: Mount;
  readonly parent: Mount;
}

/** Those to whom mounts below `m` are passed on. */
export function receivers(m: Mount): Mount[] {
  const groups = new Set<PeerGroup>();
  const seen = new Set<Mount>([m]);
  if (m.peers !== null) groups.add(m.peers);
  // Groups are added while they are gone through.
  for (const g of groups) {
    for (const p of g.members) seen.add(p);
    for (const s of g.slaves) {
      seen.add(s);
      if (s.peers !== null) groups.add(s.peers);
    }
  }
  seen.delete(m);
  return [...seen];
}

/**
 * Copies of `source`, which is about to hang on dentry `point` of `parent`, for everybody who is to have one. They join the
 * groups that are gone through here, but have no namespace yet and get no copy of their own.
 */
export function spread(vfs: VirtualFileSystem, parent: Mount, point: Dentry, source: Mount): SpreadCopy[] {
  const out: SpreadCopy[] = [];
  if (parent.peers !== null) new Spreader(vfs, point, out, parent).from(parent.peers, source);
  return out;
}

class Spreader {
  private readonly vfs: VirtualFileSystem;
  private readonly point: Dentry;
  private readonly out: SpreadCopy[];
  private readonly done: Set<Mount>;
  /** Groups with what hangs at the place in one of their members, or nearest above it. */
  private readonly sources: Map<PeerGroup, Mount> = new Map();

  constructor(vfs: VirtualFileSystem, point: Dentry, out: SpreadCopy[], first: Mount) {
    this.vfs = vfs;
    this.point = point;
    this.out = out;
    this.done = new Set([first]);
  }

  from(first: PeerGroup, source: Mount): void {
    this.sources.set(first, source);
    // Groups are added while they are gone through: chains of slaves may be longer than a stack of calls.
    for (const [g, from] of this.sources) this.group(g, from);
  }

  private group(g: PeerGroup, source: Mount): void {
    for (const m of g.members) this.copyTo(m, source, COPY_EQUAL);
    for (const s of g.slaves) {
      if (this.done.has(s)) continue;
      if (s.peers === null) this.copyTo(s, source, COPY_SLAVE);
      else if (!this.sources.has(s.peers)) this.sources.set(s.peers, this.enter(s.peers, source) ?? source);
    }
  }

  /** The first member of a group of slaves gets a slave of the source that is shared in turn; the others get equals of that. */
  private enter(g: PeerGroup, source: Mount): Mount | null {
    for (const m of g.members) {
      const copy = this.copyTo(m, source, COPY_SHARED_SLAVE);
      if (copy !== null) return copy;
    }
    return null;
  }

  /** The copy, or null where the place is not to be seen. */
  private copyTo(parent: Mount, source: Mount, how: number): Mount | null {
    if (this.done.has(parent)) return null;
    this.done.add(parent);
    if (parent.ns === null || !isBelow(this.point, parent.root)) return null;
    const copy = copyTree(this.vfs, source, source.root, true, how);
    this.out.push({ copy, parent });
    return copy;
  }
}
