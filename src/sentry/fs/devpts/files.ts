/** The two ends of a pty as open files. */
import { EAGAIN, EINVAL, EIO } from "../../../abi/errno.ts";
import {
  EXTPROC,
  ICANON,
  TIOCGPKT,
  TIOCGPTLCK,
  TIOCGPTN,
  TIOCGPTPEER,
  TIOCPKT,
  TIOCSIG,
  TIOCSPTLCK,
  TOSTOP,
  VEOF,
  VMIN,
  VTIME,
} from "../../../abi/termios.ts";
import { EV_ERR, EV_HUP, EV_IN, EV_OUT, EV_PRI, EV_RDNORM, EV_WRNORM } from "../../../base/waiter.ts";
import type { WaitQueue } from "../../../base/waiter.ts";
import type { IoSequence } from "../../usermem/io.ts";
import { FMODE_READ, FileDescription } from "../../vfs/file.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import { VfsPath } from "../../vfs/path.ts";
import type { Devpts } from "./devpts.ts";
import type { Terminal } from "./terminal.ts";
import { ttyIoctl } from "./tty-ioctl.ts";

/** The signals that TIOCSIG sends: SIGINT, SIGQUIT, SIGTSTP. */
const TERMINAL_SIGNALS: readonly number[] = [2, 3, 20];

/** Bytes moved between a discipline and guest memory in one piece. */
const CHUNK = 4096;
const chunk = new Uint8Array(CHUNK);
const one = new Uint8Array(1);

/** The master: what /dev/ptmx opens. */
export class PtyMaster extends FileDescription {
  readonly tty: Terminal;
  private readonly fs: Devpts;

  constructor(fs: Devpts, tty: Terminal) {
    super();
    this.fs = fs;
    this.tty = tty;
  }

  override get isTty(): boolean {
    return true;
  }

  override read(seq: IoSequence): number {
    const tty = this.tty;
    if (seq.remaining === 0) return 0;
    if (tty.packetMode && tty.packetStatus !== 0) {
      one[0] = tty.packetStatus;
      tty.packetStatus = 0;
      return seq.write(one, 0, 1);
    }
    const out = tty.ld.out;
    if (out.length === 0) return tty.slaveSeen && tty.slaves === 0 ? -EIO : -EAGAIN;
    let done = 0;
    if (tty.packetMode) {
      one[0] = 0;
      done = seq.write(one, 0, 1);
    }
    while (seq.remaining > 0 && out.length > 0) {
      const n = out.pull(chunk, 0, Math.min(CHUNK, seq.remaining));
      seq.write(chunk, 0, n);
      done += n;
    }
    tty.masterDrained();
    return done;
  }

  override write(seq: IoSequence): number {
    if (this.tty.masterStopped) return -EAGAIN;
    let done = 0;
    while (seq.remaining > 0) {
      const n = Math.min(CHUNK, seq.remaining);
      // Take what the discipline accepts: look first, consume after.
      const copy = peek(seq, n);
      const taken = this.tty.ld.input(chunk, 0, copy);
      seq.advance(taken);
      done += taken;
      if (taken < copy) break;
    }
    return done > 0 ? done : -EAGAIN;
  }

  override readiness(): number {
    const tty = this.tty;
    let r = tty.masterStopped || tty.ld.isInputFull ? 0 : EV_OUT | EV_WRNORM;
    if (tty.ld.out.length > 0) r |= EV_IN | EV_RDNORM;
    if (tty.packetMode && tty.packetStatus !== 0) r |= EV_IN | EV_PRI;
    if (tty.slaveSeen && tty.slaves === 0) r |= EV_HUP;
    return r;
  }

  override waitQueue(): WaitQueue {
    return this.tty.masterQueue;
  }

  override bytesReadable(): number {
    return this.tty.ld.out.length;
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    const tty = this.tty;
    switch (request) {
      case TIOCGPTN:
        return ctx.mm.writeU32(arg, tty.index);
      case TIOCSPTLCK: {
        const v = ctx.mm.readU32(arg);
        if (v < 0) return v;
        tty.locked = v !== 0;
        return 0;
      }
      case TIOCGPTLCK:
        return ctx.mm.writeU32(arg, tty.locked ? 1 : 0);
      case TIOCPKT: {
        const v = ctx.mm.readU32(arg);
        if (v < 0) return v;
        if (!tty.packetMode) tty.packetStatus = 0;
        tty.packetMode = v !== 0;
        return 0;
      }
      case TIOCGPKT:
        return ctx.mm.writeU32(arg, tty.packetMode ? 1 : 0);
      case TIOCSIG:
        if (!TERMINAL_SIGNALS.includes(arg)) return -EINVAL;
        tty.signalForeground(arg);
        return 0;
      case TIOCGPTPEER:
        return this.openPeer(ctx, arg);
      default:
        return ttyIoctl(tty, ctx, request, arg, true, true);
    }
  }

  /** The slave by its name: in devpts itself, or, for a device node elsewhere, in the pts directory beside that. */
  private openPeer(ctx: IoctlContext, flags: number): number {
    const { tty } = this;
    const { mount, dentry } = this.path!;
    const isOwn = mount.fs === this.fs;
    const start = new VfsPath(mount, isOwn ? mount.root : (dentry.parent ?? dentry));
    return tty.control.openPeer(ctx.task, start, isOwn ? `${tty.index}` : `pts/${tty.index}`, flags);
  }

