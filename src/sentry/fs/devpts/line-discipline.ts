/**
 * The N_TTY line discipline: what lies between a terminal's two ends (termios(3), POSIX 11.1; behaviour checked
 * against Linux's n_tty).
 *
 * Pure state and bytes: `input` takes what the terminal side (pty master) typed, `output` what programs (slave) wrote;
 * both push to queues that the pty's files drain.
 */
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IUTF8,
  IXANY,
  IXON,
  NOFLSH,
  OCRNL,
  OLCUC,
  ONLCR,
  ONLRET,
  ONOCR,
  OPOST,
  TABDLY,
  defaultTermios,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VMIN,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VTIME,
  VWERASE,
  XTABS,
} from "../../../abi/termios.ts";
import type { Termios } from "../../../abi/termios.ts";
import { ByteQueue } from "../../../base/byte-queue.ts";

/** Signals the discipline can ask for (signal(7) numbers). */
const SIGINT = 2;
const SIGQUIT = 3;
const SIGTSTP = 20;

const NL = 10;
const CR = 13;
const TAB = 9;
const BS = 8;
const SPACE = 32;

/** Most bytes of unread input (N_TTY_BUF_SIZE). */
export const INPUT_MAX = 4095;
/** Output that the master has not read, above which slave writes wait. */
export const OUTPUT_MAX = 65536;

/** What the discipline tells its terminal. */
export interface TtyHooks {
  /** Send `signal` to the foreground process group. */
  signalForeground(signal: number): void;
  /** Input became readable on the slave side. */
  inputReady(): void;
  /** Output became readable on the master side. */
  outputReady(): void;
  /** Output stopped (^S) or started (^Q). */
  flowChanged(stopped: boolean): void;
}

export class LineDiscipline {
  readonly termios: Termios = defaultTermios();
  /** Bytes for the master to read. */
  readonly out: ByteQueue = new ByteQueue();
  /** Finished input for slave reads. In canonical mode lines are delimited by `lineEnds`. */
  readonly in: ByteQueue = new ByteQueue();
  /** Canonical mode: absolute positions (in.written counts) behind each delimiter (NL, EOL) or at an EOF character's place. */
  private lineEnds: number[] = [];
  /** The line being edited. */
  private edit: number[] = [];
  /** The next character is quoted by VLNEXT. */
  private literal = false;
  /** Output column, for tabs and ONOCR. */
  private column = 0;
  /** Column where the line being edited began, for erasing tabs. */
  private editColumn = 0;
  /** Output is stopped by VSTOP. */
  stopped = false;
  private readonly hooks: TtyHooks;

  constructor(hooks: TtyHooks) {
    this.hooks = hooks;
  }

  // --- input: terminal -> program ---

  /** Feeds typed bytes. Returns the bytes taken; fewer than `len` only in raw mode with a full buffer. */
  input(src: Uint8Array, off: number, len: number): number {
    const canon = (this.termios.lflag & ICANON) !== 0;
    for (let i = 0; i < len; i++) {
      if (!canon && this.in.length >= INPUT_MAX) {
        if (i > 0) this.afterInput();
        return i;
      }
      this.inputByte(src[off + i]!);
    }
    this.afterInput();
    return len;
  }

  private afterInput(): void {
    // A reader that times the gaps between bytes (VMIN and VTIME) must see each of them.
    const timesBytes = (this.termios.lflag & ICANON) === 0 && this.termios.cc[VTIME]! > 0 && this.in.length > 0;
    if (timesBytes || this.readable()) this.hooks.inputReady();
    if (this.out.length > 0) this.hooks.outputReady();
  }

