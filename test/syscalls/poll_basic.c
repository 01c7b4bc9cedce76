// poll and ppoll: readiness of pipes, sockets, files, bad descriptors; timeouts; masks; waking from another process; errors.
#include "check.h"
#include <poll.h>
#include <sys/socket.h>

static volatile sig_atomic_t ran;
static void handler(int sig) {
	(void)sig;
	ran++;
}

static void show(const char *label, int fd, short events, int timeout) {
	struct pollfd p = {fd, events, 0x7fff};
	int n = poll(&p, 1, timeout);
	int r = p.revents;
	say("%s: %d%s%s%s%s%s%s%s%s%s\n", label, n, r & POLLIN ? " IN" : "", r & POLLOUT ? " OUT" : "", r & POLLPRI ? " PRI" : "", r & POLLHUP ? " HUP" : "", r & POLLERR ? " ERR" : "", r & POLLNVAL ? " NVAL" : "", r & POLLRDHUP ? " RDHUP" : "", r & POLLRDNORM ? " RDNORM" : "", r & POLLWRNORM ? " WRNORM" : "");
}

int main(void) {
	int fds[2], pair[2];
	static char big[1 << 17];
	MUST(pipe(fds));
	show("empty pipe, reader", fds[0], POLLIN | POLLOUT, 0);
	show("empty pipe, writer", fds[1], POLLIN | POLLOUT, 0);
	MUST(write(fds[1], "x", 1));
	show("filled pipe, reader", fds[0], POLLIN | POLLRDNORM | POLLPRI, 0);
	show("only asked for OUT", fds[0], POLLOUT, 0);
	show("asked for nothing", fds[0], 0, 0);
	MUST(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	while (write(fds[1], big, sizeof big) > 0) {
	}
	show("full pipe, writer", fds[1], POLLOUT, 0);
	while (read(fds[0], big, sizeof big) == sizeof big) {
	}
	close(fds[1]);
	show("writer gone", fds[0], POLLIN, 0);
	MUST(read(fds[0], big, sizeof big));
	show("writer gone, drained", fds[0], POLLIN, 0);
	close(fds[0]);
	MUST(pipe(fds));
	close(fds[0]);
	show("reader gone", fds[1], POLLOUT, 0);
	close(fds[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	show("socket", pair[0], POLLIN | POLLOUT | POLLRDHUP, 0);
	MUST(shutdown(pair[1], SHUT_WR));
	show("peer shut its writing", pair[0], POLLIN | POLLOUT | POLLRDHUP, 0);
	close(pair[1]);
	show("peer gone", pair[0], POLLIN | POLLOUT | POLLRDHUP, 0);
	put("f", "x");
	show("file", open("f", O_RDWR), POLLIN | POLLOUT, 0);
	show("directory", open(".", O_RDONLY), POLLIN | POLLOUT, 0);
	show("/dev/null", open("/dev/null", O_RDWR), POLLIN | POLLOUT, 0);
	show("/dev/zero", open("/dev/zero", O_RDWR), POLLIN | POLLOUT, 0);
	show("O_PATH", open("f", O_PATH), POLLIN, 0);
	show("closed", 99, POLLIN, 0);
	show("negative", -1, POLLIN, 0);
	show("unconnected socket", socket(AF_UNIX, SOCK_STREAM, 0), POLLIN | POLLOUT, 0);
	// Timeouts.
	MUST(pipe(fds));
	long before = now_ms();
	show("30 ms", fds[0], POLLIN, 30);
	YES("waited", now_ms() - before >= 30);
	before = now_ms();
	SHOW(poll(NULL, 0, 30));
	YES("waited", now_ms() - before >= 30);
	// Woken by a child.
	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		_exit(write(fds[1], "x", 1) == 1 ? 0 : 1);
	}
	show("woken by a write", fds[0], POLLIN, 5000);
	reap(pid);
	MUST(read(fds[0], big, 10));
	pid = fork();
	if (pid == 0) {
		sleep_ms(30);
		_exit(0);
	}
	close(fds[1]);
	show("woken by the last writer's end", fds[0], POLLIN, 5000);
	reap(pid);
	// Several at once.
	int a[2], b[2], c[2];
	MUST(pipe(a));
	MUST(pipe(b));
	MUST(pipe(c));
	MUST(write(a[1], "x", 1));
	MUST(write(c[1], "x", 1));
	struct pollfd many[5] = {{a[0], POLLIN, 0}, {b[0], POLLIN, 0}, {c[0], POLLIN, 0}, {a[0], POLLIN, 0}, {99, 0, 0}};
	SHOW(poll(many, 5, 0));
	say("%x %x %x %x %x\n", many[0].revents, many[1].revents, many[2].revents, many[3].revents, many[4].revents);
	// Errors and signals.
	SHOW(poll(WILD, 1, 0));
	SHOW(syscall(SYS_poll, many, 5000, 0));
	signal(SIGALRM, handler);
	ticks(20);
	SHOW(poll(&many[1], 1, 5000));
	ticks(0);
	struct timespec bad = {0, 1000000000}, zero = {0, 0}, late = {5, 0};
	SHOW(ppoll(&many[1], 1, &bad, NULL));
	SHOW(ppoll(&many[1], 1, &zero, NULL));
	// ppoll's mask lets a blocked pending signal through, and is undone.
	sigset_t block, none, now;
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigemptyset(&none);
	sigprocmask(SIG_BLOCK, &block, NULL);
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	ran = 0;
	SHOW(ppoll(&many[1], 1, &zero, NULL));
	say("ran %d\n", ran);
	SHOW(ppoll(&many[1], 1, &late, &none));
	say("ran %d\n", ran);
	sigprocmask(SIG_SETMASK, NULL, &now);
	YES("blocked again", sigismember(&now, SIGUSR1) == 1);
	SHOW(syscall(SYS_ppoll, &many[1], 1, &zero, &none, 4));
	SHOW(syscall(SYS_ppoll, &many[1], 1, WILD, NULL, 8));
	// A ready descriptor wins over a pending signal.
	raise(SIGUSR1);
	ran = 0;
	SHOW(ppoll(&many[0], 1, &late, &none));
	say("ran %d\n", ran);
	return 0;
}
