/**
 * The part of the OCI runtime specification's config.json that tsvisor honours (config.md, config-linux.md of
 * opencontainers/runtime-spec 1.2). Unknown members are ignored, as the specification asks.
 */

export interface OciUser {
  uid: number;
  gid: number;
  umask?: number;
  additionalGids?: number[];
}

export interface OciRlimit {
  type: string;
  soft: number;
  hard: number;
}

export interface OciCapabilities {
  bounding?: string[];
  effective?: string[];
  inheritable?: string[];
  permitted?: string[];
  ambient?: string[];
}

export interface OciProcess {
  terminal?: boolean;
  user: OciUser;
  args: string[];
  env?: string[];
  cwd: string;
  capabilities?: OciCapabilities;
  rlimits?: OciRlimit[];
  noNewPrivileges?: boolean;
}

export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

/** Limits; -1 is no limit. Other controllers are not honoured. */
export interface OciResources {
  memory?: { limit?: number };
  pids?: { limit?: number };
}

export interface OciLinux {
  resources?: OciResources;
}

export interface OciSpec {
  ociVersion: string;
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts?: OciMount[];
  linux?: OciLinux;
  annotations?: { [key: string]: string };
}
