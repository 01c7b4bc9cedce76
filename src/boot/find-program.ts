/** Where the first program is: execvp(3)'s search, seen from inside the sandbox. */
import { EACCES, ENOENT, ENOTDIR } from "../abi/errno.ts";
import type { PathContext } from "../sentry/vfs/path.ts";
import { mayExecute } from "../sentry/vfs/open.ts";
import { resolvePath, WALK_FOLLOW } from "../sentry/vfs/walk.ts";

/** PATH when the environment has none (_PATH_DEFPATH with the sbin directories a root shell has). */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** 0 when `path` can be executed, else -errno. */
function check(ctx: PathContext, path: string): number {
  const place = resolvePath(ctx, null, path, WALK_FOLLOW);
  if (typeof place === "number") return place;
  if (place.dentry.inode!.isDir) return -EACCES;
  return mayExecute(ctx, place);
}

/** The path to execute for `name`, or -ENOENT / -EACCES. */
export function findProgram(ctx: PathContext, name: string, envp: readonly string[]): string | number {
  if (name.includes("/")) {
    const r = check(ctx, name);
    return r === 0 ? name : r;
  }
  if (name === "") return -ENOENT;
  const entry = envp.find((e) => e.startsWith("PATH="));
  let result = -ENOENT;
  for (const dir of (entry === undefined ? DEFAULT_PATH : entry.slice(5)).split(":")) {
    const path = dir === "" ? `./${name}` : `${dir}/${name}`;
    const r = check(ctx, path);
    if (r === 0) return path;
    if (r !== -ENOENT && r !== -ENOTDIR) result = r;
  }
  return result;
}
