/**
 * How the cache of a shared tree stays true: the host tells of changes.
 *
 * The gofer donates an inotify(7) descriptor and adds a watch for each directory that is cached here. The host queues an
 * event before the call that made the change returns, so whoever reads the queue without waiting and finds nothing knows as
 * much as if he had asked. It is read once in each attempt of a system call that uses what is cached.
 *
 * Watches of directories tell of names, and of what is done to a file through that name. They do not tell of changes
 * through another hard link or a shared mapping: sizes and times of regular files are therefore read from the file itself.
 */
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  IN_Q_OVERFLOW,
} from "../../../abi/inotify.ts";
import { EV_IN } from "../../../base/waiter.ts";
import type { Host } from "../../../host/host.ts";
import { nameText } from "../../../p9/wire/cursor.ts";
import { notifyLost, notifyOutside } from "../../vfs/notify.ts";
import type { Reporter } from "../../vfs/notify.ts";
import { turn } from "../../vfs/turn.ts";
import type { GoferInode } from "./inode.ts";

/** Events of entries coming and going. */
const NAME_EVENTS: number = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
/** What every watched directory tells. */
export const NAMES_MASK: number = NAME_EVENTS | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
/** And one whose entries' sizes and times are kept. */
export const CONTENTS_MASK: number = NAMES_MASK | IN_MODIFY;

/** What is told of a file other than a directory: only while a guest watches it. */
export const FILE_MASK: number = IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

/** Readiness of host fds, level-triggered, by the main loop. */
export interface HostWatcher {
  /** 0 or -errno. */
  watch(fd: number, events: number, listener: { onHostReady(events: number): void }): number;
  unwatch(fd: number): void;
}

/** Bytes of `struct inotify_event` without the name, and of the longest with it. */
const HEADER = 16;
const LONGEST = HEADER + 256;
const buffer: Uint8Array = new Uint8Array(16384);
const view: DataView = new DataView(buffer.buffer);

/** A watched file; of a directory, which of its cached names are not certain. */
export class DirWatch {
  readonly wd: number;
  /** IN_* that are told. */
  mask: number;
  /** Names to be confirmed before they are used; null: none. */
  private suspects: Set<string> | null = null;
  /** Events were lost: only these names are certain. null: all but the suspects are. */
  private confirmed: Set<string> | null = null;
  /** Names of files whose mode or owner may have changed. */
  private changed: Set<string> | null = null;

  constructor(wd: number, mask: number) {
    this.wd = wd;
    this.mask = mask;
  }

  isCertain(name: string): boolean {
    if (this.suspects !== null && this.suspects.has(name)) return false;
    return this.confirmed === null || this.confirmed.has(name);
  }

  suspect(name: string): void {
    (this.suspects ??= new Set()).add(name);
  }

  /** No name is certain. */
  suspectAll(): void {
    this.suspects = null;
    this.confirmed = new Set();
  }

  confirm(name: string): void {
    if (this.suspects !== null && this.suspects.delete(name) && this.suspects.size === 0) this.suspects = null;
    if (this.confirmed !== null) this.confirmed.add(name);
    this.takeChanged(name);
  }

  noteChanged(name: string): void {
    (this.changed ??= new Set()).add(name);
  }

  /** Whether mode and owner of the file called `name` must be read anew; asked once. */
  takeChanged(name: string): boolean {
    if (this.changed === null || !this.changed.delete(name)) return false;
    if (this.changed.size === 0) this.changed = null;
    return true;
  }
}

/** The notification descriptor of one tree, and what is watched by it. Guests' inotify watches are told from here. */
export class HostEvents implements Reporter {
  private readonly host: Host;
  private readonly fd: number;
  private readonly watcher: HostWatcher | null;
  private readonly dirs: Map<number, GoferInode> = new Map();
  /** What guests watch. While there is any, the main loop waits for events too. */
  private readonly reported: Set<GoferInode> = new Set();
  /** Reported ones that may have lost their last name: nothing of ours is to keep them. */
  private leaving: GoferInode[] = [];
  /** The attempt in which the queue was last read. */
  private readAt = -1;
  private isDraining = false;
  /** Events that our own requests have made since then: masks, watches and names, of which the first `ownCount` count. */
  private readonly ownMasks: number[] = [];
  private readonly ownWds: number[] = [];
  private readonly ownNames: string[] = [];
  private ownCount = 0;

