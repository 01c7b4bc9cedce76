/** ioctl(2) requests that both ends of a pty understand: tty_ioctl(4). */
import { EINVAL, EIO, ENOTTY, EPERM } from "../../../abi/errno.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import {
  CLOCAL,
  CREAD,
  CS8,
  CSIZE,
  EXTPROC,
  IXON,
  NCCS,
  PARENB,
  TCFLSH,
  TCGETA,
  TCGETS,
  TCGETS2,
  TCIFLUSH,
  TCIOFF,
  TCIOFLUSH,
  TCION,
  TCOFLUSH,
  TCOOFF,
  TCOON,
  TCSBRK,
  TCSBRKP,
  TCSETA,
  TCSETAF,
  TCSETAW,
  TCSETS,
  TCSETS2,
  TCSETSF,
  TCSETSF2,
  TCSETSW,
  TCSETSW2,
  TCXONC,
  TERMIO_SIZE,
  TERMIOS2_SIZE,
  TERMIOS_SIZE,
  TIOCCBRK,
  TIOCEXCL,
  TIOCGDEV,
  TIOCGETD,
  TIOCGEXCL,
  TIOCGLCKTRMIOS,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGSOFTCAR,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCNXCL,
  TIOCOUTQ,
  TIOCPKT_DOSTOP,
  TIOCPKT_FLUSHREAD,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_IOCTL,
  TIOCPKT_NOSTOP,
  TIOCSBRK,
  TIOCSCTTY,
  TIOCSETD,
  TIOCSLCKTRMIOS,
  TIOCSPGRP,
  TIOCSSOFTCAR,
  TIOCSTI,
  TIOCSWINSZ,
  TIOCVHANGUP,
  VSTART,
  VSTOP,
  deriveSpeeds,
  readTermio,
  readTermios,
  writeTermio,
  writeTermios,
} from "../../../abi/termios.ts";
import type { Termios } from "../../../abi/termios.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import { scratchTermios } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

const buf = new Uint8Array(64);
const view = new DataView(buf.buffer);
const oneByte = new Uint8Array(1);

function flowIsStandard(t: Termios): boolean {
  return (t.iflag & IXON) !== 0 && t.cc[VSTOP] === 19 && t.cc[VSTART] === 17;
}

/** Layouts of settings. */
const TERMIO = 0;
const TERMIOS = 1;
const TERMIOS2 = 2;
const sizes: readonly number[] = [TERMIO_SIZE, TERMIOS_SIZE, TERMIOS2_SIZE];

function getTermios(tty: Terminal, ctx: IoctlContext, arg: number, layout: number): number {
  if (layout === TERMIO) writeTermio(view, 0, tty.ld.termios);
  else writeTermios(view, 0, tty.ld.termios, layout === TERMIOS2);
  return ctx.mm.copyOutExact(arg, buf, 0, sizes[layout]!);
}

function setTermios(tty: Terminal, ctx: IoctlContext, arg: number, layout: number, flush: boolean): number {
  const err = ctx.mm.copyInExact(arg, buf, 0, sizes[layout]!);
  if (err < 0) return err;
  const t = scratchTermios;
  t.copyFrom(tty.ld.termios);
  if (layout === TERMIO) readTermio(view, 0, t);
  else readTermios(view, 0, t, layout === TERMIOS2);
  deriveSpeeds(t);
  if (flush) tty.ld.flushInput();
  changeTermios(tty, t);
  return 0;
}

/** Changes the settings to `t`, but for what is locked and what a pty always has. */
function changeTermios(tty: Terminal, t: Termios): void {
  const { ld, locks } = tty;
  const old = ld.termios;
  const edited = ld.editsLines;
  const hadFlow = (old.iflag & IXON) !== 0;
  const wasStandard = flowIsStandard(old);
  const isOuter = ((old.lflag | t.lflag) & EXTPROC) !== 0;
  const keep = (now: number, before: number, lock: number): number => ((now & ~lock) | (before & lock)) >>> 0;
  old.iflag = keep(t.iflag, old.iflag, locks.iflag);
  old.oflag = keep(t.oflag, old.oflag, locks.oflag);
  old.cflag = (keep(t.cflag, old.cflag, locks.cflag) & ~(CSIZE | PARENB)) | CS8 | CREAD;
  old.lflag = keep(t.lflag, old.lflag, locks.lflag);
  if (locks.line === 0) old.line = t.line;
  for (let i = 0; i < NCCS; i++) if (locks.cc[i] === 0) old.cc[i] = t.cc[i]!;
  old.ispeed = t.ispeed;
  old.ospeed = t.ospeed;
  if (flowIsStandard(old) !== wasStandard) {
    tty.notePacket(wasStandard ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP, TIOCPKT_NOSTOP | TIOCPKT_DOSTOP);
  }
  if (isOuter) tty.notePacket(TIOCPKT_IOCTL);
  ld.settingsChanged(edited, hadFlow);
}

