/** /proc/net (= /proc/PID/net): proc_pid_net(5). */
import type { KernfsDir } from "../../fs/kernfs/kernfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { RUN_EXITED } from "../../kernel/task.ts";
import { UnixSocket } from "../../socket/unix/socket.ts";
import { hex, left } from "./format.ts";

const DEV_HEAD =
  "Inter-|   Receive                                                |  Transmit\n" +
  " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
const LO =
  "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";

const TCP_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const TCP6_HEAD =
  "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const DGRAM_TAIL = " ref pointer drops";
/** Heads of the IPv4 tables are padded to this width. */
const TCP_WIDTH = 149;
const UDP_WIDTH = 127;
const ROUTE_HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const ROUTE_WIDTH = 127;

/** The loopback interface's address and routes, IPv6. */
const IF_INET6 = "00000000000000000000000000000001 01 80 10 80       lo\n";
const ZERO6 = "0".repeat(32);
const IPV6_ROUTES =
  `${ZERO6} 00 ${ZERO6} 00 ${ZERO6} ffffffff 00000001 00000000 00200200       lo\n` +
  `${"0".repeat(31)}1 80 ${ZERO6} 00 ${ZERO6} 00000000 00000002 00000000 80200001       lo\n`;

const SNMP =
  "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n" +
  "Ip: 2 64 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n" +
  "Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps\n" +
  `Icmp:${" 0".repeat(27)}\n` +
  "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n" +
  "Tcp: 1 200 120000 -1 0 0 0 0 0 0 0 0 0 0 0\n" +
  "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti\n" +
  `Udp:${" 0".repeat(8)}\n` +
  "UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti\n" +
  `UdpLite:${" 0".repeat(8)}\n`;

/** SS_UNCONNECTED, SS_CONNECTED (linux/net.h), and the flag of a listening socket. */
const SS_UNCONNECTED = 1;
const SS_CONNECTED = 3;
const SO_ACCEPTCON = 0x10000;

/** Every unix socket that is open somewhere, once. */
function unixSockets(k: Kernel): Set<UnixSocket> {
  const found = new Set<UnixSocket>();
  const tables = new Set<object>();
  for (const t of k.tasks.values()) {
    if (t.run === RUN_EXITED || tables.has(t.fds)) continue;
    tables.add(t.fds);
    for (let fd = 0; fd < t.fds.end; fd++) {
      const file = t.fds.get(fd);
      if (file instanceof UnixSocket && file.foreign === null) found.add(file);
    }
  }
  return found;
}

function unixText(k: Kernel): string {
  let out = "Num       RefCount Protocol Flags    Type St Inode Path\n";
  for (const s of unixSockets(k)) {
    const state = s.peer === null ? SS_UNCONNECTED : SS_CONNECTED;
    const { address } = s;
    let name = "";
    if (address !== null) name = address.isAbstract ? ` @${address.path.replaceAll("\0", "@")}` : ` ${address.path}`;
    const ino = s.inode === null ? 0 : s.inode.ino;
    // The first column is a kernel address, which is not shown.
    out +=
      `${hex(0, 16)}: ${hex(s.refs + 1, 8)} ${hex(0, 8)} ${hex(s.listening ? SO_ACCEPTCON : 0, 8)} ` +
      `${hex(s.type, 4)} ${hex(state, 2)} ${ino}${name}\n`;
  }
  return out;
}

/** Fills the directory. */
export function addNetFiles(dir: KernfsDir, k: Kernel): void {
  dir
    .addText("arp", "IP address       HW type     Flags       HW address            Mask     Device\n")
    .addText("dev", DEV_HEAD + LO)
    .addText("dev_mcast", "")
    .addText("if_inet6", IF_INET6)
    .addText("igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n")
    .addText("ipv6_route", IPV6_ROUTES)
    .addText("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n")
    .addText(
      "netstat",
      "TcpExt: SyncookiesSent SyncookiesRecv\nTcpExt: 0 0\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 0 0\n",
    )
    .addText("packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n")
    .addText(
      "protocols",
      `protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re bi br ha uh gp em\n`,
    )
    .addText("psched", "000003e8 00000040 000f4240 3b9aca00\n")
    .addText("ptype", "Type Device      Function\n0800          ip_rcv\n86dd          ipv6_rcv\n")
    .addText("raw", `${TCP_HEAD}${DGRAM_TAIL}\n`)
    .addText("raw6", `${TCP6_HEAD}${DGRAM_TAIL}\n`)
    .addText("route", `${left(ROUTE_HEAD, ROUTE_WIDTH)}\n`)
    .addText("snmp", SNMP)
    .addText("tcp", `${left(TCP_HEAD, TCP_WIDTH)}\n`)
    .addText("tcp6", `${TCP6_HEAD}\n`)
    .addText("udp", `${left(` ${TCP_HEAD}${DGRAM_TAIL}`, UDP_WIDTH)}\n`)
    .addText("udp6", `${TCP6_HEAD}${DGRAM_TAIL}\n`)
    .addText("udplite", `${left(` ${TCP_HEAD}${DGRAM_TAIL}`, UDP_WIDTH)}\n`)
    .addText("udplite6", `${TCP6_HEAD}${DGRAM_TAIL}\n`)
    .addFunction(
      "sockstat",
      () =>
        `sockets: used ${unixSockets(k).size}\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n`,
    )
    .addText("sockstat6", "TCP6: inuse 0\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n")
    .addFunction("unix", () => unixText(k));
}
