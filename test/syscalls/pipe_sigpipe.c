// Writing without a reader: SIGPIPE and EPIPE, for pipes, sockets and fifos; a blocked writer is woken by the reader's end.
#include "check.h"
#include <sys/socket.h>
#include <sys/uio.h>

static int fds[2];
static volatile sig_atomic_t pipes;
static void handler(int sig) {
	(void)sig;
	pipes++;
}

static void write_it(void) {
	(void)!write(fds[1], "x", 1);
	_exit(1);
}

static void full_writer(void) {
	static char big[1 << 17];
	close(fds[0]);
	(void)!write(fds[1], big, sizeof big);
	_exit(1);
}

int main(void) {
	MUST(pipe(fds));
	close(fds[0]);
	child("default", write_it);
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(fds[1], "x", 1));
	SHOW(write(fds[1], "x", 0));
	signal(SIGPIPE, handler);
	SHOW(write(fds[1], "x", 1));
	struct iovec iov = {"abc", 3};
	SHOW(writev(fds[1], &iov, 1));
	say("handler ran %d times\n", pipes);
	close(fds[1]);
	// A writer that sleeps in a full pipe.
	MUST(pipe(fds));
	signal(SIGPIPE, SIG_DFL);
	pid_t pid = spawn(full_writer);
	sleep_ms(20);
	close(fds[1]);
	close(fds[0]);
	say("sleeping writer: %s\n", wname(reap(pid)));
	// Partly written before the reader went: the count, then EPIPE.
	signal(SIGPIPE, handler);
	MUST(pipe(fds));
	pid = fork();
	if (pid == 0) {
		static char part[8192];
		close(fds[1]);
		MUST(read(fds[0], part, 8192));
		_exit(0);
	}
	close(fds[0]);
	static char big[1 << 18];
	ssize_t n = write(fds[1], big, sizeof big);
	say("partly: %s, then ", n >= 65536 && n < (1 << 18) ? "short count" : n < 0 ? ename(errno) : "whole");
	say("%s\n", write(fds[1], big, 1) < 0 ? ename(errno) : "ok");
	reap(pid);
	close(fds[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	close(fds[0]);
	pipes = 0;
	SHOW(write(fds[1], "x", 1));
	SHOW(send(fds[1], "x", 1, MSG_NOSIGNAL));
	SHOW(send(fds[1], "x", 1, 0));
	say("handler ran %d times\n", pipes);
	char c;
	SHOW(read(fds[1], &c, 1));
	close(fds[1]);
	MUST(mkfifo("fifo", 0600));
	fds[0] = open("fifo", O_RDONLY | O_NONBLOCK);
	fds[1] = open("fifo", O_WRONLY);
	MUST(write(fds[1], "x", 1));
	close(fds[0]);
	SHOW(write(fds[1], "x", 1));
	return 0;
}
