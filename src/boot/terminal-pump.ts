/**
 * The host's terminal and the guest's: bytes typed outside go to the master of a pty inside, what programs print comes
 * back. The guest's line discipline does all the work; the command line has made the host's terminal raw.
 */
import { EV_IN, EV_OUT } from "../base/waiter.ts";
import { WaitEntry } from "../base/waiter.ts";
import type { WaitListener } from "../base/waiter.ts";
import { EAGAIN } from "../abi/errno.ts";
import { TIOCGWINSZ } from "../abi/termios.ts";
import type { Host } from "../host/host.ts";
import type { Terminal } from "../sentry/fs/devpts/terminal.ts";
import type { HostReadyListener, HostWatch } from "../sentry/kernel/host-watch.ts";

const CHUNK = 4096;

export class TerminalPump implements WaitListener, HostReadyListener {
  private readonly host: Host;
  private readonly watch: HostWatch;
  private readonly tty: Terminal;
  /** Host terminal to read from (-1: none) and to write to. */
  private readonly inFd: number;
  private readonly outFd: number;
  private readonly buf: Uint8Array = new Uint8Array(CHUNK);
  /** Typed bytes; from `typedAt` on they wait because the guest does not read. */
  private readonly typed: Uint8Array = new Uint8Array(CHUNK);
  private typedAt = 0;
  private typedEnd = 0;
  private isTyping = false;
  private readonly entry: WaitEntry = new WaitEntry(this);

  constructor(host: Host, watch: HostWatch, tty: Terminal, inFd: number, outFd: number) {
    this.host = host;
    this.watch = watch;
    this.tty = tty;
    this.inFd = inFd;
    this.outFd = outFd;
    this.resize();
    tty.masterQueue.add(this.entry, EV_IN | EV_OUT);
    if (inFd >= 0) watch.watch(inFd, EV_IN, this);
  }

  /** The host's terminal has bytes. */
  onHostReady(_events: number): void {
    if (this.typedAt < this.typedEnd) return;
    const n = this.host.read(this.inFd, this.typed, 0, CHUNK);
    // n === 0: the host's terminal hung up; the command line gets SIGHUP and ends us.
    if (n <= 0) return;
    this.typedAt = 0;
    this.typedEnd = n;
    this.type();
    if (this.typedAt < this.typedEnd) this.watch.rewatch(this.inFd, 0);
  }

  /** Types what the guest takes; its echo brings us here again. */
  private type(): void {
    if (this.isTyping) return;
    this.isTyping = true;
    this.typedAt += this.tty.ld.input(this.typed, this.typedAt, this.typedEnd - this.typedAt);
    this.isTyping = false;
  }

  /** The guest printed something, or made room for what is typed. */
  onEvent(_events: number, _entry: WaitEntry): void {
    if (this.typedAt < this.typedEnd) {
      this.type();
      if (this.typedAt === this.typedEnd) this.watch.rewatch(this.inFd, EV_IN);
    }
    this.drain();
  }

  /** Writes everything printed so far to the host. Called once more at the end. */
  drain(): void {
    const out = this.tty.ld.out;
    while (out.length > 0) {
      const n = out.pull(this.buf, 0, CHUNK);
      let done = 0;
      while (done < n) {
        const w = this.host.write(this.outFd, this.buf, done, n - done);
        if (w < 0 && w !== -EAGAIN) return;
        if (w > 0) done += w;
        else this.host.poll(Int32Array.of(this.outFd, 4, 0), 1, 100);
      }
    }
    this.tty.masterDrained();
  }

  /** Takes over the host terminal's size; SIGWINCH for the guest when it changed. */
  resize(): void {
    const fd = this.inFd >= 0 ? this.inFd : this.outFd;
    if (this.host.ioctlBuf(fd, TIOCGWINSZ, this.buf) < 0) return;
    const v = new DataView(this.buf.buffer, 0, 8);
    this.tty.resize(v.getUint16(0, true), v.getUint16(2, true), v.getUint16(4, true), v.getUint16(6, true));
  }
}
