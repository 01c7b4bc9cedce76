/** Mount options as mount(8) and the OCI specification write them, split into MS_* flags and file system data. */
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from "../abi/mount.ts";

const SET: Readonly<Record<string, number>> = {
  ro: MS_RDONLY,
  nosuid: MS_NOSUID,
  nodev: MS_NODEV,
  noexec: MS_NOEXEC,
  noatime: MS_NOATIME,
  nodiratime: MS_NODIRATIME,
  relatime: MS_RELATIME,
  strictatime: MS_STRICTATIME,
  sync: MS_SYNCHRONOUS,
};
const CLEAR: Readonly<Record<string, number>> = {
  rw: MS_RDONLY,
  suid: MS_NOSUID,
  dev: MS_NODEV,
  exec: MS_NOEXEC,
  atime: MS_NOATIME,
  diratime: MS_NODIRATIME,
  async: MS_SYNCHRONOUS,
  defaults: 0,
};
/** Options about propagation and binding, which mean nothing inside. */
const IGNORED = /^(r?bind|r?private|r?shared|r?slave|unbindable|newinstance|lazytime|nofail)$/;

/** Flags (MS_*) and the comma-separated rest. */
export function parseMountOptions(options: readonly string[]): { flags: number; data: string } {
  let flags = 0;
  const rest: string[] = [];
  for (const option of options) {
    if (option in SET) flags |= SET[option]!;
    else if (option in CLEAR) flags &= ~CLEAR[option]!;
    else if (!IGNORED.test(option)) rest.push(option);
  }
  return { flags, data: rest.join(",") };
}