  /** Takes over `fd`. */
  constructor(host: Host, fd: number, watcher: HostWatcher | null) {
    this.host = host;
    this.fd = fd;
    this.watcher = watcher;
  }

  close(): void {
    if (this.reported.size > 0 && this.watcher !== null) this.watcher.unwatch(this.fd);
    this.host.close(this.fd);
  }

  /** A guest watches a file whose changes are told here. */
  report(node: GoferInode): void {
    this.reported.add(node);
    if (this.reported.size === 1 && this.watcher !== null) this.watcher.watch(this.fd, EV_IN, this);
  }

  /** No guest does any more. */
  cease(node: GoferInode): void {
    if (this.reported.delete(node) && this.reported.size === 0 && this.watcher !== null) this.watcher.unwatch(this.fd);
  }

  onHostReady(): void {
    this.drain();
  }

  add(wd: number, dir: GoferInode): void {
    this.dirs.set(wd, dir);
  }

  remove(wd: number): void {
    this.dirs.delete(wd);
  }

  /** A request of ours was carried out that makes this event, one of NAME_EVENTS. */
  expect(watch: DirWatch | null, mask: number, name: string): void {
    if (watch === null) return;
    const i = this.ownCount++;
    this.ownWds[i] = watch.wd;
    this.ownMasks[i] = mask;
    this.ownNames[i] = name;
  }

  /** Learns of all changes that were finished before the system call under way began. @hot */
  sync(): void {
    if (this.readAt !== turn.now) this.drain();
  }

  /** Learns of all changes that were finished before now. */
  drain(): void {
    if (this.isDraining) return;
    this.readAt = turn.now;
    const n = this.host.read(this.fd, buffer, 0, buffer.length);
    if (n <= 0) return;
    this.isDraining = true;
    this.take(n);
    this.isDraining = false;
  }

  private take(first: number): void {
    let n = first;
    for (;;) {
      for (let at = 0; at + HEADER <= n;) {
        const length = view.getUint32(at + 12, true);
        let end = at + HEADER;
        const limit = end + length;
        while (end < limit && buffer[end] !== 0) end++;
        const name = nameText(buffer, at + HEADER, end - at - HEADER);
        this.event(view.getInt32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true), name);
        at = limit;
      }
      if (n <= buffer.length - LONGEST) break;
      n = this.host.read(this.fd, buffer, 0, buffer.length);
      if (n <= 0) break;
    }
    // What was expected has come, or never will.
    this.ownCount = 0;
    if (this.leaving.length === 0) return;
    const { leaving } = this;
    this.leaving = [];
    for (const node of leaving) node.letGo();
  }

  private event(wd: number, mask: number, cookie: number, name: string): void {
    if ((mask & IN_Q_OVERFLOW) !== 0) {
      for (const dir of this.dirs.values()) dir.eventsLost();
      for (const node of this.reported) notifyLost(node);
      return;
    }
    const dir = this.dirs.get(wd);
    if (dir === undefined) return;
    if ((mask & IN_IGNORED) !== 0) {
      this.dirs.delete(wd);
      dir.watchEnded();
    } else if (name === "") dir.selfEvent();
    else if ((mask & NAME_EVENTS) !== 0) dir.nameEvent(name, this.isOwn(wd, mask & NAME_EVENTS, name));
    else dir.entryEvent(name, mask);
    if (this.reported.size === 0) return;
    if ((mask & (IN_DELETE | IN_MOVED_TO)) !== 0) {
      for (const node of this.reported) if (node.parent === dir && node.name === name) this.leaving.push(node);
    } else if ((mask & IN_ATTRIB) !== 0 && name === "" && !dir.isDir) this.leaving.push(dir);
    if (dir.reporter === this) notifyOutside(dir, mask, cookie, name);
  }

  /**
   * Whether one of our requests made the event. The host merges an event with the same one before it, which only for
   * IN_MOVED_TO can hide somebody else's: the requests that make those do not rely on it.
   */
  private isOwn(wd: number, mask: number, name: string): boolean {
    const { ownMasks, ownWds, ownNames, ownCount } = this;
    for (let i = 0; i < ownCount; i++) {
      if (ownMasks[i] !== mask || ownWds[i] !== wd || ownNames[i] !== name) continue;
      ownMasks[i] = 0;
      return true;
    }
    return false;
  }
}
