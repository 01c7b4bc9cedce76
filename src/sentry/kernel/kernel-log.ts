/** The kernel's own messages, as the guest sees them: syslog(2), /proc/kmsg, dmesg(1). */
import { EV_IN, EV_RDNORM, WaitQueue } from "../../base/waiter.ts";
import type { Clock } from "../time/clock.ts";

/** Levels of printk. */
export const KERN_ERR = 3;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;

/** Bytes of text that are kept; SYSLOG_ACTION_SIZE_BUFFER. */
export const LOG_SIZE = 262144;

/** A bounded list of lines; the oldest go. */
export class KernelLog {
  /** Told of new lines. */
  readonly queue: WaitQueue = new WaitQueue();
  private readonly clock: Clock;
  private readonly lines: string[] = [];
  /** Number of lines[0]; lines are numbered from the start. */
  private firstNumber = 0;
  private bytes = 0;
  /** What SYSLOG_ACTION_READ reads next: a line, and how much of it was read. */
  private unreadNumber = 0;
  private unreadOffset = 0;
  /** SYSLOG_ACTION_CLEAR: what comes before is not shown any more. */
  private clearedNumber = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(level: number, text: string): void {
    const us = Math.floor(this.clock.boottimeNs() / 1e3);
    const second = String(Math.floor(us / 1e6)).padStart(5);
    const line = `<${level}>[${second}.${String(us % 1e6).padStart(6, "0")}] ${text}\n`;
    this.lines.push(line);
    this.bytes += line.length;
    while (this.bytes > LOG_SIZE) {
      this.bytes -= this.lines.shift()!.length;
      this.firstNumber++;
    }
    if (this.unreadNumber < this.firstNumber) {
      this.unreadNumber = this.firstNumber;
      this.unreadOffset = 0;
    }
    this.queue.notify(EV_IN | EV_RDNORM);
  }

  /** Bytes that SYSLOG_ACTION_READ has not given yet. */
  unread(): number {
    let n = -this.unreadOffset;
    for (let i = this.unreadNumber - this.firstNumber; i < this.lines.length; i++) n += this.lines[i]!.length;
    return n;
  }

  get hasUnread(): boolean {
    return this.unreadNumber - this.firstNumber < this.lines.length;
  }

  /** SYSLOG_ACTION_READ: the next `max` bytes at most; they are not given again. */
  read(max: number): string {
    let out = "";
    while (out.length < max && this.hasUnread) {
      const line = this.lines[this.unreadNumber - this.firstNumber]!;
      const part = line.slice(this.unreadOffset, this.unreadOffset + max - out.length);
      out += part;
      this.unreadOffset += part.length;
      if (this.unreadOffset < line.length) break;
      this.unreadNumber++;
      this.unreadOffset = 0;
    }
    return out;
  }

  /** SYSLOG_ACTION_READ_ALL: the last whole lines that fit into `max` bytes. */
  tail(max: number): string {
    let from = this.lines.length;
    let n = 0;
    const least = Math.max(0, this.clearedNumber - this.firstNumber);
    while (from > least && n + this.lines[from - 1]!.length <= max) n += this.lines[--from]!.length;
    return this.lines.slice(from).join("");
  }

  clear(): void {
    this.clearedNumber = this.firstNumber + this.lines.length;
  }
}
