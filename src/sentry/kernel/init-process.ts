/** Process 1 of a sandbox. */
import { ENOTDIR } from "../../abi/errno.ts";
import { resolvePath, WALK_DIRECTORY, WALK_FOLLOW } from "../vfs/walk.ts";
import type { PathContext, VfsPath } from "../vfs/path.ts";
import type { Credentials } from "../auth/credentials.ts";
import { FdTable } from "./fd-table.ts";
import { FsContext } from "./fs-context.ts";
import { newSession } from "./job-control.ts";
import type { InitOptions, Kernel } from "./kernel.ts";
import { SignalHandlers } from "./sighand.ts";
import { Task } from "./task.ts";
import { prepareExec, startProgram } from "./task-exec.ts";
import { ThreadGroup } from "./thread-group.ts";

/** The caller of the first execve, before there is a task. */
class InitContext implements PathContext {
  readonly vfs: PathContext["vfs"];
  readonly root: VfsPath;
  cwd: VfsPath;
  readonly creds: Credentials;
  readonly umask: number;
  readonly owner: unknown = null;
  constructor(k: Kernel, o: InitOptions) {
    this.vfs = k.vfs;
    this.root = o.root;
    this.cwd = o.root;
    this.creds = o.creds;
    this.umask = o.umask;
  }
}

/** See Kernel.createInit. */
export function createInitProcess(k: Kernel, o: InitOptions): ThreadGroup | number {
  k.rootPath = o.root;
  k.mounts = o.mounts;
  o.root.incRef();
  const ctx = new InitContext(k, o);
  const cwd = resolvePath(ctx, null, o.cwd, WALK_FOLLOW | WALK_DIRECTORY);
  if (typeof cwd === "number") return cwd === -ENOTDIR ? -ENOTDIR : cwd;
  cwd.incRef();
  ctx.cwd = cwd;
  const place = resolvePath(ctx, null, o.path, WALK_FOLLOW);
  if (typeof place === "number") return place;
  const image = prepareExec(k, ctx, o.limits, 0, place, o.path, o.argv, o.envp);
  if (typeof image === "number") return image;
  const as = k.platform.newAddressSpace();
  if (typeof as === "number") {
    image.discard();
    return as;
  }
  image.program.mm.settle(as);
  const contextId = as.newContext();
  if (contextId < 0) {
    image.discard();
    return contextId;
  }
  image.program.file.close();

  const pid = k.allocTid();
  const g = new ThreadGroup(k, pid, new SignalHandlers(), o.limits);
  const fds = new FdTable(o.limits);
  for (const [fd, file] of o.files) fds.setAt(fd, file, false);
  o.root.incRef();
  const fs = new FsContext(o.root, cwd, o.umask);
  const t = new Task(k, pid, g, image.program.mm, fds, fs, o.creds);
  g.leader = t;
  g.tasks.push(t);
  g.isReaper = true;
  g.startNs = t.startNs = k.clock.monotonicNs();
  k.tasks.set(pid, t);
  k.userTasks.change(o.creds.ruid, 1);
  k.processes.set(pid, g);
  const session = newSession(k, g);
  if (o.terminal !== null) {
    g.tty = o.terminal;
    o.terminal.session = session;
    o.terminal.foregroundPgid = g.pgrp.id;
  }
  k.adoptContext(t, contextId);
  startProgram(t, image);
  k.init = g;
  k.enqueue(t);
  return g;
}
