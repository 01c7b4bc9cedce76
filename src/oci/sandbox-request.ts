/** What a command asks of a new sandbox, before any process is started. */
import type { ProcessConfig } from "../control/config.ts";

/** A tree (or single file) of the host that the gofer serves. */
export interface GoferExport {
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly isFile: boolean;
}

/** A mount inside, in mount order. `exported` is set for binds. */
export interface MountRequest {
  readonly destination: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly readonly: boolean;
  readonly exported: GoferExport | null;
}

export interface SandboxRequest {
  readonly id: string;
  readonly hostname: string;
  readonly process: ProcessConfig;
  /** Absolute host path of the root file system. */
  readonly rootPath: string;
  readonly rootReadonly: boolean;
  readonly mounts: readonly MountRequest[];
  /** null: the default with fallback. */
  readonly platform: "systrap" | "ptrace" | null;
  /** patching, answers, batching: means of systrap that are turned off. */
  readonly systrapDisable: readonly string[];
  readonly strace: boolean;
  readonly profile: boolean;
  readonly debug: boolean;
  /** Bytes of memory inside, and threads; -1: no limit. */
  readonly memoryLimit: number;
  readonly pidsLimit: number;
  readonly allowSetuid: boolean;
  /** File that logs are appended to; undefined: stderr. */
  readonly debugLog: string | undefined;
}
