/** The contents of a container's /dev, made in a tmpfs. */
import { S_IFCHR, makedev } from "../../../abi/stat.ts";
import type { Inode } from "../../vfs/inode.ts";
import {
  FULL_MINOR,
  MEM_MAJOR,
  NULL_MINOR,
  PTMX_MINOR,
  RANDOM_MINOR,
  TTY_MAJOR,
  URANDOM_MINOR,
  ZERO_MINOR,
} from "./devices.ts";

/** Group "tty" on Debian and elsewhere. */
const GID_TTY = 5;

/** Name, major, minor of the nodes every container has (OCI runtime spec, default devices). */
const NODES: readonly (readonly [string, number, number])[] = [
  ["null", MEM_MAJOR, NULL_MINOR],
  ["zero", MEM_MAJOR, ZERO_MINOR],
  ["full", MEM_MAJOR, FULL_MINOR],
  ["random", MEM_MAJOR, RANDOM_MINOR],
  ["urandom", MEM_MAJOR, URANDOM_MINOR],
];

const LINKS: readonly (readonly [string, string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
  ["core", "/proc/kcore"],
];

/**
 * Fills `root`, the root directory of a fresh tmpfs (mode 755): device nodes, links, and the directories pts, shm and
 * mqueue to mount on. 0 or -errno.
 */
export function populateDev(root: Inode): number {
  for (const [name, major, minor] of NODES) {
    const r = root.mknod(name, S_IFCHR | 0o666, makedev(major, minor), 0, 0);
    if (typeof r === "number") return r;
  }
  const tty = root.mknod("tty", S_IFCHR | 0o666, makedev(TTY_MAJOR, 0), 0, GID_TTY);
  if (typeof tty === "number") return tty;
  for (const [name, target] of LINKS) {
    const r = root.symlink(name, target, 0, 0);
    if (typeof r === "number") return r;
  }
  for (const [name, mode] of [
    ["pts", 0o755],
    ["shm", 0o1777],
    ["mqueue", 0o755],
  ] as const) {
    const r = root.mkdir(name, mode, 0, 0);
    if (typeof r === "number") return r;
  }
  return 0;
}

/** Minor of /dev/ptmx, for whoever registers the pseudo terminal driver. */
export const PTMX_DEVICE: number = makedev(TTY_MAJOR, PTMX_MINOR);
