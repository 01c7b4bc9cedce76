/** Terminal ioctls, `struct termios` flags and codecs (ioctl_tty(2), termios(3); kernel layouts). */

export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TCSETSF = 0x5404;
export const TCGETA = 0x5405;
export const TCSETA = 0x5406;
export const TCSETAW = 0x5407;
export const TCSETAF = 0x5408;
export const TCSBRK = 0x5409;
export const TCXONC = 0x540a;
export const TCFLSH = 0x540b;
export const TIOCEXCL = 0x540c;
export const TIOCNXCL = 0x540d;
export const TIOCSCTTY = 0x540e;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCOUTQ = 0x5411;
export const TIOCSTI = 0x5412;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCMGET = 0x5415;
export const TIOCGSOFTCAR = 0x5419;
export const TIOCSSOFTCAR = 0x541a;
export const TIOCINQ = 0x541b;
export const TIOCPKT = 0x5420;
export const TIOCNOTTY = 0x5422;
export const TIOCSETD = 0x5423;
export const TIOCGETD = 0x5424;
export const TCSBRKP = 0x5425;
export const TIOCSBRK = 0x5427;
export const TIOCCBRK = 0x5428;
export const TIOCGSID = 0x5429;
export const TCGETS2 = 0x802c542a;
export const TCSETS2 = 0x402c542b;
export const TCSETSW2 = 0x402c542c;
export const TCSETSF2 = 0x402c542d;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTLCK = 0x80045439;
export const TIOCGDEV = 0x80045432;
export const TIOCSIG = 0x40045436;
export const TIOCVHANGUP = 0x5437;
export const TIOCGEXCL = 0x80045440;
export const TIOCGPTPEER = 0x5441;
export const TIOCGLCKTRMIOS = 0x5456;
export const TIOCSLCKTRMIOS = 0x5457;
export const TIOCGPKT = 0x80045438;

// Packet mode control bytes (tty_ioctl(4), TIOCPKT).
export const TIOCPKT_DATA = 0;
export const TIOCPKT_FLUSHREAD = 1;
export const TIOCPKT_FLUSHWRITE = 2;
export const TIOCPKT_STOP = 4;
export const TIOCPKT_START = 8;
export const TIOCPKT_NOSTOP = 16;
export const TIOCPKT_DOSTOP = 32;
export const TIOCPKT_IOCTL = 64;

/** c_iflag */
export const IGNBRK = 0o1;
export const BRKINT = 0o2;
export const IGNPAR = 0o4;
export const PARMRK = 0o10;
export const INPCK = 0o20;
export const ISTRIP = 0o40;
export const INLCR = 0o100;
export const IGNCR = 0o200;
export const ICRNL = 0o400;
export const IUCLC = 0o1000;
export const IXON = 0o2000;
export const IXANY = 0o4000;
export const IXOFF = 0o10000;
export const IMAXBEL = 0o20000;
export const IUTF8 = 0o40000;
/** c_oflag */
export const OPOST = 0o1;
export const OLCUC = 0o2;
export const ONLCR = 0o4;
export const OCRNL = 0o10;
export const ONOCR = 0o20;
export const ONLRET = 0o40;
export const OFILL = 0o100;
export const OFDEL = 0o200;
export const TABDLY = 0o14000;
export const XTABS = 0o14000;
/** c_cflag */
export const CBAUD = 0o10017;
/** Speeds are those of struct termios2. */
export const BOTHER = 0o10000;
/** Shift of the input speed's code; 0 there: the same as the output's. */
export const IBSHIFT = 16;
export const B38400 = 0o17;
export const CSIZE = 0o60;
export const CS8 = 0o60;
export const CSTOPB = 0o100;
export const CREAD = 0o200;
export const PARENB = 0o400;
export const PARODD = 0o1000;
export const HUPCL = 0o2000;
export const CLOCAL = 0o4000;
/** c_lflag */
export const ISIG = 0o1;
export const ICANON = 0o2;
export const XCASE = 0o4;
export const ECHO = 0o10;
export const ECHOE = 0o20;
export const ECHOK = 0o40;
export const ECHONL = 0o100;
export const NOFLSH = 0o200;
export const TOSTOP = 0o400;
export const ECHOCTL = 0o1000;
export const ECHOPRT = 0o2000;
export const ECHOKE = 0o4000;
export const FLUSHO = 0o10000;
export const PENDIN = 0o40000;
export const IEXTEN = 0o100000;
export const EXTPROC = 0o200000;
/** c_cc indices */
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSWTC = 7;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VDISCARD = 13;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
/** Control characters in `struct termios`. */
export const NCCS = 19;
/** tcflow / tcflush arguments. */
export const TCOOFF = 0;
export const TCOON = 1;
export const TCIOFF = 2;
export const TCION = 3;
export const TCIFLUSH = 0;
export const TCOFLUSH = 1;
export const TCIOFLUSH = 2;

