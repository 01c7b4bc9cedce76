/**
 * What the command line tells a new sandbox: one JSON document in a memfd, whose number is the boot process's only
 * argument. The writer is trusted (it is our own CLI, which validated all that came from the user). The Sentry empties the memfd once it
 * has read it, and keeps it for its reports: report.ts.
 */

/** A resource limit of the first process, as in prlimit(2); `type` is the RLIMIT_* name. */
export interface RlimitConfig {
  readonly type: string;
  /** Infinity is written as -1. */
  readonly soft: number;
  readonly hard: number;
}

/** Capability sets by name (CAP_*), as in the OCI specification. */
export interface CapabilitiesConfig {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly inheritable: readonly string[];
  readonly permitted: readonly string[];
  readonly ambient: readonly string[];
}

/** The first process of a container. Strings are latin1 (one char per byte). */
export interface ProcessConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** -1: the default 022. */
  readonly umask: number;
  readonly rlimits: readonly RlimitConfig[];
  readonly noNewPrivileges: boolean;
  /** null: every capability for uid 0, none otherwise. */
  readonly capabilities: CapabilitiesConfig | null;
}

/** One mount inside the sandbox. `ioFd` >= 0: served by the gofer on that socket. */
export interface MountConfig {
  readonly destination: string;
  /** tmpfs, proc, sysfs, devpts, dev, mqueue, cgroup, or bind. */
  readonly type: string;
  readonly options: readonly string[];
  readonly readonly: boolean;
  readonly ioFd: number;
  /** bind of a single file instead of a directory. */
  readonly isFile: boolean;
  /** Somebody else may change the files: revalidate cached attributes. */
  readonly shared: boolean;
}

/** The whole document. */
export interface BootConfig {
  readonly version: 1;
  readonly id: string;
  readonly platform: "systrap" | "ptrace";
  readonly hostname: string;
  readonly process: ProcessConfig;
  /** Gofer socket of the root file system. */
  readonly rootIoFd: number;
  /** Writes go to memory instead of the host. */
  readonly rootOverlay: boolean;
  readonly rootReadonly: boolean;
  readonly mounts: readonly MountConfig[];
  /** SEQPACKET socket to the command line: signals and window sizes come in. */
  readonly controlFd: number;
  /** The stub's ELF file, opened. */
  readonly stubFd: number;
  /** The vDSO image, opened; -1: none. */
  readonly vdsoFd: number;
  /** Debug log, or -1. */
  readonly logFd: number;
  readonly debug: boolean;
  /** Bytes of memory that the sandbox may use, -1: no limit. */
  readonly memoryLimit: number;
  /** Threads that it may have, -1: no limit. */
  readonly pidsLimit: number;
  /** Honour set-user-ID and set-group-ID bits at execve. */
  readonly allowSetuid: boolean;
  /** Means of systrap that are turned off: patching, answers, batching. */
  readonly systrapDisable: readonly string[];
  readonly strace: boolean;
  /** Measure system calls and report at the end. */
  readonly profile: boolean;
  /** Which of stdin, stdout, stderr the first process has. */
  readonly open: readonly boolean[];
  /** Which of them are terminals of the host (they become one pty inside). */
  readonly tty: readonly boolean[];
  /** Makes the start-up's own stages visible in the log: monotonic ns at the command line's start. */
  readonly startedAtNs: number;
}