function setLocks(tty: Terminal, ctx: IoctlContext, arg: number): number {
  if (!tty.control.isAdmin(ctx.task)) return -EPERM;
  const err = ctx.mm.copyInExact(arg, buf, 0, TERMIOS_SIZE);
  if (err < 0) return err;
  readTermios(view, 0, tty.locks, false);
  return 0;
}

function getLocks(tty: Terminal, ctx: IoctlContext, arg: number): number {
  writeTermios(view, 0, tty.locks, false);
  return ctx.mm.copyOutExact(arg, buf, 0, TERMIOS_SIZE);
}

/** TIOCSSOFTCAR: CLOCAL. */
function setSoftCarrier(tty: Terminal, ctx: IoctlContext, arg: number): number {
  const on = ctx.mm.readU32(arg);
  if (on < 0) return on;
  const t = scratchTermios;
  t.copyFrom(tty.ld.termios);
  t.cflag = on === 0 ? t.cflag & ~CLOCAL : t.cflag | CLOCAL;
  changeTermios(tty, t);
  return 0;
}

/** tcflow(3): of the output of the asking end, or a character for the other end. */
function flow(tty: Terminal, arg: number, isMaster: boolean): number {
  switch (arg) {
    case TCOOFF:
    case TCOON:
      if (!isMaster) tty.ld.setStoppedByCall(arg === TCOOFF);
      else {
        tty.masterStopped = arg === TCOOFF;
        tty.slaveDrained();
      }
      return 0;
    case TCIOFF:
    case TCION: {
      const c = tty.ld.termios.cc[arg === TCIOFF ? VSTOP : VSTART]!;
      if (c === 0) return 0;
      oneByte[0] = c;
      if (isMaster) tty.ld.input(oneByte, 0, 1);
      else {
        tty.ld.out.pushByte(c);
        tty.outputReady();
      }
      return 0;
    }
    default:
      return -EINVAL;
  }
}

/** tcflush(3): what the asking end has not read, what the other has not been given. */
function flush(tty: Terminal, which: number, isMaster: boolean): number {
  if (which !== TCIFLUSH && which !== TCOFLUSH && which !== TCIOFLUSH) return -EINVAL;
  if (isMaster) {
    // What the master writes is with the slave at once.
    if (which !== TCOFLUSH) tty.ld.flushDelivered();
    tty.masterDrained();
    return 0;
  }
  if (which !== TCOFLUSH) {
    tty.ld.flushInput();
    tty.notePacket(TIOCPKT_FLUSHREAD);
    tty.slaveDrained();
  }
  if (which !== TCIFLUSH) {
    tty.ld.flushOutput();
    tty.notePacket(TIOCPKT_FLUSHWRITE);
    tty.masterDrained();
  }
  return 0;
}

function getWinsize(tty: Terminal, ctx: IoctlContext, arg: number): number {
  view.setUint16(0, tty.rows, true);
  view.setUint16(2, tty.cols, true);
  view.setUint16(4, tty.xpixel, true);
  view.setUint16(6, tty.ypixel, true);
  return ctx.mm.copyOutExact(arg, buf, 0, 8);
}

function setWinsize(tty: Terminal, ctx: IoctlContext, arg: number): number {
  const err = ctx.mm.copyInExact(arg, buf, 0, 8);
  if (err < 0) return err;
  tty.resize(view.getUint16(0, true), view.getUint16(2, true), view.getUint16(4, true), view.getUint16(6, true));
  return 0;
}

/** Requests that change settings: background processes get SIGTTOU first. */
function isChange(request: number): boolean {
  switch (request) {
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
    case TIOCSSOFTCAR:
    case TIOCSBRK:
    case TIOCCBRK:
    case TCFLSH:
    case TCSBRK:
    case TCSBRKP:
    case TCXONC:
    case TIOCSETD:
    case TIOCSPGRP:
      return true;
    default:
      return false;
  }
}

