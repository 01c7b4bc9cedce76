/** ioctl(2) on sockets: unix(7), sockatmark(3), netdevice(7). */
import { EOPNOTSUPP } from "../../../abi/errno.ts";
import { FIONREAD, SIOCATMARK } from "../../../abi/ioctl.ts";
import { SOCK_STREAM } from "../../../abi/socket.ts";
import { TIOCOUTQ } from "../../../abi/termios.ts";
import type { IoctlContext } from "../../vfs/file.ts";
import { interfaceIoctl } from "../netlink/interface.ts";
import type { UnixSocket } from "./socket.ts";
import { isAtMark } from "./urgent.ts";

/** 0 or -errno. */
export function socketIoctl(s: UnixSocket, ctx: IoctlContext, request: number, arg: number): number {
  switch (request) {
    case FIONREAD: {
      const n = s.bytesReadable();
      return n < 0 ? n : ctx.mm.writeU32(arg, n);
    }
    case TIOCOUTQ:
      return ctx.mm.writeU32(arg, s.memory.used);
    case SIOCATMARK:
      return s.type === SOCK_STREAM ? ctx.mm.writeU32(arg, isAtMark(s.packets) ? 1 : 0) : -EOPNOTSUPP;
    default:
      return interfaceIoctl(ctx.mm, request, arg);
  }
}