  private inputByte(byte: number): void {
    const t = this.termios;
    let c = byte;
    if (this.literal) {
      this.literal = false;
      this.store(c, false);
      return;
    }
    if ((t.iflag & ISTRIP) !== 0) c &= 0x7f;
    if ((t.iflag & IUCLC) !== 0 && (t.lflag & IEXTEN) !== 0 && c >= 65 && c <= 90) c += 32;
    if ((t.iflag & IXON) !== 0) {
      if (this.isControl(c, VSTART)) {
        this.setStopped(false);
        return;
      }
      if (this.isControl(c, VSTOP)) {
        this.setStopped(true);
        return;
      }
      if (this.stopped && (t.iflag & IXANY) !== 0) this.setStopped(false);
    }
    if ((t.lflag & ISIG) !== 0) {
      const sig = this.isControl(c, VINTR)
        ? SIGINT
        : this.isControl(c, VQUIT)
          ? SIGQUIT
          : this.isControl(c, VSUSP)
            ? SIGTSTP
            : 0;
      if (sig !== 0) {
        this.signalChar(c, sig);
        return;
      }
    }
    if (c === CR) {
      if ((t.iflag & IGNCR) !== 0) return;
      if ((t.iflag & ICRNL) !== 0) c = NL;
    } else if (c === NL && (t.iflag & INLCR) !== 0) {
      c = CR;
    }
    if ((t.lflag & ICANON) === 0) {
      this.in.pushByte(c);
      if ((t.lflag & ECHO) !== 0) this.echo(c);
      return;
    }
    this.canonical(c);
  }

  private isControl(c: number, index: number): boolean {
    const want = this.termios.cc[index]!;
    return want !== 0 && want === c;
  }

  private setStopped(stopped: boolean): void {
    if (this.stopped === stopped) return;
    this.stopped = stopped;
    this.hooks.flowChanged(stopped);
  }

  private signalChar(c: number, sig: number): void {
    if ((this.termios.lflag & NOFLSH) === 0) {
      this.flushInput();
      this.out.clear();
    }
    if (this.stopped && (this.termios.iflag & IXON) !== 0) this.setStopped(false);
    if ((this.termios.lflag & ECHO) !== 0) this.echo(c);
    this.hooks.signalForeground(sig);
  }

  private canonical(c: number): void {
    const t = this.termios;
    const extended = (t.lflag & IEXTEN) !== 0;
    if (this.isControl(c, VERASE)) {
      this.eraseChar();
      return;
    }
    if (this.isControl(c, VKILL)) {
      this.kill(c);
      return;
    }
    if (extended && this.isControl(c, VWERASE)) {
      this.eraseWord();
      return;
    }
    if (extended && this.isControl(c, VLNEXT)) {
      this.literal = true;
      if ((t.lflag & ECHO) !== 0 && (t.lflag & ECHOCTL) !== 0) {
        this.raw(94); // '^' shown until the quoted character comes
        this.raw(BS);
      }
      return;
    }
    if (extended && (t.lflag & ECHO) !== 0 && this.isControl(c, VREPRINT)) {
      this.echo(c);
      this.echoOutput(NL);
      for (const e of this.edit) this.echo(e);
      return;
    }
    if (c === NL) {
      if ((t.lflag & (ECHO | ECHONL)) !== 0) this.echoOutput(NL);
      this.store(NL, true);
      return;
    }
    if (this.isControl(c, VEOF)) {
      this.finishLine();
      return;
    }
    if (this.isControl(c, VEOL) || (extended && this.isControl(c, VEOL2))) {
      if ((t.lflag & ECHO) !== 0) this.echo(c);
      this.store(c, true);
      return;
    }
    if (this.in.length + this.edit.length >= INPUT_MAX) return; // Linux drops (and beeps with IMAXBEL)
    if ((t.lflag & ECHO) !== 0) this.echo(c);
    this.edit.push(c);
  }

  /** A character taken as it is (after VLNEXT, or a delimiter). */
  private store(c: number, delimiter: boolean): void {
    if ((this.termios.lflag & ICANON) === 0) {
      this.in.pushByte(c);
      if ((this.termios.lflag & ECHO) !== 0) this.echo(c);
      return;
    }
    if (!delimiter && (this.termios.lflag & ECHO) !== 0) this.echo(c);
    this.edit.push(c);
    if (delimiter) this.finishLine();
  }

