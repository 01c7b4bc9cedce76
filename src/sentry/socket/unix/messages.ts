/** What goes along with the bytes of a message: descriptors, credentials, names. unix(7) */
import { WIDE } from "../../../base/wide.ts";
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
  /** When the message came, real time; 0: nobody noted, negative: it is not told. */
  stampNs: number = WIDE;

  clear(): void {
    this.flags = 0;
    this.stampNs = -1;
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
  /** The user whose files they count as until they are received; see {@link InFlight}. */
  uid = 0;
  /** That user has too many under way already. */
  isOverLimit = false;
  /** MSG_OOB: the last byte is urgent. */
  isUrgent = false;

  clear(): void {
    this.isOverLimit = false;
    this.isUrgent = false;
    this.rights = null;
    this.explicitCred = false;
  }
}
