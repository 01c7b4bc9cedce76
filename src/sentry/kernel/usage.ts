/** Figures that a kernel keeps for each thread and process. */
import { WIDE } from "../../base/wide.ts";

/** CPU time and I/O counts: getrusage(2). ns. */
export class Usage {
  userNs: number = WIDE;
  systemNs: number = WIDE;
  /** Ready to run without a CPU of the host. */
  waitedNs: number = WIDE;
  maxRssKb = 0;
  minorFaults = 0;
  majorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  readChars: number = WIDE;
  writeChars: number = WIDE;
  readCalls = 0;
  writeCalls = 0;

  add(u: Usage): void {
    this.userNs += u.userNs;
    this.systemNs += u.systemNs;
    this.waitedNs += u.waitedNs;
    this.maxRssKb = Math.max(this.maxRssKb, u.maxRssKb);
    this.minorFaults += u.minorFaults;
    this.majorFaults += u.majorFaults;
    this.voluntarySwitches += u.voluntarySwitches;
    this.involuntarySwitches += u.involuntarySwitches;
    this.readChars += u.readChars;
    this.writeChars += u.writeChars;
    this.readCalls += u.readCalls;
    this.writeCalls += u.writeCalls;
  }
}
