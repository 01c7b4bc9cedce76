/** The only network interface there is: the loopback device; and netdevice(7)'s ioctls about it. */
import { EFAULT, ENODEV, ENOTTY } from "../../../abi/errno.ts";
import {
  ARPHRD_LOOPBACK,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_RUNNING,
  IFF_UP,
  IFNAMSIZ,
  IFREQ_SIZE,
  SIOCGIFCONF,
  SIOCGIFFLAGS,
  SIOCGIFHWADDR,
  SIOCGIFINDEX,
  SIOCGIFMAP,
  SIOCGIFMETRIC,
  SIOCGIFMTU,
  SIOCGIFNAME,
  SIOCGIFTXQLEN,
} from "../../../abi/netlink.ts";
import { AF_INET } from "../../../abi/socket.ts";
import type { UserMemory } from "../../vfs/file.ts";

/** Facts about lo. */
export const LO_NAME = "lo";
export const LO_INDEX = 1;
export const LO_MTU = 65536;
export const LO_TXQLEN = 1000;
export const LO_FLAGS: number = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_LOWER_UP;

const req: Uint8Array = new Uint8Array(IFREQ_SIZE);
const view: DataView = new DataView(req.buffer);

function nameIs(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (req[i] !== name.charCodeAt(i)) return false;
  return req[name.length] === 0;
}

function putName(): void {
  req.fill(0, 0, IFNAMSIZ);
  for (let i = 0; i < LO_NAME.length; i++) req[i] = LO_NAME.charCodeAt(i);
}

/** The interface requests that any socket answers. >= 0 or -errno (-ENOTTY: none of them). */
export function interfaceIoctl(mm: UserMemory, request: number, arg: number): number {
  if (request === SIOCGIFCONF) return listInterfaces(mm, arg);
  switch (request) {
    case SIOCGIFNAME:
    case SIOCGIFFLAGS:
    case SIOCGIFMETRIC:
    case SIOCGIFMTU:
    case SIOCGIFHWADDR:
    case SIOCGIFINDEX:
    case SIOCGIFTXQLEN:
    case SIOCGIFMAP:
      break;
    default:
      return -ENOTTY;
  }
  if (mm.copyInExact(arg, req, 0, IFREQ_SIZE) < 0) return -EFAULT;
  if (request === SIOCGIFNAME) {
    if (view.getInt32(IFNAMSIZ, true) !== LO_INDEX) return -ENODEV;
    putName();
    return mm.copyOutExact(arg, req, 0, IFREQ_SIZE) < 0 ? -EFAULT : 0;
  }
  req[IFNAMSIZ - 1] = 0;
  if (!nameIs(LO_NAME)) return -ENODEV;
  switch (request) {
    case SIOCGIFFLAGS:
      view.setInt16(16, LO_FLAGS & 0xffff, true);
      break;
    case SIOCGIFMTU:
      view.setInt32(16, LO_MTU, true);
      break;
    case SIOCGIFINDEX:
      view.setInt32(16, LO_INDEX, true);
      break;
    case SIOCGIFTXQLEN:
      view.setInt32(16, LO_TXQLEN, true);
      break;
    case SIOCGIFHWADDR:
      req.fill(0, 16, 32);
      view.setUint16(16, ARPHRD_LOOPBACK, true);
      break;
    case SIOCGIFMETRIC:
      view.setInt32(16, 0, true);
      break;
    default:
      req.fill(0, 16, IFREQ_SIZE);
  }
  return mm.copyOutExact(arg, req, 0, IFREQ_SIZE) < 0 ? -EFAULT : 0;
}

/** SIOCGIFCONF: struct ifconf { len i32, pad, buf ptr }: lo with its IPv4 address; a null buffer asks for the size. */
function listInterfaces(mm: UserMemory, arg: number): number {
  const len = mm.readU32(arg);
  const lo = mm.readU32(arg + 8);
  const hi = mm.readU32(arg + 12);
  if (len < 0 || lo < 0 || hi < 0) return -EFAULT;
  const buf = hi * 4294967296 + lo;
  let done = IFREQ_SIZE;
  if (buf !== 0) {
    done = 0;
    if ((len | 0) >= IFREQ_SIZE) {
      req.fill(0);
      putName();
      view.setUint16(16, AF_INET, true);
      req[20] = 127;
      req[23] = 1;
      if (mm.copyOutExact(buf, req, 0, IFREQ_SIZE) < 0) return -EFAULT;
      done = IFREQ_SIZE;
    }
  }
  return mm.writeU32(arg, done) < 0 ? -EFAULT : 0;
}
