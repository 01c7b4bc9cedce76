/**
 * What execve makes of credentials: set-user-ID and set-group-ID bits, file capabilities, root's special role;
 * capabilities(7), "Transformation of capabilities during execve()".
 */
import { XATTR_CAPABILITY } from "../../abi/capability.ts";
import { EPERM } from "../../abi/errno.ts";
import { MS_NOSUID } from "../../abi/mount.ts";
import { SECBIT_KEEP_CAPS, SECBIT_NOROOT } from "../../abi/prctl.ts";
import { S_ISGID, S_ISUID, S_IXGRP } from "../../abi/stat.ts";
import type { Credentials } from "../auth/credentials.ts";
import { parseFileCaps } from "../auth/file-caps.ts";
import type { FileCaps } from "../auth/file-caps.ts";
import type { FileDescription } from "../vfs/file.ts";

/** What execve gives a program. */
export interface ExecCredentials {
  readonly creds: Credentials;
  /** AT_SECURE: the program must not trust its environment. */
  readonly isSecure: boolean;
  /** The file's set-id bits count, or it gives capabilities: flags of the personality go. */
  readonly isPrivileged: boolean;
}

/** `allowsGain`: the sandbox honours set-id bits and file capabilities. Or -errno. */
export function execCredentials(
  old: Credentials,
  file: FileDescription,
  allowsGain: boolean,
): ExecCredentials | number {
  const c = old.clone();
  const { inode, path } = file;
  let caps: FileCaps | null = null;
  let isPrivileged = false;
  if (allowsGain && inode !== null && path !== null && ((path.mount.flags | path.mount.fs.flags) & MS_NOSUID) === 0) {
    if (!old.noNewPrivs) {
      if ((inode.mode & S_ISUID) !== 0) {
        c.euid = inode.uid;
        isPrivileged = true;
      }
      if ((inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) {
        c.egid = inode.gid;
        isPrivileged = true;
      }
    }
    const value = inode.getXattr(XATTR_CAPABILITY);
    const read = typeof value === "number" ? null : parseFileCaps(value);
    if (typeof read === "number") return read;
    caps = read;
  }
  let lo = 0;
  let hi = 0;
  let isEffective = false;
  if (caps !== null) {
    lo = (c.boundingLo & caps.permittedLo) | (c.inheritableLo & caps.inheritableLo);
    hi = (c.boundingHi & caps.permittedHi) | (c.inheritableHi & caps.inheritableHi);
    ({ isEffective } = caps);
    // A program that does not ask what it has must get all of it.
    if (isEffective && ((caps.permittedLo & ~lo) !== 0 || (caps.permittedHi & ~hi) !== 0)) return -EPERM;
  }
  const isMixed = caps !== null && c.euid === 0 && c.ruid !== 0;
  if ((c.securebits & SECBIT_NOROOT) === 0 && !isMixed) {
    if (c.euid === 0 || c.ruid === 0) {
      lo = c.boundingLo | c.inheritableLo;
      hi = c.boundingHi | c.inheritableHi;
    }
    if (c.euid === 0) isEffective = true;
  }
  const isSetId = c.euid !== old.euid || c.egid !== old.egid;
  const gains = (lo & ~old.permittedLo) !== 0 || (hi & ~old.permittedHi) !== 0;
  if (old.noNewPrivs && (isSetId || gains)) {
    c.euid = c.ruid;
    c.egid = c.rgid;
    lo &= old.permittedLo;
    hi &= old.permittedHi;
  }
  c.suid = c.fsuid = c.euid;
  c.sgid = c.fsgid = c.egid;
  if (caps !== null || isSetId) c.ambientLo = c.ambientHi = 0;
  c.permittedLo = (lo | c.ambientLo) >>> 0;
  c.permittedHi = (hi | c.ambientHi) >>> 0;
  c.effectiveLo = isEffective ? c.permittedLo : c.ambientLo;
  c.effectiveHi = isEffective ? c.permittedHi : c.ambientHi;
  c.securebits &= ~SECBIT_KEEP_CAPS;
  const grew = (c.permittedLo & ~c.ambientLo) !== 0 || (c.permittedHi & ~c.ambientHi) !== 0;
  const isSecure = isSetId || c.euid !== c.ruid || c.egid !== c.rgid || (c.ruid !== 0 && (isEffective || grew));
  return { creds: c, isSecure, isPrivileged: isPrivileged || gains };
}

/** Whether a program's credentials are more than the old ones: nobody may then look into it. */
export function hasGained(old: Credentials, c: Credentials): boolean {
  return (
    old.euid !== c.euid ||
    old.egid !== c.egid ||
    old.fsuid !== c.fsuid ||
    old.fsgid !== c.fsgid ||
    (c.permittedLo & ~old.permittedLo) !== 0 ||
    (c.permittedHi & ~old.permittedHi) !== 0
  );
}
