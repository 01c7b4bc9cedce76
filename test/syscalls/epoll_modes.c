// epoll: level and edge triggered, one-shot, data, modifications, several events, order of readiness.
#include "check.h"
#include <sys/epoll.h>
#include <sys/socket.h>

static int ep;

static void show(const char *label, int timeout) {
	struct epoll_event events[8];
	memset(events, 0, sizeof events);
	int n = epoll_wait(ep, events, 8, timeout);
	say("%s: %d", label, n);
	for (int i = 0; i < n; i++) {
		unsigned e = events[i].events;
		say(" [%lu%s%s%s%s%s]", (unsigned long)events[i].data.u64, e & EPOLLIN ? " IN" : "", e & EPOLLOUT ? " OUT" : "", e & EPOLLRDHUP ? " RDHUP" : "", e & EPOLLHUP ? " HUP" : "", e & EPOLLERR ? " ERR" : "");
	}
	say("\n");
}

static void control(int operation, int fd, unsigned events, uint64_t data) {
	struct epoll_event event = {.events = events, .data.u64 = data};
	MUST(epoll_ctl(ep, operation, fd, &event));
}

int main(void) {
	int a[2], b[2], pair[2];
	char text[64];
	ep = epoll_create1(EPOLL_CLOEXEC);
	SHOW(fcntl(ep, F_GETFD));
	MUST(pipe(a));
	MUST(pipe(b));
	control(EPOLL_CTL_ADD, a[0], EPOLLIN, 1);
	show("nothing", 0);
	MUST(write(a[1], "xyz", 3));
	show("level", 0);
	show("level again", 0);
	MUST(read(a[0], text, 1));
	show("level, partly read", 0);
	MUST(read(a[0], text, 10));
	show("level, drained", 0);
	control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 1);
	MUST(write(a[1], "xyz", 3));
	show("edge", 0);
	show("edge again", 0);
	MUST(read(a[0], text, 1));
	show("edge, partly read", 0);
	MUST(write(a[1], "more", 4));
	show("edge, more written", 0);
	show("edge again", 0);
	control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 1);
	show("edge, modified", 0);
	control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 0x123456789abcdef0);
	show("one-shot", 0);
	show("one-shot again", 0);
	MUST(write(a[1], "x", 1));
	show("one-shot, more written", 0);
	control(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 2);
	show("armed again", 0);
	control(EPOLL_CTL_MOD, a[0], 0, 3);
	show("no events asked", 0);
	control(EPOLL_CTL_MOD, a[0], EPOLLIN, 1);
	control(EPOLL_CTL_ADD, b[0], EPOLLIN, 20);
	control(EPOLL_CTL_ADD, a[1], EPOLLOUT, 10);
	MUST(write(b[1], "y", 1));
	// Two or three ready: the sum does not depend on the order.
	struct epoll_event events[8];
	int n = epoll_wait(ep, events, 8, 0);
	uint64_t sum = 0;
	for (int i = 0; i < n; i++) sum += events[i].data.u64;
	say("three: %d sum %lu\n", n, (unsigned long)sum);
	// maxevents 1: everybody gets a turn.
	unsigned seen = 0;
	for (int i = 0; i < 6; i++) {
		SHOW(epoll_wait(ep, events, 1, 0));
		seen |= events[0].data.u64 == 1 ? 1 : events[0].data.u64 == 10 ? 2 : 4;
	}
	say("turns: %u\n", seen);
	MUST(epoll_ctl(ep, EPOLL_CTL_DEL, a[1], NULL));
	MUST(epoll_ctl(ep, EPOLL_CTL_DEL, b[0], NULL));
	show("two deleted", 0);
	// Closing a descriptor removes it when it was the last one of its open file.
	int copy = dup(a[0]);
	close(a[0]);
	show("closed, a copy is open", 0);
	close(copy);
	show("closed for good", 0);
	// Hang-ups are told without being asked for.
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	control(EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLRDHUP, 7);
	show("socket", 0);
	MUST(shutdown(pair[1], SHUT_WR));
	show("shut", 0);
	close(pair[1]);
	show("closed", 0);
	close(pair[0]);
	close(a[1]);
	MUST(pipe(a));
	control(EPOLL_CTL_ADD, a[1], 0, 8);
	close(a[0]);
	show("pipe without reader", 0);
	close(a[1]);
	// Waiting, woken by a child; edge triggered readiness for writing.
	MUST(pipe(a));
	control(EPOLL_CTL_ADD, a[0], EPOLLIN | EPOLLET, 9);
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		_exit(write(a[1], "x", 1) == 1 ? 0 : 1);
	}
	show("woken", 5000);
	reap(pid);
	long before = now_ms();
	show("timeout", 30);
	YES("waited", now_ms() - before >= 30);
	// EPOLLEXCLUSIVE and EPOLLWAKEUP are accepted on ADD.
	control(EPOLL_CTL_ADD, b[0], EPOLLIN | EPOLLEXCLUSIVE, 11);
	show("exclusive", 0);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
	SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, b[0], &event));
	return 0;
}
