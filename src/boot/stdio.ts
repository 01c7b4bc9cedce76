/** fds 0, 1 and 2 of the first process: donated host files, or one pty for those that are terminals outside. */
import { errnoName } from "../abi/errno.ts";
import { O_RDWR } from "../abi/fcntl.ts";
import { S_IFMT, S_IFSOCK } from "../abi/stat.ts";
import type { BootConfig } from "../control/config.ts";
import type { Host } from "../host/host.ts";
import type { Devpts } from "../sentry/fs/devpts/devpts.ts";
import { PtySlave } from "../sentry/fs/devpts/files.ts";
import type { Terminal } from "../sentry/fs/devpts/terminal.ts";
import { importHostFd } from "../sentry/fs/host/host-file.ts";
import type { Kernel } from "../sentry/kernel/kernel.ts";
import { OuterSocket } from "../sentry/socket/unix/outer-socket.ts";
import type { FileDescription } from "../sentry/vfs/file.ts";
import { openAt } from "../sentry/vfs/open.ts";
import type { PathContext } from "../sentry/vfs/path.ts";
import { BootError } from "./boot-error.ts";
import { TerminalPump } from "./terminal-pump.ts";

export interface Stdio {
  readonly files: Map<number, FileDescription>;
  readonly terminal: Terminal | null;
  readonly pump: TerminalPump | null;
}

/** The slave of a new pty, opened by name so that ttyname(3) works inside; or directly when /dev/pts is not mounted. */
function openSlave(ctx: PathContext, tty: Terminal): FileDescription {
  tty.locked = false;
  const file = openAt(ctx, null, `/dev/pts/${tty.index}`, O_RDWR | 0o400, 0);
  if (typeof file !== "number" && file instanceof PtySlave && file.tty === tty) return file;
  throw new BootError("a terminal needs a devpts mount on /dev/pts");
}

/** A host fd as a file of the sandbox, a socket if it is one. */
function importStream(kernel: Kernel, host: Host, fd: number): FileDescription {
  const file = importHostFd(kernel.vfs, host, kernel.hostWatch, fd);
  if ((file.inode!.mode & S_IFMT) !== S_IFSOCK) return file;
  const socket = new OuterSocket(kernel.unixNames, file);
  kernel.vfs.anon.attach(socket, file.path!, file.statusFlags, file.accessMode);
  return socket;
}

/** See the header. `devpts`: the instance mounted on /dev/pts, null when there is none. Throws BootError. */
export function openStdio(
  host: Host,
  kernel: Kernel,
  devpts: Devpts | null,
  config: BootConfig,
  ctx: PathContext,
): Stdio {
  const files = new Map<number, FileDescription>();
  const hasTerminal = config.tty.some((t) => t) && devpts !== null;
  let terminal: Terminal | null = null;
  let pump: TerminalPump | null = null;
  let slave: FileDescription | null = null;
  if (hasTerminal) {
    const tty = devpts.newTerminal(config.process.uid, config.process.gid);
    if (typeof tty === "number") throw new BootError(`cannot make a terminal: ${errnoName(-tty)}`);
    terminal = tty;
    slave = openSlave(ctx, tty);
    const outFd = config.tty[1] === true ? 1 : config.tty[2] === true ? 2 : 0;
    pump = new TerminalPump(host, kernel.hostWatch, tty, config.tty[0] === true ? 0 : -1, outFd);
  }
  for (const fd of [0, 1, 2]) {
    if (config.open[fd] !== true) continue;
    if (slave !== null && config.tty[fd] === true) {
      slave.incRef();
      files.set(fd, slave);
    } else {
      // A number of its own: fds 0-2 themselves stay for the Sentry's messages.
      const own = host.dup(fd);
      if (own >= 0) files.set(fd, importStream(kernel, host, own));
    }
  }
  slave?.decRef();
  return { files, terminal, pump };
}
