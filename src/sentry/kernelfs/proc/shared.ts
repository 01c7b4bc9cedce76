/** What all instances of proc share: identities made once, averages of pressure. */
import type { Kernel } from "../../kernel/kernel.ts";
import { StallAverage } from "./pressure.ts";

/** See the header. One per kernel. */
export class ProcShared {
  readonly kernel: Kernel;
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
  /** Waiting for processors. */
  readonly stalls: StallAverage = new StallAverage();
  private readonly uuidBytes: Uint8Array = new Uint8Array(16);

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.bootId = this.newUuid();
  }

  /** A random UUID, version 4 (RFC 9562). */
  newUuid(): string {
    const b = this.uuidBytes;
    this.kernel.random(b, 0, 16);
    b[6] = (b[6]! & 0x0f) | 0x40;
    b[8] = (b[8]! & 0x3f) | 0x80;
    let s = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) s += "-";
      s += b[i]!.toString(16).padStart(2, "0");
    }
    return s;
  }
}
