/** The host's terminal while a sandbox uses it: raw, so that the terminal inside does all the work. */
import {
  CS8,
  CSIZE,
  ECHO,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IXON,
  OPOST,
  PARENB,
  PARMRK,
  BRKINT,
  VMIN,
  VTIME,
} from "../abi/termios.ts";
import type { Host } from "../host/host.ts";

/** sizeof(struct termios2), rounded up. */
const SIZE = 64;

export class RawTerminal {
  private readonly host: Host;
  private readonly saved: Uint8Array = new Uint8Array(SIZE);
  private isRaw = false;

  /** Makes standard input raw when it is a terminal (cfmakeraw(3)). */
  constructor(host: Host) {
    this.host = host;
    if (host.isatty(0) && host.tcgets(0, this.saved) >= 0) this.makeRaw();
  }

  makeRaw(): void {
    const raw = this.saved.slice();
    const v = new DataView(raw.buffer);
    if (v.getUint32(8, true) === 0) return; // no settings were read: not a terminal
    v.setUint32(0, v.getUint32(0, true) & ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON), true);
    v.setUint32(4, v.getUint32(4, true) & ~OPOST, true);
    v.setUint32(8, (v.getUint32(8, true) & ~(CSIZE | PARENB)) | CS8, true);
    v.setUint32(12, v.getUint32(12, true) & ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN), true);
    raw[17 + VMIN] = 1;
    raw[17 + VTIME] = 0;
    this.host.tcsets(0, raw);
    this.isRaw = true;
  }

  /** Back to the settings found. */
  restore(): void {
    if (this.isRaw) this.host.tcsets(0, this.saved);
    this.isRaw = false;
  }
}
