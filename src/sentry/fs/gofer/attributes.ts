/** Attributes in their three forms: the host's, the protocol's, the VFS's. */
import { ESTALE } from "../../../abi/errno.ts";
import { AT_EMPTY_PATH } from "../../../abi/fcntl.ts";
import type { Stat } from "../../../abi/stat.ts";
import * as h from "../../../host/host.ts";
import type { Host } from "../../../host/host.ts";
import * as c from "../../../p9/wire/constants.ts";
import { SetAttr as WireSetAttr } from "../../../p9/wire/records.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, ATTR_UID } from "../../vfs/inode.ts";
import type { SetAttr } from "../../vfs/inode.ts";
import type { GoferInode } from "./inode.ts";

const wireSet: WireSetAttr = new WireSetAttr();
const hostStat: Float64Array = new Float64Array(h.HSTAT_LEN);

/** Reads what can change of a file that is open as host fd `fd`; identity and type are left alone. 0 or -errno. */
export function statFd(host: Host, fd: number, out: Stat): number {
  const err = host.fstatat(fd, "", AT_EMPTY_PATH, hostStat);
  if (err < 0) return err;
  out.mode = hostStat[h.HSTAT_MODE]!;
  out.nlink = hostStat[h.HSTAT_NLINK]!;
  out.uid = hostStat[h.HSTAT_UID]!;
  out.gid = hostStat[h.HSTAT_GID]!;
  out.size = hostStat[h.HSTAT_SIZE]!;
  out.blocks = hostStat[h.HSTAT_BLOCKS]!;
  out.atimeSec = hostStat[h.HSTAT_ATIME]!;
  out.atimeNsec = hostStat[h.HSTAT_ATIME_NS]!;
  out.mtimeSec = hostStat[h.HSTAT_MTIME]!;
  out.mtimeNsec = hostStat[h.HSTAT_MTIME_NS]!;
  out.ctimeSec = hostStat[h.HSTAT_CTIME]!;
  out.ctimeNsec = hostStat[h.HSTAT_CTIME_NS]!;
  return 0;
}

/** The VFS's changes as the protocol carries them. */
function toWire(a: SetAttr, out: WireSetAttr): void {
  let valid = 0;
  if ((a.mask & ATTR_MODE) !== 0) valid |= c.SETATTR_MODE;
  if ((a.mask & ATTR_UID) !== 0) valid |= c.SETATTR_UID;
  if ((a.mask & ATTR_GID) !== 0) valid |= c.SETATTR_GID;
  if ((a.mask & ATTR_SIZE) !== 0) valid |= c.SETATTR_SIZE;
  if ((a.mask & ATTR_ATIME) !== 0) valid |= c.SETATTR_ATIME | c.SETATTR_ATIME_SET;
  if ((a.mask & ATTR_MTIME) !== 0) valid |= c.SETATTR_MTIME | c.SETATTR_MTIME_SET;
  out.valid = valid;
  out.mode = a.mode;
  out.uid = a.uid;
  out.gid = a.gid;
  out.size = a.size;
  out.atime = a.atimeSec;
  out.atimeNs = a.atimeNsec;
  out.mtime = a.mtimeSec;
  out.mtimeNs = a.mtimeNsec;
}

/** Has attributes changed; those afterwards go to `out`. By name, where the gofer does not know the file otherwise. 0 or -errno. */
export function sendAttr(inode: GoferInode, a: SetAttr, out: Stat): number {
  const { client } = inode.gofer;
  const { parent } = inode;
  toWire(a, wireSet);
  if (inode.fid === c.NOFID && parent !== null && inode.isAnchored) {
    const dirFid = parent.getFid();
    if (dirFid < 0) return dirFid;
    copyStat(out, inode.attr);
    const err = client.setattrAt(dirFid, inode.name, wireSet, out);
    if (err === 0) inode.adoptFid(client.newFid);
    if (err !== -ESTALE) return err;
  }
  const fid = inode.getFid();
  return fid < 0 ? fid : client.setattr(fid, wireSet, out);
}

/** Copies what the gofer tells; `attributes` and `mountId` are the VFS's. */
export function copyStat(to: Stat, from: Stat): void {
  to.dev = from.dev;
  to.ino = from.ino;
  to.mode = from.mode;
  to.nlink = from.nlink;
  to.uid = from.uid;
  to.gid = from.gid;
  to.rdev = from.rdev;
  to.size = from.size;
  to.blksize = from.blksize;
  to.blocks = from.blocks;
  to.atimeSec = from.atimeSec;
  to.atimeNsec = from.atimeNsec;
  to.mtimeSec = from.mtimeSec;
  to.mtimeNsec = from.mtimeNsec;
  to.ctimeSec = from.ctimeSec;
  to.ctimeNsec = from.ctimeNsec;
  to.btimeSec = from.btimeSec;
  to.btimeNsec = from.btimeNsec;
}