/** Handles the request for the end `isMaster`; -ENOTTY when it is none of these. */
export function ttyIoctl(
  tty: Terminal,
  ctx: IoctlContext,
  request: number,
  arg: number,
  isMaster: boolean,
  isReadable: boolean,
): number {
  if (isChange(request)) {
    const err = tty.control.checkChange(tty);
    if (err < 0) return err === -EIO && request === TIOCSPGRP ? -ENOTTY : err;
  }
  switch (request) {
    case TCGETA:
      return getTermios(tty, ctx, arg, TERMIO);
    case TCGETS:
      return getTermios(tty, ctx, arg, TERMIOS);
    case TCGETS2:
      return getTermios(tty, ctx, arg, TERMIOS2);
    case TCSETA:
    case TCSETAW:
      return setTermios(tty, ctx, arg, TERMIO, false);
    case TCSETAF:
      return setTermios(tty, ctx, arg, TERMIO, true);
    case TCSETS:
    case TCSETSW:
      return setTermios(tty, ctx, arg, TERMIOS, false);
    case TCSETSF:
      return setTermios(tty, ctx, arg, TERMIOS, true);
    case TCSETS2:
    case TCSETSW2:
      return setTermios(tty, ctx, arg, TERMIOS2, false);
    case TCSETSF2:
      return setTermios(tty, ctx, arg, TERMIOS2, true);
    case TIOCGLCKTRMIOS:
      return getLocks(tty, ctx, arg);
    case TIOCSLCKTRMIOS:
      return setLocks(tty, ctx, arg);
    case TIOCGSOFTCAR:
      return ctx.mm.writeU32(arg, (tty.ld.termios.cflag & CLOCAL) === 0 ? 0 : 1);
    case TIOCSSOFTCAR:
      return setSoftCarrier(tty, ctx, arg);
    case TCFLSH:
      return flush(tty, arg | 0, isMaster);
    case TCSBRK:
    case TCSBRKP:
    case TIOCSBRK:
    case TIOCCBRK:
      return 0;
    case TCXONC:
      return flow(tty, arg | 0, isMaster);
    case TIOCGWINSZ:
      return getWinsize(tty, ctx, arg);
    case TIOCSWINSZ:
      return setWinsize(tty, ctx, arg);
    case TIOCGPGRP: {
      const pgid = tty.control.getForeground(tty, ctx.task, isMaster);
      return pgid < 0 ? pgid : ctx.mm.writeU32(arg, pgid);
    }
    case TIOCSPGRP: {
      const err = ctx.mm.copyInExact(arg, buf, 0, 4);
      return err < 0 ? err : tty.control.setForeground(tty, ctx.task, view.getInt32(0, true));
    }
    case TIOCGSID: {
      const sid = tty.control.getSession(tty, ctx.task, isMaster);
      return sid < 0 ? sid : ctx.mm.writeU32(arg, sid);
    }
    case TIOCSCTTY:
      return tty.control.setControlling(tty, ctx.task, arg, isReadable);
    case TIOCNOTTY:
      return isMaster ? -ENOTTY : tty.control.giveUpControlling(tty, ctx.task);
    case TIOCGETD:
      return ctx.mm.writeU32(arg, 0);
    case TIOCSETD: {
      const err = ctx.mm.copyInExact(arg, buf, 0, 4);
      if (err < 0) return err;
      return view.getInt32(0, true) === 0 ? 0 : -EINVAL;
    }
    case TIOCEXCL:
      tty.exclusive = true;
      return 0;
    case TIOCNXCL:
      tty.exclusive = false;
      return 0;
    case TIOCGEXCL:
      return ctx.mm.writeU32(arg, tty.exclusive ? 1 : 0);
    case TIOCGDEV:
      return ctx.mm.writeU32(arg, tty.rdev);
    case TIOCVHANGUP:
      if (!tty.control.isAdmin(ctx.task)) return -EPERM;
      tty.hangUp();
      return 0;
    case TIOCSTI: {
      if (!tty.control.mayInsert(tty, ctx.task)) return -EPERM;
      const err = ctx.mm.copyInExact(arg, oneByte, 0, 1);
      if (err < 0) return err;
      tty.ld.input(oneByte, 0, 1);
      return 0;
    }
    case TIOCOUTQ:
      // Whatever was written is the other end's at once.
      return ctx.mm.writeU32(arg, 0);
    case FIONREAD:
      return ctx.mm.writeU32(arg, isMaster ? tty.ld.out.length : tty.ld.pending());
    default:
      return -ENOTTY;
  }
}
