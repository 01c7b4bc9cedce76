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
  MS_SHARED,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} from "../../../abi/mount.ts";
import { devMajor, devMinor } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import type { Mount } from "../../vfs/mount.ts";
import { isReachable, pathString } from "../../vfs/mounting.ts";
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

/** The mounts that the task can see from its root directory, parents first. */
function visibleMounts(t: Task): Mount[] {
  const { root } = t.fs;
  const ns = root.mount.ns ?? t.kernel.mounts;
  return ns === null ? [] : ns.list().filter((m) => isReachable(m.rootPath, root));
}

function mountPoint(t: Task, m: Mount): string {
  return escapeOctal(pathString(m.rootPath, t.fs.root, ""), SPECIAL);
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
    let optional = "";
    if ((m.propagation & MS_SHARED) !== 0) optional = ` shared:${m.id}`;
    else if ((m.propagation & MS_UNBINDABLE) !== 0) optional = " unbindable";
    out +=
      `${m.id} ${parent} ${devMajor(dev)}:${devMinor(dev)} ${rootInFs(m)} ${mountPoint(t, m)} ` +
      `${access}${mountOptions(m)}${optional} - ${m.fs.typeName} ${source(m)} ` +
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
