// sendfile(2): file to pipe, socket and file; offsets; ends; errors.
#include "check.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

int main(void) {
	char text[64] = {0};
	put("f", "0123456789abcdef");
	int f = open("f", O_RDONLY), fds[2], pair[2];
	MUST(pipe(fds));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	SHOW(sendfile(fds[1], f, NULL, 5));
	SHOW(lseek(f, 0, SEEK_CUR));
	off_t at = 10;
	SHOW(sendfile(fds[1], f, &at, 100));
	say("offset %ld, file's own %ld\n", (long)at, (long)lseek(f, 0, SEEK_CUR));
	SHOW(read(fds[0], text, 60));
	say("%s\n", text);
	SHOW(sendfile(fds[1], f, &at, 100));
	at = 1000;
	SHOW(sendfile(fds[1], f, &at, 100));
	at = -1;
	SHOW(sendfile(fds[1], f, &at, 100));
	at = 0;
	memset(text, 0, sizeof text);
	SHOW(sendfile(pair[0], f, &at, 16));
	SHOW(read(pair[1], text, 60));
	say("%s\n", text);
	int g = open("g", O_RDWR | O_CREAT, 0644);
	at = 4;
	SHOW(sendfile(g, f, &at, 4));
	SHOW(sendfile(g, f, &at, 4));
	say("%s\n", cat("g"));
	SHOW(sendfile(g, f, NULL, 0));
	SHOW(sendfile(99, f, NULL, 5));
	SHOW(sendfile(g, 99, NULL, 5));
	SHOW(sendfile(g, open("g", O_WRONLY), NULL, 5));
	SHOW(sendfile(f, g, NULL, 5));
	SHOW(sendfile(g, f, WILD, 5));
	SHOW(sendfile(open("g", O_WRONLY | O_APPEND), f, NULL, 5));
	SHOW(sendfile(g, pair[0], NULL, 5));
	SHOW(sendfile(g, open(".", O_RDONLY), NULL, 5));
	// A full nonblocking pipe: what fits, then EAGAIN.
	int big = open("big", O_RDWR | O_CREAT, 0644);
	MUST(ftruncate(big, 1 << 20));
	MUST(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	at = 0;
	ssize_t n = sendfile(fds[1], big, &at, 1 << 20);
	YES("what fits", n == 65536);
	SHOW(sendfile(fds[1], big, &at, 100));
	// A megabyte through a socket with a reader.
	pid_t pid = fork();
	if (pid == 0) {
		static char block[8192];
		long total = 0;
		close(pair[0]);
		while ((n = read(pair[1], block, sizeof block)) > 0) total += n;
		_exit(total == 1 << 20 ? 0 : 1);
	}
	close(pair[1]);
	at = 0;
	while (at < 1 << 20) {
		if (sendfile(pair[0], big, &at, 1 << 20) <= 0) die("sendfile");
	}
	close(pair[0]);
	say("megabyte: %s\n", wname(reap(pid)));
	return 0;
}
