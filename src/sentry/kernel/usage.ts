/** Figures that a kernel keeps for each thread and process. */

/** CPU time and I/O counts: getrusage(2). ns. */
export class Usage {
  userNs = 0;
  systemNs = 0;
  /** Ready to run without a CPU of the host. */
  waitedNs = 0;
  maxRssKb = 0;
  minorFaults = 0;
  majorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  readChars = 0;
  writeChars = 0;
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
