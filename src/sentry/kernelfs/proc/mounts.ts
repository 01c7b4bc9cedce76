/** /proc/PID/mounts, mountinfo and mountstats: proc_pid_mountinfo(5), fstab(5). */
import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  MS_SYNCHRONOUS,
} from "../../../abi/mount.ts";
import { devMajor, devMinor } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import type { Mount } from "../../vfs/mount.ts";
import type { PeerGroup } from "../../vfs/propagation.ts";
import { isReachable, placeString } from "../../vfs/mounting.ts";
import { escapeOctal } from "./format.ts";

/** Characters that would break the fields of a line. */
const SPECIAL = " \t\n\\";

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [MS_NOSUID, "nosuid"],
  [MS_NODEV, "nodev"],
  [MS_NOEXEC, "noexec"],
  [MS_NOATIME, "noatime"],
  [MS_NODIRATIME, "nodiratime"],
  [MS_RELATIME, "relatime"],
  [MS_NOSYMFOLLOW, "nosymfollow"],
];

const SUPER_NAMES: readonly (readonly [number, string])[] = [
  [MS_SYNCHRONOUS, "sync"],
  [MS_DIRSYNC, "dirsync"],
  [MS_MANDLOCK, "mand"],
  [MS_LAZYTIME, "lazytime"],
];

/** ",sync" of the whole file system. */
function superOptions(m: Mount): string {
  let out = "";
  for (const [flag, name] of SUPER_NAMES) if ((m.fs.superFlags & flag) !== 0) out += `,${name}`;
  return out;
}

/** ",nosuid,relatime" of one mount. */
function mountOptions(m: Mount): string {
  let out = "";
  for (const [flag, name] of FLAG_NAMES) if ((m.flags & flag) !== 0) out += `,${name}`;
  return out;
}

function fsOptions(m: Mount): string {
  const { options } = m.fs;
  return options === "" ? "" : `,${escapeOctal(options, " \t\n")}`;
}

/** " shared:1 master:2": proc_pid_mountinfo(5), optional fields. */
function propagationFields(t: Task, m: Mount): string {
  let out = m.peers === null ? "" : ` shared:${m.peers.id}`;
  const { master } = m;
  if (master !== null) {
    out += ` master:${master.id}`;
    // The nearest group above of which the task sees a member, when that is not the master itself.
    for (let g: PeerGroup | null = master; g !== null; g = g.members.values().next().value?.master ?? null) {
      if (!g.members.values().some((p) => p.ns === m.ns && isReachable(p.rootPath, t.fs.root))) continue;
      if (g !== master) out += ` propagate_from:${g.id}`;
      break;
    }
  }
  return m.isUnbindable ? `${out} unbindable` : out;
}

/** The mounts that the task can see from its root directory, in the order in which they were made. */
function visibleMounts(t: Task): Mount[] {
  const { root } = t.fs;
  const ns = root.mount.ns ?? t.kernel.mounts;
  return ns === null
    ? []
    : ns
        .list()
        .filter((m) => isReachable(m.rootPath, root))
        .sort((a, b) => a.id - b.id);
}

function mountPoint(t: Task, m: Mount): string {
  return escapeOctal(placeString(m.rootPath, t.fs.root, ""), SPECIAL);
}

/** Which directory of its file system a mount shows. */
function rootInFs(m: Mount): string {
  let out = "";
  for (let d: Dentry = m.root; d.parent !== null; d = d.parent) out = `/${d.name}${out}`;
  if (m.root.deleted) out += "//deleted";
  return escapeOctal(out === "" ? "/" : out, SPECIAL);
}

/** First field: where a file system comes from. */
function source(m: Mount): string {
  return m.source === "" ? "none" : escapeOctal(m.source, `${SPECIAL}#`);
}

export function mountsText(t: Task): string {
  let out = "";
  for (const m of visibleMounts(t)) {
    const access = (m.flags & MS_RDONLY) !== 0 || m.fs.readOnly ? "ro" : "rw";
    out += `${source(m)} ${mountPoint(t, m)} ${m.fs.typeName} ${access}${superOptions(m)}${mountOptions(m)}${fsOptions(m)} 0 0\n`;
  }
  return out;
}

export function mountinfoText(t: Task): string {
  let out = "";
  for (const m of visibleMounts(t)) {
    const { dev } = m.fs;
    const parent = m.parent === null ? m.id : m.parent.id;
    const access = (m.flags & MS_RDONLY) !== 0 ? "ro" : "rw";
    out +=
      `${m.id} ${parent} ${devMajor(dev)}:${devMinor(dev)} ${rootInFs(m)} ${mountPoint(t, m)} ` +
      `${access}${mountOptions(m)}${propagationFields(t, m)} - ${m.fs.typeName} ${source(m)} ` +
      `${m.fs.readOnly ? "ro" : "rw"}${superOptions(m)}${fsOptions(m)}\n`;
  }
  return out;
}

export function mountstatsText(t: Task): string {
  let out = "";
  for (const m of visibleMounts(t)) {
    out += `device ${source(m)} mounted on ${mountPoint(t, m)} with fstype ${m.fs.typeName}\n`;
  }
  return out;
}