  private finishLine(): void {
    for (const e of this.edit) this.in.pushByte(e);
    this.edit.length = 0;
    this.editColumn = this.column;
    this.lineEnds.push(this.in.written);
  }

  private eraseChar(): void {
    if (this.edit.length === 0) return;
    let c = this.edit.pop()!;
    if ((this.termios.iflag & IUTF8) !== 0) {
      while ((c & 0xc0) === 0x80 && this.edit.length > 0) c = this.edit.pop()!;
    }
    if ((this.termios.lflag & ECHO) === 0) return;
    if ((this.termios.lflag & ECHOE) === 0) {
      this.echo(this.termios.cc[VERASE]!);
      return;
    }
    this.eraseEcho(c);
  }

  /** Removes what `c` showed on the screen. */
  private eraseEcho(c: number): void {
    let width = 1;
    if (c === TAB) {
      let col = this.editColumn;
      for (const e of this.edit) col += e === TAB ? 8 - (col & 7) : this.isShownAsCaret(e) ? 2 : 1;
      width = 8 - (col & 7);
      for (let i = 0; i < width; i++) this.raw(BS);
      return;
    }
    if (this.isShownAsCaret(c)) width = 2;
    else if (c < SPACE || c === 127) return;
    for (let i = 0; i < width; i++) {
      this.raw(BS);
      this.raw(SPACE);
      this.raw(BS);
    }
  }

  private isShownAsCaret(c: number): boolean {
    return (c < SPACE || c === 127) && c !== TAB && c !== NL && (this.termios.lflag & ECHOCTL) !== 0;
  }

  private kill(c: number): void {
    const l = this.termios.lflag;
    if ((l & ECHO) !== 0 && (l & ECHOK) !== 0 && (l & ECHOKE) !== 0 && (l & ECHOE) !== 0) {
      while (this.edit.length > 0) this.eraseEcho(this.edit.pop()!);
      return;
    }
    this.edit.length = 0;
    if ((l & ECHO) !== 0) {
      this.echo(c);
      if ((l & ECHOK) !== 0) this.echoOutput(NL);
    }
  }

