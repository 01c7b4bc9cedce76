/** ioctl(2) requests that both ends of a pty understand: tty_ioctl(4). */
import { EINVAL, ENOTTY } from "../../../abi/errno.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import {
  EXTPROC,
  ICANON,
  IXON,
  readTermios,
  TCFLSH,
  TCGETS,
  TCGETS2,
  TCIFLUSH,
  TCIOFLUSH,
  TCOFLUSH,
  TCOOFF,
  TCOON,
  TCSBRK,
  TCSBRKP,
  TCSETS,
  TCSETS2,
  TCSETSF,
  TCSETSF2,
  TCSETSW,
  TCSETSW2,
  TCXONC,
  TERMIOS2_SIZE,
  TERMIOS_SIZE,
  TIOCEXCL,
  TIOCGETD,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCNXCL,
  TIOCOUTQ,
  TIOCPKT_DOSTOP,
  TIOCPKT_FLUSHREAD,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_NOSTOP,
  TIOCPKT_START,
  TIOCPKT_STOP,
  TIOCSCTTY,
  TIOCSETD,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
  VSTART,
  VSTOP,
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

function setTermios(tty: Terminal, ctx: IoctlContext, arg: number, two: boolean, flush: boolean): number {
  const err = ctx.mm.copyInExact(arg, buf, 0, two ? TERMIOS2_SIZE : TERMIOS_SIZE);
  if (err < 0) return err;
  const t = tty.ld.termios;
  const wasCanonical = (t.lflag & ICANON) !== 0;
  const wasStandard = flowIsStandard(t);
  scratchTermios.copyFrom(t);
  readTermios(view, 0, scratchTermios, two);
  if (flush) tty.ld.flushInput();
  t.copyFrom(scratchTermios);
  tty.ld.settingsChanged(wasCanonical);
  if (flowIsStandard(t) !== wasStandard && (t.lflag & EXTPROC) === 0) {
    tty.notePacket(wasStandard ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
  }
  return 0;
}

function flush(tty: Terminal, which: number): number {
  if (which !== TCIFLUSH && which !== TCOFLUSH && which !== TCIOFLUSH) return -EINVAL;
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
export function ttyIoctl(tty: Terminal, ctx: IoctlContext, request: number, arg: number, isMaster: boolean): number {
  if (!isMaster && isChange(request)) {
    const err = tty.control.checkChange(tty);
    if (err < 0) return err;
  }
  switch (request) {
    case TCGETS:
    case TCGETS2: {
      const two = request === TCGETS2;
      writeTermios(view, 0, tty.ld.termios, two);
      return ctx.mm.copyOutExact(arg, buf, 0, two ? TERMIOS2_SIZE : TERMIOS_SIZE);
    }
    case TCSETS:
    case TCSETSW:
      return setTermios(tty, ctx, arg, false, false);
    case TCSETSF:
      return setTermios(tty, ctx, arg, false, true);
    case TCSETS2:
    case TCSETSW2:
      return setTermios(tty, ctx, arg, true, false);
    case TCSETSF2:
      return setTermios(tty, ctx, arg, true, true);
    case TCFLSH:
      return flush(tty, arg);
    case TCSBRK:
    case TCSBRKP:
      return 0;
    case TCXONC:
      if (arg === TCOOFF || arg === TCOON) {
        tty.ld.stopped = arg === TCOOFF;
        tty.flowChanged(tty.ld.stopped);
        tty.notePacket(arg === TCOOFF ? TIOCPKT_STOP : TIOCPKT_START);
        return 0;
      }
      return arg > 3 ? -EINVAL : 0;
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
      return isMaster ? -EINVAL : tty.control.setControlling(tty, ctx.task, arg);
    case TIOCNOTTY:
      return tty.control.giveUpControlling(tty, ctx.task);
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
    case TIOCSTI: {
      const err = ctx.mm.copyInExact(arg, oneByte, 0, 1);
      if (err < 0) return err;
      tty.ld.input(oneByte, 0, 1);
      return 0;
    }
    case TIOCOUTQ:
      return ctx.mm.writeU32(arg, isMaster ? 0 : tty.ld.out.length);
    case FIONREAD:
      return ctx.mm.writeU32(arg, isMaster ? tty.ld.out.length : tty.ld.pending());
    default:
      return -ENOTTY;
  }
}
