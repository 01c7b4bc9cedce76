/** What a unix socket is bound to: bind(2), unix(7). */
import { EADDRINUSE, EINVAL } from "../../../abi/errno.ts";
import type { VfsPath } from "../../vfs/path.ts";
import { UnixAddress } from "./address.ts";
import type { UnixNames } from "./address.ts";
import type { UnixSocket } from "./socket.ts";

/** See the header. */
export class Binding {
  private readonly socket: UnixSocket;
  private readonly names: UnixNames;
  address: UnixAddress | null = null;
  /** Accepted sockets share their listener's address. */
  private isOwn = false;
  /** The file that was made when it, or the listener that it comes from, was bound to a path; one reference. */
  private path: VfsPath | null = null;

  constructor(socket: UnixSocket, names: UnixNames) {
    this.socket = socket;
    this.names = names;
  }

  /** Binds to an abstract name. 0 or -errno. */
  toName(address: UnixAddress): number {
    if (this.address !== null) return -EINVAL;
    if (!this.names.bindAbstract(address.path, this.socket)) return -EADDRINUSE;
    this.address = address;
    this.isOwn = true;
    return 0;
  }

  /** Binds to a free abstract name. 0 or -errno. */
  toAnyName(): number {
    return this.toName(new UnixAddress(true, this.names.autoName(this.socket.type)));
  }

  /** Binds to a socket file that the caller just made. */
  toPath(address: UnixAddress, made: VfsPath): void {
    this.address = address;
    this.path = made;
    made.incRef();
    this.names.bindInode(made.dentry.inode!, this.socket);
  }

  /** Has the address of the listener that it comes from. */
  share(listener: Binding): void {
    this.address = listener.address;
    this.path = listener.path;
    this.path?.incRef();
  }

  /** The socket goes: others may have its name. The address stays for those connected to it. */
  release(): void {
    const { address, path } = this;
    if (this.isOwn && address !== null) this.names.releaseAbstract(address.path, this.socket);
    if (path === null) return;
    this.path = null;
    this.names.releaseInode(path.dentry.inode!, this.socket);
    path.decRef();
  }
}
