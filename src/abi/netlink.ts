/** netlink(7), rtnetlink(7), netdevice(7): numbers and struct layouts. */

export const NETLINK_ROUTE = 0;
export const SOL_NETLINK = 270;
/** sizeof(struct sockaddr_nl): family u16, pad u16, pid u32, groups u32. */
export const SOCKADDR_NL_SIZE = 12;
/** sizeof(struct nlmsghdr): len u32, type u16, flags u16, seq u32, pid u32. */
export const NLMSG_HDRLEN = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_MIN_TYPE = 16;
export const NLM_F_REQUEST = 1;
export const NLM_F_MULTI = 2;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CAPPED = 0x100;

export const RTM_BASE = 16;
export const RTM_NEWLINK = 16;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_GETADDR = 22;
export const RTM_GETROUTE = 26;
export const RTM_MAX = 123;

export const IFLA_ADDRESS = 1;
export const IFLA_BROADCAST = 2;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_QDISC = 6;
export const IFLA_STATS = 7;
export const IFLA_TXQLEN = 13;
export const IFLA_OPERSTATE = 16;
export const IFLA_LINKMODE = 17;
export const IFLA_STATS64 = 23;
export const IFLA_GROUP = 27;
export const IFLA_PROMISCUITY = 30;
export const IFLA_NUM_TX_QUEUES = 31;
export const IFLA_NUM_RX_QUEUES = 32;
export const IFLA_CARRIER = 33;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_LABEL = 3;
export const IFA_CACHEINFO = 6;
export const IFA_FLAGS = 8;
export const IFA_F_PERMANENT = 0x80;
export const RT_SCOPE_HOST = 254;

export const ARPHRD_LOOPBACK = 772;
export const IFF_UP = 1;
export const IFF_LOOPBACK = 8;
export const IFF_RUNNING = 0x40;
export const IFF_LOWER_UP = 0x10000;

export const SIOCGIFNAME = 0x8910;
export const SIOCGIFCONF = 0x8912;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCGIFMETRIC = 0x891d;
export const SIOCGIFMTU = 0x8921;
export const SIOCGIFHWADDR = 0x8927;
export const SIOCGIFINDEX = 0x8933;
export const SIOCGIFTXQLEN = 0x8942;
export const SIOCGIFMAP = 0x8970;
/** sizeof(struct ifreq): name 16 bytes, then a union of 24. */
export const IFREQ_SIZE = 40;
export const IFNAMSIZ = 16;
