/** rtnetlink(7) of a machine whose only interface is lo: reads are answered, changes refused. */
import { EINVAL, ENETUNREACH, ENODEV, EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import {
  ARPHRD_LOOPBACK,
  IFA_ADDRESS,
  IFA_CACHEINFO,
  IFA_F_PERMANENT,
  IFA_FLAGS,
  IFA_LABEL,
  IFA_LOCAL,
  IFLA_ADDRESS,
  IFLA_BROADCAST,
  IFLA_CARRIER,
  IFLA_GROUP,
  IFLA_IFNAME,
  IFLA_LINKMODE,
  IFLA_MTU,
  IFLA_NUM_RX_QUEUES,
  IFLA_NUM_TX_QUEUES,
  IFLA_OPERSTATE,
  IFLA_PROMISCUITY,
  IFLA_QDISC,
  IFLA_STATS,
  IFLA_STATS64,
  IFLA_TXQLEN,
  NLM_F_ACK,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSG_MIN_TYPE,
  RT_SCOPE_HOST,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_MAX,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from "../../../abi/netlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../../abi/socket.ts";
import { LO_FLAGS, LO_INDEX, LO_MTU, LO_NAME, LO_TXQLEN } from "./interface.ts";
import { NetlinkWriter } from "./message.ts";

const IFINFOMSG_SIZE = 16;
const IFADDRMSG_SIZE = 8;
const FOREVER = 0xffffffff;
const NO_HARDWARE_ADDRESS: readonly number[] = [0, 0, 0, 0, 0, 0];

const w: NetlinkWriter = new NetlinkWriter();

/** Answers the messages of one datagram: `reply` gets datagrams. `pid`: the socket's address. `mayChange`: CAP_NET_ADMIN. */
export function handleRoute(data: Uint8Array, pid: number, mayChange: boolean, reply: (d: Uint8Array) => void): void {
  const v = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  while (at + NLMSG_HDRLEN <= data.length) {
    const len = v.getUint32(at, true);
    if (len < NLMSG_HDRLEN || at + len > data.length) return;
    const type = v.getUint16(at + 4, true);
    const flags = v.getUint16(at + 6, true);
    const seq = v.getUint32(at + 8, true);
    let err = 0;
    let isDump = false;
    if ((flags & NLM_F_REQUEST) !== 0 && type >= NLMSG_MIN_TYPE) {
      isDump = isGet(type) && (flags & NLM_F_DUMP) === NLM_F_DUMP;
      const family = len > NLMSG_HDRLEN ? data[at + NLMSG_HDRLEN]! : 0;
      err = isDump
        ? dump(type, family, seq, pid, reply)
        : request(type, data.subarray(at, at + len), seq, pid, mayChange, reply);
    }
    if (err < 0 || ((flags & NLM_F_ACK) !== 0 && !isDump)) {
      const body = err < 0 ? len : NLMSG_HDRLEN;
      const p = w.begin(NLMSG_ERROR, err < 0 ? 0 : NLM_F_CAPPED, seq, pid, 4);
      w.u32(p, err >>> 0);
      w.bytes(data, at, body);
      w.end();
      reply(w.take());
    }
    at += (len + 3) & ~3;
  }
}

/** Every family has four numbers: new, delete, get, set. */
function isGet(type: number): boolean {
  return type % 4 === 2;
}

/** Everything of a kind, then NLMSG_DONE. */
function dump(type: number, family: number, seq: number, pid: number, reply: (d: Uint8Array) => void): number {
  if (type > RTM_MAX) return -EOPNOTSUPP;
  if (type === RTM_GETLINK) link(NLM_F_MULTI, seq, pid);
  else if (type === RTM_GETADDR) {
    if (family === AF_UNSPEC || family === AF_INET) address4(NLM_F_MULTI, seq, pid);
    if (family === AF_UNSPEC || family === AF_INET6) address6(NLM_F_MULTI, seq, pid);
  }
  if (!w.isEmpty) reply(w.take());
  w.begin(NLMSG_DONE, NLM_F_MULTI, seq, pid, 4);
  w.end();
  reply(w.take());
  return 0;
}

/** One question, or a change. */
function request(
  type: number,
  message: Uint8Array,
  seq: number,
  pid: number,
  mayChange: boolean,
  reply: (d: Uint8Array) => void,
): number {
  if (type > RTM_MAX) return -EOPNOTSUPP;
  if (!isGet(type)) return mayChange ? -EOPNOTSUPP : -EPERM;
  if (type === RTM_GETROUTE) return -ENETUNREACH;
  if (type !== RTM_GETLINK) return -EOPNOTSUPP;
  if (message.length < NLMSG_HDRLEN + IFINFOMSG_SIZE) return -EINVAL;
  const v = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const index = v.getInt32(NLMSG_HDRLEN + 4, true);
  if (index < 0) return -EINVAL;
  const name = index > 0 ? null : findName(message, v);
  if (index === 0 && name === null) return -EINVAL;
  if (index > 0 ? index !== LO_INDEX : name !== LO_NAME) return -ENODEV;
  link(0, seq, pid);
  reply(w.take());
  return 0;
}

/** IFLA_IFNAME among the attributes of a link message, or null. */
function findName(message: Uint8Array, v: DataView): string | null {
  let at = NLMSG_HDRLEN + IFINFOMSG_SIZE;
  while (at + 4 <= message.length) {
    const len = v.getUint16(at, true);
    if (len < 4 || at + len > message.length) return null;
    if (v.getUint16(at + 2, true) === IFLA_IFNAME) {
      let name = "";
      for (let i = at + 4; i < at + len && message[i] !== 0; i++) name += String.fromCharCode(message[i]!);
      return name;
    }
    at += (len + 3) & ~3;
  }
  return null;
}

function link(flags: number, seq: number, pid: number): void {
  const p = w.begin(RTM_NEWLINK, flags, seq, pid, IFINFOMSG_SIZE);
  w.u16(p + 2, ARPHRD_LOOPBACK);
  w.u32(p + 4, LO_INDEX);
  w.u32(p + 8, LO_FLAGS);
  w.attributeText(IFLA_IFNAME, LO_NAME);
  w.attributeU32(IFLA_TXQLEN, LO_TXQLEN);
  w.attributeU8(IFLA_OPERSTATE, 0);
  w.attributeU8(IFLA_LINKMODE, 0);
  w.attributeU32(IFLA_MTU, LO_MTU);
  w.attributeU32(IFLA_GROUP, 0);
  w.attributeU32(IFLA_PROMISCUITY, 0);
  w.attributeU32(IFLA_NUM_TX_QUEUES, 1);
  w.attributeU32(IFLA_NUM_RX_QUEUES, 1);
  w.attributeU8(IFLA_CARRIER, 1);
  w.attributeText(IFLA_QDISC, "noqueue");
  w.attributeBytes(IFLA_ADDRESS, NO_HARDWARE_ADDRESS);
  w.attributeBytes(IFLA_BROADCAST, NO_HARDWARE_ADDRESS);
  w.attribute(IFLA_STATS64, 200);
  w.attribute(IFLA_STATS, 100);
  w.end();
}

function beginAddress(family: number, prefix: number, flags: number, seq: number, pid: number): void {
  const p = w.begin(RTM_NEWADDR, flags, seq, pid, IFADDRMSG_SIZE);
  w.u8(p, family);
  w.u8(p + 1, prefix);
  w.u8(p + 2, IFA_F_PERMANENT);
  w.u8(p + 3, RT_SCOPE_HOST);
  w.u32(p + 4, LO_INDEX);
}

function endAddress(): void {
  const p = w.attribute(IFA_CACHEINFO, 16);
  w.u32(p, FOREVER);
  w.u32(p + 4, FOREVER);
  w.attributeU32(IFA_FLAGS, IFA_F_PERMANENT);
  w.end();
}

function address4(flags: number, seq: number, pid: number): void {
  const local = [127, 0, 0, 1];
  beginAddress(AF_INET, 8, flags, seq, pid);
  w.attributeBytes(IFA_ADDRESS, local);
  w.attributeBytes(IFA_LOCAL, local);
  w.attributeText(IFA_LABEL, LO_NAME);
  endAddress();
}

function address6(flags: number, seq: number, pid: number): void {
  beginAddress(AF_INET6, 128, flags, seq, pid);
  w.attributeBytes(IFA_ADDRESS, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  endAddress();
}
