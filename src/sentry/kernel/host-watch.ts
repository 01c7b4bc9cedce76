/**
 * Readiness of host file descriptors (stdio, sockets): the platform's epoll tells, the owner's listener hears. Host fds
 * are watched level-triggered, so an owner that nobody waits on must take its watch back, or the main loop spins.
 */
import { EEXIST } from "../../abi/errno.ts";
import type { Platform } from "../../platform/platform.ts";

/** Told that a host fd is ready. Takes notes only (notify wait queues). */
export interface HostReadyListener {
  onHostReady(events: number): void;
}

/** See the header. */
export class HostWatch {
  private readonly platform: Platform;
  private readonly listeners: Map<number, HostReadyListener> = new Map();

  constructor(platform: Platform) {
    this.platform = platform;
  }

  /** Starts watching `fd` for `events` (EV_*). 0 or -errno (EPERM: a regular file, always ready; EEXIST: watched already). */
  watch(fd: number, events: number, listener: HostReadyListener): number {
    if (this.listeners.has(fd)) return -EEXIST;
    const err = this.platform.watch(fd, events, fd);
    if (err !== 0) return err;
    this.listeners.set(fd, listener);
    return 0;
  }

  /** Changes the events of a watched fd; 0 keeps it registered but silent (errors and hang-ups still come). */
  rewatch(fd: number, events: number): number {
    return this.platform.rewatch(fd, events, fd);
  }

  /** Stops watching; no effect when not watched. */
  unwatch(fd: number): void {
    if (this.listeners.delete(fd)) this.platform.unwatch(fd);
  }

  /** The fds that are watched. */
  get watched(): Iterable<number> {
    return this.listeners.keys();
  }

  /** Main loop: the platform reports `token` ready. */
  ready(token: number, events: number): void {
    this.listeners.get(token)?.onHostReady(events);
  }
}