  protected override release(): void {
    this.tty.masterClosed();
    this.fs.masterGone(this.tty);
  }
}

/** Copies up to `n` bytes of the sequence's front into the chunk without consuming them; returns how many. */
function peek(seq: IoSequence, n: number): number {
  let got = 0;
  for (let i = 0; i < seq.count && got < n; i++) {
    const len = Math.min(seq.lens[i]!, n - got);
    chunk.set(seq.bufs[i]!.subarray(seq.offs[i]!, seq.offs[i]! + len), got);
    got += len;
  }
  return got;
}

/** The slave: /dev/pts/N, /dev/tty. */
export class PtySlave extends FileDescription {
  readonly tty: Terminal;
  private readonly hangUps: number;

  constructor(tty: Terminal) {
    super();
    this.tty = tty;
    this.hangUps = tty.hangUps;
    tty.slaveOpened();
  }

  override get isTty(): boolean {
    return true;
  }

  private get isCutOff(): boolean {
    return this.tty.hungUp || this.hangUps !== this.tty.hangUps;
  }

  override read(seq: IoSequence): number {
    const tty = this.tty;
    if (this.isCutOff) return 0;
    const err = tty.control.checkRead(tty);
    if (err < 0) return err;
    if (seq.remaining === 0) return 0;
    const ld = tty.ld;
    const canonical = ld.editsLines;
    if (!canonical) {
      const min = ld.termios.cc[VMIN]!;
      if (ld.in.length < Math.min(min, seq.remaining)) return -EAGAIN;
      if (ld.in.length === 0) return min === 0 && ld.termios.cc[VTIME] === 0 ? 0 : -EAGAIN;
    }
    let done = 0;
    for (;;) {
      const n = ld.available(Math.min(CHUNK, seq.remaining));
      if (n < 0) break;
      ld.take(chunk, 0, n);
      seq.write(chunk, 0, n);
      done += n;
      // One line at most; raw input may come in several chunks.
      if (canonical || n === 0 || seq.remaining === 0) {
        if (canonical && n === CHUNK && seq.remaining > 0 && !lineEnded(chunk, n)) continue;
        tty.slaveDrained();
        return this.isOuterEof(done) ? 0 : done;
      }
    }
    if (done === 0) return -EAGAIN;
    tty.slaveDrained();
    return this.isOuterEof(done) ? 0 : done;
  }

  /** With EXTPROC a read of nothing but the end-of-file character is an end of file. */
  private isOuterEof(done: number): boolean {
    const { termios, in: left } = this.tty.ld;
    const both = ICANON | EXTPROC;
    return done === 1 && left.length === 0 && (termios.lflag & both) === both && chunk[0] === termios.cc[VEOF];
  }

  /** VTIME: tenths of a second; with VMIN it runs between bytes, without from the start of the read. */
  override get readTimeoutNs(): number {
    const { ld } = this.tty;
    const tenths = ld.termios.cc[VTIME]!;
    if (this.isCutOff || tenths === 0 || ld.editsLines) return Infinity;
    return ld.termios.cc[VMIN] === 0 || ld.in.length > 0 ? tenths * 1e8 : Infinity;
  }

  override get readTimerRestarts(): boolean {
    return this.tty.ld.termios.cc[VMIN]! > 0;
  }

  override readTimedOut(seq: IoSequence): number {
    let done = 0;
    while (seq.remaining > 0 && this.tty.ld.in.length > 0) {
      const n = this.tty.ld.in.pull(chunk, 0, Math.min(CHUNK, seq.remaining));
      seq.write(chunk, 0, n);
      done += n;
    }
    if (done > 0) this.tty.slaveDrained();
    return done;
  }

  override write(seq: IoSequence): number {
    const tty = this.tty;
    if (this.isCutOff) return -EIO;
    if ((tty.ld.termios.lflag & TOSTOP) !== 0) {
      const err = tty.control.checkChange(tty);
      if (err < 0) return err;
    }
    if (seq.remaining === 0) return 0;
    let done = 0;
    while (seq.remaining > 0) {
      const n = peek(seq, Math.min(CHUNK, seq.remaining));
      const taken = tty.ld.output(chunk, 0, n);
      seq.advance(taken);
      done += taken;
      if (taken < n) break;
    }
    return done > 0 ? done : -EAGAIN;
  }

  override readiness(): number {
    const tty = this.tty;
    if (this.isCutOff) return EV_IN | EV_OUT | EV_ERR | EV_HUP | EV_RDNORM | EV_WRNORM;
    let r = 0;
    if (tty.ld.readable()) r |= EV_IN | EV_RDNORM;
    if (tty.ld.outputRoom() > 0) r |= EV_OUT | EV_WRNORM;
    return r;
  }

  override waitQueue(): WaitQueue {
    return this.tty.slaveQueue;
  }

  override bytesReadable(): number {
    return this.tty.ld.pending();
  }

  override ioctl(ctx: IoctlContext, request: number, arg: number): number {
    if (this.isCutOff || request === TIOCGPTPEER) return -EIO;
    return ttyIoctl(this.tty, ctx, request, arg, false, (this.accessMode & FMODE_READ) !== 0);
  }

  protected override release(): void {
    this.tty.slaveClosed();
  }
}

/** Whether the last byte of the chunk is a line's end (then a long line was not cut by the chunk). */
function lineEnded(buf: Uint8Array, n: number): boolean {
  return buf[n - 1] === 10;
}
