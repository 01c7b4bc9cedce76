/** What goes along with the bytes of a message: descriptors, credentials, names. unix(7) */
import type { FileDescription } from "../../vfs/file.ts";
import type { SocketName } from "./address.ts";
import { PeerCred } from "./packet.ts";

/** What a receive gave besides bytes: filled by a socket's `receive`, reused by the caller. */
export class ReceiveInfo {
  /** MSG_* flags for msg_flags. */
  flags = 0;
  rights: FileDescription[] | null = null;
  cred: PeerCred | null = null;
  from: SocketName | null = null;

  clear(): void {
    this.flags = 0;
    this.rights = null;
    this.cred = null;
    this.from = null;
  }
}

/** What goes along with sent bytes. */
export class SendInfo {
  /** References are handed over when anything was sent. */
  rights: FileDescription[] | null = null;
  readonly cred: PeerCred = new PeerCred();
  /** SCM_CREDENTIALS given explicitly. */
  explicitCred = false;

  clear(): void {
    this.rights = null;
    this.explicitCred = false;
  }
}
