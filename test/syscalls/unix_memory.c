// What is sent counts as its sender's until it is received, wherever it lies: SIOCOUTQ, and when who waits for room is
// told (by epoll's edges and by signals), through disconnecting, closing and shutting down. Peeking beyond the end.
#include "check.h"
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char data[300000];
static int pair[2], edges = -1;

static const char *type_name(int type) { return type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "dgram" : "seqpacket"; }

static void watch(int fd, unsigned number) {
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = number};
	MUST(epoll_ctl(edges, EPOLL_CTL_ADD, fd, &event));
}
static void look(const char *when) {
	struct epoll_event events[4];
	unsigned seen[2] = {0, 0};
	int count = epoll_wait(edges, events, 4, 0);
	for (int i = 0; i < count; i++) seen[events[i].data.u32] = events[i].events;
	say("  %s: edges %x %x\n", when, seen[0], seen[1]);
}
static void fresh(int type) {
	MUST(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair));
	if (edges >= 0) close(edges);
	edges = epoll_create1(0);
	watch(pair[0], 0);
	watch(pair[1], 1);
	say("%s\n", type_name(type));
	look("new");
}
static void done(void) {
	close(pair[0]);
	close(pair[1]);
}
static int outq(int fd) {
	int value = -1;
	MUST(ioctl(fd, SIOCOUTQ, &value));
	return value;
}

static void edges_of(int type) {
	fresh(type);
	SHOW(send(pair[0], data, 100, 0));
	YES("counts", outq(pair[0]) > 100);
	look("sent");
	SHOW(recv(pair[1], data, 10, MSG_PEEK));
	look("peeked");
	SHOW(recv(pair[1], data, 10, 0));
	look("read a part");
	SHOW(recv(pair[1], data, 100, 0));
	look("read the rest");
	YES("nothing counts", outq(pair[0]) == 0);
	while (send(pair[0], data, 30000, 0) > 0) continue;
	look("full");
	for (int i = 0; i < 4; i++) {
		MUST(recv(pair[1], data, 30000, 0));
		look("read one");
	}
	SHOW(shutdown(pair[0], SHUT_WR));
	look("shut");
	SHOW(send(pair[1], data, 1, 0));
	look("the other sends");
	SHOW(close(pair[1]));
	look("the other closed");
	YES("nothing counts", outq(pair[0]) == 0);
	SHOW(recv(pair[0], data, 10, 0));
	SHOW(recv(pair[0], data, 10, 0));
	look("read");
	close(pair[0]);
}

static void disconnects(void) {
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
	fresh(SOCK_DGRAM);
	MUST(send(pair[0], data, 0, 0));
	MUST(send(pair[0], data, 5000, 0));
	MUST(send(pair[1], data, 7, 0));
	look("sent");
	SHOW(connect(pair[0], &nowhere, sizeof nowhere));
	look("disconnected");
	YES("its own still counts", outq(pair[0]) > 5000);
	YES("what it got is lost", outq(pair[1]) == 0);
	SHOW(send(pair[0], data, 1, 0));
	look("not connected");
	SHOW(recv(pair[1], data, 10, 0));
	SHOW(recv(pair[1], data, 10, 0));
	look("read the empty one");
	// Another one that it goes to.
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	MUST(bind(other, (struct sockaddr *)&name, sizeof name));
	SHOW(connect(pair[0], (struct sockaddr *)&name, sizeof name));
	look("connected elsewhere");
	MUST(send(pair[0], data, 9, 0));
	YES("both count", outq(pair[0]) > 5009);
	SHOW(close(pair[1]));
	YES("one counts", outq(pair[0]) > 9 && outq(pair[0]) < 5000);
	look("the old one closed");
	SHOW(close(other));
	look("the new one closed");
	YES("none", outq(pair[0]) == 0);
	SHOW(send(pair[0], data, 1, 0));
	SHOW(send(pair[0], data, 1, 0));
	close(pair[0]);
}

static void signals(int type) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	fresh(type);
	MUST(fcntl(pair[0], F_SETOWN, getpid()));
	MUST(fcntl(pair[0], F_SETSIG, SIGRTMIN));
	MUST(fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	const struct timespec none = {0, 0};
	for (int step = 0; step < 6; step++) {
		if (step == 1) while (send(pair[0], data, 20000, 0) > 0) continue;
		if (step == 2 || step == 4) while (recv(pair[1], data, 40000, 0) > 0) continue;
		if (step == 3) SHOW(send(pair[0], data, 10, 0));
		if (step == 5) SHOW(send(pair[1], data, 10, 0));
		siginfo_t info;
		int count = 0;
		while (sigtimedwait(&set, &info, &none) > 0) {
			count++;
			say("  step %d: code %d band %lx\n", step, info.si_code, (unsigned long)info.si_band);
		}
		if (count == 0) say("  step %d: none\n", step);
	}
	done();
}

static void beyond(int type) {
	fresh(type);
	int at = 3;
	MUST(setsockopt(pair[1], SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at));
	MUST(send(pair[0], "abc", 3, 0));
	SHOW(recv(pair[1], data, 10, MSG_PEEK));
	SHOW(shutdown(pair[0], SHUT_WR));
	SHOW(recv(pair[1], data, 10, MSG_PEEK));
	SHOW(recv(pair[1], data, 10, 0));
	done();
}

int main(void) {
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < COUNT(types); i++) {
		edges_of(types[i]);
		signals(types[i]);
		beyond(types[i]);
	}
	disconnects();
	return 0;
}
