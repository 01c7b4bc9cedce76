// SA_RESTART or EINTR, call by call: read, write, wait, futex, nanosleep, poll, epoll_wait, select, pause, accept, connect, sigtimedwait, sendmsg.
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile sig_atomic_t ran;
static void (*unblock)(void);
static int fds[2], listener;

// The first tick only interrupts; the second makes the call's condition true, for calls that were restarted.
static void tick(int sig) {
	(void)sig;
	int saved = errno;
	if (++ran == 2 && unblock != NULL) unblock();
	errno = saved;
}

static void make_readable(void) { (void)!write(fds[1], "x", 1); }
static void make_writable(void) {
	static char sink[1 << 16];
	for (int i = 0; i < 4; i++) (void)!read(fds[0], sink, sizeof sink);
}
static struct sockaddr_un address;
static void do_connect(void) {
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)!connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void begin(int flags, void (*f)(void)) {
	struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
	sigaction(SIGALRM, &action, NULL);
	ran = 0;
	unblock = f;
	struct itimerval timer = {{0, 20000}, {0, 20000}};
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void end(const char *label, int flags, long result) {
	int saved = errno;
	struct itimerval off = {{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &off, NULL);
	say("%s %s: %s\n", label, flags ? "SA_RESTART" : "plain", result < 0 ? ename(saved) : "completed");
}

#define CALL(label, f, expression) \
	do { \
		begin(flags, f); \
		long call_result = (long)(expression); \
		end(label, flags, call_result); \
	} while (0)

int main(void) {
	address.sun_family = AF_UNIX;
	strcpy(address.sun_path, "socket");
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(bind(listener, (struct sockaddr *)&address, sizeof address));
	MUST(listen(listener, 5));
	static char big[1 << 17];
	char c;
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		MUST(pipe(fds));
		CALL("read pipe", make_readable, read(fds[0], &c, 1));
		(void)!fcntl(fds[0], F_SETFL, O_NONBLOCK);
		while (read(fds[0], big, sizeof big) > 0) {
		}
		(void)!fcntl(fds[1], F_SETFL, O_NONBLOCK);
		while (write(fds[1], big, PAGE) > 0) {
		}
		(void)!fcntl(fds[1], F_SETFL, 0);
		CALL("write full pipe", make_writable, write(fds[1], &c, 1));
		close(fds[0]);
		close(fds[1]);
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
		CALL("recv", make_readable, recv(fds[0], &c, 1, 0));
		CALL("readv socket", make_readable, read(fds[0], &c, 1));
		close(fds[0]);
		close(fds[1]);
		CALL("accept", do_connect, accept(listener, NULL, NULL));
		pid_t pid = fork();
		if (pid == 0) {
			sleep_ms(150);
			_exit(0);
		}
		CALL("waitpid", NULL, waitpid(pid, NULL, 0));
		waitpid(pid, NULL, 0);
		int word = 0;
		struct timespec limit = {0, 400000000};
		CALL("futex with timeout", NULL, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit, NULL, 0));
		CALL("nanosleep", NULL, nanosleep(&limit, NULL));
		CALL("clock_nanosleep", NULL, ({
			     int e = clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, NULL);
			     errno = e;
			     e == 0 ? 0 : -1;
		     }));
		CALL("pause", NULL, pause());
		MUST(pipe(fds));
		struct pollfd poller = {fds[0], POLLIN, 0};
		CALL("poll", make_readable, poll(&poller, 1, 1000));
		(void)!fcntl(fds[0], F_SETFL, O_NONBLOCK);
		while (read(fds[0], big, sizeof big) > 0) {
		}
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fds[0], &set);
		CALL("select", make_readable, select(fds[0] + 1, &set, NULL, NULL, NULL));
		while (read(fds[0], big, sizeof big) > 0) {
		}
		int ep = epoll_create1(0);
		struct epoll_event event = {.events = EPOLLIN};
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &event));
		CALL("epoll_wait", make_readable, epoll_wait(ep, &event, 1, 1000));
		sigset_t usr;
		sigemptyset(&usr);
		sigaddset(&usr, SIGUSR1);
		CALL("sigtimedwait", NULL, sigtimedwait(&usr, NULL, &limit));
		close(ep);
		close(fds[0]);
		close(fds[1]);
	}
	// sleep(3) returns what is left; nanosleep stores it.
	begin(0, NULL);
	struct timespec want = {5, 0}, left = {0, 0};
	int result = nanosleep(&want, &left);
	struct itimerval off = {{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &off, NULL);
	say("nanosleep interrupted: %d, left above 4 s: %s\n", result, yes(left.tv_sec == 4));
	return 0;
}