  private eraseWord(): void {
    const isWord = (c: number): boolean =>
      (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128;
    let seen = false;
    while (this.edit.length > 0) {
      const c = this.edit[this.edit.length - 1]!;
      if (isWord(c)) seen = true;
      else if (seen) break;
      this.edit.pop();
      if ((this.termios.lflag & ECHO) !== 0) this.eraseEcho(c);
    }
  }

  private echo(c: number): void {
    if (this.isShownAsCaret(c)) {
      this.raw(94);
      this.raw(c ^ 64);
      return;
    }
    this.echoOutput(c);
  }

  private echoOutput(c: number): void {
    if (this.out.length >= OUTPUT_MAX * 2) return; // nobody reads: drop echoes instead of growing
    this.outputByte(c);
  }

  private raw(c: number): void {
    this.out.pushByte(c);
    if (c === BS) {
      if (this.column > 0) this.column--;
    } else if (c >= SPACE) this.column++;
  }

  // --- output: program -> terminal ---

  /** Room for slave writes, in bytes before processing. */
  outputRoom(): number {
    if (this.stopped) return 0;
    const room = OUTPUT_MAX - this.out.length;
    return room > 0 ? room : 0;
  }

  /** Takes up to `len` bytes of program output; returns the bytes taken (0: stopped or full). */
  output(src: Uint8Array, off: number, len: number): number {
    const room = this.outputRoom();
    const n = len < room ? len : room;
    if ((this.termios.oflag & OPOST) === 0) this.out.push(src, off, n);
    else for (let i = 0; i < n; i++) this.outputByte(src[off + i]!);
    if (n > 0) {
      if (this.edit.length === 0) this.editColumn = this.column;
      this.hooks.outputReady();
    }
    return n;
  }

  private outputByte(c: number): void {
    const o = this.termios.oflag;
    if ((o & OPOST) === 0) {
      this.out.pushByte(c);
      return;
    }
    switch (c) {
      case NL:
        if ((o & ONLRET) !== 0) this.column = 0;
        if ((o & ONLCR) !== 0) {
          this.out.pushByte(CR);
          this.column = 0;
        }
        this.out.pushByte(NL);
        return;
      case CR:
        if ((o & ONOCR) !== 0 && this.column === 0) return;
        this.column = 0;
        this.out.pushByte((o & OCRNL) !== 0 ? NL : CR);
        return;
      case TAB: {
        const width = 8 - (this.column & 7);
        this.column += width;
        if ((o & TABDLY) === XTABS) for (let i = 0; i < width; i++) this.out.pushByte(SPACE);
        else this.out.pushByte(TAB);
        return;
      }
      case BS:
        if (this.column > 0) this.column--;
        this.out.pushByte(BS);
        return;
      default:
        if (c >= SPACE && c !== 127 && (c & 0xc0) !== 0x80) this.column++;
        this.out.pushByte((o & OLCUC) !== 0 && c >= 97 && c <= 122 ? c - 32 : c);
    }
  }

  // --- slave reads ---

  /** True when a slave read would not wait. */
  readable(): boolean {
    if ((this.termios.lflag & ICANON) !== 0) return this.lineEnds.length > 0;
    const min = this.termios.cc[VMIN]!;
    return this.in.length >= (min > 0 ? min : 1);
  }

  /** Bytes FIONREAD reports. */
  pending(): number {
    if ((this.termios.lflag & ICANON) === 0) return this.in.length;
    const n = this.lineEnds.length;
    return n === 0 ? 0 : this.lineEnds[n - 1]! - this.in.consumed;
  }

  /** Bytes that a read of up to `want` may take now: canonical mode stops at a line's end; -1: nothing yet; 0: end of file. */
  available(want: number): number {
    if ((this.termios.lflag & ICANON) === 0) return this.in.length === 0 ? -1 : Math.min(want, this.in.length);
    if (this.lineEnds.length === 0) return -1;
    return Math.min(want, this.lineEnds[0]! - this.in.consumed);
  }

  /** Takes `len` bytes (as `available` allowed) and forgets the line when it is used up. */
  take(dst: Uint8Array, off: number, len: number): void {
    this.in.pull(dst, off, len);
    this.afterTake();
  }

  /** After bytes were pulled (or an empty line, that is an end of file, was reported). */
  afterTake(): void {
    if ((this.termios.lflag & ICANON) === 0 || this.lineEnds.length === 0) return;
    if (this.in.consumed >= this.lineEnds[0]!) {
      this.lineEnds.shift();
    }
  }

  /** True when the next line is exactly an end-of-file character. */
  atEof(): boolean {
    return this.lineEnds.length > 0 && this.lineEnds[0] === this.in.consumed;
  }

  // --- settings ---

  flushInput(): void {
    this.in.clear();
    this.lineEnds.length = 0;
    this.edit.length = 0;
    this.literal = false;
  }

  flushOutput(): void {
    this.out.clear();
  }

  /** Called after termios changed; `wasCanonical`: ICANON before. Unfinished lines become readable in raw mode. */
  settingsChanged(wasCanonical: boolean): void {
    const isCanonical = (this.termios.lflag & ICANON) !== 0;
    if (wasCanonical && !isCanonical) {
      for (const e of this.edit) this.in.pushByte(e);
      this.edit.length = 0;
      this.lineEnds.length = 0;
    } else if (!wasCanonical && isCanonical && this.in.length > 0) {
      // Bytes read raw but not yet taken form a line of their own.
      this.lineEnds.push(this.in.written);
    }
    if ((this.termios.iflag & IXON) === 0 && this.stopped) this.setStopped(false);
    if (this.readable()) this.hooks.inputReady();
  }
}
