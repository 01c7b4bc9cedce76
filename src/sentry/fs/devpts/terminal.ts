/**
 * Pseudo terminals: pty(7), tty_ioctl(4). A Terminal is what the two ends share; master.ts and slave.ts are the files.
 */
import {
  defaultTermios,
  Termios,
  TIOCPKT_FLUSHREAD,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_START,
  TIOCPKT_STOP,
} from "../../../abi/termios.ts";
import { EV_HUP, EV_IN, EV_OUT, EV_PRI, EV_RDNORM, EV_WRNORM, WaitQueue } from "../../../base/waiter.ts";
import { LineDiscipline } from "./line-discipline.ts";
import type { TtyHooks } from "./line-discipline.ts";
import type { VfsPath } from "../../vfs/path.ts";

/**
 * What terminals need of the kernel: job control. `task` is the caller's Task as IoctlContext and PathContext carry it;
 * null: whoever runs the current system call.
 */
export interface TtyControl {
  /** A read by a background process: 0 = go on, -EIO, or -ERESTARTSYS after SIGTTIN was sent. */
  checkRead(tty: Terminal): number;
  /** A write (`tostop` set) or change of settings by a background process: 0, -EIO, or -ERESTARTSYS after SIGTTOU. */
  checkChange(tty: Terminal): number;
  /** Sends `signal` to the foreground process group. */
  signalForeground(tty: Terminal, signal: number): void;
  /** The line was hung up: SIGHUP and SIGCONT to the session leader; the session loses its terminal. */
  hangup(tty: Terminal): void;
  /** The slave was opened without O_NOCTTY: a session leader without a terminal gets it. */
  opened(tty: Terminal, task: unknown): void;
  /** TIOCSCTTY, TIOCNOTTY. 0 or -errno. `isReadable`: through a file open for reading. */
  setControlling(tty: Terminal, task: unknown, steal: number, isReadable: boolean): number;
  giveUpControlling(tty: Terminal, task: unknown): number;
  /** TIOCGPGRP / TIOCGSID: id or -ENOTTY. `isMaster`: asked through the master, where anybody may. */
  getForeground(tty: Terminal, task: unknown, isMaster: boolean): number;
  getSession(tty: Terminal, task: unknown, isMaster: boolean): number;
  /** TIOCSPGRP. 0 or -errno. */
  setForeground(tty: Terminal, task: unknown, pgid: number): number;
  /** TIOCSTI: only for one's own controlling terminal, or with CAP_SYS_ADMIN. */
  mayInsert(tty: Terminal, task: unknown): boolean;
  /** CAP_SYS_ADMIN. */
  isAdmin(task: unknown): boolean;
  /** TIOCGPTPEER: opens `name` in `start` for the task; an fd or -errno. */
  openPeer(task: unknown, start: VfsPath, name: string, flags: number): number;
  /** The controlling terminal of the task, for /dev/tty. */
  controlling(task: unknown): Terminal | null;
}

/** SIGWINCH */
const SIGWINCH = 28;

/** A pty pair. */
export class Terminal implements TtyHooks {
  readonly index: number;
  readonly control: TtyControl;
  readonly ld: LineDiscipline;
  /** TIOCSLCKTRMIOS: settings that cannot be changed. */
  readonly locks: Termios = new Termios();
  /** Device number of the slave: major 136 and up, 256 minors each. */
  readonly rdev: number;
  foregroundPgid = 0;
  session: unknown = null;
  rows = 0;
  cols = 0;
  xpixel = 0;
  ypixel = 0;
  /** TIOCSPTLCK: the slave cannot be opened. */
  locked = true;
  /** Open slave descriptions; -1 before the first: the master then waits instead of seeing a hang-up. */
  slaves = 0;
  slaveSeen = false;
  masterOpen = true;
  /** The master was closed: slaves read end-of-file and write EIO for ever. */
  hungUp = false;
  /** Slaves opened before this many hang-ups (vhangup) are cut off; later ones work. */
  hangUps = 0;
  /** tcflow(3) on the master: its writes wait. */
  masterStopped = false;
  /** TIOCPKT is on; status bits not yet read. */
  packetMode = false;
  packetStatus = 0;
  /** TIOCEXCL */
  exclusive = false;
  readonly masterQueue: WaitQueue = new WaitQueue();
  readonly slaveQueue: WaitQueue = new WaitQueue();

  constructor(index: number, rdev: number, control: TtyControl) {
    this.index = index;
    this.rdev = rdev;
    this.control = control;
    this.ld = new LineDiscipline(this);
  }

  // --- TtyHooks ---

  signalForeground(signal: number): void {
    this.control.signalForeground(this, signal);
  }

  inputReady(): void {
    this.slaveQueue.notify(EV_IN | EV_RDNORM);
  }

  outputReady(): void {
    this.masterQueue.notify(EV_IN | EV_RDNORM);
  }

  flowChanged(stopped: boolean): void {
    if (!stopped) this.slaveQueue.notify(EV_OUT | EV_WRNORM);
    this.notePacket(stopped ? TIOCPKT_STOP : TIOCPKT_START, TIOCPKT_STOP | TIOCPKT_START);
  }

  flushed(): void {
    this.notePacket(TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
    this.masterDrained();
    this.slaveDrained();
  }

  // --- ends ---

  /** The master took bytes: writers may go on. */
  masterDrained(): void {
    this.slaveQueue.notify(EV_OUT | EV_WRNORM);
  }

  /** A slave read made room for input. */
  slaveDrained(): void {
    this.masterQueue.notify(EV_OUT | EV_WRNORM);
  }

  slaveOpened(): void {
    this.slaves++;
    this.slaveSeen = true;
  }

  slaveClosed(): void {
    if (--this.slaves === 0) this.masterQueue.notify(EV_IN | EV_HUP);
  }

  masterClosed(): void {
    this.masterOpen = false;
    this.hungUp = true;
    this.control.hangup(this);
    this.slaveQueue.notify(EV_IN | EV_OUT | EV_HUP);
  }

  /** vhangup(2), TIOCVHANGUP: whoever has the slave open is cut off, settings are the first ones again. */
  hangUp(): void {
    this.hangUps++;
    this.control.hangup(this);
    const { ld } = this;
    const edited = ld.editsLines;
    ld.flushInput();
    ld.flushOutput();
    ld.termios.copyFrom(defaultTermios());
    ld.settingsChanged(edited, false);
    this.slaveQueue.notify(EV_IN | EV_OUT | EV_HUP);
    this.masterQueue.notify(EV_OUT | EV_WRNORM);
  }

  /** Status change for packet mode readers; `contrary`: bits that it takes back. */
  notePacket(bits: number, contrary: number = 0): void {
    if (!this.packetMode) return;
    this.packetStatus = (this.packetStatus & ~contrary) | bits;
    this.masterQueue.notify(EV_PRI | EV_IN);
  }

  /** TIOCSWINSZ: SIGWINCH when something changed. */
  resize(rows: number, cols: number, xpixel: number, ypixel: number): void {
    if (rows === this.rows && cols === this.cols && xpixel === this.xpixel && ypixel === this.ypixel) return;
    this.rows = rows;
    this.cols = cols;
    this.xpixel = xpixel;
    this.ypixel = ypixel;
    this.control.signalForeground(this, SIGWINCH);
  }
}

/** Scratch settings for TCSETS. */
export const scratchTermios: Termios = new Termios();
