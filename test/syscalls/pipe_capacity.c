// How much fits: 64 KiB by default, F_SETPIPE_SZ rounds up, too small for the content is EBUSY; PIPE_BUF writes are whole or nothing.
#include "check.h"

static char big[1 << 20];

static long fill(int fd, size_t piece) {
	long total = 0;
	for (ssize_t n; (n = write(fd, big, piece)) > 0;) total += n;
	return total;
}

static long drain(int fd) {
	long total = 0;
	for (ssize_t n; (n = read(fd, big, sizeof big)) > 0;) total += n;
	return total;
}

int main(void) {
	int fds[2];
	MUST(pipe2(fds, O_NONBLOCK));
	SHOW(fcntl(fds[0], F_GETPIPE_SZ));
	say("filled with pages: %ld, %s\n", fill(fds[1], PAGE), ename(errno));
	SHOW(write(fds[1], big, 1));
	say("drained: %ld\n", drain(fds[0]));
	say("filled with 64 KiB: %ld\n", fill(fds[1], 65536));
	// Nearly full: a write up to PIPE_BUF is refused whole, a longer one is cut.
	MUST(read(fds[0], big, PAGE));
	SHOW(write(fds[1], big, 4096));
	MUST(read(fds[0], big, PAGE));
	SHOW(write(fds[1], big, 2 * PAGE));
	say("drained: %ld\n", drain(fds[0]));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 100));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 4096));
	say("filled: %ld\n", fill(fds[1], PAGE));
	// Room comes before what is to fill it.
	SHOW(write(fds[1], LOW, 3));
	SHOW(read(fds[0], LOW, 3));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 5000));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 1 << 18));
	say("more: %ld\n", fill(fds[1], PAGE));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 8192));
	say("drained: %ld\n", drain(fds[0]));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 8192));
	SHOW(fcntl(fds[0], F_SETPIPE_SZ, 0x80000001U));
	int file = open("file", O_RDWR | O_CREAT, 0644);
	SHOW(fcntl(file, F_GETPIPE_SZ));
	SHOW(fcntl(file, F_SETPIPE_SZ, 8192));
	// A blocking write of a megabyte with a slow reader: all bytes in order.
	MUST(pipe(fds));
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7 + (i >> 12));
		_exit(write(fds[1], big, sizeof big) == sizeof big ? 0 : 1);
	}
	close(fds[1]);
	size_t at = 0, wrong = 0;
	static char part[3333];
	for (ssize_t n; (n = read(fds[0], part, sizeof part)) > 0;) {
		for (ssize_t i = 0; i < n; i++, at++) wrong += part[i] != (char)(at * 7 + (at >> 12));
	}
	say("megabyte: %zu bytes, %zu wrong, writer %s\n", at, wrong, wname(reap(pid)));
	return 0;
}
