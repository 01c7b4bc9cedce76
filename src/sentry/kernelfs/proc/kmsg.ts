/** /proc/kmsg: the kernel's messages, each given once. proc_kmsg(5), syslog(2). */
import { CAP_SYS_ADMIN, CAP_SYSLOG } from "../../../abi/capability.ts";
import { EAGAIN, EINVAL, EPERM } from "../../../abi/errno.ts";
import { S_IFREG } from "../../../abi/stat.ts";
import { EV_IN, EV_RDNORM } from "../../../base/waiter.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import { KernfsInode, latin1Bytes } from "../../fs/kernfs/kernfs.ts";
import type { KernfsFs } from "../../fs/kernfs/kernfs.ts";
import type { KernelLog } from "../../kernel/kernel-log.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FileDescription } from "../../vfs/file.ts";
import type { PathContext } from "../../vfs/path.ts";

/** The file. */
export class KmsgNode extends KernfsInode {
  private readonly log: KernelLog;

  constructor(fs: KernfsFs, log: KernelLog) {
    super(fs, S_IFREG | 0o400);
    this.log = log;
  }

  override open(_flags: number, ctx: PathContext): FileDescription | number {
    const may = ctx.creds.hasCap(CAP_SYSLOG) || ctx.creds.hasCap(CAP_SYS_ADMIN);
    return may ? new KmsgFile(this.log) : -EPERM;
  }
}

class KmsgFile extends FileDescription {
  private readonly log: KernelLog;

  constructor(log: KernelLog) {
    super();
    this.log = log;
  }

  override read(seq: IoSequence): number {
    if (seq.remaining === 0) return 0;
    if (!this.log.hasUnread) return -EAGAIN;
    const bytes = latin1Bytes(this.log.read(seq.remaining));
    return seq.write(bytes, 0, bytes.length);
  }

  override write(): number {
    return -EINVAL;
  }

  override readiness(): number {
    return this.log.hasUnread ? EV_IN | EV_RDNORM : 0;
  }

  override waitQueue(): WaitQueue {
    return this.log.queue;
  }
}
