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
  ECHOPRT,
  EXTPROC,
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
  PARMRK,
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
import { isAlnum, isControlCharacter, toLower, toUpper } from "./characters.ts";

/** Signals the discipline can ask for (signal(7) numbers). */
const SIGINT = 2;
const SIGQUIT = 3;
const SIGTSTP = 20;

/** What erase() takes off the line. */
const ERASE_CHARACTER = 0;
const ERASE_WORD = 1;
const ERASE_LINE = 2;

const NL = 10;
const CR = 13;
const TAB = 9;
const BS = 8;
const SPACE = 32;
const SLASH = 47;
const BACKSLASH = 92;
const CARET = 94;
const UNDERSCORE = 95;

/** Most bytes of unread input (N_TTY_BUF_SIZE). */
export const INPUT_MAX = 4095;
/** Output that the master has not read, above which slave writes wait. */
export const OUTPUT_MAX = 65536;
/** What the master's side has of it already: flushing the slave's output leaves that alone. */
const DELIVERED_MAX = 4095;
/** Most bytes of echo that wait for a start character; what comes after them is not shown. */
const ECHO_MAX = 4096;

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
  /** A signal character emptied input and output. */
  flushed(): void;
}

export class LineDiscipline {
  readonly termios: Termios = defaultTermios();
  /** Bytes for the master to read. */
  readonly out: ByteQueue = new ByteQueue();
  /** Finished input for slave reads. In canonical mode lines are delimited by `lineEnds`. */
  readonly in: ByteQueue = new ByteQueue();
  /** In lines: positions (in.written counts) behind each delimiter (NL, EOL) or at an EOF character's place. */
  private lineEnds: number[] = [];
  /** Which of them are end-of-file characters. */
  private readonly isEof: boolean[] = [];
  /** The line being edited. */
  private edit: number[] = [];
  /** The next character is quoted by VLNEXT. */
  private literal = false;
  /** Output column, for tabs and ONOCR. */
  private column = 0;
  /** Column where the line being edited began, for erasing tabs. */
  private editColumn = 0;
  /** Characters are being erased between \ and / (ECHOPRT). */
  private erasing = false;
  /** Output is stopped by VSTOP or tcflow(3). */
  stopped = false;
  /** By tcflow: VSTART does not start it again. */
  private stoppedByCall = false;
  /** Bytes in `out` before the present piece of input: a signal character drops the echo of what came with it. */
  private outBefore = 0;
  /** Echo that waits for the start. */
  private readonly heldEcho: ByteQueue = new ByteQueue();
  private readonly hooks: TtyHooks;

  constructor(hooks: TtyHooks) {
    this.hooks = hooks;
  }

  /** Lines are edited here: ICANON, unless somebody outside does it (EXTPROC). */
  get editsLines(): boolean {
    return (this.termios.lflag & (ICANON | EXTPROC)) === ICANON;
  }

  // --- input: terminal -> program ---

  /** Typed bytes have to wait. A line that is too long does not: what exceeds it is dropped. */
  get isInputFull(): boolean {
    if (!this.editsLines) return this.in.length >= INPUT_MAX;
    return this.lineEnds.length > 0 && this.in.length + this.edit.length >= INPUT_MAX;
  }

