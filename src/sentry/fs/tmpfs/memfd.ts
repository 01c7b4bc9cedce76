/** memfd_create(2): files of a tmpfs that nobody can walk to. */
import { FMODE_READ, FMODE_WRITE } from "../../vfs/file.ts";
import type { FileDescription } from "../../vfs/file.ts";
import { MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, F_SEAL_EXEC, O_LARGEFILE, O_RDWR } from "../../../abi/fcntl.ts";
import type { Credentials } from "../../auth/credentials.ts";
import { Dentry } from "../../vfs/dentry.ts";
import { Mount } from "../../vfs/mount.ts";
import { VfsPath } from "../../vfs/path.ts";
import { TmpfsFile, TmpfsRegular } from "./regular.ts";
import type { TmpfsFs } from "./tmpfs.ts";

/** Makes memfds (and other nameless shared memory files) on one kernel-internal tmpfs. */
export class MemfdFactory {
  private readonly fs: TmpfsFs;
  private readonly mount: Mount;

  constructor(fs: TmpfsFs) {
    this.fs = fs;
    this.mount = new Mount(0, fs, fs.root, 0, "none");
  }

  /** `flags`: MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL count. Read-write, with one reference. */
  create(name: string, flags: number, creds: Credentials): FileDescription {
    const noExec = (flags & MFD_NOEXEC_SEAL) !== 0;
    const node = new TmpfsRegular(this.fs, noExec ? 0o666 : 0o777, creds.fsuid, creds.fsgid);
    node.nlink = 0;
    node.seals = (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0 ? (noExec ? F_SEAL_EXEC : 0) : node.seals;
    const dentry = new Dentry(this.fs, null, `/memfd:${name} (deleted)`, node);
    const path = new VfsPath(this.mount, dentry);
    const file = new TmpfsFile(node);
    file.statusFlags = O_RDWR | O_LARGEFILE;
    file.accessMode = FMODE_READ | FMODE_WRITE;
    file.path = path;
    file.inode = node;
    file.creds = creds;
    path.incRef();
    node.incUsers();
    // As in Linux, the description that memfd_create makes does not count as a writer: it may be executed.
    return file;
  }
}

/** The regular tmpfs file behind a description, for F_ADD_SEALS / F_GET_SEALS; null: EINVAL. */
export function sealable(file: FileDescription): TmpfsRegular | null {
  return file.inode instanceof TmpfsRegular ? file.inode : null;
}
