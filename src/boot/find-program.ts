/** Where the first program is: execvp(3)'s search, seen from inside the sandbox. */
import { EACCES, ENOENT, ENOTDIR, errnoName } from "../abi/errno.ts";
import type { Credentials } from "../sentry/auth/credentials.ts";
import type { PathContext, VfsPath } from "../sentry/vfs/path.ts";
import { mayExecute } from "../sentry/vfs/open.ts";
import { resolvePath, WALK_DIRECTORY, WALK_FOLLOW } from "../sentry/vfs/walk.ts";
import { BootError } from "./boot-error.ts";

/** PATH when the environment has none (_PATH_DEFPATH with the sbin directories a root shell has). */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** 0 when `path` can be executed, else -errno. */
function check(ctx: PathContext, path: string): number {
  const place = resolvePath(ctx, null, path, WALK_FOLLOW);
  if (typeof place === "number") return place;
  if (place.dentry.inode!.isDir) return -EACCES;
  return mayExecute(ctx, place);
}

/** The caller to be: set-up's context with the program's own rights and working directory. */
class ProgramContext implements PathContext {
  readonly vfs: PathContext["vfs"];
  readonly root: VfsPath;
  readonly cwd: VfsPath;
  readonly creds: Credentials;
  readonly umask = 0;
  readonly owner: unknown = null;
  constructor(base: PathContext, cwd: VfsPath, creds: Credentials) {
    this.vfs = base.vfs;
    this.root = base.root;
    this.cwd = cwd;
    this.creds = creds;
  }
}

/** The path to execute for `name`, or -ENOENT / -EACCES. Throws BootError when `cwd` is no directory. */
export function findProgram(
  base: PathContext,
  creds: Credentials,
  name: string,
  envp: readonly string[],
  cwd: string,
): string | number {
  const at = resolvePath(base, null, cwd, WALK_FOLLOW | WALK_DIRECTORY);
  if (typeof at === "number") throw new BootError(`working directory ${cwd}: ${errnoName(-at)}`);
  const ctx = new ProgramContext(base, at, creds);
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
