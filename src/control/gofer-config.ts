/**
 * What the command line tells a new gofer: one JSON document in a memfd, whose number is the gofer's only argument. The
 * writer is trusted. Strings are latin1 (one char per byte).
 */

/** One tree (or single file) that the gofer serves on one connected socket. */
export interface GoferExportConfig {
  /** AF_UNIX socket (SOCK_SEQPACKET or SOCK_STREAM) to the sandbox, inherited. */
  readonly ioFd: number;
  /** Absolute path in the gofer's root, looked up when the set-up is finished (MSG_GO). */
  readonly path: string;
  /** Refuse changes, whatever the mount below would allow. */
  readonly readonly: boolean;
}

/** The whole document. */
export interface GoferConfig {
  readonly version: 1;
  /**
   * SEQPACKET socket to the command line: the gofer sends MSG_BOOTED when its code is loaded and starts work at MSG_GO.
   * It is closed then. -1: start at once.
   */
  readonly controlFd: number;
  /**
   * Path of the gofer's own /proc/self/fd, in its root as it is after MSG_GO: a procfs of its own pid namespace. "": the one of the root
   * that it was started in, which shows every process of the host.
   */
  readonly procPath: string;
  readonly exports: readonly GoferExportConfig[];
  /** Install the seccomp filter of src/gofer/policy.ts. */
  readonly seccomp: boolean;
}
