/** Requests for notification: the descriptor, its watches. Each decodes from `s.r`, replies to `s.w`, returns 0 or -errno. */
import * as e from "../../abi/errno.ts";
import { O_RDONLY } from "../../abi/fcntl.ts";
import { IN_ACCESS, IN_ALL_EVENTS } from "../../abi/inotify.ts";
import { S_IFDIR, S_IFREG } from "../../abi/stat.ts";
import { Numbers, Rwatch, Twatch } from "../wire/extension.ts";
import { Empty } from "../wire/message.ts";
import { readStat } from "./backend.ts";
import type { P9Server } from "./server.ts";

const empty = new Empty();
const ONE_BYTE = new Uint8Array(1);
const watchMsg = new Twatch();
const watchReply = new Rwatch();
const unwatchMsg = new Numbers();
const statfsRaw = new Float64Array(16);

/**
 * File systems that only this kernel changes, so that inotify hears of every change: ext2-4, xfs, btrfs, f2fs, bcachefs, zfs, tmpfs,
 * ramfs, overlayfs, erofs, squashfs, iso9660, vfat, exfat. statfs(2), linux/magic.h.
 */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0xca451a4e, 0x2fc12fc1, 0x01021994, 0x858458f6, 0x794c7630, 0xe0f5e1e2,
  0x73717368, 0x9660, 0x4d44, 0x2011bab0,
]);

/** The connection's notification descriptor. It stays open here, for the watches. */
export function notify(s: P9Server): number {
  const err = empty.decode(s.r);
  if (err < 0) return err;
  if (s.notifyFd < 0) {
    const fd = s.host.inotifyInit();
    if (fd < 0) return fd;
    s.notifyFd = fd;
    s.markFd = openMark(s);
  }
  s.donatedFd = s.notifyFd;
  s.keepsDonated = true;
  return 0;
}

/** A file with one byte, the reading of which the notification descriptor tells; or -1. */
function openMark(s: P9Server): number {
  const memory = s.host.memfdCreate("tsvisor-mark", 0);
  if (memory < 0) return -1;
  // What memfd_create(2) opened makes no events on some hosts: it has no name.
  const fd = s.host.pwrite(memory, ONE_BYTE, 0, 1, 0) === 1 ? s.reopen(memory, O_RDONLY) : -1;
  s.host.close(memory);
  if (fd < 0) return -1;
  s.host.inotifyAddWatch(s.notifyFd, `${s.options.procPath}/${fd}`, IN_ACCESS);
  return fd;
}

export function watch(s: P9Server): number {
  const err = watchMsg.decode(s.r);
  if (err < 0) return err;
  const fid = s.fids.get(watchMsg.fid);
  if (fid === undefined || fid.xattr !== null || s.notifyFd < 0) return -e.EBADF;
  const { handle } = fid;
  if (handle.type !== S_IFDIR && handle.type !== S_IFREG) return -e.EOPNOTSUPP;
  const mask = watchMsg.mask;
  if (mask === 0 || (mask & ~IN_ALL_EVENTS) !== 0) return -e.EINVAL;
  const failed = s.host.fstatfs(handle.fd, statfsRaw);
  if (failed < 0) return failed;
  if (!LOCAL.has(statfsRaw[0]!)) return -e.EOPNOTSUPP;
  const wd = s.host.inotifyAddWatch(s.notifyFd, `${s.options.procPath}/${handle.fd}`, mask);
  if (wd < 0) return wd;
  const gone = s.statFd(handle.fd);
  if (gone < 0) {
    // A client that has watched it before hears of that by IN_IGNORED.
    s.host.inotifyRmWatch(s.notifyFd, wd);
    return gone;
  }
  watchReply.wd = wd;
  readStat(s.raw, watchReply.attr);
  watchReply.encode(s.w);
  return 0;
}

export function unwatch(s: P9Server): number {
  const err = unwatchMsg.decode(s.r);
  if (err < 0) return err;
  if (s.notifyFd < 0) return -e.EBADF;
  for (let i = 0; i < unwatchMsg.count; i++) s.host.inotifyRmWatch(s.notifyFd, unwatchMsg.numbers[i]! | 0);
  return 0;
}