/** Control characters in `struct termio`, and its size. */
const NCC = 8;
export const TERMIO_SIZE = 18;

/** sizeof kernel struct termios / termios2 / winsize. */
export const TERMIOS_SIZE = 36;
export const TERMIOS2_SIZE = 44;
export const WINSIZE_SIZE = 8;

/** Terminal settings. */
export class Termios {
  iflag = 0;
  oflag = 0;
  cflag = 0;
  lflag = 0;
  line = 0;
  readonly cc: Uint8Array = new Uint8Array(NCCS);
  ispeed = 38400;
  ospeed = 38400;

  copyFrom(t: Termios): void {
    this.iflag = t.iflag;
    this.oflag = t.oflag;
    this.cflag = t.cflag;
    this.lflag = t.lflag;
    this.line = t.line;
    this.cc.set(t.cc);
    this.ispeed = t.ispeed;
    this.ospeed = t.ospeed;
  }
}

/** Settings of a fresh pty (tty_std_termios in Linux, without HUPCL as pty slaves have it). */
export function defaultTermios(): Termios {
  const t = new Termios();
  t.iflag = ICRNL | IXON;
  t.oflag = OPOST | ONLCR;
  t.cflag = B38400 | CS8 | CREAD;
  t.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  t.cc.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0]);
  return t;
}

/** Writes struct termios (36 bytes), or termios2 (44) when `withSpeeds`. */
export function writeTermios(v: DataView, off: number, t: Termios, withSpeeds: boolean): void {
  v.setUint32(off, t.iflag, true);
  v.setUint32(off + 4, t.oflag, true);
  v.setUint32(off + 8, t.cflag, true);
  v.setUint32(off + 12, t.lflag, true);
  v.setUint8(off + 16, t.line);
  for (let i = 0; i < NCCS; i++) v.setUint8(off + 17 + i, t.cc[i]!);
  if (withSpeeds) {
    v.setUint32(off + 36, t.ispeed, true);
    v.setUint32(off + 40, t.ospeed, true);
  }
}

/** Bits per second by speed code; the codes with 0o10000 go on behind 15. */
const SPEEDS: readonly number[] = [
  0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800,
  500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
];

function speedOf(code: number, other: number): number {
  if (code === BOTHER) return other;
  return SPEEDS[(code & BOTHER) === 0 ? code : (code & 0o17) + 15] ?? 0;
}

/** Sets the speeds to what the codes in c_cflag say. */
export function deriveSpeeds(t: Termios): void {
  const input = (t.cflag >>> IBSHIFT) & CBAUD;
  t.ospeed = speedOf(t.cflag & CBAUD, t.ospeed);
  t.ispeed = input === 0 ? t.ospeed : speedOf(input, t.ispeed);
}

/** Writes struct termio (18 bytes), tty_ioctl(4). */
export function writeTermio(v: DataView, off: number, t: Termios): void {
  v.setUint16(off, t.iflag, true);
  v.setUint16(off + 2, t.oflag, true);
  v.setUint16(off + 4, t.cflag, true);
  v.setUint16(off + 6, t.lflag, true);
  v.setUint8(off + 8, t.line);
  for (let i = 0; i < NCC; i++) v.setUint8(off + 9 + i, t.cc[i]!);
  v.setUint8(off + 17, 0);
}

/** Reads struct termio: the high halves of the flags and the other characters stay. */
export function readTermio(v: DataView, off: number, t: Termios): void {
  t.iflag = ((t.iflag & ~0xffff) | v.getUint16(off, true)) >>> 0;
  t.oflag = ((t.oflag & ~0xffff) | v.getUint16(off + 2, true)) >>> 0;
  t.cflag = ((t.cflag & ~0xffff) | v.getUint16(off + 4, true)) >>> 0;
  t.lflag = ((t.lflag & ~0xffff) | v.getUint16(off + 6, true)) >>> 0;
  t.line = v.getUint8(off + 8);
  for (let i = 0; i < NCC; i++) t.cc[i] = v.getUint8(off + 9 + i);
}

/** Reads what {@link writeTermios} writes. */
export function readTermios(v: DataView, off: number, t: Termios, withSpeeds: boolean): void {
  t.iflag = v.getUint32(off, true);
  t.oflag = v.getUint32(off + 4, true);
  t.cflag = v.getUint32(off + 8, true);
  t.lflag = v.getUint32(off + 12, true);
  t.line = v.getUint8(off + 16);
  for (let i = 0; i < NCCS; i++) t.cc[i] = v.getUint8(off + 17 + i);
  if (withSpeeds) {
    t.ispeed = v.getUint32(off + 36, true);
    t.ospeed = v.getUint32(off + 40, true);
  }
}
