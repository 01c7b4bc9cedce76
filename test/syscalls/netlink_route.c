// AF_NETLINK: questions about the loopback interface as getifaddrs(3) and ip(8) ask them; only lo counts here.
#include "check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int fd;
static char buffer[65536] __attribute__((aligned(8)));

struct ask {
	struct nlmsghdr h;
	union {
		struct rtgenmsg g;
		struct ifinfomsg link;
		char space[64];
	};
};

static void drain(const char *label, int want) {
	say("-- %s\n", label);
	for (int done = 0; !done;) {
		struct pollfd p = {fd, POLLIN, 0};
		if (poll(&p, 1, 1000) != 1) {
			say("nothing\n");
			return;
		}
		struct sockaddr_nl from;
		socklen_t length = sizeof from;
		ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
		if (n < 0) {
			say("recv: %s\n", ename(errno));
			return;
		}
		if (from.nl_pid != 0 || length != sizeof from || from.nl_family != AF_NETLINK) say("from elsewhere\n");
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != 7) say("another sequence number\n");
			if (h->nlmsg_type == NLMSG_DONE) {
				say("done%s\n", h->nlmsg_flags & NLM_F_MULTI ? " multi" : "");
				done = 1;
			} else if (h->nlmsg_type == NLMSG_ERROR) {
				say("error %s\n", ename(-((struct nlmsgerr *)NLMSG_DATA(h))->error));
				done = 1;
			} else if (h->nlmsg_type == RTM_NEWLINK) {
				struct ifinfomsg *i = NLMSG_DATA(h);
				if (i->ifi_index != 1) continue;
				say("link %d type %d up %d loopback %d running %d multi %d\n", i->ifi_index, i->ifi_type, !!(i->ifi_flags & IFF_UP), !!(i->ifi_flags & IFF_LOOPBACK),
					!!(i->ifi_flags & IFF_RUNNING), !!(h->nlmsg_flags & NLM_F_MULTI));
				int rest = (int)IFLA_PAYLOAD(h);
				for (struct rtattr *a = IFLA_RTA(i); RTA_OK(a, rest); a = RTA_NEXT(a, rest)) {
					if (a->rta_type == IFLA_IFNAME) say(" name %s\n", (char *)RTA_DATA(a));
					if (a->rta_type == IFLA_MTU) say(" mtu %u\n", *(unsigned *)RTA_DATA(a));
					if (a->rta_type == IFLA_ADDRESS) say(" address of %lu bytes\n", (unsigned long)RTA_PAYLOAD(a));
					if (a->rta_type == IFLA_STATS64) say(" stats %s\n", RTA_PAYLOAD(a) >= 184 ? "ok" : "short");
				}
				if (want == 1) done = 1;
			} else if (h->nlmsg_type == RTM_NEWADDR) {
				struct ifaddrmsg *i = NLMSG_DATA(h);
				if (i->ifa_index != 1) continue;
				say("address of family %d prefix %d scope %d flags %x\n", i->ifa_family, i->ifa_prefixlen, i->ifa_scope, i->ifa_flags);
			}
		}
	}
}

static void ask(int type, int flags, int family) {
	struct ask q = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof q.g), .nlmsg_type = (unsigned short)type, .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags), .nlmsg_seq = 7}};
	q.g.rtgen_family = (unsigned char)family;
	MUST(send(fd, &q, q.h.nlmsg_len, 0));
}

static void ask_link(int index) {
	struct ask q = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof q.link), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 7}};
	q.link.ifi_index = index;
	MUST(send(fd, &q, q.h.nlmsg_len, 0));
}

int main(void) {
	SHOW(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
	SHOW(socket(AF_NETLINK, SOCK_RAW, 99));
	SHOW(socket(AF_NETLINK, 12, NETLINK_ROUTE));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	SHOW(fd >= 0);
	struct sockaddr_nl name = {AF_NETLINK, 0, 0, 0};
	SHOW(bind(fd, (struct sockaddr *)&name, 4));
	name.nl_family = AF_UNIX;
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	name.nl_family = AF_NETLINK;
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	socklen_t length = sizeof name;
	SHOW(getsockname(fd, (struct sockaddr *)&name, &length));
	YES("bound to my number", name.nl_pid == (unsigned)getpid() && length == sizeof name);
	int other = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	SHOW(bind(other, (struct sockaddr *)&name, sizeof name));
	name.nl_pid = 0;
	SHOW(bind(other, (struct sockaddr *)&name, sizeof name));
	length = sizeof name;
	SHOW(getsockname(other, (struct sockaddr *)&name, &length));
	YES("bound to another number", name.nl_pid != (unsigned)getpid() && name.nl_pid != 0);
	close(other);
	int value = 0;
	length = sizeof value;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &length));
	SHOW(value);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &length));
	SHOW(value);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length));
	SHOW(value);
	SHOW(listen(fd, 1));
	SHOW(accept(fd, NULL, NULL));
	SHOW(recv(fd, buffer, 10, MSG_DONTWAIT));

	ask(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC);
	drain("links", 0);
	ask(RTM_GETADDR, NLM_F_DUMP, AF_INET);
	drain("IPv4 addresses", 0);
	ask_link(1);
	drain("one link", 1);
	ask_link(12345);
	drain("no such link", 0);
	ask(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC);
	ssize_t n = recv(fd, buffer, 20, MSG_PEEK | MSG_TRUNC);
	YES("peeked at the true length", n > 100);
	drain("and read", 0);
	struct nlmsghdr empty = {NLMSG_HDRLEN, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 7, 0};
	MUST(send(fd, &empty, sizeof empty, 0));
	drain("acknowledged", 0);

	// getifaddrs
	struct ifaddrs *all;
	SHOW(getifaddrs(&all));
	int v4 = 0;
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") != 0 || i->ifa_addr == NULL) continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			v4++;
			say("lo %s", inet_ntoa(((struct sockaddr_in *)i->ifa_addr)->sin_addr));
			say(" mask %s\n", inet_ntoa(((struct sockaddr_in *)i->ifa_netmask)->sin_addr));
		}
	}
	freeifaddrs(all);
	SHOW(v4);

	// The ioctls that every socket answers.
	SHOW(if_nametoindex("lo"));
	SHOW(if_nametoindex("none0"));
	char text[IF_NAMESIZE];
	say("%s\n", if_indextoname(1, text) ? text : ename(errno));
	int plain = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct ifreq r;
	memset(&r, 0, sizeof r);
	strcpy(r.ifr_name, "lo");
	SHOW(ioctl(plain, SIOCGIFMTU, &r));
	SHOW(r.ifr_mtu);
	SHOW(ioctl(plain, SIOCGIFFLAGS, &r));
	SHOW(r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_BROADCAST));
	SHOW(ioctl(plain, SIOCGIFHWADDR, &r));
	SHOW(r.ifr_hwaddr.sa_family);
	SHOW(ioctl(plain, SIOCGIFMTU, WILD));
	strcpy(r.ifr_name, "none0");
	SHOW(ioctl(plain, SIOCGIFMTU, &r));
	r.ifr_ifindex = 54321;
	SHOW(ioctl(plain, SIOCGIFNAME, &r));
	return 0;
}