  /** Feeds typed bytes. Returns the bytes taken; fewer than `len` only with a full buffer. */
  input(src: Uint8Array, off: number, len: number): number {
    this.outBefore = this.out.length;
    for (let i = 0; i < len; i++) {
      if (this.isInputFull) {
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
    const timesBytes = !this.editsLines && this.termios.cc[VTIME]! > 0 && this.in.length > 0;
    if (timesBytes || this.readable()) this.hooks.inputReady();
    if (this.out.length > 0) this.hooks.outputReady();
  }

  private inputByte(byte: number): void {
    const t = this.termios;
    let c = byte;
    if ((t.iflag & ISTRIP) !== 0) c &= 0x7f;
    if ((t.iflag & IUCLC) !== 0 && (t.lflag & IEXTEN) !== 0) c = toLower(c);
    if (this.literal) {
      this.literal = false;
      this.take1(c);
      return;
    }
    if ((t.lflag & EXTPROC) !== 0) {
      this.in.pushByte(c);
      return;
    }
    if ((t.iflag & IXON) !== 0) {
      if (this.isControl(c, VSTART)) {
        this.start();
        return;
      }
      if (this.isControl(c, VSTOP)) {
        this.stop();
        return;
      }
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
    if ((t.iflag & (IXON | IXANY)) === (IXON | IXANY)) this.start();
    if (c === CR) {
      if ((t.iflag & IGNCR) !== 0) return;
      if ((t.iflag & ICRNL) !== 0) {
        this.newline();
        return;
      }
    } else if (c === NL) {
      if ((t.iflag & INLCR) !== 0) c = CR;
      else if ((t.lflag & ICANON) !== 0) {
        this.newline();
        return;
      }
    }
    if ((t.lflag & ICANON) === 0) this.take1(c);
    else this.canonical(c);
  }

  /** A line's end: typed, or made of a carriage return. */
  private newline(): void {
    const l = this.termios.lflag;
    if ((l & ICANON) === 0) {
      if ((l & ECHO) !== 0) this.echoOutput(NL);
      this.in.pushByte(NL);
      return;
    }
    if ((l & (ECHO | ECHONL)) !== 0) {
      this.finishErasing();
      this.echoOutput(NL);
    }
    this.edit.push(NL);
    this.finishLine(false);
  }

  /** An ordinary character: shown and kept. */
  private take1(c: number): void {
    const { iflag, lflag } = this.termios;
    const isLine = (lflag & ICANON) !== 0;
    // Linux drops what is too long (and beeps with IMAXBEL).
    if (isLine && this.in.length + this.edit.length >= INPUT_MAX) return;
    if ((lflag & ECHO) !== 0) {
      this.finishErasing();
      this.echo(c);
    }
    const times = c === 0xff && (iflag & PARMRK) !== 0 ? 2 : 1;
    for (let i = 0; i < times; i++) {
      if (isLine) this.edit.push(c);
      else this.in.pushByte(c);
    }
  }

  private isControl(c: number, index: number): boolean {
    const want = this.termios.cc[index]!;
    return want !== 0 && want === c;
  }

  private stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.hooks.flowChanged(true);
  }

  private start(): void {
    if (!this.stopped || this.stoppedByCall) return;
    this.stopped = false;
    const held = this.heldEcho;
    while (held.length > 0) this.out.pushByte(held.pullByte());
    this.hooks.flowChanged(false);
    if (this.out.length > 0) this.hooks.outputReady();
  }

  /** tcflow(3) with TCOOFF or TCOON. */
  setStoppedByCall(stopped: boolean): void {
    if (this.stoppedByCall === stopped) return;
    this.stoppedByCall = stopped;
    if (stopped) this.stop();
    else this.start();
  }

  private signalChar(c: number, sig: number): void {
    if ((this.termios.lflag & NOFLSH) === 0) {
      this.heldEcho.clear();
      this.flushInput();
      this.out.truncate(this.outBefore);
      this.flushOutput();
      this.hooks.flushed();
    }
    if ((this.termios.iflag & IXON) !== 0) this.start();
    if ((this.termios.lflag & ECHO) !== 0) this.echo(c);
    this.hooks.signalForeground(sig);
  }

  private canonical(c: number): void {
    const t = this.termios;
    const extended = (t.lflag & IEXTEN) !== 0;
    const isEchoed = (t.lflag & ECHO) !== 0;
    if (this.isControl(c, VERASE)) this.erase(ERASE_CHARACTER);
    else if (this.isControl(c, VKILL)) this.kill();
    else if (extended && this.isControl(c, VWERASE)) this.erase(ERASE_WORD);
    else if (extended && this.isControl(c, VLNEXT)) {
      this.literal = true;
      if (!isEchoed) return;
      this.finishErasing();
      if ((t.lflag & ECHOCTL) !== 0) {
        this.raw(CARET); // shown until the quoted character comes
        this.raw(BS);
      }
    } else if (extended && isEchoed && this.isControl(c, VREPRINT)) {
      this.finishErasing();
      this.echo(c);
      this.echoOutput(NL);
      for (const e of this.edit) this.echo(e);
    } else if (this.isControl(c, VEOF)) this.finishLine(true);
    else if (this.isControl(c, VEOL) || (extended && this.isControl(c, VEOL2))) {
      this.take1(c);
      this.finishLine(false);
    } else this.take1(c);
  }

  private finishLine(isEof: boolean): void {
    for (const e of this.edit) this.in.pushByte(e);
    this.edit.length = 0;
    this.editColumn = this.column;
    this.lineEnds.push(this.in.written);
    this.isEof.push(isEof);
  }

  /** Whether a byte goes on with a character of several bytes. */
  private isContinuation(c: number): boolean {
    return (c & 0xc0) === 0x80 && (this.termios.iflag & IUTF8) !== 0;
  }

  /** Takes the last character, word or everything off the line, and shows that as ECHOE and ECHOPRT say. */
  private erase(what: number): void {
    const { edit } = this;
    const { lflag, cc } = this.termios;
    let inWord = false;
    while (edit.length > 0) {
      let at = edit.length - 1;
      while (at > 0 && this.isContinuation(edit[at]!)) at--;
      const c = edit[at]!;
      if (this.isContinuation(c)) break;
      if (what === ERASE_WORD) {
        if (isAlnum(c) || c === UNDERSCORE) inWord = true;
        else if (inWord) break;
      }
      if ((lflag & (ECHO | ECHOPRT)) === (ECHO | ECHOPRT)) {
        if (!this.erasing) this.echoOutput(BACKSLASH);
        this.erasing = true;
        this.echo(c);
        for (let i = at + 1; i < edit.length; i++) this.echoOutput(edit[i]!);
      }
      edit.length = at;
      if ((lflag & (ECHO | ECHOPRT)) === ECHO) {
        if (what === ERASE_CHARACTER && (lflag & ECHOE) === 0) this.echo(cc[VERASE]!);
        else this.eraseEcho(c);
      }
      if (what === ERASE_CHARACTER) break;
    }
    if (edit.length === 0 && (lflag & ECHO) !== 0) this.finishErasing();
  }

  /** Ends what ECHOPRT shows. */
  private finishErasing(): void {
    if (!this.erasing) return;
    this.erasing = false;
    this.echoOutput(SLASH);
  }

  /** Removes what `c` showed on the screen. */
  private eraseEcho(c: number): void {
    if (c === TAB) {
      let column = this.editColumn;
      for (const e of this.edit) {
        if (e === TAB) column += 8 - (column & 7);
        else if (isControlCharacter(e)) column += this.isShownAsCaret(e) ? 2 : 0;
        else if (!this.isContinuation(e)) column++;
      }
      for (let width = 8 - (column & 7); width > 0; width--) this.raw(BS);
      return;
    }
    const width = isControlCharacter(c) ? (this.isShownAsCaret(c) ? 2 : 0) : 1;
    for (let i = 0; i < width; i++) {
      this.raw(BS);
      this.raw(SPACE);
      this.raw(BS);
    }
  }

  private isShownAsCaret(c: number): boolean {
    return isControlCharacter(c) && c !== TAB && (this.termios.lflag & ECHOCTL) !== 0;
  }

  private kill(): void {
    const { lflag, cc } = this.termios;
    if (this.edit.length === 0) return;
    const erases = ECHO | ECHOK | ECHOKE | ECHOE;
    if ((lflag & erases) === erases) {
      this.erase(ERASE_LINE);
      return;
    }
    this.edit.length = 0;
    if ((lflag & ECHO) === 0) return;
    this.finishErasing();
    this.echo(cc[VKILL]!);
    if ((lflag & ECHOK) !== 0) this.echoOutput(NL);
  }

  private echo(c: number): void {
    if (this.isShownAsCaret(c)) {
      this.raw(CARET);
      this.raw(c ^ 64);
      return;
    }
    this.echoOutput(c);
  }

  private echoOutput(c: number): void {
    // Nobody reads: echoes are dropped rather than kept without end.
    if (this.out.length < OUTPUT_MAX * 2) this.outputByte(c);
  }

  private raw(c: number): void {
    this.push(c);
    if (c === BS) {
      if (this.column > 0) this.column--;
    } else if (c >= SPACE) this.column++;
  }

  /** To the master, or, echo while output is stopped, to where it waits. */
  private push(c: number): void {
    if (!this.stopped) this.out.pushByte(c);
    else if (this.heldEcho.length < ECHO_MAX) this.heldEcho.pushByte(c);
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
      this.push(c);
      return;
    }
    switch (c) {
      case NL:
        if ((o & ONLRET) !== 0) this.column = 0;
        if ((o & ONLCR) !== 0) {
          this.push(CR);
          this.column = 0;
        }
        this.push(NL);
        return;
      case CR:
        if ((o & ONOCR) !== 0 && this.column === 0) return;
        if ((o & OCRNL) !== 0) {
          if ((o & ONLRET) !== 0) this.column = 0;
          this.push(NL);
          return;
        }
        this.column = 0;
        this.push(CR);
        return;
      case TAB: {
        const width = 8 - (this.column & 7);
        this.column += width;
        if ((o & TABDLY) === XTABS) for (let i = 0; i < width; i++) this.push(SPACE);
        else this.push(TAB);
        return;
      }
      case BS:
        if (this.column > 0) this.column--;
        this.push(BS);
        return;
      default:
        if (!isControlCharacter(c) && !this.isContinuation(c)) this.column++;
        this.push((o & OLCUC) !== 0 ? toUpper(c) : c);
    }
  }

  // --- slave reads ---

  /** True when a slave read would not wait. */
  readable(): boolean {
    if (this.editsLines) return this.lineEnds.length > 0;
    const min = this.termios.cc[VMIN]!;
    return this.in.length >= (min > 0 ? min : 1);
  }

  /** Bytes FIONREAD reports. */
  pending(): number {
    if (!this.editsLines) return this.in.length;
    const n = this.lineEnds.length;
    return n === 0 ? 0 : this.lineEnds[n - 1]! - this.in.consumed;
  }

  /** Bytes that a read of up to `want` may take now: canonical mode stops at a line's end; -1: nothing yet; 0: end of file. */
  available(want: number): number {
    if (!this.editsLines) return this.in.length === 0 ? -1 : Math.min(want, this.in.length);
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
    if (!this.editsLines || this.lineEnds.length === 0) return;
    if (this.in.consumed >= this.lineEnds[0]!) {
      this.lineEnds.shift();
      this.isEof.shift();
    }
  }

  /** True when the next line is exactly an end-of-file character. */
  atEof(): boolean {
    return this.lineEnds.length > 0 && this.lineEnds[0] === this.in.consumed;
  }

  // --- settings ---

  flushInput(): void {
    this.in.clear();
    this.lineEnds.length = this.isEof.length = 0;
    this.edit.length = 0;
    this.literal = false;
  }

  /** Drops what has not reached the master's side yet. */
  flushOutput(): void {
    this.out.truncate(DELIVERED_MAX);
  }

  /** The master drops what has reached it. */
  flushDelivered(): void {
    this.out.drop(DELIVERED_MAX);
  }

  /** Called after termios changed; `edited`, `hadFlow`: editsLines and IXON before. Unfinished lines become readable. */
  settingsChanged(edited: boolean, hadFlow: boolean): void {
    const edits = this.editsLines;
    if (edited && !edits) this.joinLines();
    else if (!edited && edits && this.in.length > 0) {
      // Bytes read raw but not yet taken form a line of their own.
      const isEof = this.in.dropLast(0);
      this.lineEnds.push(this.in.written);
      this.isEof.push(isEof);
    }
    if (edited !== edits) this.erasing = this.literal = false;
    if (hadFlow && (this.termios.iflag & IXON) === 0) this.start();
    if (this.readable()) this.hooks.inputReady();
  }

  /** Input that was edited becomes raw: end-of-file characters are in it as NULs. */
  private joinLines(): void {
    const { in: queue, lineEnds, isEof } = this;
    const base = queue.consumed;
    const bytes = new Uint8Array(queue.length);
    queue.pull(bytes, 0, bytes.length);
    let at = 0;
    for (let i = 0; i < lineEnds.length; i++) {
      const end = lineEnds[i]! - base;
      queue.push(bytes, at, end - at);
      if (isEof[i]!) queue.pushByte(0);
      at = end;
    }
    queue.push(bytes, at, bytes.length - at);
    for (const e of this.edit) queue.pushByte(e);
    this.edit.length = lineEnds.length = isEof.length = 0;
  }
}
