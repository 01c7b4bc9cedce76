/** Capabilities of files: the extended attribute security.capability, capabilities(7). */
import {
  VFS_CAP_FLAGS_EFFECTIVE,
  VFS_CAP_REVISION_1,
  VFS_CAP_REVISION_2,
  VFS_CAP_REVISION_3,
  VFS_CAP_REVISION_MASK,
} from "../../abi/capability.ts";
import { EINVAL } from "../../abi/errno.ts";

/** Capabilities that a file gives. */
export interface FileCaps {
  readonly permittedLo: number;
  readonly permittedHi: number;
  readonly inheritableLo: number;
  readonly inheritableHi: number;
  readonly isEffective: boolean;
}

/** The attribute's value: null for capabilities that are not ours to give, -EINVAL for a malformed one. */
export function parseFileCaps(value: Uint8Array): FileCaps | null | number {
  const size = value.length;
  if (size < 4) return -EINVAL;
  const v = new DataView(value.buffer, value.byteOffset, size);
  const magic = v.getUint32(0, true);
  const revision = magic & VFS_CAP_REVISION_MASK;
  if (!isCapsSize(revision, size)) return -EINVAL;
  // Capabilities of another user namespace's root.
  if (revision === VFS_CAP_REVISION_3 && v.getUint32(20, true) !== 0) return null;
  const hasHigh = revision !== VFS_CAP_REVISION_1;
  return {
    permittedLo: v.getUint32(4, true),
    inheritableLo: v.getUint32(8, true),
    permittedHi: hasHigh ? v.getUint32(12, true) : 0,
    inheritableHi: hasHigh ? v.getUint32(16, true) : 0,
    isEffective: (magic & VFS_CAP_FLAGS_EFFECTIVE) !== 0,
  };
}

function isCapsSize(revision: number, size: number): boolean {
  if (revision === VFS_CAP_REVISION_1) return size === 12;
  return size === (revision === VFS_CAP_REVISION_2 ? 20 : revision === VFS_CAP_REVISION_3 ? 24 : -1);
}

/** Whether a value may be set: the two newer formats. */
export function mayBeFileCaps(value: Uint8Array): boolean {
  if (value.length < 4) return false;
  const revision = (value[3]! << 24) | 0;
  return revision !== VFS_CAP_REVISION_1 && isCapsSize(revision, value.length);
}
