/** Extended attributes, xattr(7). */
import { E2BIG, EBADF, EFAULT, EINVAL, ERANGE } from "../../abi/errno.ts";
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from "../../abi/limits.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/xattr.ts";
import type { Task } from "../kernel/task.ts";
import { getXattr, listXattr, removeXattr, setXattr } from "../vfs/attributes.ts";
import type { VfsPath } from "../vfs/path.ts";
import { resolvePath, WALK_FOLLOW } from "../vfs/walk.ts";
import type { SyscallArgs } from "./args.ts";
import type { Handler } from "./dispatch.ts";
import { full } from "./entry.ts";
import type { SyscallEntry } from "./entry.ts";
import { ioFile, namedPathArg } from "./file-util.ts";

/** How the calls name their file: by path, by path without following a link, by fd. */
type Target = "path" | "link" | "fd";

/** The file a call is about, or -errno. */
function place(t: Task, a: SyscallArgs, target: Target): VfsPath | number {
  if (target === "fd") {
    const file = ioFile(t, a.i32(0));
    return file === undefined || file.path === null ? -EBADF : file.path;
  }
  const path = namedPathArg(t, a.ptr(0));
  if (typeof path === "number") return path;
  return resolvePath(t.pathContext, null, path, target === "path" ? WALK_FOLLOW : 0);
}

/** An attribute's name: -ERANGE when empty or too long. */
function nameArg(t: Task, addr: number): string | number {
  const name = t.mm.copyInString(addr, XATTR_NAME_MAX + 1);
  if (typeof name === "number") return name === -EFAULT ? -EFAULT : -ERANGE;
  return name === "" ? -ERANGE : name;
}

function set(t: Task, a: SyscallArgs, target: Target): number {
  const flags = a.i32(4);
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL;
  const name = nameArg(t, a.ptr(1));
  if (typeof name === "number") return name;
  const size = a.size(3);
  if (size > XATTR_SIZE_MAX) return -E2BIG;
  const value = new Uint8Array(size);
  if (size > 0 && t.mm.copyInExact(a.ptr(2), value, 0, size) < 0) return -EFAULT;
  const where = place(t, a, target);
  if (typeof where === "number") return where;
  return setXattr(t.pathContext, where, name, value, flags);
}

function get(t: Task, a: SyscallArgs, target: Target): number {
  const name = nameArg(t, a.ptr(1));
  if (typeof name === "number") return name;
  const where = place(t, a, target);
  if (typeof where === "number") return where;
  const value = getXattr(t.pathContext, where, name);
  if (typeof value === "number") return value;
  const size = a.size(3);
  if (size === 0) return value.length;
  if (value.length > size) return -ERANGE;
  if (value.length > 0 && t.mm.copyOutExact(a.ptr(2), value, 0, value.length) < 0) return -EFAULT;
  return value.length;
}

function list(t: Task, a: SyscallArgs, target: Target): number {
  const where = place(t, a, target);
  if (typeof where === "number") return where;
  const names = listXattr(t.pathContext, where);
  if (typeof names === "number") return names;
  const size = a.size(2);
  const buf = t.kernel.scratch;
  let n = 0;
  for (const name of names) {
    if (n + name.length + 1 > XATTR_LIST_MAX) return -E2BIG;
    for (let i = 0; i < name.length; i++) buf[n++] = name.charCodeAt(i);
    buf[n++] = 0;
  }
  if (size === 0) return n;
  if (n > size) return -ERANGE;
  return n > 0 && t.mm.copyOutExact(a.ptr(1), buf, 0, n) < 0 ? -EFAULT : n;
}

function remove(t: Task, a: SyscallArgs, target: Target): number {
  const name = nameArg(t, a.ptr(1));
  if (typeof name === "number") return name;
  const where = place(t, a, target);
  return typeof where === "number" ? where : removeXattr(t.pathContext, where, name);
}

export const setxattr: Handler = (t: Task, a: SyscallArgs): number => set(t, a, "path");
export const lsetxattr: Handler = (t: Task, a: SyscallArgs): number => set(t, a, "link");
export const fsetxattr: Handler = (t: Task, a: SyscallArgs): number => set(t, a, "fd");
export const getxattr: Handler = (t: Task, a: SyscallArgs): number => get(t, a, "path");
export const lgetxattr: Handler = (t: Task, a: SyscallArgs): number => get(t, a, "link");
export const fgetxattr: Handler = (t: Task, a: SyscallArgs): number => get(t, a, "fd");
export const listxattr: Handler = (t: Task, a: SyscallArgs): number => list(t, a, "path");
export const llistxattr: Handler = (t: Task, a: SyscallArgs): number => list(t, a, "link");
export const flistxattr: Handler = (t: Task, a: SyscallArgs): number => list(t, a, "fd");
export const removexattr: Handler = (t: Task, a: SyscallArgs): number => remove(t, a, "path");
export const lremovexattr: Handler = (t: Task, a: SyscallArgs): number => remove(t, a, "link");
export const fremovexattr: Handler = (t: Task, a: SyscallArgs): number => remove(t, a, "fd");

/** The calls of this file, for the table. */
export const xattrSyscalls: readonly SyscallEntry[] = [
  full("setxattr", setxattr),
  full("lsetxattr", lsetxattr),
  full("fsetxattr", fsetxattr),
  full("getxattr", getxattr),
  full("lgetxattr", lgetxattr),
  full("fgetxattr", fgetxattr),
  full("listxattr", listxattr),
  full("llistxattr", llistxattr),
  full("flistxattr", flistxattr),
  full("removexattr", removexattr),
  full("lremovexattr", lremovexattr),
  full("fremovexattr", fremovexattr),
];
