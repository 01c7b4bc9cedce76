/**
 * File change notification: inotify(7) as the VFS sees it. Operations report what they did; whoever watches an inode
 * hears of it.
 *
 * Every report is behind `watching.count !== 0`, so that without watches an operation pays one load and one comparison.
 */
import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_ONESHOT,
  IN_UNMOUNT,
} from "../../abi/inotify.ts";
import { Stat } from "../../abi/stat.ts";
import type { Dentry } from "./dentry.ts";
import type { FileDescription } from "./file.ts";
import type { FileSystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";

/** Who keeps watches: an inotify instance. */
export interface WatchOwner {
  /** Something happened to what `w` watches. `name`: the entry of the watched directory, "" for the watched file itself. */
  onNotify(w: Watch, mask: number, cookie: number, name: string): void;
  /** `w` has left its inode for good: deleted, unmounted, or one-shot and spent. */
  onRemoved(w: Watch): void;
  /** Events of the inode that `w` watches were lost. */
  onLost(w: Watch): void;
}

/**
 * Who knows of every change of an inode, those made behind the VFS's back included (the host, of a shared file). What guests
 * do is then told by it as well, by {@link notifyOutside}, and not by the VFS: everything once, in the order in which it happened.
 */
export interface Reporter {
  /** Tells what has not been told yet. */
  drain(): void;
}

/** The events that are a reporter's. Who opens, reads and closes a file is not among them: the host sees our own means there. */
const REPORTED: number =
  IN_ATTRIB | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF;

/** Watches on all inodes of the process. The one piece of state outside of a kernel: a count that switches reports on. */
export const watching: { count: number } = { count: 0 };

/** One inode watched by one owner. Keeps the inode by a pin of the dentry it was found through; does not keep the mount. */
export class Watch {
  readonly owner: WatchOwner;
  readonly wd: number;
  readonly inode: Inode;
  private readonly dentry: Dentry;
  /** IN_* events asked for, with IN_ONESHOT. */
  mask = 0;
  /** IN_EXCL_UNLINK */
  exclUnlinked = false;
  /** Off its inode. */
  removed = false;

  constructor(owner: WatchOwner, wd: number, dentry: Dentry) {
    this.owner = owner;
    this.wd = wd;
    this.dentry = dentry;
    this.inode = dentry.inode!;
  }

  /** Starts hearing of events. */
  attach(): void {
    const { inode, dentry } = this;
    dentry.pins++;
    dentry.watches++;
    let list = inode.watches as WatchList | null;
    if (list === null) inode.watches = list = new WatchList();
    list.items.push(this);
    const { fs } = dentry;
    if (fs.watched === null) fs.watched = new Set();
    fs.watched.add(this);
    watching.count++;
    if (list.items.length === 1) inode.onWatched(true);
  }

  /** Hears no more. */
  detach(): void {
    if (this.removed) return;
    this.removed = true;
    watching.count--;
    const { inode, dentry } = this;
    (dentry.fs.watched as Set<Watch>).delete(this);
    const list = inode.watches as WatchList;
    // A list that is being told stays as it is: a new one takes its place.
    list.items = list.items.filter((w) => w !== this);
    if (list.items.length === 0) {
      inode.watches = null;
      inode.onWatched(false);
    }
    dentry.watches--;
    dentry.unpin();
  }
}

/** All watches of one inode. */
class WatchList {
  items: Watch[] = [];
}

let lastCookie = 0;
const stat: Stat = new Stat();

/** The mask of an inode's own events: directories say so, except for what only concerns the watched file itself. */
function tell(inode: Inode, mask: number, cookie: number, name: string, from: Dentry | null): void {
  if (inode.watches === null) return;
  const { reporter } = inode;
  if (reporter !== null) {
    if ((mask & REPORTED) !== 0) return;
    reporter.drain();
  }
  deliver(inode, mask, cookie, name, from);
}

function deliver(inode: Inode, mask: number, cookie: number, name: string, from: Dentry | null): void {
  const list = inode.watches as WatchList | null;
  if (list === null) return;
  const what = mask & ~(IN_ISDIR | 0x80000000);
  for (const w of list.items) {
    if (w.removed || (w.mask & what) === 0) continue;
    if (w.exclUnlinked && from !== null && from.deleted) continue;
    w.owner.onNotify(w, mask, cookie, name);
    if ((w.mask & IN_ONESHOT) !== 0) remove(w);
  }
}

function remove(w: Watch): void {
  w.detach();
  w.owner.onNotify(w, IN_IGNORED, 0, "");
  w.owner.onRemoved(w);
}

function dirBit(inode: Inode): number {
  return inode.isDir ? IN_ISDIR : 0;
}

/** An event that the inode's reporter tells, as inotify(7) has it: of the entry `name`, or of the inode itself (""). */
export function notifyOutside(inode: Inode, mask: number, cookie: number, name: string): void {
  const what = mask & (REPORTED | IN_ISDIR);
  if ((what & REPORTED) !== 0) deliver(inode, what, cookie, name, null);
  if ((what & IN_DELETE_SELF) === 0) return;
  const list = inode.watches as WatchList | null;
  if (list !== null) for (const w of list.items) remove(w);
}

/** Its reporter has lost events. */
export function notifyLost(inode: Inode): void {
  const list = inode.watches as WatchList | null;
  if (list !== null) for (const w of list.items) w.owner.onLost(w);
}

/** An event of the entry `name` in directory `dir`. */
export function notifyName(dir: Inode, mask: number, name: string, child: Inode | null): void {
  tell(dir, child === null ? mask : mask | dirBit(child), 0, name, null);
}

/** An event of an inode, whatever its name. */
export function notifyInode(inode: Inode, mask: number): void {
  tell(inode, mask | dirBit(inode), 0, "", null);
}

/** An event of a file: its directory hears of it with the name, then its own watchers. */
export function notifyDentry(d: Dentry, mask: number): void {
  notify(d, mask, null);
}

function notify(d: Dentry, mask: number, opened: Dentry | null): void {
  const inode = d.inode;
  if (inode === null) return;
  const all = mask | dirBit(inode);
  if (d.parent !== null && d.parent.inode !== null) tell(d.parent.inode, all, 0, d.name, opened);
  tell(inode, all, 0, "", opened);
}

/** An event that came about through an open file. */
export function notifyFile(file: FileDescription, mask: number): void {
  const path = file.path;
  if (path !== null && !file.isPath) notify(path.dentry, mask, path.dentry);
}

/** Data was read through `file`. */
export function notifyAccess(file: FileDescription): void {
  notifyData(file, IN_ACCESS);
}

/** Data was written through `file`. */
export function notifyModify(file: FileDescription): void {
  notifyData(file, IN_MODIFY);
}

/** What goes through pipes, devices and sockets concerns who watches them, not who watches their directory. */
function notifyData(file: FileDescription, mask: number): void {
  const { inode, path } = file;
  if (path === null || inode === null || file.isPath) return;
  if (inode.isRegular || inode.isDir) notify(path.dentry, mask, path.dentry);
  else tell(inode, mask, 0, "", path.dentry);
}

/** The last reference to a description goes; it is still on its inode. */
export function notifyClose(file: FileDescription): void {
  notifyFile(file, file.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

/** Attributes were set: which event utimensat(2) and the like make. ATTR_ATIME, ATTR_MTIME alone mean access and change. */
export function attributeEvent(atime: boolean, mtime: boolean): number {
  return atime && mtime ? IN_ATTRIB : atime ? IN_ACCESS : IN_MODIFY;
}

/** `inode` got one more name `name` in `dir` (link); before that is made known as a new entry. */
export function notifyLinked(inode: Inode): void {
  notifyInode(inode, IN_ATTRIB);
}

/** A new entry. */
export function notifyCreated(dir: Inode, name: string, child: Inode): void {
  notifyName(dir, IN_CREATE, name, child);
}

/** The entry `name` of `dir` was removed; `removed` was it. */
export function notifyUnlinked(dir: Inode, name: string, removed: Dentry): void {
  const inode = removed.inode!;
  if (!inode.isDir) notifyInode(inode, IN_ATTRIB);
  if (!removed.isHeld) notifyLeft(removed);
  notifyName(dir, IN_DELETE, name, inode);
}

/** A rename happened. `replaced`: what was at the new name and is no more. */
export function notifyMoved(
  oldDir: Inode,
  oldName: string,
  newDir: Inode,
  newName: string,
  moved: Inode,
  replaced: Dentry | null,
): void {
  const bit = dirBit(moved);
  const cookie = (lastCookie = (lastCookie + 1) >>> 0);
  tell(oldDir, IN_MOVED_FROM | bit, cookie, oldName, null);
  tell(newDir, IN_MOVED_TO | bit, cookie, newName, null);
  if (replaced !== null) notifyInode(replaced.inode!, IN_ATTRIB);
  tell(moved, IN_MOVE_SELF, 0, "", null);
  if (replaced !== null && !replaced.isHeld) notifyLeft(replaced);
}

/** A removed name is gone and nobody holds it: if it was the last one, so is the file. */
export function notifyLeft(removed: Dentry): void {
  const inode = removed.inode;
  if (inode === null || inode.watches === null || inode.reporter !== null) return;
  if (!inode.isDir && inode.getStat(stat) === 0 && stat.nlink > 0) return;
  tell(inode, IN_DELETE_SELF, 0, "", null);
  const list = inode.watches as WatchList | null;
  if (list !== null) for (const w of list.items) remove(w);
}

/** The last mount of a file system goes. */
export function notifyUnmount(fs: FileSystem): void {
  const set = fs.watched as Set<Watch> | null;
  if (set === null) return;
  for (const w of set) {
    if (w.removed) continue;
    w.owner.onNotify(w, IN_UNMOUNT, 0, "");
    remove(w);
  }
}
