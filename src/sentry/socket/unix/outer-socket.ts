/**
 * A connected stream socket whose far end is outside of the sandbox: a standard stream that the user's program was given
 * as a socket. Programs ask such a descriptor for more than read and write (getsockname, SO_TYPE, recv, shutdown), so it
 * has to be a socket here too. It looks like an unnamed unix(7) stream whatever the host's family is, and passes no
 * descriptors: nothing of the kernel's goes outside, and nothing comes in.
 */
import { EINVAL, EOPNOTSUPP } from "../../../abi/errno.ts";
import { MSG_PEEK, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM } from "../../../abi/socket.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import type { FileDescription } from "../../vfs/file.ts";
import type { UnixNames } from "./address.ts";
import { UnixSocket } from "./socket.ts";
import type { ReceiveInfo, SendInfo } from "./messages.ts";

/** The host's side: an open file that can do two things more. */
export interface OuterStream extends FileDescription {
  /** Like read, and the bytes stay. */
  peek(seq: IoSequence): number;
  /** shutdown(2). 0 or -errno. */
  shutdown(how: number): number;
}

/** See the header. Owns one reference of its stream. */
export class OuterSocket extends UnixSocket {
  private readonly stream: OuterStream;

  constructor(names: UnixNames, stream: OuterStream) {
    super(SOCK_STREAM, names);
    this.stream = stream;
    // Connected, to somebody without a name.
    this.peer = new UnixSocket(SOCK_STREAM, names);
  }

  override send(seq: IoSequence, info: SendInfo): number {
    if (info.rights !== null) return -EINVAL;
    return info.isUrgent ? -EOPNOTSUPP : this.stream.write(seq);
  }

  override sendQueue(_target: UnixSocket | null): WaitQueue {
    return this.waitQueue();
  }

  override receive(seq: IoSequence, flags: number, info: ReceiveInfo): number {
    info.clear();
    return (flags & MSG_PEEK) !== 0 ? this.stream.peek(seq) : this.stream.read(seq);
  }

  override readiness(): number {
    return this.stream.readiness();
  }

  override waitQueue(): WaitQueue {
    return this.stream.waitQueue()!;
  }

  override bytesReadable(): number {
    return this.stream.bytesReadable();
  }

  override shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL;
    return this.stream.shutdown(how);
  }

  protected override release(): void {
    this.stream.decRef();
    super.release();
  }
}
