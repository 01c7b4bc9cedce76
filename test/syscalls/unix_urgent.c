// Urgent bytes of unix streams: MSG_OOB, SO_OOBINLINE, sockatmark(3), POLLPRI, SIGURG; the owner of a socket by ioctl(2); what a listener
// shut for reading says, as Linux 6.12 and later have them. Left out: whether a place without its byte makes a socket readable, which kernels see differently.
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int fds[2];

static void fresh(int type) {
	if (fds[0] != 0) {
		close(fds[0]);
		close(fds[1]);
	}
	MUST(socketpair(AF_UNIX, type, 0, fds));
}

static void put_out(const char *text, int flags) {
	ssize_t n = send(fds[0], text, strlen(text), flags | MSG_DONTWAIT);
	say("send %s%s: %s\n", text, flags & MSG_OOB ? " urgent" : "", n < 0 ? ename(errno) : n == (ssize_t)strlen(text) ? "all" : "some");
}

static void get(size_t size, int flags) {
	char buffer[32] = "";
	struct iovec io = {buffer, size};
	struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
	ssize_t n = recvmsg(fds[1], &message, flags | MSG_DONTWAIT);
	say("%s%s%zu: %s %s flags %#x\n", flags & MSG_PEEK ? "peek " : "", flags & MSG_OOB ? "urgent " : "", size, n < 0 ? ename(errno) : "ok", buffer,
		n < 0 ? 0U : (unsigned)message.msg_flags);
}

static void look(void) {
	struct pollfd p = {fds[1], POLLPRI, 0};
	int mark = -1, ready = poll(&p, 1, 0), r = ioctl(fds[1], SIOCATMARK, &mark);
	say("urgent %s, at mark %s\n", ready == 1 && p.revents == POLLPRI ? "yes" : "no", r != 0 ? ename(errno) : mark ? "yes" : "no");
}

static volatile int urgent_signals;
static void on_urgent(int sig) {
	(void)sig;
	urgent_signals++;
}

static void owner(void) {
	int who = -1, me = getpid(), mine = -getpgrp(), nobody = 0;
	fresh(SOCK_STREAM);
	signal(SIGURG, on_urgent);
	put_out("ab", MSG_OOB);
	say("signals %d\n", urgent_signals);
	SHOW(ioctl(fds[1], FIOSETOWN, &me));
	SHOW(ioctl(fds[1], SIOCGPGRP, &who));
	YES("mine", who == me && fcntl(fds[1], F_GETOWN) == me);
	put_out("cd", MSG_OOB);
	put_out("ef", 0);
	say("signals %d\n", urgent_signals);
	SHOW(ioctl(fds[1], SIOCSPGRP, &mine));
	SHOW(ioctl(fds[1], FIOGETOWN, &who));
	YES("my group's", who == mine);
	put_out("g", MSG_OOB);
	say("signals %d\n", urgent_signals);
	SHOW(ioctl(fds[1], SIOCSPGRP, &nobody));
	SHOW(ioctl(fds[1], FIOGETOWN, &who));
	say("%d\n", who);
	SHOW(ioctl(fds[1], SIOCSPGRP, &(int){INT_MIN}));
	SHOW(ioctl(fds[1], SIOCSPGRP, &(int){99999999}));
	SHOW(ioctl(fds[1], SIOCSPGRP, WILD));
	SHOW(ioctl(fds[1], SIOCGPGRP, WILD));
	int pipes[2];
	MUST(pipe(pipes));
	SHOW(ioctl(pipes[0], SIOCGPGRP, &who));
}

static void listener(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "here"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(bind(s, (struct sockaddr *)&address, sizeof address));
	MUST(listen(s, 2));
	struct pollfd p = {s, POLLIN | POLLRDHUP | POLLOUT, 0};
	SHOW(poll(&p, 1, 0));
	SHOW(shutdown(s, SHUT_RD));
	SHOW(poll(&p, 1, 0));
	say("%#x\n", (unsigned)p.revents);
	SHOW(accept4(s, NULL, NULL, SOCK_NONBLOCK));
	SHOW(connect(c, (struct sockaddr *)&address, sizeof address));
}

int main(void) {
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
	for (size_t i = 0; i < COUNT(types); i++) {
		fresh(types[i]);
		put_out("abc", MSG_OOB);
		get(10, MSG_OOB);
		look();
	}
	fresh(SOCK_STREAM);
	look();
	get(1, MSG_OOB);
	put_out("", MSG_OOB);
	put_out("abc", MSG_OOB);
	look();
	get(10, MSG_OOB | MSG_PEEK);
	get(10, MSG_OOB);
	get(10, MSG_OOB);
	put_out("def", 0);
	look();
	get(10, 0);
	look();
	get(10, 0);
	look();
	get(10, 0);

	// One that nobody receives is passed over, after the bytes before it were read.
	put_out("abc", MSG_OOB);
	put_out("def", 0);
	get(10, MSG_PEEK);
	get(1, 0);
	get(10, 0);
	look();
	get(10, MSG_PEEK);
	get(10, 0);
	get(10, MSG_OOB);
	look();

	// Only the latest counts.
	put_out("ab", MSG_OOB);
	put_out("cd", MSG_OOB);
	put_out("e", 0);
	get(10, MSG_PEEK);
	get(10, 0);
	look();
	get(10, MSG_OOB);
	get(10, 0);
	get(10, 0);

	put_out("a", MSG_OOB);
	put_out("b", MSG_OOB);
	look();
	get(10, 0);
	look();
	get(10, MSG_OOB);

	int on = 1;
	fresh(SOCK_STREAM);
	MUST(setsockopt(fds[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
	put_out("abc", MSG_OOB);
	put_out("d", 0);
	look();
	get(10, MSG_OOB);
	get(10, 0);
	look();
	get(10, MSG_PEEK);
	get(10, 0);
	look();

	// Ends.
	fresh(SOCK_STREAM);
	put_out("ab", MSG_OOB);
	close(fds[0]);
	fds[0] = dup(0);
	get(10, MSG_OOB);
	get(10, 0);
	get(10, 0);
	fresh(SOCK_STREAM);
	close(fds[1]);
	fds[1] = dup(0);
	signal(SIGPIPE, SIG_IGN);
	put_out("ab", MSG_OOB);
	fresh(SOCK_STREAM);
	static char large[60000];
	SHOW(send(fds[0], large, sizeof large, MSG_OOB));
	SHOW(recv(fds[1], large, sizeof large, MSG_WAITALL | MSG_DONTWAIT));
	look();
	char byte;
	SHOW(recv(fds[1], &byte, 1, MSG_OOB));
	SHOW(recv(fds[1], NULL, 0, MSG_OOB));

	owner();
	listener();
	return 0;
}
